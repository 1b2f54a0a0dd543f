"""What is sealed, under which category of key, for which period, and what opening may answer.

Values only: how sealing is done is the vault's business. This file must not know ciphers or databases.
CATEGORY AND PERIOD NAMES ARE A KEY FORMAT: they are part of the additional data of every wrapped key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Category(StrEnum):
    """What a data key seals; one key a subject, category and period, so that one can die without another."""

    IDENTITY = "identity"
    LEARNING = "learning"
    DOCUMENTS = "documents"
    EXCHANGE = "exchange"
    ATTACHMENTS = "attachments"


# How much of the receipt date (UTC) names the period. Retention ends with the period, so exchanges, which are
# kept for months, are cut finer than statements, which are kept for years.
_PERIOD_FORMATS = {
    Category.IDENTITY: "",
    Category.LEARNING: "%Y",
    Category.DOCUMENTS: "",
    Category.EXCHANGE: "%Y-%m",
    Category.ATTACHMENTS: "%Y",
}
_DAY = "%Y-%m-%d"


def period_of(category: Category, received: datetime, *, daily: bool = False) -> str:
    """The period whose key seals what was received then: ``"2026"``, ``"2026-11"``, ``"2026-11-25"``, or ``""``
    for none."""
    return received.strftime(_DAY if daily else _PERIOD_FORMATS[category])


def end_of(period: str) -> datetime:
    """When a period was over: retention counts from then."""
    if period.count("-") == 2:
        return datetime.strptime(period, _DAY).replace(tzinfo=UTC) + timedelta(days=1)
    year, month = (int(part) for part in (*period.split("-"), "12")[:2])
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


class Slot(NamedTuple):
    """The place of one data key: a subject's key of a category for a period."""

    subject: UUID
    category: Category
    period: str = ""


class Place(NamedTuple):
    """Where a sealed part lives. It is bound into the seal, so a part moved elsewhere does not open."""

    stream: UUID
    version: int
    part: str
    topic: str


class Part(NamedTuple):
    """What is to be sealed, and where it will lie. The key of any one owner opens it, or it takes those of all."""

    owners: Sequence[UUID]
    category: Category
    period: str
    place: Place
    data: bytes
    all_of: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ciphertext in its envelope. Only a vault makes one, so storing unsealed content is a type error."""

    envelope: bytes


@dataclass(frozen=True, slots=True)
class Plain:
    """It opened: here is what was sealed."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Denied:
    """The key lives, but the fence forbids reading: an erasure is under way, or reading is restricted."""


@dataclass(frozen=True, slots=True)
class Erased:
    """The key was destroyed by an erasure, and the ledger says so."""


@dataclass(frozen=True, slots=True)
class Expired:
    """The key was destroyed because its retention ended, and the ledger says so."""


@dataclass(frozen=True, slots=True)
class Corrupt:
    """It does not open and the ledger does not say why. An alarm, never taken for an erasure."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The vault could not be asked. Nothing is known; the caller answers 503."""


Outcome = Plain | Denied | Erased | Expired | Corrupt | Unavailable


@dataclass(frozen=True, slots=True)
class Destroyed:
    """One entry of the ledger: whose keys died, why, and where the fence stands since."""

    sequence: int
    tenant: str
    subject: UUID
    reason: str  # "erased", "expired" or "departed"
    kids: tuple[bytes, ...]


ERASED = "erased"
EXPIRED = "expired"


class Fate(StrEnum):
    """What became of a key that a seal names."""

    LIVING = "living"
    ERASED = "erased"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # it is nowhere, and no destruction of it is recorded: an alarm
