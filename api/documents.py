"""The three document resources over HTTP: /activities/state, /agents/profile and /activities/profile.

1. The version header and the caller, as in ``api.xapi``; each resource has a scope.
2. The parameters are checked: which a resource knows is one table.
3. What was sent becomes a change, or a question; which of them may be, the domain decides.
4. A document comes back as it was sent, with its ETag and its time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bodies import read_body
from api.formats import is_uuid
from api.negotiating import BASES, Resource, at_every_base, http_date, json_answer
from api.parameters import byte_length, identified_agent, iri_parameter, single_parameters, time_parameter
from api.problems import carried
from api.services import Services
from api.thin import Answer
from api.waking import woken
from lrs.documenting.changes import Change
from lrs.domain import documents as domain
from lrs.domain.access import Caller, Scope
from lrs.domain.documents import Conditions, Content, Context, Method
from lrs.domain.errors import InvalidRequest, PreconditionFailed
from lrs.domain.instants import timestamp_text

# A document is whatever somebody sent, under a Content-Type of their choosing: a browser that is led here must not
# run it, and must not keep a copy that outlives an erasure.
_HANDLING: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
# An agent is a line; one that is longer would be sealed with every version of the document.
AGENT_CHARACTERS_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class Kind:
    """A document resource: where it is, what names a document of it, and who may use it."""

    path: str
    resource: domain.Resource
    context: tuple[str, ...]  # parameters that are required
    id: str
    optional: tuple[str, ...]
    scope: Scope


# 1.0.3 Communication 2.3, 2.6 and 2.7.
KINDS: Final = (
    Kind(
        "/activities/state",
        domain.Resource.STATE,
        ("activityId", "agent"),
        "stateId",
        ("registration",),
        Scope.STATE,
    ),
    Kind("/agents/profile", domain.Resource.AGENT_PROFILE, ("agent",), "profileId", (), Scope.PROFILE),
    Kind("/activities/profile", domain.Resource.ACTIVITY_PROFILE, ("activityId",), "profileId", (), Scope.PROFILE),
)
METHODS: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")


def documents(services: Services) -> dict[tuple[str, str], Answer]:
    """How the document resources answer, by method and path."""
    answers: dict[tuple[str, str], Answer] = {}
    for kind in KINDS:
        made = _Documents(services, kind)
        by_method: dict[str, Resource] = dict(
            zip(METHODS, (made.get, made.get, made.put, made.post, made.delete), strict=True)
        )
        answers |= at_every_base(kind.path, by_method)
    return answers


def routes(answers: Mapping[tuple[str, str], Answer]) -> APIRouter:
    """The same for the framework, which describes them."""
    router = APIRouter(tags=["xAPI"])
    for base in BASES:
        for kind in KINDS:
            for method in METHODS:
                name = f"{method.lower()}-{kind.resource}{'' if base == '/xapi' else '-1.0.3'}"
                router.add_api_route(
                    f"{base}{kind.path}",
                    answers[method, f"{base}{kind.path}"],
                    methods=[method],
                    operation_id=name,
                    summary=f"{method} {kind.resource} documents",
                    response_class=Response,
                    openapi_extra=_described(kind, method),
                )
    return router


class _Documents:
    """One document resource."""

    def __init__(self, services: Services, kind: Kind) -> None:
        self._services = services
        self._kind = kind

    # --- reading ---------------------------------------------------------------------------------------------

    async def get(self, request: Request, _version: str) -> Response:
        """One document, or the ids of those of a context."""
        caller = await self._services.access.caller(request, self._kind.scope, Scope.ALL_READ)
        return await run_in_threadpool(self._found, request, caller)

    def _found(self, request: Request, caller: Caller) -> Response:
        sent = self._parameters(request, "since")
        context, document_id = self._context(sent), self._id(sent)
        since = time_parameter("since", sent.get("since"))
        headers = carried(request)
        headers |= _HANDLING
        if document_id is None:
            listing = self._services.documents.listed(caller.tenant, context, since_us=since)
            if listing.updated_us is not None:
                headers["Last-Modified"] = http_date(timestamp_text(listing.updated_us))
            return json_answer(listing.ids, headers)
        found = self._services.documents.one(caller.tenant, context, document_id)
        headers["ETag"] = found.etag
        headers["Last-Modified"] = http_date(timestamp_text(found.updated_us))
        conditions = _conditions(request)
        if conditions.unchanged(found.etag):
            return Response(status_code=304, headers=headers)
        if not conditions.hold(found.etag):
            raise PreconditionFailed("the document is not in the state that If-Match names")
        return Response(found.content.data, headers=headers | {"Content-Type": found.content.content_type})

    # --- changing --------------------------------------------------------------------------------------------

    async def put(self, request: Request, version: str) -> Response:
        """Store a document."""
        return await self._stored(request, version, Method.PUT)

    async def post(self, request: Request, version: str) -> Response:
        """Store a document, or merge it into the one that is there."""
        return await self._stored(request, version, Method.POST)

    async def _stored(self, request: Request, version: str, method: Method) -> Response:
        caller = await self._services.access.caller(request, self._kind.scope)
        context, document_id = self._named(request)
        content = Content(_content_type(request), await read_body(request, domain.DOCUMENT_BYTES_MAX))
        change = Change(method, context, document_id, version, _conditions(request), caller.credential, content)
        return await self._changed(request, caller, change)

    async def delete(self, request: Request, version: str) -> Response:
        """Delete a document; of State, without an id, all of a context."""
        caller = await self._services.access.caller(request, self._kind.scope)
        conditions = _conditions(request)
        if self._kind.resource is domain.Resource.STATE and self._kind.id not in request.query_params:
            if conditions.given:
                raise InvalidRequest("a precondition is about one document: name it, or leave the header out")
            context = self._context(self._parameters(request))
            await run_in_threadpool(
                self._services.document_clearer.delete_all, caller.tenant, context, caller.credential
            )
            return Response(status_code=204, headers=carried(request))
        context, document_id = self._named(request)
        change = Change(Method.DELETE, context, document_id, version, conditions, caller.credential)
        return await self._changed(request, caller, change)

    async def _changed(self, request: Request, caller: Caller, change: Change) -> Response:
        await woken(self._services.document_writer.submit(caller.tenant, change))
        return Response(status_code=204, headers=carried(request))

    # --- parameters ------------------------------------------------------------------------------------------

    def _named(self, request: Request) -> tuple[Context, str]:
        """Which one document. InvalidRequest."""
        sent = self._parameters(request)
        document_id = self._id(sent)
        if document_id is None:
            raise InvalidRequest(f"{self._kind.id}: is required")
        return self._context(sent), document_id

    def _parameters(self, request: Request, *more: str) -> dict[str, str]:
        kind = self._kind
        return single_parameters(request.query_params, {*kind.context, kind.id, *kind.optional, *more})

    def _id(self, sent: Mapping[str, str]) -> str | None:
        document_id = sent.get(self._kind.id)
        if document_id is None:
            return None
        if not 0 < byte_length(self._kind.id, document_id) <= domain.ID_BYTES_MAX:
            raise InvalidRequest(f"{self._kind.id}: must have at least 1 and at most {domain.ID_BYTES_MAX} bytes")
        return document_id

    def _context(self, sent: Mapping[str, str]) -> Context:
        activity = iri_parameter(sent, "activityId") if "activityId" in self._kind.context else None
        agent = _agent(sent) if "agent" in self._kind.context else None
        registration = sent.get("registration")
        if registration is not None and not is_uuid(registration):
            raise InvalidRequest("registration: must be a UUID")
        return Context(self._kind.resource, agent, activity, registration and registration.lower())


def _agent(sent: Mapping[str, str]) -> dict[str, Any]:
    text = sent.get("agent", "")
    if len(text) > AGENT_CHARACTERS_MAX:
        raise InvalidRequest(f"agent: must have at most {AGENT_CHARACTERS_MAX} characters")
    return identified_agent(text)


def _content_type(request: Request) -> str:
    """The Content-Type as it was sent. InvalidRequest."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise InvalidRequest("Content-Encoding: a document is taken as it is, not packed")
    sent = request.headers.get("content-type") or domain.DEFAULT_CONTENT_TYPE
    if len(sent) > domain.CONTENT_TYPE_BYTES_MAX:
        raise InvalidRequest(f"Content-Type: must be at most {domain.CONTENT_TYPE_BYTES_MAX} bytes")
    return sent


def _conditions(request: Request) -> Conditions:
    return Conditions.of(*(_header(request, name) for name in ("if-match", "if-none-match")))


def _header(request: Request, name: str) -> str | None:
    """A header that may be sent in several lines (RFC 9110 5.3)."""
    return ", ".join(lines) if (lines := request.headers.getlist(name)) else None


# --- the description ------------------------------------------------------------------------------------------

_SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    "activityId": {"type": "string", "format": "iri", "maxLength": domain.ID_BYTES_MAX},
    "registration": {"type": "string", "format": "uuid"},
    "since": {"type": "string", "format": "date-time"},
}


def _described(kind: Kind, method: str) -> dict[str, Any]:
    """What the description of the interface says of a route's parameters and body."""
    reads = method in {"GET", "HEAD"}
    needs_id = not reads and (method != "DELETE" or kind.resource is not domain.Resource.STATE)
    required = {*kind.context, *((kind.id,) if needs_id else ())}
    names = (*kind.context, kind.id, *kind.optional, *(("since",) if reads else ()))
    of_id = {"type": "string", "minLength": 1, "maxLength": domain.ID_BYTES_MAX}
    parameters: list[dict[str, Any]] = [
        {"in": "query", "name": name, "required": name in required, "schema": _SCHEMAS.get(name, of_id)}
        for name in names
        if name != "agent"
    ]
    if "agent" in kind.context:
        of_agent = {"application/json": {"schema": {"type": "object"}}}
        parameters.append({"in": "query", "name": "agent", "required": True, "content": of_agent})
    body = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
    return {"parameters": parameters} | ({"requestBody": body} if method in {"PUT", "POST"} else {})
