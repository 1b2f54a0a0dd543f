"""Reading what was sent, within limits."""

from typing import Any

import orjson
from fastapi import Request

from lrs.domain.errors import InvalidRequest, LimitExceeded

BODY_BYTES_MAX = 16 * 1024 * 1024


async def read_body(request: Request, limit: int = BODY_BYTES_MAX) -> bytes:
    """The whole body. LimitExceeded before more than the limit is held."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise LimitExceeded(f"the body is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def parse_json(data: bytes) -> Any:
    """The value. InvalidRequest for what is no JSON (RFC 8259), NaN and lone surrogates included."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise InvalidRequest("the body is not JSON") from None


async def read_json(request: Request) -> Any:
    """The body as JSON; its media type must say so. InvalidRequest, LimitExceeded."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidRequest("the Content-Type must be application/json")
    return parse_json(await read_body(request))
