"""Closing an epoch: what lives goes on in every process, and every copy of the vault from before is noise."""

import itertools
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from lrs.adapters.signatures import verify
from lrs.adapters.vault import proving
from lrs.adapters.vault.closing import VaultEpochs
from lrs.adapters.vault.epochs import EpochKeys
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.epochs import Rewrapped
from lrs.domain.errors import EpochBusy, NotFound, VaultRefused
from lrs.domain.sealing import Category, Denied, Erased, Expired, Plain, Slot
from lrs.ports import StaleFence
from tests.vaults import (
    AT,
    OTHER,
    PERIOD,
    TENANT,
    TEXT,
    Item,
    VaultPlace,
    answer_openings,
    close_and_die,
    close_epoch,
    die_while_closing,
    erase,
    mbox,
    opened,
    person,
    sealed,
    somewhere,
    stepped,
)

Nothing = lambda *_: None  # noqa: E731


@pytest.fixture
def place(vault_place: VaultPlace) -> VaultPlace:
    """A place for the keys alone."""
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> KeyVault:
    vault = place.open()
    vault.create_tenant(TENANT)
    vault.create_tenant(OTHER)
    return vault


def key_rows(place: VaultPlace, tenant: str) -> dict[str, Any]:
    """A tenant's rows of keys."""
    return {
        table: sorted(place.rows(f"SELECT * FROM {table} WHERE tenant = :tenant", tenant=tenant))
        for table in ("tenant_key", "data_key", "directory", "subject")
    }


# --- what goes on --------------------------------------------------------------------------------------------


def test_after_a_close_the_living_are_as_they_were_and_the_erased_stay_erased(
    vault: KeyVault, place: VaultPlace
) -> None:
    ada, bob, eve = person(vault), person(vault, "bob"), person(vault, "eve")
    both = sealed(vault, ada, bob)
    items = [sealed(vault, ada), sealed(vault, bob), both, sealed(vault, bob, period="2020"), sealed(vault, eve)]
    digest, keys = vault.read(TENANT).digest(bob, TEXT), [vault.public_key(name) for name in (TENANT, OTHER, "")]
    erase(vault, ada)
    place.expire(vault, TENANT, Slot(bob, Category.LEARNING, "2020"))
    vault.begin_erasure(TENANT, eve)
    expected = [Erased(), Plain(TEXT), Plain(TEXT), Expired(), Denied()]
    other, told = place.open(), person(vault, "bob")
    assert told == bob
    close_epoch(vault)
    for instance in (vault, other, place.open()):
        assert instance.open_many(TENANT, items) == expected
        reading = instance.read(TENANT)
        assert reading.lookup([mbox(name) for name in ("ada", "bob", "eve")]) == {
            mbox("bob"): bob,
            mbox("eve"): eve,
        }
        assert reading.denied == {eve}
        assert reading.digest(bob, TEXT) == digest
        assert [instance.public_key(name) for name in (TENANT, OTHER, "")] == keys
        assert person(instance, "bob") == bob
        assert instance.epoch() == 2
    assert vault.destroy(TENANT, eve, AT)
    assert opened(vault, items[4]) == Erased()
    again = sealed(other, bob, period="2031")
    assert opened(place.open(), again) == Plain(TEXT)


def test_only_a_tenant_in_which_something_was_destroyed_gets_new_keys(vault: KeyVault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    sealed(vault, bob)
    item = sealed(vault, person(vault, "bob", OTHER), tenant=OTHER)
    erase(vault, ada)
    before = {tenant: key_rows(place, tenant) for tenant in (TENANT, OTHER)}
    progress: list[tuple[int, int]] = []
    epochs = VaultEpochs(vault)
    with epochs.alone():
        epochs.prepare()
        rewrapped = epochs.turn(AT, lambda done, total: progress.append((done, total)))
    assert rewrapped == Rewrapped(tenants=2, tenants_changed=1, keys=2, identifiers=2)
    assert progress[-1] == (2, 2)
    after = {tenant: key_rows(place, tenant) for tenant in (TENANT, OTHER)}
    for table in ("data_key", "directory", "subject"):
        assert after[OTHER][table] == before[OTHER][table]
    assert not {row[5] for row in after[TENANT]["data_key"]} & {row[5] for row in before[TENANT]["data_key"]}
    assert {row[4] for row in after[TENANT]["data_key"]} == {row[4] for row in before[TENANT]["data_key"]}
    assert not {row[1] for row in after[TENANT]["directory"]} & {row[1] for row in before[TENANT]["directory"]}
    for tenant in (TENANT, OTHER):
        assert not set(after[tenant]["tenant_key"]) & set(before[tenant]["tenant_key"])
    assert opened(vault, item, OTHER) == Plain(TEXT)


def test_an_epoch_in_which_nothing_was_destroyed_touches_no_data_key(vault: KeyVault, place: VaultPlace) -> None:
    item = sealed(vault, person(vault))
    before = key_rows(place, TENANT)
    assert close_epoch(vault) == Rewrapped(tenants=2)
    assert key_rows(place, TENANT)["data_key"] == before["data_key"]
    assert opened(vault, item) == Plain(TEXT)
    erase(vault, person(vault))
    assert close_epoch(vault).tenants_changed == 1
    assert close_epoch(vault).tenants_changed == 0
    assert opened(place.open(), item) == Erased()


def test_the_standing_says_what_was_closed_and_what_was_destroyed_since(vault: KeyVault) -> None:
    epochs = VaultEpochs(vault)
    assert (epochs.standing().epoch, epochs.standing().closed, epochs.standing().destroyed_since) == (1, (), 0)
    gone = erase(vault, person(vault))
    assert epochs.standing().destroyed_since == 1
    assert epochs.standing().oldest_at == AT
    vault.destroy_tenant(OTHER)
    assert epochs.standing().destroyed_since == 2
    with epochs.alone():
        epochs.prepare()
        epochs.turn(AT, Nothing)
        (open_still,) = epochs.standing().unfinished
        assert (open_still.epoch, open_still.destroyed_at, open_still.closed_at) == (1, None, AT)
        epochs.check(1, Nothing)
        epochs.destroy(1, lambda: AT)
        destroyed = epochs.standing().unfinished[0]
        assert (destroyed.provider, destroyed.destruction_seconds, destroyed.destroyed_at) == ("file", 0, AT)
        epochs.destroy(1, lambda: datetime(2030, 1, 1, tzinfo=UTC))
        assert epochs.standing().unfinished == (destroyed,)
        assert [(one.subject, one.sequence) for one in epochs.erased(1)] == [(gone.subject, gone.sequence)]
        epochs.certified(1, AT)
    assert epochs.standing().unfinished == ()
    assert (epochs.standing().epoch, epochs.standing().destroyed_since) == (2, 0)
    second = erase(vault, person(vault))
    vault.destroy_tenant(TENANT)
    close_epoch(vault)
    assert second.sequence > gone.sequence
    assert list(epochs.erased(2)) == []  # of a tenant that left, there is nobody to tell


def test_the_installation_has_a_key_of_its_own_that_is_no_tenants(vault: KeyVault, place: VaultPlace) -> None:
    public, signed = vault.public_key(""), vault.sign("", b"manifest")
    assert verify(public, b"manifest", signed)
    assert not verify(vault.public_key(TENANT), b"manifest", signed)
    for call in (lambda: vault.read(""), lambda: opened(vault, (somewhere(), None), "")):  # type: ignore[arg-type]
        with suppress(AttributeError), pytest.raises(NotFound):
            call()
    place.close()
    place.edit("DELETE FROM tenant_key WHERE tenant = ''")  # as older vaults were
    older = place.open()
    assert older.public_key("") == place.open().public_key("") != public


# --- who runs meanwhile --------------------------------------------------------------------------------------


def test_another_process_with_warm_caches_goes_on_across_a_close(vault: KeyVault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, ada), sealed(vault, bob)]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=answer_openings, args=(place.elsewhere(), theirs))
    process.start()

    def ask() -> list[str]:
        ours.send(items)
        assert ours.poll(60)
        return list(ours.recv())

    assert ask() == ["Plain", "Plain"]
    erase(vault, ada)
    close_epoch(vault)
    items.append(sealed(vault, bob, period="2031"))
    assert ask() == ["Erased", "Plain", "Plain"]
    close_epoch(vault)
    assert ask() == ["Erased", "Plain", "Plain"]
    ours.send(None)
    process.join(60)
    assert process.exitcode == 0


def test_who_resolved_before_a_close_finds_everybody_and_mints_afresh(vault: KeyVault, place: VaultPlace) -> None:
    bob = person(vault, "bob")
    erase(vault, person(vault))
    late = place.open()
    reading = late.read(TENANT)
    close_epoch(vault)
    assert reading.lookup([mbox("bob"), mbox("nobody")]) == {mbox("bob"): bob}
    for mint in (
        lambda: reading.enrol([mbox("carol")]),
        lambda: reading.ensure([Slot(bob, Category.LEARNING, PERIOD)]),
        lambda: reading.seal([bob], Category.LEARNING, "2001", somewhere(), TEXT),
        lambda: reading.digest(bob, TEXT),
    ):
        with pytest.raises(StaleFence):
            mint()
    assert opened(vault, sealed(late, person(late, "carol"))) == Plain(TEXT)


def test_an_epoch_that_closes_before_its_key_is_read_is_no_refusal(
    vault: KeyVault, place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = sealed(vault, person(vault))
    late, read, closes = place.open(), EpochKeys.read, [1]

    def closing(keys: EpochKeys, epoch: int) -> bytes:
        if closes and keys is not vault.keys:
            closes.pop()
            close_epoch(vault)
        return read(keys, epoch)

    monkeypatch.setattr(EpochKeys, "read", closing)
    started = place.open()
    assert (closes, vault.epoch()) == ([], 2)
    closes.append(1)
    assert opened(late, item) == opened(started, item) == Plain(TEXT)
    assert (closes, vault.epoch()) == ([], 3)


def test_of_two_closers_one_wins_and_the_other_says_so(vault: KeyVault, place: VaultPlace) -> None:
    item = sealed(vault, person(vault, "bob"))
    erase(vault, person(vault))
    other = place.open()
    one, two = VaultEpochs(vault), VaultEpochs(other)
    with one.alone():
        with pytest.raises(EpochBusy), two.alone():
            pass
        one.prepare()
        # As from another machine, where no lock is seen: both have worked out the same close, one commits first.

        def faster(message: str) -> None:
            if message == "begin write":
                one.turn(AT, Nothing)

        stepped(other, faster)
        with pytest.raises(EpochBusy):
            two.turn(AT, Nothing)
        other.database._step = Nothing  # type: ignore[attr-defined]
    with two.alone():
        assert [one.epoch for one in two.standing().unfinished] == [1]
    assert [opened(instance, item) for instance in (vault, other, place.open())] == [Plain(TEXT)] * 3


def test_who_goes_and_comes_again_while_an_epoch_closes_is_the_new_one_alone(
    vault: KeyVault, place: VaultPlace
) -> None:
    """After all was worked out and before it is written: the same identifier leads to another subject then."""
    erase(vault, person(vault, "bob"))
    gone, closer = person(vault, "ada"), place.open()
    item = sealed(vault, gone)
    came: list[Item] = []

    def act(message: str) -> None:
        if message == "begin write" and not came:
            erase(vault, gone)
            came.append(sealed(vault, person(vault, "ada")))

    close_epoch(stepped(closer, act))
    assert len(came) == 1
    for instance in (vault, closer, place.open()):
        assert instance.living_keys(TENANT, gone) == 0
        assert instance.open_many(TENANT, [item, came[0]]) == [Erased(), Plain(TEXT)]
        again = instance.read(TENANT).lookup([mbox("ada")])[mbox("ada")]
        assert again != gone
        assert opened(instance, sealed(instance, again)) == Plain(TEXT)


# Each of these is some 40 messages; the ordinary run tries every fifth.
STRIDES = [5, pytest.param(1, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize("stride", STRIDES)
def test_what_is_minted_and_destroyed_between_any_two_messages_of_a_close_is_as_it_should_be(
    vault: KeyVault, place: VaultPlace, stride: int
) -> None:
    """At a message of the close, in another thread: somebody comes, somebody goes. Close after close."""
    kept = sealed(vault, person(vault, "kept"))
    closer, caller = stepped(place.open(), Nothing), threading.get_ident()
    for number in itertools.count(1, stride):
        going = person(vault, f"going{number}")
        gone = sealed(vault, going)
        erase(vault, person(vault, f"first{number}"))
        came: list[Item] = []
        threads: list[threading.Thread] = []

        def act(name: str = f"came{number}", going: UUID = going, came: list[Item] = came) -> None:
            while True:
                with suppress(StaleFence):
                    came.append(sealed(vault, person(vault, name)))
                    break
            erase(vault, going)

        left = [number]

        def step(
            _: str, caller: int = caller, left: list[int] = left, threads: list[threading.Thread] = threads
        ) -> None:
            left[0] -= threading.get_ident() == caller
            if left[0] == 0 and not threads:
                threads.append(threading.Thread(target=act))
                threads[0].start()
                threads[0].join(0.03)

        closer.database._step = step  # type: ignore[attr-defined]
        epochs = VaultEpochs(closer)
        with epochs.alone():
            epochs.prepare()
            epochs.turn(AT, Nothing)
            closer.database._step = Nothing  # type: ignore[attr-defined]
            epoch = epochs.standing().closed[-1].epoch
            for thread in threads:
                thread.join(30)
            epochs.check(epoch, Nothing)
            epochs.destroy(epoch, lambda: AT)
            epochs.certified(epoch, AT)
        if not threads:
            break
        for instance in (vault, closer, place.open()):
            assert instance.open_many(TENANT, [kept, came[0], gone]) == [Plain(TEXT), Plain(TEXT), Erased()]
            assert instance.read(TENANT).lookup([mbox(f"going{number}")]) == {}
            assert instance.living_keys(TENANT, going) == 0
        place.opened[-1].close()
    assert number > 15


# --- crashes -------------------------------------------------------------------------------------------------


def run(target: Any, *arguments: Any) -> int | None:
    """What a process of its own ends with."""
    context = multiprocessing.get_context("forkserver")  # of one that has loaded the vault: quick
    context.set_forkserver_preload(["tests.vaults"])
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def resume(vault: KeyVault) -> None:
    """What the next who closes does: finish, and close what was begun and not turned."""
    epochs = VaultEpochs(vault)
    with epochs.alone():
        for one in epochs.standing().unfinished:
            if one.destroyed_at is None:
                epochs.check(one.epoch, Nothing)
                epochs.destroy(one.epoch, lambda: AT)
            epochs.certified(one.epoch, AT)
    if epochs.standing().destroyed_since:
        close_epoch(vault)


def whole_and_closed(place: VaultPlace, items: list[Item], copy: Any) -> None:
    """The living are there, and neither the old vault nor the old vault with its number edited opens."""
    vault = place.open()
    assert vault.open_many(TENANT, items) == [Erased(), Plain(TEXT)]
    assert VaultEpochs(vault).standing().unfinished == ()
    assert vault.keys.there() == [vault.epoch()]
    epoch = vault.epoch()
    place.close()
    place.restore(copy)
    with pytest.raises(VaultRefused):
        place.open()
    place.edit(f"UPDATE fence SET epoch = {epoch}")
    with pytest.raises(VaultRefused):
        place.open()


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_close_that_dies_at_a_numbered_step_is_resumed(vault: KeyVault, place: VaultPlace, step: int) -> None:
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, ada), sealed(vault, bob)]
    copy = place.copy()
    erase(vault, ada)
    assert run(close_and_die, place.elsewhere(), step) == 9
    assert vault.open_many(TENANT, items) == [Erased(), Plain(TEXT)]
    place.close()
    resume(place.open())
    place.close()
    whole_and_closed(place, items, copy)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_close_that_dies_at_any_message_or_touch_is_resumed(vault: KeyVault, place: VaultPlace) -> None:
    items = [sealed(vault, person(vault)), sealed(vault, person(vault, "bob"))]
    copy = place.copy()
    erase(vault, person(vault))
    place.close()
    kept = place.copy()
    shutil.copytree(place.key_dir, place.root / "kept")
    step = 0
    while True:
        step += 1
        code = run(die_while_closing, place.elsewhere(), step)
        resume(place.open())
        place.close()
        whole_and_closed(place, items, copy)
        if code == 0:
            break
        place.close()
        place.restore(kept)
        shutil.rmtree(place.key_dir)
        shutil.copytree(place.root / "kept", place.key_dir)
    assert step > 40


# --- older copies --------------------------------------------------------------------------------------------


def closed_after_an_erasure(vault: KeyVault, place: VaultPlace) -> tuple[Any, Any]:
    """All rows before the close, and after it."""
    sealed(vault, person(vault, "bob"))
    sealed(vault, person(vault))
    copy = place.copy()
    shutil.copytree(place.key_dir, place.root / "old-keys")
    erase(vault, person(vault))
    close_epoch(vault)
    today = place.copy()
    place.close()
    return copy, today


def refused(place: VaultPlace) -> None:
    """It does not open, and nothing was changed."""
    before = place.copy()
    with pytest.raises(VaultRefused):
        place.open()
    assert place.copy() == before


def test_an_old_vault_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    copy, _ = closed_after_an_erasure(vault, place)
    place.restore(copy)
    refused(place)


@pytest.mark.parametrize("rows", [(), ("epoch",)])
def test_an_old_vault_with_its_epoch_number_edited_is_refused(
    vault: KeyVault, place: VaultPlace, rows: tuple[str, ...]
) -> None:
    copy, today = closed_after_an_erasure(vault, place)
    place.restore(copy | {table: today[table] for table in rows})
    place.edit("UPDATE fence SET epoch = 2")
    refused(place)


def test_an_edited_number_is_refused_also_where_nothing_was_destroyed_or_no_key_of_the_installation_is(
    vault: KeyVault, place: VaultPlace
) -> None:
    sealed(vault, person(vault))
    copy = place.copy()
    close_epoch(vault)
    today = place.copy()
    place.close()
    place.restore(copy | {table: today[table] for table in ("epoch", "fence")})
    refused(place)
    place.restore(copy | {"tenant_key": []})
    place.edit("UPDATE fence SET epoch = 2")
    refused(place)


@pytest.mark.parametrize(
    "rows",
    [
        ("tenant_key",),
        ("tenant_key", "fence"),
        ("tenant_key", "fence", "epoch"),
        ("tenant_key", "fence", "epoch", "ledger", "destroyed_key"),
        ("tenant_key", "fence", "epoch", "directory"),
        ("tenant_key", "fence", "epoch", "subject", "directory", "ledger", "destroyed_key"),
    ],
)
def test_an_old_vault_with_todays_keys_of_tenants_is_refused(
    vault: KeyVault, place: VaultPlace, rows: tuple[str, ...]
) -> None:
    copy, today = closed_after_an_erasure(vault, place)
    place.restore(copy | {table: today[table] for table in rows})
    refused(place)


def test_an_old_vault_with_todays_keys_of_tenants_is_refused_after_more_epochs(
    vault: KeyVault, place: VaultPlace
) -> None:
    copy, _ = closed_after_an_erasure(vault, place)
    vault = place.open()
    erase(vault, person(vault, "bob", OTHER), OTHER)
    close_epoch(vault)
    today = place.copy()
    place.close()
    place.restore(copy | {table: today[table] for table in ("tenant_key", "fence", "epoch")})
    refused(place)


def test_a_new_vault_with_an_old_key_file_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    closed_after_an_erasure(vault, place)
    new = (place.key_dir / "epoch-2.key").read_bytes()
    shutil.copy(place.root / "old-keys" / "epoch-1.key", place.key_dir / "epoch-2.key")
    refused(place)
    (place.key_dir / "epoch-2.key").write_bytes(new.replace(b'"epoch": 2', b'"epoch": 1'))
    (place.key_dir / "epoch-2.key").rename(place.key_dir / "epoch-1.key")
    refused(place)


def test_a_missing_key_file_is_refused_at_the_start_and_in_a_running_process(
    vault: KeyVault, place: VaultPlace
) -> None:
    item = sealed(vault, person(vault))
    late = place.open()
    assert opened(late, item) == Plain(TEXT)
    close_epoch(vault)
    file = place.key_dir / "epoch-2.key"
    file.rename(file.with_suffix(".away"))
    with pytest.raises(VaultRefused):
        opened(late, item)
    place.close()
    refused(place)
    file.with_suffix(".away").rename(file)
    assert opened(place.open(), item) == Plain(TEXT)


def test_an_old_vault_under_a_running_process_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    item = sealed(vault, person(vault, "bob"))
    copy = place.copy()
    erase(vault, person(vault))
    close_epoch(vault)
    place.restore(copy)
    with pytest.raises(VaultRefused):
        opened(vault, item)


def test_a_key_file_that_comes_back_is_destroyed_again_and_opened_nothing(
    vault: KeyVault, place: VaultPlace
) -> None:
    closed_after_an_erasure(vault, place)
    shutil.copy(place.root / "old-keys" / "epoch-1.key", place.key_dir)
    close_epoch(place.open())
    assert [path.name for path in place.key_dir.glob("epoch-*.key")] == ["epoch-3.key"]


def test_a_destroyed_key_that_was_put_back_is_not_carried_over(vault: KeyVault, place: VaultPlace) -> None:
    ada = person(vault)
    sealed(vault, ada)
    rows = key_rows(place, TENANT)
    erase(vault, ada)
    for row in rows["data_key"]:
        place.edit(
            "INSERT INTO data_key VALUES (:tenant, :subject, :category, :period, :kid, :wrapped)",
            **dict(zip(("tenant", "subject", "category", "period", "kid", "wrapped"), row, strict=True)),
        )
    for row in rows["directory"]:
        place.edit(
            "INSERT INTO directory VALUES (:tenant, :digest, :subject, :kind, :sealed)",
            **dict(zip(("tenant", "digest", "subject", "kind", "sealed"), row, strict=True)),
        )
    close_epoch(vault)
    assert vault.living_keys(TENANT, ada) == 0


def test_a_damaged_key_stops_a_close_and_loses_nothing(vault: KeyVault, place: VaultPlace) -> None:
    bob = person(vault, "bob")
    item = sealed(vault, bob)
    erase(vault, person(vault))
    (row,) = place.rows("SELECT wrapped FROM data_key WHERE subject = :who AND period <> ''", who=bob.bytes)
    place.edit("UPDATE data_key SET wrapped = :bad WHERE wrapped = :good", bad=bytes(len(row[0])), good=row[0])
    with pytest.raises(VaultRefused, match="restored"):
        close_epoch(vault)
    assert vault.epoch() == 1
    place.edit("UPDATE data_key SET wrapped = :good WHERE wrapped = :bad", bad=bytes(len(row[0])), good=row[0])
    close_epoch(vault)
    assert opened(vault, item) == Plain(TEXT)


def test_a_damaged_key_of_a_canary_stops_a_close(
    vault: KeyVault, place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was destroyed only some keys are opened, and a canary's may be none of them."""
    monkeypatch.setattr(proving, "_CANARIES_MAX", 1)
    looked_at, canary = sorted((person(vault), person(vault, "bob")), key=lambda one: one.bytes)
    epochs = VaultEpochs(vault)
    epochs.prepare()
    epochs.turn(AT, Nothing)
    place.edit("DELETE FROM directory WHERE subject = :who", who=looked_at.bytes)
    epochs.check(1, Nothing)
    place.edit("UPDATE data_key SET wrapped = kid WHERE subject = :who", who=canary.bytes)
    with pytest.raises(VaultRefused):
        epochs.check(1, Nothing)


def test_an_epochs_key_is_never_destroyed_while_it_is_open_or_the_copy_does_not_open(
    vault: KeyVault, place: VaultPlace
) -> None:
    bob = person(vault, "bob")
    sealed(vault, bob)
    erase(vault, person(vault))
    epochs = VaultEpochs(vault)
    calls: list[Callable[[], None]] = [lambda: epochs.check(1, Nothing), lambda: epochs.destroy(1, lambda: AT)]
    for call in calls:
        with pytest.raises(VaultRefused):
            call()
    epochs.prepare()
    epochs.turn(AT, Nothing)
    for damage in (
        "UPDATE data_key SET wrapped = kid WHERE period <> ''",
        "UPDATE data_key SET kid = wrapped WHERE period = ''",
        "UPDATE directory SET digest = sealed",
        "UPDATE directory SET sealed = digest",
        "DELETE FROM data_key WHERE period = ''",
        "UPDATE tenant_key SET wrapped = (SELECT max(kid) FROM data_key) WHERE kind = 'TK'",
        "DELETE FROM tenant_key WHERE tenant = ''",
    ):
        rows = place.copy()
        place.edit(damage)
        with pytest.raises(VaultRefused):
            epochs.check(1, Nothing)
        place.restore(rows)
    file = place.key_dir / "epoch-2.key"
    file.rename(file.with_suffix(".away"))
    with pytest.raises(VaultRefused):
        epochs.check(1, Nothing)
    file.with_suffix(".away").rename(file)
    epochs.check(1, Nothing)
    assert (place.key_dir / "epoch-1.key").exists()
