"""Documents: what may be written over what, and how two of them are merged (xAPI 1.0.3 Communication 2.2 and 3.1).

Values in, values out: this file must not know how documents are found, sealed or stored, nor HTTP beyond the
meaning of an ETag. The whole matrix; where nothing is said, 1.0.3 and 2.0.0 are the same:

    request                                 nothing there       a document there
    PUT without a precondition
        State            1.0.3              stored              replaced
                         2.0.0              stored              409
        a profile        1.0.3              400                 409
                         2.0.0              stored              409
    POST without one                        stored              merged
    DELETE without one                      204 all the same    deleted
    If-Match: * or its ETag                 412                 goes on
    If-Match: another ETag                  412                 412
    If-None-Match: * or its ETag            goes on             412
    If-None-Match: another ETag             goes on             goes on

THE TEXTS BY WHICH A DOCUMENT IS FOUND ARE A STORAGE FORMAT: the document index keeps digests of them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from json.decoder import JSONDecoder
from typing import Any, Final, NoReturn

from lrs.domain.errors import DocumentConflict, InvalidRequest, LimitExceeded, PreconditionFailed
from lrs.domain.versions import VERSIONS

# The specification sets no limit. Authoring tools keep some hundred kilobytes of suspend data; a document is held
# in memory several times while a request is served, and is sealed in one part.
DOCUMENT_BYTES_MAX: Final = 10 * 1024 * 1024
# As long as the id of an activity may be.
ID_BYTES_MAX: Final = 2_048
CONTENT_TYPE_BYTES_MAX: Final = 512
DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"  # RFC 9110 8.3: what a sender that names none may mean

_ANY = "*"
# RFC 9110 8.8.3. A proxy that packs an answer marks its tag as weak and the client sends that back: the bytes that
# it names are these all the same, for the tag is their digest. Old clients leave the quotes out.
_TAG = re.compile(r'(?:W/)?("[^"]*")|\b([0-9A-Fa-f]{40})\b')


class Resource(StrEnum):
    """Which of the three document resources."""

    STATE = "state"
    AGENT_PROFILE = "agent-profile"
    ACTIVITY_PROFILE = "activity-profile"


class Method(StrEnum):
    """What a document may be changed by."""

    PUT = "PUT"
    POST = "POST"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Context:
    """What a document belongs to: one resource's documents of a person, an activity, or a person in an activity.

    ``agent`` is as sent and None for an activity profile, whose documents belong to no person; ``registration``
    is in lower case.
    """

    resource: Resource
    agent: Mapping[str, Any] | None = None
    activity: str | None = None
    registration: str | None = None

    def scope(self) -> bytes:
        """What documents that are listed together have in common besides their owner; registrations are one."""
        return _text("document-scope/1", self.resource, self.activity)

    def session(self) -> bytes:
        """The same, of one registration or of none."""
        return _text("document-session/1", self.resource, self.activity, self.registration)

    def place(self, document_id: str) -> bytes:
        """What one document, and no other of its owner, is found by."""
        return _text("document-place/1", self.resource, self.activity, self.registration, document_id)


def _text(*parts: str | None) -> bytes:
    """JSON in ASCII: no two lists of parts run together, and a lone surrogate is a text like another."""
    return json.dumps(parts).encode()


@dataclass(frozen=True, slots=True)
class Content:
    """What a document holds: bytes of a kind that the sender named."""

    content_type: str
    data: bytes


def etag_of(data: bytes) -> str:
    """The ETag of a document for both versions: its SHA-1 in hexadecimal, in quotes (1.0.3 Communication 3.1)."""
    # SHA-1 is what the specification says; it tells versions of one document apart and protects nothing.
    return f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"'


# --- preconditions --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conditions:
    """The preconditions of a request (RFC 9110 13.1); None where a header was not sent."""

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> "Conditions":
        """From the headers as sent. What is no tag matches nothing."""
        return cls(_tags(if_match), _tags(if_none_match))

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self.if_match is not None or self.if_none_match is not None

    def hold(self, there: str | None) -> bool:
        """Whether they hold for the document with this ETag, or for none."""
        return (self.if_match is None or _matches(self.if_match, there)) and not self.unchanged(there)

    def unchanged(self, there: str | None) -> bool:
        """Whether the caller has this very document already."""
        return self.if_none_match is not None and _matches(self.if_none_match, there)


def _tags(header: str | None) -> frozenset[str] | None:
    if header is None:
        return None
    if header.strip() == _ANY:
        return frozenset({_ANY})
    return frozenset(quoted or f'"{bare.lower()}"' for quoted, bare in _TAG.findall(header))


def _matches(tags: frozenset[str], there: str | None) -> bool:
    return there is not None and (_ANY in tags or there in tags)


def check_change(
    method: Method, resource: Resource, version: str, conditions: Conditions, there: str | None
) -> None:
    """Nothing, if this request may change what is there (its ETag, or None): the matrix above.
    PreconditionFailed, DocumentConflict, InvalidRequest."""
    if not conditions.hold(there):
        raise PreconditionFailed("the document is not in the state that If-Match or If-None-Match names")
    if method is not Method.PUT or conditions.given:
        return
    rules, is_state = VERSIONS[version], resource is Resource.STATE
    if there is not None and not (is_state and rules.state_put_without_precondition):
        raise DocumentConflict(
            "there is a document already: GET it, look at it, and send its ETag in If-Match to replace it"
        )
    if there is None and not (is_state or rules.new_profile_put_without_precondition):
        raise InvalidRequest("a PUT of a profile needs If-Match or If-None-Match (xAPI 1.0.3 Communication 3.1)")


# --- merging --------------------------------------------------------------------------------------------------


def is_json(content_type: str) -> bool:
    """Whether the content says that it is JSON."""
    return content_type.partition(";")[0].strip().lower() == "application/json"


def posted(there: Content | None, sent: Content) -> Content:
    """What a POST leaves: the sent document, or both merged (1.0.3 Communication 2.2). InvalidRequest,
    LimitExceeded."""
    if there is None:
        if is_json(sent.content_type):
            _check_json(sent.data)
        return sent
    if not (is_json(there.content_type) and is_json(sent.content_type)):
        raise InvalidRequest(
            "only JSON can be merged: the stored and the sent document must both be application/json"
        )
    merged = _members(there.data, "stored") | _members(sent.data, "sent")
    data = "".join(("{", ",".join(f"{key}:{value}" for key, value in merged.values()), "}")).encode()
    if len(data) > DOCUMENT_BYTES_MAX:
        raise LimitExceeded(f"the merged document is larger than {DOCUMENT_BYTES_MAX} bytes")
    return Content(sent.content_type, data)


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


# Numbers stay the digits that they are: what is merged comes back as it was sent.
_DECODER = JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
_SPACE = re.compile(r"[ \t\n\r]*")
_Member = tuple[str, str]  # the name and the value, as they are written


def _check_json(data: bytes) -> None:
    try:
        _DECODER.decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        pass  # Python's error quotes the text: it must not travel along as the context of ours
    else:
        return
    raise InvalidRequest("the document is not JSON, although its Content-Type says so")


def _members(data: bytes, whose: str) -> dict[str, _Member]:
    """The top-level properties of a JSON object; of one that is there twice, the last (as JSON.parse does)."""
    try:
        return _scan(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        pass  # the same
    raise InvalidRequest(f"the {whose} document is not a JSON object")


def _scan(text: str) -> dict[str, _Member]:
    found: dict[str, _Member] = {}
    at = _past(text, "{", _skip(text, 0))
    while not found or text[at - 1] == ",":
        begin = _skip(text, at)
        if not found and text[begin : begin + 1] == "}":
            at = begin + 1
            break
        name, end = _DECODER.raw_decode(text, begin)
        if not isinstance(name, str) or text[begin] != '"':
            raise ValueError("a name is no string")
        value_begin = _skip(text, _past(text, ":", _skip(text, end)))
        _, value_end = _DECODER.raw_decode(text, value_begin)
        found[name] = (text[begin:end], text[value_begin:value_end])
        at = _past(text, ",}", _skip(text, value_end))
    if _skip(text, at) != len(text):
        raise ValueError("something follows the object")
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _past(text: str, wanted: str, at: int) -> int:
    if text[at : at + 1] not in tuple(wanted):
        raise ValueError("no JSON object")
    return at + 1
