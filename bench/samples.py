"""Samples for the sealing dictionary: what is sealed, in clear. The same seed gives the same samples."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from bench import products, profiles
from bench import vocabulary as words
from bench.drawing import Draws
from lrs.domain.people import split
from lrs.sealed_bodies import pack

Json = dict[str, Any]

# How many in a hundred are of a profile.
_SHARES: Final[dict[Callable[[Draws], Json], int]] = {
    profiles.cmi5: 26,
    profiles.interaction: 16,
    profiles.video: 10,
    products.h5p: 10,
    products.moodle: 12,
    products.scorm: 10,
    profiles.plain: 16,
}
# What statements say of their version, and how often they say nothing.
_VERSIONS: Final = (None, None, "1.0.0", "1.0.3", "1.0.3", "2.0.0")


def statements(seed: int, count: int) -> Iterator[bytes]:
    """Bodies of statements."""
    draw = Draws(seed)
    for profile in draw.rng.choices([*_SHARES], [*_SHARES.values()], k=count):
        draw.begin()
        yield pack(split(draw.ordered(profile(draw))), draw.pick(*_VERSIONS))


def exchanges(seed: int, count: int) -> Iterator[bytes]:
    """Bodies of exchanges with a language model."""
    draw = Draws(seed)
    for _ in range(count):
        draw.begin()
        yield pack(split(_exchange(draw)), None)


def agents(seed: int, count: int) -> Iterator[bytes]:
    """Agent objects, and identifiers as the directory seals them."""
    draw = Draws(seed)
    for _ in range(count):
        draw.begin()
        yield orjson.dumps(draw.agent())
        yield draw.pick(f"mailto:{draw.digits()}", f'["{draw.home}","{draw.digits()}"]').encode()


def _exchange(draw: Draws) -> Json:
    """A request and a response of the Messages API, as ``POST /llm/exchanges`` takes them."""
    model = draw.pick(*words.MODELS)
    messages: list[Json] = []
    for _ in range(draw.rng.randint(0, 3)):
        messages += [{"role": "user", "content": _turn(draw, 3)}, {"role": "assistant", "content": _turn(draw, 5)}]
    messages.append({"role": "user", "content": _turn(draw, 3)})
    request: Json = {"model": model, "max_tokens": draw.pick(256, 512, 1024, 2048, 4096), "messages": messages}
    if draw.chance(0.7):
        request["system"] = draw.pick(*words.SYSTEMS) + " " + draw.text(4)
    if draw.chance(0.3):
        request["temperature"] = draw.pick(0, 0.2, 0.7, 1.0)
    usage = {"input_tokens": int(draw.digits(4)), "output_tokens": int(draw.digits(3))}
    if draw.chance(0.5):
        usage = {
            "input_tokens": int(draw.digits(4)),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": int(draw.digits(3)),
        }
    response = {
        "id": f"msg_01{draw.uuid().replace('-', '')[:22]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": draw.text(8)}],
        "stop_reason": draw.pick("end_turn", "end_turn", "end_turn", "max_tokens", "tool_use", "stop_sequence"),
        "stop_sequence": None,
        "usage": usage,
    }
    exchange: Json = {"actor": draw.agent(), "request": request, "response": response}
    if draw.chance(0.6):
        exchange |= {"activity": f"{draw.home}/{draw.slug()}", "registration": draw.uuid()}
    if draw.chance(0.7):
        exchange |= {"started_at": draw.time(), "ended_at": draw.time()}
    return exchange | {"exchange_id": draw.uuid(), "object": {}}


def _turn(draw: Draws, most: int) -> Any:
    text = draw.text(most)
    return text if draw.chance(0.7) else [{"type": "text", "text": text}]
