"""Statements with attachments: in parts and back, kept apart by owner, gone with them."""

import hashlib
import json
import os
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from api import multipart
from lrs.bootstrap import System
from tests.parts import attachment, body_of, content_type, part, statements_part, taken_apart
from tests.subjects import ADA, ALAN, GRACE, Inside, inside, statement, voiding

Json = dict[str, Any]
ESSAY = b"An essay with \r\n--line ends--\r\n and \x00\xff bytes that are no text."
PICTURE = os.urandom(300_000)
VERSIONS = ("1.0.3", "2.0.0")


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def post(acme: Inside, content: Any, *parts: bytes, **headers: str) -> httpx2.Response:
    """POST it in parts."""
    body = body_of(statements_part(content), *parts)
    return acme.http.post("/xapi/statements", content=body, headers=content_type() | headers)


def files(acme: Inside, **parameters: str) -> dict[str, tuple[str, bytes]]:
    """The attachments of an answer."""
    answer = acme.http.get("/xapi/statements", params=parameters | {"attachments": "true"})
    assert answer.status_code == 200, answer.text
    return taken_apart(answer)[1]


def blobs(acme: Inside) -> list[Path]:
    """The blobs that are there."""
    folder = acme.system.settings.data_dir / "blobs" / acme.tenant
    return sorted(folder.iterdir()) if folder.exists() else []


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_an_attachment_comes_back_as_it_was_sent(acme: Inside) -> None:
    for version, data in product(VERSIONS, (ESSAY, b"", b"\r\n", PICTURE)):
        check_it_comes_back(acme, version, data)


def check_it_comes_back(acme: Inside, version: str, data: bytes) -> None:
    sent = statement(ADA, attachments=[attachment(data)])
    answer = post(acme, sent, part(data), **{"X-Experience-API-Version": version})
    assert (answer.status_code, answer.json()) == (200, [sent["id"]])
    assert files(acme, statementId=sent["id"]) == {sha256(data): ("text/plain; charset=utf-8", data)}
    plain = acme.get(sent)
    assert plain.headers["Content-Type"] == "application/json"
    assert plain.json()["attachments"] == sent["attachments"]
    assert all(data[:50] not in one.read_bytes() for one in blobs(acme)) or len(data) < 5


def test_put_takes_attachments_too(acme: Inside) -> None:
    sent = statement(ADA, attachments=[attachment(ESSAY)])
    body = body_of(statements_part(sent), part(ESSAY))
    url = f"/xapi/statements?statementId={sent['id']}"
    assert acme.http.put(url, content=body, headers=content_type()).status_code == 204
    assert files(acme, statementId=sent["id"])[sha256(ESSAY)][1] == ESSAY


def test_a_batch_of_statements_with_several_files_and_shared_ones(acme: Inside) -> None:
    inner: Json = {
        "objectType": "SubStatement",
        "actor": ADA,
        "verb": {"id": "http://x.example.org/v"},
        "object": GRACE,
    }
    first = statement(ADA, attachments=[attachment(ESSAY), attachment(PICTURE, "image/png")])
    second = statement(ADA, attachments=[attachment(ESSAY), attachment(ESSAY, display={"de": "nochmals"})])
    third = statement(
        GRACE, object=inner | {"attachments": [attachment(b"inner", sha2=hashlib.sha512(b"inner").hexdigest())]}
    )
    fourth = statement(GRACE, attachments=[attachment(b"far", fileUrl="https://files.example.org/far")])
    inner_part = part(b"inner", X_Experience_API_Hash=hashlib.sha512(b"inner").hexdigest().upper())
    answer = post(acme, [first, second, third, fourth], part(ESSAY), part(PICTURE, "image/png"), inner_part)
    assert answer.status_code == 200, answer.text
    found = files(acme)
    assert {data for _, data in found.values()} == {ESSAY, PICTURE, b"inner"}
    assert len(blobs(acme)) == 3  # Ada's essay once, for both of hers


def test_equal_files_of_two_people_have_nothing_in_common(acme: Inside) -> None:
    hers, his = statement(ADA, attachments=[attachment(ESSAY)]), statement(ALAN, attachments=[attachment(ESSAY)])
    assert post(acme, [hers, his], part(ESSAY)).status_code == 200
    one, other = blobs(acme)
    assert one.read_bytes()[2:] != other.read_bytes()[2:]
    assert files(acme, agent=json.dumps(ADA)).keys() == files(acme, agent=json.dumps(ALAN)).keys()
    acme.ran("erase", ADA)
    assert files(acme, statementId=his["id"])[sha256(ESSAY)][1] == ESSAY


def test_parts_without_attachments_or_with_urls_alone_are_accepted(acme: Inside) -> None:
    far = attachment(ESSAY, fileUrl="https://files.example.org/essay")
    for version, more in product(VERSIONS, ({}, {"attachments": [far]})):
        sent = statement(ADA, **more)
        assert post(acme, sent, **{"X-Experience-API-Version": version}).status_code == 200
    assert acme.http.post("/xapi/statements", json=statement(ADA, attachments=[far])).status_code == 200
    assert not blobs(acme)


def test_pages_are_in_parts_behind_more_too_also_without_attachments(acme: Inside) -> None:
    for _ in range(3):
        acme.post(statement(ADA))
    answer = acme.http.get("/xapi/statements", params={"attachments": "true", "limit": "2", "format": "ids"})
    page, found = taken_apart(answer)
    assert (len(page["statements"]), found) == (2, {})
    assert "attachments=true" in page["more"]
    assert "format=ids" in page["more"]
    rest, _ = taken_apart(acme.http.get(page["more"]))
    assert (len(rest["statements"]), rest["more"]) == (1, "")


def test_head_is_get_without_its_body(acme: Inside) -> None:
    sent = statement(ADA, attachments=[attachment(ESSAY)])
    post(acme, sent, part(ESSAY))
    answer = acme.http.head("/xapi/statements", params={"statementId": sent["id"], "attachments": "true"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=")


def test_the_same_statement_again_is_stored_once_and_leaves_no_blob(acme: Inside) -> None:
    sent = statement(ADA, attachments=[attachment(ESSAY)])
    for _ in range(2):
        assert post(acme, sent, part(ESSAY)).status_code == 200
    assert len(blobs(acme)) == 1
    other = sent | {"attachments": [attachment(PICTURE)]}
    assert post(acme, other, part(PICTURE)).status_code == 409
    assert len(blobs(acme)) == 1
    assert files(acme, statementId=sent["id"])[sha256(ESSAY)][1] == ESSAY


def test_a_voided_statement_keeps_its_attachment_for_who_asks_for_it(acme: Inside) -> None:
    sent = statement(ADA, attachments=[attachment(ESSAY)])
    post(acme, sent, part(ESSAY))
    acme.post(voiding(GRACE, sent["id"]))
    assert not files(acme)
    assert files(acme, voidedStatementId=sent["id"])[sha256(ESSAY)][1] == ESSAY


# --- what is refused -----------------------------------------------------------------------------------------

SAID = statement(ADA, attachments=[attachment(ESSAY)])
GOOD = body_of(statements_part(SAID), part(ESSAY))
URL = statement(ADA, attachments=[attachment(ESSAY, fileUrl="https://files.example.org/x")])
REFUSED: dict[str, bytes] = {
    "no file": body_of(statements_part(SAID)),
    "another file": body_of(statements_part(SAID), part(PICTURE)),
    "a file too many": body_of(statements_part(SAID), part(ESSAY), part(PICTURE)),
    "a file that nobody cites": body_of(statements_part(statement(ADA)), part(ESSAY)),
    "no hash": body_of(statements_part(SAID), part(ESSAY, X_Experience_API_Hash=None)),
    "a hash of something else": body_of(
        statements_part(SAID), part(ESSAY + b"!", X_Experience_API_Hash=sha256(ESSAY))
    ),
    "a part in base64": body_of(statements_part(SAID), part(ESSAY, Content_Transfer_Encoding="base64")),
    "another media type": body_of(statements_part(SAID), part(ESSAY, "text/html")),
    "another length": body_of(statements_part(SAID), part(ESSAY, Content_Length="1")),
    "a length that is none": body_of(statements_part(SAID), part(ESSAY, Content_Length="a")),
    "the file first": body_of(part(ESSAY), statements_part(SAID)),
    "statements of no media type": body_of(b"\r\n" + json.dumps(SAID).encode(), part(ESSAY)),
    "statements in two parts": body_of(statements_part([SAID]), statements_part([SAID]), part(ESSAY)),
    "statements that are no JSON": body_of(b"Content-Type: application/json\r\n\r\n{", part(ESSAY)),
    "an invalid statement": body_of(statements_part(SAID | {"verb": {}}), part(ESSAY)),
    "a length that the attachment does not say": body_of(
        statements_part(SAID | {"attachments": [attachment(ESSAY, length=3)]}),
        part(ESSAY, Content_Length=str(len(ESSAY))),
    ),
    "nothing": b"",
    "no part": body_of(),
    "no boundary": statements_part(SAID),
    "the end cut off": GOOD[:-5],
    "cut in the file": GOOD[:-40],
    "cut in the head": GOOD[:30],
    "line feeds alone": GOOD.replace(b"\r\n", b"\n"),
    "another boundary": GOOD.replace(b"abcABC", b"abcABD"),
    "bytes before the boundary": b"x" + GOOD,
    "a header without a colon": body_of(b"Content-Type application/json\r\n\r\n{}"),
    "a header twice": body_of(b"Content-Type: application/json\r\nContent-Type: application/json\r\n\r\n{}"),
    "a header that is no text": body_of(b"X-\xff: \xfe\r\n\r\n{}"),
}


def test_what_breaks_a_rule_is_a_400_that_repeats_nothing_and_leaves_nothing(acme: Inside) -> None:
    for what, body in REFUSED.items():
        answer = acme.http.post("/xapi/statements", content=body, headers=content_type())
        assert answer.status_code == 400, (what, answer.text)
        assert set(answer.json()) == {"code", "message"}
        assert "ada" not in answer.text.lower()
        assert "essay" not in answer.text.lower()
    assert not blobs(acme)
    assert acme.found() == []


def test_the_same_body_without_the_fault_is_taken(acme: Inside) -> None:
    assert (
        acme.http.post(
            "/xapi/statements", content=b"\r\n" + GOOD + b"epilogue", headers=content_type()
        ).status_code
        == 200
    )


def test_a_content_type_without_a_good_boundary_is_a_400(acme: Inside) -> None:
    boundaries = ("", "; boundary=", '; boundary="a b "', f"; boundary={'b' * 71}", "; boundary=<>")
    for said in (*(f"multipart/mixed{one}" for one in boundaries), "multipart/form-data; boundary=x"):
        answer = acme.http.post("/xapi/statements", content=GOOD, headers={"Content-Type": said})
        assert answer.status_code == 400, said


def test_what_an_attachment_says_of_its_length_is_its_own_affair(acme: Inside) -> None:
    """The conformance suite sends lengths that are not those of the data, and wants them taken."""
    sent = statement(ADA, attachments=[attachment(ESSAY, length=3)])
    assert post(acme, sent, part(ESSAY)).status_code == 200
    assert files(acme, statementId=sent["id"])[sha256(ESSAY)][1] == ESSAY
    assert acme.get(sent).json()["attachments"][0]["length"] == 3


def test_json_alone_needs_a_url_for_every_attachment(acme: Inside) -> None:
    answer = acme.http.post("/xapi/statements", json=SAID)
    assert (answer.status_code, answer.json()["message"].partition(":")[0]) == (400, "attachments[0]")
    answer = acme.http.post("/xapi/statements", json=[statement(ADA), SAID])
    assert answer.json()["message"].startswith("[1].attachments[0]: must have a fileUrl")
    url = f"/xapi/statements?statementId={SAID['id']}"
    assert acme.http.put(url, json=SAID).status_code == 400
    assert acme.http.post("/xapi/statements", json=URL).status_code == 200


def test_limits_are_413s(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    long_header = body_of(statements_part(SAID), part(ESSAY, X_Long="x" * multipart.HEADER_BYTES_MAX))
    many_headers = body_of(
        statements_part(SAID), part(ESSAY, **{f"X_{n}": "x" for n in range(multipart.HEADERS_MAX)})
    )
    many_parts = body_of(statements_part(SAID), *[part(ESSAY)] * (multipart.PARTS_MAX + 1))
    for body in (long_header, many_headers, many_parts):
        assert acme.http.post("/xapi/statements", content=body, headers=content_type()).status_code == 413
    monkeypatch.setattr(multipart, "BODY_BYTES_MAX", 100)
    assert acme.http.post("/xapi/statements", content=GOOD, headers=content_type()).status_code == 413
    assert not blobs(acme)


def test_a_body_beyond_the_setting_is_a_413_and_so_are_copies_for_many_owners(acme: Inside) -> None:
    attached = acme.system.attached
    object.__setattr__(attached, "bytes_max", 3 * len(PICTURE))
    people = [ADA | {"mbox": f"mailto:p{number}@example.org"} for number in range(4)]
    batch = [statement(one, attachments=[attachment(PICTURE)]) for one in people]
    for sent, status in ((batch[:2], 200), (batch, 413)):
        assert post(acme, sent, part(PICTURE)).status_code == status
    assert len(blobs(acme)) == 2
    big = os.urandom(3 * len(PICTURE))
    assert post(acme, statement(ADA, attachments=[attachment(big)]), part(big)).status_code == 413


def test_copies_for_many_owners_are_limited_in_number_too(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.recording.attachments.BLOBS_MAX", 2)
    people = [ADA | {"mbox": f"mailto:p{number}@example.org"} for number in range(3)]
    batch = [statement(one, attachments=[attachment(ESSAY)]) for one in people]
    assert post(acme, batch, part(ESSAY)).status_code == 413
    assert not blobs(acme)


# --- who may read, and for how long --------------------------------------------------------------------------


def test_attachments_die_with_their_owner_and_with_nobody_else(acme: Inside) -> None:
    hers = statement(ADA, attachments=[attachment(ESSAY)], context={"instructor": GRACE})
    group = {"objectType": "Group", "member": [ADA, ALAN]}
    theirs = statement(group, attachments=[attachment(PICTURE)])
    assert post(acme, [hers, theirs], part(ESSAY), part(PICTURE)).status_code == 200
    acme.ran("erase", GRACE)
    assert files(acme).keys() == {sha256(ESSAY), sha256(PICTURE)}
    (proof,) = acme.certificates(acme.ran("erase", ADA))
    assert proof["rows_removed"]["blob"] == 1
    assert files(acme).keys() == {sha256(PICTURE)}
    answer = acme.http.get("/xapi/statements", params={"statementId": hers["id"], "attachments": "true"})
    assert answer.status_code == 404
    again = post(acme, hers, part(ESSAY))
    assert again.status_code == 200  # acknowledged, and nothing of it is stored
    assert files(acme).keys() == {sha256(PICTURE)}


def test_somebody_elses_tenant_and_scope_see_nothing(acme: Inside) -> None:
    post(acme, SAID, part(ESSAY))
    acme.system.tenants.create("globex")
    assert files(inside(acme.system, "globex")) == {}
    mine = inside(acme.system, "acme", "statements/read/mine", "statements/write")
    assert files(mine) == {}
    own = statement(ADA, attachments=[attachment(PICTURE)])
    post(mine, own, part(PICTURE))
    assert files(mine).keys() == {sha256(PICTURE)}


def test_a_batch_with_a_conflict_keeps_no_blob(acme: Inside) -> None:
    known = statement(ADA)
    acme.post(known)
    batch = [known | {"timestamp": "2020-01-01T00:00:00Z"}, statement(ADA, attachments=[attachment(ESSAY)])]
    assert post(acme, batch, part(ESSAY)).status_code == 409
    assert not blobs(acme)


def test_a_statement_without_an_id_may_have_attachments(acme: Inside) -> None:
    sent = statement(ADA, attachments=[attachment(ESSAY)])
    del sent["id"]
    (given,) = post(acme, sent, part(ESSAY)).json()
    assert files(acme, statementId=given).keys() == {sha256(ESSAY)}


# --- damage --------------------------------------------------------------------------------------------------


def test_damage_is_an_alarm_and_never_an_answer_that_looks_whole(acme: Inside) -> None:
    data = os.urandom(3 * 1024 * 1024)
    sent = statement(ADA, attachments=[attachment(data)])
    post(acme, sent, part(data))
    (blob,) = blobs(acme)
    whole = blob.read_bytes()
    url = f"/xapi/statements?statementId={sent['id']}&attachments=true"
    for damaged in (whole[:-1], whole + b"\0", b"", whole[:1000] + bytes((whole[1000] ^ 1,)) + whole[1001:]):
        blob.write_bytes(damaged)
        answer = acme.http.get(url)
        assert (answer.status_code, answer.json()["code"]) == (500, "event-corrupt")
    blob.write_bytes(whole[:-1000] + bytes((whole[-1000] ^ 1,)) + whole[-999:])
    answer = acme.http.get(url)  # begun before the damage is met: cut, so without the last boundary
    assert not answer.content.rstrip().endswith(b"--")
    blob.unlink()
    assert acme.http.get(url).status_code == 500
    assert acme.get(sent).status_code == 200
    blob.write_bytes(whole)
    assert acme.http.get(url).status_code == 200


def test_blobs_of_another_statement_or_tenant_do_not_open(acme: Inside) -> None:
    acme.system.tenants.create("globex")
    globex = inside(acme.system, "globex")
    ours = [statement(ADA, attachments=[attachment(data)]) for data in (b"one", b"two")]
    post(acme, ours, part(b"one"), part(b"two"))
    theirs = statement(ADA, attachments=[attachment(b"six")])
    post(globex, theirs, part(b"six"))
    one, two = blobs(acme)
    (six,) = blobs(globex)
    for source in (two, six):
        kept = one.read_bytes()
        one.write_bytes(source.read_bytes())
        answers = [
            acme.http.get(
                "/xapi/statements", params={"statementId": sent["id"], "attachments": "true"}
            ).status_code
            for sent in ours
        ]
        assert sorted(answers) == [200, 500]
        one.write_bytes(kept)


def test_an_unknown_statement_has_no_attachments(acme: Inside) -> None:
    answer = acme.http.get("/xapi/statements", params={"statementId": str(uuid4()), "attachments": "true"})
    assert answer.status_code == 404
