"""PostgreSQL breaks in every way while requests come: the service gives each its answer, or 503 with Retry-After
in time; nothing acknowledged is lost or stored twice; it goes on by itself.

``pytest -m full`` breaks each more often and prints figures.
"""

import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.cluster import STORE, Cluster, cluster_on, wait_until_stores
from tests.e2e.load import SECONDS_MAX, Load, check_service_log
from tests.postgres import Server
from tests.proxy import Fault
from tests.running import Service
from tests.subjects import TENANT

full = pytest.mark.full
SEEDS = [1, *(pytest.param(seed, marks=full) for seed in range(2, 6))]
# From the end of a fault until the next record is stored.
RECOVERED_SECONDS_MAX = 10.0
# A black hole, and how long an answer that it swallowed is waited for (docs/scaling.md), with what comes after.
SILENT_SECONDS = 7.0
SWALLOWED_SECONDS_MAX = 18.0 + 2.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for the module; each test takes its faults away."""
    server = Server(sync=True).make()
    try:
        with cluster_on(server, tmp_path_factory.mktemp("faults")) as made:
            yield made
    finally:
        server.remove()


def report(name: str, **figures: Any) -> None:
    """A line of figures, for those who run with -s."""
    sys.stdout.write(f"\n{name}: {figures}\n")


def faulted(
    cluster: Cluster,
    name: str,
    seed: int,
    fault: Callable[[random.Random], float | None],
    *,
    seconds_max: float = RECOVERED_SECONDS_MAX,
) -> Load:
    """A load with a fault in the middle of it; ``fault`` gives when it ended (monotonic). All is checked."""
    draw = random.Random(seed)
    with cluster.load(seed) as load:
        time.sleep(draw.uniform(0.2, 0.5))
        ended = fault(draw) or time.monotonic()
        recovered = load.wait_for_success(ended)
        time.sleep(0.3)
    report(name, recovered_s=round(recovered, 2), **load.figures())
    cluster.check(load)
    assert recovered <= seconds_max
    return load


# --- the server goes and comes back ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=full), signal.SIGQUIT, pytest.param(signal.SIGKILL, marks=full)]
)
def test_a_restart_of_the_server_loses_nothing(cluster: Cluster, number: signal.Signals, seed: int) -> None:
    faulted(cluster, f"restart {number.name}", seed, lambda _: cluster.server.restart(number))


@full
def test_a_server_that_is_away_for_seconds_is_found_again(cluster: Cluster) -> None:
    def away(_: random.Random) -> None:
        cluster.server.stop(signal.SIGKILL)
        time.sleep(5)
        cluster.server.start()

    faulted(cluster, "away 5 s", 2, away)


@pytest.mark.parametrize("seed", SEEDS)
def test_connections_that_are_cut_or_ended_are_replaced(cluster: Cluster, seed: int) -> None:
    def cut(draw: random.Random) -> None:
        for end in (cluster.store.cut, cluster.vault.cut, cluster.terminate_all) * 2:
            end()
            time.sleep(draw.uniform(0.0, 0.2))

    faulted(cluster, "cut", seed, cut)


# --- answers get lost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_commit_whose_answer_was_lost_is_acknowledged_once(cluster: Cluster, seed: int) -> None:
    def lose_acknowledgements(_: random.Random) -> None:
        for proxy in (cluster.store, cluster.vault) * 3:
            proxy.fault_next(Fault.CUT_ANSWER, b"COMMIT")
            assert proxy.struck.wait(10)

    load = faulted(cluster, "lost acknowledgement", seed, lose_acknowledgements)
    assert {one.status for one in load.sent} == {200}  # nobody has to hear of it


@pytest.mark.parametrize("which", ["store", pytest.param("vault", marks=full)])
def test_a_black_hole_is_noticed_in_time(cluster: Cluster, which: str) -> None:
    def silence(_: random.Random) -> float:
        proxy = getattr(cluster, which)
        proxy.silent = True
        time.sleep(SILENT_SECONDS)
        proxy.silent = False
        return time.monotonic()

    faulted(cluster, f"black hole {which}", 5, silence, seconds_max=SWALLOWED_SECONDS_MAX - SILENT_SECONDS)


@pytest.mark.parametrize("which", [pytest.param("store", marks=full), "vault"])
def test_one_database_alone_may_be_down(cluster: Cluster, which: str) -> None:
    def down(draw: random.Random) -> None:
        proxy = getattr(cluster, which)
        proxy.refusing = True
        proxy.cut()
        time.sleep(draw.uniform(2, 4))
        proxy.refusing = False

    faulted(cluster, f"down {which}", 6, down)


# --- locks, limits and deadlocks ------------------------------------------------------------------------------


@contextmanager
def holding(cluster: Cluster, lock: str) -> Iterator[None]:
    """Another session that has done this in the tenant's schema and does not end its transaction."""
    with psycopg.connect(cluster.server.dsn_of(STORE)) as connection:
        connection.execute(f'SET search_path = "tenant_{TENANT}"'.encode())
        connection.execute(lock.encode())
        yield


def test_a_lock_that_somebody_holds_on_is_answered_in_time(cluster: Cluster) -> None:
    def hold(_: random.Random) -> None:
        with holding(cluster, "SELECT 1 FROM head FOR UPDATE"):
            time.sleep(12)

    load = faulted(cluster, "lock on head", 7, hold)
    assert 503 in {one.status for one in load.sent}


def test_statements_that_time_out_or_deadlock_are_tried_again(cluster: Cluster) -> None:
    """Every fifth append fails with an error of the server's own."""
    cluster.sql(
        f"""
        SET search_path = "tenant_{TENANT}";
        CREATE SEQUENCE appends;
        GRANT ALL ON SEQUENCE appends TO PUBLIC;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          CASE nextval('"tenant_{TENANT}".appends') % 15
            WHEN 4 THEN RAISE EXCEPTION USING ERRCODE = '40P01';
            WHEN 7 THEN RAISE EXCEPTION USING ERRCODE = '57014';
            WHEN 10 THEN RAISE EXCEPTION USING ERRCODE = '55P03';
            WHEN 13 THEN RAISE EXCEPTION USING ERRCODE = '53100';
            ELSE NULL;
          END CASE;
          RETURN NEW;
        END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON head EXECUTE FUNCTION fail();
        """
    )
    try:
        load = faulted(cluster, "errors of the server", 8, lambda _: time.sleep(2))
        ((appends,),) = cluster.sql(f'SELECT last_value FROM "tenant_{TENANT}".appends')
    finally:
        cluster.sql(f'SET search_path = "tenant_{TENANT}"; DROP TRIGGER fail ON head; DROP SEQUENCE appends')
    assert appends > 15
    assert {one.status for one in load.sent} == {200}


def test_a_pool_that_is_used_up_is_answered_in_time(cluster: Cluster, tmp_path: Path) -> None:
    """Readers of a table that somebody holds use up all connections."""
    few = Service(tmp_path / "data", environment=cluster.service.environment | {"LRS_CONNECTIONS": "4"})
    few.environment["LRS_KEY_DIR"] = f"{cluster.service.data_dir}-keys"
    few.start()
    answers: list[tuple[int, float, str | None]] = []

    def read() -> None:
        with few.client(cluster.auth) as http:
            began = time.monotonic()
            answer = http.get("/xapi/statements")
            answers.append((answer.status_code, time.monotonic() - began, answer.headers.get("Retry-After")))

    try:
        wait_until_stores(few, cluster.auth)
        with holding(cluster, "LOCK TABLE statement IN ACCESS EXCLUSIVE MODE"):
            threads = [threading.Thread(target=read) for _ in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        recovered = wait_until_stores(few, cluster.auth)
        assert {status for status, _, _ in answers} == {503}
        assert all(retry_after for _, _, retry_after in answers)
        slowest = max(seconds for _, seconds, _ in answers)
        report("pool used up", slowest_s=round(slowest, 2), recovered_s=round(recovered, 2))
        assert slowest < SECONDS_MAX
        assert recovered < RECOVERED_SECONDS_MAX
        check_service_log(few.log())
    finally:
        few.kill()
