"""The sessions of the demonstration: who launched which unit when, and how it ended.

A session is what both the statements and the exchanges with the tutor happen in. It must not know the shape
of either. The time is passed in and chance comes as a seeded generator: the same two give the same sessions.

    unit's moveOn        sessions of one learner
    Completed            one that completes
    judged, any moveOn   up to two that fail, then one that passes; the first of them completes
    NotApplicable        seven in ten open it, half of those read to the end
    waived               one entry, no session

Six in a hundred units begin with a session that is abandoned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, Literal
from uuid import UUID

from lrs.demo.cohort import UNITS_ALL, Learner, learners
from lrs.demo.course import UNITS, Unit

Ending = Literal["terminated", "abandoned", "waived"]
LaunchMode = Literal["Normal", "Review"]

# Slots of two hours, 07:00 to 19:00 UTC, on the 29 days before today: never in the future, never more than 30
# days ago, and as a session is shorter than its slot, the sessions of one learner never overlap.
_DAYS: Final = 29
_SLOTS_PER_DAY: Final = 6
_SLOT_HOURS: Final = 2
_FIRST_HOUR: Final = 7
_SECONDS_MIN: Final = 480
_SECONDS_MAX: Final = 2_700
_SLOTS_LAST_START: Final = 90  # the latest starter still has a fortnight for at most some twenty sessions

_PROTAGONIST_ABANDONS: Final = "hazards-in-your-workplace"
_PROTAGONIST_FAILS: Final = "choosing-an-extinguisher"


@dataclass(frozen=True, slots=True)
class Step:
    """What happens in a session. `score` is out of 100 and None where nothing was judged."""

    unit: Unit
    ending: Ending = "terminated"
    completes: bool = False
    score: int | None = None
    mode: LaunchMode = "Normal"


@dataclass(frozen=True, slots=True)
class Session:
    """A step of one learner with its time: `seconds` from launch to the last statement."""

    id: str
    learner: Learner
    step: Step
    start: datetime
    seconds: int


def uuid4(rng: Random) -> str:
    """A version 4 UUID from the seeded generator, so that a seed names the same statements every time."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def sessions(rng: Random, now: datetime) -> Iterator[list[Session]]:
    """The sessions of one learner after the other, each learner's in the order of time."""
    assert now.tzinfo is not None, "now must name its zone"
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first_day = midnight - timedelta(days=_DAYS)
    for learner in learners():
        steps = _steps(rng, learner)
        slots = _slots(rng, len(steps), early=learner.is_protagonist or learner.units_begun == 0)
        yield [_session(rng, learner, step, first_day, slot) for step, slot in zip(steps, slots, strict=True)]


def _slots(rng: Random, count: int, *, early: bool) -> list[int]:
    first = 0 if early else rng.randrange(_SLOTS_LAST_START)
    last = 12 if early and count == 1 else _DAYS * _SLOTS_PER_DAY  # the one that never came back left early
    return sorted(rng.sample(range(first, last), count))


def _session(rng: Random, learner: Learner, step: Step, first_day: datetime, slot: int) -> Session:
    day, part = divmod(slot, _SLOTS_PER_DAY)
    start = first_day + timedelta(
        days=day,
        hours=_FIRST_HOUR + part * _SLOT_HOURS,
        minutes=rng.randrange(60),
        milliseconds=rng.randrange(60_000),
    )
    return Session(uuid4(rng), learner, step, start, rng.randint(_SECONDS_MIN, _SECONDS_MAX))


def _steps(rng: Random, learner: Learner) -> list[Step]:
    if learner.units_begun == 0:
        return [Step(UNITS[0], "abandoned")]
    steps = [step for unit in UNITS[: learner.units_begun] for step in _unit_steps(rng, learner, unit)]
    stopped_early = learner.units_begun < UNITS_ALL
    if stopped_early and len(steps) > 1 and rng.random() < 0.5:
        steps.pop()
    if learner.is_protagonist or (not stopped_early and rng.random() < 0.1):
        steps.append(Step(UNITS[3], mode="Review"))
    return steps


def _unit_steps(rng: Random, learner: Learner, unit: Unit) -> list[Step]:
    if unit.slug == learner.unit_waived:
        return [Step(unit, "waived")]
    if unit.move_on == "NotApplicable":
        opened = learner.is_protagonist or rng.random() < 0.7
        return [Step(unit, completes=rng.random() < 0.5)] if opened else []
    abandons = rng.random() < 0.06 or (learner.is_protagonist and unit.slug == _PROTAGONIST_ABANDONS)
    return [Step(unit, "abandoned")] * abandons + _judged_steps(rng, learner, unit)


def _judged_steps(rng: Random, learner: Learner, unit: Unit) -> list[Step]:
    """A failed test is never the second after a passed one (cmi5 9.3); completed comes once, in the first."""
    if unit.mastery_score is None:
        return [Step(unit, completes=True)]
    mastery = round(unit.mastery_score * 100)
    fails = rng.choices((0, 1, 2), (70, 22, 8))[0]
    if learner.is_protagonist and unit.slug == _PROTAGONIST_FAILS:
        fails = 2
    scores = [rng.randint(mastery - 35, mastery - 1) for _ in range(fails)]
    if not fails or unit.move_on != "CompletedOrPassed" or rng.random() < 0.6:
        scores.append(rng.randint(mastery, 100))  # completed is enough there, so some do not try again
    return [Step(unit, completes=number == 0, score=score) for number, score in enumerate(scores)]
