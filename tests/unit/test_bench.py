"""The benchmark runs end to end on both stores and its figures are what they say."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bench import goals
from bench.connection import Request
from bench.figures import FLOORS, Figure, percentile
from bench.goals import Goal, verdict
from bench.ingest import LOADS, TYPICAL
from bench.load import MIXTURE, PAGE, POST, REPORT, Outcome
from bench.places import in_batches
from bench.reads import FILTERS, REPORTS
from bench.scale import MILLION
from bench.sealing import NAMES
from bench.serving import NEIGHBOUR, TENANT, stand_on
from bench.sqlite import SqlitePlace
from bench.statements import Statements, statement_id
from bench.unsealed import switch_off
from lrs.adapters.vault import dictionary, envelope
from lrs.domain.sealing import Category, Place

ROOT = Path(__file__).parent.parent.parent
STORES = ("sqlite", "postgres")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """What a quick run of both stores writes."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench", "--quick", "--dir", str(folder), "--out", str(folder / "run.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{store}: figures beside their floors" in done.stdout for store in STORES)
    assert [one.name for one in folder.iterdir()] == ["run.json"]  # the stores were removed
    document: Json = json.loads((folder / "run.json").read_text())
    return document


def figures(run: Json) -> Iterator[Json]:
    """Those of both stores."""
    for store in STORES:
        yield from run["stores"][store]["figures"]


def numbers(content: Any) -> Iterator[float]:
    """Every number in a JSON value."""
    if isinstance(content, dict):
        for value in content.values():
            yield from numbers(value)
    elif isinstance(content, list):
        for value in content:
            yield from numbers(value)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield content


def test_every_figure_of_a_run_is_above_zero(run: Json) -> None:
    for one in figures(run):
        # The kernel counts CPU time in steps of 10 ms: a few requests may take none. A gain may be a loss.
        counted = {name: value for name, value in one.items() if name not in {"more", "goals"}}
        assert list(numbers(counted)), one
        assert all(value > 0 for value in numbers(counted)), one
    assert all(one["us"] > 0 for store in STORES for one in run["stores"][store]["stages"])


def test_a_ratio_is_what_its_two_figures_say(run: Json) -> None:
    for one in figures(run):
        assert one["ratios"].keys() == one["floors"].keys() <= FLOORS.keys()
        for kind, ratio in one["ratios"].items():
            assert ratio == pytest.approx(one["value"] / one["floors"][kind])


@pytest.mark.parametrize("store", STORES)
def test_a_run_has_every_load_and_filter_beside_its_floors(run: Json, store: str) -> None:
    named = {(one["group"], one["name"]): one for one in run["stores"][store]["figures"]}
    for load in LOADS:
        assert named["record", load.name]["floors"].keys() == {"raw", "rows", "http"}
    pages = {f"page of 100: {name}" for name in (*FILTERS, "since", "until")}
    reports = {f"report of {name}" for name in REPORTS}
    assert {name for group, name in named if group == "retrieve"} == {"one by its id"} | pages | reports
    for name in pages:
        assert named["retrieve", name]["floors"].keys() == {"select", "http"}
    assert named["together", "mixed, 64 connections"]["floors"].keys() == {"http"}
    assert named["together", "a tenant's single POSTs beside a flood, p99"]["floors"].keys() == {"alone"}
    assert named["project", "catching up"]["floors"].keys() == {"select"}
    assert named["space", "disk, a statement"]["floors"].keys() == {"json"}
    for load in TYPICAL:
        assert named["record", f"{load.name}, not sealed, not compressed"]["floors"].keys() == {"sealed"}
        assert named["workers", f"{load.name}, 2 workers"]["floors"].keys() == {"one", "raw", "rows"}


def test_every_page_that_was_read_had_statements(run: Json) -> None:
    for one in figures(run):
        if one["group"] == "retrieve" and not one["name"].startswith("report"):
            assert one["more"]["statements_a_page"] >= 1, one


@pytest.mark.parametrize("store", STORES)
def test_every_goal_is_of_a_figure_that_is_measured(run: Json, store: str) -> None:
    measured = {one["name"] for one in run["stores"][store]["figures"]}
    measured |= {f"{load.name}, {name}" for load in TYPICAL for name in NAMES.values()}  # one where it is quick
    assert goals.named(store) <= measured
    assert sum(bool(one["goals"]) for one in run["stores"][store]["figures"]) >= 8


@pytest.mark.parametrize(
    ("goal", "statements", "expected"),
    [
        (Goal("raw", 2.5, at_least=True), 1, "yes"),
        (Goal("raw", 2.6, at_least=True), 1, "no"),
        (Goal("value", 10.0), 1, "yes"),
        (Goal("p99_ms", 6.9), 1, "no"),
        (Goal("value", 9.0, million=True), MILLION - 1, "(no)"),
        (Goal("value", 10.0, million=True), MILLION, "yes"),
    ],
)
def test_a_verdict_is_said_of_enough_statements_only(goal: Goal, statements: int, expected: str) -> None:
    figure = Figure("record", "x", 10.0, "a/s", {"raw": 4.0}, p50_ms=5.0, p99_ms=7.0)
    assert verdict((goal,), figure, statements) == expected
    assert verdict((), figure, statements) == ""


def test_the_same_number_is_the_same_statement_in_every_process() -> None:
    first, second = Statements(1), Statements(1)
    assert first.json(7) == second.json(7)
    assert json.loads(first.json(7))["id"] == statement_id(7) != statement_id(8)


def test_every_round_has_learners_of_its_own() -> None:
    known = Statements(2)
    people = [json.loads(known.json(number))["actor"] for number in known.one_of_each_learner()]
    assert len(people) == 80
    assert json.loads(known.newcomer(3))["actor"] not in people


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3), (0.99, 5), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile([5, 1, 3, 2, 4], share) == expected


def test_a_ratio_is_the_value_over_each_floor() -> None:
    assert Figure("record", "x", 10.0, "a/s", {"raw": 4.0, "http": 20.0}).ratios == {"raw": 2.5, "http": 0.5}


def test_a_mixed_load_is_80_15_and_5_percent() -> None:
    assert Counter(islice(cycle(MIXTURE), 200)) == {POST: 160, PAGE: 30, REPORT: 10}


def test_answers_are_counted_by_their_kind() -> None:
    outcome = Outcome(seconds=2.0)
    outcome.answered(Request(POST, b"", 10, 1_000), 0.5, b"[]")
    outcome.answered(Request(PAGE, b""), 0.25, b'{"stored":1}{"stored":2}')
    assert outcome.took == {POST: [0.5], PAGE: [0.25]}
    assert (outcome.rate, outcome.json_bytes, outcome.found) == (5.0, 1_000, 2)


def test_a_batch_of_the_same_rows_has_all_rows_of_its_statements_and_no_others() -> None:
    tables: dict[str, list[tuple[Any, ...]]] = {
        "event": [(position, 0, 1, bytes([position]), "t", b"") for position in (5, 3, 4)],
        "statement": [(3,), (4,), (5,), (6,)],
        "term": [(70, 3), (71, 3), (70, 5), (70, 9)],
        "voided": [(bytes([4]), None), (bytes([9]), None)],
    }
    first, second = in_batches(tables, 2)
    assert [row[0] for row in first["event"]] == [3, 4]
    assert (first["statement"], first["term"], first["voided"]) == (
        [(3,), (4,)],
        [(70, 3), (71, 3)],
        [(bytes([4]), None)],
    )
    assert (second["statement"], second["term"], second["voided"]) == ([(5,)], [(70, 5)], [])


@pytest.mark.parametrize("mode", ["seal", "all"])
def test_without_sealing_all_else_is_as_it_was(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (envelope, "_seal_one"),
        (envelope, "open_with"),
        (dictionary, "compress_all"),
        (dictionary, "decompress"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))  # put back afterwards
    key = envelope.DataKey(bytes(16), Category.LEARNING, bytes(32))
    other = envelope.DataKey(bytes(15) + b"1", Category.LEARNING, bytes(32))
    place, data = Place(UUID(int=1), 1, "body", "t"), b"what somebody wrote " * 20
    sealed = envelope.seal("acme", place, [key], data)
    switch_off(mode)
    left_open = envelope.seal("acme", place, [key], data)
    assert (data in left_open) == (mode == "all")
    assert (len(left_open) == len(sealed)) == (mode == "seal")
    assert envelope.kids_of(left_open) == (key.kid,)
    assert envelope.open_with("acme", place, left_open, key) == data
    shared = envelope.seal("acme", place, [key, other], data)
    assert envelope.open_with("acme", place, shared, other) == data


def test_a_store_that_was_kept_is_used_again(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "data")
    stand = stand_on(place, wanted=5)
    assert stand.keys.keys() == {TENANT, NEIGHBOUR}
    stand.recorded = stand.number = 7
    stand.keep()
    again = stand_on(place, wanted=9)
    assert (again.keys, again.recorded, again.number, again.wanted) == (stand.keys, 7, 7, 5)
