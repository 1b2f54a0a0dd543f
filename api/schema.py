"""Schema: what a statement is made of, property by property, as types that pydantic checks in one pass.

Both versions of xAPI share them: what differs between the versions, and what holds across properties, is in
``lrs.domain.statements``. Knows nothing of HTTP. What pydantic returns is thrown away, for it rewrites numbers
(100 becomes 100.0): store what arrived. Property names are the specification's.
"""

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, with_config
from typing_extensions import TypedDict

from api.formats import Duration, Iri, LanguageTag, Mbox, MediaType, Sha1, Sha2, Uuid

# A larger group is the list of a whole company: it belongs in a roster, not in a statement.
MEMBERS_MAX = 1000
# Other lists are as long as the limit on the request body lets them be: 1.0.3 Data 2.4.4.1 asks for no other.

_STRICT = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

LanguageMap = dict[LanguageTag, str]
Extensions = dict[Iri, Any]
Number = Annotated[float, Field(allow_inf_nan=False)]
Scaled = Annotated[float, Field(ge=-1, le=1)]


# 1.0.3 Data 2.4.2


@with_config(_STRICT)
class Account(TypedDict):
    homePage: Iri
    name: str


class _Identified(TypedDict):
    name: NotRequired[str]
    mbox: NotRequired[Mbox]
    mbox_sha1sum: NotRequired[Sha1]
    openid: NotRequired[Iri]
    account: NotRequired[Account]


@with_config(_STRICT)
class Agent(_Identified):
    objectType: NotRequired[Literal["Agent"]]


Members = Annotated[list[Agent], Field(max_length=MEMBERS_MAX, fail_fast=True)]


@with_config(_STRICT)
class Group(_Identified):
    objectType: Literal["Group"]
    member: NotRequired[Members]


@with_config(_STRICT)
class Actor(_Identified):
    """Where an Agent or a Group may stand. One type, not a union: a union costs a call into Python each time."""

    objectType: NotRequired[Literal["Agent", "Group"]]
    member: NotRequired[Members]


# 1.0.3 Data 2.4.3


@with_config(_STRICT)
class Verb(TypedDict):
    id: Iri
    display: NotRequired[LanguageMap]


# 1.0.3 Data 2.4.4


@with_config(_STRICT)
class InteractionComponent(TypedDict):
    id: str
    description: NotRequired[LanguageMap]


InteractionType = Literal[
    "true-false", "choice", "fill-in", "long-fill-in", "matching",
    "performance", "sequencing", "likert", "numeric", "other",
]  # fmt: skip
Components = Annotated[list[InteractionComponent], Field(fail_fast=True)]


@with_config(_STRICT)
class Definition(TypedDict):
    name: NotRequired[LanguageMap]
    description: NotRequired[LanguageMap]
    type: NotRequired[Iri]
    moreInfo: NotRequired[Iri]
    interactionType: NotRequired[InteractionType]
    correctResponsesPattern: NotRequired[Annotated[list[str], Field(fail_fast=True)]]
    choices: NotRequired[Components]
    scale: NotRequired[Components]
    source: NotRequired[Components]
    target: NotRequired[Components]
    steps: NotRequired[Components]
    extensions: NotRequired[Extensions]


@with_config(_STRICT)
class Activity(TypedDict):
    objectType: NotRequired[Literal["Activity"]]
    id: Iri
    definition: NotRequired[Definition]


@with_config(_STRICT)
class StatementRef(TypedDict):
    objectType: Literal["StatementRef"]
    id: Uuid


# 1.0.3 Data 2.4.5


@with_config(_STRICT)
class Score(TypedDict):
    scaled: NotRequired[Scaled]
    raw: NotRequired[Number]
    min: NotRequired[Number]
    max: NotRequired[Number]


@with_config(_STRICT)
class Result(TypedDict):
    score: NotRequired[Score]
    success: NotRequired[bool]
    completion: NotRequired[bool]
    response: NotRequired[str]
    duration: NotRequired[Duration]
    extensions: NotRequired[Extensions]


# 1.0.3 Data 2.4.6, and 2.0 4.2.2.5 for contextAgents and contextGroups


def _one_or_many(value: object) -> str:
    return "many" if isinstance(value, list) else "one"


Activities = Annotated[
    Annotated[Activity, Tag("one")] | Annotated[list[Activity], Field(fail_fast=True), Tag("many")],
    Discriminator(_one_or_many),
]
RelevantTypes = Annotated[list[Iri], Field(min_length=1, fail_fast=True)]


@with_config(_STRICT)
class ContextActivities(TypedDict):
    parent: NotRequired[Activities]
    grouping: NotRequired[Activities]
    category: NotRequired[Activities]
    other: NotRequired[Activities]


@with_config(_STRICT)
class ContextAgent(TypedDict):
    objectType: Literal["contextAgent"]
    agent: Agent
    relevantTypes: NotRequired[RelevantTypes]


@with_config(_STRICT)
class ContextGroup(TypedDict):
    objectType: Literal["contextGroup"]
    group: Group
    relevantTypes: NotRequired[RelevantTypes]


@with_config(_STRICT)
class Context(TypedDict):
    registration: NotRequired[Uuid]
    instructor: NotRequired[Actor]
    team: NotRequired[Group]
    contextActivities: NotRequired[ContextActivities]
    contextAgents: NotRequired[Annotated[list[ContextAgent], Field(max_length=MEMBERS_MAX, fail_fast=True)]]
    contextGroups: NotRequired[Annotated[list[ContextGroup], Field(max_length=MEMBERS_MAX, fail_fast=True)]]
    revision: NotRequired[str]
    platform: NotRequired[str]
    language: NotRequired[LanguageTag]
    statement: NotRequired[StatementRef]
    extensions: NotRequired[Extensions]


# 1.0.3 Data 2.4.11


@with_config(_STRICT)
class Attachment(TypedDict):
    usageType: Iri
    display: LanguageMap
    description: NotRequired[LanguageMap]
    contentType: MediaType
    length: Annotated[int, Field(ge=0)]
    sha2: Sha2
    fileUrl: NotRequired[Iri]


Attachments = Annotated[list[Attachment], Field(fail_fast=True)]


# 1.0.3 Data 2.4.4.3 and 2.4

_KINDS: Final = {
    "Activity": "Activity",
    "Agent": "Actor",
    "Group": "Actor",
    "StatementRef": "StatementRef",
    "SubStatement": "SubStatement",
}


def _kind(value: object) -> str | None:
    """Which type an object is checked as: an Activity unless it says otherwise (1.0.3 Data 2.4.4)."""
    if not isinstance(value, dict):
        return None
    kind = value.get("objectType", "Activity")
    return _KINDS.get(kind) if isinstance(kind, str) else None


_Plain = (
    Annotated[Activity, Tag("Activity")]
    | Annotated[Actor, Tag("Actor")]
    | Annotated[StatementRef, Tag("StatementRef")]
)


@with_config(_STRICT)
class SubStatement(TypedDict):
    """A statement inside a statement. What it must not have is typed as anything, for the domain to refuse."""

    objectType: Literal["SubStatement"]
    actor: Actor
    verb: Verb
    object: Annotated[_Plain | Annotated[dict[str, Any], Tag("SubStatement")], Discriminator(_kind)]
    result: NotRequired[Result]
    context: NotRequired[Context]
    timestamp: NotRequired[str]
    attachments: NotRequired[Attachments]
    id: NotRequired[Any]
    stored: NotRequired[Any]
    version: NotRequired[Any]
    authority: NotRequired[Any]


@with_config(_STRICT)
class Statement(TypedDict):
    id: NotRequired[Uuid]
    actor: Actor
    verb: Verb
    object: Annotated[_Plain | Annotated[SubStatement, Tag("SubStatement")], Discriminator(_kind)]
    result: NotRequired[Result]
    context: NotRequired[Context]
    timestamp: NotRequired[str]
    stored: NotRequired[str]
    authority: NotRequired[Actor]
    version: NotRequired[str]
    attachments: NotRequired[Attachments]


STATEMENT: Final[TypeAdapter[Statement]] = TypeAdapter(Statement)
ACTOR: Final[TypeAdapter[Actor]] = TypeAdapter(Actor)

# Every name that may stand in the path of an error: a name outside this set came from a client.
_SHAPES = (
    Account, Actor, Verb, InteractionComponent, Definition, Activity, Score, Result,
    ContextActivities, ContextAgent, ContextGroup, Context, Attachment, Statement,
)  # fmt: skip
PROPERTIES: Final = frozenset(name for shape in _SHAPES for name in shape.__annotations__)
