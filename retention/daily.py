"""Closes epochs in the service, in the process that leads: once a day if something was destroyed, and at once what
an earlier close left unfinished."""

import logging
from typing import Final

from lrs.domain.errors import EpochBusy, code_of
from lrs.leading import Leader, LeadingThread
from retention.closing import EpochCloser, is_due

log = logging.getLogger("lethe.retention")

_FIRST_SECONDS: Final = 2.0
_ASKED_SECONDS: Final = 60.0
# What could not be finished is not tried all the time: checking a copy reads the whole vault.
_AGAIN_SECONDS: Final = 600.0


class EpochSchedule(LeadingThread):
    """A thread that looks whether it is time."""

    def __init__(self, closer: EpochCloser, leader: Leader, hours: float) -> None:
        super().__init__("epochs", leader)
        self._closer = closer
        self._hours = hours

    def _first(self) -> float:
        return _FIRST_SECONDS

    def _turn(self, *, leads: bool) -> float:
        return _AGAIN_SECONDS if leads and not self.round() else _ASKED_SECONDS

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
