"""What profiles say a statement looks like: cmi5, interactions (xAPI 1.0.3 Data 2.4.4.1), video, and plain ones.

It must not know ``lrs.demo``: the benchmark's statements are made from it, and would be measured on themselves.
"""

from typing import Any

from bench import vocabulary as words
from bench.drawing import ADL, W3ID, Draws

Json = dict[str, Any]


def cmi5(draw: Draws) -> Json:
    """cmi5 9: the defined verbs, and those that are allowed besides."""
    verb, extension = draw.pick(*words.CMI5_VERBS), f"{W3ID}cmi5/context/extensions/"
    course = f"{draw.home}/{draw.pick('courses', 'course', 'xapi/activities')}/{draw.slug()}"
    extensions: Json = {extension + "sessionid": draw.uuid()}
    if verb.endswith("launched"):
        extensions[extension + "launchmode"] = draw.pick("Normal", "Normal", "Browse", "Review")
        extensions[extension + "moveon"] = draw.pick(*words.MOVE_ON)
        extensions[extension + "launchurl"] = f"{draw.home}/{draw.slug()}/index.html"
        extensions[extension + "launchparameters"] = ""
    if verb.endswith(("launched", "passed", "failed")):
        extensions[extension + "masteryscore"] = draw.rng.randint(10, 20) / 20
    judged = verb.endswith(("completed", "passed", "failed", "waived"))
    categories = [draw.reference(f"{W3ID}cmi5/context/categories/{name}") for name in ("cmi5", "moveon")]
    activities: Json = {
        "grouping": [
            draw.reference(course),
            draw.activity(draw.slug(), f"{W3ID}cmi5/activitytype/{draw.pick('course', 'block')}"),
        ],
        "category": categories if judged else categories[:1],
    }
    if draw.chance(0.3):
        activities["parent"] = [draw.activity(draw.slug(), f"{W3ID}cmi5/activitytype/block", said=0.5)]
    context: Json = {"registration": draw.uuid(), "contextActivities": activities, "extensions": extensions}
    if draw.chance(0.4):
        context |= {"platform": draw.title(), "language": draw.tag}
    if draw.chance(0.3):
        context["instructor"] = draw.agent()
    kind = draw.pick(f"{ADL}activities/lesson", f"{ADL}activities/module", f"{W3ID}cmi5/activitytype/au")
    return draw.statement(verb, draw.activity(draw.slug(), kind, said=0.6), context, _cmi5_result(draw, verb))


def _cmi5_result(draw: Draws, verb: str) -> Json:
    extension = f"{W3ID}cmi5/result/extensions/"
    name = verb.rsplit("/", 1)[1]
    if name in {"passed", "failed"}:
        return {"score": draw.score(), "success": name == "passed", "duration": draw.duration()}
    if name == "completed":
        return {"completion": True, "duration": draw.duration()}
    if name == "waived":
        reason = {extension + "reason": draw.pick(*words.REASONS)}
        return {"completion": True, "success": True, "extensions": reason}
    if name == "progressed":
        return {"extensions": {extension + "progress": draw.rng.randint(1, 100)}}
    return {"duration": draw.duration()} if name in {"terminated", "abandoned"} else {}


def interaction(draw: Draws) -> Json:
    """xAPI 1.0.3 Data 2.4.4.1: questions and how they were answered."""
    kind = draw.pick(*words.INTERACTIONS)
    definition, response = question(draw, kind)
    target = draw.activity(
        f"{draw.slug()}/{draw.pick('questions', 'question', 'quiz')}/{draw.slug()}",
        f"{ADL}activities/cmi.interaction",
        interactionType=kind,
        **definition,
    )
    result: Json = {"response": response, "success": draw.chance(0.7)}
    if draw.chance(0.4):
        result |= {"score": draw.score(), "duration": draw.duration()}
    parent = f"{ADL}activities/{draw.pick('assessment', 'lesson', 'module')}"
    activities = {"parent": [draw.activity(draw.slug(), parent, said=0.4)]}
    if draw.chance(0.6):
        activities["grouping"] = [draw.activity(draw.slug(), f"{ADL}activities/course", said=0.4)]
    context: Json = {"contextActivities": activities}
    if draw.chance(0.6):
        context = {"registration": draw.uuid(), **context}
    return draw.statement(f"{ADL}verbs/answered", target, context, result)


def question(draw: Draws, kind: str) -> tuple[Json, str]:
    """What the definition of an interaction of this type holds besides, and a response to it."""
    ids = [draw.pick(f"choice_{n}", f"{n}", draw.slug(), chr(97 + n)) for n in range(draw.rng.randint(2, 5))]
    parts = [{"id": one, "description": draw.said(draw.title())} for one in ids]
    right = {"correctResponsesPattern": [draw.pick(ids[0], "[,]".join(ids[:2]))]}
    if kind in {"choice", "sequencing"}:
        return draw.pick({**right, "choices": parts}, {"choices": parts, **right}), ids[-1]
    if kind == "likert":
        return {"scale": parts}, ids[0]
    if kind == "matching":
        pattern = {"correctResponsesPattern": ["[,]".join(f"{one}[.]{one}" for one in ids)]}
        return {**pattern, "source": parts, "target": parts}, f"{ids[0]}[.]{ids[0]}[,]{ids[1]}[.]{ids[1]}"
    if kind == "performance":
        return {"steps": parts}, f"{ids[0]}[.]{draw.digits(1)}"
    if kind == "true-false":
        return {"correctResponsesPattern": [draw.pick("true", "false")]}, draw.pick("true", "false")
    if kind == "numeric":
        return {"correctResponsesPattern": [f"{draw.digits(2)}[:]{draw.digits(2)}"]}, draw.digits(2)
    return draw.pick({}, {"correctResponsesPattern": [draw.title()]}), draw.text(2)


def video(draw: Draws) -> Json:
    """The xAPI video profile."""
    extension, verb = f"{W3ID}video/extensions/", draw.pick(*words.VIDEO_VERBS)
    length, at = draw.rng.randint(30, 3000) / 1.0, draw.rng.randint(0, 99999) / 1000
    context: Json = {"contextActivities": {"category": [draw.reference(f"{W3ID}video")]}}
    context["extensions"] = {extension + "session-id": draw.uuid(), extension + "length": length}
    if verb.endswith("initialized"):
        context["extensions"] |= {extension + name: value for name, value in words.VIDEO_SETTINGS.items()}
    if draw.chance(0.3):
        context["extensions"][extension + "completion-threshold"] = draw.pick("1.0", 1, 0.9, 0.95)
    result: Json = {"extensions": {extension + "time": at}}
    if verb.endswith("seeked"):
        result["extensions"] = {extension + "time-from": at, extension + "time-to": at * 2}
    elif not verb.endswith(("played", "interacted")):
        result["extensions"] |= {
            extension + "progress": at / 100,
            extension + "played-segments": f"0[.]{at}[,]{at}[.]{at * 2}",
        }
    if verb.endswith("completed"):
        result |= {"completion": True, "duration": draw.duration()}
    target = draw.activity(draw.slug(), f"{W3ID}video/activity-type/video")
    return draw.statement(verb, target, {"registration": draw.uuid(), "language": draw.tag, **context}, result)


def plain(draw: Draws) -> Json:
    """Pages, documents and everything else that is merely experienced."""
    verb, kind = draw.pick(*words.PLAIN_VERBS), draw.pick(*words.ACTIVITY_TYPES)
    place = draw.pick(
        draw.slug(), f"{draw.slug()}/{draw.slug()}", f"{draw.slug()}.html", f"index.php?page={draw.digits(2)}"
    )
    context: Json = {}
    if draw.chance(0.5):
        activity = draw.activity(draw.slug(), f"{ADL}activities/course", said=0.3)
        context["contextActivities"] = {draw.pick("parent", "grouping"): [activity]}
    if draw.chance(0.3):
        context |= {"platform": draw.title(), "language": draw.tag}
    if draw.chance(0.3):
        context["extensions"] = {draw.pick(*words.EXTENSIONS): draw.pick(draw.digits(), draw.home, draw.title())}
    if draw.chance(0.3):
        context = {"registration": draw.uuid(), **context}
    result: Json = {"duration": draw.duration()} if draw.chance(0.2) else {}
    if draw.chance(0.1):
        return draw.statement(f"{ADL}verbs/voided", {"objectType": "StatementRef", "id": draw.uuid()})
    statement = draw.statement(verb, draw.activity(place, kind), context, result)
    if draw.chance(0.05):
        return draw.statement(verb, draw.agent() | {"objectType": "Agent"}, context)
    if draw.chance(0.05):
        inner = {name: value for name, value in statement.items() if name != "timestamp"}
        return draw.statement(verb, {"objectType": "SubStatement", **inner}, context)
    return statement | {"attachments": [words.ATTACHMENT]} if draw.chance(0.05) else statement
