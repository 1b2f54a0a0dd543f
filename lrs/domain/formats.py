"""The formats of GET /statements: exact, ids and canonical (xAPI 1.0.3 Communication 2.1.3).

Pure functions on a whole statement; they may change the one they are given and share parts of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

# What identifies each kind of object; the rest is left out in the ids format.
_IDENTIFYING = ("objectType", "mbox", "mbox_sha1sum", "openid", "account")
_COMPONENTS = ("choices", "scale", "source", "target", "steps")


def ids(statement: dict[str, Any]) -> dict[str, Any]:
    """The least that identifies agents, activities and verbs."""
    return _mapped(statement, _bare_agent, _bare_activity, lambda verb: {"id": verb["id"]})


def canonical(statement: dict[str, Any], languages: Sequence[str]) -> dict[str, Any]:
    """One language of each language map: the best of ``languages``, the caller's order of preference."""

    def in_language(holder: dict[str, Any], *names: str) -> dict[str, Any]:
        chosen = {name: _best(holder[name], languages) for name in names if name in holder}
        return holder | chosen

    def activity(value: dict[str, Any]) -> dict[str, Any]:
        if "definition" not in value:
            return value
        definition = in_language(value["definition"], "name", "description")
        for name in _COMPONENTS:
            if name in definition:
                definition[name] = [in_language(one, "description") for one in definition[name]]
        return value | {"definition": definition}

    made = _mapped(statement, lambda agent: agent, activity, lambda verb: in_language(verb, "display"))
    if "attachments" in made:
        made["attachments"] = [in_language(one, "display", "description") for one in made["attachments"]]
    return made


def _best(language_map: dict[str, str], languages: Sequence[str]) -> dict[str, str]:
    """One entry: an exact match, else one of the same primary language, else the first there is."""
    by_tag = {tag.lower(): tag for tag in reversed(language_map)}
    primary = {tag.lower().partition("-")[0]: tag for tag in reversed(language_map)}
    for wanted in languages:
        tag = by_tag.get(wanted.lower()) or primary.get(wanted.lower().partition("-")[0])
        if tag is not None:
            return {tag: language_map[tag]}
    return dict(list(language_map.items())[:1])


def _bare_agent(agent: dict[str, Any]) -> dict[str, Any]:
    bare = {name: agent[name] for name in _IDENTIFYING if name in agent}
    is_anonymous = len(bare) == ("objectType" in bare)
    if is_anonymous and "member" in agent:
        bare["member"] = [_bare_agent(member) for member in agent["member"]]
    return bare


def _bare_activity(activity: dict[str, Any]) -> dict[str, Any]:
    return {"id": activity["id"]}  # without an objectType it is an Activity (Data 2.4.4)


Map = Callable[[dict[str, Any]], dict[str, Any]]


def _mapped(statement: dict[str, Any], agent: Map, activity: Map, verb: Map) -> dict[str, Any]:
    """The statement with every agent, activity and verb mapped."""
    made = dict(statement)
    made["actor"] = agent(made["actor"])
    made["verb"] = verb(made["verb"])
    made["object"] = _mapped_object(made["object"], agent, activity, verb)
    if "authority" in made:
        made["authority"] = agent(made["authority"])
    if "context" in made:
        made["context"] = _mapped_context(dict(made["context"]), agent, activity)
    return made


def _mapped_object(value: dict[str, Any], agent: Map, activity: Map, verb: Map) -> dict[str, Any]:
    kind = value.get("objectType", "Activity")
    if kind == "Activity":
        return activity(value)
    if kind in {"Agent", "Group"}:
        return agent(value)
    return _mapped(value, agent, activity, verb) if kind == "SubStatement" else value


def _mapped_context(context: dict[str, Any], agent: Map, activity: Map) -> dict[str, Any]:
    for name in ("instructor", "team"):
        if name in context:
            context[name] = agent(context[name])
    for name, part in (("contextAgents", "agent"), ("contextGroups", "group")):
        if name in context:
            context[name] = [one | {part: agent(one[part])} for one in context[name]]
    if "contextActivities" in context:
        context["contextActivities"] = {
            kind: [activity(one) for one in (listed if isinstance(listed, list) else [listed])]
            for kind, listed in context["contextActivities"].items()
        }
    return context
