"""``python -m bench.unsealed serve ...``: the service with sealing switched off, to see what sealing costs.

NEVER FOR ANYTHING ELSE: what is recorded so lies open. The envelope keeps its form and its key id, so that all the
rest (keys, the fence, taking apart) goes on as ever. ``BENCH_UNSEALED`` says what is left out:

    seal    the cipher, its nonce and what it is bound to; it is compressed all the same
    all     compression, too
    fence   the reading of the vault's fence: what is cached is used as if nothing ever changed
    notary  the log of hashes
"""

import os
from collections.abc import Sequence

from lrs.adapters.vault import dictionary
from lrs.adapters.vault import envelope as envelopes
from lrs.adapters.vault.envelope import DataKey
from lrs.adapters.vault.fence import Fenced
from lrs.adapters.vault.known import Known
from lrs.cli import main
from lrs.domain.sealing import Place
from lrs.leading import LeadingThread
from lrs.notary.runner import NotaryRunner

_HEAD = bytes((envelopes.VERSION, envelopes.ONE_KEY, dictionary.LATEST))
_NONCE = bytes(12)
_TAG = bytes(16)


def switch_off(mode: str) -> None:
    """From now on, in this process."""
    if mode == "notary":
        NotaryRunner.start = NotaryRunner.stop = _nothing  # type: ignore[method-assign]
    elif mode == "fence":
        Fenced._look = _unread  # type: ignore[method-assign]  # noqa: SLF001
    else:
        _switch_off_sealing(mode)


def _nothing(self: LeadingThread) -> None:
    """It is not there."""


_look = Fenced._look  # noqa: SLF001


def _unread(self: Fenced) -> Known:
    known = self._known
    return known if known.tenants else _look(self)


def _switch_off_sealing(mode: str) -> None:
    open_with = envelopes.open_with

    def left_open(tenant: str, place: Place, key: DataKey, packed: bytes, nonce: bytes) -> bytes:  # noqa: ARG001
        return _HEAD + key.kid + _NONCE + packed + _TAG

    def opened(tenant: str, place: Place, envelope: bytes, key: DataKey) -> bytes:
        if envelope[1] != envelopes.ONE_KEY:
            return open_with(tenant, place, envelope, key)
        packed = envelope[len(_HEAD) + len(key.kid) + len(_NONCE) : -len(_TAG)]
        data = dictionary.decompress(envelope[2], packed, envelopes.OPENED_BYTES_MAX)
        assert data is not None
        return data

    envelopes._seal_one, envelopes.open_with = left_open, opened  # noqa: SLF001
    if mode == "all":
        dictionary.compress_all, dictionary.decompress = _compress, _decompress


def _compress(parts: Sequence[bytes]) -> list[bytes]:
    return list(parts)


def _decompress(version: int, frame: bytes, bytes_max: int) -> bytes:  # noqa: ARG001
    return frame


if __name__ == "__main__":
    switch_off(os.environ["BENCH_UNSEALED"])
    main()
