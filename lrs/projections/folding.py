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


@dataclass(frozen=True, slots=True)
class Meaning:
    """One statement's say about one row."""

    position: int
    key: ViewKey
    signal: Signal


@dataclass(slots=True)
class Batch:
    """What a stretch of the log means: rows to add to, rows to fold anew, events that are damaged."""

    end: int
    meanings: list[Meaning] = field(default_factory=list)
    anew: dict[ViewKey, list[Meaning]] = field(default_factory=dict)
    corrupt: list[int] = field(default_factory=list)

    def subjects(self) -> set[UUID]:
        """Everybody whose rows would be written."""
        return {one.key.subject for one in self.meanings} | {key.subject for key in self.anew}


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
        opened = self._opener.bodies(self._store, recorded)
        batch.corrupt = [one.recorded.position for one in opened if isinstance(one.outcome, Corrupt)]
        batch.meanings = self._standing(opened)
        self._void(batch, [one.event.voids for one in opened if isinstance(one.event, StatementRecorded)])
        return batch

    def _standing(self, opened: Sequence[Opened]) -> list[Meaning]:
        voided = self._store.statements.voided([one.event.originator_id for one in opened])
        return [
            meaning
            for one in opened
            if one.event.originator_id not in voided and (meaning := _meaning(one)) is not None
        ]

    def _void(self, batch: Batch, voids: Sequence[UUID | None]) -> None:
        targets = [target for target in voids if target is not None]
        if not targets:
            return
        found = self._store.statements.by_ids(targets).values()
        before = [one for one in found if one.position <= batch.end]
        meanings = (_meaning(one) for one in self._opener.bodies(self._store, before))
        for key in {meaning.key for meaning in meanings if meaning}:
            batch.anew[key] = self._all_of(key, batch.end)

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
    if body is None or not isinstance(event, StatementRecorded) or body.actor is None or body.actor in body.groups:
        return None
    if body.content["object"] is None:  # a person stood there: it is not about an activity
        return None
    content = body.content | {"actor": {}}
    signal = signal_of(content, statement_id=str(event.originator_id), stored_us=one.recorded.stored_us)
    if signal is None:
        return None
    key = ViewKey(event.people[body.actor][0], signal.activity, signal.registration or "")
    return Meaning(one.recorded.position, key, signal)
