"""The embedded store: a file a tenant in one folder, and the control store's file."""

import secrets
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sql.schema import CONTROL, TENANT, VERSION
from lrs.adapters.sql.statements import TERM_KEY_BYTES
from lrs.adapters.sql.store import SqlTenantStore
from lrs.adapters.sqlite.database import Database
from lrs.domain.errors import StoreUnavailable
from lrs.ports import Inspected


class SqliteStores:
    """The tenants' files in one folder, each opened once a process."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now
        self._open: dict[str, tuple[int, SqlTenantStore]] = {}  # by tenant: the file's inode, the store
        self._lock = threading.Lock()

    def _path(self, tenant: str) -> Path:
        return self._folder / f"{tenant}.db"

    def create(self, tenant: str) -> None:
        """Make the place for a tenant's records; again: nothing."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path(tenant).touch(mode=0o600)
        self.open(tenant)

    def open(self, tenant: str) -> SqlTenantStore:
        """A tenant's store. StoreUnavailable when it is not there."""
        try:
            inode = self._path(tenant).stat().st_ino
        except FileNotFoundError:
            raise StoreUnavailable("this tenant's store is missing") from None
        found = self._open.get(tenant)
        if found is not None and found[0] == inode:
            return found[1]
        with self._lock:
            found = self._open.get(tenant)
            if found is None or found[0] != inode:
                # Another process may have let the tenant go and taken one of the same name on.
                database = Database(self._path(tenant))
                prepare(database, TENANT, secrets.token_bytes(TERM_KEY_BYTES))
                found = self._open[tenant] = (inode, SqlTenantStore(tenant, database, self._now))
            return found[1]

    def inspect(self, tenants: Sequence[str]) -> Inspected:  # noqa: ARG002  (a file knows no roles)
        """Nothing: who may write to a file may write all of it."""
        return Inspected()

    def forget(self) -> None:
        """Nothing: a file that was made anew is known by its inode."""

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


def sqlite_control(path: Path, now: Callable[[], datetime]) -> SqlControl:
    """The control store in a file, made when missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    database = Database(path)
    prepare(database, CONTROL)
    return SqlControl(database, now)


def prepare(database: Database, tables: Sequence[str], term_key: bytes | None = None) -> None:
    """Make the tables in an empty file. StoreUnavailable for a file of another version than this release's."""
    found = database.version()
    if found == 0:
        with database.write() as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found == 0:  # nobody was faster
                for sql in tables:
                    connection.execute(sql)
                if term_key is not None:
                    connection.execute("INSERT INTO setting VALUES ('term-key', ?)", (term_key,))
                connection.execute(f"PRAGMA user_version = {VERSION}")
                return
    if found != VERSION:
        raise StoreUnavailable(f"this store has tables of version {found}, this release needs {VERSION}")
