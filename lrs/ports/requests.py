"""The work list of data-subject requests and the sealed packages of exports."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from lrs.domain.sealing import Sealed


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
