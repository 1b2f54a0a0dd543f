"""PostgreSQL breaks in every way while requests come: the service gives each its answer, or 503 with Retry-After
in time; nothing acknowledged is lost or stored twice; it goes on by itself.

``pytest -m full`` breaks each more often and prints figures.
"""

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, cluster_on
from tests.e2e.load import Load
from tests.postgres import Server
from tests.proxy import Fault

# From the end of a fault until the next record is stored.
RECOVERED_SECONDS_MAX = 10.0


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


def faulted(cluster: Cluster, name: str, seed: int, fault: Callable[[random.Random], float | None]) -> Load:
    """A load with a fault in the middle of it; ``fault`` gives when it ended (monotonic). All is checked."""
    draw = random.Random(seed)
    with cluster.load(seed) as load:
        time.sleep(draw.uniform(0.2, 0.5))
        ended = fault(draw) or time.monotonic()
        recovered = load.wait_for_success(ended)
        time.sleep(0.3)
    report(name, recovered_s=round(recovered, 2), **load.figures())
    cluster.check(load)
    assert recovered <= RECOVERED_SECONDS_MAX
    return load


# --- the server goes and comes back ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "crash", "kill"])
def test_a_restart_of_the_server_loses_nothing(cluster: Cluster, number: signal.Signals) -> None:
    faulted(cluster, f"restart {number.name}", 1, lambda _: cluster.server.restart(number))


def test_a_server_that_is_away_for_seconds_is_found_again(cluster: Cluster) -> None:
    def away(_: random.Random) -> None:
        cluster.server.stop(signal.SIGKILL)
        time.sleep(5)
        cluster.server.start()

    faulted(cluster, "away 5 s", 2, away)


def test_connections_that_are_cut_or_ended_are_replaced(cluster: Cluster) -> None:
    def cut(draw: random.Random) -> None:
        for end in (cluster.store.cut, cluster.vault.cut, cluster.terminate_all) * 2:
            end()
            time.sleep(draw.uniform(0.0, 0.2))

    faulted(cluster, "cut", 3, cut)


# --- answers get lost -------------------------------------------------------------------------------------------


def test_a_commit_whose_answer_was_lost_is_acknowledged_once(cluster: Cluster) -> None:
    def lose_acknowledgements(_: random.Random) -> None:
        for proxy in (cluster.store, cluster.vault) * 3:
            proxy.fault_next(Fault.CUT_ANSWER, b"COMMIT")
            assert proxy.struck.wait(10)

    load = faulted(cluster, "lost acknowledgement", 4, lose_acknowledgements)
    assert {one.status for one in load.sent} == {200}  # nobody has to hear of it


@pytest.mark.parametrize("which", ["store", "vault"])
def test_a_black_hole_is_noticed_in_time(cluster: Cluster, which: str) -> None:
    def silence(_: random.Random) -> float:
        proxy = getattr(cluster, which)
        proxy.silent = True
        time.sleep(12)
        proxy.silent = False
        return time.monotonic()

    faulted(cluster, f"black hole {which}", 5, silence)


@pytest.mark.parametrize("which", ["store", "vault"])
def test_one_database_alone_may_be_down(cluster: Cluster, which: str) -> None:
    def down(_: random.Random) -> None:
        proxy = getattr(cluster, which)
        proxy.refusing = True
        proxy.cut()
        time.sleep(4)
        proxy.refusing = False

    faulted(cluster, f"down {which}", 6, down)
