"""What is about to be recorded: a statement or an exchange, taken apart but not yet sealed.

Pure: it must not know the vault or the store. Content was checked at the edge.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from lrs.domain.agents import is_placeholder
from lrs.domain.filters import terms_of
from lrs.domain.people import Split, split
from lrs.domain.sealing import Category
from lrs.domain.statements import referred_target, voided_target
from lrs.ports import Kept

# Exchange ids that callers choose live in a name space of their own: they never meet statement ids.
EXCHANGE_NAMESPACE = UUID("7d0c1b8e-5c0f-5c53-9d6b-0a8f5a6b2a41")


class Attached(NamedTuple):
    """A blob that was kept for a statement, and what the attachment says of it."""

    kept: Kept
    sha2: str
    content_type: str
    length: int
    signs: bool  # a signature, which names everybody in the statement


class Draft(NamedTuple):
    """One record to be made. ``owners`` are indexes into the mentions of ``parts``; none: the tenant's."""

    id: UUID
    category: Category
    parts: Split
    terms: tuple[tuple[str, str], ...]
    authority: UUID
    version: str
    said_version: str | None = None
    voids: UUID | None = None
    refers: UUID | None = None
    attachments: tuple[Attached, ...] = ()

    @property
    def is_statement(self) -> bool:
        """A statement, not an exchange."""
        return self.category is Category.LEARNING


def statement_draft(
    statement: dict[str, Any], statement_id: UUID, *, version: str, authority: UUID, public_url: str
) -> Draft:
    """The draft of a checked statement. ``version`` is the protocol's: 1.0.3 or 2.0.0."""
    parts = split(statement, is_known_placeholder=lambda agent: is_placeholder(agent, public_url))
    return Draft(
        id=statement_id,
        category=Category.LEARNING,
        parts=parts,
        terms=terms_of(statement),
        authority=authority,
        version=version,
        said_version=statement.get("version"),
        voids=voided_target(statement),
        refers=referred_target(statement),
    )


def exchange_draft(
    exchange: Mapping[str, Any], caller_id: str, stream: UUID, *, authority: UUID, public_url: str
) -> Draft:
    """The draft of a checked exchange: its learner is taken out, all the rest is the body."""
    whole = {**exchange, "exchange_id": caller_id, "object": {}}
    parts = split(whole, is_known_placeholder=lambda agent: is_placeholder(agent, public_url))
    return Draft(
        id=stream, category=Category.EXCHANGE, parts=parts, terms=(), authority=authority, version="1.0.3"
    )


def exchange_stream(caller_id: str) -> UUID:
    """The stream of an exchange that the caller named."""
    return uuid5(EXCHANGE_NAMESPACE, caller_id)
