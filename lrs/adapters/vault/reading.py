"""The vault under one reading of the fence: finding and minting subjects and keys, sealing, digests.

1. ``lookup`` finds subjects of identifiers; ``enrol`` mints a subject for those that have none.
2. ``ensure`` mints the data keys that are missing, all in one transaction.
3. ``seal`` and ``digest`` then work from memory.

Every minting checks, under the write lock, that the fence still stands where it was read: else StaleFence.
"""

import hashlib
import hmac
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.known import Known, SubjectKey, TenantKeys
from lrs.domain.agents import Identifier, lookups_of
from lrs.domain.errors import LimitExceeded
from lrs.domain.sealing import Category, Place, Sealed, Slot
from lrs.domain.subjects import State
from lrs.ports import StaleFence

if TYPE_CHECKING:
    from lrs.adapters.vault.sqlite import SqliteVault

_DIGEST_BYTES = 16


class VaultReading:
    """One tenant's keys as one reading of the fence shows them."""

    def __init__(self, vault: "SqliteVault", tenant: str, known: Known, keys: TenantKeys) -> None:
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
        return self._known.denied[self._tenant]

    # --- people ----------------------------------------------------------------------------------------------

    def lookup(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subjects that these identifiers are known to name; unknown ones are absent."""
        wanted = set(identifiers)
        found = {one: subject for one in wanted if (subject := self._cached(one))}
        missing = wanted - found.keys()
        if missing:
            with self._vault.database.read() as connection:
                for one in missing:
                    if subject := self._find(connection, one):
                        # Remembered here only: what the directory says inside a writing may yet be rolled back.
                        self._known.directory[self._tenant, self._digest_of(one)] = subject
                        found[one] = subject
        return found

    def enrol(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subject of every identifier; unknown ones get a new random subject. StaleFence."""
        wanted = list(dict.fromkeys(identifiers))
        found = self.lookup(wanted)
        missing = [one for one in wanted if one not in found]
        if missing:
            with self._vault.database.write() as connection:
                self._check(connection)
                for one in missing:
                    found[one] = self._find(connection, one) or self._mint_subject(connection, one)
        return found

    def _cached(self, identifier: Identifier) -> UUID | None:
        return self._known.directory.get((self._tenant, self._digest_of(identifier)))

    def _digest_of(self, identifier: Identifier) -> bytes:
        message = f"{identifier.kind}\0{identifier.value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._keys.pepper, message, hashlib.sha256)[:_DIGEST_BYTES]

    def _find(self, connection: sqlite3.Connection, identifier: Identifier) -> UUID | None:
        for form in lookups_of(identifier):
            row = connection.execute(
                "SELECT subject FROM directory WHERE tenant = ? AND digest = ?",
                (self._tenant, self._digest_of(form)),
            ).fetchone()
            if row:
                return UUID(bytes=row[0])
        return None

    def _mint_subject(self, connection: sqlite3.Connection, identifier: Identifier) -> UUID:
        subject = uuid4()
        connection.execute(
            "INSERT INTO subject VALUES (?, ?, 'person', ?)", (self._tenant, subject.bytes, State.LIVE)
        )
        key = self._mint_key(connection, Slot(subject, Category.IDENTITY))
        for form in lookups_of(identifier):
            place = Place(subject, 0, form.kind, "directory")
            text = form.value.encode("utf-8", "surrogatepass")
            sealed = envelope.seal(self._tenant, place, [key.key], text)
            connection.execute(
                "INSERT INTO directory VALUES (?, ?, ?, ?, ?)",
                (self._tenant, self._digest_of(form), subject.bytes, form.kind, sealed),
            )
        return subject

    # --- keys ------------------------------------------------------------------------------------------------

    def ensure(self, slots: Iterable[Slot]) -> None:
        """See that these data keys exist, in one transaction. StaleFence, also for a subject being erased."""
        missing = [slot for slot in dict.fromkeys(slots) if (self._tenant, slot) not in self._known.by_slot]
        if not missing:
            return
        with self._vault.database.read() as connection:
            absent = [slot for slot in missing if not self._load(connection, slot)]
        if absent:
            with self._vault.database.write() as connection:
                self._check(connection)
                for slot in absent:
                    if not self._load(connection, slot):
                        self._check_live(connection, slot.subject)
                        self._mint_key(connection, slot)
            with self._vault.database.read() as connection:
                for slot in absent:
                    self._load(
                        connection, slot
                    )  # what was minted is read back after its commit, never used before

    def _check(self, connection: sqlite3.Connection) -> None:
        """Read the fence again, now under the write lock."""
        row = connection.execute("SELECT epoch, sequence FROM fence").fetchone()
        if row != (self._known.epoch, self._known.sequence):
            raise StaleFence

    def _check_live(self, connection: sqlite3.Connection, subject: UUID) -> None:
        row = connection.execute(
            "SELECT state FROM subject WHERE tenant = ? AND subject = ?", (self._tenant, subject.bytes)
        ).fetchone()
        if row is None or row[0] != State.LIVE:
            raise StaleFence

    def _load(self, connection: sqlite3.Connection, slot: Slot) -> SubjectKey | None:
        row = connection.execute(
            "SELECT subject, category, period, kid, wrapped FROM data_key"
            " WHERE tenant = ? AND subject = ? AND category = ? AND period = ?",
            (self._tenant, slot.subject.bytes, slot.category, slot.period),
        ).fetchone()
        if row is None:
            return None
        key = self._vault.check_data_key(connection, self._tenant, self._keys, row)
        self._remember(slot, key)
        return key

    def _mint_key(self, connection: sqlite3.Connection, slot: Slot) -> SubjectKey:
        raw = wrapping.new_data_key()
        kid = wrapping.kid_of(raw)
        names = (self._tenant, slot.subject.hex, slot.category.value, slot.period)
        wrapped = wrapping.wrap(self._keys.wrapping, raw, *names)
        connection.execute(
            "INSERT INTO data_key VALUES (?, ?, ?, ?, ?, ?)",
            (self._tenant, slot.subject.bytes, slot.category, slot.period, kid, wrapped),
        )
        return SubjectKey(slot.subject, envelope.DataKey(kid, slot.category, AESGCM(raw)), raw)

    def _remember(self, slot: Slot, key: SubjectKey) -> None:
        self._known.by_slot[self._tenant, slot] = key
        self._known.by_kid[self._tenant, key.key.kid] = key

    def _key(self, slot: Slot) -> SubjectKey:
        """A key in memory, brought there when another thread has emptied the table."""
        found = self._known.by_slot.get((self._tenant, slot))
        if found is None:
            self.ensure([slot])
            with self._vault.database.read() as connection:
                found = self._load(connection, slot)
        if found is None:
            raise StaleFence
        return found

    # --- sealing ---------------------------------------------------------------------------------------------

    def seal(self, owners: Sequence[UUID], category: Category, period: str, place: Place, data: bytes) -> Sealed:
        """``data`` sealed so that the key of any one owner opens it. StaleFence. LimitExceeded for what could
        never be opened again."""
        if not 0 < len(owners) <= envelope.OWNERS_MAX:
            raise LimitExceeded(f"a sealed part has at least 1 and at most {envelope.OWNERS_MAX} owners")
        if len(data) > envelope.OPENED_BYTES_MAX:
            raise LimitExceeded(f"a sealed part holds at most {envelope.OPENED_BYTES_MAX} bytes")
        keys = [self._key(Slot(owner, category, period)).key for owner in owners]
        return Sealed(envelope.seal(self._tenant, place, keys, data))

    def digest(self, subject: UUID, data: bytes) -> bytes:
        """16 bytes that stand for ``data`` as long as the subject's identity key lives. StaleFence."""
        found = self._known.digest_keys.get((self._tenant, subject))
        if found is None:
            raw = self._key(Slot(subject, Category.IDENTITY)).raw
            found = wrapping.derive(raw, "agent digest", 32)
            self._known.digest_keys[self._tenant, subject] = found
        return hmac.digest(found, data, hashlib.sha256)[:_DIGEST_BYTES]
