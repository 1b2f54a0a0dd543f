"""Two spellings of one person meet under one identifier; two people never do."""

import hashlib

import pytest
from hypothesis import given

from lrs.domain.agents import (
    Identifier,
    erased_placeholder,
    identifier_of,
    is_group,
    is_placeholder,
    lookups_of,
)
from tests.strategies import Object, agents, anonymous_groups, groups

PUBLIC_URL = "https://lrs.example.org"
SHA1 = "ebd31e95054c018b10727ccffd2ef2ec3a016ee9"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ({"mbox": "mailto:Ada@Example.org"}, Identifier("mbox", "mailto:Ada@Example.org")),
        ({"mbox": "MAILTO:ada@example.org"}, Identifier("mbox", "mailto:ada@example.org")),
        ({"mbox_sha1sum": SHA1.upper()}, Identifier("mbox_sha1sum", SHA1)),
        ({"openid": "https://Ada.example.org/"}, Identifier("openid", "https://Ada.example.org/")),
        (
            {"account": {"name": "ada", "homePage": "https://example.org"}},
            Identifier("account", '["https://example.org","ada"]'),
        ),
        ({"objectType": "Group", "name": "Team", "openid": "https://t"}, Identifier("openid", "https://t")),
        ({"objectType": "Group", "member": [{"mbox": "mailto:ada@example.org"}]}, None),
    ],
)
def test_an_agent_is_known_by_its_identifier_in_canonical_spelling(
    agent: Object, expected: Identifier | None
) -> None:
    assert identifier_of(agent) == expected


def test_no_two_accounts_share_an_identifier_whatever_their_names_hold() -> None:
    one = {"account": {"homePage": 'https://a","b', "name": "c"}}
    other = {"account": {"homePage": "https://a", "name": 'b","c'}}
    assert identifier_of(one) != identifier_of(other)


def test_an_account_name_stays_readable_so_that_it_can_be_searched() -> None:
    identifier = identifier_of({"account": {"homePage": "https://a", "name": "Zoë 李"}})
    assert identifier == Identifier("account", '["https://a","Zoë 李"]')


def test_an_mbox_is_also_entered_by_the_sha1_of_its_whole_iri() -> None:
    identifier = Identifier("mbox", "mailto:ada@example.org")
    digest = hashlib.sha1(b"mailto:ada@example.org", usedforsecurity=False).hexdigest()
    assert lookups_of(identifier) == (identifier, Identifier("mbox_sha1sum", digest))


@pytest.mark.parametrize("kind", ["mbox_sha1sum", "openid", "account"])
def test_every_other_identifier_is_entered_by_itself(kind: str) -> None:
    assert lookups_of(Identifier(kind, "x")) == (Identifier(kind, "x"),)


@given(anonymous_groups())
def test_an_anonymous_group_has_no_identifier(group: Object) -> None:
    assert identifier_of(group) is None


@given(agents())
def test_an_agent_is_no_group(agent: Object) -> None:
    assert not is_group(agent)


@given(groups())
def test_a_group_says_that_it_is_one(group: Object) -> None:
    assert is_group(group)


@pytest.mark.parametrize(("group", "object_type"), [(False, "Agent"), (True, "Group")])
@pytest.mark.parametrize("public_url", [PUBLIC_URL, PUBLIC_URL + "/"])
def test_the_placeholder_is_the_documented_constant(public_url: str, group: bool, object_type: str) -> None:
    assert erased_placeholder(public_url, group=group) == {
        "objectType": object_type,
        "account": {"homePage": "https://lrs.example.org/xapi/erased", "name": "erased"},
    }


@pytest.mark.parametrize("group", [False, True])
def test_the_placeholder_is_recognised_when_it_comes_back_even_embellished(group: bool) -> None:
    placeholder = erased_placeholder(PUBLIC_URL, group=group)
    assert is_placeholder(placeholder, PUBLIC_URL)
    assert is_placeholder({**placeholder, "name": "Nobody"}, PUBLIC_URL + "/")
    assert is_placeholder({"account": placeholder["account"]}, PUBLIC_URL)


@pytest.mark.parametrize(
    "agent",
    [
        {"mbox": "mailto:erased@lrs.example.org"},
        {"account": {"homePage": "https://lrs.example.org/xapi/erased", "name": "ada"}},
        {"account": {"homePage": "https://other.example.org/xapi/erased", "name": "erased"}},
    ],
)
def test_no_one_else_is_taken_for_the_placeholder(agent: Object) -> None:
    assert not is_placeholder(agent, PUBLIC_URL)
