"""Vaults in temporary places, and the few things that every test of keys does with them.

Also what other processes run: their code must be importable, so it stands here and not in a test.
"""

import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from lrs.adapters.vault.destroying import apply_entry
from lrs.adapters.vault.ledger import GENESIS, Mirror, make_entry
from lrs.adapters.vault.opening import open_vault
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.agents import Identifier
from lrs.domain.sealing import EXPIRED, Category, Destroyed, Outcome, Place, Sealed, Slot
from lrs.ports import Vault

TENANT = "acme"
OTHER = "globex"
AT = datetime(2026, 11, 22, tzinfo=UTC)
PERIOD = "2026"
TEXT = b"Ada wrote this and nobody else may read it"
Item = tuple[Place, Sealed]


@dataclass
class SqlitePlace:
    """Where a vault lives: open it as often as you like, each time as another process would."""

    root: Path
    root_key: str | None = None
    opened: list[KeyVault] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The vault's database."""
        return self.root / "data" / "vault.db"

    @property
    def key_dir(self) -> Path:
        """Root key, epoch keys and the ledger's mirror."""
        return self.root / "keys"

    @property
    def mirror(self) -> Path:
        """The ledger's mirror."""
        return self.key_dir / "ledger.jsonl"

    def open(self) -> KeyVault:
        """One more instance on the same files."""
        vault = open_vault(self.path, self.key_dir, root_key=self.root_key, root_file=None)
        self.opened.append(vault)
        return vault

    def close(self) -> None:
        """Close every instance."""
        for vault in self.opened:
            vault.close()
        self.opened.clear()

    def take_away(self, vault: Vault) -> None:
        """The database is gone, as the instance finds when it next connects."""
        assert isinstance(vault, KeyVault)
        vault.database.close()
        self.path.rename(self.path.with_suffix(".away"))

    def expire(self, vault: Vault, tenant: str, slot: Slot) -> Destroyed:
        """Retention ends for one key."""
        assert isinstance(vault, KeyVault)
        with vault.database.write() as connection:
            kids = connection.execute(
                "SELECT kid FROM data_key WHERE tenant = ? AND subject = ? AND category = ? AND period = ?",
                (tenant, slot.subject.bytes, slot.category, slot.period),
            ).fetchall()
            (sequence,) = connection.execute("SELECT sequence + 1 FROM fence").fetchone()
            last = connection.execute("SELECT hash FROM ledger ORDER BY sequence DESC LIMIT 1").fetchone()
            gone = Destroyed(sequence, tenant, slot.subject, EXPIRED, tuple(row[0] for row in kids))
            entry = make_entry(gone, AT.isoformat(), last[0] if last else GENESIS)
            Mirror(self.mirror).append(entry)
            apply_entry(connection, entry)
        return gone

    def files(self) -> dict[str, bytes]:
        """Every file's bytes."""
        return {
            str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()
        }


def mbox(name: str) -> Identifier:
    """A person."""
    return Identifier("mbox", f"mailto:{name}@example.org")


def person(vault: Vault, name: str = "ada", tenant: str = TENANT) -> UUID:
    """The subject of a person."""
    return vault.read(tenant).enrol([mbox(name)])[mbox(name)]


def somewhere() -> Place:
    """A place where a statement's body lives."""
    return Place(uuid4(), 1, "body", "statement-recorded/1")


def sealed(
    vault: Vault,
    *owners: UUID,
    tenant: str = TENANT,
    category: Category = Category.LEARNING,
    period: str = PERIOD,
    data: bytes = TEXT,
) -> Item:
    """Something sealed for these owners, and where."""
    place = somewhere()
    reading = vault.read(tenant)
    reading.ensure([Slot(owner, category, period) for owner in owners])
    return place, reading.seal(owners, category, period, place, data)


def opened(vault: Vault, item: Item, tenant: str = TENANT) -> Outcome:
    """What becomes of one item."""
    return vault.open_many(tenant, [item])[0]


def erase(vault: Vault, subject: UUID, tenant: str = TENANT) -> Destroyed:
    """An erasure as far as the vault is concerned."""
    vault.begin_erasure(tenant, subject)
    return vault.destroy(tenant, subject, AT)


# --- what other processes do ---------------------------------------------------------------------------------


def answer_openings(root: Path, pipe: Connection) -> None:
    """Open what comes through the pipe and answer with the outcomes' names, until None comes."""
    place = SqlitePlace(root)
    vault = place.open()
    while (items := pipe.recv()) is not None:
        pipe.send([type(outcome).__name__ for outcome in vault.open_many(TENANT, items)])
    place.close()


def open_together(root: Path, start: Barrier, pipe: Connection) -> None:
    """Open a fresh place at the same moment as others and tell whose tenant key is there."""
    place = SqlitePlace(root)
    start.wait()
    vault = place.open()
    vault.create_tenant(TENANT)
    pipe.send((vault.public_key(TENANT), person(vault)))
    place.close()


def die_while_opening(root: Path, step: int) -> None:
    """Open a vault and die, without any cleaning up, just before the given touch of the file system."""
    left = [step]

    def count(event: str, arguments: Any) -> None:
        if event in {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "sqlite3.connect"}:
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)

    sys.addaudithook(count)
    SqlitePlace(root).open()
    os._exit(0)


def die_while_destroying(root: Path, subject: UUID, step: int) -> None:
    """Destroy a subject and die just before the given step; a step is a statement of SQL or a file opened."""
    vault = SqlitePlace(root).open()
    left = [step]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)

    with vault.database.read() as connection:
        pass
    connection.set_trace_callback(count)
    sys.addaudithook(lambda event, _: count() if event == "open" else None)
    vault.destroy(TENANT, subject, AT)
    os._exit(0)
