"""Callers who are remembered: for as long as the fence stands, not longer, not too many, and without a secret."""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest
from starlette.requests import Request

from api.access import Access
from api.waking import woken
from lrs.bootstrap import System, build
from lrs.domain.access import Caller, Scope
from lrs.domain.errors import Forbidden, Unauthenticated
from lrs.tenancy import Credentials

WAIT = 30
SECRET = "an-ocelot-in-a-top-hat"


def request(key: str, secret: str, before: str = "Basic ") -> Request:
    """A request with these in its header."""
    header = before.encode() + base64.b64encode(f"{key}:{secret}".encode())
    return Request({"type": "http", "headers": [(b"host", b"localhost"), (b"authorization", header)]})


@dataclass
class Told:
    """Credentials that accept one secret until it is revoked, and count what they are asked."""

    fence_is_near: bool = True
    moved: int = 0
    revoked: bool = False
    asked: list[str] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    def fence(self) -> int:
        """Where it stands."""
        return self.moved

    def revoke(self) -> None:
        """In another process."""
        self.revoked = True
        self.moved += 1

    def authenticate(self, key: str, secret: str) -> Caller:
        """Look, then take a while to say what was seen."""
        self.asked.append(key)
        accepted = secret == SECRET and not self.revoked
        self.began.set()
        assert self.may_answer.wait(WAIT)
        if not accepted:
            raise Unauthenticated("no")
        return Caller(UUID(int=1), "acme", frozenset({Scope.STATEMENTS_WRITE}))

    def access(self) -> Access:
        """Callers by these."""
        return Access(cast("Credentials", self))


both = pytest.mark.parametrize("near", [True, False])


@both
def test_a_header_is_looked_into_once_while_the_fence_stands(near: bool) -> None:
    told = Told(near)

    async def requests() -> None:
        access = told.access()
        for _ in range(3):
            await access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE)
        await asyncio.sleep(0)
        told.moved += 1
        await access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE)
        with pytest.raises(Forbidden):
            await access.caller(request("key", SECRET), Scope.DSAR)

    asyncio.run(requests())
    assert told.asked == ["key", "key"]


def test_a_near_fence_is_read_once_for_all_who_came_in_one_round_and_anew_for_who_comes_later() -> None:
    told = Told()
    read: list[int] = []
    told.fence = lambda: read.append(told.moved) or told.moved  # type: ignore[method-assign, func-returns-value]

    async def requests() -> None:
        access = told.access()
        for _ in range(2):
            calls = (access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE) for _ in range(8))
            await asyncio.gather(*calls)
            told.moved += 1

    asyncio.run(requests())
    assert read == [0, 1]


@both
def test_who_is_refused_is_looked_into_every_time(near: bool) -> None:
    told = Told(near)

    async def requests() -> None:
        access = told.access()
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                await access.caller(request("key", "wrong"), Scope.STATEMENTS_WRITE)

    asyncio.run(requests())
    assert told.asked == ["key", "key"]


@both
def test_many_at_once_are_refused_when_they_began_after_the_revocation(near: bool) -> None:
    told = Told(near)

    async def outcomes(access: Access) -> set[str]:
        calls = (access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE) for _ in range(64))
        return {type(one).__name__ for one in await asyncio.gather(*calls, return_exceptions=True)}

    async def requests() -> None:
        access = told.access()
        assert await outcomes(access) == {"Caller"}
        told.revoke()
        assert await outcomes(access) == {"Unauthenticated"}

    asyncio.run(requests())


@both
def test_who_was_looked_up_before_a_revocation_is_not_remembered_after_it(near: bool) -> None:
    """Two begin before it; the fence is moved and read by a third while the first is still being looked up."""
    told = Told(near)
    told.may_answer.clear()

    async def requests() -> None:
        access = told.access()
        early = asyncio.create_task(access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE))
        await asyncio.to_thread(told.began.wait, WAIT)
        told.revoke()
        late = asyncio.create_task(access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE))
        await asyncio.sleep(0.05)
        told.may_answer.set()
        assert (await early).tenant == "acme"  # it began before
        with pytest.raises(Unauthenticated):
            await late
        with pytest.raises(Unauthenticated):
            await access.caller(request("key", SECRET), Scope.STATEMENTS_WRITE)

    asyncio.run(requests())


def test_no_more_than_ten_thousand_are_remembered_and_none_with_a_secret() -> None:
    told = Told()

    async def requests() -> None:
        access = told.access()
        for spaces in range(10_050):  # one credential may write its header in many ways
            caller = access.caller(request("key", SECRET, "Basic" + " " * (spaces + 1)), Scope.STATEMENTS_WRITE)
            await caller
            if spaces in {0, 9_999, 10_000}:
                assert len(access._known[1]) == (spaces % 10_000) + 1
        remembered = access._known[1]
        assert len(remembered) == 50
        assert {len(digest) for digest in remembered} == {32}
        assert SECRET not in repr(remembered)

    asyncio.run(requests())


@both
def test_a_revocation_in_another_process_is_seen_by_the_very_next_request(system: System, near: bool) -> None:
    issued = system.credentials.issue("acme", ["all"])
    told = _Near(system.credentials, near)
    other = build(system.settings)

    async def requests() -> None:
        access = Access(cast("Credentials", told))
        for _ in range(2):
            caller = await access.caller(request(issued.row.key, issued.secret), Scope.STATEMENTS_WRITE)
            assert caller.tenant == "acme"
        await asyncio.to_thread(other.credentials.revoke, issued.row.key)
        with pytest.raises(Unauthenticated):
            await access.caller(request(issued.row.key, issued.secret), Scope.STATEMENTS_WRITE)

    asyncio.run(requests())
    other.close()


@dataclass
class _Near:
    """Real credentials that say of their fence what they are told to."""

    real: Credentials
    fence_is_near: bool

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


# --- back to the event loop -----------------------------------------------------------------------------------


def in_a_loop(work: Callable[[], Awaitable[None]]) -> None:
    """Run the work."""

    async def run() -> None:
        await work()

    asyncio.run(run())


def test_answers_of_a_group_wake_the_loop_once() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        wakes: list[object] = []
        real = loop.call_soon_threadsafe

        def counted(*arguments: Any) -> asyncio.Handle:
            wakes.append(arguments)
            return real(*arguments)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        futures: list[Future[int]] = [Future() for _ in range(64)]
        waiters = [woken(future) for future in futures]
        for number, future in enumerate(futures):
            future.set_result(number)
        assert await asyncio.gather(*waiters) == list(range(64))
        assert len(wakes) == 1

    in_a_loop(work)


def test_errors_come_back_and_a_waiter_that_left_disturbs_nobody() -> None:
    async def work() -> None:
        futures: list[Future[int]] = [Future() for _ in range(3)]
        left, failed, fine = (woken(future) for future in futures)
        left.cancel()

        def answer() -> None:
            futures[0].set_result(0)
            futures[1].set_exception(OSError("gone"))
            futures[2].set_result(2)

        answering = threading.Thread(target=answer)
        answering.start()
        assert await fine == 2
        with pytest.raises(OSError, match="gone"):
            await failed
        answering.join()
        assert not futures[0].cancelled()

    in_a_loop(work)
