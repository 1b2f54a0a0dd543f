"""The shapes of /dsar and of POST /llm/exchanges that programs rely on, and what is refused there."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from uuid import UUID, uuid4

import httpx2
import pytest

from lrs.bootstrap import System
from tests.subjects import ADA, COURSE, GRACE, Inside, Json, agent, exchange, inside, statement

SECRET = "Quetzalcoatlus"


@pytest.fixture
def acme(system: System) -> Inside:
    """The tenant acme, asked in this process."""
    return inside(system)


def check_problem(answer: httpx2.Response, status: int, code: str) -> None:
    """A problem document (RFC 9457) with this code, and nothing of what was sent."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "code"}
    assert (problem["type"], problem["status"], problem["code"]) == (f"urn:lethe:problem:{code}", status, code)
    assert SECRET not in answer.text


# --- opening --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["export", "erase"])
@pytest.mark.parametrize("named", [{"agent": ADA}, {"agents": [ADA, GRACE]}, {"agent": ADA, "reason": "asked"}])
def test_a_request_is_accepted_with_its_id_and_when_it_is_due(acme: Inside, kind: str, named: Json) -> None:
    acme.post(statement(ADA))
    answer = acme.http.post(f"/dsar/{kind}", json=named)
    assert answer.status_code == 202
    opened = answer.json()
    assert opened.keys() >= {"id", "kind", "status", "requested_at", "due_at"}
    assert str(UUID(opened["id"])) == opened["id"]
    assert (opened["kind"], opened["status"], opened["known"]) == (kind, "open", True)
    requested, due = (datetime.fromisoformat(opened[name]) for name in ("requested_at", "due_at"))
    assert due - requested == timedelta(days=30)
    assert requested.utcoffset() == timedelta(0)


def test_a_request_tells_how_far_it_has_come(acme: Inside) -> None:
    acme.post(statement(ADA))
    opened = acme.request("erase", ADA)
    assert acme.state(opened) == opened
    acme.run()
    state = acme.state(opened)
    assert {name: state[name] for name in ("id", "kind", "requested_at", "due_at")} == {
        name: opened[name] for name in ("id", "kind", "requested_at", "due_at")
    }
    assert state["status"] == "done"
    assert [one["status"] for one in state["history"]] == ["running", "done"]
    assert state["detail"] == {"subjects_erased": 1}
    assert acme.http.get(f"/dsar/{opened['id'].upper()}").json() == state


def test_a_status_is_one_of_those_that_programs_know(acme: Inside) -> None:
    acme.post(statement(ADA))
    export, erasure = acme.request("export", ADA), acme.request("erase", ADA)
    acme.system.rights.run_next("acme", UUID(erasure["id"]))
    acme.run()
    assert acme.state(erasure)["status"] == "done"
    assert acme.state(export)["status"] == "refused"
    assert acme.state(export)["detail"]["code"] == "not-found"
    assert acme.http.get(f"/dsar/{export['id']}/package").status_code == 404


BAD_BODIES: list[object] = [
    {},
    [],
    None,
    SECRET,
    {"agent": ADA, "agents": [ADA]},
    {"agents": []},
    {"agents": [ADA] * 21},
    {"agent": SECRET},
    {"agents": [SECRET]},
    {"agent": {"name": SECRET}},
    {"agent": {"mbox": SECRET}},
    {"agent": {**ADA, "openid": f"http://{SECRET}.example.org"}},
    {"agent": {**ADA, SECRET: 1}},
    {"agent": {"objectType": "Group", "member": [ADA]}},
    {"agents": [ADA, {"objectType": "Group", "member": [ADA]}]},
    {"agent": ADA, "reason": 7},
    {"agent": ADA, "reason": SECRET * 500},
    {"agent": ADA, SECRET: SECRET},
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: json.dumps(body)[:40])
@pytest.mark.parametrize("kind", ["export", "erase"])
def test_a_bad_body_is_refused_and_not_repeated(acme: Inside, kind: str, body: object) -> None:
    answer = acme.http.post(f"/dsar/{kind}", json=body)
    code = answer.json()["code"]
    assert code in {"request-invalid", "statement-invalid"}
    check_problem(answer, 400, code)
    assert acme.http.get("/dsar").json()["requests"] == []


def test_what_is_no_json_is_refused(acme: Inside) -> None:
    check_problem(
        acme.http.post("/dsar/erase", content=SECRET, headers={"Content-Type": "application/json"}),
        400,
        "request-invalid",
    )
    check_problem(acme.http.post("/dsar/erase", data={"agent": SECRET}), 400, "request-invalid")
    large = b'{"reason": "' + b"x" * 17_000_000 + b'"}'
    answer = acme.http.post("/dsar/erase", content=large, headers={"Content-Type": "application/json"})
    check_problem(answer, 413, "limit-exceeded")


# --- the list -------------------------------------------------------------------------------------------------


def test_requests_are_listed_newest_first_in_pages(acme: Inside) -> None:
    ids = [acme.request("export" if n % 2 else "erase", ADA)["id"] for n in range(5)][::-1]
    listed = acme.http.get("/dsar").json()
    assert [one["id"] for one in listed["requests"]] == ids
    assert listed["more"] is None
    assert listed["requests"][0].keys() >= {"id", "kind", "status", "requested_at"}
    seen: list[str] = []
    more: str | None = ""
    while more is not None:
        page = acme.http.get("/dsar", params={"limit": 2} | ({"after": more} if more else {})).json()
        assert len(page["requests"]) <= 2
        seen += [one["id"] for one in page["requests"]]
        more = page["more"]
    assert seen == ids
    assert acme.http.get("/dsar", params={"after": str(uuid4())}).json() == {"requests": [], "more": None}


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "1001"}, {"limit": SECRET}, {"after": SECRET}])
def test_a_list_is_refused_for_parameters_that_can_not_be_read(acme: Inside, query: dict[str, str]) -> None:
    check_problem(acme.http.get("/dsar", params=query), 400, "request-invalid")


# --- packages and certificates --------------------------------------------------------------------------------


def test_a_package_is_a_zip_of_two_files_once_the_export_is_done(acme: Inside) -> None:
    acme.post(statement(ADA))
    opened = acme.request("export", ADA)
    check_problem(acme.http.get(f"/dsar/{opened['id']}/package"), 404, "not-found")
    acme.run()
    answer = acme.http.get(f"/dsar/{opened['id']}/package")
    assert answer.headers["content-disposition"] == f'attachment; filename="export-{opened["id"]}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    assert sorted(acme.package(opened).namelist()) == ["export.json", "index.html"]
    held = acme.exported(opened)
    assert held.keys() >= {"format", "agents", "statements", "llm_exchanges", "report_rows", "mentioned_in"}
    assert acme.certificates(opened) == []


def test_an_erasure_has_certificates_and_no_package(acme: Inside) -> None:
    acme.post(statement(ADA))
    opened = acme.request("erase", ADA)
    assert acme.http.get(f"/dsar/{opened['id']}/certificates").json() == {"certificates": []}
    acme.run()
    (proof,) = acme.certificates(opened)
    page = acme.http.get(f"/dsar/{opened['id']}/certificates", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert proof["signature"] in unescape(page.text)
    check_problem(acme.http.get(f"/dsar/{opened['id']}/package"), 404, "not-found")


# --- who may --------------------------------------------------------------------------------------------------

PARTS = ("", "/certificates", "/package")


def test_another_tenants_request_is_as_unknown_as_one_that_never_was(acme: Inside, system: System) -> None:
    acme.post(statement(ADA))
    export, erasure = acme.ran("export", ADA), acme.request("erase", GRACE)
    system.tenants.create("globex")
    globex = inside(system, "globex")
    for part in PARTS:
        unknown = globex.http.get(f"/dsar/{uuid4()}{part}")
        check_problem(unknown, 404, "not-found")
        for request in (export, erasure):
            foreign = globex.http.get(f"/dsar/{request['id']}{part}")
            assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
        assert globex.http.get(f"/dsar/{SECRET}{part}").content == unknown.content
    assert globex.http.get("/dsar").json()["requests"] == []
    assert globex.request("erase", ADA)["known"] is False


def test_an_id_that_is_no_requests_is_unknown(acme: Inside) -> None:
    one = statement(ADA)
    acme.post(one)
    for stream in (one["id"], str(acme.known(ADA))):
        for part in PARTS:
            check_problem(acme.http.get(f"/dsar/{stream}{part}"), 404, "not-found")


ASK: dict[str, Callable[[httpx2.Client], httpx2.Response]] = {
    "export": lambda http: http.post("/dsar/export", json={"agent": ADA}),
    "erase": lambda http: http.post("/dsar/erase", json={"agent": ADA}),
    "list": lambda http: http.get("/dsar"),
    "get": lambda http: http.get(f"/dsar/{uuid4()}"),
    "certificates": lambda http: http.get(f"/dsar/{uuid4()}/certificates"),
    "package": lambda http: http.get(f"/dsar/{uuid4()}/package"),
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_only_a_credential_with_the_scope_dsar_is_heard(
    system: System, ask: Callable[[httpx2.Client], httpx2.Response]
) -> None:
    assert ask(inside(system, "acme", "dsar").http).status_code in {200, 202, 404}
    others = ("statements/write", "statements/read", "all/read", "reports", "llm", "admin", "define")
    check_problem(ask(inside(system, "acme", *others).http), 403, "forbidden")
    stranger = inside(system).http
    stranger.auth = (SECRET, SECRET)
    check_problem(ask(stranger), 401, "unauthenticated")


# --- exchanges ------------------------------------------------------------------------------------------------

WHOLE: Json = {
    "actor": ADA,
    "request": {
        "model": "some-model",
        "max_tokens": 100,
        "messages": [
            {"role": "user", "content": [{"type": "a-block-of-tomorrow", "deep": {"er": [1, None, True]}}]}
        ],
        "a_setting_of_tomorrow": {"x": 1.5},
    },
    "response": {"type": "message", "content": [], "usage": {"input_tokens": 1}, "news": ["\u00e4", "\U0001f600"]},
    "activity": COURSE,
    "registration": "11111111-2222-4333-8444-555555555555",
    "started_at": "2026-11-22T09:00:00Z",
    "ended_at": "2026-11-22T09:00:01.5+01:00",
}


def test_an_exchange_is_recorded_and_exported_word_for_word(acme: Inside) -> None:
    answer = acme.http.post("/llm/exchanges", json=WHOLE)
    assert answer.status_code == 201
    assert answer.json().keys() == {"id"}
    (held,) = acme.exported(acme.ran("export", ADA))["llm_exchanges"]
    assert held.pop("recorded_at")
    assert held == {**{name: value for name, value in WHOLE.items() if name != "actor"}, **answer.json()}


def test_an_error_of_the_model_is_an_exchange_too(acme: Inside) -> None:
    failed = exchange(ADA) | {"response": {"type": "error", "error": {"type": "overloaded_error"}}}
    acme.ask_model(failed)
    (held,) = acme.exported(acme.ran("export", ADA))["llm_exchanges"]
    assert held["response"] == failed["response"]


def test_the_same_exchange_twice_is_stored_once_and_another_under_its_id_is_refused(acme: Inside) -> None:
    one = exchange(ADA) | {"id": "any text will do: 7"}
    acme.ask_model(one, one)
    assert len(acme.exported(acme.ran("export", ADA))["llm_exchanges"]) == 1
    for other in ({"actor": GRACE}, {"response": {"type": "error"}}, {"activity": COURSE}):
        check_problem(acme.http.post("/llm/exchanges", json=one | other), 409, "exchange-conflict")
    assert acme.subject(agent("grace")) is None or acme.exported(acme.ran("export", GRACE))["llm_exchanges"] == []


def test_an_exchanges_id_is_no_statements_id(acme: Inside) -> None:
    one = statement(ADA)
    acme.post(one)
    acme.ask_model(exchange(ADA) | {"id": one["id"]})
    assert acme.get(one).status_code == 200
    assert len(acme.found()) == 1


def nested(levels: int) -> object:
    """Lists in lists."""
    value: object = SECRET
    for _ in range(levels):
        value = [value]
    return value


BAD_EXCHANGES: dict[str, Json] = {
    "no actor": {"actor": None},
    "a group": {"actor": {"objectType": "Group", "mbox": f"mailto:{SECRET}@example.org"}},
    "anonymous": {"actor": {"name": SECRET}},
    "no address": {"actor": {"mbox": SECRET}},
    "empty id": {"id": ""},
    "long id": {"id": SECRET * 20},
    "number as id": {"id": 7},
    "no request": {"request": None},
    "no model": {"request": {"messages": []}},
    "no messages": {"request": {"model": SECRET}},
    "messages of text": {"request": {"model": "m", "messages": [SECRET]}},
    "no response": {"response": SECRET},
    "response without type": {"response": {SECRET: SECRET}},
    "activity": {"activity": SECRET},
    "registration": {"registration": SECRET},
    "started": {"started_at": SECRET},
    "ended before the calendar": {"ended_at": "0001-01-01T00:00:00+14:00"},
    "unknown field": {SECRET: SECRET},
    "too deep": {"request": {"model": "m", "messages": [{"content": nested(250)}]}},
    "much too deep": {"response": {"type": "message", "content": nested(900)}},
}


@pytest.mark.parametrize("change", BAD_EXCHANGES.values(), ids=BAD_EXCHANGES)
def test_a_bad_exchange_is_refused_and_not_repeated(acme: Inside, change: Json) -> None:
    answer = acme.http.post("/llm/exchanges", json=exchange(ADA) | change)
    check_problem(answer, 400, answer.json()["code"])
    assert acme.rows("SELECT count(*) FROM event") == [(0,)]


@pytest.mark.parametrize("body", [[], SECRET, None, 7])
def test_what_is_no_exchange_at_all_is_refused(acme: Inside, body: object) -> None:
    check_problem(acme.http.post("/llm/exchanges", json=body), 400, "request-invalid")


def test_an_exchange_as_deep_as_allowed_is_stored_compared_and_exported(acme: Inside) -> None:
    deep = exchange(ADA) | {"response": {"type": "message", "content": nested(190)}}
    acme.ask_model(deep, deep)
    (held,) = acme.exported(acme.ran("export", ADA))["llm_exchanges"]
    assert held["response"] == deep["response"]


def test_only_a_credential_with_the_scope_llm_records_exchanges(system: System) -> None:
    assert inside(system, "acme", "llm").http.post("/llm/exchanges", json=WHOLE).status_code == 201
    others = inside(system, "acme", "statements/write", "all/read", "dsar", "reports", "admin")
    check_problem(others.http.post("/llm/exchanges", json=WHOLE), 403, "forbidden")
