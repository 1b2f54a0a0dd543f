"""People and activities as they are described: folded from what is known, the same for the same events."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.domain.activities import activity_of, definitions_in
from lrs.domain.persons import person_of

Json = dict[str, Any]
COURSE = "https://course.example.org/one"
OTHER = "https://course.example.org/two"
AGENT = {"mbox": "mailto:ada@example.org", "name": "Ada"}


# --- a person -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "known", "expected"),
    [
        ({"mbox": "mailto:a@b"}, [], {"mbox": ["mailto:a@b"]}),
        (AGENT, [], {"name": ["Ada"], "mbox": ["mailto:ada@example.org"]}),
        (AGENT, [{"mbox": "mailto:ada@example.org"}], {"name": ["Ada"], "mbox": ["mailto:ada@example.org"]}),
        (
            AGENT | {"name": "Not Ada"},
            [AGENT | {"name": "Ada L."}, AGENT],
            {"name": ["Ada L.", "Ada"], "mbox": ["mailto:ada@example.org"]},
        ),
        (
            {"mbox_sha1sum": "ab" * 20},
            [AGENT, {"mbox_sha1sum": "AB" * 20}, AGENT],
            {"name": ["Ada"], "mbox": ["mailto:ada@example.org"], "mbox_sha1sum": ["ab" * 20, "AB" * 20]},
        ),
        (
            {"account": {"homePage": "https://x.example.org", "name": "1"}},
            [{"account": {"name": "1", "homePage": "https://x.example.org"}}, {"openid": "https://o.example.org"}],
            {
                "openid": ["https://o.example.org"],
                "account": [{"homePage": "https://x.example.org", "name": "1"}],
            },
        ),
    ],
)
def test_a_person_is_all_that_the_agents_of_one_person_say(asked: Json, known: list[Json], expected: Json) -> None:
    assert person_of(asked, known) == {"objectType": "Person"} | expected


# --- where an activity stands ---------------------------------------------------------------------------------


def defined(name: str, activity: str = COURSE, **more: Any) -> Json:
    return {"id": activity, "definition": {"name": {"en": name}}} | more


def names_in(statement: Json) -> list[str]:
    return [one["name"]["en"] for one in definitions_in(statement, COURSE)]


def test_an_activity_is_found_wherever_it_may_stand() -> None:
    context = {"contextActivities": {"parent": [defined("1"), defined("x", OTHER)], "grouping": defined("2")}}
    inner = {"actor": None, "objectType": "SubStatement", "object": defined("4"), "context": {
        "contextActivities": {"category": [defined("3", objectType="Activity")]}}}  # fmt: skip
    assert names_in({"object": inner, "context": context}) == ["1", "2", "3", "4"]
    assert names_in({"object": defined("5"), "context": {}}) == ["5"]


@pytest.mark.parametrize(
    "target",
    [
        None,  # a person who was taken out
        defined("x", OTHER),
        {"id": COURSE},
        {"id": COURSE, "definition": {}},
        {"id": COURSE, "objectType": "StatementRef", "definition": {"name": {"en": "x"}}},
        {"objectType": "Group", "member": [None]},
    ],
)
def test_nothing_else_is_taken_for_its_definition(target: Json | None) -> None:
    assert names_in({"object": target}) == []


def test_extensions_are_not_searched() -> None:
    hidden = {"https://x.example.org": defined("x")}
    assert names_in({"object": {"id": OTHER, "definition": {"extensions": hidden}}, "context": hidden}) == []


# --- folding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definitions", "expected"),
    [
        ([{"name": {"en": "a"}}], {"name": {"en": "a"}}),
        ([{"name": {"en": "a"}}, {"name": {"fr": "b"}}], {"name": {"en": "a", "fr": "b"}}),
        ([{"name": {"en": "a", "fr": "b"}}, {"name": {"en": "c"}}], {"name": {"en": "c", "fr": "b"}}),
        ([{"description": {"en": "a"}}, {"name": {"en": "n"}}], {"description": {"en": "a"}, "name": {"en": "n"}}),
        ([{"type": "t:1", "moreInfo": "m:1"}, {"type": "t:2"}], {"type": "t:2", "moreInfo": "m:1"}),
        (
            [{"extensions": {"x:1": {"a": 1}, "x:2": 2}}, {"extensions": {"x:1": {"b": 1}}}],
            {"extensions": {"x:1": {"b": 1}, "x:2": 2}},
        ),
        (
            [
                {"interactionType": "choice", "choices": [{"id": "a", "description": {"en": "A"}}, {"id": "b"}]},
                {"interactionType": "choice", "choices": [{"id": "c"}, {"id": "a", "description": {"fr": "Â"}}]},
            ],
            {
                "interactionType": "choice",
                "choices": [{"id": "c"}, {"id": "a", "description": {"en": "A", "fr": "Â"}}],
            },
        ),
        (
            [{"interactionType": "choice", "choices": [{"id": "a"}]}, {"correctResponsesPattern": ["a"]}],
            {"interactionType": "choice", "choices": [{"id": "a"}], "correctResponsesPattern": ["a"]},
        ),
        (
            [
                {"name": {"en": "n"}, "interactionType": "choice", "choices": [{"id": "a"}],
                 "correctResponsesPattern": ["a"]},
                {"interactionType": "likert", "scale": [{"id": "1"}]},
            ],
            {"name": {"en": "n"}, "interactionType": "likert", "scale": [{"id": "1"}]},
        ),
    ],
)  # fmt: skip
def test_what_statements_say_of_an_activity_becomes_one(definitions: list[Json], expected: Json) -> None:
    before = copy.deepcopy(definitions)
    assert activity_of(COURSE, definitions) == {"objectType": "Activity", "id": COURSE, "definition": expected}
    assert definitions == before


def test_an_activity_of_which_nothing_is_known_is_its_id() -> None:
    assert activity_of(COURSE, []) == {"objectType": "Activity", "id": COURSE}


MAPS = st.dictionaries(st.sampled_from(["en", "fr", "de"]), st.text(max_size=3), max_size=3)
COMPONENTS = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from("abc")}, optional={"description": MAPS}),
    max_size=3,
    unique_by=lambda one: str(one["id"]),
)
DEFINITIONS = st.fixed_dictionaries(
    {},
    optional={
        "name": MAPS,
        "description": MAPS,
        "type": st.sampled_from(["t:1", "t:2"]),
        "interactionType": st.sampled_from(["choice", "likert"]),
        "choices": COMPONENTS,
        "extensions": st.dictionaries(st.sampled_from(["x:1", "x:2"]), st.integers(), max_size=2),
    },
)


@given(st.lists(DEFINITIONS, max_size=6))
def test_folding_is_the_same_again_and_saying_it_again_changes_nothing(definitions: list[Json]) -> None:
    made = activity_of(COURSE, definitions)
    assert activity_of(COURSE, definitions) == made
    assert activity_of(COURSE, [*definitions, made.get("definition", {})]) == made
    for name in ("name", "description", "extensions"):
        gathered = {key for one in definitions for key in one.get(name, {})}
        assert set(made.get("definition", {}).get(name, {})) == gathered


@given(st.lists(DEFINITIONS, min_size=1, max_size=6))
def test_the_latest_word_counts(definitions: list[Json]) -> None:
    made, last = activity_of(COURSE, definitions).get("definition", {}), definitions[-1]
    for name in ("name", "description", "extensions"):
        assert {**made.get(name, {}), **last.get(name, {})} == made.get(name, {})
    for name in ("type", "interactionType"):
        assert made.get(name) == last.get(name, made.get(name))
    assert [one["id"] for one in made.get("choices", [])][: len(last.get("choices", []))] == [
        one["id"] for one in last.get("choices", [])
    ]
