"""From drafts to events: people become subjects, content is sealed, index rows are made.

All of it happens under one reading of the fence, before the store's transaction is opened:

1. Everybody in the group is looked up; who is missing is enrolled (the caller has made sure that none of these
   drafts is a record of an erased person that is sent again).
2. Missing keys are minted, all at once.
3. Agent objects not sealed yet become events of their subjects; their version is the number to refer to.
4. Each body is sealed for its owners, each index row is blinded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from lrs.domain.agents import Identifier
from lrs.domain.events import ExchangeRecorded, HotEvent, StatementRecorded
from lrs.domain.filters import EXACT, EXCHANGE_OWNER, OBJECT, OTHER_ACTIVITY, OWNER, REGISTRATION, RELATED, VERB
from lrs.domain.people import Mention
from lrs.domain.sealing import Category, Place, Sealed, Slot, period_of
from lrs.domain.subjects import Subject
from lrs.opening import BODY, agent_place
from lrs.ports import AgentRow, IndexRow, Reading, TenantStore
from lrs.recording.drafts import Draft
from lrs.sealed_bodies import pack


@dataclass(slots=True)
class Plan:
    """One transaction's worth: events with their index rows, and the agent objects that are new."""

    fence_sequence: int
    events: list[Any] = field(default_factory=list)
    index: list[IndexRow | None] = field(default_factory=list)
    agents: list[AgentRow] = field(default_factory=list)


@dataclass(slots=True)
class Planner:
    """Makes the plan of one group under one reading of the fence."""

    store: TenantStore
    reading: Reading
    tenant_subject: UUID
    at: datetime
    known_agents: dict[tuple[UUID, bytes], int]

    def plan(self, drafts: Sequence[Draft]) -> Plan:
        """Everything to insert for these drafts. StaleFence when the fence moved meanwhile."""
        plan = Plan(self.reading.sequence)
        subjects = self.reading.enrol(m.identifier for draft in drafts for m in draft.parts.mentions)
        self.reading.ensure(self._slots(drafts, subjects))
        numbers = self._number_agents(plan, drafts, subjects)
        for draft in drafts:
            refs = tuple(numbers[_spelling(subjects, mention)] for mention in draft.parts.mentions)
            plan.events.append(self._event(draft, subjects, refs))
            plan.index.append(self._index_row(draft, subjects))
        return plan

    # --- keys ------------------------------------------------------------------------------------------------

    def _owners(self, draft: Draft, subjects: dict[Identifier, UUID]) -> list[UUID]:
        owners = (subjects[draft.parts.mentions[index].identifier] for index in draft.parts.owners)
        return list(dict.fromkeys(owners)) or [self.tenant_subject]

    def _slots(self, drafts: Sequence[Draft], subjects: dict[Identifier, UUID]) -> list[Slot]:
        slots = [Slot(subject, Category.IDENTITY) for subject in subjects.values()]
        for draft in drafts:
            period = period_of(draft.category, self.at)
            slots += [Slot(owner, draft.category, period) for owner in self._owners(draft, subjects)]
        return slots

    # --- agent objects ---------------------------------------------------------------------------------------

    def _number_agents(
        self, plan: Plan, drafts: Sequence[Draft], subjects: dict[Identifier, UUID]
    ) -> dict[tuple[UUID, bytes], tuple[UUID, int]]:
        """(subject, number) of every exact agent object in the group, by (subject, its bytes)."""
        spellings = {_spelling(subjects, mention): None for draft in drafts for mention in draft.parts.mentions}
        digests = {spelling: (spelling[0], self.reading.digest(*spelling)) for spelling in spellings}
        unknown = [key for key in digests.values() if key not in self.known_agents]
        self.known_agents |= self.store.statements.agents(unknown)
        new = [spelling for spelling, key in digests.items() if key not in self.known_agents]
        fresh = self._seal_agents(plan, new, digests)
        return {
            spelling: (spelling[0], fresh[key] if key in fresh else self.known_agents[key])
            for spelling, key in digests.items()
        }

    def _seal_agents(
        self,
        plan: Plan,
        new: list[tuple[UUID, bytes]],
        digests: dict[tuple[UUID, bytes], tuple[UUID, bytes]],
    ) -> dict[tuple[UUID, bytes], int]:
        versions = self.store.statements.versions({subject for subject, _ in new})
        fresh: dict[tuple[UUID, bytes], int] = {}
        for subject, exact in new:
            if subject not in versions:
                plan.events += Subject.register(subject, self.at).collect_events()
                plan.index.append(None)
                versions[subject] = 1
            number = versions[subject] = versions[subject] + 1
            place = agent_place((subject, number))
            sealed = self.reading.seal([subject], Category.IDENTITY, "", place, exact)
            plan.events.append(Subject.agent_sealed(subject, number, sealed, self.at))
            plan.index.append(None)
            key = digests[subject, exact]
            plan.agents.append(AgentRow(*key, number))
            fresh[key] = number
        return fresh

    # --- the record ------------------------------------------------------------------------------------------

    def _event(
        self, draft: Draft, subjects: dict[Identifier, UUID], people: tuple[tuple[UUID, int], ...]
    ) -> HotEvent:
        topic = StatementRecorded.TOPIC if draft.is_statement else ExchangeRecorded.TOPIC
        body = self._seal_body(draft, subjects, Place(draft.id, 1, BODY, topic))
        if draft.is_statement:
            return StatementRecorded(draft.id, 1, draft.version, draft.authority, draft.voids, people, body)
        return ExchangeRecorded(draft.id, 1, draft.authority, people, body)

    def _seal_body(self, draft: Draft, subjects: dict[Identifier, UUID], place: Place) -> Sealed:
        data = pack(draft.parts, draft.said_version)
        period = period_of(draft.category, self.at)
        return self.reading.seal(self._owners(draft, subjects), draft.category, period, place, data)

    def _index_row(self, draft: Draft, subjects: dict[Identifier, UUID]) -> IndexRow:
        owners = self._owners(draft, subjects)
        if not draft.is_statement:
            return IndexRow(tuple(self._term(EXCHANGE_OWNER, owner.hex) for owner in owners), 0)
        kinds = dict.fromkeys(owners, OWNER)
        for mention in sorted(draft.parts.mentions, key=lambda one: not one.exact):
            kinds.setdefault(subjects[mention.identifier], EXACT if mention.exact else RELATED)
        terms = [self._term(kind, subject.hex) for subject, kind in kinds.items()]
        single: dict[str, int] = {}
        for kind, value in draft.terms:
            term = self._term(kind, value)
            if kind == OTHER_ACTIVITY:
                terms.append(term)
            else:
                single[kind] = term
        columns = single.get(VERB), single.get(OBJECT), single.get(REGISTRATION)
        return IndexRow(tuple(dict.fromkeys(terms)), len(owners), draft.voids, *columns)

    def _term(self, kind: str, value: str) -> int:
        return self.store.statements.term(kind, value)


def _spelling(subjects: dict[Identifier, UUID], mention: Mention) -> tuple[UUID, bytes]:
    return subjects[mention.identifier], orjson.dumps(mention.agent)
