"""Folding rows of views again from what is left of the index, in the place of what they said."""

from collections.abc import Sequence

from lrs.opening import Opener
from lrs.ports import TenantStore, ViewKey
from lrs.projections.folding import Folding
from lrs.projections.views import View

# Projectors wait for a transaction's worth, on the embedded store ingest does, too.
ROWS_TOGETHER = 20


def fold_again(store: TenantStore, opener: Opener, view: View, keys: Sequence[ViewKey]) -> None:
    """These rows, in every generation of the view, as the statements say them that still can be read: as far as
    each generation has come. A row of which nothing is said any more goes."""
    folding = Folding(store, opener, view)
    for start in range(0, len(keys), ROWS_TOGETHER):
        together = keys[start : start + ROWS_TOGETHER]
        with store.views.alone(view.name) as (writer, generations):
            erased = writer.tombstones({key.subject for key in together})
            for generation in generations:
                rows = [folding.anew(key, generation.position) for key in together if key.subject not in erased]
                writer.remove(generation, together)
                writer.store(generation, [row for row in rows if row is not None])
