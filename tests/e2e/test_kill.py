"""kill -9 of a real service, and of the PostgreSQL server under it, at random moments while threads post to it.

After every restart on the same store: what was acknowledged is there once and whole; what was not is whole or
absent; the tables agree; the reports equal a rebuild. ``pytest -m full`` kills 20 times.
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import httpx2
import pytest

from lrs.adapters.sql.terms import unpack_terms
from lrs.bootstrap import build
from lrs.config import Settings
from lrs.domain.events import ExchangeRecorded, StatementRecorded
from lrs.domain.subjects import Subject
from lrs.recording.drafts import exchange_stream
from tests.places import environment, on_postgres, tenant_rows, vault_rows
from tests.postgres import Databases, Server
from tests.running import Service
from tests.subjects import (
    TENANT,
    Asking,
    Inside,
    Json,
    agent,
    came_back,
    exchange,
    inside,
    statement,
    voiding,
)

KILLS, KILLS_IN_A_SLICE = 20, 4
POSTERS = 4
BATCH_MAX = 30
# From the first request on: some kills meet the first transaction, most the middle of many.
SECONDS_BEFORE_THE_KILL = (0.02, 0.7)


@dataclass
class Request:
    """One request: what was sent, and whether it was acknowledged."""

    kind: str
    sent: list[Json]
    acknowledged: bool = False


@dataclass
class Poster:
    """Posts one after another, in ways drawn from a seed, until the server is gone."""

    http: httpx2.Client
    draw: random.Random
    requests: list[Request] = field(default_factory=list)
    voidable: list[str] = field(default_factory=list)
    refused: int = 0

    def run(self) -> None:
        """Post until a request gets no answer."""
        while True:
            request = self._next()
            self.requests.append(request)
            try:
                answer = self._send(request)
            except httpx2.TransportError:
                return
            self._acknowledge(request, answer)

    def run_until(self, stop: Event) -> None:
        """Post while the store comes and goes: what is answered by a 503 is sent again until it is taken."""
        while not stop.is_set():
            request = self._next()
            self.requests.append(request)
            while (answer := self._send(request)).status_code == 503:
                self.refused += 1
                time.sleep(0.05)
            self._acknowledge(request, answer)

    def _acknowledge(self, request: Request, answer: httpx2.Response) -> None:
        assert answer.status_code in {200, 201, 204}, (request.kind, answer.status_code, answer.text)
        request.acknowledged = True
        if request.kind in {"post", "put", "batch"}:
            self.voidable += [one["id"] for one in request.sent]

    def _next(self) -> Request:
        kind = self.draw.choices(("post", "batch", "put", "exchange", "void"), (4, 3, 2, 2, 1))[0]
        if kind == "exchange":
            return Request(kind, [exchange(self._somebody())])
        if kind == "void" and self.voidable:
            target = self.voidable.pop(self.draw.randrange(len(self.voidable)))
            return Request(kind, [voiding(self._somebody(), target)])
        count = self.draw.randint(2, BATCH_MAX) if kind == "batch" else 1
        return Request("post" if kind == "void" else kind, [self._statement() for _ in range(count)])

    def _statement(self) -> Json:
        verb = self.draw.choice(("completed", "passed", "failed", "experienced"))
        context = {"instructor": self._somebody()} if self.draw.random() < 0.5 else {}
        return statement(self._somebody(), verb, context=context)

    def _somebody(self) -> Json:
        """Somebody of many, so that most records mint keys and agents, under one of two names."""
        number = self.draw.randrange(500)
        return agent(f"learner-{number}") | {"name": f"{number} {self.draw.randrange(2)}"}

    def _send(self, request: Request) -> httpx2.Response:
        if request.kind == "exchange":
            return self.http.post("/llm/exchanges", json=request.sent[0])
        if request.kind == "put":
            one = request.sent[0]
            return self.http.put("/xapi/statements", params={"statementId": one["id"]}, json=one)
        return self.http.post(
            "/xapi/statements", json=request.sent if request.kind == "batch" else request.sent[0]
        )


def post_until_killed(service: Service, auth: tuple[str, str], seed: int) -> list[Request]:
    """Several threads post; the server is killed in the middle of it."""
    draw = random.Random(seed)
    posters = [Poster(service.client(auth), random.Random(draw.random())) for _ in range(POSTERS)]
    with ThreadPoolExecutor(POSTERS) as pool:
        running = [pool.submit(poster.run) for poster in posters]
        time.sleep(draw.uniform(*SECONDS_BEFORE_THE_KILL))
        service.kill()
        for one in running:
            one.result(60)
    for poster in posters:
        poster.http.close()
    return [request for poster in posters for request in poster.requests]


# --- what must hold afterwards -------------------------------------------------------------------------------


def check_statements(acme: Asking, requests: list[Request]) -> None:
    """Acknowledged: there once, as sent. Not acknowledged: whole or absent, and a batch all or nothing."""
    found = acme.found(limit="500")
    by_id = {one["id"]: one for one in found}
    assert len(by_id) == len(found)
    voided = settle_voided(acme, requests, by_id)
    for request in requests:
        if request.kind == "exchange":
            continue
        there = [one["id"] in by_id or one["id"] in voided for one in request.sent]
        assert all(there) if request.acknowledged else len(set(there)) == 1, request.kind
        for one in request.sent:
            if one["id"] in by_id:
                assert came_back(one, by_id[one["id"]])
    known = {one["id"] for request in requests for one in request.sent}
    assert by_id.keys() <= known


def settle_voided(acme: Asking, requests: list[Request], by_id: dict[str, Json]) -> set[str]:
    """The statements that are voided: exactly the targets of those voiding statements that are there."""
    voids = [request.sent[0] for request in requests if request.kind == "void"]
    targets = {one["object"]["id"] for one in voids if one["id"] in by_id}
    assert not targets & by_id.keys()
    for target in list(targets)[-20:]:  # each is a question of its own: the latest will do
        assert acme.get({"id": target}, voided=True).status_code == 200
    return targets


def check_exchanges(acme: Inside, requests: list[Request]) -> None:
    """Exchanges have no resource to be read at: they are opened in this process."""
    sent = {exchange_stream(r.sent[0]["id"]): r for r in requests if r.kind == "exchange"}
    store = acme.system.tenants.store(TENANT)
    stored = store.statements.by_ids(list(sent))
    opened = acme.system.opener.bodies(store, list(stored.values()))
    assert {one.event.originator_id for one in opened} == stored.keys()
    for one in opened:
        assert one.body is not None
        expected = sent[one.event.originator_id].sent[0]
        assert {name: one.body.content[name] for name in ("request", "response")} == {
            name: expected[name] for name in ("request", "response")
        }
    assert {stream for stream, request in sent.items() if request.acknowledged} <= stored.keys()


def check_tables(place: Settings) -> None:
    """The tables agree: gapless positions, an index row for every record, an agent for every reference."""

    def rows(sql: str) -> list[Any]:
        return tenant_rows(place, TENANT, sql)

    head = rows("SELECT position FROM head")[0][0]
    events: list[Any] = rows(
        "SELECT position, stored, originator_id, originator_version, topic, state FROM event ORDER BY position"
    )
    statements = dict(rows("SELECT position, terms FROM statement"))
    assert rows("SELECT position FROM statement WHERE owner IS NULL") == []
    terms = Counter(position for _, position in rows("SELECT term, position FROM term"))
    agents = {(subject, number) for subject, number in rows("SELECT subject, number FROM agent")}
    voided = dict(rows("SELECT voiding, target FROM voided"))
    assert [event[0] for event in events] == list(range(1, head + 1))
    assert [event[1] for event in events] == sorted(event[1] for event in events)
    assert {event[0] for event in events if event[4] == StatementRecorded.TOPIC} == statements.keys()
    assert {at: count for at, packed in statements.items() if (count := len(unpack_terms(packed)))} == {
        position: count for position, count in terms.items() if position in statements
    }
    exchanges = {event[0] for event in events if event[4] == ExchangeRecorded.TOPIC}
    assert dict.fromkeys(exchanges, 1) == {p: terms[p] for p in terms if p not in statements}
    check_streams(events, agents, voided)


def check_streams(
    events: list[tuple[int, int, bytes, int, str, bytes]],
    agents: set[tuple[bytes, int]],
    voided: dict[bytes, bytes],
) -> None:
    """Streams without holes; agents and their events are the same; references lead to one of them."""
    versions: dict[bytes, int] = {}
    sealed: set[tuple[bytes, int]] = set()
    for _, _, stream, version, topic, state in events:
        assert version == versions.get(stream, 0) + 1
        versions[stream] = version
        if topic == Subject.AgentSealed.TOPIC:
            sealed.add((stream, version))
        for hot in (StatementRecorded, ExchangeRecorded):
            if topic == hot.TOPIC:
                decoded = hot.decode(UUID(bytes=stream), version, state)
                assert {(subject.bytes, number) for subject, number in decoded.people} <= sealed
                voids = decoded.voids if isinstance(decoded, StatementRecorded) else None
                assert voided.get(stream) == (voids.bytes if voids else None)
    assert sealed == agents


def check_people(acme: Inside) -> None:
    """Every subject of the log is the vault's, with its keys; there may be more in the vault, never fewer."""
    in_log = {row[0] for row in acme.rows("SELECT DISTINCT subject FROM agent")}
    place = acme.system.settings
    keys = {row[0] for row in vault_rows(place, "SELECT subject FROM data_key WHERE category = 'identity'")}
    enrolled = {row[0] for row in vault_rows(place, "SELECT subject FROM directory")}
    assert in_log <= keys == enrolled


def check_all(service: Service, auth: tuple[str, str], requests: list[Request]) -> None:
    """Everything, with the restarted service first and the tables afterwards."""
    with service.client(auth) as http:
        check_statements(Asking(http), requests)
    check_tables(service.settings)
    system = build(service.settings)
    try:
        acme = inside(system)
        check_exchanges(acme, requests)
        check_people(acme)
        acme.catch_up()
        assert acme.rebuilt_same()
    finally:
        system.close()


def kill_again_and_again(service: Service, kills: int, seed: int) -> Counter[str]:
    """Kill, restart, check; the figures."""
    auth = service.credential(TENANT)
    requests: list[Request] = []
    for number in range(kills):
        requests += post_until_killed(service, auth, seed + number)
        service.start()
        check_all(service, auth, requests)
    assert service.log() == ""
    return figures(requests, kills)


def figures(requests: list[Request], kills: int) -> Counter[str]:
    """What was sent."""
    counts = Counter(kills=kills, requests=len(requests))
    counts["acknowledged"] = sum(request.acknowledged for request in requests)
    counts["records"] = sum(len(request.sent) for request in requests if request.acknowledged)
    counts.update(request.kind for request in requests)
    return counts


def test_whatever_was_acknowledged_survives_a_kill_and_nothing_is_half_written(service: Service) -> None:
    counts = kill_again_and_again(service, KILLS_IN_A_SLICE, seed=1)
    assert counts["acknowledged"] > KILLS_IN_A_SLICE


@pytest.mark.full
@pytest.mark.timeout(1_200)
def test_whatever_was_acknowledged_survives_twenty_kills(service: Service) -> None:
    counts = kill_again_and_again(service, KILLS, seed=1_000)
    sys.stdout.write(f"{dict(counts)}\n")
    assert counts["acknowledged"] > KILLS


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Service]:
    """Two processes that share the embedded store."""
    service = Service(tmp_path / "data", options=("--workers", "2"))
    service.lrs("tenant", "create", TENANT)
    service.start()
    yield service
    service.kill()


def test_processes_that_share_the_embedded_store_lose_and_double_nothing_when_killed(processes: Service) -> None:
    """Those of before go on for a moment beside those that were started after the kill."""
    counts = kill_again_and_again(processes, 2, seed=3)
    assert counts["acknowledged"] > 2


# --- the server under it -------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL of the test's own, as an operator runs it: it waits for the disk."""
    made = Server(sync=True).make()
    yield made
    made.remove()


@pytest.fixture
def on_server(server: Server, tmp_path: Path) -> Iterator[Service]:
    """A running service on it."""
    place = on_postgres(tmp_path / "data", Databases(server.dsn))
    service = Service(place.data_dir, environment=environment(place))
    service.lrs("tenant", "create", TENANT)
    service.start()
    yield service
    service.kill()


def kill_the_server(server: Server, service: Service, kills: int, seed: int) -> Counter[str]:
    """Several threads post; again and again the server dies under the service, which is never restarted."""
    auth = service.credential(TENANT)
    draw, stop = random.Random(seed), Event()
    posters = [Poster(service.client(auth), random.Random(draw.random())) for _ in range(POSTERS)]
    with ThreadPoolExecutor(POSTERS) as pool:
        running = [pool.submit(poster.run_until, stop) for poster in posters]
        try:
            for _ in range(kills):
                time.sleep(draw.uniform(*SECONDS_BEFORE_THE_KILL) + 0.3)
                server.stop(signal.SIGKILL)
                time.sleep(draw.uniform(0, 1))
                server.start()
        finally:
            time.sleep(1)
            stop.set()
        for one in running:
            one.result(120)
    for poster in posters:
        poster.http.close()
    requests = [request for poster in posters for request in poster.requests]
    check_all(service, auth, requests)
    assert "Traceback" not in service.log()
    return figures(requests, kills) + Counter(refused=sum(poster.refused for poster in posters))


def test_whatever_was_acknowledged_survives_a_kill_of_the_server(server: Server, on_server: Service) -> None:
    counts = kill_the_server(server, on_server, 3, seed=1)
    assert counts["acknowledged"] == counts["requests"] > 3


@pytest.mark.full
@pytest.mark.timeout(1_200)
def test_whatever_was_acknowledged_survives_twenty_kills_of_the_server(server: Server, on_server: Service) -> None:
    counts = kill_the_server(server, on_server, KILLS, seed=2_000)
    sys.stdout.write(f"{dict(counts)}\n")
    assert counts["acknowledged"] == counts["requests"] > KILLS
