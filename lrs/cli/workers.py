"""Several processes behind one address: ``lrs serve --workers N``.

1. The parent takes the address and starts the workers; each listens on it by itself (SO_REUSEPORT), and the kernel
   shares connections out among them.
2. When all say that they are ready, the parent says so.
3. A worker that dies is replaced. One that can not even start ends the whole service: the operator should see it.
4. SIGTERM and SIGINT go to every worker; each finishes what it is at.
5. A worker whose parent has died ends as at a signal: nobody would replace it, and it would hold the address.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from lrs.domain.errors import code_of

log = logging.getLogger("lethe.workers")

Work = Callable[[socket.socket, Callable[[str], None]], None]

_ENDING = (signal.SIGTERM, signal.SIGINT)
_RESTART_PAUSE_SECONDS = 1.0
_DRAIN_SECONDS_MAX = 30.0


def listen_address(host: str, port: int) -> socket.socket:
    """A socket that has the address for itself and those that share it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


class Workers:
    """The parent of N processes that do the same work on one address."""

    def __init__(self, work: Work, host: str, port: int, count: int) -> None:
        self._work = work
        self._held = listen_address(host, port)  # bound, never listening: it keeps the port that was chosen
        self._address = (host, self._held.getsockname()[1])
        self._count = count
        self._running: set[int] = set()
        self._stopping = False
        # Nothing is ever said here: it ends with the parent, and so the workers hear of that.
        self._parent, self._held_open = os.pipe()

    def run(self, ready: Callable[[str], None]) -> int:
        """Serve until a signal; the exit code. ``ready`` hears the URL once all are."""
        for number in _ENDING:
            signal.signal(number, self._stop)
        urls = [self._start() for _ in range(self._count)]
        if not all(urls):
            self._stop(signal.SIGTERM, None)
            self._reap()
            return 1
        ready(urls[0])
        while not self._stopping:
            self._replace_dead()
        self._reap()
        return 0

    def _start(self) -> str:
        """Start a worker; its URL when it is ready, empty when it did not come that far."""
        told, tell = os.pipe()
        # A signal comes before, when nobody is started any more, or finds the new worker among the running.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            if not self._stopping:
                child = os.fork()
                if child == 0:
                    os.close(told)
                    self._be_worker(tell)
                self._running.add(child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.close(tell)
        with os.fdopen(told) as pipe:
            return pipe.readline().strip()

    def _be_worker(self, tell: int) -> None:
        """What the child does; it does not return."""
        code = 1
        try:
            for number in _ENDING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            os.close(self._held_open)
            threading.Thread(target=_end_with, args=(self._parent,), daemon=True).start()
            self._work(listen_address(*self._address), lambda url: _say(tell, url))
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception as error:  # noqa: BLE001  (the process ends here)
            log.error("worker failed: %s", code_of(error))  # noqa: TRY400
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _replace_dead(self) -> None:
        child, _ = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            time.sleep(0.1)  # a signal ends it early
            return
        self._running.discard(child)
        if not self._stopping:
            time.sleep(_RESTART_PAUSE_SECONDS)
            self._start()  # or nobody, when a signal came meanwhile

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._running:
            os.kill(child, signal.SIGTERM)

    def _reap(self) -> None:
        deadline = time.monotonic() + _DRAIN_SECONDS_MAX
        while self._running and time.monotonic() < deadline:
            child, _ = os.waitpid(-1, os.WNOHANG)
            self._running.discard(child)
            time.sleep(0.02)
        for child in self._running:
            os.kill(child, signal.SIGKILL)


def _end_with(parent: int) -> None:
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _say(pipe: int, url: str) -> None:
    os.write(pipe, f"{url}\n".encode())
    os.close(pipe)
