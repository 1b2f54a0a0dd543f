"""The vault's PostgreSQL goes away in the middle of a call, between two calls, or for good.

Whatever was asked then was done wholly or not at all, whether or not the caller heard of it; asking again works,
on the same instance; and what is gone is unavailable, never erased and never corrupt.
"""

import contextlib
import itertools
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from lrs.adapters.postgres import vault as postgres_vault
from lrs.adapters.postgres.migrating import migrate_vault
from lrs.adapters.postgres.pool import POOL_SECONDS_MAX
from lrs.adapters.vault.ledger import Mirror
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import KeyStoreUnavailable, NotFound, VaultRefused
from lrs.domain.sealing import Category, Denied, Erased, Outcome, Plain, Slot, Unavailable
from tests.postgres import Databases, Server
from tests.proxy import Fault, Proxy
from tests.vaults import (
    AT,
    OTHER,
    TENANT,
    TEXT,
    PostgresPlace,
    Stepped,
    VaultDatabases,
    erase,
    mbox,
    opened,
    person,
    pool_of,
    sealed,
    stepped,
    superuser,
)

LEARNING = Category.LEARNING


@pytest.fixture
def place(tmp_path: Path, vault_databases: VaultDatabases) -> Iterator[PostgresPlace]:
    place = PostgresPlace(tmp_path, vault_databases)
    yield place
    place.remove()


@pytest.fixture
def vault(place: PostgresPlace) -> KeyVault:
    vault = place.open()
    vault.create_tenant(TENANT)
    return vault


@pytest.fixture
def proxy(place: PostgresPlace) -> Iterator[Proxy]:
    facts = conninfo_to_dict(place.url)
    with Proxy(str(facts["host"]), int(str(facts["port"]))) as proxy:
        yield proxy


def through(place: PostgresPlace, proxy: Proxy) -> KeyVault:
    """An instance that reaches its database through the proxy, with all its connections made."""
    vault = place.open_at(make_conninfo(place.url, host="127.0.0.1", port=proxy.port))
    pool_of(vault).wait()
    return vault


def agree(place: PostgresPlace) -> None:
    """Mirror and ledger tell the same story, and a start finds nothing to do."""
    place.open()
    before = place.copy()
    assert [row[6] for row in place.rows("SELECT * FROM ledger ORDER BY sequence")] == [
        entry.hash for entry in Mirror(place.mirror).entries()
    ]
    place.open()
    assert place.copy() == before


# --- a connection that breaks at any message -----------------------------------------------------------------

Call = Callable[[KeyVault, UUID, str], object]
CALLS: dict[str, Call] = {
    "enrol": lambda vault, _, name: vault.read(TENANT).enrol([mbox(name), mbox(name + "-too")]),
    "ensure": lambda vault, who, _: vault.read(TENANT).ensure(
        [Slot(who, LEARNING, str(year)) for year in range(3)]
    ),
    "begin_erasure": lambda vault, who, _: vault.begin_erasure(TENANT, who),
    "destroy": lambda vault, who, _: vault.destroy(TENANT, who, AT),
    "create_tenant": lambda vault, _, name: vault.create_tenant(name),
    "destroy_tenant": lambda vault, _, name: vault.destroy_tenant(name),
    "open_many": lambda vault, who, _: vault.open_many(TENANT, [sealed(vault, vault.tenant_subject(TENANT))]),
}


def prepare(call: str, vault: KeyVault, name: str) -> UUID:
    subject = person(vault, name + "-known")
    sealed(vault, subject)
    if call == "destroy":
        vault.begin_erasure(TENANT, subject)
    if call == "destroy_tenant":
        vault.create_tenant(name)
        person(vault, tenant=name)
    return subject


def check_done(call: str, vault: KeyVault, subject: UUID, name: str) -> None:
    """What the call has left behind, once it was answered."""
    if call == "enrol":
        found = vault.read(TENANT).lookup([mbox(name), mbox(name + "-too")])
        assert len(set(found.values())) == 2
        assert all(vault.living_keys(TENANT, one) == 3 for one in found.values())
    elif call == "ensure":
        assert vault.living_keys(TENANT, subject) == 4 + 3
    elif call == "begin_erasure":
        assert subject in vault.read(TENANT).denied
    elif call == "destroy":
        assert vault.living_keys(TENANT, subject) == 0
        assert vault.destroyed(TENANT, subject) is not None
    elif call == "create_tenant":
        assert opened(vault, sealed(vault, person(vault, tenant=name), tenant=name), name) == Plain(TEXT)
    elif call == "destroy_tenant":
        with pytest.raises(NotFound):
            vault.read(name)


class Breaking:
    """Breaks the connection at the n-th message, once."""

    def __init__(self, number: int, break_it: Callable[[], object]) -> None:
        self.left = number
        self._break = break_it

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left == 0:
            self._break()


def breaks_everywhere(
    call: str, vault: KeyVault, place: PostgresPlace, victim: KeyVault, break_it: Callable[[], object]
) -> list[bool]:
    """The call with a connection that breaks at every message in turn; whether each was answered all the same."""
    answered = []
    whole = victim.database
    for number in itertools.count(1):
        name = f"{call.replace('_', '-')}-{number}"
        subject = prepare(call, vault, name)
        victim.database = whole
        person(victim)  # its connections are whole and its caches warm
        breaking = Breaking(number, break_it)
        stepped(victim, breaking)
        try:
            CALLS[call](victim, subject, name)
        except KeyStoreUnavailable:
            answered.append(False)
            CALLS[call](victim, subject, name)
        else:
            answered.append(True)
        if breaking.left > 0:
            return answered
        for instance in (victim, vault):
            check_done(call, instance, subject, name)
    raise AssertionError("unreachable")


@pytest.mark.parametrize("fault", [pytest.param(Fault.LOSE, marks=pytest.mark.full), Fault.CUT_ANSWER])
@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_breaks_at_any_message_leaves_nothing_half_done(
    vault: KeyVault, place: PostgresPlace, proxy: Proxy, call: str, fault: Fault
) -> None:
    """CUT_ANSWER at a COMMIT: it was done, and the caller does not know."""
    answered = breaks_everywhere(call, vault, place, through(place, proxy), lambda: proxy.fault_next(fault))
    assert answered[0]  # the first message finds a broken connection, and takes another
    assert answered[-1]
    assert call == "open_many" or not all(answered)
    agree(place)


@pytest.mark.parametrize("call", [pytest.param("enrol", marks=pytest.mark.full), "destroy"])
def test_a_connection_that_the_server_ends_at_any_message_leaves_nothing_half_done(
    vault: KeyVault, place: PostgresPlace, call: str
) -> None:
    def terminate() -> None:
        with superuser(place.url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    answered = breaks_everywhere(call, vault, place, place.open(), terminate)
    assert not all(answered)
    agree(place)


def settled(read: Callable[[], list[Outcome]], expected: list[Outcome]) -> bool:
    """Whether it comes to be read as expected, and until then as denied."""
    deadline = time.monotonic() + 5
    while (found := read()) != expected and time.monotonic() < deadline:
        assert found == [Denied(), *expected[1:]]
        time.sleep(0.01)
    return found == expected


def test_an_erasure_whose_commit_is_in_doubt_denies_until_it_is_known(
    vault: KeyVault, place: PostgresPlace, proxy: Proxy
) -> None:
    victim = through(place, proxy)
    for fault, meanwhile in ((Fault.LOSE, Denied()), (Fault.CUT_ANSWER, Erased())):
        subject = person(vault, fault.name)
        item, kept = sealed(vault, subject), sealed(vault, person(vault, "kept"))
        vault.begin_erasure(TENANT, subject)
        whole = victim.database

        def at_the_commit(message: str, fault: Fault = fault) -> None:
            if message == "commit write":
                proxy.fault_next(fault)

        stepped(victim, at_the_commit)
        with pytest.raises(KeyStoreUnavailable):
            victim.destroy(TENANT, subject, AT)
        victim.database = whole
        for instance in (victim, vault):
            # The server may still be at it when the answer was cut.
            assert settled(partial(instance.open_many, TENANT, [item, kept]), [meanwhile, Plain(TEXT)])
        # Another erasure, by another process, finishes this one first.
        other = person(vault, "other" + fault.name)
        erase(vault, other)
        for instance in (victim, vault):
            assert opened(instance, item) == Erased()
            assert instance.destroy(TENANT, subject, AT) == vault.destroyed(TENANT, subject)
    agree(place)


# --- a server that goes and comes back -----------------------------------------------------------------------


def test_all_connections_cut_between_any_two_calls_is_not_noticed(
    vault: KeyVault, place: PostgresPlace, proxy: Proxy
) -> None:
    victim = through(place, proxy)
    calls: list[Callable[[], Any]] = [
        lambda: person(victim),
        lambda: sealed(victim, person(victim)),
        lambda: opened(victim, sealed(victim, person(victim))),
        lambda: victim.read(TENANT).sequence,
        lambda: victim.sign(TENANT, b""),
        lambda: victim.create_tenant(OTHER),
        lambda: erase(victim, person(victim)),
        lambda: victim.destroy_tenant(OTHER),
        lambda: victim.catch_up(),
    ]
    for call in calls:
        proxy.cut()
        call()
    agree(place)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server().make()
    yield server
    server.remove()


def test_a_server_that_restarts_between_two_calls_is_not_noticed_and_one_that_is_gone_is_unavailable(
    tmp_path: Path, server: Server
) -> None:
    databases = Databases(server.dsn)
    url = databases.create()
    migrate_vault(url)
    place = PostgresPlace(tmp_path, None, url=url)
    vault = place.open()
    vault.create_tenant(TENANT)
    subject = person(vault)
    item = sealed(vault, subject)
    for number in (signal.SIGINT, signal.SIGQUIT):
        server.restart(number)
        assert opened(vault, item) == Plain(TEXT)
        server.restart(number)
        assert opened(vault, sealed(vault, person(vault, number.name))) == Plain(TEXT)
    server.stop(signal.SIGQUIT)
    pool_of(vault).timeout = 1.0
    assert vault.open_many(TENANT, [item, item]) == [Unavailable()] * 2
    with pytest.raises(KeyStoreUnavailable):
        vault.begin_erasure(TENANT, subject)
    server.start()
    pool_of(vault).timeout = 10.0
    assert opened(vault, item) == Plain(TEXT)
    erase(vault, subject)
    assert opened(vault, item) == Erased()
    place.close()


def test_a_server_that_does_not_take_connections_is_unavailable_within_seconds(
    vault: KeyVault, place: PostgresPlace, proxy: Proxy
) -> None:
    victim = through(place, proxy)
    item = sealed(vault, person(vault))
    pool_of(victim).timeout = 0.5
    proxy.refusing = True
    proxy.cut()
    begun = time.monotonic()
    assert opened(victim, item) == Unavailable()
    for call in CALLS:
        if call != "open_many":
            with pytest.raises(KeyStoreUnavailable):
                CALLS[call](victim, UUID(int=0), "x")
    assert time.monotonic() - begun < 0.5 * (len(CALLS) + 2) + 5
    proxy.refusing = False
    pool_of(victim).timeout = 10.0
    while (
        outcome := opened(victim, item)
    ) == Unavailable():  # whoever comes after others waited in vain waits less
        assert time.monotonic() - begun < 60
    assert outcome == Plain(TEXT)


# --- making a vault ------------------------------------------------------------------------------------------


def works(place: PostgresPlace, tenant: str = TENANT) -> KeyVault:
    vault = place.open()
    vault.create_tenant(tenant)
    item = sealed(vault, person(vault, tenant=tenant), tenant=tenant)
    assert opened(place.open(), item, tenant) == Plain(TEXT)
    return vault


@pytest.mark.parametrize("key", ["without a key", "with its key"])
def test_a_creation_that_left_a_draft_is_finished(place: PostgresPlace, key: str) -> None:
    place.open()
    place.close()
    place.edit("UPDATE fence SET epoch = 0", "DELETE FROM tenant_key")
    if key == "without a key":
        (place.key_dir / "epoch-1.key").unlink()
    works(place)


def test_a_draft_beside_another_vaults_key_is_refused_and_neither_is_touched(place: PostgresPlace) -> None:
    other = place.another("other")
    for made in (place, other):
        made.open()
        made.close()
    place.edit("UPDATE fence SET epoch = 0")
    (place.key_dir / "epoch-1.key").unlink()
    for name in ("epoch-1.key", "root.key"):
        shutil.copy(other.key_dir / name, place.key_dir / name)
    before = place.files()
    with pytest.raises(VaultRefused):
        place.open()
    assert place.files() == before
    other.open()


@pytest.mark.parametrize("draft", [False, True])
def test_a_database_that_was_lost_is_not_replaced_by_an_empty_one(place: PostgresPlace, *, draft: bool) -> None:
    """Emptied, migrated anew, or the wrong one: the keys that are there belong to another."""
    erase(works(place), person(works(place)))
    place.close()
    vault_id = place.rows("SELECT vault FROM fence")[0][0]
    place.restore({"fence": [(1, vault_id, 0, 0)]} if draft else {})
    before = place.files()
    with pytest.raises(VaultRefused):
        place.open()
    assert place.files() == before


def test_two_hosts_that_make_the_same_vault_at_once_do_not_both_believe_in_their_keys(
    place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with a key directory of its own, which is a mistake: one of them has to hear of it."""
    for number in itertools.count(1):
        place.restore({})
        one, two = (replace(place.elsewhere(), root=place.root / f"{number}-{name}") for name in ("one", "two"))
        outcomes: list[BaseException | None] = []
        threads: list[threading.Thread] = []

        def start(host: PostgresPlace, outcomes: list[BaseException | None] = outcomes) -> None:
            try:
                host.open()
                outcomes.append(None)
            except (VaultRefused, KeyStoreUnavailable) as error:
                outcomes.append(error)

        def meanwhile(
            two: PostgresPlace = two, threads: list[threading.Thread] = threads, start: Any = start
        ) -> None:
            threads.append(threading.Thread(target=start, args=(two,)))
            threads[0].start()
            threads[0].join(0.3)

        breaking, whole = Breaking(number, meanwhile), postgres_vault.VaultDatabase
        with monkeypatch.context() as patched:
            patched.setattr(postgres_vault, "VaultDatabase", lambda pool, b=breaking, w=whole: Stepped(w(pool), b))
            start(one)
        if breaking.left > 0:
            one.close()
            assert number > 5
            return
        threads[0].join(30)
        for host in (one, two):
            host.close()
        again: list[bool] = []
        for host in (one, two):
            with contextlib.suppress(VaultRefused):
                works(host, host.root.name)
                again.append(True)
            host.close()
        assert outcomes.count(None) == len(again) == 1


@pytest.mark.full
def test_after_a_long_outage_the_first_call_waits_a_few_seconds_at_most(
    vault: KeyVault, place: PostgresPlace, proxy: Proxy
) -> None:
    victim = through(place, proxy)
    item = sealed(vault, person(vault))
    pool_of(victim).timeout = POOL_SECONDS_MAX
    proxy.refusing = True
    proxy.cut()
    until = time.monotonic() + 40
    while time.monotonic() < until:
        assert opened(victim, item) == Unavailable()
    proxy.refusing = False
    begun = time.monotonic()
    assert opened(victim, item) == Plain(TEXT)
    assert time.monotonic() - begun < 6
