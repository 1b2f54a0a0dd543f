"""Several processes on one PostgreSQL: one dies and is replaced, what one does the others see at once.

Nodes are processes with an address each, so that a test knows whom it asks; workers share one address.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from lrs.bootstrap import System
from tests.e2e.cluster import STORE, VAULT, Cluster, cluster_on, environment, prepare
from tests.e2e.load import check_log, check_service_log, check_stored
from tests.postgres import Server
from tests.running import Service
from tests.subjects import TENANT, Asking, Json, agent, inside, statement

TAKEN_OVER_SECONDS_MAX = 16.0
ERASURES, ERASURES_IN_A_SLICE = 20, 3


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for the module, with a pair of databases for each fixture."""
    made = Server().make()
    yield made
    made.remove()


# --- workers behind one address -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three workers."""
    server = Server().make()
    try:
        with cluster_on(server, tmp_path_factory.mktemp("workers"), "--workers", "3") as made:
            yield made
    finally:
        server.remove()


def children(service: Service) -> set[int]:
    """The worker processes."""
    assert service.process is not None
    parent = service.process.pid
    return {int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


def until(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """How long it took to come true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it does not come true"
        time.sleep(0.05)
    return time.monotonic() - began


def test_a_worker_that_was_killed_is_replaced_and_a_signal_drains_all(workers: Cluster) -> None:
    before = children(workers.service)
    assert len(before) == 3
    with workers.load(1) as load:
        time.sleep(0.3)
        os.kill(min(before), signal.SIGKILL)
        replaced = until(lambda: len(children(workers.service) - before) == 1)
        load.wait_for_success(time.monotonic())
    report("worker killed", replaced_s=round(replaced, 2), **load.figures())
    workers.check(load, broken=load.senders)  # those that were connected to it
    assert len(children(workers.service)) == 3

    workers.store.delay_seconds = 0.1  # so that the signal meets requests on their way
    assert workers.service.process is not None
    with workers.load(2) as late:
        time.sleep(0.5)
        stopped = time.monotonic()
        code = workers.service.stop()
        seconds = time.monotonic() - stopped
    assert (code, seconds < 10) == (0, True)
    under_way = [one for one in late.sent if one.began < stopped - 0.05]
    assert [one for one in under_way if one.began + one.seconds > stopped]
    assert {one.status for one in under_way} == {200}
    workers.store.delay_seconds = 0.0
    workers.service.start()
    with workers.service.client(workers.auth) as http:
        check_stored([*load.sent, *late.sent], Asking(http))


def test_workers_end_with_their_parent_and_no_new_one_is_started_at_the_end(workers: Cluster) -> None:
    os.kill(min(children(workers.service)), signal.SIGKILL)
    time.sleep(0.3)  # the parent pauses before it replaces the worker
    began = time.monotonic()
    assert workers.service.stop() == 0
    assert time.monotonic() - began < 10

    workers.service.start()
    left = children(workers.service)
    workers.service.kill()
    until(lambda: not any(Path(f"/proc/{pid}/stat").exists() and alive(pid) for pid in left))


def alive(pid: int) -> bool:
    """Whether a process runs, and is not only waiting to be reaped."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# --- nodes with an address each --------------------------------------------------------------------------------


@dataclass
class Nodes:
    """Services on the same databases, and this process as one more: what the command line does, it does."""

    server: Server
    system: System
    services: list[Service]
    key: tuple[str, str]
    clients: list[httpx2.Client] = field(default_factory=list)

    def lease(self) -> str | None:
        """Who projects."""
        with psycopg.connect(self.server.dsn_of(STORE)) as connection:
            row = connection.execute("SELECT holder FROM lethe.lease WHERE name = 'projections'").fetchone()
        return row[0] if row else None

    def ask(self, auth: tuple[str, str]) -> list[httpx2.Client]:
        """A client to each node."""
        made = [service.client(auth) for service in self.services]
        self.clients += made
        return made


@pytest.fixture(scope="module")
def nodes(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two, the first of which leads."""
    root = tmp_path_factory.mktemp("nodes")
    system = prepare(server, root, TENANT)
    issued = system.credentials.issue(TENANT, ["all"])
    settings = environment(server.dsn_of(STORE), server.dsn_of(VAULT), LRS_KEY_DIR=str(root / "data-keys"))
    services = []
    for number in range(2):
        (root / str(number)).mkdir()
        services.append(Service(root / str(number) / "data", environment=settings))
        services[-1].start()
    made = Nodes(server, system, services, (issued.row.key, issued.secret))
    try:
        yield made
    finally:
        for client in made.clients:
            client.close()
        for service in services:
            service.kill()
        system.close()


@dataclass
class Reader:
    """Reads a person's records from one node again and again: when it asked, and whether it read anything."""

    http: httpx2.Client
    person: Json
    of: Json
    read: list[tuple[float, bool]] = field(default_factory=list)

    def run(self, stopping: threading.Event, draw: random.Random) -> None:
        """Until told to stop."""
        name = self.person["name"]
        while not stopping.is_set():
            began = time.monotonic()
            kind = draw.randrange(3)
            if kind == 0:
                answer = self.http.get("/xapi/statements", params={"statementId": self.of["id"]})
            elif kind == 1:
                about = {"agent": json.dumps(self.person), "related_agents": "true"}
                answer = self.http.get("/xapi/statements", params=about)
            else:
                answer = self.http.get("/reports/completion")
            assert answer.status_code in {200, 404}, answer.text
            self.read.append((began, name in answer.text or self.of["id"] in answer.text))


def erase_under_readers(nodes: Nodes, number: int) -> tuple[int, int, float]:
    """Erase somebody through one node while all are asked for them: how often they were read before, how often
    asked after the destruction, and how long the erasure took."""
    person = agent(f"erased-{number}-{uuid4().hex[:6]}")
    clients = nodes.ask(nodes.key)
    one = statement(person)
    Asking(clients[0]).post(one)
    stopping = threading.Event()
    readers = [Reader(http, person, one) for http in nodes.ask(nodes.key) + nodes.ask(nodes.key)]
    threads = [
        threading.Thread(target=reader.run, args=(stopping, random.Random(f"{number}/{index}")))
        for index, reader in enumerate(readers)
    ]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(any(read for _, read in list(reader.read)) for reader in readers))
        asked = time.monotonic()
        request = Asking(clients[number % 2]).request("erase", person)
        destroyed = destroyed_at(nodes, number)
        Asking(clients[number % 2]).done(request)
        done = time.monotonic()
        time.sleep(0.3)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    after = [read for reader in readers for began, read in reader.read if began >= destroyed]
    assert not any(after), "read after the destruction"
    return sum(read for reader in readers for _, read in reader.read), len(after), done - asked


def destroyed_at(nodes: Nodes, number: int) -> float:
    """The moment by which the vault has committed one destruction more."""
    with psycopg.connect(nodes.server.dsn_of(VAULT), autocommit=True) as connection:
        while connection.execute(f"SELECT count(*) FROM {VAULT}.ledger".encode()).fetchone() != (number,):
            time.sleep(0.005)
    return time.monotonic()


def erase_again_and_again(nodes: Nodes, times: int) -> None:
    """Each through the other node than the one before."""
    with psycopg.connect(nodes.server.dsn_of(VAULT)) as connection:
        row = connection.execute(f"SELECT count(*) FROM {VAULT}.ledger".encode()).fetchone()
    first = row[0] + 1 if row else 1
    found = [erase_under_readers(nodes, first + number) for number in range(times)]
    before, after, seconds = (list(one) for one in zip(*found, strict=True))
    report("erasures", times=times, read=sum(before), asked_after=sum(after), slowest_s=round(max(seconds), 2))
    assert sum(after) > times
    for service in nodes.services:
        check_service_log(service.log())


def test_an_erasure_through_one_process_holds_in_all_at_once(nodes: Nodes) -> None:
    erase_again_and_again(nodes, ERASURES_IN_A_SLICE)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_many_erasures_hold_in_all_processes_at_once(nodes: Nodes) -> None:
    erase_again_and_again(nodes, ERASURES)


def test_a_revoked_credential_opens_nothing_anywhere(nodes: Nodes) -> None:
    for _ in range(5):
        issued = nodes.system.credentials.issue(TENANT, ["all"])
        clients = nodes.ask((issued.row.key, issued.secret))
        assert [http.get("/xapi/statements").status_code for http in clients * 2] == [200] * 4
        nodes.system.credentials.revoke(issued.row.key)
        assert [http.get("/xapi/statements").status_code for http in clients * 2] == [401] * 4


def test_a_tenant_of_the_same_name_is_another_in_all_processes(nodes: Nodes) -> None:
    same = statement(agent("ada"))
    for number in range(3):
        nodes.system.tenants.create("globex")
        issued = nodes.system.credentials.issue("globex", ["all"])
        clients = nodes.ask((issued.row.key, issued.secret))
        own = statement(agent(f"only-{number}"))
        for http in clients:
            assert Asking(http).found() == [], "what the one before of that name had"
        Asking(clients[number % 2]).post(same, own)
        for http in clients:
            assert {one["id"] for one in Asking(http).found()} == {same["id"], own["id"]}
            assert len(Asking(http).found_by(agent("ada"))) == 1
        # This process made the store anew: its terms are the right ones.
        assert len(inside(nodes.system, "globex").found_by(agent("ada"))) == 1
        nodes.system.tenants.delete("globex")
        assert {http.get("/xapi/statements").status_code for http in clients} == {401}
    for service in nodes.services:
        check_service_log(service.log())


def test_another_process_projects_when_the_one_that_did_is_gone(nodes: Nodes) -> None:
    """The last of the module's tests that need the first node as it was."""
    first, second = nodes.services
    leader = nodes.lease()
    assert leader is not None
    clients = nodes.ask(nodes.key)
    first.kill()
    Asking(clients[1]).post(statement(agent("while-nobody-led")))
    killed = until(lambda: nodes.lease() != leader and lag(clients[1]) == 0, TAKEN_OVER_SECONDS_MAX)

    first.start()
    leader = nodes.lease()
    assert second.stop() == 0
    (http, _) = nodes.ask(nodes.key)
    Asking(http).post(statement(agent("while-nobody-led")))
    left = until(lambda: nodes.lease() not in {leader, None} and lag(http) == 0, TAKEN_OVER_SECONDS_MAX)
    report("leader", taken_over_s=round(killed, 2), left_s=round(left, 2))
    assert left < 6
    second.start()
    check_log(nodes.server.dsn_of(STORE), erased=True)
    for service in nodes.services:
        check_service_log(service.log())


def lag(http: httpx2.Client) -> int:
    """How many events the reports are behind."""
    behind: int = http.get("/reports/completion").json()["projection_lag"]
    return behind


def report(name: str, **figures: Any) -> None:
    """A line of figures, for those who run with -s."""
    sys.stdout.write(f"\n{name}: {figures}\n")
