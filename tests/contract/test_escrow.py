"""What the escrow holds, in a folder as in S3: both slots, and every destruction before it is committed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from lrs.adapters.age import AgeIdentities, AgeRecipients
from lrs.adapters.objects.escrow import open_escrow
from lrs.adapters.objects.places import open_place
from lrs.adapters.vault.closing import VaultEpochs
from lrs.adapters.vault.escrow import Escrow, EscrowedKey, read_slots
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import BackupInvalid, InvalidRequest, KeyStoreUnavailable, StoreUnavailable, VaultRefused
from lrs.domain.sealing import Denied, Erased, Plain
from lrs.ports import ObjectPlace
from tests.storage import new_bucket
from tests.vaults import (
    AT,
    TENANT,
    TEXT,
    VaultPlace,
    close_epoch,
    erase,
    opened,
    person,
    sealed,
)

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENTS = AgeRecipients([str(IDENTITY.to_public())])
DECRYPTION = AgeIdentities([str(IDENTITY)])


class Failing:
    """A place that does not answer for a while, or loses what it is given."""

    def __init__(self, place: ObjectPlace) -> None:
        self._place = place
        self.url = place.url
        self.down = False
        self.loses = False

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("not now")

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        self._check()
        self._place.put(name, b"" if self.loses else data, new=new)

    def get(self, name: str) -> bytes:
        self._check()
        return self._place.get(name)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        self._check()
        return self._place.list(prefix)

    def remove(self, name: str) -> None:
        self._place.remove(name)

    def keeps_versions(self) -> bool:
        return False


@pytest.fixture
def there(tmp_path: Path) -> Failing:
    return Failing(open_place(str(tmp_path / "escrow"), "LRS_ESCROW_URL"))


@pytest.fixture
def place(vault_place: VaultPlace, there: Failing) -> VaultPlace:
    """A place for the keys, and an escrow."""
    vault_place.escrow = Escrow(there, RECIPIENTS)
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> KeyVault:
    vault = place.open()
    vault.create_tenant(TENANT)
    VaultEpochs(vault, place.escrow).settle_escrow()
    return vault


def slots(there: ObjectPlace) -> list[tuple[int, bool]]:
    """Each slot's epoch, and whether there is a key in it."""
    return [(one.epoch, one.key is not None) for one in read_slots(there, DECRYPTION)]


def lines(there: ObjectPlace) -> list[bytes]:
    return [there.get(name) for name, _ in there.list("ledger")]


# --- slots ---------------------------------------------------------------------------------------------------


def test_the_present_epochs_key_is_in_the_slot_of_its_parity_and_no_other_key(
    vault: KeyVault, place: VaultPlace, there: Failing
) -> None:
    assert slots(there) == [(1, True)]
    for epoch in (2, 3, 4):
        erase(vault, person(vault))
        close_epoch(vault, place.escrow)
        assert slots(there) == [(epoch, True), (epoch - 1, False)]
    newest = read_slots(there, DECRYPTION)[0]
    assert newest == EscrowedKey(vault.keys.vault, 4, vault.keys.read(4), vault.public_key(""))
    assert json.loads(there.get("vault.json")) == {"vault": vault.keys.vault}
    raw = vault.keys.read(4)
    assert not any(raw in there.get(name) for name, _ in there.list())


def test_during_a_close_both_keys_are_there(vault: KeyVault, place: VaultPlace, there: Failing) -> None:
    epochs = VaultEpochs(vault, place.escrow)
    with epochs.alone():
        epochs.settle_escrow()  # as a start does meanwhile: it leaves that to the closer
        epochs.prepare()
        assert slots(there) == [(2, True), (1, True)]
        epochs.turn(AT, lambda *_: None)
        epochs.destroy(1, lambda: AT)
        assert slots(there) == [(2, True), (1, False)]


def test_an_escrow_that_is_down_or_loses_what_it_gets_stops_a_close_before_anything_is_destroyed(
    vault: KeyVault, place: VaultPlace, there: Failing
) -> None:
    item = sealed(vault, person(vault, "bob"))
    erase(vault, person(vault))
    for there.down, there.loses in ((True, False), (False, True)):
        with pytest.raises(KeyStoreUnavailable):
            close_epoch(vault, place.escrow)
        assert vault.epoch() == 1
    there.loses = False
    close_epoch(vault, place.escrow)
    assert opened(vault, item) == Plain(TEXT)


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b"null", b"\xff", b'{"vault":"v","epoch":"x","key":null,"public_key":""}',
     b'{"vault":"v","epoch":2,"key":null,"public_key":""}', b'{"vault":"v","epoch":1,"key":"%","public_key":""}'],
)  # fmt: skip
def test_a_slot_that_holds_something_else_is_refused(there: Failing, content: bytes) -> None:
    there.put("epoch-1.age", RECIPIENTS.encrypt(content))
    with pytest.raises(BackupInvalid):
        read_slots(there, DECRYPTION)
    there.put("epoch-1.age", b"garbage")
    with pytest.raises(BackupInvalid):
        read_slots(there, DECRYPTION)


# --- the ledger ----------------------------------------------------------------------------------------------


def test_every_destruction_is_in_the_escrow_as_in_the_mirror(
    vault: KeyVault, place: VaultPlace, there: Failing
) -> None:
    for name in ("ada", "bob", "eve"):
        erase(vault, person(vault, name))
    vault.destroy_tenant(TENANT)
    assert lines(there) == place.mirror.read_bytes().splitlines()
    assert [name for name, _ in there.list("ledger")] == [f"ledger/{number:012d}.json" for number in range(1, 5)]
    assert "mailto" not in json.dumps([json.loads(line) for line in lines(there)])


def test_an_escrow_that_does_not_answer_holds_up_a_destruction_that_is_finished_later(
    vault: KeyVault, place: VaultPlace, there: Failing
) -> None:
    ada, item = person(vault), sealed(vault, person(vault))
    there.down = True
    with pytest.raises(KeyStoreUnavailable):
        erase(vault, ada)
    assert opened(vault, item) == Denied()
    with pytest.raises(KeyStoreUnavailable):
        erase(vault, person(vault, "bob"))
    place.close()
    with pytest.raises(KeyStoreUnavailable):
        place.open()
    there.down = False
    vault = place.open()
    assert opened(vault, item) == Erased()
    erase(vault, person(vault, "bob"))
    assert lines(there) == place.mirror.read_bytes().splitlines()
    assert len(lines(there)) == 2


def test_a_process_that_lives_on_after_the_escrow_was_away_finishes_it_before_the_next(
    vault: KeyVault, place: VaultPlace, there: Failing
) -> None:
    item = sealed(vault, person(vault))
    there.down = True
    with pytest.raises(KeyStoreUnavailable):
        erase(vault, person(vault))
    there.down = False
    erase(vault, person(vault, "bob"))
    assert opened(vault, item) == Erased()
    assert lines(there) == place.mirror.read_bytes().splitlines()
    place.open()


def test_a_lost_vault_mirror_and_key_directory_of_yesterday_destroy_again_what_the_escrow_knows(
    vault: KeyVault, place: VaultPlace, caplog: pytest.LogCaptureFixture
) -> None:
    items = [sealed(vault, person(vault, name)) for name in ("ada", "bob", "eve")]
    erase(vault, person(vault))
    rows, keys = place.copy(), place.root / "yesterday"
    shutil.copytree(place.key_dir, keys)
    erase(vault, person(vault, "bob"))
    place.close()
    place.restore(rows)
    shutil.rmtree(place.key_dir)
    shutil.copytree(keys, place.key_dir)
    again = place.open()
    assert again.open_many(TENANT, items) == [Erased(), Erased(), Plain(TEXT)]
    assert [record.getMessage() for record in caplog.records] == [
        "the vault was behind its ledger: carried out again: destructions=1 keys=2"
    ]
    place.close()
    place.restore(rows)
    place.mirror.unlink()
    assert place.open().open_many(TENANT, items) == [Erased(), Erased(), Plain(TEXT)]
    place.close()
    caplog.clear()
    place.open()
    assert caplog.records == []


def test_an_escrow_that_is_new_gets_all_that_there_is(place: VaultPlace, there: Failing) -> None:
    escrow, place.escrow = place.escrow, None
    vault = place.open()
    vault.create_tenant(TENANT)
    for name in ("ada", "bob", "eve"):
        erase(vault, person(vault, name))
    place.close()
    place.escrow = escrow
    place.open()
    assert lines(there) == place.mirror.read_bytes().splitlines()
    there.remove("ledger/000000000002.json")
    there.remove("ledger/000000000003.json")
    place.close()
    place.open()
    assert lines(there) == place.mirror.read_bytes().splitlines()


@pytest.mark.parametrize("ahead", [False, True])
def test_an_escrow_that_tells_another_story_is_refused_and_nothing_is_destroyed(
    vault: KeyVault, place: VaultPlace, there: Failing, *, ahead: bool
) -> None:
    erase(vault, person(vault))
    item = sealed(vault, person(vault, "bob"))
    place.close()
    entry = json.loads(lines(there)[0])
    name = f"ledger/{1 + ahead:012d}.json"
    there.put(name, json.dumps(entry | {"at": "2020-01-01T00:00:00+00:00"}, sort_keys=True).encode())
    before = place.copy()
    with pytest.raises(VaultRefused):
        place.open()
    assert place.copy() == before
    there.put("ledger/000000000001.json", json.dumps(entry, sort_keys=True).encode())
    there.remove("ledger/000000000002.json")
    assert opened(place.open(), item) == Plain(TEXT)


def test_another_vaults_escrow_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    erase(vault, person(vault))
    other = place.another("other")
    other.escrow = place.escrow
    with pytest.raises(VaultRefused, match="another vault"):
        other.open()
    other.escrow = None
    other.open()


# --- where it may be -----------------------------------------------------------------------------------------


def test_the_escrow_is_neither_in_the_backups_nor_around_them(tmp_path: Path) -> None:
    escrow = tmp_path / "escrow"
    for backup in (escrow, escrow / "backup", tmp_path, f"{escrow}/", escrow / ".." / "escrow"):
        with pytest.raises(InvalidRequest, match="apart"):
            open_escrow(str(escrow), str(backup))
    for apart in (tmp_path / "escrow-2", tmp_path / "backup", None):
        assert open_escrow(str(escrow), str(apart) if apart else None).url == str(escrow)


def test_the_escrow_in_a_bucket(s3_settings: str, bucket: str, vault_place: VaultPlace) -> None:
    for backup in (bucket, f"{bucket}/backup", f"{bucket}/"):
        with pytest.raises(InvalidRequest, match="apart"):
            open_escrow(bucket, backup)
    versioned = f"s3://{new_bucket(s3_settings, versioned=True)}"
    with pytest.raises(InvalidRequest, match="versions"):
        open_escrow(versioned, None)
    there = open_escrow(f"{bucket}/escrow", f"{bucket}/backup")
    vault_place.escrow = Escrow(there, RECIPIENTS)
    vault = vault_place.open()
    vault.create_tenant(TENANT)
    erase(vault, person(vault))
    close_epoch(vault, vault_place.escrow)
    assert slots(there) == [(2, True), (1, False)]
    assert lines(there) == vault_place.mirror.read_bytes().splitlines()
