"""A log's rows in bulk: out of it for backups, into an empty one by a restore. Positions and times stay."""

from collections.abc import Iterator, Sequence
from typing import Final

from lrs.adapters.sql.database import Connection, Database
from lrs.domain.errors import StoreUnavailable
from lrs.ports.logs import EventRow, LogHead

# A question is answered in a time that the database allows, also where events are documents of ten megabytes.
_ROWS_READ: Final = 1_000
_BYTES_READ: Final = 16 * 1024 * 1024
_ROW: Final = "position, stored, originator_version, originator_id, topic, state"
_HEAD: Final = "generation, began, position, stored"


class SqlLog:
    """The port's ``EventLog``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> LogHead:
        """Where it stands."""
        return LogHead(*self._database.look(_HEAD, "head"))

    def rows(self, after: int, upto: int) -> Iterator[EventRow]:
        """The events between two positions, in order."""
        while after < upto:
            found = self._read(after, upto)
            if not found:
                return
            yield from found
            after = found[-1].position

    def _read(self, after: int, upto: int) -> list[EventRow]:
        with self._database.read() as c:
            sql = (
                "SELECT position, length(state) FROM event WHERE position > ? AND position <= ?"
                " ORDER BY position LIMIT ?"
            )
            last, size = after, 0
            for position, length in c.execute(sql, (after, upto, _ROWS_READ)).fetchall():
                if size and size + length > _BYTES_READ:
                    break
                last, size = position, size + length
            rows = c.execute(
                f"SELECT {_ROW} FROM event WHERE position > ? AND position <= ? ORDER BY position", (after, last)
            ).fetchall()
        return [EventRow(row[0], row[1], row[2], bytes(row[3]), row[4], bytes(row[5])) for row in rows]

    def fill(self, rows: Sequence[EventRow]) -> None:
        """Write events as they were, in one transaction that also moves the head to the last of them."""
        with self._database.write() as c:
            self._go_on(c, rows[0].position - 1)
            c.executemany("INSERT INTO event VALUES (?,?,?,?,?,?)", rows)
            c.execute("UPDATE head SET position = ?, stored = ?", (rows[-1].position, rows[-1].stored))

    def _go_on(self, c: Connection, position: int) -> LogHead:
        """The head, locked. StoreUnavailable where the log does not end at this position: somebody else writes."""
        head = LogHead(*c.execute(f"SELECT {_HEAD} FROM head{self._database.for_update}").fetchone())
        if head.position != position:
            raise StoreUnavailable("something else writes into the log that is being restored")
        return head

    def begin_generation(self, head: LogHead, first: EventRow) -> None:
        """The restored log goes on as a new generation, whose first event this is; again: nothing."""
        with self._database.write() as c:
            (generation,) = c.execute(f"SELECT generation FROM head{self._database.for_update}").fetchone()
            if generation == head.generation:
                return
            self._go_on(c, first.position - 1)
            c.execute("INSERT INTO event VALUES (?,?,?,?,?,?)", first)
            c.execute(
                "UPDATE head SET generation = ?, began = ?, position = ?, stored = ?",
                (head.generation, head.began, first.position, first.stored),
            )
