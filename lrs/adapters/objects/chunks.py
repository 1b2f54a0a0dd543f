"""Sealing a file of any length in chunks, so that none of it has to be in memory. A STORAGE FORMAT: kept for ever.

    01 01, then for every 64 KiB of content: ciphertext+tag; the last chunk holds what is left, 0 to 64 KiB

AES-256-GCM under a key that seals this one blob and nothing else. The nonce is the chunk's number (11 bytes) and
whether it is the last one (1 byte), as in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015):
chunks left out, put in, exchanged or cut off do not open. The additional data names the blob, so one blob's bytes
under another's name do not open either.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_BYTES: Final = 64 * 1024
_TAG_BYTES: Final = 16
_SEALED_BYTES: Final = CHUNK_BYTES + _TAG_BYTES
_HEAD: Final = b"\1\1"
_COUNTER_BYTES: Final = 11


class ChunkInvalid(Exception):
    """The bytes are not what was sealed under this key and name: cut, altered or exchanged."""


def new_key() -> bytes:
    """The key of one blob."""
    return AESGCM.generate_key(256)


def _bound(name: bytes) -> bytes:
    return b"lethe/blob/1" + name


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes((last,))


class Sealing:
    """Content in, ciphertext out. ``size`` and ``sha256`` are those of the ciphertext."""

    def __init__(self, key: bytes, name: bytes) -> None:
        self._cipher = AESGCM(key)
        self._bound = _bound(name)
        self._held = bytearray()
        self._number = 0
        self._hash = hashlib.sha256(_HEAD)
        self._begun = False
        self.size = len(_HEAD)

    @property
    def sha256(self) -> bytes:
        """Of all that came out."""
        return self._hash.digest()

    def add(self, data: bytes) -> bytes:
        """The ciphertext of what is complete now. A whole chunk is held back while it may be the last."""
        self._held += data
        sealed = [] if self._begun else [_HEAD]
        self._begun = True
        at = 0
        while len(self._held) - at > CHUNK_BYTES:
            sealed.append(self._sealed(bytes(self._held[at : at + CHUNK_BYTES]), last=False))
            at += CHUNK_BYTES
        del self._held[:at]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The ciphertext of the rest."""
        return self.add(b"") + self._sealed(bytes(self._held), last=True)

    def _sealed(self, chunk: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._bound)
        self._number += 1
        self._hash.update(sealed)
        self.size += len(sealed)
        return sealed


def opened(key: bytes, name: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a blob whose ciphertext comes in pieces of any size; every piece given out is genuine.
    ChunkInvalid at the first thing that does not fit."""
    cipher, bound = AESGCM(key), _bound(name)
    held = bytearray()
    number, begun = 0, False
    for piece in pieces:
        held += piece
        if not begun and len(held) > len(_HEAD):
            if not held.startswith(_HEAD):
                raise ChunkInvalid
            del held[: len(_HEAD)]
            begun = True
        at = 0
        content = []
        while begun and len(held) - at > _SEALED_BYTES:
            content.append(_open(cipher, held[at : at + _SEALED_BYTES], _nonce(number, last=False), bound))
            number += 1
            at += _SEALED_BYTES
        del held[:at]
        if content:
            yield b"".join(content)
    if not begun:
        raise ChunkInvalid
    yield _open(cipher, held, _nonce(number, last=True), bound)


def _open(cipher: AESGCM, sealed: bytearray, nonce: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, bytes(sealed), bound)
    except (InvalidTag, ValueError):
        raise ChunkInvalid from None
