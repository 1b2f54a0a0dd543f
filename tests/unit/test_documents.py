"""Documents: the matrix of preconditions as a table, and merging."""

import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.documenting.heads import Head, unpack
from lrs.domain import documents
from lrs.domain.documents import (
    Conditions,
    Content,
    Context,
    Method,
    Resource,
    check_change,
    etag_of,
    is_json,
    posted,
)
from lrs.domain.errors import DocumentConflict, InvalidRequest, LetheError, LimitExceeded, PreconditionFailed

STATE, AGENT, ACTIVITY = Resource.STATE, Resource.AGENT_PROFILE, Resource.ACTIVITY_PROFILE
PROFILES = (AGENT, ACTIVITY)
ALL = (STATE, *PROFILES)
BOTH = ("1.0.3", "2.0.0")
PUT, POST, DELETE = Method.PUT, Method.POST, Method.DELETE
ANY_METHOD = (PUT, POST, DELETE)
THERE, OTHER = etag_of(b"there"), etag_of(b"other")
WEAK, BARE, BARE_CAPITALS = f"W/{THERE}", THERE.strip('"'), THERE.strip('"').upper()
MANY = f"{OTHER} , {THERE}"
GOES, FAILED, CONFLICT, WRONG = None, PreconditionFailed, DocumentConflict, InvalidRequest

# methods, resources, versions, If-Match, If-None-Match -> with nothing there, with a document there
MATRIX: list[tuple[Any, ...]] = [
    ((PUT,), (STATE,), ("1.0.3",), None, None, GOES, GOES),
    ((PUT,), (STATE,), ("2.0.0",), None, None, GOES, CONFLICT),
    ((PUT,), PROFILES, ("1.0.3",), None, None, WRONG, CONFLICT),
    ((PUT,), PROFILES, ("2.0.0",), None, None, GOES, CONFLICT),
    ((POST, DELETE), ALL, BOTH, None, None, GOES, GOES),
    (ANY_METHOD, ALL, BOTH, "*", None, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, THERE, None, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, WEAK, None, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, BARE, None, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, BARE_CAPITALS, None, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, MANY, None, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, OTHER, None, FAILED, FAILED),
    (ANY_METHOD, ALL, BOTH, '"1234"', None, FAILED, FAILED),
    (ANY_METHOD, ALL, BOTH, "", None, FAILED, FAILED),
    (ANY_METHOD, ALL, BOTH, "no tag at all", None, FAILED, FAILED),
    (ANY_METHOD, ALL, BOTH, None, "*", GOES, FAILED),
    (ANY_METHOD, ALL, BOTH, None, THERE, GOES, FAILED),
    (ANY_METHOD, ALL, BOTH, None, WEAK, GOES, FAILED),
    (ANY_METHOD, ALL, BOTH, None, MANY, GOES, FAILED),
    (ANY_METHOD, ALL, BOTH, None, OTHER, GOES, GOES),
    (ANY_METHOD, ALL, BOTH, THERE, OTHER, FAILED, GOES),
    (ANY_METHOD, ALL, BOTH, THERE, THERE, FAILED, FAILED),
    (ANY_METHOD, ALL, BOTH, "*", "*", FAILED, FAILED),
]
CASES = [
    (method, resource, version, if_match, if_none_match, there, expected)
    for methods, resources, versions, if_match, if_none_match, nothing, document in MATRIX
    for method in methods
    for resource in resources
    for version in versions
    for there, expected in ((None, nothing), (THERE, document))
]


@pytest.mark.parametrize(
    ("method", "resource", "version", "if_match", "if_none_match", "there", "expected"), CASES
)
def test_the_matrix(
    method: Method,
    resource: Resource,
    version: str,
    if_match: str | None,
    if_none_match: str | None,
    there: str | None,
    expected: type[LetheError] | None,
) -> None:
    conditions = Conditions.of(if_match, if_none_match)
    if expected is None:
        check_change(method, resource, version, conditions, there)
        return
    with pytest.raises(expected) as refused:
        check_change(method, resource, version, conditions, there)
    assert BARE not in str(refused.value)


def test_the_matrix_has_a_row_for_every_method_resource_and_version_without_a_precondition() -> None:
    bare = {(m, r, v) for m, r, v, *headers, _, _ in CASES if headers == [None, None]}
    assert bare == {(m, r, v) for m in Method for r in Resource for v in BOTH}


def test_a_conflict_says_how_to_go_on() -> None:
    with pytest.raises(DocumentConflict, match="If-Match"):
        check_change(PUT, AGENT, "2.0.0", Conditions(), THERE)


def test_who_has_this_very_document_is_known_by_if_none_match_alone() -> None:
    assert Conditions.of(None, THERE).unchanged(THERE)
    assert Conditions.of(None, "*").unchanged(THERE)
    assert not Conditions.of(None, OTHER).unchanged(THERE)
    assert not Conditions.of(THERE, None).unchanged(THERE)
    assert not Conditions.of(None, "*").unchanged(None)


@given(st.binary(max_size=200))
def test_an_etag_is_the_sha1_in_quotes(data: bytes) -> None:
    assert etag_of(data) == '"' + hashlib.sha1(data, usedforsecurity=False).hexdigest() + '"'


# --- what a document is found by ------------------------------------------------------------------------------

NAMES = st.text(max_size=12) | st.sampled_from(["", '"', ",", '","', "\ud800", "null"])
CONTEXTS = st.builds(Context, st.sampled_from(Resource), st.none(), st.none() | NAMES, st.none() | NAMES)


@given(CONTEXTS, NAMES, CONTEXTS, NAMES)
def test_two_documents_share_a_place_only_if_all_their_names_are_the_same(
    one: Context, one_id: str, other: Context, other_id: str
) -> None:
    assert (one.place(one_id) == other.place(other_id)) == ((one, one_id) == (other, other_id))
    assert (one.session() == other.session()) == (one == other)
    same = (one.resource, one.activity) == (other.resource, other.activity)
    assert (one.scope() == other.scope()) == same
    assert len({one.place(one_id), one.session(), one.scope()}) == 3


def test_the_texts_by_which_documents_are_found_never_change() -> None:
    """Digests of them are stored: with other texts every document would be lost."""
    context = Context(STATE, {"mbox": "mailto:a@example.org"}, "https://x.example.org/é", "r")
    assert context.scope() == b'["document-scope/1", "state", "https://x.example.org/\\u00e9"]'
    assert context.session() == b'["document-session/1", "state", "https://x.example.org/\\u00e9", "r"]'
    assert Context(AGENT).place("p") == b'["document-place/1", "agent-profile", null, null, "p"]'


def test_the_bytes_of_a_head_never_change() -> None:
    """They are sealed and kept for ever; a later release may add to their end."""
    context = Context(STATE, {"mbox": "mailto:a@example.org"}, "https://x.example.org/é", "r")
    head = Head.of(UUID(int=0xADA), context, "one", Content("text/plain", b"abc"))
    packed = (
        '["00000000000000000000000000000ada","state","one","https://x.example.org/é","r",'
        '{"mbox":"mailto:a@example.org"},"text/plain","\\"a9993e364706816aba3e25717850c26c9cd0d89d\\"",3]'
    ).encode()
    assert head.pack() == packed
    assert unpack(packed) == head
    assert unpack(packed[:-1] + b',"more"]') == head
    profile = Head.of(UUID(int=1), Context(ACTIVITY, None, "https://x.example.org"), "p", Content("a/b", b""))
    assert unpack(profile.pack()) == profile


# --- merging --------------------------------------------------------------------------------------------------

JSON = "application/json"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=5)
INDENTS = st.sampled_from([None, 1, "\t"])


def content(value: Any, indent: Any = None, content_type: str = JSON) -> Content:
    return Content(content_type, json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "replace"))


@given(OBJECTS, OBJECTS, INDENTS, st.booleans())
def test_a_merge_sets_the_top_level_properties_that_were_sent(
    there: dict[str, Any], sent: dict[str, Any], indent: Any, ascii_only: bool
) -> None:
    texts = [json.dumps(one, indent=indent, ensure_ascii=ascii_only).encode() for one in (there, sent)]
    merged = posted(Content(JSON, texts[0]), Content(JSON, texts[1]))
    assert json.loads(merged.data) == {**there, **sent}
    assert merged.content_type == JSON


@pytest.mark.parametrize(
    ("there", "sent", "merged"),
    [
        ('{"a":1}', "{}", '{"a":1}'),
        ("{}", "{}", "{}"),
        (" { } ", '\n{"a" : 1 }\t', '{"a":1}'),
        ('{"a":{"b":1,"c":2}}', '{"a":{"b":3}}', '{"a":{"b":3}}'),
        ('{"a":1.0,"b":1e400}', '{"c":123456789012345678901234567890}',
         '{"a":1.0,"b":1e400,"c":123456789012345678901234567890}'),
        ('{"a":1,"b":2,"a":3}', '{"b":4,"b":5}', '{"a":3,"b":5}'),
        (r'{"\u0061":1}', '{"a":2}', '{"a":2}'),
        (r'{"a":"\ud800"}', '{"é":"☃"}', r'{"a":"\ud800","é":"☃"}'),
        ('\ufeff{"a":1}', '\ufeff{"b":[1, 2]}', '{"a":1,"b":[1, 2]}'),
        (f'{{"a":{"9" * 5000}}}', "{}", f'{{"a":{"9" * 5000}}}'),
    ],
)  # fmt: skip
def test_what_is_merged_stays_as_it_was_written(there: str, sent: str, merged: str) -> None:
    assert posted(Content(JSON, there.encode()), Content(JSON, sent.encode())).data.decode() == merged


NO_OBJECTS = [
    *(b"", b" ", b"[]", b"[{}]", b"1", b'"a"', b"null", b"{", b"}", b"{]", b'{"a"}', b'{"a":}', b'{"a":1,}'),
    *(b'{"a":1}}', b'{"a":1} {}', b'{a:1}', b'{1:1}', b'{"a":1 "b":2}', b'{"a"=1}', b'{,}', b'{"a":1;}'),
    *(b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":01}', b"{'a':1}", b'{"a":"\x01"}', b'\xff{"a":1}', b'{"a":"\xff"}'),
    *(b'{"a":1}\x00', b"\x7b\x00\x7d\x00", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
]  # fmt: skip


@pytest.mark.parametrize("data", NO_OBJECTS, ids=range(len(NO_OBJECTS)))
def test_what_is_no_object_is_not_merged(data: bytes) -> None:
    good = Content(JSON, b'{"a":1}')
    with pytest.raises(InvalidRequest, match="stored") as of_stored:
        posted(Content(JSON, data), good)
    with pytest.raises(InvalidRequest, match="sent") as of_sent:
        posted(good, Content(JSON, data))
    for refused in (of_stored, of_sent):
        assert refused.value.__context__ is None  # Python's error quotes the text


@pytest.mark.parametrize("kinds", [("text/plain", JSON), (JSON, "text/plain"), ("a/b", "a/b"), (JSON, "not/json")])
def test_only_json_is_merged(kinds: tuple[str, str]) -> None:
    there, sent = (Content(kind, b"{}") for kind in kinds)
    with pytest.raises(InvalidRequest, match="application/json"):
        posted(there, sent)


def test_a_merged_document_keeps_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_BYTES_MAX", 13)
    assert posted(content({"a": 1}), content({"b": 2})).data == b'{"a": 1,"b": 2}'.replace(b" ", b"")
    with pytest.raises(LimitExceeded):
        posted(content({"a": 1}), content({"b": 20}))


@pytest.mark.parametrize("data", [b'{"a":1}', b"[1]", b'"a"', b"null", b" 1 ", b"\xef\xbb\xbf{}"])
def test_the_first_post_stores_any_json_as_it_is(data: bytes) -> None:
    sent = Content("Application/JSON; charset=utf-8", data)
    assert posted(None, sent) is sent


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b"{} {}", b"\xff", b"[" * 100_000])
def test_the_first_post_of_json_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not JSON"):
        posted(None, Content(JSON, data))
    other = Content("application/octet-stream", data)
    assert posted(None, other) is other


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (JSON, True),
        ("APPLICATION/json", True),
        ("application/json;charset=utf-8", True),
        ("application/json ; v=1", True),
        ("application/jsonx", False),
        ("application/ld+json", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_json_is_known_by_its_media_type(content_type: str, expected: bool) -> None:
    assert is_json(content_type) is expected
