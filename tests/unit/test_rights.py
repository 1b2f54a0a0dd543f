"""Requests are run one by one, and no trouble with one of them ends the service of the others."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import OperationalError, RecordConflictError

from lrs.bootstrap import System
from lrs.domain.agents import Identifier, identifier_of
from lrs.domain.errors import EventCorrupt, Failed, KeyStoreUnavailable, NotFound
from lrs.domain.requests import DataSubjectRequest, Kind, Status
from lrs.domain.sealing import Category, Corrupt, Outcome, Place, Sealed, Unavailable
from lrs.leading import Leader
from lrs.ports import StaleFence
from retention.export import Exporter
from retention.rights import Rights
from retention.sealing import seal_for
from retention.worker import RequestWorker
from tests.subjects import ADA, GRACE, Inside, Json, LaterClock, inside, statement

SECRET = "Quetzalcoatlus"
PLACE = Place(UUID(int=1), 1, "part", "topic")


@pytest.fixture
def acme(system: System) -> Inside:
    """The tenant acme, with a record of Ada's."""
    made = inside(system)
    made.post(statement(ADA))
    return made


@dataclass
class Failing:
    """An exporter that raises what it is given, each time the next."""

    errors: list[BaseException | None]
    asked: list[UUID] = field(default_factory=list)

    def export(self, tenant: str, request: DataSubjectRequest) -> Json:
        """Nothing is exported."""
        self.asked.append(request.id)
        error = self.errors.pop(0)
        if error is not None:
            raise error
        return {}


def with_exporter(system: System, *errors: BaseException | None) -> tuple[Rights, Failing]:
    """Rights whose exports end with these."""
    exporter: Any = Failing(list(errors))
    return replace(system.rights, exporter=exporter), exporter


def opened(rights: Rights, who: Json = ADA, kind: Kind = Kind.EXPORT) -> UUID:
    """A new request."""
    identifier = identifier_of(who)
    assert identifier is not None
    return rights.open("acme", kind, [identifier]).id


# --- how a request ends ---------------------------------------------------------------------------------------


def test_what_nobody_foresaw_ends_a_request_as_failed_and_its_words_are_not_logged(
    acme: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    rights, _ = with_exporter(acme.system, ValueError(SECRET))
    request = opened(rights)
    assert rights.run_next("acme") == request
    found = rights.get("acme", request)
    assert (found.status, found.detail["code"], found.detail["cause"]) == (Status.FAILED, "failed", "ValueError")
    assert SECRET not in caplog.text
    assert "ValueError at test_rights.py:" in caplog.text
    assert rights.run_next("acme") is None


@pytest.mark.parametrize("error", [KeyStoreUnavailable("gone"), OperationalError("gone"), EventCorrupt("damaged")])
def test_what_can_not_be_done_now_is_taken_up_again_later(acme: Inside, error: Exception) -> None:
    rights, exporter = with_exporter(acme.system, error, None)
    request = opened(rights)
    with pytest.raises(type(error)):
        rights.run_next("acme")
    assert rights.get("acme", request).status is Status.RUNNING
    assert rights.run_next("acme") is None  # not at once
    assert replace(rights, clock=LaterClock()).run_next("acme") == request
    assert rights.get("acme", request).status is Status.DONE
    assert exporter.asked == [request, request]


def test_a_worker_that_was_faster_is_no_failure(acme: Inside) -> None:
    rights, exporter = with_exporter(acme.system, RecordConflictError(), None)
    request = opened(rights)
    assert rights.run_next("acme") == request
    assert exporter.asked == [request, request]
    assert rights.get("acme", request).status is Status.DONE


def test_only_the_request_that_is_named_is_run(acme: Inside) -> None:
    rights, exporter = with_exporter(acme.system, None)
    opened(rights)
    second = opened(rights)
    assert rights.run_next("acme", second) == second
    assert exporter.asked == [second]
    assert rights.run_next("acme", second) is None
    assert rights.run_next("acme", uuid4()) is None


def test_a_reason_is_kept_only_about_somebody_and_never_in_clear(acme: Inside) -> None:
    identifiers = [Identifier("mbox", ADA["mbox"])]
    for reason, who, is_kept in (
        (SECRET, identifiers, True),
        (SECRET, [Identifier("mbox", "mailto:nobody@example.org")], False),
        (None, identifiers, False),
    ):
        request = acme.system.rights.open("acme", Kind.ERASE, who, reason=reason)
        assert (request.reason is not None) is is_kept
    assert not any(SECRET.encode() in state for (state,) in acme.rows("SELECT state FROM event"))


# --- the worker -----------------------------------------------------------------------------------------------


class Listed:
    """Names of tenants, or what goes wrong with them."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = list(answers)

    def __call__(self) -> Sequence[str]:
        """The next answer."""
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def leader(acme: Inside) -> Leader:
    """A process that leads."""
    return Leader(acme.system.control, acme.system.rights.clock, "requests")


@pytest.mark.parametrize("error", [EventCorrupt("damaged"), OperationalError("gone"), KeyError(SECRET)])
def test_trouble_with_one_request_holds_up_neither_the_next_nor_another_tenant(
    acme: Inside, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    acme.system.tenants.create("globex")
    rights, exporter = with_exporter(acme.system, error, None, None)
    stuck, next_one = opened(rights), opened(rights, GRACE)
    foreign = rights.open("globex", Kind.EXPORT, [Identifier("mbox", GRACE["mbox"])]).id
    worker = RequestWorker(Listed(["acme", "globex"], ["acme", "globex"]), rights, leader(acme))
    worker.round()
    worker.round()
    assert exporter.asked[0] == stuck
    assert set(exporter.asked) == {stuck, next_one, foreign}
    assert rights.get("acme", next_one).status is Status.DONE
    assert rights.get("globex", foreign).status is Status.DONE
    assert SECRET not in caplog.text


def test_a_tenant_whose_store_is_gone_holds_up_no_other(acme: Inside, caplog: pytest.LogCaptureFixture) -> None:
    gone = "store-not-migrated" if acme.system.settings.database_url else "store-unavailable"
    rights, _ = with_exporter(acme.system, None)
    request = opened(rights)
    worker = RequestWorker(Listed(KeyStoreUnavailable(SECRET), ["nowhere", "acme"]), rights, leader(acme))
    worker.round()
    worker.round()
    assert rights.get("acme", request).status is Status.DONE
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "requests wait: key-store-unavailable",
        f"requests wait: tenant=nowhere {gone}",
    ]


def test_a_worker_that_is_told_to_stop_begins_no_other_request(acme: Inside) -> None:
    rights, exporter = with_exporter(acme.system, None, None)
    worker = RequestWorker(Listed(["acme"]), rights, leader(acme))
    requests = [opened(rights), opened(rights)]

    def export(tenant: str, request: DataSubjectRequest) -> Json:
        worker._stopping.set()
        return {}

    exporter.export = export  # type: ignore[method-assign]
    worker.round()
    assert [rights.get("acme", one).status for one in requests] == [Status.DONE, Status.OPEN]


def test_a_worker_runs_what_is_opened_while_it_waits_and_ends_when_told(acme: Inside) -> None:
    acme.system.start()
    request = acme.request("export", ADA)
    acme.done(request)


# --- sealing for somebody who may be erased meanwhile ---------------------------------------------------------


@dataclass
class Fenced:
    """A vault whose fence moves under every seal, this often."""

    moves: int
    gone: bool = False
    erasing: frozenset[UUID] = frozenset()

    def read(self, tenant: str) -> "Fenced":
        """Itself is the reading."""
        return self

    def destroyed(self, tenant: str, subject: UUID) -> object:
        """Something, when she is erased."""
        return "entry" if self.gone else None

    def seal(self, owners: Sequence[UUID], category: Category, period: str, place: Place, data: bytes) -> Sealed:
        """Sealed, unless the fence moves."""
        self.moves -= 1
        if self.moves >= 0:
            raise StaleFence
        return Sealed(data)


SUBJECT = UUID(int=5)


@pytest.mark.parametrize(
    ("vault", "sealed"),
    [
        (Fenced(0), Sealed(b"data")),
        (Fenced(3), Sealed(b"data")),
        (Fenced(0, gone=True), None),
        (Fenced(0, erasing=frozenset({SUBJECT})), None),
    ],
)
def test_what_is_kept_about_a_person_is_sealed_or_not_kept(vault: Any, sealed: Sealed | None) -> None:
    assert seal_for(vault, "acme", SUBJECT, PLACE, b"data") == sealed


def test_a_fence_that_never_stands_still_is_told() -> None:
    vault: Any = Fenced(1_000)
    with pytest.raises(KeyStoreUnavailable):
        seal_for(vault, "acme", SUBJECT, PLACE, b"data")


# --- packages that do not open --------------------------------------------------------------------------------


@dataclass
class Answering:
    """A vault that answers every opening with the same outcome."""

    outcome: Outcome

    def open_many(
        self, tenant: str, items: Sequence[tuple[Place, Sealed]], *, keep: bool = False
    ) -> list[Outcome]:
        """That outcome."""
        return [self.outcome] * len(items)


@pytest.mark.parametrize(
    ("outcome", "error"), [(Corrupt("cut"), EventCorrupt), (Unavailable(), KeyStoreUnavailable)]
)
def test_a_package_that_does_not_open_is_not_called_erased(
    acme: Inside, outcome: Outcome, error: type[Failed]
) -> None:
    request = UUID(acme.ran("export", ADA)["id"])
    vault: Any = Answering(outcome)
    exporter: Exporter = replace(acme.system.exporter, vault=vault)
    with pytest.raises(error):
        list(exporter.package("acme", request))


def test_a_package_of_somebody_erased_is_not_there(acme: Inside) -> None:
    request = UUID(acme.ran("export", ADA)["id"])
    pieces: Callable[[], list[bytes]] = lambda: list(acme.system.exporter.package("acme", request))  # noqa: E731
    assert pieces()
    acme.system.vault.begin_erasure("acme", acme.known(ADA))
    with pytest.raises(NotFound):
        pieces()
    acme.ran("erase", ADA)
    with pytest.raises(NotFound):
        pieces()


def test_a_claim_is_renewed_for_as_long_as_the_work_goes_on(system: System, acme: Inside) -> None:
    held: list[datetime] = []

    class Slow(Failing):
        def export(self, tenant: str, request: DataSubjectRequest) -> Json:
            """Long enough for some renewals."""
            requests = system.stores.open(tenant).requests
            while len(held) < 3:
                assert requests.claim(request.id, system.rights.clock.now(), seconds=1) is None
                held.append(system.rights.clock.now())
                time.sleep(0.05)
            return {}

    exporter: Any = Slow([])
    rights = replace(system.rights, exporter=exporter, renew_seconds=0.01)
    request = opened(rights)
    assert rights.run_next("acme") == request
    assert rights.get("acme", request).status is Status.DONE
