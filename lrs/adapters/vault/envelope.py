"""The envelope: how sealed bytes look. A STORAGE FORMAT: kept for ever, so a change is a new version number.

    one key:  01 01 dict kid(16) nonce(12) ciphertext+tag
    any-of:   01 02 dict count(2) [kid(16) nonce(12) wrapped content key(48)]*count nonce(12) ciphertext+tag
    all-of:   01 03 dict, then as any-of; each owner's key wraps a share of its own, and the content key is derived
              from all shares in order

The last nonce of both is SHA-256 of all before it, cut to length (its content key is used once, so no nonce can
repeat). It shows without any key that no owner was lost: with a living owner's share damaged or cut off only dead
ones would be left, and damage would pass for an erasure. It finds accidents; forgers are for the log of hashes.

``dict`` is the version of the zstd dictionary (0: none; see ``dictionary``). The additional data is rebuilt from
where the part lies and is never stored, so a part that was moved, renamed or re-labelled does not open. Code 4
(tombstone) is reserved.
"""

import functools
import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lrs.adapters.vault import dictionary, wrapping
from lrs.domain.sealing import Category, Place

VERSION = 1
ONE_KEY = 1
ANY_OF = 2
ALL_OF = 3
_ONE_KEY_HEAD = bytes((VERSION, ONE_KEY, dictionary.LATEST))
_ANY_OF_HEAD = bytes((VERSION, ANY_OF, dictionary.LATEST))
_ALL_OF_HEAD = bytes((VERSION, ALL_OF, dictionary.LATEST))
_ONE_KEY_HEADS = frozenset(bytes((VERSION, ONE_KEY, known)) for known in dictionary.KNOWN)
_SHARED_HEADS = frozenset(bytes((VERSION, kind, known)) for kind in (ANY_OF, ALL_OF) for known in dictionary.KNOWN)
_COUNT = struct.Struct(">H")
_WHERE = struct.Struct(">H16sHQH")
_SHARE = struct.Struct(">16s12s48s")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_ONE_KEY_BYTES_MIN = 3 + 16 + _NONCE_BYTES + _TAG_BYTES
OWNERS_MAX = 1_000
# A sealed part opens to at most this, whatever its compressed form claims.
OPENED_BYTES_MAX = 64 * 1024 * 1024
# Names of a few tenants, parts and topics, which seals have in common; an entry is some 200 bytes.
_NAMES_CACHED_MAX = 1_024


class EnvelopeInvalid(Exception):
    """The bytes are not an envelope, or do not open under the key they name."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key, with what its seals are bound to."""

    kid: bytes
    category: Category
    raw: bytes

    @property
    def cipher(self) -> AESGCM:
        """Made for each use, in 0.7 us: kept, it takes 2 kB, and a hundred thousand keys are kept (measured)."""
        return AESGCM(self.raw)


class _Shared(NamedTuple):
    """An any-of or all-of envelope taken apart. ``shares`` is one (kid, nonce, wrapped key) an owner."""

    shares: tuple[tuple[bytes, bytes, bytes], ...]
    nonce: bytes
    ciphertext: bytes


def additional_data(tenant: str, place: Place, head: bytes, kid: bytes, category: Category) -> bytes:
    """Every fact about where and under what a part is sealed, each length-prefixed so that none runs together:
    ``lethe/1``, tenant, part, topic, head, category, stream, version, key id."""
    names = _names(tenant, place.part, place.topic, head, category)
    return names + _WHERE.pack(16, place.stream.bytes, 8, place.version, len(kid)) + kid


@functools.lru_cache(_NAMES_CACHED_MAX)
def _names(tenant: str, part: str, topic: str, head: bytes, category: Category) -> bytes:
    facts = (b"lethe/1", tenant.encode(), part.encode(), topic.encode(), head, category.encode())
    return b"".join(_COUNT.pack(len(fact)) + fact for fact in facts)


def seal(tenant: str, place: Place, keys: Sequence[DataKey], data: bytes, *, all_of: bool = False) -> bytes:
    """The envelope in which the key of any one owner opens ``data``; with ``all_of`` it takes the keys of all."""
    return seal_all(tenant, [(place, keys, data, all_of)])[0]


def seal_all(tenant: str, parts: Sequence[tuple[Place, Sequence[DataKey], bytes, bool]]) -> list[bytes]:
    """The same for each of these. Threads take turns at everything that waits for nothing: a group that asks the
    system once, and compresses in one go, gives its turn away twice and not twice a part (measured, half of what
    planning took beside a busy event loop)."""
    packed = dictionary.compress_all([data for _, _, data, _ in parts])
    # Asked of the system for these very parts, never kept in stock: a copy of the process would have the same.
    nonces = os.urandom(_NONCE_BYTES * len(parts))
    return [
        _seal_one(tenant, place, keys[0], one, nonces[at * _NONCE_BYTES : (at + 1) * _NONCE_BYTES])
        if len(keys) == 1
        else _seal_shared(tenant, place, keys, one, all_of=all_of)
        for at, ((place, keys, _, all_of), one) in enumerate(zip(parts, packed, strict=True))
    ]


def _seal_one(tenant: str, place: Place, key: DataKey, packed: bytes, nonce: bytes) -> bytes:
    bound = additional_data(tenant, place, _ONE_KEY_HEAD, key.kid, key.category)
    return _ONE_KEY_HEAD + key.kid + nonce + key.cipher.encrypt(nonce, packed, bound)


def _seal_shared(tenant: str, place: Place, keys: Sequence[DataKey], packed: bytes, *, all_of: bool) -> bytes:
    if not 1 < len(keys) <= OWNERS_MAX:
        raise EnvelopeInvalid("too few or too many owners")
    head = _ALL_OF_HEAD if all_of else _ANY_OF_HEAD
    given = [AESGCM.generate_key(256) for _ in keys] if all_of else [AESGCM.generate_key(256)] * len(keys)
    content_key = _joined(given) if all_of else given[0]
    shares = b"".join(_share(tenant, place, head, key, one) for key, one in zip(keys, given, strict=True))
    opening = head + _COUNT.pack(len(keys)) + shares
    nonce = _nonce_after(opening)
    # The content's seal is bound to all shares: none can be taken out or put in.
    bound = additional_data(tenant, place, head, b"", keys[0].category) + shares
    return opening + nonce + AESGCM(content_key).encrypt(nonce, packed, bound)


def _joined(shares: Sequence[bytes]) -> bytes:
    """The content key of all-of: nothing is known of it without every share."""
    return wrapping.derive(b"".join(shares), "all-of", 32)


def _nonce_after(opening: bytes) -> bytes:
    return hashlib.sha256(opening).digest()[:_NONCE_BYTES]


def _share(tenant: str, place: Place, head: bytes, key: DataKey, share: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    bound = additional_data(tenant, place, head, key.kid, key.category)
    return _SHARE.pack(key.kid, nonce, key.cipher.encrypt(nonce, share, bound))


def kids_of(envelope: bytes) -> tuple[bytes, ...]:
    """The ids of the keys of its owners, or EnvelopeInvalid."""
    head = envelope[:3]
    if head in _ONE_KEY_HEADS:
        if len(envelope) < _ONE_KEY_BYTES_MIN:
            raise EnvelopeInvalid("cut short")
        return (envelope[3:19],)
    if head in _SHARED_HEADS:
        return tuple([share[0] for share in _parse_shared(envelope).shares])
    raise EnvelopeInvalid("not an envelope")


def needs_all(envelope: bytes) -> bool:
    """Whether the keys of all owners together are needed, of what has ``kids_of``."""
    return envelope[1] == ALL_OF


def _parse_shared(envelope: bytes) -> _Shared:
    if len(envelope) < 5:
        raise EnvelopeInvalid("cut short")
    (count,) = _COUNT.unpack_from(envelope, 3)
    end = 5 + count * _SHARE.size
    if not 1 < count <= OWNERS_MAX or len(envelope) < end + _NONCE_BYTES + _TAG_BYTES:
        raise EnvelopeInvalid("cut short")
    shares = tuple(_SHARE.iter_unpack(envelope[5:end]))
    nonce = envelope[end : end + _NONCE_BYTES]
    if nonce != _nonce_after(envelope[:end]):
        raise EnvelopeInvalid("its owners are not the ones it was sealed for")
    return _Shared(shares, nonce, envelope[end + _NONCE_BYTES :])


def open_with(tenant: str, place: Place, envelope: bytes, key: DataKey) -> bytes:
    """What was sealed, opened with the key of one of ``kids_of``. EnvelopeInvalid when anything does not fit."""
    return open_with_all(tenant, place, envelope, (key,))


def open_with_all(tenant: str, place: Place, envelope: bytes, keys: Sequence[DataKey]) -> bytes:
    """The same for what needs the keys of all, in the order of ``kids_of``."""
    head = envelope[:3]
    try:
        if head in _ONE_KEY_HEADS:
            (key,) = keys
            bound = additional_data(tenant, place, head, key.kid, key.category)
            packed = key.cipher.decrypt(envelope[19:31], envelope[31:], bound)
        else:
            packed = _open_shared(tenant, place, envelope, keys)
        data = dictionary.decompress(head[2], packed, OPENED_BYTES_MAX)
    except (InvalidTag, ValueError) as error:
        raise EnvelopeInvalid("does not open") from error
    if data is None:
        raise EnvelopeInvalid("does not open")
    return data


def _open_shared(tenant: str, place: Place, envelope: bytes, keys: Sequence[DataKey]) -> bytes:
    head, found = envelope[:3], _parse_shared(envelope)
    opened = []
    for key in keys:
        _, nonce, wrapped = next(share for share in found.shares if share[0] == key.kid)
        bound = additional_data(tenant, place, head, key.kid, key.category)
        opened.append(key.cipher.decrypt(nonce, wrapped, bound))
    content_key = _joined(opened) if needs_all(envelope) else opened[0]
    shares = b"".join(_SHARE.pack(*share) for share in found.shares)
    bound = additional_data(tenant, place, head, b"", keys[0].category) + shares
    return AESGCM(content_key).decrypt(found.nonce, found.ciphertext, bound)
