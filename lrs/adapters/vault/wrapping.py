"""Keys under keys: AES-SIV with additional data, and the identity of a key.

AES-SIV (RFC 5297) needs no nonce, so wrapping the same key twice gives away nothing but that. THE ADDITIONAL
DATA IS A KEY FORMAT: changing it makes every wrapped key noise.
"""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

WRAPPING_KEY_BYTES = 64
DATA_KEY_BYTES = 32
KID_BYTES = 16


class WrappedKeyInvalid(Exception):
    """A wrapped key does not open under this key with this additional data."""


def new_wrapping_key() -> bytes:
    """A key that wraps others."""
    return secrets.token_bytes(WRAPPING_KEY_BYTES)


def new_data_key() -> bytes:
    """A key that seals data."""
    return secrets.token_bytes(DATA_KEY_BYTES)


def derive(key: bytes, purpose: str, length: int = WRAPPING_KEY_BYTES) -> bytes:
    """A key for one purpose from another (HKDF, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"lethe/1 " + purpose.encode()).derive(key)


def wrap(wrapping: bytes, key: bytes, *names: str) -> bytes:
    """``key`` wrapped, bound to these names."""
    return Wrapping(wrapping).wrap(key, *names)


def unwrap(wrapping: bytes, wrapped: bytes, *names: str) -> bytes:
    """The key, or WrappedKeyInvalid."""
    try:
        return Wrapping(wrapping).unwrap(wrapped, *names)
    except ValueError as error:  # no key for this cipher
        raise WrappedKeyInvalid from error


class Wrapping:
    """A key that wraps many: its cipher is made once."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def wrap(self, key: bytes, *names: str) -> bytes:
        """As ``wrap``."""
        return self._cipher.encrypt(key, [name.encode() for name in names])

    def unwrap(self, wrapped: bytes, *names: str) -> bytes:
        """As ``unwrap``."""
        try:
            return self._cipher.decrypt(wrapped, [name.encode() for name in names])
        except (InvalidTag, ValueError, TypeError) as error:
            raise WrappedKeyInvalid from error


def kid_of(key: bytes) -> bytes:
    """The public id of a data key; checked after every unwrap, so that a seal is committed to one key."""
    return hmac.digest(key, b"kid", hashlib.sha256)[:KID_BYTES]
