"""A figure beside its floors, and how many become one: medians over rounds.

A ratio is the value divided by the floor, whatever the unit: of rates more is better, of times and bytes less.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

# What a floor is, by its kind.
FLOORS: Final = {
    "raw": "raw, rowid and bytes",
    "rows": "raw, the same rows",
    "http": "bare ASGI route",
    "select": "raw SELECT",
    "json": "the plain JSON",
    "sealed": "sealed",
    "one": "one worker",
    "alone": "alone",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing, beside its floors by kind."""

    group: str
    name: str
    value: float
    unit: str
    floors: dict[str, float] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None
    server_cpu_us: float | None = None  # computing time of the service's processes, per statement or request
    store_cpu_us: float | None = None  # of the database server, where there is one
    more: dict[str, float] = field(default_factory=dict)

    @property
    def ratios(self) -> dict[str, float]:
        """The value against each of its floors."""
        return {kind: self.value / floor for kind, floor in self.floors.items()}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"ratios": self.ratios}


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of recording costs a statement. ``indent`` 1: a part of the one above."""

    name: str
    us: float
    indent: int = 0

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "us": self.us, "indent": self.indent}


@dataclass(slots=True)
class Sample:
    """One round of one load."""

    rate: float
    latencies: list[float]
    server_cpu_us: float = 0.0
    store_cpu_us: float = 0.0
    generator_cpu_us: float = 0.0
    commit_size: float = 1.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds(latencies: Sequence[float], share: float) -> float:
    """A percentile of seconds, in milliseconds."""
    return percentile(latencies, share) * 1_000


def middle(samples: Sequence[Sample]) -> Sample:
    """The medians of rounds; latencies are of all rounds together."""
    return Sample(
        rate=median(one.rate for one in samples),
        latencies=[took for one in samples for took in one.latencies],
        server_cpu_us=median(one.server_cpu_us for one in samples),
        store_cpu_us=median(one.store_cpu_us for one in samples),
        generator_cpu_us=median(one.generator_cpu_us for one in samples),
        commit_size=median(one.commit_size for one in samples),
    )


def figure(group: str, name: str, sample: Sample, unit: str, floors: dict[str, float], **more: float) -> Figure:
    """A rate with everything that its sample knows."""
    return Figure(
        group,
        name,
        sample.rate,
        unit,
        floors,
        p50_ms=milliseconds(sample.latencies, 0.5),
        p99_ms=milliseconds(sample.latencies, 0.99),
        server_cpu_us=sample.server_cpu_us or None,
        store_cpu_us=sample.store_cpu_us or None,
        more=more,
    )
