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
    "same_statement",
    "voided_target",
]

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"

# Deeper JSON than this is an attack on whoever walks it recursively; real extensions stay below ten.
EXTENSION_DEPTH_MAX = 64


_IDENTIFIERS = frozenset({"mbox", "mbox_sha1sum", "openid", "account"})
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
        raise _invalid(f"{path}.version", "is not one that this version of xAPI accepts", "Data 2.4.10")
    if "authority" in statement:
        _check_authority(statement["authority"], f"{path}.authority")
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


def check_actor(actor: dict[str, Any], path: str) -> None:
    """Nothing, for an Agent or Group that is identified as it must be; else InvalidStatement."""
    identifiers = len(_IDENTIFIERS & actor.keys())
    if actor.get("objectType") == "Group":
        _check_group(actor, identifiers, path)
    # 1.0.3 Data 2.4.2.1
    elif identifiers != 1:
        raise _invalid(path, _IDENTIFIER_RULE, "Data 2.4.2.1")
    elif "member" in actor:
        raise _invalid(f"{path}.member", "belongs to a Group, not to an Agent", "Data 2.4.2.1")


def _invalid(path: str, rule: str, section: str) -> InvalidStatement:
    # Paths are joined with a leading dot, so that none has to ask whether it is the first.
    return InvalidStatement(path.removeprefix("."), rule, f"1.0.3 {section}")


def _check_group(group: dict[str, Any], identifiers: int, path: str) -> None:
    # 1.0.3 Data 2.4.2.2, identified groups
    if identifiers > 1:
        raise _invalid(path, _IDENTIFIER_RULE, "Data 2.4.2.2")
    # 1.0.3 Data 2.4.2.2, anonymous groups
    if not identifiers and "member" not in group:
        raise _invalid(path, "must have member, for the Group is anonymous", "Data 2.4.2.2")
    for index, member in enumerate(group.get("member", ())):
        check_actor(member, f"{path}.member[{index}]")


def _check_authority(authority: dict[str, Any], path: str) -> None:
    # 1.0.3 Data 2.4.9: an Agent, or for 3-legged OAuth an anonymous Group of the application and the user
    check_actor(authority, path)
    if authority.get("objectType") != "Group":
        return
    if _IDENTIFIERS & authority.keys() or len(authority["member"]) != 2:
        raise _invalid(path, "must be an Agent or an anonymous Group of two Agents", "Data 2.4.9")
    if not any("account" in member for member in authority["member"]):
        raise _invalid(path, "must name the OAuth consumer by an account", "Data 2.4.9")


def _check_event(event: dict[str, Any], rules: VersionRules, path: str) -> None:
    """What a Statement and a SubStatement have in common (1.0.3 Data 2.4.4.3)."""
    check_actor(event["actor"], f"{path}.actor")
    _check_object(event["object"], rules, f"{path}.object")
    # 1.0.3 Data 2.3.2
    if event["verb"]["id"] == VOIDED and event["object"].get("objectType") != "StatementRef":
        raise _invalid(f"{path}.object", "must be a StatementRef, for the verb is voided", "Data 2.3.2")
    if "result" in event:
        _check_result(event["result"], f"{path}.result")
    if "context" in event:
        _check_context(event, rules, f"{path}.context")
    for name in ("timestamp", "stored"):
        if name in event:
            _check_timestamp(event[name], rules, f"{path}.{name}")
    for index, attachment in enumerate(event.get("attachments", ())):
        _check_attachment(attachment, f"{path}.attachments[{index}]")


def _check_object(value: dict[str, Any], rules: VersionRules, path: str) -> None:
    kind = value.get("objectType", "Activity")
    if kind == "Activity":
        _check_activity(value, path)
    elif kind == "SubStatement":
        _check_substatement(value, rules, path)
    elif kind != "StatementRef":
        check_actor(value, path)


def _check_substatement(value: dict[str, Any], rules: VersionRules, path: str) -> None:
    # 1.0.3 Data 2.4.4.3
    for name in ("id", "stored", "version", "authority"):
        if name in value:
            raise _invalid(f"{path}.{name}", "has no place in a SubStatement", "Data 2.4.4.3")
    if value["object"].get("objectType") == "SubStatement":
        raise _invalid(f"{path}.object", "must not be a SubStatement of a SubStatement", "Data 2.4.4.3")
    _check_event(value, rules, path)


def _check_activity(activity: dict[str, Any], path: str) -> None:
    if "definition" not in activity:
        return
    definition, path = activity["definition"], f"{path}.definition"
    _check_extensions(definition, path)
    if _INTERACTION & definition.keys():
        _check_interaction(definition, path)


def _check_interaction(definition: dict[str, Any], path: str) -> None:
    # 1.0.3 Data 2.4.4.1, Interaction Activities
    if "interactionType" not in definition:
        raise _invalid(f"{path}.interactionType", "is required for an interaction", "Data 2.4.4.1")
    supported = _COMPONENTS_OF.get(definition["interactionType"], ())
    for name in _COMPONENT_LISTS:
        if name not in definition:
            continue
        if name not in supported:
            raise _invalid(f"{path}.{name}", "does not go with the interactionType", "Data 2.4.4.1")
        # 1.0.3 Data 2.4.4.1, Interaction Components
        if len({component["id"] for component in definition[name]}) != len(definition[name]):
            raise _invalid(f"{path}.{name}", "must have distinct ids", "Data 2.4.4.1")


def _check_result(result: dict[str, Any], path: str) -> None:
    _check_extensions(result, path)
    if "score" not in result:
        return
    score, path = result["score"], f"{path}.score"
    raw, low, high = score.get("raw"), score.get("min"), score.get("max")
    # 1.0.3 Data 2.4.5.1
    if low is not None and high is not None and not low < high:
        raise _invalid(f"{path}.min", "must be less than max", "Data 2.4.5.1")
    if raw is not None and low is not None and raw < low:
        raise _invalid(f"{path}.raw", "must not be less than min", "Data 2.4.5.1")
    if raw is not None and high is not None and raw > high:
        raise _invalid(f"{path}.raw", "must not be greater than max", "Data 2.4.5.1")


def _check_context(event: dict[str, Any], rules: VersionRules, path: str) -> None:
    context = event["context"]
    # 2.0 4.2.2.5 added them; to 1.0.3 they are unknown properties (1.0.3 Data 2.2)
    for name in rules.context_unknown:
        if name in context:
            raise _invalid(f"{path}.{name}", "is not known to this version of xAPI", "Data 2.2")
    # 1.0.3 Data 2.4.6
    if event["object"].get("objectType", "Activity") != "Activity":
        for name in ("revision", "platform"):
            if name in context:
                raise _invalid(f"{path}.{name}", "needs an Activity as the object", "Data 2.4.6")
    _check_extensions(context, path)
    _check_context_actors(context, path)
    for name, value in context.get("contextActivities", {}).items():
        for activity in value if isinstance(value, list) else (value,):
            _check_activity(activity, f"{path}.contextActivities.{name}")


def _check_context_actors(context: dict[str, Any], path: str) -> None:
    for name in ("instructor", "team"):
        if name in context:
            check_actor(context[name], f"{path}.{name}")
    # 2.0 4.2.2.5
    for index, entry in enumerate(context.get("contextAgents", ())):
        check_actor(entry["agent"], f"{path}.contextAgents[{index}].agent")
    for index, entry in enumerate(context.get("contextGroups", ())):
        check_actor(entry["group"], f"{path}.contextGroups[{index}].group")


def _check_timestamp(text: str, rules: VersionRules, path: str) -> None:
    # 1.0.3 Data 4.5, 2.0 4.2.7
    if not rules.timestamp.fullmatch(text):
        raise _invalid(path, rules.timestamp_rule, "Data 4.5")
    try:
        instant(text)
    except ValueError:
        raise _invalid(path, "must be a day and time of the calendar", "Data 4.5") from None


def _check_attachment(attachment: dict[str, Any], path: str) -> None:
    # 1.0.3 Data 2.6
    if attachment["usageType"] == SIGNATURE and attachment["contentType"] != "application/octet-stream":
        raise _invalid(f"{path}.contentType", "must be application/octet-stream for a signature", "Data 2.6")


def _check_extensions(holder: dict[str, Any], path: str) -> None:
    # Extensions may hold anything (1.0.3 Data 4.1), so the limit on depth is ours.
    if "extensions" in holder and _nests_beyond(holder["extensions"], EXTENSION_DEPTH_MAX):
        raise _invalid(f"{path}.extensions", f"must not nest deeper than {EXTENSION_DEPTH_MAX}", "Data 4.1")


def _nests_beyond(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_nests_beyond(child, levels - 1) for child in children)
