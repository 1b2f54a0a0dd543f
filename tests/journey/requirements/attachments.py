"""Attachments, multipart/mixed and the alternate request syntax (1.0.3 Data 2.4.11, Communication 1.3 and 1.5)."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import httpx2

from tests.journey.requirements.resource import is_empty, one, own
from tests.journey.requirements.rows import ONE, PLAIN, TWO, VERSION, Ask, Case, Check, Json, row, uuid_of

BOUNDARY = "a1b2c3"
MULTIPART = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}
BYTES = b"An essay.\r\n--almost the boundary\r\n\x00\xff"


def attached(content: bytes = BYTES, **parts: Any) -> Json:
    """How a statement names some bytes."""
    made = {
        "usageType": "https://example.org/usage",
        "display": {"en": "Essay"},
        "contentType": "application/octet-stream",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
    }
    return made | parts


def part(headers: dict[str, str], content: bytes) -> bytes:
    """One part of a body."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + content + b"\r\n"


def bytes_part(content: bytes = BYTES, **change: str | None) -> bytes:
    """The part with an attachment's bytes; with other headers, or without."""
    headers: dict[str, str | None] = {
        "Content-Type": "application/octet-stream",
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": hashlib.sha256(content).hexdigest(),
    }
    headers |= {name.replace("_", "-"): value for name, value in change.items()}
    return part({name: value for name, value in headers.items() if value is not None}, content)


def first(statement: Any, kind: str = "application/json") -> bytes:
    """The part with the statements."""
    return part({"Content-Type": kind}, json.dumps(statement).encode())


END = f"--{BOUNDARY}--\r\n".encode()


def mixed(
    word: str, status: int | dict[str, int], *parts: bytes, headers: dict[str, str] = MULTIPART, **more: Any
) -> Ask:
    """A multipart request."""
    return Ask("POST", "/statements", status, content=b"".join((*parts, END)), headers=headers, **more)


def with_bytes(word: str, *contents: bytes) -> list[bytes]:
    """The parts of a statement with these attachments."""
    return [first(own(word, attachments=[attached(one) for one in contents])), *map(bytes_part, contents)]


def bad(*make: Any) -> tuple[Case, ...]:
    """Refused, each."""
    return tuple(lambda w, m=one: [mixed(w, 400, *m(w))] for one in make)


def _has_bytes(*contents: bytes) -> Check:
    def check(answer: httpx2.Response) -> None:
        kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
        assert kind == "multipart/mixed"
        parts = answer.content.split(f"--{boundary}".encode())[1:-1]
        bodies = [one.partition(b"\r\n\r\n")[2][:-2] for one in parts]
        assert json.loads(bodies[0])
        assert sorted(bodies[1:]) == sorted(contents)
        for head, content in zip(parts[1:], bodies[1:], strict=True):
            assert hashlib.sha256(content).hexdigest().encode() in head.partition(b"\r\n\r\n")[0].lower()

    return check


def _of(word: str, **more: str) -> dict[str, str]:
    return {"statementId": uuid_of(word), **more}


ATTACHMENTS = [
    row("XAPI-00129", "bytes that come along are kept, and come back where they are asked for", *(
        lambda w, c=contents: [mixed(w, 200, *with_bytes(w, *c)), one(_of(w, attachments="true"), _has_bytes(*c)), one(_of(w))]
        for contents in ((BYTES,), (b"",), (b"one", b"two"), (bytes(range(256)) * 40,)))),
    row("Data 2.4.11", "two attachments may be one and the same bytes, sent once", lambda w: [
        mixed(w, 200, first(own(w, attachments=[attached(), attached(display={"en": "Again"})])), bytes_part()), one(_of(w, attachments="true"), _has_bytes(BYTES))]),
    row("XAPI-00130", "several statements may come with their bytes", lambda w: [
        mixed(w, 200, first([own(w, attachments=[attached()]), own(w + "2", attachments=[attached(b"2")])]), bytes_part(), bytes_part(b"2")),
        one(_of(w + "2", attachments="true"), _has_bytes(b"2"))]),
    row("Data 2.4.11", "an attachment elsewhere needs no bytes here", lambda w: [
        Ask("POST", "/statements", 200, json=own(w, attachments=[attached(fileUrl="https://example.org/essay")])),
        one(_of(w, attachments="true"), _has_bytes())]),
    row("XAPI-00128", "parts that no attachment names are refused", *bad(
        lambda w: [*with_bytes(w, BYTES), bytes_part(b"more")], lambda w: [first(own(w)), bytes_part()])),
    row("Communication 1.5.2", "an attachment whose bytes do not come is refused", *bad(
        lambda w: [first(own(w, attachments=[attached()]))], lambda w: [first(own(w, attachments=[attached(), attached(b"2")])), bytes_part()]),
        lambda w: [Ask("POST", "/statements", 400, json=own(w, attachments=[attached()]))]),
    row("XAPI-00131", "a body in parts has a boundary", *(
        lambda w, h=kind: [mixed(w, 400, *with_bytes(w, BYTES), headers={"Content-Type": h})] for kind in ("multipart/mixed", "multipart/mixed; boundary=", "multipart/mixed; boundary=other"))),
    row("XAPI-00134", "the first part is JSON", *bad(
        lambda w: [first(own(w), "text/plain")], lambda w: [bytes_part(), first(own(w, attachments=[attached()]))], lambda _: [part({"Content-Type": "application/json"}, b"{")])),
    row("XAPI-00133", "all statements stand in the first part", *bad(lambda w: [first(own(w)), first(own(w + "2"))])),
    row("XAPI-00135", "bytes come as they are: binary, which is taken for granted", *bad(
        lambda w: [first(own(w, attachments=[attached()])), bytes_part(Content_Transfer_Encoding="base64")]),
        lambda w: [mixed(w, 200, first(own(w, attachments=[attached()])), bytes_part(Content_Transfer_Encoding=None))]),
    row("XAPI-00132", "bytes come with their hash, and it is theirs", *bad(
        lambda w: [first(own(w, attachments=[attached()])), bytes_part(X_Experience_API_Hash=None)],
        lambda w: [first(own(w, attachments=[attached()])), bytes_part(X_Experience_API_Hash="ab" * 32)],
        lambda w: [first(own(w, attachments=[attached(sha2="ab" * 32)])), bytes_part(X_Experience_API_Hash="ab" * 32)])),
    row("Communication 1.5.2", "a body that is cut is refused", lambda w: [
        Ask("POST", "/statements", 400, content=b"".join(with_bytes(w, BYTES)), headers=MULTIPART), one(_of(w), status=404)],
        lambda _: [Ask("POST", "/statements", 400, content=b"", headers=MULTIPART)]),
    row("2.0 4.1.3", "parts are taken also where there is nothing to come along", lambda w: [mixed(w, 200, first(own(w)))],
        lambda w: [mixed(w, 200, first(own(w, attachments=[attached(fileUrl="https://example.org/essay")])))], only=TWO),
    row("XAPI-00328", "a statement beyond the limit gets 413, also in parts", lambda w: [
        mixed(w, 413, first(own(w, result={"response": "x" * 1_100_000})))]),
    row("Communication 2.1.1", "PUT takes parts, too", lambda w: [
        Ask("PUT", "/statements", 204, {"statementId": uuid_of(w)}, content=b"".join((*with_bytes(w, BYTES), END)), headers=MULTIPART, check=is_empty),
        one(_of(w, attachments="true"), _has_bytes(BYTES))]),
]  # fmt: skip

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def form(
    method: str,
    status: int,
    fields: dict[str, str],
    query: dict[str, str] | None = None,
    check: Check | None = None,
) -> Ask:
    """A request in the alternate syntax, for callers that can send no other."""
    fields = {VERSION: ONE} | fields
    return Ask(
        "POST",
        "/statements",
        status,
        {"method": method} | (query or {}),
        content=urlencode(fields).encode(),
        headers=FORM,
        check=check,
    )


def _put(word: str, **more: str) -> dict[str, str]:
    return {
        "statementId": uuid_of(word),
        "content": json.dumps(own(word)),
        "Content-Type": "application/json",
    } | more


ALTERNATE = [
    row("XAPI-00336", "POST with a method is that method, its headers and parameters stand in the form", lambda w: [
        form("PUT", 204, _put(w)), form("GET", 200, {"statementId": uuid_of(w)}, check=lambda answer: _is(answer, uuid_of(w))),
        form("GET", 200, {"limit": "1"}), form("GET", 404, {"statementId": uuid_of(w + "none")}), form("GET", 400, {"limit": "x"}),
        form("POST", 200, {"content": json.dumps(own(w + "2")), "Content-Type": "application/json"})], only=ONE),
    row("Communication 1.3", "the query holds the method alone, once, and one that there is", lambda w: [
        form("GET", 400, {}, {"limit": "1"}), form("BREW", 400, {}), form("PUT", 400, {"statementId": uuid_of(w)})], only=ONE),
    row("2.0 4.1.2", "2.0 has no alternate syntax", lambda _: [
        Ask("POST", "/statements", 400, {"method": "GET"}, content=b"limit=1", headers=FORM)], only=TWO),
    row("Communication 1.3", "what is no form is refused", lambda _: [
        Ask("POST", "/statements", 400, {"method": "PUT"}, json=PLAIN)], only=ONE),
]  # fmt: skip


def _is(answer: httpx2.Response, statement_id: str) -> None:
    assert answer.json()["id"] == statement_id
