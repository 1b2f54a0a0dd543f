"""The head of a document: what it is called, what it belongs to and which version it is; and opening it.

A STORAGE FORMAT: JSON ``[owner, resource, id, activity, registration, agent, content type, ETag, bytes]``, sealed
with every version. What is added later is added at the end.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from lrs.domain.document_events import DocumentStored
from lrs.domain.documents import Content, Context, Resource, etag_of
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable
from lrs.domain.sealing import Corrupt, Outcome, Place, Plain, Sealed, Unavailable
from lrs.ports import DocumentRow, StoredDocument, Vault

HEAD, CONTENT = "head", "content"


@dataclass(frozen=True, slots=True)
class Head:
    """One version of a document, without what it holds."""

    owner: UUID
    context: Context
    id: str
    content_type: str
    etag: str
    length: int

    @classmethod
    def of(cls, owner: UUID, context: Context, document_id: str, content: Content) -> "Head":
        """The head of this content."""
        return cls(owner, context, document_id, content.content_type, etag_of(content.data), len(content.data))

    def pack(self) -> bytes:
        """The bytes to seal."""
        of = self.context
        said = [self.owner.hex, of.resource, self.id, of.activity, of.registration, of.agent]
        return orjson.dumps([*said, self.content_type, self.etag, self.length])


def unpack(data: bytes) -> Head:
    """The head again."""
    owner, resource, document_id, activity, registration, agent, *rest = orjson.loads(data)
    content_type, etag, length = rest[:3]
    context = Context(Resource(resource), agent, activity, registration)
    return Head(UUID(hex=owner), context, document_id, content_type, etag, length)


def check_whose(head: Head, owner: UUID, context: Context, document_id: str | None = None) -> None:
    """EventCorrupt, unless the document is this owner's, of this context and, where one was asked for, of this
    name: a row of the index that was turned to another document opens all the same."""
    same = head.owner == owner and head.context.scope() == context.scope()
    if not same or (document_id is not None and head.context.place(head.id) != context.place(document_id)):
        raise EventCorrupt("a row of the document index leads to another document")


def place_of(stream: UUID, version: int, part: str) -> Place:
    """Where a part of a document's version lives."""
    return Place(stream, version, part, DocumentStored.TOPIC)


def open_heads(
    vault: Vault, tenant: str, rows: Sequence[DocumentRow], *, inside: bool = False
) -> list[Head | EventCorrupt | None]:
    """The heads of these rows in one go; None for whose owner was erased or may not be read (``inside``: is being
    erased), and the alarm where one is damaged. KeyStoreUnavailable."""
    sealed = [(place_of(row.stream, row.version, HEAD), row.head) for row in rows]
    return [unpack(data) if isinstance(data, bytes) else data for data in _opened(vault, tenant, sealed, inside)]


def open_document(
    vault: Vault, tenant: str, found: StoredDocument, *, inside: bool = False
) -> tuple[Head, bytes] | None:
    """Head and content, both from the log. None, EventCorrupt, KeyStoreUnavailable as above."""
    event = _decoded(found.event)
    sealed = [
        (place_of(event.originator_id, event.originator_version, HEAD), event.head),
        (place_of(event.originator_id, event.originator_version, CONTENT), event.content),
    ]
    head, content = _opened(vault, tenant, sealed, inside)
    for one in (head, content):
        if isinstance(one, EventCorrupt):
            raise one
    return (unpack(head), content) if isinstance(head, bytes) and isinstance(content, bytes) else None


def _decoded(stored: StoredEvent | None) -> DocumentStored:
    if stored is not None and stored.topic == DocumentStored.TOPIC:
        try:
            return DocumentStored.decode(
                cast("UUID", stored.originator_id), stored.originator_version, stored.state
            )
        except (ValueError, struct.error):
            pass
    raise EventCorrupt("the event of a document is missing or can not be read")


def _opened(
    vault: Vault, tenant: str, sealed: Sequence[tuple[Place, Sealed]], inside: bool
) -> list[bytes | EventCorrupt | None]:
    return [_plain(outcome) for outcome in vault.open_many(tenant, sealed, inside=inside)]


def _plain(outcome: Outcome) -> bytes | EventCorrupt | None:
    if isinstance(outcome, Plain):
        return outcome.data
    if isinstance(outcome, Corrupt):
        return EventCorrupt("a stored document does not open")
    if isinstance(outcome, Unavailable):
        raise KeyStoreUnavailable("the vault can not be reached")
    return None
