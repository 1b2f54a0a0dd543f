"""Errors become answers here and nowhere else.

xAPI paths answer with a plain JSON object, everything else with a problem document (RFC 9457); both carry the
stable code. No value that a client sent is repeated, and no traceback leaves the process.
"""

import logging
from collections.abc import Mapping

import orjson
from eventsourcing.persistence import PersistenceError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from lrs.domain import errors

log = logging.getLogger("lethe.api")

STATUS: Mapping[type[errors.LetheError], int] = {
    errors.InvalidStatement: 400,
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.SubjectSuppressed: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.EpochBusy: 409,
    errors.StatementConflict: 409,
    errors.ExchangeConflict: 409,
    errors.DocumentConflict: 409,
    errors.LegalHold: 409,
    errors.ErasureBegun: 409,
    errors.ErasureWithdrawn: 409,
    errors.ReadingDenied: 409,
    errors.IdentifierTaken: 409,
    errors.Superseded: 409,
    errors.PreconditionFailed: 412,
    errors.LimitExceeded: 413,
    errors.EventCorrupt: 500,
    errors.SubjectBusy: 503,
    errors.KeyStoreUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.VaultRefused: 503,
    errors.Overloaded: 503,
}
VERSION_HEADER = "X-Experience-API-Version"
RETRY_AFTER_SECONDS = "2"
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 413: "limit-exceeded"}


def status_of(error: errors.LetheError) -> int:
    """The HTTP status of an error; of its nearest ancestor where it has none of its own."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 400 if isinstance(error, errors.Refused) else 500


def carried(request: Request) -> dict[str, str]:
    """The headers that whatever answer to this request carries, also one to an error; to be added to."""
    headers: dict[str, str] = request.scope.setdefault("lethe.headers", {})
    return headers


def problem(request: Request, status: int, code: str, message: str) -> Response:
    """The answer to a request that went wrong."""
    headers = dict(carried(request))
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Lethe", charset="UTF-8"'
    if status == 503:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    path: str = request.scope["path"]
    if path.startswith("/xapi"):
        # What failed before the version was read is labelled by the path alone.
        headers.setdefault(VERSION_HEADER, "1.0.3" if path.startswith("/xapi/1.0.3") else "2.0.0")
        body = {"code": code, "message": message}
        return Response(orjson.dumps(body), status, headers, media_type="application/json")
    body = {"type": f"urn:lethe:problem:{code}", "title": message, "status": str(status), "code": code}
    content = orjson.dumps(body | {"status": status})
    return Response(content, status, headers, media_type="application/problem+json")


def answer(request: Request, error: Exception) -> Response:
    """What goes back for an error of any kind."""
    match error:
        case errors.LetheError():
            return _lethe(request, error)
        case PersistenceError():
            log.error("request failed: %s store-unavailable cause=%s", request.method, type(error).__name__)
            return problem(request, 503, errors.StoreUnavailable.code, "the store can not be reached: try again")
        case RequestValidationError():
            return _validation(request, error)
        case HTTPException():
            return _http(request, error)
        case ClientDisconnect():
            return Response(status_code=400)  # nobody is there to read it
    log.error("request failed: %s unforeseen cause=%s", request.method, type(error).__name__)
    return problem(request, 500, errors.Failed.code, "the request could not be done")


def _lethe(request: Request, error: errors.LetheError) -> Response:
    status = status_of(error)
    if status >= 500:
        log.error("request failed: %s %s status=%d", request.method, error.code, status)
    message = str(error) if isinstance(error, errors.Refused) or status == 503 else "the request could not be done"
    return problem(request, status, error.code, message)


def _validation(request: Request, error: RequestValidationError) -> Response:
    """Which parameter or property, and which rule; FastAPI's own answer would repeat the input."""
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or str(step).isidentifier())
    rule = "is required" if first["type"] == "missing" else f"is not valid ({first['type']})"
    return problem(request, 400, errors.InvalidRequest.code, f"{place}: {rule}")


def _http(request: Request, error: HTTPException) -> Response:
    code = _HTTP_CODES.get(error.status_code, "request-invalid")
    response = problem(request, error.status_code, code, code.replace("-", " "))
    response.headers.update(error.headers or {})
    return response


def install(app: FastAPI) -> None:
    """Let every error of the framework's routes end here."""

    async def handler(request: Request, error: Exception) -> Response:
        return answer(request, error)

    kinds = (
        errors.LetheError,
        PersistenceError,
        RequestValidationError,
        HTTPException,
        ClientDisconnect,
        Exception,
    )
    for kind in kinds:
        app.add_exception_handler(kind, handler)
