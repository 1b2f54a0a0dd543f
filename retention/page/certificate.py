"""The page of an erasure's certificates: for a person, a data protection officer, a file. One self-contained
document, its style inline and no script; what a program checks is the JSON, which the page holds word for word.

EVERY VALUE GOES THROUGH `retention.page.markup`. Nothing else may put data into the markup.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from retention.page.markup import moment, text
from retention.page.style import STYLE

_TITLES: Final = {
    1: "Erased in the live system",
    2: "Unreadable in every older copy",
}
_LEADS: Final = {
    1: (
        "Every key that opened this person's data was destroyed, and nothing of the person is left in the live"
        " system's indexes, reports, documents or exports."
    ),
    2: (
        "The epoch in which that happened is closed and its key destroyed: copies of the key store from before"
        " then, in backups or anywhere else, open nothing any more."
    ),
}
_FACTS: Final = {
    "tenant": "Controller",
    "subject": "Person, by a random number",
    "request": "Request",
    "issued_at": "Issued",
    "ledger_sequence": "Entry in the ledger of destructions",
    "identifier_kinds": "Kinds of identifier that were known",
    "events_sampled": "Sealed events tried afterwards, none of which opened",
    "suppressed_until": "Refused when seen again, at the latest until",
    "epoch": "Epoch",
    "epoch_closed_at": "Epoch closed",
    "epoch_key_destroyed_at": "Epoch's key destroyed",
    "provider": "Keeper of the epoch's key",
    "final_at": "Final from",
}
_TIMES: Final = frozenset(
    {"issued_at", "suppressed_until", "epoch_closed_at", "epoch_key_destroyed_at", "final_at"}
)
# Never with a key: whoever forged a certificate would have put their own there.
_CHECK: Final = (
    "<p>Checked by <code>lrs verify-certificate FILE --key KEY</code>, offline, with this file. KEY is the"
    " controller's public key, to be had from the controller and not from this page:"
    " <code>GET /admin/log/head</code> as JSON gives it.</p>"
)


def certificate_page(certificates: Sequence[Mapping[str, Any]]) -> str:
    """All certificates of a request on one page; none yet: it says so."""
    return "".join(_pieces(certificates))


def _pieces(certificates: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
    yield f"<title>Certificate of erasure</title><style>{STYLE}</style></head>\n<body>"
    yield '<header><p class="kicker">General Data Protection Regulation, article 17</p>'
    yield "<h1>Certificate of erasure</h1></header>\n<main>"
    for one in certificates:
        yield from _one(one)
    if not certificates:
        yield "<section><p>There is no certificate of this request yet.</p></section>"
    yield "</main><footer><p>Made by Lethe. No word on this page names the person.</p></footer></body></html>\n"


def _one(certificate: Mapping[str, Any]) -> Iterator[str]:
    number = int(certificate["certificate"])
    yield f"<section><h2>{number}. {_TITLES[number]}</h2><p>{_LEADS[number]}</p><table><tbody>"
    for name, title in _FACTS.items():
        if name in certificate:
            yield f"<tr><th scope='row'>{title}</th><td>{_fact(name, certificate[name])}</td></tr>"
    if "log" in certificate:
        yield "<tr><th scope='row'>Signed log</th><td>a proof is enclosed, which is checked along</td></tr>"
    yield "</tbody></table>"
    yield from _list("What is claimed", certificate["claims"])
    yield from _list("What it does not reach", certificate["does_not_reach"])
    if "notify" in certificate:
        yield f"<p><strong>{text(certificate['notify'])}</strong></p>"
    yield _CHECK
    yield f"<details><summary>The signed document</summary><pre>{text(json.dumps(certificate, indent=2))}</pre>"
    yield "</details></section>\n"


def _fact(name: str, value: Any) -> str:
    if name in _TIMES:
        return moment(value)
    return text(", ".join(value) if isinstance(value, list) else str(value))


def _list(title: str, items: Sequence[str]) -> Iterator[str]:
    yield f"<h3>{title}</h3><ul>"
    yield from (f"<li>{text(one)}</li>" for one in items)
    yield "</ul>"
