"""The Statement Resource ahead of the framework: the same answers as the framework would give, to requests that
are cut off or too large, too."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from api.bodies import BODY_BYTES_MAX
from lrs.bootstrap import System
from tests.subjects import ADA, Inside, Json, inside, statement

WORD = "Archaeopteryx"
METHODS = ("GET", "HEAD", "POST", "PUT")
SEEN = statement(ADA)
OTHER = SEEN | {"timestamp": "2020-01-01T00:00:00Z"}
UNSEEN = str(uuid4())


@pytest.fixture
def acme(system: System) -> Inside:
    """A tenant with one statement."""
    made = inside(system)
    made.post(SEEN)
    return made


def authorization(acme: Inside) -> str:
    """The header that the tenant's client sends."""
    assert isinstance(acme.http.auth, httpx2.BasicAuth)
    return next(acme.http.auth.auth_flow(acme.http.build_request("GET", "/"))).headers["Authorization"]


@pytest.fixture
def framework(acme: Inside) -> httpx2.Client:
    """The same service without its thin way."""
    client = TestClient(acme.system.application().app._app._app._app, raise_server_exceptions=False)  # type: ignore[attr-defined]
    client.headers.update(acme.http.headers | {"Authorization": authorization(acme)})
    return client


REQUESTS: list[tuple[str, str, Json]] = [
    ("GET", "", {}),
    ("GET", f"?statementId={SEEN['id']}", {}),
    ("GET", f"?statementId={SEEN['id']}&format=ids", {}),
    ("GET", f"?statementId={UNSEEN}", {}),
    ("GET", f"?statementId={WORD}", {}),
    ("GET", f"?{WORD}={WORD}", {}),
    ("GET", "?limit=1&limit=2", {}),
    ("HEAD", "", {}),
    ("HEAD", f"?statementId={UNSEEN}", {}),
    ("POST", "", {"json": SEEN}),
    ("POST", "", {"json": [SEEN]}),
    ("POST", "", {"json": []}),
    ("POST", "", {"json": OTHER}),
    ("POST", "", {"json": {"actor": WORD}}),
    ("POST", "", {"content": WORD}),
    ("POST", "", {"content": WORD, "headers": {"Content-Type": "application/json"}}),
    ("POST", f"?{WORD}", {"json": SEEN}),
    ("PUT", f"?statementId={SEEN['id']}", {"json": SEEN}),
    ("PUT", f"?statementId={SEEN['id']}", {"json": OTHER}),
    ("PUT", f"?statementId={UNSEEN}", {"json": SEEN}),
    ("PUT", "", {"json": SEEN}),
    ("GET", "", {"headers": {"X-Experience-API-Version": "0.9"}}),
    ("GET", "", {"auth": ("nobody", WORD)}),
    ("POST", "", {"auth": ("nobody", WORD), "json": SEEN}),
    ("DELETE", "", {}),
    ("PATCH", "", {}),
]


@pytest.mark.parametrize("base", ["/xapi", "/xapi/1.0.3", "/xapi/"])
def test_the_thin_way_answers_as_the_framework_would(acme: Inside, framework: httpx2.Client, base: str) -> None:
    for method, query, more in REQUESTS:
        thin = acme.http.request(method, f"{base}/statements{query}", **more)
        through_framework = framework.request(method, f"{base.rstrip('/')}/statements{query}", **more)
        for one in (thin, through_framework):  # the store's clock moves on
            one.headers.pop("X-Experience-API-Consistent-Through", None)
        assert thin.status_code == through_framework.status_code, (method, query, more)
        assert sorted(thin.headers.multi_items()) == sorted(through_framework.headers.multi_items())
        assert thin.content == through_framework.content


def test_consistent_through_is_on_every_answer_to_a_reader(acme: Inside) -> None:
    for query in ("", f"?statementId={SEEN['id']}", f"?statementId={UNSEEN}", "?limit=x"):
        for method in ("GET", "HEAD"):
            answer = acme.http.request(method, f"/xapi/statements{query}")
            assert answer.headers["X-Experience-API-Consistent-Through"].endswith("Z")


def test_the_description_names_every_operation_of_the_thin_way(acme: Inside) -> None:
    paths = acme.http.get("/openapi.json").json()["paths"]
    for base, name in (("/xapi", ""), ("/xapi/1.0.3", "-1.0.3")):
        described = paths[f"{base}/statements"]
        assert {method: (one["summary"], one["operationId"]) for method, one in described.items()} == {
            method.lower(): (f"{method} statements", f"{method.lower()}-statements{name}") for method in METHODS
        }


def test_when_the_control_store_can_not_be_reached_it_is_503_and_worth_another_try(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    acme = inside(system)
    system.control.close()  # who is connected would not notice
    if system.settings.database_url:
        system.stores.close()
    else:
        (system.settings.data_dir / "control.db").unlink()
    for method in METHODS:
        answer = acme.http.request(method, "/xapi/statements", json=SEEN)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.headers["X-Experience-API-Version"] == "1.0.3"
    nobody = acme.http.get("/xapi/statements", headers={"Authorization": "Bearer x"}, auth=None)
    assert nobody.status_code == 401
    assert "Traceback" not in caplog.text


# --- bodies that do not end well ------------------------------------------------------------------------------


def asked(acme: Inside, parts: AsyncIterator[Message]) -> list[Message]:
    """What is sent back for a POST whose body comes in these parts."""
    headers = {
        "authorization": authorization(acme),
        "x-experience-api-version": "1.0.3",
        "content-type": "application/json",
    }
    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    async def receive() -> Message:
        return await anext(parts)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/xapi/statements",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(acme.system.application()(scope, receive, send))  # type: ignore[arg-type]
    return answers


def test_a_client_that_leaves_in_the_middle_of_its_body_stores_nothing(
    acme: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    whole = json.dumps(statement(ADA, result={"response": WORD})).encode()

    async def cut() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": whole, "more_body": True}
        yield {"type": "http.disconnect"}

    before = len(acme.found())
    asked(acme, cut())
    assert len(acme.found()) == before
    assert WORD not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_body_that_never_ends_is_refused_before_more_than_the_limit_was_taken(acme: Inside) -> None:
    part = b" " * (1024 * 1024)
    taken = 0

    async def endless() -> AsyncIterator[Message]:
        nonlocal taken
        while True:
            taken += len(part)
            yield {"type": "http.request", "body": part, "more_body": True}

    start, body = asked(acme, endless())
    assert start["status"] == 413
    assert json.loads(body["body"])["code"] == "limit-exceeded"
    assert taken == BODY_BYTES_MAX + len(part)


def test_a_body_in_many_parts_is_one(acme: Inside) -> None:
    said = statement(ADA)
    whole = json.dumps(said).encode()

    async def parts() -> AsyncIterator[Message]:
        for at in range(0, len(whole), 7):
            yield {"type": "http.request", "body": whole[at : at + 7], "more_body": at + 7 < len(whole)}

    assert json.loads(asked(acme, parts())[1]["body"]) == [said["id"]]
    assert acme.get(said).status_code == 200


def test_the_header_that_names_a_caller_is_the_first(acme: Inside) -> None:
    """As everywhere in this service: a second one is not looked at."""
    wrong = ("Authorization", "Basic " + base64.b64encode(b"nobody:x").decode())
    right = ("Authorization", authorization(acme))
    for first, second, status in ((right, wrong, 200), (wrong, right, 401)):
        answer = acme.http.get("/xapi/statements", headers=[first, second], auth=None)
        assert answer.status_code == status
