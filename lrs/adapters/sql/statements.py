"""Finding statements: by blinded terms, in positions, with the index that we choose.

Which statements match is asked of the index alone (``selecting``); pages are cut on positions, so they are stable
while others write.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from lrs.adapters.sql.database import Database, Row, marks, parts
from lrs.adapters.sql.selecting import bounds, page_query
from lrs.domain.document_events import DocumentStored
from lrs.domain.events import BlobName
from lrs.domain.instants import microseconds
from lrs.ports import Head, Live, Recorded, Selected, Selection

TERM_KEY_BYTES = 32
_TERMS_CACHED = 65_536
# An idle head is moved on at most this often, so that Consistent-Through goes on without a write a read.
_IDLE_US = 1_000_000
_COLUMNS = "e.position, e.stored, e.originator_id, e.originator_version, e.topic, e.state"
_FOLLOWED = _COLUMNS.replace("e.state", f"CASE WHEN e.topic = '{DocumentStored.TOPIC}' THEN NULL ELSE e.state END")
_HEAD = "position, stored, erasure_sequence"


Blind = Callable[[str, str], int]  # (kind, value) to a term


class StatementIndex:
    """Reading one tenant's statements and other events."""

    def __init__(self, database: Database, term: Blind) -> None:
        self._database = database
        self._term = term

    def term(self, kind: str, value: str) -> int:
        """The blinded 64-bit term of a filter value; the same only within this tenant."""
        return self._term(kind, value)

    # --- the head --------------------------------------------------------------------------------------------

    def head(self, at: datetime | None = None) -> Head:
        """The head; with ``at``, an idle head is first advanced to that time (at most once a second). A
        stand-by answers what it sees, and will see later that the head was advanced."""
        head = Head(*self._database.look(_HEAD, "head"))
        if at is not None and microseconds(at) - head.stored_us > _IDLE_US:
            with self._database.write() as c:
                now = microseconds(at)
                c.execute("UPDATE head SET stored = ? WHERE stored < ?", (now, now))
            head = Head(*self._database.look(_HEAD, "head"))
        return head

    # --- selecting -------------------------------------------------------------------------------------------

    def select(self, selection: Selection) -> Selected:
        """A page of live, unvoided statements by position."""
        with self._database.read() as c:
            *head, linked = c.execute(f"SELECT {_HEAD}, linked FROM head").fetchone()
            low, high = bounds(c, selection)
            sql, values = page_query(_COLUMNS, selection, low, high, linked=bool(linked))
            rows = [_recorded(row) for row in c.execute(sql, values).fetchall()]
        return Selected(rows[: selection.limit], len(rows) > selection.limit, Head(*head))

    def by_ids(self, ids: Sequence[UUID]) -> dict[UUID, Recorded]:
        """First events of these streams, those that exist."""
        sql = f"SELECT {_COLUMNS} FROM event e WHERE originator_version = 1 AND originator_id IN ({{}})"
        return {one.stream: one for one in self._in_parts(sql, [one.bytes for one in ids])}

    def at(self, positions: Sequence[int]) -> list[Recorded]:
        """The events at these positions, ascending."""
        sql = f"SELECT {_COLUMNS} FROM event e WHERE position IN ({{}})"
        return sorted(self._in_parts(sql, list(set(positions))), key=lambda one: one.position)

    def _in_parts(self, sql: str, values: Sequence[Any]) -> list[Recorded]:
        with self._database.read() as c:
            return [
                _recorded(row)
                for part in parts(values)
                for row in c.execute(sql.format(marks(part)), part).fetchall()
            ]

    def read(self, after: int, limit: int) -> list[Recorded]:
        """Events in order after a position; those of documents without their state, which may be large and of
        which no view is made."""
        sql = f"SELECT {_FOLLOWED} FROM event e WHERE position > ? ORDER BY position LIMIT ?"
        with self._database.read() as c:
            return [_recorded(row) for row in c.execute(sql, (after, limit)).fetchall()]

    def live(self, statement: UUID) -> Live | None:
        """The statement of this id while it is in the index: an owner of it was not erased."""
        sql = (
            f"SELECT {_COLUMNS}, EXISTS (SELECT 1 FROM voided v WHERE v.target = e.originator_id)"
            " FROM event e JOIN statement s ON s.position = e.position"
            " WHERE e.originator_id = ? AND e.originator_version = 1"
        )
        with self._database.read() as c:
            row = c.execute(sql, (statement.bytes,)).fetchone()
        return Live(_recorded(row[:-1]), bool(row[-1])) if row else None

    def voided_between(self, after: int, upto: int) -> set[UUID]:
        """Which statements are voided of those after a position and up to another."""
        sql = (
            "SELECT v.target FROM event e CROSS JOIN voided v"
            " WHERE e.position > ? AND e.position <= ? AND v.target = e.originator_id"
        )
        with self._database.read() as c:
            return {UUID(bytes=row[0]) for row in c.execute(sql, (after, upto)).fetchall()}

    def named_blobs(self, names: Sequence[BlobName]) -> set[BlobName]:
        """Which of these blobs a live statement names."""
        with self._database.read() as c:
            return {
                BlobName(bytes(row[0]))
                for part in parts(names)
                for row in c.execute(f"SELECT name FROM blob WHERE name IN ({marks(part)})", part).fetchall()
            }

    def positions(self, term: int, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Positions that carry a person's term, or another activity's, ascending, voided ones too."""
        sql = (
            "SELECT position FROM term WHERE term = ? AND position > ?"
            " UNION ALL SELECT position FROM statement WHERE owner = ? AND position > ? ORDER BY position LIMIT ?"
        )
        with self._database.read() as c:
            return [row[0] for row in c.execute(sql, (term, after, term, after, limit)).fetchall()]

    # --- agents ----------------------------------------------------------------------------------------------

    def agents(self, wanted: Iterable[tuple[UUID, bytes]]) -> dict[tuple[UUID, bytes], int]:
        """The numbers of agent objects already sealed, by (subject, digest)."""
        asked = set(wanted)
        if not asked:
            return {}
        sql = "SELECT subject, digest, number FROM agent WHERE subject IN ({})"
        found = {(UUID(bytes=row[0]), row[1]): row[2] for row in self._of(sql, {one for one, _ in asked})}
        return {one: found[one] for one in asked if one in found}

    def newest_agents(self, subjects: Iterable[UUID]) -> dict[UUID, int]:
        """The number of each subject's newest agent object; an erased subject has none."""
        sql = "SELECT subject, max(number) FROM agent WHERE subject IN ({}) GROUP BY subject"
        return {UUID(bytes=row[0]): row[1] for row in self._of(sql, subjects)}

    def streams(self, ids: Iterable[UUID]) -> list[StoredEvent]:
        """Every event of these streams."""
        sql = "SELECT originator_id, originator_version, topic, state FROM event WHERE originator_id IN ({})"
        return [StoredEvent(UUID(bytes=row[0]), *row[1:]) for row in self._of(sql, ids)]

    def versions(self, streams: Iterable[UUID]) -> dict[UUID, int]:
        """The latest version of each stream that exists."""
        sql = (
            "SELECT originator_id, max(originator_version) FROM event"
            " WHERE originator_id IN ({}) GROUP BY originator_id"
        )
        return {UUID(bytes=row[0]): row[1] for row in self._of(sql, streams)}

    def _of(self, sql: str, ids: Iterable[UUID]) -> list[Row]:
        wanted = [one.bytes for one in set(ids)]
        if not wanted:
            return []
        with self._database.read() as c:
            return [row for part in parts(wanted) for row in c.execute(sql.format(marks(part)), part).fetchall()]


def blind_of(database: Database) -> Blind:
    """How this tenant's terms are blinded."""
    with database.read() as c:
        (key,) = c.execute("SELECT value FROM setting WHERE name = 'term-key'").fetchone()
    return functools.lru_cache(_TERMS_CACHED)(_blind(bytes(key)))


def _blind(key: bytes) -> Blind:
    def blind(kind: str, value: str) -> int:
        message = f"{kind}{value}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(message, digest_size=8, key=key).digest()
        return int.from_bytes(digest, "big", signed=True)

    return blind


def _recorded(row: Row) -> Recorded:
    position, stored, stream, version, topic, state = row
    return Recorded(position, stored, UUID(bytes=stream), version, topic, state or b"")
