"""Proofs out of a tenant's log of hashes: for a witness who follows it, and for a certificate that outlives us."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lrs.domain import merkle
from lrs.domain.errors import InvalidRequest, LogConflict, NotFound
from lrs.domain.leaves import Entry, skeleton
from lrs.domain.notes import verifier_key
from lrs.domain.tiles import HEIGHT, WIDTH, TileId, subtree_in
from lrs.ports import SignedHead, TenantStore, Vault

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proofs:
    """Answers from the newest signed head of a tenant's log."""

    vault: Vault
    stores: Callable[[str], TenantStore]

    def head(self, tenant: str) -> SignedHead:
        """The newest signed head. NotFound before there is one."""
        signed = self.stores(tenant).tree.state().signed
        if signed is None:
            raise NotFound("no head of this log has been signed yet")
        return signed

    def described(self, tenant: str) -> Json:
        """The newest signed head, with the key that checks it. NotFound."""
        head = self.head(tenant)
        origin = head.note.partition("\n")[0]
        key = self.vault.public_key(tenant)
        return {
            "origin": origin,
            "size": head.size,
            "root": text_of(head.root),
            "signed_at_us": head.at_us,
            "note": head.note,
            "public_key": text_of(key),
            "verifier_key": verifier_key(origin, key),
        }

    def inclusion(self, tenant: str, position: int) -> Json:
        """That the event at a position is in the newest signed head. NotFound where it is not, or not yet."""
        head = self.head(tenant)
        if not 0 < position <= head.size:
            raise NotFound("no such position in the newest signed head")
        reading = _Reading(self.stores(tenant))
        proof = reading.inclusion(position, head.size)
        leaf = reading.subtree(0, position - 1)
        return {"position": position, "leaf": text_of(leaf), "proof": proof, "note": head.note}

    def consistency(self, tenant: str, old: int, new: int | None = None) -> Json:
        """That the log of one size is the beginning of that of another, or of the newest signed head. NotFound,
        InvalidRequest."""
        head = self.head(tenant)
        new = head.size if new is None else new
        if new > head.size:
            raise NotFound("the newest signed head is smaller")
        if not 0 < old <= new:
            raise InvalidRequest("from: a size of at least 1 and at most that of `to`")
        proof = _Reading(self.stores(tenant)).consistency(old, new)
        return {"from": old, "to": new, "proof": proof, "note": head.note}

    def tile(self, tenant: str, level: int, number: int) -> bytes:
        """A tile, as much of it as the newest signed head has. NotFound."""
        size = self.head(tenant).size
        one = TileId(level, number)
        width = min(WIDTH, max(0, (size >> level * HEIGHT) - number * WIDTH))
        found = self.stores(tenant).tree.tiles([one]).get(one, b"")[: width * merkle.HASH_BYTES]
        if not found:
            raise NotFound("no such tile in the newest signed head")
        return found

    def event(self, tenant: str, stream: UUID, topic: str) -> Json | None:
        """All that it takes to see, offline, that the newest event of a stream and topic is in the newest signed
        head; None while it is not. Only for events that hold nothing of a person: their skeleton is in it."""
        store = self.stores(tenant)
        entries, signed = store.tree.entries_of(stream, topic), store.tree.state().signed
        if not entries or signed is None or entries[-1].position > signed.size:
            return None
        return _log(entries[-1], signed, _Reading(store))


def _log(entry: Entry, head: SignedHead, reading: "_Reading") -> Json:
    return {
        "note": head.note,
        "position": entry.position,
        "stored_us": entry.stored_us,
        "stream": str(UUID(bytes=entry.stream)),
        "version": entry.version,
        "topic": entry.topic,
        "skeleton": text_of(skeleton(entry.topic, entry.state)),
        "proof": reading.inclusion(entry.position, head.size),
    }


class _Reading:
    """Tiles of one answer, each read once."""

    def __init__(self, store: TenantStore) -> None:
        self._store = store
        self._known: dict[TileId, bytes] = {}
        self.subtree = subtree_in(self._tile)

    def _tile(self, one: TileId) -> bytes:
        if one not in self._known:
            self._known[one] = self._store.tree.tiles([one]).get(one, b"")
        return self._known[one]

    def inclusion(self, position: int, size: int) -> list[str]:
        """In base64. LogConflict where a tile does not hold what it should."""
        try:
            return [text_of(one) for one in merkle.inclusion_proof(position - 1, size, self.subtree)]
        except ValueError:
            raise LogConflict("a tile does not hold what was logged", position) from None

    def consistency(self, old: int, new: int) -> list[str]:
        """In base64. LogConflict where a tile does not hold what it should."""
        try:
            return [text_of(one) for one in merkle.consistency_proof(old, new, self.subtree)]
        except ValueError:
            raise LogConflict("a tile does not hold what was logged", old) from None


def text_of(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()
