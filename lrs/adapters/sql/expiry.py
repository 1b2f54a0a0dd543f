"""The index after keys that expired. Two rows of ``tracking`` say how far it has come, in sequences of the ledger:
``expiring`` up to which projectors know of it, ``expired`` up to which all followed."""

from collections.abc import Iterable, Sequence
from typing import Final

from eventsourcing.persistence import RecordConflictError

from lrs.adapters.sql.database import Connection, Database, marks, parts
from lrs.adapters.sql.index import delete_terms, insert_blobs, insert_statements
from lrs.adapters.sql.references import forget_targets, targets_changed
from lrs.adapters.sql.terms import unpack_terms
from lrs.ports import Expired

EXPIRING: Final = "expiring"
EXPIRED: Final = "expired"


class SqlExpiry:
    """One tenant's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def followed(self) -> int:
        """The ledger's sequence up to which everything here followed."""
        with self._database.read() as c:
            return sequence_of(c, EXPIRED)

    def learn(self, sequence: int) -> None:
        """Keys died up to this sequence: what was sealed under an older reading of the fence is not stored any
        more, and what was opened under one is not folded."""
        with self._database.write() as c:
            self._alone(c)
            c.execute(
                "UPDATE head SET"
                " erasure_sequence = CASE WHEN erasure_sequence < ? THEN ? ELSE erasure_sequence END",
                (sequence, sequence),
            )
            note_sequence(c, EXPIRING, sequence)

    def follow(self, sequence: int) -> None:
        """All that had to follow did."""
        with self._database.write() as c:
            note_sequence(c, EXPIRED, sequence)

    def _alone(self, c: Connection) -> None:
        """Neither projectors nor erasures are between us and our commit."""
        c.execute(f"SELECT one FROM gate{self._database.for_update}").fetchone()

    def objects(self, positions: Iterable[int]) -> dict[int, int | None]:
        """The terms of what these statements are about, of those that are in the index."""
        with self._database.read() as c:
            return {
                row[0]: row[1]
                for part in parts(list(positions))
                for row in c.execute(
                    f"SELECT position, object FROM statement WHERE position IN ({marks(part)})", part
                ).fetchall()
            }

    def replace(self, expired: Sequence[Expired], sequence: int) -> None:
        """The rows of these statements and exchanges go; what is left of them is there instead.
        RecordConflictError when the head knows of a destruction after this sequence: who owns what may be another
        thing since."""
        with self._database.write() as c:
            self._alone(c)
            # The head keeps appends out, too: a new referrer reads the rows of its targets.
            head = c.execute(f"SELECT erasure_sequence FROM head{self._database.for_update}").fetchone()
            if head[0] > sequence:
                raise RecordConflictError
            for part in parts(expired):
                _replace(c, part)


def _replace(c: Connection, expired: Sequence[Expired]) -> None:
    positions = [one.position for one in expired]
    there = c.execute(f"SELECT position, terms FROM statement WHERE position IN ({marks(positions)})", positions)
    found_by = [(term, row[0]) for row in there.fetchall() for term in unpack_terms(row[1])]
    found_by += [(term, one.position) for one in expired for term in one.terms]
    delete_terms(c, found_by)
    c.execute(f"DELETE FROM statement WHERE position IN ({marks(positions)})", positions)
    c.execute(
        "DELETE FROM blob WHERE statement IN"
        f" (SELECT originator_id FROM event WHERE position IN ({marks(positions)}))",
        positions,
    )
    insert_statements(c, [(one.position, one.left.row, one.left.terms) for one in expired if one.left])
    insert_blobs(c, [blob for one in expired for blob in one.blobs])
    forget_targets(c, [one.position for one in expired if one.left is None])
    targets_changed(c, [one.position for one in expired if one.left is not None])


def sequence_of(c: Connection, name: str) -> int:
    """How far it has come; 0: nothing expired yet."""
    row = c.execute("SELECT notification_id FROM tracking WHERE application_name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def note_sequence(c: Connection, name: str, sequence: int) -> None:
    """It has come so far, never back."""
    c.execute(
        "INSERT INTO tracking VALUES (?,?) ON CONFLICT (application_name) DO UPDATE"
        " SET notification_id = excluded.notification_id"
        " WHERE tracking.notification_id < excluded.notification_id",
        (name, sequence),
    )
