"""What the kernel knows of a process and its children: the time they computed and the memory they hold (Linux,
/proc)."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1_024


def family(pid: int) -> Iterator[int]:
    """The process and all that come from it."""
    yield pid
    try:
        children = [Path(f"{task}/children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return  # it has ended
    for child in children:
        for one in child:
            yield from family(int(one))


def cpu_seconds(pid: int) -> float:
    """Time in user and kernel mode of all threads and of all children so far; in steps of 10 ms."""
    return sum(map(_cpu_ticks, family(pid))) / _TICKS_A_SECOND


def _cpu_ticks(pid: int) -> int:
    try:
        # proc(5): the name in brackets may hold spaces; utime, stime and those of children that ended are fields
        # 14 to 17.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0  # it ended meanwhile, and counts among its parent's children
    return sum(int(one) for one in fields[11:15])


def resident_bytes(pid: int, kind: str = "VmRSS") -> int:
    """Memory now (VmRSS) or at most until now (VmHWM), of the largest of the process and its children."""
    return max(_status(one, kind) for one in family(pid))


def _status(pid: int, kind: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1]) * _KILOBYTE
    return 0


def files_bytes(*folders: Path) -> int:
    """The size of every file below these folders."""
    return sum(one.stat().st_size for folder in folders for one in folder.rglob("*") if one.is_file())
