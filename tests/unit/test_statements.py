"""The rules across properties, and when two statements are the same."""

import copy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.domain.errors import InvalidStatement
from lrs.domain.instants import instant
from lrs.domain.statements import (
    EXTENSION_DEPTH_MAX,
    SIGNATURE,
    VOIDED,
    check_actor,
    check_batch,
    check_rules,
    same_statement,
    voided_target,
)
from lrs.domain.versions import VERSIONS

Json = dict[str, Any]

ID = "fd41c918-b88b-4b20-a0a5-a4c32391aaa0"
AGENT = {"mbox": "mailto:ann@example.com"}
ACCOUNT = {"account": {"homePage": "https://lms.example.com", "name": "7"}}
GROUP = {"objectType": "Group", "member": [AGENT]}
ACTIVITY = {"id": "https://example.com/course"}
REFERENCE = {"objectType": "StatementRef", "id": ID}
VERB = {"id": "https://example.com/verbs/did"}
VOIDING = {"id": VOIDED}


def statement(**properties: Any) -> dict[str, Any]:
    return copy.deepcopy({"actor": AGENT, "verb": VERB, "object": ACTIVITY} | properties)


def substatement(**properties: Any) -> dict[str, Any]:
    return statement(object=statement(objectType="SubStatement", **properties))


def activity(**definition: Any) -> dict[str, Any]:
    return ACTIVITY | {"definition": definition}


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


def refusal(broken: dict[str, Any], version: str = "2.0.0", path: str = "") -> str:
    with pytest.raises(InvalidStatement) as refused:
        check_rules(broken, version, path)
    assert refused.value.section
    return refused.value.path


ACCEPTED = {
    "the smallest": statement(),
    "an activity by name": statement(object=ACTIVITY | {"objectType": "Activity"}),
    "an agent as object": statement(object=AGENT | {"objectType": "Agent"}),
    "a group as object": statement(object=GROUP),
    "a reference": statement(object=REFERENCE),
    "a substatement": substatement(timestamp="2030-01-01T00:00:00Z"),
    "an anonymous group": statement(actor=GROUP),
    "an empty anonymous group": statement(actor={"objectType": "Group", "member": []}),
    "an identified group": statement(actor=AGENT | {"objectType": "Group"}),
    "an identified group with members": statement(actor=GROUP | ACCOUNT),
    "a voiding": statement(verb=VOIDING, object=REFERENCE),
    "an agent as authority": statement(authority=AGENT),
    "an application and its user as authority": statement(
        authority={"objectType": "Group", "member": [ACCOUNT, AGENT]}
    ),
    "every part of a score": statement(result={"score": {"raw": 5, "min": 0, "max": 10, "scaled": 0.5}}),
    "a score at its edge": statement(result={"score": {"raw": 10, "min": 0, "max": 10}}),
    "a raw score alone": statement(result={"score": {"raw": -3}}),
    "a raw score with a least one": statement(result={"score": {"raw": 3, "min": 3}}),
    "a raw score with a greatest one": statement(result={"score": {"raw": 3, "max": 3}}),
    "a result without a score": statement(result={"completion": True}),
    "a definition": statement(object=activity(name={"en": "Course"})),
    "a choice": statement(
        object=activity(interactionType="choice", choices=[{"id": "a"}, {"id": "b"}], correctResponsesPattern=[])
    ),
    "a matching": statement(
        object=activity(interactionType="matching", source=[{"id": "a"}], target=[{"id": "a"}])
    ),
    "a context": statement(
        context={
            "revision": "2",
            "platform": "p",
            "instructor": AGENT,
            "team": GROUP,
            "contextActivities": {"parent": ACTIVITY, "other": [ACTIVITY, activity(extensions={})]},
        }
    ),
    "a context of another object": statement(object=REFERENCE, context={"language": "de"}),
    "a signature": statement(
        attachments=[
            {"usageType": SIGNATURE, "contentType": "application/octet-stream"},
            {"usageType": "https://example.com/essay", "contentType": "text/plain"},
        ]
    ),
    "null in an extension": statement(context={"extensions": {"https://example.com/x": None}}),
    "the deepest extension": statement(result={"extensions": nested(EXTENSION_DEPTH_MAX)}),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_keeps_the_rules_is_accepted_and_left_alone(name: str, version: str) -> None:
    before = copy.deepcopy(ACCEPTED[name])
    check_rules(ACCEPTED[name], version)
    assert ACCEPTED[name] == before


REFUSED = [
    ("actor", statement(actor={})),
    ("actor", statement(actor=AGENT | ACCOUNT)),
    ("actor.member", statement(actor=AGENT | {"member": []})),
    ("actor", statement(actor=AGENT | ACCOUNT | {"objectType": "Group"})),
    ("actor", statement(actor={"objectType": "Group"})),
    ("actor.member[1]", statement(actor={"objectType": "Group", "member": [AGENT, {"name": "Ann"}]})),
    ("object", statement(object={"objectType": "Agent", "name": "Ann"})),
    ("object", statement(object={"objectType": "Group"})),
    ("authority", statement(authority={"objectType": "Agent"})),
    ("authority", statement(authority=GROUP)),
    ("authority", statement(authority={"objectType": "Group", "member": [ACCOUNT, AGENT, AGENT]})),
    ("authority", statement(authority={"objectType": "Group", "member": [ACCOUNT, AGENT]} | AGENT)),
    ("authority", statement(authority=AGENT | {"objectType": "Group"})),
    ("authority", statement(authority={"objectType": "Group", "member": [AGENT, AGENT]})),
    ("object", statement(verb=VOIDING)),
    ("object", statement(verb=VOIDING, object=AGENT | {"objectType": "Agent"})),
    ("object.object", substatement(verb=VOIDING)),
    ("object.id", substatement(id=ID)),
    ("object.stored", substatement(stored="2030-01-01T00:00:00Z")),
    ("object.version", substatement(version="1.0.0")),
    ("object.authority", substatement(authority=AGENT)),
    ("object.object", substatement(object={"objectType": "SubStatement"})),
    ("object.actor", substatement(actor={})),
    ("object.result.score.raw", substatement(result={"score": {"raw": 1, "max": 0}})),
    ("result.score.min", statement(result={"score": {"min": 1, "max": 1}})),
    ("result.score.min", statement(result={"score": {"min": 2, "max": 1}})),
    ("result.score.raw", statement(result={"score": {"raw": 0, "min": 1}})),
    ("result.score.raw", statement(result={"score": {"raw": 2, "max": 1}})),
    ("object.definition.interactionType", statement(object=activity(choices=[]))),
    ("object.definition.interactionType", statement(object=activity(correctResponsesPattern=[]))),
    ("object.definition.scale", statement(object=activity(interactionType="choice", scale=[]))),
    ("object.definition.steps", statement(object=activity(interactionType="numeric", steps=[]))),
    (
        "object.definition.choices",
        statement(object=activity(interactionType="choice", choices=[{"id": "a"}, {"id": "a"}])),
    ),
    ("context.revision", statement(object=REFERENCE, context={"revision": "1"})),
    ("context.platform", statement(object=GROUP, context={"platform": "p"})),
    ("object.context.platform", substatement(object=REFERENCE, context={"platform": "p"})),
    ("context.instructor", statement(context={"instructor": {}})),
    ("context.team", statement(context={"team": {"objectType": "Group"}})),
    (
        "context.contextActivities.parent.definition.scale",
        statement(context={"contextActivities": {"parent": [activity(interactionType="choice", scale=[])]}}),
    ),
    ("context.extensions", statement(context={"extensions": nested(EXTENSION_DEPTH_MAX + 1)})),
    ("result.extensions", statement(result={"extensions": nested(100)})),
    ("object.definition.extensions", statement(object=activity(extensions=nested(100)))),
    (
        "attachments[0].contentType",
        statement(attachments=[{"usageType": SIGNATURE, "contentType": "text/plain"}]),
    ),
    ("version", statement(version="0.9.5")),
    ("version", statement(version="1.1.0")),
    ("version", statement(version="10.0")),
    ("version", statement(version="")),
    ("timestamp", statement(timestamp="yesterday")),
    ("stored", statement(stored="")),
    ("object.timestamp", substatement(timestamp="01/01/2015")),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("path", "broken"), REFUSED)
def test_what_breaks_a_rule_is_refused_at_its_place(path: str, broken: Json, version: str) -> None:
    assert refusal(broken, version) == path
    assert refusal(broken, version, "[3]") == f"[3].{path}"


CONTEXT_AGENT = {"objectType": "contextAgent", "agent": AGENT}
CONTEXT_GROUP = {"objectType": "contextGroup", "group": GROUP}

# statement -> where 1.0.3 refuses it, where 2.0.0 does; None: it does not. The same table as versions.VERSIONS.
BETWEEN_VERSIONS = [
    (statement(context={"contextAgents": [CONTEXT_AGENT]}), "context.contextAgents", None),
    (statement(context={"contextGroups": [CONTEXT_GROUP]}), "context.contextGroups", None),
    (
        statement(context={"contextAgents": [CONTEXT_AGENT, {"agent": {}}]}),
        "context.contextAgents",
        "context.contextAgents[1].agent",
    ),
    (
        statement(context={"contextGroups": [{"group": {"objectType": "Group"}}]}),
        "context.contextGroups",
        "context.contextGroups[0].group",
    ),
    (statement(version="1.0"), None, None),
    (statement(version="1.0.0"), None, None),
    (statement(version="1.0.9"), None, None),
    (statement(version="2.0.0"), "version", None),
    *[
        (statement(timestamp=text), "timestamp" if first else None, "timestamp" if second else None)
        for text, first, second in [
            ("2015-11-18T12:17:00Z", False, False),
            ("2015-11-18T12:17:00.123456789+01:00", False, False),
            ("2015-11-18T12:17:00-05:30", False, False),
            ("2015-11-18T12:17:00-00:30", False, False),
            ("2016-12-31T23:59:60Z", False, False),
            ("2015-11-18T12:17:00", False, True),
            ("2015-11-18T12:17", False, True),
            ("2015-11-18T12:17:00,5Z", False, True),
            ("2015-11-18T12:17:00+0100", False, True),
            ("2015-11-18T12:17:00+01", False, True),
            ("20151118T121700Z", False, True),
            ("20151118T1217", False, True),
            ("2015-11-18t12:17:00z", True, False),
            ("2015-11-18 12:17:00Z", True, False),
            ("2015-11-18T12:17:00-00:00", True, True),
            ("2015-11-18T12:17:00-0000", True, True),
            ("2015-11-18T12:17:00-00", True, True),
            ("2015-11-18", True, True),
            ("2015-11-18T12:17:00Z\n", True, True),
            ("2015-13-18T12:17:00Z", True, True),
            ("2015-02-29T12:17:00Z", True, True),
            ("2015-11-18T24:17:00Z", True, True),
            ("2015-11-18T12:17:00+24:00", True, True),
            ("0001-01-01T00:00:00+23:00", True, True),
            ("9999-12-31T23:59:60Z", True, True),
            ("٢٠١٥-11-18T12:17:00Z", True, True),
        ]
    ],
]


@pytest.mark.parametrize(("given_statement", "first", "second"), BETWEEN_VERSIONS)
def test_the_versions_differ_where_the_table_says(
    given_statement: Json, first: str | None, second: str | None
) -> None:
    for version, path in (("1.0.3", first), ("2.0.0", second)):
        if path is None:
            check_rules(given_statement, version)
        else:
            assert refusal(given_statement, version) == path


def test_a_batch_of_2_0_names_no_id_twice() -> None:
    twice = [statement(id=ID), statement(), statement(), statement(id=ID.upper())]
    check_batch(twice, "1.0.3")
    check_batch(twice[:3], "2.0.0")
    with pytest.raises(InvalidStatement) as refused:
        check_batch(twice, "2.0.0")
    assert refused.value.path == "[3].id"


def test_an_actor_can_be_checked_alone() -> None:
    check_actor(AGENT, "agent")
    with pytest.raises(InvalidStatement, match=r"^agent: must have exactly one"):
        check_actor({}, "agent")


def test_only_a_voiding_statement_has_a_target() -> None:
    assert voided_target(statement(verb=VOIDING, object=REFERENCE)) == UUID(ID)
    assert voided_target(statement(object=REFERENCE)) is None


def test_no_text_travels_with_the_refusal_of_an_instant() -> None:
    with pytest.raises(ValueError, match="no instant of the calendar") as refused:
        instant("2015-13-01T00:00:00Z")
    assert refused.value.__context__ is None


def test_an_instant_is_in_utc() -> None:
    assert instant("2015-11-18T12:17:00+01:00") == datetime(2015, 11, 18, 11, 17, tzinfo=UTC)
    assert instant("2015-11-18T12:17:00") == datetime(2015, 11, 18, 12, 17, tzinfo=UTC)
    assert instant("2016-12-31t23:59:60z") == datetime(2017, 1, 1, tzinfo=UTC)
    assert instant("2015-11-18T12:17:00+01:00").tzinfo is UTC


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001
def test_every_time_that_python_writes_is_read_back(moment: datetime) -> None:
    utc = moment.astimezone(UTC)
    assert instant(utc.isoformat()) == utc
    check_rules(statement(timestamp=utc.isoformat()), "2.0.0")


BEN = {"mbox": "mailto:ben@example.com"}
ATTACHMENT = {
    "usageType": "https://example.com/essay",
    "display": {"en": "Essay"},
    "contentType": "text/plain",
    "length": 3,
    "sha2": "ab" * 32,
}

SAME = [
    (statement(), statement()),
    (statement(id=ID), statement(id=ID.upper())),
    (statement(id=ID), statement()),
    (statement(), statement(authority=AGENT, stored="2015-01-01T00:00:00Z", version="1.0.0")),
    (statement(timestamp="2015-01-01T00:00:00Z"), statement()),
    (statement(timestamp="2015-01-01T00:00:00Z"), statement(timestamp="2015-01-01T01:00:00.000+01:00")),
    (statement(verb=VERB | {"display": {"en": "did"}}), statement()),
    (statement(object=activity(name={"en": "Course"})), statement()),
    (statement(actor={"mbox": "mailto:ann@EXAMPLE.com"}), statement()),
    (
        statement(actor={"objectType": "Group", "member": [AGENT, BEN]}),
        statement(actor={"objectType": "Group", "member": [BEN, AGENT]}),
    ),
    (statement(actor={"mbox_sha1sum": "ab" * 20}), statement(actor={"mbox_sha1sum": "AB" * 20})),
    (statement(object=REFERENCE), statement(object=REFERENCE | {"id": ID.upper()})),
    (
        statement(object=AGENT | {"objectType": "Agent"}),
        statement(object={"mbox": "mailto:ann@Example.COM", "objectType": "Agent"}),
    ),
    (
        statement(context={"contextActivities": {"parent": ACTIVITY}}),
        statement(context={"contextActivities": {"parent": [activity(name={"en": "Course"})]}}),
    ),
    (
        statement(context={"registration": ID, "statement": REFERENCE, "language": "en-US", "instructor": BEN}),
        statement(
            context={
                "registration": ID.upper(),
                "statement": REFERENCE | {"id": ID.upper()},
                "language": "en-us",
                "instructor": {"mbox": "mailto:ben@EXAMPLE.COM"},
            }
        ),
    ),
    (
        statement(
            context={"contextGroups": [CONTEXT_GROUP | {"group": {"objectType": "Group", "member": [AGENT, BEN]}}]}
        ),
        statement(
            context={"contextGroups": [CONTEXT_GROUP | {"group": {"objectType": "Group", "member": [BEN, AGENT]}}]}
        ),
    ),
    (statement(result={"duration": "PT1M2.345S"}), statement(result={"duration": "PT1M2.349S"})),
    (statement(result={"duration": "PT2.50S"}), statement(result={"duration": "PT2,5S"})),
    (statement(result={"duration": "PT2S"}), statement(result={"duration": "PT2.00S"})),
    (statement(result={"score": {"raw": 1}}), statement(result={"score": {"raw": 1.0}})),
    (
        statement(attachments=[ATTACHMENT]),
        statement(
            attachments=[ATTACHMENT | {"display": {}, "description": {"en": "x"}, "sha2": "AB" * 32}],
        ),
    ),
    (substatement(verb=VERB | {"display": {}}), substatement()),
]

DIFFERENT = [
    (statement(id=ID), statement(id=ID.replace("f", "e"))),
    (statement(), statement(actor=BEN)),
    (statement(), statement(actor={"mbox": "mailto:ANN@example.com"})),
    (statement(), statement(actor=AGENT | {"name": "Ann"})),
    (statement(), statement(verb={"id": "https://example.com/verbs/other"})),
    (statement(), statement(object={"id": "https://example.com/Course"})),
    (statement(), statement(object=ACTIVITY | {"objectType": "Activity"})),
    (statement(), statement(result={})),
    (statement(), statement(attachments=[ATTACHMENT])),
    (statement(timestamp="2015-01-01T00:00:00Z"), statement(timestamp="2015-01-01T00:00:01Z")),
    (statement(result={"duration": "PT60S"}), statement(result={"duration": "PT1M"})),
    (statement(result={"duration": "PT1.23S"}), statement(result={"duration": "PT1.24S"})),
    (statement(result={"success": True}), statement(result={"success": False})),
    (
        statement(result={"extensions": {"https://example.com/x": 1}}),
        statement(result={"extensions": {"https://example.com/x": True}}),
    ),
    (
        statement(result={"extensions": {"https://example.com/x": [1]}}),
        statement(result={"extensions": {"https://example.com/x": [1, 1]}}),
    ),
    (
        statement(result={"extensions": {"https://example.com/x": [1]}}),
        statement(result={"extensions": {"https://example.com/x": {}}}),
    ),
    (statement(attachments=[ATTACHMENT]), statement(attachments=[ATTACHMENT | {"length": 4}])),
    (substatement(), substatement(timestamp="2015-01-01T00:00:00Z")),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_a_store_may_change_makes_no_other_statement(a: Json, b: Json) -> None:
    before = copy.deepcopy((a, b))
    assert same_statement(a, b)
    assert same_statement(b, a)
    assert (a, b) == before


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_everything_else_makes_another_statement(a: Json, b: Json) -> None:
    assert not same_statement(a, b)
    assert not same_statement(b, a)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_any_extension_is_accepted_and_equal_to_itself_alone(extensions: dict[str, Any]) -> None:
    one = statement(result={"extensions": extensions})
    check_rules(one, "1.0.3")
    assert same_statement(one, copy.deepcopy(one))
    assert not same_statement(one, statement(result={"extensions": {"more": 1, **extensions, "more ": 2}}))
