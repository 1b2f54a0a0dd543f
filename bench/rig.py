"""The rig: a real service, the bare route and the load generator, each a process of its own, and what shows them.

The service is the one that the tests run (``tests.running``): ``lrs serve`` on a data directory of its own.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.bare import BareServer
from bench.floors import TenantFile
from bench.load import Outcome, Reading, Target, Writing, read, write
from bench.processes import cpu_seconds
from bench.scale import Scale
from bench.statements import statements
from tests.running import Service

TENANT = "acme"
_POLL_SECONDS = 0.1
_T = TypeVar("_T")


@dataclass(slots=True)
class Rig:
    """Everything that measurements need. ``number`` is the next statement that was not sent yet."""

    scale: Scale
    folder: Path
    service: Service
    target: Target
    bare: Target
    bare_pid: int
    generator: ProcessPoolExecutor
    progress: Progress
    first: int = 0
    number: int = 0
    recorded: int = 0
    json_bytes: int = 0

    @property
    def pid(self) -> int:
        """The service's process."""
        assert self.service.process is not None
        return self.service.process.pid

    @property
    def tenant_file(self) -> TenantFile:
        """The tenant's store, to be read raw."""
        return TenantFile(self.service.data_dir / "tenants" / f"{TENANT}.db")

    def elsewhere(self, label: str, seconds: float, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do the work in the generator's process and show a bar meanwhile. ``seconds`` is a guess."""
        future = self.generator.submit(work, *arguments)
        task = self.progress.add_task(label, total=seconds)
        try:
            return _await(future, lambda passed: self.progress.update(task, completed=min(passed, seconds)))
        finally:
            self.progress.remove_task(task)

    def write(self, label: str, job: Writing) -> tuple[Outcome, float]:
        """The outcome of writing to the service, and the service's CPU microseconds a statement."""
        before = cpu_seconds(self.pid)
        outcome = self.elsewhere(label, min(job.seconds, self.scale.seconds * 10), write, job)
        self.recorded += outcome.statements
        self.json_bytes += outcome.body_bytes
        self.number += 0 if job.numbers else outcome.statements
        return outcome, (cpu_seconds(self.pid) - before) * 1e6 / outcome.statements

    def write_bare(self, label: str, job: Writing) -> tuple[Outcome, float]:
        """The same to the bare route: nothing is stored."""
        before = cpu_seconds(self.bare_pid)
        outcome = self.elsewhere(label, job.seconds, write, job)
        return outcome, (cpu_seconds(self.bare_pid) - before) * 1e6 / outcome.statements

    def read(self, label: str, target: Target, paths: tuple[str, ...]) -> tuple[Outcome, float]:
        """The outcome of reading, and the service's CPU microseconds a request."""
        before = cpu_seconds(self.pid)
        outcome = self.elsewhere(label, self.scale.seconds, read, Reading(target, paths))
        return outcome, (cpu_seconds(self.pid) - before) * 1e6 / len(paths)

    def job(self, connections: int, batch: int = 0, **others: Any) -> Writing:
        """A load on the service from the next number on."""
        return Writing(self.target, self.scale.statements, self.number, connections, batch, **others)


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
def rig(scale: Scale, folder: Path) -> Iterator[Rig]:
    """A rig with one tenant, whose learners are all enrolled; it ends with the context."""
    # The benchmark's service is its own: an operator's settings in this shell are not for it.
    for name in [name for name in os.environ if name.startswith("LRS_")]:
        del os.environ[name]
    with ExitStack() as stack:
        generator = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        stack.callback(generator.shutdown)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
        bare = stack.enter_context(BareServer())
        service = Service(folder / "data")
        service.lrs("tenant", "create", TENANT)
        key, secret = service.credential(TENANT)
        service.start()
        stack.callback(service.stop)
        target = Target(service.url, key, secret)
        made = Rig(scale, folder, service, target, Target(bare.url), bare.pid, generator, progress)
        _enrol(made)
        yield made


def _enrol(made: Rig) -> None:
    """One statement by everybody, so that what is measured later meets nobody new (that has its own figure)."""
    known = statements(made.scale.statements)
    numbers = tuple(known.one_of_each_learner())
    made.write("enrolling learners", made.job(1, 100, numbers=numbers))
    made.first = made.number = len(known)
