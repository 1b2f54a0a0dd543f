"""Recording: single statements and batches, each beside the raw store and the bare route, in turns.

Every round measures each load and, right after it, its floors: what disturbs the machine disturbs both.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

from bench.figures import Figure, Sample, middle, milliseconds
from bench.floors import insert_seconds, sync_seconds
from bench.load import Outcome
from bench.rig import Rig
from bench.scale import BATCH_CONNECTIONS, BATCHES, LEVELS

GROUP: Final = "record"
_STATES = 2_000
# Issue 3 binds these ratios to the raw store.
_WANTED: Final = {"single, 64 connections": "store >= 1.0", "batches of 100": "store >= 0.20"}


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load."""

    name: str
    connections: int
    batch: int = 0
    newcomers: bool = False


LOADS: Final = (
    *(Load(f"single, {level} connection{'s' * (level > 1)}", level) for level in LEVELS),
    *(Load(f"batches of {size}", BATCH_CONNECTIONS, size) for size in BATCHES),
    Load("single, 64, all newcomers", 64, newcomers=True),
)
Samples = dict[str, list[Sample]]


def ingest(rig: Rig) -> list[Figure]:
    """The figures of recording."""
    states = rig.tenant_file.states(_STATES)
    ours: Samples = defaultdict(list)
    bare: Samples = defaultdict(list)
    raw: dict[int, list[Sample]] = defaultdict(list)
    syncs: list[float] = []
    seconds = rig.scale.seconds
    task = rig.progress.add_task("recording", total=rig.scale.rounds * len(LOADS))
    for _ in range(rig.scale.rounds):
        syncs += sync_seconds(rig.folder, seconds / 2)
        for load in LOADS:
            job = replace(rig.job(load.connections, load.batch), seconds=seconds, newcomers=load.newcomers)
            last = rig.tenant_file.last()
            sample = _sample(*rig.write(load.name, job))
            sample.commit_size = rig.tenant_file.commit_size(last)
            ours[load.name].append(sample)
            job = replace(job, target=rig.bare)
            bare[load.name].append(_sample(*rig.write_bare(f"{load.name}, bare", job)))
            size = max(1, load.batch)
            if load.batch or load.connections == LEVELS[-1]:
                took = insert_seconds(rig.folder, states, size, seconds)
                raw[size].append(Sample(len(took) * size / sum(took), took))
            rig.progress.advance(task)
    rig.progress.remove_task(task)
    sealed = sum(map(len, states)) / len(states)
    return [
        *_floors(raw, syncs, sealed),
        *(_figure(load, ours[load.name], bare[load.name], raw[max(1, load.batch)]) for load in LOADS),
    ]


def fill(rig: Rig) -> list[Figure]:
    """Statements up to the run's size, in batches of 100; nothing when it is reached already."""
    missing = rig.scale.statements - rig.recorded
    if missing <= 0:
        return []
    job = replace(rig.job(BATCH_CONNECTIONS, 100), statements_max=missing)
    outcome, cpu = rig.write(f"filling to {rig.scale.statements:,}", job)
    sample = _sample(outcome, cpu)
    return [Figure(GROUP, "batches of 100, filling up", sample.rate, "statements/s", server_cpu_us=cpu)]


def _sample(outcome: Outcome, cpu_us: float) -> Sample:
    generator = outcome.generator_cpu_seconds * 1e6 / outcome.statements
    return Sample(outcome.rate, outcome.latencies, cpu_us, generator)


def _floors(raw: dict[int, list[Sample]], syncs: list[float], sealed: float) -> list[Figure]:
    """The floors by themselves, for their latencies."""
    figures = [
        Figure(
            "floor",
            "4 kB and fsync",
            len(syncs) / sum(syncs),
            "syncs/s",
            p50_ms=milliseconds(syncs, 0.5),
            p99_ms=milliseconds(syncs, 0.99),
            more={"sealed_event_bytes": sealed},
        )
    ]
    for size, samples in raw.items():
        one = middle(samples)
        name = "raw durable commits, 1 row" if size == 1 else f"raw bulk insert, {size} rows"
        p50, p99 = milliseconds(one.latencies, 0.5), milliseconds(one.latencies, 0.99)
        figures.append(Figure("floor", name, one.rate, "rows/s", p50_ms=p50, p99_ms=p99))
    return figures


def _figure(load: Load, ours: list[Sample], bare: list[Sample], raw: list[Sample]) -> Figure:
    one, floor = middle(ours), middle(bare)
    return Figure(
        GROUP,
        load.name,
        one.rate,
        "statements/s",
        floors={"store": middle(raw).rate, "http": floor.rate},
        p50_ms=milliseconds(one.latencies, 0.5),
        p99_ms=milliseconds(one.latencies, 0.99),
        server_cpu_us=one.server_cpu_us,
        more={
            "events_a_commit": one.commit_size,
            "bare_server_cpu_us": floor.server_cpu_us,
            "generator_cpu_us": one.generator_cpu_us,
        },
        wanted=_WANTED.get(load.name, ""),
    )
