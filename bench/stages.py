"""What each stage of a POST costs a statement: the product's own functions, called one after the other.

In a batch of 100 and in one thread, where nothing waits for anything; learners are known and caches warm. Parts
of planning are called by themselves and once more as a whole: what the whole takes beyond them is its own row.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any, TypeVar
from uuid import UUID

import orjson
import uvloop

from api.shapes import check_statements
from bench.figures import Stage
from bench.floors import floors_of
from bench.places import Place as StorePlace
from bench.places import Tables
from bench.requests import Route
from bench.statements import Statements, statements
from lrs.bootstrap import System, build
from lrs.domain.sealing import Category, Place, Slot, period_of
from lrs.opening import BODY
from lrs.ports import Reading, TenantStore
from lrs.recording.drafts import Draft, statement_draft
from lrs.recording.planning import Plan, Planner
from lrs.sealed_bodies import pack

_TENANT = "acme"
_VERSION = "1.0.3"
_CHUNK = 100
_US_MIN = 0.1
_T = TypeVar("_T")


@dataclass(slots=True)
class Clock:
    """Microseconds a statement by stage, one value a chunk: computing time, which neighbours do not lengthen."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def time(self, name: str, work: Callable[[], _T]) -> _T:
        """Do the work and note what this process computed, and what it waited besides."""
        began, computed = perf_counter(), process_time()
        done = work()
        cpu = process_time() - computed
        waited = perf_counter() - began - cpu
        self.took[name].append(cpu * 1e6 / _CHUNK)
        self.took[f"{name}, waiting"].append(waited * 1e6 / _CHUNK)
        return done

    def us(self, name: str) -> float:
        """The median."""
        return median(self.took[name])


def ready() -> None:
    """Nothing: in the process that has answered, all is imported that systems are made of."""


def stages(place: StorePlace, rows: Tables, chunks: int, seconds: float) -> list[Stage]:
    """The table, of a store that nothing is in yet; to be run in a process of its own."""
    system = build(place.settings())
    try:
        system.tenants.create(_TENANT)
        known = statements(1)
        numbers = known.one_of_each_learner()
        system.recorder.record(_TENANT, [_draft(orjson.loads(known.json(one))) for one in numbers]).result()
        clock = Clock()
        for chunk in range(1, chunks + 1):
            _chunk(system, clock, known, len(numbers) + chunk * 10_000)
        _whole(system, clock, known, chunks)
        floors = floors_of(place, rows, _CHUNK, seconds)
        uvloop.run(_routes(clock, Route(system, _TENANT), known, chunks))
        return _table(clock, floors["raw"].server_cpu_us, floors["rows"].server_cpu_us)
    finally:
        system.close()


def _draft(statement: dict[str, Any]) -> Draft:
    return statement_draft(
        statement, UUID(statement["id"]), version=_VERSION, authority=UUID(int=1), public_url="http://localhost"
    )


def _chunk(system: System, clock: Clock, known: Statements, first: int) -> None:
    bodies = [known.json(first + number) for number in range(_CHUNK)]
    parsed = clock.time("orjson.loads", lambda: [orjson.loads(body) for body in bodies])
    clock.time("check_statement", lambda: check_statements(parsed, _VERSION))
    drafts = clock.time("statement_draft", lambda: [_draft(one) for one in parsed])
    store = system.tenants.store(_TENANT)
    reading = clock.time("reading the fence", lambda: system.vault.read(_TENANT))
    _planning_parts(clock, store, reading, drafts)
    planner = Planner(
        store=store,
        reading=reading,
        tenant_subject=system.vault.tenant_subject(_TENANT),
        at=datetime.now(UTC),
        known_agents={},
    )
    planner.plan(drafts)  # fills the table of known agents
    plan: Plan = clock.time("planning", lambda: planner.plan(drafts))
    application = system.tenants.application(_TENANT)
    clock.time("to stored events", lambda: [application.mapper.to_stored_event(one) for one in plan.events])
    rows = {"index": plan.index, "agents": plan.agents, "fence_sequence": plan.fence_sequence}
    clock.time("append", lambda: application.append(plan.events, **rows))


def _planning_parts(clock: Clock, store: TenantStore, reading: Reading, drafts: list[Draft]) -> None:
    mentions = [mention for draft in drafts for mention in draft.parts.mentions]
    found = clock.time("lookup", lambda: reading.enrol(one.identifier for one in mentions))
    clock.time("digest", lambda: [reading.digest(found[m.identifier], orjson.dumps(m.agent)) for m in mentions])
    clock.time("terms", lambda: [store.statements.term(*term) for draft in drafts for term in draft.terms])
    packed = clock.time("pack", lambda: [pack(draft.parts, draft.said_version) for draft in drafts])
    period = period_of(Category.LEARNING, datetime.now(UTC))
    owners = [found[draft.parts.mentions[0].identifier] for draft in drafts]
    places = [Place(draft.id, 1, BODY, "statement-recorded/1") for draft in drafts]
    reading.ensure(Slot(owner, Category.LEARNING, period) for owner in owners)

    def seal() -> None:
        for owner, place, data in zip(owners, places, packed, strict=True):
            reading.seal([owner], Category.LEARNING, period, place, data)

    clock.time("seal", seal)


def _whole(system: System, clock: Clock, known: Statements, chunks: int) -> None:
    """The recorder as a request meets it: queue, worker, settling, planning and the store."""
    for chunk in range(chunks):
        first = 10_000_000 + chunk * _CHUNK
        drafts = [_draft(orjson.loads(known.json(first + number))) for number in range(_CHUNK)]
        clock.time("record", partial(_record, system, drafts))


def _record(system: System, drafts: list[Draft]) -> list[UUID]:
    return system.recorder.record(_TENANT, drafts).result()


async def _routes(clock: Clock, route: Route, known: Statements, chunks: int) -> None:
    """The real application without a network and without a recorder: one statement, and a batch."""
    for chunk in range(chunks):
        bodies = [known.json(chunk * _CHUNK + number) for number in range(_CHUNK)]
        began = process_time()
        for body in bodies:
            await route.post(body)
        single = process_time()
        await route.post(b"[" + b",".join(bodies) + b"]")
        clock.took["route, single"].append((single - began) * 1e6 / _CHUNK)
        clock.took["route, batch"].append((process_time() - single) * 1e6 / _CHUNK)


def _table(clock: Clock, raw: float, rows: float) -> list[Stage]:
    checks = [Stage(name, clock.us(name)) for name in ("orjson.loads", "check_statement", "statement_draft")]
    checked = sum(one.us for one in checks)
    planning = [
        Stage(f"{name}{said}", clock.us(name), 1)
        for name, said in (
            ("lookup", " of identifiers"),
            ("digest", " of agents"),
            ("terms", " of the index"),
            ("pack", ": JSON of the body"),
            ("seal", ": zstd, AES-GCM"),
        )
    ]
    whole, append = clock.us("planning"), clock.us("append")
    mapping = clock.us("to stored events")
    recorded = clock.us("record")
    return [
        *checks,
        Stage("reading the fence, once a group", clock.us("reading the fence")),
        Stage("planning", whole),
        *planning,
        _rest("the rest of planning", whole, *(one.us for one in planning)),
        Stage("store append", append),
        Stage("to stored events", mapping, 1),
        Stage("raw bulk insert of rowid and bytes", raw, 1),
        _rest("raw insert of the other rows and indexes", rows, raw),
        _rest("the rest of the append", append, mapping, rows),
        replace(_rest("queue, worker thread, settling", recorded, whole, append), indent=0),
        Stage("waiting for disk and server in the append (not CPU)", clock.us("append, waiting")),
        replace(_rest("route and Basic auth, a batch of 100", clock.us("route, batch"), checked), indent=0),
        replace(_rest("route and Basic auth, a single one", clock.us("route, single"), checked), indent=0),
    ]


def _rest(name: str, whole: float, *parts: float) -> Stage:
    """What the whole takes beyond its parts. They were timed apart, so noise may leave nothing."""
    return Stage(name, max(_US_MIN, whole - sum(parts)), 1)
