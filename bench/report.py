"""The run as a person reads it: two tables; and as a program does: one JSON document."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Stage
from bench.scale import Scale

# Wide enough for every column where the output is not a terminal.
_COLUMNS_MIN = 165


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


def document(
    scale: Scale, on: dict[str, Any], figures: Sequence[Figure], stages: Sequence[Stage]
) -> dict[str, Any]:
    """The run as JSON."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": on,
        "scale": asdict(scale),
        "figures": [one.document() for one in figures],
        "stages": [one.document() for one in stages],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the document; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def show(figures: Sequence[Figure], stages: Sequence[Stage]) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal or console.width < _COLUMNS_MIN:
        console = Console(width=_COLUMNS_MIN)
    console.print(_figures(figures))
    console.print(_stages(stages))


def _figures(figures: Sequence[Figure]) -> Table:
    table = Table(title="Figures beside their floors", title_justify="left")
    table.add_column("work", no_wrap=True)
    for name in ("figure", "p50 ms", "p99 ms", "server CPU us", "store floor", "ratio", "HTTP floor", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("wanted", no_wrap=True)
    group = figures[0].group
    for one in figures:
        if one.group != group:
            table.add_section()
            group = one.group
        table.add_row(
            one.name,
            f"{_number(one.value)} {one.unit}",
            _number(one.p50_ms),
            _number(one.p99_ms),
            _number(one.server_cpu_us),
            *(text for kind in ("store", "http") for text in _floor(one, kind)),
            one.wanted,
        )
    return table


def _floor(figure: Figure, kind: str) -> tuple[str, str]:
    if kind not in figure.floors:
        return "", ""
    return _number(figure.floors[kind]), f"{figure.ratios[kind]:.2f}"


def _stages(stages: Sequence[Stage]) -> Table:
    table = Table(title="What each stage of a POST costs", title_justify="left")
    table.add_column("stage")
    table.add_column("CPU us a statement", justify="right")
    for one in stages:
        style = "dim" if one.indent else ""
        table.add_row("  " * one.indent + one.name, "  " * one.indent + f"{one.us:.1f}", style=style)
    return table


def _number(value: float | None) -> str:
    """Three digits that matter, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
