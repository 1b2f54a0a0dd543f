"""Statements that refer to others: what a target is found by, its referrers are found by too (xAPI 1.0.3
Communication 2.1.3, "Filter Conditions for StatementRefs"), through chains, whichever of them came first.

A referrer's row of ``reference`` names its target; the terms of all statements down its chain are its rows of
``inherited``. They follow from the index alone and are worked out again where a chain changes: when a referrer is
stored, when a target comes after its referrer, when a target leaves the index with its owner.

What it costs who has no references is nothing: the head row, which every append and every page read anyway, says
whether there are any, and whether one still waits for its target.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from lrs.adapters.sql.database import Connection, marks, parts
from lrs.adapters.sql.terms import unpack_terms

# In head.linked.
NONE, ALL_FOUND, WAITING = 0, 1, 2
# Longer chains, and more referrers to a target that came after them, are followed so far.
CHAIN_MAX: Final = 8
REFERRERS_MAX: Final = 1_000
# A statement may name a thousand people; a short one that refers to it must not take more than this with it.
TERMS_MAX: Final = 1_000

_TARGETS = (
    "SELECT e.originator_id, e.position, s.owner, s.verb, s.object, s.registration, s.terms, r.target FROM event e"
    " LEFT JOIN statement s ON s.position = e.position LEFT JOIN reference r ON r.position = e.position"
    " WHERE e.originator_version = 1 AND e.originator_id IN ({})"
)


def insert_references(c: Connection, referring: dict[int, bytes], new: Sequence[bytes], linked: int) -> None:
    """What new statements refer to (position, target), and who waited for one of them. ``linked`` is what the head
    says, which the caller has locked."""
    c.executemany("INSERT INTO reference VALUES (?,?)", list(referring.items()))
    waited = _referrers(c, new, REFERRERS_MAX) if linked == WAITING else []
    found_all = refresh(c, [*referring, *(one for one in waited if one not in referring)])
    now = ALL_FOUND if found_all else WAITING
    if now > linked:
        c.execute("UPDATE head SET linked = ?", (now,))


def forget_targets(c: Connection, gone: Sequence[int]) -> None:
    """Statements at these positions have left the index: nobody is found by them any more."""
    for part in parts(gone):
        for table in ("reference", "inherited"):
            c.execute(f"DELETE FROM {table} WHERE position IN ({marks(part)})", part)
    targets_changed(c, gone)


def targets_changed(c: Connection, positions: Sequence[int]) -> None:
    """Statements at these positions are found by other terms now: so is whoever refers to them."""
    ids: list[bytes] = []
    for part in parts(positions):
        found = c.execute(f"SELECT originator_id FROM event WHERE position IN ({marks(part)})", part).fetchall()
        ids += [bytes(row[0]) for row in found]
    refresh(c, _referrers(c, ids, None))


def refresh(c: Connection, positions: Sequence[int]) -> bool:
    """Work out again what these referrers are found by; whether every target was there."""
    terms, found_all = _chains(c, positions)
    for part in parts(positions):
        c.execute(f"DELETE FROM inherited WHERE position IN ({marks(part)})", part)
    rows = [(term, position) for position, found in terms.items() for term in list(found)[:TERMS_MAX]]
    c.executemany("INSERT INTO inherited VALUES (?,?)", rows)
    return found_all


def _referrers(c: Connection, targets: Sequence[bytes], limit: int | None) -> list[int]:
    """Whoever refers to these, and to those, and so on."""
    found: dict[int, None] = {}
    asked: Sequence[bytes] = targets
    for _ in range(CHAIN_MAX):
        above: list[bytes] = []
        for part in parts(asked):
            rows = c.execute(
                "SELECT r.position, e.originator_id FROM reference r JOIN event e ON e.position = r.position"
                f" WHERE r.target IN ({marks(part)})",
                part,
            ).fetchall()
            above += [bytes(row[1]) for row in rows if row[0] not in found]
            found |= dict.fromkeys(row[0] for row in rows)
        if not above or (limit is not None and len(found) >= limit):
            break
        asked = above
    return list(found)[:limit]


def _chains(c: Connection, positions: Sequence[int]) -> tuple[dict[int, dict[int, None]], bool]:
    """The terms down each referrer's chain, a level at a time for all of them; whether no target is missing."""
    terms: dict[int, dict[int, None]] = {position: {} for position in positions}
    seen: dict[int, set[bytes]] = {position: set() for position in positions}
    following: dict[int, bytes] = {}
    for part in parts(positions):
        sql = f"SELECT position, target FROM reference WHERE position IN ({marks(part)})"
        following |= {row[0]: bytes(row[1]) for row in c.execute(sql, part).fetchall()}
    found_all = True
    for _ in range(CHAIN_MAX):
        if not following:
            break
        targets = _targets(c, set(following.values()))
        found_all = found_all and targets.keys() >= set(following.values())
        below: dict[int, bytes] = {}
        for position, target in following.items():
            if target in seen[position] or target not in targets:
                continue  # a circle, or not there yet
            seen[position].add(target)
            carried, beyond = targets[target]
            terms[position] |= dict.fromkeys(carried)
            if beyond is not None:
                below[position] = beyond
        following = below
    return terms, found_all


def _targets(c: Connection, ids: Iterable[bytes]) -> dict[bytes, tuple[tuple[int, ...], bytes | None]]:
    """What each statement that is there is found by, and what it refers to; nothing once it left the index."""
    found: dict[bytes, tuple[tuple[int, ...], bytes | None]] = {}
    some_erased = c.execute("SELECT 1 FROM tombstone LIMIT 1").fetchone() is not None
    for part in parts(list(ids)):
        for row in c.execute(_TARGETS.format(marks(part)), part).fetchall():
            stream, position, *columns, packed, refers = row
            terms = () if packed is None else unpack_terms(packed)
            if some_erased:
                terms = _looked_up(c, position, terms)
            single = tuple(one for one in columns if one is not None)
            found[bytes(stream)] = (single + terms, None if refers is None else bytes(refers))
    return found


def _looked_up(c: Connection, position: int, terms: tuple[int, ...]) -> tuple[int, ...]:
    """Those that the statement is still found by: whoever was erased stays among its packed terms, but must not
    come back with what refers to it later."""
    living = {
        row[0]
        for part in parts(terms)
        for row in c.execute(
            f"SELECT term FROM term WHERE position = ? AND term IN ({marks(part)})", (position, *part)
        ).fetchall()
    }
    return tuple([term for term in terms if term in living])
