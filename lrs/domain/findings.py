"""What a look at an installation finds, and what an operator should do about it. Facts come in, findings go out.

Each rule below says why it is one. A finding names settings and counts, never a person's data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Level(StrEnum):
    """How much it matters: ``fail`` breaks a promise now, ``warn`` may break one on a bad day."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One look. ``do`` is what mends it; empty where all is well."""

    check: str
    level: Level
    found: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """Where a path lies: the device's number, the file system's kind, and its free and whole bytes."""

    device: int
    kind: str
    free_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of an installation, absolute; None where there is none."""

    data: str
    keys: str
    backup: str | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True)
class Backups:
    """When the last backup was made, and when one was last proved restorable (None: never); how many attachments
    are in none."""

    configured: bool
    made_at: datetime | None = None
    verified_at: datetime | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """The present epoch, since when it holds destructions and how many; how many closed ones are unfinished;
    whether its key is in escrow."""

    number: int
    oldest_at: datetime | None
    destructions: int
    unfinished: int = 0
    provider: str = "file"
    destruction_seconds: int = 0
    escrowed: bool = False


# These keep what was overwritten, by themselves or by the snapshots that they make cheap.
_KEEPS_OLD = frozenset({"btrfs", "zfs", "bcachefs", "nilfs2", "overlay"})
_FREE_BYTES_MIN = 2 * 1024**3
_FREE_RATIO_MIN = 0.05
_LAG_EVENTS_MAX = 10_000
# Machines' clocks differ by less than this where they are kept right.
_CLOCK_SECONDS_MAX = 5
# Promised: at most an hour is lost.
_BACKUP_HOURS_MAX = 1.5
_VERIFIED_DAYS_MAX = 31
_EPOCH_HOURS_MAX = 48


def volumes(keys: Volume, data: Volume | None) -> Iterator[Finding]:
    """A copy of one volume must not be both the keys and what they open; what was destroyed must not stay."""
    if data is not None and data.device == keys.device:
        yield Finding(
            "keys apart",
            Level.WARN,
            "the keys and the data are on one volume",
            "put LRS_KEY_DIR on a volume of its own: a snapshot or a stolen disk then holds one of the two",
        )
    else:
        yield Finding("keys apart", Level.OK, "the keys are on a volume of their own")
    if keys.kind in _KEEPS_OLD:
        yield Finding(
            "old keys",
            Level.WARN,
            f"the keys are on {keys.kind}, which may keep what is overwritten",
            "put LRS_KEY_DIR on ext4 or xfs without snapshots, or keep the root key in a key service",
        )
    else:
        yield Finding("old keys", Level.OK, f"the keys are on {keys.kind}, which overwrites in place")
    for name, volume in (("LRS_KEY_DIR", keys), ("LRS_DATA_DIR", data)):
        if volume is not None:
            yield _room(name, volume)


def _room(name: str, volume: Volume) -> Finding:
    free = f"{volume.free_bytes / 1024**3:.1f} GB are free for {name}"
    if volume.free_bytes < max(_FREE_BYTES_MIN, _FREE_RATIO_MIN * volume.size_bytes):
        return Finding("room", Level.WARN, free, "make room: a full disk stops every write")
    return Finding("room", Level.OK, free)


def places(where: Places) -> Iterator[Finding]:
    """Keys never lie in a backup, and no escrow beside one."""
    if where.backup and (_within(where.keys, where.backup) or _within(where.backup, where.keys)):
        yield Finding(
            "keys in the backup",
            Level.FAIL,
            "the backup's folder and LRS_KEY_DIR lie in one another",
            "move the backup: whoever has both can read everything, also who was erased",
        )
    elif where.escrow and (_within(where.keys, where.escrow) or _within(where.escrow, where.keys)):
        yield Finding(
            "keys in the backup",
            Level.FAIL,
            "the escrow and LRS_KEY_DIR lie in one another",
            "move the escrow: it is there for the day on which LRS_KEY_DIR is lost",
        )
    else:
        yield Finding("keys in the backup", Level.OK, "no backup holds the keys")
    if where.backup and not where.escrow:
        yield Finding(
            "escrow",
            Level.FAIL,
            "there are backups, but the epoch key is kept nowhere else",
            "set LRS_ESCROW_URL: without LRS_KEY_DIR no backup can be read",
        )


def _within(inner: str, outer: str) -> bool:
    return (inner.rstrip("/") + "/").startswith(outer.rstrip("/") + "/")


def modes(found: Mapping[str, int]) -> Iterator[Finding]:
    """By name of what is there, its mode: nobody but the owner may read it."""
    open_to_others = sorted(name for name, mode in found.items() if mode & 0o077)
    if open_to_others:
        yield Finding(
            "permissions",
            Level.FAIL,
            f"others may read: {', '.join(open_to_others)}",
            "chmod go= on each: 0700 for folders, 0600 for files",
        )
    else:
        yield Finding("permissions", Level.OK, "only their owner can read the keys and the data")


def clock(now: datetime, stored: Sequence[datetime]) -> Finding:
    """Nothing can have been stored after now: it would have been stamped by a clock that was ahead."""
    ahead = max(stored, default=now) - now
    if ahead > timedelta(seconds=_CLOCK_SECONDS_MAX):
        return Finding(
            "clock",
            Level.FAIL,
            f"the newest event is {ahead.total_seconds():.0f} s ahead of this machine's clock",
            "set the clock by NTP on every machine: times only ever go forward in the log",
        )
    return Finding("clock", Level.OK, "no event is ahead of the clock")


def lag(events_behind: Mapping[str, int]) -> Iterator[Finding]:
    """Tenants whose report views are far behind the log."""
    late = {name: behind for name, behind in events_behind.items() if behind > _LAG_EVENTS_MAX}
    if late:
        worst = max(late, key=lambda name: late[name])
        yield Finding(
            "projections",
            Level.WARN,
            f"reports of {len(late)} tenants are behind, most of {worst}: {late[worst]:,} events",
            "see that `lrs serve` runs and what its log says of projections",
        )
    else:
        yield Finding("projections", Level.OK, f"reports of {len(events_behind)} tenants are up with the log")


def alarms(by_tenant: Mapping[str, int]) -> Finding:
    """Events that could not be folded: damaged, and never taken for erased."""
    damaged = {name: count for name, count in by_tenant.items() if count}
    if damaged:
        return Finding(
            "damage",
            Level.FAIL,
            f"{sum(damaged.values())} events of {', '.join(sorted(damaged))} do not open although their keys live",
            "run `lrs verify`: it names them; then restore from a backup",
        )
    return Finding("damage", Level.OK, "no damaged event was met")


def backups(known: Backups, now: datetime) -> Iterator[Finding]:
    """At most an hour is lost, and a backup that nobody restored is none."""
    if not known.configured:
        yield Finding("backup", Level.WARN, "there are no backups", "set LRS_BACKUP_URL, LRS_BACKUP_RECIPIENTS")
        return
    yield _aged(
        "backup",
        "the last backup",
        known.made_at,
        now,
        timedelta(hours=_BACKUP_HOURS_MAX),
        "run `lrs backup run`, and see that `lrs serve` runs: it makes one every hour",
        Level.FAIL,
    )
    yield _aged(
        "backup verified",
        "the last backup that was proved restorable",
        known.verified_at,
        now,
        timedelta(days=_VERIFIED_DAYS_MAX),
        "run `lrs backup check --identity FILE`",
        Level.WARN,
    )
    if known.missing:
        yield Finding(
            "attachments",
            Level.FAIL,
            f"{known.missing} attachments are in no backup: they could not be read",
            "see that LRS_BLOBS_URL leads to them from where backups run; the next run tries again",
        )


def _aged(
    check: str, what: str, at: datetime | None, now: datetime, age_max: timedelta, do: str, level: Level
) -> Finding:
    oldest = now - age_max
    if at is None:
        return Finding(check, level, f"{what}: never", do)
    said = f"{what}: {at:%Y-%m-%d %H:%M} UTC"
    if at > now + timedelta(seconds=_CLOCK_SECONDS_MAX):
        return Finding(check, level, f"{said}, which is yet to come", "set the clocks by NTP, then run it again")
    return Finding(check, level, said, do) if at < oldest else Finding(check, Level.OK, said)


def epoch(known: Epoch, now: datetime) -> Iterator[Finding]:
    """Who was erased is in older copies of the vault until the epoch closes."""
    said = f"epoch {known.number}, {known.destructions} destructions in it"
    if known.unfinished:
        yield Finding(
            "epoch",
            Level.WARN,
            f"{said}; {known.unfinished} closed ones are not finished",
            "run `lrs epoch close`: it goes on where it stopped",
        )
    elif known.oldest_at is not None and now - known.oldest_at > timedelta(hours=_EPOCH_HOURS_MAX):
        yield Finding(
            "epoch",
            Level.WARN,
            f"{said}, the oldest of {known.oldest_at:%Y-%m-%d %H:%M} UTC",
            "run `lrs epoch close`: until then an older copy of the vault still opens what was erased since",
        )
    else:
        yield Finding("epoch", Level.OK, said)
    if known.destruction_seconds:
        yield Finding(
            "epoch keys",
            Level.WARN,
            f"{known.provider} destroys a key {known.destruction_seconds / 86_400:.1f} days after it is told to",
            "know it: certificates say so",
        )
    if known.escrowed:
        yield Finding("escrow", Level.OK, "the epoch's key is in escrow")


def archives(archive_mode: str | None) -> Iterator[Finding]:
    """A physical archive of the database holds the bytes of views and of old keys."""
    if archive_mode in {"on", "always"}:
        yield Finding(
            "physical archives",
            Level.WARN,
            "the database archives its write-ahead log",
            "keep archives and physical backups no longer than an epoch; `lrs backup` is what restores",
        )


def rights(may_change: Sequence[str], login_may_change: Sequence[str]) -> Finding:
    """The service may insert and read events and no more."""
    if may_change:
        return Finding(
            "event log",
            Level.FAIL,
            f"the service's role may change events of {', '.join(sorted(may_change))}",
            "revoke UPDATE, DELETE and TRUNCATE on table event from the service's role",
        )
    if login_may_change:
        return Finding(
            "event log",
            Level.WARN,
            "the login of LRS_DATABASE_URL owns the tables: a session of it may leave the service's role",
            "give the service a login of its own in role lethe_service, and the owner's in LRS_OWNER_URL",
        )
    return Finding("event log", Level.OK, "the service can not change an event")
