"""Whether a learner has completed, passed and satisfied an activity.

Knows signals, and must not know statements, people or storage. THE FACTS ARE A STORAGE FORMAT: a change of
their shape calls for a rebuild of the view. They are kept in clear, so they hold numbers, ids, digests and
our own words, never a client's text.

Every fact is joined with its like by the smaller, the larger or the sum, which no order can change. Facts are
kept for each session, because the `launched` that says "Browse" may arrive after all else; what counts is
decided when the result is read. A statement is folded once: whoever folds keeps the position.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lrs.domain.signals import LaunchMode, MoveOn, Signal
from lrs.domain.verbs import Verb

Facts = dict[str, Any]
Join = Callable[[Any, Any], Any]

# A row is read and written whole. Beyond this many sessions those with the smallest digests are kept: in
# whichever order they come, the same ones stay, and none that stays was ever away.
SESSIONS_MAX = 1000

NO_SESSION = ""  # where statements outside any session are gathered; sorts first, so it always stays

_STATUS_UNCHANGED = frozenset({LaunchMode.BROWSE, LaunchMode.REVIEW})  # cmi5 10.2.2

_JOINS: Mapping[str, Join] = {
    "launch": max,  # the latest: [at_us, stored_us, statement id, launch mode, moveOn]
    "launched_us": min,
    "registered_us": min,
    "completed_us": min,
    "passed_us": min,
    "waived_us": min,
    "satisfied_us": min,
    "incomplete": max,
    "failed": max,
    "score": max,
    "score_passing": max,
}

_DATED = {
    Verb.LAUNCHED: "launched_us",
    Verb.REGISTERED: "registered_us",
    Verb.WAIVED: "waived_us",
    Verb.SATISFIED: "satisfied_us",
}


@dataclass(frozen=True, slots=True)
class Completion:
    """One row of the completion report; None is "nothing known". Times in microseconds UTC."""

    completion: bool | None
    success: bool | None
    score_scaled: float | None
    satisfied_at_us: int | None
    first_at_us: int
    last_at_us: int


def fold(facts: Facts | None, signal: Signal) -> Facts:
    """The facts with the signal's say in them; the facts given stay as they are."""
    return joined(facts, signal, _said(signal), _JOINS)


def result(facts: Facts) -> Completion:
    """What the facts come to."""
    sessions = of_status(facts)
    return Completion(
        completion=_completion(sessions),
        success=_success(sessions),
        score_scaled=_largest(sessions, "score_passing", "score"),
        satisfied_at_us=_satisfied_at_us(sessions),
        first_at_us=facts["first_us"],
        last_at_us=facts["last_us"],
    )


def joined(facts: Facts | None, signal: Signal, said: Mapping[str, Any], joins: Mapping[str, Join]) -> Facts:
    """The facts with what was ``said`` joined to those of the signal's session, each fact by its join."""
    at_us = signal.at_us
    if facts is None:
        facts = {"first_us": at_us, "last_us": at_us, "sessions": {}}
    sessions = facts["sessions"]
    return {
        "first_us": min(facts["first_us"], at_us),
        "last_us": max(facts["last_us"], at_us),
        "sessions": _with_session(sessions, signal.session or NO_SESSION, said, joins) if said else sessions,
    }


def _with_session(sessions: Facts, key: str, said: Mapping[str, Any], joins: Mapping[str, Join]) -> Facts:
    known = sessions.get(key, {})
    session = dict(known)
    for fact, value in said.items():
        session[fact] = joins[fact](known[fact], value) if fact in known else value
    # Keys stand in order, so that equal facts are equal bytes too once they are written.
    if len(session) > len(known):
        session = dict(sorted(session.items()))
    if key in sessions:
        return sessions | {key: session}
    return dict(sorted((sessions | {key: session}).items())[:SESSIONS_MAX])


def launch_of(signal: Signal) -> list[Any]:
    """The `launched` statement as a fact: the larger of two is the later, ids decide between equal times."""
    # Empty text stands for what the launch left out, for None can not be compared.
    return [
        signal.at_us,
        signal.stored_us,
        signal.statement_id,
        (signal.launch_mode or LaunchMode.NORMAL).value,
        signal.move_on.value if signal.move_on else "",
    ]


def of_status(facts: Facts) -> list[Facts]:
    """The facts of the sessions that may change a learner's status: all but those in Browse and Review."""
    return [
        session
        for session in facts["sessions"].values()
        if "launch" not in session or session["launch"][3] not in _STATUS_UNCHANGED
    ]


def outside_status(signal: Signal) -> bool:
    """Whether the signal alone shows that it changes no status: a Browse or Review launch in no session."""
    return signal.session is None and signal.launch_mode in _STATUS_UNCHANGED


def _said(signal: Signal) -> Facts:
    said: Facts = {}
    if outside_status(signal):
        return said
    if signal.verb in _DATED:
        said[_DATED[signal.verb]] = signal.at_us
    if signal.verb is Verb.LAUNCHED:
        said["launch"] = launch_of(signal)
    if signal.completes:
        said["completed_us"] = signal.at_us
    elif signal.completion is False:
        said["incomplete"] = True
    if signal.passes:
        said["passed_us"] = signal.at_us
    elif signal.fails:
        said["failed"] = True
    if signal.score is not None:
        said["score_passing" if signal.passes else "score"] = signal.score
    return said


def _completion(sessions: Iterable[Facts]) -> bool | None:
    if any("completed_us" in session for session in sessions):
        return True
    return False if any("incomplete" in session for session in sessions) else None


def _success(sessions: Iterable[Facts]) -> bool | None:
    if any("passed_us" in session for session in sessions):
        return True
    return False if any("failed" in session for session in sessions) else None


def _largest(sessions: Iterable[Facts], *facts: str) -> float | None:
    """The largest of the first fact that any session has."""
    for fact in facts:
        found: list[float] = [session[fact] for session in sessions if fact in session]
        if found:
            return max(found)
    return None


def _earliest(sessions: Iterable[Facts], *facts: str) -> int | None:
    """The earliest of all these facts in all sessions."""
    return min((session[fact] for session in sessions for fact in facts if fact in session), default=None)


def _satisfied_at_us(sessions: list[Facts]) -> int | None:
    told = _earliest(sessions, "waived_us", "satisfied_us")
    met = _move_on_met_us(sessions)
    return min((moment for moment in (told, met) if moment is not None), default=None)


def _move_on_met_us(sessions: list[Facts]) -> int | None:
    """When what the latest launch asks for was there; None while it is not, or when nothing was asked."""
    launches = [session["launch"] for session in sessions if "launch" in session]
    match max(launches, default=[""])[-1]:
        case MoveOn.PASSED:
            return _earliest(sessions, "passed_us")
        case MoveOn.COMPLETED:
            return _earliest(sessions, "completed_us")
        case MoveOn.COMPLETED_OR_PASSED:
            return _earliest(sessions, "completed_us", "passed_us")
        case MoveOn.COMPLETED_AND_PASSED:
            completed, passed = _earliest(sessions, "completed_us"), _earliest(sessions, "passed_us")
            return max(completed, passed) if completed is not None and passed is not None else None
        case MoveOn.NOT_APPLICABLE:
            registered = _earliest(sessions, "registered_us")
            return registered if registered is not None else _earliest(sessions, "launched_us")
    return None
