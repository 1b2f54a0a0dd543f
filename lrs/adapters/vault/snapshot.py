"""The vault as bytes, and back: what a backup keeps of it. Logical, so it fits either database. A STORAGE FORMAT.

Lines of JSON: a head (format, vault, epoch, sequence, tables with their columns), a row after the other as a list
with its table's name first, bytes in base64, and an end that counts the rows and holds the SHA-256 of all lines
before it: what is cut short has no end, and what is altered has another.

Every key in it is wrapped under the epoch's key, which is not in it.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from lrs.adapters.sql.database import Connection, Database, marks
from lrs.adapters.vault.schema import Table, described
from lrs.domain.errors import AlreadyExists, BackupInvalid, VaultRefused

_FORMAT: Final = 1
_ROWS: Final = 2_000
# Far more than any row: a line without an end must not fill the memory.
_LINE_BYTES_MAX: Final = 4 * 1024 * 1024
_ROWS_TOGETHER: Final = 2_000


@dataclass(frozen=True, slots=True)
class Head:
    """Which vault a snapshot is of, and where its fence stood."""

    vault: str
    epoch: int
    sequence: int


def dump(database: Database, tables: Collection[str] | None = None) -> Iterator[bytes]:
    """All that is in the vault (or in these tables alone), as it is at one moment, in chunks of some 100 kB."""
    wanted = [table for table in described() if tables is None or table.name in tables]
    hashed, count = hashlib.sha256(), 0
    with database.read() as connection:
        vault, epoch, sequence = connection.execute("SELECT vault, epoch, sequence FROM fence").fetchall()[0]
        columns = {table.name: table.columns for table in wanted}
        head = {"format": _FORMAT, "vault": vault, "epoch": epoch, "sequence": sequence, "tables": columns}
        chunk = orjson.dumps(head) + b"\n"
        hashed.update(chunk)
        yield chunk
        for table in wanted:
            for rows in _pages(connection, table):
                chunk = b"".join([_line(table, row) for row in rows])
                hashed.update(chunk)
                count += len(rows)
                yield chunk
    yield orjson.dumps({"end": True, "rows": count, "sha256": hashed.hexdigest()}) + b"\n"


def _pages(connection: Connection, table: Table) -> Iterator[list[Any]]:
    """The rows in the order of the primary key."""
    names, key = ", ".join(table.columns), ", ".join(table.key)
    at = [table.columns.index(column) for column in table.key]
    ordered = f"ORDER BY {key} LIMIT {_ROWS}"
    rows = connection.execute(f"SELECT {names} FROM {table.name} {ordered}").fetchall()
    while rows:
        yield rows
        last = [rows[-1][column] for column in at]
        after = f"WHERE ({key}) > ({marks(last)})"
        rows = connection.execute(f"SELECT {names} FROM {table.name} {after} {ordered}", last).fetchall()


def _line(table: Table, row: Any) -> bytes:
    try:
        values = [
            base64.b64encode(value).decode() if at in table.blobs and value is not None else value
            for at, value in enumerate(row)
        ]
        return orjson.dumps([table.name, *values]) + b"\n"
    except TypeError:
        raise VaultRefused("a row of the vault holds what it can not: it was altered") from None


def load(
    database: Database,
    chunks: Iterable[bytes],
    check: Callable[[Head], None] = lambda _: None,
    finish: Callable[[Connection], None] = lambda _: None,
) -> Head:
    """Fill an empty vault, all or nothing. ``check`` may refuse the head before anything is written; ``finish`` is
    done in the same transaction. AlreadyExists where the vault is not empty, BackupInvalid for what is no whole
    snapshot."""
    lines = _Lines(chunks)
    with database.write() as connection:
        head, tables = _head(next(iter(lines), b""))
        check(head)
        if any(connection.execute(f"SELECT 1 FROM {one.name} LIMIT 1").fetchone() for one in described()):
            raise AlreadyExists("there is a vault already: a snapshot is only loaded into an empty one")
        rows: list[Any] = []
        name = ""
        last: Any = None
        for line in lines:
            found, *values = _parsed(line)
            if found not in tables:
                raise BackupInvalid("a snapshot of the vault holds a row of no table")
            if found != name or len(rows) == _ROWS_TOGETHER:
                _insert(connection, tables.get(name), rows)
                last = None if found != name else last
                name, rows = found, []
            rows.append(_row(tables[found], values))
            last = _after(last, tables[found], rows[-1])
        _insert(connection, tables.get(name), rows)
        lines.check_end()
        finish(connection)
    return head


def _insert(connection: Connection, table: Table | None, rows: list[Any]) -> None:
    if table is not None and rows:
        connection.executemany(f"INSERT INTO {table.name} VALUES ({marks(table.columns)})", rows)


def _head(line: bytes) -> tuple[Head, dict[str, Table]]:
    facts = _parsed(line)
    try:
        if facts["format"] != _FORMAT:
            raise BackupInvalid("a snapshot of the vault is of another format")
        tables = {table.name: table for table in described()}
        if any(list(tables[name].columns) != columns for name, columns in facts["tables"].items()):
            raise BackupInvalid("a snapshot of the vault is of another release's tables")
        named = {name: tables[name] for name in facts["tables"]}
        return Head(str(facts["vault"]), int(facts["epoch"]), int(facts["sequence"])), named
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BackupInvalid("this is no snapshot of a vault") from None


def _parsed(line: bytes) -> Any:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BackupInvalid("a snapshot of the vault has a line that can not be read") from None
    if not isinstance(found, list | dict) or not found:
        raise BackupInvalid("a snapshot of the vault has a line that is none of ours")
    return found


def _row(table: Table, values: list[Any]) -> list[Any]:
    if len(values) != len(table.columns):
        raise BackupInvalid("a snapshot of the vault has a row of another length")
    try:
        return [
            base64.b64decode(value, validate=True) if at in table.blobs and value is not None else value
            for at, value in enumerate(values)
        ]
    except (binascii.Error, ValueError, TypeError):
        raise BackupInvalid("a snapshot of the vault has a row that can not be read") from None


def _after(last: Any, table: Table, row: list[Any]) -> tuple[Any, ...]:
    """The row's key, which comes after the last one's. BackupInvalid."""
    key = tuple(row[table.columns.index(column)] for column in table.key)
    try:
        if last is None or last < key:
            return key
    except TypeError:
        pass  # of another type than the last one's
    raise BackupInvalid("a snapshot of the vault has rows out of order")


@dataclass
class _Lines:
    """Lines of chunks, hashed as they go by, up to the line that is the end."""

    chunks: Iterable[bytes]
    _hashed: Any = field(default_factory=hashlib.sha256)
    _count: int = -1  # the head is no row
    _end: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._generator = self._generate()

    def __iter__(self) -> Iterator[bytes]:
        return self._generator

    def _generate(self) -> Iterator[bytes]:
        for line in self._split():
            if self._end:
                raise BackupInvalid("a snapshot of the vault goes on after its end")
            if line.startswith(b'{"end"'):
                self._end = _parsed(line)
                continue
            self._hashed.update(line)
            self._count += 1
            yield line

    def _split(self) -> Iterator[bytes]:
        left = b""
        for chunk in self.chunks:
            *whole, left = (left + chunk).split(b"\n")
            if len(left) > _LINE_BYTES_MAX:
                raise BackupInvalid("a snapshot of the vault has a line without an end")
            yield from (line + b"\n" for line in whole)
        if left:
            raise BackupInvalid("a snapshot of the vault is cut short")

    def check_end(self) -> None:
        """BackupInvalid unless the end was there and fits what came before it."""
        said = (self._end.get("rows"), self._end.get("sha256"))
        if said != (self._count, self._hashed.hexdigest()):
            raise BackupInvalid("a snapshot of the vault is cut short or altered")
