"""Data-subject requests: opening them, running them, and what became of them.

1. ``open`` turns identifiers into subjects and writes the request down; it is acknowledged with 202 then.
2. A worker claims it, so that one process works on it at a time; a claim that runs out is a crash, and the next
   worker begins again: every step of every kind may be repeated.
3. It ends as done, refused (the law or the state of things says no) or failed (ours).
"""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from eventsourcing.persistence import PersistenceError, RecordConflictError

from lrs.domain.agents import Identifier
from lrs.domain.errors import Failed, NotFound, Refused
from lrs.domain.requests import DataSubjectRequest, Kind, Status
from lrs.domain.sealing import Place, Sealed
from lrs.domain.subjects import Subject
from lrs.ports import Clock, RequestRow, Requests, Vault
from lrs.tenancy import Tenants
from retention.certificates import LOG, TOPICS
from retention.erasure import Eraser
from retention.export import Exporter
from retention.sealing import seal_for

log = logging.getLogger("lethe.retention")

# A worker that has not come back after this long is taken for dead.
CLAIM_SECONDS = 20
# What could not be done now is left alone for this long, so that it does not hold up the requests behind it.
RETRY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Rights:
    """Exercises data-subject rights for tenants."""

    tenants: Tenants
    vault: Vault
    clock: Clock
    exporter: Exporter
    eraser: Eraser
    log_of: Callable[[str, UUID, str], dict[str, Any] | None] = lambda *_: None
    """(tenant, stream, topic) to the proof that the newest such event is in the log of hashes, once it is."""
    renew_seconds: float = 5.0

    def open(
        self,
        tenant: str,
        kind: Kind,
        identifiers: Sequence[Identifier],
        *,
        reason: str | None = None,
        credential: UUID | None = None,
    ) -> DataSubjectRequest:
        """A new request about the person behind these identifiers, whether known here or not."""
        reading = self.vault.read(tenant)
        subjects = tuple(dict.fromkeys(reading.lookup(identifiers).values()))
        request = uuid4()
        opened = DataSubjectRequest.open(
            request,
            kind,
            subjects,
            self.clock.now(),
            reason=self._seal_reason(tenant, request, subjects, reason),
            credential=credential,
        )
        self._save(tenant, opened)
        return opened

    def _seal_reason(
        self, tenant: str, request: UUID, subjects: tuple[UUID, ...], reason: str | None
    ) -> Sealed | None:
        """The reason may name the person, so it goes with the person; about nobody, none is kept."""
        if not reason or not subjects:
            return None
        place = Place(request, 1, "reason", DataSubjectRequest.Created.TOPIC)
        return seal_for(self.vault, tenant, subjects[0], place, reason.encode("utf-8", "replace"))

    def _save(self, tenant: str, request: DataSubjectRequest) -> None:
        row = RequestRow(request.id, request.kind, request.status, request.created_on)
        self.tenants.application(tenant).save(request, requests=[row])

    def get(self, tenant: str, request: UUID) -> DataSubjectRequest:
        """A request. NotFound, also for another tenant's and for what is no request."""
        first = self.tenants.store(tenant).recorder.select_events(request, limit=1)
        if not first or first[0].topic != DataSubjectRequest.Created.TOPIC:
            raise NotFound("no such request")
        return cast("DataSubjectRequest", self.tenants.application(tenant).repository.get(request))

    def listed(self, tenant: str, *, limit: int = 100, after: UUID | None = None) -> list[RequestRow]:
        """Requests, newest first."""
        return self.tenants.store(tenant).requests.list(limit=limit, after=after)

    def certificates(self, tenant: str, request: UUID) -> list[dict[str, Any]]:
        """The certificates of an erasure request, one a subject, as far as it has come; each with a proof out of
        the log of hashes, once there is one. NotFound."""
        application = self.tenants.application(tenant)
        subjects = (application.get_or_none(subject) for subject in self.get(tenant, request).subjects)
        return [
            self._proven(tenant, subject.id, proof)
            for subject in subjects
            if isinstance(subject, Subject)
            for proof in subject.certificates
        ]

    def _proven(self, tenant: str, subject: UUID, proof: dict[str, Any]) -> dict[str, Any]:
        topic = TOPICS.get(proof["certificate"])
        log = self.log_of(tenant, subject, topic) if topic else None
        return proof | {LOG: log} if log else proof

    # --- running ---------------------------------------------------------------------------------------------

    def run_next(self, tenant: str, request: UUID | None = None) -> UUID | None:
        """Claim an unfinished request (or this one) and run it; its id, or None when there is none to claim."""
        requests = self.tenants.store(tenant).requests
        claimed = requests.claim(request, self.clock.now(), seconds=CLAIM_SECONDS)
        if claimed is None:
            return None
        rest = timedelta()
        try:
            with self._kept(requests, claimed):
                self._run(tenant, self.get(tenant, claimed))
        except Exception:
            rest = timedelta(seconds=RETRY_SECONDS)
            raise
        finally:
            requests.hold(claimed, self.clock.now() + rest)
        return claimed

    @contextmanager
    def _kept(self, requests: Requests, request: UUID) -> Iterator[None]:
        """Renew the claim for as long as the work goes on: a worker that stops renewing is dead."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(self.renew_seconds):
                with suppress(PersistenceError):  # the next one may succeed
                    requests.hold(request, self.clock.now() + timedelta(seconds=CLAIM_SECONDS))

        thread = threading.Thread(target=renew, name="claim", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _run(self, tenant: str, request: DataSubjectRequest) -> None:
        try:
            if request.status is Status.OPEN:
                kinds = {str(one): self.vault.identifier_kinds(tenant, one) for one in request.subjects}
                self._move(tenant, request, Status.RUNNING, identifier_kinds=kinds)
            self._finish(tenant, request)
        except RecordConflictError:
            return  # another worker was faster with the same step

    def _finish(self, tenant: str, request: DataSubjectRequest) -> None:
        """Do what a running request asks for; how it ended is its new status."""
        try:
            detail = self._export(tenant, request) if request.kind is Kind.EXPORT else self._erase(tenant, request)
        except Refused as error:
            self._move(tenant, request, Status.REFUSED, code=error.code)
        except (Failed, PersistenceError, RecordConflictError):
            raise  # it stays as it is and is taken up again
        except Exception as error:  # noqa: BLE001
            cause, place = type(error).__name__, traceback.extract_tb(error.__traceback__)[-1]
            # Not the error's message: it might hold a person's data.
            where = f"{Path(place.filename).name}:{place.lineno}"
            log.error("request failed: tenant=%s request=%s %s at %s", tenant, request.id, cause, where)  # noqa: TRY400
            self._move(tenant, request, Status.FAILED, code=Failed.code, cause=cause)
        else:
            self._move(tenant, request, Status.DONE, **detail)

    def _move(self, tenant: str, request: DataSubjectRequest, status: Status, **detail: Any) -> None:
        request.move(status, self.clock.now(), **detail)
        self._save(tenant, request)

    def _export(self, tenant: str, request: DataSubjectRequest) -> dict[str, Any]:
        return {"held": self.exporter.export(tenant, request)}

    def _erase(self, tenant: str, request: DataSubjectRequest) -> dict[str, Any]:
        kinds = request.detail["identifier_kinds"]
        for subject in request.subjects:
            self.eraser.erase(tenant, subject, request.id, tuple(kinds[str(subject)]))
        return {"subjects_erased": len(request.subjects)}


def described(request: DataSubjectRequest) -> dict[str, Any]:
    """A request as the API and the command line show it: what happened, never about whom."""
    return {
        "id": str(request.id),
        "kind": request.kind.value,
        "status": request.status.value,
        "requested_at": request.created_on.isoformat(),
        "due_at": request.due_at.isoformat(),
        "known": bool(request.subjects),
        "detail": {name: value for name, value in request.detail.items() if name != "identifier_kinds"},
        "history": [{"at": at.isoformat(), "status": status} for at, status in request.history],
    }
