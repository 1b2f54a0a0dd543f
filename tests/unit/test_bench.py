"""The benchmark runs end to end and its figures are what they say."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.figures import Figure, percentile
from bench.ingest import LOADS
from bench.statements import Statements, statement_id

ROOT = Path(__file__).parent.parent.parent
Json = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """What a quick run writes."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench", "--quick", "--dir", str(folder), "--out", str(folder / "run.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Figures beside their floors" in done.stdout
    assert [one.name for one in folder.iterdir()] == ["run.json"]  # the store was removed
    document: Json = json.loads((folder / "run.json").read_text())
    return document


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
    for one in run["figures"]:
        # The kernel counts CPU time in steps of 10 ms: a few requests may take none. An indentation may be 0.
        counted = {name: value for name, value in one.items() if name not in {"server_cpu_us", "more"}}
        assert list(numbers(counted)), one
        assert all(value > 0 for value in numbers(counted)), one
    assert all(one["us"] > 0 for one in run["stages"])


def test_a_ratio_is_what_its_two_figures_say(run: Json) -> None:
    for one in run["figures"]:
        assert one["ratios"].keys() == one["floors"].keys()
        for kind, ratio in one["ratios"].items():
            assert ratio == pytest.approx(one["value"] / one["floors"][kind])


def test_a_run_has_every_load_and_filter_beside_its_floors(run: Json) -> None:
    figures = {(one["group"], one["name"]): one for one in run["figures"]}
    for load in LOADS:
        assert figures["record", load.name]["floors"].keys() == {"store", "http"}
    pages = {name for group, name in figures if group == "retrieve"}
    wanted = ("no filter", "agent", "verb", "activity", "registration", "related_agents", "related_activities")
    assert pages == {"one by its id"} | {f"page of 100: {name}" for name in (*wanted, "since", "until")}
    assert figures["project", "catching up, all views"]["floors"].keys() == {"store"}
    assert figures["space", "disk, a statement"]["floors"].keys() == {"store"}


def test_every_page_that_was_read_had_statements(run: Json) -> None:
    for one in run["figures"]:
        if one["group"] == "retrieve":
            assert one["more"]["statements_a_page"] >= 1, one


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
    assert Figure("record", "x", 10.0, "a/s", {"store": 4.0, "http": 20.0}).ratios == {"store": 2.5, "http": 0.5}
