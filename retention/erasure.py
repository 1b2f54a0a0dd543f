"""Erasing one subject, in numbered steps. Each may be done again, so a crash anywhere is resumed from the start.

1. Vault: the subject becomes *erasing*: reads are denied from here on, no key is minted. Where the tenant's policy
   has it so, keyed digests of the identifiers are kept, so that whoever comes with one is refused for some time.
2. Vault: ledger entry (mirror first), every key and directory row destroyed, the fence moves.
3. Store: indexes, views, agents and packages are purged behind the gate, a tombstone stays, and the head learns
   the fence's sequence, so that an append resolved earlier rolls back.
4. Memory: nothing to send. Every process reads the fence before it opens, seals or finds anything, and lets go
   of all it had cached under an older reading.
5. Verify: no key, no directory row, no row left; sealed events of the subject are tried and do not open.
6. ``erasure-completed/1`` on the subject's stream, with certificate 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from lrs.application import LetheApplication
from lrs.documenting.heads import HEAD, place_of
from lrs.domain.errors import Failed
from lrs.domain.sealing import Denied, Plain, Unavailable
from lrs.domain.subjects import State, Subject
from lrs.opening import agent_place
from lrs.ports import Clock, DocumentRow, Purged, TenantStore, Vault
from lrs.tenancy import Tenants
from retention.certificates import Evidence, certificate

_SAMPLE_EVENTS_MAX = 100


class ErasureIncomplete(Failed):
    """The verification found something left. The request stays open and is tried again."""

    code = "erasure-incomplete"


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases subjects of tenants. ``reached`` hears the number of each step that is done."""

    tenants: Tenants
    vault: Vault
    clock: Clock
    reached: Callable[[int], None] = lambda _: None

    def erase(
        self, tenant: str, subject: UUID, request: UUID, identifier_kinds: tuple[str, ...]
    ) -> dict[str, Any]:
        """The certificate. Idempotent: an erased subject's certificate is given again. ErasureIncomplete."""
        application = self.tenants.application(tenant)
        known = cast("Subject | None", application.get_or_none(subject))
        if known is not None and known.state is State.ERASED:
            return known.certificates[0]
        store = self.tenants.store(tenant)
        self.vault.begin_erasure(tenant, subject)
        self.reached(1)
        at = self.clock.now()
        if until := self.tenants.policy(tenant).suppressed_until(at):
            self.vault.suppress(tenant, subject, until)
        destroyed = self.vault.destroy(tenant, subject, at)
        self.reached(2)
        documents = store.documents.of_owner(subject, limit=_SAMPLE_EVENTS_MAX)
        purged = store.purge(subject, destroyed.sequence)
        self.reached(3)
        living, sampled = self._verify(store, subject, purged, documents)
        self.reached(5)
        suppressed = self.vault.suppressed_until(tenant, subject)
        evidence = Evidence(destroyed, identifier_kinds, purged.removed, purged.left, living, sampled, suppressed)
        proof = self._certify(tenant, evidence, request)
        self._complete(application, subject, request, proof)
        self.reached(6)
        return proof

    def _verify(
        self, store: TenantStore, subject: UUID, purged: Purged, documents: Sequence[DocumentRow]
    ) -> tuple[int, int]:
        """Step 5: what should be gone is looked for."""
        living = self.vault.living_keys(store.tenant, subject)
        if living or any(purged.left.values()):
            raise ErasureIncomplete("something of the subject is left in the live system")
        return living, self._sample(store, subject, documents)

    def _sample(self, store: TenantStore, subject: UUID, documents: Sequence[DocumentRow]) -> int:
        """How many sealed events of the subject were tried; none may open."""
        stored = store.recorder.select_events(subject, limit=_SAMPLE_EVENTS_MAX)
        mapper = self.tenants.application(store.tenant).mapper
        sealed = [
            (
                agent_place((subject, one.originator_version)),
                cast("Subject.AgentSealed", mapper.to_domain_event(one)),
            )
            for one in stored
            if one.topic == Subject.AgentSealed.TOPIC
        ]
        tried = [(place, event.sealed) for place, event in sealed]
        tried += [(place_of(row.stream, row.version, HEAD), row.head) for row in documents]
        outcomes = self.vault.open_many(store.tenant, tried)
        if any(isinstance(outcome, Plain | Denied | Unavailable) for outcome in outcomes):
            raise ErasureIncomplete("a sealed event of the subject is not dead for certain")
        return len(outcomes)

    def _certify(self, tenant: str, evidence: Evidence, request: UUID) -> dict[str, Any]:
        return certificate(
            evidence,
            request,
            self.clock.now(),
            sign=lambda message: self.vault.sign(tenant, message),
            public_key=self.vault.public_key(tenant),
        )

    def _complete(
        self, application: LetheApplication, subject: UUID, request: UUID, proof: dict[str, Any]
    ) -> None:
        """Step 6. A subject whose first record never got into the log is registered here."""
        at = self.clock.now()
        known = cast("Subject | None", application.get_or_none(subject)) or Subject.register(subject, at)
        known.complete_erasure(request, proof, at)
        application.save(known)
