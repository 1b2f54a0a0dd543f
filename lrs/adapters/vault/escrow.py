"""The escrow: what a total loss of everything but the backups must leave. Two slots, and every destruction.

``vault.json``
    whose it is: JSON {"vault"}
``epoch-0.age``, ``epoch-1.age``
    EK(n) in slot n % 2, sealed to the backup's recipients: JSON {"vault", "epoch", "key" (base64; null once it was
    destroyed), "public_key" of the operator (base64)}
``ledger/<12 digits>.json``
    the ledger's entries by their number in the chain, from 1: a line of the mirror each

A STORAGE FORMAT. Slots are overwritten, so the place must not keep versions; nothing here is ever read by the
service but the ledger, which it can not do without: a destruction that is known nowhere else is carried out again.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lrs.domain.errors import AlreadyExists, BackupInvalid, KeyStoreUnavailable, StoreUnavailable, VaultRefused
from lrs.ports.objects import Decryption, Encryption, ObjectPlace

SLOTS: Final = 2
_SLOT_BYTES_MAX: Final = 64 * 1024
_LEDGER: Final = "ledger"
_OWNER: Final = "vault.json"
_UNAVAILABLE = "the escrow does not answer"


@dataclass(frozen=True, slots=True)
class EscrowedKey:
    """What a slot holds. ``key`` is None where the epoch's key was destroyed."""

    vault: str
    epoch: int
    key: bytes | None
    public_key: bytes


class Escrow:
    """Writes slots and entries to a place. KeyStoreUnavailable from every method where the place does not
    answer."""

    def __init__(self, place: ObjectPlace, encryption: Encryption) -> None:
        self._place = place
        self._encryption = encryption

    @property
    def url(self) -> str:
        """Where it is."""
        return self._place.url

    def claim(self, vault: str) -> None:
        """See that it is this vault's; the first who comes has it. VaultRefused."""
        line = json.dumps({"vault": vault}).encode()
        try:
            try:
                found = self._place.get(_OWNER)
            except FileNotFoundError:
                self._place.put(_OWNER, line)
                return
        except StoreUnavailable as error:
            raise KeyStoreUnavailable(_UNAVAILABLE) from error
        if found != line:
            raise VaultRefused("the escrow is another vault's: each needs one of its own")

    # --- slots -----------------------------------------------------------------------------------------------

    def keep(self, vault: str, epoch: int, key: bytes, public_key: bytes) -> None:
        """Put EK(n) into its slot, and look that it is there."""
        self._write(EscrowedKey(vault, epoch, key, public_key))

    def overwrite(self, vault: str, epoch: int, public_key: bytes) -> None:
        """EK(n) is no more: its slot says so, and holds nothing else."""
        self._write(EscrowedKey(vault, epoch, None, public_key))

    def _write(self, slot: EscrowedKey) -> None:
        content = {
            "vault": slot.vault,
            "epoch": slot.epoch,
            "key": base64.b64encode(slot.key).decode() if slot.key is not None else None,
            "public_key": base64.b64encode(slot.public_key).decode(),
        }
        sealed = self._encryption.encrypt(json.dumps(content).encode())
        try:
            self._place.put(slot_name(slot.epoch), sealed)
            same = self._place.get(slot_name(slot.epoch)) == sealed
        except (StoreUnavailable, FileNotFoundError) as error:
            raise KeyStoreUnavailable(_UNAVAILABLE) from error
        if not same:
            raise KeyStoreUnavailable("the escrow does not give back what was put there")

    # --- the ledger ------------------------------------------------------------------------------------------

    def entry(self, number: int) -> bytes | None:
        """The line of an entry; None: there is none of this number."""
        try:
            return self._place.get(_entry_name(number))
        except FileNotFoundError:
            return None
        except StoreUnavailable as error:
            raise KeyStoreUnavailable(_UNAVAILABLE) from error

    def append(self, number: int, line: bytes) -> None:
        """Keep an entry's line; the same again: nothing. VaultRefused where another is there."""
        try:
            self._place.put(_entry_name(number), line, new=True)
        except AlreadyExists:
            if self.entry(number) != line:
                raise VaultRefused("the escrow's ledger is another than this vault's") from None
        except StoreUnavailable as error:
            raise KeyStoreUnavailable(_UNAVAILABLE) from error

    def numbers(self) -> list[int]:
        """The numbers of all entries, in order."""
        try:
            return list(entry_numbers(self._place))
        except StoreUnavailable as error:
            raise KeyStoreUnavailable(_UNAVAILABLE) from error


def slot_name(epoch: int) -> str:
    """Where EK(n) is kept."""
    return f"epoch-{epoch % SLOTS}.age"


def _entry_name(number: int) -> str:
    return f"{_LEDGER}/{number:012d}.json"


def read_entry(place: ObjectPlace, number: int) -> bytes:
    """The line of an entry. BackupInvalid where there is none, StoreUnavailable."""
    try:
        return place.get(_entry_name(number))
    except FileNotFoundError:
        raise BackupInvalid("the escrow's ledger lacks an entry") from None


def entry_numbers(place: ObjectPlace) -> Iterator[int]:
    """The numbers of the ledger's entries in a place, in order. StoreUnavailable."""
    for name, _ in place.list(_LEDGER):
        stem = name.rpartition("/")[2].removesuffix(".json")
        if stem.isdecimal():
            yield int(stem)


def read_slots(place: ObjectPlace, decryption: Decryption) -> list[EscrowedKey]:
    """What the slots hold, for whoever has an identity; the newest epoch first. BackupInvalid,
    StoreUnavailable."""
    found = []
    for slot in range(SLOTS):
        try:
            sealed = place.get(slot_name(slot))
        except FileNotFoundError:
            continue
        found.append(_parse(decryption.decrypt(sealed, bytes_max=_SLOT_BYTES_MAX), slot))
    return sorted(found, key=lambda one: one.epoch, reverse=True)


def _parse(content: bytes, slot: int) -> EscrowedKey:
    try:
        facts = json.loads(content)
        key = facts["key"]
        found = EscrowedKey(
            str(facts["vault"]),
            int(facts["epoch"]),
            None if key is None else base64.b64decode(key, validate=True),
            base64.b64decode(facts["public_key"], validate=True),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BackupInvalid("a slot of the escrow can not be read") from None
    if found.epoch % SLOTS != slot:
        raise BackupInvalid("a slot of the escrow holds the key of another's epoch")
    return found
