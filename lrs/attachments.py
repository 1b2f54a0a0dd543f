"""Attachments of recorded statements: which of them can be opened, and their content.

The key of each blob is sealed in its statement's event, together with what the attachment says of itself. Where it
may not be read, is erased or has expired, the attachment is not there. What should open and does not is an alarm.

THE CONTENT OF A SEALED KEY IS A STORAGE FORMAT: 32 bytes of key, then JSON ``[sha2, contentType, size]``. The size
that of the content; what an attachment says of its length may be anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

import orjson

from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable
from lrs.domain.events import AttachedBlob, StatementWithAttachments
from lrs.domain.sealing import Corrupt, Outcome, Place, Plain, Unavailable
from lrs.ports import Blobs, Kept, Vault

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment that can be read: what its statement says of it, and the blob that holds it."""

    statement: UUID
    sha2: str
    content_type: str
    length: int
    blob: Kept


def key_place(statement: UUID, number: int) -> Place:
    """Where the sealed key of a statement's blob lives."""
    return Place(statement, 1, f"attachment-{number}", StatementWithAttachments.TOPIC)


def pack_key(key: bytes, sha2: str, content_type: str, length: int) -> bytes:
    """The bytes to seal."""
    return key + orjson.dumps([sha2, content_type, length])


@dataclass(frozen=True, slots=True)
class Attachments:
    """Attachments of tenants."""

    vault: Vault
    blobs: Blobs

    def found(self, tenant: str, events: Iterable[StatementWithAttachments]) -> list[Attachment]:
        """Those that may be read, in order, the same content of several statements once. EventCorrupt,
        KeyStoreUnavailable."""
        asked = [
            (event.originator_id, number, blob) for event in events for number, blob in enumerate(event.blobs)
        ]
        outcomes = self.vault.open_many(
            tenant, [(key_place(statement, number), blob.key) for statement, number, blob in asked]
        )
        found: dict[str, Attachment] = {}
        for (statement, _, blob), outcome in zip(asked, outcomes, strict=True):
            if (one := _attachment(statement, blob, outcome)) is not None:
                found.setdefault(one.sha2, one)
        return list(found.values())

    def read(self, tenant: str, attachment: Attachment) -> Iterator[bytes]:
        """Its content, piece by piece. EventCorrupt, StoreUnavailable."""
        return self.blobs.read(tenant, attachment.blob)


def _attachment(statement: UUID, blob: AttachedBlob, outcome: Outcome) -> Attachment | None:
    if isinstance(outcome, Unavailable):
        raise KeyStoreUnavailable("the vault can not be reached")
    if isinstance(outcome, Corrupt):
        raise EventCorrupt("the key of an attachment does not open")
    if not isinstance(outcome, Plain):
        return None
    sha2, content_type, length = orjson.loads(outcome.data[_KEY_BYTES:])
    kept = Kept(blob.name, outcome.data[:_KEY_BYTES], blob.sha256, blob.size)
    return Attachment(statement, sha2, content_type, length, kept)
