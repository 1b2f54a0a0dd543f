"""docs/reference.md says all there is: every setting, route, error code, event topic, scope and command."""

import re
from pathlib import Path

import typer
from eventsourcing.domain import CanMutateAggregate

from api.problems import STATUS
from lrs.application import AGGREGATES, DOCUMENT_EVENTS, HOT_EVENTS, LOG_EVENTS
from lrs.bootstrap import System
from lrs.cli.root import app
from lrs.config import Settings
from lrs.domain import errors
from lrs.domain.access import Scope
from lrs.domain.sealing import Category
from retention.erasure import ErasureIncomplete
from tests.subjects import inside

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()


def _rows(title: str) -> set[str]:
    """The first cells, without back-ticks, of the table under a heading."""
    section = REFERENCE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return set(_first_cells(section)[2:])


def _first_cells(text: str) -> list[str]:
    return [line.split("|")[1].strip().strip("`") for line in text.splitlines() if line.startswith("| ")]


def _subclasses(kind: type[errors.LetheError]) -> set[type[errors.LetheError]]:
    below: set[type[errors.LetheError]] = set(kind.__subclasses__())
    return below | {one for child in below for one in _subclasses(child)}


def test_no_row_of_a_table_stands_twice() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", REFERENCE, re.MULTILINE):
        cells = _first_cells(table)
        assert {cell for cell in cells if cells.count(cell) > 1} == set()


def test_every_setting_is_listed() -> None:
    assert _rows("Settings") == {f"LRS_{name.upper()}" for name in Settings.model_fields} | {"LRS_CONFIG"}


def test_every_error_code_is_listed() -> None:
    assert ErasureIncomplete in _subclasses(errors.LetheError)
    ours = [kind for kind in _subclasses(errors.LetheError) if kind.__module__.startswith(("lrs", "retention"))]
    elsewhere = {"method-not-allowed", "file-unavailable"}  # said by the web framework, by the command line
    assert _rows("Error codes") == {kind.code for kind in ours} | elsewhere
    assert set(STATUS) <= set(ours)


def test_every_topic_is_listed() -> None:
    topics = {*HOT_EVENTS, *DOCUMENT_EVENTS, *LOG_EVENTS}
    for aggregate in AGGREGATES:
        for one in vars(aggregate).values():
            topic = getattr(one, "TOPIC", None)
            if topic and issubclass(one, CanMutateAggregate):
                topics.add(topic)
    assert _rows("Event topics") == topics


def test_every_scope_and_category_is_listed() -> None:
    assert _rows("Scopes") == {scope.value for scope in Scope}
    assert _rows("Keys") == {category.value for category in Category}


def test_every_command_is_listed() -> None:
    root = typer.main.get_command(app)
    names = set()
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        names |= {f"lrs {name} {child}" for child in children} if children else {f"lrs {name}"}
    assert _rows("Commands") == names


def test_every_route_is_listed(system: System) -> None:
    paths = inside(system).http.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert _rows("Routes") == {route for route in routes if "/xapi/1.0.3/" not in route}
