"""The eventsourcing library's SQLite datastore with the settings that durability and erasure need.

Three things differ from the library's, each because several processes share the file:

- A writer takes the lock when its transaction begins. A transaction that begins as a reader can not be waited
  for later: SQLite answers "database is locked" at once when somebody wrote in between.
- Writers of this process queue here, not in the pool: the pool lets readers wait behind them, and never gives its
  writer lock back when a connection can not be made.
- Cursors are the driver's own; the library's wrapper has no ``rowcount`` and no ``fetchmany``.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from eventsourcing.persistence import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteCursor, SQLiteDatastore

from lrs.adapters.sqlite.database import LOCK_SECONDS_MAX, configure

Cursor = sqlite3.Cursor

# Readers are many and short; one writer at a time is SQLite's own rule.
_CONNECTIONS_MAX = 64
_CONNECTIONS_KEPT = 4
# A checkpoint is hygiene: it does not hold up writers for a reader that takes its time.
_CHECKPOINT_MILLISECONDS_MAX = 200
# A connection still at work after this long is left to the end of the process.
_CLOSE_SECONDS_MAX = 5.0
# The first that matches; what is not listed is a fault of the database.
_ERRORS: tuple[tuple[type[sqlite3.Error], type[PersistenceError]], ...] = (
    (sqlite3.IntegrityError, IntegrityError),
    (sqlite3.OperationalError, OperationalError),
    (sqlite3.InterfaceError, InterfaceError),
    (sqlite3.Error, DatabaseError),
)


@contextmanager
def _library_errors() -> Iterator[None]:
    """The driver's errors as the library's. SQLite's messages name tables and columns, never values."""
    try:
        yield
    except sqlite3.Error as error:
        raise next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))(str(error)) from error


class Connection(SQLiteConnection):
    """A connection whose writing transactions hold the write lock from their start.

    It is not closed under a transaction of another thread: the driver does not survive that.
    """

    def __init__(self, sqlite_conn: sqlite3.Connection, max_age: float | None) -> None:
        super().__init__(sqlite_conn, max_age)
        self._busy = threading.RLock()

    def _close(self) -> None:
        if self._busy.acquire(timeout=_CLOSE_SECONDS_MAX):
            try:
                super()._close()
            finally:
                self._busy.release()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """A transaction, whole or not at all; without ``commit`` one snapshot to read from."""
        with self._busy, _library_errors():
            cursor = self._sqlite_conn.cursor()
            cursor.execute("BEGIN IMMEDIATE" if commit else "BEGIN")
            try:
                yield cast("SQLiteCursor", cursor)
                if commit:
                    self.commit()
            finally:
                cursor.close()
                self.rollback()  # nothing, after a commit


class Pool(SQLiteConnectionPool):
    """Connections that sync on commit and overwrite what they free."""

    def _create_connection(self) -> SQLiteConnection:
        with _library_errors():
            connection = sqlite3.connect(
                self.db_name, uri=True, isolation_level=None, timeout=LOCK_SECONDS_MAX, check_same_thread=False
            )
            try:
                configure(connection)
            except sqlite3.Error:
                connection.close()
                raise
        connection.row_factory = sqlite3.Row
        return Connection(connection, max_age=self.max_age)


class Datastore(SQLiteDatastore):
    """One file. ``must_exist`` refuses to make one."""

    def __init__(self, path: Path | str, *, must_exist: bool = False) -> None:
        name = Path(path).absolute().as_uri() + ("?mode=rw" if must_exist else "")
        options: dict[str, Any] = {
            "pool_size": _CONNECTIONS_KEPT,
            "max_overflow": _CONNECTIONS_MAX - _CONNECTIONS_KEPT,
            "pool_timeout": LOCK_SECONDS_MAX,
        }
        super().__init__(name, **options)
        self.pool.close()
        self.pool = Pool(db_name=name, **options)
        self._writer = threading.Lock()

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        """A connection; with ``commit`` the only one of this process that writes."""
        if commit and not self._writer.acquire(timeout=LOCK_SECONDS_MAX):
            raise OperationalError("the store is too busy")
        try:
            connection = self.pool.get_connection()
            try:
                yield connection
            finally:
                self.pool.put_connection(connection)
        finally:
            if commit:
                self._writer.release()

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        """One snapshot to read from."""
        with self.transaction(commit=False) as cursor:
            yield cast("Cursor", cursor)

    @contextmanager
    def writing(self) -> Iterator[Cursor]:
        """One transaction that holds the write lock from its start; whole or not at all."""
        with self.transaction(commit=True) as cursor:
            yield cast("Cursor", cursor)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as readers allow."""
        with self.get_connection(commit=True) as connection, _library_errors():
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={_CHECKPOINT_MILLISECONDS_MAX}")
            try:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.fetchall()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={int(LOCK_SECONDS_MAX * 1000)}")
