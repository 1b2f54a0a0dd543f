"""The composition root: adapters are chosen and everything is put together here, and nowhere else."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from eventsourcing.persistence import PersistenceError
from pydantic import SecretStr
from starlette.types import ASGIApp

from api.app import create_app
from api.attached import AttachedStatements
from api.services import Services
from lrs.adapters.age import AgeRecipients
from lrs.adapters.clock import SystemClock
from lrs.adapters.jws import JsonWebSignatures
from lrs.adapters.machine import LinuxMachine
from lrs.adapters.objects.blobs import ObjectBlobs, open_blobs
from lrs.adapters.objects.escrow import open_escrow
from lrs.adapters.objects.places import open_place
from lrs.adapters.postgres.compacting import PostgresRewriting
from lrs.adapters.postgres.migrating import Migrated, migrate_store, migrate_vault
from lrs.adapters.postgres.stores import PostgresStores
from lrs.adapters.postgres.vault import open_postgres_vault
from lrs.adapters.signatures import verify
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sqlite.compacting import SqliteRewriting
from lrs.adapters.sqlite.stores import SqliteStores, sqlite_control
from lrs.adapters.vault.closing import VaultEpochs
from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.opening import Roots, open_vault
from lrs.adapters.vault.restoring import is_unfinished
from lrs.adapters.vault.roots import ENVIRONMENT, FILE
from lrs.adapters.vault.transit import TRANSIT, Transit, token_of
from lrs.adapters.vault.vault import KeyVault
from lrs.attachments import Attachments
from lrs.config import Settings
from lrs.describing import Describer
from lrs.diagnosing import Machinery, Stored, refused
from lrs.documenting.clearing import DocumentClearer
from lrs.documenting.owners import Owners
from lrs.documenting.reading import DocumentReader
from lrs.documenting.writing import DocumentWriter
from lrs.domain.errors import AlreadyExists, InvalidRequest, LetheError, NotFound, RestoreUnfinished
from lrs.domain.findings import Backups, Epoch, Finding, Places
from lrs.leading import Leader
from lrs.notary.notary import Notary
from lrs.notary.proofs import Proofs
from lrs.notary.runner import NotaryRunner
from lrs.notary.verifying import Verifier
from lrs.opening import Opener
from lrs.ports import Clock, RootProvider, Stores
from lrs.projections.runner import Runner
from lrs.recording.attachments import remove_all
from lrs.recording.recorder import Recorder
from lrs.reindexing.records import Records
from lrs.reindexing.tenants import Reindexer
from lrs.reporting import Reporter
from lrs.retrieving import Retriever
from lrs.tenancy import Credentials, Tenants
from retention.backup.checking import last_verified
from retention.backup.retaining import remove_older_snapshots
from retention.backup.running import Backup
from retention.backup.scheduling import BackupWorker
from retention.closing import EpochCloser
from retention.compaction import Compactor
from retention.daily import EpochSchedule
from retention.deciding import Decider
from retention.erasure import Eraser
from retention.expiry import Expirer
from retention.export import Exporter
from retention.rights import Rights
from retention.schedule import Schedule
from retention.sweeping import Sweep, Sweeper
from retention.worker import RequestWorker

__all__ = ["Migrated", "System", "build", "compactor", "migrate", "verify"]


@dataclass(slots=True)
class System:
    """Every part, put together. ``start`` sets the background work going; ``close`` ends all."""

    settings: Settings
    vault: KeyVault
    control: SqlControl
    stores: Stores
    tenants: Tenants
    credentials: Credentials
    opener: Opener
    recorder: Recorder
    retriever: Retriever
    documents: DocumentReader
    document_writer: DocumentWriter
    document_clearer: DocumentClearer
    describer: Describer
    reporter: Reporter
    rights: Rights
    exporter: Exporter
    reindexer: Reindexer
    attached: AttachedStatements
    blobs: ObjectBlobs
    notary: Notary
    proofs: Proofs
    verifier: Verifier
    runner: Runner
    worker: RequestWorker
    sweeper: Sweeper
    closer: EpochCloser
    schedule: EpochSchedule
    expirer: Expirer
    expiries: Schedule
    backup: Backup | None
    backup_worker: BackupWorker | None
    notary_runner: NotaryRunner
    started: bool = False

    def application(self) -> ASGIApp:
        """The service over HTTP."""
        return create_app(
            Services(
                credentials=self.credentials,
                recorder=self.recorder,
                retriever=self.retriever,
                documents=self.documents,
                document_writer=self.document_writer,
                document_clearer=self.document_clearer,
                describer=self.describer,
                reporter=self.reporter,
                tenants=self.tenants,
                rights=self.rights,
                exporter=self.exporter,
                attached=self.attached,
                proofs=self.proofs,
                public_url=self.settings.public_url,
                ready=self.check_ready,
                cors_origins=self.settings.origins,
                request_opened=self.worker.notify,
            )
        )

    def check_ready(self) -> None:
        """Nothing when the stores and the vault answer; else their error."""
        self.vault.epoch()
        self.control.fence()

    def start(self) -> None:
        """Keep views and logs of hashes up with the events and run data-subject requests from now on."""
        self.started = True
        self.runner.start()
        self.worker.start()
        self.sweeper.start()
        self.schedule.start()
        self.expiries.start()
        if self.backup_worker is not None:
            self.backup_worker.start()
        self.notary_runner.start()

    def close(self) -> None:
        """Write what waits, stop the background work, let go of everything."""
        self.recorder.close()
        self.document_writer.close()
        if self.started:
            if self.backup_worker is not None:
                self.backup_worker.stop()
            self.schedule.stop()
            self.expiries.stop()
            self.notary_runner.stop()
            self.sweeper.stop()
            self.worker.stop()
            self.runner.stop()
        self.stores.close()
        self.control.close()
        self.vault.close()


def build(settings: Settings, *, unfinished: bool = False) -> System:
    """The system on the store that the settings name. VaultRefused when the vault will not open,
    StoreNotMigrated when a store is not at the version of this release, RestoreUnfinished where a restore was cut
    off: only the restore itself (``unfinished``) opens such a place, and neither escrow nor backup hears of it."""
    if is_unfinished(settings.keys) and not unfinished:
        raise RestoreUnfinished("a restore into this place was not finished: run `lrs restore` again")
    clock = SystemClock()
    escrow = None if unfinished else _escrow(settings)
    vault, control, stores = (_on_postgres if settings.database_url else _on_sqlite)(settings, clock, escrow)
    epochs = VaultEpochs(vault, escrow)
    epochs.settle_escrow()
    blobs = open_blobs(settings.blobs_url, settings.data_dir)
    tenants = Tenants(control, stores, vault, clock, departed=partial(remove_all, blobs))
    opener = Opener(vault, settings.public_url)

    owners = Owners(vault, settings.public_url)
    credentials = Credentials(control, tenants, clock)

    def names() -> Iterable[str]:
        return [row.name for row in tenants.list()]

    runner = Runner(names, tenants.store, opener, Leader(control, clock, "projections"))
    attachments = Attachments(vault, blobs)
    attached = AttachedStatements(tenants, blobs, attachments, JsonWebSignatures(), settings.attachments_bytes_max)
    exporter = Exporter(tenants, vault, opener, clock, attachments)
    records = Records(vault, opener, credentials.seeing_only_own)
    expirer = Expirer(tenants, vault, opener, records, clock)
    backup = None if unfinished else _backup(settings, tenants, control, vault, blobs, clock)
    closer = EpochCloser(epochs, tenants, vault, clock, *(_copies(backup, vault) if backup else ()))
    notary, proofs = Notary(vault, clock, verify, settings.public_url), Proofs(vault, tenants.store)
    decider = Decider(tenants, vault, clock)
    rights = Rights(tenants, vault, clock, exporter, Eraser(tenants, vault, clock), decider, proofs.event)
    return System(
        settings=settings,
        vault=vault,
        control=control,
        stores=stores,
        tenants=tenants,
        credentials=credentials,
        opener=opener,
        recorder=Recorder(tenants, vault, opener, clock, notify=runner.notify),
        retriever=Retriever(tenants, vault, opener, clock),
        documents=DocumentReader(tenants, vault, owners),
        document_writer=DocumentWriter(tenants, vault, owners),
        document_clearer=DocumentClearer(tenants, vault, owners),
        describer=Describer(tenants, vault, opener, credentials.definers, settings.public_url),
        reporter=Reporter(tenants, vault, opener, clock, runner.hurry),
        rights=rights,
        exporter=exporter,
        reindexer=Reindexer(tenants, vault, records),
        attached=attached,
        blobs=blobs,
        notary=notary,
        proofs=proofs,
        verifier=Verifier(vault, blobs, clock, verify),
        runner=runner,
        worker=RequestWorker(names, rights, Leader(control, clock, "requests")),
        sweeper=Sweeper(names, Sweep(tenants, blobs, clock), Leader(control, clock, "sweep")),
        closer=closer,
        schedule=EpochSchedule(closer, Leader(control, clock, "epochs"), settings.epoch_hours),
        expirer=expirer,
        expiries=Schedule("retention", names, expirer.run, Leader(control, clock, "retention")),
        backup=backup,
        backup_worker=BackupWorker(backup, Leader(control, clock, "backup"), clock) if backup else None,
        notary_runner=NotaryRunner(names, tenants.store, notary, Leader(control, clock, "notary")),
    )


def compactor(system: System) -> Compactor:
    """What may change events: for `lrs compact` alone, and no part of the system that serves."""
    settings = system.settings
    owner_url = _said(settings.owner_url) or _said(settings.database_url)
    rewriting = PostgresRewriting(owner_url) if owner_url else SqliteRewriting(settings.data_dir / "tenants")
    return Compactor(system.tenants, system.vault, system.blobs, SystemClock(), rewriting)


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
    )


def _backup(
    settings: Settings, tenants: Tenants, control: SqlControl, vault: KeyVault, blobs: ObjectBlobs, clock: Clock
) -> Backup | None:
    """What makes backups, where the settings say where to. InvalidRequest."""
    if settings.backup_url is None:
        return None
    return Backup(
        tenants=tenants,
        control=control,
        vault=vault,
        blobs=blobs,
        place=open_place(settings.backup_url, "LRS_BACKUP_URL"),
        encryption=AgeRecipients(settings.recipients),
        escrow=open_place(settings.escrow_url, "LRS_ESCROW_URL") if settings.escrow_url else None,
        clock=clock,
        verify=verify,
        days=settings.backup_days,
    )


def _copies(backup: Backup, vault: KeyVault) -> tuple[Callable[[], object], Callable[[int], object]]:
    """For whoever closes an epoch: a backup under the new key before the old one is destroyed, and the end of
    older copies after it."""

    def keep_copy() -> None:
        try:
            backup.run()
        except AlreadyExists:  # of a run that began earlier, in the old epoch perhaps
            backup.run()

    return keep_copy, lambda _: remove_older_snapshots(backup.place, vault.bearing().vault, 1)


def migrate(settings: Settings, progress: Callable[[int, int], None]) -> list[Migrated]:
    """Bring the tables on PostgreSQL to this release's version; ``progress`` hears (done, total) schemas. The
    embedded store makes its own: none. StoreUnavailable."""
    url = _said(settings.owner_url) or _said(settings.database_url)
    vault_url = _said(settings.vault_owner_url) or _said(settings.vault_url)
    if url is None or vault_url is None:
        return []
    return [migrate_vault(vault_url), *migrate_store(url, progress)]


def _on_sqlite(settings: Settings, clock: Clock, escrow: Escrow | None) -> tuple[KeyVault, SqlControl, Stores]:
    data = settings.data_dir
    vault = open_vault(data / "vault.db", settings.keys, escrow=escrow, **_roots(settings))
    return vault, sqlite_control(data / "control.db", clock.now), SqliteStores(data / "tenants", clock.now)


def _on_postgres(settings: Settings, clock: Clock, escrow: Escrow | None) -> tuple[KeyVault, SqlControl, Stores]:
    url, vault_url = _said(settings.database_url), _said(settings.vault_url)
    assert url is not None
    assert vault_url is not None
    owner_url, replica_url = _said(settings.owner_url) or url, _said(settings.replica_url)
    stores = PostgresStores(url, owner_url, settings.connections, clock.now, replica_url)
    try:
        control = stores.control()
        vault = open_postgres_vault(
            vault_url, settings.keys, connections=settings.connections, escrow=escrow, **_roots(settings)
        )
    except BaseException:
        stores.close()
        raise
    return vault, control, stores


def roots_of(settings: Settings) -> Roots:
    """The same for whoever makes keys in an empty place. InvalidRequest."""
    found = _roots(settings)
    return Roots(found["root_key"], found["root_file"], found["provider"])


def _roots(settings: Settings) -> dict[str, Any]:
    """Who wraps epoch keys. InvalidRequest where the settings do not go together."""
    key = _said(settings.root_key)
    if settings.root_provider == ENVIRONMENT and key is None:
        raise InvalidRequest("LRS_ROOT_PROVIDER is environment: set LRS_ROOT_KEY")
    return {
        "root_key": None if settings.root_provider == FILE else key,
        "root_file": settings.root_key_file,
        "provider": _transit(settings) if settings.root_provider == TRANSIT else None,
    }


def _transit(settings: Settings) -> RootProvider:
    if settings.transit_url is None:
        raise InvalidRequest("LRS_ROOT_PROVIDER is transit: set LRS_TRANSIT_URL")
    token = token_of(_said(settings.transit_token), settings.transit_token_file)
    return Transit(settings.transit_url, settings.transit_mount, token, settings.transit_namespace)


def _escrow(settings: Settings) -> Escrow | None:
    if settings.escrow_url is None:
        return None
    return Escrow(open_escrow(settings.escrow_url, settings.backup_url), AgeRecipients(settings.recipients))


def _said(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
