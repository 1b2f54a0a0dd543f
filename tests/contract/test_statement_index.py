"""Finding statements: by terms and times, in pages that stay what they are while others write."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrs.adapters.sql.schema import TENANT as TABLES
from lrs.ports import AgentRow, IndexRow, Selection, TenantStore
from tests.contract.conftest import (
    BACKENDS,
    START_US,
    TENANT,
    Backend,
    FakeClock,
    address_of,
    an_event,
    append,
    is_live,
    streams,
    voided,
)
from tests.places import STORES
from tests.postgres import Databases

ALL = Selection(limit=1000)
ONE, TWO, THREE, FOUR = 1, 2, -3, 2**63 - 1  # terms are signed 64-bit numbers


def found(store: TenantStore, selection: Selection) -> list[int]:
    return [row.position for row in store.statements.select(selection).rows]


def by(*people: int, **more: Any) -> Selection:
    return Selection(people, ascending=True, **more)


def row(*terms: int, **more: Any) -> IndexRow:
    return IndexRow(terms, 1, **more)


def pages(store: TenantStore, selection: Selection) -> Iterator[list[int]]:
    while True:
        page = store.statements.select(selection)
        positions = [row.position for row in page.rows]
        yield positions
        if not page.more:
            return
        selection = replace(selection, after=positions[-1])


# --- filters -------------------------------------------------------------------------------------------------


def test_one_person_is_found_by_the_term(store: TenantStore) -> None:
    append(store, (ONE,), (TWO,), (ONE, TWO), (THREE,), (FOUR,))
    assert found(store, by(ONE)) == [1, 3]
    assert found(store, by(THREE)) == [4]
    assert found(store, by(FOUR)) == [5]
    assert found(store, by(99)) == []


@pytest.mark.parametrize("column", ["verb", "object", "registration"])
def test_a_verb_an_object_and_a_registration_are_each_found_alone(store: TenantStore, column: str) -> None:
    others = [name for name in ("verb", "object", "registration") if name != column]
    rows = [row(), row(**{column: ONE}), row(ONE, **dict.fromkeys(others, ONE)), row(**{column: TWO})]
    append(store, *rows, row(**{column: ONE}), row(**{column: FOUR}))
    assert found(store, by(**{column: ONE})) == [2, 5]
    assert found(store, by(**{column: FOUR})) == [6]
    assert found(store, by(**{column: THREE})) == []


def test_an_activity_anywhere_is_the_object_or_another(store: TenantStore) -> None:
    append(store, row(object=ONE), row(TWO), row(ONE), row(TWO, object=ONE), row(object=TWO), row(THREE))
    assert found(store, by(anywhere=(ONE, TWO))) == [1, 2, 4]
    assert found(store, by(THREE, anywhere=(ONE, TWO))) == found(store, by(anywhere=(FOUR, 99))) == []


def test_all_that_is_given_must_match(store: TenantStore) -> None:
    full = {"verb": TWO, "object": THREE, "registration": FOUR}
    rows = [row(ONE, **full | {name: 99}) for name in full]
    append(store, *rows, row(99, **full), row(ONE, **full), row(ONE, THREE, verb=TWO, registration=FOUR))
    assert found(store, by(ONE, **full)) == [5]
    assert found(store, by(ONE, verb=TWO, registration=FOUR, anywhere=(THREE, THREE))) == [5, 6]
    for name in full:
        assert found(store, by(ONE, **{name: full[name]})) == [n for n in found(store, by(ONE)) if n in found(
            store, by(**{name: full[name]}))]  # fmt: skip


def test_one_of_several_people_is_enough(store: TenantStore) -> None:
    append(store, row(ONE), row(TWO), row(THREE), row(ONE, THREE, verb=ONE), row(TWO, THREE, verb=ONE))
    assert found(store, by(ONE, TWO)) == [1, 2, 4, 5]
    assert found(store, by(ONE, TWO, verb=ONE)) == [4, 5]
    assert found(store, by(ONE, FOUR, verb=ONE)) == [4]


def test_the_first_owner_is_one_of_several_people(store: TenantStore) -> None:
    append(store, row(owner=ONE), row(ONE), row(TWO, owner=THREE), row(THREE))
    assert found(store, by(owner=ONE)) == [1]
    assert found(store, by(TWO, owner=ONE)) == [1, 3]
    assert found(store, by(TWO, THREE, owner=THREE)) == [3, 4]


def test_a_statement_under_several_alternatives_is_given_once(store: TenantStore) -> None:
    append(store, *[row(ONE, TWO, object=ONE)] * 3)
    for either in (by(ONE, TWO), by(anywhere=(ONE, TWO))):
        assert found(store, either) == [1, 2, 3]
        assert list(pages(store, replace(either, limit=1))) == [[1], [2], [3]]
        assert list(pages(store, replace(either, limit=2, ascending=False))) == [[3, 2], [1]]
    assert found(store, by(ONE, ONE)) == [1, 2, 3]


def test_only_statements_are_selected(store: TenantStore) -> None:
    """Events of subjects have no index row, exchanges no row among the statements."""
    store.recorder.insert_events([an_event()])
    store.recorder.insert_events([an_event()], index=[IndexRow((ONE,), 0)])
    append(store, (TWO,))
    assert found(store, ALL) == [3]


def test_a_selected_row_is_the_event_with_its_position_and_time(store: TenantStore) -> None:
    event = append(store, (ONE,))[0]
    for selection in (ALL, by(ONE), by(ONE, TWO)):
        row = store.statements.select(selection).rows[0]
        assert (row.position, row.stored_us, row.event) == (1, START_US, event)


# --- since, until, order, pages ------------------------------------------------------------------------------


def test_since_is_exclusive_and_until_inclusive(store: TenantStore, clock: FakeClock) -> None:
    """xAPI 1.0.3 Communication 2.1.3: stored since (exclusive), at or before until."""
    for _ in range(3):
        append(store, (ONE,), (ONE,))
        clock.advance(1)
    second = START_US + 1_000_000
    for driven in (ALL, by(ONE), by(ONE, TWO)):
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
    for people in ((), (ONE, TWO)):
        assert found(store, Selection(people)) == [3, 2, 1]
        assert found(store, Selection(people, ascending=True)) == [1, 2, 3]


def test_limit_cuts_the_page_and_more_says_whether_there_is_another(store: TenantStore) -> None:
    append(store, *[(ONE,)] * 4)
    for people in ((), (ONE,), (ONE, TWO)):
        sizes = {n: store.statements.select(Selection(people, limit=n)) for n in (1, 3, 4, 5)}
        assert {n: len(page.rows) for n, page in sizes.items()} == {1: 1, 3: 3, 4: 4, 5: 4}
        assert {n: page.more for n, page in sizes.items()} == {1: True, 3: True, 4: False, 5: False}


@pytest.mark.parametrize("people", [(), (ONE,), (ONE, TWO)], ids=["all", "one person", "two people"])
def test_pages_stay_what_they_are_while_others_append(store: TenantStore, people: tuple[int, ...]) -> None:
    append(store, *[(ONE, TWO)] * 7)
    descending = []
    for page in pages(store, Selection(people, limit=3)):
        descending.append(page)
        append(store, (ONE,))
    assert descending == [[7, 6, 5], [4, 3, 2], [1]]


def test_ascending_pages_reach_what_was_appended_meanwhile(store: TenantStore) -> None:
    append(store, *[(ONE,)] * 3)
    ascending = []
    for page in pages(store, Selection((ONE,), ascending=True, limit=2)):
        ascending.append(page)
        if len(ascending) == 1:
            append(store, (ONE,), (ONE,))
    assert ascending == [[1, 2], [3, 4], [5]]


def test_the_cursor_and_the_times_hold_together(store: TenantStore, clock: FakeClock) -> None:
    for _ in range(6):
        append(store, (ONE,))
        clock.advance(1)
    bounded = Selection((ONE,), since_us=START_US, until_us=START_US + 4_000_000, limit=2)
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
    assert found(store, by(ONE)) == found(store, by(ONE, TWO)) == [2]
    assert voided(store, [target, other]) == {target}
    assert [store.statements.voided_between(*at) for at in ((0, 1), (0, 3), (1, 3))] == [{target}, {target}, set()]
    assert store.statements.by_ids([target])[target].position == 1
    assert is_live(store, target)
    assert store.statements.positions(ONE) == [1, 2]


def test_a_target_that_comes_after_its_voiding_statement_is_voided_all_the_same(store: TenantStore) -> None:
    target = uuid4()
    append(store, (ONE,), voids=target)
    append(store, (TWO,), stream=target)
    assert found(store, ALL) == [1]
    assert voided(store, [target]) == store.statements.voided_between(1, 2) == {target}


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
    assert voided(store, [target, voiding, against]) == {target}
    assert store.statements.voided_between(0, 3) == {target}
    assert found(store, replace(ALL, ascending=True)) == [2, 3]


def test_a_statement_that_voids_itself_is_not_voided(store: TenantStore) -> None:
    stream = uuid4()
    append(store, (ONE,), stream=stream, voids=stream)
    assert voided(store, [stream]) == set()


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


def test_positions_are_those_of_owners_and_of_everybody_else_in_one_order(store: TenantStore) -> None:
    append(store, row(owner=ONE), row(ONE), row(TWO), row(ONE), row(owner=ONE))
    assert store.statements.positions(ONE) == [1, 2, 4, 5]
    assert store.statements.positions(ONE, after=1, limit=2) == [2, 4]


def test_voided_takes_any_number(store: TenantStore, many: list[UUID]) -> None:
    for target in (many[0], many[800]):
        append(store, (TWO,), voids=target)
    assert voided(store, many) == {many[0], many[800]}


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
    assert is_live(store, statement)
    assert not any(is_live(store, one) for one in [*streams([subject]), uuid4()])


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


def test_terms_stay_the_same_when_the_store_is_opened_again(
    backend: Backend, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    before = backend.open(TENANT).statements.term("v", "https://example.org/a")
    again = BACKENDS[request.node.callspec.params["backend"]](backend.address, clock.now)
    assert again.open(TENANT).statements.term("v", "https://example.org/a") == before
    again.close()


def test_no_filter_value_stands_in_clear_in_the_index(store: TenantStore, backend: Backend) -> None:
    value = "https://example.org/verbs/recognisable"
    term = store.statements.term("v", value)
    append(store, row(term, verb=term, object=term, registration=term))
    tables = [sql.split()[2] for sql in TABLES if sql.startswith("CREATE TABLE")]
    assert len(backend.rows(TENANT, "SELECT * FROM statement")) == 1
    assert not any("recognisable" in repr(backend.rows(TENANT, f"SELECT * FROM {table}")) for table in tables)


# --- against a naive model -----------------------------------------------------------------------------------

TERMS = st.integers(1, 4)
SOME_TERM = st.none() | TERMS


@dataclass(frozen=True)
class Made:
    """A statement as the model remembers it; ``voids`` is the number of another one, stored or not."""

    terms: frozenset[int]
    owner: int | None
    verb: int | None
    object: int | None
    registration: int | None
    voids: int | None

    def matches(self, wanted: Selection) -> bool:
        """The question, asked of one statement."""
        return (
            self._is_of(wanted)
            and wanted.verb in {None, self.verb}
            and wanted.object in {None, self.object}
            and wanted.registration in {None, self.registration}
            and (wanted.anywhere is None or wanted.anywhere[0] == self.object or wanted.anywhere[1] in self.terms)
        )

    def _is_of(self, wanted: Selection) -> bool:
        """Whether it is of anybody who is asked for."""
        by_owner = wanted.owner is not None and wanted.owner == self.owner
        anybody = not wanted.people and wanted.owner is None
        return anybody or by_owner or not self.terms.isdisjoint(wanted.people)


def _log() -> st.SearchStrategy[list[list[Made]]]:
    voids = st.none() | st.integers(0, 11)
    one = st.builds(Made, st.frozensets(TERMS, max_size=4), SOME_TERM, SOME_TERM, SOME_TERM, SOME_TERM, voids)
    return st.lists(st.lists(one, min_size=1, max_size=4), max_size=5)


SELECTIONS = st.builds(
    Selection,
    people=st.lists(TERMS, max_size=3).map(tuple),
    owner=SOME_TERM,
    registration=SOME_TERM,
    object=SOME_TERM,
    anywhere=st.none() | st.tuples(TERMS, TERMS),
    verb=SOME_TERM,
    since_us=st.none() | st.integers(START_US - 1, START_US + 6),
    until_us=st.none() | st.integers(START_US - 1, START_US + 6),
    ascending=st.booleans(),
    after=st.none() | st.integers(0, 21),
    limit=st.integers(1, 8),
)


@pytest.fixture(scope="module", params=STORES)
def new_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[Callable[[], TenantStore]]:
    """New stores in one place: hypothesis makes many in one test."""
    address = address_of(request.param, tmp_path_factory.mktemp("index"), postgres)
    backend, numbers = BACKENDS[request.param](address, FakeClock().now), count()
    yield lambda: backend.open(f"example-{next(numbers)}")
    backend.close()


def _store_log(store: TenantStore, log: list[list[Made]]) -> list[tuple[int, Made, UUID]]:
    """Every statement with the time at which it must be stored, in order."""
    ids = [UUID(int=n + 1) for n in range(24)]
    model: list[tuple[int, Made, UUID]] = []
    for number, batch in enumerate(log):
        own = ids[len(model) : len(model) + len(batch)]
        index = [
            row(
                *sorted(made.terms),
                voids=None if made.voids is None else ids[made.voids],
                owner=made.owner,
                verb=made.verb,
                object=made.object,
                registration=made.registration,
            )
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
        if made.matches(wanted)
        and stream not in voided
        and (wanted.since_us is None or stored > wanted.since_us)
        and (wanted.until_us is None or stored <= wanted.until_us)
        and (wanted.after is None or (position > wanted.after if wanted.ascending else position < wanted.after))
    ]
    matching.sort(reverse=not wanted.ascending)
    return matching[: wanted.limit], len(matching) > wanted.limit


def _compare(store: TenantStore, log: list[list[Made]], selections: list[Selection]) -> None:
    model = _store_log(store, log)
    for wanted in selections:
        page = store.statements.select(wanted)
        assert ([one.position for one in page.rows], page.more) == _naive(model, wanted), wanted


@given(_log(), st.lists(SELECTIONS, min_size=20, max_size=40))
@settings(max_examples=40, deadline=None)
def test_select_finds_what_a_plain_filter_over_a_list_finds(
    new_store: Callable[[], TenantStore], log: list[list[Made]], selections: list[Selection]
) -> None:
    _compare(new_store(), log, selections)


@pytest.mark.full
@given(_log(), st.lists(SELECTIONS, min_size=50, max_size=100))
@settings(max_examples=1000, deadline=None)
def test_select_finds_what_a_plain_filter_finds_in_very_many_cases(
    new_store: Callable[[], TenantStore], log: list[list[Made]], selections: list[Selection]
) -> None:
    _compare(new_store(), log, selections)
