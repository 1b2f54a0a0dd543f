"""Retrieving statements: one by its id, or pages by filters (xAPI 1.0.3 Communication 2.1.3).

1. Filters become blinded terms; people become subjects first. Somebody unknown has no statements.
2. The store gives a page of positions in one snapshot, with the head of that snapshot.
3. The page's seals are opened in one go; what was erased or may not be read is not there.
4. ``more`` is the position where the page ended, with the query it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from lrs.domain.agents import Identifier
from lrs.domain.errors import NotFound
from lrs.domain.events import StatementRecorded, StatementWithAttachments
from lrs.domain.filters import EXACT, OBJECT, OTHER_ACTIVITY, OWNER, REGISTRATION, RELATED, SENDER, VERB
from lrs.domain.instants import timestamp_text
from lrs.opening import Opened, Opener, check_not_corrupt
from lrs.ports import Clock, Selection, TenantStore, Vault
from lrs.tenancy import Tenants

PAGE_MAX = 500
PAGE_DEFAULT = 100
# A page whose statements are mostly unreadable is filled up from the next ones, this often at most.
_REFILLS_MAX = 20


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Identifiers and IRIs as sent; times in microseconds UTC; ``after`` is a position."""

    agent: Identifier | None = None
    related_agents: bool = False
    verb: str | None = None
    activity: str | None = None
    related_activities: bool = False
    registration: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    ascending: bool = False
    limit: int = PAGE_DEFAULT
    after: int | None = None
    authority: UUID | None = None  # only what this credential sent (statements/read/mine)


@dataclass(slots=True)
class Page:
    """Statements in order, where the next page begins (None: this is the last), and until when it is true: every
    statement stored before that (microseconds, UTC) was there to be read. None where nothing had to be read: then
    whatever the head said before holds."""

    statements: list[dict[str, Any]] = field(default_factory=list)
    after: int | None = None
    consistent_through: int | None = None
    with_attachments: list[StatementWithAttachments] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Retriever:
    """Reads statements of tenants."""

    tenants: Tenants
    vault: Vault
    opener: Opener
    clock: Clock

    def consistent_through(self, tenant: str) -> str:
        """Every statement stored before this time can be read now."""
        return timestamp_text(self.tenants.store(tenant).statements.head(self.clock.now()).stored_us)

    def one(
        self, tenant: str, statement: UUID, *, voided: bool = False, authority: UUID | None = None
    ) -> dict[str, Any]:
        """The statement of this id, if it is live and (not) voided. NotFound for all else, erased included."""
        return self.single(tenant, statement, voided=voided, authority=authority).statements[0]

    def single(self, tenant: str, statement: UUID, *, voided: bool = False, authority: UUID | None = None) -> Page:
        """The same as a page of its own, which knows of attachments."""
        store = self.tenants.store(tenant)
        found = store.statements.live(statement)
        if found is None or found.voided is not voided:
            raise NotFound("no such statement")
        opened = [
            one for one in self.opener.bodies(store, [found.recorded]) if isinstance(one.event, StatementRecorded)
        ]
        check_not_corrupt(opened)
        readable = [one for one in opened if _by(one.event.authority, authority)]
        statements = self.opener.statements(store, readable)
        if not statements:
            raise NotFound("no such statement")
        return Page([_with_lists(statements[0])], with_attachments=_with_attachments(readable))

    def page(self, tenant: str, query: Query) -> Page:
        """A page of statements, newest first unless ascending."""
        store = self.tenants.store(tenant)
        page = Page()
        selection = self._selection(store, query)
        if selection is None:
            return page
        after, more = query.after, True
        for _ in range(_REFILLS_MAX):
            wanted = query.limit - len(page.statements)
            if wanted <= 0 or not more:
                break
            selection = replace(selection, after=after, limit=wanted)
            after, more = self._fill(store, selection, query.authority, page)
        page.after = after if more else None
        return page

    def _fill(
        self, store: TenantStore, selection: Selection, authority: UUID | None, page: Page
    ) -> tuple[int | None, bool]:
        selected = store.reads.statements.select(selection)
        # Two readings may be of two stand-bys: true of the page is what is true of the older one.
        told = (page.consistent_through, selected.head.stored_us)
        page.consistent_through = min(one for one in told if one is not None)
        opened = self.opener.bodies(store, selected.rows)
        check_not_corrupt(opened)
        readable = [one for one in opened if _by(one.event.authority, authority)]
        page.statements += map(_with_lists, self.opener.statements(store, readable))
        page.with_attachments += _with_attachments(readable)
        return (selected.rows[-1].position if selected.rows else selection.after), selected.more

    def _selection(self, store: TenantStore, query: Query) -> Selection | None:
        """The terms of a query; None where the agent is unknown: nobody's statements."""
        term = store.statements.term
        owner: int | None = None
        people: tuple[int, ...] = ()
        sent_by: UUID | None = None
        if query.agent is not None:
            subject = self._readable(store.tenant, query.agent)
            sent_by = self._credential(store.tenant, query.agent) if query.related_agents else None
            if subject is None and sent_by is None:
                return None
            if subject is not None:
                owner = term(OWNER, subject.hex)
                roles = (EXACT, RELATED) if query.related_agents else (EXACT,)
                people = tuple(term(role, subject.hex) for role in roles)
        as_object, anywhere = None, None
        if query.activity is not None and query.related_activities:
            anywhere = term(OBJECT, query.activity), term(OTHER_ACTIVITY, query.activity)
        elif query.activity is not None:
            as_object = term(OBJECT, query.activity)
        return Selection(
            people=people,
            owner=owner,
            authority=sent_by,
            sender=None if query.authority is None else term(SENDER, query.authority.hex),
            registration=None if query.registration is None else term(REGISTRATION, query.registration.lower()),
            object=as_object,
            anywhere=anywhere,
            verb=None if query.verb is None else term(VERB, query.verb),
            since_us=query.since_us,
            until_us=query.until_us,
            ascending=query.ascending,
            after=query.after,
        )

    def _readable(self, tenant: str, agent: Identifier) -> UUID | None:
        """The subject of an identifier, unless it may not be read: then it is like nobody's."""
        reading = self.vault.read(tenant)
        subject = reading.lookup([agent]).get(agent)
        return None if subject in reading.denied else subject

    def _credential(self, tenant: str, agent: Identifier) -> UUID | None:
        """The tenant's credential that is asked for as an authority (1.0.3 Data 2.4.9), if it is one."""
        name = self.opener.credential_of(agent)
        return name if name is not None and self.tenants.has_credential(tenant, name) else None


def _with_attachments(opened: Sequence[Opened]) -> list[StatementWithAttachments]:
    """Those that are shown and have attachments."""
    return [
        one.event for one in opened if isinstance(one.event, StatementWithAttachments) and one.body is not None
    ]


def _with_lists(statement: dict[str, Any]) -> dict[str, Any]:
    """The statement, changed: a context activity that came alone is a list of one (1.0.3 Data 2.4.6.2)."""
    activities = statement.get("context", {}).get("contextActivities", {})
    for name, value in activities.items():
        activities[name] = value if isinstance(value, list) else [value]
    if statement["object"].get("objectType") == "SubStatement":
        _with_lists(statement["object"])
    return statement


def _by(sender: UUID, wanted: UUID | None) -> bool:
    return wanted is None or sender == wanted
