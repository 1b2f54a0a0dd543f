"""A row of a view: its times and groupings are those of all that happened, in any order."""

from itertools import permutations
from typing import Any
from uuid import UUID

from lrs.domain.signals import Signal
from lrs.ports import ViewKey, ViewRow
from lrs.projections.learning import LEARNING

KEY = ViewKey(UUID(int=1), "urn:a", "")


def said(at_us: int, *groupings: bytes) -> Signal:
    unsaid: dict[str, Any] = dict.fromkeys(Signal.__slots__)
    return Signal(**unsaid | {"activity": "urn:a", "groupings": groupings, "at_us": at_us})


def test_first_and_last_and_the_groupings_are_those_of_all_statements() -> None:
    for signals in permutations([said(7, b"one"), said(3), said(5, b"two", b"one")]):
        assert LEARNING.folded(KEY, None, signals) == ViewRow(KEY, 3, 7, frozenset({b"one", b"two"}), {})


def test_a_row_goes_on_where_it_was_left() -> None:
    row = LEARNING.folded(KEY, None, [said(5, b"one")])
    assert LEARNING.folded(KEY, row, [said(2, b"two")]) == ViewRow(KEY, 2, 5, frozenset({b"one", b"two"}), {})


def test_a_row_of_which_nothing_is_said_is_none() -> None:
    assert LEARNING.folded(KEY, None, []) is None
