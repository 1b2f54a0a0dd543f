"""Whatever is said, in whatever order: the facts come out the same, survive JSON and quote nobody."""

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from lrs.domain import completion, progress
from lrs.domain.facts import JOINS, NO_SESSION, Facts, fold, merge
from lrs.domain.signals import LaunchMode, MoveOn, Signal, signal_of
from lrs.domain.verbs import Verb

CMI5_CONTEXT = "https://w3id.org/xapi/cmi5/context/extensions/"
CMI5_PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"
VIDEO_PROGRESS = "https://w3id.org/xapi/video/extensions/progress"
VERBS = ["http://adlnet.gov/expapi/verbs/" + verb for verb in Verb] + [
    "https://w3id.org/xapi/adl/verbs/" + verb for verb in (Verb.ABANDONED, Verb.WAIVED, Verb.SATISFIED)
]
NAME = "Ada"  # in everything that a client writes here

numbers = st.one_of(st.floats(-2, 2), st.integers(-3, 103), st.booleans(), st.floats(), st.text())
few_times = st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000001Z"])
client_text = st.text(max_size=3).map(lambda text: NAME + text)
sessions = st.one_of(st.sampled_from([NAME + "1", NAME + "2", NAME + "3"]), client_text)
any_time = st.one_of(few_times, st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"), client_text)


def some(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parts)


results = some(
    completion=st.booleans(),
    success=st.booleans(),
    score=some(scaled=numbers, raw=numbers, min=numbers, max=numbers),
    duration=st.one_of(st.sampled_from(["PT0.1S", "PT0.2S", "PT1H", "P3D", "P1Y"]), client_text),
    extensions=some(**{CMI5_PROGRESS: numbers, VIDEO_PROGRESS: numbers}),
)
contexts = some(
    extensions=some(
        **{
            CMI5_CONTEXT + "sessionid": sessions,
            CMI5_CONTEXT + "launchmode": st.one_of(st.sampled_from([*LaunchMode]), client_text),
            CMI5_CONTEXT + "moveon": st.one_of(st.sampled_from([*MoveOn]), client_text),
        }
    )
)
statements = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "actor": st.just({"name": NAME, "mbox": "mailto:ada@example.com"}),
        "verb": st.fixed_dictionaries({"id": st.one_of(st.sampled_from(VERBS), client_text)}),
        "object": client_text.map(lambda text: {"id": "urn:" + text}),
        "stored_us": st.integers(0, 2),
    },
    optional={"timestamp": any_time, "result": results, "context": contexts},
)


def signal(statement: dict[str, Any]) -> Signal:
    found = signal_of(statement, UUID(statement["id"]), statement["stored_us"])
    assert found is not None
    return found


some_signals = st.lists(statements.map(signal), min_size=1, max_size=12, unique_by=lambda s: s.statement_id)


def folded(signals: list[Signal]) -> Facts:
    facts: Facts = {}
    for one in signals:
        fold(facts, one)
    return facts


def written(facts: Facts) -> str:
    """As rows are written."""
    return json.dumps(facts, sort_keys=True, allow_nan=False)


@given(signals=some_signals, data=st.data())
def test_no_order_changes_the_facts_their_bytes_or_the_results(signals: list[Signal], data: st.DataObject) -> None:
    facts, reordered = folded(signals), folded(data.draw(st.permutations(signals)))
    assert facts == reordered
    assert written(facts) == written(reordered)
    assert completion.result(facts) == completion.result(reordered)
    assert progress.result(facts) == progress.result(reordered)


@given(signals=some_signals, at=st.integers(0, 12))
def test_facts_folded_apart_and_merged_are_those_folded_together(signals: list[Signal], at: int) -> None:
    merged, more = folded(signals[:at]), folded(signals[at:])
    before = written(more)
    merge(merged, more)
    assert written(merged) == written(folded(signals))
    assert written(more) == before


@given(signals=some_signals)
def test_facts_kept_as_json_between_any_two_statements_are_the_same(signals: list[Signal]) -> None:
    kept: Facts = {}
    for one in signals:
        fold(kept, one)
        kept = json.loads(written(kept))
    facts = folded(signals)
    assert kept == facts
    assert repr(completion.result(kept)) == repr(completion.result(facts))
    assert repr(progress.result(kept)) == repr(progress.result(facts))


def leaves(value: Any) -> Iterator[Any]:
    """Every key and every value of the facts."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


@given(signals=some_signals)
def test_the_facts_hold_no_text_of_a_client(signals: list[Signal]) -> None:
    ours = {*JOINS, NO_SESSION, *LaunchMode, *MoveOn}
    ids = {str(one.statement_id) for one in signals} | {one.session for one in signals}
    facts = folded(signals)
    for leaf in leaves(facts):
        assert isinstance(leaf, int | float) or leaf in ours | ids
    assert NAME not in json.dumps(facts)


@given(signals=some_signals)
def test_results_stay_within_what_the_report_promises(signals: list[Signal]) -> None:
    facts = folded(signals)
    done, far = completion.result(facts), progress.result(facts)
    assert done.score_scaled is None or -1 <= done.score_scaled <= 1
    assert far.progress is None or 0 <= far.progress <= 100
    assert far.progress == 100 or done.completion is not True
    assert far.attempts >= 1
    assert far.time_spent_seconds is None or far.time_spent_seconds >= 0


@given(statement=statements)
def test_a_signal_has_text_of_the_client_in_no_field_but_the_activity(statement: dict[str, Any]) -> None:
    found = signal(statement)
    assert not [field.name for field in fields(found)[1:] if NAME in str(getattr(found, field.name))]
