"""Verdicts: what opening a part may answer, from what is known of the keys of its owners.

It must not know the fence or a cache: it is told who is denied and what the rows say. THE LEDGER ALONE MAY SAY
"ERASED": whatever else does not open is an alarm.
"""

import hmac
from collections.abc import Iterator, Mapping
from uuid import UUID

from lrs.adapters.sql.database import Connection, marks, parts
from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.known import KeyState, SubjectKey, TenantKeys
from lrs.domain.sealing import (
    ERASED,
    EXPIRED,
    Category,
    Corrupt,
    Denied,
    Erased,
    Expired,
    Fate,
    Outcome,
    Place,
    Plain,
    Sealed,
)

_DEAD: dict[str | None, Erased | Expired] = {ERASED: Erased(), EXPIRED: Expired()}


def find_keys(
    connection: Connection, tenant: str, keys: TenantKeys, kids: set[bytes]
) -> Iterator[tuple[bytes, KeyState]]:
    """What is known of these keys; one that is nowhere is absent.

    The ledger is asked first: a key that it calls destroyed stays destroyed, even if somebody put its row back;
    and one that was struck out of the ledger is an alarm, not alive again."""
    for part in parts(list(kids)):
        dead = connection.execute(
            "SELECT kid, reason FROM destroyed_key LEFT JOIN ledger ON ledger.sequence = destroyed_key.sequence"
            f" WHERE destroyed_key.tenant = ? AND kid IN ({marks(part)})",
            (tenant, *part),
        ).fetchall()
        yield from ((kid, _DEAD[reason]) for kid, reason in dead if reason in _DEAD)
        listed = {kid for kid, _ in dead}
        living = [kid for kid in part if kid not in listed]
        if not living:
            continue  # PostgreSQL takes no empty list
        rows = connection.execute(
            "SELECT subject, category, period, kid, wrapped FROM data_key"
            # So that no index by tenant drives: without statistics PostgreSQL walked all of the tenant's keys.
            f" WHERE kid IN ({marks(living)}) AND tenant || '' = ?",
            (*living, tenant),
        ).fetchall()
        for row in rows:
            if (key := unwrap_data_key(tenant, keys, *row)) is not None:
                yield key.key.kid, key


def unwrap_data_key(
    tenant: str, keys: TenantKeys, subject: bytes, category: str, period: str, kid: bytes, wrapped: bytes
) -> SubjectKey | None:
    """The data key of a row; None when it does not unwrap there or is not the key its id promises."""
    try:
        names = (tenant, UUID(bytes=subject).hex, category, period)
        raw = wrapping.unwrap(keys.wrapping, wrapped, *names)
        if not hmac.compare_digest(wrapping.kid_of(raw), kid):
            return None
    except (wrapping.WrappedKeyInvalid, ValueError, TypeError, AttributeError):
        return None  # the last three: a row whose columns were altered to another type or length
    key = envelope.DataKey(kid, Category(category), raw)
    return SubjectKey(UUID(bytes=subject), key)


def owners_of(sealed: Sealed) -> tuple[bytes, ...]:
    """The ids of the keys that open it; none where it is no envelope."""
    try:
        return envelope.kids_of(sealed.envelope)
    except envelope.EnvelopeInvalid:
        return ()


def verdict(state: KeyState, denied: frozenset[UUID]) -> KeyState | Denied:
    """The fence has the word before the key."""
    return Denied() if isinstance(state, SubjectKey) and state.subject in denied else state


def fate(state: KeyState | Denied | None) -> Fate:
    """What became of a key, by what is known of it."""
    if isinstance(state, SubjectKey | Denied):
        return Fate.LIVING
    if isinstance(state, Erased):
        return Fate.ERASED
    return Fate.EXPIRED if isinstance(state, Expired) else Fate.UNKNOWN


def open_one(
    known: Mapping[bytes, KeyState | Denied], tenant: str, place: Place, sealed: bytes, kids: tuple[bytes, ...]
) -> Outcome:
    """The outcome of one part. Any owner's key will do; without one, the gentlest true verdict is given only
    if every owner has a verdict: a single unknown key makes it an alarm."""
    if not kids:
        return Corrupt("the envelope is malformed")
    if envelope.needs_all(sealed):
        return _open_for_all([known.get(kid) for kid in kids], tenant, place, sealed)
    for kid in kids:
        state = known.get(kid)
        if isinstance(state, SubjectKey):
            try:
                return Plain(envelope.open_with(tenant, place, sealed, state.key))
            except envelope.EnvelopeInvalid:
                return Corrupt("the seal does not open in this place")
    return _unopened([known.get(kid) for kid in kids])


def _open_for_all(verdicts: list[KeyState | Denied | None], tenant: str, place: Place, sealed: bytes) -> Outcome:
    """The outcome of a part that takes the keys of all its owners: one that died is the end of it."""
    keys = [verdict.key for verdict in verdicts if isinstance(verdict, SubjectKey)]
    if len(keys) < len(verdicts):
        return _unopened([verdict for verdict in verdicts if not isinstance(verdict, SubjectKey)], worst=True)
    try:
        return Plain(envelope.open_with_all(tenant, place, sealed, keys))
    except envelope.EnvelopeInvalid:
        return Corrupt("the seal does not open in this place")


def _unopened(verdicts: list[KeyState | Denied | None], *, worst: bool = False) -> Outcome:
    """Why a part does not open: the gentlest verdict, or the one that is for ever."""
    if any(verdict is None for verdict in verdicts):
        return Corrupt("a key is missing and no destruction of it is recorded")
    if worst and Erased() in verdicts:
        return Erased()
    for verdict in verdicts:
        if isinstance(verdict, Denied | Expired):
            return verdict
    return Erased()
