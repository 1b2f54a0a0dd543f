"""Stores to test the ports with: one backend a database, and the same promises for each.

What the service promises never to do is to change or delete an event. Every file that a test gets refuses that by
a trigger; on PostgreSQL the service's own role may not, and the tests work under it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from lrs.adapters.postgres.migrating import migrate_store
from lrs.adapters.postgres.stores import PostgresStores
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sql.store import SqlTenantStore
from lrs.adapters.sqlite.stores import SqliteStores, sqlite_control
from lrs.ports import ControlStore, IndexRow, TenantStore
from tests.places import STORES, postgres_rows, sqlite_rows
from tests.postgres import Databases

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
START_US = 1_795_338_000_000_000  # the same, as microseconds
TENANT = "acme"
TOPIC = "example/1"


class FakeClock:
    """A clock that stands still until it is told otherwise; it may also go back."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now

    def now(self) -> datetime:
        """The time that was set."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Move the time; back, when negative."""
        self.time += timedelta(seconds=seconds)


class Backend(Protocol):
    """A database with stores of tenants, and a look behind them."""

    address: str

    def open(self, tenant: str) -> TenantStore:
        """The tenant's store, made when missing."""
        ...

    def control(self) -> ControlStore:
        """The control store, made when missing."""
        ...

    def rows(self, tenant: str, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds in the tenant's tables, past the adapter."""
        ...

    def control_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds in the control store's tables, past the adapter."""
        ...

    def close(self) -> None:
        """Close all."""
        ...


class SqliteBackend:
    """Files in one folder."""

    def __init__(self, address: str, now: Callable[[], datetime]) -> None:
        self.address = address
        self._folder = Path(address)
        self._now = now
        self._stores = SqliteStores(self._folder / "tenants", now)
        self._control: SqlControl | None = None

    def open(self, tenant: str) -> TenantStore:
        """The tenant's store, made when missing."""
        self._stores.create(tenant)
        forbid_changes(self._file(tenant))
        return self._stores.open(tenant)

    def control(self) -> ControlStore:
        """The control store, made when missing."""
        if self._control is None:
            self._control = sqlite_control(self._folder / "control.db", self._now)
            forbid_changes(self._folder / "control.db")
        return self._control

    def rows(self, tenant: str, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds in the tenant's tables, past the adapter."""
        return sqlite_rows(self._file(tenant), sql, values)

    def control_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds in the control store's tables, past the adapter."""
        return sqlite_rows(self._folder / "control.db", sql)

    def _file(self, tenant: str) -> Path:
        return self._folder / "tenants" / f"{tenant}.db"

    def close(self) -> None:
        """Close all."""
        self._stores.close()
        if self._control is not None:
            self._control.close()


class PostgresBackend:
    """A database, migrated when it is first met; tests look behind it as its owner."""

    def __init__(self, address: str, now: Callable[[], datetime]) -> None:
        self.address = address
        migrate_store(address)
        self.stores = PostgresStores(address, address, 10, now)

    def open(self, tenant: str) -> TenantStore:
        """The tenant's store, made when missing."""
        self.stores.create(tenant)
        return self.stores.open(tenant)

    def control(self) -> ControlStore:
        """The control store."""
        return self.stores.control()

    def rows(self, tenant: str, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds in the tenant's tables, past the adapter."""
        return postgres_rows(self.address, f"tenant_{tenant}", sql, values)

    def control_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds in the control store's tables, past the adapter."""
        return postgres_rows(self.address, "lethe", sql)

    def close(self) -> None:
        """Close all."""
        self.stores.close()


def forbid_changes(path: Path) -> None:
    """From now on nobody changes or deletes an event in this file."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        for change in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER IF NOT EXISTS no_{change} BEFORE {change} ON event"
                f" BEGIN SELECT RAISE(ABORT, 'an event must never see {change}'); END"
            )


BACKENDS: dict[str, Callable[[str, Callable[[], datetime]], Backend]] = {
    "sqlite": SqliteBackend,
    "postgres": PostgresBackend,
    "citus": PostgresBackend,  # with a schema a tenant, which Citus can place on any node
}
CITUS_VARIABLE = "LRS_TEST_CITUS_DSN"
# For a test that is about one of them.
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("backend", ["postgres"], indirect=True)


def address_of(kind: str, folder: Path, databases: Callable[[], Databases]) -> str:
    """An empty place of this kind."""
    if kind == "citus":
        return citus_database(os.environ[CITUS_VARIABLE])
    return str(folder) if kind == "sqlite" else databases().create()


def citus_database(coordinator: str) -> str:
    """The coordinator's own database, emptied, in which every new schema becomes a shard: Citus is made for each
    database by itself, on every node."""
    with psycopg.connect(coordinator, autocommit=True) as connection:
        found = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(lethe|tenant_)'"
        ).fetchall()
        for (schema,) in found:
            connection.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
    options = "-c citus.enable_schema_based_sharding=on"
    return psycopg.conninfo.make_conninfo(coordinator, options=options)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still at START."""
    return FakeClock()


ON_CITUS = [pytest.param("citus", marks=pytest.mark.citus)] if CITUS_VARIABLE in os.environ else []


@pytest.fixture(params=[*STORES, *ON_CITUS])
def backend(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Backend]:
    """An empty database of each kind."""
    address = address_of(request.param, tmp_path, lambda: request.getfixturevalue("databases"))
    made = BACKENDS[request.param](address, clock.now)
    yield made
    made.close()


@pytest.fixture
def store_factory(backend: Backend) -> Callable[[str], TenantStore]:
    """Stores by their tenant's name."""
    return backend.open


@pytest.fixture
def store(store_factory: Callable[[str], TenantStore]) -> TenantStore:
    """The store of one tenant."""
    return store_factory(TENANT)


@pytest.fixture
def control(backend: Backend) -> ControlStore:
    """The control store."""
    return backend.control()


# --- small valid examples ------------------------------------------------------------------------------------


def an_event(stream: UUID | None = None, version: int = 1, state: bytes = b"state") -> StoredEvent:
    """An event of a stream of its own."""
    return StoredEvent(stream or uuid4(), version, TOPIC, state)


def append(
    store: TenantStore,
    *rows: Iterable[int] | IndexRow,
    voids: UUID | None = None,
    stream: UUID | None = None,
) -> list[StoredEvent]:
    """Statements, each with these people and other activities as terms, stored in one transaction."""
    index = [row if isinstance(row, IndexRow) else IndexRow(tuple(row), 1, voids) for row in rows]
    events = [an_event(stream) for _ in index]
    store.recorder.insert_events(events, index=index)
    return events


def streams(events: Iterable[StoredEvent]) -> list[UUID]:
    """The streams of events, as the UUIDs that they are."""
    return [one.originator_id for one in events if isinstance(one.originator_id, UUID)]


def is_live(store: TenantStore, statement: UUID) -> bool:
    """Whether a statement is in the index."""
    return store.statements.live(statement) is not None


def voided(store: TenantStore, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these are voided, known to the store or not."""
    assert isinstance(store, SqlTenantStore)
    with store._database.read() as connection:
        rows = connection.execute("SELECT target FROM voided WHERE target IS NOT NULL").fetchall()
    return {UUID(bytes=row[0]) for row in rows}.intersection(ids)
