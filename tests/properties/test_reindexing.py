"""What stands beside a log comes out of it again: whatever happened in whatever order, the store that got the same
events and was reindexed is the store that there was, table by table, and answers the same."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lrs.adapters.sql.references import NONE, WAITING
from lrs.adapters.sql.statements import blind_of
from lrs.bootstrap import System, build
from lrs.domain.agents import identifier_of
from lrs.domain.documents import Method, Resource
from lrs.domain.errors import EventCorrupt
from lrs.domain.policies import Policy
from lrs.domain.sealing import Category
from lrs.domain.statements import VOIDED
from lrs.opening import Opener
from lrs.ports import TenantStore
from lrs.projections.rebuilding import rebuild
from lrs.projections.runner import catch_up
from lrs.recording.drafts import statement_draft
from lrs.reindexing.records import Records
from lrs.reindexing.tenants import Reindexed, Reindexer
from lrs.retrieving import Query, Retriever
from lrs.tenancy import Tenants
from tests.contract.conftest import BACKENDS, Backend, address_of
from tests.histories import (
    COURSE,
    GROUP,
    HISTORIES,
    PEOPLE,
    History,
    Operation,
    SetClock,
    dump,
    recording_at,
    views,
)
from tests.places import PUBLIC_URL, STORES, Rows, new_place, tenant_rows
from tests.postgres import Databases
from tests.subjects import agent


class Crash(Exception):
    """A process that ends."""


@dataclass
class Twice:
    """A system, and a place for the stores of its tenants to be made again from their events."""

    system: System
    elsewhere: Backend
    stores: Any

    def copied(
        self, tenant: str, on_the_way: Callable[[tuple[Any, ...]], tuple[Any, ...]] = lambda row: row
    ) -> TenantStore:
        """A store with the tenant's events, its key for terms, and nothing else."""
        store: Any = self.elsewhere.open(tenant)
        rows = self.rows(tenant)
        ((key,),) = rows("SELECT value FROM setting WHERE name = 'term-key'")
        self.elsewhere.rows(tenant, "UPDATE setting SET value = ? WHERE name = 'term-key'", (bytes(key),))
        events = [on_the_way(row) for row in rows("SELECT * FROM event ORDER BY position")]
        if events:
            sql = f"INSERT INTO event VALUES {','.join(['(?,?,?,?,?,?)'] * len(events))}"
            self.elsewhere.rows(tenant, sql, [one for row in events for one in row])
        store.statements = type(store.statements)(store._database, blind_of(store._database))
        copied: TenantStore = store
        return copied

    def rows(self, tenant: str) -> Callable[[str], Rows]:
        """Looks into the live store."""
        return lambda sql: tenant_rows(self.system.settings, tenant, sql)

    def tenants(self) -> Tenants:
        """The tenants, with their stores elsewhere."""
        system = self.system
        return Tenants(system.control, self.stores, system.vault, system.tenants._clock)

    def reindexer(self) -> Reindexer:
        """Reindexes what is elsewhere."""
        vault, opener = self.system.vault, Opener(self.system.vault, PUBLIC_URL)
        return Reindexer(self.tenants(), vault, Records(vault, opener, self.system.credentials.seeing_only_own))


@pytest.fixture(scope="module", params=STORES)
def twice(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[Twice]:
    """One for all examples; each has a tenant of its own."""
    folder = tmp_path_factory.mktemp("reindexing")
    system = build(new_place(request.param, folder / "data", postgres))
    address = address_of(request.param, folder / "elsewhere", postgres)
    backend: Any = BACKENDS[request.param](address, system.tenants._clock.now)
    yield Twice(system, backend, backend._stores if request.param == "sqlite" else backend.stores)
    backend.close()
    system.close()


NAMES = (f"example-{number}" for number in count())


def reindexed(twice: Twice, tenant: str, events: int, crash: int | None = None) -> Reindexed:
    """Reindex in stretches of so many events; with ``crash``, a process first dies at that report of progress."""
    heard = count()

    def progress(_done: int, _total: int) -> None:
        if crash is not None and next(heard) == crash:
            raise Crash

    try:
        return twice.reindexer().reindex(tenant, progress, events=events)
    except Crash:
        return twice.reindexer().reindex(tenant, events=events)


def check(twice: Twice, happened: list[Operation], events: int, crash: int | None = None) -> Reindexed:
    """Let it happen, reindex a copy, compare."""
    history = History.begin(twice.system, next(NAMES))
    history.do(happened)
    history.fold()
    tenant = history.tenant
    store = twice.copied(tenant)
    found = reindexed(twice, tenant, events, crash)
    assert found.corrupt == ()
    same(twice, history, store)
    beside, live = history.finished_beside(), views(history.store)
    assert beside in (None, live["learning"])
    assert rebuild(history.store, twice.system.opener, "learning")
    assert views(history.store) == live
    history.recorder.close()
    twice.system.tenants.delete(tenant)
    return found


def same(twice: Twice, history: History, store: TenantStore) -> None:
    """The live store and the one that was made again are one."""
    tenant = history.tenant
    live = dump(twice.rows(tenant))
    again = dump(lambda sql: twice.elsewhere.rows(tenant, sql))
    for table, rows in live.items():
        assert again[table] == rows, table
    # Who referred to something and was erased since is not seen to have referred: less may be known of references.
    ((stored, linked),) = twice.rows(tenant)("SELECT stored, linked FROM head")
    ((stored_again, linked_again),) = twice.elsewhere.rows(tenant, "SELECT stored, linked FROM head")
    assert stored_again <= stored
    assert linked_again <= linked
    absent = "SELECT r.target FROM reference r LEFT JOIN event e ON e.originator_id = r.target"
    waiting = twice.elsewhere.rows(tenant, f"{absent} WHERE e.position IS NULL")
    assert (linked_again == WAITING) is bool(waiting)
    assert (linked_again == NONE) is (again["reference"] == [])
    expiries = "SELECT * FROM tracking WHERE application_name NOT LIKE '%@%' ORDER BY 1"
    assert twice.elsewhere.rows(tenant, expiries) == twice.rows(tenant)(expiries)
    assert store.statements.head().position == history.store.statements.head().position
    catch_up(store, twice.system.opener)
    assert views(store) == views(history.store)
    system = twice.system
    retriever = Retriever(twice.tenants(), system.vault, system.opener, system.tenants._clock)
    for query in history.queries():
        assert answer(retriever, tenant, query) == answer(system.retriever, tenant, query), query


def answer(retriever: Retriever, tenant: str, query: Query) -> list[Any]:
    return retriever.page(tenant, query).statements


def about(number: int, target: int, verb: str = VOIDED, who: str = "ada") -> Operation:
    said = {"actor": agent(who), "verb": {"id": verb}, "object": {"objectType": "StatementRef", "id": target}}
    return "record", [(number, said, {"files": [], "narrow": False})]


def plain(number: int, who: str = "ada", files: tuple[bool, ...] = (), **more: Any) -> Operation:
    said = {"actor": agent(who), "verb": {"id": "http://example.com/verbs/did"}, "object": {"id": "http://a.b/c"}}
    return "record", [(number, said | more, {"files": list(files), "narrow": True})]


CONFIRMED = "http://example.com/verbs/confirmed"
DONE = "http://adlnet.gov/expapi/verbs/completed"
HOW: dict[str, Any] = {"files": [], "narrow": False}


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(happened=HISTORIES, events=st.integers(1, 12), crash=st.none() | st.integers(0, 12))
# A chain whose parts come in the wrong order, a voiding of a voiding before and after it; then who was in the
# middle is erased, and somebody refers to a statement in which an erased person has a part.
@example(
    happened=[
        about(0, 1, CONFIRMED, "grace"),
        about(1, 2, CONFIRMED, "alan"),
        plain(2, context={"instructor": agent("grace")}, files=(False, True)),
        about(3, 4),
        about(4, 2),
        about(5, 4, who="alan"),
        ("erase", 0),
        about(6, 2, CONFIRMED, "alan"),
        about(7, 9, CONFIRMED, "alan"),
        ("erase", 2),
    ],
    events=3,
    crash=2,
)
# Two years of three people, together and alone. One year expires, but of one of them, who is held; then the others
# are erased, and what she still keeps open stays; then she is held no more.
@example(
    happened=[
        ("year", 2021),
        plain(0, actor=GROUP, files=(False, True)),
        plain(1, "grace", files=(False,)),
        plain(2, "ada", object={"id": COURSE}),
        about(3, 0, CONFIRMED, "alan"),
        ("exchange", "ada"),
        ("fold", None),
        ("beside", 3),
        ("year", 2022),
        plain(4, "ada", object={"id": COURSE}),
        about(5, 0, CONFIRMED, "alan"),
        about(6, 1, VOIDED, "ada"),
        ("hold", "grace"),
        ("expire", (Category.LEARNING, 2021)),
        ("expire", (Category.EXCHANGE, 2022)),
        ("expire", (Category.ATTACHMENTS, 2021)),
        about(7, 0, CONFIRMED, "alan"),
        ("erase", 0),
    ],
    events=4,
    crash=None,
)
def test_a_store_that_is_made_again_from_its_events_is_the_store_that_there_was(
    twice: Twice, happened: list[Operation], events: int, crash: int | None
) -> None:
    check(twice, happened, events, crash)


@pytest.mark.full
@pytest.mark.timeout(3_600)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(happened=HISTORIES, events=st.integers(1, 12), crash=st.none() | st.integers(0, 12))
def test_a_store_that_is_made_again_from_its_events_is_the_store_that_there_was_for_long(
    twice: Twice, happened: list[Operation], events: int, crash: int | None
) -> None:
    check(twice, happened, events, crash)


def repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def beside_each_other(twice: Twice, seed: int, rounds: int) -> None:
    """Statements come in for a period while it expires, views are folded, people are erased, all at once."""
    history = History.begin(twice.system, next(NAMES))
    store, opener, random = history.store, twice.system.opener, Random(seed)
    twice.system.tenants.decide(history.tenant, Policy(retention_days={Category.LEARNING: 1}))
    past = SetClock(datetime(2021, 5, 5, tzinfo=UTC))
    recorders = [recording_at(twice.system, past), history.recorder]

    def record() -> None:
        recorder = random.choice(recorders)
        said = random.choice([GROUP, *map(agent, PEOPLE)])
        thing = {"actor": said, "verb": {"id": DONE}, "object": {"id": COURSE}}
        drafts = [
            statement_draft(thing, uuid4(), version="1.0.3", authority=history.wide, public_url=PUBLIC_URL)
            for _ in range(random.randint(1, 3))
        ]
        recorder.record(history.tenant, drafts).result(60)

    works: list[Callable[[], object]] = [
        record,
        record,
        lambda: catch_up(store, opener),
        lambda: history.expirer(datetime(2022, 1, 3, tzinfo=UTC)).run(history.tenant),
    ]
    if seed % 2:
        history.record([(0, {"actor": GROUP, "verb": {"id": DONE}, "object": {"id": COURSE}}, HOW)])
        works.append(lambda: history.erase(random.randint(0, 2)))
    with ThreadPoolExecutor(len(works)) as threads:
        for one in [threads.submit(repeat, work, rounds) for work in works]:
            one.result(120)
    history.expirer(datetime(2022, 1, 3, tzinfo=UTC)).run(history.tenant)
    history.fold()
    assert twice.system.vault.periods(history.tenant, Category.LEARNING).keys() <= {"2022"}
    for recorder in recorders:
        recorder.close()
    live = views(store)
    assert rebuild(store, opener, "learning")
    assert views(store) == live
    again = twice.copied(history.tenant)
    assert reindexed(twice, history.tenant, 100).corrupt == ()
    same(twice, history, again)


@pytest.mark.parametrize("seed", [1, 2])
def test_expiry_erasure_ingest_and_projection_may_go_on_beside_each_other(twice: Twice, seed: int) -> None:
    beside_each_other(twice, seed, 4)


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_expiry_erasure_ingest_and_projection_may_go_on_beside_each_other_for_long(twice: Twice) -> None:
    for seed in range(100):
        beside_each_other(twice, seed, 10)


def test_who_is_denied_for_the_time_being_is_indexed_and_folded_as_usual(twice: Twice) -> None:
    history = History.begin(twice.system, next(NAMES))
    history.do([plain(0), ("document", (Method.POST, Resource.STATE, "ada", "one", None)), ("exchange", "ada")])
    identifier = identifier_of(agent("ada"))
    assert identifier is not None
    subject = twice.system.vault.read(history.tenant).lookup([identifier])[identifier]
    twice.system.vault.take(history.tenant, [subject], lambda one: one.restrict(restricted=True))
    history.fold()
    assert len(twice.rows(history.tenant)("SELECT * FROM statement")) == 1
    assert len(views(history.store)["learning"]) == 1
    store = twice.copied(history.tenant)
    assert reindexed(twice, history.tenant, 100).corrupt == ()
    same(twice, history, store)


def test_a_finished_reindexing_that_is_asked_for_again_begins_afresh(twice: Twice) -> None:
    history = History.begin(twice.system, next(NAMES))
    history.do([plain(0), about(1, 0), ("exchange", "ada")])
    store = twice.copied(history.tenant)
    first, second = (reindexed(twice, history.tenant, 2) for _ in range(2))
    assert first == second
    history.fold()
    same(twice, history, store)


def test_what_expires_while_a_reindexing_lies_still_is_followed_afterwards(twice: Twice) -> None:
    history = History.begin(twice.system, next(NAMES))
    history.do([("year", 2021), plain(0), plain(1, "grace"), ("year", 2022), plain(2)])
    store = twice.copied(history.tenant)
    reindexer, heard = twice.reindexer(), count()

    def progress(_done: int, _total: int) -> None:
        if next(heard) == 4:
            raise Crash

    with pytest.raises(Crash):
        reindexer.reindex(history.tenant, progress, events=1)
    history.expire((Category.LEARNING, 2021))
    reindexer.reindex(history.tenant, events=1)
    expirer = history.expirer(datetime(2022, 1, 2, tzinfo=UTC))
    replace(expirer, tenants=twice.tenants()).run(history.tenant)
    history.fold()
    same(twice, history, store)


def damaged(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """An event to which something happened on the disk."""
    *where, topic, stored = row
    state = bytes(stored)
    if topic in {"statement-recorded/1", "exchange-recorded/1"}:
        state = state[:-1] + bytes((state[-1] ^ 1,))
    elif topic == "document-stored/1":  # in the sealed head
        state = state[:80] + bytes((state[80] ^ 1,)) + state[81:]
    elif topic == "request-opened/1":
        state = state[:-1]
    elif topic == "subject-registered/1":
        topic = "subject-registered/9"
    elif topic == "agent-sealed/1":
        state = state[: len(state) // 2]
    return (*where, topic, state)


def test_damaged_events_are_named_and_met_by_whoever_asks_for_everything(twice: Twice) -> None:
    history = History.begin(twice.system, next(NAMES))
    document: Operation = ("document", (Method.POST, Resource.STATE, "ada", "one", None))
    history.do([plain(0), document, ("exchange", "ada"), ("ask", "ada"), plain(1, who="grace")])
    store = twice.copied(history.tenant, lambda row: damaged(row) if row[0] <= 6 else row)
    found = reindexed(twice, history.tenant, 3)
    assert found.corrupt == (1, 2, 3, 4, 5, 6)
    alarms = twice.elsewhere.rows(history.tenant, "SELECT position, code FROM alarm ORDER BY position")
    assert alarms == [(position, "event-corrupt") for position in found.corrupt]
    system = twice.system
    retriever = Retriever(twice.tenants(), system.vault, system.opener, system.tenants._clock)
    ada, grace = (identifier_of(agent(name)) for name in ("ada", "grace"))
    for query in (Query(), Query(agent=ada), Query(agent=ada, related_agents=True)):
        with pytest.raises(EventCorrupt):
            retriever.page(history.tenant, query)
    with pytest.raises(EventCorrupt):
        retriever.one(history.tenant, history.id_of(0))
    assert len(retriever.page(history.tenant, Query(agent=grace)).statements) == 1
    assert store.views.alarms() == 6
