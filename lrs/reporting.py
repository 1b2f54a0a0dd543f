"""Reports for subscribers: rows of the views, with the learner's name put in when reading.

1. The learner filter becomes subjects; the cohort is a registration or a grouping activity.
2. Whoever wants all that is stored now asks ``stored`` and waits until it is ``reached``.
3. A page of rows is read from the views; a report never scans statements.
4. The learners' agent objects are opened in one go. Whoever may not be read now is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from lrs.domain import completion, progress
from lrs.domain.agents import Identifier
from lrs.domain.instants import timestamp_text
from lrs.opening import Opener
from lrs.ports import Clock, TenantStore, Vault, ViewFilter, ViewRow
from lrs.projections.learning import LEARNING
from lrs.tenancy import Tenants

ROWS_MAX = 10_000
ROWS_DEFAULT = 1_000
REPORTS = ("completion", "progress")
# As many as one question to the store may name (SQLite: 32,766 values, PostgreSQL: 65,535).
_WITHOUT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """What is asked for; times in microseconds UTC, on ``last_at``; ``after`` is the last row's key."""

    learner: Identifier | None = None
    activity: str | None = None
    cohort: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    limit: int = ROWS_DEFAULT
    after: tuple[str, str, str] | None = None


@dataclass(slots=True)
class Report:
    """Rows with the state of the views they were read from; ``after``: where the next page begins."""

    as_of: str
    projection_lag: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    after: tuple[str, str, str] | None = None
    alarms: int = 0


@dataclass(frozen=True, slots=True)
class Reporter:
    """Answers reports of tenants."""

    tenants: Tenants
    vault: Vault
    opener: Opener
    clock: Clock
    hurry: Callable[[str], None] = lambda _: None

    def report(self, tenant: str, query: ReportQuery) -> Report:
        """A page of the report: a row a learner, activity and registration. KeyStoreUnavailable."""
        store = self.tenants.store(tenant)
        as_of, lag = self._state(store)
        views = store.reads.views
        report = Report(as_of=timestamp_text(as_of), projection_lag=lag, alarms=views.alarms())
        wanted = self._filter(store, query)
        if wanted is None:
            return report
        rows = views.select(LEARNING.name, wanted)
        more, rows = len(rows) > query.limit, rows[: query.limit]
        report.rows = self._with_learners(store, rows)
        if more:
            last = rows[-1].key
            report.after = (last.activity, last.registration, last.subject.hex)
        return report

    def stored(self, tenant: str) -> int:
        """The position up to which a report that waits must reach."""
        self.hurry(tenant)
        return self.tenants.store(tenant).statements.head().position

    def reached(self, tenant: str, position: int) -> bool:
        """Whether the views have folded the log up to there."""
        return _position(self.tenants.store(tenant)) >= position

    def _state(self, store: TenantStore) -> tuple[int, int]:
        """Until when what is answered is true (microseconds), and how many events the view is behind."""
        position = _position(store)
        statements = store.reads.statements
        head = statements.head(self.clock.now())
        lag = max(0, head.position - position)
        if lag == 0:
            return head.stored_us, 0
        last = statements.at([position])
        return last[0].stored_us if last else 0, lag

    def _filter(self, store: TenantStore, query: ReportQuery) -> ViewFilter | None:
        reading = self.vault.read(store.tenant)
        subjects: tuple[UUID, ...] | None = None
        if query.learner is not None:
            subject = reading.lookup([query.learner]).get(query.learner)
            if subject is None:
                return None
            subjects = (subject,)
        return ViewFilter(
            subjects=subjects,
            # Beyond, they are left out when their names are not opened: a page is shorter then.
            without=reading.denied if len(reading.denied) <= _WITHOUT_MAX else frozenset(),
            activity=query.activity,
            cohort=query.cohort,
            since_us=query.since_us,
            until_us=query.until_us,
            after=query.after,
            limit=query.limit + 1,
        )

    def _with_learners(self, store: TenantStore, rows: Sequence[ViewRow]) -> list[dict[str, Any]]:
        learners = learners_of(store, self.opener, [one.key.subject for one in rows])
        return [
            {"learner": learner} | row_of(one)
            for one in rows
            if (learner := learners.get(one.key.subject)) is not None
        ]


def learners_of(store: TenantStore, opener: Opener, subjects: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The newest agent object of each subject that may be read."""
    newest = store.statements.newest_agents(set(subjects))
    agents = opener.agents(store, newest.items())
    return {subject: agent for (subject, _), agent in agents.items() if agent is not None}


def row_of(row: ViewRow) -> dict[str, Any]:
    """The columns of a report row, from the facts of the view's."""
    completed, progressed = completion.result(row.facts), progress.result(row.facts)
    satisfied = completed.satisfied_at_us
    return {
        "activity": row.key.activity,
        "registration": row.key.registration or None,
        "completion": completed.completion,
        "success": completed.success,
        "score_scaled": completed.score_scaled,
        "progress": progressed.progress,
        "attempts": progressed.attempts,
        "time_spent_seconds": progressed.time_spent_seconds,
        "satisfied_at": None if satisfied is None else timestamp_text(satisfied),
        "first_at": timestamp_text(row.first_at_us),
        "last_at": timestamp_text(row.last_at_us),
    }


def _position(store: TenantStore) -> int:
    return store.reads.views.live(LEARNING.name).position
