"""The command: measure everything on both stores, print the tables, write the JSON."""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, Stage
from bench.ingest import fill, ingest
from bench.keeping import keeping
from bench.mixed import flood, mixture
from bench.projecting import projections
from bench.reads import reads
from bench.report import Run, document, machine, show, write
from bench.rig import BACKINGS, Rig, Shared, enrol, rig, shared, take_sample
from bench.scale import Scale
from bench.sealing import sealing
from bench.sizes import disk, memory
from bench.stages import stages
from bench.workers import workers

_RESULTS = Path(__file__).parent / "results" / "latest.json"
# What is measured with the service running. Filling is always done.
_RUNNING: dict[str, Callable[[Rig], list[Figure]]] = {
    "ingest": ingest,
    "sealing": sealing,
    "reads": reads,
    "mixed": mixture,
    "flood": flood,
}
_FILL_BEFORE = "reads"
# And with the service stopped.
_STOPPED: dict[str, Callable[[Rig], list[Figure]]] = {
    "disk": lambda made: [disk(made)],
    "projections": projections,
    "keeping": keeping,
}
_NEED_ROWS = {"ingest", "stages"}
PARTS = (*_RUNNING, "workers", *_STOPPED, "stages")


def run(store: str, scale: Scale, folder: Path, shared: Shared, parts: list[str]) -> Run:
    """What was asked for, on one store; in the order that it grows."""
    with rig(store, scale, folder, shared) as made:
        figures = [memory(made, "at the start")]
        enrol(made, made.stand)
        if _NEED_ROWS.intersection(parts):
            take_sample(made)
        for name, measure in _RUNNING.items():
            if name == _FILL_BEFORE:
                figures += fill(made)
            figures += measure(made) if name in parts else []
        figures.append(memory(made, "at the end"))
        if "workers" in parts:
            figures += workers(made)
        made.stand.service.stop()
        for name, measure in _STOPPED.items():
            figures += measure(made) if name in parts else []
        costs = _stages(made) if "stages" in parts else []
    order = ["floor", "record", "workers", "retrieve", "together", "project", "keep", "space"]
    figures.sort(key=lambda one: order.index(one.group))
    return Run(store, made.stand.recorded, figures, costs)


def _stages(made: Rig) -> list[Stage]:
    scale = made.scale
    made.backing.drop("stages")
    place = made.backing.place("stages")
    try:
        guess = scale.stage_chunks * 0.2
        return made.elsewhere(
            "costs of stages", guess, stages, place, made.rows, scale.stage_chunks, scale.seconds
        )
    finally:
        made.backing.drop("stages")


@contextmanager
def _folder(kept: Path | None, beside: Path | None) -> Iterator[Path]:
    """Where the stores lie: for ever, or until this has ended."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    made = Path(tempfile.mkdtemp(prefix="lethe-bench-", dir=beside))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--store", choices=[*BACKINGS, "both"], default="both", help="which store (both)")
    parser.add_argument("--statements", type=int, help="how many are stored when reading begins (50,000)")
    parser.add_argument("--seconds", type=float, help="how long each load runs in each round (1)")
    parser.add_argument("--rounds", type=int, help="rounds; medians are taken over them (3)")
    parser.add_argument("--reads", type=int, help="requests for each kind of reading (300)")
    parser.add_argument("--only", help=f"some parts only, with commas between: {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a few hundred statements: shows that it runs")
    parser.add_argument(
        "--keep", type=Path, help="keep the filled stores here, and use those that are here already"
    )
    parser.add_argument("--dir", type=Path, help="where the stores lie: the disk to measure (the system's temp)")
    parser.add_argument("--out", type=Path, default=_RESULTS, help=f"the JSON ({_RESULTS.name} in bench/results)")
    given = parser.parse_args()
    given.parts = given.only.split(",") if given.only else list(PARTS)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    return given


def main() -> None:
    """The command."""
    given = _arguments()
    sizes = {name: getattr(given, name) for name in ("statements", "seconds", "rounds", "reads")}
    scale = replace(
        Scale.quick() if given.quick else Scale(),
        **{name: value for name, value in sizes.items() if value is not None},
    )
    on = machine()
    stores = list(BACKINGS) if given.store == "both" else [given.store]
    runs: list[Run] = []
    with _folder(given.keep, given.dir) as folder, shared(scale.statements) as parts:
        for store in stores:
            runs.append(run(store, scale, folder, parts, given.parts))
            # What is there is shown and written at once: the next store takes minutes, too.
            write(given.out, document(scale, on, runs))
            show(runs[-1])
