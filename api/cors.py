"""Browsers of other origins: CORS for the xAPI resources, and OPTIONS on them.

Courses run in a browser on hosts of their own and speak xAPI from there, so cmi5 and its like need this. It hands
out no authority: a caller is known by the Authorization header alone, which the page sets itself, never by cookies
that a browser adds. Which origins may read answers is a setting; everything else of the service has no CORS.

A request without an Origin header costs one look over its headers.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_REQUEST_HEADERS: Final = (
    *("Accept", "Accept-Language", "Authorization", "Content-Type", "If-Match", "If-None-Match"),
    *("X-Experience-API-Version", "X-Experience-API-Hash", "Content-Transfer-Encoding", "Cache-Control"),
    "X-Requested-With",
)
_ANSWER_HEADERS: Final = (
    *("ETag", "Last-Modified", "Content-Length", "Retry-After", "WWW-Authenticate"),
    *("X-Experience-API-Consistent-Through", "X-Experience-API-Version"),
)
_READING, _STATEMENTS = ("GET", "HEAD"), ("GET", "HEAD", "POST", "PUT")
_DOCUMENTS = (*_STATEMENTS, "DELETE")
# By resource (1.0.3 Communication, appendix B); the alternate request syntax makes a POST of any of them.
METHODS: Final[Mapping[str, Sequence[str]]] = {
    "statements": _STATEMENTS,
    "about": _READING,
    "agents": _READING,
    "activities": _READING,
    "activities/state": _DOCUMENTS,
    "activities/profile": _DOCUMENTS,
    "agents/profile": _DOCUMENTS,
}
_BASES: Final = ("/xapi/1.0.3/", "/xapi/")
# Browsers ask again after two hours at most, whatever is said.
_PREFLIGHT_SECONDS: Final = 7_200


class Cors:
    """Answers OPTIONS and preflights on xAPI paths, and adds to the answers of pages of the origins allowed."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._browsers = CORSMiddleware(
            app,
            allow_origins=tuple(origins),
            allow_methods=_DOCUMENTS,
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_ANSWER_HEADERS,
            max_age=_PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] != "http" or not scope["path"].startswith("/xapi/"):
            await self._app(scope, receive, send)
            return
        app = self._app
        for name, _ in scope["headers"]:
            if name == b"origin":
                app = self._browsers
        if scope["method"] == "OPTIONS" and (allowed := _plain_options(scope)):
            app = Response(None, 204, {"Allow": ", ".join(allowed)})
        await app(scope, receive, send)


def _plain_options(scope: Scope) -> tuple[str, ...]:
    """What a resource allows, where that was asked; nothing for a browser's preflight and for other paths."""
    methods = METHODS.get(_resource(scope["path"]), ())
    if not methods or any(name == b"access-control-request-method" for name, _ in scope["headers"]):
        return ()
    return (*methods, "OPTIONS")


def _resource(path: str) -> str:
    for base in _BASES:
        if path.startswith(base):
            return path.removeprefix(base)
    return path
