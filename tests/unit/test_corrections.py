"""What a correction says, how corrections add up, and how one lies over an agent."""

from typing import Any

import pytest

from lrs.domain.agents import Identifier
from lrs.domain.corrections import NAME_CHARACTERS_MAX, Correction
from lrs.domain.errors import InvalidRequest

MBOX = {"mbox": "mailto:new@example.org"}
ACCOUNT = {"account": {"homePage": "https://hr.example.org", "name": "4711"}}


def test_an_agent_to_become_brings_its_name_along() -> None:
    made = Correction.of(None, MBOX | {"name": "New", "objectType": "Agent"})
    assert (made.name, made.to, made.parts) == ("New", MBOX, ["name", "identifier"])
    assert made.identifier == Identifier("mbox", MBOX["mbox"])
    assert Correction.of("Said", MBOX | {"name": "New"}).name == "Said"
    assert Correction.of("Said", None).identifier is None


@pytest.mark.parametrize(
    ("name", "to"),
    [
        (None, None),
        ("", None),
        ("x" * (NAME_CHARACTERS_MAX + 1), None),
        (None, {}),
        (None, {"name": "x"}),
        ("x", {}),
    ],
)
def test_what_corrects_nothing_is_refused(name: str | None, to: dict[str, Any] | None) -> None:
    with pytest.raises(InvalidRequest):
        Correction.of(name, to)


def test_corrections_add_up() -> None:
    name, mbox, account = Correction("New"), Correction(to=MBOX), Correction(to=ACCOUNT)
    assert name.after(None) == name
    assert mbox.after(name) == Correction("New", MBOX)
    assert account.after(mbox.after(name)) == Correction("New", ACCOUNT)
    assert Correction("Newer").after(Correction("New", MBOX)) == Correction("Newer", MBOX)


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ({"mbox": "mailto:old@example.org", "name": "Old"}, {"name": "New"} | ACCOUNT),
        ({"mbox_sha1sum": "0" * 40}, {"name": "New"} | ACCOUNT),
        ({"openid": "https://old.example.org/"}, {"name": "New"} | ACCOUNT),
        (
            {
                "objectType": "Group",
                "account": {"homePage": "https://x", "name": "old"},
                "member": [{"name": "m"}],
            },
            {"objectType": "Group", "member": [{"name": "m"}], "name": "New"} | ACCOUNT,
        ),
    ],
)
def test_it_lies_over_any_agent_and_changes_nothing_stored(agent: dict[str, Any], shown: dict[str, Any]) -> None:
    sent = dict(agent)
    assert Correction("New", ACCOUNT).over(agent) == shown
    assert agent == sent


def test_it_leaves_what_it_does_not_correct() -> None:
    agent = {"mbox": "mailto:old@example.org", "name": "Old"}
    assert Correction("New").over(agent) == agent | {"name": "New"}
    assert Correction(to=MBOX).over(agent) == agent | MBOX


@pytest.mark.parametrize("one", [Correction("N\u00e9w"), Correction(to=ACCOUNT), Correction("New", MBOX)])
def test_it_is_read_as_it_was_packed(one: Correction) -> None:
    assert Correction.unpack(one.pack()) == one
