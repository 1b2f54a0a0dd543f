"""Documents as rows of a table: what a program kept about the person, and where.

It must not know what the resources of xAPI are for; of a kind that it does not know it shows the name.
"""

from typing import Any, Final

from retention.page.markup import NONE, moment, number, plain, record, text
from retention.page.words import iri_words

HEADS: Final = ("Kept (UTC)", "Kind", "Of", "Name", "Content")
CONTENT_CHARACTERS_MAX: Final = 2_000  # in a table's cell
_KINDS: Final = {
    "state": "state in an activity",
    "agent-profile": "profile of you",
    "activity-profile": "profile of an activity",
}


def document_cells(value: Any) -> tuple[str, ...]:
    """One document's cells."""
    one = record(value)
    kind, activity, size = one.get("resource"), one.get("activity"), number(one.get("bytes"))
    about = NONE if activity is None else f"{text(iri_words(activity))}<small>{text(activity)}</small>"
    if "content" in one:
        content = f"<bdi>{text(one['content'], CONTENT_CHARACTERS_MAX)}</bdi>"
    else:
        content = "in export.json"
    written = "" if size is None else f", {size:,.0f} bytes"
    return (
        moment(one.get("updated_at")),
        _KINDS.get(plain(kind)) or text(kind),
        f'<span class="wide">{about}</span>',
        f"<bdi>{text(one.get('id'), 500)}</bdi>",
        f"{content}<small>{text(one.get('content_type'), 200)}{written}</small>",
    )
