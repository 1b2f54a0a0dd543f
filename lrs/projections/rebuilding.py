"""Rebuilding a view beside the live one: fold all of the log into a new generation, compare, swap.

Ingest and the live runner go on meanwhile. A rebuild that dies leaves the live view as it was; the next one
drops its remains and starts again.
"""

from collections.abc import Callable

from eventsourcing.persistence import RecordConflictError

from lrs.opening import Opener
from lrs.ports import Generation, TenantStore
from lrs.projections.runner import BATCH_EVENTS, step

# How often a rebuild goes on because a voiding may be known to one of the two generations only.
_COMPARISONS_MAX = 20


def rebuild(
    store: TenantStore, opener: Opener, view: str, progress: Callable[[int, int], None] = lambda *_: None
) -> bool:
    """Rebuild one view; True when the new rows equal the old ones. ``progress`` hears (done, total) events."""
    new = store.views.begin(view)
    comparisons = _COMPARISONS_MAX
    same: bool | None = None  # once it was compared: from one place both read on alike
    while True:
        live = store.views.live(view)
        end = store.statements.head().position
        progress(new.position, max(live.position, end))
        try:
            if new.position < live.position:
                new = _advance(store, opener, [new], live.position)
            elif new.position > live.position:
                _advance(store, opener, [live], new.position)
            elif same is not None:
                store.views.swap(new)
                return same
            elif not (found := store.views.same(live, new)) and comparisons and end > new.position:
                # A statement is left out from when its voiding is stored, which may be further on in the log: it
                # is then in the rows of whoever read it before. Read on together, both leave it out.
                comparisons -= 1
                new = _advance(store, opener, [new, live], end)
            else:
                same = found
        except RecordConflictError:
            continue  # the live runner was faster: look again where it stands


def _advance(store: TenantStore, opener: Opener, generations: list[Generation], target: int) -> Generation:
    """All of them a batch further, at most to the target; where the first one stands then."""
    first = generations[0]
    moved = step(store, opener, generations, min(BATCH_EVENTS, target - first.position))
    return moved[0] if moved else first
