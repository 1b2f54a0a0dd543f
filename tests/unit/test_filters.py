"""A statement is found by its verb, activities and registration, and by nothing it merely mentions."""

import pytest
from hypothesis import given

from lrs.domain.filters import terms_of
from tests.strategies import Object, statements

ACTOR = {"mbox": "mailto:ada@example.org"}
VERB = {"id": "https://example.org/verbs/did"}
FOUND_BY_VERB = ("v", VERB["id"])
REGISTRATION = "EC531277-B57B-4C15-8D91-D292C5B2B8F7"


def a_statement(**parts: object) -> Object:
    return {"actor": ACTOR, "verb": VERB, "object": {"id": "https://example.org/o"}} | parts


@pytest.mark.parametrize("kind", [{}, {"objectType": "Activity"}])
def test_an_object_is_an_activity_also_when_it_does_not_say_so(kind: dict[str, str]) -> None:
    statement = a_statement(object={"id": "https://example.org/o", **kind})
    assert terms_of(statement) == (FOUND_BY_VERB, ("o", "https://example.org/o"))


@pytest.mark.parametrize(
    "target",
    [
        {"objectType": "Agent", "mbox": "mailto:grace@example.org"},
        {"objectType": "Group", "member": [ACTOR]},
        {"objectType": "StatementRef", "id": REGISTRATION},
    ],
)
def test_an_object_that_is_no_activity_gives_no_term(target: Object) -> None:
    assert terms_of(a_statement(object=target)) == (FOUND_BY_VERB,)


def test_context_activities_count_whether_listed_or_sent_alone() -> None:
    context = {
        "contextActivities": {
            "parent": {"id": "https://example.org/p"},
            "grouping": [{"id": "https://example.org/g"}, {"id": "https://example.org/p"}],
            "category": [],
            "other": [{"id": "https://example.org/x", "objectType": "Activity"}],
        }
    }
    assert terms_of(a_statement(context=context))[2:] == (
        ("c", "https://example.org/p"),
        ("c", "https://example.org/g"),
        ("c", "https://example.org/x"),
    )


def test_an_object_is_not_repeated_as_a_related_activity() -> None:
    context = {"contextActivities": {"parent": [{"id": "https://example.org/o"}]}}
    assert terms_of(a_statement(context=context)) == (FOUND_BY_VERB, ("o", "https://example.org/o"))


def test_a_registration_is_found_in_either_spelling() -> None:
    assert ("g", REGISTRATION.lower()) in terms_of(a_statement(context={"registration": REGISTRATION}))


def test_of_a_sub_statement_only_the_activities_count() -> None:
    inner = {
        "objectType": "SubStatement",
        "actor": ACTOR,
        "verb": {"id": "https://example.org/verbs/planned"},
        "object": {"id": "https://example.org/inner"},
        "context": {
            "registration": REGISTRATION,
            "contextActivities": {"parent": [{"id": "https://example.org/inner-parent"}]},
        },
    }
    assert terms_of(a_statement(object=inner)) == (
        FOUND_BY_VERB,
        ("c", "https://example.org/inner"),
        ("c", "https://example.org/inner-parent"),
    )


def test_a_sub_statement_about_a_person_gives_no_activity() -> None:
    inner = {
        "objectType": "SubStatement",
        "actor": ACTOR,
        "verb": VERB,
        "object": {"objectType": "Agent", **ACTOR},
    }
    assert terms_of(a_statement(object=inner)) == (FOUND_BY_VERB,)


@given(statements("1.0.3") | statements("2.0.0"))
def test_every_statement_has_one_verb_and_no_term_twice(statement: Object) -> None:
    terms = terms_of(statement)
    assert len(set(terms)) == len(terms)
    assert [kind for kind, _ in terms].count("v") == 1
    objects = {value for kind, value in terms if kind == "o"}
    assert objects.isdisjoint(value for kind, value in terms if kind == "c")
