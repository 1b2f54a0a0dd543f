"""The vault under one reading of the fence: finding and minting subjects and keys, sealing, digests.

1. ``lookup`` finds subjects of identifiers; ``enrol`` mints a subject for those that have none.
2. ``ensure`` mints the data keys that are missing, all in one transaction.
3. ``seal`` and ``digest`` then work from memory.

Every minting checks, with the fence locked, that the fence still stands where it was read: else StaleFence.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from lrs.adapters.sql.database import Connection, Row, marks, parts
from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.known import Known, SubjectKey, TenantKeys
from lrs.adapters.vault.standings import insert_subjects
from lrs.domain.agents import Identifier, lookups_of
from lrs.domain.errors import IdentifierTaken, KeyStoreUnavailable, LimitExceeded, SubjectSuppressed
from lrs.domain.sealing import Category, Part, Place, Sealed, Slot
from lrs.domain.subjects import State
from lrs.ports import StaleFence

if TYPE_CHECKING:
    from lrs.adapters.vault.vault import KeyVault

_DIGEST_BYTES = 16
_WRITABLE = (State.LIVE, State.PENDING)


class VaultReading:
    """One tenant's keys as one reading of the fence shows them."""

    def __init__(self, vault: "KeyVault", tenant: str, known: Known, keys: TenantKeys) -> None:
        self._vault = vault
        self._tenant = tenant
        self._known = known
        self._keys = keys

    @property
    def sequence(self) -> int:
        """Where the fence stood."""
        return self._known.sequence

    @property
    def denied(self) -> frozenset[UUID]:
        """Subjects that may not be read now."""
        return self._known.noted[self._tenant].denied

    @property
    def erasing(self) -> frozenset[UUID]:
        """Those among them about whom nothing may be written either."""
        return self._known.noted[self._tenant].erasing

    # --- people ----------------------------------------------------------------------------------------------

    def lookup(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subjects that these identifiers are known to name; unknown ones are absent."""
        wanted = set(identifiers)
        found = {one: subject for one in wanted if (subject := self._cached(one))}
        missing = wanted - found.keys()
        if missing:
            with self._vault.database.read() as connection:
                there = self._find(connection, missing)
                if len(there) < len(missing):
                    there |= self._find_anew(connection, missing - there.keys())
            for one, subject in there.items():
                # Remembered here only: what the directory says inside a writing may yet be rolled back.
                self._known.directory[self._tenant, self._digest_of(one)] = subject
            found |= there
        return found

    def enrol(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subject of every identifier; unknown ones get a new random subject. StaleFence; SubjectSuppressed,
        and nobody gets one, where one of these is refused."""
        wanted = list(dict.fromkeys(identifiers))
        found = self.lookup(wanted)
        missing = [one for one in wanted if one not in found]
        if missing:
            with self._vault.writing() as (connection, fence):
                self._check(fence)
                found |= self._find(connection, missing)
                unknown = [one for one in missing if one not in found]
                self._check_admitted(connection, unknown)
                self._mint_subjects(connection, unknown, found)
        return found

    def suppressed(self, identifiers: Iterable[Identifier]) -> frozenset[Identifier]:
        """Those of these that were an erased person's who is refused now."""
        with self._vault.database.read() as connection:
            return self._suppressed(connection, identifiers)

    def _suppressed(self, connection: Connection, identifiers: Iterable[Identifier]) -> frozenset[Identifier]:
        key = self._keys.suppression
        if key is None:
            return frozenset()
        digests = {one: [suppression_digest(key, form) for form in lookups_of(one)] for one in identifiers}
        now, there = int(self._vault.now().timestamp()), set[bytes]()
        for part in parts([digest for forms in digests.values() for digest in forms]):
            rows = connection.execute(
                f"SELECT digest FROM suppression WHERE tenant = ? AND until > ? AND digest IN ({marks(part)})",
                (self._tenant, now, *part),
            ).fetchall()
            there |= {row[0] for row in rows}
        return frozenset(one for one, forms in digests.items() if not there.isdisjoint(forms))

    def _check_admitted(self, connection: Connection, identifiers: Iterable[Identifier]) -> None:
        """SubjectSuppressed. The fence is locked: whoever is refused from now on was not yet."""
        if self._suppressed(connection, identifiers):
            raise SubjectSuppressed("somebody in the request was erased and is refused: nothing of it was stored")

    def _cached(self, identifier: Identifier) -> UUID | None:
        return self._known.directory.get((self._tenant, self._digest_of(identifier)))

    def _digest_of(self, identifier: Identifier) -> bytes:
        return digest_of(self._keys.pepper, identifier)

    def _find_anew(self, connection: Connection, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """Nobody is unknown only because an epoch was closed since this reading began: the directory may be under
        another pepper now."""
        known = self._vault.known(connection)
        if known.epoch == self._known.epoch:
            return {}
        return self._find(connection, identifiers, self._vault.tenant_keys(connection, known, self._tenant).pepper)

    def _find(
        self, connection: Connection, identifiers: Iterable[Identifier], pepper: bytes | None = None
    ) -> dict[Identifier, UUID]:
        digests = {
            one: [digest_of(pepper or self._keys.pepper, form) for form in lookups_of(one)] for one in identifiers
        }
        subjects: dict[bytes, UUID] = {}
        for part in parts([digest for forms in digests.values() for digest in forms]):
            rows = connection.execute(
                f"SELECT digest, subject FROM directory WHERE tenant = ? AND digest IN ({marks(part)})",
                (self._tenant, *part),
            ).fetchall()
            subjects |= {row[0]: UUID(bytes=row[1]) for row in rows}
        known = {one: [subjects[form] for form in forms if form in subjects] for one, forms in digests.items()}
        return {one: found[0] for one, found in known.items() if found}

    def _mint_subjects(
        self, connection: Connection, identifiers: Iterable[Identifier], found: dict[Identifier, UUID]
    ) -> None:
        """New random subjects, each with an identity key and its rows in the directory. Two identifiers of one
        group may be two forms of one (an mbox and its SHA-1): the second is then the subject of the first."""
        forms: dict[Identifier, UUID] = {}
        keys: list[tuple[Slot, bytes, bytes]] = []
        directory: list[tuple[str, bytes, bytes, str, bytes]] = []
        for one in identifiers:
            same = next((forms[form] for form in lookups_of(one) if form in forms), None)
            if same is not None:
                found[one] = same
                continue
            found[one] = subject = uuid4()
            slot = Slot(subject, Category.IDENTITY)
            raw, kid = _new_key()
            keys.append((slot, raw, kid))
            key = envelope.DataKey(kid, slot.category, raw)
            forms |= dict.fromkeys(lookups_of(one), subject)
            directory += self._entries(one, subject, key)
        insert_subjects(connection, self._tenant, [slot.subject for slot, _, _ in keys], "person")
        self._insert_keys(connection, keys)
        connection.executemany("INSERT INTO directory VALUES (?,?,?,?,?)", directory)

    def _entries(
        self, identifier: Identifier, subject: UUID, key: envelope.DataKey
    ) -> list[tuple[str, bytes, bytes, str, bytes]]:
        """The rows of the directory by which an identifier, in every form, leads to a subject."""
        rows = []
        for form in lookups_of(identifier):
            text = form.value.encode("utf-8", "surrogatepass")
            sealed = envelope.seal(self._tenant, directory_place(subject, form.kind), [key], text)
            rows.append((self._tenant, self._digest_of(form), subject.bytes, form.kind, sealed))
        return rows

    def enter(self, subject: UUID, identifier: Identifier) -> None:
        """One identifier more leads to the subject; again: nothing. IdentifierTaken where it, in any form, leads
        to another; StaleFence; SubjectSuppressed."""
        slot = Slot(subject, Category.IDENTITY)
        self.ensure([slot])
        key = self._key(slot).key
        with self._vault.writing() as (connection, fence):
            self._check(fence)
            self._check_live(connection, [slot])
            if self._find(connection, [identifier]).get(identifier, subject) != subject:
                raise IdentifierTaken("the new identifier names another person")
            self._check_admitted(connection, [identifier])
            connection.executemany(
                "INSERT INTO directory VALUES (?,?,?,?,?) ON CONFLICT (tenant, digest) DO NOTHING",
                self._entries(identifier, subject, key),
            )

    # --- keys ------------------------------------------------------------------------------------------------

    def ensure(self, slots: Iterable[Slot]) -> None:
        """See that these data keys exist, in one transaction. StaleFence, also for a subject being erased."""
        missing = [slot for slot in dict.fromkeys(slots) if (self._tenant, slot) not in self._known.by_slot]
        if not missing:
            return
        with self._vault.database.read() as connection:
            absent = self._load(connection, missing)
        if absent:
            with self._vault.writing() as (connection, fence):
                self._check(fence)
                absent = self._load(connection, absent)
                self._check_live(connection, absent)
                self._insert_keys(connection, [(slot, *_new_key()) for slot in absent])
            with self._vault.database.read() as connection:
                self._load(connection, absent)  # what was minted is read back after its commit, never used before

    def _check(self, fence: tuple[int, int]) -> None:
        """The fence again, now that it is locked."""
        if fence != (self._known.epoch, self._known.sequence):
            raise StaleFence

    def _check_live(self, connection: Connection, slots: Iterable[Slot]) -> None:
        subjects = {slot.subject.bytes for slot in slots}
        for part in parts(list(subjects)):
            rows = connection.execute(
                f"SELECT state FROM subject WHERE tenant = ? AND subject IN ({marks(part)})", (self._tenant, *part)
            ).fetchall()
            if len(rows) < len(part) or any(state not in _WRITABLE for (state,) in rows):
                raise StaleFence

    def _load(self, connection: Connection, slots: Iterable[Slot]) -> list[Slot]:
        """Bring the keys of these slots into memory; the slots that have none."""
        wanted = dict.fromkeys(slots)
        for part in parts([subject.bytes for subject in {slot.subject for slot in wanted}]):
            rows = connection.execute(
                "SELECT subject, category, period, kid, wrapped FROM data_key"
                f" WHERE tenant = ? AND subject IN ({marks(part)})",
                (self._tenant, *part),
            ).fetchall()
            asked = [(slot, row) for row in rows if (slot := _slot_of(row)) in wanted]
            self._vault.check_not_destroyed(connection, self._tenant, [row[3] for _, row in asked])
            for slot, row in asked:
                self._remember(slot, self._checked_key(connection, row))
                wanted.pop(slot)
        return list(wanted)

    def _checked_key(self, connection: Connection, row: Row) -> SubjectKey:
        """The key of a row. StaleFence where it was wrapped anew since this reading began."""
        try:
            return self._vault.check_data_key(self._tenant, self._keys, row)
        except KeyStoreUnavailable:
            if self._vault.known(connection).epoch != self._known.epoch:
                raise StaleFence from None
            raise

    def _insert_keys(self, connection: Connection, keys: Iterable[tuple[Slot, bytes, bytes]]) -> None:
        """Keep new keys (slot, key, its id), wrapped."""
        rows = []
        for slot, raw, kid in keys:
            names = (self._tenant, slot.subject.hex, slot.category.value, slot.period)
            wrapped = wrapping.wrap(self._keys.wrapping, raw, *names)
            rows.append((self._tenant, slot.subject.bytes, slot.category, slot.period, kid, wrapped))
        connection.executemany("INSERT INTO data_key VALUES (?,?,?,?,?,?)", rows)

    def _remember(self, slot: Slot, key: SubjectKey) -> None:
        self._known.by_slot[self._tenant, slot] = key
        self._known.by_kid[self._tenant, key.key.kid] = key

    def _key(self, slot: Slot) -> SubjectKey:
        """A key in memory, brought there when another thread has emptied the table."""
        found = self._known.by_slot.get((self._tenant, slot))
        if found is None:
            self.ensure([slot])
            with self._vault.database.read() as connection:
                self._load(connection, [slot])
            found = self._known.by_slot.get((self._tenant, slot))
        if found is None:
            raise StaleFence
        return found

    # --- sealing ---------------------------------------------------------------------------------------------

    def seal(
        self,
        owners: Sequence[UUID],
        category: Category,
        period: str,
        place: Place,
        data: bytes,
        *,
        all_of: bool = False,
    ) -> Sealed:
        """``data`` sealed so that the key of any one owner opens it, or with ``all_of`` only those of all
        together. StaleFence. LimitExceeded for what could never be opened again."""
        return self.seal_all([Part(owners, category, period, place, data, all_of)])[0]

    def seal_all(self, parts: Sequence[Part]) -> list[Sealed]:
        """Each part sealed; the errors of ``seal``."""
        ready = [(part.place, self._keys_of(part), part.data, part.all_of) for part in parts]
        return [Sealed(one) for one in envelope.seal_all(self._tenant, ready)]

    def _keys_of(self, part: Part) -> list[envelope.DataKey]:
        if not 0 < len(part.owners) <= envelope.OWNERS_MAX:
            raise LimitExceeded(f"a sealed part has at least 1 and at most {envelope.OWNERS_MAX} owners")
        if len(part.data) > envelope.OPENED_BYTES_MAX:
            raise LimitExceeded(f"a sealed part holds at most {envelope.OPENED_BYTES_MAX} bytes")
        return [self._key(Slot(owner, part.category, part.period)).key for owner in part.owners]

    def digest(self, subject: UUID, data: bytes) -> bytes:
        """16 bytes that stand for ``data`` as long as the subject's identity key lives. StaleFence."""
        found = self._known.digest_keys.get((self._tenant, subject))
        if found is None:
            found = self._remember_digest_key(subject, self._key(Slot(subject, Category.IDENTITY)))
        return hmac.digest(found, data, hashlib.sha256)[:_DIGEST_BYTES]

    def digests(self, items: Sequence[tuple[UUID, bytes]]) -> list[bytes]:
        """The digest of each (subject, data), of keys that are there: none is minted. StaleFence where one is not
        (any more)."""
        keys = {one: self._known.digest_keys.get((self._tenant, one)) for one, _ in items}
        slots = [Slot(one, Category.IDENTITY) for one, key in keys.items() if key is None]
        if slots:
            with self._vault.database.read() as connection:
                if self._load(connection, slots):
                    raise StaleFence
            for slot in slots:
                keys[slot.subject] = self._remember_digest_key(slot.subject, self._key(slot))
        return [hmac.digest(keys[one] or b"", data, hashlib.sha256)[:_DIGEST_BYTES] for one, data in items]

    def _remember_digest_key(self, subject: UUID, key: SubjectKey) -> bytes:
        found = self._known.digest_keys[self._tenant, subject] = wrapping.derive(key.key.raw, "agent digest", 32)
        return found


def digest_of(pepper: bytes, identifier: Identifier) -> bytes:
    """What stands for an identifier in a tenant's directory. A KEY FORMAT."""
    message = f"{identifier.kind}\0{identifier.value}".encode("utf-8", "surrogatepass")
    return hmac.digest(pepper, message, hashlib.sha256)[:_DIGEST_BYTES]


def suppression_digest(key: bytes, identifier: Identifier) -> bytes:
    """What stands for an identifier of an erased person who is refused. A KEY FORMAT."""
    message = f"suppressed\0{identifier.kind}\0{identifier.value}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, hashlib.sha256)[:_DIGEST_BYTES]


def directory_place(subject: UUID, kind: str) -> Place:
    """Where a sealed identifier of the directory lives. A KEY FORMAT."""
    return Place(subject, 0, kind, "directory")


def _new_key() -> tuple[bytes, bytes]:
    raw = wrapping.new_data_key()
    return raw, wrapping.kid_of(raw)


def _slot_of(row: Row) -> Slot:
    """The place of a key's row. One whose columns were altered to no category at all is nobody's."""
    subject, category, period, *_ = row
    try:
        return Slot(UUID(bytes=subject), Category(category), period)
    except (ValueError, TypeError):
        return Slot(UUID(int=0), Category.IDENTITY, "altered")
