"""Another process erases, restricts or holds a person between any two messages of whatever this one is doing.

Two systems share a place. The first one works, and before its n-th message to the store or the vault the second
one does the other thing, wholly or as far as a lock lets it; and so on for every n. Then the promises must hold: a
request that begins now, in either, reads nothing (3); a rebuild is what there was (5); others' records are whole
(9).
"""

import itertools
import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from lrs.adapters.sql.store import SqlTenantStore
from lrs.adapters.vault.known import Known
from lrs.bootstrap import System, build
from lrs.domain.agents import Identifier
from lrs.domain.corrections import Correction
from lrs.domain.policies import Policy
from lrs.domain.requests import Kind
from lrs.domain.subjects import State
from tests.kept import Resource, names
from tests.places import STORES, new_place
from tests.postgres import Databases
from tests.subjects import COURSE, GRACE, PLACEHOLDER, Inside, Json, LaterClock, agent, inside, statement
from tests.vaults import Stepped, stepped

# Who meets the other's lock gets no further; the other has waited long enough for all that needs no lock.
BLOCKED_SECONDS = 0.05
WAIT_SECONDS = 60
DAYS = 7
SEED = int(os.environ.get("LRS_TEST_SEED", "5"))
# The ordinary run tries so many moments of each pair, the full one all of them.
SLICE = 1
TOGETHER = 12


class Moment:
    """What happens just before a message of the first system, in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writing: set[int] = set()
        self._left = 0
        self._act: Callable[[], object] | None = None
        self._thread: threading.Thread | None = None
        self._failed: list[BaseException] = []

    def arm(self, number: int, act: Callable[[], object]) -> None:
        """Let this happen before the message of this number."""
        with self._lock:
            self._left, self._act, self._thread, self._failed = number, act, None, []

    def __call__(self, message: str) -> None:
        """A message is about to be sent."""
        me = threading.get_ident()
        with self._lock:
            if message == "done write":
                self._writing.discard(me)
            may_block = bool(self._writing)
            if message == "begin write":
                self._writing.add(me)
            self._left -= 1
            if self._act is None or self._left != 0:
                return
            self._thread = thread = threading.Thread(target=self._run, args=(self._act,))
        thread.start()
        thread.join(BLOCKED_SECONDS if may_block else WAIT_SECONDS)

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            self._failed.append(error)

    def happened(self) -> bool:
        """Whether there was such a message. Waits for the end of what happened, and raises what it raised."""
        with self._lock:
            self._act, thread = None, self._thread
        if thread is None:
            return False
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
        for error in self._failed:
            raise error
        return True


@dataclass
class Pair:
    """A tenant in two systems, the first of which is watched."""

    first: Inside
    second: Inside
    moment: Moment

    @property
    def both(self) -> tuple[Inside, Inside]:
        """Either must say the same."""
        return self.first, self.second


TENANTS = (f"race-{number}" for number in itertools.count())


def watch(system: System, tenant: str, moment: Moment) -> None:
    """The tenant's store, told before every message to it."""
    system.tenants.fence()  # what it has seen it does not forget the store for
    opened: Any = system.stores
    store: Any = opened.open(tenant)
    database: Any = Stepped(store._database, moment)
    watched = SqlTenantStore(tenant, database, system.rights.clock.now)
    kept = opened._open[tenant]
    opened._open[tenant] = (kept[0], watched) if isinstance(kept, tuple) else watched


@pytest.fixture(scope="module", params=STORES)
def systems(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[tuple[System, System, Moment]]:
    """Two processes on one place."""
    place = new_place(request.param, tmp_path_factory.mktemp("races") / "data", postgres)
    moment = Moment()
    first, second = build(place), build(place)
    stepped(first.vault, moment)
    yield first, second, moment
    first.close()
    second.close()


@pytest.fixture
def pair(systems: tuple[System, System, Moment]) -> Pair:
    """A tenant of its own."""
    return new_pair(systems)


def new_pair(systems: tuple[System, System, Moment]) -> Pair:
    """A new tenant in both."""
    first, second, moment = systems
    tenant = second.tenants.create(next(TENANTS))
    made = Pair(inside(first, tenant), inside(second, tenant), moment)
    watch(first, tenant, moment)
    made.second.post(statement(GRACE))
    return made


# --- one person's records, and what may be done ---------------------------------------------------------------


@dataclass
class Person:
    """Somebody with records in every role, and what is done about her meanwhile."""

    who: Json
    hers: Json
    graces: Json
    together: Json
    late: Json
    late_together: Json
    subject: UUID

    @property
    def state(self) -> Resource:
        """Her documents."""
        return Resource("/activities/state", "stateId", {"activityId": COURSE, "agent": names(self.who)})

    @property
    def identifiers(self) -> list[Identifier]:
        """By what she is known."""
        return [Identifier("mbox", self.who["mbox"])]


def somebody(pair: Pair, number: int) -> Person:
    """She is known to the first system, whose caches are warm; reports are behind by her."""
    who = agent(f"p{number}")
    team = {"objectType": "Group", "member": [who, GRACE]}
    hers, graces = statement(who, "passed"), statement(GRACE, context={"instructor": who})
    together = statement(team, "attempted")
    pair.first.post(hers, graces, together)
    late = statement(who | {"name": "Late"}, context={"instructor": GRACE})
    made = Person(who, hers, graces, together, late, statement(team), pair.first.known(who))
    assert made.state.put(pair.first.http, "old", {"page": 1}).status_code == 204
    assert pair.first.get(hers).status_code == 200
    return made


Work = Callable[[Pair, Person], object]


def export(pair: Pair, her: Person) -> Json:
    opened = pair.first.request("export", her.who)
    pair.first.system.rights.run_next(pair.first.tenant, UUID(opened["id"]))
    return pair.first.state(opened)


def erase(of: Inside, her: Person) -> Json:
    opened = of.system.rights.open(of.tenant, Kind.ERASE, her.identifiers)
    of.system.rights.run_next(of.tenant, opened.id)
    return of.state({"id": str(opened.id)})


def decide(of: Inside, her: Person, kind: Kind, **more: Any) -> Json:
    opened = of.system.rights.open(of.tenant, kind, her.identifiers, **more)
    return of.state({"id": str(opened.id)})


def post(pair: Pair, her: Person) -> None:
    """Statements whose answer may be that an erasure took too long, but never that they are lost."""
    pair.first.post(her.late, her.late_together)


def write(pair: Pair, her: Person) -> None:
    assert her.state.post(pair.first.http, "old", {"seen": True}).status_code == 204
    assert her.state.put(pair.first.http, "new", {"page": 2}).status_code == 204


def read(pair: Pair, her: Person) -> None:
    for answer in (pair.first.get(her.hers), pair.first.get(her.graces), her.state.get(pair.first.http, "old")):
        assert answer.status_code in {200, 404}
    pair.first.found_by(her.who)
    pair.first.http.get("/xapi/agents", params={"agent": json.dumps(her.who)}).raise_for_status()


def report(pair: Pair, her: Person) -> None:
    pair.first.report()
    pair.first.report(learner=json.dumps(her.who))


WORKS: dict[str, Work] = {
    "post": post,
    "write documents": write,
    "delete documents": lambda pair, her: her.state.delete(pair.first.http).raise_for_status(),
    "project": lambda pair, _: pair.first.catch_up(),
    "rebuild": lambda pair, _: pair.first.rebuilt_same(),
    "export": export,
    "read": read,
    "report": report,
    "correct": lambda pair, her: decide(pair.first, her, Kind.CORRECT, correction=Correction("New")),
    "restrict": lambda pair, her: decide(pair.first, her, Kind.RESTRICT, lift=True),
    "erase": lambda pair, her: erase(pair.first, her),
}


# --- what must hold after it ----------------------------------------------------------------------------------


def check_erased(pair: Pair, her: Person) -> None:
    """Promises 3, 5 and 9. What was written late may be of the new subject that she is since."""
    for one in pair.both:
        for gone in (her.hers, her.late) if one.get(her.late).status_code == 404 else (her.hers,):
            assert one.get(gone).status_code == 404
        found = {statement["id"] for statement in one.found_by(her.who)}
        assert found <= {her.late["id"], her.late_together["id"]}
        assert her.state.get(one.http, "old").json() != {"page": 1}
        assert one.get(her.graces).json()["context"]["instructor"] == PLACEHOLDER
        assert one.get(her.together).json()["actor"]["member"] == [PLACEHOLDER, GRACE]
        assert one.system.vault.standings(one.tenant, [her.subject])[0].state is State.ERASED
        now = one.subject(her.who)
        assert now != her.subject
        late = one.get(her.late)
        if late.status_code == 200:
            assert now is not None
            assert late.json()["actor"]["mbox"] == her.who["mbox"]
    assert pair.second.left_of(her.subject) == {}
    check_views(pair)


def check_restricted(pair: Pair, her: Person) -> None:
    """Nothing is read, and all is there again when it is lifted, what was written meanwhile too."""
    for one in pair.both:
        for gone in (her.hers, her.late):
            assert one.get(gone).status_code == 404
        assert one.found_by(her.who) == []
        assert one.report(learner=json.dumps(her.who)) == []
        assert her.state.ids(one.http) == []
        assert one.get(her.graces).json()["context"]["instructor"] == PLACEHOLDER
    check_views(pair)
    assert decide(pair.second, her, Kind.RESTRICT, lift=True)["status"] == "done"
    for one in pair.both:
        assert one.get(her.hers).status_code == 200
        assert one.get(her.graces).json()["context"]["instructor"]["mbox"] == her.who["mbox"]
        assert one.report(learner=json.dumps(her.who)) != []
    check_views(pair)


def check_views(pair: Pair) -> None:
    pair.second.catch_up()
    assert pair.second.rebuilt_same()
    assert {row["learner"]["mbox"] for row in pair.first.report()} >= {GRACE["mbox"]}


def check_held(pair: Pair, her: Person) -> None:
    """She is held and whole, or the erasure was faster and the hold was told so."""
    (stands,) = pair.second.system.vault.standings(pair.second.tenant, [her.subject])
    if stands.state is State.ERASED:
        check_erased(pair, her)
        return
    assert (stands.state, stands.held) == (State.LIVE, True)
    for one in pair.both:
        assert one.get(her.hers).status_code == 200
    check_views(pair)
    assert decide(pair.second, her, Kind.RELEASE)["status"] == "done"


ACTS: dict[str, tuple[Work, Work]] = {
    "erase": (lambda pair, her: erase(pair.second, her), check_erased),
    "restrict": (lambda pair, her: decide(pair.second, her, Kind.RESTRICT), check_restricted),
    "hold": (lambda pair, her: decide(pair.second, her, Kind.HOLD), check_held),
}
# What meets what. To be held matters to an erasure alone, and an erasure ends a restriction's work and a check.
PAIRS = [(work, "erase") for work in WORKS]
PAIRS += [(work, "restrict") for work in WORKS if work not in {"erase", "restrict", "delete documents"}]
PAIRS += [("erase", "hold")]


def interleave(pair: Pair, work: str, act: str, numbers: Iterator[int], *, cold: bool = False) -> bool:
    """One after the other of these moments of a work; whether it ended before one of them."""
    do, (happens, check) = WORKS[work], ACTS[act]
    for number in numbers:
        her = somebody(pair, number)
        if cold:
            pair.first.system.vault._known = Known(0, -1)
        if work in {"rebuild", "report"}:
            pair.second.catch_up()
        pair.moment.arm(number, lambda her=her: happens(pair, her))  # type: ignore[misc]
        answer = do(pair, her)
        if not pair.moment.happened():
            return True
        if work == "erase":
            assert isinstance(answer, dict)
            held = answer["detail"].get("code") == "legal-hold"
            assert answer["status"] == ("refused" if held else "done"), answer
        if work == "export":
            assert isinstance(answer, dict)
            assert answer["status"] in {"done", "refused"}, answer
        check(pair, her)
    return False


@pytest.mark.parametrize(("work", "act"), PAIRS)
def test_at_some_moments(pair: Pair, work: str, act: str) -> None:
    chosen = random.Random(f"{SEED} {work} {act}").sample(range(1, 24), SLICE)
    interleave(pair, work, act, iter(sorted(chosen)))


@pytest.mark.full
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize(("work", "act"), PAIRS)
def test_at_every_moment(systems: tuple[System, System, Moment], work: str, act: str, cold: bool) -> None:
    """A new tenant every so often, for some works send more messages the more there is."""
    moments = itertools.count(1)
    while not interleave(new_pair(systems), work, act, itertools.islice(moments, TOGETHER), cold=cold):
        pass
    assert next(moments) > 7


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.full)])
def test_an_erasure_is_taken_back_between_any_two_messages_of_the_worker_that_begins_it(
    pair: Pair, every: bool
) -> None:
    """And the other way round is the same race. It is done, or it is taken back, and never both."""
    pair.second.system.tenants.decide(pair.second.tenant, Policy(DAYS))
    numbers = itertools.count(1) if every else iter(random.Random(SEED).sample(range(1, 14), 2))
    ends = set()
    for number in numbers:
        her = somebody(pair, number)
        opened = pair.second.request("erase", her.who)
        request, tenant = UUID(opened["id"]), pair.first.tenant
        answers: list[int] = []

        def take_back(request: UUID = request, answers: list[int] = answers) -> None:
            answers.append(pair.second.http.post(f"/dsar/{request}/withdraw").status_code)

        rights = replace(pair.first.system.rights, clock=LaterClock(timedelta(days=DAYS + 1)))
        pair.moment.arm(number, take_back)
        rights.run_next(tenant, request)
        if not pair.moment.happened():
            assert number > 13
            break
        replace(rights, clock=LaterClock(timedelta(days=DAYS + 2))).run_next(tenant, request)
        state = pair.second.state(opened)
        ends.add(state["status"])
        if state["status"] == "done":
            assert answers == [409]
            check_erased(pair, her)
        else:
            assert (state["status"], state["detail"]["code"], answers) == ("refused", "withdrawn", [200])
            assert pair.first.system.vault.standings(tenant, [her.subject])[0].state is State.LIVE
            assert pair.first.get(her.hers).status_code == pair.second.get(her.hers).status_code == 200
            check_views(pair)
    assert ends <= {"done", "refused"}
    assert not every or len(ends) == 2
