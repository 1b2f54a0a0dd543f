"""The run as a person reads it: two tables a store; and as a program does: one JSON document."""

import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.figures import FLOORS, Figure, Stage
from bench.goals import Goal, goals_of, verdict
from bench.scale import Scale

# Wide enough for every column where the output is not a terminal.
_COLUMNS_MIN = 200


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured on one store."""

    store: str
    statements: int
    figures: Sequence[Figure]
    stages: Sequence[Stage]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    load = os.getloadavg()[0]
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "load_before": load,  # of others: on a busy machine only ratios and CPU times say anything
    }


def document(scale: Scale, on: dict[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """The run as JSON."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": on,
        "scale": asdict(scale),
        "floors": FLOORS,
        "stores": {run.store: _document(run) for run in runs},
    }


def _document(run: Run) -> dict[str, Any]:
    return {
        "statements": run.statements,
        "figures": [one.document() | _judged(run, one) for one in run.figures],
        "stages": [one.document() for one in run.stages],
    }


def _judged(run: Run, figure: Figure) -> dict[str, Any]:
    goals = goals_of(run.store, figure)
    return {"goals": [asdict(goal) for goal in goals], "reached": verdict(goals, figure, run.statements)}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the document; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def show(run: Run) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal or console.width < _COLUMNS_MIN:
        console = Console(width=_COLUMNS_MIN)
    console.print(_figures(run))
    if run.stages:
        console.print(_stages(run))


def _figures(run: Run) -> Table:
    title = f"{run.store}: figures beside their floors ({run.statements:,} statements at the end)"
    table = Table(title=title, title_justify="left")
    table.add_column("work", no_wrap=True)
    for name in ("figure", "p50 ms", "p99 ms", "CPU us", "store CPU us"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("floor", no_wrap=True)
    for name in ("is", "ratio", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reached", no_wrap=True)
    group = ""
    for one in run.figures:
        if one.group != group:
            table.add_section()
            group = one.group
        for row in _rows(run, one):
            table.add_row(*row)
    return table


def _rows(run: Run, one: Figure) -> Iterator[tuple[str, ...]]:
    """The figure with its first floor, then a line for every other."""
    goals = goals_of(run.store, one)
    times = (one.p50_ms, one.p99_ms, one.server_cpu_us, one.store_cpu_us)
    said = (one.name, f"{_number(one.value)} {one.unit}", *map(_number, times))
    own = [goal for goal in goals if goal.of not in FLOORS]
    for kind in one.floors or {"": 0.0}:
        of_floor = [goal for goal in goals if goal.of == kind]
        shown = own + of_floor
        floor = (FLOORS[kind], _number(one.floors[kind]), _ratio(one, kind)) if kind else ("", "", "")
        yield (*said, *floor, _text(shown), verdict(tuple(shown), one, run.statements))
        said, own = ("",) * 6, []


def _ratio(one: Figure, kind: str) -> str:
    ratio = one.ratios[kind]
    return f"{ratio:.3g} ({100 * (ratio - 1):+.0f} %)" if kind == "sealed" else f"{ratio:.3g}"


def _text(goals: Sequence[Goal]) -> str:
    return ", ".join(goal.text() for goal in goals)


def _stages(run: Run) -> Table:
    table = Table(title=f"{run.store}: what each stage of a POST costs, in one thread", title_justify="left")
    table.add_column("stage")
    table.add_column("CPU us a statement", justify="right")
    for one in run.stages:
        style = "dim" if one.indent else ""
        table.add_row("  " * one.indent + one.name, "  " * one.indent + f"{one.us:.1f}", style=style)
    return table


def _number(value: float | None) -> str:
    """Three digits that matter, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
