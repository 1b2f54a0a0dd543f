"""What the service may do on PostgreSQL: its role may add to a log, and who has only that role can not change one.

The role is what keeps the service from changing events by mistake or by an injected statement. It is no wall where
the login of LRS_DATABASE_URL owns the tables: such a session can say RESET ROLE and is the owner again. With a
login that is only a member of ``lethe_service``, and the owner's in LRS_OWNER_URL, there is nothing to go back to.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from lrs.adapters.postgres.migrating import migrate_store, migrate_vault
from lrs.adapters.postgres.stores import PostgresStores
from lrs.domain.errors import StoreUnavailable
from tests.contract.conftest import an_event, append
from tests.postgres import Databases

LOGIN, STRANGER = "lethe_login", "lethe_stranger"
CHANGES = ("UPDATE {} SET topic = 'another'", "DELETE FROM {}", "TRUNCATE {}")
TABLES = (
    "CREATE TABLE {}.another (one INT)",
    "DROP TABLE {}.event",
    "ALTER TABLE {}.event ADD COLUMN another INT",
    "CREATE FUNCTION {}.another() RETURNS INT LANGUAGE sql AS 'SELECT 1'",
)
SCHEMAS = ("tenant_acme", "tenant_globex", "lethe")


@pytest.fixture
def url(databases: Databases) -> str:
    """A migrated database, in the words of its owner; two logins that own nothing."""
    made = databases.create()
    migrate_store(made)
    with psycopg.connect(made, autocommit=True) as owner:
        for login, membership in ((LOGIN, "IN ROLE lethe_service"), (STRANGER, "")):
            if owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login,)).fetchone() is None:
                owner.execute(f"CREATE ROLE {login} LOGIN {membership}".encode())
    return made


@pytest.fixture(params=["owner", LOGIN])
def stores(request: pytest.FixtureRequest, url: str) -> Iterator[PostgresStores]:
    """Two tenants, served under the owner's login and under one of its own."""
    served = url if request.param == "owner" else make_conninfo(url, user=LOGIN)
    made = PostgresStores(served, url, 4, lambda: datetime.now(UTC))
    for tenant in ("acme", "globex"):
        made.create(tenant)
        append(made.open(tenant), (1,))
    made.control().recorder.insert_events([an_event()])
    yield made
    made.close()


def refused(connection: psycopg.Connection[tuple[object, ...]], *statements: str) -> None:
    """Every one of them is beyond what the session may do."""
    for statement in statements:
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


def test_the_services_connections_may_not_change_an_event_of_any_tenant(stores: PostgresStores) -> None:
    with stores.pool.connection() as connection:
        for schema in SCHEMAS:
            refused(connection, *(change.format(f"{schema}.event") for change in CHANGES))
            refused(connection, *(change.format(schema) for change in TABLES))
            refused(connection, f"DELETE FROM {schema}.migration", f"UPDATE {schema}.migration SET version = 9")
    assert [one.position for one in stores.open("acme").statements.read(0, 10)] == [1]


def test_a_tenants_settings_are_read_only(stores: PostgresStores) -> None:
    with stores.pool.connection() as connection:
        refused(connection, "DELETE FROM tenant_acme.setting", "UPDATE tenant_acme.setting SET value = ''")


@pytest.mark.parametrize("stores", [LOGIN], indirect=True)
def test_a_login_of_the_services_own_has_nothing_to_go_back_to(stores: PostgresStores) -> None:
    with stores.pool.connection() as connection:
        refused(connection, "SET ROLE postgres", "SET SESSION AUTHORIZATION postgres")
        connection.execute("RESET ROLE")
        for schema in SCHEMAS:
            refused(connection, *(change.format(f"{schema}.event") for change in CHANGES))
            refused(connection, *(change.format(schema) for change in TABLES))
        refused(connection, "CREATE SCHEMA another", "DROP SCHEMA tenant_acme CASCADE", "CREATE ROLE another")
        connection.execute("SET ROLE lethe_service")


@pytest.mark.parametrize("stores", [LOGIN], indirect=True)
def test_a_tenant_is_let_go_by_the_owner(stores: PostgresStores) -> None:
    stores.remove("acme")
    with pytest.raises(StoreUnavailable):
        stores.open("acme")
    stores.create("acme")
    assert stores.open("acme").statements.read(0, 10) == []


def test_without_the_owners_url_a_tenant_can_not_be_made(url: str) -> None:
    alone = make_conninfo(url, user=LOGIN)
    stores = PostgresStores(alone, alone, 4, lambda: datetime.now(UTC))
    try:
        with pytest.raises(StoreUnavailable, match="LRS_OWNER_URL"):
            stores.create("acme")
    finally:
        stores.close()


def test_a_login_that_may_not_take_on_the_role_is_told_so(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="GRANT"):
        PostgresStores(make_conninfo(url, user=STRANGER), url, 4, lambda: datetime.now(UTC))


def test_the_roles_of_the_store_and_of_the_vault_see_nothing_of_each_other(url: str, databases: Databases) -> None:
    vault = databases.create()
    migrate_vault(vault)
    for where, role, table in ((vault, "lethe_service", "lethe_vault.fence"), (url, "lethe_vault", "lethe.fence")):
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(f"SET ROLE {role}".encode())
            refused(connection, f"SELECT * FROM {table}")


def test_the_owners_login_can_go_back_and_so_is_no_wall(url: str) -> None:
    """What the docstring above says, so that nobody takes it for more."""
    stores = PostgresStores(url, url, 4, lambda: datetime.now(UTC))
    stores.create("acme")
    with stores.pool.connection() as connection:
        connection.execute("RESET ROLE")
        connection.execute("DELETE FROM tenant_acme.event")
        connection.execute("SET ROLE lethe_service")
    stores.close()
