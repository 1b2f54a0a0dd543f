"""A look at an installation: what the doctor needs of it."""

from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from eventsourcing.persistence import PersistenceError

from lrs.adapters.clock import SystemClock
from lrs.adapters.machine import LinuxMachine
from lrs.bootstrap.building import build
from lrs.bootstrap.system import System
from lrs.config import Settings
from lrs.diagnosing import Machinery, Stored, refused
from lrs.domain.errors import LetheError, NotFound
from lrs.domain.findings import Backups, Epoch, Finding, Places
from retention.backup.checking import last_verified


def examine(settings: Settings) -> list[Finding]:
    """What a look at the whole installation finds."""
    keys, data = settings.keys.absolute(), settings.data_dir.absolute()
    places = Places(str(data), str(keys), _absolute(settings.backup_url), _absolute(settings.escrow_url))
    found = list(Machinery(LinuxMachine(), data, keys, places).findings())
    if settings.database_url is None and not data.exists():
        return [*found, refused(NotFound("there is no store in LRS_DATA_DIR"))]
    try:
        system = build(settings)
    except (LetheError, PersistenceError) as error:
        return [*found, refused(error)]
    with closing(system):
        names = [row.name for row in system.tenants.list()]
        stored = Stored(
            names, system.stores, SystemClock(), partial(_epoch_now, system), partial(_backups_now, system)
        )
        return [*found, *stored.findings()]


def _absolute(url: str | None) -> str | None:
    return url if url is None or "://" in url else str(Path(url).absolute())


def _epoch_now(system: System) -> Epoch:
    standing, provider = system.closer.epochs.standing(), system.vault.keys.provider
    return Epoch(
        standing.epoch,
        standing.oldest_at,
        standing.destroyed_since,
        unfinished=len(standing.unfinished),
        provider=provider.name,
        destruction_seconds=provider.destruction_seconds,
        escrowed=system.settings.escrow_url is not None,  # opening the system put it there, or refused
    )


def _backups_now(system: System) -> Backups:
    backup = system.backup
    if backup is None:
        return Backups(configured=False)
    last = backup.last()
    return Backups(
        configured=True,
        made_at=datetime.fromisoformat(last.at) if last else None,
        verified_at=last_verified(backup.place, last.vault) if last else None,
        missing=len(last.missing) if last else 0,
    )
