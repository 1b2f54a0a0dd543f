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

    Of several owners some may have lost the key that opens this statement: they count no more. Who was erased is
    still among the terms, as in every row that was written before; whose key expired is found by it like anybody
    in it, but owns it no longer.
    """
    kinds = {owner: EXACT if owner in expired else OWNER for owner in owners}
    for subject, exact in people:
        if subject not in kinds or (exact and kinds[subject] == RELATED):
            kinds[subject] = EXACT if exact else RELATED
    found_by = [term(kind, subject.hex) for subject, kind in kinds.items()]
    found_by += [term(kind, value) for kind, value in terms if kind in _MANY]
    single = {kind: term(kind, value) for kind, value in terms if kind not in _MANY}
    columns = single.get(VERB), single.get(OBJECT), single.get(REGISTRATION)
    living = len(owners) - len(erased) - len(expired)
    return IndexRow(tuple(dict.fromkeys(found_by)), living, voids, *columns, refers)


def exchange_row(term: Blind, owners: Sequence[UUID]) -> IndexRow:
    """The row of an exchange, which only its learner is found by."""
    return IndexRow(tuple([term(EXCHANGE_OWNER, owner.hex) for owner in owners]), 0)
