"""The xAPI resources over HTTP: /xapi/statements and /xapi/about, and the same under /xapi/1.0.3/.

1. The version header is read, or refused with the label that the path gives.
2. The caller is authenticated and needs a scope.
3. The body or the parameters are checked: from there on they are trusted.
4. The use case does the work; its answer becomes headers and JSON.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bodies import STATEMENT_BYTES_MAX, read_json
from api.formats import is_uuid
from api.multipart import is_multipart
from api.negotiating import BASES, at_every_base, http_date, json_answer
from api.parameters import StatementParameters, statement_parameters
from api.problems import VERSION_HEADER, carried
from api.services import Services
from api.shapes import check_statement, check_statements
from api.thin import Answer
from lrs.domain import formats
from lrs.domain.access import Caller, Scope
from lrs.domain.attachments import check_data
from lrs.domain.errors import InvalidRequest, InvalidStatement, LimitExceeded
from lrs.domain.filters import SENDER
from lrs.domain.instants import timestamp_text
from lrs.recording.drafts import Draft, statement_draft

CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
STATEMENTS_MAX = 10_000
SUPPORTED = ("1.0.0", "1.0.1", "1.0.2", "1.0.3", "2.0.0")
_LANGUAGES_MAX = 50
_LANGUAGE_RANGE = re.compile(r"(\*|[A-Za-z0-9-]+)(?:[ \t]*;[ \t]*[qQ]=([01](?:\.\d{0,3})?))?", re.ASCII)


def statements(services: Services) -> dict[tuple[str, str], Answer]:
    """How the Statement Resource answers, by method and path."""
    made = _Statements(services)
    resources = {"GET": made.get, "HEAD": made.get, "POST": made.post, "PUT": made.put}
    return at_every_base("/statements", resources)


def routes(answers: Mapping[tuple[str, str], Answer]) -> APIRouter:
    """The Statement Resource with these answers, and the About Resource."""
    router = APIRouter(tags=["xAPI"])
    for base, label in BASES.items():
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


def _about(label: str) -> Answer:
    async def about(request: Request) -> Response:
        # An old client breaks on a version that it does not know: callers of 1.0.x are shown 1.0.x only.
        sent = request.headers.get(VERSION_HEADER, label)
        shown = [version for version in SUPPORTED if not sent.startswith("1.") or version.startswith("1.")]
        version = "1.0.3" if sent.startswith("1.") else "2.0.0"
        return json_answer({"version": shown}, {VERSION_HEADER: version})

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
        if is_multipart(request):
            ids = await self._record_parts(request, caller, version, lambda content: _checked(content, version))
        else:
            content = _checked(await read_json(request, STATEMENT_BYTES_MAX), version)
            check_data(content)
            ids = await self._record(caller, [self._draft(one, caller, version) for one in content])
        return json_answer([str(one) for one in ids], carried(request))

    async def put(self, request: Request, version: str) -> Response:
        """Store one statement under the id in the query."""
        caller = await self._services.access.caller(request, Scope.STATEMENTS_WRITE)
        sent = request.query_params.get("statementId", "")
        if not is_uuid(sent) or len(request.query_params.multi_items()) != 1:
            raise InvalidRequest("statementId: must be a UUID, and the only parameter")

        def checked(content: Any) -> list[dict[str, Any]]:
            check_statement(content, version)
            if content.get("id", sent).lower() != sent.lower():
                raise InvalidStatement("id", "must be the statementId of the request", "1.0.3 Communication 2.1.1")
            return [content | {"id": sent}]

        if is_multipart(request):
            await self._record_parts(request, caller, version, checked)
        else:
            content = checked(await read_json(request, STATEMENT_BYTES_MAX))
            check_data(content)
            await self._record(caller, [self._draft(content[0], caller, version)])
        return Response(status_code=204, headers=carried(request))

    async def _record_parts(
        self, request: Request, caller: Caller, version: str, checked: Callable[[Any], list[dict[str, Any]]]
    ) -> list[UUID]:
        return await self._services.attached.record(
            request,
            caller.tenant,
            version,
            checked,
            lambda statement: self._draft(statement, caller, version),
            lambda drafts: self._record(caller, drafts),
        )

    def _draft(self, statement: dict[str, Any], caller: Caller, version: str) -> Draft:
        statement_id = UUID(statement["id"]) if "id" in statement else uuid4()
        return statement_draft(
            statement,
            statement_id,
            version=version,
            authority=caller.credential,
            public_url=self._services.public_url,
        )

    async def _record(self, caller: Caller, drafts: list[Draft]) -> list[UUID]:
        if not drafts:
            return []
        if caller.sees_only_own:  # what it sent is all that it will ever ask for
            sender = (SENDER, caller.credential.hex)
            drafts = [draft._replace(terms=(*draft.terms, sender)) for draft in drafts]
        await self._services.handover.record(caller.tenant, drafts)
        return [draft.id for draft in drafts]

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
            page = retriever.single(caller.tenant, asked.statement, voided=asked.voided, authority=mine)
            headers["Last-Modified"] = http_date(page.statements[0]["stored"])
            body = _formatted(request, asked, page.statements[0])
        else:
            page = retriever.page(caller.tenant, asked.query)
            if page.consistent_through is not None:
                headers[CONSISTENT_HEADER] = timestamp_text(page.consistent_through)
            more = ""
            if page.after is not None:
                more = asked.more(request.scope["path"], dict(request.query_params), page.after)
            body = {"statements": [_formatted(request, asked, one) for one in page.statements], "more": more}
        if asked.attachments:
            head = request.method == "HEAD"
            return self._services.attached.answer(caller.tenant, body, page.with_attachments, headers, head=head)
        return json_answer(body, headers)


def _checked(content: Any, version: str) -> list[dict[str, Any]]:
    """One statement or several as a list. InvalidStatement, LimitExceeded."""
    if not isinstance(content, list):
        check_statement(content, version)
        return [content]
    if len(content) > STATEMENTS_MAX:
        raise LimitExceeded(f"more than {STATEMENTS_MAX} statements in one request")
    check_statements(content, version)
    return content


def _formatted(request: Request, asked: StatementParameters, statement: dict[str, Any]) -> dict[str, Any]:
    if asked.format == "ids":
        return formats.ids(statement)
    if asked.format == "canonical":
        return formats.canonical(statement, _languages(request.headers.get("accept-language", "")))
    return statement


def _languages(header: str) -> list[str]:
    """Language tags in order of preference, without those that are not wanted at all (RFC 9110 12.4.2, 12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for entry in header.split(",")[:_LANGUAGES_MAX]:
        found = _LANGUAGE_RANGE.fullmatch(entry.strip())
        if found is not None and (weight := float(found[2] or 1)) > 0:
            weighted.append((-weight, found[1]))
    return [tag for _, tag in sorted(weighted, key=lambda one: one[0]) if tag != "*"]
