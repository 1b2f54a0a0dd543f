"""What a statement or an exchange is found by, as one row of the index.

The same whether it is just being recorded or was opened again long after: it must not know which of the two.
"""

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from lrs.domain.filters import (
    EXACT,
    EXCHANGE_OWNER,
    OBJECT,
    OTHER_ACTIVITY,
    OWNER,
    REGISTRATION,
    RELATED,
    SENDER,
    VERB,
    Term,
)
from lrs.ports import IndexRow

_MANY = (OTHER_ACTIVITY, SENDER)  # a statement may have several of these: they are rows, not columns
Blind = Callable[[str, str], int]


def statement_row(
    term: Blind,
    owners: Sequence[UUID],
    people: Sequence[tuple[UUID, bool]],
    terms: Sequence[Term],
    *,
    voids: UUID | None = None,
    refers: UUID | None = None,
    erased: Collection[UUID] = (),
    expired: Collection[UUID] = (),
) -> IndexRow:
    """The row of a statement. ``people`` are (subject, whether it answers ``agent``), in the statement's order.

    Of several owners the first has a column; those after it are found as owners, and like anybody in it. Some may
    have lost the key that opens this statement: they count no more. Who was erased is still among the terms, as in
    every row that was written before, but in no column; whose key expired is found by it like anybody in it, but
    owns it no longer.
    """
    first, *further = [owner for owner in owners if owner not in expired]
    kinds = {owner: EXACT for owner in owners if owner != first}
    for subject, exact in people:
        if subject != first and (subject not in kinds or (exact and kinds[subject] == RELATED)):
            kinds[subject] = EXACT if exact else RELATED
    found_by = [term(OWNER, owner.hex) for owner in further]
    found_by += [term(kind, subject.hex) for subject, kind in kinds.items()]
    found_by += [term(kind, value) for kind, value in terms if kind in _MANY]
    single = {kind: term(kind, value) for kind, value in terms if kind not in _MANY}
    owner = None if first in erased else term(OWNER, first.hex)
    columns = single.get(VERB), single.get(OBJECT), single.get(REGISTRATION)
    living = len(owners) - len(erased) - len(expired)
    return IndexRow(tuple(dict.fromkeys(found_by)), living, voids, owner, *columns, refers)


def exchange_row(term: Blind, owners: Sequence[UUID]) -> IndexRow:
    """The row of an exchange, which only its learner is found by."""
    return IndexRow(tuple([term(EXCHANGE_OWNER, owner.hex) for owner in owners]), 0)
