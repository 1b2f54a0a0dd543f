"""Report views on SQLite: rows by generation, one generation of each view live.

A rebuild fills a new generation beside the live one; making it live is one row. Tracking is the library's, one
name a generation (``completion@3``), moved in the transaction that writes the rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import RecordConflictError, Tracking

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.adapters.sqlite.recorder import EventRecorder
from lrs.ports import Generation, ViewFilter, ViewKey, ViewRow

_COLUMNS = "subject, activity, registration, first_at, last_at, groupings, facts"


class SqliteViewWriter:
    """One transaction over generations of views."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def load(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        """The rows that are there."""
        found = {}
        for key in keys:
            self._cursor.execute(
                f"SELECT {_COLUMNS} FROM view_row WHERE view = ? AND generation = ?"
                " AND activity = ? AND registration = ? AND subject = ?",
                (of.view, of.number, key.activity, key.registration, key.subject.bytes),
            )
            if row := self._cursor.fetchone():
                found[key] = _view_row(row)
        return found

    def store(self, of: Generation, rows: Iterable[ViewRow]) -> None:
        """Write rows, over what was there."""
        self._cursor.executemany(
            "INSERT OR REPLACE INTO view_row VALUES (?,?,?,?,?,?,?,?,?)",
            [
                (
                    of.view,
                    of.number,
                    row.key.activity,
                    row.key.registration,
                    row.key.subject.bytes,
                    row.first_at_us,
                    row.last_at_us,
                    orjson.dumps(sorted(row.groupings)).decode(),
                    orjson.dumps(row.facts, option=orjson.OPT_SORT_KEYS).decode(),
                )
                for row in rows
            ],
        )

    def remove(self, of: Generation, keys: Iterable[ViewKey]) -> None:
        """Take rows out."""
        self._cursor.executemany(
            "DELETE FROM view_row WHERE view = ? AND generation = ?"
            " AND activity = ? AND registration = ? AND subject = ?",
            [(of.view, of.number, key.activity, key.registration, key.subject.bytes) for key in keys],
        )

    def tombstones(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Which of these subjects are erased."""
        erased = set()
        for subject in subjects:
            self._cursor.execute("SELECT 1 FROM tombstone WHERE subject = ?", (subject.bytes,))
            if self._cursor.fetchone():
                erased.add(subject)
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

    def swap(self, new: Generation) -> bool:
        """Make the new generation the live one and drop the old; True when both held the same rows.
        RecordConflictError while they are not at the same position."""
        with self._datastore.writing() as c:
            _take_gate(c)
            old = self._live(c, new.view)
            if old.number >= new.number or self._generation(c, new.view, new.number).position != old.position:
                raise RecordConflictError
            same = all(a == b for a, b in _side_by_side(c, old, new))
            c.execute("INSERT OR REPLACE INTO view VALUES (?,?)", (new.view, new.number))
            _drop(c, old)
        return same

    def select(self, views: tuple[str, str], wanted: ViewFilter) -> list[tuple[ViewRow, ViewRow]]:
        """Rows of two live views side by side, ordered by activity, registration, subject."""
        with self._datastore.reading() as c:
            first, second = (self._live(c, view) for view in views)
            condition, values = _condition(wanted)
            columns = ", ".join(f"{table}.{name}" for table in "ab" for name in _COLUMNS.split(", "))
            sql = (
                f"SELECT {columns} FROM view_row a JOIN view_row b"
                " ON b.view = ? AND b.generation = ? AND b.activity = a.activity"
                " AND b.registration = a.registration AND b.subject = a.subject"
                f" WHERE a.view = ? AND a.generation = ?{condition}"
                " ORDER BY a.activity, a.registration, a.subject LIMIT ?"
            )
            c.execute(sql, (second.view, second.number, first.view, first.number, *values, wanted.limit))
            return [(_view_row(row[:7]), _view_row(row[7:])) for row in map(tuple, c.fetchall())]

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
        "SELECT activity, registration, subject, first_at, last_at, groupings, facts FROM view_row"
        " WHERE view = ? AND generation = ? ORDER BY activity, registration, subject",
        (of.view, of.number),
    )
    while rows := c.fetchmany(500):
        yield from map(tuple, rows)


def _side_by_side(c: Cursor, old: Generation, new: Generation) -> Iterator[tuple[Any, Any]]:
    c.execute("SELECT count(*) FROM view_row WHERE view = ? AND generation = ?", (old.view, old.number))
    before = c.fetchone()[0]
    c.execute("SELECT count(*) FROM view_row WHERE view = ? AND generation = ?", (new.view, new.number))
    yield before, c.fetchone()[0]
    c.execute(
        "SELECT count(*) FROM view_row a JOIN view_row b USING (view, activity, registration, subject,"
        " first_at, last_at, groupings, facts) WHERE view = ? AND a.generation = ? AND b.generation = ?",
        (old.view, old.number, new.number),
    )
    yield before, c.fetchone()[0]


def _drop(c: Cursor, of: Generation) -> None:
    c.execute("DELETE FROM view_row WHERE view = ? AND generation = ?", (of.view, of.number))
    c.execute("DELETE FROM tracking WHERE application_name = ?", (f"{of.view}@{of.number}",))


def _condition(wanted: ViewFilter) -> tuple[str, list[Any]]:
    asked: list[tuple[str, list[Any]]] = []
    if wanted.subjects is not None:
        marks = ",".join("?" * len(wanted.subjects))
        asked.append((f"a.subject IN ({marks})", [one.bytes for one in wanted.subjects]))
    if wanted.without:
        marks = ",".join("?" * len(wanted.without))
        asked.append((f"a.subject NOT IN ({marks})", [one.bytes for one in wanted.without]))
    if wanted.activity is not None:
        asked.append(("a.activity = ?", [wanted.activity]))
    if wanted.cohort is not None:
        in_grouping = "EXISTS (SELECT 1 FROM json_each(a.groupings) WHERE value = ?)"
        asked.append((f"(a.registration = ? OR {in_grouping})", [wanted.cohort.lower(), wanted.cohort]))
    if wanted.since_us is not None:
        asked.append(("a.last_at > ?", [wanted.since_us]))
    if wanted.until_us is not None:
        asked.append(("a.last_at <= ?", [wanted.until_us]))
    if wanted.after is not None:
        activity, registration, subject = wanted.after
        asked.append(
            (
                "(a.activity, a.registration, a.subject) > (?, ?, ?)",
                [activity, registration, bytes.fromhex(subject)],
            )
        )
    return "".join(f" AND {sql}" for sql, _ in asked), [value for _, values in asked for value in values]


def _view_row(row: Any) -> ViewRow:
    subject, activity, registration, first_at, last_at, groupings, facts = row
    return ViewRow(
        ViewKey(UUID(bytes=subject), activity, registration),
        first_at,
        last_at,
        tuple(orjson.loads(groupings)),
        orjson.loads(facts),
    )
