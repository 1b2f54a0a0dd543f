"""Finding the documents of one tenant. What is kept of them beside the log is blinded or sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from lrs.domain.sealing import Sealed

DIGEST_BYTES_MIN = 16  # of a place: two documents of a tenant must never share one


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """Where a document's newest version is. ``place`` is its own, ``scope`` and ``session`` are those of documents
    that are listed together: digests under a key of its owner. ``head`` is the event's, to list without it."""

    place: bytes
    scope: bytes
    session: bytes
    owner: UUID
    stream: UUID
    version: int
    head: Sealed
    updated_us: int = 0  # the event's time of storing; given by the store


@dataclass(frozen=True, slots=True)
class DocumentGone:
    """The row of this place goes, if it is at the version before this one."""

    place: bytes
    stream: UUID
    version: int


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document's row with the event that it stands for; None: the log does not have it, which is an alarm."""

    row: DocumentRow
    event: StoredEvent | None


class Documents(Protocol):
    """Finding documents. Their rows are written by the recorder, in the transaction of the events."""

    def rows(self, places: Sequence[bytes]) -> dict[bytes, DocumentRow]:
        """The rows of these documents as of now, those that there are."""
        ...

    def one(self, place: bytes) -> StoredDocument | None:
        """A document as of now."""
        ...

    def listed(
        self,
        scope: bytes,
        session: bytes | None = None,
        *,
        since_us: int = -1,
        after: bytes = b"",
        limit: int = 500,
    ) -> list[DocumentRow]:
        """Documents of a scope, or of one session in it, that were stored later than then; by place."""
        ...

    def of_owner(self, owner: UUID, *, after: bytes = b"", limit: int = 500) -> list[DocumentRow]:
        """A subject's documents, by place."""
        ...
