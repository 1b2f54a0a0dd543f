"""Report views: rows are written with their tracking, found for reports, and rebuilt beside the live ones."""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import RecordConflictError

from lrs.adapters.sql.database import ROWS_FETCHED, Connection, Database, Row, marks, parts, storable
from lrs.adapters.sql.expiry import EXPIRING, sequence_of
from lrs.adapters.sql.generations import (
    COLUMNS,
    KEY,
    Asked,
    drop_some,
    forget_tracking,
    generation_of,
    live_of,
    move_tracking,
    same_between,
    stretches,
)
from lrs.domain.signals import GROUPING_BYTES, grouping_digest
from lrs.ports import Generation, ViewFilter, ViewKey, ViewRow

_ONE = "view = ? AND generation = ? AND activity = ? AND registration = ? AND subject = ?"
_REGISTRATION_BYTES = 16
_REGISTRATIONS_CACHED = 16_384
# Rows are asked for in few different numbers, the last ones with one of them again: so each question is prepared
# once and kept.
_LOADED_TOGETHER = (1, 8, 128)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SqlViewWriter:
    """One transaction over generations of views."""

    def __init__(self, connection: Connection, *, near: bool) -> None:
        self._connection = connection
        self._near = near

    def load(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        """The rows that are there."""
        return self._load_each(of, keys) if self._near else self._load_by_subject(of, set(keys))

    def _load_each(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        wanted = {_key(key): key for key in keys}
        asked = list(wanted)
        found: dict[ViewKey, ViewRow] = {}
        for start in range(0, len(asked), _LOADED_TOGETHER[-1]):
            part = asked[start : start + _LOADED_TOGETHER[-1]]
            size = next(size for size in _LOADED_TOGETHER if size >= len(part))
            part += part[:1] * (size - len(part))
            rows = self._connection.execute(_load(size), [*itertools.chain(*part), of.view, of.number])
            for number, first_at, last_at, groupings, facts in rows.fetchall():
                key = wanted[part[number]]
                found[key] = _view_row(key, first_at, last_at, groupings, facts)
        return found

    def _load_by_subject(self, of: Generation, keys: set[ViewKey]) -> dict[ViewKey, ViewRow]:
        # PostgreSQL would join the rows that are asked for with all that there are; and over a network, what a
        # subject has besides costs less than a question for each row.
        return {
            row.key: row
            for part in parts(list({key.subject.bytes for key in keys}))
            for row in map(
                _whole_row,
                self._connection.execute(
                    # So that the index by subject drives, and not the key, in which it comes last.
                    f"SELECT {COLUMNS} FROM view_row WHERE subject IN ({marks(part)})"
                    " AND view || '' = ? AND generation = ?",
                    (*part, of.view, of.number),
                ).fetchall(),
            )
            if row.key in keys
        }

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
        self._connection.executemany(
            f"DELETE FROM view_row WHERE {_ONE}", [(of.view, of.number, *_key(key)) for key in keys]
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
            return live_of(c, view)

    def expiring(self) -> int:
        """Up to which sequence of the ledger keys expired; to be asked before anything is opened to be folded."""
        with self._database.read() as c:
            return sequence_of(c, EXPIRING)

    @contextmanager
    def alone(self, view: str) -> Iterator[tuple[SqlViewWriter, list[Generation]]]:
        """A transaction without projectors beside it, and every generation of a view that has come anywhere."""
        with self._database.write() as c:
            self._take_gate(c)
            live = live_of(c, view)
            beside = generation_of(c, view, live.number + 1)
            found = [one for one in (live, beside) if one.position]
            yield SqlViewWriter(c, near=self._database.is_near), found

    def keys(self, view: str, subjects: Sequence[UUID]) -> list[ViewKey]:
        """The rows of these subjects, in whatever generation."""
        with self._database.read() as c:
            return [
                ViewKey(UUID(bytes=subject), activity, _registration_text(registration))
                for part in parts([one.bytes for one in subjects])
                for subject, activity, registration in c.execute(
                    "SELECT DISTINCT subject, activity, registration FROM view_row"
                    f" WHERE subject IN ({marks(part)}) AND view || '' = ?",
                    (*part, view),
                ).fetchall()
            ]

    @contextmanager
    def write(
        self, generations: Sequence[Generation], end: int, expiring: int | None = None
    ) -> Iterator[SqlViewWriter]:
        """A transaction that moves the generations' tracking to ``end``. RecordConflictError when one of them
        is no longer where the caller saw it: another runner was faster; or when keys expired since ``expiring``
        (None: nothing was opened): what was opened may be what none of them should say any more."""
        with self._database.write() as c:
            self._hold_gate(c)
            if expiring is not None and sequence_of(c, EXPIRING) > expiring:
                raise RecordConflictError
            for one in generations:
                if one.number < live_of(c, one.view).number:
                    raise RecordConflictError
                move_tracking(c, one, end)
            yield SqlViewWriter(c, near=self._database.is_near)

    def _hold_gate(self, c: Connection) -> None:
        """The gate between projectors and erasures: projectors hold it together, an erasure alone."""
        c.execute(f"SELECT one FROM gate{self._database.for_share}").fetchone()

    def _take_gate(self, c: Connection) -> None:
        c.execute(f"SELECT one FROM gate{self._database.for_update}").fetchone()

    def begin(self, view: str) -> Generation:
        """A new, empty generation beside the live one; what unfinished ones left is dropped."""
        with self._database.write() as c:
            self._take_gate(c)
            number = live_of(c, view).number + 1
            forget_tracking(c, Generation(view, number, 0))  # whoever is at work on it finds out
        self._clear(view)
        return Generation(view, number, 0)

    def same(self, one: Generation, other: Generation) -> bool:
        """Whether two generations of a view hold the same rows. RecordConflictError when one of them is no longer
        where the caller saw it."""
        with self._database.read() as c:
            if any(generation_of(c, seen.view, seen.number) != seen for seen in (one, other)):
                raise RecordConflictError
            return all(same_between(c, one, other, stretch) for stretch in stretches(c, one))

    def swap(self, new: Generation) -> None:
        """Make the new generation the live one and drop the old. RecordConflictError while they are not at one
        position."""
        with self._database.write() as c:
            self._take_gate(c)
            old = live_of(c, new.view)
            if old.number >= new.number or generation_of(c, new.view, new.number).position != old.position:
                raise RecordConflictError
            c.execute(
                "INSERT INTO view VALUES (?,?) ON CONFLICT (name) DO UPDATE SET generation = excluded.generation",
                (new.view, new.number),
            )
            forget_tracking(c, old)
        self._clear(new.view)

    def _clear(self, view: str) -> None:
        """Drop the rows that nobody reads or writes, some a transaction: all in one would hold up everybody else.
        What a process leaves that dies in between, the next rebuild drops; an erasure sees it, too."""
        more = True
        while more:
            with self._database.write() as c:
                self._hold_gate(c)
                more = drop_some(c, view)

    def select(self, view: str, wanted: ViewFilter) -> list[ViewRow]:
        """Rows of the live view, ordered by activity, registration, subject."""
        if not storable(wanted.activity, wanted.cohort, *(wanted.after or ())):
            return []
        with self._database.read() as c:
            live = live_of(c, view)
            condition, values = _condition(wanted, self._database.holds)
            found = c.execute(
                f"SELECT {COLUMNS} FROM view_row WHERE view = ? AND generation = ?{condition}"
                " ORDER BY activity, registration, subject LIMIT ?",
                (live.view, live.number, *values, wanted.limit),
            )
            return [_whole_row(row) for row in found.fetchall()]

    def dump(self, of: Generation) -> Iterator[tuple[Any, ...]]:
        """Every row in canonical order: equal dumps are equal views."""
        with self._database.read() as c:
            yield from _rows(c, of)

    def alarms(self) -> int:
        """How many events could not be folded."""
        with self._database.read() as c:
            return int(c.execute("SELECT count(*) FROM alarm").fetchone()[0])


@functools.cache
def _load(size: int) -> str:
    wanted = ",".join(f"({number},?,?,?)" for number in range(size))
    return (
        f"WITH wanted (number, activity, registration, subject) AS (VALUES {wanted})"
        " SELECT wanted.number, first_at, last_at, groupings, facts FROM wanted"
        " CROSS JOIN view_row r WHERE r.activity = wanted.activity AND r.registration = wanted.registration"
        " AND r.subject = wanted.subject AND r.view = ? AND r.generation = ?"
    )


def _rows(c: Connection, of: Generation) -> Iterator[tuple[Any, ...]]:
    found = c.execute(
        f"SELECT {COLUMNS} FROM view_row WHERE view = ? AND generation = ?"
        " ORDER BY activity, registration, subject",
        (of.view, of.number),
    )
    while rows := found.fetchmany(ROWS_FETCHED):
        for activity, registration, *others in rows:
            yield (activity, _registration_text(registration), *others)


def _condition(wanted: ViewFilter, holds: str) -> Asked:
    asked: list[Asked] = []
    if wanted.subjects is not None:
        asked.append((f"subject IN ({marks(wanted.subjects)})", [one.bytes for one in wanted.subjects]))
    if wanted.without:
        without = [one.bytes for one in wanted.without]
        asked.append((f"subject NOT IN ({marks(without)})", without))
    if wanted.activity is not None:
        asked.append(("activity = ?", [wanted.activity]))
    if wanted.cohort is not None:
        # A digest that begins inside another's eight bytes would be found too: as likely as two equal digests.
        values = [_registration_bytes(wanted.cohort.lower()), grouping_digest(wanted.cohort)]
        asked.append((f"(registration = ? OR {holds.format('groupings')})", values))
    if wanted.since_us is not None:
        asked.append(("last_at > ?", [wanted.since_us]))
    if wanted.until_us is not None:
        asked.append(("last_at <= ?", [wanted.until_us]))
    if wanted.after is not None:
        activity, registration, subject = wanted.after
        key = [activity, _registration_bytes(registration), bytes.fromhex(subject)]
        asked.append((f"{KEY} > (?, ?, ?)", key))
    return "".join(f" AND {sql}" for sql, _ in asked), [value for _, values in asked for value in values]


def _key(key: ViewKey) -> tuple[str, bytes, bytes]:
    return key.activity, _registration_bytes(key.registration), key.subject.bytes


def _whole_row(row: Row) -> ViewRow:
    activity, registration, subject, *others = row
    return _view_row(ViewKey(UUID(bytes=subject), activity, _registration_text(registration)), *others)


def _view_row(key: ViewKey, first_at: int, last_at: int, packed: bytes, facts: str) -> ViewRow:
    groupings = [packed[at : at + GROUPING_BYTES] for at in range(0, len(packed), GROUPING_BYTES)]
    return ViewRow(key, first_at, last_at, frozenset(groupings), orjson.loads(facts))


@functools.lru_cache(_REGISTRATIONS_CACHED)
def _registration_bytes(registration: str) -> bytes:
    """A registration as its UUID's 16 bytes; what is none (nobody could have recorded it) by its text."""
    if _UUID.fullmatch(registration):
        return bytes.fromhex(registration.replace("-", ""))
    return registration.encode("utf-8", "surrogatepass")


def _registration_text(packed: bytes) -> str:
    return str(UUID(bytes=packed)) if len(packed) == _REGISTRATION_BYTES else packed.decode()
