"""Writing the statement index: what a statement is found by, in the transaction that stores it.

A statement has a first owner, one verb, at most one object and one registration: they are columns. Other people
and other activities are many: they are rows of ``term``. What was indexed is kept with the statement, so that it
can be taken out.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from lrs.adapters.sql.database import Connection, marks, parts
from lrs.adapters.sql.references import NONE, WAITING, insert_references
from lrs.adapters.sql.terms import pack_terms
from lrs.ports import AgentRow, BlobRow, IndexRow

# The casts tell PostgreSQL the type of a column in which no row of a batch has a value.
_INSERT_STATEMENT = f"INSERT INTO statement VALUES (?,{','.join(['CAST(? AS BIGINT)'] * 4)},?,?)"


def insert_index(
    c: Connection,
    positions: Sequence[int],
    events: Sequence[StoredEvent],
    index: Sequence[IndexRow | None],
    linked: int = NONE,
) -> None:
    """Index rows of statements and exchanges, and what voiding statements void. ``linked`` is what the head says
    of references."""
    indexed = [(at, one, row) for at, one, row in zip(positions, events, index, strict=True) if row]
    insert_statements(c, [(at, row, row.terms) for at, _, row in indexed])
    for _, one, row in indexed:
        if row.voids is not None:
            insert_voided(c, _stream(one), row.voids.bytes)

    referring = {at: row.refers.bytes for at, _, row in indexed if row.refers is not None}
    if referring or linked == WAITING:
        insert_references(c, referring, [_stream(one) for _, one, row in indexed if row.owners], linked)


def _stream(one: StoredEvent) -> bytes:
    assert isinstance(one.originator_id, UUID)
    return one.originator_id.bytes


def insert_statements(c: Connection, rows: Sequence[tuple[int, IndexRow, Sequence[int]]]) -> None:
    """The rows of statements and exchanges at these positions, each with the terms that it is looked up by."""
    c.executemany(
        _INSERT_STATEMENT,
        [
            (at, row.owner, row.verb, row.object, row.registration, row.owners, pack_terms(row.terms))
            for at, row, _ in rows
            if row.owners
        ],
    )
    c.executemany("INSERT INTO term VALUES (?,?)", [(term, at) for at, _, terms in rows for term in terms])


def delete_terms(c: Connection, rows: Iterable[tuple[int, int]]) -> None:
    """Rows of ``term``, as (term, position). Term by term, for a person's statements have few between them: one by
    one, PostgreSQL took 65 s for a hundred thousand statements, with appends locked out."""
    positions: dict[int, list[int]] = {}
    for term, position in rows:
        positions.setdefault(term, []).append(position)
    for term, at in positions.items():
        for part in parts(at):
            c.execute(f"DELETE FROM term WHERE term = ? AND position IN ({marks(part)})", (term, *part))


def insert_voided(c: Connection, voiding: bytes, target: bytes) -> None:
    """That one statement voids another."""
    # xAPI 1.0.3 Data 2.3.2: a voiding statement can not be voided, whichever of the two came first.
    voids_voiding = c.execute("SELECT 1 FROM voided WHERE voiding = ?", (target,)).fetchone() is not None
    c.execute("INSERT INTO voided VALUES (?,?)", (voiding, None if voids_voiding else target))
    c.execute("UPDATE voided SET target = NULL WHERE target = ?", (voiding,))


def insert_agents(c: Connection, agents: Sequence[AgentRow]) -> None:
    """Where exact agent objects are sealed."""
    c.executemany("INSERT INTO agent VALUES (?,?,?)", [(a.subject.bytes, a.digest, a.number) for a in agents])


def insert_blobs(c: Connection, blobs: Sequence[BlobRow]) -> None:
    """Which blobs are named, and by which statement."""
    c.executemany("INSERT INTO blob VALUES (?,?)", [(one.name, one.statement.bytes) for one in blobs])
