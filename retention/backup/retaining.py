"""What a backup lets go of.

A log is kept for ever, so its segments are, too: however old, a restore of today needs them. What goes after the
days of retention is what no restore of today needs: manifests from before the newest base, and what they alone
name (the segments of tenants that left, of generations that a restore left behind, small ones that were packed
together). What no manifest names, of runs that a crash cut off, goes after two days, which no run takes.
"""

import json
from datetime import datetime, timedelta
from typing import Final

from lrs.domain.errors import BackupInvalid
from lrs.ports import ObjectPlace
from retention.backup import chain as chains
from retention.backup import layout
from retention.backup.manifests import Manifest, Stored, Verify

_UNNAMED_DAYS: Final = 2


def remove_older_snapshots(place: ObjectPlace, vault: str, keep: int) -> int:
    """Remove every vault snapshot but those of the newest ``keep`` runs and of runs that are under way; how many
    objects. To be called when an epoch has closed, too: with 1, after a run in the new epoch. StoreUnavailable."""
    newest = chains.numbers(place, vault)[-keep:]
    if not newest:
        return 0
    first = min((run for number in newest for run in _snapshot_runs(place, vault, number)), default="")
    removed = 0
    for name, _ in list(place.list(layout.snapshots_folder(vault))):
        if _run_of(name) < first:  # they begin with their time
            place.remove(name)
            removed += 1
    return removed


def _snapshot_runs(place: ObjectPlace, vault: str, number: int) -> list[str]:
    """Unchecked: whoever can forge this could remove the objects, too."""
    try:
        content = json.loads(place.get(layout.manifest_name(vault, number)))
        return [_run_of(one["name"]) for one in content["snapshot"]]
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        raise BackupInvalid(f"the manifest of run {number} can not be read") from None


def _run_of(name: str) -> str:
    return name.rpartition("/")[2].partition("-")[2]


def sweep(place: ObjectPlace, base: Manifest, now: datetime, days: int, public_key: bytes, verify: Verify) -> int:
    """Remove what is older than the days of retention and not needed since this base; how many objects.
    BackupInvalid (then nothing was removed), StoreUnavailable."""
    named: set[str] = set()
    gone: list[str] = []
    for number in chains.numbers(place, base.vault):  # one after the other: two years of them are large
        manifest = chains.read_one(place, base.vault, number, public_key, verify)
        if _is_outdated(manifest, base, now - timedelta(days=days)):
            gone.append(layout.manifest_name(base.vault, number))
        else:
            named.update(one.name for one in _all_of(manifest))
    for name, _ in place.list(base.vault):
        made = layout.made_at(name)
        if made is not None and made < now - timedelta(days=_UNNAMED_DAYS) and name not in named:
            gone.append(name)
    for name in gone:
        place.remove(name)
    return len(gone)


def _is_outdated(one: Manifest, base: Manifest, before: datetime) -> bool:
    return one.number < base.number and datetime.fromisoformat(one.at) < before


def _all_of(manifest: Manifest) -> list[Stored]:
    return [*manifest.snapshot, *manifest.objects()]
