"""What the use cases need from the outside, as protocols. Adapters implement them; nothing here does anything.

Errors that cross a port are those of ``lrs.domain.errors``, of ``eventsourcing.persistence`` (RecordConflictError:
somebody was faster; PersistenceError: the store can not be reached) and ``StaleFence``; never a driver's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from eventsourcing.persistence import ProcessRecorder, StoredEvent

from lrs.domain.agents import Identifier
from lrs.domain.sealing import Category, Destroyed, Outcome, Place, Sealed, Slot


class StaleFence(Exception):
    """The fence moved since the reading that this work was based on: read it again and resolve afresh."""


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, in UTC, with its time zone."""
        ...


# --- the vault -----------------------------------------------------------------------------------------------


class Reading(Protocol):
    """What the vault knows of one tenant under one reading of the fence. Cheap, short-lived: one a batch."""

    @property
    def sequence(self) -> int:
        """Where the fence stood."""
        ...

    @property
    def denied(self) -> frozenset[UUID]:
        """Subjects that may not be read now."""
        ...

    def lookup(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subjects that these identifiers are known to name; unknown ones are absent."""
        ...

    def enrol(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subject of every identifier; unknown ones get a new random subject. StaleFence."""
        ...

    def ensure(self, slots: Iterable[Slot]) -> None:
        """See that these data keys exist, in one transaction. StaleFence, also for a subject being erased."""
        ...

    def seal(self, owners: Sequence[UUID], category: Category, period: str, place: Place, data: bytes) -> Sealed:
        """``data`` sealed so that the key of any one owner opens it. StaleFence."""
        ...

    def digest(self, subject: UUID, data: bytes) -> bytes:
        """16 bytes that stand for ``data`` as long as the subject's identity key lives. StaleFence."""
        ...


class Vault(Protocol):
    """The keys. Every call reads the fence, so none works with a key that an earlier erasure destroyed."""

    def create_tenant(self, tenant: str) -> None:
        """Mint a tenant's keys; again for a tenant that has them: nothing."""
        ...

    def destroy_tenant(self, tenant: str) -> None:
        """Destroy every key of a tenant for ever."""
        ...

    def read(self, tenant: str) -> Reading:
        """Read the fence and work under it."""
        ...

    def tenant_subject(self, tenant: str) -> UUID:
        """The subject that stands for what belongs to no person."""
        ...

    def open_many(self, tenant: str, items: Sequence[tuple[Place, Sealed]]) -> list[Outcome]:
        """Each item's outcome, in order. The fence is read for every 500."""
        ...

    def destroyed(self, tenant: str, subject: UUID) -> Destroyed | None:
        """The ledger's entry of this subject's erasure, if it has one."""
        ...

    def begin_erasure(self, tenant: str, subject: UUID) -> None:
        """Deny reads and mint nothing more for the subject; idempotent."""
        ...

    def destroy(self, tenant: str, subject: UUID, at: datetime) -> Destroyed:
        """Ledger entry (mirror first), then every key and directory row of the subject gone; idempotent."""
        ...

    def identifier_kinds(self, tenant: str, subject: UUID) -> tuple[str, ...]:
        """Which kinds of identifier the directory knows the subject by."""
        ...

    def living_keys(self, tenant: str, subject: UUID) -> int:
        """How many data keys and directory rows of the subject there still are."""
        ...

    def sign(self, tenant: str, message: bytes) -> bytes:
        """An Ed25519 signature by the tenant's signing key."""
        ...

    def public_key(self, tenant: str) -> bytes:
        """The raw Ed25519 public key that checks ``sign``."""
        ...


# --- the store of one tenant ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What GET /statements finds an event by: blinded terms, how many owners hold its body, what it voids."""

    terms: tuple[int, ...]
    owners: int
    voids: UUID | None = None


@dataclass(frozen=True, slots=True)
class AgentRow:
    """Where an exact agent object is sealed: the digest finds it, the number is its event's version."""

    subject: UUID
    digest: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored event with its place in the tenant's order and its time of storing (microseconds UTC)."""

    position: int
    stored_us: int
    event: StoredEvent


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log has come. Every statement stored before ``stored_us`` is visible to this reading."""

    position: int
    stored_us: int
    erasure_sequence: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which statements: each group of terms is alternatives, all groups must match."""

    groups: tuple[tuple[int, ...], ...] = ()
    since_us: int | None = None
    until_us: int | None = None
    ascending: bool = False
    after: int | None = None  # position of the last one given already
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Selected:
    """A page of statements, whether more follow, and the head in the same snapshot."""

    rows: list[Recorded]
    more: bool
    head: Head


class Statements(Protocol):
    """Reading statements and other events of one tenant."""

    def head(self, at: datetime | None = None) -> Head:
        """The head; with ``at``, an idle head is first advanced to that time (at most once a second)."""
        ...

    def term(self, kind: str, value: str) -> int:
        """The blinded 64-bit term of a filter value; the same only within this tenant."""
        ...

    def select(self, selection: Selection) -> Selected:
        """A page of live, unvoided statements by position."""
        ...

    def by_ids(self, ids: Sequence[UUID]) -> dict[UUID, Recorded]:
        """First events of these streams, those that exist."""
        ...

    def is_live(self, statement: UUID) -> bool:
        """Whether the statement is still in the index (its owner was not erased)."""
        ...

    def voided(self, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these are voided."""
        ...

    def positions(self, term: int, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Positions that carry a term, ascending, voided ones too."""
        ...

    def at(self, positions: Sequence[int]) -> list[Recorded]:
        """The events at these positions, ascending."""
        ...

    def read(self, after: int, limit: int) -> list[Recorded]:
        """Events in order after a position."""
        ...

    def agents(self, wanted: Iterable[tuple[UUID, bytes]]) -> dict[tuple[UUID, bytes], int]:
        """The numbers of agent objects already sealed, by (subject, digest)."""
        ...

    def newest_agents(self, subjects: Iterable[UUID]) -> dict[UUID, int]:
        """The number of each subject's newest agent object; an erased subject has none."""
        ...

    def versions(self, streams: Iterable[UUID]) -> dict[UUID, int]:
        """The latest version of each stream that exists."""
        ...


@dataclass(frozen=True, slots=True)
class ViewKey:
    """A row of a report: who, at what, in which registration (empty: none)."""

    subject: UUID
    activity: str
    registration: str


@dataclass(slots=True)
class ViewRow:
    """What a view keeps for a key: times in microseconds, groupings, and the fold's facts."""

    key: ViewKey
    first_at_us: int
    last_at_us: int
    groupings: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ViewFilter:
    """Which rows of a report."""

    subjects: tuple[UUID, ...] | None = None
    without: frozenset[UUID] = frozenset()
    activity: str | None = None
    cohort: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    after: tuple[str, str, str] | None = None  # activity, registration, subject hex
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of a view and how far it has folded the log. One of them is live and answers."""

    view: str
    number: int
    position: int


class ViewWriter(Protocol):
    """One transaction over generations of views, with the tombstones locked against erasures."""

    def load(self, of: Generation, keys: Iterable[ViewKey]) -> dict[ViewKey, ViewRow]:
        """The rows that are there."""
        ...

    def store(self, of: Generation, rows: Iterable[ViewRow]) -> None:
        """Write rows, over what was there."""
        ...

    def remove(self, of: Generation, keys: Iterable[ViewKey]) -> None:
        """Take rows out."""
        ...

    def tombstones(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Which of these subjects are erased."""
        ...

    def alarm(self, position: int, code: str) -> None:
        """Keep that an event could not be folded."""
        ...


class Views(Protocol):
    """The report views of one tenant: disposable, rebuilt from the log."""

    def live(self, view: str) -> Generation:
        """The generation that answers; a view never written has number 1 at position 0."""
        ...

    def write(self, generations: Sequence[Generation], end: int) -> AbstractContextManager[ViewWriter]:
        """A transaction that moves the generations' tracking to ``end``. RecordConflictError when one of them
        is no longer where the caller saw it: another runner was faster."""
        ...

    def begin(self, view: str) -> Generation:
        """A new, empty generation beside the live one; what an unfinished one left is dropped."""
        ...

    def swap(self, new: Generation) -> bool:
        """Make the new generation the live one and drop the old; True when both held the same rows.
        RecordConflictError while they are not at the same position."""
        ...

    def select(self, views: tuple[str, str], wanted: ViewFilter) -> list[tuple[ViewRow, ViewRow]]:
        """Rows of two live views side by side, ordered by activity, registration, subject."""
        ...

    def dump(self, of: Generation) -> Iterator[tuple[Any, ...]]:
        """Every row in canonical order: equal dumps are equal views."""
        ...

    def alarms(self) -> int:
        """How many events could not be folded."""
        ...


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A line of the list of data-subject requests."""

    id: UUID
    kind: str
    status: str
    requested_at: datetime


class Requests(Protocol):
    """The work list of data-subject requests and the sealed packages of exports."""

    def list(self, *, limit: int = 100, after: UUID | None = None) -> list[RequestRow]:
        """Requests, newest first."""
        ...

    def claim(self, request: UUID | None, now: datetime, *, seconds: int) -> UUID | None:
        """An unfinished request that nobody works on (or this very one), claimed for that long; None: none."""
        ...

    def hold(self, request: UUID, until: datetime) -> None:
        """Keep a claimed request claimed until then; now: others may take it up."""
        ...

    def put_part(self, request: UUID, subject: UUID, part: int, sealed: Sealed) -> None:
        """Keep one sealed part of a package."""
        ...

    def parts(self, request: UUID) -> Iterator[tuple[UUID, int, Sealed]]:
        """The parts of a package in order: (subject, number, sealed)."""
        ...

    def drop_package(self, request: UUID) -> None:
        """Remove what an interrupted export left."""
        ...


@dataclass(frozen=True, slots=True)
class Purged:
    """What an erasure took out of a tenant's live store, and what is left (all zero when it is done)."""

    removed: Mapping[str, int]
    left: Mapping[str, int]


class TenantStore(Protocol):
    """All of one tenant: its recorder for the event-sourced application, and what is read beside it."""

    @property
    def tenant(self) -> str:
        """The tenant's name."""
        ...

    @property
    def recorder(self) -> ProcessRecorder:
        """The log. ``insert_events`` takes ``index``, ``fence_sequence``, ``agents`` and ``requests`` too."""
        ...

    @property
    def statements(self) -> Statements:
        """The statement index."""
        ...

    @property
    def views(self) -> Views:
        """The report views."""
        ...

    @property
    def requests(self) -> Requests:
        """Data-subject requests."""
        ...

    def purge(self, subject: UUID, sequence: int) -> Purged:
        """Remove everything about a subject outside the log, leave a tombstone, note the fence's sequence in
        the head so that an append resolved earlier rolls back; idempotent."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


# --- the control store ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as the control store lists it."""

    id: UUID
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential as the control store looks it up."""

    id: UUID
    tenant: str
    key: str
    secret_sha256: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked: bool


class ControlStore(Protocol):
    """What is looked up before the tenant is known. Its recorder takes ``tenants`` and ``credentials`` rows,
    and ``departed``, the names of tenants that left."""

    @property
    def recorder(self) -> ProcessRecorder:
        """The log of tenants and credentials."""
        ...

    def fence(self) -> int:
        """Moves with every change; what was cached under an older value is void."""
        ...

    def tenants(self) -> list[TenantRow]:
        """Tenants that are served, by name."""
        ...

    def tenant(self, name: str) -> TenantRow | None:
        """One of them."""
        ...

    def credential(self, key: str) -> CredentialRow | None:
        """A credential by its public key, revoked or not."""
        ...

    def credentials(self, tenant: str) -> list[CredentialRow]:
        """A tenant's credentials, oldest first."""
        ...


class Stores(Protocol):
    """Where the stores of tenants come from."""

    def create(self, tenant: str) -> None:
        """Make the place for a tenant's records; again: nothing."""
        ...

    def open(self, tenant: str) -> TenantStore:
        """A tenant's store. StoreUnavailable when it is not there."""
        ...

    def remove(self, tenant: str) -> None:
        """Remove a deleted tenant's store."""
        ...
