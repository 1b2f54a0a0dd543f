"""One change of a document: what is there, what the domain says of it, and what is left to be written."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from lrs.documenting.heads import CONTENT, HEAD, Head, check_whose, open_document, place_of
from lrs.domain.document_events import DocumentDeleted, DocumentStored
from lrs.domain.documents import Conditions, Content, Context, Method, check_change, posted
from lrs.domain.errors import EventCorrupt
from lrs.domain.sealing import Category, Sealed
from lrs.ports import DocumentGone, DocumentRow, Reading, StaleFence, TenantStore, Vault


@dataclass(frozen=True, slots=True)
class Change:
    """One request to change one document. ``version`` is the protocol's; ``sent`` is None for DELETE."""

    method: Method
    context: Context
    id: str
    version: str
    conditions: Conditions
    authority: UUID
    sent: Content | None = None

    @property
    def size(self) -> int:
        """How many bytes it brings."""
        return 0 if self.sent is None else len(self.sent.data)


@dataclass(frozen=True, slots=True)
class There:
    """The version that is there; its content only where it is merged."""

    row: DocumentRow
    head: Head
    content: Content | None = None


def known(head: Head | EventCorrupt | None, owner: UUID, asked: Change, row: DocumentRow) -> There:
    """What is there, by its head. EventCorrupt; StaleFence when the owner's erasure began since the fence was
    read."""
    if isinstance(head, EventCorrupt):
        raise head
    if head is None:
        raise StaleFence
    check_whose(head, owner, asked.context, asked.id)
    return There(row, head)


def whole(vault: Vault, store: TenantStore, owner: UUID, asked: Change, place: bytes) -> There | None:
    """What is there now, with its content; None: nothing. The same errors, and KeyStoreUnavailable."""
    found = store.documents.one(place)
    if found is None:
        return None
    opened = open_document(vault, store.tenant, found, inside=True)
    if opened is None:
        raise StaleFence
    head, data = opened
    check_whose(head, owner, asked.context, asked.id)
    return There(found.row, head, Content(head.content_type, data))


def decide(asked: Change, there: There | None) -> Content | None:
    """What the document shall be; None: nothing. PreconditionFailed, DocumentConflict, InvalidRequest,
    LimitExceeded."""
    etag = None if there is None else there.head.etag
    check_change(asked.method, asked.context.resource, asked.version, asked.conditions, etag)
    if asked.sent is None or asked.method is Method.PUT:
        return asked.sent
    return posted(None if there is None else there.content, asked.sent)


def sealed(
    reading: Reading, owner: UUID, asked: Change, there: There | None, content: Content
) -> tuple[DocumentRow, DocumentStored]:
    """The next version with its row; the first of a new stream where nothing is there. StaleFence."""
    context = asked.context
    stream, version = (uuid4(), 1) if there is None else (there.row.stream, there.row.version + 1)

    def seal(part: str, data: bytes) -> Sealed:
        return reading.seal([owner], Category.DOCUMENTS, "", place_of(stream, version, part), data)

    head = seal(HEAD, Head.of(owner, context, asked.id, content).pack())
    place, scope, session = (
        reading.digest(owner, name) for name in (context.place(asked.id), context.scope(), context.session())
    )
    row = DocumentRow(place, scope, session, owner, stream, version, head)
    return row, DocumentStored(stream, version, asked.authority, owner, head, seal(CONTENT, content.data))


def deletion(row: DocumentRow, authority: UUID) -> tuple[DocumentGone, DocumentDeleted]:
    """The end of a stream, and its row."""
    version = row.version + 1
    return (
        DocumentGone(row.place, row.stream, version),
        DocumentDeleted(row.stream, version, authority, row.owner),
    )
