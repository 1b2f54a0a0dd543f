"""Epochs of the vault: closing one makes every older copy of the vault noise."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from lrs.domain.epochs import Rewrapped, Standing

Progress = Callable[[int, int], None]


class ErasedSubject(NamedTuple):
    """Somebody who was erased, and the ledger's entry of it."""

    tenant: str
    subject: UUID
    sequence: int


class Epochs(Protocol):
    """The steps of a close, for whoever closes alone. Each may be done again."""

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else closes meanwhile. EpochBusy."""
        ...

    def standing(self) -> Standing:
        """Where they stand."""
        ...

    def prepare(self) -> None:
        """The next epoch's key is made: in its file, in the escrow."""
        ...

    def turn(self, at: datetime, progress: Progress) -> Rewrapped:
        """In one transaction everything goes over to the next epoch. EpochBusy when another was faster."""
        ...

    def check(self, epoch: int, progress: Progress) -> None:
        """A fresh snapshot opens with the key of the epoch after this one. VaultRefused."""
        ...

    def destroy(self, epoch: int, at: Callable[[], datetime]) -> None:
        """The key of a closed epoch is destroyed, everywhere, for ever."""
        ...

    def erased(self, epoch: int) -> Iterator[ErasedSubject]:
        """Who was erased in a closed epoch, of the tenants that there still are."""
        ...

    def certified(self, epoch: int, at: datetime) -> None:
        """Every erasure of it has its second certificate."""
        ...
