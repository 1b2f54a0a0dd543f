"""Disks that are full, answers that come late, more requests than can be written: 503, and no waiting for ever."""

import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson
import psycopg
import pytest

from tests.e2e.cluster import STORE, Cluster, cluster_on, prepare, wait_until_stores
from tests.e2e.load import Load, check_service_log, check_stored
from tests.postgres import Server
from tests.running import Service
from tests.subjects import TENANT, Asking, agent, statement

RECOVERED_SECONDS_MAX = 10.0


def report(name: str, **figures: Any) -> None:
    """A line of figures, for those who run with -s."""
    sys.stdout.write(f"\n{name}: {figures}\n")


# --- full disks -------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, in memory."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No room on it meanwhile."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65_536) == 65_536:
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


def fill_under_load(load: Load, disk: Path, mend: Any = lambda: None) -> float:
    """Fill the disk in the middle of a load, and make room again; how long it took to store again."""
    with load:
        time.sleep(0.5)
        with filled(disk):
            full = time.monotonic()
            while not any(one.status == 503 for one in list(load.sent)):
                assert time.monotonic() - full < 30, "the disk does not fill"
                time.sleep(0.05)
        mend()
        recovered = load.wait_for_success(time.monotonic())
    load.check()
    assert recovered < RECOVERED_SECONDS_MAX
    return recovered


def test_a_full_disk_of_the_server_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 200) as disk:
        server = Server("max_wal_size=32MB", "min_wal_size=32MB", sync=True, data=disk / "data").make()

        def mend() -> None:  # it ends when there is no room for its log, and somebody starts it again
            if server.ended():
                server.start()

        try:
            with cluster_on(server, tmp_path) as cluster:
                load = cluster.load(1)
                recovered = fill_under_load(load, disk, mend)
                report("disk full, PostgreSQL", recovered_s=round(recovered, 2), **load.figures())
                cluster.check(load)
        finally:
            server.remove()


def test_a_full_disk_of_the_embedded_store_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        service = Service(disk, environment={"LRS_KEY_DIR": str(tmp_path / "keys")})
        service.lrs("tenant", "create", TENANT)
        auth = service.credential(TENANT)
        service.start()
        try:
            load = Load(service.url, auth, 1)
            recovered = fill_under_load(load, disk)
            report("disk full, SQLite", recovered_s=round(recovered, 2), **load.figures())
            with service.client(auth) as http:
                check_stored(load.sent, Asking(http))
            with closing(sqlite3.connect(disk / "tenants" / f"{TENANT}.db")) as connection:
                positions = [row[0] for row in connection.execute("SELECT position FROM event ORDER BY position")]
            assert positions == list(range(1, len(positions) + 1))
            check_service_log(service.log())
        finally:
            service.kill()


# --- slow answers, and more than can be written ----------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for the rest of the module."""
    server = Server().make()
    try:
        with cluster_on(server, tmp_path_factory.mktemp("limits")) as made:
            yield made
    finally:
        server.remove()


@pytest.mark.full
def test_groups_grow_when_the_store_is_slow(cluster: Cluster) -> None:
    """With answers late by 100 ms a commit takes a second, and what waits meanwhile shares the next."""
    wait_until_stores(cluster.service, cluster.auth)
    cluster.store.delay_seconds = 0.05
    try:
        with cluster.load(1, senders=16, batch_max=2) as load:
            time.sleep(6)
    finally:
        cluster.restore()
    figures = load.figures()
    report("slow store", **figures)
    cluster.check(load)
    one_after_another = 6 / statistics.median(one.seconds for one in load.sent)
    assert figures["requests"] > 4 * one_after_another


@contextmanager
def held_head(cluster: Cluster) -> Iterator[None]:
    """Nothing can be written for the tenant meanwhile."""
    with psycopg.connect(cluster.server.dsn_of(STORE)) as connection:
        connection.execute(f'SELECT 1 FROM "tenant_{TENANT}".head FOR UPDATE'.encode())
        yield


def resident_megabytes(service: Service) -> int:
    """How much memory the service takes."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) // 1024


@pytest.mark.full
def test_more_than_the_limit_is_refused_at_once_and_takes_no_memory(cluster: Cluster) -> None:
    one = statement(agent("flood"))
    del one["id"]
    body = orjson.dumps([one] * 1_000)
    answers: list[tuple[int, str, float]] = []

    def send() -> None:
        with cluster.service.client(cluster.auth) as http:
            for _ in range(2):
                began = time.monotonic()
                answer = http.post("/xapi/statements", content=body, headers={"Content-Type": "application/json"})
                code = answer.json()["code"] if answer.status_code != 200 else ""
                assert answer.status_code == 200 or answer.headers["Retry-After"]
                answers.append((answer.status_code, code, time.monotonic() - began))

    before = resident_megabytes(cluster.service)
    threads = [threading.Thread(target=send) for _ in range(32)]
    with held_head(cluster):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    after = resident_megabytes(cluster.service)
    wait_until_stores(cluster.service, cluster.auth)
    codes = Counter(code for _, code, _ in answers)
    refused = [seconds for _, code, seconds in answers if code == "overloaded"]
    waited = [seconds for _, code, seconds in answers if code == "store-unavailable"]
    report("flood", codes=dict(codes), grown_mb=after - before, slowest_s=round(max(s for _, _, s in answers), 1))
    assert {status for status, _, _ in answers} == {503}
    assert refused
    assert waited
    assert statistics.median(refused) < statistics.median(waited) / 2
    assert after - before < 400
    check_service_log(cluster.service.log())


@pytest.mark.full
def test_a_flood_of_one_tenant_leaves_the_others_their_turn(tmp_path: Path) -> None:
    server = Server().make()
    try:
        system = prepare(server, tmp_path, TENANT, "globex")
        auths = [
            (made.row.key, made.secret)
            for made in (system.credentials.issue(name, ["all"]) for name in (TENANT, "globex"))
        ]
        settings = {
            "LRS_DATABASE_URL": server.dsn_of(STORE),
            "LRS_VAULT_URL": server.dsn_of("lethe_vault"),
        }
        system.close()
        service = Service(tmp_path / "data", environment=settings)
        service.start()
        try:
            flood = Load(service.url, auths[0], 1, senders=12, batch_max=200)
            other = Load(service.url, auths[1], 2, senders=1, batch_max=2)
            with flood:
                time.sleep(1)
                with other:
                    time.sleep(5)
            for load in (flood, other):
                load.check()
            report("neighbours", flood=flood.figures(), other=other.figures())
            batches = [one.seconds for one in flood.sent if len(one.statements) > 1]
            singles = sorted(one.seconds for one in other.sent)
            assert statistics.median(singles) < statistics.median(batches)
            assert singles[int(len(singles) * 0.99)] < 3 * statistics.median(batches)
            with httpx2.Client(base_url=service.url, auth=auths[1]) as http:
                http.headers["X-Experience-API-Version"] = "1.0.3"
                check_stored(other.sent, Asking(http))
        finally:
            service.kill()
    finally:
        server.remove()
