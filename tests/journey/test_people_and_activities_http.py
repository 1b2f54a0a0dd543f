"""The Agents and the Activities Resource over HTTP, in both versions."""

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from lrs import describing
from tests.kept import BASES, VERSIONS, Kept
from tests.subjects import GRACE, PLACEHOLDER, TENANT, Json, inside, statement, voiding

OTHER = "https://course.example.org/other"
CHOICE = {
    "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
    "interactionType": "choice",
    "correctResponsesPattern": ["a"],
    "choices": [{"id": "a", "description": {"en": "A"}}, {"id": "b", "description": {"en": "B"}}],
}


def person(http: httpx2.Client, asked: Json) -> Json:
    """The Person of an agent."""
    answer = http.get("/xapi/agents", params={"agent": json.dumps(asked)})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def activity(http: httpx2.Client, activity_id: str) -> Json:
    """The Activity."""
    answer = http.get("/xapi/activities", params={"activityId": activity_id})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def about(who: Json, activity_id: str, definition: Json | None = None, **more: Any) -> Json:
    """A statement about an activity."""
    defined = {} if definition is None else {"definition": definition}
    return statement(who, object={"objectType": "Activity", "id": activity_id} | defined, **more)


# --- people ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", BASES)
def test_a_person_is_every_name_that_one_person_was_sent_with(kept: Kept, base: str, version: str) -> None:
    mbox = kept.who["mbox"]
    kept.acme.post(statement(kept.who), statement({"mbox": mbox, "name": "Ada L."}), statement(GRACE))
    headers = {"X-Experience-API-Version": version}
    got, head = (
        kept.http.request(method, f"{base}/agents", params={"agent": json.dumps({"mbox": mbox})}, headers=headers)
        for method in ("GET", "HEAD")
    )
    expected = {"objectType": "Person", "name": ["Ada L.", kept.who["name"]], "mbox": [mbox]}
    assert (got.status_code, got.json()) == (200, expected)
    assert (head.status_code, dict(head.headers)) == (200, dict(got.headers))
    assert (got.headers["X-Experience-API-Version"], got.headers["cache-control"]) == (version, "no-store")


def test_an_address_and_its_digest_are_one_person(kept: Kept) -> None:
    digest = "5b2a8c1f5d5a1d9a0c7e6b7a8f9e0d1c2b3a4f5e"
    kept.acme.post(statement({"mbox_sha1sum": digest, "name": "Digest"}))
    assert person(kept.http, {"mbox_sha1sum": digest.upper()}) == {
        "objectType": "Person",
        "name": ["Digest"],
        "mbox_sha1sum": [digest.upper(), digest],
    }


@pytest.mark.parametrize(
    "asked", [PLACEHOLDER, {"openid": "https://nobody.example.org/"}, {"name": "N", "mbox": "mailto:n@x"}]
)
def test_somebody_unknown_is_what_was_asked_for(kept: Kept, asked: Json) -> None:
    expected: Json = {"objectType": "Person"}
    expected |= {name: [value] for name, value in asked.items() if name != "objectType"}
    assert person(kept.http, asked) == expected


def test_another_tenants_person_is_unknown(kept: Kept) -> None:
    kept.system.tenants.create("initech")
    kept.acme.post(statement(kept.who))
    other = inside(kept.system, "initech")
    assert person(other.http, {"mbox": kept.who["mbox"]}) == {"objectType": "Person", "mbox": [kept.who["mbox"]]}


def test_of_very_many_spellings_the_newest_are_told(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "AGENTS_MAX", 3)
    kept.acme.post(*(statement(kept.who | {"name": f"Ada {number}"}) for number in range(6)))
    assert person(kept.http, kept.who)["name"] == ["Ada 5", "Ada 4", "Ada 3"]


# --- activities -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", BASES)
def test_an_activity_is_what_all_statements_say_of_it(kept: Kept, base: str, version: str) -> None:
    nested = {
        "contextActivities": {"parent": [{"id": kept.course, "definition": {"moreInfo": "https://m.example.org"}}]}
    }
    kept.acme.post(
        about(kept.who, kept.course, {"name": {"en": "One"}} | CHOICE),
        about(GRACE, kept.course, {"name": {"fr": "Un"}, "extensions": {"https://x.example.org": [1.50, None]}}),
        about(GRACE, kept.course),
        about(GRACE, OTHER, {"name": {"en": "Other"}}, context=nested),
    )
    headers = {"X-Experience-API-Version": version}
    got, head = (
        kept.http.request(method, f"{base}/activities", params={"activityId": kept.course}, headers=headers)
        for method in ("GET", "HEAD")
    )
    definition = {
        "name": {"en": "One", "fr": "Un"},
        "extensions": {"https://x.example.org": [1.50, None]},
        "moreInfo": "https://m.example.org",
    }
    expected = {"objectType": "Activity", "id": kept.course, "definition": definition | CHOICE}
    assert (got.status_code, got.json()) == (200, expected)
    assert (head.status_code, dict(head.headers)) == (200, dict(got.headers))


def test_an_activity_that_nobody_knows_is_its_id(kept: Kept) -> None:
    assert activity(kept.http, kept.course) == {"objectType": "Activity", "id": kept.course}
    kept.acme.post(about(kept.who, kept.course))
    assert activity(kept.http, kept.course) == {"objectType": "Activity", "id": kept.course}


def test_what_was_voided_defines_nothing(kept: Kept) -> None:
    wrong = about(kept.who, kept.course, {"name": {"en": "Wrong"}})
    kept.acme.post(about(kept.who, kept.course, {"name": {"en": "Right"}}), wrong)
    assert activity(kept.http, kept.course)["definition"]["name"] == {"en": "Wrong"}
    kept.acme.post(voiding(GRACE, wrong["id"]))
    assert activity(kept.http, kept.course)["definition"]["name"] == {"en": "Right"}


def test_of_very_many_statements_the_newest_and_the_oldest_are_asked(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "NEWEST_MAX", 4)
    monkeypatch.setattr(describing, "OLDEST_MAX", 2)
    names = [about(kept.who, kept.course, {"name": {f"x-{number}": str(number)}}) for number in range(9)]
    kept.acme.post(*names)
    assert sorted(activity(kept.http, kept.course)["definition"]["name"]) == [f"x-{n}" for n in (0, 1, 5, 6, 7, 8)]


def test_who_may_not_define_is_not_asked(kept: Kept) -> None:
    """1.0.3 Communication 4.2: what they send should not change what the store knows of activities."""
    writer = inside(kept.system, TENANT, "statements/write")
    definer = inside(kept.system, TENANT, "statements/write", "define")
    definer.post(about(kept.who, kept.course, {"name": {"en": "Defined"}}))
    writer.post(about(kept.who, kept.course, {"name": {"en": "Written", "fr": "Écrit"}}))
    assert activity(kept.http, kept.course)["definition"]["name"] == {"en": "Defined"}


def test_another_tenants_activity_is_unknown(kept: Kept) -> None:
    kept.system.tenants.create("umbrella")
    kept.acme.post(about(kept.who, kept.course, {"name": {"en": "Ours"}}))
    assert activity(inside(kept.system, "umbrella").http, kept.course) == {
        "objectType": "Activity",
        "id": kept.course,
    }


# --- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_parameters_are_checked(kept: Kept, method: str) -> None:
    who, word = json.dumps(kept.who), "Archaeopteryx"
    bad: list[tuple[str, Any]] = [
        ("agents", []),
        ("agents", [("agent", "")]),
        ("agents", [("agent", word)]),
        ("agents", [("agent", "true")]),
        ("agents", [("agent", json.dumps({"name": word}))]),
        ("agents", [("agent", json.dumps(kept.who | {"openid": "https://o.example.org"}))]),
        ("agents", [("agent", who), ("agent", who)]),
        ("agents", [("agent", who), (word, word)]),
        ("activities", []),
        ("activities", [("activityId", word)]),
        ("activities", [("activityId", f"{OTHER}/{'x' * 2_048}")]),
        ("activities", [("activityId", OTHER), ("activityId", OTHER)]),
        ("activities", [("activityId", OTHER), ("agent", who)]),
    ]
    for path, params in bad:
        answer = kept.http.request(method, f"/xapi/{path}", params=params)
        assert answer.status_code == 400, (path, params)
        assert word not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["agents", "activities"])
def test_they_are_only_read(kept: Kept, method: str, path: str) -> None:
    answer = kept.http.request(method, f"/xapi/{path}", params={"activityId": str(uuid4())})
    assert answer.status_code == 405
