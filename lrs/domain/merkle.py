"""The Merkle tree of RFC 6962 section 2.1 (the same as RFC 9162 section 2.1): hashes, roots, proofs, and checking
them.

Pure. It must not know what a leaf is or where hashes are kept: it asks for the roots of complete subtrees by
(height, number), where number 3 of height 2 stands above the leaves 12 to 15.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
# The root of no leaves (RFC 9162 section 2.1.1).
EMPTY_ROOT = sha256(b"").digest()
# A leaf and a node never hash alike (RFC 9162 section 2.1.1).
_LEAF = b"\x00"
_NODE = b"\x01"

Subtree = Callable[[int, int], bytes]
"""(height, number) to the root of that complete subtree."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node."""
    return sha256(_NODE + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [sha256(_NODE + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def folded(roots: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that stand side by side, the largest first; of none, the empty root."""
    if not roots:
        return EMPTY_ROOT
    found = roots[-1]
    for one in reversed(roots[:-1]):
        found = node_hash(one, found)
    return found


def subtree_of(leaves: Sequence[bytes]) -> Subtree:
    """Subtrees of leaf hashes that are all at hand."""
    return lambda height, number: perfect_root(leaves[number << height : (number + 1) << height])


def range_root(first: int, end: int, subtree: Subtree) -> bytes:
    """The root over the leaves from ``first`` up to ``end``, as if they were a tree; ``first`` is a multiple of
    the largest power of two that is not more than their number."""
    return folded([subtree(height, number) for height, number in _parts(first, end)])


def _parts(first: int, end: int) -> Iterator[tuple[int, int]]:
    while first < end:
        height = (end - first).bit_length() - 1
        yield height, first >> height
        first += 1 << height


def _split(count: int) -> int:
    """The largest power of two that is less than ``count``: where a tree of more than one leaf parts."""
    return 1 << (count - 1).bit_length() - 1


def root(size: int, subtree: Subtree) -> bytes:
    """The root of the first ``size`` leaves."""
    return range_root(0, size, subtree)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """That the leaf at ``index`` is in the tree of this size (RFC 9162 section 2.1.3.1). ValueError where it is
    not."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of this size")
    first, end, proof = 0, size, list[bytes]()
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            proof.append(range_root(middle, end, subtree))
            end = middle
        else:
            proof.append(range_root(first, middle, subtree))
            first = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """That the tree of size ``new`` begins with that of size ``old`` (RFC 9162 section 2.1.4.1). ValueError where
    one can not be asked for."""
    if not 0 < old <= new:
        raise ValueError("a consistency proof leads from a size of at least 1 to one that is no smaller")
    first, end, proof, is_whole = 0, new, list[bytes](), True
    while old != end:
        middle = first + _split(end - first)
        if old <= middle:
            proof.append(range_root(middle, end, subtree))
            end = middle
        else:
            proof.append(range_root(first, middle, subtree))
            first, is_whole = middle, False
    if not is_whole:
        proof.append(range_root(first, end, subtree))
    return proof[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], tree_root: bytes) -> bool:
    """Whether the proof leads from the leaf's hash to the root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(one, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, one)
        at, last = at >> 1, last >> 1
    return last == 0 and found == tree_root


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof leads from one root to both (RFC 9162 section 2.1.4.2)."""
    if old == new:
        return not proof and old_root == new_root
    if not 0 < old < new or not proof:
        return False
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    found_old = found_new = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            found_old, found_new = node_hash(one, found_old), node_hash(one, found_new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found_new = node_hash(found_new, one)
        at, last = at >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root
