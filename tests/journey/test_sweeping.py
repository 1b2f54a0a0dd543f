"""Blobs that no statement names are swept away, all others stay; and files in exports."""

import hashlib
import json
import logging
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from lrs.bootstrap import System
from lrs.domain.errors import StoreUnavailable
from lrs.leading import Leader
from retention import schedule, sweeping
from retention.schedule import Schedule
from retention.sweeping import Sweep
from tests.parts import (
    Json,
    attachment,
    body_of,
    content_type,
    part,
    signature,
    signature_part,
    statements_part,
    taken_apart,
    token,
)
from tests.subjects import ADA, GRACE, Inside, LaterClock, agent, inside, statement

OLD = timedelta(hours=25)


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def post(acme: Inside, said: Json, data: bytes) -> None:
    body = body_of(statements_part(said), part(data))
    acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()


def blobs(acme: Inside) -> set[str]:
    folder = acme.system.settings.data_dir / "blobs" / acme.tenant
    return {one.name for one in folder.iterdir()}


def orphan(acme: Inside, age: timedelta) -> Path:
    """What a crash between blob and event leaves."""
    spool = acme.system.attached.blobs.spool()
    spool.write(b"an orphan")
    kept = spool.keep(acme.tenant)
    spool.close()
    path = acme.system.settings.data_dir / "blobs" / acme.tenant / kept.name.hex()
    then = time.time() - age.total_seconds()
    os.utime(path, (then, then))
    return path


def sweep(acme: Inside, **more: timedelta) -> int:
    return Sweep(acme.system.tenants, acme.system.attached.blobs, LaterClock(**more)).sweep(acme.tenant)


def test_only_what_is_old_and_unnamed_is_swept(acme: Inside) -> None:
    said = statement(ADA, attachments=[attachment(b"file")])
    post(acme, said, b"file")
    (named,) = blobs(acme)
    old, young = orphan(acme, OLD), orphan(acme, timedelta(hours=23))
    assert sweep(acme, ahead=timedelta()) == 1
    assert blobs(acme) == {named, young.name}
    assert sweep(acme, ahead=OLD) == 1
    assert blobs(acme) == {named}
    assert not old.exists()
    answer = acme.http.get("/xapi/statements", params={"attachments": "true"})
    assert [data for _, data in taken_apart(answer)[1].values()] == [b"file"]


def test_blobs_of_the_erased_are_swept(acme: Inside) -> None:
    for who, data in ((ADA, b"hers"), (GRACE, b"his")):
        post(acme, statement(who, attachments=[attachment(data)]), data)
    assert sweep(acme, ahead=OLD) == 0
    acme.ran("erase", ADA)
    assert sweep(acme, ahead=OLD) == 1
    assert len(blobs(acme)) == 1


def test_a_round_is_bounded_and_the_next_goes_on(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_LISTED", 2)
    monkeypatch.setattr(sweeping, "REMOVED_MAX", 3)
    for _ in range(5):
        orphan(acme, OLD)
    assert sweep(acme, ahead=timedelta()) == 4
    assert sweep(acme, ahead=timedelta()) == 1


def test_a_departed_tenants_blobs_go_with_it(acme: Inside) -> None:
    post(acme, statement(ADA, attachments=[attachment(b"file")]), b"file")
    acme.system.tenants.delete(acme.tenant)
    assert blobs(acme) == set()


def test_a_place_that_does_not_answer_holds_up_neither_departure_nor_other_tenants(
    acme: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    acme.system.tenants.create("globex")
    path = orphan(inside(acme.system, "globex"), OLD)
    listed = acme.system.attached.blobs.list

    def failing(tenant: str) -> object:
        if tenant == "acme":
            raise StoreUnavailable("the place for attachments does not answer: Test")
        return listed(tenant)

    monkeypatch.setattr(type(acme.system.attached.blobs), "list", lambda _, tenant: failing(tenant))
    caplog.set_level(logging.INFO, "lethe.retention")
    acme.system.sweeper.round()
    assert not path.exists()
    acme.system.sweeper.round()
    assert caplog.text.count("blobs swept:") == 1  # the second time there is nothing more
    assert "blobs swept: tenant=globex removed=1" in caplog.text
    assert "sweep waits: tenant=acme store-unavailable" in caplog.text
    acme.system.tenants.delete("acme")
    assert "blobs of a departed tenant are left" in caplog.text


def sweeper(acme: Inside, names: list[str]) -> Schedule:
    def served() -> list[str]:
        if not names:
            raise StoreUnavailable("the control store does not answer")
        return names

    swept = Sweep(acme.system.tenants, acme.system.attached.blobs, LaterClock(timedelta()))
    leader = Leader(acme.system.control, LaterClock(timedelta()), "sweep")
    return Schedule("sweep", served, swept.sweep, leader, 0.01)


def test_the_process_that_leads_sweeps_by_itself(acme: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_SECONDS", "_ASKED_SECONDS"):
        monkeypatch.setattr(schedule, name, 0.01)
    path = orphan(acme, OLD)
    leading, following = sweeper(acme, ["acme"]), sweeper(acme, ["acme"])
    leading.start()
    following.start()
    deadline = time.monotonic() + 20
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    leading.stop()
    following.stop()
    assert not path.exists()


def test_a_sweep_that_is_told_to_stop_or_can_not_ask_does_nothing(
    acme: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    path = orphan(acme, OLD)
    sweeper(acme, []).round()
    assert "sweep waits: store-unavailable" in caplog.text
    stopping = sweeper(acme, ["acme"])
    stopping._stopping.set()
    stopping.round()
    assert path.exists()


# --- exports -------------------------------------------------------------------------------------------------


def test_an_export_holds_the_persons_files_and_no_signature_that_names_others(acme: Inside) -> None:
    hers, large = b"her essay", os.urandom(2 * 1024 * 1024)
    said = statement(ADA, attachments=[attachment(hers), attachment(large)], object=agent("nora"))
    body = body_of(statements_part(said), part(hers), part(large))
    acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()
    post(acme, statement(GRACE, attachments=[attachment(b"not hers")], context={"instructor": ADA}), b"not hers")
    key = rsa.generate_private_key(65537, 2048)
    alone, together = statement(ADA), statement(ADA, context={"instructor": GRACE})
    signatures = {}
    for one in (alone, together):
        signed = signatures[one["id"]] = token(key, json.dumps(one).encode())
        body = body_of(statements_part(one | {"attachments": [signature(signed)]}), signature_part(signed))
        acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()
    done = acme.ran("export", ADA)
    package = acme.package(done)
    files = {name: package.read(name) for name in package.namelist() if name.startswith("attachments/")}
    wanted = {(said["id"], hers), (said["id"], large), (alone["id"], signatures[alone["id"]])}
    assert files == {f"attachments/{name}/{hashlib.sha256(data).hexdigest()}": data for name, data in wanted}
    assert str(together["id"]) not in "".join(files)
