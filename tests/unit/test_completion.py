"""Completion, success, score and satisfaction: one row a rule of `lrs.domain.completion`, in any order."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from lrs.domain.completion import Completion, result
from lrs.domain.facts import SESSIONS_MAX, Facts, fold, merge
from lrs.domain.signals import LaunchMode, MoveOn, Signal
from lrs.domain.verbs import Verb

NORMAL, BROWSE, REVIEW = LaunchMode.NORMAL, LaunchMode.BROWSE, LaunchMode.REVIEW


def said(at_us: int, verb: Verb | None = None, session: str | None = None, **facts: Any) -> Signal:
    """A signal at a time, stored a little later; whatever is not named was not said."""
    unsaid: dict[str, Any] = dict.fromkeys(Signal.__slots__)
    return Signal(
        **unsaid
        | {"activity": "urn:a", "groupings": (), "statement_id": UUID(int=at_us), "stored_us": at_us + 5}
        | {"at_us": at_us, "verb": verb, "session": session}
        | facts
    )


def folded(signals: Iterable[Signal]) -> Facts:
    facts: Facts = {}
    for signal in signals:
        fold(facts, signal)
    return facts


def of(*signals: Signal) -> Completion:
    """The result of the signals, which is the same in each of their orders."""
    facts = folded(signals)
    assert all(folded(order) == facts for order in permutations(signals))
    return result(facts)


@pytest.mark.parametrize(
    ("signals", "completion"),
    [
        ([said(1)], None),
        ([said(1, Verb.COMPLETED)], True),
        ([said(1, completion=True)], True),
        ([said(1, completion=False)], False),
        ([said(1, completion=True), said(2, completion=False)], True),
        ([said(1, completion=False), said(2, Verb.COMPLETED)], True),
        ([said(1, Verb.COMPLETED, completion=False)], True),
        ([said(1, Verb.PASSED, success=True)], None),
        ([said(1, Verb.COMPLETED, "a"), said(2, Verb.LAUNCHED, "a", launch_mode=NORMAL)], True),
        ([said(1, Verb.COMPLETED, "a"), said(2, Verb.LAUNCHED, "a", launch_mode=BROWSE)], None),
        ([said(1, completion=False, session="a"), said(2, Verb.LAUNCHED, "a", launch_mode=REVIEW)], None),
        ([said(1, Verb.COMPLETED, "a"), said(2, Verb.LAUNCHED, "b", launch_mode=BROWSE)], True),
        ([said(1, Verb.COMPLETED), said(2, Verb.LAUNCHED, launch_mode=BROWSE)], True),
    ],
)
def test_completion_is_true_once_and_for_all_but_for_browse_and_review(
    signals: list[Signal], completion: bool | None
) -> None:
    assert of(*signals).completion is completion


@pytest.mark.parametrize(
    ("signals", "success"),
    [
        ([said(1)], None),
        ([said(1, Verb.PASSED)], True),
        ([said(1, success=True)], True),
        ([said(1, Verb.FAILED)], False),
        ([said(1, success=False)], False),
        ([said(1, Verb.FAILED), said(2, Verb.PASSED)], True),
        ([said(1, Verb.PASSED), said(2, Verb.FAILED)], True),
        ([said(1, Verb.COMPLETED, completion=True)], None),
        ([said(1, Verb.PASSED, "a"), said(2, Verb.LAUNCHED, "a", launch_mode=REVIEW)], None),
    ],
)
def test_success_is_true_once_passed_and_false_only_if_never(signals: list[Signal], success: bool | None) -> None:
    assert of(*signals).success is success


@pytest.mark.parametrize(
    ("signals", "score"),
    [
        ([said(1)], None),
        ([said(1, score=0.2), said(2, score=0.1)], 0.2),
        ([said(1, Verb.FAILED, score=0.9), said(2, Verb.PASSED, score=0.7)], 0.7),
        ([said(1, Verb.PASSED, score=0.7), said(2, Verb.PASSED, score=0.8)], 0.8),
        ([said(1, Verb.PASSED), said(2, Verb.FAILED, score=0.4)], 0.4),
        ([said(1, success=True, score=-0.5), said(2, score=0.4)], -0.5),
        ([said(1, score=0.9, session="a"), said(2, Verb.LAUNCHED, "a", launch_mode=BROWSE)], None),
    ],
)
def test_the_score_is_the_passing_statements_else_the_best(signals: list[Signal], score: float | None) -> None:
    assert of(*signals).score_scaled == score


def launched(at_us: int, move_on: MoveOn | None, session: str | None = "a", **facts: Any) -> Signal:
    return said(at_us, Verb.LAUNCHED, session, move_on=move_on, **facts)


COMPLETED, PASSED = said(20, Verb.COMPLETED, "a"), said(30, Verb.PASSED, "a")


@pytest.mark.parametrize(
    ("signals", "satisfied_at_us"),
    [
        ([COMPLETED, PASSED], None),
        ([launched(10, None), COMPLETED, PASSED], None),
        ([launched(10, MoveOn.PASSED), COMPLETED], None),
        ([launched(10, MoveOn.PASSED), COMPLETED, PASSED], 30),
        ([launched(10, MoveOn.PASSED), said(12, success=True), PASSED], 12),
        ([launched(10, MoveOn.COMPLETED), PASSED], None),
        ([launched(10, MoveOn.COMPLETED), COMPLETED, PASSED], 20),
        ([launched(10, MoveOn.COMPLETED), said(12, completion=True), COMPLETED], 12),
        ([launched(10, MoveOn.COMPLETED_AND_PASSED), COMPLETED], None),
        ([launched(10, MoveOn.COMPLETED_AND_PASSED), PASSED], None),
        ([launched(10, MoveOn.COMPLETED_AND_PASSED), COMPLETED, PASSED], 30),
        ([launched(10, MoveOn.COMPLETED_OR_PASSED)], None),
        ([launched(10, MoveOn.COMPLETED_OR_PASSED), COMPLETED, PASSED], 20),
        ([launched(10, MoveOn.COMPLETED_OR_PASSED), PASSED], 30),
        ([launched(10, MoveOn.NOT_APPLICABLE), launched(15, MoveOn.NOT_APPLICABLE, "b")], 10),
        ([launched(10, MoveOn.NOT_APPLICABLE), said(3, Verb.REGISTERED)], 3),
        ([launched(10, MoveOn.NOT_APPLICABLE), said(13, Verb.REGISTERED)], 13),
        ([launched(10, MoveOn.NOT_APPLICABLE), launched(15, MoveOn.NOT_APPLICABLE)], 10),
        ([launched(10, MoveOn.NOT_APPLICABLE), said(3, Verb.REGISTERED), said(2, Verb.REGISTERED)], 2),
        ([launched(10, MoveOn.PASSED), PASSED, said(31, Verb.PASSED, "a")], 30),
        ([launched(10, MoveOn.COMPLETED), COMPLETED, said(21, Verb.COMPLETED, "a")], 20),
        ([said(3, Verb.REGISTERED)], None),
        ([launched(10, MoveOn.PASSED, None), PASSED], 30),
    ],
)
def test_an_assignable_unit_is_satisfied_when_its_move_on_is_met(
    signals: list[Signal], satisfied_at_us: int | None
) -> None:
    assert of(*signals).satisfied_at_us == satisfied_at_us


@pytest.mark.parametrize(
    ("signals", "satisfied_at_us"),
    [
        ([said(5, Verb.WAIVED, "a"), said(4, Verb.WAIVED, "b")], 4),
        ([said(5, Verb.SATISFIED), said(6, Verb.SATISFIED)], 5),
        ([said(5, Verb.WAIVED, "a"), said(6, Verb.WAIVED, "a")], 5),
        ([said(5, Verb.WAIVED, "b"), launched(10, MoveOn.PASSED), PASSED], 5),
        ([said(50, Verb.WAIVED, "b"), launched(10, MoveOn.PASSED), PASSED], 30),
        ([said(5, Verb.SATISFIED, "a"), said(1, Verb.LAUNCHED, "a", launch_mode=REVIEW)], None),
    ],
)
def test_waived_and_satisfied_count_by_themselves_and_the_earliest_wins(
    signals: list[Signal], satisfied_at_us: int | None
) -> None:
    assert of(*signals).satisfied_at_us == satisfied_at_us


@pytest.mark.parametrize(
    ("later", "satisfied_at_us"),
    [
        (launched(11, MoveOn.COMPLETED, "b"), 20),
        (launched(10, MoveOn.COMPLETED, "b", stored_us=99, statement_id=UUID(int=0)), 20),
        (launched(10, MoveOn.COMPLETED, "b", statement_id=UUID(int=99)), 20),
        (launched(10, MoveOn.COMPLETED, "a", statement_id=UUID(int=99)), 20),
        (launched(9, MoveOn.COMPLETED, "b"), 30),
        (launched(11, MoveOn.COMPLETED, "b", launch_mode=BROWSE), 30),
        (launched(11, MoveOn.COMPLETED, None, launch_mode=REVIEW), 30),
        (launched(11, None, "b"), None),
    ],
)
def test_the_latest_launch_that_is_not_a_browse_or_review_names_the_move_on(
    later: Signal, satisfied_at_us: int | None
) -> None:
    assert of(launched(10, MoveOn.PASSED), later, COMPLETED, PASSED).satisfied_at_us == satisfied_at_us


def test_a_completion_in_a_browse_session_meets_no_move_on() -> None:
    browsed = [
        said(11, Verb.LAUNCHED, "b", launch_mode=BROWSE, move_on=MoveOn.COMPLETED),
        said(12, Verb.COMPLETED, "b"),
    ]
    assert of(launched(10, MoveOn.COMPLETED), *browsed).satisfied_at_us is None
    assert of(launched(10, MoveOn.NOT_APPLICABLE), said(2, Verb.LAUNCHED, launch_mode=BROWSE)) == Completion(
        None, None, None, satisfied_at_us=10
    )


def test_a_row_keeps_the_same_bounded_sessions_in_any_order() -> None:
    signals = [said(1, Verb.COMPLETED, f"{number:016x}") for number in range(SESSIONS_MAX + 50)]
    signals.append(said(2, Verb.PASSED))
    facts = folded(signals)
    assert len(facts) == SESSIONS_MAX
    assert folded(reversed(signals)) == facts
    for at in (1, 40, SESSIONS_MAX + 10):
        first, second = folded(signals[:at]), folded(signals[at:])
        merge(second, first)
        assert second == facts
    assert (result(facts).completion, result(facts).success) == (True, True)
