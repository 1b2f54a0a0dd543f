"""Reading documents: one by its names, the ids of those that belong together, all of one owner."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from lrs.documenting.heads import Head, check_whose, open_document, open_heads
from lrs.documenting.owners import Owners
from lrs.domain.documents import Content, Context, Resource
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable, NotFound
from lrs.ports import DocumentRow, Reading, StaleFence, StoredDocument, TenantStore, Vault
from lrs.tenancy import Tenants

PAGE = 500
# The fence may move while names become digests; each time it starts afresh.
_ATTEMPTS_MAX = 50
_NONE = "no such document"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was found, and when it was stored (microseconds, UTC)."""

    content: Content
    etag: str
    updated_us: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Ids of documents in the order in which they were stored, and when the last was (None: there is none)."""

    ids: list[str]
    updated_us: int | None


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """Reads documents of tenants."""

    tenants: Tenants
    vault: Vault
    owners: Owners

    def one(self, tenant: str, context: Context, document_id: str) -> Document:
        """The document of this id. NotFound also for somebody unknown, erased or not to be read."""
        return self._afresh(tenant, lambda reading: self._one(tenant, reading, context, document_id))

    def listed(self, tenant: str, context: Context, *, since_us: int | None = None) -> Listing:
        """Ids of the context's documents, of all registrations where it names none; with ``since_us`` of those
        stored later than then."""
        return self._afresh(tenant, lambda reading: self._listed(tenant, reading, context, since_us))

    def _afresh(self, tenant: str, work: Callable[[Reading], _T]) -> _T:
        for _ in range(_ATTEMPTS_MAX):
            try:
                return work(self.vault.read(tenant))
            except StaleFence:
                continue
        raise KeyStoreUnavailable("the fence keeps moving: try again")

    def _one(self, tenant: str, reading: Reading, context: Context, document_id: str) -> Document:
        owner = self._readable(tenant, reading, context)
        if owner is None:
            raise NotFound(_NONE)
        found = self.tenants.store(tenant).documents.one(reading.digest(owner, context.place(document_id)))
        opened = None if found is None else open_document(self.vault, tenant, found)
        if found is None or opened is None:
            raise NotFound(_NONE)
        head, data = opened
        check_whose(head, owner, context, document_id)
        return Document(Content(head.content_type, data), head.etag, found.row.updated_us)

    def _listed(self, tenant: str, reading: Reading, context: Context, since_us: int | None) -> Listing:
        owner = self._readable(tenant, reading, context)
        if owner is None:
            return Listing([], None)
        found: list[tuple[int, str]] = []
        since = -1 if since_us is None else since_us
        for rows in pages(self.tenants.store(tenant), reading, owner, context, since_us=since):
            for row, head in zip(rows, open_heads(self.vault, tenant, rows), strict=True):
                if isinstance(head, EventCorrupt):
                    raise head
                if head is not None:
                    check_whose(head, owner, context)
                    found.append((row.updated_us, head.id))
        found.sort()
        return Listing([document_id for _, document_id in found], found[-1][0] if found else None)

    def _readable(self, tenant: str, reading: Reading, context: Context) -> UUID | None:
        owner = self.owners.known(tenant, reading, context)
        return None if owner in reading.denied else owner


def pages(
    store: TenantStore, reading: Reading, owner: UUID, context: Context, *, since_us: int = -1
) -> Iterator[Sequence[DocumentRow]]:
    """The rows of a context's documents, a page at a time; of one registration where it names one. StaleFence."""
    scope, session = reading.digest(owner, context.scope()), None
    if context.resource is Resource.STATE and context.registration is not None:
        session = reading.digest(owner, context.session())
    after = b""
    while rows := store.documents.listed(scope, session, since_us=since_us, after=after, limit=PAGE):
        yield rows
        after = rows[-1].place


@dataclass(frozen=True, slots=True)
class Owned:
    """One of an owner's documents with what it holds."""

    head: Head
    data: bytes
    updated_us: int


def rows_of(store: TenantStore, owner: UUID) -> list[DocumentRow]:
    """Which documents an owner has now, in the order in which they were stored."""
    found: list[DocumentRow] = []
    while rows := store.documents.of_owner(owner, after=found[-1].place if found else b"", limit=PAGE):
        found += rows
    return sorted(found, key=lambda row: (row.updated_us, row.place))


def owned(vault: Vault, store: TenantStore, rows: Sequence[DocumentRow]) -> Iterator[Owned]:
    """The documents of these rows as they were then, one at a time, whatever became of them since: versions stay
    in the log. Those that may not be read are not there. EventCorrupt, KeyStoreUnavailable."""
    for row in rows:
        found = store.recorder.select_events(row.stream, gt=row.version - 1, lte=row.version)
        opened = open_document(vault, store.tenant, StoredDocument(row, found[0] if found else None))
        if opened is not None:
            check_whose(opened[0], row.owner, opened[0].context)
            yield Owned(*opened, row.updated_us)
