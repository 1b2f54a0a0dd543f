"""The log of hashes: tiles and signed heads, moved on in one transaction a batch.

Who appends moves the tracking first, from where it was seen: so two notaries never write at once, and the slower
one finds itself beaten.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from lrs.adapters.sql.database import Connection, Database, Row, marks
from lrs.adapters.sql.generations import generation_of, move_tracking
from lrs.domain.leaves import Entry
from lrs.domain.tiles import TileId
from lrs.ports import Generation
from lrs.ports.tree import LogState, SignedHead

# A document may be megabytes: those are fetched one by one, so that a batch never holds several.
_STATE_BYTES_MAX = 64 * 1024
_COLUMNS = "position, stored, originator_id, originator_version, topic"
_HEAD = "size, root, note, at"
# Of signed heads the newest of each hour is kept: a rewritten history is then narrowed down to an hour.
_KEPT_US = 3_600_000_000
_TRACKED = "notary"


class SqlTree:
    """One tenant's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self) -> LogState:
        """Where things stand now."""
        with self._database.read() as c:
            generation, began, position = c.execute("SELECT generation, began, position FROM head").fetchone()
            followed = generation_of(c, _TRACKED, 1).position
            row = c.execute(f"SELECT {_HEAD} FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        return LogState(generation, began, position, followed, SignedHead(*row) if row else None)

    def entries(self, after: int, upto: int) -> Iterator[Entry]:
        """Events in order, whole, after a position and up to another; in one snapshot, one at a time."""
        sql = (
            f"SELECT {_COLUMNS}, CASE WHEN length(state) > {_STATE_BYTES_MAX} THEN NULL ELSE state END FROM event"
            " WHERE position > ? AND position <= ? ORDER BY position"
        )
        with self._database.read() as c:
            for row in c.execute(sql, (after, upto)):
                yield Entry(*row) if row[5] is not None else _fetched(c, row)

    def position_after(self, position: int) -> int | None:
        """The position of the next event, if there is one; it is not read."""
        sql = "SELECT position FROM event WHERE position > ? ORDER BY position LIMIT 1"
        with self._database.read() as c:
            row = c.execute(sql, (position,)).fetchone()
        return None if row is None else int(row[0])

    def entries_of(self, stream: UUID, topic: str) -> list[Entry]:
        """A stream's events of one topic."""
        sql = (
            f"SELECT {_COLUMNS}, state FROM event WHERE originator_id = ? AND topic = ?"
            " ORDER BY originator_version"
        )
        with self._database.read() as c:
            return [Entry(*row) for row in c.execute(sql, (stream.bytes, topic)).fetchall()]

    def tiles(self, ids: Iterable[TileId]) -> dict[TileId, bytes]:
        """Those of these tiles that there are."""
        with self._database.read() as c:
            return _tiles(c, ids)

    def heads(self) -> list[SignedHead]:
        """Signed heads that are kept, the smallest first: one an hour, and the newest."""
        with self._database.read() as c:
            rows = c.execute(f"SELECT {_HEAD} FROM checkpoint ORDER BY size").fetchall()
        return [SignedHead(*row) for row in rows]

    def append(self, signed: SignedHead | None, tiles: Mapping[TileId, bytes], head: SignedHead) -> None:
        """Keep tiles and the head that follows ``signed``, in one transaction. RecordConflictError when another
        notary was faster; IntegrityError where a tile would lose what it holds."""
        with self._database.write() as c:
            move_tracking(c, Generation(_TRACKED, 1, signed.size if signed else 0), head.size)
            held = _tiles(c, tiles)
            if any(not tiles[one].startswith(hashes) for one, hashes in held.items()):
                raise IntegrityError("a tile holds other hashes than it would be added to")
            c.executemany(
                "INSERT INTO tile VALUES (?,?,?) ON CONFLICT (level, number) DO UPDATE"
                " SET hashes = excluded.hashes",
                [(*one, hashes) for one, hashes in tiles.items() if held.get(one) != hashes],
            )
            if signed is not None and signed.at_us // _KEPT_US == head.at_us // _KEPT_US:
                c.execute("DELETE FROM checkpoint WHERE size = ?", (signed.size,))
            c.execute("INSERT INTO checkpoint VALUES (?,?,?,?)", (head.size, head.root, head.note, head.at_us))

    def alarm(self, position: int, code: str) -> None:
        """Keep that something at a position is not as it was logged."""
        with self._database.write() as c:
            c.execute("INSERT INTO alarm VALUES (?,?) ON CONFLICT (position) DO NOTHING", (position, code))


def _fetched(c: Connection, row: Row) -> Entry:
    (state,) = c.execute("SELECT state FROM event WHERE position = ?", (row[0],)).fetchone()
    position, stored_us, stream, version, topic = row[:5]
    return Entry(position, stored_us, stream, version, topic, state)


def _tiles(c: Connection, ids: Iterable[TileId]) -> dict[TileId, bytes]:
    wanted = defaultdict[int, list[int]](list)
    for one in ids:
        wanted[one.level].append(one.number)
    return {
        TileId(level, row[0]): row[1]
        for level, numbers in wanted.items()
        for row in c.execute(
            f"SELECT number, hashes FROM tile WHERE level = ? AND number IN ({marks(numbers)})", (level, *numbers)
        ).fetchall()
    }
