"""The life-cycle tables of subjects, requests, tenants and credentials: the table is the test."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from lrs.domain.errors import InvalidRequest, code_of
from lrs.domain.requests import DUE_DAYS, DataSubjectRequest, Kind, Status
from lrs.domain.sealing import Category, Sealed, end_of, period_of
from lrs.domain.subjects import State, Subject, may_become
from lrs.domain.tenants import Credential, Tenant, check_tenant_name

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "then", "allowed"),
    [
        (State.LIVE, State.ERASING, True),
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
