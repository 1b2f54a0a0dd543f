"""How data become markup: escaped text, times, compact JSON, tables. All data enter the page through here.

It must not know what an export holds. Nothing here trusts the shape of a value: what was recorded years ago by
a stranger's program is shown, cut to a limit, or named as odd, and never stops an export.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

TEXT_CHARACTERS_MAX: Final = 20_000  # of one text; a browser shows hundreds of such, not one of 100 MB
JSON_CHARACTERS_MAX: Final = 400  # of one value; pictures come as megabytes of base64
NONE: Final = "\N{EM DASH}"

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# HTML forbids the C0 controls but white space, and browsers disagree on what to show for them.
_CONTROLS: Final = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), 0x7F) if code not in b"\t\n\r"}


def record(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """The value if it is a number that can be shown: finite, no boolean, below 10^15."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -1e15 < value < 1e15 else None


def plain(value: Any) -> str:
    """A string as it is, any other value as JSON on one line. NOT ESCAPED."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError):  # deeper than the stack, or an integer of 4,300 digits
        return "(shown in export.json)"


def text(value: Any, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """A string, or another value as JSON, for element content and quoted attributes: escaped, cut with a note."""
    written = plain(value)
    if not isinstance(value, str):
        characters_max = min(characters_max, JSON_CHARACTERS_MAX)
    left = len(written) - characters_max
    note = f" [\N{HORIZONTAL ELLIPSIS} {left:,} more characters in export.json]" if left > 0 else ""
    return escape(written[:characters_max].translate(_CONTROLS)) + note


def month_name(month: int) -> str:
    """The short English name of 1 to 12, whatever the locale of the process."""
    return _MONTHS[month - 1]


def moment(value: Any) -> str:
    """An ISO 8601 time as a `time` element in UTC; what is none, as it is."""
    if value is None:
        return NONE
    try:
        at = datetime.fromisoformat(value)
        # xAPI 1.0.3 4.2.7 lets a timestamp come without its offset.
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # OverflowError: an offset in the year 1 or 9999
        return text(value)
    shown = f"{at.day} {month_name(at.month)} {at.year}, {at:%H:%M}"
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{shown}</time>'


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str) -> Iterator[str]:
    """A table a row at a time, its first column the rows' heading; ``nothing`` in its place if there is no row.

    Cells are markup already. Caption and heads are the template's own words.
    """
    opened = False
    for cells in rows:
        if not opened:
            columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
            # Keyboards can scroll only what takes the focus.
            yield f'<div class="scroll" tabindex="0" role="group" aria-label="{caption}">'
            yield f"<table><caption>{caption}</caption><thead><tr>{columns}</tr></thead><tbody>\n"
            opened = True
        first, *others = cells
        yield f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>\n"
    yield "</tbody></table></div>\n" if opened else f'<p class="soft">{nothing}</p>\n'
