"""The log of hashes of one tenant: events as they are stored, tiles, and signed heads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from lrs.domain.leaves import Entry
from lrs.domain.tiles import TileId
from lrs.ports.statements import BlobRow


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head that was signed: how many leaves, their root, the note, and when (microseconds UTC)."""

    size: int
    root: bytes
    note: str
    at_us: int


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the log of events has come, in which generation and after which position that began, how far the
    notary followed it, and the newest head that it signed."""

    generation: int
    began: int
    position: int
    followed: int
    signed: SignedHead | None

    @property
    def size(self) -> int:
        """How many leaves the newest signed head has."""
        return self.signed.size if self.signed else 0


class Tree(Protocol):
    """The log of hashes. What is in a tile is only ever added to."""

    def state(self) -> LogState:
        """Where things stand now."""
        ...

    def entries(self, after: int, upto: int) -> Iterator[Entry]:
        """Events in order, whole, after a position and up to another; in one snapshot, one at a time."""
        ...

    def position_after(self, position: int) -> int | None:
        """The position of the next event, if there is one; it is not read."""
        ...

    def entries_of(self, stream: UUID, topic: str) -> list[Entry]:
        """A stream's events of one topic."""
        ...

    def tiles(self, ids: Iterable[TileId]) -> dict[TileId, bytes]:
        """Those of these tiles that there are."""
        ...

    def heads(self) -> list[SignedHead]:
        """Signed heads that are kept, the smallest first: one an hour, and the newest."""
        ...

    def append(self, signed: SignedHead | None, tiles: Mapping[TileId, bytes], head: SignedHead) -> None:
        """Keep tiles and the head that follows ``signed``, in one transaction. RecordConflictError when another
        notary was faster; IntegrityError where a tile would lose what it holds."""
        ...

    def alarm(self, position: int, code: str) -> None:
        """Keep that something at a position is not as it was logged."""
        ...


@dataclass(frozen=True, slots=True)
class Replacement:
    """An event's state before and after its dead envelopes became tombstones, and the blobs whose keys were among
    them."""

    position: int
    before: bytes
    after: bytes
    blobs: tuple[BlobRow, ...] = ()


class Rewriting(Protocol):
    """The one way to change an event. The service has none: compaction is given it, by whoever owns the tables."""

    def replace(self, tenant: str, replacements: Sequence[Replacement]) -> None:
        """Replace these states, in one transaction. LogConflict where one is not what it was."""
        ...
