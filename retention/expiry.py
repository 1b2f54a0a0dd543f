"""Expiring what a tenant keeps no longer, in numbered steps. Each may be done again, so a crash anywhere is
resumed by the next run: what the ledger says, the store follows.

1. By the tenant's policy: of which categories, periods are over for so many days that their keys are to go.
2. Vault: ledger entry (mirror first), the keys of a period destroyed, some an entry; the fence moves. The entry
   marks the tenant for the end of the epoch.
3. Store: the head learns the fence's sequence, so that an append resolved earlier rolls back; so do projectors
   that had opened something before.
4. Views: rows that expired statements had a part in are folded again, from what is left.
5. Index: statements and exchanges that nobody can open any more leave it, with the names of their blobs; those
   that another owner's key still opens stay. Ids stay reserved, what was voided stays voided.
6. The store has followed the ledger up to here.

What is received is sealed under the period in which it is received, and a period is not over before its end: so
nothing is sealed under keys that this destroys, but by whoever slept since, and is refused in step 3.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.persistence import RecordConflictError

from lrs.domain.errors import StoreUnavailable
from lrs.domain.events import ExchangeRecorded, HotEvent, StatementWithAttachments
from lrs.domain.filters import EXCHANGE_OWNER, OBJECT
from lrs.domain.policies import EXPIRING
from lrs.domain.sealing import EXPIRED, Category
from lrs.opening import Opener, decoded
from lrs.ports import Clock, Expired, Recorded, TenantStore, Vault, ViewKey
from lrs.projections.refolding import fold_again
from lrs.projections.runner import VIEWS
from lrs.reindexing.records import Records
from lrs.tenancy import Tenants

_EVENTS_READ = 1_000
_SUBJECTS_ASKED = 500
# Erasures may come between; each time what they changed is looked at again.
_ATTEMPTS_MAX = 50
Kids = frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Due:
    """A category's period that a tenant keeps no longer: how many keys go, one a subject, and how many statements
    or exchanges (of attachments: statements that lose theirs) they seal."""

    tenant: str
    category: Category
    period: str
    keys: int
    records: int

    def facts(self) -> dict[str, Any]:
        """As it is shown."""
        return {
            "tenant": self.tenant,
            "category": self.category.value,
            "period": self.period,
            "subjects": self.keys,
            "keys": self.keys,
            "records": self.records,
        }


@dataclass(frozen=True, slots=True)
class Expirer:
    """Expires for tenants. ``reached`` hears the number of each step that is done, 2 after each entry."""

    tenants: Tenants
    vault: Vault
    opener: Opener
    records: Records
    clock: Clock
    reached: Callable[[int], None] = lambda _: None

    def due(self, tenant: str) -> list[Due]:
        """Step 1: what would go now. NotFound."""
        policy, now = self.tenants.policy(tenant), self.clock.now()
        over = [
            (category, period)
            for category in EXPIRING
            for period in self.vault.periods(tenant, category)
            if not policy.keeps(category, period, now)
        ]
        of = {kid: one for one in over for kid in self.vault.keys_of(tenant, *one)}
        keys, records = Counter(of.values()), self._counted(tenant, of)
        return [Due(tenant, *one, keys[one], records[one]) for one in over]

    def _counted(self, tenant: str, of: Mapping[bytes, tuple[Category, str]]) -> Counter[tuple[Category, str]]:
        counted: Counter[tuple[Category, str]] = Counter()
        if of:
            for stretch in _log(self.tenants.store(tenant)):
                for _, event in stretch:
                    counted.update({of[kid] for kid in self._kids(event) if kid in of})
        return counted

    def run(self, tenant: str) -> list[Due]:
        """What went now. NotFound; KeyStoreUnavailable, StoreUnavailable: some may have gone then, and the next
        run goes on."""
        due = self.due(tenant)
        self.reached(1)
        for one in due:
            for _ in self.vault.expire(tenant, one.category, one.period, self.clock.now()):
                self.reached(2)
        self._follow(self.tenants.store(tenant))
        return due

    # --- the store follows the ledger ------------------------------------------------------------------------

    def _follow(self, store: TenantStore) -> None:
        """Steps 3 to 6, for every entry that the store has not followed yet."""
        entries = self.vault.destructions(store.tenant, after=store.expiry.followed())
        expired = [one for one in entries if one.reason == EXPIRED]
        if not expired:
            return
        kids, sequence = frozenset(kid for one in expired for kid in one.kids), expired[-1].sequence
        store.expiry.learn(sequence)
        self.reached(3)
        self._fold_again(store, self._touched(store, kids))
        self.reached(4)
        erased: dict[int, frozenset[int]] = {}
        for stretch in self._sealed_under(store, kids):
            self._leave(store, stretch, erased)
        self.reached(5)
        store.expiry.follow(sequence)
        self.reached(6)

    def _touched(self, store: TenantStore, kids: Kids) -> dict[UUID, set[int]]:
        """Whose rows have to be folded again, and about what: terms, for what a statement was about is sealed."""
        touched: dict[UUID, set[int]] = {}
        for stretch in self._sealed_under(store, kids):
            about = store.expiry.objects([one.position for one, _ in stretch])
            for one, event in stretch:
                # The actor, whose row it is, is the first of the people.
                if (term := about.get(one.position)) is not None and event.people:
                    touched.setdefault(event.people[0][0], set()).add(term)
        return touched

    def _fold_again(self, store: TenantStore, touched: Mapping[UUID, set[int]]) -> None:
        subjects, term = list(touched), store.statements.term

        def is_touched(key: ViewKey) -> bool:
            return term(OBJECT, key.activity) in touched[key.subject]

        for view in VIEWS.values():
            for start in range(0, len(subjects), _SUBJECTS_ASKED):
                keys = store.views.keys(view.name, subjects[start : start + _SUBJECTS_ASKED])
                fold_again(store, self.opener, view, list(filter(is_touched, keys)))

    def _leave(
        self, store: TenantStore, stretch: list[tuple[Recorded, HotEvent]], erased: dict[int, frozenset[int]]
    ) -> None:
        """Step 5 for some of them. An erasure in between changes who owns what: then it is looked at again.
        ``erased`` is what is known of terms, by the head's sequence."""
        for _ in range(_ATTEMPTS_MAX):
            sequence = store.statements.head().erasure_sequence
            if sequence not in erased:
                erased[sequence] = self.records.erased_terms(store)
            expired = list(self._expired(store, stretch, erased[sequence]))
            try:
                return store.expiry.replace(expired, sequence)
            except RecordConflictError:
                continue
        raise StoreUnavailable("erasures keep coming in between: try again")

    def _expired(
        self, store: TenantStore, stretch: list[tuple[Recorded, HotEvent]], erased: frozenset[int]
    ) -> Iterator[Expired]:
        """What is to become of their rows."""
        term = store.statements.term
        for found in self.records.found(store, [one for one, _ in stretch], erased):
            event = found.opened.event
            learners = event.people if isinstance(event, ExchangeRecorded) else ()
            terms = tuple([term(EXCHANGE_OWNER, subject.hex) for subject, _ in learners])
            yield Expired(found.opened.recorded.position, terms, found.indexed, found.blobs)

    # --- the log ---------------------------------------------------------------------------------------------

    def _sealed_under(self, store: TenantStore, kids: Kids) -> Iterator[list[tuple[Recorded, HotEvent]]]:
        """Statements and exchanges of which one of these keys was an owner's, some at a time."""
        for stretch in _log(store):
            if found := [pair for pair in stretch if not kids.isdisjoint(self._kids(pair[1]))]:
                yield found

    def _kids(self, event: HotEvent) -> Iterable[bytes]:
        """The keys of its body's owners, and of its attachments'."""
        kids = self.vault.kids(event.body)
        if isinstance(event, StatementWithAttachments):
            return (*kids, *(kid for blob in event.blobs for kid in self.vault.kids(blob.key)))
        return kids


def _log(store: TenantStore) -> Iterator[list[tuple[Recorded, HotEvent]]]:
    """All statements and exchanges, some at a time."""
    after = 0
    while recorded := store.statements.read(after, _EVENTS_READ):
        after = recorded[-1].position
        yield [(one, event) for one in recorded if (event := decoded(one)) is not None]
