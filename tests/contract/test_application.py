"""The event-sourced application over a real log, and the bytes of every event that was ever released.

``tests/assets/golden-events.json`` is only ever added to: the logs of running systems hold these bytes. For a new
topic, add an example below and print its entry with ``python -m tests.contract.test_application``.
"""

import base64
import json
import re
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import Mapper, MapperDeserialisationError, RecordConflictError, StoredEvent
from eventsourcing.utils import TopicError, get_topic, resolve_topic
from hypothesis import given
from hypothesis import strategies as st

from lrs.application import (
    AGGREGATES,
    DOCUMENT_EVENTS,
    HOT_EVENTS,
    LetheApplication,
    LetheMapper,
    json_transcoder,
    stored_event,
)
from lrs.domain.document_events import DocumentDeleted, DocumentEvent, DocumentStored
from lrs.domain.events import (
    AttachedBlob,
    BlobName,
    ExchangeRecorded,
    HotEvent,
    StatementRecorded,
    StatementWithAttachments,
)
from lrs.domain.policies import Policy
from lrs.domain.requests import DataSubjectRequest, Kind, Status
from lrs.domain.sealing import Category, Sealed
from lrs.domain.subjects import State, Subject
from lrs.domain.tenants import Credential, Tenant
from lrs.ports import AgentRow, ControlStore, CredentialRow, IndexRow, RequestRow, TenantRow, TenantStore
from tests.contract.conftest import START, voided

GOLDEN = Path(__file__).parents[1] / "assets" / "golden-events.json"
SOURCES = Path(__file__).parents[2] / "lrs"
LATER = START + timedelta(days=1, microseconds=5)
PLAIN_EVENTS = {**HOT_EVENTS, **DOCUMENT_EVENTS}
ADA, GRACE, REQUEST, CREDENTIAL = (UUID(int=n) for n in (0xADA, 0x92ACE, 0x5EED, 0xC0DE))


@pytest.fixture
def application(store: TenantStore) -> LetheApplication:
    return LetheApplication(store.recorder)


# --- aggregates ----------------------------------------------------------------------------------------------


def again(application: LetheApplication) -> LetheApplication:
    """Another application on the same log: nothing that it gives is from memory."""
    return LetheApplication(application.recorder)  # type: ignore[arg-type]  # the library types it less exactly


def test_a_subject_is_saved_and_read_again(application: LetheApplication) -> None:
    subject = Subject.register(ADA, START)
    application.save(subject)
    numbers = [Subject.agent_sealed(ADA, number, Sealed(b"\x00agent\xff"), LATER) for number in (2, 3)]
    application.events.put(numbers)
    found: Subject = again(application).repository.get(ADA)
    assert (found.id, found.version, found.created_on, found.modified_on) == (ADA, 3, START, LATER)
    assert (found.state, found.agents, found.certificates) == (State.LIVE, 2, [])

    found.complete_erasure(REQUEST, {"covers": ["mbox"], "keys": 3}, LATER)
    found.complete_erasure(REQUEST, {"covers": []}, LATER)
    application.save(found)
    erased: Subject = again(application).repository.get(ADA)
    assert (erased.state, erased.version) == (State.ERASED, 4)
    assert erased.certificates == [{"covers": ["mbox"], "keys": 3}]
    assert erased == found


def test_a_request_is_saved_with_its_row_and_read_again(application: LetheApplication, store: TenantStore) -> None:
    made = DataSubjectRequest.open(
        REQUEST, Kind.ERASE, (ADA, GRACE), START, reason=Sealed(b"why"), credential=CREDENTIAL
    )
    application.save(made, requests=[RequestRow(REQUEST, "erase", "open", START)])
    made.move(Status.RUNNING, LATER)
    made.move(Status.DONE, LATER, removed={"statement": 4}, certificate="c")
    application.save(made, requests=[RequestRow(REQUEST, "erase", "done", START)])
    found: DataSubjectRequest = again(application).repository.get(REQUEST)
    assert found == made
    assert (found.kind, found.subjects, found.reason) == (Kind.ERASE, (ADA, GRACE), Sealed(b"why"))
    assert (found.credential, found.status) == (CREDENTIAL, Status.DONE)
    assert found.detail == {"removed": {"statement": 4}, "certificate": "c"}
    assert found.history == [(LATER, "running"), (LATER, "done")]
    assert found.due_at == START + timedelta(days=30)
    assert store.requests.list() == [RequestRow(REQUEST, "erase", "done", START)]


def test_a_request_may_be_about_nobody_and_by_nobody(application: LetheApplication) -> None:
    made = DataSubjectRequest.open(REQUEST, Kind.EXPORT, (), START, reason=None, credential=None)
    application.save(made)
    found: DataSubjectRequest = again(application).repository.get(REQUEST)
    assert (found.subjects, found.reason, found.credential) == ((), None, None)


def test_a_tenant_is_saved_with_its_row_and_read_again(control: ControlStore) -> None:
    application = LetheApplication(control.recorder)
    tenant = Tenant.create(ADA, "acme", START)
    application.save(tenant, tenants=[TenantRow(ADA, "acme", START)])
    assert [row.name for row in control.tenants()] == ["acme"]
    found: Tenant = again(application).repository.get(ADA)
    assert (found.name, found.deleted) == ("acme", False)
    found.delete(LATER)
    found.delete(LATER)
    application.save(found, departed=["acme"])
    gone: Tenant = again(application).repository.get(ADA)
    assert (gone.deleted, gone.version, gone.modified_on) == (True, 2, LATER)
    assert control.tenants() == []


def test_a_credential_is_saved_with_its_row_and_read_again(control: ControlStore) -> None:
    application = LetheApplication(control.recorder)
    made = Credential.issue(CREDENTIAL, "acme", "key", "ab" * 32, ["all", "dsar"], START)
    row = CredentialRow(CREDENTIAL, "acme", "key", "ab" * 32, ("all", "dsar"), START, revoked=False)
    application.save(made, tenants=[TenantRow(ADA, "acme", START)], credentials=[row])
    found: Credential = again(application).repository.get(CREDENTIAL)
    assert found == made
    assert (found.tenant, found.key, found.secret_sha256) == ("acme", "key", "ab" * 32)
    assert (found.scopes, found.revoked) == (("all", "dsar"), False)
    assert control.credential("key") == row
    found.revoke(LATER)
    application.save(found, credentials=[replace(row, revoked=True)])
    revoked: Credential = again(application).repository.get(CREDENTIAL)
    assert revoked == found
    assert control.credential("key") == replace(row, revoked=True)


def test_an_aggregate_that_is_not_there_is_none(application: LetheApplication) -> None:
    assert application.get_or_none(uuid4()) is None
    with pytest.raises(AggregateNotFoundError):
        application.repository.get(uuid4())


def test_of_two_who_change_an_aggregate_at_once_the_second_is_refused(application: LetheApplication) -> None:
    application.save(Subject.register(ADA, START))
    first: Subject = again(application).repository.get(ADA)
    second: Subject = again(application).repository.get(ADA)
    for one in (first, second):
        one.complete_erasure(REQUEST, {"by": str(id(one))}, LATER)
    application.save(first)
    with pytest.raises(RecordConflictError):
        application.save(second)
    assert again(application).repository.get(ADA) == first


def test_an_application_needs_nothing_from_the_processs_environment(
    store: TenantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "PERSISTENCE_MODULE",
        "MAPPER_TOPIC",
        "CIPHER_TOPIC",
        "COMPRESSOR_TOPIC",
        "IS_SNAPSHOTTING_ENABLED",
    ):
        monkeypatch.setenv(name, "no:such")
        monkeypatch.setenv(f"LETHE_{name}", "no:such")
    application = LetheApplication(store.recorder)
    application.save(Subject.register(ADA, START))
    assert application.repository.get(ADA).id == ADA


def test_the_notification_log_of_the_library_reads_our_log(application: LetheApplication) -> None:
    application.save(Subject.register(ADA, START))
    application.events.put([a_statement(), an_exchange()])
    log = application.notification_log.select(start=1, limit=10)
    assert [(one.id, one.topic) for one in log] == [
        (1, "subject-registered/1"), (2, "statement-recorded/1"), (3, "exchange-recorded/1"),
    ]  # fmt: skip


# --- hot events ----------------------------------------------------------------------------------------------


def a_statement(**parts: Any) -> StatementRecorded:
    whole: dict[str, Any] = {
        "originator_id": UUID(int=0x57A7),
        "originator_version": 1,
        "version": "2.0.0",
        "authority": CREDENTIAL,
        "voids": UUID(int=0xDEAD),
        "people": ((ADA, 2), (GRACE, 2**32 - 1), (ADA, 3)),
        "body": Sealed(b"\x01envelope\x00\xff"),
    }
    return StatementRecorded(**(whole | parts))


def an_exchange(**parts: Any) -> ExchangeRecorded:
    whole: dict[str, Any] = {
        "originator_id": UUID(int=0xE8C),
        "originator_version": 1,
        "authority": CREDENTIAL,
        "people": ((ADA, 2),),
        "body": Sealed(b"\x01envelope\x00\xff"),
    }
    return ExchangeRecorded(**(whole | parts))


def with_attachments(**parts: Any) -> StatementWithAttachments:
    blobs = (
        AttachedBlob(BlobName(b"\1" * 16), b"\2" * 32, 2**40, Sealed(b"\x01key\x00\xff")),
        AttachedBlob(BlobName(b"\3" * 16), b"\4" * 32, 0, Sealed(b"")),
    )
    return StatementWithAttachments(**(vars(a_statement()) | {"blobs": blobs} | parts))


IDS = st.uuids()
PEOPLE = st.tuples(IDS, st.integers(0, 2**32 - 1))
SEALED = st.builds(Sealed, st.binary(max_size=100))
STATEMENTS = st.builds(
    StatementRecorded,
    IDS,
    st.just(1),
    st.sampled_from(["1.0.3", "2.0.0"]),
    IDS,
    st.none() | IDS,
    st.lists(PEOPLE, max_size=5).map(tuple),
    SEALED,
)
BLOBS = st.builds(
    AttachedBlob,
    st.binary(min_size=16, max_size=16).map(BlobName),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**64 - 1),
    SEALED,
)
WITH_ATTACHMENTS = st.builds(
    with_attachments, people=st.lists(PEOPLE, max_size=5).map(tuple), body=SEALED, blobs=st.lists(BLOBS).map(tuple)
)
EXCHANGES = st.builds(ExchangeRecorded, IDS, st.just(1), IDS, st.tuples(PEOPLE), SEALED)


def a_document(**more: Any) -> DocumentStored:
    made = DocumentStored(UUID(int=0xD0C), 1, CREDENTIAL, ADA, Sealed(b"\x01head\x00"), Sealed(b"\x01content\xff"))
    return replace(made, **more)


def a_deletion(**more: Any) -> DocumentDeleted:
    return replace(DocumentDeleted(UUID(int=0xD0C), 2, CREDENTIAL, ADA), **more)


DOCUMENTS = st.builds(
    DocumentStored,
    st.uuids(),
    st.integers(1, 2**31),
    st.uuids(),
    st.uuids(),
    st.builds(Sealed, st.binary(max_size=300)),
    st.builds(Sealed, st.binary(max_size=300)),
) | st.builds(DocumentDeleted, st.uuids(), st.integers(1, 2**31), st.uuids(), st.uuids())


def the_mapper() -> Mapper[UUID]:
    return LetheMapper(json_transcoder())


@given(STATEMENTS | WITH_ATTACHMENTS | EXCHANGES | DOCUMENTS)
def test_plain_events_come_back_from_their_bytes(event: HotEvent | DocumentEvent) -> None:
    stored = the_mapper().to_stored_event(event)
    assert stored == stored_event(event)
    assert stored.topic == event.TOPIC
    assert the_mapper().to_domain_event(stored) == event


def test_hot_events_come_back_from_the_log_as_one_transaction(
    application: LetheApplication, store: TenantStore
) -> None:
    events: list[Any] = [Subject.register(ADA, START).collect_events()[0], a_statement(), an_exchange()]
    index = [None, IndexRow((1,), 1, UUID(int=0xDEAD)), IndexRow((2,), 0)]
    recordings = application.events.put(
        events, index=index, agents=[AgentRow(ADA, b"digest", 2)], fence_sequence=0
    )
    assert [one.notification.id for one in recordings] == [1, 2, 3]
    read = [application.mapper.to_domain_event(one.event) for one in store.statements.read(0, 10)]
    assert read == events
    assert voided(store, [UUID(int=0xDEAD)]) == {UUID(int=0xDEAD)}
    assert store.statements.agents([(ADA, b"digest")]) == {(ADA, b"digest"): 2}


def test_events_appended_in_bulk_are_those_that_are_put_one_by_one(
    application: LetheApplication, store: TenantStore
) -> None:
    events: list[Any] = [Subject.register(ADA, START).collect_events()[0], a_statement(), an_exchange()]
    index = [None, IndexRow((1,), 1, UUID(int=0xDEAD)), IndexRow((2,), 0)]
    application.append(events, index=index, agents=[AgentRow(ADA, b"digest", 2)], fence_sequence=0)
    read = [application.mapper.to_domain_event(one.event) for one in store.statements.read(0, 10)]
    assert read == events
    assert voided(store, [UUID(int=0xDEAD)]) == {UUID(int=0xDEAD)}
    assert store.statements.agents([(ADA, b"digest")]) == {(ADA, b"digest"): 2}
    with pytest.raises(RecordConflictError):
        application.append([an_exchange(body=Sealed(b"other"))])
    assert len(store.statements.read(0, 10)) == len(events)


def test_a_statement_of_very_many_people_keeps_them_all() -> None:
    event = a_statement(people=tuple((UUID(int=n), n) for n in range(1, 65_536)))
    assert the_mapper().to_domain_event(stored_event(event)) == event


# --- golden bytes --------------------------------------------------------------------------------------------


def examples() -> dict[str, Any]:
    """One event of every topic, with every property in use."""
    subject = Subject.register(ADA, START)
    subject.complete_erasure(REQUEST, {"covers": ["mbox", "account"], "keys_destroyed": 3}, LATER)
    request = DataSubjectRequest.open(
        REQUEST, Kind.ERASE, (ADA, GRACE), START, reason=Sealed(b"\x01why"), credential=CREDENTIAL
    )
    request.move(Status.RUNNING, LATER, removed={"statement": 4})
    tenant = Tenant.create(UUID(int=0x7E), "acme", START)
    tenant.delete(LATER)
    tenant.decide(Policy(7, {Category.EXCHANGE: 30}), LATER)  # after the end: the bytes of that one were first
    credential = Credential.issue(CREDENTIAL, "acme", "key", "ab" * 32, ["all", "reports"], START)
    credential.revoke(LATER)
    events = [
        a_statement(),
        with_attachments(),
        an_exchange(),
        a_document(),
        a_deletion(),
        *subject.collect_events(),
        Subject.agent_sealed(ADA, 2, Sealed(b"\x01agent\x00\xff"), LATER),
        *request.collect_events(),
        *tenant.collect_events(),
        *credential.collect_events(),
    ]
    return {topic_of(event): event for event in events}


def topic_of(event: Any) -> str:
    return the_mapper().to_stored_event(event).topic


def golden() -> dict[str, StoredEvent]:
    """The stored events of the asset, by topic."""
    return {
        topic: StoredEvent(
            UUID(one["originator_id"]), one["originator_version"], topic, base64.b64decode(one["state"])
        )
        for topic, one in json.loads(GOLDEN.read_text()).items()
    }


def topics_in_the_sources() -> set[str]:
    """Every topic that any file of the product gives to an event."""
    pattern = re.compile(r'^\s+TOPIC(?:: ClassVar\[str\])? = "([^"]+/\d+)"', re.MULTILINE)
    return {topic for path in SOURCES.rglob("*.py") for topic in pattern.findall(path.read_text())}


def event_classes() -> list[type[CanMutateAggregate[Any]]]:
    """The events that aggregates define; ``Event`` is what the library gives each as a base."""
    return [
        one
        for aggregate in AGGREGATES
        for name, one in vars(aggregate).items()
        if isinstance(one, type) and issubclass(one, CanMutateAggregate) and name != "Event"
    ]


def test_every_topic_that_exists_has_golden_bytes() -> None:
    defined = {get_topic(one) for one in event_classes()} | PLAIN_EVENTS.keys()
    assert defined == topics_in_the_sources() == golden().keys() == examples().keys()
    assert len(defined) == 15


def test_no_topic_is_the_path_of_a_module() -> None:
    topics = [get_topic(one) for one in event_classes()] + list(PLAIN_EVENTS)
    assert all(re.fullmatch(r"[a-z-]+/[0-9]+", topic) for topic in topics)
    assert [get_topic(one) for one in AGGREGATES] == ["subject", "request", "tenant", "credential"]


@pytest.mark.usefixtures("application")  # topics are registered when an application is made
def test_every_topic_leads_to_its_class() -> None:
    for one in event_classes():
        assert resolve_topic(get_topic(one)) is one
    for topic, event in PLAIN_EVENTS.items():
        assert resolve_topic(topic) is event


@pytest.mark.parametrize("topic", sorted(examples()))
def test_golden_bytes_still_load_to_equal_values(topic: str) -> None:
    loaded: Any = the_mapper().to_domain_event(golden()[topic])
    expected = examples()[topic]
    assert loaded == expected
    assert type(loaded) is type(expected)
    assert vars(loaded) == vars(expected)


@pytest.mark.parametrize("topic", sorted(examples()))
def test_the_same_events_are_still_stored_as_the_same_bytes(topic: str) -> None:
    assert the_mapper().to_stored_event(examples()[topic]) == golden()[topic]


def test_golden_aggregates_can_still_be_read_from_a_log(application: LetheApplication) -> None:
    """What a log of the first release holds, read by this one."""
    by_stream: dict[Any, list[StoredEvent]] = {}
    for stored in golden().values():
        if stored.topic not in PLAIN_EVENTS and stored.topic != "agent-sealed/1":
            by_stream.setdefault(stored.originator_id, []).append(stored)
    application.recorder.insert_events([one for events in by_stream.values() for one in events])
    found = {type(application.get_or_none(stream)) for stream in by_stream}
    assert found == set(AGGREGATES)


# --- attacks -------------------------------------------------------------------------------------------------

UNREADABLE = (ValueError, struct.error)


@pytest.mark.parametrize("event", [a_statement(), with_attachments(), an_exchange()], ids=lambda one: one.TOPIC)
def test_a_hot_event_cut_short_before_its_envelope_is_never_taken_for_one(event: HotEvent) -> None:
    state = event.encode()
    for length in range(len(state) - len(event.body.envelope)):
        cut = StoredEvent(event.originator_id, 1, event.TOPIC, state[:length])
        with pytest.raises(UNREADABLE):
            the_mapper().to_domain_event(cut)


@pytest.mark.parametrize("event", [a_statement(), with_attachments(), an_exchange()], ids=lambda one: one.TOPIC)
def test_a_hot_event_cut_short_in_its_envelope_is_told_apart_from_the_whole_one(event: HotEvent) -> None:
    """That a shortened envelope does not open is the vault's promise; here it must not be made whole."""
    state = event.encode()
    for length in range(len(state) - len(event.body.envelope), len(state)):
        loaded: Any = the_mapper().to_domain_event(
            StoredEvent(event.originator_id, 1, event.TOPIC, state[:length])
        )
        assert loaded != event
        assert event.body.envelope.startswith(loaded.body.envelope)
        assert len(loaded.body.envelope) < len(event.body.envelope)


@pytest.mark.parametrize(
    ("event", "at", "byte"),
    [
        (a_statement(), 0, 0),
        (a_statement(), 0, 2),
        (a_statement(), 1, 2),
        (with_attachments(), 0, 1),
        (an_exchange(), 0, 0),
        (an_exchange(), 0, 9),
    ],
    ids=[
        *("no format", "later format", "later xAPI version", "with attachments: earlier format"),
        *("exchange: no format", "exchange: later format"),
    ],
)
def test_a_format_that_this_release_does_not_know_is_refused(event: HotEvent, at: int, byte: int) -> None:
    state = bytearray(event.encode())
    state[at] = byte
    with pytest.raises(ValueError, match=r"not an? "):
        the_mapper().to_domain_event(StoredEvent(event.originator_id, 1, event.TOPIC, bytes(state)))


def test_a_count_of_people_beyond_the_bytes_is_refused() -> None:
    state = bytearray(a_statement(people=()).encode())
    state[34:36] = b"\xff\xff"
    with pytest.raises(ValueError, match="cut short"):
        the_mapper().to_domain_event(StoredEvent(ADA, 1, StatementRecorded.TOPIC, bytes(state)))


@pytest.mark.parametrize("event", [a_document(), a_deletion()], ids=lambda one: one.TOPIC)
def test_an_event_of_a_document_that_is_cut_or_of_another_format_is_never_taken_for_one(
    event: DocumentEvent,
) -> None:
    state = event.encode()
    whole = len(state) - (len(event.content.envelope) if isinstance(event, DocumentStored) else 0)
    for wrong in (*(state[:length] for length in range(whole)), b"\x00" + state[1:], b"\x02" + state[1:]):
        with pytest.raises(UNREADABLE):
            the_mapper().to_domain_event(StoredEvent(event.originator_id, 1, event.TOPIC, wrong))


@given(st.sampled_from(list(PLAIN_EVENTS.values())), st.binary(max_size=120))
def test_any_bytes_are_a_plain_event_or_a_clear_error(kind: type[HotEvent | DocumentEvent], state: bytes) -> None:
    try:
        event: Any = the_mapper().to_domain_event(StoredEvent(ADA, 1, kind.TOPIC, state))
    except UNREADABLE:
        return
    assert the_mapper().to_stored_event(event).state == state


@pytest.mark.parametrize("topic", sorted(examples().keys() - PLAIN_EVENTS.keys()))
def test_an_aggregates_event_cut_short_anywhere_is_a_clear_error(topic: str) -> None:
    stored = golden()[topic]
    for length in range(len(stored.state)):
        cut = StoredEvent(stored.originator_id, stored.originator_version, topic, stored.state[:length])
        with pytest.raises(MapperDeserialisationError):
            the_mapper().to_domain_event(cut)


@pytest.mark.parametrize("topic", ["no-such/1", "statement-recorded/3"])
def test_an_unknown_topic_is_a_clear_error(topic: str) -> None:
    with pytest.raises((TopicError, MapperDeserialisationError)):
        the_mapper().to_domain_event(StoredEvent(ADA, 1, topic, b"{}"))


if __name__ == "__main__":
    entries = {
        topic: {
            "originator_id": str(stored.originator_id),
            "originator_version": stored.originator_version,
            "state": base64.b64encode(stored.state).decode(),
        }
        for topic, stored in sorted(
            (topic, the_mapper().to_stored_event(one)) for topic, one in examples().items()
        )
    }
    print(json.dumps(entries, indent=2))  # noqa: T201  (the asset's text is what this prints)
