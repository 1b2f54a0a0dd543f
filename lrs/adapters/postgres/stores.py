"""The store on PostgreSQL: a schema a tenant and one for the control store, over one pool."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg
from eventsourcing.persistence import OperationalError, PersistenceError

from lrs.adapters.postgres.database import Connection, Database
from lrs.adapters.postgres.migrating import create_tenant, drop_tenant
from lrs.adapters.postgres.pool import MIGRATE, Pool, open_pool, open_replica_pool, store_error
from lrs.adapters.postgres.replica import Replicated
from lrs.adapters.postgres.schema import CONTROL_SCHEMA, SERVICE, VERSION, schema_of
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sql.statements import TERM_KEY_BYTES
from lrs.adapters.sql.store import SqlTenantStore
from lrs.domain.errors import StoreNotMigrated
from lrs.ports import Inspected


class TenantDatabase(Database):
    """A tenant's schema on the server of this moment. A stand-by that took its place may lack what was committed
    last, in the vault too: what was worked out before must not be written there, so it is refused and worked out
    afresh, on a store that is opened again."""

    def __init__(self, pool: Pool, schema: str, error: Callable[[psycopg.Error], Exception]) -> None:
        self._servers = pool.servers
        super().__init__(pool, schema, error)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. OperationalError on another server."""
        with super().write() as connection:
            if self.pool.servers != self._servers:
                raise OperationalError("the store is on another server now")
            yield connection


class PostgresStores:
    """The tenants' schemas, each opened once a process."""

    def __init__(
        self,
        url: str,
        owner_url: str,
        connections: int,
        now: Callable[[], datetime],
        replica_url: str | None = None,
    ) -> None:
        self._owner_url = owner_url
        self._now = now
        self.pool: Pool = open_pool(url, SERVICE, connections)
        self._replicas = open_replica_pool(replica_url, SERVICE, connections) if replica_url else None
        self._open: dict[str, SqlTenantStore] = {}
        self.pool.other_server = lambda _: self.forget()

    def create(self, tenant: str) -> None:
        """Make the place for a tenant's records; again: nothing."""
        create_tenant(self._owner_url, tenant, secrets.token_bytes(TERM_KEY_BYTES))
        self.open(tenant)

    def open(self, tenant: str) -> SqlTenantStore:
        """A tenant's store. StoreNotMigrated when it is not there, or not of this release's version."""
        opened = self._open
        found = opened.get(tenant)
        if found is None:
            # Without a lock: while the database is away, everybody would wait here for everybody else.
            database = TenantDatabase(self.pool, schema_of(tenant), store_error)
            check_version(database)
            store = SqlTenantStore(tenant, database, self._now, self._reads(tenant, database))
            # Into what was open when this began: if that was forgotten meanwhile, nobody looks there.
            found = opened.setdefault(tenant, store)
        return found

    def _reads(self, tenant: str, primary: Database) -> Replicated | None:
        if self._replicas is None:
            return None
        return Replicated(Database(self._replicas, schema_of(tenant), store_error), primary)

    def inspect(self, tenants: Sequence[str]) -> Inspected:
        """Who may do what there."""
        database = Database(self.pool, CONTROL_SCHEMA, store_error)
        with database.read() as connection:
            may: dict[str, tuple[str, ...]] = {
                user: tuple(one for one in tenants if _may_change(connection, user, one))
                for user in ("current_user", "session_user")
            }
            (archive_mode,) = connection.execute("SELECT current_setting('archive_mode')").fetchall()[0]
        return Inspected(may["current_user"], may["session_user"], archive_mode)

    def forget(self) -> None:
        """Tenants have changed: one of a known name may be another now, with a store of its own."""
        self._open = {}

    def remove(self, tenant: str) -> None:
        """Remove a deleted tenant's store."""
        self._open.pop(tenant, None)
        drop_tenant(self._owner_url, tenant)

    def control(self) -> SqlControl:
        """The control store, in its own schema. StoreNotMigrated where `lrs migrate` did not make it."""
        database = Database(self.pool, CONTROL_SCHEMA, store_error)
        check_version(database)
        return SqlControl(database, self._now)

    def close(self) -> None:
        """Close every connection."""
        self._open.clear()
        self.pool.close()
        if self._replicas is not None:
            self._replicas.close()


def _may_change(connection: Connection, user: str, tenant: str) -> bool:
    sql = f"SELECT has_table_privilege({user}, ?, 'UPDATE, DELETE, TRUNCATE')"
    return bool(connection.execute(sql, (f'"{schema_of(tenant)}".event',)).fetchall()[0][0])


def check_version(database: Database) -> None:
    """StoreNotMigrated unless the schema has this release's tables."""
    try:
        row = database.look("version", "migration")
    except PersistenceError as error:
        if isinstance(error.__cause__, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            raise StoreNotMigrated(MIGRATE) from error
        raise
    if row is None or row[0] != VERSION:
        raise StoreNotMigrated(MIGRATE)
