"""What a view is: a name, a fold and its merge. Its rows are keyed by subject, activity and registration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lrs.domain.signals import Signal
from lrs.ports import ViewKey, ViewRow

Facts = dict[str, Any]
Rows = dict[ViewKey, ViewRow]


@dataclass(frozen=True, slots=True)
class View:
    """A registered view. The name is stored with its rows and its tracking.

    ``merge`` joins the facts of a row with those of other statements, as folding these would have: so a batch is
    folded by itself, and a row is read, merged and written once.
    """

    name: str
    fold: Callable[[Facts, Signal], None]
    merge: Callable[[Facts, Facts], None]

    def say(self, rows: Rows, key: ViewKey, signal: Signal) -> None:
        """One statement more to the rows of a batch, in place."""
        at_us = signal.at_us
        row = rows.get(key)
        if row is None:
            rows[key] = row = ViewRow(key, at_us, at_us, frozenset(signal.groupings), {})
        elif at_us < row.first_at_us:
            row.first_at_us = at_us
        elif at_us > row.last_at_us:
            row.last_at_us = at_us
        if not row.groupings.issuperset(signal.groupings):
            row.groupings = row.groupings.union(signal.groupings)
        self.fold(row.facts, signal)

    def merged(self, row: ViewRow | None, more: ViewRow) -> ViewRow:
        """The row, changed in place, with what a batch says of it; ``more`` itself where there was none."""
        if row is None:
            return more
        row.first_at_us = min(row.first_at_us, more.first_at_us)
        row.last_at_us = max(row.last_at_us, more.last_at_us)
        row.groupings = row.groupings.union(more.groupings)
        self.merge(row.facts, more.facts)
        return row
