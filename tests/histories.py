"""Histories of a tenant, drawn at random, and what its store holds after them: all that there can be beside a log.

Statements of both versions with groups, sub-statements, attachments; references and voidings that come before and
after what they are about; documents that are stored, merged and deleted; exchanges; requests; erasures; years that
pass and expire.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import strategies as st

from lrs.adapters.vault import expiring
from lrs.bootstrap import System
from lrs.documenting.changes import Change
from lrs.domain.agents import Identifier, identifier_of
from lrs.domain.documents import Conditions, Content, Context, Method, Resource
from lrs.domain.errors import DocumentConflict, PreconditionFailed
from lrs.domain.events import BlobName
from lrs.domain.filters import SENDER
from lrs.domain.policies import EXPIRING, Policy
from lrs.domain.requests import Kind, Status
from lrs.domain.sealing import Category
from lrs.domain.statements import VOIDED
from lrs.ports import Generation, Kept, TenantStore
from lrs.projections.learning import LEARNING
from lrs.projections.runner import VIEWS, catch_up, step
from lrs.recording.drafts import Attached, Draft, exchange_draft, exchange_stream, statement_draft
from lrs.recording.recorder import Recorder
from lrs.retrieving import Query
from retention.expiry import Expirer
from tests.places import PUBLIC_URL, Rows
from tests.strategies import agents, statements
from tests.subjects import agent

NUMBERS = st.integers(0, 9)  # each is a statement, whose id comes from it
PEOPLE = ("ada", "grace", "alan")
VERSIONS = st.sampled_from(["1.0.3", "2.0.0"])
YEARS = st.integers(2021, 2023)
COURSE = "https://example.com/activities/1"
REGISTRATION = "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01"
GROUP = {"objectType": "Group", "member": [agent(name) for name in PEOPLE]}
Operation = tuple[str, Any]
Said = dict[str, Any]

_actors = st.one_of(st.sampled_from(PEOPLE).map(agent), st.just(GROUP), agents())
_of_ours = st.fixed_dictionaries(
    {
        "actor": _actors,
        "verb": st.just({"id": "http://adlnet.gov/expapi/verbs/completed"}),
        "object": st.one_of(
            st.just({"id": COURSE}),
            st.sampled_from(PEOPLE).map(agent),
        ),
        "context": st.fixed_dictionaries(
            {},
            optional={
                "instructor": st.sampled_from(PEOPLE).map(agent),
                "registration": st.sampled_from([REGISTRATION, REGISTRATION.upper()]),
            },
        ),
    }
)


def _about(verb: str) -> st.SearchStrategy[Said]:
    """About another statement, which is a number here."""
    target = NUMBERS.map(lambda number: {"objectType": "StatementRef", "id": number})
    return st.fixed_dictionaries({"actor": _actors, "verb": st.just({"id": verb}), "object": target})


_records = st.tuples(
    NUMBERS,
    st.one_of(
        _of_ours,
        _of_ours,
        _about(VOIDED),
        _about("http://example.com/verbs/confirmed"),
        statements("1.0.3"),
        statements("2.0.0"),
    ),
    st.fixed_dictionaries({"files": st.lists(st.booleans(), max_size=2), "narrow": st.booleans()}),
)
_documents = st.tuples(
    st.sampled_from([*Method]),
    st.sampled_from([*Resource]),
    st.sampled_from(PEOPLE),
    st.sampled_from(["one", "two"]),
    st.sampled_from([None, REGISTRATION]),
)
HISTORIES = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(_records, min_size=1, max_size=4)),
        st.tuples(st.just("record"), st.lists(_records, min_size=1, max_size=4)),
        st.tuples(st.just("document"), _documents),
        st.tuples(st.just("exchange"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("erase"), st.integers(0, 30)),
        st.tuples(st.just("ask"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("year"), YEARS),
        st.tuples(st.just("hold"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("expire"), st.tuples(st.sampled_from(EXPIRING), YEARS)),
        st.tuples(st.just("expire"), st.tuples(st.just(Category.LEARNING), YEARS)),
        st.tuples(st.just("beside"), st.integers(1, 5)),
        st.tuples(st.just("fold"), st.none()),
    ),
    min_size=4,
    max_size=20,
)


@dataclass
class SetClock:
    """A clock that shows what it is set to."""

    time: datetime = field(default_factory=lambda: datetime(2022, 5, 5, tzinfo=UTC))

    def now(self) -> datetime:
        """That time."""
        return self.time


def recording_at(system: System, clock: SetClock) -> Recorder:
    """A recorder that lives at that time."""
    return Recorder(system.tenants, system.vault, system.opener, clock)


@dataclass
class History:
    """A tenant to which things happen."""

    system: System
    tenant: str
    wide: UUID
    narrow: UUID
    met: dict[Identifier, Said] = field(default_factory=dict)
    activities: set[str] = field(default_factory=lambda: {COURSE})
    recorded: set[int] = field(default_factory=set)
    count: int = 0
    held: set[UUID] = field(default_factory=set)
    begun: Generation | None = None
    clock: SetClock = field(default_factory=SetClock)

    def __post_init__(self) -> None:
        self.recorder = recording_at(self.system, self.clock)

    @classmethod
    def begin(cls, system: System, name: str) -> "History":
        """A new tenant with two credentials, of which one sees only what it sent."""
        tenant = system.tenants.create(name)
        wide = system.credentials.issue(tenant, ["all"]).row.id
        narrow = system.credentials.issue(tenant, ["statements/write", "statements/read/mine"]).row.id
        return cls(system, tenant, wide, narrow)

    @property
    def store(self) -> TenantStore:
        return self.system.tenants.store(self.tenant)

    def do(self, happened: Sequence[Operation]) -> None:
        """All of it, in order."""
        for name, value in happened:
            getattr(self, name)(value)

    def id_of(self, number: int) -> UUID:
        return uuid5(UUID(int=0), f"{self.tenant} {number}")

    # --- what happens ----------------------------------------------------------------------------------------

    def record(self, records: Sequence[tuple[int, Said, Said]]) -> None:
        drafts = {number: self._draft(number, said, how) for number, said, how in records}
        drafts = {number: draft for number, draft in drafts.items() if number not in self.recorded}
        if drafts:
            self.recorder.record(self.tenant, list(drafts.values())).result(30)
        self.recorded |= drafts.keys()

    def _draft(self, number: int, said: Said, how: Said) -> Draft:
        if isinstance(said["object"].get("id"), int):
            said = said | {"object": said["object"] | {"id": str(self.id_of(said["object"]["id"]))}}
        version = "2.0.0" if "contextAgents" in said.get("context", {}) else "1.0.3"
        authority = self.narrow if how["narrow"] else self.wide
        draft = statement_draft(
            said, self.id_of(number), version=version, authority=authority, public_url=PUBLIC_URL
        )
        if how["narrow"]:
            draft = draft._replace(terms=(*draft.terms, (SENDER, authority.hex)))
        self.met |= {mention.identifier: mention.agent for mention in draft.parts.mentions}
        self.activities |= {value for kind, value in draft.terms if kind in "oc"}
        return draft._replace(attachments=tuple(self._file(signs) for signs in how["files"]))

    def _file(self, signs: bool) -> Attached:
        """An attachment whose blob nobody will ask for."""
        self.count += 1
        name = BlobName(uuid5(UUID(int=1), f"{self.tenant} {self.count}").bytes)
        return Attached(Kept(name, bytes(32), bytes(32), 4), f"{self.count:064x}", "text/plain", 4, signs)

    def document(self, how: tuple[Method, Resource, str, str, str | None]) -> None:
        method, resource, name, document_id, registration = how
        who = None if resource is Resource.ACTIVITY_PROFILE else agent(name)
        activity = None if resource is Resource.AGENT_PROFILE else COURSE
        context = Context(resource, who, activity, registration if resource is Resource.STATE else None)
        self.count += 1
        sent = None if method is Method.DELETE else Content("application/json", b'{"n":%d}' % self.count)
        conditions = Conditions.of("*" if method is Method.DELETE else None, None)
        change = Change(method, context, document_id, "2.0.0", conditions, self.wide, sent)
        with suppress(PreconditionFailed, DocumentConflict):  # as it may be
            self.system.document_writer.change(self.tenant, change)

    def exchange(self, name: str) -> None:
        self.count += 1
        caller_id = f"exchange {self.count}"
        said = {"actor": agent(name), "request": {"n": self.count}, "response": {}}
        stream = uuid5(exchange_stream(caller_id), self.tenant)
        draft = exchange_draft(said, caller_id, stream, authority=self.wide, public_url=PUBLIC_URL)
        self.recorder.record(self.tenant, [draft]).result(30)

    def erase(self, number: int) -> None:
        known = [*self.met]
        if known:
            one = known[number % len(known)]
            rights = self.system.rights
            request = rights.open(self.tenant, Kind.ERASE, [one], reason="they asked")
            rights.run_next(self.tenant, request.id)
            assert rights.get(self.tenant, request.id).status is Status.DONE

    def ask(self, name: str) -> None:
        """A request that nobody works on."""
        identifier = identifier_of(agent(name))
        assert identifier is not None
        self.system.rights.open(self.tenant, Kind.EXPORT, [identifier])

    def year(self, year: int) -> None:
        """What comes from now on is received in that year."""
        self.clock.time = self.clock.time.replace(year=year)

    def hold(self, name: str) -> None:
        """From now on no key of this person expires."""
        identifier = identifier_of(agent(name))
        assert identifier is not None
        self.held |= set(self.system.vault.read(self.tenant).lookup([identifier]).values())

    def expire(self, how: tuple[Category, int]) -> None:
        """A day after the end of a year, with nothing of a category kept for longer than that."""
        category, year = how
        self.system.tenants.decide(self.tenant, Policy(retention_days={category: 1}))
        with self.holding():
            self.expirer(datetime(year + 1, 1, 2, tzinfo=UTC)).run(self.tenant)

    def expirer(self, now: datetime) -> Expirer:
        """Expires as it would then."""
        return replace(self.system.expirer, clock=SetClock(now))

    @contextmanager
    def holding(self) -> Iterator[None]:
        """As if the vault knew who is held."""
        spelled = "'\\x{}'" if self.system.settings.database_url else "x'{}'"
        listed = ",".join(spelled.format(one.hex) for one in self.held)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(expiring, "_NOT_KEPT", f" AND subject NOT IN ({listed})" if listed else "")
            yield

    def beside(self, events: int) -> None:
        """Another generation of the view, which comes a little further each time."""
        if self.begun is None:
            self.begun = self.store.views.begin(LEARNING.name)
        moved = step(self.store, self.system.opener, [self.begun], events)
        self.begun = moved[0] if moved else self.begun

    def finished_beside(self) -> list[tuple[Any, ...]] | None:
        """What it says at the end of the log."""
        if self.begun is None:
            return None
        self.fold()
        while moved := step(self.store, self.system.opener, [self.begun]):
            (self.begun,) = moved
        return list(self.store.views.dump(self.begun))

    def fold(self, _: None = None) -> None:
        catch_up(self.store, self.system.opener)

    # --- what can be asked -----------------------------------------------------------------------------------

    def queries(self) -> list[Query]:
        """A question for every filter."""
        asked = [Query(), Query(ascending=True), Query(authority=self.narrow), Query(registration=REGISTRATION)]
        asked += [Query(verb=VOIDED), Query(verb="http://adlnet.gov/expapi/verbs/completed")]
        for identifier in self.met:
            asked += [Query(agent=identifier), Query(agent=identifier, related_agents=True)]
        for activity in self.activities:
            asked += [Query(activity=activity), Query(activity=activity, related_activities=True)]
        return asked


# What is beside the log, and what of it is told. The claim of a request lapses with the process that held it.
TABLES = {
    "head": "generation, position, erasure_sequence",
    "setting": "*",
    "statement": "*",
    "term": "*",
    "reference": "*",
    "inherited": "*",
    "blob": "*",
    "voided": "*",
    "agent": "*",
    "document": "*",
    "request": "id, kind, status, requested_at",
    "tombstone": "*",
    "alarm": "*",
}


def dump(rows: Callable[[str], Rows]) -> dict[str, Rows]:
    """Every table in canonical order."""
    return {table: sorted(rows(f"SELECT {columns} FROM {table}"), key=repr) for table, columns in TABLES.items()}


def views(store: TenantStore) -> dict[str, list[tuple[Any, ...]]]:
    """Every view in canonical order."""
    return {view: list(store.views.dump(store.views.live(view))) for view in VIEWS}
