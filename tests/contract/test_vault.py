"""The port of the vault, over every adapter."""

import hashlib
import multiprocessing
import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lrs.adapters.vault import expiring, reading
from lrs.adapters.vault.reading import directory_place
from lrs.domain.agents import Identifier
from lrs.domain.errors import KeyStoreUnavailable, LimitExceeded, NotFound, VaultRefused
from lrs.domain.kept_heads import KeptHead
from lrs.domain.sealing import (
    ERASED,
    EXPIRED,
    Category,
    Corrupt,
    Denied,
    Destroyed,
    Erased,
    Expired,
    Fate,
    Place,
    Plain,
    Sealed,
    Slot,
    Unavailable,
)
from lrs.ports import StaleFence, Vault
from tests.vaults import (
    AT,
    OTHER,
    PERIOD,
    TENANT,
    TEXT,
    VaultPlace,
    answer_openings,
    erase,
    mbox,
    opened,
    person,
    sealed,
    somewhere,
)


@pytest.fixture
def place(vault_place: VaultPlace) -> VaultPlace:
    """A place for the keys alone."""
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> Vault:
    vault = place.open()
    vault.create_tenant(TENANT)
    vault.create_tenant(OTHER)
    return vault


# --- tenants -------------------------------------------------------------------------------------------------


def test_a_tenant_made_twice_keeps_its_keys(vault: Vault) -> None:
    key, subject = vault.public_key(TENANT), vault.tenant_subject(TENANT)
    item = sealed(vault, subject)
    vault.create_tenant(TENANT)
    assert (vault.public_key(TENANT), vault.tenant_subject(TENANT)) == (key, subject)
    assert opened(vault, item) == Plain(TEXT)


def test_two_tenants_have_different_keys_and_subjects(vault: Vault) -> None:
    assert vault.public_key(TENANT) != vault.public_key(OTHER)
    assert vault.tenant_subject(TENANT) != vault.tenant_subject(OTHER)


CALLS: dict[str, Callable[[Vault], object]] = {
    "read": lambda vault: vault.read("nobody"),
    "tenant_subject": lambda vault: vault.tenant_subject("nobody"),
    "open_many": lambda vault: vault.open_many("nobody", [(somewhere(), Sealed(b""))]),
    "sign": lambda vault: vault.sign("nobody", b""),
    "public_key": lambda vault: vault.public_key("nobody"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_tenant_is_not_found(vault: Vault, call: str) -> None:
    with pytest.raises(NotFound):
        CALLS[call](vault)


def test_a_destroyed_tenant_opens_nothing_in_any_instance_and_leaves_its_neighbour_whole(
    vault: Vault, place: VaultPlace
) -> None:
    other_instance = place.open()
    mine, theirs = sealed(vault, person(vault)), sealed(vault, person(vault, tenant=OTHER), tenant=OTHER)
    assert opened(other_instance, mine) == Plain(TEXT)
    vault.destroy_tenant(TENANT)
    vault.destroy_tenant(TENANT)
    for instance in (vault, other_instance, place.open()):
        with pytest.raises(NotFound):
            opened(instance, mine)
        assert opened(instance, theirs, OTHER) == Plain(TEXT)


def test_a_tenant_made_anew_under_an_old_name_opens_nothing_of_the_old_one(vault: Vault) -> None:
    key, subject, item = vault.public_key(TENANT), person(vault), sealed(vault, person(vault))
    vault.destroy_tenant(TENANT)
    vault.create_tenant(TENANT)
    assert vault.public_key(TENANT) != key
    assert person(vault) != subject
    assert isinstance(opened(vault, item), Corrupt)


def test_a_signature_checks_with_the_tenants_public_key_only(vault: Vault) -> None:
    signature = vault.sign(TENANT, b"certificate")
    Ed25519PublicKey.from_public_bytes(vault.public_key(TENANT)).verify(signature, b"certificate")
    for key, message in ((OTHER, b"certificate"), (TENANT, b"another")):
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(vault.public_key(key)).verify(signature, message)


# --- people --------------------------------------------------------------------------------------------------


def test_a_subject_is_found_only_after_it_was_enrolled(vault: Vault) -> None:
    assert vault.read(TENANT).lookup([mbox("ada")]) == {}
    subject = person(vault)
    assert vault.read(TENANT).lookup([mbox("ada"), mbox("bob")]) == {mbox("ada"): subject}


def test_enrolling_again_gives_the_same_subject_in_every_instance(vault: Vault, place: VaultPlace) -> None:
    subject = person(vault)
    assert person(vault) == subject
    assert person(place.open()) == subject


def test_two_tenants_never_share_a_subject(vault: Vault) -> None:
    assert person(vault) != person(vault, tenant=OTHER)


def test_subject_ids_are_random(vault: Vault) -> None:
    names = [mbox(f"p{number}") for number in range(50)]
    subjects = vault.read(TENANT).enrol(names)
    assert len(set(subjects.values())) == 50
    assert {subject.version for subject in subjects.values()} == {4}


def sha1_of(identifier: Identifier) -> Identifier:
    return Identifier("mbox_sha1sum", hashlib.sha1(identifier.value.encode()).hexdigest())  # noqa: S324


def test_an_mbox_is_known_by_its_sha1_too(vault: Vault) -> None:
    subject = person(vault)
    assert vault.read(TENANT).enrol([sha1_of(mbox("ada"))]) == {sha1_of(mbox("ada")): subject}


def test_an_identifier_is_sealed_for_the_place_where_it_is_opened(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One function says where, for who seals and for who opens."""
    asked: list[tuple[UUID, str]] = []

    def place_of(subject: UUID, kind: str) -> Place:
        asked.append((subject, kind))
        return directory_place(subject, kind)

    monkeypatch.setattr(reading, "directory_place", place_of)
    subject = person(vault)
    assert asked == [(subject, "mbox"), (subject, "mbox_sha1sum")]


def test_a_sha1_is_known_by_its_mbox_too(vault: Vault) -> None:
    subject = vault.read(TENANT).enrol([sha1_of(mbox("ada"))])[sha1_of(mbox("ada"))]
    assert person(vault) == subject


@pytest.mark.parametrize("turned", [False, True])
def test_both_forms_in_one_call_are_one_subject(vault: Vault, *, turned: bool) -> None:
    both = [mbox("ada"), sha1_of(mbox("ada"))]
    assert len(set(vault.read(TENANT).enrol(both[::-1] if turned else both).values())) == 1


def test_the_same_text_of_another_kind_is_another_person(vault: Vault) -> None:
    kinds = [Identifier(kind, "https://example.org/ada") for kind in ("openid", "account", "mbox")]
    assert len(set(vault.read(TENANT).enrol(kinds).values())) == 3


def test_many_enrolling_the_same_person_at_once_get_one_subject(vault: Vault, place: VaultPlace) -> None:
    instances = [vault, vault, place.open(), place.open()]
    start, found = threading.Barrier(len(instances)), []

    def enrol(instance: Vault) -> None:
        start.wait()
        found.append(person(instance))

    threads = [threading.Thread(target=enrol, args=(instance,)) for instance in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


# --- sealing and opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", Category)
@pytest.mark.parametrize("data", [b"", TEXT, b"\0" * 100_000])
def test_what_was_sealed_opens_in_every_instance(
    vault: Vault, place: VaultPlace, category: Category, data: bytes
) -> None:
    item = sealed(vault, person(vault), category=category, data=data)
    assert opened(vault, item) == Plain(data)
    assert opened(place.open(), item) == Plain(data)


def test_sealing_the_same_twice_looks_different(vault: Vault) -> None:
    subject, place, reading = person(vault), somewhere(), vault.read(TENANT)
    envelopes = {reading.seal([subject], Category.LEARNING, PERIOD, place, TEXT).envelope for _ in range(20)}
    assert len(envelopes) == 20


def test_each_slot_has_a_key_of_its_own(vault: Vault) -> None:
    ada, bob = person(vault), person(vault, "bob")
    slots = [(ada, Category.LEARNING, "2026"), (ada, Category.LEARNING, "2025"), (ada, Category.EXCHANGE, "2026")]
    slots += [(bob, Category.LEARNING, "2026")]
    items = [sealed(vault, owner, category=category, period=period) for owner, category, period in slots]
    assert len({item[1].envelope[3:19] for item in items}) == len(slots)


def test_outcomes_come_in_order_over_many_batches(vault: Vault) -> None:
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, (ada, bob)[number % 2], data=b"%d" % number) for number in range(1201)]
    erase(vault, bob)
    outcomes = vault.open_many(TENANT, items)
    assert outcomes == [Erased() if number % 2 else Plain(b"%d" % number) for number in range(1201)]
    assert vault.open_many(TENANT, []) == []


def test_what_is_kept_opens_no_longer_once_the_fence_has_moved(vault: Vault, place: VaultPlace) -> None:
    """Whoever moved it, in whichever process; and what is kept opens only where it lies, and unaltered."""
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, owner) for owner in (ada, bob)]
    items += [(somewhere(), items[0][1]), (items[0][0], Sealed(items[0][1].envelope[:-1] + b"\0"))]
    other_instance = place.open()

    def outcomes() -> list[str]:
        found = [instance.open_many(TENANT, items, keep=True) for instance in (vault, other_instance, vault)]
        assert found == [vault.open_many(TENANT, items)] * 3
        return [type(outcome).__name__ for outcome in found[0]]

    assert outcomes() == ["Plain", "Plain", "Corrupt", "Corrupt"]
    other_instance.begin_erasure(TENANT, ada)
    assert outcomes() == ["Denied", "Plain", "Denied", "Denied"]
    other_instance.destroy(TENANT, ada, AT)
    assert outcomes() == ["Erased", "Plain", "Erased", "Erased"]
    assert vault.open_many(OTHER, items[1:2], keep=True) == other_instance.open_many(OTHER, items[1:2])
    assert vault.open_many(TENANT, [], keep=True) == []


@pytest.mark.parametrize("count", [2, 3])
def test_any_one_living_owner_opens_and_the_last_one_takes_it_along(
    vault: Vault, place: VaultPlace, count: int
) -> None:
    owners = [person(vault, f"p{number}") for number in range(count)]
    item = sealed(vault, *owners)
    other_instance = place.open()
    for owner in owners:
        for instance in (vault, other_instance):
            assert opened(instance, item) == Plain(TEXT)
        erase(vault, owner)
    for instance in (vault, other_instance):
        assert opened(instance, item) == Erased()


def test_each_owner_alone_opens(vault: Vault) -> None:
    for survivor in range(3):
        owners = [person(vault, f"p{survivor}{number}") for number in range(3)]
        item = sealed(vault, *owners)
        for number, owner in enumerate(owners):
            if number != survivor:
                erase(vault, owner)
        assert opened(vault, item) == Plain(TEXT)


def test_a_thousand_owners_are_enough_and_one_more_is_refused(vault: Vault) -> None:
    names = [mbox(f"p{number}") for number in range(1001)]
    owners = list(vault.read(TENANT).enrol(names).values())
    item = sealed(vault, *owners[:1000])
    for owner in owners[:3]:
        erase(vault, owner)
    assert opened(vault, item) == Plain(TEXT)
    for wrong in (owners, []):
        with pytest.raises(LimitExceeded):
            vault.read(TENANT).seal(wrong, Category.LEARNING, PERIOD, somewhere(), TEXT)


def test_nothing_is_sealed_that_could_never_be_opened(vault: Vault) -> None:
    subject, most = person(vault), 64 * 1024 * 1024
    whole = opened(vault, sealed(vault, subject, data=bytes(most))) == Plain(bytes(most))
    assert whole  # a failure must not print it
    with pytest.raises(LimitExceeded):
        sealed(vault, subject, data=bytes(most + 1))


def test_of_several_dead_owners_the_gentlest_verdict_is_given(vault: Vault, place: VaultPlace) -> None:
    ada, bob, eve = (person(vault, name) for name in ("ada", "bob", "eve"))
    item = sealed(vault, ada, bob, eve)
    erase(vault, ada)
    place.expire(vault, TENANT, Slot(bob, Category.LEARNING, PERIOD))
    vault.begin_erasure(TENANT, eve)
    assert isinstance(opened(vault, item), Denied | Expired)
    vault.destroy(TENANT, eve, AT)
    assert opened(vault, item) == Expired()


def test_another_tenant_does_not_open_it(vault: Vault) -> None:
    person(vault, tenant=OTHER)
    assert isinstance(opened(vault, sealed(vault, person(vault)), OTHER), Corrupt)


def test_a_seal_opens_in_its_place_only(vault: Vault) -> None:
    place, envelope = sealed(vault, person(vault))
    moved = [
        Place(uuid4(), place.version, place.part, place.topic),
        Place(place.stream, 2, place.part, place.topic),
        Place(place.stream, place.version, "other", place.topic),
        Place(place.stream, place.version, place.part, "statement-recorded/2"),
    ]
    outcomes = vault.open_many(TENANT, [(where, envelope) for where in moved])
    assert [type(outcome) for outcome in outcomes] == [Corrupt] * len(moved)


def test_bytes_that_are_no_envelope_are_corrupt(vault: Vault) -> None:
    items = [(somewhere(), Sealed(data)) for data in (b"", b"\x01", b"{}", b"\x01\x01\x00", bytes(100))]
    assert {type(outcome) for outcome in vault.open_many(TENANT, items)} == {Corrupt}


def test_a_vault_that_is_gone_is_unavailable_and_nothing_else(vault: Vault, place: VaultPlace) -> None:
    subject = person(vault)
    item, gone = sealed(vault, subject), sealed(vault, person(vault, "bob"))
    erase(vault, person(vault, "bob"))
    place.take_away(vault)
    assert vault.open_many(TENANT, [item, gone, (somewhere(), Sealed(b""))]) == [Unavailable()] * 3
    for call in (
        lambda: vault.read(TENANT),
        lambda: vault.begin_erasure(TENANT, subject),
        lambda: vault.destroy(TENANT, subject, AT),
        lambda: vault.living_keys(TENANT, subject),
        lambda: vault.destroyed(TENANT, subject),
    ):
        with pytest.raises(KeyStoreUnavailable):
            call()


# --- erasure -------------------------------------------------------------------------------------------------


def test_an_erasure_denies_first_and_then_erases_in_every_instance(vault: Vault, place: VaultPlace) -> None:
    other_instance, ada, bob = place.open(), person(vault), person(vault, "bob")
    items = [sealed(vault, ada, category=category) for category in Category]
    kept = sealed(vault, bob)
    instances = (vault, other_instance)
    for instance in instances:
        assert set(instance.open_many(TENANT, items)) == {Plain(TEXT)}
    vault.begin_erasure(TENANT, ada)
    for instance in instances:
        assert set(instance.open_many(TENANT, items)) == {Denied()}
        assert instance.read(TENANT).denied == {ada}
    vault.destroy(TENANT, ada, AT)
    for instance in (*instances, place.open()):
        assert set(instance.open_many(TENANT, items)) == {Erased()}
        assert instance.read(TENANT).denied == frozenset()
        assert opened(instance, kept) == Plain(TEXT)


def test_an_erasure_in_one_tenant_denies_nothing_in_another(vault: Vault) -> None:
    subject = person(vault)
    vault.begin_erasure(OTHER, subject)
    assert opened(vault, sealed(vault, subject)) == Plain(TEXT)
    with pytest.raises(NotFound):
        vault.destroy(OTHER, subject, AT)
    vault.begin_erasure(TENANT, subject)
    assert vault.read(OTHER).denied == frozenset()


def test_another_process_with_warm_caches_can_not_open_after_the_erasure(vault: Vault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, ada), sealed(vault, bob), sealed(vault, ada, bob)]
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=answer_openings, args=(place.elsewhere(), theirs), daemon=True)
    process.start()

    def ask() -> list[str]:
        ours.send(items)
        assert ours.poll(30)
        return list(ours.recv())

    assert ask() == ["Plain", "Plain", "Plain"]
    vault.begin_erasure(TENANT, ada)
    assert ask() == ["Denied", "Plain", "Plain"]
    vault.destroy(TENANT, ada, AT)
    assert ask() == ["Erased", "Plain", "Plain"]
    ours.send(None)
    process.join(30)
    assert process.exitcode == 0
    ours.close()
    theirs.close()


def test_beginning_an_erasure_twice_moves_the_fence_once(vault: Vault) -> None:
    subject = person(vault)
    before = vault.read(TENANT).sequence
    for _ in range(3):
        vault.begin_erasure(TENANT, subject)
    assert vault.read(TENANT).sequence == before + 1


def test_destroying_again_answers_the_same_and_does_nothing(vault: Vault, place: VaultPlace) -> None:
    subject = person(vault)
    sealed(vault, subject)
    first = erase(vault, subject)
    before = vault.read(TENANT).sequence
    vault.begin_erasure(TENANT, subject)
    assert [vault.destroy(TENANT, subject, AT), place.open().destroy(TENANT, subject, AT)] == [first] * 2
    assert vault.read(TENANT).sequence == before == first.sequence
    assert (first.tenant, first.subject, first.reason, len(first.kids)) == (TENANT, subject, ERASED, 2)


def test_destroying_the_same_subject_at_once_makes_one_entry(vault: Vault, place: VaultPlace) -> None:
    instances = [vault, *(place.open() for _ in range(3))]
    for round_ in range(5):
        subject = person(vault, f"p{round_}")
        vault.begin_erasure(TENANT, subject)
        start = threading.Barrier(len(instances))
        found: list[Destroyed] = []

        def destroy(
            instance: Vault, who: UUID = subject, start: threading.Barrier = start, found: list[Destroyed] = found
        ) -> None:
            start.wait()
            found.append(instance.destroy(TENANT, who, AT))

        threads = [threading.Thread(target=destroy, args=(instance,)) for instance in instances]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == len(instances)
        assert len(set(found)) == 1


def test_only_what_is_being_erased_can_be_destroyed(vault: Vault) -> None:
    subject = person(vault)
    for who in (subject, uuid4()):
        with pytest.raises(NotFound):
            vault.destroy(TENANT, who, AT)
    assert opened(vault, sealed(vault, subject)) == Plain(TEXT)


def test_the_tenants_own_subject_can_not_be_erased(vault: Vault) -> None:
    subject = vault.tenant_subject(TENANT)
    vault.begin_erasure(TENANT, subject)
    with pytest.raises(NotFound):
        vault.destroy(TENANT, subject, AT)
    assert opened(vault, sealed(vault, subject)) == Plain(TEXT)


def test_destroyed_names_only_what_was_erased(vault: Vault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    sealed(vault, bob)
    place.expire(vault, TENANT, Slot(bob, Category.LEARNING, PERIOD))
    entry = erase(vault, ada)
    assert vault.destroyed(TENANT, ada) == entry
    assert vault.destroyed(TENANT, bob) is None
    assert vault.destroyed(OTHER, ada) is None


def test_living_keys_counts_keys_and_directory_rows_down_to_zero(vault: Vault) -> None:
    subject = person(vault)
    assert vault.living_keys(TENANT, subject) == 3  # identity key, mbox, its sha1
    sealed(vault, subject)
    assert vault.living_keys(TENANT, subject) == 4
    assert vault.living_keys(OTHER, subject) == 0
    erase(vault, subject)
    assert vault.living_keys(TENANT, subject) == 0


def test_expiry_takes_one_key_and_leaves_the_person(vault: Vault, place: VaultPlace) -> None:
    subject = person(vault)
    old, new, name = (
        sealed(vault, subject, period="2025"),
        sealed(vault, subject, period="2026"),
        sealed(vault, subject, category=Category.IDENTITY, period=""),
    )
    place.expire(vault, TENANT, Slot(subject, Category.LEARNING, "2025"))
    for instance in (vault, place.open()):
        assert instance.open_many(TENANT, [old, new, name]) == [Expired(), Plain(TEXT), Plain(TEXT)]
        assert person(instance) == subject
        assert opened(instance, sealed(instance, subject)) == Plain(TEXT)
    erase(vault, subject)
    assert vault.open_many(TENANT, [old, new, name]) == [Expired(), Erased(), Erased()]


def test_a_period_expires_some_keys_an_entry_and_touches_nothing_else(
    vault: Vault, place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "KEYS_MAX", 2)
    people = [person(vault, name) for name in ("ada", "grace", "alan")]
    old = [sealed(vault, one, period="2025") for one in people]
    others = [
        sealed(vault, people[0], period="2026"),
        sealed(vault, people[0], category=Category.ATTACHMENTS, period="2025"),
    ]
    foreign = sealed(vault, person(vault, "ada", OTHER), tenant=OTHER, period="2025")
    assert vault.periods(TENANT, Category.LEARNING) == {"2025": 3, "2026": 1}
    kids = set(vault.keys_of(TENANT, Category.LEARNING, "2025"))
    assert kids == {kid for _, item in old for kid in vault.kids(item)}
    entries = list(vault.expire(TENANT, Category.LEARNING, "2025", AT))
    assert [len(one.kids) for one in entries] == [2, 1]
    assert {kid for one in entries for kid in one.kids} == kids
    assert {(one.subject, one.reason) for one in entries} == {(vault.tenant_subject(TENANT), EXPIRED)}
    assert list(vault.expire(TENANT, Category.LEARNING, "2025", AT)) == []
    for instance in (vault, place.open()):
        assert instance.open_many(TENANT, [*old, *others]) == [Expired()] * 3 + [Plain(TEXT)] * 2
        assert opened(instance, foreign, OTHER) == Plain(TEXT)
        assert instance.periods(TENANT, Category.LEARNING) == {"2026": 1}


def test_an_expiry_that_reached_the_mirror_alone_is_carried_out(vault: Vault, place: VaultPlace) -> None:
    """The same keys are then not destroyed twice, and the chain goes on."""
    item = sealed(vault, person(vault), period="2025")

    class Crash(Exception):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lrs.adapters.vault.vault.apply_entry", crash)
        with pytest.raises(Crash):
            list(vault.expire(TENANT, Category.LEARNING, "2025", AT))
    assert opened(vault, item) == Plain(TEXT)
    assert list(vault.expire(TENANT, Category.LEARNING, "2025", AT)) == []
    assert opened(vault, item) == Expired()
    assert [one.reason for one in vault.destructions(TENANT)] == [EXPIRED]
    assert opened(place.open(), item) == Expired()


def test_the_ledger_tells_a_tenants_destructions_since_it_came(vault: Vault) -> None:
    first, second = erase(vault, person(vault, "ada")), erase(vault, person(vault, "grace"))
    erase(vault, person(vault, "ada", OTHER), OTHER)
    assert vault.destructions(TENANT) == [first, second]
    assert vault.destructions(TENANT, first.sequence) == [second]
    vault.destroy_tenant(TENANT)
    vault.create_tenant(TENANT)
    assert vault.destructions(TENANT) == []
    again = erase(vault, person(vault, "ada"))
    assert vault.destructions(TENANT) == [again]


def test_what_became_of_each_owners_key_is_told(vault: Vault, place: VaultPlace) -> None:
    people = [person(vault, name) for name in ("ada", "grace", "alan")]
    shared, damaged = sealed(vault, *people)[1], Sealed(b"no envelope")
    erase(vault, people[0])
    place.expire(vault, TENANT, Slot(people[1], Category.LEARNING, PERIOD))
    vault.begin_erasure(TENANT, people[2])
    assert vault.fates(TENANT, [shared, damaged]) == [(Fate.ERASED, Fate.EXPIRED, Fate.LIVING), ()]
    _, alone = sealed(vault, person(vault, "dora"))
    unknown = Sealed(alone.envelope[:3] + bytes(16) + alone.envelope[19:])
    assert vault.fates(TENANT, [alone, unknown]) == [(Fate.LIVING,), (Fate.UNKNOWN,)]


def test_digests_mint_nothing(vault: Vault) -> None:
    ada, grace = person(vault, "ada"), person(vault, "grace")
    reading = vault.read(TENANT)
    assert reading.digests([(ada, b"a"), (grace, b"a"), (ada, b"b")]) == [
        reading.digest(ada, b"a"),
        reading.digest(grace, b"a"),
        reading.digest(ada, b"b"),
    ]
    with pytest.raises(StaleFence):
        reading.digests([(uuid4(), b"a")])
    erase(vault, grace)
    with pytest.raises(StaleFence):
        vault.read(TENANT).digests([(ada, b"a"), (grace, b"a")])


def test_inside_opens_what_is_denied_and_keeps_none_of_it(vault: Vault) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    vault.take(TENANT, [subject], lambda one: one.restrict(restricted=True))
    assert vault.open_many(TENANT, [item], keep=True, inside=True) == [Plain(TEXT)]
    assert vault.open_many(TENANT, [item], keep=True) == [Denied()]
    vault.begin_erasure(TENANT, subject)
    assert vault.open_many(TENANT, [item], inside=True) == [Denied()]


def test_a_person_seen_again_after_erasure_is_a_new_subject(vault: Vault) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    erase(vault, subject)
    assert vault.read(TENANT).lookup([mbox("ada"), sha1_of(mbox("ada"))]) == {}
    again = person(vault)
    assert again != subject
    assert opened(vault, sealed(vault, again)) == Plain(TEXT)
    assert opened(vault, item) == Erased()


# --- the fence -----------------------------------------------------------------------------------------------


def test_nothing_is_minted_under_a_reading_that_the_fence_has_left(vault: Vault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    reading = vault.read(TENANT)
    place.open().begin_erasure(TENANT, bob)
    slot = Slot(ada, Category.EXCHANGE, "2026-11")
    keys = vault.living_keys(TENANT, ada)
    for minting in (
        lambda: reading.enrol([mbox("eve")]),
        lambda: reading.ensure([slot]),
        lambda: reading.seal([ada], slot.category, slot.period, somewhere(), TEXT),
    ):
        with pytest.raises(StaleFence):
            minting()
    assert vault.living_keys(TENANT, ada) == keys
    assert vault.read(TENANT).lookup([mbox("eve")]) == {}


@pytest.mark.parametrize("destroyed", [False, True])
def test_no_key_is_minted_for_a_subject_that_is_being_erased_or_was(vault: Vault, *, destroyed: bool) -> None:
    ada, bob = person(vault), person(vault, "bob")
    vault.begin_erasure(TENANT, ada)
    if destroyed:
        vault.destroy(TENANT, ada, AT)
    before = vault.living_keys(TENANT, ada)
    with pytest.raises(StaleFence):
        vault.read(TENANT).ensure([Slot(bob, Category.LEARNING, PERIOD), Slot(ada, Category.LEARNING, PERIOD)])
    with pytest.raises(StaleFence):
        sealed(vault, ada)
    assert vault.living_keys(TENANT, ada) == before
    assert vault.living_keys(TENANT, bob) == 3  # the whole call is one transaction


def test_no_key_is_minted_for_a_subject_of_another_tenant(vault: Vault) -> None:
    stranger = person(vault, tenant=OTHER)
    with pytest.raises(StaleFence):
        vault.read(TENANT).ensure([Slot(stranger, Category.LEARNING, PERIOD)])


def test_what_was_sealed_under_an_old_reading_dies_with_the_subject(vault: Vault, place: VaultPlace) -> None:
    subject = person(vault)
    reading = vault.read(TENANT)
    reading.ensure([Slot(subject, Category.LEARNING, PERIOD)])
    erase(place.open(), subject)
    where = somewhere()
    late = reading.seal([subject], Category.LEARNING, PERIOD, where, TEXT)
    for instance in (vault, place.open()):
        assert opened(instance, (where, late)) == Erased()


def test_a_reading_keeps_its_sequence_and_the_next_one_sees_the_move(vault: Vault) -> None:
    subject = person(vault)
    reading = vault.read(TENANT)
    before = reading.sequence
    vault.begin_erasure(TENANT, subject)
    assert (reading.sequence, reading.denied) == (before, frozenset())
    after = vault.read(TENANT)
    assert (after.sequence, after.denied) == (before + 1, frozenset({subject}))


def test_enrolling_and_minting_do_not_move_the_fence(vault: Vault) -> None:
    before = vault.read(TENANT).sequence
    sealed(vault, person(vault))
    assert vault.read(TENANT).sequence == before


# --- digests -------------------------------------------------------------------------------------------------


def test_a_digest_is_stable_for_a_subject_and_different_for_others(vault: Vault, place: VaultPlace) -> None:
    ada, bob = person(vault), person(vault, "bob")
    theirs = person(vault, tenant=OTHER)
    digest = vault.read(TENANT).digest(ada, TEXT)
    assert len(digest) == 16
    assert vault.read(TENANT).digest(ada, TEXT) == digest
    assert place.open().read(TENANT).digest(ada, TEXT) == digest
    others = {vault.read(TENANT).digest(bob, TEXT), vault.read(OTHER).digest(theirs, TEXT)}
    assert len(others | {digest, vault.read(TENANT).digest(ada, b"")}) == 4


def test_no_digest_can_be_made_after_the_erasure(vault: Vault) -> None:
    subject = person(vault)
    vault.read(TENANT).digest(subject, TEXT)
    erase(vault, subject)
    with pytest.raises(StaleFence):
        vault.read(TENANT).digest(subject, TEXT)


# --- signed heads --------------------------------------------------------------------------------------------


def test_the_highest_signed_head_of_each_tenant_is_kept(vault: Vault, place: VaultPlace) -> None:
    """By generation, then by size; what comes late changes nothing."""
    assert vault.signed_head(TENANT) is None
    first, second = KeptHead(1, 5, b"5" * 32), KeptHead(1, 7, b"7" * 32)
    vault.keep_signed_head(TENANT, first)
    assert (vault.signed_head(TENANT), vault.signed_head(OTHER)) == (first, None)
    vault.keep_signed_head(TENANT, second)
    for lower in (first, KeptHead(1, 7, b"other" * 6 + b"xx"), KeptHead(0, 99, bytes(32))):
        vault.keep_signed_head(TENANT, lower)
        assert vault.signed_head(TENANT) == second
    vault.keep_signed_head(OTHER, KeptHead(1, 1, b"1" * 32))
    assert vault.signed_head(TENANT) == second
    place.edit("UPDATE signed_head SET restored = 1")
    assert vault.signed_head(TENANT) == second._replace(restored=True)
    newer = KeptHead(2, 1, b"n" * 32)
    vault.keep_signed_head(TENANT, newer)
    assert place.open().signed_head(TENANT) == newer


def test_an_older_copy_of_the_vault_is_asked_for_no_head_and_told_of_none(vault: Vault, place: VaultPlace) -> None:
    before = place.copy()
    erase(vault, person(vault))
    vault.read(TENANT)  # the fence was seen
    place.restore(before)
    with pytest.raises(VaultRefused):
        vault.signed_head(TENANT)
    with pytest.raises(VaultRefused):
        vault.keep_signed_head(TENANT, KeptHead(1, 5, bytes(32)))
