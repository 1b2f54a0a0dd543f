"""A small load, and a record of what came of each request: what was acknowledged must be there once afterwards.

    with Load(service.url, auth, seed=1) as load:
        ...break something...
    load.check()                    # every answer was 200, or 503 with Retry-After, and came in time
    check_stored(load, asking)      # what was acknowledged is there once; nothing is there twice

Half of the statements carry no id of the sender's: each is known by the activity that it alone is about.
"""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx2
import psycopg

from lrs.domain.events import StatementRecorded
from tests.subjects import Asking, Json, agent, came_back, statement

SECONDS_MAX = 20.0
BATCH_MAX = 20
_PEOPLE = 300
_PAUSE_SECONDS = 0.05  # of a sender that was told to try again
_MARKED = "https://course.example.org/marked/"
# The last is how the service's log shows an error with its place.
_FAULT_OF_OURS = re.compile(r"Traceback|unforeseen|record failed|status=500|^  \w+( from \w+)* at \w+\.py")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request and what came of it; status 0: the connection broke."""

    statements: list[Json]
    status: int
    ids: list[str]
    began: float
    seconds: float
    retry_after: str | None

    @property
    def acknowledged(self) -> bool:
        """Whether the sender was told that it is stored."""
        return self.status == 200


def marked_statement(draw: random.Random) -> Json:
    """A statement about an activity that no other is about; every second one without an id."""
    # Now and then somebody new, so that keys are always being minted.
    someone = agent(f"learner-{draw.randrange(_PEOPLE if draw.random() < 0.8 else 10**9)}")
    made = statement(someone, object={"objectType": "Activity", "id": f"{_MARKED}{uuid4()}"})
    if draw.random() < 0.5:
        del made["id"]
    return made


@dataclass
class Load:
    """Senders that post one after another, single statements and batches, until they are stopped."""

    url: str
    auth: tuple[str, str]
    seed: int
    senders: int = 4
    batch_max: int = BATCH_MAX
    sent: list[Sent] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Load":
        for number in range(self.senders):
            thread = threading.Thread(target=self._run, args=(random.Random(f"{self.seed}/{number}"),))
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, draw: random.Random) -> None:
        with httpx2.Client(
            base_url=self.url, auth=self.auth, headers={"X-Experience-API-Version": "1.0.3"}, timeout=60
        ) as http:
            while not self._stopping.is_set():
                count = 1 if draw.random() < 0.6 else draw.randint(2, self.batch_max)
                one = post(http, [marked_statement(draw) for _ in range(count)])
                self.sent.append(one)
                if not one.acknowledged:
                    self._stopping.wait(_PAUSE_SECONDS)

    # --- while it runs ---------------------------------------------------------------------------------------

    def wait_for_success(self, after: float, seconds: float = 30.0) -> float:
        """How long after that moment (monotonic) a request that began after it was acknowledged."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := [one for one in list(self.sent) if one.began >= after and one.acknowledged]:
                first = min(one.began + one.seconds for one in found)
                return first - after
            time.sleep(0.02)
        raise AssertionError(f"nothing was acknowledged in {seconds} s: {self.figures()}")

    # --- afterwards ------------------------------------------------------------------------------------------

    def check(self, *, broken: int = 0, seconds: float = SECONDS_MAX) -> None:
        """Every request was answered 200, or 503 with Retry-After, in time; ``broken``: so many connections may
        have ended instead."""
        assert {one.status for one in self.sent} <= {200, 503, 0}, self.figures()
        assert sum(one.status == 0 for one in self.sent) <= broken, self.figures()
        assert all(one.retry_after for one in self.sent if one.status == 503), self.figures()
        assert max(one.seconds for one in self.sent) <= seconds, self.figures()
        assert any(one.acknowledged for one in self.sent), self.figures()

    def figures(self) -> dict[str, Any]:
        """What came of it, to be printed."""
        if not self.sent:
            return {"requests": 0}
        slowest = sorted(self.sent, key=lambda one: one.seconds)
        return {
            "requests": len(self.sent),
            "statuses": dict(Counter(one.status for one in self.sent)),
            "statements": sum(len(one.statements) for one in self.sent if one.acknowledged),
            "slowest_s": round(slowest[-1].seconds, 2),
            "median_ms": round(slowest[len(slowest) // 2].seconds * 1000, 1),
        }


def post(http: httpx2.Client, statements: Sequence[Json]) -> Sent:
    """Send these in one request."""
    began = time.monotonic()
    try:
        answer = http.post("/xapi/statements", json=statements if len(statements) > 1 else statements[0])
    except httpx2.TransportError:
        return Sent(list(statements), 0, [], began, time.monotonic() - began, None)
    ids = answer.json() if answer.status_code == 200 else []
    seconds = time.monotonic() - began
    return Sent(list(statements), answer.status_code, ids, began, seconds, answer.headers.get("Retry-After"))


def check_stored(sent: Sequence[Sent], asking: Asking) -> None:
    """What was acknowledged is there once and as it was sent; what was not is there once, whole, or not at all."""
    found = asking.found(limit="500")
    by_id = {one["id"]: one for one in found}
    assert len(by_id) == len(found)
    of_activity = Counter(one["object"]["id"] for one in found)
    assert not [one for one, times in of_activity.items() if one.startswith(_MARKED) and times > 1]
    for one in sent:
        there = [of_activity[each["object"]["id"]] for each in one.statements]
        assert len(set(there)) == 1, "half of a request"
        if one.acknowledged:
            assert there == [1] * len(there), "acknowledged, and lost"
            for each, number in zip(one.statements, one.ids, strict=True):
                assert came_back({"id": number} | each, by_id[number])


def check_log(dsn: str, tenant: str = "acme", *, erased: bool = False) -> int:
    """Positions without a gap and in order, streams without holes, an index row a statement (with
    ``erased`` people: at most one); how many events."""
    with psycopg.connect(dsn) as connection:
        connection.execute(f'SET search_path = "tenant_{tenant}"'.encode())
        row = connection.execute("SELECT position FROM head").fetchone()
        events = connection.execute(
            "SELECT position, stored, originator_id, originator_version, topic FROM event ORDER BY position"
        ).fetchall()
        indexed = {row[0] for row in connection.execute("SELECT position FROM statement")}
    assert row is not None
    assert [one[0] for one in events] == list(range(1, row[0] + 1))
    assert [one[1] for one in events] == sorted(one[1] for one in events)
    versions: Counter[bytes] = Counter()
    for _, _, stream, version, _ in events:
        assert version == versions[stream] + 1
        versions[stream] = version
    statements = {one[0] for one in events if one[4] == StatementRecorded.TOPIC}
    assert indexed <= statements if erased else indexed == statements
    return len(events)


def check_service_log(text: str) -> None:
    """Nothing that nobody foresaw, and no traceback."""
    found = [line for line in text.splitlines() if _FAULT_OF_OURS.search(line)]
    assert not found, found[:10]
