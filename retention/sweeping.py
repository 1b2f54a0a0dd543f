"""Sweeping blobs that no statement names: of requests that a crash cut off, of statements whose owner was erased.

Blobs are kept before the event that names them, so one without a name may be about to get it: only those older
than a day are looked at, which no request is. Without an event nobody has a key: nothing is lost with it.

1. A tenant's blobs are listed, a thousand at a time; the old ones among them are asked for in its store.
2. Those that are named by nothing are removed, so many a round.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from lrs.domain.events import BlobName
from lrs.ports import Blobs, Clock
from lrs.tenancy import Tenants

log = logging.getLogger("lethe.retention")

# No request takes so long, nor do two machines' clocks differ so much.
UNNAMED_HOURS_MAX: Final = 24
REMOVED_MAX: Final = 10_000
_LISTED: Final = 1_000
SWEPT_SECONDS: Final = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """Sweeps tenants' blobs."""

    tenants: Tenants
    blobs: Blobs
    clock: Clock

    def sweep(self, tenant: str) -> int:
        """How many blobs were removed. StoreUnavailable."""
        store = self.tenants.store(tenant)
        old = self._old(tenant, self.clock.now() - timedelta(hours=UNNAMED_HOURS_MAX))
        removed = 0
        while removed < REMOVED_MAX and (names := list(islice(old, _LISTED))):
            unnamed = sorted(set(names) - store.statements.named_blobs(names))
            self.blobs.remove(tenant, unnamed)
            removed += len(unnamed)
        if removed:
            log.info("blobs swept: tenant=%s removed=%d", tenant, removed)
        return removed

    def _old(self, tenant: str, before: datetime) -> Iterator[BlobName]:
        return (one.name for one in self.blobs.list(tenant) if one.modified < before)
