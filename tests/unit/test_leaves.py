"""Leaves: bytes that are kept for ever, the same whatever was compacted, and other ones for anything else."""

import base64
import json
import struct
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.envelope import DataKey
from lrs.application import LetheMapper, json_transcoder, stored_event
from lrs.domain import leaves
from lrs.domain.document_events import DocumentDeleted, DocumentStored
from lrs.domain.envelopes import (
    ALL_OF,
    ANY_OF,
    ONE_KEY,
    TOMBSTONE,
    EnvelopeInvalid,
    digest_of,
    framed,
    is_tombstone,
    tombstone_of,
)
from lrs.domain.events import AttachedBlob, BlobName, ExchangeRecorded, StatementRecorded, StatementWithAttachments
from lrs.domain.events import blobs_of as names_of
from lrs.domain.leaves import Entry
from lrs.domain.sealing import Category, Place, Sealed
from lrs.domain.subjects import Subject
from tests.contract.conftest import START

ASSETS = Path(__file__).parents[1] / "assets"
GOLDEN_EVENTS = json.loads((ASSETS / "golden-events.json").read_text())
GOLDEN_LEAVES = json.loads((ASSETS / "golden-leaves.json").read_text())
GOLDEN_ENVELOPES = json.loads((ASSETS / "golden-envelopes.json").read_text())
STREAM = UUID(int=7)


def data_key(number: int) -> DataKey:
    """A key for sealing."""
    raw = bytes((number,)) * 32
    return DataKey(wrapping.kid_of(raw), Category.LEARNING, raw)


KEYS = [data_key(number) for number in (1, 2, 3)]
PLACE = Place(STREAM, 1, "body", StatementRecorded.TOPIC)


def sealed(owners: int = 1, *, all_of: bool = False) -> bytes:
    """An envelope of so many owners."""
    return envelope.seal("acme", PLACE, KEYS[:owners], b"what somebody wrote", all_of=all_of)


ENVELOPES = {"one key": sealed(), "any of": sealed(3), "all of": sealed(3, all_of=True)}


def entry_of(event: StoredEvent, position: int = 1) -> Entry:
    """An event as it lies in the store."""
    stream = cast("UUID", event.originator_id)
    return Entry(position, 5, stream.bytes, event.originator_version, event.topic, event.state)


def events() -> dict[str, tuple[StoredEvent, int]]:
    """One event of each kind that holds envelopes, and how many."""
    one, any_of, all_of = (Sealed(each) for each in ENVELOPES.values())
    blobs = tuple(
        AttachedBlob(BlobName(bytes((number,)) * 16), bytes(32), 9, key)
        for number, key in enumerate((one, any_of, all_of))
    )
    people = ((uuid4(), 1), (uuid4(), 2))
    statement = StatementRecorded(STREAM, 1, "2.0.0", uuid4(), uuid4(), people, any_of)
    attached = StatementWithAttachments(STREAM, 1, "1.0.3", uuid4(), None, people, one, blobs)
    exchange = ExchangeRecorded(STREAM, 1, uuid4(), people[:1], one)
    document = DocumentStored(STREAM, 2, uuid4(), uuid4(), one, any_of)
    agent = LetheMapper(json_transcoder()).to_stored_event(Subject.agent_sealed(STREAM, 2, one, START))
    found: dict[str, tuple[StoredEvent, int]] = {
        each.TOPIC: (stored_event(each), count)
        for each, count in cast(
            "list[tuple[Any, int]]", [(statement, 1), (attached, 4), (exchange, 1), (document, 2)]
        )
    }
    return found | {agent.topic: (agent, 1)}


EVENTS = events()


# --- formats that are kept -----------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", GOLDEN_EVENTS)
def test_the_leaf_of_every_event_ever_stored_is_what_it_was(topic: str) -> None:
    golden = GOLDEN_EVENTS[topic]
    stream, state = UUID(golden["originator_id"]), base64.b64decode(golden["state"])
    entry = Entry(12, 1_795_338_000_000_000, stream.bytes, golden["originator_version"], topic, state)
    assert leaves.hash_of(entry).hex() == GOLDEN_LEAVES[topic]


def test_a_leaf_is_these_bytes_and_no_others() -> None:
    state = b"\x01" + bytes(32)
    entry = Entry(3, 4, STREAM.bytes, 5, DocumentDeleted.TOPIC, state)
    topic = b"document-deleted/1"
    data = b"\x01" + struct.pack(">QQ", 3, 4) + STREAM.bytes + struct.pack(">QH", 5, len(topic)) + topic
    assert leaves.leaf_data(entry) == data + sha256(state).digest()
    assert leaves.hash_of(entry) == sha256(b"\x00" + data + sha256(state).digest()).digest()


@pytest.mark.parametrize("golden", [*GOLDEN_ENVELOPES["envelopes"], *GOLDEN_ENVELOPES["for_all"]], ids=str)
def test_the_tombstone_of_every_envelope_ever_sealed_is_these_bytes(golden: dict[str, Any]) -> None:
    found = bytes.fromhex(golden["envelope"])
    kids = envelope.kids_of(found)
    made = tombstone_of(found)
    assert made == bytes((1, 4, found[1])) + struct.pack(">H", len(kids)) + b"".join(kids) + sha256(found).digest()
    assert digest_of(found) == sha256(made[2:]).digest() == digest_of(made)
    assert (envelope.kids_of(made), envelope.needs_all(made)) == (kids, envelope.needs_all(found))
    assert (is_tombstone(made), is_tombstone(found), tombstone_of(made)) == (True, False, made)


# --- what compaction leaves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", EVENTS)
def test_a_leaf_is_the_same_when_any_of_its_envelopes_is_a_tombstone(topic: str) -> None:
    event, count = EVENTS[topic]
    entry = entry_of(event)
    for buried in range(1, 2**count):
        seen: list[bytes] = []

        def bury(one: bytes, seen: list[bytes] = seen, buried: int = buried) -> bytes:
            seen.append(one)
            return tombstone_of(one) if buried >> len(seen) - 1 & 1 else one

        state = leaves.resealed(topic, event.state, bury)
        assert len(seen) == count
        assert len(state) < len(event.state)
        assert leaves.hash_of(entry._replace(state=state)) == leaves.hash_of(entry)
        again = LetheMapper(json_transcoder()).to_domain_event(replace(event, state=state))
        assert LetheMapper(json_transcoder()).to_stored_event(again).state == state
    assert leaves.resealed(topic, event.state, lambda one: one) == event.state


@pytest.mark.parametrize("kind", ENVELOPES)
def test_a_tombstone_can_not_be_made_anybody_elses(kind: str) -> None:
    """Another key's id on it, another kind, another digest, an owner more or less: another leaf."""
    found = ENVELOPES[kind]
    made, digest = tombstone_of(found), digest_of(found)
    kids, tail = envelope.kids_of(found), sha256(found).digest()
    others = [made[:5] + bytes(16) + made[21:], made[:-1] + bytes((made[-1] ^ 1,)), made[:-1], made + b"\0", b""]
    kinds = {ONE_KEY, ANY_OF, ALL_OF, 0, TOMBSTONE} - {made[2]}
    others += [made[:2] + bytes((other,)) + made[3:] for other in kinds]
    owners = (kids[:-1], (*kids, bytes(16)), kids[::-1] if len(kids) > 1 else ())
    others += [made[:3] + struct.pack(">H", len(one)) + b"".join(one) + tail for one in owners]
    assert digest not in {digest_of(one) for one in others}


@pytest.mark.parametrize(
    ("kind", "dead", "is_dead"),
    [
        ("one key", (), False), ("one key", (0,), True), ("one key", (1, 2), False),
        ("any of", (), False), ("any of", (0, 1), False), ("any of", (0, 1, 2), True),
        ("all of", (), False), ("all of", (1,), True), ("all of", (0, 1, 2), True),
    ],
)  # fmt: skip
def test_an_envelope_is_dead_when_nobody_can_open_it(kind: str, dead: tuple[int, ...], is_dead: bool) -> None:
    for one in (ENVELOPES[kind], tombstone_of(ENVELOPES[kind])):
        assert framed(one).is_dead(frozenset(KEYS[number].kid for number in dead)) is is_dead


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"\1", b"\1\1\1\0", b"\2" + sealed()[1:], b"\1\7" + sealed()[2:], sealed()[:40], sealed(2)[:40],
        sealed(3)[:-29], b"\1\4\1\0\1" + bytes(47), b"\1\4\1\0\0" + bytes(32), b"\1\4\2\0\1" + bytes(48),
        b"\1\4\1\0\2" + bytes(64), b"\1\4\0\0\1" + bytes(48), b"\1\4\2\x03\xe9" + bytes(1_001 * 16 + 32),
        b"\1\2\1\0\1" + bytes(200), b"\1\3\1\0\0" + bytes(200),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_envelope_has_a_digest_all_the_same_and_no_tombstone(wrong: bytes) -> None:
    with pytest.raises(EnvelopeInvalid):
        framed(wrong)
    with pytest.raises(EnvelopeInvalid):
        tombstone_of(wrong)
    assert digest_of(wrong) == sha256(b"\0\0\0" + sha256(wrong).digest()).digest()


def test_an_envelope_of_an_owner_less_is_none() -> None:
    two = sealed(2)
    cut = two[:3] + b"\0\1" + two[5:]
    with pytest.raises(EnvelopeInvalid):
        framed(cut)
    swapped = two[:5] + two[81:157] + two[5:81] + two[157:]
    with pytest.raises(EnvelopeInvalid, match="owners"):
        framed(swapped)


# --- what makes another leaf ---------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", EVENTS)
def test_every_byte_of_an_event_and_every_column_makes_another_leaf(topic: str) -> None:
    entry = entry_of(EVENTS[topic][0])
    found = {leaves.hash_of(entry)}
    for at in range(len(entry.state)):
        state = bytearray(entry.state)
        state[at] ^= 1
        found.add(leaves.hash_of(entry._replace(state=bytes(state))))
    for length in range(len(entry.state)):
        found.add(leaves.hash_of(entry._replace(state=entry.state[:length])))
    changes: list[dict[str, Any]] = [
        {"position": 2}, {"stored_us": 6}, {"stream": uuid4().bytes}, {"version": 9},
        {"topic": "agent-sealed/2"}, {"topic": topic + "x"}, {"topic": "statement-recorded/3"},
        {"state": entry.state + b"\0"},
    ]  # fmt: skip
    found |= {leaves.hash_of(entry._replace(**change)) for change in changes}
    assert len(found) == 1 + 2 * len(entry.state) + len(changes)


def test_a_skeleton_is_never_taken_for_the_state_that_it_stands_for() -> None:
    for topic, (event, _) in EVENTS.items():
        bones = leaves.skeleton(topic, event.state)
        assert bones != event.state
        assert leaves.skeleton(topic, bones) != bones


def test_other_letters_for_the_same_sealed_bytes_make_another_leaf() -> None:
    one = b64encode(b"\1")
    assert one == b"AQ=="
    state, other = (b'{"sealed":{"_type_":"sealed","_data_":"%s"}}' % text for text in (b"AQ==", b"AR=="))
    assert leaves.skeleton("agent-sealed/1", state) != leaves.skeleton("agent-sealed/1", other)


def test_text_that_looks_like_a_sealed_part_is_text() -> None:
    state = json.dumps({"text": '{"_type_":"sealed","_data_":"AQ=="}'}, separators=(",", ":")).encode()
    assert leaves.skeleton("request-moved/1", state) == state


@pytest.mark.parametrize(
    "columns",
    [
        {"position": -1}, {"position": "one"}, {"stored_us": 2**64}, {"stream": b""}, {"stream": None},
        {"version": -1}, {"topic": 5}, {"topic": "\ud800"}, {"state": None},
    ],
    ids=str,
)  # fmt: skip
def test_columns_that_no_event_can_have_have_no_leaf(columns: dict[str, Any]) -> None:
    entry = entry_of(EVENTS["exchange-recorded/1"][0])
    assert leaves.hash_of(entry._replace(**columns)) == bytes(32)


def test_the_blobs_that_a_statement_names_are_read_without_the_rest() -> None:
    event = EVENTS["statement-recorded/2"][0]
    assert [one.name[:1] for one in names_of(event.state)] == [b"\0", b"\1", b"\2"]
    with pytest.raises((ValueError, struct.error)):
        names_of(event.state[:80])
