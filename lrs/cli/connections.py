"""Connections that take only so much and wait only so long.

The server reads a request's head without end and waits for its rest for ever; whoever sends slowly, or never ends,
would take memory and connections from everybody. Knows bytes and seconds, nothing of what is asked.
"""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Request line and headers. Agents and activities in query strings stay below 4 KiB; nginx takes 32.
HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS_MAX = 20.0
# A body may take as long as it likes while it comes: not nothing for so long, nor less than this a second.
BODY_STALL_SECONDS_MAX = 30.0
BODY_BYTES_PER_SECOND_MIN = 512


class Connection(HttpToolsProtocol):
    """The server's own protocol, with limits."""

    _in_head = True
    _head_bytes = 0
    _began = 0.0
    _heard = 0.0
    _body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there, and should say what he wants."""
        super().connection_made(transport)
        self._began = self.loop.time()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._in_head, self._head_bytes, self._body_bytes = True, 0, 0
        self._began = self.loop.time()

    def on_headers_complete(self) -> None:
        """Its last one."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take it, unless a head grows beyond its limit (RFC 6585 section 5)."""
        super().data_received(data)
        self._heard = self.loop.time()
        if not self._in_head:
            self._body_bytes += len(data)
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def end_if_slow(self, now: float) -> None:
        """Close it when what it was sending should have come by now (RFC 9110 15.5.9)."""
        if not self.transport.is_closing() and (self._head_is_late(now) or self._body_is_late(now)):
            self._end(HTTPStatus.REQUEST_TIMEOUT)

    def _head_is_late(self, now: float) -> bool:
        # Between two requests of one connection the server's own keep-alive timer counts.
        begun = self._in_head and (self.cycle is None or self._head_bytes > 0)
        return begun and now - self._began > HEAD_SECONDS_MAX

    def _body_is_late(self, now: float) -> bool:
        cycle = self.cycle
        if self._in_head or cycle is None or not cycle.more_body or cycle.response_complete:
            return False
        if self.flow.read_paused:  # it is us who are slow
            self._began = self._heard = now
            self._body_bytes = 0
            return False
        took = now - self._began
        too_few = took > BODY_STALL_SECONDS_MAX and self._body_bytes < took * BODY_BYTES_PER_SECOND_MIN
        return too_few or now - self._heard > BODY_STALL_SECONDS_MAX

    def _end(self, status: HTTPStatus) -> None:
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            answer = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(answer.encode())
        self.transport.close()
