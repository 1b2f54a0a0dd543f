"""Who calls: HTTP Basic with a credential's key and secret (RFC 7617).

1. The control store's fence is read for every request: who was revoked before it began is refused.
2. A header that was accepted under this very fence names the same caller again; nothing else is looked up.
3. Any other header is parsed and its secret compared, at the credential's row.
"""

import asyncio
import base64
import binascii
import hashlib

import anyio.from_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.waking import woken
from lrs.coalescing import Coalescing
from lrs.domain.access import Caller, Scope
from lrs.domain.errors import Unauthenticated
from lrs.tenancy import Credentials

_CALLERS_KNOWN_MAX = 10_000
_HEADER = b"authorization"


class Access:
    """Knows callers. Those accepted are remembered by the SHA-256 of their header, which keeps no secret."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._fences = None if credentials.fence_is_near else Coalescing(credentials.fence)
        self._known: tuple[int, dict[bytes, Caller]] = (-1, {})
        self._fence_now: int | None = None

    async def caller(self, request: Request, *scopes: Scope) -> Caller:
        """The caller, who has at least one of the scopes. Unauthenticated, Forbidden."""
        caller = await self._caller(_authorization(request))
        if not any(caller.may(scope) for scope in scopes):
            caller.need(scopes[0])
        return caller

    def caller_in_thread(self, request: Request, *scopes: Scope) -> Caller:
        """The same for a route that runs in a worker thread."""
        return anyio.from_thread.run(self.caller, request, *scopes)

    async def _caller(self, header: bytes) -> Caller:
        digest = hashlib.sha256(header).digest()
        if digest not in self._known[1]:
            _parse(header)  # what is no credential is refused before anything is asked
        fence = self._near_fence() if self._fences is None else await woken(self._fences.ask())
        known = self._known_under(fence)
        caller = known.get(digest)
        if caller is None:
            caller = await run_in_threadpool(self._credentials.authenticate, *_parse(header))
            # Into what was known under the fence that was read before the row: if it moved, nobody looks there.
            known[digest] = caller
        return caller

    def _near_fence(self) -> int:
        """Read now, once for all requests that wait for their turn in this round of the event loop: they had
        come before."""
        fence = self._fence_now
        if fence is None:
            fence = self._fence_now = self._credentials.fence()
            asyncio.get_running_loop().call_soon(self._forget_fence)
        return fence

    def _forget_fence(self) -> None:
        self._fence_now = None

    def _known_under(self, fence: int) -> dict[bytes, Caller]:
        """Callers accepted since the fence stands there."""
        if self._known[0] != fence or len(self._known[1]) >= _CALLERS_KNOWN_MAX:
            self._known = (fence, {})
        return self._known[1]


def _authorization(request: Request) -> bytes:
    for name, value in request.scope["headers"]:
        if name == _HEADER:
            return bytes(value)
    return b""


def _parse(header: bytes) -> tuple[str, str]:
    """Key and secret. Unauthenticated."""
    kind, _, encoded = header.decode("latin-1").partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    key, colon, secret = pair.partition(":")
    if kind.lower() != "basic" or not colon:
        raise Unauthenticated("HTTP Basic with a credential's key and secret is required")
    return key, secret
