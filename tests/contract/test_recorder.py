"""Our recorder passes the eventsourcing library's own recorder test cases, on a file and on PostgreSQL."""

import tempfile
from collections.abc import Callable, Sequence
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

from lrs.adapters.postgres import database as postgres
from lrs.adapters.postgres.migrating import migrate_store
from lrs.adapters.postgres.schema import CONTROL_SCHEMA
from lrs.adapters.postgres.stores import PostgresStores
from lrs.adapters.sql.database import Database
from lrs.adapters.sql.recorder import EventRecorder
from lrs.adapters.sql.schema import LOG
from lrs.adapters.sqlite import database as sqlite
from lrs.adapters.sqlite.stores import prepare
from lrs.ports import TenantStore
from tests.contract.conftest import an_event, forbid_changes
from tests.postgres import Databases


class RecorderWithoutPositions(EventRecorder):
    """An aggregate recorder has no notification log, so its test case wants none of the positions that ours
    gives out. All else is the same."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        """As the recorder does, but without its answer."""
        super().insert_events(stored_events, **kwargs)


class OnADatabase:
    """Makes recorders on a database of the test's own. It is no TestCase, so it is not collected."""

    recorder_class: type[EventRecorder] = EventRecorder
    database: Database

    def create_recorder(self) -> EventRecorder:
        """A recorder whose events nobody can change or delete."""
        return self.recorder_class(self.database, lambda: datetime.now(UTC), {})


class OnSqlite(OnADatabase):
    """A file that refuses changes."""

    def setUp(self) -> None:
        """A folder of its own."""
        self._folder = tempfile.TemporaryDirectory(prefix="lethe-recorder-")
        path = Path(self._folder.name) / "log.db"
        path.touch()
        self.database = sqlite.Database(path)
        prepare(self.database, LOG)
        forbid_changes(path)

    def tearDown(self) -> None:
        """Nothing stays open, nothing stays there."""
        self.database.close()
        self._folder.cleanup()


class OnPostgres(OnADatabase):
    """A schema whose role may not change them: the control store's has all that a recorder needs."""

    @pytest.fixture(autouse=True)
    def _databases(self, databases: Databases) -> None:
        self._url = databases.create()

    def setUp(self) -> None:
        """A database of its own."""
        migrate_store(self._url)
        self._stores = PostgresStores(self._url, self._url, 10, lambda: datetime.now(UTC))
        self.database = postgres.Database(self._stores.pool, CONTROL_SCHEMA)

    def tearDown(self) -> None:
        """Nothing stays open."""
        self._stores.close()


class TestAsAggregateRecorderOnSqlite(OnSqlite, AggregateRecorderTestCase):
    """Streams of events."""

    recorder_class = RecorderWithoutPositions


class TestAsAggregateRecorderOnPostgres(OnPostgres, AggregateRecorderTestCase):
    """Streams of events."""

    recorder_class = RecorderWithoutPositions


class TestAsApplicationRecorderOnSqlite(OnSqlite, ApplicationRecorderTestCase[EventRecorder]):
    """A notification log. ``subscribe`` is optional in the library."""


class TestAsApplicationRecorderOnPostgres(OnPostgres, ApplicationRecorderTestCase[EventRecorder]):
    """A notification log. ``subscribe`` is optional in the library."""


class TestAsTrackingRecorderOnSqlite(OnSqlite, TrackingRecorderTestCase):
    """How far others were followed."""


class TestAsTrackingRecorderOnPostgres(OnPostgres, TrackingRecorderTestCase):
    """How far others were followed."""


class TestAsProcessRecorderOnSqlite(OnSqlite, ProcessRecorderTestCase):
    """Both in one transaction."""


class TestAsProcessRecorderOnPostgres(OnPostgres, ProcessRecorderTestCase):
    """Both in one transaction."""


class TestNonInterleavingPositionsOnSqlite(OnSqlite, NonInterleavingNotificationIDsBaseCase):
    """What was appended together stays together."""


class TestNonInterleavingPositionsOnPostgres(OnPostgres, NonInterleavingNotificationIDsBaseCase):
    """What was appended together stays together."""


def test_a_store_is_opened_twice_and_finds_what_the_first_wrote(
    store_factory: Callable[[str], TenantStore],
) -> None:
    events = [an_event(), an_event()]
    for number, event in enumerate(events, start=1):
        recorder = store_factory("acme").recorder
        assert recorder.insert_events([event]) == [number]
        assert recorder.select_events(events[0].originator_id) == [events[0]]


def test_a_stream_may_be_named_by_a_uuid_or_its_text(store: TenantStore) -> None:
    event = an_event()
    store.recorder.insert_events([event])
    assert store.recorder.select_events(str(event.originator_id)) == [event]


def test_subscribing_is_said_not_to_be_there(store: TenantStore) -> None:
    with pytest.raises(NotImplementedError):
        store.recorder.subscribe()
