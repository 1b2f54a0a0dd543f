"""The machine, as Linux tells of it: where paths lie, and who may read what is there."""

import os
import stat
from pathlib import Path

from lrs.domain.findings import Volume

_MOUNTS = Path("/proc/self/mountinfo")
_FILES_MAX = 10_000


class LinuxMachine:
    """The port's ``Machine``."""

    def volume(self, path: Path) -> Volume:
        """Where a path lies."""
        found, space = path.stat(), os.statvfs(path)
        return Volume(
            found.st_dev,
            _kind(found.st_dev, _MOUNTS.read_text("utf-8", "replace") if _MOUNTS.exists() else ""),
            space.f_bavail * space.f_frsize,
            space.f_blocks * space.f_frsize,
        )

    def modes(self, folder: Path) -> dict[str, int]:
        """The mode of the folder and of all in it, by path."""
        found = {str(folder): stat.S_IMODE(folder.stat().st_mode)}
        for path in folder.rglob("*"):
            if len(found) >= _FILES_MAX:
                break
            if not path.is_symlink():
                found[str(path)] = stat.S_IMODE(path.stat().st_mode)
        return found


def _kind(device: int, mounts: str) -> str:
    """The file system of a device: proc(5), /proc/pid/mountinfo: the third column is major:minor, the first after
    the lone hyphen the kind."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        columns = before.split()
        if len(columns) > 2 and columns[2] == wanted and after:
            return after.split()[0]
    return "an unknown file system"
