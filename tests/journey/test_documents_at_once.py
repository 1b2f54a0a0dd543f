"""Who changes one document at the same time hears of the other: nobody's change is lost unseen.

What happens in between is brought about: a change stops when it has looked, and goes on when told.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import OperationalError

from lrs.documenting.writing import Change, DocumentWriter
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

    writer = replace(kept.system.document_writer, looked=wait)

    def write(number: int) -> bool:
        try:
            writer.change(TENANT, a_change(kept, Conditions.of(etag, None), str(number).encode()))
        except PreconditionFailed:
            return False
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

    slow = replace(kept.system.document_writer, looked=be_faster)
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

    slow = replace(kept.system.document_writer, looked=delete_and_make_anew)
    change = a_change(kept, Conditions.of(etag, None), b'{"n":2}', method)
    with pytest.raises(PreconditionFailed):
        slow.change(TENANT, replace(change, sent=None if method is Method.DELETE else change.sent))
    assert kept.state.get(kept.http, "one").json() == {"n": 1}


def test_who_is_never_fast_enough_is_told_to_come_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrs.documenting.writing._CONFLICTS_MAX", 5)

    def be_faster(_: Change) -> None:
        kept.state.post(kept.http, "one", {uuid4().hex: 1})

    slow: DocumentWriter = replace(kept.system.document_writer, looked=be_faster)
    with pytest.raises(Overloaded):
        slow.change(TENANT, a_change(kept, Conditions(), b"{}", Method.POST))


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
