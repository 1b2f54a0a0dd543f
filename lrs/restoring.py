"""Putting together what a restore needs: the place that it goes to, and a scratch place to try one in.

Beside the composition root and above it: the system in a restored place is what the composition root makes of it.
"""

import shutil
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_bytes

from pydantic import SecretStr

from lrs.adapters.age import AgeIdentities
from lrs.adapters.clock import SystemClock
from lrs.adapters.objects.places import Objects, open_place
from lrs.adapters.postgres.migrating import connected
from lrs.adapters.postgres.pool import open_pool
from lrs.adapters.postgres.schema import CONTROL_SCHEMA, VAULT, VAULT_SCHEMA
from lrs.adapters.postgres.vault import VaultDatabase
from lrs.adapters.signatures import verify
from lrs.adapters.sql.database import Database
from lrs.adapters.vault.files import destroy_file
from lrs.adapters.vault.opening import open_file
from lrs.adapters.vault.restoring import (
    NOTE,
    OpenedEscrow,
    checked_by,
    load_file,
    load_into,
    make_keys,
    write_mirror,
    write_over,
)
from lrs.adapters.vault.roots import ROOT_KEY_BYTES
from lrs.bootstrap import System, build, migrate, roots_of
from lrs.config import Settings
from lrs.domain.errors import BackupInvalid, InvalidRequest, NotEmpty, NotFound
from lrs.ports import Blobs, EventLog, ObjectPlace, TenantRow
from lrs.reindexing.control import restore_control_rows
from retention.backup.checking import Checker, Verified, is_signed_by, vaults_in
from retention.backup.restoring import Progress, Restore, Restored, whose

# A lock, and a first note that found no room.
_PRESENT = frozenset({".lock", NOTE, f".{NOTE}.draft"})


class NewPlace:
    """The port's ``RestoreTarget``: an installation in the making, where the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: System | None = None

    # --- before there is a vault -----------------------------------------------------------------------------

    def check_empty(self) -> None:
        """NotEmpty unless store, vault and key directory are."""
        for folder in (self._settings.data_dir, self._settings.keys):
            if any(one.name not in _PRESENT for one in (folder.iterdir() if folder.exists() else ())):
                raise NotEmpty("LRS_DATA_DIR and LRS_KEY_DIR must be empty: a restore replaces nothing")
        if self._settings.database_url is not None:
            # Asked before any table is made: it may be a place of another release, at work.
            if has_vault(self._settings):
                raise NotEmpty("there is a vault at LRS_VAULT_URL: a restore replaces nothing")
            if has_events(self._settings):
                raise NotEmpty("there are events at LRS_DATABASE_URL: a restore replaces nothing")

    def note(self) -> bytes | None:
        """What was noted of a restore, finished or not."""
        try:
            return (self._settings.keys / NOTE).read_bytes()
        except FileNotFoundError:
            return None

    def write_note(self, content: bytes) -> None:
        """Note it, durably."""
        write_over(self._settings.keys / NOTE, content)

    def make_keys(self, vault: str, epoch: int, key: bytes) -> None:
        """Wrap the epoch's key under this place's root, which is made where there is none. PostgreSQL gets its
        tables, where it lacks them. StoreUnavailable."""
        if self._settings.database_url is not None:
            migrate(self._settings, lambda *_: None)
        make_keys(self._settings.keys, roots_of(self._settings), vault, epoch, key)

    def load_vault(self, vault: str, epoch: int, chunks: Iterable[bytes]) -> None:
        """The vault out of a snapshot."""
        if self._settings.database_url is None:
            load_file(self._settings.data_dir / "vault.db", chunks, checked_by(vault, epoch))
            return
        with self._vault_tables() as database:
            load_into(database, chunks, checked_by(vault, epoch))

    @contextmanager
    def _vault_tables(self) -> Iterator[Database]:
        url = self._settings.vault_url
        if url is None:
            database: Database = open_file(self._settings.data_dir / "vault.db")
        else:
            database = VaultDatabase(open_pool(url.get_secret_value(), VAULT, self._settings.connections))
        with closing(database):
            yield database

    def replay(self, entries: Sequence[bytes]) -> int:
        """The ledger's mirror out of its entries; opening the vault carries out what it does not know."""
        write_mirror(self._settings.keys, entries)
        with self._vault_tables() as database:
            (known,) = database.look("count(*)", "ledger")
        self._system()
        return len(entries) - int(known)

    # --- afterwards ------------------------------------------------------------------------------------------

    def _system(self) -> System:
        if self._made is None:
            self._made = build(self._settings, unfinished=True)
        return self._made

    @property
    def blobs(self) -> Blobs:
        """Where blobs are put back."""
        return self._system().blobs

    def control(self) -> EventLog:
        """The control store's log."""
        return self._system().control.log

    def fill_control(self) -> None:
        """The control store's rows out of its log."""
        restore_control_rows(self._system().control)

    def tenants(self) -> Sequence[TenantRow]:
        """Those of the control store."""
        return self._system().tenants.list()

    def is_alive(self, tenant: str) -> bool:
        """Whether it has keys."""
        try:
            self._system().vault.public_key(tenant)
        except NotFound:
            return False
        return True

    def let_go(self, tenant: str) -> None:
        """Carry out again that a tenant left."""
        self._system().tenants.delete(tenant)

    def log(self, tenant: str) -> EventLog:
        """A tenant's log; its store is made where it is missing."""
        self._system().stores.create(tenant)
        return self._system().stores.open(tenant).log

    def fill(self, tenant: str, progress: Callable[[int, int], None]) -> int:
        """Everything that stands beside a tenant's log, out of it; how many events are damaged."""
        return len(self._system().reindexer.reindex(tenant, progress).corrupt)

    def close(self) -> None:
        """Let go of everything."""
        if self._made is not None:
            self._made.close()
            self._made = None


def has_vault(settings: Settings) -> bool:
    """Whether there is a vault on PostgreSQL."""
    return _holds(settings.vault_url, f"{VAULT_SCHEMA}.fence")


def has_events(settings: Settings) -> bool:
    """Whether the store on PostgreSQL has tenants, or had any."""
    assert settings.database_url is not None
    with connected(settings.database_url.get_secret_value()) as connection:
        tenants = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'tenant\\_%'").fetchone()
    return tenants is not None or _holds(settings.database_url, f"{CONTROL_SCHEMA}.event")


def _holds(url: SecretStr | None, table: str) -> bool:
    """Whether this table is there and has a row."""
    assert url is not None
    with connected(url.get_secret_value()) as connection:
        (there,) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchall()[0]
        return bool(there) and connection.execute(f"SELECT 1 FROM {table} LIMIT 1".encode()).fetchone() is not None


def bring_back(
    settings: Settings,
    place: ObjectPlace,
    escrow: ObjectPlace,
    identity: Path,
    *,
    upto: datetime | None = None,
    progress: Progress = lambda *_: None,
    reached: Callable[[int], None] = lambda _: None,
) -> Restored:
    """Restore into the place that the settings name. NotEmpty, BackupInvalid, InvalidRequest, StoreUnavailable."""
    decryption = AgeIdentities.read(identity)
    with closing(NewPlace(settings)) as target:
        opened = OpenedEscrow(escrow, decryption)
        restore = Restore(target, place, escrow, opened, decryption, verify, SystemClock())
        return restore.run(upto, progress, reached)


def try_out(
    place: ObjectPlace, escrow: ObjectPlace, identity: Path, progress: Progress = lambda *_: None
) -> Restored:
    """Restore into a scratch place on the embedded store, and remove it again. The same errors."""
    folder = Path(tempfile.mkdtemp(prefix="lethe-check-"))  # of mode 0700
    try:
        # Nothing of the environment: it names the live installation. The root is in memory alone: whatever is left
        # of a check that was killed is noise, and no copy of the vault that opens once its epoch has closed.
        root = SecretStr(b64encode(token_bytes(ROOT_KEY_BYTES)).decode())
        settings = Settings.model_construct(data_dir=folder / "data", key_dir=folder / "keys", root_key=root)
        return bring_back(settings, place, escrow, identity, progress=progress)
    finally:
        for key in folder.glob("keys/*.key"):
            destroy_file(key)
        shutil.rmtree(folder, ignore_errors=True)


def open_from(url: str, option: str) -> Objects:
    """A place that a restore reads. InvalidRequest, also for a folder that is not there: none is made."""
    if "://" not in url and not Path(url).is_dir():
        raise InvalidRequest(f"{option}: there is no such folder")
    return open_place(url, option)


# --- checking ------------------------------------------------------------------------------------------------


def check_beside(system: System, progress: Progress) -> Verified:
    """Check the backup of the installation at hand. InvalidRequest, BackupInvalid, StoreUnavailable."""
    vault, public_key = system.vault.bearing().vault, system.vault.public_key("")
    return _noted(_checker(system.settings), vault, public_key, progress)


def check_by_key(settings: Settings, public_key: bytes, progress: Progress) -> Verified:
    """Check the backup that this key signed, wherever its installation is. The same errors."""
    checker = _checker(settings)
    for vault in vaults_in(checker.place):
        if is_signed_by(checker.place, vault, public_key, verify):
            return _noted(checker, vault, public_key, progress)
    raise BackupInvalid("this key signed no backup in LRS_BACKUP_URL")


def check_whole(settings: Settings, identity: Path, progress: Progress) -> Verified:
    """Check it, and restore it apart. The same errors."""
    checker = _checker(settings)
    if checker.escrow is None:
        raise InvalidRequest("set LRS_ESCROW_URL: nothing is restored without the key that lies there")
    slots = OpenedEscrow(checker.escrow, AgeIdentities.read(identity)).slots()
    vault, public_key = whose(slots)
    brought = try_out(checker.place, checker.escrow, identity, progress)
    verified = checker.restored(vault, public_key, brought.number)
    checker.note(verified)
    return verified


def _checker(settings: Settings) -> Checker:
    if settings.backup_url is None:
        raise InvalidRequest("set LRS_BACKUP_URL")
    escrow = open_place(settings.escrow_url, "LRS_ESCROW_URL") if settings.escrow_url else None
    return Checker(open_place(settings.backup_url, "LRS_BACKUP_URL"), escrow, verify, SystemClock())


def _noted(checker: Checker, vault: str, public_key: bytes, progress: Progress) -> Verified:
    verified = checker.check(vault, public_key, partial(progress, "Checking"))
    checker.note(verified)
    return verified
