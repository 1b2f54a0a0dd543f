"""The life-cycle tables of subjects, requests, tenants and credentials: the table is the test."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from lrs.domain.errors import InvalidRequest, LegalHold, code_of
from lrs.domain.requests import DUE_DAYS, DataSubjectRequest, Kind, Status
from lrs.domain.sealing import Category, Sealed, end_of, period_of
from lrs.domain.subjects import Standing, State, Subject, may_become
from lrs.domain.tenants import Credential, Tenant, check_tenant_name

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "then", "allowed"),
    [
        (State.LIVE, State.PENDING, True),
        (State.LIVE, State.ERASING, True),
        (State.PENDING, State.LIVE, True),
        (State.PENDING, State.ERASING, True),
        (State.PENDING, State.ERASED, False),
        (State.ERASING, State.PENDING, False),
        (State.ERASED, State.PENDING, False),
        (State.ERASING, State.ERASED, True),
        (State.LIVE, State.ERASED, False),
        (State.LIVE, State.LIVE, False),
        (State.ERASING, State.LIVE, False),
        (State.ERASED, State.LIVE, False),
        (State.ERASED, State.ERASING, False),
    ],
)
def test_a_subject_moves_only_as_its_table_says(now: State, then: State, allowed: bool) -> None:
    assert may_become(now, then) is allowed


ONE, TWO = uuid4(), uuid4()
STEPS_OF_STANDINGS: dict[str, Callable[[Standing], Standing]] = {
    "wait": lambda one: one.wait(ONE),
    "wait for another": lambda one: one.wait(TWO),
    "take back": lambda one: one.take_back(ONE),
    "begin": Standing.begin_erasure,
    "hold": lambda one: one.hold(held=True),
    "release": lambda one: one.hold(held=False),
    "restrict": lambda one: one.restrict(restricted=True),
    "lift": lambda one: one.restrict(restricted=False),
    "correct": lambda one: one.correct(5),
}
PENDING = Standing(State.PENDING, waiting=frozenset({ONE}))
CROWDED = Standing(State.PENDING, waiting=frozenset({ONE, TWO}))
ERASING = Standing(State.ERASING)
ENDED: dict[str, object] = dict.fromkeys(STEPS_OF_STANDINGS, "same")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            Standing(),
            {
                "wait": PENDING,
                "wait for another": Standing(State.PENDING, waiting=frozenset({TWO})),
                "take back": "same",
                "begin": ERASING,
                "hold": Standing(held=True),
                "release": "same",
                "restrict": Standing(restricted=True),
                "lift": "same",
                "correct": Standing(corrected=5),
            },
        ),
        (
            PENDING,
            {
                "wait": "same",
                "wait for another": CROWDED,
                "take back": Standing(),
                "begin": ERASING,
                "hold": replace(PENDING, held=True),
                "release": "same",
                "restrict": replace(PENDING, restricted=True),
                "lift": "same",
                "correct": replace(PENDING, corrected=5),
            },
        ),
        (CROWDED, {"take back": replace(CROWDED, waiting=frozenset({TWO})), "begin": ERASING}),
        (
            Standing(held=True),
            {"wait": LegalHold, "begin": LegalHold, "hold": "same", "release": Standing(), "take back": "same"},
        ),
        (replace(PENDING, held=True), {"begin": LegalHold, "take back": Standing(held=True)}),
        (Standing(restricted=True), {"begin": replace(ERASING, restricted=True), "lift": Standing()}),
        (Standing(corrected=9), {"correct": "same"}),
        (ERASING, ENDED),
        (Standing(State.ERASED), ENDED),
    ],
)
def test_a_standing_steps_only_as_its_tables_say(before: Standing, after: dict[str, object]) -> None:
    for name, expected in after.items():
        step = STEPS_OF_STANDINGS[name]
        if expected is LegalHold:
            with pytest.raises(LegalHold):
                step(before)
            continue
        found = step(before)
        assert found == (before if expected == "same" else expected), name
        assert found.state is before.state or may_become(before.state, found.state)


@pytest.mark.parametrize(
    ("standing", "denied"),
    [
        (Standing(), False),
        (Standing(held=True, corrected=3), False),
        (PENDING, True),
        (ERASING, True),
        (Standing(State.ERASED), True),
        (Standing(restricted=True), True),
    ],
)
def test_who_may_be_read(standing: Standing, denied: bool) -> None:
    assert standing.denied is denied


@pytest.mark.parametrize(
    ("before", "corrected", "waiting", "after"),
    [
        (Standing(corrected=7), 5, set(), Standing(corrected=5)),
        (Standing(corrected=7), 9, set(), Standing(corrected=7)),
        (Standing(restricted=True, held=True, corrected=7), 0, set(), Standing(restricted=True, held=True)),
        (CROWDED, 0, {ONE}, PENDING),
        (CROWDED, 0, set(), Standing()),
        (ERASING, 3, set(), ERASING),
    ],
)
def test_a_log_that_was_put_back_says_how_people_stand(
    before: Standing, corrected: int, waiting: set[UUID], after: Standing
) -> None:
    assert before.as_logged(corrected, frozenset(waiting)) == after


def test_a_subject_knows_its_corrections() -> None:
    subject = Subject.register(uuid4(), AT)
    subject.correct(ONE, Sealed(b"x"), AT)
    assert subject.corrections == [(2, AT, ONE, Sealed(b"x"))]


def test_a_subject_counts_its_agent_objects_and_ends_with_two_certificates() -> None:
    subject = Subject.register(uuid4(), AT)
    event = Subject.agent_sealed(subject.id, 2, Sealed(b"x"), AT)
    event.mutate(subject)
    subject.complete_erasure(uuid4(), {"certificate": 1}, AT)
    subject.complete_erasure(uuid4(), {"certificate": 2}, AT)
    assert (subject.agents, subject.state) == (1, State.ERASED)
    assert subject.certificates == [{"certificate": 1}]
    assert subject.version == 3
    assert not subject.is_certified
    for _ in range(2):
        subject.certify_epoch({"certificate": 2}, AT)
    assert (subject.certificates, subject.version) == ([{"certificate": 1}, {"certificate": 2}], 4)
    assert subject.is_certified


def _request(*path: Status) -> DataSubjectRequest:
    request = DataSubjectRequest.open(uuid4(), Kind.ERASE, (uuid4(),), AT, reason=None, credential=None)
    for status in path:
        request.move(status, AT)
    return request


PATHS = {
    Status.OPEN: (),
    Status.RUNNING: (Status.RUNNING,),
    Status.DONE: (Status.RUNNING, Status.DONE),
    Status.REFUSED: (Status.RUNNING, Status.REFUSED),
    Status.FAILED: (Status.RUNNING, Status.FAILED),
}
STEPS = {
    (Status.OPEN, Status.RUNNING),
    (Status.RUNNING, Status.RUNNING),
    (Status.RUNNING, Status.DONE),
    (Status.RUNNING, Status.REFUSED),
    (Status.RUNNING, Status.FAILED),
}


@pytest.mark.parametrize("now", list(Status))
@pytest.mark.parametrize("then", list(Status))
def test_a_request_moves_only_as_its_table_says(now: Status, then: Status) -> None:
    request = _request(*PATHS[now])
    if (now, then) in STEPS:
        request.move(then, AT, note=1)
        assert (request.status, request.detail) == (then, {"note": 1})
        assert request.history[-1] == (AT, then)
    else:
        with pytest.raises(ValueError, match="can not go from"):
            request.move(then, AT)


def test_a_request_says_exactly_what_is_asked_for() -> None:
    assert _request().erases_at is None
    request = _request()
    request.specify(AT, {"erases_at": AT.isoformat()}, Sealed(b"x"))
    assert (request.erases_at, request.content, request.status) == (AT, Sealed(b"x"), Status.OPEN)
    assert [_request(*path).is_ended for path in PATHS.values()] == [False, False, True, True, True]


def test_a_request_is_due_within_a_month() -> None:
    assert _request().due_at == AT + timedelta(days=DUE_DAYS)


def test_a_log_says_the_code_or_the_kind_of_an_error_and_never_its_message() -> None:
    assert code_of(InvalidRequest("canary")) == "request-invalid"
    assert code_of(KeyError("canary")) == "KeyError"


@pytest.mark.parametrize("name", ["", "A", "1a", "a" * 41, "a_b", "a.b", "../a", "ä", "a\n"])
def test_a_tenant_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_tenant_name(name)


def test_a_tenant_is_deleted_once() -> None:
    tenant = Tenant.create(uuid4(), "acme", AT)
    tenant.delete(AT)
    tenant.delete(AT)
    assert (tenant.name, tenant.deleted, tenant.version) == ("acme", True, 2)


def test_a_credential_is_revoked_once() -> None:
    credential = Credential.issue(uuid4(), "acme", "key", "hash", ["all"], AT)
    credential.revoke(AT)
    credential.revoke(AT)
    assert (credential.revoked, credential.version, credential.scopes) == (True, 2, ("all",))


@pytest.mark.parametrize(
    ("category", "period"),
    [
        (Category.IDENTITY, ""),
        (Category.LEARNING, "2026"),
        (Category.DOCUMENTS, ""),
        (Category.EXCHANGE, "2026-03"),
        (Category.ATTACHMENTS, "2026"),
    ],
)
def test_the_period_is_named_by_the_receipt_date(category: Category, period: str) -> None:
    assert period_of(category, AT) == period


@pytest.mark.parametrize(
    ("period", "end"),
    [("2026", (2027, 1, 1)), ("2026-01", (2026, 2, 1)), ("2026-11", (2026, 12, 1)), ("2026-12", (2027, 1, 1))],
)
def test_a_period_ends_where_the_next_one_begins(period: str, end: tuple[int, int, int]) -> None:
    over = datetime(*end, tzinfo=UTC)
    assert end_of(period) == over
    category = Category.EXCHANGE if "-" in period else Category.LEARNING
    assert period_of(category, over - timedelta(microseconds=1)) == period
    assert period_of(category, over) != period


@pytest.mark.parametrize(("day", "end"), [("2026-11-25", (2026, 11, 26)), ("2026-12-31", (2027, 1, 1))])
def test_a_day_is_a_period_too(day: str, end: tuple[int, int, int]) -> None:
    over = datetime(*end, tzinfo=UTC)
    assert end_of(day) == over
    assert period_of(Category.EXCHANGE, over - timedelta(microseconds=1), daily=True) == day
    assert period_of(Category.EXCHANGE, over, daily=True) != day
