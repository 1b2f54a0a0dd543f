"""Compaction: what nobody can open any more goes, and nothing that anybody can see changes."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import DatabaseError
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from lrs.bootstrap import System, compactor
from lrs.cli.root import app
from lrs.config import Settings
from lrs.domain.errors import LogConflict, NotFound, StoreUnavailable
from lrs.domain.leaves import Entry
from lrs.domain.policies import Policy
from lrs.domain.sealing import Category
from lrs.notary.walking import Bad
from lrs.ports import Replacement
from retention.compaction import Compacted, Compactor, _changed
from tests.logs import Logged
from tests.parts import attachment, body_of, content_type, part, statements_part
from tests.places import environment, url_of
from tests.running import command
from tests.subjects import ADA, ALAN, COURSE, GRACE, LaterClock, agent, exchange, inside, statement
from tests.unit.test_leaves import EVENTS, KEYS

DAYS = 30
# For what is about one of them, or has nothing to do with how events are stored.
on_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("place", ["postgres"], indirect=True)
TEAM = {"objectType": "Group", "member": [agent("dora"), ADA]}


@pytest.fixture
def log(system: System) -> Logged:
    """A tenant in which somebody, who has a part in everything, was erased, and somebody in part of it."""
    made = Logged(inside(system))
    acme = made.acme
    signed = statement(agent("dora"), attachments=[attachment(b"file")])
    acme.post(statement(agent("dora")), statement(ADA, context={"instructor": agent("dora")}), statement(TEAM))
    body = body_of(statements_part(signed), part(b"file"))
    acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()
    acme.ask_model(exchange(agent("dora")), exchange(ADA))
    of_her = {"activityId": COURSE, "agent": json.dumps(agent("dora")), "stateId": "bookmark"}
    acme.http.post("/xapi/activities/state", params=of_her, json={"page": 1}).raise_for_status()
    acme.http.post(
        "/xapi/activities/profile", params={"activityId": COURSE, "profileId": "x"}, json={"page": 1}
    ).raise_for_status()
    made.sign()
    acme.ran("erase", agent("dora"), reason="she asked")
    made.sign()
    return made


def later(log: Logged, days: float = DAYS + 1) -> Compactor:
    """Compaction, so many days from now."""
    return replace(compactor(log.system), clock=LaterClock(timedelta(days=days)))


def seen(log: Logged) -> dict[str, Any]:
    """All that can be asked of the tenant: pages, reports, documents, leaves, proofs."""
    acme = log.acme
    acme.catch_up()
    get = acme.http.get
    return {
        "statements": acme.found(ascending="true"),
        "of ada": acme.found_by(ADA),
        "report": acme.report(),
        "documents": get("/xapi/activities/profile", params={"activityId": COURSE, "profileId": "x"}).content,
        "head": get("/admin/log/head").text,
        "proofs": [
            get("/admin/log/proof/inclusion", params={"position": position}).json()
            for position in range(1, log.size + 1)
        ],
        "requests": [one["status"] for one in get("/dsar").json()["requests"]],
        "certificates": acme.certificates(get("/dsar").json()["requests"][-1]),
        "ids that stay reserved": [
            get("/xapi/statements", params={"statementId": str(UUID(bytes=row[0]))}).status_code
            for row in acme.rows(
                "SELECT originator_id FROM event WHERE topic = 'statement-recorded/1' ORDER BY position"
            )
        ],
    }


def test_what_nobody_can_open_goes_and_everything_that_is_seen_stays(log: Logged) -> None:
    before, size = seen(log), log.size
    states = [log.state(position) for position in range(1, size + 1)]
    assert later(log, DAYS - 1).run("acme") == Compacted()  # the policy's days are not over
    would = later(log).run("acme", dry=True)
    assert states == [log.state(position) for position in range(1, size + 1)]
    done = later(log).run("acme")
    after = [log.state(position) for position in range(1, size + 1)]
    changed = [position for position in range(size) if states[position] != after[position]]
    assert would == done
    assert (done.events, done.bytes_freed) == (
        len(changed), sum(len(one) for one in states) - sum(len(one) for one in after),
    )  # fmt: skip
    # her own statement, the one with a file and its key, the exchange, the document's two parts, the agent object,
    # the request's reason; not what Ada can still open
    assert (done.envelopes, done.events, done.blobs) == (8, 6, 1)
    assert seen(log) == before
    assert (log.bad(with_blobs=True), log.size) == (None, size)
    assert log.acme.rebuilt_same()
    assert later(log).run("acme") == Compacted()  # again: nothing


@on_sqlite
def test_what_was_sent_again_by_its_sender_is_still_acknowledged(log: Logged) -> None:
    (first,) = log.acme.rows(
        "SELECT originator_id FROM event WHERE topic = 'statement-recorded/1' ORDER BY position"
    )[:1]
    later(log).run("acme")
    again = statement(agent("dora"), id=str(UUID(bytes=first[0])))
    log.acme.post(again)
    assert log.acme.get(again).status_code == 404


@on_sqlite
def test_dead_bytes_are_gone_from_the_file(log: Logged) -> None:
    position = log.position_of("exchange-recorded/1")
    dead = log.state(position)[-40:]
    log.system.stores.open("acme").close()
    files = log.system.settings.data_dir / "tenants"
    assert any(dead in one.read_bytes() for one in files.glob("acme.db*"))
    later(log).run("acme")
    assert not any(dead in one.read_bytes() for one in files.glob("acme.db*"))


@on_sqlite
def test_the_policy_says_how_long_dead_ciphertext_lies(log: Logged) -> None:
    log.system.tenants.decide("acme", Policy(compaction_days=0))
    assert compactor(log.system).run("acme").events > 0
    with pytest.raises(NotFound):
        compactor(log.system).run("nobody")


@on_sqlite
def test_of_several_owners_all_must_be_gone(log: Logged) -> None:
    """The anonymous group's statement is Ada's, too."""
    later(log).run("acme")
    assert len([one for one in log.acme.found() if "member" in one["actor"]]) == 1
    log.acme.ran("erase", ADA)
    log.sign()
    assert later(log).run("acme").events > 0
    assert log.acme.found() == []
    assert log.bad() is None


def test_an_expired_key_takes_its_blob_along_which_no_sweep_would(log: Logged) -> None:
    """The statement lives and names the blob; the attachment's key has expired."""
    acme, vault = log.acme, log.system.vault
    signed = statement(GRACE, attachments=[attachment(b"another file")])
    body = body_of(statements_part(signed), part(b"another file"))
    acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()
    log.sign()
    grace = acme.known(GRACE)
    kids = [row[0] for row in vault_rows_of(log, grace)]
    expired = _Expired(vault, frozenset(kids))
    assert len(list(log.system.blobs.list("acme"))) == 2
    done = replace(later(log), vault=expired).run("acme")
    assert (done.events, done.blobs) == (1, 1)
    assert len(acme.rows("SELECT name FROM blob")) == 0
    assert len(list(log.system.blobs.list("acme"))) == 1  # dora's, which the sweep takes
    assert replace(log.system.verifier, vault=expired).run(log.store, with_blobs=True).bad is None


def vault_rows_of(log: Logged, subject: UUID) -> list[tuple[bytes]]:
    """The ids of somebody's attachments' keys."""
    from tests.places import vault_rows

    sql = "SELECT kid FROM data_key WHERE subject = ? AND category = ?"
    return vault_rows(log.system.settings, sql, (subject.bytes, Category.ATTACHMENTS.value))


class _Expired:
    """A vault in whose ledger these keys, and no others, are destroyed."""

    def __init__(self, vault: Any, kids: frozenset[bytes]) -> None:
        self._vault = vault
        self._kids = kids

    def dead(self, *_: Any) -> frozenset[bytes]:
        """These."""
        return self._kids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)


def test_a_compaction_that_died_goes_on(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        """The process is gone."""

    def crash(_upto: int) -> None:
        raise Crash

    monkeypatch.setattr("retention.compaction.BATCH_EVENTS", 3)
    whole = later(log).run("acme", dry=True)
    done: list[tuple[int, int]] = []
    with pytest.raises(Crash):
        replace(later(log), reached=crash).run("acme", progress=lambda *at: done.append(at))
    rest = later(log).run("acme")
    assert 0 < rest.events < whole.events
    assert later(log).run("acme", progress=lambda *at: done.append(at)) == Compacted()
    assert done[-1] == (log.size, log.size)
    assert log.bad() is None


@on_sqlite
def test_only_what_a_signed_head_has_is_compacted(log: Logged) -> None:
    log.acme.post(statement(ALAN))
    log.acme.ran("erase", ALAN)
    first = later(log).run("acme", dry=True)
    log.sign()
    assert later(log).run("acme", dry=True).events > first.events


def test_a_tampered_event_is_left_as_it_is_and_all_others_are_compacted(log: Logged) -> None:
    """It is evidence; an alarm is kept of it, but not by who only asks what would be done."""
    position = log.position_of("exchange-recorded/1")
    whole = later(log).run("acme", dry=True)
    log.flip(position, -1)
    before = log.state(position)
    would = later(log).run("acme", dry=True)
    assert (would.tampered, log.acme.rows("SELECT * FROM alarm")) == ((position,), [])
    done = later(log).run("acme")
    assert done == would
    assert done.events == whole.events - 1 > 0
    assert log.state(position) == before
    assert log.acme.rows("SELECT position, code FROM alarm") == [(position, "log-conflict")]
    assert later(log).run("acme") == Compacted(tampered=(position,))
    assert log.bad() == Bad(position, "altered")


@on_sqlite
def test_of_tampered_events_the_first_ones_are_named(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.compaction.TAMPERED_MAX", 2)
    for position in range(1, log.size + 1):
        log.edit("UPDATE event SET stored = stored + 1 WHERE position = ?", position)
    done = later(log).run("acme")
    assert (done.events, len(done.tampered)) == (0, 2)
    assert [row[0] for row in log.acme.rows("SELECT position FROM alarm ORDER BY 1")] == list(done.tampered)


@on_sqlite
def test_a_batch_holds_no_more_bytes_than_it_may(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for one event, which may be as long as an event may be."""
    whole = later(log).run("acme", dry=True)
    largest = log.value("SELECT max(length(state)) FROM event")
    batches: list[int] = []
    replace_all = compactor(log.system).rewriting.replace

    class Counting:
        """Counts what comes at once."""

        def replace(self, tenant: str, replacements: Any) -> None:
            """Count, and replace."""
            batches.append(sum(len(one.before) + len(one.after) for one in replacements))
            replace_all(tenant, replacements)

    for bytes_max in (1, 2_000):
        monkeypatch.setattr("retention.compaction.BATCH_BYTES", bytes_max)
        done = replace(later(log), rewriting=Counting()).run("acme", dry=bytes_max == 1)
        assert done == whole
    assert len(batches) > 1
    assert max(batches) <= 2_000 + 2 * largest


@on_sqlite
def test_what_is_no_event_is_passed_over(log: Logged) -> None:
    """Whoever reads it raises the alarm; verifying names it."""
    position = log.position_of("exchange-recorded/1")
    log.edit("UPDATE event SET state = ? WHERE position = ?", b"nothing", position)
    statements = log.position_of("statement-recorded/1")
    log.edit("UPDATE event SET state = ? WHERE position = ?", log.state(statements)[:80], statements)
    would = later(log).run("acme", dry=True)
    assert would.events == 4


def test_of_several_blobs_those_go_whose_keys_are_dead() -> None:
    """One under a dead key, one that somebody else can still open, one that takes all of them."""
    event, _ = EVENTS["statement-recorded/2"]
    dead = frozenset({KEYS[0].kid})
    made = _changed(Entry(1, 1, UUID(int=7).bytes, 1, event.topic, event.state), dead)
    assert made is not None
    assert [row.name[:1] for row in made.blobs] == [b"\0", b"\2"]
    assert made.envelopes == 3  # with the body


def test_an_event_that_changed_meanwhile_is_not_replaced(log: Logged) -> None:
    rewriting = compactor(log.system).rewriting
    before = [log.state(position) for position in (1, 2)]
    with pytest.raises(LogConflict):
        rewriting.replace("acme", [Replacement(1, before[0], b"new"), Replacement(2, b"another", b"new")])
    assert [log.state(position) for position in (1, 2)] == before
    with pytest.raises((StoreUnavailable, DatabaseError)):
        rewriting.replace("nobody", [Replacement(1, b"", b"")])


# --- who may -------------------------------------------------------------------------------------------------


def test_the_service_can_not_change_an_event(log: Logged) -> None:
    """Not by any of its connections: on PostgreSQL by its role, on SQLite by what they refuse to prepare."""
    database = log.store.tree._database  # type: ignore[attr-defined]
    for sql in ("UPDATE event SET state = ?", "DELETE FROM event WHERE state <> ?"):
        with pytest.raises(DatabaseError), database.write() as connection:
            connection.execute(sql, (b"x",))
    for sql in ("DROP TABLE event", "ALTER TABLE event ADD COLUMN another INT"):
        with pytest.raises(DatabaseError), database.write() as connection:
            connection.execute(sql)
    assert log.bad() is None


@on_postgres
def test_compaction_on_postgresql_is_the_owners(place: Settings, log: Logged) -> None:
    url = url_of(place, "database_url")
    with psycopg.connect(url, autocommit=True) as owner:
        if owner.execute("SELECT 1 FROM pg_roles WHERE rolname = 'lethe_login'").fetchone() is None:
            owner.execute("CREATE ROLE lethe_login LOGIN IN ROLE lethe_service")
    service = make_conninfo(url, user="lethe_login")
    served = Settings.model_validate(
        {"data_dir": place.data_dir, "database_url": service, "vault_url": url_of(place, "vault_url")}
    )
    system = replace(log.system, settings=served)
    with pytest.raises(StoreUnavailable, match="LRS_OWNER_URL"):
        replace(compactor(system), clock=LaterClock(timedelta(days=31))).run("acme")
    owned = system.settings.model_copy(update={"owner_url": place.database_url})
    system = replace(log.system, settings=owned)
    assert replace(compactor(system), clock=LaterClock(timedelta(days=31))).run("acme").events > 0


def test_an_operator_compacts(log: Logged) -> None:
    settings = log.system.settings
    log.system.tenants.decide("acme", Policy(compaction_days=0))
    would = command(settings, "compact", "--dry-run")
    assert would["dry_run"] is True
    (told,) = would["compacted"]
    assert (told["tenant"], told["events"] > 0) == ("acme", True)
    assert command(settings, "compact", "--tenant", "acme") == {"dry_run": False, "compacted": [told]}
    assert command(settings, "compact")["compacted"][0]["events"] == 0
    assert command(settings, "verify")["tenants"][0]["valid"]


@on_sqlite
def test_an_operator_is_told_of_tampered_events_and_every_other_tenant_is_compacted(log: Logged) -> None:
    """Of one tenant an event is another, of another one the signed head: the third is compacted all the same."""
    settings = log.system.settings
    others = {}
    for tenant in ("beta", "gamma"):
        log.system.tenants.create(tenant)
        made = others[tenant] = Logged(inside(log.system, tenant))
        made.acme.post(statement(agent("dora")), statement(ADA))
        made.acme.ran("erase", agent("dora"))
        made.sign()
    for tenant in ("acme", *others):
        log.system.tenants.decide(tenant, Policy(compaction_days=0))
    position = log.position_of("exchange-recorded/1")
    log.flip(position, -1)
    others["beta"].edit("UPDATE checkpoint SET note = ''")
    others["beta"].acme.post(statement(ADA))
    size = others["beta"].size
    shown = CliRunner().invoke(app, ["compact"], env=environment(settings))
    assert shown.exit_code == 1
    assert f"acme: not as it was logged, and left as it is: {position}" in shown.output
    assert f"beta: not as it was logged, and left as it is: {size}" in shown.output
    told = command(settings, "compact", "--dry-run", status=1)["compacted"]
    assert [(one["tenant"], one["tampered"]) for one in told] == [
        ("acme", [position]), ("beta", [size]), ("gamma", []),
    ]  # fmt: skip
    assert [one["events"] for one in told] == [0, 0, 0]
    assert others["gamma"].state(others["gamma"].position_of("statement-recorded/1"))[:1] == bytes((1,))
    assert others["beta"].acme.rows("SELECT position, code FROM alarm") == [(size, "log-conflict")]


@on_sqlite
def test_what_changed_while_it_was_compacted_is_told_and_the_next_tenant_comes(
    log: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_: Any) -> None:
        raise LogConflict("an event changed while it was compacted", 4)

    log.system.tenants.decide("acme", Policy(compaction_days=0))
    monkeypatch.setattr("lrs.adapters.sqlite.compacting.replace_states", changed)
    shown = CliRunner().invoke(app, ["compact", "--json"], env=environment(log.system.settings))
    assert shown.exit_code == 1
    assert json.loads(shown.output)["compacted"][0]["tampered"] == [4]
