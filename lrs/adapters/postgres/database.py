"""One schema of a PostgreSQL database, over a pool of connections that all schemas share.

It must not know what is stored. Driver errors leave here as errors of the caller's choosing, without the server's
messages: those repeat values. What can go wrong, by what the caller can do:

    IntegrityError     a row is there already: look at it and decide
    OperationalError   no connection, a time limit, a restart, a stand-in that does not take writes: try again
    DatabaseError      anything else is a fault of ours

A transaction is BEGIN with the schema in one message, the statements, and COMMIT. Only a connection that broke
before anything was said is replaced silently; what broke later may have been done, and the caller has to look.

Everything ends in a time that a request can wait. A server or a network that falls silent sends no error, the
kernel on the other side may go on acknowledging packets, and the server's own limits do not count while it waits
for a stand-by: so every answer has a limit here, and a connection that exceeds it is closed.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

from lrs.adapters.postgres.pool import NoAnswer, Pool, Raw, store_error

# For the answer to the shortest questions, and to a commit.
_LOOK_SECONDS_MAX = 5.0
_COMMIT_SECONDS_MAX = 8.0
# The server takes at most 65,535 parameters a statement; messages stay small, too.
_PARAMETERS_MAX = 20_000
_BYTES_MAX = 4 * 1024 * 1024
# A statement of more rows gains a tenth by being prepared (measured), and takes a kilobyte a row.
_ROWS_PREPARED_MAX = 8
# A broken connection before the first statement: others in the pool are probably broken, too.
_BEGINNINGS_MAX = 20
_INSERT = re.compile(r"(INSERT INTO \w+ VALUES )(\(.*?\))( ON CONFLICT.*)?")


class Connection:
    """One transaction at work, spoken to in the SQL that SQLite understands, too."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def execute(self, sql: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        """One statement."""
        return self._raw.execute(_translated(sql), values, binary=True)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> "_Count":
        """The statement for every row: inserts as one with many rows, others one after the other."""
        if not rows:
            return _Count(0)
        insert = _INSERT.fullmatch(sql)
        if insert is None:
            return _Count(sum(self.execute(sql, row).rowcount for row in rows))
        before, marks, after = insert[1], insert[2], insert[3] or ""
        return _Count(
            sum(
                self._raw.execute(
                    _many(before, marks, after, len(part)),
                    [value for row in part for value in row],
                    # Prepared by every connection, in every number of rows, they would fill the server's memory.
                    prepare=None if len(part) <= _ROWS_PREPARED_MAX else False,
                ).rowcount
                for part in _parts(rows)
            )
        )


class _Count:
    """How many rows were written."""

    def __init__(self, rowcount: int) -> None:
        self.rowcount = rowcount

    def fetchone(self) -> None:
        """Nothing."""

    def fetchmany(self, _size: int) -> list[Any]:
        """Nothing."""
        return []

    def fetchall(self) -> list[Any]:
        """Nothing."""
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


@functools.lru_cache(1_000)
def _translated(sql: str) -> bytes:
    """With the server's own parameters: the driver would look for its own in each statement of many rows again."""
    first, *others = sql.split("?")
    return (first + "".join(f"${number}{text}" for number, text in enumerate(others, start=1))).encode()


@functools.lru_cache(200)
def _many(before: str, marks: str, after: str, rows: int) -> bytes:
    return _translated(before + ",".join([marks] * rows) + after)


def _parts(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """Stretches of rows that one message can take."""
    most = max(1, _PARAMETERS_MAX // len(rows[0]))
    start = size = 0
    for number, row in enumerate(rows):
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if number > start and (size > _BYTES_MAX or number - start >= most):
            yield rows[start:number]
            start, size = number, 0
    yield rows[start:]


class Database:
    """One schema; safe to use from several threads."""

    for_update = " FOR UPDATE"
    for_share = " FOR SHARE"
    holds = "position(? in {}) > 0"
    is_near = False

    def __init__(
        self,
        pool: Pool,
        schema: str,
        error: Callable[[psycopg.Error], Exception] = store_error,
    ) -> None:
        self.pool = pool
        self._error = error
        path = f'SET LOCAL search_path = "{schema}"'
        self._begin_reading = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {path}".encode()
        self._begin_writing = f"BEGIN ISOLATION LEVEL READ COMMITTED; {path}".encode()
        self._looks = functools.lru_cache(100)(
            lambda columns, table: f'SELECT {columns} FROM "{schema}".{table}'.encode()
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot to read from."""
        with self._transaction(self._begin_reading) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, whole or not at all, on the disk when it has ended."""
        with self._transaction(self._begin_writing) as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: bytes) -> Iterator[Connection]:
        try:
            raw = self._begun(begin)
            try:
                yield Connection(raw)
                _commit(raw)
            finally:
                _roll_back(raw)
                self.pool.putconn(raw)
        except psycopg.Error as error:
            raise self._error(error) from error

    def _begun(self, begin: bytes) -> Raw:
        raw, _ = self._asked(begin)
        return raw

    def look(self, columns: str, table: str) -> Any:
        """The one row of a table, read now by the shortest way."""
        try:
            raw, found = self._asked(self._looks(columns, table))
            try:
                return found.fetchone()
            finally:
                self.pool.putconn(raw)
        except psycopg.Error as error:
            raise self._error(error) from error

    def _asked(self, sql: bytes) -> "tuple[Raw, psycopg.Cursor[tuple[Any, ...]]]":
        """A connection, to be given back, and its answer to the first thing that it is asked."""
        for _ in range(_BEGINNINGS_MAX):
            raw = self.pool.getconn()
            try:
                with raw.within(_LOOK_SECONDS_MAX):
                    return raw, raw.execute(sql)
            except NoAnswer:
                self.pool.putconn(raw)
                self.pool.drain()  # those that lie idle are silent, too, each for as long
                raise
            except psycopg.OperationalError:
                self.pool.putconn(raw)
                if not raw.closed:
                    raise
            except BaseException:
                self.pool.putconn(raw)
                raise
        raise psycopg.OperationalError("no connection holds")

    def checkpoint(self) -> None:
        """Nothing: the server overwrites what was deleted when it vacuums. The guarantee is the keys' end."""

    def close(self) -> None:
        """Nothing: the pool belongs to all."""


def _commit(raw: Raw) -> None:
    """End the transaction. A commit whose wait for the standby was cut short is not an acknowledgement: the server
    says so in a warning only."""
    warned: list[Diagnostic] = []
    raw.add_notice_handler(warned.append)
    try:
        with raw.within(_COMMIT_SECONDS_MAX):
            ended = raw.execute(b"COMMIT").statusmessage
    finally:
        raw.remove_notice_handler(warned.append)
    if warned or ended != "COMMIT":
        raw.close()
        raise psycopg.OperationalError("the commit is not known to be safe")


def _roll_back(raw: Raw) -> None:
    """End what did not end. A connection that can not even do this is thrown away by the pool."""
    if raw.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        with contextlib.suppress(psycopg.Error):
            raw.rollback()
