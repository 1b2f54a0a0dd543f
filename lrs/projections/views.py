"""What a view is: a name and a fold. Its rows are keyed by subject, activity and registration."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lrs.domain.signals import Signal
from lrs.ports import ViewKey, ViewRow

Fold = Callable[[dict[str, Any], Signal], None]


@dataclass(frozen=True, slots=True)
class View:
    """A registered view. The name is stored with its rows and its tracking."""

    name: str
    fold: Fold

    def folded(self, key: ViewKey, row: ViewRow | None, signals: Iterable[Signal]) -> ViewRow | None:
        """The row, changed in place, with these signals more; None while nothing was said."""
        for signal in signals:
            at_us = signal.at_us
            if row is None:
                row = ViewRow(key, at_us, at_us, frozenset(signal.groupings), {})
            elif at_us < row.first_at_us:
                row.first_at_us = at_us
            elif at_us > row.last_at_us:
                row.last_at_us = at_us
            if not row.groupings.issuperset(signal.groupings):
                row.groupings = row.groupings.union(signal.groupings)
            self.fold(row.facts, signal)
        return row
