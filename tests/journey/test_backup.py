"""Back up, lose everything, restore: everything is as it was, on either store, whoever was killed in between."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lrs.bootstrap import build
from lrs.domain.errors import LetheError, NotEmpty, RestoreUnfinished, Unauthenticated
from retention.backup.restoring import STEPS
from tests.backups import Drill, events, everything, fill, new_drill, run_backup
from tests.places import STORES
from tests.subjects import ADA, GRACE, TENANT, inside, statement


@pytest.fixture(params=STORES)
def drill(request: pytest.FixtureRequest, tmp_path: Path) -> Drill:
    """An installation on each store, its backup and its escrow in folders."""
    return new_drill(tmp_path, request.param, lambda: request.getfixturevalue("databases"))


class Killed(BaseException):
    """The process is gone: nothing catches this."""


def test_everything_comes_back(drill: Drill) -> None:
    with drill.opened() as acme:
        filled = fill(acme)
        first = run_backup(acme)
        acme.post(statement(GRACE, "passed"))
        second = run_backup(acme)
        assert (first.number, second.number, second.base) == (1, 2, False)
        before, log = everything(acme, filled), events(drill.settings)
    drill.destroy()
    settings, restored = drill.restore()
    assert (restored.tenants, restored.blobs, restored.missing, restored.corrupt) == (1, 1, 0, 0)
    assert events(settings)[:-1] == log
    assert events(settings)[-1][4] == "generation-started/1"
    with drill.opened(settings) as again:
        assert everything(again, filled) == before
        again.post(statement(ADA, "passed"))
        assert len(again.found()) == len(before["statements"]) + 1
