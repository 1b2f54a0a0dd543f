"""Connections end when a head grows or a sender stalls; whoever sends well is left alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from lrs.cli.connections import (
    BODY_BYTES_PER_SECOND_MIN,
    BODY_STALL_SECONDS_MAX,
    HEAD_BYTES_MAX,
    HEAD_SECONDS_MAX,
    Connection,
)

ANSWER = b"HTTP/1.1 200"
LATE = b"HTTP/1.1 408"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def echo(_scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Talk:
    """One connection: what is sent, what comes back, and time that passes at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: ServerState) -> None:
        self._reader, self._writer, self._state = reader, writer, state

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0.05)

    async def read(self) -> bytes:
        """What is there; empty when the connection has ended."""
        return await asyncio.wait_for(self._reader.read(65_536), 5)

    def pass_time(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._state.connections):
            assert isinstance(connection, Connection)
            connection.end_if_slow(now + seconds)


def talk(story: Callable[[Talk], Awaitable[None]]) -> None:
    async def told() -> None:
        config, state = uvicorn.Config(echo, http=Connection, lifespan="off", access_log=False), ServerState()
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        await asyncio.sleep(0.05)
        await story(Talk(reader, writer, state))
        writer.close()
        server.close()
        await server.wait_closed()

    asyncio.run(told())


def test_a_head_without_end_is_refused() -> None:
    async def story(one: Talk) -> None:
        await one.send(HEAD + b"X-Long: " + b"a" * HEAD_BYTES_MAX)
        assert (await one.read()).startswith(b"HTTP/1.1 431")
        assert await one.read() == b""

    talk(story)


def test_many_headers_are_refused_before_their_end() -> None:
    async def story(one: Talk) -> None:
        await one.send(b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)))
        assert (await one.read()).startswith(b"HTTP/1.1 431")

    talk(story)


def test_a_head_within_the_limit_is_answered() -> None:
    async def story(one: Talk) -> None:
        await one.send(HEAD + b"X-Long: " + b"a" * (HEAD_BYTES_MAX // 2) + b"\r\nContent-Length: 2\r\n\r\nhi")
        assert (await one.read()).endswith(b"hi")

    talk(story)


def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    async def story(one: Talk) -> None:
        one.pass_time(HEAD_SECONDS_MAX - 1)
        await one.send(HEAD)
        one.pass_time(HEAD_SECONDS_MAX - 1)
        one.pass_time(HEAD_SECONDS_MAX + 1)
        assert (await one.read()).startswith(LATE)
        assert await one.read() == b""

    talk(story)


def test_a_second_head_on_a_connection_is_not_waited_for_either() -> None:
    async def story(one: Talk) -> None:
        await one.send(HEAD + b"Content-Length: 1\r\n\r\na")
        assert (await one.read()).startswith(ANSWER)
        one.pass_time(HEAD_SECONDS_MAX + 1)  # between two requests nobody is late
        await one.send(b"GET / HT")
        one.pass_time(HEAD_SECONDS_MAX + 1)
        assert (await one.read()).startswith(LATE)

    talk(story)


def test_a_body_that_stalls_is_not_waited_for() -> None:
    async def story(one: Talk) -> None:
        await one.send(HEAD + b"Content-Length: 10\r\n\r\nhalf")
        one.pass_time(BODY_STALL_SECONDS_MAX - 1)
        one.pass_time(BODY_STALL_SECONDS_MAX + 1)
        assert (await one.read()).startswith(LATE)
        assert await one.read() == b""

    talk(story)


def test_a_body_that_drips_is_not_waited_for() -> None:
    async def story(one: Talk) -> None:
        await one.send(HEAD + b"Content-Length: 100000\r\n\r\n")
        await one.send(b"a" * 100)
        connection = next(iter(one._state.connections))
        assert isinstance(connection, Connection)
        connection._began -= 10 * BODY_STALL_SECONDS_MAX  # it has been coming for so long
        one.pass_time(1)
        assert (await one.read()).startswith(LATE)

    talk(story)


def test_a_long_body_may_take_its_time_while_it_comes() -> None:
    async def story(one: Talk) -> None:
        size = int(BODY_BYTES_PER_SECOND_MIN * 12 * BODY_STALL_SECONDS_MAX)
        await one.send(HEAD + b"Content-Length: %d\r\n\r\n" % (size + 1))
        await one.send(b"a" * size)
        connection = next(iter(one._state.connections))
        assert isinstance(connection, Connection)
        connection._began -= 10 * BODY_STALL_SECONDS_MAX
        one.pass_time(1)
        await one.send(b"a")
        assert (await one.read()).startswith(ANSWER)

    talk(story)
