"""The page of an export package: what it says, where it stops, and that no data become markup."""

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.page import EXCHANGES_MAX, ROWS_MAX, STATEMENTS_MAX, Summary, page
from retention.page.charts import ACTIVITIES_MAX, charts
from retention.page.documents import document_cells
from retention.page.exchanges import BLOCKS_MAX, MESSAGES_MAX, exchange
from retention.page.markup import JSON_CHARACTERS_MAX, moment, number, text
from retention.page.words import (
    duration_words,
    identifier,
    in_english,
    iri_words,
    person_words,
    result_markup,
    seconds_words,
    thing_words,
    verb_words,
)

Json = Any
NONE = "\N{EM DASH}"

AGENT = {"objectType": "Agent", "name": "Ann <b>Lee</b>", "mbox": "mailto:ann@example.com"}
MASKED = {"objectType": "Agent", "account": {"homePage": "https://lrs.example/xapi/erased", "name": "erased"}}
CHOICE = {
    "id": "https://example.com/q/1",
    "definition": {
        "name": {"de": "Frage", "en-GB": "Question"},
        "choices": [{"id": "a", "description": {"en": "Water"}}, {"id": "b"}],
    },
}
STATEMENT: dict[str, Json] = {
    "id": "s1",
    "timestamp": "2026-01-31T10:30:00+01:00",
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
    "object": CHOICE,
    "result": {
        "success": True,
        "completion": False,
        "score": {"scaled": 0.8, "raw": 8, "max": 10},
        "duration": "PT1M30S",
        "response": "a[,]b",
    },
}
ROW = {
    "activity": "https://example.com/courses/how-a-fire-starts",
    "registration": None,
    "completion": True,
    "success": False,
    "score_scaled": 0.75,
    "progress": 100,
    "attempts": 2,
    "time_spent_seconds": 3900.0,
    "satisfied_at": None,
    "first_at": "2026-01-01T00:00:00Z",
    "last_at": "2026-01-31T10:00:00Z",
}
EXCHANGE = {
    "id": "e1",
    "recorded_at": "2026-02-01T08:00:00Z",
    "activity": "https://example.com/courses/how-a-fire-starts",
    "request": {
        "model": "asked-model",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Old question"},
            {"role": "assistant", "content": "Old answer"},
            {"role": "user", "content": [{"type": "text", "text": "Why <i>dust</i>?"}]},
        ],
    },
    "response": {"model": "model-1", "content": [{"type": "text", "text": "Because."}]},
}
MENTION = {"id": "m1", "stored": "2026-03-01T09:00:00.123456Z"}
REQUEST = {"id": "r1", "kind": "erase", "status": "open", "requested_at": "2026-03-02T09:00:00Z"}
DOCUMENT = {
    "resource": "state",
    "id": "bookmark",
    "activity": "https://example.com/c/fire",
    "content_type": "text/x",
    "bytes": 1234,
    "updated_at": "2026-03-01T10:00:00Z",
    "content": '{"page":<7>}',
}


def summary_of(**changes: Any) -> Summary:
    fields: dict[str, Any] = {
        "tenant": "acme",
        "request": "r0",
        "made_at": "2026-03-03T12:00:00+00:00",
        "agents": [AGENT],
        "statements": 1,
        "exchanges": 1,
        "mentions": 1,
        "documents": 1,
        "months": {"2026-01": 1},
    }
    return Summary(**(fields | changes))


def page_of(
    summary: Summary | None = None,
    *,
    rows: Json = (ROW,),
    statements: Iterable[Json] = (STATEMENT,),
    exchanges: Iterable[Json] = (EXCHANGE,),
    mentions: Iterable[Json] = (MENTION,),
    requests: Json = (REQUEST,),
    documents: Iterable[Json] = (DOCUMENT,),
) -> str:
    pieces = page(summary or summary_of(), list(rows), statements, exchanges, mentions, list(requests), documents)
    return "".join(pieces)


def exchange_of(value: Json) -> str:
    return "".join(exchange(value))


def words(spaced: str) -> list[str]:
    return spaced.split()


class Reader(HTMLParser):
    """What a browser would make of the page: its elements with their attributes, and its text."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.others: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


ELEMENTS = frozenset(
    words(
        "a article bdi body br caption code dd details div dl dt figcaption figure footer h1 h2 h3 head "
        "header html li line main meta nav p q rect section small span strong style summary svg table tbody "
        "td text th thead time title tr ul"
    )
)
ATTRIBUTES = frozenset(
    words(
        "aria-label aria-labelledby charset class content datetime height href http-equiv id lang name role "
        "rx scope tabindex text-anchor viewbox width x x1 x2 y y1 y2"
    )
)


def check_only_the_template(markup: str) -> Reader:
    read = Reader(markup)
    assert read.elements <= ELEMENTS
    assert read.attributes <= ATTRIBUTES
    assert read.others == ["DOCTYPE html"]
    return read


def test_the_page_says_what_is_held() -> None:
    read = check_only_the_template(page_of())
    for expected in (
        "Your data at acme",
        "Ann <b>Lee</b>",
        "ann@example.com",
        "3 Mar 2026, 12:00 UTC",
        "How a fire starts",
        "1 h 5 min",
        "31 Jan 2026, 09:30",
        "answered",
        "Question",
        "successful",
        "not complete",
        "score 80 % (8 of 10)",
        "took 1 min 30 s",
        "Water; b",
        "Why <i>dust</i>?",
        "Because.",
        "model-1",
        "During: How a fire starts",
        "Earlier messages of this conversation, sent along again (2)",
        "Be brief.",
        "1 Mar 2026, 09:00",
        "Erasure (article 17)",
        "state in an activity",
        "bookmark",
        '{"page":<7>}',
        "text/x, 1,234 bytes",
        "What is not in here",
    ):
        assert expected in read.text
    assert "are in export.json" not in read.text


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    markup = page_of()
    assert "default-src 'none'" in markup
    assert not {"script", "link", "img", "iframe", "form", "base", "object"} & Reader(markup).elements
    assert "url(" not in markup
    assert "@import" not in markup
    assert 'lang="en"' in markup


def test_a_person_of_whom_nothing_is_held_gets_a_page_that_says_so() -> None:
    summary = summary_of(agents=[], statements=0, exchanges=0, mentions=0, documents=0, months={})
    read = check_only_the_template(
        page_of(summary, rows=[], statements=[], exchanges=[], mentions=[], requests=[], documents=[])
    )
    for nothing in (
        "No identifier is held.",
        "No progress is held.",
        "No statement is held.",
        "No exchange with an assistant is held.",
        "No record of others mentions you.",
        "No request is held.",
        "No document is held.",
    ):
        assert nothing in read.text
    assert "svg" not in read.elements


class Counted:
    """An endless list that counts how far it was read."""

    def __init__(self, item: Json) -> None:
        self.item = item
        self.read = 0

    def __iter__(self) -> Iterator[Json]:
        while True:
            self.read += 1
            yield self.item


def test_lists_stop_at_their_limits_and_say_how_many_more_there_are() -> None:
    statements, exchanges, mentions = Counted(STATEMENT), Counted(EXCHANGE), Counted(MENTION)
    documents, agents = Counted(DOCUMENT), [AGENT] * (ROWS_MAX + 4)
    summary = summary_of(agents=agents, statements=100_000, exchanges=9_000, mentions=8_000, documents=7_000)
    markup = page_of(
        summary,
        rows=[ROW] * (ROWS_MAX + 2),
        statements=statements,
        exchanges=exchanges,
        mentions=mentions,
        requests=[REQUEST] * (ROWS_MAX + 3),
        documents=documents,
    )
    assert documents.read == ROWS_MAX
    assert (statements.read, exchanges.read, mentions.read) == (STATEMENTS_MAX, EXCHANGES_MAX, ROWS_MAX)
    for more in (
        "98,000 more statements",
        "8,500 more exchanges",
        "7,500 more mentions",
        "6,500 more documents",
        "2 more rows",
        "3 more requests",
        "4 more forms of your name",
    ):
        assert f"{more} are in export.json" in markup
    assert f"the last {ACTIVITIES_MAX} of 502" in markup


def test_the_page_comes_in_small_pieces() -> None:
    """A hundred thousand statements never stand in memory as one text."""
    pieces = page(summary_of(statements=50), [], [STATEMENT] * 50, [], [], [], [])
    assert sum("Question" in piece for piece in pieces) == 50


def test_lone_surrogates_are_left_to_the_encoder() -> None:
    statement = {"object": {"definition": {"name": {"en": "\ud800 lone"}}}}
    markup = page_of(summary_of(tenant="\udfff"), statements=[statement])
    assert b"? lone" in markup.encode("utf-8", "replace")


HOSTILE = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\"'><img src=x onerror=alert(1)>",
        "</style></title><svg onload=alert(1)>",
        "<!-- ",
        "]]><![CDATA[<?php",
        "&lt;b&gt;&#60;",
        "\x00\x1b\ud800\u202e\r\n",
        "javascript:alert(1)",
    ]
)
KEYS = st.sampled_from(
    words(
        "id name type role text content thinking tool_use tool_result input messages model system request "
        "response activity verb object objectType definition display choices description result score "
        "scaled raw max success completion duration extensions timestamp stored recorded_at en mbox account "
        "homePage openid progress resource bytes content_type updated_at last_at time_spent_seconds attempts "
        "score_scaled kind status"
    )
)
WORDS = st.sampled_from(
    words(
        "user assistant text thinking tool_use tool_result image Agent Group StatementRef SubStatement P1D "
        "2026-01-01T00:00:00Z 0001-01-01T00:00:00+14:00 "
        "https://w3id.org/xapi/cmi5/result/extensions/progress"
    )
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | HOSTILE | WORDS
)  # floats with NaN and infinity: json.loads takes them
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | HOSTILE | WORDS, inner, max_size=5),
    max_leaves=12,
)
LISTS = st.lists(JSON, max_size=3)
VALID: list[dict[str, Json]] = [STATEMENT, ROW, EXCHANGE, MENTION, REQUEST, AGENT, DOCUMENT]
MUTATED = st.sampled_from(VALID).flatmap(
    lambda valid: st.tuples(st.just(valid), st.sampled_from(sorted(valid)), JSON)
)


@settings(max_examples=100, deadline=None)
@given(
    HOSTILE | WORDS,
    LISTS,
    LISTS,
    LISTS,
    LISTS,
    LISTS,
    LISTS,
    LISTS,
    st.dictionaries(HOSTILE | WORDS, st.integers()),
)
def test_no_json_in_any_place_fails_or_becomes_markup(
    word: str,
    agents: Json,
    rows: Json,
    statements: Json,
    exchanges: Json,
    mentions: Json,
    requests: Json,
    documents: Json,
    months: dict[str, int],
) -> None:
    summary = summary_of(tenant=word, request=word, made_at=word, agents=agents, months=months)
    check_only_the_template(
        page_of(
            summary,
            rows=rows,
            statements=statements,
            exchanges=exchanges,
            mentions=mentions,
            requests=requests,
            documents=documents,
        )
    )


@settings(max_examples=100, deadline=None)
@given(MUTATED, JSON)
def test_a_valid_record_with_one_odd_field_is_shown(mutated: tuple[Json, str, Json], other: Json) -> None:
    valid, field, odd = mutated
    items = [valid | {field: odd}, valid | {field: {"content": [odd], "messages": [{"content": [odd]}, other]}}]
    check_only_the_template(
        page_of(
            summary_of(agents=items),
            rows=items,
            statements=[*items, {"object": odd, "result": odd, "verb": odd}],
            exchanges=items,
            mentions=items,
            requests=items,
            documents=items,
        )
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, NONE),
        ("2026-01-31T10:30:00+01:00", "31 Jan 2026, 09:30"),
        ("2026-01-31T10:30:00.123Z", "31 Jan 2026, 10:30"),
        ("2026-01-31T10:30:00", "31 Jan 2026, 10:30"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("yesterday <", "yesterday <"),
        (17, "17"),
    ],
)
def test_a_time_is_shown_in_utc_and_an_odd_one_as_it_is(value: Json, expected: str) -> None:
    assert Reader(moment(value)).text == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"content_base64": "AP8=", "content_type": "image/png"}, "in export.json<small>image/png</small>"),
        ({"content": "", "bytes": 0}, "<bdi></bdi><small>null, 0 bytes</small>"),
        ({"resource": "agent-profile"}, "profile of you"),
        ({"resource": "<new>"}, "&lt;new&gt;"),
        ({"id": "x" * 600}, "100 more characters in export.json"),
    ],
)
def test_a_document_is_shown_by_what_is_known_of_it(document: Json, expected: str) -> None:
    assert expected in " ".join(document_cells(document))


def test_long_text_is_cut_and_says_by_how_much() -> None:
    assert text("a" * 12, 10) == "a" * 10 + " [\N{HORIZONTAL ELLIPSIS} 2 more characters in export.json]"
    assert text("<" * 10, 10) == "&lt;" * 10
    assert "[\N{HORIZONTAL ELLIPSIS} 4 more characters" in text(["a" * JSON_CHARACTERS_MAX])  # with its brackets


def test_controls_are_replaced_and_white_space_stays() -> None:
    assert text("a\x00\x1b\x7f\tb\n") == "a\ufffd\ufffd\ufffd\tb\n"


DEEP: Json = []
for _ in range(100_000):
    DEEP = [DEEP]


def test_a_value_that_json_can_not_say_is_named() -> None:
    assert text(DEEP) == "(shown in export.json)"
    assert text(10**5_000) == "(shown in export.json)"


def test_deep_values_stop_nothing() -> None:
    def deepened(valid: Json) -> list[Json]:
        return [valid | {field: odd} for field in valid for odd in (DEEP, {"type": DEEP}, {"id": DEEP})]

    statements = [
        *deepened(STATEMENT),
        *({"result": one} for one in deepened(STATEMENT["result"])),
        *({"object": {"objectType": kind, "id": DEEP, "account": DEEP}} for kind in ("Agent", "StatementRef")),
        {"object": {"objectType": "Agent", "account": {"homePage": DEEP, "name": DEEP}}},
    ]
    message = {"role": DEEP, "content": [DEEP, {"type": DEEP}]}
    exchanges = [*deepened(EXCHANGE), {"request": {"messages": [message], "model": DEEP}}]
    check_only_the_template(
        page_of(
            summary_of(agents=deepened(AGENT)),
            rows=deepened(ROW),
            statements=statements,
            exchanges=exchanges,
            mentions=deepened(MENTION),
            requests=deepened(REQUEST),
        )
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1), (0.5, 0.5), (True, None), ("1", None), (float("nan"), None), (float("inf"), None), (10**400, None)],
)
def test_only_what_can_be_shown_is_a_number(value: Json, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("language_map", "expected"),
    [
        ({"de": "Haus", "en": "house"}, "house"),
        ({"de": "Haus", "EN-us": "house"}, "house"),
        ({"en-US": "color", "en": "colour"}, "colour"),
        ({"de": "Haus", "fr": "maison"}, "Haus"),
        ({"en": 5, "de": "", "fr": "maison"}, "maison"),
        ({}, None),
        ("house", None),
    ],
)
def test_english_is_preferred_else_the_first_language(language_map: Json, expected: str | None) -> None:
    assert in_english(language_map) == expected


@pytest.mark.parametrize(
    ("iri", "expected"),
    [
        ("https://example.com/units/how-a-fire-starts", "How a fire starts"),
        ("https://example.com/units/fire_drill/", "Fire drill"),
        ("https://example.com/units#part%20two", "Part two"),
        ("https://example.com/units/17", "https://example.com/units/17"),
        ("///", "///"),
        ("", NONE),
        (None, NONE),
    ],
)
def test_an_iri_is_named_by_its_end_if_that_has_words(iri: Json, expected: str) -> None:
    assert iri_words(iri) == expected


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ({"id": "http://adlnet.gov/expapi/verbs/failed"}, "did not pass"),
        ({"id": "https://adlnet.gov/expapi/verbs/failed", "display": {"en": "x"}}, "did not pass"),
        ({"id": "https://w3id.org/xapi/adl/verbs/waived"}, "was excused from"),
        ({"id": "https://example.com/expapi/verbs/failed", "display": {"en": "broke"}}, "broke"),
        ({"id": "http://adlnet.gov/expapi/verbs/danced-with"}, "danced with"),
        ({"id": 5}, NONE),
        (None, NONE),
    ],
)
def test_a_verb_is_said_in_plain_words(verb: Json, expected: str) -> None:
    assert verb_words(verb) == expected


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (CHOICE, "Question"),
        ({"id": "https://example.com/a/fire-drill"}, "Fire drill"),
        (MASKED, "another person (masked)"),
        (MASKED | {"objectType": "Group"}, "another person (masked)"),
        (AGENT, "Ann <b>Lee</b>"),
        ({"objectType": "StatementRef", "id": "s9"}, "the statement s9"),
        (
            {"objectType": "SubStatement", "verb": STATEMENT["verb"], "object": CHOICE},
            "a plan: answered Question",
        ),
        ([], NONE),
    ],
)
def test_a_thing_is_named(thing: Json, expected: str) -> None:
    assert thing_words(thing) == expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (AGENT, ("e-mail address", "ann@example.com")),
        ({"mbox_sha1sum": "ab"}, ("digest of an e-mail address", "ab")),
        ({"openid": "https://a.example"}, ("OpenID", "https://a.example")),
        ({"account": {"name": "7", "homePage": "https://h.example"}}, ("account", "7 at https://h.example")),
        ({"account": 5}, ("account", f"{NONE} at {NONE}")),
        ({"objectType": "Group", "member": []}, ("no identifier", NONE)),
        (None, ("no identifier", NONE)),
    ],
)
def test_identifiers_are_named_by_their_kind(agent: Json, expected: tuple[str, str]) -> None:
    assert identifier(agent) == expected


def test_a_person_without_a_name_is_known_by_the_identifier() -> None:
    assert person_words({"mbox": "mailto:a@example.com"}) == "a@example.com"
    assert person_words({"name": 5, "account": {"name": "erased", "homePage": "https://h.example"}}) == (
        "erased at https://h.example"
    )


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("PT1H5M", "1 h 5 min"),
        ("P1DT2H", "1 days 2 h"),
        ("PT0H0M7.5S", "7.5 s"),
        ("P3W", "3 weeks"),
        ("PT0S", "0 s"),
        ("PT0.5S", "0.5 s"),
        ("PT.5S", ".5 s"),
        ("P", "0 s"),
        ("soon", "soon"),
        (5, "5"),
    ],
)
def test_durations_are_words(duration: Json, expected: str) -> None:
    assert duration_words(duration) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (40.4, "40 s"),
        (59.7, "1 min"),
        (300, "5 min"),
        (3_600, "1 h 0 min"),
        (5_430_000, "1,508 h 20 min"),
        (None, NONE),
    ],
)
def test_seconds_are_words(seconds: Json, expected: str) -> None:
    assert seconds_words(seconds) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, NONE),
        ({}, NONE),
        ({"success": False}, "not successful"),
        ({"success": "yes"}, NONE),
        ({"completion": True}, "complete"),
        ({"score": {"scaled": 0.666}}, "score 66.6 %"),
        ({"score": {"raw": 8}}, "score 8"),
        ({"score": {"raw": 8, "max": 10}}, "score 8 of 10"),
        ({"score": {}}, f"score {NONE}"),
        ({"extensions": {"https://w3id.org/xapi/cmi5/result/extensions/progress": 40}}, "progress 40 %"),
        ({"extensions": {"https://w3id.org/xapi/video/extensions/progress": 0.4}}, "progress 40 %"),
        ({"response": "my own <words>"}, "my own <words>"),
        ({"response": {"odd": 1}}, '{"odd":1}'),
    ],
)
def test_a_result_is_said_in_words(result: Json, expected: str) -> None:
    assert Reader(result_markup(result, {})).text == expected


def test_a_response_that_is_no_text_stays_what_it_is_beside_choices() -> None:
    assert Reader(result_markup({"response": 5}, CHOICE)).text == "5"


def test_months_without_statements_keep_their_place_and_older_ones_are_counted() -> None:
    drawn = charts({"2026-02": 3, "2025-12": 2, "2020-01": 7, "odd": 1, "2026-01": 0}, [])
    assert "Dec 2025: 2, Jan 2026: 0, Feb 2026: 3" in drawn
    assert "8 at other times" in drawn
    assert drawn.count('class="bar"') == 12


def test_progress_is_drawn_from_0_to_100_and_labels_are_cut() -> None:
    rows = [
        {"activity": "https://e.example/" + "long-" * 30, "progress": 250, "last_at": "2"},
        {"activity": "https://e.example/negative", "progress": -5, "last_at": "1"},
        {"activity": "https://e.example/unknown", "progress": None},
    ]
    drawn = charts({}, rows)
    assert 'class="bar" x="0" y="18" width="440.0"' in drawn
    assert 'class="bar" x="0" y="52" width="0.0"' in drawn
    assert "Unknown" not in drawn
    assert "\N{HORIZONTAL ELLIPSIS}</text>" in drawn


def blocks_of(*blocks: Json) -> str:
    return Reader(exchange_of({"response": {"content": list(blocks)}})).text


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("bare text", "bare text"),
        ({"type": "text", "text": "hello"}, "hello"),
        ({"type": "text"}, 'Other content: text{"type":"text"}'),
        ({"type": "thinking", "thinking": "hmm"}, "Thinking, before the answerhmm"),
        ({"type": "tool_use", "name": "look", "input": {"q": "<"}}, 'Used a tool: look{"q":"<"}'),
        ({"type": "tool_result", "content": "found"}, "Result of a toolfound"),
        ({"type": "tool_result", "content": [{"type": "text", "text": "in"}]}, "Result of a toolin"),
        ({"type": "tool_result"}, f"Result of a tool{NONE}"),
        ({"type": "image", "source": {"data": "AA"}}, 'Other content: image{"type":"image","source":'),
        ({"type": ["odd"]}, 'Other content: ["odd"]'),
        (5, "Other content5"),
    ],
)
def test_blocks_are_shown_by_their_type(block: Json, expected: str) -> None:
    assert expected in blocks_of(block)


def test_results_within_results_end_at_a_depth() -> None:
    block: Json = {"type": "text", "text": "bottom"}
    for _ in range(500):
        block = {"type": "tool_result", "content": [block]}
    shown = blocks_of(block)
    assert shown.count("Result of a tool") == 3
    assert "Other content" in shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"response": None}, "No answer is recorded."),
        ({"response": {"type": "error", "error": {"message": "busy"}}}, "Other content: error"),
        ({"response": "plain"}, "Other contentplain"),
        ({"response": {"content": {"odd": 1}}}, 'Other content{"odd":1}'),
        ({"request": {"model": "asked-model"}}, "asked-model"),
        ({"request": {"messages": [{"role": "system", "content": "x"}]}}, "systemx"),
        ([], "model not named"),
    ],
)
def test_exchanges_of_odd_shapes_are_shown(value: Json, expected: str) -> None:
    assert expected in Reader(exchange_of(value)).text


def test_only_what_is_new_in_an_exchange_is_open() -> None:
    """The Messages API keeps no conversation: its client sends all of it again with every question."""
    markup = exchange_of(EXCHANGE)
    folded, opened = markup[: markup.rindex("</details>")], markup[markup.rindex("</details>") :]
    assert "Old question" in folded
    assert "Old answer" in folded
    assert "Why" in opened
    assert "Because." in opened


def test_the_beginning_of_an_answer_that_a_program_wrote_itself_is_new() -> None:
    messages = [{"role": "user", "content": "Go on"}, {"role": "assistant", "content": "It is"}]
    assert "<details>" not in exchange_of({"request": {"messages": messages}})


def test_long_exchanges_stop_at_their_limits() -> None:
    turns = [{"role": "assistant", "content": "a"}] * (MESSAGES_MAX + 5)
    questions = [{"role": "user", "content": "q"}] * (MESSAGES_MAX + 2)
    markup = exchange_of({"request": {"messages": turns + questions}})
    assert markup.count('class="turn"') == MESSAGES_MAX
    assert markup.count('class="turn you"') == MESSAGES_MAX
    assert "7 more messages of this exchange" in markup
    assert "3 more parts are in export.json" in blocks_of(*["x"] * (BLOCKS_MAX + 3))
