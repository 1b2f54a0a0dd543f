"""Closing an epoch, in numbered steps. Each may be done again, so a crash anywhere is resumed by whoever comes
next.

1. The next epoch's key is made.
2. The vault goes over to it in one transaction; the closed epoch is written down.
3. A fresh copy of the vault is opened apart; and a backup is made: from step 4 on no older one can be restored.
4. The closed epoch's key is destroyed, and copies of the vault from before are removed from the backups.
5. Certificate 2 for everybody who was erased in it: ``epoch-certified/1`` on the subject's stream. Whose erasure
   has not come to its first certificate yet gets the second at a later close.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from eventsourcing.persistence import PersistenceError

from lrs.domain.epochs import ClosedEpoch, Rewrapped, Standing
from lrs.domain.errors import Failed, NotFound, code_of
from lrs.domain.subjects import State, Subject
from lrs.ports import Clock, Epochs, ErasedSubject, Vault
from lrs.tenancy import Tenants
from retention.certificates import epoch_certificate

log = logging.getLogger("lethe.retention")

WRAPPING, CHECKING, CERTIFYING = "wrapping keys", "checking a copy", "certifying"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of one epoch. ``rewrapped`` is None where another close had begun it."""

    epoch: ClosedEpoch
    rewrapped: Rewrapped | None
    certificates: int
    waiting: int


@dataclass(frozen=True, slots=True)
class EpochCloser:
    """Closes epochs. ``reached`` hears the number of each step that is done; ``keep_copy`` sees that a copy of the
    vault as it is now is where a restore finds it; ``forget_copies`` removes copies of
    the vault that are of this epoch or older from wherever they are kept; again: nothing."""

    epochs: Epochs
    tenants: Tenants
    vault: Vault
    clock: Clock
    keep_copy: Callable[[], object] = lambda: None
    forget_copies: Callable[[int], object] = lambda _: None
    reached: Callable[[int], None] = lambda _: None

    def close(self, progress: Progress = lambda *_: None) -> list[Closing]:
        """Finish what an earlier close left, and close the present epoch; after finishing, only if something was
        destroyed in it. EpochBusy, VaultRefused, KeyStoreUnavailable."""
        with self.epochs.alone():
            done = [self._finish(one, None, progress) for one in self.epochs.standing().unfinished]
            if not done or self.epochs.standing().destroyed_since:
                done.append(self._close(progress))
        return done

    def finish(self) -> list[Closing]:
        """Finish what an earlier close left. The same errors."""
        with self.epochs.alone():
            return [self._finish(one, None, lambda *_: None) for one in self.epochs.standing().unfinished]

    def _close(self, progress: Progress) -> Closing:
        self.epochs.prepare()
        self.reached(1)
        rewrapped = self.epochs.turn(self.clock.now(), lambda done, total: progress(WRAPPING, done, total))
        self.reached(2)
        return self._finish(self.epochs.standing().closed[-1], rewrapped, progress)

    def _finish(self, one: ClosedEpoch, rewrapped: Rewrapped | None, progress: Progress) -> Closing:
        if one.destroyed_at is None:
            self.epochs.check(one.epoch, lambda done, total: progress(CHECKING, done, total))
            self.keep_copy()
            self.reached(3)
            self.epochs.destroy(one.epoch, self.clock.now)
        self.forget_copies(one.epoch)
        self.reached(4)
        certificates, waiting = self._certify(self._closed(one.epoch), progress)
        if not waiting:
            self.epochs.certified(one.epoch, self.clock.now())
        self.reached(5)
        return Closing(self._closed(one.epoch), rewrapped, certificates, waiting)

    def _closed(self, epoch: int) -> ClosedEpoch:
        return next(one for one in self.epochs.standing().closed if one.epoch == epoch)

    # --- step 5 ----------------------------------------------------------------------------------------------

    def _certify(self, closed: ClosedEpoch, progress: Progress) -> tuple[int, int]:
        """How many erasures of this epoch have their second certificate, and how many still wait for it."""
        erased = list(self.epochs.erased(closed.epoch))
        certified = waiting = 0
        for number, one in enumerate(erased, start=1):
            try:
                if self._certify_one(one, closed):
                    certified += 1
                else:
                    waiting += 1
            except NotFound:
                pass  # the tenant has left
            except (PersistenceError, Failed) as error:
                log.warning("a certificate waits: tenant=%s %s", one.tenant, code_of(error))
                waiting += 1
            progress(CERTIFYING, number, len(erased))
        return certified, waiting

    def _certify_one(self, one: ErasedSubject, closed: ClosedEpoch) -> bool:
        """Whether it has both. NotFound where there is no such tenant."""
        application = self.tenants.application(self.tenants.check(one.tenant))
        subject = cast("Subject | None", application.get_or_none(one.subject))
        if subject is None or subject.state is not State.ERASED:
            return False  # the erasure is not through
        if not subject.is_certified:
            now = self.clock.now()
            proof = epoch_certificate(
                subject.certificates[0],
                closed,
                now,
                sign=lambda message: self.vault.sign(one.tenant, message),
                public_key=self.vault.public_key(one.tenant),
            )
            subject.certify_epoch(proof, now)
            application.save(subject)
        return True


def is_due(standing: Standing, now: datetime, hours: float) -> bool:
    """Whether it is time: something was destroyed, and the last close, or without one the first destruction, is so
    long ago. A clock that was set back does not put it off."""
    if not standing.destroyed_since:
        return False
    since = standing.closed[-1].closed_at if standing.closed else standing.oldest_at
    return since is None or not timedelta() <= now - since < timedelta(hours=hours)
