"""What every command shares: the system, options, exit codes, and how things are shown."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer
from eventsourcing.persistence import PersistenceError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lrs.bootstrap import System, build
from lrs.config import load_settings
from lrs.domain.errors import InvalidRequest, LetheError, Refused

FAILED, REFUSED = 1, 3
# Failures of ours to the service's callers; the operator is asked to do something first.
_REFUSALS = frozenset({"vault-refused", "store-not-migrated", "backup-invalid", "restore-unfinished"})

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
TenantName = Annotated[str, typer.Option("--tenant", help="The tenant's name.")]
AgentJson = Annotated[str, typer.Option("--agent", help="An xAPI Agent in JSON.")]
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


@contextmanager
def opened_system(*, new: bool = False) -> Iterator[System]:
    """The system on the configured store, closed afterwards. Only a command that may begin an embedded store
    (``new``) makes one: a mistyped directory must not become an empty one."""
    with exit_codes():
        settings = load_settings()
        if settings.database_url is None and not new and not settings.data_dir.exists():
            raise InvalidRequest("there is no store in LRS_DATA_DIR: begin one with `lrs tenant create`")
        system = build(settings)
        try:
            yield system
        finally:
            system.close()


@contextmanager
def exit_codes() -> Iterator[None]:
    """Refusals and failures become one line (or document) and an exit code."""
    try:
        yield
    except Refused as error:
        _fail(REFUSED, error.code, str(error))
    except LetheError as error:
        _fail(REFUSED if error.code in _REFUSALS else FAILED, error.code, str(error))
    except PersistenceError as error:
        _fail(FAILED, "store-unavailable", f"the store can not be reached ({type(error).__name__})")
    except OSError as error:
        _fail(FAILED, "file-unavailable", f"a file can not be used: {error.strerror}")


def _fail(status: int, code: str, message: str) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(orjson.dumps({"error": {"code": code, "message": message}}).decode() + "\n")
    else:
        err.print(f"lrs: {message} [{code}]", markup=False, highlight=False)
    raise typer.Exit(status)


def show(as_json: bool, content: Any, tell: Callable[[], None]) -> None:
    """One JSON document, or what tells it to a person."""
    if as_json:
        sys.stdout.write(orjson.dumps(content, default=str).decode() + "\n")
    else:
        tell()


def show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table for a person."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def progress_bar(hidden: bool = False) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=hidden, transient=True)


def say(line: str) -> None:
    """A line on stdout at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
