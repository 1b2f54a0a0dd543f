"""Keeping views up with the log: batches, each one transaction with its tracking."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from time import monotonic
from uuid import UUID

from eventsourcing.persistence import RecordConflictError

from lrs.domain.errors import code_of
from lrs.leading import Leader
from lrs.opening import Opener
from lrs.ports import Generation, TenantStore, ViewWriter
from lrs.projections.folding import Batch, Folding
from lrs.projections.learning import LEARNING
from lrs.projections.views import View

log = logging.getLogger("lethe.projections")

VIEWS: dict[str, View] = {view.name: view for view in (LEARNING,)}
BATCH_EVENTS = 1_000
# How often there is a round. Other processes write too: their events are seen after this long, or after the longer
# time for a tenant that had nothing for a while. A thousand idle tenants are then five hundred looks a second.
_POLL_SECONDS = 0.25
_POLL_SECONDS_MAX = 2.0
_RETRY_SECONDS = 1.0


def step(
    store: TenantStore, opener: Opener, generations: Sequence[Generation], limit: int = BATCH_EVENTS
) -> list[Generation] | None:
    """Fold the next batch into these generations of a view, which stand at one place; where they stand then, None
    at the end of the log. RecordConflictError when another runner was faster: read where they stand and go on."""
    ((name, start),) = {(one.view, one.position) for one in generations}
    batch = Folding(store, opener, VIEWS[name]).batch(start, limit)
    return None if batch is None else _written(store, generations, batch)


def _written(store: TenantStore, generations: Sequence[Generation], batch: Batch) -> list[Generation]:
    view = VIEWS[generations[0].view]
    with store.views.write(generations, batch.end, batch.expiring) as writer:
        erased = writer.tombstones({key.subject for key in (*batch.rows, *batch.anew)})
        for generation in generations:
            _write(writer, generation, view, batch, erased)
        for position in batch.corrupt:
            writer.alarm(position, "event-corrupt")
    for position in batch.corrupt:
        log.error("event-corrupt tenant=%s position=%d", store.tenant, position)
    return [replace(one, position=batch.end) for one in generations]


def _write(writer: ViewWriter, generation: Generation, view: View, batch: Batch, erased: set[UUID]) -> None:
    """Merge what a batch says with one generation's rows; rows that were folded anew are replaced."""
    said = {key: row for key, row in batch.rows.items() if key.subject not in erased}
    known = writer.load(generation, said)
    rows = [view.merged(known.get(key), row) for key, row in said.items()]
    writer.remove(generation, batch.anew)
    rows += [row for row in batch.anew.values() if row is not None and row.key.subject not in erased]
    writer.store(generation, rows)


def catch_up(store: TenantStore, opener: Opener) -> bool:
    """Fold until the live views stand where the log ended when this last looked; True when there was anything to
    do. It does not run after a log that grows meanwhile: small batches cost many times as much."""
    worked = [_caught_up(store, opener, name) for name in VIEWS]
    return any(worked)


def _caught_up(store: TenantStore, opener: Opener, view: str) -> bool:
    worked = False
    while True:
        live = store.views.live(view)
        try:
            moved = step(store, opener, [live])
        except RecordConflictError:
            continue
        worked = worked or moved is not None
        if moved is None or moved[0].position - live.position < BATCH_EVENTS:
            return worked


class Runner:
    """A thread that keeps the views of every tenant up with the log, in the process that leads.

    A tenant that got something here is looked at in the next round; others, whose events other processes wrote,
    when they are due: soon after they had something, seldom while they have not. Rounds come a few times a second,
    so that what is stored meanwhile is folded together; at once for somebody who waits for a report.
    """

    def __init__(
        self,
        tenants: Callable[[], Iterable[str]],
        store: Callable[[str], TenantStore],
        opener: Opener,
        leader: Leader,
    ) -> None:
        self._tenants = tenants
        self._store = store
        self._opener = opener
        self._leader = leader
        self._notified: set[str] = set()
        self._due: dict[str, _Due] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="projections", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def notify(self, tenant: str) -> None:
        """There is something new."""
        self._notified.add(tenant)

    def hurry(self, tenant: str) -> None:
        """Somebody waits for it."""
        self._notified.add(tenant)
        self._wake.set()

    def stop(self) -> None:
        """Finish the batch at hand and end; another process may lead at once."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._leader.give_up()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            healthy = not self._leader.leads() or self._round()
            self._wake.wait(_POLL_SECONDS if healthy else _RETRY_SECONDS)

    def _round(self) -> bool:
        try:
            names = list(self._tenants())
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("projections wait: %s", code_of(error))
            return False
        notified, self._notified = self._notified, set()
        self._due = {name: self._due.get(name, _Due()) for name in names}
        asked = [name for name in names if name in notified or self._due[name].is_now()]
        healthy = [self._kept_up(name) for name in asked if not self._stopping.is_set()]
        return all(healthy)

    def _kept_up(self, tenant: str) -> bool:
        due = self._due[tenant]
        try:
            store = self._store(tenant)
            end = store.statements.head().position
            if end != due.folded_to:
                catch_up(store, self._opener)
        except Exception as error:  # noqa: BLE001  (views are kept up for as long as the service lives)
            log.warning("projection waits: tenant=%s %s", tenant, code_of(error))
            due.postpone(None)
            return False
        due.postpone(end)
        return True


class _Due:
    """When a tenant is looked at again, and the end of its log when all of it was folded."""

    def __init__(self) -> None:
        self.folded_to: int | None = None
        self._seconds = _POLL_SECONDS
        self._next = 0.0

    def is_now(self) -> bool:
        """Whether it is time."""
        return monotonic() >= self._next

    def postpone(self, end: int | None) -> None:
        """Soon again after something new, later and later after nothing."""
        idle = end is not None and end == self.folded_to
        self._seconds = min(self._seconds * 1.5, _POLL_SECONDS_MAX) if idle else _POLL_SECONDS
        self.folded_to = end
        self._next = monotonic() + self._seconds
