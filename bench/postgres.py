"""PostgreSQL as a place: a server of the benchmark's own, with its data on the disk to measure and fsync on; and
raw psycopg on the same server as its floor. The server's settings are PostgreSQL's own but for the number of
connections (see ``tests.postgres``)."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.numeric import Int8BinaryDumper

from bench.places import Ask, Bulk, Floor, Row, Tables
from bench.processes import files_bytes
from lrs.adapters.postgres.migrating import create_tenant, drop_tenant, migrate_store, migrate_vault
from lrs.adapters.postgres.schema import schema_of
from lrs.config import Settings, load_settings
from tests.postgres import Server

_RAW = "raw"
Raw = psycopg.Connection[Row]


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """Two databases, and a folder for the keys."""

    data_dir: Path
    url: str
    vault_url: str
    store_pid: int | None
    store: str = "postgres"

    def settings(self) -> Settings:
        """For a system in this process."""
        return load_settings(data_dir=self.data_dir, database_url=self.url, vault_url=self.vault_url)

    def environment(self) -> dict[str, str]:
        """For a service in another."""
        return {
            "LRS_DATA_DIR": str(self.data_dir),
            "LRS_DATABASE_URL": self.url,
            "LRS_VAULT_URL": self.vault_url,
        }

    @contextmanager
    def asking(self, tenant: str) -> Iterator[Ask]:
        """A tenant's own tables, to be read raw."""
        with connected(self.url, schema_of(tenant)) as connection:
            # As the product does: what is read here is read by the index that is named.
            connection.execute("SET enable_seqscan = off; SET jit = off")
            yield lambda sql, values: _asked(connection, sql, values)

    @contextmanager
    def floor(self) -> Iterator[Floor]:
        """A new raw schema in the same database, gone afterwards."""
        create_tenant(self.url, _RAW, b"raw")
        try:
            with connected(self.url, schema_of(_RAW)) as connection:
                connection.execute("CREATE TABLE raw (position BIGINT PRIMARY KEY, state BYTEA NOT NULL)")
                connection.execute("ALTER TABLE raw ALTER COLUMN state SET STORAGE EXTERNAL")
                yield PostgresFloor(connection)
        finally:
            drop_tenant(self.url, _RAW)

    def settle(self) -> None:
        """VACUUM and ANALYZE, as autovacuum does within a minute, and a checkpoint."""
        with connected(self.url) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def disk_bytes(self) -> dict[str, int]:
        """Every table of both databases with its indexes and its TOAST, and the key files; not the server's own
        catalogues and not its write-ahead log."""
        keys = self.data_dir.with_name(self.data_dir.name + "-keys")
        sizes = {"everything": files_bytes(self.data_dir, keys)}
        for url in (self.url, self.vault_url):
            for name, size in self._by_table(url):
                sizes["everything"] += size
                sizes[name] = sizes.get(name, 0) + size
        return sizes

    @staticmethod
    def _by_table(url: str) -> list[Row]:
        with connected(url) as connection:
            return connection.execute(
                "SELECT relname, sum(pg_table_size(c.oid))::bigint FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relkind IN ('r', 'i') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
                " GROUP BY relname ORDER BY 2 DESC"
            ).fetchall()


@contextmanager
def connected(url: str, schema: str = "public") -> Iterator[Raw]:
    """A connection of psycopg's, in autocommit."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.adapters.register_dumper(int, Int8BinaryDumper)  # one type, so that statements stay prepared
        connection.execute(f'SET search_path = "{schema}"'.encode())
        yield connection


def _asked(connection: Raw, sql: str, values: Sequence[Any]) -> list[Row]:
    return connection.execute(sql.replace("?", "%s").encode(), values, prepare=True, binary=True).fetchall()


class PostgresFloor:
    """One connection; every call is one commit."""

    def __init__(self, connection: Raw) -> None:
        self._connection = connection
        self._positions = count(1)
        self._types: dict[str, list[int]] = {}
        self.bulk: Mapping[str, Bulk] = {"one INSERT": self._inserted, "COPY": self._copied}

    def one(self, state: bytes) -> None:
        """One row of rowid and bytes."""
        self._connection.execute("INSERT INTO raw VALUES (%s,%b)", (next(self._positions), state), prepare=True)

    def _inserted(self, states: Sequence[bytes]) -> None:
        rows = [(next(self._positions), state) for state in states]
        sql = "INSERT INTO raw VALUES " + ",".join(["(%s,%b)"] * len(rows))
        self._connection.execute(sql.encode(), [value for row in rows for value in row], prepare=True)

    def _copied(self, states: Sequence[bytes]) -> None:
        self._copy("raw", [(next(self._positions), state) for state in states])

    def rows(self, tables: Tables) -> None:
        """These rows into the product's own tables, with all their indexes."""
        with self._connection.transaction():
            self._connection.execute("UPDATE head SET position = position + %s", (len(tables["event"]),))
            for name, rows in tables.items():
                if rows:
                    self._copy(name, rows)

    def _copy(self, name: str, rows: Sequence[Row]) -> None:
        if name not in self._types:
            columns = self._connection.execute(f"SELECT * FROM {name} LIMIT 0".encode()).description or ()
            self._types[name] = [column.type_code for column in columns]
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {name} FROM STDIN (FORMAT BINARY)".encode()) as copy,
        ):
            copy.set_types(self._types[name])
            for row in rows:
                copy.write_row(row)


class PostgresBacking:
    """A server, started for as long as the context lasts; its data stays in the folder."""

    store = "postgres"

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self._folder = folder / self.store
        self._server = Server(sync=sync, data=self._folder / "cluster")

    def __enter__(self) -> "PostgresBacking":
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._server.data.exists():
            self._server.start()
        else:
            self._server.make()
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop it cleanly, so that the data can be used again, and take its log away."""
        self._server.stop()
        self._server.remove()

    def place(self, name: str) -> PostgresPlace:
        """The place of this name, made when missing."""
        url, vault_url = self._server.dsn_of(name), self._server.dsn_of(f"{name}_vault")
        data_dir = self._folder / name / "data"
        if not data_dir.exists():
            data_dir.mkdir(parents=True)
            for database in (name, f"{name}_vault"):
                self._execute(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
            migrate_store(url)
            migrate_vault(vault_url)
        return PostgresPlace(data_dir, url, vault_url, self._pid())

    def _pid(self) -> int:
        return int((self._server.data / "postmaster.pid").read_text().split()[0])

    def drop(self, name: str) -> None:
        """Take it away."""
        for database in (name, f"{name}_vault"):
            self._execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())
