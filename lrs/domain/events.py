"""The events of the hot path, and the topics of all events.

TOPICS AND THE BYTES BELOW ARE A STORAGE FORMAT: events are kept for ever, so a change is a new topic with a
new number, never an edit. ``tests/assets/golden-events.json`` holds bytes of every topic ever released.

A statement is one stream of one event, its id the stream's. What names a person or was written by one stands
only inside ``Sealed`` parts; what is in clear is random ids, counters and the id of a voided statement.
"""

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, NewType, Self
from uuid import UUID

from lrs.domain.sealing import Sealed

VERSIONS = ("1.0.3", "2.0.0")

# format, xAPI version, authority, voided statement (nil: none), number of people
_STATEMENT_HEAD = struct.Struct(">BB16s16sH")
_PERSON = struct.Struct(">16sI")
_FORMAT = 1
_PEOPLE_AT = _STATEMENT_HEAD.size - 2
_EXCHANGE_BYTES = 17 + _PERSON.size
_NIL_BYTES = bytes(16)
# Making a UUID takes as long as reading all the rest of an event, and events in a row name the same few people
# and credentials; equal ids are then also the same object, which makes comparing them cheap.
_IDS_CACHED = 16_384
_named = functools.lru_cache(_IDS_CACHED)(lambda key: UUID(bytes=key))


@functools.lru_cache(_IDS_CACHED)
def _people(packed: bytes) -> tuple[tuple[UUID, int], ...]:
    return tuple([(_named(subject), number) for subject, number in _PERSON.iter_unpack(packed)])


@dataclass  # frozen would take 1 us more for each event that a rebuild reads
class StatementRecorded:
    """One xAPI statement was accepted. Not to be changed.

    ``people`` lists (subject, number) in the order in which the sealed body names their places: the number is
    the version of the event on the subject's stream that holds the exact agent object.
    ``authority`` is the credential that sent it.
    """

    TOPIC: ClassVar[str] = "statement-recorded/1"

    originator_id: UUID
    originator_version: int
    version: str
    authority: UUID
    voids: UUID | None
    people: tuple[tuple[UUID, int], ...]
    body: Sealed

    def encode(self) -> bytes:
        """The stored state: a fixed head, the people, then the envelope to the end."""
        head = _STATEMENT_HEAD.pack(
            _FORMAT,
            VERSIONS.index(self.version),
            self.authority.bytes,
            self.voids.bytes if self.voids else _NIL_BYTES,
            len(self.people),
        )
        people = b"".join([_PERSON.pack(subject.bytes, number) for subject, number in self.people])
        return head + people + self.body.envelope

    @classmethod
    def decode(cls, originator_id: UUID, originator_version: int, state: bytes) -> Self:
        """The event from its stored state. ValueError or struct.error when the bytes are not one."""
        form, version, authority, voids, count = _STATEMENT_HEAD.unpack_from(state)
        if form != _FORMAT or version >= len(VERSIONS):
            raise ValueError("not a statement-recorded/1 state")
        end = _STATEMENT_HEAD.size + count * _PERSON.size
        if end > len(state):
            raise ValueError("a statement-recorded/1 state is cut short")
        return cls(
            originator_id,
            originator_version,
            VERSIONS[version],
            _named(authority),
            None if voids == _NIL_BYTES else UUID(bytes=voids),
            _people(state[_STATEMENT_HEAD.size : end]),
            Sealed(state[end:]),
        )

    @classmethod
    def resealed(cls, state: bytes, change: Callable[[bytes], bytes]) -> bytes:
        """The state with its envelope changed. ValueError when the bytes are not one."""
        end = _STATEMENT_HEAD.size + int.from_bytes(state[_PEOPLE_AT : _PEOPLE_AT + 2], "big") * _PERSON.size
        if end > len(state):
            raise ValueError("a statement-recorded/1 state is cut short")
        return state[:end] + change(state[end:])


@dataclass(frozen=True)
class ExchangeRecorded:
    """One exchange with a language model was recorded after the fact; all of it is sealed.

    ``people`` holds the learner: (subject, number), as in a statement.
    """

    TOPIC: ClassVar[str] = "exchange-recorded/1"

    originator_id: UUID
    originator_version: int
    authority: UUID
    people: tuple[tuple[UUID, int], ...]
    body: Sealed

    def encode(self) -> bytes:
        """The stored state: format, credential, learner, then the envelope to the end."""
        (subject, number) = self.people[0]
        return (
            struct.pack(">B16s", _FORMAT, self.authority.bytes)
            + _PERSON.pack(subject.bytes, number)
            + self.body.envelope
        )

    @classmethod
    def decode(cls, originator_id: UUID, originator_version: int, state: bytes) -> Self:
        """The event from its stored state. ValueError or struct.error when the bytes are not one."""
        form, authority = struct.unpack_from(">B16s", state)
        if form != _FORMAT:
            raise ValueError("not an exchange-recorded/1 state")
        subject, number = _PERSON.unpack_from(state, 17)
        return cls(
            originator_id=originator_id,
            originator_version=originator_version,
            authority=_named(authority),
            people=((UUID(bytes=subject), number),),
            body=Sealed(state[_EXCHANGE_BYTES:]),
        )

    @classmethod
    def resealed(cls, state: bytes, change: Callable[[bytes], bytes]) -> bytes:
        """The state with its envelope changed. ValueError when the bytes are not one."""
        if len(state) < _EXCHANGE_BYTES:
            raise ValueError("an exchange-recorded/1 state is cut short")
        return state[:_EXCHANGE_BYTES] + change(state[_EXCHANGE_BYTES:])


BlobName = NewType("BlobName", bytes)  # 16 random bytes

_FORMAT_2 = 2
_BLOB_COUNT = struct.Struct(">H")
# name, SHA-256 and size of the ciphertext, size of the sealed key that follows
_BLOB = struct.Struct(">16s32sQI")


class AttachedBlob(NamedTuple):
    """A blob that a statement names. The sealed part holds its key and what the attachment says of itself."""

    name: BlobName
    sha256: bytes
    size: int
    key: Sealed


@dataclass
class StatementWithAttachments(StatementRecorded):
    """One xAPI statement was accepted, with attachments: as a statement, and the blobs that hold them."""

    TOPIC: ClassVar[str] = "statement-recorded/2"

    blobs: tuple[AttachedBlob, ...] = ()

    def encode(self) -> bytes:
        """The stored state: as without attachments, but for the format and the blobs before the envelope."""
        plain = super().encode()
        before = len(plain) - len(self.body.envelope)
        head = bytes((_FORMAT_2,)) + plain[1:before]
        return head + _BLOB_COUNT.pack(len(self.blobs)) + b"".join(map(_packed, self.blobs)) + plain[before:]

    @classmethod
    def decode(cls, originator_id: UUID, originator_version: int, state: bytes) -> Self:
        """The event from its stored state. ValueError or struct.error when the bytes are not one."""
        form, _, _, _, people = _STATEMENT_HEAD.unpack_from(state)
        if form != _FORMAT_2:
            raise ValueError("not a statement-recorded/2 state")
        before = _STATEMENT_HEAD.size + people * _PERSON.size
        blobs, after = _blobs(state, before)
        plain = bytes((_FORMAT,)) + state[1:before] + state[after:]
        event = super().decode(originator_id, originator_version, plain)
        event.blobs = blobs
        return event

    @classmethod
    def resealed(cls, state: bytes, change: Callable[[bytes], bytes]) -> bytes:
        """The state with its envelopes changed. ValueError or struct.error when the bytes are not one."""
        (people,) = struct.unpack_from(">H", state, _PEOPLE_AT)
        before = _STATEMENT_HEAD.size + people * _PERSON.size
        blobs, after = _blobs(state, before)
        head = state[: before + _BLOB_COUNT.size]
        changed = [one._replace(key=Sealed(change(one.key.envelope))) for one in blobs]
        return b"".join((head, *map(_packed, changed), change(state[after:])))


def _packed(one: AttachedBlob) -> bytes:
    return _BLOB.pack(one.name, one.sha256, one.size, len(one.key.envelope)) + one.key.envelope


def _blobs(state: bytes, at: int) -> tuple[tuple[AttachedBlob, ...], int]:
    """The blobs that stand there, and where they end."""
    (count,) = _BLOB_COUNT.unpack_from(state, at)
    at += _BLOB_COUNT.size
    found = []
    for _ in range(count):
        name, sha256, size, length = _BLOB.unpack_from(state, at)
        at += _BLOB.size
        if at + length > len(state):
            raise ValueError("a statement-recorded/2 state is cut short")
        found.append(AttachedBlob(BlobName(name), sha256, size, Sealed(state[at : at + length])))
        at += length
    return tuple(found), at


def blobs_of(state: bytes) -> tuple[AttachedBlob, ...]:
    """The blobs that a statement-recorded/2 state names. ValueError or struct.error when the bytes are not one."""
    (people,) = struct.unpack_from(">H", state, _PEOPLE_AT)
    return _blobs(state, _STATEMENT_HEAD.size + people * _PERSON.size)[0]


HotEvent = StatementRecorded | ExchangeRecorded
