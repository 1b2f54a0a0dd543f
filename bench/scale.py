"""How much is measured: a full run, or a quick one that only shows that every figure can be had."""

from dataclasses import dataclass

LEVELS = (1, 8, 64)
"""Connections that send single statements."""
BATCHES = (10, 100, 500)
"""Statements in one request."""
MILLION = 1_000_000
"""Where the goals for reading, memory and disk are said."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one run. Medians are taken over the rounds, for the machine is shared and noisy."""

    statements: int = 50_000
    seconds: float = 1.0
    rounds: int = 3
    reads: int = 300
    stage_chunks: int = 40
    sample: int = 10_000  # statements whose rows are what the floors write
    batch_connections: int = 4  # send batches: enough that the server never waits for the generator
    unsealed: tuple[str, ...] = ("seal", "all", "fence", "notary")  # see bench.unsealed
    histories: tuple[int, ...] = (1, 1_000, 10_000, 100_000)  # statements of who is erased
    keys: tuple[int, ...] = (2_000, 20_000, 200_000)  # of a tenant whose epoch is closed
    sync: bool = True

    @classmethod
    def quick(cls) -> "Scale":
        """A few hundred statements, some seconds in all: its figures mean nothing."""
        return cls(
            statements=300,
            seconds=0.02,
            rounds=1,
            reads=3,
            stage_chunks=1,
            sample=500,  # one batch of the largest size
            batch_connections=1,
            unsealed=("all",),
            histories=(1, 20),
            keys=(20, 60),
            sync=False,
        )
