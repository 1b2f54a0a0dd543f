"""Whoever was erased and is not to come back: a keyed digest of each identifier, until a day.

1. ``suppress``: between steps 1 and 2 of an erasure the subject's identifiers are opened, for the last time, and
   their digests kept. IN A TRANSACTION OF ITS OWN, BEFORE THE LEDGER'S ENTRY: what only reached the mirror is
   carried out from there, which knows of no identifier, and the keys that open these are gone then. From step 1 on
   nothing is entered for the subject, so nothing is missed.
2. Whoever would be enrolled is looked for among them (``VaultReading.enrol``), and refused.
3. ``readmit`` forgets somebody, ``end_expired`` all whose day has come.

The key (RK) is the tenant's own and random. It is made when it is first needed, lies and is wrapped anew with the
tenant's other keys, and is destroyed with the last row. A row names no subject; the subject's own row says until
when, for its certificate, to the day and no finer.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from lrs.adapters.clock import SystemClock
from lrs.adapters.sql.database import Connection, marks
from lrs.adapters.vault import verdicts
from lrs.adapters.vault.known import Known, TenantKeys
from lrs.adapters.vault.reading import suppression_digest
from lrs.adapters.vault.rewrapping import open_identifier
from lrs.adapters.vault.tenants import SUPPRESSION, TenantKeyring, new_key, wrap_key
from lrs.domain.agents import Identifier, lookups_of
from lrs.domain.errors import VaultRefused
from lrs.domain.sealing import Category
from lrs.domain.subjects import State

log = logging.getLogger("lethe.vault")


class SuppressingKeyring(TenantKeyring):
    """Keys of tenants, and whom they refuse. ``now`` says whose day has come."""

    now: Callable[[], datetime] = staticmethod(SystemClock().now)

    def suppress(self, tenant: str, subject: UUID, until: datetime) -> None:
        """See that whoever comes with an identifier of this subject is refused until then. Only of somebody whose
        erasure has begun and whose keys are there still; of all others: nothing."""
        with self.writing() as (connection, fence):
            known = self.known_at(*fence)
            identifiers = _identifiers(connection, tenant, self.tenant_keys(connection, known, tenant), subject)
            if not identifiers:
                return
            key, last = self._suppression_key(connection, known, tenant), int(until.timestamp())
            connection.executemany(
                "INSERT INTO suppression VALUES (?, ?, ?) ON CONFLICT (tenant, digest) DO UPDATE"
                " SET until = excluded.until",
                [(tenant, suppression_digest(key, one), last) for one in identifiers],
            )
            connection.execute(
                "UPDATE subject SET suppressed = ? WHERE tenant = ? AND subject = ?", (last, tenant, subject.bytes)
            )
            _let_go_of_keys(connection)

    def _suppression_key(self, connection: Connection, known: Known, tenant: str) -> bytes:
        """The tenant's, minted where there is none."""
        found = self.tenant_keys(connection, known, tenant).suppression
        if found is None:
            found = new_key(SUPPRESSION)
            wrapped = wrap_key(known.epoch_key, known.epoch, tenant, SUPPRESSION, found)
            connection.execute("INSERT INTO tenant_key VALUES (?, ?, ?)", (tenant, SUPPRESSION, wrapped))
        return found

    def suppressed_until(self, tenant: str, subject: UUID) -> datetime | None:
        """Until when, at the latest, digests of an erased subject's identifiers are kept; None: there are none."""
        with self.database.read() as connection:
            row = connection.execute(
                "SELECT suppressed FROM subject WHERE tenant = ? AND subject = ?", (tenant, subject.bytes)
            ).fetchone()
        return datetime.fromtimestamp(row[0], UTC) if row and row[0] else None

    def readmit(self, tenant: str, identifier: Identifier) -> int:
        """Forget the digests of an identifier, in every form; how many there were. NotFound for no tenant."""
        with self.writing() as (connection, fence):
            key = self.tenant_keys(connection, self.known_at(*fence), tenant).suppression
            digests = [suppression_digest(key, form) for form in lookups_of(identifier)] if key else []
            gone = connection.execute(
                f"DELETE FROM suppression WHERE tenant = ? AND digest IN ({marks(digests)})", (tenant, *digests)
            ).rowcount
            if gone:
                _end_unused_key(connection, tenant)
                _let_go_of_keys(connection)
        self.database.checkpoint()
        return gone


def end_expired(connection: Connection, at: datetime) -> None:
    """Forget all whose day has come, of every tenant, and the keys that have no row any more. For the transaction
    in which an epoch is closed."""
    rows = connection.execute("SELECT tenant FROM tenant_key WHERE kind = ?", (SUPPRESSION,)).fetchall()
    for (tenant,) in rows:
        connection.execute(
            "DELETE FROM suppression WHERE tenant = ? AND until <= ?", (tenant, int(at.timestamp()))
        )
        _end_unused_key(connection, tenant)


def _end_unused_key(connection: Connection, tenant: str) -> None:
    connection.execute(
        "DELETE FROM tenant_key WHERE tenant = ? AND kind = ?"
        " AND NOT EXISTS (SELECT 1 FROM suppression WHERE suppression.tenant = tenant_key.tenant)",
        (tenant, SUPPRESSION),
    )


def _let_go_of_keys(connection: Connection) -> None:
    """The fence moves: every process reads anew whether the tenant has a key to refuse by."""
    connection.execute("UPDATE fence SET sequence = sequence + 1")


def _identifiers(connection: Connection, tenant: str, keys: TenantKeys, subject: UUID) -> list[Identifier]:
    """All by which the directory knows a subject that is being erased. None of them where a key or a row is
    damaged: an erasure does not wait for a repair, and its certificate does not claim half of it."""
    rows = connection.execute(
        "SELECT d.kind, d.sealed, k.category, k.period, k.kid, k.wrapped FROM directory d"
        " JOIN subject s ON s.tenant = d.tenant AND s.subject = d.subject AND s.state = ?"
        " LEFT JOIN data_key k ON k.tenant = d.tenant AND k.subject = d.subject AND k.category = ?"
        " WHERE d.subject = ? AND d.tenant = ?",
        (State.ERASING, Category.IDENTITY, subject.bytes, tenant),
    ).fetchall()
    try:
        found = [
            open_identifier(tenant, subject.bytes, kind, sealed, key.key)
            for kind, sealed, *row in rows
            if (key := verdicts.unwrap_data_key(tenant, keys, subject.bytes, *row)) is not None
        ]
    except VaultRefused:
        found = []
    if len(found) < len(rows):
        log.warning("an identifier does not open, so its owner will not be refused: tenant=%s", tenant)
        return []
    return found
