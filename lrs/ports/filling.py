"""Filling all that stands beside the log of one tenant from the log alone, while nobody else is at work there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from lrs.domain.sealing import Destroyed
from lrs.ports.documents import DocumentRow
from lrs.ports.requests import RequestRow
from lrs.ports.statements import AgentRow, BlobRow, IndexRow


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an event is found by. ``terms`` are those of its row's that are looked up: who was erased is not."""

    position: int
    row: IndexRow
    terms: tuple[int, ...]


@dataclass(slots=True)
class Stretch:
    """What a stretch of the log puts into the tables beside it, and which of its events are damaged. ``voids`` is
    (voiding, target), whether the voiding statement can be read or not."""

    end: int
    indexed: list[Indexed] = field(default_factory=list)
    voids: list[tuple[UUID, UUID]] = field(default_factory=list)
    blobs: list[BlobRow] = field(default_factory=list)
    agents: list[AgentRow] = field(default_factory=list)
    documents: list[DocumentRow] = field(default_factory=list)
    requests: list[RequestRow] = field(default_factory=list)
    corrupt: list[int] = field(default_factory=list)


class Filling(Protocol):
    """Filling one tenant's tables, a stretch of the log a transaction. What was begun is gone on with."""

    def begin(self, destroyed: Iterable[Destroyed]) -> int:
        """The position after which to go on; 0, where everything was emptied first. The tombstones of whom the
        ledger names stand from here on, and the head is where the log ends."""
        ...

    def write(self, after: int, stretch: Stretch) -> None:
        """The rows of the events after a position. RecordConflictError when somebody else went on from there."""
        ...

    def finish(self, progress: Callable[[], None]) -> None:
        """What follows from all rows together: what statements are found by because of what they refer to. After
        this the next ``begin`` starts afresh. ``progress`` is told now and then that it goes on."""
        ...
