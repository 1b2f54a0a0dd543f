"""Comparison: whether two statements under one id say the same.

What the specification lets a store or a sender change is taken away first (1.0.3 Data 2.3.1); what is left must
be equal. Knows only statements whose shape was checked, and decides nothing about what a difference leads to.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from lrs.domain.instants import instant

# Assigned by the store when the sender gave none: compared only where both have one.
_ASSIGNED = ("id", "timestamp")

# Durations keep two decimals of a second in a comparison (1.0.3 Data 4.6); all else in them is text (2.3.1).
_SECONDS = re.compile(r"(\d+)(?:[.,](\d*))?S")

# The text that people read in another place than the statement: no part of it (1.0.3 Data 2.3.1).
_ATTACHMENT_IGNORED = frozenset({"display", "description"})


def same_statement(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two statements are one by the rules of 1.0.3 Data 2.3.1; symmetric, changes neither."""
    left, right = _statement(a), _statement(b)
    for name in _ASSIGNED:
        if name not in left or name not in right:
            left.pop(name, None)
            right.pop(name, None)
    return _equal(left, right)


def _equal(a: Any, b: Any) -> bool:
    """Equality of JSON: 1 is 1.0, but unlike in Python true is not 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return isinstance(a, bool) is isinstance(b, bool) and bool(a == b)


def _with(value: dict[str, Any], forms: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    return {name: forms[name](item) if name in forms else item for name, item in value.items()}


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    kept = _with(statement, _STATEMENT_FORMS)
    # Written by the store over whatever was sent (1.0.3 Data 2.3.1, 2.4.8 to 2.4.10).
    for name in ("authority", "stored", "version"):
        kept.pop(name, None)
    return kept


def _actor(actor: dict[str, Any]) -> dict[str, Any]:
    return _with(actor, _ACTOR_FORMS)


def _mbox(mbox: str) -> str:
    # The domain of an address has no case (1.0.3 Data 2.3.1); what stands before it may have.
    local, at, domain = mbox.rpartition("@")
    return local + at + domain.lower()


def _members(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Members come in no order (1.0.3 Data 2.3.1).
    return sorted(map(_actor, members), key=lambda member: json.dumps(member, sort_keys=True))


def _verb(verb: dict[str, Any]) -> Any:
    # How a verb is displayed is no part of the statement (1.0.3 Data 2.3.1).
    return verb["id"]


def _activity(activity: dict[str, Any]) -> dict[str, Any]:
    # What an activity is like is no part of the statement (1.0.3 Data 2.3.1).
    return {name: value for name, value in activity.items() if name != "definition"}


def _reference(reference: dict[str, Any]) -> dict[str, Any]:
    return _with(reference, {"id": str.lower})


def _object(value: dict[str, Any]) -> dict[str, Any]:
    return _OBJECT_FORMS[value.get("objectType", "Activity")](value)


def _context_activities(activities: dict[str, Any]) -> dict[str, Any]:
    # A single activity is returned as an array of one (1.0.3 Data 2.4.6.2).
    return {
        name: [_activity(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in activities.items()
    }


def _context_actors(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_with(entry, {"agent": _actor, "group": _actor}) for entry in entries]


def _duration(duration: str) -> str:
    return _SECONDS.sub(_two_decimals, duration)


def _two_decimals(seconds: re.Match[str]) -> str:
    fraction = (seconds[2] or "")[:2].rstrip("0")
    return f"{seconds[1]}.{fraction}S"


def _attachments(attachments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: str.lower(value) if name == "sha2" else value
            for name, value in attachment.items()
            if name not in _ATTACHMENT_IGNORED
        }
        for attachment in attachments
    ]


_ACTOR_FORMS: dict[str, Callable[[Any], Any]] = {
    "mbox": _mbox,
    "mbox_sha1sum": str.lower,
    "member": _members,
}
_CONTEXT_FORMS: dict[str, Callable[[Any], Any]] = {
    "registration": str.lower,
    "instructor": _actor,
    "team": _actor,
    "contextActivities": _context_activities,
    "contextAgents": _context_actors,
    "contextGroups": _context_actors,
    "language": str.lower,
    "statement": _reference,
}
_STATEMENT_FORMS: dict[str, Callable[[Any], Any]] = {
    "id": str.lower,
    "actor": _actor,
    "verb": _verb,
    "object": _object,
    "result": lambda result: _with(result, {"duration": _duration}),
    "context": lambda context: _with(context, _CONTEXT_FORMS),
    "timestamp": instant,
    "attachments": _attachments,
}
_OBJECT_FORMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Activity": _activity,
    "Agent": _actor,
    "Group": _actor,
    "StatementRef": _reference,
    "SubStatement": _statement,
}
