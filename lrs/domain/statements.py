"""Statements: the rules of xAPI that need more than one property at a time.

What comes in has the right shape already (``api.shapes`` saw to it): every property is known and of its type.
Here is what holds ACROSS properties. What differs between the versions is in ``lrs.domain.versions``, whether two
statements are the same in ``lrs.domain.comparison``. Knows nothing of HTTP, JSON text, storage or keys. Sections
are those of the 1.0.3 text unless they say 2.0.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from lrs.domain.comparison import same_statement
from lrs.domain.errors import InvalidStatement
from lrs.domain.instants import instant
from lrs.domain.versions import VERSIONS, VersionRules

__all__ = [
    "VERSIONS",
    "VOIDED",
    "check_actor",
    "check_batch",
    "check_rules",
    "referred_target",
    "same_statement",
    "voided_target",
]

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"

# Deeper JSON than this is an attack on whoever walks it recursively; real extensions stay below ten.
EXTENSION_DEPTH_MAX = 64


# An index of PostgreSQL takes 2,704 bytes a row, and report rows are kept by their activity.
ACTIVITY_ID_BYTES_MAX = 2_048
_SHORT_ID = ACTIVITY_ID_BYTES_MAX // 4  # no character of UTF-8 takes more


# Where a property stands: text, or what it stands in and its step from there. Put together only for an error, for
# nearly every statement has none, and text for every place would be a third of the work (measured).
Where = str | tuple[Any, str | int]

_IDENTIFIER_RULE = "must have exactly one of mbox, mbox_sha1sum, openid and account"

# 1.0.3 Data 2.4.4.1, table of interaction components: which lists go with which interactionType.
_COMPONENT_LISTS = ("choices", "scale", "source", "target", "steps")
_COMPONENTS_OF = {
    "choice": ("choices",), "sequencing": ("choices",), "likert": ("scale",),
    "matching": ("source", "target"), "performance": ("steps",),
}  # fmt: skip
_INTERACTION = frozenset({"correctResponsesPattern", *_COMPONENT_LISTS})


def check_rules(statement: dict[str, Any], version: str, path: str = "") -> None:
    """Nothing, for a statement that keeps every rule of this version; else InvalidStatement.

    ``version`` is a key of VERSIONS, ``path`` is where the statement stands in the request (``[3]``).
    """
    rules = VERSIONS[version]
    # 1.0.3 Data 2.4.10
    if "version" in statement and not rules.statement_version.fullmatch(statement["version"]):
        raise _invalid((path, "version"), "is not one that this version of xAPI accepts", "Data 2.4.10")
    if "authority" in statement:
        _check_authority(statement["authority"], (path, "authority"))
    _check_event(statement, rules, path)


def check_batch(statements: Sequence[dict[str, Any]], version: str) -> None:
    """Nothing, unless this version wants distinct ids in one request and two are alike in any case."""
    if not VERSIONS[version].batch_ids_distinct:
        return
    seen = set()
    for index, statement in enumerate(statements):
        # 2.0 4.1.6.1
        if (identifier := statement.get("id", "").lower()) in seen:
            raise InvalidStatement(f"[{index}].id", "is used twice in one request", "2.0 4.1.6.1")
        if identifier:
            seen.add(identifier)


def voided_target(statement: dict[str, Any]) -> UUID | None:
    """The id of the statement that this one voids, if it is a voiding one."""
    # 1.0.3 Data 2.3.2
    return UUID(statement["object"]["id"]) if statement["verb"]["id"] == VOIDED else None


def referred_target(statement: dict[str, Any]) -> UUID | None:
    """The id of the statement that this one refers to by its object, if it does. An object that is a person may
    have been taken out."""
    target = statement["object"]
    # 1.0.3 Data 2.4.4.2
    return UUID(target["id"]) if target and target.get("objectType") == "StatementRef" else None


def check_actor(actor: dict[str, Any], path: Where) -> None:
    """Nothing, for an Agent or Group that is identified as it must be; else InvalidStatement."""
    identifiers = _identifiers(actor)
    if actor.get("objectType") == "Group":
        _check_group(actor, identifiers, path)
    # 1.0.3 Data 2.4.2.1
    elif identifiers != 1:
        raise _invalid(path, _IDENTIFIER_RULE, "Data 2.4.2.1")
    elif "member" in actor:
        raise _invalid((path, "member"), "belongs to a Group, not to an Agent", "Data 2.4.2.1")


def _identifiers(actor: dict[str, Any]) -> int:
    return ("mbox" in actor) + ("account" in actor) + ("mbox_sha1sum" in actor) + ("openid" in actor)


def _invalid(path: Where, rule: str, section: str) -> InvalidStatement:
    # Paths are joined with a leading dot, so that none has to ask whether it is the first.
    return InvalidStatement(_text(path).removeprefix("."), rule, f"1.0.3 {section}")


def _text(path: Where) -> str:
    if isinstance(path, str):
        return path
    above, step = path
    return _text(above) + (f"[{step}]" if isinstance(step, int) else f".{step}")


def _check_group(group: dict[str, Any], identifiers: int, path: Where) -> None:
    # 1.0.3 Data 2.4.2.2, identified groups
    if identifiers > 1:
        raise _invalid(path, _IDENTIFIER_RULE, "Data 2.4.2.2")
    # 1.0.3 Data 2.4.2.2, anonymous groups
    if not identifiers and "member" not in group:
        raise _invalid(path, "must have member, for the Group is anonymous", "Data 2.4.2.2")
    for index, member in enumerate(group.get("member", ())):
        check_actor(member, ((path, "member"), index))


def _check_authority(authority: dict[str, Any], path: Where) -> None:
    # 1.0.3 Data 2.4.9: an Agent, or for 3-legged OAuth an anonymous Group of the application and the user
    check_actor(authority, path)
    if authority.get("objectType") != "Group":
        return
    if _identifiers(authority) or len(authority["member"]) != 2:
        raise _invalid(path, "must be an Agent or an anonymous Group of two Agents", "Data 2.4.9")
    if not any("account" in member for member in authority["member"]):
        raise _invalid(path, "must name the OAuth consumer by an account", "Data 2.4.9")


def _check_event(event: dict[str, Any], rules: VersionRules, path: Where) -> None:
    """What a Statement and a SubStatement have in common (1.0.3 Data 2.4.4.3)."""
    check_actor(event["actor"], (path, "actor"))
    _check_object(event["object"], rules, (path, "object"))
    # 1.0.3 Data 2.3.2
    if event["verb"]["id"] == VOIDED and event["object"].get("objectType") != "StatementRef":
        raise _invalid((path, "object"), "must be a StatementRef, for the verb is voided", "Data 2.3.2")
    if "result" in event:
        _check_result(event["result"], (path, "result"))
    if "context" in event:
        _check_context(event, rules, (path, "context"))
    for name in ("timestamp", "stored"):
        if name in event:
            _check_timestamp(event[name], rules, (path, name))
    for index, attachment in enumerate(event.get("attachments", ())):
        _check_attachment(attachment, ((path, "attachments"), index))


def _check_object(value: dict[str, Any], rules: VersionRules, path: Where) -> None:
    kind = value.get("objectType", "Activity")
    if kind == "Activity":
        _check_activity(value, path)
    elif kind == "SubStatement":
        _check_substatement(value, rules, path)
    elif kind != "StatementRef":
        check_actor(value, path)


def _check_substatement(value: dict[str, Any], rules: VersionRules, path: Where) -> None:
    # 1.0.3 Data 2.4.4.3
    for name in ("id", "stored", "version", "authority"):
        if name in value:
            raise _invalid((path, name), "has no place in a SubStatement", "Data 2.4.4.3")
    if value["object"].get("objectType") == "SubStatement":
        raise _invalid((path, "object"), "must not be a SubStatement of a SubStatement", "Data 2.4.4.3")
    _check_event(value, rules, path)


def _check_activity(activity: dict[str, Any], path: Where) -> None:
    if (
        len(activity["id"]) > _SHORT_ID
        and len(activity["id"].encode("utf-8", "surrogatepass")) > ACTIVITY_ID_BYTES_MAX
    ):
        raise _invalid((path, "id"), f"must be at most {ACTIVITY_ID_BYTES_MAX} bytes", "")
    if "definition" not in activity:
        return
    definition = activity["definition"]
    if "extensions" in definition:
        _check_extensions(definition, (path, "definition"))
    if not _INTERACTION.isdisjoint(definition):
        _check_interaction(definition, (path, "definition"))


def _check_interaction(definition: dict[str, Any], path: Where) -> None:
    # 1.0.3 Data 2.4.4.1, Interaction Activities
    if "interactionType" not in definition:
        raise _invalid((path, "interactionType"), "is required for an interaction", "Data 2.4.4.1")
    supported = _COMPONENTS_OF.get(definition["interactionType"], ())
    for name in _COMPONENT_LISTS:
        if name not in definition:
            continue
        if name not in supported:
            raise _invalid((path, name), "does not go with the interactionType", "Data 2.4.4.1")
        # 1.0.3 Data 2.4.4.1, Interaction Components
        if len({component["id"] for component in definition[name]}) != len(definition[name]):
            raise _invalid((path, name), "must have distinct ids", "Data 2.4.4.1")


def _check_result(result: dict[str, Any], path: Where) -> None:
    if "extensions" in result:
        _check_extensions(result, path)
    if "score" not in result:
        return
    score, path = result["score"], (path, "score")
    raw, low, high = score.get("raw"), score.get("min"), score.get("max")
    # 1.0.3 Data 2.4.5.1
    if low is not None and high is not None and not low < high:
        raise _invalid((path, "min"), "must be less than max", "Data 2.4.5.1")
    if raw is not None and low is not None and raw < low:
        raise _invalid((path, "raw"), "must not be less than min", "Data 2.4.5.1")
    if raw is not None and high is not None and raw > high:
        raise _invalid((path, "raw"), "must not be greater than max", "Data 2.4.5.1")


def _check_context(event: dict[str, Any], rules: VersionRules, path: Where) -> None:
    context = event["context"]
    # 2.0 4.2.2.5 added them; to 1.0.3 they are unknown properties (1.0.3 Data 2.2)
    for name in rules.context_unknown:
        if name in context:
            raise _invalid((path, name), "is not known to this version of xAPI", "Data 2.2")
    # 1.0.3 Data 2.4.6
    if event["object"].get("objectType", "Activity") != "Activity":
        for name in ("revision", "platform"):
            if name in context:
                raise _invalid((path, name), "needs an Activity as the object", "Data 2.4.6")
    if "extensions" in context:
        _check_extensions(context, path)
    _check_context_actors(context, path)
    if "contextActivities" in context:
        _check_context_activities(context["contextActivities"], (path, "contextActivities"))


def _check_context_actors(context: dict[str, Any], path: Where) -> None:
    for name in ("instructor", "team"):
        if name in context:
            check_actor(context[name], (path, name))
    # 2.0 4.2.2.5
    for name, part in (("contextAgents", "agent"), ("contextGroups", "group")):
        if name in context:
            for index, entry in enumerate(context[name]):
                check_actor(entry[part], (((path, name), index), part))


def _check_context_activities(activities: dict[str, Any], path: Where) -> None:
    for name, value in activities.items():
        for activity in value if isinstance(value, list) else (value,):
            if "definition" in activity:
                _check_activity(activity, (path, name))


def _check_timestamp(text: str, rules: VersionRules, path: Where) -> None:
    # 1.0.3 Data 4.5, 2.0 4.2.7
    if not rules.timestamp.fullmatch(text):
        raise _invalid(path, rules.timestamp_rule, "Data 4.5")
    try:
        instant(text)
    except ValueError:
        raise _invalid(path, "must be a day and time of the calendar", "Data 4.5") from None


def _check_attachment(attachment: dict[str, Any], path: Where) -> None:
    # 1.0.3 Data 2.6
    if attachment["usageType"] == SIGNATURE and attachment["contentType"] != "application/octet-stream":
        raise _invalid((path, "contentType"), "must be application/octet-stream for a signature", "Data 2.6")


def _check_extensions(holder: dict[str, Any], path: Where) -> None:
    # Extensions may hold anything (1.0.3 Data 4.1), so the limit on depth is ours.
    if _nests_beyond(holder["extensions"], EXTENSION_DEPTH_MAX):
        rule = f"must not nest deeper than {EXTENSION_DEPTH_MAX}"
        raise _invalid((path, "extensions"), rule, "Data 4.1")


def _nests_beyond(value: dict[str, Any], levels: int) -> bool:
    """Whether there are objects and arrays in one another beyond so many levels; looked at level by level."""
    level: list[Any] = [value]
    for _ in range(levels):
        level = [
            child
            for holder in level
            for child in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
