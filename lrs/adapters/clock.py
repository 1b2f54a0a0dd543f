"""The time, from the machine."""

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)
