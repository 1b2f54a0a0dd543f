"""The alternate request syntax of 1.0.x, CORS and OPTIONS: what browsers need."""

import base64
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import httpx2
import orjson
import pytest
from starlette.testclient import TestClient

from lrs.bootstrap import System, build
from lrs.config import Settings
from tests.places import PUBLIC_URL
from tests.subjects import ADA, GRACE, Inside, Json, inside, statement

FORM = "application/x-www-form-urlencoded"
PAGE = {"Origin": "https://course.example.org"}


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def signed(acme: Inside, **form: str) -> dict[str, str]:
    """A form with the headers in it."""
    assert isinstance(acme.http.auth, httpx2.BasicAuth)
    header = next(acme.http.auth.auth_flow(acme.http.build_request("GET", "/"))).headers["Authorization"]
    return {"Authorization": header, "X-Experience-API-Version": "1.0.3"} | form


def bare(acme: Inside) -> httpx2.Client:
    """A client that sends no credentials and no version."""
    return TestClient(acme.system.application(), raise_server_exceptions=False)


def alternate(acme: Inside, method: str, form: dict[str, str]) -> httpx2.Response:
    """Nothing but a POST of a form."""
    return bare(acme).post(f"/xapi/statements?method={method}", data=form)


def test_every_method_can_be_asked_for_by_a_form(acme: Inside) -> None:
    said = statement(ADA)
    text = orjson.dumps(said).decode()
    put = alternate(acme, "PUT", signed(acme, statementId=said["id"], content=text))
    assert (put.status_code, put.content) == (204, b"")
    other = orjson.dumps([statement(GRACE, result={"response": "+&=%ü 𝄞"})]).decode()
    posted = alternate(acme, "POST", signed(acme, content=other, **{"Content-Type": "application/json"}))
    assert posted.status_code == 200
    one = alternate(acme, "GET", signed(acme, statementId=posted.json()[0]))
    assert one.json()["result"] == {"response": "+&=%ü 𝄞"}
    head = alternate(acme, "HEAD", signed(acme, statementId=said["id"]))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Last-Modified"]
    gone = alternate(acme, "DELETE", signed(acme, statementId=said["id"]))
    assert gone.status_code == 405  # the Statement Resource has no DELETE: as if it had been sent


def test_more_of_an_alternate_get_is_an_ordinary_get(acme: Inside) -> None:
    for _ in range(3):
        acme.post(statement(ADA))
    page = alternate(acme, "GET", signed(acme, limit="2", agent=orjson.dumps(ADA).decode(), format="ids")).json()
    rest = acme.http.get(page["more"]).json()
    assert (len(page["statements"]), len(rest["statements"])) == (2, 1)
    assert "format=ids" in page["more"]
    assert "authorization" not in page["more"].lower()


def test_headers_of_the_form_win_over_those_of_the_request(acme: Inside) -> None:
    refused = alternate(acme, "GET", signed(acme) | {"X-Experience-API-Version": "0.8"})
    assert refused.status_code == 400
    bad = {"Authorization": "Basic " + base64.b64encode(b"nobody:nothing").decode()}
    assert alternate(acme, "GET", signed(acme) | bad).status_code == 401
    through_headers = acme.http.post("/xapi/statements?method=GET", content="limit=1")
    assert through_headers.status_code == 200


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("method=PUT&statementId=5e9ab5b5-6c2a-4b8c-9f6f-0d3f3f9a1a11", {"content": "{}"}),
        ("method=PATCH", {"content": "{}"}),
        ("method=", {}),
        ("method=PUT", {"statementId": "5e9ab5b5-6c2a-4b8c-9f6f-0d3f3f9a1a11"}),
        ("method=POST", {}),
        ("method=GET", {"limit": "1", "Limit": "2"}),
        ("method=GET", {"If-Match": "a\r\nX-Evil: 1"}),
        ("method=GET", {"If-Match": "ä"}),
        ("method=GET", {"nothing": "1"}),
        ("method=GET", {f"p{number}": "1" for number in range(60)}),
    ],
)
def test_what_is_no_request_in_this_syntax_is_a_400(acme: Inside, query: str, form: Json) -> None:
    answer = acme.http.post(f"/xapi/statements?{query}", content=urlencode(form), headers={"Content-Type": FORM})
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}
    assert "evil" not in answer.text.lower()


@pytest.mark.parametrize("body", [b"\xff=\xfe", b"content=%ff%fe", b"{}", b"a=1&a=2", b""])
def test_what_is_no_form_is_a_400(acme: Inside, body: bytes) -> None:
    for method in ("PUT", "POST"):
        answer = acme.http.post(f"/xapi/statements?method={method}", content=body, headers={"Content-Type": FORM})
        assert answer.status_code == 400


def test_a_form_beyond_the_limit_is_a_413(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.alternate.FORM_BYTES_MAX", 1_000)
    answer = acme.http.post("/xapi/statements?method=PUT", content="content=" + quote("ü" * 1_000))
    assert answer.status_code == 413


def test_version_2_has_no_such_syntax(acme: Inside) -> None:
    for form in (signed(acme, limit="1") | {"X-Experience-API-Version": "2.0.0"}, {}):
        headers = {"X-Experience-API-Version": "2.0.0", "Content-Type": FORM}
        answer = acme.http.post("/xapi/statements?method=GET", content=urlencode(form), headers=headers)
        assert answer.status_code == 400


def test_a_parameter_that_only_looks_like_a_method_is_no_translation(acme: Inside) -> None:
    assert acme.http.post("/xapi/statements?submethod=PUT", json=statement(ADA)).status_code == 400
    assert acme.http.get("/xapi/statements?method=PUT").status_code == 400
    assert acme.http.put("/xapi/statements?method=POST", json=statement(ADA)).status_code == 400


# --- browsers ------------------------------------------------------------------------------------------------


def preflight(client: httpx2.Client, path: str, headers: str, origin: str = PAGE["Origin"]) -> httpx2.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": headers}
    return client.options(path, headers=asked)


@pytest.mark.parametrize("path", ["/xapi/statements", "/xapi/1.0.3/activities/state", "/xapi//agents/profile"])
def test_a_browser_of_any_origin_may_send_what_xapi_needs(acme: Inside, path: str) -> None:
    sent = "authorization, content-type, x-experience-api-version, if-match, if-none-match"
    answer = preflight(bare(acme), path, sent)  # a preflight carries no credentials
    assert answer.status_code == 200
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in sent.split(", "))
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_page_may_read_the_headers_that_xapi_answers_with(acme: Inside) -> None:
    for path, status in (("/xapi/statements", 200), ("/xapi/statements?limit=x", 400), ("/xapi/nothing", 404)):
        answer = acme.http.get(path, headers=PAGE)
        assert answer.status_code == status
        exposed = answer.headers["Access-Control-Expose-Headers"]
        for name in ("ETag", "Last-Modified", "X-Experience-API-Consistent-Through", "X-Experience-API-Version"):
            assert name in exposed
    posted = acme.http.post("/xapi/statements", json=statement(ADA), headers=PAGE)
    assert posted.headers["Access-Control-Allow-Origin"] == "*"


def test_a_request_without_an_origin_is_answered_as_ever(acme: Inside) -> None:
    answer = acme.http.get("/xapi/statements")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_nothing_but_xapi_is_open_to_other_origins(acme: Inside) -> None:
    for path in ("/reports/progress", "/dsar", "/healthz"):
        assert "Access-Control-Allow-Origin" not in acme.http.get(path, headers=PAGE).headers
        assert preflight(acme.http, path, "authorization").status_code == 405


def test_plain_options_names_the_methods_of_each_resource(acme: Inside) -> None:
    for path, allowed in (
        ("/xapi/statements", "GET, HEAD, POST, PUT, OPTIONS"),
        ("/xapi/1.0.3/about", "GET, HEAD, OPTIONS"),
        ("/xapi/activities/state", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    ):
        answer = bare(acme).options(path)
        assert (answer.status_code, answer.headers["Allow"]) == (204, allowed)
    assert acme.http.options("/xapi/nothing").status_code == 404


@pytest.fixture
def two_origins(place: Settings) -> Iterator[Inside]:
    made = build(place.model_copy(update={"cors_origins": "https://a.example.org, https://b.example.org"}))
    made.tenants.create("acme")
    yield inside(made)
    made.close()


def test_origins_can_be_named(two_origins: Inside) -> None:
    for origin, allowed in (
        ("https://b.example.org", True),
        ("https://evil.example.org", False),
        (PUBLIC_URL, False),
    ):
        answer = two_origins.http.get("/xapi/about", headers={"Origin": origin})
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert (
            preflight(two_origins.http, "/xapi/statements", "authorization", origin).status_code == 200
        ) is allowed
