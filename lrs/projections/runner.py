"""Keeping views up with the log: batches, each one transaction with its tracking."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from eventsourcing.persistence import RecordConflictError

from lrs.domain.errors import code_of
from lrs.domain.signals import Signal
from lrs.opening import Opener
from lrs.ports import Generation, TenantStore, ViewKey, ViewWriter
from lrs.projections.folding import Folding, Meaning
from lrs.projections.learning import LEARNING
from lrs.projections.views import View

log = logging.getLogger("lethe.projections")
Said = dict[ViewKey, list[Signal]]

VIEWS: dict[str, View] = {view.name: view for view in (LEARNING,)}
BATCH_EVENTS = 1_000
# Other processes write too; their events are seen after this long at most.
_POLL_SECONDS = 0.25
_RETRY_SECONDS = 1.0


def step(
    store: TenantStore, opener: Opener, generations: Sequence[Generation], limit: int = BATCH_EVENTS
) -> list[Generation] | None:
    """Fold the next batch into these generations, which stand at one place; where they stand then, or None at
    the end of the log. RecordConflictError when another runner was faster: read where they stand and go on."""
    (start,) = {one.position for one in generations}
    batch = Folding(store, opener).batch(start, limit)
    if batch is None:
        return None
    said = _by_key(batch.meanings)
    with store.views.write(generations, batch.end) as writer:
        erased = writer.tombstones({key.subject for key in (*said, *batch.anew)})
        for generation in generations:
            _write(writer, generation, said, batch.anew, erased)
        for position in batch.corrupt:
            writer.alarm(position, "event-corrupt")
    for position in batch.corrupt:
        log.error("event-corrupt tenant=%s position=%d", store.tenant, position)
    return [replace(one, position=batch.end) for one in generations]


def _by_key(meanings: Iterable[Meaning]) -> Said:
    """What is said about each row, so that each is looked up, folded and written once."""
    said: Said = {}
    for one in meanings:
        said.setdefault(one.key, []).append(one.signal)
    return said


def _write(writer: ViewWriter, generation: Generation, said: Said, anew: Said, erased: set[UUID]) -> None:
    """Add what is said to one generation's rows; rows to be folded anew are replaced."""
    view = VIEWS[generation.view]
    fresh = [key for key in said if key.subject not in erased and key not in anew]
    known = writer.load(generation, fresh)
    rows = [view.folded(key, known.get(key), said[key]) for key in fresh]
    writer.remove(generation, anew)
    rows += [view.folded(key, None, anew[key]) for key in anew if key.subject not in erased]
    writer.store(generation, [row for row in rows if row is not None])


def catch_up(store: TenantStore, opener: Opener) -> bool:
    """Fold until the live views stand at the end of the log; True when there was anything to do."""
    worked = [_caught_up(store, opener, name) for name in VIEWS]
    return any(worked)


def _caught_up(store: TenantStore, opener: Opener, view: str) -> bool:
    worked = False
    while True:
        try:
            if step(store, opener, [store.views.live(view)]) is None:
                return worked
        except RecordConflictError:
            continue
        worked = True


class Runner:
    """A thread that keeps the views of every tenant up with the log."""

    def __init__(
        self, tenants: Callable[[], Iterable[str]], store: Callable[[str], TenantStore], opener: Opener
    ) -> None:
        self._tenants = tenants
        self._store = store
        self._opener = opener
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="projections", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def notify(self, _tenant: str = "") -> None:
        """There is something new."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the batch at hand and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            healthy = self._round()
            self._wake.wait(_POLL_SECONDS if healthy else _RETRY_SECONDS)

    def _round(self) -> bool:
        healthy = True
        try:
            names = list(self._tenants())
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("projections wait: %s", code_of(error))
            return False
        for tenant in names:
            if self._stopping.is_set():
                break
            try:
                catch_up(self._store(tenant), self._opener)
            except Exception as error:  # noqa: BLE001  (views are kept up for as long as the service lives)
                healthy = False
                log.warning("projection waits: tenant=%s %s", tenant, code_of(error))
        return healthy
