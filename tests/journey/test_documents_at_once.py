"""Who changes one document at the same time hears of the other: nobody's change is lost unseen.

What happens in between is brought about: a change stops when it has looked, and goes on when told.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha1
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import OperationalError

from lrs.documenting.changes import Change
from lrs.domain.documents import Conditions, Content, Context, Method
from lrs.domain.documents import Resource as Named
from lrs.domain.errors import Overloaded, PreconditionFailed
from tests.kept import Kept
from tests.subjects import TENANT


def a_change(kept: Kept, conditions: Conditions, data: bytes, method: Method = Method.PUT) -> Change:
    context = Context(Named.STATE, kept.who, kept.course)
    return Change(method, context, "one", "2.0.0", conditions, uuid4(), Content("application/json", data))


def test_of_two_writers_with_the_same_etag_one_hears_412(kept: Kept) -> None:
    """Both have looked before either writes."""
    kept.state.put(kept.http, "one", {"n": 0})
    etag = kept.state.get(kept.http, "one").headers["etag"]
    both = Barrier(2)
    looked: list[int] = []

    def wait(change: Change) -> None:
        assert change.sent is not None
        number = int(change.sent.data)
        if number not in looked:  # the first time only: who lost looks again
            looked.append(number)
            both.wait(20)

    def write(number: int) -> bool:
        writer = kept.system.document_writer.hearing(wait)  # as in a process of its own
        try:
            writer.change(TENANT, a_change(kept, Conditions.of(etag, None), str(number).encode()))
        except PreconditionFailed:
            return False
        finally:
            writer.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        stored = list(pool.map(write, (1, 2)))
    assert sorted(stored) == [False, True]
    assert kept.state.get(kept.http, "one").json() == (1 if stored[0] else 2)


@pytest.mark.parametrize("conditions", [Conditions(), Conditions.of(None, "*")])
def test_of_two_who_create_one_document_at_once_one_is_refused(kept: Kept, conditions: Conditions) -> None:
    kept.state.put(kept.http, "other", {})  # she is known already: it is about the document alone
    second: Iterator[Change] = iter([a_change(kept, conditions, b'{"by":"second"}')])

    def be_faster(_: Change) -> None:
        for change in second:
            kept.system.document_writer.change(TENANT, change)

    slow = kept.system.document_writer.hearing(be_faster)
    with pytest.raises(Exception, match="document"):
        slow.change(TENANT, a_change(kept, conditions, b'{"by":"first"}'))
    assert kept.state.get(kept.http, "one").json() == {"by": "second"}


def test_merges_at_the_same_time_lose_nothing(kept: Kept) -> None:
    wanted = {str(number): number for number in range(24)}
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda one: kept.state.post(kept.http, "one", {one[0]: one[1]}).status_code, wanted.items())
        )
    assert answers == [204] * 24
    assert kept.state.get(kept.http, "one").json() == wanted


@pytest.mark.parametrize("method", [Method.PUT, Method.POST, Method.DELETE])
def test_a_document_that_was_deleted_and_made_anew_meanwhile_is_looked_at_again(
    kept: Kept, method: Method
) -> None:
    """The new one begins another stream with the same version number: that must not be taken for the old one."""
    kept.state.put(kept.http, "one", {"n": 0})
    etag = kept.state.get(kept.http, "one").headers["etag"]
    first = iter([True])

    def delete_and_make_anew(_: Change) -> None:
        for _again in first:
            kept.state.delete(kept.http, "one")
            kept.state.put(kept.http, "one", {"n": 1})

    slow = kept.system.document_writer.hearing(delete_and_make_anew)
    change = a_change(kept, Conditions.of(etag, None), b'{"n":2}', method)
    with pytest.raises(PreconditionFailed):
        slow.change(TENANT, replace(change, sent=None if method is Method.DELETE else change.sent))
    assert kept.state.get(kept.http, "one").json() == {"n": 1}


def test_who_is_never_fast_enough_is_told_to_come_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.documenting.writing.CONFLICTS_MAX", 5)

    def be_faster(_: Change) -> None:
        kept.state.post(kept.http, "one", {uuid4().hex: 1})

    slow = kept.system.document_writer.hearing(be_faster)
    with pytest.raises(Overloaded):
        slow.change(TENANT, a_change(kept, Conditions(), b"{}", Method.POST))


# --- in groups ------------------------------------------------------------------------------------------------


def submit(kept: Kept, *changes: Change) -> list[str]:
    """All at once, by one writer; what became of each."""
    futures = [kept.system.document_writer.submit(TENANT, one) for one in changes]
    return [type(one.exception(30)).__name__ for one in futures]


def times(kept: Kept) -> int:
    """At how many different times, so in how many transactions, documents of the person were stored."""
    ids = kept.acme.known(kept.who).bytes
    return len(kept.acme.rows("SELECT DISTINCT updated FROM document WHERE subject = ?", ids))


def test_what_waits_together_is_written_together(kept: Kept) -> None:
    names = [str(number) for number in range(40)]
    done = submit(kept, *(replace(a_change(kept, Conditions(), b"{}"), id=name) for name in names))
    assert set(done) == {"NoneType"}
    assert sorted(kept.state.ids(kept.http)) == sorted(names)
    assert times(kept) <= 8


def test_who_is_refused_in_a_group_is_so_alone(kept: Kept) -> None:
    kept.state.put(kept.http, "there", {"n": 1})
    kept.state.put(kept.http, "damaged", {"n": 1})
    kept.state.put(kept.http, "text", b"text", Content_Type="text/plain")
    reading, subject = kept.system.vault.read(TENANT), kept.acme.known(kept.who)
    damaged = reading.digest(subject, Context(Named.STATE, None, kept.course).place("damaged"))
    kept.acme.rows("UPDATE document SET head = place WHERE place = ?", damaged)
    one, anew = a_change(kept, Conditions(), b'{"m":2}'), Conditions.of(None, "*")
    done = submit(
        kept,
        replace(one, id="first"),
        replace(one, id="there", conditions=anew),
        replace(one, id="there"),
        replace(one, id="damaged", conditions=Conditions.of("*", None)),
        replace(one, id="text", method=Method.POST),
        replace(one, id="nothing", method=Method.DELETE, sent=None),
        replace(one, id="there", method=Method.POST),
        replace(one, id="last"),
    )
    refused = ["PreconditionFailed", "DocumentConflict", "EventCorrupt", "InvalidRequest"]
    assert done == ["NoneType", *refused, *["NoneType"] * 3]
    assert kept.state.get(kept.http, "there").json() == {"n": 1, "m": 2}
    assert [kept.state.get(kept.http, name).status_code for name in ("first", "last", "nothing")] == [
        200,
        200,
        404,
    ]


def test_changes_of_one_document_in_a_group_follow_each_other(kept: Kept) -> None:
    kept.state.put(kept.http, "other", {})
    one, anew = a_change(kept, Conditions(), b'{"a":1}'), Conditions.of(None, "*")
    done = submit(
        kept,
        replace(one, conditions=anew),
        replace(one, conditions=anew),
        replace(one, method=Method.DELETE, sent=None),
        replace(one, method=Method.POST, sent=Content("application/json", b'{"b":2}')),
        replace(one, method=Method.POST, sent=Content("application/json", b'{"c":3}')),
    )
    assert done == ["NoneType", "PreconditionFailed", *["NoneType"] * 3]
    assert kept.state.get(kept.http, "one").json() == {"b": 2, "c": 3}


def test_somebody_unknown_in_two_spellings_in_one_group_is_one_person(kept: Kept) -> None:
    digest = sha1(kept.who["mbox"].encode(), usedforsecurity=False).hexdigest()
    one = a_change(kept, Conditions(), b"{}", Method.POST)
    hidden = replace(one, context=replace(one.context, agent={"mbox_sha1sum": digest}))
    done = submit(kept, one, hidden, replace(hidden, id="two"), replace(one, id="three"))
    assert done == ["NoneType"] * 4
    assert sorted(kept.state.ids(kept.http)) == ["one", "three", "two"]


def test_large_documents_are_not_written_all_at_once(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.documenting.writing._BYTES_TOGETHER_MAX", 100)
    changes = [replace(a_change(kept, Conditions(), b"x" * 60), id=str(number)) for number in range(6)]
    assert set(submit(kept, *changes)) == {"NoneType"}
    assert times(kept) == 6


def test_a_group_whose_answer_was_lost_is_stored_once(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.documenting.writing._OUTAGE_PAUSE_SECONDS", 0)
    kept.state.put(kept.http, "gone", {})
    lossy = Lossy(kept, ["after", "before", "after", "after"])
    monkeypatch.setattr(lossy.recorder, "insert_events", lossy)
    anew = a_change(kept, Conditions.of(None, "*"), b"{}")
    gone = replace(anew, id="gone", method=Method.DELETE, sent=None, conditions=Conditions.of("*", None))
    done = submit(kept, anew, replace(anew, id="two"), gone, replace(anew, id="three"))
    assert set(done) == {"NoneType"}
    assert sorted(kept.state.ids(kept.http)) == ["one", "three", "two"]


# --- a store that does not answer -----------------------------------------------------------------------------


class Lossy:
    """A recorder's insert whose first answers are lost: before the commit, or after it."""

    def __init__(self, kept: Kept, losses: list[str]) -> None:
        self.recorder: Any = kept.system.stores.open(TENANT).recorder
        self.insert = self.recorder.insert_events
        self.losses = losses

    def __call__(self, *events: Any, **rows: Any) -> Any:
        """Insert, or fail to tell."""
        lost = self.losses.pop(0) if self.losses else ""
        found = None if lost == "before" else self.insert(*events, **rows)
        if lost:
            raise OperationalError("no answer")
        return found


@pytest.mark.parametrize("losses", [["before"], ["after"], ["before", "after"], ["before", "before", "after"]])
@pytest.mark.parametrize("method", [Method.PUT, Method.POST, Method.DELETE])
def test_an_answer_that_was_lost_is_asked_for_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, method: Method, losses: list[str]
) -> None:
    """What was stored after all is met with its own ETag gone, and is the same request."""
    monkeypatch.setattr("lrs.documenting.writing._OUTAGE_PAUSE_SECONDS", 0)
    kept.state.put(kept.http, "one", {"n": 0})
    etag = kept.state.get(kept.http, "one").headers["etag"]
    lossy = Lossy(kept, list(losses))
    monkeypatch.setattr(lossy.recorder, "insert_events", lossy)
    if method is Method.DELETE:
        assert kept.state.delete(kept.http, "one", If_Match=etag).status_code == 204
        assert kept.state.get(kept.http, "one").status_code == 404
    else:
        answer = kept.state.ask(kept.http, method, "one", content=b'{"m":1}', headers={"If-Match": etag})
        assert answer.status_code == 204
        stored = {"m": 1} if method is Method.PUT else {"n": 0, "m": 1}
        assert kept.state.get(kept.http, "one").json() == stored
    assert lossy.losses == []


def test_a_document_whose_answer_was_lost_is_made_once(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.documenting.writing._OUTAGE_PAUSE_SECONDS", 0)
    kept.state.put(kept.http, "other", {})
    lossy = Lossy(kept, ["after"])
    monkeypatch.setattr(lossy.recorder, "insert_events", lossy)
    assert kept.state.put(kept.http, "one", {"n": 1}).status_code == 204
    assert kept.state.get(kept.http, "one").json() == {"n": 1}


def test_a_store_that_stays_silent_is_503(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.documenting.writing._OUTAGE_PAUSE_SECONDS", 0)
    monkeypatch.setattr("lrs.documenting.writing.OUTAGE_SECONDS_MAX", 0.05)
    lossy = Lossy(kept, ["before"] * 1_000_000)
    with monkeypatch.context() as silent:
        silent.setattr(lossy.recorder, "insert_events", lossy)
        answer = kept.state.put(kept.http, "one", {"n": 1})
    assert (answer.status_code, answer.json()["code"], "Retry-After" in answer.headers) == (
        503,
        "store-unavailable",
        True,
    )
    assert kept.state.get(kept.http, "one").status_code == 404
