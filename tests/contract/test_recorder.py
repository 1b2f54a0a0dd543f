"""Our recorder passes the eventsourcing library's own recorder test cases, on a file."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from lrs.adapters.sqlite.datastore import Datastore
from lrs.adapters.sqlite.recorder import EventRecorder

from tests.contract.conftest import an_event, forbid_changes


class RecorderWithoutPositions(EventRecorder):
    """An aggregate recorder has no notification log, so its test case wants none of the positions that ours
    gives out. All else is the same."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        """As the recorder does, but without its answer."""
        super().insert_events(stored_events, **kwargs)


class OnSqliteFile:
    """Makes recorders on a file of the test's own. It is no TestCase, so it is not collected."""

    recorder_class: type[EventRecorder] = EventRecorder

    def setUp(self) -> None:
        """A folder of its own."""
        self._folder = tempfile.TemporaryDirectory(prefix="lethe-recorder-")
        self._datastore = Datastore(Path(self._folder.name) / "log.db")

    def tearDown(self) -> None:
        """Nothing stays open, nothing stays there."""
        self._datastore.close()
        self._folder.cleanup()

    def create_recorder(self) -> EventRecorder:
        """A recorder whose events nobody can change or delete."""
        recorder = self.recorder_class(self._datastore, lambda: datetime.now(UTC), {})
        recorder.create_table()
        forbid_changes(Path(self._folder.name) / "log.db")
        return recorder


class TestAsAggregateRecorder(OnSqliteFile, AggregateRecorderTestCase):
    """Streams of events."""

    recorder_class = RecorderWithoutPositions


class TestAsApplicationRecorder(OnSqliteFile, ApplicationRecorderTestCase[EventRecorder]):
    """A notification log. ``subscribe`` is optional in the library and SQLite's recorders have none."""


class TestAsTrackingRecorder(OnSqliteFile, TrackingRecorderTestCase):
    """How far others were followed."""


class TestAsProcessRecorder(OnSqliteFile, ProcessRecorderTestCase):
    """Both in one transaction."""


class TestNonInterleavingPositions(OnSqliteFile, NonInterleavingNotificationIDsBaseCase):
    """What was appended together stays together."""


def test_a_recorder_is_made_twice_on_one_file_and_finds_what_the_first_wrote(tmp_path: Path) -> None:
    events = [an_event(), an_event()]
    for number, event in enumerate(events, start=1):
        with closing(Datastore(tmp_path / "log.db")) as datastore:
            recorder = EventRecorder(datastore, lambda: datetime.now(UTC), {})
            recorder.create_table()
            assert recorder.insert_events([event]) == [number]
            assert recorder.select_events(events[0].originator_id) == [events[0]]


def test_a_stream_may_be_named_by_a_uuid_or_its_text(tmp_path: Path) -> None:
    event = an_event()
    with closing(Datastore(tmp_path / "log.db")) as datastore:
        recorder = EventRecorder(datastore, lambda: datetime.now(UTC), {})
        recorder.create_table()
        recorder.insert_events([event])
        assert recorder.select_events(str(event.originator_id)) == [event]


def test_subscribing_is_said_not_to_be_there(tmp_path: Path) -> None:
    with closing(Datastore(tmp_path / "log.db")) as datastore:
        recorder = EventRecorder(datastore, lambda: datetime.now(UTC), {})
        with pytest.raises(NotImplementedError):
            recorder.subscribe()
