"""An erasure and the close of an epoch on a disk that is full: whatever file can not grow, nothing is half done
for good, nobody else loses anything, and with room they come to their end.
"""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.persistence import PersistenceError

from lrs.domain.errors import LetheError
from tests.attacks.test_backup_faults import files_of_at_most
from tests.backups import Drill, new_drill, run_backup
from tests.subjects import ADA, GRACE, Inside, statement

# Bytes that a file may have at most: from nothing at all to more than any file here needs.
SIZES = (0, 100, 600, 4_000, 40_000, 140_000, 400_000, 4_000_000)
FULL = (LetheError, PersistenceError, OSError)


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    """An installation on the embedded store: the database server's disk is another's."""
    return new_drill(tmp_path, "sqlite", lambda: pytest.fail("no PostgreSQL is needed"))


def erase_with(acme: Inside, size: int) -> bool:
    """One attempt to run what is open; whether it came to its end."""
    try:
        with files_of_at_most(size):
            acme.system.rights.run_next("acme")
    except FULL:
        return False
    return True


def test_an_erasure_on_a_full_disk_is_gone_on_with_when_there_is_room(drill: Drill) -> None:
    with drill.opened() as acme:
        hers, others = statement(ADA), statement(GRACE, context={"instructor": ADA})
        acme.post(hers, others)
        subject, opened = acme.known(ADA), acme.request("erase", ADA)
        failed = 0
        for size in SIZES:
            failed += not erase_with(acme, size)
            acme.system.tenants.store("acme").requests.hold(UUID(opened["id"]), datetime.now(UTC))
            # Readable as before, or gone: never an alarm, and nobody else's loss.
            assert acme.get(hers).status_code in (200, 404)
            assert acme.get(others).status_code == 200
        assert failed >= 2
        acme.run()
        assert acme.done(opened)["status"] == "done"
        assert acme.left_of(subject) == {}
        assert acme.get(hers).status_code == 404
        assert [one["certificate"] for one in acme.certificates(opened)] == [1]


def test_an_epoch_closes_on_a_full_disk_later_and_loses_no_key(drill: Drill) -> None:
    with drill.opened() as acme:
        hers, others = statement(ADA), statement(GRACE)
        acme.post(hers, others)
        run_backup(acme)
        opened = acme.ran("erase", ADA)
        failed = 0
        for size in SIZES:
            try:
                with files_of_at_most(size):
                    acme.system.closer.close()
            except FULL:
                failed += 1
            assert acme.get(others).status_code == 200
        assert failed >= 2
        acme.system.closer.close()
        assert not acme.system.closer.epochs.standing().unfinished
        assert [one["certificate"] for one in acme.certificates(opened)] == [1, 2]
    with drill.opened() as again:
        assert again.get(others).status_code == 200
    second, _ = drill.restore()
    with drill.opened(second) as restored:
        assert restored.get(others).status_code == 200
        assert restored.get(hers).status_code == 404
