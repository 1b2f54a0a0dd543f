"""Filling a tenant's tables from its log: a stretch of it a transaction, with the place up to which it was filled.

The place is a row of ``tracking``, there from the beginning of a reindexing to its end: whoever finds none begins,
and empties the tables first.
"""

from collections.abc import Callable, Iterable
from typing import Final

from eventsourcing.persistence import RecordConflictError

from lrs.adapters.sql import expiry
from lrs.adapters.sql.database import Connection, Database
from lrs.adapters.sql.documents import insert_document_rows
from lrs.adapters.sql.index import insert_agents, insert_blobs, insert_statements, insert_voided
from lrs.adapters.sql.references import ALL_FOUND, NONE, WAITING, refresh
from lrs.adapters.sql.requests import insert_requests
from lrs.domain.sealing import ERASED, EXPIRED, Destroyed
from lrs.ports import Stretch

INDEX: Final = "index"
# What is filled, and by what a row is told from others.
_KEYS: Final = {
    "statement": "position",
    "term": "term, position",
    "reference": "position",
    "inherited": "term, position",
    "blob": "name, statement",
    "voided": "voiding",
    "agent": "subject, digest",
    "document": "place",
    "request": "id",
    "tombstone": "subject",
    "alarm": "position",
}
# A transaction's worth: a second at most.
_ROWS_DROPPED = 20_000
_REFERRERS_LINKED = 500


class SqlFilling:
    """Fills one tenant's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, destroyed: Iterable[Destroyed]) -> int:
        """The position after which to go on; 0, where everything was emptied first. The tombstones of whom the
        ledger names stand from here on, and the head is where the log ends."""
        with self._database.read() as c:
            begun = _place(c)
        if begun is None:
            self._empty()
        with self._database.write() as c:
            c.execute(f"SELECT one FROM gate{self._database.for_update}").fetchone()
            noted = list(destroyed)
            _note(c, noted)
            if begun is None:
                # Of what was begun before, rows may be there that did not follow: the next expiry sees to them.
                _note_expired(c, noted)
                c.execute("INSERT INTO tracking VALUES (?,?)", (INDEX, 0))
        return begun or 0

    def _empty(self) -> None:
        for table, key in _KEYS.items():
            left = True
            while left:
                with self._database.write() as c:
                    sql = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} LIMIT ?)"
                    left = c.execute(sql, (_ROWS_DROPPED,)).rowcount == _ROWS_DROPPED

    def write(self, after: int, stretch: Stretch) -> None:
        """The rows of the events after a position. RecordConflictError when somebody else went on from there."""
        with self._database.write() as c:
            _move(c, after, stretch.end)
            insert_statements(c, [(one.position, one.row, one.terms) for one in stretch.indexed])
            referring = [
                (one.position, one.row.refers.bytes) for one in stretch.indexed if one.row.refers is not None
            ]
            c.executemany("INSERT INTO reference VALUES (?,?)", referring)
            for voiding, target in stretch.voids:
                insert_voided(c, voiding.bytes, target.bytes)
            insert_blobs(c, stretch.blobs)
            insert_agents(c, stretch.agents)
            insert_document_rows(c, stretch.documents)
            insert_requests(c, stretch.requests)
            c.executemany(
                "INSERT INTO alarm VALUES (?,?) ON CONFLICT (position) DO NOTHING",
                [(position, "event-corrupt") for position in stretch.corrupt],
            )

    def finish(self, progress: Callable[[], None]) -> None:
        """What follows from all rows together: what statements are found by because of what they refer to. After
        this the next ``begin`` starts afresh. ``progress`` is told now and then that it goes on."""
        linked, after = NONE, 0
        while True:
            with self._database.write() as c:
                sql = "SELECT position FROM reference WHERE position > ? ORDER BY position LIMIT ?"
                positions = [row[0] for row in c.execute(sql, (after, _REFERRERS_LINKED)).fetchall()]
                if not positions:
                    c.execute("UPDATE head SET linked = ?", (linked,))
                    c.execute("DELETE FROM tracking WHERE application_name = ?", (INDEX,))
                    return
                linked = max(linked, ALL_FOUND if refresh(c, positions) else WAITING)
                after = positions[-1]
            progress()


def _place(c: Connection) -> int | None:
    row = c.execute("SELECT notification_id FROM tracking WHERE application_name = ?", (INDEX,)).fetchone()
    return None if row is None else int(row[0])


def _move(c: Connection, after: int, end: int) -> None:
    moved = c.execute(
        "UPDATE tracking SET notification_id = ? WHERE application_name = ? AND notification_id = ?",
        (end, INDEX, after),
    ).rowcount
    if moved == 0:
        raise RecordConflictError


def _note(c: Connection, destroyed: Iterable[Destroyed]) -> None:
    """Who is erased, how far destructions have come, and where the log ends."""
    sequence = 0
    for one in destroyed:
        sequence = max(sequence, one.sequence)
        if one.reason == ERASED:
            c.execute(
                "INSERT INTO tombstone VALUES (?,?) ON CONFLICT (subject) DO NOTHING",
                (one.subject.bytes, one.sequence),
            )
    c.execute(
        "UPDATE head SET erasure_sequence = CASE WHEN erasure_sequence < ? THEN ? ELSE erasure_sequence END",
        (sequence, sequence),
    )
    settle_head(c)


def _note_expired(c: Connection, destroyed: Iterable[Destroyed]) -> None:
    """What is filled from now on has followed every expiry."""
    for one in destroyed:
        if one.reason == EXPIRED:
            for name in (expiry.EXPIRING, expiry.EXPIRED):
                expiry.note_sequence(c, name, one.sequence)


def settle_head(c: Connection) -> None:
    """The head is at the last event, or beyond it in time."""
    last = c.execute("SELECT position, stored FROM event ORDER BY position DESC LIMIT 1").fetchone()
    if last is not None:
        position, stored = last
        c.execute(
            "UPDATE head SET position = ?, stored = CASE WHEN stored < ? THEN ? ELSE stored END",
            (position, stored, stored),
        )
