"""An erasure, from the request to the certificate, and everything that may come in between."""

import json
import multiprocessing
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from lrs.bootstrap import System, build
from lrs.config import Settings
from lrs.domain.agents import Identifier
from lrs.domain.requests import Kind, Status
from lrs.domain.sealing import Denied, Erased, Outcome, Place, Plain, Sealed
from lrs.opening import Opened, Opener
from lrs.ports import Generation, TenantStore, Vault
from lrs.projections.runner import VIEWS, step
from retention.erasure import ErasureIncomplete
from retention.export import PART_BYTES_MAX
from tests.running import Service
from tests.subjects import (
    ADA,
    ALAN,
    COURSE,
    GRACE,
    GROUP_PLACEHOLDER,
    PLACEHOLDER,
    STEPS,
    TENANT,
    Asking,
    Inside,
    Json,
    LaterClock,
    agent,
    came_back,
    die_while_erasing,
    exchange,
    inside,
    statement,
    voiding,
)

WAIT = 30
TEAM = {"objectType": "Group", "name": "Team", "account": {"homePage": "https://x.example.org", "name": "t1"}}


class Crash(BaseException):
    """The process is gone: nothing catches this."""


@pytest.fixture
def acme(system: System) -> Inside:
    """The tenant acme, asked in this process."""
    return inside(system)


def crash_at(wanted: int) -> Callable[[int], None]:
    def reached(number: int) -> None:
        if number == wanted:
            raise Crash

    return reached


def records_of_ada() -> tuple[Json, Json]:
    """One of her own and one in which she instructs Grace."""
    return statement(ADA), statement(GRACE, context={"instructor": ADA})


# --- whoever crashes, the erasure goes on ---------------------------------------------------------------------


def check_it_ends_well(acme: Inside, hers: Json, others: Json, subject: UUID, request: UUID) -> None:
    """Between the crash and the end she can not be read; after it nothing of her is left and there is proof."""
    assert acme.get(hers).status_code == 404
    rights = replace(acme.system.rights, clock=LaterClock())
    rights.run_next(TENANT)
    assert rights.get(TENANT, request).status is Status.DONE
    assert acme.left_of(subject) == {}
    assert [proof["subject"] for proof in rights.certificates(TENANT, request)] == [str(subject)]
    assert acme.get(hers).status_code == 404
    assert acme.get(others).json()["context"] == {"instructor": PLACEHOLDER}
    assert acme.system.stores.open(TENANT).recorder.select_events(subject)[-1].topic == "erasure-completed/1"
    assert acme.rebuilt_same()


@pytest.mark.parametrize("at", STEPS)
def test_an_erasure_that_crashed_after_a_step_is_finished_by_the_next_worker(system: System, at: int) -> None:
    acme = inside(system)
    hers, others = records_of_ada()
    acme.post(hers, others)
    acme.catch_up()
    subject, request = acme.known(ADA), UUID(acme.request("erase", ADA)["id"])
    with pytest.raises(Crash):
        acme.rights(crash_at(at)).run_next(TENANT)
    system.close()
    again = build(system.settings)
    try:
        check_it_ends_well(inside(again), hers, others, subject, request)
    finally:
        again.close()


@pytest.mark.parametrize("at", STEPS)
def test_an_erasure_whose_process_died_after_a_step_is_finished_by_the_next_process(
    place: Settings, at: int
) -> None:
    first = build(place)
    first.tenants.create(TENANT)
    acme = inside(first)
    hers, others = records_of_ada()
    acme.post(hers, others)
    acme.catch_up()
    subject, request = acme.known(ADA), UUID(acme.request("erase", ADA)["id"])
    first.close()
    dies = multiprocessing.get_context("spawn").Process(target=die_while_erasing, args=(place, at))
    dies.start()
    dies.join()
    assert dies.exitcode == 9
    again = build(place)
    try:
        assert again.rights.run_next(TENANT) is None  # its claim may yet be somebody's who lives
        check_it_ends_well(inside(again), hers, others, subject, request)
    finally:
        again.close()


def test_what_a_crashed_erasure_covered_is_still_in_its_certificate(system: System) -> None:
    acme = inside(system)
    acme.post(statement(ADA))
    request = acme.request("erase", ADA)
    with pytest.raises(Crash):
        acme.rights(crash_at(2)).run_next(TENANT)
    acme.run()
    (proof,) = acme.certificates(request)
    assert proof["identifier_kinds"] == ["mbox", "mbox_sha1sum"]
    assert len(proof["keys_destroyed"]) == 2  # identity and learning
    assert (proof["living_keys"], proof["events_sampled"]) == (0, 1)


# --- the certificate ------------------------------------------------------------------------------------------


def test_a_certificate_is_checked_offline_and_any_change_to_it_is_refused(
    service: Service, tmp_path: Path
) -> None:
    with service.client(service.credential("acme")) as http:
        acme = Asking(http)
        acme.post(statement(ADA))
        request = acme.request("erase", ADA, reason="she asked")
        acme.done(request)
        (proof,) = acme.certificates(request)
        key = proof["public_key"]
        file = tmp_path / "certificate.json"
        file.write_text(json.dumps(proof, indent=2))
        service.kill()
        offline = replace(service, data_dir=tmp_path / "elsewhere")
        valid = offline.lrs("verify-certificate", str(file), "--key", key)
        said = {name: proof[name] for name in ("certificate", "subject", "issued_at")}
        assert valid == {"valid": True, **said} | ({"logged": True} if "log" in proof else {})
        other_key = "A" * 43 + "="
        assert offline.lrs("verify-certificate", str(file), "--key", other_key, status=3)["error"]
        for change in ({"subject": str(uuid4())}, {"note": "added"}):
            file.write_text(json.dumps(proof | change))
            refused = offline.lrs("verify-certificate", str(file), "--key", key, status=3)
            assert refused["error"]["code"] == "request-invalid"
        assert not offline.data_dir.exists()


def test_no_name_or_address_stands_in_a_certificate(acme: Inside) -> None:
    acme.post(statement(ADA))
    request = acme.ran("erase", ADA, reason="Ada asked")
    # Signatures and ids are random letters, which may spell anything short.
    certificates = json.dumps(acme.certificates(request)).lower()
    assert not [word for word in ("ada@", "ada asked", "mailto", "example.org") if word in certificates]


# --- the erased actor -----------------------------------------------------------------------------------------


def test_an_erased_actors_statement_is_in_no_result(acme: Inside) -> None:
    hers, graces = statement(ADA), statement(GRACE)
    acme.post(hers, graces)
    acme.catch_up()
    acme.ran("erase", ADA)
    assert acme.get(hers).status_code == 404
    assert acme.get(hers, voided=True).status_code == 404
    assert acme.found_by(ADA) == []
    assert [one["id"] for one in acme.found()] == [graces["id"]]
    assert [one["id"] for one in acme.found(activity=COURSE)] == [graces["id"]]
    assert [row["learner"] for row in acme.report()] == [GRACE]
    assert acme.report(learner=json.dumps(ADA)) == []
    assert acme.rebuilt_same()


def test_an_erased_statements_id_stays_reserved_and_sending_it_again_stores_nothing(acme: Inside) -> None:
    hers = statement(ADA)
    acme.post(hers)
    acme.ran("erase", ADA)
    before = acme.rows("SELECT position FROM head")
    acme.post(hers)
    assert acme.http.put("/xapi/statements", params={"statementId": hers["id"]}, json=hers).status_code == 204
    acme.post(hers | {"verb": {"id": "http://adlnet.gov/expapi/verbs/failed"}})
    acme.post(hers | {"actor": agent("nobody-yet")})
    assert acme.rows("SELECT position FROM head") == before
    assert acme.subject(ADA) is None
    assert acme.subject(agent("nobody-yet")) is None
    assert acme.get(hers).status_code == 404


def test_an_erased_statement_in_a_batch_is_passed_over_and_the_rest_is_stored(acme: Inside) -> None:
    hers, graces = statement(ADA), statement(GRACE)
    acme.post(hers)
    acme.ran("erase", ADA)
    acme.post(graces, hers)
    assert acme.get(graces).status_code == 200
    assert acme.subject(ADA) is None


def test_what_an_erased_person_voided_stays_voided(acme: Inside) -> None:
    graces = statement(GRACE)
    acme.post(graces)
    acme.post(voiding(ADA, graces["id"]))
    acme.catch_up()
    acme.ran("erase", ADA)
    assert acme.get(graces).status_code == 404
    assert acme.get(graces, voided=True).status_code == 200
    assert acme.report() == []
    assert acme.rebuilt_same()


# --- the erased other -----------------------------------------------------------------------------------------

WITH_ADA: dict[str, tuple[Json, Json]] = {
    "instructor": ({"context": {"instructor": ADA}}, {"context": {"instructor": PLACEHOLDER}}),
    "team member": (
        {"context": {"team": TEAM | {"member": [ADA, ALAN]}}},
        {"context": {"team": TEAM | {"member": [PLACEHOLDER, ALAN]}}},
    ),
    "object": ({"object": ADA}, {"object": PLACEHOLDER}),
    "actor of a SubStatement": (
        {"object": {"objectType": "SubStatement", "actor": ADA, "verb": {"id": "http://x.example.org/v"},
                    "object": {"objectType": "Activity", "id": COURSE}}},
        {"object": {"objectType": "SubStatement", "actor": PLACEHOLDER, "verb": {"id": "http://x.example.org/v"},
                    "object": {"objectType": "Activity", "id": COURSE}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("role", WITH_ADA)
def test_an_erased_other_leaves_the_learners_record_whole(acme: Inside, role: str) -> None:
    sent, left = WITH_ADA[role]
    graces = statement(GRACE, result={"response": "in her own words"}, **sent)
    acme.post(graces)
    acme.catch_up()
    report = acme.report()
    acme.ran("erase", ADA)
    assert came_back(graces | left, acme.get(graces).json())
    assert [one["id"] for one in acme.found_by(GRACE)] == [graces["id"]]
    assert acme.found_by(ADA) == []
    assert acme.report() == report
    assert acme.rebuilt_same()


@pytest.mark.parametrize("role", WITH_ADA)
def test_a_learners_record_sent_again_after_the_other_was_erased_is_no_conflict(acme: Inside, role: str) -> None:
    graces = statement(GRACE, **WITH_ADA[role][0])
    acme.post(graces)
    acme.ran("erase", ADA)
    acme.post(graces)
    assert acme.subject(ADA) is None
    other = graces | {"timestamp": "2026-11-22T10:00:00Z"}
    assert acme.http.post("/xapi/statements", json=other).status_code == 409


def test_an_erased_identified_group_is_a_placeholder_group(acme: Inside) -> None:
    graces = statement(GRACE, context={"team": TEAM | {"member": [ALAN]}})
    acme.post(graces)
    acme.ran("erase", TEAM)
    assert acme.get(graces).json()["context"] == {"team": GROUP_PLACEHOLDER}


def test_a_statement_of_an_anonymous_group_lives_until_its_last_member_is_erased(acme: Inside) -> None:
    group = {"objectType": "Group", "member": [ADA, GRACE]}
    theirs = statement(group, result={"response": "both of them"})
    acme.post(theirs)
    acme.ran("erase", ADA)
    expected = theirs | {"actor": {"objectType": "Group", "member": [PLACEHOLDER, GRACE]}}
    assert came_back(expected, acme.get(theirs).json())
    assert [one["id"] for one in acme.found_by(GRACE)] == [theirs["id"]]
    acme.post(theirs)
    assert acme.subject(ADA) is None
    graces = acme.known(GRACE)
    acme.ran("erase", GRACE)
    assert acme.get(theirs).status_code == 404
    assert acme.found() == []
    assert acme.left_of(graces) == {}


# --- seen again -----------------------------------------------------------------------------------------------


def test_somebody_seen_again_is_a_new_subject_to_whom_no_old_record_leads(acme: Inside) -> None:
    old, taught = records_of_ada()
    acme.post(old, taught)
    first = acme.known(ADA)
    acme.ran("erase", ADA)
    new = statement(ADA)
    acme.post(new)
    assert acme.known(ADA) != first
    assert [one["id"] for one in acme.found_by(ADA)] == [new["id"]]
    assert acme.get(old).status_code == 404
    assert acme.get(taught).json()["context"] == {"instructor": PLACEHOLDER}
    acme.post(old)  # now that she is known, her old record is still nothing new
    assert [one["id"] for one in acme.found_by(ADA)] == [new["id"]]
    held = acme.exported(acme.ran("export", ADA))
    assert [one["id"] for one in held["statements"]] == [new["id"]]
    assert held["mentioned_in"] == []
    assert acme.left_of(first) == {}


def test_an_erasure_reaches_every_spelling_of_an_address(acme: Inside) -> None:
    sha1 = {"mbox_sha1sum": "4d2bf3c7d4dd2b4cb2fb5e0d9c7f6ac0ca8c6d0f"}
    acme.post(statement(ADA), statement(ADA | {"name": "A. E."}), statement(sha1))
    acme.ran("erase", ADA)
    assert acme.subject(ADA) is None
    assert acme.found_by(ADA) == []
    assert len(acme.found_by(sha1)) == 1  # somebody else's digest


# --- while it is under way ------------------------------------------------------------------------------------


def test_while_a_person_is_erased_reads_find_nothing_and_writes_wait(acme: Inside) -> None:
    hers, graces = records_of_ada()
    acme.post(hers, graces)
    acme.catch_up()
    subject = acme.known(ADA)
    acme.request("erase", ADA)
    with pytest.raises(Crash):
        acme.rights(crash_at(1)).run_next(TENANT)
    assert acme.get(hers).status_code == 404
    assert acme.get(graces).json()["context"] == {"instructor": PLACEHOLDER}
    assert [row["learner"] for row in acme.report()] == [GRACE]
    store = acme.system.tenants.store(TENANT)
    positions = store.statements.positions(store.statements.term("w", subject.hex))
    assert [type(one.outcome) for one in acme.system.opener.bodies(store, store.statements.at(positions))] == [
        Denied
    ]
    new = statement(ADA)
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(acme.post, new)
        time.sleep(0.2)
        assert not waits.done()
        acme.run()
        waits.result(WAIT)
    assert acme.known(ADA) != subject
    assert acme.get(new).status_code == 200


def test_an_erasure_that_is_stuck_holds_up_nobody_elses_records(acme: Inside) -> None:
    """Who writes about the person is told after a while to come again: nothing of that request is stored."""
    acme.post(statement(ADA), statement(GRACE))
    acme.system.vault.begin_erasure(TENANT, acme.known(ADA))
    hers, graces = statement(ADA), statement(GRACE)
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        busy = [
            pool.submit(acme.http.post, "/xapi/statements", json=one)
            for one in (hers, [graces, statement(ADA)], statement(ALAN, context={"instructor": ADA}))
        ]
        for _ in range(3):
            acme.post(statement(GRACE))
        assert not any(one.done() for one in busy)
        answers = [one.result(WAIT) for one in busy]
    assert time.monotonic() - began > 4
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(503, "subject-busy")] * 3
    assert all(int(one.headers["retry-after"]) > 0 for one in answers)
    assert [acme.get(one).status_code for one in (hers, graces)] == [404, 404]


# --- the request itself ---------------------------------------------------------------------------------------


def test_erasing_somebody_unknown_is_done_at_once_and_proves_nothing(acme: Inside) -> None:
    state = acme.ran("erase", ADA, reason="who is Ada?")
    assert (state["known"], state["detail"]) == (False, {"subjects_erased": 0})
    assert acme.certificates(state) == []
    assert acme.subject(ADA) is None


def test_erasing_twice_erases_once(acme: Inside) -> None:
    acme.post(statement(ADA))
    first = acme.ran("erase", ADA)
    second = acme.ran("erase", ADA)
    assert len(acme.certificates(first)) == 1
    assert (second["known"], acme.certificates(second)) == (False, [])


def test_two_erasures_of_one_person_at_once_are_both_done_with_one_certificate(acme: Inside) -> None:
    for _ in range(5):
        acme.post(statement(ADA))
        subject = acme.known(ADA)
        requests = [acme.request("erase", ADA) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            for ran in [pool.submit(acme.run) for _ in range(2)]:
                ran.result(WAIT)
        acme.run()
        assert [acme.done(one)["status"] for one in requests] == ["done", "done"]
        proofs = [acme.certificates(one) for one in requests]
        assert proofs[0] == proofs[1]
        assert len(proofs[0]) == 1
        assert acme.left_of(subject) == {}
        topics = [one.topic for one in acme.system.stores.open(TENANT).recorder.select_events(subject)]
        assert topics.count("erasure-completed/1") == 1


def test_an_erasure_that_found_something_left_is_not_called_done(acme: Inside) -> None:
    acme.post(statement(ADA))
    subject = acme.known(ADA)
    request = acme.request("erase", ADA)
    state = acme.system.stores.open(TENANT).recorder.select_events(subject)[1].state
    # The envelope begins with another version: it does not open, and no ledger says why.
    damaged = re.sub(rb'(?<=")AQ(?=[A-Za-z0-9+/=]{40,}")', b"BQ", state)
    assert damaged != state
    acme.rows("UPDATE event SET state = ? WHERE originator_id = ? AND state = ?", damaged, subject.bytes, state)
    acme.run()
    assert acme.state(request)["status"] == "done"
    assert len(acme.certificates(request)) == 1


class Stubborn:
    """A vault in which, this often, a key of the person is still found alive."""

    def __init__(self, vault: Vault, times: int) -> None:
        self._vault = vault
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def living_keys(self, tenant: str, subject: UUID) -> int:
        """One too many."""
        self._times -= 1
        return int(self._times >= 0)


def test_an_erasure_that_found_a_living_key_is_tried_again_and_certified_only_then(acme: Inside) -> None:
    acme.post(statement(ADA))
    request = acme.request("erase", ADA)
    vault: Any = Stubborn(acme.system.vault, 1)
    rights = replace(acme.system.rights, eraser=replace(acme.system.rights.eraser, vault=vault))
    with pytest.raises(ErasureIncomplete):
        rights.run_next(TENANT)
    assert (acme.state(request)["status"], acme.certificates(request)) == ("running", [])
    replace(rights, clock=LaterClock()).run_next(TENANT)
    assert acme.state(request)["status"] == "done"
    assert len(acme.certificates(request)) == 1


class Leaky(Stubborn):
    """A vault in which, this often, what was sealed for the person still opens."""

    def living_keys(self, tenant: str, subject: UUID) -> int:
        """None, it says."""
        return self._vault.living_keys(tenant, subject)

    def open_many(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]], *, keep: bool = False
    ) -> list[Outcome]:
        """All of it."""
        self._times -= 1
        return [Plain(b"{}")] * len(items) if self._times >= 0 else self._vault.open_many(tenant, items, keep=keep)


def test_an_erasure_after_which_something_opens_is_tried_again_and_certified_only_then(acme: Inside) -> None:
    acme.post(statement(ADA))
    request = acme.request("erase", ADA)
    vault: Any = Leaky(acme.system.vault, 1)
    rights = replace(acme.system.rights, eraser=replace(acme.system.rights.eraser, vault=vault))
    with pytest.raises(ErasureIncomplete):
        rights.run_next(TENANT)
    assert acme.certificates(request) == []
    replace(rights, clock=LaterClock()).run_next(TENANT)
    assert len(acme.certificates(request)) == 1


def test_several_identifiers_of_one_person_are_erased_together(acme: Inside) -> None:
    account = {"account": {"homePage": "https://x.example.org", "name": "ada-7"}}
    acme.post(statement(ADA), statement(account))
    state = acme.ran("erase", ADA, account)
    assert state["detail"] == {"subjects_erased": 2}
    assert len(acme.certificates(state)) == 2
    assert acme.found() == []


def test_the_command_line_exports_and_erases_while_the_service_runs(service: Service, tmp_path: Path) -> None:
    with service.client(service.credential("acme")) as http:
        acme = Asking(http)
        hers, graces = records_of_ada()
        acme.post(hers, graces)
        who = ["--tenant", "acme", "--agent", json.dumps(ADA)]
        out = tmp_path / "ada.zip"
        exported = service.lrs("subject", "export", *who, "--out", str(out))
        assert exported["status"] == "done"
        assert [one["id"] for one in acme.exported(exported)["statements"]] == [hers["id"]]
        assert out.stat().st_mode & 0o077 == 0
        assert acme.get(hers).status_code == 200
        erased = service.lrs("subject", "erase", *who, "--reason", "she asked")
        assert erased["status"] == "done"
        assert acme.certificates(erased) == erased["certificates"]
        assert acme.get(hers).status_code == 404
        assert acme.get(graces).json()["context"]["instructor"]["account"]["name"] == "erased"
        assert acme.http.get(f"/dsar/{exported['id']}/package").status_code == 404
        assert service.lrs("subject", "erase", *who)["certificates"] == []
        assert service.log() == ""


# --- posts go on meanwhile ------------------------------------------------------------------------------------


class Poster:
    """A thread that posts about Ada and about others until it is told to stop, and remembers what was taken."""

    def __init__(self, acme: Inside, seed: int) -> None:
        self._acme = acme
        self._random = random.Random(seed)
        self._name = f"learner-{seed}"
        self.taken: list[Json] = []
        self.statuses: Counter[int] = Counter()

    def run(self, stop: threading.Event) -> None:
        """Post."""
        while not stop.is_set():
            batch = [self._one() for _ in range(self._random.choice((1, 1, 5)))]
            status = self._acme.http.post("/xapi/statements", json=batch).status_code
            self.statuses[status] += 1
            if status == 200:
                self.taken += batch
            if self._random.random() < 0.2:
                self.statuses[self._acme.http.post("/llm/exchanges", json=exchange(ADA)).status_code] += 1

    def _one(self) -> Json:
        hers = ADA | {"name": f"Ada {self._random.randrange(5)}"}  # many spellings, so many sealings
        learner = agent(self._name)
        return self._random.choice((
            statement(hers),
            statement(learner, context={"instructor": hers}),
            statement(learner, context={"team": {"objectType": "Group", "member": [hers, GRACE]}}),
            statement(learner),
        ))  # fmt: skip


def test_erasing_while_posts_go_on_leaves_nothing_of_the_person_and_loses_nothing_of_others(
    system: System,
) -> None:
    acme = inside(system)
    system.start()
    posters = [Poster(acme, seed) for seed in range(3)]
    stop = threading.Event()
    erased: list[UUID] = []
    with ThreadPoolExecutor() as pool:
        posting = [pool.submit(poster.run, stop) for poster in posters]
        try:
            for _ in range(6):
                time.sleep(0.15)
                subject = await_subject(acme)
                state = acme.done(acme.request("erase", ADA))
                assert state["known"]
                erased.append(subject)
        finally:
            stop.set()
        for one in posting:
            one.result(WAIT)
    acme.catch_up()
    assert len(set(erased)) == 6
    assert [acme.left_of(subject) for subject in erased] == [{}] * 6
    assert set(sum((poster.statuses for poster in posters), Counter())) <= {200, 201, 503}
    check_others_are_whole(acme, [one for poster in posters for one in poster.taken])
    counted = "SELECT (SELECT count(*) FROM event), (SELECT max(position) FROM event), position FROM head"
    ((count, last, head),) = acme.rows(counted)
    assert count == last == head
    assert acme.rebuilt_same()
    for subject in erased:
        assert str(subject) not in acme.http.get("/reports/completion").text


def await_subject(acme: Inside) -> UUID:
    """Her subject, as soon as somebody posted about her."""
    deadline = time.monotonic() + WAIT
    while (subject := acme.subject(ADA)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert subject is not None
    return subject


def check_others_are_whole(acme: Inside, taken: Sequence[Json]) -> None:
    """Every acknowledged record of others is there once, with the person or the placeholder in it."""
    found = Counter(one["id"] for one in acme.found())
    assert set(found.values()) == {1}
    for sent in taken:
        if sent["actor"]["mbox"] == ADA["mbox"]:
            continue
        assert found[sent["id"]] == 1
        back = acme.get(sent).json()
        without = json.loads(json.dumps(back).replace(json.dumps(PLACEHOLDER), "null"))
        for name in ("actor", "verb", "object", "timestamp"):
            assert back[name] == sent[name]
        if without != back:
            assert "context" in sent
        else:
            assert came_back(sent, back)


class Interfering:
    """A store whose views, before they are written, let something happen."""

    def __init__(self, store: TenantStore, happens: Callable[[], object]) -> None:
        self._store = store
        self._happens = happens
        self.views = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def expiring(self) -> Any:
        """As the views."""
        return self._store.views.expiring()

    def write(self, generations: Sequence[Generation], end: int, *more: Any) -> Any:
        """First that, then the writing."""
        self._happens()
        return self._store.views.write(generations, end, *more)


@pytest.mark.parametrize("voided", [False, True])
def test_a_projector_that_opened_a_batch_before_the_erasure_writes_nothing_of_it_after(
    acme: Inside, voided: bool
) -> None:
    hers, more, graces = statement(ADA), statement(ADA), statement(GRACE)
    acme.post(hers, more, graces)
    if voided:
        acme.post(voiding(GRACE, more["id"]))
    subject = acme.known(ADA)
    store: Any = Interfering(acme.system.tenants.store(TENANT), lambda: bool(acme.ran("erase", ADA)))
    live = [store._store.views.live(view) for view in VIEWS]
    step(store, acme.system.opener, live)
    assert acme.left_of(subject) == {}
    assert [row["learner"] for row in acme.report()] == [GRACE]
    assert acme.rebuilt_same()


# --- exports --------------------------------------------------------------------------------------------------


class Watched(Opener):
    """An opener that lets something happen when statements are put together for the n-th time."""

    def __init__(self, system: System, nth: int, happens: Callable[[], object]) -> None:
        super().__init__(system.vault, system.settings.public_url)
        self._left = nth
        self._happens = happens

    def statements(
        self, store: TenantStore, opened: Sequence[Opened], *, only: frozenset[UUID] | None = None
    ) -> list[Json]:
        """First that, then the statements."""
        self._left -= 1
        if self._left == 0:
            self._happens()
        return super().statements(store, opened, only=only)


def test_an_export_that_runs_when_the_erasure_comes_leaves_no_part_behind(acme: Inside) -> None:
    # Not to be compressed, so that parts are kept long before the end.
    noise = random.Random(7)
    for _ in range(9):  # in hexadecimal digits each is two thirds of a part
        acme.post(statement(ADA, result={"response": noise.randbytes(PART_BYTES_MAX // 3).hex()}))
    subject = acme.known(ADA)
    export = acme.request("export", ADA)
    kept: list[int] = []

    def erase() -> None:
        kept.extend(count for (count,) in acme.rows("SELECT count(*) FROM package"))
        erasure = acme.system.rights.open(TENANT, Kind.ERASE, [Identifier("mbox", ADA["mbox"])])
        assert acme.system.rights.run_next(TENANT, erasure.id) == erasure.id

    exporter = replace(acme.system.exporter, opener=Watched(acme.system, 3, erase))
    replace(acme.system.rights, exporter=exporter).run_next(TENANT, UUID(export["id"]))
    assert kept > [0]
    assert acme.left_of(subject) == {}
    assert acme.rows("SELECT * FROM package") == []
    assert (acme.state(export)["status"], acme.state(export)["detail"]["code"]) == ("refused", "not-found")
    assert acme.http.get(f"/dsar/{export['id']}/package").status_code == 404


def test_an_export_during_which_reading_is_denied_is_refused(acme: Inside) -> None:
    acme.post(statement(ADA))
    acme.ask_model(exchange(ADA))
    export = acme.request("export", ADA)
    vault, subject = acme.system.vault, acme.known(ADA)
    watched = Watched(acme.system, 1, lambda: vault.begin_erasure(TENANT, subject))
    exporter = replace(acme.system.exporter, opener=watched)
    replace(acme.system.rights, exporter=exporter).run_next(TENANT)
    assert acme.state(export)["status"] == "refused"
    assert acme.rows("SELECT * FROM package") == []


def test_a_package_dies_with_any_of_the_subjects_that_it_is_about(acme: Inside) -> None:
    account = {"account": {"homePage": "https://x.example.org", "name": "ada-7"}}
    for first, second in ((ADA, account), (account, ADA)):
        acme.post(statement(first), statement(second))
        export = acme.ran("export", first, second)
        assert len(acme.exported(export)["statements"]) == 2
        acme.ran("erase", second)
        assert acme.http.get(f"/dsar/{export['id']}/package").status_code == 404
        acme.ran("erase", first)


def test_an_export_holds_everything_about_the_person_and_masks_everybody_else(acme: Inside) -> None:
    others = [agent(f"canary-{number}") for number in range(8)]
    one, two, three, four, five, six, seven, eight = others
    team = {"objectType": "Group", "member": [ADA, three], **TEAM}
    hers = [
        statement(ADA, result={"response": "mine", "extensions": {"https://x.example.org/e": [1, {"a": None}]}}),
        statement(ADA, "voided-later"),
        statement(ADA, context={"instructor": one, "team": team}),
        statement(ADA, "commented", object=two),
        statement(
            ADA,
            "planned",
            object={
                "objectType": "SubStatement",
                "actor": four,
                "verb": {"id": "http://x.example.org/v"},
                "object": five,
            },
        ),
        statement({"objectType": "Group", "member": [six, ADA]}, "discussed"),
    ]
    mentions = [statement(seven, context={"instructor": ADA}), statement(eight, "praised", object=ADA)]
    acme.post(*hers, *mentions)
    acme.post(voiding(one, hers[1]["id"]))
    asked = exchange(ADA) | {"activity": COURSE}
    acme.ask_model(asked, exchange(one, "canary-0 asks"))
    export = acme.ran("export", ADA, reason="wants to know")
    held = acme.exported(export)
    assert [one["id"] for one in held["statements"]] == [one["id"] for one in hers]
    assert came_back(hers[0], held["statements"][0])
    assert held["statements"][2]["context"]["instructor"] == PLACEHOLDER
    assert held["statements"][5]["actor"]["member"] == [PLACEHOLDER, ADA]
    assert held["agents"] == [ADA]
    assert [one["id"] for one in held["mentioned_in"]] == [one["id"] for one in mentions]
    assert [
        {name: one[name] for name in ("id", "request", "response", "activity")} for one in held["llm_exchanges"]
    ] == [{name: asked[name] for name in ("id", "request", "response", "activity")}]
    assert [(row["activity"], row["completion"]) for row in held["report_rows"]] == [(COURSE, True)]
    assert [(one["id"], one["kind"]) for one in held["requests"]] == [(export["id"], "export")]
    counts = {"statements": 6, "exchanges": 1, "mentions": 2, "rows": 1}
    assert {name: export["detail"]["held"][name] for name in counts} == counts
    package = acme.package(export)
    assert sorted(package.namelist()) == ["export.json", "index.html"]
    for name in package.namelist():
        assert b"canary" not in package.read(name).lower()


def test_an_export_names_a_record_once_that_two_identifiers_of_the_person_lead_to(acme: Inside) -> None:
    account = {"objectType": "Agent", "account": {"homePage": "https://x.example.org", "name": "ada-7"}}
    both = {"objectType": "Group", "member": [ADA, account]}
    theirs = statement(both)
    taught_by_herself = statement(ADA, context={"instructor": account})
    taught = statement(GRACE, context={"team": both})
    acme.post(theirs, taught_by_herself, taught)
    held = acme.exported(acme.ran("export", ADA, account))
    assert [one["id"] for one in held["statements"]] == [theirs["id"], taught_by_herself["id"]]
    assert [one["id"] for one in held["mentioned_in"]] == [taught["id"]]


def test_an_export_of_somebody_unknown_holds_nothing(acme: Inside) -> None:
    acme.post(statement(GRACE))
    held = acme.exported(acme.ran("export", ADA))
    lists = ("subjects", "agents", "statements", "llm_exchanges", "mentioned_in", "report_rows", "requests")
    assert [held[name] for name in lists] == [[]] * len(lists)
    assert acme.subject(ADA) is None


def test_exchanges_with_a_model_die_with_their_person(acme: Inside) -> None:
    hers, graces = exchange(ADA), exchange(GRACE)
    acme.ask_model(hers, graces)
    acme.ran("erase", ADA)
    store = acme.system.tenants.store(TENANT)
    opened = acme.system.opener.bodies(store, store.statements.read(0, 100))
    assert [type(one.outcome) is Erased for one in opened] == [True, False]
    assert acme.exported(acme.ran("export", ADA))["llm_exchanges"] == []
    assert [one["id"] for one in acme.exported(acme.ran("export", GRACE))["llm_exchanges"]] == [graces["id"]]
    acme.ask_model(hers)  # its id is reserved
    assert acme.subject(ADA) is None


# --- other tenants --------------------------------------------------------------------------------------------


@pytest.fixture
def globex(system: System) -> Inside:
    """Another tenant of the same system."""
    system.tenants.create("globex")
    return inside(system, "globex")


def test_the_same_person_at_another_tenant_is_still_readable(acme: Inside, globex: Inside) -> None:
    hers = statement(ADA)
    for tenant in (acme, globex):
        tenant.post(hers)
        tenant.ask_model(exchange(ADA))
        tenant.catch_up()
    acme.ran("erase", ADA)
    assert acme.get(hers).status_code == 404
    assert came_back(hers, globex.get(hers).json())
    assert [row["learner"] for row in globex.report()] == [ADA]
    held = globex.exported(globex.ran("export", ADA))
    assert (len(held["statements"]), len(held["llm_exchanges"])) == (1, 1)
    assert globex.http.post("/xapi/statements", json=statement(GRACE)).status_code == 200
    assert acme.http.get("/xapi/statements").status_code == 200
