"""The document resources over HTTP: what is stored comes back, and who changes what hears of each other."""

import json
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import pytest

from lrs.domain.access import Scope
from lrs.domain.documents import DOCUMENT_BYTES_MAX, etag_of
from tests.kept import BASES, KINDS, REGISTRATION, VERSIONS, Kept, Resource, names
from tests.subjects import GRACE, PLACEHOLDER, TENANT, Json, inside

WORD = "Archaeopteryx"
NO_TAG = '"0000000000000000000000000000000000000000"'
DOCUMENT = {"page": 1, "of": {"a": 1}}


@pytest.fixture(params=[(base, version) for base in BASES for version in VERSIONS], ids=lambda one: "-".join(one))
def spoken(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A base path, and the version that is spoken there."""
    base, version = request.param
    return base, version


# --- as it was sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_lives_its_life(kept: Kept, kind: str, spoken: tuple[str, str]) -> None:
    resource = kept[kind].at(*spoken)
    assert resource.get(kept.http, "one").status_code == 404
    assert resource.ids(kept.http) == []
    stored = resource.put(kept.http, "one", DOCUMENT)
    assert (stored.status_code, stored.content, stored.headers["X-Experience-API-Version"]) == (
        204,
        b"",
        spoken[1],
    )
    found = resource.get(kept.http, "one")
    assert (found.status_code, found.json()) == (200, DOCUMENT)
    assert found.headers["content-type"] == "application/json"
    assert found.headers["etag"] == etag_of(json.dumps(DOCUMENT).encode())
    assert resource.ids(kept.http) == ["one"]
    assert resource.post(kept.http, "one", {"page": 2}).status_code == 204
    assert resource.get(kept.http, "one").json() == {"page": 2, "of": {"a": 1}}
    replaced = resource.put(kept.http, "one", b"\x00\xff", If_Match=resource.get(kept.http, "one").headers["etag"])
    assert replaced.status_code == 204
    assert resource.get(kept.http, "one").content == b"\x00\xff"
    assert resource.delete(kept.http, "one").status_code == 204
    assert resource.get(kept.http, "one").status_code == 404
    assert resource.delete(kept.http, "one").status_code == 204
    assert resource.put(kept.http, "one", {"again": True}).status_code == 204
    assert resource.get(kept.http, "one").json() == {"again": True}


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        ("application/json; charset=UTF-8", "application/json; charset=UTF-8"),
        ("text/plain", "text/plain"),
        ("Image/PNG", "Image/PNG"),
        ('multipart/mixed; boundary="x"', 'multipart/mixed; boundary="x"'),
        ("whatever this is", "whatever this is"),
        ("", "application/octet-stream"),
    ],
)
def test_content_comes_back_with_its_type(kept: Kept, sent: str, came: str) -> None:
    data = bytes(range(256))
    assert kept.state.put(kept.http, "any", data, Content_Type=sent).status_code == 204
    found = kept.state.get(kept.http, "any")
    assert (found.content, found.headers["content-type"]) == (data, came)
    assert found.headers["etag"] == etag_of(data)


@pytest.mark.parametrize("size", [0, 1, 100_000, DOCUMENT_BYTES_MAX])
def test_a_document_may_have_any_size_to_the_limit(kept: Kept, size: int) -> None:
    data = b"\xf0" * size
    assert kept.state.put(kept.http, "large", data).status_code == 204
    assert kept.state.get(kept.http, "large").content == data


def test_a_document_beyond_the_limit_is_refused(kept: Kept) -> None:
    answer = kept.state.put(kept.http, "large", b" " * (DOCUMENT_BYTES_MAX + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "limit-exceeded")
    assert kept.state.get(kept.http, "large").status_code == 404


@pytest.mark.parametrize(
    "document_id", ["a", "ü ☃ \U0001f600", "a/b?c=d&e", "\x00", " ", "x" * 2_048, "null", '"']
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_id_is_any_text(kept: Kept, kind: str, document_id: str) -> None:
    resource = kept[kind]
    assert resource.put(kept.http, document_id, DOCUMENT).status_code == 204
    assert resource.put(kept.http, document_id + "'" if len(document_id) < 9 else "other", {}).status_code == 204
    assert resource.get(kept.http, document_id).json() == DOCUMENT
    assert document_id in resource.ids(kept.http)
    assert resource.delete(kept.http, document_id).status_code == 204
    assert document_id not in resource.ids(kept.http)


def test_head_is_get_without_a_body(kept: Kept) -> None:
    kept.state.put(kept.http, "one", DOCUMENT)
    for document_id in ("one", None):
        got, head = (kept.state.ask(kept.http, method, document_id) for method in ("GET", "HEAD"))
        assert head.status_code == 200
        assert {**head.headers} == {**got.headers}
    assert kept.state.ask(kept.http, "HEAD", "two").status_code == 404


def test_what_comes_back_is_never_run_nor_kept_by_a_browser(kept: Kept) -> None:
    kept.state.put(kept.http, "page", b"<script>alert(1)</script>", Content_Type="text/html")
    for document_id in ("page", None, "none"):
        headers = kept.state.ask(kept.http, "GET", document_id).headers
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


# --- preconditions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["state", "agent", "activity"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_put_without_a_precondition_is_what_the_version_says(kept: Kept, kind: str, version: str) -> None:
    resource = kept[kind].at("/xapi", version)
    first = resource.ask(kept.http, "PUT", "one", content=b"{}")
    assert first.status_code == (400 if kind != "state" and version == "1.0.3" else 204)
    resource.post(kept.http, "one", {"a": 1})
    second = resource.ask(kept.http, "PUT", "one", content=b'{"b":2}')
    if kind == "state" and version == "1.0.3":
        assert second.status_code == 204
        assert resource.get(kept.http, "one").json() == {"b": 2}
    else:
        assert (second.status_code, second.json()["code"]) == (409, "document-conflict")
        assert "If-Match" in second.json()["message"]
        assert resource.get(kept.http, "one").json() == {"a": 1}


@pytest.mark.parametrize("kind", ["state", "agent", "activity"])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_precondition_that_does_not_hold_changes_nothing(kept: Kept, kind: str, method: str) -> None:
    resource = kept[kind]
    for headers in ({"If-Match": "*"}, {"If-Match": NO_TAG}):
        content = None if method == "DELETE" else b"{}"
        answer = resource.ask(kept.http, method, "none", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    resource.put(kept.http, "one", DOCUMENT)
    etag = resource.get(kept.http, "one").headers["etag"]
    for headers in ({"If-Match": NO_TAG}, {"If-None-Match": "*"}, {"If-None-Match": etag}):
        content = None if method == "DELETE" else b'{"b":2}'
        assert resource.ask(kept.http, method, "one", content=content, headers=headers).status_code == 412
    assert resource.get(kept.http, "one").json() == DOCUMENT
    assert resource.ids(kept.http) == ["one"]
    for headers in ({"If-Match": etag}, {"If-None-Match": NO_TAG}):
        content = None if method == "DELETE" else b'{"b":2}'
        assert resource.ask(kept.http, method, "one", content=content, headers=headers).status_code == 204
        resource.post(kept.http, "one", DOCUMENT)  # the same bytes, or new ones for the second round


def test_a_failed_precondition_about_somebody_unknown_makes_nobody_known(kept: Kept) -> None:
    acme = kept.acme
    assert kept.state.put(acme.http, "one", {}, If_Match="*").status_code == 412
    assert kept.state.delete(acme.http, "one").status_code == 204
    assert kept.state.delete(acme.http).status_code == 204
    assert kept.state.ids(acme.http) == []
    assert acme.subject(kept.who) is None


def test_who_has_the_document_already_is_told_so(kept: Kept) -> None:
    kept.state.put(kept.http, "one", DOCUMENT)
    etag = kept.state.get(kept.http, "one").headers["etag"]
    for method in ("GET", "HEAD"):
        same = kept.state.ask(kept.http, method, "one", headers={"If-None-Match": etag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert kept.state.get(kept.http, "one", If_None_Match=NO_TAG).status_code == 200
    assert kept.state.get(kept.http, "one", If_Match=etag).status_code == 200
    assert kept.state.get(kept.http, "one", If_Match=NO_TAG).status_code == 412


def test_a_header_may_be_sent_in_several_lines(kept: Kept) -> None:
    kept.state.put(kept.http, "one", DOCUMENT)
    etag = kept.state.get(kept.http, "one").headers["etag"]
    lines = [("If-Match", NO_TAG), ("If-Match", etag), ("X-Experience-API-Version", "2.0.0")]
    params = {**kept.state.context, "stateId": "one"}
    answer = kept.http.put("/xapi/activities/state", params=params, content=b"{}", headers=lines)
    assert answer.status_code == 204


# --- merging --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["state", "agent", "activity"])
@pytest.mark.parametrize(
    ("there", "sent"),
    [
        ((b"{}", "application/json"), (b"{}", "text/plain")),
        ((b"{}", "text/plain"), (b"{}", "application/json")),
        ((b"[]", "application/json"), (b"{}", "application/json")),
        ((b"{}", "application/json"), (b"[]", "application/json")),
        ((b"{}", "application/json"), (b'{"a":', "application/json")),
        ((b"no json", "application/json"), (b"{}", "application/json")),
    ],
)
def test_what_can_not_be_merged_is_left_alone(
    kept: Kept, kind: str, there: tuple[bytes, str], sent: tuple[bytes, str]
) -> None:
    resource = kept[kind]
    stored = {"Content-Type": there[1], "If-None-Match": "*"}
    assert resource.ask(kept.http, "PUT", "one", content=there[0], headers=stored).status_code == 204
    answer = resource.post(kept.http, "one", sent[0], Content_Type=sent[1])
    assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid")
    assert resource.get(kept.http, "one").content == there[0]


# --- lists ----------------------------------------------------------------------------------------------------


def test_a_list_is_in_the_order_of_storing_and_says_when_the_last_was(kept: Kept) -> None:
    for name in ("b", "a", "c"):
        kept.agent.put(kept.http, name, {"n": name})
    kept.agent.post(kept.http, "b", {"n": 2})
    answer = kept.agent.ask(kept.http, "GET")
    assert answer.json() == ["a", "c", "b"]
    assert answer.headers["last-modified"] == kept.agent.get(kept.http, "b").headers["last-modified"]


@pytest.mark.parametrize("kind", KINDS)
def test_since_leaves_out_what_was_not_stored_later(kept: Kept, kind: str) -> None:
    resource = kept[kind]
    resource.put(kept.http, "old", {})
    between = time.time()
    time.sleep(0.01)
    resource.put(kept.http, "new", {})
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(between)) + f".{int(between % 1 * 1e6):06}Z"
    assert resource.ids(kept.http, since=at) == ["new"]
    assert resource.ids(kept.http, since="2026-01-01T00:00:00Z") == ["old", "new"]
    assert resource.ids(kept.http, since="2200-01-01T00:00:00+02:00") == []
    assert resource.ask(kept.http, "GET", more={"since": "yesterday"}).status_code == 400
    assert (
        resource.ask(kept.http, "GET", "old", more={"since": at}).status_code == 200
    )  # no requirement: one document is asked for


def test_a_registration_is_a_context_of_its_own_and_all_are_listed_together(kept: Kept) -> None:
    other = kept.state.of(registration=str(uuid4()))
    for resource, value in ((kept.state, 1), (kept.session, 2), (other, 3)):
        resource.put(kept.http, "same", {"n": value})
    kept.session.put(kept.http, "more", {})
    assert [one.get(kept.http, "same").json()["n"] for one in (kept.state, kept.session, other)] == [1, 2, 3]
    assert sorted(kept.state.ids(kept.http)) == ["more", "same", "same", "same"]
    assert kept.session.ids(kept.http) == ["same", "more"]
    assert kept.state.of(registration=REGISTRATION.upper()).ids(kept.http) == ["same", "more"]
    assert other.delete(kept.http).status_code == 204
    assert sorted(kept.state.ids(kept.http)) == ["more", "same", "same"]
    assert kept.state.delete(kept.http).status_code == 204
    assert kept.state.ids(kept.http) == kept.session.ids(kept.http) == []


def test_all_documents_of_a_context_are_deleted_and_no_others(kept: Kept) -> None:
    near = (kept.state.of(activityId=f"{kept.course}/2"), kept.state.of(agent=names(GRACE)))
    for number in range(12):
        kept.state.put(kept.http, str(number), {"n": number})
    for resource in (*near, kept.agent, kept.activity):
        resource.put(kept.http, "1", {})
    assert kept.state.delete(kept.http).status_code == 204
    assert kept.state.ids(kept.http) == []
    assert [one.ids(kept.http) for one in (*near, kept.agent, kept.activity)] == [["1"]] * 4
    for resource in (kept.agent, kept.activity):
        assert resource.delete(kept.http).status_code == 400
    assert kept.state.ask(kept.http, "DELETE", headers={"If-Match": "*"}).status_code == 400


def test_more_documents_than_a_page_are_listed_and_deleted_whole(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrs.documenting.reading.PAGE", 3)
    wanted = [str(number) for number in range(10)]
    for name in wanted:
        kept.state.put(kept.http, name, {})
    assert kept.state.ids(kept.http) == wanted
    assert kept.state.delete(kept.http).status_code == 204
    assert kept.state.ids(kept.http) == []


def test_last_modified_is_when_it_was_stored(kept: Kept) -> None:
    before = int(time.time())
    kept.state.put(kept.http, "one", {})
    first = parsedate_to_datetime(kept.state.get(kept.http, "one").headers["last-modified"]).timestamp()
    assert before <= first <= time.time()


# --- what is refused ------------------------------------------------------------------------------------------

REQUIRED = {
    "state": ("activityId", "agent"),
    "agent": ("agent",),
    "activity": ("activityId",),
}


def no_agents(who: Json) -> list[Any]:
    """What is no Agent, or names more than one person, or nobody."""
    group = {"objectType": "Group", "member": [who]}
    two = who | {"openid": "http://x.example.org"}
    return [{}, {"name": WORD}, [who], two, {"mbox": WORD}, group, who | {WORD: 1}, None, True]


@pytest.mark.parametrize("kind", REQUIRED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_parameters_are_checked(kept: Kept, kind: str, method: str) -> None:
    resource = kept[kind]
    content = b"{}" if method in {"PUT", "POST"} else None
    fewer = [{k: v for k, v in resource.context.items() if k != name} for name in REQUIRED[kind]]
    bad: list[tuple[Resource, str | None, dict[str, str]]] = [
        *((replace(resource, context=context), "one", {}) for context in fewer),
        *((resource.of(**{name: wrong}), "one", {}) for name in REQUIRED[kind] for wrong in (WORD, "")),
        *((resource, wrong, {}) for wrong in ("", "x" * 2_049, "é" * 1_025)),
        (resource, "one", {WORD: WORD}),
        (resource, "one", {"registration": "no-uuid"}),
    ]
    if method not in {"GET", "HEAD"}:
        bad.append((resource, "one", {"since": "2026-01-01T00:00:00Z"}))
    if "agent" in REQUIRED[kind]:
        bad += [(resource.of(agent=json.dumps(one)), "one", {}) for one in no_agents(kept.who)]
        bad.append((resource.of(agent=names(kept.who | {"name": "x" * 16_384})), "one", {}))
    if "activityId" in REQUIRED[kind]:
        bad.append((resource.of(activityId=f"{kept.course}/{'x' * 2_048}"), "one", {}))
    if kind != "state":
        bad.append((resource, "one", {"registration": REGISTRATION}))
        bad += [] if method in {"GET", "HEAD"} else [(resource, None, {})]
    for asked, document_id, more in bad:
        answer = asked.ask(kept.http, method, document_id, content=content, more=more)
        assert answer.status_code == 400, (asked, document_id, more)
        assert WORD not in answer.text
    twice: list[tuple[str, Any]] = [*resource.context.items(), (resource.id, "one"), (resource.id, "two")]
    headers = {"Content-Type": "application/json"}
    answer = kept.http.request(method, f"/xapi{resource.path}", params=twice, content=content, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Type": "text/" + "x" * 600}])
def test_what_could_not_come_back_as_it_was_sent_is_refused(kept: Kept, headers: dict[str, str]) -> None:
    assert kept.state.ask(kept.http, "PUT", "one", content=b"{}", headers=headers).status_code == 400


def test_a_version_has_to_be_named(kept: Kept) -> None:
    http = inside(kept.system).http
    del http.headers["X-Experience-API-Version"]
    for base, label in (("/xapi", "2.0.0"), ("/xapi/1.0.3", "1.0.3")):
        for path in ("/activities/state", "/agents/profile", "/activities/profile", "/agents", "/activities"):
            answer = http.get(base + path)
            assert (answer.status_code, answer.headers["X-Experience-API-Version"]) == (400, label)


def test_the_placeholder_of_the_erased_keeps_no_documents(kept: Kept) -> None:
    nobody = kept.state.of(agent=names(PLACEHOLDER))
    assert nobody.put(kept.http, "one", {}).status_code == 400
    assert nobody.get(kept.http, "one").status_code == 404
    assert nobody.ids(kept.http) == []


# --- who may --------------------------------------------------------------------------------------------------

READS = {
    "state": {Scope.STATE, Scope.ALL_READ, Scope.ALL},
    "agent": {Scope.PROFILE, Scope.ALL_READ, Scope.ALL},
    "activity": {Scope.PROFILE, Scope.ALL_READ, Scope.ALL},
}


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_reaches_as_far_as_it_says(kept: Kept, scope: Scope) -> None:
    mine = inside(kept.system, TENANT, scope).http
    for kind, reads in READS.items():
        resource, may_read, may_write = kept[kind], scope in reads, scope in reads - {Scope.ALL_READ}
        assert resource.get(mine, "one").status_code == (404 if may_read else 403)
        assert resource.ask(mine, "GET").status_code == (200 if may_read else 403)
        assert resource.put(mine, "one", {}).status_code == (204 if may_write else 403)
        assert resource.post(mine, "one", {}).status_code == (204 if may_write else 403)
        assert resource.delete(mine, "one").status_code == (204 if may_write else 403)
        assert resource.delete(mine).status_code == (403 if not may_write else 204 if kind == "state" else 400)
    may = scope in {Scope.STATEMENTS_READ, Scope.ALL_READ, Scope.ALL}
    assert mine.get("/xapi/agents", params={"agent": names(kept.who)}).status_code == (200 if may else 403)
    assert mine.get("/xapi/activities", params={"activityId": kept.course}).status_code == (200 if may else 403)


def test_another_tenants_documents_are_not_there(kept: Kept) -> None:
    kept.system.tenants.create("globex")
    acme, globex = kept.http, inside(kept.system, "globex").http
    for resource in (kept[kind] for kind in KINDS):
        resource.put(acme, "one", {"of": "acme"})
        foreign, unknown = resource.get(globex, "one"), resource.get(globex, "two")
        assert (foreign.status_code, foreign.text) == (unknown.status_code, unknown.text) == (404, unknown.text)
        assert resource.ids(globex) == []
        assert resource.put(globex, "one", {"of": "globex"}).status_code == 204
        assert resource.get(acme, "one").json() == {"of": "acme"}


def test_an_identified_group_keeps_documents_and_spellings_of_one_person_meet(kept: Kept) -> None:
    group = {"objectType": "Group", "account": {"homePage": "https://x.example.org", "name": "team"}}
    kept.state.of(agent=names(group)).put(kept.http, "one", {"of": "group"})
    kept.state.put(kept.http, "one", {"of": "ada"})
    digest = "2f8d3a5f7a28d2bfd5e1a77b9b5d9a1c6d5b9b8a"
    assert kept.state.of(agent=names({"mbox_sha1sum": digest})).ids(kept.http) == []
    assert kept.state.of(agent=names({"mbox": kept.who["mbox"]})).get(kept.http, "one").json() == {"of": "ada"}
    assert kept.state.of(agent=names(group | {"name": "The Team"})).get(kept.http, "one").json() == {"of": "group"}
