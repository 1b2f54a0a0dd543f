"""A cmi5 course through a client that is not ours: the completion and progress reports, rule by rule.

`tincan` (PyPI) sends every statement to a running service over HTTP. What the reports must say stands in RULES:
a scenario a row, named for its rule (design, section 10), each with a learner and a registration of its own.
"""

import copy
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from tincan import RemoteLRS, Statement, StatementList

from tests.places import STORES, environment, new_place
from tests.postgres import Databases
from tests.running import Service

CMI5 = "https://w3id.org/xapi/cmi5/context/extensions/"
PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"
VIDEO = "https://w3id.org/xapi/video/extensions/progress"
VERBS = "http://adlnet.gov/expapi/verbs/"
ADL_PROFILE = "https://w3id.org/xapi/adl/verbs/"
CATEGORY = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
COURSE, OTHER_COURSE = "https://lms.example.org/course/safety", "https://lms.example.org/course/fire"
BLOCK = f"{COURSE}/block-1"
UNIT = f"{COURSE}/unit-1"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EPOCH_EVE = datetime(1969, 12, 31, 12, 0, 0, 500_000, tzinfo=UTC)
BEFORE_1970 = (EPOCH_EVE - START) / timedelta(minutes=1)
BATCH = 50
STATEMENTS_MIN = 1_000

Json = dict[str, Any]


def named(*parts: object) -> str:
    """An id that is the same in every run."""
    return str(uuid5(NAMESPACE_URL, " ".join(map(str, parts))))


def clock(minute: float) -> str:
    """A minute of the course as the reports write it."""
    return f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S.%fZ}"


@dataclass(frozen=True)
class Said:
    """One statement: the minute that it tells of, and what it says. ``late``: it arrives after all others."""

    minute: float
    verb: str
    session: str | None = None
    mode: str | None = None
    move_on: str | None = None
    result: Json | None = None
    key: str = ""
    voids: str = ""
    late: bool = False
    twice: bool = False
    registration_upper: bool = False
    by_sha1: bool = False


def at(minute: float, verb: str, session: str | None = None, **more: Any) -> Said:
    own = {name: more.pop(name) for name in list(more) if name in Said.__annotations__}
    return Said(minute, verb, session, result=more or None, **own)


def launched(
    minute: float, session: str | None, move_on: str | None = None, mode: str = "Normal", **more: Any
) -> Said:
    return at(minute, "launched", session, mode=mode, move_on=move_on, **more)


def void(key: str, *, late: bool = True) -> Said:
    return Said(90, "voided", voids=key, late=late)


def scaled(score: float) -> Json:
    return {"scaled": score}


def seen(percent: float) -> Json:
    return {PROGRESS: percent}


@dataclass(frozen=True)
class Rule:
    """A scenario: what happened, in the order of arrival, and the row that it makes.

    ``row`` is: completion, success, score, progress, attempts, seconds, the minute of satisfaction; - for null.
    """

    name: str
    happened: Sequence[Said]
    row: str
    activity: str = UNIT
    course: str = COURSE
    learner: str = ""
    registration: str | None = field(default="own")

    @property
    def who(self) -> str:
        return self.learner or self.name

    @property
    def registered(self) -> str | None:
        return named("registration", self.name, self.who) if self.registration else None


RULES = [
    #    rule                                             what happened, in the order of arrival
    #                                            completion success score progress attempts seconds satisfied
    # completion: true once result.completion is true or the verb is completed; voiding undoes it; never unset
    Rule("completed by the verb", [at(0, "completed")],                               "true - - 100 1 - -"),
    Rule("completed by the https verb", [at(0, "https:completed")],                   "true - - 100 1 - -"),
    Rule("completed by the result", [at(0, "experienced", completion=True)],          "true - - 100 1 - -"),
    Rule("said to be incomplete", [at(0, "experienced", completion=False)],           "false - - - 1 - -"),
    Rule("never unset by a later result", [at(0, "completed"), at(5, "experienced", completion=False)],
                                                                                      "true - - 100 1 - -"),
    Rule("incomplete, then late completed",
         [at(5, "experienced", completion=False), at(0, "completed", late=True)],
                                                                                      "true - - 100 1 - -"),
    Rule("nothing said about completion", [at(0, "experienced")],                     "- - - - 1 - -"),
    Rule("a voided completion", [at(0, "initialized"), at(1, "completed", key="c"), void("c")],
                                                                                      "- - - - 1 - -"),
    Rule("a completion voided before it came", [at(0, "initialized"), void("c", late=False),
                                                at(1, "completed", key="c", late=True)],   "- - - - 1 - -"),
    Rule("one of two completions voided", [at(0, "completed", key="c"), at(1, "completed"), void("c")],
                                                                                      "true - - 100 1 - -"),
    # success: true once passed (or result.success true); false only if failed and never passed
    Rule("passed by the verb", [at(0, "passed")],                                     "- true - - 1 - -"),
    Rule("passed by the result", [at(0, "experienced", success=True)],                "- true - - 1 - -"),
    Rule("failed by the verb", [at(0, "failed")],                                     "- false - - 1 - -"),
    Rule("failed by the result", [at(0, "experienced", success=False)],               "- false - - 1 - -"),
    Rule("failed, retried and passed", [at(0, "failed"), at(5, "failed"), at(9, "passed")],
                                                                                      "- true - - 1 - -"),
    Rule("passed, then failed", [at(0, "passed"), at(5, "failed")],                   "- true - - 1 - -"),
    Rule("passed, and a late failure of before", [at(9, "passed"), at(0, "failed", late=True)],
                                                                                      "- true - - 1 - -"),
    Rule("failed, and a late pass of before", [at(9, "failed"), at(0, "passed", late=True)],
                                                                                      "- true - - 1 - -"),
    Rule("failed, and a voided pass", [at(0, "failed"), at(5, "passed", key="p"), void("p")],
                                                                                      "- false - - 1 - -"),
    # score: of the passing statement, else the best; from raw, min and max when scaled is absent
    Rule("the passing score, not the best",
         [at(0, "failed", score=scaled(0.9)), at(5, "passed", score=scaled(0.7))],    "- true 0.7 - 1 - -"),
    Rule("the best passing score", [at(0, "passed", score=scaled(0.7)), at(5, "passed", score=scaled(0.8))],
                                                                                      "- true 0.8 - 1 - -"),
    Rule("the best score of failures", [at(0, "failed", score=scaled(0.6)), at(5, "failed", score=scaled(0.4))],
                                                                                      "- false 0.6 - 1 - -"),
    Rule("a score out of raw, min and max", [at(0, "passed", score={"raw": 55, "min": 10, "max": 70})],
                                                                                      "- true 0.75 - 1 - -"),
    Rule("scaled goes before raw", [at(0, "passed", score={"scaled": 0.5, "raw": 60, "min": 0, "max": 60})],
                                                                                      "- true 0.5 - 1 - -"),
    Rule("raw without max is no score", [at(0, "passed", score={"raw": 55, "min": 0})],    "- true - - 1 - -"),
    Rule("raw alone is no score", [at(0, "passed", score={"raw": 0.5})],              "- true - - 1 - -"),
    Rule("a negative score", [at(0, "failed", score=scaled(-0.5))],                   "- false -0.5 - 1 - -"),
    Rule("the passing score is voided",
         [at(0, "failed", score=scaled(0.4)), at(5, "passed", score=scaled(0.8), key="p"), void("p")],
                                                                                      "- false 0.4 - 1 - -"),
    # progress: 100 when completed; else the highest seen (cmi5 0 to 100, video profile 0 to 1 times 100)
    Rule("the highest progress", [at(0, "progressed", extensions=seen(30)),
                                  at(2, "progressed", extensions=seen(60)),
                                  at(1, "progressed", extensions=seen(40), late=True)],    "- - - 60 1 - -"),
    Rule("progress of a video", [at(0, "progressed", extensions={VIDEO: 0.25})],      "- - - 25 1 - -"),
    Rule("progress out of range", [at(0, "progressed", extensions=seen(30)),
                                   at(1, "progressed", extensions=seen(150)),
                                   at(2, "progressed", extensions={VIDEO: 1.5})],     "- - - 30 1 - -"),
    Rule("100 when completed", [at(0, "progressed", extensions=seen(40)), at(1, "completed")],
                                                                                      "true - - 100 1 - -"),
    Rule("progress of zero is known", [at(0, "progressed", extensions=seen(0))],      "- - - 0 1 - -"),
    # attempts: cmi5: sessions launched in the registration; else attempted, else initialized; at least 1
    Rule("a session is an attempt", [launched(0, "a"), at(1, "initialized", "a"), launched(9, "b"),
                                     at(10, "initialized", "b"), at(11, "initialized", "b")],
                                                                                      "- - - - 2 - -"),
    Rule("a session launched twice is one", [launched(0, "a"), launched(1, "a", late=True)],
                                                                                      "- - - - 1 - -"),
    Rule("sessions go before attempted", [launched(0, "a"), at(1, "attempted", "a"), at(2, "attempted", "a")],
                                                                                      "- - - - 1 - -"),
    Rule("attempted goes before initialized", [at(0, "attempted"), at(1, "attempted"), at(2, "attempted"),
                                               at(3, "initialized")],                 "- - - - 3 - -"),
    Rule("else initialized", [at(0, "initialized"), at(1, "initialized")],            "- - - - 2 - -"),
    Rule("at least one attempt", [at(0, "experienced")],                              "- - - - 1 - -"),
    Rule("the same statement twice is one", [at(0, "attempted", twice=True)],         "- - - - 1 - -"),
    Rule("a voided attempt", [at(0, "attempted"), at(1, "attempted", key="t"), void("t")], "- - - - 1 - -"),
    # time: terminated or abandoned durations per session; without sessions the longest of the terminal statements'
    Rule("time of sessions adds up",
         [launched(0, "a"), at(1, "terminated", "a", duration="PT1M"), launched(9, "b"),
          at(10, "abandoned", "b", duration="PT30S")],                                "- - - - 2 90 -"),
    Rule("terminated and abandoned is one session",
         [launched(0, "a"), at(1, "terminated", "a", duration="PT60S"), at(9, "abandoned", "a", duration="PT90S")],
                                                                                      "- - - - 1 90 -"),
    Rule("a session ends once: what ends within it adds nothing",
         [launched(0, "a"), at(1, "completed", "a", duration="PT50S"), at(2, "terminated", "a", duration="PT60S")],
                                                                                      "true - - 100 1 60 -"),
    Rule("without sessions the longest", [at(1, "completed", duration="PT50S"), at(2, "passed", duration="PT70S"),
                                          at(3, "exited", duration="PT20S")],         "true true - 100 1 70 -"),
    Rule("sessions, and never both", [launched(0, "a"), at(1, "terminated", "a", duration="PT10S"),
                                      at(2, "completed", duration="PT2H")],           "true - - 100 1 10 -"),
    Rule("other durations are no time", [at(0, "initialized", duration="PT10S")],     "- - - - 1 - -"),
    Rule("a voided termination",
         [launched(0, "a"), at(1, "terminated", "a", duration="PT60S", key="t"), void("t")], "- - - - 1 - -"),
    # satisfied_at: when launched's moveOn was met, or waived; NotApplicable: at registration, else first launch
    Rule("moveOn Passed", [launched(0, "a", "Passed"), at(5, "completed", "a"), at(9, "passed", "a")],
                                                                                      "true true - 100 1 - 9"),
    Rule("moveOn Passed, not met", [launched(0, "a", "Passed"), at(5, "completed", "a")],  "true - - 100 1 - -"),
    Rule("moveOn Completed", [launched(0, "a", "Completed"), at(5, "completed", "a"), at(9, "passed", "a")],
                                                                                      "true true - 100 1 - 5"),
    Rule("moveOn Completed, not met", [launched(0, "a", "Completed"), at(9, "passed", "a")], "- true - - 1 - -"),
    Rule("moveOn CompletedAndPassed", [launched(0, "a", "CompletedAndPassed"), at(5, "completed", "a"),
                                       at(9, "passed", "a")],                         "true true - 100 1 - 9"),
    Rule("moveOn CompletedAndPassed, half", [launched(0, "a", "CompletedAndPassed"), at(9, "passed", "a")],
                                                                                      "- true - - 1 - -"),
    Rule("moveOn CompletedOrPassed", [launched(0, "a", "CompletedOrPassed"), at(5, "completed", "a"),
                                      at(3, "passed", "a", late=True)],               "true true - 100 1 - 3"),
    Rule("moveOn CompletedOrPassed, neither", [launched(0, "a", "CompletedOrPassed"), at(3, "failed", "a")],
                                                                                      "- false - - 1 - -"),
    Rule("moveOn NotApplicable, registered", [launched(0, "a", "NotApplicable"), at(-10, "registered", late=True)],
                                                                                      "- - - - 1 - -10"),
    Rule("moveOn NotApplicable, launched", [launched(20, "b", "NotApplicable"),
                                            launched(2, "a", "NotApplicable", late=True)], "- - - - 2 - 2"),
    Rule("the latest launch's moveOn", [launched(0, "a", "Passed"), at(5, "completed", "a"),
                                        launched(20, "b", "Completed")],              "true - - 100 2 - 5"),
    Rule("a late launch of before changes no moveOn", [launched(20, "b", "Completed"), at(21, "completed", "b"),
                                                       launched(0, "a", "Passed", late=True)],
                                                                                      "true - - 100 2 - 21"),
    Rule("waived", [launched(0, "a", "Passed"), at(3, "waived", "w", completion=True, success=True)],
                                                                                      "true true - 100 1 - 3"),
    Rule("waived without a result", [launched(0, "a", "Passed"), at(3, "waived", "w")],    "- - - - 1 - 3"),
    Rule("a late pass of before satisfies before", [launched(0, "a", "Passed"), at(9, "passed", "a"),
                                                    at(4, "passed", "a", late=True)], "- true - - 1 - 4"),
    Rule("the satisfying pass is voided", [launched(0, "a", "Passed"), at(4, "passed", "a", key="p"),
                                           at(9, "passed", "a"), void("p")],          "- true - - 1 - 9"),
    Rule("a block is satisfied", [at(30, "satisfied", "a")],                          "- - - - 1 - 30", BLOCK),
    Rule("a course is satisfied", [at(31, "https:satisfied", "a")],                   "- - - - 1 - 31", COURSE),
    Rule("told of a time before 1970", [launched(BEFORE_1970, "a", "NotApplicable")],
                                                                                      "- - - - 1 - EPOCH_EVE"),
    Rule("outside cmi5 nothing is satisfied", [at(0, "completed"), at(1, "passed")],  "true true - 100 1 - -"),
    # Browse and Review never change status
    Rule("a Browse session",
         [launched(0, "a", "Completed", "Browse"), at(1, "initialized", "a"), at(2, "completed", "a"),
          at(3, "passed", "a", score=scaled(0.9)), at(4, "terminated", "a", duration="PT60S")],
                                                                                      "- - - - 1 60 -"),
    Rule("a Browse session whose launch is late",
         [at(2, "completed", "a"), at(3, "passed", "a"), launched(0, "a", "Completed", "Browse", late=True)],
                                                                                      "- - - - 1 - -"),
    Rule("a Review session after the real one",
         [launched(0, "a", "Passed"), at(5, "completed", "a"), at(6, "passed", "a", score=scaled(0.7)),
          at(7, "terminated", "a", duration="PT60S"), launched(20, "b", "Passed", "Review"),
          at(21, "failed", "b", score=scaled(0.1)), at(22, "passed", "b", score=scaled(1.0)),
          at(23, "terminated", "b", duration="PT30S")],                               "true true 0.7 100 2 90 6"),
    # registrations, and who is one learner
    Rule("no registration folds under null", [at(0, "completed"), at(1, "passed", late=True)],
                                                                                      "true true - 100 1 - -",
         registration=None),
    Rule("a first registration", [at(0, "completed")],                                "true - - 100 1 - -",
         learner="registered twice"),
    Rule("a second registration", [at(0, "failed")],                                  "- false - - 1 - -",
         learner="registered twice"),
    Rule("a registration in capitals is the same",
         [at(0, "completed"), at(1, "passed", registration_upper=True)],              "true true - 100 1 - -"),
    Rule("an address and its sha1 are one learner", [at(0, "completed"), at(1, "passed", by_sha1=True, late=True)],
                                                                                      "true true - 100 1 - -"),
]  # fmt: skip

# Beside the scenarios an ordinary cohort walks through the other course: three units, the block, the course.
COHORT = 45
ORDINARY = [
    Rule(
        f"ordinary {unit}",
        [
            launched(0, "a", "Completed"),
            at(1, "initialized", "a"),
            at(2, "progressed", "a", extensions=seen(50)),
            at(3, "completed", "a"),
            at(4, "passed", "a", score=scaled(0.8)),
            at(5, "terminated", "a", duration="PT5M"),
        ],
        "true true 0.8 100 1 300 3",
        f"{OTHER_COURSE}/{unit}",
        OTHER_COURSE,
    )
    for unit in ("unit-1", "unit-2", "unit-3")
] + [
    Rule("ordinary block", [at(6, "satisfied", "a")], "- - - - 1 - 6", f"{OTHER_COURSE}/block", OTHER_COURSE),
    Rule("ordinary course", [at(7, "satisfied", "a")], "- - - - 1 - 7", OTHER_COURSE, OTHER_COURSE),
]
EVERYTHING = RULES + [
    Rule(one.name, one.happened, one.row, one.activity, one.course, f"cohort {number}")
    for number in range(COHORT)
    for one in ORDINARY
]

# --- from the table to statements and rows -------------------------------------------------------------------


def learner(name: str) -> Json:
    """Every third is known by an mbox, an account, the sha1 of an mbox; a spreadsheet would run the names."""
    person: Json = {"objectType": "Agent", "name": f"={name}"}
    mbox = f"mailto:{named(name)}@example.org"
    kind = "mbox" if "sha1" in name else ("mbox", "account", "mbox_sha1sum")[UUID(named(name)).int % 3]
    identifiers: dict[str, Json] = {
        "mbox": {"mbox": mbox},
        "account": {"account": {"homePage": "https://lms.example.org", "name": named(name)}},
        "mbox_sha1sum": as_sha1({"mbox": mbox}),
    }
    return person | identifiers[kind]


def as_sha1(person: Json) -> Json:
    digest = hashlib.sha1(person["mbox"].encode()).hexdigest()  # noqa: S324
    return {"objectType": "Agent", "mbox_sha1sum": digest}


def verb_iri(verb: str) -> str:
    scheme, _, name = verb.rpartition(":")
    home = ADL_PROFILE if name in {"abandoned", "waived", "satisfied"} else VERBS
    other = {"https": home.replace("http://", "https://"), "": home}
    # Of the profile's verbs the published variant is the one without the s.
    return (home.replace("https://", "http://") if scheme and home == ADL_PROFILE else other[scheme]) + name


def statement(rule: Rule, said: Said, number: int) -> Json:
    """What an LMS would send."""
    person = learner(rule.who)
    made: Json = {
        "id": named("statement", rule.who, rule.name, said.key or number),
        "actor": as_sha1(person) if said.by_sha1 else person,
        "verb": {"id": verb_iri(said.verb), "display": {"en": said.verb}},
        "timestamp": clock(said.minute),
    }
    if said.voids:
        target = named("statement", rule.who, rule.name, said.voids)
        return made | {"object": {"objectType": "StatementRef", "id": target}}
    given = {"sessionid": said.session, "launchmode": said.mode, "moveon": said.move_on}
    context: Json = {
        "contextActivities": {"grouping": [{"id": rule.course}], "category": [{"id": CATEGORY}]},
        "extensions": {CMI5 + name: value for name, value in given.items() if value},
    }
    if rule.registered:
        # tincan quirk: it reads registrations in small letters only; capitals are put in where they are sent.
        context["registration"] = rule.registered
    made |= {"object": {"objectType": "Activity", "id": rule.activity}, "context": context}
    return made | ({"result": said.result} if said.result else {})


def expected(rule: Rule) -> Json:
    """The report's row."""
    words = {"true": True, "false": False, "-": None, "EPOCH_EVE": BEFORE_1970}
    values = [words[cell] if cell in words else float(cell) for cell in rule.row.split()]
    columns = (
        "completion",
        "success",
        "score_scaled",
        "progress",
        "attempts",
        "time_spent_seconds",
        "satisfied_at",
    )
    row: Json = dict(zip(columns, values, strict=True))
    if row["satisfied_at"] is not None:
        row["satisfied_at"] = clock(row["satisfied_at"])
    voided = {said.voids for said in rule.happened if said.voids}
    minutes = [said.minute for said in rule.happened if not said.voids and said.key not in voided - {""}]
    by_sha1 = any(said.by_sha1 for said in rule.happened)  # a report shows the newest spelling
    return row | {
        "learner": as_sha1(learner(rule.who)) if by_sha1 else learner(rule.who),
        "activity": rule.activity,
        "registration": rule.registered,
        "first_at": clock(min(minutes)),
        "last_at": clock(max(minutes)),
    }


def in_order(rows: Sequence[Json]) -> list[Json]:
    return sorted(rows, key=lambda row: json.dumps([row["learner"], row["activity"], row["registration"]]))


def expected_rows(*courses: str) -> list[Json]:
    return in_order([expected(rule) for rule in EVERYTHING if not courses or rule.course in courses])


class Client(RemoteLRS):  # type: ignore[misc]  # the client publishes no types
    """tincan, and what of it has to be worked around on Python 3."""

    def send(self, statements: Sequence[Json]) -> None:
        # tincan quirk: objects take the dicts that they are given apart, so each send has copies of its own.
        made = StatementList([Statement(copy.deepcopy(one)) for one in statements])
        answer = self.save_statements(made)
        assert answer.success, (answer.response.status, answer.data)
        assert json.loads(answer.data) == [one["id"] for one in statements]

    def ask(self, **query: Any) -> list[Any]:
        """Every page of a query."""
        # tincan quirk: a boolean would be sent as "True", so flags are given as text.
        answer = self.query_statements(query)
        assert answer.success, answer.data
        found = list(answer.content.statements)
        while answer.content.more:
            answer = self.more_statements(answer.content)
            assert answer.success, answer.data
            found += answer.content.statements
        return found


@dataclass
class Course:
    """The service after the course, and who may read it."""

    service: Service
    auth: tuple[str, str]
    sent_by_tincan: str = ""  # until when all was

    def __post_init__(self) -> None:
        self.client = self.service.client(self.auth)

    def restart(self) -> int:
        code = self.service.stop()
        self.service.start()
        self.client.base_url = self.service.url
        return code

    def lrs(self) -> Client:
        key, secret = self.auth
        return Client(endpoint=f"{self.service.url}/xapi", version="1.0.3", username=key, password=secret)

    def get(self, report: str, **parameters: Any) -> Json:
        answer = self.client.get(f"/reports/{report}", params={"wait": 20} | parameters)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        assert body["projection_lag"] == 0
        assert body["alarms"] == 0
        return body

    def rows(self, report: str = "completion", **parameters: Any) -> list[Json]:
        body = self.get(report, **parameters)
        assert body["more"] is None
        return in_order(body["rows"])


def in_batches(statements: Sequence[Json]) -> Iterator[Sequence[Json]]:
    for start in range(0, len(statements), BATCH):
        yield statements[start : start + BATCH]


def all_statements(*, late: bool) -> list[Json]:
    return [
        statement(rule, said, number)
        for rule in EVERYTHING
        for number, said in enumerate(rule.happened)
        if said.late is late and not said.registration_upper
    ]


@pytest.fixture(scope="module", params=STORES)
def course(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[Course]:
    """A running service that all of the course was sent to."""
    place = new_place(request.param, tmp_path_factory.mktemp("cmi5") / "data", postgres)
    service = Service(place.data_dir, environment=environment(place))
    service.lrs("tenant", "create", "acme")
    service.start()
    made = Course(service, service.credential("acme", "all"))
    try:
        send_everything(made)
        yield made
    finally:
        made.client.close()
        service.kill()


def send_everything(course: Course) -> None:
    lrs = course.lrs()
    on_time, late = all_statements(late=False), all_statements(late=True)
    assert len(on_time) + len(late) >= STATEMENTS_MIN
    for batch in in_batches(on_time):
        lrs.send(batch)
    lrs.send(on_time[:BATCH])  # a whole batch again, as after a broken connection
    for one in (one for rule in EVERYTHING for one in rule.happened if one.twice):
        rule = next(rule for rule in RULES if one in rule.happened)
        for _ in range(2):  # with its id in the query: a PUT
            assert lrs.save_statement(Statement(statement(rule, one, 0))).success
    assert course.rows()  # what is late meets rows that are folded already
    for batch in in_batches(late):
        lrs.send(batch)
    send_capitals(course)


def send_capitals(course: Course) -> None:
    """What tincan would not send, nor read: a registration in capitals."""
    newest = course.client.get("/xapi/statements", params={"limit": 1}).json()["statements"][0]
    course.sent_by_tincan = newest["stored"]
    for rule in RULES:
        for number, said in enumerate(rule.happened):
            if said.registration_upper:
                made = statement(rule, said, number)
                made["context"]["registration"] = made["context"]["registration"].upper()
                assert course.client.post("/xapi/statements", json=made).status_code == 200


# --- what the reports promise --------------------------------------------------------------------------------


def test_no_scenario_is_another_s_learner_and_every_column_takes_every_kind_of_value() -> None:
    assert len({(rule.who, rule.name) for rule in EVERYTHING}) == len(EVERYTHING)
    cells = list(zip(*(rule.row.split() for rule in RULES), strict=True))
    assert {"true", "false", "-"} <= set(cells[0]) & (set(cells[1]) | {"false"})
    assert all(len(set(column)) > 2 for column in cells)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_completion_report_follows_the_rule(course: Course, rule: Rule) -> None:
    (row,) = (
        course.rows(cohort=rule.registered)
        if rule.registered
        else [row for row in course.rows(learner=json.dumps(learner(rule.who))) if row["registration"] is None]
    )
    assert row == expected(rule)


@pytest.mark.parametrize("report", ["completion", "progress"])
def test_a_report_holds_the_rows_of_all_scenarios_and_no_others(course: Course, report: str) -> None:
    assert course.rows(report) == expected_rows()


def test_pages_hold_the_same_rows_in_the_same_order(course: Course) -> None:
    whole = course.get("completion")["rows"]
    for limit in (1, 7, 100, len(whole), 10_000):
        paged: list[Json] = []
        body = course.get("completion", limit=limit, **({"activity": UNIT} if limit == 1 else {}))
        while True:
            assert len(body["rows"]) == limit or body["more"] is None
            paged += body["rows"]
            if body["more"] is None:
                break
            body = course.get(
                "completion", limit=limit, more=body["more"], **({"activity": UNIT} if limit == 1 else {})
            )
        assert paged == ([row for row in whole if row["activity"] == UNIT] if limit == 1 else whole)


def csv_value(column: str, text: str) -> Any:
    if text == "":
        return None
    if column in {"completion", "success"}:
        return {"true": True, "false": False}[text]
    if column in {"score_scaled", "progress", "attempts", "time_spent_seconds"}:
        return float(text)
    return text


def csv_rows(text: str) -> list[Json]:
    lines = list(csv.DictReader(io.StringIO(text)))
    return [{column: csv_value(column, cell) for column, cell in line.items()} for line in lines]


def as_csv_row(row: Json, *, raw: bool) -> Json:
    row = dict(row)
    person = row.pop("learner")
    account = person.get("account")
    identifier = f"{account['homePage']} {account['name']}" if account else person.get("mbox")
    name = person.get("name")
    return row | {
        "learner_name": name if raw or name is None else f"'{name}",
        "learner_id": identifier or person["mbox_sha1sum"],
    }


@pytest.mark.parametrize("raw", [False, True], ids=["for spreadsheets", "raw"])
def test_csv_holds_the_same_rows(course: Course, *, raw: bool) -> None:
    whole = course.get("completion")["rows"]
    asked: Json = {"wait": 20, "format": "csv"} | ({"raw": "true"} if raw else {})
    answer = course.client.get("/reports/completion", params=asked)
    by_header = course.client.get(f"/reports/completion?raw={str(raw).lower()}", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-lethe-projection-lag"] == "0"
    assert csv_rows(answer.text) == [as_csv_row(row, raw=raw) for row in whole]
    assert by_header.text == answer.text


def test_the_learner_filter_finds_one_person_by_any_of_their_identifiers(course: Course) -> None:
    def rows_of(name: str) -> list[Json]:
        return in_order([expected(rule) for rule in EVERYTHING if rule.who == name])

    for name in ("registered twice", "cohort 0", "cohort 1", "cohort 2", "cohort 3", "cohort 4"):
        asked = json.dumps(learner(name))
        body = course.get("progress", learner=asked)
        assert in_order(body["rows"]) == rows_of(name)
        assert body["filters"] == {"learner": json.loads(asked)}
    both = "an address and its sha1 are one learner"
    for agent in (learner(both), as_sha1(learner(both))):
        assert course.rows(learner=json.dumps(agent)) == rows_of(both)
    assert course.rows(learner=json.dumps({"mbox": "mailto:nobody@example.org"})) == []


def test_the_activity_filter_finds_one_activity(course: Course) -> None:
    for activity in (UNIT, BLOCK, COURSE, OTHER_COURSE, f"{OTHER_COURSE}/block"):
        wanted = [row for row in expected_rows() if row["activity"] == activity]
        assert wanted
        assert course.rows(activity=activity) == wanted
    assert course.rows(activity=f"{COURSE}/nothing") == []


def test_the_cohort_filter_takes_a_registration_or_a_grouping(course: Course) -> None:
    assert course.rows(cohort=COURSE) == expected_rows(COURSE)
    assert course.rows(cohort=OTHER_COURSE) == expected_rows(OTHER_COURSE)
    assert course.rows(cohort=UNIT) == []
    registration = next(rule.registered for rule in EVERYTHING if rule.who == "cohort 7")
    assert registration is not None
    wanted = [row for row in expected_rows() if row["registration"] == registration]
    for spelling in (registration, registration.upper()):
        assert course.rows(cohort=spelling) == wanted
    assert len(wanted) == 1


def test_since_is_after_and_until_is_up_to_the_last_statement_of_a_row(course: Course) -> None:
    for since, until in ((None, 5), (5, None), (1, 7), (4.5, 5), (31, None), (90, None), (None, -10)):
        times = {"since": since, "until": until}
        asked = {name: clock(minute) for name, minute in times.items() if minute is not None}
        low, high = asked.get("since", ""), asked.get("until", "9")
        assert course.rows(**asked) == [row for row in expected_rows() if low < row["last_at"] <= high]


def test_since_and_until_are_exact_before_1970_too(course: Course) -> None:
    just_before = (EPOCH_EVE - timedelta(microseconds=250_000)).isoformat()
    (row,) = course.rows(since=just_before, until=EPOCH_EVE.isoformat())
    assert row["last_at"] == clock(BEFORE_1970) == "1969-12-31T12:00:00.500000Z"
    assert course.rows(until=just_before) == []


def test_filters_narrow_each_other(course: Course) -> None:
    asked = {
        "cohort": OTHER_COURSE,
        "activity": f"{OTHER_COURSE}/unit-2",
        "learner": json.dumps(learner("cohort 3")),
    }
    (row,) = course.rows(**asked)
    assert (row["learner"], row["activity"]) == (learner("cohort 3"), asked["activity"])
    assert course.rows(**asked, since=clock(5)) == []


# --- what the client reads back ------------------------------------------------------------------------------


def test_the_client_reads_back_every_statement_once_and_no_voided_one(course: Course) -> None:
    sent = {one["id"] for late in (False, True) for one in all_statements(late=late)}
    voided = {
        named("statement", rule.who, rule.name, said.voids)
        for rule in RULES
        for said in rule.happened
        if said.voids
    }
    found = [str(one.id) for one in course.lrs().ask(limit=300, ascending="true", until=course.sent_by_tincan)]
    assert len(found) == len(set(found))
    assert set(found) == sent - voided
    one = min(voided)
    assert str(course.lrs().retrieve_voided_statement(one).content.id) == one
    assert course.lrs().retrieve_statement(one).response.status == 404


def test_a_score_out_of_range_is_refused_and_leaves_no_row(course: Course) -> None:
    lrs = course.lrs()
    for score in ({"scaled": 1.5}, {"raw": 11, "min": 0, "max": 10}, {"raw": -1, "min": 0, "max": 10}):
        made = statement(Rule("out of range", [], ""), at(0, "passed", score=score), 0)
        answer = lrs.save_statement(Statement(made))
        assert answer.response.status == 400
        assert json.loads(answer.data)["code"] == "statement-invalid"
    assert course.rows(learner=json.dumps(learner("out of range"))) == []


# --- and it stays so -----------------------------------------------------------------------------------------


def test_the_rows_are_the_same_after_sigterm_and_a_restart(course: Course) -> None:
    before = course.get("completion")["rows"]
    assert course.restart() == 0
    assert course.get("completion")["rows"] == before
    assert course.rows() == expected_rows()


def test_a_rebuild_beside_the_running_service_says_the_same_and_changes_nothing(course: Course) -> None:
    before = course.get("completion")["rows"]
    rebuilt = course.service.lrs("rebuild", "--tenant", "acme")
    assert rebuilt == {
        "rebuilt": [{"tenant": "acme", "view": view, "same": True} for view in ("completion", "progress")]
    }
    assert course.get("completion")["rows"] == before
    assert course.rows("progress") == expected_rows()


def test_a_duplicate_batch_changes_nothing_and_another_statement_of_the_same_id_is_a_conflict(
    course: Course,
) -> None:
    course.lrs().send(all_statements(late=False)[-BATCH:])
    assert course.rows() == expected_rows()
    other = all_statements(late=False)[0]
    other["verb"]["id"] = VERBS + "failed"
    assert course.lrs().save_statement(Statement(other)).response.status == 409
    assert course.rows() == expected_rows()


def test_the_log_names_nobody(course: Course) -> None:
    asked = {"learner": json.dumps(learner("cohort 1")) + "!"}
    assert course.client.get("/reports/completion", params=asked).status_code == 400
    log = course.service.log()
    for secret in (named("cohort 1"), "cohort 1", course.auth[1]):
        assert secret not in log
