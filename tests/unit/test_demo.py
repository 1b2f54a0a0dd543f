"""The demonstration's data: repeatable, valid xAPI, and cmi5 where it says so."""

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from lrs import demo
from lrs.demo.course import UNITS
from lrs.demo.statements import CATEGORY, CONTEXT, RESULT

Json = dict[str, Any]

NOW = datetime(2026, 3, 4, 0, 5, tzinfo=UTC)
STATEMENTS = list(demo.statements(NOW))
EXCHANGES = list(demo.exchanges(NOW))

# The table of lrs.demo.statements: verb -> categories, context extensions, result properties.
# masteryscore depends on the unit and is tested by itself.
CMI5: dict[str, tuple[set[str], set[str], set[str]]] = {
    "launched": ({"cmi5"}, {"sessionid", "launchmode", "moveon", "launchurl"}, set()),
    "initialized": ({"cmi5"}, {"sessionid"}, set()),
    "progressed": (set(), {"sessionid"}, {"extensions"}),
    "answered": (set(), {"sessionid"}, {"response", "success"}),
    "completed": ({"cmi5", "moveon"}, {"sessionid"}, {"completion", "duration"}),
    "passed": ({"cmi5", "moveon"}, {"sessionid"}, {"score", "success", "duration"}),
    "failed": ({"cmi5", "moveon"}, {"sessionid"}, {"score", "success", "duration"}),
    "terminated": ({"cmi5"}, {"sessionid"}, {"duration"}),
    "abandoned": ({"cmi5"}, {"sessionid"}, {"duration"}),
    "waived": ({"cmi5", "moveon"}, {"sessionid"}, {"completion", "success", "extensions"}),
    "satisfied": ({"cmi5"}, {"sessionid"}, set()),
}
AU_IDS = {unit.id: unit for unit in UNITS}


def verb(statement: Json) -> str:
    return str(statement["verb"]["display"]["en"])


def person(statement: Json) -> str:
    return json.dumps(statement["actor"], sort_keys=True)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def extensions(statement: Json) -> Json:
    return {key.removeprefix(CONTEXT): value for key, value in statement["context"]["extensions"].items()}


def by(key: Any, statements: list[Json]) -> dict[Any, list[Json]]:
    groups = defaultdict(list)
    for statement in statements:
        groups[key(statement)].append(statement)
    return groups


def session_id(statement: Json) -> str:
    return str(extensions(statement)["sessionid"])


def test_the_same_seed_gives_the_same_data() -> None:
    assert list(demo.statements(NOW, 20)) == STATEMENTS
    assert list(demo.exchanges(NOW, 20)) == EXCHANGES


def test_another_seed_gives_other_ids() -> None:
    first, second = ({s["id"] for s in demo.statements(NOW, seed)} for seed in (20, 21))
    assert not first & second


def test_the_zone_of_now_changes_nothing() -> None:
    """Only the instant counts: the same moment in another zone gives the same data."""
    assert list(demo.statements(NOW.astimezone(timezone(timedelta(hours=-9))))) == STATEMENTS


def test_ids_are_unique_and_version_4() -> None:
    ids = [entry["id"] for entry in STATEMENTS + EXCHANGES]
    assert len(set(ids)) == len(ids)
    assert {UUID(text).version for text in ids} == {4}
    assert all(str(UUID(text)) == text for text in ids)


@pytest.mark.parametrize("seed", range(20, 30))
def test_the_amounts_stay_in_range_for_any_seed(seed: int) -> None:
    assert 1_500 <= sum(1 for _ in demo.statements(NOW, seed)) <= 2_000
    assert sum(1 for _ in demo.exchanges(NOW, seed)) == 300


@pytest.mark.parametrize("hour", [0, 7, 12, 23])
def test_nothing_happens_in_the_future_or_before_thirty_days(hour: int) -> None:
    now = datetime(2026, 3, 29, hour, 0, tzinfo=UTC)
    times = [moment(statement["timestamp"]) for statement in demo.statements(now)]
    times += [moment(exchange["ended_at"]) for exchange in demo.exchanges(now)]
    assert now - timedelta(days=30) <= min(times)
    assert max(times) <= now
    assert len({time.date() for time in times}) > 20


def test_timestamps_are_utc_and_in_order() -> None:
    times = [statement["timestamp"] for statement in STATEMENTS]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times)
    assert times == sorted(times)


def test_forty_learners_each_identified_exactly_once() -> None:
    actors = by(person, STATEMENTS)
    assert len(actors) == 40
    kinds: Counter[str] = Counter()
    for text in actors:
        agent = json.loads(text)
        identifiers = agent.keys() & {"mbox", "mbox_sha1sum", "account", "openid"}
        assert len(identifiers) == 1
        assert agent["objectType"] == "Agent"
        assert agent["name"]
        kinds.update(identifiers)
    assert kinds == {"mbox": 26, "account": 12, "mbox_sha1sum": 2}


def test_addresses_are_ascii_and_end_in_example_org() -> None:
    addresses = {s["actor"]["mbox"] for s in STATEMENTS if "mbox" in s["actor"]}
    assert all(re.fullmatch(r"mailto:[a-z.\-]+@example\.org", address) for address in addresses)


def test_two_registrations_of_twenty_learners() -> None:
    members = {
        key: {person(s) for s in group}
        for key, group in by(lambda s: s["context"]["registration"], STATEMENTS).items()
    }
    assert set(members) == set(demo.REGISTRATIONS)
    assert [len(people) for people in members.values()] == [20, 20]


def test_every_statement_is_complete() -> None:
    for statement in STATEMENTS:
        assert statement.keys() - {"result"} == {"id", "actor", "verb", "object", "context", "timestamp"}
        assert statement["verb"]["id"].endswith("/" + verb(statement))
        assert statement["object"]["definition"]["name"]["en"]
        assert statement["context"]["instructor"] == demo.INSTRUCTOR
        assert statement.get("result") != {}


def test_every_verb_of_the_table_occurs_and_no_other() -> None:
    assert {verb(statement) for statement in STATEMENTS} == set(CMI5)


def test_each_statement_has_exactly_the_cmi5_properties_of_its_verb() -> None:
    for statement in STATEMENTS:
        categories, context, result = CMI5[verb(statement)]
        activities = statement["context"]["contextActivities"]
        found = {activity["id"].removeprefix(CATEGORY) for activity in activities.get("category", [])}
        assert found == categories
        assert extensions(statement).keys() - {"masteryscore"} == context
        optional = {"success"} if verb(statement) == "answered" else set()
        assert result - optional <= statement.get("result", {}).keys() <= result


def test_mastery_score_is_given_where_the_unit_has_one() -> None:
    for statement in STATEMENTS:
        unit = AU_IDS.get(statement["object"]["id"])
        wanted = verb(statement) in {"launched", "passed", "failed"} and unit and unit.mastery_score
        assert extensions(statement).get("masteryscore") == (wanted or None)


def test_launched_names_the_move_on_of_each_unit() -> None:
    launched = {(s["object"]["id"], extensions(s)["moveon"]) for s in STATEMENTS if verb(s) == "launched"}
    assert launched == {(unit.id, unit.move_on) for unit in UNITS}
    assert len({move_on for _, move_on in launched}) == 5


def test_statements_group_by_course_block_and_publisher() -> None:
    for statement in STATEMENTS:
        grouping = [a["id"] for a in statement["context"]["contextActivities"]["grouping"]]
        about_course = statement["object"]["id"] == demo.COURSE_ID
        assert (demo.COURSE_ID in grouping) is not about_course
        assert sum(identifier.startswith("https://content.example.org/") for identifier in grouping) == 1
        if verb(statement) != "satisfied":
            assert sum("/blocks/" in identifier for identifier in grouping) == 1


def test_a_session_begins_with_launched_and_ends_once() -> None:
    """cmi5 9.3: launched, initialized, then work, then terminated or abandoned; no verb twice but our own."""
    for group in by(session_id, STATEMENTS).values():
        verbs = [verb(s) for s in group if verb(s) != "satisfied"]
        if verbs == ["waived"]:
            continue
        assert verbs[:2] == ["launched", "initialized"]
        assert verbs[-1] in {"terminated", "abandoned"}
        once = Counter(v for v in verbs if v not in {"progressed", "answered"})
        assert set(once.values()) == {1}
        assert not {"passed", "failed"} <= once.keys()


def test_within_a_registration_completed_and_passed_come_once_and_nothing_fails_after() -> None:
    of_unit = by(lambda s: (person(s), s["object"]["id"]), STATEMENTS)
    for group in of_unit.values():
        verbs = [verb(s) for s in group]
        assert max(verbs.count("completed"), verbs.count("passed"), verbs.count("satisfied")) <= 1
        assert "failed" not in verbs[verbs.index("passed") :] if "passed" in verbs else True
        assert "progressed" not in verbs[verbs.index("completed") :] if "completed" in verbs else True


def test_scores_agree_with_the_mastery_score() -> None:
    judged = [s for s in STATEMENTS if verb(s) in {"passed", "failed"}]
    for statement in judged:
        score, passed = statement["result"]["score"], verb(statement) == "passed"
        assert 0 <= score["min"] <= score["raw"] <= score["max"] == 100
        assert score["scaled"] == score["raw"] / 100
        assert (score["scaled"] >= extensions(statement)["masteryscore"]) is passed
        assert statement["result"]["success"] is passed


def test_durations_are_iso_8601_and_progress_a_percentage() -> None:
    for statement in STATEMENTS:
        result = statement.get("result", {})
        assert re.fullmatch(r"PT\d+M\d+S", result.get("duration", "PT0M0S"))
        progress = result.get("extensions", {}).get(RESULT + "progress", 0)
        assert isinstance(progress, int)
        assert 0 <= progress < 100


def test_progress_of_a_session_never_falls() -> None:
    for group in by(session_id, STATEMENTS).values():
        progress = [s["result"]["extensions"][RESULT + "progress"] for s in group if verb(s) == "progressed"]
        assert progress == sorted(progress)


def met(unit: Any, verbs: set[str]) -> bool:
    completed, passed = bool(verbs & {"completed", "waived"}), bool(verbs & {"passed", "waived"})
    return {
        "Passed": passed,
        "Completed": completed,
        "CompletedAndPassed": completed and passed,
        "CompletedOrPassed": completed or passed,
        "NotApplicable": True,
    }[str(unit.move_on)]


def test_blocks_and_course_are_satisfied_exactly_when_earned() -> None:
    for group in by(person, STATEMENTS).values():
        verbs = {unit.slug: {verb(s) for s in group if s["object"]["id"] == unit.id} for unit in UNITS}
        earned = {
            f"{demo.COURSE_ID}/blocks/{block}"
            for block in ("prevention", "response")
            if all(met(unit, verbs[unit.slug]) for unit in UNITS if unit.block == block)
        }
        earned |= {demo.COURSE_ID} if len(earned) == 2 else set()
        assert {s["object"]["id"] for s in group if verb(s) == "satisfied"} == earned


def test_some_stay_behind_and_one_never_came_back() -> None:
    people = by(person, STATEMENTS).values()
    units = [{s["object"]["id"] for s in group} & AU_IDS.keys() for group in people]
    assert sum(len(begun) == 1 for begun in units) == 5
    assert sum(len(begun) == 5 for begun in units) >= 15
    assert [verb(s) for s in min(people, key=len)][-1] == "abandoned"


def test_one_unit_is_waived_with_its_reason() -> None:
    (waived,) = [s for s in STATEMENTS if verb(s) == "waived"]
    assert waived["result"]["extensions"] == {RESULT + "reason": "Equivalent Outside Activity"}


def test_in_review_nothing_is_credited() -> None:
    launches = [s for s in STATEMENTS if extensions(s).get("launchmode") == "Review"]
    sessions = by(session_id, STATEMENTS)
    assert launches
    for launch in launches:
        assert [verb(s) for s in sessions[session_id(launch)]] == ["launched", "initialized", "terminated"]


def test_interactions_carry_choices_or_free_text() -> None:
    answers = [s for s in STATEMENTS if verb(s) == "answered"]
    free = [s for s in answers if s["object"]["definition"]["interactionType"] == "long-fill-in"]
    for answer in answers:
        definition, result = answer["object"]["definition"], answer["result"]
        if answer in free:
            assert "success" not in result
            assert len(result["response"]) > 30
        else:
            assert result["response"] in {choice["id"] for choice in definition["choices"]}
            assert result["success"] is (result["response"] in definition["correctResponsesPattern"])
    assert len({answer["result"]["response"] for answer in free}) > 50


def test_the_protagonist_has_a_rich_history() -> None:
    hers = [s for s in STATEMENTS if s["actor"] == demo.PROTAGONIST]
    verbs = Counter(verb(s) for s in hers)
    assert len(hers) > 60
    assert verbs["failed"] >= 2
    assert verbs["passed"] >= 2
    assert verbs["abandoned"] >= 1
    assert verbs["satisfied"] == 3
    assert sum(exchange["actor"] == demo.PROTAGONIST for exchange in EXCHANGES) >= 8


def test_no_object_is_shared_between_statements() -> None:
    """A caller may change a statement without changing the constants or the next statement."""
    first = next(iter(demo.statements(NOW)))
    first["actor"]["name"] = first["context"]["instructor"]["name"] = "changed"
    assert list(demo.statements(NOW)) == STATEMENTS
    assert demo.INSTRUCTOR["name"] != "changed"


def test_exchanges_have_the_shape_of_the_messages_api() -> None:
    keys = {"id", "actor", "request", "response", "activity", "registration", "started_at", "ended_at"}
    for exchange in EXCHANGES:
        request, response = exchange["request"], exchange["response"]
        assert exchange.keys() == keys
        assert request.keys() - {"system"} == {"model", "max_tokens", "messages"}
        roles = [turn["role"] for turn in request["messages"]]
        assert roles == ["user", "assistant", "user"][-len(roles) :]
        assert (response["type"], response["role"]) == ("message", "assistant")
        assert response["model"] == request["model"]
        assert response["content"][0]["type"] == "text"
        assert 0 < response["usage"]["output_tokens"] <= request["max_tokens"]


def test_exchanges_happen_within_a_session_of_the_same_learner_and_unit() -> None:
    spans = defaultdict(list)
    for group in by(session_id, STATEMENTS).values():
        spans[person(group[0]), group[0]["object"]["id"]].append((group[0], group[-1]))
    for exchange in EXCHANGES:
        started, ended = exchange["started_at"], exchange["ended_at"]
        assert started < ended
        assert any(
            first["timestamp"] <= started
            and ended <= last["timestamp"]
            and first["context"]["registration"] == exchange["registration"]
            for first, last in spans[person(exchange), exchange["activity"]]
        )


def test_texts_differ_and_are_free_of_placeholders() -> None:
    questions = [json.dumps(exchange["request"]["messages"]) for exchange in EXCHANGES]
    answers = [exchange["response"]["content"][0]["text"] for exchange in EXCHANGES]
    assert len(set(questions)) > 270
    assert len(set(answers)) > 270
    systems = [exchange["request"].get("system", "") for exchange in EXCHANGES]
    assert not any("{topic" in text or "{title" in text for text in questions + answers + systems)
