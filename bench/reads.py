"""Retrieving over HTTP: one statement, pages of 100 by every filter, reports; one request after the other.

Beside the raw SELECT of as many consecutive rows by primary key from the same store, and a bare route that answers
as many bytes.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from bench.bare import sized
from bench.figures import Figure, milliseconds
from bench.load import PAGE, STATEMENTS_PATH, Reading, read
from bench.places import PAGE_ROWS
from bench.rig import Rig
from bench.statements import Json, statement_id, statements
from lrs.domain.instants import timestamp_text

GROUP: Final = "retrieve"
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "account")
_WARM = 30
Query = dict[str, Any]

# What each filter asks, of a statement that is there. The instructor is only related; the course is only grouped.
FILTERS: Final[dict[str, Callable[[Json], Query]]] = {
    "no filter": lambda _: {},
    "ascending": lambda _: {"ascending": "true"},
    "agent": lambda one: {"agent": _agent(one["actor"])},
    "verb": lambda one: {"verb": one["verb"]["id"]},
    "activity": lambda one: {"activity": one["object"]["id"]},
    "registration": lambda one: {"registration": one["context"]["registration"]},
    "related_agents": lambda one: {"agent": _agent(one["context"]["instructor"]), "related_agents": "true"},
    "related_activities": lambda one: {"activity": _grouping(one), "related_activities": "true"},
    "agent and verb": lambda one: {"agent": _agent(one["actor"]), "verb": one["verb"]["id"]},
}
REPORTS: Final[dict[str, Callable[[Json], Query]]] = {
    "a learner": lambda one: {"learner": _agent(one["actor"])},
    "an activity": lambda one: {"activity": one["object"]["id"]},
    "a cohort": lambda one: {"cohort": one["context"]["registration"]},
}


def reads(rig: Rig) -> list[Figure]:
    """The figures of retrieving."""
    random = Random(2)
    times = rig.scale.reads
    contents, numbers = some(rig, random, times)
    records = rig.stand.records()
    one_row = milliseconds(records.page_seconds(times, 1), 0.5)
    page_rows = milliseconds(records.page_seconds(times), 0.5)
    by_id = tuple(f"{STATEMENTS_PATH}?statementId={statement_id(number)}" for number in numbers)
    figures = [_figure(rig, "one by its id", by_id, {"select": one_row})]
    asked = {name: [make(one) for one in contents] for name, make in FILTERS.items()} | _times(rig, random)
    for name, queries in asked.items():
        figures.append(_figure(rig, f"page of {PAGE_ROWS}: {name}", pages(queries), {"select": page_rows}))
    for name, make in REPORTS.items():
        figures.append(_figure(rig, f"report of {name}", reports([make(one) for one in contents]), {}))
    return figures


def some(rig: Rig, random: Random, times: int) -> tuple[list[Json], list[int]]:
    """Statements from all over the log, and their numbers."""
    known = statements(rig.stand.wanted)
    numbers = [random.randrange(rig.stand.first, rig.stand.number) for _ in range(times)]
    return [known.content(one) for one in numbers], numbers


def pages(queries: list[Query]) -> tuple[str, ...]:
    """Paths of pages."""
    return tuple(f"{STATEMENTS_PATH}?{urlencode({'limit': PAGE_ROWS} | query)}" for query in queries)


def reports(queries: list[Query]) -> tuple[str, ...]:
    """Paths of reports."""
    return tuple(f"/reports/progress?{urlencode({'limit': PAGE_ROWS} | query)}" for query in queries)


def _times(rig: Rig, random: Random) -> dict[str, list[Query]]:
    """``since`` and ``until`` of statements all over the log."""
    records = rig.stand.records()
    last = records.last()
    # Not the very first and last: those pages would be empty.
    positions = [random.randint(last // 10 + 1, last * 9 // 10) for _ in range(rig.scale.reads)]
    moments = [timestamp_text(us) for us in records.stored_us(positions)]
    return {name: [{name: moment} for moment in moments] for name in ("since", "until")}


def _agent(agent: Json) -> str:
    """What identifies the agent, and no more."""
    return json.dumps({name: agent[name] for name in _IDENTIFIERS if name in agent})


def _grouping(statement: Json) -> str:
    return str(statement["context"]["contextActivities"]["grouping"][0]["id"])


def _figure(rig: Rig, name: str, paths: tuple[str, ...], floors: dict[str, float]) -> Figure:
    rig.read(name, paths[:_WARM])  # the first opens what is not cached yet: keys, statements of SQL
    sample, outcome = rig.read(name, paths)
    size = outcome.answer_bytes[PAGE] / len(paths)
    bare = rig.bare(name, 0.1, read, Reading(rig.shared.bare, (sized(size),) * len(paths)))
    p50 = milliseconds(sample.latencies, 0.5)
    return Figure(
        GROUP,
        name,
        p50,
        "ms",
        floors=floors | {"http": milliseconds(bare.latencies, 0.5)},
        p50_ms=p50,
        p99_ms=milliseconds(sample.latencies, 0.99),
        server_cpu_us=sample.server_cpu_us or None,
        store_cpu_us=sample.store_cpu_us or None,
        more={"statements_a_page": outcome.found / len(paths), "bytes_an_answer": size},
    )
