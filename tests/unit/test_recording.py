"""Group commit: requests share a transaction and nothing else. Each gets its own answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest

from lrs.bootstrap import System
from lrs.domain.errors import KeyStoreUnavailable, LetheError, StatementConflict, StoreUnavailable
from lrs.recording.drafts import Draft, statement_draft
from lrs.recording.groups import GroupCommit, Submission
from lrs.recording.recorder import Recorder
from tests.places import PUBLIC_URL
from tests.subjects import ADA, ALAN, GRACE, TENANT, Inside, Json, inside, statement

WAIT = 30
SECRET = "Quetzalcoatlus"


def draft(content: Json) -> Draft:
    """What is recorded of a statement."""
    statement_id = UUID(content["id"])
    return statement_draft(content, statement_id, version="1.0.3", authority=uuid4(), public_url=PUBLIC_URL)


# --- groups ---------------------------------------------------------------------------------------------------


@dataclass
class Writing:
    """A way to write groups that waits until it may, and raises for the drafts that it is told to."""

    error: Exception
    bad: set[UUID] = field(default_factory=set)
    groups: list[int] = field(default_factory=list)
    began: Event = field(default_factory=Event)
    may_go: Event = field(default_factory=Event)

    def __call__(self, tenant: str, group: list[Submission]) -> list[Submission]:
        """Write."""
        self.began.set()
        self.may_go.wait(WAIT)
        self.groups.append(len(group))
        if any(one.id in self.bad for submission in group for one in submission.drafts):
            raise self.error
        for submission in group:
            submission.succeed()
        return []


@pytest.fixture
def committed() -> Callable[[Writing, int], list[Any]]:
    """What becomes of so many requests that wait together, the second of which is bad."""

    def answers(writing: Writing, count: int) -> list[Any]:
        groups = GroupCommit(writing)
        drafts = [draft(statement(ADA)) for _ in range(count)]
        first = groups.submit(TENANT, [draft(statement(ADA))])
        assert writing.began.wait(WAIT)  # so that all that follow are one group
        writing.bad.add(drafts[1].id)
        futures = [groups.submit(TENANT, [one]) for one in drafts]
        writing.may_go.set()
        first.result(WAIT)
        ended = [future.exception(WAIT) or "stored" for future in futures]
        groups.close()
        return ended

    return answers


def test_a_fault_in_one_request_is_not_its_neighbours(
    committed: Callable[[Writing, int], list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    writing = Writing(ValueError(SECRET))
    first, second, third = committed(writing, 3)
    assert (first, third) == ("stored", "stored")
    assert isinstance(second, StoreUnavailable)
    assert writing.groups == [1, 3, 1, 1, 1]
    assert SECRET not in caplog.text + str(second)


def test_when_the_keys_can_not_be_reached_all_are_told(committed: Callable[[Writing, int], list[Any]]) -> None:
    writing = Writing(KeyStoreUnavailable("gone"))
    assert [type(one) for one in committed(writing, 3)] == [KeyStoreUnavailable] * 3


def test_a_caller_who_goes_away_takes_nothing_back() -> None:
    writing = Writing(ValueError())
    groups = GroupCommit(writing)
    left, stays = (groups.submit(TENANT, [draft(statement(ADA))]) for _ in range(2))
    assert not left.cancel()
    writing.may_go.set()
    assert left.result(WAIT)
    assert stays.result(WAIT)
    groups.close()


# --- the fence moves while a group is written -----------------------------------------------------------------


@dataclass
class ErasingClock:
    """A clock at which, when it is read for the n-th time, somebody is erased."""

    acme: Inside
    who: Json
    nth: int

    def now(self) -> datetime:
        """Now."""
        self.nth -= 1
        if self.nth == 0:
            vault, subject = self.acme.system.vault, self.acme.known(self.who)
            vault.begin_erasure(TENANT, subject)
            gone = vault.destroy(TENANT, subject, datetime.now(UTC))
            self.acme.system.tenants.store(TENANT).purge(subject, gone.sequence)
        return datetime.now(UTC)


def record_together(acme: Inside, recorder: Recorder, *contents: Json) -> list[str]:
    """What becomes of these when they are one group."""
    submissions = [Submission([draft(one)]) for one in contents]
    assert recorder._write_group(TENANT, submissions) == []
    ended = [one.future.exception(0) for one in submissions]
    return [one.code if isinstance(one, LetheError) else "stored" for one in ended]


@pytest.mark.parametrize("nth", [1, 2])
def test_an_erasure_in_the_middle_of_a_group_costs_no_request_its_own_answer(system: System, nth: int) -> None:
    """One is refused for its content before the fence moves; the rest is resolved afresh and stored."""
    acme = inside(system)
    taken, alans = statement(GRACE), statement(ALAN)
    acme.post(taken, alans)
    clock = ErasingClock(acme, ALAN, nth)
    recorder = Recorder(system.tenants, system.vault, system.opener, clock)
    new, taught = statement(ADA), statement(GRACE, context={"instructor": ALAN})
    other = taken | {"timestamp": "2026-11-22T10:00:00Z"}
    ended = record_together(acme, recorder, other, new, taught, alans, taken)
    recorder.close()
    assert ended == [StatementConflict.code, "stored", "stored", "stored", "stored"]
    assert acme.get(new).json()["actor"] == ADA
    assert acme.get(taught).json()["context"] == {"instructor": ALAN}  # seen again, as somebody new
    assert acme.get(alans).status_code == 404
    assert acme.rebuilt_same()


def test_a_record_resolved_before_an_erasure_is_not_written_past_it(system: System) -> None:
    acme = inside(system)
    acme.post(statement(ADA))
    old = acme.known(ADA)
    recorder = Recorder(system.tenants, system.vault, system.opener, ErasingClock(acme, ADA, 1))
    new = statement(ADA)
    assert record_together(acme, recorder, new) == ["stored"]
    recorder.close()
    assert acme.known(ADA) != old
    assert acme.left_of(old) == {}
    assert [one["id"] for one in acme.found_by(ADA)] == [new["id"]]


def test_the_same_new_person_sent_by_many_at_once_is_one_subject(system: System) -> None:
    acme = inside(system)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(acme.post, [statement(ADA) for _ in range(16)]))
    assert len(acme.found_by(ADA)) == 16
    assert acme.rows("SELECT count(DISTINCT subject) FROM agent") == [(1,)]
