"""Backup and restore as an operator meets them: the commands, their documents and exit codes, and the service."""

import json
import os
import subprocess
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lrs.adapters.objects.places import open_place
from lrs.cli.root import app
from retention.backup import layout
from tests.backups import Drill, new_drill
from tests.running import LRS, Service

SECONDS_MAX = 60


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    return new_drill(tmp_path, "sqlite", lambda: pytest.fail("no PostgreSQL is needed"))


@dataclass
class Operator:
    """Who runs commands in this process, with the settings of one installation."""

    data_dir: Path
    named: dict[str, str]
    monkeypatch: pytest.MonkeyPatch

    def lrs(self, *arguments: str, status: int = 0) -> Any:
        """A command's document."""
        self.monkeypatch.setattr("sys.argv", ["lrs", *arguments, "--json"])
        environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("LRS_")}
        done = CliRunner().invoke(
            app, [*arguments, "--json"], env=environment | self.named | {"LRS_DATA_DIR": str(self.data_dir)}
        )
        assert done.exit_code == status, (arguments, done.output, done.exception)
        return json.loads(done.stdout)

    def code(self, *arguments: str) -> str:
        """The code of a refusal."""
        return str(self.lrs(*arguments, status=3)["error"]["code"])


@pytest.fixture
def operator(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One of an installation that is backed up, with a tenant."""
    named = {f"LRS_{setting.upper()}": value for setting, value in drill.named().items()}
    made = Operator(drill.folder / "live" / "data", named, monkeypatch)
    made.data_dir.parent.mkdir()
    made.lrs("tenant", "create", "acme")
    return made


def test_the_commands_say_what_they_did_and_refuse_with_3(drill: Drill, operator: Operator) -> None:
    ran = operator.lrs("backup", "run")
    assert (ran["number"], ran["base"], ran["events"]) == (1, True, 1)
    again = operator.lrs("backup", "run")
    assert (again["number"], again["events"]) == (2, 0)
    checked = operator.lrs("backup", "check")
    assert (checked["number"], checked["restored"]) == (2, False)
    whole = operator.lrs("backup", "check", "--identity", str(drill.identity))
    assert (whole["number"], whole["restored"], whole["events"]) == (2, True, 1)

    source = ["--from", drill.backup_url, "--escrow", drill.escrow_url, "--identity", str(drill.identity)]
    new = replace(operator, data_dir=drill.folder / "new")
    assert new.code("restore", *source, "--at", "yesterday") == "request-invalid"
    # What was mistyped is said, and does not become a place.
    for option in ("--from", "--escrow"):
        nowhere = drill.folder / "nowhere"
        wrong = [str(nowhere) if before == option else one for before, one in pairwise(["", *source])]
        assert new.code("restore", *wrong) == "request-invalid"
        assert not nowhere.exists()
    restored = new.lrs("restore", *source)["restored"]
    assert (restored["tenants"], restored["number"]) == (1, 2)
    assert new.lrs("tenant", "list")["tenants"][0]["tenant"] == "acme"
    assert new.code("restore", *source) == "not-empty"
    # Nobody opens a place in which a restore was cut off.
    note = drill.folder / "new-keys" / "restore.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"finished": None}))
    assert new.code("tenant", "list") == "restore-unfinished"
    note.write_text("{")
    assert new.code("tenant", "list") == "restore-unfinished"

    damaged = max((drill.folder / "backup").glob("*/segments/control/*"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert operator.code("backup", "check") == "backup-invalid"
    third = replace(operator, data_dir=drill.folder / "third")
    assert third.code("restore", *source) == "backup-invalid"
    assert not third.data_dir.exists()


def test_what_is_missing_is_said(drill: Drill, operator: Operator) -> None:
    nothing = replace(operator, named={})
    assert nothing.code("backup", "run") == "request-invalid"
    assert nothing.code("backup", "check") == "request-invalid"
    no_recipient = replace(operator, named={"LRS_BACKUP_URL": drill.backup_url})
    assert no_recipient.code("backup", "run") == "request-invalid"
    assert (
        no_recipient.code("backup", "check", "--identity", str(drill.identity)) == "request-invalid"
    )  # no escrow
    assert operator.code("backup", "check", "--key", "abc") == "request-invalid"
    assert operator.code("backup", "run", "--every", "5") == "request-invalid"


def test_the_service_backs_up_by_itself_and_again_and_again_on_its_own(drill: Drill, operator: Operator) -> None:
    live = Service(operator.data_dir, environment=operator.named)
    live.start()
    place = open_place(drill.backup_url, "test")
    deadline = time.monotonic() + SECONDS_MAX
    while not any(layout.manifest_number(name) for name, _ in place.list()) and time.monotonic() < deadline:
        time.sleep(0.1)
    live.stop()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LRS_")}
    environment |= {"LRS_DATA_DIR": str(live.data_dir)} | live.environment
    command = [*LRS, "backup", "run", "--every", "1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.terminate()
    assert [line.split(" at ")[0] for line in lines] == ["Run 2", "Run 3"]
