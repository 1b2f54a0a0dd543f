"""Opening what was recorded: from stored events back to statements and exchanges, as far as the keys live.

1. The bodies of a page are opened in one go.
2. The agent objects that they refer to are fetched (ciphertext is cached, it never changes) and opened in one go.
3. People are put back in their places; who was erased or may not be read is the placeholder. Over who was
   corrected lies the correction in force: who was is known with the reading of the fence, at no cost where none of
   them was.
4. What the row and the credential say (id, stored, version, authority, timestamp) is put in.

A body that does not open is left to the caller with its outcome; Corrupt and Unavailable are never passed over.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from lrs.application import HOT_EVENTS, LetheMapper, json_transcoder
from lrs.domain.agents import Identifier, erased_placeholder
from lrs.domain.corrections import Correction
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable
from lrs.domain.events import HotEvent, StatementRecorded
from lrs.domain.instants import timestamp_text
from lrs.domain.people import join
from lrs.domain.sealing import Corrupt, Outcome, Place, Plain, Sealed, Unavailable
from lrs.domain.subjects import Subject
from lrs.ports import Recorded, TenantStore, Vault
from lrs.sealed_bodies import Body, unpack

BODY = "body"
AGENT = "agent"
CORRECTION = "correction"
_NAMING = (Subject.AgentSealed.TOPIC, Subject.AgentCorrected.TOPIC)
# Agent ciphertexts remembered a process, about 300 bytes each.
_AGENTS_CACHED_MAX = 50_000
_OPENED_TOGETHER = 250
_DEFAULT_VERSIONS = {"1.0.3": "1.0.0", "2.0.0": "2.0.0"}
AgentRef = tuple[UUID, int]


@dataclass(slots=True)
class Opened:
    """A hot event and its body, or why the body does not open."""

    recorded: Recorded
    event: HotEvent
    body: Body | None
    outcome: Outcome


def body_place(event: HotEvent) -> Place:
    """Where a hot event's body lives."""
    return Place(event.originator_id, event.originator_version, BODY, event.TOPIC)


def agent_place(ref: AgentRef) -> Place:
    """Where an agent object lives."""
    return Place(ref[0], ref[1], AGENT, Subject.AgentSealed.TOPIC)


def correction_place(ref: AgentRef) -> Place:
    """Where a correction lives."""
    return Place(ref[0], ref[1], CORRECTION, Subject.AgentCorrected.TOPIC)


class Opener:
    """Opens records of tenants."""

    def __init__(self, vault: Vault, public_url: str) -> None:
        self._vault = vault
        self._public_url = public_url
        self._mapper = LetheMapper(json_transcoder())
        self._placeholders = {group: erased_placeholder(public_url, group=group) for group in (False, True)}
        self._sealed_agents: dict[tuple[str, AgentRef], Sealed] = {}

    def placeholder(self, *, group: bool) -> dict[str, Any]:
        """What stands where an erased person stood."""
        return self._placeholders[group]

    def bodies(self, store: TenantStore, recorded: Sequence[Recorded], *, inside: bool = False) -> list[Opened]:
        """Hot events among these, each with its body or the outcome. With ``inside``, also of those whom nobody
        may read: for comparing and folding, never for an answer. KeyStoreUnavailable."""
        return list(self.each(store, recorded, inside=inside))

    def each(self, store: TenantStore, recorded: Sequence[Recorded], *, inside: bool = False) -> Iterator[Opened]:
        """The same, one at a time and opened a few at a time: what is let go before more is made is never walked
        through by the garbage collector, which took a third of the time when a thousand bodies were held.
        ``inside`` is for indexes and views (``Vault.open_many``)."""
        for start in range(0, len(recorded), _OPENED_TOGETHER):
            part = recorded[start : start + _OPENED_TOGETHER]
            events = [(one, event) for one in part if (event := decoded(one)) is not None]
            sealed = [(body_place(event), event.body) for _, event in events]
            outcomes = self._vault.open_many(store.tenant, sealed, inside=inside)
            for (one, event), outcome in zip(events, outcomes, strict=True):
                yield _opened(one, event, outcome)

    def agents(self, store: TenantStore, refs: Iterable[AgentRef]) -> dict[AgentRef, dict[str, Any] | None]:
        """The agent objects as they are shown, None for those who were erased or may not be read. EventCorrupt,
        KeyStoreUnavailable."""
        wanted, items = self._items(store, refs)
        outcomes, corrected = self._vault.open_corrected(store.tenant, items)
        agents = {ref: _agent(outcome) for ref, outcome in zip(wanted, outcomes, strict=True)}
        return self._corrected(store, agents, corrected)

    def agents_as_sent(
        self, store: TenantStore, refs: Iterable[AgentRef]
    ) -> dict[AgentRef, dict[str, Any] | None]:
        """The same as they came in, also of those whom nobody may read: for comparing, never for an answer."""
        wanted, items = self._items(store, refs)
        outcomes = self._vault.open_many(store.tenant, items, inside=True)
        return {ref: _agent(outcome) for ref, outcome in zip(wanted, outcomes, strict=True)}

    def _items(
        self, store: TenantStore, refs: Iterable[AgentRef]
    ) -> tuple[list[AgentRef], list[tuple[Place, Sealed]]]:
        wanted = list(dict.fromkeys(refs))
        sealed = self._ciphertexts(store, wanted)
        return wanted, [(agent_place(ref), sealed[ref]) for ref in wanted]

    # --- corrections -----------------------------------------------------------------------------------------

    def _corrected(
        self,
        store: TenantStore,
        agents: dict[AgentRef, dict[str, Any] | None],
        corrected: Mapping[UUID, int],
    ) -> dict[AgentRef, dict[str, Any] | None]:
        """With the corrections in force laid over them."""
        refs = {ref[0]: (ref[0], corrected[ref[0]]) for ref in agents if ref[0] in corrected}
        if not refs:  # nobody of these: the fence need not be read once more
            return agents
        found = self._corrections(store, refs)
        for ref, agent in agents.items():
            if agent is not None and ref[0] in refs:
                correction = found[ref[0]]
                agents[ref] = None if correction is None else correction.over(agent)
        return agents

    def correction(self, store: TenantStore, subject: UUID) -> Correction | None:
        """What is in force for a subject; None also where it may not be read. EventCorrupt,
        KeyStoreUnavailable."""
        _, corrected = self._vault.open_corrected(store.tenant, [])
        if subject not in corrected:
            return None
        return self._corrections(store, {subject: (subject, corrected[subject])})[subject]

    def _corrections(self, store: TenantStore, refs: Mapping[UUID, AgentRef]) -> dict[UUID, Correction | None]:
        sealed = self._ciphertexts(store, list(refs.values()))
        items = [(correction_place(ref), sealed[ref]) for ref in refs.values()]
        outcomes, _ = self._vault.open_corrected(store.tenant, items)
        found = zip(refs, map(_plain, outcomes), strict=True)
        return {subject: None if data is None else Correction.unpack(data) for subject, data in found}

    # --- ciphertext ------------------------------------------------------------------------------------------

    def _ciphertexts(self, store: TenantStore, wanted: Sequence[AgentRef]) -> dict[AgentRef, Sealed]:
        """Where they are not known yet, all are fetched in one go."""
        known = self._sealed_agents
        if len(known) > _AGENTS_CACHED_MAX:
            known.clear()
        found = {ref: sealed for ref in wanted if (sealed := known.get((store.tenant, ref)))}
        missing = [ref for ref in wanted if ref not in found]
        if missing:
            found |= self._fetched(store, missing)
            known.update({(store.tenant, ref): found[ref] for ref in missing})
        return found

    def _fetched(self, store: TenantStore, refs: Sequence[AgentRef]) -> dict[AgentRef, Sealed]:
        asked = set(refs)
        found: dict[AgentRef, Sealed] = {}
        for one in store.statements.streams({subject for subject, _ in refs}):
            ref = (cast("UUID", one.originator_id), one.originator_version)
            if ref in asked and one.topic in _NAMING:
                event = cast("Subject.AgentSealed | Subject.AgentCorrected", self._mapper.to_domain_event(one))
                found[ref] = event.sealed
        if len(found) < len(asked):
            raise EventCorrupt("an agent object that a record refers to is missing")
        return found

    def statements(
        self, store: TenantStore, opened: Sequence[Opened], *, only: frozenset[UUID] | None = None
    ) -> list[dict[str, Any]]:
        """The statements whose bodies opened, whole again, in order; with ``only``, everybody else is masked:
        an export of one person's data must not name another (GDPR article 15(4)). EventCorrupt,
        KeyStoreUnavailable."""
        readable = [one for one in opened if one.body is not None]
        refs = {ref for one in readable for ref in one.event.people}
        shown = refs if only is None else {ref for ref in refs if ref[0] in only}
        agents = dict.fromkeys(refs) | self.agents(store, shown)
        authorities = {sender: self.authority(sender) for sender in {one.event.authority for one in readable}}
        return [self._statement(one, agents, authorities) for one in readable]

    def _statement(
        self,
        one: Opened,
        agents: Mapping[AgentRef, dict[str, Any] | None],
        authorities: Mapping[UUID, dict[str, Any]],
    ) -> dict[str, Any]:
        assert one.body is not None
        event = cast("StatementRecorded", one.event)
        stored = timestamp_text(one.recorded.stored_us)
        statement = {"id": str(event.originator_id), **self.rejoin(one, agents)}
        statement.setdefault("timestamp", stored)
        statement["stored"] = stored
        statement["version"] = one.body.version or _DEFAULT_VERSIONS[event.version]
        statement["authority"] = authorities[event.authority]
        return statement

    def rejoin(self, one: Opened, agents: Mapping[AgentRef, dict[str, Any] | None]) -> dict[str, Any]:
        """The content with its people back in their places. Uses the body up."""
        body = one.body
        assert body is not None
        people = [
            agents[ref] or self._placeholders[index in body.groups] for index, ref in enumerate(one.event.people)
        ]
        return join(body.content, zip(body.paths, people, strict=True))

    def credential_of(self, agent: Identifier) -> UUID | None:
        """The credential whose ``authority`` an agent would be."""
        if agent.kind != "account":
            return None
        home_page, name = orjson.loads(agent.value)
        try:
            return UUID(name) if home_page == self._public_url else None
        except ValueError:
            return None

    def authority(self, credential: UUID) -> dict[str, Any]:
        """The authority of what a credential sent (xAPI 1.0.3 Data 2.4.9)."""
        account = {"homePage": self._public_url, "name": str(credential)}
        return {"objectType": "Agent", "account": account}


def decoded(one: Recorded) -> HotEvent | None:
    """The hot event, None for an aggregate's. Bytes that are no event become one with nothing in it, whose
    body then opens as Corrupt: an alarm about this event alone."""
    hot = HOT_EVENTS.get(one.topic)
    if hot is None:
        return None
    try:
        return hot.decode(one.stream, one.version, one.state)
    except (ValueError, struct.error):
        return StatementRecorded(one.stream, one.version, "2.0.0", UUID(int=0), None, (), Sealed(b""))


def _opened(one: Recorded, event: HotEvent, outcome: Outcome) -> Opened:
    body = None
    if isinstance(outcome, Plain):
        try:
            body = unpack(outcome.data)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            outcome = Corrupt("an opened body can not be read")
    elif isinstance(outcome, Unavailable):
        raise KeyStoreUnavailable("the vault can not be reached")
    return Opened(one, event, body, outcome)


def _agent(outcome: Outcome) -> dict[str, Any] | None:
    data = _plain(outcome)
    return None if data is None else cast("dict[str, Any]", orjson.loads(data))


def _plain(outcome: Outcome) -> bytes | None:
    if isinstance(outcome, Plain):
        return outcome.data
    if isinstance(outcome, Unavailable):
        raise KeyStoreUnavailable("the vault can not be reached")
    if isinstance(outcome, Corrupt):
        raise EventCorrupt("an agent object or its correction does not open")
    return None


def check_not_corrupt(opened: Iterable[Opened]) -> None:
    """EventCorrupt if any of these is: an answer that left it out would call it erased."""
    for one in opened:
        if isinstance(one.outcome, Corrupt):
            raise EventCorrupt(f"the event at position {one.recorded.position} does not open")
