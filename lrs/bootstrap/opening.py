"""Where the settings lead: stores, vault, root of the keys, escrow."""

from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from lrs.adapters.age import AgeRecipients
from lrs.adapters.objects.escrow import open_escrow
from lrs.adapters.postgres.migrating import Migrated, migrate_store, migrate_vault
from lrs.adapters.postgres.stores import PostgresStores
from lrs.adapters.postgres.vault import open_postgres_vault
from lrs.adapters.sql.control import SqlControl
from lrs.adapters.sqlite.stores import SqliteStores, sqlite_control
from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.opening import Roots, open_vault
from lrs.adapters.vault.roots import ENVIRONMENT, FILE
from lrs.adapters.vault.transit import TRANSIT, Transit, token_of
from lrs.adapters.vault.vault import KeyVault
from lrs.config import Settings
from lrs.domain.errors import InvalidRequest
from lrs.ports import Clock, RootProvider, Stores


def on_sqlite(settings: Settings, clock: Clock, escrow: Escrow | None) -> tuple[KeyVault, SqlControl, Stores]:
    data = settings.data_dir
    vault = open_vault(data / "vault.db", settings.keys, escrow=escrow, **_roots(settings))
    return vault, sqlite_control(data / "control.db", clock.now), SqliteStores(data / "tenants", clock.now)


def on_postgres(settings: Settings, clock: Clock, escrow: Escrow | None) -> tuple[KeyVault, SqlControl, Stores]:
    url, vault_url = said(settings.database_url), said(settings.vault_url)
    assert url is not None
    assert vault_url is not None
    owner_url, replica_url = said(settings.owner_url) or url, said(settings.replica_url)
    stores = PostgresStores(url, owner_url, settings.connections, clock.now, replica_url)
    try:
        control = stores.control()
        vault = open_postgres_vault(
            vault_url, settings.keys, connections=settings.connections, escrow=escrow, **_roots(settings)
        )
    except BaseException:
        stores.close()
        raise
    return vault, control, stores


def roots_of(settings: Settings) -> Roots:
    """The same for whoever makes keys in an empty place. InvalidRequest."""
    found = _roots(settings)
    return Roots(found["root_key"], found["root_file"], found["provider"])


def _roots(settings: Settings) -> dict[str, Any]:
    """Who wraps epoch keys. InvalidRequest where the settings do not go together."""
    key = said(settings.root_key)
    if settings.root_provider == ENVIRONMENT and key is None:
        raise InvalidRequest("LRS_ROOT_PROVIDER is environment: set LRS_ROOT_KEY")
    return {
        "root_key": None if settings.root_provider == FILE else key,
        "root_file": settings.root_key_file,
        "provider": _transit(settings) if settings.root_provider == TRANSIT else None,
    }


def _transit(settings: Settings) -> RootProvider:
    if settings.transit_url is None:
        raise InvalidRequest("LRS_ROOT_PROVIDER is transit: set LRS_TRANSIT_URL")
    token = token_of(said(settings.transit_token), settings.transit_token_file)
    return Transit(settings.transit_url, settings.transit_mount, token, settings.transit_namespace)


def escrow_of(settings: Settings) -> Escrow | None:
    if settings.escrow_url is None:
        return None
    return Escrow(open_escrow(settings.escrow_url, settings.backup_url), AgeRecipients(settings.recipients))


def said(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def migrate(settings: Settings, progress: Callable[[int, int], None]) -> list[Migrated]:
    """Bring the tables on PostgreSQL to this release's version; ``progress`` hears (done, total) schemas. The
    embedded store makes its own: none. StoreUnavailable."""
    url = said(settings.owner_url) or said(settings.database_url)
    vault_url = said(settings.vault_owner_url) or said(settings.vault_url)
    if url is None or vault_url is None:
        return []
    return [migrate_vault(vault_url), *migrate_store(url, progress)]
