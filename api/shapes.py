"""Shapes: a statement as it arrived, against the shapes and then the rules of its version.

NOTHING a client sent enters a message: not values, and not the keys of extensions and language maps or the names
of unknown properties either, for messages are logged and logs outlive keys.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.formats import FORMAT_RULES
from api.schema import ACTOR, PROPERTIES, STATEMENT
from lrs.domain import statements as rules
from lrs.domain.errors import InvalidStatement

# The validators inside the adapters, whose own methods only pass options on and take 0.4 us for it (measured).
_CHECK_STATEMENT: Final[Callable[[object], object]] = STATEMENT.validator.validate_python
_CHECK_ACTOR: Final[Callable[[object], object]] = ACTOR.validator.validate_python

# pydantic's kind of error -> the rule; what stands in braces is from our own schema, never from the client.
_RULES: Final = {
    "missing": "is required",
    "extra_forbidden": "has a property that the specification does not know",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "union_tag_not_found": "must be an object with an objectType of the specification",
}

# 1.0.3 Data 2.4, one section for each property of a statement.
_SECTIONS: Final = {
    "id": "2.4.1",
    "actor": "2.4.2",
    "verb": "2.4.3",
    "object": "2.4.4",
    "result": "2.4.5",
    "context": "2.4.6",
    "timestamp": "2.4.7",
    "stored": "2.4.8",
    "authority": "2.4.9",
    "version": "2.4.10",
    "attachments": "2.4.11",
}

# Maps whose keys are the client's: no path goes further than their name.
_MAPS: Final = frozenset({"display", "description", "extensions", "name"})


def check_statement(statement: object, version: str, path: str = "") -> None:
    """Nothing, for a statement of this version ("1.0.3" or "2.0.0"); else InvalidStatement.

    ``path`` is where the statement stands in the request (``[3]``). The statement is not changed.
    """
    _check_shape(_CHECK_STATEMENT, statement, path)
    rules.check_rules(cast("dict[str, Any]", statement), version, path)


def check_statements(statements: list[object], version: str) -> None:
    """Nothing, for a batch in which every statement passes, and all together; else InvalidStatement."""
    for index, statement in enumerate(statements):
        check_statement(statement, version, f"[{index}]")
    rules.check_batch(cast("list[dict[str, Any]]", statements), version)


def check_actor(actor: object, path: str = "") -> None:
    """Nothing, for an Agent or Group as a statement may hold it: for the parameters of requests."""
    _check_shape(_CHECK_ACTOR, actor, path)
    rules.check_actor(cast("dict[str, Any]", actor), path)


def _check_shape(check: Callable[[object], object], value: object, path: str) -> None:
    try:
        check(value)
    except ValidationError as error:
        # The first one only: it is enough to mend, and the others may be without number.
        first = error.errors(include_url=False, include_input=False)[0]
    else:
        return
    # Outside of the except block, so that pydantic's error does not travel along as the context.
    raise _refusal(first, path)


def _refusal(error: ErrorDetails, path: str) -> InvalidStatement:
    steps, inside = _steps(error)
    top = next((step for step in steps if isinstance(step, str)), "")
    context = error.get("ctx", {})
    rule, section = FORMAT_RULES.get(context.get("pattern", ""), ("", ""))
    if not rule:
        rule = _RULES.get(error["type"], "has the wrong shape").format_map(context)
        section = f"1.0.3 Data {_SECTIONS.get(top, '2.2')}"
    return InvalidStatement(_path(path, steps), f"{inside}{rule}", section)


def _steps(error: ErrorDetails) -> tuple[list[int | str], str]:
    """The part of the error's place that is the specification's own, and what of it the rule is about."""
    steps: list[int | str] = []
    place = error["loc"]
    if error["type"] == "extra_forbidden":
        place = place[:-1]
    for number, step in enumerate(place, start=1):
        if isinstance(step, int) or step in PROPERTIES:
            steps.append(step)
        if step in _MAPS and number < len(place):
            return steps, "every key " if place[-1] == "[key]" else "every value "
    return steps, ""


def _path(path: str, steps: list[int | str]) -> str:
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")
