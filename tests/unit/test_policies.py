"""What a tenant may decide, and what it may not."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.domain.errors import InvalidRequest
from lrs.domain.policies import EXPIRING, Policy
from lrs.domain.sealing import Category
from lrs.domain.tenants import Tenant

AT = datetime(2026, 11, 25, tzinfo=UTC)
POLICIES = st.builds(
    Policy,
    st.integers(0, 30),
    st.dictionaries(st.sampled_from(EXPIRING), st.integers(1, 36_500)),
    st.integers(0, 36_500),
    st.integers(0, 3_650),
)


@given(POLICIES)
def test_a_policy_is_read_as_written(policy: Policy) -> None:
    assert Policy.parse(policy.facts()) == policy


def test_what_is_not_said_is_as_it_is_by_default() -> None:
    assert Policy.parse({}) == Policy()
    assert Policy.parse({"retention_days": {"learning": None}}) == Policy()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([], "a policy is"),
        ({"cooling": 3}, "a policy is"),
        ({"cooling_days": 31}, "cooling_days"),
        ({"cooling_days": -1}, "cooling_days"),
        ({"cooling_days": True}, "cooling_days"),
        ({"cooling_days": 1.0}, "cooling_days"),
        ({"retention_days": []}, "retention_days may name"),
        ({"retention_days": {"identity": 3}}, "retention_days may name"),
        ({"retention_days": {"learning": 0}}, "retention_days.learning"),
        ({"compaction_days": 36_501}, "compaction_days"),
        ({"suppression_days": 3_651}, "suppression_days"),
        ({"suppression_days": -1}, "suppression_days"),
    ],
)
def test_what_can_not_be_decided_is_refused(facts: object, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Policy.parse(facts)


def test_a_tenant_remembers_what_it_decided_last() -> None:
    tenant = Tenant.create(uuid4(), "acme", AT)
    assert tenant.policy == Policy()
    decided = Policy(7, {Category.EXCHANGE: 30}, suppression_days=9)
    for policy in (Policy(3), decided, decided):
        tenant.decide(policy, AT)
    assert (tenant.policy, tenant.version) == (decided, 3)
    tenant.decide(Policy(0), AT)
    assert (tenant.policy, tenant.version) == (Policy(), 4)


def test_a_period_is_kept_for_so_many_days_after_its_end() -> None:
    policy = Policy(retention_days={Category.LEARNING: 10})
    last = datetime(2026, 1, 10, 23, 59, 59, tzinfo=UTC)
    assert policy.keeps(Category.LEARNING, "2025", last)
    assert not policy.keeps(Category.LEARNING, "2025", last + timedelta(seconds=1))
    assert policy.keeps(Category.EXCHANGE, "2001-01", last)  # of which nothing was said


def test_whoever_is_erased_is_refused_for_whole_days_and_by_default_not_at_all() -> None:
    """To the end of a day, the same for everybody who was erased in it: the hour would lead to the erasure."""
    assert Policy().suppressed_until(AT) is None
    policy, midnight = Policy(suppression_days=1), datetime(2026, 11, 27, tzinfo=UTC)
    last = AT + timedelta(hours=23, minutes=59)
    assert policy.suppressed_until(AT) == policy.suppressed_until(last) == midnight
    west = datetime(2026, 11, 25, 20, tzinfo=timezone(timedelta(hours=-5)))  # the next day in UTC
    assert policy.suppressed_until(west) == midnight + timedelta(days=1)
