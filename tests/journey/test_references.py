"""Statements that refer to others are found by what their targets are found by (xAPI 1.0.3 Communication 2.1.3,
"Filter Conditions for StatementRefs"): against a plain filter over chains, in whatever order they came."""

import json
from collections.abc import Iterator
from itertools import permutations, product
from random import Random
from uuid import uuid4

import pytest

from lrs.adapters.sql import references
from lrs.bootstrap import System
from tests.subjects import ADA, ALAN, GRACE, Inside, Json, agent, inside, statement, voiding

REGISTRATION = "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01"
PEOPLE = [ADA, GRACE, ALAN]
VERBS = ("passed", "failed", "confirmed")
THINGS = [f"https://course.example.org/{number}" for number in range(3)]


@pytest.fixture
def acme(system: System) -> Inside:
    return inside(system)


def refers(to: Json | str, who: Json = GRACE, verb: str = "confirmed", **more: Json) -> Json:
    """Somebody says something of a statement."""
    target = to if isinstance(to, str) else to["id"]
    return statement(who, verb, object={"objectType": "StatementRef", "id": target}, **more)


def verb_of(name: str) -> str:
    return f"http://adlnet.gov/expapi/verbs/{name}"


def ids(statements: list[Json]) -> list[str]:
    return [one["id"] for one in statements]


def test_a_referrer_is_found_by_its_target_in_any_order_of_arrival(acme: Inside) -> None:
    for number, order in enumerate(permutations(range(3))):
        who = agent(f"learner{number}")
        passed = statement(
            who,
            "passed",
            object={"id": THINGS[number % 3]},
            context={"registration": str(uuid4()), "instructor": ALAN},
        )
        confirmed = refers(passed)
        doubted = refers(confirmed, ALAN, "doubted")
        chain = [passed, confirmed, doubted]
        for index in order:
            acme.post(chain[index])
        asked: list[dict[str, str]] = [
            {"agent": json.dumps(who)},
            {"registration": passed["context"]["registration"]},
            {"agent": json.dumps(who), "verb": verb_of("passed"), "activity": THINGS[number % 3]},
            {
                "agent": json.dumps(who),
                "related_agents": "true",
                "related_activities": "true",
                "activity": THINGS[number % 3],
            },
        ]
        for query in asked:
            assert set(ids(acme.found(**query))) == set(ids(chain)), (order, query)
        # A condition may be met by the statement itself or by what it refers to, each for itself.
        both = acme.found(agent=json.dumps(who), verb=verb_of("doubted"))
        assert ids(both) == [doubted["id"]]


def test_one_batch_may_hold_the_whole_chain(acme: Inside) -> None:
    for order in permutations(range(3)):
        who = agent(str(uuid4())[:8])
        passed = statement(who)
        chain = [passed, confirmed := refers(passed), refers(confirmed, ALAN)]
        acme.post(*(chain[index] for index in order))
        assert set(ids(acme.found(agent=json.dumps(who)))) == set(ids(chain))


def test_time_and_order_are_the_referrers_own(acme: Inside) -> None:
    passed = statement(ADA)
    acme.post(passed)
    between = acme.get(passed).json()["stored"]
    confirmed = refers(passed)
    acme.post(confirmed)
    her = json.dumps(ADA)
    assert ids(acme.found(agent=her, since=between)) == [confirmed["id"]]
    assert ids(acme.found(agent=her, until=between)) == [passed["id"]]
    assert ids(acme.found(agent=her, ascending="true")) == [passed["id"], confirmed["id"]]
    page = acme.http.get("/xapi/statements", params={"agent": her, "limit": "1"}).json()
    assert ids(page["statements"]) == [confirmed["id"]]
    assert ids(acme.http.get(page["more"]).json()["statements"]) == [passed["id"]]


def test_a_voided_target_is_not_shown_and_its_referrers_are(acme: Inside) -> None:
    passed = statement(ADA)
    confirmed, void = refers(passed), voiding(GRACE, passed["id"])
    for order in ([passed, confirmed, void], [void, passed, confirmed]):
        new = {one["id"]: str(uuid4()) for one in order}
        renamed = json.loads(json.dumps(order))
        for one in renamed:
            one["id"] = new[one["id"]]
            one["object"]["id"] = new.get(one["object"]["id"], one["object"]["id"])
            acme.post(one)
        wanted = {new[confirmed["id"]], new[void["id"]]}
        found = set(ids(acme.found(agent=json.dumps(ADA))))
        assert wanted <= found
        assert new[passed["id"]] not in found


def test_a_reference_in_the_context_counts_for_nothing(acme: Inside) -> None:
    passed = statement(ADA)
    aside = statement(GRACE, context={"statement": {"objectType": "StatementRef", "id": passed["id"]}})
    acme.post(passed, aside)
    assert ids(acme.found(agent=json.dumps(ADA))) == [passed["id"]]


def test_circles_end_and_long_chains_are_followed_so_far(acme: Inside) -> None:
    mine, yours = str(uuid4()), str(uuid4())
    acme.post(refers(yours, ADA) | {"id": mine}, refers(mine, ALAN) | {"id": yours})
    acme.post(refers((own := str(uuid4())), ADA) | {"id": own})
    assert set(ids(acme.found(agent=json.dumps(ALAN)))) == {mine, yours}
    who = agent("deep")
    chain = [statement(who)]
    for _ in range(references.CHAIN_MAX + 2):
        chain.append(refers(chain[-1]))
    for one in chain:
        acme.post(one)
    assert len(acme.found(agent=json.dumps(who))) == 1 + references.CHAIN_MAX


def test_a_target_with_more_referrers_waiting_than_the_limit_is_stored_all_the_same(
    acme: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "REFERRERS_MAX", 3)
    late = statement(ADA)
    acme.post(*(refers(late) for _ in range(10)))
    acme.post(late)
    assert 1 < len(acme.found(agent=json.dumps(ADA))) <= 11


# --- erasure -------------------------------------------------------------------------------------------------


def test_when_a_target_is_erased_its_referrers_say_nothing_of_it(acme: Inside) -> None:
    passed = statement(
        ADA, "passed", object={"id": THINGS[0]}, context={"registration": REGISTRATION, "instructor": ALAN}
    )
    confirmed = refers(passed)
    doubted = refers(confirmed, GRACE, "doubted")
    acme.post(passed, confirmed, doubted)
    acme.ran("erase", ADA)
    for query in ({"verb": verb_of("passed")}, {"activity": THINGS[0]}, {"registration": REGISTRATION}):
        assert acme.found(**query) == []
    assert acme.found_by(ALAN) == []
    assert ids(acme.found(verb=verb_of("confirmed"))) == [doubted["id"], confirmed["id"]]
    assert len(acme.rows("SELECT * FROM inherited")) > 0  # of the middle one, which stays


def test_when_somebody_in_a_target_is_erased_nobody_finds_anything_by_them(acme: Inside) -> None:
    passed = statement(ADA, context={"instructor": GRACE})
    acme.post(passed, refers(passed, ALAN))
    subject = acme.known(GRACE)
    assert len(acme.found_by(GRACE)) == 2
    acme.ran("erase", GRACE)
    terms = [acme.system.tenants.store(acme.tenant).statements.term(kind, subject.hex) for kind in "warx"]
    assert acme.rows("SELECT * FROM inherited WHERE term IN (?,?,?,?)", *terms) == []
    assert len(acme.found_by(ADA)) == 2


def test_when_a_referrer_is_erased_nothing_of_it_is_left(acme: Inside) -> None:
    passed = statement(ADA)
    acme.post(passed, refers(passed, ALAN))
    acme.ran("erase", ALAN)
    assert acme.rows("SELECT * FROM inherited") == acme.rows("SELECT * FROM reference") == []
    assert ids(acme.found_by(ADA)) == [passed["id"]]


# --- against a plain filter ----------------------------------------------------------------------------------


def corpus(rng: Random, count: int) -> list[Json]:
    """Statements of which a third refer to others, some to none that is there."""
    made: list[Json] = []
    names = [str(uuid4()) for _ in range(count)]
    for name in names:
        who, verb = rng.choice(PEOPLE), rng.choice(VERBS)
        if rng.random() < 0.35:
            target = rng.choice(names) if rng.random() < 0.9 else str(uuid4())
            made.append(refers(target, who, verb) | {"id": name})
        else:
            made.append(statement(who, verb, object={"id": rng.choice(THINGS)}) | {"id": name})
    return made


def chain_of(one: Json, by_id: dict[str, Json]) -> Iterator[Json]:
    """It, and what it refers to, down to the bound."""
    seen: set[str] = set()
    for _ in range(1 + references.CHAIN_MAX):
        if one["id"] in seen:
            return
        seen.add(one["id"])
        yield one
        if one["object"].get("objectType") != "StatementRef" or one["object"]["id"] not in by_id:
            return
        one = by_id[one["object"]["id"]]


def test_a_plain_filter_over_chains_finds_the_same(acme: Inside) -> None:
    rng = Random(3)
    said = corpus(rng, 120)
    by_id = {one["id"]: one for one in said}
    sent = said.copy()
    rng.shuffle(sent)
    while sent:
        batch = [sent.pop() for _ in range(min(len(sent), rng.randint(1, 20)))]
        acme.post(*batch)
    options = [(None, *map(json.dumps, PEOPLE)), (None, *map(verb_of, VERBS)), (None, *THINGS)]
    for who, verb, thing in product(*options):
        query = {name: value for name, value in (("agent", who), ("verb", verb), ("activity", thing)) if value}
        wanted = set()
        for one in said:
            chain = list(chain_of(one, by_id))
            met = [
                who is None or any(other["actor"] == json.loads(who) for other in chain),
                verb is None or any(other["verb"]["id"] == verb for other in chain),
                thing is None or any(other["object"]["id"] == thing for other in chain),
            ]
            if all(met):
                wanted.add(one["id"])
        found = ids(acme.found(**query, limit="7"))
        assert len(found) == len(set(found))
        assert set(found) == wanted, query


# --- whose statements ----------------------------------------------------------------------------------------


def test_pages_of_who_reads_only_its_own_are_full(acme: Inside) -> None:
    mine = inside(acme.system, "acme", "statements/write", "statements/read/mine")
    for _ in range(5):
        mine.post(statement(ADA))
        acme.post(*(statement(ADA) for _ in range(20)))
    mine.post(refers(statement(ADA)))
    for query in ({}, {"agent": json.dumps(ADA)}, {"verb": verb_of("completed")}):
        answer = mine.http.get("/xapi/statements", params={"limit": "4"} | query).json()
        assert len(answer["statements"]) == 4
        assert len(answer["statements"] + mine.http.get(answer["more"]).json()["statements"]) == 5 + (not query)


def test_an_authority_is_found_by_related_agents_alone(acme: Inside) -> None:
    other = inside(acme.system)
    acme.post(own := statement(ADA), refers(own))
    other.post(theirs := statement(GRACE, "passed"))
    authority = json.dumps(acme.get(theirs).json()["authority"])
    assert ids(acme.found(agent=authority, related_agents="true")) == [theirs["id"]]
    assert ids(acme.found(agent=authority, related_agents="true", verb=verb_of("passed"))) == [theirs["id"]]
    assert acme.found(agent=authority, related_agents="true", verb=verb_of("failed")) == []
    assert acme.found(agent=authority) == []
    about = statement(GRACE, object=json.loads(authority))
    acme.post(about)
    assert set(ids(acme.found(agent=authority, related_agents="true"))) == {theirs["id"], about["id"]}
    acme.system.tenants.create("globex")
    assert inside(acme.system, "globex").found(agent=authority, related_agents="true") == []
