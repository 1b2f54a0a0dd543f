"""Opening the vault at start: find the root key, check the epoch, bring the ledger up to its mirror.

1. Under a file lock: is this a fresh place (no vault, no epoch key)? Then make root key, vault and EK(1); the
   vault gets its name last, so that a crash leaves a draft, which is finished here. NO KEY FILE IS EVER REMOVED:
   without EK every backup is noise, and a draft in the data directory is no licence to make it so.
2. Read the epoch from the fence; unwrap its key EK(n) with the root key. Wrong root key, missing or foreign
   epoch key: refuse, mint nothing.
3. Check the ledger against its mirror. The mirror ahead (a restored or crashed vault): destroy again. The
   mirror behind or different: refuse.
"""

import base64
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from lrs.adapters.sql.database import Database
from lrs.adapters.sqlite import database as sqlite
from lrs.adapters.vault import dictionary, roots, wrapping
from lrs.adapters.vault.ledger import Mirror
from lrs.adapters.vault.schema import TABLES
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import KeyStoreUnavailable, VaultRefused

FIRST_EPOCH = 1
_KEYS_WITHOUT_VAULT = "there are keys but no vault: restore the vault, or start in an empty place"


def open_vault(path: Path, key_dir: Path, *, root_key: str | None, root_file: Path | None) -> KeyVault:
    """The vault in ``path``, its EK and ledger mirror in ``key_dir``; VaultRefused when it must not open."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(key_dir):
        fresh = _is_fresh(path, key_dir)
        root = find_root(key_dir, root_key, root_file, fresh=fresh)
        if fresh:
            _create(path, key_dir, root)
        return unlock(
            sqlite.Database(path, lambda error: KeyStoreUnavailable(type(error).__name__)), key_dir, root
        )


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


def unlock(database: Database, key_dir: Path, root: bytes) -> KeyVault:
    """The vault in this database (steps 2 and 3); the database is closed when it does not open."""
    try:
        dictionary.dictionary(dictionary.LATEST)  # a damaged one stops the start, not the first seal
        vault_id, epoch = _name_and_epoch(database)
        epoch_key = read_epoch_key(key_dir, root, vault_id, epoch)
        vault = KeyVault(database, epoch_key, epoch, Mirror(mirror_file(key_dir)))
        vault.catch_up()
    except BaseException:
        database.close()
        raise
    return vault


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


def find_root(key_dir: Path, root_key: str | None, root_file: Path | None, *, fresh: bool) -> bytes:
    """The root key: as given, or from its file, which is made in a fresh place."""
    root_file = root_file or key_dir / "root.key"
    if root_key is not None:
        return roots.parse_root(root_key)
    if fresh and not root_file.exists():
        return roots.make_root(root_file)
    return roots.read_root(root_file)


def _create(path: Path, key_dir: Path, root: bytes) -> None:
    draft = _draft_of(path)
    vault_id = _vault_of(draft) or _make_draft(draft)
    make_first_epoch_key(key_dir, root, vault_id)
    draft.rename(path)
    roots.sync_directory(path.parent)


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
    draft.touch(mode=0o600)
    vault_id = uuid4().hex
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        for sql in TABLES:
            connection.execute(sql)
        connection.execute("INSERT INTO fence VALUES (1, ?, ?, 0)", (vault_id, FIRST_EPOCH))
        connection.commit()
    roots.sync_directory(draft.parent)
    return vault_id


def make_first_epoch_key(key_dir: Path, root: bytes, vault_id: str) -> None:
    """EK(1) of a new vault, in its file. The key of a creation that did not finish opens only with its own draft
    and its own root key: else VaultRefused."""
    if not _epoch_file(key_dir, FIRST_EPOCH).exists():
        names = (vault_id, str(FIRST_EPOCH))
        wrapped = wrapping.wrap(wrapping.derive(root, "root"), wrapping.new_wrapping_key(), *names)
        content = {"vault": vault_id, "epoch": FIRST_EPOCH, "wrapped": base64.b64encode(wrapped).decode()}
        roots.write_new(_epoch_file(key_dir, FIRST_EPOCH), json.dumps(content).encode() + b"\n")
    read_epoch_key(key_dir, root, vault_id, FIRST_EPOCH)


def _epoch_file(key_dir: Path, epoch: int) -> Path:
    return key_dir / f"epoch-{epoch}.key"


def read_epoch_key(key_dir: Path, root: bytes, vault_id: str, epoch: int) -> bytes:
    """EK(n), unwrapped. VaultRefused."""
    try:
        content = json.loads(_epoch_file(key_dir, epoch).read_bytes())
        wrapped = base64.b64decode(content["wrapped"], validate=True)
        return wrapping.unwrap(wrapping.derive(root, "root"), wrapped, vault_id, str(epoch))
    except FileNotFoundError:
        raise VaultRefused(f"the key of epoch {epoch} is missing: it was destroyed, or lies elsewhere") from None
    except wrapping.WrappedKeyInvalid:
        raise VaultRefused("the root key does not open this vault's epoch key") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise VaultRefused(f"the key file of epoch {epoch} can not be read") from None
