"""Rebuilding a view beside the live one: fold all of the log into a new generation, compare, swap.

Ingest and the live runner go on meanwhile. A rebuild that dies leaves the live view as it was; the next one
drops its remains and starts again.
"""

from collections.abc import Callable

from eventsourcing.persistence import RecordConflictError

from lrs.opening import Opener
from lrs.ports import Generation, TenantStore
from lrs.projections.runner import BATCH_EVENTS, step


def rebuild(
    store: TenantStore, opener: Opener, view: str, progress: Callable[[int, int], None] = lambda *_: None
) -> bool:
    """Rebuild one view; True when the new rows equal the old ones. ``progress`` hears (done, total) events."""
    new = store.views.begin(view)
    while True:
        live = store.views.live(view)
        progress(new.position, max(live.position, store.statements.head().position))
        try:
            if new.position == live.position:
                return store.views.swap(new)
            if new.position < live.position:
                new = _advance(store, opener, new, live.position)
            else:
                _advance(store, opener, live, new.position)
        except RecordConflictError:
            continue  # the live runner was faster: look again where it stands


def _advance(store: TenantStore, opener: Opener, generation: Generation, target: int) -> Generation:
    limit = min(BATCH_EVENTS, target - generation.position)
    moved = step(store, opener, [generation], limit)
    return moved[0] if moved else generation
