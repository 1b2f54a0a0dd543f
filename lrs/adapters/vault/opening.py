"""Opening the vault at start: find the root key, check the epoch, bring the ledger up to its mirror.

1. Under a file lock: is this a fresh place (no vault, no epoch key)? Then make root key, vault and EK(1); the
   vault gets its name last, so that a crash leaves a draft, which is finished here. NO KEY FILE IS EVER REMOVED:
   without EK every backup is noise, and a draft in the data directory is no licence to make it so.
2. Read the epoch from the fence; have its key EK(n) unwrapped by the root provider. Wrong root key, missing or
   foreign epoch key, a number that the closed epochs do not lead to, keys of another epoch: refuse, mint nothing.
3. Check the ledger against its mirrors. A mirror ahead (a restored or crashed vault): destroy again. Behind or
   different: refuse.
4. What an epoch's close left when it did not finish is not done here: ``closing`` goes on with it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from lrs.adapters.sql.database import Database
from lrs.adapters.sqlite import database as sqlite
from lrs.adapters.vault import dictionary
from lrs.adapters.vault.checking import check_epoch
from lrs.adapters.vault.epochs import FIRST_EPOCH, EpochKeys
from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.files import sync_directory
from lrs.adapters.vault.ledger import Mirror
from lrs.adapters.vault.mirrors import Mirrors
from lrs.adapters.vault.roots import RootKey, find_root
from lrs.adapters.vault.schema import TABLES
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import KeyStoreUnavailable, VaultRefused
from lrs.ports.roots import RootProvider

_KEYS_WITHOUT_VAULT = "there are keys but no vault: restore the vault, or start in an empty place"


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the root is: a key as given, or in its file; with a ``provider``, there, and the key only if it is
    there to open what it wrapped before."""

    key: str | None = None
    file: Path | None = None
    provider: RootProvider | None = None

    def find(self, key_dir: Path, *, fresh: bool) -> tuple[RootProvider, ...]:
        """Who wraps new keys, then who may have wrapped older ones. VaultRefused."""
        if self.provider is None:
            return (find_root(key_dir, self.key, self.file, fresh=fresh),)
        kept = self.key is not None or (self.file or key_dir / "root.key").exists()
        older: tuple[RootKey, ...] = (find_root(key_dir, self.key, self.file, fresh=False),) if kept else ()
        return (self.provider, *older)


def open_vault(
    path: Path,
    key_dir: Path,
    *,
    root_key: str | None = None,
    root_file: Path | None = None,
    provider: RootProvider | None = None,
    escrow: Escrow | None = None,
) -> KeyVault:
    """The vault in ``path``, its EK and ledger mirror in ``key_dir``; VaultRefused when it must not open."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(key_dir):
        fresh = _is_fresh(path, key_dir)
        providers = Roots(root_key, root_file, provider).find(key_dir, fresh=fresh)
        if fresh:
            _create(path, lambda vault: EpochKeys(key_dir, vault, *providers))
        return unlock(open_file(path), key_dir, providers, escrow)


def open_file(path: Path) -> sqlite.Database:
    """A vault's file as the database that it is."""
    return sqlite.Database(path, lambda error: KeyStoreUnavailable(type(error).__name__))


def _name_and_epoch(database: Database) -> tuple[str, int]:
    fence = database.look("vault, epoch", "fence")
    if fence is None:
        raise VaultRefused("the vault's fence is missing: this is no vault, or it was altered")
    return fence[0], fence[1]


@contextmanager
def alone_in(key_dir: Path) -> Iterator[None]:
    """Nobody else on this machine opens a vault with these keys meanwhile."""
    key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(key_dir / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def unlock(
    database: Database, key_dir: Path, providers: tuple[RootProvider, ...], escrow: Escrow | None
) -> KeyVault:
    """The vault in this database (steps 2 and 3); the database is closed when it does not open."""
    try:
        dictionary.dictionary(dictionary.LATEST)  # a damaged one stops the start, not the first seal
        keys = _checked_keys(database, key_dir, providers)
        vault = KeyVault(database, keys, Mirrors(Mirror(mirror_file(key_dir)), escrow))
        if escrow is not None:
            escrow.claim(keys.vault)
        vault.catch_up()
        vault.ensure_operator()
    except BaseException:
        database.close()
        raise
    return vault


def _checked_keys(database: Database, key_dir: Path, providers: tuple[RootProvider, ...]) -> EpochKeys:
    """The epochs' keys, of which the present one was seen to be the vault's (step 2)."""
    while True:
        vault_id, epoch = _name_and_epoch(database)
        keys = EpochKeys(key_dir, vault_id, *providers)
        try:
            epoch_key = keys.read(epoch)
            with database.read() as connection:
                check_epoch(connection, epoch, epoch_key)
        except VaultRefused:
            if _name_and_epoch(database) == (vault_id, epoch):
                raise
            continue  # the epoch was closed meanwhile
        return keys


def _is_fresh(path: Path, key_dir: Path) -> bool:
    if path.exists():
        return False
    check_no_keys(key_dir, unfinished=_draft_of(path).exists())
    # The write-ahead log of a lost vault would be read into whatever file takes its name.
    if path.with_name(path.name + "-wal").exists():
        raise VaultRefused(_KEYS_WITHOUT_VAULT)
    return True


def check_no_keys(key_dir: Path, *, unfinished: bool) -> None:
    """VaultRefused where there are keys of a vault that is not there."""
    if (any(key_dir.glob("epoch-*.key")) and not unfinished) or mirror_file(key_dir).exists():
        raise VaultRefused(_KEYS_WITHOUT_VAULT)


def mirror_file(key_dir: Path) -> Path:
    """Where every destruction is noted before it happens."""
    return key_dir / "ledger.jsonl"


def _draft_of(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _create(path: Path, keys_of: Callable[[str], EpochKeys]) -> None:
    draft = _draft_of(path)
    vault_id = _vault_of(draft) or _make_draft(draft)
    # The key of a creation that did not finish opens only with its own draft and its own root.
    keys_of(vault_id).make(FIRST_EPOCH)
    draft.rename(path)
    sync_directory(path.parent)


def _vault_of(draft: Path) -> str | None:
    """The vault's id in a draft that was finished, before which no key was made for it."""
    if not draft.exists():
        return None
    try:
        with closing(sqlite3.connect(draft)) as connection:
            row = connection.execute("SELECT vault FROM fence").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def _make_draft(draft: Path) -> str:
    draft.unlink(missing_ok=True)
    vault_id = uuid4().hex
    with closing(_new_file(draft)) as connection:
        connection.execute("INSERT INTO fence VALUES (1, ?, ?, 0)", (vault_id, FIRST_EPOCH))
        connection.commit()
    sync_directory(draft.parent)
    return vault_id


def make_file(path: Path) -> sqlite.Database:
    """A new file with the vault's tables and nothing in them, for a snapshot."""
    _new_file(path).close()
    return open_file(path)


def _new_file(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600, exist_ok=False)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN")  # one wait for the disk, not one a table
    for sql in TABLES:
        connection.execute(sql)
    connection.commit()
    return connection
