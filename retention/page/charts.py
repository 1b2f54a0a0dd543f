"""The two charts of the export page: statements a month, and progress in each activity, as inline SVG.

Plain bars with their numbers written on them: no script, no hover, legible on paper. A chart says in its
`aria-label` what it draws. Without data there is no chart.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from retention.page.markup import month_name, number, plain, record, text
from retention.page.words import iri_words, percent_words

MONTHS: Final = 12  # bars that leave their labels room in half a page's width
ACTIVITIES_MAX: Final = 8
_WIDTH: Final = 440
_GAP: Final = 8  # between bars
_HEIGHT: Final = 150
_LABEL_CHARACTERS_MAX: Final = 46
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def charts(months: Mapping[str, int], rows: Sequence[Any]) -> str:
    """Both charts, or what there is of them."""
    drawn = _months_chart(months) + _progress_chart(rows)
    return f'<div class="charts">{drawn}</div>' if drawn else ""


def _months_chart(months: Mapping[str, int]) -> str:
    """A bar for each of the twelve months up to the newest; a month without statements keeps its place."""
    counts = {
        int(found[1]) * 12 + int(found[2]) - 1: count
        for month, count in months.items()
        if (found := _MONTH.fullmatch(month)) and count > 0
    }
    if not counts:
        return ""
    newest = max(counts)
    shown = range(newest - MONTHS + 1, newest + 1)
    bars, most = "", max(counts.get(month, 0) for month in shown)
    for place, month in enumerate(shown):
        bars += _month_bar(place * _WIDTH / MONTHS, month, counts.get(month, 0), most)
    told = ", ".join(f"{_month_words(month)}: {counts.get(month, 0):,}" for month in shown)
    older = sum(months.values()) - sum(counts.get(month, 0) for month in shown)
    note = f"; {older:,} at other times" if older > 0 else ""
    return (
        f"<figure><figcaption>Statements a month <span>({MONTHS} months to {_month_words(newest)}"
        f'{note})</span></figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT + 58}" role="img" '
        f'aria-label="Statements a month: {told}">{bars}'
        f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_HEIGHT + 18}" y2="{_HEIGHT + 18}"/></svg></figure>\n'
    )


def _month_words(month: int) -> str:
    return f"{month_name(month % 12 + 1)} {month // 12:04}"


def _month_bar(left: float, month: int, count: int, most: int) -> str:
    slot = _WIDTH / MONTHS
    height = max(round(_HEIGHT * count / most), 1 if count else 0)
    middle, base = f"{left + slot / 2:.1f}", _HEIGHT + 18
    told = f'<text x="{middle}" y="{base - height - 5}" text-anchor="middle">{count:,}</text>' if count else ""
    return told + (
        f'<rect class="bar" x="{left + _GAP / 2:.1f}" y="{base - height}" width="{slot - _GAP:.1f}" '
        f'height="{height}" rx="2"/>'
        f'<text class="quiet" x="{middle}" y="{base + 16}" text-anchor="middle">'
        f"{month_name(month % 12 + 1)}</text>"
        f'<text class="quiet" x="{middle}" y="{base + 30}" text-anchor="middle">{month // 12:04}</text>'
    )


def _progress_chart(rows: Sequence[Any]) -> str:
    """A bar for each of the activities that were used last."""
    known = [row for row in map(record, rows) if number(row.get("progress")) is not None]
    known.sort(key=lambda row: plain(row.get("last_at")), reverse=True)
    shown = known[:ACTIVITIES_MAX]
    if not shown:
        return ""
    bars = "".join(_progress_bar(place * 34, row) for place, row in enumerate(shown))
    told = ", ".join(f"{_label(row)}: {percent_words(row['progress'])}" for row in shown)
    more = f" <span>(the last {len(shown)} of {len(known):,})</span>" if len(known) > len(shown) else ""
    return (
        f"<figure><figcaption>Progress in each activity{more}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {len(shown) * 34}" role="img" aria-label="Progress: {told}">{bars}'
        "</svg></figure>\n"
    )


def _progress_bar(top: int, row: dict[str, Any]) -> str:
    width = _WIDTH * min(max(float(row["progress"]), 0), 100) / 100
    return (
        f'<text x="0" y="{top + 13}">{_label(row)}</text>'
        f'<text x="{_WIDTH}" y="{top + 13}" text-anchor="end">{percent_words(row["progress"])}</text>'
        f'<rect class="track" x="0" y="{top + 18}" width="{_WIDTH}" height="8" rx="4"/>'
        f'<rect class="bar" x="0" y="{top + 18}" width="{width:.1f}" height="8" rx="4"/>'
    )


def _label(row: dict[str, Any]) -> str:
    words = iri_words(row.get("activity"))
    if len(words) > _LABEL_CHARACTERS_MAX:
        words = words[: _LABEL_CHARACTERS_MAX - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return text(words)
