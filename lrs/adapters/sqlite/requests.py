"""The work list of data-subject requests and the sealed packages of exports, on SQLite."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.domain.instants import microseconds
from lrs.domain.sealing import Sealed
from lrs.ports import RequestRow


class SqliteRequests:
    """One tenant's requests."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def list(self, *, limit: int = 100, after: UUID | None = None) -> list[RequestRow]:
        """Requests, newest first."""
        with self._datastore.reading() as c:
            last = 2**62
            if after is not None:
                c.execute("SELECT rowid FROM request WHERE id = ?", (after.bytes,))
                row = c.fetchone()
                last = row[0] if row else 0
            c.execute(
                "SELECT id, kind, status, requested_at FROM request WHERE rowid < ? ORDER BY rowid DESC LIMIT ?",
                (last, limit),
            )
            return [
                RequestRow(UUID(bytes=row[0]), row[1], row[2], datetime.fromtimestamp(row[3] / 1e6, UTC))
                for row in c.fetchall()
            ]

    def claim(self, request: UUID | None, now: datetime, *, seconds: int) -> UUID | None:
        """An unfinished request that nobody works on (or this very one), claimed for that long; None: none."""
        until = microseconds(now + timedelta(seconds=seconds))
        with self._datastore.writing() as c:
            c.execute(
                "UPDATE request SET claimed_until = ? WHERE id = (SELECT id FROM request"
                " WHERE status IN ('open', 'running') AND claimed_until <= ? AND (? IS NULL OR id = ?)"
                " ORDER BY rowid LIMIT 1) RETURNING id",
                (until, microseconds(now), *([request.bytes if request else None] * 2)),
            )
            row = c.fetchone()
            return UUID(bytes=row[0]) if row else None

    def hold(self, request: UUID, until: datetime) -> None:
        """Keep a claimed request claimed until then; now: others may take it up."""
        with self._datastore.writing() as c:
            c.execute("UPDATE request SET claimed_until = ? WHERE id = ?", (microseconds(until), request.bytes))

    def put_part(self, request: UUID, subject: UUID, part: int, sealed: Sealed) -> None:
        """Keep one sealed part of a package."""
        with self._datastore.writing() as c:
            c.execute(
                "INSERT INTO package SELECT ?,?,?,? WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE subject = ?)",
                (request.bytes, part, subject.bytes, sealed.envelope, subject.bytes),
            )

    def parts(self, request: UUID) -> Iterator[tuple[UUID, int, Sealed]]:
        """The parts of a package in order: (subject, number, sealed)."""
        part = -1
        while True:
            with self._datastore.reading() as c:
                c.execute(
                    "SELECT subject, part, sealed FROM package WHERE request = ? AND part > ?"
                    " ORDER BY part LIMIT 1",
                    (request.bytes, part),
                )
                row = c.fetchone()
            if row is None:
                return
            part = row[1]
            yield UUID(bytes=row[0]), part, Sealed(row[2])

    def drop_package(self, request: UUID) -> None:
        """Remove what an interrupted export left."""
        with self._datastore.writing() as c:
            c.execute("DELETE FROM package WHERE request = ?", (request.bytes,))


def insert_requests(c: Cursor, rows: Sequence[RequestRow]) -> None:
    """The rows of the work list that go with requests' events, in the events' transaction."""
    c.executemany(
        "INSERT INTO request VALUES (?,?,?,?,0) ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        [(row.id.bytes, row.kind, row.status, microseconds(row.requested_at)) for row in rows],
    )
