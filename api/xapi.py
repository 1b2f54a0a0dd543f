"""The xAPI resources over HTTP: /xapi/statements and /xapi/about, and the same under /xapi/1.0.3/.

1. The version header is read, or refused with the label that the path gives.
2. The caller is authenticated and needs a scope.
3. The body or the parameters are checked: from there on they are trusted.
4. The use case does the work; its answer becomes headers and JSON.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bodies import read_json
from api.formats import is_uuid
from api.parameters import StatementParameters, statement_parameters
from api.problems import VERSION_HEADER, carried
from api.services import Services
from api.shapes import check_statement, check_statements
from api.thin import Answer
from lrs.domain import formats
from lrs.domain.access import Caller, Scope
from lrs.domain.errors import InvalidRequest, InvalidStatement, LimitExceeded
from lrs.domain.instants import instant, timestamp_text
from lrs.recording.drafts import Draft, statement_draft

CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
STATEMENTS_MAX = 10_000
SUPPORTED = ("1.0.0", "1.0.1", "1.0.2", "1.0.3", "2.0.0")
_VERSIONS = ((re.compile(r"1\.0(\.\d{1,3})?"), "1.0.3"), (re.compile(r"2\.0(\.\d{1,3})?"), "2.0.0"))
_LANGUAGES_MAX = 50

Resource = Callable[[Request, str], Awaitable[Response]]  # the request, and the version that it speaks
# The base paths are one store; they differ in the label of a missing version header alone.
_BASES = {"/xapi": "2.0.0", "/xapi/1.0.3": "1.0.3"}


def statements(services: Services) -> dict[tuple[str, str], Answer]:
    """How the Statement Resource answers, by method and path."""
    made = _Statements(services)
    resources = {"GET": made.get, "HEAD": made.get, "POST": made.post, "PUT": made.put}
    return {
        (method, f"{base}/statements"): _negotiated(resource, label)
        for base, label in _BASES.items()
        for method, resource in resources.items()
    }


def routes(answers: Mapping[tuple[str, str], Answer]) -> APIRouter:
    """The Statement Resource with these answers, and the About Resource."""
    router = APIRouter(tags=["xAPI"])
    for base, label in _BASES.items():
        name = "" if base == "/xapi" else "-1.0.3"
        for method in ("GET", "HEAD", "POST", "PUT"):
            router.add_api_route(
                f"{base}/statements",
                answers[method, f"{base}/statements"],
                methods=[method],
                operation_id=f"{method.lower()}-statements{name}",
                summary=f"{method} statements",
                response_class=Response,
            )
        for method in ("GET", "HEAD"):
            router.add_api_route(
                f"{base}/about",
                _about(label),
                methods=[method],
                operation_id=f"{method.lower()}-about{name}",
                summary="About this LRS",
                response_class=Response,
            )
    return router


def version_of(request: Request) -> str:
    """1.0.3 or 2.0.0, as the header says. InvalidRequest when it is missing or another."""
    sent = request.headers.get(VERSION_HEADER, "")
    for pattern, version in _VERSIONS:
        if pattern.fullmatch(sent):
            return version
    raise InvalidRequest(f"the header {VERSION_HEADER} must be 1.0.x or 2.0.x")


def _negotiated(resource: Resource, label: str) -> Answer:
    async def negotiated(request: Request) -> Response:
        headers = carried(request)
        headers[VERSION_HEADER] = label
        headers[VERSION_HEADER] = version = version_of(request)
        return await resource(request, version)

    return negotiated


def _about(label: str) -> Answer:
    async def about(request: Request) -> Response:
        # An old client breaks on a version that it does not know: callers of 1.0.x are shown 1.0.x only.
        sent = request.headers.get(VERSION_HEADER, label)
        shown = [version for version in SUPPORTED if not sent.startswith("1.") or version.startswith("1.")]
        version = "1.0.3" if sent.startswith("1.") else "2.0.0"
        return _json({"version": shown}, {VERSION_HEADER: version})

    return about


class _Statements:
    """The Statement Resource."""

    def __init__(self, services: Services) -> None:
        self._services = services

    # --- writing ---------------------------------------------------------------------------------------------

    async def post(self, request: Request, version: str) -> Response:
        """Store one statement or several; the array of their ids."""
        caller = await self._services.access.caller(request, Scope.STATEMENTS_WRITE)
        if request.scope["query_string"] and request.query_params:
            raise InvalidRequest("this method takes no parameters")
        content = await read_json(request)
        if isinstance(content, list):
            if len(content) > STATEMENTS_MAX:
                raise LimitExceeded(f"more than {STATEMENTS_MAX} statements in one request")
            check_statements(content, version)
        else:
            check_statement(content, version)
            content = [content]
        drafts = [self._draft(one, caller, version) for one in content]
        await self._record(caller, drafts)
        return _json([str(draft.id) for draft in drafts], carried(request))

    async def put(self, request: Request, version: str) -> Response:
        """Store one statement under the id in the query."""
        caller = await self._services.access.caller(request, Scope.STATEMENTS_WRITE)
        sent = request.query_params.get("statementId", "")
        if not is_uuid(sent) or len(request.query_params.multi_items()) != 1:
            raise InvalidRequest("statementId: must be a UUID, and the only parameter")
        content = await read_json(request)
        check_statement(content, version)
        if content.get("id", sent).lower() != sent.lower():
            raise InvalidStatement("id", "must be the statementId of the request", "1.0.3 Communication 2.1.1")
        draft = self._draft(content | {"id": sent}, caller, version)
        await self._record(caller, [draft])
        return Response(status_code=204, headers=carried(request))

    def _draft(self, statement: dict[str, Any], caller: Caller, version: str) -> Draft:
        statement_id = UUID(statement["id"]) if "id" in statement else uuid4()
        return statement_draft(
            statement,
            statement_id,
            version=version,
            authority=caller.credential,
            public_url=self._services.public_url,
        )

    async def _record(self, caller: Caller, drafts: list[Draft]) -> None:
        if drafts:
            await self._services.handover.record(caller.tenant, drafts)

    # --- reading ---------------------------------------------------------------------------------------------

    async def get(self, request: Request, _version: str) -> Response:
        """One statement, or a page of them."""
        caller = await self._services.access.caller(request, Scope.STATEMENTS_READ, Scope.STATEMENTS_READ_MINE)
        return await run_in_threadpool(self._found, request, caller)

    def _found(self, request: Request, caller: Caller) -> Response:
        mine = None if caller.may(Scope.STATEMENTS_READ) else caller.credential
        retriever = self._services.retriever
        headers = carried(request)
        headers[CONSISTENT_HEADER] = retriever.consistent_through(caller.tenant)
        asked = statement_parameters(request.query_params, mine)
        if asked.statement is not None:
            one = retriever.one(caller.tenant, asked.statement, voided=asked.voided, authority=mine)
            stored = _http_date(one["stored"])
            body = _formatted(request, asked, one)
            headers["Last-Modified"] = stored
        else:
            page = retriever.page(caller.tenant, asked.query)
            if page.consistent_through is not None:
                headers[CONSISTENT_HEADER] = timestamp_text(page.consistent_through)
            more = ""
            if page.after is not None:
                more = asked.more(request.scope["path"], dict(request.query_params), page.after)
            body = {"statements": [_formatted(request, asked, one) for one in page.statements], "more": more}
        return _multipart(body, headers) if asked.attachments else _json(body, headers)


def _formatted(request: Request, asked: StatementParameters, statement: dict[str, Any]) -> dict[str, Any]:
    if asked.format == "ids":
        return formats.ids(statement)
    if asked.format == "canonical":
        return formats.canonical(statement, _languages(request.headers.get("accept-language", "")))
    return statement


def _languages(header: str) -> list[str]:
    """Language tags in order of preference (RFC 9110 12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for entry in header.split(",")[:_LANGUAGES_MAX]:
        tag, _, weight = entry.strip().partition(";q=")
        try:
            weighted.append((-float(weight or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighted, key=lambda one: one[0]) if tag and tag != "*"]


def _json(body: object, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")


def _multipart(body: object, headers: dict[str, str]) -> Response:
    """multipart/mixed with the JSON as its first part (xAPI 1.0.3 Communication 1.5.2)."""
    boundary = uuid4().hex
    content = b"".join(
        (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n".encode(),
            orjson.dumps(body),
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    return Response(content, headers=headers | {"Content-Type": f"multipart/mixed; boundary={boundary}"})


def _http_date(stored: str) -> str:
    return format_datetime(instant(stored), usegmt=True)
