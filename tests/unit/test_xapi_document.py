"""docs/xapi.md says all there is: every route, every difference between the versions, every limit."""

from dataclasses import fields
from pathlib import Path

from api import bodies, reading, schema, xapi
from lrs import retrieving
from lrs.bootstrap import System
from lrs.cli.connections import HEAD_BYTES_MAX
from lrs.domain import documents, statements
from lrs.domain.agents import erased_placeholder
from lrs.domain.versions import VersionRules
from tests.subjects import inside

DOCUMENT = (Path(__file__).parents[2] / "docs" / "xapi.md").read_text()
SIZES = {"KiB": 1024, "MiB": 1024**2}


def rows(title: str) -> list[list[str]]:
    """The cells, without back-ticks, of the tables under a heading."""
    section = DOCUMENT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]


def test_every_route_of_xapi_is_listed(system: System) -> None:
    paths = inside(system).http.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    ours = {route for route in routes if " /xapi/" in route and "/xapi/1.0.3/" not in route}
    assert {row[0] for row in rows("Resources")[1:]} == ours


def test_every_difference_between_the_versions_is_listed() -> None:
    rules = {field.name for field in fields(VersionRules)} - {"timestamp_rule"}
    listed = {row[0] for row in rows("Differences between the versions")}
    assert rules <= listed
    assert {one for one in listed if "_" in one} <= rules


def test_every_limit_is_what_it_says() -> None:
    constants = {
        "body without attachments": bodies.BODY_BYTES_MAX,
        "one statement": bodies.STATEMENT_BYTES_MAX,
        "statements in a request": xapi.STATEMENTS_MAX,
        "statements on a page": retrieving.PAGE_MAX,
        "a page without `limit": retrieving.PAGE_DEFAULT,
        "members of a Group": schema.MEMBERS_MAX,
        "nesting of JSON": reading.DEPTH_MAX,
        "nesting inside extensions": statements.EXTENSION_DEPTH_MAX,
        "the id of an activity, in bytes": statements.ACTIVITY_ID_BYTES_MAX,
        "a document": documents.DOCUMENT_BYTES_MAX,
        "the id of a document, in bytes": documents.ID_BYTES_MAX,
        "request line and headers": HEAD_BYTES_MAX,
    }
    assert {what: in_bytes(limit) for what, limit in rows("Limits")[1:]} == constants


def in_bytes(text: str) -> int:
    number, _, unit = text.replace(",", "").partition(" ")
    return int(number) * SIZES.get(unit, 1)


def test_the_placeholder_is_the_one_that_is_used() -> None:
    shown = '{"objectType": "Agent", "account": {"homePage": "<LRS_PUBLIC_URL>/xapi/erased", "name": "erased"}}'
    assert shown in DOCUMENT
    assert str(erased_placeholder("<LRS_PUBLIC_URL>", group=False)).replace("'", '"') == shown
