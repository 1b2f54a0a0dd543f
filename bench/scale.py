"""How much is measured: a full run, or a quick one that only shows that every figure can be had."""

from dataclasses import dataclass

LEVELS = (1, 8, 64)
"""Connections that send single statements."""
BATCHES = (10, 100, 500)
"""Statements in one request."""
BATCH_CONNECTIONS = 4
"""Connections that send batches: enough that the server never waits for the generator."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one run. Medians are taken over the rounds, for the machine is shared and noisy."""

    statements: int = 20_000
    seconds: float = 2.0
    rounds: int = 3
    reads: int = 300
    stage_chunks: int = 40

    @classmethod
    def quick(cls) -> "Scale":
        """A few hundred statements, some seconds in all: its figures mean nothing."""
        return cls(statements=400, seconds=0.1, rounds=1, reads=5, stage_chunks=2)
