"""The Statement Resource, the About Resource, headers, versions and errors (1.0.3 Communication; 2.0 4.1)."""

import re
from typing import Any

import httpx2

from tests.journey.requirements.rows import (
    ADA,
    BO,
    BOTH,
    CREW,
    FULL,
    NESTED,
    ONE,
    PLAIN,
    TWO,
    VERSION,
    Ask,
    Case,
    Check,
    Json,
    changed,
    row,
    uuid_of,
)  # fmt: skip

THROUGH = "X-Experience-API-Consistent-Through"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
UNKNOWN = "00000000-0000-4000-8000-00000000dead"


def own(word: str, **parts: Any) -> Json:
    """A statement that no other case meets: its id, verb, activity and registration go with the word."""
    return (
        PLAIN
        | {
            "id": uuid_of(word),
            "actor": {"mbox": f"mailto:{word}@example.org"},
            "verb": {"id": f"https://example.org/verbs/{word}", "display": {"en": "did", "de": "tat"}},
            "object": {
                "id": f"https://example.org/activities/{word}",
                "definition": {"name": {"en": "One", "de": "Eins"}},
            },
            "context": {"registration": uuid_of(f"{word} registration")},
        }
        | parts
    )


def voiding(word: str, target: str) -> Json:
    """A statement that voids another."""
    return own(f"{word}-voiding", verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": target})


def sent(*statements: Json) -> Ask:
    """They are stored."""
    return Ask("POST", "/statements", 200, json=list(statements))


def found(params: dict[str, str], *ids: str) -> Ask:
    """A query answers these, in this order."""

    def check(answer: httpx2.Response) -> None:
        page = answer.json()
        assert [one["id"] for one in page["statements"]] == list(ids)
        assert page["more"] == ""

    return Ask("GET", "/statements", 200, params=params, check=check)


def one(params: dict[str, str], check: Check | None = None, status: int = 200) -> Ask:
    """A query for one statement."""
    return Ask("GET", "/statements", status, params=params, check=check)


def get(status: int = 400, **params: str) -> Case:
    """A query gets this status."""
    return lambda _: [Ask("GET", "/statements", status, params=params)]


def ask(method: str, path: str, status: int | dict[str, int], **more: Any) -> Case:
    """One request."""
    return lambda _: [Ask(method, path, status, **more)]


def has(name: str, pattern: str) -> Check:
    """The answer has a header that looks so."""

    def check(answer: httpx2.Response) -> None:
        assert re.fullmatch(pattern, answer.headers.get(name, "")), (name, answer.headers.get(name))

    return check


def equals(**parts: Any) -> Check:
    """The answer's JSON has these parts."""

    def check(answer: httpx2.Response) -> None:
        body = answer.json()
        assert {name: body.get(name) for name in parts} == parts

    return check


def is_empty(answer: httpx2.Response) -> None:
    """No body."""
    assert answer.content == b""


ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
HTTP_DATE = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
UUID = "[0-9a-f-]{36}"

# --- writing ---------------------------------------------------------------------------------------------------


def _ids(*ids: str) -> Check:
    def check(answer: httpx2.Response) -> None:
        assert answer.json() == list(ids)

    return check


def _timestamp_is_stored(answer: httpx2.Response) -> None:
    assert answer.json()["timestamp"] == answer.json()["stored"]


def _is_recent(text: str) -> None:
    assert re.fullmatch(ISO, text)
    assert not text.startswith("2001")


def _is_ours(authority: Json) -> None:
    assert authority["account"]["name"] != BO["account"]["name"]


def _is_version(answer: httpx2.Response) -> None:
    assert answer.json()["version"] == ("1.0.0" if answer.headers[VERSION] == ONE else TWO)


def _came_back(answer: httpx2.Response) -> None:
    body = answer.json()
    grouping = FULL["context"]["contextActivities"]["grouping"]
    for name, value in changed(FULL, "context.contextActivities.grouping", [grouping]).items():
        if name not in {"authority", "stored"}:
            assert body[name] == value


def _about_is_right(answer: httpx2.Response) -> None:
    versions = answer.json()["version"]
    assert "1.0.3" in versions
    assert all(re.fullmatch(r"[12]\.0\.\d", text) for text in versions)


def _is_discreet(answer: httpx2.Response) -> None:
    problem = answer.json()
    assert set(problem) == {"code", "message"}
    assert "secret" not in answer.text
    assert BOTH[0] in problem["message"] or BOTH[1] in problem["message"]


WRITING = [
    row("XAPI-00147", "POST stores statements and answers their ids in order",
        lambda w: [Ask("POST", "/statements", 200, json=own(w), check=_ids(uuid_of(w)))],
        lambda w: [Ask("POST", "/statements", 200, json=[own(w + "a"), own(w + "b")], check=_ids(uuid_of(w + "a"), uuid_of(w + "b")))]),
    row("XAPI-00143", "PUT stores one statement and answers 204",
        lambda w: [Ask("PUT", "/statements", 204, {"statementId": uuid_of(w)}, own(w), check=is_empty), one({"statementId": uuid_of(w)})],
        lambda w: [Ask("PUT", "/statements", 204, {"statementId": uuid_of(w)}, PLAIN), one({"statementId": uuid_of(w)}, equals(id=uuid_of(w)))]),
    row("XAPI-00145", "PUT needs a statementId, a UUID", ask("PUT", "/statements", 400, json=PLAIN),
        ask("PUT", "/statements", 400, params={"statementId": ""}, json=PLAIN), ask("PUT", "/statements", 400, params={"statementId": "1"}, json=PLAIN),
        ask("PUT", "/statements", 400, params={"StatementId": UNKNOWN}, json=PLAIN)),
    row("Communication 2.1.1", "PUT takes the id of the request only, and one statement only",
        lambda w: [Ask("PUT", "/statements", 400, {"statementId": UNKNOWN}, own(w)), one({"statementId": uuid_of(w)}, status=404)],
        lambda w: [Ask("PUT", "/statements", 400, {"statementId": uuid_of(w)}, [own(w)])]),
    row("Communication 2.1.1", "the same statement again changes nothing, another one under its id is a conflict",
        lambda w: [sent(own(w)), Ask("PUT", "/statements", 204, {"statementId": uuid_of(w)}, own(w)),
                   Ask("PUT", "/statements", 409, {"statementId": uuid_of(w)}, own(w, actor=ADA)), one({"statementId": uuid_of(w)}, equals(actor=own(w)["actor"]))],
        lambda w: [sent(own(w)), sent(own(w)), Ask("POST", "/statements", 409, json=own(w, verb={"id": "https://example.org/v"}))],
        lambda w: [sent(own(w)), Ask("POST", "/statements", 409, json=[own(w + "new"), own(w, actor=ADA)]), one({"statementId": uuid_of(w + "new")}, status=404)]),
    row("Data 2.3.1", "what a store may change makes no other statement",
        lambda w: [sent(own(w, timestamp="2026-11-22T09:00:00Z")), sent(own(w, timestamp="2026-11-22T10:00:00+01:00", version="1.0.0", authority=BO))],
        lambda w: [sent(own(w)), sent(own(w, verb={"id": own(w)["verb"]["id"]}, object={"id": own(w)["object"]["id"]}))]),
    row("Data 4.6", "durations are one to a hundredth of a second",
        lambda w: [sent(own(w, result={"duration": "PT1.234S"})), sent(own(w, result={"duration": "PT1.239S"})),
                   Ask("POST", "/statements", 409, json=own(w, result={"duration": "PT1.25S"}))]),
    row("XAPI-00328", "a statement beyond the limit gets 413",
        lambda w: [Ask("POST", "/statements", 413, json=own(w, result={"response": "x" * 1_100_000}))],
        lambda w: [Ask("POST", "/statements", 413, json=[PLAIN, own(w, result={"response": "x" * 10_000_000})])]),
    row("XAPI-00127", "the Content-Type is application/json or multipart/mixed", *(
        ask("POST", "/statements", 400, content=b'{"actor": 1}', headers={"Content-Type": kind})
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x", "json", "")),
        lambda w: [Ask("POST", "/statements", 200, json=own(w), headers={"Content-Type": "application/json; charset=utf-8"})]),
    row("XAPI-00014", "the body is JSON", *(
        ask("POST", "/statements", 400, content=body, headers={"Content-Type": "application/json"})
        for body in (b"", b"{", b"<a/>", b"{'actor': 1}", b"actor=1", b"NaN", b'{"a": Infinity}', b"\xef\xbb\xbf[]", "[]".encode("utf-16"), b'["\xff"]', b'["\\ud800"]'))),
    row("XAPI-00015", "text is UTF-8, whatever its script", lambda w: [
        sent(own(w, result={"response": "Grüße 世界 \U0001f600 \u0000 \u202e"})),
        one({"statementId": uuid_of(w)}, equals(result={"response": "Grüße 世界 \U0001f600 \u0000 \u202e"}))]),
    row("XAPI-00002", "numbers keep at least the precision of 32 bits; here they keep 64", *(
        lambda w, n=number: [sent(own(w, result={"score": {"raw": n}})), one({"statementId": uuid_of(w)}, equals(result={"score": {"raw": n}}))]
        for number in (1.7976931348623157e308, 0.1, -1e-300, 9007199254740993, 18446744073709551615, 3.1415927))),
    row("Data 2.2", "a property stands once; here a second one is refused",
        ask("POST", "/statements", 400, content=b'{"actor": {"mbox": "mailto:a@b.c", "mbox": "mailto:d@e.f"}}', headers={"Content-Type": "application/json"})),
    row("XAPI-00022", "timestamp is when it was stored where the sender gives none", lambda w: [sent(own(w)), one({"statementId": uuid_of(w)}, _timestamp_is_stored)]),
    row("XAPI-00023", "stored is the store's, whatever the sender says", lambda w: [
        sent(own(w, stored="2001-01-01T00:00:00Z")), one({"statementId": uuid_of(w)}, lambda answer: _is_recent(answer.json()["stored"]))]),
    row("XAPI-00099", "authority is the store's", lambda w: [
        sent(own(w, authority=BO)), one({"statementId": uuid_of(w)}, lambda answer: _is_ours(answer.json()["authority"]))]),
    row("XAPI-00332", "version stays as it was accepted, and is 1.0.0 or 2.0.0 where the sender gives none", *(
        lambda w, v=version: [sent(own(w, version=v)), one({"statementId": uuid_of(w)}, equals(version=v))] for version in ("1.0.0", "1.0.2")),
        lambda w: [sent(own(w)), one({"statementId": uuid_of(w)}, _is_version)]),
    row("XAPI-00096", "a single context activity comes back as an array", lambda w: [
        sent(own(w, context={"contextActivities": {"parent": {"id": "https://example.org/p"}}})),
        one({"statementId": uuid_of(w)}, equals(context={"contextActivities": {"parent": [{"id": "https://example.org/p"}]}}))]),
    row("Data 2.2", "what was sent comes back as it was sent", lambda w: [
        sent(FULL | {"id": uuid_of(w)}), one({"statementId": uuid_of(w)}, _came_back)]),
]  # fmt: skip


# --- reading ---------------------------------------------------------------------------------------------------


def _related(word: str) -> Ask:
    """A person as the instructor of one statement, and in the SubStatement of another."""
    somebody = {"mbox": f"mailto:{word}@example.org"}
    taught = own(word + "1", context={"instructor": somebody})
    return sent(taught, own(word + "2", object=NESTED["object"] | {"actor": somebody}))


def _one_by_one(word: str) -> list[Ask]:
    """Three statements, each later than the one before."""
    return [sent(own(word + number, verb={"id": f"https://example.org/verbs/{word}"})) for number in "abc"]


def _three(word: str) -> tuple[str, str, str]:
    return uuid_of(word + "a"), uuid_of(word + "b"), uuid_of(word + "c")


def _limited(answer: httpx2.Response) -> None:
    page = answer.json()
    assert len(page["statements"]) == 2
    assert re.match(r"/xapi/(1\.0\.3/)?statements\?", page["more"])


def _has_both(answer: httpx2.Response) -> None:
    page = answer.json()
    assert isinstance(page["statements"], list)
    assert isinstance(page["more"], str)


def _agent(word: str) -> str:
    return f'{{"mbox": "mailto:{word}@example.org"}}'


def _languages(language: str) -> Check:
    def check(answer: httpx2.Response) -> None:
        statement = answer.json()
        assert list(statement["verb"]["display"]) == [language]
        assert list(statement["object"]["definition"]["name"]) == [language]

    return check


READING = [
    row("XAPI-00158", "statementId finds one", lambda w: [sent(own(w)), one({"statementId": uuid_of(w)}, equals(id=uuid_of(w))),
                                                          one({"statementId": uuid_of(w).upper()}, equals(id=uuid_of(w)))]),
    row("XAPI-00156", "an unknown id is 404", get(404, statementId=UNKNOWN), get(404, voidedStatementId=UNKNOWN)),
    row("XAPI-00157", "voidedStatementId finds a voided one, statementId does not", lambda w: [
        sent(own(w)), one({"voidedStatementId": uuid_of(w)}, status=404), sent(voiding(w, uuid_of(w))),
        one({"voidedStatementId": uuid_of(w)}, equals(id=uuid_of(w))), one({"statementId": uuid_of(w)}, status=404),
        one({"statementId": uuid_of(f"{w}-voiding")}, equals(id=uuid_of(f"{w}-voiding")))]),
    row("XAPI-00163", "a voided one is in no page, the one that voids it is", lambda w: [
        sent(own(w)), sent(voiding(w, uuid_of(w))),
        found({"agent": _agent(f"{w}-voiding")}, uuid_of(f"{w}-voiding"))]),
    row("XAPI-00018", "who voids can not be voided", lambda w: [
        sent(own(w)), sent(voiding(w, uuid_of(w))), Ask("POST", "/statements", {ONE: 200, TWO: 200}, json=voiding(w + "x", uuid_of(f"{w}-voiding"))),
        one({"statementId": uuid_of(f"{w}-voiding")})]),
    row("Data 2.3.2", "what is not there yet can be voided", lambda w: [
        sent(voiding(w, uuid_of(w))), sent(own(w)), one({"statementId": uuid_of(w)}, status=404), one({"voidedStatementId": uuid_of(w)})]),
    row("XAPI-00150", "an id goes alone, with attachments and format only", *(
        get(400, **{name: UNKNOWN, other: value}) for name in ("statementId", "voidedStatementId") for other, value in (
            ("agent", _agent("x")), ("verb", "https://example.org/v"), ("activity", "https://example.org/a"), ("registration", UNKNOWN),
            ("related_activities", "true"), ("related_agents", "true"), ("since", "2026-01-01T00:00:00Z"), ("until", "2026-01-01T00:00:00Z"),
            ("limit", "1"), ("ascending", "true"))),
        get(400, statementId=UNKNOWN, voidedStatementId=UNKNOWN),
        lambda w: [sent(own(w)), one({"statementId": uuid_of(w), "format": "ids", "attachments": "false"})]),
    row("XAPI-00012", "a parameter keeps the format of what it names", *(
        get(400, **{name: value}) for name, value in (
            ("statementId", "x"), ("statementId", ""), ("voidedStatementId", "x"), ("agent", "x"), ("agent", "{}"), ("agent", '{"mbox": "x"}'),
            ("agent", '{"mbox": "mailto:a@b.c", "openid": "https://a.org"}'), ("agent", "null"), ("agent", '"text"'), ("agent", '{"mbox": NaN}'),
            ("agent", '{"objectType": "Group", "member": []}'), ("verb", "x"), ("verb", ""), ("activity", "x"), ("activity", "example.org/a"),
            ("registration", "x"), ("registration", ""), ("related_activities", "yes"), ("related_activities", ""), ("related_agents", "1"),
            ("since", "x"), ("since", ""), ("until", "22/11/2026"), ("limit", "x"), ("limit", "-1"), ("limit", "1.5"), ("limit", ""),
            ("format", "x"), ("format", ""), ("format", "Exact"), ("attachments", "yes"), ("attachments", "True"), ("ascending", "x"), ("ascending", "TRUE")))),
    row("XAPI-00324", "an unknown parameter is refused", *(get(400, **{name: "1"}) for name in ("foo", "stored", "id", "statement_id"))),
    row("XAPI-00325", "a parameter is written as the text writes it", *(
        get(400, **{name: value}) for name, value in (("StatementId", UNKNOWN), ("Agent", _agent("x")), ("VERB", "https://example.org/v"),
                                                       ("Limit", "1"), ("Ascending", "true"), ("Since", "2026-01-01T00:00:00Z")))),
    row("Communication 2.1.3", "a parameter stands once", ask("GET", "/statements?limit=1&limit=2", 400), ask("GET", "/statements?verb=https://a.org&verb=https://a.org", 400)),
    row("XAPI-00113", "a page has statements and more", get(200), lambda _: [Ask("GET", "/statements", 200, check=_has_both)]),
    row("XAPI-00181", "agent finds actors and objects, however they are written", lambda w: [
        sent(own(w), own(w + "2", object={"objectType": "Agent", "mbox": f"mailto:{w}@example.org", "name": "W"}), own(w + "3")),
        found({"agent": _agent(w)}, uuid_of(w + "2"), uuid_of(w)),
        found({"agent": f'{{"objectType": "Agent", "name": "Other", "mbox": "mailto:{w}@example.org"}}'}, uuid_of(w + "2"), uuid_of(w))]),
    row("Communication 2.1.3", "agent finds a Group by its identifier, and a person among an actor's members", lambda w: [
        sent(own(w, actor=CREW | {"mbox": f"mailto:{w}g@example.org", "member": [{"mbox": f"mailto:{w}@example.org"}]})),
        found({"agent": f'{{"objectType": "Group", "mbox": "mailto:{w}g@example.org"}}'}, uuid_of(w)), found({"agent": _agent(w)}, uuid_of(w))]),
    row("XAPI-00176", "related_agents finds a person in any place", lambda w: [
        _related(w), found({"agent": _agent(w)}), found({"agent": _agent(w), "related_agents": "false"}),
        found({"agent": _agent(w), "related_agents": "true"}, uuid_of(w + "2"), uuid_of(w + "1"))]),
    row("XAPI-00180", "verb finds by the verb's id", lambda w: [sent(own(w)), found({"verb": f"https://example.org/verbs/{w}"}, uuid_of(w))]),
    row("XAPI-00179", "activity finds by the object", lambda w: [
        sent(own(w), own(w + "2", context={"contextActivities": {"parent": [{"id": f"https://example.org/activities/{w}"}]}})),
        found({"activity": f"https://example.org/activities/{w}"}, uuid_of(w))]),
    row("XAPI-00177", "related_activities finds an Activity in any place", lambda w: [
        sent(own(w), own(w + "2", context={"contextActivities": {"grouping": [{"id": f"https://example.org/activities/{w}"}]}}),
             own(w + "3", object=NESTED["object"] | {"object": {"id": f"https://example.org/activities/{w}"}})),
        found({"activity": f"https://example.org/activities/{w}", "related_activities": "true"}, uuid_of(w + "3"), uuid_of(w + "2"), uuid_of(w))]),
    row("XAPI-00178", "registration finds by the registration, in any spelling", lambda w: [
        sent(own(w)), found({"registration": uuid_of(f"{w} registration")}, uuid_of(w)), found({"registration": uuid_of(f"{w} registration").upper()}, uuid_of(w))]),
    row("XAPI-00166", "the newest come first, and last with ascending", lambda w: [
        *_one_by_one(w), found({"verb": f"https://example.org/verbs/{w}"}, *reversed(_three(w))),
        found({"verb": f"https://example.org/verbs/{w}", "ascending": "true"}, *_three(w))]),
    row("XAPI-00173", "limit is how many come, and more where the rest is; zero is as many as may be", lambda w: [
        *_one_by_one(w), one({"verb": f"https://example.org/verbs/{w}", "limit": "2"}, _limited),
        found({"verb": f"https://example.org/verbs/{w}", "limit": "0"}, *reversed(_three(w))),
        found({"verb": f"https://example.org/verbs/{w}", "limit": "100000"}, *reversed(_three(w)))]),
    row("XAPI-00175", "since is later than, until is up to", lambda w: [
        sent(own(w)), found({"verb": f"https://example.org/verbs/{w}", "since": "2999-01-01T00:00:00Z"}),
        found({"verb": f"https://example.org/verbs/{w}", "since": "2001-01-01T00:00:00Z"}, uuid_of(w))]),
    row("XAPI-00174", "until is up to", lambda w: [
        sent(own(w)), found({"verb": f"https://example.org/verbs/{w}", "until": "2001-01-01T00:00:00Z"}),
        found({"verb": f"https://example.org/verbs/{w}", "until": "2999-01-01T00:00:00+01:00"}, uuid_of(w))]),
    row("Communication 2.1.4", "who refers to a statement that a filter finds is found, too", lambda w: [
        sent(own(w)), sent(own(w + "2", object={"objectType": "StatementRef", "id": uuid_of(w)})),
        sent(own(w + "3", object={"objectType": "StatementRef", "id": uuid_of(w + "2")})),
        found({"verb": f"https://example.org/verbs/{w}"}, uuid_of(w + "3"), uuid_of(w + "2"), uuid_of(w)),
        found({"verb": f"https://example.org/verbs/{w}2"}, uuid_of(w + "3"), uuid_of(w + "2"))]),
    row("XAPI-00162", "who voids a statement that a filter finds is found, the voided one is not", lambda w: [
        sent(own(w)), sent(voiding(w, uuid_of(w))), found({"verb": f"https://example.org/verbs/{w}"}, uuid_of(f"{w}-voiding"))]),
    row("XAPI-00164", "parameters are joined by and", lambda w: [
        sent(own(w)), found({"verb": f"https://example.org/verbs/{w}", "agent": _agent(w)}, uuid_of(w)),
        found({"verb": f"https://example.org/verbs/{w}", "agent": _agent("nobody")})]),
    row("XAPI-00170", "format exact is what was sent", lambda w: [sent(own(w)), one({"statementId": uuid_of(w), "format": "exact"}, equals(object=own(w)["object"]))]),
    row("XAPI-00171", "format ids is the least that identifies", lambda w: [
        sent(own(w, actor={"name": "W", "mbox": f"mailto:{w}@example.org"}, object=own(w)["object"] | {"objectType": "Activity"})),
        one({"statementId": uuid_of(w), "format": "ids"}, equals(actor={"mbox": f"mailto:{w}@example.org"}, verb={"id": own(w)["verb"]["id"]}, object={"id": own(w)["object"]["id"]}))]),
    row("XAPI-00172", "format canonical is one language, as Accept-Language likes it", *(
        lambda w, a=accepts, best=language: [sent(own(w)), Ask("GET", "/statements", 200, {"statementId": uuid_of(w), "format": "canonical"}, headers={"Accept-Language": a}, check=_languages(best))]
        for accepts, language in (("de", "de"), ("en", "en"), ("fr, de;q=0.5, en;q=0.1", "de"), ("de-CH", "de"), ("fr", "en"), ("*", "en")))),
    row("XAPI-00153", "Consistent-Through goes with every answer to a query", *(
        ask("GET", "/statements", status, params=params, check=has(THROUGH, ISO))
        for status, params in ((200, {}), (404, {"statementId": UNKNOWN}), (404, {"voidedStatementId": UNKNOWN}), (400, {"limit": "x"})))),
    row("XAPI-00161", "without attachments the answer is application/json", *(
        ask("GET", "/statements", 200, params=params, check=has("Content-Type", "application/json")) for params in ({"limit": "1"}, {"limit": "1", "attachments": "false"}))),
    row("XAPI-00167", "with attachments the answer is multipart/mixed", ask(
        "GET", "/statements", 200, params={"limit": "1", "attachments": "true"}, check=has("Content-Type", r"multipart/mixed; boundary=[0-9A-Za-z'()+_,./:=?-]+"))),
    row("2.0 4.1.6.1", "one statement says when it was stored as Last-Modified", lambda w: [sent(own(w)), one({"statementId": uuid_of(w)}, has("Last-Modified", HTTP_DATE))], only=TWO),
    row("XAPI-00126", "HEAD answers as GET does, without a body", lambda w: [
        sent(own(w)), Ask("HEAD", "/statements", 200, {"statementId": uuid_of(w)}, check=is_empty), Ask("HEAD", "/statements", 200, check=has(THROUGH, ISO)),
        Ask("HEAD", "/statements", 404, {"statementId": UNKNOWN}, check=is_empty), Ask("HEAD", "/about", 200, check=is_empty)]),
]  # fmt: skip

# --- headers, versions, errors, about --------------------------------------------------------------------------

BAD_VERSIONS = (
    "0.9",
    "0.95",
    "1.1",
    "1.1.0",
    "1",
    "3.0.0",
    "2.1.0",
    "10.0",
    "1.0.0000",
    "1.0.x",
    "",
    "one",
    "2.0.0.1",
)
NO_AUTH: dict[str, str | None] = {"Authorization": None}

EDGE = [
    row("XAPI-00321", "a request without a version is refused, but about", ask("GET", "/statements", 400, headers={VERSION: None}),
        ask("POST", "/statements", 400, json=PLAIN, headers={VERSION: None}), ask("GET", "/about", 200, headers={VERSION: None})),
    row("XAPI-00331", "a version is 1.0.x or 2.0.x", *(ask("GET", "/statements", 400, headers={VERSION: text}) for text in BAD_VERSIONS),
        *(ask("GET", "/statements", 200, headers={VERSION: text}) for text in ("1.0", "1.0.0", "1.0.1", "1.0.9", "2.0", "2.0.0", "2.0.1"))),
    row("XAPI-00333", "every answer says the version", *(
        lambda _, v=text, s=says: [Ask("GET", "/statements", 200, headers={VERSION: v}, check=has(VERSION, s)), Ask("GET", "/statements", 404, {"statementId": UNKNOWN}, headers={VERSION: v}, check=has(VERSION, s))]
        for text, says in (("1.0", r"1\.0\.3"), ("1.0.0", r"1\.0\.3"), ("1.0.3", r"1\.0\.3"), ("2.0.0", r"2\.0\.0"), ("2.0.5", r"2\.0\.0")))),
    row("XAPI-00319", "about answers anybody with the versions", *(
        ask("GET", "/about", 200, headers=headers, check=_about_is_right) for headers in ({}, NO_AUTH, {VERSION: None}, {VERSION: "1.0.3"}))),
    row("XAPI-00316", "a caller of 1.0 is shown versions of 1.0 only", ask("GET", "/about", 200, check=equals(version=["1.0.0", "1.0.1", "1.0.2", "1.0.3"])), only=ONE),
    row("2.0 4.1.6.7", "a caller of 2.0 is shown 2.0.0, too", ask("GET", "/about", 200, check=equals(version=["1.0.0", "1.0.1", "1.0.2", "1.0.3", "2.0.0"])), only=TWO),
    row("XAPI-00335", "who does not say who he is gets 401", ask("GET", "/statements", 401, headers=NO_AUTH, check=has("WWW-Authenticate", "Basic .*")),
        ask("POST", "/statements", 401, json=PLAIN, headers=NO_AUTH), ask("PUT", "/statements", 401, params={"statementId": UNKNOWN}, json=PLAIN, headers=NO_AUTH),
        *(ask("GET", "/statements", 401, headers={"Authorization": text}) for text in (
            "Basic", "Basic !!!", "Basic bm9ib2R5", "Basic bm9ib2R5OmVsc2U=", "Bearer abc", "Basic AAAA", "Basic ADp4", "basic bm9ib2R5OmVsc2U="))),
    row("Communication 3.2", "an unknown path is 404, another method 405", ask("GET", "/statement", 404), ask("GET", "/statements/1", 404),
        ask("DELETE", "/statements", 405), ask("PATCH", "/statements", 405, json={}), ask("POST", "/about", 405, json={})),
    row("Communication 3.2", "an error says its code and a sentence, and repeats nothing", *(
        ask("POST", "/statements", 400, json=body, check=_is_discreet) for body in (
            changed(PLAIN, "actor", {"mbox": "secret@example.org"}), changed(PLAIN, "secret", 1), changed(PLAIN, "verb.id", "secret"),
            changed(FULL, "result.extensions", {"secret": 1}), changed(FULL, "verb.display", {"secret_tag": "x"}), changed(FULL, "timestamp", "secret")))),
    row("RFC 9110 8.4", "a compressed body is not opened", *(
        ask("POST", "/statements", 400, content=b"\x1f\x8b", headers={"Content-Type": "application/json", "Content-Encoding": kind}) for kind in ("gzip", "br", "deflate", "zstd", "gzip, gzip"))),
    row("Communication 1.2", "a slash too many is no other path", ask("GET", "//statements", 200), ask("GET", "//about", 200)),
]  # fmt: skip
