"""What is looked up before the tenant is known."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from eventsourcing.persistence import ProcessRecorder

from lrs.ports.logs import EventLog


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

    @property
    def log(self) -> EventLog:
        """The same as rows, for backups."""
        ...

    @property
    def fence_is_near(self) -> bool:
        """Whether reading the fence takes microseconds and waits for nobody: then an event loop may do it."""
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

    def scopes(self, tenant: str, ids: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
        """The scopes of these credentials of a tenant, revoked ones too; what is none of them is absent."""
        ...

    def restore(self, tenants: Sequence[TenantRow], credentials: Sequence[CredentialRow]) -> None:
        """Put these rows in the place of all that are there; the head is where the log ends, the fence moves, and
        nobody holds a lease."""
        ...

    def lease(self, name: str, holder: str, now: datetime, *, seconds: int) -> bool:
        """Whether this holder has the lease of that name for so long: nobody else had it, or theirs ran out."""
        ...

    def give_up(self, name: str, holder: str) -> None:
        """Let go of a lease before it runs out."""
        ...
