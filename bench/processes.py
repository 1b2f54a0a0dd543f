"""What the kernel knows of a process: the time it computed and the memory it holds (Linux, /proc)."""

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1_024


def cpu_seconds(pid: int) -> float:
    """Time in user and kernel mode of all threads so far; in steps of 10 ms."""
    # proc(5): the name in brackets may hold spaces; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def resident_bytes(pid: int, kind: str = "VmRSS") -> int:
    """Memory now (VmRSS) or at most until now (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1]) * _KILOBYTE
    raise ProcessLookupError(pid)


def files_bytes(*folders: Path) -> int:
    """The size of every file below these folders."""
    return sum(one.stat().st_size for folder in folders for one in folder.rglob("*") if one.is_file())
