"""Data-subject requests: opening them, running them, and what became of them.

1. ``open`` turns identifiers into subjects and writes the request down; it is acknowledged with 202 then. What
   takes no time is carried out before that.
2. A worker claims it, so that one process works on it at a time; a claim that runs out is a crash, and the next
   worker begins again: every step of every kind may be repeated. An erasure that waits is claimed until its time.
3. It ends as done, refused (the law or the state of things says no) or failed (ours).
"""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from eventsourcing.persistence import PersistenceError, RecordConflictError

from lrs.domain.agents import Identifier
from lrs.domain.corrections import Correction
from lrs.domain.errors import (
    ErasureBegun,
    ErasureWithdrawn,
    Failed,
    InvalidRequest,
    LegalHold,
    NotFound,
    Refused,
    Superseded,
    code_of,
)
from lrs.domain.requests import AXES, DataSubjectRequest, Kind, Status
from lrs.domain.sealing import Place, Sealed
from lrs.domain.subjects import Standing, Subject
from lrs.ports import Clock, RequestRow, Requests, Vault
from lrs.tenancy import Tenants
from retention.certificates import LOG, TOPICS
from retention.deciding import Decider
from retention.erasure import Eraser
from retention.export import Exporter
from retention.sealing import seal_for

log = logging.getLogger("lethe.retention")

# A worker that has not come back after this long is taken for dead.
CLAIM_SECONDS = 20
_AT_ONCE = frozenset({Kind.RESTRICT, Kind.HOLD, Kind.RELEASE, Kind.CORRECT})
# What could not be done now is left alone for this long, so that it does not hold up the requests behind it.
RETRY_SECONDS = 10
# Who was beaten to a step so often leaves the request to a later round.
_ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Rights:
    """Exercises data-subject rights for tenants."""

    tenants: Tenants
    vault: Vault
    clock: Clock
    exporter: Exporter
    eraser: Eraser
    decider: Decider
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
        lift: bool = False,
        correction: Correction | None = None,
    ) -> DataSubjectRequest:
        """A new request about the person behind these identifiers, whether known here or not. InvalidRequest."""
        reading = self.vault.read(tenant)
        subjects = tuple(dict.fromkeys(reading.lookup(identifiers).values()))
        request, at = uuid4(), self.clock.now()
        sealed = self._seal_reason(tenant, request, subjects, reason)
        opened = DataSubjectRequest.open(request, kind, subjects, at, reason=sealed, credential=credential)
        if kind is Kind.RESTRICT:
            opened.specify(at, {"lift": lift})
        elif correction is not None:
            content = self.decider.sealed(tenant, request, subjects, correction)
            opened.specify(at, {"corrects": correction.parts}, content)
        elif kind is Kind.ERASE and subjects and (days := self.tenants.policy(tenant).cooling_days):
            opened.specify(at, {"erases_at": (at + timedelta(days=days)).isoformat()})
        self._save(tenant, opened)
        return self._at_once(tenant, opened) if kind in _AT_ONCE or opened.erases_at else opened

    def _at_once(self, tenant: str, opened: DataSubjectRequest) -> DataSubjectRequest:
        """The request as far as it came here and now; what could not be done now is a worker's."""
        try:
            self.run_next(tenant, opened.id)
        except (Failed, PersistenceError) as error:
            log.warning("request waits: tenant=%s request=%s %s", tenant, opened.id, code_of(error))
        return self.get(tenant, opened.id)

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
        until: datetime | None = None
        try:
            with self._kept(requests, claimed):
                until = self._run(tenant, self.get(tenant, claimed))
        except Exception:
            until = self.clock.now() + timedelta(seconds=RETRY_SECONDS)
            raise
        finally:
            requests.hold(claimed, until or self.clock.now())
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

    def _run(self, tenant: str, request: DataSubjectRequest) -> datetime | None:
        """Bring a request as far as it comes now; until when it waits, if it does."""
        for _ in range(_ATTEMPTS_MAX):
            try:
                return self._step(tenant, request)
            except RecordConflictError:  # another worker, or another request about the person, was faster
                request = self.get(tenant, request.id)
        return None

    def _step(self, tenant: str, request: DataSubjectRequest) -> datetime | None:
        """As ``_run``. RecordConflictError."""
        if request.is_ended:
            return None  # while it was being claimed
        if request.status is Status.OPEN:
            if request.erases_at is not None and self.clock.now() < request.erases_at:
                return self._wait(tenant, request)
            kinds = {str(one): self.vault.identifier_kinds(tenant, one) for one in request.subjects}
            self._move(tenant, request, Status.RUNNING, identifier_kinds=kinds)
        self._finish(tenant, request)
        return None

    def _finish(self, tenant: str, request: DataSubjectRequest) -> None:
        """Do what a running request asks for; how it ended is its new status."""
        try:
            detail = self._carry_out(tenant, request)
        except Refused as error:
            self._refuse(tenant, request, error.code)
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

    def _carry_out(self, tenant: str, request: DataSubjectRequest) -> dict[str, Any]:
        if request.kind is Kind.EXPORT:
            return {"held": self.exporter.export(tenant, request)}
        if request.kind is Kind.ERASE:
            return self._erase(tenant, request)
        self._check_newest(tenant, request)
        detail, ended = self.decider.decide(tenant, request)
        for erasure in ended:
            self._cease(tenant, self.get(tenant, erasure), LegalHold.code)
        return detail

    def _check_newest(self, tenant: str, request: DataSubjectRequest) -> None:
        """Superseded, when this one had to wait and what a newer one decided otherwise is done."""
        axis = next((axis for axis in AXES if request.kind in axis), frozenset())
        newer = takewhile(lambda row: row.id != request.id, self._all(tenant))
        decided = (row.id for row in newer if row.kind in axis and row.status == Status.DONE)
        if any(set(self.get(tenant, one).subjects) & set(request.subjects) for one in decided):
            raise Superseded("a newer request about the same person was done first")

    def _all(self, tenant: str) -> Iterator[RequestRow]:
        after: UUID | None = None
        while rows := self.listed(tenant, after=after):
            yield from rows
            after = rows[-1].id

    # --- erasures that wait ----------------------------------------------------------------------------------

    def _wait(self, tenant: str, request: DataSubjectRequest) -> datetime | None:
        """Deny reading until the erasure's time; until when that is. None: there will be no erasure."""
        try:
            self.vault.take(tenant, request.subjects, lambda one: one.wait(request.id))
        except LegalHold as error:
            self._move(tenant, request, Status.RUNNING, code=error.code)
            self._finish(tenant, request)
            return None
        if self.get(tenant, request.id).status is not Status.OPEN:  # taken back while this was on its way
            self._take_back(tenant, request)
            return None
        return request.erases_at

    def withdraw(self, tenant: str, request_id: UUID) -> DataSubjectRequest:
        """Take back an erasure that did not begin: it ends as refused, the person is as before; again: nothing.
        NotFound, InvalidRequest, ErasureBegun."""
        request = self.get(tenant, request_id)
        if request.kind is not Kind.ERASE:
            raise InvalidRequest("only an erasure can be withdrawn")
        request = self._cease(tenant, request, ErasureWithdrawn.code)
        if request.status is Status.REFUSED:
            return request
        raise ErasureBegun("the erasure has begun, or was done")

    def _cease(self, tenant: str, request: DataSubjectRequest, code: str) -> DataSubjectRequest:
        """End an erasure that did not begin; how it stands then. Its stream decides between this and the worker
        who begins it: one of the two adds the next version."""
        requests = self.tenants.store(tenant).requests
        if request.status is Status.OPEN:
            # So that, should this process die after the next line, a worker looks at it soon.
            requests.hold(request.id, self.clock.now() + timedelta(seconds=CLAIM_SECONDS))
        try:
            if request.status is Status.OPEN:
                self._move(tenant, request, Status.RUNNING, code=code)
            if request.status is Status.RUNNING and "code" in request.detail:
                self._refuse(tenant, request, request.detail["code"])
        except RecordConflictError:
            return self._cease(tenant, self.get(tenant, request.id), code)
        return request

    def _refuse(self, tenant: str, request: DataSubjectRequest, code: str) -> None:
        if request.kind is Kind.ERASE:
            self._take_back(tenant, request)
        self._move(tenant, request, Status.REFUSED, code=code)

    def _take_back(self, tenant: str, request: DataSubjectRequest) -> None:
        self.vault.take(tenant, request.subjects, lambda one: one.take_back(request.id))

    def _move(self, tenant: str, request: DataSubjectRequest, status: Status, **detail: Any) -> None:
        request.move(status, self.clock.now(), **detail)
        self._save(tenant, request)

    def _erase(self, tenant: str, request: DataSubjectRequest) -> dict[str, Any]:
        if "code" in request.detail:
            raise _ceased(request)
        # All of them or, where one may not be, none.
        self.vault.take(tenant, request.subjects, Standing.begin_erasure)
        kinds = request.detail["identifier_kinds"]
        for subject in request.subjects:
            self.eraser.erase(tenant, subject, request.id, tuple(kinds[str(subject)]))
        return {"subjects_erased": len(request.subjects)}


def _ceased(request: DataSubjectRequest) -> Refused:
    """Why an erasure does not begin, although it was taken up."""
    held = request.detail["code"] == LegalHold.code
    return LegalHold("the person is under a legal hold") if held else ErasureWithdrawn("it was taken back")


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
