"""A snapshot of the vault is whole or refused, fits either database, and opens nothing without the epoch's key."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from lrs.adapters.vault.opening import make_file
from lrs.adapters.vault.schema import TABLES, described
from lrs.adapters.vault.snapshot import Head, load
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import AlreadyExists, BackupInvalid, VaultRefused
from lrs.domain.kept_heads import KeptHead
from lrs.domain.sealing import Erased, Plain
from tests.vaults import (
    AT,
    OTHER,
    TENANT,
    TEXT,
    PostgresPlace,
    Rows,
    SqlitePlace,
    VaultDatabases,
    VaultPlace,
    close_epoch,
    erase,
    opened,
    person,
    sealed,
    suppress,
)


@pytest.fixture
def place(vault_place: VaultPlace) -> VaultPlace:
    """A place for the keys alone."""
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> KeyVault:
    """With something in every table."""
    vault = place.open()
    vault.create_tenant(TENANT)
    vault.create_tenant(OTHER)
    suppress(vault, person(vault), AT.replace(year=2126))
    close_epoch(vault)
    sealed(vault, person(vault, "bob"))
    vault.keep_signed_head(TENANT, KeptHead(1, 7, bytes(32)))
    return vault


def snapshot(vault: KeyVault) -> bytes:
    return b"".join(vault.snapshot())


def rows_of(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: sorted(connection.execute(f"SELECT * FROM {table.name}").fetchall())
            for table in described()
        }


def test_every_table_and_column_is_described_as_it_is(tmp_path: Path) -> None:
    with closing(make_file(tmp_path / "vault.db")) as database, database.read() as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert {name for (name,) in tables} == {table.name for table in described()}
        for table in described():
            facts = connection.execute(f"PRAGMA table_info({table.name})").fetchall()
            assert [fact[1] for fact in facts] == list(table.columns)
            assert {at for at, fact in enumerate(facts) if fact[2] == "BLOB"} == table.blobs
            assert {fact[1] for fact in facts if fact[5]} == set(table.key)
    assert len(TABLES) > len(described()) > 7


def test_a_snapshot_holds_every_row_and_is_loaded_into_either_database(
    vault: KeyVault, place: VaultPlace, tmp_path: Path, vault_databases: VaultDatabases
) -> None:
    data = snapshot(vault)
    rows = {table: sorted(found) for table, found in place.copy().items()}
    assert all(rows.values())
    for size in (1, 1000, len(data)):
        path = tmp_path / f"{size}.db"
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        with closing(make_file(path)) as database:
            head = load(database, chunks)
        assert head == Head(vault.keys.vault, 2, vault.read(TENANT).sequence)
        assert rows_of(path) == rows
    other = PostgresPlace(tmp_path / "other", vault_databases)
    raw = PostgresPlace(tmp_path / "raw", vault_databases)
    opened_raw = raw.open()
    raw.restore({})
    load(opened_raw.database, [data])
    assert {table: sorted(found) for table, found in raw.copy().items()} == rows
    raw.remove()
    other.remove()


def test_what_was_loaded_opens_with_the_epochs_key_and_with_nothing_else(
    vault: KeyVault, place: VaultPlace, tmp_path: Path
) -> None:
    ada, bob = person(vault, "eve"), person(vault, "bob")
    items = [sealed(vault, ada), sealed(vault, bob)]
    data = snapshot(vault)
    copied = SqlitePlace(tmp_path / "copied")
    (copied.root / "data").mkdir(parents=True)
    make_file(copied.path).close()
    with closing(make_file(copied.root / "scratch.db")) as database:
        load(database, [data])
    (copied.root / "scratch.db").rename(copied.path)
    with pytest.raises(VaultRefused):
        copied.open()
    copied.key_dir.mkdir(exist_ok=True)
    erase(vault, ada)
    for name in ("root.key", "epoch-2.key", "ledger.jsonl"):
        (copied.key_dir / name).write_bytes((place.key_dir / name).read_bytes())
        (copied.key_dir / name).chmod(0o600)
    assert [opened(copied.open(), item) for item in items] == [Erased(), Plain(TEXT)]
    copied.close()


def test_a_snapshot_is_of_one_moment(vault: KeyVault, place: VaultPlace, tmp_path: Path) -> None:
    chunks = vault.snapshot()
    first = next(chunks)
    before = {table: sorted(found) for table, found in place.copy().items()}
    erase(place.open(), person(vault, "bob"))
    with closing(make_file(tmp_path / "copy.db")) as database:
        load(database, [first, *chunks])
    assert rows_of(tmp_path / "copy.db") == before


def test_a_snapshot_is_never_loaded_over_a_vault(vault: KeyVault, place: VaultPlace) -> None:
    before = place.copy()
    with pytest.raises(AlreadyExists):
        load(vault.database, [snapshot(vault)])
    assert place.copy() == before


def test_whoever_loads_may_refuse_by_the_head(vault: KeyVault, tmp_path: Path) -> None:
    def check(head: Head) -> None:
        raise BackupInvalid(f"not {head.epoch}")

    with closing(make_file(tmp_path / "copy.db")) as database, pytest.raises(BackupInvalid, match="not 2"):
        load(database, [snapshot(vault)], check)
    assert not any(rows_of(tmp_path / "copy.db").values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A snapshot."""
    place = SqlitePlace(tmp_path_factory.mktemp("whole"))
    vault = place.open()
    vault.create_tenant(TENANT)
    erase(vault, person(vault))
    close_epoch(vault)
    sealed(vault, person(vault, "bob"))
    data = snapshot(vault)
    place.close()
    return data


def not_loaded(data: bytes, path: Path) -> None:
    with closing(make_file(path)) as database, pytest.raises(BackupInvalid):
        load(database, [data])
    assert not any(rows_of(path).values())
    path.unlink()


def test_a_snapshot_that_is_cut_short_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    lines = whole.splitlines(keepends=True)
    for count in range(0, len(lines), 4):
        not_loaded(b"".join(lines[:count]), tmp_path / "copy.db")
    for cut in (1, len(lines[-1]) // 2):
        not_loaded(whole[:-cut], tmp_path / "copy.db")


def with_end(lines: list[bytes]) -> bytes:
    """These lines with the end that is theirs."""
    body = b"".join(lines)
    end = {"end": True, "rows": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return body + orjson.dumps(end) + b"\n"


def changed(name: str, **facts: Any) -> Callable[[list[bytes]], bytes]:
    return lambda lines: with_end(
        [orjson.dumps(orjson.loads(lines[0]) | {name: facts or None}) + b"\n", *lines[1:-1]]
    )


ALTERED: dict[str, Callable[[list[bytes]], bytes]] = {
    "a row left out": lambda lines: b"".join([*lines[:3], *lines[4:]]),
    "rows swapped": lambda lines: b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
    "a row twice": lambda lines: b"".join([*lines[:3], lines[2], *lines[3:]]),
    "a key of another type": lambda lines: with_end([*lines[:3], b'["tenant_key",1,"b",""]\n', *lines[3:-1]]),
    "a row twice, with its end": lambda lines: with_end([*lines[:3], lines[2], *lines[3:-1]]),
    "a byte": lambda lines: b"".join(lines).replace(b"acme", b"acne", 1),
    "more after the end": lambda lines: b"".join([*lines, lines[1]]),
    "two ends": lambda lines: b"".join([*lines, lines[-1]]),
    "no head": lambda lines: with_end(lines[1:-1]),
    "nothing": lambda lines: b"",
    "an end alone": lambda lines: lines[-1],
    "garbage": lambda lines: b"\xff\n",
    "a number": lambda lines: b"1\n",
    "another format": changed("format"),
    "another release's tables": changed("tables", fence=["one"]),
    "tables nobody knows": changed("tables", other=["one"]),
    "no tables": changed("tables"),
    "no epoch": changed("epoch"),
    "a row of no table": lambda lines: with_end([*lines[:2], b'["other",1]\n', *lines[2:-1]]),
    "a row too short": lambda lines: with_end([*lines[:2], b'["tenant_key","a"]\n', *lines[2:-1]]),
    "a row that is no list": lambda lines: with_end([*lines[:2], b'{"tenant_key":1}\n', *lines[2:-1]]),
    "bytes that are none": lambda lines: with_end([*lines[:2], b'["tenant_key","a","b","%"]\n', *lines[2:-1]]),
    "bytes that are a number": lambda lines: with_end([*lines[:2], b'["tenant_key","a","b",1]\n', *lines[2:-1]]),
    "a line without an end": lambda lines: lines[0] + b"[" * (5 * 1024 * 1024),
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_snapshot_that_was_altered_is_refused(whole: bytes, tmp_path: Path, how: str) -> None:
    not_loaded(ALTERED[how](whole.splitlines(keepends=True)), tmp_path / "copy.db")


def test_a_vault_with_a_value_of_another_type_gives_no_snapshot(vault: KeyVault, place: VaultPlace) -> None:
    if isinstance(place, SqlitePlace):  # the other takes none
        place.edit("UPDATE tenant_key SET wrapped = 'text' WHERE kind = 'TK'")
        with pytest.raises(VaultRefused):
            snapshot(vault)
