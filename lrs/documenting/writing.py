"""Changing documents: whatever waits for one tenant is one transaction, and each request gets its own answer.

1. Owners and places of all changes are looked up under one reading of the fence; who must wait for an erasure
   waits.
2. Each change looks at what is there and asks the domain. Who is refused hears it; the others go on.
3. Unknown people are enrolled, missing keys minted, each for all at once. Versions are sealed.
4. All is appended. The rows move on only from the versions that were looked at: if one does not, nothing is
   written and all begin again at step 1, preconditions included. So of two who send the ETag of one version one is
   stored and the other hears 412; nobody's change is lost unseen.

Of several changes of one document in a group one goes first; the others look at what it left.

Of a person who may not be read, documents are changed like others' and preconditions are held against what is
there, although a GET finds nothing: who sends If-None-Match hears 412 rather than that he writes over something
unseen, which is to be there again when reading is allowed.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from eventsourcing.persistence import InterfaceError, OperationalError, RecordConflictError

from lrs.documenting.changes import Change, There, decide, deletion, known, sealed, whole
from lrs.documenting.heads import open_heads
from lrs.documenting.owners import Owners
from lrs.domain.document_events import DocumentEvent
from lrs.domain.documents import Content, Method
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable, LetheError, Overloaded, SubjectBusy
from lrs.domain.sealing import Category, Slot
from lrs.ports import DocumentGone, DocumentRow, Reading, StaleFence, TenantStore, Vault
from lrs.recording.groups import OUTAGE_SECONDS_MAX, GroupCommit, Submission, fail_all, outage
from lrs.recording.recorder import BUSY_SECONDS_MAX
from lrs.tenancy import Tenants

# Others who change the same documents may be faster this often.
CONFLICTS_MAX = 200
# One transaction takes this much, and at least one document.
_BYTES_TOGETHER_MAX = 16 * 1024 * 1024
_OUTAGE_PAUSE_SECONDS = 0.2
OUTAGES = (OperationalError, InterfaceError, KeyStoreUnavailable)
BUSY = "a person whose document this is is being erased: try again in a moment"
CROWDED = "too many change this document at once: try again in a moment"


@dataclass(slots=True, eq=False)
class _Request:
    """A change as it waits. ``doubtful`` are its events that were sent to a store that did not answer."""

    change: Change
    doubtful: list[DocumentEvent] = field(default_factory=list)

    @property
    def id(self) -> str:
        """What waits in a group has an id."""
        return self.change.id


Waiting = Submission[_Request]


@dataclass(slots=True)
class _Asked:
    """A request on its way: whose document it is (None: of somebody unknown), what is there and what shall be."""

    submission: Waiting
    change: Change
    owner: UUID | None = None
    there: There | None = None
    left: Content | None = None


@dataclass(slots=True)
class _Append:
    """What goes into one transaction, and who hears of it, with their own event among these."""

    events: list[DocumentEvent] = field(default_factory=list)
    documents: list[DocumentRow] = field(default_factory=list)
    gone: list[DocumentGone] = field(default_factory=list)
    places: set[bytes] = field(default_factory=set)
    answers: list[tuple[Waiting, DocumentEvent | None]] = field(default_factory=list)


class DocumentWriter:
    """Changes documents of tenants. ``looked`` hears of each change that has looked at what is there."""

    def __init__(
        self, tenants: Tenants, vault: Vault, owners: Owners, looked: Callable[[Change], None] = lambda _: None
    ) -> None:
        self._tenants = tenants
        self._vault = vault
        self._owners = owners
        self._looked = looked
        self._groups: GroupCommit[_Request] = GroupCommit(self._write_group)

    def hearing(self, looked: Callable[[Change], None]) -> "DocumentWriter":
        """Another writer to the same places, which tells of its looks."""
        return DocumentWriter(self._tenants, self._vault, self._owners, looked)

    def submit(self, tenant: str, change: Change) -> "Future[Any]":
        """Done when the change is durable. It fails with PreconditionFailed, DocumentConflict, InvalidRequest,
        LimitExceeded, SubjectBusy, Overloaded, StoreUnavailable or KeyStoreUnavailable; Overloaded is raised at
        once when too many wait already."""
        return self._groups.record(tenant, [_Request(change)])

    def change(self, tenant: str, change: Change) -> None:
        """The same, waited for."""
        self.submit(tenant, change).result()

    def close(self) -> None:
        """Write what waits, then stop."""
        self._groups.close()

    # --- groups ----------------------------------------------------------------------------------------------

    def _write_group(self, tenant: str, group: list[Waiting]) -> list[Waiting]:
        """Write and answer the group; give back who has to wait for an erasure."""
        busy: list[Waiting] = []
        while group:
            held_up, group = self._write_together(tenant, group)
            busy += held_up
        return busy

    def _write_together(self, tenant: str, group: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
        """Write what goes into one transaction; who has to wait for an erasure, and who for the next one."""
        for _ in range(CONFLICTS_MAX):
            group = [one for one in group if not one.done]
            try:
                return self._attempt(self._tenants.store(tenant), group) if group else ([], [])
            except (StaleFence, RecordConflictError):
                continue
            except OUTAGES as error:
                if all(_late(one, OUTAGE_SECONDS_MAX) for one in group):
                    raise
                fail_all([one for one in group if _late(one, OUTAGE_SECONDS_MAX)], outage(error))
                sleep(_OUTAGE_PAUSE_SECONDS)
        fail_all(group, Overloaded(CROWDED))
        return [], []

    def _attempt(self, store: TenantStore, group: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
        reading = self._vault.read(store.tenant)
        append = _Append()
        asked = [_Asked(one, one.drafts[0].change) for one in group if not _was_stored(store, one, append)]
        ready, busy = self._without_busy(store, reading, asked)
        self._look(store, reading, ready)
        decided = [one for one in ready if self._decide(one)]
        self._enrol(reading, decided)
        later = _fill(reading, append, [one for one in decided if not one.submission.done])
        if append.events:
            self._append(store, reading, append)
        elif append.answers:
            store.confirm()  # what was found may be of a commit that nobody could acknowledge
        for one, _ in append.answers:
            one.succeed()
        return busy, later

    def _without_busy(
        self, store: TenantStore, reading: Reading, asked: Iterable[_Asked]
    ) -> tuple[list[_Asked], list[Waiting]]:
        """Step 1: requests that can go on with their owners, and those whose owner is being erased."""
        ready: list[_Asked] = []
        busy: list[Waiting] = []
        for one in asked:
            one.owner = self._owners.known(store.tenant, reading, one.change.context)
            if one.owner not in reading.erasing:
                ready.append(one)
            elif _late(one.submission, BUSY_SECONDS_MAX):
                one.submission.fail(SubjectBusy(BUSY))
            else:
                busy.append(one.submission)
        return ready, busy

    def _look(self, store: TenantStore, reading: Reading, asked: Sequence[_Asked]) -> None:
        """Step 2: what is there. Heads are opened in one go; contents, which may be large, one by one where they
        are merged. Damage is told to who asked for it."""
        of_known = [one for one in asked if one.owner is not None]
        places = [_place(reading, one) or b"" for one in of_known]
        rows = store.documents.rows(places)
        found = [(one, rows[place]) for one, place in zip(of_known, places, strict=True) if place in rows]
        heads = open_heads(self._vault, store.tenant, [row for _, row in found], inside=True)
        for (one, row), head in zip(found, heads, strict=True):
            assert one.owner is not None
            try:
                if one.change.method is Method.POST:
                    one.there = whole(self._vault, store, one.owner, one.change, row.place)
                else:
                    one.there = known(head, one.owner, one.change, row)
            except EventCorrupt as error:
                one.submission.fail(error)
        for one in asked:
            self._looked(one.change)

    @staticmethod
    def _decide(one: _Asked) -> bool:
        """Whether the change may be; who is refused hears it."""
        if one.submission.done:
            return False
        try:
            one.left = decide(one.change, one.there)
        except LetheError as error:
            one.submission.fail(error)
            return False
        return True

    def _enrol(self, reading: Reading, decided: Sequence[_Asked]) -> None:
        """Step 3: unknown owners of what shall be stored become subjects, and keys are there."""
        stored = [one for one in decided if one.left is not None]
        for one in stored:
            if one.owner is None:
                try:
                    one.owner = self._owners.enrolled(reading, one.change.context)
                except LetheError as error:
                    if isinstance(error, KeyStoreUnavailable):
                        raise
                    one.submission.fail(error)
        owners = dict.fromkeys(one.owner for one in stored if one.owner is not None)
        reading.ensure([Slot(owner, Category.DOCUMENTS) for owner in owners])

    def _append(self, store: TenantStore, reading: Reading, append: _Append) -> None:
        """Step 4. RecordConflictError, StaleFence: somebody was faster."""
        try:
            self._tenants.application_of(store).append(
                append.events,
                documents=append.documents,
                documents_gone=append.gone,
                fence_sequence=reading.sequence,
            )
        except OUTAGES:
            for one, event in append.answers:
                if event is not None:
                    one.drafts[0].doubtful.append(event)
            raise


def _was_stored(store: TenantStore, submission: Waiting, append: _Append) -> bool:
    """Whether the commit that nobody answered was made after all: then the change is done, although its own
    preconditions hold no more."""
    for event in submission.drafts[0].doubtful:
        version = event.originator_version
        found = store.recorder.select_events(event.originator_id, gt=version - 1, lte=version)
        if any(one.topic == event.TOPIC and one.state == event.encode() for one in found):
            append.answers.append((submission, None))
            return True
    return False


def _fill(reading: Reading, append: _Append, decided: Sequence[_Asked]) -> list[Waiting]:
    """Seal what goes together: each document once, so many bytes at most. Who has to come later."""
    later: list[Waiting] = []
    size = 0
    for one in decided:
        place = _place(reading, one)
        size += one.change.size
        if place in append.places or (append.places and size > _BYTES_TOGETHER_MAX):
            later.append(one.submission)
            continue
        append.answers.append((one.submission, _sealed(reading, append, one)))
        if place is not None:
            append.places.add(place)
    return later


def _sealed(reading: Reading, append: _Append, one: _Asked) -> DocumentEvent | None:
    """The event of a change, with its row; None where nothing is there to be deleted."""
    event: DocumentEvent
    if one.left is not None:
        assert one.owner is not None
        row, event = sealed(reading, one.owner, one.change, one.there, one.left)
        append.documents.append(row)
    elif one.there is not None:
        gone, event = deletion(one.there.row, one.change.authority)
        append.gone.append(gone)
    else:
        return None
    append.events.append(event)
    return event


def _place(reading: Reading, one: _Asked) -> bytes | None:
    """Where the document is; None for one that nobody has, which is to be deleted."""
    if one.owner is None:
        return None
    return reading.digest(one.owner, one.change.context.place(one.change.id))


def _late(submission: Waiting, seconds: float) -> bool:
    return monotonic() - submission.submitted > seconds
