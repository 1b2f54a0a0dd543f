"""Where a store lies, as far as the benchmark has to know: how the service is told of it, how it is read and
written raw, and what it takes on the disk. ``bench.sqlite`` and ``bench.postgres`` are the two that there are.

Places are values: measurements that run in another process are given them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Protocol

from lrs.config import Settings

Row = tuple[Any, ...]
Tables = dict[str, list[Row]]
Ask = Callable[[str, Sequence[Any]], list[Row]]
Bulk = Callable[[Sequence[bytes]], None]

PAGE_ROWS = 100
_SCAN_ROWS = 1_000
_SELECT = "SELECT position, stored, originator_id, originator_version, topic, state FROM event"
_STATEMENT = "statement-recorded/1"


class Floor(Protocol):
    """A raw store with one writer and nothing on top. Each call is one durable transaction."""

    @property
    def bulk(self) -> Mapping[str, Bulk]:
        """The ways to insert many rows of rowid and bytes, by name."""
        ...

    def one(self, state: bytes) -> None:
        """One row of rowid and bytes."""
        ...

    def rows(self, tables: Tables) -> None:
        """These rows into the product's own tables, with all their indexes."""
        ...


class Place(Protocol):
    """One store of the product."""

    @property
    def store(self) -> str:
        """sqlite or postgres."""
        ...

    @property
    def data_dir(self) -> Path:
        """LRS_DATA_DIR."""
        ...

    @property
    def store_pid(self) -> int | None:
        """The process that stores, where that is not the service's own."""
        ...

    def settings(self) -> Settings:
        """For a system in this process."""
        ...

    def environment(self) -> dict[str, str]:
        """For a service in another."""
        ...

    def asking(self, tenant: str) -> AbstractContextManager[Ask]:
        """A tenant's own tables, to be read raw."""
        ...

    def floor(self) -> AbstractContextManager[Floor]:
        """A new raw store on the same disk, gone afterwards."""
        ...

    def settle(self) -> None:
        """What the store does by itself sooner or later, done now."""
        ...

    def disk_bytes(self) -> dict[str, int]:
        """Bytes on disk by table, all indexes, views, keys and the control store included. The service must be
        stopped."""
        ...


class Records:
    """A tenant's records, read raw: the same rows that the product reads, without opening them."""

    def __init__(self, place: Place, tenant: str) -> None:
        self._place = place
        self._tenant = tenant

    def _ask(self, sql: str, *values: Any) -> list[Row]:
        with self._place.asking(self._tenant) as ask:
            return ask(sql, values)

    def last(self) -> int:
        """The last position."""
        return int(self._ask("SELECT max(position) FROM event")[0][0] or 0)

    def stored_us(self, positions: Sequence[int]) -> list[int]:
        """``stored`` of the events at these positions."""
        with self._place.asking(self._tenant) as ask:
            return [ask("SELECT stored FROM event WHERE position = ?", (one,))[0][0] for one in positions]

    def commit_size(self, after: int) -> float:
        """Events a commit on average, after a position: a commit's events are stored at the same microsecond."""
        sql = "SELECT count(*), count(DISTINCT stored) FROM event WHERE position > ?"
        events, commits = self._ask(sql, after)[0]
        return float(events / commits)

    def voided(self, limit: int) -> list[Row]:
        """Ids of voided statements, some of them."""
        return self._ask("SELECT target FROM voided WHERE target IS NOT NULL LIMIT ?", limit)

    def written(self, after: int) -> Tables:
        """Every row that recording the statements after a position has written."""
        tables = {
            "event": self._ask(f"SELECT * FROM event WHERE position > ? AND topic = '{_STATEMENT}'", after),
            "statement": self._ask("SELECT * FROM statement WHERE position > ?", after),
            "term": self._ask("SELECT term, position FROM term WHERE position > ?", after),
        }
        ids = {bytes(row[3]) for row in tables["event"]}
        voided = [row for row in self._ask("SELECT voiding, target FROM voided") if bytes(row[0]) in ids]
        return tables | {"voided": voided}

    def page_seconds(self, times: int, rows: int = PAGE_ROWS) -> list[float]:
        """Latencies of raw SELECTs of consecutive rows by primary key, from random places."""
        random, top = Random(1), max(1, self.last() - rows)
        took = []
        with self._place.asking(self._tenant) as ask:
            for _ in range(times):
                first = random.randint(1, top)
                began = perf_counter()
                ask(f"{_SELECT} WHERE position >= ? ORDER BY position LIMIT ?", (first, rows))
                took.append(perf_counter() - began)
        return took

    def scan_rate(self) -> float:
        """Events a second when all are read raw in order, a thousand at a time."""
        began, position, seen = perf_counter(), 0, 0
        with self._place.asking(self._tenant) as ask:
            sql = f"{_SELECT} WHERE position > ? ORDER BY position LIMIT ?"
            while rows := ask(sql, (position, _SCAN_ROWS)):
                position, seen = rows[-1][0], seen + len(rows)
        return seen / (perf_counter() - began)


def in_batches(tables: Tables, size: int) -> Iterator[Tables]:
    """The rows of as many statements at a time, in the order of the log."""
    events = sorted(tables["event"])
    batch_of = {row[0]: number // size for number, row in enumerate(events)}
    by_id = {bytes(row[3]): batch_of[row[0]] for row in events}
    keys: dict[str, Callable[[Row], int | None]] = {
        "event": lambda row: batch_of[row[0]],
        "statement": lambda row: batch_of.get(row[0]),
        "term": lambda row: batch_of.get(row[1]),
        "voided": lambda row: by_id.get(bytes(row[0])),
    }
    batches: list[Tables] = [{name: [] for name in tables} for _ in range(-(-len(events) // size))]
    for name, rows in tables.items():
        for row in rows:
            batch = keys[name](row)
            if batch is not None:
                batches[batch][name].append(row)
    yield from batches
