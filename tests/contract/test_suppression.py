"""Whoever was erased is refused for as long as the tenant wants, by digests that say nothing else."""

import itertools
import logging
import multiprocessing
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lrs.adapters.vault.reading import digest_of
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.agents import Identifier, lookups_of
from lrs.domain.errors import NotFound, SubjectSuppressed
from lrs.domain.sealing import Erased
from lrs.ports import StaleFence
from tests.vaults import (
    AT,
    OTHER,
    TENANT,
    VaultPlace,
    close_epoch,
    die_while_suppressing,
    erase,
    mbox,
    opened,
    person,
    sealed,
    stepped,
    suppress,
)

UNTIL = datetime.fromisoformat("2126-11-23T00:00:00+00:00")
FORKS = multiprocessing.get_context("forkserver")
ACCOUNT = Identifier("account", '["https://x.example.org","ada"]')


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


def refused(vault: KeyVault, *people: Identifier, tenant: str = TENANT) -> bool:
    """Whether whoever comes with these is refused; if so, nobody got a subject."""
    before, said = vault.read(tenant).lookup(people), None
    try:
        vault.read(tenant).enrol(people)
    except SubjectSuppressed as error:
        said = str(error)
    if said is not None:
        assert not any(one.value in said for one in people)
        assert vault.read(tenant).lookup(people) == before
    return said is not None


def rows(place: VaultPlace, tenant: str = TENANT) -> list[tuple[Any, ...]]:
    """What is kept of whom a tenant refuses."""
    return sorted(
        place.rows("SELECT tenant, digest, until FROM suppression WHERE tenant = :tenant", tenant=tenant)
    )


def kinds(place: VaultPlace, tenant: str = TENANT) -> set[str]:
    """Which keys a tenant has."""
    return {row[0] for row in place.rows("SELECT kind FROM tenant_key WHERE tenant = :tenant", tenant=tenant)}


# --- who is refused -------------------------------------------------------------------------------------------


def test_whoever_was_erased_is_refused_in_every_form_and_nobody_else(vault: KeyVault, place: VaultPlace) -> None:
    ada = person(vault)
    vault.read(TENANT).enter(ada, ACCOUNT)
    other, hashed = place.open(), lookups_of(mbox("ada"))[1]
    person(other, "bob")
    suppress(vault, ada, UNTIL)
    for instance in (vault, other, place.open()):
        assert all(refused(instance, one) for one in (mbox("ada"), hashed, ACCOUNT))
        assert refused(instance, mbox("carol"), mbox("ada"), mbox("bob"))
        assert instance.read(TENANT).suppressed([hashed, mbox("bob"), mbox("carol")]) == {hashed}
        assert not refused(instance, mbox("bob"))
        assert not refused(instance, mbox("ada"), tenant=OTHER)
        assert vault.suppressed_until(TENANT, ada) == UNTIL
    assert not refused(vault, mbox("carol"))


def test_somebody_known_by_a_hash_alone_is_refused_with_the_address(vault: KeyVault) -> None:
    hashed = lookups_of(mbox("ada"))[1]
    suppress(vault, vault.read(TENANT).enrol([hashed])[hashed], UNTIL)
    assert refused(vault, mbox("ada"))


def test_without_it_somebody_seen_again_is_somebody_new(vault: KeyVault, place: VaultPlace) -> None:
    ada = person(vault)
    erase(vault, ada)
    assert person(vault) != ada
    assert (rows(place), vault.suppressed_until(TENANT, ada)) == ([], None)
    assert vault.suppressed_until(TENANT, uuid4()) is None
    assert kinds(place) == {"TK", "IK", "SK"}


def test_nobody_else_is_given_an_identifier_that_is_refused(vault: KeyVault) -> None:
    bob = person(vault, "bob")
    suppress(vault, person(vault), UNTIL)
    with pytest.raises(SubjectSuppressed):
        vault.read(TENANT).enter(bob, mbox("ada"))
    vault.read(TENANT).enter(bob, mbox("bob"))  # known already
    assert vault.read(TENANT).lookup([mbox("ada")]) == {}


def test_only_whose_erasure_has_begun_is_kept_out(vault: KeyVault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    erase(vault, bob)
    before = vault.read(TENANT).sequence
    for who in (ada, bob, uuid4(), vault.tenant_subject(TENANT)):
        vault.suppress(TENANT, who, UNTIL)
    assert (rows(place), vault.read(TENANT).sequence) == ([], before)
    assert person(vault) == ada
    with pytest.raises(NotFound):
        vault.suppress("nobody", ada, UNTIL)


def test_asked_again_before_the_keys_are_gone_the_last_word_counts(vault: KeyVault, place: VaultPlace) -> None:
    ada = person(vault)
    vault.begin_erasure(TENANT, ada)
    vault.suppress(TENANT, ada, AT)
    first = rows(place)
    suppress(vault, ada, UNTIL)
    assert [row[:2] for row in rows(place)] == [row[:2] for row in first]
    vault.suppress(TENANT, ada, AT)  # now there is nothing to be done any more
    assert {row[2] for row in rows(place)} == {int(UNTIL.timestamp())}
    assert vault.suppressed_until(TENANT, ada) == UNTIL


def test_who_read_the_fence_before_enrols_nobody_after(vault: KeyVault, place: VaultPlace) -> None:
    ada, reading = person(vault), place.open().read(TENANT)
    suppress(vault, ada, UNTIL)
    with pytest.raises(StaleFence):
        reading.enrol([mbox("ada")])


def test_the_known_cost_nothing_and_the_unknown_one_question(vault: KeyVault) -> None:
    said: list[str] = []
    listening = stepped(vault, said.append)

    def questions(*people: Identifier) -> int:
        said.clear()
        listening.read(TENANT).enrol(people)
        return sum("FROM suppression" in one for one in said)

    ada = person(vault)
    assert questions(mbox("bob"), mbox("carol")) == 0  # nobody is refused
    suppress(vault, ada, UNTIL)
    assert questions(mbox("bob"), mbox("carol")) == 0
    assert questions(mbox("bob"), mbox("dora"), mbox("erin")) == 1


# --- what is kept ---------------------------------------------------------------------------------------------


def test_what_is_kept_names_no_subject_and_is_no_digest_of_the_directory(
    vault: KeyVault, place: VaultPlace
) -> None:
    ada = person(vault)
    pepper = vault.read(TENANT)._keys.pepper
    plain = [digest_of(pepper, form) for form in lookups_of(mbox("ada"))]
    assert all(_found(place, one) for one in plain)  # so they would be found
    suppress(vault, ada, UNTIL)
    assert not any(_found(place, one) for one in plain)
    (columns,) = {len(row) for row in place.rows("SELECT * FROM suppression")}
    assert columns == 3
    assert not any(ada.bytes in row for row in rows(place))
    assert len(rows(place)) == 2


def _found(place: VaultPlace, value: bytes) -> bool:
    return any(value in row for found in place.copy().values() for row in found)


def test_of_one_person_two_tenants_keep_nothing_that_is_the_same(vault: KeyVault, place: VaultPlace) -> None:
    for tenant in (TENANT, OTHER):
        suppress(vault, person(vault, tenant=tenant), UNTIL, tenant)
    ours, theirs = ({row[1] for row in rows(place, tenant)} for tenant in (TENANT, OTHER))
    assert len(ours) == len(theirs) == 2
    assert ours.isdisjoint(theirs)


def test_a_tenant_that_leaves_takes_it_along(vault: KeyVault, place: VaultPlace) -> None:
    suppress(vault, person(vault), UNTIL)
    suppress(vault, person(vault, tenant=OTHER), UNTIL, OTHER)
    vault.destroy_tenant(TENANT)
    assert (rows(place), kinds(place)) == ([], set())
    assert refused(vault, mbox("ada"), tenant=OTHER)
    vault.create_tenant(TENANT)
    assert not refused(vault, mbox("ada"))


def test_what_does_not_open_is_not_refused_and_holds_up_no_erasure(
    vault: KeyVault, place: VaultPlace, caplog: pytest.LogCaptureFixture
) -> None:
    for name, damage in {
        "ada": "UPDATE data_key SET wrapped = :noise WHERE subject = :subject",
        "bob": "UPDATE directory SET sealed = :noise WHERE subject = :subject AND kind = 'mbox_sha1sum'",
        "carol": "DELETE FROM data_key WHERE subject = :subject",
    }.items():
        subject = person(vault, name)
        noise = {} if name == "carol" else {"noise": bytes(80)}
        place.edit(damage, subject=subject.bytes, **noise)
        with caplog.at_level(logging.WARNING):
            suppress(vault, subject, UNTIL)
        assert "does not open" in caplog.text
        assert name not in caplog.text
        caplog.clear()
        assert (rows(place), vault.suppressed_until(TENANT, subject)) == ([], None)
        assert vault.living_keys(TENANT, subject) == 0
        assert not refused(vault, mbox(name))


# --- until when -----------------------------------------------------------------------------------------------


def test_nobody_is_refused_from_the_day_on(vault: KeyVault, place: VaultPlace) -> None:
    suppress(vault, person(vault), UNTIL)
    vault.now = lambda: UNTIL - timedelta(seconds=1)
    assert refused(vault, mbox("ada"))
    vault.now = lambda: UNTIL
    assert not refused(vault, mbox("ada"))
    assert vault.read(TENANT).suppressed([mbox("ada")]) == frozenset()


def test_whose_day_has_come_is_forgotten_when_an_epoch_is_closed_and_the_key_with_the_last(
    vault: KeyVault, place: VaultPlace
) -> None:
    for name, until in {"ada": AT, "bob": AT + timedelta(seconds=1)}.items():
        suppress(vault, person(vault, name), until)
    suppress(vault, person(vault, tenant=OTHER), AT, OTHER)
    close_epoch(vault)  # at AT
    assert {row[2] for row in rows(place)} == {int(AT.timestamp()) + 1}
    assert (rows(place, OTHER), kinds(place, OTHER)) == ([], {"TK", "IK", "SK"})
    assert kinds(place) == {"TK", "IK", "SK", "RK"}
    vault.now = lambda: AT
    assert refused(vault, mbox("bob"))
    assert not refused(vault, mbox("ada"))


def test_it_outlives_an_epoch_with_the_tenants_new_keys(vault: KeyVault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    other = place.open()
    suppress(vault, ada, UNTIL)
    assert refused(other, mbox("ada"))
    kept, keys = rows(place), place.rows("SELECT kind, wrapped FROM tenant_key WHERE tenant = :t", t=TENANT)
    for instance in (vault, other):  # the second in an epoch in which nothing was destroyed
        close_epoch(instance)
        assert rows(place) == kept
        assert not set(place.rows("SELECT kind, wrapped FROM tenant_key WHERE tenant = :t", t=TENANT)) & set(keys)
        for one in (vault, other, place.open()):
            assert refused(one, mbox("ada"))
            assert person(one, "bob") == bob


def test_who_is_readmitted_is_somebody_new(vault: KeyVault, place: VaultPlace) -> None:
    ada, other = person(vault), place.open()
    suppress(vault, ada, UNTIL)
    suppress(vault, person(vault, "bob"), UNTIL)
    assert refused(other, mbox("ada"))
    assert vault.readmit(OTHER, mbox("ada")) == 0
    assert vault.readmit(TENANT, mbox("carol")) == 0
    assert vault.readmit(TENANT, mbox("ada")) == 2
    assert vault.readmit(TENANT, mbox("ada")) == 0
    assert (len(rows(place)), "RK" in kinds(place)) == (2, True)
    assert person(other) != ada
    assert refused(other, mbox("bob"))
    assert vault.readmit(TENANT, mbox("bob")) == 2
    assert (rows(place), kinds(place)) == ([], {"TK", "IK", "SK"})
    with pytest.raises(NotFound):
        vault.readmit("nobody", mbox("ada"))


def test_the_next_who_is_refused_is_so_under_another_key(vault: KeyVault, place: VaultPlace) -> None:
    other = place.open()
    suppress(vault, person(vault), UNTIL)
    before = rows(place)
    assert refused(other, mbox("ada"))
    vault.readmit(TENANT, mbox("ada"))
    suppress(other, person(vault), UNTIL)
    assert {row[1] for row in rows(place)}.isdisjoint({row[1] for row in before})
    assert refused(vault, mbox("ada"))
    assert refused(other, mbox("ada"))


# --- crashes and copies ---------------------------------------------------------------------------------------


def test_a_copy_from_after_refuses_and_one_from_before_can_not(vault: KeyVault, place: VaultPlace) -> None:
    """A ledger names no identifier: what it destroys again in an old copy, nobody can be told from."""
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, ada), sealed(vault, bob)]
    suppress(vault, ada, UNTIL)
    copy = place.copy()
    suppress(vault, bob, UNTIL)
    place.close()
    place.restore(copy)
    again = place.open()
    assert again.open_many(TENANT, items) == [Erased(), Erased()]
    assert refused(again, mbox("ada"))
    assert not refused(again, mbox("bob"))
    assert again.suppressed_until(TENANT, bob) is None  # and no certificate says otherwise


def test_wherever_it_dies_nobody_is_erased_without_being_refused(vault: KeyVault, place: VaultPlace) -> None:
    FORKS.set_forkserver_preload(["tests.vaults"])
    ada = person(vault)
    item = sealed(vault, ada)
    vault.begin_erasure(TENANT, ada)
    place.close()
    states: list[tuple[bool, bool]] = []
    for step in itertools.count(1):
        copy = place.twin(f"copies/{step}")
        died = _died(copy, ada, step)
        again = copy.open()
        states.append((bool(rows(copy)), opened(again, item) == Erased()))
        assert (again.suppressed_until(TENANT, ada) == UNTIL) == bool(rows(copy))
        suppress(again, ada, UNTIL)
        assert opened(again, item) == Erased()
        assert refused(again, mbox("ada"))
        assert again.suppressed_until(TENANT, ada) == UNTIL
        copy.remove()
        if died == 0:
            break
    assert list(dict.fromkeys(states)) == [(False, False), (True, False), (True, True)]
    assert states == sorted(states)


def _died(place: VaultPlace, subject: UUID, step: int) -> int | None:
    arguments: Sequence[Any] = (place.elsewhere(), subject, UNTIL, step)
    dies = FORKS.Process(target=die_while_suppressing, args=arguments, daemon=True)
    dies.start()
    dies.join()
    assert dies.exitcode in {0, 9}
    return dies.exitcode
