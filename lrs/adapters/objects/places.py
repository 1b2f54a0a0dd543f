"""A place for backups or for escrow in a folder or in S3-compatible storage, by ``obstore``.

A file in a folder appears whole or not at all, and is on the disk before it is said to be.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore

from lrs.adapters.objects.blobs import open_s3, outages, sync
from lrs.domain.errors import AlreadyExists, InvalidRequest

_PROBE = "versions-probe"


class Objects:
    """The port's ``ObjectPlace``."""

    def __init__(self, url: str, store: ObjectStore, folder: Path | None = None) -> None:
        """``folder`` is where the store's objects are files."""
        self.url = url
        self._store = store
        self._folder = folder

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Keep it whole under this name; with ``new``, AlreadyExists when there is something."""
        taken = False
        with outages():
            try:
                obstore.put(self._store, name, data, mode="create" if new else "overwrite", use_multipart=False)
            except AlreadyExistsError:
                taken = True
        if taken:
            raise AlreadyExists("there is an object of this name already")
        if self._folder is not None:
            with outages():
                sync(self._folder / name)

    def get(self, name: str) -> bytes:
        """What is there. FileNotFoundError, StoreUnavailable."""
        with outages():
            return memoryview(obstore.get(self._store, name).bytes()).tobytes()

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """The names below this folder with their sizes, in the order of the names."""
        with outages():
            listing = obstore.list(self._store, prefix=prefix or None, chunk_size=1_000)
            found = [(one["path"], one["size"]) for part in listing for one in part]
        yield from sorted(found)

    def remove(self, name: str) -> None:
        """Remove it; what is not there is no error."""
        with contextlib.suppress(FileNotFoundError), outages():
            obstore.delete(self._store, name)

    def keeps_versions(self) -> bool:
        """Whether what is overwritten can be had all the same."""
        name = f"{_PROBE}-{secrets.token_hex(8)}"
        with outages():
            kept = obstore.put(self._store, name, b"", use_multipart=False)
        self.remove(name)
        return kept["version"] is not None


def open_place(url: str, setting: str) -> Objects:
    """The place that a setting names: a folder, or ``s3://bucket/prefix``. InvalidRequest for what is neither."""
    if "://" not in url:
        folder = Path(url).resolve()  # two ways to one folder are one place
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            raise InvalidRequest(f"{setting} must be a folder to write to, or s3://bucket/prefix") from None
        return Objects(str(folder), LocalStore(folder), folder)
    return Objects(url.rstrip("/"), open_s3(url, setting))
