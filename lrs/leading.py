"""Who of several processes does what only one should do: whoever holds the lease.

A lease saves work, it guards nothing: two who both think that they hold it would do the same work, and one of them
would be refused by the store (tracking of projections, claims of requests).
"""

import logging
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
