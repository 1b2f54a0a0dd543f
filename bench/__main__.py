"""``python -m bench``: measure everything, print the tables, write the JSON."""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, Stage
from bench.ingest import fill, ingest
from bench.projecting import projections
from bench.reads import reads
from bench.report import document, machine, show, write
from bench.rig import Rig, rig
from bench.scale import Scale
from bench.sizes import disk, memory
from bench.stages import stages

_RESULTS = Path(__file__).parent / "results" / "latest.json"


def run(scale: Scale, folder: Path) -> tuple[list[Figure], list[Stage]]:
    """Everything, in the order that a store grows."""
    with rig(scale, folder) as made:
        figures = [memory(made, "at the start")]
        figures += ingest(made)
        figures += fill(made)
        figures += reads(made)
        figures.append(memory(made, "at the end"))
        made.service.stop()
        figures.append(disk(made))
        figures += projections(made)
        costs = _stages(made)
    order = ["floor", "record", "retrieve", "project", "space"]
    return sorted(figures, key=lambda one: order.index(one.group)), costs


def _stages(made: Rig) -> list[Stage]:
    scale = made.scale
    guess = scale.stage_chunks * 0.2
    return made.elsewhere("costs of stages", guess, stages, made.folder, scale.stage_chunks, scale.seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--statements", type=int, help="how many are stored when reading begins (20,000)")
    parser.add_argument("--seconds", type=float, help="how long each load runs in each round (2)")
    parser.add_argument("--rounds", type=int, help="rounds; medians are taken over them (3)")
    parser.add_argument("--quick", action="store_true", help="a few hundred statements: shows that it runs")
    parser.add_argument("--out", type=Path, default=_RESULTS, help=f"the JSON ({_RESULTS.name} in bench/results)")
    parser.add_argument("--dir", type=Path, help="where the store lies: the disk to measure (the system's temp)")
    return parser.parse_args()


def main() -> None:
    """The command."""
    given = _arguments()
    sizes = {name: getattr(given, name) for name in ("statements", "seconds", "rounds")}
    scale = replace(
        Scale.quick() if given.quick else Scale(),
        **{name: value for name, value in sizes.items() if value is not None},
    )
    on = machine()
    folder = Path(tempfile.mkdtemp(prefix="lethe-bench-", dir=given.dir))
    try:
        figures, costs = run(scale, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write(given.out, document(scale, on, figures, costs))
    show(figures, costs)


if __name__ == "__main__":
    main()
