"""The control store's fence, read for every request: on a connection of its own and without a transaction.

A transaction on a pooled connection takes 60 us, this 5. Each SELECT is a snapshot of its own, so it sees whatever
any process has committed before.
"""

import sqlite3
import threading
from pathlib import Path

from eventsourcing.persistence import OperationalError

# Readers of a write-ahead log wait for nobody, but while it is recovered after a crash or removed by the last to
# leave. The event loop does not stand still for longer.
_WAIT_SECONDS_MAX = 1.0


class Fence:
    """Reads the fence of one file."""

    def __init__(self, path: Path) -> None:
        self._uri = path.absolute().as_uri() + "?mode=rw"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def read(self) -> int:
        """Where it stands. OperationalError when the file can not be read."""
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = self._connect()
                # To the end of its rows: a SELECT that was left half-way would hold on to its snapshot.
                return int(self._connection.execute("SELECT sequence FROM fence").fetchall()[0][0])
        except sqlite3.Error as error:
            raise OperationalError(type(error).__name__) from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._uri, uri=True, isolation_level=None, timeout=_WAIT_SECONDS_MAX, check_same_thread=False
        )

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
