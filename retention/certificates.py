"""The certificates of an erasure: what is claimed, signed by the tenant's key, with no word about the person.

1 says that the person is dead in the live system; 2, when the epoch was closed, that no copy of the vault from
before can bring them back.

The signature (Ed25519) is over the canonical JSON of all but itself and ``log``: sorted keys, no white space,
UTF-8. ``log`` comes later, once the notary has passed: a proof that the event which holds the certificate is in
the tenant's log of hashes, under a signed head. THE SHAPE IS PUBLIC: certificates are kept by controllers and
checked years later. Fields may be added.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from lrs.domain import merkle
from lrs.domain.epochs import ClosedEpoch
from lrs.domain.errors import InvalidRequest
from lrs.domain.leaves import inputs_data
from lrs.domain.notes import NoteInvalid, Verify, open_note
from lrs.domain.sealing import Destroyed
from lrs.domain.subjects import Subject

TYPE = "lethe/erasure-certificate/1"
LOG = "log"
# Which event holds a certificate, by its number, on its subject's stream.
TOPICS: Mapping[int, str] = {1: Subject.ErasureCompleted.TOPIC, 2: Subject.EpochCertified.TOPIC}
_NOT_SIGNED = frozenset({"signature", LOG})

_CLAIMS = (
    "Every data key of the subject was destroyed in the live vault; the ledger entry named here says which.",
    "The directory no longer leads from any identifier to the subject.",
    "No row about the subject is left in the live indexes, views, documents or packages of this tenant.",
    "Sealed events of the subject that were tried afterwards did not open.",
)
_DOES_NOT_REACH = (
    (
        "Backup copies of the vault made before this moment: they end with the present epoch, which the second "
        "certificate states."
    ),
    "Files already exported or reports already handed out.",
    "Copies held by a language-model provider or another receiver of data.",
    "Free text about the person that somebody else wrote; it goes with its author.",
)
# Said where it is so, in both.
_SUPPRESSED = (
    "A keyed digest of each of the subject's identifiers, which is kept until the time named here at the latest, "
    "so that the person is refused when seen again: by it, whoever has the keys and guesses an identifier can "
    "tell that its owner was erased."
)
_EPOCH_CLAIMS = (
    "The epoch in which the subject's data keys were destroyed was closed at the time named here.",
    (
        "Before its key was destroyed, a fresh copy of the vault was restored apart and opened, so that everybody "
        "else's keys are known to live on."
    ),
    (
        "The key of that epoch was destroyed by its provider; its file, and its place in the escrow if there is "
        "one, were overwritten."
    ),
    (
        "Every copy of the vault from before the close is noise without that key, also in backups: it opens no "
        "key of the subject and leads from no identifier to the subject. With it, the subject's sealed records "
        "are noise in every backup."
    ),
)
_EPOCH_DOES_NOT_REACH = (
    "Files already exported or reports already handed out.",
    "Copies held by a language-model provider or another receiver of data.",
    "Free text about the person that somebody else wrote; it goes with its author.",
    "Copies of the memory of a machine that had the epoch's key loaded.",
)
# What a root key has wrapped once, it can unwrap again; a provider's own key for each epoch can be gone
# everywhere.
_COPIED_FILES = (
    "Copies of the key directory, made by others, together with the root key: the file of the epoch's key was "
    "destroyed here, and must not be kept elsewhere."
)
_BACKED_UP_PROVIDER = "Backups of the provider's own storage, which are its operator's."
_NOTIFY = "Tell every recipient to whom the data were disclosed (GDPR article 19)."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the steps of an erasure found."""

    destroyed: Destroyed
    identifier_kinds: tuple[str, ...]
    removed: Mapping[str, int]
    left: Mapping[str, int]
    living_keys: int
    sampled: int
    suppressed_until: datetime | None = None


def certificate(
    evidence: Evidence,
    request: UUID,
    at: datetime,
    *,
    sign: Callable[[bytes], bytes],
    public_key: bytes,
) -> dict[str, Any]:
    """Certificate 1: dead in the live system."""
    content: dict[str, Any] = {
        "type": TYPE,
        "certificate": 1,
        "tenant": evidence.destroyed.tenant,
        "subject": str(evidence.destroyed.subject),
        "request": str(request),
        "issued_at": at.isoformat(),
        "ledger_sequence": evidence.destroyed.sequence,
        "keys_destroyed": [kid.hex() for kid in evidence.destroyed.kids],
        "identifier_kinds": list(evidence.identifier_kinds),
        "rows_removed": dict(evidence.removed),
        "rows_left": dict(evidence.left),
        "living_keys": evidence.living_keys,
        "events_sampled": evidence.sampled,
        "claims": list(_CLAIMS),
        "does_not_reach": list(_DOES_NOT_REACH),
        "notify": _NOTIFY,
        "public_key": base64.b64encode(public_key).decode(),
    }
    if evidence.suppressed_until:
        content |= _suppressed(content, evidence.suppressed_until.isoformat())
    return content | {"signature": base64.b64encode(sign(signed_bytes(content))).decode()}


def epoch_certificate(
    first: Mapping[str, Any],
    epoch: ClosedEpoch,
    at: datetime,
    *,
    sign: Callable[[bytes], bytes],
    public_key: bytes,
) -> dict[str, Any]:
    """Certificate 2: dead in every copy. ``first`` is certificate 1; the epoch's key is destroyed."""
    assert epoch.destroyed_at is not None
    seconds = epoch.destruction_seconds or 0
    kept = _COPIED_FILES if epoch.provider in {"file", "environment"} else _BACKED_UP_PROVIDER
    content: dict[str, Any] = {
        "type": TYPE,
        "certificate": 2,
        "tenant": first["tenant"],
        "subject": first["subject"],
        "request": first["request"],
        "issued_at": at.isoformat(),
        "ledger_sequence": first["ledger_sequence"],
        "epoch": epoch.epoch,
        "epoch_closed_at": epoch.closed_at.isoformat(),
        "epoch_key_destroyed_at": epoch.destroyed_at.isoformat(),
        "provider": epoch.provider,
        "destruction_seconds": seconds,
        "final_at": (epoch.destroyed_at + timedelta(seconds=seconds)).isoformat(),
        "claims": list(_EPOCH_CLAIMS),
        "does_not_reach": [*_EPOCH_DOES_NOT_REACH, kept],
        "public_key": base64.b64encode(public_key).decode(),
    }
    if "suppressed_until" in first:
        content |= _suppressed(content, first["suppressed_until"])
    return content | {"signature": base64.b64encode(sign(signed_bytes(content))).decode()}


def _suppressed(content: Mapping[str, Any], until: str) -> dict[str, Any]:
    """What a certificate says otherwise where digests of the identifiers are kept."""
    return {"suppressed_until": until, "does_not_reach": [*content["does_not_reach"], _SUPPRESSED]}


def signed_bytes(content: Mapping[str, Any]) -> bytes:
    """The bytes that the signature covers."""
    unsigned = {name: value for name, value in content.items() if name not in _NOT_SIGNED}
    return json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_certificate(content: object, public_key: bytes, verify: Verify) -> Mapping[str, Any]:
    """The certificate, if this key signed exactly it, and if its proof, where it has one, leads to a head that
    this key signed. InvalidRequest says what is wrong otherwise."""
    if not isinstance(content, dict) or content.get("type") != TYPE:
        raise InvalidRequest("this is not an erasure certificate")
    try:
        signature = base64.b64decode(content["signature"], validate=True)
        signed = signed_bytes(content)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InvalidRequest("the certificate carries no signature that could be ours") from None
    if not verify(public_key, signed, signature):
        raise InvalidRequest("the signature does not fit: the certificate was altered, or another key signed it")
    if LOG in content:
        _check_log(content, content[LOG], public_key, verify)
    return content


def _check_log(certificate: Mapping[str, Any], log: Any, public_key: bytes, verify: Verify) -> None:
    """The event that holds this very certificate is in the log. InvalidRequest."""
    try:
        head = open_note(log["note"], public_key, verify)
        bones = base64.b64decode(log["skeleton"], validate=True)
        stream, position = UUID(log["stream"]), log["position"]
        leaf = inputs_data(position, log["stored_us"], stream.bytes, log["version"], log["topic"], bones)
        proof = [base64.b64decode(one, validate=True) for one in log["proof"]]
        held = json.loads(bones)["certificate"]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, NoteInvalid):
        raise InvalidRequest("the proof of the log can not be read, or its head is of another key") from None
    said = {name: value for name, value in certificate.items() if name != LOG}
    place = (head.tenant, str(stream), log["topic"])
    if held != said or place != (said["tenant"], said["subject"], TOPICS.get(said["certificate"])):
        raise InvalidRequest("the proof of the log is about another certificate")
    if not merkle.is_included(merkle.leaf_hash(leaf), position - 1, head.size, proof, head.root):
        raise InvalidRequest("the proof of the log does not lead from the certificate's event to the signed head")


def parse_public_key(text: str) -> bytes:
    """An Ed25519 public key from its base64 text. InvalidRequest."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:  # RFC 8032: an Ed25519 public key is 32 bytes
        raise InvalidRequest("the public key must be 32 bytes in base64")
    return key
