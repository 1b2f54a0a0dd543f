"""The page of an export package: all that is held on a person, for that person and the data protection officer.

One self-contained file (GDPR articles 12(1), 15 and 20): its style inline, no script, nothing fetched, and a
content security policy that allows neither. It is made in pieces, since a person may have 100,000 statements;
lists stop at a limit and say how many more are in export.json. It must not know where the records come from.

EVERY VALUE GOES THROUGH `retention.page.markup`. Nothing else may put data into the markup.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from retention.page.charts import charts
from retention.page.documents import HEADS, document_cells
from retention.page.exchanges import exchange
from retention.page.markup import NONE, moment, plain, record, table, text
from retention.page.style import STYLE
from retention.page.words import (
    identifier,
    iri_words,
    percent_words,
    result_markup,
    seconds_words,
    thing_words,
    verb_words,
)

STATEMENTS_MAX: Final = 2_000  # table rows that a browser still lays out in about a second
EXCHANGES_MAX: Final = 500  # a conversation's turn is some twenty rows high
ROWS_MAX: Final = 500  # of the short tables

_SECTIONS: Final = {
    "who": "Who you are here",
    "progress": "Your progress",
    "did": "What you did",
    "asked": "What you asked the assistant",
    "kept": "What programs keep for you",
    "mentioned": "Where others mention you",
    "requests": "Requests about your data",
    "absent": "What is not in here",
}
_KINDS: Final = {
    "export": "Copy of the data (articles 15 and 20)",
    "correct": "Correction (article 16)",
    "erase": "Erasure (article 17)",
    "hold": "Legal hold (article 17(3))",
    "release": "End of a legal hold",
    "restrict": "Restriction (article 18)",
}
_YES_NO: Final = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known before the lists are read."""

    tenant: str
    request: str
    made_at: str  # ISO 8601
    agents: list[dict[str, Any]]  # as sent, the newest last
    statements: int
    exchanges: int
    mentions: int
    documents: int
    months: dict[str, int]  # YYYY-MM -> number of statements


def page(
    summary: Summary,
    rows: list[dict[str, Any]],
    statements: Iterable[dict[str, Any]],
    exchanges: Iterable[dict[str, Any]],
    mentions: Iterable[dict[str, Any]],
    requests: list[dict[str, Any]],
    documents: Iterable[dict[str, Any]],
) -> Iterator[str]:
    """The page in pieces, to be encoded with errors="replace". Never fails on the shape of the data.

    Each iterable is read once, while the page is, and no further than is shown.
    """
    yield from _head(summary, rows)
    yield from _section("who", _who(summary))
    yield from _section("progress", _progress(rows))
    yield from _section("did", _did(summary, statements))
    yield from _section("asked", _asked(summary, exchanges))
    yield from _section("kept", _kept(summary, documents))
    yield from _section("mentioned", _mentioned(summary, mentions))
    yield from _section("requests", _requests(requests))
    yield from _section("absent", iter([_ABSENT]))
    yield f"</main><footer><p>Made by Lethe for request <code>{text(summary.request)}</code>.</p></footer>"
    yield "</body></html>\n"


def _head(summary: Summary, rows: list[dict[str, Any]]) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    tenant = text(summary.tenant)
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
    yield f"<title>Your data at {tenant}</title><style>{STYLE}</style></head>\n<body>"
    yield '<a class="skip" href="#who">Skip to the data</a>\n<header>'
    yield f'<p class="kicker">Copy of personal data</p><h1>Your data at <bdi>{tenant}</bdi></h1>'
    yield from _lead(summary)
    yield _strip(summary, rows)
    links = "".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in _SECTIONS.items())
    yield f'<nav aria-label="Contents"><ul>{links}</ul></nav></header>\n<main>'
    drawn = charts(summary.months, rows)
    yield f'<section aria-label="Overview">{drawn}</section>\n' if drawn else ""


def _lead(summary: Summary) -> Iterator[str]:
    names = [name for agent in summary.agents if (name := record(agent).get("name"))]
    whom = f", <bdi>{text(names[-1], 200)}</bdi>" if names else ""
    yield (
        f'<p class="lead">This is what the learning record store of this organisation holds about you{whom}. '
        "You may read it, keep it and hand it on (GDPR articles 15 and 20). The file <code>export.json</code> "
        "beside this page holds the same in full, for programs.</p>\n"
    )
    yield f'<dl class="facts"><div><dt>Made</dt><dd>{moment(summary.made_at)} UTC</dd></div>'
    yield f"<div><dt>Request</dt><dd><code>{text(summary.request)}</code></dd></div></dl>\n"


def _strip(summary: Summary, rows: list[dict[str, Any]]) -> str:
    activities = {plain(row.get("activity")) for row in map(record, rows)}
    completed = {plain(row.get("activity")) for row in map(record, rows) if row.get("completion") is True}
    numbers = {
        "statements about what you did": summary.statements,
        "activities with progress": len(activities),
        "of them completed": len(completed),
        "exchanges with an assistant": summary.exchanges,
        "documents kept for you": summary.documents,
        "records of others that mention you": summary.mentions,
    }
    shown = "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in numbers.items())
    return f'<dl class="strip">{shown}</dl>\n'


def _section(anchor: str, inner: Iterator[str]) -> Iterator[str]:
    yield f'<section id="{anchor}" aria-labelledby="{anchor}-title">'
    yield f'<h2 id="{anchor}-title">{_SECTIONS[anchor]}</h2>\n'
    yield from inner
    yield "</section>\n"


def _more(total: int, shown_max: int, what: str) -> str:
    return (
        f'<p class="more">{total - shown_max:,} more {what} are in export.json.</p>\n' if total > shown_max else ""
    )


def _who(summary: Summary) -> Iterator[str]:
    cells = dict.fromkeys(  # each once, in order
        (text(agent.get("name", NONE)), kind, text(value))
        for agent in map(record, summary.agents[:ROWS_MAX])
        for kind, value in [identifier(agent)]
    )
    named = ((f"<bdi>{name}</bdi>", kind, f"<bdi>{value}</bdi>") for name, kind, value in cells)
    heads = ("Name", "Kind of identifier", "Identifier")
    yield from table("Names and identifiers as they are shown", heads, named, nothing="No identifier is held.")
    yield _more(len(summary.agents), ROWS_MAX, "forms of your name")


def _progress(rows: list[dict[str, Any]]) -> Iterator[str]:
    heads = ("Activity", "Completed", "Passed", "Score", "Progress", "Attempts", "Time spent", "First and last")
    cells = map(_progress_cells, map(record, rows[:ROWS_MAX]))
    yield from table("Progress in each activity (times in UTC)", heads, cells, nothing="No progress is held.")
    yield _more(len(rows), ROWS_MAX, "rows")


def _progress_cells(row: dict[str, Any]) -> tuple[str, ...]:
    activity, attempts = row.get("activity"), row.get("attempts")
    return (
        f'<span class="wide"><bdi>{text(iri_words(activity))}</bdi><small>{text(activity)}</small></span>',
        _yes_no(row.get("completion")),
        _yes_no(row.get("success")),
        percent_words(row.get("score_scaled"), 100),
        percent_words(row.get("progress")),
        NONE if attempts is None else text(attempts),
        seconds_words(row.get("time_spent_seconds")),
        f"{moment(row.get('first_at'))}<br>{moment(row.get('last_at'))}",
    )


def _yes_no(value: Any) -> str:
    return _YES_NO[value] if isinstance(value, bool) else NONE


def _did(summary: Summary, statements: Iterable[dict[str, Any]]) -> Iterator[str]:
    heads = ("Time (UTC)", "What you did", "With what", "Result")
    cells = map(_statement_cells, map(record, islice(statements, STATEMENTS_MAX)))
    yield from table("Statements whose actor is you", heads, cells, nothing="No statement is held.")
    yield _more(summary.statements, STATEMENTS_MAX, "statements")


def _statement_cells(statement: dict[str, Any]) -> tuple[str, ...]:
    thing = statement.get("object")
    return (
        moment(statement.get("timestamp") or statement.get("stored")),
        f"<bdi>{text(verb_words(statement.get('verb')), 200)}</bdi>",
        f"<bdi>{text(thing_words(thing), 500)}</bdi>",
        result_markup(statement.get("result"), thing),
    )


def _asked(summary: Summary, exchanges: Iterable[dict[str, Any]]) -> Iterator[str]:
    if summary.exchanges:
        yield "<p>What was sent to a language model in your name, and what came back. Times are in UTC.</p>\n"
    else:
        yield '<p class="soft">No exchange with an assistant is held.</p>\n'
    yield from chain.from_iterable(map(exchange, islice(exchanges, EXCHANGES_MAX)))
    yield _more(summary.exchanges, EXCHANGES_MAX, "exchanges")


def _kept(summary: Summary, documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    cells = map(document_cells, islice(documents, ROWS_MAX))
    caption = "Documents that programs keep for you: bookmarks, settings, notes"
    yield from table(caption, HEADS, cells, nothing="No document is held.")
    yield _more(summary.documents, ROWS_MAX, "documents")


def _mentioned(summary: Summary, mentions: Iterable[dict[str, Any]]) -> Iterator[str]:
    cells = (
        (moment(one.get("stored")), f"<code>{text(one.get('id'))}</code>")
        for one in map(record, islice(mentions, ROWS_MAX))
    )
    caption = "Records that belong to others and name you, as instructor or in a team for instance"
    yield from table(caption, ("Stored (UTC)", "Record"), cells, nothing="No record of others mentions you.")
    yield _more(summary.mentions, ROWS_MAX, "mentions")


def _requests(requests: list[dict[str, Any]]) -> Iterator[str]:
    cells = (
        (
            moment(one.get("requested_at")),
            _KINDS.get(plain(one.get("kind"))) or text(one.get("kind")),
            text(one.get("status")),
            f"<code>{text(one.get('id'))}</code>",
        )
        for one in map(record, requests[:ROWS_MAX])
    )
    heads = ("Received (UTC)", "Kind", "Status", "Request")
    yield from table("What was asked for, and how far it is", heads, cells, nothing="No request is held.")
    yield _more(len(requests), ROWS_MAX, "requests")


_ABSENT: Final = """<ul>
<li><strong>Records that belong to others.</strong> Where somebody else's record names you, this page gives its
 number and time, and not what it says: that is about them.</li>
<li><strong>Other people.</strong> In your records every other person is masked.</li>
<li><strong>What others wrote about you in free text.</strong> A store can not find a person in another
 person's words; such text belongs to its author's records.</li>
<li><strong>Copies at receivers.</strong> Reports already handed out, files already exported and copies at the
 provider of a language model are held there, not here.</li>
<li><strong>Earlier versions of documents and documents that were deleted.</strong> They stay sealed in the log;
 no program gets them, and they go with everything else when you are erased.</li>
<li><strong>Files that export.json does not list,</strong> such as files attached to a statement.</li>
<li><strong>The answers to your other questions.</strong> Purposes, recipients, periods of storage and where you
 may complain (article 15(1)) are for the organisation to tell you in the letter that comes with this.</li>
</ul>
"""
