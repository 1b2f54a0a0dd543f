"""``lrs serve --workers 2``: several processes behind one address, beside one of them and beside the raw store."""

from typing import Final

from bench.figures import Figure, Sample, figure, middle
from bench.floors import floors_of
from bench.ingest import TYPICAL, Load
from bench.mixed import mixture
from bench.rig import Rig
from bench.sizes import memory

GROUP: Final = "workers"
WORKERS: Final = 2


def workers(rig: Rig) -> list[Figure]:
    """The figures of two workers. The service runs with one before, and is stopped afterwards."""
    one = {load.name: _rounds(rig, load) for load in TYPICAL}
    service = rig.stand.service
    service.stop()
    service.workers = WORKERS
    service.start()
    try:
        figures = []
        for load in TYPICAL:
            sample = _rounds(rig, load)
            raw = floors_of(rig.stand.place, rig.rows, load.size, rig.scale.seconds / 2)
            floors = {"one": one[load.name].rate} | {kind: raw[kind].rate for kind in ("raw", "rows")}
            figures.append(figure(GROUP, f"{load.name}, {WORKERS} workers", sample, "statements/s", floors))
        figures += mixture(rig, name=f"{WORKERS} workers, mixed", bare=False)
        figures.append(memory(rig, f"{WORKERS} workers, the larger"))
    finally:
        service.stop()
    return figures


def _rounds(rig: Rig, load: Load) -> Sample:
    rig.write("warming up", load.job(rig, rig.stand))  # keys are opened, connections made
    return middle([rig.write(load.name, load.job(rig, rig.stand)) for _ in range(rig.scale.rounds)])
