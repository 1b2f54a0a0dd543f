"""What products are known to send: H5P, Moodle's logstore, SCORM Cloud and wrappers of SCORM packages.

It must not know ``lrs.demo``: the benchmark's statements are made from it, and would be measured on themselves.
"""

from typing import Any

from bench import vocabulary as words
from bench.drawing import ADL, TINCAN, W3ID, Draws
from bench.profiles import question

Json = dict[str, Any]


def h5p(draw: Draws) -> Json:
    """What H5P's content types send."""
    library = f"http://h5p.org/libraries/H5P.{draw.pick(*words.H5P)}-1.{draw.digits(1)}"
    kind = draw.pick("choice", "choice", "fill-in", "true-false", "matching", "compound", "other")
    definition, response = question(draw, kind)
    extensions: Json = {"http://h5p.org/x-api/h5p-local-content-id": int(draw.digits(3))}
    if draw.chance(0.5):
        extensions["http://h5p.org/x-api/h5p-subContentId"] = draw.uuid()
    place = draw.pick(
        f"wp-admin/admin-ajax.php?action=h5p_embed&id={draw.digits(2)}",
        f"mod/hvp/view.php?id={draw.digits(4)}",
        f"h5p/{draw.digits(3)}?subContentId={draw.uuid()}",
    )
    body = {
        "extensions": extensions,
        "name": draw.said(draw.title()),
        "description": draw.said(draw.sentence() + "\n"),
        "type": f"{ADL}activities/cmi.interaction",
        "interactionType": kind,
        **definition,
    }
    target = {"id": f"{draw.home}/{place}", "objectType": "Activity", "definition": body}
    activities: Json = {"category": [{"id": library, "objectType": "Activity"}]}
    if draw.chance(0.5):
        parent = {"id": f"{draw.home}/h5p/{draw.digits(3)}", "objectType": "Activity"}
        activities = {"parent": [parent], **activities}
    verb = draw.pick("answered", "answered", "completed", "attempted", "interacted", "progressed", "consumed")
    result = {
        "score": {
            "min": 0,
            "max": int(draw.digits(1)),
            "raw": int(draw.digits(1)),
            "scaled": draw.rng.randint(0, 100) / 100,
        },
        "completion": True,
        "success": draw.chance(0.6),
        "duration": f"PT{draw.rng.randint(1, 90000) / 100}S",
        "response": response,
    }
    return draw.statement(f"{ADL}verbs/{verb}", target, {"contextActivities": activities}, result)


def moodle(draw: Draws) -> Json:
    """What the logstore plugin of Moodle sends."""
    event, verb, module = draw.pick(*words.MOODLE_EVENTS)
    info = {
        "http://moodle.org": f"4.{draw.digits(1)}.{draw.digits(1)}",
        "https://github.com/xAPI-vle/moodle-logstore_xapi": f"v4.{draw.digits(1)}.0",
        "event_name": event,
        "event_function": "\\src\\transformer\\events" + event.replace("\\event\\", "\\"),
    }
    site = {
        "id": draw.home,
        "definition": {"name": draw.said(draw.title()), "type": f"{TINCAN}activitytype/lms"},
        "objectType": "Activity",
    }
    course: Json = {
        "id": f"{draw.home}/course/view.php?id={draw.digits(3)}",
        "definition": {
            "name": draw.said(draw.title()),
            "type": draw.pick(f"{W3ID}cmi5/activitytype/course", f"{TINCAN}activitytype/lms/course"),
            "extensions": {
                f"{W3ID}learning-management-system/short-id": draw.slug(),
                f"{W3ID}learning-management-system/external-id": draw.digits(),
            },
        },
        "objectType": "Activity",
    }
    if draw.chance(0.5):
        del course["definition"]["extensions"]
    place, kind = words.MOODLE_MODULES[module]
    target = {
        "id": f"{draw.home}/{place}?id={draw.digits(4)}",
        "definition": {"name": draw.said(draw.title()), "type": kind},
        "objectType": "Activity",
    }
    context = {
        "platform": "Moodle",
        "language": draw.tag,
        "extensions": {"http://lrs.learninglocker.net/define/extensions/info": info},
        "contextActivities": {"category": [site], "grouping": [site, course] if draw.chance(0.5) else [course]},
    }
    if draw.chance(0.5):
        context = {
            "language": draw.tag,
            "contextActivities": {"category": [site], "parent": [course]},
            "extensions": context["extensions"],
        }
    judged = verb.endswith(("scored", "completed", "submitted"))
    return draw.statement(verb, target, context, {"score": draw.score(), "completion": True} if judged else None)


def scorm(draw: Draws) -> Json:
    """The SCORM profile, and what SCORM Cloud and wrappers of packages send."""
    verb = draw.pick(*words.SCORM_VERBS)
    kind = f"{ADL}activities/{draw.pick('course', 'course', 'lesson', 'module', 'objective', 'attempt', 'file')}"
    activities: Json = {
        "grouping": [draw.activity(draw.slug(), f"{ADL}activities/{draw.pick('course', 'attempt')}", said=0.3)]
    }
    if draw.chance(0.5):
        activities["category"] = [draw.reference(f"{W3ID}scorm")]
    if draw.chance(0.4):
        source = {
            "id": f"{TINCAN}activity/software/rustici-scorm-engine",
            "definition": {"type": f"{TINCAN}activitytype/source"},
        }
        activities["category"] = [source]
    context: Json = {"registration": draw.uuid(), "contextActivities": activities}
    if draw.chance(0.3):
        context["revision"], context["platform"] = f"{draw.digits(1)}.0", draw.title()
    result: Json = {"completion": draw.chance(0.7), "duration": draw.duration()}
    if draw.chance(0.5):
        result = {"score": draw.score(), "success": draw.chance(0.7), **result}
    return draw.statement(verb, draw.activity(draw.slug(), kind), context, result)
