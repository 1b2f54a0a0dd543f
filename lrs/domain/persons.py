"""The Person of the Agents Resource: all that one person was ever called (xAPI 1.0.3 Communication 2.4).

Pure. Who of the agents are one person is not decided here.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

_IDENTIFIERS: Final = ("mbox", "mbox_sha1sum", "openid", "account")


def person_of(asked: Mapping[str, Any], known: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The Person: what was asked for first, then what the known agents of the same person add, each once and in
    their order. The name that was asked with counts only where no other is known: anybody may ask with any."""
    agents = list(known)
    names = [agent["name"] for agent in agents if "name" in agent]
    if not names and "name" in asked:
        names = [asked["name"]]
    person: dict[str, Any] = {"objectType": "Person"}
    if names:
        person["name"] = list(dict.fromkeys(names))
    for kind in _IDENTIFIERS:
        values: list[Any] = []
        for agent in (asked, *agents):
            if kind in agent and agent[kind] not in values:
                values.append(agent[kind])
        if values:
            person[kind] = values
    return person
