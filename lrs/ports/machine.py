"""The machine that the service runs on, as far as an operator should know it."""

from pathlib import Path
from typing import Protocol

from lrs.domain.findings import Volume


class Machine(Protocol):
    """Volumes and modes of files."""

    def volume(self, path: Path) -> Volume:
        """Where a path lies. OSError."""
        ...

    def modes(self, folder: Path) -> dict[str, int]:
        """The mode of the folder and of all in it, by path. OSError."""
        ...
