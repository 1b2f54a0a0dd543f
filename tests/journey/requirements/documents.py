"""The document resources, Agents and Activities (1.0.3 Communication 2.2 to 2.7 and 3.1; 2.0 4.1.4 and 4.1.6)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.journey.requirements.resource import HTTP_DATE, NO_AUTH, equals, has, is_empty, own, sent
from tests.journey.requirements.rows import ADA, ONE, TWO, VERSION, Ask, Case, Check, Json, Row, row, uuid_of

Params = dict[str, str]
FIRST, SECOND = b'{"a": {"x": 1}, "b": 1}', b'{"a": {"y": 2}, "c": 3}'
MERGED = {"a": {"y": 2}, "b": 1, "c": 3}
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
NEW = {"If-None-Match": "*"}
BAD_AGENTS = (
    "",
    "x",
    "{}",
    "null",
    '"text"',
    "[]",
    '{"mbox": "x"}',
    '{"name": "Ada"}',
    '{"mbox": "mailto:a@b.c", "openid": "https://a.org"}',
)


def etag_of(content: bytes) -> str:
    """The entity tag that 1.0.3 asks for."""
    return f'"{hashlib.sha1(content).hexdigest()}"'  # noqa: S324  (what xAPI says)


@dataclass(frozen=True)
class Resource:
    """One of the three: where it is, by what its documents are told apart, and how they are named."""

    path: str
    id_name: str
    needs_header: bool  # in 1.0.3 a PUT says what it thinks is there

    def params(self, word: str, document: str = "1") -> Params:
        """Those of one document."""
        return self.holder(word) | {self.id_name: f"{word} {document}/ü"}

    def holder(self, word: str) -> Params:
        """Those of all its documents."""
        made = {}
        if self.path != "/activities/profile":
            made["agent"] = json.dumps({"mbox": f"mailto:{word}@example.org"})
        if self.path != "/agents/profile":
            made["activityId"] = f"https://example.org/activities/{word}"
        return made

    def put(
        self, word: str, content: bytes = FIRST, headers: Mapping[str, str] = JSON, document: str = "1"
    ) -> Ask:
        """A new document."""
        return Ask(
            "PUT",
            self.path,
            204,
            self.params(word, document),
            content=content,
            headers={**headers, **NEW},
            check=is_empty,
        )

    def get(
        self, word: str, content: bytes | None = FIRST, document: str = "1", check: Check | None = None
    ) -> Ask:
        """The document as it is; None: it is not there."""

        def whole(answer: httpx2.Response) -> None:
            assert answer.content == content
            assert answer.headers["ETag"] == etag_of(answer.content)
            if check is not None:
                check(answer)

        if content is None:
            return Ask("GET", self.path, 404, self.params(word, document))
        return Ask("GET", self.path, 200, self.params(word, document), check=whole)

    def listed(self, word: str, *documents: str, **more: str) -> Ask:
        """Which documents there are."""

        def check(answer: httpx2.Response) -> None:
            assert sorted(answer.json()) == sorted(f"{word} {one}/ü" for one in documents)

        return Ask("GET", self.path, 200, self.holder(word) | more, check=check)

    def ask(
        self,
        method: str,
        word: str,
        status: int | Mapping[str, int],
        headers: Mapping[str, str] = JSON,
        content: bytes | None = SECOND,
    ) -> Ask:
        """A request about the document."""
        body = None if method in {"GET", "HEAD", "DELETE"} else content
        sent_headers = (
            headers
            if body is not None
            else {name: value for name, value in headers.items() if name != "Content-Type"}
        )
        return Ask(method, self.path, status, self.params(word), content=body, headers=sent_headers)

    def without(self, name: str, *methods: str) -> list[Case]:
        """Refused without a parameter."""
        return [self._lacking(name, method) for method in methods]

    def _lacking(self, name: str, method: str) -> Case:
        def case(word: str) -> list[Ask]:
            params = {key: value for key, value in self.params(word).items() if key != name}
            return [
                Ask(
                    method,
                    self.path,
                    400,
                    params,
                    content=None if method in {"GET", "DELETE"} else FIRST,
                    headers=JSON | NEW if method == "PUT" else JSON,
                )
            ]

        return case

    def with_(
        self, name: str, *values: str, methods: tuple[str, ...] = ("GET", "PUT", "POST", "DELETE")
    ) -> list[Case]:
        """Refused with a value of a parameter."""

        def case(method: str, value: str) -> Case:
            def made(word: str) -> list[Ask]:
                content = None if method in {"GET", "DELETE"} else FIRST
                headers: Params = {} if content is None else JSON | (NEW if method == "PUT" else {})
                return [
                    Ask(
                        method, self.path, 400, self.params(word) | {name: value}, content=content, headers=headers
                    )
                ]

            return made

        return [case(method, value) for method in methods for value in values]


STATE = Resource("/activities/state", "stateId", needs_header=False)
AGENT = Resource("/agents/profile", "profileId", needs_header=True)
ACTIVITY = Resource("/activities/profile", "profileId", needs_header=True)
DOCUMENTS = {"state": STATE, "agent profile": AGENT, "activity profile": ACTIVITY}
# The requirement's number for each of them: what the suite calls the same thing three times.
NUMBERS: dict[str, tuple[str, str, str]] = {
    "put": ("XAPI-00190", "XAPI-00273", "XAPI-00287"), "post": ("XAPI-00189", "XAPI-00272", "XAPI-00286"),
    "get": ("XAPI-00192", "XAPI-00269", "XAPI-00288"), "list": ("XAPI-00193", "XAPI-00270", "XAPI-00289"),
    "delete": ("XAPI-00191", "XAPI-00271", "XAPI-00291"), "since": ("XAPI-00195", "XAPI-00275", "XAPI-00294"),
    "bad since": ("XAPI-00204", "XAPI-00260", "XAPI-00295"), "bad agent": ("XAPI-00196", "XAPI-00255", "Communication 2.7"),
    "no agent": ("XAPI-00212", "XAPI-00261", "Communication 2.7"), "no activity": ("XAPI-00207", "Communication 2.6", "XAPI-00296"),
    "no id": ("XAPI-00206", "XAPI-00267", "XAPI-00302"), "merge": ("XAPI-00234", "XAPI-00279", "XAPI-00308"),
    "not json": ("XAPI-00232", "XAPI-00278", "XAPI-00309"), "bad json": ("XAPI-00235", "XAPI-00281", "XAPI-00314"),
    "new post": ("XAPI-00233", "XAPI-00280", "XAPI-00310"), "no object": ("XAPI-00229", "XAPI-00284", "XAPI-00313"),
}  # fmt: skip


def _names(resource: Resource, wanted: str) -> bool:
    return wanted in resource.params("x")


def _merged(answer: httpx2.Response) -> None:
    assert answer.json() == MERGED
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["ETag"] == etag_of(answer.content)


def rows_of(name: str, resource: Resource) -> list[Row]:
    """The requirements of one of the three."""
    place = list(DOCUMENTS).index(name)
    number = {key: ids[place] for key, ids in NUMBERS.items()}
    r, matching = resource, {"If-Match": etag_of(FIRST)}
    made = [
        row(number["put"], f"{name}: PUT stores a document of any type and answers 204, GET has it byte for byte", *(
            lambda w, c=content, h=headers: [r.put(w, c, h), r.get(w, c, check=lambda answer: _is_typed(answer, h))]
            for content, headers in ((FIRST, JSON), (b"text \xc3\xbc", TEXT), (bytes(range(256)), {"Content-Type": "application/octet-stream"}),
                                     (b"", TEXT), (b"{not json", TEXT), (b"[1, 2]", JSON)))),
        row("Communication 2.2", f"{name}: PUT takes the place of what was there",
            lambda w: [r.put(w), r.ask("PUT", w, 204, TEXT | matching, b"other"), r.get(w, b"other", check=lambda answer: _is_typed(answer, TEXT))]),
        row(number["get"], f"{name}: an unknown document is 404", lambda w: [r.get(w, None)]),
        row("XAPI-00126", f"{name}: HEAD answers as GET does, without a body", lambda w: [
            r.put(w), Ask("HEAD", r.path, 200, r.params(w), check=lambda answer: _is_head(answer)), Ask("HEAD", r.path, 404, r.params(w, "2"), check=is_empty)]),
        row(number["list"], f"{name}: GET without an id lists the ids", lambda w: [
            r.listed(w), r.put(w), r.put(w, document="2"), r.put(w + "other"), r.listed(w, "1", "2")]),
        row(number["since"], f"{name}: since lists what was stored later", lambda w: [
            r.put(w), r.listed(w, "1", since="2001-01-01T00:00:00Z"), r.listed(w, since="2999-01-01T00:00:00Z")]),
        row(number["bad since"], f"{name}: since is a timestamp", *(
            lambda w, t=text: [Ask("GET", r.path, 400, r.holder(w) | {"since": t})] for text in ("", "x", "yesterday", "22/11/2026"))),
        row(number["delete"], f"{name}: DELETE takes a document away and answers 204", lambda w: [
            r.put(w), r.put(w, document="2"), r.ask("DELETE", w, 204, matching), r.get(w, None), r.get(w, FIRST, "2"), r.listed(w, "2")]),
        row(number["no id"], f"{name}: PUT and POST name the document", *r.without(r.id_name, "PUT", "POST", *(() if r is STATE else ("DELETE",)))),
        row(number["post"], f"{name}: POST answers 204", lambda w: [r.ask("POST", w, 204, JSON | NEW, FIRST), r.get(w)]),
        row(number["new post"], f"{name}: POST of what is not there stores it, of any type", lambda w: [
            r.ask("POST", w, 204, TEXT, b"text"), r.get(w, b"text")]),
        row(number["merge"], f"{name}: POST of JSON to JSON joins them, one level deep", lambda w: [
            r.put(w), r.ask("POST", w, 204, JSON | matching), Ask("GET", r.path, 200, r.params(w), check=_merged)]),
        row(number["not json"], f"{name}: nothing is joined with what is no JSON", lambda w: [
            r.put(w, b"text", TEXT), r.ask("POST", w, 400, JSON | {"If-Match": etag_of(b"text")}), r.get(w, b"text")],
            lambda w: [r.put(w), r.ask("POST", w, 400, TEXT | matching, b"text"), r.get(w)]),
        row(number["bad json"], f"{name}: what says it is JSON is JSON where it is joined", *(
            lambda w, c=content: [r.put(w), r.ask("POST", w, 400, JSON | matching, c), r.get(w)] for content in (b"{", b"{'a': 1}", b"text"))),
        row(number["no object"], f"{name}: only objects are joined", *(
            lambda w, c=content: [r.put(w), r.ask("POST", w, 400, JSON | matching, c), r.get(w)] for content in (b"[1]", b'"text"', b"1", b"null")),
            lambda w: [r.put(w, b"[1]"), r.ask("POST", w, 400, JSON | {"If-Match": etag_of(b"[1]")}), r.get(w, b"[1]")]),
        row("Communication 3.1", f"{name}: PUT with an If-Match that does not hold changes nothing and gets 412", lambda w: [
            r.put(w), r.ask("PUT", w, 412, JSON | {"If-Match": etag_of(b"other")}), r.get(w), r.ask("PUT", w, 204, JSON | matching), r.get(w, SECOND)]),
        row("Communication 3.1", f"{name}: PUT with If-None-Match: * makes new documents only", lambda w: [
            r.put(w), r.ask("PUT", w, 412, JSON | NEW), r.get(w)]),
        row("Communication 3.1", f"{name}: POST and DELETE with an If-Match that does not hold change nothing and get 412", lambda w: [
            r.put(w), r.ask("POST", w, 412, JSON | {"If-Match": etag_of(b"other")}), r.ask("DELETE", w, 412, {"If-Match": etag_of(b"other")}), r.get(w)]),
        row("Communication 3.1", f"{name}: PUT over a document without a header", lambda w: [
            r.put(w), r.ask("PUT", w, {ONE: 204 if r is STATE else 409, TWO: 409}), r.listed(w, "1")]),
        row("Communication 3.1", f"{name}: PUT of a new document without a header", lambda w: [
            r.ask("PUT", w, {ONE: 400 if r.needs_header else 204, TWO: 204})]),
        row("2.0 4.1.6", f"{name}: the answer says when the document was last changed", lambda w: [
            r.put(w), Ask("GET", r.path, 200, r.params(w), check=has("Last-Modified", HTTP_DATE))], only=TWO),
        row("XAPI-00324", f"{name}: an unknown parameter is refused", *r.with_("foo", "1")),
        row("XAPI-00325", f"{name}: a parameter is written as the text writes it", *r.with_(r.id_name.title(), "x"), *r.with_(r.id_name.upper(), "x")),
        row("XAPI-00335", f"{name}: who does not say who he is gets 401", lambda w: [Ask("GET", r.path, 401, r.params(w), headers=NO_AUTH)]),
        row("XAPI-00321", f"{name}: a request without a version is refused", lambda w: [Ask("GET", r.path, 400, r.params(w), headers={VERSION: None})]),
    ]  # fmt: skip
    if _names(r, "agent"):
        made.append(row(number["bad agent"], f"{name}: agent is an Agent in JSON", *r.with_("agent", *BAD_AGENTS)))
        made.append(
            row(
                number["no agent"],
                f"{name}: agent is required",
                *r.without("agent", "GET", "PUT", "POST", "DELETE"),
            )
        )
    if _names(r, "activityId"):
        made.append(
            row("XAPI-00012", f"{name}: activityId is an IRI", *r.with_("activityId", "", "x", "example.org/a"))
        )
        made.append(
            row(
                number["no activity"],
                f"{name}: activityId is required",
                *r.without("activityId", "GET", "PUT", "POST", "DELETE"),
            )
        )
    return made


def _is_typed(answer: httpx2.Response, headers: Mapping[str, str]) -> None:
    assert answer.headers["Content-Type"] == headers["Content-Type"]


def _is_head(answer: httpx2.Response) -> None:
    assert answer.content == b""
    assert answer.headers["ETag"] == etag_of(FIRST)


# --- state alone -------------------------------------------------------------------------------------------------


def _in(word: str, registration: str) -> Params:
    return STATE.params(word) | {"registration": uuid_of(registration)}


def _state(method: str, word: str, params: Params, status: int, content: bytes | None = None) -> Ask:
    def check(answer: httpx2.Response) -> None:
        if method == "GET" and status == 200:
            assert answer.content == content

    return Ask(
        method,
        STATE.path,
        status,
        params,
        content=content if method != "GET" else None,
        headers=JSON if method == "PUT" else {},
        check=check,
    )


STATE_ONLY = [
    row("XAPI-00218", "state: a registration has documents of its own", lambda w: [
        _state("PUT", w, STATE.params(w), 204, b"1"), _state("PUT", w, _in(w, w), 204, b"2"), _state("PUT", w, _in(w, w + "b"), 204, b"3"),
        _state("GET", w, STATE.params(w), 200, b"1"), _state("GET", w, _in(w, w), 200, b"2"), _state("GET", w, _in(w, w + "b"), 200, b"3"),
        _state("DELETE", w, _in(w, w), 204), _state("GET", w, _in(w, w), 404), _state("GET", w, _in(w, w + "b"), 200, b"3"), _state("GET", w, STATE.params(w), 200, b"1")]),
    row("XAPI-00200", "state: registration is a UUID", *STATE.with_("registration", "", "x", "16fd2706")),
    row("XAPI-00194", "state: DELETE without a stateId takes them all away", lambda w: [
        STATE.put(w), STATE.put(w, document="2"), STATE.put(w + "other"), Ask("DELETE", STATE.path, 204, STATE.holder(w)), STATE.listed(w), STATE.listed(w + "other", "1")]),
    row("Communication 2.3", "state: of another person or Activity there is nothing to see", lambda w: [
        STATE.put(w), Ask("GET", STATE.path, 404, STATE.params(w) | {"agent": json.dumps(ADA)}), Ask("GET", STATE.path, 404, STATE.params(w) | {"activityId": "https://example.org/other"})]),
    row("Communication 2.3", "state: PUT and POST need no header in 1.0.3", lambda w: [
        STATE.ask("PUT", w, 204, JSON, FIRST), STATE.ask("PUT", w, 204), STATE.ask("POST", w, 204, JSON, FIRST), STATE.ask("DELETE", w, 204, {})], only=ONE),
]  # fmt: skip

# --- Agents and Activities ---------------------------------------------------------------------------------------


def _person(**parts: list[Any]) -> Check:
    def check(answer: httpx2.Response) -> None:
        person = answer.json()
        assert person.pop("objectType") == "Person"
        assert set(person) <= {"name", "mbox", "mbox_sha1sum", "openid", "account"}
        assert all(isinstance(value, list) for value in person.values())
        for name, value in parts.items():
            assert set(map(str, person.get(name, []))) >= set(map(str, value))

    return check


IDENTIFIED: list[Json] = [
    {"mbox": "mailto:nobody@example.org"}, {"mbox_sha1sum": "ab" * 20}, {"openid": "https://example.org/nobody"},
    {"account": {"homePage": "https://lms.example.org", "name": "nobody"}},
]  # fmt: skip


def _definition(**parts: Any) -> Check:
    def check(answer: httpx2.Response) -> None:
        definition = answer.json()["definition"]
        assert {name: definition.get(name) for name in parts} == parts

    return check


def _activity(word: str, **definition: Any) -> Json:
    return {"objectType": "Activity", "id": f"https://example.org/activities/{word}", "definition": definition}


RESOURCES = [
    row("XAPI-00248", "agents answers a Person, also for somebody unknown", *(
        lambda _, a=agent: [Ask("GET", "/agents", 200, {"agent": json.dumps(a)}, check=_person(**{name: [value] for name, value in a.items()}))]
        for agent in IDENTIFIED)),
    row("XAPI-00243", "the Person has what is known of him", lambda w: [
        sent(own(w, actor={"mbox": f"mailto:{w}@example.org", "name": "First"}), own(w + "2", actor={"mbox": f"mailto:{w}@example.org", "name": "Second"})),
        Ask("GET", "/agents", 200, {"agent": json.dumps({"mbox": f"mailto:{w}@example.org"})}, check=_person(name=["First", "Second"], mbox=[f"mailto:{w}@example.org"]))]),
    row("XAPI-00237", "agents needs an agent", lambda _: [Ask("GET", "/agents", 400)], *(
        lambda _, a=text: [Ask("GET", "/agents", 400, {"agent": a})] for text in BAD_AGENTS),
        lambda _: [Ask("GET", "/agents", 400, {"agent": json.dumps(ADA), "foo": "1"})]),
    row("XAPI-00251", "activities answers the Activity with what statements said of it", lambda w: [
        sent(own(w, object=_activity(w, name={"en": "One"}, type="https://example.org/types/course"))),
        Ask("GET", "/activities", 200, {"activityId": f"https://example.org/activities/{w}"}, check=_definition(name={"en": "One"}, type="https://example.org/types/course"))]),
    row("XAPI-00254", "what several statements said is joined", lambda w: [
        sent(own(w, object=_activity(w, name={"en": "One"}))), sent(own(w + "2", object=_activity(w, name={"de": "Eins"}, description={"en": "It"}))),
        Ask("GET", "/activities", 200, {"activityId": f"https://example.org/activities/{w}"}, check=_definition(name={"en": "One", "de": "Eins"}, description={"en": "It"}))]),
    row("2.0 4.1.6.4", "an unknown Activity is answered all the same", lambda w: [
        Ask("GET", "/activities", 200, {"activityId": f"https://example.org/unknown/{w}"}, check=equals(id=f"https://example.org/unknown/{w}"))], only=TWO),
    row("XAPI-00250", "activities needs an activityId", lambda _: [Ask("GET", "/activities", 400)], *(
        lambda _, a=text: [Ask("GET", "/activities", 400, {"activityId": a})] for text in ("", "x", "example.org/a"))),
    row("XAPI-00126", "agents and activities: HEAD answers as GET does, without a body", lambda w: [
        Ask("HEAD", "/agents", 200, {"agent": json.dumps(ADA)}, check=is_empty), sent(own(w)),
        Ask("HEAD", "/activities", 200, {"activityId": f"https://example.org/activities/{w}"}, check=is_empty)]),
    row("XAPI-00335", "agents and activities: who does not say who he is gets 401", lambda _: [
        Ask("GET", "/agents", 401, {"agent": json.dumps(ADA)}, headers=NO_AUTH), Ask("GET", "/activities", 401, {"activityId": "https://example.org/a"}, headers=NO_AUTH)]),
]  # fmt: skip
