"""The data-subject request: what a controller asked for about a person, and how far it has come.

    status    may become               when
    open      running                  a worker takes it up
    running   done, refused, failed    it ends
    running   running                  a crash is over: a worker takes it up again

Taking up a running request again is how a crash is survived: the steps of each kind are idempotent. An erasure
with a time (``erases_at``) stays open until then; who takes it back before is faster or slower than the worker by
one version of this stream, so that only one of the two goes on.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from eventsourcing.domain import Aggregate

from lrs.domain.sealing import Sealed

# GDPR article 12(3): without undue delay and in any event within one month of receipt.
DUE_DAYS = 30


class Kind(StrEnum):
    """Which right is exercised: GDPR articles 15 and 20 (export), 16 (correct), 17 (erase), 18 (restrict); and
    what keeps an erasure back (hold, release: article 17(3))."""

    EXPORT = "export"
    ERASE = "erase"
    CORRECT = "correct"
    RESTRICT = "restrict"
    HOLD = "hold"
    RELEASE = "release"


# Of two requests on one person the newer one stands, whichever is carried out first.
AXES = (frozenset({Kind.RESTRICT}), frozenset({Kind.HOLD, Kind.RELEASE}))


class Status(StrEnum):
    """How far a request has come; the table above is the whole of it."""

    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.OPEN: frozenset({Status.RUNNING}),
    Status.RUNNING: frozenset({Status.RUNNING, Status.DONE, Status.REFUSED, Status.FAILED}),
    Status.DONE: frozenset(),
    Status.REFUSED: frozenset(),
    Status.FAILED: frozenset(),
}


class DataSubjectRequest(Aggregate):
    """One request. Its reason was written by a person, so it is sealed under the subject's identity key."""

    TOPIC = "request"

    class Created(Aggregate.Created):
        """A controller asked."""

        TOPIC = "request-opened/1"
        kind: str
        subjects: list[UUID]
        reason: Sealed | None
        credential: UUID | None

    class Specified(Aggregate.Event):
        """What exactly was asked for: ``facts`` name no person, what does is in ``content``, sealed."""

        TOPIC = "request-specified/1"
        facts: dict[str, Any]
        content: Sealed | None

        def apply(self, aggregate: "DataSubjectRequest") -> None:
            """Known from the beginning."""
            aggregate.detail |= self.facts
            aggregate.content = self.content

    class Moved(Aggregate.Event):
        """It came a step further; ``detail`` holds counts and codes, never a person's data."""

        TOPIC = "request-moved/1"
        status: str
        detail: dict[str, Any]

        def apply(self, aggregate: "DataSubjectRequest") -> None:
            """The new status, and what is known since."""
            aggregate.status = Status(self.status)
            aggregate.detail |= self.detail
            aggregate.history.append((self.timestamp, self.status))

    def __init__(self, kind: str, subjects: list[UUID], reason: Sealed | None, credential: UUID | None) -> None:
        self.kind = Kind(kind)
        self.subjects = tuple(subjects)
        self.reason = reason
        self.credential = credential
        self.status = Status.OPEN
        self.detail: dict[str, Any] = {}
        self.content: Sealed | None = None
        self.history: list[tuple[datetime, str]] = []

    @classmethod
    def open(
        cls,
        request: UUID,
        kind: Kind,
        subjects: tuple[UUID, ...],
        at: datetime,
        *,
        reason: Sealed | None,
        credential: UUID | None,
    ) -> Self:
        """A new request about these subjects; none, where the person is not known here."""
        made = cls._create(
            cls.Created,
            id=request,
            timestamp=at,
            kind=str(kind),
            subjects=list(subjects),
            reason=reason,
            credential=credential,
        )
        return made

    @property
    def due_at(self) -> datetime:
        """When the law wants it answered."""
        return self.created_on + timedelta(days=DUE_DAYS)

    @property
    def erases_at(self) -> datetime | None:
        """When an erasure begins that waits first."""
        said = self.detail.get("erases_at")
        return None if said is None else datetime.fromisoformat(said)

    @property
    def is_ended(self) -> bool:
        """Whether nothing more comes."""
        return not TRANSITIONS[self.status]

    def specify(self, at: datetime, facts: Mapping[str, Any], content: Sealed | None = None) -> None:
        """Say what exactly is asked for, before it is taken up."""
        self.trigger_event(self.Specified, facts=dict(facts), content=content, timestamp=at)

    def move(self, status: Status, at: datetime, **detail: Any) -> None:
        """Go to ``status``. ValueError where the table has no such step: a fault of ours, not a caller's."""
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"a request can not go from {self.status} to {status}")
        self.trigger_event(self.Moved, status=str(status), detail=detail, timestamp=at)
