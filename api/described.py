"""The Agents and the Activities Resource over HTTP (xAPI 1.0.3 Communication 2.4 and 2.5)."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.negotiating import BASES, Resource, at_every_base, json_answer
from api.parameters import identified_agent, iri_parameter, single_parameters
from api.problems import carried
from api.services import Services
from api.thin import Answer
from lrs.domain.access import Caller, Scope

_NOT_KEPT: Final = {"Cache-Control": "no-store"}
# path -> the one parameter, and its schema
RESOURCES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "/agents": ("agent", {"content": {"application/json": {"schema": {"type": "object"}}}}),
    "/activities": ("activityId", {"schema": {"type": "string", "format": "iri"}}),
}


def described(services: Services) -> dict[tuple[str, str], Answer]:
    """How both resources answer, by method and path."""

    async def person(request: Request, _version: str) -> Response:
        caller = await services.access.caller(request, Scope.STATEMENTS_READ)
        return await run_in_threadpool(_person, services, request, caller)

    async def activity(request: Request, _version: str) -> Response:
        caller = await services.access.caller(request, Scope.STATEMENTS_READ)
        return await run_in_threadpool(_activity, services, request, caller)

    made: Mapping[str, Resource] = {"/agents": person, "/activities": activity}
    answers: dict[tuple[str, str], Answer] = {}
    for path, resource in made.items():
        answers |= at_every_base(path, {"GET": resource, "HEAD": resource})
    return answers


def _person(services: Services, request: Request, caller: Caller) -> Response:
    sent = single_parameters(request.query_params, {"agent"})
    found = services.describer.person(caller.tenant, identified_agent(sent.get("agent", "")))
    return json_answer(found, carried(request) | _NOT_KEPT)


def _activity(services: Services, request: Request, caller: Caller) -> Response:
    sent = single_parameters(request.query_params, {"activityId"})
    found = services.describer.activity(caller.tenant, iri_parameter(sent, "activityId"))
    return json_answer(found, carried(request) | _NOT_KEPT)


def routes(answers: Mapping[tuple[str, str], Answer]) -> APIRouter:
    """The same for the framework, which describes them."""
    router = APIRouter(tags=["xAPI"])
    for base in BASES:
        for path, (name, schema) in RESOURCES.items():
            for method in ("GET", "HEAD"):
                router.add_api_route(
                    f"{base}{path}",
                    answers[method, f"{base}{path}"],
                    methods=[method],
                    operation_id=f"{method.lower()}{path.replace('/', '-')}{'' if base == '/xapi' else '-1.0.3'}",
                    summary=f"{method} {path.removeprefix('/')}",
                    response_class=Response,
                    openapi_extra={"parameters": [{"in": "query", "name": name, "required": True, **schema}]},
                )
    return router
