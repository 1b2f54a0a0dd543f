"""Something that is to be done for every tenant now and then, in the process that leads: a thread of its own."""

import logging
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from lrs.domain.errors import code_of
from lrs.leading import Leader

log = logging.getLogger("lethe.retention")

# After a start there is other work; and whoever is started every hour does it all the same.
_FIRST_SECONDS: Final = 300.0
_ASKED_SECONDS: Final = 5.0
DAY_SECONDS: Final = 86_400.0


class Schedule:
    """Does one kind of work for tenant after tenant. What fails is left for the next round."""

    def __init__(
        self,
        name: str,
        tenants: Callable[[], Iterable[str]],
        work: Callable[[str], object],
        leader: Leader,
        every_seconds: float = DAY_SECONDS,
    ) -> None:
        self._name = name
        self._tenants = tenants
        self._work = work
        self._leader = leader
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the tenant at hand."""
        self._stopping.set()
        self._thread.join()
        self._leader.give_up()

    def _loop(self) -> None:
        due = monotonic() + _FIRST_SECONDS
        while not self._stopping.wait(_ASKED_SECONDS):
            # Asked for all the time: a lease that is let go of lets others do the same work again.
            if self._leader.leads() and monotonic() >= due:
                self.round()
                due = monotonic() + self._every_seconds

    def round(self) -> None:
        """Do it for every tenant now."""
        try:
            for tenant in self._tenants():
                if self._stopping.is_set():
                    break
                self._done(tenant)
        except Exception as error:  # noqa: BLE001  (it is done for as long as the service lives)
            log.warning("%s waits: %s", self._name, code_of(error))

    def _done(self, tenant: str) -> None:
        try:
            self._work(tenant)
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("%s waits: tenant=%s %s", self._name, tenant, code_of(error))
