"""What a run was: every object of it, where each log and the vault stand. A STORAGE FORMAT, kept for years.

JSON in clear, for whoever makes backups has no key to them and reads the last one; it holds ids, counts and times,
and no person's. Signed by the installation's own key (Ed25519, over the canonical JSON of all but the signature),
and each names the hash of the one before: none can be made up, altered, exchanged or left out. A *base* names
everything that a restore needs, so that nobody has to read what was before it.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lrs.domain.errors import BackupInvalid

TYPE: Final = "lethe/backup-manifest/1"
NO_MANIFEST: Final = "0" * 64
Verify = Callable[[bytes, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its name, and size and SHA-256 of what is stored under it."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, data: bytes) -> "Stored":
        """What is about to be stored."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest())

    def is_of(self, data: bytes) -> bool:
        """Whether this is what was stored."""
        return len(data) == self.size and hashlib.sha256(data).hexdigest() == self.sha256


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a log, and the times of its first and last event."""

    object: Stored
    log: str
    generation: int
    first: int
    last: int
    stored_first: int
    stored_last: int


@dataclass(frozen=True, slots=True)
class BlobPart:
    """A part of a blob; a blob is its parts in order."""

    object: Stored
    log: str
    blob: str
    part: int


@dataclass(frozen=True, slots=True)
class MissingBlob:
    """A blob that a living record names and that could not be had, or was not what its event says (``sha256``)."""

    log: str
    blob: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LogState:
    """Where a log stands: the generations that it is made of, each with the position after which it began, and
    what tells its last event from any other (``tip``). ``size`` and ``root`` are of the newest head of its log
    of hashes that was signed, where there is one."""

    log: str
    lineage: tuple[tuple[int, int], ...]
    position: int
    stored: int
    tip: str
    size: int | None = None
    root: str | None = None

    @property
    def generation(self) -> int:
        """The present one."""
        return self.lineage[-1][0]

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Each generation's part of the log: its number, after which position, up to which."""
        ends = [*(after for _, after in self.lineage[1:]), self.position]
        for (generation, after), end in zip(self.lineage, ends, strict=True):
            yield generation, after, end


@dataclass(frozen=True, slots=True)
class Manifest:
    """One run. ``sha256`` is of its stored bytes."""

    vault: str
    number: int
    at: str
    previous: str
    base: bool
    epoch: int
    ledger_length: int
    ledger_hash: str
    snapshot: tuple[Stored, ...]
    logs: tuple[LogState, ...]
    segments: tuple[Segment, ...]
    blobs: tuple[BlobPart, ...]
    missing: tuple[MissingBlob, ...] = ()
    sha256: str = field(default="", compare=False)

    def state_of(self, log: str) -> LogState | None:
        """Where a log stood; None for one that was not there."""
        return next((one for one in self.logs if one.log == log), None)

    def objects(self) -> Iterator[Stored]:
        """Everything but the snapshot."""
        yield from (one.object for one in self.segments)
        yield from (one.object for one in self.blobs)


def write(manifest: Manifest, sign: Callable[[bytes], bytes], public_key: bytes) -> bytes:
    """The manifest as it is stored."""
    content = asdict(manifest) | {"type": TYPE, "public_key": base64.b64encode(public_key).decode()}
    del content["sha256"]
    signature = base64.b64encode(sign(_canonical(content))).decode()
    return _canonical(content | {"signature": signature}) + b"\n"


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read(data: bytes, public_key: bytes, verify: Verify) -> Manifest:
    """A manifest that this key signed. BackupInvalid."""
    try:
        content = json.loads(data)
        signature = base64.b64decode(content.pop("signature"), validate=True)
        del content["public_key"]  # the signer's word for it proves nothing
        signed = json.loads(data)
        del signed["signature"]
        if not verify(public_key, _canonical(signed), signature):
            raise BackupInvalid("a manifest was altered, or another installation signed it")
        if content.pop("type") != TYPE:
            raise BackupInvalid("a manifest is of another kind than this release reads")
        return _manifest(content, hashlib.sha256(data).hexdigest())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BackupInvalid("a manifest can not be read: it was cut short or altered") from None


def _manifest(content: dict[str, Any], sha256: str) -> Manifest:
    return Manifest(
        **content
        | {
            "snapshot": tuple(Stored(**one) for one in content["snapshot"]),
            "logs": tuple(
                LogState(**one | {"lineage": tuple((number, after) for number, after in one["lineage"])})
                for one in content["logs"]
            ),
            "segments": tuple(Segment(**one | {"object": Stored(**one["object"])}) for one in content["segments"]),
            "blobs": tuple(BlobPart(**one | {"object": Stored(**one["object"])}) for one in content["blobs"]),
            "missing": tuple(MissingBlob(**one) for one in content["missing"]),
            "sha256": sha256,
        }
    )
