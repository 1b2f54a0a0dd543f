"""One reading for many: nobody is served by one that was sent before they asked, and few are sent."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.coalescing import Coalescing

WAIT = 30


@dataclass
class Store:
    """A number that is read by a reading that may be held on its way, with what stood there when it was sent."""

    number: int = 0
    readings: int = 0
    sent: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_arrive: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def read(self) -> int:
        """The number, when it may arrive."""
        found = self.number
        self.readings += 1
        self.sent.release()
        assert self.may_arrive.acquire(timeout=WAIT)
        return found


@given(st.lists(st.sampled_from(["ask", "change", "arrive"]), max_size=40))
def test_in_every_order_of_events_an_answer_is_as_new_as_its_question(steps: list[str]) -> None:
    store = Store()
    coalescing = Coalescing(store.read)
    under_way: list[tuple[int, Future[int]]] = []
    waiting: list[tuple[int, Future[int]]] = []
    readings = 0
    for step in [*steps, "arrive", "arrive"]:
        if step == "ask":
            (waiting if under_way else under_way).append((store.number, coalescing.ask()))
            if not waiting and len(under_way) == 1:
                assert store.sent.acquire(timeout=WAIT)
                readings += 1
        elif step == "change":
            store.number += 1
        elif under_way:
            store.may_arrive.release()
            assert all(future.result(WAIT) >= asked_at for asked_at, future in under_way)
            under_way, waiting = waiting, []
            if under_way:  # one for all who asked meanwhile
                assert store.sent.acquire(timeout=WAIT)
                readings += 1
    assert store.readings == readings
    assert not under_way
    assert not waiting


def test_with_many_threads_at_once_an_answer_is_as_new_as_its_question() -> None:
    number = 0
    coalescing = Coalescing(lambda: number)
    done = threading.Event()

    def change() -> None:
        nonlocal number
        while not done.is_set():
            number += 1

    def ask() -> bool:
        for _ in range(300):
            asked_at = number
            if coalescing.ask().result(WAIT) < asked_at:
                return False
        return True

    with ThreadPoolExecutor(5) as pool:
        pool.submit(change)
        answers = [pool.submit(ask) for _ in range(4)]
        assert all(one.result(WAIT) for one in answers)
        done.set()


def test_an_error_is_told_to_all_who_asked_and_to_nobody_after_them() -> None:
    found: list[int | Exception] = [OSError("gone"), 7]

    def read() -> int:
        one = found.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    coalescing = Coalescing(read)
    with pytest.raises(OSError, match="gone"):
        coalescing.ask().result(WAIT)
    assert coalescing.ask().result(WAIT) == 7
