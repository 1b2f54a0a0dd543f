"""The tables of the vault. Every row but the fence names its tenant, and so does every query that reads one.

A STORAGE FORMAT: a change is a migration.
"""

import re
from dataclasses import dataclass

TABLES = (
    # where the keys stand: moved in the same transaction as whatever makes cached keys void
    (
        "CREATE TABLE fence (one INTEGER PRIMARY KEY CHECK (one = 1), vault TEXT NOT NULL,"
        " epoch INTEGER NOT NULL, sequence INTEGER NOT NULL)"
    ),
    # TK (tenant key-encryption key), IK (pepper of the directory), SK (signing key), wrapped; RK (of the digests
    # in suppression) where there are any
    (
        "CREATE TABLE tenant_key (tenant TEXT NOT NULL, kind TEXT NOT NULL, wrapped BLOB NOT NULL,"
        " PRIMARY KEY (tenant, kind)) WITHOUT ROWID"
    ),
    # How each subject stands (``lrs.domain.subjects``); role 'tenant' stands for what belongs to no person.
    # Waiting: the ids of requests, 16 bytes each. Corrected: a version on its stream. Changed: where the fence
    # stood then. Noted: who is not simply there to be read; few, and looked up together whenever the fence moved.
    # Suppressed: until when, in seconds since 1970, whoever comes with one of its identifiers is refused; 0: not.
    (
        "CREATE TABLE subject (tenant TEXT NOT NULL, subject BLOB NOT NULL, role TEXT NOT NULL,"
        " state TEXT NOT NULL, restricted INTEGER NOT NULL, held INTEGER NOT NULL, waiting BLOB NOT NULL,"
        " corrected INTEGER NOT NULL, changed INTEGER NOT NULL, noted INTEGER NOT NULL,"
        " suppressed INTEGER NOT NULL,"
        " PRIMARY KEY (tenant, subject)) WITHOUT ROWID"
    ),
    # Spelled so that SQLite, which has no statistics here, does not rather walk all of a tenant's people.
    "CREATE INDEX subject_noted ON subject (tenant, noted, subject) WHERE noted > 0",
    "CREATE UNIQUE INDEX subject_of_tenant ON subject (tenant) WHERE role = 'tenant'",
    # data keys, wrapped by the tenant's TK
    (
        "CREATE TABLE data_key (tenant TEXT NOT NULL, subject BLOB NOT NULL, category TEXT NOT NULL,"
        " period TEXT NOT NULL, kid BLOB NOT NULL, wrapped BLOB NOT NULL,"
        " PRIMARY KEY (tenant, subject, category, period)) WITHOUT ROWID"
    ),
    "CREATE UNIQUE INDEX data_key_kid ON data_key (kid)",
    # HMAC of an identifier -> subject; the identifier itself is sealed under the subject's identity key
    (
        "CREATE TABLE directory (tenant TEXT NOT NULL, digest BLOB NOT NULL, subject BLOB NOT NULL,"
        " kind TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (tenant, digest)) WITHOUT ROWID"
    ),
    # The tenant not first: a database without statistics would walk a whole tenant here, to find digests.
    "CREATE INDEX directory_subject ON directory (subject, tenant)",
    # Identifiers of erased people who are refused, as digests under RK, until when in seconds since 1970: whole
    # days, so that nobody is told from the ledger by the hour. NO SUBJECT STANDS HERE: nothing may link the two.
    (
        "CREATE TABLE suppression (tenant TEXT NOT NULL, digest BLOB NOT NULL, until INTEGER NOT NULL,"
        " PRIMARY KEY (tenant, digest)) WITHOUT ROWID"
    ),
    # destructions, hash-chained, mirrored outside the database before they happen
    (
        "CREATE TABLE ledger (sequence INTEGER PRIMARY KEY, tenant TEXT NOT NULL, subject BLOB NOT NULL,"
        " reason TEXT NOT NULL, at TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL)"
    ),
    "CREATE INDEX ledger_subject ON ledger (tenant, subject)",
    # the keys that each entry destroyed: the only licence to call a part erased
    (
        "CREATE TABLE destroyed_key (kid BLOB PRIMARY KEY, tenant TEXT NOT NULL,"
        " sequence INTEGER NOT NULL REFERENCES ledger (sequence)) WITHOUT ROWID"
    ),
    # Epochs that were closed: the ledger's last entry then, and whose key it was; later, when that was destroyed,
    # and when every erasure of it had its second certificate.
    (
        "CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, closed_at TEXT NOT NULL,"
        " provider TEXT, destruction_seconds INTEGER, destroyed_at TEXT, certified_at TEXT)"
    ),
    # The highest head of each tenant's log that was signed (``lrs.domain.kept_heads``): whoever can write the
    # tenant's database alone can not have another history signed. Restored: in a copy out of a backup, 1 until
    # something is signed.
    (
        "CREATE TABLE signed_head (tenant TEXT PRIMARY KEY, generation INTEGER NOT NULL, size INTEGER NOT NULL,"
        " root BLOB NOT NULL, restored INTEGER NOT NULL) WITHOUT ROWID"
    ),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a snapshot sees it."""

    name: str
    columns: tuple[str, ...]
    blobs: frozenset[int]  # which of the columns hold bytes
    key: tuple[str, ...]


def _table(sql: str) -> Table:
    name, _, body = sql.removeprefix("CREATE TABLE ").partition(" (")
    listed = re.search(r"PRIMARY KEY \(([^)]*)\)", body)
    defined = re.findall(r"(?:^|, )(\w+) (INTEGER|TEXT|BLOB)\b([^,]*)", body)
    key = listed[1].split(", ") if listed else [column for column, _, more in defined if "PRIMARY KEY" in more]
    blobs = frozenset(at for at, (_, kind, _) in enumerate(defined) if kind == "BLOB")
    return Table(name, tuple(column for column, _, _ in defined), blobs, tuple(key))


def described() -> tuple[Table, ...]:
    """Every table, one after those that it refers to."""
    return tuple(_table(sql) for sql in TABLES if sql.startswith("CREATE TABLE"))
