"""A correction: the old name and identifier are shown nowhere any more, and nothing that is stored is touched."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import RecordConflictError

from lrs.adapters.vault.fence import Fenced
from lrs.adapters.vault.known import Known
from lrs.adapters.vault.vault import KeyVault
from lrs.application import LetheApplication
from lrs.bootstrap import build
from lrs.domain.agents import Identifier
from lrs.domain.corrections import Correction
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable
from lrs.domain.requests import Kind
from lrs.domain.sealing import Corrupt, Outcome, Unavailable
from lrs.ports import StaleFence
from lrs.tenancy import Tenants
from tests.kept import Resource, names
from tests.subjects import (
    ADA,
    COURSE,
    GRACE,
    Inside,
    Json,
    LaterClock,
    agent,
    came_back,
    exchange,
    inside,
    statement,
)

NEW = {"mbox": "mailto:ada.king@example.org"}
ACCOUNT = {"objectType": "Agent", "account": {"homePage": "https://hr.example.org", "name": "4711"}}
OLD_NAME, OLD_MBOX = ADA["name"], ADA["mbox"]
STATE = Resource("/activities/state", "stateId", {"activityId": COURSE, "agent": names(ADA)})


@pytest.fixture
def acme(own: Inside) -> Inside:
    """A tenant of its own, asked in this process."""
    return own


def filled(acme: Inside) -> list[Json]:
    """Records that name her, in every role."""
    team = {"objectType": "Group", "name": "Us", "member": [ADA, GRACE]}
    made = [
        statement(ADA),
        statement({"mbox": OLD_MBOX}, "passed"),
        statement(GRACE, context={"instructor": ADA}),
        statement(GRACE, object=ADA | {"objectType": "Agent"}),
        statement(team, "attempted"),
    ]
    acme.post(*made)
    acme.ask_model(exchange(ADA))
    STATE.put(acme.http, "bookmark", {"page": 1}).raise_for_status()
    acme.catch_up()
    return made


def everywhere(acme: Inside, who: Json) -> str:
    """All that is said of her, where she is asked for by this agent."""
    asked = json.dumps(who)
    said = [acme.found(), acme.found_by(who), acme.report(), acme.report(learner=asked)]
    formed = (acme.http.get("/xapi/statements", params={"format": form}) for form in ("ids", "canonical"))
    said += [answer.json()["statements"] for answer in formed]
    csv = acme.http.get("/reports/completion", params={"format": "csv"}).text
    person = acme.http.get("/xapi/agents", params={"agent": asked}).text
    return json.dumps(said) + csv + person


def test_a_name_is_corrected_wherever_it_is_shown(acme: Inside) -> None:
    filled(acme)
    events = acme.rows("SELECT count(*) FROM event WHERE topic LIKE 'statement%' OR topic LIKE 'agent-sealed%'")
    corrected = acme.request("correct", ADA, name="Ada King", reason="married")
    assert (corrected["kind"], corrected["status"]) == ("correct", "done")
    assert corrected["detail"] == {"corrects": ["name"], "subjects_corrected": 1}
    said = everywhere(acme, ADA)
    assert OLD_NAME not in said
    assert "Ada King" in said
    assert {row["learner"]["name"] for row in acme.report()} == {"Ada King", GRACE["name"]}
    person = acme.http.get("/xapi/agents", params={"agent": json.dumps(ADA)}).json()
    assert (person["name"], person["mbox"]) == (["Ada King"], [OLD_MBOX])
    assert acme.rebuilt_same()
    assert events == acme.rows(
        "SELECT count(*) FROM event WHERE topic LIKE 'statement%' OR topic LIKE 'agent-sealed%'"
    )


@pytest.mark.parametrize("to", [NEW, ACCOUNT, {"openid": "https://ada.example.org/"}])
def test_an_identifier_is_corrected_and_the_old_one_still_leads_to_the_person(acme: Inside, to: Json) -> None:
    made = filled(acme)
    subject = acme.known(ADA)
    corrected = acme.request("correct", ADA, to=to)
    assert corrected["detail"] == {"corrects": ["identifier"], "subjects_corrected": 1}
    new = {name: value for name, value in to.items() if name != "objectType"}
    for who in (to, ADA):
        said = everywhere(acme, who)
        assert OLD_MBOX not in said
        assert len(acme.found_by(who)) == len(made)
        person = acme.http.get("/xapi/agents", params={"agent": json.dumps(who)}).json()
        assert [person[kind] for kind in new] == [[value] for value in new.values()]
        assert ("mbox" in person) is ("mbox" in new)
        assert STATE.of(agent=names(who)).get(acme.http, "bookmark").json() == {"page": 1}
    assert acme.subject(to) == acme.subject(ADA) == subject
    first = acme.get(made[0]).json()
    assert first["actor"] == {"objectType": "Agent", "name": OLD_NAME} | new
    late = statement(to)
    acme.post(late)
    acme.post(made[0])  # what was sent before is the same still, and anything else is not
    assert acme.http.post("/xapi/statements", json=[made[0] | {"actor": GRACE}]).status_code == 409
    assert acme.subject(to) == subject
    assert acme.rebuilt_same()


def test_what_comes_in_under_the_old_name_and_identifier_is_shown_corrected(acme: Inside) -> None:
    filled(acme)
    acme.request("correct", ADA, name="Ada King", to=NEW)
    late = statement(ADA | {"name": "A. Example"})
    acme.post(late)
    assert acme.get(late).json()["actor"] == {"objectType": "Agent", "name": "Ada King"} | NEW


def test_corrections_add_up_and_the_newest_stands(acme: Inside) -> None:
    filled(acme)
    for more in ({"name": "One"}, {"to": NEW}, {"name": "Two"}, {"to": ACCOUNT | {"name": "Three"}}):
        acme.request("correct", ADA, **more)
    shown = acme.found_by(ADA)[-1]["actor"]
    assert (shown["name"], shown["account"]) == ("Three", ACCOUNT["account"])
    assert "mbox" not in shown
    for one in (ADA, NEW, ACCOUNT):
        assert acme.subject(one) == acme.known(ADA)
    other = build(acme.system.settings)  # another process
    assert inside(other, acme.tenant).found_by(ADA) == acme.found_by(ADA)
    other.close()


def test_an_export_is_corrected_and_says_that_it_was(acme: Inside) -> None:
    filled(acme)
    acme.request("correct", ADA, name="Ada King")
    second = acme.request("correct", ADA, to=NEW)
    package = acme.package(acme.ran("export", NEW))
    said = "".join(package.read(name).decode() for name in ("export.json", "index.html"))
    assert OLD_NAME not in said
    assert OLD_MBOX not in said
    content = json.loads(package.read("export.json"))
    assert [one["corrected"] for one in content["corrections"]] == [["name"], ["identifier"]]
    assert content["corrections"][1].keys() == {"at", "request", "corrected"}
    assert content["corrections"][1]["request"] == second["id"]
    assert {one["agent"]["mbox"] for one in content["documents"]} == {NEW["mbox"]}


def test_an_export_is_made_when_a_corrected_person_is_spelled_a_new_way(acme: Inside) -> None:
    """Corrections and agent objects are numbered by one stream; only the latter are agents."""
    filled(acme)
    acme.request("correct", ADA, name="Ada King")
    acme.post(statement(ADA | {"name": "Ada B."}))
    export = acme.ran("export", ADA)
    agents = acme.exported(export)["agents"]
    assert {(one.get("name"), one["mbox"]) for one in agents} == {("Ada King", OLD_MBOX)}
    assert "as they were sent" not in acme.package(export).read("index.html").decode()


def test_a_correction_of_one_person_costs_pages_of_others_no_look_at_the_fence(
    acme: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    graces = statement(GRACE)
    acme.post(statement(ADA), graces)
    look, looks = Fenced._look, list[None]()

    def counted(fenced: Fenced) -> Known:
        looks.append(None)
        return look(fenced)

    def looks_at(one: Json) -> int:
        for _ in range(2):  # the first one fills what the fence's last move emptied
            looks.clear()
            assert acme.get(one).status_code == 200
        return len(looks)

    monkeypatch.setattr(Fenced, "_look", counted)
    before = looks_at(graces)
    acme.request("correct", ADA, name="Ada King")
    assert before == looks_at(graces) > 0


def test_an_identifier_of_somebody_else_is_refused_and_nothing_changes(acme: Inside) -> None:
    filled(acme)
    before = acme.found_by(ADA)
    hashed = {"mbox_sha1sum": "7a4c8b8b1d6a6b1f0b2b5a3b0d9e7a9f4c5d6e7f"}
    acme.post(statement(hashed))
    for to in (GRACE, hashed):
        refused = acme.request("correct", ADA, name="Ada King", to=to)
        assert (refused["status"], refused["detail"]["code"]) == ("refused", "identifier-taken")
    assert acme.found_by(ADA) == before
    assert "Ada King" not in everywhere(acme, ADA)


def test_her_own_identifier_is_hers_to_get(acme: Inside) -> None:
    filled(acme)
    acme.request("correct", ADA, to=NEW)
    back = acme.request("correct", NEW, to={"mbox": OLD_MBOX})
    assert back["status"] == "done"
    assert {one["actor"].get("mbox") for one in acme.found_by(ADA, related=False)} >= {OLD_MBOX}
    assert NEW["mbox"] not in everywhere(acme, ADA)


def test_nobody_unknown_is_corrected_and_several_get_no_identifier(acme: Inside) -> None:
    acme.post(statement(ADA), statement(GRACE))
    refused = acme.request("correct", agent("nobody"), name="X")
    assert (refused["status"], refused["detail"]["code"]) == ("refused", "not-found")
    answer = acme.http.post("/dsar/correct", json={"agents": [ADA, GRACE], "to": NEW})
    assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid")
    both = acme.request("correct", ADA, GRACE, name="Same")
    assert both["detail"]["subjects_corrected"] == 2
    assert {one["actor"]["name"] for one in acme.found()} == {"Same"}


def test_a_restricted_person_is_corrected_and_shown_so_when_it_is_lifted(acme: Inside) -> None:
    filled(acme)
    acme.request("restrict", ADA)
    assert acme.request("correct", ADA, name="Ada King", to=NEW)["status"] == "done"
    assert acme.found_by(ADA) == []
    person = acme.http.get("/xapi/agents", params={"agent": json.dumps(ADA)}).json()
    assert (person["name"], person["mbox"]) == ([OLD_NAME], [OLD_MBOX])  # only what was asked
    acme.request("restrict", ADA, lift=True)
    said = everywhere(acme, ADA)
    assert OLD_NAME not in said
    assert OLD_MBOX not in said


def test_a_correction_goes_with_its_person(acme: Inside) -> None:
    filled(acme)
    acme.request("correct", ADA, name="Quetzalcoatlus", to=NEW)
    subject = acme.known(ADA)
    acme.ran("erase", NEW)
    assert (acme.subject(NEW), acme.subject(ADA)) == (None, None)
    assert acme.left_of(subject) == {}
    late = statement(ADA)
    acme.post(late)
    assert came_back(late, acme.get(late).json())
    for (state,) in acme.rows("SELECT state FROM event"):
        assert b"Quetzalcoatlus" not in state
        assert base64.b64encode(b"Quetzalcoatlus")[:-4] not in state
    assert acme.rebuilt_same()


def test_a_correction_of_somebody_being_erased_is_refused(acme: Inside) -> None:
    filled(acme)
    acme.system.vault.begin_erasure(acme.tenant, acme.known(ADA))
    for more in ({"name": "X"}, {"to": NEW}):
        state = acme.request("correct", ADA, **more)
        assert state["detail"]["code"] in {"erasure-begun", "not-found"}


def test_a_correction_that_was_asked_for_before_the_erasure_is_refused_after(acme: Inside) -> None:
    """It waited while the person was erased."""
    filled(acme)
    rights = acme.system.rights
    for before, to in enumerate((None, NEW)):
        who = agent(f"p{before}")
        acme.post(statement(who))
        stuck: Any = Stuck()
        down = replace(rights, decider=replace(rights.decider, vault=stuck.over(acme.system.vault)))
        correction = Correction.of("X", to)
        opened = down.open(acme.tenant, Kind.CORRECT, [Identifier("mbox", who["mbox"])], correction=correction)
        assert opened.status == "running"
        acme.ran("erase", who)
        replace(rights, clock=LaterClock(timedelta(minutes=1))).run_next(acme.tenant, opened.id)
        assert acme.state({"id": str(opened.id)})["detail"]["code"] == "erasure-begun"


class Stuck:
    """A vault that opens nothing, and is away."""

    def __init__(self) -> None:
        self.vault: Any = None
        self.outcome: Outcome = Unavailable()

    def over(self, vault: Any) -> "Stuck":
        """Over this one."""
        self.vault = vault
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vault, name)

    def open_many(self, _tenant: str, items: Any, **_more: Any) -> list[Outcome]:
        """That."""
        return [self.outcome] * len(items)


@pytest.mark.parametrize(
    ("outcome", "error"), [(Unavailable(), KeyStoreUnavailable), (Corrupt("x"), EventCorrupt)]
)
def test_a_correction_that_can_not_be_opened_is_no_other(acme: Inside, outcome: Outcome, error: type) -> None:
    filled(acme)
    stuck = Stuck().over(acme.system.vault)
    stuck.outcome = outcome
    decider = replace(acme.system.rights.decider, vault=stuck)  # type: ignore[arg-type]
    subject = acme.known(ADA)
    content = decider.sealed(acme.tenant, uuid4(), (subject,), Correction("X"))
    asked = acme.system.rights.open(acme.tenant, Kind.HOLD, [Identifier("mbox", OLD_MBOX)])
    asked.kind, asked.content = Kind.CORRECT, content
    with pytest.raises(error):
        decider.decide(acme.tenant, asked)


# --- others are at work meanwhile ----------------------------------------------------------------------------


class Conflicting:
    """Tenants whose applications find, this often, that somebody else wrote on a person's stream."""

    def __init__(self, tenants: Tenants, times: int) -> None:
        self._tenants = tenants
        self.times = times
        self.begin: Callable[[UUID], object] = lambda _: None

    def application(self, name: str) -> Any:
        """Itself, over the real one."""
        self.real: LetheApplication = self._tenants.application(name)
        return self

    def get_or_none(self, subject: UUID) -> Any:
        """As it is."""
        return self.real.get_or_none(subject)

    def save(self, one: Any) -> None:
        """A conflict, or as ever."""
        self.times -= 1
        if self.times >= 0:
            raise RecordConflictError
        self.real.save(one)


@pytest.mark.parametrize(("times", "done"), [(3, True), (1_000, False)])
def test_a_correction_goes_on_while_the_person_is_written_about(acme: Inside, times: int, done: bool) -> None:
    filled(acme)
    tenants: Any = Conflicting(acme.system.tenants, times)
    rights = replace(acme.system.rights, decider=replace(acme.system.rights.decider, tenants=tenants))
    identifiers = [Identifier("mbox", OLD_MBOX)]
    asked = rights.open(acme.tenant, Kind.CORRECT, identifiers, correction=Correction("Ada King"))
    assert asked.status == ("done" if done else "running")
    replace(acme.system.rights, clock=LaterClock()).run_next(acme.tenant)
    assert acme.state({"id": str(asked.id)})["status"] == "done"
    assert OLD_NAME not in everywhere(acme, ADA)


class Erasing(Conflicting):
    """Tenants whose people begin to be erased when they are looked at."""

    def get_or_none(self, subject: UUID) -> Any:
        """As it was, a moment ago."""
        found = self.real.get_or_none(subject)
        self.begin(subject)
        return found


def test_a_correction_into_which_an_erasure_comes_is_refused(acme: Inside) -> None:
    filled(acme)
    tenants: Any = Erasing(acme.system.tenants, 0)
    tenants.begin = lambda subject: acme.system.vault.begin_erasure(acme.tenant, subject)
    rights = replace(acme.system.rights, decider=replace(acme.system.rights.decider, tenants=tenants))
    asked = rights.open(acme.tenant, Kind.CORRECT, [Identifier("mbox", OLD_MBOX)], correction=Correction("X"))
    assert (asked.status, asked.detail["code"]) == ("refused", "erasure-begun")


class Restless:
    """A vault whose fence moves under each entry in the directory, this often."""

    def __init__(self, vault: KeyVault, times: int) -> None:
        self._vault = vault
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def read(self, tenant: str) -> Any:
        """Itself is the reading."""
        self.reading = self._vault.read(tenant)
        return self

    @property
    def erasing(self) -> frozenset[UUID]:
        """Of the reading."""
        return self.reading.erasing

    def seal(self, *args: Any) -> Any:
        """Of the reading."""
        return self.reading.seal(*args)

    def enter(self, *args: Any) -> None:
        """Stale, or as ever."""
        self.times -= 1
        if self.times >= 0:
            raise StaleFence
        self.reading.enter(*args)


@pytest.mark.parametrize(("times", "done"), [(3, True), (1_000, False)])
def test_a_correction_goes_on_while_the_fence_moves(acme: Inside, times: int, done: bool) -> None:
    filled(acme)
    vault: Any = Restless(acme.system.vault, times)
    rights = replace(acme.system.rights, decider=replace(acme.system.rights.decider, vault=vault))
    correction = Correction.of(None, NEW)
    asked = rights.open(acme.tenant, Kind.CORRECT, [Identifier("mbox", OLD_MBOX)], correction=correction)
    assert asked.status == ("done" if done else "running")


class Ending(Restless):
    """The same, and it moves because the person's erasure begins."""

    def read(self, tenant: str) -> Any:
        """Itself is the reading."""
        self.tenant = tenant
        return super().read(tenant)

    def enter(self, *args: Any) -> None:
        """Stale."""
        self._vault.begin_erasure(self.tenant, args[0])
        super().enter(*args)


def test_a_new_identifier_into_which_an_erasure_comes_is_refused(acme: Inside) -> None:
    filled(acme)
    vault: Any = Ending(acme.system.vault, 1)
    rights = replace(acme.system.rights, decider=replace(acme.system.rights.decider, vault=vault))
    asked = rights.open(
        acme.tenant, Kind.CORRECT, [Identifier("mbox", OLD_MBOX)], correction=Correction.of(None, NEW)
    )
    assert (asked.status, asked.detail["code"]) == ("refused", "erasure-begun")


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class Dying:
    """A vault that dies before it takes a step."""

    def __init__(self, vault: KeyVault) -> None:
        self._vault = vault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def take(self, *_: Any) -> Any:
        """The end."""
        raise Crash


def test_a_correction_that_died_between_log_and_vault_is_recorded_once(acme: Inside) -> None:
    filled(acme)
    vault: Any = Dying(acme.system.vault)
    rights = replace(acme.system.rights, decider=replace(acme.system.rights.decider, vault=vault))
    identifiers = [Identifier("mbox", OLD_MBOX)]
    with pytest.raises(Crash):
        rights.open(acme.tenant, Kind.CORRECT, identifiers, correction=Correction.of("Ada King", NEW))
    assert OLD_NAME in everywhere(acme, ADA)
    assert replace(acme.system.rights, clock=LaterClock()).run_next(acme.tenant) is not None
    assert OLD_NAME not in everywhere(acme, ADA)
    assert acme.rows("SELECT count(*) FROM event WHERE topic = 'agent-corrected/1'") == [(1,)]


def test_a_damaged_correction_is_an_alarm_and_not_the_old_name(acme: Inside) -> None:
    made = filled(acme)
    acme.request("correct", ADA, name="Ada King")
    ((state,),) = acme.rows("SELECT state FROM event WHERE topic = 'agent-corrected/1'")
    damaged = json.loads(state)
    envelope = bytearray(base64.b64decode(damaged["sealed"]["_data_"]))
    envelope[-1] ^= 1
    damaged["sealed"]["_data_"] = base64.b64encode(envelope).decode()
    acme.rows("UPDATE event SET state = ? WHERE topic = 'agent-corrected/1'", json.dumps(damaged).encode())
    assert acme.get(made[0]).json()["code"] == "event-corrupt"
