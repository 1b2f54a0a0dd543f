"""Reindexing one tenant: its log is walked once, a transaction a stretch.

1. The store takes note of the ledger: tombstones, and how far erasures have come. Where nothing was begun, its
   tables are emptied first; else it goes on after the last stretch that was written.
2. A stretch is read and opened in one go. Whoever is erased has no rows; what they voided stays voided, and their
   ids stay reserved, for the events are there. What is restricted or about to be erased is indexed as usual: it is
   left out when it is read. What is damaged is an alarm, and is named.
3. Rows and the place in the log go in with one transaction. StaleFence: somebody was erased meanwhile, so the
   stretch is opened again.
4. At the end: what statements are found by because of what they refer to, and nobody stands otherwise than the log
   can say (``standings``).

Packages of exports are not there again, and claims of requests have lapsed. Report views are not looked at: a view
that stands at the beginning of the log is brought up to its end by ``projections``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lrs.application import is_known_topic
from lrs.domain.events import StatementRecorded
from lrs.ports import Recorded, StaleFence, Stretch, TenantStore, Vault
from lrs.reindexing.beside import Beside
from lrs.reindexing.records import Records
from lrs.reindexing.standings import settle_standings
from lrs.tenancy import Tenants

# More of them save little time, and are kept in memory together.
STRETCH_EVENTS = 2_000
_ATTEMPTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What was done: how many events were walked, how many statements and exchanges are found, and the positions
    of damaged events. Of a reindexing that was taken up again, since then."""

    events: int
    found: int
    corrupt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reindexer:
    """Reindexes tenants whose control rows are there. Nobody else may be at work in their stores."""

    tenants: Tenants
    vault: Vault
    records: Records

    def reindex(
        self, tenant: str, progress: Callable[[int, int], None] = lambda *_: None, *, events: int = STRETCH_EVENTS
    ) -> Reindexed:
        """Fill the tenant's tables; ``progress`` hears (done, total) events, ``events`` are in a transaction.
        Again after a crash: it goes on; again after its end: from the start. KeyStoreUnavailable.
        """
        store = self.tenants.store(tenant)
        destroyed = self.vault.destructions(tenant)
        first = after = store.filling.begin(destroyed)
        end, found, corrupt = store.statements.head().position, 0, list[int]()
        erased = self.records.erased_terms(store)
        progress(after, end)
        while recorded := store.statements.read(after, events):
            stretch = self._stretch(store, recorded, erased)
            store.filling.write(after, stretch)
            after, found, corrupt = stretch.end, found + len(stretch.indexed), corrupt + stretch.corrupt
            progress(after, end)
        store.filling.finish(lambda: progress(after, end))
        settle_standings(self.vault, store)
        return Reindexed(after - first, found, tuple(corrupt))

    def _stretch(self, store: TenantStore, recorded: Sequence[Recorded], erased: frozenset[int]) -> Stretch:
        for _ in range(_ATTEMPTS_MAX):
            try:
                return self._attempt(store, recorded, erased)
            except StaleFence:
                continue
        raise StaleFence

    def _attempt(self, store: TenantStore, recorded: Sequence[Recorded], erased: frozenset[int]) -> Stretch:
        stretch = Stretch(recorded[-1].position)
        stretch.corrupt += [one.position for one in recorded if not is_known_topic(one.topic)]
        for found in self.records.found(store, recorded, erased):
            event = found.opened.event
            if found.corrupt:
                stretch.corrupt.append(found.opened.recorded.position)
            if isinstance(event, StatementRecorded) and event.voids is not None:
                stretch.voids.append((event.originator_id, event.voids))
            if found.indexed is not None:
                stretch.indexed.append(found.indexed)
                stretch.blobs += found.blobs
        reading = self.vault.read(store.tenant)
        application = self.tenants.application_of(store)
        beside = Beside(store, self.vault, application, reading, stretch.corrupt)
        stretch.agents = beside.agents(recorded)
        stretch.documents = beside.documents(recorded)
        stretch.requests = beside.requests(recorded)
        stretch.corrupt = sorted(set(stretch.corrupt))
        return stretch
