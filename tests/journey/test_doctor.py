"""``lrs doctor``: each thing that can be wrong is found where it is made wrong, and told with what to do."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lrs.adapters import machine
from lrs.adapters.sql.views import SqlViews
from lrs.bootstrap import build, examine, migrate
from lrs.config import Settings
from lrs.domain.errors import StoreUnavailable
from lrs.domain.findings import Level
from lrs.domain.instants import EPOCH
from tests.places import environment, unmigrated, url_of
from tests.postgres import Databases
from tests.running import Service
from tests.subjects import ADA, inside, statement


@pytest.fixture
def installed(place: Settings) -> Settings:
    """An installation with a tenant and a statement."""
    with closing(build(place)) as system:
        system.tenants.create("acme")
        inside(system, "acme").post(statement(ADA))
    return place


def found(place: Settings) -> dict[str, Level]:
    return {one.check: one.level for one in examine(place)}


def execute(place: Settings, sql: str) -> None:
    """On the tenant's tables, behind the service."""
    if place.database_url is None:
        with closing(sqlite3.connect(place.data_dir / "tenants" / "acme.db")) as connection:
            connection.execute(sql)
            connection.commit()
        return
    with psycopg.connect(url_of(place, "database_url"), autocommit=True) as connection:
        connection.execute("SET search_path = tenant_acme")
        connection.execute(sql.encode())


def test_a_sound_installation_has_no_failure(installed: Settings) -> None:
    seen = found(installed)
    assert Level.FAIL not in seen.values(), seen
    assert {
        "keys apart",
        "old keys",
        "room",
        "permissions",
        "clock",
        "projections",
        "damage",
        "epoch",
    } <= seen.keys()
    # The tests' login made the tables, so it owns them.
    assert seen["event log"] is (Level.OK if installed.database_url is None else Level.WARN)


def test_the_command_says_the_same_and_its_exit_code_says_whether_a_promise_is_broken(installed: Settings) -> None:
    service = Service(installed.data_dir, environment=environment(installed))
    assert {one["check"] for one in service.lrs("doctor")["findings"]} >= {"clock", "epoch"}
    execute(installed, "INSERT INTO alarm VALUES (1, 'event-corrupt')")
    failed = service.lrs("doctor", status=1)["findings"]
    assert [one["check"] for one in failed if one["level"] == "fail"] == ["damage"]
    assert all(one["do"] for one in failed if one["level"] != "ok")


def test_files_that_others_may_read_are_found(installed: Settings) -> None:
    (installed.keys / "ledger.jsonl").touch(mode=0o644)
    (installed.keys / "ledger.jsonl").chmod(0o644)
    assert found(installed)["permissions"] is Level.FAIL


def test_a_clock_that_went_back_is_found(installed: Settings) -> None:
    ahead = int((datetime.now(UTC) + timedelta(hours=1) - EPOCH).total_seconds() * 1_000_000)
    execute(installed, f"UPDATE head SET stored = {ahead}")
    assert found(installed)["clock"] is Level.FAIL


def test_reports_that_are_far_behind_are_found(installed: Settings) -> None:
    execute(installed, "UPDATE head SET position = 20000")
    assert found(installed)["projections"] is Level.WARN


def test_a_vault_that_does_not_open_is_found_and_the_rest_is_looked_at(installed: Settings) -> None:
    (installed.keys / "epoch-1.key").unlink()
    seen = found(installed)
    assert seen["opening"] is Level.FAIL
    assert "permissions" in seen


def test_a_service_that_may_change_events_is_found(databases: Databases, tmp_path: Path) -> None:
    place = unmigrated(tmp_path / "data", databases)
    migrate(place, lambda *_: None)
    with closing(build(place)) as system:
        system.tenants.create("acme")
    execute(place, "GRANT UPDATE ON event TO lethe_service")
    assert found(place)["event log"] is Level.FAIL


def test_a_database_that_is_not_migrated_is_found(databases: Databases, tmp_path: Path) -> None:
    assert found(unmigrated(tmp_path / "data", databases))["opening"] is Level.FAIL


def test_no_store_at_all_is_found_and_none_is_made(tmp_path: Path) -> None:
    seen = found(Settings(data_dir=tmp_path / "data"))
    assert seen["opening"] is Level.FAIL
    assert list(tmp_path.iterdir()) == []


def test_keys_on_a_volume_that_keeps_what_is_overwritten_are_found() -> None:
    mounts = "25 1 8:1 / / rw - ext4 /dev/a rw\n26 1 0:33 /@ /keys rw shared:1 master:2 - btrfs /dev/b rw\n"
    assert machine._kind(0x801, mounts) == "ext4"
    assert machine._kind(33, mounts) == "btrfs"
    assert machine._kind(34, mounts) == "an unknown file system"


def test_no_more_files_are_looked_at_than_a_command_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("a")
    assert len(machine.LinuxMachine().modes(tmp_path)) == 5
    monkeypatch.setattr(machine, "_FILES_MAX", 3)
    assert len(machine.LinuxMachine().modes(tmp_path)) == 3


def test_a_store_that_falls_silent_is_a_finding(installed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: object, *__: Any) -> int:
        raise StoreUnavailable("test")

    monkeypatch.setattr(SqlViews, "alarms", silent)
    assert found(installed)["tenants"] is Level.FAIL
