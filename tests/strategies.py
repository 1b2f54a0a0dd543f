"""Statements, and the parts of statements, that the specification allows: what the property tests draw from.

Everything here is valid for the version it is drawn for. It is also as awkward as validity permits: names in
any script, extensions that look like people, properties in any order, the same person in several places.
Integers keep to 53 bits and floats are finite, so that every JSON library reads back what was written.
"""

import hashlib
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

Json = Any
Object = dict[str, Any]

_INTEGER_MAX = 2**53 - 1
_FEW = 3  # members, list entries, extensions: more find nothing new and cost time
# Surrogates are no text (RFC 8259 8.2), and PostgreSQL takes no NUL.
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")

_LANGUAGES = st.sampled_from(["en", "en-GB", "de", "de-AT", "fr", "ja", "zh-Hant", "ar"])
_TIMESTAMPS = st.sampled_from(
    ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.123456Z", "2026-02-28T23:59:59.999+05:30"]
)
_DURATIONS = st.sampled_from(["PT0S", "PT1M30S", "P1DT2H", "P3W", "PT16559.14S"])
_VERBS = st.sampled_from(
    [
        "http://adlnet.gov/expapi/verbs/" + name
        for name in ("initialized", "attempted", "answered", "passed", "failed", "completed", "terminated")
    ]
)
# Extension keys are IRIs, but below them any key may stand, also these.
_TREACHEROUS_KEYS = st.sampled_from(
    [
        "actor",
        "member",
        "mbox",
        "object",
        "objectType",
        "context",
        "authority",
        "id",
        "instructor",
        "$ref",
        "",
    ]
)


def texts(*, max_size: int = 12) -> st.SearchStrategy[str]:
    """Text in any script."""
    return st.text(_CHARACTERS, max_size=max_size)


def numbers() -> st.SearchStrategy[int | float]:
    return st.integers(-_INTEGER_MAX, _INTEGER_MAX) | st.floats(allow_nan=False, allow_infinity=False)


def json_values() -> st.SearchStrategy[Json]:
    """Arbitrary JSON, with null, people and whole actors in it: what an extension may hold."""
    leaves: st.SearchStrategy[Json] = st.none() | st.booleans() | numbers() | texts() | agents()
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=_FEW) | st.dictionaries(_TREACHEROUS_KEYS | texts(), inner, max_size=_FEW)
        ),
        max_leaves=5,
    )


def iris(kind: str) -> st.SearchStrategy[str]:
    """IRIs of one kind ("activities"): few enough that they repeat within a statement."""
    return st.integers(0, 5).map(lambda number: f"https://example.com/{kind}/{number}") | texts(max_size=6).map(
        lambda name: f"https://example.com/{kind}/{quote(name, safe='')}"
    )


def language_maps() -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(_LANGUAGES, texts(), min_size=1, max_size=2)


def extensions() -> st.SearchStrategy[Object]:
    return st.dictionaries(iris("extensions"), json_values(), max_size=_FEW)


def identifiers() -> st.SearchStrategy[Object]:
    """One inverse functional identifier, as the one-property object an Agent is extended with."""
    familiar = st.sampled_from(["mailto:ada@example.org", "mailto:grace@example.org"])  # so that people repeat
    mbox = familiar | st.from_regex(r"mailto:[a-z][a-z0-9]{0,5}([.+-][a-z0-9]{1,3})?@example\.com", fullmatch=True)
    digest = st.binary(max_size=4).map(lambda seed: hashlib.sha256(seed).hexdigest()[:40])
    account = st.fixed_dictionaries({"homePage": iris("homes"), "name": texts().filter(lambda name: name != "")})
    return st.one_of(
        _one("mbox", mbox),
        _one("account", account),
        _one("mbox_sha1sum", digest | digest.map(str.upper)),
        _one("openid", iris("openid")),
    )


def agents(*, object_type: bool | None = None) -> st.SearchStrategy[Object]:
    """Agents; with object_type True they say that they are one (an Agent as the object must)."""
    return _any_order(
        st.builds(_merged, _object_type("Agent", object_type), _maybe("name", texts()), identifiers())
    )


def identified_groups() -> st.SearchStrategy[Object]:
    """Groups with an identifier, with and without members."""
    members = _maybe("member", st.lists(agents(), max_size=_FEW))
    return _any_order(
        st.builds(_merged, _object_type("Group", True), _maybe("name", texts()), identifiers(), members)
    )


def anonymous_groups() -> st.SearchStrategy[Object]:
    """Groups without an identifier, which must have members."""
    members = _one("member", st.lists(agents(), min_size=1, max_size=_FEW))
    return _any_order(st.builds(_merged, _object_type("Group", True), _maybe("name", texts()), members))


def groups() -> st.SearchStrategy[Object]:
    return identified_groups() | anonymous_groups()


def verbs() -> st.SearchStrategy[Object]:
    return st.builds(_merged, _one("id", _VERBS), _maybe("display", language_maps()))


def activities(*, object_type: bool | None = None) -> st.SearchStrategy[Object]:
    """Activities; objectType may be left out."""
    definition = st.fixed_dictionaries(
        {},
        optional={
            "name": language_maps(),
            "description": language_maps(),
            "type": iris("types"),
            "moreInfo": st.just("https://example.com/more"),
            "extensions": extensions(),
        },
    )
    return _any_order(
        st.builds(
            _merged,
            _object_type("Activity", object_type),
            _one("id", iris("activities")),
            _maybe("definition", definition),
        )
    )


def statement_references() -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries({"objectType": st.just("StatementRef"), "id": st.uuids(version=4).map(str)})


def scores() -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {},
        optional={
            "scaled": st.floats(-1, 1),
            "raw": st.integers(0, 100),
            "min": st.just(0),
            "max": st.just(100),
        },
    )


def results() -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {},
        optional={
            "score": scores(),
            "success": st.booleans(),
            "completion": st.booleans(),
            "response": texts(),
            "duration": _DURATIONS,
            "extensions": extensions(),
        },
    )


def contexts(version: str, *, of_activity: bool) -> st.SearchStrategy[Object]:
    """Contexts; revision and platform only where the object is an Activity (Data 2.4.6)."""
    some_activities = activities() | st.lists(activities(), min_size=1, max_size=_FEW)
    parts: dict[str, st.SearchStrategy[Any]] = {
        "registration": st.uuids(version=4).map(str) | st.uuids(version=4).map(lambda value: str(value).upper()),
        "instructor": agents() | groups(),
        "team": groups(),
        "contextActivities": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("parent", "grouping", "category", "other"), some_activities)
        ),
        "language": _LANGUAGES,
        "statement": statement_references(),
        "extensions": extensions(),
    }
    if of_activity:
        parts |= {"revision": texts(), "platform": texts()}
    if version.startswith("2."):
        parts |= {
            "contextAgents": _in_roles("contextAgent", "agent", agents()),
            "contextGroups": _in_roles("contextGroup", "group", groups()),
        }
    return _any_order(st.fixed_dictionaries({}, optional=parts))


def statements(version: str = "1.0.3") -> st.SearchStrategy[Object]:
    """Statements as a client may send them, for version "1.0.3" or "2.0.0"."""
    added = st.fixed_dictionaries(
        {},
        optional={
            "id": st.uuids(version=4).map(str),
            "stored": _TIMESTAMPS,
            "version": st.just(version),
            "authority": agents(object_type=True),
        },
    )
    plain = _with_object(version, activities(), of_activity=True)
    other = _with_object(
        version,
        agents(object_type=True) | groups() | statement_references() | sub_statements(version),
        of_activity=False,
    )
    return _any_order(st.builds(_merged, plain | other, added))


def sub_statements(version: str) -> st.SearchStrategy[Object]:
    """SubStatements: without id, stored, version, authority, and never one in another (Data 2.4.4.3)."""
    plain = _with_object(version, activities(), of_activity=True)
    other = _with_object(version, agents(object_type=True) | groups() | statement_references(), of_activity=False)
    return _any_order(st.builds(_merged, _object_type("SubStatement", True), plain | other))


def _with_object(
    version: str, objects: st.SearchStrategy[Object], *, of_activity: bool
) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {"actor": agents() | groups(), "verb": verbs(), "object": objects},
        optional={
            "result": results(),
            "context": contexts(version, of_activity=of_activity),
            "timestamp": _TIMESTAMPS,
        },
    )


def _in_roles(object_type: str, part: str, people: st.SearchStrategy[Object]) -> st.SearchStrategy[list[Object]]:
    wrapper = st.fixed_dictionaries(
        {"objectType": st.just(object_type), part: people},
        optional={"relevantTypes": st.lists(iris("roles"), min_size=1, max_size=2)},
    )
    return st.lists(_any_order(wrapper), min_size=1, max_size=_FEW)


def _object_type(name: str, wanted: bool | None) -> st.SearchStrategy[Object]:
    always = st.just({"objectType": name})
    return always if wanted else st.just({}) | always


def _one(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries({name: values})


def _maybe(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.just({}) | _one(name, values)


def _merged(*parts: Object) -> Object:
    return {name: value for part in parts for name, value in part.items()}


def _any_order(objects: st.SearchStrategy[Object]) -> st.SearchStrategy[Object]:
    """The same objects with their properties in any order: a statement must come back in its own."""
    return objects.flatmap(lambda value: st.permutations(list(value.items())).map(dict))
