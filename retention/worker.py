"""Runs open requests in the service: at once what was asked of this process, and, in the process that leads, what
others left behind."""

import logging
import threading
from collections.abc import Callable, Iterable
from time import monotonic

from lrs.domain.errors import code_of
from lrs.leading import Leader
from retention.rights import Rights

log = logging.getLogger("lethe.retention")

# A request that its process did not finish is taken up after its claim has run out; looking is a query a tenant.
_SWEEP_SECONDS = 5.0


class RequestWorker:
    """One request at a time, tenants in turn."""

    def __init__(self, tenants: Callable[[], Iterable[str]], rights: Rights, leader: Leader) -> None:
        self._tenants = tenants
        self._rights = rights
        self._leader = leader
        self._notified: set[str] = set()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="requests", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def notify(self, tenant: str) -> None:
        """There is a new request."""
        self._notified.add(tenant)
        self._wake.set()

    def stop(self) -> None:
        """Finish the request at hand and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._leader.give_up()

    def _loop(self) -> None:
        swept = -_SWEEP_SECONDS
        while not self._stopping.is_set():
            self._wake.clear()
            notified, self._notified = self._notified, set()
            self.round(sorted(notified))
            if monotonic() - swept >= _SWEEP_SECONDS and self._leader.leads():
                self.round()
                swept = monotonic()
            self._wake.wait(_SWEEP_SECONDS)

    def round(self, tenants: Iterable[str] | None = None) -> None:
        """Run what is open now, once through these tenants, or all. What fails stays open for a later round, and
        holds up neither other tenants nor, as its claim is kept for a while, other requests."""
        for tenant in self._served() if tenants is None else tenants:
            try:
                while not self._stopping.is_set() and self._rights.run_next(tenant) is not None:
                    pass
            except Exception as error:  # noqa: BLE001  (requests are run for as long as the service lives)
                log.warning("requests wait: tenant=%s %s", tenant, code_of(error))

    def _served(self) -> list[str]:
        try:
            return list(self._tenants())
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("requests wait: %s", code_of(error))
            return []
