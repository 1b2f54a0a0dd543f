"""Putting the parts together: adapters are chosen here."""

from collections.abc import Callable, Iterable
from functools import partial

from api.attached import AttachedStatements
from lrs.adapters.age import AgeRecipients
from lrs.adapters.clock import SystemClock
from lrs.adapters.jws import JsonWebSignatures
from lrs.adapters.objects.blobs import ObjectBlobs, open_blobs
from lrs.adapters.objects.places import open_place
from lrs.adapters.postgres.compacting import PostgresRewriting
from lrs.adapters.signatures import verify
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sqlite.compacting import SqliteRewriting
from lrs.adapters.vault.closing import VaultEpochs
from lrs.adapters.vault.restoring import is_unfinished
from lrs.adapters.vault.vault import KeyVault
from lrs.attachments import Attachments
from lrs.bootstrap.opening import escrow_of, on_postgres, on_sqlite, said
from lrs.bootstrap.system import System
from lrs.config import Settings
from lrs.describing import Describer
from lrs.documenting.clearing import DocumentClearer
from lrs.documenting.owners import Owners
from lrs.documenting.reading import DocumentReader
from lrs.documenting.writing import DocumentWriter
from lrs.domain.errors import AlreadyExists, RestoreUnfinished
from lrs.leading import Leader
from lrs.notary.notary import Notary
from lrs.notary.proofs import Proofs
from lrs.notary.runner import NotaryRunner
from lrs.notary.verifying import Verifier
from lrs.opening import Opener
from lrs.ports import Clock
from lrs.projections.runner import Runner
from lrs.recording.attachments import remove_all
from lrs.recording.recorder import Recorder
from lrs.reindexing.records import Records
from lrs.reindexing.tenants import Reindexer
from lrs.reporting import Reporter
from lrs.retrieving import Retriever
from lrs.tenancy import Credentials, Tenants
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
from retention.sweeping import SWEPT_SECONDS, Sweep
from retention.worker import RequestWorker


def build(settings: Settings, *, unfinished: bool = False) -> System:
    """The system on the store that the settings name. VaultRefused when the vault will not open,
    StoreNotMigrated when a store is not at the version of this release, RestoreUnfinished where a restore was cut
    off: only the restore itself (``unfinished``) opens such a place, and neither escrow nor backup hears of it."""
    if is_unfinished(settings.keys) and not unfinished:
        raise RestoreUnfinished("a restore into this place was not finished: run `lrs restore` again")
    clock = SystemClock()
    escrow = None if unfinished else escrow_of(settings)
    vault, control, stores = (on_postgres if settings.database_url else on_sqlite)(settings, clock, escrow)
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
    sweep = Sweep(tenants, blobs, clock)
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
        sweeper=Schedule("sweep", names, sweep.sweep, Leader(control, clock, "sweep"), SWEPT_SECONDS),
        closer=closer,
        schedule=EpochSchedule(closer, Leader(control, clock, "epochs"), settings.epoch_hours),
        expirer=expirer,
        expiries=Schedule("retention", names, expirer.run, Leader(control, clock, "retention")),
        backup=backup,
        backup_worker=BackupWorker(backup, Leader(control, clock, "backup"), clock) if backup else None,
        notary_runner=NotaryRunner(names, tenants.store, notary, Leader(control, clock, "notary")),
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


def compactor(system: System) -> Compactor:
    """What may change events: for `lrs compact` alone, and no part of the system that serves."""
    settings = system.settings
    owner_url = said(settings.owner_url) or said(settings.database_url)
    rewriting = PostgresRewriting(owner_url) if owner_url else SqliteRewriting(settings.data_dir / "tenants")
    return Compactor(system.tenants, system.vault, system.blobs, SystemClock(), rewriting)
