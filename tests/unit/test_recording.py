"""Group commit: requests share a transaction and nothing else. Each gets its own answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest

from lrs.adapters.clock import SystemClock
from lrs.adapters.postgres.stores import PostgresStores
from lrs.bootstrap import System
from lrs.domain.errors import KeyStoreUnavailable, LetheError, StatementConflict, StoreUnavailable
from lrs.recording.drafts import Draft, exchange_draft, exchange_stream, statement_draft
from lrs.recording.groups import GROUP_DRAFTS_MAX, WORKERS, GroupCommit, Submission
from lrs.recording.recorder import Recorder
from tests.places import PUBLIC_URL, vault_rows
from tests.subjects import (
    ADA,
    ALAN,
    GRACE,
    TENANT,
    Inside,
    Json,
    came_back,
    exchange,
    inside,
    statement,
)

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
        groups.submit(TENANT, [Submission([draft(statement(ADA))])])
        assert writing.began.wait(WAIT)  # so that all that follow are one group
        writing.bad.add(drafts[1].id)
        submissions = [Submission([one]) for one in drafts]
        groups.submit(TENANT, submissions)
        writing.may_go.set()
        groups.close()
        assert all(one.done for one in submissions)
        return [one.error or "stored" for one in submissions]

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


def test_a_caller_who_goes_away_takes_nothing_back(system: System) -> None:
    acme = inside(system)
    left, stays = statement(ADA), statement(ADA)
    recorder = Recorder(system.tenants, system.vault, system.opener, SystemClock())
    futures = [recorder.record(TENANT, [draft(one)]) for one in (left, stays)]
    assert not futures[0].cancel()
    assert [future.result(WAIT) for future in futures] == [[UUID(left["id"])], [UUID(stays["id"])]]
    recorder.close()
    assert acme.get(left).status_code == 200


def test_a_flood_on_some_tenants_does_not_starve_another() -> None:
    """As many are flooded as there are workers; who comes after them is served before any flood is over."""
    served: list[str] = []
    began = Event()

    def write(tenant: str, group: list[Submission]) -> list[Submission]:
        assert began.wait(WAIT)
        served.append(tenant)
        for submission in group:
            submission.succeed()
        return []

    groups = GroupCommit(write)
    whole_group = [draft(statement(ADA))] * GROUP_DRAFTS_MAX
    for _ in range(30):
        for n in range(WORKERS):
            groups.submit(f"flooded-{n}", [Submission(whole_group)])
    groups.submit("small", [Submission([draft(statement(ADA))])])
    began.set()
    groups.close()
    assert served.index("small") <= 2 * WORKERS
    assert all(served.count(f"flooded-{n}") == 30 for n in range(WORKERS))


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
    assert all(one.done for one in submissions)
    return [one.error.code if isinstance(one.error, LetheError) else "stored" for one in submissions]


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


@dataclass
class MovingClock:
    """A clock at which, when it is first read, a stand-by takes the server's place."""

    stores: PostgresStores
    read: int = 0

    def now(self) -> datetime:
        """Now."""
        self.read += 1
        if self.read == 1:
            self.stores.pool.servers += 1
            self.stores.forget()
        return datetime.now(UTC)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)  # a file is on no server
def test_what_was_worked_out_on_one_server_is_not_written_on_another(system: System) -> None:
    """The other may lack the keys that it was sealed under."""
    assert isinstance(system.stores, PostgresStores)
    acme, clock = inside(system), MovingClock(system.stores)
    recorder = Recorder(system.tenants, system.vault, system.opener, clock)
    new = statement(ADA)
    assert record_together(acme, recorder, new) == ["stored"]
    recorder.close()
    assert clock.read == 2
    assert acme.get(new).status_code == 200


def test_the_same_new_person_sent_by_many_at_once_is_one_subject(system: System) -> None:
    acme = inside(system)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(acme.post, [statement(ADA) for _ in range(16)]))
    assert len(acme.found_by(ADA)) == 16
    assert acme.rows("SELECT count(DISTINCT subject) FROM agent") == [(1,)]


# --- whose it is ----------------------------------------------------------------------------------------------


@dataclass
class NewYear:
    """A clock that stands at the first moment of 2027."""

    def now(self) -> datetime:
        """Now."""
        return datetime(2027, 1, 1, tzinfo=UTC)


def test_in_one_group_what_is_nobodys_is_sealed_for_the_tenant_and_the_rest_for_its_people(system: System) -> None:
    """The tenant's subject is asked for only where something belongs to nobody."""
    acme = inside(system)
    nobodys = statement({"objectType": "Group", "member": []})
    all_of = statement({"objectType": "Group", "member": [ADA, GRACE, ADA]})
    adas = statement(ADA, context={"instructor": GRACE})
    recorder = Recorder(system.tenants, system.vault, system.opener, SystemClock())
    assert record_together(acme, recorder, nobodys, all_of, adas, nobodys) == ["stored"] * 4
    recorder.close()
    assert all(came_back(one, acme.get(one).json()) for one in (nobodys, all_of, adas))
    assert acme.rows("SELECT owners FROM statement ORDER BY position") == [(1,), (2,), (1,)]
    acme.ran("erase", ADA)
    assert [acme.get(one).status_code for one in (nobodys, all_of, adas)] == [200, 200, 404]
    acme.ran("erase", GRACE)  # the last of its owners
    assert [acme.get(one).status_code for one in (nobodys, all_of, adas)] == [200, 404, 404]


def test_in_one_group_each_record_is_sealed_for_the_period_of_its_own_kind(system: System) -> None:
    acme = inside(system)
    sent = exchange(ADA)
    asked = exchange_draft(sent, sent["id"], exchange_stream(sent["id"]), authority=uuid4(), public_url=PUBLIC_URL)
    submissions = [Submission([draft(statement(ADA))]), Submission([asked]), Submission([draft(statement(ADA))])]
    recorder = Recorder(system.tenants, system.vault, system.opener, NewYear())
    assert recorder._write_group(TENANT, submissions) == []
    recorder.close()
    assert all(one.done and one.error is None for one in submissions)
    periods = vault_rows(system.settings, "SELECT category, period FROM data_key ORDER BY 1")
    assert periods == [("exchange", "2027-01"), ("identity", ""), ("learning", "2027")]
    assert acme.known(ADA)


def test_of_two_with_a_stored_id_in_one_group_what_is_stored_decides_who_is_refused(system: System) -> None:
    """Not who of the two came first: everybody is known here, so nothing else asks for the id."""
    acme = inside(system)
    stored = statement(ADA)
    acme.post(stored)
    other = stored | {"timestamp": "2026-11-22T10:00:00Z"}
    recorder = Recorder(system.tenants, system.vault, system.opener, SystemClock())
    assert record_together(acme, recorder, other, stored) == [StatementConflict.code, "stored"]
    recorder.close()


def test_two_spellings_of_one_person_in_a_group_are_one_subject_and_each_comes_back(system: System) -> None:
    acme = inside(system)
    acme.post(statement(ADA))
    named, bare = ADA | {"name": "Countess"}, {"mbox": ADA["mbox"]}
    sent = [statement(named, context={"instructor": bare}), statement(bare), statement(named), statement(ADA)]
    acme.post(*sent)
    assert all(came_back(one, acme.get(one).json()) for one in sent)
    assert acme.rows("SELECT count(*), count(DISTINCT subject) FROM agent") == [(3, 1)]
