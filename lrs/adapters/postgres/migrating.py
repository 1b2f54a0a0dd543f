"""Bringing a database's schemas to the version of this release: explicit, a transaction a schema, resumable.

1. The roles are made, where they are missing.
2. The control schema, then each tenant's schema, each in one transaction with the version that it ends at. What
   was done stays done: whoever is interrupted starts again and goes on where it stopped.
3. A schema is locked for a moment only; a lock that does not come in time is waited for again.

The service never does any of this. It goes on meanwhile with the schemas of its own version.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from lrs.adapters.postgres.pool import conninfo, store_error
from lrs.adapters.postgres.schema import (
    CONTROL,
    CONTROL_SCHEMA,
    SERVICE,
    TENANT,
    VAULT,
    VAULT_MIGRATIONS,
    VAULT_SCHEMA,
    Migrations,
    schema_of,
)
from lrs.domain.errors import StoreUnavailable

# Of the driver's own kind: what is done here may take its time.
Raw = psycopg.Connection[tuple[Any, ...]]
_LOCK_ATTEMPTS_MAX = 30
_LOCK_PAUSE_SECONDS = 1.0
_IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
# Two that begin at once: the slower one starts again and finds all made.
_MADE_MEANWHILE = (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateSchema, psycopg.errors.DuplicateTable)


@dataclass(frozen=True, slots=True)
class Migrated:
    """A schema with its version before and after; before is 0 for a new one."""

    schema: str
    before: int
    after: int


@contextmanager
def connected(url: str) -> Iterator[Raw]:
    """A connection as the owner of the tables."""
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute("SET lock_timeout = '2s'")
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailable(
            "the role of the database's URL may not make schemas and roles: give the owner's in LRS_OWNER_URL"
        ) from error
    except psycopg.Error as error:
        raise store_error(error) from error


def migrate_store(url: str, progress: Callable[[int, int], None] = lambda *_: None) -> list[Migrated]:
    """Every schema of the event store; ``progress`` hears (done, total) schemas. StoreUnavailable."""
    with connected(url) as connection:
        _make_role(connection, SERVICE)
        migrated = [_migrate(connection, CONTROL_SCHEMA, CONTROL, SERVICE)]
        names = [row[0] for row in connection.execute(f"SELECT name FROM {CONTROL_SCHEMA}.tenant ORDER BY name")]
        for done, name in enumerate(names):
            progress(done + 1, len(names) + 1)
            migrated.append(_migrate(connection, schema_of(name), TENANT, SERVICE))
    return migrated


def migrate_vault(url: str) -> Migrated:
    """The vault's schema. StoreUnavailable."""
    with connected(url) as connection:
        _make_role(connection, VAULT)
        return _migrate(connection, VAULT_SCHEMA, VAULT_MIGRATIONS, VAULT)


def create_tenant(url: str, tenant: str, term_key: bytes) -> None:
    """A tenant's schema, in this release's version; again: nothing. A migration may have made its tables before,
    for a restore that was cut off when the tenant had its row and no schema yet."""
    with connected(url) as connection:
        first = f"INSERT INTO setting VALUES ('term-key', '\\x{term_key.hex()}') ON CONFLICT DO NOTHING"
        _migrate(connection, schema_of(tenant), TENANT, SERVICE, first)


def drop_tenant(url: str, tenant: str) -> None:
    """A tenant's schema with all that is in it; again: nothing."""
    with connected(url) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema_of(tenant))))


def _make_role(connection: Raw, role: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # somebody was faster
            connection.execute(f"CREATE ROLE {role} NOLOGIN")
    connection.execute(f"GRANT {role} TO CURRENT_USER")


def _migrate(connection: Raw, schema: str, migrations: Migrations, role: str, *first: str) -> Migrated:
    for attempt in range(_LOCK_ATTEMPTS_MAX):
        try:
            return _migrate_once(connection, schema, migrations, role, first)
        except (*_IN_THE_WAY, *_MADE_MEANWHILE):
            if attempt + 1 == _LOCK_ATTEMPTS_MAX:
                raise
            time.sleep(_LOCK_PAUSE_SECONDS if attempt else 0)
    raise AssertionError("unreachable")


def _migrate_once(
    connection: Raw, schema: str, migrations: Migrations, role: str, first: Sequence[str]
) -> Migrated:
    name = sql.Identifier(schema)
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (one INT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL)"
        )
        row = connection.execute("SELECT version FROM migration FOR UPDATE").fetchone()
        before = row[0] if row else 0
        wanted = [version for version in sorted(migrations) if version > before]
        for version in wanted:
            for statement in migrations[version]:
                connection.execute(statement.encode())
        if before == 0:
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, sql.Identifier(role)))
        for statement in first:
            connection.execute(statement.encode())
        after = max(migrations)
        if wanted:
            connection.execute(
                "INSERT INTO migration VALUES (1, %s) ON CONFLICT (one) DO UPDATE SET version = excluded.version",
                (after,),
            )
    return Migrated(schema, before, max(before, after))
