"""The data of `lrs demo`: a cohort's month with a cmi5-like course, and what it asked the course's tutor.

A pure generator: standard library only, no I/O, no clock (`now` is passed in), all chance from a seed. The
same day and `seed` give the same data to the last byte, so that a demonstration can be repeated. ANOTHER DAY
GIVES THE SAME IDS WITH OTHER TIMES: a store that was filled last month answers this month's data with
conflicts, so fill it once. It must not know how any of it is recorded.

Two departures from cmi5, both on purpose: a registration stands for a cohort (in cmi5 for one enrolment, by
which no report could filter), and agents are not all accounts.
"""

from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from lrs.demo.cohort import INSTRUCTOR, PROTAGONIST, REGISTRATIONS
from lrs.demo.course import COURSE_ID
from lrs.demo.sessions import Session, sessions, uuid4
from lrs.demo.statements import learner_statements, timestamp
from lrs.demo.tutor import exchange_parts

__all__ = ["COURSE_ID", "INSTRUCTOR", "PROTAGONIST", "REGISTRATIONS", "TENANT", "exchanges", "statements"]

TENANT: Final = "demo"
SEED: Final = 20
EXCHANGES: Final = 300
_PROTAGONIST_WEIGHT: Final = 2.5  # she asks more, so that her export and erasure show something


def statements(now: datetime, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Some 1,700 statements of the thirty days before `now` (aware), the oldest first."""
    rng = Random(seed)
    cohort = list(sessions(rng, now))  # all drawn before the first statement: exchanges() draws them again
    written = [statement for of_one in cohort for statement in learner_statements(rng, of_one)]
    yield from sorted(written, key=lambda statement: str(statement["timestamp"]))


def exchanges(now: datetime, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """The 300 exchanges with the tutor, each within a session of `statements(now, seed)`, the oldest first.

    Of the shape {id, actor, request, response, activity, registration, started_at, ended_at}.
    """
    cohort = [session for of_one in sessions(Random(seed), now) for session in of_one]
    taught = [session for session in cohort if session.step.ending != "waived"]
    weights = [_PROTAGONIST_WEIGHT if session.learner.is_protagonist else 1.0 for session in taught]
    rng = Random(f"exchanges {seed}")  # a generator of its own: the ids must not repeat those of statements
    written = [_exchange(rng, session) for session in rng.choices(taught, weights, k=EXCHANGES)]
    yield from sorted(written, key=lambda exchange: str(exchange["started_at"]))


def _exchange(rng: Random, session: Session) -> dict[str, Any]:
    request, response = exchange_parts(rng, session.learner.agent["name"], session.step.unit)
    started = session.start + timedelta(seconds=session.seconds * rng.uniform(0.1, 0.9))
    ended = started + timedelta(seconds=rng.uniform(0.8, 9.0))
    return {
        "id": uuid4(rng),
        "actor": deepcopy(session.learner.agent),
        "request": request,
        "response": response,
        "activity": session.step.unit.id,
        "registration": session.learner.registration,
        "started_at": timestamp(started),
        "ended_at": timestamp(ended),
    }
