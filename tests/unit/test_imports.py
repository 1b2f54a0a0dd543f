"""The import contracts catch what they should: each is broken once, in a copy, and must complain."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"

# file to break, line to add to it, words of the contract that must complain
VIOLATIONS = [
    ("lrs/domain/agents.py", "import lrs.ports", "cli -> bootstrap"),
    ("lrs/domain/agents.py", "import orjson", "the domain does no I/O"),
    ("lrs/domain/people.py", "import random", "the domain does no I/O"),
    ("lrs/domain/events.py", "import sqlite3", "the domain does no I/O"),
    ("lrs/ports/clock.py", "import fastapi", "FastAPI and uvicorn only in api"),
    ("lrs/retrieving.py", "import sqlite3", "database drivers"),
    ("lrs/recording/planning.py", "import cryptography", "database drivers"),
    ("retention/erasure.py", "import lrs.adapters.vault.vault", "never adapters"),
    ("api/xapi.py", "import lrs.adapters.clock", "never adapters"),
    ("lrs/projections/runner.py", "import lrs.reporting", "cli -> bootstrap"),
    ("lrs/adapters/clock.py", "import lrs.bootstrap", "cli -> bootstrap"),
    ("lrs/tenancy.py", "import api.app", "cli -> bootstrap"),
]


def _lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and their contracts, to be broken."""
    folder = tmp_path_factory.mktemp("copy")
    for package in ("lrs", "api", "retention"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_contracts_are_kept_as_it_stands(copy: Path) -> None:
    assert _lint(copy).returncode == 0


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS)
def test_a_violation_is_caught(copy: Path, file: str, line: str, contract: str) -> None:
    path = copy / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        done = _lint(copy)
    finally:
        path.write_text(before)
    assert done.returncode != 0
    broken = [text for text in done.stdout.splitlines() if "BROKEN" in text]
    assert any(contract in text for text in broken), done.stdout
