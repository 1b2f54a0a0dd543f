"""Compression before sealing, with the dictionaries that are shipped beside this file.

A DICTIONARY IS A STORAGE FORMAT FOR EVER: what was sealed with it opens with these very bytes and no others. A
file is never changed and never taken away; a better one gets the next number, its own file and its own line in
``_SHA256``. ``python -m bench.dictionary`` makes them and says what they are worth.

    0   none: an ordinary zstd frame
    1   dictionary-1.zdict: xAPI statements by profile, exchanges with language models, agent objects

Frames are standard zstd (RFC 8878), one to a part. They bear their content's size, which lets them be opened in
one pass, but no dictionary id, which the envelope says, and no checksum, for the seal around them is one.
"""

import functools
import hashlib
import threading
from pathlib import Path

import zstandard

from lrs.domain.errors import VaultRefused

LATEST = 1
_SHA256 = {1: "a4358143745d285bb6ba554a7a5c429ec3632e0e9f8006d363559c4d79152e6a"}
KNOWN = (0, *_SHA256)
"""Numbers that an envelope may say."""
# Measured with the dictionary on bodies of 1.5 kB: 365 bytes in 4.6 us, where level 1 leaves 393 in 3.7 us.
_LEVEL = 3


@functools.cache
def dictionary(version: int) -> zstandard.ZstdCompressionDict:
    """The dictionary of this number. VaultRefused for a file that is missing or was changed: what is sealed with a
    dictionary that nobody else has never opens again."""
    try:
        data = Path(__file__).with_name(f"dictionary-{version}.zdict").read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != _SHA256[version]:
        raise VaultRefused("a sealing dictionary is missing or damaged: install the service again")
    made = zstandard.ZstdCompressionDict(data)
    # Here and once: again, it would take the tables from under the threads that are using them.
    made.precompute_compress(level=_LEVEL)
    return made


class _Contexts(threading.local):
    """A thread's own: they can not be shared, and making one costs more than its work (it asks the processor for
    its features, which a virtual machine answers in microseconds)."""

    def __init__(self) -> None:
        latest = dictionary(LATEST)
        self.compressor = zstandard.ZstdCompressor(_LEVEL, dict_data=latest, write_dict_id=False)
        self.decompress = [
            zstandard.ZstdDecompressor(dict_data=dictionary(version) if version else None).decompress
            for version in range(LATEST + 1)
        ]


@functools.cache
def _contexts() -> _Contexts:
    return _Contexts()


def compress(data: bytes) -> bytes:
    """One frame, made with the latest dictionary."""
    return _contexts().compressor.compress(data)


def compress_all(parts: list[bytes]) -> list[bytes]:
    """A frame for each, in one go."""
    if len(parts) == 1 or not all(parts):  # the library refuses empty ones in one go
        return [compress(data) for data in parts]
    frames = _contexts().compressor.multi_compress_to_buffer([*parts])
    return [frames[at].tobytes() for at in range(len(frames))]


def decompress(version: int, frame: bytes, bytes_max: int) -> bytes | None:
    """What the frame holds; None for what is not exactly one whole frame or holds more than ``bytes_max``."""
    try:
        # Room is made for the size that the frame claims, so that is looked at first.
        if zstandard.frame_content_size(frame) > bytes_max:
            return None
        decompress = _contexts().decompress[version]
        return decompress(frame, max_output_size=bytes_max, allow_extra_data=False)
    except zstandard.ZstdError:
        return None
