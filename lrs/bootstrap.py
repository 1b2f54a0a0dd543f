"""The composition root: adapters are chosen and everything is put together here, and nowhere else."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from eventsourcing.persistence import PersistenceError
from pydantic import SecretStr
from starlette.types import ASGIApp

from api.app import create_app
from api.attached import AttachedStatements
from api.services import Services
from lrs.adapters.clock import SystemClock
from lrs.adapters.jws import JsonWebSignatures
from lrs.adapters.machine import LinuxMachine
from lrs.adapters.objects.blobs import open_blobs
from lrs.adapters.postgres.migrating import Migrated, migrate_store, migrate_vault
from lrs.adapters.postgres.stores import PostgresStores
from lrs.adapters.postgres.vault import open_postgres_vault
from lrs.adapters.signatures import verify
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sqlite.stores import SqliteStores, sqlite_control
from lrs.adapters.vault.opening import open_vault
from lrs.adapters.vault.vault import KeyVault
from lrs.attachments import Attachments
from lrs.config import Settings
from lrs.describing import Describer
from lrs.diagnosing import Machinery, Stored, refused
from lrs.documenting.clearing import DocumentClearer
from lrs.documenting.owners import Owners
from lrs.documenting.reading import DocumentReader
from lrs.documenting.writing import DocumentWriter
from lrs.domain.errors import LetheError, NotFound
from lrs.domain.findings import Backups, Epoch, Finding, Places
from lrs.leading import Leader
from lrs.opening import Opener
from lrs.ports import Clock, Stores
from lrs.projections.runner import Runner
from lrs.recording.attachments import remove_all
from lrs.recording.recorder import Recorder
from lrs.reindexing.records import Records
from lrs.reindexing.tenants import Reindexer
from lrs.reporting import Reporter
from lrs.retrieving import Retriever
from lrs.tenancy import Credentials, Tenants
from retention.erasure import Eraser
from retention.expiry import Expirer
from retention.export import Exporter
from retention.rights import Rights
from retention.schedule import Schedule
from retention.sweeping import Sweep, Sweeper
from retention.worker import RequestWorker

__all__ = ["Migrated", "System", "build", "migrate", "verify"]


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
    runner: Runner
    worker: RequestWorker
    sweeper: Sweeper
    expirer: Expirer
    expiries: Schedule
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
                rights=self.rights,
                exporter=self.exporter,
                attached=self.attached,
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
        """Keep views up with the log and run data-subject requests from now on."""
        self.started = True
        self.runner.start()
        self.worker.start()
        self.sweeper.start()
        self.expiries.start()

    def close(self) -> None:
        """Write what waits, stop the background work, let go of everything."""
        self.recorder.close()
        self.document_writer.close()
        if self.started:
            self.expiries.stop()
            self.sweeper.stop()
            self.worker.stop()
            self.runner.stop()
        self.stores.close()
        self.control.close()
        self.vault.close()


def build(settings: Settings) -> System:
    """The system on the store that the settings name. VaultRefused when the vault will not open,
    StoreNotMigrated when a store is not at the version of this release."""
    clock = SystemClock()
    vault, control, stores = (_on_postgres if settings.database_url else _on_sqlite)(settings, clock)
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
    rights = Rights(tenants, vault, clock, exporter, Eraser(tenants, vault, clock))
    records = Records(vault, opener, credentials.seeing_only_own)
    expirer = Expirer(tenants, vault, opener, records, clock)
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
        runner=runner,
        worker=RequestWorker(names, rights, Leader(control, clock, "requests")),
        sweeper=Sweeper(names, Sweep(tenants, blobs, clock), Leader(control, clock, "sweep")),
        expirer=expirer,
        expiries=Schedule("retention", names, expirer.run, Leader(control, clock, "retention")),
    )


def examine(settings: Settings) -> list[Finding]:
    """What a look at the whole installation finds."""
    keys, data = settings.keys.absolute(), settings.data_dir.absolute()
    found = list(Machinery(LinuxMachine(), data, keys, Places(str(data), str(keys))).findings())
    if settings.database_url is None and not data.exists():
        return [*found, refused(NotFound("there is no store in LRS_DATA_DIR"))]
    try:
        system = build(settings)
    except (LetheError, PersistenceError) as error:
        return [*found, refused(error)]
    with closing(system):
        epoch = Epoch(system.vault.epoch(), None, 0)
        names = [row.name for row in system.tenants.list()]
        none = Backups(configured=False)
        stored = Stored(names, system.stores, SystemClock(), lambda: epoch, lambda: none)
        return [*found, *stored.findings()]


def migrate(settings: Settings, progress: Callable[[int, int], None]) -> list[Migrated]:
    """Bring the tables on PostgreSQL to this release's version; ``progress`` hears (done, total) schemas. The
    embedded store makes its own: none. StoreUnavailable."""
    url = _said(settings.owner_url) or _said(settings.database_url)
    vault_url = _said(settings.vault_owner_url) or _said(settings.vault_url)
    if url is None or vault_url is None:
        return []
    return [migrate_vault(vault_url), *migrate_store(url, progress)]


def _on_sqlite(settings: Settings, clock: Clock) -> tuple[KeyVault, SqlControl, Stores]:
    data = settings.data_dir
    vault = open_vault(
        data / "vault.db", settings.keys, root_key=_said(settings.root_key), root_file=settings.root_key_file
    )
    return vault, sqlite_control(data / "control.db", clock.now), SqliteStores(data / "tenants", clock.now)


def _on_postgres(settings: Settings, clock: Clock) -> tuple[KeyVault, SqlControl, Stores]:
    url, vault_url = _said(settings.database_url), _said(settings.vault_url)
    assert url is not None
    assert vault_url is not None
    owner_url, replica_url = _said(settings.owner_url) or url, _said(settings.replica_url)
    stores = PostgresStores(url, owner_url, settings.connections, clock.now, replica_url)
    try:
        control = stores.control()
        vault = open_postgres_vault(
            vault_url,
            settings.keys,
            connections=settings.connections,
            root_key=_said(settings.root_key),
            root_file=settings.root_key_file,
        )
    except BaseException:
        stores.close()
        raise
    return vault, control, stores


def _said(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
