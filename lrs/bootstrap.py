"""The composition root: adapters are chosen and everything is put together here, and nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp

from api.app import create_app
from api.services import Services
from lrs.adapters.clock import SystemClock
from lrs.adapters.signatures import verify
from lrs.adapters.sqlite.control import SqliteControl
from lrs.adapters.sqlite.store import SqliteStores
from lrs.adapters.vault.opening import open_vault
from lrs.adapters.vault.sqlite import SqliteVault
from lrs.config import Settings
from lrs.opening import Opener
from lrs.projections.runner import Runner
from lrs.recording.recorder import Recorder
from lrs.reporting import Reporter
from lrs.retrieving import Retriever
from lrs.tenancy import Credentials, Tenants
from retention.erasure import Eraser
from retention.export import Exporter
from retention.rights import Rights
from retention.worker import RequestWorker

__all__ = ["System", "build", "verify"]


@dataclass(slots=True)
class System:
    """Every part, put together. ``start`` sets the background work going; ``close`` ends all."""

    settings: Settings
    vault: SqliteVault
    control: SqliteControl
    stores: SqliteStores
    tenants: Tenants
    credentials: Credentials
    opener: Opener
    recorder: Recorder
    retriever: Retriever
    reporter: Reporter
    rights: Rights
    exporter: Exporter
    runner: Runner
    worker: RequestWorker
    started: bool = False

    def application(self) -> ASGIApp:
        """The service over HTTP."""
        return create_app(
            Services(
                credentials=self.credentials,
                recorder=self.recorder,
                retriever=self.retriever,
                reporter=self.reporter,
                rights=self.rights,
                exporter=self.exporter,
                public_url=self.settings.public_url,
                ready=self.check_ready,
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

    def close(self) -> None:
        """Write what waits, stop the background work, let go of everything."""
        self.recorder.close()
        if self.started:
            self.worker.stop()
            self.runner.stop()
        self.stores.close()
        self.control.close()
        self.vault.close()


def build(settings: Settings) -> System:
    """The system on the embedded store. VaultRefused when the vault will not open."""
    clock = SystemClock()
    data = settings.data_dir
    vault = open_vault(
        data / "vault.db",
        settings.keys,
        root_key=settings.root_key.get_secret_value() if settings.root_key else None,
        root_file=settings.root_key_file,
    )
    control = SqliteControl(data / "control.db", clock.now)
    stores = SqliteStores(data / "tenants", clock.now)
    tenants = Tenants(control, stores, vault, clock)
    opener = Opener(vault, settings.public_url)

    def names() -> Iterable[str]:
        return [row.name for row in tenants.list()]

    runner = Runner(names, tenants.store, opener)
    exporter = Exporter(tenants, vault, opener, clock)
    rights = Rights(tenants, vault, clock, exporter, Eraser(tenants, vault, clock))
    return System(
        settings=settings,
        vault=vault,
        control=control,
        stores=stores,
        tenants=tenants,
        credentials=Credentials(control, tenants, clock),
        opener=opener,
        recorder=Recorder(tenants, vault, opener, clock, notify=runner.notify),
        retriever=Retriever(tenants, vault, opener, clock),
        reporter=Reporter(tenants, vault, opener, clock, runner.notify),
        rights=rights,
        exporter=exporter,
        runner=runner,
        worker=RequestWorker(names, rights),
    )
