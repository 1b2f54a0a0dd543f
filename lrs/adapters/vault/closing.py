"""Closing an epoch: after it, every copy of the vault that was made before is noise, in whosever hands it is.

1. ``prepare``: EK(n+1) is made: in its file, and in the escrow's slot of its parity.
2. ``turn``: with the fence locked everything is wrapped anew (``rewrapping``), but for what has expired
   (``suppressing``); the fence goes to n+1, and a row
   says what was closed and who had wrapped its key, for the key's file tells that no more after 4. From here on
   every process works under EK(n+1), which it reads from its file.
3. ``check``: a fresh snapshot is loaded into a scratch place, with EK(n+1) as its file has it, and opened.
4. ``destroy``: EK(n) is destroyed by its provider, its file and its slot of the escrow are overwritten.

Each may be done again, so whoever finds a close that did not finish goes on with it. Until 4 has begun nothing is
lost: EK(n) is there, and what EK(n+1) opens was seen to open.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from lrs.adapters.sql.database import Connection
from lrs.adapters.vault.epochs import FIRST_EPOCH
from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.ledger import DEPARTED
from lrs.adapters.vault.opening import make_file
from lrs.adapters.vault.proving import CopyCheck
from lrs.adapters.vault.rewrapping import Turn, prepare, write
from lrs.adapters.vault.snapshot import dump, load
from lrs.adapters.vault.suppressing import end_expired
from lrs.adapters.vault.tenants import OPERATOR
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.epochs import ClosedEpoch, Rewrapped, Standing
from lrs.domain.errors import EpochBusy, VaultRefused
from lrs.domain.sealing import ERASED
from lrs.ports.epochs import ErasedSubject, Progress

_EPOCH: Final = "epoch, sequence, closed_at, provider, destruction_seconds, destroyed_at, certified_at"
# Who starts holds the lock for as long as the escrow takes; a close holds it for longer.
_LOCK_SECONDS_MAX: Final = 1.0
_LOCK_PAUSE_SECONDS: Final = 0.05
# Without a destruction no data key was touched: the keys of tenants are all that there is to see.
_TENANTS_ALONE: Final = frozenset({"fence", "tenant_key", "epoch"})
_BUSY = "another process is closing the epoch"


class VaultEpochs:
    """The port's ``Epochs`` over the vault."""

    def __init__(self, vault: KeyVault, escrow: Escrow | None = None) -> None:
        self._vault = vault
        self._keys = vault.keys
        self._escrow = escrow

    @contextmanager
    def alone(self, wait_seconds: float = _LOCK_SECONDS_MAX) -> Iterator[None]:
        """Nobody else on this machine closes meanwhile, for as long as this process lives. EpochBusy."""
        lock = os.open(self._keys.key_dir / ".closing", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + wait_seconds
            while not _locked(lock):
                if time.monotonic() >= deadline:
                    raise EpochBusy(_BUSY)
                time.sleep(_LOCK_PAUSE_SECONDS)
            yield
        finally:
            os.close(lock)

    def settle_escrow(self) -> None:
        """See that the present epoch's key is in the escrow; whoever closes meanwhile does that himself."""
        if self._escrow is not None:
            try:
                with self.alone(0):
                    epoch = self._vault.epoch()
                    self._escrow.keep(self._keys.vault, epoch, self._keys.read(epoch), self._public_key())
            except EpochBusy:
                pass

    def _public_key(self) -> bytes:
        return self._vault.public_key(OPERATOR)

    def standing(self) -> Standing:
        """Where they stand."""
        with self._vault.database.read() as connection:
            known = self._vault.known(connection)
            closed = _closed(connection)
            rows = connection.execute(
                "SELECT count(*), min(at) FROM ledger WHERE sequence > ? AND at <> ''", (_last(closed),)
            ).fetchall()
            (count,) = connection.execute(
                "SELECT count(*) FROM ledger WHERE sequence > ?", (_last(closed),)
            ).fetchone()
        oldest = datetime.fromisoformat(rows[0][1]) if rows[0][1] else None
        return Standing(known.epoch, closed, int(count), oldest)

    # --- 1 and 2 ---------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Step 1."""
        epoch = self._vault.epoch() + 1
        key = self._keys.make(epoch)
        if self._escrow is not None:
            self._escrow.keep(self._keys.vault, epoch, key, self._public_key())

    def turn(self, at: datetime, progress: Progress) -> Rewrapped:
        """Step 2. EpochBusy when another was faster; VaultRefused when something does not open."""
        with self._vault.database.read() as connection:
            known = self._vault.known(connection)
            last = _last(_closed(connection))
            turn = Turn(known.epoch, known.epoch_key, self._keys.read(known.epoch + 1), last)
            prepared = prepare(connection, turn, progress)
        provider = self._keys.wrapped_by(turn.epoch)
        with self._vault.writing() as (connection, (epoch, _)):
            if epoch != turn.epoch:
                raise EpochBusy(_BUSY)
            self._vault.finish_interrupted(connection)
            end_expired(connection, at)
            upto, rewrapped = write(connection, turn, prepared)
            connection.execute(
                "INSERT INTO epoch VALUES (?, ?, ?, ?, ?, NULL, NULL)",
                (epoch, upto, at.isoformat(), provider.name, provider.destruction_seconds),
            )
            connection.execute("UPDATE fence SET epoch = ?", (epoch + 1,))
        self._vault.database.checkpoint()
        return rewrapped

    # --- 3 ---------------------------------------------------------------------------------------------------

    def check(self, epoch: int, progress: Progress) -> None:
        """Step 3. VaultRefused, BackupInvalid."""
        present = self._vault.epoch()
        if present <= epoch:
            raise VaultRefused("an epoch that was not closed can not be destroyed")
        whole = self._changed_in(epoch)
        folder = Path(tempfile.mkdtemp(prefix="lethe-epoch-"))  # of mode 0700
        try:
            scratch = make_file(folder / "vault.db")
            with closing(scratch):
                load(scratch, dump(self._vault.database, None if whole else _TENANTS_ALONE))
                key = self._keys.read(present)
                with scratch.read() as copied, self._vault.database.read() as live:
                    CopyCheck(copied, copied if whole else live, present, key).run(progress, whole=whole)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _changed_in(self, epoch: int) -> bool:
        """Whether something was destroyed in it, or since: then data keys were wrapped anew."""
        with self._vault.database.read() as connection:
            before = [one.sequence for one in _closed(connection) if one.epoch < epoch]
            after = before[-1] if before else 0
            row = connection.execute("SELECT 1 FROM ledger WHERE sequence > ? LIMIT 1", (after,)).fetchone()
        return row is not None

    # --- 4 ---------------------------------------------------------------------------------------------------

    def destroy(self, epoch: int, at: Callable[[], datetime]) -> None:
        """Step 4. Files of keys that were destroyed before and lie there again go, too."""
        if self._vault.epoch() <= epoch:
            raise VaultRefused("an epoch that was not closed can not be destroyed")
        self._keys.destroy(epoch)
        for older in self._keys.there():
            if older < epoch:
                self._keys.destroy(older)
        if self._escrow is not None:
            self._escrow.overwrite(self._keys.vault, epoch, self._public_key())
        with self._vault.writing() as (connection, _):
            connection.execute(
                "UPDATE epoch SET destroyed_at = ? WHERE epoch = ? AND destroyed_at IS NULL",
                (at().isoformat(), epoch),
            )

    # --- 5 ---------------------------------------------------------------------------------------------------

    def erased(self, epoch: int) -> Iterator[ErasedSubject]:
        """Who was erased in a closed epoch. A tenant that left since has nobody to tell."""
        with self._vault.database.read() as connection:
            closed = {one.epoch: one for one in _closed(connection)}
            after = closed[epoch - 1].sequence if epoch > FIRST_EPOCH else 0
            rows = connection.execute(
                "SELECT tenant, subject, sequence FROM ledger WHERE sequence > ? AND sequence <= ? AND reason = ?"
                " ORDER BY sequence",
                (after, closed[epoch].sequence, ERASED),
            ).fetchall()
            left = connection.execute(
                "SELECT tenant, max(sequence) FROM ledger WHERE reason = ? GROUP BY tenant", (DEPARTED,)
            )
            departed = dict(left.fetchall())
        for tenant, subject, sequence in rows:
            if sequence > departed.get(tenant, 0):
                yield ErasedSubject(tenant, UUID(bytes=subject), sequence)

    def certified(self, epoch: int, at: datetime) -> None:
        """Every erasure of it has its second certificate."""
        with self._vault.writing() as (connection, _):
            connection.execute("UPDATE epoch SET certified_at = ? WHERE epoch = ?", (at.isoformat(), epoch))


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _closed(connection: Connection) -> tuple[ClosedEpoch, ...]:
    rows = connection.execute(f"SELECT {_EPOCH} FROM epoch ORDER BY epoch").fetchall()
    return tuple(
        ClosedEpoch(
            epoch, sequence, datetime.fromisoformat(closed), provider, seconds, _time(gone), _time(certified)
        )
        for epoch, sequence, closed, provider, seconds, gone, certified in rows
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _last(closed: tuple[ClosedEpoch, ...]) -> int:
    return closed[-1].sequence if closed else 0
