"""Runs open requests in the service: a thread that looks at every tenant's work list."""

import logging
import threading
from collections.abc import Callable, Iterable

from lrs.domain.errors import code_of
from retention.rights import Rights

log = logging.getLogger("lethe.retention")

_POLL_SECONDS = 0.5


class RequestWorker:
    """One request at a time, tenants in turn."""

    def __init__(self, tenants: Callable[[], Iterable[str]], rights: Rights) -> None:
        self._tenants = tenants
        self._rights = rights
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="requests", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def notify(self) -> None:
        """There is a new request."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the request at hand and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self.round()
            self._wake.wait(_POLL_SECONDS)

    def round(self) -> None:
        """Run what is open now, once through all tenants. What fails stays open for a later round, and holds up
        neither other tenants nor, as its claim is kept for a while, other requests."""
        for tenant in self._served():
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
