"""Signed statements (xAPI 1.0.3 Data 2.6): good ones are taken, everything else is a 400; a signature dies with
anybody whom it names, its statement does not."""

import base64
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from lrs.bootstrap import System
from tests.parts import (
    Json,
    attachment,
    body_of,
    content_type,
    encoded,
    part,
    signature,
    signature_part,
    statements_part,
    taken_apart,
    token,
    x5c,
)
from tests.subjects import ADA, ALAN, GRACE, Inside, inside, statement

NOW = datetime.now(UTC)
Pair = tuple[x509.Certificate, rsa.RSAPrivateKey]


def certificates(*names: str, bits: int = 2048) -> list[Pair]:
    """A chain: each is signed by the next, the last one by itself."""
    keys = [rsa.generate_private_key(65537, bits) for _ in names]
    subjects = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in names]
    made = []
    for (name, key), (issuer, by) in pairwise([*zip(subjects, keys, strict=True), (subjects[-1], keys[-1])]):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(NOW - timedelta(days=2)).not_valid_after(NOW - timedelta(days=1))
        made.append((builder.sign(by, SHA256()), key))
    return made


SIGNER, CA = certificates("signer", "authority")
(STRANGER,) = certificates("stranger")
CHAIN = x5c(SIGNER[0], CA[0])


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def send(acme: Inside, said: Json, signed: bytes, version: str = "1.0.3") -> httpx2.Response:
    """POST the statement with this as its signature."""
    whole = said | {"attachments": [*said.get("attachments", []), signature(signed)]}
    files = [part(b"file")] if "attachments" in said else []
    body = body_of(statements_part(whole), *files, signature_part(signed))
    return acme.http.post(
        "/xapi/statements", content=body, headers=content_type() | {"X-Experience-API-Version": version}
    )


def of(said: Json) -> bytes:
    return json.dumps(said).encode()


def test_good_signatures_are_taken_and_come_back(acme: Inside) -> None:
    for algorithm in ("RS256", "RS384", "RS512"):
        for more in ({}, {"x5c": CHAIN}, {"x5c": CHAIN[:1]}, {"x5c": CHAIN, "typ": "JWT", "kid": "1"}):
            said = statement(ADA)
            signed = token(SIGNER[1], of(said), algorithm, **more)
            for version in ("1.0.3", "2.0.0"):
                assert send(acme, said, signed, version).status_code == 200
            answer = acme.http.get("/xapi/statements", params={"statementId": said["id"], "attachments": "true"})
            assert list(taken_apart(answer)[1].values()) == [("application/octet-stream", signed)]


def test_what_was_signed_need_only_say_the_same(acme: Inside) -> None:
    said = statement(
        ADA, result={"duration": "PT1.234S"}, verb={"id": "http://x.example.org/v", "display": {"en": "did"}}
    )
    same = [
        dict(reversed(said.items())),
        said | {"result": {"duration": "PT1.2399S"}},
        said | {"verb": {"id": "http://x.example.org/v"}},
        said | {"timestamp": "2026-11-22T10:00:00+01:00"},
        {name: value for name, value in said.items() if name not in {"id", "timestamp"}},
        said | {"stored": "2020-01-01T00:00:00Z", "authority": GRACE},
    ]
    for one in same:
        new = {"id": str(uuid4())}  # another signature under the same id would be another statement
        payload = one | new if "id" in one else one
        answer = send(acme, said | new, token(SIGNER[1], of(payload), x5c=CHAIN))
        assert answer.status_code == 200, answer.text
    with_file = statement(ADA, attachments=[attachment(b"file")])
    assert send(acme, with_file, token(SIGNER[1], of(with_file), x5c=CHAIN)).status_code == 200
    again = with_file | {"id": str(uuid4())}
    assert send(acme, again, token(SIGNER[1], of(again)) + b"\n").status_code == 200


def tampered(signed: bytes, number: int, data: bytes) -> bytes:
    """With another part in place of one."""
    parts = signed.split(b".")
    parts[number] = encoded(data)
    return b".".join(parts)


def broken() -> dict[str, bytes]:
    """What must not be taken as a signature of SAID."""
    said, other = of(SAID), of(SAID | {"actor": GRACE})
    good = token(SIGNER[1], said, x5c=CHAIN)
    (weak,) = certificates("weak", bits=1024)
    wild = [base64.b64encode(b"no certificate").decode()]
    return {
        "another statement": token(SIGNER[1], other, x5c=CHAIN),
        "another duration": token(SIGNER[1], of(SAID | {"result": {"duration": "PT1.25S"}}), x5c=CHAIN),
        "a payload put in": tampered(good, 1, other),
        "the header's certificate exchanged": tampered(good, 0, of({"alg": "RS256", "x5c": x5c(STRANGER[0])})),
        "another algorithm said": tampered(good, 0, of({"alg": "RS512", "x5c": CHAIN})),
        "the signature altered": good[:-2] + (b"AA" if good[-2:] != b"AA" else b"BB"),
        "the signature cut": good[:-8],
        "signed by a stranger": token(STRANGER[1], said, x5c=CHAIN),
        "a broken chain": token(SIGNER[1], said, x5c=x5c(SIGNER[0], STRANGER[0])),
        "a chain upside down": token(SIGNER[1], said, x5c=CHAIN[::-1]),
        "a weak key": token(weak[1], said, x5c=x5c(weak[0])),
        "no algorithm": token(SIGNER[1], said, "none"),
        "a shared secret's": token(SIGNER[1], said, "HS256"),
        "an algorithm of another kind": token(SIGNER[1], said, x5c=CHAIN).replace(
            encoded(of({"alg": "RS256", "x5c": CHAIN})), encoded(of({"alg": ["RS256"], "x5c": CHAIN}))
        ),
        "more than we know": token(SIGNER[1], said, crit=["b64"], b64=False),
        "no certificates": token(SIGNER[1], said, x5c=[]),
        "certificates that are none": token(SIGNER[1], said, x5c=wild),
        "certificates of another kind": token(SIGNER[1], said, x5c="x"),
        "too many certificates": token(SIGNER[1], said, x5c=CHAIN * 6),
        "no JSON": token(SIGNER[1], b"{", x5c=CHAIN),
        "no statement": token(SIGNER[1], b"[]", x5c=CHAIN),
        "an invalid statement": token(SIGNER[1], of(SAID | {"verb": {}}), x5c=CHAIN),
        "a header that is no object": b".".join((encoded(b"[]"), encoded(said), encoded(b"x"))),
        "a header that is no JSON": b".".join((encoded(b"\xff"), encoded(said), encoded(b"x"))),
        "a header too deep": b".".join((encoded(b"[" * 50_000), encoded(said), encoded(b"x"))),
        "JSON serialization": of({"payload": encoded(said).decode(), "signatures": []}),
        "nothing": b"",
        "two parts": good.rpartition(b".")[0],
        "other letters": good.replace(b".", b".!", 1),
        "a part of impossible length": b"A." + good.partition(b".")[2],
    }


SAID = statement(ADA, result={"duration": "PT1.23S"})


def test_everything_else_is_a_400_that_says_why_and_repeats_nothing(acme: Inside) -> None:
    for what, signed in broken().items():
        answer = send(acme, SAID, signed)
        assert (answer.status_code, answer.json()["code"]) == (400, "statement-invalid"), (what, answer.text)
        assert answer.json()["message"].startswith("attachments[0]"), (what, answer.text)
        assert "ada" not in answer.text.lower()
    assert acme.found() == []
    assert send(acme, SAID, token(SIGNER[1], of(SAID), x5c=CHAIN)).status_code == 200


def test_a_signature_must_be_an_octet_stream(acme: Inside) -> None:
    signed = token(SIGNER[1], of(SAID))
    said = SAID | {"attachments": [signature(signed) | {"contentType": "text/plain"}]}
    body = body_of(statements_part(said), part(signed, "text/plain"))
    answer = acme.http.post("/xapi/statements", content=body, headers=content_type())
    assert answer.status_code == 400


@pytest.mark.parametrize("erased", [GRACE, ALAN], ids=["instructor", "member"])
def test_a_signature_dies_with_anybody_it_names_and_the_statement_stays(acme: Inside, erased: Json) -> None:
    team: Json = {"objectType": "Group", "member": [ALAN]}
    said = statement(ADA, context={"instructor": GRACE, "team": team}, attachments=[attachment(b"file")])
    signed = token(SIGNER[1], of(said), x5c=CHAIN)
    assert send(acme, said, signed).status_code == 200
    url = f"/xapi/statements?statementId={said['id']}&attachments=true"
    assert {data for _, data in taken_apart(acme.http.get(url))[1].values()} == {b"file", signed}
    acme.ran("erase", erased)
    left, files = taken_apart(acme.http.get(url))
    assert {data for _, data in files.values()} == {b"file"}
    assert len(left["attachments"]) == 2  # what the statement says of itself stays as it was
    acme.ran("erase", ADA)
    assert acme.http.get(url).status_code == 404


def test_a_signature_in_a_sub_statement_is_a_file_like_any_other(acme: Inside) -> None:
    signed = token(SIGNER[1], of(statement(GRACE)))
    inner: Json = {"objectType": "SubStatement", "actor": GRACE, "verb": {"id": "http://x.example.org/v"}}
    said = statement(ADA, object=inner | {"object": ALAN, "attachments": [signature(signed)]})
    body = body_of(statements_part(said), signature_part(signed))
    assert acme.http.post("/xapi/statements", content=body, headers=content_type()).status_code == 200


def test_two_signed_at_once_keep_their_signatures_apart(acme: Inside) -> None:
    pairs = []
    for who in (ADA, ALAN):
        said = statement(who, context={"instructor": GRACE})
        pairs.append((said, token(SIGNER[1], of(said))))
    batch = [said | {"attachments": [signature(signed)]} for said, signed in pairs]
    body = body_of(statements_part(batch), *(signature_part(signed) for _, signed in pairs))
    assert acme.http.post("/xapi/statements", content=body, headers=content_type()).status_code == 200
    swapped = [batch[0] | {"id": batch[1]["id"]}, batch[1] | {"id": batch[0]["id"]}]
    answer = acme.http.post(
        "/xapi/statements",
        content=body_of(statements_part(swapped), *(signature_part(signed) for _, signed in pairs)),
        headers=content_type(),
    )
    assert (answer.status_code, answer.json()["message"][:18]) == (400, "[0].attachments[0]")
