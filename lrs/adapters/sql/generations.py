"""Generations of a view: which one is live, how far each has come, whether two are the same, and dropping one.

A rebuild fills a new generation beside the live one; making it live is one row. Tracking is the library's, one
name a generation (``learning@3``), moved in the transaction that writes the rows: what is not tracked is at work
nowhere. Comparing and dropping go by stretches, so that a view of any size takes a bounded time at once.
"""

from collections.abc import Iterator
from typing import Any

from eventsourcing.persistence import RecordConflictError

from lrs.adapters.sql.database import Connection
from lrs.ports import Generation

COLUMNS = "activity, registration, subject, first_at, last_at, groupings, facts"
KEY = "(activity, registration, subject)"
# A tenth of a second at most: ingest and projections wait for those that are dropped.
_ROWS_COMPARED = 20_000
_ROWS_DROPPED = 2_000
Asked = tuple[str, list[Any]]  # conditions, and their values


def live_of(c: Connection, view: str) -> Generation:
    """The generation that answers; number 1 where none was ever swapped in."""
    row = c.execute("SELECT generation FROM view WHERE name = ?", (view,)).fetchone()
    return generation_of(c, view, row[0] if row else 1)


def generation_of(c: Connection, view: str, number: int) -> Generation:
    """How far a generation has come; position 0 where it is not tracked."""
    sql = "SELECT notification_id FROM tracking WHERE application_name = ?"
    row = c.execute(sql, (_tracked(view, number),)).fetchone()
    return Generation(view, number, row[0] if row else 0)


def _tracked(view: str, number: int) -> str:
    return f"{view}@{number}"


def move_tracking(c: Connection, of: Generation, end: int) -> None:
    """On from where the caller saw it to ``end``, or not at all: another runner waits here, and then sees itself
    beaten."""
    if end <= of.position:
        raise RecordConflictError
    name = _tracked(of.view, of.number)
    moved = c.execute(
        "UPDATE tracking SET notification_id = ? WHERE application_name = ? AND notification_id = ?",
        (end, name, of.position),
    ).rowcount
    if moved == 0 and of.position == 0:
        moved = c.execute(
            "INSERT INTO tracking VALUES (?,?) ON CONFLICT (application_name) DO NOTHING", (name, end)
        ).rowcount
    if moved == 0:
        raise RecordConflictError


def stretches(c: Connection, of: Generation) -> Iterator[Asked]:
    """Conditions that part all possible keys into stretches of so many rows of a generation: what is asked of each
    ends in a time that the database allows."""
    after: Asked = ("", [])
    while last := _key_at(c, of, _ROWS_COMPARED, after):
        upto = (f" AND {KEY} <= (?, ?, ?)", last)
        yield after[0] + upto[0], [*after[1], *upto[1]]
        after = (f" AND {KEY} > (?, ?, ?)", last)
    yield after


def _key_at(c: Connection, of: Generation, number: int, among: Asked) -> list[Any] | None:
    row = c.execute(
        f"SELECT activity, registration, subject FROM view_row WHERE view = ? AND generation = ?{among[0]}"
        " ORDER BY activity, registration, subject LIMIT 1 OFFSET ?",
        (of.view, of.number, *among[1], number - 1),
    ).fetchone()
    return None if row is None else list(row)


def same_between(c: Connection, one: Generation, other: Generation, among: Asked) -> bool:
    """Whether two generations hold the same rows in a stretch."""
    counts = [_count(c, one, among), _count(c, other, among)]
    (equal,) = c.execute(
        f"SELECT count(*) FROM view_row a JOIN view_row b USING (view, {COLUMNS})"
        f" WHERE view = ? AND a.generation = ? AND b.generation = ?{among[0]}",
        (one.view, one.number, other.number, *among[1]),
    ).fetchone()
    return counts == [equal] * 2


def _count(c: Connection, of: Generation, among: Asked) -> int:
    sql = f"SELECT count(*) FROM view_row WHERE view = ? AND generation = ?{among[0]}"
    return int(c.execute(sql, (of.view, of.number, *among[1])).fetchone()[0])


def drop_some(c: Connection, view: str) -> bool:
    """Drop some rows of a generation that nobody reads or writes; False when there are none."""
    dead = _dead(c, view)
    if dead is None:
        return False
    last = _key_at(c, dead, _ROWS_DROPPED, ("", []))
    upto: Asked = ("", []) if last is None else (f" AND {KEY} <= (?, ?, ?)", last)
    c.execute(f"DELETE FROM view_row WHERE view = ? AND generation = ?{upto[0]}", (view, dead.number, *upto[1]))
    return True


def _dead(c: Connection, view: str) -> Generation | None:
    """A generation that has rows, is not live and is not tracked: whoever writes rows tracks them."""
    live = live_of(c, view)
    for order in ("ASC", "DESC"):  # at most one is beyond the live one
        sql = f"SELECT generation FROM view_row WHERE view = ? ORDER BY generation {order} LIMIT 1"
        row = c.execute(sql, (view,)).fetchone()
        if row is not None and row[0] != live.number and generation_of(c, view, row[0]).position == 0:
            return Generation(view, row[0], 0)
    return None


def forget_tracking(c: Connection, of: Generation) -> None:
    """Nobody is at work on this generation any more; who is finds out."""
    c.execute("DELETE FROM tracking WHERE application_name = ?", (_tracked(of.view, of.number),))
