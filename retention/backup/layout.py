"""How the objects of a backup are called. A STORAGE FORMAT, kept for years.

    <vault>/manifests/<number>.json                                     in clear, signed
    <vault>/segments/<log>/<generation>-<first>-<last>-<run>.age
    <vault>/blobs/<log>/<blob>-<part>-<run>.age
    <vault>/snapshots/<part>-<run>.age

A log is a tenant's id in hex, or ``control``. A run's name begins with its time: what no manifest names is removed
when that is long past. Nothing but ``verified.json`` and ``checked.json`` is ever
written twice under one name.
"""

import re
from datetime import UTC, datetime
from typing import Final

CONTROL: Final = "control"
_RUN = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{16}\.age")
_TIME = "%Y%m%dT%H%M%S%fZ"  # to the microsecond: the names of runs sort by it
_MANIFEST = re.compile(r"/manifests/(\d{12})\.json")


def run_name(at: datetime, token: bytes) -> str:
    """What tells the objects of one run from those of another."""
    return f"{at.astimezone(UTC).strftime(_TIME)}-{token.hex()[:16]:0<16}"


def made_at(name: str) -> datetime | None:
    """When the run began that an object is of; None for what is no such object."""
    found = _RUN.search(name)
    return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC) if found else None


def manifests_folder(vault: str) -> str:
    """Where an installation's manifests are."""
    return f"{vault}/manifests"


def manifest_name(vault: str, number: int) -> str:
    """A run's manifest."""
    return f"{manifests_folder(vault)}/{number:012}.json"


def manifest_number(name: str) -> int | None:
    """Which run a manifest is of; None for what is no manifest."""
    found = _MANIFEST.search(name)
    return int(found[1]) if found else None


def segment_name(vault: str, log: str, generation: int, first: int, last: int, run: str) -> str:
    """A stretch of a log."""
    return f"{vault}/segments/{log}/{generation:06}-{first:015}-{last:015}-{run}.age"


def blob_name(vault: str, log: str, blob: bytes, part: int, run: str) -> str:
    """A part of a blob."""
    return f"{vault}/blobs/{log}/{blob.hex()}-{part:06}-{run}.age"


def snapshots_folder(vault: str) -> str:
    """Where an installation's vault snapshots are."""
    return f"{vault}/snapshots"


def snapshot_name(vault: str, part: int, run: str) -> str:
    """A part of a vault snapshot."""
    return f"{snapshots_folder(vault)}/{part:06}-{run}.age"


def verified_name(vault: str, *, restored: bool) -> str:
    """When which run was last proved restorable, or looked at alone."""
    return f"{vault}/{'verified' if restored else 'checked'}.json"
