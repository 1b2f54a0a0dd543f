"""The promises of one tenant's log: order, time, all or nothing, and what an erasure takes along."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import IntegrityError, RecordConflictError, Tracking

from lrs.adapters.sqlite.stores import SqliteStores
from lrs.domain.errors import StoreUnavailable
from lrs.domain.sealing import Sealed
from lrs.ports import (
    AgentRow,
    DocumentRow,
    Head,
    IndexRow,
    Recorded,
    RequestRow,
    Selection,
    StaleFence,
    TenantStore,
    ViewKey,
    ViewRow,
)
from tests.contract.conftest import (
    BACKENDS,
    CITUS_VARIABLE,
    START,
    START_US,
    TENANT,
    Backend,
    FakeClock,
    PostgresBackend,
    an_event,
    append,
    citus_database,
    is_live,
    on_postgres,
    on_sqlite,
    streams,
    voided,
)

EVERYTHING = Selection(limit=1000)
EVENTS = "SELECT position, stored, originator_id, originator_version, topic, state FROM event ORDER BY position"
TABLES = (
    *("statement", "term", "voided", "agent", "document", "request", "package", "view_row", "tombstone"),
    "tracking",
)


def log_of(store: TenantStore) -> list[Recorded]:
    return store.statements.read(0, 100_000)


def positions_of(store: TenantStore) -> list[int]:
    return [one.position for one in log_of(store)]


def all_tables(backend: Backend) -> dict[str, list[tuple[object, ...]]]:
    found = {table: sorted(backend.rows(TENANT, f"SELECT * FROM {table}"), key=repr) for table in TABLES}
    return found | {"event": backend.rows(TENANT, EVENTS), "head": backend.rows(TENANT, "SELECT * FROM head")}


# --- positions -----------------------------------------------------------------------------------------------


def test_positions_count_from_one_without_gaps(store: TenantStore) -> None:
    assert store.recorder.insert_events([an_event(), an_event()]) == [1, 2]
    assert store.recorder.insert_events([an_event()]) == [3]
    assert store.recorder.insert_events([]) == []
    assert store.recorder.insert_events([an_event()]) == [4]
    assert positions_of(store) == [1, 2, 3, 4]
    assert store.statements.head().position == store.recorder.max_notification_id() == 4


def test_positions_are_gapless_and_in_commit_order_when_threads_append(store: TenantStore) -> None:
    """Whoever read the log up to a position never sees anything appear before it."""
    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        while not done.is_set() or len(seen) < store.statements.head().position:
            seen.extend(one.position for one in store.statements.read(seen[-1] if seen else 0, 7))

    def write(count: int) -> None:
        stream = uuid4()
        for version in range(20):
            batch = [an_event(stream, version * count + n) for n in range(count)]
            given = store.recorder.insert_events(batch)
            assert given is not None
            assert list(given) == list(range(given[0], given[0] + count))

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(1, 9)))
    finally:
        done.set()
        follower.join()
    assert seen == positions_of(store) == list(range(1, 20 * sum(range(1, 9)) + 1))


_APPENDER = """
import sys
from tests.contract.conftest import BACKENDS, an_event
from lrs.adapters.clock import SystemClock
backend = BACKENDS[sys.argv[1]](sys.argv[2], SystemClock().now)
store = backend.open("acme")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    store.recorder.insert_events([an_event(), an_event()])
backend.close()
"""


def test_positions_are_gapless_when_two_processes_append_to_one_log(
    backend: Backend, request: pytest.FixtureRequest
) -> None:
    """They also make the store, both at once."""
    kind = request.node.callspec.params["backend"]
    command = [sys.executable, "-c", _APPENDER, kind, backend.address]
    root = Path(__file__).parents[2]
    with (
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second,
    ):
        processes = (first, second)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.communicate("go\n", timeout=60)
        assert [process.returncode for process in processes] == [0, 0]
    store = backend.open(TENANT)
    assert positions_of(store) == list(range(1, 401))
    stored = [one.stored_us for one in log_of(store)]
    assert stored == sorted(stored)
    assert len(set(stored)) == 200


def test_many_threads_may_open_a_new_store_at_once(
    backend: Backend, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["backend"]
    others = [BACKENDS[kind](backend.address, clock.now) for _ in range(8)]
    try:
        with ThreadPoolExecutor(8) as pool:
            stores = list(pool.map(lambda other: other.open(TENANT), others))
        append(stores[0], (1,))
        assert positions_of(stores[7]) == [1]
    finally:
        for other in others:
            other.close()


def test_a_store_may_be_opened_while_another_process_is_making_it(tmp_path: Path, clock: FakeClock) -> None:
    """A file that is not in WAL mode yet can not be changed to it while somebody writes: opening waits."""
    stores = SqliteStores(tmp_path, clock.now)
    with closing(sqlite3.connect(tmp_path / "acme.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE another (one)")
        other.execute("BEGIN IMMEDIATE")
        finished = threading.Timer(0.2, other.execute, ("COMMIT",))
        finished.start()
        stores.create("acme")
        finished.join()
    append(stores.open("acme"), (1,))
    assert positions_of(stores.open("acme")) == [1]
    stores.close()


def test_readers_do_not_wait_for_a_writer(store: TenantStore) -> None:
    append(store, (1,))
    read = threading.Event()

    def look() -> None:
        store.statements.read(0, 10)
        read.set()

    with store.views.write([store.views.live("progress")], 1):
        waiting_writer = threading.Thread(target=append, args=(store, (2,)))
        waiting_writer.start()
        reader = threading.Thread(target=look)
        reader.start()
        assert read.wait(5)
    waiting_writer.join()
    reader.join()
    assert positions_of(store) == [1, 2]


# --- stored --------------------------------------------------------------------------------------------------


def test_stored_is_the_clock_and_one_for_a_transaction(store: TenantStore, clock: FakeClock) -> None:
    append(store, (1,), (1,))
    clock.advance(2.5)
    append(store, (1,))
    assert [one.stored_us for one in log_of(store)] == [START_US, START_US, START_US + 2_500_000]


@pytest.mark.parametrize("seconds", [0.0, -3600.0, -0.000001], ids=["stands still", "goes back", "a bit back"])
def test_stored_is_strictly_increasing_whatever_the_clock_does(
    store: TenantStore, clock: FakeClock, seconds: float
) -> None:
    for _ in range(5):
        append(store, (1,), (1,))
        clock.advance(seconds)
    stored = [one.stored_us for one in log_of(store)][::2]
    assert stored == [START_US + n for n in range(5)]


def test_stored_keeps_every_microsecond_of_the_clock(store: TenantStore, clock: FakeClock) -> None:
    clock.time = START.replace(year=2399, microsecond=999_999)
    append(store, (1,))
    assert log_of(store)[0].stored_us % 1_000_000 == 999_999


# --- the head ------------------------------------------------------------------------------------------------


def test_an_idle_head_is_advanced_on_demand_at_most_once_a_second(store: TenantStore) -> None:
    append(store, (1,))
    assert store.statements.head() == Head(1, START_US, 0)
    assert store.statements.head(START + timedelta(seconds=1)) == Head(1, START_US, 0)
    later = START + timedelta(seconds=1, microseconds=1)
    assert store.statements.head(later) == Head(1, START_US + 1_000_001, 0)
    assert store.statements.head() == Head(1, START_US + 1_000_001, 0)


def test_the_head_never_goes_back(store: TenantStore) -> None:
    append(store, (1,))
    assert store.statements.head(START - timedelta(days=1)) == Head(1, START_US, 0)


def test_what_is_stored_after_the_head_was_advanced_is_stored_later_than_it_said(store: TenantStore) -> None:
    """Else Consistent-Through would have promised what was not there yet."""
    said = store.statements.head(START + timedelta(minutes=5)).stored_us
    append(store, (1,))
    assert log_of(store)[0].stored_us == said + 1


# --- all or nothing ------------------------------------------------------------------------------------------


def test_a_conflict_leaves_nothing_behind(store: TenantStore, backend: Backend) -> None:
    taken = append(store, (1,))[0]
    subject, request = uuid4(), RequestRow(uuid4(), "export", "open", START)
    before = all_tables(backend)
    with pytest.raises(RecordConflictError):
        store.recorder.insert_events(
            [an_event(), taken],
            index=[IndexRow((1, 2), 1, uuid4()), IndexRow((1, 2), 1)],
            agents=[AgentRow(subject, b"digest", 2)],
            requests=[request],
            tracking=Tracking("another", 1),
        )
    assert all_tables(backend) == before
    assert append(store, (1,)) == [log_of(store)[1].event]
    assert positions_of(store) == [1, 2]


def test_a_conflict_in_rows_beside_the_events_takes_the_events_back(store: TenantStore, backend: Backend) -> None:
    row = AgentRow(uuid4(), b"digest", 2)
    store.recorder.insert_events([an_event()], agents=[row])
    before = all_tables(backend)
    with pytest.raises(RecordConflictError):
        store.recorder.insert_events([an_event()], agents=[row])
    with pytest.raises(IntegrityError):
        store.recorder.insert_events([an_event()], index=[IndexRow((7, 7), 1)])
    assert all_tables(backend) == before


def test_an_index_that_does_not_fit_its_events_is_refused(store: TenantStore, backend: Backend) -> None:
    """Else statements would be acknowledged that nobody can find."""
    before = all_tables(backend)
    with pytest.raises(ValueError, match="zip"):
        store.recorder.insert_events([an_event(), an_event()], index=[IndexRow((1,), 1)])
    assert all_tables(backend) == before


def test_events_and_all_rows_beside_them_are_one_transaction(store: TenantStore) -> None:
    event, target, subject, request = an_event(), uuid4(), uuid4(), RequestRow(uuid4(), "erase", "open", START)
    store.recorder.insert_events(
        [event],
        index=[IndexRow((5,), 1, target)],
        agents=[AgentRow(subject, b"digest", 3)],
        requests=[request],
        tracking=Tracking("another", 9),
    )
    assert [one.event for one in store.statements.select(EVERYTHING).rows] == [event]
    assert store.statements.positions(5) == [1]
    assert voided(store, [target]) == {target}
    assert store.statements.agents([(subject, b"digest")]) == {(subject, b"digest"): 3}
    assert store.requests.list() == [request]
    assert store.recorder.max_tracking_id("another") == 9


# --- the fence -----------------------------------------------------------------------------------------------


def test_an_append_resolved_before_an_erasure_rolls_back(store: TenantStore, backend: Backend) -> None:
    store.purge(uuid4(), 7)
    before = all_tables(backend)
    with pytest.raises(StaleFence):
        store.recorder.insert_events([an_event()], index=[IndexRow((1,), 1)], fence_sequence=6)
    assert all_tables(backend) == before
    store.recorder.insert_events([an_event()], fence_sequence=7)
    store.recorder.insert_events([an_event()], fence_sequence=8)
    store.recorder.insert_events([an_event()])
    assert positions_of(store) == [1, 2, 3]


def test_the_heads_erasure_sequence_never_goes_back(store: TenantStore) -> None:
    store.purge(uuid4(), 7)
    store.purge(uuid4(), 3)
    assert store.statements.head().erasure_sequence == 7


# --- purge ---------------------------------------------------------------------------------------------------


class Cohort:
    """Two people's records in every table, some of them shared."""

    def __init__(self, store: TenantStore) -> None:
        self.store = store
        self.ada, self.grace = uuid4(), uuid4()
        term = store.statements.term
        self.owner = {one: term("w", one.hex) for one in (self.ada, self.grace)}
        self.exact = {one: term("a", one.hex) for one in (self.ada, self.grace)}
        self.related = {one: term("r", one.hex) for one in (self.ada, self.grace)}
        self.exchange = {one: term("x", one.hex) for one in (self.ada, self.grace)}
        self.verb = term("v", "https://example.org/did")
        ada, grace = self.ada, self.grace
        rows = [
            IndexRow((self.related[grace],), 1, owner=self.owner[ada], verb=self.verb),
            IndexRow((self.exact[ada],), 1, owner=self.owner[grace], verb=self.verb),
            IndexRow((self.owner[grace], self.exact[grace]), 2, owner=self.owner[ada], verb=self.verb),
            IndexRow((self.owner[ada], self.exact[ada]), 2, owner=self.owner[grace], verb=self.verb),
            IndexRow((), 1, owner=self.owner[grace], verb=self.verb),
        ]
        self.hers, self.theirs_about_her, self.shared, self.shared_with_her, self.others = streams(
            append(store, *rows)
        )
        store.recorder.insert_events(
            [an_event(), an_event()],
            index=[IndexRow((self.exchange[one],), 0) for one in (ada, grace)],
            agents=[AgentRow(one, digest, 2) for one in (ada, grace) for digest in (b"one", b"two")],
        )
        self.target = uuid4()
        append(store, (self.owner[ada],), voids=self.target)
        self.request = uuid4()
        for part, one in enumerate((ada, grace, ada)):
            store.requests.put_part(self.request, one, part, Sealed(b"part"))
        documents = [
            DocumentRow(bytes([n]) * 16, b"s" * 16, b"t" * 16, one, uuid4(), 1, Sealed(b"head"))
            for n, one in enumerate((ada, grace))
        ]
        store.recorder.insert_events([an_event(one.stream) for one in documents], documents=documents)
        live = store.views.live("progress")
        with store.views.write([live], 7) as writer:
            writer.store(live, [self.row(ada, "a"), self.row(ada, "b"), self.row(grace, "a")])
        new = store.views.begin("progress")
        with store.views.write([new], 3) as writer:
            writer.store(new, [self.row(ada, "a"), self.row(grace, "a")])

    @staticmethod
    def row(subject: UUID, activity: str) -> ViewRow:
        return ViewRow(ViewKey(subject, activity, ""), 1, 2, frozenset(), {"n": 1})

    def found(self, *people: int, verb: int | None = None) -> set[UUID]:
        owner = people[0] if people else None
        page = self.store.statements.select(Selection(people, owner, verb=verb, limit=100))
        return set(streams(one.event for one in page.rows))


@pytest.fixture
def cohort(store: TenantStore) -> Cohort:
    return Cohort(store)


def test_a_purge_says_what_it_removed_and_that_nothing_is_left(store: TenantStore, cohort: Cohort) -> None:
    purged = store.purge(cohort.ada, 1)
    # two statements of hers alone, two packed agents, three view rows (two generations), two parts, one document;
    # her terms on what stays: as exact agent, as the second owner in two kinds, and of her exchange
    removed = {"statement": 2, "blob": 0, "agent": 2, "view_row": 3, "package": 2, "document": 1, "term": 4}
    assert purged.removed == removed
    assert purged.left == dict.fromkeys((removed.keys() - {"blob"}) | {"inherited"}, 0)


def test_a_purge_takes_out_the_statements_whose_body_was_the_subjects_alone(
    store: TenantStore, cohort: Cohort
) -> None:
    assert is_live(store, cohort.hers)
    store.purge(cohort.ada, 1)
    assert not is_live(store, cohort.hers)
    staying = {cohort.theirs_about_her, cohort.shared, cohort.shared_with_her, cohort.others}
    assert cohort.found() == cohort.found(verb=cohort.verb) == staying
    assert cohort.found(cohort.related[cohort.grace]) == set()  # it stood on a statement that is gone


def test_a_purge_leaves_no_term_of_the_subject(store: TenantStore, cohort: Cohort) -> None:
    store.purge(cohort.ada, 1)
    hers = [kinds[cohort.ada] for kinds in (cohort.owner, cohort.exact, cohort.related, cohort.exchange)]
    assert [store.statements.positions(term) for term in hers] == [[], [], [], []]


def test_a_statement_of_several_owners_goes_with_the_last_of_them(store: TenantStore, cohort: Cohort) -> None:
    both = {cohort.shared, cohort.shared_with_her}
    store.purge(cohort.ada, 1)
    store.purge(cohort.ada, 1)
    assert all(is_live(store, one) for one in both)
    assert both <= cohort.found(cohort.owner[cohort.grace])
    store.purge(cohort.grace, 2)
    assert not any(is_live(store, one) for one in both)
    assert cohort.found() == set()


def test_a_purge_leaves_everybody_else_untouched(store: TenantStore, cohort: Cohort, backend: Backend) -> None:
    grace = cohort.grace
    positions = {term: store.statements.positions(term) for term in (cohort.owner[grace], cohort.exchange[grace])}
    store.purge(cohort.ada, 1)
    assert {term: store.statements.positions(term) for term in positions} == positions
    assert set(store.statements.agents((grace, digest) for digest in (b"one", b"two")).values()) == {2}
    assert list(store.requests.parts(cohort.request)) == [(grace, 1, Sealed(b"part"))]
    assert [row[2] for row in store.views.dump(store.views.live("progress"))] == [grace.bytes]
    assert backend.rows(TENANT, "SELECT DISTINCT subject FROM view_row") == [(grace.bytes,)]


def test_what_an_erased_person_voided_stays_voided(store: TenantStore, cohort: Cohort) -> None:
    store.purge(cohort.ada, 1)
    assert voided(store, [cohort.target]) == {cohort.target}


def test_a_purge_is_idempotent(store: TenantStore, cohort: Cohort, backend: Backend) -> None:
    store.purge(cohort.ada, 1)
    before = all_tables(backend)
    assert set(store.purge(cohort.ada, 1).removed.values()) == {0}
    assert all_tables(backend) == before


def test_a_purge_changes_no_byte_of_the_log(store: TenantStore, cohort: Cohort, backend: Backend) -> None:
    before = backend.rows(TENANT, EVENTS)
    store.purge(cohort.ada, 1)
    store.purge(cohort.grace, 2)
    assert backend.rows(TENANT, EVENTS) == before
    assert len(before) == 10


def test_a_purge_leaves_a_tombstone(store: TenantStore, cohort: Cohort, backend: Backend) -> None:
    store.purge(cohort.ada, 5)
    store.purge(cohort.ada, 9)
    assert backend.rows(TENANT, "SELECT subject, sequence FROM tombstone") == [(cohort.ada.bytes, 5)]


def test_a_purge_does_not_wait_for_a_reader_that_takes_its_time(store: TenantStore, cohort: Cohort) -> None:
    rows = store.views.dump(store.views.live("progress"))
    next(rows)
    purging = threading.Thread(target=store.purge, args=(cohort.ada, 1))
    purging.start()
    purging.join(10)
    finished = not purging.is_alive()
    rows.close()  # type: ignore[attr-defined]  # it is a generator; the port says only that it iterates
    purging.join()
    assert finished


def test_an_append_and_a_purge_at_once_are_one_after_the_other(store: TenantStore) -> None:
    """Either the append came first and the purge took it out, or it was refused: nothing late is ever left."""
    subjects = [uuid4() for _ in range(40)]
    term = store.statements.term
    started = threading.Barrier(2)

    def write(subject: UUID, sequence: int) -> None:
        started.wait()
        with suppress(StaleFence):
            row = IndexRow((term("w", subject.hex),), 1)
            store.recorder.insert_events([an_event()], index=[row], fence_sequence=sequence)

    def erase(subject: UUID, sequence: int) -> None:
        started.wait()
        store.purge(subject, sequence + 1)

    with ThreadPoolExecutor(2) as pool:
        for sequence, subject in enumerate(subjects):
            both = [pool.submit(work, subject, sequence) for work in (write, erase)]
            assert [one.result() for one in both] == [None, None]
    assert [store.statements.positions(term("w", subject.hex)) for subject in subjects] == [[]] * len(subjects)
    assert store.statements.select(EVERYTHING).rows == []


# --- stores --------------------------------------------------------------------------------------------------


@on_sqlite
def test_the_trigger_of_these_tests_does_see_a_change(store: TenantStore, backend: Backend) -> None:
    append(store, (1,))
    for sql in ("UPDATE event SET state = state", "DELETE FROM event"):
        with pytest.raises(Exception, match="an event must never see"):
            backend.rows(TENANT, sql)


def test_two_tenants_share_nothing(store_factory: Callable[[str], TenantStore]) -> None:
    acme, other = store_factory("acme"), store_factory("other")
    append(acme, (1,))
    assert positions_of(other) == []
    assert append(other, (1,)) == [log_of(other)[0].event]
    assert positions_of(other) == [1]


def test_a_store_that_is_not_there_is_unavailable_and_is_not_made(tmp_path: Path, clock: FakeClock) -> None:
    stores = SqliteStores(tmp_path, clock.now)
    with pytest.raises(StoreUnavailable):
        stores.open("acme")
    assert list(tmp_path.iterdir()) == []


def test_a_removed_store_leaves_no_file_and_may_be_made_anew(tmp_path: Path, clock: FakeClock) -> None:
    stores = SqliteStores(tmp_path, clock.now)
    stores.create("acme")
    append(stores.open("acme"), (1,))
    stores.remove("acme")
    stores.remove("acme")
    assert list(tmp_path.iterdir()) == []
    stores.create("acme")
    assert positions_of(stores.open("acme")) == []
    stores.close()


@on_postgres
def test_a_removed_store_leaves_no_schema_and_may_be_made_anew(backend: Backend, store: TenantStore) -> None:
    assert isinstance(backend, PostgresBackend)
    append(store, (1,))
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tenant%'"
    assert backend.rows(TENANT, schemas) == [("tenant_acme",)]
    backend.stores.remove(TENANT)
    backend.stores.remove(TENANT)
    assert backend.rows(TENANT, schemas) == []
    with pytest.raises(StoreUnavailable):
        backend.stores.open(TENANT)
    assert positions_of(backend.open(TENANT)) == []


def test_creating_a_store_again_keeps_what_it_holds(store_factory: Callable[[str], TenantStore]) -> None:
    append(store_factory("acme"), (1,))
    assert positions_of(store_factory("acme")) == [1]


@on_sqlite
def test_closing_waits_for_a_reader_at_work(backend: Backend) -> None:
    """The driver crashes the process when a connection is closed under a running query."""
    for _ in range(20):
        store = backend.open(f"t{uuid4().hex[:8]}")
        store.recorder.insert_events([an_event() for _ in range(300)])
        stop = threading.Event()

        def read(store: TenantStore = store, stop: threading.Event = stop) -> None:
            with suppress(EventSourcingError):
                while not stop.is_set():
                    store.recorder.select_notifications(1, 300)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        store.close()
        stop.set()
        for reader in readers:
            reader.join()


@pytest.mark.citus
def test_a_tenant_is_a_shard_of_citus(clock: FakeClock, tmp_path: Path) -> None:
    """Where there is one, all of these tests run on it; this one says so, or that they did not."""
    if CITUS_VARIABLE not in os.environ:
        pytest.skip(f"NOT TESTED ON CITUS: set {CITUS_VARIABLE} to a superuser's DSN of a coordinator")
    backend = PostgresBackend(citus_database(os.environ[CITUS_VARIABLE]), clock.now)
    append(backend.open(TENANT), (1,))
    assert backend.rows(TENANT, "SELECT schema_name FROM citus_schemas WHERE schema_name::text = 'tenant_acme'")
    backend.close()
