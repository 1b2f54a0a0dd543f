"""What a backup is made of: stretches of a log and manifests, read as they were written or not at all."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lrs.adapters.objects.places import open_place
from lrs.adapters.signatures import verify
from lrs.domain.errors import BackupInvalid, EventCorrupt
from lrs.ports import EventRow
from retention.backup import layout, manifests, segments
from retention.backup.chain import Anchor, pieces_of, read_anchor, read_chain
from retention.backup.manifests import NO_MANIFEST, LogState, Manifest, Segment, Stored
from retention.backup.packing import parts
from retention.backup.segments import Stretch, cut, pack, unpack

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
VAULT = "v" * 32
AT = "2026-11-25T09:00:00+00:00"
TIMES = st.integers(-(2**40), 2**60)


@st.composite
def rows(draw: st.DrawFn) -> list[EventRow]:
    first = draw(st.integers(1, 2**40))
    return [
        EventRow(
            first + n,
            draw(TIMES),
            draw(st.integers(0, 2**32 - 1)),
            draw(st.binary(min_size=16, max_size=16)),
            draw(st.sampled_from(["a/1", "b/2", "é/3"])),
            draw(st.binary(max_size=40)),
        )
        for n in range(draw(st.integers(1, 12)))
    ]


def row(position: int, state: bytes = b"state") -> EventRow:
    return EventRow(position, 1_000 + position, 1, position.to_bytes(16, "big"), "example/1", state)


# --- segments ------------------------------------------------------------------------------------------------


@given(rows())
def test_a_segment_is_read_as_written(given_rows: list[EventRow]) -> None:
    stretch = Stretch(VAULT, "log", 3, given_rows[0].position, given_rows[-1].position)
    assert unpack(pack(VAULT, "log", 3, given_rows), stretch) == given_rows


@given(rows(), st.data())
def test_a_segment_that_was_cut_short_or_has_more_is_refused(
    given_rows: list[EventRow], data: st.DataObject
) -> None:
    stretch = Stretch(VAULT, "log", 3, given_rows[0].position, given_rows[-1].position)
    whole = pack(VAULT, "log", 3, given_rows)
    cut_off = data.draw(st.integers(0, len(whole) - 1))
    for other in (whole[:cut_off], whole + b"\0"):
        with pytest.raises(BackupInvalid):
            unpack(other, stretch)


@pytest.mark.parametrize(
    "other", [{"vault": "w" * 32}, {"log": "other"}, {"generation": 4}, {"first": 2}, {"last": 9}]
)
def test_a_segment_of_another_stretch_is_refused(other: dict[str, Any]) -> None:
    stretch = Stretch(VAULT, "log", 3, 1, 4)
    packed = pack(VAULT, "log", 3, [row(n) for n in range(1, 5)])
    assert unpack(packed, stretch)
    with pytest.raises(BackupInvalid, match="another stretch"):
        unpack(packed, replace(stretch, **other))


def test_segments_are_bounded_in_events_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "EVENTS_MAX", 3)
    assert [len(part) for part in cut([row(n) for n in range(1, 9)], 0)] == [3, 3, 2]
    monkeypatch.setattr(segments, "BYTES_MAX", 250)
    large = [row(n, b"x" * 100) for n in range(1, 4)]
    assert [len(part) for part in cut([*large, row(4, b"y" * 1_000), row(5)], 0)] == [1, 1, 1, 1, 1]
    assert list(cut([], 7)) == []


def test_a_gap_in_a_log_is_an_alarm() -> None:
    with pytest.raises(EventCorrupt, match="position 2"):
        list(cut([row(1), row(3)], 0))


def test_parts_are_of_their_size_whatever_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.backup.packing._PART_BYTES", 4)
    for pieces in ([b"abcdefghij"], [b"a", b"bcd", b"efg", b"hij"], [b"abcd", b"efgh"], [], [b""]):
        cut_up = list(parts(iter(pieces)))
        assert b"".join(cut_up) == b"".join(pieces)
        assert all(len(one) == 4 for one in cut_up[:-1])
        assert len(cut_up[-1]) < 4


# --- names ---------------------------------------------------------------------------------------------------


def test_the_time_of_a_run_is_read_from_its_objects() -> None:
    at = datetime(2026, 11, 25, 9, 0, 1, 5, tzinfo=UTC)
    run = layout.run_name(at, b"\1" * 8)
    for name in (
        layout.segment_name(VAULT, "log", 1, 1, 2, run),
        layout.blob_name(VAULT, "log", b"\2" * 16, 0, run),
        layout.snapshot_name(VAULT, 0, run),
    ):
        assert layout.made_at(name) == at
    for name in (layout.manifest_name(VAULT, 1), layout.verified_name(VAULT, restored=True), f"{VAULT}/else"):
        assert layout.made_at(name) is None


# --- manifests -----------------------------------------------------------------------------------------------


def manifest(number: int = 1, previous: str = NO_MANIFEST, *, base: bool | None = None, **more: Any) -> Manifest:
    stored = Stored.of(f"{VAULT}/object-{number}", b"data")
    made = Manifest(
        vault=VAULT,
        number=number,
        at=AT,
        previous=previous,
        base=number == 1 if base is None else base,
        epoch=2,
        ledger_length=0,
        ledger_hash="",
        snapshot=(stored,),
        logs=(LogState("log", ((1, 0),), number * 10, 5, "tip"),),
        segments=(Segment(stored, "log", 1, number * 10 - 9, number * 10, 1, 5),),
        blobs=(manifests.BlobPart(stored, "log", "ab", 0),),
    )
    return replace(made, **more)


def written(one: Manifest) -> bytes:
    return manifests.write(one, KEY.sign, PUBLIC)


def test_a_manifest_is_read_as_written_and_its_bytes_are_the_same_again() -> None:
    data = written(manifest())
    found = manifests.read(data, PUBLIC, verify)
    assert found == manifest()
    assert found.sha256
    assert written(found) == data


def altered(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps(json.loads(data) | changes).encode()


FORGED = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
BAD: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[:-30],
    "nothing": lambda _: b"",
    "not an object": lambda _: b"[]",
    "another number": altered(number=2),
    "another time": altered(at="2026-11-25T10:00:00+00:00"),
    "another epoch": altered(epoch=1),
    "an object more": altered(segments=[]),
    "no signature": altered(signature=""),
    "another signer": lambda _: manifests.write(manifest(), FORGED.sign, FORGED.public_key().public_bytes_raw()),
    "another property": altered(more=1),
    "deep": lambda _: b"[" * 100_000,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_manifest_of_this_key_is_refused(name: str) -> None:
    with pytest.raises(BackupInvalid):
        manifests.read(BAD[name](written(manifest())), PUBLIC, verify)


@pytest.mark.parametrize("changes", [{"type": "lethe/backup-manifest/2"}, {"logs": [{}]}, {"surplus": 1}])
def test_what_was_signed_and_is_no_manifest_is_refused(changes: dict[str, Any]) -> None:
    content = json.loads(written(manifest())) | changes
    del content["signature"]
    signed = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    whole = content | {"signature": base64.b64encode(KEY.sign(signed)).decode()}
    with pytest.raises(BackupInvalid):
        manifests.read(json.dumps(whole).encode(), PUBLIC, verify)


# --- the chain -----------------------------------------------------------------------------------------------


def a_chain(folder: Path, *numbers: int, bases: tuple[int, ...] = (1,)) -> Any:
    place = open_place(str(folder), "test")
    previous = NO_MANIFEST
    for number in numbers:
        data = written(manifest(number, previous, base=number in bases))
        place.put(layout.manifest_name(VAULT, number), data)
        previous = manifests.read(data, PUBLIC, verify).sha256
    return place


def test_a_chain_goes_back_to_the_newest_base(tmp_path: Path) -> None:
    place = a_chain(tmp_path, 1, 2, 3, 4, 5, bases=(1, 3))
    assert [one.number for one in read_chain(place, VAULT, PUBLIC, verify)] == [3, 4, 5]
    assert [one.number for one in read_chain(place, VAULT, PUBLIC, verify, upto=2)] == [1, 2]
    place.remove(layout.manifest_name(VAULT, 1))  # from before the base: nobody asks for it
    assert len(read_chain(place, VAULT, PUBLIC, verify)) == 3


def breakages() -> dict[str, Callable[[Any], None]]:
    def name(number: int) -> str:
        return layout.manifest_name(VAULT, number)

    def another(place: Any) -> None:
        place.put(name(2), written(manifest(2, "0" * 64, base=False, at="2026-11-25T11:00:00+00:00")))

    return {
        "removed": lambda place: place.remove(name(2)),
        "exchanged": another,
        "under another's number": lambda place: place.put(name(2), place.get(name(1))),
        "of another vault": lambda place: place.put(name(3), written(manifest(3, vault="w" * 32))),
        "none at all": lambda place: [place.remove(name(number)) for number in (1, 2, 3)],
    }


@pytest.mark.parametrize("how", breakages())
def test_a_broken_chain_is_refused(tmp_path: Path, how: str) -> None:
    place = a_chain(tmp_path, 1, 2, 3)
    breakages()[how](place)
    with pytest.raises(BackupInvalid):
        read_chain(place, VAULT, PUBLIC, verify)


def test_an_older_base_under_a_new_number_is_refused(tmp_path: Path) -> None:
    place = a_chain(tmp_path, 1, 2, 3)
    place.put(layout.manifest_name(VAULT, 4), place.get(layout.manifest_name(VAULT, 1)))
    with pytest.raises(BackupInvalid, match="another's"):
        read_chain(place, VAULT, PUBLIC, verify)


def test_an_older_state_of_the_place_is_refused_by_what_the_escrow_knows(tmp_path: Path) -> None:
    place = a_chain(tmp_path / "place", 1, 2, 3)
    escrow = open_place(str(tmp_path / "escrow"), "test")
    assert read_anchor(escrow) is None
    newest = read_chain(place, VAULT, PUBLIC, verify)[-1]
    escrow.put("backup.json", Anchor(3, newest.sha256, AT).encode())
    anchor = read_anchor(escrow)
    assert read_chain(place, VAULT, PUBLIC, verify, anchor=anchor)
    # A run was finished, and its process killed before the escrow heard of it.
    assert read_chain(
        place,
        VAULT,
        PUBLIC,
        verify,
        anchor=Anchor(2, read_chain(place, VAULT, PUBLIC, verify, upto=2)[-1].sha256, AT),
    )
    place.remove(layout.manifest_name(VAULT, 3))
    with pytest.raises(BackupInvalid, match=r"remove backup\.json"):
        read_chain(place, VAULT, PUBLIC, verify, anchor=anchor)
    with pytest.raises(BackupInvalid, match="no such run"):
        read_chain(place, VAULT, PUBLIC, verify, upto=3)
    escrow.put("backup.json", b"{")
    with pytest.raises(BackupInvalid, match="last run"):
        read_anchor(escrow)


def test_an_anchor_from_before_the_newest_base_asks_for_nothing(tmp_path: Path) -> None:
    place = a_chain(tmp_path, 1, 2, 3, bases=(1, 3))
    assert read_chain(place, VAULT, PUBLIC, verify, anchor=Anchor(2, "0" * 64, AT))


# --- what a log is made of -----------------------------------------------------------------------------------


def segment(generation: int, first: int, last: int) -> Segment:
    return Segment(Stored(f"{generation}-{first}-{last}", 1, ""), "log", generation, first, last, 0, 0)


def made_of(lineage: tuple[tuple[int, int], ...], position: int, *there: Segment) -> list[tuple[str, int]]:
    one = manifest(segments=there, logs=(LogState("log", lineage, position, 0, ""),))
    return [(piece.segment.object.name, piece.upto) for piece in pieces_of([one], "log")]


def test_a_log_is_made_of_its_generations_each_up_to_where_the_next_began() -> None:
    first, long, second = segment(1, 1, 10), segment(1, 11, 30), segment(2, 16, 40)
    assert made_of(((1, 0), (2, 15)), 40, first, long, second) == [
        ("1-1-10", 10),
        ("1-11-30", 15),
        ("2-16-40", 40),
    ]
    assert made_of(((1, 0),), 30, first, long, second) == [("1-1-10", 10), ("1-11-30", 30)]
    assert made_of(((1, 0),), 30, first, segment(1, 11, 20), long) == [("1-1-10", 10), ("1-11-30", 30)]
    assert made_of(((2, 0),), 0) == []


@pytest.mark.parametrize(
    "there", [[], [(1, 1, 10)], [(1, 11, 30)], [(1, 1, 10), (2, 11, 30)], [(1, 1, 9), (1, 11, 30)]]
)
def test_a_gap_between_segments_is_refused(there: list[tuple[int, int, int]]) -> None:
    with pytest.raises(BackupInvalid, match="no segment holds"):
        made_of(((1, 0),), 30, *[segment(*one) for one in there])
