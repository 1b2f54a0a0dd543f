"""What it takes in space: bytes on disk a statement, and the memory of the service."""

from bench.figures import Figure
from bench.processes import resident_bytes
from bench.rig import Rig
from bench.serving import TENANT
from lrs.bootstrap import build

_MEGABYTE = 1_000_000


def memory(rig: Rig, when: str) -> Figure:
    """Resident memory of the service's largest process now, and at most until now; ``when`` names the moment."""
    most = resident_bytes(rig.stand.service.pid, "VmHWM") / _MEGABYTE
    now = resident_bytes(rig.stand.service.pid) / _MEGABYTE
    more = {"most_mb": most, "statements": float(rig.stand.recorded)}
    return Figure("space", f"memory of the service, {when}", now, "MB", more=more)


def disk(rig: Rig) -> Figure:
    """Everything of the store and of the keys, views, indexes and the log of hashes included, against the JSON
    that was sent. The service must be stopped: it then has moved its write-ahead log into the file."""
    stand = rig.stand
    system = build(stand.place.settings())
    system.notary.catch_up(system.tenants.store(TENANT))  # what it was behind while there was load
    system.close()
    sizes = stand.place.disk_bytes()
    more = {
        f"bytes_{name}": size / stand.recorded for name, size in sizes.items() if size and name != "everything"
    }
    return Figure(
        "space",
        "disk, a statement",
        sizes["everything"] / stand.recorded,
        "bytes",
        {"json": stand.json_bytes / stand.recorded},
        more={"statements": float(stand.recorded)} | more,
    )
