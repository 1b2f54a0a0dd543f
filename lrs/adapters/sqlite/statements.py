"""Finding statements on SQLite: by blinded terms, in positions, with the index that we choose.

Every filter is a membership row (term, position); the first group of a selection drives, the others are asked
for each candidate. Pages are cut on positions, so they are stable while others write.
"""

import functools
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.domain.instants import microseconds
from lrs.ports import Head, Recorded, Selected, Selection

_TERM_KEY_BYTES = 32
_TERMS_CACHED = 65_536
# An idle head is moved on at most this often, so that Consistent-Through goes on without a write a read.
_IDLE_US = 1_000_000
# SQLite takes at most 32,766 parameters (3.32 and later); we stay far below.
_PARAMETERS_MAX = 500
_COLUMNS = "e.position, e.stored, e.originator_id, e.originator_version, e.topic, e.state"


class StatementIndex:
    """Reading one tenant's statements and other events."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._term = functools.lru_cache(_TERMS_CACHED)(_blind(self._term_key()))

    def _term_key(self) -> bytes:
        with self._datastore.writing() as c:
            c.execute(
                "INSERT OR IGNORE INTO setting VALUES ('term-key', ?)", (secrets.token_bytes(_TERM_KEY_BYTES),)
            )
            c.execute("SELECT value FROM setting WHERE name = 'term-key'")
            return bytes(c.fetchone()[0])

    def term(self, kind: str, value: str) -> int:
        """The blinded 64-bit term of a filter value; the same only within this tenant."""
        return int(self._term(kind, value))

    # --- the head --------------------------------------------------------------------------------------------

    def head(self, at: datetime | None = None) -> Head:
        """The head; with ``at``, an idle head is first advanced to that time (at most once a second)."""
        with self._datastore.reading() as c:
            head = _head(c)
        if at is not None and microseconds(at) - head.stored_us > _IDLE_US:
            with self._datastore.writing() as c:
                c.execute("UPDATE head SET stored = max(?, stored)", (microseconds(at),))
                head = _head(c)
        return head

    # --- selecting -------------------------------------------------------------------------------------------

    def select(self, selection: Selection) -> Selected:
        """A page of live, unvoided statements by position."""
        if not all(selection.groups):
            return Selected([], more=False, head=self.head())  # a group without alternatives matches nothing
        with self._datastore.reading() as c:
            low, high = _bounds(c, selection)
            sql, values = _query(selection, low, high)
            c.execute(sql, values)
            rows = [_recorded(row) for row in c.fetchall()]
            head = _head(c)
        return Selected(rows[: selection.limit], len(rows) > selection.limit, head)

    def by_ids(self, ids: Sequence[UUID]) -> dict[UUID, Recorded]:
        """First events of these streams, those that exist."""
        sql = f"SELECT {_COLUMNS} FROM event e WHERE originator_version = 1 AND originator_id IN ({{}})"
        return {_stream(one): one for one in self._in_parts(sql, [one.bytes for one in ids])}

    def at(self, positions: Sequence[int]) -> list[Recorded]:
        """The events at these positions, ascending."""
        sql = f"SELECT {_COLUMNS} FROM event e WHERE position IN ({{}})"
        return sorted(self._in_parts(sql, list(set(positions))), key=lambda one: one.position)

    def _in_parts(self, sql: str, values: Sequence[Any]) -> list[Recorded]:
        found: list[Recorded] = []
        with self._datastore.reading() as c:
            for part in _parts(values):
                c.execute(sql.format(_marks(part)), part)
                found += [_recorded(row) for row in c.fetchall()]
        return found

    def read(self, after: int, limit: int) -> list[Recorded]:
        """Events in order after a position."""
        with self._datastore.reading() as c:
            c.execute(
                f"SELECT {_COLUMNS} FROM event e WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
            )
            return [_recorded(row) for row in c.fetchall()]

    def is_live(self, statement: UUID) -> bool:
        """Whether the statement is still in the index (its owner was not erased)."""
        with self._datastore.reading() as c:
            c.execute(
                "SELECT 1 FROM event e JOIN statement s USING (position)"
                " WHERE e.originator_id = ? AND e.originator_version = 1",
                (statement.bytes,),
            )
            return c.fetchone() is not None

    def voided(self, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these are voided."""
        found: set[UUID] = set()
        with self._datastore.reading() as c:
            for part in _parts([one.bytes for one in ids]):
                c.execute(f"SELECT target FROM voided WHERE target IN ({_marks(part)})", part)
                found |= {UUID(bytes=row[0]) for row in c.fetchall()}
        return found

    def positions(self, term: int, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Positions that carry a term, ascending, voided ones too."""
        with self._datastore.reading() as c:
            c.execute(
                "SELECT position FROM term WHERE term = ? AND position > ? ORDER BY position LIMIT ?",
                (term, after, limit),
            )
            return [row[0] for row in c.fetchall()]

    # --- agents ----------------------------------------------------------------------------------------------

    def agents(self, wanted: Iterable[tuple[UUID, bytes]]) -> dict[tuple[UUID, bytes], int]:
        """The numbers of agent objects already sealed, by (subject, digest)."""
        found: dict[tuple[UUID, bytes], int] = {}
        with self._datastore.reading() as c:
            for subject, digest in wanted:
                c.execute("SELECT number FROM agent WHERE subject = ? AND digest = ?", (subject.bytes, digest))
                if row := c.fetchone():
                    found[subject, digest] = row[0]
        return found

    def newest_agents(self, subjects: Iterable[UUID]) -> dict[UUID, int]:
        """The number of each subject's newest agent object; an erased subject has none."""
        found: dict[UUID, int] = {}
        with self._datastore.reading() as c:
            for subject in subjects:
                c.execute("SELECT max(number) FROM agent WHERE subject = ?", (subject.bytes,))
                (number,) = c.fetchone()
                if number is not None:
                    found[subject] = number
        return found

    def versions(self, streams: Iterable[UUID]) -> dict[UUID, int]:
        """The latest version of each stream that exists."""
        found: dict[UUID, int] = {}
        with self._datastore.reading() as c:
            for stream in streams:
                c.execute("SELECT max(originator_version) FROM event WHERE originator_id = ?", (stream.bytes,))
                (version,) = c.fetchone()
                if version is not None:
                    found[stream] = version
        return found


def _blind(key: bytes) -> Any:
    def blind(kind: str, value: str) -> int:
        message = f"{kind}{value}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(message, digest_size=8, key=key).digest()
        return int.from_bytes(digest, "big", signed=True)

    return blind


def _head(c: Cursor) -> Head:
    c.execute("SELECT position, stored, erasure_sequence FROM head")
    return Head(*c.fetchone())


def _bounds(c: Cursor, selection: Selection) -> tuple[int, int]:
    """since and until as positions: exclusive below, inclusive above (xAPI 1.0.3 Communication 2.1.3)."""
    low = 0 if selection.since_us is None else _position_at(c, selection.since_us)
    high = 2**62 if selection.until_us is None else _position_at(c, selection.until_us)
    if selection.after is not None and selection.ascending:
        low = max(low, selection.after)
    elif selection.after is not None:
        high = min(high, selection.after - 1)
    return low, high


def _position_at(c: Cursor, stored_us: int) -> int:
    c.execute(
        "SELECT position FROM event WHERE stored <= ? ORDER BY stored DESC, position DESC LIMIT 1", (stored_us,)
    )
    row = c.fetchone()
    return row[0] if row else 0


def _query(selection: Selection, low: int, high: int) -> tuple[str, list[Any]]:
    order = "ASC" if selection.ascending else "DESC"
    limit = selection.limit + 1  # one more than the page tells whether there is another
    asked = " AND ".join(
        f"EXISTS (SELECT 1 FROM term x WHERE x.term IN ({_marks(group)}) AND x.position = s.position)"
        for group in selection.groups[1:]
    )
    tail = (
        f" AND s.position > ? AND s.position <= ?{' AND ' + asked if asked else ''}"
        " AND NOT EXISTS (SELECT 1 FROM voided v WHERE v.target = e.originator_id)"
        f" ORDER BY s.position {order} LIMIT ?"
    )
    values = [low, high, *(term for group in selection.groups[1:] for term in group), limit]
    if not selection.groups:
        sql = f"SELECT {_COLUMNS} FROM statement s CROSS JOIN event e WHERE e.position = s.position{tail}"
        return sql, values
    # CROSS JOIN keeps SQLite from choosing another driver than the term.
    branch = f"FROM term s CROSS JOIN event e WHERE s.term = ? AND e.position = s.position{tail}"
    driver = selection.groups[0]
    if len(driver) == 1:
        return f"SELECT {_COLUMNS} {branch}", [driver[0], *values]
    # Each branch is cut at the limit by itself; a statement under two of the terms is one statement.
    branches = " UNION ".join(f"SELECT position FROM (SELECT s.position {branch})" for _ in driver)
    sql = (
        f"SELECT {_COLUMNS} FROM (SELECT position FROM ({branches}) ORDER BY position {order} LIMIT ?) p"
        f" CROSS JOIN event e WHERE e.position = p.position ORDER BY e.position {order}"
    )
    return sql, [*(value for term in driver for value in (term, *values)), limit]


def _recorded(row: Any) -> Recorded:
    position, stored, stream, version, topic, state = row
    return Recorded(position, stored, StoredEvent(UUID(bytes=stream), version, topic, state))


def _stream(one: Recorded) -> UUID:
    stream = one.event.originator_id
    assert isinstance(stream, UUID)
    return stream


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _PARAMETERS_MAX] for start in range(0, len(values), _PARAMETERS_MAX))


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
