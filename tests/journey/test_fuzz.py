"""Whatever is sent: no 5xx, an answer soon, and no growth. What is accepted comes back.

Three generators against a running service on each store: schemathesis over the description of the interface, by
the rules and against them; statements with something changed; multipart bodies of parts in any order and shape.
By default a seeded slice; `pytest -m full` runs 100,000 cases and more.
"""

import base64
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.journey.requirements.rows import FULL, NESTED, PLAIN, REFERRING, Json, changed, places
from tests.places import STORES, environment, new_place
from tests.postgres import Databases
from tests.running import Service
from tests.strategies import statements

SECONDS_MAX = 10.0
GROWTH_BYTES_MAX = 200 * 1024 * 1024
# Examples: of each operation and mode, of changed statements, of multipart bodies.
SLICE, WHOLE = (3, 300, 120), (150, 30_000, 12_000)
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass
class Fuzzed:
    """A running service, and what it has answered."""

    service: Service
    key: tuple[str, str]
    statuses: Counter[int] = field(default_factory=Counter)

    def took(self, status: int, began: float, what: object) -> None:
        """An answer; not one of ours to be ashamed of."""
        self.statuses[status] += 1
        assert status < 500, (status, what)
        assert time.monotonic() - began < SECONDS_MAX, what

    def bytes_held(self) -> int:
        """The memory of its process."""
        assert self.service.process is not None
        fields = Path(f"/proc/{self.service.process.pid}/statm").read_text().split()
        return int(fields[1]) * 4096


@pytest.fixture(scope="module", params=STORES)
def fuzzed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[Fuzzed]:
    place = new_place(request.param, tmp_path_factory.mktemp("fuzz") / "data", postgres)
    service = Service(place.data_dir, environment=environment(place))
    service.lrs("tenant", "create", "acme")
    key = service.credential("acme")
    service.start()
    yield Fuzzed(service, key)
    service.kill()
    assert "unforeseen" not in service.log()
    assert "Traceback" not in service.log()


def fuzz(examples: int, *, seeded: bool) -> settings:
    """Settings of a run: a slice is the same every time."""
    return settings(
        max_examples=examples,
        derandomize=seeded,
        database=None,
        deadline=None,
        phases=(Phase.generate,) if seeded else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


# --- by the description ----------------------------------------------------------------------------------------


def by_description(fuzzed: Fuzzed, examples: int, *, seeded: bool) -> int:
    """Every operation, as described and against it. The number of cases."""
    described = httpx2.get(f"{fuzzed.service.url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    operations = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    # The two bases are one store, and HEAD is GET: half of each is enough to ask.
    chosen = [one for one in operations if "/1.0.3/" not in one.path and one.method != "head"]
    done = 0
    with requests.Session() as session:
        session.auth = fuzzed.key
        for operation in chosen:
            known = {int(status) for status in described["paths"][operation.path][operation.method]["responses"]}
            for mode in MODES:
                done += ask_all(fuzzed, session, operation, mode, known, fuzz(examples, seeded=seeded))
    return done


def ask_all(
    fuzzed: Fuzzed,
    session: requests.Session,
    operation: Any,
    mode: GenerationMode,
    known: set[int],
    how: settings,
) -> int:
    """One operation in one mode. The number of cases."""
    done = 0

    @how
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        nonlocal done
        done += 1
        case.headers.pop("Authorization", None)  # chosen at random it only ever meets 401
        if "wait" in case.query:
            case.query["wait"] = "0"
        began = time.monotonic()
        answer = case.call(base_url=fuzzed.service.url, session=session, timeout=2 * SECONDS_MAX)
        fuzzed.took(answer.status_code, began, case)
        # A method, a path or a head that the server itself does not take is in no description.
        assert answer.status_code in known | {400, 404, 405, 431}, (answer.status_code, case)

    with suppress(Unsatisfiable):  # nothing can be said against an operation that takes nothing
        asked()
    return done


# --- statements ------------------------------------------------------------------------------------------------

WHOLE_ONES: list[Json] = [FULL, NESTED, PLAIN, REFERRING]
PLACES = [(index, place) for index, one in enumerate(WHOLE_ONES) for place in ("", *places(one)) if place]
AWKWARD = [
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 5e-324, 2**53 + 1, 2**64 - 1, -(2**63), "", " ", "\x00"),
    *("a" * 1_000, "é", "\U0001f600", "\u202e", "null", "true", "1", "[]", "{}", "%00", "';--", "<b>", "=1+1"),
    *("mailto:a@b", "mailto:", "https://example.org/" + "a" * 2_050, "urn:x:y", "http://[", "a:b", ":", "//"),
    *("16fd2706-8baf-433b-82eb-8c7fada847da", "0" * 36, "2026-11-22T09:00:00Z", "9999-12-31T23:59:60Z", "P1Y"),
    *({}, [], [[]], {"": ""}, {"a": None}, {"objectType": "Agent"}, {"id": 1}, [1, "a", None], [None]),
    *({"objectType": []}, {"objectType": "Group", "member": [{}]}, {"en": "x"}, {"https://example.org/x": {}}),
    *(FULL, PLAIN, FULL["actor"], FULL["object"], FULL["context"], [FULL["actor"]] * 3),
]  # fmt: skip
VALUES = st.sampled_from(AWKWARD) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=2)
JSON_AGAIN = {"Content-Type": "application/json"}


def as_body(statement: Any) -> bytes:
    """JSON, or what Python takes for it: NaN and lone surrogates as well."""
    return json.dumps(statement).encode("utf-8", "surrogatepass")


def applied(changes: list[tuple[tuple[int, str], Any]]) -> Json:
    """One of the whole statements with values in places where they need not belong."""
    (index, _), _ = changes[0]
    made = WHOLE_ONES[index]
    for (of, place), value in changes:
        if of == index:
            try:
                made = changed(made, place, value)
            except (KeyError, IndexError, TypeError):
                continue  # an earlier change took the way there away
    return made


def ask_and_look(fuzzed: Fuzzed, client: httpx2.Client, body: bytes) -> None:
    """Sent; and if it was accepted, it comes back as it was sent."""
    began = time.monotonic()
    answer = client.post("/xapi/statements", content=body, headers=JSON_AGAIN)
    fuzzed.took(answer.status_code, began, body)
    assert answer.status_code in {200, 400, 409, 413}, body
    if answer.status_code == 200 and len(answer.json()) == 1:
        returned = client.get("/xapi/statements", params={"statementId": answer.json()[0]}).json()
        if "code" not in returned:  # one that voids, and the like
            sent = orjson.loads(body)
            sent = sent[0] if isinstance(sent, list) else sent
            for name in ("verb", "result", "timestamp"):
                assert name not in sent or returned[name] == sent[name], (name, body)


def with_changes(fuzzed: Fuzzed, examples: int, *, seeded: bool) -> int:
    """Statements with something changed, on both versions, by themselves and in batches."""
    done = 0
    clients = [fuzzed.service.client(fuzzed.key, version) for version in ("1.0.3", "2.0.0")]

    @fuzz(examples, seeded=seeded)
    @given(CHANGES, st.sampled_from(clients), st.booleans())
    def one_changed(changes: list[tuple[tuple[int, str], Any]], client: httpx2.Client, batch: bool) -> None:
        nonlocal done
        done += 1
        made = applied(changes)
        ask_and_look(fuzzed, client, as_body([made] if batch else made))

    @fuzz(examples // 4, seeded=seeded)
    @given(statements("2.0.0"), st.binary(max_size=6), st.integers(0, 10_000), st.integers(0, 6))
    def bytes_changed(statement: Json, put: bytes, at: int, over: int) -> None:
        nonlocal done
        done += 1
        body = as_body(statement)
        at %= len(body) + 1
        began = time.monotonic()
        answer = clients[1].post(
            "/xapi/statements", content=body[:at] + put + body[at + over :], headers=JSON_AGAIN
        )
        fuzzed.took(answer.status_code, began, body)

    one_changed()
    bytes_changed()
    for client in clients:
        client.close()
    return done


# --- multipart -------------------------------------------------------------------------------------------------

BOUNDARIES = st.sampled_from(
    ["a", "a1b2", "x" * 70, "x" * 71, "", "a b", '"a"', "--", "'()+_,-./:=?", "ü", "\x00"]
)
NAMES = [
    "Content-Type",
    "Content-Transfer-Encoding",
    "X-Experience-API-Hash",
    "Content-Length",
    "",
    "X",
    "\x00",
    "é",
]
HEADER = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(
        ["application/json", "binary", hashlib.sha256(b"").hexdigest(), "-1", "", "\x00", "a" * 9_000]
    ),
)
CONTENTS = st.sampled_from(
    [b"", b"\r\n", b"--a", b"\x00" * 100, b"[]", b"{", as_body(PLAIN), as_body(FULL), b"x" * 70_000]
)
PARTS = st.lists(st.tuples(st.lists(HEADER, max_size=4), CONTENTS | st.binary(max_size=40)), max_size=4)
ENDS = st.sampled_from(["--{}--\r\n", "--{}--", "--{}\r\n", "", "--{}-", "--{}--\r\nmore"])
FIRST = [("Content-Type", "application/json")]


def sent_in_parts(boundary: str, parts: list[tuple[list[tuple[str, str]], bytes]], end: str) -> bytes:
    """The body."""
    made = b""
    for headers, content in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        made += f"--{boundary}\r\n{head}\r\n".encode() + content + b"\r\n"
    return made + end.format(boundary).encode()


def in_parts(fuzzed: Fuzzed, examples: int, *, seeded: bool) -> int:
    """Multipart bodies of all kinds."""
    done = 0
    client = fuzzed.service.client(fuzzed.key, "2.0.0")

    @fuzz(examples, seeded=seeded)
    @given(BOUNDARIES, PARTS, ENDS, st.booleans(), st.binary(max_size=6), st.integers(0, 300), st.integers(0, 3))
    def parts_of_any_kind(
        boundary: str, parts: Any, end: str, whole_first: bool, put: bytes, at: int, over: int
    ) -> None:
        nonlocal done
        done += 1
        if whole_first:
            data = b"content"
            digest = hashlib.sha256(data).hexdigest()
            named = {
                "usageType": "https://a.org",
                "display": {},
                "contentType": "a/b",
                "length": 7,
                "sha2": digest,
            }
            parts = [
                (FIRST, as_body(PLAIN | {"attachments": [named]})),
                ([*parts[0][0]] if parts else [], data),
                *parts[1:],
            ]
        body = sent_in_parts(boundary, parts, end)
        at %= len(body) + 1
        body = body[:at] + put + body[at + over :]
        kind = f"multipart/mixed; boundary={boundary}".encode("utf-8", "replace").replace(b"\x00", b"")
        began = time.monotonic()
        answer = client.post("/xapi/statements", content=body, headers=[(b"Content-Type", kind)])
        fuzzed.took(answer.status_code, began, (kind, body))
        assert answer.status_code in {200, 400, 409, 413}

    parts_of_any_kind()
    client.close()
    return done


# --- special inputs --------------------------------------------------------------------------------------------

JSON_TYPE = {"Content-Type": "application/json"}
EXTENDED = PLAIN | {"result": {"extensions": {"https://example.org/x": "HERE"}}}


def extended(value: bytes) -> bytes:
    """A statement with these bytes as the value of an extension."""
    return as_body(EXTENDED).replace(b'"HERE"', value)


SPECIAL: dict[str, tuple[bytes, dict[str, str], int]] = {
    "nested objects": (extended(b'{"a":' * 300 + b"1" + b"}" * 300), {}, 400),
    "deep arrays": (extended(b"[" * 100_000 + b"]" * 100_000), {}, 400),
    "arrays without an end": (b"[" * 5_000_000, {}, 400),
    "a string of 10 MB": (extended(b'"' + b"x" * 10_000_000 + b'"'), {}, 413),
    "a body of 20 MB": (extended(b'"' + b"x" * 20_000_000 + b'"'), {}, 413),
    "lone surrogates": (extended(b'"\\ud800"'), {}, 400),
    "surrogates as bytes": (extended(b'"\xed\xa0\x80"'), {}, 400),
    "NaN": (extended(b"NaN"), {}, 400),
    "Infinity": (extended(b"-Infinity"), {}, 400),
    "an integer beyond 64 bits": (extended(b"123456789012345678901"), {}, 400),
    "a number beyond double precision": (extended(b"0.12345678901234567890123"), {}, 400),
    "a number beyond a double's range": (extended(b"1e400"), {}, 400),
    "a million digits": (extended(b"1" * 1_000_000), {}, 400),
    "UTF-16": (extended(b"1").decode().encode("utf-16"), {}, 400),
    "a byte order mark": (b"\xef\xbb\xbf" + extended(b"1"), {}, 400),
    "Latin-1": (extended('"é"'.encode("latin-1")), {}, 400),
    "a NUL between values": (extended(b"\x00"), {}, 400),
    "a NUL in a string": (extended(b'"\\u0000"'), {}, 200),
    "a property twice": (extended(b'{"a": 1, "a": 1}'), {}, 400),
    "gzip": (b"\x1f\x8b" + b"\x00" * 100, {"Content-Encoding": "gzip"}, 400),
    "a bomb in a bomb": (b"\x1f\x8b", {"Content-Encoding": "gzip, gzip, deflate"}, 400),
    "a charset that is another": (extended(b"1"), {"Content-Type": "application/json; charset=utf-8"}, 200),
    "100,000 properties": (extended(orjson.dumps({str(n): n for n in range(100_000)})), {}, 413),
    "50,000 statements": (b"[" + b",".join([b"{}"] * 50_000) + b"]", {}, 413),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_inputs_get_their_answer(fuzzed: Fuzzed, name: str) -> None:
    body, headers, status = SPECIAL[name]
    with fuzzed.service.client(fuzzed.key) as client:
        began = time.monotonic()
        answer = client.post("/xapi/statements", content=body, headers=JSON_TYPE | headers)
        fuzzed.took(answer.status_code, began, name)
    assert answer.status_code == status, answer.text[:300]


QUERIES: dict[str, tuple[str, set[int]]] = {
    "a long query": ("verb=https://example.org/" + "a" * 30_000, {200, 400}),
    "a query beyond the limit": ("verb=https://example.org/" + "a" * 100_000, {400, 431}),
    "thousands of parameters": ("&".join(f"p{n}=1" for n in range(5_000)), {400}),
    "one parameter thousands of times": ("&".join(["limit=1"] * 5_000), {400}),
    "NUL": ("verb=https://example.org/%00", {400}),
    "NUL in JSON": ("agent=" + quote('{"account": {"homePage": "https://a.org", "name": "\\u0000"}}'), {200}),
    "bytes that are no UTF-8": ("verb=https://example.org/%ff%fe", {200, 400}),
    "a lone surrogate": ("agent=%7B%22mbox%22%3A%22mailto:%5Cud800@a.b%22%7D", {400}),
    "percent signs": ("verb=%%%&%zz=%", {400}),
    "deep JSON": ("agent=" + "%5B" * 10_000, {400}),
    "a number of thousands of digits": ("limit=" + "9" * 10_000, {400}),
    "a cursor of ours made up": ("cursor=999999999999999999", {200}),
}  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/xapi/statements", "/xapi/agents", "/xapi/activities/state", "/reports/completion", "/dsar"]
)
def test_odd_queries_get_their_answer(fuzzed: Fuzzed, path: str) -> None:
    basic = base64.b64encode(":".join(fuzzed.key).encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "X-Experience-API-Version": "1.0.3"}
    for name, (query, statuses) in QUERIES.items():
        # Other clients have limits of their own.
        connection = HTTPConnection(fuzzed.service.url.removeprefix("http://"), timeout=2 * SECONDS_MAX)
        began = time.monotonic()
        connection.request("GET", f"{path}?{query}", headers=headers)
        status = connection.getresponse().status
        connection.close()
        fuzzed.took(status, began, name)
        if path == "/xapi/statements":
            assert status in statuses, name


# --- the runs --------------------------------------------------------------------------------------------------


def run(fuzzed: Fuzzed, sizes: tuple[int, int, int], *, seeded: bool) -> None:
    """All three; the service is as large after the second half as after the first."""
    done = [
        by_description(fuzzed, sizes[0], seeded=seeded),
        with_changes(fuzzed, sizes[1], seeded=seeded),
        in_parts(fuzzed, sizes[2], seeded=seeded),
    ]
    before = fuzzed.bytes_held()
    done.append(with_changes(fuzzed, sizes[1] // 4, seeded=False))
    after = fuzzed.bytes_held()
    print(f"\nfuzzed: {done} cases, {dict(fuzzed.statuses)}, {before >> 20} -> {after >> 20} MiB")  # noqa: T201
    assert after - before < GROWTH_BYTES_MAX
    assert {200, 400} <= fuzzed.statuses.keys()


def test_a_slice_of_whatever_is_sent(fuzzed: Fuzzed) -> None:
    run(fuzzed, SLICE, seeded=True)


@pytest.mark.full
@pytest.mark.timeout(6 * 3_600)
def test_whatever_is_sent(fuzzed: Fuzzed) -> None:
    run(fuzzed, WHOLE, seeded=False)
