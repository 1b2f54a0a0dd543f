"""The document index: one row a document, moved on with its event or not at all."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from lrs.domain.document_events import DocumentStored
from lrs.domain.sealing import Sealed
from lrs.ports import DocumentGone, DocumentRow, StaleFence, StoredDocument, TenantStore
from tests.contract.conftest import START_US, TENANT, Backend, FakeClock, an_event

ADA, GRACE = UUID(int=0xADA), UUID(int=0x92ACE)
SCOPE, SESSION = b"scope of 16 byte", b"session 16 bytes"


def a_row(number: int = 1, **more: Any) -> DocumentRow:
    """A first version; the numbers are the order of places."""
    made = DocumentRow(bytes([number]) * 16, SCOPE, SESSION, ADA, uuid4(), 1, Sealed(b"head %d" % number))
    return replace(made, **more)


def event_of(row: DocumentRow) -> StoredEvent:
    return an_event(row.stream, row.version, b"state %d" % row.version)


def store_rows(store: TenantStore, *rows: DocumentRow, **more: Any) -> None:
    store.recorder.insert_events([event_of(row) for row in rows], documents=list(rows), **more)


def row_at(store: TenantStore, place: bytes) -> DocumentRow | None:
    return store.documents.rows([place]).get(place)


def delete(store: TenantStore, row: DocumentRow) -> None:
    gone = DocumentGone(row.place, row.stream, row.version + 1)
    store.recorder.insert_events([an_event(row.stream, row.version + 1)], documents_gone=[gone])


def test_what_is_stored_is_found_with_its_event_and_its_time(store: TenantStore, clock: FakeClock) -> None:
    row = a_row()
    assert (row_at(store, row.place), store.documents.one(row.place)) == (None, None)
    store_rows(store, row)
    found = replace(row, updated_us=START_US)
    assert row_at(store, row.place) == found
    assert store.documents.one(row.place) == StoredDocument(found, event_of(row))
    clock.advance(1)
    later = replace(row, version=2, head=Sealed(b"another"))
    store_rows(store, later)
    found = replace(later, updated_us=START_US + 1_000_000)
    assert row_at(store, row.place) == found
    assert store.documents.one(row.place) == StoredDocument(found, event_of(later))
    (stored,) = {one.stored_us for one in store.statements.read(1, 10)}
    assert stored == found.updated_us


def test_a_deleted_document_is_not_there_and_its_place_is_free(store: TenantStore) -> None:
    row = a_row()
    store_rows(store, row)
    delete(store, row)
    assert row_at(store, row.place) is None
    again = replace(row, stream=uuid4())
    store_rows(store, again)
    found = row_at(store, row.place)
    assert found is not None
    assert found.stream == again.stream


@pytest.mark.parametrize("change", ["same version", "version ahead", "another stream", "taken place", "gone"])
def test_a_row_moves_on_from_the_version_before_alone_or_nothing_is_written(
    store: TenantStore, backend: Backend, change: str
) -> None:
    row = a_row()
    store_rows(store, row, a_row(2))
    if change == "gone":
        delete(store, row)
    wrong = {
        "same version": row,
        "version ahead": replace(row, version=3),
        "another stream": replace(row, version=2, stream=uuid4()),
        "taken place": replace(row, stream=uuid4()),
        "gone": replace(row, version=3),
    }[change]
    tables = (
        "SELECT * FROM document ORDER BY place",
        "SELECT * FROM event ORDER BY position",
        "SELECT * FROM head",
    )
    before = [backend.rows(TENANT, sql) for sql in tables]
    with pytest.raises(IntegrityError):
        store_rows(store, a_row(3), wrong)
    if change != "taken place":
        gone = DocumentGone(wrong.place, wrong.stream, wrong.version)
        with pytest.raises(IntegrityError):
            store.recorder.insert_events([an_event(), an_event()], documents_gone=[gone])
    assert [backend.rows(TENANT, sql) for sql in tables] == before


def test_documents_are_listed_by_place_in_pages(store: TenantStore) -> None:
    rows = [a_row(number) for number in (5, 3, 1, 4, 2)]
    store_rows(store, *rows, a_row(9, scope=b"another scope"), a_row(8, owner=GRACE, scope=b"a third"))
    whole = store.documents.listed(SCOPE)
    assert [row.place[0] for row in whole] == [1, 2, 3, 4, 5]
    pages: list[int] = []
    while page := store.documents.listed(SCOPE, after=bytes(pages[-1:]) * 16, limit=2):
        assert len(page) <= 2
        pages += [row.place[0] for row in page]
    assert pages == [1, 2, 3, 4, 5]
    assert [row.place[0] for row in store.documents.of_owner(ADA, limit=10)] == [1, 2, 3, 4, 5, 9]
    assert [row.place[0] for row in store.documents.of_owner(ADA, after=b"\x04" * 16)] == [5, 9]
    assert store.documents.of_owner(UUID(int=7)) == []


def test_many_rows_are_looked_up_in_one_go(store: TenantStore) -> None:
    rows = [a_row(number) for number in (5, 3, 1)]
    store_rows(store, *rows)
    asked = [row.place for row in rows] + [b"\x07" * 16] + [b"none %d" % n for n in range(1_000)]
    assert {place[0]: row.place for place, row in store.documents.rows(asked).items()} == {
        row.place[0]: row.place for row in rows
    }
    assert store.documents.rows([]) == {}


def test_a_session_is_a_part_of_its_scope(store: TenantStore) -> None:
    store_rows(store, a_row(1), a_row(2, session=b"another"), a_row(3, scope=b"another", session=SESSION))
    assert [row.place[0] for row in store.documents.listed(SCOPE, SESSION)] == [1]
    assert [row.place[0] for row in store.documents.listed(SCOPE, b"another")] == [2]
    assert store.documents.listed(SCOPE, b"none") == []


def test_since_is_later_than_that_very_time(store: TenantStore, clock: FakeClock) -> None:
    store_rows(store, a_row(1))
    clock.advance(1)
    store_rows(store, a_row(2))
    second = START_US + 1_000_000
    for since, expected in ((-1, [1, 2]), (START_US - 1, [1, 2]), (START_US, [2]), (second, [])):
        assert [row.place[0] for row in store.documents.listed(SCOPE, since_us=since)] == expected


def test_a_row_without_its_event_is_told_as_such(store: TenantStore) -> None:
    row = a_row()
    store.recorder.insert_events([an_event()], documents=[row])
    found = store.documents.one(row.place)
    assert found is not None
    assert (found.row.stream, found.event) == (row.stream, None)


def test_documents_are_one_transaction_with_the_fence(store: TenantStore) -> None:
    store.purge(GRACE, 5)
    row = a_row()
    with pytest.raises(StaleFence):
        store_rows(store, row, fence_sequence=4)
    assert row_at(store, row.place) is None
    store_rows(store, row, fence_sequence=5)
    assert row_at(store, row.place) is not None


def test_a_purge_takes_a_subjects_rows_alone(store: TenantStore) -> None:
    store_rows(store, a_row(1), a_row(2), a_row(3, owner=GRACE))
    purged = store.purge(ADA, 1)
    assert (purged.removed["document"], purged.left["document"]) == (2, 0)
    assert [row.owner for row in store.documents.listed(SCOPE)] == [GRACE]
    assert store.purge(ADA, 1).removed["document"] == 0


def test_who_follows_the_log_is_not_given_what_documents_hold(store: TenantStore) -> None:
    """A thousand of ten megabytes would be read at once, of which no view is made."""
    large = StoredEvent(uuid4(), 1, DocumentStored.TOPIC, b"x" * 1_000_000)
    store.recorder.insert_events([large, an_event()])
    assert [one.event.state for one in store.statements.read(0, 10)] == [b"", b"state"]
    assert store.statements.at([1])[0].event.state == large.state
