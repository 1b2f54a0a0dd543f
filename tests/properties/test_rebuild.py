"""Views are disposable: whatever happened in whatever order, live view == rebuild from zero == naive fold."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest
from eventsourcing.persistence import RecordConflictError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lrs.bootstrap import System, build
from lrs.domain.agents import identifier_of
from lrs.domain.facts import fold
from lrs.domain.requests import Kind, Status
from lrs.domain.signals import signal_of
from lrs.domain.statements import VOIDED
from lrs.opening import Opened, Opener
from lrs.ports import Recorded, TenantStore
from lrs.projections.learning import LEARNING
from lrs.projections.rebuilding import rebuild
from lrs.projections.runner import VIEWS, catch_up, step
from lrs.recording.drafts import statement_draft
from tests.places import PUBLIC_URL, STORES, new_place
from tests.postgres import Databases

CMI5 = "https://w3id.org/xapi/cmi5/context/extensions/"
VIEW = LEARNING.name

STATEMENTS = 10  # of one example; each has a number, and its id comes from that
NUMBERS = st.integers(0, STATEMENTS - 1)
PEOPLE = ("ada", "bo", "cy")
COURSE, UNIT = "https://example.org/course", "https://example.org/course/unit"
REGISTRATION = "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01"
VERBS = ("launched", "initialized", "attempted", "completed", "passed", "failed", "progressed", "terminated")

Statement = dict[str, Any]
Operation = tuple[str, Any]


def agent(name: str) -> dict[str, Any]:
    return {"mbox": f"mailto:{name}@example.org", "name": name.title()}


GROUP = {"objectType": "Group", "member": [agent("ada"), agent("bo")]}
results = st.fixed_dictionaries(
    {},
    optional={
        "completion": st.booleans(),
        "success": st.booleans(),
        "score": st.sampled_from([{"scaled": 0.5}, {"scaled": 0.75}, {"raw": 9, "min": 0, "max": 10}]),
        "duration": st.sampled_from(["PT10S", "PT0.1S", "PT1H"]),
        "extensions": st.sampled_from([{"https://w3id.org/xapi/cmi5/result/extensions/progress": 40}]),
    },
)
contexts = st.fixed_dictionaries(
    {},
    optional={
        "registration": st.sampled_from([REGISTRATION, REGISTRATION.upper()]),
        "instructor": st.sampled_from(PEOPLE).map(agent),
        "contextActivities": st.sampled_from([{"grouping": [{"id": COURSE}]}]),
        "extensions": st.fixed_dictionaries(
            {},
            optional={
                CMI5 + "sessionid": st.sampled_from(["one", "two"]),
                CMI5 + "launchmode": st.sampled_from(["Normal", "Browse"]),
                CMI5 + "moveon": st.sampled_from(["Passed", "Completed", "NotApplicable"]),
            },
        ),
    },
)
learning = st.fixed_dictionaries(
    {
        "actor": st.one_of(st.sampled_from(PEOPLE).map(agent), st.just(GROUP)),
        "verb": st.sampled_from(VERBS).map(lambda verb: {"id": f"http://adlnet.gov/expapi/verbs/{verb}"}),
        "object": st.sampled_from([{"id": COURSE}, {"id": UNIT}]),
        "context": contexts,
    },
    optional={
        "result": results,
        "timestamp": st.sampled_from(["2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"]),
    },
)
# The target is a number here: its id is known only once the example has a name.
voiding = st.fixed_dictionaries(
    {
        "actor": st.sampled_from(PEOPLE).map(agent),
        "verb": st.just({"id": VOIDED}),
        "object": NUMBERS.map(lambda number: {"objectType": "StatementRef", "id": number}),
    }
)
statements = st.lists(st.one_of(learning, learning, learning, voiding), min_size=STATEMENTS, max_size=STATEMENTS)
views = st.sampled_from([*VIEWS])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(NUMBERS, min_size=1, max_size=4)),
        st.tuples(st.just("record"), st.lists(NUMBERS, min_size=1, max_size=4)),
        st.tuples(st.just("step"), st.integers(1, 6)),
        st.tuples(st.just("step"), st.integers(1, 6)),
        st.tuples(st.just("together"), st.integers(1, 6)),
        st.tuples(st.just("rebuild"), views),
        st.tuples(st.just("begin"), views),
        st.tuples(st.just("resume"), st.integers(1, 6)),
        st.tuples(st.just("erase"), st.sampled_from(PEOPLE)),
    ),
    min_size=5,
    max_size=30,
)


@dataclass
class Tenant:
    """The real tenant, and beside it what the promise says that it holds."""

    system: System
    name: str
    statements: list[Statement]
    recorded: dict[int, tuple[str, int]] = field(default_factory=dict)  # number -> its actor's incarnation
    incarnations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PEOPLE, 0))
    begun: Any = None

    @property
    def store(self) -> TenantStore:
        return self.system.tenants.store(self.name)

    def id_of(self, number: int) -> UUID:
        return uuid5(UUID(int=0), f"{self.name} {number}")

    def statement(self, number: int) -> Statement:
        said = self.statements[number]
        if said["verb"]["id"] == VOIDED:
            target = {"objectType": "StatementRef", "id": str(self.id_of(said["object"]["id"]))}
            return said | {"object": target}
        return said

    def do(self, operation: Operation) -> None:
        name, value = operation
        getattr(self, name)(value)

    # --- what happens to it --------------------------------------------------------------------------------------

    def record(self, numbers: list[int]) -> None:
        drafts = [
            statement_draft(
                self.statement(number),
                self.id_of(number),
                version="1.0.3",
                authority=UUID(int=1),
                public_url=PUBLIC_URL,
            )
            for number in numbers
        ]
        self.system.recorder.record(self.name, drafts).result(30)
        for number in numbers:
            self.recorded.setdefault(number, self._incarnation(number))

    def _incarnation(self, number: int) -> tuple[str, int]:
        name = self.statements[number]["actor"].get("name", "group").lower()
        return name, self.incarnations.get(name, 0)

    def step(self, limit: int) -> None:
        step(self.store, self.system.opener, [self.store.views.live(view) for view in VIEWS], limit)

    def together(self, limit: int) -> None:
        """The rebuild that was begun and the live view in one step, when they stand at one place."""
        live = self.store.views.live(VIEW)
        if self.begun is None or self.begun.position != live.position or self.begun.number <= live.number:
            return
        moved = step(self.store, self.system.opener, [self.begun, live], limit)
        self.begun = moved[0] if moved else self.begun

    def rebuild(self, view: str) -> None:
        rebuild(self.store, self.system.opener, view)

    def begin(self, view: str) -> None:
        self.begun = self.store.views.begin(view)

    def resume(self, limit: int) -> None:
        """A little further with the rebuild that was begun, unless another one took its place."""
        if self.begun is None:
            return
        with suppress(RecordConflictError):
            moved = step(self.store, self.system.opener, [self.begun], limit)
            self.begun = moved[0] if moved else self.begun
            self.store.views.swap(self.begun)
            self.begun = None

    def erase(self, person: str) -> None:
        identifier = identifier_of(agent(person))
        assert identifier is not None
        rights = self.system.rights
        request = rights.open(self.name, Kind.ERASE, [identifier])
        rights.run_next(self.name, request.id)
        assert rights.get(self.name, request.id).status is Status.DONE
        self.incarnations[person] += 1

    # --- what the views must hold --------------------------------------------------------------------------------

    def standing(self) -> list[int]:
        """Neither voided (by anybody, erased since or not), its actor not erased, itself voiding nothing."""
        voiding = {number for number in self.recorded if self.statements[number]["verb"]["id"] == VOIDED}
        voided = {self.statements[number]["object"]["id"] for number in voiding}
        return [
            number
            for number, (person, incarnation) in self.recorded.items()
            if number not in voided | voiding and incarnation == self.incarnations.get(person, 0)
        ]

    def naive(self, view: str) -> list[tuple[Any, ...]]:
        """The canonical rows by the plainest way: every standing statement, one after the other."""
        rows: dict[tuple[str, str, bytes], dict[str, Any]] = {}
        for number in self.standing():
            said = self.statements[number]
            signal = signal_of(said, self.id_of(number), self._stored_us(number))
            if signal is None:
                continue
            key = signal.activity, signal.registration or "", self._subject(said["actor"])
            row = rows.setdefault(key, {"at": [], "groupings": set(), "facts": {}})
            row["at"].append(signal.at_us)
            row["groupings"] |= set(signal.groupings)
            fold(row["facts"], signal)
        return [
            (*key, min(row["at"]), max(row["at"]), b"".join(sorted(row["groupings"])), _json(row["facts"]))
            for key, row in sorted(rows.items())
        ]

    def _stored_us(self, number: int) -> int:
        stream = self.id_of(number)
        return self.store.statements.by_ids([stream])[stream].stored_us

    def _subject(self, actor: dict[str, Any]) -> bytes:
        identifier = identifier_of(actor)
        assert identifier is not None
        return self.system.vault.read(self.name).lookup([identifier])[identifier].bytes

    def dump(self, view: str) -> list[tuple[Any, ...]]:
        return list(self.store.views.dump(self.store.views.live(view)))


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@pytest.fixture(scope="module", params=STORES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[System]:
    """One system for all examples; each has a tenant of its own."""
    system = build(new_place(request.param, tmp_path_factory.mktemp("rebuild") / "data", postgres))
    yield system
    system.close()


NAMES = (f"example-{number}" for number in count())


def check(system: System, said: list[Statement], happened: list[Operation]) -> None:
    tenant = Tenant(system, system.tenants.create(next(NAMES)), said)
    try:
        for operation in happened:
            tenant.do(operation)
        catch_up(tenant.store, system.opener)
        for view in VIEWS:
            live = tenant.dump(view)
            assert live == tenant.naive(view), view
            assert rebuild(tenant.store, system.opener, view), view
            assert tenant.dump(view) == live, view
        assert tenant.store.views.alarms() == 0
    finally:
        system.tenants.delete(tenant.name)


def verb(name: str, number: int | None = None) -> Statement:
    """A statement of ada's; with a number, one that voids the statement of that number."""
    if number is not None:
        return {"actor": agent("ada"), "verb": {"id": VOIDED}, "object": {"id": number}}
    said = {"id": f"http://adlnet.gov/expapi/verbs/{name}"}
    return {"actor": agent("ada"), "verb": said, "object": {"id": UNIT}, "context": {}}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(said=statements, happened=operations)
# A voiding before its target, and the voiding person erased: the target stays voided.
@example(
    said=[verb("completed"), verb("passed"), verb("voided", 0) | {"actor": agent("bo")}],
    happened=[("record", [2]), ("step", 6), ("record", [0, 1]), ("erase", "bo"), ("step", 6), ("erase", "ada")],
)
def test_live_views_equal_a_rebuild_and_a_naive_fold_after_any_history(
    shared: System, said: list[Statement], happened: list[Operation]
) -> None:
    check(shared, said, happened)


class Between(Opener):
    """An opener after one of whose readings something happens, as another process may do it."""

    def __init__(self, opened_by: Opener, reading: int, happens: Callable[[], None]) -> None:
        super().__init__(opened_by._vault, PUBLIC_URL)
        self._left = reading
        self._happens = happens

    def each(self, store: TenantStore, recorded: Sequence[Recorded], *, inside: bool = False) -> Iterator[Opened]:
        yield from super().each(store, recorded, inside=inside)
        self._left -= 1
        if self._left == 0:
            self._happens()


# A voiding is read three times: the batch, the voided statement, all statements of its row.
@pytest.mark.parametrize(("voiding", "reading"), [(False, 1), (True, 1), (True, 2), (True, 3)])
def test_a_person_erased_between_the_reading_and_the_writing_of_a_batch_gets_no_row(
    shared: System, *, voiding: bool, reading: int
) -> None:
    said = [verb("completed"), verb("passed"), verb("voided", 0)]
    tenant = Tenant(shared, shared.tenants.create(next(NAMES)), said)
    tenant.record([0, 1])
    if voiding:
        tenant.step(6)
        tenant.record([2])
    opener = Between(shared.opener, reading, lambda: tenant.erase("ada"))
    step(tenant.store, opener, [tenant.store.views.live(view) for view in VIEWS])
    assert tenant.incarnations["ada"] == 1
    assert tenant.dump(VIEW) == []
    catch_up(tenant.store, shared.opener)
    assert tenant.dump(VIEW) == []
    shared.tenants.delete(tenant.name)


def test_a_person_erased_in_the_middle_of_a_rebuild_does_not_come_back(shared: System) -> None:
    """Her rows of an earlier batch went with the erasure; a later batch that speaks of her brings none back."""
    said = [verb("completed"), verb("passed"), verb("failed")]
    tenant = Tenant(shared, shared.tenants.create(next(NAMES)), said)
    tenant.record([0])
    tenant.begin(VIEW)
    tenant.begun = step(tenant.store, shared.opener, [tenant.begun])[0]  # type: ignore[index]  # there is a batch
    assert len(list(tenant.store.views.dump(tenant.begun))) == 1
    tenant.record([1, 2])
    opener = Between(shared.opener, 1, lambda: tenant.erase("ada"))
    assert step(tenant.store, opener, [tenant.begun]) is not None
    assert tenant.incarnations["ada"] == 1
    assert list(tenant.store.views.dump(tenant.begun)) == []
    shared.tenants.delete(tenant.name)


def test_a_voiding_that_the_live_view_has_not_read_yet_is_no_difference(shared: System) -> None:
    """A rebuild leaves the voided statement out from the start; the live view, when it gets there."""
    said = [verb("completed"), verb("passed"), verb("voided", 0)]
    tenant = Tenant(shared, shared.tenants.create(next(NAMES)), said)
    tenant.record([0, 1])
    tenant.step(6)
    tenant.record([2])
    assert rebuild(tenant.store, shared.opener, VIEW)
    catch_up(tenant.store, shared.opener)
    assert tenant.dump(VIEW) == tenant.naive(VIEW)
    shared.tenants.delete(tenant.name)


@pytest.mark.full
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(said=statements, happened=operations)
def test_live_views_equal_a_rebuild_and_a_naive_fold_after_any_of_very_many_histories(
    shared: System, said: list[Statement], happened: list[Operation]
) -> None:
    check(shared, said, happened)
