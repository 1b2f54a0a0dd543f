"""The root key: from the environment or from a file of mode 0600, never from the data directory.

A fresh installation makes the file. Where a vault exists already, a missing root key is refused: a new one
could open nothing, and minting under it would split the store in two.
"""

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from lrs.domain.errors import VaultRefused

ROOT_KEY_BYTES = 32


def parse_root(text: str) -> bytes:
    """The key from its base64 text, or VaultRefused."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise VaultRefused("the root key is not base64") from None
    if len(key) != ROOT_KEY_BYTES:
        raise VaultRefused(f"the root key must be {ROOT_KEY_BYTES} bytes in base64")
    return key


def read_root(path: Path) -> bytes:
    """The key from a file that only its owner can read, or VaultRefused."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise VaultRefused("the root key file is readable by others: set its mode to 0600")
            return parse_root(file.read(1024).decode("ascii", "replace"))
    except OSError as error:
        raise VaultRefused("the root key file can not be read") from error


def make_root(path: Path) -> bytes:
    """A new root key, kept in a new file of mode 0600; the one of a faster process if there is one."""
    key = secrets.token_bytes(ROOT_KEY_BYTES)
    write_new(path, base64.b64encode(key) + b"\n")
    return read_root(path)


def write_new(path: Path, content: bytes) -> bool:
    """Write a file of mode 0600 whole and durably unless it exists; False when it does."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A hard link appears with its whole content or not at all, and never over an existing file.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Make the directory's own entries durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
