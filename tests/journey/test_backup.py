"""Back up, lose everything, restore: everything is as it was, on either store, whoever was killed in between."""

import json
import shutil
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from lrs.bootstrap import build, examine
from lrs.config import Settings
from lrs.domain import merkle
from lrs.domain.errors import (
    BackupInvalid,
    InvalidRequest,
    NotEmpty,
    NotFound,
    RestoreUnfinished,
    Unauthenticated,
    VaultRefused,
)
from lrs.domain.findings import Level
from lrs.domain.generations import GenerationStarted
from lrs.restoring import check_whole
from retention.backup import layout
from retention.backup.chain import numbers, read_chain, read_one
from retention.backup.restoring import STEPS
from retention.backup.running import Backup
from tests.backups import Drill, attach, backup_of, events, everything, fill, new_drill, run_backup
from tests.places import STORES, unmigrated, url_of
from tests.postgres import Databases
from tests.subjects import ADA, ALAN, GRACE, TENANT, inside, statement

RUN_STEPS = (1, 2, 3, 4, 5)


@pytest.fixture(params=STORES)
def drill(request: pytest.FixtureRequest, tmp_path: Path) -> Drill:
    """An installation on each store, its backup and its escrow in folders."""
    return new_drill(tmp_path, request.param, lambda: request.getfixturevalue("databases"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.full)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Drill:
    """The same, for what depends on the store least: on PostgreSQL in the full run."""
    return new_drill(tmp_path, request.param, lambda: request.getfixturevalue("databases"))


class Killed(BaseException):
    """The process is gone: nothing catches this."""


def killed_at(wanted: int) -> Callable[[int], None]:
    def reached(number: int) -> None:
        if number == wanted:
            raise Killed

    return reached


# --- there and back ------------------------------------------------------------------------------------------


def test_everything_comes_back(drill: Drill) -> None:
    with drill.opened() as acme:
        filled = fill(acme)
        first = run_backup(acme)
        acme.post(statement(GRACE, "passed"))
        second = run_backup(acme)
        assert (first.number, second.number, second.base) == (1, 2, False)
        before, log = everything(acme, filled), events(drill.settings)
    drill.destroy()
    settings, restored = drill.restore()
    assert (restored.tenants, restored.blobs, restored.missing, restored.corrupt) == (1, 1, 0, 0)
    assert events(settings)[:-1] == log
    assert events(settings)[-1][4] == "generation-started/1"
    with drill.opened(settings) as again:
        assert everything(again, filled) == before
        again.post(statement(ADA, "passed"))
        assert len(again.found()) == len(before["statements"]) + 1


def test_a_restored_log_cites_the_signed_head_of_the_one_before_and_grows_from_it(either: Drill) -> None:
    with either.opened() as acme:
        acme.post(statement(ADA), statement(GRACE))
        store = acme.system.tenants.store(TENANT)
        acme.system.notary.catch_up(store)
        signed = store.tree.state().signed
        assert signed is not None
        acme.post(statement(ALAN))
        run_backup(acme)
    either.destroy()
    settings, _ = either.restore()
    first = events(settings)[-1]
    began = GenerationStarted.decode(UUID(bytes=first[3]), 1, first[5])
    assert (began.size, began.root) == (signed.size, signed.root)
    with either.opened(settings) as again:
        store = again.system.tenants.store(TENANT)
        again.system.notary.catch_up(store)
        assert again.system.verifier.run(store).bad is None
        new = store.tree.state().signed
        assert new is not None
        proof = [b64decode(one) for one in again.system.proofs.consistency(TENANT, signed.size)["proof"]]
        assert merkle.is_consistent(signed.size, new.size, signed.root, new.root, proof)


@pytest.mark.parametrize(
    "stores", [("sqlite", "postgres"), pytest.param(("postgres", "sqlite"), marks=pytest.mark.full)]
)
def test_a_backup_goes_from_one_kind_of_store_to_the_other(
    stores: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    drill = new_drill(tmp_path, stores[0], lambda: request.getfixturevalue("databases"))
    with drill.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        before, log = everything(acme, filled), events(drill.settings)
    settings, _ = drill.restore(drill.new_place(stores[1]))
    assert events(settings)[:-1] == log
    with drill.opened(settings) as again:
        assert everything(again, filled) == before


@pytest.mark.full
def test_backup_and_escrow_may_be_in_s3(tmp_path: Path, s3_settings: str) -> None:
    from tests.storage import new_bucket

    urls = {name: f"s3://{new_bucket(s3_settings)}/lethe" for name in ("backup_url", "escrow_url")}
    drill = new_drill(tmp_path, "sqlite", lambda: pytest.fail("no PostgreSQL is needed"), **urls)
    with drill.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        before = everything(acme, filled)
    settings, _ = drill.restore()
    with drill.opened(settings) as again:
        assert everything(again, filled) == before


def test_a_restored_installation_goes_on_backing_up_and_is_restored_again(either: Drill) -> None:
    with either.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        at = datetime.now(UTC)
        lost = statement(GRACE, "failed")
        acme.post(lost)
        run_backup(acme)
    second, _ = either.restore(upto=at)
    with either.opened(second) as acme:
        assert acme.get(lost).status_code == 404
        acme.post(statement(GRACE, "passed"))
        assert (
            run_backup(acme).events == 4
        )  # the first of each log's generation, the test's credential, a statement
        attach(acme, b"more")
        run_backup(acme)
        before, log = everything(acme, filled), events(second)
    third, restored = either.restore()
    assert (restored.number, restored.blobs) == (4, 2)
    assert events(third)[:-1] == log
    with either.opened(third) as acme:
        assert everything(acme, filled) == before
        head = acme.rows("SELECT generation, began, position FROM head")[0]
        assert head[0] == 3
        assert head[1] == len(log)


# --- to a moment ---------------------------------------------------------------------------------------------


def test_a_moment_comes_back_but_for_whoever_was_erased_since(drill: Drill) -> None:
    with drill.opened() as acme:
        filled = fill(acme)
        hers = statement(ADA, "passed")
        acme.post(hers)
        run_backup(acme)
        acme.catch_up()
        at = datetime.now(UTC)
        graces, report = acme.found_by(GRACE), [row for row in acme.report() if row["learner"] == GRACE]
        acme.post(later := statement(GRACE, "failed"))
        revoked = acme.system.credentials.issue(TENANT, ["all"])
        acme.system.credentials.revoke(revoked.row.key)
        acme.ran("erase", ADA)
        run_backup(acme)
        acme.system.closer.close()
    drill.destroy()
    settings, _ = drill.restore(upto=at)
    with drill.opened(settings) as again:
        assert again.get(hers).status_code == again.get(later).status_code == 404
        assert again.found_by(ADA) == []
        again.catch_up()
        assert [row for row in again.report() if row["learner"] == GRACE] == report
        assert [one["id"] for one in again.found_by(GRACE)] == [one["id"] for one in graces]
        assert again.rebuilt_same()
        with pytest.raises(Unauthenticated):
            again.system.credentials.authenticate(revoked.row.key, revoked.secret)
        assert filled


def test_at_a_moment_people_stand_as_its_log_can_say(either: Drill) -> None:
    older, newer = {"name": "Ada Byron"}, {"name": "Ada Lovelace"}
    with either.opened() as acme:
        asked = {who["mbox"]: statement(who) for who in (ADA, GRACE, ALAN)}
        acme.post(*asked.values())
        acme.request("correct", ADA, **older)
        at = datetime.now(UTC)
        acme.request("correct", ADA, **newer)
        acme.request("correct", GRACE, name="Grace Hopper")
        acme.http.put("/admin/policy", json={"cooling_days": 7}).raise_for_status()
        acme.request("erase", ALAN)
        assert acme.get(asked[ALAN["mbox"]]).status_code == 404
        run_backup(acme)
    settings, _ = either.restore(upto=at)
    with either.opened(settings) as acme:
        names = {who["mbox"]: acme.get(asked[who["mbox"]]).json()["actor"]["name"] for who in (ADA, GRACE, ALAN)}
        # The first correction holds, the second is not in the log, and no erasure was asked for.
        assert names == {ADA["mbox"]: older["name"], GRACE["mbox"]: GRACE["name"], ALAN["mbox"]: ALAN["name"]}
        assert acme.ran("export", ALAN)["status"] == "done"
    everything_again, _ = either.restore()
    with either.opened(everything_again) as acme:
        assert acme.get(asked[ADA["mbox"]]).json()["actor"]["name"] == newer["name"]
        assert acme.get(asked[ALAN["mbox"]]).status_code == 404


def test_what_was_destroyed_after_the_last_run_is_destroyed_again(drill: Drill) -> None:
    with drill.opened() as acme:
        fill(acme)
        acme.post(hers := statement(ADA, "passed"))
        acme.system.tenants.create("other")
        inside(acme.system, "other").post(statement(ADA))
        run_backup(acme)
        acme.ran("erase", ADA)
        acme.system.tenants.delete("other")
    drill.destroy()
    settings, restored = drill.restore()
    assert (restored.destroyed_again, restored.tenants) == (2, 1)
    with drill.opened(settings) as again:
        assert again.get(hers).status_code == 404
        assert again.subject(ADA) is None
        assert [row.name for row in again.system.tenants.list()] == [TENANT]
        with pytest.raises(NotFound):
            again.system.vault.public_key("other")
        again.system.tenants.create("other")


def test_closing_an_epoch_leaves_a_backup_that_opens(either: Drill) -> None:
    with either.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        acme.ran("erase", ADA)
        acme.system.closer.close()
        before = everything(acme, filled) | {"agents": None}
    assert len([name for name, _ in either.place.list() if "/snapshots/" in name]) == 1
    settings, restored = either.restore()
    assert restored.epoch == 2
    with either.opened(settings) as again:
        assert everything(again, filled) | {"agents": None} == before


# --- whoever is killed ---------------------------------------------------------------------------------------


# Some in the ordinary run, all in the full one.
@pytest.mark.parametrize("steps", [(1, 3, 5, 8), pytest.param(STEPS, marks=pytest.mark.full)])
def test_a_restore_that_was_killed_goes_on(either: Drill, steps: tuple[int, ...]) -> None:
    drill = either
    with drill.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        before, log = everything(acme, filled), events(drill.settings)
    for step in steps:
        settings = drill.new_place()
        with pytest.raises(Killed):
            drill.restore(settings, reached=killed_at(step))
        if step == STEPS[-1]:
            with pytest.raises(NotEmpty):
                drill.restore(settings)
            continue
        if step > 1:
            with pytest.raises(RestoreUnfinished):
                build(settings)
            with pytest.raises(InvalidRequest):
                drill.restore(settings, upto=datetime.now(UTC))
        drill.restore(settings)
        assert events(settings)[:-1] == log
    with drill.opened(settings) as again:
        assert everything(again, filled) == before


def test_files_are_there_before_the_events_that_name_them(either: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    with either.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        before = everything(acme, filled)
    settings = either.new_place()

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as dies:
        dies.setattr("lrs.adapters.objects.blobs.ObjectBlobs.put_back", killed)
        with pytest.raises(Killed):
            either.restore(settings)
    _, restored = either.restore(settings)
    assert restored.blobs == 1
    with either.opened(settings) as again:
        assert everything(again, filled) == before


def test_a_tenant_whose_row_is_there_and_whose_store_is_not_yet_is_gone_on_with(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    with drill.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        before = everything(acme, filled)
    settings = drill.new_place()

    def killed(*_: object) -> bool:
        raise Killed

    with monkeypatch.context() as dies:
        dies.setattr("lrs.restoring.NewPlace.is_alive", killed)
        with pytest.raises(Killed):
            drill.restore(settings)
    drill.restore(settings)
    with drill.opened(settings) as again:
        assert everything(again, filled) == before


def test_a_run_that_was_killed_counts_for_nothing_until_its_manifest_is_there(either: Drill) -> None:
    with either.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        for step in RUN_STEPS:
            acme.post(statement(GRACE, "passed"))
            before = len(events(either.settings))
            with pytest.raises(Killed):
                backup_of(acme.system).run(reached=killed_at(step))
            last = backup_of(acme.system).last()
            assert last is not None
            state = next(one for one in last.logs if one.log != layout.CONTROL)
            assert (state.position == before) == (step >= 4), step
        run_backup(acme)
        whole = everything(acme, filled)
    settings, _ = either.restore()
    with either.opened(settings) as again:
        assert everything(again, filled) == whole


# --- runs ----------------------------------------------------------------------------------------------------


def test_a_base_packs_small_segments_together_and_lets_go_of_what_is_not_needed(either: Drill) -> None:
    with either.opened() as acme:
        clock = Later()
        backup = replace(backup_of(acme.system), runs_a_base=3, days=30, clock=clock)
        filled = fill(acme)
        for _ in range(3):
            acme.post(statement(GRACE, "passed"))
            assert not backup.run().missing
            clock.ahead += timedelta(hours=1)
        with pytest.raises(Killed):
            backup.run(reached=killed_at(3))  # a base that no manifest names
        clock.ahead += timedelta(days=3)
        base = backup.run()
        assert (base.number, base.base) == (4, True)
        vault, key = acme.system.vault.bearing().vault, acme.system.vault.public_key("")
        chain = read_chain(either.place, vault, key, backup.verify)
        assert [one.number for one in chain] == [4]
        assert [one.first for one in chain[0].segments] == [1, 1]
        assert len(chain[0].blobs) == 1
        assert unnamed(either, vault, backup, 1, 2, 3, 4) == set()
        clock.ahead += timedelta(days=31)
        for _ in range(3):
            acme.post(statement(GRACE, "passed"))
            backup.run()
        assert numbers(either.place, vault) == [5, 6, 7]
        assert unnamed(either, vault, backup, 5, 6, 7) == set()
        before = everything(acme, filled)
    settings, restored = either.restore()
    assert restored.number == 7
    with either.opened(settings) as again:
        assert everything(again, filled) == before


def test_an_old_manifest_that_was_altered_keeps_everything_and_stops_no_run(
    either: Drill, caplog: pytest.LogCaptureFixture
) -> None:
    with either.opened() as acme:
        clock = Later()
        backup = replace(backup_of(acme.system), runs_a_base=1, days=30, clock=clock)
        for _ in range(2):
            backup.run()
        vault = acme.system.vault.bearing().vault
        name = layout.manifest_name(vault, 1)
        either.place.put(name, either.place.get(name).replace(b'"base"', b'"Base"'))
        clock.ahead += timedelta(days=60)
        assert backup.run().number == 3
        assert numbers(either.place, vault) == [1, 2, 3]
    assert "what the backup no longer needs stays: backup-invalid" in caplog.text


def unnamed(drill: Drill, vault: str, backup: Backup, *runs: int) -> set[str]:
    """Objects that none of these runs names."""
    key = backup.vault.public_key("")
    named = {
        one.name
        for number in runs
        for manifest in [read_one(drill.place, vault, number, key, backup.verify)]
        for one in [*manifest.snapshot, *manifest.objects()]
    }
    return {name for name, _ in drill.place.list(vault) if name.endswith(".age")} - named


class Later:
    """The time, ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


# --- attachments that could not be had -----------------------------------------------------------------------


def test_an_attachment_that_could_not_be_read_is_said_and_had_by_the_next_run(either: Drill) -> None:
    with either.opened() as acme:
        sent = attach(acme, b"essay" * 100)
        folder = either.settings.data_dir / "blobs"
        away = folder.with_name("not-mounted")
        folder.rename(away)
        assert run_backup(acme).missing == 1
        assert run_backup(acme).missing == 1  # nothing new, and not forgotten
        assert found_by_doctor(either)["attachments"] is Level.FAIL
        away.rename(folder)
        assert run_backup(acme).missing == 0
        assert "attachments" not in found_by_doctor(either)
    settings, restored = either.restore()
    assert (restored.blobs, restored.missing) == (1, 0)
    with either.opened(settings) as acme:
        answer = acme.http.get("/xapi/statements", params={"statementId": sent["id"], "attachments": "true"})
        assert b"essay" * 100 in answer.content


def test_nobody_misses_an_attachment_of_who_was_erased(either: Drill) -> None:
    with either.opened() as acme:
        attach(acme, b"essay")
        acme.ran("erase", ADA)
        shutil.rmtree(either.settings.data_dir / "blobs")
        assert run_backup(acme).missing == 0


def found_by_doctor(drill: Drill) -> dict[str, Level]:
    """What a look finds, by its name."""
    return {one.check: one.level for one in examine(drill.settings)}


# --- checks --------------------------------------------------------------------------------------------------


def test_a_check_that_is_cut_off_leaves_no_copy_of_the_vault_that_opens(
    either: Drill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with either.opened() as acme:
        acme.post(statement(ADA))
        run_backup(acme)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    left: list[Path] = []

    def progress(what: str, *_: int) -> None:
        if what.startswith("Index") and not left:
            left.append(Path(shutil.copytree(next(scratch.glob("lethe-check-*")), tmp_path / "left")))

    assert check_whole(either.settings, either.identity, progress).restored
    assert list(scratch.iterdir()) == []
    # As whoever is killed leaves it, and then somebody makes it look finished.
    note = left[0] / "keys" / "restore.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"finished": "2026-11-25T00:00:00+00:00"}))
    assert list((left[0] / "keys").glob("epoch-*.key"))
    with pytest.raises(VaultRefused):
        build(Settings(data_dir=left[0] / "data", key_dir=left[0] / "keys"))


def test_a_check_goes_on_beside_runs(either: Drill) -> None:
    with either.opened() as acme:
        acme.post(statement(ADA))
        run_backup(acme)

        def progress(what: str, *_: int) -> None:
            if what == "Checking":
                run_backup(acme)

        verified = check_whole(either.settings, either.identity, progress)
    assert (verified.number, verified.restored) == (1, True)


# --- places --------------------------------------------------------------------------------------------------


def test_a_backup_that_is_not_where_it_was_is_not_begun_anew(either: Drill) -> None:
    with either.opened() as acme:
        run_backup(acme)
        place = Path(either.backup_url)
        place.rename(place.with_name("not-mounted"))
        place.mkdir()
        with pytest.raises(BackupInvalid, match="the escrow knows"):
            run_backup(acme)
        (Path(either.escrow_url) / "backup.json").unlink()
        assert run_backup(acme).number == 1


def test_a_database_of_another_release_is_not_touched_by_a_restore_that_refuses_it(
    databases: Databases, tmp_path: Path
) -> None:
    drill = new_drill(tmp_path / "drill", "sqlite", lambda: databases)
    with drill.opened() as acme:
        run_backup(acme)
    place = unmigrated(tmp_path / "other" / "data", databases)
    with psycopg.connect(url_of(place, "database_url"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA tenant_globex")
        connection.execute("CREATE TABLE tenant_globex.migration (one INT, version BIGINT)")
    with pytest.raises(NotEmpty):
        drill.restore(place)
    for name in ("database_url", "vault_url"):
        with psycopg.connect(url_of(place, name)) as connection:
            made = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'lethe%'").fetchall()
        assert made == []
