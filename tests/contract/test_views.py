"""The promises of report views: they move with their tracking or not at all, and are rebuilt beside themselves."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import IntegrityError, RecordConflictError

from lrs.adapters.sql import generations
from lrs.adapters.sql.views import SqlViews
from lrs.domain.signals import grouping_digest
from lrs.ports import Generation, TenantStore, ViewFilter, ViewKey, ViewRow
from tests.contract.conftest import TENANT, Backend

VIEW, OTHER = "progress", "completion"
ADA, GRACE, HEDY = (UUID(int=n) for n in (1, 2, 3))
A, B = "https://example.org/a", "https://example.org/b"
REGISTRATION = "5f3ab4d5-6b54-4a0b-a8b0-0f4d5bd9b0aa"


def a_row(
    subject: UUID = ADA,
    activity: str = A,
    registration: str = "",
    *,
    first_at_us: int = 10,
    last_at_us: int = 20,
    groupings: tuple[str, ...] = (),
    **facts: Any,
) -> ViewRow:
    digests = frozenset(map(grouping_digest, groupings))
    return ViewRow(ViewKey(subject, activity, registration), first_at_us, last_at_us, digests, facts)


def fill(store: TenantStore, view: str, *rows: ViewRow, end: int | None = None) -> Generation:
    live = store.views.live(view)
    with store.views.write([live], live.position + 1 if end is None else end) as writer:
        writer.store(live, rows)
    return store.views.live(view)


def dump(store: TenantStore, view: str = VIEW) -> list[tuple[object, ...]]:
    return list(store.views.dump(store.views.live(view)))


# --- write, load, store, remove ------------------------------------------------------------------------------


def test_a_view_never_written_is_generation_one_at_the_start(store: TenantStore) -> None:
    assert store.views.live(VIEW) == Generation(VIEW, 1, 0)
    assert dump(store) == []


def test_what_is_stored_is_loaded_again(store: TenantStore) -> None:
    facts: dict[str, Any] = {"score": 0.5, "whole": 100, "none": None, "deep": {"ß": [1, True]}, "big": 2**53}
    rows = [a_row(groupings=(A, B), **facts), a_row(GRACE, B, REGISTRATION, first_at_us=-5, last_at_us=2**53)]
    live = fill(store, VIEW, *rows)
    assert live == Generation(VIEW, 1, 1)
    absent = ViewKey(HEDY, A, "")
    with store.views.write([live], 2) as writer:
        assert writer.load(live, [rows[1].key, absent, rows[0].key]) == {row.key: row for row in rows}


def test_storing_again_replaces_and_removing_takes_out(store: TenantStore) -> None:
    fill(store, VIEW, a_row(n=1), a_row(GRACE, n=1))
    live = fill(store, VIEW, a_row(n=2))
    assert [row[6] for row in dump(store)] == ['{"n":2}', '{"n":1}']
    with store.views.write([live], 3) as writer:
        writer.remove(live, [a_row().key, a_row(HEDY).key])
        assert writer.load(live, [a_row().key]) == {}
    assert [row[2] for row in dump(store)] == [GRACE.bytes]


def test_rows_of_different_views_and_registrations_are_different_rows(store: TenantStore) -> None:
    fill(store, VIEW, a_row(n=1), a_row(registration=REGISTRATION, n=2))
    fill(store, OTHER, a_row(n=3))
    assert [row[6] for row in dump(store)] == ['{"n":1}', '{"n":2}']
    assert [row[6] for row in dump(store, OTHER)] == ['{"n":3}']


def test_a_write_that_fails_leaves_nothing_behind(store: TenantStore) -> None:
    live = fill(store, VIEW, a_row(n=1))
    with suppress(ZeroDivisionError), store.views.write([live], 2) as writer:
        writer.store(live, [a_row(n=2)])
        writer.alarm(2, "event-corrupt")
        raise ZeroDivisionError
    assert store.views.live(VIEW) == live
    assert [row[6] for row in dump(store)] == ['{"n":1}']
    assert store.views.alarms() == 0


def test_alarms_are_counted_once_an_event(store: TenantStore) -> None:
    for position in (5, 5, 6):
        live = store.views.live(VIEW)
        with store.views.write([live], live.position + 1) as writer:
            writer.alarm(position, "event-corrupt")
    assert store.views.alarms() == 2


# --- tracking ------------------------------------------------------------------------------------------------


def test_tracking_moves_to_the_end_that_was_said(store: TenantStore) -> None:
    assert fill(store, VIEW, end=70).position == 70
    assert store.recorder.max_tracking_id(f"{VIEW}@1") == 70


@pytest.mark.parametrize("seen", [0, 4, 6], ids=["at the start", "behind", "ahead"])
def test_a_writer_that_saw_the_view_elsewhere_is_refused(store: TenantStore, seen: int) -> None:
    live = fill(store, VIEW, a_row(n=1), end=5)
    stale = Generation(VIEW, 1, seen)
    with pytest.raises(RecordConflictError), store.views.write([stale], 9) as writer:
        writer.store(stale, [a_row(n=2)])
    assert store.views.live(VIEW) == live
    assert [row[6] for row in dump(store)] == ['{"n":1}']


@pytest.mark.parametrize("end", [4, 5])
def test_tracking_never_stands_still_or_goes_back(store: TenantStore, end: int) -> None:
    live = fill(store, VIEW, a_row(n=1), end=5)
    with pytest.raises(RecordConflictError), store.views.write([live], end) as writer:
        writer.store(live, [a_row(n=2)])
    assert store.views.live(VIEW) == live
    assert [row[6] for row in dump(store)] == ['{"n":1}']


def test_views_written_together_move_together_or_not_at_all(store: TenantStore) -> None:
    fill(store, OTHER, end=3)
    ones = [store.views.live(VIEW), Generation(OTHER, 1, 0)]
    with pytest.raises(RecordConflictError), store.views.write(ones, 9) as writer:
        writer.store(ones[0], [a_row()])
    assert store.views.live(VIEW) == Generation(VIEW, 1, 0)
    ones[1] = store.views.live(OTHER)
    with store.views.write(ones, 9) as writer:
        writer.store(ones[0], [a_row()])
    assert [store.views.live(view).position for view in (VIEW, OTHER)] == [9, 9]


def test_of_many_runners_at_one_place_exactly_one_writes(store: TenantStore) -> None:
    live = store.views.live(VIEW)
    wrote: list[int] = []

    def run(number: int) -> None:
        with suppress(RecordConflictError):
            with store.views.write([live], 1) as writer:
                writer.store(live, [a_row(number=number)])
            wrote.append(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    assert [row[6] for row in dump(store)] == [f'{{"number":{wrote[0]}}}']
    assert len(wrote) == 1


# --- generations ---------------------------------------------------------------------------------------------


def test_a_new_generation_is_empty_and_the_live_one_answers_on(store: TenantStore) -> None:
    live = fill(store, VIEW, a_row(n=1))
    new = store.views.begin(VIEW)
    assert new == Generation(VIEW, 2, 0)
    assert list(store.views.dump(new)) == []
    assert store.views.live(VIEW) == live


@pytest.mark.parametrize(
    ("rebuilt", "same"),
    [
        ([a_row(n=1), a_row(GRACE, n=1)], True),
        ([a_row(n=2), a_row(GRACE, n=1)], False),
        ([a_row(n=1)], False),
        ([a_row(n=1), a_row(GRACE, n=1), a_row(HEDY, n=1)], False),
        ([a_row(n=1), a_row(HEDY, n=1)], False),
        ([a_row(n=1, last_at_us=21), a_row(GRACE, n=1)], False),
        ([a_row(n=1, groupings=(A,)), a_row(GRACE, n=1)], False),
    ],
    ids=["same", "other facts", "one less", "one more", "another subject", "another time", "another grouping"],
)
def test_generations_are_compared_and_a_swap_makes_the_new_one_live(
    store: TenantStore, backend: Backend, rebuilt: list[ViewRow], same: bool
) -> None:
    fill(store, VIEW, a_row(n=1), a_row(GRACE, n=1), end=8)
    new = store.views.begin(VIEW)
    with store.views.write([new], 8) as writer:
        writer.store(new, rebuilt)
    new = replace(new, position=8)
    assert store.views.same(store.views.live(VIEW), new) is same
    store.views.swap(new)
    assert store.views.live(VIEW) == Generation(VIEW, 2, 8)
    assert len(dump(store)) == len(rebuilt)
    assert backend.rows(TENANT, "SELECT DISTINCT generation FROM view_row") == [(2,)]


@pytest.mark.parametrize("end", [7, 9], ids=["behind", "ahead"])
def test_a_swap_waits_until_both_are_at_one_place(store: TenantStore, end: int) -> None:
    live = fill(store, VIEW, a_row(n=1), end=8)
    new = store.views.begin(VIEW)
    with store.views.write([new], end) as writer:
        writer.store(new, [a_row(n=1)])
    with pytest.raises(RecordConflictError):
        store.views.swap(new)
    assert store.views.live(VIEW) == live


def test_generations_are_compared_where_the_caller_saw_them(store: TenantStore) -> None:
    live = fill(store, VIEW, a_row(n=1), end=8)
    new = store.views.begin(VIEW)
    for seen in (new, replace(new, position=8)):
        with pytest.raises(RecordConflictError):
            store.views.same(replace(live, position=seen.position), seen)
    with store.views.write([new], 8) as writer:
        writer.store(new, [a_row(n=1)])
    assert store.views.same(live, replace(new, position=8))


@pytest.mark.parametrize("changed", ["none", "first", "middle", "last", "one more", "one less"])
def test_large_generations_are_compared_and_dropped_in_stretches(
    store: TenantStore, backend: Backend, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    monkeypatch.setattr(generations, "_ROWS_COMPARED", 7)
    monkeypatch.setattr(generations, "_ROWS_DROPPED", 5)
    subjects = [UUID(int=n) for n in range(1, 22)]
    fill(store, VIEW, *(a_row(one) for one in subjects), end=8)
    new = store.views.begin(VIEW)
    other = {"first": 0, "middle": 6, "last": 20}.get(changed)
    rows = [a_row(one, first_at_us=9 if number == other else 10) for number, one in enumerate(subjects)]
    rows += [a_row(UUID(int=99))] if changed == "one more" else []
    with store.views.write([new], 8) as writer:
        writer.store(new, rows[: -1 if changed == "one less" else None])
    new = replace(new, position=8)
    assert store.views.same(store.views.live(VIEW), new) is (changed == "none")
    store.views.swap(new)
    assert backend.rows(TENANT, "SELECT DISTINCT generation FROM view_row") == [(2,)]


def test_nothing_is_dropped_that_somebody_writes(store: TenantStore, backend: Backend) -> None:
    """Another rebuild may begin while what the one before left is still being dropped."""
    fill(store, VIEW, a_row(n=1), end=8)
    new = store.views.begin(VIEW)
    with store.views.write([new], 8) as writer:
        writer.store(new, [a_row(n=1)])
    assert isinstance(store.views, SqlViews)
    store.views._clear(VIEW)
    assert backend.rows(TENANT, "SELECT generation FROM view_row ORDER BY generation") == [(1,), (2,)]


def test_a_swap_happens_once(store: TenantStore) -> None:
    fill(store, VIEW, a_row(n=1), end=8)
    new = store.views.begin(VIEW)
    with store.views.write([new], 8):
        pass
    store.views.swap(new)
    with pytest.raises(RecordConflictError):
        store.views.swap(new)
    assert store.views.live(VIEW) == Generation(VIEW, 2, 8)


def test_a_half_finished_generation_is_dropped_by_the_next_one(store: TenantStore, backend: Backend) -> None:
    fill(store, VIEW, a_row(n=1), end=8)
    half = store.views.begin(VIEW)
    with store.views.write([half], 5) as writer:
        writer.store(half, [a_row(HEDY, n=9)])
    again = store.views.begin(VIEW)
    assert again == Generation(VIEW, 2, 0)
    assert list(store.views.dump(again)) == []
    assert store.recorder.max_tracking_id(f"{VIEW}@2") is None
    with pytest.raises(RecordConflictError), store.views.write([Generation(VIEW, 2, 5)], 6):
        pass  # whoever was at work on the half one finds out
    assert backend.rows(TENANT, "SELECT DISTINCT generation FROM view_row") == [(1,)]


@pytest.mark.parametrize("end", [0, 8], ids=["never written", "written"])
def test_nobody_writes_to_a_generation_that_was_dropped(store: TenantStore, backend: Backend, end: int) -> None:
    """Else its rows would stay for ever: nothing reads them and nothing drops them again."""
    if end:
        fill(store, VIEW, a_row(n=1), end=end)
    dropped, new = store.views.live(VIEW), store.views.begin(VIEW)
    if end:
        with store.views.write([new], end):
            pass
    store.views.swap(new)
    for seen in (dropped, Generation(VIEW, 1, 0)):
        with pytest.raises(RecordConflictError), store.views.write([seen], 9) as writer:
            writer.store(seen, [a_row()])
    assert backend.rows(TENANT, "SELECT * FROM view_row") == []


def test_generations_of_one_view_do_not_touch_another(store: TenantStore) -> None:
    fill(store, VIEW, a_row(n=1), end=8)
    other = fill(store, OTHER, a_row(n=1), end=8)
    new = store.views.begin(VIEW)
    with store.views.write([new], 8):
        pass
    store.views.swap(new)
    assert store.views.live(OTHER) == other
    assert len(dump(store, OTHER)) == 1


# --- select --------------------------------------------------------------------------------------------------


def found(store: TenantStore, **wanted: object) -> list[tuple[UUID, str, str]]:
    rows = store.views.select(VIEW, ViewFilter(**wanted))  # type: ignore[arg-type]  # named by the test
    return [(row.key.subject, row.key.activity, row.key.registration) for row in rows]


@pytest.fixture
def report(store: TenantStore) -> TenantStore:
    """Four rows, and one in another view."""
    fill(
        store,
        VIEW,
        a_row(ADA, A, last_at_us=10),
        a_row(GRACE, A, REGISTRATION, last_at_us=20, groupings=("https://example.org/Course", "x")),
        a_row(ADA, B, last_at_us=30, groupings=("https://example.org/course",), n=2),
        a_row(GRACE, B, last_at_us=40),
    )
    fill(store, OTHER, a_row(HEDY, B))
    return store


def test_the_rows_of_a_view_stand_in_order(report: TenantStore) -> None:
    assert found(report) == [(ADA, A, ""), (GRACE, A, REGISTRATION), (ADA, B, ""), (GRACE, B, "")]
    rows = report.views.select(VIEW, ViewFilter())
    assert [(row.facts, row.last_at_us) for row in rows] == [({}, 10), ({}, 20), ({"n": 2}, 30), ({}, 40)]
    assert rows[2].groupings == {grouping_digest("https://example.org/course")}
    assert [row.key.subject for row in report.views.select(OTHER, ViewFilter())] == [HEDY]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"subjects": (ADA,)}, [(ADA, A, ""), (ADA, B, "")]),
        ({"subjects": ()}, []),
        ({"subjects": (HEDY,)}, []),
        ({"without": frozenset({ADA})}, [(GRACE, A, REGISTRATION), (GRACE, B, "")]),
        ({"subjects": (ADA,), "without": frozenset({ADA})}, []),
        ({"activity": B}, [(ADA, B, ""), (GRACE, B, "")]),
        ({"activity": B.upper()}, []),
        ({"activity": "a\0b"}, []),
        ({"cohort": "a\0b"}, []),
        ({"cohort": REGISTRATION.upper()}, [(GRACE, A, REGISTRATION)]),
        ({"cohort": "https://example.org/Course"}, [(GRACE, A, REGISTRATION)]),
        ({"cohort": "https://example.org/course"}, [(ADA, B, "")]),
        ({"since_us": 20}, [(ADA, B, ""), (GRACE, B, "")]),
        ({"until_us": 20}, [(ADA, A, ""), (GRACE, A, REGISTRATION)]),
        ({"since_us": 10, "until_us": 30, "subjects": (ADA,)}, [(ADA, B, "")]),
    ],
    ids=lambda value: "" if isinstance(value, list) else "+".join(value),
)
def test_each_filter_narrows(
    report: TenantStore, wanted: dict[str, object], expected: list[tuple[UUID, str, str]]
) -> None:
    assert found(report, **wanted) == expected


def test_pages_go_on_after_the_last_row(report: TenantStore) -> None:
    after, seen = None, []
    while page := found(report, limit=1, after=after):
        seen += page
        subject, activity, registration = page[-1]
        after = (activity, registration, subject.hex)
    assert seen == found(report)
    assert found(report, limit=3) == seen[:3]


def test_the_live_generations_answer(report: TenantStore) -> None:
    new = report.views.begin(VIEW)
    with report.views.write([new], report.views.live(VIEW).position) as writer:
        writer.store(new, [a_row(GRACE, B)])
    assert len(found(report)) == 4
    report.views.swap(new)
    assert found(report) == [(GRACE, B, "")]


def test_a_report_may_ask_for_very_many_subjects(report: TenantStore) -> None:
    crowd = tuple(UUID(int=n) for n in range(1000, 21_000))
    assert found(report, subjects=(*crowd, ADA)) == [(ADA, A, ""), (ADA, B, "")]
    assert found(report, without=frozenset((*crowd, ADA))) == [(GRACE, A, REGISTRATION), (GRACE, B, "")]


# --- dump ----------------------------------------------------------------------------------------------------


def test_equal_views_dump_equal_bytes_however_they_were_written(store: TenantStore) -> None:
    rows = [a_row(ADA, B, groupings=(B, A), x=1, y={"b": 1, "a": 2}), a_row(GRACE, A)]
    fill(store, VIEW, *rows)
    turned = [a_row(GRACE, A), a_row(ADA, B, groupings=(A, B), y={"a": 2, "b": 1}, x=1)]
    for row in turned:
        fill(store, OTHER, row)
    assert dump(store) == dump(store, OTHER)
    assert dump(store) == [
        (A, "", GRACE.bytes, 10, 20, b"", "{}"),
        (B, "", ADA.bytes, 10, 20, b"".join(sorted(map(grouping_digest, (A, B)))), '{"x":1,"y":{"a":2,"b":1}}'),
    ]


def test_a_dump_gives_every_row_of_a_large_view(store: TenantStore) -> None:
    fill(store, VIEW, *(a_row(UUID(int=n)) for n in range(1, 1702)))
    assert [row[2] for row in dump(store)] == [UUID(int=n).bytes for n in range(1, 1702)]


# --- erasure -------------------------------------------------------------------------------------------------


def test_a_purge_covers_every_generation_of_every_view(store: TenantStore, backend: Backend) -> None:
    for view in (VIEW, OTHER):
        fill(store, view, a_row(ADA), a_row(GRACE), end=4)
        new = store.views.begin(view)
        with store.views.write([new], 2) as writer:
            writer.store(new, [a_row(ADA)])
    assert store.purge(ADA, 1).removed["view_row"] == 4
    assert backend.rows(TENANT, "SELECT DISTINCT subject FROM view_row") == [(GRACE.bytes,)]


def test_a_projector_sees_the_tombstones_in_its_own_transaction(store: TenantStore) -> None:
    live = store.views.live(VIEW)
    with store.views.write([live], 1) as writer:
        assert writer.tombstones([ADA, GRACE]) == set()
    store.purge(ADA, 1)
    with store.views.write([store.views.live(VIEW)], 2) as writer:
        assert writer.tombstones([ADA, GRACE]) == {ADA}
        assert writer.tombstones(iter([])) == set()


def test_a_projector_and_a_purge_at_once_are_one_after_the_other(store: TenantStore, backend: Backend) -> None:
    """A projector that looks for tombstones can not write a row past the purge that it did not see."""
    subjects = [UUID(int=n) for n in range(100, 130)]

    def project() -> None:
        for _ in range(60):
            live = store.views.live(VIEW)
            with store.views.write([live], live.position + 1) as writer:
                erased = writer.tombstones(subjects)
                writer.store(live, [a_row(one) for one in subjects if one not in erased])

    def erase() -> None:
        for sequence, subject in enumerate(subjects, start=1):
            store.purge(subject, sequence)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(project), pool.submit(erase)]
        assert [one.result() for one in both] == [None, None]
    assert backend.rows(TENANT, "SELECT * FROM view_row") == []


def test_what_is_refused_is_a_conflict_in_the_librarys_words() -> None:
    assert issubclass(IntegrityError, RecordConflictError)
