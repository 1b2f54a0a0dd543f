"""Scopes: the table of who may do what."""

from uuid import uuid4

import pytest

from lrs.domain.access import Caller, Scope, parse_scopes
from lrs.domain.errors import Forbidden, InvalidRequest


def _caller(*scopes: Scope) -> Caller:
    return Caller(uuid4(), "acme", frozenset(scopes))


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_carries_itself_and_all_carries_everything(scope: Scope) -> None:
    assert _caller(scope).may(scope)
    assert _caller(Scope.ALL).may(scope)
    assert not _caller().may(scope)


@pytest.mark.parametrize(
    ("held", "wanted", "allowed"),
    [
        (Scope.STATEMENTS_READ, Scope.STATEMENTS_READ_MINE, True),
        (Scope.ALL_READ, Scope.STATEMENTS_READ_MINE, True),
        (Scope.ALL_READ, Scope.STATEMENTS_READ, True),
        (Scope.STATEMENTS_READ_MINE, Scope.STATEMENTS_READ, False),
        (Scope.STATEMENTS_WRITE, Scope.STATEMENTS_READ_MINE, False),
        (Scope.ALL_READ, Scope.STATEMENTS_WRITE, False),
        (Scope.REPORTS, Scope.DSAR, False),
    ],
)
def test_a_scope_reaches_only_as_far_as_the_table(held: Scope, wanted: Scope, allowed: bool) -> None:
    assert _caller(held).may(wanted) is allowed
    if not allowed:
        with pytest.raises(Forbidden, match=wanted.value):
            _caller(held).need(wanted)
    else:
        _caller(held).need(wanted)


def test_unknown_scopes_are_refused_without_repeating_them() -> None:
    assert parse_scopes(["all", "llm"]) == {Scope.ALL, Scope.LLM}
    with pytest.raises(InvalidRequest) as refused:
        parse_scopes(["canary"])
    assert "canary" not in str(refused.value)
    assert "statements/read/mine" in str(refused.value)
