"""THE ONLY STATEMENT THAT CHANGES AN EVENT. It is for compaction alone: the service's role on PostgreSQL may not
say it, and its connections to SQLite refuse it. A test reads the source and finds no other.
"""

from collections.abc import Sequence

from lrs.adapters.sql.database import Connection
from lrs.domain.errors import LogConflict
from lrs.ports import Replacement


def replace_states(c: Connection, replacements: Sequence[Replacement]) -> None:
    """Replace states of events, in the caller's transaction. LogConflict where one is not what it was."""
    for one in replacements:
        changed = c.execute(
            "UPDATE event SET state = ? WHERE position = ? AND state = ?", (one.after, one.position, one.before)
        ).rowcount
        if changed != 1:
            raise LogConflict("an event changed while it was compacted", one.position)
    gone = [(row.name, row.statement.bytes) for one in replacements for row in one.blobs]
    c.executemany("DELETE FROM blob WHERE name = ? AND statement = ?", gone)
