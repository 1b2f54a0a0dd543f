"""How far a learner got with an activity, in how many attempts and how much time.

Knows signals, and must not know statements, people or storage. THE FACTS ARE A STORAGE FORMAT, and are kept
and joined as ``lrs.domain.completion`` says. Launch modes keep a status from changing; they undo neither an
attempt nor the time that it took.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum
from operator import add

from lrs.domain.completion import NO_SESSION, Facts, Join, joined, launch_of, of_status, outside_status
from lrs.domain.signals import Signal
from lrs.domain.verbs import Verb

_JOINS: Mapping[str, Join] = {
    "launch": max,
    "launches": add,
    "attempted": add,
    "initialized": add,
    "completed": max,
    "progress": max,
    "seconds": max,
}

_COUNTED = {Verb.LAUNCHED: "launches", Verb.ATTEMPTED: "attempted", Verb.INITIALIZED: "initialized"}

# cmi5 9.3.6 and 9.3.8: these two end a session, and their duration is the session's.
_ENDS_SESSION = frozenset({Verb.TERMINATED, Verb.ABANDONED})
# Outside sessions each of these may carry the time of the whole attempt: the longest is taken, not the sum.
_ENDS_ATTEMPT = _ENDS_SESSION | {
    Verb.COMPLETED,
    Verb.PASSED,
    Verb.FAILED,
    Verb.MASTERED,
    Verb.EXITED,
    Verb.SUSPENDED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """One row of the progress report; ``progress`` is 0 to 100, None is "nothing known"."""

    progress: float | None
    attempts: int
    time_spent_seconds: float | None
    first_at_us: int
    last_at_us: int


def fold(facts: Facts | None, signal: Signal) -> Facts:
    """The facts with the signal's say in them; the facts given stay as they are."""
    return joined(facts, signal, _said(signal), _JOINS)


def result(facts: Facts) -> Progress:
    """What the facts come to."""
    return Progress(
        progress=_progress(of_status(facts)),
        attempts=_attempts(facts["sessions"]),
        time_spent_seconds=_time_spent_seconds(facts["sessions"]),
        first_at_us=facts["first_us"],
        last_at_us=facts["last_us"],
    )


def _said(signal: Signal) -> Facts:
    said: Facts = {}
    if signal.verb in _COUNTED:
        said[_COUNTED[signal.verb]] = 1
    if signal.duration_seconds is not None and signal.verb in (_ENDS_SESSION if signal.session else _ENDS_ATTEMPT):
        said["seconds"] = signal.duration_seconds
    if outside_status(signal):
        return said
    if signal.verb is Verb.LAUNCHED:
        said["launch"] = launch_of(signal)
    if signal.completes:
        said["completed"] = True
    if signal.progress is not None:
        said["progress"] = signal.progress
    return said


def _progress(sessions: list[Facts]) -> float | None:
    if any("completed" in session for session in sessions):
        return 100.0
    return max((session["progress"] for session in sessions if "progress" in session), default=None)


def _attempts(sessions: Facts) -> int:
    # A session launched twice is one attempt; a launch outside sessions is one of its own.
    launched = sum("launches" in session for key, session in sessions.items() if key != NO_SESSION)
    launched += sessions.get(NO_SESSION, {}).get("launches", 0)
    attempted = sum(session.get("attempted", 0) for session in sessions.values())
    initialized = sum(session.get("initialized", 0) for session in sessions.values())
    return launched or attempted or initialized or 1


def _time_spent_seconds(sessions: Facts) -> float | None:
    seconds = [
        session["seconds"] for key, session in sessions.items() if key != NO_SESSION and "seconds" in session
    ]
    if seconds:
        return fsum(seconds)  # exact, so that the order of the sessions can not show in the last digit
    alone: float | None = sessions.get(NO_SESSION, {}).get("seconds")
    return alone
