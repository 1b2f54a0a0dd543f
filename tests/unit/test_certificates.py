"""A certificate stands exactly as it was signed, and what is none is refused, whatever it looks like."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lrs.adapters.signatures import verify
from lrs.domain import merkle
from lrs.domain.epochs import ClosedEpoch, Standing
from lrs.domain.errors import InvalidRequest
from lrs.domain.leaves import inputs_data
from lrs.domain.notes import Checkpoint
from lrs.domain.sealing import ERASED, Destroyed
from retention.certificates import (
    TYPE,
    Evidence,
    certificate,
    check_certificate,
    epoch_certificate,
    parse_public_key,
    signed_bytes,
)
from retention.closing import is_due

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EVIDENCE = Evidence(
    destroyed=Destroyed(7, "acme", UUID(int=1), ERASED, (b"\1" * 16, b"\2" * 16)),
    identifier_kinds=("mbox", "mbox_sha1sum"),
    removed={"statement": 3},
    left={"statement": 0},
    living_keys=0,
    sampled=2,
)


def made() -> dict[str, Any]:
    """A certificate."""
    return certificate(EVIDENCE, UUID(int=2), AT, sign=KEY.sign, public_key=PUBLIC)


def test_a_certificate_says_what_was_found_and_what_it_does_not_reach() -> None:
    proof = made()
    facts = {name: value for name, value in proof.items() if name not in {"claims", "does_not_reach", "notify"}}
    assert facts.pop("signature")
    assert facts == {
        "type": "lethe/erasure-certificate/1",
        "certificate": 1,
        "tenant": "acme",
        "subject": str(UUID(int=1)),
        "request": str(UUID(int=2)),
        "issued_at": "2026-11-22T09:00:00+00:00",
        "ledger_sequence": 7,
        "keys_destroyed": ["01" * 16, "02" * 16],
        "identifier_kinds": ["mbox", "mbox_sha1sum"],
        "rows_removed": {"statement": 3},
        "rows_left": {"statement": 0},
        "living_keys": 0,
        "events_sampled": 2,
        "public_key": base64.b64encode(PUBLIC).decode(),
    }
    assert any("Backup" in one for one in proof["does_not_reach"])


def test_a_certificate_is_valid_however_its_json_was_laid_out() -> None:
    proof = made()
    turned = json.loads(json.dumps(dict(reversed(proof.items())), indent=4))
    assert check_certificate(turned, PUBLIC, verify) == proof


@pytest.mark.parametrize("name", sorted(made()))
def test_no_part_of_a_certificate_can_be_changed_or_left_out(name: str) -> None:
    proof = made()
    for altered in (proof | {name: "other"}, {key: value for key, value in proof.items() if key != name}):
        with pytest.raises(InvalidRequest):
            check_certificate(altered, PUBLIC, verify)


def test_nothing_can_be_added_to_a_certificate() -> None:
    with pytest.raises(InvalidRequest):
        check_certificate(made() | {"note": ""}, PUBLIC, verify)


def with_log(held: Any = None, *, tenant: str = "acme", **other: Any) -> dict[str, Any]:
    """A certificate with a valid proof of an event in a log of two, which holds this certificate or another."""
    proof = made()
    bones = json.dumps({"certificate": proof if held is None else held}).encode()
    inputs = {"position": 2, "stored_us": 3, "version": 4, "topic": "erasure-completed/1"}
    facts: dict[str, Any] = inputs | {"stream": str(UUID(int=1)), **other}
    leaf = merkle.leaf_hash(inputs_data(2, 3, UUID(facts["stream"]).bytes, 4, facts["topic"], bones))
    head = Checkpoint(f"lrs.example.org/{tenant}/1", 2, merkle.node_hash(bytes(32), leaf))
    texts = {"skeleton": base64.b64encode(bones).decode(), "proof": [base64.b64encode(bytes(32)).decode()]}
    return proof | {"log": facts | texts | {"note": head.signed(KEY.sign, PUBLIC)}}


def test_a_certificate_with_its_proof_is_valid_and_stays_so_without() -> None:
    assert check_certificate(with_log(), PUBLIC, verify)


@pytest.mark.parametrize(
    "proven",
    [
        with_log(made() | {"living_keys": 1}), with_log({}), with_log("text"), with_log(tenant="globex"),
        with_log(stream=str(UUID(int=2))), with_log(topic="request-moved/1"),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_proof_that_is_valid_but_of_something_else_is_refused(proven: dict[str, Any]) -> None:
    """Somebody with the key, or another event of the same log: it says nothing of this certificate."""
    with pytest.raises(InvalidRequest, match="another certificate"):
        check_certificate(proven, PUBLIC, verify)


def test_a_certificate_of_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(InvalidRequest, match="another key"):
        check_certificate(made(), other, verify)


def deep() -> object:
    """Lists in lists, deeper than JSON is written."""
    value: object = 0
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "text",
        {},
        {"type": "other"},
        {"type": TYPE},
        {"type": TYPE, "signature": None},
        {"type": TYPE, "signature": "not base64!"},
        {"type": TYPE, "signature": "\u00e4"},
        {"type": TYPE, "signature": ""},
        {"type": TYPE, "signature": "AAAA", "text": "\ud800"},
        {"type": TYPE, "signature": "AAAA", "deep": deep()},
    ],
    ids=range(12),
)
def test_what_is_no_certificate_is_refused_and_never_fails(content: object) -> None:
    with pytest.raises(InvalidRequest):
        check_certificate(content, PUBLIC, verify)


def test_the_signature_covers_everything_but_itself() -> None:
    proof = made()
    signed = json.loads(signed_bytes(proof))
    assert signed == {name: value for name, value in proof.items() if name != "signature"}


def test_a_public_key_is_read_from_base64() -> None:
    assert parse_public_key(f" {base64.b64encode(PUBLIC).decode()}\n") == PUBLIC


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "\u00e4", base64.b64encode(bytes(33)).decode()])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_public_key(text)


def test_a_certificate_says_until_when_digests_of_the_identifiers_are_kept_and_what_they_tell() -> None:
    """Both do, and say nothing else otherwise."""
    until = AT + timedelta(days=30)
    first = certificate(
        replace(EVIDENCE, suppressed_until=until), UUID(int=2), AT, sign=KEY.sign, public_key=PUBLIC
    )
    second = epoch_certificate(first, CLOSED, AT, sign=KEY.sign, public_key=PUBLIC)
    plain = epoch_certificate(made(), CLOSED, AT, sign=KEY.sign, public_key=PUBLIC)
    for proof, without in ((first, made()), (second, plain)):
        assert check_certificate(proof, PUBLIC, verify)
        assert "suppressed_until" not in without
        assert proof["suppressed_until"] == "2026-12-22T09:00:00+00:00"
        (said,) = [one for one in proof["does_not_reach"] if one not in without["does_not_reach"]]
        assert "guesses an identifier" in said
        assert {name for name in proof if proof[name] != without.get(name)} == {
            "suppressed_until", "does_not_reach", "signature",
        }  # fmt: skip


# --- certificate 2 -------------------------------------------------------------------------------------------

CLOSED = ClosedEpoch(
    epoch=3,
    sequence=9,
    closed_at=AT + timedelta(hours=1),
    provider="file",
    destruction_seconds=0,
    destroyed_at=AT + timedelta(hours=2),
)


def second(closed: ClosedEpoch = CLOSED) -> dict[str, Any]:
    """A second certificate."""
    return epoch_certificate(made(), closed, AT + timedelta(hours=3), sign=KEY.sign, public_key=PUBLIC)


def test_the_second_certificate_says_which_epoch_ended_and_when_and_what_it_does_not_reach() -> None:
    proof = second()
    facts = {name: value for name, value in proof.items() if name not in {"claims", "does_not_reach"}}
    assert facts.pop("signature")
    assert facts == {
        "type": "lethe/erasure-certificate/1",
        "certificate": 2,
        "tenant": "acme",
        "subject": str(UUID(int=1)),
        "request": str(UUID(int=2)),
        "issued_at": "2026-11-22T12:00:00+00:00",
        "ledger_sequence": 7,
        "epoch": 3,
        "epoch_closed_at": "2026-11-22T10:00:00+00:00",
        "epoch_key_destroyed_at": "2026-11-22T11:00:00+00:00",
        "provider": "file",
        "destruction_seconds": 0,
        "final_at": "2026-11-22T11:00:00+00:00",
        "public_key": base64.b64encode(PUBLIC).decode(),
    }
    assert any("Every copy of the vault" in one and "noise" in one for one in proof["claims"])
    assert any("key directory" in one for one in proof["does_not_reach"])


def test_a_provider_that_takes_its_time_is_not_said_to_have_destroyed_already() -> None:
    proof = second(replace(CLOSED, provider="kms", destruction_seconds=7 * 24 * 3600))
    assert (proof["destruction_seconds"], proof["final_at"]) == (604_800, "2026-11-29T11:00:00+00:00")
    assert not any("key directory" in one for one in proof["does_not_reach"])
    assert second(replace(CLOSED, destruction_seconds=None))["destruction_seconds"] == 0


@pytest.mark.parametrize("name", sorted(second()))
def test_no_part_of_the_second_certificate_can_be_changed_or_left_out(name: str) -> None:
    proof = second()
    assert check_certificate(proof, PUBLIC, verify) == proof
    for altered in (proof | {name: "other"}, {key: value for key, value in proof.items() if key != name}):
        with pytest.raises(InvalidRequest):
            check_certificate(altered, PUBLIC, verify)


@pytest.mark.parametrize(
    ("standing", "hours_later", "due"),
    [
        (Standing(4, (CLOSED,), 0), 1000, False),
        (Standing(4, (CLOSED,), 1), 23.9, False),
        (Standing(4, (CLOSED,), 1), 24, True),
        (Standing(4, (CLOSED,), 1), -1, True),
        (Standing(1, (), 1, CLOSED.closed_at), 23.9, False),
        (Standing(1, (), 1, CLOSED.closed_at), 24, True),
        (Standing(1, (), 1, None), 0, True),
        (Standing(1, (), 0, None), 0, False),
    ],
)
def test_an_epoch_is_closed_when_something_was_destroyed_and_it_is_time(
    standing: Standing, hours_later: float, due: bool
) -> None:
    assert is_due(standing, CLOSED.closed_at + timedelta(hours=hours_later), 24) is due
