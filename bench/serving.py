"""The service under measurement: ``lrs serve`` in a process of its own, on one place, and who may use it."""

import base64
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from bench.load import Target, Writing
from bench.places import Place, Records
from bench.statements import statements
from lrs.bootstrap import build
from tests.running import Service

TENANT = "acme"
NEIGHBOUR = "calm"
_STATE = "bench.json"


class Served(Service):
    """The tests' service, started by another module or with more processes."""

    module: str = "lrs.cli"
    workers: int = 1

    def begin(self) -> None:
        """Start; ``wait_ready`` waits."""
        command = [sys.executable, "-m", self.module, "serve", "--port", "0", "--workers", str(self.workers)]
        with (self.data_dir.parent / "service.log").open("a") as log:
            self.process = subprocess.Popen(
                command, env=self._environment(), stdout=subprocess.PIPE, stderr=log, text=True
            )

    def wait_ready(self) -> None:
        """Until it has said that it is ready."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " is ready at " in line, (line, self.log())
        self.url = line.strip().rpartition(" ")[2]

    def start(self) -> None:
        """Both."""
        self.begin()
        self.wait_ready()

    @property
    def pid(self) -> int:
        """The process that was started; workers are its children."""
        assert self.process is not None
        return self.process.pid


@dataclass(slots=True)
class Stand:
    """A place, the service on it and what was recorded so far. ``number`` is the next statement that was not sent
    yet; before ``first`` only some were sent."""

    place: Place
    service: Served
    keys: dict[str, tuple[str, str]]
    wanted: int
    first: int = 0
    number: int = 0
    recorded: int = 0
    json_bytes: int = 0

    def target(self, tenant: str = TENANT) -> Target:
        """Where to send."""
        key, secret = self.keys[tenant]
        return Target(self.service.url, key, secret)

    def records(self, tenant: str = TENANT) -> Records:
        """The tenant's store, to be read raw."""
        return Records(self.place, tenant)

    def job(self, connections: int, batch: int = 0, tenant: str = TENANT, **others: Any) -> Writing:
        """A load from the next number on."""
        return Writing(self.target(tenant), self.wanted, self.number, connections, batch, **others)

    def lag(self, tenant: str) -> int:
        """How many events the tenant's views are behind, after waiting a while for them."""
        path = "/reports/progress?limit=1&wait=20"
        host = urlsplit(self.service.url).netloc
        with closing(HTTPConnection(host, timeout=60)) as connection:
            connection.putrequest("GET", path)
            token = base64.b64encode(":".join(self.keys[tenant]).encode()).decode()
            connection.putheader("Authorization", f"Basic {token}")
            connection.endheaders()
            return int(orjson.loads(connection.getresponse().read())["projection_lag"])

    def everybody(self) -> tuple[int, ...]:
        """Numbers of statements that mention everybody."""
        return tuple(statements(self.wanted).one_of_each_learner())

    def keep(self) -> None:
        """Note what there is, for a later run. The credential is the benchmark's own."""
        state = {
            "keys": self.keys,
            "wanted": self.wanted,
            "first": self.first,
            "number": self.number,
            "recorded": self.recorded,
            "json_bytes": self.json_bytes,
        }
        _state_of(self.place).write_bytes(orjson.dumps(state))


def stand_on(place: Place, wanted: int, unsealed: str = "") -> Stand:
    """A stand whose service is not started yet: as an earlier run kept it, else new with its tenants.
    ``unsealed``: how the vault does without sealing, see ``bench.unsealed``."""
    service = Served(place.data_dir, environment=place.environment())
    if unsealed:
        service.module = "bench.unsealed"
        service.environment |= {"BENCH_UNSEALED": unsealed}
    if _state_of(place).exists():
        state = orjson.loads(_state_of(place).read_bytes())
        keys = {tenant: (key, secret) for tenant, (key, secret) in state.pop("keys").items()}
        return Stand(place, service, keys, **state)
    return Stand(place, service, _credentials(place, (TENANT, NEIGHBOUR)), wanted)


def _credentials(place: Place, tenants: Sequence[str]) -> dict[str, tuple[str, str]]:
    system = build(place.settings())
    try:
        keys = {}
        for tenant in tenants:
            system.tenants.create(tenant)
            issued = system.credentials.issue(tenant, ["all"])
            keys[tenant] = (issued.row.key, issued.secret)
        return keys
    finally:
        system.close()


def _state_of(place: Place) -> Path:
    return place.data_dir.parent / _STATE
