"""The ASGI application: routes, error answers, health."""

import contextlib
import re
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api import admin, described, description, documents, dsar, llm, policies, problems, reports, xapi
from api.alternate import Alternate
from api.cors import Cors
from api.services import Services
from api.thin import Thin
from lrs import __version__

_SLASHES = re.compile(r"/{2,}")


def create_app(services: Services) -> ASGIApp:
    """The application over these services."""
    app = FastAPI(
        title="Lethe",
        version=__version__,
        summary="A learning record store that keeps every learning event and can still forget a person.",
        # The interactive pages load scripts from elsewhere; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        # A redirect would repeat the query string, which may hold an agent's address, in a header.
        redirect_slashes=False,
        **_without_telemetry(),
    )
    problems.install(app)
    description.install(app)
    statements = xapi.statements(services)
    kept, of_whom = documents.documents(services), described.described(services)
    for router in (documents.routes(kept), described.routes(of_whom)):
        app.include_router(router)
    app.include_router(xapi.routes(statements))
    for part in (llm, dsar, reports, admin, policies):
        app.include_router(part.routes(services))

    @app.get("/healthz", tags=["Health"], operation_id="health")
    async def health() -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", tags=["Health"], operation_id="ready")
    def ready() -> Response:
        """Everything needed can be reached."""
        services.ready()
        return JSONResponse({"status": "ready"})

    return Edge(Cors(Alternate(Thin(app, statements | kept | of_whom)), services.cors_origins))


def _without_telemetry() -> dict[str, Any]:
    """FastAPI's own spans carry the query string, which may hold an agent's address."""
    return {"telemetry": {"tracing": False, "metrics": False}}


class Edge:
    """The outermost part: paths with single slashes, and no traceback to the server's log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on. Some clients join paths with a slash too many (``/xapi//statements``): it is taken as one."""
        if scope["type"] == "http" and "//" in scope["path"]:
            path = _SLASHES.sub("/", scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode()}
        # The framework has answered 500 and logged the kind of error when one comes this far; raised further it
        # would be printed with its values, which may be a person's.
        with contextlib.suppress(Exception):
            await self.app(scope, receive, send)
