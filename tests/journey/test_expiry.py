"""What is kept no longer: its keys go by the ledger, its records leave the index, the views forget it; persons,
documents and everybody else's records stay."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import RecordConflictError
from typer.testing import CliRunner

from lrs.adapters.vault import expiring
from lrs.bootstrap import System
from lrs.cli.root import app
from lrs.domain.errors import StoreUnavailable
from lrs.domain.events import BlobName
from lrs.domain.policies import Policy
from lrs.domain.sealing import EXPIRED, Category, Expired
from lrs.domain.subjects import Subject
from lrs.leading import Leader
from lrs.opening import Opened, Opener
from lrs.ports import Kept, Recorded, StaleFence, TenantStore
from lrs.projections.learning import LEARNING
from lrs.projections.rebuilding import rebuild
from lrs.projections.runner import step
from lrs.recording.drafts import Attached, exchange_draft, exchange_stream, statement_draft
from lrs.recording.planning import Planner
from lrs.reindexing.records import Records
from retention import schedule
from retention.expiry import Expirer
from retention.schedule import Schedule
from tests.histories import History, SetClock, recording_at
from tests.kept import Resource, names
from tests.places import PUBLIC_URL, environment
from tests.subjects import ADA, ALAN, COURSE, GRACE, Inside, Json, LaterClock, exchange, inside, statement, voiding

AUTHORITY = UUID(int=1)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
GROUP = {"objectType": "Group", "member": [ADA, GRACE, ALAN]}


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def received(acme: Inside, year: int, *statements: Json, month: int = 5) -> None:
    """These came in that year."""
    recorder = recording_at(acme.system, SetClock(datetime(year, month, 5, tzinfo=UTC)))
    drafts = [
        statement_draft(one, UUID(one["id"]), version="1.0.3", authority=AUTHORITY, public_url=PUBLIC_URL)
        for one in statements
    ]
    recorder.record(acme.tenant, drafts).result(30)
    recorder.close()


def received_with_file(acme: Inside, year: int, said: Json) -> None:
    """This came in that year, with a file and a signature whose blobs nobody asks for."""
    recorder = recording_at(acme.system, SetClock(datetime(year, 5, 5, tzinfo=UTC)))
    kept = [Kept(BlobName(uuid4().bytes), bytes(32), bytes(32), 4) for _ in range(2)]
    files = tuple(Attached(one, uuid4().hex * 2, "text/plain", 4, signs=one is kept[1]) for one in kept)
    draft = statement_draft(said, UUID(said["id"]), version="1.0.3", authority=AUTHORITY, public_url=PUBLIC_URL)
    recorder.record(acme.tenant, [draft._replace(attachments=files)]).result(30)
    recorder.close()


def exchanged(acme: Inside, year: int, month: int, who: Json, day: int = 5) -> UUID:
    """An exchange of that month; its stream."""
    recorder = recording_at(acme.system, SetClock(datetime(year, month, day, tzinfo=UTC)))
    said = exchange(who)
    stream = exchange_stream(said.pop("id"))
    draft = exchange_draft(said, "its id", stream, authority=AUTHORITY, public_url=PUBLIC_URL)
    recorder.record(acme.tenant, [draft]).result(30)
    recorder.close()
    return stream


def keeps(acme: Inside, **days: int) -> None:
    """From now on the tenant keeps categories for so many days."""
    acme.system.tenants.decide(acme.tenant, Policy(retention_days={Category(name): n for name, n in days.items()}))


def expirer(acme: Inside, reached: Callable[[int], None] = lambda _: None) -> Expirer:
    """Expires at a time when 2023 is over for more than two years."""
    return replace(acme.system.expirer, clock=SetClock(NOW), reached=reached)


def outcome(acme: Inside, stream: UUID) -> Any:
    """What opening the body of a record answers."""
    store = acme.system.tenants.store(acme.tenant)
    (opened,) = acme.system.opener.bodies(store, [store.statements.by_ids([stream])[stream]])
    return opened.outcome


def run(acme: Inside, *arguments: str) -> Json:
    """A command, in this process."""
    ran = CliRunner().invoke(app, [*arguments, "--json"], env=environment(acme.system.settings))
    assert ran.exit_code == 0, ran.output
    content: Json = json.loads(ran.stdout)
    return content


def due(category: str, period: str, keys: int, records: int) -> Json:
    counts = {"subjects": keys, "keys": keys, "records": records}
    return {"tenant": "acme", "category": category, "period": period, **counts}


# --- the whole way -------------------------------------------------------------------------------------------


def test_what_is_kept_no_longer_is_shown_first_and_then_gone(acme: Inside) -> None:
    old, new = statement(ADA, result={"score": {"scaled": 0.9}}), statement(ADA, "attempted")
    hers, withdrawn, still = statement(GRACE), statement(ALAN), statement(ALAN, object={"id": "http://a.b/c"})
    received(acme, 2023, old, hers, voiding(GRACE, withdrawn["id"]))
    received(acme, 2025, new, withdrawn, still)
    months = [exchanged(acme, 2026, month, ADA) for month in (3, 10)]
    state = Resource("/activities/state", "stateId", {"activityId": COURSE, "agent": names(ADA)})
    assert state.put(acme.http, "bookmark", {"page": 1}).status_code == 204
    acme.catch_up()
    before = {one["learner"]["name"]: one for one in acme.report(activity=COURSE)}
    assert before["Ada Example"]["score_scaled"] == 0.9
    keeps(acme, learning=700, exchange=90)
    wanted = [due("learning", "2023", 2, 3), due("exchange", "2026-03", 1, 1)]
    assert run(acme, "retention", "run", "--dry-run") == {"dry_run": True, "expired": wanted}
    assert run(acme, "retention", "run", "--dry-run", "--tenant", "acme")["expired"] == wanted
    assert acme.get(old).status_code == 200
    assert run(acme, "retention", "run") == {"dry_run": False, "expired": wanted}

    assert [acme.get(one).status_code for one in (old, hers, new, still)] == [404, 404, 200, 200]
    assert {one["id"] for one in acme.found()} == {new["id"], still["id"]}
    assert [one["id"] for one in acme.found_by(ADA)] == [new["id"]]
    assert acme.get(withdrawn).status_code == 404  # what was voided stays so
    assert acme.get(withdrawn, voided=True).status_code == 200
    assert [outcome(acme, UUID(one["id"])) == Expired() for one in (old, hers, new)] == [True, True, False]
    assert [outcome(acme, stream) == Expired() for stream in months] == [True, False]
    after = {one["learner"]["name"]: one for one in acme.report(activity=COURSE)}
    assert after.keys() == {"Ada Example"}
    assert (after["Ada Example"]["completion"], after["Ada Example"]["score_scaled"]) == (None, None)
    assert acme.rebuilt_same()
    assert state.get(acme.http, "bookmark").json() == {"page": 1}
    assert acme.subject(GRACE) is not None
    acme.post(old)  # the id stays reserved: acknowledged, and nothing is stored
    assert acme.get(old).status_code == 404

    assert run(acme, "retention", "run") == {"dry_run": False, "expired": []}
    (entry, _) = acme.system.vault.destructions("acme")
    tenant_subject = acme.system.vault.tenant_subject("acme")
    assert (entry.subject, entry.reason, len(entry.kids)) == (tenant_subject, EXPIRED, 2)
    acme.ran("erase", ADA)
    assert acme.rebuilt_same()


def test_exchanges_that_are_kept_for_days_expire_by_the_day_and_others_by_the_month(acme: Inside) -> None:
    keeps(acme, exchange=30)
    first, second = (exchanged(acme, 2026, 9, ADA, day) for day in (28, 29))
    keeps(acme, exchange=31)
    third = exchanged(acme, 2026, 9, ADA, 29)
    keeps(acme, exchange=30)
    ends = {"2026-09-28": (10, 29), "2026-09-29": (10, 30), "2026-09": (10, 31)}  # thirty days after each was over
    for period, (month, day) in ends.items():
        over = datetime(2026, month, day, tzinfo=UTC)
        for at, wanted in ((over - timedelta(microseconds=1), []), (over, [due("exchange", period, 1, 1)])):
            ran = replace(acme.system.expirer, clock=SetClock(at)).run("acme")
            assert [one.facts() for one in ran] == wanted
    assert [outcome(acme, stream) for stream in (first, second, third)] == [Expired()] * 3


def test_a_person_reads_a_table(acme: Inside) -> None:
    received(acme, 2023, statement(ADA))
    keeps(acme, learning=700)
    shown = CliRunner().invoke(app, ["retention", "run"], env=environment(acme.system.settings))
    assert shown.exit_code == 0
    assert [word in shown.stdout for word in ("Expired", "learning", "2023", "records")] == [True] * 4
    other = CliRunner().invoke(
        app, ["retention", "run", "--tenant", "nobody"], env=environment(acme.system.settings)
    )
    assert other.exit_code == 3


def test_who_is_held_keeps_what_was_said_together_with_others(acme: Inside, system: System) -> None:
    together, alone = statement(GROUP), statement(GRACE)
    received(acme, 2023, together, alone, statement(ADA))
    keeps(acme, learning=700)
    history = History(system, "acme", AUTHORITY, AUTHORITY)
    history.hold("grace")
    with history.holding():
        assert [one.facts() for one in expirer(acme).run("acme")] == [due("learning", "2023", 2, 2)]
    for who in (ADA, GRACE, ALAN):
        assert together["id"] in {one["id"] for one in acme.found_by(who)}
    assert {one["id"] for one in acme.found()} == {together["id"], alone["id"]}
    acme.ran("erase", ADA)  # her key of that year is gone already: the others' statement must not go with her
    assert {one["id"] for one in acme.found()} == {together["id"], alone["id"]}
    assert [one.facts() for one in expirer(acme).run("acme")] == [due("learning", "2023", 1, 2)]
    assert acme.found() == []
    history.recorder.close()


@pytest.mark.parametrize(("kind", "ending"), [("restrict", ("restrict", True)), ("hold", ("release", False))])
def test_nothing_expires_of_who_is_restricted_or_held_until_that_ends(
    acme: Inside, kind: str, ending: tuple[str, bool]
) -> None:
    """Whoever wants the processing restricted, or the data kept for a claim, opposes its erasure (GDPR article
    18(1)(b) and (c))."""
    hers, others = statement(ADA), statement(GRACE)
    received(acme, 2023, hers, others)
    month = exchanged(acme, 2023, 3, ADA)
    keeps(acme, learning=700, exchange=90)
    acme.request(kind, ADA)
    wanted = [due("learning", "2023", 1, 1)]
    assert run(acme, "retention", "run", "--dry-run")["expired"] == wanted
    assert run(acme, "retention", "run")["expired"] == wanted
    ended, lift = ending
    acme.request(ended, ADA, **({"lift": True} if lift else {}))
    assert [acme.get(one).status_code for one in (hers, others)] == [200, 404]
    assert outcome(acme, month) != Expired()
    assert acme.rebuilt_same()
    wanted = [due("learning", "2023", 1, 1), due("exchange", "2023-03", 1, 1)]
    assert run(acme, "retention", "run")["expired"] == wanted
    assert (acme.get(hers).status_code, outcome(acme, month)) == (404, Expired())


def test_attachments_expire_and_leave_their_statement(acme: Inside) -> None:
    old, new = statement(ADA, context={"instructor": GRACE}), statement(ADA)
    received_with_file(acme, 2023, old)
    received_with_file(acme, 2025, new)
    keeps(acme, attachments=700)
    assert [one.facts() for one in expirer(acme).run("acme")] == [due("attachments", "2023", 2, 1)]
    named = acme.rows("SELECT DISTINCT statement FROM blob")
    assert [bytes(row[0]) for row in named] == [UUID(new["id"]).bytes]  # what none names is swept away
    assert len(acme.found_by(ADA)) == 2
    answer = acme.http.get("/xapi/statements", params={"statementId": old["id"], "attachments": "true"})
    assert (answer.status_code, answer.content.count(b"X-Experience-API-Hash")) == (200, 0)


# --- a crash anywhere, two at once ---------------------------------------------------------------------------


class Crash(Exception):
    """A process that ends."""


def test_a_crash_after_any_step_is_resumed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "KEYS_MAX", 1)
    for number in range(1, 7):
        crash_and_resume(inside(system, system.tenants.create(f"acme-{number}")), number)


def crash_and_resume(acme: Inside, number: int) -> None:
    """One period of two people, with a crash after a step."""
    gone, kept = [statement(ADA), statement(GRACE)], statement(ADA, "attempted")
    received(acme, 2023, *gone)
    received(acme, 2025, kept)
    acme.catch_up()
    keeps(acme, learning=700)

    def reached(step: int) -> None:
        if step == number:
            raise Crash

    with pytest.raises(Crash):
        expirer(acme, reached).run(acme.tenant)
    expirer(acme).run(acme.tenant)
    store = acme.system.tenants.store(acme.tenant)
    entries = acme.system.vault.destructions(acme.tenant)
    assert [len(one.kids) for one in entries] == [1, 1]
    assert store.expiry.followed() == entries[-1].sequence
    assert [one["id"] for one in acme.found()] == [kept["id"]]
    assert acme.rows("SELECT count(*) FROM statement") == [(1,)]
    assert [one["learner"]["name"] for one in acme.report()] == ["Ada Example"]
    assert acme.rebuilt_same()


# --- what goes on beside it ----------------------------------------------------------------------------------


def test_what_was_sealed_before_a_period_expired_is_not_stored_after_it(acme: Inside, system: System) -> None:
    """Somebody slept between sealing and storing, for as long as a period is kept after its end."""
    received(acme, 2023, statement(ADA))
    keeps(acme, learning=700)
    store, late = system.tenants.store("acme"), statement(ADA)
    draft = statement_draft(late, UUID(late["id"]), version="1.0.3", authority=AUTHORITY, public_url=PUBLIC_URL)
    plan = Planner(store, system.vault.read("acme"), None, datetime(2023, 12, 31, tzinfo=UTC), {}).plan([draft])
    expirer(acme).run("acme")
    with pytest.raises(StaleFence):
        system.tenants.application("acme").append(
            plan.events, index=plan.index, fence_sequence=plan.fence_sequence
        )
    acme.post(late)  # sealed afresh, it is of the period in which it is received
    assert acme.get(late).status_code == 200
    assert acme.system.vault.periods("acme", Category.LEARNING).keys() == {str(datetime.now(UTC).year)}


class Between(Opener):
    """An opener after whose first reading something happens, as another process may do it."""

    def __init__(self, system: System, happens: Callable[[], object]) -> None:
        super().__init__(system.vault, PUBLIC_URL)
        self._happens = happens

    def each(self, store: TenantStore, recorded: Sequence[Recorded], *, inside: bool = False) -> Iterator[Opened]:
        yield from super().each(store, recorded, inside=inside)
        self._happens()


def test_a_projector_that_had_opened_what_expired_begins_anew(acme: Inside, system: System) -> None:
    received(acme, 2023, statement(ADA))
    received(acme, 2025, statement(GRACE))
    keeps(acme, learning=700)
    store = system.tenants.store("acme")
    opener = Between(system, lambda: expirer(acme).run("acme"))
    with pytest.raises(RecordConflictError):
        step(store, opener, [store.views.live(LEARNING.name)])
    acme.catch_up()
    assert [one["learner"]["name"] for one in acme.report()] == ["Grace Example"]
    assert acme.rebuilt_same()


def test_a_rebuild_that_is_under_way_loses_what_expires_from_both_generations(
    acme: Inside, system: System
) -> None:
    received(acme, 2023, statement(ADA))
    received(acme, 2025, statement(ADA, "attempted"), statement(GRACE))
    acme.catch_up()
    keeps(acme, learning=700)
    store = system.tenants.store("acme")
    begun = replace(store.views.begin(LEARNING.name), position=3)
    assert step(store, system.opener, [replace(begun, position=0)], 3) == [begun]
    assert len(list(store.views.dump(begun))) == 1
    expirer(acme).run("acme")
    assert list(store.views.dump(begun)) == []
    while moved := step(store, system.opener, [begun]):
        (begun,) = moved
    assert list(store.views.dump(begun)) == list(store.views.dump(store.views.live(LEARNING.name)))
    assert rebuild(store, system.opener, LEARNING.name)


def test_an_erasure_in_between_is_not_undone(acme: Inside, system: System) -> None:
    """Of three who said something together one expires, one is erased meanwhile: one is left who owns it."""
    together = statement(GROUP)
    received(acme, 2023, together)
    keeps(acme, learning=700)
    history = History(system, "acme", AUTHORITY, AUTHORITY)
    history.hold("grace")
    history.hold("alan")
    erased: list[Json] = []

    def reached(number: int) -> None:
        if number == 4 and not erased:
            replaced = type(system.tenants.store("acme").expiry).replace

            def late(self: Any, *arguments: Any) -> None:
                if not erased:
                    erased.append(acme.ran("erase", ALAN))
                replaced(self, *arguments)

            monkeypatch.setattr(type(system.tenants.store("acme").expiry), "replace", late)

    with history.holding(), pytest.MonkeyPatch.context() as monkeypatch:
        expirer(acme, reached).run("acme")
    assert len(erased) == 1
    assert acme.rows("SELECT owners FROM statement") == [(1,)]
    acme.ran("erase", GRACE)
    assert acme.found() == []
    assert acme.rows("SELECT count(*) FROM statement") == [(0,)]
    history.recorder.close()


def test_an_erasure_that_has_not_reached_the_store_counts_once(acme: Inside, system: System) -> None:
    """Its keys are gone when the index is worked out again, its purge comes after that."""
    together = statement(GROUP)
    received(acme, 2023, together)
    keeps(acme, learning=700)
    history, store = History(system, "acme", AUTHORITY, AUTHORITY), system.tenants.store("acme")
    history.hold("grace")
    history.hold("alan")
    alan = acme.known(ALAN)
    system.vault.begin_erasure("acme", alan)
    destroyed = system.vault.destroy("acme", alan, NOW)
    with history.holding(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "erased_terms", lambda *_: frozenset())  # asked just before
        expirer(acme).run("acme")
    assert acme.rows("SELECT owners FROM statement") == [(1,)]
    assert not any(store.purge(alan, destroyed.sequence).left.values())
    assert acme.rows("SELECT owners FROM statement") == [(1,)]
    assert [one["id"] for one in acme.found_by(GRACE)] == [together["id"]]
    history.recorder.close()


def test_erasures_that_keep_coming_are_left_for_the_next_run(
    acme: Inside, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(acme, 2023, statement(ADA))
    keeps(acme, learning=700)

    def faster(*_: object) -> None:
        raise RecordConflictError

    with monkeypatch.context() as patch:
        patch.setattr(type(system.tenants.store("acme").expiry), "replace", faster)
        with pytest.raises(StoreUnavailable):
            expirer(acme).run("acme")
    expirer(acme).run("acme")
    assert acme.rows("SELECT count(*) FROM statement") == [(0,)]


def test_an_expired_person_is_known_and_may_speak_again(acme: Inside, system: System) -> None:
    received(acme, 2023, statement(ADA))
    subject = acme.known(ADA)
    keeps(acme, learning=700)
    expirer(acme).run("acme")
    acme.post(again := statement(ADA))
    assert acme.known(ADA) == subject
    assert [one["id"] for one in acme.found_by(ADA)] == [again["id"]]
    sealed = [
        one
        for one in system.tenants.store("acme").recorder.select_events(subject)
        if one.topic == Subject.AgentSealed.TOPIC
    ]
    assert len(sealed) == 1  # her agent object was sealed once, and opens


# --- every day -----------------------------------------------------------------------------------------------


def scheduled(acme: Inside, work: Callable[[str], object], tenants: list[str]) -> Schedule:
    def served() -> list[str]:
        if not tenants:
            raise StoreUnavailable("the control store does not answer")
        return tenants

    return Schedule("retention", served, work, Leader(acme.system.control, LaterClock(), str(uuid4())[:8]), 0.01)


def test_the_process_that_leads_expires_by_itself(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(schedule, "_ASKED_SECONDS", 0.01)
    received(acme, 2023, statement(ADA))
    keeps(acme, learning=700)
    name, control, ran = str(uuid4()), acme.system.control, list[str]()

    def work(tenant: str) -> None:
        ran.append(tenant)
        expirer(acme).run(tenant)

    threads = [
        Schedule("retention", lambda: ["acme"], work, Leader(control, LaterClock(), name), 60) for _ in range(2)
    ]
    for one in threads:
        one.start()
    deadline = time.monotonic() + 20
    while acme.rows("SELECT count(*) FROM statement") != [(0,)] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ran == ["acme"]
    for one in threads:
        one.stop()
    assert acme.rows("SELECT count(*) FROM statement") == [(0,)]


def test_what_fails_holds_up_no_other_tenant(acme: Inside, caplog: pytest.LogCaptureFixture) -> None:
    worked: list[str] = []

    def work(tenant: str) -> None:
        if tenant == "acme":
            raise StoreUnavailable("it does not answer")
        worked.append(tenant)

    scheduled(acme, work, ["acme", "globex"]).round()
    assert worked == ["globex"]
    assert "retention waits: tenant=acme store-unavailable" in caplog.text
    scheduled(acme, work, []).round()
    assert "retention waits: store-unavailable" in caplog.text
    stopping = scheduled(acme, work, ["globex"])
    stopping._stopping.set()
    stopping.round()
    assert worked == ["globex"]
