"""The load generator: runs in a process of its own, sends requests for a while, and says how it went.

A job is a value and so is what comes back, so that both cross the process boundary as they are. Requests are made
before the clock starts, as far as can be guessed, so that the generator has nothing to do but send.
"""

import asyncio
import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, count, cycle, islice
from urllib.parse import urlsplit

import uvloop

from bench.connection import Connection, Request
from bench.statements import Statements, statements

POST, PAGE, REPORT = "post", "page", "report"
STATEMENTS_PATH = "/xapi/statements"
# So many statements a second are made beforehand; whoever is faster gets the rest while the clock runs.
_RATE_GUESSED = 25_000
_READY_STATEMENTS_MAX = 100_000
_READY_BARE_STATEMENTS_MAX = 4_000
# Of 20 requests of a mixed load: 16 posts, 3 pages, 1 report, spread out.
MIXTURE = (POST,) * 5 + (PAGE,) + (POST,) * 5 + (PAGE,) + (POST,) * 6 + (PAGE, REPORT)


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and by whose credential. ``bare``: a route that stores nothing takes the same again."""

    url: str
    key: str = "nobody"
    secret: str = "nothing"  # noqa: S105  (a bare route asks for none)
    bare: bool = False

    def head(self, method: str, path: str) -> bytes:
        """A request's head up to its last line."""
        token = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {urlsplit(self.url).netloc}",
            f"Authorization: Basic {token}",
            "X-Experience-API-Version: 1.0.3",
        ]
        if method == "POST":
            lines += ["Content-Type: application/json"]
        return "\r\n".join([*lines, ""]).encode()

    def get(self, kind: str, path: str) -> Request:
        """A GET."""
        return Request(kind, self.head("GET", path) + b"\r\n")


@dataclass(frozen=True, slots=True)
class Writing:
    """POSTs of statements from a number on: until the time is over, or until so many are sent."""

    target: Target
    wanted: int  # how many different statements the run knows, see bench.statements
    first: int
    connections: int
    batch: int = 0  # 0: single statements, not arrays
    seconds: float = 3_600.0
    statements_max: int = 1 << 60
    newcomers: bool = False
    numbers: tuple[int, ...] = ()  # these instead of counting on


@dataclass(frozen=True, slots=True)
class Reading:
    """GETs of these paths, one after the other on each connection."""

    target: Target
    paths: tuple[str, ...]
    connections: int = 1


@dataclass(frozen=True, slots=True)
class Mixing:
    """Single POSTs with pages and reports among them, each of these kinds of GETs in turn."""

    writing: Writing
    pages: tuple[str, ...]
    reports: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What came of a job. ``took``: seconds by kind of request; ``json_bytes`` is the plain JSON that was sent."""

    seconds: float = 0.0
    statements: int = 0
    json_bytes: int = 0
    generator_cpu_seconds: float = 0.0
    took: dict[str, list[float]] = field(default_factory=dict)
    answer_bytes: dict[str, int] = field(default_factory=dict)
    found: int = 0  # statements in the answers to GETs

    @property
    def latencies(self) -> list[float]:
        """Of all kinds."""
        return [one for taken in self.took.values() for one in taken]

    @property
    def rate(self) -> float:
        """Statements a second."""
        return self.statements / self.seconds

    def answered(self, request: Request, took: float, answer: bytes) -> None:
        """Count one answer."""
        kind = request.kind
        self.took.setdefault(kind, []).append(took)
        self.answer_bytes[kind] = self.answer_bytes.get(kind, 0) + len(answer)
        self.statements += request.statements
        self.json_bytes += request.json_bytes
        if kind == PAGE:
            self.found += answer.count(b'"stored":')


def prepare(wanted: int) -> None:
    """Make the statements of a run, before anything is measured."""
    statements(wanted)


def write(job: Writing) -> Outcome:
    """POST, and how it went. AnswerUnexpected when an answer was not 200."""
    return _run(job.target, _timed(_posts(job), job.seconds), job.connections)


def read(job: Reading) -> Outcome:
    """GET, and how it went."""
    requests = [job.target.get(PAGE, path) for path in job.paths]
    return _run(job.target, iter(requests * job.connections), job.connections)


def mix(job: Mixing) -> Outcome:
    """All kinds, and how it went."""
    writing = job.writing
    target, posts = writing.target, _posts(writing)
    pages = cycle([target.get(PAGE, path) for path in job.pages])
    reports = cycle([target.get(REPORT, path) for path in job.reports])
    kinds = {POST: posts, PAGE: pages, REPORT: reports}
    mixed = (next(kinds[kind]) for kind in cycle(MIXTURE))
    return _run(target, _timed(mixed, writing.seconds), writing.connections)


def _run(target: Target, requests: Iterator[Request], connections: int) -> Outcome:
    outcome = Outcome()
    uvloop.run(_drive(target, requests, connections, outcome))
    return outcome


async def _drive(target: Target, requests: Iterator[Request], connections: int, outcome: Outcome) -> None:
    parts = urlsplit(target.url)
    host, port = str(parts.hostname), int(parts.port or 80)
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), time.process_time()
    made = [
        await loop.create_connection(lambda: Connection(requests, outcome.answered), host, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in made))
    outcome.seconds = time.perf_counter() - began
    outcome.generator_cpu_seconds = time.process_time() - cpu


def _timed(requests: Iterator[Request], seconds: float) -> Iterator[Request]:
    """The requests, until so long after the first was asked for."""
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        request = next(requests, None)
        if request is None:
            return
        yield request


def _posts(job: Writing) -> Iterator[Request]:
    """What the job sends, made beforehand as far as it is likely to come."""
    made = _made(job, statements(job.wanted))
    size = max(1, job.batch)
    most = min(_READY_STATEMENTS_MAX, int(job.seconds * _RATE_GUESSED), job.statements_max)
    if job.target.bare:
        return cycle(list(islice(made, max(1, min(_READY_BARE_STATEMENTS_MAX, most) // size))))
    return chain(list(islice(made, most // size)), made)


def _made(job: Writing, known: Statements) -> Iterator[Request]:
    numbers = iter(job.numbers) if job.numbers else count(job.first)
    make = known.newcomer if job.newcomers else known.json
    left = len(job.numbers) if job.numbers else job.statements_max
    head = job.target.head("POST", STATEMENTS_PATH)
    while left > 0:
        size = min(job.batch or 1, left)
        left -= size
        body = b",".join([make(next(numbers)) for _ in range(size)])
        json_bytes = len(body) - size + 1
        if job.batch:
            body = b"[" + body + b"]"
        yield Request(POST, head + b"Content-Length: %d\r\n\r\n" % len(body) + body, size, json_bytes)
