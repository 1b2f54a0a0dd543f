"""When a backup is made: so long after the last one, by whoever leads, and again soon after a failure."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from eventsourcing.persistence import OperationalError

from lrs.cli.backup import _try
from lrs.domain.errors import AlreadyExists, StoreUnavailable
from lrs.leading import Leader
from retention.backup import scheduling
from retention.backup.running import Backup, Ran
from retention.backup.scheduling import BackupWorker
from tests.contract.conftest import FakeClock

START = datetime(2026, 11, 25, 9, tzinfo=UTC)


@dataclass
class Made:
    """The manifest of a run, as far as it is asked for."""

    at: str


@dataclass
class FakeBackup:
    """A place with the time of the last run in it."""

    clock: FakeClock
    at: datetime | None = None
    runs: int = 0
    error: Exception | None = None
    missing: int = 0
    ran: threading.Event = field(default_factory=threading.Event)

    def last(self) -> Made | None:
        """The last run's manifest."""
        return None if self.at is None else Made(self.at.isoformat())

    def run(self, progress: Any) -> Ran:
        """A run, which says twice how far it has come."""
        progress(0, 1)
        if self.error is not None:
            raise self.error
        progress(1, 1)
        self.runs += 1
        self.at = self.clock.now()
        self.ran.set()
        return Ran(self.runs, self.at.isoformat(), True, 1, 1, 1, self.missing)


class FakeLeader:
    """Leads, or does not."""

    def __init__(self, *, leads: bool = True) -> None:
        self.asked = 0
        self.leading = leads
        self.gave_up = False

    def leads(self) -> bool:
        """Whether."""
        self.asked += 1
        return self.leading

    def give_up(self) -> None:
        """No more."""
        self.gave_up = True


def worker(backup: FakeBackup, leader: FakeLeader, every: int = 3_000) -> BackupWorker:
    return BackupWorker(cast("Backup", backup), cast("Leader", leader), backup.clock, every)


def test_the_first_run_is_at_once_and_the_next_when_it_is_time() -> None:
    backup, leader = FakeBackup(FakeClock(START)), FakeLeader()
    work = worker(backup, leader)
    assert work.round()
    assert work.round()
    assert backup.runs == 1
    backup.clock.advance(2_999)
    assert work.round()
    assert backup.runs == 1
    backup.clock.advance(1)
    assert work.round()
    assert backup.runs == 2
    assert leader.asked == 4  # the lease is renewed while a run takes its time


def test_a_service_that_is_started_again_runs_no_sooner() -> None:
    backup = FakeBackup(FakeClock(START), at=START - timedelta(seconds=1_000))
    work = worker(backup, FakeLeader())
    assert work.round()
    assert backup.runs == 0
    # Another process ran meanwhile.
    backup.clock.advance(2_500)
    backup.at = backup.clock.now()
    assert work.round()
    assert backup.runs == 0


def test_a_run_that_is_yet_to_come_by_a_clock_that_was_ahead_stops_nothing() -> None:
    backup = FakeBackup(FakeClock(START), at=START + timedelta(days=365))
    assert worker(backup, FakeLeader()).round()
    assert backup.runs == 1


def test_attachments_that_are_in_no_backup_are_said(caplog: pytest.LogCaptureFixture) -> None:
    backup = FakeBackup(FakeClock(START))
    backup.missing = 3
    with caplog.at_level(logging.ERROR):
        assert worker(backup, FakeLeader()).round()
    assert caplog.messages == ["ATTACHMENTS ARE IN NO BACKUP: 3"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("somebody's words"), "OperationalError"),
        (OSError("somebody's words"), "OSError"),
        (StoreUnavailable("the place does not answer"), "the place does not answer [store-unavailable]"),
    ],
)
def test_a_machine_of_its_own_outlives_an_outage(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _try(cast("Backup", FakeBackup(FakeClock(START), error=error)))
    assert capsys.readouterr().err == f"lrs: no backup was made: {said}\n"


def test_a_failure_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    backup = FakeBackup(FakeClock(START), error=StoreUnavailable("the place does not answer"))
    work = worker(backup, FakeLeader())
    with caplog.at_level(logging.ERROR):
        assert not work.round()
    assert caplog.messages == ["NO BACKUP WAS MADE: store-unavailable"]
    backup.error = None
    assert work.round()
    assert backup.runs == 1


def test_another_process_that_was_faster_is_no_failure() -> None:
    backup = FakeBackup(FakeClock(START), error=AlreadyExists("there is one"))
    assert worker(backup, FakeLeader()).round()


def test_a_run_is_given_up_when_the_service_ends() -> None:
    backup, leader = FakeBackup(FakeClock(START)), FakeLeader(leads=False)
    work = worker(backup, leader)
    work.start()
    work.stop()
    assert work.round()
    assert backup.runs == 0


@pytest.mark.parametrize("leads", [True, False])
def test_only_who_leads_runs(leads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "_ASKED_SECONDS", 0.01)
    monkeypatch.setattr(scheduling, "_AGAIN_SECONDS", 0.01)
    backup, leader = FakeBackup(FakeClock(START)), FakeLeader(leads=leads)
    work = worker(backup, leader)
    work.start()
    assert backup.ran.wait(10 if leads else 0.1) is leads
    backup.error = StoreUnavailable("not now")
    backup.clock.advance(3_000)
    while leads and leader.asked < 6:
        threading.Event().wait(0.01)
    work.stop()
    assert backup.runs == leads
    assert leader.gave_up
