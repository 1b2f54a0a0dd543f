"""Every part of an installation, put together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Thread
from typing import Protocol

from starlette.types import ASGIApp

from api.app import create_app
from api.attached import AttachedStatements
from api.services import Services
from lrs.adapters.objects.blobs import ObjectBlobs
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.vault.vault import KeyVault
from lrs.config import Settings
from lrs.describing import Describer
from lrs.documenting.clearing import DocumentClearer
from lrs.documenting.reading import DocumentReader
from lrs.documenting.writing import DocumentWriter
from lrs.notary.notary import Notary
from lrs.notary.proofs import Proofs
from lrs.notary.runner import NotaryRunner
from lrs.notary.verifying import Verifier
from lrs.opening import Opener
from lrs.ports import Stores
from lrs.projections.runner import Runner
from lrs.recording.recorder import Recorder
from lrs.reindexing.tenants import Reindexer
from lrs.reporting import Reporter
from lrs.retrieving import Retriever
from lrs.tenancy import Credentials, Tenants
from retention.backup.running import Backup
from retention.backup.scheduling import BackupWorker
from retention.closing import EpochCloser
from retention.daily import EpochSchedule
from retention.expiry import Expirer
from retention.export import Exporter
from retention.rights import Rights
from retention.schedule import Schedule
from retention.worker import RequestWorker


class Background(Protocol):
    """Work that goes on beside requests, in a thread of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End; returns when it has."""
        ...


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
    sweeper: Schedule
    closer: EpochCloser
    schedule: EpochSchedule
    expirer: Expirer
    expiries: Schedule
    backup: Backup | None
    backup_worker: BackupWorker | None
    notary_runner: NotaryRunner
    started: bool = False
    _ending: list[Thread] = field(default_factory=list)

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
        for one in (*self._for_requests(), *self._by_itself()):
            one.start()

    def _for_requests(self) -> list[Background]:
        """What somebody who asks may be waiting for."""
        return [self.runner, self.worker]

    def _by_itself(self) -> list[Background]:
        made: list[Background | None] = [
            self.sweeper,
            self.schedule,
            self.expiries,
            self.notary_runner,
            self.backup_worker,
        ]
        return [one for one in made if one is not None]

    def wind_down(self) -> None:
        """Requests are being finished, and no more come: what nobody waits for begins to end, too. Returns at
        once; a second time adds nothing."""
        if self.started and not self._ending:
            self._ending = _stop_all(self._by_itself())

    def close(self) -> None:
        """Write what waits, stop the background work, let go of everything."""
        self.recorder.close()
        self.document_writer.close()
        self.wind_down()
        if self.started:
            for one in (*self._ending, *_stop_all(self._for_requests())):
                one.join()
        self.stores.close()
        self.control.close()
        self.vault.close()


def _stop_all(background: Iterable[Background]) -> list[Thread]:
    """All at once, each in a thread that ends with it: each may be waiting for a store that takes its time."""
    stopping = [Thread(target=one.stop, name="stopping") for one in background]
    for one in stopping:
        one.start()
    return stopping
