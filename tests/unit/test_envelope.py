"""Envelopes and the dictionaries that they are compressed with: formats that are kept for ever.

``tests/assets/golden-envelopes.json`` is only ever added to: the stores of running systems hold such bytes. It was
sealed under fixed keys and nonces, with every dictionary that ever was.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from backports import zstd

from bench import samples
from bench.dictionary import train
from lrs.adapters.vault import dictionary, envelope, wrapping
from lrs.domain.errors import VaultRefused
from lrs.domain.sealing import Category, Place

GOLDEN = json.loads((Path(__file__).parents[1] / "assets" / "golden-envelopes.json").read_text())
PLACE = Place(UUID(GOLDEN["stream"]), GOLDEN["version"], GOLDEN["part"], GOLDEN["topic"])
CONTENT = GOLDEN["content"].encode()
SHIPPED = Path(dictionary.__file__).parent
# Never changed: see the module. A new dictionary is a new line.
SHA256 = {"dictionary-1.zdict": "a4358143745d285bb6ba554a7a5c429ec3632e0e9f8006d363559c4d79152e6a"}


def data_key(raw: bytes) -> envelope.DataKey:
    return envelope.DataKey(wrapping.kid_of(raw), Category(GOLDEN["category"]), raw)


KEYS = [data_key(bytes.fromhex(raw)) for raw in GOLDEN["keys"]]


def opened(data: bytes, key: envelope.DataKey) -> bytes:
    return envelope.open_with(GOLDEN["tenant"], PLACE, data, key)


# --- what was sealed once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("golden", GOLDEN["envelopes"], ids=lambda one: f"{one['dictionary']}-{one['owners']}")
def test_every_envelope_ever_sealed_opens_under_each_of_its_keys(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["envelope"])
    owners = KEYS[: golden["owners"]]
    assert data[2] == golden["dictionary"]
    assert envelope.kids_of(data) == tuple(key.kid for key in owners)
    assert [opened(data, key) for key in owners] == [CONTENT] * len(owners)


@pytest.mark.parametrize("golden", GOLDEN["for_all"], ids=lambda one: f"{one['dictionary']}-{one['owners']}")
def test_every_envelope_ever_sealed_for_all_opens_under_their_keys_together_alone(golden: dict[str, Any]) -> None:
    found = bytes.fromhex(golden["envelope"])
    assert envelope.needs_all(found)
    assert envelope.kids_of(found) == tuple(key.kid for key in KEYS)
    assert envelope.open_with_all(GOLDEN["tenant"], PLACE, found, KEYS) == CONTENT
    for some in (KEYS[:1], KEYS[1:], KEYS[:2], KEYS[::-1]):
        with pytest.raises(envelope.EnvelopeInvalid):
            envelope.open_with_all(GOLDEN["tenant"], PLACE, found, some)
    relabelled = bytearray.fromhex(golden["envelope"])
    relabelled[1] = envelope.ANY_OF
    with pytest.raises(envelope.EnvelopeInvalid):
        envelope.kids_of(bytes(relabelled))


def test_what_is_sealed_for_one_is_the_same_for_all_and_for_any() -> None:
    assert not envelope.needs_all(envelope.seal(GOLDEN["tenant"], PLACE, KEYS[:1], CONTENT, all_of=True))


def test_there_is_a_golden_envelope_of_every_dictionary() -> None:
    found = {(one["dictionary"], one["owners"] > 1) for one in GOLDEN["envelopes"]}
    assert found == {(version, many) for version in range(dictionary.LATEST + 1) for many in (False, True)}


def test_the_dictionaries_are_the_bytes_that_were_sealed_with() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED.glob("*.zdict")}
    assert found == SHA256


def test_what_is_sealed_now_says_the_latest_dictionary_and_opens() -> None:
    for keys in (KEYS[:1], KEYS):
        data = envelope.seal(GOLDEN["tenant"], PLACE, keys, CONTENT)
        assert data[2] == dictionary.LATEST == 1
        assert [opened(data, key) for key in keys] == [CONTENT] * len(keys)


@pytest.mark.parametrize("golden", GOLDEN["envelopes"], ids=lambda one: f"{one['dictionary']}-{one['owners']}")
@pytest.mark.parametrize("version", [dictionary.LATEST + 1, 0x7F, 0xFF])
def test_an_unknown_dictionary_is_not_an_envelope(golden: dict[str, Any], version: int) -> None:
    data = bytearray.fromhex(golden["envelope"])
    data[2] = version
    with pytest.raises(envelope.EnvelopeInvalid):
        envelope.kids_of(bytes(data))


def test_an_envelope_that_names_another_dictionary_than_it_was_sealed_with_does_not_open() -> None:
    for golden in GOLDEN["envelopes"]:
        data = bytearray.fromhex(golden["envelope"])
        data[2] ^= 1
        if golden["owners"] == 1:
            with pytest.raises(envelope.EnvelopeInvalid, match="does not open"):
                opened(bytes(data), KEYS[0])
        else:
            with pytest.raises(envelope.EnvelopeInvalid, match="owners"):
                envelope.kids_of(bytes(data))


# --- what a seal is bound to ---------------------------------------------------------------------------------


def test_no_two_facts_run_together_in_what_a_seal_is_bound_to() -> None:
    """A letter moved from one name into the next gives other bytes, in every pair of neighbours."""
    names = {"tenant": "a", "part": "b", "topic": "c"}
    found = set()
    for first in names:
        for second in names:
            moved = {**names, second: names[second] + "x"} | ({first: ""} if first != second else {})
            place = Place(PLACE.stream, 1, moved["part"], moved["topic"])
            found.add(envelope.additional_data(moved["tenant"], place, b"\1\1\1", b"", Category.LEARNING))
    assert len(found) == 9


def test_every_fact_changes_what_a_seal_is_bound_to() -> None:
    facts: dict[str, Any] = {"tenant": "acme", "head": b"\1\1\1", "kid": bytes(16), "category": Category.LEARNING}
    where: dict[str, Any] = {"stream": PLACE.stream, "version": 1, "part": "body", "topic": "statement-recorded/1"}
    changed: list[dict[str, Any]] = [
        {"tenant": "acmf"}, {"head": b"\1\1\0"}, {"head": b"\1\2\1"}, {"kid": b"\1" * 16}, {"kid": b""},
        {"category": Category.EXCHANGE}, {"stream": UUID(int=1)}, {"version": 2}, {"version": 1 << 40},
        {"part": "bodies"}, {"topic": "statement-recorded/2"}, {},
    ]  # fmt: skip
    found = set()
    for change in changed:
        all_facts = facts | where | change
        place = Place(**{name: all_facts[name] for name in where})
        found.add(envelope.additional_data(place=place, **{name: all_facts[name] for name in facts}))
    assert len(found) == len(changed)


# --- dictionaries --------------------------------------------------------------------------------------------


@pytest.mark.skipif(zstd.zstd_version_info != (1, 5, 7), reason="another zstd trains another dictionary")
def test_the_samples_make_the_shipped_dictionary_again() -> None:
    assert hashlib.sha256(train()).hexdigest() == SHA256["dictionary-1.zdict"]


def test_there_is_nobody_in_a_dictionary_and_nothing_of_the_demonstration() -> None:
    for name in SHA256:
        data = (SHIPPED / name).read_bytes()
        (text,) = re.findall(rb"[ -~]{200,}", data)  # all of it in one piece, after the tables
        assert len(text) > len(data) - 256
        assert b"@" not in text
        assert not re.search(rb"example\.(org|com|net)|fire|demonstration", text, re.IGNORECASE)
        said = re.findall(rb'"name":"([^"]*)"', text)  # of agents: activities have languages there
        assert said
        assert all(re.fullmatch(rb"[0-9a-f-]*", one) for one in said)


def test_no_sample_holds_an_address() -> None:
    for sample in (*samples.statements(1, 500), *samples.exchanges(1, 50), *samples.agents(1, 200)):
        assert b"@" not in sample


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the dictionaries are looked for, and nothing loaded yet."""
    for name in SHA256:
        shutil.copy(SHIPPED / name, tmp_path)
    monkeypatch.setattr(dictionary, "__file__", str(tmp_path / "dictionary.py"))
    dictionary.dictionary.cache_clear()
    yield tmp_path
    dictionary.dictionary.cache_clear()


def test_nothing_is_opened_or_sealed_with_a_damaged_or_missing_dictionary(elsewhere: Path) -> None:
    file = elsewhere / "dictionary-1.zdict"
    data = file.read_bytes()
    assert len(dictionary.dictionary(1)) == len(data)
    for damaged in (data[:-1], data[:-1] + b"~", data + b" ", b"", None):
        dictionary.dictionary.cache_clear()
        file.unlink() if damaged is None else file.write_bytes(damaged)
        with pytest.raises(VaultRefused):
            dictionary.dictionary(1)


def test_many_threads_compress_and_open_at_once() -> None:
    bodies = [*samples.statements(3, 300), *samples.exchanges(3, 30), *samples.agents(3, 100), b"", bytes(300_000)]

    def there_and_back(number: int) -> bool:
        order = bodies[number:] + bodies[:number]
        filled = [body for body in order if body]
        packed = [*dictionary.compress_all(order), *dictionary.compress_all(filled)]
        return [dictionary.decompress(1, one, 1 << 20) for one in packed] == [*order, *filled]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(0, 64, 8)))


def test_a_frame_says_its_size_and_no_dictionary() -> None:
    info = zstd.get_frame_info(dictionary.compress(CONTENT))
    assert (info.decompressed_size, info.dictionary_id) == (len(CONTENT), 0)


@pytest.mark.parametrize("version", [0, 1])
def test_a_frame_that_is_cut_doubled_or_too_large_opens_to_nothing(version: int) -> None:
    frame = dictionary.compress(CONTENT) if version else zstd.compress(CONTENT)
    assert dictionary.decompress(version, frame, len(CONTENT)) == CONTENT
    for wrong in (*(frame[:length] for length in range(len(frame))), frame + b"\0", frame * 2, frame + frame[:9]):
        with suppress(zstd.ZstdError):
            assert dictionary.decompress(version, wrong, len(CONTENT)) is None
    assert dictionary.decompress(version, frame, len(CONTENT) - 1) is None
