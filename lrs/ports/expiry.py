"""What follows in one tenant's store from keys that expired, beside the log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lrs.ports.filling import Indexed
from lrs.ports.statements import BlobRow


@dataclass(frozen=True, slots=True)
class Expired:
    """A statement or an exchange of whose keys some expired. ``terms`` are those that it may be looked up by
    beyond the ones that are kept with its row: an exchange has no row of its own. What can still be read of it is
    ``left``, and the blobs whose keys live."""

    position: int
    terms: tuple[int, ...] = ()
    left: Indexed | None = None
    blobs: Sequence[BlobRow] = ()


class Expiry(Protocol):
    """The index of one tenant, after its keys. Every call may be made again."""

    def followed(self) -> int:
        """The ledger's sequence up to which everything here followed."""
        ...

    def learn(self, sequence: int) -> None:
        """Keys died up to this sequence: what was sealed under an older reading of the fence is not stored any
        more, and what was opened under one is not folded."""
        ...

    def objects(self, positions: Iterable[int]) -> dict[int, int | None]:
        """The terms of what these statements are about, of those that are in the index."""
        ...

    def replace(self, expired: Sequence[Expired], sequence: int) -> None:
        """The rows of these statements and exchanges go; what is left of them is there instead.
        RecordConflictError when the head knows of a destruction after this sequence: who owns what may be another
        thing since."""
        ...

    def follow(self, sequence: int) -> None:
        """All that had to follow did."""
        ...
