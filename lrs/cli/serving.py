"""Running the service: one process, one line when it is ready, a clean end on SIGTERM and Ctrl-C."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from lrs.bootstrap import System
from lrs.cli.connections import Connection

_DRAIN_SECONDS = 20
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """uvicorn, saying when it is ready and when it begins to end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None], draining: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._draining = draining

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way; what nobody waits for ends meanwhile."""
        self._draining()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; every second, end whoever sends too slowly."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.end_if_slow(now)
        return await super().on_tick(counter)


def serve(
    system: System,
    host: str,
    port: int,
    ready: Callable[[str], None],
    listening: socket.socket | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished, what waits is written. ``listening``: an
    address that is bound already."""
    config = uvicorn.Config(
        system.application(),
        host=host,
        port=port,
        loop="uvloop",
        http=Connection,
        lifespan="off",
        # Access logs would hold query strings, which hold people's addresses.
        access_log=False,
        # Nothing asks where a request came from.
        proxy_headers=False,
        log_config=None,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    # uvicorn raises the signal again when it has drained; ours then unwinds instead of killing the process.
    signal.signal(signal.SIGTERM, _leave)
    _tame_collector()
    system.start()
    try:
        _Server(config, ready, system.wind_down).run([listening] if listening else None)
    except KeyboardInterrupt:
        pass
    finally:
        system.close()


def _tame_collector() -> None:
    """Full collections stop every request for tens of milliseconds; measured, they were all of a page's p99 and
    a fifth of the processor. What start-up made lives for ever, and requests leave few cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
