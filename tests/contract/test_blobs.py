"""The port ``Blobs`` over every adapter: a folder, and S3 as moto serves it over HTTP."""

import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.adapters.objects import chunks
from lrs.adapters.objects.blobs import ObjectBlobs, open_blobs
from lrs.domain.errors import EventCorrupt, InvalidRequest, StoreUnavailable
from lrs.domain.events import BlobName
from lrs.ports import Blobs, Kept

TENANT, OTHER = "acme", "globex"
CHUNK = chunks.CHUNK_BYTES
Open = Callable[[], ObjectBlobs]


@pytest.fixture(params=["folder", "s3"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the same place each time, as another process would."""
    if request.param == "folder":
        return lambda: open_blobs(str(tmp_path / "blobs"), tmp_path / "data")
    url = request.getfixturevalue("bucket")
    return lambda: open_blobs(f"{url}/some/prefix", tmp_path / "data")


@pytest.fixture
def blobs(reopen: Open) -> ObjectBlobs:
    return reopen()


def keep(blobs: Blobs, data: bytes, tenant: str = TENANT, pieces: int = 50_000) -> Kept:
    with closing(blobs.spool()) as spool:
        for start in range(0, len(data), pieces):
            spool.write(data[start : start + pieces])
        assert spool.size == len(data)
        return spool.keep(tenant)


def read(blobs: Blobs, kept: Kept, tenant: str = TENANT) -> bytes:
    return b"".join(blobs.read(tenant, kept))


def given_out(blobs: Blobs, kept: Kept) -> tuple[bytes, bool]:
    """What is given out before the alarm, and whether there was none."""
    given = b""
    try:
        for piece in blobs.read(TENANT, kept):
            given += piece
    except EventCorrupt:
        return given, False
    return given, True


def names(blobs: Blobs, tenant: str = TENANT) -> set[BlobName]:
    return {one.name for one in blobs.list(tenant)}


def raw(blobs: ObjectBlobs, kept: Kept, tenant: str = TENANT) -> bytes:
    """The bytes that lie there."""
    return bytes(obstore.get(blobs._store, f"{tenant}/{kept.name.hex()}").bytes())


def put_raw(blobs: ObjectBlobs, kept: Kept, data: bytes, tenant: str = TENANT) -> None:
    obstore.put(blobs._store, f"{tenant}/{kept.name.hex()}", BytesIO(data))


SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 300_000)


def test_what_was_kept_comes_back_in_another_process_too(blobs: ObjectBlobs, reopen: Open) -> None:
    for size in SIZES:
        data = os.urandom(size)
        kept = keep(blobs, data)
        assert read(reopen(), kept) == data
        assert len(raw(blobs, kept)) == kept.size
        assert hashlib.sha256(raw(blobs, kept)).digest() == kept.sha256
        assert data[:16] not in raw(blobs, kept) or size < 16


def test_a_large_one_goes_in_parts(blobs: ObjectBlobs) -> None:
    data = os.urandom(20 * 1024 * 1024)
    kept = keep(blobs, data, pieces=1024 * 1024)
    assert read(blobs, kept) == data


def test_keeping_twice_makes_two_that_share_nothing(blobs: ObjectBlobs) -> None:
    data = os.urandom(200_000)
    spool = blobs.spool()
    spool.write(data)
    first, second, elsewhere = spool.keep(TENANT), spool.keep(TENANT), spool.keep(OTHER)
    spool.close()
    assert len({first.name, second.name, elsewhere.name}) == len({first.key, second.key, elsewhere.key}) == 3
    assert read(blobs, first) == read(blobs, second) == read(blobs, elsewhere, OTHER) == data
    assert raw(blobs, first)[2:1000] != raw(blobs, second)[2:1000]


def test_listing_and_removing_keep_to_the_tenant(blobs: ObjectBlobs) -> None:
    ours, theirs = keep(blobs, b"ours"), keep(blobs, b"theirs", OTHER)
    longer = keep(blobs, b"of a tenant whose name begins with ours", "acme-north")
    assert names(blobs) == {ours.name}
    assert names(blobs, OTHER) == {theirs.name}
    assert names(blobs, "nobody") == set()
    (listed,) = blobs.list(TENANT)
    assert abs(listed.modified - datetime.now(UTC)) < timedelta(minutes=5)
    blobs.remove(TENANT, [ours.name, theirs.name, BlobName(bytes(16))])
    blobs.remove(TENANT, [ours.name])
    assert names(blobs) == set()
    assert read(blobs, theirs, OTHER) == b"theirs"
    assert read(blobs, longer, "acme-north")


def test_one_that_is_not_there_is_an_alarm(blobs: ObjectBlobs) -> None:
    kept = keep(blobs, b"data")
    for tenant in (OTHER, TENANT):
        blobs.remove(TENANT, [kept.name] if tenant == TENANT else [])
        with pytest.raises(EventCorrupt):
            read(blobs, kept, tenant)


def test_a_key_or_name_of_another_does_not_open_it(blobs: ObjectBlobs) -> None:
    first, second = keep(blobs, b"first"), keep(blobs, b"other")
    whole = raw(blobs, first)
    put_raw(blobs, second, whole)
    for wrong in (
        Kept(first.name, second.key, first.sha256, first.size),
        second,
        Kept(second.name, first.key, first.sha256, first.size),
    ):
        with pytest.raises(EventCorrupt):
            read(blobs, wrong)
    assert read(blobs, first) == b"first"


def test_everything_done_to_its_bytes_is_an_alarm_and_nothing_false_is_given_out(blobs: ObjectBlobs) -> None:
    data = os.urandom(3 * CHUNK + 7)
    kept = keep(blobs, data)
    whole = raw(blobs, kept)
    sealed = CHUNK + 16
    head, first, second, third, rest = whole[:2], *(whole[2 + n * sealed : 2 + (n + 1) * sealed] for n in range(4))
    damages = [
        whole[:-1], whole[:-sealed],
        whole[:-23], head + first + second + third, head + first, head, b"", whole + b"\0", whole + rest,
        head + second + first + third + rest, head + first + third + rest, head + first + first + third + rest,
        head + rest, b"\1\2" + whole[2:], head + first[:-1] + bytes((first[-1] ^ 1,)) + second + third + rest,
        *(whole[:at] + bytes((whole[at] ^ 0x80,)) + whole[at + 1 :] for at in (0, 2, sealed, len(whole) - 1)),
    ]  # fmt: skip
    for damaged in damages:
        put_raw(blobs, kept, damaged)
        for told in (kept, Kept(kept.name, kept.key, kept.sha256, len(damaged))):  # of the right size, too
            given, to_the_end = given_out(blobs, told)
            assert not to_the_end
            assert data.startswith(given)
            assert len(given) < len(data)


def test_a_place_that_does_not_answer_is_unavailable(
    blobs: ObjectBlobs, reopen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(blobs, b"data")
    if blobs._folder is None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        once = {"retry_config": {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}}
        monkeypatch.setattr("lrs.adapters.objects.blobs._S3_OPTIONS", once)
        blobs = reopen()
        with pytest.raises(StoreUnavailable):
            list(blobs.list(TENANT))
        with pytest.raises(StoreUnavailable):
            read(blobs, kept)
        with pytest.raises(StoreUnavailable):
            blobs.remove(TENANT, [kept.name])
    else:
        (tmp_path / "blobs" / "full").write_text("a file where a folder should be")
        with pytest.raises(StoreUnavailable):
            keep(blobs, b"data", "full")


def test_what_is_no_blob_is_not_listed(tmp_path: Path) -> None:
    blobs = open_blobs(None, tmp_path)
    kept = keep(blobs, b"data")
    (tmp_path / "blobs" / TENANT / "README").write_text("put here by somebody")
    (tmp_path / "blobs" / TENANT / "abcd").write_text("too short")
    assert names(blobs) == {kept.name}


@pytest.mark.parametrize("url", ["s3://", "gs://bucket", "https://example.org/x", "file:///tmp/x"])
def test_a_place_that_is_neither_folder_nor_s3_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="LRS_BLOBS_URL"):
        open_blobs(url, tmp_path)


# --- the format ----------------------------------------------------------------------------------------------

KEY, NAME = bytes(range(32)), bytes(range(16))
GOLDEN = "010174a2cb9d279c5d7b605af05b6122169498819d7ee9f7eb94603c"
GOLDEN_LONG = "00f91c25f45968ad09b7ab105695b85528a9a5aecf39a9c2f72611fbdffccc1d"


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 400), st.integers(0, 3))
def test_content_comes_back_however_it_is_cut(written: list[bytes], cut: int, large: int) -> None:
    written = [*written, bytes(CHUNK) * large]
    sealing = chunks.Sealing(KEY, NAME)
    sealed = b"".join([*map(sealing.add, written), sealing.finish()])
    assert (sealing.size, sealing.sha256) == (len(sealed), hashlib.sha256(sealed).digest())
    step = max(cut, len(sealed) // 50)
    pieces = (sealed[at : at + step] for at in range(0, len(sealed), step))
    assert b"".join(chunks.opened(KEY, NAME, pieces)) == b"".join(written)


def test_the_format_of_a_blob_is_what_it_ever_was() -> None:
    """A STORAGE FORMAT: blobs of running systems look like this."""
    sealing = chunks.Sealing(KEY, NAME)
    sealed = sealing.add(b"attachment") + sealing.finish()
    assert sealed.hex() == GOLDEN
    long = chunks.Sealing(KEY, NAME)
    data = long.add(bytes(CHUNK + 1)) + long.finish()
    assert hashlib.sha256(data).hexdigest() == GOLDEN_LONG
    assert b"".join(chunks.opened(KEY, NAME, [bytes.fromhex(GOLDEN)])) == b"attachment"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_clearly(data: bytes) -> None:
    with pytest.raises(chunks.ChunkInvalid):
        list(chunks.opened(KEY, NAME, [data]))
