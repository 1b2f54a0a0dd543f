"""Exchanges with a language model as a conversation: what was sent, what came back.

A client sends the whole conversation with every question (the Messages API keeps none), so only what is new in
an exchange is open; the rest is folded under it. Content is a string or a list of blocks; blocks of types that
this module does not know are shown by their type and as JSON.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from retention.page.markup import NONE, moment, plain, record, sequence, text
from retention.page.words import iri_words

MESSAGES_MAX: Final = 100  # of one exchange; a conversation's later exchanges repeat the earlier ones
BLOCKS_MAX: Final = 100
_DEPTH_MAX: Final = 3  # a tool's result holds blocks, and those no results


def exchange(value: Any) -> Iterator[str]:
    """One exchange, in a few pieces."""
    value = record(value)
    request, response = record(value.get("request")), record(value.get("response"))
    model = response.get("model") or request.get("model") or "model not named"
    at = moment(value.get("started_at") or value.get("recorded_at"))
    yield f'<article class="exchange"><h3>{at} \N{MIDDLE DOT} {text(model, 200)}</h3>\n'
    if value.get("activity"):
        yield f'<p class="soft">During: {text(iri_words(value["activity"]))}</p>\n'
    yield from _question(request)
    yield from _answer(value.get("response"))
    yield "</article>\n"


def _question(request: dict[str, Any]) -> Iterator[str]:
    messages = sequence(request.get("messages"))
    new = _first_new(messages)
    if request.get("system"):
        yield _folded("Instructions that the program sent along", _blocks(request["system"]))
    if new:
        earlier = "".join(map(_message, messages[:new][-MESSAGES_MAX:]))
        yield _folded(f"Earlier messages of this conversation, sent along again ({new:,})", earlier)
    for message in messages[new:][:MESSAGES_MAX]:
        yield _message(message)
    hidden = max(new - MESSAGES_MAX, 0) + max(len(messages) - new - MESSAGES_MAX, 0)
    if hidden:
        yield f'<p class="more">{hidden:,} more messages of this exchange are in export.json.</p>\n'


def _first_new(messages: list[Any]) -> int:
    """Where the messages after the assistant's last one begin. The very last is new even if it is the
    assistant's: then it is the beginning of an answer that the program asked to have continued."""
    for index in range(len(messages) - 1, 0, -1):
        if record(messages[index - 1]).get("role") == "assistant":
            return index
    return 0


def _answer(response: Any) -> Iterator[str]:
    if "content" in record(response):
        yield _turn("assistant", _blocks(response["content"]))
    elif response is not None:
        yield _turn("assistant", _unknown(response))
    else:
        yield '<p class="soft">No answer is recorded.</p>\n'


def _message(message: Any) -> str:
    message = record(message)
    return _turn(message.get("role"), _blocks(message.get("content")))


def _turn(role: Any, said: str) -> str:
    look, who = {"user": (" you", "You"), "assistant": ("", "Assistant")}.get(plain(role), ("", text(role, 100)))
    return f'<div class="turn{look}"><p class="who">{who}</p>{said}</div>\n'


def _folded(title: str, inner: str) -> str:
    return f"<details><summary>{title}</summary>{inner}</details>\n"


def _blocks(content: Any, depth: int = 1) -> str:
    """What a message holds: a string, or blocks."""
    if content is None:
        return _said(NONE)
    if isinstance(content, str):
        return _said(text(content))
    if not isinstance(content, list) or depth > _DEPTH_MAX:
        return _unknown(content)
    shown = "".join(_block(block, depth) for block in content[:BLOCKS_MAX])
    left = len(content) - BLOCKS_MAX
    return shown + (f'<p class="more">{left:,} more parts are in export.json.</p>' if left > 0 else "")


def _block(block: Any, depth: int) -> str:
    if isinstance(block, str):
        return _said(text(block))
    show = _BLOCKS.get(plain(record(block).get("type")))
    return show(block, depth) if show else _unknown(block)


def _text_block(block: dict[str, Any], _depth: int) -> str:
    return _said(text(block["text"])) if "text" in block else _unknown(block)


def _thinking_block(block: dict[str, Any], _depth: int) -> str:
    return _labelled("Thinking, before the answer", _blocks(block.get("thinking")))


def _tool_use_block(block: dict[str, Any], _depth: int) -> str:
    return _labelled(f"Used a tool: {text(block.get('name'), 200)}", _json(block.get("input")))


def _tool_result_block(block: dict[str, Any], depth: int) -> str:
    return _labelled("Result of a tool", _blocks(block.get("content"), depth + 1))


_BLOCKS: Final[dict[str, Callable[[dict[str, Any], int], str]]] = {
    "text": _text_block,
    "thinking": _thinking_block,
    "tool_use": _tool_use_block,
    "tool_result": _tool_result_block,
}


def _unknown(value: Any) -> str:
    """Any other value: its type, where it names one, and its JSON."""
    kind = record(value).get("type")
    return _labelled("Other content" if kind is None else f"Other content: {text(kind, 100)}", _json(value))


def _labelled(label: str, inner: str) -> str:
    return f'<p class="label">{label}</p>{inner}'


def _said(markup: str) -> str:
    return f'<p class="said">{markup}</p>'


def _json(value: Any) -> str:
    return f'<p class="said"><code>{text(value)}</code></p>'
