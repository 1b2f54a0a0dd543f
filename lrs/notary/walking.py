"""Walking through a tenant's events, each held against its leaf: what ``verifying`` does between two heads. The
numbers are those of its steps.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from lrs.domain import leaves
from lrs.domain.envelopes import EnvelopeInvalid, framed, is_tombstone
from lrs.domain.events import AttachedBlob, StatementWithAttachments, blobs_of
from lrs.domain.generations import GenerationStarted, start_in
from lrs.domain.leaves import Entry
from lrs.domain.merkle import HASH_BYTES
from lrs.domain.tiles import EMPTY_EDGE, HEIGHT, WIDTH, TileId, grown
from lrs.ports import Blobs, TenantStore

MISSING: Final = "missing"
ALTERED: Final = "altered"
TILE: Final = "tile-altered"
HEAD: Final = "head-altered"
ROOT: Final = "root-differs"
TRUNCATED: Final = "truncated"
GENERATION: Final = "generation-altered"
TOMBSTONE: Final = "tombstone-of-a-living-key"
BLOB_MISSING: Final = "blob-missing"
BLOB_ALTERED: Final = "blob-altered"
_SAID: Final[Mapping[str, str]] = {
    MISSING: "there is no event at this position",
    ALTERED: "the event is not the one that was logged",
    TILE: "the tile does not hold the event's leaf; event and signed head agree",
    HEAD: "a signed head is not one that was signed here",
    ROOT: "the events up to a signed head do not have its root; the first of them that can be bad",
    TRUNCATED: "events that a signed head has are missing from here on",
    GENERATION: "the log is not of the generation that was signed, or does not say where its own began",
    TOMBSTONE: "a tombstone stands where a key lives that could open what was there",
    BLOB_MISSING: "an attachment's blob is missing",
    BLOB_ALTERED: "an attachment's blob is not the one that its event names",
}


# How a tombstone begins, in bytes and in the base64 of an aggregate's event: few events have either.
_TOMBSTONES: Final = (b"\x01\x04", b'"_data_":"AQQ')


@dataclass(frozen=True, slots=True)
class Bad:
    """The first position that is bad, and how."""

    position: int
    reason: str

    @property
    def said(self) -> str:
        """In words."""
        return _SAID[self.reason]


class Found(Exception):
    """Something bad; there is nothing to look for beyond."""

    def __init__(self, bad: Bad) -> None:
        super().__init__(bad.reason)
        self.bad = bad


@dataclass(slots=True)
class Walk:
    """Where the walk stands: how many events, the edge of the tree that they make, and what did not fit its tile
    since the last head."""

    store: TenantStore
    dead_now: Callable[[], frozenset[bytes]]
    dead: frozenset[bytes] = frozenset()
    size: int = 0
    edge: tuple[bytes, ...] = EMPTY_EDGE
    blobs: Blobs | None = None
    doubtful: int | None = None
    stopped: Bad | None = None
    starts: list[GenerationStarted] = field(default_factory=list)  # those that were met

    def batch(self, end: int, signed: int) -> None:
        """The events up to ``end``; their tiles, as far as a head was signed."""
        fresh = list(self._leaves(end))
        start = self.size
        tree = grown(start, self.edge, fresh)
        self.size, self.edge = start + len(fresh), tree.edge
        if start < signed:
            self._hold_against(tree.tiles, signed)
        if self.size < end or self.stopped:
            self.decide(None)  # what is doubtful comes before
            raise Found(self.stopped or Bad(self.size + 1, MISSING))

    def _leaves(self, end: int) -> Iterator[bytes]:
        """Step 2: leaf hashes as far as there is no gap."""
        wanted = self.size + 1
        attached = list[tuple[int, AttachedBlob]]()
        for entry in self.store.tree.entries(self.size, end):
            if entry.position != wanted:
                break
            if self._has_false_tombstone(entry):
                self.stopped = Bad(entry.position, TOMBSTONE)
                break
            if self.blobs is not None and entry.topic == StatementWithAttachments.TOPIC:
                with suppress(ValueError, struct.error):  # its leaf tells
                    attached += [(entry.position, one) for one in blobs_of(entry.state)]
            if (start := start_in(entry)) is not None:
                self.starts.append(start)
            yield leaves.hash_of(entry)
            wanted += 1
        for position, blob in attached:  # the events' snapshot is not held meanwhile
            if (reason := self._wrong_with(blob)) is not None:
                self.stopped = Bad(position, reason)
                return

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
            raise Found(Bad(self.doubtful, TILE if has_root else ALTERED))

    def _has_false_tombstone(self, entry: Entry) -> bool:
        """Step 5."""
        if not any(beginning in entry.state for beginning in _TOMBSTONES):
            return False
        met: list[bytes] = []

        def meet(envelope: bytes) -> bytes:
            met.append(envelope)
            return envelope

        with suppress(ValueError, struct.error, EnvelopeInvalid):  # its leaf tells
            leaves.resealed(entry.topic, entry.state, meet)
            return any(is_tombstone(one) and not self._is_dead(one) for one in met)
        return False

    def _is_known_dead(self, envelope: bytes) -> bool:
        """Whether the ledger said so when it was asked last. EnvelopeInvalid."""
        return framed(envelope).is_dead(self.dead)

    def _is_dead(self, envelope: bytes) -> bool:
        """Whether the ledger says so; asked again for keys that may have died meanwhile. EnvelopeInvalid."""
        if not self._is_known_dead(envelope):
            self.dead = self.dead_now()
        return self._is_known_dead(envelope)

    def _wrong_with(self, blob: AttachedBlob) -> str | None:
        """Step 6: why; None where all is well. What nobody can open may be anything, or nothing."""
        if self._opens_no_more(blob, self._is_known_dead):
            return None
        reason = self._differs(blob)
        return None if reason is None or self._opens_no_more(blob, self._is_dead) else reason

    @staticmethod
    def _opens_no_more(blob: AttachedBlob, is_dead: Callable[[bytes], bool]) -> bool:
        try:
            return is_dead(blob.key.envelope)
        except EnvelopeInvalid:
            return False

    def _differs(self, blob: AttachedBlob) -> str | None:
        assert self.blobs is not None
        size, hashed = 0, sha256()
        try:
            for piece in self.blobs.ciphertext(self.store.tenant, blob.name):
                size += len(piece)
                hashed.update(piece)
                if size > blob.size:
                    break
        except FileNotFoundError:
            return BLOB_MISSING
        return None if (size, hashed.digest()) == (blob.size, blob.sha256) else BLOB_ALTERED

    def check_end(self, position: int) -> None:
        """Nothing lies beyond the log's head, and nothing is doubtful any more."""
        self.decide(None)
        beyond = self.store.tree.position_after(position)
        if beyond is not None and self.store.tree.state().position == position:
            raise Found(Bad(beyond, ALTERED))


def _first_difference(held: bytes, made: bytes) -> int:
    """The first hash in which two tiles differ."""
    for at in range(0, len(made), HASH_BYTES):
        if held[at : at + HASH_BYTES] != made[at : at + HASH_BYTES]:
            return at // HASH_BYTES
    return len(made) // HASH_BYTES
