"""The floors of storage: what the disk and a raw SQLite file do with the same bytes, with nothing on top.

WAL and ``synchronous=FULL`` as the product has them. One writer, one table of rowid and bytes, no other index: a
floor may be lower than anything that must find its rows again, never higher.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from time import perf_counter

_PAGE_BYTES = 4_096
PAGE_ROWS = 100
_SCAN_ROWS = 1_000
_SELECT = "SELECT position, stored, originator_id, originator_version, topic, state FROM event"


def repeat(seconds: float, work: Callable[[], None]) -> list[float]:
    """How long each repetition took, until the time is over; at least one."""
    took: list[float] = []
    ends = perf_counter() + seconds
    while not took or perf_counter() < ends:
        began = perf_counter()
        work()
        took.append(perf_counter() - began)
    return took


def sync_seconds(folder: Path, seconds: float) -> list[float]:
    """Latencies of a 4 kB append with fsync: what a durable commit can not be faster than."""
    path = folder / "sync.bin"
    with path.open("wb", buffering=0) as file:

        def work() -> None:
            file.write(bytes(_PAGE_BYTES))
            os.fsync(file.fileno())

        took = repeat(seconds, work)
    path.unlink()
    return took


@contextmanager
def _raw(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / "raw.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE raw (position INTEGER PRIMARY KEY, state BLOB NOT NULL)")
        yield connection
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def insert_seconds(folder: Path, states: Sequence[bytes], batch: int, seconds: float) -> list[float]:
    """Latencies of durable transactions of ``batch`` rows each, by executemany; 1: a plain insert."""
    with _raw(folder) as connection:
        supply = cycle(states)

        def work() -> None:
            connection.execute("BEGIN IMMEDIATE")
            if batch == 1:
                connection.execute("INSERT INTO raw (state) VALUES (?)", (next(supply),))
            else:
                rows = [(next(supply),) for _ in range(batch)]
                connection.executemany("INSERT INTO raw (state) VALUES (?)", rows)
            connection.execute("COMMIT")

        return repeat(seconds, work)


class TenantFile:
    """A tenant's own SQLite file, read raw: the same rows that the product reads, without opening them."""

    def __init__(self, path: Path) -> None:
        self._uri = path.absolute().as_uri() + "?mode=ro"

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._uri, uri=True, isolation_level=None)) as connection:
            yield connection

    def states(self, limit: int) -> list[bytes]:
        """Bytes of statements as they are stored, some of them."""
        sql = "SELECT state FROM event WHERE topic = 'statement-recorded/1' LIMIT ?"
        with self._reading() as connection:
            return [row[0] for row in connection.execute(sql, (limit,))]

    def last(self) -> int:
        """The last position."""
        with self._reading() as connection:
            return int(connection.execute("SELECT max(position) FROM event").fetchone()[0])

    def stored_us(self, positions: Sequence[int]) -> list[int]:
        """``stored`` of the events at these positions."""
        sql = "SELECT stored FROM event WHERE position = ?"
        with self._reading() as connection:
            return [connection.execute(sql, (one,)).fetchone()[0] for one in positions]

    def commit_size(self, after: int) -> float:
        """Events a commit on average, after a position: a commit's events are stored at the same microsecond."""
        sql = "SELECT count(*), count(DISTINCT stored) FROM event WHERE position > ?"
        with self._reading() as connection:
            events, commits = connection.execute(sql, (after,)).fetchone()
        return float(events / commits)

    def page_seconds(self, times: int, rows: int = PAGE_ROWS) -> list[float]:
        """Latencies of raw SELECTs of consecutive rows by primary key, from random places."""
        random, top = Random(1), max(1, self.last() - rows)
        with self._reading() as connection:

            def work() -> None:
                sql = f"{_SELECT} WHERE position >= ? ORDER BY position LIMIT ?"
                connection.execute(sql, (random.randint(1, top), rows)).fetchall()

            return [took for _ in range(times) for took in repeat(0, work)]

    def scan_rate(self) -> float:
        """Events a second when all are read raw in order, a thousand at a time."""
        began, position, seen = perf_counter(), 0, 0
        with self._reading() as connection:
            sql = f"{_SELECT} WHERE position > ? ORDER BY position LIMIT ?"
            while rows := connection.execute(sql, (position, _SCAN_ROWS)).fetchall():
                position, seen = rows[-1][0], seen + len(rows)
        return seen / (perf_counter() - began)

    def table_bytes(self) -> dict[str, int]:
        """The size of every table and index, from dbstat; empty where SQLite was built without."""
        try:
            with self._reading() as connection:
                rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC")
                return dict(rows.fetchall())
        except sqlite3.OperationalError:
            return {}
