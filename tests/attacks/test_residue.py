"""What is left of an erased person's keys on the whole machine, and that nothing that is left opens it.

Old wrapped keys may lie anywhere: in free pages, write-ahead logs, backups, a copy of the vault that was kept. All
files are searched for them, those of backups and escrow opened, too, with the identity. Then everything that still
is a key anywhere is tried on all of them, and whatever opens is tried in its turn. The same search, made while the
epoch's key is there, finds the person's keys: so it would find them afterwards.
"""

import base64
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from lrs.adapters.age import AgeIdentities
from lrs.adapters.vault import wrapping
from lrs.adapters.vault.roots import RootKey, read_root
from lrs.bootstrap import build
from lrs.config import Settings
from lrs.domain.errors import BackupInvalid
from tests.backups import Drill, new_drill, run_backup
from tests.places import STORES, vault_rows
from tests.postgres import Databases, Server
from tests.subjects import ADA, GRACE, Inside, statement

OPENED_BYTES_MAX = 100_000_000
Wrapped = tuple[bytes, tuple[str, ...]]  # a wrapped key and the names that it is bound to


@dataclass
class Machine:
    """An installation with all its files, the database server's among them."""

    drill: Drill
    server: Server | None
    kept: Path  # an operator's own copies

    @property
    def settings(self) -> Settings:
        """Where the installation is."""
        return self.drill.settings

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Every file of the machine, and what is sealed in those of backup and escrow."""
        if self.server is not None:
            with psycopg.connect(self.server.dsn, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
        identities = AgeIdentities.read(self.drill.identity)
        folders = [self.drill.folder, self.kept, *([self.server.folder] if self.server else [])]
        for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            yield path, content
            if path.is_relative_to(self.drill.folder / "backup") or path.suffix == ".age":
                try:
                    yield path, identities.decrypt(content, bytes_max=OPENED_BYTES_MAX)
                except BackupInvalid:
                    continue  # what is there in clear, such as the ledger


@pytest.fixture(params=STORES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """One of each store; on PostgreSQL with a server of its own, whose files can be read."""
    server = Server().make() if request.param == "postgres" else None
    made: list[Databases] = []

    def databases() -> Databases:
        assert server is not None
        made.append(Databases(server.dsn))
        return made[-1]

    yield Machine(new_drill(tmp_path / "machine", request.param, databases), server, tmp_path / "kept")
    if server is not None:
        server.remove()


def wrapped_keys(settings: Settings) -> dict[str, Wrapped]:
    """Every wrapped key of the vault, with the names that it was bound to in this epoch."""
    ((epoch,),) = vault_rows(settings, "SELECT epoch FROM fence")
    found: dict[str, Wrapped] = {}
    for tenant, kind, wrapped in vault_rows(settings, "SELECT tenant, kind, wrapped FROM tenant_key"):
        found[f"{kind} of {tenant}"] = (bytes(wrapped), (tenant, kind, str(epoch)))
    rows = vault_rows(settings, "SELECT tenant, subject, category, period, kid, wrapped FROM data_key")
    for tenant, subject, category, period, kid, wrapped in rows:
        found[bytes(kid).hex()] = (bytes(wrapped), (tenant, bytes(subject).hex(), category, period))
    return found


def opened(keys: Iterable[bytes], wrapped: Mapping[str, Wrapped]) -> dict[str, bytes]:
    """What these keys open, and what that opens in its turn."""
    found: dict[str, bytes] = {}
    tried = [key for key in keys if len(key) == wrapping.WRAPPING_KEY_BYTES]
    while tried:
        cipher = wrapping.Wrapping(tried.pop())
        for name, (content, names) in wrapped.items():
            if name in found:
                continue
            try:
                found[name] = cipher.unwrap(content, *names)
            except wrapping.WrappedKeyInvalid:
                continue
            if len(found[name]) == wrapping.WRAPPING_KEY_BYTES:
                tried.append(found[name])
    return found


def epoch_key(settings: Settings) -> tuple[int, bytes, str]:
    """The present epoch, its key, and how that is wrapped in its file."""
    ((vault, epoch),) = vault_rows(settings, "SELECT vault, epoch FROM fence")
    root = RootKey(read_root(settings.keys / "root.key"), "file")
    wrapped = json.loads((settings.keys / f"epoch-{epoch}.key").read_bytes())["wrapped"]
    return epoch, root.unwrap(vault, epoch, base64.b64decode(wrapped)), wrapped


def forms(key: bytes) -> tuple[bytes, ...]:
    """How a key might lie in a file."""
    return key, key.hex().encode(), base64.b64encode(key)


def places(machine: Machine, *wanted: bytes) -> list[str]:
    """The files in which any of these bytes are."""
    return sorted({str(path) for path, content in machine.files() if any(one in content for one in wanted)})


def keys_of(acme: Inside, subject: bytes) -> set[str]:
    """The ids of somebody's keys."""
    sql = "SELECT kid FROM data_key WHERE subject = ?"
    return {bytes(row[0]).hex() for row in vault_rows(acme.system.settings, sql, (subject,))}


def copy_aside(machine: Machine) -> None:
    """What an operator keeps, and should not: the vault of a day, as it was."""
    machine.kept.mkdir(exist_ok=True)
    if machine.server is None:
        for path in machine.settings.data_dir.glob("vault.db*"):
            shutil.copy2(path, machine.kept)
        return
    rows = vault_rows(machine.settings, "SELECT wrapped FROM data_key UNION ALL SELECT wrapped FROM tenant_key")
    (machine.kept / "dump").write_bytes(b"\n".join(bytes(row[0]) for row in rows))


def test_nothing_that_is_left_opens_an_old_key_of_who_was_erased(machine: Machine) -> None:
    with machine.drill.opened() as acme:
        acme.post(*[statement(who, verb) for who in (ADA, GRACE) for verb in ("attempted", "passed", "completed")])
        run_backup(acme)
        mine = keys_of(acme, acme.known(ADA).bytes)
    old, (first, old_epoch_key, old_wrapped) = wrapped_keys(machine.settings), epoch_key(machine.settings)
    clear = {name: key for name, key in opened([old_epoch_key], old).items() if name in mine}
    assert clear.keys() == mine, "while the epoch lives, its key opens everything"
    copy_aside(machine)

    with machine.drill.opened() as acme:
        proof = acme.certificates(acme.ran("erase", ADA))[0]
    assert set(proof["keys_destroyed"]) == mine
    # Erased, and in no live row; but the epoch's key is there, and so are old copies: they open.
    assert not mine & wrapped_keys(machine.settings).keys()
    assert opened([old_epoch_key], old).keys() >= mine
    assert places(machine, *(old[name][0] for name in mine)), "old wrapped keys lie somewhere"

    with closing(build(machine.settings)) as system:
        system.closer.close()
        last, new_epoch_key, _ = epoch_key(machine.settings)
        assert last == first + 1
        run_backup(Inside(None, system))  # type: ignore[arg-type]  # it asks for nothing over HTTP

    # Old wrapped keys are still there to be found,
    assert places(machine, *(old[name][0] for name in mine))
    # the epoch's key that they need is nowhere, neither in clear nor wrapped,
    assert places(machine, *forms(old_epoch_key), old_wrapped.encode(), base64.b64decode(old_wrapped)) == []
    # nor is a key of the person in clear,
    assert places(machine, *(form for key in clear.values() for form in forms(key))) == []
    # and nothing that still is a key opens one, or what would open one.
    left = opened([new_epoch_key], wrapped_keys(machine.settings))
    root = wrapping.derive(read_root(machine.settings.keys / "root.key"), "root")
    assert len(left) == len(wrapped_keys(machine.settings))
    assert opened([root, new_epoch_key, *left.values()], old) == {}
