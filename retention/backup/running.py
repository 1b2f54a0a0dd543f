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

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lrs.domain.errors import BackupInvalid, NotFound, StoreUnavailable
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
from retention.backup.manifests import NO_MANIFEST, LogState, Manifest, Segment, Stored, Verify
from retention.backup.packing import LogPacker, Packed, Sink, kept_by_base, stand
from retention.backup.retaining import remove_older_snapshots, sweep

# Hourly runs, three weeks: a restore reads so many manifests and small segments, and no more.
RUNS_A_BASE: Final = 500
SNAPSHOTS_KEPT: Final = 2
_ATTEMPTS_MAX: Final = 3

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run stored. ``missing``: blobs that events name and that are gone, with their owner as a rule."""

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
        base = last is None or last.number % self.runs_a_base == 0
        before = self._chain(vault) if base and last else []
        logs = list(self._logs())
        stands = [self._stand(one, last) for one in logs]
        reached(1)
        # 2
        packed = self._pack(sink, list(zip(logs, stands, strict=True)), before, progress)
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
        )
        manifest = self._finish(manifest)
        reached(4)
        # 5
        remove_older_snapshots(self.place, vault, SNAPSHOTS_KEPT)
        if base:
            sweep(self.place, manifest, at, self.days, self.vault.public_key(""), self.verify)
        reached(5)
        return Ran(
            manifest.number,
            manifest.at,
            base,
            packed.events,
            len(snapshot) + len(list(manifest.objects())),
            sink.bytes_put,
            packed.missing,
        )

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
                yield _Log(row.id.hex, row.name, store.log, store.log.head(), store.tree.state().signed)
            except (NotFound, StoreUnavailable):
                if any(one.id == row.id for one in self.tenants.list()):
                    raise
                # It left meanwhile, with all that it had.

    def _pack(
        self,
        sink: Sink,
        logs: Sequence[tuple[_Log, tuple[LogState, int]]],
        before: Sequence[Manifest],
        progress: Progress,
    ) -> Packed:
        plans = [self._plan(one, stands, before) for one, stands in logs]
        total = sum(state.position - after for _, _, state, after in plans)
        done = 0

        def stored(events: int) -> None:
            nonlocal done
            done += events
            progress(done, total)

        whole = Packed()
        for one, kept, state, after in plans:
            blobs = [blob for manifest in before for blob in manifest.blobs if blob.log == one.name]
            known = {blob.blob for blob in blobs}
            packer = LogPacker(sink, one.log, one.name, one.tenant, self.blobs, stored, known)
            packed = packer.pack(state, after)
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
