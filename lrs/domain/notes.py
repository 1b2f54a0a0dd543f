"""Heads of a log as C2SP checkpoints (tlog-checkpoint): a signed note of origin, size and root.

    lrs.example.org/acme/1                          the origin: host, tenant, generation of its log
    20852163                                        how many leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    their root
                                                    an empty line
    — lrs.example.org/acme/1 Az3grlgtzPICa5OS8...   the name of the key (the origin), its id and the signature

What is signed is all before the empty line (C2SP signed-note). A key's id is made of its name and its bytes. Lines
of other keys may follow, of witnesses: they are passed over. It must not know how to sign: others do.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self
from urllib.parse import urlsplit

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) to whether it fits."""

_ED25519 = b"\x01"  # the type of signature (C2SP signed-note)
_ID_BYTES = 4
_DASH = "\u2014 "
_BASE64_ROOT_LENGTH = 44
# More than any cosigners would add; what comes from outside is not read without end.
NOTE_BYTES_MAX = 64 * 1024
_SIZE_MAX = 2**63 - 1


class NoteInvalid(Exception):
    """The text is no checkpoint, or the key did not sign it."""


def origin_of(public_url: str, tenant: str, generation: int) -> str:
    """The origin of a tenant's log: without a scheme, as the specification recommends."""
    host = urlsplit(public_url).netloc.rpartition("@")[2] or "localhost"
    return f"{host}/{tenant}/{generation}"


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that tell keys of a note apart."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_ID_BYTES]


def verifier_key(name: str, public_key: bytes) -> str:
    """The key as tools of others read it (vkey)."""
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head: how large a log is, and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def tenant(self) -> str:
        """Whose log."""
        return self.origin.split("/")[-2] if self.origin.count("/") > 1 else ""

    @property
    def generation(self) -> str:
        """Which of its generations."""
        return self.origin.rpartition("/")[2]

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, sign: Callable[[bytes], bytes], public_key: bytes) -> str:
        """The note."""
        signature = key_id(self.origin, public_key) + sign(self.text.encode())
        return f"{self.text}\n{_DASH}{self.origin} {base64.b64encode(signature).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text that is signed. NoteInvalid."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or lines[-1]:
            raise NoteInvalid("a checkpoint is an origin, a size and a root")
        origin, size, root = lines[:3]
        if not (size.isascii() and size.isdigit() and str(int(size[:20])) == size and int(size) <= _SIZE_MAX):
            raise NoteInvalid("a checkpoint's size is a number without leading zeros")
        return cls(origin, int(size), _root(root))


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text.encode(), validate=True)
    except (ValueError, UnicodeError):
        root = b""
    if len(text) != _BASE64_ROOT_LENGTH or len(root) != 32:
        raise NoteInvalid("a checkpoint's root is 32 bytes in base64")
    return root


def signed_text(note: str, name: str, public_key: bytes, verify: Verify) -> str:
    """The text of a note, if this key of this name signed it. NoteInvalid."""
    text, parting, signatures = note.rpartition("\n\n")
    if not parting or len(note.encode("utf-8", "surrogatepass")) > NOTE_BYTES_MAX:
        raise NoteInvalid("a note is a text, an empty line and its signatures")
    text += "\n"
    wanted = f"{_DASH}{name} "
    for line in signatures.split("\n"):
        if line.startswith(wanted) and _fits(line[len(wanted) :], name, text, public_key, verify):
            return text
    raise NoteInvalid("the key did not sign this note")


def _fits(encoded: str, name: str, text: str, public_key: bytes, verify: Verify) -> bool:
    try:
        signature = base64.b64decode(encoded, validate=True)
        message = text.encode()
    except (binascii.Error, ValueError):
        return False
    known = signature[:_ID_BYTES] == key_id(name, public_key)
    return known and verify(public_key, message, signature[_ID_BYTES:])


def open_note(note: str, public_key: bytes, verify: Verify) -> Checkpoint:
    """The checkpoint of a note that this key signed under the log's own name. NoteInvalid."""
    name = note.partition("\n")[0]
    return Checkpoint.parse(signed_text(note, name, public_key, verify))
