"""What is sealed for all its owners together: it opens with the keys of all of them, and dies with the first."""

from itertools import combinations
from uuid import UUID

import pytest

from lrs.adapters.vault import envelope
from lrs.domain.sealing import Category, Corrupt, Denied, Erased, Expired, Place, Plain, Sealed, Slot
from lrs.ports import Vault
from tests.vaults import PERIOD, TENANT, TEXT, Item, VaultPlace, erase, opened, person, somewhere

NAMES = ("ada", "grace", "alan")


@pytest.fixture
def vault(vault_place: VaultPlace) -> Vault:
    made = vault_place.open()
    made.create_tenant(TENANT)
    return made


def sealed_for_all(vault: Vault, owners: list[UUID], data: bytes = TEXT) -> Item:
    reading = vault.read(TENANT)
    reading.ensure([Slot(owner, Category.ATTACHMENTS, PERIOD) for owner in owners])
    place = somewhere()
    return place, reading.seal(owners, Category.ATTACHMENTS, PERIOD, place, data, all_of=True)


def test_it_opens_while_all_live_and_in_another_process(vault: Vault, vault_place: VaultPlace) -> None:
    owners = [person(vault, name) for name in NAMES]
    for some in (owners, owners[:2], owners[:1]):
        item = sealed_for_all(vault, some)
        assert opened(vault, item) == opened(vault_place.open(), item) == Plain(TEXT)


def test_it_is_denied_while_one_is_being_erased_and_erased_with_the_first(vault: Vault) -> None:
    owners = [person(vault, name) for name in NAMES]
    item = sealed_for_all(vault, owners)
    rest = sealed_for_all(vault, owners[1:])
    vault.begin_erasure(TENANT, owners[0])
    assert opened(vault, item) == Denied()
    erase(vault, owners[0])
    assert (opened(vault, item), opened(vault, rest)) == (Erased(), Plain(TEXT))
    vault.begin_erasure(TENANT, owners[1])
    assert opened(vault, item) == Erased()  # for ever, whoever else may not be read for now
    for owner in owners[1:]:
        erase(vault, owner)
    assert (opened(vault, item), opened(vault, rest)) == (Erased(), Erased())


def test_it_expires_with_the_first_key_that_does(vault: Vault, vault_place: VaultPlace) -> None:
    owners = [person(vault, name) for name in NAMES]
    item = sealed_for_all(vault, owners)
    vault_place.expire(vault, TENANT, Slot(owners[1], Category.ATTACHMENTS, PERIOD))
    assert opened(vault, item) == Expired()
    erase(vault, owners[0])
    assert opened(vault, item) == Erased()


def test_a_key_that_is_missing_is_an_alarm_whoever_else_is_erased(vault: Vault, vault_place: VaultPlace) -> None:
    owners = [person(vault, name) for name in NAMES]
    item = sealed_for_all(vault, owners)
    vault_place.edit(
        "DELETE FROM data_key WHERE subject = :subject AND category = 'attachments'", subject=owners[2].bytes
    )
    again = vault_place.open()
    assert isinstance(opened(again, item), Corrupt)
    erase(again, owners[0])
    assert isinstance(opened(again, item), Corrupt)


def test_it_opens_nowhere_else_and_not_altered(vault: Vault) -> None:
    owners = [person(vault, name) for name in NAMES]
    place, seal = sealed_for_all(vault, owners)
    elsewhere = [place._replace(version=2), place._replace(part="other"), place._replace(topic="x"), somewhere()]
    assert all(isinstance(opened(vault, (other, seal)), Corrupt) for other in elsewhere)
    data = seal.envelope
    for at in range(0, len(data), 7):
        altered = Sealed(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        assert isinstance(opened(vault, (place, altered)), Corrupt), at


def test_owners_can_not_be_taken_out_put_in_or_reordered(vault: Vault) -> None:
    """By somebody who can make the checks of accidents fit; the seal itself finds it."""
    owners = [person(vault, name) for name in NAMES]
    place, seal = sealed_for_all(vault, owners)
    found = envelope._parse_shared(seal.envelope)
    other = envelope._parse_shared(sealed_for_all(vault, owners)[1].envelope)
    chosen = [list(some) for count in (2, 3) for some in combinations(found.shares, count)]
    chosen += [
        list(reversed(found.shares)),
        [*found.shares, other.shares[0]],
        [*found.shares[:2], other.shares[2]],
    ]
    chosen = [shares for shares in chosen if tuple(shares) != found.shares]
    for shares in chosen:
        opening = b"".join([seal.envelope[:3], len(shares).to_bytes(2, "big"), *map(b"".join, shares)])
        forged = Sealed(opening + envelope.nonce_after(opening) + found.ciphertext)
        assert isinstance(opened(vault, (place, forged)), Corrupt)


def test_the_same_place_tells_the_two_kinds_apart(vault: Vault) -> None:
    owners = [person(vault, name) for name in NAMES[:2]]
    place: Place = somewhere()
    reading = vault.read(TENANT)
    reading.ensure([Slot(owner, Category.ATTACHMENTS, PERIOD) for owner in owners])
    seals = [
        reading.seal(owners, Category.ATTACHMENTS, PERIOD, place, TEXT, all_of=all_of) for all_of in (False, True)
    ]
    erase(vault, owners[0])
    assert [opened(vault, (place, one)) for one in seals] == [Plain(TEXT), Erased()]
