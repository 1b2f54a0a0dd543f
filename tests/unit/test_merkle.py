"""The tree of RFC 6962: published known answers, and trees that hypothesis thinks of, against the definition."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.domain import merkle
from lrs.domain.merkle import consistency_proof, inclusion_proof, is_consistent, is_included, subtree_of
from lrs.domain.tiles import (
    EMPTY_EDGE,
    LEVELS_MAX,
    TILE_BYTES,
    WIDTH,
    TileId,
    edge_ids,
    edge_of,
    edge_root,
    grown,
    leaf_in,
    subtree_in,
    tile_of,
)

# The leaves of the Certificate Transparency project's own tests, and the roots of trees of the first 0 to 8.
CT_LEAVES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (index, size) and (old, new) to their proofs.
CT_INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CT_CONSISTENCY = {
    (1, 1): [],
    (1, 8): CT_INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHES = [merkle.leaf_hash(bytes.fromhex(one)) for one in CT_LEAVES]
MANY = [merkle.leaf_hash(str(number).encode()) for number in range(3 * WIDTH)]
SIZES = st.integers(1, 300)


def in_hex(hashes: Sequence[bytes]) -> list[str]:
    """Hashes as the published ones are written."""
    return [one.hex() for one in hashes]


def mth(hashes: Sequence[bytes]) -> bytes:
    """MTH, word for word as RFC 6962 section 2.1 defines it, over leaf hashes."""
    if not hashes:
        return sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH, word for word as RFC 6962 section 2.1.1 defines it."""
    if len(hashes) == 1:
        return []
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def subproof(m: int, hashes: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF, word for word as RFC 6962 section 2.1.2 defines it."""
    if m == len(hashes):
        return [] if whole else [mth(hashes)]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m <= k:
        return [*subproof(m, hashes[:k], whole=whole), mth(hashes[k:])]
    return [*subproof(m - k, hashes[k:], whole=False), mth(hashes[:k])]


# --- published answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    assert merkle.root(size, subtree_of(HASHES)).hex() == CT_ROOTS[size]


@pytest.mark.parametrize(("index", "size"), CT_INCLUSION)
def test_the_inclusion_proofs_are_the_published_ones(index: int, size: int) -> None:
    proof = inclusion_proof(index, size, subtree_of(HASHES))
    assert in_hex(proof) == CT_INCLUSION[index, size]
    assert is_included(HASHES[index], index, size, proof, bytes.fromhex(CT_ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CT_CONSISTENCY)
def test_the_consistency_proofs_are_the_published_ones(old: int, new: int) -> None:
    proof = consistency_proof(old, new, subtree_of(HASHES))
    assert in_hex(proof) == CT_CONSISTENCY[old, new]
    assert is_consistent(old, new, bytes.fromhex(CT_ROOTS[old]), bytes.fromhex(CT_ROOTS[new]), proof)


# --- against the definition ----------------------------------------------------------------------------------


@given(SIZES, st.data())
def test_every_proof_is_the_one_that_is_defined_and_fits(size: int, data: st.DataObject) -> None:
    leaves, subtree = MANY[:size], subtree_of(MANY)
    root = merkle.root(size, subtree)
    assert root == mth(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    proof = inclusion_proof(index, size, subtree)
    assert proof == path(index, leaves)
    assert is_included(leaves[index], index, size, proof, root)
    steps = consistency_proof(old, size, subtree)
    assert steps == subproof(old, leaves, whole=True)
    assert is_consistent(old, size, mth(leaves[:old]), root, steps)


@given(st.integers(2, 300), st.data())
def test_no_proof_fits_when_anything_about_it_is_changed(size: int, data: st.DataObject) -> None:
    leaves, subtree = MANY[:size], subtree_of(MANY)
    root, other = merkle.root(size, subtree), bytes(32)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    proof, steps, old_root = (
        inclusion_proof(index, size, subtree),
        consistency_proof(old, size, subtree),
        mth(leaves[:old]),
    )
    spoilt = data.draw(st.integers(0, max(len(proof), len(steps)) - 1))
    assert not is_included(other, index, size, proof, root)
    assert not is_included(leaves[index], index, size, proof, other)
    assert not is_included(leaves[index], index ^ 1, size, proof, root)
    for changed in (proof[:-1], [*proof, other], [*proof[:spoilt], other, *proof[spoilt + 1 :]]):
        assert not is_included(leaves[index], index, size, changed, root)
    assert not is_consistent(old, size, other, root, steps)
    assert not is_consistent(old, size, old_root, other, steps)
    for changed in (steps[:-1], [*steps, other], [*steps[:spoilt], other, *steps[spoilt + 1 :]]):
        assert not is_consistent(old, size, old_root, root, changed)


def test_what_can_not_be_proven_is_refused() -> None:
    subtree = subtree_of(HASHES)
    for index, size in ((-1, 8), (8, 8), (0, 0)):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_proof(index, size, subtree)
        assert not is_included(HASHES[0], index, size, [], HASHES[0])
    for old, new in ((0, 8), (-1, 8), (9, 8)):
        with pytest.raises(ValueError, match="consistency"):
            consistency_proof(old, new, subtree)
        assert not is_consistent(old, new, HASHES[0], HASHES[0], [HASHES[0]])
    assert is_consistent(8, 8, HASHES[0], HASHES[0], [])
    assert not is_consistent(8, 8, HASHES[0], HASHES[1], [])
    assert not is_consistent(8, 8, HASHES[0], HASHES[0], [HASHES[0]])
    assert not is_consistent(1, 8, HASHES[0], HASHES[0], [])


# --- tiles ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.integers(0, 3 * WIDTH))
def test_tiles_that_grew_by_any_batches_give_every_root(batches: list[int], asked: int) -> None:
    tiles: dict[TileId, bytes] = {}
    size, edge = 0, EMPTY_EDGE
    for count in batches:
        fresh = MANY[size : size + count]
        tree = grown(size, edge, fresh)
        for one, hashes in tree.tiles.items():
            assert hashes.startswith(tiles.get(one, b""))  # only ever added to
        tiles |= tree.tiles
        size, edge = size + len(fresh), tree.edge
    assert edge_root(edge) == mth(MANY[:size])
    assert edge_of(size, tiles) == edge
    before = min(asked, size)
    assert edge_root(edge_of(before, tiles)) == mth(MANY[:before])
    subtree = subtree_in(lambda one: tiles.get(one, b""))
    assert merkle.root(before, subtree) == mth(MANY[:before])
    for position in {1, size, max(1, before)}:
        assert leaf_in(tiles, position) == MANY[position - 1]
    assert leaf_in(tiles, size + 1) == b""


def test_a_tree_grows_beyond_its_first_levels() -> None:
    size = WIDTH * WIDTH + WIDTH + 3
    leaves = [number.to_bytes(32, "big") for number in range(size)]
    tree = grown(0, EMPTY_EDGE, leaves)
    assert {one.level for one in tree.tiles} == {0, 1, 2}
    assert [len(one) // 32 for one in tree.edge[:4]] == [3, 1, 1, 0]
    assert edge_root(tree.edge) == mth(leaves)
    assert merkle.root(size, subtree_in(tree.tiles.__getitem__)) == mth(leaves)
    again = grown(size, tree.edge, leaves[:WIDTH])
    assert set(again.tiles) == {TileId(0, WIDTH + 1), TileId(0, WIDTH + 2), TileId(1, 1)}


def test_tiles_that_hold_too_little_are_no_tree() -> None:
    tree = grown(0, EMPTY_EDGE, MANY[:300])
    short = tree.tiles | {TileId(0, 1): tree.tiles[TileId(0, 1)][:-1]}
    for tiles in (short, {one: hashes for one, hashes in tree.tiles.items() if one.level == 0}, {}):
        with pytest.raises(ValueError, match="tile"):
            edge_of(300, tiles)
    with pytest.raises(ValueError, match="tile"):
        subtree_in(lambda _: b"")(0, 0)
    assert edge_of(0, {}) == EMPTY_EDGE
    assert len(edge_ids(300)) == LEVELS_MAX
    assert (tile_of(1), tile_of(WIDTH), tile_of(WIDTH + 1)) == (TileId(0, 0), TileId(0, 0), TileId(0, 1))
    assert len(tree.tiles[TileId(0, 0)]) == TILE_BYTES
