"""The event log on SQLite: the eventsourcing library's process recorder with our table and our order.

One append is one transaction:

1. The head row is moved first: it takes the write lock, gives out gapless positions in commit order, stamps
   ``stored`` (never before an earlier one), and says how far erasures have come.
2. An append that was resolved under an older fence than that rolls back (StaleFence).
3. Events, index rows and agent rows go in with plain inserts. The unique key (stream, version) refuses what
   is there already; the caller then decides. Nothing is ever updated.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteProcessRecorder

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.adapters.sqlite.schema import EVENTS
from lrs.domain.instants import microseconds
from lrs.ports import AgentRow, IndexRow, StaleFence

RowWriter = Callable[[Any, Sequence[Any]], None]


class EventRecorder(SQLiteProcessRecorder):
    """An append-only log with positions, ``stored`` times and rows beside it in the same transaction.

    ``insert_events`` takes, besides ``tracking``: ``index`` (one IndexRow or None an event),
    ``fence_sequence``, and rows of the kinds that ``rows`` knows how to write.
    """

    def __init__(self, datastore: Datastore, now: Callable[[], datetime], rows: Mapping[str, RowWriter]) -> None:
        super().__init__(datastore, events_table_name="event")
        self._now = now
        self._rows = rows
        self.select_events_statement = (
            "SELECT originator_id, originator_version, topic, state FROM event WHERE originator_id=? "
        )
        self.select_max_notification_id_statement = "SELECT MAX(position) FROM event"

    def construct_create_table_statements(self) -> list[str]:
        """Ours for events, the library's for tracking."""
        tracking = [sql for sql in super().construct_create_table_statements() if " tracking " in sql]
        return [*EVENTS, *tracking]

    def create_table(self) -> None:
        """Make what is missing. The library looks first and then makes; two processes would both make."""
        with self.datastore.transaction(commit=True) as c:
            for sql in self.create_table_statements:
                c.execute(sql)
            # What the library notes so that it knows this table for one of single-row tracking.
            c.execute("INSERT OR IGNORE INTO tracking VALUES (?,1)", (self.table_migration_identifier,))

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        positions: list[int] | None = None
        if stored_events:
            last, stored = self._take_positions(c, len(stored_events), kwargs.get("fence_sequence"))
            positions = list(range(last - len(stored_events) + 1, last + 1))
            self._insert_rows(c, positions, stored, stored_events)
            insert_index(c, positions, stored_events, kwargs.get("index") or ())
        for kind, write in self._rows.items():
            write(c, kwargs.get(kind) or ())
        if (tracking := kwargs.get("tracking")) is not None:
            self._insert_tracking(c, tracking)
        return positions

    def _take_positions(self, c: SQLiteCursor, count: int, fence_sequence: int | None) -> tuple[int, int]:
        c.execute(
            "UPDATE head SET position = position + ?, stored = max(?, stored + 1)"
            " RETURNING position, stored, erasure_sequence",
            (count, microseconds(self._now())),
        )
        position, stored, erasure_sequence = c.fetchone()
        if fence_sequence is not None and erasure_sequence > fence_sequence:
            raise StaleFence
        return position, stored

    @staticmethod
    def _insert_rows(
        c: SQLiteCursor, positions: list[int], stored: int, stored_events: Sequence[StoredEvent]
    ) -> None:
        c.executemany(
            "INSERT INTO event VALUES (?,?,?,?,?,?)",
            [
                (position, stored, _key(one.originator_id), one.originator_version, one.topic, one.state)
                for position, one in zip(positions, stored_events, strict=True)
            ],
        )

    def track(self, c: Cursor, tracking: Tracking) -> None:
        """Move tracking within a transaction that writes something else."""
        self._insert_tracking(cast("SQLiteCursor", c), tracking)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Events of one stream."""
        sql = (
            f"{self.select_events_statement} AND originator_version > ? AND originator_version <= ?"
            f" ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT ?"
        )
        bounds = (-1 if gt is None else gt, 2**62 if lte is None else lte, -1 if limit is None else limit)
        with self.datastore.transaction(commit=False) as c:
            c.execute(sql, (_key(originator_id), *bounds))
            return [
                StoredEvent(_id(row["originator_id"]), row["originator_version"], row["topic"], row["state"])
                for row in c.fetchall()
            ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events in the order of the log, as the library's notifications."""
        first = 0 if start is None else start if inclusive_of_start else start + 1
        sql = "SELECT * FROM event WHERE position >= ? AND position <= ?"
        values: list[Any] = [first, 2**62 if stop is None else stop]
        if topics:
            sql += f" AND topic IN ({','.join('?' * len(topics))})"
            values += topics
        with self.datastore.transaction(commit=False) as c:
            c.execute(f"{sql} ORDER BY position LIMIT ?", (*values, limit))
            return [
                Notification(
                    originator_id=_id(row["originator_id"]),
                    originator_version=row["originator_version"],
                    topic=row["topic"],
                    state=row["state"],
                    id=row["position"],
                )
                for row in c.fetchall()
            ]


def _key(originator_id: UUID | str) -> bytes:
    return UUID(originator_id).bytes if isinstance(originator_id, str) else originator_id.bytes


def _id(key: bytes) -> UUID:
    return UUID(bytes=key)


def insert_index(
    c: SQLiteCursor,
    positions: Sequence[int],
    events: Sequence[StoredEvent],
    index: Sequence[IndexRow | None],
) -> None:
    """Index rows of statements and exchanges, and what voiding statements void."""
    if not index:
        return
    indexed = [(at, one, row) for at, one, row in zip(positions, events, index, strict=True) if row]
    c.executemany(
        "INSERT INTO statement VALUES (?,?,?)",
        [(at, row.owners, pack_terms(row.terms)) for at, _, row in indexed if row.owners],
    )
    c.executemany("INSERT INTO term VALUES (?,?)", [(term, at) for at, _, row in indexed for term in row.terms])
    for _, one, row in indexed:
        if row.voids is not None:
            _insert_voided(c, _key(one.originator_id), row.voids.bytes)


def _insert_voided(c: SQLiteCursor, voiding: bytes, target: bytes) -> None:
    # xAPI 1.0.3 Data 2.3.2: a voiding statement can not be voided, whichever of the two came first.
    c.execute("SELECT 1 FROM voided WHERE voiding = ?", (target,))
    voids_voiding = c.fetchone() is not None
    c.execute("INSERT INTO voided VALUES (?,?)", (voiding, None if voids_voiding else target))
    c.execute("UPDATE voided SET target = NULL WHERE target = ?", (voiding,))


def insert_agents(c: Cursor, agents: Sequence[AgentRow]) -> None:
    """Where exact agent objects are sealed."""
    c.executemany("INSERT INTO agent VALUES (?,?,?)", [(a.subject.bytes, a.digest, a.number) for a in agents])


def pack_terms(terms: Sequence[int]) -> bytes:
    """Terms as 8 bytes each."""
    return struct.pack(f">{len(terms)}q", *terms)


def unpack_terms(packed: bytes) -> tuple[int, ...]:
    """The terms again."""
    return struct.unpack(f">{len(packed) // 8}q", packed)
