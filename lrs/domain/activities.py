"""Activities: the canonical definition of one, folded from what statements said of it (1.0.3 Communication 2.5).

Pure. Where in a statement an Activity may stand is known here, and how what several statements said becomes one:

- of a language, an extension or any other single value the latest word counts;
- the languages and the extensions of all statements are gathered;
- what belongs to an interaction belongs together: another interactionType begins anew, and of a list of components
  the latest counts, with the languages that earlier ones gave the same component.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_GATHERED: Final = ("name", "description", "extensions")
_COMPONENTS: Final = ("choices", "scale", "source", "target", "steps")
_INTERACTION: Final = ("interactionType", "correctResponsesPattern", *_COMPONENTS)


def definitions_in(statement: Mapping[str, Any], activity: str) -> Iterator[Mapping[str, Any]]:
    """Every definition of the activity in a statement; people may have been taken out of it."""
    target = statement["object"] or {}
    context = statement.get("context", {})
    for listed in context.get("contextActivities", {}).values():
        # A single one may be sent bare (1.0.3 Data 2.4.6.2).
        yield from _defined(listed if isinstance(listed, list) else [listed], activity)
    if target.get("objectType") == "SubStatement":
        yield from definitions_in(target, activity)
    else:
        yield from _defined([target], activity)


def _defined(activities: Iterable[Mapping[str, Any]], wanted: str) -> Iterator[Mapping[str, Any]]:
    for one in activities:
        if one.get("id") == wanted and one.get("objectType", "Activity") == "Activity" and one.get("definition"):
            yield one["definition"]


def activity_of(activity: str, definitions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The Activity with its canonical definition, from definitions with the latest last; one of which nothing is
    known has none. Changes none of them."""
    made: dict[str, Any] = {}
    for definition in definitions:
        made = _folded(made, definition)
    return {"objectType": "Activity", "id": activity} | ({"definition": made} if made else {})


def _folded(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(earlier)
    if later.get("interactionType", earlier.get("interactionType")) != earlier.get("interactionType"):
        made = {name: value for name, value in made.items() if name not in _INTERACTION}
    for name, value in later.items():
        if name in _GATHERED:
            made[name] = {**made.get(name, {}), **value}
        elif name in _COMPONENTS:
            made[name] = _described(made.get(name, ()), value)
        else:
            made[name] = value
    return made


def _described(
    earlier: Iterable[Mapping[str, Any]], later: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    known = {one["id"]: one.get("description", {}) for one in earlier}
    described = []
    for one in later:
        texts = {**known.get(one["id"], {}), **one.get("description", {})}
        described.append({**one, "description": texts} if texts else one)
    return described
