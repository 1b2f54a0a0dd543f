"""Epochs of the vault: what a close says of them."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ClosedEpoch:
    """An epoch that was closed, and how far that has come."""

    epoch: int
    sequence: int  # the ledger's last entry that it holds
    closed_at: datetime
    provider: str | None = None
    destruction_seconds: int | None = None
    destroyed_at: datetime | None = None
    certified_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.certified_at is not None


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What moved to the next epoch: of tenants of which nothing had been destroyed, their own keys alone."""

    tenants: int = 0
    tenants_changed: int = 0
    keys: int = 0
    identifiers: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the epochs stand."""

    epoch: int
    closed: tuple[ClosedEpoch, ...] = field(default=())
    destroyed_since: int = 0  # entries of the ledger since the last close
    oldest_at: datetime | None = None  # of these entries

    @property
    def unfinished(self) -> tuple[ClosedEpoch, ...]:
        """Closed ones with something left to do."""
        return tuple(one for one in self.closed if not one.finished)
