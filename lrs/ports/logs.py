"""A log as it is stored: rows of ciphertext, read for a backup and written by a restore, opened by neither."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class EventRow(NamedTuple):
    """One stored event. ``stored`` is microseconds, UTC; ``stream`` 16 bytes."""

    position: int
    stored: int
    version: int
    stream: bytes
    topic: str
    state: bytes


class LogHead(NamedTuple):
    """Where a log stands: its generation, after which position that began, the last position and its time."""

    generation: int
    began: int
    position: int
    stored: int


class EventLog(Protocol):
    """The log of one tenant, or of the control store."""

    def head(self) -> LogHead:
        """Where it stands."""
        ...

    def rows(self, after: int, upto: int) -> Iterator[EventRow]:
        """The events between two positions, in order."""
        ...

    def fill(self, rows: Sequence[EventRow]) -> None:
        """Write events as they were, in one transaction that also moves the head to the last of them. Only for a
        log that is being restored."""
        ...

    def begin_generation(self, head: LogHead, first: EventRow) -> None:
        """The restored log goes on as a new generation, whose first event this is; again: nothing."""
        ...
