"""The floor of HTTP: a bare ASGI route under the very settings that the service is served with.

``python -m bench.bare`` serves it on a free port. It reads the whole request and answers one id, or as many bytes
as ``?bytes=`` asks for; nothing is checked, sealed or stored.
"""

import functools
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from lrs.bootstrap import System
from lrs.cli.serving import serve

_ANSWER = b'["00000000-0000-4000-8000-000000000000"]'
_END_SECONDS_MAX = 30


def sized(size: float) -> str:
    """The path of a GET that is answered with so many bytes, head included."""
    return f"/?bytes={max(1, int(size) - _HEAD_BYTES)}"


_HEAD_BYTES = 130  # about what uvicorn's head takes


@functools.lru_cache(1_000)
def _answer(query: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    body = b"x" * int(query.partition(b"=")[2]) if query else _ANSWER
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


async def _route(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    start, body = _answer(scope["query_string"])
    await send(start)
    await send(body)


class _Bare:
    """What ``serve`` asks of a system: an application, and nothing that starts or ends."""

    def application(self) -> ASGIApp:
        return _route

    def start(self) -> None:
        """Nothing."""

    def wind_down(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _ready(url: str) -> None:
    sys.stdout.write(url + "\n")
    sys.stdout.flush()


class BareServer:
    """The bare route in a process of its own, for as long as the context lasts."""

    def __enter__(self) -> "BareServer":
        command = [sys.executable, "-m", "bench.bare"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        return self

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @functools.cached_property
    def url(self) -> str:
        """Where it is, once it is ready."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_END_SECONDS_MAX)
        assert self._process.stdout is not None
        self._process.stdout.close()


if __name__ == "__main__":
    serve(cast("System", _Bare()), "127.0.0.1", 0, _ready)
