"""Closes epochs in the service, in the process that leads: once a day if something was destroyed, and at once what
an earlier close left unfinished."""

import logging
import threading
from typing import Final

from lrs.domain.errors import EpochBusy, code_of
from lrs.leading import Leader
from retention.closing import EpochCloser, is_due

log = logging.getLogger("lethe.retention")

_FIRST_SECONDS: Final = 2.0
_ASKED_SECONDS: Final = 60.0
# What could not be finished is not tried all the time: checking a copy reads the whole vault.
_AGAIN_SECONDS: Final = 600.0


class EpochSchedule:
    """A thread that looks whether it is time."""

    def __init__(self, closer: EpochCloser, leader: Leader, hours: float) -> None:
        self._closer = closer
        self._leader = leader
        self._hours = hours
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="epochs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the close at hand."""
        self._stopping.set()
        self._thread.join()
        self._leader.give_up()

    def _loop(self) -> None:
        wait = _FIRST_SECONDS
        while not self._stopping.wait(wait):
            wait = _ASKED_SECONDS
            if self._leader.leads() and not self.round():
                wait = _AGAIN_SECONDS

    def round(self) -> bool:
        """Do what is due now; whether nothing is left undone. What fails is left for a later round."""
        try:
            closer, standing = self._closer, self._closer.epochs.standing()
            if is_due(standing, closer.clock.now(), self._hours):
                done = closer.close()
            elif standing.unfinished:
                done = closer.finish()
            else:
                return True
        except EpochBusy:
            return True  # somebody else is at it
        except Exception as error:  # noqa: BLE001  (epochs are closed for as long as the service lives)
            log.warning("the epoch is not closed: %s", code_of(error))
            return False
        for one in done:
            log.info("epoch closed: epoch=%d certificates=%d", one.epoch.epoch, one.certificates)
        return not any(one.waiting for one in done)
