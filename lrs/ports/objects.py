"""A place for backups or for escrow: objects by name, somewhere else than the stores."""

from collections.abc import Iterator
from typing import Protocol


class ObjectPlace(Protocol):
    """Objects by name, ``a/b/c``. What ``put`` has returned from is on the disk, or where the storage keeps it."""

    @property
    def url(self) -> str:
        """Where it is: the absolute path of a folder, or ``s3://bucket/prefix``. It holds no secret."""
        ...

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Keep it whole under this name, in place of what was there; with ``new``, AlreadyExists when there is
        something. StoreUnavailable."""
        ...

    def get(self, name: str) -> bytes:
        """What is there. FileNotFoundError, StoreUnavailable."""
        ...

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """The names below this folder with their sizes, in the order of the names. StoreUnavailable."""
        ...

    def remove(self, name: str) -> None:
        """Remove it; what is not there is no error. StoreUnavailable."""
        ...

    def keeps_versions(self) -> bool:
        """Whether what is overwritten or removed can be had all the same (an S3 bucket with versions). Tried with
        an object of its own. StoreUnavailable."""
        ...


class Encryption(Protocol):
    """Whole objects sealed to public keys (age)."""

    def encrypt(self, data: bytes) -> bytes:
        """Compressed with zstd and sealed to every recipient. InvalidRequest where a recipient is none."""
        ...


class Decryption(Protocol):
    """The other direction, for whoever holds an identity."""

    def decrypt(self, data: bytes, *, bytes_max: int) -> bytes:
        """What was sealed. BackupInvalid when it is cut short, altered, not for this identity or opens to more."""
        ...
