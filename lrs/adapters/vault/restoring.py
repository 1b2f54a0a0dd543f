"""A vault out of a backup: the epoch's key under a new root, the rows of a snapshot, the ledger out of the escrow.

Nothing here overwrites a vault or a key that is there; each may be done again after a crash.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

from lrs.adapters.sql.database import Database
from lrs.adapters.vault.epochs import EpochKeys
from lrs.adapters.vault.escrow import EscrowedKey, entry_numbers, read_entry, read_slots
from lrs.adapters.vault.files import sync_directory
from lrs.adapters.vault.heads import mark_restored
from lrs.adapters.vault.ledger import GENESIS, parse_line
from lrs.adapters.vault.opening import Roots, make_file, mirror_file
from lrs.adapters.vault.snapshot import Head, load
from lrs.domain.errors import BackupInvalid, KeyStoreUnavailable, VaultRefused
from lrs.ports.objects import Decryption, ObjectPlace

# The note of a restore; while it says that it is not finished, nothing is served from here.
NOTE: Final = "restore.json"
_READ_AT_ONCE: Final = 8


class OpenedEscrow:
    """The port's: the escrow for whoever has an identity."""

    def __init__(self, place: ObjectPlace, decryption: Decryption) -> None:
        self._place = place
        self._decryption = decryption

    def slots(self) -> Sequence[EscrowedKey]:
        """Those that there are."""
        return read_slots(self._place, self._decryption)

    def ledger(self) -> Sequence[bytes]:
        """The ledger's entries in order. BackupInvalid where one is missing or the chain is broken."""
        numbers = list(entry_numbers(self._place))
        if numbers != list(range(1, len(numbers) + 1)):
            raise BackupInvalid("the escrow's ledger lacks an entry")
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            lines = list(pool.map(lambda number: read_entry(self._place, number), numbers))
        previous = GENESIS
        for line in lines:
            try:
                previous = parse_line(line, previous).hash
            except VaultRefused:
                raise BackupInvalid("the escrow's ledger is altered: its chain of hashes is broken") from None
        return lines

    def hash_of(self, entry: bytes) -> str:
        """The hash that an entry bears, which was checked."""
        return str(json.loads(entry)["hash"])


def make_keys(key_dir: Path, roots: Roots, vault: str, epoch: int, key: bytes) -> None:
    """Wrap the epoch's key under the root of this place, which is made where there is none. VaultRefused where the
    key that is there is another."""
    keys = EpochKeys(key_dir, vault, *roots.find(key_dir, fresh=True))
    if epoch not in keys.there():
        keys.keep(epoch, key)
    if keys.read(epoch) != key:
        raise VaultRefused("there is another key of this epoch already")


def checked_by(vault: str, epoch: int) -> Callable[[Head], None]:
    """Refuses the snapshot of another vault or epoch before a row of it is written."""

    def check(head: Head) -> None:
        if (head.vault, head.epoch) != (vault, epoch):
            raise BackupInvalid("the snapshot is of another vault or epoch than its manifest says")

    return check


def load_file(path: Path, chunks: Iterable[bytes], check: Callable[[Head], None]) -> None:
    """A vault's file out of a snapshot; there only when it is whole. KeyStoreUnavailable."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".restoring")
    for suffix in ("", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    try:
        made = make_file(draft)
    except sqlite3.Error as error:
        raise KeyStoreUnavailable("the vault's file can not be written") from error
    with closing(made) as database:
        load(database, chunks, check, mark_restored)
        database.checkpoint()
    draft.rename(path)
    sync_directory(path.parent)


def load_into(database: Database, chunks: Iterable[bytes], check: Callable[[Head], None]) -> None:
    """The same into the vault's tables, in one transaction."""
    if database.look("vault", "fence") is None:
        load(database, chunks, check, mark_restored)


def write_mirror(key_dir: Path, entries: Sequence[bytes]) -> None:
    """The ledger's mirror out of its entries."""
    write_over(mirror_file(key_dir), b"".join(entry + b"\n" for entry in entries))


def write_over(path: Path, content: bytes) -> None:
    """A file of mode 0600, whole and durable, in place of what was there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_directory(path.parent)


def is_unfinished(key_dir: Path) -> bool:
    """Whether a restore into this place was begun and did not come to its end."""
    try:
        return json.loads((key_dir / NOTE).read_bytes()).get("finished") is None
    except FileNotFoundError:
        return False
    except (ValueError, AttributeError):
        return True
