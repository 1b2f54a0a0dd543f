"""Data-subject requests over HTTP: /dsar."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.bodies import read_json
from api.services import Services
from api.shapes import check_actor
from lrs.domain.access import Scope
from lrs.domain.agents import Identifier, identifier_of, is_placeholder
from lrs.domain.corrections import Correction
from lrs.domain.errors import InvalidRequest, NotFound
from lrs.domain.requests import Kind
from retention.page.certificate import certificate_page
from retention.rights import described

AGENTS_MAX = 20


class Asked(BaseModel):
    """Who the request is about, by one identifier or several of the same person."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    agent: dict[str, Any] | None = None
    agents: list[dict[str, Any]] | None = Field(default=None, min_length=1, max_length=AGENTS_MAX)
    reason: str | None = Field(default=None, max_length=4_000)


class Restriction(Asked):
    """The same, and whether a restriction begins or ends."""

    lift: bool = False


class Renaming(Asked):
    """The same, and what the person is called from now on: a name, an agent with the new identifier, or both."""

    name: str | None = None
    to: dict[str, Any] | None = None


_BODIES: Mapping[Kind, type[Asked]] = {Kind.RESTRICT: Restriction, Kind.CORRECT: Renaming}


def routes(services: Services) -> APIRouter:
    """The requests of a tenant."""
    router = APIRouter(prefix="/dsar", tags=["Data-subject requests"])
    _add_openings(router, services)

    @router.post("/{request_id}/withdraw", operation_id="withdraw-erasure")
    def withdraw(request: Request, request_id: str) -> Response:
        """Take back an erasure that has not begun."""
        caller = services.access.caller_in_thread(request, Scope.DSAR)
        return _json(described(services.rights.withdraw(caller.tenant, _id(request_id))))

    @router.get("", operation_id="list-requests")
    def listed(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        after: Annotated[UUID | None, Query()] = None,
    ) -> Response:
        """Requests, newest first."""
        caller = services.access.caller_in_thread(request, Scope.DSAR)
        rows = services.rights.listed(caller.tenant, limit=limit + 1, after=after)
        more = str(rows[limit - 1].id) if len(rows) > limit else None
        shown = [
            {"id": str(r.id), "kind": r.kind, "status": r.status, "requested_at": r.requested_at.isoformat()}
            for r in rows[:limit]
        ]
        return _json({"requests": shown, "more": more})

    @router.get("/{request_id}", operation_id="get-request")
    def one(request: Request, request_id: str) -> Response:
        """How far a request has come."""
        caller = services.access.caller_in_thread(request, Scope.DSAR)
        return _json(described(services.rights.get(caller.tenant, _id(request_id))))

    @router.get("/{request_id}/certificates", operation_id="get-certificates")
    def certificates(request: Request, request_id: str) -> Response:
        """The certificates of an erasure: signed JSON or, where the Accept header asks for text/html, a page."""
        caller = services.access.caller_in_thread(request, Scope.DSAR)
        found = services.rights.certificates(caller.tenant, _id(request_id))
        if "text/html" in request.headers.get("accept", ""):
            headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
            return Response(certificate_page(found), media_type="text/html", headers=headers)
        return _json({"certificates": found})

    @router.get("/{request_id}/package", operation_id="get-package", response_class=StreamingResponse)
    def package(request: Request, request_id: str) -> Response:
        """The zip of a finished export: export.json and index.html."""
        caller = services.access.caller_in_thread(request, Scope.DSAR)
        found = services.rights.get(caller.tenant, _id(request_id))
        if found.kind is not Kind.EXPORT or found.status != "done":
            raise NotFound("there is no package of this request, or not yet")
        pieces = services.exporter.package(caller.tenant, found.id)
        first = next(pieces)
        name = f'attachment; filename="export-{found.id}.zip"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return StreamingResponse(_chain(first, pieces), headers=headers, media_type="application/zip")

    return router


def _add_openings(router: APIRouter, services: Services) -> None:
    """One route a kind of request."""
    schema = _schema(Asked)

    @router.post("/export", status_code=202, operation_id="request-export", openapi_extra=schema)
    async def export(request: Request) -> Response:
        """Ask for everything held on a person (GDPR articles 15 and 20)."""
        return await _open(request, services, Kind.EXPORT)

    @router.post("/erase", status_code=202, operation_id="request-erasure", openapi_extra=schema)
    async def erase(request: Request) -> Response:
        """Ask for a person to be made unreadable for ever (GDPR article 17)."""
        return await _open(request, services, Kind.ERASE)

    @router.post("/hold", status_code=202, operation_id="request-hold", openapi_extra=schema)
    async def hold(request: Request) -> Response:
        """Let nothing of a person be destroyed, whoever asks for it, until released (GDPR article 17(3))."""
        return await _open(request, services, Kind.HOLD)

    @router.post("/release", status_code=202, operation_id="request-release", openapi_extra=schema)
    async def release(request: Request) -> Response:
        """End a hold."""
        return await _open(request, services, Kind.RELEASE)

    @router.post(
        "/restrict", status_code=202, operation_id="request-restriction", openapi_extra=_schema(Restriction)
    )
    async def restrict(request: Request) -> Response:
        """Let nobody read what is held on a person, and let none of it expire, until it is lifted (GDPR article
        18). An erasure that is asked for is carried out."""
        return await _open(request, services, Kind.RESTRICT)

    @router.post("/correct", status_code=202, operation_id="request-correction", openapi_extra=_schema(Renaming))
    async def correct(request: Request) -> Response:
        """Show a person under another name or identifier from now on, in everything (GDPR article 16)."""
        return await _open(request, services, Kind.CORRECT)


async def _open(request: Request, services: Services, kind: Kind) -> Response:
    caller = await services.access.caller(request, Scope.DSAR)
    asked = asked_for(await read_json(request), _BODIES.get(kind, Asked))
    opened = await run_in_threadpool(
        services.rights.open,
        caller.tenant,
        kind,
        identifiers_of(asked),
        reason=asked.reason,
        credential=caller.credential,
        lift=isinstance(asked, Restriction) and asked.lift,
        correction=(
            correction_of(asked.name, asked.to, services.public_url) if isinstance(asked, Renaming) else None
        ),
    )
    services.request_opened(caller.tenant)
    return _json(described(opened), 202)


def asked_for(content: object, kind: type[Asked]) -> Asked:
    """What a body asks for. InvalidRequest."""
    try:
        asked = kind.model_validate(content)
    except ValidationError:
        more = ", ".join(name for name in kind.model_fields if name not in ("agent", "agents"))
        raise InvalidRequest(
            f'the body must be {{"agent": {{...}}}} or {{"agents": [...]}}, and may have: {more}'
        ) from None
    if (asked.agent is None) == (asked.agents is None):
        raise InvalidRequest("give agent or agents, one of the two")
    return asked


def correction_of(name: str | None, to: dict[str, Any] | None, public_url: str) -> Correction:
    """What a person is to be called. InvalidRequest, InvalidStatement."""
    if to is not None:
        check_actor(to, "to")
        if is_placeholder(to, public_url):
            raise InvalidRequest("to: stands for everybody who was erased")
    return Correction.of(name, to)


def identifiers_of(asked: Asked) -> list[Identifier]:
    """Who a request is about. InvalidRequest, InvalidStatement."""
    agents = asked.agents if asked.agents is not None else [asked.agent or {}]
    identifiers: list[Identifier] = []
    for agent in agents:
        check_actor(agent, "agent")
        identifier = identifier_of(agent)
        if identifier is None:
            raise InvalidRequest("agent: must carry an inverse functional identifier")
        identifiers.append(identifier)
    return identifiers


def _schema(body: type[Asked]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": body.model_json_schema()}}}}


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("no such request") from None


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
