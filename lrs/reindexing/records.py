"""Statements and exchanges that were opened again, as the index rows that recording made of them.

A row is a function of the event, of what became of its owners' keys, and of what the credential that sent it may
read. So an expiry works rows out again by this, too, and a rebuilt index is the index that there was.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from lrs.application import HOT_EVENTS
from lrs.attachments import key_place
from lrs.domain.events import ExchangeRecorded, StatementRecorded, StatementWithAttachments
from lrs.domain.filters import EXACT, SENDER, terms_of
from lrs.domain.people import is_exact, owners_among
from lrs.domain.sealing import Corrupt, Expired, Fate
from lrs.domain.statements import referred_target
from lrs.opening import Opened, Opener
from lrs.ports import BlobRow, IndexRow, Recorded, TenantStore, Vault
from lrs.recording.indexing import exchange_row, statement_row
from lrs.sealed_bodies import Body

# Which of these credentials of a tenant may read nothing but what they sent themselves.
SeeingOnlyOwn = Callable[[str, Collection[UUID]], frozenset[UUID]]
# Opened bodies that are held at once (``Opener.each``).
_TOGETHER = 250


@dataclass(slots=True)
class Found:
    """What became of one statement or exchange. No row: nothing finds it any more."""

    opened: Opened
    row: IndexRow | None
    blobs: Sequence[BlobRow] = ()

    @property
    def corrupt(self) -> bool:
        """Whether it should have opened, and did not."""
        return isinstance(self.opened.outcome, Corrupt)


@dataclass(frozen=True, slots=True)
class Records:
    """Makes rows for tenants."""

    vault: Vault
    opener: Opener
    only_own: SeeingOnlyOwn

    def found(self, store: TenantStore, recorded: Sequence[Recorded]) -> Iterator[Found]:
        """The statements and exchanges among these, in order. KeyStoreUnavailable."""
        hot = [one for one in recorded if one.topic in HOT_EVENTS]
        for start in range(0, len(hot), _TOGETHER):
            yield from self._found(store, hot[start : start + _TOGETHER])

    def _found(self, store: TenantStore, hot: Sequence[Recorded]) -> Iterator[Found]:
        opened = list(self.opener.each(store, hot, inside=True))
        senders = self.only_own(store.tenant, {one.event.authority for one in opened})
        shared = [one for one in opened if one.body is not None and len(owners_among(one.body.paths)) > 1]
        fates = self.vault.fates(store.tenant, [one.event.body for one in shared])
        of_owners = {one.recorded.position: found for one, found in zip(shared, fates, strict=True)}
        for one in opened:
            row = self._row(store, one, of_owners.get(one.recorded.position, ()), senders)
            yield Found(one, row, self._blobs(store, one) if row is not None else ())

    def _row(
        self, store: TenantStore, one: Opened, fates: Sequence[Fate], senders: frozenset[UUID]
    ) -> IndexRow | None:
        if isinstance(one.outcome, Corrupt):
            return _row_of_damage(store, one)
        if one.body is None or (fates and Fate.LIVING not in fates):  # the last key died just now
            return None
        owners = self._owners(store, one, one.body)
        if isinstance(one.event, ExchangeRecorded):
            return exchange_row(store.statements.term, owners)
        content, people = one.body.content, one.event.people
        terms = terms_of(content)
        if one.event.authority in senders:
            terms = (*terms, (SENDER, one.event.authority.hex))
        return statement_row(
            store.statements.term,
            owners,
            [(subject, is_exact(path)) for (subject, _), path in zip(people, one.body.paths, strict=True)],
            terms,
            voids=one.event.voids,
            refers=referred_target(content),
            erased=[owner for owner, fate in zip(owners, fates, strict=False) if fate is Fate.ERASED],
            expired=[owner for owner, fate in zip(owners, fates, strict=False) if fate is Fate.EXPIRED],
        )

    def _owners(self, store: TenantStore, one: Opened, body: Body) -> list[UUID]:
        people = one.event.people
        owners = dict.fromkeys(people[index][0] for index in owners_among(body.paths))
        return list(owners) or [self.vault.tenant_subject(store.tenant)]

    def _blobs(self, store: TenantStore, one: Opened) -> list[BlobRow]:
        """The blobs that the statement names and whose keys have not expired."""
        event = one.event
        if not isinstance(event, StatementWithAttachments):
            return []
        items = [(key_place(event.originator_id, at), blob.key) for at, blob in enumerate(event.blobs)]
        outcomes = self.vault.open_many(store.tenant, items, inside=True)
        return [
            BlobRow(blob.name, event.originator_id)
            for blob, outcome in zip(event.blobs, outcomes, strict=True)
            if not isinstance(outcome, Expired)
        ]


def _row_of_damage(store: TenantStore, one: Opened) -> IndexRow | None:
    """What is damaged is still met by whoever asks for everything, or for anybody in it, and is an alarm to them:
    left out, it would pass for erased."""
    if not isinstance(one.event, StatementRecorded):
        return None
    subjects = dict.fromkeys(subject for subject, _ in one.event.people)
    term = store.statements.term
    return IndexRow(tuple([term(EXACT, subject.hex) for subject in subjects]), 1)
