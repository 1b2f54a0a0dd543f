"""Report views: rows by generation, one generation of each view live.

A rebuild fills a new generation beside the live one; making it live is one row. Tracking is the library's, one
name a generation (``completion@3``), moved in the transaction that writes the rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import RecordConflictError

from lrs.adapters.sql.database import ROWS_FETCHED, Connection, Database, Row, marks, parts, storable
from lrs.ports import Generation, ViewFilter, ViewKey, ViewRow

_COLUMNS = "subject, activity, registration, first_at, last_at, groupings, facts"


class SqlViewWriter:
    """One transaction over generations of views."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        """The rows that are there."""
        found = {}
        for key in keys:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM view_row WHERE view = ? AND generation = ?"
                " AND activity = ? AND registration = ? AND subject = ?",
                (of.view, of.number, key.activity, key.registration, key.subject.bytes),
            ).fetchone()
            if row:
                found[key] = _view_row(row)
        return found

    def store(self, of: Generation, rows: Iterable[ViewRow]) -> None:
        """Write rows, over what was there."""
        self._connection.executemany(
            "INSERT INTO view_row VALUES (?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (view, generation, activity, registration, subject) DO UPDATE SET"
            " first_at = excluded.first_at, last_at = excluded.last_at, groupings = excluded.groupings,"
            " facts = excluded.facts",
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
        self._connection.executemany(
            "DELETE FROM view_row WHERE view = ? AND generation = ?"
            " AND activity = ? AND registration = ? AND subject = ?",
            [(of.view, of.number, key.activity, key.registration, key.subject.bytes) for key in keys],
        )

    def tombstones(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Which of these subjects are erased."""
        return {
            UUID(bytes=row[0])
            for part in parts([one.bytes for one in subjects])
            for row in self._connection.execute(
                f"SELECT subject FROM tombstone WHERE subject IN ({marks(part)})", part
            ).fetchall()
        }

    def alarm(self, position: int, code: str) -> None:
        """Keep that an event could not be folded."""
        self._connection.execute(
            "INSERT INTO alarm VALUES (?,?) ON CONFLICT (position) DO NOTHING", (position, code)
        )


class SqlViews:
    """The report views of one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def live(self, view: str) -> Generation:
        """The generation that answers; a view never written has number 1 at position 0."""
        with self._database.read() as c:
            return _live(c, view)

    @contextmanager
    def write(self, generations: Sequence[Generation], end: int) -> Iterator[SqlViewWriter]:
        """A transaction that moves the generations' tracking to ``end``. RecordConflictError when one of them
        is no longer where the caller saw it: another runner was faster."""
        with self._database.write() as c:
            self._hold_gate(c)
            for one in generations:
                if one.number < _live(c, one.view).number:
                    raise RecordConflictError
                _move_tracking(c, one, end)
            yield SqlViewWriter(c)

    def _hold_gate(self, c: Connection) -> None:
        """The gate between projectors and erasures: projectors hold it together, an erasure alone."""
        c.execute(f"SELECT one FROM gate{self._database.for_share}").fetchone()

    def _take_gate(self, c: Connection) -> None:
        c.execute(f"SELECT one FROM gate{self._database.for_update}").fetchone()

    def begin(self, view: str) -> Generation:
        """A new, empty generation beside the live one; what an unfinished one left is dropped."""
        with self._database.write() as c:
            self._take_gate(c)
            number = _live(c, view).number + 1
            _drop(c, Generation(view, number, 0))
        return Generation(view, number, 0)

    def swap(self, new: Generation) -> bool:
        """Make the new generation the live one and drop the old; True when both held the same rows.
        RecordConflictError while they are not at the same position."""
        with self._database.write() as c:
            self._take_gate(c)
            old = _live(c, new.view)
            if old.number >= new.number or _generation(c, new.view, new.number).position != old.position:
                raise RecordConflictError
            same = all(a == b for a, b in _side_by_side(c, old, new))
            c.execute(
                "INSERT INTO view VALUES (?,?) ON CONFLICT (name) DO UPDATE SET generation = excluded.generation",
                (new.view, new.number),
            )
            _drop(c, old)
        return same

    def select(self, views: tuple[str, str], wanted: ViewFilter) -> list[tuple[ViewRow, ViewRow]]:
        """Rows of two live views side by side, ordered by activity, registration, subject."""
        if not storable(wanted.activity, wanted.cohort, *(wanted.after or ())):
            return []
        with self._database.read() as c:
            first, second = (_live(c, view) for view in views)
            condition, values = _condition(wanted)
            columns = ", ".join(f"{table}.{name}" for table in "ab" for name in _COLUMNS.split(", "))
            sql = (
                f"SELECT {columns} FROM view_row a JOIN view_row b"
                " ON b.view = ? AND b.generation = ? AND b.activity = a.activity"
                " AND b.registration = a.registration AND b.subject = a.subject"
                f" WHERE a.view = ? AND a.generation = ?{condition}"
                " ORDER BY a.activity, a.registration, a.subject LIMIT ?"
            )
            found = c.execute(sql, (second.view, second.number, first.view, first.number, *values, wanted.limit))
            return [(_view_row(row[:7]), _view_row(row[7:])) for row in map(tuple, found.fetchall())]

    def dump(self, of: Generation) -> Iterator[tuple[Any, ...]]:
        """Every row in canonical order: equal dumps are equal views."""
        with self._database.read() as c:
            yield from _rows(c, of)

    def alarms(self) -> int:
        """How many events could not be folded."""
        with self._database.read() as c:
            return int(c.execute("SELECT count(*) FROM alarm").fetchone()[0])


def _live(c: Connection, view: str) -> Generation:
    row = c.execute("SELECT generation FROM view WHERE name = ?", (view,)).fetchone()
    return _generation(c, view, row[0] if row else 1)


def _generation(c: Connection, view: str, number: int) -> Generation:
    sql = "SELECT notification_id FROM tracking WHERE application_name = ?"
    row = c.execute(sql, (_tracked(view, number),)).fetchone()
    return Generation(view, number, row[0] if row else 0)


def _tracked(view: str, number: int) -> str:
    return f"{view}@{number}"


def _move_tracking(c: Connection, of: Generation, end: int) -> None:
    """On from where the caller saw it to ``end``, or not at all: another runner waits here, and then sees itself
    beaten."""
    if end <= of.position:
        raise RecordConflictError
    name = _tracked(of.view, of.number)
    moved = c.execute(
        "UPDATE tracking SET notification_id = ? WHERE application_name = ? AND notification_id = ?",
        (end, name, of.position),
    ).rowcount
    if moved == 0 and of.position == 0:
        moved = c.execute(
            "INSERT INTO tracking VALUES (?,?) ON CONFLICT (application_name) DO NOTHING", (name, end)
        ).rowcount
    if moved == 0:
        raise RecordConflictError


def _rows(c: Connection, of: Generation) -> Iterator[tuple[Any, ...]]:
    found = c.execute(
        "SELECT activity, registration, subject, first_at, last_at, groupings, facts FROM view_row"
        " WHERE view = ? AND generation = ? ORDER BY activity, registration, subject",
        (of.view, of.number),
    )
    while rows := found.fetchmany(ROWS_FETCHED):
        yield from map(tuple, rows)


def _side_by_side(c: Connection, old: Generation, new: Generation) -> Iterator[tuple[Any, Any]]:
    counted = "SELECT count(*) FROM view_row WHERE view = ? AND generation = ?"
    before = c.execute(counted, (old.view, old.number)).fetchone()[0]
    yield before, c.execute(counted, (new.view, new.number)).fetchone()[0]
    (same,) = c.execute(
        "SELECT count(*) FROM view_row a JOIN view_row b USING (view, activity, registration, subject,"
        " first_at, last_at, groupings, facts) WHERE view = ? AND a.generation = ? AND b.generation = ?",
        (old.view, old.number, new.number),
    ).fetchone()
    yield before, same


def _drop(c: Connection, of: Generation) -> None:
    c.execute("DELETE FROM view_row WHERE view = ? AND generation = ?", (of.view, of.number))
    c.execute("DELETE FROM tracking WHERE application_name = ?", (_tracked(of.view, of.number),))


def _condition(wanted: ViewFilter) -> tuple[str, list[Any]]:
    asked: list[tuple[str, list[Any]]] = []
    if wanted.subjects is not None:
        asked.append((f"a.subject IN ({marks(wanted.subjects)})", [one.bytes for one in wanted.subjects]))
    if wanted.without:
        without = [one.bytes for one in wanted.without]
        asked.append((f"a.subject NOT IN ({marks(without)})", without))
    if wanted.activity is not None:
        asked.append(("a.activity = ?", [wanted.activity]))
    if wanted.cohort is not None:
        # A text in JSON, its quotes included, stands in a list of texts only as an item of it.
        grouping = orjson.dumps(wanted.cohort).decode()
        in_groupings = "replace(a.groupings, ?, '') <> a.groupings"
        asked.append((f"(a.registration = ? OR {in_groupings})", [wanted.cohort.lower(), grouping]))
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


def _view_row(row: Row) -> ViewRow:
    subject, activity, registration, first_at, last_at, groupings, facts = row
    return ViewRow(
        ViewKey(UUID(bytes=subject), activity, registration),
        first_at,
        last_at,
        tuple(orjson.loads(groupings)),
        orjson.loads(facts),
    )
