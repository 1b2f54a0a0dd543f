"""What a tenant has decided for itself: how long things are kept, how long an erasure can be taken back, and how
long whoever was erased is refused.

Durations are whole days. It must not know keys or stores: others ask it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self

from lrs.domain.errors import InvalidRequest
from lrs.domain.sealing import Category, end_of, period_of

# Keys of these end with a period; identity and documents have none, and end with their person.
EXPIRING = (Category.LEARNING, Category.EXCHANGE, Category.ATTACHMENTS)
DAYS_MAX = 36_500
# An erasure has to be done within a month of the request (GDPR article 12(3)).
COOLING_DAYS_MAX = 30
COMPACTION_DAYS = 30
# Exchanges that are kept no longer than this have a key a day, not a month: a month would double their time.
DAILY_DAYS_MAX = 30
# Refusing somebody takes a keyed digest of the identifiers, which is a datum of the person: not for ever.
SUPPRESSION_DAYS_MAX = 3_650
_NAMES = ("cooling_days", "retention_days", "compaction_days", "suppression_days")


@dataclass(frozen=True, slots=True)
class Policy:
    """``retention_days`` by category, counted from the end of the period; a category that is absent is kept for
    ever. ``compaction_days``: how long dead ciphertext stays after its key. ``suppression_days``: how long whoever
    is erased is refused when seen again; 0: seen again is somebody new."""

    cooling_days: int = 0
    retention_days: Mapping[Category, int] = field(default_factory=dict)
    compaction_days: int = COMPACTION_DAYS
    suppression_days: int = 0

    def period_of(self, category: Category, received: datetime) -> str:
        """The period whose key seals what was received then."""
        days = self.retention_days.get(category)
        daily = category is Category.EXCHANGE and days is not None and days <= DAILY_DAYS_MAX
        return period_of(category, received, daily=daily)

    def keeps(self, category: Category, period: str, now: datetime) -> bool:
        """Whether what was received in this period is kept still."""
        days = self.retention_days.get(category)
        return days is None or now < end_of(period) + timedelta(days=days)

    def suppressed_until(self, erased_at: datetime) -> datetime | None:
        """Until when somebody erased then is refused: the end of a day in UTC, for by the hour it would lead to
        the erasure. None: not at all."""
        if not self.suppression_days:
            return None
        last = erased_at.astimezone(UTC).date() + timedelta(days=self.suppression_days)
        return datetime.combine(last + timedelta(days=1), time(), UTC)

    def recorded(self) -> dict[str, Any]:
        """As it is stored: like ``facts``, without what is newer than the format and as it is by default."""
        return {name: value for name, value in self.facts().items() if value or name != "suppression_days"}

    def facts(self) -> dict[str, Any]:
        """As it is shown."""
        return {
            "cooling_days": self.cooling_days,
            "retention_days": {category.value: days for category, days in sorted(self.retention_days.items())},
            "compaction_days": self.compaction_days,
            "suppression_days": self.suppression_days,
        }

    @classmethod
    def parse(cls, facts: object) -> Self:
        """From ``facts``, or from part of them: what is absent is as it is by default. InvalidRequest."""
        if not isinstance(facts, dict) or set(facts) - set(_NAMES):
            raise InvalidRequest(f"a policy is an object with {', '.join(_NAMES)}")
        retention = facts.get("retention_days", {})
        if not isinstance(retention, dict) or set(retention) - set(EXPIRING):
            raise InvalidRequest(f"retention_days may name {', '.join(EXPIRING)}")
        return cls(
            _days(facts.get("cooling_days", 0), "cooling_days", 0, COOLING_DAYS_MAX),
            {
                category: _days(retention[category], f"retention_days.{category}", 1, DAYS_MAX)
                for category in EXPIRING
                if retention.get(category) is not None
            },
            _days(facts.get("compaction_days", COMPACTION_DAYS), "compaction_days", 0, DAYS_MAX),
            _days(facts.get("suppression_days", 0), "suppression_days", 0, SUPPRESSION_DAYS_MAX),
        )


def _days(value: object, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidRequest(f"{name}: must be a whole number of days from {least} to {most}")
    return value
