"""The rig: a service on a store, the bare route and the load generator, each a process of its own, and what shows
them at work."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.bare import BareServer
from bench.figures import Sample
from bench.load import Outcome, Reading, Target, Writing, prepare, read, write
from bench.places import Place, Tables
from bench.postgres import PostgresBacking
from bench.processes import cpu_seconds
from bench.scale import Scale
from bench.serving import NEIGHBOUR, TENANT, Stand, stand_on
from bench.sqlite import SqliteBacking
from bench.stages import ready
from bench.statements import statements

# The generator, and one more for the neighbour of a flood.
_GENERATORS = 2
_POLL_SECONDS = 0.1
_VIEWS_SECONDS_MAX = 600.0
_T = TypeVar("_T")


class Backing(Protocol):
    """Makes places."""

    def place(self, name: str) -> Place:
        """The place of this name, made when missing."""
        ...

    def drop(self, name: str) -> None:
        """Take it away."""
        ...


BACKINGS: dict[str, Callable[..., AbstractContextManager[Backing]]] = {
    "sqlite": SqliteBacking,
    "postgres": PostgresBacking,
}


@dataclass(slots=True)
class Shared:
    """What the measurements of both stores use."""

    server: BareServer
    generators: ProcessPoolExecutor
    workshop: ProcessPoolExecutor  # for all else that is measured in a process of its own
    progress: Progress

    @property
    def bare(self) -> Target:
        """The bare route."""
        return Target(self.server.url, bare=True)


@dataclass(slots=True)
class Rig:
    """Everything that the measurements of one store need. ``rows``: what recording some statements has written."""

    scale: Scale
    folder: Path
    shared: Shared
    backing: Backing
    stand: Stand
    rows: Tables
    sealed_bytes: float = 0.0

    # --- work elsewhere --------------------------------------------------------------------------------------

    def generate(self, label: str, seconds: float, work: Callable[..., Outcome], job: Any) -> Outcome:
        """Do the work in a generator's process and show a bar meanwhile. ``seconds`` is a guess."""
        return self._shown(label, seconds, self.shared.generators.submit(work, job))

    def elsewhere(self, label: str, seconds: float, work: Callable[..., _T], *arguments: Any) -> _T:
        """The same for what is no load."""
        return self._shown(label, seconds, self.shared.workshop.submit(work, *arguments))

    def _shown(self, label: str, seconds: float, future: "Future[_T]") -> _T:
        progress = self.shared.progress
        task = progress.add_task(f"{self.stand.place.store}: {label}", total=seconds)
        try:
            return _await(future, lambda passed: progress.update(task, completed=min(passed, seconds)))
        finally:
            progress.remove_task(task)

    # --- loads -----------------------------------------------------------------------------------------------

    def write(self, label: str, job: Writing, stand: Stand | None = None, *, counting: bool = True) -> Sample:
        """How writing to the service went. Its views have caught up afterwards."""
        stand = stand or self.stand
        seconds = min(job.seconds, self.scale.seconds * 10)
        sample, outcome = self.sampled(stand, lambda: self.generate(label, seconds, write, job))
        self.count(stand, outcome, counting=counting and not job.numbers)
        self.wait_for_views(stand)
        return sample

    def count(self, stand: Stand, outcome: Outcome, *, counting: bool = True) -> None:
        """Note what was recorded."""
        stand.recorded += outcome.statements
        stand.json_bytes += outcome.json_bytes
        stand.number += outcome.statements if counting else 0

    def sampled(self, stand: Stand, work: Callable[[], Outcome]) -> tuple[Sample, Outcome]:
        """The outcome of a load on a service, with what service and store computed for it."""
        pids = (stand.service.pid, stand.place.store_pid)
        before = [cpu_seconds(pid) if pid else 0.0 for pid in pids]
        outcome = work()
        service, store = (
            ((cpu_seconds(pid) if pid else 0.0) - earlier) * 1e6 / _units(outcome)
            for pid, earlier in zip(pids, before, strict=True)
        )
        return _sample(outcome, service, store), outcome

    def read(self, label: str, paths: tuple[str, ...], connections: int = 1) -> tuple[Sample, Outcome]:
        """How reading from the service went."""
        job = Reading(self.stand.target(), paths, connections)
        return self.sampled(self.stand, lambda: self.generate(label, self.scale.seconds, read, job))

    def bare(self, label: str, seconds: float, work: Callable[..., Outcome], job: Any) -> Sample:
        """The same to the bare route."""
        before = cpu_seconds(self.shared.server.pid)
        outcome = self.generate(f"{label}, bare", seconds, work, job)
        return _sample(outcome, (cpu_seconds(self.shared.server.pid) - before) * 1e6 / _units(outcome))

    def wait_for_views(self, stand: Stand | None = None) -> None:
        """Until the views have reached the end of the log: what is measured next is not disturbed by it."""
        stand = stand or self.stand
        ends = perf_counter() + _VIEWS_SECONDS_MAX
        for tenant in (TENANT, NEIGHBOUR):
            while stand.lag(tenant):
                assert perf_counter() < ends, "the views do not catch up"


def _units(outcome: Outcome) -> int:
    """What CPU time is said for: a statement, or a request where none was sent."""
    return outcome.statements or len(outcome.latencies)


def _sample(outcome: Outcome, server_cpu_us: float, store_cpu_us: float = 0.0) -> Sample:
    count = len(outcome.latencies)
    return Sample(
        rate=outcome.rate if outcome.statements else count / outcome.seconds,
        latencies=outcome.latencies,
        server_cpu_us=server_cpu_us,
        store_cpu_us=store_cpu_us,
        generator_cpu_us=outcome.generator_cpu_seconds * 1e6 / count,
    )


def _await(future: "Future[_T]", show: Callable[[float], None]) -> _T:
    began = perf_counter()
    while True:
        try:
            return future.result(_POLL_SECONDS)
        except NotYet:
            if future.done():
                raise  # the work's own
            show(perf_counter() - began)


@contextmanager
def shared(wanted: int) -> Iterator[Shared]:
    """The bare route and the generators, for as long as the context lasts."""
    # The benchmark's services are its own: an operator's settings in this shell are not for them.
    for name in [name for name in os.environ if name.startswith("LRS_")]:
        del os.environ[name]
    with ExitStack() as stack:
        server = stack.enter_context(BareServer())
        spawn = multiprocessing.get_context("spawn")
        generators, workshop = (
            stack.enter_context(ProcessPoolExecutor(count, mp_context=spawn)) for count in (_GENERATORS, 1)
        )
        for _ in range(_GENERATORS):
            generators.submit(prepare, wanted)  # they start meanwhile
        workshop.submit(ready)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
        yield Shared(server, generators, workshop, progress)


@contextmanager
def rig(store: str, scale: Scale, folder: Path, shared: Shared) -> Iterator[Rig]:
    """A rig on one store with the service running; it ends with the context."""
    with BACKINGS[store](folder, sync=scale.sync) as backing:
        stand = stand_on(backing.place("main"), scale.statements)
        made = Rig(scale, folder, shared, backing, stand, {})
        stand.service.start()
        try:
            yield made
        finally:
            stand.service.stop()
            stand.keep()


def take_sample(made: Rig) -> None:
    """Write some statements, for the rows that they are in the store."""
    stand = made.stand
    before = stand.records().last()
    job = stand.job(made.scale.batch_connections, 100, statements_max=made.scale.sample)
    made.write("a sample of rows", job)
    made.rows = stand.records().written(before)
    made.sealed_bytes = sum(len(row[5]) for row in made.rows["event"]) / len(made.rows["event"])


def enrol(made: Rig, stand: Stand) -> None:
    """One statement by everybody, so that what is measured later meets nobody new (that has its own figure)."""
    if stand.recorded:  # in an earlier run
        return
    made.write("enrolling learners", stand.job(1, 100, numbers=stand.everybody()), stand)
    stand.first = stand.number = len(statements(stand.wanted))
