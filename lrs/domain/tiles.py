"""Tiles: how the hashes of a tree are kept, 256 to a tile, as in C2SP tlog-tiles. A STORAGE FORMAT.

Tile (level, number) holds, one after the other, the roots of the complete subtrees of height 8 * level that are
number * 256 to number * 256 + 255 among their like. Level 0 holds leaf hashes. The last tile of a level may be
shorter, and grows; a level that has no hash has no tile. What is kept is enough for any root and any proof, and an
append touches the last tile of each level alone (its *edge*).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lrs.domain.merkle import HASH_BYTES, Subtree, folded, perfect_root

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
# 256 ** 8 leaves are more than positions can be.
LEVELS_MAX = 8


class TileId(NamedTuple):
    """Which tile."""

    level: int
    number: int


class Grown(NamedTuple):
    """A tree after leaves were appended: the tiles that changed, and the edge from which it grows on."""

    tiles: dict[TileId, bytes]
    edge: tuple[bytes, ...]


def edge_ids(size: int) -> list[TileId]:
    """The last, incomplete tile of each level in a tree of this size, from level 0; those without a hash too."""
    return [TileId(level, size >> (level + 1) * HEIGHT) for level in range(LEVELS_MAX)]


def edge_of(size: int, tiles: Mapping[TileId, bytes]) -> tuple[bytes, ...]:
    """The edge of the tree of this size: its tiles cut to what they held then. ValueError where they hold less."""
    edge = []
    for one in edge_ids(size):
        wanted = (size >> one.level * HEIGHT) % WIDTH * HASH_BYTES
        held = tiles.get(one, b"")[:wanted]
        if len(held) != wanted:
            raise ValueError("a tile is missing or cut short")
        edge.append(held)
    return tuple(edge)


def edge_root(edge: Sequence[bytes]) -> bytes:
    """The root of the tree that has this edge."""
    return folded([one for hashes in reversed(edge) for one in _complete(cut(hashes))])


def _complete(hashes: Sequence[bytes]) -> list[bytes]:
    """The roots of the complete subtrees that these stand side by side for, the largest first."""
    roots, first = [], 0
    for height in range(HEIGHT - 1, -1, -1):
        if len(hashes) & 1 << height:
            roots.append(perfect_root(hashes[first : first + (1 << height)]))
            first += 1 << height
    return roots


def cut(hashes: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def grown(size: int, edge: Sequence[bytes], leaves: Sequence[bytes]) -> Grown:
    """The tree of this size and edge with leaf hashes appended."""
    tiles: dict[TileId, bytes] = {}
    new_edge = list(edge)
    fresh, level = list(leaves), 0
    while fresh:
        hashes = edge[level] + b"".join(fresh)
        number = size >> (level + 1) * HEIGHT
        fresh = []
        for at in range(0, len(hashes), TILE_BYTES):
            tile = tiles[TileId(level, number + at // TILE_BYTES)] = hashes[at : at + TILE_BYTES]
            if len(tile) == TILE_BYTES:
                fresh.append(perfect_root(cut(tile)))
        new_edge[level] = hashes[len(hashes) - len(hashes) % TILE_BYTES :]
        level += 1
    return Grown(tiles, tuple(new_edge))


EMPTY_EDGE: tuple[bytes, ...] = (b"",) * LEVELS_MAX


def subtree_in(tile: Callable[[TileId], bytes]) -> Subtree:
    """Subtrees out of tiles. ValueError where a tile does not hold them."""

    def subtree(height: int, number: int) -> bytes:
        level, above = divmod(height, HEIGHT)
        first = number << above
        found = cut(tile(TileId(level, first // WIDTH)))[first % WIDTH : first % WIDTH + (1 << above)]
        if len(found) != 1 << above:
            raise ValueError("a tile is missing or cut short")
        return perfect_root(found)

    return subtree


def tile_of(position: int) -> TileId:
    """The tile that holds the leaf of the event at a position; positions begin at 1."""
    return TileId(0, (position - 1) // WIDTH)


def leaf_in(tiles: Mapping[TileId, bytes], position: int) -> bytes:
    """The leaf hash of the event at a position; no bytes where it is not there."""
    at = (position - 1) % WIDTH * HASH_BYTES
    return tiles.get(tile_of(position), b"")[at : at + HASH_BYTES]
