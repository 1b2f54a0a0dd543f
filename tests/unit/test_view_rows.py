"""A row of a view: its times and groupings are those of all that happened, in any order."""

from itertools import permutations
from typing import Any
from uuid import UUID

from lrs.domain.signals import Signal
from lrs.domain.verbs import Verb
from lrs.ports import ViewKey, ViewRow
from lrs.projections.learning import LEARNING
from lrs.projections.views import Rows

KEY = ViewKey(UUID(int=1), "urn:a", "")


def said(at_us: int, *groupings: bytes, verb: Verb | None = None) -> Signal:
    unsaid: dict[str, Any] = dict.fromkeys(Signal.__slots__)
    return Signal(**unsaid | {"activity": "urn:a", "groupings": groupings, "at_us": at_us, "verb": verb})


def completed(at_us: int, *groupings: bytes) -> Signal:
    return said(at_us, *groupings, verb=Verb.COMPLETED)


def row_of(*signals: Signal) -> ViewRow:
    rows: Rows = {}
    for one in signals:
        LEARNING.say(rows, KEY, one)
    return rows.pop(KEY)


def test_first_and_last_and_the_groupings_are_those_of_all_statements() -> None:
    for signals in permutations([said(7, b"one"), said(3), said(5, b"two", b"one")]):
        assert row_of(*signals) == ViewRow(KEY, 3, 7, frozenset({b"one", b"two"}), {})


def test_a_row_goes_on_where_it_was_left_whichever_was_first() -> None:
    whole = row_of(completed(5, b"one"), said(7), completed(2, b"two"))
    assert whole == ViewRow(KEY, 2, 7, frozenset({b"one", b"two"}), {"": {"cu": 2}})
    for left, more in permutations([(completed(5, b"one"), said(7)), (completed(2, b"two"),)]):
        assert LEARNING.merged(row_of(*left), row_of(*more)) == whole


def test_a_row_that_was_not_there_is_what_is_said_of_it() -> None:
    assert LEARNING.merged(None, row_of(completed(5))) == row_of(completed(5))
