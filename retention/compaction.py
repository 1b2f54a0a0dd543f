"""Compaction: dead ciphertext goes, what stands for it in the log of hashes stays.

An envelope is dead when the ledger says that nobody can open it any more, for longer than the tenant's policy lets
it lie. Reads are the same before and after, and so is every leaf, every root and every proof.

1. Which keys are dead for that long, by the ledger. None: there is nothing to do.
2. The events that a signed head has are walked through, a batch at a time. The leaf of each that would be changed
   must be the one that was logged: a tampered event is evidence, stays as it is, and is named with an alarm.
3. Each dead envelope becomes a tombstone, which keeps its digest and the ids of its keys. The leaf must come out
   as it was.
4. A batch is one transaction, of somebody who may change events: the service may not. An event is changed only
   from the very bytes that were looked at.
5. Blobs whose keys were dead are named by nothing any more, and are removed. What a crash leaves is swept.

Whoever is interrupted starts again: what is a tombstone already is passed over.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from lrs.domain import leaves
from lrs.domain.envelopes import EnvelopeInvalid, framed, is_tombstone, tombstone_of
from lrs.domain.errors import LogConflict
from lrs.domain.events import StatementWithAttachments, blobs_of
from lrs.domain.leaves import Entry
from lrs.domain.tiles import TileId, leaf_in, tile_of
from lrs.ports import BlobRow, Blobs, Clock, Replacement, Rewriting, TenantStore, Vault
from lrs.tenancy import Tenants

BATCH_EVENTS: Final = 1_024
# Of states, before and after: there a batch ends. What is held at once is this and one event more, of which a
# document has at most 10 MiB.
BATCH_BYTES: Final = 16 * 1024 * 1024
# As many tampered events are named; `lrs verify` names the first one, too.
TAMPERED_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many envelopes became tombstones, of how many events, how many bytes that freed, and how many blobs; and
    where events are that are not as they were logged and were left alone, the first ones of them."""

    envelopes: int = 0
    events: int = 0
    bytes_freed: int = 0
    blobs: int = 0
    tampered: tuple[int, ...] = ()

    def and_more(self, other: "Compacted") -> "Compacted":
        """Both together."""
        return Compacted(
            self.envelopes + other.envelopes,
            self.events + other.events,
            self.bytes_freed + other.bytes_freed,
            self.blobs + other.blobs,
            tuple(dict.fromkeys(self.tampered + other.tampered))[:TAMPERED_MAX],
        )


@dataclass(frozen=True, slots=True)
class Compactor:
    """Compacts logs of tenants. ``reached`` hears of every batch that is committed."""

    tenants: Tenants
    vault: Vault
    blobs: Blobs
    clock: Clock
    rewriting: Rewriting
    reached: Callable[[int], None] = lambda _: None

    def run(
        self, tenant: str, *, dry: bool = False, progress: Callable[[int, int], None] = lambda *_: None
    ) -> Compacted:
        """Compact a tenant's log; ``dry``: only say what would be. ``progress`` hears (done, total) events.
        NotFound."""
        days = self.tenants.policy(tenant).compaction_days
        dead = self.vault.dead(tenant, self.clock.now() - timedelta(days=days))  # step 1
        done = Compacted()
        if not dead:
            return done
        store = self.tenants.store(tenant)
        after, size = 0, store.tree.state().size
        while after < size:
            batch = _gathered(store, after, min(size, after + BATCH_EVENTS), dead)
            done = done.and_more(self._carried_out(store, batch, dry=dry))
            if not dry:
                for position in batch.tampered[: TAMPERED_MAX - len(done.tampered)]:
                    store.tree.alarm(position, LogConflict.code)
            done = done.and_more(Compacted(tampered=tuple(batch.tampered)))
            after = batch.upto
            progress(after, size)
        return done

    def _carried_out(self, store: TenantStore, batch: "_Batch", *, dry: bool) -> Compacted:
        changes = batch.changes
        if not changes:
            return Compacted()
        if dry:
            return _counted(changes, len({row.name for one in changes for row in one.blobs}))
        try:
            self.rewriting.replace(store.tenant, [one.replacement for one in changes])  # step 4
        except LogConflict as changed:  # no alarm: somebody else may be compacting
            return Compacted(tampered=(changed.position,))
        self.reached(batch.upto)
        return _counted(changes, self._remove_blobs(store, changes))

    def _remove_blobs(self, store: TenantStore, changes: Sequence["_Change"]) -> int:
        """Step 5."""
        names = {row.name for one in changes for row in one.blobs}
        unnamed = sorted(names - store.statements.named_blobs(sorted(names)))
        self.blobs.remove(store.tenant, unnamed)
        return len(unnamed)


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of an event."""

    replacement: Replacement
    envelopes: int

    @property
    def blobs(self) -> Sequence[BlobRow]:
        """Those that nobody can open any more."""
        return self.replacement.blobs


def _counted(changes: Sequence[_Change], blobs: int) -> Compacted:
    freed = sum(len(one.replacement.before) - len(one.replacement.after) for one in changes)
    return Compacted(sum(one.envelopes for one in changes), len(changes), freed, blobs)


@dataclass(slots=True)
class _Batch:
    """What becomes of the events up to a position, and which of them are not as they were logged."""

    upto: int
    changes: list[_Change] = field(default_factory=list)
    tampered: list[int] = field(default_factory=list)


def _gathered(store: TenantStore, after: int, upto: int, dead: frozenset[bytes]) -> _Batch:
    """Steps 2 and 3."""
    ids = {TileId(0, number) for number in range(tile_of(after + 1).number, tile_of(upto).number + 1)}
    tiles = store.tree.tiles(ids)
    batch, held = _Batch(upto), 0
    for entry in store.tree.entries(after, upto):
        made = _changed(entry, dead)
        if made is None:
            continue
        new = entry._replace(state=made.replacement.after)
        if not leaves.hash_of(entry) == leaves.hash_of(new) == leaf_in(tiles, entry.position):
            batch.tampered.append(entry.position)
            continue
        batch.changes.append(made)
        held += len(entry.state) + len(new.state)
        if held >= BATCH_BYTES:
            batch.upto = entry.position
            break
    return batch


def _changed(entry: Entry, dead: frozenset[bytes]) -> _Change | None:
    """The event with tombstones for what is dead; None where nothing is."""
    buried: list[bytes] = []

    def bury(envelope: bytes) -> bytes:
        if _is_dead(envelope, dead):
            buried.append(envelope)
            return tombstone_of(envelope)
        return envelope

    try:
        state = leaves.resealed(entry.topic, entry.state, bury)
    except (ValueError, struct.error):  # no event: whoever reads it raises the alarm
        return None
    if not buried:
        return None
    blobs = tuple(_dead_blobs(entry, set(buried)))
    return _Change(Replacement(entry.position, entry.state, state, blobs), len(buried))


def _is_dead(envelope: bytes, dead: frozenset[bytes]) -> bool:
    try:
        return not is_tombstone(envelope) and framed(envelope).is_dead(dead)
    except EnvelopeInvalid:
        return False


def _dead_blobs(entry: Entry, buried: set[bytes]) -> Iterator[BlobRow]:
    if entry.topic == StatementWithAttachments.TOPIC:
        for one in blobs_of(entry.state):
            if one.key.envelope in buried:
                yield BlobRow(one.name, UUID(bytes=entry.stream))
