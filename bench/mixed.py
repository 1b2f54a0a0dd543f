"""Everything at once: 64 connections that post (80 %), page (15 %) and read reports (5 %); and a flood on one
tenant while another works."""

from dataclasses import replace
from random import Random
from typing import Final

from bench.bare import sized
from bench.figures import Figure, Sample, figure, middle, milliseconds
from bench.load import PAGE, POST, REPORT, Mixing, Outcome, Writing, mix, write
from bench.reads import FILTERS, REPORTS, pages, reports, some
from bench.rig import Rig
from bench.scale import LEVELS
from bench.serving import NEIGHBOUR

GROUP: Final = "together"
_SAID = {POST: "posts", PAGE: "pages of 100", REPORT: "reports"}
_PATHS = 200
# Loads that are to show a tail run longer than others.
_LONGER = 3
_NEIGHBOUR_CONNECTIONS = 4
_FLOOD_BATCH = 100
# Numbers of their own, so that those of the main load stay without gaps. What was recorded before never sinks, so
# none is sent twice.
_OTHER_NUMBERS = 1 << 40


def mixture(rig: Rig, *, name: str = "mixed", bare: bool = True) -> list[Figure]:
    """The figures of mixed load: how many requests a second, and the latencies of each kind."""
    stand, seconds = rig.stand, rig.scale.seconds * _LONGER
    contents, _ = some(rig, Random(3), _PATHS)
    makers, tellers = list(FILTERS.values()), list(REPORTS.values())
    job = Mixing(
        stand.job(LEVELS[-1], seconds=seconds),
        pages([makers[at % len(makers)](one) for at, one in enumerate(contents)]),
        reports([tellers[at % len(tellers)](one) for at, one in enumerate(contents)]),
    )
    sample, outcome = rig.sampled(stand, lambda: rig.generate(name, seconds, mix, job))
    rig.count(stand, outcome)
    rig.wait_for_views()
    floors = {"http": _rate(_bare(rig, job, outcome, seconds))} if bare else {}
    whole = replace(sample, rate=_rate(outcome))
    return [
        figure(
            GROUP, f"{name}, 64 connections", whole, "requests/s", floors, statements=float(outcome.statements)
        ),
        *(_kind(outcome, kind, name) for kind in _SAID),
    ]


def _rate(outcome: Outcome) -> float:
    return len(outcome.latencies) / outcome.seconds


def _bare(rig: Rig, job: Mixing, outcome: Outcome, seconds: float) -> Outcome:
    """The same mixture to the bare route, with answers as long as the service's."""
    length = {kind: outcome.answer_bytes[kind] / len(outcome.took[kind]) for kind in (PAGE, REPORT)}
    bare = Mixing(
        replace(job.writing, target=rig.shared.bare, seconds=seconds / _LONGER),
        (sized(length[PAGE]),),
        (sized(length[REPORT]),),
    )
    return rig.generate("mixed, bare", seconds / _LONGER, mix, bare)


def _kind(outcome: Outcome, kind: str, name: str) -> Figure:
    took = outcome.took[kind]
    p50, p99 = (milliseconds(took, share) for share in (0.5, 0.99))
    return Figure(GROUP, f"{name}: {_SAID[kind]}", len(took) / outcome.seconds, "requests/s", {}, p50, p99)


def flood(rig: Rig) -> list[Figure]:
    """A tenant's single POSTs alone, and while another tenant is flooded with batches."""
    stand, seconds = rig.stand, rig.scale.seconds * _LONGER
    everybody = stand.job(1, 100, NEIGHBOUR, numbers=stand.everybody())
    rig.write("enrolling the neighbour's learners", everybody)
    alone, together, flooded = [], [], []
    for _ in range(rig.scale.rounds):
        job = stand.job(_NEIGHBOUR_CONNECTIONS, tenant=NEIGHBOUR, seconds=seconds / rig.scale.rounds)
        job = replace(job, first=_OTHER_NUMBERS + stand.recorded)
        alone.append(rig.write("a tenant alone", job, counting=False))
        job = replace(job, first=_OTHER_NUMBERS + stand.recorded)
        other = stand.job(4 * rig.scale.batch_connections, _FLOOD_BATCH, seconds=job.seconds * 1.2)
        other = replace(other, first=job.first)  # another tenant's: the same ids are others there
        sample, outcome = _both(rig, other, job)
        together.append(sample)
        flooded.append(outcome)
        rig.wait_for_views()
    one, beside = middle(alone), middle(together)
    p99_alone = milliseconds(one.latencies, 0.99)
    return [
        Figure(
            GROUP,
            "a tenant's single POSTs beside a flood, p99",
            milliseconds(beside.latencies, 0.99),
            "ms",
            {"alone": p99_alone},
            p50_ms=milliseconds(beside.latencies, 0.5),
            p99_ms=milliseconds(beside.latencies, 0.99),
            more={"rate": beside.rate, "rate_alone": one.rate, "p50_alone_ms": milliseconds(one.latencies, 0.5)},
        ),
        figure(GROUP, "the flood: batches of 100", middle(flooded), "statements/s", {}),
    ]


def _both(rig: Rig, flooding: Writing, job: Writing) -> tuple[Sample, Sample]:
    """The neighbour's sample and the flood's. The flood begins first and ends last."""
    stand = rig.stand
    flooded = rig.shared.generators.submit(write, flooding)
    outcome = rig.generate("beside a flood", job.seconds, write, job)
    other = flooded.result()
    for one in (outcome, other):
        rig.count(stand, one, counting=False)
    return _plain(outcome), _plain(other)


def _plain(outcome: Outcome) -> Sample:
    return Sample(outcome.rate, outcome.latencies)
