"""A TCP proxy that breaks connections, between a client and a server that are well.

    with Proxy("127.0.0.1", server.port) as proxy:
        client = connect(port=proxy.port)
        proxy.fault_next(Fault.CUT_ANSWER)   # what the client sends next is carried out, and it never hears of it
        proxy.fault_next(Fault.CUT_ANSWER, b"COMMIT")   # the same for the next message that holds this

What a fault does to the next message from any client:

    LOSE          it does not arrive; the connection is cut
    CUT_ANSWER    it arrives and the server answers; the answer is lost, the connection is cut
    DROP_ANSWER   the same, but the connection stays, silent, until ``cut``: a machine that is gone

Beside that, for all connections, those to come too: ``delay_seconds``, ``refusing`` and ``silent`` (messages are
taken and go nowhere, both ways).
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType

_CHUNK_BYTES = 65_536


class Fault(Enum):
    """What happens to a message."""

    LOSE = auto()
    CUT_ANSWER = auto()
    DROP_ANSWER = auto()


class Proxy:
    """Listens on a port of its own; a thread each way for every connection."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.delay_seconds = 0.0  # before each message is passed on
        self.refusing = False  # new connections are cut at once
        self.silent = False  # a black hole: what comes is taken and goes nowhere
        self.connections_total = 0
        self.struck = threading.Event()  # the fault has happened
        self._fault: Fault | None = None
        self._containing = b""
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fault_next(self, fault: Fault | None, containing: bytes = b"") -> None:
        """Do this to the next message of a client's that holds these bytes; None: nothing after all."""
        with self._lock:
            self.struck.clear()
            self._fault, self._containing = fault, containing

    def cut(self) -> None:
        """Cut every connection."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def close(self) -> None:
        """Cut all and listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits there
        self._listener.close()
        self.cut()
        self._thread.join(5)

    def take_fault(self, data: bytes) -> Fault | None:
        """The fault, for the first message that it is meant for."""
        if self._fault is None or self._containing not in data:
            return None
        with self._lock:
            fault, self._fault = self._fault, None
        if fault is not None:
            self.struck.set()
        return fault

    def forget(self, link: "_Link") -> None:
        """The connection has ended."""
        with self._lock:
            self._links.discard(link)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections_total += 1
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self._server, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()


class _Link:
    """One connection of a client's and ours to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._answers: Fault | None = None
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        """Pass on what comes, both ways."""
        for pump in (self._ask, self._answer):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def cut(self) -> None:
        """Break it at both ends."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._proxy.forget(self)

    def _run(self, pump: Callable[[], bool]) -> None:
        try:
            while pump():
                pass
        except OSError:
            pass
        self.cut()

    def _ask(self) -> bool:
        data = self._client.recv(_CHUNK_BYTES)
        if not data:
            return False
        if self._proxy.silent:
            return True
        fault = self._proxy.take_fault(data)
        if fault is Fault.LOSE:
            return False
        if fault is not None:
            self._answers = fault
        self._wait()
        self._server.sendall(data)
        return True

    def _answer(self) -> bool:
        data = self._server.recv(_CHUNK_BYTES)
        if not data or self._answers is Fault.CUT_ANSWER:
            return False
        if self._answers is Fault.DROP_ANSWER or self._proxy.silent:
            return True
        self._wait()
        self._client.sendall(data)
        return True

    def _wait(self) -> None:
        if self._proxy.delay_seconds:
            time.sleep(self._proxy.delay_seconds)
