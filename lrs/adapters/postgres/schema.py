"""The tables on PostgreSQL: those of SQLite in PostgreSQL's spelling, their versions, and who may do what.

The roles have no login of their own; the connections of the service and of the vault take them on, whoever they
log in as, and can then do this much and no more. NOBODY MAY UPDATE OR DELETE AN EVENT.
"""

from collections.abc import Mapping, Sequence

from lrs.adapters.sql import schema
from lrs.adapters.vault.schema import TABLES as VAULT_TABLES

SERVICE = "lethe_service"
VAULT = "lethe_vault"
CONTROL_SCHEMA = "lethe"
VAULT_SCHEMA = "lethe_vault"

# What PostgreSQL says otherwise. Text is compared byte by byte, as SQLite does; an index names the position that
# SQLite adds by itself.
_SPELLINGS = (
    (" WITHOUT ROWID", ""),
    ("INTEGER", "BIGINT"),
    ("BLOB", "BYTEA"),
    (" TEXT", ' TEXT COLLATE "C"'),
    ("statement (owner)", "statement (owner, position)"),
    ("statement (verb)", "statement (verb, position)"),
    ("statement (object)", "statement (object, position)"),
    ("statement (registration)", "statement (registration, position)"),
)
_ALL = "SELECT, INSERT, UPDATE, DELETE"
_READ_AND_INSERT = "SELECT, INSERT"
# By table; what is not named here may be changed and deleted.
_RIGHTS = {"event": _READ_AND_INSERT, "setting": "SELECT", "migration": "SELECT"}
# Entries only ever come at the end: of the index, or of the many that one term has. Room that is kept between them
# stays empty.
_FULL = "ALTER INDEX {} SET (fillfactor = 100)"
_SETTINGS = {
    # Ciphertext does not compress: do not try.
    "event": ("ALTER TABLE event ALTER COLUMN state SET STORAGE EXTERNAL", _FULL.format("event_pkey")),
    "statement": tuple(_FULL.format(f"statement_{name}") for name in ("pkey", "verb", "object")),
    "term": (_FULL.format("term_pkey"),),
    "tile": ("ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL",),  # nor do hashes
    # Single rows that change all the time: keep their versions on the page.
    "head": ("ALTER TABLE head SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0)",),
    "fence": ("ALTER TABLE fence SET (fillfactor = 10)",),
}


def spelled(sql: str) -> str:
    """A statement of SQLite's as PostgreSQL spells it."""
    for theirs, ours in _SPELLINGS:
        sql = sql.replace(theirs, ours)
    return sql


def _version_1(tables: Sequence[str], role: str) -> tuple[str, ...]:
    made = [spelled(sql) for sql in tables]
    names = [sql.split()[2] for sql in tables if sql.startswith("CREATE TABLE")]
    settings = [sql for name in names for sql in _SETTINGS.get(name, ())]
    granted = [f"GRANT {_RIGHTS.get(name, _ALL)} ON {name} TO {role}" for name in (*names, "migration")]
    return (*made, *settings, *granted)


# By version, from what the one before left. ONCE RELEASED, A VERSION IS NEVER CHANGED.
Migrations = Mapping[int, Sequence[str]]
TENANT: Migrations = {1: _version_1(schema.TENANT, SERVICE)}
CONTROL: Migrations = {1: _version_1(schema.CONTROL, SERVICE)}
VAULT_MIGRATIONS: Migrations = {1: _version_1(VAULT_TABLES, VAULT)}
VERSION = schema.VERSION


def schema_of(tenant: str) -> str:
    """The schema of a tenant. Its name was checked: lower-case letters, digits and hyphens."""
    return f"tenant_{tenant}"
