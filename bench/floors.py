"""The floors of storage: what the disk and the raw store do with the same bytes, with nothing on top.

A floor may be lower than anything that must find its rows again, never higher: one writer, tables that are empty
at first. ``raw`` is one table of rowid and bytes; ``rows`` is every row that the product writes for the
statements, in all its tables with all their indexes.
"""

import os
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time

from bench.figures import Sample
from bench.places import Bulk, Place, Tables, in_batches

_PAGE_BYTES = 4_096
Floors = dict[str, Sample]


def repeat(seconds: float, work: Callable[[], None], times_max: int | None = None) -> list[float]:
    """How long each repetition took, until the time is over; at least one, and at most ``times_max``."""
    took: list[float] = []
    ends = perf_counter() + seconds
    while (not took or perf_counter() < ends) and len(took) != times_max:
        began = perf_counter()
        work()
        took.append(perf_counter() - began)
    return took


def sync_seconds(folder: Path, seconds: float) -> list[float]:
    """Latencies of a 4 kB append with fsync: what a durable commit can not be faster than."""
    path = folder / "sync.bin"
    with path.open("wb", buffering=0) as file:

        def work() -> None:
            file.write(bytes(_PAGE_BYTES))
            os.fsync(file.fileno())

        took = repeat(seconds, work)
    path.unlink()
    return took


def floors_of(place: Place, rows: Tables, size: int, seconds: float) -> Floors:
    """Durable transactions of ``size`` statements each, by kind of floor; 1: a plain insert. Of several ways to
    insert many rows the fastest counts."""
    states = cycle([row[5] for row in rows["event"]])
    with place.floor() as floor:
        if size == 1:
            raw = _sampled(1, seconds, lambda: floor.one(next(states)))
        else:
            ways = len(floor.bulk)
            tried = [_many(states, way, size, seconds / ways) for way in floor.bulk.values()]
            raw = max(tried, key=lambda sample: sample.rate)
        batches = list(in_batches(rows, size))
        supply = iter(batches)
        same = _sampled(size, seconds, lambda: floor.rows(next(supply)), times_max=len(batches))
    return {"raw": raw, "rows": same}


def _many(states: Iterator[bytes], way: Bulk, size: int, seconds: float) -> Sample:
    return _sampled(size, seconds, lambda: way(list(islice(states, size))))


def _sampled(size: int, seconds: float, work: Callable[[], None], times_max: int | None = None) -> Sample:
    """The first repetition does not count, where there are more: it prepares statements and fills caches."""
    computed = process_time()
    took = repeat(seconds, work, times_max)
    cpu_us = (process_time() - computed) * 1e6 / (len(took) * size)
    took = took[1:] or took
    return Sample(len(took) * size / sum(took), took, server_cpu_us=cpu_us)
