"""A correction: what a person is called from now on, laid over what was recorded when it is read.

Pure. It must not know how it is sealed or found. THE PACKED FORM IS A STORAGE FORMAT: JSON ``{"name", "to"}``,
each only where it is corrected, ``to`` holding exactly the new identifier's property."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from lrs.domain.agents import Identifier, identifier_of
from lrs.domain.errors import InvalidRequest

_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
NAME_CHARACTERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Correction:
    """A name, an identifier (a mapping with its one property), or both."""

    name: str | None = None
    to: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, name: str | None, to: Mapping[str, Any] | None) -> Self:
        """From what was asked; an Agent to become may bring the name along. InvalidRequest."""
        if name is None and to is not None:
            name = to.get("name")
        kept = None if to is None else {kind: to[kind] for kind in _IDENTIFIERS if kind in to}
        if name is None and not kept:
            raise InvalidRequest("a correction has a name, an agent to become, or both")
        if name is not None and not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise InvalidRequest(f"name: must have 1 to {NAME_CHARACTERS_MAX} characters")
        if to is not None and not kept:
            raise InvalidRequest("to: must carry an inverse functional identifier")
        return cls(name, kept)

    @property
    def identifier(self) -> Identifier | None:
        """The new identifier, if there is one."""
        return None if self.to is None else identifier_of(self.to)

    @property
    def parts(self) -> list[str]:
        """What of a person it corrects."""
        return [part for part, value in (("name", self.name), ("identifier", self.to)) if value is not None]

    def after(self, before: "Correction | None") -> "Correction":
        """This one on top of the one in force."""
        if before is None:
            return self
        return Correction(self.name or before.name, self.to or before.to)

    def over(self, agent: Mapping[str, Any]) -> dict[str, Any]:
        """An Agent or Group as it is to be shown; what was recorded is not changed."""
        shown = dict(agent)
        if self.name is not None:
            shown["name"] = self.name
        if self.to is not None:
            for kind in _IDENTIFIERS:
                shown.pop(kind, None)
            shown |= self.to
        return shown

    def pack(self) -> bytes:
        """The bytes to seal."""
        said = {"name": self.name, "to": self.to}
        return json.dumps({name: value for name, value in said.items() if value is not None}).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The correction again."""
        said = json.loads(data)
        return cls(said.get("name"), said.get("to"))
