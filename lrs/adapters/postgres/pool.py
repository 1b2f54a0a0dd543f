"""Connections to PostgreSQL: where to, as whom, how long an answer may take, and the pool that shares them.

A connection that falls silent is closed, and nobody waits long for one that does not come. What the server says of
an error is not passed on: it repeats values.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg
from eventsourcing.persistence import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from psycopg_pool import ConnectionPool, PoolTimeout

from lrs.domain.errors import StoreNotMigrated, StoreUnavailable

# A connection that is asked for is there within this time, or the caller is told to try again. Whoever comes after
# somebody waited in vain waits for a moment only: a crowd would wait one after the other.
POOL_SECONDS_MAX = 4.0
_POOL_SECONDS_MAX_AGAIN = 0.25
# For an answer, where nothing shorter is said.
_ANSWER_SECONDS_MAX = 18.0
# The pool's own pauses between attempts double, up to the time for which the server was away. Given up early, it
# tries again for the next who asks: so whoever waits asks again and again.
_RECONNECT_SECONDS_MAX = 0.5
_ASKED_AGAIN_SECONDS = 0.5
# Who reads from a stand-by can read from the primary instead.
_REPLICA_SECONDS_MAX = 1.0
_CONNECTING = {
    "connect_timeout": "5",
    "target_session_attrs": "read-write",
    # An answer that does not come is a broken connection after this long, not after two hours.
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "application_name": "lethe",
}
# Plans walk the index that the query names; nothing here is better done by reading a whole table.
_SESSION = (
    "SET search_path = ''",
    "SET statement_timeout = '15s'",
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET jit = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_bitmapscan = off",
)
_RETRIABLE = (
    psycopg.OperationalError,  # includes the pool's timeout
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InternalError_,
)
MIGRATE = "the store is not at the version of this release: run `lrs migrate`"


class NoAnswer(psycopg.OperationalError):
    """The server said nothing in time; whether it did what it was told is not known."""


class Raw(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose answers come in time, or it is closed."""

    answer_seconds_max = _ANSWER_SECONDS_MAX

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """What the exchange with the server gives. NoAnswer."""
        try:
            return super().wait(gen, interval, self.answer_seconds_max if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.info.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # it is still waiting for the answer, and nobody can use it again
            raise NoAnswer("no answer in time") from error

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is said meanwhile is answered in that time."""
        self.answer_seconds_max = seconds
        try:
            yield
        finally:
            self.answer_seconds_max = _ANSWER_SECONDS_MAX


class Pool(ConnectionPool[Raw]):
    """Connections, shared; nobody waits long for one that does not come."""

    # Told, over the first connection to it, of another server than that of the connections before: a stand-by that
    # was promoted may lack what was committed last. No connection is used before it has heard.
    other_server: Callable[[Raw], None] = staticmethod(lambda _: None)
    servers = 0  # others than the first, so far
    _server: Any = None
    _in_vain = False

    def greet(self, connection: Raw) -> None:
        """Look where a new connection leads. A server that was only started again counts as another."""
        server = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
        if self._server is not None and server != self._server:
            self.servers += 1
            self.other_server(connection)
        self._server = server

    def getconn(self, timeout: float | None = None) -> Raw:
        """A connection. OperationalError when there is none in time."""
        seconds = self.timeout if timeout is None else timeout
        deadline = monotonic() + (min(seconds, _POOL_SECONDS_MAX_AGAIN) if self._in_vain else seconds)
        while True:
            try:
                found = super().getconn(min(deadline - monotonic(), _ASKED_AGAIN_SECONDS))
            except PoolTimeout:
                if monotonic() >= deadline:
                    self._in_vain = True
                    raise
            else:
                self._in_vain = False
                return found


def store_error(error: psycopg.Error) -> PersistenceError:
    """The library's error for a driver's; of the message only the kind and the SQLSTATE."""
    said = f"{type(error).__name__} {error.sqlstate or ''}".rstrip()
    if isinstance(error, psycopg.IntegrityError):
        return IntegrityError(said)
    if isinstance(error, _RETRIABLE):
        return OperationalError(said)
    if isinstance(error, psycopg.InterfaceError):
        return InterfaceError(said)
    return DatabaseError(said)


def conninfo(url: str, **other: str) -> str:
    """Where to connect, with our defaults for what the URL does not say. InterfaceError for no URL at all."""
    try:
        said = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise InterfaceError("the database's URL can not be read") from error
    return make_conninfo(**(_CONNECTING | other | {name: str(value) for name, value in said.items() if value}))


def open_pool(url: str, role: str, connections: int) -> Pool:
    """A pool of the primary, whose connections have taken on the role; made as they are needed. OperationalError
    when the server does not answer now, StoreNotMigrated when the role was not made, StoreUnavailable when it may
    not be taken on."""
    try:
        with Raw.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(f"SET ROLE {role}")
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject) as error:
        raise StoreNotMigrated(MIGRATE) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailable(f"the database's user may not take on the role {role}: GRANT it") from error
    except psycopg.Error as error:
        raise store_error(error) from error
    return _pool(conninfo(url), role, connections, POOL_SECONDS_MAX)


def open_replica_pool(url: str, role: str, connections: int) -> Pool:
    """A pool of stand-bys: it may be empty, and does not wait long."""
    return _pool(conninfo(url, target_session_attrs="any"), role, connections, _REPLICA_SECONDS_MAX)


def _pool(info: str, role: str, connections: int, seconds: float) -> Pool:
    def configure(connection: Raw) -> None:
        connection.cursor_factory = psycopg.RawCursor
        # One type for all numbers: what a statement is prepared for does not depend on their size.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        connection.execute(f"SET ROLE {role}")
        connection.execute("; ".join(_SESSION))
        pool.greet(connection)

    pool = Pool(
        info,
        connection_class=Raw,
        kwargs={"autocommit": True},
        min_size=min(2, connections),
        max_size=connections,
        timeout=seconds,
        max_waiting=1_000,
        reconnect_timeout=_RECONNECT_SECONDS_MAX,
        configure=configure,
        open=False,
    )
    pool.open()
    return pool
