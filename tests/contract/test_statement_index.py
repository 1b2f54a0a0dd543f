"""Finding statements: by terms and times, in pages that stay what they are while others write."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lrs.adapters.sqlite.statements import _query

from lrs.ports import AgentRow, IndexRow, Selection, TenantStore
from tests.contract.conftest import (
    START_US,
    TENANT,
    Backend,
    FakeClock,
    SqliteBackend,
    an_event,
    append,
    streams,
)

ALL = Selection(limit=1000)
ONE, TWO, THREE, FOUR = 1, 2, -3, 2**63 - 1  # terms are signed 64-bit numbers


def found(store: TenantStore, selection: Selection) -> list[int]:
    return [row.position for row in store.statements.select(selection).rows]


def by_terms(*groups: tuple[int, ...]) -> Selection:
    return Selection(groups, ascending=True)


def pages(store: TenantStore, selection: Selection) -> Iterator[list[int]]:
    while True:
        page = store.statements.select(selection)
        positions = [row.position for row in page.rows]
        yield positions
        if not page.more:
            return
        selection = replace(selection, after=positions[-1])


# --- filters -------------------------------------------------------------------------------------------------


def test_one_group_finds_what_carries_its_term(store: TenantStore) -> None:
    append(store, (ONE,), (TWO,), (ONE, TWO), (THREE,), (FOUR,))
    assert found(store, by_terms((ONE,))) == [1, 3]
    assert found(store, by_terms((THREE,))) == [4]
    assert found(store, by_terms((FOUR,))) == [5]
    assert found(store, by_terms((99,))) == []


def test_all_groups_must_match(store: TenantStore) -> None:
    append(store, (ONE,), (ONE, TWO), (TWO,), (ONE, TWO, THREE))
    assert found(store, by_terms((ONE,), (TWO,))) == found(store, by_terms((TWO,), (ONE,))) == [2, 4]
    assert found(store, by_terms((THREE,), (ONE,), (TWO,))) == [4]


def test_one_term_of_a_group_is_enough(store: TenantStore) -> None:
    append(store, (ONE,), (TWO,), (THREE,), (ONE, THREE), (TWO, THREE))
    assert found(store, by_terms((ONE, TWO))) == [1, 2, 4, 5]
    assert found(store, by_terms((THREE,), (ONE, TWO))) == [4, 5]
    assert found(store, by_terms((ONE, TWO), (THREE,))) == [4, 5]


def test_a_statement_under_several_alternatives_is_given_once(store: TenantStore) -> None:
    append(store, (ONE, TWO), (ONE, TWO), (ONE, TWO))
    either = by_terms((ONE, TWO))
    assert found(store, either) == [1, 2, 3]
    assert list(pages(store, replace(either, limit=1))) == [[1], [2], [3]]
    assert list(pages(store, replace(either, limit=2, ascending=False))) == [[3, 2], [1]]
    assert found(store, by_terms((ONE, ONE))) == [1, 2, 3]


def test_a_group_without_alternatives_matches_nothing(store: TenantStore) -> None:
    append(store, (ONE,))
    for groups in (((),), ((ONE,), ()), ((), (ONE,))):
        selected = store.statements.select(Selection(groups))
        assert (selected.rows, selected.more, selected.head.position) == ([], False, 1)


def test_only_statements_are_selected(store: TenantStore) -> None:
    """Events of subjects have no index row, exchanges no row among the statements."""
    store.recorder.insert_events([an_event()])
    store.recorder.insert_events([an_event()], index=[IndexRow((ONE,), 0)])
    append(store, (TWO,))
    assert found(store, ALL) == [3]


def test_a_selected_row_is_the_event_with_its_position_and_time(store: TenantStore) -> None:
    event = append(store, (ONE,))[0]
    for selection in (ALL, by_terms((ONE,)), by_terms((ONE, TWO))):
        row = store.statements.select(selection).rows[0]
        assert (row.position, row.stored_us, row.event) == (1, START_US, event)


# --- since, until, order, pages ------------------------------------------------------------------------------


def test_since_is_exclusive_and_until_inclusive(store: TenantStore, clock: FakeClock) -> None:
    """xAPI 1.0.3 Communication 2.1.3: stored since (exclusive), at or before until."""
    for _ in range(3):
        append(store, (ONE,), (ONE,))
        clock.advance(1)
    second = START_US + 1_000_000
    for driven in (ALL, by_terms((ONE,)), by_terms((ONE, TWO))):
        forward = replace(driven, ascending=True)
        assert found(store, replace(forward, since_us=second)) == [5, 6]
        assert found(store, replace(forward, since_us=second - 1)) == [3, 4, 5, 6]
        assert found(store, replace(forward, until_us=second)) == [1, 2, 3, 4]
        assert found(store, replace(forward, until_us=second - 1)) == [1, 2]
        assert found(store, replace(forward, since_us=START_US, until_us=second)) == [3, 4]
        assert found(store, replace(forward, since_us=second, until_us=second)) == []
        assert found(store, replace(forward, until_us=START_US - 1)) == []
        assert found(store, replace(forward, since_us=0, until_us=2**62)) == [1, 2, 3, 4, 5, 6]


def test_newest_first_unless_ascending(store: TenantStore) -> None:
    append(store, (ONE,), (TWO,), (ONE,))
    for groups in ((), ((ONE, TWO),)):
        assert found(store, Selection(groups)) == [3, 2, 1]
        assert found(store, Selection(groups, ascending=True)) == [1, 2, 3]


def test_limit_cuts_the_page_and_more_says_whether_there_is_another(store: TenantStore) -> None:
    append(store, *[(ONE,)] * 4)
    for groups in ((), ((ONE,),), ((ONE, TWO),)):
        sizes = {n: store.statements.select(Selection(groups, limit=n)) for n in (1, 3, 4, 5)}
        assert {n: len(page.rows) for n, page in sizes.items()} == {1: 1, 3: 3, 4: 4, 5: 4}
        assert {n: page.more for n, page in sizes.items()} == {1: True, 3: True, 4: False, 5: False}


@pytest.mark.parametrize("groups", [(), ((ONE,),), ((ONE, TWO),)], ids=["all", "one term", "two terms"])
def test_pages_stay_what_they_are_while_others_append(
    store: TenantStore, groups: tuple[tuple[int, ...], ...]
) -> None:
    append(store, *[(ONE, TWO)] * 7)
    descending = []
    for page in pages(store, Selection(groups, limit=3)):
        descending.append(page)
        append(store, (ONE,))
    assert descending == [[7, 6, 5], [4, 3, 2], [1]]


def test_ascending_pages_reach_what_was_appended_meanwhile(store: TenantStore) -> None:
    append(store, *[(ONE,)] * 3)
    ascending = []
    for page in pages(store, Selection(((ONE,),), ascending=True, limit=2)):
        ascending.append(page)
        if len(ascending) == 1:
            append(store, (ONE,), (ONE,))
    assert ascending == [[1, 2], [3, 4], [5]]


def test_the_cursor_and_the_times_hold_together(store: TenantStore, clock: FakeClock) -> None:
    for _ in range(6):
        append(store, (ONE,))
        clock.advance(1)
    bounded = Selection(((ONE,),), since_us=START_US, until_us=START_US + 4_000_000, limit=2)
    assert list(pages(store, bounded)) == [[5, 4], [3, 2]]
    assert list(pages(store, replace(bounded, ascending=True))) == [[2, 3], [4, 5]]
    assert found(store, replace(bounded, after=9)) == [5, 4]
    assert found(store, replace(bounded, after=0, ascending=True)) == [2, 3]


def test_a_page_names_the_head_of_its_own_snapshot(store: TenantStore) -> None:
    append(store, (ONE,))
    assert store.statements.select(ALL).head == store.statements.head()


# --- voiding -------------------------------------------------------------------------------------------------


def test_voided_statements_are_left_out_and_still_found_by_id(store: TenantStore) -> None:
    target, other = streams(append(store, (ONE,), (ONE, TWO)))
    append(store, (THREE,), voids=target)
    assert found(store, replace(ALL, ascending=True)) == [2, 3]
    assert found(store, by_terms((ONE,))) == found(store, by_terms((ONE, TWO))) == [2]
    assert store.statements.voided([target, other]) == {target}
    assert store.statements.by_ids([target])[target].position == 1
    assert store.statements.is_live(target)
    assert store.statements.positions(ONE) == [1, 2]


def test_a_target_that_comes_after_its_voiding_statement_is_voided_all_the_same(store: TenantStore) -> None:
    target = uuid4()
    append(store, (ONE,), voids=target)
    append(store, (TWO,), stream=target)
    assert found(store, ALL) == [1]
    assert store.statements.voided([target]) == {target}


def test_both_in_one_transaction_void_in_either_order(store: TenantStore) -> None:
    first, second = uuid4(), uuid4()
    voiding = [IndexRow((ONE,), 1, target) for target in (first, second)]
    plain = IndexRow((TWO,), 1)
    events = [an_event(), an_event(first), an_event(second), an_event()]
    store.recorder.insert_events(events, index=[voiding[0], plain, plain, voiding[1]])
    assert found(store, replace(ALL, ascending=True)) == [1, 4]


@pytest.mark.parametrize("voiding_first", [True, False])
def test_a_voiding_statement_can_not_be_voided(store: TenantStore, voiding_first: bool) -> None:
    """xAPI 1.0.3 Data 2.3.2, whichever of the two is stored first; what it voided stays voided."""
    target, voiding, against = uuid4(), uuid4(), uuid4()
    append(store, (ONE,), stream=target)
    steps = [(voiding, target), (against, voiding)]
    for stream, voids in steps if voiding_first else reversed(steps):
        append(store, (TWO,), stream=stream, voids=voids)
    assert store.statements.voided([target, voiding, against]) == {target}
    assert found(store, replace(ALL, ascending=True)) == [2, 3]


def test_a_statement_that_voids_itself_is_not_voided(store: TenantStore) -> None:
    stream = uuid4()
    append(store, (ONE,), stream=stream, voids=stream)
    assert store.statements.voided([stream]) == set()


def test_two_may_void_the_same_statement(store: TenantStore) -> None:
    target = streams(append(store, (ONE,)))[0]
    append(store, (TWO,), (TWO,), voids=target)
    assert found(store, ALL) == [3, 2]


# --- many at once --------------------------------------------------------------------------------------------


@pytest.fixture
def many(store: TenantStore) -> list[UUID]:
    """1,234 statements: more than one query takes."""
    return streams(append(store, *[(ONE,)] * 1234))


def test_by_ids_takes_any_number_and_leaves_out_what_is_not_there(store: TenantStore, many: list[UUID]) -> None:
    rows = store.statements.by_ids([*many, uuid4(), many[0]])
    assert list(rows) == many or set(rows) == set(many)
    assert {row.event.originator_id: row.position for row in rows.values()} == dict(
        zip(many, range(1, 1235), strict=True)
    )
    assert store.statements.by_ids([]) == {}


def test_by_ids_gives_the_first_event_of_a_stream(store: TenantStore) -> None:
    stream = uuid4()
    store.recorder.insert_events([an_event(stream, 1, b"first"), an_event(stream, 2, b"second")])
    later = uuid4()
    store.recorder.insert_events([an_event(later, 2)])
    rows = store.statements.by_ids([stream, later])
    assert {key: row.event.state for key, row in rows.items()} == {stream: b"first"}


def test_at_takes_any_number_and_answers_in_order_each_once(store: TenantStore, many: list[UUID]) -> None:
    wanted = [*reversed(range(1, 1300)), *range(1, 700), 0]
    assert [row.position for row in store.statements.at(wanted)] == list(range(1, 1235))
    assert store.statements.at([]) == []


def test_read_goes_on_after_a_position(store: TenantStore, many: list[UUID]) -> None:
    assert [row.position for row in store.statements.read(0, 2000)] == list(range(1, 1235))
    assert [row.position for row in store.statements.read(600, 3)] == [601, 602, 603]
    assert store.statements.read(1234, 10) == []


def test_positions_page_through_a_term(store: TenantStore, many: list[UUID]) -> None:
    assert store.statements.positions(ONE) == list(range(1, 1001))
    assert store.statements.positions(ONE, after=1000) == list(range(1001, 1235))
    assert store.statements.positions(ONE, after=5, limit=2) == [6, 7]
    assert store.statements.positions(TWO) == []


def test_voided_takes_any_number(store: TenantStore, many: list[UUID]) -> None:
    for target in (many[0], many[800]):
        append(store, (TWO,), voids=target)
    assert store.statements.voided(many) == {many[0], many[800]}


def test_agents_and_versions_take_any_number(store: TenantStore) -> None:
    subjects = [uuid4() for _ in range(700)]
    keys = [(subject, subject.bytes) for subject in subjects]
    events = [an_event(subject, version) for subject in subjects for version in (1, 2)]
    rows = [AgentRow(*key, number) for number, key in enumerate(keys)]
    store.recorder.insert_events(events, agents=rows)
    unknown = (subjects[0], b"another")
    assert store.statements.agents([*keys, unknown]) == dict(zip(keys, range(700), strict=True))
    assert store.statements.versions([*subjects, uuid4()]) == dict.fromkeys(subjects, 2)
    assert store.statements.agents(iter([])) == store.statements.versions(iter([])) == {}


def test_is_live_only_what_is_indexed(store: TenantStore) -> None:
    statement = streams(append(store, (ONE,)))[0]
    subject = an_event()
    store.recorder.insert_events([subject])
    assert store.statements.is_live(statement)
    assert not any(map(store.statements.is_live, [*streams([subject]), uuid4()]))


# --- terms ---------------------------------------------------------------------------------------------------


def test_terms_differ_between_tenants_kinds_and_values(store_factory: Callable[[str], TenantStore]) -> None:
    terms = {
        store_factory(tenant).statements.term(kind, value)
        for tenant in ("acme", "other")
        for kind in ("v", "o", "w")
        for value in ("https://example.org/a", "https://example.org/b", "", "\ud800", "ß")
    }
    assert len(terms) == 2 * 3 * 5
    assert all(-(2**63) <= term < 2**63 for term in terms)


def test_terms_stay_the_same_when_the_store_is_opened_again(backend: Backend, clock: FakeClock) -> None:
    before = backend.open(TENANT).statements.term("v", "https://example.org/a")
    again = type(backend)(backend.address, clock.now)  # type: ignore[call-arg]  # a backend of the same kind
    assert again.open(TENANT).statements.term("v", "https://example.org/a") == before
    again.close()


def test_no_filter_value_stands_in_clear_in_the_index(store: TenantStore, backend: Backend) -> None:
    value = "https://example.org/verbs/recognisable"
    append(store, (store.statements.term("v", value),))
    tables = [name for (name,) in backend.rows(TENANT, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert not any("recognisable" in repr(backend.rows(TENANT, f"SELECT * FROM {table}")) for table in tables)


# --- against a naive model -----------------------------------------------------------------------------------

TERMS = st.integers(1, 4)
GROUPS = st.lists(st.lists(TERMS, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple)


@dataclass(frozen=True)
class Made:
    """A statement as the model remembers it; ``voids`` is the number of another one, stored or not."""

    terms: frozenset[int]
    voids: int | None


def _log() -> st.SearchStrategy[list[list[Made]]]:
    one = st.builds(Made, st.frozensets(TERMS, max_size=4), st.none() | st.integers(0, 11))
    return st.lists(st.lists(one, min_size=1, max_size=4), max_size=5)


SELECTIONS = st.builds(
    Selection,
    groups=GROUPS,
    since_us=st.none() | st.integers(START_US - 1, START_US + 6),
    until_us=st.none() | st.integers(START_US - 1, START_US + 6),
    ascending=st.booleans(),
    after=st.none() | st.integers(0, 21),
    limit=st.integers(1, 8),
)


@contextmanager
def a_store() -> Iterator[TenantStore]:
    """A store of its own: hypothesis makes many in one test."""
    with TemporaryDirectory(prefix="lethe-index-") as folder:
        backend = SqliteBackend(folder, FakeClock().now)
        try:
            yield backend.open(TENANT)
        finally:
            backend.close()


def _store_log(store: TenantStore, log: list[list[Made]]) -> list[tuple[int, Made, UUID]]:
    """Every statement with the time at which it must be stored, in order."""
    ids = [UUID(int=n + 1) for n in range(24)]
    model: list[tuple[int, Made, UUID]] = []
    for number, batch in enumerate(log):
        own = ids[len(model) : len(model) + len(batch)]
        index = [
            IndexRow(tuple(sorted(made.terms)), 1, None if made.voids is None else ids[made.voids])
            for made in batch
        ]
        store.recorder.insert_events([an_event(stream) for stream in own], index=index)
        model += [(START_US + number, made, stream) for made, stream in zip(batch, own, strict=True)]
    return model


def _naive(model: list[tuple[int, Made, UUID]], wanted: Selection) -> tuple[list[int], bool]:
    voiding = {stream for _, made, stream in model if made.voids is not None}
    voided = {UUID(int=made.voids + 1) for _, made, _ in model if made.voids is not None} - voiding
    matching = [
        position
        for position, (stored, made, stream) in enumerate(model, start=1)
        if all(made.terms.intersection(group) for group in wanted.groups)
        and stream not in voided
        and (wanted.since_us is None or stored > wanted.since_us)
        and (wanted.until_us is None or stored <= wanted.until_us)
        and (wanted.after is None or (position > wanted.after if wanted.ascending else position < wanted.after))
    ]
    matching.sort(reverse=not wanted.ascending)
    return matching[: wanted.limit], len(matching) > wanted.limit


def _compare(log: list[list[Made]], selections: list[Selection]) -> None:
    with a_store() as store:
        model = _store_log(store, log)
        for wanted in selections:
            page = store.statements.select(wanted)
            assert ([row.position for row in page.rows], page.more) == _naive(model, wanted), wanted


@given(_log(), st.lists(SELECTIONS, min_size=20, max_size=40))
@settings(max_examples=60, deadline=None)
def test_select_finds_what_a_plain_filter_over_a_list_finds(
    log: list[list[Made]], selections: list[Selection]
) -> None:
    _compare(log, selections)


@pytest.mark.full
@given(_log(), st.lists(SELECTIONS, min_size=50, max_size=100))
@settings(max_examples=1000, deadline=None)
def test_select_finds_what_a_plain_filter_finds_in_very_many_cases(
    log: list[list[Made]], selections: list[Selection]
) -> None:
    _compare(log, selections)


# --- how SQLite goes about it --------------------------------------------------------------------------------

SHAPES = {
    "all": (),
    "one term": ((ONE,),),
    "one term, another asked": ((ONE,), (TWO,)),
    "one term, alternatives asked": ((ONE,), (TWO, THREE), (FOUR,)),
    "alternatives": ((ONE, TWO),),
    "alternatives, another asked": ((ONE, TWO, THREE), (FOUR,)),
}


def plan_of(backend: Backend, selection: Selection) -> list[str]:
    sql, values = _query(selection, 0, 2**62)
    return [str(row[3]) for row in backend.rows(TENANT, f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("groups", SHAPES.values(), ids=SHAPES.keys())
def test_every_query_is_driven_by_the_index_that_we_choose(
    store: TenantStore, backend: Backend, groups: tuple[tuple[int, ...], ...], ascending: bool
) -> None:
    append(store, *[(ONE, TWO, THREE, FOUR)] * 50)
    plan = plan_of(backend, Selection(groups, ascending=ascending))
    searches = [line for line in plan if line.startswith(("SEARCH", "SCAN"))]
    driver = "SEARCH s USING PRIMARY KEY (term=? AND position>? AND position<?)"
    if not groups:
        driver = "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
    assert searches[0] == driver
    assert "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "SEARCH v USING COVERING INDEX voided_target (target=?)" in plan
    # The only things ever gone through are the pages of the alternatives, and the one they are merged into.
    assert all(line.startswith(("SCAN (subquery", "SCAN p")) for line in searches if line.startswith("SCAN"))


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("groups", [g for g in SHAPES.values() if not g or len(g[0]) == 1])
def test_a_query_with_one_driving_term_sorts_nothing(
    store: TenantStore, backend: Backend, groups: tuple[tuple[int, ...], ...], ascending: bool
) -> None:
    append(store, *[(ONE, TWO, THREE, FOUR)] * 50)
    assert "TEMP B-TREE" not in "\n".join(plan_of(backend, Selection(groups, ascending=ascending)))


def test_the_plans_stay_the_same_once_sqlite_has_statistics(store: TenantStore, backend: Backend) -> None:
    append(store, *[(ONE, TWO, THREE, FOUR)] * 50)
    before = {name: plan_of(backend, Selection(groups)) for name, groups in SHAPES.items()}
    backend.rows(TENANT, "ANALYZE")
    assert {name: plan_of(backend, Selection(groups)) for name, groups in SHAPES.items()} == before


def steps_of(backend: Backend, selection: Selection) -> int:
    """How many steps of 100 instructions SQLite takes for it."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with closing(sqlite3.connect(Path(backend.address) / "tenants" / f"{TENANT}.db")) as connection:
        connection.set_progress_handler(count, 100)
        connection.execute(*_query(selection, 0, 2**62)).fetchall()
    return steps


@pytest.mark.parametrize("groups", SHAPES.values(), ids=SHAPES.keys())
def test_a_page_costs_the_same_in_a_log_of_ten_times_the_size(
    store: TenantStore, backend: Backend, groups: tuple[tuple[int, ...], ...]
) -> None:
    wanted, rows = Selection(groups, limit=50), [(ONE, TWO, THREE, FOUR)] * 500
    append(store, *rows)
    before = steps_of(backend, wanted)
    for _ in range(9):
        append(store, *rows)
    assert before <= steps_of(backend, wanted) <= before * 1.1 + 1
