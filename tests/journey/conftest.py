"""What journeys share: one system for tests that need no place of their own."""

from collections.abc import Callable, Iterator

import pytest

from lrs.bootstrap import build
from tests.kept import Kept
from tests.places import STORES, new_place
from tests.postgres import Databases
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


@pytest.fixture
def kept(shared_acme: Inside) -> Kept:
    """Somebody of whom nothing is kept yet, in the tenant acme, asked with all scopes."""
    return Kept(shared_acme)
