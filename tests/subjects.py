"""People whose records are exported and erased: small valid examples, a system to ask in this process, and what
other processes do to it.

What other processes run must be importable, so it stands here and not in a test.
"""

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID, uuid4

import httpx2
from starlette.testclient import TestClient

from lrs.bootstrap import System, build
from lrs.config import Settings
from lrs.domain.agents import erased_placeholder, identifier_of
from lrs.domain.errors import LetheError
from lrs.domain.filters import EXACT, EXCHANGE_OWNER, OWNER, RELATED
from lrs.projections.rebuilding import rebuild
from lrs.projections.runner import VIEWS, catch_up
from retention.rights import Rights
from tests.places import PUBLIC_URL, tenant_rows

TENANT = "acme"
PLACEHOLDER = erased_placeholder(PUBLIC_URL, group=False)
GROUP_PLACEHOLDER = erased_placeholder(PUBLIC_URL, group=True)
COURSE = "https://course.example.org/fire-safety"
STEPS = (1, 2, 3, 5, 6)  # of an erasure; step 4 sends nothing
WAIT_SECONDS_MAX = 30
Json = dict[str, Any]


def agent(name: str) -> Json:
    """A person."""
    return {"objectType": "Agent", "name": f"{name.title()} Example", "mbox": f"mailto:{name}@example.org"}


ADA, GRACE, ALAN = agent("ada"), agent("grace"), agent("alan")


def statement(actor: Json, verb: str = "completed", /, **more: Any) -> Json:
    """What somebody did, under an id of the sender's."""
    made: Json = {
        "id": str(uuid4()),
        "actor": actor,
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}"},
        "object": {"objectType": "Activity", "id": COURSE},
        "timestamp": "2026-11-22T09:00:00Z",
    }
    return made | more


def voiding(actor: Json, target: str) -> Json:
    """Somebody takes a statement back."""
    return statement(actor, "voided", object={"objectType": "StatementRef", "id": target})


def exchange(actor: Json, prompt: str = "What is a fire class?", answer: str = "A kind of fire.") -> Json:
    """What somebody asked a language model, and what came back."""
    return {
        "id": str(uuid4()),
        "actor": actor,
        "request": {"model": "some-model", "messages": [{"role": "user", "content": prompt}]},
        "response": {"type": "message", "content": [{"type": "text", "text": answer}]},
    }


def came_back(sent: Json, returned: Json) -> bool:
    """Whether a statement came back as it was sent, but for what the store adds."""
    added = ("stored", "version", "authority")
    return {name: value for name, value in returned.items() if name not in added} == sent


@dataclass
class LaterClock:
    """The time, ``ahead``: claims of workers that died have lapsed."""

    ahead: timedelta = timedelta(minutes=10)

    def now(self) -> datetime:
        """Now, ahead."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Asking:
    """A tenant, asked over HTTP; in this process or another, the questions are the same."""

    http: httpx2.Client

    def post(self, *statements: Json) -> None:
        """Store these, in one request."""
        answer = self.http.post("/xapi/statements", json=list(statements))
        assert answer.status_code == 200, answer.text
        assert answer.json() == [one["id"] for one in statements]

    def ask_model(self, *exchanges: Json) -> None:
        """Record these exchanges."""
        for one in exchanges:
            answer = self.http.post("/llm/exchanges", json=one)
            assert (answer.status_code, answer.json()) == (201, {"id": one["id"]}), answer.text

    def get(self, of: Json, *, voided: bool = False) -> httpx2.Response:
        """The answer to a question for one statement."""
        name = "voidedStatementId" if voided else "statementId"
        return self.http.get("/xapi/statements", params={name: of["id"]})

    def found(self, **parameters: str) -> list[Json]:
        """All statements that match, over every page."""
        answer = self.http.get("/xapi/statements", params=parameters)
        assert answer.status_code == 200, answer.text
        statements: list[Json] = answer.json()["statements"]
        while more := answer.json()["more"]:
            answer = self.http.get(more)
            assert answer.status_code == 200, answer.text
            statements += answer.json()["statements"]
        return statements

    def found_by(self, who: Json, *, related: bool = True) -> list[Json]:
        """All statements in which somebody has a part."""
        return self.found(agent=json.dumps(who), related_agents=str(related).lower())

    def request(self, kind: str, *agents: Json, **more: Any) -> Json:
        """Open a data-subject request."""
        answer = self.http.post(f"/dsar/{kind}", json={"agents": list(agents), **more})
        assert answer.status_code == 202, answer.text
        opened: Json = answer.json()
        return opened

    def state(self, request: Json) -> Json:
        """How far it has come."""
        answer = self.http.get(f"/dsar/{request['id']}")
        assert answer.status_code == 200, answer.text
        state: Json = answer.json()
        return state

    def done(self, request: Json) -> Json:
        """Wait until it has ended; it must have ended well."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while (state := self.state(request))["status"] in {"open", "running"} and time.monotonic() < deadline:
            time.sleep(0.02)
        assert state["status"] == "done", state
        return state

    def certificates(self, request: Json) -> list[Json]:
        """The certificates of an erasure."""
        proofs: list[Json] = self.http.get(f"/dsar/{request['id']}/certificates").json()["certificates"]
        return proofs

    def package(self, request: Json) -> zipfile.ZipFile:
        """The zip of an export."""
        answer = self.http.get(f"/dsar/{request['id']}/package")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
        package = zipfile.ZipFile(io.BytesIO(answer.content))
        assert package.testzip() is None
        return package

    def exported(self, request: Json) -> Json:
        """What the machine-readable part of a package says."""
        content: Json = json.loads(self.package(request).read("export.json"))
        return content

    def report(self, **parameters: str) -> list[Json]:
        """The rows of the completion report."""
        answer = self.http.get("/reports/completion", params=parameters)
        assert answer.status_code == 200, answer.text
        rows: list[Json] = answer.json()["rows"]
        return rows


@dataclass
class Inside(Asking):
    """A tenant of a system in this process: nothing happens in the background unless it is started."""

    system: System
    tenant: str = TENANT

    def run(self) -> None:
        """Run what is open."""
        self.system.worker.round()

    def ran(self, kind: str, *agents: Json, **more: Any) -> Json:
        """A request, run to its end."""
        opened = self.request(kind, *agents, **more)
        self.run()
        return self.done(opened)

    def catch_up(self) -> None:
        """Bring the reports up to the log."""
        catch_up(self.system.tenants.store(self.tenant), self.system.opener)

    def rebuilt_same(self) -> bool:
        """Whether every view, built again from nothing, is the view that there was."""
        store = self.system.tenants.store(self.tenant)
        rebuilt = [rebuild(store, self.system.opener, view) for view in VIEWS]
        return all(rebuilt)

    def subject(self, who: Json) -> UUID | None:
        """The subject that somebody is known as."""
        identifier = identifier_of(who)
        assert identifier is not None
        return self.system.vault.read(self.tenant).lookup([identifier]).get(identifier)

    def known(self, who: Json) -> UUID:
        """The subject of somebody who must be known."""
        subject = self.subject(who)
        assert subject is not None
        return subject

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds in the tenant's tables, past the adapter."""
        return tenant_rows(self.system.settings, self.tenant, sql, values)

    def left_of(self, subject: UUID) -> dict[str, int]:
        """How much there still is about a subject, outside the log; what there is none of is not named."""
        counts = {
            table: self.rows(f"SELECT count(*) FROM {table} WHERE subject = ?", subject.bytes)[0][0]
            for table in ("agent", "view_row", "package", "document")
        }
        term = self.system.tenants.store(self.tenant).statements.term
        terms = [term(kind, subject.hex) for kind in (OWNER, EXACT, RELATED, EXCHANGE_OWNER)]
        counts["term"] = self.rows("SELECT count(*) FROM term WHERE term IN (?,?,?,?)", *terms)[0][0]
        counts["statement"] = self.rows("SELECT count(*) FROM statement WHERE owner = ?", terms[0])[0][0]
        counts["keys"] = self.system.vault.living_keys(self.tenant, subject)
        return {name: count for name, count in counts.items() if count}

    def rights(self, reached: Callable[[int], None]) -> Rights:
        """The rights, told at each step of an erasure."""
        return replace(self.system.rights, eraser=replace(self.system.rights.eraser, reached=reached))


def inside(system: System, tenant: str = TENANT, *scopes: str) -> Inside:
    """A tenant of this system, with a credential of its own."""
    issued = system.credentials.issue(tenant, list(scopes) or ["all"])
    client = TestClient(system.application(), raise_server_exceptions=False)
    client.auth = (issued.row.key, issued.secret)
    client.headers["X-Experience-API-Version"] = "1.0.3"
    return Inside(client, system, tenant)


# --- what other processes do ---------------------------------------------------------------------------------


def die_while_erasing(settings: Settings, step: int) -> None:
    """Run the open request and die, without any cleaning up, when the given step is done."""

    def reached(number: int) -> None:
        if number == step:
            os._exit(9)

    system = build(settings)
    replace(system.rights, eraser=replace(system.rights.eraser, reached=reached)).run_next(TENANT)
    os._exit(0)


def read_when_told(settings: Settings, statement_id: UUID, pipe: Connection) -> None:
    """Read a statement whenever something comes through the pipe, and send it back, or why not."""
    system = build(settings)
    while pipe.recv():
        try:
            pipe.send(json.dumps(system.retriever.one(TENANT, statement_id)))
        except LetheError as error:
            pipe.send(error.code)
    system.close()
