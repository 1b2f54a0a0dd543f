"""Verifying: a tenant's events held against what was signed, from the first to the last.

1. Heads: every one that is kept is signed by the tenant's key, for this tenant and generation, and says what its
   row says; so does one from outside, which may be of an older generation. Two more need no signature: the highest
   that was signed, which the vault keeps, and the one that a restored log cites of the log before it. A log of a
   later generation than the first begins it with an event that says so. Of an older generation, a head counts as
   far as the two logs share their beginning.
2. Events: in order without a gap, from 1 to where the log's head stands. Every leaf is computed anew.
3. Tiles: each holds the leaves, or the roots of subtrees, that were computed.
4. At the size of each head, the root that was computed is the one that was signed. If a leaf differs from its tile
   and the root is right all the same, the tile is wrong, not the event.
5. A tombstone stands only where the ledger says that nobody could open the envelope any more.
6. With ``blobs``: each blob that an event names is there, of the size and SHA-256 that it says, unless the ledger
   says that nobody can open it any more.

It stops at the first position that is bad.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lrs.domain.errors import InvalidRequest
from lrs.domain.generations import start_in
from lrs.domain.kept_heads import KeptHead
from lrs.domain.notes import NoteInvalid, Verify, open_note
from lrs.domain.tiles import WIDTH, edge_root
from lrs.notary.walking import GENERATION, HEAD, ROOT, TRUNCATED, Bad, Found, Walk
from lrs.ports import Blobs, Clock, LogState, SignedHead, TenantStore, Vault

BATCH: Final = 8 * WIDTH

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """How many events were looked at, how many of them a signed head has, and what is bad."""

    events: int
    signed: int
    root: bytes
    bad: Bad | None


@dataclass(frozen=True, slots=True)
class _Expected:
    """A head that the events must have the root of; ``outside``: a witness's. Where it ``is_alone``, smaller heads
    prove nothing: whoever has the key can have signed them all, or they are of a log that was not held against
    this one yet."""

    head: KeptHead
    is_alone: bool = False
    outside: bool = False


_REACHES_FURTHER: Final = "the head from outside reaches further than what a later generation kept of its log"


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
        highest = self.vault.signed_head(store.tenant)  # first: the log goes on meanwhile, and is never shorter
        kept = store.tree.heads()
        signed = kept[-1].size if kept else 0
        state = store.tree.state()
        key = self.vault.public_key(store.tenant)
        expected = self._witnessed(store, outside, key, state)
        walk = Walk(store, lambda: self.vault.dead(store.tenant, self.clock.now()))
        if with_blobs:
            walk.blobs = self.blobs
        bad = None
        try:
            expected += _begun(store, state, highest)
        except Found as found:  # something before it may be bad, too
            bad = found.bad
        try:
            expected += self._checked(store, kept, key, state.generation)
            _check_followed(state)
            self._walk(walk, expected, state.position, signed, progress)
            _check_highest(state, highest, signed)
        except Found as found:
            bad = min((one for one in (bad, found.bad) if one), key=lambda one: one.position)
        if bad is None and any(one.outside and _is_cut(walk, one.head) for one in expected):
            raise InvalidRequest(_REACHES_FURTHER)
        return Verified(walk.size, signed, edge_root(walk.edge), bad)

    def _witnessed(self, store: TenantStore, note: str | None, key: bytes, state: LogState) -> list[_Expected]:
        if note is None:
            return []
        try:
            head = open_note(note, key, self.verify)
        except NoteInvalid as error:
            raise InvalidRequest(f"the head from outside: {error}") from None
        generation = int(head.generation) if head.generation.isdecimal() else 0
        if head.tenant != store.tenant or not 0 < generation <= state.generation:
            raise InvalidRequest("the head from outside is of another log, or of a later generation of this one")
        if generation < state.generation and head.size > state.began:
            raise InvalidRequest(_REACHES_FURTHER)
        return [_Expected(KeptHead(generation, head.size, head.root), is_alone=True, outside=True)]

    def _checked(self, store: TenantStore, kept: list[SignedHead], key: bytes, generation: int) -> list[_Expected]:
        """Step 1. A head that is not what it should be makes all after the one before it doubtful."""
        heads, before = list[_Expected](), 0
        for one in kept:
            try:
                head = open_note(one.note, key, self.verify)
            except NoteInvalid:
                raise Found(Bad(before + 1, HEAD)) from None
            facts = (head.tenant, head.generation, head.size, head.root)
            if facts != (store.tenant, str(generation), one.size, one.root):
                raise Found(Bad(before + 1, HEAD))
            heads.append(_Expected(KeptHead(generation, head.size, head.root)))
            before = head.size
        return heads

    @staticmethod
    def _walk(walk: Walk, expected: list[_Expected], position: int, signed: int, progress: Progress) -> None:
        """Steps 2 to 6."""
        before = 0
        for one in sorted(expected, key=lambda one: one.head.size):
            head = one.head
            end = min(head.size, position)
            while walk.size < end:
                walk.batch(min(end, walk.size - walk.size % BATCH + BATCH), signed)
                progress(walk.size, position)
            if _is_cut(walk, head):
                continue
            if walk.size < head.size:
                walk.decide(None)
                raise Found(Bad(walk.size + 1, TRUNCATED))
            walk.decide(head.root == edge_root(walk.edge))
            if head.root != edge_root(walk.edge):
                raise Found(Bad(1 if one.is_alone else before + 1, ROOT))
            before = head.size
        while walk.size < position:
            walk.batch(min(position, walk.size + BATCH), signed)
            progress(walk.size, position)
        walk.check_end(position)


def _begun(store: TenantStore, state: LogState, highest: KeptHead | None) -> list[_Expected]:
    """Step 1: that the log is of its generation, and which heads of older ones its events must have."""
    bad = Bad(state.began + 1, GENERATION)
    if highest is not None and not highest.allows(state.generation):
        raise Found(bad)
    heads = [] if highest is None else [highest]
    if state.generation > 1:
        start = next(map(start_in, store.tree.entries(state.began, state.began + 1)), None)
        if start is None or start.generation != state.generation:
            raise Found(bad)
        if start.size and start.root and start.size <= start.position:
            heads.append(KeptHead(start.generation - 1, start.size, start.root))
    return [_Expected(one, is_alone=one.generation < state.generation) for one in heads]


def _is_cut(walk: Walk, head: KeptHead) -> bool:
    """Whether the log lacks some of this head's leaves: a later generation went on without them."""
    return not all(head.binds(start.generation, start.position) for start in walk.starts)


def _check_highest(state: LogState, highest: KeptHead | None, signed: int) -> None:
    """The highest head that was signed is there: all its events are."""
    if highest is not None and highest.generation == state.generation and highest.size > signed:
        raise Found(Bad(signed + 1, HEAD))


def _check_followed(state: LogState) -> None:
    """The newest head that was signed is there."""
    if state.followed != state.size:
        raise Found(Bad(min(state.followed, state.size) + 1, HEAD))
