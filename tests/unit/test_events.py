"""The bytes of hot events: what is written is read again, what is not an event is refused."""

import struct
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.domain.events import ExchangeRecorded, StatementRecorded, StatementWithAttachments
from lrs.domain.sealing import Sealed

PEOPLE = st.lists(st.tuples(st.uuids(), st.integers(0, 2**32 - 1)), max_size=30).map(tuple)


@given(st.uuids(), st.sampled_from(["1.0.3", "2.0.0"]), st.none() | st.uuids(version=4), PEOPLE, st.binary())
def test_a_statement_event_is_read_as_written(
    authority: UUID, version: str, voids: UUID | None, people: tuple[tuple[UUID, int], ...], body: bytes
) -> None:
    event = StatementRecorded(uuid4(), 1, version, authority, voids, people, Sealed(body))
    assert StatementRecorded.decode(event.originator_id, 1, event.encode()) == event


@given(st.uuids(), st.uuids(), st.integers(0, 2**32 - 1), st.binary())
def test_an_exchange_event_is_read_as_written(authority: UUID, subject: UUID, number: int, body: bytes) -> None:
    event = ExchangeRecorded(uuid4(), 1, authority, ((subject, number),), Sealed(body))
    assert ExchangeRecorded.decode(event.originator_id, 1, event.encode()) == event


@given(st.integers(0, 60))
def test_a_cut_head_is_refused(length: int) -> None:
    whole = StatementRecorded(uuid4(), 1, "1.0.3", uuid4(), None, ((uuid4(), 1), (uuid4(), 2)), Sealed(b""))
    with pytest.raises((ValueError, struct.error)):
        StatementRecorded.decode(whole.originator_id, 1, whole.encode()[:length])


@pytest.mark.parametrize("kind", [StatementRecorded, ExchangeRecorded])
@pytest.mark.parametrize("state", [b"", b"\x00" * 80, b"\x02" * 80, b"\x01\x09" + b"\x00" * 80])
def test_other_bytes_are_no_event(kind: type[StatementRecorded | ExchangeRecorded], state: bytes) -> None:
    if kind is ExchangeRecorded and state.startswith(b"\x01"):
        return  # any 16 bytes are an id
    with pytest.raises((ValueError, struct.error)):
        kind.decode(uuid4(), 1, state)


def test_a_statement_without_attachments_is_none_with_them_and_the_other_way_round() -> None:
    plain = StatementRecorded(uuid4(), 1, "1.0.3", uuid4(), None, (), Sealed(b"body"))
    attached = StatementWithAttachments(uuid4(), 1, "1.0.3", uuid4(), None, (), Sealed(b"body"), ())
    with pytest.raises(ValueError, match="statement-recorded/2"):
        StatementWithAttachments.decode(plain.originator_id, 1, plain.encode())
    with pytest.raises(ValueError, match="statement-recorded/1"):
        StatementRecorded.decode(attached.originator_id, 1, attached.encode())
