"""The recorder: one group of requests becomes one transaction, and each request gets its own answer."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from uuid import UUID
from weakref import WeakKeyDictionary

from eventsourcing.persistence import InterfaceError, OperationalError, RecordConflictError

from lrs.domain.agents import Identifier
from lrs.domain.errors import (
    ExchangeConflict,
    KeyStoreUnavailable,
    StatementConflict,
    SubjectBusy,
    SubjectSuppressed,
)
from lrs.domain.policies import Policy
from lrs.domain.sealing import Category
from lrs.opening import Opener
from lrs.ports import Clock, Reading, Recorded, StaleFence, TenantStore, Vault
from lrs.recording.drafts import Draft
from lrs.recording.groups import GroupCommit, Submission, fail_all, outage
from lrs.recording.planning import Planner
from lrs.recording.settling import Settler
from lrs.tenancy import Tenants

# How long a write about a person waits for that person's erasure to finish, before 503.
BUSY_SECONDS_MAX = 5.0
_OUTAGE_PAUSE_SECONDS = 0.2
_OUTAGES = (OperationalError, InterfaceError, KeyStoreUnavailable)
# The fence may move and ids may collide while a group is written; each time it starts afresh.
_ATTEMPTS_MAX = 50
_AGENTS_CACHED_MAX = 100_000


class Recorder:
    """Records drafts for tenants, by group commit."""

    def __init__(
        self,
        tenants: Tenants,
        vault: Vault,
        opener: Opener,
        clock: Clock,
        *,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tenants = tenants
        self._vault = vault
        self._opener = opener
        self._clock = clock
        self._notify = notify
        # By the store, for one that was opened again may be another.
        self._known_agents: WeakKeyDictionary[TenantStore, dict[tuple[UUID, bytes], int]] = WeakKeyDictionary()
        self._groups = GroupCommit(self._write_group)

    def record(self, tenant: str, drafts: list[Draft]) -> "Future[list[UUID]]":
        """The future of the drafts' ids: all are durable then, or none is. It fails with StatementConflict,
        ExchangeConflict, SubjectSuppressed, SubjectBusy, StoreUnavailable, KeyStoreUnavailable, Overloaded."""
        return self._groups.record(tenant, drafts)

    def submit(self, tenant: str, submissions: Sequence[Submission]) -> None:
        """The same for whoever hears the answers otherwise, and for several that came together."""
        self._groups.submit(tenant, submissions)

    def close(self) -> None:
        """Write what waits, then stop."""
        self._groups.close()

    def _write_group(self, tenant: str, group: list[Submission]) -> list[Submission]:
        """Write the group and answer it; give back whoever has to wait for an erasure."""
        store: TenantStore | None = None
        known: dict[UUID, Recorded] = {}
        for _ in range(_ATTEMPTS_MAX):
            group = [one for one in group if not one.done]  # who was refused before the fence moved
            try:
                opened = self._tenants.store(tenant)
                if opened is not store:  # on another server: what was found on the one before may be lost
                    store, known = opened, {}
                waiting = self._attempt_or_look(store, group, known)
            except SubjectSuppressed:
                continue  # whoever is refused has heard it: the others are written without them
            except StaleFence:
                pass
            except _OUTAGES as error:
                # The store restarts, or the answer to a commit was lost: the same ids once more. What was stored
                # after all is met as a conflict, and is the same.
                if all(one.late for one in group):
                    raise
                fail_all([one for one in group if one.late], outage(error))
                time.sleep(_OUTAGE_PAUSE_SECONDS)
            else:
                if waiting is not None:
                    self._notify(tenant)
                    return waiting
            if store is not None:
                self._known_agents.pop(store, None)
        for submission in group:
            submission.fail(SubjectBusy("a person in this record is being erased: try again in a moment"))
        return []

    def _attempt_or_look(
        self, store: TenantStore, group: list[Submission], known: dict[UUID, Recorded]
    ) -> list[Submission] | None:
        """As ``_attempt``; None where ids, or a subject's next number, were taken: then it is known by whom, and
        what is left can be tried again."""
        try:
            return self._attempt(store, group, known)
        except RecordConflictError:
            known |= store.statements.by_ids([draft.id for one in group for draft in one.drafts])
            return None

    def _attempt(
        self, store: TenantStore, group: list[Submission], known: dict[UUID, Recorded]
    ) -> list[Submission]:
        """Write what can be written and answer it; give back whoever has to wait for an erasure."""
        reading = self._vault.read(store.tenant)
        found = self._look_before_minting(store, reading, group, known)
        ready, waiting = self._without_busy(reading, group, known)
        drafts, answers = self._settle(store, ready, known)
        if drafts:
            planner = Planner(
                store=store,
                reading=reading,
                tenant_subject=self._tenant_subject(store.tenant, drafts),
                at=self._clock.now(),
                known_agents=self._agents_of(store),
                found=found,
                policy=self._policy(store.tenant, drafts),
            )
            try:
                plan = planner.plan(drafts)
            except SubjectSuppressed as error:
                self._refuse_suppressed(reading, ready, known, error)
                raise
            self._tenants.application_of(store).append(
                plan.events,
                index=plan.index,
                agents=plan.agents,
                blobs=plan.blobs,
                fence_sequence=plan.fence_sequence,
            )
            for row in plan.agents:
                planner.known_agents[row.subject, row.digest] = row.number
        elif answers:
            store.confirm()  # what was found may be of a commit that nobody could acknowledge
        for answer in answers:
            answer()
        return waiting

    def _tenant_subject(self, tenant: str, drafts: list[Draft]) -> UUID | None:
        """Asked for only where a draft belongs to no person: it costs a question to the vault."""
        if all(draft.parts.owners for draft in drafts):
            return None
        return self._vault.tenant_subject(tenant)

    def _policy(self, tenant: str, drafts: list[Draft]) -> Policy:
        """Asked for only where it decides for which period a draft is sealed: it is a stream to be read."""
        if all(draft.category is not Category.EXCHANGE for draft in drafts):
            return Policy()
        return self._tenants.policy(tenant)

    def _agents_of(self, store: TenantStore) -> dict[tuple[UUID, bytes], int]:
        agents = self._known_agents.setdefault(store, {})
        if len(agents) > _AGENTS_CACHED_MAX:
            agents.clear()
        return agents

    @staticmethod
    def _look_before_minting(
        store: TenantStore, reading: Reading, group: list[Submission], known: dict[UUID, Recorded]
    ) -> dict[Identifier, UUID]:
        """A record of an erased person that is sent again would look like one of a new person: ask for the ids
        of records with unknown people first, so that it mints nothing. Ask for ids that the group names twice,
        too: if one is stored, that decides, not who of the two came first here. The people who are known."""
        drafts = [draft for one in group for draft in one.drafts if draft.id not in known]
        people = {mention.identifier for draft in drafts for mention in draft.parts.mentions}
        found = reading.lookup(people)
        missing = people - found.keys()
        times = Counter([draft.id for draft in drafts])
        if not missing and len(times) == len(drafts):
            return found
        doubtful = [
            draft.id
            for draft in drafts
            if times[draft.id] > 1 or any(mention.identifier in missing for mention in draft.parts.mentions)
        ]
        if doubtful:
            known |= store.statements.by_ids(doubtful)
        return found

    @staticmethod
    def _without_busy(
        reading: Reading, group: list[Submission], known: dict[UUID, Recorded]
    ) -> tuple[list[Submission], list[Submission]]:
        """Requests that can go on, and those about somebody whose erasure is under way."""
        if not reading.erasing:
            return group, []
        ready: list[Submission] = []
        waiting: list[Submission] = []
        for submission in group:
            people = {m.identifier for d in submission.drafts if d.id not in known for m in d.parts.mentions}
            busy = reading.erasing.intersection(reading.lookup(people).values())
            late = time.monotonic() - submission.submitted > BUSY_SECONDS_MAX
            if busy and late:
                submission.fail(SubjectBusy("a person in this record is being erased: try again in a moment"))
            else:
                (waiting if busy else ready).append(submission)
        return ready, waiting

    @staticmethod
    def _refuse_suppressed(
        reading: Reading, group: list[Submission], known: dict[UUID, Recorded], error: SubjectSuppressed
    ) -> None:
        """Tell those who would enrol somebody that is refused. Who sends again what is stored enrols nobody."""
        people = [
            {m.identifier for d in one.drafts if d.id not in known for m in d.parts.mentions} for one in group
        ]
        refused = reading.suppressed(set().union(*people))
        fail_all([one for one, named in zip(group, people, strict=True) if named & refused], error)

    def _settle(
        self, store: TenantStore, group: list[Submission], known: dict[UUID, Recorded]
    ) -> tuple[list[Draft], list[Callable[[], None]]]:
        """The drafts to insert, each id once, and what to answer when they are in. A request with a conflict
        is refused as a whole; its neighbours are not touched."""
        settler = Settler(self._opener, store)
        accepted: dict[UUID, Draft] = {}
        answers: list[Callable[[], None]] = []
        for submission in group:
            conflict = self._first_conflict(settler, submission, known, accepted)
            if conflict is not None:
                submission.fail(_conflict(conflict))
                continue
            for draft in submission.drafts:
                if draft.id not in known:
                    accepted.setdefault(draft.id, draft)
            answers.append(submission.succeed)
        return list(accepted.values()), answers

    @staticmethod
    def _first_conflict(
        settler: Settler, submission: Submission, known: dict[UUID, Recorded], accepted: dict[UUID, Draft]
    ) -> Draft | None:
        own: dict[UUID, Draft] = {}
        for draft in submission.drafts:
            other = accepted.get(draft.id) or own.get(draft.id)
            if draft.id in known:
                same = settler.same_as_stored(draft, known[draft.id])
            else:
                same = other is None or settler.same_in_memory(other, draft)
            if not same:
                return draft
            own[draft.id] = draft
        return None


def _conflict(draft: Draft) -> Exception:
    if draft.is_statement:
        return StatementConflict("another statement is already stored under this id")
    return ExchangeConflict("another exchange is already stored under this id")
