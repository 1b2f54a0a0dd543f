"""An erasure that waits: nobody reads the person meanwhile, it can be taken back, it comes when its time has."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import RecordConflictError
from typer.testing import CliRunner

from lrs.bootstrap import build
from lrs.cli.root import app
from lrs.config import Settings
from lrs.domain.agents import Identifier
from lrs.domain.errors import KeyStoreUnavailable
from lrs.domain.policies import Policy
from lrs.domain.requests import Kind, Status
from lrs.domain.subjects import State, Subject
from lrs.ports import Vault
from retention.rights import Rights
from tests.places import environment
from tests.subjects import (
    ADA,
    GRACE,
    TENANT,
    Inside,
    Json,
    LaterClock,
    came_back,
    inside,
    statement,
)

DAYS = 7
HERS = [Identifier("mbox", ADA["mbox"])]


@pytest.fixture
def acme(own: Inside) -> Inside:
    """A tenant which lets erasures wait, with a record of Ada's and one of Grace's."""
    own.http.put("/admin/policy", json={"cooling_days": DAYS}).raise_for_status()
    own.post(statement(ADA), statement(GRACE))
    own.catch_up()
    return own


def later(acme: Inside, days: float) -> Rights:
    """The rights so many days from now."""
    return replace(acme.system.rights, clock=LaterClock(timedelta(days=days)))


def stands(acme: Inside, subject: UUID) -> State:
    """In which state she is."""
    return acme.system.vault.standings(acme.tenant, [subject])[0].state


def test_an_erasure_waits_unread_and_is_done_when_its_time_has_come(acme: Inside) -> None:
    subject, late = acme.known(ADA), statement(ADA)
    opened = acme.request("erase", ADA, reason="asked")
    assert (opened["kind"], opened["status"]) == ("erase", "open")
    erases_at = datetime.fromisoformat(opened["detail"]["erases_at"])
    assert erases_at - datetime.fromisoformat(opened["requested_at"]) == timedelta(days=DAYS)
    assert stands(acme, subject) is State.PENDING
    acme.post(late)
    assert acme.get(late).status_code == 404
    assert acme.found_by(ADA) == []
    assert [row["learner"] for row in acme.report()] == [GRACE]
    assert acme.rebuilt_same()
    acme.run()  # it is not time
    assert later(acme, DAYS - 0.01).run_next(acme.tenant) is None
    assert acme.state(opened) == opened
    assert later(acme, DAYS + 0.01).run_next(acme.tenant) == UUID(opened["id"])
    assert acme.done(opened)["detail"]["subjects_erased"] == 1
    assert acme.left_of(subject) == {}
    assert len(acme.certificates(opened)) == 1
    assert acme.subject(ADA) is None
    assert [row["learner"] for row in acme.report()] == [GRACE]
    assert acme.rebuilt_same()


def test_an_erasure_that_is_taken_back_leaves_everything_as_it_was(acme: Inside) -> None:
    subject, before, late = acme.known(ADA), acme.found(), statement(ADA, "passed")
    opened = acme.request("erase", ADA)
    acme.post(late)
    acme.catch_up()
    answer = acme.http.post(f"/dsar/{opened['id']}/withdraw")
    assert (answer.status_code, answer.json()["status"]) == (200, "refused")
    assert answer.json()["detail"]["code"] == "withdrawn"
    assert acme.http.post(f"/dsar/{opened['id']}/withdraw").json() == answer.json() == acme.state(opened)
    assert stands(acme, subject) is State.LIVE
    assert [one for one in acme.found() if one["id"] != late["id"]] == before
    assert came_back(late, acme.get(late).json())
    assert {row["learner"]["mbox"] for row in acme.report()} == {ADA["mbox"], GRACE["mbox"]}
    assert acme.rebuilt_same()
    assert later(acme, 100).run_next(acme.tenant) is None
    assert acme.system.vault.read(acme.tenant).denied == frozenset()


def test_of_two_erasures_that_wait_the_last_one_to_be_taken_back_ends_the_waiting(acme: Inside) -> None:
    subject = acme.known(ADA)
    first, second = acme.request("erase", ADA), acme.request("erase", ADA, GRACE)
    acme.http.post(f"/dsar/{first['id']}/withdraw").raise_for_status()
    assert stands(acme, subject) is State.PENDING
    acme.http.post(f"/dsar/{second['id']}/withdraw").raise_for_status()
    assert (stands(acme, subject), stands(acme, acme.known(GRACE))) == (State.LIVE, State.LIVE)
    third, fourth = acme.request("erase", ADA), acme.request("erase", ADA)
    rights = later(acme, DAYS + 1)
    assert {rights.run_next(acme.tenant), rights.run_next(acme.tenant)} == {UUID(third["id"]), UUID(fourth["id"])}
    assert acme.certificates(third) == acme.certificates(fourth) != []
    assert acme.http.post(f"/dsar/{fourth['id']}/withdraw").json()["code"] == "erasure-begun"


def test_a_hold_ends_the_waiting(acme: Inside) -> None:
    subject, opened = acme.known(ADA), acme.request("erase", ADA)
    assert acme.request("hold", ADA)["status"] == "done"
    state = acme.state(opened)
    assert (state["status"], state["detail"]["code"]) == ("refused", "legal-hold")
    assert stands(acme, subject) is State.LIVE
    assert len(acme.found_by(ADA)) == 1
    again = acme.request("erase", ADA)
    assert (again["status"], again["detail"]["code"]) == ("refused", "legal-hold")
    assert later(acme, 100).run_next(acme.tenant) is None
    answer = acme.http.post(f"/dsar/{again['id']}/withdraw")
    assert answer.json()["detail"]["code"] == "legal-hold"


def test_a_hold_whose_process_died_before_it_ended_the_waiting_is_respected_at_the_end(acme: Inside) -> None:
    subject, opened = acme.known(ADA), acme.request("erase", ADA)
    acme.system.vault.take(acme.tenant, [subject], lambda one: one.hold(held=True))
    later(acme, DAYS + 1).run_next(acme.tenant)
    state = acme.state(opened)
    assert (state["status"], state["detail"]["code"]) == ("refused", "legal-hold")
    assert stands(acme, subject) is State.LIVE
    assert len(acme.found_by(ADA)) == 1


def test_an_export_of_somebody_whose_erasure_waits_is_refused(acme: Inside) -> None:
    acme.request("erase", ADA)
    export = acme.request("export", ADA)
    acme.run()
    assert acme.state(export)["detail"]["code"] == "reading-denied"


def test_nobody_unknown_is_waited_for(acme: Inside) -> None:
    opened = acme.request("erase", {"mbox": "mailto:nobody@example.org"})
    assert "erases_at" not in opened["detail"]
    acme.run()
    assert acme.done(opened)["known"] is False


def test_a_policy_that_changes_leaves_erasures_that_wait_their_time(acme: Inside) -> None:
    opened = acme.request("erase", ADA)
    acme.http.put("/admin/policy", json={}).raise_for_status()
    acme.run()
    assert acme.state(opened)["status"] == "open"
    atonce = acme.request("erase", ADA)
    acme.run()
    assert acme.state(atonce)["status"] == "done"
    later(acme, DAYS + 1).run_next(acme.tenant)
    assert acme.certificates(opened) == acme.certificates(atonce)


# --- restarts, crashes, clocks --------------------------------------------------------------------------------


def test_a_restart_keeps_the_waiting_and_its_time(place: Settings) -> None:
    first = build(place)
    first.tenants.create(TENANT)
    first.tenants.decide(TENANT, Policy(DAYS))
    acme = inside(first)
    hers = statement(ADA)
    acme.post(hers)
    opened = acme.request("erase", ADA)
    first.close()
    second = build(place)
    acme = inside(second)
    assert acme.get(hers).status_code == 404
    acme.run()
    assert acme.state(opened) == opened
    assert later(acme, DAYS + 1).run_next(TENANT) == UUID(opened["id"])
    assert acme.state(opened)["status"] == "done"
    second.close()


@dataclass
class Swinging:
    """A clock that says one thing after the other."""

    days: list[float]

    def now(self) -> datetime:
        """The next, then the last one for ever."""
        ahead = self.days.pop(0) if len(self.days) > 1 else self.days[0]
        return datetime.now(UTC) + timedelta(days=ahead)


def test_a_clock_that_is_put_back_erases_nobody_early(acme: Inside) -> None:
    """The claim saw the end of the window, the request's own look does not."""
    opened = acme.request("erase", ADA)
    for days in ([DAYS + 1, 1], [DAYS + 1, -3], [-1]):
        clock: Any = Swinging(list(days))
        replace(acme.system.rights, clock=clock).run_next(acme.tenant)
        assert acme.state(opened) == opened
    assert later(acme, DAYS + 1).run_next(acme.tenant) == UUID(opened["id"])
    assert acme.state(opened)["status"] == "done"


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class Breaking:
    """A vault whose n-th step does not come about, or whose answer does not."""

    def __init__(self, vault: Vault, nth: int, error: type[BaseException], *, after: bool) -> None:
        self._vault = vault
        self._left = nth
        self._error = error
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def take(self, *args: Any) -> Any:
        """The step, or trouble."""
        self._left -= 1
        if self._left == 0 and not self._after:
            raise self._error
        taken = self._vault.take(*args)
        if self._left == 0:
            raise self._error
        return taken


def breaking(acme: Inside, error: type[BaseException], *, after: bool) -> Rights:
    """Rights whose next step in the vault breaks."""
    vault: Any = Breaking(acme.system.vault, 1, error, after=after)
    rights = acme.system.rights
    return replace(rights, vault=vault, decider=replace(rights.decider, vault=vault))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Crash, KeyStoreUnavailable])
def test_a_crash_while_an_erasure_is_opened_is_made_good_by_a_worker(
    acme: Inside, error: type[BaseException], after: bool
) -> None:
    rights, subject = breaking(acme, error, after=after), acme.known(ADA)
    try:
        opened = rights.open(acme.tenant, Kind.ERASE, HERS)
        assert error is not Crash
    except Crash:
        opened = rights.get(acme.tenant, rights.listed(acme.tenant)[0].id)
    assert opened.status is Status.OPEN
    later(acme, 0.01).run_next(acme.tenant)
    assert stands(acme, subject) is State.PENDING
    assert acme.found_by(ADA) == []
    assert later(acme, DAYS + 1).run_next(acme.tenant) == opened.id
    assert acme.state({"id": str(opened.id)})["status"] == "done"


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_an_erasure_is_taken_back_is_made_good_by_a_worker(acme: Inside, after: bool) -> None:
    subject, opened = acme.known(ADA), acme.request("erase", ADA)
    with pytest.raises(Crash):
        breaking(acme, Crash, after=after).withdraw(acme.tenant, UUID(opened["id"]))
    assert acme.state(opened)["status"] == "running"
    assert later(acme, 0.01).run_next(acme.tenant) == UUID(opened["id"])
    assert acme.state(opened)["detail"]["code"] == "withdrawn"
    assert stands(acme, subject) is State.LIVE
    assert later(acme, 100).run_next(acme.tenant) is None


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_of_a_hold_is_made_good_by_a_worker(acme: Inside, after: bool) -> None:
    subject, opened = acme.known(ADA), acme.request("erase", ADA)
    with pytest.raises(Crash):
        breaking(acme, Crash, after=after).open(acme.tenant, Kind.HOLD, HERS)
    assert later(acme, 0.01).run_next(acme.tenant) is not None
    assert acme.state(opened)["detail"]["code"] == "legal-hold"
    assert stands(acme, subject) is State.LIVE


def test_a_request_that_ended_while_it_was_being_claimed_is_left_alone(acme: Inside) -> None:
    opened = acme.request("erase", ADA)
    ended = acme.http.post(f"/dsar/{opened['id']}/withdraw").json()
    rights = later(acme, DAYS + 1)
    assert rights._run(acme.tenant, rights.get(acme.tenant, UUID(opened["id"]))) is None
    assert acme.state(opened) == ended
    assert [row.id for row in rights._all(acme.tenant)] == [UUID(opened["id"])]


# --- two at once ----------------------------------------------------------------------------------------------


class Pausing:
    """A vault before whose n-th step something else happens."""

    def __init__(self, vault: Vault, happens: Callable[[], object]) -> None:
        self._vault = vault
        self._happens: Callable[[], object] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def take(self, *args: Any) -> Any:
        """First that, once, then the step."""
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return self._vault.take(*args)


def test_an_erasure_that_is_taken_back_while_it_is_still_being_opened_does_not_stay_pending(acme: Inside) -> None:
    rights = acme.system.rights

    def take_back() -> None:
        acme.system.rights.withdraw(acme.tenant, rights.listed(acme.tenant)[0].id)

    vault: Any = Pausing(acme.system.vault, take_back)
    opened = replace(rights, vault=vault).open(acme.tenant, Kind.ERASE, HERS)
    assert (opened.status, opened.detail["code"]) == (Status.REFUSED, "withdrawn")
    assert stands(acme, acme.known(ADA)) is State.LIVE


class Interrupted:
    """A clock; when it is asked for the first time, something else happens first."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens: Callable[[], object] | None = happens

    def now(self) -> datetime:
        """The time."""
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return datetime.now(UTC)


def test_of_two_who_take_an_erasure_back_at_once_both_are_told_that_it_is(acme: Inside) -> None:
    rights, request = acme.system.rights, UUID(acme.request("erase", ADA)["id"])
    clock = Interrupted(lambda: rights.withdraw(acme.tenant, request))
    answered = replace(rights, clock=clock).withdraw(acme.tenant, request)
    assert (answered.status, answered.detail["code"]) == (Status.REFUSED, "withdrawn")
    assert stands(acme, acme.known(ADA)) is State.LIVE


def test_of_two_erasures_of_a_person_at_once_both_are_done(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (UUID(acme.request("erase", ADA)["id"]) for _ in range(2))
    rights = later(acme, DAYS + 1)
    complete, other = Subject.complete_erasure, iter([second])

    def meanwhile(subject: Subject, *facts: Any) -> None:
        """Before the first one's event is stored, which then comes second on the person's stream."""
        if one := next(other, None):
            rights.run_next(acme.tenant, one)
        complete(subject, *facts)

    monkeypatch.setattr(Subject, "complete_erasure", meanwhile)
    assert rights.run_next(acme.tenant, first) == first
    assert [acme.state({"id": str(one)})["status"] for one in (first, second)] == ["done", "done"]


def test_whoever_is_always_beaten_leaves_the_request_to_another(acme: Inside) -> None:
    request, rights, tried = UUID(acme.request("erase", ADA)["id"]), later(acme, DAYS + 1), list[int]()

    def reached(step: int) -> None:
        tried.append(step)
        if step == 5:
            raise RecordConflictError

    replace(rights, eraser=replace(rights.eraser, reached=reached)).run_next(acme.tenant, request)
    assert tried.count(5) == 5
    assert acme.state({"id": str(request)})["status"] == "running"
    assert rights.run_next(acme.tenant, request) == request
    assert acme.state({"id": str(request)})["status"] == "done"


def race(acme: Inside, *works: Callable[[], object]) -> list[BaseException | None]:
    """All at once; what each of them raised."""
    start = threading.Barrier(len(works))
    raised: list[BaseException | None] = [None] * len(works)

    def run(at: int, work: Callable[[], object]) -> None:
        start.wait(20)
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            raised[at] = error

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def race_at_the_end(acme: Inside, rounds: int) -> None:
    """Somebody takes an erasure back while workers begin it: it is done, or it is taken back, and never both."""
    ends: dict[str, int] = {"done": 0, "refused": 0}
    for number in range(rounds):
        who: Json = {"mbox": f"mailto:p{number}@example.org"}
        hers = statement(who)
        acme.post(hers)
        subject, opened = acme.known(who), acme.request("erase", who)
        request = UUID(opened["id"])
        rights = later(acme, DAYS + 1)
        raised = race(
            acme,
            lambda rights=rights, request=request: rights.run_next(acme.tenant, request),  # type: ignore[misc]
            lambda request=request: acme.system.rights.withdraw(acme.tenant, request),  # type: ignore[misc]
            lambda rights=rights, request=request: rights.run_next(acme.tenant, request),  # type: ignore[misc]
        )
        later(acme, DAYS + 2).run_next(acme.tenant, request)  # whatever a worker left
        state = acme.state(opened)
        ends[state["status"]] += 1
        if state["status"] == "done":
            assert acme.left_of(subject) == {}
            assert acme.get(hers).status_code == 404
            assert type(raised[1]).__name__ == "ErasureBegun"
        else:
            assert raised[1] is None
            assert stands(acme, subject) is State.LIVE
            assert came_back(hers, acme.get(hers).json())
        assert raised[0] is None
        assert raised[2] is None
    assert sum(ends.values()) == rounds


def test_taking_back_races_the_worker_at_the_end_of_the_window(acme: Inside) -> None:
    race_at_the_end(acme, 4)


@pytest.mark.full
def test_taking_back_races_the_worker_thousands_of_times(acme: Inside) -> None:
    race_at_the_end(acme, 2_000)


# --- the command line -----------------------------------------------------------------------------------------


def test_the_command_line_lets_an_erasure_wait_and_takes_it_back(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(place).items():
        monkeypatch.setenv(name, value)

    def lrs(*arguments: str) -> Json:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, (arguments, done.output)
        said: Json = json.loads(done.output)
        return said

    lrs("tenant", "create", TENANT)
    system = build(place)
    inside(system).post(statement(ADA))
    who = ("--tenant", TENANT, "--agent", json.dumps(ADA))
    policy = lrs("tenant", "policy", TENANT, "--cooling-days", "3", "--keep", "learning=1825")
    assert policy == {
        "tenant": TENANT,
        "cooling_days": 3,
        "retention_days": {"learning": 1825},
        "compaction_days": 30,
        "suppression_days": 0,
    }
    assert lrs("tenant", "policy", TENANT) == policy
    opened = lrs("subject", "erase", *who)
    assert (opened["status"], opened["certificates"]) == ("open", [])
    taken = lrs("subject", "withdraw", opened["id"], "--tenant", TENANT)
    assert (taken["status"], taken["detail"]["code"]) == ("refused", "withdrawn")
    for command in (("hold",), ("release",), ("restrict",), ("restrict", "--lift"), ("correct", "--name", "X")):
        assert lrs("subject", *command, *who)["status"] == "done"
    assert inside(system).found()[0]["actor"]["name"] == "X"
    lrs("subject", "correct", *who, "--to", '{"mbox":"mailto:new@example.org"}')
    assert inside(system).found()[0]["actor"]["mbox"] == "mailto:new@example.org"
    assert lrs("tenant", "policy", TENANT, "--forever", "learning")["retention_days"] == {}
    for wrong in (("--keep", "learning"), ("--keep", "identity=3"), ("--forever", "x"), ("--cooling-days", "31")):
        assert CliRunner().invoke(app, ["tenant", "policy", TENANT, *wrong]).exit_code == 3, wrong
    system.close()
