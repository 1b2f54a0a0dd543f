"""Agent objects, documents and data-subject requests, as the rows that find them."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import MapperDeserialisationError

from lrs.application import LetheApplication
from lrs.documenting.heads import HEAD, place_of, unpack
from lrs.domain.document_events import DocumentStored
from lrs.domain.errors import KeyStoreUnavailable
from lrs.domain.requests import DataSubjectRequest
from lrs.domain.sealing import Corrupt, Place, Plain, Sealed, Unavailable
from lrs.domain.subjects import Subject
from lrs.opening import agent_place
from lrs.ports import AgentRow, DocumentRow, Reading, Recorded, RequestRow, TenantStore, Vault

_REQUEST_TOPICS = frozenset({DataSubjectRequest.Created.TOPIC, DataSubjectRequest.Moved.TOPIC})
# What an event that can not be read raises in the library's hands, or in ours.
_DAMAGED = (
    MapperDeserialisationError,
    AggregateNotFoundError,
    ValueError,
    struct.error,
    LookupError,
    TypeError,
)


@dataclass(slots=True)
class Beside:
    """Makes rows of one stretch of a tenant's log, under one reading of the fence. What is damaged is named in
    ``corrupt``, by its position."""

    store: TenantStore
    vault: Vault
    application: LetheApplication
    reading: Reading
    corrupt: list[int]

    def agents(self, recorded: Sequence[Recorded]) -> list[AgentRow]:
        """Where exact agent objects are sealed. StaleFence, KeyStoreUnavailable."""
        sealed: list[tuple[Recorded, Place, Sealed]] = []
        for one in recorded:
            if one.topic == Subject.AgentSealed.TOPIC:
                try:
                    event = cast("Subject.AgentSealed", self.application.mapper.to_domain_event(one.event))
                except _DAMAGED:
                    self.corrupt.append(one.position)
                else:
                    sealed.append((one, agent_place((one.stream, one.version)), event.sealed))
        opened = list(self._opened(sealed))
        digests = self.reading.digests([(one.stream, data) for one, data in opened])
        return [
            AgentRow(one.stream, digest, one.version) for (one, _), digest in zip(opened, digests, strict=True)
        ]

    def documents(self, recorded: Sequence[Recorded]) -> list[DocumentRow]:
        """Where the documents are whose newest version is among these. StaleFence, KeyStoreUnavailable."""
        stored = [one for one in recorded if one.topic == DocumentStored.TOPIC]
        newest = self.store.statements.versions({one.stream for one in stored})
        events: dict[int, DocumentStored] = {}
        sealed: list[tuple[Recorded, Place, Sealed]] = []
        for one in stored:
            if newest[one.stream] != one.version:
                continue
            (whole,) = self.store.statements.at([one.position])  # one by one: what a document holds may be large
            try:
                event = DocumentStored.decode(one.stream, one.version, whole.state)
            except _DAMAGED:
                self.corrupt.append(one.position)
                continue
            events[one.position] = replace(event, content=Sealed(b""))
            sealed.append((one, place_of(one.stream, one.version, HEAD), event.head))
        opened = [(one, events[one.position], data) for one, data in self._opened(sealed)]
        return self._document_rows(opened)

    def _document_rows(self, opened: Sequence[tuple[Recorded, DocumentStored, bytes]]) -> list[DocumentRow]:
        heads = [unpack(data) for _, _, data in opened]
        named: list[tuple[UUID, bytes]] = []
        for head in heads:
            of = head.context
            named += [(head.owner, name) for name in (of.place(head.id), of.scope(), of.session())]
        digests = iter(self.reading.digests(named))
        return [
            DocumentRow(
                *(next(digests), next(digests), next(digests)),
                event.owner,
                one.stream,
                one.version,
                event.head,
                one.stored_us,
            )
            for one, event, _ in opened
        ]

    def requests(self, recorded: Sequence[Recorded]) -> list[RequestRow]:
        """The lines of the requests that something happened to in this stretch, as they stand at the log's end."""
        asked: dict[UUID, int] = {one.stream: one.position for one in recorded if one.topic in _REQUEST_TOPICS}
        rows: list[RequestRow] = []
        for stream, position in asked.items():
            try:
                request = cast("DataSubjectRequest", self.application.repository.get(stream))
                rows.append(RequestRow(stream, request.kind, request.status, request.created_on))
            except (*_DAMAGED, AttributeError):
                self.corrupt.append(position)
        return rows

    def _opened(self, sealed: Sequence[tuple[Recorded, Place, Sealed]]) -> Iterator[tuple[Recorded, bytes]]:
        """Those that open; what is erased has no row, what is damaged is named."""
        items = [(place, part) for _, place, part in sealed]
        outcomes: Sequence[Any] = self.vault.open_many(self.store.tenant, items, inside=True)
        for (one, _, _), outcome in zip(sealed, outcomes, strict=True):
            if isinstance(outcome, Plain):
                yield one, outcome.data
            elif isinstance(outcome, Corrupt):
                self.corrupt.append(one.position)
            elif isinstance(outcome, Unavailable):
                raise KeyStoreUnavailable("the vault can not be reached")
