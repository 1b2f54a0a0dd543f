"""The xAPI 1.0.3 statements of a session, after the cmi5 profile (section 9).

Pure: chance comes in and time does too. It must not know why a session went as it did.

    verb         category      context extensions beside sessionid          result
    launched     cmi5          launchmode, moveon, launchurl, masteryscore  -
    initialized  cmi5          -                                            -
    progressed   -             -                                            progress
    answered     -             -                                            response, success of a choice
    completed    cmi5, moveon  -                                            completion, duration
    passed       cmi5, moveon  masteryscore                                 score, success, duration
    failed       cmi5, moveon  masteryscore                                 score, success, duration
    terminated   cmi5          -                                            duration
    abandoned    cmi5          -                                            duration
    waived       cmi5, moveon  -                                            completion, success, reason
    satisfied    cmi5          -                                            -

progressed and answered are "cmi5 allowed": they carry no category. masteryscore is there where the unit has
one. Every statement groups by course, block (but for the course's own) and the publisher's id.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from lrs.demo.activities import (
    block_activity,
    course_activity,
    publisher_activity,
    question_activity,
    unit_activity,
)
from lrs.demo.cohort import INSTRUCTOR
from lrs.demo.course import BLOCKS, COURSE_ID, UNITS, MoveOn, Question, Unit
from lrs.demo.sessions import Session, Step, uuid4

Json = dict[str, Any]

CATEGORY: Final = "https://w3id.org/xapi/cmi5/context/categories/"
CONTEXT: Final = "https://w3id.org/xapi/cmi5/context/extensions/"
RESULT: Final = "https://w3id.org/xapi/cmi5/result/extensions/"

_VERB_HOMES: Final = dict.fromkeys(("abandoned", "waived", "satisfied"), "https://w3id.org/xapi/adl/verbs/")
_VERB_HOME: Final = "http://adlnet.gov/expapi/verbs/"
_ALLOWED_VERBS: Final = frozenset({"progressed", "answered"})
_TIMED_VERBS: Final = frozenset({"completed", "passed", "failed", "terminated"})

# cmi5 10.2.5: when (completed, passed) meet a unit's moveOn.
_MOVE_ON: Final[dict[MoveOn, Callable[[bool, bool], bool]]] = {
    "Passed": lambda _completed, passed: passed,
    "Completed": lambda completed, _passed: completed,
    "CompletedAndPassed": lambda completed, passed: completed and passed,
    "CompletedOrPassed": lambda completed, passed: completed or passed,
    "NotApplicable": lambda _completed, _passed: True,
}


@dataclass(frozen=True, slots=True)
class _Happening:
    """One statement before it has an id, a time and a context."""

    verb: str
    object: Json
    grouping: tuple[Json, ...]
    result: Json | None = None


def learner_statements(rng: Random, sessions: list[Session]) -> Iterator[Json]:
    """All statements of one learner in the order of time, satisfied blocks and course included."""
    completed: set[str] = set()
    passed: set[str] = set()
    satisfied: set[str] = set()
    for session in sessions:
        yield from _session_statements(rng, session, already_completed=session.step.unit.slug in completed)
        waived = session.step.ending == "waived"
        if waived or session.step.completes:
            completed.add(session.step.unit.slug)
        if waived or _is_passed(session.step):
            passed.add(session.step.unit.slug)
        for happening in _newly_satisfied(completed, passed, satisfied):
            moment = session.start + timedelta(seconds=session.seconds + len(satisfied))
            yield _statement(rng, session, happening, moment)


def _is_passed(step: Step) -> bool:
    mastery = step.unit.mastery_score
    return step.score is not None and mastery is not None and step.score / 100 >= mastery


def _newly_satisfied(completed: set[str], passed: set[str], satisfied: set[str]) -> Iterator[_Happening]:
    """The blocks, then the course, that are earned now and were not before: each once per registration."""
    met = {unit.slug for unit in UNITS if _MOVE_ON[unit.move_on](unit.slug in completed, unit.slug in passed)}
    for block in BLOCKS:
        if block not in satisfied and all(unit.slug in met for unit in UNITS if unit.block == block):
            satisfied.add(block)
            yield _Happening("satisfied", block_activity(block), (course_activity(), publisher_activity(block)))
    if COURSE_ID not in satisfied and satisfied.issuperset(BLOCKS):
        satisfied.add(COURSE_ID)
        yield _Happening("satisfied", course_activity(), (publisher_activity("course"),))


def _session_statements(rng: Random, session: Session, *, already_completed: bool) -> Iterator[Json]:
    """From launched to the end: the first and last moments are fixed, those between are drawn and sorted."""
    happenings = list(_happenings(rng, session.step, already_completed=already_completed))
    middle = sorted(rng.uniform(10, session.seconds - 5) for _ in happenings[2:-1])
    elapsed = [0.0, rng.uniform(2, 9), *middle, float(session.seconds)]
    for number, happening in enumerate(happenings):
        moment = session.start + timedelta(seconds=elapsed[number])
        if happening.result is not None and happening.verb in _TIMED_VERBS:
            happening.result["duration"] = _duration(elapsed[number] - elapsed[1])
        if happening.result is not None and happening.verb == "abandoned":
            # 9.5.4.2: from launched to the last statement of the unit, not to when somebody noticed.
            happening.result["duration"] = _duration(elapsed[number - 1])
        yield _statement(rng, session, happening, moment)


def _happenings(rng: Random, step: Step, *, already_completed: bool) -> Iterator[_Happening]:
    unit = step.unit
    grouping = (course_activity(), block_activity(unit.block), publisher_activity(unit.slug))
    if step.ending == "waived":
        reason = {RESULT + "reason": "Equivalent Outside Activity"}
        result = {"completion": True, "success": True, "extensions": reason}
        yield _Happening("waived", unit_activity(unit), grouping, result)
        return
    yield _Happening("launched", unit_activity(unit), grouping)
    yield _Happening("initialized", unit_activity(unit), grouping)
    if step.mode == "Normal":  # cmi5 10.2.2: in Browse and Review nothing is judged, nothing is credited
        yield from _work(rng, step, grouping, already_completed=already_completed)
    yield _Happening(step.ending, unit_activity(unit), grouping, {})


def _work(rng: Random, step: Step, grouping: tuple[Json, ...], *, already_completed: bool) -> Iterator[_Happening]:
    abandoned = step.ending == "abandoned"
    if not already_completed:  # 9.5.5.1: no progress after completed
        yield _progressed(step.unit, grouping, rng.randrange(10, 40, 5))
    for question in step.unit.questions[: 1 if abandoned else None]:
        yield _answered(rng, step, question, grouping)
    if not already_completed and not abandoned:
        yield _progressed(step.unit, grouping, rng.randrange(60, 95, 5))
    if step.completes:
        yield _Happening("completed", unit_activity(step.unit), grouping, {"completion": True})
    if step.score is not None:
        yield _judged(step, step.score, grouping)


def _progressed(unit: Unit, grouping: tuple[Json, ...], percent: int) -> _Happening:
    return _Happening("progressed", unit_activity(unit), grouping, {"extensions": {RESULT + "progress": percent}})


def _answered(rng: Random, step: Step, question: Question, grouping: tuple[Json, ...]) -> _Happening:
    """Right answers come as often as the score of the session says; free text is neither right nor wrong."""
    activity = question_activity(step.unit, question)
    if not question.choices:
        response = f"{rng.choice(question.openings)} {rng.choice(question.endings)}"
        return _Happening("answered", activity, grouping, {"response": response})
    right = rng.random() * 100 < (75 if step.score is None else step.score)
    chosen = question.choices[0] if right else rng.choice(question.choices[1:])
    return _Happening("answered", activity, grouping, {"response": chosen[0], "success": right})


def _judged(step: Step, score: int, grouping: tuple[Json, ...]) -> _Happening:
    passed = _is_passed(step)
    result = {"score": {"scaled": score / 100, "raw": score, "min": 0, "max": 100}, "success": passed}
    return _Happening("passed" if passed else "failed", unit_activity(step.unit), grouping, result)


def _statement(rng: Random, session: Session, happening: _Happening, moment: datetime) -> Json:
    verb = happening.verb
    statement = {
        "id": uuid4(rng),
        "actor": deepcopy(session.learner.agent),
        "verb": {"id": _VERB_HOMES.get(verb, _VERB_HOME) + verb, "display": {"en": verb}},
        "object": happening.object,
        "context": _context(session, happening),
        "timestamp": timestamp(moment),
    }
    if happening.result is not None:
        statement["result"] = happening.result
    return statement


def _context(session: Session, happening: _Happening) -> Json:
    activities: Json = {"grouping": deepcopy(list(happening.grouping))}
    if happening.verb not in _ALLOWED_VERBS:
        activities["category"] = _categories(happening.result or {})
    if happening.verb == "answered":
        activities["parent"] = [unit_activity(session.step.unit)]
    return {
        "registration": session.learner.registration,
        "instructor": deepcopy(INSTRUCTOR),
        "platform": "Demonstration",
        "language": "en",
        "contextActivities": activities,
        "extensions": _extensions(session, happening.verb),
    }


def _categories(result: Json) -> list[Json]:
    """9.6.2.2: moveon marks the statements whose result says success or completion, and no others."""
    names = ("cmi5", "moveon") if result.keys() & {"success", "completion"} else ("cmi5",)
    return [{"objectType": "Activity", "id": CATEGORY + name} for name in names]


def _extensions(session: Session, verb: str) -> Json:
    unit = session.step.unit
    extensions: Json = {CONTEXT + "sessionid": session.id}
    if verb == "launched":
        extensions[CONTEXT + "launchmode"] = session.step.mode
        extensions[CONTEXT + "moveon"] = unit.move_on
        extensions[CONTEXT + "launchurl"] = unit.launch_url
    if verb in {"launched", "passed", "failed"} and unit.mastery_score is not None:
        extensions[CONTEXT + "masteryscore"] = unit.mastery_score
    return extensions


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: all of one length, so that text order is time order."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _duration(seconds: float) -> str:
    """ISO 8601 to whole seconds; xAPI compares no finer than hundredths."""
    minutes, rest = divmod(round(seconds), 60)
    return f"PT{minutes}M{rest}S"
