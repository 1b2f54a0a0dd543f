"""multipart/mixed: statements and the files that come with them (xAPI 1.0.3 Communication 1.5.2, RFC 2046).

In: parsed while it streams, in a worker thread, a megabyte at a time. The first part is the statements; when it is
whole they are checked and say which files they cite. Every other part must be one of those files, and is hashed
and spooled as it comes. Out: the same, the other way round. No file is ever in memory as a whole, but signatures.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.bodies import BODY_BYTES_MAX, STATEMENT_BYTES_MAX, check_parts
from api.reading import parse_json
from lrs.attachments import Attachment
from lrs.domain.attachments import SHA2_BY_DIGITS, attachments_of, hash_of, is_signature
from lrs.domain.errors import InvalidRequest, LimitExceeded
from lrs.ports import Spool

# Every part costs a file and a row; a statement with more files is no statement.
PARTS_MAX: Final = 1_000
# Real parts have four headers; a media type with parameters is the longest.
HEADERS_MAX: Final = 16
HEADER_BYTES_MAX: Final = 4_096
# A signature holds its statement once more, in base64, and has to be looked at as a whole.
SIGNATURE_BYTES_MAX: Final = 2 * BODY_BYTES_MAX
HASH_HEADER: Final = "X-Experience-API-Hash"
_FED_BYTES: Final = 1024 * 1024
# RFC 2046 section 5.1.1.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_MALFORMED: Final = (
    "the body must be multipart/mixed as its Content-Type says, whole, with a boundary around each part"
)


class _Parser(PushMultipartParser):  # type: ignore[misc]  # the library has no types
    """The library's parser, which knows form-data; parts of multipart/mixed need no Content-Disposition."""

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        return MultipartSegment(headerlist)


@dataclass(slots=True)
class Cited:
    """A file that statements cite: what they say of it, in all places."""

    content_types: set[str]
    lengths: set[int]
    signature: bool


@dataclass(slots=True)
class Received:
    """What came: the statements (a list, or one), the files by hash, and the signatures' content."""

    content: Any
    spools: Mapping[str, Spool]
    signatures: Mapping[str, bytes]


class Intake:
    """Takes one request's body apart. For one thread at a time; ``files`` closes what was spooled."""

    def __init__(
        self,
        boundary: str,
        check: Callable[[Any], Sequence[Mapping[str, Any]]],
        spool: Callable[[], Spool],
        files: ExitStack,
    ) -> None:
        """``check`` takes the first part's JSON and gives its statements, or raises."""
        self._parser = _Parser(
            boundary,
            max_header_size=HEADER_BYTES_MAX,
            max_header_count=HEADERS_MAX,
            max_segment_count=PARTS_MAX + 1,
        )
        self._check, self._spool, self._files = check, spool, files
        self._part: _Statements | _File | None = None
        self._cited: Mapping[str, Cited] = {}
        self._content: Any = None
        self._parts = 0
        self._spools: dict[str, Spool] = {}
        self._signatures: dict[str, bytes] = {}

    def feed(self, data: bytes) -> None:
        """The next bytes of the body. InvalidRequest, InvalidStatement, LimitExceeded, StoreUnavailable."""
        try:
            for event in self._parser.parse(data):
                if isinstance(event, MultipartSegment):
                    self._part = self._begin(event)
                elif event is None:
                    self._end()
                else:
                    assert self._part is not None
                    self._part.add(event)
        except MultipartError as error:
            raise _refusal(error) from None

    def finish(self) -> Received:
        """That was all. InvalidRequest where something is missing."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise _refusal(error) from None
        if not self._parts:
            raise InvalidRequest("the first part must be the statements")
        return Received(self._content, self._spools, self._signatures)

    def _begin(self, segment: MultipartSegment) -> "_Statements | _File":
        headers = _headers(segment)
        if not self._parts:
            return _Statements(headers)
        return _File(headers, self._cited, self._files.enter_context(closing(self._spool())))

    def _end(self) -> None:
        part, self._part = self._part, None
        self._parts += 1
        if isinstance(part, _Statements):
            self._content = parse_json(bytes(part.data))
            if len(part.data) > STATEMENT_BYTES_MAX:
                check_parts(self._content, STATEMENT_BYTES_MAX)
            self._cited = cited_by(self._check(self._content))
        elif part is not None:
            part.finish()
            # The same file twice is one: 1.0.3 only recommends to send it once.
            self._spools.setdefault(part.sha2, part.spool)
            if part.kept is not None:
                self._signatures[part.sha2] = bytes(part.kept)


class _Statements:
    """The first part."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest("the first part must be the statements, its Content-Type application/json")
        self.data = bytearray()

    def add(self, data: bytes) -> None:
        """More of it."""
        self.data += data
        if len(self.data) > BODY_BYTES_MAX:
            raise LimitExceeded(f"the statements are larger than {BODY_BYTES_MAX} bytes")


class _File:
    """Any other part: a file that a statement cites."""

    def __init__(self, headers: Mapping[str, str], cited: Mapping[str, Cited], spool: Spool) -> None:
        self.spool = spool
        self.sha2 = headers.get(HASH_HEADER.lower(), "").strip().lower()
        found = cited.get(self.sha2)
        if found is None:
            raise InvalidRequest(f"every part after the first must be an attachment, named by its {HASH_HEADER}")
        # 1.0.3 Communication 1.5.2: to be assumed where it is not said.
        if headers.get("content-transfer-encoding", "binary").strip().lower() != "binary":
            raise InvalidRequest("the Content-Transfer-Encoding of an attachment must be binary")
        if "content-type" in headers and {_plain(headers["content-type"])} != found.content_types:
            raise InvalidRequest("the Content-Type of a part must be the contentType of its attachment")
        # The library sees to it that this is the part's length. What an attachment says without such a header is
        # left as it is: the suite sends another, and 1.0.3 compares header and property only.
        if "content-length" in headers and {int(headers["content-length"])} != found.lengths:
            raise InvalidRequest("the Content-Length of a part must be the length of its attachment")
        self._hash = hashlib.new(SHA2_BY_DIGITS[len(self.sha2)])
        self.kept = bytearray() if found.signature else None

    def add(self, data: bytes) -> None:
        """More of it."""
        self._hash.update(data)
        self.spool.write(data)
        if self.kept is not None:
            self.kept += data
            if len(self.kept) > SIGNATURE_BYTES_MAX:
                raise LimitExceeded(f"a signature is larger than {SIGNATURE_BYTES_MAX} bytes")

    def finish(self) -> None:
        """It is whole: it must be what was promised."""
        if self._hash.hexdigest() != self.sha2:
            raise InvalidRequest(f"the content of a part does not have the hash that its {HASH_HEADER} says")


def cited_by(statements: Iterable[Mapping[str, Any]]) -> dict[str, Cited]:
    """What statements say of files, by hash."""
    found: dict[str, Cited] = {}
    for statement in statements:
        for _, one in attachments_of(statement):
            cited = found.setdefault(hash_of(one), Cited(set(), set(), signature=False))
            cited.content_types.add(_plain(one["contentType"]))
            cited.lengths.add(one["length"])
            cited.signature |= is_signature(one)
    return found


def is_multipart(request: Request) -> bool:
    """Whether the body has parts."""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            return bool(value[:15].lower() == b"multipart/mixed")
    return False


async def read_multipart(
    request: Request,
    check: Callable[[Any], Sequence[Mapping[str, Any]]],
    spool: Callable[[], Spool],
    files: ExitStack,
    bytes_max: int,
) -> Received:
    """The body taken apart. InvalidRequest, InvalidStatement, LimitExceeded, StoreUnavailable."""
    intake = Intake(_boundary(request), check, spool, files)
    waiting, size = bytearray(), 0
    async for piece in request.stream():
        size += len(piece)
        if size > bytes_max:
            raise LimitExceeded(f"the body is larger than {bytes_max} bytes")
        waiting += piece
        if len(waiting) >= _FED_BYTES:
            await run_in_threadpool(intake.feed, bytes(waiting))
            waiting.clear()
    return await run_in_threadpool(_finished, intake, bytes(waiting))


def _finished(intake: Intake, rest: bytes) -> Received:
    if rest:
        intake.feed(rest)
    return intake.finish()


def _boundary(request: Request) -> str:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary: str = options.get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise InvalidRequest("the Content-Type must name the boundary, 1 to 70 characters of RFC 2046")
    return boundary


def _headers(segment: MultipartSegment) -> dict[str, str]:
    headers = {name.lower(): value for name, value in segment.headerlist}
    if len(headers) != len(segment.headerlist):
        raise InvalidRequest("a part has a header twice")
    return headers


def _plain(media_type: str) -> str:
    """White space around parameters, and case, mean nothing (RFC 9110 section 8.3.1)."""
    return "".join(media_type.lower().split())


def _refusal(error: MultipartError) -> InvalidRequest | LimitExceeded:
    """In our own words: the library's may repeat what was sent."""
    if isinstance(error, ParserLimitReached):
        return LimitExceeded(
            f"a body has at most {PARTS_MAX} attachments,"
            f" a part at most {HEADERS_MAX} headers of {HEADER_BYTES_MAX} bytes"
        )
    return InvalidRequest(_MALFORMED)


# --- out -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A body in parts that is made while it is sent. The boundary is unquoted and last in the Content-Type: an old
    client reads it no other way."""

    body: object
    attachments: Sequence[Attachment]
    read: Callable[[Attachment], Iterator[bytes]]
    boundary: str

    @property
    def content_type(self) -> str:
        """The header."""
        return f"multipart/mixed; boundary={self.boundary}"

    def pieces(self) -> Iterator[bytes]:
        """The statements, then every file."""
        yield f"--{self.boundary}\r\nContent-Type: application/json\r\n\r\n".encode() + orjson.dumps(self.body)
        for one in self.attachments:
            pieces = self.read(one)
            # The first piece along with the head: the smaller attachments are one piece.
            yield self._head(one) + next(pieces, b"")
            yield from pieces
        yield f"\r\n--{self.boundary}--\r\n".encode()

    def _head(self, one: Attachment) -> bytes:
        return (
            f"\r\n--{self.boundary}\r\nContent-Type: {one.content_type}\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-Length: {one.length}\r\n{HASH_HEADER}: {one.sha2}\r\n\r\n"
        ).encode()


def outgoing(
    body: object, attachments: Sequence[Attachment], read: Callable[[Attachment], Iterator[bytes]]
) -> Outgoing:
    """The answer in parts; without attachments its only part is the statements."""
    return Outgoing(body, attachments, read, uuid4().hex)
