"""Each place where the specification lets a person stand is emptied, told apart and filled again."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from lrs.domain.agents import Identifier, erased_placeholder, is_placeholder
from lrs.domain.people import Mention, join, split
from tests.strategies import Object

PUBLIC_URL = "https://lrs.example.org"
ERASED = erased_placeholder(PUBLIC_URL, group=False)
ERASED_GROUP = erased_placeholder(PUBLIC_URL, group=True)
ADA = {"name": "Ada", "mbox": "mailto:ada@example.org"}
GRACE = {"objectType": "Agent", "name": "Grace", "openid": "https://grace.example.org"}
TEAM = {"objectType": "Group", "name": "Team", "mbox": "mailto:team@example.org", "member": [ADA, GRACE]}
CLASS = {"objectType": "Group", "name": "Class", "member": [ADA, GRACE]}
VERB = {"id": "https://example.org/verbs/did"}
ACTIVITY = {"id": "https://example.org/o"}


def a_statement(**parts: Any) -> Object:
    return {"actor": ADA, "verb": VERB, "object": ACTIVITY} | parts


def known(agent: Mapping[str, Any]) -> bool:
    return is_placeholder(agent, PUBLIC_URL)


def places_of(mentions: tuple[Mention, ...]) -> list[tuple[tuple[str | int, ...], bool]]:
    return [(mention.path, mention.exact) for mention in mentions]


def test_the_actor_is_taken_out_and_owns_the_body() -> None:
    parts = split(a_statement())
    assert parts.body == {"actor": None, "verb": VERB, "object": ACTIVITY}
    assert parts.mentions == (Mention(("actor",), ADA, Identifier("mbox", ADA["mbox"]), True),)
    assert parts.owners == (0,)
    assert not parts.mentions[0].group


def test_what_is_put_in_when_reading_is_left_out_of_the_body() -> None:
    added = {"id": "x", "stored": "2026-01-01T00:00:00Z", "version": "1.0.3", "authority": GRACE}
    assert split(a_statement(**added)) == split(a_statement())


def test_an_identified_group_holds_none_at_its_members_places() -> None:
    parts = split(a_statement(actor=TEAM))
    assert [mention.agent for mention in parts.mentions] == [{**TEAM, "member": [None, None]}, ADA, GRACE]
    assert [mention.path for mention in parts.mentions] == [
        ("actor",),
        ("actor", "member", 0),
        ("actor", "member", 1),
    ]
    assert parts.owners == (0,)
    assert parts.mentions[0].group


def test_an_anonymous_group_stays_and_its_members_own_the_body() -> None:
    context = {"instructor": GRACE}
    parts = split(a_statement(actor=CLASS, context=context))
    assert parts.body["actor"] == {**CLASS, "member": [None, None]}
    assert parts.owners == (0, 1)
    assert len(parts.mentions) == 3


def test_a_group_of_nobody_known_leaves_a_body_without_owner() -> None:
    nobody = {"objectType": "Group", "member": [ERASED]}
    parts = split(a_statement(actor=nobody), is_known_placeholder=known)
    assert (parts.mentions, parts.owners) == ((), ())


@pytest.mark.parametrize(
    ("parts", "places"),
    [
        ({"object": GRACE}, [(("object",), True)]),
        (
            {"object": CLASS},
            [(("object", "member", 0), True), (("object", "member", 1), True)],
        ),
        ({"context": {"instructor": GRACE}}, [(("context", "instructor"), False)]),
        (
            {"context": {"team": TEAM}},
            [
                (("context", "team"), False),
                (("context", "team", "member", 0), False),
                (("context", "team", "member", 1), False),
            ],
        ),
        (
            {"context": {"contextAgents": [{"objectType": "contextAgent", "agent": GRACE}]}},
            [(("context", "contextAgents", 0, "agent"), False)],
        ),
        (
            {"context": {"contextGroups": [{"objectType": "contextGroup", "group": CLASS}]}},
            [
                (("context", "contextGroups", 0, "group", "member", 0), False),
                (("context", "contextGroups", 0, "group", "member", 1), False),
            ],
        ),
        (
            {
                "object": {
                    "objectType": "SubStatement",
                    "actor": ADA,
                    "verb": VERB,
                    "object": GRACE,
                    "context": {"instructor": GRACE},
                }
            },
            [
                (("object", "actor"), False),
                (("object", "object"), False),
                (("object", "context", "instructor"), False),
            ],
        ),
    ],
)
def test_every_place_is_emptied_and_says_which_filter_it_answers(parts: Object, places: list[Any]) -> None:
    statement = a_statement(**parts)
    found = split(statement)
    assert places_of(found.mentions[1:]) == places
    assert join(found.body, [(mention.path, mention.agent) for mention in found.mentions]) == statement


def test_nobody_is_looked_for_in_extensions_results_or_references() -> None:
    lookalike = {"https://example.org/x": {"actor": ADA, "member": [GRACE]}}
    statement = a_statement(
        object={"objectType": "StatementRef", "id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa0"},
        result={"extensions": lookalike},
        context={"extensions": lookalike},
    )
    parts = split(statement)
    assert len(parts.mentions) == 1
    assert parts.body == {**statement, "actor": None}


def test_a_placeholder_stays_where_it_is_and_is_nobody() -> None:
    statement = a_statement(
        actor=ERASED, context={"instructor": ERASED, "team": {**ERASED_GROUP, "member": [ADA]}}
    )
    parts = split(statement, is_known_placeholder=known)
    assert places_of(parts.mentions) == [(("context", "team", "member", 0), False)]
    assert parts.body["actor"] == ERASED
    assert parts.owners == ()


def test_without_a_rule_for_placeholders_everyone_is_somebody() -> None:
    assert split(a_statement(actor=ERASED)).mentions[0].agent == ERASED


def test_paths_may_come_back_from_json_as_lists() -> None:
    statement = a_statement(actor=TEAM)
    parts = split(statement)
    assert join(parts.body, [(list(mention.path), mention.agent) for mention in parts.mentions]) == statement


def test_an_erased_member_leaves_the_rest_of_the_group_whole() -> None:
    parts = split(a_statement(context={"team": TEAM}))
    agents = [mention.agent for mention in parts.mentions]
    agents[2] = ERASED
    joined = join(parts.body, zip((mention.path for mention in parts.mentions), agents, strict=True))
    assert joined == a_statement(context={"team": {**TEAM, "member": [ERASED, GRACE]}})


def test_an_erased_group_takes_its_member_list_along_and_nothing_else() -> None:
    parts = split(a_statement(context={"team": TEAM, "instructor": GRACE}))
    placed = [(m.path, ERASED_GROUP if m.path == ("context", "team") else m.agent) for m in parts.mentions]
    assert join(parts.body, placed) == a_statement(context={"team": ERASED_GROUP, "instructor": GRACE})


def test_a_none_is_not_placed_and_nothing_below_it_is() -> None:
    parts = split(a_statement(context={"team": TEAM}))
    placed = [(m.path, None if m.path == ("context", "team") else m.agent) for m in parts.mentions]
    assert join(parts.body, placed) == a_statement(context={"team": None})


def test_a_group_inside_a_group_is_against_the_rules_and_searched_all_the_same() -> None:
    statement = a_statement(actor={**TEAM, "member": [CLASS, ADA]})
    parts = split(statement)
    placed = [(mention.path, mention.agent) for mention in parts.mentions]
    kept = copy.deepcopy(placed)
    assert len(parts.mentions) == 4
    assert join(parts.body, placed) == statement
    assert placed == kept


def test_a_placed_group_is_not_written_into_for_it_may_be_a_cached_one() -> None:
    parts = split(a_statement(actor=TEAM))
    cached = parts.mentions[0].agent
    join(parts.body, [(mention.path, mention.agent) for mention in parts.mentions])
    assert cached == {**TEAM, "member": [None, None]}
