"""The page of certificates: what it says, and that nothing gets into its markup but escaped."""

import json
import re
from html import unescape
from typing import Any

from retention.page.certificate import certificate_page

FIRST: dict[str, Any] = {
    "certificate": 1,
    "tenant": "acme",
    "subject": "5f0c",
    "issued_at": "2026-11-25T09:00:00+00:00",
    "identifier_kinds": ["mbox", "mbox_sha1sum"],
    "claims": ["Every key <b>went</b>."],
    "does_not_reach": ["Copies & such."],
    "notify": "Tell every recipient.",
    "public_key": "a+b=",
    "signature": "c",
}
SECOND: dict[str, Any] = {
    "certificate": 2,
    "tenant": "acme",
    "epoch": 7,
    "final_at": "2026-11-26T09:00:00+00:00",
    "claims": ["Noise."],
    "does_not_reach": [],
    "public_key": "a+b=",
    "log": {"note": "n"},
}


def test_a_page_says_what_is_claimed_and_what_is_not() -> None:
    page = certificate_page([FIRST, SECOND])
    for said in ("Erased in the live system", "mbox, mbox_sha1sum", "25 Nov 2026", "Copies &amp; such.", "a+b="):
        assert said in page, said
    for said in ("Unreadable in every older copy", "Epoch", "a proof is enclosed", "26 Nov 2026"):
        assert said in page, said


def test_a_page_does_not_say_itself_which_key_checks_it() -> None:
    """Whoever forges a page forges its key, too: it says where the key is to be had, and no more."""
    page = re.sub(r"<pre>.*?</pre>", "", certificate_page([FIRST, SECOND]), flags=re.DOTALL)
    assert "lrs verify-certificate FILE --key KEY" in page
    assert "/admin/log/head" in page
    assert "not from this page" in page
    assert FIRST["public_key"] not in page


def test_a_page_says_until_when_somebody_is_refused_where_it_is_so() -> None:
    until = {"suppressed_until": "2027-01-01T00:00:00+00:00"}
    for one in (FIRST, SECOND):
        assert "Refused when seen again" not in certificate_page([one])
        page = re.sub(r"<pre>.*?</pre>", "", certificate_page([one | until]), flags=re.DOTALL)
        assert "Refused when seen again, at the latest until" in page
        assert "1 Jan 2027" in page


def test_nothing_in_a_certificate_is_markup_and_no_script_runs() -> None:
    page = certificate_page([FIRST])
    assert "<b>" not in page
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_the_signed_document_is_in_the_page_word_for_word() -> None:
    found = re.findall(r"<pre>(.*?)</pre>", certificate_page([FIRST, SECOND]), re.DOTALL)
    assert [json.loads(unescape(one)) for one in found] == [FIRST, SECOND]


def test_none_yet_is_said() -> None:
    assert "no certificate of this request yet" in certificate_page([])
