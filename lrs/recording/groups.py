"""Group commit: whatever waits for one tenant is written in one transaction.

A few workers serve all tenants in turn; one tenant is served by one worker at a time and goes to the end of the
line after each group, so a flood on one does not starve the others. The queue is limited: beyond, Overloaded.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, Generic, Protocol
from uuid import UUID

from eventsourcing.persistence import PersistenceError
from typing_extensions import TypeVar

from lrs.domain.errors import Failed, KeyStoreUnavailable, LetheError, Overloaded, StoreUnavailable
from lrs.recording.drafts import Draft

# One reading of the fence serves at most this many records.
GROUP_DRAFTS_MAX = 500
WAITING_DRAFTS_MAX = 20_000
WORKERS = 4
# How long a request waits for a store that does not answer, before 503.
OUTAGE_SECONDS_MAX = 8.0
DRAIN_SECONDS_MAX = 20.0
# Before those are asked again who wait for an erasure, where nothing else is to be done.
_HELD_UP_PAUSE_SECONDS = 0.02
# A transaction costs as much as four more statements in it, and clients that were answered together come back
# together. Measured with 8 connections: groups of 6 instead of 4, a third more a second, 12 % less computing. With
# one connection nobody else comes, with 64 groups are large without it: neither waits.
_MORE_COME_SECONDS = 0.001
_MORE_COME_AFTER = range(2, 16)

log = logging.getLogger("lethe.recording")


class Waiting(Protocol):
    """What waits to be written: it has an id to answer with."""

    @property
    def id(self) -> Any:
        """The id."""
        ...


# Statements and exchanges where nothing else is said.
D = TypeVar("D", bound=Waiting, default=Draft)


def _nobody(_: "Submission[Any]") -> None:
    """Nobody waits for the answer."""


@dataclass(slots=True)
class Submission(Generic[D]):
    """One request's drafts and what became of them: all are stored, or none is and ``error`` says why.

    ``answered`` hears of it in the thread that wrote them.
    """

    drafts: list[D]
    answered: Callable[["Submission[D]"], None] = _nobody
    submitted: float = field(default_factory=monotonic)
    done: bool = False
    error: BaseException | None = None

    def succeed(self) -> None:
        """All of it is stored."""
        self._end(None)

    def fail(self, error: BaseException) -> None:
        """None of it is."""
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self.error = error
        self.done = True
        self.answered(self)

    @property
    def late(self) -> bool:
        """Whether it has waited for a store that does not answer for as long as it may."""
        return monotonic() - self.submitted > OUTAGE_SECONDS_MAX


@dataclass(slots=True)
class _Queue(Generic[D]):
    waiting: deque[Submission[D]] = field(default_factory=deque)
    drafts: int = 0
    served: bool = False
    taken: int = 0  # requests in the last group


class GroupCommit(Generic[D]):
    """Queues by tenant, and the workers that write what waits in them."""

    def __init__(self, write: Callable[[str, list[Submission[D]]], list[Submission[D]]]) -> None:
        """``write`` gives back the submissions that have to wait for an erasure."""
        self._write = write
        self._queues: dict[str, _Queue[D]] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="record")

    def submit(self, tenant: str, submissions: Sequence[Submission[D]]) -> None:
        """Have these written, in this order. Those for which there is no more room fail with Overloaded."""
        refused: list[Submission[D]] = []
        with self._lock:
            queue = self._queues.setdefault(tenant, _Queue())
            for one in submissions:
                if queue.waiting and queue.drafts + len(one.drafts) > WAITING_DRAFTS_MAX:
                    refused.append(one)
                    continue
                queue.waiting.append(one)
                queue.drafts += len(one.drafts)
            if queue.waiting and not queue.served:
                queue.served = True
                self._workers.submit(self._serve, tenant, queue)
        fail_all(refused, Overloaded("too many records are waiting to be written: try again in a moment"))

    def record(self, tenant: str, drafts: list[D]) -> "Future[list[UUID]]":
        """The future of the drafts' ids."""
        future: Future[list[UUID]] = Future()
        future.set_running_or_notify_cancel()  # a caller who goes away takes nothing back

        def answered(submission: Submission[D]) -> None:
            if submission.error is None:
                future.set_result([draft.id for draft in drafts])
            else:
                future.set_exception(submission.error)

        self.submit(tenant, [Submission(drafts, answered)])
        return future

    def _serve(self, tenant: str, queue: _Queue[D]) -> None:
        """Write one group, then go to the end of the line if more waits. Who has to wait for an erasure goes
        back into the queue, so that the rest of the tenant's records does not wait along."""
        if queue.taken in _MORE_COME_AFTER:
            sleep(_MORE_COME_SECONDS)
        held_up = self._written(tenant, self._take(queue))
        if held_up and not queue.waiting:
            sleep(_HELD_UP_PAUSE_SECONDS)
        with self._lock:
            queue.waiting += held_up
            queue.drafts += sum(len(one.drafts) for one in held_up)
            if queue.waiting:
                self._workers.submit(self._serve, tenant, queue)
            else:
                queue.served = False

    def _written(self, tenant: str, group: list[Submission[D]]) -> list[Submission[D]]:
        """Write a group; who has to wait. Nobody waits for ever, whatever happens."""
        try:
            return self._write(tenant, group)
        except (PersistenceError, StoreUnavailable, KeyStoreUnavailable) as error:
            fail_all(group, outage(error))
            self._fail_late(outage(error))
        except LetheError as error:
            fail_all(group, error)
        except Exception as error:  # noqa: BLE001
            log.error("record failed: tenant=%s cause=%s", tenant, type(error).__name__)  # noqa: TRY400
            if len(group) > 1:  # a fault in one is not its neighbours': each by itself
                return [late for one in group if not one.done for late in self._written(tenant, [one])]
            fail_all(group, StoreUnavailable(f"the record could not be written: {type(error).__name__}"))
        return []

    def _fail_late(self, error: Failed) -> None:
        """The store does not answer: whoever has waited long enough, in any line, does not wait for a turn too."""
        late: list[Submission[D]] = []
        with self._lock:
            for queue in self._queues.values():
                while queue.waiting and queue.waiting[0].late:
                    late.append(queue.waiting.popleft())
                    queue.drafts -= len(late[-1].drafts)
        fail_all(late, error)

    def _take(self, queue: _Queue[D]) -> list[Submission[D]]:
        group: list[Submission[D]] = []
        count = 0
        with self._lock:
            while queue.waiting and (not group or count + len(queue.waiting[0].drafts) <= GROUP_DRAFTS_MAX):
                submission = queue.waiting.popleft()
                count += len(submission.drafts)
                group.append(submission)
            queue.drafts -= count
            queue.taken = len(group)
        return group

    def close(self) -> None:
        """Write what waits, then stop; what can not be written in time was never acknowledged."""
        deadline = monotonic() + DRAIN_SECONDS_MAX
        while monotonic() < deadline:
            with self._lock:
                if not any(queue.served for queue in self._queues.values()):
                    break
            sleep(0.01)
        self._workers.shutdown(wait=False, cancel_futures=True)


def outage(error: Exception) -> Failed:
    """What a request is told whose record could not be written."""
    if isinstance(error, Failed):
        return error
    return StoreUnavailable(f"the record could not be written: {type(error).__name__}")


def fail_all(group: Iterable[Submission[Any]], error: Exception) -> None:
    """Tell all who have no answer yet."""
    for submission in group:
        if not submission.done:
            submission.fail(error)
