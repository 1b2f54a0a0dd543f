"""The notary: follows a tenant's events, a batch at a time, and signs what it has seen.

1. The newest signed head must be ours: signed by the tenant's key, for this tenant, and the root of the tiles as
   they are kept. So a head that is signed next is an extension of it: it grows out of these tiles.
2. The event at its last position must still be the one whose leaf is there, and the next ones follow without a
   gap; fewer than the log's head says are a gap, too.
3. Leaves are added to the edge of the tree, and the new root is signed.
4. Tiles and head are kept in one transaction. A tile is only ever added to.

Whatever does not fit is an alarm: nothing is signed from there on, and nothing is mended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from eventsourcing.persistence import IntegrityError, RecordConflictError

from lrs.domain import leaves
from lrs.domain.errors import LogConflict
from lrs.domain.instants import microseconds
from lrs.domain.notes import Checkpoint, NoteInvalid, Verify, open_note, origin_of
from lrs.domain.tiles import EMPTY_EDGE, WIDTH, edge_ids, edge_of, edge_root, grown, leaf_in, tile_of
from lrs.ports import Clock, LogState, SignedHead, TenantStore, Vault

BATCH_LEAVES: Final = 4 * WIDTH


@dataclass(frozen=True, slots=True)
class Notary:
    """Appends to logs of tenants and signs their heads."""

    vault: Vault
    clock: Clock
    verify: Verify
    public_url: str
    batch_leaves: int = BATCH_LEAVES

    def step(self, store: TenantStore) -> int:
        """How many leaves were added: a batch at most, none at the end of the log. LogConflict;
        RecordConflictError when another notary was faster."""
        state, key = store.tree.state(), self.vault.public_key(store.tenant)
        edge = self._edge(store, state, key)
        if state.position == state.size:
            return 0
        fresh = list(self._fresh(store, state))
        tree = grown(state.size, edge, fresh)
        head = self._signed(store, state, state.size + len(fresh), edge_root(tree.edge), key)
        try:
            store.tree.append(state.signed, tree.tiles, head)
        except IntegrityError:  # not the RecordConflictError that it is a kind of
            raise LogConflict("the tiles hold other hashes than the events do", state.size + 1) from None
        return len(fresh)

    def catch_up(self, store: TenantStore) -> int:
        """Go on to where the log ends now; how many leaves were added. LogConflict."""
        end = store.tree.state().position
        added = 0
        while store.tree.state().size < end:
            try:
                added += self.step(store)
            except RecordConflictError:
                continue
        return added

    def _edge(self, store: TenantStore, state: LogState, key: bytes) -> tuple[bytes, ...]:
        """Step 1: the edge of the tree that was signed last."""
        if state.followed != state.size:
            raise LogConflict("the newest head that was signed is missing", state.size + 1)
        if state.signed is None:
            return EMPTY_EDGE
        try:
            signed = open_note(state.signed.note, key, self.verify)
            edge = edge_of(state.size, store.tree.tiles(edge_ids(state.size)))
        except (NoteInvalid, ValueError):
            raise LogConflict("the newest head is not one that was signed here", state.size) from None
        facts = (signed.tenant, signed.size, signed.root)
        if facts != (store.tenant, state.size, state.signed.root) or edge_root(edge) != signed.root:
            raise LogConflict("the newest head is not that of the tiles", state.size)
        if state.position < state.size:
            raise LogConflict("the log ends before what was signed", state.position + 1)
        return edge

    def _fresh(self, store: TenantStore, state: LogState) -> Iterator[bytes]:
        """Step 2: the leaf hashes that follow."""
        wanted = max(state.size, 1)
        end = min(state.position, state.size + self.batch_leaves)
        for entry in store.tree.entries(wanted - 1, end):
            if entry.position != wanted:
                break
            leaf = leaves.hash_of(entry)
            if wanted > state.size:
                yield leaf
            elif leaf != leaf_in(store.tree.tiles([tile_of(wanted)]), wanted):
                raise LogConflict("an event is not the one that was logged", wanted)
            wanted += 1
        if wanted <= end:
            raise LogConflict("an event is missing", wanted)

    def _signed(self, store: TenantStore, state: LogState, size: int, root: bytes, key: bytes) -> SignedHead:
        """Step 3."""
        head = Checkpoint(origin_of(self.public_url, store.tenant, state.generation), size, root)
        note = head.signed(lambda message: self.vault.sign(store.tenant, message), key)
        return SignedHead(size, root, note, microseconds(self.clock.now()))
