"""A stretch of a log as one object. A STORAGE FORMAT, kept for years.

A line of JSON says what it is a stretch of; then come columns, for equal things beside each other compress: the
positions are gapless, so the first stands for all; times as differences; versions, topics, lengths of states;
stream ids; states. What is in it is ciphertext and was never anything else here.
"""

import json
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

from lrs.domain.errors import BackupInvalid, EventCorrupt
from lrs.ports import EventRow

_TYPE: Final = "lethe/log-segment/1"
# Of which two or three are in memory at once.
EVENTS_MAX: Final = 10_000
BYTES_MAX: Final = 32 * 1024 * 1024
# The same with the columns and one event more (a document has at most 10 MiB).
OPENED_BYTES_MAX: Final = 64 * 1024 * 1024
_ROW_BYTES: Final = 8 + 4 + 1 + 4 + 16
_TOPICS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which events of which log."""

    vault: str
    log: str
    generation: int
    first: int
    last: int


def cut(rows: Iterable[EventRow], after: int) -> Iterator[list[EventRow]]:
    """The events after a position in parts that an object can take. EventCorrupt where one is missing."""
    part: list[EventRow] = []
    size = 0
    for row in rows:
        after += 1
        if row.position != after:
            raise EventCorrupt(f"the event at position {after} is missing")
        if part and (len(part) >= EVENTS_MAX or size + len(row.state) + _ROW_BYTES > BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.state) + _ROW_BYTES
    if part:
        yield part


def pack(vault: str, log: str, generation: int, rows: Sequence[EventRow]) -> bytes:
    """The object's content."""
    topics = sorted({row.topic for row in rows})
    number = {topic: at for at, topic in enumerate(topics)}
    assert len(topics) <= _TOPICS_MAX
    stretch = Stretch(vault, log, generation, rows[0].position, rows[-1].position)
    head = asdict(stretch) | {"type": _TYPE, "topics": topics}
    times = [row.stored for row in rows]
    return b"".join(
        (
            json.dumps(head, sort_keys=True).encode() + b"\n",
            _column("q", [times[0], *(later - one for one, later in pairwise(times))]),
            _column("I", [row.version for row in rows]),
            bytes(number[row.topic] for row in rows),
            _column("I", [len(row.state) for row in rows]),
            *[row.stream for row in rows],
            *[row.state for row in rows],
        )
    )


def unpack(content: bytes, expected: Stretch) -> list[EventRow]:
    """The events again. BackupInvalid for anything else than the stretch that was asked for."""
    try:
        line, _, columns = content.partition(b"\n")
        head: dict[str, Any] = json.loads(line)
        topics = head.pop("topics")
        if head != asdict(expected) | {"type": _TYPE}:
            raise BackupInvalid("a segment is of another stretch than its manifest says")
        return _rows(memoryview(columns), expected, topics)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise BackupInvalid("a segment can not be read") from None


def _rows(columns: memoryview, expected: Stretch, topics: list[str]) -> list[EventRow]:
    count = expected.last - expected.first + 1
    at = [0, *accumulate(width * count for width in (8, 4, 1, 4, 16))]
    times, versions, kinds, lengths, streams = (columns[one:end] for one, end in pairwise(at))
    states, ends = columns[at[-1] :], [0, *accumulate(_numbers("I", lengths))]
    if len(streams) != 16 * count or ends[-1] != len(states):
        raise BackupInvalid("a segment is not of its length")
    return [
        EventRow(
            expected.first + n,
            stored,
            version,
            bytes(streams[16 * n : 16 * n + 16]),
            topics[kinds[n]],
            bytes(states[ends[n] : ends[n + 1]]),
        )
        for n, (stored, version) in enumerate(
            zip(accumulate(_numbers("q", times)), _numbers("I", versions), strict=True)
        )
    ]


def _column(kind: str, numbers: list[int]) -> bytes:
    column = array(kind, numbers)
    if sys.byteorder == "big":  # pragma: no cover  (little-endian in the file, whatever the machine)
        column.byteswap()
    return column.tobytes()


def _numbers(kind: str, column: memoryview) -> "array[int]":
    numbers = array(kind)
    numbers.frombytes(column)
    if sys.byteorder == "big":  # pragma: no cover  (the same)
        numbers.byteswap()
    return numbers
