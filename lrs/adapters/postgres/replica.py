"""Reading from a stand-by, while one answers.

What it shows is older than the primary, by as much as its own head says; keys are never read here. Writes and, for
a while after it failed, reads too go to the primary.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any

from eventsourcing.persistence import PersistenceError

from lrs.adapters.postgres.database import Connection, Database

_PAUSE_SECONDS = 10.0


class Replicated:
    """Reads of one schema from a stand-by, writes to the primary."""

    for_update = Database.for_update
    for_share = Database.for_share
    holds = Database.holds
    is_near = False

    def __init__(self, replica: Database, primary: Database) -> None:
        self._replica = replica
        self._primary = primary
        self._failed = -_PAUSE_SECONDS
        self._has_heard = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot to read from."""
        with ExitStack() as stack:
            yield self._snapshot(stack)

    def _snapshot(self, stack: ExitStack) -> Connection:
        if monotonic() - self._failed >= _PAUSE_SECONDS:
            try:
                if (
                    not self._has_heard
                ):  # a snapshot without the schema would begin, and fail at the first question
                    self._replica.look("position", "head")
                    self._has_heard = True
                return stack.enter_context(self._replica.read())
            except PersistenceError:
                self._failed = monotonic()
        return stack.enter_context(self._primary.read())

    def write(self) -> Any:
        """One transaction on the primary."""
        return self._primary.write()

    def look(self, columns: str, table: str) -> Any:
        """The one row of a table, read now."""
        if monotonic() - self._failed >= _PAUSE_SECONDS:
            try:
                return self._replica.look(columns, table)
            except PersistenceError:
                self._failed = monotonic()
        return self._primary.look(columns, table)

    def checkpoint(self) -> None:
        """Nothing to be done on demand."""

    def close(self) -> None:
        """Nothing: the pools belong to all."""
