"""One SQLite file with the settings that durability and erasure need.

It must not know what is stored. Driver errors leave here as errors of the caller's choosing.

- A writer takes the lock when its transaction begins. A transaction that begins as a reader can not be waited for
  later: SQLite answers "database is locked" at once when somebody wrote in between.
- Writers of this process queue here; between processes they try again and again, often, for SQLite's own way to
  wait (1, 2, 5, 10 ... ms) leaves the file idle for longer than a transaction takes.
- Connections that nobody uses are kept for the next. One is closed only while nobody uses it: the driver does not
  survive a close under a running statement.
"""

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventsourcing.persistence import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)

LOCK_SECONDS_MAX = 30.0
_AT_ONCE = 0.0
# A checkpoint is hygiene: it does not hold up writers for a reader that takes its time (a backup).
CHECKPOINT_SECONDS_MAX = 0.2

# FULL: a commit is on the disk before it is acknowledged. secure_delete: freed pages are overwritten; that is
# hygiene (the guarantee is the destruction of keys). cache_size: each connection has a cache of its own, there are
# dozens; 8 MB for each took 65 MB more and made a page of statements 3 % faster (measured).
# wal_autocheckpoint: 64 MB, for a checkpoint writes each page once that commits wrote many times (with the 4 MB of
# SQLite a tenth slower, measured).
PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=16384",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-1024",
    "PRAGMA temp_store=MEMORY",
)
_WAL_PAUSE_SECONDS = 0.01
_BEGIN_PAUSE_SECONDS = 0.0003
# The first that matches; what is not listed is a fault of the database.
_ERRORS: tuple[tuple[type[sqlite3.Error], type[PersistenceError]], ...] = (
    (sqlite3.IntegrityError, IntegrityError),
    (sqlite3.OperationalError, OperationalError),
    (sqlite3.InterfaceError, InterfaceError),
    (sqlite3.Error, DatabaseError),
)


# The driver gives its turn to other threads at every statement, and has to wait for it afterwards: so rows go in
# together, at most so many. Each number of rows is a statement of its own, prepared once and kept.
_ROWS_TOGETHER_MAX = 128
_STATEMENTS_KEPT = 512
_INSERT = re.compile(r"(INSERT INTO \w+ VALUES )(\(.*?\))( ON CONFLICT.*)?")


class Connection(sqlite3.Connection):
    """A connection that inserts many rows with few statements."""

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """The statement for every row; ``rowcount`` is of all."""
        insert = _INSERT.fullmatch(sql)
        if insert is None:
            return super().executemany(sql, rows)
        return self._insert(insert[1], insert[2], insert[3] or "", list(rows))

    def _insert(self, before: str, marks: str, after: str, rows: list[Sequence[Any]]) -> sqlite3.Cursor:
        cursor = super().executemany(f"{before}{marks}{after}", ())
        for start in range(0, len(rows), _ROWS_TOGETHER_MAX):
            together = rows[start : start + _ROWS_TOGETHER_MAX]
            values = [value for row in together for value in row]
            cursor.execute(f"{before}{','.join([marks] * len(together))}{after}", values)
        return cursor


def store_error(error: sqlite3.Error) -> Exception:
    """The library's error for a driver's. SQLite's messages name tables and columns, never values."""
    return next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))(str(error))


class Database:
    """One SQLite file in WAL mode; safe to use from several threads and processes."""

    # A writer is alone in the file: no row needs a lock of its own.
    for_update = ""
    for_share = ""
    holds = "instr({}, ?) > 0"
    # Readers of a write-ahead log wait for nobody; what they look at lies in shared memory.
    is_near = True

    def __init__(self, path: Path, error: Callable[[sqlite3.Error], Exception] = store_error) -> None:
        self._path = path
        self._error = error
        self._idle: dict[float, list[sqlite3.Connection]] = {LOCK_SECONDS_MAX: [], _AT_ONCE: []}
        self._generation = 0
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One snapshot to read from."""
        with self._borrowed() as connection:
            yield from self._transaction(connection, "BEGIN", "ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start; whole or not at all."""
        if not self._writer.acquire(timeout=LOCK_SECONDS_MAX):
            raise self._error(sqlite3.OperationalError("the store is too busy"))
        try:
            with self._borrowed(_AT_ONCE) as connection:
                yield from self._transaction(connection, "BEGIN IMMEDIATE", "COMMIT")
        finally:
            self._writer.release()

    @staticmethod
    def _transaction(connection: sqlite3.Connection, begin: str, end: str) -> Iterator[sqlite3.Connection]:
        _begin(connection, begin)
        try:
            yield connection
            connection.execute(end)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def look(self, columns: str, table: str) -> Any:
        """The one row of a table, read now by the shortest way."""
        with self._borrowed() as connection:
            # To the end of its rows: a SELECT that is left half-way holds on to its snapshot.
            rows = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            return rows[0] if rows else None

    def version(self) -> int:
        """Which version of tables the file says it has; 0: none yet."""
        with self._borrowed() as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as readers allow."""
        with self._borrowed() as connection:
            # It keeps writers out while it waits.
            connection.execute(f"PRAGMA busy_timeout={_milliseconds(CHECKPOINT_SECONDS_MAX)}")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute(f"PRAGMA busy_timeout={_milliseconds(LOCK_SECONDS_MAX)}")

    # --- connections -----------------------------------------------------------------------------------------

    @contextmanager
    def _borrowed(self, busy_seconds: float = LOCK_SECONDS_MAX) -> Iterator[sqlite3.Connection]:
        """A connection that waits for locks for so long."""
        generation, idle = self._generation, self._idle[busy_seconds]
        try:
            try:
                connection = idle.pop()
            except IndexError:
                connection = self._connect(busy_seconds)
            try:
                yield connection
            finally:
                if generation == self._generation:
                    idle.append(connection)
                else:
                    connection.close()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _connect(self, busy_seconds: float) -> sqlite3.Connection:
        uri = self._path.absolute().as_uri() + "?mode=rw"  # never make a file where one is missing
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=LOCK_SECONDS_MAX,
            check_same_thread=False,
            cached_statements=_STATEMENTS_KEPT,
            factory=Connection,
        )
        try:
            _use_wal(connection)
            for pragma in (*PRAGMAS, f"PRAGMA busy_timeout={_milliseconds(busy_seconds)}"):
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close every connection, those in use as soon as they are given back."""
        self._generation += 1
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


def _begin(connection: sqlite3.Connection, begin: str) -> None:
    # A writer of another process is at work for a millisecond or two.
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while True:
        try:
            connection.execute(begin)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BEGIN_PAUSE_SECONDS)
        else:
            return


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for other connections when it changes the journal mode: it fails at once. So several
    # processes that open a new file together take turns here.
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
