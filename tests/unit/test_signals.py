"""What one statement says about progress: one row a rule of `lrs.domain.signals` and `lrs.domain.verbs`."""

from typing import Any
from uuid import UUID

import pytest

from lrs.domain.signals import LaunchMode, MoveOn, Signal, grouping_digest, signal_of
from lrs.domain.verbs import Verb, meaning

STORED_US = 1_700_000_000_000_000
STATEMENT_ID = "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"
STATEMENT = UUID(STATEMENT_ID)
ADL = "http://adlnet.gov/expapi/verbs/"
CMI5_CONTEXT = "https://w3id.org/xapi/cmi5/context/extensions/"
CMI5_PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"
VIDEO_PROGRESS = "https://w3id.org/xapi/video/extensions/progress"
COURSE = "https://example.com/courses/1"


def read(**parts: Any) -> Signal | None:
    statement = {
        "actor": {"mbox": "mailto:ada@example.com"},
        "verb": {"id": ADL + "experienced"},
        "object": {"id": COURSE},
    } | parts
    return signal_of(statement, STATEMENT, STORED_US)


def say(**parts: Any) -> Signal:
    signal = read(**parts)
    assert signal is not None
    return signal


@pytest.mark.parametrize(
    ("iri", "verb"),
    [
        *((ADL + verb.value, verb) for verb in Verb if verb not in ("abandoned", "waived", "satisfied")),
        ("https://w3id.org/xapi/adl/verbs/abandoned", Verb.ABANDONED),
        ("https://w3id.org/xapi/adl/verbs/waived", Verb.WAIVED),
        ("https://w3id.org/xapi/adl/verbs/satisfied", Verb.SATISFIED),
        ("http://w3id.org/xapi/adl/verbs/satisfied", Verb.SATISFIED),
        ("http://purl.org/xapi/adl/verbs/abandoned", Verb.ABANDONED),
        ("https://adlnet.gov/expapi/verbs/completed", Verb.COMPLETED),
        ("http://www.adlnet.gov/expapi/verbs/attempted/", Verb.ATTEMPTED),
        ("http://adlnet.gov/expapi/verbs/experienced", None),
        ("http://adlnet.gov/expapi/verbs/Completed", None),
        ("http://example.com/expapi/verbs/completed", None),
        ("", None),
    ],
)
def test_every_spelling_of_a_verb_means_that_verb(iri: str, verb: Verb | None) -> None:
    assert meaning(iri) is verb
    assert say(verb={"id": iri}).verb is verb


def test_a_bare_statement_says_only_that_something_happened_when_it_was_stored() -> None:
    assert say() == Signal(
        activity=COURSE,
        registration=None,
        groupings=(),
        verb=None,
        at_us=STORED_US,
        stored_us=STORED_US,
        statement_id=STATEMENT,
        session=None,
        launch_mode=None,
        move_on=None,
        completion=None,
        success=None,
        score=None,
        progress=None,
        duration_seconds=None,
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"object": {"objectType": "StatementRef", "id": STATEMENT_ID}},
        {"object": {"objectType": "Agent", "mbox": "mailto:bob@example.com"}},
        {"object": {"objectType": "SubStatement", "object": {"id": COURSE}}},
        {"actor": {"objectType": "Group", "mbox": "mailto:team@example.com"}},
    ],
)
def test_other_objects_and_groups_say_nothing(parts: dict[str, Any]) -> None:
    assert read(**parts) is None


def test_a_named_activity_and_a_named_agent_say_as_much_as_unnamed_ones() -> None:
    actor = {"objectType": "Agent", "mbox": "mailto:ada@example.com"}
    assert read(object={"objectType": "Activity", "id": COURSE}, actor=actor) == read()


def test_a_registration_is_in_small_letters() -> None:
    assert say(context={"registration": STATEMENT_ID.upper()}).registration == STATEMENT_ID


@pytest.mark.parametrize(
    ("context_activities", "groupings"),
    [
        ({}, ()),
        ({"parent": [{"id": "urn:p"}]}, ()),
        ({"grouping": {"id": "urn:a"}}, ("urn:a",)),
        ({"grouping": [{"id": "urn:a"}, {"id": "urn:b"}]}, ("urn:a", "urn:b")),
    ],
)
def test_groupings_come_from_one_activity_or_many(
    context_activities: dict[str, Any], groupings: tuple[str, ...]
) -> None:
    found = say(context={"contextActivities": context_activities}).groupings
    assert found == tuple(grouping_digest(one) for one in groupings)


@pytest.mark.parametrize(
    ("timestamp", "at_us"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01t00:00:01.25z", 1_250_000),
        ("1970-01-01 00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456),
        ("1970-01-01T01:00:01+01:00", 1_000_000),
        ("1969-12-31T19:00:01-05:00", 1_000_000),
        ("1970-01-01T00:00:01-00:00", 1_000_000),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1969-12-31T23:59:59.5Z", -500_000),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("2016-12-31t23:59:60.25z", 1_483_228_800_250_000),
        ("2016-99-31T23:59:60Z", STORED_US),
        ("2016-99-31T23:59:59Z", STORED_US),
        ("yesterday", STORED_US),
        ("", STORED_US),
        (12, STORED_US),
    ],
)
def test_every_form_of_a_timestamp_is_read_and_the_rest_is_when_it_was_stored(
    timestamp: object, at_us: int
) -> None:
    signal = say(timestamp=timestamp)
    assert (signal.at_us, signal.stored_us) == (at_us, STORED_US)


def session(given: object) -> str | None:
    return say(context={"extensions": {CMI5_CONTEXT + "sessionid": given}}).session


def test_a_session_is_known_by_sixteen_digits_and_not_by_the_clients_text() -> None:
    assert session("session of Ada") == session("session of Ada") != session("session of Bob")
    assert len(session("session of Ada") or "") == 16
    assert session("\ud800") is not None


@pytest.mark.parametrize("given", ["", None, 7, ["a"], {"a": 1}])
def test_a_session_that_is_no_text_is_no_session(given: object) -> None:
    assert session(given) is None


def launch(verb: str, mode: object, move_on: object) -> tuple[LaunchMode | None, MoveOn | None]:
    extensions = {CMI5_CONTEXT + "launchmode": mode, CMI5_CONTEXT + "moveon": move_on}
    signal = say(verb={"id": ADL + verb}, context={"extensions": extensions})
    return signal.launch_mode, signal.move_on


@pytest.mark.parametrize("mode", LaunchMode)
@pytest.mark.parametrize("move_on", MoveOn)
def test_a_launch_says_its_mode_and_what_moves_on(mode: LaunchMode, move_on: MoveOn) -> None:
    assert launch("launched", mode.value, move_on.value) == (mode, move_on)


@pytest.mark.parametrize("given", ["browse", "Ada's own words", None, 1, ["Normal"], {}])
def test_a_word_that_cmi5_does_not_know_is_dropped(given: object) -> None:
    assert launch("launched", given, given) == (None, None)


def test_only_a_launch_has_a_mode() -> None:
    assert launch("initialized", "Browse", "Passed") == (None, None)


@pytest.mark.parametrize(
    ("verb", "result", "said"),
    [
        ("completed", {}, (True, False, False)),
        ("completed", {"completion": False}, (True, False, False)),
        ("experienced", {"completion": True}, (True, False, False)),
        ("experienced", {"completion": False}, (False, False, False)),
        ("passed", {}, (False, True, False)),
        ("experienced", {"success": True}, (False, True, False)),
        ("failed", {}, (False, False, True)),
        ("experienced", {"success": False}, (False, False, True)),
        ("mastered", {}, (False, False, False)),
    ],
)
def test_verb_or_result_completes_passes_or_fails(
    verb: str, result: dict[str, Any], said: tuple[bool, bool, bool]
) -> None:
    signal = say(verb={"id": ADL + verb}, result=result)
    assert (signal.completes, signal.passes, signal.fails) == said
    assert (signal.completion, signal.success) == (result.get("completion"), result.get("success"))


@pytest.mark.parametrize(
    ("score", "scaled"),
    [
        ({}, None),
        ({"scaled": 0.75}, 0.75),
        ({"scaled": -1}, -1.0),
        ({"scaled": 1}, 1.0),
        ({"scaled": 0, "raw": 9, "min": 0, "max": 10}, 0.0),
        ({"scaled": 1.01}, None),
        ({"scaled": -1.01, "raw": 9, "min": 0, "max": 10}, None),
        ({"scaled": True}, None),
        ({"scaled": float("nan")}, None),
        ({"raw": 15, "min": 10, "max": 20}, 0.5),
        ({"raw": -5, "min": -10, "max": 10}, 0.25),
        ({"raw": 15, "max": 20}, None),
        ({"raw": 15, "min": 10}, None),
        ({"min": 10, "max": 20}, None),
        ({"raw": 10, "min": 10, "max": 10}, None),
        ({"raw": 15, "min": 20, "max": 10}, None),
        ({"raw": 25, "min": 10, "max": 20}, None),
        ({"raw": 5, "min": 10, "max": 20}, None),
        ({"raw": 10**400, "min": 0, "max": 10**401}, None),
        ({"raw": "15", "min": 10, "max": 20}, None),
    ],
)
def test_a_score_is_scaled_or_out_of_raw_min_and_max_or_none(score: dict[str, Any], scaled: float | None) -> None:
    found = say(result={"score": score}).score
    assert (found, type(found)) == (scaled, type(scaled))


def test_no_number_is_minus_nothing() -> None:
    """Equal numbers are written alike, whichever of them was folded first."""
    assert str(say(result={"score": {"scaled": -0.0}}).score) == "0.0"


@pytest.mark.parametrize(
    ("extensions", "progress"),
    [
        ({}, None),
        ({CMI5_PROGRESS: 0}, 0.0),
        ({CMI5_PROGRESS: 100}, 100.0),
        ({CMI5_PROGRESS: 37.5}, 37.5),
        ({CMI5_PROGRESS: 101}, None),
        ({CMI5_PROGRESS: -1}, None),
        ({CMI5_PROGRESS: True}, None),
        ({CMI5_PROGRESS: "50"}, None),
        ({VIDEO_PROGRESS: 0.5}, 50.0),
        ({VIDEO_PROGRESS: 1}, 100.0),
        ({VIDEO_PROGRESS: 1.1}, None),
        ({VIDEO_PROGRESS: -0.1}, None),
        ({VIDEO_PROGRESS: True}, None),
        ({CMI5_PROGRESS: 20, VIDEO_PROGRESS: 0.9}, 20.0),
        ({CMI5_PROGRESS: None, VIDEO_PROGRESS: 0.9}, 90.0),
    ],
)
def test_progress_is_a_number_from_0_to_100_by_either_profile(
    extensions: dict[str, Any], progress: float | None
) -> None:
    found = say(result={"extensions": extensions}).progress
    assert (found, type(found)) == (progress, type(progress))


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("PT30S", 30.0),
        ("PT0S", 0.0),
        ("PT1.5S", 1.5),
        ("PT1,5S", 1.5),
        ("PT1H2M3S", 3723.0),
        ("P1DT1S", 86_401.0),
        ("P2W", 1_209_600.0),
        ("P1Y", 31_536_000.0),
        ("P1M", 2_592_000.0),
        ("PT1M", 60.0),
        ("P1Y2M3DT4H5M6S", 31_536_000.0 + 2 * 2_592_000 + 3 * 86_400 + 4 * 3600 + 5 * 60 + 6),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("-PT1S", None),
        ("1:30", None),
        ("PT" + "9" * 400 + "S", None),
        (90, None),
    ],
)
def test_a_duration_is_seconds_or_none(duration: object, seconds: float | None) -> None:
    assert say(result={"duration": duration}).duration_seconds == seconds
