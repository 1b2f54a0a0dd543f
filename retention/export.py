"""Exporting all that is held on one person: a zip of machine-readable JSON and a page for people.

1. The report views are brought up to the log. The records are found through the index by the subjects' terms, a
   page at a time, each once, up to where the log stood then: the counts and the lists are of the same records.
2. What the person owns is opened and given whole, with other people masked; what others own is only counted:
   id and time.
3. Documents are those that there are now; they are read from the log, so that counts and lists are of the same
   versions here, too. Versions before these, and deleted ones, are not told.
4. The zip is written piece by piece, and each piece is sealed before it is kept, once for every subject that the
   request is about, seal in seal: the package dies with the first of them that is erased.
"""

import base64
import heapq
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from itertools import groupby, islice, takewhile
from typing import Any, cast
from uuid import UUID

import orjson

from lrs.attachments import Attachment, Attachments
from lrs.documenting.reading import Owned, owned, rows_of
from lrs.domain.attachments import attachments_of, hash_of, is_signature
from lrs.domain.corrections import Correction
from lrs.domain.errors import EventCorrupt, KeyStoreUnavailable, NotFound, ReadingDenied, Refused
from lrs.domain.events import StatementRecorded, StatementWithAttachments
from lrs.domain.filters import EXACT, EXCHANGE_OWNER, OWNER, RELATED
from lrs.domain.instants import timestamp_text
from lrs.domain.requests import DataSubjectRequest
from lrs.domain.sealing import Corrupt, Place, Plain, Sealed, Unavailable
from lrs.domain.subjects import Standing, Subject
from lrs.opening import Opened, Opener, check_not_corrupt
from lrs.ports import Clock, DocumentRow, TenantStore, Vault, ViewFilter
from lrs.projections.learning import LEARNING
from lrs.projections.runner import catch_up
from lrs.reporting import row_of
from lrs.tenancy import Tenants
from retention.page import Summary, page
from retention.sealing import seal_for

PACKAGE_TOPIC = "package"
PART_BYTES_MAX = 1024 * 1024
_PAGE = 500
_ROWS_MAX = 100_000
_REQUESTS_MAX = 1_000
# A person's standing may change while an export runs; it is made afresh then.
_ATTEMPTS_MAX = 5


class SealingSink(RawIOBase):
    """A file to write to: what is written is sealed in parts and kept in the store. It can not seek, so the zip
    is written forwards only."""

    def __init__(self, vault: Vault, store: TenantStore, request: UUID, owners: tuple[UUID, ...]) -> None:
        super().__init__()
        self._vault = vault
        self._store = store
        self._request = request
        self._owners = owners
        self._buffer = bytearray()
        self._parts = 0

    def write(self, data: Any) -> int:
        """Take the bytes; whole parts are sealed and kept at once."""
        self._buffer += data
        while len(self._buffer) >= PART_BYTES_MAX:
            self._keep(bytes(self._buffer[:PART_BYTES_MAX]))
            del self._buffer[:PART_BYTES_MAX]
        return len(data)

    def finish(self) -> int:
        """Keep what is left; the number of parts."""
        self._keep(bytes(self._buffer))
        self._buffer.clear()
        return self._parts

    def _keep(self, data: bytes) -> None:
        for layer, owner in enumerate(self._owners):
            place = part_place(self._request, self._parts, layer)
            sealed = seal_for(self._vault, self._store.tenant, owner, place, data)
            if sealed is None:
                raise NotFound("the person was erased meanwhile")
            data = sealed.envelope
        self._store.requests.put_part(self._request, self._owners[0], self._parts, Sealed(data))
        self._parts += 1


def part_place(request: UUID, part: int, layer: int = 0) -> Place:
    """Where a part of a package lives; the outer seals of several subjects are layers of it."""
    return Place(request, part, f"part-{layer}" if layer else "part", PACKAGE_TOPIC)


@dataclass(frozen=True, slots=True)
class Exporter:
    """Makes and opens packages."""

    tenants: Tenants
    vault: Vault
    opener: Opener
    clock: Clock
    attachments: Attachments

    def export(self, tenant: str, request: DataSubjectRequest) -> dict[str, Any]:
        """Make the package of a request; what it holds, counted. Again: from the start. ReadingDenied,
        NotFound."""
        store = self.tenants.store(tenant)
        for _ in range(_ATTEMPTS_MAX):
            store.requests.drop_package(request.id)
            before = self._readable(tenant, request)
            held = self._made(store, request)
            try:
                if self._readable(tenant, request) == before:
                    return held
            except Refused:
                store.requests.drop_package(request.id)
                raise
        raise KeyStoreUnavailable("the person's standing keeps changing: try again")

    def _readable(self, tenant: str, request: DataSubjectRequest) -> list[Standing]:
        """How they stand, so that a package that was made over a change is made again: one that left out what was
        not to be read would say that there is nothing. ReadingDenied."""
        stand = self.vault.standings(tenant, request.subjects)
        if any(one.denied and not one.ending for one in stand):
            raise ReadingDenied("reading is restricted, or an erasure waits: lift it, or take it back, first")
        return stand

    def _made(self, store: TenantStore, request: DataSubjectRequest) -> dict[str, Any]:
        tenant = store.tenant
        catch_up(store, self.opener)
        sink = SealingSink(self.vault, store, request.id, self._owners(tenant, request))
        upto = store.statements.head().position
        documents = tuple(row for subject in request.subjects for row in rows_of(store, subject))
        records = _Records(store, self.opener, self.attachments, request.subjects, upto, self.vault, documents)
        counts = self._write(sink, records, request)
        return counts | {"parts": sink.finish()}

    def _owners(self, tenant: str, request: DataSubjectRequest) -> tuple[UUID, ...]:
        return request.subjects or (self.vault.tenant_subject(tenant),)

    def _write(self, sink: SealingSink, records: "_Records", request: DataSubjectRequest) -> dict[str, Any]:
        made_at = self.clock.now().isoformat()
        months = Counter(one["timestamp"][:7] for one in records.statements())
        summary = Summary(
            tenant=records.store.tenant,
            request=str(request.id),
            made_at=made_at,
            agents=records.agents(),
            statements=months.total(),
            exchanges=sum(1 for _ in records.exchanges()),
            mentions=sum(1 for _ in records.mentions()),
            documents=len(records.kept),
            months=dict(sorted(months.items())),
        )
        rows, requests = records.rows(), self._requests(records.store, request.subjects)
        corrections = self._corrections(records.store, request.subjects)
        with zipfile.ZipFile(cast("Any", sink), "w", zipfile.ZIP_DEFLATED) as package:
            with package.open("export.json", "w", force_zip64=True) as file:
                for piece in _json(summary, records, rows, requests, corrections):
                    file.write(piece)
            with package.open("index.html", "w", force_zip64=True) as file:
                pieces = page(
                    summary,
                    rows,
                    records.statements(),
                    records.exchanges(),
                    records.mentions(),
                    requests,
                    records.documents(),
                )
                for text in pieces:
                    file.write(text.encode("utf-8", "replace"))
            files = self._write_files(package, records)
        return {
            "statements": summary.statements,
            "exchanges": summary.exchanges,
            "mentions": summary.mentions,
            "documents": summary.documents,
            "rows": len(rows),
            "attachments": files,
        }

    @staticmethod
    def _write_files(package: zipfile.ZipFile, records: "_Records") -> int:
        """The files that came with the person's statements, as they came, by statement and hash; how many."""
        count = 0
        for one in records.attachments():
            name = zipfile.ZipInfo(f"attachments/{one.statement}/{one.sha2}")
            with package.open(name, "w", force_zip64=True) as file:
                for piece in records.files.read(records.store.tenant, one):
                    file.write(piece)
            count += 1
        return count

    def _requests(self, store: TenantStore, subjects: tuple[UUID, ...]) -> list[dict[str, Any]]:
        application = self.tenants.application(store.tenant)
        listed = store.requests.list(limit=_REQUESTS_MAX)
        return [
            {
                "id": str(row.id),
                "kind": row.kind,
                "status": row.status,
                "requested_at": row.requested_at.isoformat(),
            }
            for row in listed
            if set(subjects) & set(cast("DataSubjectRequest", application.repository.get(row.id)).subjects)
        ]

    def _corrections(self, store: TenantStore, subjects: tuple[UUID, ...]) -> list[dict[str, Any]]:
        """That the person was called otherwise before, and since when not: all above is shown corrected."""
        application = self.tenants.application(store.tenant)
        known = (application.get_or_none(subject) for subject in subjects)
        made = [one for subject in known if isinstance(subject, Subject) for one in subject.corrections]
        asked = {one.request: cast("DataSubjectRequest", application.repository.get(one.request)) for one in made}
        return [
            {
                "at": one.at.isoformat(),
                "request": str(one.request),
                "corrected": asked[one.request].detail["corrects"],
            }
            for one in sorted(made, key=lambda one: one.at)
        ]

    def package(self, tenant: str, request: UUID) -> Iterator[bytes]:
        """The zip of a finished export, piece by piece. NotFound when there is none, or none any more."""
        store = self.tenants.store(tenant)
        known = cast("DataSubjectRequest", self.tenants.application(tenant).repository.get(request))
        layers = len(self._owners(tenant, known))
        found = False
        for _, part, sealed in store.requests.parts(request):
            data = sealed.envelope
            for layer in reversed(range(layers)):
                data = self._open(store, part_place(request, part, layer), Sealed(data))
            yield data
            found = True
        if not found:
            raise NotFound("there is no package of this request")

    def _open(self, store: TenantStore, place: Place, sealed: Sealed) -> bytes:
        (outcome,) = self.vault.open_many(store.tenant, [(place, sealed)])
        if isinstance(outcome, Plain):
            return outcome.data
        if isinstance(outcome, Unavailable):
            raise KeyStoreUnavailable("the vault can not be reached")
        if isinstance(outcome, Corrupt):
            raise EventCorrupt("a part of the package does not open")
        raise NotFound("there is no package of this request")


@dataclass(frozen=True, slots=True)
class _Records:
    """What is held on these subjects, each kind as a fresh iteration."""

    store: TenantStore
    opener: Opener
    files: Attachments
    subjects: tuple[UUID, ...]
    upto: int
    vault: Vault
    kept: tuple[DocumentRow, ...]

    def agents(self) -> list[dict[str, Any]]:
        """Every agent object that named the person, the correction in force laid over it."""
        events = self.store.statements.streams(self.subjects)
        # By their topic: a correction has its number on the same stream.
        sealed = [one for one in events if one.topic == Subject.AgentSealed.TOPIC]
        refs = sorted((cast("UUID", one.originator_id), one.originator_version) for one in sealed)
        return [agent for agent in self.opener.agents(self.store, refs).values() if agent is not None]

    def statements(self) -> Iterator[dict[str, Any]]:
        """Statements whose body the person owns, voided ones too, others masked."""
        for opened in self._opened(OWNER):
            masked = [one for one in opened if isinstance(one.event, StatementRecorded)]
            yield from self.opener.statements(self.store, masked, only=frozenset(self.subjects))

    def attachments(self) -> Iterator[Attachment]:
        """Files that came with them. A signature holds the statement once more, with everybody in it: it is given
        where nobody but the person is."""
        for opened in self._opened(OWNER):
            for one in opened:
                event = one.event
                if isinstance(event, StatementWithAttachments) and one.body is not None:
                    alone = {subject for subject, _ in event.people} <= set(self.subjects)
                    for found in self.files.found(self.store.tenant, [event]):
                        if alone or found.sha2 not in _signatures(one.body.content):
                            yield found

    def exchanges(self) -> Iterator[dict[str, Any]]:
        """Exchanges with language models."""
        for opened in self._opened(EXCHANGE_OWNER):
            for one in opened:
                if one.body is not None:
                    content = {name: value for name, value in one.body.content.items() if name not in _ADDED}
                    recorded_at = timestamp_text(one.recorded.stored_us)
                    yield {"id": one.body.content["exchange_id"], "recorded_at": recorded_at} | content

    def mentions(self) -> Iterator[dict[str, Any]]:
        """Records that others own and that name the person: id and time only."""
        owned = {position for positions in self._positions(OWNER) for position in positions}
        for positions in self._positions(EXACT, RELATED):
            for one in self.store.statements.at([position for position in positions if position not in owned]):
                yield {"id": str(one.stream), "stored": timestamp_text(one.stored_us)}

    def documents(self) -> Iterator[dict[str, Any]]:
        """What programs kept about the person: state and profiles."""
        corrections = {one: self.opener.correction(self.store, one) for one in self.subjects}
        return (
            _document(one, corrections.get(one.head.owner)) for one in owned(self.vault, self.store, self.kept)
        )

    def rows(self) -> list[dict[str, Any]]:
        """The person's rows of the reports."""
        wanted = ViewFilter(subjects=self.subjects, limit=_ROWS_MAX)
        return [row_of(one) for one in self.store.views.select(LEARNING.name, wanted)]

    def _opened(self, kind: str) -> Iterator[list[Opened]]:
        for positions in self._positions(kind):
            opened = self.opener.bodies(self.store, self.store.statements.at(positions))
            check_not_corrupt(opened)
            yield opened

    def _positions(self, *kinds: str) -> Iterator[list[int]]:
        """Pages of the positions that carry one of these terms of any of the subjects, in order, each once."""
        found = heapq.merge(*(self._found(kind, subject) for kind in kinds for subject in self.subjects))
        once = takewhile(lambda position: position <= self.upto, (position for position, _ in groupby(found)))
        while page := list(islice(once, _PAGE)):
            yield page

    def _found(self, kind: str, subject: UUID) -> Iterator[int]:
        term = self.store.statements.term(kind, subject.hex)
        after = 0
        while positions := self.store.statements.positions(term, after=after, limit=_PAGE):
            yield from positions
            after = positions[-1]


def _document(one: Owned, correction: Correction | None) -> dict[str, Any]:
    """A document: its content as text, where it is one, else in base64."""
    of = one.head.context
    agent = of.agent if correction is None or of.agent is None else correction.over(of.agent)
    said = {
        "resource": of.resource.value,
        "id": one.head.id,
        "activity": of.activity,
        "registration": of.registration,
        "agent": agent,
        "content_type": one.head.content_type,
        "etag": one.head.etag,
        "bytes": one.head.length,
        "updated_at": timestamp_text(one.updated_us),
    }
    try:
        content = {"content": one.data.decode()}
    except UnicodeDecodeError:
        content = {"content_base64": base64.b64encode(one.data).decode()}
    return {name: value for name, value in said.items() if value is not None} | content


def _signatures(content: dict[str, Any]) -> set[str]:
    return {hash_of(one) for _, one in attachments_of(content) if is_signature(one)}


# What a draft adds to an exchange so that it can be taken apart like a statement.
_ADDED = frozenset({"actor", "object", "exchange_id"})


def _json(
    summary: Summary,
    records: _Records,
    rows: list[dict[str, Any]],
    requests: list[dict[str, Any]],
    corrections: list[dict[str, Any]],
) -> Iterator[bytes]:
    """export.json, a record at a time."""
    head = {
        "format": "lethe/export/1",
        "tenant": summary.tenant,
        "request": summary.request,
        "made_at": summary.made_at,
        "subjects": [str(subject) for subject in records.subjects],
        "agents": summary.agents,
        "report_rows": rows,
        "requests": requests,
        "corrections": corrections,
    }
    yield orjson.dumps(head)[:-1]
    lists = {
        "statements": records.statements(),
        "llm_exchanges": records.exchanges(),
        "mentioned_in": records.mentions(),
        "documents": records.documents(),
    }
    for name, items in lists.items():
        yield b',"' + name.encode() + b'":['
        for index, item in enumerate(items):
            yield (b",\n" if index else b"\n") + orjson.dumps(item)
        yield b"]"
    yield b"}\n"
