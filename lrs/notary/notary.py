"""The notary: follows a tenant's events, a batch at a time, and signs what it has seen.

1. The newest signed head must be ours: signed by the tenant's key, for this tenant, and the root of the tiles as
   they are kept. So a head that is signed next is an extension of it: it grows out of these tiles.
2. The event at its last position must still be the one whose leaf is there, and the next ones follow without a
   gap; fewer than the log's head says are a gap, too.
3. The tree must begin with the highest head that was ever signed, which the vault keeps: whoever can write all of
   the tenant's database can not begin again. Only a log that was restored goes on as a newer generation.
4. Leaves are added to the edge of the tree, and the new root is signed.
5. Tiles and head are kept in one transaction. A tile is only ever added to. Then the vault keeps the head.

Whatever does not fit is an alarm: nothing is signed from there on, and nothing is mended.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from eventsourcing.persistence import IntegrityError, RecordConflictError

from lrs.domain import leaves
from lrs.domain.errors import LogConflict
from lrs.domain.generations import start_in
from lrs.domain.instants import microseconds
from lrs.domain.kept_heads import KeptHead
from lrs.domain.notes import Checkpoint, NoteInvalid, Verify, open_note, origin_of
from lrs.domain.tiles import EMPTY_EDGE, WIDTH, TileId, edge_ids, edge_of, edge_root, grown, leaf_in, tile_of
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
        kept = self.vault.signed_head(store.tenant)  # before the state: it is never ahead of what the store has
        state, key = store.tree.state(), self.vault.public_key(store.tenant)
        edge = self._edge(store, state, key)
        fresh = list(self._fresh(store, state)) if state.position > state.size else []
        tree = grown(state.size, edge, fresh)
        made = KeptHead(state.generation, state.size + len(fresh), edge_root(tree.edge))
        if kept is not None:
            self._check_kept(store, state, kept, made, tree.tiles)
        if fresh:
            head = self._signed(store, made, key)
            try:
                store.tree.append(state.signed, tree.tiles, head)
            except IntegrityError:  # not the RecordConflictError that it is a kind of
                raise LogConflict("the tiles hold other hashes than the events do", state.size + 1) from None
        if made.size and (kept is None or made.takes_the_place_of(kept, state.began)):
            self.vault.keep_signed_head(store.tenant, made)  # also what a crash left out
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

    @staticmethod
    def _check_kept(
        store: TenantStore, state: LogState, kept: KeptHead, made: KeptHead, fresh: dict[TileId, bytes]
    ) -> None:
        """Step 3."""
        if not kept.allows(state.generation):
            raise LogConflict("the log is of another generation than was signed", state.began + 1)
        if kept.generation == state.generation and state.size < kept.size:
            raise LogConflict("heads that were signed are missing", state.size + 1)
        if kept.size > made.size or not kept.binds(state.generation, state.began):
            return  # there is nothing to compare, or not yet
        root = state.signed.root if state.signed and kept.size == state.size else None  # nearly always
        if root is None:
            root = _root_of(kept.size, store.tree.tiles(edge_ids(kept.size)) | fresh)
        if root != kept.root and not (kept.generation < state.generation and _is_cut(store, kept)):
            raise LogConflict("the log does not begin with the head that was signed", 1)

    def _signed(self, store: TenantStore, made: KeptHead, key: bytes) -> SignedHead:
        """Step 4."""
        head = Checkpoint(origin_of(self.public_url, store.tenant, made.generation), made.size, made.root)
        note = head.signed(lambda message: self.vault.sign(store.tenant, message), key)
        return SignedHead(made.size, made.root, note, microseconds(self.clock.now()))


def _root_of(size: int, tiles: Mapping[TileId, bytes]) -> bytes | None:
    """The root of so many leaves; None where the tiles hold fewer."""
    try:
        return edge_root(edge_of(size, tiles))
    except ValueError:
        return None


def _is_cut(store: TenantStore, kept: KeptHead) -> bool:
    """Whether a generation between the head's and the log's went on without some of its leaves: it was restored
    twice, and nothing was signed in between."""
    starts = map(start_in, store.tree.entries(0, kept.size))
    return not all(kept.binds(one.generation, one.position) for one in starts if one is not None)
