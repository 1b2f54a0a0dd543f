"""Blobs: large sealed files beside the events, kept under random names.

A blob is sealed under a key of its own while it comes in, before it is known whose it is. Whoever keeps it seals
that key for its owners inside an event: with their keys the blob's key goes, and the blob is noise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from lrs.domain.events import BlobName


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob that is on the disk: its name, the key that opens it, the SHA-256 and the size of its ciphertext."""

    name: BlobName
    key: bytes
    sha256: bytes
    size: int


class Listed(NamedTuple):
    """A blob that is there, and since when."""

    name: BlobName
    modified: datetime


class Spool(Protocol):
    """A blob that is coming in, sealed piece by piece. Let go of it when done."""

    @property
    def size(self) -> int:
        """How many bytes were written."""
        ...

    def write(self, data: bytes) -> None:
        """The next bytes."""
        ...

    def keep(self, tenant: str) -> Kept:
        """It is whole: keep it. On the disk when this returns. Again: another blob of the same content, which
        shows in nothing. StoreUnavailable."""
        ...

    def close(self) -> None:
        """Let go of what was spooled."""
        ...


class Blobs(Protocol):
    """Where blobs are kept, a room a tenant."""

    def spool(self) -> Spool:
        """A new blob, for content that is about to come in."""
        ...

    def read(self, tenant: str, blob: Kept) -> Iterator[bytes]:
        """Its content piece by piece, each checked before it is given out. EventCorrupt as soon as something does
        not fit: cut short, altered, swapped, or missing. StoreUnavailable."""
        ...

    def ciphertext(self, tenant: str, name: BlobName) -> Iterator[bytes]:
        """What lies there, as it lies there. FileNotFoundError before the first piece, StoreUnavailable."""
        ...

    def put_back(self, tenant: str, name: BlobName, pieces: Iterable[bytes]) -> None:
        """Ciphertext out of a backup, under the name that it had. On the disk when this returns.
        StoreUnavailable."""
        ...

    def remove(self, tenant: str, names: Iterable[BlobName]) -> None:
        """Remove these; those that are not there are no error. StoreUnavailable."""
        ...

    def list(self, tenant: str) -> Iterator[Listed]:
        """All that are there, in no order. StoreUnavailable."""
        ...
