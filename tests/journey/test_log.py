"""The log of hashes as others meet it: a witness who follows a running service, a certificate with its proof, the
command line."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, RecordConflictError
from typer.testing import CliRunner

from lrs.adapters.signatures import verify
from lrs.bootstrap import System
from lrs.cli.root import app
from lrs.domain.errors import InvalidRequest, LogConflict, StoreUnavailable
from lrs.domain.leaves import hash_of
from lrs.domain.merkle import EMPTY_ROOT
from lrs.domain.notes import open_note
from lrs.domain.tiles import TileId
from lrs.leading import LEASE_SECONDS, Leader
from lrs.notary import runner
from lrs.notary.notary import Notary
from lrs.notary.runner import NotaryRunner
from lrs.ports import SignedHead
from retention.certificates import check_certificate
from tests.logs import Caught, Logged, Witness
from tests.places import PUBLIC_URL, environment, tenant_changes, tenant_rows, vault_rows
from tests.running import Service, command
from tests.subjects import ADA, GRACE, Json, agent, inside, statement

WAIT_SECONDS_MAX = 30
# For what has nothing to do with how the log is stored.
on_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.fixture
def log(system: System) -> Logged:
    """A tenant with a few events, not signed yet."""
    made = Logged(inside(system))
    made.acme.post(*[statement(ADA) for _ in range(5)])
    return made


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_log_of_a_name_that_comes_again_is_signed_from_its_beginning(log: Logged) -> None:
    """What was signed of the one that departed is not held against it."""
    log.sign()
    tenants = log.system.tenants
    tenants.delete(log.acme.tenant)
    tenants.create(log.acme.tenant)
    again = Logged(inside(log.system))
    again.acme.post(statement(ADA))
    again.sign()
    assert 0 < again.size < 10
    assert again.bad() is None


# --- a witness -----------------------------------------------------------------------------------------------


def test_a_witness_follows_a_running_service_and_catches_a_rewritten_history(service: Service) -> None:
    """With nothing but the public key: first a log that is added to, then one that somebody with the database, the
    vault's too, and the service's own notary wrote anew."""
    with service.client(service.credential("acme")) as client:
        assert client.get("/admin/log/head").status_code == 404
        post(client, 5)
        wait_for(lambda: client.get("/admin/log/head").status_code == 200)
        key = base64.b64decode(client.get("/admin/log/head", headers=JSON).json()["public_key"])
        witness = Witness(client, key)
        first = witness.follow()
        post(client, 300)
        wait_for(lambda: witness.follow().size >= first.size + 300)
        leaves = witness.leaves()
        for position in (1, 256, len(leaves)):
            witness.check_included(position, leaves[position - 1])
        with pytest.raises(Caught):
            witness.check_included(2, leaves[0])
        state = tenant_rows(service.settings, "acme", "SELECT state FROM event WHERE position = 3")[0][0]
        changes: list[tuple[str, list[Any]]] = [
            ("UPDATE event SET state = ? WHERE position = 3", [state[:-1] + bytes((state[-1] ^ 1,))]),
            ("DELETE FROM tile", []),
            ("DELETE FROM checkpoint", []),
            ("DELETE FROM tracking WHERE application_name = 'notary@1'", []),
        ]
        vault_rows(service.settings, "DELETE FROM signed_head WHERE tenant = 'acme'")
        tenant_changes(service.settings, "acme", changes)
        post(client, 1)
        wait_for(lambda: size_of(client) > len(leaves))
        with pytest.raises(Caught, match="rewritten"):
            witness.follow()


def test_a_running_service_signs_no_other_history_for_whoever_has_the_tenants_database_alone(
    service: Service,
) -> None:
    with service.client(service.credential("acme")) as client:
        post(client, 20)
        wait_for(lambda: size_of(client) > 20)
        changes: list[tuple[str, list[Any]]] = [
            ("DELETE FROM event WHERE position = (SELECT position FROM head)", []),
            ("UPDATE head SET position = position - 1", []),
            ("DELETE FROM statement WHERE position > (SELECT position FROM head)", []),
            ("DELETE FROM term WHERE position > (SELECT position FROM head)", []),
            ("DELETE FROM tile", []),
            ("DELETE FROM checkpoint", []),
            ("DELETE FROM tracking WHERE application_name = 'notary@1'", []),
        ]
        tenant_changes(service.settings, "acme", changes)
        post(client, 2)
        wait_for(lambda: "log-conflict tenant=acme position=1" in service.log())
        assert size_of(client) == 0


JSON = {"Accept": "application/json"}


def post(client: Any, count: int) -> None:
    """So many statements."""
    client.post("/xapi/statements", json=[statement(ADA) for _ in range(count)]).raise_for_status()


def size_of(client: Any) -> int:
    """Of the head that is given out; 0 while there is none."""
    answer = client.get("/admin/log/head", headers=JSON)
    return answer.json()["size"] if answer.status_code == 200 else 0


@on_sqlite
def test_a_head_is_a_checkpoint_of_host_tenant_and_generation(log: Logged) -> None:
    note = log.sign()
    answer = log.acme.http.get("/admin/log/head")
    assert (answer.text, answer.headers["content-type"]) == (note, "text/plain; charset=utf-8")
    said = log.acme.http.get("/admin/log/head", headers=JSON).json()
    head = open_note(note, base64.b64decode(said["public_key"]), verify)
    assert head.origin == said["origin"] == f"{PUBLIC_URL.removeprefix('https://')}/acme/1"
    assert (head.size, base64.b64encode(head.root).decode()) == (said["size"], said["root"])
    assert said["size"] == log.value("SELECT position FROM head")
    assert said["note"] == note
    assert said["verifier_key"].startswith(f"{head.origin}+")


def test_proofs_and_tiles_are_those_of_the_newest_head(log: Logged) -> None:
    log.sign()
    size = log.size
    witness = Witness(log.acme.http, log.system.vault.public_key("acme"))
    witness.follow()
    for entry in log.store.tree.entries(0, size):
        witness.check_included(entry.position, hash_of(entry))
    assert witness.leaves() == [hash_of(entry) for entry in log.store.tree.entries(0, size)]
    get = log.acme.http.get
    assert get("/admin/log/proof/consistency", params={"from": 2, "to": 2}).json()["proof"] == []
    newest = get("/admin/log/proof/consistency", params={"from": 2}).json()
    assert newest == get("/admin/log/proof/consistency", params={"from": 2, "to": size}).json()
    for path, status in (
        (f"proof/inclusion?position={size + 1}", 404), ("proof/inclusion?position=0", 400),
        ("proof/inclusion", 400), (f"proof/consistency?from=1&to={size + 1}", 404),
        ("proof/consistency?from=3&to=2", 400), ("proof/consistency", 400), ("tile/0/1", 404), ("tile/1/0", 404),
        ("tile/8/0", 400), ("tile/0/-1", 400), (f"tile/7/{2**53}", 404),
    ):  # fmt: skip
        assert get(f"/admin/log/{path}").status_code == status, path


def test_a_tile_is_given_out_as_far_as_its_head_goes(log: Logged) -> None:
    log.sign()
    size, tile = log.size, log.tile(0, 0)
    log.set_tile(0, 0, tile + bytes(32))
    assert log.acme.http.get("/admin/log/tile/0/0").content == tile
    assert len(tile) == size * 32
    log.set_tile(0, 0, tile[:32])
    for question in ("inclusion?position=3", "consistency?from=3"):
        answer = log.acme.http.get(f"/admin/log/proof/{question}")
        assert (answer.status_code, answer.json()["code"]) == (500, "log-conflict")


@on_sqlite
def test_only_an_administrator_sees_the_log_and_only_of_the_own_tenant(log: Logged) -> None:
    note = log.sign()
    paths = ("head", "proof/inclusion?position=1", "proof/consistency?from=1", "tile/0/0")
    log.system.tenants.create("globex")
    theirs, reader = inside(log.system, "globex", "admin"), inside(log.system, "acme", "all/read", "dsar")
    for path in paths:
        assert theirs.http.get(f"/admin/log/{path}").status_code == 404
        assert reader.http.get(f"/admin/log/{path}").status_code == 403
        assert reader.http.get(f"/admin/log/{path}", auth=("no", "body")).status_code == 401
    assert inside(log.system, "acme", "admin").http.get("/admin/log/head").text == note


# --- the certificate -----------------------------------------------------------------------------------------


@pytest.fixture
def proof(log: Logged) -> Json:
    """A certificate with its proof."""
    request = log.acme.ran("erase", ADA)
    (before,) = log.acme.certificates(request)
    assert "log" not in before
    log.acme.post(*[statement(GRACE) for _ in range(9)])
    log.sign()
    (after,) = log.acme.certificates(request)
    assert {name: value for name, value in after.items() if name != "log"} == before
    found: Json = json.loads(json.dumps(after))
    return found


@on_sqlite
def test_a_certificate_comes_with_the_proof_that_its_event_is_in_the_log(log: Logged, proof: Json) -> None:
    key = log.system.vault.public_key("acme")
    assert check_certificate(proof, key, verify) == proof
    without = {name: value for name, value in proof.items() if name != "log"}
    assert check_certificate(without, key, verify) == without
    assert open_note(proof["log"]["note"], key, verify).size == log.size
    log.acme.post(statement(GRACE))
    log.sign()
    later = log.acme.certificates(log.acme.http.get("/dsar").json()["requests"][0])[0]
    assert later["log"] != proof["log"]
    assert check_certificate(later, key, verify)


@on_sqlite
def test_a_proof_of_anything_else_is_refused(log: Logged, proof: Json) -> None:
    key, said = log.system.vault.public_key("acme"), proof["log"]
    other = log.acme.ran("erase", GRACE)
    log.sign()
    (another,) = log.acme.certificates(other)
    log.system.tenants.create("globex")
    theirs = Logged(inside(log.system, "globex"))
    theirs.acme.post(statement(ADA))
    bones = json.loads(base64.b64decode(said["skeleton"]))
    bones["certificate"]["living_keys"] = 1
    changes: list[Any] = [
        {"note": theirs.sign()}, {"note": "nonsense"}, {"note": None}, {"position": said["position"] + 1},
        {"position": 0}, {"position": "1"}, {"position": -1}, {"stored_us": said["stored_us"] + 1},
        {"stored_us": None}, {"stream": str(uuid4())}, {"stream": "nobody"}, {"stream": 7}, {"version": 9},
        {"version": 2**70}, {"topic": "subject-registered/1"}, {"topic": None}, {"proof": []}, {"proof": None},
        {"proof": ["no base64"]}, {"proof": said["proof"][::-1]}, {"proof": [*said["proof"], said["proof"][0]]},
        {"skeleton": base64.b64encode(json.dumps(bones).encode()).decode()}, {"skeleton": "AAAA"},
        {"skeleton": base64.b64encode(b"[]").decode()}, {"skeleton": ""}, {"skeleton": None},
    ]  # fmt: skip
    altered = [said | change for change in changes]
    altered += [{name: value for name, value in said.items() if name != gone} for gone in said]
    for log_object in (*altered, another["log"], None, [], "text", 7):
        with pytest.raises(InvalidRequest, match="proof"):
            check_certificate(proof | {"log": log_object}, key, verify)


@on_sqlite
def test_a_certificate_of_a_kind_that_no_event_holds_has_no_proof(log: Logged, proof: Json) -> None:
    topics: list[str] = []

    def log_of(_tenant: str, _stream: UUID, topic: str) -> Json | None:
        topics.append(topic)
        return None

    rights = replace(log.system.rights, log_of=log_of)
    request = UUID(log.acme.http.get("/dsar").json()["requests"][0]["id"])
    assert all("log" not in one for one in rights.certificates("acme", request))
    assert rights._proven("acme", uuid4(), {"certificate": 99}) == {"certificate": 99}
    assert topics == ["erasure-completed/1"]


# --- the notary ----------------------------------------------------------------------------------------------


def test_an_empty_log_is_good_and_has_no_head(system: System) -> None:
    store = system.tenants.store("acme")
    assert (system.notary.step(store), system.notary.catch_up(store)) == (0, 0)
    found = system.verifier.run(store)
    assert (found.bad, found.events, found.signed, found.root) == (None, 0, 0, EMPTY_ROOT)


def test_a_notary_goes_on_where_the_last_one_stopped_by_any_batches(log: Logged) -> None:
    whole = Logged(log.acme)
    for batch in (1, 2, 3, 100):
        assert replace(log.system.notary, batch_leaves=batch).step(log.store) > 0
        assert log.bad() is None
    assert log.system.notary.step(log.store) == 0
    assert whole.verified().root == log.store.tree.state().signed.root  # type: ignore[union-attr]


def test_of_two_notaries_at_once_one_is_beaten_and_nothing_is_lost(log: Logged) -> None:
    store, notary = log.store, log.system.notary
    seen = store.tree.state()
    small = replace(notary, batch_leaves=2)
    small.step(store)
    head = SignedHead(1, bytes(32), "a note", 1)
    with pytest.raises(RecordConflictError) as beaten:
        store.tree.append(seen.signed, {TileId(0, 0): bytes(32)}, head)
    assert not isinstance(beaten.value, IntegrityError)
    raced = replace(notary, vault=_Racing(notary.vault, lambda: small.step(store)))
    with pytest.raises(RecordConflictError):
        raced.step(store)
    slow = _Racing(notary.vault, lambda: small.step(store))
    replace(notary, vault=slow).catch_up(store)  # beaten once, it looks again
    assert log.size == log.value("SELECT position FROM head")
    assert log.bad() is None


def test_what_was_signed_when_the_notary_died_is_kept_by_the_next_one(log: Logged) -> None:
    """Between the tenant's database and the vault; also where nothing new is stored."""
    vault, small = log.system.vault, replace(log.system.notary, batch_leaves=2)
    with pytest.raises(StoreUnavailable):
        replace(small, vault=_Dying(vault)).step(log.store)
    assert (log.size, vault.signed_head("acme")) == (2, None)
    log.sign()
    first = vault.signed_head("acme")
    assert first is not None
    assert first.size == log.size
    for _ in range(3):
        log.acme.post(statement(ADA))
    with pytest.raises(StoreUnavailable):
        replace(small, vault=_Dying(vault)).step(log.store)
    assert vault.signed_head("acme") == first
    log.sign()
    assert vault.signed_head("acme").size == log.size  # type: ignore[union-attr]
    log.acme.post(statement(ADA))
    with pytest.raises(StoreUnavailable):
        replace(log.system.notary, vault=_Dying(vault)).step(log.store)
    assert log.system.notary.step(log.store) == 0
    assert vault.signed_head("acme").size == log.size  # type: ignore[union-attr]
    assert log.bad() is None


class _Dying:
    """A vault that is not reached when a head is to be kept."""

    def __init__(self, vault: Any) -> None:
        self._vault = vault

    def keep_signed_head(self, *_: Any) -> None:
        """It is not."""
        raise StoreUnavailable("gone")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)


class _Racing:
    """A vault; another notary is faster just before the first signature."""

    def __init__(self, vault: Any, first: Callable[[], Any]) -> None:
        self._vault = vault
        self._first: Callable[[], Any] | None = first

    def sign(self, tenant: str, message: bytes) -> bytes:
        """A signature, after the other's."""
        first, self._first = self._first, None
        if first is not None:
            first()
        signed: bytes = self._vault.sign(tenant, message)
        return signed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)


@on_sqlite
def test_the_runner_keeps_every_tenants_log_up_and_trouble_with_one_holds_up_no_other(
    log: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    system = log.system
    for tenant in ("globex", "initech"):
        system.tenants.create(tenant)
        inside(system, tenant).post(statement(ADA))
    system.notary_runner.round()
    sizes = [system.tenants.store(name).tree.state().size for name in ("acme", "globex", "initech")]
    assert min(sizes) > 0

    def store(name: str) -> Any:
        if name == "globex":
            raise StoreUnavailable("gone")
        return system.tenants.store(name)

    other = NotaryRunner(
        lambda: ["globex", "acme"], store, system.notary, Leader(system.control, system.notary.clock, "another")
    )
    log.acme.post(statement(ADA))
    other.round()
    assert "notary waits: tenant=globex store-unavailable" in caplog.text
    assert log.size == log.value("SELECT position FROM head")
    log.acme.post(statement(ADA))
    other.round()  # not due yet
    assert log.size < log.value("SELECT position FROM head")


@on_sqlite
def test_the_runner_waits_while_the_stores_do_not_answer(system: System, caplog: pytest.LogCaptureFixture) -> None:
    def names() -> list[str]:
        raise OperationalError("gone")

    leader = Leader(system.control, system.notary.clock, "another")
    NotaryRunner(names, system.tenants.store, system.notary, leader).round()
    assert "notary waits: OperationalError" in caplog.text


@on_sqlite
def test_an_alarm_that_can_not_be_kept_is_said_all_the_same(
    log: Logged, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Notary, _store: Any) -> int:
        raise LogConflict("an event is missing", 7)

    def unkept(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(Notary, "step", fail)
    monkeypatch.setattr(log.store.tree, "alarm", unkept)
    log.system.notary_runner.round()
    assert "log-conflict tenant=acme position=7" in caplog.text
    assert "the alarm is not kept: tenant=acme OperationalError" in caplog.text


def test_the_runner_rests_while_the_process_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty times as long as a batch took, when others take more than a fifth of a processor, or the machine is
    crowded."""
    now, busy, load = [0.0], [0.0], [0.0]
    monkeypatch.setattr(runner, "getloadavg", lambda: load)
    monkeypatch.setattr(runner, "cpu_count", lambda: 2)
    monkeypatch.setattr(runner, "monotonic", lambda: now[0])
    monkeypatch.setattr(runner, "process_time", lambda: busy[0])
    monkeypatch.setattr(runner, "thread_time", lambda: 0.0)
    pace = runner._Pace()
    now[0], busy[0] = 9.0, 9.0
    assert pace.rest(0.01) == 0  # nothing is known yet
    now[0], busy[0] = 10.0, 9.1
    assert pace.rest(0.01) == 0
    now[0], busy[0] = 11.0, 9.6
    assert pace.rest(0.01) == pytest.approx(0.5)
    now[0], load[0] = 12.0, 2.5
    assert pace.rest(0.01) == pytest.approx(0.5)


@on_sqlite
def test_a_large_log_is_appended_in_turns(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    log.acme.post(*[statement(ADA) for _ in range(60)])
    small = replace(log.system.notary, batch_leaves=1)
    leader = Leader(log.system.control, small.clock, "x")
    made = NotaryRunner(lambda: ["acme"], log.system.tenants.store, small, leader)
    monkeypatch.setattr(runner, "_RESTS", 0)
    made.round()
    assert log.size == 50


class _Leading:
    """A leader of a process that leads for so many questions."""

    def __init__(self, questions: int) -> None:
        self.asked = 0
        self._questions = questions

    def leads(self) -> bool:
        """Whether there were not too many yet."""
        self.asked += 1
        return self.asked <= self._questions

    def give_up(self) -> None:
        """Nothing."""


def runner_of(log: Logged, leader: Any, notary: Any, *tenants: str) -> NotaryRunner:
    """A runner for these tenants."""
    return NotaryRunner(lambda: tenants or ["acme"], log.system.tenants.store, notary, leader)


@on_sqlite
def test_whoever_leads_no_longer_stops_between_two_batches(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_RESTS", 0)
    log.acme.post(*[statement(ADA) for _ in range(60)])
    small = replace(log.system.notary, batch_leaves=1)
    leader = _Leading(questions=4)
    made = runner_of(log, leader, small)
    made.round()
    assert 1 <= log.size < 5
    before = log.size
    made.round()
    assert log.size == before


@on_sqlite
def test_the_lease_is_kept_while_the_notary_rests(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rest may take longer than a lease lasts; who no longer leads rests no longer."""
    rested = list[float]()
    small, leader = replace(log.system.notary, batch_leaves=1), _Leading(questions=7)
    made = runner_of(log, leader, small)
    monkeypatch.setattr(runner._Pace, "rest", lambda *_: 60.0)
    monkeypatch.setattr(made._stopping, "wait", rested.append)
    made.round()
    assert 8 <= leader.asked <= 10  # it stops soon
    assert rested
    assert max(rested) <= LEASE_SECONDS / 3
    assert sum(rested) < 60


@on_sqlite
def test_a_beaten_notary_rests_too(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    def beaten(*_: Any) -> int:
        raise RecordConflictError

    rested = list[float]()
    made = runner_of(log, _Leading(questions=1_000_000), log.system.notary)
    monkeypatch.setattr(Notary, "step", beaten)
    monkeypatch.setattr(runner._Pace, "rest", lambda *_: 0.25)
    monkeypatch.setattr(made._stopping, "wait", rested.append)
    made.round()
    assert rested == [0.25] * runner._BATCHES_A_TURN


# --- the command line ----------------------------------------------------------------------------------------


@on_sqlite
def test_an_operator_verifies_and_is_told_the_first_bad_position(log: Logged, tmp_path: Path) -> None:
    settings = log.system.settings
    log.system.tenants.create("globex")
    kept = tmp_path / "head"
    kept.write_text(log.sign())
    log.acme.post(statement(ADA))
    found = command(settings, "verify", "--blobs")["tenants"]
    assert [(one["tenant"], one["valid"], one["bad"]) for one in found] == [
        ("acme", True, None), ("globex", True, None),
    ]  # fmt: skip
    assert (found[0]["events"], found[0]["signed"]) == (log.size + 1, log.size)
    assert command(settings, "verify", "--tenant", "acme", "--head", str(kept))["tenants"][0]["valid"]
    log.edit("UPDATE event SET stored = stored + 1 WHERE position = 4")
    (bad,) = command(settings, "verify", "--tenant", "acme", status=1)["tenants"]
    assert bad["bad"] == {"position": 4, "reason": "altered", "said": "the event is not the one that was logged"}
    shown = CliRunner().invoke(app, ["verify"], env=environment(settings))
    assert (shown.exit_code, "bad at 4" in shown.output, "good" in shown.output) == (1, True, True)
    assert command(settings, "verify", "--head", str(kept), status=3)["error"]["code"] == "request-invalid"
    for text in (b"nonsense", b"\xff"):
        kept.write_bytes(text)
        refused = command(settings, "verify", "--tenant", "acme", "--head", str(kept), status=3)
        assert refused["error"]["code"] == "request-invalid"


def test_an_erasure_on_the_command_line_comes_with_its_proof(log: Logged, tmp_path: Path) -> None:
    settings, file = log.system.settings, tmp_path / "certificate.json"
    erase = ("subject", "erase", "--tenant", "acme", "--agent")
    assert command(settings, *erase, json.dumps(agent("nobody")))["certificates"] == []
    (proof,) = command(settings, *erase, json.dumps(ADA))["certificates"]
    check = ("verify-certificate", str(file), "--key", proof["public_key"])
    file.write_text(json.dumps(proof))
    checked = command(settings, *check)
    assert (checked["valid"], checked["logged"]) == (True, True)
    shown = CliRunner().invoke(app, check)
    assert "and in the signed log" in shown.output
    file.write_text(json.dumps(proof | {"log": proof["log"] | {"position": proof["log"]["position"] + 1}}))
    assert command(settings, *check, status=3)["error"]["code"] == "request-invalid"
    del proof["log"]
    file.write_text(json.dumps(proof))
    assert "logged" not in command(settings, *check)


@on_sqlite
def test_the_certificates_of_a_request_are_checked_as_they_are_served(log: Logged, tmp_path: Path) -> None:
    """All of them, each as if it stood alone."""
    file = tmp_path / "certificates.json"
    log.acme.post(statement(GRACE))
    requests = [log.acme.ran("erase", one) for one in (ADA, GRACE)]
    log.sign()
    served = [log.acme.http.get(f"/dsar/{one['id']}/certificates").json() for one in requests]
    (first,), (second,) = (one["certificates"] for one in served)
    check = ("verify-certificate", str(file), "--key", first["public_key"])
    settings = log.system.settings

    def checked(content: Any, status: int = 0) -> Json:
        file.write_text(json.dumps(content))
        told: Json = command(settings, *check, status=status)
        return told

    alone = checked(first)
    assert checked(served[0]) == {"valid": True, "certificates": [alone]}
    assert checked({"certificates": [first, second]})["certificates"] == [alone, checked(second)]
    file.write_text(json.dumps({"certificates": [first, second]}))
    shown = CliRunner().invoke(app, check)
    assert shown.output.count("Valid") == 2
    listed: list[Any] = [[], [first, second | {"living_keys": 1}], [first, None], {}, "text", None]
    for wrong in listed:
        assert checked({"certificates": wrong}, status=3)["error"]["code"] == "request-invalid"


@on_sqlite
def test_an_erasure_is_done_whatever_is_wrong_with_the_log(log: Logged) -> None:
    log.sign()
    log.edit("UPDATE event SET stored = stored + 1 WHERE position = ?", log.size)
    erased = command(log.system.settings, "subject", "erase", "--tenant", "acme", "--agent", json.dumps(ADA))
    assert ["log" in one for one in erased["certificates"]] == [False]
