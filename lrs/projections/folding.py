"""From a batch of the log to what it means for rows.

A statement that is voided, erased or not about a learner at an activity means nothing. A voiding statement makes
its target's row be folded again from the index, so that every view is a function of the statements that stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from lrs.domain.events import StatementRecorded
from lrs.domain.filters import OBJECT, OWNER
from lrs.domain.sealing import Corrupt
from lrs.domain.signals import Signal, signal_of
from lrs.opening import Opened, Opener
from lrs.ports import Recorded, Selection, TenantStore, ViewKey

_REFOLD_PAGE = 500


@dataclass(slots=True)
class Meaning:
    """One statement's say about one row. Not to be changed."""

    key: ViewKey
    signal: Signal


@dataclass(slots=True)
class Batch:
    """What a stretch of the log means: rows to add to, rows to fold anew, events that are damaged."""

    end: int
    meanings: list[Meaning] = field(default_factory=list)
    anew: dict[ViewKey, list[Signal]] = field(default_factory=dict)
    corrupt: list[int] = field(default_factory=list)


class Folding:
    """Reads the log of one tenant for its views."""

    def __init__(self, store: TenantStore, opener: Opener) -> None:
        self._store = store
        self._opener = opener

    def batch(self, after: int, limit: int) -> Batch | None:
        """The next stretch of at most ``limit`` events after a position; None at the end of the log."""
        recorded = self._store.statements.read(after, limit)
        if not recorded:
            return None
        batch = Batch(end=recorded[-1].position)
        voids: list[UUID] = []
        for one in self._opener.each(self._store, recorded):
            if isinstance(one.outcome, Corrupt):
                batch.corrupt.append(one.recorded.position)
            if isinstance(one.event, StatementRecorded) and one.event.voids is not None:
                voids.append(one.event.voids)
            if (meaning := _meaning(one)) is not None:
                batch.meanings.append(meaning)
        batch.meanings = self._standing(batch.meanings)
        self._void(batch, voids)
        return batch

    def _standing(self, meanings: list[Meaning]) -> list[Meaning]:
        voided = self._store.statements.voided([one.signal.statement_id for one in meanings])
        return [one for one in meanings if one.signal.statement_id not in voided] if voided else meanings

    def _void(self, batch: Batch, targets: Sequence[UUID]) -> None:
        if not targets:
            return
        found = self._store.statements.by_ids(targets).values()
        before = [one for one in found if one.position <= batch.end]
        meanings = (_meaning(one) for one in self._opener.each(self._store, before))
        for key in {meaning.key for meaning in meanings if meaning}:
            batch.anew[key] = [one.signal for one in self._all_of(key, batch.end)]

    def _all_of(self, key: ViewKey, end: int) -> list[Meaning]:
        """Every standing statement of a row up to a position, from the index."""
        term = self._store.statements.term
        wanted = Selection(
            people=(term(OWNER, key.subject.hex),),
            object=term(OBJECT, key.activity),
            ascending=True,
            limit=_REFOLD_PAGE,
        )
        found: list[Meaning] = []
        after: int | None = 0
        while after is not None:
            page = self._store.statements.select(replace(wanted, after=after))
            upto: list[Recorded] = [row for row in page.rows if row.position <= end]
            meanings = (_meaning(one) for one in self._opener.bodies(self._store, upto))
            found += [meaning for meaning in meanings if meaning and meaning.key == key]
            after = page.rows[-1].position if page.more and len(upto) == len(page.rows) else None
        return found


def _meaning(one: Opened) -> Meaning | None:
    """What one statement says, if its body is open and its actor is a person (an identified Agent)."""
    event, body = one.event, one.body
    if body is None or not isinstance(event, StatementRecorded):
        return None
    actor, content = body.actor, body.content
    if actor is None or actor in body.groups or content["object"] is None:  # a person is the object
        return None
    recorded = one.recorded
    signal = signal_of(content, event.originator_id, recorded.stored_us)
    if signal is None:
        return None
    key = ViewKey(event.people[actor][0], signal.activity, signal.registration or "")
    return Meaning(key, signal)
