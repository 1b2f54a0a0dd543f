"""The vault: wrapped keys, the directory, the fence and the ledger in a database of its own.

A seal, a look and a destruction go this way:

1. The fence is read (``fence``): one row. If it moved since the last reading, everything cached is let go.
2. Keys come from the cache or are unwrapped: EK (held since the fence showed its number) opens TK (``tenants``),
   TK opens the data key, and the key's id is checked against its row (key commitment). What is not cached is read
   in one snapshot with the fence.
3. Minting and destroying lock the fence, check that it stands where the caller read it, and commit before
   anything is sealed.
4. A destruction reaches the ledger's mirror, on the disk, before it is committed here.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from lrs.adapters.sql.database import Connection, Database, Row, marks
from lrs.adapters.vault import expiring, heads, snapshot, standings, verdicts
from lrs.adapters.vault.checking import check_keys
from lrs.adapters.vault.destroying import apply_entry, catch_up, entries_of, not_listed
from lrs.adapters.vault.epochs import EpochKeys
from lrs.adapters.vault.fence import FENCE
from lrs.adapters.vault.known import KeyState, Known, Noted, SubjectKey, TenantKeys
from lrs.adapters.vault.ledger import DEPARTED, GENESIS, make_entry
from lrs.adapters.vault.mirrors import Mirrors
from lrs.adapters.vault.reading import VaultReading
from lrs.adapters.vault.suppressing import SuppressingKeyring
from lrs.adapters.vault.tenants import KINDS
from lrs.domain.errors import KeyStoreUnavailable, NotFound, VaultRefused
from lrs.domain.kept_heads import KeptHead
from lrs.domain.sealing import (
    ERASED,
    EXPIRED,
    Category,
    Denied,
    Destroyed,
    Fate,
    Outcome,
    Place,
    Plain,
    Sealed,
    Unavailable,
)
from lrs.domain.subjects import Standing, State
from lrs.ports import Bearing

log = logging.getLogger("lethe.vault")

# One reading of the fence serves at most this many openings.
FENCED_OPENINGS_MAX = 500


class KeyVault(SuppressingKeyring):
    """The keys of every tenant. Made by ``lrs.adapters.vault.opening``."""

    def __init__(self, database: Database, keys: EpochKeys, mirror: Mirrors) -> None:
        super().__init__(database, keys)
        self._mirror = mirror

    # --- reading ---------------------------------------------------------------------------------------------

    @staticmethod
    def _noted(connection: Connection, known: Known, tenant: str) -> Noted:
        if tenant not in known.noted:
            known.noted[tenant] = standings.noted(connection, tenant)
        return known.noted[tenant]

    def read(self, tenant: str) -> VaultReading:
        """Read the fence and work under it."""
        known = self._look()
        if tenant not in known.noted or tenant not in known.tenants:
            with self.database.read() as connection:
                known = self.known(connection, (known.epoch, known.sequence))
                self._noted(connection, known, tenant)
                self.tenant_keys(connection, known, tenant)
        return VaultReading(self, tenant, known, known.tenants[tenant])

    # --- tenants ---------------------------------------------------------------------------------------------

    def create_tenant(self, tenant: str) -> None:
        """Mint a tenant's keys; again for a tenant that has them: nothing."""
        with self.writing() as (connection, fence):
            known = self.known_at(*fence)  # not under the key of an epoch that was closed meanwhile
            self.finish_interrupted(connection)  # the end of an older tenant of this name must not come later
            if connection.execute("SELECT 1 FROM tenant_key WHERE tenant = ?", (tenant,)).fetchone():
                return
            self.insert_tenant_keys(connection, known, tenant, *KINDS)
            standings.insert_subjects(connection, tenant, [uuid4()], "tenant")

    def destroy_tenant(self, tenant: str) -> None:
        """Destroy every key of a tenant for ever: its wrapping key goes, so no data key opens again. It is in
        the ledger (mirror first), so that an older copy of the vault does not bring the tenant back."""
        with self.writing() as (connection, _):
            self.finish_interrupted(connection)
            row = connection.execute(
                "SELECT subject FROM subject WHERE tenant = ? AND role = 'tenant'", (tenant,)
            ).fetchone()
            if row is not None:
                self._enter(connection, tenant, UUID(bytes=row[0]), DEPARTED, (), "")
        self.database.checkpoint()

    def tenant_subject(self, tenant: str) -> UUID:
        """The subject that stands for what belongs to no person."""
        with self.database.read() as connection:
            row = connection.execute(
                "SELECT subject FROM subject WHERE tenant = ? AND role = 'tenant'", (tenant,)
            ).fetchone()
        if row is None:
            raise NotFound("no such tenant")
        return UUID(bytes=row[0])

    def bearing(self) -> Bearing:
        """Where it stands now."""
        with self.database.read() as connection:
            epoch = self.known(connection).epoch
            (length,) = connection.execute("SELECT count(*) FROM ledger").fetchone()
            return Bearing(self.keys.vault, epoch, int(length), _last_hash(connection) if length else "")

    def snapshot(self) -> Iterator[bytes]:
        """All that is in the vault, as it is now; nothing in it opens without the present epoch's key."""
        return snapshot.dump(self.database)

    def signed_head(self, tenant: str) -> KeptHead | None:
        """The highest head of a tenant's log that was signed; None before there is one."""
        reached = self._reached
        with self.database.read() as connection:
            self.known(connection, reached)  # not out of an older copy
            return heads.kept_head(connection, tenant)

    def keep_signed_head(self, tenant: str, head: KeptHead) -> None:
        """Keep a head that was signed, unless a higher one is there."""
        reached = self._reached
        with self.database.write() as connection:
            self.known(connection, reached)  # the fence is not locked: who seals does not wait for this
            heads.keep_head(connection, tenant, head)

    # --- catching up -----------------------------------------------------------------------------------------

    def catch_up(self) -> int:
        """Bring the ledger up to its mirrors; how many destructions were carried out again. VaultRefused when they
        tell different stories."""
        with self.writing() as (connection, fence):
            known = self.known_at(*fence)
            self._mirror.meet()
            again = catch_up(connection, list(self._mirror.entries()))  # under the lock that appending needs
            check_keys(connection, known.epoch, known.epoch_key)
        if again:
            log.warning(
                "the vault was behind its ledger: carried out again: destructions=%d keys=%d",
                len(again),
                sum(len(entry.destroyed.kids) for entry in again),
            )
            self.database.checkpoint()
        return len(again)

    def move(self, connection: Connection) -> None:
        """The database is another copy, which may lack what was committed last: forget what was read from the one
        before, bring its ledger up to the mirror, and its fence to where it was reached. VaultRefused."""
        epoch, _ = connection.execute(f"SELECT {FENCE} FROM fence{self.database.for_update}").fetchone()
        reached_epoch, reached = self._reached
        if epoch < reached_epoch or epoch not in self.keys.there():
            raise VaultRefused("another copy took the vault's place, which is of another epoch")
        self._mirror.meet()
        catch_up(connection, list(self._mirror.entries()))
        if epoch == reached_epoch:
            connection.execute("UPDATE fence SET sequence = ? WHERE sequence < ?", (reached, reached))
        self._known = Known(0, -1)

    # --- opening ---------------------------------------------------------------------------------------------

    def open_many(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]], *, keep: bool = False, inside: bool = False
    ) -> list[Outcome]:
        """Each item's outcome, in order. The fence is read for every 500. With ``keep``, what opens is kept for
        whoever asks again while the fence stands. With ``inside``, for comparing and folding and never for an
        answer, only they are denied who are being erased."""
        outcomes: list[Outcome] = []
        for start in range(0, len(items), FENCED_OPENINGS_MAX):
            part = items[start : start + FENCED_OPENINGS_MAX]
            # What opened inside is not kept: others would be given it.
            outcomes += (
                self._open_kept(tenant, part)[0] if keep and not inside else self._open(tenant, part, inside)
            )
        return outcomes

    def open_corrected(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]]
    ) -> tuple[list[Outcome], Mapping[UUID, int]]:
        """As with ``keep``, and by subject the version of the correction in force, which is known without
        asking."""
        outcomes: list[Outcome] = []
        corrected: Mapping[UUID, int] = {}
        for start in range(0, len(items) or 1, FENCED_OPENINGS_MAX):
            opened, corrected = self._open_kept(tenant, items[start : start + FENCED_OPENINGS_MAX])
            outcomes += opened
        return outcomes, corrected

    def _open_kept(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]]
    ) -> tuple[list[Outcome], Mapping[UUID, int]]:
        try:
            known = self._look()
            if tenant not in known.noted:
                with self.database.read() as connection:
                    known = self.known(connection, (known.epoch, known.sequence))
                    self._noted(connection, known, tenant)
        except KeyStoreUnavailable:
            return [Unavailable()] * len(items), {}
        kept = known.opened
        names = [(tenant, place, sealed.envelope) for place, sealed in items]
        outcomes: list[Outcome | None] = [kept.get(name) for name in names]
        missing = [at for at, outcome in enumerate(outcomes) if outcome is None]
        opened = self._open(tenant, [items[at] for at in missing], inside=False) if missing else []
        for at, outcome in zip(missing, opened, strict=True):
            outcomes[at] = outcome
            if isinstance(outcome, Plain):
                # Into the reading from before: if the fence has moved since, nobody looks there.
                kept[names[at]] = outcome
        return [outcome for outcome in outcomes if outcome is not None], known.noted[tenant].corrected

    def _open(self, tenant: str, items: Sequence[tuple[Place, Sealed]], inside: bool) -> list[Outcome]:
        owners = [verdicts.owners_of(sealed) for _, sealed in items]
        try:
            known = self._verdicts(tenant, {kid for kids in owners for kid in kids}, inside)
        except KeyStoreUnavailable:
            return [Unavailable()] * len(items)
        return [
            verdicts.open_one(known, tenant, place, sealed.envelope, kids)
            for (place, sealed), kids in zip(items, owners, strict=True)
        ]

    def fates(self, tenant: str, items: Sequence[Sealed]) -> list[tuple[Fate, ...]]:
        """What became of the keys of each item's owners, in the order of the owners. KeyStoreUnavailable."""
        owners = [verdicts.owners_of(sealed) for sealed in items]
        known = self._verdicts(tenant, {kid for kids in owners for kid in kids}, inside=True)
        return [tuple([verdicts.fate(known.get(kid)) for kid in kids]) for kids in owners]

    def _verdicts(self, tenant: str, kids: set[bytes], inside: bool) -> dict[bytes, KeyState | Denied]:
        """What may be done with these keys now; one that is nowhere is absent."""
        known = self._look()
        states = {kid: state for kid in kids if (state := known.by_kid.get((tenant, kid)))}
        if tenant not in known.noted or len(states) < len(kids):
            with self.database.read() as connection:
                known = self.known(connection, (known.epoch, known.sequence))
                self._noted(connection, known, tenant)
                keys = self.tenant_keys(connection, known, tenant)
                states = self._states(connection, known, tenant, keys, kids)
        noted = known.noted[tenant]
        denied = noted.erasing if inside else noted.denied
        return {kid: verdicts.verdict(state, denied) for kid, state in states.items()}

    def _states(
        self, connection: Connection, known: Known, tenant: str, keys: TenantKeys, kids: set[bytes]
    ) -> dict[bytes, KeyState]:
        """What is known of these keys; one that is nowhere is absent. The answer is a table of its own, for
        another thread may empty the shared one before this one has looked."""
        states = {kid: state for kid in kids if (state := known.by_kid.get((tenant, kid)))}
        for kid, state in verdicts.find_keys(connection, tenant, keys, kids - states.keys()):
            known.by_kid[tenant, kid] = states[kid] = state
        return states

    @staticmethod
    def check_not_destroyed(connection: Connection, tenant: str, kids: Sequence[bytes]) -> None:
        """KeyStoreUnavailable for a key that the ledger calls destroyed: somebody put its row back."""
        sql = f"SELECT 1 FROM destroyed_key WHERE tenant = ? AND kid IN ({marks(kids)})"
        if kids and connection.execute(sql, (tenant, *kids)).fetchone():
            raise KeyStoreUnavailable("a data key was put back after its destruction")

    @staticmethod
    def check_data_key(tenant: str, keys: TenantKeys, row: Row) -> SubjectKey:
        """The key of a row for sealing. KeyStoreUnavailable for one that does not unwrap: nothing is sealed under
        a key that is not beyond doubt."""
        key = verdicts.unwrap_data_key(tenant, keys, *row)
        if key is None:
            raise KeyStoreUnavailable("a data key is damaged")
        return key

    # --- destroying ------------------------------------------------------------------------------------------

    def begin_erasure(self, tenant: str, subject: UUID) -> None:
        """Deny reads and mint nothing more for the subject; idempotent. LegalHold."""
        self.take(tenant, [subject], Standing.begin_erasure)

    def take(self, tenant: str, subjects: Sequence[UUID], step: standings.Step) -> list[Standing]:
        """A step of each of these subjects: all of them or, with the step's error, none. How they stand then. The
        fence moves if that changed. Who is not known is passed over."""
        with self.writing() as (connection, _):
            return standings.take(connection, tenant, subjects, step)

    def standings(self, tenant: str, subjects: Sequence[UUID]) -> list[Standing]:
        """How these stand now; who is not known is passed over."""
        with self.database.read() as connection:
            found = (standings.standing(connection, tenant, one) for one in subjects)
            return [one for one in found if one is not None]

    def destroy(self, tenant: str, subject: UUID, at: datetime) -> Destroyed:
        """Ledger entry (mirror first), then every key and directory row of the subject gone; idempotent."""
        with self.writing() as (connection, _):
            self.finish_interrupted(connection)
            gone = _entry_of(connection, tenant, subject) or self._destroy(connection, tenant, subject, at)
        self.database.checkpoint()
        return gone

    def periods(self, tenant: str, category: Category) -> dict[str, int]:
        """How many keys of a category may expire, by period."""
        with self.database.read() as connection:
            return expiring.periods(connection, tenant, category)

    def keys_of(self, tenant: str, category: Category, period: str) -> Iterator[bytes]:
        """The ids of the keys of a period that may expire."""
        after = b""
        while True:
            with self.database.read() as connection:
                rows = expiring.keys(connection, tenant, category, period, after, expiring.KEYS_MAX)
            if not rows:
                return
            yield from (kid for _, kid in rows)
            after = rows[-1][0]

    def expire(self, tenant: str, category: Category, period: str, at: datetime) -> Iterator[Destroyed]:
        """Destroy the keys of a period, some at a time: ledger entry (mirror first), then they are gone, then it
        is said. Whoever asks no further leaves the others. Idempotent."""
        subject, after = self.tenant_subject(tenant), b""
        while True:
            with self.writing() as (connection, _):
                self.finish_interrupted(connection)
                rows = expiring.keys(connection, tenant, category, period, after, expiring.KEYS_MAX)
                if not rows:
                    return
                after = rows[-1][0]
                kids = not_listed(connection, tenant, [kid for _, kid in rows])
                if not kids:
                    continue
                gone = self._enter(connection, tenant, subject, EXPIRED, kids, at.isoformat())
            self.database.checkpoint()
            yield gone

    def kids(self, sealed: Sealed) -> tuple[bytes, ...]:
        """The ids of the keys that open it; none where it is no envelope."""
        return verdicts.owners_of(sealed)

    def _destroy(self, connection: Connection, tenant: str, subject: UUID, at: datetime) -> Destroyed:
        state = connection.execute(
            "SELECT state FROM subject WHERE tenant = ? AND subject = ?", (tenant, subject.bytes)
        ).fetchone()
        if state is None or state[0] != State.ERASING:
            raise NotFound("no such subject is being erased")
        rows = connection.execute(
            "SELECT kid FROM data_key WHERE tenant = ? AND subject = ? ORDER BY kid", (tenant, subject.bytes)
        )
        kids = not_listed(connection, tenant, [row[0] for row in rows.fetchall()])
        return self._enter(connection, tenant, subject, ERASED, kids, at.isoformat())

    def finish_interrupted(self, connection: Connection) -> None:
        """A destruction that reached the mirror but not its commit is carried out first. Otherwise the next entry
        would cite the same predecessor, and the mirror's chain would be broken for ever."""
        (count,) = connection.execute("SELECT count(*) FROM ledger").fetchone()
        if self._mirror.tip() != (count, _last_hash(connection)):
            self._mirror.meet()
            catch_up(connection, list(self._mirror.entries()))

    def _enter(
        self,
        connection: Connection,
        tenant: str,
        subject: UUID,
        reason: str,
        kids: tuple[bytes, ...],
        at: str,
    ) -> Destroyed:
        (sequence,) = connection.execute("SELECT sequence + 1 FROM fence").fetchone()
        entry = make_entry(Destroyed(sequence, tenant, subject, reason, kids), at, _last_hash(connection))
        self._mirror.append(entry)
        apply_entry(connection, entry)
        return entry.destroyed

    def destroyed(self, tenant: str, subject: UUID) -> Destroyed | None:
        """The ledger's entry of this subject's erasure, if it has one."""
        with self.database.read() as connection:
            return _entry_of(connection, tenant, subject)

    def destructions(self, tenant: str, after: int = 0) -> list[Destroyed]:
        """The ledger's entries of this tenant beyond a sequence, ascending; of one that departed and came again
        those since."""
        with self.database.read() as connection:
            return entries_of(connection, tenant, after)

    def dead(self, tenant: str, until: datetime) -> frozenset[bytes]:
        """The ids of all keys of the tenant that the ledger calls destroyed, up to then."""
        sql = (
            "SELECT kid, reason, at FROM destroyed_key JOIN ledger ON ledger.sequence = destroyed_key.sequence"
            " WHERE destroyed_key.tenant = ?"
        )
        with self.database.read() as connection:
            rows = connection.execute(sql, (tenant,)).fetchall()
        return frozenset(
            kid for kid, why, at in rows if why in (ERASED, EXPIRED) and datetime.fromisoformat(at) <= until
        )

    def identifier_kinds(self, tenant: str, subject: UUID) -> tuple[str, ...]:
        """Which kinds of identifier the directory knows the subject by."""
        with self.database.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT kind FROM directory WHERE tenant = ? AND subject = ? ORDER BY kind",
                (tenant, subject.bytes),
            )
            return tuple(row[0] for row in rows)

    def living_keys(self, tenant: str, subject: UUID) -> int:
        """How many data keys and directory rows of the subject there still are."""
        with self.database.read() as connection:
            (count,) = connection.execute(
                "SELECT (SELECT count(*) FROM data_key WHERE tenant = ? AND subject = ?)"
                " + (SELECT count(*) FROM directory WHERE tenant = ? AND subject = ?)",
                (tenant, subject.bytes) * 2,
            ).fetchone()
        return int(count)


def _last_hash(connection: Connection) -> str:
    last = connection.execute("SELECT hash FROM ledger ORDER BY sequence DESC LIMIT 1").fetchone()
    return str(last[0]) if last else GENESIS


def _entry_of(connection: Connection, tenant: str, subject: UUID) -> Destroyed | None:
    row = connection.execute(
        "SELECT sequence FROM ledger WHERE tenant = ? AND subject = ? AND reason = ?",
        (tenant, subject.bytes, ERASED),
    ).fetchone()
    if row is None:
        return None
    kids = connection.execute(
        "SELECT kid FROM destroyed_key WHERE sequence = ? AND tenant = ? ORDER BY kid", (row[0], tenant)
    )
    return Destroyed(row[0], tenant, subject, ERASED, tuple(kid[0] for kid in kids))
