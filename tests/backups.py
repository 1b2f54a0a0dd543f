"""An installation that is backed up; what is asked of it before, and after everything but the backup is gone."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyrage

from lrs.adapters.objects.places import Objects, open_place
from lrs.bootstrap import System, build
from lrs.config import Settings
from lrs.restoring import bring_back
from retention.backup.restoring import Restored
from retention.backup.running import Backup, Ran
from tests.kept import KINDS, Kept
from tests.parts import attachment, body_of, content_type, part, statements_part, taken_apart
from tests.places import new_place, tenant_rows
from tests.postgres import Databases
from tests.subjects import ADA, ALAN, GRACE, TENANT, Inside, Json, exchange, inside, statement, voiding

_EVENTS = "SELECT position, stored, originator_version, originator_id, topic, state FROM event ORDER BY position"


@dataclass
class Drill:
    """Where all is: the live installation (``settings``), the backup, the escrow, and who can open both."""

    folder: Path
    databases: Callable[[], Databases]
    backup_url: str
    escrow_url: str
    identity: Path
    recipient: str
    store: str
    settings: Settings = field(init=False)
    places: int = 0

    def __post_init__(self) -> None:
        self.settings = self.new_place()

    def new_place(self, store: str | None = None) -> Settings:
        """An empty place that backs up to where all of them do."""
        self.places += 1
        made = new_place(store or self.store, self.folder / f"place-{self.places}" / "data", self.databases)
        return made.model_copy(update=self.named())

    def named(self) -> dict[str, str]:
        """The settings that name backup, escrow and who can open them."""
        return {
            "backup_url": self.backup_url,
            "escrow_url": self.escrow_url,
            "backup_recipients": self.recipient,
        }

    @property
    def place(self) -> Objects:
        """The backup."""
        return open_place(self.backup_url, "test")

    @property
    def escrow(self) -> Objects:
        """The escrow."""
        return open_place(self.escrow_url, "test")

    @contextmanager
    def opened(self, settings: Settings | None = None) -> Iterator[Inside]:
        """The tenant acme of an installation, which is made where it is not there."""
        with closing(build(settings or self.settings)) as system:
            if not any(row.name == TENANT for row in system.tenants.list()):
                system.tenants.create(TENANT)
            yield inside(system)

    def destroy(self) -> None:
        """The installation is gone, with its keys."""
        shutil.rmtree(self.settings.data_dir, ignore_errors=True)
        shutil.rmtree(self.settings.keys, ignore_errors=True)

    def restore(
        self,
        settings: Settings | None = None,
        *,
        upto: datetime | None = None,
        identity: Path | None = None,
        reached: Callable[[int], None] = lambda _: None,
    ) -> tuple[Settings, Restored]:
        """Into a new place, or this one."""
        target = settings or self.new_place()
        restored = bring_back(
            target, self.place, self.escrow, identity or self.identity, upto=upto, reached=reached
        )
        return target, restored


def new_identity(path: Path) -> str:
    """A new age key in a file; its public key."""
    made = pyrage.x25519.Identity.generate()
    path.write_text(f"# public key: {made.to_public()}\n{made}\n")
    path.chmod(0o600)
    return str(made.to_public())


def new_drill(folder: Path, store: str, databases: Callable[[], Databases], **urls: str) -> Drill:
    """An installation on this store; backup and escrow in folders, where no other URLs are given."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = folder / "identity.txt"
    return Drill(
        folder,
        databases,
        urls.get("backup_url", str(folder / "backup")),
        urls.get("escrow_url", str(folder / "escrow")),
        identity,
        new_identity(identity),
        store,
    )


def backup_of(system: System) -> Backup:
    """What makes its runs."""
    assert system.backup is not None
    return system.backup


def run_backup(acme: Inside) -> Ran:
    """A run."""
    return backup_of(acme.system).run()


# --- what is in it -------------------------------------------------------------------------------------------

ESSAY = os.urandom(5_000)


@dataclass
class Filled:
    """What was stored of every kind, to be asked for again."""

    kept: Kept
    voided: Json

    def again(self, acme: Inside) -> "Kept":
        """The documents in another installation."""
        kept = Kept(acme)
        for kind in ("state", "agent", "activity", "session"):
            setattr(kept, kind, getattr(self.kept, kind))
        return kept


def fill(acme: Inside) -> Filled:
    """Statements in several roles, one voided, one with an attachment, an exchange, documents of each kind."""
    gone = statement(GRACE)
    acme.post(statement(ADA), statement(GRACE, context={"instructor": ADA}), statement(ALAN, "initialized"), gone)
    acme.post(voiding(GRACE, gone["id"]))
    attach(acme, ESSAY)
    acme.ask_model(exchange(ADA), exchange(ALAN))
    kept = Kept(acme)
    for kind in KINDS:
        assert kept[kind].put(acme.http, "kept", {"kind": kind}).status_code == 204
    return Filled(kept, gone)


def attach(acme: Inside, data: bytes, who: Json = ADA) -> Json:
    """A statement with an attachment."""
    sent = statement(who, attachments=[attachment(data)])
    answer = acme.http.post(
        "/xapi/statements", content=body_of(statements_part(sent), part(data)), headers=content_type()
    )
    assert answer.status_code == 200, answer.text
    return sent


def everything(acme: Inside, filled: Filled) -> Json:
    """Every answer there is."""
    acme.catch_up()
    kept = filled.again(acme)
    with_files = acme.http.get("/xapi/statements", params={"attachments": "true"})
    return {
        "statements": acme.found(ascending="true"),
        "files": {name: file[1].hex() for name, file in taken_apart(with_files)[1].items()},
        "voided": acme.get(filled.voided, voided=True).json(),
        "documents": {kind: (kept[kind].ids(acme.http), kept[kind].get(acme.http, "kept").text) for kind in KINDS},
        "agents": [
            acme.http.get("/xapi/agents", params={"agent": json.dumps(one)}).json() for one in (ADA, GRACE)
        ],
        "found_by": [acme.found_by(one) for one in (ADA, GRACE, ALAN)],
        "completion": acme.report(),
        "progress": acme.http.get("/reports/progress").json()["rows"],
        "same": acme.rebuilt_same(),
    }


def events(settings: Settings, tenant: str = TENANT) -> list[tuple[Any, ...]]:
    """A tenant's log, byte by byte."""
    return [(*row[:3], bytes(row[3]), row[4], bytes(row[5])) for row in tenant_rows(settings, tenant, _EVENTS)]
