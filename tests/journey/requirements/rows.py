"""What a requirement is made of: what it says, for which versions, what is asked and what must be answered.

A row's id is the one that the public conformance tests give the requirement; where they give none, the section of
the text (1.0.3 unless it says 2.0). Cases are functions of a word of their own, so that no two meet in the store.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx2

Json = dict[str, Any]
Check = Callable[[httpx2.Response], None]
ONE, TWO = "1.0.3", "2.0.0"
BOTH = (ONE, TWO)
VERSION = "X-Experience-API-Version"
DROP: Any = object()


@dataclass(frozen=True)
class Ask:
    """One request, the status it must get (or by version), and what else must hold of the answer."""

    method: str
    path: str
    status: int | Mapping[str, int]
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    check: Check | None = None


Case = Callable[[str], Sequence[Ask]]


@dataclass(frozen=True)
class Row:
    """One requirement, and the cases that show it."""

    id: str
    says: str
    cases: tuple[Case, ...]
    versions: tuple[str, ...] = BOTH


def row(id_: str, says: str, *cases: Case, only: str | None = None) -> Row:
    """A requirement of both versions, or of one."""
    return Row(id_, says, cases, (only,) if only else BOTH)


def uuid_of(word: str) -> str:
    """A UUID that goes with the word."""
    return str(uuid5(NAMESPACE_URL, word))


# --- a statement with every property ---------------------------------------------------------------------------

ADA: Json = {"objectType": "Agent", "name": "Ada", "mbox": "mailto:ada@example.org"}
BO: Json = {"name": "Bo", "account": {"homePage": "https://lms.example.org", "name": "bo"}}
TEAM: Json = {"objectType": "Group", "name": "Team", "member": [ADA, BO]}
CREW: Json = {"objectType": "Group", "mbox": "mailto:crew@example.org", "member": [BO]}
SHA1, SHA2 = "ab" * 20, "cd" * 32
ACTIVITY: Json = {
    "objectType": "Activity",
    "id": "https://example.org/activities/1",
    "definition": {
        "name": {"en-US": "Question", "de": "Frage"},
        "description": {"en": "A question"},
        "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
        "moreInfo": "https://example.org/more",
        "interactionType": "choice",
        "correctResponsesPattern": ["a[,]b"],
        "choices": [{"id": "a", "description": {"en": "A"}}, {"id": "b"}],
        "extensions": {"https://example.org/x/1": None},
    },
}
RESULT: Json = {
    "score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10},
    "success": True,
    "completion": False,
    "response": "a",
    "duration": "PT1M2.5S",
    "extensions": {"https://example.org/x/2": ""},
}
CONTEXT: Json = {
    "registration": "16fd2706-8baf-433b-82eb-8c7fada847da",
    "instructor": BO,
    "team": TEAM,
    "contextActivities": {
        "parent": [{"id": "https://example.org/activities/p"}],
        "grouping": {"id": "https://example.org/activities/g"},
    },
    "revision": "1",
    "platform": "Simulator",
    "language": "en-GB",
    "statement": {"objectType": "StatementRef", "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"},
    "extensions": {"https://example.org/x/3": {"any": ["thing", None, {}]}},
}
ATTACHMENT: Json = {
    "usageType": "https://example.org/usage",
    "display": {"en": "Essay"},
    "description": {"en": "An essay"},
    "contentType": "text/plain",
    "length": 27,
    "sha2": SHA2,
    "fileUrl": "https://example.org/essay.txt",
}
EVENT: Json = {
    "actor": ADA,
    "verb": {"id": "https://example.org/verbs/answered", "display": {"en": "answered"}},
    "object": ACTIVITY,
    "result": RESULT,
    "context": CONTEXT,
    "timestamp": "2026-11-22T09:00:00.123Z",
    "attachments": [ATTACHMENT],
}
PLAIN: Json = {"actor": ADA, "verb": EVENT["verb"], "object": {"id": "https://example.org/activities/2"}}
FULL: Json = EVENT | {"authority": BO, "version": "1.0.0", "stored": "2020-01-01T00:00:00Z"}
INNER_CONTEXT = {name: value for name, value in CONTEXT.items() if name not in {"revision", "platform"}}
NESTED: Json = PLAIN | {"object": EVENT | {"objectType": "SubStatement"}, "context": INNER_CONTEXT}
REFERRING: Json = PLAIN | {"object": {"objectType": "StatementRef", "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}}


def changed(statement: Json, place: str, value: Any) -> Json:
    """The statement with another value at a place (`context.team.member.0`); DROP takes away what stands there."""
    made: Any = copy.deepcopy(statement)
    *way, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    inner = made
    for step in way:
        inner = inner[step]
    if value is DROP:
        del inner[last]
    else:
        inner[last] = value
    return made  # type: ignore[no-any-return]


def places(value: Any, place: str = "") -> Iterator[str]:
    """Every place of a statement, but for what stands inside extensions."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        here = f"{place}.{step}".removeprefix(".")
        if "https://example.org" not in here:
            yield here
            if step != "extensions":
                yield from places(inner, here)


# --- cases about one statement ---------------------------------------------------------------------------------


def post(statement: Any, status: int | Mapping[str, int] = 200, check: Check | None = None) -> Case:
    """The statement is sent."""
    return lambda _: [Ask("POST", "/statements", status, json=statement, check=check)]


def accepted(*statements: Json) -> tuple[Case, ...]:
    """Each is stored."""
    return tuple(map(post, statements))


def _says_where(answer: httpx2.Response) -> None:
    problem = answer.json()
    assert problem["code"] == "statement-invalid"
    assert "(xAPI " in problem["message"]


def refused(*statements: Any) -> tuple[Case, ...]:
    """Each gets exactly 400, and is told where and why with the section."""
    return tuple(post(one, 400, _says_where) for one in statements)


def without(*places_: str, of: Json = FULL) -> tuple[Case, ...]:
    """Refused without what stands there."""
    return refused(*(changed(of, place, DROP) for place in places_))


def wrong(place: str, *values: Any, of: Json = FULL) -> tuple[Case, ...]:
    """Refused with any of these values at the place."""
    return refused(*(changed(of, place, value) for value in values))


def right(place: str, *values: Any, of: Json = FULL) -> tuple[Case, ...]:
    """Stored with any of these values at the place."""
    return accepted(*(changed(of, place, value) for value in values))


AGENT_PLACES = (
    (FULL, "actor"), (FULL, "authority"), (FULL, "context.instructor"), (FULL, "context.team.member.1"),
    (PLAIN, "object"), (NESTED, "object.actor"), (NESTED, "object.context.instructor"),
)  # fmt: skip
GROUP_PLACES = (
    (FULL, "actor"),
    (FULL, "context.instructor"),
    (FULL, "context.team"),
    (PLAIN, "object"),
    (NESTED, "object.actor"),
)


def wrong_agents(*agents: Json) -> tuple[Case, ...]:
    """Refused wherever an Agent can stand."""
    return refused(*(changed(of, place, one) for of, place in AGENT_PLACES for one in agents))


def right_agents(*agents: Json) -> tuple[Case, ...]:
    """Stored wherever an Agent can stand."""
    return accepted(*(changed(of, place, one) for of, place in AGENT_PLACES for one in agents))


def wrong_groups(*groups: Json) -> tuple[Case, ...]:
    """Refused wherever a Group can stand."""
    return refused(*(changed(of, place, one) for of, place in GROUP_PLACES for one in groups))


def right_groups(*groups: Json) -> tuple[Case, ...]:
    """Stored wherever a Group can stand."""
    return accepted(*(changed(of, place, one) for of, place in GROUP_PLACES for one in groups))
