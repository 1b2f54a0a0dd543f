"""The query of a page: which index drives it, what is asked of each candidate, between which positions.

The condition that narrows most drives, in this order: people, registration, object, the activity anywhere, the
sender, the verb, none. Its index is walked by position, so that a page costs what it holds, however much there is.
Where there are references, a condition is also met by what a statement inherits from its target.
"""

from dataclasses import dataclass
from typing import Any

from lrs.adapters.sql.database import Connection, marks
from lrs.ports import Selection

Sql = tuple[str, list[Any]]

_LAST = 2**62
# Positions are gapless and ``stored`` rises with them: a bisection needs no index of its own.
_POSITION_AT = (
    "WITH RECURSIVE bisection (low, high) AS ("
    " SELECT CAST(0 AS BIGINT), (SELECT position FROM head)"
    " UNION ALL SELECT"
    " CASE WHEN (SELECT stored FROM event WHERE position = (low + high + 1) / 2) <= ?"
    " THEN (low + high + 1) / 2 ELSE low END,"
    " CASE WHEN (SELECT stored FROM event WHERE position = (low + high + 1) / 2) <= ?"
    " THEN high ELSE (low + high + 1) / 2 - 1 END"
    " FROM bisection WHERE low < high)"
    " SELECT low FROM bisection WHERE low = high"
)


@dataclass(frozen=True, slots=True)
class _Driver:
    """An index that is walked: its tables, the column that gives the position, and the term it stands at."""

    tables: str
    at: str
    condition: str = ""
    term: int | bytes | None = None


def bounds(c: Connection, selection: Selection) -> tuple[int, int]:
    """since and until as positions: exclusive below, inclusive above (xAPI 1.0.3 Communication 2.1.3)."""
    low = 0 if selection.since_us is None else _position_at(c, selection.since_us)
    high = _LAST if selection.until_us is None else _position_at(c, selection.until_us)
    if selection.after is not None and selection.ascending:
        low = max(low, selection.after)
    elif selection.after is not None:
        high = min(high, selection.after - 1)
    return low, high


def _position_at(c: Connection, stored_us: int) -> int:
    """The last position that was stored until then; 0: none."""
    return int(c.execute(_POSITION_AT, (stored_us, stored_us)).fetchone()[0])


def page_query(columns: str, selection: Selection, low: int, high: int, *, linked: bool = False) -> Sql:
    """The page in order and one row more, which tells whether there is another page."""
    order = "ASC" if selection.ascending else "DESC"
    limit = selection.limit + 1
    drivers, asked = _drivers(selection, linked=linked)
    conditions = "".join(f" AND {sql}" for sql, _ in asked)
    branches = [
        f"FROM {one.tables} CROSS JOIN event e WHERE {one.condition}{one.at} > ? AND {one.at} <= ?"
        # PostgreSQL may turn the join round, and would then walk the log from its end.
        f" AND e.position = {one.at} AND e.position > ? AND e.position <= ?{conditions}"
        " AND NOT EXISTS (SELECT 1 FROM voided v WHERE v.target = e.originator_id)"
        f" ORDER BY {one.at} {order} LIMIT ?"
        for one in drivers
    ]
    tail = [low, high, low, high, *(value for _, values in asked for value in values), limit]
    values = [value for one in drivers for value in ([one.term, *tail] if one.condition else tail)]
    if len(branches) == 1:
        return f"SELECT {columns} {branches[0]}", values
    # Each branch is cut at the limit by itself; a statement found by two of them is one statement.
    union = " UNION ".join(
        f"SELECT position FROM (SELECT {one.at} AS position {branch}) AS b"
        for one, branch in zip(drivers, branches, strict=True)
    )
    sql = (
        f"SELECT {columns} FROM (SELECT position FROM ({union}) AS u ORDER BY position {order} LIMIT ?) AS p"
        f" CROSS JOIN event e WHERE e.position = p.position ORDER BY p.position {order}"
    )
    return sql, [*values, limit]


def _drivers(wanted: Selection, *, linked: bool) -> tuple[list[_Driver], list[Sql]]:
    """The indexes to walk (a statement that any of them finds is a candidate), and what is asked beyond."""
    conditions = _conditions(wanted, linked=linked)
    if not conditions:
        return [_Driver("statement s", "s.position")], []
    first, *asked = conditions
    return first[0], [condition for _, condition in asked]


_Condition = tuple[list[_Driver], Sql]  # as what could drive, and as what is asked of a candidate


def _conditions(wanted: Selection, *, linked: bool) -> list[_Condition]:
    """Each condition, the narrowest first."""

    def met(terms: tuple[int, ...], own: _Condition) -> _Condition:
        return _or_inherited(terms, own) if linked else own

    found: list[_Condition] = []
    people = wanted.people if wanted.owner is None else (wanted.owner, *wanted.people)
    if people or wanted.authority is not None:
        found.append(met(people, _people(wanted)))
    if wanted.registration is not None:
        found.append(met((wanted.registration,), _by_column("registration", wanted.registration)))
    if wanted.object is not None:
        found.append(met((wanted.object,), _by_column("object", wanted.object)))
    if wanted.anywhere is not None:
        found.append(met(wanted.anywhere, _anywhere(*wanted.anywhere)))
    if wanted.sender is not None:
        found.append(([_by_term(wanted.sender)], _carries((wanted.sender,))))
    if wanted.verb is not None:
        found.append(met((wanted.verb,), _by_column("verb", wanted.verb)))
    return found


def _people(wanted: Selection) -> _Condition:
    """The alternatives are one condition."""
    found = [_by_column("owner", wanted.owner)] if wanted.owner is not None else []
    found += [([_by_term(term)], _carries((term,))) for term in wanted.people]
    if wanted.authority is not None:
        # Where the credential stands in the bytes of both statement topics; it has no index, for whoever asks for
        # an authority asks for one that sent much.
        sent = "substr(e.state, 3, 16) = ?"
        driver = _Driver("statement s", "s.position", f"{sent} AND ", wanted.authority.bytes)
        found.append(([driver], (sent, [wanted.authority.bytes])))
    drivers = [one for alternative, _ in found for one in alternative]
    asked = [condition for _, condition in found]
    values = [value for _, some in asked for value in some]
    return drivers, (f"({' OR '.join(sql for sql, _ in asked)})", values)


def _anywhere(as_object: int, elsewhere: int) -> _Condition:
    drivers, (is_object, values) = _by_column("object", as_object)
    carried, terms = _carries((elsewhere,))
    return [*drivers, _by_term(elsewhere)], (f"({is_object} OR {carried})", [*values, *terms])


def _or_inherited(terms: tuple[int, ...], own: _Condition) -> _Condition:
    """The condition, or that the statement's target meets it."""
    drivers, (sql, values) = own
    below = f"EXISTS (SELECT 1 FROM inherited y WHERE y.term IN ({marks(terms)}) AND y.position = s.position)"
    return [*drivers, *map(_by_inherited, terms)], (f"({sql} OR {below})", [*values, *terms])


def _by_column(column: str, term: int) -> _Condition:
    return [_Driver("statement s", "s.position", f"s.{column} = ? AND ", term)], (f"s.{column} = ?", [term])


def _by_term(term: int) -> _Driver:
    # CROSS JOIN keeps SQLite from choosing another driver than the term.
    return _Driver(
        "term t CROSS JOIN statement s", "t.position", "t.term = ? AND s.position = t.position AND ", term
    )


def _by_inherited(term: int) -> _Driver:
    return _Driver(
        "inherited i CROSS JOIN statement s", "i.position", "i.term = ? AND s.position = i.position AND ", term
    )


def _carries(terms: tuple[int, ...]) -> Sql:
    sql = f"EXISTS (SELECT 1 FROM term x WHERE x.term IN ({marks(terms)}) AND x.position = s.position)"
    return sql, list(terms)
