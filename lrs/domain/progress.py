"""How far a learner got with an activity, in how many attempts and how much time, as the facts come to.

Launch modes keep a status from changing; they undo neither an attempt nor the time that it took.
"""

from dataclasses import dataclass
from math import fsum

from lrs.domain.facts import (
    ATTEMPTED,
    COMPLETED_US,
    INITIALIZED,
    LAUNCHES,
    NO_SESSION,
    PROGRESS,
    SECONDS,
    Facts,
    Session,
    largest,
    of_status,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a row of the progress report says; ``progress`` is 0 to 100, None is "nothing known"."""

    progress: float | None
    attempts: int
    time_spent_seconds: float | None


def result(facts: Facts) -> Progress:
    """What the facts come to."""
    return Progress(
        progress=_progress(of_status(facts)),
        attempts=_attempts(facts),
        time_spent_seconds=_time_spent_seconds(facts),
    )


def _progress(sessions: list[Session]) -> float | None:
    if any(COMPLETED_US in session for session in sessions):
        return 100.0
    return largest(sessions, PROGRESS)


def _attempts(facts: Facts) -> int:
    # A session launched twice is one attempt; a launch outside sessions is one of its own.
    launched = sum(LAUNCHES in session for key, session in facts.items() if key != NO_SESSION)
    launched += facts.get(NO_SESSION, {}).get(LAUNCHES, 0)
    return launched or _count(facts, ATTEMPTED) or _count(facts, INITIALIZED) or 1


def _count(facts: Facts, fact: str) -> int:
    return sum(session.get(fact, 0) for session in facts.values())


def _time_spent_seconds(facts: Facts) -> float | None:
    seconds = [session[SECONDS] for key, session in facts.items() if key != NO_SESSION and SECONDS in session]
    if seconds:
        return fsum(seconds)  # exact, so that the order of the sessions can not show in the last digit
    alone: float | None = facts.get(NO_SESSION, {}).get(SECONDS)
    return alone
