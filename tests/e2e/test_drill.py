"""The drill: what an operator does on the worst day, by the commands of the manual alone, and what nobody can do
with what was kept from the days before.

Several people; a backup; one of them is erased; the epoch is closed; everything but the backups and the escrow is
destroyed; all is restored to a moment before the erasure.
"""

import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pyrage
import pytest

from lrs.config import Settings
from tests.places import STORES, environment, new_place, unmigrated, url_of
from tests.postgres import Databases
from tests.running import LRS, Service
from tests.subjects import ADA, ALAN, COURSE, GRACE, PLACEHOLDER, Asking, Json, came_back, exchange, statement

EVERYBODY = (ADA, GRACE, ALAN)
STATE = "/xapi/activities/state"
VAULT = "lethe_vault"


@dataclass
class World:
    """An installation, what is kept apart from it, and what people did in it."""

    service: Service
    folder: Path
    identity: Path
    statements: dict[str, list[Json]] = field(default_factory=dict)
    auth: tuple[str, str] = ("", "")
    clients: list[httpx2.Client] = field(default_factory=list)

    @property
    def place(self) -> Settings:
        """Where it is."""
        return self.service.settings

    def asking(self) -> Asking:
        """A client of the tenant."""
        self.clients.append(self.service.client(self.auth))
        return Asking(self.clients[-1])

    def stop(self) -> None:
        """The end of the service and of who asked it."""
        for client in self.clients:
            client.close()
        self.service.stop()


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A new installation that makes backups."""
    place = new_place(request.param, tmp_path / "first" / "data", lambda: request.getfixturevalue("databases"))
    (tmp_path / "first").mkdir(exist_ok=True)
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"{identity}\n")
    kept = {
        "LRS_BACKUP_URL": str(tmp_path / "backup"),
        "LRS_ESCROW_URL": str(tmp_path / "escrow"),
        "LRS_BACKUP_RECIPIENTS": str(identity.to_public()),
        "LRS_PUBLIC_URL": place.public_url,
    }
    made = World(Service(place.data_dir, environment=environment(place) | kept), tmp_path, tmp_path / "identity")
    yield made
    made.stop()


def live(world: World) -> None:
    """People learn: statements, documents and talks with a model; one is another's instructor."""
    world.service.lrs("tenant", "create", "acme")
    world.auth = world.service.credential("acme")
    world.service.start()
    asking = world.asking()
    for who in EVERYBODY:
        world.statements[who["mbox"]] = [
            statement(who, verb, object={"objectType": "Activity", "id": f"{COURSE}/{number}"})
            for number in range(3)
            for verb in ("initialized", "passed", "completed")
        ]
        asking.post(*world.statements[who["mbox"]])
        asking.ask_model(exchange(who))
        params = {"activityId": COURSE, "agent": json.dumps(who), "stateId": "bookmark"}
        answer = asking.http.put(STATE, params=params, json={"page": 7}, headers={"If-None-Match": "*"})
        assert answer.status_code == 204, answer.text
    taught = statement(GRACE, "attempted", context={"instructor": ADA})
    asking.post(taught)
    world.statements["taught"] = [taught]


def learned(asking: Asking, without: Json | None = None) -> list[Json]:
    """The whole completion report, as a canonical dump."""
    answer = asking.http.get("/reports/completion", params={"wait": "20", "limit": "1000"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["projection_lag"] == 0
    rows = [row for row in answer.json()["rows"] if without is None or row["learner"]["mbox"] != without["mbox"]]
    return sorted(rows, key=json.dumps)


def restored(world: World, at: str, again: Callable[[Path], Settings]) -> World:
    """All that was served is destroyed; another place, made from backups and escrow."""
    place = again(world.folder / "second" / "data")
    (world.folder / "second").mkdir(exist_ok=True)
    kept = {
        name: value for name, value in world.service.environment.items() if name not in environment(world.place)
    }
    service = Service(place.data_dir, environment=environment(place) | kept)
    said = service.lrs(
        "restore", "--from", kept["LRS_BACKUP_URL"], "--escrow", kept["LRS_ESCROW_URL"],
        "--identity", str(world.identity), "--at", at,
    )  # fmt: skip
    assert said
    return World(service, world.folder, world.identity, world.statements, world.auth)


def destroy(world: World) -> None:
    """The machine is gone, and its databases."""
    world.stop()
    place = world.place
    shutil.rmtree(place.data_dir, ignore_errors=True)
    shutil.rmtree(place.keys)
    for name in ("database_url", "vault_url"):
        if url := url_of(place, name):
            with psycopg.connect(url, autocommit=True) as connection:
                for (schema,) in connection.execute(
                    "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'lethe%' OR nspname LIKE 'tenant%'"
                ).fetchall():
                    connection.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())


@dataclass
class OldVault:
    """A copy of the vault and of its key directory, as they were on a day."""

    keys: Path
    files: Path
    rows: dict[str, bytes]

    @classmethod
    def of(cls, world: World, to: Path) -> "OldVault":
        """Taken while the service stands still."""
        place = world.place
        shutil.copytree(place.keys, to / "keys")
        if place.vault_url is None:
            (to / "files").mkdir()
            for path in place.data_dir.glob("vault.db*"):
                shutil.copy2(path, to / "files")
            return cls(to / "keys", to / "files", {})
        with psycopg.connect(url_of(place, "vault_url")) as connection:
            names = [
                row[0]
                for row in connection.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'migration'", (VAULT,)
                )
            ]
            rows = {name: _copied(connection, name) for name in names}
        return cls(to / "keys", to / "files", rows)

    def put_into(self, place: Settings) -> None:
        """In place of the vault that is there. The service must stand still."""
        if place.vault_url is None:
            for path in place.data_dir.glob("vault.db*"):
                path.unlink()
            for path in self.files.iterdir():
                shutil.copy2(path, place.data_dir)
            return
        with psycopg.connect(url_of(place, "vault_url")) as connection:
            connection.execute("SET session_replication_role = replica")  # in any order of the tables
            for name in self.rows:
                connection.execute(f"TRUNCATE {VAULT}.{name} CASCADE".encode())
            for name, content in self.rows.items():
                with connection.cursor().copy(f"COPY {VAULT}.{name} FROM STDIN".encode()) as copy:
                    copy.write(content)


def _copied(connection: "psycopg.Connection[Any]", name: str) -> bytes:
    with connection.cursor().copy(f"COPY {VAULT}.{name} TO STDOUT".encode()) as copy:
        return b"".join(bytes(part) for part in copy)


def in_vault(place: Settings, sql: str) -> None:
    """Change something in the vault, past everything."""
    if place.vault_url is None:
        with closing(sqlite3.connect(place.data_dir / "vault.db")) as file:
            file.execute(sql)
            file.commit()
        return
    with psycopg.connect(url_of(place, "vault_url"), autocommit=True) as connection:
        connection.execute(f"SET search_path = {VAULT}".encode())
        connection.execute(sql.encode())


def test_the_drill(world: World, databases: Databases, tmp_path: Path) -> None:
    # Several people; a backup; the vault of that day.
    live(world)
    before = learned(world.asking())
    assert {row["learner"]["mbox"] for row in before} == {who["mbox"] for who in EVERYBODY}
    world.service.lrs("backup", "run")
    world.service.stop()
    old = OldVault.of(world, tmp_path / "old")
    time.sleep(0.01)
    moment = datetime.now(UTC).isoformat()
    world.service.start()

    # One of them is erased; the epoch is closed; another backup.
    erased = world.service.lrs("subject", "erase", "--tenant", "acme", "--agent", json.dumps(ADA))
    assert erased["status"] == "done"
    world.service.lrs("epoch", "close")
    proofs = [
        {key: value for key, value in one.items() if key != "log"} for one in world.asking().certificates(erased)
    ]
    assert [one["certificate"] for one in proofs] == [1, 2]
    later = statement(ALAN, "experienced")
    world.asking().post(later)
    world.service.lrs("backup", "run")
    world.service.lrs("backup", "check", "--identity", str(world.identity))

    # Everything but the backups and the escrow is destroyed; then all is restored to that moment.
    on_postgres = world.place.database_url is not None
    destroy(world)
    for proof in proofs:  # offline: nothing of the installation is left
        file = tmp_path / f"certificate-{proof['certificate']}.json"
        file.write_text(json.dumps(proof))
        checked = Service(tmp_path / "nowhere").lrs("verify-certificate", str(file), "--key", proof["public_key"])
        assert checked["valid"] is True

    def again(data: Path) -> Settings:
        return unmigrated(data, databases) if on_postgres else Settings(data_dir=data)

    second = restored(world, moment, again)
    second.service.start()
    try:
        asking = second.asking()
        # Everybody else's records and reports are as they were at that moment.
        for who in (GRACE, ALAN):
            for one in second.statements[who["mbox"]]:
                assert came_back(one, asking.get(one).json())
            params = {"activityId": COURSE, "agent": json.dumps(who), "stateId": "bookmark"}
            assert asking.http.get(STATE, params=params).json() == {"page": 7}
        assert learned(asking) == [row for row in before if row["learner"]["mbox"] != ADA["mbox"]]
        assert asking.get(later).status_code == 404  # it was stored after the moment
        # The erased person is not there, and not in anybody's words.
        assert all(asking.get(one).status_code == 404 for one in second.statements[ADA["mbox"]])
        assert asking.found_by(ADA) == []
        assert asking.get(second.statements["taught"][0]).json()["context"]["instructor"] == PLACEHOLDER
        exported = second.service.lrs(
            "subject", "export", "--tenant", "acme", "--agent", json.dumps(ADA), "--out", str(tmp_path / "x.zip")
        )
        assert {name for name, count in exported["detail"]["held"].items() if count} <= {"parts"}  # of the package
        # The log is whole, and goes on.
        second.service.lrs("verify", "--tenant", "acme")
        new = statement(GRACE, "experienced")
        asking.post(new)
        assert came_back(new, asking.get(new).json())
    finally:
        second.stop()

    # The vault of the day before and every key file of that day, but for the epoch's, which was destroyed.
    today = {name: (second.place.keys / name).read_bytes() for name in ("root.key", "epoch-2.key", "ledger.jsonl")}
    destroyed = old.keys / "epoch-1.key"
    destroyed.unlink()
    _refuses(second, old, keys={path.name: path.read_bytes() for path in old.keys.iterdir() if path.is_file()})
    # The same, with its epoch number edited, and today's keys.
    _refuses(second, old, "UPDATE fence SET epoch = 2", keys=today)


def _refuses(world: World, old: OldVault, *edits: str, keys: dict[str, bytes]) -> None:
    """With this vault and these keys nothing is served."""
    place = world.place
    old.put_into(place)
    for path in place.keys.iterdir():
        path.unlink()
    for name, content in keys.items():
        (place.keys / name).write_bytes(content)
        (place.keys / name).chmod(0o600)
    for sql in edits:
        in_vault(place, sql)
    served = subprocess.run(
        [*LRS, "serve", "--port", "0"],
        env=world.service._environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (served.returncode, served.stdout) == (3, ""), served
    assert "vault-refused" in served.stderr
