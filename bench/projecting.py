"""Projections: catching up from the start of the log, and rebuilding every view, on what ingest left behind.

Catching up folds the whole log into new generations of all views with the runner's own step, so the live views
are never moved back. The service is stopped meanwhile; the work is done in another process than the clock's.
"""

import gc
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Final

from bench.figures import Figure
from bench.places import Place
from bench.rig import Rig
from bench.scale import MILLION
from bench.serving import TENANT
from lrs.bootstrap import build
from lrs.projections.rebuilding import rebuild
from lrs.projections.runner import VIEWS, catch_up, step

GROUP: Final = "project"
_EVENTS_A_SECOND_GUESSED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Projected:
    """Events a second: of the log, however many views they were folded into."""

    events: int
    catch_up_rate: float
    rebuild_rate: float
    catch_up_cpu_us: float
    rebuild_cpu_us: float
    same: bool


def project(place: Place) -> Projected:
    """Catch up, then rebuild; to be run in a process of its own."""
    system = build(place.settings())
    try:
        store = system.tenants.store(TENANT)
        catch_up(store, system.opener)
        gc.collect()
        gc.freeze()  # as `lrs serve` and `lrs rebuild` do
        began, computed = perf_counter(), process_time()
        generations = [store.views.begin(name) for name in VIEWS]
        while moved := step(store, system.opener, generations):
            generations = moved
        caught_up, computed_then = perf_counter(), process_time()
        gc.freeze()  # as `lrs rebuild` does
        same = [rebuild(store, system.opener, name) for name in VIEWS]
        rebuilt = perf_counter()
        events = store.statements.head().position
        return Projected(
            events=events,
            catch_up_rate=events / (caught_up - began),
            rebuild_rate=events / (rebuilt - caught_up),
            catch_up_cpu_us=(computed_then - computed) * 1e6 / events,
            rebuild_cpu_us=(process_time() - computed_then) * 1e6 / events,
            same=all(same),
        )
    finally:
        gc.unfreeze()
        system.close()


def projections(rig: Rig) -> list[Figure]:
    """The figures of projecting. The service must be stopped."""
    raw = rig.stand.records().scan_rate()
    guess = 3 * rig.stand.recorded / _EVENTS_A_SECOND_GUESSED
    done = rig.elsewhere("projecting", guess, project, rig.stand.place)
    if not done.same:
        raise AssertionError("a rebuilt view is not what the live one was")
    more = {"events": float(done.events)}
    return [
        Figure(
            GROUP,
            "catching up",
            done.catch_up_rate,
            "events/s",
            {"select": raw},
            server_cpu_us=done.catch_up_cpu_us,
            more=more,
        ),
        Figure(
            GROUP,
            "rebuilding every view, a million events",
            MILLION / done.rebuild_rate,
            "s",
            {"select": MILLION / raw},
            server_cpu_us=done.rebuild_cpu_us,
            more=more,
        ),
    ]
