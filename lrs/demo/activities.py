"""The course of the demonstration as xAPI activities with their definitions.

Every call builds a new object, so that what a caller does to one statement never shows in another.
"""

from typing import Any, Final

from lrs.demo.course import BLOCKS, COURSE_ID, COURSE_TITLE, PUBLISHER, Question, Unit

Json = dict[str, Any]

ACTIVITY_TYPE: Final = "https://w3id.org/xapi/cmi5/activitytype/"


def course_activity() -> Json:
    return _activity(COURSE_ID, COURSE_TITLE, ACTIVITY_TYPE + "course")


def block_activity(block: str) -> Json:
    return _activity(f"{COURSE_ID}/blocks/{block}", BLOCKS[block], ACTIVITY_TYPE + "block")


def unit_activity(unit: Unit) -> Json:
    activity = _activity(unit.id, unit.title, "http://adlnet.gov/expapi/activities/lesson")
    activity["definition"]["description"] = {"en": unit.description}
    return activity


def question_activity(unit: Unit, question: Question) -> Json:
    """A cmi.interaction of type choice, or long-fill-in where the answer is free text."""
    kind = "http://adlnet.gov/expapi/activities/cmi.interaction"
    activity = _activity(f"{unit.id}/questions/{question.slug}", question.prompt, kind)
    definition = activity["definition"]
    definition["interactionType"] = "choice" if question.choices else "long-fill-in"
    if question.choices:
        definition["correctResponsesPattern"] = [question.choices[0][0]]
        definition["choices"] = [{"id": key, "description": {"en": text}} for key, text in question.choices]
    return activity


def publisher_activity(path: str) -> Json:
    """The id from the course structure, by which the launching system groups (9.6.2.3)."""
    return {"objectType": "Activity", "id": f"{PUBLISHER}/{path}"}


def _activity(activity_id: str, name: str, kind: str) -> Json:
    return {"objectType": "Activity", "id": activity_id, "definition": {"name": {"en": name}, "type": kind}}
