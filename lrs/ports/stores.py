"""All of one tenant, and where the stores of tenants come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from eventsourcing.persistence import ProcessRecorder

from lrs.ports.documents import Documents
from lrs.ports.expiry import Expiry
from lrs.ports.filling import Filling
from lrs.ports.requests import Requests
from lrs.ports.statements import Statements
from lrs.ports.views import Views


@dataclass(frozen=True, slots=True)
class Purged:
    """What an erasure took out of a tenant's live store, and what is left (all zero when it is done)."""

    removed: Mapping[str, int]
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reads:
    """What queries and reports are answered from; as old as its own head says."""

    statements: Statements
    views: Views


class TenantStore(Protocol):
    """All of one tenant: its recorder for the event-sourced application, and what is read beside it."""

    @property
    def tenant(self) -> str:
        """The tenant's name."""
        ...

    @property
    def recorder(self) -> ProcessRecorder:
        """The log. ``insert_events`` takes ``index``, ``fence_sequence``, ``agents``, ``requests``, ``documents``
        and ``documents_gone`` too."""
        ...

    @property
    def statements(self) -> Statements:
        """The statement index."""
        ...

    @property
    def documents(self) -> Documents:
        """The document index, always the newest: who stored a document reads it."""
        ...

    @property
    def views(self) -> Views:
        """The report views."""
        ...

    @property
    def reads(self) -> "Reads":
        """Statements and views for who only reads: from a stand-by, where there is one."""
        ...

    @property
    def requests(self) -> Requests:
        """Data-subject requests."""
        ...

    @property
    def filling(self) -> Filling:
        """Filling all that stands beside the log from the log."""
        ...

    @property
    def expiry(self) -> Expiry:
        """The index after keys that expired."""
        ...

    def purge(self, subject: UUID, sequence: int) -> Purged:
        """Remove everything about a subject outside the log, leave a tombstone, note the fence's sequence in
        the head so that an append resolved earlier rolls back; idempotent."""
        ...

    def confirm(self) -> None:
        """What was read before is as safe as a commit that was acknowledged, on a stand-by too."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a store says of itself: tenants whose events the service may change; those of which the login of its
    connections may when it lets go of the service's role; how physical archives are made."""

    may_change: tuple[str, ...] = ()
    login_may_change: tuple[str, ...] = ()
    archive_mode: str | None = None


class Stores(Protocol):
    """Where the stores of tenants come from."""

    def inspect(self, tenants: Sequence[str]) -> Inspected:
        """Who may do what there."""
        ...

    def create(self, tenant: str) -> None:
        """Make the place for a tenant's records; again: nothing."""
        ...

    def open(self, tenant: str) -> TenantStore:
        """A tenant's store. StoreUnavailable when it is not there."""
        ...

    def forget(self) -> None:
        """Tenants have changed: one of a known name may be another now, with a store of its own."""
        ...

    def remove(self, tenant: str) -> None:
        """Remove a deleted tenant's store."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
