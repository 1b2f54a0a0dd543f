"""Deleting all documents that belong together, a transaction's worth after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from uuid import UUID

from eventsourcing.persistence import RecordConflictError

from lrs.documenting.changes import deletion
from lrs.documenting.owners import Owners
from lrs.documenting.reading import pages
from lrs.documenting.writing import BUSY, CONFLICTS_MAX, CROWDED, OUTAGES
from lrs.domain.documents import Context
from lrs.domain.errors import Overloaded, SubjectBusy
from lrs.ports import StaleFence, TenantStore, Vault
from lrs.recording.groups import OUTAGE_SECONDS_MAX, outage
from lrs.recording.recorder import BUSY_SECONDS_MAX
from lrs.tenancy import Tenants

_BUSY_PAUSE_SECONDS = 0.02
_OUTAGE_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class DocumentClearer:
    """Deletes the documents of a context."""

    tenants: Tenants
    vault: Vault
    owners: Owners

    def delete_all(self, tenant: str, context: Context, authority: UUID) -> None:
        """Delete all documents of a context, of every registration where it names none. SubjectBusy, Overloaded,
        StoreUnavailable, KeyStoreUnavailable: some may be deleted then, and asking again goes on."""
        while _until_done(lambda: self._delete_some(self.tenants.store(tenant), context, authority)):
            pass

    def _delete_some(self, store: TenantStore, context: Context, authority: UUID) -> bool:
        """One transaction's worth; whether there may be more."""
        reading = self.vault.read(store.tenant)
        owner = self.owners.known(store.tenant, reading, context)
        if owner in reading.erasing:
            raise SubjectBusy(BUSY)
        rows = None if owner is None else next(pages(store, reading, owner, context), None)
        if rows:
            ended = [deletion(row, authority) for row in rows]
            self.tenants.application_of(store).append(
                [event for _, event in ended],
                documents_gone=[gone for gone, _ in ended],
                fence_sequence=reading.sequence,
            )
        return bool(rows)


def _until_done(attempt: Callable[[], bool]) -> bool:
    """Attempt until it is done or refused; what others did meanwhile is a reason to look again, an erasure and a
    store that does not answer are worth waiting for a while."""
    began, conflicts = monotonic(), 0
    while conflicts < CONFLICTS_MAX:
        try:
            return attempt()
        except (StaleFence, RecordConflictError):
            conflicts += 1
        except SubjectBusy:
            if monotonic() - began > BUSY_SECONDS_MAX:
                raise
            sleep(_BUSY_PAUSE_SECONDS)
        except OUTAGES as error:
            if monotonic() - began > OUTAGE_SECONDS_MAX:
                raise outage(error) from error
            sleep(_OUTAGE_PAUSE_SECONDS)
    raise Overloaded(CROWDED)
