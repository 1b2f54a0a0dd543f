"""What a statement is made of (1.0.3 Data 2.2 to 2.4 and 4; 2.0 4.2)."""

from typing import Any

import httpx2

from tests.journey.requirements.rows import (
    ADA,
    ATTACHMENT,
    BO,
    CREW,
    DROP,
    FULL,
    NESTED,
    ONE,
    PLAIN,
    REFERRING,
    SHA1,
    TEAM,
    TWO,
    Json,
    accepted,
    changed,
    places,
    post,
    refused,
    right,
    right_agents,
    right_groups,
    row,
    without,
    wrong,
    wrong_agents,
    wrong_groups,
)  # fmt: skip

MBOX = {"mbox": "mailto:cy@example.org"}
HASH = {"mbox_sha1sum": SHA1}
OPENID = {"openid": "https://openid.example.org/cy"}
ACCOUNT = {"account": {"homePage": "https://lms.example.org", "name": "cy"}}
IDENTIFIERS = (MBOX, HASH, OPENID, ACCOUNT)
TWO_IDENTIFIERS = tuple(a | b for a in IDENTIFIERS for b in IDENTIFIERS if a != b)
NOT_STRINGS: tuple[Any, ...] = (1, True, {"a": "b"}, ["a"])
NOT_OBJECTS: tuple[Any, ...] = ("text", 1, True, ["text"])
NO_IRIS = ("", "example.org/no-scheme", "no scheme", "https://example.org/a b", "https://exa<mple.org")
NO_UUIDS = (
    "", "16fd2706", "16fd2706-8baf-433b-82eb-8c7fada847d", "16fd2706-8baf-433b-82eb-8c7fada847daa",
    "16fd27068baf433b82eb8c7fada847da", "{16fd2706-8baf-433b-82eb-8c7fada847da}", "g6fd2706-8baf-433b-82eb-8c7fada847da",
)  # fmt: skip
LANGUAGE_MAPS = (
    "verb.display", "object.definition.name", "object.definition.description",
    "object.definition.choices.0.description", "attachments.0.display", "attachments.0.description",
)  # fmt: skip
EXTENSIONS = ("object.definition.extensions", "result.extensions", "context.extensions")


def values(*any_: Any) -> tuple[Any, ...]:
    """Values of many types."""
    return any_


def interaction(kind: str, **lists: object) -> Json:
    """A statement about an interaction of a kind."""
    return PLAIN | {"object": {"id": "https://example.org/q", "definition": {"interactionType": kind, **lists}}}


def context(**parts: object) -> Json:
    """A statement with a context of these parts."""
    return PLAIN | {"context": parts}


def _has_own_id(answer: httpx2.Response) -> None:
    text = answer.json()[0]
    assert len(text) == 36
    assert text[14] == "4"  # an old client refuses other versions


def _is_nothing(answer: httpx2.Response) -> None:
    assert answer.json() == []


PART = [{"id": "a", "description": {"en": "A"}}, {"id": "b"}]

FORMATTING = [
    row("XAPI-00001", "null stands in extensions only",
        *refused(*(changed(FULL, place, None) for place in places(FULL)))),
    row("XAPI-00003", "a statement has an actor", *without("actor"), *without("object.actor", of=NESTED)),
    row("XAPI-00004", "a statement has a verb", *without("verb"), *without("object.verb", of=NESTED)),
    row("XAPI-00005", "a statement has an object", *without("object"), *without("object.object", of=NESTED)),
    row("XAPI-00006", "a number, a boolean or an object is not written as a string, nor a string as one of them",
        *wrong("result.score.raw", "5", True, [5], {}), *wrong("result.score.scaled", "0.5"),
        *wrong("result.success", "true", 1, 0), *wrong("result.completion", "false", 0),
        *wrong("result.response", *NOT_STRINGS), *wrong("attachments.0.length", "27", 27.5, True),
        *wrong("actor", *NOT_OBJECTS), *wrong("verb", *NOT_OBJECTS), *wrong("object", *NOT_OBJECTS),
        *wrong("result", *NOT_OBJECTS), *wrong("context", *NOT_OBJECTS), *wrong("context.contextActivities", *NOT_OBJECTS),
        *wrong("result.score", *NOT_OBJECTS), *wrong("object.definition", *NOT_OBJECTS),
        *wrong("attachments", {}, "text", 1), *wrong("context.team.member", {}, "text"), *wrong("version", 1.0),
        *wrong("timestamp", 0), *refused("text", 1, True, [1], [[]], ["text"], {})),
    row("XAPI-00007", "what has a format keeps it, the empty string included",
        *wrong("actor.mbox", "", "ada@example.org"), *wrong("verb.id", *NO_IRIS), *wrong("object.id", *NO_IRIS),
        *wrong("object.definition.type", *NO_IRIS), *wrong("object.definition.moreInfo", *NO_IRIS),
        *wrong("context.registration", ""), *wrong("attachments.0.usageType", *NO_IRIS)),
    row("XAPI-00008", "a property is written as the text writes it",
        *refused(*(changed(changed(FULL, place, DROP), _cased(place), ADA)
                   for place in ("actor", "verb", "object")
                   for _cased in (str.upper, str.title))),
        *wrong("Result", {}), *wrong("actor.Name", "Ada"), *wrong("actor.MBOX", "mailto:a@b"), *wrong("verb.ID", "x"),
        *wrong("object.definition.moreinfo", "https://example.org"), *wrong("context.Platform", "x"),
        *wrong("result.score.Raw", 1), *wrong("attachments.0.fileURL", "https://example.org")),
    row("XAPI-00009", "a value of a list is written as the list writes it",
        *wrong("actor.objectType", "agent", "AGENT", "group"), *wrong("object.objectType", "activity", "ACTIVITY"),
        *wrong("context.team.objectType", "group"), *wrong("context.statement.objectType", "statementRef", "statementref"),
        *wrong("object.definition.interactionType", "Choice", "CHOICE"),
        *wrong("object.objectType", "subStatement", "substatement", of=NESTED),
        *wrong("object.objectType", "StatementREF", of=REFERRING)),
    row("Data 2.2", "what the text does not know is refused",
        *wrong("more", 1), *wrong("actor.mail", "x"), *wrong("actor.account", {"homePage": "https://a.org", "name": "a", "id": 1}),
        *wrong("verb.name", {}), *wrong("object.name", {}), *wrong("object.definition.title", {}),
        *wrong("object.definition.choices.0.label", {}), *wrong("result.grade", 1), *wrong("result.score.points", 1),
        *wrong("context.parent", {}), *wrong("context.contextActivities.parents", []),
        *wrong("context.statement.name", "x"), *wrong("attachments.0.url", "https://example.org"),
        *wrong("object.more", 1, of=NESTED), *wrong("object.more", 1, of=REFERRING)),
    row("XAPI-00011", "an IRI has a scheme",
        *wrong("verb.id", "example.org/v"), *wrong("object.id", "example.org/v", "//example.org/v", ":x"),
        *wrong("object.definition.moreInfo", "example.org"), *wrong("actor", {"openid": "example.org"}),
        *wrong("actor.account", {"homePage": "example.org", "name": "a"}, of=changed(FULL, "actor", ACCOUNT)),
        *right("verb.id", "urn:uuid:16fd2706", "tag:example.org,2026:x", "https://example.org/ünïcode?q=%20#f")),
    row("Data 2.2", "an empty object is taken where an object may stand", *accepted(
        changed(FULL, "result", {}), changed(FULL, "context", {}), changed(FULL, "object.definition", {}),
        changed(FULL, "verb.display", {}), changed(FULL, "result.score", {}),
        changed(FULL, "context.contextActivities", {}), changed(FULL, "result.extensions", {}),
        changed(FULL, "attachments", []))),
]  # fmt: skip

LIFE = [
    row("XAPI-00029", "a UUID is 32 hexadecimal digits in five parts", *wrong("id", *NO_UUIDS),
        *wrong("context.registration", *NO_UUIDS), *wrong("context.statement.id", *NO_UUIDS),
        *wrong("object.id", *NO_UUIDS, of=REFERRING)),
    row("XAPI-00030", "a UUID is told apart by its digits, not by their case or its version",
        *right("context.registration", "16FD2706-8BAF-433B-82EB-8C7FADA847DA", "00000000-0000-0000-0000-000000000000",
               "16fd2706-8baf-533b-d2eb-8c7fada847da")),
    row("XAPI-00026", "an id is given where the sender gives none",
        post(PLAIN, 200, _has_own_id)),
]  # fmt: skip


ACTORS = [
    row("XAPI-00031", "an actor is an Agent or a Group", *wrong("actor.objectType", "Person", "Activity", ""),
        *accepted(changed(FULL, "actor.objectType", DROP), changed(FULL, "actor", TEAM), changed(FULL, "actor", CREW))),
    row("XAPI-00032", "objectType is a string", *(case for value in NOT_STRINGS for case in wrong_agents(ADA | {"objectType": value}))),
    row("XAPI-00033", "name is a string", *wrong_agents(*(ADA | {"name": value} for value in NOT_STRINGS)),
        *wrong_groups(*(CREW | {"name": value} for value in NOT_STRINGS))),
    row("XAPI-00034", "an Agent has exactly one identifier", *wrong_agents({"objectType": "Agent"}, {"objectType": "Agent", "name": "Ada"}),
        *wrong_agents(*({"objectType": "Agent"} | two for two in TWO_IDENTIFIERS[:4])),
        *refused(*(changed(FULL, "actor", two) for two in TWO_IDENTIFIERS)),
        *right_agents(*({"objectType": "Agent"} | one for one in IDENTIFIERS)),
        *wrong("actor.member", [], [BO])),
    row("XAPI-00035", "a Group without an identifier has members", *wrong_groups({"objectType": "Group"}, {"objectType": "Group", "name": "Team"}),
        *right_groups(TEAM)),
    row("XAPI-00036", "members are Agents", *wrong_groups(
        {"objectType": "Group", "member": BO}, {"objectType": "Group", "member": [{"name": "Bo"}]},
        {"objectType": "Group", "member": [CREW]}, CREW | {"member": [TEAM]}, CREW | {"member": ["text"]},
        CREW | {"member": [BO | MBOX]})),
    row("XAPI-00037", "an identified Group has exactly one identifier",
        *wrong_groups(*({"objectType": "Group"} | two for two in TWO_IDENTIFIERS[::3])),
        *right_groups(*({"objectType": "Group"} | one for one in IDENTIFIERS), CREW)),
    row("XAPI-00038", "mbox is a mailto IRI of one address",
        *wrong_agents(*({"objectType": "Agent", "mbox": value} for value in ("", "cy@example.org", "mailto:cy", "https://example.org"))),
        *refused(*(changed(FULL, "actor", {"mbox": value}) for value in NOT_STRINGS))),
    row("XAPI-00039", "mbox_sha1sum is the 40 digits of a SHA-1",
        *wrong_agents(*({"objectType": "Agent", "mbox_sha1sum": value} for value in ("", "ab", "zz" * 20))),
        *refused(*(changed(FULL, "actor", {"mbox_sha1sum": value}) for value in NOT_STRINGS))),
    row("XAPI-00040", "openid is a URI", *wrong_agents(*({"objectType": "Agent", "openid": value} for value in ("", "cy", "a b:c"))),
        *refused(*(changed(FULL, "actor", {"openid": value}) for value in NOT_STRINGS))),
    row("XAPI-00041", "account is an object", *refused(*(changed(FULL, "actor", {"account": value}) for value in NOT_OBJECTS))),
    row("XAPI-00042", "an account has a homePage, an IRL", *wrong_agents({"objectType": "Agent", "account": {"name": "cy"}}),
        *refused(*(changed(FULL, "actor", {"account": {"name": "cy", "homePage": value}}) for value in (*NOT_STRINGS, *NO_IRIS)))),
    row("XAPI-00043", "an account has a name", *wrong_agents({"objectType": "Agent", "account": {"homePage": "https://lms.example.org"}}),
        *refused(*(changed(FULL, "actor", {"account": {"homePage": "https://lms.example.org", "name": value}}) for value in NOT_STRINGS))),
]  # fmt: skip

VERBS = [
    row("XAPI-00044", "a verb has an id, an IRI", *without("verb.id"), *without("object.verb.id", of=NESTED), *wrong("verb.id", *NOT_STRINGS)),
    row("XAPI-00045", "display is a language map", *wrong("verb.display", *NOT_OBJECTS), *wrong("verb.display", {"en": 1}, {"en": {}})),
    row("XAPI-00017", "who voids names a statement", *refused(
        *(PLAIN | {"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}, "object": target}
          for target in (PLAIN["object"], ADA, CREW, NESTED["object"])))),
]  # fmt: skip

OBJECTS = [
    row("XAPI-00046", "an object is an Activity, Agent, Group, SubStatement or StatementRef",
        *wrong("object.objectType", "Course", "", "Statement", 1, {})),
    row("XAPI-00065", "an Agent or Group as the object says what it is", *accepted(PLAIN | {"object": ADA}, PLAIN | {"object": CREW}, PLAIN | {"object": TEAM}),
        *refused(PLAIN | {"object": MBOX}, PLAIN | {"object": {"member": [BO]}})),
    row("XAPI-00047", "an Activity has an id, an IRI", *without("object.id"), *wrong("object.id", *NOT_STRINGS, *NO_IRIS)),
    row("XAPI-00048", "definition is an object", *wrong("object.definition", *NOT_OBJECTS)),
    row("XAPI-00056", "its name is a language map", *wrong("object.definition.name", *NOT_OBJECTS, {"en": 1})),
    row("XAPI-00059", "its description is a language map", *wrong("object.definition.description", *NOT_OBJECTS, {"en": 1})),
    row("XAPI-00060", "its type is an IRI", *wrong("object.definition.type", *NOT_STRINGS, *NO_IRIS)),
    row("XAPI-00061", "its moreInfo is an IRL", *wrong("object.definition.moreInfo", *NOT_STRINGS, *NO_IRIS)),
    row("XAPI-00057", "its extensions are an object", *wrong("object.definition.extensions", *NOT_OBJECTS)),
    row("XAPI-00049", "interactionType is one of ten", *wrong("object.definition.interactionType", "", "essay", *NOT_STRINGS),
        *accepted(*(interaction(kind) for kind in ("true-false", "choice", "fill-in", "long-fill-in", "matching", "performance",
                                                   "sequencing", "likert", "numeric", "other")))),
    row("XAPI-00064", "what belongs to an interaction needs the interactionType",
        *refused(*(PLAIN | {"object": {"id": "https://example.org/q", "definition": {name: PART}}}
                   for name in ("choices", "scale", "source", "target", "steps"))),
        *refused(PLAIN | {"object": {"id": "https://example.org/q", "definition": {"correctResponsesPattern": ["a"]}}})),
    row("Data 2.4.4.1", "lists of components go with their interactionType", *accepted(
        interaction("choice", choices=PART), interaction("sequencing", choices=PART), interaction("likert", scale=PART),
        interaction("matching", source=PART, target=PART), interaction("performance", steps=PART)),
        *refused(interaction("likert", choices=PART), interaction("choice", scale=PART), interaction("numeric", steps=PART),
                 interaction("performance", source=PART), interaction("true-false", target=PART))),
    row("Data 2.4.4.1", "correctResponsesPattern is an array of strings",
        *refused(*(interaction("choice", correctResponsesPattern=value) for value in values("a", {}, [1], 1)))),
    row("Data 2.4.4.1", "a component has an id, and no other has the same",
        *refused(*(interaction("choice", choices=value) for value in values([{}], [{"id": 1}], [{"id": "a"}, {"id": "a"}], ["a"], {"id": "a"})),
                 interaction("choice", choices=[{"id": "a", "description": "text"}]))),
    row("XAPI-00072", "a StatementRef has an id", *without("object.id", of=REFERRING), *without("context.statement.id")),
    row("XAPI-00073", "a StatementRef says that it is one", *refused(PLAIN | {"object": {"id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}}),
        *without("context.statement.objectType"), *wrong("context.statement.objectType", "Activity")),
    row("XAPI-00066", "a SubStatement keeps the rules of a statement", *accepted(NESTED),
        *refused(*(changed(NESTED, f"object.{place}", DROP) for place in ("actor", "verb", "object", "verb.id", "object.id"))),
        *wrong("object.result.score.scaled", 2, of=NESTED), *wrong("object.context.registration", "x", of=NESTED),
        *wrong("object.timestamp", "yesterday", of=NESTED), *wrong("object.attachments.0.length", "1", of=NESTED),
        *refused(changed(NESTED, "object.object", PLAIN["object"] | {"objectType": "x"}))),
    row("XAPI-00067", "a SubStatement has no authority", *wrong("object.authority", ADA, of=NESTED)),
    row("XAPI-00068", "a SubStatement has no version", *wrong("object.version", "1.0.0", of=NESTED)),
    row("XAPI-00069", "a SubStatement has no stored", *wrong("object.stored", "2026-11-22T09:00:00Z", of=NESTED)),
    row("XAPI-00070", "a SubStatement has no id", *wrong("object.id", "6690e6c9-3ef0-4ed3-8b37-7f3964730bee", of=NESTED)),
    row("XAPI-00071", "a SubStatement holds no SubStatement", *wrong("object.object", NESTED["object"], of=NESTED)),
]  # fmt: skip

RESULTS = [
    row("XAPI-00074", "success is a boolean", *wrong("result.success", "true", 1, {}, [])),
    row("XAPI-00075", "completion is a boolean", *wrong("result.completion", "true", 1, {}, [])),
    row("XAPI-00076", "response is a string", *wrong("result.response", *NOT_STRINGS), *right("result.response", "", "ü" * 5_000)),
    row("XAPI-00077", "duration is a duration", *wrong("result.duration", "", "P", "PT", "1M", "P1S", "PT1D", "P1YT", "PT1.5M1S", *NOT_STRINGS)),
    row("XAPI-00124", "a duration is one of ISO 8601",
        *right("result.duration", "P1Y2M3DT4H5M6.78S", "PT0S", "P4W", "PT36H", "P0.5Y", "PT1H0.5M", "PT16559.14S", "P1DT12H36M0.12567S"),
        *wrong("result.duration", "P4W1D", "P-1D", "-PT1S", "PT1S ", "pt1s")),
    row("XAPI-00078", "extensions are an object", *(case for place in EXTENSIONS for case in wrong(place, *NOT_OBJECTS))),
    row("XAPI-00079", "score is an object", *wrong("result.score", *NOT_OBJECTS)),
    row("XAPI-00083", "scaled lies between -1 and 1", *right("result.score.scaled", -1, 1, 0, -1.0, 0.0000001),
        *wrong("result.score.scaled", 1.01, -1.01, 50)),
    row("XAPI-00081", "min is less than max", *refused(*(PLAIN | {"result": {"score": {"min": a, "max": b}}} for a, b in ((1, 1), (2, 1), (0.1, 0.05))))),
    row("XAPI-00082", "raw lies between min and max", *accepted(*(PLAIN | {"result": {"score": score}} for score in (
        {"raw": 0, "min": 0, "max": 10}, {"raw": 10, "min": 0, "max": 10}, {"raw": -7.5}, {"raw": 5, "min": 5}, {"raw": 5, "max": 5}))),
        *refused(*(PLAIN | {"result": {"score": score}} for score in ({"raw": -1, "min": 0}, {"raw": 11, "max": 10}, {"raw": 11, "min": 0, "max": 10})))),
    row("XAPI-00080", "raw, min and max are numbers", *(case for name in ("raw", "min", "max") for case in wrong(f"result.score.{name}", "1", True, [], {}))),
]  # fmt: skip

CONTEXTS = [
    row("XAPI-00084", "revision needs an Activity", *refused(
        *(PLAIN | {"object": target, "context": {"revision": "1"}} for target in (ADA, CREW, REFERRING["object"], NESTED["object"])))),
    row("XAPI-00085", "platform needs an Activity", *refused(
        *(PLAIN | {"object": target, "context": {"platform": "p"}} for target in (ADA, CREW, REFERRING["object"], NESTED["object"])))),
    row("XAPI-00087", "registration is a UUID", *wrong("context.registration", *NOT_STRINGS, *NO_UUIDS)),
    row("Data 2.4.6", "instructor is an Agent or a Group", *wrong("context.instructor", *NOT_OBJECTS, {"objectType": "Activity", "id": "https://a.org"}),
        *right("context.instructor", ADA, TEAM, CREW)),
    row("XAPI-00088", "team is a Group", *wrong("context.team", *NOT_OBJECTS, ADA, MBOX), *right("context.team", TEAM, CREW)),
    row("XAPI-00089", "revision is a string", *wrong("context.revision", *NOT_STRINGS)),
    row("XAPI-00090", "platform is a string", *wrong("context.platform", *NOT_STRINGS)),
    row("XAPI-00091", "language is a language tag", *wrong("context.language", *NOT_STRINGS, "", "english language", "en_GB"),
        *right("context.language", "en", "zh-Hant-TW", "de-CH-1996", "x-own", "sgn-BE-FR")),
    row("XAPI-00092", "statement is a StatementRef", *wrong("context.statement", *NOT_OBJECTS, {"id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}, NESTED["object"])),
    row("XAPI-00086", "contextActivities is an object", *wrong("context.contextActivities", *NOT_OBJECTS)),
    row("XAPI-00093", "its properties are parent, grouping, category and other",
        *right("context.contextActivities", *({name: [PLAIN["object"]]} for name in ("parent", "grouping", "category", "other"))),
        *wrong("context.contextActivities", {"child": []}, {"Parent": []}, {"": []})),
    row("XAPI-00094", "each of them is an Activity or an array of Activities",
        *right("context.contextActivities.parent", [], PLAIN["object"], [FULL["object"], PLAIN["object"]]),
        *wrong("context.contextActivities.parent", "text", 1, {}, [{}], ["text"], ADA, [ADA], {"id": "no-iri"}, [[PLAIN["object"]]])),
    row("2.0 4.2.2.5", "context agents and context groups belong to 2.0",
        post(context(contextAgents=[{"objectType": "contextAgent", "agent": ADA}]), {ONE: 400, TWO: 200}),
        post(context(contextGroups=[{"objectType": "contextGroup", "group": CREW}]), {ONE: 400, TWO: 200}),
        post(NESTED | {"object": context(contextAgents=[{"objectType": "contextAgent", "agent": ADA}]) | {"objectType": "SubStatement"}}, {ONE: 400, TWO: 200})),
    row("2.0 4.2.2.5", "a context agent says that it is one, holds an Agent, and its types are IRIs", *accepted(
        context(contextAgents=[]),
        context(contextAgents=[{"objectType": "contextAgent", "agent": BO, "relevantTypes": ["https://example.org/coach"]}])),
        *refused(*(context(contextAgents=value) for value in values(
            {}, "text", [{}], [{"agent": ADA}], [{"objectType": "contextAgent"}], [{"objectType": "Agent", "agent": ADA}],
            [{"objectType": "contextAgent", "agent": CREW}], [{"objectType": "contextAgent", "agent": {"name": "Ada"}}],
            [{"objectType": "contextAgent", "agent": ADA, "relevantTypes": []}], [{"objectType": "contextAgent", "agent": ADA, "relevantTypes": ["x"]}],
            [{"objectType": "contextAgent", "agent": ADA, "relevantTypes": "https://example.org"}], [{"objectType": "contextAgent", "agent": ADA, "more": 1}]))),
        only=TWO),
    row("2.0 4.2.2.5", "a context group says that it is one, holds a Group, and its types are IRIs", *accepted(
        context(contextGroups=[{"objectType": "contextGroup", "group": TEAM, "relevantTypes": ["https://example.org/class"]}])),
        *refused(*(context(contextGroups=value) for value in values(
            {}, [{}], [{"group": TEAM}], [{"objectType": "contextGroup"}], [{"objectType": "contextGroup", "group": ADA}],
            [{"objectType": "contextGroup", "group": {"objectType": "Group"}}], [{"objectType": "contextGroup", "group": TEAM, "relevantTypes": [1]}]))),
        only=TWO),
]  # fmt: skip

# text, whether 1.0.3 takes it, whether 2.0 does
TIMES = [
    ("2026-11-22T09:00:00Z", True, True), ("2026-11-22T09:00:00.123456789Z", True, True), ("2026-11-22T09:00:00+01:00", True, True),
    ("2026-11-22T09:00:00.5-05:30", True, True), ("2026-11-22T09:00:00", True, False), ("2026-11-22T09:00:00+0100", True, False),
    ("2026-11-22T09:00:00+01", True, False), ("20261122T090000Z", True, False), ("2026-11-22T09:00Z", True, False),
    ("2026-11-22t09:00:00z", False, True), ("2026-11-22 09:00:00Z", False, True), ("2026-11-22T09:00:00-00:00", False, False),
    ("2026-11-22T09:00:00-0000", False, False), ("2026-11-22T09:00:00-00", False, False), ("2026-11-22", False, False),
    ("2026-13-22T09:00:00Z", False, False), ("2026-02-30T09:00:00Z", False, False), ("2026-11-22T25:00:00Z", False, False),
    ("22/11/2026", False, False), ("yesterday", False, False), ("", False, False), ("1795338000", False, False),
]  # fmt: skip

TIMESTAMPS = [
    row("XAPI-00123", "a timestamp is one that the version takes", *(
        post(changed(of, place, text), {ONE: 200 if one else 400, TWO: 200 if two else 400})
        for text, one, two in TIMES for of, place in ((FULL, "timestamp"), (NESTED, "object.timestamp"), (FULL, "stored")))),
    row("XAPI-00022", "a timestamp is a string", *wrong("timestamp", 1795338000, True, {}, [])),
]  # fmt: skip

OTHERS = [
    row("XAPI-00024", "authority is an Agent or a Group", *wrong("authority", *NOT_OBJECTS, {"objectType": "Activity", "id": "https://a.org"})),
    row("XAPI-00098", "authority as a Group is two Agents, one of them an account", *accepted(FULL | {"authority": TEAM}),
        *wrong("authority", CREW, {"objectType": "Group", "member": [BO]}, {"objectType": "Group", "member": [ADA, MBOX]})),
    row("XAPI-00100", "authority as a Group is not three Agents", *wrong("authority", {"objectType": "Group", "member": [ADA, BO, MBOX]})),
    row("XAPI-00101", "version is one that the version of the request takes",
        *right("version", "1.0", "1.0.0", "1.0.3"), *wrong("version", "0.95", "1.1", "1.1.0", "3.0.0", "", "one"),
        post(FULL | {"version": "2.0.0"}, {ONE: 400, TWO: 200})),
    row("XAPI-00025", "attachments are an array of objects", *wrong("attachments", {}, "text", ["text"], [1])),
    row("XAPI-00107", "usageType is an IRI", *without("attachments.0.usageType"), *wrong("attachments.0.usageType", *NOT_STRINGS, *NO_IRIS)),
    row("XAPI-00106", "display is a language map", *without("attachments.0.display"), *wrong("attachments.0.display", *NOT_OBJECTS)),
    row("XAPI-00105", "contentType is a media type", *without("attachments.0.contentType"), *wrong("attachments.0.contentType", *NOT_STRINGS, "", "text")),
    row("XAPI-00102", "length is an integer", *without("attachments.0.length"), *wrong("attachments.0.length", "27", -1, 1.5, {})),
    row("XAPI-00103", "sha2 is a SHA-2 in hexadecimal digits", *without("attachments.0.sha2"), *wrong("attachments.0.sha2", *NOT_STRINGS, "", "ab", "zz" * 32),
        *right("attachments.0.sha2", "AB" * 32, "0" * 56, "1" * 96, "2" * 128)),
    row("XAPI-00104", "fileUrl is an IRL", *wrong("attachments.0.fileUrl", *NOT_STRINGS, *NO_IRIS)),
    row("XAPI-00118", "the name of an extension is an IRI", *(case for place in EXTENSIONS for case in wrong(place, {"": 1}, {"x": 1}, {"a b": 1}))),
    row("XAPI-00119", "an extension may be anything, null and nothing included", *(
        case for place in EXTENSIONS for case in right(place, {}, *({"https://example.org/x": value} for value in values(None, "", {}, [], 0, False, {"a": [None]}))))),
    row("XAPI-00121", "a language map has language tags for names, and strings", *(
        case for place in LANGUAGE_MAPS for case in (
            *right(place, {"en-US": "a", "zh-Hans": "b", "x-own": "c", "i-klingon": "d"}),
            *wrong(place, {"": "a"}, {"englishlanguage": "a"}, {"en_US": "a"}, {"en": 1}, {"en": None})))),
    row("2.0 4.1.6.1", "one batch names no id twice", post([PLAIN | {"id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}] * 2, 400), only=TWO),
    row("XAPI-00326", "one bad statement refuses the batch", *refused([PLAIN, PLAIN | {"verb": {}}], [PLAIN | {"actor": 1}, PLAIN])),
    row("Communication 2.1.2", "no statements are none", post([], 200, _is_nothing)),
    row("Data 2.4.11", "an attachment is whole", *right("attachments", [ATTACHMENT, ATTACHMENT])),
]  # fmt: skip
