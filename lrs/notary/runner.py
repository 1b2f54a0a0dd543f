"""Keeps the logs of hashes of all tenants up with their events, in the process that leads.

It waits behind whoever has a request to answer. While there is much to do, most of the notary's time is rest: it
falls behind then, and catches up when there is less to do. What is not logged yet is as safe as any event; it is
only not proven yet.
"""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from os import cpu_count, getloadavg
from time import monotonic, process_time, thread_time
from typing import Final

from eventsourcing.persistence import RecordConflictError

from lrs.domain.errors import LogConflict, code_of
from lrs.leading import Leader, LeadingThread
from lrs.notary.notary import Notary
from lrs.ports import TenantStore

log = logging.getLogger("lethe.notary")

_ROUND_SECONDS: Final = 1.0
# An idle tenant is looked at seldom: a thousand of them are a hundred looks a second.
_IDLE_SECONDS_MAX: Final = 10.0
_ALARM_SECONDS: Final = 60.0
# Then the others have their turn.
_BATCHES_A_TURN: Final = 50
# Busy: others of this process take more than this of a processor, or the machine has more to do than processors.
# Rest is then so many times what a batch took.
_BUSY: Final = 0.2
_RESTS: Final = 50
# Far less than a lease lasts.
_RESTED_AT_ONCE_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Pace:
    """How long to rest after a batch."""

    _wall: float = field(default_factory=monotonic)
    _others: float = math.inf  # nothing is known before the first batch

    def rest(self, took: float) -> float:
        """Seconds."""
        wall, others = monotonic(), process_time() - thread_time()
        share = (others - self._others) / max(wall - self._wall, 1e-6)
        self._wall, self._others = wall, others
        crowded = getloadavg()[0] > (cpu_count() or 1)
        return took * _RESTS if crowded or share > _BUSY else 0.0


@dataclass(slots=True)
class _Due:
    """When a tenant is looked at again, and where its log ended when all of it was logged."""

    logged_to: int | None = None
    seconds: float = _ROUND_SECONDS
    at: float = 0.0

    def postpone(self, end: int | None, seconds: float | None = None) -> None:
        """Soon again after something new, later and later after nothing."""
        idle = end is not None and end == self.logged_to
        self.seconds = seconds or (min(self.seconds * 1.5, _IDLE_SECONDS_MAX) if idle else _ROUND_SECONDS)
        self.logged_to = end
        self.at = monotonic() + self.seconds


class NotaryRunner(LeadingThread):
    """A thread that appends for every tenant in turn."""

    def __init__(
        self,
        tenants: Callable[[], Iterable[str]],
        store: Callable[[str], TenantStore],
        notary: Notary,
        leader: Leader,
    ) -> None:
        super().__init__("notary", leader)
        self._tenants = tenants
        self._store = store
        self._notary = notary
        self._due: dict[str, _Due] = {}
        self._pace = _Pace()

    def _first(self) -> float:
        return _ROUND_SECONDS

    def _turn(self, *, leads: bool) -> float:
        if leads:
            self.round()
        return _ROUND_SECONDS

    def round(self) -> None:
        """Look at every tenant that is due, while this process leads; what fails is left for a later round."""
        try:
            names = list(self._tenants())
        except Exception as error:  # noqa: BLE001  (logs are kept up for as long as the service lives)
            log.warning("notary waits: %s", code_of(error))
            return
        self._due = {name: self._due.get(name, _Due()) for name in names}
        for name, due in self._due.items():
            if not self._goes_on():
                return
            if monotonic() >= due.at:
                self._kept_up(name, due)

    def _kept_up(self, tenant: str, due: _Due) -> None:
        try:
            store = self._store(tenant)
            end: int | None = store.statements.head().position
            if end != due.logged_to and not self._some(store):
                end = None  # there is more
        except LogConflict as error:
            log.error("%s tenant=%s position=%d", error.code, tenant, error.position)  # noqa: TRY400
            self._alarm(tenant, error)
            due.postpone(None, _ALARM_SECONDS)
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("notary waits: tenant=%s %s", tenant, code_of(error))
            due.postpone(None)
        else:
            due.postpone(end)

    def _some(self, store: TenantStore) -> bool:
        """Some batches; whether the end was reached."""
        for _ in range(_BATCHES_A_TURN):
            if not self._goes_on():
                return False
            began = monotonic()
            if self._reaches_the_end(store):
                return True
            self._rest(self._pace.rest(monotonic() - began))
        return False

    def _reaches_the_end(self, store: TenantStore) -> bool:
        try:
            return self._notary.step(store) < self._notary.batch_leaves
        except RecordConflictError:  # another notary was faster
            return False

    def _goes_on(self) -> bool:
        """Whether this process still leads. Asked all the time: a turn takes longer than a lease lasts."""
        return not self._stopping.is_set() and self._leader.leads()

    def _rest(self, seconds: float) -> None:
        while seconds > 0 and self._goes_on():
            self._stopping.wait(min(seconds, _RESTED_AT_ONCE_SECONDS))
            seconds -= _RESTED_AT_ONCE_SECONDS

    def _alarm(self, tenant: str, error: LogConflict) -> None:
        try:
            self._store(tenant).tree.alarm(error.position, error.code)
        except Exception as failed:  # noqa: BLE001  (it is in the service's log)
            log.warning("the alarm is not kept: tenant=%s %s", tenant, code_of(failed))
