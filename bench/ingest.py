"""Recording: single statements and batches, each beside the raw store and the bare route, in turns.

Every round measures each load and, right after it, its floors: what disturbs the machine disturbs both.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bench.figures import Figure, Sample, figure, middle
from bench.floors import Floors, floors_of, sync_seconds
from bench.load import Writing, write
from bench.rig import Rig
from bench.scale import BATCHES, LEVELS
from bench.serving import Stand

GROUP: Final = "record"


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load."""

    name: str
    connections: int = 0  # as many as send batches
    batch: int = 0
    newcomers: bool = False

    @property
    def size(self) -> int:
        """Statements in a request."""
        return max(1, self.batch)

    def job(self, rig: Rig, stand: Stand) -> Writing:
        """As the generator is told it."""
        connections = self.connections or rig.scale.batch_connections
        return stand.job(connections, self.batch, newcomers=self.newcomers, seconds=rig.scale.seconds)

    @property
    def by_newcomers(self) -> "Load":
        """The same with every actor new."""
        return replace(self, name=f"{self.name}, every actor new", newcomers=True)


_SINGLES: Final = [Load(f"single, {level} connection{'s' * (level > 1)}", level) for level in LEVELS]
_BATCHES: Final = [Load(f"batches of {size}", batch=size) for size in BATCHES]
_KNOWN: Final = (*_SINGLES, *_BATCHES)
LOADS: Final = (*_KNOWN, *(load.by_newcomers for load in _KNOWN))
TYPICAL: Final = (_SINGLES[-1], _BATCHES[1])
"""The loads that the goals speak of."""
Samples = dict[str, list[Sample]]


def ingest(rig: Rig) -> list[Figure]:
    """The figures of recording."""
    ours: Samples = defaultdict(list)
    bare: Samples = defaultdict(list)
    raw: dict[int, list[Floors]] = defaultdict(list)
    syncs: list[float] = []
    seconds = rig.scale.seconds
    for _ in range(rig.scale.rounds):
        syncs += sync_seconds(rig.folder, seconds / 2)
        for load in LOADS:
            ours[load.name].append(_write(rig, load, rig.stand))
            if load.newcomers:
                continue  # the floors are those of the same load by people who are known
            job = replace(load.job(rig, rig.stand), target=rig.shared.bare, seconds=seconds / 2)
            bare[load.name].append(rig.bare(load.name, job.seconds, write, job))
            if load.batch or load.connections == LEVELS[-1]:
                raw[load.size].append(floors_of(rig.stand.place, rig.rows, load.size, seconds / 2))
    return [
        *_floor_figures(rig, raw, bare, syncs),
        *(_figure(load, ours[load.name], bare, raw[load.size]) for load in LOADS),
    ]


def fill(rig: Rig) -> list[Figure]:
    """Statements up to the run's size, in batches of 500; nothing when it is reached already."""
    stand = rig.stand
    missing = rig.scale.statements - stand.recorded
    if missing > 0:
        job = stand.job(rig.scale.batch_connections, BATCHES[-1], statements_max=missing)
        sample = rig.write(f"filling to {rig.scale.statements:,}", job)
        filled = [figure(GROUP, "batches of 500, filling up", sample, "statements/s", {})]
    else:
        filled = []
    stand.place.settle()
    return filled


def _write(rig: Rig, load: Load, stand: Stand) -> Sample:
    last = stand.records().last()
    sample = rig.write(load.name, load.job(rig, stand), stand)
    sample.commit_size = stand.records().commit_size(last)
    return sample


def _floor_figures(rig: Rig, raw: dict[int, list[Floors]], bare: Samples, syncs: list[float]) -> Iterator[Figure]:
    """The floors by themselves, for their latencies."""
    synced = Sample(len(syncs) / sum(syncs), syncs)
    yield figure("floor", "4 kB and fsync", synced, "syncs/s", {}, sealed_event_bytes=rig.sealed_bytes)
    for size, rounds in raw.items():
        rows = f"{size} row{'s' * (size > 1)}" if size == 1 else f"{size} statements"
        yield figure("floor", f"raw commits of {rows}", middle([one["raw"] for one in rounds]), "rows/s", {})
        yield figure(
            "floor", f"the same rows, {rows}", middle([one["rows"] for one in rounds]), "statements/s", {}
        )
    most = middle(bare[_SINGLES[-1].name])
    yield figure("floor", "bare route, 64 connections", most, "requests/s", {})
    # One process, which computes this long for a request: more it could not send, whatever the server.
    yield Figure("floor", "load generator's own limit", 1e6 / most.generator_cpu_us, "requests/s")


def _figure(load: Load, ours: list[Sample], bare: Samples, raw: list[Floors]) -> Figure:
    one = middle(ours)
    route = middle(bare[load.name.removesuffix(", every actor new")])
    floors = {kind: middle([each[kind] for each in raw]).rate for kind in ("raw", "rows")}
    return figure(
        GROUP,
        load.name,
        one,
        "statements/s",
        floors | {"http": route.rate},
        events_a_commit=one.commit_size,
        bare_server_cpu_us=route.server_cpu_us,
        generator_cpu_us=one.generator_cpu_us,
    )
