"""A tenant that refuses whoever was erased: from the policy to the refusal, and to the day on which it ends."""

import hashlib
import json
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
from typer.testing import CliRunner

from lrs.adapters.clock import SystemClock
from lrs.adapters.signatures import verify
from lrs.bootstrap import System, build
from lrs.cli.root import app
from lrs.config import Settings
from lrs.domain.agents import Identifier
from lrs.domain.errors import LetheError
from lrs.recording.drafts import statement_draft
from lrs.recording.groups import Submission
from lrs.recording.recorder import Recorder
from retention.certificates import check_certificate, parse_public_key
from tests.backups import new_drill, run_backup
from tests.places import PUBLIC_URL, STORES, environment, vault_rows
from tests.subjects import (
    ADA,
    COURSE,
    GRACE,
    STEPS,
    TENANT,
    Inside,
    Json,
    LaterClock,
    agent,
    die_while_erasing,
    exchange,
    inside,
    statement,
)

DAYS = 30
HASHED = {"mbox_sha1sum": hashlib.sha1(ADA["mbox"].encode(), usedforsecurity=False).hexdigest()}
AGAIN = {
    "actor": statement(ADA),
    "hash": statement(HASHED),
    "instructor": statement(GRACE, context={"instructor": ADA}),
    "member": statement(GRACE, context={"team": {"objectType": "Group", "member": [GRACE, ADA]}}),
    "object": statement(GRACE, object=ADA),
}


def refusing(acme: Inside, days: int = DAYS) -> Inside:
    """A tenant that refuses whoever is erased for so many days; Ada and Grace are known."""
    acme.http.put("/admin/policy", json={"suppression_days": days}).raise_for_status()
    acme.post(statement(ADA), statement(GRACE))
    return acme


@pytest.fixture
def acme(own: Inside) -> Inside:
    """Such a tenant, after it has erased Ada."""
    refusing(own).ran("erase", ADA)
    return own


def sent(acme: Inside, *statements: Json) -> httpx2.Response:
    """The answer to these, in one request."""
    return acme.http.post("/xapi/statements", json=list(statements))


def check_refused(answer: httpx2.Response) -> None:
    """It is said why, and not about whom."""
    assert (answer.status_code, answer.json()["code"]) == (403, "subject-suppressed"), answer.text
    assert "ada" not in answer.text.replace(" ", "")
    assert HASHED["mbox_sha1sum"] not in answer.text


# --- seen again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", AGAIN)
def test_a_request_that_names_the_person_is_refused_whole(acme: Inside, named: str) -> None:
    again, other, nobody = AGAIN[named] | {"id": str(uuid4())}, statement(GRACE), agent("nobody-yet")
    kept = acme.found()
    check_refused(sent(acme, other, statement(nobody), again))
    check_refused(acme.http.put("/xapi/statements", params={"statementId": again["id"]}, json=again))
    assert acme.found() == kept
    assert acme.get(other).status_code == 404
    assert (acme.subject(nobody), acme.subject(ADA)) == (None, None)
    acme.post(other, statement(nobody))
    assert acme.rebuilt_same()


def test_the_default_is_a_new_person(own: Inside) -> None:
    own.post(statement(ADA))
    before = own.known(ADA)
    request = own.ran("erase", ADA)
    own.post(statement(ADA))
    assert own.known(ADA) != before
    (proof,) = own.certificates(request)
    assert "suppressed_until" not in proof


def test_exchanges_and_documents_of_the_person_are_refused_and_read_as_ever(acme: Inside) -> None:
    state = {"activityId": COURSE, "agent": json.dumps(ADA), "stateId": "bookmark"}
    profile = {"agent": json.dumps(ADA), "profileId": "layout"}
    check_refused(acme.http.post("/llm/exchanges", json=exchange(ADA)))
    for path, names in (("/xapi/activities/state", state), ("/xapi/agents/profile", profile)):
        for method in ("PUT", "POST"):
            new = {"If-None-Match": "*"}
            check_refused(acme.http.request(method, path, params=names, json={"page": 1}, headers=new))
        assert acme.http.get(path, params=names).status_code == 404
        assert acme.http.delete(path, params=names).status_code == 204
        graces = names | {"agent": json.dumps(GRACE)}
        assert acme.http.post(path, params=graces, json={"page": 1}).status_code == 204
    assert acme.found_by(ADA) == []
    assert acme.request("export", ADA)["known"] is False
    assert acme.request("erase", ADA)["known"] is False
    assert acme.subject(ADA) is None


def test_what_is_stored_already_is_acknowledged_as_ever(own: Inside) -> None:
    refusing(own)
    hers, others = statement(ADA), statement(GRACE, context={"instructor": ADA})
    own.post(hers, others)
    own.ran("erase", ADA)
    before = own.rows("SELECT count(*) FROM event")
    own.post(hers, others)
    assert own.rows("SELECT count(*) FROM event") == before
    check_refused(sent(own, hers, statement(ADA)))
    assert own.get(hers).status_code == 404
    own.post(others, statement(GRACE))


def test_in_a_group_only_requests_that_would_enrol_the_person_are_refused(own: Inside) -> None:
    """Who sends again what is stored is acknowledged beside them."""
    refusing(own)
    stored, taught, hers = statement(ADA), statement(GRACE, context={"instructor": ADA}), statement(ADA)
    own.post(stored)
    own.ran("erase", ADA)
    contents = [statement(GRACE), statement(agent("new")), stored, hers, taught, hers]
    drafts = [
        statement_draft(one, UUID(one["id"]), version="1.0.3", authority=uuid4(), public_url=PUBLIC_URL)
        for one in contents
    ]
    group = [*(Submission([draft]) for draft in drafts), Submission([drafts[0], drafts[4]])]
    recorder = Recorder(own.system.tenants, own.system.vault, own.system.opener, SystemClock())
    assert recorder._write_group(own.tenant, group) == []
    recorder.close()
    assert all(one.done for one in group)
    codes = [one.error.code if isinstance(one.error, LetheError) else one.error for one in group]
    assert codes == [None, None, None, *["subject-suppressed"] * 4]
    assert [own.get(one).status_code for one in contents] == [200, 200, 404, 404, 404, 404]


def test_nobody_is_corrected_to_an_identifier_that_is_refused(acme: Inside) -> None:
    refused = acme.request("correct", GRACE, to=ADA)
    assert (refused["status"], acme.state(refused)["detail"]["code"]) == ("refused", "subject-suppressed")
    assert acme.found()[0]["actor"] == GRACE


def test_who_is_refused_after_an_erasure_with_several_identifiers_is_so_by_each(own: Inside) -> None:
    refusing(own)
    married = {"mbox": "mailto:ada.king@example.org"}
    assert own.request("correct", ADA, to=married)["status"] == "done"
    own.ran("erase", ADA)
    for who in (ADA, married, HASHED):
        check_refused(sent(own, statement(who)))


# --- until when ----------------------------------------------------------------------------------------------


def test_from_the_day_that_the_certificate_names_the_person_is_somebody_new(
    acme: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    (proof,) = acme.certificates(acme.http.get("/dsar").json()["requests"][0])
    until = datetime.fromisoformat(proof["suppressed_until"])
    assert timedelta(days=DAYS) < until - datetime.now(UTC) <= timedelta(days=DAYS + 1)
    assert (until.hour, until.minute, until.second, until.microsecond) == (0, 0, 0, 0)
    monkeypatch.setattr(acme.system.vault, "now", lambda: until - timedelta(seconds=1))
    check_refused(sent(acme, statement(ADA)))
    monkeypatch.setattr(acme.system.vault, "now", lambda: until)
    acme.post(statement(ADA))
    assert acme.subject(ADA) != UUID(proof["subject"])


def test_it_is_the_policy_at_the_erasure_that_counts(own: Inside) -> None:
    refusing(own)
    opened = own.request("erase", ADA)
    own.http.put("/admin/policy", json={}).raise_for_status()
    own.run()
    (proof,) = own.certificates(own.done(opened))
    assert "suppressed_until" not in proof
    own.post(statement(ADA))


def test_closing_epochs_keeps_refusing_and_the_second_certificate_says_so(system: System) -> None:
    acme = refusing(inside(system))
    request = acme.ran("erase", ADA)
    for _ in range(2):
        system.closer.close()
        check_refused(sent(acme, statement(ADA)))
        acme.post(statement(GRACE))
    first, second = acme.certificates(request)
    assert first["suppressed_until"] == second["suppressed_until"]
    assert all("keyed digest" in proof["does_not_reach"][-1] for proof in (first, second))


@pytest.mark.parametrize("store", STORES)
def test_a_backup_keeps_refusing_after_a_restore(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    drill = new_drill(tmp_path, store, lambda: request.getfixturevalue("databases"))
    with drill.opened() as acme:
        refusing(acme).ran("erase", ADA)
        run_backup(acme)
    drill.destroy()
    settings, _ = drill.restore()
    with drill.opened(settings) as again:
        check_refused(sent(again, statement(ADA)))
        again.post(statement(GRACE))
        assert again.system.vault.readmit(TENANT, Identifier("mbox", ADA["mbox"])) == 2
        again.post(statement(ADA))


# --- certificates and the command line -----------------------------------------------------------------------


@pytest.mark.parametrize("at", STEPS)
def test_an_erasure_whose_process_died_after_a_step_refuses_and_says_so(place: Settings, at: int) -> None:
    """Also where the policy was changed before the next process took it up, if the digests were kept by then."""
    first = build(place)
    first.tenants.create(TENANT)
    acme = refusing(inside(first))
    request = acme.request("erase", ADA)
    first.close()
    dies = multiprocessing.get_context("spawn").Process(target=die_while_erasing, args=(place, at))
    dies.start()
    dies.join()
    assert dies.exitcode == 9
    again = build(place)
    acme = inside(again)
    if at > 1:
        acme.http.put("/admin/policy", json={}).raise_for_status()
    replace(again.rights, clock=LaterClock()).run_next(TENANT)
    (proof,) = acme.certificates(acme.done(request))
    assert "suppressed_until" in proof
    check_refused(sent(acme, statement(ADA)))
    again.close()


def test_the_command_line_decides_erases_checks_and_readmits(
    place: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in environment(place).items():
        monkeypatch.setenv(name, value)

    def lrs(*arguments: str) -> Json:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, (arguments, done.output)
        said: Json = json.loads(done.output)
        return said

    def refused(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 3, (arguments, done.output)
        return done.output

    who, file = ("--tenant", TENANT, "--agent", json.dumps(ADA)), tmp_path / "certificate.json"
    lrs("tenant", "create", TENANT)
    assert lrs("tenant", "policy", TENANT, "--suppression-days", str(DAYS))["suppression_days"] == DAYS
    assert "nobody is refused by this identifier [not-found]" in refused("subject", "readmit", *who)
    system = build(place)
    acme = inside(system)
    acme.post(statement(ADA))
    (proof,) = lrs("subject", "erase", *who)["certificates"]
    assert check_certificate(proof, parse_public_key(proof["public_key"]), verify)
    file.write_text(json.dumps(proof))
    check = ("verify-certificate", str(file), "--key", proof["public_key"])
    assert lrs(*check)["suppressed_until"] == proof["suppressed_until"]
    assert f"until {proof['suppressed_until']}" in " ".join(CliRunner().invoke(app, check).output.split())
    file.write_text(json.dumps({name: value for name, value in proof.items() if name != "suppressed_until"}))
    assert "signature does not fit" in " ".join(refused(*check).split())
    check_refused(sent(acme, statement(ADA)))
    assert "no such tenant" in refused("subject", "readmit", "--tenant", "nobody", *who[2:])
    assert lrs("subject", "readmit", *who) == {"tenant": TENANT, "readmitted": True}
    assert vault_rows(place, "SELECT count(*) FROM suppression") == [(0,)]
    assert "not-found" in refused("subject", "readmit", *who)
    acme.post(statement(ADA))
    lrs("subject", "erase", *who)
    assert "Refused no longer" in CliRunner().invoke(app, ["subject", "readmit", *who]).output
    system.close()
