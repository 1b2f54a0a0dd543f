"""``lrs serve --workers 2`` on PostgreSQL: several processes behind one address, beside what one of them does."""

from typing import Final

from bench.figures import Figure, figure, middle
from bench.ingest import TYPICAL
from bench.mixed import mixture
from bench.rig import Rig
from bench.sizes import memory

GROUP: Final = "workers"
WORKERS: Final = 2


def workers(rig: Rig) -> list[Figure]:
    """The figures of two workers. The service runs with one before and afterwards."""
    one = {load.name: _rounds(rig, load.connections, load.batch, load.name) for load in TYPICAL}
    service = rig.stand.service
    service.stop()
    service.workers = WORKERS
    service.start()
    try:
        figures = []
        for load in TYPICAL:
            sample = _rounds(rig, load.connections, load.batch, load.name)
            floors = {"one": one[load.name].rate}
            figures.append(figure(GROUP, f"{load.name}, {WORKERS} workers", sample, "statements/s", floors))
        figures += mixture(rig, name=f"{WORKERS} workers, mixed", bare=False)
        figures.append(memory(rig, f"{WORKERS} workers, the larger"))
    finally:
        service.stop()
        service.workers = 1
        service.start()
    return figures


def _rounds(rig: Rig, connections: int, batch: int, name: str):  # type: ignore[no-untyped-def]
    return middle(
        [
            rig.write(name, rig.stand.job(connections, batch, seconds=rig.scale.seconds))
            for _ in range(rig.scale.rounds)
        ]
    )
