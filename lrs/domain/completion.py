"""Whether a learner has completed, passed and satisfied an activity, as the facts come to."""

from collections.abc import Iterable
from dataclasses import dataclass

from lrs.domain.facts import (
    COMPLETED_US,
    FAILED,
    INCOMPLETE,
    LAUNCH,
    LAUNCHED_US,
    PASSED_US,
    REGISTERED_US,
    SATISFIED_US,
    SCORE,
    SCORE_PASSING,
    WAIVED_US,
    Facts,
    Session,
    earliest,
    largest,
    of_status,
)
from lrs.domain.signals import MoveOn


@dataclass(frozen=True, slots=True)
class Completion:
    """What a row of the completion report says; None is "nothing known". Times in microseconds UTC."""

    completion: bool | None
    success: bool | None
    score_scaled: float | None
    satisfied_at_us: int | None


def result(facts: Facts) -> Completion:
    """What the facts come to."""
    sessions = of_status(facts)
    return Completion(
        completion=_verdict(sessions, COMPLETED_US, INCOMPLETE),
        success=_verdict(sessions, PASSED_US, FAILED),
        score_scaled=largest(sessions, SCORE_PASSING, SCORE),
        satisfied_at_us=_satisfied_at_us(sessions),
    )


def _verdict(sessions: Iterable[Session], reached: str, missed: str) -> bool | None:
    """True once it was reached, whatever else was said; False if it was only ever missed."""
    if any(reached in session for session in sessions):
        return True
    return False if any(missed in session for session in sessions) else None


def _satisfied_at_us(sessions: list[Session]) -> int | None:
    told = earliest(sessions, WAIVED_US, SATISFIED_US)
    met = _move_on_met_us(sessions)
    return min((moment for moment in (told, met) if moment is not None), default=None)


def _move_on_met_us(sessions: list[Session]) -> int | None:
    """When what the latest launch asks for was there; None while it is not, or when nothing was asked."""
    launches = [session[LAUNCH] for session in sessions if LAUNCH in session]
    match max(launches, default=[""])[-1]:
        case MoveOn.PASSED:
            return earliest(sessions, PASSED_US)
        case MoveOn.COMPLETED:
            return earliest(sessions, COMPLETED_US)
        case MoveOn.COMPLETED_OR_PASSED:
            return earliest(sessions, COMPLETED_US, PASSED_US)
        case MoveOn.COMPLETED_AND_PASSED:
            completed, passed = earliest(sessions, COMPLETED_US), earliest(sessions, PASSED_US)
            return max(completed, passed) if completed is not None and passed is not None else None
        case MoveOn.NOT_APPLICABLE:
            registered = earliest(sessions, REGISTERED_US)
            return registered if registered is not None else earliest(sessions, LAUNCHED_US)
    return None
