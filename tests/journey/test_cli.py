"""The command line as an operator uses it, while the service runs on the same data directory."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from lrs.bootstrap import System
from lrs.cli.root import app
from tests.running import LRS, Service

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LRS_")}


def test_commands_change_what_the_running_service_does(service: Service) -> None:
    auth = service.credential("acme")
    with service.client(auth) as client:
        assert client.get("/xapi/statements").status_code == 200
        service.lrs("credential", "revoke", auth[0], "--tenant", "acme")
        assert client.get("/xapi/statements").status_code == 401
    service.lrs("tenant", "create", "globex")
    with service.client(service.credential("globex")) as client:
        assert client.get("/xapi/statements").json() == {"statements": [], "more": ""}
    service.lrs("tenant", "delete", "globex", "--yes")
    assert [row["tenant"] for row in service.lrs("tenant", "list")["tenants"]] == ["acme"]


def test_a_key_and_a_secret_can_be_pasted_into_any_command(system: System) -> None:
    """What begins with a hyphen would be an option."""
    system.tenants.create("globex")
    issued = [system.credentials.issue("globex", ["all"]) for _ in range(20)]
    assert all(re.fullmatch("[0-9a-f]{24} [0-9a-f]{64}", f"{one.row.key} {one.secret}") for one in issued)


def test_a_deleted_tenant_is_gone_and_its_name_is_free_again(service: Service) -> None:
    auth = service.credential("acme")
    statement = {
        "actor": {"mbox": "mailto:ann@example.org"},
        "verb": {"id": "http://example.org/did"},
        "object": {"id": "http://example.org/it"},
    }
    with service.client(auth) as client:
        assert client.post("/xapi/statements", json=statement).status_code == 200
        service.lrs("tenant", "delete", "acme", "--yes")
        assert client.get("/xapi/statements").status_code == 401
    service.lrs("tenant", "create", "acme")
    with service.client(service.credential("acme")) as client:
        assert client.get("/xapi/statements").json()["statements"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["tenant", "create", "Not A Name"], 3, "request-invalid"),
        (["tenant", "create", "acme"], 3, "already-exists"),
        (["tenant", "delete", "acme"], 3, "request-invalid"),
        (["tenant", "delete", "nobody", "--yes"], 3, "not-found"),
        (["credential", "create", "--tenant", "nobody"], 3, "not-found"),
        (["credential", "create", "--tenant", "acme", "--scope", "everything"], 3, "request-invalid"),
        (["credential", "revoke", "unknown"], 3, "not-found"),
        (["subject", "erase", "--tenant", "acme", "--agent", "{}"], 3, "statement-invalid"),
        (["subject", "erase", "--tenant", "acme", "--agent", "no json"], 3, "request-invalid"),
        (["subject", "erase", "--tenant", "nobody", "--agent", '{"mbox":"mailto:a@b.org"}'], 3, "not-found"),
        (["rebuild", "--view", "nothing"], 3, "request-invalid"),
        (["verify-certificate", "/nonexistent", "--key", "x"], 3, "request-invalid"),
    ],
)
def test_what_is_refused_says_so_in_one_document(
    tmp_path: Path, arguments: list[str], status: int, code: str
) -> None:
    service = Service(tmp_path / "data")
    service.lrs("tenant", "create", "acme")
    assert service.lrs(*arguments, status=status)["error"]["code"] == code


def test_a_mistyped_directory_is_refused_and_stays_absent(tmp_path: Path) -> None:
    service = Service(tmp_path / "nothing-here")
    assert service.lrs("tenant", "list", status=3)["error"]["code"] == "request-invalid"
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_ends_with_2() -> None:
    assert CliRunner().invoke(app, ["serve", "--port", "many"]).exit_code == 2
    assert CliRunner().invoke(app, ["nothing"]).exit_code == 2


def test_every_command_has_help_with_an_example() -> None:
    pages = [["serve"], ["demo"], ["migrate"], ["rebuild"], ["verify-certificate"]]
    pages += [["tenant", name] for name in ("create", "list", "delete")]
    pages += [["credential", name] for name in ("create", "list", "revoke")]
    pages += [["subject", name] for name in ("export", "erase", "certificates")]
    pages += [["epoch", "close"]]
    for page in pages:
        assert "Example: " in CliRunner().invoke(app, [*page, "--help"]).output, page


def test_the_key_directory_may_not_lie_inside_the_data(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", environment={"LRS_KEY_DIR": str(tmp_path / "data" / "keys")})
    assert service.lrs("tenant", "create", "acme", status=3)["error"]["code"] == "request-invalid"


def test_a_database_that_would_not_be_used_is_refused(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", environment={"LRS_DATABASE_URL": "postgresql://db.example.org/lrs"})
    assert service.lrs("tenant", "create", "acme", status=3)["error"]["code"] == "request-invalid"
    assert not (tmp_path / "data").exists()


def test_settings_come_from_a_file_and_the_environment_wins(tmp_path: Path) -> None:
    config = tmp_path / "lethe.toml"
    config.write_text(f'data_dir = "{tmp_path}/elsewhere"\nkey_dir = "{tmp_path}/keys"\n')
    service = Service(tmp_path / "data", environment={"LRS_CONFIG": str(config)})
    service.lrs("tenant", "create", "acme")
    assert (tmp_path / "data" / "vault.db").exists()
    assert (tmp_path / "keys" / "root.key").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_the_service_ends_cleanly_on_sigterm_and_on_ctrl_c(service: Service) -> None:
    assert service.stop() == 0
    service.start()
    assert service.process is not None
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(20) == 0
    assert "Traceback" not in service.log()


@contextmanager
def _demo(folder: Path) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """A running demo and what it printed."""
    process = subprocess.Popen(
        [*LRS, "demo", "--port", "0", "--data-dir", str(folder / "lrs-demo")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("Ctrl-C"):
            break
    try:
        yield process, printed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _credential(printed: str) -> tuple[str, str]:
    key, secret = re.findall(r"^  (?:key|secret) +(\S+)$", printed, re.MULTILINE)
    return key, secret


def _learners(printed: str) -> int:
    url = printed.splitlines()[0].rpartition(" ")[2]
    answer = httpx2.get(f"{url}/reports/completion?limit=10000", auth=_credential(printed), timeout=60)
    return len({json.dumps(row["learner"]) for row in answer.json()["rows"]})


def test_every_command_that_the_demo_prints_works_and_a_restart_goes_on(tmp_path: Path) -> None:
    with _demo(tmp_path) as (process, printed):
        assert _learners(printed) == 40
        answers = _run_printed(printed, tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert '"completion":true' in answers[0]
    assert answers[1].startswith("learner_name,")
    assert '"statements":[' in answers[2]
    assert "Written to ada.zip: 75 statements, 32 exchanges" in answers[3]
    assert (tmp_path / "ada.zip").stat().st_size > 10_000
    assert "lethe/erasure-certificate/1" in answers[4]
    assert '"rows":[]' in answers[5]
    with _demo(tmp_path) as (_, again):
        assert _credential(again) == _credential(printed)
        assert _learners(again) == 39


def _run_printed(printed: str, folder: Path) -> list[str]:
    starts = ("curl", "LRS_", shlex.quote(sys.executable))
    commands = [line for line in printed.splitlines() if line.startswith(starts)]
    assert len(commands) == 6
    answers = []
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        answers.append(done.stdout)
    return answers


def test_a_demo_killed_while_it_is_filled_is_filled_by_the_next_start(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*LRS, "demo", "--port", "0", "--data-dir", str(tmp_path / "lrs-demo")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    while not (tmp_path / "lrs-demo" / "demo.json").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(0.1)
    process.kill()
    process.wait()
    with _demo(tmp_path) as (_, printed):
        assert _learners(printed) == 40
