"""The event log: the eventsourcing library's process recorder with our table and our order.

One append is one transaction:

1. The head row is moved first: whoever moves it is alone with it until the commit, so it gives out gapless
   positions in commit order, stamps ``stored`` (never before an earlier one), and says how far erasures have come.
2. An append that was resolved under an older fence than that rolls back (StaleFence).
3. Events, index rows and agent rows go in with plain inserts. The unique key (stream, version) refuses what
   is there already; the caller then decides. Nothing is ever updated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from lrs.adapters.sql.database import Connection, Database, Row, RowWriter, marks
from lrs.domain.instants import microseconds
from lrs.ports import StaleFence

_FIRST, _LAST = -1, 2**62


class EventRecorder(ProcessRecorder):
    """An append-only log with positions, ``stored`` times and rows beside it in the same transaction.

    ``insert_events`` takes, besides ``tracking``: ``index`` (one IndexRow or None an event),
    ``fence_sequence``, and rows of the kinds that ``rows`` knows how to write.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        rows: Mapping[str, RowWriter],
        index: Callable[[Connection, Sequence[int], Sequence[StoredEvent], Sequence[Any], int], None]
        | None = None,
    ) -> None:
        super().__init__()
        self._database = database
        self._now = now
        self._rows = rows
        self._index = index

    # --- appending -------------------------------------------------------------------------------------------

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """The positions of the events. IntegrityError, StaleFence."""
        with self._database.write() as c:
            positions: list[int] = []
            if stored_events:
                last, stored, linked = self._take_positions(c, len(stored_events), kwargs.get("fence_sequence"))
                positions = list(range(last - len(stored_events) + 1, last + 1))
                _insert_rows(c, positions, stored, stored_events)
                if self._index is not None and kwargs.get("index"):
                    self._index(c, positions, stored_events, kwargs["index"], linked)
            for kind, write in self._rows.items():
                if kwargs.get(kind):
                    write(c, kwargs[kind])
            if (tracking := kwargs.get("tracking")) is not None:
                _insert_tracking(c, tracking)
        return positions

    def _take_positions(self, c: Connection, count: int, fence_sequence: int | None) -> tuple[int, int, int]:
        now = microseconds(self._now())
        position, stored, erasure_sequence, linked = c.execute(
            "UPDATE head SET position = position + ?, stored = CASE WHEN stored < ? THEN ? ELSE stored + 1 END"
            " RETURNING position, stored, erasure_sequence, linked",
            (count, now, now),
        ).fetchone()
        if fence_sequence is not None and erasure_sequence > fence_sequence:
            raise StaleFence
        return position, stored, linked

    # --- reading ---------------------------------------------------------------------------------------------

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
            "SELECT originator_id, originator_version, topic, state FROM event WHERE originator_id = ?"
            " AND originator_version > ? AND originator_version <= ?"
            f" ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT ?"
        )
        bounds = (_FIRST if gt is None else gt, _LAST if lte is None else lte, _LAST if limit is None else limit)
        with self._database.read() as c:
            rows = c.execute(sql, (_key(originator_id), *bounds)).fetchall()
        return [StoredEvent(UUID(bytes=row[0]), *row[1:]) for row in rows]

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
        wanted = f" AND topic IN ({marks(topics)})" if topics else ""
        sql = (
            "SELECT originator_id, originator_version, topic, state, position FROM event"
            f" WHERE position >= ? AND position <= ?{wanted} ORDER BY position LIMIT ?"
        )
        with self._database.read() as c:
            rows = c.execute(sql, (first, _LAST if stop is None else stop, *topics, limit)).fetchall()
        return [_notification(row) for row in rows]

    def max_notification_id(self) -> int | None:
        """The last position."""
        with self._database.read() as c:
            return _number(c.execute("SELECT max(position) FROM event").fetchone())

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Not offered: the projections' runner reads the log itself."""
        raise NotImplementedError

    # --- tracking --------------------------------------------------------------------------------------------

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move tracking on. IntegrityError when it is there already."""
        with self._database.write() as c:
            _insert_tracking(c, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """How far an application was followed."""
        with self._database.read() as c:
            sql = "SELECT max(notification_id) FROM tracking WHERE application_name = ?"
            return _number(c.execute(sql, (application_name,)).fetchone())


def _insert_rows(
    c: Connection, positions: Sequence[int], stored: int, stored_events: Sequence[StoredEvent]
) -> None:
    c.executemany(
        "INSERT INTO event VALUES (?,?,?,?,?,?)",
        [
            (position, stored, one.originator_version, _key(one.originator_id), one.topic, one.state)
            for position, one in zip(positions, stored_events, strict=True)
        ],
    )


def _insert_tracking(c: Connection, tracking: Tracking) -> None:
    moved = c.execute(
        "INSERT INTO tracking VALUES (?,?) ON CONFLICT (application_name) DO UPDATE"
        " SET notification_id = excluded.notification_id"
        " WHERE tracking.notification_id < excluded.notification_id",
        (tracking.application_name, tracking.notification_id),
    )
    if moved.rowcount == 0:
        raise IntegrityError("tracking stands there already, or beyond")


def _notification(row: Row) -> Notification:
    stream, version, topic, state, position = row
    return Notification(UUID(bytes=stream), version, topic, state, id=position)


def _number(row: Row) -> int | None:
    return None if row[0] is None else int(row[0])


def _key(originator_id: UUID | str) -> bytes:
    return UUID(originator_id).bytes if isinstance(originator_id, str) else originator_id.bytes
