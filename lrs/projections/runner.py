"""Keeping views up with the log: batches, each one transaction with its tracking."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from eventsourcing.persistence import RecordConflictError

from lrs.domain.errors import code_of
from lrs.opening import Opener
from lrs.ports import Generation, TenantStore, ViewKey, ViewRow, ViewWriter
from lrs.projections.completion import COMPLETION
from lrs.projections.folding import Batch, Folding, Meaning
from lrs.projections.progress import PROGRESS
from lrs.projections.views import View

log = logging.getLogger("lethe.projections")

VIEWS: dict[str, View] = {view.name: view for view in (COMPLETION, PROGRESS)}
BATCH_EVENTS = 1_000
# Other processes write too; their events are seen after this long at most.
_POLL_SECONDS = 0.25
_RETRY_SECONDS = 1.0


def step(
    store: TenantStore, opener: Opener, generations: Sequence[Generation], limit: int = BATCH_EVENTS
) -> list[Generation] | None:
    """Fold the next batch into these generations; where they stand then, or None at the end of the log.
    RecordConflictError when another runner was faster: read where they stand and go on."""
    start = min(one.position for one in generations)
    batch = Folding(store, opener).batch(start, limit)
    if batch is None:
        return None
    # A generation beyond this batch keeps its rows: folded anew, they would end with the batch.
    behind = [one for one in generations if one.position < batch.end]
    with store.views.write(behind, batch.end) as writer:
        erased = writer.tombstones(batch.subjects())
        for generation in behind:
            _write(writer, generation, batch, erased)
        for position in batch.corrupt:
            writer.alarm(position, "event-corrupt")
    for position in batch.corrupt:
        log.error("event-corrupt tenant=%s position=%d", store.tenant, position)
    return [replace(one, position=max(one.position, batch.end)) for one in generations]


def _write(writer: ViewWriter, generation: Generation, batch: Batch, erased: set[UUID]) -> None:
    """Add the batch to one generation's rows; rows to be folded anew are replaced."""
    view = VIEWS[generation.view]
    fresh = [
        one
        for one in batch.meanings
        if one.position > generation.position and one.key.subject not in erased and one.key not in batch.anew
    ]
    rows = dict(writer.load(generation, {one.key for one in fresh}))
    _fold(view, rows, fresh)
    for key, meanings in batch.anew.items():
        if key.subject not in erased:
            writer.remove(generation, [key])
            _fold(view, rows, meanings)
    writer.store(generation, rows.values())


def _fold(view: View, rows: dict[ViewKey, ViewRow], meanings: Iterable[Meaning]) -> None:
    for one in meanings:
        rows[one.key] = view.folded(one.key, rows.get(one.key), one.signal)


def catch_up(store: TenantStore, opener: Opener) -> bool:
    """Fold until the live views stand at the end of the log; True when there was anything to do."""
    worked = False
    while True:
        try:
            if step(store, opener, [store.views.live(name) for name in VIEWS]) is None:
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
