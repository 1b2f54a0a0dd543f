"""Tombstones: they say of a dead envelope what the envelope said, and of a living one that somebody lies."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from lrs.domain.envelopes import framed, tombstone_of
from lrs.domain.sealing import Category, Corrupt, Denied, Outcome, Place, Sealed, Slot
from lrs.ports import Vault
from tests.vaults import AT, OTHER, PERIOD, TENANT, TEXT, Item, VaultPlace, erase, opened, person, somewhere

SEALS = {"one key": (1, False), "any of": (3, False), "all of": (3, True)}


@pytest.fixture
def vault(vault_place: VaultPlace) -> Vault:
    made = vault_place.open()
    made.create_tenant(TENANT)
    return made


def buried(item: Item) -> Item:
    """The same after compaction."""
    return item[0], Sealed(tombstone_of(item[1].envelope))


def made(vault: Vault, kind: str) -> tuple[list[UUID], Item]:
    """Owners, and something that is sealed for them."""
    count, all_of = SEALS[kind]
    owners = [person(vault, name) for name in ("ada", "grace", "alan")[:count]]
    reading, place = vault.read(TENANT), somewhere()
    reading.ensure([Slot(owner, Category.LEARNING, PERIOD) for owner in owners])
    return owners, (place, reading.seal(owners, Category.LEARNING, PERIOD, place, TEXT, all_of=all_of))


@pytest.mark.parametrize("kind", SEALS)
def test_a_tombstone_says_what_the_dead_envelope_said(vault: Vault, vault_place: VaultPlace, kind: str) -> None:
    """Through every way in which owners can go, one after the other: expired, being erased, erased."""
    owners, item = made(vault, kind)
    said: list[Outcome] = []
    for number, owner in enumerate(owners):
        if number == 1:
            vault_place.expire(vault, TENANT, Slot(owner, Category.LEARNING, PERIOD))
        else:
            vault.begin_erasure(TENANT, owner)
            if opened(vault, item) != Denied():
                said.append(opened(vault, item))
            erase(vault, owner)
        dead = vault.dead(TENANT, AT + timedelta(days=9_999))
        if framed(item[1].envelope).is_dead(dead):
            assert opened(vault, buried(item)) == opened(vault, item) == opened(vault_place.open(), buried(item))
            said.append(opened(vault, item))
    assert len(said) >= 1


@pytest.mark.parametrize("kind", SEALS)
def test_a_tombstone_whose_key_lives_is_an_alarm(vault: Vault, kind: str) -> None:
    owners, item = made(vault, kind)
    outcome = opened(vault, buried(item))
    assert isinstance(outcome, Corrupt)
    assert "tombstone" in outcome.reason
    for owner in owners[1:] if kind == "any of" else ():
        erase(vault, owner)
        assert isinstance(opened(vault, buried(item)), Corrupt)


def test_a_tombstone_of_an_unknown_key_is_an_alarm(vault: Vault, vault_place: VaultPlace) -> None:
    _, item = made(vault, "one key")
    vault_place.edit("DELETE FROM data_key WHERE category = 'learning'")
    assert isinstance(opened(vault_place.open(), buried(item)), Corrupt)
    malformed = Sealed(buried(item)[1].envelope[:-1])
    assert isinstance(opened(vault, (item[0], malformed)), Corrupt)


def test_the_dead_keys_of_a_tenant_are_those_of_the_ledger_up_to_a_time(
    vault: Vault, vault_place: VaultPlace
) -> None:
    vault.create_tenant(OTHER)
    (ada, grace, _), item = made(vault, "any of")
    kids = framed(item[1].envelope).kids
    assert vault.dead(TENANT, AT) == frozenset()
    vault.begin_erasure(TENANT, ada)
    gone = vault.destroy(TENANT, ada, AT)
    assert vault.dead(TENANT, AT - timedelta(seconds=1)) == frozenset()
    assert vault.dead(TENANT, AT) == frozenset(gone.kids) > {kids[0]}
    assert vault.dead(OTHER, datetime.now(UTC)) == frozenset()
    vault_place.expire(vault, TENANT, Slot(grace, Category.LEARNING, PERIOD))
    assert vault.dead(TENANT, datetime.now(UTC) + timedelta(days=9_999)) == {*gone.kids, kids[1]}
    vault.destroy_tenant(TENANT)
    assert kids[2] not in vault.dead(TENANT, datetime.now(UTC) + timedelta(days=9_999))


def test_a_place_is_no_part_of_a_tombstone(vault: Vault) -> None:
    """What was moved is another leaf's business: the verdict is that of the keys."""
    (ada,), item = made(vault, "one key")
    erase(vault, ada)
    moved = Place(item[0].stream, 9, "other", "other")
    assert opened(vault, (moved, buried(item)[1])) == opened(vault, buried(item))
