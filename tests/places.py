"""Where an installation of the tests' own is: a folder, and on PostgreSQL two databases beside it.

Settings name a place whole, so that whoever has them (another process, too) opens the same one; and looks behind
the adapters find their way by them.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from lrs.bootstrap import migrate
from lrs.config import Settings
from tests.postgres import Databases

STORES = ("sqlite", "postgres")
PUBLIC_URL = "https://lrs.example.org"
Rows = list[tuple[Any, ...]]


def embedded(data_dir: Path) -> Settings:
    """A place for the embedded store."""
    return Settings(data_dir=data_dir, public_url=PUBLIC_URL)


def on_postgres(data_dir: Path, databases: Databases) -> Settings:
    """A place on PostgreSQL, migrated."""
    settings = unmigrated(data_dir, databases)
    migrate(settings, lambda *_: None)
    return settings


def unmigrated(data_dir: Path, databases: Databases) -> Settings:
    """A place on PostgreSQL with two empty databases."""
    urls = {"database_url": databases.create(), "vault_url": databases.create()}
    return Settings.model_validate({"data_dir": data_dir, "public_url": PUBLIC_URL, "connections": 8} | urls)


def new_place(store: str, data_dir: Path, databases: Callable[[], Databases]) -> Settings:
    """A place of either kind; PostgreSQL is started by the first who needs it."""
    return embedded(data_dir) if store == "sqlite" else on_postgres(data_dir, databases())


def environment(settings: Settings) -> dict[str, str]:
    """What names the place to a command, but for how it is reached."""
    named = {
        "LRS_DATA_DIR": str(settings.data_dir),
        "LRS_DATABASE_URL": url_of(settings, "database_url"),
        "LRS_VAULT_URL": url_of(settings, "vault_url"),
        "LRS_OWNER_URL": url_of(settings, "owner_url"),
        "LRS_VAULT_OWNER_URL": url_of(settings, "vault_owner_url"),
    }
    return {name: value for name, value in named.items() if value}


def url_of(settings: Settings, name: str) -> str:
    """A URL among the settings; empty: none."""
    secret = getattr(settings, name)
    return secret.get_secret_value() if secret else ""


# --- past the adapters ---------------------------------------------------------------------------------------


def tenant_rows(settings: Settings, tenant: str, sql: str, values: Sequence[Any] = ()) -> Rows:
    """What a query finds in a tenant's tables."""
    if settings.database_url:
        return postgres_rows(url_of(settings, "database_url"), f"tenant_{tenant}", sql, values)
    return sqlite_rows(settings.data_dir / "tenants" / f"{tenant}.db", sql, values)


def tenant_changes(settings: Settings, tenant: str, changes: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Make these changes in a tenant's tables, as their owner, in one transaction."""
    if settings.database_url:
        with psycopg.connect(url_of(settings, "database_url")) as connection:
            connection.execute(f'SET search_path = "tenant_{tenant}"'.encode())
            for sql, values in changes:
                connection.execute(sql.replace("?", "%s").encode(), values or None)
        return
    path = settings.data_dir / "tenants" / f"{tenant}.db"
    with closing(sqlite3.connect(path, timeout=30)) as on_file, on_file:
        for sql, values in changes:
            on_file.execute(sql, values)


def control_rows(settings: Settings, sql: str, values: Sequence[Any] = ()) -> Rows:
    """What a query finds in the control store's tables."""
    if settings.database_url:
        return postgres_rows(url_of(settings, "database_url"), "lethe", sql, values)
    return sqlite_rows(settings.data_dir / "control.db", sql, values)


def vault_rows(settings: Settings, sql: str, values: Sequence[Any] = ()) -> Rows:
    """What a query finds in the vault's tables."""
    if settings.vault_url:
        return postgres_rows(url_of(settings, "vault_url"), "lethe_vault", sql, values)
    return sqlite_rows(settings.data_dir / "vault.db", sql, values)


def sqlite_rows(path: Path, sql: str, values: Sequence[Any] = ()) -> Rows:
    """What a query finds in a file; a change is made."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        return connection.execute(sql, values).fetchall()


def postgres_rows(url: str, schema: str, sql: str, values: Sequence[Any] = ()) -> Rows:
    """What a query, its parameters question marks, finds in a schema, in the owner's eyes; a change is made."""
    with psycopg.connect(url) as connection:
        connection.execute(f'SET search_path = "{schema}"')
        found = connection.execute(sql.replace("?", "%s").encode(), values or None, binary=True)
        return found.fetchall() if found.description else []
