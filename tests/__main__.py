"""The whole check, one command: ``python -m tests``.

Lint, format, types, import contracts, then every test, with branch coverage of ``lrs/domain`` and ``retention``.
The same tests on PostgreSQL, and whole services under faults, run without it: it would double their time and see
no more.
Stops at the first step that fails. Arguments go to pytest.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
_FOLLOWED_NOWHERE = "postgres or e2e or bench"


def steps(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """Each step's name and command."""
    tool, pytest = str(Path(PYTHON).parent), ["-m", "pytest", "-n", "auto", "--dist", "worksteal"]
    return [
        ("lint", [PYTHON, "-m", "ruff", "check", "."]),
        ("format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
        ("types", [PYTHON, "-m", "mypy"]),
        ("imports", [f"{tool}/lint-imports"]),
        ("tests", [PYTHON, "-m", "coverage", "run", *pytest, "-k", f"not ({_FOLLOWED_NOWHERE})", *arguments]),
        ("combine", [PYTHON, "-m", "coverage", "combine", "--quiet"]),
        ("coverage", [PYTHON, "-m", "coverage", "report"]),
        ("tests on PostgreSQL", [PYTHON, *pytest, "-k", _FOLLOWED_NOWHERE, *arguments]),
    ]


def main() -> int:
    """The first failing step's exit code, else 0."""
    began = time.monotonic()
    for stale in ROOT.glob(".coverage*"):
        stale.unlink()
    for name, command in steps(sys.argv[1:]):
        print(f"--- {name}: {' '.join(Path(part).name for part in command[:4])}", flush=True)  # noqa: T201
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            print(f"--- {name} failed ({code})", flush=True)  # noqa: T201
            return code
    print(f"--- all passed in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
