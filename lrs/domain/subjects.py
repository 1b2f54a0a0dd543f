"""The subject: one person (or identified group) that a tenant's records are about, under a random id.

    state     may become       by                       reads   writes
    live      erasing          an erasure begins        yes     yes
    erasing   erased           its keys are destroyed   no      wait, then go to a new subject
    erased    -                                         no      go to a new subject

The vault decides the state, for it must hold in every process at once; this aggregate records what happened.
It must not know names or identifiers: those are inside ``Sealed`` parts.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from eventsourcing.domain import Aggregate

from lrs.domain.sealing import Sealed


class State(StrEnum):
    """Where a subject is in its life; the table above is the whole of it."""

    LIVE = "live"
    ERASING = "erasing"
    ERASED = "erased"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.LIVE: frozenset({State.ERASING}),
    State.ERASING: frozenset({State.ERASED}),
    State.ERASED: frozenset(),
}


def may_become(now: State, then: State) -> bool:
    """Whether the life cycle has this step."""
    return then in TRANSITIONS[now]


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
