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
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from lrs.adapters.sqlite.database import Database
from lrs.adapters.vault import roots, wrapping
from lrs.adapters.vault.destroying import catch_up
from lrs.adapters.vault.ledger import Mirror
from lrs.adapters.vault.schema import TABLES
from lrs.adapters.vault.sqlite import SqliteVault
from lrs.domain.errors import KeyStoreUnavailable, VaultRefused

_FIRST_EPOCH = 1


def open_vault(path: Path, key_dir: Path, *, root_key: str | None, root_file: Path | None) -> SqliteVault:
    """The vault in ``path``, its EK and ledger mirror in ``key_dir``; VaultRefused when it must not open."""
    key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(key_dir / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _open_locked(path, key_dir, root_key, root_file or key_dir / "root.key")
    finally:
        os.close(lock)


def _open_locked(path: Path, key_dir: Path, root_key: str | None, root_file: Path) -> SqliteVault:
    fresh = _is_fresh(path, key_dir)
    root = _root(root_key, root_file, fresh=fresh)
    if fresh:
        _create(path, key_dir, root)
    database = Database(path, KeyStoreUnavailable)
    try:
        return _unlock(database, key_dir, root)
    except BaseException:
        database.close()
        raise


def _unlock(database: Database, key_dir: Path, root: bytes) -> SqliteVault:
    with database.read() as connection:
        fence = connection.execute("SELECT vault, epoch FROM fence").fetchone()
    if fence is None:
        raise VaultRefused("the vault's fence is missing: this is no vault, or it was altered")
    vault_id, epoch = fence
    epoch_key = _read_epoch_key(key_dir, root, vault_id, epoch)
    mirror = Mirror(_mirror_file(key_dir))
    with database.write() as connection:
        catch_up(connection, list(mirror.entries()))  # read under the lock that appending needs
    return SqliteVault(database, epoch_key, epoch, mirror)


def _is_fresh(path: Path, key_dir: Path) -> bool:
    if path.exists():
        return False
    unfinished = _draft_of(path).exists()
    keys = any(key_dir.glob("epoch-*.key")) and not unfinished
    # The write-ahead log of a lost vault would be read into whatever file takes its name.
    if keys or _mirror_file(key_dir).exists() or path.with_name(path.name + "-wal").exists():
        raise VaultRefused("there are keys but no vault: restore the vault, or start in an empty place")
    return True


def _mirror_file(key_dir: Path) -> Path:
    return key_dir / "ledger.jsonl"


def _draft_of(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _root(root_key: str | None, root_file: Path, *, fresh: bool) -> bytes:
    if root_key is not None:
        return roots.parse_root(root_key)
    if fresh and not root_file.exists():
        return roots.make_root(root_file)
    return roots.read_root(root_file)


def _create(path: Path, key_dir: Path, root: bytes) -> None:
    draft = _draft_of(path)
    vault_id = _vault_of(draft) or _make_draft(draft)
    if not _epoch_file(key_dir, _FIRST_EPOCH).exists():
        _make_epoch_key(key_dir, root, vault_id)
    # The key of a creation that did not finish opens only with its own draft and its own root key.
    _read_epoch_key(key_dir, root, vault_id, _FIRST_EPOCH)
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
        connection.executescript(TABLES)
        connection.execute("INSERT INTO fence VALUES (1, ?, ?, 0)", (vault_id, _FIRST_EPOCH))
        connection.commit()
    roots.sync_directory(draft.parent)
    return vault_id


def _make_epoch_key(key_dir: Path, root: bytes, vault_id: str) -> None:
    names = (vault_id, str(_FIRST_EPOCH))
    wrapped = wrapping.wrap(wrapping.derive(root, "root"), wrapping.new_wrapping_key(), *names)
    content = {"vault": vault_id, "epoch": _FIRST_EPOCH, "wrapped": base64.b64encode(wrapped).decode()}
    roots.write_new(_epoch_file(key_dir, _FIRST_EPOCH), json.dumps(content).encode() + b"\n")


def _epoch_file(key_dir: Path, epoch: int) -> Path:
    return key_dir / f"epoch-{epoch}.key"


def _read_epoch_key(key_dir: Path, root: bytes, vault_id: str, epoch: int) -> bytes:
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
