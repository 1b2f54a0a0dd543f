"""The decisions of a run and of a restore, with small logs and places that are no databases."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from lrs.adapters.objects.places import Objects, open_place
from lrs.adapters.signatures import verify
from lrs.domain.errors import BackupInvalid, NotEmpty, StoreUnavailable
from lrs.domain.events import AttachedBlob, BlobName, StatementWithAttachments
from lrs.domain.generations import GenerationStarted
from lrs.domain.sealing import Sealed
from lrs.ports import Bearing, EventRow, LogHead
from retention.backup import chain as chains
from retention.backup import checking, layout, manifests, segments
from retention.backup.chain import Piece
from retention.backup.checking import check_objects, last_verified
from retention.backup.manifests import BlobPart, LogState, Manifest, MissingBlob, Segment, Stored
from retention.backup.packing import LogPacker, Packed, Sink, attached, kept_by_base, stand, tip
from retention.backup.restoring import Note, Restore
from retention.backup.retaining import remove_older_snapshots
from retention.backup.running import Backup
from tests.contract.conftest import FakeClock
from tests.unit.test_backup_formats import AT, KEY, PUBLIC, VAULT, manifest, row, written

RUN = layout.run_name(datetime(2026, 11, 25, tzinfo=UTC), b"\1" * 8)


@dataclass
class FakeLog:
    """A log in memory."""

    events: list[EventRow] = field(default_factory=list)
    generation: int = 1
    began: int = 0

    def head(self) -> LogHead:
        """Where it stands."""
        last = self.events[-1] if self.events else None
        return LogHead(self.generation, self.began, last.position if last else 0, last.stored if last else 0)

    def rows(self, after: int, upto: int) -> Iterator[EventRow]:
        """The events between two positions."""
        return (one for one in self.events if after < one.position <= upto)

    def fill(self, rows: Sequence[EventRow]) -> None:
        """More of them."""
        self.events += rows

    def begin_generation(self, head: LogHead, first: EventRow) -> None:
        """Another generation."""
        self.generation, self.began = head.generation, head.began
        self.events.append(first)


def log_of(count: int, **more: Any) -> FakeLog:
    return FakeLog([row(n) for n in range(1, count + 1)], **more)


class Plain:
    """Seals nothing."""

    def encrypt(self, data: bytes) -> bytes:
        """The same."""
        return data

    def decrypt(self, data: bytes, *, bytes_max: int) -> bytes:
        """The same."""
        assert len(data) <= bytes_max
        return data


# --- where a log stands --------------------------------------------------------------------------------------


def test_a_log_goes_on_where_it_was_left() -> None:
    first, after = stand(log_of(3), "log", log_of(3).head(), None)
    assert (first.lineage, first.position, after) == (((1, 0),), 3, 0)
    later, after = stand(log_of(5), "log", log_of(5).head(), first)
    assert (later.lineage, later.position, after) == (((1, 0),), 5, 3)


def test_a_restored_log_goes_on_after_what_was_restored() -> None:
    before, _ = stand(log_of(5), "log", log_of(5).head(), None)
    restored = log_of(4, generation=2, began=3)
    state, after = stand(restored, "log", restored.head(), before)
    assert (state.lineage, after) == (((1, 0), (2, 3)), 3)
    again = log_of(2, generation=3, began=1)
    state, after = stand(again, "log", again.head(), state)
    assert (state.lineage, after) == (((1, 0), (3, 1)), 1)


def test_a_log_that_lost_what_a_backup_has_is_an_alarm() -> None:
    before, _ = stand(log_of(5), "log", log_of(5).head(), None)
    shorter, other = log_of(4), log_of(6)
    other.events[4] = other.events[4]._replace(stored=1)
    for lost in (shorter, other):
        with pytest.raises(BackupInvalid, match="lacks events"):
            stand(lost, "log", lost.head(), before)
    for odd in (log_of(9, generation=2, began=7), log_of(9, generation=0)):
        with pytest.raises(BackupInvalid, match="older generation"):
            stand(odd, "log", odd.head(), before)


def test_a_base_keeps_large_segments_up_to_the_first_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.backup.packing._SMALL_EVENTS", 5)
    monkeypatch.setattr("retention.backup.packing._SMALL_BYTES", 100)

    def piece(first: int, last: int, size: int = 1) -> Piece:
        return Piece(Segment(Stored(f"{first}", size, ""), "log", 1, first, last, 0, 0), last)

    pieces = [piece(1, 5), piece(6, 7, 100), piece(8, 9), piece(10, 20)]
    assert [one.first for one in kept_by_base(pieces)] == [1, 6]
    assert len(kept_by_base(pieces[:2])) == 2


def test_a_base_packs_from_after_what_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.backup.packing._SMALL_EVENTS", 5)
    kept = Segment(Stored("a", 1, ""), "log", 1, 1, 6, 0, 0)
    small = Segment(Stored("b", 1, ""), "log", 1, 7, 8, 0, 0)
    before = manifest(segments=(kept, small), logs=(LogState("log", ((1, 0),), 8, 0, ""),))
    state = LogState("log", ((1, 0),), 9, 0, "")
    plan = Backup._plan
    one = cast("Any", SimpleNamespace(name="log"))
    assert plan(one, (state, 8), [before]) == (one, [kept], state, 6)
    assert plan(one, (state, 8), []) == (one, [], state, 8)
    # The log was restored to a position within the segment that is kept.
    assert plan(one, (state, 4), [before])[3] == 4
    assert plan(cast("Any", SimpleNamespace(name="new")), (state, 0), [before])[1] == []


# --- blobs ---------------------------------------------------------------------------------------------------


class FakeBlobs:
    """Ciphertexts by name."""

    def __init__(self, there: dict[bytes, bytes]) -> None:
        self.there = there

    def ciphertext(self, tenant: str, name: BlobName) -> Iterator[bytes]:
        """What is there."""
        if name not in self.there:
            raise FileNotFoundError
        yield self.there[name]


def names(blob: bytes, data: bytes) -> EventRow:
    """An event that names a blob."""
    one = AttachedBlob(BlobName(blob), hashlib.sha256(data).digest(), len(data), Sealed(b"key"))
    event = StatementWithAttachments(uuid4(), 1, "1.0.3", UUID(int=0), None, (), Sealed(b"body"), (one,))
    return EventRow(1, 1, 1, event.originator_id.bytes, event.TOPIC, event.encode())


def test_a_blob_that_is_gone_or_damaged_is_counted_and_not_stored(tmp_path: Path) -> None:
    there, gone, damaged = b"\1" * 16, b"\2" * 16, b"\3" * 16
    rows = [names(there, b"data"), names(gone, b"data"), names(damaged, b"data"), names(there, b"data")]
    log = FakeLog([one._replace(position=n) for n, one in enumerate(rows, start=1)])
    sink = Sink(open_place(str(tmp_path), "test"), Plain(), VAULT, RUN)
    blobs = cast("Any", FakeBlobs({there: b"data", damaged: b"other"}))
    packer = LogPacker(sink, log, "log", "acme", blobs, lambda _: None, set(), named=set)
    packed = packer.pack(LogState("log", ((1, 0),), 4, 0, ""), 0)
    assert ([one.blob for one in packed.blobs], packed.events) == ([there.hex()], 4)
    assert [one.blob for one in packed.missing] == [gone.hex(), damaged.hex()]
    # Whoever comes later tries again, and only what somebody living still names is missed.
    again = FakeBlobs({gone: b"data"})
    later = LogPacker(sink, log, "log", "acme", cast("Any", again), lambda _: None, set())
    tried = Packed()
    other = MissingBlob("another", gone.hex(), "00")
    later.pack_missing([*packed.missing, other], tried)
    assert ([one.blob for one in tried.blobs], tried.missing) == ([gone.hex()], [])
    nobodys = LogPacker(sink, log, layout.CONTROL, None, cast("Any", again), lambda _: None, set())
    nobodys.pack_missing([MissingBlob(layout.CONTROL, gone.hex(), "00")], tried)
    assert len(tried.blobs) == 1


def test_an_event_that_can_not_be_read_names_no_blob() -> None:
    assert attached(row(1)) == ()
    assert attached(row(1)._replace(topic=StatementWithAttachments.TOPIC)) == ()


# --- who leaves, and when an epoch closes --------------------------------------------------------------------


def backup(tmp_path: Path, **parts: Any) -> Backup:
    """A backup of whatever parts a test is about."""
    needs: dict[str, Any] = {
        "tenants": None,
        "control": SimpleNamespace(log=FakeLog()),
        "vault": None,
        "blobs": None,
        "place": open_place(str(tmp_path), "test"),
        "encryption": Plain(),
        "escrow": None,
        "clock": FakeClock(),
        "verify": verify,
        "days": 1,
    }
    return Backup(**(needs | parts))


class LeavingTenants:
    """Two tenants, one of which has no store; it leaves when it is asked for, or stays in the list."""

    def __init__(self, *, leaves: bool) -> None:
        self.served = [SimpleNamespace(id=UUID(int=n), name=name) for n, name in enumerate(("acme", "other"))]
        self.leaves = leaves

    def list(self) -> list[Any]:
        """Those that are served."""
        return list(self.served)

    def store(self, name: str) -> Any:
        """A store; none of the second."""
        if name == "acme":
            return SimpleNamespace(
                log=FakeLog(),
                tree=SimpleNamespace(state=lambda: SimpleNamespace(signed=None)),
                statements=SimpleNamespace(named_blobs=set),
            )
        if self.leaves:
            self.served.pop()
        raise StoreUnavailable("this tenant's store is missing")


def test_a_tenant_that_leaves_during_a_run_is_left_out_and_one_without_a_store_is_an_alarm(tmp_path: Path) -> None:
    found = list(backup(tmp_path, tenants=LeavingTenants(leaves=True))._logs())
    assert [one.name for one in found] == [layout.CONTROL, UUID(int=0).hex]
    with pytest.raises(StoreUnavailable):
        list(backup(tmp_path, tenants=LeavingTenants(leaves=False))._logs())


class ClosingVault:
    """A vault whose epoch closes so many times while it is copied."""

    def __init__(self, closes: int) -> None:
        self.closes = closes
        self.epoch = 1

    def bearing(self) -> Bearing:
        """Where it stands."""
        return Bearing(VAULT, self.epoch, 0, "")

    def snapshot(self) -> Iterator[bytes]:
        """Its rows, of the epoch before."""
        if self.closes:
            self.closes -= 1
            self.epoch += 1
        yield b"rows"


def test_a_snapshot_is_of_the_epoch_that_its_manifest_says(tmp_path: Path) -> None:
    made = backup(tmp_path, vault=ClosingVault(1))
    sink = Sink(made.place, Plain(), VAULT, RUN)
    bearing, parts = made._snapshot(sink)
    assert bearing.epoch == 2
    assert RUN not in parts[0].name
    made = backup(tmp_path / "never", vault=ClosingVault(9))
    with pytest.raises(BackupInvalid, match="epochs close"):
        made._snapshot(Sink(made.place, Plain(), VAULT, RUN))


def test_a_run_ends_with_the_vault_and_then_says_what_it_was(tmp_path: Path) -> None:
    stored: list[str] = []
    place = open_place(str(tmp_path), "test")

    def put(name: str, data: bytes, **more: Any) -> None:
        stored.append(name)
        place.put(name, data, **more)

    recording = SimpleNamespace(put=put, get=place.get, list=place.list, remove=place.remove)
    vault = SimpleNamespace(
        sign=lambda _, message: KEY.sign(message),
        public_key=lambda _: PUBLIC,
        bearing=lambda: Bearing(VAULT, 1, 0, ""),
        snapshot=lambda: iter([b"rows"]),
    )
    control = SimpleNamespace(log=log_of(3))
    made = backup(
        tmp_path,
        vault=vault,
        place=recording,
        tenants=SimpleNamespace(list=list),
        control=control,
        escrow=recording,
    )
    made.run()
    assert [name.split("/")[-2] for name in stored[:-1]] == [layout.CONTROL, "snapshots", "manifests"]
    assert stored[-1] == chains.ANCHOR


def test_without_an_escrow_nobody_hears_of_a_run(tmp_path: Path) -> None:
    vault = SimpleNamespace(sign=lambda _, message: KEY.sign(message), public_key=lambda _: PUBLIC)
    finished = backup(tmp_path, vault=vault)._finish(manifest())
    assert finished.sha256
    assert chains.numbers(open_place(str(tmp_path), "test"), VAULT) == [1]


# --- what goes -----------------------------------------------------------------------------------------------


def test_older_snapshots_go_and_those_of_runs_under_way_stay(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    assert remove_older_snapshots(place, VAULT, 1) == 0
    at = datetime(2026, 11, 25, 9, tzinfo=UTC)
    snapshots = []
    for number in (1, 2, 3, 4):  # of the last there is no manifest yet
        run = layout.run_name(at + timedelta(hours=number), os.urandom(8))
        snapshots.append([layout.snapshot_name(VAULT, part, run) for part in (0, 1)])
        for name in snapshots[-1]:
            place.put(name, b"snapshot")
        if number < 4:
            stored = tuple(Stored.of(name, b"snapshot") for name in snapshots[-1])
            place.put(layout.manifest_name(VAULT, number), written(manifest(number, snapshot=stored)))
    assert remove_older_snapshots(place, VAULT, 2) == 2
    assert [name for name, _ in place.list(layout.snapshots_folder(VAULT))] == sorted(
        name for names in snapshots[1:] for name in names
    )
    assert remove_older_snapshots(place, VAULT, 1) == 2
    place.put(layout.manifest_name(VAULT, 3), b"{}")
    with pytest.raises(BackupInvalid, match="run 3"):
        remove_older_snapshots(place, VAULT, 1)


# --- checking ------------------------------------------------------------------------------------------------


def whole(place: Objects) -> Manifest:
    """A manifest of which everything is there."""
    stored = Stored.of(f"{VAULT}/object", b"data")
    place.put(stored.name, b"data")
    return manifest(
        snapshot=(stored,),
        segments=(Segment(stored, "log", 1, 1, 10, 1, 5),),
        blobs=(BlobPart(stored, "log", "ab", 0),),
    )


def test_a_run_without_a_snapshot_covers_nothing(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    assert check_objects(place, [whole(place)]) == 4
    with pytest.raises(BackupInvalid, match="no snapshot"):
        check_objects(place, [replace(whole(place), snapshot=())])


class Vanishing:
    """A place whose objects go away after they were listed."""

    def __init__(self, place: Objects) -> None:
        self._place = place

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """All that there was."""
        return self._place.list(prefix)

    def get(self, name: str) -> bytes:
        """Nothing."""
        raise FileNotFoundError


def test_an_object_that_goes_away_meanwhile_is_missing(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    one = whole(place)
    with pytest.raises(BackupInvalid, match="missing"):
        check_objects(cast("Any", Vanishing(place)), [one])
    assert not checking.is_signed_by(place, VAULT, PUBLIC, verify)
    place.put(layout.manifest_name(VAULT, 1), written(one))
    assert checking.is_signed_by(place, VAULT, PUBLIC, verify)


def test_when_a_backup_was_last_proved_is_read_where_it_can_be(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    assert last_verified(place, VAULT) is None
    for content in (b"{", b"{}", b'{"verified_at": 1}'):
        place.put(layout.verified_name(VAULT, restored=True), content)
        assert last_verified(place, VAULT) is None
    place.put(layout.verified_name(VAULT, restored=True), json.dumps({"verified_at": AT}).encode())
    assert last_verified(place, VAULT) == datetime.fromisoformat(AT)


# --- restoring -----------------------------------------------------------------------------------------------


def restore(place: Objects, **parts: Any) -> Restore:
    """A restore of whatever parts a test is about."""
    needs: dict[str, Any] = {
        "target": None,
        "place": place,
        "escrow": place,
        "opened": None,
        "decryption": Plain(),
        "verify": verify,
        "clock": FakeClock(),
    }
    return Restore(**(needs | parts))


def test_an_object_is_looked_at_again_when_it_is_read(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    stored = Stored.of("a", b"data")
    reading = restore(place)._object
    with pytest.raises(BackupInvalid, match="went away"):
        reading(stored, 10)
    place.put("a", b"date")
    with pytest.raises(BackupInvalid, match="altered"):
        reading(stored, 10)
    place.put("a", b"data")
    assert reading(stored, 10) == b"data"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"vault": 1}', b"[" * 100_000])
def test_a_note_that_can_not_be_read_is_of_something_else(content: bytes) -> None:
    with pytest.raises(NotEmpty):
        Note.read(content)


def test_a_log_ends_with_the_event_that_its_manifest_says() -> None:
    log = log_of(3)
    check = Restore._check_end
    never = 2**62
    state = LogState("log", ((1, 0),), 3, 0, tip(row(3)))
    check(log, state, 3, never)
    check(log, state, 2, 5)  # to a moment before its end
    with pytest.raises(BackupInvalid, match="another event"):
        check(log, replace(state, tip="other"), 3, never)
    with pytest.raises(BackupInvalid, match="shorter"):
        check(log, state, 2, never)


def test_a_moment_within_a_segment_and_before_all_of_it(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    rows = [row(n) for n in range(1, 6)]  # stored 1_001 to 1_005
    name = layout.segment_name(VAULT, "log", 1, 1, 5, RUN)
    content = segments.pack(VAULT, "log", 1, rows)
    place.put(name, content)
    segment = Segment(Stored.of(name, content), "log", 1, 1, 5, 1_001, 1_005)
    chain = [manifest(segments=(segment,), blobs=(), logs=(LogState("log", ((1, 0),), 5, 1_005, tip(rows[-1])),))]
    fill = restore(place)._fill
    for until, count in ((1_003, 3), (1_000, 0), (2_000, 5)):
        log = FakeLog()
        fill(log, "log", None, chain, until, cast("Any", SimpleNamespace(events=0)), lambda *_: None)
        assert len(log.events) == count
    # Its first event is later than the segment says: nothing of it is wanted.
    early = replace(segment, stored_first=0)
    log = FakeLog()
    fill(
        log,
        "log",
        None,
        [replace(chain[0], segments=(early,))],
        500,
        cast("Any", SimpleNamespace(events=0)),
        print,
    )
    assert log.events == []


def test_a_blob_that_is_in_no_backup_is_counted(tmp_path: Path) -> None:
    counted = SimpleNamespace(blobs=0, missing=0)
    parts = cast("Any", SimpleNamespace(parts={}))
    restoring = restore(open_place(str(tmp_path), "test"))
    restoring._put_back("acme", [names(b"\1" * 16, b"data"), row(2)], parts, cast("Any", counted))
    assert (counted.blobs, counted.missing) == (0, 1)


def test_a_log_that_no_run_stored_stays_as_it_is() -> None:
    log = FakeLog()
    making = restore(cast("Any", None))._begin
    making(log, None, None)
    assert log.events == []
    state = LogState("log", ((3, 0),), 0, 0, "")
    making(log, state, datetime(2026, 11, 25, tzinfo=UTC))
    making(log, state, None)  # again
    (first,) = log.events
    event = GenerationStarted.decode(UUID(bytes=first.stream), first.version, first.state)
    assert (event.generation, event.position, log.generation) == (4, 0, 4)
    assert event.restored_to is not None


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"{}", b'{"generation": "x"}', b"null", b"[" * 100_000])
def test_other_bytes_are_no_beginning_of_a_generation(state: bytes) -> None:
    with pytest.raises(ValueError, match="generation-started/1"):
        GenerationStarted.decode(uuid4(), 1, state)


def test_the_run_that_a_place_is_restored_from_must_stay(tmp_path: Path) -> None:
    place = open_place(str(tmp_path), "test")
    one = whole(place)
    place.put(layout.manifest_name(VAULT, 1), written(one))
    slot = SimpleNamespace(vault=VAULT, public_key=PUBLIC, epoch=2, key=b"key")
    begun = Note(VAULT, 1, "0" * 64, None, AT)
    with pytest.raises(BackupInvalid, match="not there any more"):
        restore(place)._checked([slot], begun, lambda *_: None)
    opened = SimpleNamespace(ledger=list, hash_of=str)
    sha256 = manifests.read(written(one), PUBLIC, verify).sha256
    checked = restore(place, opened=opened)._checked
    assert checked([slot], replace(begun, sha256=sha256), lambda *_: None)[1] == b"key"
    with pytest.raises(BackupInvalid, match="no key of epoch 2"):
        checked([SimpleNamespace(vault=VAULT, public_key=PUBLIC, epoch=2, key=None)], None, lambda *_: None)
