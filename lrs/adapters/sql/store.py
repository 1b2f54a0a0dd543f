"""One tenant's store: the log and everything read beside it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from lrs.adapters.sql.database import Connection, Database, RowWriter, marks, parts
from lrs.adapters.sql.documents import SqlDocuments, delete_documents, insert_documents
from lrs.adapters.sql.expiry import SqlExpiry
from lrs.adapters.sql.filling import SqlFilling
from lrs.adapters.sql.index import delete_terms, insert_agents, insert_blobs, insert_index
from lrs.adapters.sql.logs import SqlLog
from lrs.adapters.sql.recorder import EventRecorder
from lrs.adapters.sql.references import forget_targets
from lrs.adapters.sql.requests import SqlRequests, insert_requests
from lrs.adapters.sql.statements import StatementIndex, blind_of
from lrs.adapters.sql.terms import unpack_terms
from lrs.adapters.sql.tree import SqlTree
from lrs.adapters.sql.views import SqlViews
from lrs.domain.filters import OF_SUBJECT, OWNER
from lrs.ports import Purged, Reads

_OF_SUBJECT = ("agent", "view_row", "package", "document")


class SqlTenantStore:
    """All of one tenant."""

    def __init__(
        self, tenant: str, database: Database, now: Callable[[], datetime], reads: Database | None = None
    ) -> None:
        self.tenant = tenant
        self._database = database
        rows: dict[str, RowWriter] = {
            "agents": insert_agents,
            "requests": insert_requests,
            "documents": insert_documents,
            "documents_gone": delete_documents,
            "blobs": insert_blobs,
        }
        self.recorder = EventRecorder(database, now, rows, insert_index)
        self.log = SqlLog(database)
        # Of the primary, also for a stand-by: it may not have heard of this tenant yet, or only of one before it.
        blind = blind_of(database)
        self.statements = StatementIndex(database, blind)
        self.documents = SqlDocuments(database)
        self.views = SqlViews(database)
        self.tree = SqlTree(database)
        self.requests = SqlRequests(database)
        self.filling = SqlFilling(database)
        self.expiry = SqlExpiry(database)
        self.reads = Reads(self.statements, self.views)
        if reads is not None:
            self.reads = Reads(StatementIndex(reads, blind), SqlViews(reads))

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

    def confirm(self) -> None:
        """What was read before is as safe as a commit that was acknowledged, on a stand-by too: a commit whose
        wait for the stand-by was cut short can be read all the same, and this one waits for both."""
        with self._database.write() as c:
            # The lock of a row is a change that has to be waited for; a transaction without any is not.
            c.execute(f"SELECT position FROM head{self._database.for_update}").fetchone()

    def purge(self, subject: UUID, sequence: int) -> Purged:
        """Remove everything about a subject outside the log, leave a tombstone, note the fence's sequence in
        the head so that an append resolved earlier rolls back; idempotent."""
        with self._database.write() as c:
            # The gate keeps projectors out, the head appends: none of them is between us and our commit.
            c.execute(f"SELECT one FROM gate{self._database.for_update}").fetchone()
            c.execute(
                "UPDATE head SET"
                " erasure_sequence = CASE WHEN erasure_sequence < ? THEN ? ELSE erasure_sequence END",
                (sequence, sequence),
            )
            c.execute(
                "INSERT INTO tombstone VALUES (?,?) ON CONFLICT (subject) DO NOTHING", (subject.bytes, sequence)
            )
            removed = dict(zip(("statement", "blob"), self._purge_statements(c, subject), strict=True))
            for table in _OF_SUBJECT:
                removed[table] = c.execute(f"DELETE FROM {table} WHERE subject = ?", (subject.bytes,)).rowcount
            removed["term"] = self._purge_terms(c, subject)
            left = self._left(c, subject)
        self._database.checkpoint()
        return Purged(removed, left)

    def _purge_statements(self, c: Connection, subject: UUID) -> tuple[int, int]:
        """Statements leave the index when the last owner of their body goes, and nothing names their blobs any
        more. How many statements, how many blobs."""
        owned = self.statements.term(OWNER, subject.hex)
        rows = c.execute(
            "UPDATE statement SET owners = owners - 1, owner = CASE WHEN owner = ? THEN NULL ELSE owner END"
            " WHERE position IN (SELECT position FROM term WHERE term = ?"
            " UNION ALL SELECT position FROM statement WHERE owner = ?) RETURNING position, owners, terms",
            (owned, owned, owned),
        ).fetchall()
        gone = [(row[0], unpack_terms(row[2])) for row in rows if row[1] <= 0]
        delete_terms(c, ((term, position) for position, terms in gone for term in terms))
        positions = [position for position, _ in gone]
        for part in parts(positions):
            c.execute(f"DELETE FROM statement WHERE position IN ({marks(part)})", part)
        forget_targets(c, positions)
        blobs = 0
        for part in parts(positions):
            blobs += c.execute(
                "DELETE FROM blob WHERE statement IN"
                f" (SELECT originator_id FROM event WHERE position IN ({marks(part)}))",
                part,
            ).rowcount
        return len(gone), blobs

    def _purge_terms(self, c: Connection, subject: UUID) -> int:
        terms: Sequence[Any] = [(self.statements.term(kind, subject.hex),) for kind in OF_SUBJECT]
        for term in terms:
            c.execute("DELETE FROM inherited WHERE term = ?", term)
        return sum(c.execute("DELETE FROM term WHERE term = ?", term).rowcount for term in terms)

    def _left(self, c: Connection, subject: UUID) -> dict[str, int]:
        """Counted after the deletions, by the same names: the erasure's own check."""
        left = {}
        for table in _OF_SUBJECT:
            sql = f"SELECT count(*) FROM {table} WHERE subject = ?"
            left[table] = int(c.execute(sql, (subject.bytes,)).fetchone()[0])
        owned = (self.statements.term(OWNER, subject.hex),)
        counted = c.execute("SELECT count(*) FROM statement WHERE owner = ?", owned)
        left["statement"] = int(counted.fetchone()[0])
        terms = [self.statements.term(kind, subject.hex) for kind in OF_SUBJECT]
        for table in ("term", "inherited"):
            counted = c.execute(f"SELECT count(*) FROM {table} WHERE term IN ({marks(terms)})", terms)
            left[table] = int(counted.fetchone()[0])
        return left
