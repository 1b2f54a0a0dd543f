"""Describing people and activities from what was recorded: the Agents and the Activities Resource.

Neither is kept anywhere: both are read from events, so that they go with whoever wrote them, and no shared row is
written when statements come in. Both read a bounded number of events.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from lrs.domain.activities import activity_of, definitions_in
from lrs.domain.agents import identifier_of, is_placeholder
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable
from lrs.domain.events import StatementRecorded
from lrs.domain.filters import OBJECT, OTHER_ACTIVITY
from lrs.domain.persons import person_of
from lrs.domain.sealing import Corrupt, Plain, Unavailable
from lrs.domain.subjects import Subject
from lrs.opening import Opened, Opener, agent_place, check_not_corrupt
from lrs.ports import Recorded, Selection, TenantStore, Vault
from lrs.tenancy import Tenants

# A person is sent in a handful of spellings. Whoever puts a serial number into the name gets the newest of them.
AGENTS_MAX = 200
# An activity is defined the same way each time, or once in the beginning (by the launch of a course, say) and
# never again.
NEWEST_MAX = 100
OLDEST_MAX = 20


@dataclass(frozen=True, slots=True)
class Describer:
    """Describes people and activities of tenants. ``definers`` says which of some credentials may define."""

    tenants: Tenants
    vault: Vault
    opener: Opener
    definers: Callable[[str, Collection[UUID]], Collection[UUID]]
    public_url: str

    # --- people ----------------------------------------------------------------------------------------------

    def person(self, tenant: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The Person of this agent; of somebody unknown, erased or not to be read: made of what was asked."""
        subject = self._subject(tenant, asked)
        if subject is None:
            return person_of(asked, [])
        store = self.tenants.store(tenant)
        agents, correction = self._agents(store, subject), self.opener.correction(store, subject)
        if correction is None:
            return person_of(asked, agents)
        return person_of(correction.over(asked), map(correction.over, agents))

    def _subject(self, tenant: str, asked: Mapping[str, Any]) -> UUID | None:
        identifier = identifier_of(asked)
        if identifier is None or is_placeholder(asked, self.public_url):
            return None
        return self.vault.read(tenant).lookup([identifier]).get(identifier)

    def _agents(self, store: TenantStore, subject: UUID) -> Iterator[dict[str, Any]]:
        """The agent objects of a subject, the newest first; none where they may not be read."""
        mapper = self.tenants.application(store.tenant).mapper
        stored = store.recorder.select_events(subject, desc=True, limit=AGENTS_MAX)
        events = [
            (one.originator_version, cast("Subject.AgentSealed", mapper.to_domain_event(one)))
            for one in stored
            if one.topic == Subject.AgentSealed.TOPIC
        ]
        sealed = [(agent_place((subject, number)), event.sealed) for number, event in events]
        for outcome in self.vault.open_many(store.tenant, sealed):
            if isinstance(outcome, Corrupt):
                raise EventCorrupt("a stored agent object does not open")
            if isinstance(outcome, Unavailable):
                raise KeyStoreUnavailable("the vault can not be reached")
            if isinstance(outcome, Plain):
                yield orjson.loads(outcome.data)

    # --- activities ------------------------------------------------------------------------------------------

    def activity(self, tenant: str, activity: str) -> dict[str, Any]:
        """The Activity as the statements that are there define it: the newest and, where there are more, the
        oldest. What was voided, or can not be read any more, defines nothing; nor does who may not define."""
        store = self.tenants.store(tenant)
        opened = self.opener.bodies(store, self._about(store, activity))
        check_not_corrupt(opened)
        readable = [one for one in opened if one.body is not None and isinstance(one.event, StatementRecorded)]
        definers = self.definers(tenant, {one.event.authority for one in readable})
        defining = [one for one in readable if one.event.authority in definers]
        return activity_of(activity, [said for one in defining for said in _said(one, activity)])

    @staticmethod
    def _about(store: TenantStore, activity: str) -> list[Recorded]:
        """Statements in which the activity stands, in the order of the log; of the newest log."""
        term = store.statements.term
        anywhere = term(OBJECT, activity), term(OTHER_ACTIVITY, activity)
        newest = store.statements.select(Selection(anywhere=anywhere, limit=NEWEST_MAX))
        found = {one.position: one for one in newest.rows}
        if newest.more:
            oldest = store.statements.select(Selection(anywhere=anywhere, limit=OLDEST_MAX, ascending=True))
            found |= {one.position: one for one in oldest.rows}
        return [found[position] for position in sorted(found)]


def _said(one: Opened, activity: str) -> Iterator[Mapping[str, Any]]:
    assert one.body is not None
    return definitions_in(one.body.content, activity)
