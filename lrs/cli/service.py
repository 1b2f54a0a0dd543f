"""``lrs serve``, ``lrs demo`` and ``lrs rebuild``."""

import gc
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from lrs import __version__
from lrs.bootstrap import System, build
from lrs.cli.demonstration import commands, prepare
from lrs.cli.logs import write_log_to_stderr
from lrs.cli.output import AsJson, exit_codes, opened_system, progress_bar, say, show, show_table
from lrs.cli.serving import serve as run_service
from lrs.cli.workers import Workers
from lrs.config import load_settings
from lrs.domain.errors import InvalidRequest
from lrs.projections.learning import LEARNING
from lrs.projections.rebuilding import rebuild as rebuild_view
from lrs.projections.runner import catch_up
from lrs.reporting import REPORTS


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (LRS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on (LRS_PORT).")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
) -> None:
    """Run the service."""
    with exit_codes():
        settings = load_settings(host=host, port=port)
        write_log_to_stderr()
        if workers == 1:
            run_service(build(settings), settings.host, settings.port, _say_ready)
            return
        build(settings).close()  # what would keep every worker from starting is said once, and here

        def work(listening: socket.socket, ready: Callable[[str], None]) -> None:
            run_service(build(settings), settings.host, settings.port, ready, listening)

        raise typer.Exit(Workers(work, settings.host, settings.port, workers).run(_say_ready))


def _say_ready(url: str) -> None:
    say(f"Lethe {__version__} is ready at {url}")


def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Folder of the demo, made once and reused.")] = Path("lrs-demo"),
) -> None:
    """A tenant with a cohort of 40 learners, and commands to try."""
    with exit_codes():
        settings = load_settings(data_dir=data_dir, host=host, port=port, public_url=f"http://{host}:{port}")
        write_log_to_stderr()
        system = build(settings)
        try:
            with progress_bar() as bar:
                task = bar.add_task("Filling the demo", total=None)
                made = prepare(system, lambda done, total: bar.update(task, completed=done, total=total))
                catch_up(system.tenants.store("demo"), system.opener)
        except BaseException:
            system.close()
            raise

        def ready(url: str) -> None:
            say(f"Lethe {__version__} is ready at {url}\n\n  key     {made.key}\n  secret  {made.secret}\n")
            for title, command in commands(url, made, data_dir):
                say(f"# {title}\n{command}\n")
            say("Ctrl-C ends it; the next `lrs demo` goes on with the same folder.")

        run_service(system, host, port, ready)


def rebuild(
    tenant: Annotated[str | None, typer.Option("--tenant", help="One tenant; else all.")] = None,
    view: Annotated[str | None, typer.Option("--view", help=f"One of {', '.join(REPORTS)}; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild report views from the log, beside the live ones, and swap them in."""
    with opened_system() as system:
        if view is not None and view not in REPORTS:
            raise InvalidRequest(f"--view: one of {', '.join(REPORTS)}")
        names = [system.tenants.check(tenant)] if tenant else [row.name for row in system.tenants.list()]
        gc.freeze()  # what is loaded stays: walking through it over and over took 4 us an event
        with progress_bar(hidden=as_json) as bar:
            same = {name: _rebuild(system, bar, name) for name in names}
        # The reports share their rows, so each is rebuilt with the other.
        rebuilt: list[dict[str, Any]] = [
            {"tenant": name, "view": one, "same": same[name]}
            for name in names
            for one in ([view] if view else REPORTS)
        ]
        shown = [[r["tenant"], r["view"], "same as before" if r["same"] else "changed"] for r in rebuilt]
        show(as_json, {"rebuilt": rebuilt}, lambda: show_table("Rebuilt", ["tenant", "view", "rows"], shown))


def _rebuild(system: System, bar: Progress, tenant: str) -> bool:
    task = bar.add_task(tenant, total=None)
    return rebuild_view(
        system.tenants.store(tenant),
        system.opener,
        LEARNING.name,
        lambda done, total: bar.update(task, completed=done, total=total),
    )
