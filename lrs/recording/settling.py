"""The same id twice: is it the same record (fine, stored once) or another one (a conflict)?

Compared is what can still be opened, as it was sent: also of people who may not be read now, for nobody is told
more than whether it is what he sends. An erased person in the stored record is no conflict; a record whose body is
erased keeps its id reserved: sending it again is acknowledged and stores nothing.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from lrs.domain.comparison import same_statement
from lrs.domain.events import StatementRecorded
from lrs.domain.people import join
from lrs.opening import AgentRef, Opened, Opener, check_not_corrupt
from lrs.ports import Recorded, TenantStore
from lrs.recording.drafts import Draft


class Settler:
    """Decides about drafts whose ids are taken."""

    def __init__(self, opener: Opener, store: TenantStore) -> None:
        self._opener = opener
        self._store = store

    def same_in_memory(self, first: Draft, second: Draft) -> bool:
        """Whether two drafts of one group are the same record."""
        if first.is_statement != second.is_statement:
            return False
        agents = [mention.agent for mention in first.parts.mentions], [m.agent for m in second.parts.mentions]
        return _same(_whole(first, agents[0]), _whole(second, agents[1]), statement=first.is_statement)

    def same_as_stored(self, draft: Draft, recorded: Recorded) -> bool:
        """Whether the draft is what is stored under its id, as far as that can be opened."""
        opened = self._opener.bodies(self._store, [recorded], inside=True)
        check_not_corrupt(opened)
        if not opened or draft.is_statement != isinstance(opened[0].event, StatementRecorded):
            return False
        if opened[0].body is None:
            return True
        agents = self._opener.agents_as_sent(self._store, opened[0].event.people)
        return self._compare(draft, opened[0], agents)

    def _compare(self, draft: Draft, stored: Opened, agents: Mapping[AgentRef, dict[str, Any] | None]) -> bool:
        assert stored.body is not None
        paths = [list(mention.path) for mention in draft.parts.mentions]
        unreadable = {
            tuple(path)
            for path, ref in zip(stored.body.paths, stored.event.people, strict=True)
            if not agents[ref]
        }
        placed = [
            self._opener.placeholder(group=mention.group) if tuple(path) in unreadable else mention.agent
            for path, mention in zip(paths, draft.parts.mentions, strict=True)
        ]
        is_statement = draft.is_statement
        return _same(_whole(draft, placed), self._opener.rejoin(stored, agents), statement=is_statement)


def _whole(draft: Draft, agents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    paths = [mention.path for mention in draft.parts.mentions]
    return join(copy.deepcopy(draft.parts.body), list(zip(paths, agents, strict=True)))


def _same(first: dict[str, Any], second: dict[str, Any], *, statement: bool) -> bool:
    return same_statement(first, second) if statement else first == second
