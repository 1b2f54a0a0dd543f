"""The ids and canonical formats, by example and for any statement."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from lrs.domain import formats
from tests.strategies import statements

AGENT = {"objectType": "Agent", "name": "Ann", "mbox": "mailto:ann@example.org"}
BARE = {"objectType": "Agent", "mbox": "mailto:ann@example.org"}
VERB = {"id": "http://example.org/v", "display": {"de": "tat", "en-GB": "did", "en": "did it"}}
ACTIVITY = {
    "id": "http://example.org/a",
    "definition": {
        "name": {"de": "Kurs", "en": "course"},
        "interactionType": "choice",
        "choices": [{"id": "1", "description": {"de": "eins", "en": "one"}}],
    },
}


def _statement(**parts: Any) -> dict[str, Any]:
    return copy.deepcopy({"actor": AGENT, "verb": VERB, "object": ACTIVITY} | parts)


def test_ids_leaves_only_what_identifies() -> None:
    anonymous = {"objectType": "Group", "name": "team", "member": [AGENT]}
    made = formats.ids(
        _statement(
            authority=AGENT,
            context={
                "instructor": AGENT,
                "team": anonymous,
                "contextAgents": [{"objectType": "contextAgent", "agent": AGENT}],
                "contextGroups": [{"objectType": "contextGroup", "group": anonymous}],
                "contextActivities": {"parent": ACTIVITY | {"objectType": "Activity"}, "grouping": [ACTIVITY]},
                "platform": "p",
            },
        )
    )
    bare_group = {"objectType": "Group", "member": [BARE]}
    assert made["actor"] == made["authority"] == BARE
    assert made["verb"] == {"id": VERB["id"]}
    assert made["object"] == {"id": ACTIVITY["id"]}
    assert made["context"] == {
        "instructor": BARE,
        "team": bare_group,
        "contextAgents": [{"objectType": "contextAgent", "agent": BARE}],
        "contextGroups": [{"objectType": "contextGroup", "group": bare_group}],
        "contextActivities": {"parent": [{"id": ACTIVITY["id"]}], "grouping": [{"id": ACTIVITY["id"]}]},
        "platform": "p",
    }


def test_ids_leaves_the_members_of_an_identified_group_out() -> None:
    group = {"objectType": "Group", "mbox": "mailto:g@example.org", "member": [AGENT]}
    assert formats.ids(_statement(actor=group))["actor"] == {
        "objectType": "Group",
        "mbox": "mailto:g@example.org",
    }


@pytest.mark.parametrize(
    ("languages", "display", "name"),
    [
        (["de"], "tat", "Kurs"),
        (["en"], "did it", "course"),
        (["en-GB", "de"], "did", "course"),
        (["EN-us"], "did", "course"),
        (["fr", "en"], "did it", "course"),
        ([], "tat", "Kurs"),
        (["fr"], "tat", "Kurs"),
    ],
)
def test_canonical_chooses_one_language_by_preference(languages: list[str], display: str, name: str) -> None:
    made = formats.canonical(_statement(), languages)
    assert list(made["verb"]["display"].values()) == [display]
    definition = made["object"]["definition"]
    assert list(definition["name"].values()) == [name]
    assert len(definition["choices"][0]["description"]) == 1


def test_canonical_reaches_attachments_sub_statements_and_definitions_that_are_missing() -> None:
    attachment = {"display": {"de": "a", "en": "b"}, "description": {"de": "c", "en": "d"}}
    sub = {"objectType": "SubStatement"} | _statement()
    made = formats.canonical(_statement(object=sub, attachments=[attachment]), ["en"])
    assert made["attachments"] == [{"display": {"en": "b"}, "description": {"en": "d"}}]
    assert made["object"]["verb"]["display"] == {"en": "did it"}
    bare = {"id": "http://example.org/a"}
    assert formats.canonical(_statement(object=bare), ["en"])["object"] == bare
    reference = {"objectType": "StatementRef", "id": "x"}
    assert formats.canonical(_statement(object=reference), ["en"])["object"] == reference
    assert formats.canonical(_statement(object=AGENT), ["en"])["object"] == AGENT


@settings(max_examples=60)
@given(statements())
def test_formats_do_not_change_what_they_are_given(statement: dict[str, Any]) -> None:
    before = copy.deepcopy(statement)
    formats.ids(statement)
    formats.canonical(statement, ["en"])
    assert statement == before
