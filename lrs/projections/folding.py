"""From a batch of the log to what it says about rows.

A statement that is voided, erased or not about a learner at an activity says nothing. A voiding statement makes
its target's row be folded again from the index, so that every view is a function of the statements that stand.

People who may not be read are folded like others: a row holds numbers under a random id, no report shows it, and
when reading is allowed again it is as if nothing had been.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from lrs.domain.events import StatementRecorded
from lrs.domain.filters import OBJECT, OWNER
from lrs.domain.sealing import Corrupt
from lrs.domain.signals import Signal, signal_of
from lrs.opening import Opened, Opener
from lrs.ports import Selection, TenantStore, ViewKey, ViewRow
from lrs.projections.views import Rows, View

_REFOLD_PAGE = 500


@dataclass(slots=True)
class Batch:
    """What a stretch of the log says: about rows, to be merged with what is there; about rows that are to be
    replaced (None: nothing is said of them any more); and which events are damaged. ``expiring``: how far keys had
    expired before anything was opened."""

    end: int
    expiring: int
    rows: Rows = field(default_factory=dict)
    anew: dict[ViewKey, ViewRow | None] = field(default_factory=dict)
    corrupt: list[int] = field(default_factory=list)


class Folding:
    """Reads the log of one tenant for a view."""

    def __init__(self, store: TenantStore, opener: Opener, view: View) -> None:
        self._store = store
        self._opener = opener
        self._view = view

    def batch(self, after: int, limit: int) -> Batch | None:
        """The next stretch of at most ``limit`` events after a position; None at the end of the log."""
        recorded = self._store.statements.read(after, limit)
        if not recorded:
            return None
        batch = Batch(end=recorded[-1].position, expiring=self._store.views.expiring())
        voided = self._store.statements.voided_between(after, batch.end)
        voids: list[UUID] = []
        for one in self._opener.each(self._store, recorded, inside=True):
            if isinstance(one.outcome, Corrupt):
                batch.corrupt.append(one.recorded.position)
            if isinstance(one.event, StatementRecorded) and one.event.voids is not None:
                voids.append(one.event.voids)
            if (said := _said(one)) is not None and (not voided or one.recorded.stream not in voided):
                self._view.say(batch.rows, *said)
        self._void(batch, voids)
        return batch

    def _void(self, batch: Batch, targets: Sequence[UUID]) -> None:
        if not targets:
            return
        found = self._store.statements.by_ids(targets).values()
        before = [one for one in found if one.position <= batch.end]
        of_targets = [_said(one) for one in self._opener.each(self._store, before, inside=True)]
        for key in {said[0] for said in of_targets if said is not None}:
            batch.rows.pop(key, None)
            batch.anew[key] = self.anew(key, batch.end)

    def anew(self, key: ViewKey, end: int) -> ViewRow | None:
        """A row from every standing statement up to a position, by the index."""
        term = self._store.statements.term
        wanted = Selection(
            owner=term(OWNER, key.subject.hex),
            object=term(OBJECT, key.activity),
            ascending=True,
            limit=_REFOLD_PAGE,
        )
        rows: Rows = {}
        after: int | None = 0
        while after is not None:
            page = self._store.statements.select(replace(wanted, after=after))
            upto = [row for row in page.rows if row.position <= end]
            for one in self._opener.each(self._store, upto, inside=True):
                if (said := _said(one)) is not None and said[0] == key:
                    self._view.say(rows, *said)
            after = page.rows[-1].position if page.more and len(upto) == len(page.rows) else None
        return rows.get(key)


def _said(one: Opened) -> tuple[ViewKey, Signal] | None:
    """What one statement says about which row, if its body is open and its actor is a person (an identified
    Agent)."""
    event, body = one.event, one.body
    if body is None or not isinstance(event, StatementRecorded):
        return None
    actor, content = body.actor, body.content
    if actor is None or actor in body.groups or content["object"] is None:  # a person is the object
        return None
    signal = signal_of(content, event.originator_id, one.recorded.stored_us)
    if signal is None:
        return None
    return ViewKey(event.people[actor][0], signal.activity, signal.registration or ""), signal
