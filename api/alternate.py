"""The alternate request syntax of xAPI 1.0.x: any request as a POST of a form, for clients that can send no other.

One translation ahead of all routes (1.0.3 Communication 1.3): the method comes from the query, headers, parameters
and content from the form. What reaches the routes is the request that was meant; they know nothing of it. 2.0 has
dropped the syntax, so it is refused there. A request without ``method=`` in its query is passed on as it is.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.bodies import BODY_BYTES_MAX, read_body
from lrs.domain.errors import InvalidRequest

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
_WITH_CONTENT: Final = frozenset({"PUT", "POST"})
# 1.0.3 Communication 1.3: these form parameters are headers, all others but ``content`` are query parameters.
_HEADERS: Final = frozenset(
    {"authorization", "x-experience-api-version", "content-type", "content-length", "if-match", "if-none-match"}
)
_CONTENT: Final = "content"
# Percent-encoded, a byte of the content is three in the form.
FORM_BYTES_MAX: Final = 3 * BODY_BYTES_MAX
# No resource has more than 15 parameters; with the headers and the content it is 22.
_FIELDS_MAX: Final = 40
_METHOD: Final = re.compile(rb"(?:^|&)method=")

Headers = list[tuple[bytes, bytes]]


class Alternate:
    """Translates requests in the alternate syntax; all others are passed on untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Translate or pass on."""
        if not (scope["type"] == "http" and scope["query_string"] and _is_meant(scope)):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await read_body(request, FORM_BYTES_MAX)
            # In a thread: decoding megabytes of percent signs takes a second, in which nobody else should wait.
            meant, content = await run_in_threadpool(_translated, scope, body)
        except Exception as error:  # noqa: BLE001  (whatever it is becomes an answer)
            await problems.answer(request, error)(scope, receive, send)
            return
        await self._app(meant, _received(content, receive), _bodiless(send) if meant["method"] == "HEAD" else send)


def _is_meant(scope: Scope) -> bool:
    return (
        scope["method"] == "POST"
        and scope["path"].startswith("/xapi/")
        and _METHOD.search(scope["query_string"]) is not None
    )


def _translated(scope: Scope, body: bytes) -> tuple[Scope, bytes]:
    """The request that was meant, and its content. InvalidRequest."""
    method = _method(scope["query_string"])
    form = _form(body)
    headers = {name.lower(): value for name, value in form.items() if name.lower() in _HEADERS}
    parameters = {name: value for name, value in form.items() if name.lower() not in _HEADERS}
    content = parameters.pop(_CONTENT, None)
    if content is None and method in _WITH_CONTENT:
        raise InvalidRequest("the form parameter content is required for this method")
    version = headers.get("x-experience-api-version") or _header(scope, b"x-experience-api-version")
    if version.startswith("2."):
        raise InvalidRequest("xAPI 2.0 has no alternate request syntax")
    sent = (content or "").encode() if method in _WITH_CONTENT else b""
    meant = {
        **scope,
        "method": method,
        "query_string": urlencode(parameters).encode(),
        "headers": _headers(scope["headers"], headers, sent, has_content=method in _WITH_CONTENT),
    }
    return meant, sent


def _method(query: bytes) -> str:
    # 1.0.3 Communication 1.3: no other query string parameter than the method.
    name, _, method = query.partition(b"=")
    if name != b"method" or method.decode("latin-1") not in _METHODS:
        raise InvalidRequest("method: must be GET, HEAD, PUT, POST or DELETE, and the only parameter in the query")
    return method.decode("latin-1")


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX
        )
    except ValueError:
        rule = f"the body must be a URL-encoded form in UTF-8 of at most {_FIELDS_MAX} parameters"
        raise InvalidRequest(rule) from None
    names = [name.lower() for name, _ in fields]
    if len(names) != len(set(names)):
        raise InvalidRequest("a form parameter is given twice")
    return dict(fields)


def _headers(sent: Headers, given: dict[str, str], content: bytes, *, has_content: bool) -> Headers:
    """The headers that were meant: those of the form win over those of the request that carries it."""
    replaced = {name.encode() for name in given} | {b"content-type", b"content-length", b"transfer-encoding"}
    kept = [(name, value) for name, value in sent if name.lower() not in replaced]
    named = {name: value for name, value in given.items() if name != "content-length"}
    if has_content:
        named.setdefault("content-type", "application/json")
        named["content-length"] = str(len(content))
    else:
        named.pop("content-type", None)
    if any(not value.isprintable() or not value.isascii() for value in named.values()):
        raise InvalidRequest("a form parameter that stands for a header holds what no header may")
    return kept + [(name.encode(), value.encode()) for name, value in named.items()]


def _header(scope: Scope, wanted: bytes) -> str:
    return next((bytes(value).decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def _received(content: bytes, receive: Receive) -> Receive:
    """The content in one message, then whatever happens to the connection."""
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received


def _bodiless(send: Send) -> Send:
    """What was asked by POST would be answered with a body, of which the server knows no better."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name != b"content-length"]
            message = {**message, "headers": [*kept, (b"content-length", b"0")]}
        elif message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sent
