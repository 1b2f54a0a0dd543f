"""``lrs retention``."""

from typing import Annotated

import typer

from lrs.cli.output import AsJson, opened_system, progress_bar, show, show_table

retention = typer.Typer(help="How long things are kept.", no_args_is_help=True)


@retention.command("run", epilog="Example: lrs retention run --dry-run")
def run_retention(
    tenant: Annotated[str | None, typer.Option("--tenant", help="One tenant; else all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and leave it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy the keys of periods that tenants keep no longer. The service does it once a day by itself."""
    with opened_system() as system:
        names = [system.tenants.check(tenant)] if tenant else [row.name for row in system.tenants.list()]
        work = system.expirer.due if dry_run else system.expirer.run
        with progress_bar(hidden=as_json) as bar:
            found = [due.facts() for name in bar.track(names, description="Tenants") for due in work(name)]
        rows = [[str(value) for value in one.values()] for one in found]
        title = "Would expire" if dry_run else "Expired"
        columns = ["tenant", "category", "period", "subjects", "keys", "records"]
        show(as_json, {"dry_run": dry_run, "expired": found}, lambda: show_table(title, columns, rows))
