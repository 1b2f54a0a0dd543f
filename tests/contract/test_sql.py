"""Every SQL statement that goes to PostgreSQL, collected while a tenant lives through all there is, and read.

1. None has a shape that is wrong or slow where a tenant's schema is a shard (schema-based sharding of Citus).
2. Every statement of a transaction is on tables of the transaction's own schema.
3. In the vault and in the control store, where tenants share tables, it names its tenant.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import Tracking
from psycopg.sql import Composable

from lrs.adapters.postgres.schema import CONTROL, CONTROL_SCHEMA, TENANT, VAULT_MIGRATIONS, VAULT_SCHEMA
from lrs.bootstrap import build, compactor
from lrs.config import Settings
from lrs.domain.agents import Identifier
from lrs.domain.policies import Policy
from lrs.domain.sealing import Category
from lrs.recording.drafts import statement_draft
from lrs.reindexing.control import restore_control_rows
from retention.closing import WRAPPING
from tests.backups import new_drill, run_backup
from tests.histories import SetClock, recording_at
from tests.parts import attachment, body_of, content_type, part, statements_part
from tests.places import on_postgres
from tests.postgres import Databases
from tests.subjects import (
    ADA,
    ALAN,
    COURSE,
    GRACE,
    Inside,
    LaterClock,
    agent,
    exchange,
    inside,
    statement,
    voiding,
)

ADAPTERS = Path(__file__).parents[2] / "lrs" / "adapters"
MADE = {"tenant": TENANT, CONTROL_SCHEMA: CONTROL, VAULT_SCHEMA: VAULT_MIGRATIONS}

# Which server this is: asked once by every new connection, of no table.
GREETING = "SELECT pg_postmaster_start_time()::text"

# --- collecting ----------------------------------------------------------------------------------------------


@dataclass
class Session:
    """What one connection was told: its role, and each statement with the schema that it was on."""

    role: str = "owner"
    schema: str = ""
    said: list[tuple[str, str]] = field(default_factory=list)

    def hear(self, sql: str) -> None:
        """One message."""
        for one in filter(None, map(str.strip, sql.split(";"))):
            if role := re.fullmatch(r"SET ROLE (\w+)", one):
                self.role = role[1]
            elif path := re.fullmatch(r'SET LOCAL search_path = "?([^"]+)"?', one):
                self.schema = path[1]
            elif one.split()[0] not in {"BEGIN", "COMMIT", "ROLLBACK", "SET"} and one != GREETING:
                self.said.append((self.schema, one))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]) -> dict[int, Session]:
    """Every session of a tenant's life."""
    heard: dict[int, Session] = defaultdict(Session)
    keep: list[Any] = []  # so that no two connections have one id
    execute = psycopg.Cursor.execute

    def listening(self: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        keep.append(self.connection)
        text = query.as_string(self) if isinstance(query, Composable) else query
        text = text.decode() if isinstance(text, bytes) else text
        heard[id(self.connection)].hear(PARAMETER.sub("%s", text))
        return execute(self, query, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", listening)
        live(tmp_path_factory.mktemp("sql") / "data", postgres())
    return heard


def live(data: Path, databases: Databases) -> None:
    """All that a tenant can go through."""
    place = on_postgres(data, databases)
    system = build(place)
    system.tenants.create("acme")
    system.tenants.create("globex")
    assert len(system.tenants.list()) == 2
    acme = inside(system)
    system.check_ready()
    record(acme)
    ask(acme)
    keep(acme)
    report(acme)
    decide(acme)
    expire(acme)
    acme.ran("export", ADA)
    acme.package(acme.http.get("/dsar").json()["requests"][0])
    erase(acme)
    keep_out(acme)
    close(acme)
    look(acme)
    log(acme)
    assert acme.rebuilt_same()
    make_again(acme)
    assert system.control.lease("one", "holder", datetime.now(UTC), seconds=1)
    system.control.give_up("one", "holder")
    issued = system.credentials.issue("acme", ["all"])
    assert len(system.credentials.list("acme")) == 2
    system.credentials.revoke(issued.row.key)
    system.close()
    again = build(place)
    again.tenants.delete("globex")
    again.close()
    recover(data.parent / "recovery", place, databases)


def recover(folder: Path, place: Settings, databases: Databases) -> None:
    """A backup, and its restore into other databases."""
    drill = new_drill(folder, "postgres", lambda: databases)
    drill.settings = place.model_copy(update=drill.named())
    with drill.opened() as acme:
        run_backup(acme)
    drill.restore()


def record(acme: Inside) -> None:
    """Statements and exchanges of every kind."""
    first = statement(ADA, context={"registration": "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01", "instructor": GRACE})
    acme.post(first, statement(GRACE), statement(agent("dora")))
    acme.post(first)
    put = statement(ALAN)
    acme.http.put("/xapi/statements", params={"statementId": put["id"]}, json=put).raise_for_status()
    acme.post(voiding(GRACE, put["id"]))
    later = statement(ADA, attachments=[attachment(b"file")])
    acme.post(
        statement(GRACE, object={"objectType": "StatementRef", "id": later["id"]})
    )  # its target comes after it
    for _ in range(2):
        body = body_of(statements_part(later), part(b"file"))
        acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()
    acme.ask_model(exchange(ADA))
    acme.catch_up()


def keep(acme: Inside) -> None:
    """Documents, people and activities."""
    for path, names in (
        ("/xapi/activities/state", {"activityId": COURSE, "agent": json.dumps(ADA), "stateId": "bookmark"}),
        ("/xapi/activities/profile", {"activityId": COURSE, "profileId": "layout"}),
    ):
        stored = acme.http.post(path, params=names, json={"page": 1})
        merged = acme.http.post(path, params=names, json={"page": 2})
        assert (stored.status_code, merged.status_code) == (204, 204)
        assert acme.http.get(path, params=names).json() == {"page": 2}
        listed = {name: value for name, value in names.items() if name not in {"stateId", "profileId"}}
        assert len(acme.http.get(path, params=listed).json()) == 1
        assert acme.http.delete(path, params=names).status_code == 204
        acme.http.post(path, params=names, json={"page": 1}).raise_for_status()
    listed = {
        "activityId": COURSE,
        "agent": json.dumps(ADA),
        "registration": "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01",
    }
    assert acme.http.get("/xapi/activities/state", params=listed).json() == []
    assert acme.http.get("/xapi/agents", params={"agent": json.dumps(ADA)}).json()["name"]
    assert acme.http.get("/xapi/activities", params={"activityId": COURSE}).json()["id"] == COURSE


def ask(acme: Inside) -> None:
    """Every filter."""
    registration = "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01"
    at = "2026-01-01T00:00:00Z"
    for filters in (
        {},
        {"agent": json.dumps(ADA)},
        {"agent": json.dumps(ADA), "related_agents": "true", "ascending": "true"},
        {"agent": json.dumps(agent("nobody"))},
        {"verb": "http://adlnet.gov/expapi/verbs/completed", "since": at, "until": at},
        {"activity": COURSE},
        {"activity": COURSE, "related_activities": "true", "registration": registration},
        {"registration": registration, "limit": "1"},
    ):
        acme.found(**filters)
    assert acme.get(statement(ADA)).status_code == 404


def report(acme: Inside) -> None:
    """Every filter of a report."""
    assert acme.report()
    for filters in (
        {"learner": json.dumps(ADA), "activity": COURSE},
        {"learner": json.dumps(agent("nobody"))},
        {"cohort": COURSE, "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
    ):
        acme.report(**filters)
    page = acme.http.get("/reports/completion", params={"limit": "1"}).json()
    assert len(acme.report(more=page["more"])) >= 0 if page.get("more") else page


def expire(acme: Inside) -> None:
    """A year that is over, in which somebody said something that others refer to."""
    system, clock = acme.system, SetClock(datetime(2020, 5, 5, tzinfo=UTC))
    recorder, old = recording_at(system, clock), statement(ADA)
    draft = statement_draft(old, UUID(old["id"]), version="1.0.3", authority=UUID(int=1), public_url="")
    recorder.record("acme", [draft]).result(30)
    recorder.close()
    acme.post(statement(GRACE, object={"objectType": "StatementRef", "id": old["id"]}))
    acme.catch_up()
    system.tenants.decide("acme", Policy(retention_days={Category.LEARNING: 1}))
    assert [one.records for one in system.expirer.run("acme")] == [1]
    assert system.expirer.run("acme") == []


def make_again(acme: Inside) -> None:
    """All that is beside the events, made from them again."""
    restore_control_rows(acme.system.control)
    assert acme.system.reindexer.reindex("acme").corrupt == ()


def erase(acme: Inside) -> None:
    """A person who has a part in others' records, and one who is found dead already; then somebody refers to a
    statement with others in it."""
    acme.ran("erase", ADA)
    acme.ran("erase", agent("nobody"))
    target = statement(ADA, context={"instructor": GRACE})
    acme.post(target, statement(GRACE, object={"objectType": "StatementRef", "id": target["id"]}))
    acme.catch_up()
    assert acme.report()


def keep_out(acme: Inside) -> None:
    """A person who was erased is refused, let in and refused again."""
    eve, identifier = agent("eve"), Identifier("mbox", agent("eve")["mbox"])
    acme.http.put("/admin/policy", json={"suppression_days": 1}).raise_for_status()
    for _ in range(2):
        acme.system.vault.readmit("acme", identifier)
        acme.post(statement(eve))
        acme.ran("erase", eve)
        assert acme.http.post("/xapi/statements", json=statement(eve)).status_code == 403
    acme.http.put("/admin/policy", json={}).raise_for_status()


def log(acme: Inside) -> None:
    """The log of hashes, and compaction behind it, with a document that is fetched alone."""
    large = {"activityId": COURSE, "profileId": "large"}
    acme.http.post("/xapi/activities/profile", params=large, json={"page": token_hex(80_000)}).raise_for_status()
    store = acme.system.tenants.store("acme")
    for _ in range(2):
        acme.system.notary.catch_up(store)
        acme.post(statement(GRACE))
    assert acme.system.verifier.run(store, with_blobs=True).bad is None
    assert acme.http.get("/admin/log/proof/inclusion", params={"position": 1}).status_code == 200
    erased = acme.http.get("/dsar").json()["requests"][-2]
    assert "log" in acme.certificates(erased)[0]
    store.tree.alarm(1, "an-alarm")
    work = replace(compactor(acme.system), clock=LaterClock(timedelta(days=31)))
    assert work.run("acme").blobs > 0


def decide(acme: Inside) -> None:
    """A person is restricted, held and corrected, and an erasure waits and is taken back."""
    for kind, more in (
        ("restrict", {}),
        ("restrict", {"lift": True}),
        ("hold", {}),
        ("release", {}),
        ("correct", {"name": "Ada King", "to": {"mbox": "mailto:ada.king@example.org"}}),
    ):
        assert acme.request(kind, ADA, **more)["status"] == "done"
    acme.http.put("/admin/policy", json={"cooling_days": 7}).raise_for_status()
    waiting = acme.request("erase", ADA)
    acme.http.post(f"/dsar/{waiting['id']}/withdraw").raise_for_status()
    acme.http.put("/admin/policy", json={}).raise_for_status()


def close(acme: Inside) -> None:
    """An epoch in which somebody went, and somebody comes while it is closed; and one in which nobody did."""
    came: list[str] = []

    def come(step: str, *_: int) -> None:
        if step == WRAPPING and not came:
            came.append("late")
            acme.post(statement(agent("late")))

    acme.system.closer.close(come)
    assert acme.found_by(agent(came[0]))
    acme.system.closer.close()
    assert len(b"".join(acme.system.vault.snapshot())) > 1_000
    assert acme.system.vault.public_key("")


def look(acme: Inside) -> None:
    """What is asked of the ports alone."""
    store = acme.system.stores.open("acme")
    recorder, statements = store.recorder, store.statements
    assert recorder.max_notification_id() == len(recorder.select_notifications(1, 1_000))
    recorder.insert_tracking(Tracking("another", 1))
    assert recorder.max_tracking_id("another") == 1
    assert len(list(store.views.dump(store.views.live("learning")))) > 0
    newest = store.requests.list(limit=1)[0]
    assert newest not in store.requests.list(after=newest.id)
    assert statements.live(newest.id) is None
    statements.head(datetime.now(UTC) + timedelta(seconds=10))
    erased = next(row[0] for row in acme.rows("SELECT subject FROM tombstone"))
    assert acme.system.vault.destroyed("acme", UUID(bytes=erased))


# --- reading -------------------------------------------------------------------------------------------------

PARAMETER = re.compile(r"\$[0-9]+")
STRINGS = re.compile(r"'[^']*'")
WRONG_IN_A_SHARD = {
    "locks a table": r"\bLOCK\b",
    "an advisory lock": r"PG_(TRY_)?ADVISORY",
    "notifies": r"\b(NOTIFY|LISTEN|UNLISTEN)\b",
    "a sequence": r"\b(NEXTVAL|CURRVAL|SETVAL|CREATE SEQUENCE|SMALLSERIAL|SERIAL|BIGSERIAL|IDENTITY)\b",
    "a trigger or a function": r"\b(TRIGGER|FUNCTION|PROCEDURE)\b",
    "a type": r"\bCREATE (TYPE|DOMAIN)\b",
    "inserts what it selects": r"\bINSERT INTO [^;]*?(?<!DO )\bSELECT\b",
    "inserts in a common table expression": r"\bWITH\b.*\b(INSERT|UPDATE|DELETE)\b",
    "copies": r"\bCOPY\b",
    "locks rows over a join": r"\b(JOIN|FROM \w+( \w+)?,).*\bFOR (UPDATE|SHARE)\b",
    "joins by commas": r"\bFROM \w+( \w+)?,",
}
DEFINES = re.compile(r"^(CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|COMMENT|VACUUM|ANALYZE|REINDEX)\b")
TABLE = re.compile(r"(?<!DO )(?<!FOR )\b(?:FROM|JOIN|INTO|UPDATE) ((?:\"?[\w-]+\"?\.)?\"?[a-z_]+\"?)")
NAMED = re.compile(r"\bWITH (?:RECURSIVE )?(\w+)")


def shape(sql: str) -> str:
    """A statement in capitals, without what it quotes."""
    return STRINGS.sub("''", sql).upper()


def wrong_shapes(sql: str) -> list[str]:
    """What is wrong with a statement."""
    return [name for name, pattern in WRONG_IN_A_SHARD.items() if re.search(pattern, shape(sql))]


def tables_of(sql: str) -> set[tuple[str, str]]:
    """(schema or empty, table) of every table in a statement."""
    named = set(NAMED.findall(sql))
    found = {name.replace('"', "") for name in TABLE.findall(STRINGS.sub("''", sql))}
    return {(schema, table) for schema, _, table in (name.rpartition(".") for name in found) if table not in named}


def kind_of(schema: str) -> str:
    """Which tables are in a schema."""
    return "tenant" if schema.startswith("tenant_") else schema


def defined(kind: str) -> dict[str, str]:
    """The tables of a kind of schema, and how each was made."""
    made = [sql for version in MADE[kind].values() for sql in version if sql.startswith("CREATE TABLE")]
    return {sql.split()[2]: sql for sql in made}


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("LOCK TABLE event", ["locks a table"]),
        ("SELECT pg_advisory_xact_lock(1)", ["an advisory lock"]),
        ("NOTIFY lethe", ["notifies"]),
        ("SELECT nextval('a')", ["a sequence"]),
        ("CREATE TABLE a (one BIGSERIAL)", ["a sequence"]),
        ("CREATE TABLE a (one BIGINT GENERATED ALWAYS AS IDENTITY)", ["a sequence"]),
        ("INSERT INTO a SELECT * FROM b", ["inserts what it selects"]),
        ("INSERT INTO a VALUES (%s) ON CONFLICT DO NOTHING", []),
        ("WITH a AS (INSERT INTO b VALUES (1) RETURNING 1) TABLE a", ["inserts in a common table expression"]),
        ("COPY a FROM STDIN", ["copies"]),
        ("SELECT 1 FROM a JOIN b USING (c) FOR UPDATE", ["locks rows over a join"]),
        ("SELECT 1 FROM a, b", ["joins by commas"]),
        ("SELECT 1 FROM a FOR UPDATE", []),
        ("SELECT 'LOCK' FROM a", []),
    ],
)
def test_the_reading_sees_what_is_wrong(sql: str, wrong: list[str]) -> None:
    assert wrong_shapes(sql) == wrong


def test_the_reading_sees_every_table() -> None:
    sql = 'SELECT 1 FROM a JOIN "x-y".b ON 1 = 1 WHERE EXISTS (SELECT 1 FROM c) FOR UPDATE'
    assert tables_of(sql) == {("", "a"), ("x-y", "b"), ("", "c")}
    assert tables_of("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1") == {("", "a")}


def test_no_statement_has_a_shape_that_is_wrong_in_a_shard(sessions: dict[int, Session]) -> None:
    said = {sql for one in sessions.values() for _, sql in one.said}
    assert len(said) > 100
    assert {sql: wrong for sql in said if (wrong := wrong_shapes(sql))} == {}


def test_the_service_and_the_vault_define_nothing(sessions: dict[int, Session]) -> None:
    served = [one for one in sessions.values() if one.role != "owner"]
    assert {one.role for one in served} == {"lethe_service", "lethe_vault"}
    assert [sql for one in served for _, sql in one.said if DEFINES.match(sql)] == []


def test_no_migration_has_a_shape_that_is_wrong_in_a_shard() -> None:
    said = [sql for made in MADE.values() for version in made.values() for sql in version]
    assert {sql: wrong for sql in said if (wrong := wrong_shapes(sql))} == {}
    assert [sql for sql in said if re.search(r"\b(\w+)\.(\w+)", STRINGS.sub("", sql))] == []


def test_every_statement_is_on_tables_of_its_own_schema(sessions: dict[int, Session]) -> None:
    for session in sessions.values():
        for schema, sql in session.said if session.role != "owner" else ():
            tables = tables_of(sql)
            if any(named for named, _ in tables):  # a look of its own, outside any transaction
                ((schema, table),) = tables
                tables = {("", table)}
            assert {named for named, _ in tables} <= {""}, sql
            assert {table for _, table in tables} <= {*defined(kind_of(schema)), "migration"}, (schema, sql)


# --- whose row it is -----------------------------------------------------------------------------------------

NAMES_ITS_TENANT = re.compile(r"\b(tenant|name)( \|\| '')? = %s|INSERT INTO \w+ VALUES")
# A snapshot is of all.
SNAPSHOT = re.compile(
    r"SELECT [a-z_, ]+ FROM \w+ (WHERE \([a-z, ]+\) > \([%s, ]+\) )?ORDER BY [a-z, ]+ LIMIT 2000"
)
WITHOUT_A_TENANT = {
    "SELECT tenant, kind, wrapped FROM tenant_key ORDER BY tenant, kind": "all go over to the next epoch",
    "SELECT tenant FROM tenant_key WHERE kind = %s": "who refuses anybody: what has expired goes with the epoch",
    "SELECT DISTINCT tenant FROM ledger WHERE sequence > %s AND sequence <= %s": "whose keys are made anew",
    "SELECT coalesce(max(sequence), 0) FROM ledger": "where the epoch ends",
    "SELECT 1 FROM ledger WHERE sequence > %s LIMIT 1": "whether there is anything to close",
    "SELECT count(*) FROM ledger WHERE sequence > %s": "the same",
    "UPDATE signed_head SET restored = 1": "a vault that is brought back is brought back for all",
    "SELECT count(*), min(at) FROM ledger WHERE sequence > %s AND at <> ''": "since when there is",
    "SELECT tenant, max(sequence) FROM ledger WHERE reason = %s GROUP BY tenant": "who left gets no certificates",
    (
        "SELECT tenant, subject, sequence FROM ledger WHERE sequence > %s AND sequence <= %s AND reason = %s"
        " ORDER BY sequence"
    ): "who was erased in an epoch, for the closer alone",
    "SELECT hash FROM ledger ORDER BY sequence": "one chain for all tenants: it is held against its mirror",
    "SELECT sequence, tenant, subject, reason, at, previous, hash FROM ledger ORDER BY sequence": "the same",
    "SELECT kid, tenant, sequence FROM destroyed_key": "the same",
    "SELECT count(*) FROM ledger": "the same",
    "SELECT hash FROM ledger ORDER BY sequence DESC LIMIT 1": "the next entry hangs on the last one",
    "DELETE FROM tenant": "what is made again from events takes the place of all that is there",
    "DELETE FROM credential": "the same",
    "SELECT id, name, created_at FROM tenant ORDER BY name": "the operator's list, and who the workers work for",
    "SELECT id, tenant, key, secret_sha256, scopes, created_at, revoked FROM credential WHERE key = %s": (
        "the key says whose it is: that is how a tenant is known"
    ),
}

# Whether a place is empty, and filling the control store: for a restore.
RESTORE = re.compile(r"SELECT 1 FROM [a-z_]+ LIMIT 1|DELETE FROM (tenant|credential)")


def of_tenants(kind: str) -> set[str]:
    """The tables in which tenants are side by side."""
    return {name for name, sql in defined(kind).items() if " tenant TEXT" in sql or "(tenant TEXT" in sql} | (
        {"tenant"} if kind == CONTROL_SCHEMA else set()
    )


@pytest.mark.parametrize("kind", [CONTROL_SCHEMA, VAULT_SCHEMA])
def test_where_tenants_share_a_table_every_statement_names_its_tenant(
    sessions: dict[int, Session], kind: str
) -> None:
    said = {
        sql
        for session in sessions.values()
        for schema, sql in session.said
        if session.role != "owner" and schema == kind and {table for _, table in tables_of(sql)} & of_tenants(kind)
    }
    assert len(said) >= 5
    unnamed = {sql for sql in said if not NAMES_ITS_TENANT.search(sql)}
    without = {sql for sql in unnamed if not SNAPSHOT.fullmatch(sql) and not RESTORE.fullmatch(sql)}
    assert without <= WITHOUT_A_TENANT.keys()


def test_the_tables_that_tenants_share_are_these() -> None:
    assert of_tenants(CONTROL_SCHEMA) == {"tenant", "credential"}
    assert of_tenants(VAULT_SCHEMA) == {
        "tenant_key",
        "subject",
        "data_key",
        "directory",
        "suppression",
        "ledger",
        "destroyed_key",
        "signed_head",
    }


# --- that nothing was left out -------------------------------------------------------------------------------

MANY_ROWS = re.compile(r"(\([%s, ]+\))(?:,\1)+")
BEGINS = re.compile(r"^(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH RECURSIVE) ")
# Not reached by a life without accidents; each is of a shape that others have.
NOT_REACHED = {
    "INSERT INTO alarm VALUES",
    "SELECT vault FROM fence",  # of a draft: SQLite's
    "SELECT first_at, last_at, groupings, facts FROM view_row WHERE",  # row by row: SQLite's
    "UPDATE fence SET sequence = %s WHERE sequence < %s",  # of a fail-over
}


def in_the_source() -> Iterator[str]:
    """The beginning of every statement that the adapters' source holds, as PostgreSQL would get it."""
    for path in sorted([*(ADAPTERS / "sql").glob("*.py"), *(ADAPTERS / "vault").glob("*.py")]):
        if path.name == "schema.py":
            continue
        tree = ast.parse(path.read_text())
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            first = node.values[0] if isinstance(node, ast.JoinedStr) else None if id(node) in inner else node
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and BEGINS.match(first.value):
                yield first.value.replace("?", "%s").partition("{")[0].strip()


def test_every_statement_in_the_source_was_heard(sessions: dict[int, Session]) -> None:
    # Of many rows at once the first will do.
    said = "\n".join(MANY_ROWS.sub(r"\1", sql) for one in sessions.values() for _, sql in one.said)
    wanted = set(in_the_source())
    assert len(wanted) > 60
    missing = {sql for sql in wanted if sql not in said and not any(sql.startswith(one) for one in NOT_REACHED)}
    assert not missing, "\n".join(sorted(missing))
