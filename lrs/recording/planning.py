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
from lrs.domain.events import AttachedBlob, ExchangeRecorded, HotEvent, StatementRecorded, StatementWithAttachments
from lrs.domain.policies import Policy
from lrs.domain.sealing import Category, Part, Place, Sealed, Slot
from lrs.domain.subjects import Subject
from lrs.opening import BODY, AgentRef, agent_place
from lrs.ports import AgentRow, BlobRow, IndexRow, Reading, TenantStore
from lrs.recording.attachments import sealed_blobs, slots_of
from lrs.recording.drafts import Draft
from lrs.recording.indexing import exchange_row, statement_row
from lrs.sealed_bodies import pack


@dataclass(slots=True)
class Plan:
    """One transaction's worth: events with their index rows, and the agent objects that are new."""

    fence_sequence: int
    events: list[Any] = field(default_factory=list)
    index: list[IndexRow | None] = field(default_factory=list)
    agents: list[AgentRow] = field(default_factory=list)
    blobs: list[BlobRow] = field(default_factory=list)


@dataclass(slots=True)
class Planner:
    """Makes the plan of one group under one reading of the fence.

    ``tenant_subject`` may be None where every draft has an owner. ``found`` is who was looked up already, under
    the same reading: they are not looked up again.
    """

    store: TenantStore
    reading: Reading
    tenant_subject: UUID | None
    at: datetime
    known_agents: dict[tuple[UUID, bytes], int]
    found: dict[Identifier, UUID] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    def plan(self, drafts: Sequence[Draft]) -> Plan:
        """Everything to insert for these drafts. StaleFence when the fence moved meanwhile."""
        plan = Plan(self.reading.sequence)
        subjects = self._subjects(drafts)
        # Worked out once for the whole group: each is needed again for every draft.
        periods = {
            category: self.policy.period_of(category, self.at) for category in {draft.category for draft in drafts}
        }
        owners = [self._owners(draft, subjects) for draft in drafts]
        with_files = [pair for pair in zip(drafts, owners, strict=True) if pair[0].attachments]
        period = self.policy.period_of(Category.ATTACHMENTS, self.at)
        more = [slot for one, owned in with_files for slot in slots_of(one, owned, subjects.__getitem__, period)]
        self.reading.ensure(_slots(drafts, owners, periods, subjects) + more)
        spelled = [[orjson.dumps(mention.agent) for mention in draft.parts.mentions] for draft in drafts]
        numbers = self._number_agents(plan, drafts, spelled, subjects)
        bodies = self.reading.seal_all(
            [_part(draft, owned, periods[draft.category]) for draft, owned in zip(drafts, owners, strict=True)]
        )
        for draft, owned, exact, body in zip(drafts, owners, spelled, bodies, strict=True):
            blobs: tuple[AttachedBlob, ...] = ()
            if draft.attachments:
                blobs = sealed_blobs(self.reading, draft, owned, subjects.__getitem__, period)
                plan.blobs += [BlobRow(blob.name, draft.id) for blob in blobs]
            plan.events.append(_event(draft, tuple([numbers[one] for one in exact]), body, blobs))
            plan.index.append(self._index_row(draft, owned, subjects))
        return plan

    def _subjects(self, drafts: Sequence[Draft]) -> dict[Identifier, UUID]:
        """Everybody in these drafts and nobody else: keys are made for whoever is in here."""
        people = dict.fromkeys([mention.identifier for draft in drafts for mention in draft.parts.mentions])
        subjects = {one: self.found[one] for one in people if one in self.found}
        return subjects | self.reading.enrol([one for one in people if one not in subjects])

    def _owners(self, draft: Draft, subjects: dict[Identifier, UUID]) -> list[UUID]:
        owners = [subjects[draft.parts.mentions[index].identifier] for index in draft.parts.owners]
        if len(owners) > 1:
            return list(dict.fromkeys(owners))
        if owners:
            return owners
        assert self.tenant_subject is not None
        return [self.tenant_subject]

    # --- agent objects ---------------------------------------------------------------------------------------

    def _number_agents(
        self, plan: Plan, drafts: Sequence[Draft], spelled: list[list[bytes]], subjects: dict[Identifier, UUID]
    ) -> dict[bytes, AgentRef]:
        """(subject, number) of every exact agent object in the group, by its bytes: the identifier is among
        them, so the same bytes are the same subject."""
        named = {
            exact: subjects[mention.identifier]
            for draft, spellings in zip(drafts, spelled, strict=True)
            for mention, exact in zip(draft.parts.mentions, spellings, strict=True)
        }
        keys = {exact: (subject, self.reading.digest(subject, exact)) for exact, subject in named.items()}
        unknown = [key for key in keys.values() if key not in self.known_agents]
        if unknown:
            self.known_agents |= self.store.statements.agents(unknown)
        new = [exact for exact, key in keys.items() if key not in self.known_agents]
        fresh = self._seal_agents(plan, new, keys) if new else {}
        return {
            exact: (key[0], fresh[exact] if exact in fresh else self.known_agents[key])
            for exact, key in keys.items()
        }

    def _seal_agents(
        self, plan: Plan, new: list[bytes], keys: dict[bytes, tuple[UUID, bytes]]
    ) -> dict[bytes, int]:
        versions = self.store.statements.versions({keys[exact][0] for exact in new})
        fresh: dict[bytes, int] = {}
        for exact in new:
            subject, digest = keys[exact]
            if subject not in versions:
                plan.events += Subject.register(subject, self.at).collect_events()
                versions[subject] = 1
            fresh[exact] = versions[subject] = versions[subject] + 1
            plan.agents.append(AgentRow(subject, digest, fresh[exact]))
        places = [agent_place((keys[exact][0], number)) for exact, number in fresh.items()]
        sealed = self.reading.seal_all(
            [Part([at.stream], Category.IDENTITY, "", at, one) for at, one in zip(places, fresh, strict=True)]
        )
        for at, one in zip(places, sealed, strict=True):
            plan.events.append(Subject.agent_sealed(at.stream, at.version, one, self.at))
        plan.index += [None] * len(plan.events)
        return fresh

    # --- the record ------------------------------------------------------------------------------------------

    def _index_row(self, draft: Draft, owners: list[UUID], subjects: dict[Identifier, UUID]) -> IndexRow:
        term = self.store.statements.term
        if not draft.is_statement:
            return exchange_row(term, owners)
        people = [(subjects[mention.identifier], mention.exact) for mention in draft.parts.mentions]
        return statement_row(term, owners, people, draft.terms, voids=draft.voids, refers=draft.refers)


def _slots(
    drafts: Sequence[Draft],
    owners: list[list[UUID]],
    periods: dict[Category, str],
    subjects: dict[Identifier, UUID],
) -> list[Slot]:
    """The keys that the group needs, each once."""
    identities = [Slot(subject, Category.IDENTITY) for subject in dict.fromkeys(subjects.values())]
    owned = dict.fromkeys(
        (owner, draft.category) for draft, listed in zip(drafts, owners, strict=True) for owner in listed
    )
    return identities + [Slot(owner, category, periods[category]) for owner, category in owned]


def _part(draft: Draft, owners: list[UUID], period: str) -> Part:
    place = Place(draft.id, 1, BODY, _kind(draft).TOPIC)
    return Part(owners, draft.category, period, place, pack(draft.parts, draft.said_version))


def _kind(draft: Draft) -> type[HotEvent]:
    if not draft.is_statement:
        return ExchangeRecorded
    return StatementWithAttachments if draft.attachments else StatementRecorded


def _event(draft: Draft, people: tuple[AgentRef, ...], body: Sealed, blobs: tuple[AttachedBlob, ...]) -> HotEvent:
    if blobs:
        return StatementWithAttachments(
            draft.id, 1, draft.version, draft.authority, draft.voids, people, body, blobs
        )
    if draft.is_statement:
        return StatementRecorded(draft.id, 1, draft.version, draft.authority, draft.voids, people, body)
    return ExchangeRecorded(draft.id, 1, draft.authority, people, body)
