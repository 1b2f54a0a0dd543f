"""Closing an epoch, from the request to the second certificate, and everything that may come in between."""

import json
import logging
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from lrs.adapters.signatures import verify
from lrs.bootstrap import System, build
from lrs.cli.root import app
from lrs.config import Settings
from lrs.domain.errors import EpochBusy, KeyStoreUnavailable, StoreUnavailable
from lrs.leading import Leader
from retention import daily
from retention.certificates import check_certificate
from retention.closing import CERTIFYING, CHECKING, WRAPPING, EpochCloser
from retention.daily import EpochSchedule
from tests.places import embedded, environment
from tests.running import LRS, Service
from tests.subjects import ADA, GRACE, PLACEHOLDER, TENANT, Inside, Json, LaterClock, agent, inside, statement

STEPS = (1, 2, 3, 4, 5)


class Crash(BaseException):
    """The process is gone: nothing catches this."""


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def closer_of(acme: Inside, reached: Callable[[int], None] = lambda _: None) -> EpochCloser:
    return replace(acme.system.closer, reached=reached)


def crash_at(wanted: int) -> Callable[[int], None]:
    def reached(number: int) -> None:
        if number == wanted:
            raise Crash

    return reached


def proofs_of(acme: Inside, request: Json) -> list[int]:
    """Which certificates a request has; each must be valid."""
    key = acme.system.vault.public_key(acme.tenant)
    return [check_certificate(proof, key, verify)["certificate"] for proof in acme.certificates(request)]


def test_a_close_gives_every_erased_person_the_second_certificate_and_leaves_all_others_whole(
    acme: Inside,
) -> None:
    hers, others = statement(ADA), statement(GRACE, context={"instructor": ADA})
    acme.post(hers, others)
    acme.catch_up()
    request = acme.ran("erase", ADA)
    assert proofs_of(acme, request) == [1]
    heard: list[tuple[str, int, int]] = []
    (done,) = closer_of(acme).close(lambda *step: heard.append(step))
    assert {step for step, _, _ in heard} == {WRAPPING, CHECKING, CERTIFYING}
    assert (done.certificates, done.waiting, done.epoch.epoch, done.epoch.finished) == (1, 0, 1, True)
    assert done.rewrapped is not None
    assert done.rewrapped.tenants_changed == 1
    first, second = acme.certificates(request)
    assert proofs_of(acme, request) == [1, 2]
    for name in ("tenant", "subject", "request", "ledger_sequence"):
        assert first[name] == second[name]
    assert (second["epoch"], second["provider"], second["destruction_seconds"]) == (1, "file", 0)
    assert (
        second["epoch_closed_at"] <= second["epoch_key_destroyed_at"] == second["final_at"] <= second["issued_at"]
    )
    assert any("key directory" in one for one in second["does_not_reach"])
    assert acme.get(hers).status_code == 404
    assert acme.get(others).json()["context"] == {"instructor": PLACEHOLDER}
    acme.post(statement(ADA), statement(GRACE))
    assert len(acme.found_by(GRACE)) == 2
    assert acme.rebuilt_same()
    (again,) = closer_of(acme).close()
    assert (again.epoch.epoch, again.certificates) == (2, 0)
    assert proofs_of(acme, request) == [1, 2]


@pytest.mark.parametrize("at", STEPS)
def test_a_close_that_crashed_after_a_step_is_finished_by_the_next(system: System, at: int) -> None:
    acme = inside(system)
    hers, others = statement(ADA), statement(GRACE)
    acme.post(hers, others)
    request = acme.ran("erase", ADA)
    with pytest.raises(Crash):
        closer_of(acme, crash_at(at)).close()
    assert acme.get(others).status_code == 200
    acme.post(statement(agent("dora")))
    system.close()
    again = build(system.settings)
    try:
        acme = inside(again)
        done = again.closer.close()
        assert [one.epoch.epoch for one in done] == [1 if at < 5 else 2]
        assert [one.rewrapped is None for one in done] == [1 < at < 5]
        assert proofs_of(acme, request) == [1, 2]
        assert again.vault.epoch() == (2 if at < 5 else 3)
        assert again.closer.epochs.standing().unfinished == ()
        assert acme.get(others).status_code == 200
        assert acme.get(hers).status_code == 404
    finally:
        again.close()


def test_what_was_destroyed_since_an_unfinished_close_is_closed_too(acme: Inside) -> None:
    acme.post(statement(ADA), statement(GRACE))
    first = acme.ran("erase", ADA)
    with pytest.raises(Crash):
        closer_of(acme, crash_at(3)).close()
    second = acme.ran("erase", GRACE)
    done = closer_of(acme).close()
    assert [(one.epoch.epoch, one.rewrapped is None) for one in done] == [(1, True), (2, False)]
    assert proofs_of(acme, first) == proofs_of(acme, second) == [1, 2]
    assert [one["epoch"] for one in (acme.certificates(first)[1], acme.certificates(second)[1])] == [1, 2]


def test_an_erasure_that_is_not_through_gets_its_second_certificate_later(acme: Inside) -> None:
    acme.post(statement(ADA))
    request = acme.request("erase", ADA)
    with pytest.raises(Crash):
        acme.rights(crash_at(2)).run_next(TENANT)
    (done,) = closer_of(acme).close()
    assert (done.certificates, done.waiting, done.epoch.finished) == (0, 1, False)
    assert done.epoch.destroyed_at is not None
    replace(acme.system.rights, clock=LaterClock()).run_next(TENANT, UUID(request["id"]))
    assert proofs_of(acme, request) == [1]
    (done,) = closer_of(acme).finish()
    assert (done.certificates, done.waiting, done.epoch.finished) == (1, 0, True)
    assert proofs_of(acme, request) == [1, 2]
    assert closer_of(acme).finish() == []


def test_a_store_that_is_away_and_a_tenant_that_left_hold_up_nobody_else(
    acme: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = acme.system.tenants
    requests = {}
    for name in ("away", "left", "left-before"):
        tenants.create(name)
        other = inside(acme.system, name)
        other.post(statement(ADA))
        requests[name] = other.ran("erase", ADA)
    tenants.delete("left-before")
    acme.post(statement(ADA))
    request = acme.ran("erase", ADA)
    open_application = tenants.application

    class Tenants:
        def __getattr__(self, name: str) -> object:
            return getattr(tenants, name)

        def application(self, name: str) -> object:
            if name == "away":
                raise StoreUnavailable("not now")
            return open_application(name)

    def leave(step: int) -> None:
        if step == 4:
            tenants.delete("left")

    closer = replace(closer_of(acme, leave), tenants=Tenants())  # type: ignore[arg-type]
    (done,) = closer.close()
    assert (done.certificates, done.waiting) == (1, 1)
    assert proofs_of(acme, request) == [1, 2]
    (done,) = closer_of(acme).finish()
    assert (done.certificates, done.waiting) == (2, 0)
    assert proofs_of(inside(acme.system, "away"), requests["away"]) == [1, 2]


def test_copies_of_the_vault_elsewhere_are_removed_once_the_key_is_destroyed(acme: Inside) -> None:
    acme.post(statement(ADA))
    acme.ran("erase", ADA)
    forgotten: list[tuple[int, bool]] = []

    def forget(epoch: int) -> None:
        forgotten.append((epoch, (acme.system.settings.keys / f"epoch-{epoch}.key").exists()))
        if len(forgotten) == 1:
            raise KeyStoreUnavailable("not now")

    closer = replace(acme.system.closer, forget_copies=forget)
    with pytest.raises(KeyStoreUnavailable):
        closer.close()
    (done,) = closer.close()
    assert (done.epoch.epoch, done.certificates) == (1, 1)
    assert forgotten == [(1, False), (1, False)]


# --- in the service ------------------------------------------------------------------------------------------


def schedule_of(acme: Inside, hours: float, ahead: timedelta = timedelta()) -> EpochSchedule:
    system = acme.system
    closer = replace(system.closer, clock=LaterClock(ahead))
    return EpochSchedule(closer, Leader(system.control, LaterClock(ahead), "epochs"), hours)


def test_the_schedule_closes_when_something_was_destroyed_and_it_is_time(acme: Inside) -> None:
    day = timedelta(hours=24, minutes=1)
    assert schedule_of(acme, 24, day).round()
    assert acme.system.vault.epoch() == 1  # nothing was destroyed
    acme.post(statement(ADA), statement(GRACE))
    request = acme.ran("erase", ADA)
    assert schedule_of(acme, 24).round()
    assert acme.system.vault.epoch() == 1  # it is not time
    assert schedule_of(acme, 24, day).round()
    assert acme.system.vault.epoch() == 2
    assert proofs_of(acme, request) == [1, 2]
    acme.ran("erase", GRACE)
    assert schedule_of(acme, 24, day).round()
    assert acme.system.vault.epoch() == 2
    assert schedule_of(acme, 24, 2 * day).round()
    assert acme.system.vault.epoch() == 3
    acme.post(statement(ADA))
    acme.ran("erase", ADA)
    assert schedule_of(acme, 24).round()  # a clock that was put back does not put it off
    assert acme.system.vault.epoch() == 4


def test_the_schedule_finishes_what_was_left_at_once_and_survives_failures(
    acme: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    acme.post(statement(ADA))
    acme.request("erase", ADA)
    with pytest.raises(Crash):
        acme.rights(crash_at(2)).run_next(TENANT)
    with pytest.raises(Crash):
        closer_of(acme, crash_at(2)).close()
    schedule = schedule_of(acme, 24)
    with acme.system.closer.epochs.alone():
        assert schedule.round()  # somebody else is at it
    assert len(acme.system.closer.epochs.standing().unfinished) == 1
    key = acme.system.settings.keys / "epoch-2.key"
    key.rename(key.with_suffix(".away"))
    caplog.set_level(logging.WARNING)
    assert not schedule.round()
    assert [record.getMessage() for record in caplog.records] == ["the epoch is not closed: vault-refused"]
    key.with_suffix(".away").rename(key)
    assert not schedule.round()  # a certificate waits
    replace(acme.system.rights, clock=LaterClock()).run_next(TENANT)
    assert schedule.round()
    assert acme.system.closer.epochs.standing().unfinished == ()


@pytest.mark.parametrize("leads", [True, False])
def test_only_the_process_that_leads_closes(acme: Inside, monkeypatch: pytest.MonkeyPatch, *, leads: bool) -> None:
    monkeypatch.setattr(daily, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(daily, "_ASKED_SECONDS", 0.01)
    monkeypatch.setattr(daily, "_AGAIN_SECONDS", 0.01)
    acme.post(statement(ADA))
    acme.request("erase", ADA)
    with pytest.raises(Crash):
        acme.rights(crash_at(2)).run_next(TENANT)  # so that a certificate waits, too
    with pytest.raises(Crash):
        closer_of(acme, crash_at(2)).close()
    if not leads:
        assert acme.system.control.lease("epochs", "another", LaterClock(timedelta()).now(), seconds=600)
    schedule = schedule_of(acme, 24)
    schedule.start()
    deadline = time.monotonic() + (10 if leads else 0.5)
    epochs = acme.system.closer.epochs
    while epochs.standing().unfinished[0].destroyed_at is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    schedule.stop()
    assert (epochs.standing().unfinished[0].destroyed_at is not None) is leads


def die_while_closing(settings: Settings, step: int) -> None:
    """Close the epoch and die, without any cleaning up, when the given step is done."""

    def reached(number: int) -> None:
        if number == step:
            os._exit(9)

    replace(build(settings).closer, reached=reached).close()
    os._exit(0)


def test_the_running_service_goes_on_across_a_close_and_its_next_start_resumes_one(service: Service) -> None:
    with service.client(service.credential(TENANT)) as http:
        http.post("/xapi/statements", json=[statement(ADA), statement(GRACE)]).raise_for_status()
        request = http.post("/dsar/erase", json={"agent": ADA}).json()["id"]
        deadline = time.monotonic() + 30
        while not http.get(f"/dsar/{request}/certificates").json()["certificates"] and time.monotonic() < deadline:
            time.sleep(0.05)
        closed = service.lrs("epoch", "close")
        (one,) = closed["closed"]
        assert (closed["epoch"], one["epoch"], one["resumed"], one["certificates"]) == (2, 1, False, 1)
        assert (one["provider"], one["certificates_waiting"]) == ("file", 0)
        proofs = http.get(f"/dsar/{request}/certificates").json()["certificates"]
        assert [proof["certificate"] for proof in proofs] == [1, 2]
        answer = http.post("/xapi/statements", json=[statement(GRACE), statement(agent("dora"))])
        assert answer.status_code == 200
        found = http.get("/xapi/statements", params={"agent": json.dumps(GRACE)}).json()["statements"]
        assert len(found) == 2
    service.stop()
    process = multiprocessing.get_context("spawn").Process(target=die_while_closing, args=(service.settings, 2))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert (service.settings.keys / "epoch-2.key").exists()
    service.start()
    deadline = time.monotonic() + 30
    while (service.settings.keys / "epoch-2.key").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (service.settings.keys / "epoch-2.key").exists()


def test_the_command_tells_a_person_and_says_when_another_is_at_it(
    system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in environment(system.settings).items():
        monkeypatch.setenv(name, value)
    acme = inside(system)
    acme.post(statement(ADA))
    acme.request("erase", ADA)
    with pytest.raises(Crash):
        acme.rights(crash_at(2)).run_next(TENANT)
    told = CliRunner().invoke(app, ["epoch", "close"])
    assert told.exit_code == 0, told.output
    assert "Closed epochs" in told.output
    assert "1 certificates of epoch 1 wait" in told.output
    assert "Epoch 2 is open" in told.output
    assert "resumed" in CliRunner().invoke(app, ["epoch", "close"]).output
    replace(system.rights, clock=LaterClock()).run_next(TENANT)
    request = acme.http.get("/dsar").json()["requests"][0]["id"]
    asked = ["subject", "certificates", "--tenant", TENANT, "--request", request]
    assert CliRunner().invoke(app, ["epoch", "close", "--json"]).exit_code == 0
    assert '"certificate": 2' in CliRunner().invoke(app, asked).output
    proofs = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)["certificates"]
    assert [proof["certificate"] for proof in proofs] == [1, 2]
    assert proofs == acme.certificates({"id": request})
    file = tmp_path / "certificate.json"
    for proof in proofs:
        file.write_text(json.dumps(proof))
        checked = ["verify-certificate", str(file), "--key", proof["public_key"]]
        said = json.loads(CliRunner().invoke(app, [*checked, "--json"]).output)
        assert (said["valid"], said["certificate"], said["subject"]) == (
            True,
            proof["certificate"],
            proof["subject"],
        )
        assert f"certificate {proof['certificate']}" in CliRunner().invoke(app, checked).output
        file.write_text(json.dumps(proof | {"issued_at": "2020-01-01T00:00:00+00:00"}))
        assert CliRunner().invoke(app, checked).exit_code == 3
    with system.closer.epochs.alone():
        refused = CliRunner().invoke(app, ["epoch", "close"])
        assert refused.exit_code == 3
        with pytest.raises(EpochBusy):
            system.closer.close()


def test_a_vault_restored_from_behind_destroys_again_and_the_commands_say_so(tmp_path: Path) -> None:
    place = embedded(tmp_path / "data")
    system = build(place)
    system.tenants.create(TENANT)
    acme = inside(system)
    acme.post(statement(ADA))
    system.vault.database.checkpoint()
    copy = (place.data_dir / "vault.db").read_bytes()
    acme.ran("erase", ADA)
    system.close()
    (place.data_dir / "vault.db").write_bytes(copy)
    listed = subprocess.run(
        [*LRS, "tenant", "list", "--json"],
        env={**os.environ, **environment(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(listed.stdout)["tenants"]
    assert "carried out again: destructions=1 keys=2" in listed.stderr
