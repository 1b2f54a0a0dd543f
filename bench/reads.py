"""Retrieving over HTTP: one statement, and pages of 100 by every filter, one request after the other.

Beside the raw SELECT of as many consecutive rows by primary key from the same file, and the bare route.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from bench.figures import Figure, milliseconds
from bench.floors import PAGE_ROWS
from bench.rig import Rig
from bench.statements import statement_id, statements
from lrs.domain.instants import timestamp_text

_PATH: Final = "/xapi/statements"
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "account")
_WANTED: Final = "p50 <= 5, p99 <= 25"
Json = dict[str, Any]

# What each filter asks, of a statement that is there. The instructor is only related; the course is only grouped.
_FILTERS: Final[dict[str, Callable[[Json], dict[str, str]]]] = {
    "no filter": lambda _: {},
    "agent": lambda one: {"agent": _agent(one["actor"])},
    "verb": lambda one: {"verb": one["verb"]["id"]},
    "activity": lambda one: {"activity": one["object"]["id"]},
    "registration": lambda one: {"registration": one["context"]["registration"]},
    "related_agents": lambda one: {"agent": _agent(one["context"]["instructor"]), "related_agents": "true"},
    "related_activities": lambda one: {
        "activity": one["context"]["contextActivities"]["grouping"][0]["id"],
        "related_activities": "true",
    },
}


def reads(rig: Rig) -> list[Figure]:
    """The figures of retrieving."""
    random = Random(2)
    times = rig.scale.reads
    known = statements(rig.scale.statements)
    numbers = [random.randrange(rig.first, rig.number) for _ in range(times)]
    asked = {name: [make(known.content(one)) for one in numbers] for name, make in _FILTERS.items()}
    asked |= _times(rig, random)
    task = rig.progress.add_task("retrieving", total=len(asked) + 2)
    bare = milliseconds(rig.read("bare", rig.bare, (_PATH,) * times)[0].latencies, 0.5)
    floors = {"store": milliseconds(rig.tenant_file.page_seconds(times, 1), 0.5), "http": bare}
    by_id = tuple(f"{_PATH}?statementId={statement_id(one)}" for one in numbers)
    figures = [_figure(rig, "one by its id", by_id, floors)]
    floors = {"store": milliseconds(rig.tenant_file.page_seconds(times), 0.5), "http": bare}
    for name, queries in asked.items():
        rig.progress.advance(task)
        paths = tuple(f"{_PATH}?{urlencode({'limit': PAGE_ROWS} | query)}" for query in queries)
        figures.append(_figure(rig, f"page of {PAGE_ROWS}: {name}", paths, floors))
    rig.progress.remove_task(task)
    return figures


def _times(rig: Rig, random: Random) -> dict[str, list[dict[str, str]]]:
    """``since`` and ``until`` of statements all over the log."""
    last = rig.tenant_file.last()
    # Not the very first and last: those pages would be empty.
    positions = [random.randint(last // 10 + 1, last * 9 // 10) for _ in range(rig.scale.reads)]
    moments = [timestamp_text(us) for us in rig.tenant_file.stored_us(positions)]
    return {name: [{name: moment} for moment in moments] for name in ("since", "until")}


def _agent(agent: Json) -> str:
    """What identifies the agent, and no more."""
    return json.dumps({name: agent[name] for name in _IDENTIFIERS if name in agent})


def _figure(rig: Rig, name: str, paths: tuple[str, ...], floors: dict[str, float]) -> Figure:
    rig.read(name, rig.target, paths[:2])  # the first opens what is not cached yet: keys, statements of SQL
    outcome, cpu = rig.read(name, rig.target, paths)
    p50 = milliseconds(outcome.latencies, 0.5)
    return Figure(
        "retrieve",
        name,
        p50,
        "ms",
        floors=floors,
        p50_ms=p50,
        p99_ms=milliseconds(outcome.latencies, 0.99),
        server_cpu_us=cpu,
        more={
            "statements_a_page": outcome.found / len(paths),
            "bytes_an_answer": outcome.answer_bytes / len(paths),
        },
        wanted=_WANTED if "page" in name else "",
    )
