"""After a restore to an earlier moment: how people stand is in the vault, which is of today, and what made them
stand so may not be in the log any more.

A correction that was stored later is not in force: the one before it is, if there is one. An erasure that was
asked for later waits no more, for its request is not there to be carried out or taken back: it has to be asked for
again. Who is restricted or held stays so: nothing is shown or destroyed that was not to be.
"""

from collections.abc import Callable
from uuid import UUID

from lrs.domain.subjects import Standing, Subject
from lrs.ports import TenantStore, Vault


def settle_standings(vault: Vault, store: TenantStore) -> int:
    """Let nobody stand otherwise than the log can say; how many did. Idempotent. KeyStoreUnavailable."""
    tenant = store.tenant
    _, corrected = vault.open_corrected(tenant, [])
    noted = sorted(vault.read(tenant).denied | corrected.keys())
    settled = 0
    for subject, standing in zip(noted, vault.standings(tenant, noted), strict=True):
        after = standing.as_logged(_correction(store, subject), _requests(store, standing))
        if after != standing:
            vault.take(tenant, [subject], _to(after))
            settled += 1
    return settled


def _to(after: Standing) -> Callable[[Standing], Standing]:
    return lambda _: after


def _correction(store: TenantStore, subject: UUID) -> int:
    """The version of a subject's newest correction that is in the log; 0: there is none."""
    events = store.recorder.select_events(subject)
    topic = Subject.AgentCorrected.TOPIC
    return max((one.originator_version for one in events if one.topic == topic), default=0)


def _requests(store: TenantStore, standing: Standing) -> frozenset[UUID]:
    """Those of the requests that are waited for that are in the log."""
    return frozenset(one for one in standing.waiting if store.recorder.select_events(one, limit=1))
