"""Reading what was sent, within limits."""

from typing import Any

import orjson
from fastapi import Request

from api.reading import parse_json
from lrs.domain.errors import InvalidRequest, LimitExceeded

BODY_BYTES_MAX = 16 * 1024 * 1024
# A page of statements is put together in memory, and real ones stay below 100 kB.
STATEMENT_BYTES_MAX = 1024 * 1024


async def read_body(request: Request, limit: int = BODY_BYTES_MAX) -> bytes:
    """The whole body. LimitExceeded before more than the limit is held; InvalidRequest for a compressed one."""
    _check_not_compressed(request)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise LimitExceeded(f"the body is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request, part_bytes_max: int = BODY_BYTES_MAX) -> Any:
    """The body as JSON; its media type must say so, and of an array each part has a limit of its own.
    InvalidRequest, LimitExceeded."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidRequest("the Content-Type must be application/json")
    body = await read_body(request)
    value = parse_json(body)
    if len(body) > part_bytes_max:
        check_parts(value, part_bytes_max)
    return value


def check_parts(value: object, bytes_max: int) -> None:
    """Nothing, unless the value, or of an array a part, is longer in JSON. LimitExceeded."""
    parts = value if isinstance(value, list) else [value]
    for index, part in enumerate(parts):
        if len(orjson.dumps(part)) > bytes_max:
            place = f"[{index}]" if parts is value else "the body"
            raise LimitExceeded(f"{place}: must be at most {bytes_max} bytes of JSON")


def _check_not_compressed(request: Request) -> None:
    """A few compressed bytes can become gigabytes, so none are opened (RFC 9110 8.4)."""
    for name, value in request.scope["headers"]:
        if name == b"content-encoding" and value.lower() != b"identity":
            raise InvalidRequest("the body must not be compressed: no Content-Encoding but identity is supported")
