"""What is wanted, by figure and store, and whether it was reached. Ratios bind: a rate is a machine's."""

from dataclasses import dataclass
from typing import Final

from bench.figures import FLOORS, Figure
from bench.scale import MILLION


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on ``value``, ``p50_ms``, ``p99_ms``, or on the ratio to a kind of floor. ``million``: it is said of
    1,000,000 statements; with fewer nothing is proved."""

    of: str
    bound: float
    at_least: bool = False
    million: bool = False

    def text(self) -> str:
        """As a person reads it."""
        said = {"value": "", "p50_ms": "p50 ", "p99_ms": "p99 "}.get(self.of, "")
        return f"{said}{'>=' if self.at_least else '<='} {self.bound:,g}"

    def reached(self, figure: Figure) -> bool:
        """Whether the figure is on the right side."""
        found = figure.ratios[self.of] if self.of in FLOORS else getattr(figure, self.of)
        return bool(found >= self.bound if self.at_least else found <= self.bound)


_PAGE = (Goal("p50_ms", 5, million=True), Goal("p99_ms", 25, million=True))
_SEALING = (Goal("sealed", 1.1),)
_BOTH: Final[dict[str, tuple[Goal, ...]]] = {
    "batches of 100": (Goal("raw", 0.2, at_least=True),),
    "single, 64 connections, not sealed": _SEALING,
    "batches of 100, not sealed": _SEALING,
    "single, 64 connections, not sealed, not compressed": _SEALING,
    "batches of 100, not sealed, not compressed": _SEALING,
    "rebuilding every view, a million events": (Goal("value", 60, million=True),),
    "memory of the service, at the end": (Goal("value", 300, million=True),),
}
_BY_STORE: Final[dict[str, dict[str, tuple[Goal, ...]]]] = {
    "sqlite": {
        "single, 64 connections": (Goal("raw", 1.0, at_least=True),),
        "single, 64 connections, 2 workers": (Goal("raw", 1.0, at_least=True),),
        "catching up": (Goal("value", 40_000, at_least=True),),
        "disk, a statement": (Goal("json", 0.6, million=True),),
    },
    "postgres": {
        "single, 64 connections": (Goal("raw", 2.0, at_least=True),),
        "single, 64 connections, 2 workers": (Goal("raw", 2.0, at_least=True),),
        "catching up": (Goal("value", 30_000, at_least=True),),
        "disk, a statement": (Goal("json", 0.8, million=True),),
    },
}


def goals_of(store: str, figure: Figure) -> tuple[Goal, ...]:
    """What is wanted of the figure; mostly nothing."""
    if figure.name.startswith("page of 100"):
        return _PAGE
    return (*_BOTH.get(figure.name, ()), *_BY_STORE[store].get(figure.name, ()))


def verdict(goals: tuple[Goal, ...], figure: Figure, statements: int) -> str:
    """yes or no; in brackets where there are too few statements to say."""
    if not goals:
        return ""
    said = "yes" if all(goal.reached(figure) for goal in goals) else "no"
    return f"({said})" if statements < MILLION and any(goal.million for goal in goals) else said


def named(store: str) -> set[str]:
    """The figures that something is wanted of, but for pages."""
    return {*_BOTH, *_BY_STORE[store]}
