"""Objects compressed (zstd) and sealed to public keys: age, by ``pyrage``. A STORAGE FORMAT, kept for years.

Whoever has the recipients' public keys can seal and not open: a service that is broken into can not read its own
backups.
"""

from collections.abc import Sequence
from pathlib import Path

import pyrage
import zstandard

from lrs.domain.errors import BackupInvalid, InvalidRequest

# Made once an hour, read on the worst day: smaller is better than faster, within reason. Ciphertext does not
# compress, so this is about the rows around it.
_LEVEL = 3
_IDENTITY_LINES_MAX = 100


class AgeRecipients:
    """The port's ``Encryption``."""

    def __init__(self, recipients: Sequence[str]) -> None:
        """Public keys, ``age1...``. InvalidRequest for what is none, and for none at all."""
        if not recipients:
            raise InvalidRequest("LRS_BACKUP_RECIPIENTS must name at least one age public key")
        try:
            self._recipients = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
        except pyrage.RecipientError:
            raise InvalidRequest("LRS_BACKUP_RECIPIENTS must be age public keys, with commas") from None

    def encrypt(self, data: bytes) -> bytes:
        """Compressed and sealed to every recipient."""
        packed = zstandard.ZstdCompressor(_LEVEL, write_checksum=True).compress(data)
        return bytes(pyrage.encrypt(packed, self._recipients))


class AgeIdentities:
    """The port's ``Decryption``."""

    def __init__(self, identities: Sequence[str]) -> None:
        """Secret keys, ``AGE-SECRET-KEY-1...``. InvalidRequest for what is none."""
        try:
            self._identities = [pyrage.x25519.Identity.from_str(one) for one in identities]
        except pyrage.IdentityError:
            raise InvalidRequest("the identity file must hold age secret keys, one a line") from None

    @classmethod
    def read(cls, path: Path) -> "AgeIdentities":
        """The keys of a file as ``age-keygen`` writes it. InvalidRequest."""
        try:
            lines = [line.strip() for line in path.read_text("ascii").splitlines()[:_IDENTITY_LINES_MAX]]
        except (OSError, UnicodeDecodeError):
            raise InvalidRequest("the identity file can not be read") from None
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys:
            raise InvalidRequest("the identity file holds no key")
        return cls(keys)

    def decrypt(self, data: bytes, *, bytes_max: int) -> bytes:
        """What was sealed. BackupInvalid when it is cut short, altered, not for this identity or opens to more."""
        try:
            packed = bytes(pyrage.decrypt(data, self._identities))
            if not 0 <= zstandard.frame_content_size(packed) <= bytes_max:
                raise BackupInvalid("an object opens to more than it may")
            frames = zstandard.ZstdDecompressor()
            return frames.decompress(packed, max_output_size=bytes_max, allow_extra_data=False)
        except pyrage.DecryptError:
            raise BackupInvalid("an object is sealed to another identity, or was altered") from None
        except (OSError, zstandard.ZstdError):
            raise BackupInvalid("an object was cut short or altered") from None
