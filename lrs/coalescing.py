"""One reading for everybody who asked before it was sent.

A fence must be read for every request, and over a network that is a round trip each. It only has to be as new as
the request: so whoever asks while a reading is under way waits for the next one, together with all others who ask
until that is sent. At most one reading is under way, and one is next.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Coalescing(Generic[_T]):
    """Reads in a thread of its own; nobody is served by a reading that was sent before they asked."""

    def __init__(self, read: Callable[[], _T]) -> None:
        self._read = read
        self._next: Future[_T] | None = None  # asked for, not sent yet
        self._reading = False
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")

    def ask(self) -> "Future[_T]":
        """The future of what the next reading finds, or of its error."""
        with self._lock:
            if self._next is None:
                self._next = Future()
                if not self._reading:
                    self._reading = True
                    self._thread.submit(self._serve)
            return self._next

    def _serve(self) -> None:
        while (sent := self._send()) is not None:
            try:
                found = self._read()
            except Exception as error:  # noqa: BLE001  (whoever asked is told)
                sent.set_exception(error)
            else:
                sent.set_result(found)

    def _send(self) -> "Future[_T] | None":
        """From here on, whoever asks is served by the one after this."""
        with self._lock:
            sent, self._next = self._next, None
            self._reading = sent is not None
            return sent
