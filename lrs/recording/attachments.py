"""Attachments that are being recorded: blobs are kept before the event that names them.

1. Each file was spooled while it came in, sealed under a key of its own (``ports.blobs``).
2. It is kept once for each owner that cites it: equal files of two people are two blobs with nothing in common.
3. Planning seals each blob's key for the owners of its statement's body; the key of a signature, which repeats the
   whole statement, for everybody named in it together: it dies with the first of them.
4. If the event is refused, or turns out to be stored already, the new blobs are removed. What a crash leaves is
   found by the sweep (``retention.sweeping``).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from lrs.attachments import key_place, pack_key
from lrs.domain.agents import Identifier
from lrs.domain.attachments import attachments_of, hash_of, is_signature
from lrs.domain.errors import LimitExceeded, StoreUnavailable, code_of
from lrs.domain.events import AttachedBlob, BlobName
from lrs.domain.sealing import Category, Slot
from lrs.ports import Blobs, Kept, Reading, Spool
from lrs.recording.drafts import Attached, Draft
from lrs.tenancy import Tenants

log = logging.getLogger("lethe.recording")

# Each is a file that is synced to the disk, some milliseconds, while its sender waits.
BLOBS_MAX = 2_000


@dataclass(slots=True)
class Keeping:
    """Keeps the files of one request as blobs, as often as different owners cite them."""

    tenant: str
    spools: Mapping[str, Spool]
    bytes_max: int
    kept: list[BlobName] = field(default_factory=list)
    _by_owners: dict[tuple[str, frozenset[Identifier]], Kept] = field(default_factory=dict)
    _bytes: int = 0

    def attach(self, draft: Draft, statement: Mapping[str, Any]) -> Draft:
        """The draft with the blobs of its statement, on the disk. LimitExceeded, StoreUnavailable."""
        owners = frozenset(draft.parts.mentions[index].identifier for index in draft.parts.owners)
        attached: dict[str, Attached] = {}
        for _, one in attachments_of(statement):
            sha2 = hash_of(one)
            if sha2 in self.spools and sha2 not in attached:
                signs = is_signature(one)
                kept = self._keep(sha2, None if signs else owners)
                attached[sha2] = Attached(kept, sha2, one["contentType"], self.spools[sha2].size, signs)
        return draft._replace(attachments=tuple(attached.values()))

    def _keep(self, sha2: str, owners: frozenset[Identifier] | None) -> Kept:
        """One that these owners share, or with None a new one."""
        if owners is not None and (found := self._by_owners.get((sha2, owners))):
            return found
        if len(self.kept) >= BLOBS_MAX:
            raise LimitExceeded(f"more than {BLOBS_MAX} attachments, once for each owner")
        spool = self.spools[sha2]
        self._bytes += spool.size
        if self._bytes > self.bytes_max:
            raise LimitExceeded(f"the attachments, once for each owner, are larger than {self.bytes_max} bytes")
        kept = spool.keep(self.tenant)
        self.kept.append(kept.name)
        if owners is not None:
            self._by_owners[sha2, owners] = kept
        return kept


def remove_unnamed(tenants: Tenants, blobs: Blobs, tenant: str, names: Sequence[BlobName]) -> None:
    """Remove those of these blobs that no statement names. The caller knows that none is about to."""
    named = tenants.store(tenant).statements.named_blobs(names)
    blobs.remove(tenant, [name for name in names if name not in named])


def remove_all(blobs: Blobs, tenant: str) -> None:
    """Remove all blobs of a tenant that has left. Its keys are gone, so what can not be removed is noise."""
    try:
        blobs.remove(tenant, (one.name for one in blobs.list(tenant)))
    except StoreUnavailable as error:
        log.warning("blobs of a departed tenant are left: tenant=%s %s", tenant, code_of(error))


def slots_of(
    draft: Draft, owners: Sequence[UUID], subject: Callable[[Identifier], UUID], period: str
) -> Iterator[Slot]:
    """The keys that its attachments need."""
    for attached in draft.attachments:
        for one in _owners(attached, draft, owners, subject):
            yield Slot(one, Category.ATTACHMENTS, period)


def sealed_blobs(
    reading: Reading, draft: Draft, owners: Sequence[UUID], subject: Callable[[Identifier], UUID], period: str
) -> tuple[AttachedBlob, ...]:
    """What the event says of its blobs."""
    return tuple(
        AttachedBlob(
            one.kept.name,
            one.kept.sha256,
            one.kept.size,
            reading.seal(
                _owners(one, draft, owners, subject),
                Category.ATTACHMENTS,
                period,
                key_place(draft.id, number),
                pack_key(one.kept.key, one.sha2, one.content_type, one.length),
                all_of=one.signs,
            ),
        )
        for number, one in enumerate(draft.attachments)
    )


def _owners(
    attached: Attached, draft: Draft, owners: Sequence[UUID], subject: Callable[[Identifier], UUID]
) -> Sequence[UUID]:
    if not attached.signs:
        return owners
    return list(dict.fromkeys([*owners, *(subject(one.identifier) for one in draft.parts.mentions)]))
