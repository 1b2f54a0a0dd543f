"""``lrs demo``: a folder with a demo tenant and its cohort, made once, and what to try with it.

The time of making is kept with the keys, so that a demo that was interrupted while it was filled is filled to
the end by the next start: the same records are stored once.
"""

import base64
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from lrs import demo
from lrs.adapters.vault.files import write_new
from lrs.bootstrap import System
from lrs.demo.course import UNITS
from lrs.recording.drafts import Draft, exchange_draft, exchange_stream, statement_draft

_BATCH = 200
_SCOPES = ["all"]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The demo's credential and the time it was made for."""

    key: str
    secret: str
    made_at: datetime


def prepare(system: System, progress: Callable[[int, int], None]) -> Demonstration:
    """The demo tenant, filled. Quick when it is there already."""
    found = _load(system)
    if not any(row.name == demo.TENANT for row in system.tenants.list()):
        system.tenants.create(demo.TENANT)
    if found is None:
        issued = system.credentials.issue(demo.TENANT, _SCOPES)
        found = Demonstration(issued.row.key, issued.secret, datetime.now(UTC))
        content = {"key": found.key, "secret": found.secret, "made_at": found.made_at.isoformat()}
        write_new(_file(system), json.dumps(content).encode())
    _fill(system, found, progress)
    return found


def _file(system: System) -> Path:
    return system.settings.data_dir / "demo.json"


def _load(system: System) -> Demonstration | None:
    try:
        content = json.loads(_file(system).read_text())
        made_at = datetime.fromisoformat(content["made_at"])
        return Demonstration(content["key"], content["secret"], made_at)
    except FileNotFoundError:
        return None


def _fill(system: System, made: Demonstration, progress: Callable[[int, int], None]) -> None:
    drafts = list(_drafts(system, made))
    store = system.tenants.store(demo.TENANT)
    if drafts[-1].id in store.statements.by_ids([drafts[-1].id]):
        return
    done = 0
    for batch in _batched(drafts, _BATCH):
        system.recorder.record(demo.TENANT, batch).result()
        done += len(batch)
        progress(done, len(drafts))


def _drafts(system: System, made: Demonstration) -> Iterator[Draft]:
    row = system.control.credential(made.key)
    authority = row.id if row else UUID(int=0)
    url = system.settings.public_url
    for one in demo.statements(made.made_at):
        yield statement_draft(one, UUID(one["id"]), version="1.0.3", authority=authority, public_url=url)
    for one in demo.exchanges(made.made_at):
        stream = exchange_stream(one["id"])
        yield exchange_draft(one, one["id"], stream, authority=authority, public_url=url)


def _batched(drafts: Iterable[Draft], size: int) -> Iterator[list[Draft]]:
    rest = iter(drafts)
    while batch := list(islice(rest, size)):
        yield batch


def commands(url: str, made: Demonstration, data_dir: Path) -> list[tuple[str, str]]:
    """What to try, each with a command that works when pasted."""
    agent = json.dumps({"mbox": demo.PROTAGONIST["mbox"]})
    lrs = f"{shlex.quote(sys.executable)} -m lrs.cli"
    if Path(sys.argv[0]).name == "lrs":
        lrs = shlex.quote(str(Path(sys.argv[0]).absolute()))
    here = f"LRS_DATA_DIR={shlex.quote(str(data_dir.absolute()))} {lrs}"
    who = f"--tenant {demo.TENANT} --agent {shlex.quote(agent)}"
    get = _curl if shutil.which("curl") else _python
    return [
        (
            "Who has completed the first unit",
            get(f"{url}/reports/completion?activity={quote(UNITS[0].id)}&limit=5", made, {}),
        ),
        ("The same for a spreadsheet", get(f"{url}/reports/progress?format=csv", made, {})),
        (
            "What learners did last",
            get(f"{url}/xapi/statements?limit=2", made, {"X-Experience-API-Version": "1.0.3"}),
        ),
        (
            f"Everything held on {demo.PROTAGONIST['name']}, for that person to read",
            f"{here} subject export {who} --out ada.zip",
        ),
        (f"Forget {demo.PROTAGONIST['name']}, with a certificate", f"{here} subject erase {who}"),
        (
            "Nothing is left in the reports",
            get(f"{url}/reports/completion?learner={quote(agent)}", made, {}),
        ),
    ]


def _curl(url: str, made: Demonstration, headers: dict[str, str]) -> str:
    extra = "".join(f" -H '{name}: {value}'" for name, value in headers.items())
    return f"curl -s -u {made.key}:{made.secret}{extra} '{url}'"


def _python(url: str, made: Demonstration, headers: dict[str, str]) -> str:
    """For a machine without curl."""
    token = base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()
    sent: dict[str, Any] = {"Authorization": f"Basic {token}"} | headers
    request = f"u.Request({json.dumps(url)}, headers={json.dumps(sent)})"  # double quotes: the shell's are single
    code = f"import urllib.request as u; print(u.urlopen({request}).read().decode())"
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
