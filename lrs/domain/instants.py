"""Instants: timestamps as text, checked and read.

Both forms that the versions of xAPI take, and the one reading of them. Knows nothing of statements and has no
clock: what it is given is all it knows.
"""

import re
from datetime import UTC, datetime, timedelta

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d"
_SECONDS = r":\d\d(?:[.,]\d+)?"

# An offset of minus zero means "unknown" in RFC 3339 section 4.3; the conformance suites of both versions refuse
# it in every spelling: -00, -0000 and -00:00.
_NOT_MINUS_ZERO = r"(?!-00(?::?00)?$)"

# 2.0 asks for RFC 3339 section 5.6: seconds and an offset always, either case of T and Z, also a space for T.
RFC_3339 = re.compile(rf"{_DATE}[Tt ]{_TIME}:\d\d(?:\.\d+)?(?:[Zz]|{_NOT_MINUS_ZERO}[+-]\d\d:\d\d)", re.ASCII)

# 1.0.3 Data 4.5 asks for ISO 8601, extended or basic, and only recommends an offset.
ISO_8601 = re.compile(
    rf"(?:{_DATE}T{_TIME}(?:{_SECONDS})?|\d{{8}}T\d{{4}}(?:\d\d(?:[.,]\d+)?)?)"
    rf"(?:Z|{_NOT_MINUS_ZERO}[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60", re.ASCII)


def instant(text: str) -> datetime:
    """The instant in UTC; what names no offset is taken as UTC.

    A leap second is the first moment of the next minute, for a datetime can not hold it. Raises ValueError
    (with no word of the text) for what is no day or time of the calendar, the edges of years 1 and 9999 included.
    """
    regular, leaps = text.upper(), 0
    if ":60" in regular:  # which few are: asking first takes a twentieth of the search (measured)
        regular, leaps = _LEAP_SECOND.subn(":59", regular)
    try:
        moment = datetime.fromisoformat(regular)
        if leaps:
            moment += timedelta(seconds=leaps)
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass  # Python's error quotes the text: it must not travel along as the context of ours.
    raise ValueError("no instant of the calendar")


def microseconds(moment: datetime) -> int:
    """Exact microseconds since 1970, UTC: how the store keeps an instant. A float of seconds would round."""
    past = moment - EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def timestamp_text(us: int) -> str:
    """Microseconds since 1970 as RFC 3339, UTC."""
    return (EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
