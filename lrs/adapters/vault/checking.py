"""Whether a vault's parts are of one epoch: old copies of it, whole or in part, are found at the start.

1. The epoch's number is the one that its closed epochs lead to: an old vault whose number was edited lacks some.
2. The installation's own key opens under EK(n): else the rows of keys are of another epoch.
3. Of the tenants whose keys were made anew when an epoch was closed, data keys open under the tenant's key: an
   old vault into which today's keys of tenants were put is noise under them. A few that do not open are damage,
   which stops nobody but their owners; all of them are another vault's.
"""

import hmac

from lrs.adapters.sql.database import Connection, Row
from lrs.adapters.vault import wrapping
from lrs.adapters.vault.epochs import FIRST_EPOCH
from lrs.adapters.vault.tenants import OPERATOR, SIGNING, WRAPPING, operator_key, unwrap_key
from lrs.domain.errors import VaultRefused

_SAMPLED = 20


def check_epoch(connection: Connection, epoch: int, epoch_key: bytes) -> None:
    """VaultRefused unless the number and the installation's key are of this epoch (1 and 2)."""
    if [row[0] for row in _closed(connection)] != list(range(FIRST_EPOCH, epoch)):
        raise VaultRefused("the closed epochs do not lead to the vault's: it is an older copy, or altered")
    wrapped = operator_key(connection)
    if wrapped is not None:
        unwrap_key(epoch_key, epoch, OPERATOR, SIGNING, wrapped)


def check_keys(connection: Connection, epoch: int, epoch_key: bytes) -> None:
    """VaultRefused unless data keys are of the epoch of their tenant's (3). For a ledger that was caught up."""
    closed = _closed(connection)
    for tenant in sorted(changed_tenants(connection, 0, closed[-1][1])) if closed else ():
        _check_data_keys(connection, epoch, epoch_key, tenant)


def _closed(connection: Connection) -> list[Row]:
    return connection.execute("SELECT epoch, sequence FROM epoch ORDER BY epoch").fetchall()


def changed_tenants(connection: Connection, after: int, upto: int) -> set[str]:
    """The tenants of which something was destroyed after one entry of the ledger and up to another."""
    rows = connection.execute(
        "SELECT DISTINCT tenant FROM ledger WHERE sequence > ? AND sequence <= ?", (after, upto)
    )
    return {row[0] for row in rows}


def _check_data_keys(connection: Connection, epoch: int, epoch_key: bytes, tenant: str) -> None:
    row = connection.execute(
        "SELECT wrapped FROM tenant_key WHERE tenant = ? AND kind = ?", (tenant, WRAPPING)
    ).fetchone()
    if row is None:
        return  # it left
    rows = connection.execute(
        "SELECT subject, category, period, kid, wrapped FROM data_key WHERE tenant = ?"
        f" ORDER BY subject, category, period LIMIT {_SAMPLED}",
        (tenant,),
    ).fetchall()
    key = wrapping.Wrapping(unwrap_key(epoch_key, epoch, tenant, WRAPPING, row[0]))
    if rows and not any(data_key_opens(key, tenant, *found) for found in rows):
        raise VaultRefused("a tenant's data keys do not open under its key: the vault is of several epochs")


def data_key_opens(
    key: wrapping.Wrapping, tenant: str, subject: bytes, category: str, period: str, kid: bytes, wrapped: bytes
) -> bool:
    """Whether a row holds the key that its id promises."""
    try:
        raw = key.unwrap(wrapped, tenant, subject.hex(), category, period)
    except (wrapping.WrappedKeyInvalid, AttributeError):  # the latter: a column altered to another type
        return False
    return hmac.compare_digest(wrapping.kid_of(raw), kid)
