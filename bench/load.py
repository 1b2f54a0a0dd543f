"""The load generator: runs in a process of its own, sends one kind of request for a while, and says how it went.

A job is a value and so is what comes back, so that both cross the process boundary as they are.
"""

import asyncio
import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import uvloop

from bench.connection import Connection
from bench.statements import Statements, statements


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and by whose credential."""

    url: str
    key: str = "nobody"
    secret: str = "nothing"  # noqa: S105  (a bare route asks for none)

    def head(self, method: str, path: str, length: int | None = None) -> bytes:
        """A request's head."""
        token = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {urlsplit(self.url).netloc}",
            f"Authorization: Basic {token}",
            "X-Experience-API-Version: 1.0.3",
        ]
        if length is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {length}"]
        return "\r\n".join([*lines, "", ""]).encode()


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
    """GETs of these paths, one after the other on one connection."""

    target: Target
    paths: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What came of a job. ``latencies`` in seconds; ``body_bytes`` is the plain JSON that was sent."""

    seconds: float = 0.0
    statements: int = 0
    body_bytes: int = 0
    generator_cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answer_bytes: int = 0
    found: int = 0  # statements in the answers to GETs

    @property
    def rate(self) -> float:
        """Statements a second."""
        return self.statements / self.seconds


def write(job: Writing) -> Outcome:
    """POST, and how it went. AnswerUnexpected when an answer was not 200."""
    outcome = Outcome()
    requests = _posts(job, statements(job.wanted), outcome)
    uvloop.run(_drive(job.target, requests, job.connections, outcome))
    return outcome


def read(job: Reading) -> Outcome:
    """GET, and how it went."""
    outcome = Outcome()
    requests = iter([job.target.head("GET", path) for path in job.paths])
    uvloop.run(_drive(job.target, requests, 1, outcome))
    return outcome


async def _drive(target: Target, requests: Iterator[bytes], connections: int, outcome: Outcome) -> None:
    def answered(took: float, answer: bytes) -> None:
        outcome.latencies.append(took)
        outcome.answer_bytes += len(answer)
        outcome.found += answer.count(b'"stored":')

    parts = urlsplit(target.url)
    host, port = str(parts.hostname), int(parts.port or 80)
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), time.process_time()
    made = [
        await loop.create_connection(lambda: Connection(requests, answered), host, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in made))
    outcome.seconds = time.perf_counter() - began
    outcome.generator_cpu_seconds = time.process_time() - cpu


def _posts(job: Writing, known: Statements, outcome: Outcome) -> Iterator[bytes]:
    """Requests until the job's time or number is over; counts what it gives out."""
    numbers = iter(job.numbers) if job.numbers else count(job.first)
    make = known.newcomer if job.newcomers else known.json
    ends = time.perf_counter() + job.seconds
    left = len(job.numbers) if job.numbers else job.statements_max
    while left > 0 and time.perf_counter() < ends:
        size = min(job.batch or 1, left)
        left -= size
        body = b",".join([make(next(numbers)) for _ in range(size)])
        outcome.statements += size
        outcome.body_bytes += len(body) - size + 1
        if job.batch:
            body = b"[" + body + b"]"
        yield job.target.head("POST", "/xapi/statements", len(body)) + body
