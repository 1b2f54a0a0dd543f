"""What the SQL store needs of a database: transactions, and how it differs from others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Row = Any  # a tuple of the columns, in order

ROWS_FETCHED = 500


class Result(Protocol):
    """What a statement gave back."""

    @property
    def rowcount(self) -> int:
        """How many rows it wrote."""
        ...

    def fetchone(self) -> Row:
        """The next row, or None."""
        ...

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows."""
        ...

    def fetchall(self) -> list[Row]:
        """All the rows that are left."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """The rows that are left, one by one."""
        ...


class Connection(Protocol):
    """One transaction at work."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Result:
        """One statement; its parameters are question marks."""
        ...

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Result:
        """The statement for every row, in as few messages as the database allows."""
        ...


class Database(Protocol):
    """Where one tenant's records are, or the control store, or the vault.

    Its errors are those of the caller's choosing: the eventsourcing library's for stores (IntegrityError,
    OperationalError, ...), KeyStoreUnavailable for the vault.
    """

    @property
    def for_update(self) -> str:
        """What makes a SELECT lock its rows for itself; empty where a writer is alone anyway."""
        ...

    @property
    def for_share(self) -> str:
        """What makes a SELECT lock its rows against those who want them for themselves."""
        ...

    @property
    def holds(self) -> str:
        """What asks whether the bytes of a column, named by ``{}``, hold those of a parameter."""
        ...

    @property
    def is_near(self) -> bool:
        """Whether ``look`` takes microseconds and waits for nobody: then an event loop may do it."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """One snapshot to read from."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """One transaction, whole or not at all, on the disk when it has ended."""
        ...

    def look(self, columns: str, table: str) -> Row:
        """The one row of a table, read now by the shortest way."""
        ...

    def checkpoint(self) -> None:
        """Overwrite what was deleted, as far as that can be done on demand."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def storable(*texts: str | None) -> bool:
    """Whether these texts can be in a table. PostgreSQL has no NUL in texts and takes none in a question, either;
    whoever asks for one asks for what is not there."""
    return not any("\0" in text for text in texts if text)


RowWriter = Callable[[Connection, Sequence[Any]], None]


def marks(values: Sequence[Any]) -> str:
    """As many question marks, for IN. None: what nothing is equal to, for PostgreSQL has no empty list."""
    return ",".join("?" * len(values)) or "NULL"


# SQLite takes at most 32,766 parameters (3.32 and later), PostgreSQL 65,535; we stay far below.
_PARAMETERS_MAX = 500


def parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in parts that one statement can take."""
    return (values[start : start + _PARAMETERS_MAX] for start in range(0, len(values), _PARAMETERS_MAX))
