"""The report views of one tenant."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import UUID


class ViewKey(NamedTuple):
    """A row of a report: who, at what, in which registration (a UUID in small letters; empty: none)."""

    subject: UUID
    activity: str
    registration: str


@dataclass(slots=True)
class ViewRow:
    """What a view keeps for a key: times in microseconds, digests of the groupings, and the fold's facts."""

    key: ViewKey
    first_at_us: int
    last_at_us: int
    groupings: frozenset[bytes]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ViewFilter:
    """Which rows of a report. A cohort is a registration, or an activity that statements are grouped under."""

    subjects: tuple[UUID, ...] | None = None
    without: frozenset[UUID] = frozenset()
    activity: str | None = None
    cohort: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    after: tuple[str, str, str] | None = None  # activity, registration, subject hex
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of a view and how far it has folded the log. One of them is live and answers."""

    view: str
    number: int
    position: int


class ViewWriter(Protocol):
    """One transaction over generations of views, with the tombstones locked against erasures."""

    def load(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        """The rows that are there."""
        ...

    def store(self, of: Generation, rows: Iterable[ViewRow]) -> None:
        """Write rows, over what was there."""
        ...

    def remove(self, of: Generation, keys: Iterable[ViewKey]) -> None:
        """Take rows out."""
        ...

    def tombstones(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Which of these subjects are erased."""
        ...

    def alarm(self, position: int, code: str) -> None:
        """Keep that an event could not be folded."""
        ...


class Views(Protocol):
    """The report views of one tenant: disposable, rebuilt from the log."""

    def live(self, view: str) -> Generation:
        """The generation that answers; a view never written has number 1 at position 0."""
        ...

    def expiring(self) -> int:
        """Up to which sequence of the ledger keys expired; to be asked before anything is opened to be folded."""
        ...

    def write(
        self, generations: Sequence[Generation], end: int, expiring: int | None = None
    ) -> AbstractContextManager[ViewWriter]:
        """A transaction that moves the generations' tracking to ``end``. RecordConflictError when one of them
        is no longer where the caller saw it: another runner was faster; or when keys expired since ``expiring``
        (None: nothing was opened): what was opened may be what none of them should say any more."""
        ...

    def alone(self, view: str) -> AbstractContextManager[tuple[ViewWriter, list[Generation]]]:
        """A transaction without projectors beside it, and every generation of a view that has come anywhere."""
        ...

    def keys(self, view: str, subjects: Sequence[UUID]) -> list[ViewKey]:
        """The rows of these subjects, in whatever generation."""
        ...

    def begin(self, view: str) -> Generation:
        """A new, empty generation beside the live one; what unfinished ones left is dropped."""
        ...

    def same(self, one: Generation, other: Generation) -> bool:
        """Whether two generations of a view hold the same rows. RecordConflictError when one of them is no longer
        where the caller saw it."""
        ...

    def swap(self, new: Generation) -> None:
        """Make the new generation the live one and drop the old. RecordConflictError while they are not at one
        position."""
        ...

    def select(self, view: str, wanted: ViewFilter) -> list[ViewRow]:
        """Rows of the live view, ordered by activity, registration, subject."""
        ...

    def dump(self, of: Generation) -> Iterator[tuple[Any, ...]]:
        """Every row in canonical order: equal dumps are equal views."""
        ...

    def alarms(self) -> int:
        """How many events could not be folded."""
        ...
