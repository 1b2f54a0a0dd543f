"""A look at the whole installation: facts are gathered here, what they mean is ``lrs.domain.findings``.

A part that can not be asked is a finding of its own, and holds up none of the others.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from eventsourcing.persistence import PersistenceError

from lrs.domain import findings
from lrs.domain.errors import LetheError, code_of
from lrs.domain.findings import Backups, Epoch, Finding, Level, Places
from lrs.domain.instants import EPOCH
from lrs.ports import Clock, Stores
from lrs.ports.machine import Machine
from lrs.projections.learning import LEARNING


@dataclass(frozen=True, slots=True)
class Machinery:
    """What is looked at before anything is opened: folders and files."""

    machine: Machine
    data: Path
    keys: Path
    places: Places

    def findings(self) -> Iterator[Finding]:
        """Where keys, data, backups and escrow lie, and who may read them."""
        yield from findings.places(self.places)
        yield from self._asked("volumes", self._volumes)
        yield from self._asked("permissions", self._modes)

    def _asked(self, check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
        try:
            return list(look())
        except OSError as error:
            return [_not_known(check, type(error).__name__)]

    def _volumes(self) -> Iterator[Finding]:
        data = self.machine.volume(self.data) if self.data.exists() else None
        return findings.volumes(self.machine.volume(self.keys), data)

    def _modes(self) -> Iterator[Finding]:
        folders = [folder for folder in (self.keys, self.data) if folder.exists()]
        return findings.modes({name: mode for one in folders for name, mode in self.machine.modes(one).items()})


@dataclass(frozen=True, slots=True)
class Stored:
    """What is looked at in the stores, when they open."""

    names: Sequence[str]
    stores: Stores
    clock: Clock
    epoch: Callable[[], Epoch]
    backups: Callable[[], Backups]

    def findings(self) -> Iterator[Finding]:
        """Clock, projections, damage, what the service may do, epoch and backups."""
        now = self.clock.now()
        for check, look in (
            ("tenants", self._tenants),
            ("epoch", lambda: findings.epoch(self.epoch(), now)),
            ("backup", lambda: findings.backups(self.backups(), now)),
        ):
            try:
                yield from list(look())
            except (LetheError, PersistenceError) as error:
                yield _not_known(check, code_of(error))

    def _tenants(self) -> Iterator[Finding]:
        stored, behind, damaged = [], {}, {}
        for name in self.names:
            store = self.stores.open(name)
            head = store.statements.head()
            stored.append(EPOCH + timedelta(microseconds=head.stored_us))
            behind[name] = max(0, head.position - store.views.live(LEARNING.name).position)
            damaged[name] = store.views.alarms()
        yield findings.clock(self.clock.now(), stored)
        yield from findings.lag(behind)
        yield findings.alarms(damaged)
        inspected = self.stores.inspect(self.names)
        yield findings.rights(inspected.may_change, inspected.login_may_change)
        yield from findings.archives(inspected.archive_mode)


def _not_known(check: str, why: str) -> Finding:
    return Finding(check, Level.FAIL, f"can not be looked at ({why})", "see that it can be reached, then again")


def refused(error: LetheError | PersistenceError) -> Finding:
    """The installation does not even open."""
    why = str(error) if isinstance(error, LetheError) else code_of(error)
    return Finding("opening", Level.FAIL, why, "mend this first: nothing else can be looked at")
