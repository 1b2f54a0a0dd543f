"""Statements with attachments over HTTP: from a body in parts to drafts with blobs, and back.

1. The body is taken apart while it streams (``multipart``); the statements are checked as soon as they are whole.
2. Every attachment has its data or a fileUrl; every signature is one of its statement.
3. The files are kept as blobs, then the statements are recorded.
4. Blobs that no statement came to name are removed: of a request that was refused, or had been stored before.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.multipart import Outgoing, Received, outgoing, read_multipart
from api.reading import parse_json
from api.shapes import check_statement
from lrs.attachments import Attachments
from lrs.domain.attachments import check_data, hash_of, is_signature, without_signatures
from lrs.domain.comparison import same_statement
from lrs.domain.errors import InvalidRequest, InvalidStatement, Refused, code_of
from lrs.domain.events import BlobName, StatementWithAttachments
from lrs.ports import Blobs
from lrs.ports.signatures import SignatureInvalid, SignedPayloads
from lrs.recording.attachments import Keeping, remove_unnamed
from lrs.recording.drafts import Draft
from lrs.tenancy import Tenants

log = logging.getLogger("lethe.api")

Statements = list[dict[str, Any]]
_SECTION = "1.0.3 Data 2.6"


@dataclass(frozen=True, slots=True)
class AttachedStatements:
    """Writing and reading attachments."""

    tenants: Tenants
    blobs: Blobs
    attachments: Attachments
    signatures: SignedPayloads
    bytes_max: int

    async def record(
        self,
        request: Request,
        tenant: str,
        version: str,
        checked: Callable[[Any], Statements],
        draft: Callable[[dict[str, Any]], Draft],
        record: Callable[[list[Draft]], Awaitable[list[UUID]]],
    ) -> list[UUID]:
        """Record what a body in parts holds; the ids. ``checked`` gives the statements of the first part."""
        statements: Statements = []

        def check(content: Any) -> Sequence[Mapping[str, Any]]:
            statements[:] = checked(content)
            return statements

        with ExitStack() as files:
            received = await read_multipart(request, check, self.blobs.spool, files, self.bytes_max)
            keeping = Keeping(tenant, received.spools, self.bytes_max)
            try:
                drafts = await run_in_threadpool(self._kept, received, statements, version, keeping, draft)
                ids = await record(drafts)
            except Refused:
                await run_in_threadpool(self._remove_unnamed, tenant, keeping.kept)
                raise
        await run_in_threadpool(self._remove_unnamed, tenant, keeping.kept)
        return ids

    def _kept(
        self,
        received: Received,
        statements: Statements,
        version: str,
        keeping: Keeping,
        draft: Callable[[dict[str, Any]], Draft],
    ) -> list[Draft]:
        check_data(statements, received.spools)
        signed = {sha2: self._signed(token, version) for sha2, token in received.signatures.items()}
        for number, statement in enumerate(statements):
            _check_signed(statement, signed, f"[{number}]." if len(statements) > 1 else "")
        return [keeping.attach(draft(statement), statement) for statement in statements]

    def _signed(self, token: bytes, version: str) -> dict[str, Any] | InvalidStatement:
        """The statement that a signature is of, or what is wrong with it; looked at once, however often it is
        cited."""
        try:
            signed: dict[str, Any] = parse_json(self.signatures.payload(token))
            check_statement(signed, version, "payload")
        except SignatureInvalid as error:
            return InvalidStatement("", error.rule, _SECTION)
        except InvalidRequest:
            return InvalidStatement("", "must sign a statement in JSON", _SECTION)
        except InvalidStatement as error:
            return InvalidStatement("", f"must sign a valid statement: {error.path} {error.rule}", _SECTION)
        return without_signatures(signed)

    def _remove_unnamed(self, tenant: str, names: Sequence[BlobName]) -> None:
        """After the answer is known: no statement is about to name one of them."""
        if not names:
            return
        try:
            remove_unnamed(self.tenants, self.blobs, tenant, names)
        except Exception as error:  # noqa: BLE001  (the sweep finds them; the answer stands)
            log.warning("blobs left for the sweep: %s", code_of(error))

    def answer(
        self,
        tenant: str,
        body: object,
        events: Sequence[StatementWithAttachments],
        headers: Mapping[str, str],
        *,
        head: bool,
    ) -> Response:
        """The body and the attachments of these statements in parts. What is wrong with the first file is an error
        as any; later, when the answer has begun, it is cut off, which no client takes for its end."""
        found = self.attachments.found(tenant, events)
        parts = outgoing(body, found, lambda one: self.attachments.read(tenant, one))
        sent = dict(headers) | {"Content-Type": parts.content_type}
        if head:
            return Response(None, headers=sent)
        if not found:
            return Response(b"".join(parts.pieces()), headers=sent)
        return StreamingResponse(_begun(parts), headers=sent)


def _check_signed(
    statement: Mapping[str, Any], signed: Mapping[str, dict[str, Any] | InvalidStatement], where: str
) -> None:
    """Nothing, where every signature of a statement that came along is one of it; else InvalidStatement."""
    for index, attachment in enumerate(statement.get("attachments", ())):
        of = signed.get(hash_of(attachment)) if is_signature(attachment) else None
        if of is None:
            continue
        if isinstance(of, InvalidStatement):
            raise InvalidStatement(f"{where}attachments[{index}]", of.rule, of.section)
        # 1.0.3 Data 2.6: what was signed is the statement before the signature was added.
        if not same_statement(of, without_signatures(statement)):
            raise InvalidStatement(
                f"{where}attachments[{index}]", "must be a signature of this statement", _SECTION
            )


def _begun(parts: Outgoing) -> Iterator[bytes]:
    """The pieces, of which the first two are there already: the statements and the beginning of the first file."""
    pieces = parts.pieces()
    first = [next(pieces), next(pieces)]

    def rest() -> Iterator[bytes]:
        yield from first
        try:
            yield from pieces
        except Exception as error:
            log.error("an answer was cut off: %s", code_of(error))  # noqa: TRY400
            raise

    return rest()
