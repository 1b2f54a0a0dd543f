"""A backup and a restore whose disk is full, whose process is killed, and of which there are two at once."""

import multiprocessing
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eventsourcing.persistence import PersistenceError

from lrs.bootstrap import build
from lrs.config import Settings
from lrs.domain.errors import AlreadyExists, LetheError, RestoreUnfinished
from lrs.restoring import bring_back
from retention.backup.restoring import STEPS
from tests.backups import Drill, backup_of, events, everything, fill, new_drill, run_backup
from tests.subjects import GRACE, statement

# Bytes that a file may have at most, from less than the smallest object to more than the largest.
SIZES = (100, 2_000, 20_000, 60_000, 200_000)
# What a full disk may be called.
FULL = (LetheError, PersistenceError, OSError)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.full)])
def drill(request: pytest.FixtureRequest, tmp_path: Path) -> Drill:
    """An installation on each store."""
    return new_drill(tmp_path, request.param, lambda: request.getfixturevalue("databases"))


@pytest.fixture
def on_files(tmp_path: Path) -> Drill:
    """The same on the embedded store."""
    return new_drill(tmp_path, "sqlite", lambda: pytest.fail("no PostgreSQL is needed"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file grows beyond this: as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


# --- a full disk ---------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_backup_as_it_was(on_files: Drill) -> None:
    with on_files.opened() as acme:
        filled = fill(acme)
        last, failed = 0, 0
        for size in SIZES:
            acme.post(statement(GRACE, "passed"))
            try:
                with files_of_at_most(size):
                    last = run_backup(acme).number
            except FULL:
                failed += 1
                found = backup_of(acme.system).last()
                assert (found.number if found else 0) == last
        assert 0 < failed < len(SIZES)
        run_backup(acme)
        before = everything(acme, filled)
    settings, _ = on_files.restore()
    with on_files.opened(settings) as again:
        assert everything(again, filled) == before


def test_a_restore_onto_a_full_disk_goes_on_when_there_is_room(on_files: Drill) -> None:
    with on_files.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
        before = everything(acme, filled)
    for target in (on_files.new_place(), None):
        failed = 0
        for size in SIZES:
            settings = target or on_files.new_place()
            try:
                with files_of_at_most(size):
                    on_files.restore(settings)
            except FULL:
                failed += 1
                if (settings.keys / "restore.json").exists():
                    with pytest.raises(RestoreUnfinished):
                        build(settings)
            else:
                break
        assert failed >= 3
        if failed == len(SIZES):
            on_files.restore(settings)
        with on_files.opened(settings) as again:
            assert everything(again, filled) == before


# --- two at once ---------------------------------------------------------------------------------------------


def test_of_two_runs_at_once_one_counts(drill: Drill) -> None:
    with drill.opened() as acme, drill.opened() as other:
        filled = fill(acme)
        run_backup(acme)
        acme.post(statement(GRACE, "passed"))
        meet = threading.Barrier(2)
        outcomes: list[str] = []

        def run(system: object, wait: Callable[[], object]) -> None:
            def reached(step: int) -> None:
                if step == 3:
                    wait()

            try:
                backup_of(system).run(reached=reached)  # type: ignore[arg-type]
                outcomes.append("done")
            except AlreadyExists:
                outcomes.append("refused")

        threads = [threading.Thread(target=run, args=(one.system, meet.wait)) for one in (acme, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["done", "refused"]
        run_backup(acme)
        before = everything(acme, filled)
    settings, restored = drill.restore()
    assert restored.number == 3
    with drill.opened(settings) as again:
        assert everything(again, filled) == before


# --- killed --------------------------------------------------------------------------------------------------


def run_and_die(settings: Settings, step: int) -> None:
    """A run in a process that is gone when a step is done."""
    backup_of(build(settings)).run(reached=lambda number: os._exit(9) if number == step else None)
    os._exit(0)


def restore_and_die(settings: Settings, place: str, escrow: str, identity: Path, step: int) -> None:
    """The same of a restore."""
    from lrs.adapters.objects.places import open_place

    bring_back(
        settings,
        open_place(place, "test"),
        open_place(escrow, "test"),
        identity,
        reached=lambda number: os._exit(9) if number == step else None,
    )
    os._exit(0)


def in_a_process(work: Callable[..., None], *arguments: object, kill_after: float | None = None) -> int | None:
    """How it ended; killed after a while, if it still runs then."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    if kill_after is not None:
        process.join(kill_after)
        if process.is_alive():
            process.kill()
    process.join(120)
    return process.exitcode


@pytest.mark.full
def test_a_killed_process_leaves_nothing_that_the_next_does_not_mend(drill: Drill) -> None:
    with drill.opened() as acme:
        filled = fill(acme)
        run_backup(acme)
    for step in (1, 2, 3, 4, 5):
        with drill.opened() as acme:
            acme.post(statement(GRACE, "passed"))
        assert in_a_process(run_and_die, drill.settings, step) == 9
    with drill.opened() as acme:
        run_backup(acme)
        before, log = everything(acme, filled), events(drill.settings)
    # One place, killed at each step in turn, and at last left alone.
    settings = drill.new_place()
    for step in (*STEPS[:-1], 0):
        ended = in_a_process(restore_and_die, settings, drill.backup_url, drill.escrow_url, drill.identity, step)
        assert ended == (9 if step else 0)
    assert events(settings)[:-1] == log
    with drill.opened(settings) as again:
        assert everything(again, filled) == before


@pytest.mark.full
def test_a_restore_that_is_killed_at_any_moment_goes_on(drill: Drill) -> None:
    chance = random.Random(20261125)
    with drill.opened() as acme:
        filled = fill(acme)
        for _ in range(20):
            acme.post(*[statement(GRACE, "passed") for _ in range(200)])
        run_backup(acme)
        before, log = everything(acme, filled), events(drill.settings)
    arguments = (drill.backup_url, drill.escrow_url, drill.identity, 0)
    began = time.monotonic()
    assert in_a_process(restore_and_die, drill.new_place(), *arguments) == 0
    whole = time.monotonic() - began
    for _ in range(6):
        settings = drill.new_place()
        for _ in range(3):
            in_a_process(restore_and_die, settings, *arguments, kill_after=chance.uniform(0.3, whole))
        if in_a_process(restore_and_die, settings, *arguments) != 0:
            # It was done before: then it refuses to do it again.
            assert not list(settings.keys.glob(".restore*"))
        assert events(settings)[:-1] == log
        with drill.opened(settings) as again:
            assert everything(again, filled) == before
