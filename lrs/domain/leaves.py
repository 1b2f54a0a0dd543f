"""Leaves: what the log of hashes says of an event. A STORAGE FORMAT: kept heads and proofs stand on these bytes.

    leaf data   01 position(8) stored(8) stream(16) version(8) topic length(2) topic SHA-256 of the skeleton(32)

The skeleton of an event is its stored state with each envelope replaced by its digest (``envelopes``), which is
the digest of the tombstone that may take its place: so a leaf stands whatever is compacted. No leaf needs a key.
"""

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from lrs.domain import merkle
from lrs.domain.document_events import DocumentDeleted, DocumentStored
from lrs.domain.envelopes import digest_of
from lrs.domain.events import ExchangeRecorded, StatementRecorded, StatementWithAttachments

Change = Callable[[bytes], bytes]
"""An envelope to what takes its place."""

_FORMAT = 1
_HEAD = struct.Struct(">BQQ16sQH")
# As the transcoder writes a sealed part of an aggregate's event. In the text of a string every quotation mark has
# a backslash before it, so nothing else looks like this.
_SEALED = re.compile(rb'(\{"_type_":"sealed","_data_":")([A-Za-z0-9+/]*={0,2})("\})')
_UNREADABLE = b"\xff"


class Entry(NamedTuple):
    """An event as it is stored. Flat and raw, for a million of them are walked through at once."""

    position: int
    stored_us: int
    stream: bytes
    version: int
    topic: str
    state: bytes


_RESEALED: dict[str, Callable[[bytes, Change], bytes]] = {
    StatementRecorded.TOPIC: StatementRecorded.resealed,
    StatementWithAttachments.TOPIC: StatementWithAttachments.resealed,
    ExchangeRecorded.TOPIC: ExchangeRecorded.resealed,
    DocumentStored.TOPIC: DocumentStored.resealed,
    DocumentDeleted.TOPIC: lambda state, _: state,
}


def resealed(topic: str, state: bytes, change: Change) -> bytes:
    """The state with each of its envelopes changed. ValueError or struct.error when the bytes are not an event of
    the topic."""
    return _RESEALED.get(topic, _resealed_json)(state, change)


def _resealed_json(state: bytes, change: Change) -> bytes:
    def changed(found: re.Match[bytes]) -> bytes:
        envelope = b64decode(found[2])
        if b64encode(envelope) != found[2]:  # other letters for the same bytes
            raise ValueError("a sealed part is not in canonical base64")
        return found[1] + b64encode(change(envelope)) + found[3]

    return _SEALED.sub(changed, state)


def skeleton(topic: str, state: bytes) -> bytes:
    """The state with digests for envelopes. What is no event of the topic has a skeleton that no event has."""
    try:
        return resealed(topic, state, digest_of)
    except (ValueError, struct.error):
        return _UNREADABLE + state


def leaf_data(entry: Entry) -> bytes:
    """The data of an event's leaf. ValueError for columns that no event can have."""
    position, stored_us, stream, version, topic, state = entry
    return inputs_data(position, stored_us, stream, version, topic, skeleton(topic, state))


def inputs_data(position: int, stored_us: int, stream: bytes, version: int, topic: str, bones: bytes) -> bytes:
    """The same from its inputs, the skeleton among them."""
    name = topic.encode()
    if len(stream) != 16:
        raise ValueError("a stream is 16 bytes")
    try:
        head = _HEAD.pack(_FORMAT, position, stored_us, stream, version, len(name))
    except struct.error:
        raise ValueError("no position, time or version") from None
    return b"".join((head, name, sha256(bones).digest()))


def hash_of(entry: Entry) -> bytes:
    """The hash of an event's leaf. Columns that no event can have hash to what no leaf does."""
    try:
        return merkle.leaf_hash(leaf_data(entry))
    except (ValueError, TypeError, AttributeError, UnicodeError):
        return bytes(merkle.HASH_BYTES)
