"""The place that a backup is brought back to, and what the escrow says. Every step of it may be taken again."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from uuid import UUID

from lrs.ports.blobs import Blobs
from lrs.ports.logs import EventLog


class EscrowedKey(Protocol):
    """What a slot of the escrow holds. No key: it was destroyed."""

    @property
    def vault(self) -> str:
        """Whose it is."""
        ...

    @property
    def epoch(self) -> int:
        """Of which epoch."""
        ...

    @property
    def key(self) -> bytes | None:
        """The epoch's key."""
        ...

    @property
    def public_key(self) -> bytes:
        """Of the key that signs the installation's manifests."""
        ...


class OpenedEscrow(Protocol):
    """An escrow, for whoever has an identity."""

    def slots(self) -> Sequence[EscrowedKey]:
        """Those that there are. BackupInvalid, StoreUnavailable."""
        ...

    def ledger(self) -> Sequence[bytes]:
        """The ledger's entries in order. BackupInvalid where the chain is broken, StoreUnavailable."""
        ...

    def hash_of(self, entry: bytes) -> str:
        """The hash that an entry bears."""
        ...


class RestoredTenant(Protocol):
    """A tenant of the restored control store."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...


class RestoreTarget(Protocol):
    """An installation in the making. Stores are to be asked for after the vault is there."""

    def check_empty(self) -> None:
        """NotEmpty unless store, vault and key directory are."""
        ...

    def note(self) -> bytes | None:
        """What was noted of a restore, finished or not."""
        ...

    def write_note(self, content: bytes) -> None:
        """Note it, durably; with the first note the place is not empty any more."""
        ...

    def make_keys(self, vault: str, epoch: int, key: bytes) -> None:
        """Wrap the epoch's key under this place's root, which is made where there is none."""
        ...

    def load_vault(self, vault: str, epoch: int, chunks: Iterable[bytes]) -> None:
        """The vault out of a snapshot. BackupInvalid for one of another vault or epoch, or that is not whole."""
        ...

    def replay(self, entries: Sequence[bytes]) -> int:
        """The ledger's mirror out of its entries, and every destruction that the vault does not know carried out
        again; how many."""
        ...

    @property
    def blobs(self) -> Blobs:
        """Where blobs are put back."""
        ...

    def control(self) -> EventLog:
        """The control store's log."""
        ...

    def fill_control(self) -> None:
        """The control store's rows out of its log."""
        ...

    def tenants(self) -> Sequence[RestoredTenant]:
        """Those of the control store."""
        ...

    def is_alive(self, tenant: str) -> bool:
        """Whether it has keys: one that left after the last run is in the control store's log all the same."""
        ...

    def let_go(self, tenant: str) -> None:
        """Carry out again that a tenant left."""
        ...

    def log(self, tenant: str) -> EventLog:
        """A tenant's log; its store is made where it is missing."""
        ...

    def fill(self, tenant: str, progress: Callable[[int, int], None]) -> int:
        """Everything that stands beside a tenant's log, out of it; how many of its events do not open although
        their keys live. Views come by themselves, later."""
        ...
