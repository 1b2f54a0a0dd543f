"""What all tests share: hypothesis profiles, a real service in its own process, a system in this one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lrs.bootstrap import System, build
from lrs.config import Settings
from tests.places import STORES, environment, new_place
from tests.postgres import DSN_VARIABLE, Databases, Server
from tests.running import Service
from tests.storage import AWS, new_bucket, s3_server
from tests.vaults import PostgresPlace, SqlitePlace, VaultDatabases, VaultPlace

# Machines that run the checks are busy: a slow example is not a fault.
settings.register_profile("lethe", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("lethe")


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A superuser's DSN of a real PostgreSQL: one server for all the tests of a process."""
    given = os.environ.get(DSN_VARIABLE)
    if given:
        yield given
        return
    server = Server().make()
    yield server.dsn
    server.remove()


@pytest.fixture
def databases(postgres_dsn: str) -> Iterator[Databases]:
    """New databases on it, which go with the test."""
    made = Databases(postgres_dsn)
    yield made
    made.drop_all()


@pytest.fixture(scope="module")
def postgres(request: pytest.FixtureRequest) -> Iterator[Callable[[], Databases]]:
    """The same for a whole module; the server is started by the first who asks."""
    made: list[Databases] = []

    def ask() -> Databases:
        made.append(Databases(request.getfixturevalue("postgres_dsn")))
        return made[-1]

    yield ask
    for one in made:
        one.drop_all()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 that is not Amazon's."""
    with s3_server() as address:
        yield address


@pytest.fixture
def s3_settings(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, where the process's environment leads to it."""
    for name, value in (AWS | {"AWS_ENDPOINT_URL": s3}).items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture
def bucket(s3_settings: str) -> str:
    """The URL of a new bucket."""
    return f"s3://{new_bucket(s3_settings)}"


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """An empty place on each store."""
    return new_place(request.param, tmp_path / "data", lambda: request.getfixturevalue("databases"))


@pytest.fixture(scope="session")
def vault_databases(postgres_dsn: str) -> Iterator[VaultDatabases]:
    """Databases for vaults on it."""
    made = VaultDatabases(postgres_dsn)
    yield made
    made.close()


@pytest.fixture(params=STORES)
def vault_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VaultPlace]:
    """Where a vault may live; a test asks for one kind alone by ``sqlite_only`` or ``postgres_only``."""
    if request.param == "sqlite":
        on_files = SqlitePlace(tmp_path)
        yield on_files
        on_files.close()
    else:
        on_server = PostgresPlace(tmp_path, request.getfixturevalue("vault_databases"))
        yield on_server
        on_server.remove()


@pytest.fixture
def service(place: Settings) -> Iterator[Service]:
    """A running service with the tenant acme."""
    running = Service(place.data_dir, environment=environment(place))
    running.lrs("tenant", "create", "acme")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def system(place: Settings) -> Iterator[System]:
    """A system in this process with the tenant acme; nothing runs in the background."""
    made = build(place)
    made.tenants.create("acme")
    yield made
    made.close()
