"""One run of a backup. What no manifest names is none: a crash anywhere leaves the backup as it was before.

1. The last manifest is read and checked, and each log against it. Every so many runs is a *base*, which names
   again what is still needed, and packs small segments together.
2. The logs' events since then, ciphertext, and the blobs that they name: sealed to the recipients and stored.
   Tenants are listed before the control store's log is read, so that every log that is stored has its tenant
   there.
3. A snapshot of the vault, taken after what it has to open: every key of step 2 is in it.
4. The manifest, signed, under a number that nobody has: of two runs at once one is refused. The escrow hears of
   it.
5. Older snapshots go; after a base, all that is no longer named or needed.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lrs.domain.errors import BackupInvalid, NotFound, StoreUnavailable, code_of
from lrs.domain.events import BlobName
from lrs.ports import (
    Bearing,
    Blobs,
    Clock,
    ControlStore,
    Encryption,
    EventLog,
    LogHead,
    ObjectPlace,
    TenantRow,
    Vault,
)
from lrs.ports.tree import SignedHead
from lrs.tenancy import Tenants
from retention.backup import chain as chains
from retention.backup import layout, manifests
from retention.backup.chain import Anchor, Piece
from retention.backup.manifests import (
    NO_MANIFEST,
    BlobPart,
    LogState,
    Manifest,
    MissingBlob,
    Segment,
    Stored,
    Verify,
)
from retention.backup.packing import LogPacker, Packed, Sink, kept_by_base, stand
from retention.backup.retaining import remove_older_snapshots, sweep

# Hourly runs, three weeks: a restore reads so many manifests and small segments, and no more.
RUNS_A_BASE: Final = 500
# Longer than a restore may take to read what it reads: it began with one of them. A close of an epoch leaves one.
SNAPSHOTS_KEPT: Final = 8
_ASKED_MAX: Final = 1_000  # blobs, in one question
_ATTEMPTS_MAX: Final = 3

Progress = Callable[[int, int], None]
log = logging.getLogger("lethe.backup")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run stored. ``missing``: attachments that living records name and that are in no run, for they could
    not be had: the next run tries again."""

    number: int
    at: str
    base: bool
    events: int
    objects: int
    bytes_stored: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Log:
    name: str
    tenant: str | None
    log: EventLog
    head: LogHead
    signed: SignedHead | None = None
    named: Callable[[Sequence[BlobName]], set[BlobName]] = lambda _: set()


@dataclass(frozen=True, slots=True)
class Backup:
    """Makes runs. ``escrow`` hears which was the last."""

    tenants: Tenants
    control: ControlStore
    vault: Vault
    blobs: Blobs
    place: ObjectPlace
    encryption: Encryption
    escrow: ObjectPlace | None
    clock: Clock
    verify: Verify
    days: int
    runs_a_base: int = RUNS_A_BASE

    def last(self) -> Manifest | None:
        """The last run's manifest. BackupInvalid, StoreUnavailable."""
        return chains.newest(self.place, self.vault.bearing().vault, self.vault.public_key(""), self.verify)

    def run(
        self,
        progress: Progress = lambda *_: None,
        reached: Callable[[int], None] = lambda _: None,
    ) -> Ran:
        """A run. BackupInvalid, AlreadyExists (another run was faster), StoreUnavailable, KeyStoreUnavailable."""
        at = self.clock.now()
        vault = self.vault.bearing().vault
        sink = Sink(self.place, self.encryption, vault, layout.run_name(at, secrets.token_bytes(8)))
        # 1
        last = self.last()
        self._check_place(last)
        base = last is None or last.number % self.runs_a_base == 0
        before = self._chain(vault) if base and last else []
        logs = list(self._logs())
        stands = [self._stand(one, last) for one in logs]
        reached(1)
        # 2
        missing = last.missing if last else ()
        packed = self._pack(sink, list(zip(logs, stands, strict=True)), before, missing, progress)
        reached(2)
        # 3
        bearing, snapshot = self._snapshot(sink)
        reached(3)
        # 4
        manifest = Manifest(
            vault=vault,
            number=last.number + 1 if last else 1,
            at=at.isoformat(),
            previous=last.sha256 if last else NO_MANIFEST,
            base=base,
            epoch=bearing.epoch,
            ledger_length=bearing.ledger_length,
            ledger_hash=bearing.ledger_hash,
            snapshot=snapshot,
            logs=tuple(state for state, _ in stands),
            segments=tuple(packed.segments),
            blobs=tuple(packed.blobs),
            missing=tuple(packed.missing),
        )
        manifest = self._finish(manifest)
        reached(4)
        # 5
        remove_older_snapshots(self.place, vault, SNAPSHOTS_KEPT)
        if base:
            self._sweep(manifest, at)
        reached(5)
        return Ran(
            manifest.number,
            manifest.at,
            base,
            packed.events,
            len(snapshot) + len(list(manifest.objects())),
            sink.bytes_put,
            len(packed.missing),
        )

    def _check_place(self, last: Manifest | None) -> None:
        """BackupInvalid for a place without a run, where the escrow knows of one: a disk that is not mounted, or
        another place."""
        if last is None and self.escrow is not None and chains.read_anchor(self.escrow) is not None:
            raise BackupInvalid(
                "LRS_BACKUP_URL holds no run, but the escrow knows of one: see that the place is there. To begin"
                f" anew, remove {chains.ANCHOR} from the escrow"
            )

    def _sweep(self, base: Manifest, at: datetime) -> None:
        """What is older than the days of retention. What stands in the way is said: the run is finished."""
        try:
            sweep(self.place, base, at, self.days, self.vault.public_key(""), self.verify)
        except (BackupInvalid, StoreUnavailable) as error:
            log.warning("what the backup no longer needs stays: %s", code_of(error))

    def _chain(self, vault: str) -> list[Manifest]:
        return chains.read_chain(self.place, vault, self.vault.public_key(""), self.verify)

    @staticmethod
    def _stand(one: _Log, last: Manifest | None) -> tuple[LogState, int]:
        """Where a log stands and after which position it is new, with the head that a restored log will cite."""
        state, after = stand(one.log, one.name, one.head, last.state_of(one.name) if last else None)
        if one.signed is not None:
            state = replace(state, size=one.signed.size, root=one.signed.root.hex())
        return state, after

    def _logs(self) -> Iterator[_Log]:
        served: Sequence[TenantRow] = self.tenants.list()
        control = self.control.log
        yield _Log(layout.CONTROL, None, control, control.head())
        for row in served:
            try:
                store = self.tenants.store(row.name)
                named = store.statements.named_blobs
                yield _Log(row.id.hex, row.name, store.log, store.log.head(), store.tree.state().signed, named)
            except (NotFound, StoreUnavailable):
                if any(one.id == row.id for one in self.tenants.list()):
                    raise
                # It left meanwhile, with all that it had.

    def _pack(
        self,
        sink: Sink,
        logs: Sequence[tuple[_Log, tuple[LogState, int]]],
        before: Sequence[Manifest],
        missing: Sequence[MissingBlob],
        progress: Progress,
    ) -> Packed:
        plans = [self._plan(one, stands, before) for one, stands in logs]
        total = sum(state.position - after for _, _, state, after in plans)
        done = 0

        def stored(events: int) -> None:
            nonlocal done
            done += events
            progress(done, total)

        sink.heard = lambda: stored(0)
        whole = Packed()
        for one, kept, state, after in plans:
            stored_before = [blob for manifest in before for blob in manifest.blobs if blob.log == one.name]
            blobs = _named(stored_before, one.named)
            known = {blob.blob for blob in blobs}
            packer = LogPacker(sink, one.log, one.name, one.tenant, self.blobs, stored, known, one.named)
            packed = packer.pack(state, after)
            packer.pack_missing(missing, packed)
            whole.segments += [*kept, *packed.segments]
            whole.blobs += [*blobs, *packed.blobs]
            whole.events += packed.events
            whole.missing += packed.missing
        return whole

    @staticmethod
    def _plan(
        one: _Log, stands: tuple[LogState, int], before: Sequence[Manifest]
    ) -> tuple[_Log, list[Segment], LogState, int]:
        """What is named again of a log, and after which position it is packed."""
        state, after = stands
        if not before or before[-1].state_of(one.name) is None:
            return one, [], state, after
        pieces: list[Piece] = [
            piece for piece in chains.pieces_of(before, one.name) if piece.segment.first <= after
        ]
        kept = kept_by_base(pieces)
        if not kept:
            return one, [], state, 0
        return one, kept, state, min(after, pieces[len(kept) - 1].upto)

    def _snapshot(self, sink: Sink) -> tuple[Bearing, tuple[Stored, ...]]:
        """A snapshot, and where the vault stood: if its epoch closes meanwhile, another one."""
        for _ in range(_ATTEMPTS_MAX):
            bearing = self.vault.bearing()
            parts = sink.put_parts(
                self.vault.snapshot(), lambda part: layout.snapshot_name(sink.vault, part, sink.run)
            )
            if self.vault.bearing().epoch == bearing.epoch:
                return bearing, tuple(parts)
            sink.run = layout.run_name(self.clock.now(), secrets.token_bytes(8))
        raise BackupInvalid("epochs close while the vault is being copied")

    def _finish(self, manifest: Manifest) -> Manifest:
        public_key = self.vault.public_key("")
        data = manifests.write(manifest, lambda message: self.vault.sign("", message), public_key)
        name = layout.manifest_name(manifest.vault, manifest.number)
        finished = manifests.read(data, public_key, self.verify)
        self.place.put(name, data, new=True)
        if self.escrow is not None:
            self.escrow.put(chains.ANCHOR, Anchor(finished.number, finished.sha256, finished.at).encode())
        return finished


def _named(parts: list[BlobPart], named: Callable[[Sequence[BlobName]], set[BlobName]]) -> list[BlobPart]:
    """Those of blobs that a living record names: a base lets go of the others."""
    names = [BlobName(bytes.fromhex(one)) for one in dict.fromkeys(part.blob for part in parts)]
    living = {one.hex() for at in range(0, len(names), _ASKED_MAX) for one in named(names[at : at + _ASKED_MAX])}
    return [part for part in parts if part.blob in living]
