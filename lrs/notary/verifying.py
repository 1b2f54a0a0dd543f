"""Verifying: a tenant's events held against what was signed, from the first to the last.

1. Heads: every one that is kept is signed by the tenant's key, for this tenant, and says what its row says; so
   does one from outside.
2. Events: in order without a gap, from 1 to where the log's head stands. Every leaf is computed anew.
3. Tiles: each holds the leaves, or the roots of subtrees, that were computed.
4. At the size of each head, the root that was computed is the one that was signed. If a leaf differs from its tile
   and the root is right all the same, the tile is wrong, not the event.
5. A tombstone stands only where the ledger says that nobody could open the envelope any more.
6. With ``blobs``: each blob that a living statement names is there.

It stops at the first position that is bad.
"""

import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lrs.domain import leaves
from lrs.domain.envelopes import EnvelopeInvalid, framed, is_tombstone
from lrs.domain.errors import InvalidRequest
from lrs.domain.events import BlobName, StatementWithAttachments, blobs_of
from lrs.domain.leaves import Entry
from lrs.domain.merkle import HASH_BYTES
from lrs.domain.notes import Checkpoint, NoteInvalid, Verify, open_note
from lrs.domain.tiles import EMPTY_EDGE, HEIGHT, WIDTH, TileId, edge_root, grown
from lrs.ports import Blobs, Clock, LogState, SignedHead, TenantStore, Vault

BATCH: Final = 8 * WIDTH

MISSING: Final = "missing"
ALTERED: Final = "altered"
TILE: Final = "tile-altered"
HEAD: Final = "head-altered"
ROOT: Final = "root-differs"
TRUNCATED: Final = "truncated"
TOMBSTONE: Final = "tombstone-of-a-living-key"
BLOB: Final = "blob-missing"
_SAID: Final[Mapping[str, str]] = {
    MISSING: "there is no event at this position",
    ALTERED: "the event is not the one that was logged",
    TILE: "the tile does not hold the event's leaf; event and signed head agree",
    HEAD: "a signed head is not one that was signed here",
    ROOT: "the events up to a signed head do not have its root; the first of them that can be bad",
    TRUNCATED: "events that a signed head has are missing from here on",
    TOMBSTONE: "a tombstone stands where a key lives that could open what was there",
    BLOB: "an attachment's blob is missing",
}


@dataclass(frozen=True, slots=True)
class Bad:
    """The first position that is bad, and how."""

    position: int
    reason: str

    @property
    def said(self) -> str:
        """In words."""
        return _SAID[self.reason]


@dataclass(frozen=True, slots=True)
class Verified:
    """How many events were looked at, how many of them a signed head has, and what is bad."""

    events: int
    signed: int
    root: bytes
    bad: Bad | None


class _Found(Exception):
    """Something bad; there is nothing to look for beyond."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.bad = Bad(position, reason)


# How a tombstone begins, in bytes and in the base64 of an aggregate's event: few events have either.
_TOMBSTONES: Final = (b"\x01\x04", b'"_data_":"AQQ')
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies logs of tenants."""

    vault: Vault
    blobs: Blobs
    clock: Clock
    verify: Verify

    def run(
        self,
        store: TenantStore,
        *,
        outside: str | None = None,
        with_blobs: bool = False,
        progress: Progress = lambda *_: None,
    ) -> Verified:
        """What is found in a tenant's log. ``outside`` is the note of a head that a witness kept; ``progress``
        hears (done, total) events. InvalidRequest when ``outside`` is no head of this log."""
        kept = store.tree.heads()  # before the state: the log goes on meanwhile, and is never shorter
        state = store.tree.state()
        signed = kept[-1].size if kept else 0
        key = self.vault.public_key(store.tenant)
        witnessed = self._witnessed(store, outside, key, str(state.generation))
        walk = _Walk(store, lambda: self.vault.dead(store.tenant, self.clock.now()))
        if with_blobs:
            walk.blobs = {one.name for one in self.blobs.list(store.tenant)}
        try:
            heads = self._checked(store, kept, key)
            _check_followed(state)
            self._walk(walk, heads, witnessed, state.position, signed, progress)
        except _Found as found:
            return Verified(walk.size, signed, edge_root(walk.edge), found.bad)
        return Verified(walk.size, signed, edge_root(walk.edge), None)

    def _witnessed(self, store: TenantStore, note: str | None, key: bytes, generation: str) -> Checkpoint | None:
        if note is None:
            return None
        try:
            head = open_note(note, key, self.verify)
        except NoteInvalid as error:
            raise InvalidRequest(f"the head from outside: {error}") from None
        if (head.tenant, head.generation) != (store.tenant, generation):
            raise InvalidRequest("the head from outside is of another log, or of another generation of this one")
        return head

    def _checked(self, store: TenantStore, kept: list[SignedHead], key: bytes) -> list[Checkpoint]:
        """Step 1. A head that is not what it should be makes all after the one before it doubtful."""
        heads, before = list[Checkpoint](), 0
        for one in kept:
            try:
                head = open_note(one.note, key, self.verify)
            except NoteInvalid:
                raise _Found(before + 1, HEAD) from None
            if (head.tenant, head.size, head.root) != (store.tenant, one.size, one.root):
                raise _Found(before + 1, HEAD)
            heads.append(head)
            before = head.size
        return heads

    def _walk(
        self,
        walk: "_Walk",
        heads: list[Checkpoint],
        witnessed: Checkpoint | None,
        position: int,
        signed: int,
        progress: Progress,
    ) -> None:
        """Steps 2 to 6."""
        before = 0
        for head in sorted([*heads, witnessed] if witnessed else heads, key=lambda one: one.size):
            end = min(head.size, position)
            while walk.size < end:
                walk.batch(min(end, walk.size - walk.size % BATCH + BATCH), signed)
                progress(walk.size, position)
            if walk.size < head.size:
                walk.decide(None)
                raise _Found(walk.size + 1, TRUNCATED)
            walk.decide(head.root == edge_root(walk.edge))
            if head.root != edge_root(walk.edge):
                # A witness's head tells of nothing before it: whoever has the key can have signed all the others.
                raise _Found(1 if head is witnessed else before + 1, ROOT)
            before = head.size
        while walk.size < position:
            walk.batch(min(position, walk.size + BATCH), signed)
            progress(walk.size, position)
        walk.check_end(position)


@dataclass(slots=True)
class _Walk:
    """Where the walk stands: how many events, the edge of the tree that they make, and what did not fit its tile
    since the last head."""

    store: TenantStore
    dead_now: Callable[[], frozenset[bytes]]
    dead: frozenset[bytes] = frozenset()
    size: int = 0
    edge: tuple[bytes, ...] = EMPTY_EDGE
    blobs: Collection[BlobName] | None = None
    doubtful: int | None = None

    def batch(self, end: int, signed: int) -> None:
        """The events up to ``end``; their tiles, as far as a head was signed."""
        fresh = list(self._leaves(end))
        start = self.size
        tree = grown(start, self.edge, fresh)
        self.size, self.edge = start + len(fresh), tree.edge
        if start < signed:
            self._hold_against(tree.tiles, signed)
        if self.size < end:
            self.decide(None)
            raise _Found(self.size + 1, MISSING)

    def _leaves(self, end: int) -> Iterator[bytes]:
        """Step 2: leaf hashes as far as there is no gap."""
        wanted = self.size + 1
        attached = []
        for entry in self.store.tree.entries(self.size, end):
            if entry.position != wanted:
                break
            self._check_tombstones(entry)
            if self.blobs is not None and entry.topic == StatementWithAttachments.TOPIC:
                attached.append(entry)
            yield leaves.hash_of(entry)
            wanted += 1
        for entry in attached:
            self._check_blobs(entry)

    def _hold_against(self, tiles: Mapping[TileId, bytes], signed: int) -> None:
        """Step 3. The tiles that are kept may go on beyond: the notary is at work."""
        kept = self.store.tree.tiles(tiles)
        for one, made in sorted(tiles.items()):
            wanted = min(WIDTH, max(0, (signed >> one.level * HEIGHT) - one.number * WIDTH)) * HASH_BYTES
            held, due = kept.get(one, b""), made[:wanted]
            if self.doubtful is None and not held.startswith(due):
                at = one.number * WIDTH + _first_difference(held, due)
                self.doubtful = at * WIDTH**one.level + 1

    def decide(self, has_root: bool | None) -> None:
        """Step 4: what was doubtful is the tile's fault where the events have the root that was signed, else the
        event's; also where there is no root to tell (None)."""
        if self.doubtful is not None:
            raise _Found(self.doubtful, TILE if has_root else ALTERED)

    def _check_tombstones(self, entry: Entry) -> None:
        """Step 5."""
        if not any(beginning in entry.state for beginning in _TOMBSTONES):
            return

        def check(envelope: bytes) -> bytes:
            if is_tombstone(envelope) and not self._is_dead(envelope):
                raise _Found(entry.position, TOMBSTONE)
            return envelope

        with suppress(ValueError, struct.error, EnvelopeInvalid):  # its leaf tells
            leaves.resealed(entry.topic, entry.state, check)

    def _is_dead(self, tombstone: bytes) -> bool:
        """Whether the ledger says so; asked again for keys that may have died meanwhile."""
        found = framed(tombstone)
        if not found.is_dead(self.dead):
            self.dead = self.dead_now()
        return found.is_dead(self.dead)

    def _check_blobs(self, entry: Entry) -> None:
        """Step 6."""
        assert self.blobs is not None
        wanted: list[BlobName] = []
        with suppress(ValueError, struct.error):  # its leaf tells
            wanted = [one.name for one in blobs_of(entry.state) if one.name not in self.blobs]
        if wanted and self.store.statements.named_blobs(wanted):
            raise _Found(entry.position, BLOB)

    def check_end(self, position: int) -> None:
        """Nothing lies beyond the log's head, and nothing is doubtful any more."""
        self.decide(None)
        beyond = next(self.store.tree.entries(position, position + BATCH), None)
        if beyond is not None and self.store.tree.state().position == position:
            raise _Found(beyond.position, ALTERED)


def _check_followed(state: LogState) -> None:
    """The newest head that was signed is there."""
    if state.followed != state.size:
        raise _Found(min(state.followed, state.size) + 1, HEAD)


def _first_difference(held: bytes, made: bytes) -> int:
    """The first hash in which two tiles differ."""
    for at in range(0, len(made), HASH_BYTES):
        if held[at : at + HASH_BYTES] != made[at : at + HASH_BYTES]:
            return at // HASH_BYTES
    return len(made) // HASH_BYTES
