"""``lrs doctor``."""

import typer
from rich.table import Table

from lrs.bootstrap import examine
from lrs.cli.output import FAILED, AsJson, exit_codes, out, show
from lrs.config import load_settings
from lrs.domain.findings import Finding, Level

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def doctor(as_json: AsJson = False) -> None:
    """Look at the whole installation and say what to mend; exit 1 where a promise is broken now."""
    with exit_codes():
        found = examine(load_settings())
        content = [
            {"check": one.check, "level": one.level.value, "found": one.found, "do": one.do or None}
            for one in found
        ]
        show(as_json, {"findings": content}, lambda: _tell(found))
        if any(one.level is Level.FAIL for one in found):
            raise typer.Exit(FAILED)


def _tell(found: list[Finding]) -> None:
    table = Table("", "look", "found", "do", title="The installation", title_justify="left")
    for one in found:
        table.add_row(f"[{_COLOURS[one.level]}]{one.level}[/]", one.check, one.found, one.do)
    out.print(table)
