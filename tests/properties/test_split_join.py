"""Whatever hypothesis can think of: people come out of a statement completely and go back in exactly."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lrs.domain.agents import erased_placeholder, is_placeholder
from lrs.domain.filters import terms_of
from lrs.domain.people import Mention, Path, Split, is_exact, join, owners_among, split
from lrs.domain.statements import referred_target
from tests.strategies import Object, statements

PUBLIC_URL = "https://lrs.example.org"
SAID_ELSEWHERE = ("id", "stored", "version", "authority")

any_statement = statements("1.0.3") | statements("2.0.0")


def as_text(value: Any) -> str:
    """JSON text, in which the order of properties shows."""
    return json.dumps(value, ensure_ascii=False)


def own_part_of(statement: Object) -> Object:
    return {name: value for name, value in statement.items() if name not in SAID_ELSEWHERE}


def placed(parts: Split) -> list[tuple[Path, Object]]:
    return [(mention.path, mention.agent) for mention in parts.mentions]


def at(statement: Any, path: Path) -> Any:
    for step in path:
        statement = statement[step]
    return statement


def replaced(statement: Object, path: Path, value: Object) -> Object:
    """A copy with one place exchanged: what join should give, found in another way than join does."""
    result = copy.deepcopy(statement)
    at(result, path[:-1])[path[-1]] = value
    return result


def with_canaries(value: Any, numbers: Iterator[int], found: list[str]) -> Any:
    """The statement with every identified Agent's and Group's name and identifier made unmistakable.

    Extensions are dropped: what a sender hides there is text, not a person (design, section 6).
    """
    if isinstance(value, list):
        return [with_canaries(item, numbers, found) for item in value]
    if not isinstance(value, dict):
        return value
    result = {name: with_canaries(item, numbers, found) for name, item in value.items() if name != "extensions"}
    if result.keys() & {"mbox", "mbox_sha1sum", "openid", "account"}:
        canary = f"canary-{next(numbers)}-"
        found.append(canary)
        result["name"] = canary + "name"
        for kind in result.keys() & {"mbox", "mbox_sha1sum", "openid"}:
            result[kind] = canary + kind
        if "account" in result:
            result["account"] = {"homePage": canary + "home", "name": canary + "account"}
    return result


@given(any_statement)
def test_join_gives_back_what_split_took_apart_in_the_same_order(statement: Object) -> None:
    parts = split(statement)
    assert as_text(join(parts.body, placed(parts))) == as_text(own_part_of(statement))


@given(any_statement)
def test_join_gives_it_back_after_a_way_through_json(statement: Object) -> None:
    parts = split(statement)
    body, pairs = json.loads(json.dumps([parts.body, placed(parts)]))
    assert as_text(join(body, pairs)) == as_text(own_part_of(statement))


@given(any_statement)
def test_neither_split_nor_join_changes_what_it_was_given_to_read(statement: Object) -> None:
    before = as_text(statement)
    parts = split(statement)
    agents = as_text([mention.agent for mention in parts.mentions])
    join(parts.body, placed(parts))
    assert as_text(statement) == before
    assert as_text([mention.agent for mention in parts.mentions]) == agents


@given(any_statement)
def test_no_name_and_no_identifier_is_left_in_the_body_or_in_another_persons_part(statement: Object) -> None:
    canaries: list[str] = []
    marked = with_canaries(own_part_of(statement), itertools.count(), canaries)
    parts = split(marked)
    assert "canary" not in as_text(parts.body)
    texts = [as_text(mention.agent) for mention in parts.mentions]
    assert len(texts) == len(canaries)
    for canary in canaries:
        assert sum(canary in text for text in texts) == 1


@given(any_statement)
def test_every_mention_is_what_stood_at_its_path(statement: Object) -> None:
    parts = split(statement)
    assert len({mention.path for mention in parts.mentions}) == len(parts.mentions)
    for mention in parts.mentions:
        sent = at(statement, mention.path)
        members = {"member": mention.agent["member"]} if "member" in sent else {}
        assert mention.agent == {**sent, **members}


@given(any_statement)
def test_the_owners_are_the_actor_or_the_members_of_an_unidentified_one(statement: Object) -> None:
    parts = split(statement)
    owners = [parts.mentions[index].path for index in parts.owners]
    if parts.mentions[0].path == ("actor",):
        assert owners == [("actor",)]
    else:
        assert owners == [("actor", "member", index) for index in range(len(statement["actor"]["member"]))]


@given(any_statement, st.data())
def test_erasing_one_person_leaves_the_rest_of_the_statement_whole(statement: Object, data: st.DataObject) -> None:
    parts = split(statement)
    erased: Mention = data.draw(st.sampled_from(parts.mentions))
    placeholder = erased_placeholder(PUBLIC_URL, group=erased.group)
    pairs = [(m.path, placeholder if m is erased else m.agent) for m in parts.mentions]
    assert join(parts.body, pairs) == replaced(own_part_of(statement), erased.path, placeholder)


@given(any_statement, st.data())
def test_a_statement_sent_again_with_its_placeholder_names_everyone_but_the_erased(
    statement: Object, data: st.DataObject
) -> None:
    first = split(statement)
    erased: Mention = data.draw(st.sampled_from(first.mentions))
    placeholder = erased_placeholder(PUBLIC_URL, group=erased.group)
    again = replaced(own_part_of(statement), erased.path, placeholder)
    parts = split(again, is_known_placeholder=lambda agent: is_placeholder(agent, PUBLIC_URL))
    below = len(erased.path)
    assert [m.path for m in parts.mentions] == [m.path for m in first.mentions if m.path[:below] != erased.path]
    assert as_text(join(parts.body, placed(parts))) == as_text(again)


@settings(max_examples=50)
@given(any_statement)
def test_an_index_can_be_made_without_the_people(statement: Object) -> None:
    """Paths alone tell who answers which filter and who owns the body; terms and references are the same."""
    parts = split(statement)
    paths = [list(mention.path) for mention in parts.mentions]
    assert [is_exact(path) for path in paths] == [mention.exact for mention in parts.mentions]
    assert owners_among(paths) == parts.owners
    assert terms_of(parts.body) == terms_of(statement)
    assert referred_target(parts.body) == referred_target(statement)
