"""How the databases go about a page: by the index that we choose, whatever they know of the rows, sorting nothing
but what is merged, and at a cost that does not grow with the log."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from lrs.adapters.postgres.database import Connection
from lrs.adapters.sql.selecting import page_query
from lrs.adapters.sql.statements import _COLUMNS
from lrs.adapters.sql.store import SqlTenantStore
from lrs.bootstrap import build
from lrs.config import Settings
from lrs.domain.agents import Identifier
from lrs.domain.sealing import Category, Place, Plain
from lrs.ports import IndexRow, Selection, TenantStore
from tests.contract.conftest import (
    TENANT,
    Backend,
    PostgresBackend,
    an_event,
    append,
    on_sqlite,
)
from tests.places import vault_rows
from tests.postgres import Databases

ONE, TWO, THREE, FOUR = 1, 2, -3, 2**63 - 1
COMMON, RARE = 1, 2  # of the skewed tenant: on half of its statements, on 20 of them
FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "owner": {"owner": RARE},
    "person": {"people": (RARE,)},
    "people": {"people": (RARE, COMMON, 3)},
    "registration": {"registration": RARE},
    "object": {"object": RARE},
    "anywhere": {"anywhere": (RARE, RARE)},
    "verb": {"verb": RARE},
}
# What drives alone, and before which others it does, in pairs.
DRIVER = {
    "all": "statement_pkey",
    "owner": "statement_owner",
    "person": "term_pkey",
    "people": "term_pkey",
    "registration": "statement_registration",
    "object": "statement_object",
    "anywhere": "statement_object",  # and term_pkey, for the other half
    "verb": "statement_verb",
}
ORDER = ("owner", "person", "people", "registration", "object", "anywhere", "verb")
PAIRS = [pair for pair in combinations(ORDER, 2) if not set(pair) <= {"owner", "person", "people"}]
SHAPES = [(name,) for name in FILTERS] + PAIRS


def selection_of(names: tuple[str, ...], *, common: bool = False, **more: Any) -> Selection:
    """These filters together, on rare values or on those of half the log."""
    asked = {key: value for name in names for key, value in FILTERS[name].items()}
    if common:
        asked = {key: _common(value) for key, value in asked.items()}
    return Selection(**asked, **more)


def _common(value: Any) -> Any:
    return tuple(COMMON if one == RARE else one for one in value) if isinstance(value, tuple) else COMMON


# --- SQLite --------------------------------------------------------------------------------------------------


def full_row() -> IndexRow:
    """A statement that every filter finds."""
    return IndexRow((COMMON, RARE, 3), 1, None, RARE, RARE, RARE, RARE)


def sqlite_plan(backend: Backend, selection: Selection) -> list[str]:
    """The lines of the plan."""
    sql, values = page_query(_COLUMNS, selection, 0, 2**62)
    return [str(row[3]) for row in backend.rows(TENANT, f"EXPLAIN QUERY PLAN {sql}", values)]


SQLITE_DRIVER = {
    "statement_pkey": "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "term_pkey": "SEARCH t USING PRIMARY KEY (term=? AND position>? AND position<?)",
} | {
    f"statement_{column}": f"SEARCH s USING INDEX statement_{column} ({column}=? AND rowid>? AND rowid<?)"
    for column in ("owner", "registration", "object", "verb")
}


def _driver(line: str) -> str:
    return line.replace("COVERING ", "")


@on_sqlite
@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("names", SHAPES, ids="+".join)
def test_sqlite_walks_the_index_that_we_choose(
    store: TenantStore, backend: Backend, names: tuple[str, ...], ascending: bool
) -> None:
    append(store, *[full_row()] * 50)
    plan = sqlite_plan(backend, selection_of(names, ascending=ascending))
    searches = [_driver(line) for line in plan if line.startswith(("SEARCH", "SCAN"))]
    assert next(line for line in searches if line.startswith("SEARCH")) == SQLITE_DRIVER[DRIVER[names[0]]]
    assert "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "SEARCH v USING COVERING INDEX voided_target (target=?)" in plan
    # The only things ever gone through are the pages of the alternatives, and the one they are merged into.
    scanned = [line.split()[1] for line in searches if line.startswith("SCAN")]
    assert {name for name in scanned if not name.startswith("(subquery")} <= {"b", "u", "p"}
    if not {"people", "anywhere"} & {names[0]}:
        assert "TEMP B-TREE" not in "\n".join(plan)


@on_sqlite
def test_sqlite_still_walks_one_of_ours_once_it_has_statistics(store: TenantStore, backend: Backend) -> None:
    append(store, *map(skewed, range(1_000)))
    before = {names: sqlite_plan(backend, selection_of(names)) for names in SHAPES}
    backend.rows(TENANT, "ANALYZE")
    for names in SHAPES:
        plan = sqlite_plan(backend, selection_of(names))
        if len(names) == 1:
            assert plan == before[names]
        else:
            walked = _driver(next(line for line in plan if line.startswith("SEARCH")))
            assert walked in {SQLITE_DRIVER[DRIVER[name]] for name in names}
            assert {names[0]} & {"people", "anywhere"} or "TEMP B-TREE" not in "\n".join(plan)


def steps_of(backend: Backend, selection: Selection) -> int:
    """How many steps of 100 instructions SQLite takes for it."""
    steps = 0

    def taken() -> None:
        nonlocal steps
        steps += 1

    with closing(sqlite3.connect(Path(backend.address) / "tenants" / f"{TENANT}.db")) as connection:
        connection.set_progress_handler(taken, 100)
        connection.execute(*page_query(_COLUMNS, selection, 0, 2**62)).fetchall()
    return steps


@on_sqlite
@pytest.mark.parametrize("names", SHAPES, ids="+".join)
def test_a_page_costs_the_same_in_a_log_of_ten_times_the_size(
    store: TenantStore, backend: Backend, names: tuple[str, ...]
) -> None:
    wanted, rows = selection_of(names, limit=50), [full_row()] * 500
    append(store, *rows)
    before = steps_of(backend, wanted)
    for _ in range(9):
        append(store, *rows)
    assert before <= steps_of(backend, wanted) <= before * 1.1 + 1


# --- PostgreSQL ----------------------------------------------------------------------------------------------

STATEMENTS = 20_000
_EVERY = STATEMENTS // 20


def skewed(number: int) -> IndexRow:
    """Half of the log has one verb, one object, one registration and one person; every thousandth the rare ones;
    the rest has values of its own."""
    value = RARE if number % _EVERY == 1 else COMMON if number % 2 == 0 else number + 100
    return IndexRow((value, 3 if number % 3 else number + 100_000), 1, None, value, value, value, value)


@pytest.fixture(scope="module")
def postgres_store(postgres: Callable[[], Databases]) -> Iterator[tuple[PostgresBackend, SqlTenantStore]]:
    """A tenant of 20,000 statements about which the server knows nothing."""
    backend = PostgresBackend(postgres().create(), lambda: datetime.now(UTC))
    store = backend.open(TENANT)
    assert isinstance(store, SqlTenantStore)
    for table in ("event", "statement", "term", "voided"):
        backend.rows(TENANT, f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    for start in range(0, STATEMENTS, 1_000):
        events = [an_event() for _ in range(1_000)]
        store.recorder.insert_events(events, index=[skewed(start + n) for n in range(1_000)])
    yield backend, store
    backend.close()


@pytest.fixture(scope="module", params=["never analyzed", "analyzed"])
def large(
    request: pytest.FixtureRequest, postgres_store: tuple[PostgresBackend, SqlTenantStore]
) -> SqlTenantStore:
    """The same, with and without statistics."""
    backend, store = postgres_store
    if request.param == "analyzed":
        for table in ("event", "statement", "term", "voided"):
            backend.rows(TENANT, f"ANALYZE {table}")
    return store


Node = dict[str, Any]


def custom_plan(store: SqlTenantStore, selection: Selection) -> Node:
    """The plan for these very values, in a session of the service's own."""
    sql, values = page_query(_COLUMNS, selection, 0, 2**62)
    with store._database.read() as c:
        return _node(c.execute(f"EXPLAIN (FORMAT JSON) {sql}", values).fetchone())


def generic_plan(store: SqlTenantStore, selection: Selection) -> Node:
    """The plan for whatever values: a connection's own when a statement was prepared."""
    sql, values = page_query(_COLUMNS, selection, 0, 2**62)
    for number in range(1, len(values) + 1):
        sql = sql.replace("?", f"${number}", 1)
    with store._database.read() as c:
        assert isinstance(c, Connection)
        return _node(c._raw.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {sql}".encode()).fetchone())


def _node(row: Any) -> Node:
    found: Node = row[0][0]["Plan"]
    return found


def nodes(node: Node) -> Iterator[Node]:
    """Every node of a plan, from the top."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def sorts_whole_results(node: Node) -> bool:
    """Whether a sort or a hash takes in more than pages: something under it is read without a limit."""
    if node["Node Type"] in {"Sort", "Incremental Sort", "Aggregate", "HashAggregate", "SetOp"}:
        return any(_reads_unlimited(child) for child in node.get("Plans", ()))
    return any(sorts_whole_results(child) for child in node.get("Plans", ()))


def _reads_unlimited(node: Node) -> bool:
    if node["Node Type"] == "Limit":
        return False
    return "Relation Name" in node or any(_reads_unlimited(child) for child in node.get("Plans", ()))


def drivers(plan: Node) -> list[Node]:
    """The first index of each branch: what is walked for candidates."""
    limits = [node for node in nodes(plan) if node["Node Type"] == "Limit"]
    innermost = [one for one in limits if sum(node["Node Type"] == "Limit" for node in nodes(one)) == 1]
    return [next(node for node in nodes(one) if "Index Name" in node) for one in innermost]


def check_plan(names: tuple[str, ...], plan: Node, *, ascending: bool, common: bool) -> None:
    """Every table by an index, no more than pages sorted, and the driver walked in order between positions."""
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert not sorts_whole_results(plan)
    walked = drivers(plan)
    # Of two conditions it may take the one that it believes to be rarer: either index is walked in order. What is
    # on half of the log it may look for in the log's own order.
    ours = {DRIVER[name] for name in names} | ({"term_pkey"} if "anywhere" in names else set())
    in_order = {"statement_pkey", "event_pkey"} if common or names == ("all",) else set()
    assert {node["Index Name"] for node in walked} <= ours | in_order
    for node in walked:
        assert node["Index Name"] in in_order or " = " in node["Index Cond"]
        assert node["Index Name"] != DRIVER[names[0]] or '"position" >' in node["Index Cond"]
        assert node["Scan Direction"] == ("Forward" if ascending else "Backward")


@pytest.mark.parametrize("names", SHAPES, ids="+".join)
def test_whichever_table_is_walked_it_is_between_the_positions(names: tuple[str, ...]) -> None:
    """At a million statements PostgreSQL turned the join of a page with `until` round and walked the log from its
    end: 170 ms. Twenty thousand are too few to see it."""
    sql, _ = page_query(_COLUMNS, selection_of(names), 0, 2**62)
    branches = sql.count("NOT EXISTS (SELECT 1 FROM voided")
    assert sql.count("e.position > ? AND e.position <= ?") == branches >= 1


@pytest.mark.parametrize("names", SHAPES, ids="+".join)
def test_postgresql_walks_the_index_that_we_choose(large: SqlTenantStore, names: tuple[str, ...]) -> None:
    for plan_of, common, ascending in product((custom_plan, generic_plan), (False, True), (False, True)):
        plan = plan_of(large, selection_of(names, common=common, ascending=ascending))
        try:
            check_plan(names, plan, ascending=ascending, common=common)
        except AssertionError as error:
            error.add_note(f"{plan_of.__name__}, common={common}, ascending={ascending}: {json.dumps(plan)}")
            raise


# --- the vault -----------------------------------------------------------------------------------------------

_MANY = 400


def _settled(place: Settings) -> dict[str, int]:
    """What was read until now: a session that has ended says so a moment later."""
    found = vault_entries_read(place)
    while True:
        time.sleep(0.5)
        again = vault_entries_read(place)
        if again == found:
            return found
        found = again


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_people_and_keys_are_found_by_their_digests_and_ids_in_tables_that_nobody_has_analysed(
    place: Settings,
) -> None:
    """A first import meets such tables: it walked a whole tenant for each question, slower with every person."""
    system = build(place)
    system.tenants.create(TENANT)
    for table in ("directory", "data_key"):
        vault_rows(place, f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    names = [[Identifier("openid", f"https://{part}.example/{n}") for n in range(_MANY)] for part in range(8)]
    sealed = []
    for some in names:
        reading = system.vault.read(TENANT)
        for subject in reading.enrol(some).values():
            where = Place(subject, 2, "agent", "t")
            sealed.append((where, reading.seal([subject], Category.IDENTITY, "", where, b"{}")))
    system.close()
    before = _settled(place)
    again = build(place)
    for some in names:
        assert len(again.vault.read(TENANT).lookup(some)) == _MANY
    assert {type(one) for one in again.vault.open_many(TENANT, sealed)} == {Plain}
    again.close()
    walked = {name: count - before[name] for name, count in vault_entries_read(place).items()}
    assert walked["directory_subject"] == 0
    assert walked["data_key_pkey"] == 0
    assert walked["directory_pkey"] <= 2 * 8 * _MANY
    assert walked["data_key_kid"] <= 2 * 8 * _MANY


def vault_entries_read(place: Settings) -> dict[str, int]:
    """How many entries of each index were walked so far, by connections that have ended."""
    sql = "SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = 'lethe_vault'"
    return {str(name): int(count) for name, count in vault_rows(place, sql)}
