"""A tenant's policy over HTTP: /admin/policy. What it decides is said in ``lrs/domain/policies.py``."""

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bodies import read_json
from api.services import Services
from lrs.domain.access import Scope
from lrs.domain.policies import COMPACTION_DAYS, COOLING_DAYS_MAX, DAYS_MAX, EXPIRING, SUPPRESSION_DAYS_MAX, Policy

_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "cooling_days": {"type": "integer", "minimum": 0, "maximum": COOLING_DAYS_MAX, "default": 0},
        "retention_days": {
            "type": "object",
            "additionalProperties": False,
            "properties": {one.value: {"type": "integer", "minimum": 1, "maximum": DAYS_MAX} for one in EXPIRING},
        },
        "compaction_days": {"type": "integer", "minimum": 0, "maximum": DAYS_MAX, "default": COMPACTION_DAYS},
        "suppression_days": {"type": "integer", "minimum": 0, "maximum": SUPPRESSION_DAYS_MAX, "default": 0},
    },
}


def routes(services: Services) -> APIRouter:
    """Reading and deciding."""
    router = APIRouter(prefix="/admin", tags=["Administration"])
    schema = {"requestBody": {"content": {"application/json": {"schema": _SCHEMA}}}}

    @router.get("/policy", operation_id="get-policy")
    def policy(request: Request) -> Response:
        """How long things are kept, an erasure can be taken back, and whoever was erased is refused."""
        caller = services.access.caller_in_thread(request, Scope.ADMIN)
        return _json(services.tenants.policy(caller.tenant))

    @router.put("/policy", operation_id="put-policy", openapi_extra=schema)
    async def decide(request: Request) -> Response:
        """Decide it anew, wholly: what is left out is as it is by default. Erasures that wait keep their time."""
        caller = await services.access.caller(request, Scope.ADMIN)
        decided = Policy.parse(await read_json(request))
        await run_in_threadpool(services.tenants.decide, caller.tenant, decided)
        return _json(decided)

    return router


def _json(policy: Policy) -> Response:
    return Response(orjson.dumps(policy.facts()), media_type="application/json")
