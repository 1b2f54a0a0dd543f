"""Administration over HTTP: /admin. The log of hashes, so that a witness outside can follow it.

Whoever keeps one signed head can check from then on, with the tenant's public key alone, that the log is only
added to. Nothing here names a person: hashes and positions.
"""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from starlette.responses import Response

from api.services import Services
from lrs.domain.access import Scope
from lrs.domain.tiles import LEVELS_MAX

_POSITION_MAX = 2**53
Position = Annotated[int, Query(ge=1, le=_POSITION_MAX)]
_OCTETS = "application/octet-stream"


def routes(services: Services) -> APIRouter:
    """The log of hashes of the caller's tenant."""
    router = APIRouter(prefix="/admin", tags=["Administration"])

    def tenant(request: Request) -> str:
        return services.access.caller_in_thread(request, Scope.ADMIN).tenant

    @router.get("/log/head", operation_id="log-head", responses=_of("text/plain"))
    def head(request: Request) -> Response:
        """The newest signed head: a C2SP checkpoint, or as JSON with the key that checks it."""
        of = tenant(request)
        if "application/json" in request.headers.get("accept", ""):
            return _json(services.proofs.described(of))
        return Response(services.proofs.head(of).note, media_type="text/plain")

    @router.get("/log/proof/inclusion", operation_id="log-inclusion")
    def inclusion(request: Request, position: Position) -> Response:
        """That an event is in the newest signed head (RFC 9162 2.1.3); its index is its position less one."""
        return _json(services.proofs.inclusion(tenant(request), position))

    @router.get("/log/proof/consistency", operation_id="log-consistency")
    def consistency(
        request: Request,
        old: Annotated[int, Query(alias="from", ge=1, le=_POSITION_MAX)],
        to: Position | None = None,
    ) -> Response:
        """That the log of one size begins with that of another (RFC 9162 2.1.4); without `to`, the newest."""
        return _json(services.proofs.consistency(tenant(request), old, to))

    @router.get("/log/tile/{level}/{number}", operation_id="log-tile", responses=_of(_OCTETS))
    def tile(
        request: Request,
        level: Annotated[int, InPath(ge=0, lt=LEVELS_MAX)],
        number: Annotated[int, InPath(ge=0, le=_POSITION_MAX)],
    ) -> Response:
        """Up to 256 hashes of a level, one after the other, as in C2SP tlog-tiles."""
        return Response(services.proofs.tile(tenant(request), level, number), media_type=_OCTETS)

    return router


def _of(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {kind: {"schema": {"type": "string"}}}}}


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
