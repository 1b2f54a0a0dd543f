"""Compaction: dead ciphertext goes, what stands for it in the log of hashes stays.

An envelope is dead when the ledger says that nobody can open it any more, for longer than the tenant's policy lets
it lie. Reads are the same before and after, and so is every leaf, every root and every proof.

1. Which keys are dead for that long, by the ledger. None: there is nothing to do.
2. The events that a signed head has are walked through, a batch at a time. The leaf of each that would be changed
   must be the one that was logged: a tampered event is evidence, and stays as it is.
3. Each dead envelope becomes a tombstone, which keeps its digest and the ids of its keys. The leaf must come out
   as it was.
4. A batch is one transaction, of somebody who may change events: the service may not. An event is changed only
   from the very bytes that were looked at.
5. Blobs whose keys were dead are named by nothing any more, and are removed. What a crash leaves is swept.

Whoever is interrupted starts again: what is a tombstone already is passed over.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many envelopes became tombstones, of how many events, how many bytes that freed, and how many blobs."""

    envelopes: int = 0
    events: int = 0
    bytes_freed: int = 0
    blobs: int = 0

    def and_more(self, other: "Compacted") -> "Compacted":
        """Both together."""
        return Compacted(
            self.envelopes + other.envelopes,
            self.events + other.events,
            self.bytes_freed + other.bytes_freed,
            self.blobs + other.blobs,
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
        LogConflict where an event is not as it was logged, NotFound."""
        days = self.tenants.policy(tenant).compaction_days
        dead = self.vault.dead(tenant, self.clock.now() - timedelta(days=days))  # step 1
        done = Compacted()
        if not dead:
            return done
        store = self.tenants.store(tenant)
        size = store.tree.state().size
        for after in range(0, size, BATCH_EVENTS):
            upto = min(size, after + BATCH_EVENTS)
            done = done.and_more(self._batch(store, after, upto, dead, dry=dry))
            progress(upto, size)
        return done

    def _batch(self, store: TenantStore, after: int, upto: int, dead: frozenset[bytes], *, dry: bool) -> Compacted:
        changes = list(_changes(store, after, upto, dead))
        if not changes:
            return Compacted()
        if dry:
            return _counted(changes, len({row.name for one in changes for row in one.blobs}))
        self.rewriting.replace(store.tenant, [one.replacement for one in changes])  # step 4
        self.reached(upto)
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


def _changes(store: TenantStore, after: int, upto: int, dead: frozenset[bytes]) -> Iterator[_Change]:
    """Steps 2 and 3."""
    ids = {TileId(0, number) for number in range(tile_of(after + 1).number, tile_of(upto).number + 1)}
    tiles = store.tree.tiles(ids)
    for entry in store.tree.entries(after, upto):
        made = _changed(entry, dead)
        if made is None:
            continue
        logged = leaf_in(tiles, entry.position)
        new = entry._replace(state=made.replacement.after)
        if not leaves.hash_of(entry) == leaves.hash_of(new) == logged:
            raise LogConflict("an event is not the one that was logged: nothing is compacted", entry.position)
        yield made


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
