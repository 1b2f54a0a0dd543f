"""An erasure commits between any two messages of whatever else goes on, in this process or another.

Promise 3: a request that begins after an erasure committed can not read the person's data. And whoever began
before it gets an answer that was true once: never an alarm, never a key that outlives the person.
"""

import functools
import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from lrs.adapters.vault.known import Known
from lrs.adapters.vault.ledger import Mirror
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.agents import lookups_of
from lrs.domain.errors import NotFound
from lrs.domain.sealing import Category, Denied, Erased, Expired, Outcome, Plain, Slot
from lrs.ports import StaleFence
from tests.vaults import (
    AT,
    PERIOD,
    TENANT,
    TEXT,
    Item,
    VaultPlace,
    enrol_together,
    erase,
    mbox,
    opened,
    person,
    sealed,
    somewhere,
    stepped,
)

LEARNING = Category.LEARNING
# A writer that meets another's lock gets no further; the test has waited long enough for all others to finish.
BLOCKED_SECONDS = 0.05


@pytest.fixture
def place(vault_place: VaultPlace) -> VaultPlace:
    """A place for the keys alone."""
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> KeyVault:
    vault = place.open()
    vault.create_tenant(TENANT)
    return vault


class At:
    """Something that happens just before the given message, in another thread."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self._left = number
        self._act = act
        self._writing = False
        self._failed: list[BaseException] = []
        self._thread: threading.Thread | None = None
        self._caller = threading.get_ident()

    def __call__(self, message: str) -> None:
        if threading.get_ident() != self._caller or self._thread is not None:
            return
        self._writing = message != "done write" and (self._writing or message == "begin write")
        self._left -= 1
        if self._left == 0:
            self._thread = threading.Thread(target=self._run)
            self._thread.start()
            self._thread.join(BLOCKED_SECONDS if self._writing and message != "begin write" else 20)

    def _run(self) -> None:
        try:
            self._act()
        except BaseException as error:  # noqa: BLE001
            self._failed.append(error)

    def happened(self) -> bool:
        """Whether there was such a message. Waits for the end of what happened and raises what it raised."""
        if self._thread is None:
            return False
        self._thread.join(20)
        assert not self._thread.is_alive()
        for error in self._failed:
            raise error
        return True


def at_every_message(victim: KeyVault) -> Iterator[Callable[[Callable[[], object]], At]]:
    """For one message after the other, something to call with what shall happen there; until there are no more."""
    for number in itertools.count(1):
        made: list[At] = []

        def at(act: Callable[[], object], number: int = number, made: list[At] = made) -> At:
            made.append(At(number, act))
            victim.database._step = made[0]  # type: ignore[attr-defined]
            return made[0]

        yield at
        victim.database._step = lambda _: None  # type: ignore[attr-defined]
        if not made[0].happened():
            assert number > 1
            return


def watched(place: VaultPlace) -> KeyVault:
    """An instance of its own, whose messages are watched."""
    return stepped(place.open(), lambda _: None)


def forget(victim: KeyVault) -> None:
    """As if the process had just begun."""
    victim._known = Known(0, -1)


Ending = Callable[[KeyVault, VaultPlace, UUID], Outcome]


def begin(vault: KeyVault, _: VaultPlace, subject: UUID) -> Outcome:
    vault.begin_erasure(TENANT, subject)
    return Denied()


def whole(vault: KeyVault, _: VaultPlace, subject: UUID) -> Outcome:
    erase(vault, subject)
    return Erased()


def expiry(vault: KeyVault, place: VaultPlace, subject: UUID) -> Outcome:
    place.expire(vault, TENANT, Slot(subject, LEARNING, PERIOD))
    return Expired()


ENDINGS: dict[str, Ending] = {"begin": begin, "erase": whole, "expire": expiry}
# An erasure begins before it destroys: the normal run tries both in one.
ENDS = pytest.mark.parametrize("ending", [pytest.param("begin", marks=pytest.mark.full), "erase"])


@pytest.mark.parametrize("warm", ["cold", "another's key only", "warm"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_erasure_between_any_two_messages_of_an_opening(
    vault: KeyVault, place: VaultPlace, ending: str, warm: str
) -> None:
    victim, kept = watched(place), sealed(vault, person(vault, "kept"))
    for number, at in enumerate(at_every_message(victim)):
        subject = person(vault, f"p{number}")
        item = sealed(vault, subject)
        forget(victim)
        if warm != "cold":
            victim.open_many(TENANT, [kept, item] if warm == "warm" else [kept])
        ends: list[Outcome] = []

        def end(subject: UUID = subject, item: Item = item, ends: list[Outcome] = ends) -> None:
            ends.append(ENDINGS[ending](vault, place, subject))
            assert opened(victim, item) == ends[0]  # another request, in the same process

        happening = at(end)
        found = victim.open_many(TENANT, [item, kept])
        if happening.happened():
            assert found in ([Plain(TEXT), Plain(TEXT)], [ends[0], Plain(TEXT)])
            assert victim.open_many(TENANT, [item, kept]) == [ends[0], Plain(TEXT)]


@ENDS
def test_an_erasure_between_the_steps_of_another_that_destroys(
    vault: KeyVault, place: VaultPlace, ending: str
) -> None:
    """Two erasures of two people, one inside the other: both are whole, and mirror and ledger agree."""
    victim = watched(place)
    for number, at in enumerate(at_every_message(victim)):
        one, two = person(vault, f"one{number}"), person(vault, f"two{number}")
        items = [sealed(vault, one), sealed(vault, two)]
        happening = at(lambda two=two: ENDINGS[ending](vault, place, two))  # type: ignore[misc]
        erase(victim, one)
        if happening.happened():
            expected = [Erased(), Denied() if ending == "begin" else Erased()]
            assert victim.open_many(TENANT, items) == vault.open_many(TENANT, items) == expected
    agree(place)


Minting = Callable[[KeyVault, UUID, str], object]
MINTINGS: dict[str, Minting] = {
    "enrol": lambda vault, _, name: person(vault, name),
    "enrol somebody else": lambda vault, _, name: person(vault, name + "-new"),
    "ensure": lambda vault, who, _: vault.read(TENANT).ensure(
        [Slot(who, LEARNING, PERIOD), Slot(who, LEARNING, "2020")]
    ),
    "seal": lambda vault, who, _: vault.read(TENANT).seal([who], LEARNING, PERIOD, somewhere(), TEXT),
    "seal under a new key": lambda vault, who, _: vault.read(TENANT).seal(
        [who], LEARNING, "2020", somewhere(), TEXT
    ),
    "digest": lambda vault, who, _: vault.read(TENANT).digest(who, TEXT),
}


@pytest.mark.parametrize("minting", MINTINGS)
@ENDS
def test_no_key_is_minted_after_an_erasure_began_between_any_two_messages(
    vault: KeyVault, place: VaultPlace, ending: str, minting: str
) -> None:
    victim = watched(place)
    for number, at in enumerate(at_every_message(victim)):
        name = f"p{number}"
        subject = person(vault, name)
        item = sealed(vault, subject)
        forget(victim)
        keys: list[int] = []

        def end(subject: UUID = subject, keys: list[int] = keys) -> None:
            ENDINGS[ending](vault, place, subject)
            keys.append(vault.living_keys(TENANT, subject))

        happening = at(end)
        with suppress(StaleFence):
            MINTINGS[minting](victim, subject, name)
        if happening.happened():
            assert vault.living_keys(TENANT, subject) == keys[0]
            assert victim.living_keys(TENANT, subject) == keys[0]
            for instance in (victim, vault):
                assert opened(instance, item) == (Denied() if ending == "begin" else Erased())
                with pytest.raises(StaleFence):
                    sealed(instance, subject, period="1999")
    agree(place)


def test_a_tenant_that_is_destroyed_between_any_two_messages_is_found_or_not(
    vault: KeyVault, place: VaultPlace
) -> None:
    victim = watched(place)
    for at in at_every_message(victim):
        vault.create_tenant(TENANT)
        item = sealed(vault, person(vault))
        forget(victim)
        happening = at(lambda: vault.destroy_tenant(TENANT))
        with suppress(NotFound):
            assert opened(victim, item) == Plain(TEXT)
        if happening.happened():
            for instance in (victim, vault):
                with pytest.raises(NotFound):
                    opened(instance, item)


def agree(place: VaultPlace) -> None:
    """Mirror and ledger tell the same story, and a start finds nothing to do."""
    before = place.copy()
    assert [row[6] for row in place.rows("SELECT * FROM ledger ORDER BY sequence")] == [
        entry.hash for entry in Mirror(place.mirror).entries()
    ]
    place.open()
    assert place.copy() == before


# --- many at once --------------------------------------------------------------------------------------------


def test_processes_that_enrol_the_same_people_at_once_agree_on_them_and_their_keys(
    vault: KeyVault, place: VaultPlace
) -> None:
    rounds, count = 8, 2
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tests.vaults"])
    start, ends = forks.Barrier(count), [forks.Pipe() for _ in range(count)]
    processes = [
        forks.Process(target=enrol_together, args=(place.elsewhere(), start, theirs, rounds), daemon=True)
        for _, theirs in ends
    ]
    for process in processes:
        process.start()
    for _ in range(rounds):
        told: list[tuple[dict[Any, UUID], list[Item]]] = []
        for ours, _ in ends:
            assert ours.poll(30)
            told.append(ours.recv())
        assert all(subjects == told[0][0] for subjects, _ in told)
        assert vault.read(TENANT).lookup(told[0][0]) == told[0][0]
        items = [item for _, sealings in told for item in sealings]
        assert len({item[1].envelope[3:19] for item in items}) == 3  # a key each, however many minted it
        assert vault.open_many(TENANT, items) == [Plain(TEXT)] * len(items)
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
        process.close()
    for pair in ends:
        for end in pair:
            end.close()
    assert len(place.rows("SELECT subject FROM subject WHERE role = 'person'")) == 3 * rounds


class Fire:
    """Three instances enrol, seal, open and erase the same few people at once, until so many were erased."""

    def __init__(self, vault: KeyVault, place: VaultPlace, erasures: int) -> None:
        self.instances = [vault, place.open(), place.open()]
        self.erasures = erasures
        self.over = threading.Event()
        self.failures: list[BaseException] = []
        self.dead: set[UUID] = set()
        self.kept: list[tuple[UUID, Item]] = []

    def run(self) -> None:
        """All of it, and what must hold in the end."""
        works = [*(functools.partial(self.write, number) for number in range(2)), self.erase]
        works += [functools.partial(self.read, number) for number in range(3)]
        threads = [threading.Thread(target=self.watched, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.failures == []

    def watched(self, work: Callable[[int], None]) -> None:
        try:
            for step in itertools.count():
                if self.over.is_set():
                    return
                work(step)
        except BaseException as error:  # noqa: BLE001
            self.failures.append(error)
            self.over.set()

    def write(self, number: int, step: int) -> None:
        instance = self.instances[(step + number) % 3]
        with suppress(StaleFence):
            subject = person(instance, f"p{step % 4}")
            gone = set(self.dead)
            item = sealed(instance, subject, period=f"{2000 + step % 3}")
            assert subject not in gone
            self.kept.append((subject, item))

    def read(self, number: int, _step: int) -> None:
        some, gone = self.kept[-100:], set(self.dead)
        found = self.instances[number].open_many(TENANT, [item for _, item in some])
        for (subject, _), outcome in zip(some, found, strict=True):
            assert outcome in ([Erased()] if subject in gone else [Plain(TEXT), Denied(), Erased()])

    def erase(self, step: int) -> None:
        known = self.instances[step % 3].read(TENANT).lookup([mbox(f"p{step % 4}")])
        for subject in known.values():
            self.instances[(step + 1) % 3].begin_erasure(TENANT, subject)
            self.instances[(step + 2) % 3].destroy(TENANT, subject, AT)
            self.dead.add(subject)
        if len(self.dead) >= self.erasures:
            self.over.set()
        time.sleep(0.01)


def erase_under_fire(vault: KeyVault, place: VaultPlace, erasures: int) -> None:
    fire = Fire(vault, place, erasures)
    fire.run()
    for instance in (*fire.instances, place.open()):
        found = instance.open_many(TENANT, [item for _, item in fire.kept])
        assert found == [Erased() if subject in fire.dead else Plain(TEXT) for subject, _ in fire.kept]
    assert all(vault.living_keys(TENANT, subject) == 0 for subject in fire.dead)
    agree(place)


def test_erasing_under_fire(vault: KeyVault, place: VaultPlace) -> None:
    erase_under_fire(vault, place, 10)


@pytest.mark.full
def test_erasing_under_fire_for_long(vault: KeyVault, place: VaultPlace) -> None:
    erase_under_fire(vault, place, 200)


def test_all_forms_of_one_name_that_are_enrolled_at_once_are_one_subject(
    vault: KeyVault, place: VaultPlace
) -> None:
    """The two spellings of a person come by two instances at the same moment."""
    victim = watched(place)
    for number, at in enumerate(at_every_message(victim)):
        forms = list(lookups_of(mbox(f"p{number}")))
        assert len(forms) == 2
        others: list[UUID] = []
        happening = at(
            lambda forms=forms, others=others: others.extend(  # type: ignore[misc]
                vault.read(TENANT).enrol(forms[1:]).values()
            )
        )
        found = victim.read(TENANT).enrol(forms)
        if happening.happened():
            assert {*found.values(), *others} == {person(vault, f"p{number}")}
