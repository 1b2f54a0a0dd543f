"""What an envelope shows to those who have no key: whose it is, and what stands for it in the log of hashes.

    one key:          01 01 dict kid(16) ...
    any-of, all-of:   01 02|03 dict count(2) [kid(16) ...]*count nonce(12) ...
    tombstone:        01 04 kind count(2) [kid(16)]*count sha256(32)

A tombstone keeps the kind and the kids of the envelope whose place it took, and the SHA-256 of its bytes. What
stands for an envelope, its *digest*, is made of exactly these, so it is the same before and after, and nobody can
put other keys' ids on a tombstone: SHA-256(kind, count(2), kids, SHA-256 of the envelope). Bytes that are no
envelope are of kind 0 and nobody's.

STORAGE FORMATS, both. How envelopes are sealed and opened is the vault's business.
"""

import functools
import struct
from hashlib import sha256
from typing import NamedTuple

VERSION = 1
ONE_KEY = 1
ANY_OF = 2
ALL_OF = 3
TOMBSTONE = 4
KID_BYTES = 16
OWNERS_MAX = 1_000
_NO_ENVELOPE = 0
_COUNT = struct.Struct(">H")
_SHARE_BYTES = KID_BYTES + 12 + 48  # kid, nonce, wrapped key
_SHA256_BYTES = 32
_KIDS_AT = 5
_SHARED_TAIL_BYTES = 12 + 16  # nonce, tag
_NONCE_BYTES = 12
ONE_KEY_BYTES_MIN = 3 + KID_BYTES + 12 + 16
_ONE_KEY_HEAD = bytes((VERSION, ONE_KEY))
_TOMBSTONE_HEAD = bytes((VERSION, TOMBSTONE))
# The beginning of what a digest is made of, where there is one owner: nearly always.
_ONE_OWNER = bytes((ONE_KEY,)) + _COUNT.pack(1)
_KINDS = frozenset({ONE_KEY, ANY_OF, ALL_OF})


class EnvelopeInvalid(Exception):
    """The bytes are not an envelope, or do not open under the key they name."""


class Framed(NamedTuple):
    """What an envelope, or its tombstone, shows: which kind it is or was, the ids of its owners' keys, and the
    SHA-256 of the envelope."""

    kind: int
    kids: tuple[bytes, ...]
    sha256: bytes

    @property
    def needs_all(self) -> bool:
        """Whether it takes the keys of all its owners together."""
        return self.kind == ALL_OF

    def is_dead(self, dead: frozenset[bytes]) -> bool:
        """Whether nobody can open it once these keys are destroyed."""
        return any(kid in dead for kid in self.kids) if self.needs_all else dead.issuperset(self.kids)


def framed(envelope: bytes) -> Framed:
    """What it shows. EnvelopeInvalid."""
    if len(envelope) < _KIDS_AT or envelope[0] != VERSION:
        raise EnvelopeInvalid("not an envelope")
    kind = envelope[1]
    if kind == ONE_KEY:
        if len(envelope) < ONE_KEY_BYTES_MIN:
            raise EnvelopeInvalid("cut short")
        return Framed(kind, (envelope[3:19],), sha256(envelope).digest())
    if kind == TOMBSTONE:
        return _framed_tombstone(envelope)
    if kind in _KINDS:
        return Framed(kind, _shared_kids(envelope), sha256(envelope).digest())
    raise EnvelopeInvalid("not an envelope")


def is_tombstone(envelope: bytes) -> bool:
    """Whether this stands where an envelope was."""
    return envelope[:2] == _TOMBSTONE_HEAD


def _framed_tombstone(tombstone: bytes) -> Framed:
    kind, count = tombstone[2], _count(tombstone)
    end = _KIDS_AT + count * KID_BYTES
    if kind not in _KINDS or (count == 1) is not (kind == ONE_KEY) or len(tombstone) != end + _SHA256_BYTES:
        raise EnvelopeInvalid("not a tombstone")
    kids = tuple(tombstone[at : at + KID_BYTES] for at in range(_KIDS_AT, end, KID_BYTES))
    return Framed(kind, kids, tombstone[end:])


def _count(envelope: bytes) -> int:
    (count,) = _COUNT.unpack_from(envelope, 3)
    if not 0 < count <= OWNERS_MAX:
        raise EnvelopeInvalid("too few or too many owners")
    return int(count)


def _shared_kids(envelope: bytes) -> tuple[bytes, ...]:
    end = shares_end(envelope)
    return tuple(envelope[at : at + KID_BYTES] for at in range(_KIDS_AT, end, _SHARE_BYTES))


def shares_end(envelope: bytes) -> int:
    """Where the shares of several owners end. EnvelopeInvalid, also where an owner was lost: see
    ``nonce_after``."""
    count = _count(envelope) if len(envelope) >= _KIDS_AT else 0
    end = _KIDS_AT + count * _SHARE_BYTES
    if count < 2 or len(envelope) < end + _SHARED_TAIL_BYTES:
        raise EnvelopeInvalid("cut short")
    if envelope[end : end + _NONCE_BYTES] != nonce_after(envelope[:end]):
        raise EnvelopeInvalid("its owners are not the ones it was sealed for")
    return end


def nonce_after(opening: bytes) -> bytes:
    """The nonce that follows the shares: it shows that none is missing."""
    return sha256(opening).digest()[:_NONCE_BYTES]


def tombstone_of(envelope: bytes) -> bytes:
    """What takes the place of a dead envelope; of a tombstone itself. EnvelopeInvalid."""
    found = framed(envelope)
    head = _TOMBSTONE_HEAD + bytes((found.kind,)) + _COUNT.pack(len(found.kids))
    return b"".join((head, *found.kids, found.sha256))


def digest_of(envelope: bytes) -> bytes:
    """What stands for an envelope, or for its tombstone, in the log of hashes."""
    if envelope[:2] == _ONE_KEY_HEAD and len(envelope) >= ONE_KEY_BYTES_MIN:
        return sha256(_ONE_OWNER + envelope[3:19] + sha256(envelope).digest()).digest()
    try:
        found = framed(envelope)
    except EnvelopeInvalid:
        found = Framed(_NO_ENVELOPE, (), sha256(envelope).digest())
    return sha256(b"".join((_opening(found.kind, len(found.kids)), *found.kids, found.sha256))).digest()


@functools.lru_cache(64)
def _opening(kind: int, owners: int) -> bytes:
    return bytes((kind,)) + _COUNT.pack(owners)
