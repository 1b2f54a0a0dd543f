"""The shape of statements, and that no refusal repeats what a client sent."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formats import is_iri, is_uuid
from api.schema import MEMBERS_MAX
from api.shapes import check_actor, check_statement, check_statements
from lrs.domain.errors import InvalidStatement
from lrs.domain.versions import VERSIONS

Json = dict[str, Any]

ID = "fd41c918-b88b-4b20-a0a5-a4c32391aaa0"
AGENT = {"objectType": "Agent", "name": "Ann", "mbox": "mailto:ann@example.com"}
ACTIVITY = {
    "objectType": "Activity",
    "id": "https://example.com/course",
    "definition": {
        "name": {"en-US": "Course"},
        "description": {"de": "Kurs"},
        "type": "https://example.com/types/course",
        "moreInfo": "https://example.com/more",
        "interactionType": "choice",
        "correctResponsesPattern": ["a[,]b"],
        "choices": [{"id": "a", "description": {"en": "A"}}, {"id": "b"}],
        "extensions": {"https://example.com/x": {"deep": [None, 1, "text"]}},
    },
}
CONTEXT = {
    "registration": ID,
    "instructor": {"objectType": "Group", "openid": "https://example.com/openid", "member": [AGENT]},
    "team": {"objectType": "Group", "name": "Team", "member": [AGENT, {"mbox_sha1sum": "ab" * 20}]},
    "contextActivities": {"parent": {"id": "https://example.com/p"}, "other": [{"id": "urn:x:1"}]},
    "revision": "2",
    "platform": "Browser",
    "language": "en-US",
    "statement": {"objectType": "StatementRef", "id": ID},
    "extensions": {"https://example.com/y": "text"},
}
CONTEXT_AGENTS = {
    "contextAgents": [
        {"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["https://example.com/types/coach"]}
    ],
    "contextGroups": [{"objectType": "contextGroup", "group": {"objectType": "Group", "member": [AGENT]}}],
}
RESULT = {
    "score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10.0},
    "success": True,
    "completion": False,
    "response": "a",
    "duration": "PT1H0.5S",
    "extensions": {"https://example.com/z": ["text"]},
}
ATTACHMENT = {
    "usageType": "https://example.com/usage",
    "display": {"en": "Essay"},
    "description": {"en": "An essay"},
    "contentType": "text/plain; charset=utf-8",
    "length": 27,
    "sha2": "ab" * 32,
    "fileUrl": "https://example.com/essay.txt",
}
EVENT = {
    "actor": {"account": {"homePage": "https://lms.example.com", "name": "7"}},
    "verb": {"id": "https://example.com/verbs/did", "display": {"en": "did", "zh-Hant-TW": "做"}},
    "object": ACTIVITY,
    "result": RESULT,
    "context": CONTEXT,
    "timestamp": "2015-11-18T12:17:00.123Z",
    "attachments": [ATTACHMENT],
}
RICH = EVENT | {"id": ID, "stored": "2015-11-18T12:17:00Z", "authority": AGENT, "version": "1.0.0"}
RICH_TWO = RICH | {"context": CONTEXT | CONTEXT_AGENTS}
NESTING = RICH | {
    "object": {"objectType": "SubStatement"} | EVENT,
    "context": {name: value for name, value in CONTEXT.items() if name not in {"revision", "platform"}},
}

Place = tuple[str | int, ...]


def changed(statement: Json, place: Place, value: object) -> Any:
    """The statement with another value at one place; Ellipsis takes what stands there away."""
    root: Any = {"": orjson.loads(orjson.dumps(statement))}  # a copy that shares no part with itself
    inner, last = root, ""
    for step in place:
        inner, last = inner[last], step  # type: ignore[assignment]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return root[""]


def refusal(statement: object, version: str = "2.0.0") -> InvalidStatement:
    with pytest.raises(InvalidStatement) as refused:
        check_statement(statement, version)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    return refused.value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("statement", [RICH, NESTING, EVENT], ids=["rich", "nesting", "event"])
def test_a_whole_statement_is_accepted_and_left_alone(statement: Json, version: str) -> None:
    before = orjson.dumps(statement)
    check_statement(statement, version)
    assert orjson.dumps(statement) == before


def test_what_2_0_added_is_accepted_by_2_0_only() -> None:
    check_statement(RICH_TWO, "2.0.0")
    assert refusal(RICH_TWO, "1.0.3").path == "context.contextAgents"


DEEP: Any = orjson.loads(b"[" * 900 + b"]" * 900)

ACCEPTED: list[tuple[Place, Any]] = [
    (("actor",), {"mbox": "MAILTO:ann.o'hara+x@münchen.example"}),
    (("actor",), {"objectType": "Group", "member": [AGENT] * MEMBERS_MAX}),
    (("verb", "id"), "urn:uuid:fd41c918"),
    (("verb", "id"), "https://example.com/värb?q=%20#f"),
    (("verb", "id"), "tag:example.com,2015:x"),
    (("verb", "display"), {}),
    (("object", "definition"), {}),
    (("result", "score", "scaled"), -1),
    (("result", "score", "raw"), 10),
    (("result", "extensions"), {"https://example.com/x": {"null": None}}),
    (("result", "duration"), "P3Y1M29DT4H35M59.14S"),
    (("result", "duration"), "PT16559.14S"),
    (("result", "duration"), "P4W"),
    (("result", "duration"), "P0.5Y"),
    (("result", "duration"), "P1Y2,5M"),
    (("result", "duration"), "P1DT1.5M"),
    (("context", "language"), "sgn-BE-FR"),
    (("context", "language"), "de-CH-1996"),
    (("context", "language"), "sl-rozaj-biske-1994"),
    (("context", "language"), "zh-cmn-Hans-CN"),
    (("context", "language"), "en-a-bbb-x-a-ccc"),
    (("context", "language"), "x-whatever"),
    (("context", "language"), "i-klingon"),
    (("attachments", 0, "contentType"), 'multipart/mixed; boundary="a b"'),
    (("attachments", 0, "contentType"), "application/vnd.x+json"),
    (("attachments", 0, "sha2"), "0" * 56),
    (("attachments", 0, "sha2"), "F" * 128),
    (("attachments", 0, "length"), 0),
    (("attachments",), []),
    (("id",), ID.upper()),
    (("id",), "00000000-0000-0000-0000-000000000000"),
]


@pytest.mark.parametrize(("place", "value"), ACCEPTED)
def test_what_the_formats_allow_is_accepted(place: Place, value: Any) -> None:
    check_statement(changed(RICH, place, value), "2.0.0")


# place, what is put there, the path that the refusal names (None: the place itself)
REFUSED: list[tuple[Place, Any, str | None]] = [
    ((), None, ""),
    ((), [], ""),
    ((), "{}", ""),
    ((), {}, "actor"),
    (("actor",), ..., None),
    (("verb",), ..., None),
    (("object",), ..., None),
    (("verb", "id"), ..., None),
    (("object", "id"), ..., None),
    (("actor", "account", "homePage"), ..., None),
    (("actor", "account", "name"), ..., None),
    (("context", "statement", "objectType"), ..., None),
    (("context", "team", "objectType"), ..., None),
    (("context", "contextAgents", 0, "objectType"), ..., None),
    (("context", "contextAgents", 0, "agent"), ..., None),
    (("context", "contextGroups", 0, "group"), ..., None),
    (("attachments", 0, "usageType"), ..., None),
    (("attachments", 0, "display"), ..., None),
    (("attachments", 0, "contentType"), ..., None),
    (("attachments", 0, "length"), ..., None),
    (("attachments", 0, "sha2"), ..., None),
    # unknown properties: the parent is named
    (("Actor",), AGENT, ""),
    (("actor", "mail"), "x", "actor"),
    (("actor", "account", "mbox"), "x", "actor.account"),
    (("authority", "homePage"), "x", "authority"),
    (("object", "definition", "extension"), {}, "object.definition"),
    (("object", "definition", "choices", 1, "name"), {}, "object.definition.choices[1]"),
    (("context", "contextActivities", "parents"), [], "context.contextActivities"),
    (("context", "team", "member", 1, "member"), [], "context.team.member[1]"),
    (("context", "contextAgents", 0, "member"), [], "context.contextAgents[0]"),
    (("result", "score", "points"), 1, "result.score"),
    # enumerated values in their exact case
    (("actor", "objectType"), "agent", None),
    (("object", "objectType"), "activity", "object"),
    (("object", "objectType"), ["Activity"], "object"),
    (("object", "definition", "interactionType"), "Choice", None),
    (("context", "team", "objectType"), "Agent", None),
    (("context", "team", "member", 0, "objectType"), "Group", None),
    (("context", "contextAgents", 0, "objectType"), "ContextAgent", None),
    (("context", "contextGroups", 0, "group", "objectType"), "Agent", None),
    # wrong types
    (("object",), "https://example.com/course", None),
    (("context", "contextActivities", "other"), "x", None),
    (("context", "contextActivities", "other", 0), "x", None),
    (("result", "success"), "true", None),
    (("result", "completion"), 1, None),
    (("result", "response"), 1, None),
    (("result", "score", "raw"), "5", None),
    (("result", "score", "min"), True, None),
    (("result", "score", "max"), float("inf"), None),
    (("result", "score", "scaled"), 1.01, None),
    (("result", "score", "scaled"), -1.00001, None),
    (("attachments",), {}, None),
    (("attachments", 0, "length"), "27", None),
    (("attachments", 0, "length"), 27.5, None),
    (("attachments", 0, "length"), -1, None),
    (("version",), 1.0, None),
    (("timestamp",), 0, None),
    (("context", "contextAgents", 0, "relevantTypes"), [], None),
    (("context", "contextAgents", 0, "relevantTypes", 0), "x", None),
    (("context", "contextAgents"), {}, None),
    # maps: keys are the client's, so the path ends with the map
    (("verb", "display"), {"a12345678": "x"}, None),
    (("verb", "display"), {"": "x"}, None),
    (("verb", "display"), {"en_US": "x"}, None),
    (("verb", "display"), {"en": 1}, None),
    (("verb", "display"), "did", None),
    (("object", "definition", "name"), {"objectType": 1, "en": "x"}, None),
    (("object", "definition", "name"), {"en": None}, None),
    (("object", "definition", "extensions"), {"no-iri": 1}, None),
    (("result", "extensions"), {"": 1}, None),
    (("context", "extensions"), [], None),
    # formats
    (("id",), ID + "0", None),
    (("id",), ID.replace("-", ""), None),
    (("id",), ID.replace("f", "g"), None),
    (("id",), f"{ID}\n", None),
    (("id",), "", None),
    (("verb", "id"), "example.com/verb", None),
    (("verb", "id"), "https://example.com/a b", None),
    (("verb", "id"), "https:", None),
    (("verb", "id"), "ab=c://example.com", None),
    (("verb", "id"), "https://example.com/\n", None),
    (("authority", "mbox"), "ann@example.com", None),
    (("authority", "mbox"), "mailto:ann", None),
    (("authority", "mbox"), "mailto:ann@a@b", None),
    (("context", "team", "member", 1, "mbox_sha1sum"), "ab", None),
    (("actor", "account", "homePage"), "lms", None),
    (("result", "duration"), "P", None),
    (("result", "duration"), "PT", None),
    (("result", "duration"), "P1DT", None),
    (("result", "duration"), "PA1H0M0S", None),
    (("result", "duration"), "P4W1D", None),
    (("result", "duration"), "PT1.5H1M", None),
    (("result", "duration"), "-PT1S", None),
    (("result", "duration"), "P0003-06-04T12:30:05", None),
    (("result", "duration"), f"PT{'1' * 64}S", None),
    (("context", "language"), "englishlanguage", None),
    (("attachments", 0, "sha2"), "ab", None),
    (("attachments", 0, "contentType"), "text", None),
    (("attachments", 0, "contentType"), "text/plain\n", None),
    (("attachments", 0, "fileUrl"), "file", None),
    # limits
    (("actor",), {"objectType": "Group", "member": [AGENT] * (MEMBERS_MAX + 1)}, "actor.member"),
    (
        ("context", "contextAgents"),
        CONTEXT_AGENTS["contextAgents"] * (MEMBERS_MAX + 1),
        None,
    ),
    (("result", "extensions"), {"https://example.com/x": DEEP}, None),
    # the rules across properties follow the shape
    (("actor",), {"name": "Ann"}, None),
]


def written(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


@pytest.mark.parametrize(("place", "value", "path"), REFUSED)
def test_what_has_the_wrong_shape_is_refused_at_its_place(place: Place, value: Any, path: str | None) -> None:
    error = refusal(changed(RICH_TWO, place, value))
    assert error.path == (written(place) if path is None else path)
    assert error.section
    assert "wrong shape" not in error.rule


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"objectType": "SubStatement"} | EVENT, "object.object"),
        ({"objectType": "SubStatement"}, "object.object"),
        ({"objectType": "Statement"}, "object.object"),
        ({"objectType": "StatementRef"}, "object.object.id"),
        ({"objectType": "Agent", "id": ID}, "object.object"),
        ({"name": "Ann"}, "object.object.id"),
    ],
)
def test_a_substatement_is_checked_like_a_statement(value: Json, path: str) -> None:
    assert refusal(changed(NESTING, ("object", "object"), value)).path == path


def test_a_path_begins_where_the_statement_stands_in_the_batch() -> None:
    with pytest.raises(InvalidStatement) as refused:
        check_statements([EVENT, changed(EVENT, ("actor", "account", "name"), 1)], "1.0.3")
    assert refused.value.path == "[1].actor.account.name"
    with pytest.raises(InvalidStatement) as refused:
        check_statements([EVENT, None], "1.0.3")
    assert refused.value.path == "[1]"


def test_a_batch_of_2_0_has_distinct_ids() -> None:
    check_statements([], "2.0.0")
    check_statements([EVENT, EVENT], "2.0.0")
    check_statements([RICH, RICH], "1.0.3")
    with pytest.raises(InvalidStatement) as refused:
        check_statements([RICH, RICH], "2.0.0")
    assert refused.value.path == "[1].id"


def test_an_actor_of_a_request_is_checked_alone() -> None:
    check_actor(AGENT, "agent")
    for wrong, path in ((None, "agent"), ({}, "agent"), ({"mbox": "x"}, "agent.mbox"), ({"x": 1}, "agent")):
        with pytest.raises(InvalidStatement) as refused:
            check_actor(wrong, "agent")
        assert refused.value.path == path


def test_parameters_keep_the_formats_of_statements() -> None:
    assert is_iri("https://example.com")
    assert not is_iri("example.com")
    assert not is_iri("https://example.com\n")
    assert is_uuid(ID)
    assert not is_uuid(f"{ID}\n")


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place in a tree of JSON, the root included."""
    yield place
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*place, index))


CANARY = "canary7"


def canaries(value: Any) -> Any:
    """The tree with the canary in every string, keys included, that the specification leaves to clients."""
    if isinstance(value, dict):
        return {canaries(name) if ":" in name else name: canaries(item) for name, item in value.items()}
    if isinstance(value, list):
        return [canaries(item) for item in value]
    return f"{value}{CANARY}" if isinstance(value, str) else value


@pytest.mark.parametrize("statement", [RICH_TWO, NESTING], ids=["rich", "nesting"])
def test_no_refusal_repeats_what_a_client_sent(statement: Json) -> None:
    breakages: list[Any] = [
        CANARY, f"https://example.com/{CANARY}", {CANARY: CANARY}, {CANARY: {CANARY: CANARY}}, [[CANARY]],
        {"objectType": CANARY}, {"name": {CANARY: 1}}, {"extensions": {CANARY: 1}}, {"en": {CANARY: CANARY}},
        {"id": CANARY, "definition": {CANARY: CANARY}}, None, 7777777, ...,
    ]  # fmt: skip
    refused = 0
    for start in (statement, canaries(statement)):
        for place in places(start):
            for breakage in breakages if place else breakages[:-1]:
                refused += _refuses_silently(changed(start, place, breakage))
            if place and isinstance(place[-1], str):
                refused += _refuses_silently(changed(start, (*place[:-1], CANARY), CANARY))
    assert refused > 1000


def _refuses_silently(statement: object) -> bool:
    errors = [error for version in VERSIONS if (error := _error(statement, version))]
    for error in errors:
        text = f"{error!s} {error!r} {error.args} {vars(error)} {error.__context__!r}"
        assert CANARY not in text
        assert "7777777" not in text
    return bool(errors)


def _error(statement: object, version: str) -> InvalidStatement | None:
    try:
        check_statement(statement, version, "[3]")
    except InvalidStatement as error:
        return error
    return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "objectType", "actor", "object", "name", "extensions"]) | st.text(), children
        )
    ),
    max_leaves=10,
)


@given(JSON, st.sampled_from(sorted(places(NESTING), key=str)), st.sampled_from(sorted(VERSIONS)))
def test_whatever_arrives_is_accepted_or_refused_by_name(value: Any, place: Place, version: str) -> None:
    error = _error(changed(NESTING, place, value), version)
    assert error is None or error.rule
