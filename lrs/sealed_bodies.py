"""The inside of a sealed body: what is left of a statement or exchange when its people are taken out.

A STORAGE FORMAT: JSON ``[body, paths, groups, version]``. ``paths`` says where the people stood, in the order of
the event's ``people``; ``groups`` which of them are Groups; ``version`` is what the statement said of itself.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from lrs.domain.agents import is_group
from lrs.domain.people import Split


@dataclass(slots=True)
class Body:
    """A body that was opened."""

    content: dict[str, Any]
    paths: list[list[str | int]]
    groups: frozenset[int]
    version: str | None

    @property
    def actor(self) -> int | None:
        """Which of the people is the actor, where that is one identified Agent or Group."""
        return 0 if self.paths and self.paths[0] == ["actor"] else None


def pack(split: Split, version: str | None) -> bytes:
    """The bytes to seal."""
    paths = [mention.path for mention in split.mentions]
    groups = [index for index, mention in enumerate(split.mentions) if is_group(mention.agent)]
    return orjson.dumps([split.body, paths, groups, version])


def unpack(data: bytes) -> Body:
    """The body again."""
    content, paths, groups, version = orjson.loads(data)
    return Body(content, paths, frozenset(groups), version)
