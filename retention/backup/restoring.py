"""Bringing an installation back, into an empty place, in numbered steps. Whoever is killed takes them again.

1. The escrow's slots are opened with the identity. The place has to be empty, or to be the one in which this
   restore was begun.
2. Before anything is written: the manifests are checked, one after the other, against the escrowed public key and
   against what the escrow knows of the last run; every object that they name is there, of its hash; the escrow has
   the key of the epoch in which the last snapshot was taken, and every destruction up to it. What does not fit is
   refused. Then it is noted what is brought back: a place with an unfinished note is not served.
3. A root key is made, the epoch's key wrapped anew, and the newest snapshot of the vault loaded: never an older
   one, whatever the time.
4. The ledger's mirror is written from the escrow, and what was destroyed after the snapshot is destroyed again.
5. The control store's events, all of them (a credential that was revoked stays so); then each tenant's, with the
   blobs that they name, up to the time that was asked for.
6. Each log goes on as a new generation, which its first event says. A tenant that left after the last run leaves
   again: the ledger has its keys' end.
7. Indexes are filled from the logs. Views follow when the service runs.
8. The note says that it is finished.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Self
from uuid import uuid4

from lrs.domain.errors import BackupInvalid, InvalidRequest, NotEmpty
from lrs.domain.events import BlobName
from lrs.domain.generations import GenerationStarted
from lrs.domain.instants import microseconds
from lrs.ports import Clock, Decryption, EventLog, EventRow, LogHead, ObjectPlace
from lrs.ports.restoring import EscrowedKey, OpenedEscrow, RestoreTarget
from retention.backup import chain as chains
from retention.backup import layout, segments
from retention.backup.checking import check_objects
from retention.backup.manifests import LogState, Manifest, Stored, Verify
from retention.backup.packing import PART_BYTES_MAX, attached, tip

STEPS: Final = (1, 2, 3, 4, 5, 6, 7, 8)
Progress = Callable[[str, int, int], None]
_NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Note:
    """What a place is restored from, and whether that is done."""

    vault: str
    number: int
    sha256: str
    upto: str | None
    begun: str
    finished: str | None = None

    def encode(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), sort_keys=True).encode() + b"\n"

    @classmethod
    def read(cls, content: bytes) -> Self:
        """The note again. NotEmpty for what is none: who knows what lies there."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError, RecursionError):
            raise NotEmpty("the note of a restore can not be read: restore into an empty place") from None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back. ``missing``: blobs that events name and that are in no backup, gone with their
    owner as a rule. ``corrupt``: events that do not open although their keys live, as they did not before."""

    vault: str
    number: int
    sha256: str
    at: str
    epoch: int
    tenants: int
    events: int
    blobs: int
    missing: int
    destroyed_again: int
    corrupt: int


@dataclass(slots=True)
class _Counted:
    events: int = 0
    blobs: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Restore:
    """Brings one backup back."""

    target: RestoreTarget
    place: ObjectPlace
    escrow: ObjectPlace
    opened: OpenedEscrow
    decryption: Decryption
    verify: Verify
    clock: Clock

    def run(
        self,
        upto: datetime | None = None,
        progress: Progress = lambda *_: None,
        reached: Callable[[int], None] = lambda _: None,
    ) -> Restored:
        """All steps. NotEmpty, BackupInvalid (nothing was replaced), StoreUnavailable."""
        # 1
        slots = self.opened.slots()
        begun = self._begun(upto)
        reached(1)
        # 2
        chain, key, entries = self._checked(slots, begun, progress)
        last = chain[-1]
        note = begun or Note(last.vault, last.number, last.sha256, _text(upto), self.clock.now().isoformat())
        self.target.write_note(note.encode())
        reached(2)
        # 3
        self.target.make_keys(last.vault, last.epoch, key)
        self.target.load_vault(last.vault, last.epoch, self._snapshot(last, progress))
        reached(3)
        # 4
        again = self.target.replay(entries)
        reached(4)
        # 5
        counted = _Counted()
        self._fill(self.target.control(), layout.CONTROL, None, chain, _NEVER, counted, progress)
        self.target.fill_control()
        served = list(self.target.tenants())
        logs = [(row.name, row.id.hex) for row in served if self.target.is_alive(row.name)]
        until = _NEVER if upto is None else microseconds(upto)
        for name, log in logs:
            self._fill(self.target.log(name), log, name, chain, until, counted, progress)
        reached(5)
        # 6
        self._begin(self.target.control(), last.state_of(layout.CONTROL), None)
        for name, log in logs:
            self._begin(self.target.log(name), last.state_of(log), upto)
        for name in {row.name for row in served} - {name for name, _ in logs}:
            self.target.let_go(name)
        reached(6)
        # 7
        corrupt = sum(self.target.fill(name, partial(progress, f"Index of {name}")) for name, _ in logs)
        reached(7)
        # 8
        self.target.write_note(replace(note, finished=self.clock.now().isoformat()).encode())
        reached(8)
        return Restored(
            last.vault,
            last.number,
            last.sha256,
            last.at,
            last.epoch,
            len(logs),
            counted.events,
            counted.blobs,
            counted.missing,
            again,
            corrupt,
        )

    # --- before anything is written --------------------------------------------------------------------------

    def _begun(self, upto: datetime | None) -> Note | None:
        content = self.target.note()
        if content is None:
            self.target.check_empty()
            return None
        note = Note.read(content)
        if note.finished is not None:
            raise NotEmpty("this place was restored already: restore into an empty one")
        if note.upto != _text(upto):
            raise InvalidRequest(
                "a restore to another time was begun here: finish that one, or take an empty place"
            )
        return note

    def _checked(
        self, slots: Sequence[EscrowedKey], begun: Note | None, progress: Progress
    ) -> tuple[list[Manifest], bytes, Sequence[bytes]]:
        """The manifests, the epoch's key and the ledger's entries. BackupInvalid."""
        vault, public_key = whose(slots)
        chain = chains.read_chain(
            self.place,
            vault,
            public_key,
            self.verify,
            upto=None if begun is None else begun.number,
            anchor=chains.read_anchor(self.escrow) if begun is None else None,
        )
        last = chain[-1]
        if begun is not None and (vault, last.sha256) != (begun.vault, begun.sha256):
            raise BackupInvalid("the run that this place is being restored from is not there any more")
        key = next((one.key for one in slots if one.epoch == last.epoch), None)
        if key is None:
            raise BackupInvalid(f"the escrow holds no key of epoch {last.epoch}: it was closed, or is another's")
        entries = self.opened.ledger()
        known = [self.opened.hash_of(one) for one in entries[: last.ledger_length][-1:]]
        if len(entries) < last.ledger_length or (known and known[0] != last.ledger_hash):
            raise BackupInvalid("the escrow's ledger is another than that of the last snapshot")
        check_objects(self.place, chain, lambda done, total: progress("Checking", done, total))
        return chain, key, entries

    # --- bringing it back ------------------------------------------------------------------------------------

    def _object(self, stored: Stored, bytes_max: int) -> bytes:
        try:
            data = self.place.get(stored.name)
        except FileNotFoundError:
            raise BackupInvalid("an object went away while it was being restored") from None
        if not stored.is_of(data):
            raise BackupInvalid("an object was altered while it was being restored")
        return self.decryption.decrypt(data, bytes_max=bytes_max)

    def _snapshot(self, last: Manifest, progress: Progress) -> Iterator[bytes]:
        for done, part in enumerate(last.snapshot, start=1):
            yield self._object(part, PART_BYTES_MAX)
            progress("Keys", done, len(last.snapshot))

    def _fill(
        self,
        log: EventLog,
        name: str,
        tenant: str | None,
        chain: Sequence[Manifest],
        until: int,
        counted: _Counted,
        progress: Progress,
    ) -> None:
        state, head = chain[-1].state_of(name), log.head()
        if state is None or head.generation > state.generation:
            counted.events += head.position if state else 0
            return
        blobs = _BlobParts(chain, name)
        at = head.position
        for piece in chains.pieces_of(chain, name):
            if piece.segment.last <= at or piece.segment.stored_first > until:
                continue
            rows = [row for row in self._rows(chain[-1].vault, piece) if row.position > at and row.stored <= until]
            if not rows:
                continue
            if tenant is not None:
                self._put_back(tenant, rows, blobs, counted)
            log.fill(rows)
            at = rows[-1].position
            progress(f"Events of {tenant or 'the control store'}", at, state.position)
        counted.events += at
        self._check_end(log, state, at, until)

    @staticmethod
    def _check_end(log: EventLog, state: LogState, at: int, until: int) -> None:
        """Whether the log ends with the event that it ended with."""
        if at == state.position and at and tip(next(log.rows(at - 1, at))) != state.tip:
            raise BackupInvalid("a log ends with another event than its manifest says")
        if at != state.position and until == _NEVER:
            raise BackupInvalid("a log is shorter than its manifest says")

    def _rows(self, vault: str, piece: chains.Piece) -> Iterator[EventRow]:
        one = piece.segment
        content = self._object(one.object, segments.OPENED_BYTES_MAX)
        stretch = segments.Stretch(vault, one.log, one.generation, one.first, one.last)
        return (row for row in segments.unpack(content, stretch) if row.position <= piece.upto)

    def _put_back(self, tenant: str, rows: Sequence[EventRow], blobs: "_BlobParts", counted: _Counted) -> None:
        """Before the events that name them are there: whoever is killed in between comes by here again."""
        for name in dict.fromkeys(blob.name for row in rows for blob in attached(row)):
            parts = blobs.parts.get(name.hex())
            if parts is None:
                counted.missing += 1
                continue
            self.target.blobs.put_back(
                tenant, BlobName(name), (self._object(part, PART_BYTES_MAX) for part in parts)
            )
            counted.blobs += 1

    def _begin(self, log: EventLog, state: LogState | None, upto: datetime | None) -> None:
        if state is None:
            return  # it was taken on while the last run was under way: nothing of it was brought back
        head, generation = log.head(), state.generation + 1
        if head.generation == generation:
            return
        event = GenerationStarted(
            uuid4(),
            1,
            generation,
            head.position,
            None if upto is None else microseconds(upto),
            state.size,
            None if state.root is None else bytes.fromhex(state.root),
        )
        stored = max(microseconds(self.clock.now()), head.stored + 1)
        first = EventRow(head.position + 1, stored, 1, event.originator_id.bytes, event.TOPIC, event.encode())
        log.begin_generation(LogHead(generation, head.position, first.position, stored), first)


def whose(slots: Sequence[EscrowedKey]) -> tuple[str, bytes]:
    """Which installation an escrow is of, and the key that checks its manifests. BackupInvalid."""
    found = {(one.vault, one.public_key) for one in slots}
    if len(found) != 1:
        raise BackupInvalid("the escrow holds no key, or those of several installations")
    return next(iter(found))


class _BlobParts:
    """The parts of each blob of a log, in order."""

    def __init__(self, chain: Sequence[Manifest], log: str) -> None:
        self.parts: dict[str, list[Stored]] = {}
        # Of a blob that several runs stored, the last one's.
        for manifest in chain:
            mine: dict[str, list[Stored]] = {}
            for one in sorted((one for one in manifest.blobs if one.log == log), key=lambda one: one.part):
                mine.setdefault(one.blob, []).append(one.object)
            self.parts |= mine


def _text(upto: datetime | None) -> str | None:
    return None if upto is None else upto.isoformat()
