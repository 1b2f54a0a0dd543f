"""A connection a thread to one SQLite file, with the settings that durability and erasure need.

It must not know what is stored. Driver errors leave here as ``unavailable`` errors of the caller's choosing.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOCK_SECONDS_MAX = 30.0
CHECKPOINT_SECONDS_MAX = 1.0

# FULL: a commit is on the disk before it is acknowledged. secure_delete: freed pages are overwritten; that is
# hygiene (the guarantee is the destruction of keys). The cache is per connection, so it stays small.
PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-8192",
    "PRAGMA temp_store=MEMORY",
)
_WAL_PAUSE_SECONDS = 0.01


def configure(connection: sqlite3.Connection) -> None:
    """Give a new connection its settings."""
    _use_wal(connection)
    for pragma in PRAGMAS:
        connection.execute(pragma)


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


@dataclass(frozen=True, slots=True)
class _Held:
    """A thread's connection, and the lock under which it is used: closing it under a running statement would
    crash the process."""

    connection: sqlite3.Connection
    in_use: AbstractContextManager[object] = field(default_factory=threading.RLock)


class Database:
    """One SQLite file in WAL mode; safe to use from several threads and processes."""

    def __init__(self, path: Path, unavailable: Callable[[str], Exception]) -> None:
        self._path = path
        self._unavailable = unavailable
        self._local = threading.local()
        self._opened: list[_Held] = []
        self._lock = threading.Lock()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        held: _Held | None = getattr(self._local, "held", None)
        if held is None:
            held = _Held(self._connect())
            with self._lock:
                self._local.held = held
                self._opened.append(held)
        with held.in_use:
            yield held.connection

    def _connect(self) -> sqlite3.Connection:
        uri = self._path.absolute().as_uri() + "?mode=rw"  # never make a file where one is missing
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=LOCK_SECONDS_MAX, check_same_thread=False
        )
        try:
            configure(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One snapshot to read from."""
        with self._transaction("BEGIN", "ROLLBACK") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start; whole or not at all."""
        with self._transaction("BEGIN IMMEDIATE", "COMMIT") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str, end: str) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection() as connection:
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute(end)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._unavailable(type(error).__name__) from error

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as readers allow."""
        try:
            with self._connection() as connection:
                # It keeps writers out while it waits: one long reader (a backup) must not hold up everybody.
                connection.execute(f"PRAGMA busy_timeout={_milliseconds(CHECKPOINT_SECONDS_MAX)}")
                try:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    connection.execute(f"PRAGMA busy_timeout={_milliseconds(LOCK_SECONDS_MAX)}")
        except sqlite3.Error as error:
            raise self._unavailable(type(error).__name__) from error

    def close(self) -> None:
        """Close every thread's connection, each as soon as its transaction has ended."""
        with self._lock:
            opened, self._opened = self._opened, []
            self._local = threading.local()
        for held in opened:
            with held.in_use:
                held.connection.close()
