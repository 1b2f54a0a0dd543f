"""Terms of a statement, packed into one column. A STORAGE FORMAT."""

import struct
from collections.abc import Sequence
from typing import Any


def pack_terms(terms: Sequence[int]) -> bytes:
    """Terms as 8 bytes each."""
    return struct.pack(f">{len(terms)}q", *terms)


def unpack_terms(packed: bytes) -> tuple[int, ...]:
    """The terms again."""
    unpacked: tuple[Any, ...] = struct.unpack(f">{len(packed) // 8}q", packed)
    return unpacked
