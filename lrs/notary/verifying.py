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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lrs.domain.errors import InvalidRequest
from lrs.domain.notes import Checkpoint, NoteInvalid, Verify, open_note
from lrs.domain.tiles import WIDTH, edge_root
from lrs.notary.walking import HEAD, ROOT, TRUNCATED, Bad, Found, Walk
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
        walk = Walk(store, lambda: self.vault.dead(store.tenant, self.clock.now()))
        if with_blobs:
            walk.blobs = {one.name for one in self.blobs.list(store.tenant)}
        try:
            heads = self._checked(store, kept, key)
            _check_followed(state)
            self._walk(walk, heads, witnessed, state.position, signed, progress)
        except Found as found:
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
                raise Found(Bad(before + 1, HEAD)) from None
            if (head.tenant, head.size, head.root) != (store.tenant, one.size, one.root):
                raise Found(Bad(before + 1, HEAD))
            heads.append(head)
            before = head.size
        return heads

    def _walk(
        self,
        walk: Walk,
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
                raise Found(Bad(walk.size + 1, TRUNCATED))
            walk.decide(head.root == edge_root(walk.edge))
            if head.root != edge_root(walk.edge):
                # A witness's head tells of nothing before it: whoever has the key can have signed all the others.
                raise Found(Bad(1 if head is witnessed else before + 1, ROOT))
            before = head.size
        while walk.size < position:
            walk.batch(min(position, walk.size + BATCH), signed)
            progress(walk.size, position)
        walk.check_end(position)


def _check_followed(state: LogState) -> None:
    """The newest head that was signed is there."""
    if state.followed != state.size:
        raise Found(Bad(min(state.followed, state.size) + 1, HEAD))
