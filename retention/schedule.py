"""Something that is to be done for every tenant now and then, in the process that leads: a thread of its own."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from lrs.domain.errors import code_of
from lrs.leading import Leader, LeadingThread

log = logging.getLogger("lethe.retention")

# After a start there is other work; and whoever is started every hour does it all the same.
_FIRST_SECONDS: Final = 300.0
_ASKED_SECONDS: Final = 5.0
DAY_SECONDS: Final = 86_400.0


class Schedule(LeadingThread):
    """Does one kind of work for tenant after tenant. What fails is left for the next round."""

    def __init__(
        self,
        name: str,
        tenants: Callable[[], Iterable[str]],
        work: Callable[[str], object],
        leader: Leader,
        every_seconds: float = DAY_SECONDS,
    ) -> None:
        super().__init__(name, leader)
        self._name = name
        self._tenants = tenants
        self._work = work
        self._every_seconds = every_seconds
        self._due = monotonic()

    def _first(self) -> float:
        self._due = monotonic() + _FIRST_SECONDS
        return _ASKED_SECONDS

    def _turn(self, *, leads: bool) -> float:
        if leads and monotonic() >= self._due:
            self.round()
            self._due = monotonic() + self._every_seconds
        return _ASKED_SECONDS

    def round(self) -> None:
        """Do it for every tenant now."""
        try:
            for tenant in self._tenants():
                if self._stopping.is_set():
                    break
                self._leader.leads()  # renewed while a round takes its time
                self._done(tenant)
        except Exception as error:  # noqa: BLE001  (it is done for as long as the service lives)
            log.warning("%s waits: %s", self._name, code_of(error))

    def _done(self, tenant: str) -> None:
        try:
            self._work(tenant)
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("%s waits: tenant=%s %s", self._name, tenant, code_of(error))
