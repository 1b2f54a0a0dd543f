"""The people in a statement: taken out when it is written, put back when it is read.

This file must not know subjects, keys or how anything is sealed. It knows only the places where the
specification lets an Agent or a Group stand (xAPI 1.0.3 Data 2.4; 2.0 adds contextAgents and contextGroups),
and looks nowhere else: extensions may hold anything, also objects that look like an Agent.

THE PATHS AND THE SHAPE OF A SPLIT BODY ARE A STORAGE FORMAT: they are sealed with every statement.

    place                                             answers the filter    owns the body
    actor, and members of a Group there               agent                 the actor; of an unidentified
                                                                            Group its identified members
    object, and members of a Group there              agent                 no
    instructor, team, contextAgents, contextGroups,   related_agents only   no
    and members of a Group there
    any of these in a SubStatement                    related_agents only   no
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lrs.domain.agents import Identifier, identifier_of, is_group

Path = tuple[str | int, ...]

# Put in when reading: the row or the credential says them, so the sealed body does not repeat them.
_SAID_ELSEWHERE = ("id", "stored", "version", "authority")


class Mention(NamedTuple):
    """One identified Agent or Group, and where it stood."""

    path: Path
    agent: dict[str, Any]  # as sent; a Group holds None where an identified member stood. Never change it.
    identifier: Identifier
    exact: bool  # answers the `agent` filter; otherwise `related_agents` only

    @property
    def group(self) -> bool:
        return is_group(self.agent)


class Split(NamedTuple):
    """A statement without its people."""

    body: dict[str, Any]  # None at every mention's place; shares with the statement whatever is unchanged
    mentions: tuple[Mention, ...]  # the actor's first; a Group before its members
    owners: tuple[int, ...]  # indexes into mentions: whose learning key seals the body


def owners_among(paths: Sequence[Sequence[str | int]]) -> tuple[int, ...]:
    """Which of the people at these places own the body: the actor, or an unidentified Group's members there."""
    if paths and tuple(paths[0]) == ("actor",):
        return (0,)
    return tuple([index for index, path in enumerate(paths) if path[0] == "actor"])


def is_exact(path: Sequence[str | int]) -> bool:
    """Whether who stands there answers the filter ``agent``: actor, object, or a member of a Group there."""
    return path[0] == "actor" or (path[0] == "object" and (len(path) == 1 or path[1] == "member"))


def split(
    statement: Mapping[str, Any], *, is_known_placeholder: Callable[[Mapping[str, Any]], bool] | None = None
) -> Split:
    """The statement without its identified Agents and Groups, and these by themselves.

    id, stored, version and authority are left out of the body. Placeholders stay in it. Without an identified
    actor `owners` may be empty: then the body belongs to no person. The statement is not changed.
    """
    taking = _Taking(is_known_placeholder)
    body = dict(statement)
    for name in _SAID_ELSEWHERE:
        body.pop(name, None)
    taking.out_of_statement(body, (), exact=True)
    mentions = tuple(taking.mentions)
    return Split(body, mentions, owners_among([mention.path for mention in mentions]))


def join(
    body: dict[str, Any], placed: Iterable[tuple[Sequence[str | int], Mapping[str, Any] | None]]
) -> dict[str, Any]:
    """The body with people at their places: the inverse of `split`. Changes and returns the given body.

    `placed` is in the order of the mentions, a Group before its members; paths may be lists, as JSON returns
    them. What is placed is not changed. Below a Group that came as a placeholder (it has no members) nothing
    is placed; a None is not placed either, and its place stays None.
    """
    for path, agent in placed:
        parent = _parent_of(body, path)
        if parent is not None and agent is not None:
            parent[path[-1]] = _with_own_members(agent)
    return body


def _parent_of(body: dict[str, Any], path: Sequence[str | int]) -> Any:
    """The object or array that holds the path's last step, or None where a Group came without members."""
    parent: Any = body
    for step in path[:-1]:
        if parent is None:
            return None
        parent = parent.get(step) if isinstance(step, str) else parent[step]
    return parent


def _with_own_members(agent: Mapping[str, Any]) -> Mapping[str, Any]:
    # The object placed may come out of a cache, and members are going to be written into its list.
    members = agent.get("member")
    if not members:
        return agent
    return {**agent, "member": [member and _with_own_members(member) for member in members]}


class _Taking:
    """Takes people out of containers of its own; what it was sent stays as it is.

    Containers are copied on the way down to a person and only there: a statement costs about as many copies
    as it has places with people in them.
    """

    __slots__ = ("_is_placeholder", "mentions")

    def __init__(self, is_placeholder: Callable[[Mapping[str, Any]], bool] | None) -> None:
        self._is_placeholder = is_placeholder
        self.mentions: list[Mention] = []

    def out_of_statement(self, body: dict[str, Any], path: Path, *, exact: bool) -> None:
        """Empties a Statement or SubStatement in place, the actor first. The body must be a copy."""
        body["actor"] = self._agent(body["actor"], (*path, "actor"), exact)
        target = body["object"]
        kind = target.get("objectType")
        if kind == "Agent" or kind == "Group":
            body["object"] = self._agent(target, (*path, "object"), exact)
        elif kind == "SubStatement":
            body["object"] = inner = dict(target)
            self.out_of_statement(inner, (*path, "object"), exact=False)
        if "context" in body:
            body["context"] = self._context(body["context"], path)

    def _context(self, context: dict[str, Any], path: Path) -> dict[str, Any]:
        context = dict(context)
        for name in ("instructor", "team"):
            if name in context:
                context[name] = self._agent(context[name], (*path, "context", name), False)
        for name, part in (("contextAgents", "agent"), ("contextGroups", "group")):
            if name in context:
                context[name] = self._wrapped(context[name], part, (*path, "context", name))
        return context

    def _wrapped(self, wrappers: list[dict[str, Any]], part: str, path: Path) -> list[dict[str, Any]]:
        # xAPI 2.0 wraps these people together with the roles they had.
        return [
            {**wrapper, part: self._agent(wrapper[part], (*path, index, part), False)}
            for index, wrapper in enumerate(wrappers)
        ]

    def _agent(self, agent: dict[str, Any], path: Path, exact: bool) -> dict[str, Any] | None:
        """What stays at the place: None for whoever was taken out."""
        known = self._is_placeholder is not None and self._is_placeholder(agent)
        identifier = None if known else identifier_of(agent)
        place = len(self.mentions)
        if agent.get("member"):
            agent = self._group(agent, path, exact)
        if identifier is None:
            return agent
        # Before its members, which are here already: join puts the parent in first.
        self.mentions.insert(place, Mention(path, agent, identifier, exact))
        return None

    def _group(self, group: dict[str, Any], path: Path, exact: bool) -> dict[str, Any]:
        # A member that is a Group is against the rules (2.4.2.2); it is searched all the same, so that nobody
        # slips through.
        members = [
            self._agent(member, (*path, "member", index), exact) for index, member in enumerate(group["member"])
        ]
        return {**group, "member": members}
