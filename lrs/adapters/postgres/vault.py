"""The vault in a PostgreSQL database of its own, under a role of its own.

A fresh vault is named first (a fence at epoch 0), then EK(1) is made for that name, then the fence moves to
epoch 1: a crash in between leaves a draft, which is finished here.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg

from lrs.adapters.postgres.database import Connection, Database
from lrs.adapters.postgres.pool import Pool, Raw, open_pool
from lrs.adapters.postgres.schema import VAULT, VAULT_SCHEMA
from lrs.adapters.postgres.stores import check_version
from lrs.adapters.vault.epochs import FIRST_EPOCH, EpochKeys
from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.opening import Roots, alone_in, check_no_keys, unlock
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.errors import KeyStoreUnavailable
from lrs.ports.roots import RootProvider

_DRAFT = 0


class VaultDatabase(Database):
    """The vault's schema, with a pool of its own."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, VAULT_SCHEMA, _unavailable)

    def close(self) -> None:
        """Close every connection."""
        self.pool.close()


def _unavailable(error: psycopg.Error) -> Exception:
    return KeyStoreUnavailable(f"{type(error).__name__} {error.sqlstate or ''}".rstrip())


def open_postgres_vault(
    url: str,
    key_dir: Path,
    *,
    connections: int,
    root_key: str | None = None,
    root_file: Path | None = None,
    provider: RootProvider | None = None,
    escrow: Escrow | None = None,
) -> KeyVault:
    """The vault behind ``url``, its EK and ledger mirror in ``key_dir``; VaultRefused when it must not open,
    StoreNotMigrated where `lrs migrate` did not make its tables."""
    database = VaultDatabase(open_pool(url, VAULT, connections))
    try:
        check_version(Database(database.pool, VAULT_SCHEMA))
        with alone_in(key_dir):
            fence = database.look("vault, epoch", "fence")
            fresh = fence is None or fence[1] == _DRAFT
            if fresh:
                check_no_keys(key_dir, unfinished=fence is not None)
            providers = Roots(root_key, root_file, provider).find(key_dir, fresh=fresh)
            if fresh:
                _create(database, lambda vault_id: EpochKeys(key_dir, vault_id, *providers))
            vault = unlock(database, key_dir, providers, escrow)
    except BaseException:
        database.close()
        raise
    database.pool.other_server = partial(_move, vault)
    return vault


def _move(vault: KeyVault, raw: Raw) -> None:
    """The vault's next server: before anything is asked of it, it destroys what the last one had destroyed."""
    with raw.transaction():
        raw.execute(f'SET LOCAL search_path = "{VAULT_SCHEMA}"')
        vault.move(Connection(raw))


def _create(database: Database, keys_of: Callable[[str], EpochKeys]) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO fence VALUES (1, ?, ?, 0) ON CONFLICT (one) DO NOTHING", (uuid4().hex, _DRAFT)
        )
    with database.write() as connection:
        # Whoever starts on another host, with a key directory of its own, waits here, and then finds the vault
        # made, and no key for it.
        vault_id, epoch = connection.execute("SELECT vault, epoch FROM fence FOR UPDATE").fetchall()[0]
        if epoch == _DRAFT:
            keys_of(vault_id).make(FIRST_EPOCH)
            connection.execute("UPDATE fence SET epoch = ?", (FIRST_EPOCH,))
