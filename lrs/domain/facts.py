"""What was said of one learner at one activity, joined so that no order of the statements can change it.

Knows signals, and must not know statements, people or storage. THE FACTS ARE A STORAGE FORMAT: a change of a name
or of a join calls for a rebuild of the view. They are kept in clear, so they hold numbers, ids, digests and our
own words, never a client's text; their names are short because every row repeats them.

Facts are a table by session: every fact is joined with its like by the smaller, the larger or the sum. They are
kept for each session, because the `launched` that says "Browse" may arrive after all else; what counts is decided
when they are read (``lrs.domain.completion``, ``lrs.domain.progress``). A statement is folded once: whoever folds
keeps the position.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import add
from typing import Any, Final, NamedTuple

from lrs.domain.signals import LaunchMode, Signal
from lrs.domain.verbs import Verb

Session = dict[str, Any]
Facts = dict[str, Session]
Join = Callable[[Any, Any], Any]

LAUNCH: Final = "la"  # the latest: [at_us, stored_us, statement id, launch mode, moveOn]
LAUNCHED_US: Final = "lu"
REGISTERED_US: Final = "ru"
COMPLETED_US: Final = "cu"
PASSED_US: Final = "pu"
WAIVED_US: Final = "wu"
SATISFIED_US: Final = "su"
INCOMPLETE: Final = "in"
FAILED: Final = "fa"
SCORE: Final = "sc"
SCORE_PASSING: Final = "sp"
PROGRESS: Final = "pr"
SECONDS: Final = "se"
LAUNCHES: Final = "nl"
ATTEMPTED: Final = "na"
INITIALIZED: Final = "ni"

JOINS: Mapping[str, Join] = {
    LAUNCH: max,
    LAUNCHED_US: min,
    REGISTERED_US: min,
    COMPLETED_US: min,
    PASSED_US: min,
    WAIVED_US: min,
    SATISFIED_US: min,
    INCOMPLETE: max,
    FAILED: max,
    SCORE: max,
    SCORE_PASSING: max,
    PROGRESS: max,
    SECONDS: max,
    LAUNCHES: add,
    ATTEMPTED: add,
    INITIALIZED: add,
}

# A row is read and written whole. Beyond this many sessions those with the smallest digests are kept: in
# whichever order they come, the same ones stay, and none that stays was ever away.
SESSIONS_MAX = 1000

NO_SESSION = ""  # where statements outside any session are gathered; sorts first, so it always stays

_STATUS_UNCHANGED = frozenset({LaunchMode.BROWSE, LaunchMode.REVIEW})  # cmi5 10.2.2


class _Says(NamedTuple):
    """What a verb says by itself: facts counted and dated, and whether its duration is a session's or may be the
    time of a whole attempt outside sessions."""

    counted: str | None = None
    dated: str | None = None
    ends_session: bool = False
    ends_attempt: bool = False


_OF_VERB: Mapping[Verb | None, _Says] = {
    Verb.LAUNCHED: _Says(LAUNCHES, LAUNCHED_US),
    Verb.ATTEMPTED: _Says(ATTEMPTED),
    Verb.INITIALIZED: _Says(INITIALIZED),
    Verb.REGISTERED: _Says(dated=REGISTERED_US),
    Verb.WAIVED: _Says(dated=WAIVED_US),
    Verb.SATISFIED: _Says(dated=SATISFIED_US),
    # cmi5 9.3.6 and 9.3.8: these two end a session, and their duration is the session's.
    Verb.TERMINATED: _Says(ends_session=True, ends_attempt=True),
    Verb.ABANDONED: _Says(ends_session=True, ends_attempt=True),
    # Outside sessions each of these may carry the time of the whole attempt: the longest is taken, not the sum.
    **dict.fromkeys(
        (Verb.COMPLETED, Verb.PASSED, Verb.FAILED, Verb.MASTERED, Verb.EXITED, Verb.SUSPENDED),
        _Says(ends_attempt=True),
    ),
}
_NOTHING = _Says()


def fold(facts: Facts, signal: Signal) -> None:
    """Join what the signal says to the facts, in place: a copy a statement is what folding would cost most."""
    said = _said(signal)
    if said:
        _join(facts, signal.session or NO_SESSION, said)


def merge(facts: Facts, others: Facts) -> None:
    """Join what other signals came to, in place: the same as folding those. The others stay as they are."""
    for key, said in others.items():
        _join(facts, key, said)


def _join(facts: Facts, key: str, said: Session) -> None:
    session = facts.get(key)
    if session is None:
        facts[key] = said
        if len(facts) > SESSIONS_MAX:
            del facts[max(facts)]
        return
    for fact, value in said.items():
        session[fact] = JOINS[fact](session[fact], value) if fact in session else value


def of_status(facts: Facts) -> list[Session]:
    """The facts of the sessions that may change a learner's status: all but those in Browse and Review."""
    return [
        session
        for session in facts.values()
        if LAUNCH not in session or session[LAUNCH][3] not in _STATUS_UNCHANGED
    ]


def earliest(sessions: Iterable[Session], *facts: str) -> int | None:
    """The earliest of all these facts in all sessions."""
    return min((session[fact] for session in sessions for fact in facts if fact in session), default=None)


def largest(sessions: Iterable[Session], *facts: str) -> float | None:
    """The largest of the first fact that any session has."""
    for fact in facts:
        found: list[float] = [session[fact] for session in sessions if fact in session]
        if found:
            return max(found)
    return None


def _said(signal: Signal) -> Session:
    said: Session = {}
    says = _OF_VERB.get(signal.verb, _NOTHING)
    if says.counted:
        said[says.counted] = 1
    seconds = signal.duration_seconds
    if seconds is not None and (says.ends_session if signal.session else says.ends_attempt):
        said[SECONDS] = seconds
    # A Browse or Review launch in no session shows by itself that it changes no status.
    if signal.session is not None or signal.launch_mode not in _STATUS_UNCHANGED:
        _say_status(said, says, signal)
    return said


def _say_status(said: Session, says: _Says, signal: Signal) -> None:
    if says.dated:
        said[says.dated] = signal.at_us
    if signal.verb is Verb.LAUNCHED:
        said[LAUNCH] = _launch(signal)
    if signal.completes:
        said[COMPLETED_US] = signal.at_us
    elif signal.completion is False:
        said[INCOMPLETE] = True
    passes = signal.passes
    if passes:
        said[PASSED_US] = signal.at_us
    elif signal.fails:
        said[FAILED] = True
    if signal.score is not None:
        said[SCORE_PASSING if passes else SCORE] = signal.score
    if signal.progress is not None:
        said[PROGRESS] = signal.progress


def _launch(signal: Signal) -> list[Any]:
    """The `launched` statement as a fact: the larger of two is the later, ids decide between equal times."""
    # Empty text stands for what the launch left out, for None can not be compared.
    return [
        signal.at_us,
        signal.stored_us,
        str(signal.statement_id),
        (signal.launch_mode or LaunchMode.NORMAL).value,
        signal.move_on.value if signal.move_on else "",
    ]
