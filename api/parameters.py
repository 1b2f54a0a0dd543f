"""The query parameters of GET /statements (xAPI 1.0.3 Communication 2.1.3), checked and turned into a query."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams

from api.formats import is_iri, is_uuid
from api.reading import parse_json
from api.shapes import check_actor
from lrs.domain.agents import Identifier, identifier_of
from lrs.domain.errors import InvalidRequest
from lrs.domain.instants import instant, microseconds
from lrs.domain.statements import ACTIVITY_ID_BYTES_MAX
from lrs.retrieving import PAGE_DEFAULT, PAGE_MAX, Query

FORMATS = ("exact", "ids", "canonical")
CURSOR = "cursor"  # ours: where the page before ended
_ONE = frozenset({"statementId", "voidedStatementId"})
_WITH_ONE = _ONE | {"attachments", "format"}
_ALL = _WITH_ONE | {
    *("agent", "verb", "activity", "registration", "related_activities", "related_agents"),
    *("since", "until", "limit", "ascending", CURSOR),
}


@dataclass(frozen=True, slots=True)
class StatementParameters:
    """What GET /statements was asked: one statement, or a page."""

    statement: UUID | None
    voided: bool
    query: Query
    format: str
    attachments: bool

    def more(self, path: str, sent: Mapping[str, str], after: int) -> str:
        """The path and query of the next page."""
        return f"{path}?{urlencode({**sent, CURSOR: str(after)})}"


def statement_parameters(sent: QueryParams, authority: UUID | None) -> StatementParameters:
    """The parameters, or InvalidRequest that names one and its rule."""
    names = [name for name, _ in sent.multi_items()]
    if len(names) != len(set(names)):
        raise InvalidRequest("a parameter is given twice")
    if not set(names) <= _ALL:
        raise InvalidRequest("a parameter is not known to this resource")
    if (_ONE & set(names) and not set(names) <= _WITH_ONE) or set(names) >= _ONE:
        raise InvalidRequest("statementId or voidedStatementId goes alone, with attachments or format only")
    chosen = sent.get("format", "exact")
    if chosen not in FORMATS:
        raise InvalidRequest("format: must be exact, ids or canonical")
    return StatementParameters(
        statement=_uuid(sent, "statementId") or _uuid(sent, "voidedStatementId"),
        voided="voidedStatementId" in names,
        query=_query(sent, authority),
        format=chosen,
        attachments=_flag(sent, "attachments"),
    )


def _query(sent: QueryParams, authority: UUID | None) -> Query:
    registration = _uuid(sent, "registration")
    limit = _number(sent, "limit")
    if limit == 0:
        limit = PAGE_MAX  # 1.0.3 Communication 2.1.3: zero asks for as many as the server gives
    return Query(
        agent=agent_parameter(sent.get("agent")),
        related_agents=_flag(sent, "related_agents"),
        verb=_iri(sent, "verb"),
        activity=_iri(sent, "activity"),
        related_activities=_flag(sent, "related_activities"),
        registration=str(registration) if registration else None,
        since_us=time_parameter("since", sent.get("since")),
        until_us=time_parameter("until", sent.get("until")),
        ascending=_flag(sent, "ascending"),
        limit=PAGE_DEFAULT if limit is None else min(limit, PAGE_MAX),
        after=_number(sent, CURSOR),
        authority=authority,
    )


def agent_parameter(text: str | None, name: str = "agent") -> Identifier | None:
    """The identifier of an Agent or identified Group given as JSON. InvalidRequest, InvalidStatement."""
    return None if text is None else identifier_of(identified_agent(text, name))


def identified_agent(text: str, name: str = "agent") -> dict[str, Any]:
    """An Agent or identified Group given as JSON. InvalidRequest, InvalidStatement."""
    agent: dict[str, Any] = parse_json(text.encode("utf-8", "surrogatepass"), name)
    check_actor(agent, name)
    if identifier_of(agent) is None:
        raise InvalidRequest(f"{name}: must carry an inverse functional identifier")
    return agent


def single_parameters(sent: QueryParams, known: Collection[str]) -> dict[str, str]:
    """The parameters by name, none twice and none that is not known. InvalidRequest."""
    named = sent.multi_items()
    if len(named) != len({name for name, _ in named}):
        raise InvalidRequest("a parameter is given twice")
    if not {name for name, _ in named} <= set(known):
        raise InvalidRequest("a parameter is not known to this resource and method")
    return dict(named)


def byte_length(name: str, text: str) -> int:
    """How many bytes of UTF-8 a text is. InvalidRequest for a lone surrogate, which is none."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name}: must be text") from None


def iri_parameter(sent: Mapping[str, str], name: str) -> str:
    """An IRI that has to be there. InvalidRequest."""
    text = sent.get(name, "")
    if not is_iri(text):
        raise InvalidRequest(f"{name}: is required and must be an IRI")
    if byte_length(name, text) > ACTIVITY_ID_BYTES_MAX:
        raise InvalidRequest(f"{name}: must be at most {ACTIVITY_ID_BYTES_MAX} bytes")
    return text


def time_parameter(name: str, text: str | None) -> int | None:
    """Microseconds of a timestamp. InvalidRequest."""
    if text is None:
        return None
    try:
        # A plus sign that was not percent-encoded arrives as a space.
        return microseconds(instant(text.replace(" ", "+")))
    except ValueError:
        raise InvalidRequest(f"{name}: must be an ISO 8601 timestamp") from None


def _uuid(sent: QueryParams, name: str) -> UUID | None:
    text = sent.get(name)
    if text is None:
        return None
    if not is_uuid(text):
        raise InvalidRequest(f"{name}: must be a UUID")
    return UUID(text)


def _iri(sent: QueryParams, name: str) -> str | None:
    text = sent.get(name)
    if text is not None and not is_iri(text):
        raise InvalidRequest(f"{name}: must be an IRI")
    return text


def _flag(sent: QueryParams, name: str) -> bool:
    text = sent.get(name, "false")
    if text not in {"true", "false"}:
        raise InvalidRequest(f"{name}: must be true or false")
    return text == "true"


def _number(sent: QueryParams, name: str) -> int | None:
    text = sent.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest(f"{name}: must be a whole number, zero or more")
    return int(text)
