"""Changing documents: put, post, delete one, delete all that belong together.

Every attempt looks at what is there, asks the domain, and writes only if that is still there. So of two who send
the ETag of the same version one is stored and the other hears 412; nobody's change is lost unseen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import InterfaceError, OperationalError, RecordConflictError

from lrs.documenting.heads import CONTENT, HEAD, Head, check_whose, open_document, open_heads, place_of
from lrs.documenting.owners import Owners
from lrs.documenting.reading import pages
from lrs.domain.document_events import DocumentDeleted, DocumentEvent, DocumentStored
from lrs.domain.documents import Conditions, Content, Context, Method, check_change, posted
from lrs.domain.errors import KeyStoreUnavailable, Overloaded, SubjectBusy
from lrs.domain.sealing import Category, Slot
from lrs.ports import DocumentGone, DocumentRow, Reading, StaleFence, TenantStore, Vault
from lrs.recording.groups import OUTAGE_SECONDS_MAX, outage
from lrs.recording.recorder import BUSY_SECONDS_MAX
from lrs.tenancy import Tenants

# Others who change the same document may be faster this often.
_CONFLICTS_MAX = 200
_BUSY_PAUSE_SECONDS = 0.02
_OUTAGE_PAUSE_SECONDS = 0.2
_OUTAGES = (OperationalError, InterfaceError, KeyStoreUnavailable)
_BUSY = "a person whose document this is is being erased: try again in a moment"


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


@dataclass(frozen=True, slots=True)
class DocumentWriter:
    """Changes documents of tenants. ``looked`` hears each time that a change has looked at what is there."""

    tenants: Tenants
    vault: Vault
    owners: Owners
    looked: Callable[[Change], None] = lambda _: None

    def change(self, tenant: str, change: Change) -> None:
        """Make the change; it is durable then. PreconditionFailed, DocumentConflict, InvalidRequest,
        LimitExceeded, SubjectBusy, Overloaded, StoreUnavailable, KeyStoreUnavailable."""
        _until_done(_Changing(self, self.tenants.store(tenant), change).attempt)

    def delete_all(self, tenant: str, context: Context, authority: UUID) -> None:
        """Delete all documents of a context, of every registration where it names none. The same errors."""
        store = self.tenants.store(tenant)
        while _until_done(lambda: self._delete_some(store, context, authority)):
            pass

    def _delete_some(self, store: TenantStore, context: Context, authority: UUID) -> bool:
        """One transaction's worth; whether there may be more."""
        reading = self.vault.read(store.tenant)
        owner = _owner(self, store, reading, context)
        rows = None if owner is None else next(pages(store, reading, owner, context), None)
        if rows:
            events = [_deletion(row, authority) for row in rows]
            _append(self, store, reading, events, documents_gone=_gone(rows))
        return bool(rows)


def _owner(writer: DocumentWriter, store: TenantStore, reading: Reading, context: Context) -> UUID | None:
    """The owner, or None where nobody is known. SubjectBusy while the owner is being erased."""
    owner = writer.owners.known(store.tenant, reading, context)
    if owner in reading.denied:
        raise SubjectBusy(_BUSY)
    return owner


def _append(
    writer: DocumentWriter,
    store: TenantStore,
    reading: Reading,
    events: Sequence[DocumentEvent],
    **rows: Sequence[Any],
) -> None:
    writer.tenants.application(store.tenant).append(events, fence_sequence=reading.sequence, **rows)


@dataclass(slots=True)
class _There:
    """The version that is there."""

    row: DocumentRow
    head: Head
    content: Content | None = None  # looked at only where it is merged


@dataclass(slots=True)
class _Changing:
    """One change on its way. ``doubtful`` is what was sent to a store that did not answer."""

    writer: DocumentWriter
    store: TenantStore
    asked: Change
    doubtful: list[DocumentEvent] = field(default_factory=list)

    def attempt(self) -> None:
        """Look, decide, write. StaleFence, RecordConflictError: look again."""
        if self.doubtful and self._was_stored():
            return
        asked, reading = self.asked, self.writer.vault.read(self.store.tenant)
        owner = _owner(self.writer, self.store, reading, asked.context)
        there = None if owner is None else self._look(reading, owner)
        self.writer.looked(asked)
        etag = None if there is None else there.head.etag
        check_change(asked.method, asked.context.resource, asked.version, asked.conditions, etag)
        if asked.sent is None:
            if there is not None:
                self._write(reading, _deletion(there.row, asked.authority), documents_gone=_gone([there.row]))
            return
        content = asked.sent
        if asked.method is Method.POST:
            content = posted(None if there is None else there.content, content)
        if owner is None:
            owner = self.writer.owners.enrolled(reading, asked.context)
        row, event = self._sealed(reading, owner, there, content)
        self._write(reading, event, documents=[row])

    def _look(self, reading: Reading, owner: UUID) -> _There | None:
        place = reading.digest(owner, self.asked.context.place(self.asked.id))
        there = self._whole(place) if self.asked.method is Method.POST else self._known(place)
        if there is not None:
            check_whose(there.head, owner, self.asked.context, self.asked.id)
        return there

    def _known(self, place: bytes) -> _There | None:
        """What is known without looking at what it holds."""
        row = self.store.documents.row(place)
        if row is None:
            return None
        (head,) = open_heads(self.writer.vault, self.store.tenant, [row])
        if head is None:
            raise StaleFence  # the owner was denied or erased since the fence was read
        return _There(row, head)

    def _whole(self, place: bytes) -> _There | None:
        found = self.store.documents.one(place)
        if found is None:
            return None
        opened = open_document(self.writer.vault, self.store.tenant, found)
        if opened is None:
            raise StaleFence  # the same
        head, data = opened
        return _There(found.row, head, Content(head.content_type, data))

    def _sealed(
        self, reading: Reading, owner: UUID, there: _There | None, content: Content
    ) -> tuple[DocumentRow, DocumentStored]:
        """The next version and its row; the first one where nothing is there."""
        context, document_id = self.asked.context, self.asked.id
        stream, version = (uuid4(), 1) if there is None else (there.row.stream, there.row.version + 1)
        reading.ensure([Slot(owner, Category.DOCUMENTS)])

        def seal(part: str, data: bytes) -> Any:
            return reading.seal([owner], Category.DOCUMENTS, "", place_of(stream, version, part), data)

        head = seal(HEAD, Head.of(owner, context, document_id, content).pack())
        place, scope, session = (
            reading.digest(owner, name)
            for name in (context.place(document_id), context.scope(), context.session())
        )
        row = DocumentRow(place, scope, session, owner, stream, version, head)
        event = DocumentStored(stream, version, self.asked.authority, owner, head, seal(CONTENT, content.data))
        return row, event

    def _write(self, reading: Reading, event: DocumentEvent, **rows: Sequence[Any]) -> None:
        try:
            _append(self.writer, self.store, reading, [event], **rows)
        except _OUTAGES:
            self.doubtful.append(event)
            raise

    def _was_stored(self) -> bool:
        """Whether the commit of one that nobody answered was made after all: then the change is done, although
        its own preconditions hold no more."""
        for event in self.doubtful:
            version = event.originator_version
            found = self.store.recorder.select_events(event.originator_id, gt=version - 1, lte=version)
            if any(one.topic == event.TOPIC and one.state == event.encode() for one in found):
                self.store.confirm()
                return True
        return False


def _deletion(row: DocumentRow, authority: UUID) -> DocumentDeleted:
    return DocumentDeleted(row.stream, row.version + 1, authority, row.owner)


def _gone(rows: Sequence[DocumentRow]) -> list[DocumentGone]:
    return [DocumentGone(row.place, row.stream, row.version + 1) for row in rows]


def _until_done(attempt: Callable[[], Any]) -> Any:
    """Attempt until it is done or refused; what others did meanwhile is a reason to look again, an erasure and a
    store that does not answer are worth waiting for a while."""
    began, conflicts = monotonic(), 0
    while conflicts < _CONFLICTS_MAX:
        try:
            return attempt()
        except (StaleFence, RecordConflictError):
            conflicts += 1
        except SubjectBusy:
            if monotonic() - began > BUSY_SECONDS_MAX:
                raise
            sleep(_BUSY_PAUSE_SECONDS)
        except _OUTAGES as error:
            if monotonic() - began > OUTAGE_SECONDS_MAX:
                raise outage(error) from error
            sleep(_OUTAGE_PAUSE_SECONDS)
    raise Overloaded("too many change this document at once: try again in a moment")
