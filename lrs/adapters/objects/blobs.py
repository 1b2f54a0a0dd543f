"""Blobs in a folder or in S3-compatible storage, by ``obstore``: ``<tenant>/<name in hex>``, sealed in chunks.

What comes in is sealed at once; beyond a quarter of a megabyte it waits in a file without a name, which is gone
with the process. It is put in place when it is whole, under a name that nobody has: nothing is ever overwritten.
"""

import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

from lrs.adapters.objects import chunks
from lrs.domain.errors import EventCorrupt, InvalidRequest, StoreUnavailable
from lrs.domain.events import BlobName
from lrs.ports import Kept, Listed

_NAME_BYTES: Final = 16
_IN_MEMORY_BYTES_MAX: Final = 256 * 1024
_PIECE_BYTES: Final = 1024 * 1024
# S3 takes parts of 5 MiB and more; two of them are on their way at a time.
_PART_BYTES: Final = 8 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2
# Some seconds, then 503: whoever asked is waiting, and asks again.
_S3_OPTIONS: Final[dict[str, Any]] = {"retry_config": {"max_retries": 4, "retry_timeout": timedelta(seconds=10)}}


class ObjectBlobs:
    """The port's ``Blobs``."""

    def __init__(self, store: ObjectStore, spool_dir: Path, folder: Path | None = None) -> None:
        """``folder`` is where the store's objects are files, which are then seen to be on the disk."""
        self._store = store
        self._spool_dir = spool_dir
        self._folder = folder

    def spool(self) -> "SealedSpool":
        """A new blob, for content that is about to come in."""
        self._spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SealedSpool(self, self._spool_dir)

    def put(self, tenant: str, name: BlobName, file: IO[bytes]) -> None:
        """Keep a blob's ciphertext; on the disk when this returns."""
        path = _path(tenant, name)
        with outages():
            obstore.put(self._store, path, file, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
        if self._folder is not None:
            sync(self._folder / path)

    def read(self, tenant: str, blob: Kept) -> Iterator[bytes]:
        """Its content piece by piece, each checked before it is given out. EventCorrupt, StoreUnavailable."""
        try:
            yield from chunks.opened(blob.key, blob.name, self._ciphertext(tenant, blob))
        except chunks.ChunkInvalid:
            raise EventCorrupt("an attachment does not open: its blob was cut, altered or exchanged") from None

    def _ciphertext(self, tenant: str, blob: Kept) -> Iterator[bytes]:
        try:
            with outages():
                found = obstore.get(self._store, _path(tenant, blob.name))
                pieces = iter(found.stream(min_chunk_size=_PIECE_BYTES))
        except FileNotFoundError:
            raise EventCorrupt("an attachment's blob is missing") from None
        if found.meta["size"] != blob.size:
            raise EventCorrupt("an attachment's blob is not of its size")
        while True:
            with outages():
                piece = next(pieces, None)
            if piece is None:
                return
            yield memoryview(piece).tobytes()

    def remove(self, tenant: str, names: Iterable[BlobName]) -> None:
        """Remove these; those that are not there are no error."""
        for name in names:
            try:
                with outages():
                    obstore.delete(self._store, _path(tenant, name))
            except FileNotFoundError:
                continue

    def list(self, tenant: str) -> Iterator[Listed]:
        """All that are there, in no order."""
        with outages():
            listing = iter(obstore.list(self._store, prefix=tenant, chunk_size=1_000))
        while True:
            with outages():
                found = next(listing, None)
            if found is None:
                return
            for one in found:
                name = _name(one["path"])
                if name is not None:
                    yield Listed(name, one["last_modified"])


class SealedSpool:
    """The port's ``Spool``: what was written is sealed and waits to be kept."""

    def __init__(self, blobs: ObjectBlobs, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder
        self._name, self._key, self._sealing, self._file = self._begin()
        self._done = False
        self._kept = False
        self.size = 0

    def _begin(self) -> tuple[BlobName, bytes, chunks.Sealing, IO[bytes]]:
        name, key = BlobName(secrets.token_bytes(_NAME_BYTES)), chunks.new_key()
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES_MAX, dir=str(self._folder))  # noqa: SIM115
        return name, key, chunks.Sealing(key, name), cast("IO[bytes]", file)

    def write(self, data: bytes) -> None:
        """The next bytes."""
        with outages():
            self._file.write(self._sealing.add(data))
        self.size += len(data)

    def keep(self, tenant: str) -> Kept:
        """It is whole: keep it. Again: another blob of the same content."""
        if not self._done:
            with outages():
                self._file.write(self._sealing.finish())
            self._done = True
        if not self._kept:
            self._kept = True
            return self._put(tenant, self._name, self._key, self._sealing, self._file)
        name, key, sealing, file = self._begin()
        with file, outages():
            for piece in self._content():
                file.write(sealing.add(piece))
            file.write(sealing.finish())
            return self._put(tenant, name, key, sealing, file)

    def _put(self, tenant: str, name: BlobName, key: bytes, sealing: chunks.Sealing, file: IO[bytes]) -> Kept:
        with outages():
            file.seek(0)
        self._blobs.put(tenant, name, file)
        return Kept(name, key, sealing.sha256, sealing.size)

    def _content(self) -> Iterator[bytes]:
        self._file.seek(0)
        return chunks.opened(self._key, self._name, iter(lambda: self._file.read(_PIECE_BYTES), b""))

    def close(self) -> None:
        """Let go of what was spooled."""
        self._file.close()


def open_blobs(url: str | None, data_dir: Path) -> ObjectBlobs:
    """Blobs where the setting says: a folder (by default beside the data) or ``s3://bucket/prefix``.
    InvalidRequest for what is neither."""
    spool_dir = data_dir / "spool"
    if url is None or "://" not in url:
        folder = Path(url).absolute() if url else (data_dir / "blobs").absolute()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # parents are made open to others
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ObjectBlobs(LocalStore(folder), spool_dir, folder)
    return ObjectBlobs(open_s3(url, "LRS_BLOBS_URL"), spool_dir)


def open_s3(url: str, setting: str) -> S3Store:
    """The storage behind ``s3://bucket/prefix``. InvalidRequest for what is no such address."""
    address = urlsplit(url)
    if address.scheme != "s3" or not address.netloc:
        raise InvalidRequest(f"{setting} must be a folder or s3://bucket/prefix")
    options: dict[str, Any] = dict(_S3_OPTIONS)
    if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        options["client_options"] = {"allow_http": True}
    # The rest (region, endpoint, keys) is where AWS's own tools look for it.
    return S3Store(address.netloc, prefix=address.path.strip("/") or None, **options)


def _path(tenant: str, name: BlobName) -> str:
    return f"{tenant}/{name.hex()}"


def _name(path: str) -> BlobName | None:
    """The name in a path; None for what is no blob of ours."""
    try:
        name = bytes.fromhex(path.rpartition("/")[2])
    except ValueError:
        return None
    return BlobName(name) if len(name) == _NAME_BYTES else None


def sync(path: Path) -> None:
    """See that a file and its name are on the disk: the storage library leaves that to the system."""
    for one in (path, path.parent):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def outages() -> Iterator[None]:
    """What the storage library or the file system says as an error of ours, but FileNotFoundError for what is not
    there."""
    try:
        yield
    except NotFoundError:
        raise FileNotFoundError from None
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StoreUnavailable(f"the place for files does not answer: {type(error).__name__}") from None
