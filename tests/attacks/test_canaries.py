"""Canaries: a person with a tell-tale word in every place where a person can stand or write.

It must not be found in clear, in any form, in any byte that the service keeps: not before the erasure, and not
after it. After it no key of the person is there either, nor in the memory of another process that had them.

On PostgreSQL that is every byte of the server: tables, indexes, the write-ahead log, and its own log, which is
told here to hold every statement with its parameters. What may be left there is a key as it was wrapped: until the
epoch closes, a copy of the vault from before the erasure opens with the key directory (SECURITY.md). The live
vault does not have it any more, and nothing opens.
"""

import base64
import hashlib
import json
import multiprocessing
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from backports import zstd

from lrs.adapters.vault import dictionary
from lrs.adapters.vault.known import SubjectKey
from lrs.bootstrap import System, build
from lrs.config import Settings
from lrs.domain.documents import Context, Resource
from lrs.domain.events import StatementWithAttachments
from tests.parts import attachment, body_of, content_type, part, statements_part
from tests.places import STORES, embedded, environment, on_postgres, vault_rows
from tests.postgres import Databases, Server
from tests.running import Service
from tests.subjects import COURSE, GRACE, Asking, Inside, Json, inside, read_when_told, statement

WORD = "Quetzalcoatlus"
ADDRESS = f"{WORD}.mbox@{WORD}.example.org"
SHA1 = hashlib.sha1(f"mailto:{ADDRESS}".encode(), usedforsecurity=False).hexdigest()
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# What is presented as a credential's key is looked up as it is: who has PostgreSQL log parameters, logs that.
LOOKED_UP = re.compile(rb"(?m)^[^\n]*FROM credential WHERE key = \$1\n[^\n]*DETAIL:[^\n]*\n")
ZSTD_BYTES_MAX = 1024 * 1024
DICTIONARIES = (
    None,
    *(zstd.ZstdDict(dictionary.dictionary(n).as_bytes()) for n in range(1, dictionary.LATEST + 1)),
)

BY_MBOX = {"objectType": "Agent", "name": f"{WORD} name", "mbox": f"mailto:{ADDRESS}"}
BY_SHA1 = {"objectType": "Agent", "name": f"{WORD} digest", "mbox_sha1sum": SHA1}
BY_ACCOUNT = {
    "objectType": "Agent",
    "account": {"homePage": f"https://{WORD}.example.org", "name": f"{WORD} account"},
}
BY_OPENID = {"objectType": "Agent", "openid": f"https://{WORD}.openid.example.org/"}
PERSON = (BY_MBOX, BY_ACCOUNT, BY_OPENID)  # by her sha1 she is the same subject as by her address


def her_statements(her: Json) -> list[Json]:
    """A statement for every place where somebody can stand or write."""
    wrote = {
        "response": f"{WORD} response",
        "extensions": {f"https://x.example.org/{WORD}": {WORD: [f"{WORD} in a list"]}},
    }
    session = "https://w3id.org/xapi/cmi5/context/extensions/sessionid"
    group = {"objectType": "Group", "name": f"{WORD} group", "member": [her, GRACE]}
    named = group | {"account": {"homePage": "https://x.example.org", "name": f"{WORD} group account"}}
    inner = {"objectType": "SubStatement", "actor": her, "verb": {"id": "http://x.example.org/v"}, "object": GRACE}
    verb = {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en": f"{WORD} display"}}
    activity = {"objectType": "Activity", "id": COURSE, "definition": {"name": {"en": f"{WORD} activity name"}}}
    return [
        statement(her, result=wrote, context={"extensions": {session: f"{WORD} session", f"http://{WORD}/": 1}}),
        statement(her, "launched", verb=verb, object=activity, context={"platform": f"{WORD} platform"}),
        statement(her, "planned", object=inner),
        statement(group, "met"),
        statement(GRACE, "met", context={"instructor": her, "team": named}),
        statement(GRACE, "praised", object=her),
    ]


# --- looking for it ------------------------------------------------------------------------------------------


def forms_of(secret: bytes) -> dict[str, bytes]:
    """The forms in which a secret would be found by somebody who looks for it."""
    forms = {"plain": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for shift in range(3):
        # Whole sextets that depend on nothing but the secret: what stands before and after it is left out.
        encoded = base64.b64encode(bytes(shift) + secret)
        first, last = -(-shift * 8 // 6), (shift + len(secret)) * 8 // 6
        forms[f"base64 at {shift}"] = encoded[first:last]
        forms[f"base64url at {shift}"] = encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))
    return forms


def words() -> dict[str, bytes]:
    """Every form of the word and of the address's digest."""
    found = forms_of(WORD.encode()) | {"lower": WORD.lower().encode(), "upper": WORD.upper().encode()}
    found |= {name: WORD.encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-le")}
    found |= {f"sha1 {form}": value for form, value in forms_of(SHA1.encode()).items()}
    return found | {f"raw sha1 {form}": value for form, value in forms_of(bytes.fromhex(SHA1)).items()}


def keys_of(keys: list[bytes]) -> dict[str, bytes]:
    """Every form of raw keys."""
    return {f"key {n} {form}": v for n, key in enumerate(keys) for form, v in forms_of(key).items()}


def found_in(data: bytes, wanted: dict[str, bytes]) -> set[str]:
    """The forms that are there, in clear or in what zstd packed."""
    parts = [data, *unpacked(data)]
    return {form for form, secret in wanted.items() if any(secret in part for part in parts)}


def unpacked(data: bytes) -> Iterator[bytes]:
    """What every zstd frame in the data holds, as far as it can be read, whatever dictionary it was made with."""
    at = data.find(ZSTD_MAGIC)
    while at >= 0:
        for known in DICTIONARIES:
            with suppress(zstd.ZstdError):
                yield zstd.ZstdDecompressor(known).decompress(data[at:], max_length=ZSTD_BYTES_MAX)
        at = data.find(ZSTD_MAGIC, at + 1)


def bytes_of(path: Path) -> bytes:
    """What is in a file; of a server's log, all that it does not have from a look for a credential."""
    return LOOKED_UP.sub(b"", path.read_bytes()) if path.name == "log" else path.read_bytes()


def found_under(*roots: Path, wanted: dict[str, bytes]) -> dict[str, set[str]]:
    """In which file under these folders which forms are there; the service's log lies there, too."""
    files = [(path, root) for root in roots for path in root.rglob("*") if path.is_file()]
    found: dict[str, set[str]] = {}
    for path, root in files:
        with suppress(FileNotFoundError):  # the server takes its own temporary files away
            found[str(path.relative_to(root))] = found_in(bytes_of(path), wanted)
    return {name: forms for name, forms in found.items() if forms}


@pytest.mark.parametrize(
    "planted",
    [
        f"before {WORD} after".encode(),
        f"before {WORD} after".encode("utf-16-le"),
        f"before {WORD} after".encode("utf-16-be"),
        f"before {WORD} after".encode().hex().encode(),
        base64.b64encode(f"{WORD} after".encode()),
        base64.b64encode(f" {WORD} after".encode()),
        base64.urlsafe_b64encode(f"  {WORD} after".encode()),
        b"before" + zstd.compress(f"before {WORD} after".encode() * 3) + b"after",
        b"before" + dictionary.compress(b'{"name":"%s"}' % WORD.encode() + b"and more of the same text" * 9),
        b"before" + dictionary.compress(SHA1.encode()) + b"after",
        SHA1.encode(),
        bytes.fromhex(SHA1),
    ],
)
def test_the_search_finds_what_is_planted(tmp_path: Path, planted: bytes) -> None:
    (tmp_path / "planted").write_bytes(b"\0" * 100 + planted + b"\0" * 100)
    assert found_under(tmp_path, wanted=words()).keys() == {"planted"}
    (tmp_path / "planted").write_bytes(b"\0" * 100)
    assert found_under(tmp_path, wanted=words()) == {}


# --- the errors that she meets --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """A request that is refused."""

    method: str
    path: str
    json: object = None
    content: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    auth: tuple[str, str] | None = None


def query(path: str, **parameters: str) -> Wrong:
    """A GET with these parameters."""
    return Wrong("GET", str(httpx2.URL(path, params=parameters)))


BAD_STATEMENTS: list[Json] = [
    statement(BY_MBOX, verb={"id": f"{WORD} is no IRI"}),
    statement(BY_MBOX | {f"{WORD}": 1}),
    statement(BY_MBOX | {"mbox": ADDRESS}),
    statement(BY_MBOX | {"account": {"homePage": WORD, "name": WORD}}),
    statement(BY_SHA1 | {"mbox_sha1sum": f"{SHA1}0"}),
    statement(BY_OPENID | {"openid": WORD}),
    statement(BY_MBOX, result={"score": {"scaled": f"{WORD}"}, "response": WORD}),
    statement(BY_MBOX, result={"extensions": {WORD: 1}}),
    statement(BY_MBOX, result={"duration": WORD}),
    statement(BY_MBOX, context={"registration": WORD, "instructor": BY_ACCOUNT}),
    statement(BY_MBOX, verb={"id": "http://x.example.org/v", "display": {WORD: WORD}}),
    statement(BY_MBOX, timestamp=WORD),
    statement(BY_MBOX, id=WORD),
    statement(BY_MBOX, object={"objectType": WORD, "id": COURSE}),
    statement({"objectType": "Group", "member": [BY_MBOX | {"mbox": WORD}]}),
]

AGENT = json.dumps(BY_MBOX)
PARTS = (("Content-Type", f"multipart/mixed; boundary={WORD}"),)
REQUESTS: list[Wrong] = [
    *(Wrong("POST", "/xapi/statements", one) for one in BAD_STATEMENTS),
    Wrong("POST", "/xapi/statements", [statement(GRACE), *BAD_STATEMENTS]),
    Wrong("POST", "/xapi/statements", content=b'{"actor": "' + WORD.encode()),
    Wrong("POST", f"/xapi/statements?{WORD}={WORD}", statement(BY_MBOX)),
    Wrong("POST", "/xapi/statements", content=WORD.encode(), headers=(("Content-Type", f"text/{WORD}"),)),
    Wrong("PUT", f"/xapi/statements?statementId={WORD}", statement(BY_MBOX)),
    Wrong("PUT", f"/xapi/statements?statementId={uuid4()}", statement(BY_MBOX)),
    Wrong("GET", "/xapi/statements", headers=(("X-Experience-API-Version", WORD),)),
    Wrong("POST", "/xapi/statements?method=PUT", content=f"content={WORD}&statementId={WORD}".encode()),
    Wrong("POST", f"/xapi/statements?method={WORD}", content=f"{WORD}={WORD}".encode()),
    Wrong("POST", "/xapi/statements?method=GET", content=f"agent={WORD}&{WORD}={WORD}".encode()),
    *(
        Wrong("POST", "/xapi/statements", content=body, headers=PARTS)
        for body in (WORD.encode(), f"--{WORD}\r\n{WORD}: {WORD}\r\n\r\n{WORD}\r\n--{WORD}--".encode())
    ),
    *(
        query("/xapi/statements", **{name: WORD})
        for name in ("statementId", "agent", "verb", "since", "registration", "limit", "format", "cursor", WORD)
    ),
    query("/xapi/statements", agent=json.dumps(BY_MBOX | {"mbox": ADDRESS})),
    query("/xapi/activities/state", agent=AGENT, activityId=WORD, stateId=WORD),
    query("/xapi/activities/state", agent=AGENT, activityId=COURSE, stateId=WORD),
    query("/xapi/activities/state", agent=AGENT, activityId=COURSE, registration=WORD),
    query("/xapi/activities/state", agent=AGENT, activityId=COURSE, since=WORD),
    query("/xapi/agents/profile", agent=json.dumps(BY_MBOX | {WORD: WORD}), profileId=WORD),
    query("/xapi/activities/profile", activityId=COURSE, profileId=WORD, **{WORD: WORD}),
    query("/xapi/agents", agent=json.dumps(BY_MBOX | {"mbox": ADDRESS})),
    query("/xapi/agents", agent=WORD),
    query("/xapi/activities", activityId=WORD),
    Wrong("PUT", f"/xapi/agents/profile?profileId={WORD}", {WORD: WORD}),
    Wrong("POST", f"/xapi/activities/profile?activityId=http://{WORD}/&profileId={WORD}",
          content=f'{{"{WORD}":'.encode()),
    Wrong("DELETE", f"/xapi/agents/profile?agent={WORD}"),
    query("/xapi/statements", agent=AGENT, ascending=WORD),
    query("/xapi/statements", agent=AGENT, statementId=str(uuid4())),
    *(query("/reports/completion", **{name: WORD}) for name in ("learner", "since", "limit", "more", "format")),
    query("/reports/completion", learner=json.dumps(BY_ACCOUNT | {WORD: WORD})),
    query(f"/reports/{WORD}"),
    Wrong("GET", f"/{WORD}"),
    Wrong("GET", f"/{WORD}//{WORD}?agent={WORD}"),
    Wrong("DELETE", f"/xapi/statements?agent={WORD}"),
    Wrong("GET", f"/dsar/{WORD}"),
    Wrong("GET", f"/dsar/{WORD}/package?agent={WORD}"),
    Wrong("GET", f"/dsar?after={WORD}"),
    Wrong("POST", "/dsar/erase", {"agent": BY_MBOX | {"mbox": ADDRESS}}),
    Wrong("POST", "/dsar/erase", {"agent": {"name": WORD}, "reason": WORD}),
    Wrong("POST", "/dsar/export", {"agent": BY_MBOX, WORD: WORD}),
    Wrong("POST", "/dsar/export", {"agent": WORD}),
    Wrong("POST", f"/dsar/{WORD}", {"agent": BY_MBOX}),
    Wrong("POST", "/llm/exchanges", {"actor": {"name": WORD}, "request": {"model": "m", "messages": []},
                                     "response": {"type": "message"}}),
    Wrong("POST", "/llm/exchanges", {"actor": BY_MBOX, "request": {"model": [WORD], "messages": WORD},
                                     "response": {"type": {WORD: WORD}}}),
    Wrong("POST", "/llm/exchanges", {"actor": BY_MBOX, WORD: WORD}),
    Wrong("POST", "/llm/exchanges", {"actor": BY_MBOX, "request": {"model": "m", "messages": []},
                                     "response": {"type": "message"}, "started_at": WORD, "activity": WORD}),
    Wrong("GET", "/xapi/statements", auth=(WORD, WORD)),
    Wrong("GET", f"/dsar?agent={WORD}", headers=(("Authorization", f"Bearer {WORD}"),)),
]  # fmt: skip


def answered(http: httpx2.Client, wrong: Wrong) -> httpx2.Response:
    """The answer to a wrong request."""
    headers = {"Content-Type": "application/json"} | dict(wrong.headers)
    content = wrong.content if wrong.json is None else json.dumps(wrong.json).encode()
    auth = wrong.auth or (None if "Authorization" in headers else http.auth)
    return http.request(
        wrong.method, wrong.path, content=content, headers=headers, auth=auth, follow_redirects=False
    )


def send_files(http: httpx2.Client, her: Json) -> None:
    """Two files of hers, one of them a form in the alternate syntax, and one that is refused."""
    essay = f"{WORD} essay ".encode() * 10_000
    said = statement(her, attachments=[attachment(essay, display={"en": f"{WORD} file"})])
    for body, status in (
        (body_of(statements_part(said), part(essay)), 200),
        (body_of(statements_part(said), part(essay + b"!", X_Experience_API_Hash=attachment(essay)["sha2"])), 400),
        (body_of(statements_part(said), part(essay, X_Secret=WORD), part(WORD.encode())), 400),
    ):
        answer = http.post("/xapi/statements", content=body, headers=content_type())
        assert answer.status_code == status, answer.text
        assert WORD not in answer.text
    written = statement(her, "wrote")
    form = {"content": json.dumps(written), "statementId": written["id"]}
    assert http.post("/xapi/statements?method=PUT", data=form).status_code == 204


def check_refusals(http: httpx2.Client) -> None:
    """Every wrong request is refused, and nothing of it is said again."""
    for wrong in REQUESTS:
        answer = answered(http, wrong)
        assert 400 <= answer.status_code < 500, (wrong, answer.status_code, answer.text)
        said = (answer.text + str(answer.headers.raw)).lower()
        assert WORD.lower() not in said, (wrong, said)
        assert SHA1 not in said, (wrong, said)


# --- her whole life in a service -----------------------------------------------------------------------------


def let_her_live(acme: Asking) -> Json:
    """She is recorded, reported, exported and asked for, and meets every error; her export's request."""
    for her in (BY_MBOX, BY_SHA1, BY_ACCOUNT, BY_OPENID):
        acme.post(*her_statements(her))
        send_files(acme.http, her)
        assert len(acme.found_by(her)) >= 6
        acme.found(agent=json.dumps(her), limit="1")
        acme.ask_model(
            {
                "id": f"{WORD} {uuid4()}",
                "actor": her,
                "request": {
                    "model": WORD,
                    "messages": [{"role": "user", "content": f"{WORD} prompt"}],
                    WORD: WORD,
                },
                "response": {"type": "message", "content": [{"type": "text", "text": f"{WORD} answer"}]},
            }
        )
        keep_her_documents(acme.http, her)
    report = acme.http.get("/reports/completion", params={"format": "csv", "wait": "20"})
    assert WORD in report.text
    assert acme.http.get("/reports/progress", params={"learner": json.dumps(BY_ACCOUNT)}).json()["rows"]
    taken = statement(BY_MBOX, result={"response": WORD})
    acme.post(taken)
    assert acme.http.post("/xapi/statements", json=taken | {"actor": BY_ACCOUNT}).status_code == 409
    check_refusals(acme.http)
    export = acme.request("export", *PERSON, reason=f"{WORD} asked for it")
    acme.done(export)
    package = acme.package(export)
    assert all(WORD.encode() in package.read(name) for name in package.namelist())
    return export


def keep_her_documents(http: httpx2.Client, her: Json) -> None:
    """Her state and her profile, each with the word in all that is told, stored twice and looked up; one is gone
    again, and one request is refused."""
    who = {"agent": json.dumps(her)}
    state = who | {"activityId": f"https://{WORD}.example.org/course", "registration": str(uuid4())}
    for path, names, name in (
        ("/xapi/activities/state", state, "stateId"),
        ("/xapi/agents/profile", who, "profileId"),
    ):
        for document in (f"{WORD} kept", f"{WORD} gone"):
            one = names | {name: document}
            for content in ({WORD: f"{WORD} content"}, {"more": f"{WORD} more", SHA1: ADDRESS}):
                assert http.post(path, params=one, json=content).status_code == 204
            headers = {"Content-Type": f"text/{WORD}"}
            assert http.post(path, params=one, content=WORD.encode(), headers=headers).status_code == 400
            assert WORD in http.get(path, params=one).text
        assert http.delete(path, params=names | {name: f"{WORD} gone"}).status_code == 204
        assert http.get(path, params=names).json() == [f"{WORD} kept"]
    assert http.get("/xapi/agents", params=who).json()["objectType"] == "Person"
    found = http.get("/xapi/activities", params={"activityId": COURSE}).json()
    assert found["definition"]["name"] == {"en": f"{WORD} activity name"}


def her_keys(system: System, acme: Inside) -> list[bytes]:
    """Her raw data keys, from the memory of a vault that has just used them all."""
    subjects = {acme.known(her) for her in PERSON}
    store = system.tenants.store("acme")
    bodies = system.opener.bodies(store, store.statements.read(0, 10_000))
    with_files = [one.event for one in bodies if isinstance(one.event, StatementWithAttachments)]
    assert system.attached.attachments.found("acme", with_files)
    newest = store.statements.newest_agents(subjects)
    system.opener.agents(store, [(subject, n) for subject, last in newest.items() for n in range(2, last + 1)])
    for her in PERSON:
        listed = system.documents.listed("acme", Context(Resource.AGENT_PROFILE, her))
        assert listed.ids == [f"{WORD} kept"]
    states = system.vault._known.by_kid.values()
    return [state.key.raw for state in states if isinstance(state, SubjectKey) and state.subject in subjects]


@dataclass(frozen=True)
class Kept:
    """A service, every folder in which something of it is kept, and what its files are called."""

    service: Service
    roots: tuple[Path, ...]
    names: set[str]
    server: Server | None = None

    def found(self, wanted: dict[str, bytes]) -> dict[str, set[str]]:
        """Where which forms are."""
        if self.server is not None:
            with psycopg.connect(self.server.dsn, autocommit=True) as connection:
                connection.execute("CHECKPOINT")  # what is in its memory gets into its files
        return found_under(*self.roots, wanted=wanted)


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """A running service with the tenant acme, on a server of its own."""
    names = {"service.log", "root.key"}
    if request.param == "sqlite":
        place, server = embedded(tmp_path / "data"), None
        made = Kept(serving(place), (tmp_path,), names | {"vault.db", "acme.db", "acme.db-wal", "control.db"})
    else:
        server = Server("log_statement=all", "log_parameter_max_length=-1", "log_min_messages=info").make()
        place = on_postgres(tmp_path / "data", Databases(server.dsn))
        made = Kept(serving(place), (tmp_path, server.folder), names | {"base", "pg_wal", "log"}, server)
    yield made
    made.service.kill()
    if server is not None:
        server.remove()


def serving(place: Settings) -> Service:
    """A running service there."""
    service = Service(place.data_dir, environment=environment(place))
    service.lrs("tenant", "create", "acme")
    service.start()
    return service


def wrapped_keys(place: Settings) -> set[bytes]:
    """All data keys of the tenant as the live vault holds them."""
    return {row[0] for row in vault_rows(place, "SELECT wrapped FROM data_key WHERE tenant = 'acme'")}


def test_a_persons_name_words_and_keys_are_found_nowhere_before_and_after_the_erasure(kept: Kept) -> None:
    service = kept.service
    with service.client(service.credential("acme")) as http:
        acme = Asking(http)
        export = let_her_live(acme)
        assert {path.name for root in kept.roots for path in root.rglob("*")} >= kept.names
        assert kept.found(words()) == {}
        system = build(service.settings)
        try:
            keys = her_keys(system, inside(system))
        finally:
            system.close()
        # identity, learning, documents, attachments and exchange, for each of her three subjects: the keys are
        # sealed, too.
        assert len(keys) == 15
        assert kept.found(keys_of(keys)) == {}
        wrapped = wrapped_keys(service.settings)
        erasure = acme.request("erase", *PERSON, reason=f"{WORD} asked for it")
        assert acme.done(erasure)["detail"] == {"subjects_erased": 3}
        assert len(wrapped - wrapped_keys(service.settings)) == 15
        assert kept.found(words() | keys_of(keys)) == {}
        check_nothing_is_said_of_her(acme, export, erasure)
        check_refusals(http)
        service.stop()
        assert kept.found(words() | keys_of(keys)) == {}
    assert WORD.lower() not in service.log().lower()


@pytest.mark.parametrize("kept", ["postgres"], indirect=True)
def test_the_search_of_the_server_finds_what_a_client_writes_there(kept: Kept) -> None:
    """Else it would prove nothing: in a table, in the write-ahead log and in the log of statements."""
    assert kept.server is not None
    with psycopg.connect(kept.server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE told (word TEXT)")
        connection.execute("INSERT INTO told VALUES (%s)", (f"before {WORD} after",))
    places = {name.split("/")[0] if name == "log" else name.split("/")[1] for name in kept.found(words())}
    assert places == {"log", "base", "pg_wal"}


def check_nothing_is_said_of_her(acme: Asking, export: Json, erasure: Json) -> None:
    """No answer names her any more, whatever is asked."""
    answers = [
        acme.http.get("/xapi/statements", params={"limit": "500"}),
        acme.http.get("/reports/completion", params={"wait": "20"}),
        acme.http.get("/reports/progress", params={"format": "csv"}),
        acme.http.get("/dsar"),
        *(acme.http.get(f"/dsar/{one['id']}{part}") for one in (export, erasure)
          for part in ("", "/certificates", "/package")),
    ]  # fmt: skip
    group = f"{WORD} group"  # its own subject, and her learners' free text about it: neither is hers
    for answer in answers:
        assert WORD not in answer.text.replace(group, ""), answer.text
    assert [acme.found_by(her) for her in PERSON] == [[]] * 3
    for her in PERSON:
        who = {"agent": json.dumps(her)}
        assert acme.http.get("/xapi/agents/profile", params=who).json() == []
        assert acme.http.get("/xapi/activities/state", params=who | {"activityId": COURSE}).json() == []
        one = acme.http.get("/xapi/agents/profile", params=who | {"profileId": f"{WORD} kept"})
        assert (one.status_code, WORD in one.text) == (404, False)
    assert WORD not in acme.http.get("/xapi/activities", params={"activityId": COURSE}).text
    assert len(acme.found_by(GRACE)) == 12  # hers: three each time, for whoever stood with her


def test_another_process_that_had_her_key_can_not_read_after_the_erasure(system: System) -> None:
    acme = inside(system)
    hers = statement(BY_MBOX, result={"response": f"{WORD} response"})
    acme.post(hers)
    ours, theirs = multiprocessing.Pipe()
    reader = multiprocessing.get_context("spawn").Process(
        target=read_when_told, args=(system.settings, UUID(hers["id"]), theirs)
    )
    reader.start()
    try:
        ours.send(True)
        assert f"{WORD} response" in ours.recv()
        acme.ran("erase", BY_MBOX)
        ours.send(True)
        assert ours.recv() == "not-found"
    finally:
        ours.send(False)
        reader.join()
    assert reader.exitcode == 0


def test_a_process_that_reads_past_the_index_gets_no_more_than_that_it_is_erased(system: System) -> None:
    """The key was in its memory and the ciphertext still is: the fence is read before either is used."""
    acme = inside(system)
    acme.post(statement(BY_MBOX))
    other = build(system.settings)
    try:
        store = other.tenants.store("acme")
        recorded = store.statements.read(0, 100)
        refs = [(acme.known(BY_MBOX), 2)]
        assert other.opener.agents(store, refs) == {refs[0]: BY_MBOX}
        assert [one.body is not None for one in other.opener.bodies(store, recorded)] == [True]
        acme.ran("erase", BY_MBOX)
        assert [type(one.outcome).__name__ for one in other.opener.bodies(store, recorded)] == ["Erased"]
        assert other.opener.agents(store, refs) == {refs[0]: None}
        assert keys_in_memory(other) == []
    finally:
        other.close()


def keys_in_memory(system: System) -> list[SubjectKey]:
    """The data keys that a vault holds."""
    return [state for state in system.vault._known.by_kid.values() if isinstance(state, SubjectKey)]


@pytest.mark.parametrize("path", ["/xapi/statements/", "/dsar/", "/reports/completion/"])
def test_a_slash_too_many_does_not_send_the_query_string_back_in_a_header(system: System, path: str) -> None:
    answer = inside(system).http.get(path, params={"agent": AGENT}, follow_redirects=False)
    assert WORD not in str(answer.headers.raw)
