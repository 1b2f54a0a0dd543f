"""``python -m bench.dictionary``: make the sealing dictionary again, and say what it is worth.

It prints what dictionaries of several sizes make of bodies that no sample was made from, those of ``lrs.demo``.
``--out`` also writes the one that is shipped. A new one gets a new number and a file of its own beside the old
(see ``lrs.adapters.vault.dictionary``): what was sealed with the old one needs it for ever.
"""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

import orjson
from backports import zstd

from bench import samples
from bench.statements import statements
from lrs import demo
from lrs.domain.people import split
from lrs.sealed_bodies import pack

_SEED = 20_261_122
_STATEMENTS, _EXCHANGES, _AGENTS = 6_000, 3_000, 2_000
# Trained apart, for the trainer goes by how often something occurs: together, statements would push out the rest.
_SHARE_STATEMENTS, _SHARE_EXCHANGES, _SHARE_AGENTS = 26 / 32, 5 / 32, 1 / 32
_STATISTICS_OF = 500  # exchanges and agents among the samples that the entropy tables are made from
_LEVEL = 3
_SIZES_KB = (8, 16, 32, 64, 110)
_SHIPPED_KB = 32  # measured: 64 kB are worth nothing more to bodies that were not trained on
_ROUNDS = 7
_WHOLE_FRAME: Final = zstd.ZstdCompressor.FLUSH_FRAME


def train(kilobytes: int = _SHIPPED_KB) -> bytes:
    """The dictionary. The same bytes each time, as long as the version of zstd is the same."""
    size = kilobytes * 1024
    bodies = list(samples.statements(_SEED, _STATEMENTS))
    exchanges = list(samples.exchanges(_SEED, _EXCHANGES))
    agents = list(samples.agents(_SEED, _AGENTS))
    # What is worth most stands last, where references to it are shortest.
    groups = ((agents, _SHARE_AGENTS), (exchanges, _SHARE_EXCHANGES), (bodies, _SHARE_STATEMENTS))
    content = b"".join(_content(group, int(size * share)) for group, share in groups)
    typical = bodies + exchanges[:_STATISTICS_OF] + agents[: 2 * _STATISTICS_OF]
    return zstd.finalize_dict(zstd.ZstdDict(content, is_raw=True), typical, size, _LEVEL).dict_content


def _content(group: list[bytes], size: int) -> bytes:
    """The text of a dictionary for one group. Samples are printable, so what is not is the tables before it."""
    return re.split(rb"[^ -~]", zstd.train_dict(group, size).dict_content)[-1]


def held_out() -> dict[str, list[bytes]]:
    """Bodies that no sample was made from, by kind."""
    made = statements(1)
    split_up = [split(made.content(number)) for number in range(len(made))]
    exchanges = demo.exchanges(datetime(2026, 3, 4, tzinfo=UTC))
    agents = {orjson.dumps(mention.agent) for one in split_up for mention in one.mentions}
    return {
        "statements": [pack(one, None) for one in split_up],
        "exchanges": [pack(split({**one, "exchange_id": one["id"], "object": {}}), None) for one in exchanges],
        "agents": sorted(agents),
    }


def worth(content: bytes | None, bodies: list[bytes]) -> tuple[float, float]:
    """Bytes a body when compressed with this dictionary, and microseconds of computing."""
    found = zstd.ZstdDict(content).as_digested_dict if content else None
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.dict_id_flag: 0,
    }
    compressor = zstd.ZstdCompressor(options=options, zstd_dict=found)
    took = []
    for _ in range(_ROUNDS):
        began = process_time()
        for body in bodies:
            compressor.compress(body, _WHOLE_FRAME)
        took.append((process_time() - began) / len(bodies) * 1e6)
    sizes = [len(compressor.compress(body, _WHOLE_FRAME)) for body in bodies]
    return sum(sizes) / len(sizes), median(took)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.dictionary", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the dictionary here")
    out = parser.parse_args().out
    if out:
        out.write_bytes(train())
    bodies = held_out()
    plain = [f"{kind} {sum(map(len, group)) / len(group):,.0f}" for kind, group in bodies.items()]
    print("bytes in clear:", ", ".join(plain))
    for size in (0, *_SIZES_KB):
        content = train(size) if size else None
        found = {kind: worth(content, group) for kind, group in bodies.items()}
        print(
            f"{size:4} kB:", ", ".join(f"{kind} {left:.0f} in {us:.1f} us" for kind, (left, us) in found.items())
        )


if __name__ == "__main__":
    main()
