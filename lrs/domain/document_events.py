"""The events of documents. One document is one stream under a random id; its versions are its events.

THE BYTES BELOW ARE A STORAGE FORMAT, as those of ``lrs.domain.events``. In clear are random ids and lengths alone:
what the document is called, what it belongs to and what it says stand in two sealed parts. The head is small, so
that documents can be listed and compared without opening what they hold.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self
from uuid import UUID

from lrs.domain.sealing import Sealed

_FORMAT = 1
_STORED = struct.Struct(">B16s16sI")  # format, credential, owner, length of the sealed head
_DELETED = struct.Struct(">B16s16s")


@dataclass(frozen=True)
class DocumentStored:
    """A document was stored, anew or over the version before. Its owner is the subject whose key seals it."""

    TOPIC: ClassVar[str] = "document-stored/1"

    originator_id: UUID
    originator_version: int
    authority: UUID
    owner: UUID
    head: Sealed
    content: Sealed

    def encode(self) -> bytes:
        """The stored state: a fixed beginning, the head's envelope, then the content's to the end."""
        begin = _STORED.pack(_FORMAT, self.authority.bytes, self.owner.bytes, len(self.head.envelope))
        return b"".join((begin, self.head.envelope, self.content.envelope))

    @classmethod
    def decode(cls, originator_id: UUID, originator_version: int, state: bytes) -> Self:
        """The event from its stored state. ValueError or struct.error when the bytes are not one."""
        form, authority, owner, length = _STORED.unpack_from(state)
        end = _STORED.size + length
        if form != _FORMAT or end > len(state):
            raise ValueError("not a document-stored/1 state")
        return cls(
            originator_id,
            originator_version,
            UUID(bytes=authority),
            UUID(bytes=owner),
            Sealed(state[_STORED.size : end]),
            Sealed(state[end:]),
        )

    @classmethod
    def resealed(cls, state: bytes, change: Callable[[bytes], bytes]) -> bytes:
        """The state with its envelopes changed. ValueError or struct.error when the bytes are not one."""
        form, authority, owner, length = _STORED.unpack_from(state)
        end = _STORED.size + length
        if end > len(state):
            raise ValueError("a document-stored/1 state is cut short")
        head = change(state[_STORED.size : end])
        return b"".join((_STORED.pack(form, authority, owner, len(head)), head, change(state[end:])))


@dataclass(frozen=True)
class DocumentDeleted:
    """A document was deleted: the end of its stream. One of the same name begins another."""

    TOPIC: ClassVar[str] = "document-deleted/1"

    originator_id: UUID
    originator_version: int
    authority: UUID
    owner: UUID

    def encode(self) -> bytes:
        """The stored state."""
        return _DELETED.pack(_FORMAT, self.authority.bytes, self.owner.bytes)

    @classmethod
    def decode(cls, originator_id: UUID, originator_version: int, state: bytes) -> Self:
        """The event from its stored state. ValueError or struct.error when the bytes are not one."""
        form, authority, owner = _DELETED.unpack(state)
        if form != _FORMAT:
            raise ValueError("not a document-deleted/1 state")
        return cls(originator_id, originator_version, UUID(bytes=authority), UUID(bytes=owner))


DocumentEvent = DocumentStored | DocumentDeleted
