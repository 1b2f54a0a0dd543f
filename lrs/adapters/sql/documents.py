"""The document index: where each document's newest version is, written with the version itself.

A row says which version it stands for; it is moved on only from the version before. Of two who change a document
at once one is refused (IntegrityError) with all that it did, looks again and decides again.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent

from lrs.adapters.sql.database import Connection, Database, Row, marks, parts
from lrs.domain.sealing import Sealed
from lrs.ports import DocumentGone, DocumentRow, StoredDocument

_COLUMNS = "d.place, d.scope, d.session, d.subject, d.stream, d.version, d.head, d.updated"
_EVENT = "e.originator_id, e.originator_version, e.topic, e.state"


class SqlDocuments:
    """One tenant's documents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, places: Sequence[bytes]) -> dict[bytes, DocumentRow]:
        """The rows of these documents as of now, those that there are."""
        if not places:
            return {}
        with self._database.read() as c:
            found = [
                _row(row)
                for part in parts(places)
                for row in c.execute(
                    f"SELECT {_COLUMNS} FROM document d WHERE d.place IN ({marks(part)})", part
                ).fetchall()
            ]
        return {row.place: row for row in found}

    def one(self, place: bytes) -> StoredDocument | None:
        """A document as of now."""
        sql = (
            f"SELECT {_COLUMNS}, {_EVENT} FROM document d LEFT JOIN event e"
            " ON e.originator_id = d.stream AND e.originator_version = d.version WHERE d.place = ?"
        )
        with self._database.read() as c:
            row = c.execute(sql, (place,)).fetchone()
        return _document(row) if row else None

    def listed(
        self,
        scope: bytes,
        session: bytes | None = None,
        *,
        since_us: int = -1,
        after: bytes = b"",
        limit: int = 500,
    ) -> list[DocumentRow]:
        """Documents of a scope, or of one session in it, that were stored later than then; by place."""
        of_session, values = ("", ()) if session is None else (" AND d.session = ?", (session,))
        sql = (
            f"SELECT {_COLUMNS} FROM document d WHERE d.scope = ? AND d.place > ? AND d.updated > ?{of_session}"
            " ORDER BY d.scope, d.place LIMIT ?"
        )
        with self._database.read() as c:
            return [_row(row) for row in c.execute(sql, (scope, after, since_us, *values, limit)).fetchall()]

    def of_owner(self, owner: UUID, *, after: bytes = b"", limit: int = 500) -> list[DocumentRow]:
        """A subject's documents, by place."""
        sql = (
            f"SELECT {_COLUMNS} FROM document d WHERE d.subject = ? AND d.place > ?"
            " ORDER BY d.subject, d.place LIMIT ?"
        )
        with self._database.read() as c:
            return [_row(row) for row in c.execute(sql, (owner.bytes, after, limit)).fetchall()]


def insert_documents(c: Connection, rows: Sequence[DocumentRow]) -> None:
    """The rows of documents that were stored, at the time of the events beside them. IntegrityError when a
    document is not at the version before."""
    _check(c, [(r.place, r.stream, r.version - 1) for r in rows if r.version > 1])
    # Of this very transaction: it has moved the head.
    (stored,) = c.execute("SELECT stored FROM head").fetchone()
    new, moved = [[_values(r, stored) for r in rows if (r.version > 1) is later] for later in (False, True)]
    c.executemany("INSERT INTO document VALUES (?,?,?,?,?,?,?,?)", new)
    c.executemany(
        "INSERT INTO document VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (place) DO UPDATE"
        " SET version = excluded.version, updated = excluded.updated, head = excluded.head",
        moved,
    )


def insert_document_rows(c: Connection, rows: Sequence[DocumentRow]) -> None:
    """The rows of documents at their newest versions, each with its own time of storing."""
    c.executemany("INSERT INTO document VALUES (?,?,?,?,?,?,?,?)", [_values(r, r.updated_us) for r in rows])


def _values(r: DocumentRow, stored: int) -> tuple[Any, ...]:
    return r.place, r.scope, r.session, r.owner.bytes, r.stream.bytes, r.version, stored, r.head.envelope


def delete_documents(c: Connection, rows: Sequence[DocumentGone]) -> None:
    """The rows of documents that were deleted. IntegrityError when one is not at the version before."""
    _check(c, [(r.place, r.stream, r.version - 1) for r in rows])
    for part in parts([r.place for r in rows]):
        c.execute(f"DELETE FROM document WHERE place IN ({marks(part)})", part)


def _check(c: Connection, expected: Sequence[tuple[bytes, UUID, int]]) -> None:
    """IntegrityError unless each place is at this version of this stream. What is seen stays so until the commit:
    whoever changes a row, an erasure too, holds the head."""
    there: set[tuple[bytes, UUID, int]] = set()
    for part in parts([place for place, _, _ in expected]):
        sql = f"SELECT place, stream, version FROM document WHERE place IN ({marks(part)})"
        there |= {(bytes(row[0]), UUID(bytes=row[1]), row[2]) for row in c.execute(sql, part).fetchall()}
    if not there.issuperset(expected):
        raise IntegrityError("the document was changed meanwhile")


def _row(row: Row) -> DocumentRow:
    place, scope, session, owner, stream, version, head, updated = row
    return DocumentRow(
        bytes(place),
        bytes(scope),
        bytes(session),
        UUID(bytes=owner),
        UUID(bytes=stream),
        version,
        Sealed(bytes(head)),
        updated,
    )


def _document(row: Row) -> StoredDocument:
    *found, stream, version, topic, state = row
    event: Any = None if stream is None else StoredEvent(UUID(bytes=stream), version, topic, state)
    return StoredDocument(_row(found), event)
