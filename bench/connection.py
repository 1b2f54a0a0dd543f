"""One HTTP/1.1 keep-alive connection that sends the next request when it has the answer to the last.

Raw, on asyncio's protocol: measured, a request costs the generator about a tenth of what httpx2 takes (see
docs/benchmarks.md), and generator and server share the cores. It reads only answers with a Content-Length, as
this service sends them.
"""

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple, cast

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Request(NamedTuple):
    """What is sent, of which kind it is, and how many statements of how many bytes of plain JSON it carries."""

    kind: str
    data: bytes
    statements: int = 0
    json_bytes: int = 0


class AnswerUnexpected(Exception):
    """The server answered other than 200, or broke off: the run has no figures."""


class Connection(asyncio.Protocol):
    """Sends what ``requests`` yields, one after the other; ``ended`` is done when it yields no more."""

    def __init__(self, requests: Iterator[Request], answered: Callable[[Request, float, bytes], None]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._answered = answered
        self._buffer = b""
        self._wanted = 0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send_next()

    def data_received(self, data: bytes) -> None:
        """Take one more piece of the answer."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._wanted and not self._read_head():
            return
        if len(self._buffer) >= self._wanted:
            answer, self._buffer, self._wanted = self._buffer, b"", 0
            self._take(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """An end before the last answer is a failure."""
        if not self.ended.done():
            self.ended.set_exception(AnswerUnexpected(f"the connection was lost ({type(exc).__name__})"))

    def _read_head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH)
        length = head[at + len(_LENGTH) :].split(b"\r\n", 1)[0] if at >= 0 else b"0"
        self._wanted = end + len(_HEAD_END) + int(length)
        return True

    def _take(self, answer: bytes) -> None:
        took = perf_counter() - self._sent_at
        if answer[9:12] != b"200":
            self._end(AnswerUnexpected(answer[:2_000].decode(errors="replace")))
            return
        self._answered(self._request, took, answer)
        self._send_next()

    def _send_next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            return
        self._request = request
        self._sent_at = perf_counter()
        self._transport.write(request.data)

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            if error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(error)
        self._transport.close()
