"""From a log and its tenant's blobs to objects in a place: one run's share of one log."""

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from lrs.domain.errors import BackupInvalid
from lrs.domain.events import AttachedBlob, BlobName, StatementWithAttachments
from lrs.ports import Blobs, Encryption, EventLog, EventRow, LogHead, ObjectPlace
from retention.backup import layout, segments
from retention.backup.chain import Piece
from retention.backup.manifests import BlobPart, LogState, MissingBlob, Segment, Stored

_PART_BYTES: Final = 16 * 1024 * 1024
PART_BYTES_MAX: Final = 2 * _PART_BYTES
_NOBODY: Final = UUID(int=0)
_TIP: Final = struct.Struct(">QqI16s")
# Below this a segment is small: a base packs it together with its neighbours.
_SMALL_EVENTS: Final = segments.EVENTS_MAX // 2
_SMALL_BYTES: Final = segments.BYTES_MAX // 2


@dataclass(slots=True)
class Sink:
    """Where a run puts its objects, and what it has put there."""

    place: ObjectPlace
    encryption: Encryption
    vault: str
    run: str
    heard: Callable[[], None] = lambda: None  # at every object: whoever waits knows that there is somebody at work
    bytes_put: int = 0

    def put(self, name: str, content: bytes) -> Stored:
        """Compressed, sealed and stored under a name that nothing had."""
        self.heard()
        data = self.encryption.encrypt(content)
        self.place.put(name, data, new=True)
        self.bytes_put += len(data)
        return Stored.of(name, data)

    def put_parts(self, pieces: Iterator[bytes], name: Callable[[int], str]) -> list[Stored]:
        """Of whatever length, in parts."""
        return [self.put(name(number), part) for number, part in enumerate(parts(pieces))]


def parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces put together to parts of a size; one that is empty for nothing at all."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PART_BYTES:
            whole = b"".join(waiting)
            for at in range(0, len(whole) - _PART_BYTES + 1, _PART_BYTES):
                yield whole[at : at + _PART_BYTES]
            rest = whole[len(whole) // _PART_BYTES * _PART_BYTES :]
            waiting, size = [rest], len(rest)
    yield b"".join(waiting)


@dataclass(slots=True)
class Packed:
    """What came of it. ``missing`` are blobs that living records name and that could not be had."""

    segments: list[Segment] = field(default_factory=list)
    blobs: list[BlobPart] = field(default_factory=list)
    events: int = 0
    missing: list[MissingBlob] = field(default_factory=list)


@dataclass(slots=True)
class LogPacker:
    """Packs one log. ``tenant`` is whose blobs its events name; None for the control store's log. ``named`` tells
    which blobs a living record names: others were swept with their owner, and nobody misses them."""

    sink: Sink
    log: EventLog
    name: str
    tenant: str | None
    blobs: Blobs
    progress: Callable[[int], None]
    known: set[str]  # blobs that are stored already
    named: Callable[[Sequence[BlobName]], set[BlobName]] = lambda _: set()

    def pack(self, state: LogState, after: int) -> Packed:
        """The events after a position, up to where the log stands."""
        packed = Packed()
        for generation, began, end in state.spans():
            start = max(began, after)
            for rows in segments.cut(self.log.rows(start, end), start) if start < end else ():
                packed.segments.append(self._segment(generation, rows))
                packed.events += len(rows)
                for row in rows:
                    self._blobs(row, packed)
                self.progress(len(rows))
        return packed

    def _segment(self, generation: int, rows: Sequence[EventRow]) -> Segment:
        sink, first, last = self.sink, rows[0], rows[-1]
        name = layout.segment_name(sink.vault, self.name, generation, first.position, last.position, sink.run)
        stored = sink.put(name, segments.pack(sink.vault, self.name, generation, rows))
        return Segment(stored, self.name, generation, first.position, last.position, first.stored, last.stored)

    def _blobs(self, row: EventRow, packed: Packed) -> None:
        if self.tenant is None:
            return
        for blob in attached(row):
            self._store(self.tenant, blob.name, blob.sha256, packed)

    def pack_missing(self, missing: Sequence[MissingBlob], packed: Packed) -> None:
        """Those that an earlier run could not have, once more."""
        for one in missing:
            if self.tenant is not None and one.log == self.name:
                self._store(self.tenant, BlobName(bytes.fromhex(one.blob)), bytes.fromhex(one.sha256), packed)

    def _store(self, tenant: str, name: BlobName, sha256: bytes, packed: Packed) -> None:
        if name.hex() in self.known:
            return
        self.known.add(name.hex())
        stored = self._blob(tenant, name, sha256)
        packed.blobs += stored
        if not stored and self.named([name]):
            packed.missing.append(MissingBlob(self.name, name.hex(), sha256.hex()))

    def _blob(self, tenant: str, blob: BlobName, sha256: bytes) -> list[BlobPart]:
        """Its parts; none where it is missing, or is not what the event says: what is damaged is not kept for
        something better."""
        hashed = hashlib.sha256()

        def counted() -> Iterator[bytes]:
            for piece in self.blobs.ciphertext(tenant, blob):
                hashed.update(piece)
                yield piece

        sink = self.sink
        try:
            found = sink.put_parts(
                counted(), lambda part: layout.blob_name(sink.vault, self.name, blob, part, sink.run)
            )
        except FileNotFoundError:
            return []
        if hashed.digest() != sha256:
            return []
        return [BlobPart(one, self.name, blob.hex(), part) for part, one in enumerate(found)]


def attached(row: EventRow) -> tuple[AttachedBlob, ...]:
    """The blobs that an event names; none for bytes that are no event, which is an alarm elsewhere."""
    if row.topic != StatementWithAttachments.TOPIC:
        return ()
    try:
        return StatementWithAttachments.decode(_NOBODY, row.version, row.state).blobs
    except (ValueError, struct.error):
        return ()


def stand(log: EventLog, name: str, head: LogHead, before: LogState | None) -> tuple[LogState, int]:
    """Where a log stands now, and after which position it is not backed up yet. BackupInvalid for a log that lost
    what a backup has: it was put back by other means than a restore."""
    tip = tip_of(log, head.position)
    if before is None:
        return LogState(name, ((head.generation, 0),), head.position, head.stored, tip), 0
    if head.generation == before.generation:
        if head.position < before.position or tip_of(log, before.position) != before.tip:
            raise BackupInvalid(
                "a log lacks events that the last run stored: it was put back by other means than `lrs restore`."
                " Restore it, or begin a new backup in another place"
            )
        return LogState(name, before.lineage, head.position, head.stored, tip), before.position
    if head.generation < before.generation or head.began > before.position:
        raise BackupInvalid("a log is of an older generation than what the last run stored")
    kept = tuple(one for one in before.lineage if one[1] < head.began)
    lineage = (*kept, (head.generation, head.began))
    return LogState(name, lineage, head.position, head.stored, tip), head.began


def tip_of(log: EventLog, position: int) -> str:
    """What tells the event at a position from any other that might stand there: but for its state, which a
    compaction may replace."""
    return next((tip(row) for row in log.rows(position - 1, position)), "")


def tip(row: EventRow) -> str:
    """The same of an event at hand."""
    return hashlib.sha256(_TIP.pack(row.position, row.stored, row.version, row.stream)).hexdigest()


def kept_by_base(pieces: Sequence[Piece]) -> list[Segment]:
    """The segments at a log's beginning that are large enough to be kept as they are."""
    kept: list[Segment] = []
    for one in (piece.segment for piece in pieces):
        if one.last - one.first + 1 < _SMALL_EVENTS and one.object.size < _SMALL_BYTES:
            break
        kept.append(one)
    return kept
