"""Sweeping blobs that no statement names: of requests that a crash cut off, of statements whose owner was erased.

Blobs are kept before the event that names them, so one without a name may be about to get it: only those older
than a day are looked at, which no request is. Without an event nobody has a key: nothing is lost with it.

1. A tenant's blobs are listed, a thousand at a time; the old ones among them are asked for in its store.
2. Those that are named by nothing are removed, so many a round.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from lrs.domain.errors import code_of
from lrs.domain.events import BlobName
from lrs.leading import Leader, LeadingThread
from lrs.ports import Blobs, Clock
from lrs.tenancy import Tenants

log = logging.getLogger("lethe.retention")

# No request takes so long, nor do two machines' clocks differ so much.
UNNAMED_HOURS_MAX: Final = 24
REMOVED_MAX: Final = 10_000
_LISTED: Final = 1_000
_ROUND_SECONDS: Final = 6 * 3600.0
# After a start there is other work; and whoever is started every hour sweeps all the same.
_FIRST_SECONDS: Final = 600.0
_ASKED_SECONDS: Final = 60.0


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
        return removed

    def _old(self, tenant: str, before: datetime) -> Iterator[BlobName]:
        return (one.name for one in self.blobs.list(tenant) if one.modified < before)


class Sweeper(LeadingThread):
    """Sweeps all tenants a few times a day, in the process that leads."""

    def __init__(self, names: Callable[[], Iterable[str]], sweep: Sweep, leader: Leader) -> None:
        super().__init__("sweep", leader)
        self._names = names
        self._sweep = sweep

    def _first(self) -> float:
        return _FIRST_SECONDS

    def _turn(self, *, leads: bool) -> float:
        if not leads:
            return _ASKED_SECONDS
        self.round()
        return _ROUND_SECONDS

    def round(self) -> int:
        """Sweep every tenant now; what fails is left for the next round. How many blobs were removed."""
        removed = 0
        try:
            for tenant in self._names():
                if self._stopping.is_set():
                    break
                removed += self._swept(tenant)
        except Exception as error:  # noqa: BLE001  (it is swept for as long as the service lives)
            log.warning("blobs are not swept: %s", code_of(error))
        return removed

    def _swept(self, tenant: str) -> int:
        try:
            removed = self._sweep.sweep(tenant)
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("blobs are not swept: tenant=%s %s", tenant, code_of(error))
            return 0
        if removed:
            log.info("blobs swept: tenant=%s removed=%d", tenant, removed)
        return removed
