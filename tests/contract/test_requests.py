"""The promises of the work list: one worker a request, and packages that go with their person."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError

from lrs.domain.sealing import Sealed
from lrs.ports import RequestRow, TenantStore
from tests.contract.conftest import START, TENANT, Backend, an_event

ADA, GRACE = UUID(int=1), UUID(int=2)
MINUTE = timedelta(seconds=60)


def put(store: TenantStore, *statuses: str, request: UUID | None = None) -> list[RequestRow]:
    rows = [
        RequestRow(request or uuid4(), "export", status, START + timedelta(microseconds=number))
        for number, status in enumerate(statuses)
    ]
    for row in rows:
        store.recorder.insert_events([an_event()], requests=[row])
    return rows


# --- the list ------------------------------------------------------------------------------------------------


def test_requests_are_listed_newest_first_in_pages(store: TenantStore) -> None:
    rows = put(store, *["open"] * 5)[::-1]
    assert store.requests.list() == rows
    assert store.requests.list(limit=2) == rows[:2]
    assert store.requests.list(limit=2, after=rows[1].id) == rows[2:4]
    assert store.requests.list(after=rows[4].id) == []
    assert store.requests.list(after=uuid4()) == []


def test_a_request_that_moves_on_keeps_its_place_kind_and_time(store: TenantStore) -> None:
    first, second = put(store, "open", "open")
    moved = RequestRow(first.id, "erase", "done", START + MINUTE)
    store.recorder.insert_events([an_event()], requests=[moved])
    assert store.requests.list() == [second, RequestRow(first.id, "export", "done", START)]


def test_a_time_comes_back_to_the_microsecond(store: TenantStore) -> None:
    at = START.replace(microsecond=999_999)
    store.recorder.insert_events([an_event()], requests=[RequestRow(uuid4(), "export", "open", at)])
    assert store.requests.list()[0].requested_at == at


# --- claims --------------------------------------------------------------------------------------------------


def test_a_request_is_claimed_by_one_worker_only(store: TenantStore) -> None:
    rows = put(store, *["open"] * 10)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: store.requests.claim(None, START, seconds=60), range(40)))
    # Who waited for another's claim may come away with nothing, and asks again.
    while (one := store.requests.claim(None, START, seconds=60)) is not None:
        claims.append(one)
    claimed = [one for one in claims if one is not None]
    assert sorted(claimed) == sorted(row.id for row in rows)


def test_the_oldest_is_claimed_first(store: TenantStore) -> None:
    first, second = put(store, "open", "running")
    assert store.requests.claim(None, START, seconds=60) == first.id
    assert store.requests.claim(None, START, seconds=60) == second.id
    assert store.requests.claim(None, START, seconds=60) is None


@pytest.mark.parametrize(("status", "is_work"), [
    ("open", True), ("running", True), ("done", False), ("refused", False), ("failed", False),
])  # fmt: skip
def test_only_what_is_unfinished_is_claimed(store: TenantStore, status: str, is_work: bool) -> None:
    row = put(store, status)[0]
    expected = row.id if is_work else None
    assert store.requests.claim(None, START, seconds=60) == expected
    store.requests.hold(row.id, START)
    assert store.requests.claim(row.id, START, seconds=60) == expected


def test_a_claim_for_this_very_request_takes_no_other(store: TenantStore) -> None:
    _, second, third = put(store, "open", "open", "done")
    assert store.requests.claim(second.id, START, seconds=60) == second.id
    assert store.requests.claim(second.id, START, seconds=60) is None
    assert store.requests.claim(third.id, START, seconds=60) is None
    assert store.requests.claim(uuid4(), START, seconds=60) is None


def test_a_released_request_is_taken_up_again_at_once(store: TenantStore) -> None:
    row = put(store, "open")[0]
    store.requests.claim(None, START, seconds=60)
    store.requests.hold(row.id, START)
    assert store.requests.claim(None, START, seconds=60) == row.id


def test_a_claim_lapses_so_that_a_crash_is_survived(store: TenantStore) -> None:
    row = put(store, "open")[0]
    store.requests.claim(None, START, seconds=60)
    assert store.requests.claim(None, START + MINUTE - timedelta(microseconds=1), seconds=60) is None
    assert store.requests.claim(None, START + MINUTE, seconds=60) == row.id


def test_a_claim_survives_that_the_request_moves_on(store: TenantStore) -> None:
    row = put(store, "open")[0]
    store.requests.claim(None, START, seconds=60)
    put(store, "running", request=row.id)
    assert store.requests.claim(None, START, seconds=60) is None


# --- packages ------------------------------------------------------------------------------------------------


def test_parts_come_in_order_whoever_they_are_about(store: TenantStore) -> None:
    request = uuid4()
    for part, subject in ((2, ADA), (0, GRACE), (10, ADA), (1, ADA)):
        store.requests.put_part(request, subject, part, Sealed(b"part %d" % part))
    store.requests.put_part(uuid4(), ADA, 0, Sealed(b"of another request"))
    assert list(store.requests.parts(request)) == [
        (GRACE, 0, Sealed(b"part 0")),
        (ADA, 1, Sealed(b"part 1")),
        (ADA, 2, Sealed(b"part 2")),
        (ADA, 10, Sealed(b"part 10")),
    ]


def test_a_part_is_never_replaced(store: TenantStore) -> None:
    request = uuid4()
    store.requests.put_part(request, ADA, 0, Sealed(b"first"))
    with pytest.raises(IntegrityError):
        store.requests.put_part(request, ADA, 0, Sealed(b"second"))
    assert list(store.requests.parts(request)) == [(ADA, 0, Sealed(b"first"))]


def test_a_part_about_an_erased_person_is_not_kept(store: TenantStore, backend: Backend) -> None:
    request = uuid4()
    store.requests.put_part(request, ADA, 0, Sealed(b"early"))
    store.requests.put_part(request, GRACE, 1, Sealed(b"hers"))
    store.purge(ADA, 1)
    store.requests.put_part(request, ADA, 2, Sealed(b"late"))
    assert list(store.requests.parts(request)) == [(GRACE, 1, Sealed(b"hers"))]
    assert backend.rows(TENANT, "SELECT count(*) FROM package") == [(1,)]


def test_reading_a_package_holds_up_no_erasure(store: TenantStore) -> None:
    request = uuid4()
    for part in range(3):
        store.requests.put_part(request, ADA, part, Sealed(b"part"))
    parts = store.requests.parts(request)
    next(parts)
    store.purge(ADA, 1)
    assert list(parts) == []


def test_dropping_a_package_drops_only_that_one(store: TenantStore) -> None:
    request, other = uuid4(), uuid4()
    for one in (request, other):
        store.requests.put_part(one, ADA, 0, Sealed(b"part"))
    store.requests.drop_package(request)
    store.requests.drop_package(request)
    assert list(store.requests.parts(request)) == []
    assert len(list(store.requests.parts(other))) == 1
