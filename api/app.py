"""The ASGI application: routes, error answers, health."""

import re
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api import dsar, llm, problems, reports, xapi
from api.services import Services
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
        **_without_telemetry(),
    )
    problems.install(app)
    for part in (xapi, llm, dsar, reports):
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

    return SingleSlashes(app)


def _without_telemetry() -> dict[str, Any]:
    """FastAPI's own spans carry the query string, which may hold an agent's address."""
    return {"telemetry": {"tracing": False, "metrics": False}}


class SingleSlashes:
    """Some clients join paths with a slash too many (``/xapi//statements``): take it as one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with single slashes in the path."""
        if scope["type"] == "http" and "//" in scope["path"]:
            path = _SLASHES.sub("/", scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)
