"""The Statement Resource over HTTP, against a plain Python filter over the statements that were sent."""

import base64
import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import httpx2
import pytest

from lrs.bootstrap import build
from tests.places import STORES, environment, new_place
from tests.postgres import Databases
from tests.running import Service

Json = dict[str, Any]

STATEMENTS = 300
BATCH = 20
VERSION = "X-Experience-API-Version"
THROUGH = "X-Experience-API-Consistent-Through"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
UNKNOWN_ID = "00000000-0000-4000-8000-00000000dead"

# --- a varied corpus -----------------------------------------------------------------------------------------


def named(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, " ".join(map(str, parts))))


def sha1_of(mbox: str) -> str:
    return hashlib.sha1(mbox.encode()).hexdigest()  # noqa: S324  (what xAPI says)


ADA, BO = "mailto:ada@secret.example.org", "mailto:bo@secret.example.org"
PEOPLE: list[Json] = [
    {"mbox": ADA, "name": "Ada Secretova"},
    {"objectType": "Agent", "mbox": ADA},
    {"mbox_sha1sum": sha1_of(ADA)},
    {"mbox": BO, "name": "Bo"},
    {"mbox_sha1sum": sha1_of("mailto:cy@secret.example.org").upper()},
    {"openid": "https://secret.example.org/dee"},
    {"account": {"homePage": "https://lms.example.org", "name": "e,e"}, "name": "Ee"},
    {"account": {"homePage": "https://other.example.org", "name": "e,e"}},
]
TEAM: Json = {"objectType": "Group", "mbox": "mailto:team@secret.example.org", "name": "Team"}
GROUPS: list[Json] = [
    TEAM,
    TEAM | {"member": [PEOPLE[0], PEOPLE[6]]},
    {"objectType": "Group", "member": [PEOPLE[3], PEOPLE[5]]},
    {"objectType": "Group", "name": "nameless", "member": [PEOPLE[2]]},
]
VERBS = [f"https://example.org/verbs/{name}" for name in ("read", "wrote", "tried")]
ACTIVITIES = [f"https://example.org/activities/{number}" for number in range(5)]
REGISTRATIONS = [named("registration", number) for number in range(3)]


def activity(rng: Random) -> Json:
    made: Json = {"id": rng.choice(ACTIVITIES)}
    if rng.random() < 0.3:
        made |= {"objectType": "Activity", "definition": {"name": {"en": "Reading", "de": "Lesen"}}}
    return made


def somebody(rng: Random) -> Json:
    return rng.choice(PEOPLE) if rng.random() < 0.75 else rng.choice(GROUPS)


def context(rng: Random, version: str) -> Json:
    made: Json = {}
    if rng.random() < 0.4:
        registration = rng.choice(REGISTRATIONS)
        made["registration"] = rng.choice((registration, registration.upper()))
    if rng.random() < 0.3:
        made["instructor"] = somebody(rng)
    if rng.random() < 0.2:
        made["team"] = rng.choice(GROUPS)
    if rng.random() < 0.5:
        kinds = rng.sample(["parent", "grouping", "category", "other"], rng.randint(1, 2))
        made["contextActivities"] = {kind: [activity(rng) for _ in range(rng.randint(1, 2))] for kind in kinds}
    if version == "2.0.0" and rng.random() < 0.5:
        made["contextAgents"] = [{"objectType": "contextAgent", "agent": rng.choice(PEOPLE)}]
    if version == "2.0.0" and rng.random() < 0.5:
        made["contextGroups"] = [{"objectType": "contextGroup", "group": rng.choice(GROUPS)}]
    return made


def event(rng: Random, version: str) -> Json:
    """What statements and SubStatements share."""
    made: Json = {"actor": somebody(rng), "verb": {"id": rng.choice(VERBS)}}
    if rng.random() < 0.3:
        made["verb"]["display"] = {"en-GB": "did", "de": "tat"}
    if rng.random() < 0.7:
        made["context"] = context(rng, version)
    if rng.random() < 0.2:
        made["result"] = {"response": "an answer", "score": {"raw": 100}}
    if rng.random() < 0.5:
        made["timestamp"] = f"2026-0{rng.randint(1, 9)}-01T12:00:00.000Z"
    return made


def statement(rng: Random, version: str) -> Json:
    chance = rng.random()
    if chance < 0.6:
        target: Json = activity(rng)
    elif chance < 0.75:
        target = somebody(rng)
        target = target if "objectType" in target else target | {"objectType": "Agent"}
    else:
        inner = activity(rng) if rng.random() < 0.7 else rng.choice(GROUPS)
        target = event(rng, version) | {"objectType": "SubStatement", "object": inner}
    return event(rng, version) | {"id": str(UUID(int=rng.getrandbits(128), version=4)), "object": target}


# --- the plain filter ----------------------------------------------------------------------------------------


def identities(agent: Json) -> set[tuple[str, str]]:
    """An agent's identity and those of its members; an mbox and its sha1 are one identity."""
    found = {one for member in agent.get("member", ()) for one in identities(member)}
    if "mbox" in agent:
        found.add(("sha1", sha1_of(agent["mbox"])))
    if "mbox_sha1sum" in agent:
        found.add(("sha1", agent["mbox_sha1sum"].lower()))
    if "openid" in agent:
        found.add(("openid", agent["openid"]))
    if "account" in agent:
        found.add(("account", json.dumps(agent["account"], sort_keys=True)))
    return found


def kind_of(target: Json) -> str:
    return str(target.get("objectType", "Activity"))


def people_exactly(said: Json) -> list[Json]:
    return [said["actor"]] + ([said["object"]] if kind_of(said["object"]) in {"Agent", "Group"} else [])


def people_anywhere(said: Json) -> list[Json]:
    around = said.get("context", {})
    found = people_exactly(said) + [around[name] for name in ("instructor", "team") if name in around]
    found += [one["agent"] for one in around.get("contextAgents", ())]
    found += [one["group"] for one in around.get("contextGroups", ())]
    return found + (people_anywhere(said["object"]) if kind_of(said["object"]) == "SubStatement" else [])


def activities_anywhere(said: Json) -> set[str]:
    found = {
        one["id"] for listed in said.get("context", {}).get("contextActivities", {}).values() for one in listed
    }
    if kind_of(said["object"]) == "Activity":
        found.add(said["object"]["id"])
    return found | (activities_anywhere(said["object"]) if kind_of(said["object"]) == "SubStatement" else set())


def matches(said: Json, stored: str, query: Json) -> bool:
    """Whether a statement answers a query (1.0.3 Communication 2.1.3)."""
    checks: dict[str, Callable[[Any], bool]] = {
        "agent": lambda asked: any(
            identities(json.loads(asked)) & identities(one)
            for one in (people_anywhere if query.get("related_agents") == "true" else people_exactly)(said)
        ),
        "verb": lambda asked: said["verb"]["id"] == asked,
        "activity": lambda asked: (
            asked in activities_anywhere(said)
            if query.get("related_activities") == "true"
            else kind_of(said["object"]) == "Activity" and said["object"]["id"] == asked
        ),
        "registration": lambda asked: said.get("context", {}).get("registration", "").lower() == asked.lower(),
        "since": lambda asked: moment(stored) > moment(asked),
        "until": lambda asked: moment(stored) <= moment(asked),
    }
    return all(check(query[name]) for name, check in checks.items() if name in query)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# scope -> the status of reading, and of writing
SCOPES = {
    "statements/write": (403, 200),
    "statements/read": (200, 403),
    "statements/read/mine": (200, 403),
    "all/read": (200, 403),
    "reports": (403, 403),
}

# --- the world -----------------------------------------------------------------------------------------------


@dataclass
class World:
    """A running service with the corpus in the tenant acme, and nothing of it in globex."""

    service: Service
    acme: httpx2.Client
    mine: httpx2.Client
    globex: httpx2.Client
    by_scope: dict[str, httpx2.Client]
    sent: list[Json] = field(default_factory=list)
    stored: dict[str, str] = field(default_factory=dict)

    def expected(self, query: Json) -> list[str]:
        found = [one["id"] for one in self.sent if matches(one, self.stored[one["id"]], query)]
        return found if query.get("ascending") == "true" else found[::-1]

    def bare(self, **headers: str) -> httpx2.Client:
        """A client with these headers only."""
        return httpx2.Client(base_url=self.service.url, headers=headers, timeout=60)


def pages(client: httpx2.Client, query: Json) -> Iterator[list[Json]]:
    answer = client.get("/xapi/statements", params=query)
    while True:
        assert answer.status_code == 200, answer.text
        assert THROUGH in answer.headers
        body = answer.json()
        yield body["statements"]
        if not body["more"]:
            return
        answer = client.get(body["more"])


def everything(client: httpx2.Client, query: Json) -> list[Json]:
    return list(itertools.chain.from_iterable(pages(client, query)))


def ids(statements: list[Json]) -> list[str]:
    return [one["id"] for one in statements]


def credentials(service: Service, wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tenants and credentials in one go: a command for each would take longer than all the tests."""
    system = build(service.settings)
    for tenant in sorted({tenant for tenant, _ in wanted}):
        system.tenants.create(tenant)
    issued = [system.credentials.issue(tenant, scopes.split()) for tenant, scopes in wanted]
    system.close()
    return [(one.row.key, one.secret) for one in issued]


@pytest.fixture(scope="module", params=STORES)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[World]:
    place = new_place(request.param, tmp_path_factory.mktemp("statements") / "data", postgres)
    service = Service(place.data_dir, environment=environment(place))
    wanted = [("acme", "all"), ("acme", "statements/write statements/read/mine"), ("globex", "all")]
    issued = credentials(service, [*wanted, *(("acme", scope) for scope in SCOPES)])
    service.start()
    clients = [service.client(auth, "2.0.0") for auth in issued]
    made = World(service, clients[0], clients[1], clients[2], dict(zip(SCOPES, clients[3:], strict=True)))
    rng = Random(7)
    try:
        for number in range(0, STATEMENTS, BATCH):
            version = ("1.0.3", "2.0.0")[number // BATCH % 2]
            batch = [statement(rng, version) for _ in range(BATCH)]
            answer = made.acme.post("/xapi/statements", json=batch, headers={VERSION: version})
            assert answer.status_code == 200, answer.text
            assert answer.json() == ids(batch)
            made.sent += batch
        made.stored = {one["id"]: one["stored"] for one in everything(made.acme, {"limit": 500})}
        yield made
    finally:
        for client in clients:
            client.close()
        service.kill()


def simple(**more: Any) -> Json:
    """A small statement that no query of the corpus finds."""
    made: Json = {
        "actor": {"mbox": "mailto:fay@secret.example.org"},
        "verb": {"id": "https://example.org/verbs/apart"},
        "object": {"id": "https://example.org/activities/apart"},
    }
    return made | more


# --- filters -------------------------------------------------------------------------------------------------


def agent(person: Json) -> str:
    return json.dumps(person)


FLAGS = ("false", "true")
SINGLE: list[Json] = [
    *({"agent": agent(one), "related_agents": flag} for one in [*PEOPLE, TEAM] for flag in FLAGS),
    *({"verb": verb} for verb in [*VERBS, "https://example.org/verbs/none"]),
    *({"activity": one, "related_activities": flag} for one in ACTIVITIES for flag in FLAGS),
    *({"registration": one} for one in [*REGISTRATIONS, REGISTRATIONS[0].upper(), UNKNOWN_ID]),
]


def queries(world: World, count: int, seed: int) -> Iterator[Json]:
    """Random combinations of filters; most find something."""
    rng = Random(seed)
    times = sorted(world.stored.values())
    for _ in range(count):
        query: Json = {"until": times[-1]}  # what other tests post meanwhile is no part of it
        for one in rng.sample(SINGLE, rng.randint(0, 2)):
            query |= one
        if rng.random() < 0.4:
            query["since"] = rng.choice(times)
        if rng.random() < 0.3:
            query["until"] = rng.choice(times)
        if rng.random() < 0.5:
            query["ascending"] = "true"
        yield query


def test_each_filter_finds_what_a_plain_filter_finds(world: World) -> None:
    until = max(world.stored.values())
    for query in SINGLE:
        found = ids(everything(world.acme, query | {"until": until, "limit": 500}))
        assert found == world.expected(query), query
    assert sum(bool(world.expected(query)) for query in SINGLE) > len(SINGLE) * 0.9


def test_filters_combine_and_page_as_a_plain_filter_does(world: World) -> None:
    rng = Random(8)
    for query in queries(world, 60, 9):
        limit = rng.choice((1, 7, 50, 500)) if len(world.expected(query)) < 40 else rng.choice((50, 500))
        found = list(pages(world.acme, query | {"limit": limit}))
        assert ids(list(itertools.chain.from_iterable(found))) == world.expected(query), query
        assert all(len(page) == limit for page in found[:-1])


def test_a_statement_comes_back_as_it_was_sent(world: World) -> None:
    returned = {one["id"]: one for one in everything(world.acme, {"limit": 500})}
    for said in world.sent:
        one = dict(returned[said["id"]])
        assert one.pop("stored") == world.stored[said["id"]]
        assert one.pop("version") in {"1.0.0", "2.0.0"}
        assert set(one.pop("authority")) == {"objectType", "account"}
        if "timestamp" not in said:
            assert one.pop("timestamp") == world.stored[said["id"]]
        assert one == said


def test_one_context_activity_comes_back_as_a_list_of_one(world: World) -> None:
    bare = {"parent": {"id": ACTIVITIES[0]}}
    inner = simple(objectType="SubStatement", context={"contextActivities": bare})
    said = simple(id=str(uuid4()), context={"contextActivities": bare}, object=inner)
    assert world.mine.post("/xapi/statements", json=said).status_code == 200
    one = world.acme.get("/xapi/statements", params={"statementId": said["id"]}).json()
    for holder in (one, one["object"]):
        assert holder["context"]["contextActivities"] == {"parent": [{"id": ACTIVITIES[0]}]}


def test_limit_cuts_and_zero_asks_for_the_most(world: World) -> None:
    until = {"until": max(world.stored.values())}
    lengths = {
        limit: len(world.acme.get("/xapi/statements", params=until | {"limit": limit}).json()["statements"])
        for limit in (0, 1, 99, 100, 299, 500, 10**9)
    }
    assert lengths == {0: 300, 1: 1, 99: 99, 100: 100, 299: 299, 500: 300, 10**9: 300}
    assert len(world.acme.get("/xapi/statements", params=until).json()["statements"]) == 100


def test_since_and_until_are_exact_to_the_microsecond_in_any_offset(world: World) -> None:
    time = sorted(set(world.stored.values()))[3]
    east = moment(time).astimezone().isoformat()
    for text in (time, east, time.replace("Z", "+00:00")):
        for name in ("since", "until"):
            query = {name: text, "until": max(world.stored.values())} | ({name: text} if name == "until" else {})
            assert ids(everything(world.acme, query | {"limit": 500})) == world.expected(query)
    long_ago = {"since": "1969-12-31T23:59:59.999999Z", "until": max(world.stored.values()), "limit": 500}
    assert len(everything(world.acme, long_ago)) == STATEMENTS
    assert everything(world.acme, {"until": "1969-12-31T23:59:59.999999Z"}) == []
    assert everything(world.acme, {"since": "9999-12-31T23:59:59.999999Z"}) == []


# --- formats -------------------------------------------------------------------------------------------------


def only_ids(value: Any) -> Any:
    """The ids format by removing what identifies nothing."""
    if isinstance(value, list):
        return [only_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    identified = {"mbox", "mbox_sha1sum", "openid", "account"} & value.keys()
    dropped = {"definition", "display"}
    if value.get("objectType") == "Activity":
        dropped |= {"objectType"}  # what is an Activity anyway
    if identified or value.get("objectType") == "Group":
        dropped |= {"name"} | ({"member"} if identified else set())
    return {
        name: one if name in {"account", "result", "extensions"} else only_ids(one)
        for name, one in value.items()
        if name not in dropped
    }


def in_german(value: Any) -> Any:
    """The canonical format for somebody who reads German: language maps of one entry."""
    if isinstance(value, list):
        return [in_german(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "de" in value:
        return {"de": value["de"]}
    return {name: in_german(one) for name, one in value.items()}


def test_the_ids_format_keeps_what_identifies_and_nothing_else(world: World) -> None:
    exact = everything(world.acme, {"limit": 500})
    assert everything(world.acme, {"limit": 500, "format": "ids"}) == only_ids(exact)
    assert "Secretova" not in json.dumps(only_ids(exact))


def test_the_canonical_format_has_one_language_of_each_map(world: World) -> None:
    exact = everything(world.acme, {"limit": 500})
    for languages in (
        "de",
        "de-AT, en;q=0.1",
        "en;q=0.5, de",
        "en-GB;q=0, de ; Q=0.001, *;q=0.5",
        "??, en;q=x, de",
    ):
        world.acme.headers["Accept-Language"] = languages
        assert everything(world.acme, {"limit": 500, "format": "canonical"}) == in_german(exact)
    del world.acme.headers["Accept-Language"]
    one = next(one for one in exact if "display" in one["verb"])
    asked = {"statementId": one["id"], "format": "canonical"}
    answer = world.acme.get("/xapi/statements", params=asked, headers={"Accept-Language": "en-US"})
    assert answer.json()["verb"]["display"] == {"en-GB": "did"}


# --- one statement -------------------------------------------------------------------------------------------


def test_a_statement_is_found_by_its_id_in_any_spelling(world: World) -> None:
    said = world.sent[0]
    for spelling in (said["id"], said["id"].upper()):
        answer = world.acme.get("/xapi/statements", params={"statementId": spelling})
        assert answer.status_code == 200
        assert answer.json()["id"] == said["id"]
        assert "Last-Modified" in answer.headers
        assert THROUGH in answer.headers
    bare = world.acme.get("/xapi/statements", params={"statementId": said["id"], "format": "ids"})
    assert bare.json() == only_ids(answer.json())


def test_a_voided_statement_is_found_as_a_voided_one_only(world: World) -> None:
    said = simple(id=str(uuid4()))
    voiding = simple(id=str(uuid4()), verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": said["id"]})
    assert world.acme.post("/xapi/statements", json=[said]).status_code == 200
    assert world.acme.post("/xapi/statements", json=[voiding]).status_code == 200
    by_id = [
        world.acme.get("/xapi/statements", params={name: one["id"]}).status_code
        for one in (said, voiding)
        for name in ("statementId", "voidedStatementId")
    ]
    assert by_id == [404, 200, 200, 404]
    listed = ids(everything(world.acme, {"limit": 500}))
    assert voiding["id"] in listed
    assert said["id"] not in listed


def test_head_answers_as_get_without_a_body(world: World) -> None:
    one = {"statementId": world.sent[0]["id"]}
    for params in ({"limit": 3}, one, {"statementId": UNKNOWN_ID}, {"limit": "x"}):
        got = world.acme.get("/xapi/statements", params=params)
        head = world.acme.head("/xapi/statements", params=params)
        assert head.status_code == got.status_code
        assert head.content == b""
        for name in (VERSION, THROUGH, "content-type", "content-length"):
            if name != THROUGH:
                assert head.headers.get(name) == got.headers.get(name), (params, name)
            assert name in head.headers


def test_views_keep_up_with_statements_of_every_kind(world: World) -> None:
    for report in ("completion", "progress"):
        body = world.acme.get(f"/reports/{report}", params={"wait": 20, "cohort": REGISTRATIONS[0]}).json()
        assert (body["projection_lag"], body["alarms"]) == (0, 0)
        about = {
            (one["object"]["id"], json.dumps(sorted(identities(one["actor"]))))
            for one in world.sent
            if kind_of(one["object"]) == "Activity"
            and one["actor"].get("objectType") != "Group"
            and one.get("context", {}).get("registration", "").lower() == REGISTRATIONS[0]
        }
        rows = [row for row in body["rows"] if row["registration"] == REGISTRATIONS[0]]
        assert {(row["activity"], json.dumps(sorted(identities(row["learner"])))) for row in rows} == about
        assert len(rows) == len(about)


# --- paging and time while others post -----------------------------------------------------------------------


@dataclass
class Posting:
    """Threads that post until they are told to stop."""

    world: World
    threads: int = 3
    ids: list[str] = field(default_factory=list)

    def __enter__(self) -> "Posting":
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(self.threads)
        self._done = [self._pool.submit(self._post) for _ in range(self.threads)]
        return self

    def _post(self) -> None:
        while not self._stop.is_set():
            answer = self.world.mine.post("/xapi/statements", json=[simple() for _ in range(3)])
            assert answer.status_code == 200, answer.text
            self.ids += answer.json()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._done:
            one.result(30)
        self._pool.shutdown()


@pytest.mark.parametrize("ascending", FLAGS)
def test_pages_miss_nothing_and_repeat_nothing_while_others_post(world: World, ascending: str) -> None:
    with Posting(world):
        found = ids(everything(world.acme, {"limit": 23, "ascending": ascending, "verb": VERBS[0]}))
        newest_first = {"limit": 23, "ascending": ascending, "until": max(world.stored.values())}
        whole = ids(everything(world.acme, newest_first))
    assert found == world.expected({"verb": VERBS[0], "ascending": ascending})
    assert whole == world.expected({"ascending": ascending})


def test_consistent_through_is_never_ahead_of_a_statement_that_shows_later(world: World) -> None:
    since = world.acme.get("/xapi/statements", params={"limit": 1}).json()["statements"][0]["stored"]
    asked = {"since": since, "limit": 500}
    seen: list[tuple[str, set[str]]] = []
    with Posting(world, threads=4):
        for _ in range(25):
            answer = world.acme.get("/xapi/statements", params=asked)
            body = answer.json()
            found = set(ids(body["statements"]))
            if body["more"]:
                break
            seen.append((answer.headers[THROUGH], found))
    stored = {one["id"]: moment(one["stored"]) for one in everything(world.acme, asked)}
    assert len(seen) > 3
    for through, found in seen:
        visible_by_then = {one for one, at in stored.items() if at <= moment(through)}
        assert visible_by_then <= found


def test_consistent_through_moves_on_while_nothing_happens(world: World) -> None:
    first = world.globex.get("/xapi/statements").headers[THROUGH]
    waiting = threading.Event()
    waiting.wait(1.1)  # an idle head is moved at most once a second
    assert moment(world.globex.get("/xapi/statements").headers[THROUGH]) > moment(first)


# --- writing -------------------------------------------------------------------------------------------------


def stored_once(world: World, said: Json) -> bool:
    return ids(everything(world.acme, {"limit": 500, "verb": said["verb"]["id"]})).count(said["id"]) == 1


def test_put_stores_under_the_id_of_the_query(world: World) -> None:
    wanted = str(uuid4())
    for body in (simple(), simple(id=wanted), simple(id=wanted.upper())):
        assert world.acme.put("/xapi/statements", params={"statementId": wanted}, json=body).status_code == 204
    assert stored_once(world, simple(id=wanted))
    put: list[tuple[Json, Any, int]] = [
        ({"statementId": wanted}, simple(id=str(uuid4())), 400),
        ({"statementId": wanted}, simple(verb={"id": VERBS[0]}), 409),
        ({"statementId": "nonsense"}, simple(), 400),
        ({}, simple(), 400),
        ({"statementId": wanted, "limit": 1}, simple(), 400),
        ({"statementId": wanted}, [simple()], 400),
    ]
    for params, content, status in put:
        answer = world.acme.put("/xapi/statements", params=params, json=content)
        assert answer.status_code == status, (params, content)


def test_an_empty_batch_is_no_error_and_stores_nothing(world: World) -> None:
    answer = world.acme.post("/xapi/statements", json=[])
    assert (answer.status_code, answer.json()) == (200, [])


def test_ids_are_made_for_those_that_have_none_and_kept_for_the_others(world: World) -> None:
    own = str(uuid4())
    made = world.acme.post("/xapi/statements", json=[simple(), simple(id=own), simple()]).json()
    assert made[1] == own
    assert {UUID(one).version for one in (made[0], made[2])} == {4}
    assert len(set(made)) == 3


def test_the_same_statement_again_is_fine_and_stored_once(world: World) -> None:
    said = simple(id=str(uuid4()), timestamp="2026-01-01T00:00:00Z")
    spellings = [
        said,
        said | {"timestamp": "2026-01-01T01:00:00+01:00"},
        said | {"verb": said["verb"] | {"display": {"en": "again"}}},
        said | {"id": said["id"].upper()},
    ]
    for one in spellings:
        assert world.acme.post("/xapi/statements", json=one).json() == [said["id"]]
    assert stored_once(world, said)


def test_another_statement_under_a_known_id_is_a_conflict_and_changes_nothing(world: World) -> None:
    said = simple(id=str(uuid4()))
    assert world.acme.post("/xapi/statements", json=said).status_code == 200
    before = world.acme.get("/xapi/statements", params={"statementId": said["id"]}).json()
    for other in ({"actor": PEOPLE[3]}, {"result": {"success": True}}, {"object": {"id": ACTIVITIES[0]}}):
        answer = world.acme.post("/xapi/statements", json=said | other)
        assert (answer.status_code, answer.json()["code"]) == (409, "statement-conflict")
    assert world.acme.get("/xapi/statements", params={"statementId": said["id"]}).json() == before


def test_a_batch_with_one_conflict_stores_nothing_of_the_batch(world: World) -> None:
    known, fresh = simple(id=str(uuid4())), [simple(id=str(uuid4())) for _ in range(3)]
    assert world.acme.post("/xapi/statements", json=known).status_code == 200
    batch = [*fresh[:2], known | {"verb": {"id": VERBS[0]}}, fresh[2]]
    assert world.acme.post("/xapi/statements", json=batch).status_code == 409
    for one in fresh:
        assert world.acme.get("/xapi/statements", params={"statementId": one["id"]}).status_code == 404
    assert world.acme.post("/xapi/statements", json=[*fresh, known]).status_code == 200


def test_a_batch_with_one_invalid_statement_stores_nothing_of_the_batch(world: World) -> None:
    good = simple(id=str(uuid4()))
    answer = world.acme.post("/xapi/statements", json=[good, simple(actor={})])
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("[1].actor")
    assert world.acme.get("/xapi/statements", params={"statementId": good["id"]}).status_code == 404


@pytest.mark.parametrize(("version", "same", "other"), [("1.0.3", 200, 409), ("2.0.0", 400, 400)])
def test_one_id_twice_in_a_batch(world: World, version: str, same: int, other: int) -> None:
    said = simple(id=str(uuid4()))
    labelled = {VERSION: version}
    different = [said, said | {"verb": {"id": VERBS[0]}}]
    assert world.acme.post("/xapi/statements", json=different, headers=labelled).status_code == other
    assert world.acme.get("/xapi/statements", params={"statementId": said["id"]}).status_code == 404
    answer = world.acme.post("/xapi/statements", json=[said, said], headers=labelled)
    assert answer.status_code == same
    assert stored_once(world, said) is (same == 200)


def test_many_at_once_under_one_id_store_one_and_refuse_the_others(world: World) -> None:
    """Group commit: a refused neighbour, and an id that is taken already, harm nobody in the same group."""

    def post(body: Json) -> int:
        return world.acme.post("/xapi/statements", json=body).status_code

    with ThreadPoolExecutor(12) as pool:
        for _ in range(4):
            taken, fought = simple(id=str(uuid4())), str(uuid4())
            assert post(taken) == 200
            different = [simple(id=fought, result={"score": {"raw": number}}) for number in range(8)]
            alone = [simple() for _ in range(8)]
            answers = list(pool.map(post, [*different, taken, taken, *alone]))
            assert sorted(answers[:8]) == [200] + [409] * 7
            assert answers[8:] == [200] * 10


# --- versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("base", "label"), [("/xapi", "2.0.0"), ("/xapi/1.0.3", "1.0.3")])
def test_a_missing_or_strange_version_is_refused_with_the_label_of_the_path(
    world: World, base: str, label: str
) -> None:
    strange = ["", "1.1.0", "0.95", "2.1.0", "1", "1.0.3 ", "1.0.3,2.0.0", "x" * 5_000]
    authorised = {"Authorization": basic(world.acme)}
    for headers in [{}, *({VERSION: one} for one in strange if one.strip() == one)]:
        with world.bare(**authorised, **headers) as client:
            for answer in (client.get(f"{base}/statements"), client.post(f"{base}/statements", json=[])):
                assert answer.status_code == 400
                assert answer.headers[VERSION] == label
                assert answer.json()["code"] == "request-invalid"


def basic(client: httpx2.Client) -> str:
    request = client.build_request("GET", "/")
    assert client.auth is not None
    return str(next(client.auth.auth_flow(request)).headers["Authorization"])


@pytest.mark.parametrize("base", ["/xapi", "/xapi/1.0.3", "//xapi", "/xapi//1.0.3/"])
def test_both_base_paths_and_doubled_slashes_are_one_store(world: World, base: str) -> None:
    for sent, answered in (
        ("1.0", "1.0.3"),
        ("1.0.0", "1.0.3"),
        ("1.0.3", "1.0.3"),
        ("2.0", "2.0.0"),
        ("2.0.0",) * 2,
    ):
        asked = {"statementId": world.sent[0]["id"]}
        url = f"{world.service.url}{base}/statements"
        answer = world.acme.get(url, params=asked, headers={VERSION: sent})
        assert (answer.status_code, answer.headers[VERSION]) == (200, answered)
        assert answer.json()["id"] == world.sent[0]["id"]
    body = world.acme.get(
        f"{world.service.url}{base}/statements", params={"limit": 200, "ascending": "true"}
    ).json()
    rest = world.acme.get(body["more"]).json()
    assert body["more"].startswith(("/xapi/statements?", "/xapi/1.0.3/statements?"))
    assert ids(body["statements"] + rest["statements"])[:STATEMENTS] == ids(world.sent)


# --- who may -------------------------------------------------------------------------------------------------


def test_read_mine_sees_only_what_its_own_credential_sent(world: World) -> None:
    said = [simple(id=str(uuid4()), verb={"id": "https://example.org/verbs/mine"}) for _ in range(5)]
    assert world.mine.post("/xapi/statements", json=said).status_code == 200
    assert ids(everything(world.mine, {"verb": "https://example.org/verbs/mine"})) == ids(said)[::-1]
    seen = everything(world.mine, {"limit": 500})
    assert len({one["authority"]["account"]["name"] for one in seen}) == 1
    assert not set(ids(seen)) & set(ids(world.sent))
    assert everything(world.mine, {"verb": VERBS[0]}) == []
    unknown = world.mine.get("/xapi/statements", params={"statementId": UNKNOWN_ID})
    foreign = world.mine.get("/xapi/statements", params={"statementId": world.sent[0]["id"]})
    assert (unknown.status_code, unknown.content) == (foreign.status_code, foreign.content)
    assert world.acme.get("/xapi/statements", params={"statementId": said[0]["id"]}).status_code == 200


def test_whoever_is_nobody_gets_401_and_the_same_answer_for_every_reason(world: World) -> None:
    key, _, secret = base64.b64decode(basic(world.acme).partition(" ")[2]).decode().partition(":")

    def encoded(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    wrong = [f"{key}:wrong", f"{key}:{secret}x", f"nobody:{secret}", f"{key}:", ":"]
    answers = []
    for authorization in (
        *map(encoded, wrong),
        "Basic !!",
        "Basic",
        "Bearer x",
        encoded("no-colon"),
        encoded("\x00:é"),
    ):
        with world.bare(**{VERSION: "2.0.0", "Authorization": authorization}) as client:
            for answer in (client.get("/xapi/statements"), client.post("/xapi/statements", json=simple())):
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"].startswith("Basic")
                assert answer.headers[VERSION] == "2.0.0"
                assert answer.json()["code"] == "unauthenticated"
                answers.append(answer.content)
    assert len(set(answers[: 2 * len(wrong)])) == 1


def test_a_credential_without_the_scope_gets_403_and_stores_nothing(world: World) -> None:
    said = simple(id=str(uuid4()))
    for scope, (reading, writing) in SCOPES.items():
        client = world.by_scope[scope]
        assert client.get("/xapi/statements").status_code == reading, scope
        answer = client.post("/xapi/statements", json=said | {"id": str(uuid4())})
        assert answer.status_code == writing, scope
        if writing == 403:
            put = client.put("/xapi/statements", params={"statementId": said["id"]}, json=said)
            assert (put.status_code, put.json()["code"]) == (403, "forbidden")
    assert world.acme.get("/xapi/statements", params={"statementId": said["id"]}).status_code == 404


def test_another_tenant_sees_nothing_and_cannot_tell_foreign_from_unknown(world: World) -> None:
    assert not set(ids(everything(world.globex, {"limit": 500}))) & world.stored.keys()
    somebody_else = agent({"mbox": "mailto:nobody@example.org"})
    for name in ("statementId", "voidedStatementId"):
        unknown = world.globex.get("/xapi/statements", params={name: UNKNOWN_ID})
        foreign = world.globex.get("/xapi/statements", params={name: world.sent[0]["id"]})
        assert unknown.status_code == foreign.status_code == 404
        assert unknown.content == foreign.content
        assert set(unknown.headers) == set(foreign.headers)
    for foreign_query, unknown_query in (
        ({"agent": agent(PEOPLE[0])}, {"agent": somebody_else}),
        ({"verb": VERBS[0]}, {"verb": "https://example.org/verbs/none"}),
        ({"registration": REGISTRATIONS[0]}, {"registration": UNKNOWN_ID}),
    ):
        answers = [world.globex.get("/xapi/statements", params=one) for one in (foreign_query, unknown_query)]
        assert answers[0].content == answers[1].content == b'{"statements":[],"more":""}'


def test_an_id_of_another_tenant_is_free(world: World) -> None:
    said = simple(id=str(uuid4()))
    assert world.acme.post("/xapi/statements", json=said).status_code == 200
    other = said | {"verb": {"id": VERBS[1]}}
    assert world.globex.post("/xapi/statements", json=other).status_code == 200
    void = simple(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": said["id"]})
    assert world.globex.post("/xapi/statements", json=void).status_code == 200
    assert world.globex.get("/xapi/statements", params={"statementId": said["id"]}).status_code == 404
    assert world.acme.get("/xapi/statements", params={"statementId": said["id"]}).status_code == 200


# --- what is refused -----------------------------------------------------------------------------------------

SECRET = "Zanzibar-4711"
REFUSED_QUERIES: list[Any] = [
    {"unknown": SECRET},
    {"statementid": UNKNOWN_ID},
    {"limit": "-1"},
    {"limit": SECRET},
    {"limit": "1.5"},
    {"ascending": "True"},
    {"related_agents": "1"},
    {"attachments": SECRET},
    {"format": SECRET},
    {"since": SECRET},
    {"until": "2026-13-01T00:00:00Z"},
    {"verb": SECRET},
    {"activity": f"no iri {SECRET}"},
    {"registration": SECRET},
    {"statementId": SECRET},
    {"voidedStatementId": "{" + UNKNOWN_ID + "}"},
    {"agent": SECRET},
    {"agent": json.dumps({"name": SECRET})},
    {"agent": json.dumps({"mbox": SECRET})},
    {"agent": json.dumps([SECRET])},
    {"agent": json.dumps({"mbox": ADA, "openid": f"https://{SECRET}"})},
    {"agent": "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")},
    {"agent": "[" * 100_0},
    {"statementId": UNKNOWN_ID, "voidedStatementId": UNKNOWN_ID},
    {"statementId": UNKNOWN_ID, "limit": "1"},
    {"voidedStatementId": UNKNOWN_ID, "agent": json.dumps({"mbox": ADA})},
    {"cursor": SECRET},
    {"cursor": "9" * 30},
    [("limit", "1"), ("limit", "2")],
]


@pytest.mark.parametrize("query", REFUSED_QUERIES, ids=lambda query: str(query)[:40])
def test_a_parameter_that_is_not_known_or_not_right_is_a_400_that_echoes_nothing(world: World, query: Any) -> None:
    answer = world.acme.get("/xapi/statements", params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json().keys() == {"code", "message"}
    assert answer.headers[VERSION] == "2.0.0"
    assert THROUGH in answer.headers
    assert SECRET not in answer.text
    assert ADA not in answer.text


REFUSED_STATEMENTS: list[tuple[Any, str, str]] = [
    (simple(actor={"mbox": SECRET}), "actor.mbox", "mailto"),
    (simple(actor={"name": SECRET}), "actor", "exactly one of"),
    (simple(actor={"mbox": ADA, "openid": f"https://{SECRET}.org"}), "actor", "exactly one of"),
    (simple(verb={"id": SECRET}), "verb.id", "IRI"),
    (simple(verb={}), "verb.id", "is required"),
    ({"verb": {"id": VERBS[0]}, "object": {"id": ACTIVITIES[0]}}, "actor", "is required"),
    (simple(object={"id": SECRET}), "object.id", "IRI"),
    (simple(object={"objectType": SECRET, "id": ACTIVITIES[0]}), "object", "objectType"),
    (simple(id=SECRET), "id", "UUID"),
    (simple(timestamp=SECRET), "timestamp", "timestamp"),
    (simple(timestamp="2026-02-30T00:00:00Z"), "timestamp", "calendar"),
    (simple(result={"score": {"scaled": 1.5}}), "result.score.scaled", "at most 1"),
    (simple(result={"score": {"raw": 11, "min": 0, "max": 10}}), "result.score.raw", "greater than max"),
    (simple(result={"duration": SECRET}), "result.duration", "duration"),
    (simple(result={"success": SECRET}), "result.success", "true or false"),
    (simple(context={"registration": SECRET}), "context.registration", "UUID"),
    (simple(context={"language": "!" + SECRET}), "context.language", "language"),
    (simple(context={"extensions": {SECRET: 1}}), "context.extensions", "IRI"),
    (simple(verb={"id": VOIDED}), "object", "StatementRef"),
    (simple(**{SECRET: SECRET}), "statement", "does not know"),
    (simple(version=SECRET), "version", "version"),
    (SECRET, "statement", "must be an object"),
    ([[SECRET]], "[0]", "must be an object"),
    ([simple(), simple(actor={"mbox": SECRET})], "[1].actor.mbox", "mailto"),
]


@pytest.mark.parametrize(("body", "path", "rule"), REFUSED_STATEMENTS, ids=lambda one: str(one)[:40])
def test_an_invalid_statement_is_a_400_that_names_property_and_rule_and_no_value(
    world: World, body: Any, path: str, rule: str
) -> None:
    answer = world.acme.post("/xapi/statements", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "statement-invalid"
    assert answer.json()["message"].startswith(f"{path}: ")
    assert rule in answer.json()["message"]
    assert SECRET not in answer.text


def test_a_body_that_is_no_json_or_too_large_is_refused_and_422_never_occurs(world: World) -> None:
    json_type = {"Content-Type": "application/json"}
    nested = b"[" * 100_000
    lone = b'{"actor": "\\ud800"}'
    bad: list[tuple[bytes, dict[str, str], int]] = [
        (b"", json_type, 400),
        (b"null", json_type, 400),
        (f'{{"actor": "{SECRET}"'.encode(), json_type, 400),
        (b"\xff\xfe", json_type, 400),
        (b'{"result": NaN}', json_type, 400),
        (nested, json_type, 400),
        (lone, json_type, 400),
        (json.dumps(simple()).encode(), {"Content-Type": "text/plain"}, 400),
        (json.dumps(simple()).encode(), {"Content-Type": ""}, 400),
        (b" " * (16 * 1024 * 1024 + 1), json_type, 413),
    ]
    for content, headers, status in bad:
        for base in ("/xapi", "/xapi/1.0.3"):
            answer = world.acme.post(f"{base}/statements", content=content, headers=headers)
            assert answer.status_code == status, (content[:40], answer.text)
            assert SECRET not in answer.text
            assert answer.headers["content-type"] == "application/json"
    many = world.acme.post("/xapi/statements", json=[simple()] * 10_001)
    assert many.status_code == 413
    assert world.acme.post("/xapi/statements", params={"limit": 1}, json=simple()).status_code == 400


def test_elsewhere_errors_are_problem_documents(world: World) -> None:
    for path, status, code in (
        ("/nothing", 404, "not-found"),
        ("/reports/completion?limit=0", 400, "request-invalid"),
        (f"/reports/completion?limit={SECRET}", 400, "request-invalid"),
        (f"/reports/completion?learner={SECRET}", 400, "request-invalid"),
        (f"/reports/completion?more={SECRET}", 400, "request-invalid"),
        (f"/reports/completion?since={SECRET}", 400, "request-invalid"),
        (f"/reports/{SECRET}", 404, "not-found"),
        (f"/dsar/{UNKNOWN_ID}", 404, "not-found"),
    ):
        answer = world.acme.get(path)
        body = answer.json()
        assert (answer.status_code, body["status"], body["code"]) == (status, status, code), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["type"] == f"urn:lethe:problem:{code}"
        assert SECRET not in answer.text
    plain = world.acme.get("/xapi/nothing")
    assert (plain.status_code, plain.headers["content-type"]) == (404, "application/json")
    assert world.acme.delete("/xapi/statements").status_code == 405


def test_the_log_holds_no_person_no_secret_and_no_query_after_all_of_that(world: World) -> None:
    log = world.service.log()
    _, _, secret = base64.b64decode(basic(world.acme).partition(" ")[2]).decode().partition(":")
    for word in (SECRET, "secret.example.org", "Secretova", secret, "statementId", "Traceback", UNKNOWN_ID):
        assert word not in log, word
