"""A service on PostgreSQL, with proxies between it and its two databases, and what tests of faults do with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from lrs.adapters.postgres.migrating import migrate_store, migrate_vault
from lrs.bootstrap import System, build
from lrs.config import Settings
from tests.e2e.load import Load, check_log, check_service_log, check_stored
from tests.postgres import Server
from tests.proxy import Proxy
from tests.running import Service
from tests.subjects import TENANT, Asking, Json, agent, statement

STORE, VAULT = "lethe", "lethe_vault"


@dataclass
class Cluster:
    """One server with the two databases, a proxy to each, and the service that goes through them."""

    server: Server
    store: Proxy
    vault: Proxy
    service: Service
    auth: tuple[str, str]

    def load(self, seed: int, **more: Any) -> Load:
        """Senders to the service."""
        return Load(self.service.url, self.auth, seed, **more)

    def sql(self, query: str, *values: Any, database: str = STORE) -> list[tuple[Any, ...]]:
        """What a query finds, as the superuser and past the proxies."""
        with psycopg.connect(self.server.dsn_of(database), autocommit=True) as connection:
            found = connection.execute(query.encode(), values or None)
            return found.fetchall() if found.description else []

    def terminate_all(self) -> None:
        """End every connection of the service's."""
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lethe'")

    def check(self, load: Load, **more: Any) -> None:
        """The answers, what is stored, the log's positions, and the service's own log."""
        load.check(**more)
        with self.service.client(self.auth) as http:
            check_stored(load.sent, Asking(http))
        check_log(self.server.dsn_of(STORE))
        check_service_log(self.service.log())

    def restore(self) -> None:
        """Take every fault away and wait until the service answers."""
        for proxy in (self.store, self.vault):
            proxy.fault_next(None)
            proxy.silent = proxy.refusing = False
            proxy.delay_seconds = 0.0
        wait_until_stores(self.service, self.auth)


def wait_until_stores(service: Service, auth: tuple[str, str], seconds: float = 30.0) -> float:
    """How long it takes until a statement is stored."""
    began = time.monotonic()
    with service.client(auth) as http:
        while time.monotonic() - began < seconds:
            try:
                if http.post("/xapi/statements", json=statement(agent("probe"))).status_code == 200:
                    return time.monotonic() - began
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
    raise AssertionError("the service does not store anything")


def prepare(server: Server, root: Path, *tenants: str) -> System:
    """The databases with these tenants, and a system on them that was not started."""
    for name in (STORE, VAULT):
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
    migrate_store(server.dsn_of(STORE))
    migrate_vault(server.dsn_of(VAULT))
    settings = Settings(
        data_dir=root / "data",
        database_url=server.dsn_of(STORE),  # type: ignore[arg-type]  # it is read as a secret
        vault_url=server.dsn_of(VAULT),  # type: ignore[arg-type]
    )
    system = build(settings)
    for tenant in tenants:
        system.tenants.create(tenant)
    return system


def environment(store: str, vault: str, **more: str) -> dict[str, str]:
    """The settings of a service on these databases."""
    return {"LRS_DATABASE_URL": store, "LRS_VAULT_URL": vault} | more


@contextmanager
def cluster_on(server: Server, root: Path, *options: str, **settings: str) -> Iterator[Cluster]:
    """A service on a server, with the tenant acme."""
    system = prepare(server, root, TENANT)
    issued = system.credentials.issue(TENANT, ["all"])
    system.close()
    with Proxy("127.0.0.1", server.port) as store, Proxy("127.0.0.1", server.port) as vault:
        urls = [f"postgresql://postgres@127.0.0.1:{p.port}/{d}" for p, d in ((store, STORE), (vault, VAULT))]
        service = Service(root / "data", environment=environment(*urls, **settings), options=options)
        service.start()
        try:
            yield Cluster(server, store, vault, service, (issued.row.key, issued.secret))
        finally:
            service.kill()


def someone(number: int) -> Json:
    """One of many people."""
    return agent(f"person-{number}")
