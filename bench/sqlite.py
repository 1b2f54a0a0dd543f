"""The embedded store as a place, and a raw SQLite file as its floor: WAL and ``synchronous=FULL``, as the product
has them."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from bench.places import Ask, Bulk, Floor, Row, Tables
from bench.processes import files_bytes
from lrs.adapters.sql.schema import TENANT as TENANT_TABLES
from lrs.config import Settings, load_settings


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A data directory."""

    data_dir: Path
    store: str = "sqlite"
    store_pid: int | None = None

    def settings(self) -> Settings:
        """For a system in this process."""
        return load_settings(data_dir=self.data_dir)

    def environment(self) -> dict[str, str]:
        """For a service in another."""
        return {"LRS_DATA_DIR": str(self.data_dir)}

    @contextmanager
    def asking(self, tenant: str) -> Iterator[Ask]:
        """A tenant's own tables, to be read raw."""
        uri = (self.data_dir / "tenants" / f"{tenant}.db").absolute().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            yield lambda sql, values: connection.execute(sql, values).fetchall()

    @contextmanager
    def floor(self) -> Iterator[Floor]:
        """A new raw file on the same disk, gone afterwards."""
        path = self.data_dir.parent / "raw.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            for sql in ("CREATE TABLE raw (position INTEGER PRIMARY KEY, state BLOB NOT NULL)", *TENANT_TABLES):
                connection.execute(sql)
            yield SqliteFloor(connection)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)

    def settle(self) -> None:
        """Nothing: SQLite does no work later."""

    def disk_bytes(self) -> dict[str, int]:
        """Every file of the store and of the keys; of the tenants' files by table, where SQLite can tell."""
        keys = self.data_dir.with_name(self.data_dir.name + "-keys")
        sizes = {"everything": files_bytes(self.data_dir, keys)}
        for tenant in sorted((self.data_dir / "tenants").glob("*.db")):
            for name, size in self._by_table(tenant.stem):
                sizes[name] = sizes.get(name, 0) + size
        return sizes

    def _by_table(self, tenant: str) -> list[Row]:
        try:
            with self.asking(tenant) as ask:
                return ask("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC", ())
        except sqlite3.OperationalError:  # built without dbstat
            return []


class SqliteFloor:
    """One connection; every call is one commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._positions = count(1)
        self.bulk: Mapping[str, Bulk] = {"executemany": self._many}

    def one(self, state: bytes) -> None:
        """One row of rowid and bytes."""
        self._connection.execute("INSERT INTO raw VALUES (?,?)", (next(self._positions), state))

    def _many(self, states: Sequence[bytes]) -> None:
        self._write({"raw": [(next(self._positions), state) for state in states]})

    def rows(self, tables: Tables) -> None:
        """These rows into the product's own tables, with all their indexes."""
        self._write(tables, moved=len(tables["event"]))

    def _write(self, tables: Tables, moved: int = 0) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        if moved:
            execute("UPDATE head SET position = position + ?", (moved,))
        for name, rows in tables.items():
            if rows:
                self._connection.executemany(f"INSERT INTO {name} VALUES ({_marks(rows[0])})", rows)
        execute("COMMIT")


def _marks(row: Row) -> str:
    return ",".join("?" * len(row))


class SqliteBacking:
    """Folders; nothing has to run."""

    store = "sqlite"

    def __init__(self, folder: Path, *, sync: bool) -> None:  # noqa: ARG002  (the product always syncs)
        self._folder = folder / self.store

    def __enter__(self) -> "SqliteBacking":
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing runs."""

    def place(self, name: str) -> SqlitePlace:
        """The place of this name, made when missing."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return SqlitePlace(folder / "data")

    def drop(self, name: str) -> None:
        """Take it away."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
