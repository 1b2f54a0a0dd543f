"""What sealing costs, and the fence, and the notary: the same loads on services with and without them, each on a
new store of its own.

They take turns, in another order every round, so that neither a store's size nor the moment favours one of them.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.figures import Figure, Sample, figure, middle, milliseconds
from bench.ingest import GROUP, TYPICAL, Load
from bench.rig import Rig, enrol
from bench.serving import Stand, stand_on

_SEALED: Final = ""
NAMES: Final = {
    "seal": "not sealed",
    "all": "not sealed, not compressed",
    "fence": "the fence not read",
    "notary": "without a notary",
}
"""As figures call what ``bench.unsealed`` leaves out."""


def sealing(rig: Rig) -> list[Figure]:
    """The figures of recording without sealing, beside the same with it."""
    samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    modes = [_SEALED, *rig.scale.unsealed]
    with _stands(rig, modes) as stands:
        for number in range(rig.scale.rounds * 2):
            for load in TYPICAL:
                for mode in modes if number % 2 else modes[::-1]:
                    stand = stands[mode]
                    samples[load.name, mode].append(rig.write(load.name, load.job(rig, stand), stand))
    return [
        _gain(load, NAMES[mode], middle(samples[load.name, mode]), middle(samples[load.name, _SEALED]))
        for load in TYPICAL
        for mode in rig.scale.unsealed
    ]


@contextmanager
def _stands(rig: Rig, modes: list[str]) -> Iterator[dict[str, Stand]]:
    """A running service for each, whose stores are gone afterwards."""
    with ExitStack() as stack:
        stands = {}
        for mode in modes:
            name = f"sealing_{mode}"
            rig.backing.drop(name)
            stack.callback(rig.backing.drop, name)
            stands[mode] = stand_on(rig.backing.place(name), rig.stand.wanted, unsealed=mode)
            stands[mode].service.begin()
            stack.callback(stands[mode].service.stop)
        for stand in stands.values():
            stand.service.wait_ready()
            enrol(rig, stand)
        yield stands


def _gain(load: Load, name: str, without: Sample, sealed: Sample) -> Figure:
    return figure(
        GROUP,
        f"{load.name}, {name}",
        without,
        "statements/s",
        {"sealed": sealed.rate},
        gain_percent=100 * (without.rate / sealed.rate - 1),
        cpu_gain_percent=100 * (1 - without.server_cpu_us / max(1.0, sealed.server_cpu_us)),
        p50_sealed_ms=milliseconds(sealed.latencies, 0.5),
        sealed_server_cpu_us=sealed.server_cpu_us,
    )
