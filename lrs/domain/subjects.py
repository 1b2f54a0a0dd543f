"""The subject: one person (or identified group) that a tenant's records are about, under a random id.

    state     may become          by                                                   reads   writes
    live      pending             an erasure is asked for that waits first             yes     yes
              erasing             an erasure begins
    pending   live                the last erasure that waited is taken back           no      yes
              erasing             the first one's time has come
    erasing   erased              its keys are destroyed                               no      wait, then go to
    erased    -                                                                        no      a new subject

    flag         set and taken away     while it is set
    restricted   live, pending          no reads; writes as ever; no retention ends
    held         live, pending          no erasure begins or waits, no retention ends

The vault decides the state, for it must hold in every process at once; this aggregate records what happened.
It must not know names or identifiers: those are inside ``Sealed`` parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self
from uuid import UUID

from eventsourcing.domain import Aggregate

from lrs.domain.errors import LegalHold
from lrs.domain.sealing import Sealed


class State(StrEnum):
    """Where a subject is in its life; the table above is the whole of it."""

    LIVE = "live"
    PENDING = "pending"
    ERASING = "erasing"
    ERASED = "erased"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.LIVE: frozenset({State.PENDING, State.ERASING}),
    State.PENDING: frozenset({State.LIVE, State.ERASING}),
    State.ERASING: frozenset({State.ERASED}),
    State.ERASED: frozenset(),
}


def may_become(now: State, then: State) -> bool:
    """Whether the life cycle has this step."""
    return then in TRANSITIONS[now]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands. Each method is a step of the tables above: the standing after it, the same one where
    there is nothing to do, or nothing to be done any more.

    ``waiting`` are the erasure requests whose time has not come; ``corrected`` is the version on the subject's
    stream of the correction in force, 0 without one; ``changed`` is where the fence stood after the last step.
    """

    state: State = State.LIVE
    restricted: bool = False
    held: bool = False
    waiting: frozenset[UUID] = frozenset()
    corrected: int = 0
    changed: int = 0

    @property
    def ending(self) -> bool:
        """Whether its erasure has begun: there is no way back."""
        return self.state in (State.ERASING, State.ERASED)

    @property
    def denied(self) -> bool:
        """Whether nothing of it may be read."""
        return self.state is not State.LIVE or self.restricted

    def wait(self, request: UUID) -> "Standing":
        """An erasure was asked for that begins later. LegalHold."""
        if self.ending:
            return self
        if self.held:
            raise LegalHold("the person is under a legal hold")
        return replace(self, state=State.PENDING, waiting=self.waiting | {request})

    def take_back(self, request: UUID) -> "Standing":
        """That erasure will not be; others may wait still."""
        if self.ending:
            return self
        waiting = self.waiting - {request}
        return replace(self, state=State.PENDING if waiting else State.LIVE, waiting=waiting)

    def begin_erasure(self) -> "Standing":
        """No read and no new key from here on, for ever. LegalHold."""
        if self.ending:
            return self
        if self.held:
            raise LegalHold("the person is under a legal hold")
        return replace(self, state=State.ERASING, waiting=frozenset())

    def hold(self, *, held: bool) -> "Standing":
        """Nothing may be destroyed; or it may again."""
        return self if self.ending else replace(self, held=held)

    def restrict(self, *, restricted: bool) -> "Standing":
        """Nothing may be read; or it may again."""
        return self if self.ending else replace(self, restricted=restricted)

    def correct(self, number: int) -> "Standing":
        """The correction of this version, or a later one, is in force."""
        return self if self.ending else replace(self, corrected=max(number, self.corrected))

    def as_logged(self, corrected: int, waiting: frozenset[UUID]) -> "Standing":
        """The log was put back to an earlier moment: this correction is its newest (0: it has none), and of the
        requests that are waited for it has these."""
        if self.ending:
            return self
        waits = self.waiting & waiting
        return replace(
            self,
            state=State.PENDING if waits else State.LIVE,
            waiting=waits,
            corrected=min(corrected, self.corrected),
        )


class Corrected(NamedTuple):
    """That a person was corrected: the version on the stream, when, by which request, and how, sealed."""

    version: int
    at: datetime
    request: UUID
    sealed: Sealed


class Subject(Aggregate):
    """What happened to one subject. Its agent objects are numbered by the version of their event here."""

    TOPIC = "subject"

    class Created(Aggregate.Created):
        """The person was seen for the first time."""

        TOPIC = "subject-registered/1"

    class AgentSealed(Aggregate.Event):
        """An exact agent object of this person, as it was sent, sealed once; statements refer to its version."""

        TOPIC = "agent-sealed/1"
        sealed: Sealed

        def apply(self, aggregate: "Subject") -> None:
            """One agent object more."""
            aggregate.agents += 1

    class AgentCorrected(Aggregate.Event):
        """The person is called otherwise: a ``Correction``, the whole of what is in force from here on."""

        TOPIC = "agent-corrected/1"
        request: UUID
        sealed: Sealed

        def apply(self, aggregate: "Subject") -> None:
            """When it was, and by which request."""
            made = Corrected(self.originator_version, self.timestamp, self.request, self.sealed)
            aggregate.corrections.append(made)

    class ErasureCompleted(Aggregate.Event):
        """The keys are destroyed and nothing is left in the live system; ``certificate`` names no person."""

        TOPIC = "erasure-completed/1"
        request: UUID
        certificate: dict[str, Any]

        def apply(self, aggregate: "Subject") -> None:
            """The end of the life cycle."""
            aggregate.state = State.ERASED
            aggregate.certificates.append(self.certificate)

    class EpochCertified(Aggregate.Event):
        """The epoch in which the keys were destroyed is closed: no copy of the vault opens any more;
        ``certificate`` names no person."""

        TOPIC = "epoch-certified/1"
        certificate: dict[str, Any]

        def apply(self, aggregate: "Subject") -> None:
            """The second certificate, beside the first."""
            aggregate.certificates.append(self.certificate)

    def __init__(self) -> None:
        self.state = State.LIVE
        self.agents = 0
        self.certificates: list[dict[str, Any]] = []
        self.corrections: list[Corrected] = []

    @classmethod
    def register(cls, subject: UUID, at: datetime) -> Self:
        """A new subject with a random id."""
        return cls._create(cls.Created, id=subject, timestamp=at)

    @classmethod
    def agent_sealed(cls, subject: UUID, number: int, sealed: Sealed, at: datetime) -> AgentSealed:
        """The event of one agent object more, made without loading the subject: its number was looked up."""
        made: Any = cls.AgentSealed  # the library's metaclass makes it a dataclass, which type checkers miss
        event: Subject.AgentSealed = made(
            originator_id=subject, originator_version=number, timestamp=at, sealed=sealed
        )
        return event

    def correct(self, request: UUID, sealed: Sealed, at: datetime) -> None:
        """Record a correction; its version is the subject's then."""
        self.trigger_event(self.AgentCorrected, request=request, sealed=sealed, timestamp=at)

    def complete_erasure(self, request: UUID, certificate: dict[str, Any], at: datetime) -> None:
        """Record the end of an erasure with its certificate; a second time adds nothing."""
        if self.state is State.ERASED:
            return
        self.trigger_event(self.ErasureCompleted, request=request, certificate=certificate, timestamp=at)

    @property
    def is_certified(self) -> bool:
        """Whether it has both certificates."""
        return any(one.get("certificate") == 2 for one in self.certificates)

    def certify_epoch(self, certificate: dict[str, Any], at: datetime) -> None:
        """Record the second certificate of an erasure; a second time adds nothing."""
        if not self.is_certified:
            self.trigger_event(self.EpochCertified, certificate=certificate, timestamp=at)
