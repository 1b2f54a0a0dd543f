"""A run of the backup once in a while, in the process that leads.

Due is what the place itself says: so long after the last run began. A service that is started again does not run
sooner, and one that was down runs at once.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from lrs.domain.errors import AlreadyExists, code_of
from lrs.leading import Leader, LeadingThread
from lrs.ports import Clock
from retention.backup.running import Backup

log = logging.getLogger("lethe.backup")

# Hourly, with the time that a run itself takes: what is lost at most is what was stored in one hour.
EVERY_SECONDS: Final = 3_000
_ASKED_SECONDS: Final = 20.0
# After a failure: not the whole place again and again.
_AGAIN_SECONDS: Final = 300.0


class _Ended(Exception):
    """The service ends: the run at hand is given up, and counts for nothing."""


class BackupWorker(LeadingThread):
    """Runs backups for as long as the service lives."""

    def __init__(self, backup: Backup, leader: Leader, clock: Clock, every_seconds: int = EVERY_SECONDS) -> None:
        super().__init__("backup", leader)
        self._backup = backup
        self._clock = clock
        self._every = timedelta(seconds=every_seconds)
        self._last: datetime | None = None

    def _first(self) -> float:
        return 0.0

    def _turn(self, *, leads: bool) -> float:
        return _AGAIN_SECONDS if leads and not self.round() else _ASKED_SECONDS

    def round(self) -> bool:
        """Run if it is time; False when that failed, which is said in the log and tried again."""
        try:
            if self._due():
                ran = self._backup.run(lambda *_: self._keep_leading())
                self._last = datetime.fromisoformat(ran.at)
                log.info("backup: run=%d events=%d bytes=%d", ran.number, ran.events, ran.bytes_stored)
                if ran.missing:
                    log.error("ATTACHMENTS ARE IN NO BACKUP: %d", ran.missing)
        except AlreadyExists:
            log.info("backup: another process was faster")
        except _Ended:
            log.info("backup: the run was given up, for the service ends")
        except Exception as error:  # noqa: BLE001  (it runs for as long as the service lives)
            log.error("NO BACKUP WAS MADE: %s", code_of(error))  # noqa: TRY400  (no trace: it may hold data)
            self._last = None
            return False
        return True

    def _keep_leading(self) -> None:
        if self._stopping.is_set():
            raise _Ended
        self._leader.leads()  # renewed while a run takes its time

    def _due(self) -> bool:
        if self._is_over():
            # Another process may have run meanwhile.
            found = self._backup.last()
            self._last = None if found is None else datetime.fromisoformat(found.at)
        return self._is_over()

    def _is_over(self) -> bool:
        """Whether the last run is long ago; or yet to come, by a clock that was ahead."""
        return self._last is None or not timedelta() <= self._clock.now() - self._last < self._every
