"""A real service for tests: its own process, data directory and port, as an operator would start it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from lrs.cli.root import app
from lrs.config import Settings
from tests.places import environment

LRS = [sys.executable, "-m", "lrs.cli"]
READY_SECONDS_MAX = 30


def command(settings: Settings, *arguments: str, status: int = 0) -> Any:
    """Run a command with --json in this process, on the store that these settings name; its document."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lrs", *arguments, "--json"])
        for name in [name for name in os.environ if name.startswith("LRS_")]:
            patch.delenv(name)
        done = CliRunner().invoke(app, [*arguments, "--json"], env=environment(settings))
    assert done.exit_code == status, (arguments, done.exit_code, done.output, done.exception)
    return json.loads(done.stdout)


@dataclass
class Service:
    """A data directory and the process that serves it."""

    data_dir: Path
    process: "subprocess.Popen[str] | None" = None
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LRS_")}
        return kept | {"LRS_DATA_DIR": str(self.data_dir)} | self.environment

    @property
    def settings(self) -> Settings:
        """Those of its store: another process opens it by them."""
        given = {name.removeprefix("LRS_").lower(): value for name, value in self.environment.items()}
        return Settings.model_validate({"data_dir": self.data_dir} | given)

    def lrs(self, *arguments: str, status: int = 0) -> Any:
        """Run a command with --json on the same data directory; its document."""
        done = subprocess.run(
            [*LRS, *arguments, "--json"],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def start(self) -> None:
        """Serve on a free port; returns when the ready line was printed."""
        log = (self.data_dir.parent / "service.log").open("a")
        with log:
            self.process = subprocess.Popen(
                [*LRS, "serve", "--port", "0", *self.options],
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " is ready at " in line, (line, self.log())
        self.url = line.strip().rpartition(" ")[2]

    def log(self) -> str:
        """What the service wrote to stderr, over all its starts."""
        return (self.data_dir.parent / "service.log").read_text()

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        self.process.wait(READY_SECONDS_MAX)
        assert self.process.stdout is not None
        self.process.stdout.close()
        code = self.process.returncode
        self.process = None
        return code

    def credential(self, tenant: str, *scopes: str) -> tuple[str, str]:
        """A new key and secret."""
        arguments = [part for scope in scopes or ("all",) for part in ("--scope", scope)]
        made = self.lrs("credential", "create", "--tenant", tenant, *arguments)
        return made["key"], made["secret"]

    def client(self, auth: tuple[str, str], version: str = "1.0.3") -> httpx2.Client:
        """An HTTP client with the credential and the version header."""
        headers = {"X-Experience-API-Version": version}
        return httpx2.Client(base_url=self.url, auth=auth, headers=headers, timeout=60)
