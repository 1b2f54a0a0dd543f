"""Which version of xAPI is spoken: the header, the base paths, and what every xAPI resource is wrapped in.

Knows nothing of what the resources do.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import Final

import orjson
from fastapi import Request
from starlette.responses import Response

from api.problems import VERSION_HEADER, carried
from api.thin import Answer
from lrs.domain.errors import InvalidRequest
from lrs.domain.instants import instant

_VERSIONS = ((re.compile(r"1\.0(\.\d{1,3})?"), "1.0.3"), (re.compile(r"2\.0(\.\d{1,3})?"), "2.0.0"))

Resource = Callable[[Request, str], Awaitable[Response]]  # the request, and the version that it speaks
# The base paths are one store; they differ in the label of a missing version header alone.
BASES: Final[Mapping[str, str]] = {"/xapi": "2.0.0", "/xapi/1.0.3": "1.0.3"}


def version_of(request: Request) -> str:
    """1.0.3 or 2.0.0, as the header says. InvalidRequest when it is missing or another."""
    sent = request.headers.get(VERSION_HEADER, "")
    for pattern, version in _VERSIONS:
        if pattern.fullmatch(sent):
            return version
    raise InvalidRequest(f"the header {VERSION_HEADER} must be 1.0.x or 2.0.x")


def negotiated(resource: Resource, label: str) -> Answer:
    """The resource for requests that name a version; whatever it answers, errors too, names it back."""

    async def answer(request: Request) -> Response:
        headers = carried(request)
        headers[VERSION_HEADER] = label
        headers[VERSION_HEADER] = version = version_of(request)
        return await resource(request, version)

    return answer


def at_every_base(path: str, resources: Mapping[str, Resource]) -> dict[tuple[str, str], Answer]:
    """How the resources of a path, by their methods, answer under each base: by method and whole path."""
    return {
        (method, f"{base}{path}"): negotiated(resource, label)
        for base, label in BASES.items()
        for method, resource in resources.items()
    }


def json_answer(body: object, headers: dict[str, str]) -> Response:
    """200 with JSON."""
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")


def http_date(stored: str) -> str:
    """A timestamp as headers write it."""
    return format_datetime(instant(stored), usegmt=True)
