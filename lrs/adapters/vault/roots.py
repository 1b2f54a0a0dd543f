"""The root key: from the environment or from a file of mode 0600, never from the data directory.

A fresh installation makes the file. Where a vault exists already, a missing root key is refused: a new one
could open nothing, and minting under it would split the store in two.

It is the same for all epochs. So what ends with an epoch is the file that holds its wrapped key: WHOEVER KEPT A
COPY OF THAT FILE AND HAS THE ROOT KEY CAN STILL OPEN OLD COPIES OF THE VAULT. Certificates say so.
"""

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from lrs.adapters.vault import wrapping
from lrs.adapters.vault.files import write_new
from lrs.domain.errors import VaultRefused

ROOT_KEY_BYTES = 32
FILE, ENVIRONMENT = "file", "environment"


class RootKey:
    """The port's ``RootProvider`` with a root key in memory."""

    scheme = "root-key"
    # An overwritten file is gone at once, as far as the file system keeps to it.
    destruction_seconds = 0

    def __init__(self, key: bytes, name: str) -> None:
        """``name`` says where it came from."""
        self.name = name
        self._wrapping = wrapping.derive(key, "root")

    def wrap(self, vault: str, epoch: int, key: bytes) -> bytes:
        """``key``, wrapped, bound to vault and number."""
        return wrapping.wrap(self._wrapping, key, vault, str(epoch))

    def unwrap(self, vault: str, epoch: int, wrapped: bytes) -> bytes:
        """The key again. VaultRefused."""
        try:
            return wrapping.unwrap(self._wrapping, wrapped, vault, str(epoch))
        except wrapping.WrappedKeyInvalid:
            raise VaultRefused("the root key does not open this vault's epoch key") from None

    def destroy(self, vault: str, epoch: int) -> None:
        """Nothing: of an epoch there is only its file."""


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


def find_root(key_dir: Path, root_key: str | None, root_file: Path | None, *, fresh: bool) -> RootKey:
    """The root key: as given, or from its file, which is made in a fresh place. VaultRefused."""
    root_file = root_file or key_dir / "root.key"
    if root_key is not None:
        return RootKey(parse_root(root_key), ENVIRONMENT)
    if fresh and not root_file.exists():
        return RootKey(make_root(root_file), FILE)
    return RootKey(read_root(root_file), FILE)
