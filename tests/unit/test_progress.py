"""Progress, attempts and time spent: one row a rule of `lrs.domain.progress`, in any order."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from lrs.domain.facts import Facts, fold
from lrs.domain.progress import Progress, result
from lrs.domain.signals import LaunchMode, Signal
from lrs.domain.verbs import Verb

NORMAL, BROWSE, REVIEW = LaunchMode.NORMAL, LaunchMode.BROWSE, LaunchMode.REVIEW


def said(at_us: int, verb: Verb | None = None, session: str | None = None, **facts: Any) -> Signal:
    """A signal at a time; whatever is not named was not said. ``seconds`` is its duration."""
    unsaid: dict[str, Any] = dict.fromkeys(Signal.__slots__)
    named = {"duration_seconds": facts.pop("seconds", None)} | facts
    return Signal(
        **unsaid
        | {"activity": "urn:a", "groupings": (), "statement_id": UUID(int=at_us), "stored_us": at_us + 5}
        | {"at_us": at_us, "verb": verb, "session": session}
        | named
    )


def folded(signals: Iterable[Signal]) -> Facts:
    facts: Facts = {}
    for signal in signals:
        fold(facts, signal)
    return facts


def of(*signals: Signal) -> Progress:
    """The result of the signals, which is the same in each of their orders."""
    facts = folded(signals)
    assert all(folded(order) == facts for order in permutations(signals))
    return result(facts)


@pytest.mark.parametrize(
    ("signals", "progress"),
    [
        ([said(1)], None),
        ([said(1, progress=0.0)], 0.0),
        ([said(1, progress=40.0), said(2, progress=30.0)], 40.0),
        ([said(1, progress=40.0, session="a"), said(2, progress=50.0, session="b")], 50.0),
        ([said(1, Verb.COMPLETED)], 100.0),
        ([said(1, completion=True, progress=40.0)], 100.0),
        ([said(1, completion=False, progress=40.0)], 40.0),
        ([said(1, Verb.COMPLETED, "a"), said(2, Verb.LAUNCHED, "a", launch_mode=NORMAL)], 100.0),
        ([said(1, Verb.COMPLETED, "a"), said(2, Verb.LAUNCHED, "a", launch_mode=BROWSE)], None),
        (
            [
                said(1, progress=40.0, session="a"),
                said(2, Verb.LAUNCHED, "a", launch_mode=REVIEW),
                said(3, progress=10.0),
            ],
            10.0,
        ),
        ([said(1, progress=40.0), said(2, Verb.LAUNCHED, launch_mode=BROWSE, progress=90.0)], 40.0),
        ([said(1, Verb.LAUNCHED), said(2, Verb.LAUNCHED, "a"), said(3, progress=30.0, session="a")], 30.0),
    ],
)
def test_progress_is_100_when_completed_else_the_highest_but_for_browse_and_review(
    signals: list[Signal], progress: float | None
) -> None:
    assert of(*signals).progress == progress


@pytest.mark.parametrize(
    ("signals", "attempts"),
    [
        ([said(1)], 1),
        ([said(1, Verb.COMPLETED, "a"), said(2, Verb.PASSED, "b")], 1),
        ([said(1, Verb.INITIALIZED), said(2, Verb.INITIALIZED)], 2),
        ([said(1, Verb.ATTEMPTED), said(2, Verb.INITIALIZED), said(3, Verb.INITIALIZED)], 1),
        ([said(1, Verb.ATTEMPTED, "a"), said(2, Verb.ATTEMPTED, "a"), said(3, Verb.ATTEMPTED)], 3),
        ([said(1, Verb.LAUNCHED, "a"), said(2, Verb.ATTEMPTED), said(3, Verb.ATTEMPTED)], 1),
        ([said(1, Verb.LAUNCHED, "a"), said(2, Verb.LAUNCHED, "a"), said(3, Verb.LAUNCHED, "b")], 2),
        ([said(1, Verb.LAUNCHED), said(2, Verb.LAUNCHED), said(3, Verb.LAUNCHED, "a")], 3),
        ([said(1, Verb.LAUNCHED, "a", launch_mode=BROWSE), said(2, Verb.LAUNCHED, launch_mode=REVIEW)], 2),
        ([said(1, Verb.INITIALIZED, "a"), said(2, Verb.INITIALIZED, "b")], 2),
    ],
)
def test_attempts_are_launched_sessions_else_attempted_else_initialized_and_at_least_one(
    signals: list[Signal], attempts: int
) -> None:
    assert of(*signals).attempts == attempts


@pytest.mark.parametrize(
    ("signals", "seconds"),
    [
        ([said(1, Verb.COMPLETED)], None),
        ([said(1, Verb.TERMINATED, "a", seconds=10.0)], 10.0),
        ([said(1, Verb.TERMINATED, "a", seconds=10.0), said(2, Verb.ABANDONED, "a", seconds=12.0)], 12.0),
        ([said(1, Verb.TERMINATED, "a", seconds=10.0), said(2, Verb.ABANDONED, "b", seconds=12.0)], 22.0),
        ([said(1, Verb.COMPLETED, "a", seconds=90.0), said(2, Verb.TERMINATED, "a", seconds=10.0)], 10.0),
        ([said(1, Verb.COMPLETED, "a", seconds=90.0)], None),
        ([said(1, Verb.COMPLETED, seconds=90.0), said(2, Verb.TERMINATED, "a", seconds=10.0)], 10.0),
        ([said(1, Verb.COMPLETED, seconds=90.0), said(2, Verb.PASSED, seconds=95.0)], 95.0),
        ([said(1, Verb.FAILED, seconds=3.0), said(2, Verb.EXITED, seconds=2.0)], 3.0),
        ([said(1, Verb.SUSPENDED, seconds=3.0), said(2, Verb.MASTERED, seconds=4.0)], 4.0),
        ([said(1, Verb.TERMINATED, seconds=3.0), said(2, Verb.ABANDONED, seconds=0.0)], 3.0),
        ([said(1, Verb.TERMINATED, "a", seconds=0.0), said(2, Verb.COMPLETED, seconds=4.0)], 0.0),
        ([said(1, Verb.PROGRESSED, seconds=90.0), said(2, seconds=5.0)], None),
        (
            [
                said(1, Verb.TERMINATED, "a", seconds=10.0),
                said(2, Verb.LAUNCHED, "a", launch_mode=BROWSE),
            ],
            10.0,
        ),
        ([said(n, Verb.TERMINATED, s, seconds=0.1) for n, s in enumerate("abc")], 0.30000000000000004),
        ([said(n, Verb.TERMINATED, f"{n}", seconds=n / 10) for n in (1, 2, 3)], 0.6),
    ],
)
def test_time_spent_is_the_sessions_sum_else_the_longest_terminal_statement_never_both(
    signals: list[Signal], seconds: float | None
) -> None:
    assert of(*signals).time_spent_seconds == seconds
