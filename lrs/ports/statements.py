"""Reading statements and other events of one tenant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from lrs.domain.events import BlobName


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What GET /statements finds an event by, all of it blinded; how many owners hold its body; what it voids, and
    what it refers to.

    ``owner`` is the first of them, ``terms`` are its other people and activities. An exchange has no owners here
    and terms alone.
    """

    terms: tuple[int, ...]
    owners: int
    voids: UUID | None = None
    owner: int | None = None
    verb: int | None = None
    object: int | None = None
    registration: int | None = None
    refers: UUID | None = None


@dataclass(frozen=True, slots=True)
class AgentRow:
    """Where an exact agent object is sealed: the digest finds it, the number is its event's version."""

    subject: UUID
    digest: bytes
    number: int


@dataclass(frozen=True, slots=True)
class BlobRow:
    """That a statement names a blob: what none names is swept away."""

    name: BlobName
    statement: UUID


class Recorded(NamedTuple):
    """A stored event with its place in the tenant's order and its time of storing (microseconds UTC). Flat, for a
    rebuild makes one an event."""

    position: int
    stored_us: int
    stream: UUID
    version: int
    topic: str
    state: bytes

    @property
    def event(self) -> StoredEvent:
        """As the eventsourcing library knows it."""
        return StoredEvent(self.stream, self.version, self.topic, self.state)


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log has come. Every statement stored before ``stored_us`` is visible to this reading."""

    position: int
    stored_us: int
    erasure_sequence: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which statements. All that is given must match; the alternatives of ``people`` are one condition.

    ``owner`` (the first) and ``authority`` are more alternatives of ``people``. ``anywhere`` is an activity as the
    object, or as any other activity; ``sender`` is a condition of its own, that a target does not meet for its
    referrer.
    """

    people: tuple[int, ...] = ()
    owner: int | None = None
    authority: UUID | None = None
    sender: int | None = None
    registration: int | None = None
    object: int | None = None
    anywhere: tuple[int, int] | None = None
    verb: int | None = None
    since_us: int | None = None
    until_us: int | None = None
    ascending: bool = False
    after: int | None = None  # position of the last one given already
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Selected:
    """A page of statements, whether more follow, and the head in the same snapshot."""

    rows: list[Recorded]
    more: bool
    head: Head


class Live(NamedTuple):
    """A statement that is in the index."""

    recorded: Recorded
    voided: bool


class Statements(Protocol):
    """Reading statements and other events of one tenant."""

    def head(self, at: datetime | None = None) -> Head:
        """The head; with ``at``, an idle head is first advanced to that time (at most once a second)."""
        ...

    def term(self, kind: str, value: str) -> int:
        """The blinded 64-bit term of a filter value; the same only within this tenant."""
        ...

    def select(self, selection: Selection) -> Selected:
        """A page of live, unvoided statements by position."""
        ...

    def by_ids(self, ids: Sequence[UUID]) -> dict[UUID, Recorded]:
        """First events of these streams, those that exist."""
        ...

    def live(self, statement: UUID) -> Live | None:
        """The statement of this id while it is in the index: an owner of it was not erased."""
        ...

    def voided_between(self, after: int, upto: int) -> set[UUID]:
        """Which statements are voided of those after a position and up to another."""
        ...

    def named_blobs(self, names: Sequence[BlobName]) -> set[BlobName]:
        """Which of these blobs a live statement names."""
        ...

    def positions(self, term: int, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Positions that carry a term, ascending, voided ones too."""
        ...

    def at(self, positions: Sequence[int]) -> list[Recorded]:
        """The events at these positions, ascending."""
        ...

    def read(self, after: int, limit: int) -> list[Recorded]:
        """Events in order after a position; those of documents without their state."""
        ...

    def agents(self, wanted: Iterable[tuple[UUID, bytes]]) -> dict[tuple[UUID, bytes], int]:
        """The numbers of agent objects already sealed, by (subject, digest)."""
        ...

    def newest_agents(self, subjects: Iterable[UUID]) -> dict[UUID, int]:
        """The number of each subject's newest agent object; an erased subject has none."""
        ...

    def streams(self, ids: Iterable[UUID]) -> list[StoredEvent]:
        """Every event of these streams."""
        ...

    def versions(self, streams: Iterable[UUID]) -> dict[UUID, int]:
        """The latest version of each stream that exists."""
        ...
