"""``lrs migrate``: the only way to tables on PostgreSQL, and one that can be gone any number of times."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lrs.adapters.postgres import migrating, schema
from lrs.bootstrap import build, migrate
from lrs.config import Settings
from lrs.domain.errors import StoreNotMigrated, StoreUnavailable
from tests.places import environment, on_postgres, postgres_rows, unmigrated, url_of
from tests.postgres import Databases
from tests.running import LRS, Service
from tests.subjects import ADA, inside, statement

MADE = [
    {"schema": "lethe_vault", "before": 0, "after": schema.VERSION},
    {"schema": "lethe", "before": 0, "after": schema.VERSION},
]
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'lethe%' OR nspname LIKE 'tenant%' ORDER BY 1"
NEXT = {2: ("ALTER TABLE alarm ADD COLUMN note TEXT",)}
Json = dict[str, Any]


@pytest.fixture
def empty(tmp_path: Path, databases: Databases) -> Settings:
    """Two empty databases."""
    return unmigrated(tmp_path / "data", databases)


def service_of(place: Settings) -> Service:
    return Service(place.data_dir, environment=environment(place))


def test_the_first_time_makes_all_and_the_second_finds_it_made(empty: Settings) -> None:
    service = service_of(empty)
    assert service.lrs("migrate") == {"migrated": MADE}
    again = [one | {"before": one["after"]} for one in MADE]
    assert service.lrs("migrate") == {"migrated": again}
    service.lrs("tenant", "create", "acme")
    acme = {"schema": "tenant_acme", "before": schema.VERSION, "after": schema.VERSION}
    assert service.lrs("migrate") == {"migrated": [*again, acme]}


def test_nothing_begins_on_a_store_that_was_not_migrated_and_nothing_is_made(empty: Settings) -> None:
    service = service_of(empty)
    for arguments in (["tenant", "create", "acme"], ["tenant", "list"], ["rebuild"]):
        assert service.lrs(*arguments, status=3)["error"]["code"] == "store-not-migrated"
    serve = subprocess.run(
        [*LRS, "serve", "--port", "0"],
        env=service._environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (serve.returncode, serve.stdout) == (3, "")
    assert len(serve.stderr.splitlines()) == 1
    assert "lrs migrate" in serve.stderr
    assert postgres_rows(url_of(empty, "database_url"), "public", SCHEMAS) == []


def test_a_vault_that_was_not_migrated_is_refused_too(empty: Settings) -> None:
    migrating.migrate_store(url_of(empty, "database_url"))
    with pytest.raises(StoreNotMigrated):
        build(empty)
    assert not list(empty.keys.glob("*.key"))


def test_the_embedded_store_has_nothing_to_migrate(tmp_path: Path) -> None:
    assert Service(tmp_path / "data").lrs("migrate") == {"migrated": []}
    assert list(tmp_path.iterdir()) == []


def test_a_person_is_told_in_a_table(empty: Settings) -> None:
    service = service_of(empty)
    told = subprocess.run(
        [*LRS, "migrate"], env=service._environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "lethe_vault" in told.stdout
    assert "Migrated" in told.stdout


def test_two_processes_at_once_make_it_once(empty: Settings) -> None:
    service = service_of(empty)
    running = [
        subprocess.Popen(
            [*LRS, "migrate", "--json"],
            env=service._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [one.communicate(timeout=120) for one in running]
    assert [one.returncode for one in running] == [0, 0], told
    made = [json.loads(out)["migrated"] for out, _ in told]
    assert all({one["schema"]: one["after"] for one in each} == {"lethe": 1, "lethe_vault": 1} for each in made)
    service.lrs("tenant", "create", "acme")


def many_tenants(place: Settings, count: int) -> list[str]:
    """As many, by their rows and schemas alone: keys are not what is measured."""
    names = [f"t{number:04}" for number in range(count)]
    url = url_of(place, "database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        for number, name in enumerate(names):
            row = f"('{name}', '\\x{number:032x}', 0)"
            connection.execute(f"INSERT INTO lethe.tenant VALUES {row}".encode())
            migrating.create_tenant(url, name, bytes(32))
    return names


def next_release(patch: pytest.MonkeyPatch) -> None:
    """A release whose tenants have one column more."""
    patch.setattr(migrating, "TENANT", {**schema.TENANT, **NEXT})


def versions(place: Settings) -> list[int]:
    """The versions of all tenants' schemas, by name."""
    url = url_of(place, "database_url")
    names = [row[0] for row in postgres_rows(url, "lethe", "SELECT name FROM tenant ORDER BY name")]
    return [postgres_rows(url, f"tenant_{name}", "SELECT version FROM migration")[0][0] for name in names]


def test_fifty_tenants_interrupted_between_two_are_finished_by_the_next(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = on_postgres(tmp_path / "data", databases)
    many_tenants(place, 50)
    next_release(monkeypatch)

    def interrupt(done: int, total: int) -> None:
        assert total == 51
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(place, interrupt)
    assert versions(place) == [2] * 19 + [1] * 31
    heard: list[tuple[int, int]] = []
    migrated = migrate(place, lambda done, total: heard.append((done, total)))
    assert [one.before for one in migrated[2:]] == [2] * 19 + [1] * 31
    assert {one.after for one in migrated[2:]} == {2}
    assert versions(place) == [2] * 50
    assert heard == [(number, 51) for number in range(1, 51)]


def test_a_tenant_of_another_version_is_not_served_and_the_others_are(
    tmp_path: Path, databases: Databases
) -> None:
    place = on_postgres(tmp_path / "data", databases)
    system = build(place)
    for name in ("acme", "globex"):
        system.tenants.create(name)
    system.close()
    postgres_rows(url_of(place, "database_url"), "tenant_globex", "UPDATE migration SET version = 2")
    again = build(place)
    try:
        acme, globex = (inside(again, name) for name in ("acme", "globex"))
        acme.post(statement(ADA))
        answer = globex.http.post("/xapi/statements", json=statement(ADA))
        assert (answer.status_code, answer.json()["code"]) == (503, "store-not-migrated")
        assert len(acme.found_by(ADA)) == 1
    finally:
        again.close()


def test_whoever_does_not_own_the_tables_is_told_which_url_is_missing(
    tmp_path: Path, databases: Databases
) -> None:
    place = on_postgres(tmp_path / "data", databases)
    with psycopg.connect(url_of(place, "database_url"), autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS lethe_login")
        owner.execute("CREATE ROLE lethe_login LOGIN IN ROLE lethe_service")
    url = psycopg.conninfo.make_conninfo(url_of(place, "database_url"), user="lethe_login")
    with pytest.raises(StoreUnavailable, match="LRS_OWNER_URL"):
        migrating.create_tenant(url, "acme", bytes(32))


@pytest.mark.full
@pytest.mark.timeout(1_800)
def test_a_thousand_tenants_are_migrated(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = on_postgres(tmp_path / "data", databases)
    many_tenants(place, 1_000)
    next_release(monkeypatch)
    for what in ("one column more", "nothing to do"):
        began = time.monotonic()
        assert len(migrate(place, lambda *_: None)) == 1_002
        sys.stdout.write(f"1,000 tenants, {what}: {time.monotonic() - began:.1f} s\n")
    assert set(versions(place)) == {2}
