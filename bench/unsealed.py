"""``python -m bench.unsealed serve ...``: the service with sealing switched off, to see what sealing costs.

NEVER FOR ANYTHING ELSE: what is recorded so lies open. The envelope keeps its form and its key id, so that all the
rest (keys, the fence, taking apart) goes on as ever. ``BENCH_UNSEALED`` says what is left out:

    seal    the cipher, its nonce and what it is bound to; it is compressed all the same
    all     compression, too
"""

import os
from collections.abc import Sequence

from lrs.adapters.vault import dictionary, envelope
from lrs.adapters.vault.envelope import DataKey, Envelope
from lrs.cli import main
from lrs.domain.sealing import Place

MODES = ("seal", "all")
_HEAD = bytes((envelope.VERSION, envelope.ONE_KEY, dictionary.LATEST))
_NONCE = bytes(12)
_TAG = bytes(16)


def switch_off(mode: str) -> None:
    """From now on, in this process."""
    seal, open_with = envelope.seal, envelope.open_with

    def left_open(tenant: str, place: Place, keys: Sequence[DataKey], data: bytes) -> bytes:
        if len(keys) > 1:
            return seal(tenant, place, keys, data)
        return _HEAD + keys[0].kid + _NONCE + dictionary.compress(data) + _TAG

    def opened(tenant: str, place: Place, found: Envelope, key: DataKey) -> bytes:
        if found.shares:
            return open_with(tenant, place, found, key)
        data = dictionary.decompress(found.head[2], found.ciphertext[: -len(_TAG)], envelope.OPENED_BYTES_MAX)
        assert data is not None
        return data

    envelope.seal, envelope.open_with = left_open, opened
    if mode == "all":
        dictionary.compress = _as_it_is
        dictionary.decompress = lambda _version, frame, _bytes_max: frame


def _as_it_is(data: bytes) -> bytes:
    return data


if __name__ == "__main__":
    switch_off(os.environ.get("BENCH_UNSEALED", MODES[0]))
    main()
