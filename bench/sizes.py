"""What it takes in space: bytes on disk a statement, and the memory of the service."""

from bench.figures import Figure
from bench.processes import files_bytes, resident_bytes
from bench.rig import Rig

_MEGABYTE = 1_000_000


def memory(rig: Rig, when: str) -> Figure:
    """Resident memory of the service's process now, and at most until now; ``when`` names the moment."""
    most = resident_bytes(rig.pid, "VmHWM") / _MEGABYTE
    now = resident_bytes(rig.pid) / _MEGABYTE
    return Figure("space", f"memory, {when}", now, "MB", more={"most_mb": most}, wanted="<= 300 at a million")


def disk(rig: Rig) -> Figure:
    """Every file of the store and of the keys, views and indexes included, against the JSON that was sent. The
    service must be stopped: it then has moved its write-ahead log into the file."""
    data = rig.service.data_dir
    total = files_bytes(data, data.with_name(data.name + "-keys"))
    tables = rig.tenant_file.table_bytes()
    return Figure(
        "space",
        "disk, a statement",
        total / rig.recorded,
        "bytes",
        floors={"store": rig.json_bytes / rig.recorded},
        more={"statements": rig.recorded}
        | {f"bytes_{name}": size / rig.recorded for name, size in tables.items() if size},
        wanted="<= 0.60",
    )
