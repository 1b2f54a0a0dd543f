"""Files of keys: whole or not there, durable, for their owner alone; and their end."""

import os
import secrets
from pathlib import Path


def write_new(path: Path, content: bytes) -> bool:
    """Write a file of mode 0600 whole and durably unless it exists; False when it does."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A hard link appears with its whole content or not at all, and never over an existing file.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_directory(path.parent)
    return True


def destroy_file(path: Path) -> None:
    """Overwrite a file and remove it, durably; one that is not there: nothing. Storage that writes elsewhere
    (copy on write, flash) may keep the old bytes, which is why what matters is also wrapped."""
    try:
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the directory's own entries durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
