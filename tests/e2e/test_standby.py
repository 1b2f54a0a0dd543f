"""A primary and a stand-by: the service goes over to the stand-by by itself, and reads from it.

``pytest -m full`` fails over more often, also to a stand-by that was told that it is behind, and prints figures.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.cluster import STORE, VAULT, environment, prepare, wait_until_stores
from tests.e2e.load import Load, check_log, check_service_log, check_stored
from tests.postgres import Server
from tests.running import Service
from tests.subjects import ADA, GRACE, TENANT, Asking, Json, agent, statement

FAILED_OVER_SECONDS_MAX = 15.0


@dataclass
class Pair:
    """A primary, its stand-by, and a service that knows both."""

    primary: Server
    standby: Server
    service: Service
    auth: tuple[str, str]

    def promote(self) -> None:
        """The stand-by becomes the primary."""
        execute(self.standby.dsn, "SELECT pg_promote()")

    def fail_over(self) -> None:
        """The primary dies; the stand-by takes its place."""
        self.primary.stop(signal.SIGKILL)
        self.promote()

    @contextmanager
    def standby_stopped(self) -> Iterator[None]:
        """The stand-by hangs: it is connected and does not answer."""
        with frozen(self.standby):
            yield


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """All processes of a server stand still meanwhile."""
    pids = processes(server)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def processes(server: Server) -> list[int]:
    """The server's processes: its own and its children, each of which may lead a session."""
    top = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return [top, *(pid for pid, parent in parents.items() if parent == top)]


def execute(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        # What is set up here must not wait for the stand-by that it is about.
        connection.execute("SET synchronous_commit = local")
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else []


@contextmanager
def pair(root: Path, *, synchronous: str | None = "on", reads: bool = False) -> Iterator[Pair]:
    """A new pair with the tenant acme; ``synchronous`` is the level of commits, ``reads`` goes to the stand-by."""
    primary = Server(sync=True).make()
    standby = Server(sync=True)
    service = None
    try:
        system = prepare(primary, root, TENANT)
        issued = system.credentials.issue(TENANT, ["all"])
        system.close()
        host = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        slot = ["-R", "-X", "stream", "-C", "-S", "standby", "-c", "fast", "--no-sync"]
        standby.run("pg_basebackup", *host, *slot, "-D", str(standby.data))
        standby.start()
        if synchronous:
            execute(primary.dsn, "ALTER SYSTEM SET synchronous_standby_names = '*'")
            execute(primary.dsn, f"ALTER SYSTEM SET synchronous_commit = '{synchronous}'")
            execute(primary.dsn, "SELECT pg_reload_conf()")
        hosts = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        more = {"LRS_REPLICA_URL": standby.dsn_of(STORE)} if reads else {}
        service = Service(root / "data", environment=environment(f"{hosts}/{STORE}", f"{hosts}/{VAULT}", **more))
        service.start()
        yield Pair(primary, standby, service, (issued.row.key, issued.secret))
    finally:
        if service is not None:
            service.kill()
        standby.remove()
        primary.remove()


def check_after(pair: Pair, load: Load) -> None:
    """All that holds after a fail-over that lost nothing."""
    load.check()
    with pair.service.client(pair.auth) as http:
        check_stored(load.sent, Asking(http))
    check_log(pair.standby.dsn_of(STORE))
    check_service_log(pair.service.log())


def fail_over_under_load(root: Path, level: str, seed: int) -> dict[str, Any]:
    """Kill the primary of a new pair while requests come, promote, and check everything; the figures."""
    with pair(root, synchronous=level) as made:
        with Load(made.service.url, made.auth, seed) as load:
            time.sleep(random.Random(seed).uniform(0.5, 1.5))
            made.fail_over()
            promoted = time.monotonic()
            recovered = load.wait_for_success(promoted)
            time.sleep(0.5)
        check_after(made, load)
    assert recovered <= FAILED_OVER_SECONDS_MAX
    return {"recovered_s": round(recovered, 2)} | load.figures()


# --- failing over ---------------------------------------------------------------------------------------------


def test_a_fail_over_to_a_synchronous_stand_by_loses_nothing(tmp_path: Path) -> None:
    report("fail-over", fail_over_under_load(tmp_path, "on", 1))


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("level", ["on", "remote_apply"])
def test_fail_overs_lose_nothing(tmp_path: Path, level: str) -> None:
    for number in range(5):
        root = tmp_path / str(number)
        root.mkdir()
        report(f"fail-over {level}", fail_over_under_load(root, level, 100 + number))


def test_a_commit_that_did_not_wait_for_the_stand_by_is_not_acknowledged(tmp_path: Path) -> None:
    with pair(tmp_path) as made:
        wait_until_stores(made.service, made.auth)
        one = statement(ADA)
        with made.service.client(made.auth) as http, cancelled_waits(made.primary) as cancelled:
            with made.standby_stopped():
                # It is tried again, found stored, and is still on one machine only.
                began = time.monotonic()
                answer = http.post("/xapi/statements", json=one)
                assert answer.status_code == 503, answer.text
                assert answer.headers["Retry-After"]
                assert time.monotonic() - began < 20
            assert cancelled
            wait_until_stores(made.service, made.auth)
            answer = http.post("/xapi/statements", json=one)
            assert (answer.status_code, answer.json()) == (200, [one["id"]])
            assert [each["id"] for each in Asking(http).found()].count(one["id"]) == 1
        check_service_log(made.service.log())


@contextmanager
def cancelled_waits(primary: Server) -> Iterator[list[int]]:
    """Whoever waits for the stand-by is told to stop waiting, again and again; the processes that were."""
    stopping = threading.Event()
    cancelled: list[int] = []

    def run() -> None:
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        with psycopg.connect(primary.dsn, autocommit=True) as connection:
            while not stopping.wait(0.05):
                for (pid,) in connection.execute(waiting).fetchall():
                    connection.execute("SELECT pg_cancel_backend(%s)", [pid])
                    cancelled.append(pid)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield cancelled
    finally:
        stopping.set()
        thread.join()


def lossy_fail_over(root: Path, seed: int) -> dict[str, Any]:
    """Fail over to a stand-by that was behind; what was lost, and whether what is left is in order."""
    with pair(root, synchronous=None) as made:
        by_ada = statement(ADA)
        with made.service.client(made.auth) as http:
            Asking(http).post(by_ada)
            reach(made)
            execute(made.standby.dsn, "ALTER SYSTEM SET primary_conninfo = ''")
            execute(made.standby.dsn, "SELECT pg_reload_conf()")
            Asking(http).done(Asking(http).request("erase", ADA))
        with Load(made.service.url, made.auth, seed, senders=2) as load:
            time.sleep(1)
            made.fail_over()
            promoted = time.monotonic()
            recovered = load.wait_for_success(promoted)
            time.sleep(1)
        load.check()
        check_log(made.standby.dsn_of(STORE))
        check_service_log(made.service.log())
        with made.service.client(made.auth) as http:
            there = {one["object"]["id"] for one in Asking(http).found(limit="500")}
            # The stand-by never heard of the erasure; the ledger's mirror did.
            assert Asking(http).get(by_ada).status_code == 404
            assert Asking(http).found_by(ADA) == []
        after = [one for one in load.sent if one.acknowledged and one.began > promoted]
        lost = [one for one in load.sent if one.acknowledged and not activities(one.statements) <= there]
        assert not [one for one in lost if one in after], "what was acknowledged after the fail-over is there"
    return {"recovered_s": round(recovered, 2), "lost": sum(len(one.statements) for one in lost)} | load.figures()


def activities(statements: list[Json]) -> set[str]:
    """What they are about."""
    return {one["object"]["id"] for one in statements}


def test_after_a_fail_over_that_lost_something_the_log_is_in_order_and_all_that_follows_is_kept(
    tmp_path: Path,
) -> None:
    figures = lossy_fail_over(tmp_path, 2)
    report("lossy fail-over", figures)
    assert figures["lost"] > 0  # or nothing was tried here


# --- reading from the stand-by --------------------------------------------------------------------------------


def test_a_stand_by_that_is_behind_says_so_and_brings_nobody_back(tmp_path: Path) -> None:
    with pair(tmp_path, synchronous=None, reads=True) as made, made.service.client(made.auth) as http:
        acme = Asking(http)
        by_ada, by_grace = statement(ADA), statement(GRACE, context={"instructor": ADA})
        acme.post(by_ada, by_grace)
        reach(made)
        assert len(acme.found()) == 2
        execute(made.standby.dsn, "SELECT pg_wal_replay_pause()")
        later = statement(agent("later"))
        acme.post(later)
        stored = acme.get(later).json()["stored"]
        answer = http.get("/xapi/statements")
        assert {one["id"] for one in answer.json()["statements"]} == {by_ada["id"], by_grace["id"]}
        assert answer.headers["X-Experience-API-Consistent-Through"] < stored
        report = http.get("/reports/completion", params={"wait": 1}).json()
        assert len(report["rows"]) <= 2
        assert report["as_of"] < stored

        acme.done(acme.request("erase", ADA))  # the stand-by still holds all of it
        (left,) = acme.found()
        assert left["id"] == by_grace["id"]
        assert ADA["mbox"] not in json.dumps(left)
        assert acme.found_by(ADA) == []
        assert acme.get(by_ada).status_code == 404

        # A tenant that the stand-by has not heard of is written, and read from the primary.
        made.service.lrs("tenant", "create", "globex")
        with made.service.client(made.service.credential("globex")) as other:
            globex = Asking(other)
            globex.post(by_grace)
            assert [one["id"] for one in globex.found()] == [by_grace["id"]]

        made.standby.stop(signal.SIGKILL)
        assert {one["id"] for one in acme.found()} == {by_grace["id"], later["id"]}
        check_service_log(made.service.log())


def reach(pair: Pair) -> None:
    """Wait until the stand-by shows what the primary has."""
    ((position,),) = execute(pair.primary.dsn, "SELECT pg_current_wal_lsn()")
    for _ in range(200):
        ((there,),) = execute(pair.standby.dsn, f"SELECT pg_last_wal_replay_lsn() >= '{position}'")
        if there:
            return
        time.sleep(0.05)
    raise AssertionError("the stand-by does not come along")


def report(name: str, figures: dict[str, Any]) -> None:
    """A line of figures, for those who run with -s."""
    sys.stdout.write(f"\n{name}: {figures}\n")
