"""Every part of a backup and of its escrow, damaged in every way: a restore refuses before it writes anything.

Each row of the table names what is attacked and how. The installation is made once; each attack has a copy.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lrs.adapters.age import AgeRecipients
from lrs.adapters.objects.places import open_place
from lrs.config import Settings
from lrs.domain.errors import BackupInvalid, InvalidRequest, NotEmpty
from lrs.restoring import bring_back, check_by_key, check_whole
from retention.backup.restoring import Restored
from tests.backups import Drill, attach, fill, new_drill, new_identity, run_backup
from tests.places import on_postgres
from tests.subjects import ADA, ALAN, GRACE, TENANT, statement

# --- the installation ----------------------------------------------------------------------------------------


@dataclass
class Loot:
    """Copies of the backup and the escrow as they were after each stage, and who can open them."""

    drill: Drill
    stages: dict[str, Path]
    public_key: bytes

    def copy(self, folder: Path, *, backup: str = "last", escrow: str = "last") -> "Attacked":
        """For one attack: the backup of one stage with the escrow of one."""
        for name, stage in (("backup", backup), ("escrow", escrow)):
            shutil.copytree(self.stages[stage] / name, folder / name)
        return Attacked(self, folder)


@dataclass
class Attacked:
    """A copy to be damaged."""

    loot: Loot
    folder: Path

    def files(self, kind: str) -> list[Path]:
        """All files of a kind, in the order of their names."""
        root, _, below = KINDS[kind].partition("/")
        found = sorted(path for path in (self.folder / root).glob(f"**/{below}") if path.is_file())
        if kind == "the newest snapshot":
            newest = json.loads(self.files("a manifest")[-1].read_bytes())["snapshot"]
            found = [path for path in found if path.name in {Path(one["name"]).name for one in newest}]
        assert found, kind
        return found

    def restore(self, settings: Settings | None = None, identity: Path | None = None) -> Restored:
        """Into an empty place."""
        return bring_back(
            settings or self.target(),
            open_place(str(self.folder / "backup"), "test"),
            open_place(str(self.folder / "escrow"), "test"),
            identity or self.loot.drill.identity,
        )

    def target(self) -> Settings:
        """The empty place."""
        return Settings.model_construct(
            data_dir=self.folder / "new" / "data", key_dir=self.folder / "new" / "keys"
        )

    def nothing_was_written(self) -> bool:
        """Whether the place is as empty as it was."""
        return not any(path.is_file() for path in (self.folder / "new").glob("**/*"))

    def settings(self) -> Settings:
        """What names backup and escrow to a check."""
        return Settings.model_construct(
            backup_url=str(self.folder / "backup"), escrow_url=str(self.folder / "escrow")
        )


@pytest.fixture(scope="module")
def loot(tmp_path_factory: pytest.TempPathFactory) -> Loot:
    """An installation with an erasure in each of two epochs, three runs and more, and copies of each stage."""
    folder = tmp_path_factory.mktemp("loot")
    drill = new_drill(folder, "sqlite", lambda: pytest.fail("no PostgreSQL is needed"))
    stages: dict[str, Path] = {}

    def keep(stage: str) -> None:
        stages[stage] = folder / "stages" / stage
        for name in ("backup", "escrow"):
            shutil.copytree(folder / name, stages[stage] / name)

    with drill.opened() as acme:
        fill(acme)
        run_backup(acme)
        keep("first")
        acme.ran("erase", ADA)
        run_backup(acme)
        keep("old epoch")
        acme.system.closer.close()
        keep("closed")
        acme.post(statement(GRACE, "passed"))
        attach(acme, b"another file", GRACE)
        run_backup(acme)
        acme.post(statement(GRACE, "failed"))
        acme.system.credentials.issue(TENANT, ["all"])
        acme.ran("erase", ALAN)
        run_backup(acme)
        keep("last")
        public_key = acme.system.vault.public_key("")
    return Loot(drill, stages, public_key)


def test_the_copies_can_be_restored(loot: Loot, tmp_path: Path) -> None:
    assert loot.copy(tmp_path / "last").restore().number == 5
    # The escrow may know of less than there is: a run was finished, and its process killed.
    ahead = loot.copy(tmp_path / "ahead")
    shutil.copy(loot.stages["closed"] / "escrow" / "backup.json", tmp_path / "ahead" / "escrow" / "backup.json")
    assert ahead.restore().number == 5


# --- the table -----------------------------------------------------------------------------------------------

KINDS = {
    "a segment of a tenant": "backup/segments/????????????????????????????????/*.age",
    "a segment of the control store": "backup/segments/control/*.age",
    "a blob": "backup/blobs/*/*.age",
    "the newest snapshot": "backup/snapshots/*.age",
    "a manifest": "backup/manifests/*.json",
    "a slot of the escrow": "escrow/epoch-0.age",
    "an entry of the ledger": "escrow/ledger/*.json",
    "the escrow's last run": "escrow/backup.json",
}
Attack = Callable[[Attacked, str], None]


def truncate(attacked: Attacked, kind: str) -> None:
    one = attacked.files(kind)[-1]
    one.write_bytes(one.read_bytes()[:-1])


def empty(attacked: Attacked, kind: str) -> None:
    attacked.files(kind)[0].write_bytes(b"")


def lengthen(attacked: Attacked, kind: str) -> None:
    one = attacked.files(kind)[0]
    one.write_bytes(one.read_bytes() + (b"\n{}" if one.suffix == ".json" else b"\0"))


def flip_in(attacked: Attacked, kind: str, at: float) -> None:
    one = attacked.files(kind)[-1]
    data = bytearray(one.read_bytes())
    data[int(at * (len(data) - 1))] ^= 0x04
    one.write_bytes(data)


def flip_first(attacked: Attacked, kind: str) -> None:
    flip_in(attacked, kind, 0.0)


def flip_middle(attacked: Attacked, kind: str) -> None:
    flip_in(attacked, kind, 0.5)


def flip_last(attacked: Attacked, kind: str) -> None:
    flip_in(attacked, kind, 1.0)


def swap(attacked: Attacked, kind: str) -> None:
    """With a neighbour of its kind; of what there is one of, with one of another kind."""
    one, other = (attacked.files(kind) + attacked.files("a segment of a tenant"))[:2]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def replay(attacked: Attacked, kind: str) -> None:
    """What an older run had of this kind, under the newest name."""
    newest = attacked.files(kind)[-1]
    root, _, below = KINDS[kind].partition("/")
    older = attacked.loot.stages["first"] / root
    if kind == "a slot of the escrow":
        old = [older / "epoch-1.age"]
    elif kind in ("an entry of the ledger", "a blob"):
        old = attacked.files(kind)
    else:
        old = list(older.glob(f"**/{below}"))
    newest.write_bytes(next(data for data in (one.read_bytes() for one in old) if data != newest.read_bytes()))


def forge(attacked: Attacked, kind: str) -> None:
    """Sealed anew to the recipients, whose public keys everybody has."""
    one = attacked.files(kind)[-1]
    if one.suffix == ".json":
        content = json.loads(one.read_bytes())
        content |= {"number": content.get("number", 0) + 1, "sha256": "0" * 64, "hash": "0" * 64}
        one.write_bytes(json.dumps(content).encode())
    else:
        one.write_bytes(AgeRecipients([attacked.loot.drill.recipient]).encrypt(b'{"forged": true}'))


def remove(attacked: Attacked, kind: str) -> None:
    attacked.files(kind)[0].unlink()


ATTACKS: dict[str, Attack] = {
    "cut short": truncate,
    "emptied": empty,
    "made longer": lengthen,
    "flipped at its beginning": flip_first,
    "flipped in its middle": flip_middle,
    "flipped at its end": flip_last,
    "swapped with a neighbour": swap,
    "replayed from an older run": replay,
    "forged": forge,
    "removed": remove,
}
# What is no attack: it changes nothing that is relied on, or is one of the other rows.
NONE = {
    ("the escrow's last run", "cut short"),  # the end of the line
    ("the escrow's last run", "flipped at its end"),  # the same
    ("the escrow's last run", "replayed from an older run"),  # it knows of less: the next test but one
    ("the escrow's last run", "removed"),  # what an operator may do who has lost the newest runs
}
TABLE = [(kind, how) for kind in KINDS for how in ATTACKS if (kind, how) not in NONE]
# One of each kind and of each way in the ordinary run.
SLICE = {(kind, list(ATTACKS)[(number * 3 + 1) % len(ATTACKS)]) for number, kind in enumerate(KINDS)} | {
    (list(KINDS)[number % 6], how) for number, how in enumerate(ATTACKS)
}


@pytest.mark.parametrize(
    ("kind", "how"),
    [pytest.param(*one, marks=[] if one in SLICE else [pytest.mark.full], id=", ".join(one)) for one in TABLE],
)
def test_a_restore_refuses_what_was_tampered_with(kind: str, how: str, loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path)
    ATTACKS[how](attacked, kind)
    with pytest.raises(BackupInvalid):
        attacked.restore()
    assert attacked.nothing_was_written()
    if kind.startswith(("a segment", "a blob", "the newest", "a manifest")):
        with pytest.raises(BackupInvalid):
            check_by_key(attacked.settings(), loot.public_key, lambda *_: None)


# --- whole places --------------------------------------------------------------------------------------------

STATES = {
    "a backup as it was some runs ago": {"backup": "closed"},
    "a backup of the epoch before": {"backup": "old epoch"},
    "the very first backup": {"backup": "first"},
    "an escrow of the epoch before": {"escrow": "old epoch"},
    "the very first escrow": {"escrow": "first"},
}


@pytest.mark.parametrize("state", STATES)
def test_an_older_state_is_refused(state: str, loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path, **STATES[state])
    with pytest.raises(BackupInvalid):
        attacked.restore()
    assert attacked.nothing_was_written()


@pytest.mark.parametrize("backup", ["first", "old epoch"])
def test_a_backup_of_a_closed_epoch_is_noise_whatever_the_escrow_knows_of_runs(
    backup: str, loot: Loot, tmp_path: Path
) -> None:
    attacked = loot.copy(tmp_path, backup=backup)
    (tmp_path / "escrow" / "backup.json").unlink()
    with pytest.raises(BackupInvalid, match="no key of epoch 1"):
        attacked.restore()
    assert attacked.nothing_was_written()


def test_destructions_that_the_escrow_has_forgotten_are_missed(loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path)
    attacked.files("an entry of the ledger")[-1].unlink()
    with pytest.raises(BackupInvalid, match="ledger is another"):
        attacked.restore()
    assert attacked.nothing_was_written()


def test_lost_runs_can_be_done_without_by_somebody_who_says_so(loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path, backup="closed")
    with pytest.raises(BackupInvalid, match=r"remove backup\.json"):
        attacked.restore()
    (tmp_path / "escrow" / "backup.json").unlink()
    assert attacked.restore().number == 3


def test_another_identity_opens_nothing(loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path)
    other = tmp_path / "other.txt"
    new_identity(other)
    with pytest.raises(BackupInvalid, match="another identity"):
        attacked.restore(identity=other)
    for content in ("", "# nothing", "AGE-SECRET-KEY-1", "\xff"):
        other.write_text(content, "latin-1")
        with pytest.raises(InvalidRequest):
            attacked.restore(identity=other)
    with pytest.raises(InvalidRequest):
        attacked.restore(identity=tmp_path / "missing.txt")
    assert attacked.nothing_was_written()


def another_installation(folder: Path, loot: Loot) -> Drill:
    other = new_drill(folder, "sqlite", lambda: pytest.fail("no PostgreSQL is needed"))
    other.identity, other.recipient = loot.drill.identity, loot.drill.recipient
    other.settings = other.new_place()
    with other.opened() as acme:
        acme.post(statement(GRACE))
        run_backup(acme)
    return other


def test_the_escrow_or_the_backup_of_another_installation_is_refused(loot: Loot, tmp_path: Path) -> None:
    other = another_installation(tmp_path / "other", loot)
    for swapped in ("backup", "escrow"):
        attacked = loot.copy(tmp_path / swapped)
        shutil.rmtree(attacked.folder / swapped)
        shutil.copytree(other.folder / swapped, attacked.folder / swapped)
        with pytest.raises(BackupInvalid):
            attacked.restore()
        assert attacked.nothing_was_written()
    # Both slots there, of two installations.
    attacked = loot.copy(tmp_path / "mixed")
    shutil.copy(other.folder / "escrow" / "epoch-1.age", attacked.folder / "escrow" / "epoch-1.age")
    with pytest.raises(BackupInvalid, match="several installations"):
        attacked.restore()
    # One place may hold the backups of both.
    attacked = loot.copy(tmp_path / "shared")
    shutil.copytree(other.folder / "backup", attacked.folder / "backup", dirs_exist_ok=True)
    assert attacked.restore().number == 5
    assert check_by_key(attacked.settings(), loot.public_key, lambda *_: None).number == 5
    with pytest.raises(BackupInvalid, match="signed no backup"):
        check_by_key(attacked.settings(), b"\1" * 32, lambda *_: None)


@pytest.mark.parametrize("missing", ["backup", "escrow"])
def test_an_empty_place_is_refused(missing: str, loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path)
    shutil.rmtree(tmp_path / missing)
    with pytest.raises(BackupInvalid):
        attacked.restore()
    assert attacked.nothing_was_written()


# --- where to ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["data/vault.db", "data/else", "keys/root.key", "keys/ledger.jsonl", "keys/restore.json"]
)
def test_a_place_in_which_anything_is_is_not_restored_into(where: str, loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path)
    there = tmp_path / "new" / where
    there.parent.mkdir(parents=True)
    there.write_bytes(b"something")
    with pytest.raises(NotEmpty):
        attacked.restore()
    assert [path for path in (tmp_path / "new").glob("**/*") if path.is_file()] == [there]


def test_databases_in_which_anything_is_are_not_restored_into(
    loot: Loot, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    attacked = loot.copy(tmp_path / "copy")
    drill = replace(loot.drill, databases=lambda: request.getfixturevalue("databases"), folder=tmp_path)
    used = on_postgres(tmp_path / "used" / "data", drill.databases())
    with drill.opened(used) as acme:
        acme.post(statement(GRACE))
    fresh = on_postgres(tmp_path / "fresh" / "data", drill.databases())
    for taken in ("database_url", "vault_url"):
        mixed = fresh.model_copy(update={taken: getattr(used, taken)})
        with pytest.raises(NotEmpty):
            attacked.restore(mixed)
    truncate(attacked, "a blob")
    with pytest.raises(BackupInvalid):
        attacked.restore(fresh)
    attacked = loot.copy(tmp_path / "again")
    assert attacked.restore(fresh).number == 5


# --- checking ------------------------------------------------------------------------------------------------


def test_a_check_restores_apart_and_leaves_nothing_but_a_note(
    loot: Loot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked = loot.copy(tmp_path / "copy")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    # What names the live installation must not reach the scratch one.
    monkeypatch.setenv("LRS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("LRS_DATA_DIR", str(tmp_path / "live"))
    before = contents(attacked.folder)
    verified = check_whole(attacked.settings(), loot.drill.identity, lambda *_: None)
    assert (verified.number, verified.restored, verified.logs) == (5, True, 2)
    assert not any(scratch.iterdir())
    assert not (tmp_path / "live").exists()
    new = contents(attacked.folder).keys() - before.keys()
    assert [Path(name).name for name in new] == ["verified.json"]
    assert {name: data for name, data in contents(attacked.folder).items() if name in before} == before
    assert check_by_key(attacked.settings(), loot.public_key, lambda *_: None).restored is False


def test_a_check_finds_what_only_a_restore_shows(loot: Loot, tmp_path: Path) -> None:
    attacked = loot.copy(tmp_path)
    remove(attacked, "an entry of the ledger")
    assert check_by_key(attacked.settings(), loot.public_key, lambda *_: None)
    with pytest.raises(BackupInvalid):
        check_whole(attacked.settings(), loot.drill.identity, lambda *_: None)
    assert not list(tmp_path.glob("**/verified.json"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.glob("**/*") if path.is_file()}
