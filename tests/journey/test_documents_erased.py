"""Documents and their owners: they go with the person, no sooner, no later, and damage is not taken for that."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from lrs.bootstrap import System, build
from lrs.documenting.changes import Change
from tests.kept import Kept, Resource, names
from tests.subjects import COURSE, GRACE, TENANT, Inside, Json, LaterClock, inside, statement

CERTIFIED = ("rows_removed", "rows_left", "living_keys", "events_sampled", "keys_destroyed")


class Crash(BaseException):
    """The process is gone: nothing catches this."""


@pytest.fixture
def kept(system: System) -> Kept:
    """Somebody of whom nothing is kept yet."""
    return Kept(inside(system))


def of_grace(kept: Kept) -> tuple[Resource, Resource]:
    """The same documents of another person."""
    return kept.state.of(agent=names(GRACE)), kept.agent.of(agent=names(GRACE))


def erase(kept: Kept) -> Json:
    """Erase the person; the certificate."""
    (proof,) = kept.acme.certificates(kept.acme.ran("erase", kept.who))
    return proof


def test_a_persons_documents_go_with_the_person(kept: Kept) -> None:
    others = (*of_grace(kept), kept.activity)
    hers = (kept.state, kept.session, kept.agent)
    for resource in (*hers, *others):
        resource.put(kept.http, "one", {"of": resource.context.get("agent", "activity")})
    kept.state.put(kept.http, "two", {})
    kept.state.delete(kept.http, "two")
    before = kept.acme.known(kept.who)
    unknown = kept.state.get(kept.http, "three")
    proof = erase(kept)
    said = [proof[name] for name in CERTIFIED]
    assert (said[0]["document"], said[1]["document"], said[2], said[3], len(said[4])) == (3, 0, 0, 3, 2)
    assert kept.acme.left_of(before) == {}
    for resource in hers:
        gone = resource.get(kept.http, "one")
        assert (gone.status_code, gone.content) == (404, unknown.content)
        assert resource.ids(kept.http) == []
        assert resource.delete(kept.http, "one").status_code == 204
    assert kept.acme.subject(kept.who) is None
    assert [one.get(kept.http, "one").status_code for one in others] == [200] * 3


def test_a_document_stored_afterwards_belongs_to_somebody_new(kept: Kept) -> None:
    kept.state.put(kept.http, "one", {"n": 1})
    rows = "SELECT place, scope, session, subject, stream FROM document"
    before = set(kept.acme.rows(rows)[0])
    erase(kept)
    assert kept.state.put(kept.http, "one", {"n": 2}).status_code == 204
    assert kept.state.get(kept.http, "one").json() == {"n": 2}
    assert before.isdisjoint(kept.acme.rows(rows)[0])


def crash_after_step_one(number: int) -> None:
    if number == 1:
        raise Crash


def test_while_the_erasure_is_under_way_reading_finds_nothing_and_writing_waits(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("writing", "clearing"):
        monkeypatch.setattr(f"lrs.documenting.{module}.BUSY_SECONDS_MAX", 0.1)
    kept.state.put(kept.http, "one", {"n": 1})
    subject, request = kept.acme.known(kept.who), UUID(kept.acme.request("erase", kept.who)["id"])
    with pytest.raises(Crash):
        kept.acme.rights(crash_after_step_one).run_next(TENANT)
    assert kept.state.get(kept.http, "one").status_code == 404
    assert kept.state.ids(kept.http) == []
    asked = {"agent": names(kept.who)}
    assert kept.http.get("/xapi/agents", params=asked).json()["mbox"] == [kept.who["mbox"]]
    changes = [
        kept.state.put(kept.http, "two", {}),
        kept.state.post(kept.http, "one", {}),
        kept.state.delete(kept.http, "one"),
        kept.state.delete(kept.http),
    ]
    assert [(one.status_code, one.json()["code"]) for one in changes] == [(503, "subject-busy")] * 4
    assert all("Retry-After" in one.headers for one in changes)
    monkeypatch.setattr("lrs.documenting.writing.BUSY_SECONDS_MAX", 20.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(kept.state.post, kept.http, "two", {"n": 2})
        replace(kept.acme.system.rights, clock=LaterClock()).run_next(TENANT, request)
        assert waiting.result(20).status_code == 204
    assert kept.acme.left_of(subject) == {}
    assert kept.state.get(kept.http, "two").json() == {"n": 2}
    assert kept.state.ids(kept.http) == ["two"]


@pytest.mark.parametrize("document", ["one", "new"])
def test_a_change_that_looked_before_the_erasure_is_made_about_somebody_new(kept: Kept, document: str) -> None:
    """What it had read of the document that was there does not come back with it; and one that was not there yet
    does not slip past the purge."""
    kept.state.put(kept.http, "one", {"secret": 1})
    subject = kept.acme.known(kept.who)
    once = iter([True])

    def erase_once(_: Change) -> None:
        for _again in once:
            erase(kept)

    system = kept.system
    late = system.document_writer.hearing(erase_once)
    app = replace(system, document_writer=late).application()
    kept.http._transport.app = app  # type: ignore[attr-defined]
    assert kept.state.post(kept.http, document, {"open": 2}).status_code == 204
    assert kept.state.get(kept.http, document).json() == {"open": 2}
    assert kept.state.ids(kept.http) == [document]
    assert kept.acme.known(kept.who) != subject
    assert kept.acme.left_of(subject) == {}


def test_another_process_reads_what_was_just_written_and_nothing_after_the_erasure(kept: Kept) -> None:
    other = build(kept.system.settings)
    try:
        there = inside(other).http
        for number in range(5):
            assert kept.state.post(kept.http if number % 2 else there, "one", {"n": number}).status_code == 204
            for http in (there, kept.http):
                assert kept.state.get(http, "one").json() == {"n": number}
        etag = kept.state.get(there, "one").headers["etag"]
        assert kept.state.put(kept.http, "one", {}, If_Match=etag).status_code == 204
        assert kept.state.put(there, "one", {}, If_Match=etag).status_code == 412
        erase(kept)
        assert kept.state.get(there, "one").status_code == 404
        assert kept.state.ids(there) == []
        assert kept.state.put(there, "one", {"anew": True}).status_code == 204
        assert kept.state.get(kept.http, "one").json() == {"anew": True}
    finally:
        other.close()


def known_again(kept: Kept) -> UUID:
    """The person's subject, as soon as somebody has written about the person."""
    deadline = time.monotonic() + 30
    while (subject := kept.acme.subject(kept.who)) is None:
        assert time.monotonic() < deadline, "nobody writes"
        time.sleep(0.01)
    return subject


def test_an_erasure_while_documents_are_written_leaves_nothing_of_the_person(kept: Kept) -> None:
    kept.state.put(kept.http, "0", {})
    stop, statuses = threading.Event(), []
    subjects: set[UUID] = set()

    def write(number: int) -> None:
        while not stop.is_set():
            statuses.append(kept.state.post(kept.http, str(number), {uuid4().hex: 1}).status_code)
            statuses.append(of_grace(kept)[0].post(kept.http, str(number), {uuid4().hex: 1}).status_code)

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        try:
            for _ in range(3):
                subjects.add(known_again(kept))
                erase(kept)
        finally:
            stop.set()
        for one in writers:
            one.result(30)
    assert set(statuses) == {204}
    kept.state.post(kept.http, "last", {})
    subjects.add(known_again(kept))
    erase(kept)
    assert kept.state.ids(kept.http) == []
    assert [kept.acme.left_of(one) for one in subjects] == [{}] * len(subjects)
    graces = of_grace(kept)[0]
    found = sum(len(graces.get(kept.http, one).json()) for one in graces.ids(kept.http))
    assert found * 2 == len(statuses)


# --- what is in the store -------------------------------------------------------------------------------------


def test_equal_documents_of_two_people_do_not_reveal_each_other(kept: Kept) -> None:
    text = {"text": "The very same words, and a good many of them. " * 40}
    for resource in (kept.state, of_grace(kept)[0]):
        resource.put(kept.http, "the same name", text)
    states = [row[0] for row in kept.acme.rows("SELECT state FROM event WHERE topic = 'document-stored/1'")]
    assert len(states) == 2
    first = {states[0][at : at + 8] for at in range(60, len(states[0]) - 8)}  # after the ids, which are in clear
    assert not any(states[1][at : at + 8] in first for at in range(60, len(states[1]) - 8))
    columns = kept.acme.rows("SELECT place, scope, session, subject, stream, head FROM document")
    assert len({value for row in columns for value in row}) == 12


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE document SET head = state FROM event",
        "UPDATE document SET version = 7",
        "UPDATE event SET topic = 'document-deleted/1' WHERE topic = 'document-stored/1'",
        "UPDATE event SET state = substr(state, 1, 40) WHERE topic = 'document-stored/1'",
        "UPDATE event SET state = substr(state, 1, length(state) - 1) WHERE topic = 'document-stored/1'",
        "DELETE FROM event WHERE topic = 'document-stored/1'",
    ],
)
def test_damage_is_an_alarm_and_never_taken_for_an_erasure(kept: Kept, damage: str) -> None:
    kept.state.put(kept.http, "one", {"n": 1})
    kept.acme.rows(damage + (" WHERE topic = 'document-stored/1'" if damage.endswith("FROM event") else ""))
    if not damage.startswith("UPDATE document SET head"):
        for answer in (kept.state.get(kept.http, "one"), kept.state.post(kept.http, "one", {})):
            assert (answer.status_code, answer.json()["code"]) == (500, "event-corrupt")
    if damage.startswith("UPDATE document"):
        listed = kept.state.ask(kept.http, "GET")
        assert (listed.status_code, listed.json()["code"]) == (500, "event-corrupt")
        assert kept.state.put(kept.http, "one", {}, If_Match="*").status_code == 500


def test_a_row_that_was_turned_to_another_persons_document_does_not_open_it(kept: Kept) -> None:
    graces = of_grace(kept)[0]
    for resource in (kept.state, graces):
        resource.put(kept.http, "one", {"of": resource.context["agent"]})
    hers = kept.acme.known(kept.who).bytes
    ((stream, head),) = kept.acme.rows("SELECT stream, head FROM document WHERE subject <> ?", hers)
    kept.acme.rows("UPDATE document SET stream = ?, head = ? WHERE subject = ?", stream, head, hers)
    # It opens, for the key that it names lives: so whose it is has to be looked at.
    answer = kept.state.get(kept.http, "one")
    assert (answer.status_code, answer.json()["code"]) == (500, "event-corrupt")
    listed = kept.state.ask(kept.http, "GET")
    assert (listed.status_code, listed.json()["code"]) == (500, "event-corrupt")


# --- export ---------------------------------------------------------------------------------------------------


def test_an_export_holds_the_persons_documents_and_nobody_elses(kept: Kept) -> None:
    kept.state.put(kept.http, "bookmark", {"page": 3})
    kept.session.put(kept.http, "bookmark", b"\x00\xff", Content_Type="image/png")
    kept.agent.post(kept.http, "language", b"de", Content_Type="text/plain")
    kept.agent.put(kept.http, "gone", {})
    kept.agent.delete(kept.http, "gone")
    for resource in (*of_grace(kept), kept.activity):
        resource.put(kept.http, "canary", {"canary": 1})
    export = kept.acme.ran("export", kept.who)
    documents = kept.acme.exported(export)["documents"]
    assert [(one["resource"], one["id"], one["content_type"]) for one in documents] == [
        ("state", "bookmark", "application/json"),
        ("state", "bookmark", "image/png"),
        ("agent-profile", "language", "text/plain"),
    ]
    contents = [one.get("content", one.get("content_base64")) for one in documents]
    assert contents == ['{"page": 3}', "AP8=", "de"]
    assert [one.get("registration") for one in documents] == [None, kept.session.context["registration"], None]
    assert {one["agent"]["mbox"] for one in documents} == {kept.who["mbox"]}
    assert documents[0]["activity"] == kept.course
    assert documents[0]["etag"] == kept.state.get(kept.http, "bookmark").headers["etag"]
    assert export["detail"]["held"]["documents"] == 3
    package = kept.acme.package(export)
    page = package.read("index.html").decode()
    assert "bookmark" in page
    assert "{&quot;page&quot;: 3}" in page
    for name in package.namelist():
        assert b"canary" not in package.read(name)


def test_an_export_of_documents_that_change_meanwhile_is_of_one_moment(kept: Kept) -> None:
    kept.agent.put(kept.http, "one", {"n": 1})
    exporter = kept.system.exporter
    records: list[Any] = []

    def write(self: Any, sink: Any, found: Any, request: Any) -> Any:
        records.append(found)
        kept.agent.post(kept.http, "one", {"n": 2})
        kept.agent.put(kept.http, "two", {})
        return {"held": [one["content"] for one in found.documents()]}

    patched = type("Patched", (type(exporter),), {"__slots__": (), "_write": write})
    held = patched(**{field.name: getattr(exporter, field.name) for field in fields(exporter)})
    rights = replace(kept.system.rights, exporter=held)
    request = UUID(kept.acme.request("export", kept.who)["id"])
    rights.run_next(TENANT, request)
    assert rights.get(TENANT, request).detail["held"]["held"] == ['{"n": 1}']


# --- people and activities ------------------------------------------------------------------------------------


def described(acme: Inside, activity: str = COURSE) -> Any:
    """What is said of an activity."""
    return acme.http.get("/xapi/activities", params={"activityId": activity}).json().get("definition")


def test_what_a_person_said_of_an_activity_goes_with_the_person(kept: Kept) -> None:
    def said(who: Json, **names: str) -> Json:
        return statement(who, object={"id": kept.course, "definition": {"name": names}})

    kept.acme.post(said(GRACE, en="by Grace", fr="de Grace"), said(kept.who, en="by Ada", de="von Ada"))
    assert described(kept.acme, kept.course) == {"name": {"en": "by Ada", "de": "von Ada", "fr": "de Grace"}}
    erase(kept)
    assert described(kept.acme, kept.course) == {"name": {"en": "by Grace", "fr": "de Grace"}}


def test_an_erased_person_is_what_was_asked_for(kept: Kept) -> None:
    kept.acme.post(statement(kept.who | {"name": "A tell-tale name"}))
    asked = {"agent": json.dumps({"mbox": kept.who["mbox"]})}
    assert kept.http.get("/xapi/agents", params=asked).json()["name"] == ["A tell-tale name"]
    erase(kept)
    found = kept.http.get("/xapi/agents", params=asked).json()
    assert found == {"objectType": "Person", "mbox": [kept.who["mbox"]]}
