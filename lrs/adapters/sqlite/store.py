"""One tenant's file on SQLite: the log and everything read beside it; and the folder of all tenants' files."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.adapters.sqlite.recorder import EventRecorder, insert_agents, unpack_terms
from lrs.adapters.sqlite.requests import SqliteRequests, insert_requests
from lrs.adapters.sqlite.schema import INDEX, REQUESTS, VIEWS
from lrs.adapters.sqlite.statements import StatementIndex
from lrs.adapters.sqlite.views import SqliteViews
from lrs.domain.errors import StoreUnavailable
from lrs.domain.filters import OF_SUBJECT, OWNER
from lrs.ports import Purged

_OF_SUBJECT = ("agent", "view_row", "package")


class SqliteTenantStore:
    """All of one tenant."""

    def __init__(self, tenant: str, datastore: Datastore, now: Callable[[], datetime]) -> None:
        self.tenant = tenant
        self._datastore = datastore
        self.recorder = EventRecorder(datastore, now, {"agents": insert_agents, "requests": insert_requests})
        self.recorder.create_table()
        with datastore.writing() as c:
            for sql in (*INDEX, *VIEWS, *REQUESTS):
                c.execute(sql)
        self.statements = StatementIndex(datastore)
        self.views = SqliteViews(datastore, self.recorder)
        self.requests = SqliteRequests(datastore)

    def close(self) -> None:
        """Let go of connections."""
        self._datastore.close()

    def purge(self, subject: UUID, sequence: int) -> Purged:
        """Remove everything about a subject outside the log, leave a tombstone, note the fence's sequence in
        the head so that an append resolved earlier rolls back; idempotent."""
        with self._datastore.writing() as c:
            # The head row is the gate: no append and no projector is between us and our commit.
            c.execute("UPDATE head SET erasure_sequence = max(erasure_sequence, ?)", (sequence,))
            c.execute("INSERT OR IGNORE INTO tombstone VALUES (?,?)", (subject.bytes, sequence))
            removed = {"statement": self._purge_statements(c, subject)}
            for table in _OF_SUBJECT:
                c.execute(f"DELETE FROM {table} WHERE subject = ?", (subject.bytes,))
                removed[table] = c.rowcount
            removed["term"] = self._purge_terms(c, subject)
            left = self._left(c, subject)
        self._datastore.checkpoint()
        return Purged(removed, left)

    def _purge_statements(self, c: Cursor, subject: UUID) -> int:
        """Statements leave the index when the last owner of their body goes."""
        owned = self.statements.term(OWNER, subject.hex)
        c.execute(
            "UPDATE statement SET owners = owners - 1 WHERE position IN (SELECT position FROM term WHERE term = ?)"
            " RETURNING position, owners, terms",
            (owned,),
        )
        gone = [(row[0], unpack_terms(row[2])) for row in c.fetchall() if row[1] <= 0]
        c.executemany(
            "DELETE FROM term WHERE term = ? AND position = ?",
            [(term, position) for position, terms in gone for term in terms],
        )
        c.executemany("DELETE FROM statement WHERE position = ?", [(position,) for position, _ in gone])
        return len(gone)

    def _purge_terms(self, c: Cursor, subject: UUID) -> int:
        terms = [(self.statements.term(kind, subject.hex),) for kind in OF_SUBJECT]
        c.executemany("DELETE FROM term WHERE term = ?", terms)
        return int(c.rowcount)

    def _left(self, c: Cursor, subject: UUID) -> dict[str, int]:
        """Counted after the deletions, by the same names: the erasure's own check."""
        left = {}
        for table in _OF_SUBJECT:
            c.execute(f"SELECT count(*) FROM {table} WHERE subject = ?", (subject.bytes,))
            left[table] = int(c.fetchone()[0])
        terms = [self.statements.term(kind, subject.hex) for kind in OF_SUBJECT]
        c.execute("SELECT count(*) FROM term WHERE term IN (?,?,?,?)", terms)
        left["term"] = int(c.fetchone()[0])
        return left


class SqliteStores:
    """The tenants' files in one folder, each opened once a process."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now
        self._open: dict[str, tuple[int, SqliteTenantStore]] = {}  # by tenant: the file's inode, the store
        self._lock = threading.Lock()

    def _path(self, tenant: str) -> Path:
        return self._folder / f"{tenant}.db"

    def create(self, tenant: str) -> None:
        """Make the place for a tenant's records; again: nothing."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path(tenant).touch(mode=0o600)
        self.open(tenant)

    def open(self, tenant: str) -> SqliteTenantStore:
        """A tenant's store. StoreUnavailable when it is not there."""
        try:
            inode = self._path(tenant).stat().st_ino
        except FileNotFoundError:
            raise StoreUnavailable("this tenant's store is missing") from None
        with self._lock:
            found = self._open.get(tenant)
            if found is None or found[0] != inode:
                # Another process may have let the tenant go and taken one of the same name on.
                datastore = Datastore(self._path(tenant), must_exist=True)
                found = self._open[tenant] = (inode, SqliteTenantStore(tenant, datastore, self._now))
            return found[1]

    def remove(self, tenant: str) -> None:
        """Remove a deleted tenant's store."""
        with self._lock:
            if found := self._open.pop(tenant, None):
                found[1].close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path(tenant)}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close all that were opened."""
        with self._lock:
            for _, store in self._open.values():
                store.close()
            self._open.clear()
