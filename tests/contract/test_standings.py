"""How people stand in the vault, in every instance: denied, waiting, held, corrected."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from lrs.adapters.vault.schema import TABLES
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.agents import Identifier, lookups_of
from lrs.domain.errors import IdentifierTaken, KeyStoreUnavailable, LegalHold
from lrs.domain.sealing import Category, Denied, Erased, Plain
from lrs.domain.subjects import Standing, State
from lrs.ports import StaleFence
from tests.vaults import AT, OTHER, TENANT, TEXT, Item, VaultPlace, erase, mbox, opened, person, sealed

Step = Callable[[Standing], Standing]
REQUEST = uuid4()
DENYING: dict[str, tuple[Step, Step]] = {
    "pending": (lambda one: one.wait(REQUEST), lambda one: one.take_back(REQUEST)),
    "restricted": (
        lambda one: one.restrict(restricted=True),
        lambda one: one.restrict(restricted=False),
    ),
}


@pytest.fixture
def place(vault_place: VaultPlace) -> VaultPlace:
    """A place for the keys alone."""
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> KeyVault:
    vault = place.open()
    for tenant in (TENANT, OTHER):
        vault.create_tenant(tenant)
    return vault


@pytest.mark.parametrize("how", DENYING)
def test_who_is_denied_is_read_nowhere_but_inside_and_written_as_ever(
    vault: KeyVault, place: VaultPlace, how: str
) -> None:
    deny, allow = DENYING[how]
    ada, bob, other = person(vault), person(vault, "bob"), place.open()
    items = [sealed(vault, ada), sealed(vault, bob), sealed(vault, ada, bob)]
    whole = [Plain(TEXT)] * 3
    for _ in range(2):
        for instance in (vault, other):
            assert instance.open_many(TENANT, items, keep=True) == whole
        before = vault.read(TENANT).sequence
        assert other.take(TENANT, [ada], deny)[0].denied
        for instance in (vault, other, place.open()):
            reading = instance.read(TENANT)
            assert (reading.denied, reading.erasing) == (frozenset({ada}), frozenset())
            assert reading.sequence == before + 1
            assert instance.open_many(TENANT, items, inside=True) == whole
            assert instance.open_many(TENANT, items, keep=True, inside=True) == whole
            for keep in (False, True):
                assert instance.open_many(TENANT, items, keep=keep) == [Denied(), Plain(TEXT), Plain(TEXT)]
            assert instance.open_corrected(TENANT, items) == ([Denied(), Plain(TEXT), Plain(TEXT)], {})
            assert reading.enrol([mbox("ada")]) == {mbox("ada"): ada}
            late = sealed(instance, ada, period="1999")
            assert opened(instance, late) == Denied()
            assert instance.open_many(TENANT, [late], inside=True) == [Plain(TEXT)]
        assert vault.read(OTHER).denied == frozenset()
        vault.take(TENANT, [ada], allow)
        for instance in (vault, other, place.open()):
            assert instance.read(TENANT).denied == frozenset()
            assert instance.open_many(TENANT, items, keep=True) == whole


def test_who_is_being_erased_is_read_and_written_nowhere(vault: KeyVault) -> None:
    ada = person(vault)
    item = sealed(vault, ada)
    vault.take(TENANT, [ada], lambda one: one.restrict(restricted=True))
    vault.begin_erasure(TENANT, ada)
    reading = vault.read(TENANT)
    assert (reading.denied, reading.erasing) == (frozenset({ada}), frozenset({ada}))
    assert vault.open_many(TENANT, [item], inside=True) == [Denied()]
    with pytest.raises(StaleFence):
        sealed(vault, ada, period="1999")
    with pytest.raises(StaleFence):
        reading.enter(ada, mbox("new"))
    vault.destroy(TENANT, ada, AT)
    assert vault.open_many(TENANT, [item], inside=True) == [Erased()]
    assert vault.read(TENANT).denied == frozenset()
    assert vault.standings(TENANT, [ada]) == [
        Standing(State.ERASED, changed=vault.standings(TENANT, [ada])[0].changed)
    ]


def test_a_step_is_of_all_or_of_none_and_moves_the_fence_once_if_at_all(vault: KeyVault) -> None:
    ada, bob = person(vault), person(vault, "bob")
    before = vault.read(TENANT).sequence
    held = vault.take(TENANT, [bob], lambda one: one.hold(held=True))
    assert held == [Standing(held=True, changed=before + 1)]
    assert vault.take(TENANT, [bob], lambda one: one.hold(held=True)) == held  # nothing changed
    assert vault.read(TENANT).sequence == before + 1
    with pytest.raises(LegalHold):
        vault.take(TENANT, [ada, bob], Standing.begin_erasure)
    with pytest.raises(LegalHold):
        vault.begin_erasure(TENANT, bob)
    assert vault.standings(TENANT, [ada, bob]) == [Standing(), *held]
    assert vault.read(TENANT).sequence == before + 1
    both = vault.take(TENANT, [ada, bob], lambda one: one.restrict(restricted=True))
    assert [one.changed for one in both] == [before + 2] * 2
    assert vault.read(TENANT).denied == {ada, bob}


def test_nobody_unknown_steps_nor_what_stands_for_no_person(vault: KeyVault) -> None:
    before = vault.read(TENANT).sequence
    nobody = [uuid4(), vault.tenant_subject(TENANT), person(vault, tenant=OTHER)]
    assert vault.take(TENANT, nobody, lambda one: one.restrict(restricted=True)) == []
    assert vault.standings(TENANT, nobody) == []
    assert vault.read(TENANT).sequence == before


def test_all_that_waits_is_kept(vault: KeyVault, place: VaultPlace) -> None:
    ada, requests = person(vault), [uuid4() for _ in range(5)]
    for request in requests:
        vault.take(TENANT, [ada], lambda one, request=request: one.wait(request))  # type: ignore[misc]
    assert place.open().standings(TENANT, [ada])[0].waiting == set(requests)
    for request in requests:
        assert vault.standings(TENANT, [ada])[0].state is State.PENDING
        vault.take(TENANT, [ada], lambda one, request=request: one.take_back(request))  # type: ignore[misc]
    assert vault.standings(TENANT, [ada])[0].state is State.LIVE


def test_a_hold_and_an_erasure_at_once_one_of_them_wins(vault: KeyVault, place: VaultPlace) -> None:
    other = place.open()
    for number in range(8):
        subject = person(vault, f"p{number}")
        start = threading.Barrier(2)
        failed: list[LegalHold] = []

        def hold(subject: UUID = subject, start: threading.Barrier = start) -> None:
            start.wait(20)
            vault.take(TENANT, [subject], lambda one: one.hold(held=True))

        thread = threading.Thread(target=hold)
        thread.start()
        start.wait(20)
        try:
            other.begin_erasure(TENANT, subject)
        except LegalHold as error:
            failed.append(error)
        thread.join(20)
        (stands,) = vault.standings(TENANT, [subject])
        assert (stands.state, stands.held) == ((State.LIVE, True) if failed else (State.ERASING, False))


def test_a_vault_that_is_gone_says_nothing_of_standings(vault: KeyVault, place: VaultPlace) -> None:
    ada = person(vault)
    item = sealed(vault, ada)
    place.take_away(vault)
    calls: list[Callable[[], object]] = [
        lambda: vault.standings(TENANT, [ada]),
        lambda: vault.take(TENANT, [ada], lambda one: one.hold(held=True)),
    ]
    for call in calls:
        with pytest.raises(KeyStoreUnavailable):
            call()
    outcomes, corrected = vault.open_corrected(TENANT, [item])
    assert (len(outcomes), corrected) == (1, {})
    assert not isinstance(outcomes[0], Plain)


# --- corrections and identifiers -----------------------------------------------------------------------------


def test_who_was_corrected_is_known_with_what_is_opened(vault: KeyVault, place: VaultPlace) -> None:
    ada, bob, other = person(vault), person(vault, "bob"), place.open()
    items: list[Item] = [sealed(vault, ada), sealed(vault, bob)]
    whole = [Plain(TEXT)] * 2
    for instance in (vault, other):
        assert instance.open_corrected(TENANT, items) == (whole, {})
    for number in (7, 9, 8):
        other.take(TENANT, [ada], lambda one, number=number: one.correct(number))  # type: ignore[misc]
    for instance in (vault, other, place.open()):
        assert instance.open_corrected(TENANT, items) == (whole, {ada: 9})
        assert instance.open_corrected(TENANT, []) == ([], {ada: 9})
        assert instance.open_corrected(OTHER, []) == ([], {})
        assert instance.read(TENANT).denied == frozenset()
    assert vault.open_corrected(TENANT, items * 300) == (whole * 300, {ada: 9})
    erase(vault, ada)
    assert other.open_corrected(TENANT, items) == ([Erased(), Plain(TEXT)], {})


@pytest.mark.parametrize("new", [mbox("new"), Identifier("account", "x"), lookups_of(mbox("new"))[1]])
def test_a_new_identifier_leads_to_the_person_beside_the_old_one(
    vault: KeyVault, place: VaultPlace, new: Identifier
) -> None:
    ada, keys = person(vault), vault.living_keys(TENANT, person(vault))
    for instance in (vault, place.open()):
        instance.read(TENANT).enter(ada, new)
    forms = lookups_of(new)
    for instance in (vault, place.open()):
        assert instance.read(TENANT).lookup([*forms, mbox("ada")]) == dict.fromkeys([*forms, mbox("ada")], ada)
        assert instance.read(TENANT).enrol([new]) == {new: ada}
    assert vault.living_keys(TENANT, ada) == keys + len(forms)
    assert vault.read(OTHER).lookup(forms) == {}
    erase(vault, ada)
    assert place.open().read(TENANT).lookup([*forms, mbox("ada")]) == {}


def test_an_identifier_of_another_in_any_form_is_taken(vault: KeyVault) -> None:
    ada, hashed = person(vault), lookups_of(mbox("eve"))[1]
    eve = vault.read(TENANT).enrol([hashed])[hashed]
    for taken in (hashed, mbox("eve")):
        with pytest.raises(IdentifierTaken):
            vault.read(TENANT).enter(ada, taken)
    assert vault.read(TENANT).lookup([hashed, mbox("ada")]) == {hashed: eve, mbox("ada"): ada}


def test_an_identifier_is_entered_under_a_reading_that_still_stands(vault: KeyVault) -> None:
    ada = person(vault)
    reading = vault.read(TENANT)
    vault.begin_erasure(TENANT, person(vault, "bob"))
    with pytest.raises(StaleFence):
        reading.enter(ada, mbox("new"))
    assert vault.read(TENANT).lookup([mbox("new")]) == {}


def test_an_identifier_that_is_entered_and_enrolled_at_once_is_one_persons(
    vault: KeyVault, place: VaultPlace
) -> None:
    other = place.open()
    for number in range(8):
        ada, new = person(vault, f"p{number}"), mbox(f"new{number}")
        start = threading.Barrier(2)
        found: dict[Identifier, UUID] = {}

        def enrol(
            start: threading.Barrier = start, new: Identifier = new, found: dict[Identifier, UUID] = found
        ) -> None:
            start.wait(20)
            found.update(other.read(TENANT).enrol([new]))

        thread = threading.Thread(target=enrol)
        thread.start()
        start.wait(20)
        taken = False
        try:
            vault.read(TENANT).enter(ada, new)
        except IdentifierTaken:
            taken = True
        thread.join(20)
        assert (found[new] != ada) is taken
        assert vault.read(TENANT).lookup([new]) == found


def test_who_is_noted_is_found_without_walking_all_people(tmp_path: Path) -> None:
    """The embedded database has no statistics: it would walk the table whenever the fence moved."""
    with closing(sqlite3.connect(tmp_path / "vault.db")) as connection:
        for sql in TABLES:
            connection.execute(sql)
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT subject, state, restricted, corrected FROM subject"
            " WHERE tenant = ? AND noted > 0",
            ("acme",),
        ).fetchall()
    assert "USING INDEX subject_noted (tenant=? AND noted>?)" in plan[0][3]


def test_categories_are_all_denied(vault: KeyVault) -> None:
    ada = person(vault)
    items = [sealed(vault, ada, category=category) for category in Category]
    vault.take(TENANT, [ada], lambda one: one.restrict(restricted=True))
    assert set(vault.open_many(TENANT, items)) == {Denied()}
