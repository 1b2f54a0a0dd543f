"""Recording an exchange with a language model after the fact: POST /llm/exchanges.

Versions of the Messages API move, so of request and response only what makes them such is checked; everything
else is kept as sent. All of it is sealed under the learner's exchange key.
"""

from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from api.bodies import read_json
from api.formats import is_iri
from api.services import Services
from api.shapes import check_actor
from lrs.domain.access import Scope
from lrs.domain.agents import identifier_of, is_group
from lrs.domain.errors import InvalidRequest
from lrs.domain.instants import instant
from lrs.recording.drafts import exchange_draft, exchange_stream

# What is sealed is written by orjson, which ends at 254 levels, ours around the content included.
DEPTH_MAX = 200


def _iri(text: str) -> str:
    if not is_iri(text):
        raise ValueError("not an IRI")
    return text


def _time(text: str) -> str:
    instant(text)
    return text


class MessagesRequest(BaseModel):
    """A request to the Anthropic Messages API; fields not named here are kept."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)
    model: str = Field(min_length=1, max_length=200)
    messages: list[dict[str, Any]] = Field(max_length=100_000)


class MessagesResponse(BaseModel):
    """Its answer, an error included; fields not named here are kept."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)
    type: str = Field(max_length=100)


class Exchange(BaseModel):
    """One exchange: who, what was asked, what came back."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    id: str | None = Field(default=None, min_length=1, max_length=200)
    actor: dict[str, Any]
    request: MessagesRequest
    response: MessagesResponse
    activity: Annotated[str, AfterValidator(_iri)] | None = Field(default=None, max_length=2_000)
    registration: UUID | None = None
    started_at: Annotated[str, AfterValidator(_time)] | None = Field(default=None, max_length=64)
    ended_at: Annotated[str, AfterValidator(_time)] | None = Field(default=None, max_length=64)


def routes(services: Services) -> APIRouter:
    """POST /llm/exchanges."""
    router = APIRouter(tags=["LLM"])

    @router.post(
        "/llm/exchanges",
        status_code=201,
        operation_id="record-exchange",
        response_class=Response,
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": Exchange.model_json_schema()}}}},
    )
    async def record_exchange(request: Request) -> Response:
        """Store one exchange, sealed under the learner's key; the same id twice is stored once."""
        caller = await services.access.caller(request, Scope.LLM)
        content = await read_json(request)
        check_exchange(content)
        exchange_id = content.get("id") or str(uuid4())
        draft = exchange_draft(
            content,
            exchange_id,
            exchange_stream(exchange_id),
            authority=caller.credential,
            public_url=services.public_url,
        )
        await services.handover.record(caller.tenant, [draft])
        return Response(orjson.dumps({"id": exchange_id}), 201, media_type="application/json")

    return router


def check_exchange(content: object) -> None:
    """Nothing, or InvalidRequest or InvalidStatement that names the property and the rule."""
    try:
        Exchange.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        known = [
            str(step) for step in first["loc"] if step in Exchange.model_fields or step in {"model", "messages"}
        ]
        place = ".".join(known) or "exchange"
        rule = "is required" if first["type"] == "missing" else f"is not valid ({first['type']})"
    else:
        assert isinstance(content, dict)
        _check_learner(content["actor"])
        if _nests_beyond(content, DEPTH_MAX):
            raise InvalidRequest(f"exchange: must not nest deeper than {DEPTH_MAX}")
        return
    raise InvalidRequest(f"{place}: {rule}")


def _nests_beyond(content: object, levels: int) -> bool:
    """Level by level, not by recursion: a thousand levels may have been sent."""
    level = [content]
    while level and levels >= 0:
        below = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [child for children in below for child in children]
        levels -= 1
    return bool(level)


def _check_learner(actor: dict[str, Any]) -> None:
    check_actor(actor, "actor")
    if is_group(actor) or identifier_of(actor) is None:
        raise InvalidRequest("actor: must be an Agent with an inverse functional identifier")
