"""What journeys share: one system for tests that need no place of their own."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from lrs.bootstrap import System, build
from tests.kept import Kept
from tests.places import STORES, environment, new_place
from tests.postgres import Databases
from tests.running import Service
from tests.subjects import TENANT, Inside, inside


@pytest.fixture(params=STORES, scope="module")
def shared_acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[Inside]:
    """A tenant for all the tests of a module, each of which has people and activities of its own."""
    made = build(new_place(request.param, tmp_path_factory.mktemp("kept") / "data", postgres))
    made.tenants.create(TENANT)
    yield inside(made)
    made.close()


@pytest.fixture(params=STORES, scope="module")
def shared_system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[System]:
    """One system for all the tests of a module, each of which has a tenant of its own."""
    made = build(new_place(request.param, tmp_path_factory.mktemp("shared") / "data", postgres))
    yield made
    made.close()


@pytest.fixture
def own(shared_system: System) -> Inside:
    """A new tenant in it."""
    return inside(shared_system, shared_system.tenants.create(f"own-{uuid4().hex[:12]}"))


@pytest.fixture
def kept(shared_acme: Inside) -> Kept:
    """Somebody of whom nothing is kept yet, in the tenant acme, asked with all scopes."""
    return Kept(shared_acme)


@pytest.fixture(scope="module", params=STORES)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[tuple[Service, tuple[str, str]]]:
    """A service that a module's tests share, with the tenant acme and a key to everything of it."""
    place = new_place(request.param, tmp_path_factory.mktemp("shared") / "data", postgres)
    service = Service(place.data_dir, environment=environment(place))
    service.lrs("tenant", "create", "acme")
    key = service.credential("acme")
    service.start()
    yield service, key
    service.kill()
    assert "unforeseen" not in service.log()
