"""Who may do what: the scopes of a credential. xAPI 1.0.3 Communication 4.2 names the first group.

``all`` is everything of its own tenant. Nothing here reaches across tenants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from lrs.domain.errors import Forbidden, InvalidRequest


class Scope(StrEnum):
    """What a credential may be granted."""

    STATEMENTS_WRITE = "statements/write"
    STATEMENTS_READ_MINE = "statements/read/mine"
    STATEMENTS_READ = "statements/read"
    STATE = "state"
    PROFILE = "profile"
    DEFINE = "define"
    ALL_READ = "all/read"
    ALL = "all"
    REPORTS = "reports"
    DSAR = "dsar"
    LLM = "llm"
    ADMIN = "admin"


# Each scope and those that carry it with them.
_CARRIED_BY: Mapping[Scope, frozenset[Scope]] = {
    Scope.STATEMENTS_READ_MINE: frozenset({Scope.STATEMENTS_READ, Scope.ALL_READ}),
    Scope.STATEMENTS_READ: frozenset({Scope.ALL_READ}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated credential: its id, its tenant and its scopes."""

    credential: UUID
    tenant: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the scopes reach this far."""
        reach = {scope, Scope.ALL} | _CARRIED_BY.get(scope, frozenset())
        return bool(reach & self.scopes)

    @property
    def sees_only_own(self) -> bool:
        """Whether it may read what it sent and nothing else of the statements."""
        return _sees_only_own(self.scopes)

    def need(self, scope: Scope) -> None:
        """Nothing, or Forbidden."""
        if not self.may(scope):
            raise Forbidden(f"this credential lacks the scope {scope}")


@lru_cache(maxsize=256)
def _sees_only_own(scopes: frozenset[Scope]) -> bool:
    """Asked for every request that stores statements, of a few sets of scopes."""
    caller = Caller(UUID(int=0), "", scopes)
    return caller.may(Scope.STATEMENTS_READ_MINE) and not caller.may(Scope.STATEMENTS_READ)


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names; InvalidRequest lists what there is when one is unknown."""
    try:
        return frozenset(Scope(name) for name in names)
    except ValueError:
        known = ", ".join(scope.value for scope in Scope)
        raise InvalidRequest(f"unknown scope; known are: {known}") from None
