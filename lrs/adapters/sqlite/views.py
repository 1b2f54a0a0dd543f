"""Report views on SQLite: rows by generation, one generation of each view live.

A rebuild fills a new generation beside the live one; making it live is one row. Tracking is the library's, one
name a generation (``learning@3``), moved in the transaction that writes the rows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import RecordConflictError, Tracking

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.adapters.sqlite.recorder import EventRecorder
from lrs.domain.signals import GROUPING_BYTES, grouping_digest
from lrs.ports import Generation, ViewFilter, ViewKey, ViewRow

_COLUMNS = "activity, registration, subject, first_at, last_at, groupings, facts"
_ONE = "view = ? AND generation = ? AND activity = ? AND registration = ? AND subject = ?"
# SQLite takes at most 32,766 parameters (3.32 and later); we stay far below.
_PARAMETERS_MAX = 500
_REGISTRATION_BYTES = 16
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SqliteViewWriter:
    """One transaction over generations of views."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def load(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        """The rows that are there."""
        # One prepared statement, asked again and again, is the fastest that SQLite has: there is no way to go.
        found: dict[ViewKey, ViewRow] = {}
        for key in keys:
            self._cursor.execute(
                f"SELECT first_at, last_at, groupings, facts FROM view_row WHERE {_ONE}",
                (of.view, of.number, *_key(key)),
            )
            if row := self._cursor.fetchone():
                found[key] = _view_row(key, *row)
        return found

    def store(self, of: Generation, rows: Iterable[ViewRow]) -> None:
        """Write rows, over what was there."""
        self._cursor.executemany(
            "INSERT OR REPLACE INTO view_row VALUES (?,?,?,?,?,?,?,?,?)",
            [
                (
                    of.view,
                    of.number,
                    *_key(row.key),
                    row.first_at_us,
                    row.last_at_us,
                    b"".join(sorted(row.groupings)),
                    orjson.dumps(row.facts, option=orjson.OPT_SORT_KEYS).decode(),
                )
                for row in rows
            ],
        )

    def remove(self, of: Generation, keys: Iterable[ViewKey]) -> None:
        """Take rows out."""
        self._cursor.executemany(
            f"DELETE FROM view_row WHERE {_ONE}", [(of.view, of.number, *_key(key)) for key in keys]
        )

    def tombstones(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Which of these subjects are erased."""
        asked = [one.bytes for one in subjects]
        erased: set[UUID] = set()
        for part in (asked[start : start + _PARAMETERS_MAX] for start in range(0, len(asked), _PARAMETERS_MAX)):
            self._cursor.execute(f"SELECT subject FROM tombstone WHERE subject IN ({_marks(part)})", part)
            erased |= {UUID(bytes=row[0]) for row in self._cursor.fetchall()}
        return erased

    def alarm(self, position: int, code: str) -> None:
        """Keep that an event could not be folded."""
        self._cursor.execute("INSERT OR IGNORE INTO alarm VALUES (?,?)", (position, code))


class SqliteViews:
    """The report views of one tenant."""

    def __init__(self, datastore: Datastore, recorder: EventRecorder) -> None:
        self._datastore = datastore
        self._recorder = recorder

    def live(self, view: str) -> Generation:
        """The generation that answers; a view never written has number 1 at position 0."""
        with self._datastore.reading() as c:
            return self._live(c, view)

    def _live(self, c: Cursor, view: str) -> Generation:
        c.execute("SELECT generation FROM view WHERE name = ?", (view,))
        row = c.fetchone()
        return self._generation(c, view, row[0] if row else 1)

    def _generation(self, c: Cursor, view: str, number: int) -> Generation:
        c.execute("SELECT notification_id FROM tracking WHERE application_name = ?", (f"{view}@{number}",))
        row = c.fetchone()
        return Generation(view, number, row[0] if row else 0)

    @contextmanager
    def write(self, generations: Sequence[Generation], end: int) -> Iterator[SqliteViewWriter]:
        """A transaction that moves the generations' tracking to ``end``. RecordConflictError when one of them
        is no longer where the caller saw it: another runner was faster."""
        with self._datastore.writing() as c:
            _take_gate(c)
            for one in generations:
                dropped = one.number < self._live(c, one.view).number
                if dropped or self._generation(c, one.view, one.number) != one:
                    raise RecordConflictError
            yield SqliteViewWriter(c)
            for one in generations:
                self._recorder.track(c, Tracking(f"{one.view}@{one.number}", end))

    def begin(self, view: str) -> Generation:
        """A new, empty generation beside the live one; what an unfinished one left is dropped."""
        with self._datastore.writing() as c:
            _take_gate(c)
            number = self._live(c, view).number + 1
            _drop(c, Generation(view, number, 0))
        return Generation(view, number, 0)

    def same(self, one: Generation, other: Generation) -> bool:
        """Whether two generations of a view hold the same rows now."""
        with self._datastore.reading() as c:
            return _same(c, one, other)

    def swap(self, new: Generation) -> bool:
        """Make the new generation the live one and drop the old; True when both held the same rows.
        RecordConflictError while they are not at the same position."""
        with self._datastore.writing() as c:
            _take_gate(c)
            old = self._live(c, new.view)
            if old.number >= new.number or self._generation(c, new.view, new.number).position != old.position:
                raise RecordConflictError
            same = _same(c, old, new)
            c.execute("INSERT OR REPLACE INTO view VALUES (?,?)", (new.view, new.number))
            _drop(c, old)
        return same

    def select(self, view: str, wanted: ViewFilter) -> list[ViewRow]:
        """Rows of the live view, ordered by activity, registration, subject."""
        with self._datastore.reading() as c:
            live = self._live(c, view)
            condition, values = _condition(wanted)
            c.execute(
                f"SELECT {_COLUMNS} FROM view_row WHERE view = ? AND generation = ?{condition}"
                " ORDER BY activity, registration, subject LIMIT ?",
                (live.view, live.number, *values, wanted.limit),
            )
            return [
                _view_row(ViewKey(UUID(bytes=subject), activity, _registration_text(registration)), *row)
                for activity, registration, subject, *row in c.fetchall()
            ]

    def dump(self, of: Generation) -> Iterator[tuple[Any, ...]]:
        """Every row in canonical order: equal dumps are equal views."""
        with self._datastore.reading() as c:
            yield from _rows(c, of)

    def alarms(self) -> int:
        """How many events could not be folded."""
        with self._datastore.reading() as c:
            c.execute("SELECT count(*) FROM alarm")
            return int(c.fetchone()[0])


def _take_gate(c: Cursor) -> None:
    """The head row is the gate between projectors and erasures: whoever writes it first goes first."""
    c.execute("UPDATE head SET position = position")


def _rows(c: Cursor, of: Generation) -> Iterator[tuple[Any, ...]]:
    c.execute(
        f"SELECT {_COLUMNS} FROM view_row WHERE view = ? AND generation = ? ORDER BY {_COLUMNS}",
        (of.view, of.number),
    )
    while rows := c.fetchmany(500):
        for activity, registration, *others in rows:
            yield (activity, _registration_text(registration), *others)


def _same(c: Cursor, one: Generation, other: Generation) -> bool:
    counts = [_count(c, one), _count(c, other)]
    c.execute(
        f"SELECT count(*) FROM view_row a JOIN view_row b USING (view, {_COLUMNS})"
        " WHERE view = ? AND a.generation = ? AND b.generation = ?",
        (one.view, one.number, other.number),
    )
    return counts == [c.fetchone()[0]] * 2


def _count(c: Cursor, of: Generation) -> int:
    c.execute("SELECT count(*) FROM view_row WHERE view = ? AND generation = ?", (of.view, of.number))
    return int(c.fetchone()[0])


def _drop(c: Cursor, of: Generation) -> None:
    c.execute("DELETE FROM view_row WHERE view = ? AND generation = ?", (of.view, of.number))
    c.execute("DELETE FROM tracking WHERE application_name = ?", (f"{of.view}@{of.number}",))


def _condition(wanted: ViewFilter) -> tuple[str, list[Any]]:
    asked: list[tuple[str, list[Any]]] = []
    if wanted.subjects is not None:
        asked.append((f"subject IN ({_marks(wanted.subjects)})", [one.bytes for one in wanted.subjects]))
    if wanted.without:
        asked.append((f"subject NOT IN ({_marks(wanted.without)})", [one.bytes for one in wanted.without]))
    if wanted.activity is not None:
        asked.append(("activity = ?", [wanted.activity]))
    if wanted.cohort is not None:
        # A digest that begins inside another's eight bytes would be found too: as likely as two equal digests.
        values = [_registration_bytes(wanted.cohort.lower()), grouping_digest(wanted.cohort)]
        asked.append(("(registration = ? OR instr(groupings, ?) > 0)", values))
    if wanted.since_us is not None:
        asked.append(("last_at > ?", [wanted.since_us]))
    if wanted.until_us is not None:
        asked.append(("last_at <= ?", [wanted.until_us]))
    if wanted.after is not None:
        activity, registration, subject = wanted.after
        key = [activity, _registration_bytes(registration), bytes.fromhex(subject)]
        asked.append(("(activity, registration, subject) > (?, ?, ?)", key))
    return "".join(f" AND {sql}" for sql, _ in asked), [value for _, values in asked for value in values]


def _marks(values: Sized) -> str:
    return ",".join("?" * len(values))


def _key(key: ViewKey) -> tuple[str, bytes, bytes]:
    return key.activity, _registration_bytes(key.registration), key.subject.bytes


def _view_row(key: ViewKey, first_at: int, last_at: int, packed: bytes, facts: str) -> ViewRow:
    groupings = [packed[at : at + GROUPING_BYTES] for at in range(0, len(packed), GROUPING_BYTES)]
    return ViewRow(key, first_at, last_at, frozenset(groupings), orjson.loads(facts))


def _registration_bytes(registration: str) -> bytes:
    """A registration as its UUID's 16 bytes; what is none (nobody could have recorded it) by its text."""
    if _UUID.fullmatch(registration):
        return bytes.fromhex(registration.replace("-", ""))
    return registration.encode("utf-8", "surrogatepass")


def _registration_text(packed: bytes) -> str:
    return str(UUID(bytes=packed)) if len(packed) == _REGISTRATION_BYTES else packed.decode()
