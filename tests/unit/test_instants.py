"""Instants as the store keeps them: exact to the microsecond, in both directions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.domain.instants import instant, microseconds, timestamp_text


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001  (bounds)
def test_an_instant_survives_the_store_exactly(moment: datetime) -> None:
    assert instant(timestamp_text(microseconds(moment))) == moment


@pytest.mark.parametrize(
    ("moment", "us"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 1_767_225_600_000_000),
    ],
)
def test_microseconds_count_from_1970_in_utc(moment: datetime, us: int) -> None:
    assert microseconds(moment) == us
