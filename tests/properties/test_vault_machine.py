"""Whatever people, instances and erasures do in whatever order: the erased stay erased, everything else opens."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import NotFound, VaultRefused
from lrs.domain.sealing import Category, Denied, Erased, Outcome, Plain
from lrs.domain.subjects import State
from lrs.ports import Reading, StaleFence
from tests.vaults import (
    AT,
    OTHER,
    TENANT,
    Item,
    PostgresPlace,
    Rows,
    SqlitePlace,
    VaultDatabases,
    VaultPlace,
    close_epoch,
    mbox,
    somewhere,
)

TENANTS = (TENANT, OTHER)
NAMES = ("ada", "bob", "eve")
tenants = st.sampled_from(TENANTS)
names = st.sampled_from(NAMES)
instances = st.integers(0, 1)
categories = st.sampled_from([Category.LEARNING, Category.IDENTITY, Category.EXCHANGE])


@dataclass(frozen=True)
class Kept:
    """Something sealed, and for whom."""

    tenant: str
    owners: frozenset[UUID]
    item: Item
    data: bytes


class VaultMachine(RuleBasedStateMachine):
    """Two tenants, two instances of the same vault, and what a plain model says of them."""

    def new_place(self, root: Path) -> VaultPlace:
        """Where this run's vault lives."""
        return SqlitePlace(root)

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.place = self.new_place(Path(self.folder.name))
        self.vaults: list[KeyVault] = [self.place.open(), self.place.open()]
        for tenant in TENANTS:
            self.vaults[0].create_tenant(tenant)
        self.named: dict[tuple[str, str], UUID] = {}
        self.states: dict[tuple[str, UUID], State] = {}
        self.kept: list[Kept] = []
        self.readings: list[tuple[str, Reading, int]] = []
        self.copies: list[tuple[int, Rows]] = []
        self.closes = 0
        self.counter = 0

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.remove()
            self.folder.cleanup()

    # --- what may happen -------------------------------------------------------------------------------------

    @rule(tenant=tenants, name=names, instance=instances)
    def enrol(self, tenant: str, name: str, instance: int) -> None:
        self.enrolled(self.vaults[instance].read(tenant), tenant, name)

    def enrolled(self, reading: Reading, tenant: str, name: str) -> UUID:
        subject = reading.enrol([mbox(name)])[mbox(name)]
        expected = self.named.get((tenant, name))
        if expected is not None:
            assert subject == expected
        else:
            assert subject not in {known for _, known in self.states}
            self.named[tenant, name] = subject
            self.states[tenant, subject] = State.LIVE
        return subject

    @rule(tenant=tenants, instance=instances)
    def keep_a_reading(self, tenant: str, instance: int) -> None:
        self.readings = [*self.readings[-2:], (tenant, self.vaults[instance].read(tenant), self.closes)]

    @rule(tenant=tenants, who=st.sets(names, min_size=1), category=categories, instance=instances)
    def seal(self, tenant: str, who: set[str], category: Category, instance: int) -> None:
        owners = [self.named[tenant, name] for name in sorted(who) if (tenant, name) in self.named]
        if not owners:
            return
        live = all(self.states[tenant, owner] is State.LIVE for owner in owners)
        try:
            self.seal_under(self.vaults[instance].read(tenant), tenant, owners, category)
        except StaleFence:
            assert not live

    @precondition(lambda self: self.readings)
    @rule(data=st.data(), category=categories)
    def seal_under_an_old_reading(self, data: Any, category: Category) -> None:
        tenant, reading, closes = data.draw(st.sampled_from(self.readings))
        subjects = [subject for of, subject in self.states if of == tenant]
        if not subjects:
            return
        owners = data.draw(st.lists(st.sampled_from(subjects), min_size=1, max_size=3, unique=True))
        try:
            self.seal_under(reading, tenant, owners, category)
        except StaleFence:
            now = self.vaults[0].read(tenant).sequence
            dead = any(self.states[tenant, owner] is not State.LIVE for owner in owners)
            assert dead or (now, self.closes) != (reading.sequence, closes)

    @precondition(lambda self: self.readings)
    @rule(data=st.data(), name=names)
    def enrol_under_an_old_reading(self, data: Any, name: str) -> None:
        tenant, reading, closes = data.draw(st.sampled_from(self.readings))
        try:
            subject = reading.enrol([mbox(name)])[mbox(name)]
        except StaleFence:
            assert (self.vaults[0].read(tenant).sequence, self.closes) != (reading.sequence, closes)
            return
        # An old reading may still know whom this name meant; it never invents anybody.
        if (tenant, subject) not in self.states:
            assert (tenant, name) not in self.named
            self.named[tenant, name] = subject
            self.states[tenant, subject] = State.LIVE

    def seal_under(self, reading: Reading, tenant: str, owners: list[UUID], category: Category) -> None:
        self.counter += 1
        data, place = b"part %d" % self.counter, somewhere()
        sealed = reading.seal(owners, category, "", place, data)
        self.kept.append(Kept(tenant, frozenset(owners), (place, sealed), data))

    @precondition(lambda self: self.states)
    @rule(data=st.data(), instance=instances)
    def begin_erasure(self, data: Any, instance: int) -> None:
        tenant, subject = data.draw(st.sampled_from(list(self.states)))
        self.vaults[instance].begin_erasure(tenant, subject)
        if self.states[tenant, subject] is State.LIVE:
            self.states[tenant, subject] = State.ERASING

    @precondition(lambda self: self.states)
    @rule(data=st.data(), instance=instances)
    def destroy(self, data: Any, instance: int) -> None:
        tenant, subject = data.draw(st.sampled_from(list(self.states)))
        vault = self.vaults[instance]
        if self.states[tenant, subject] is State.LIVE:
            with pytest.raises(NotFound):
                vault.destroy(tenant, subject, AT)
            return
        entry = vault.destroy(tenant, subject, AT)
        assert (entry.tenant, entry.subject) == (tenant, subject)
        assert vault.destroyed(tenant, subject) == entry
        self.states[tenant, subject] = State.ERASED
        self.named = {name: known for name, known in self.named.items() if known != subject}

    @rule(instance=instances)
    def reopen(self, instance: int) -> None:
        """Another process takes over: its readings are its own."""
        self.vaults[instance].close()
        self.vaults[instance] = self.place.open()
        self.readings.clear()

    @rule(instance=instances)
    def close_the_epoch(self, instance: int) -> None:
        """The other instance, and every reading, meet the new epoch as they come."""
        assert self.vaults[instance].epoch() == self.closes + 1
        close_epoch(self.vaults[instance])
        self.closes += 1

    @rule()
    def keep_a_copy(self) -> None:
        self.copies = [*self.copies[-2:], (self.closes, self.place.copy())]

    @precondition(lambda self: self.copies)
    @rule(data=st.data(), edited=st.booleans())
    def put_an_old_copy_in_its_place(self, data: Any, edited: bool) -> None:
        """A copy of this epoch destroys again what it brought back; an older one is refused, or opens nobody who
        was erased. Then the present comes back."""
        closes, rows = data.draw(st.sampled_from(self.copies))
        present = self.place.copy()
        self.place.close()
        if edited:
            rows = rows | {table: present[table] for table in ("fence", "tenant_key", "epoch")}
        self.place.restore(rows)
        if closes == self.closes:
            again = self.place.open()
            for (tenant, subject), state in self.states.items():
                if state is State.ERASED:
                    assert again.living_keys(tenant, subject) == 0
        elif not edited:
            with pytest.raises(VaultRefused):
                self.place.open()
        else:
            self.open_nothing_of_the_erased()
        self.place.close()
        self.place.restore(present)
        self.vaults = [self.place.open(), self.place.open()]
        self.readings.clear()

    def open_nothing_of_the_erased(self) -> None:
        """Today's keys of tenants open a copy only where its own would do: of whom nothing was destroyed since."""
        try:
            again = self.place.open()
        except VaultRefused:
            return
        for one in self.kept:
            if {self.states[one.tenant, owner] for owner in one.owners} == {State.ERASED}:
                assert not isinstance(again.open_many(one.tenant, [one.item])[0], Plain)

    # --- what must hold --------------------------------------------------------------------------------------

    def expected(self, one: Kept) -> Outcome:
        states = {self.states[one.tenant, owner] for owner in one.owners}
        if State.LIVE in states:
            return Plain(one.data)
        return Denied() if State.ERASING in states else Erased()

    @invariant()
    def every_instance_opens_what_it_must_and_nothing_else(self) -> None:
        if not hasattr(self, "vaults"):
            return
        for tenant in TENANTS:
            mine = [one for one in self.kept if one.tenant == tenant]
            expected = [self.expected(one) for one in mine]
            for vault in self.vaults:
                assert vault.open_many(tenant, [one.item for one in mine]) == expected

    @invariant()
    def the_directory_knows_the_living_and_nobody_else(self) -> None:
        if not hasattr(self, "vaults"):
            return
        for tenant in TENANTS:
            known = {mbox(name): subject for (of, name), subject in self.named.items() if of == tenant}
            erasing = {
                subject for (of, subject), state in self.states.items() if (of, state) == (tenant, State.ERASING)
            }
            for vault in self.vaults:
                reading = vault.read(tenant)
                assert reading.lookup([mbox(name) for name in NAMES]) == known
                assert reading.denied == erasing

    @invariant()
    def the_erased_have_no_keys_and_the_others_have(self) -> None:
        if not hasattr(self, "vaults"):
            return
        for (tenant, subject), state in self.states.items():
            assert (self.vaults[0].living_keys(tenant, subject) == 0) == (state is State.ERASED)


class PostgresMachine(VaultMachine):
    """The same on PostgreSQL."""

    databases: VaultDatabases

    def new_place(self, root: Path) -> VaultPlace:
        """A database that was emptied."""
        return PostgresPlace(root, self.databases)


class LongVaultMachine(VaultMachine):
    """The same for longer."""


class LongPostgresMachine(PostgresMachine):
    """The same for longer on PostgreSQL."""


@pytest.fixture
def on_server(vault_databases: VaultDatabases) -> None:
    PostgresMachine.databases = vault_databases


SHORT = settings(max_examples=12, stateful_step_count=25, deadline=None)
# A message to a server costs what many calls to SQLite do.
SHORT_ON_SERVER = settings(max_examples=3, stateful_step_count=15, deadline=None)
LONG = settings(max_examples=250, stateful_step_count=60, deadline=None)
LONG_ON_SERVER = settings(max_examples=40, stateful_step_count=50, deadline=None)

TestVault = VaultMachine.TestCase
TestVault.settings = SHORT

TestVaultOnPostgres = pytest.mark.usefixtures("on_server")(PostgresMachine.TestCase)
TestVaultOnPostgres.settings = SHORT_ON_SERVER

TestVaultAtLength = pytest.mark.full(LongVaultMachine.TestCase)
TestVaultAtLength.settings = LONG

TestVaultOnPostgresAtLength = pytest.mark.full(pytest.mark.usefixtures("on_server")(LongPostgresMachine.TestCase))
TestVaultOnPostgresAtLength.settings = LONG_ON_SERVER
