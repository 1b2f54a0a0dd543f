"""Restriction and legal hold: nobody reads, nothing expires, nothing is destroyed, until that ends; and then it is
as before."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import OperationalError
from typer.testing import CliRunner

from lrs.bootstrap import System
from lrs.cli.root import app
from lrs.domain.agents import Identifier
from lrs.domain.errors import KeyStoreUnavailable
from lrs.domain.requests import Kind
from lrs.opening import Opened, Opener
from lrs.ports import Recorded, TenantStore, Vault
from tests.kept import Resource, names
from tests.places import environment
from tests.subjects import (
    ADA,
    COURSE,
    GRACE,
    PLACEHOLDER,
    Inside,
    Json,
    LaterClock,
    agent,
    came_back,
    exchange,
    inside,
    statement,
    voiding,
)

STATE = Resource("/activities/state", "stateId", {"activityId": COURSE, "agent": names(ADA)})
TEAM = {"objectType": "Group", "member": [ADA, GRACE]}


@pytest.fixture
def acme(own: Inside) -> Inside:
    """A tenant of its own, asked in this process."""
    return own


def seen(acme: Inside) -> list[Any]:
    """All that any read says, in one value that can be compared."""
    acme.catch_up()
    reports = [acme.http.get(f"/reports/{name}").json()["rows"] for name in ("completion", "progress")]
    return [
        acme.found(),
        *(acme.found_by(who, related=related) for who in (ADA, GRACE) for related in (True, False)),
        *reports,
        acme.http.get("/reports/completion", params={"learner": json.dumps(ADA)}).json()["rows"],
        acme.http.get("/xapi/agents", params={"agent": json.dumps(ADA)}).json(),
        acme.http.get("/xapi/activities", params={"activityId": COURSE}).json(),
        STATE.get(acme.http, "bookmark").text,
        STATE.ids(acme.http),
    ]


def filled(acme: Inside) -> tuple[Json, Json, Json]:
    """A statement of hers, one of Grace's in which she has a part, one of both."""
    hers = statement(ADA, "passed", result={"score": {"scaled": 0.9}})
    graces = statement(GRACE, context={"instructor": ADA})
    together = statement(TEAM, "attempted")
    acme.post(hers, graces, together, statement(agent("alan"), "failed"))
    acme.ask_model(exchange(ADA))
    assert STATE.put(acme.http, "bookmark", {"page": 1}).status_code == 204
    return hers, graces, together


def test_a_restricted_person_is_in_no_answer_and_is_whole_again_when_it_is_lifted(acme: Inside) -> None:
    hers, graces, together = filled(acme)
    before, subject = seen(acme), acme.known(ADA)
    keys, package = acme.system.vault.living_keys(acme.tenant, subject), acme.ran("export", ADA)
    restriction = acme.request("restrict", ADA, reason="she contests them")
    assert (restriction["kind"], restriction["status"]) == ("restrict", "done")
    assert restriction["detail"] == {"lift": False, "subjects_restricted": 1}
    assert acme.get(hers).status_code == 404
    assert acme.get(graces).json()["context"]["instructor"] == PLACEHOLDER
    assert acme.get(together).json()["actor"]["member"] == [PLACEHOLDER, GRACE]
    everything = json.dumps(seen(acme)[:-3])
    asked_back = json.dumps(acme.http.get("/xapi/agents", params={"agent": json.dumps(ADA)}).json())
    assert ADA["mbox"] not in everything.replace(asked_back, "")
    assert acme.found_by(ADA) == [] == acme.report(learner=json.dumps(ADA))
    assert {row["learner"]["mbox"] for row in acme.report()} == {GRACE["mbox"], "mailto:alan@example.org"}
    assert STATE.get(acme.http, "bookmark").status_code == 404
    assert STATE.ids(acme.http) == []
    assert acme.http.get(f"/dsar/{package['id']}/package").status_code == 404
    assert acme.rebuilt_same()
    lifted = acme.request("restrict", ADA, lift=True)
    assert (lifted["status"], lifted["detail"]) == ("done", {"lift": True, "subjects_lifted": 1})
    assert seen(acme) == before
    assert acme.package(package)
    assert acme.system.vault.living_keys(acme.tenant, subject) == keys
    assert acme.rebuilt_same()


def test_what_is_written_about_a_restricted_person_is_there_when_it_is_lifted(acme: Inside) -> None:
    filled(acme)
    acme.request("restrict", ADA)
    late = statement(ADA, "completed")
    voided = statement(ADA, "answered")
    acme.post(late, voided)
    acme.post(late)  # once more
    acme.post(voiding(GRACE, voided["id"]))
    acme.catch_up()
    assert acme.get(late).status_code == 404
    other = late | {"verb": {"id": "http://adlnet.gov/expapi/verbs/failed"}}
    refused = acme.http.post("/xapi/statements", json=[other])
    assert (refused.status_code, refused.json()["code"]) == (409, "statement-conflict")
    assert acme.rebuilt_same()
    acme.request("restrict", ADA, lift=True)
    assert came_back(late, acme.get(late).json())
    assert acme.get(voided).status_code == 404
    assert acme.get(voided, voided=True).status_code == 200
    assert [row["completion"] for row in acme.report(learner=json.dumps(ADA))] == [True]
    assert acme.rebuilt_same()


def test_a_document_of_a_restricted_person_is_written_and_no_precondition_loses_what_is_not_seen(
    acme: Inside,
) -> None:
    filled(acme)
    etag = STATE.get(acme.http, "bookmark").headers["etag"]
    acme.request("restrict", ADA)
    assert STATE.put(acme.http, "bookmark", {"page": 9}).status_code == 412  # If-None-Match: *
    assert STATE.post(acme.http, "bookmark", {"seen": True}).status_code == 204
    assert STATE.put(acme.http, "bookmark", {"page": 2}, If_Match=etag).status_code == 412
    assert STATE.put(acme.http, "other", {"page": 3}).status_code == 204
    for name in ("bookmark", "other"):
        assert STATE.get(acme.http, name).status_code == 404
    acme.request("restrict", ADA, lift=True)
    assert STATE.get(acme.http, "bookmark").json() == {"page": 1, "seen": True}
    assert STATE.get(acme.http, "other").json() == {"page": 3}
    acme.request("restrict", ADA)
    assert STATE.delete(acme.http).status_code == 204
    acme.request("restrict", ADA, lift=True)
    assert STATE.ids(acme.http) == []


def test_an_export_of_a_restricted_person_is_refused_and_not_empty(acme: Inside) -> None:
    filled(acme)
    acme.request("restrict", ADA)
    export = acme.request("export", ADA)
    acme.run()
    state = acme.state(export)
    assert (state["status"], state["detail"]["code"]) == ("refused", "reading-denied")
    acme.request("restrict", ADA, lift=True)
    assert acme.exported(acme.ran("export", ADA))["statements"]


class Between(Opener):
    """An opener around one of whose readings something happens, once: the statements are opened under it."""

    def __init__(self, acme: Inside, before: Callable[[], object], after: Callable[[], object]) -> None:
        super().__init__(acme.system.vault, acme.system.settings.public_url)
        self._left = 2
        self._before, self._after = before, after

    def bodies(self, store: TenantStore, recorded: Sequence[Recorded], *, inside: bool = False) -> list[Opened]:
        """The bodies, at the second time between the two."""
        self._left -= 1
        if self._left != 0:
            return super().bodies(store, recorded, inside=inside)
        self._before()
        found = super().bodies(store, recorded, inside=inside)
        self._after()
        return found


@pytest.mark.parametrize("lifted", [False, True])
def test_an_export_is_whole_or_refused_when_a_restriction_comes_between(acme: Inside, lifted: bool) -> None:
    """One that ended before the export did is no reason to leave anything out."""
    filled(acme)
    whole = acme.ran("export", ADA)["detail"]["held"]
    export = acme.request("export", ADA)

    def lift() -> None:
        if lifted:
            acme.request("restrict", ADA, lift=True)

    opener = Between(acme, lambda: acme.request("restrict", ADA), lift)
    exporter = replace(acme.system.exporter, opener=opener)
    replace(acme.system.rights, exporter=exporter).run_next(acme.tenant, UUID(export["id"]))
    state = acme.state(export)
    if lifted:
        assert (state["status"], state["detail"]["held"]) == ("done", whole)
    else:
        assert (state["status"], state["detail"]["code"]) == ("refused", "reading-denied")
        assert acme.rows("SELECT * FROM package WHERE request = ?", UUID(export["id"]).bytes) == []


class Always(Between):
    """The same, around each of them."""

    def bodies(self, store: TenantStore, recorded: Sequence[Recorded], *, inside: bool = False) -> list[Opened]:
        """The bodies, every time between the two."""
        self._left = 1
        return super().bodies(store, recorded, inside=inside)


def test_an_export_of_somebody_whose_standing_never_rests_waits(acme: Inside) -> None:
    acme.post(statement(ADA))
    export = acme.request("export", ADA)

    def step(on: bool) -> object:
        subject = acme.known(ADA)
        return acme.system.vault.take(acme.tenant, [subject], lambda one: one.restrict(restricted=on))

    exporter = replace(acme.system.exporter, opener=Always(acme, lambda: step(True), lambda: step(False)))
    with pytest.raises(KeyStoreUnavailable):
        replace(acme.system.rights, exporter=exporter).run_next(acme.tenant, UUID(export["id"]))
    assert acme.state(export)["status"] == "running"
    replace(acme.system.rights, clock=LaterClock()).run_next(acme.tenant, UUID(export["id"]))
    assert acme.state(export)["status"] == "done"


def test_while_somebody_else_is_erased_a_restricted_person_is_written_about(acme: Inside) -> None:
    alan, late = agent("alan"), statement(ADA)
    acme.post(statement(ADA), statement(alan))
    acme.request("restrict", ADA)
    acme.system.vault.begin_erasure(acme.tenant, acme.known(alan))
    acme.post(late)
    assert STATE.put(acme.http, "bookmark", {"page": 1}).status_code == 204
    acme.ran("erase", alan)
    acme.request("restrict", ADA, lift=True)
    assert came_back(late, acme.get(late).json())


def test_a_restricted_person_can_be_erased(acme: Inside) -> None:
    filled(acme)
    subject = acme.known(ADA)
    acme.request("restrict", ADA)
    acme.ran("erase", ADA)
    assert acme.left_of(subject) == {}
    assert acme.system.vault.read(acme.tenant).denied == frozenset()
    late = acme.request("restrict", ADA)  # somebody new to whom nothing leads
    assert (late["status"], late["known"]) == ("done", False)
    assert acme.rebuilt_same()


def test_restricting_in_one_tenant_denies_nothing_in_another(shared_system: System, acme: Inside) -> None:
    globex = inside(shared_system, shared_system.tenants.create(f"globex-{uuid4().hex[:12]}"))
    acme.post(statement(ADA))
    theirs = statement(ADA)
    globex.post(theirs)
    acme.request("restrict", ADA)
    assert globex.get(theirs).status_code == 200


# --- what came late ------------------------------------------------------------------------------------------


class Down:
    """A vault that takes no step, this often."""

    def __init__(self, vault: Vault, times: int) -> None:
        self._vault = vault
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def take(self, *args: Any) -> Any:
        """Gone, or as ever."""
        self.times -= 1
        if self.times >= 0:
            raise OperationalError("gone")
        return self._vault.take(*args)


@pytest.mark.parametrize("kinds", [("restrict", "restrict"), ("hold", "release")])
def test_what_could_not_be_done_at_once_does_not_undo_what_was_decided_since(
    acme: Inside, kinds: tuple[str, str]
) -> None:
    acme.post(statement(ADA), statement(GRACE))
    rights = acme.system.rights
    vault: Any = Down(acme.system.vault, 1)
    down = replace(rights, vault=vault, decider=replace(rights.decider, vault=vault))
    first = down.open(acme.tenant, Kind(kinds[0]), [Identifier("mbox", ADA["mbox"])])
    assert first.status == "running"
    acme.request(kinds[1], GRACE)  # somebody else's is no reason
    acme.request(kinds[1], ADA, **({"lift": True} if kinds[1] == "restrict" else {}))
    later = replace(rights, clock=LaterClock())
    assert later.run_next(acme.tenant) == first.id
    state = acme.state({"id": str(first.id)})
    assert (state["status"], state["detail"]["code"]) == ("refused", "superseded")
    (stands,) = acme.system.vault.standings(acme.tenant, [acme.known(ADA)])
    assert not stands.restricted
    assert not stands.held


# --- holds ---------------------------------------------------------------------------------------------------


def test_nobody_who_is_held_is_erased_until_released(acme: Inside) -> None:
    hers, *_ = filled(acme)
    before = seen(acme)
    hold = acme.request("hold", ADA, reason="litigation")
    assert (hold["kind"], hold["status"], hold["detail"]) == ("hold", "done", {"subjects_held": 1})
    assert seen(acme) == before
    erasure = acme.request("erase", ADA)
    acme.run()
    state = acme.state(erasure)
    assert (state["status"], state["detail"]["code"]) == ("refused", "legal-hold")
    assert acme.certificates(erasure) == []
    assert seen(acme) == before
    release = acme.request("release", ADA)
    assert (release["status"], release["detail"]) == ("done", {"subjects_released": 1})
    acme.ran("erase", ADA)
    assert acme.get(hers).status_code == 404


def test_of_several_people_one_who_is_held_keeps_all_from_being_erased(acme: Inside) -> None:
    acme.post(statement(ADA), statement(GRACE))
    acme.request("hold", GRACE)
    erasure = acme.request("erase", ADA, GRACE)
    acme.run()
    assert acme.state(erasure)["detail"]["code"] == "legal-hold"
    assert len(acme.found()) == 2


def test_a_hold_that_comes_too_late_says_so(acme: Inside) -> None:
    acme.post(statement(ADA))
    acme.system.vault.begin_erasure(acme.tenant, acme.known(ADA))
    for kind in ("hold", "restrict"):
        state = acme.request(kind, ADA)
        assert (state["status"], state["detail"]["code"]) == ("refused", "erasure-begun")


@pytest.mark.parametrize("kind", ["hold", "release"])
def test_nobody_is_held_where_nobody_is_known(acme: Inside, kind: str) -> None:
    """A mistyped address must not pass for a hold: what it was to protect would be erased."""
    acme.post(statement(ADA))
    state = acme.request(kind, agent("adda"))
    assert (state["status"], state["known"], state["detail"]) == ("refused", False, {"code": "not-found"})


@pytest.mark.parametrize(
    "command", [("hold",), ("release",), ("restrict",), ("restrict", "--lift"), ("correct", "--name", "X")]
)
def test_the_command_line_says_that_nobody_is_known(acme: Inside, command: tuple[str, ...]) -> None:
    acme.post(statement(ADA))
    who = ("--tenant", acme.tenant, "--agent", json.dumps(agent("adda")))
    said = CliRunner().invoke(app, ["subject", *command, *who], env=environment(acme.system.settings))
    assert (said.exit_code, "nobody is known by this identifier [not-found]" in said.output) == (3, True)


@pytest.mark.parametrize(
    ("kind", "more", "count"),
    [
        ("hold", {}, "subjects_held"),
        ("release", {}, "subjects_released"),
        ("restrict", {}, "subjects_restricted"),
        ("restrict", {"lift": True}, "subjects_lifted"),
        ("correct", {"name": "X"}, "subjects_corrected"),
    ],
)
def test_of_several_people_those_for_whom_it_came_too_late_are_told_apart(
    acme: Inside, kind: str, more: Json, count: str
) -> None:
    acme.post(statement(ADA), statement(GRACE), statement(agent("alan")))
    acme.system.vault.begin_erasure(acme.tenant, acme.known(GRACE))
    state = acme.request(kind, ADA, GRACE, agent("alan"), **more)
    assert (state["status"], state["detail"][count], state["detail"]["subjects_too_late"]) == ("done", 2, 1)


def test_a_hold_that_is_a_request_keeps_its_reason_sealed(acme: Inside) -> None:
    acme.post(statement(ADA))
    for kind in ("hold", "release", "restrict"):
        acme.request(kind, ADA, reason="Quetzalcoatlus")
    assert not any(b"Quetzalcoatlus" in state for (state,) in acme.rows("SELECT state FROM event"))
    assert [one["kind"] for one in acme.http.get("/dsar").json()["requests"]] == ["restrict", "release", "hold"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("restrict", {"agent": ADA, "lift": "often"}),
        ("restrict", {"agent": ADA, "name": "x"}),
        ("hold", {"agent": ADA, "lift": True}),
        ("correct", {"agent": ADA}),
        ("correct", {"agent": ADA, "name": ""}),
        ("correct", {"agent": ADA, "name": 7}),
        ("correct", {"agent": ADA, "name": "x" * 1_001}),
        ("correct", {"agent": ADA, "to": {"name": "nobody"}}),
        ("correct", {"agent": ADA, "to": PLACEHOLDER}),
        ("correct", {"agent": ADA, "to": {"objectType": "Group", "member": [GRACE]}}),
    ],
)
def test_a_body_that_can_not_be_meant_is_refused(acme: Inside, kind: str, body: Json) -> None:
    acme.post(statement(ADA))
    answer = acme.http.post(f"/dsar/{kind}", json=body)
    assert answer.status_code == 400, answer.text
    assert acme.http.get("/dsar").json()["requests"] == []


def test_an_unknown_request_can_not_be_withdrawn_nor_one_that_is_no_erasure(acme: Inside) -> None:
    acme.post(statement(ADA))
    assert acme.http.post(f"/dsar/{uuid4()}/withdraw").status_code == 404
    hold = acme.request("hold", ADA)
    answer = acme.http.post(f"/dsar/{hold['id']}/withdraw")
    assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid")
