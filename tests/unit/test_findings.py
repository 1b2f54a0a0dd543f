"""What facts of an installation mean: each rule with a case on either side of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from lrs.domain import findings
from lrs.domain.findings import Backups, Epoch, Finding, Level, Places, Volume

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GB = 1024**3


def levels(found: Iterable[Finding]) -> dict[str, Level]:
    listed = list(found)
    for one in listed:
        assert bool(one.do) is (one.level is not Level.OK), one
    return {one.check: one.level for one in listed}


def volume(device: int = 1, kind: str = "ext4", free: int = 50 * GB, size: int = 100 * GB) -> Volume:
    return Volume(device, kind, free, size)


@pytest.mark.parametrize(
    ("keys", "data", "check", "level"),
    [
        (volume(1), volume(2), "keys apart", Level.OK),
        (volume(1), volume(1), "keys apart", Level.WARN),
        (volume(1), None, "keys apart", Level.OK),
        (volume(1), volume(2), "old keys", Level.OK),
        (volume(1, "btrfs"), volume(2), "old keys", Level.WARN),
        (volume(1), volume(2), "room", Level.OK),
        (volume(1), volume(2, free=GB), "room", Level.WARN),
        (volume(1), volume(2, free=4 * GB, size=100 * GB), "room", Level.WARN),
        (volume(1), volume(2, free=4 * GB, size=10 * GB), "room", Level.OK),
    ],
)
def test_volumes(keys: Volume, data: Volume | None, check: str, level: Level) -> None:
    assert levels(findings.volumes(keys, data))[check] is level


@pytest.mark.parametrize(
    ("backup", "escrow", "expected"),
    [
        (None, None, {"keys in the backup": Level.OK}),
        ("/backup", "/escrow", {"keys in the backup": Level.OK}),
        ("/backup", None, {"keys in the backup": Level.OK, "escrow": Level.FAIL}),
        ("/", "/escrow", {"keys in the backup": Level.FAIL}),
        ("/keys/backup", "/escrow", {"keys in the backup": Level.FAIL}),
        ("/keys-backup", "/keys/", {"keys in the backup": Level.FAIL}),
        ("s3://bucket/b", "s3://bucket/e", {"keys in the backup": Level.OK}),
    ],
)
def test_places(backup: str | None, escrow: str | None, expected: dict[str, Level]) -> None:
    assert levels(findings.places(Places("/data", "/keys", backup, escrow))) == expected


@pytest.mark.parametrize(("mode", "level"), [(0o600, Level.OK), (0o640, Level.FAIL), (0o601, Level.FAIL)])
def test_modes(mode: int, level: Level) -> None:
    assert levels(findings.modes({"/keys": 0o700, "/keys/root.key": mode})) == {"permissions": level}


@pytest.mark.parametrize(("seconds", "level"), [(-60, Level.OK), (5, Level.OK), (6, Level.FAIL)])
def test_the_clock(seconds: int, level: Level) -> None:
    assert findings.clock(NOW, [NOW - timedelta(days=1), NOW + timedelta(seconds=seconds)]).level is level
    assert findings.clock(NOW, []).level is Level.OK


@pytest.mark.parametrize(("behind", "level"), [(10_000, Level.OK), (10_001, Level.WARN)])
def test_lag(behind: int, level: Level) -> None:
    assert levels(findings.lag({"acme": behind, "globex": 0})) == {"projections": level}


@pytest.mark.parametrize(("count", "level"), [(0, Level.OK), (1, Level.FAIL)])
def test_damage(count: int, level: Level) -> None:
    assert findings.alarms({"acme": count, "globex": 0}).level is level


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Backups(configured=False), {"backup": Level.WARN}),
        (Backups(configured=True), {"backup": Level.FAIL, "backup verified": Level.WARN}),
        (
            Backups(configured=True, made_at=NOW - timedelta(minutes=89), verified_at=NOW - timedelta(days=30)),
            {"backup": Level.OK, "backup verified": Level.OK},
        ),
        (
            Backups(configured=True, made_at=NOW - timedelta(minutes=91), verified_at=NOW - timedelta(days=32)),
            {"backup": Level.FAIL, "backup verified": Level.WARN},
        ),
        (
            Backups(configured=True, made_at=NOW + timedelta(days=1), verified_at=NOW + timedelta(seconds=5)),
            {"backup": Level.FAIL, "backup verified": Level.OK},
        ),
        (
            Backups(configured=True, made_at=NOW, verified_at=NOW, missing=2),
            {"backup": Level.OK, "backup verified": Level.OK, "attachments": Level.FAIL},
        ),
    ],
)
def test_backups(known: Backups, expected: dict[str, Level]) -> None:
    assert levels(findings.backups(known, NOW)) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Epoch(1, None, 3), {"epoch": Level.OK}),
        (Epoch(1, NOW - timedelta(hours=47), 3), {"epoch": Level.OK}),
        (Epoch(1, NOW - timedelta(hours=49), 3), {"epoch": Level.WARN}),
        (Epoch(2, None, 0, unfinished=1), {"epoch": Level.WARN}),
        (Epoch(2, None, 0, escrowed=True), {"epoch": Level.OK, "escrow": Level.OK}),
        (
            Epoch(1, NOW, 1, provider="a key service", destruction_seconds=604_800),
            {"epoch": Level.OK, "epoch keys": Level.WARN},
        ),
    ],
)
def test_epochs(known: Epoch, expected: dict[str, Level]) -> None:
    assert levels(findings.epoch(known, NOW)) == expected


@pytest.mark.parametrize(("mode", "found"), [(None, False), ("off", False), ("on", True), ("always", True)])
def test_physical_archives(mode: str | None, found: bool) -> None:
    assert levels(findings.archives(mode)) == ({"physical archives": Level.WARN} if found else {})


@pytest.mark.parametrize(
    ("service", "login", "level"), [((), (), Level.OK), ((), ("a",), Level.WARN), (("a",), ("a",), Level.FAIL)]
)
def test_rights(service: tuple[str, ...], login: tuple[str, ...], level: Level) -> None:
    assert levels([findings.rights(service, login)]) == {"event log": level}
