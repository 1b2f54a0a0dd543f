"""What a view is: a name and a fold. Its rows are keyed by subject, activity and registration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lrs.domain.signals import Signal
from lrs.ports import ViewKey, ViewRow

Fold = Callable[[dict[str, Any] | None, Signal], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class View:
    """A registered view. The name is stored with its rows and its tracking."""

    name: str
    fold: Fold

    def folded(self, key: ViewKey, row: ViewRow | None, signal: Signal) -> ViewRow:
        """The row with one signal more."""
        if row is None:
            facts = self.fold(None, signal)
            return ViewRow(key, signal.at_us, signal.at_us, tuple(sorted(set(signal.groupings))), facts)
        row.facts = self.fold(row.facts, signal)
        row.first_at_us = min(row.first_at_us, signal.at_us)
        row.last_at_us = max(row.last_at_us, signal.at_us)
        if not set(signal.groupings) <= set(row.groupings):
            row.groupings = tuple(sorted({*row.groupings, *signal.groupings}))
        return row
