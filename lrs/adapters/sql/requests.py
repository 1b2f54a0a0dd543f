"""The work list of data-subject requests and the sealed packages of exports."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from lrs.adapters.sql.database import Connection, Database
from lrs.domain.instants import microseconds
from lrs.domain.sealing import Sealed
from lrs.ports import RequestRow

_END = 2**62


class SqlRequests:
    """One tenant's requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, *, limit: int = 100, after: UUID | None = None) -> list[RequestRow]:
        """Requests, newest first."""
        with self._database.read() as c:
            last = (_END, b"")
            if after is not None:
                row = c.execute("SELECT requested_at, id FROM request WHERE id = ?", (after.bytes,)).fetchone()
                last = row or (-1, b"")
            rows = c.execute(
                "SELECT id, kind, status, requested_at FROM request WHERE (requested_at, id) < (?, ?)"
                " ORDER BY requested_at DESC, id DESC LIMIT ?",
                (*last, limit),
            ).fetchall()
        return [
            RequestRow(UUID(bytes=row[0]), row[1], row[2], datetime.fromtimestamp(row[3] / 1e6, UTC))
            for row in rows
        ]

    def claim(self, request: UUID | None, now: datetime, *, seconds: int) -> UUID | None:
        """An unfinished request that nobody works on (or this very one), claimed for that long; None: none."""
        this_one, values = ("", ()) if request is None else (" AND id = ?", (request.bytes,))
        now_us = microseconds(now)
        # What another worker is just claiming is passed over.
        locked = f"{self._database.for_update} SKIP LOCKED" if self._database.for_update else ""
        with self._database.write() as c:
            row = c.execute(
                "SELECT id FROM request WHERE status IN ('open', 'running') AND claimed_until <= ?"
                f"{this_one} ORDER BY requested_at, id LIMIT 1{locked}",
                (now_us, *values),
            ).fetchone()
            if row is None:
                return None
            until = microseconds(now + timedelta(seconds=seconds))
            # Who waited for the row finds it claimed by then.
            claimed = c.execute(
                "UPDATE request SET claimed_until = ? WHERE id = ? AND claimed_until <= ?",
                (until, row[0], now_us),
            ).rowcount
        return UUID(bytes=row[0]) if claimed else None

    def hold(self, request: UUID, until: datetime) -> None:
        """Keep a claimed request claimed until then; now: others may take it up."""
        with self._database.write() as c:
            c.execute("UPDATE request SET claimed_until = ? WHERE id = ?", (microseconds(until), request.bytes))

    def put_part(self, request: UUID, subject: UUID, part: int, sealed: Sealed) -> None:
        """Keep one sealed part of a package."""
        with self._database.write() as c:
            # The gate: no erasure goes on between the look and the writing.
            c.execute(f"SELECT one FROM gate{self._database.for_share}").fetchone()
            if c.execute("SELECT 1 FROM tombstone WHERE subject = ?", (subject.bytes,)).fetchone() is None:
                c.execute(
                    "INSERT INTO package VALUES (?,?,?,?)", (request.bytes, part, subject.bytes, sealed.envelope)
                )

    def parts(self, request: UUID) -> Iterator[tuple[UUID, int, Sealed]]:
        """The parts of a package in order: (subject, number, sealed)."""
        part = -1
        while True:
            with self._database.read() as c:
                row = c.execute(
                    "SELECT subject, part, sealed FROM package WHERE request = ? AND part > ?"
                    " ORDER BY part LIMIT 1",
                    (request.bytes, part),
                ).fetchone()
            if row is None:
                return
            part = row[1]
            yield UUID(bytes=row[0]), part, Sealed(row[2])

    def drop_package(self, request: UUID) -> None:
        """Remove what an interrupted export left."""
        with self._database.write() as c:
            c.execute("DELETE FROM package WHERE request = ?", (request.bytes,))


def insert_requests(c: Connection, rows: Sequence[RequestRow]) -> None:
    """The rows of the work list that go with requests' events, in the events' transaction."""
    c.executemany(
        "INSERT INTO request VALUES (?,?,?,?,0) ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        [(row.id.bytes, row.kind, row.status, microseconds(row.requested_at)) for row in rows],
    )
