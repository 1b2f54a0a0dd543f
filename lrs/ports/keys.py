"""The vault: keys, people and seals."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from lrs.domain.agents import Identifier
from lrs.domain.kept_heads import KeptHead
from lrs.domain.sealing import Category, Destroyed, Fate, Outcome, Part, Place, Sealed, Slot
from lrs.domain.subjects import Standing


class StaleFence(Exception):
    """The fence moved since the reading that this work was based on: read it again and resolve afresh."""


class Bearing(NamedTuple):
    """Where a vault stands: its id, the present epoch, how many destructions there were and the last one's hash
    (empty: none)."""

    vault: str
    epoch: int
    ledger_length: int
    ledger_hash: str


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

    @property
    def erasing(self) -> frozenset[UUID]:
        """Those among them about whom nothing may be written either."""
        ...

    def lookup(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subjects that these identifiers are known to name; unknown ones are absent."""
        ...

    def enrol(self, identifiers: Iterable[Identifier]) -> dict[Identifier, UUID]:
        """The subject of every identifier; unknown ones get a new random subject. StaleFence; SubjectSuppressed,
        and nobody gets one, where one of these is refused."""
        ...

    def suppressed(self, identifiers: Iterable[Identifier]) -> frozenset[Identifier]:
        """Those of these that were an erased person's who is refused now."""
        ...

    def enter(self, subject: UUID, identifier: Identifier) -> None:
        """One identifier more leads to the subject; again: nothing. IdentifierTaken where it, in any form, leads
        to another; SubjectSuppressed; StaleFence, also for a subject being erased."""
        ...

    def ensure(self, slots: Iterable[Slot]) -> None:
        """See that these data keys exist, in one transaction. StaleFence, also for a subject being erased."""
        ...

    def seal(
        self,
        owners: Sequence[UUID],
        category: Category,
        period: str,
        place: Place,
        data: bytes,
        *,
        all_of: bool = False,
    ) -> Sealed:
        """``data`` sealed so that the key of any one owner opens it, or with ``all_of`` only those of all
        together. StaleFence."""
        ...

    def seal_all(self, parts: Sequence[Part]) -> list[Sealed]:
        """Each part sealed; cheaper than one by one. StaleFence."""
        ...

    def digest(self, subject: UUID, data: bytes) -> bytes:
        """16 bytes that stand for ``data`` as long as the subject's identity key lives. StaleFence."""
        ...

    def digests(self, items: Sequence[tuple[UUID, bytes]]) -> list[bytes]:
        """The digest of each (subject, data), of keys that are there: none is minted. StaleFence where one is not
        (any more)."""
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

    def open_many(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]], *, keep: bool = False, inside: bool = False
    ) -> list[Outcome]:
        """Each item's outcome, in order. The fence is read for every 500. With ``keep``, what opens is kept for
        whoever asks again while the fence stands. With ``inside``, for comparing and folding and never for an
        answer, only they are denied who are being erased."""
        ...

    def open_corrected(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]]
    ) -> tuple[list[Outcome], Mapping[UUID, int]]:
        """As with ``keep``, and by subject the version of the correction in force, which is known without
        asking."""
        ...

    def take(self, tenant: str, subjects: Sequence[UUID], step: Callable[[Standing], Standing]) -> list[Standing]:
        """A step of each of these subjects: all of them or, with the step's error, none. How they stand then. The
        fence moves if that changed. Who is not known is passed over."""
        ...

    def standings(self, tenant: str, subjects: Sequence[UUID]) -> list[Standing]:
        """How these stand now; who is not known is passed over."""
        ...

    def fates(self, tenant: str, items: Sequence[Sealed]) -> list[tuple[Fate, ...]]:
        """What became of the keys of each item's owners, in the order of the owners. KeyStoreUnavailable."""
        ...

    def destructions(self, tenant: str, after: int = 0) -> list[Destroyed]:
        """The ledger's entries of this tenant beyond a sequence, ascending; of one that departed and came again
        those since."""
        ...

    def destroyed(self, tenant: str, subject: UUID) -> Destroyed | None:
        """The ledger's entry of this subject's erasure, if it has one."""
        ...

    def dead(self, tenant: str, until: datetime) -> frozenset[bytes]:
        """The ids of all keys of the tenant that the ledger calls destroyed, up to then."""
        ...

    def begin_erasure(self, tenant: str, subject: UUID) -> None:
        """Deny reads and mint nothing more for the subject; idempotent. LegalHold."""
        ...

    def suppress(self, tenant: str, subject: UUID, until: datetime) -> None:
        """See that whoever comes with an identifier of this subject is refused until then. Only of somebody whose
        erasure has begun and whose keys are there still; of all others: nothing."""
        ...

    def suppressed_until(self, tenant: str, subject: UUID) -> datetime | None:
        """Until when, at the latest, digests of an erased subject's identifiers are kept; None: there are none."""
        ...

    def readmit(self, tenant: str, identifier: Identifier) -> int:
        """Forget the digests of an identifier, in every form; how many there were. NotFound for no tenant."""
        ...

    def destroy(self, tenant: str, subject: UUID, at: datetime) -> Destroyed:
        """Ledger entry (mirror first), then every key and directory row of the subject gone; idempotent."""
        ...

    def periods(self, tenant: str, category: Category) -> dict[str, int]:
        """How many keys of a category may expire, by period."""
        ...

    def keys_of(self, tenant: str, category: Category, period: str) -> Iterator[bytes]:
        """The ids of the keys of a period that may expire."""
        ...

    def expire(self, tenant: str, category: Category, period: str, at: datetime) -> Iterator[Destroyed]:
        """Destroy the keys of a period, some at a time: ledger entry (mirror first), then they are gone, then it
        is said. Whoever asks no further leaves the others. Idempotent."""
        ...

    def kids(self, sealed: Sealed) -> tuple[bytes, ...]:
        """The ids of the keys that open it; none where it is no envelope."""
        ...

    def identifier_kinds(self, tenant: str, subject: UUID) -> tuple[str, ...]:
        """Which kinds of identifier the directory knows the subject by."""
        ...

    def living_keys(self, tenant: str, subject: UUID) -> int:
        """How many data keys and directory rows of the subject there still are."""
        ...

    def bearing(self) -> Bearing:
        """Where it stands now. KeyStoreUnavailable."""
        ...

    def snapshot(self) -> Iterator[bytes]:
        """All that is in the vault, as it is now, for a backup: wrapped keys, which nothing but the present
        epoch's key opens. KeyStoreUnavailable."""
        ...

    def signed_head(self, tenant: str) -> KeptHead | None:
        """The highest head of a tenant's log that was signed; None before there is one. KeyStoreUnavailable."""
        ...

    def keep_signed_head(self, tenant: str, head: KeptHead) -> None:
        """Keep a head that was signed, unless a higher one is there. KeyStoreUnavailable."""
        ...

    def sign(self, tenant: str, message: bytes) -> bytes:
        """An Ed25519 signature by the tenant's signing key; of no tenant (an empty name): the installation's."""
        ...

    def public_key(self, tenant: str) -> bytes:
        """The raw Ed25519 public key that checks ``sign``."""
        ...
