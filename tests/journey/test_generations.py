"""A log that was restored goes on as a newer generation: it is signed and verified, and what it was before is held
against it as far as it reaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lrs.config import Settings
from lrs.domain.errors import InvalidRequest, LogConflict
from lrs.domain.kept_heads import KeptHead
from lrs.notary.walking import Bad
from tests.backups import Drill, new_drill, run_backup
from tests.logs import Logged, start_event
from tests.subjects import ADA, statement


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.full)])
def drill(request: pytest.FixtureRequest, tmp_path: Path) -> Drill:
    """An installation and its backup."""
    return new_drill(tmp_path, request.param, lambda: request.getfixturevalue("databases"))


@contextmanager
def opened(drill: Drill, settings: Settings | None = None) -> Iterator[Logged]:
    """Its tenant."""
    with drill.opened(settings) as acme:
        yield Logged(acme)


def record(log: Logged, count: int = 9) -> None:
    """Some statements."""
    log.acme.post(*[statement(ADA) for _ in range(count)])


def kept(log: Logged) -> KeptHead:
    """What the vault keeps."""
    found = log.system.vault.signed_head(log.acme.tenant)
    assert found is not None
    return found


def slow(log: Logged) -> Any:
    """A notary that signs three leaves at a time."""
    return replace(log.system.notary, batch_leaves=3)


def test_a_log_that_was_restored_whole_must_be_what_it_was(drill: Drill) -> None:
    with opened(drill) as log:
        record(log)
        first = log.sign()
        size = log.size
        record(log)
        second = log.sign()
        run_backup(log.acme)
    settings, _ = drill.restore()
    with opened(drill, settings) as log:
        old = kept(log)
        assert old == KeptHead(1, log.value("SELECT began FROM head"), old.root, restored=True)
        assert log.bad() is None
        assert log.bad(outside=first) is None
        slow(log).step(log.store)
        assert kept(log) == old  # until the log has come as far
        slow(log).catch_up(log.store)
        newest = log.store.tree.state().signed
        assert newest is not None
        assert kept(log) == KeptHead(2, old.size + 1, newest.root)
        assert [log.bad(outside=one) for one in (first, second, newest.note)] == [None] * 3
        log.flip(size)
        assert log.bad(outside=first) == Bad(size, "altered")


@pytest.mark.parametrize("position", [3, 11])
def test_a_log_that_was_rewritten_after_its_restore_is_not_signed(drill: Drill, position: int) -> None:
    with opened(drill) as log:
        record(log)
        log.sign()
        run_backup(log.acme)
    settings, _ = drill.restore()
    with opened(drill, settings) as log:
        size = kept(log).size
        assert size == 11
        log.flip(position)
        with pytest.raises(LogConflict):
            slow(log).catch_up(log.store)
        assert log.size == 9  # the next ones would have come so far
        assert log.bad() == Bad(1, "root-differs")


def test_a_log_that_was_restored_to_a_moment_is_signed_and_older_heads_count_as_far_as_it_was_kept(
    drill: Drill,
) -> None:
    with opened(drill) as log:
        record(log)
        first = log.sign()
        at = datetime.now(UTC)
        record(log)
        second = log.sign()
        run_backup(log.acme)
    settings, _ = drill.restore(upto=at)
    with opened(drill, settings) as log:
        assert kept(log).size > log.value("SELECT position FROM head")
        log.sign()
        assert kept(log)[:2] == (2, log.value("SELECT position FROM head"))
        record(log, 20)
        log.sign()
        assert log.bad() is None
        assert log.bad(outside=first) is None
        with pytest.raises(InvalidRequest, match="further"):
            log.bad(outside=second)
        log.flip(2)
        assert log.bad(outside=first) == Bad(2, "altered")


def test_a_log_that_was_restored_twice_with_nothing_signed_in_between_is_signed(drill: Drill) -> None:
    with opened(drill) as log:
        record(log)
        first = log.sign()
        at = datetime.now(UTC)
        record(log)
        second = log.sign()
        run_backup(log.acme)
    settings, _ = drill.restore(upto=at)
    with opened(drill, settings) as log:
        record(log, 40)
        run_backup(log.acme)
    settings, _ = drill.restore()
    with opened(drill, settings) as log:
        assert kept(log)[0] == 1
        assert kept(log).size < log.value("SELECT began FROM head")
        assert log.bad(outside=first) is None
        with pytest.raises(InvalidRequest, match="further"):
            log.bad(outside=second)
        slow(log).catch_up(log.store)
        assert kept(log)[:2] == (3, log.size)
        assert log.bad() is None


def test_a_generation_says_where_it_began(drill: Drill) -> None:
    with opened(drill) as log:
        record(log)
        log.sign()
        record(log)
        run_backup(log.acme)
    settings, _ = drill.restore()
    with opened(drill, settings) as log:
        began = log.value("SELECT began FROM head")
        signed = kept(log)
        log.in_vault("DELETE FROM signed_head")
        for event in (start_event(3, began), start_event(2, began - 1)):
            log.edit("UPDATE event SET state = ? WHERE position = ?", event.encode(), began + 1)
            assert log.bad() == Bad(began + 1, "generation-altered")
        log.edit("DELETE FROM event WHERE position = ?", began + 1)
        assert log.bad() == Bad(began + 1, "generation-altered")
        log.flip(began)  # an unsigned log: nothing tells
        for cited, bad in (
            (start_event(2, began, signed.size, signed.root), None),
            (start_event(2, began, signed.size, bytes(32)), Bad(1, "root-differs")),
            (start_event(2, began, began + 1, bytes(32)), None),
            (start_event(2, began), None),
        ):
            row = (began + 1, 2**50, 1, bytes(16), cited.TOPIC, cited.encode())
            log.edit("DELETE FROM event WHERE position = ?", began + 1)
            log.edit("INSERT INTO event VALUES (?,?,?,?,?,?)", *row)
            assert log.bad() == bad


def test_what_is_bad_before_a_generation_that_is_bad_comes_first(drill: Drill) -> None:
    with opened(drill) as log:
        record(log)
        log.sign()
        log.edit("UPDATE head SET generation = 2, began = 9")
        log.edit("DELETE FROM checkpoint")
        log.edit("DELETE FROM tracking WHERE application_name = 'notary@1'")
        assert log.bad() == Bad(10, "generation-altered")
        log.edit("DELETE FROM event WHERE position = 3")
        assert log.bad() == Bad(3, "missing")
