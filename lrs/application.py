"""The event-sourced application: the eventsourcing library's, with our mapper and our recorder.

One application a tenant, one for the control store. Bulk writes go through ``append`` with their index rows;
aggregates (subjects, requests, tenants, credentials) through ``save`` and ``repository.get``.

Topics are registered when the application is made, before anything is read.
"""

import base64
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    Mapper,
    MapperDeserialisationError,
    ProcessRecorder,
    StoredEvent,
    Transcoding,
    UUIDAsHex,
)
from eventsourcing.utils import Environment, EnvType, register_topic

from lrs.domain.document_events import DocumentDeleted, DocumentEvent, DocumentStored
from lrs.domain.events import ExchangeRecorded, HotEvent, StatementRecorded, StatementWithAttachments
from lrs.domain.generations import GenerationStarted
from lrs.domain.requests import DataSubjectRequest
from lrs.domain.sealing import Sealed
from lrs.domain.subjects import Subject
from lrs.domain.tenants import Credential, Tenant

# Every class that a topic in a log may name. Aggregates register their own events when they are defined; the
# hot events and those of documents are plain dataclasses and are registered here.
HOT_EVENTS: dict[str, type[HotEvent]] = {
    StatementRecorded.TOPIC: StatementRecorded,
    StatementWithAttachments.TOPIC: StatementWithAttachments,
    ExchangeRecorded.TOPIC: ExchangeRecorded,
}
# No view is made of documents: whoever follows the log passes them by.
DOCUMENT_EVENTS: dict[str, type[DocumentEvent]] = {
    DocumentStored.TOPIC: DocumentStored,
    DocumentDeleted.TOPIC: DocumentDeleted,
}
# What a log says of itself.
LOG_EVENTS: dict[str, type[GenerationStarted]] = {GenerationStarted.TOPIC: GenerationStarted}
PlainEvent = HotEvent | DocumentEvent | GenerationStarted
_PLAIN_EVENTS: dict[str, type[PlainEvent]] = {**HOT_EVENTS, **DOCUMENT_EVENTS, **LOG_EVENTS}
_PLAIN_TYPES = tuple(dict.fromkeys(_PLAIN_EVENTS.values()))
AGGREGATES = (Subject, DataSubjectRequest, Tenant, Credential)
AGGREGATE_TOPICS = frozenset(
    getattr(one, "TOPIC", None) for aggregate in AGGREGATES for one in vars(aggregate).values()
) - {None}


def is_known_topic(topic: str) -> bool:
    """Whether an event of this topic can be one of ours."""
    return topic in _PLAIN_EVENTS or topic in AGGREGATE_TOPICS


class SealedAsBase64(Transcoding):
    """A sealed part inside an aggregate's event."""

    type = Sealed
    name = "sealed"

    def encode(self, obj: Sealed) -> str:
        """Base64 of the envelope."""
        return base64.b64encode(obj.envelope).decode()

    def decode(self, data: str) -> Sealed:
        """The sealed part again."""
        return Sealed(base64.b64decode(data, validate=True))


def json_transcoder() -> JSONTranscoder:
    """The library's transcoder with every type that an aggregate's event may hold."""
    transcoder = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DatetimeAsISO(), DecimalAsStr(), SealedAsBase64()):
        transcoder.register(transcoding)
    return transcoder


class LetheMapper(Mapper[UUID]):
    """Events to stored events and back. Plain events carry their own bytes; aggregates' events are JSON."""

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """The stored form."""
        if isinstance(domain_event, _PLAIN_TYPES):
            return stored_event(domain_event)
        return super().to_stored_event(domain_event)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """The event again. Only topics of ours are resolved: the library would import what a topic names."""
        plain = _PLAIN_EVENTS.get(stored_event.topic)
        if plain is not None:
            return plain.decode(
                cast("UUID", stored_event.originator_id), stored_event.originator_version, stored_event.state
            )
        if stored_event.topic not in AGGREGATE_TOPICS:
            raise MapperDeserialisationError("a stored event has a topic that is not known")
        return super().to_domain_event(stored_event)


def stored_event(event: PlainEvent) -> StoredEvent:
    """The stored form of a plain event."""
    return StoredEvent(event.originator_id, event.originator_version, event.TOPIC, event.encode())


class LetheApplication(Application[UUID]):
    """The library's application over a recorder that is handed in."""

    name = "lethe"

    def __init__(self, recorder: ProcessRecorder) -> None:
        self._given_recorder = recorder
        for topic, event in _PLAIN_EVENTS.items():
            register_topic(topic, event)
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Nothing from the process's environment: the composition root has decided all."""
        return Environment(name, dict(env or {}))

    def construct_mapper(self) -> Mapper[UUID]:
        """Our mapper."""
        return LetheMapper(json_transcoder())

    def construct_recorder(self) -> ProcessRecorder:
        """The one that was handed in."""
        return self._given_recorder

    def append(self, events: Sequence[DomainEventProtocol[UUID]], **rows: Any) -> None:
        """Write events with rows beside them in one transaction: ``events.put`` without its recordings, which are
        two objects for every event (RecordConflictError, StaleFence)."""
        self.recorder.insert_events([self.mapper.to_stored_event(event) for event in events], **rows)

    def get_or_none(self, aggregate_id: UUID) -> Any:
        """An aggregate, or None when there is none."""
        try:
            return self.repository.get(aggregate_id)
        except AggregateNotFoundError:
            return None
