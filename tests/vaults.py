"""Vaults in temporary places, and the few things that every test of keys does with them.

Also what other processes run: their code must be importable, so it stands here and not in a test.
"""

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from lrs.adapters.postgres import vault as postgres_vault
from lrs.adapters.postgres.migrating import migrate_vault
from lrs.adapters.postgres.schema import VAULT_SCHEMA
from lrs.adapters.sql.database import Connection, Database, Result
from lrs.adapters.vault.closing import VaultEpochs
from lrs.adapters.vault.destroying import apply_entry
from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.ledger import GENESIS, Mirror, make_entry
from lrs.adapters.vault.opening import mirror_file, open_vault
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.agents import Identifier
from lrs.domain.epochs import Rewrapped
from lrs.domain.sealing import EXPIRED, Category, Destroyed, Outcome, Place, Sealed, Slot
from lrs.ports import RootProvider, Vault
from tests.postgres import Databases

TENANT = "acme"
OTHER = "globex"
AT = datetime(2026, 11, 22, tzinfo=UTC)
PERIOD = "2026"
TEXT = b"Ada wrote this and nobody else may read it"
# A child's first, so that rows can be taken out in this order.
TABLES = (
    "signed_head",
    "epoch",
    "destroyed_key",
    "ledger",
    "suppression",
    "directory",
    "data_key",
    "subject",
    "tenant_key",
    "fence",
)
# How long a test waits for a connection to a server that is not there.
POOL_SECONDS_MAX = 1.0
# Tests of what only one kind of place has.
sqlite_only = pytest.mark.parametrize("vault_place", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("vault_place", ["postgres"], indirect=True)
Item = tuple[Place, Sealed]
Rows = dict[str, list[tuple[Any, ...]]]


# --- places --------------------------------------------------------------------------------------------------


class VaultPlace(Protocol):
    """Where a vault lives: open it as often as you like, each time as another process would."""

    root: Path
    root_key: str | None
    opened: list[KeyVault]
    provider: RootProvider | None
    escrow: Escrow | None

    @property
    def key_dir(self) -> Path:
        """Root key, epoch keys and the ledger's mirror."""
        ...

    @property
    def mirror(self) -> Path:
        """The ledger's mirror."""
        ...

    def open(self) -> KeyVault:
        """One more instance of the same vault."""
        ...

    def close(self) -> None:
        """Close every instance."""
        ...

    def remove(self) -> None:
        """Close every instance and take everything away that others may need."""
        ...

    def elsewhere(self) -> "VaultPlace":
        """The same place as another process finds it."""
        ...

    def another(self, name: str, root_key: str | None = None) -> "VaultPlace":
        """A fresh place of the same kind."""
        ...

    def twin(self, name: str) -> "VaultPlace":
        """A copy of the place with all that is in it."""
        ...

    def take_away(self, vault: Vault) -> None:
        """The database is gone, as the instance finds when it next asks it."""
        ...

    def expire(self, vault: Vault, tenant: str, slot: Slot) -> Destroyed:
        """Retention ends for one key."""
        ...

    def files(self) -> dict[str, bytes]:
        """Every file's bytes, and those of a database that is in no file of ours."""
        ...

    def edit(self, *statements: str, **values: Any) -> None:
        """Change the vault's database as somebody who can write it; values are named ``:so``."""
        ...

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What is in the database, past the vault."""
        ...

    def break_inserting_many_keys(self, vault: Vault) -> Callable[[], None]:
        """The disk is full when more than one data key is there; until what comes back is called."""
        ...

    def copy(self) -> Rows:
        """All that is in the database."""
        ...

    def restore(self, copy: Rows) -> None:
        """Put a copy of all in the place of what is there."""
        ...


@dataclass
class SqlitePlace:
    """Everything in one folder."""

    root: Path
    root_key: str | None = None
    opened: list[KeyVault] = field(default_factory=list)
    provider: RootProvider | None = None
    escrow: Escrow | None = None

    @property
    def path(self) -> Path:
        """The vault's database."""
        return self.root / "data" / "vault.db"

    @property
    def key_dir(self) -> Path:
        """Root key, epoch keys and the ledger's mirror."""
        return self.root / "keys"

    @property
    def mirror(self) -> Path:
        """The ledger's mirror."""
        return mirror_file(self.key_dir)

    def open(self) -> KeyVault:
        """One more instance on the same files."""
        vault = open_vault(
            self.path, self.key_dir, root_key=self.root_key, provider=self.provider, escrow=self.escrow
        )
        self.opened.append(vault)
        return vault

    def close(self) -> None:
        """Close every instance."""
        close_all(self.opened)

    def remove(self) -> None:
        """The folder goes with the test's own."""
        self.close()

    def elsewhere(self) -> "SqlitePlace":
        """The same place as another process finds it."""
        return replace(self, opened=[])

    def another(self, name: str, root_key: str | None = None) -> "SqlitePlace":
        """A folder in this one."""
        return SqlitePlace(self.root / name, root_key)

    def twin(self, name: str) -> "SqlitePlace":
        """A copy of the files."""
        copied = SqlitePlace(self.root / name, self.root_key)
        for folder in ("data", "keys"):
            shutil.copytree(self.root / folder, copied.root / folder)
        return copied

    def take_away(self, vault: Vault) -> None:
        """The file is gone, as the instance finds when it next connects."""
        assert isinstance(vault, KeyVault)
        vault.database.close()
        self.path.rename(self.path.with_suffix(".away"))

    def expire(self, vault: Vault, tenant: str, slot: Slot) -> Destroyed:
        """Retention ends for one key."""
        return expire(self.mirror, vault, tenant, slot)

    def files(self) -> dict[str, bytes]:
        """Every file's bytes."""
        return bytes_under(self.root)

    def edit(self, *statements: str, **values: Any) -> None:
        """Change the file."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement, values)

    def break_inserting_many_keys(self, vault: Vault) -> Callable[[], None]:
        """In the connection that the instance uses next."""
        assert isinstance(vault, KeyVault)
        with vault.database.write() as connection:
            pass
        connection.execute(
            "CREATE TEMP TRIGGER broken AFTER INSERT ON main.data_key"
            " WHEN (SELECT count(*) FROM main.data_key) > 1 BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )

        def mend() -> None:
            connection.execute("DROP TRIGGER broken")

        return mend

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What is in the file."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, values).fetchall()

    def copy(self) -> Rows:
        """All rows."""
        return {table: self.rows(f"SELECT * FROM {table}") for table in TABLES}

    def restore(self, copy: Rows) -> None:
        """All rows as they were."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            put_rows(connection.execute, copy, "?")
            connection.execute("COMMIT")


class VaultDatabases:
    """Databases with the vault's tables and nothing in them, on one server. They are used again from test to test:
    making one takes a hundred times as long as emptying it."""

    def __init__(self, dsn: str) -> None:
        self._databases = Databases(dsn)
        self._free: list[str] = []

    def take(self) -> str:
        """The URL of a fresh one."""
        if self._free:
            return self._free.pop()
        url = self._databases.create()
        migrate_vault(url)
        return url

    def give_back(self, url: str) -> None:
        """Empty it for the next; one that its test has broken is left alone."""
        try:
            with superuser(url) as connection:
                put_rows(connection.execute, {}, "%s")
        except psycopg.Error:
            return
        self._free.append(url)

    def close(self) -> None:
        """Drop them all."""
        self._databases.drop_all()


@dataclass
class PostgresPlace:
    """A database of its own, and a folder for what lies outside it."""

    root: Path
    databases: VaultDatabases | None
    root_key: str | None = None
    url: str = ""
    opened: list[KeyVault] = field(default_factory=list)
    others: "list[PostgresPlace]" = field(default_factory=list)
    connections: int = 2
    provider: RootProvider | None = None
    escrow: Escrow | None = None

    def __post_init__(self) -> None:
        if not self.url and self.databases:
            self.url = self.databases.take()

    @property
    def key_dir(self) -> Path:
        """Root key, epoch keys and the ledger's mirror."""
        return self.root / "keys"

    @property
    def mirror(self) -> Path:
        """The ledger's mirror."""
        return mirror_file(self.key_dir)

    def open(self) -> KeyVault:
        """One more instance on the same database."""
        return self.open_at(self.url)

    def open_at(self, url: str) -> KeyVault:
        """One more instance that finds the database by another way."""
        vault = postgres_vault.open_postgres_vault(
            url,
            self.key_dir,
            connections=self.connections,
            root_key=self.root_key,
            provider=self.provider,
            escrow=self.escrow,
        )
        self.opened.append(vault)
        pool_of(vault).timeout = POOL_SECONDS_MAX * 5
        return vault

    def close(self) -> None:
        """Close every instance."""
        close_all(self.opened)

    def remove(self) -> None:
        """Give the databases back."""
        self.close()
        for other in self.others:
            other.remove()
        self.others.clear()
        if self.databases and self.url:
            self.databases.give_back(self.url)
            self.url = ""

    def elsewhere(self) -> "PostgresPlace":
        """The same place as another process finds it."""
        return replace(self, databases=None, opened=[], others=[])

    def another(self, name: str, root_key: str | None = None) -> "PostgresPlace":
        """Another database, and a folder in this one."""
        other = PostgresPlace(self.root / name, self.databases, root_key)
        self.others.append(other)
        return other

    def twin(self, name: str) -> "PostgresPlace":
        """Another database with the same rows, and a copy of the folder."""
        copied = self.another(name, self.root_key)
        shutil.copytree(self.key_dir, copied.key_dir)
        copied.restore(self.copy())
        return copied

    def take_away(self, vault: Vault) -> None:
        """The database is dropped under everybody's feet."""
        pool_of(vault).timeout = POOL_SECONDS_MAX
        name = conninfo_to_dict(self.url)["dbname"]
        with psycopg.connect(make_conninfo(self.url, dbname="postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def expire(self, vault: Vault, tenant: str, slot: Slot) -> Destroyed:
        """Retention ends for one key."""
        return expire(self.mirror, vault, tenant, slot)

    def files(self) -> dict[str, bytes]:
        """Every file's bytes, and of the database every row's."""
        rows = {f"database/{table}": repr(found).encode() for table, found in self.copy().items()}
        return bytes_under(self.root) | rows

    def edit(self, *statements: str, **values: Any) -> None:
        """Change the tables as the server's superuser."""
        with superuser(self.url) as connection:
            for statement in statements:
                connection.execute(named(statement), values)

    def break_inserting_many_keys(self, vault: Vault) -> Callable[[], None]:
        """In everybody's connection."""
        self.edit(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF (SELECT count(*) FROM lethe_vault.data_key) > 1 THEN RAISE 'the disk is full'"
            " USING ERRCODE = 'disk_full'; END IF; RETURN NULL; END $$",
            "CREATE TRIGGER broken AFTER INSERT ON data_key FOR EACH ROW EXECUTE FUNCTION broken()",
        )
        return lambda: self.edit("DROP TRIGGER broken ON data_key", "DROP FUNCTION broken()")

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What is in the tables."""
        with superuser(self.url) as connection:
            return connection.execute(named(query), values).fetchall()

    def copy(self) -> Rows:
        """All rows."""
        return {table: sorted(self.rows(f"SELECT * FROM {table}")) for table in TABLES}

    def restore(self, copy: Rows) -> None:
        """All rows as they were."""
        with superuser(self.url) as connection, connection.transaction():
            put_rows(connection.execute, copy, "%s")


def pool_of(vault: Vault) -> Any:
    """The connections of an instance on PostgreSQL."""
    assert isinstance(vault, KeyVault)
    return vault.database.pool  # type: ignore[attr-defined]


@contextmanager
def superuser(url: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """A connection to the vault's tables that may do everything, also break references."""
    options = f"-c search_path={VAULT_SCHEMA} -c session_replication_role=replica"
    with psycopg.connect(make_conninfo(url, options=options), autocommit=True) as connection:
        yield connection


def named(sql: str) -> bytes:
    """A statement with named values as the driver wants it."""
    return re.sub(r"(?<!:):([a-z]+)", r"%(\1)s", sql).encode()


def put_rows(execute: Callable[..., Any], copy: Rows, mark: str) -> None:
    """Rows in the place of all that is there."""
    for table in TABLES:
        execute(f"DELETE FROM {table}")
    for table in reversed(TABLES):
        for row in copy.get(table, ()):
            execute(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(row))})", row)


def close_all(opened: list[KeyVault]) -> None:
    """Close these instances and forget them."""
    for vault in opened:
        vault.close()
    opened.clear()


def bytes_under(root: Path) -> dict[str, bytes]:
    """Every file's bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def expire(mirror: Path, vault: Vault, tenant: str, slot: Slot) -> Destroyed:
    """Retention ends for one key."""
    assert isinstance(vault, KeyVault)
    with vault.writing() as (connection, (_, sequence)):
        kids = connection.execute(
            "SELECT kid FROM data_key WHERE tenant = ? AND subject = ? AND category = ? AND period = ?",
            (tenant, slot.subject.bytes, slot.category, slot.period),
        ).fetchall()
        last = connection.execute("SELECT hash FROM ledger ORDER BY sequence DESC LIMIT 1").fetchone()
        gone = Destroyed(sequence + 1, tenant, slot.subject, EXPIRED, tuple(row[0] for row in kids))
        entry = make_entry(gone, AT.isoformat(), last[0] if last else GENESIS)
        Mirror(mirror).append(entry)
        apply_entry(connection, entry)
    return gone


# --- what every test does ------------------------------------------------------------------------------------


def mbox(name: str) -> Identifier:
    """A person."""
    return Identifier("mbox", f"mailto:{name}@example.org")


def person(vault: Vault, name: str = "ada", tenant: str = TENANT) -> UUID:
    """The subject of a person."""
    return vault.read(tenant).enrol([mbox(name)])[mbox(name)]


def somewhere() -> Place:
    """A place where a statement's body lives."""
    return Place(uuid4(), 1, "body", "statement-recorded/1")


def sealed(
    vault: Vault,
    *owners: UUID,
    tenant: str = TENANT,
    category: Category = Category.LEARNING,
    period: str = PERIOD,
    data: bytes = TEXT,
) -> Item:
    """Something sealed for these owners, and where."""
    place = somewhere()
    reading = vault.read(tenant)
    reading.ensure([Slot(owner, category, period) for owner in owners])
    return place, reading.seal(owners, category, period, place, data)


def opened(vault: Vault, item: Item, tenant: str = TENANT) -> Outcome:
    """What becomes of one item."""
    return vault.open_many(tenant, [item])[0]


def erase(vault: Vault, subject: UUID, tenant: str = TENANT) -> Destroyed:
    """An erasure as far as the vault is concerned."""
    vault.begin_erasure(tenant, subject)
    return vault.destroy(tenant, subject, AT)


def suppress(vault: Vault, subject: UUID, until: datetime, tenant: str = TENANT) -> Destroyed:
    """The same where the tenant refuses whoever was erased until then."""
    vault.begin_erasure(tenant, subject)
    vault.suppress(tenant, subject, until)
    return vault.destroy(tenant, subject, AT)


def close_epoch(vault: Vault, escrow: Escrow | None = None) -> Rewrapped:
    """Close the present epoch, as far as the vault is concerned."""
    assert isinstance(vault, KeyVault)
    epochs, epoch = VaultEpochs(vault, escrow), vault.epoch()
    with epochs.alone():
        epochs.prepare()
        rewrapped = epochs.turn(AT, lambda *_: None)
        epochs.check(epoch, lambda *_: None)
        epochs.destroy(epoch, lambda: AT)
        epochs.certified(epoch, AT)
    return rewrapped


# --- what happens between two messages to the database -------------------------------------------------------


class Stepped:
    """A database that tells before every message to it, and after every commit: what happens there is the test's
    choice."""

    def __init__(self, database: Database, step: Callable[[str], None]) -> None:
        self._database = database
        self._step = step
        self.for_update = database.for_update
        self.for_share = database.for_share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def look(self, columns: str, table: str) -> Any:
        """Before and after it."""
        self._step("look")
        row = self._database.look(columns, table)
        self._step("looked")
        return row

    def read(self) -> "AbstractContextManager[Connection]":
        """Before the beginning and every statement."""
        return self._stepped(self._database.read, "read")

    def write(self) -> "AbstractContextManager[Connection]":
        """Before the beginning, every statement and the commit, and after it."""
        return self._stepped(self._database.write, "write")

    @contextmanager
    def _stepped(
        self, transaction: Callable[[], AbstractContextManager[Connection]], kind: str
    ) -> Iterator[Connection]:
        self._step(f"begin {kind}")
        with transaction() as connection:
            yield SteppedConnection(connection, self._step)
            self._step(f"commit {kind}")
        self._step(f"done {kind}")

    def checkpoint(self) -> None:
        """Before it."""
        self._step("checkpoint")
        self._database.checkpoint()

    def close(self) -> None:
        """As it is."""
        self._database.close()


class SteppedConnection:
    """One transaction of such a database."""

    def __init__(self, connection: Connection, step: Callable[[str], None]) -> None:
        self._connection = connection
        self._step = step

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Result:
        """Before it."""
        self._step(sql)
        return self._connection.execute(sql, values)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Result:
        """Before it."""
        self._step(sql)
        return self._connection.executemany(sql, rows)


def stepped(vault: KeyVault, step: Callable[[str], None]) -> KeyVault:
    """The same instance, told before every message to its database."""
    vault.database = Stepped(vault.database, step)
    return vault


# --- what other processes do ---------------------------------------------------------------------------------


def answer_openings(place: VaultPlace, pipe: Pipe) -> None:
    """Open what comes through the pipe and answer with the outcomes' names, until None comes."""
    vault = place.open()
    while (items := pipe.recv()) is not None:
        pipe.send([type(outcome).__name__ for outcome in vault.open_many(TENANT, items)])
    place.close()


def open_together(place: VaultPlace, start: Barrier, pipe: Pipe) -> None:
    """Open a fresh place at the same moment as others and tell whose tenant key is there."""
    start.wait()
    vault = place.open()
    vault.create_tenant(TENANT)
    pipe.send((vault.public_key(TENANT), person(vault)))
    place.close()


def enrol_together(place: VaultPlace, start: Barrier, pipe: Pipe, rounds: int) -> None:
    """Enrol the same people at the same moment as others, seal something for each, and tell."""
    vault = place.open()
    for number in range(rounds):
        names = [mbox(f"p{number}-{one}") for one in range(3)]
        start.wait()
        subjects = vault.read(TENANT).enrol(names)
        pipe.send((subjects, [sealed(vault, subjects[one]) for one in names]))
    place.close()


def _die_at(step: int) -> Callable[..., None]:
    """A counter that ends the process, without any cleaning up, when it was called so often."""
    left = [step]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)

    return count


_TOUCHES = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "sqlite3.connect"}


def die_while_opening(place: VaultPlace, step: int) -> None:
    """Open a vault and die just before the given touch of the file system or message to the database."""
    count, database = _die_at(step), postgres_vault.VaultDatabase
    setattr(postgres_vault, "VaultDatabase", lambda pool: Stepped(database(pool), count))  # noqa: B010
    sys.addaudithook(lambda event, _: count() if event in _TOUCHES else None)
    place.open()
    os._exit(0)


def close_and_die(place: VaultPlace, step: int) -> None:
    """Close the epoch and die when this step is done."""
    epochs = VaultEpochs(place.open())
    epoch = epochs.standing().epoch
    with epochs.alone():
        epochs.prepare()
        if step == 1:
            os._exit(9)
        epochs.turn(AT, lambda *_: None)
        if step == 2:
            os._exit(9)
        epochs.check(epoch, lambda *_: None)
        if step == 3:
            os._exit(9)
        epochs.destroy(epoch, lambda: AT)
    os._exit(9)


def die_while_closing(place: VaultPlace, step: int) -> None:
    """Close the epoch and die just before the given message to the database or touch of the file system."""
    vault, count = place.open(), _die_at(step)
    vault = stepped(vault, count)
    sys.addaudithook(lambda event, _: count() if event in _TOUCHES else None)
    close_epoch(vault)
    os._exit(0)


def die_while_destroying(place: VaultPlace, subject: UUID, step: int) -> None:
    """Destroy a subject and die just before the given message to the database or file opened."""
    vault, count = place.open(), _die_at(step)
    vault.destroyed(TENANT, subject)  # the connection is there
    vault = stepped(vault, count)
    sys.addaudithook(lambda event, _: count() if event == "open" else None)
    vault.destroy(TENANT, subject, AT)
    os._exit(0)


def die_while_suppressing(place: VaultPlace, subject: UUID, until: datetime, step: int) -> None:
    """The same where whoever was erased is refused until then."""
    vault, count = place.open(), _die_at(step)
    vault.destroyed(TENANT, subject)  # the connection is there
    vault = stepped(vault, count)
    sys.addaudithook(lambda event, _: count() if event == "open" else None)
    suppress(vault, subject, until)
    os._exit(0)
