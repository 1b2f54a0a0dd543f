"""Who of several processes does what only one should do: whoever holds the lease.

A lease saves work, it guards nothing: two who both think that they hold it would do the same work, and one of them
would be refused by the store (tracking of projections, claims of requests).
"""

import logging
import threading
from abc import ABC, abstractmethod
from time import monotonic
from uuid import uuid4

from lrs.domain.errors import code_of
from lrs.ports import Clock, ControlStore

log = logging.getLogger("lethe.leading")

LEASE_SECONDS = 10
_RENEWED_SECONDS = 3.0


class Leader:
    """This process's hold on a lease. To be asked by one thread."""

    def __init__(self, control: ControlStore, clock: Clock, name: str) -> None:
        self._control = control
        self._clock = clock
        self._name = name
        self._holder = uuid4().hex
        self._asked = -_RENEWED_SECONDS
        self._leads = False

    def leads(self) -> bool:
        """Whether this process has the lease; asked of the store every few seconds."""
        if monotonic() - self._asked >= _RENEWED_SECONDS:
            self._asked = monotonic()
            try:
                self._leads = self._control.lease(
                    self._name, self._holder, self._clock.now(), seconds=LEASE_SECONDS
                )
            except Exception as error:  # noqa: BLE001  (who can not ask does not lead)
                log.warning("lease %s not known: %s", self._name, code_of(error))
                self._leads = False
        return self._leads

    def give_up(self) -> None:
        """Let another process have it at once."""
        if self._leads:
            self._leads = False
            try:
                self._control.give_up(self._name, self._holder)
            except Exception as error:  # noqa: BLE001  (it runs out by itself)
                log.warning("lease %s kept: %s", self._name, code_of(error))


class LeadingThread(ABC):
    """A thread of its own that looks now and then whether there is something to do, which the process that leads
    does."""

    def __init__(self, name: str, leader: Leader) -> None:
        self._leader = leader
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is at hand; another process may lead at once."""
        self._stopping.set()
        self._thread.join()
        self._leader.give_up()

    def _loop(self) -> None:
        wait = self._first()
        while not self._stopping.wait(wait):
            # Asked for all the time: a lease that is let go of lets others do the same work again.
            wait = self._turn(leads=self._leader.leads())

    @abstractmethod
    def _first(self) -> float:
        """Seconds from the start to the first look."""

    @abstractmethod
    def _turn(self, *, leads: bool) -> float:
        """Do what is due, if this process leads; seconds to the next look. It raises nothing."""
