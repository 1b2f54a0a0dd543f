"""The highest signed head of each tenant's log, in the vault's database: it only ever goes up.

This file must not know what a head is signed with, or what is in a log.
"""

from lrs.adapters.sql.database import Connection
from lrs.domain.kept_heads import KeptHead


def kept_head(connection: Connection, tenant: str) -> KeptHead | None:
    """A tenant's; None before anything was signed."""
    row = connection.execute(
        "SELECT generation, size, root, restored FROM signed_head WHERE tenant = ?", (tenant,)
    ).fetchone()
    return None if row is None else KeptHead(row[0], row[1], bytes(row[2]), bool(row[3]))


def keep_head(connection: Connection, tenant: str, head: KeptHead) -> None:
    """Keep a head that was signed, unless a higher one is there."""
    connection.execute(
        "INSERT INTO signed_head VALUES (?, ?, ?, ?, 0) ON CONFLICT (tenant) DO UPDATE"
        " SET generation = excluded.generation, size = excluded.size, root = excluded.root, restored = 0"
        " WHERE (signed_head.generation, signed_head.size) < (excluded.generation, excluded.size)",
        (tenant, head.generation, head.size, head.root),
    )


def mark_restored(connection: Connection) -> None:
    """The vault came out of a backup: every log goes on as a newer generation."""
    connection.execute("UPDATE signed_head SET restored = 1")
