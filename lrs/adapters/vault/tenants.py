"""Keys of tenants, each wrapped by the epoch's key: TK wraps data keys, IK blinds the directory, SK signs. RK,
which only some have, blinds the identifiers of erased people who are refused (``suppressing``).

The installation has a signing key of its own, under the name of no tenant: it signs what is of all tenants.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lrs.adapters.sql.database import Connection
from lrs.adapters.vault import wrapping
from lrs.adapters.vault.fence import Fenced
from lrs.adapters.vault.known import Known, TenantKeys
from lrs.domain.errors import NotFound, VaultRefused

WRAPPING, PEPPER, SIGNING = "TK", "IK", "SK"
KINDS = (WRAPPING, PEPPER, SIGNING)
SUPPRESSION = "RK"
OPERATOR = ""
_FOREIGN = "a tenant's keys do not open under this epoch's key"


def new_key(kind: str) -> bytes:
    """A fresh key of this kind."""
    if kind == SIGNING:
        return Ed25519PrivateKey.generate().private_bytes_raw()
    return wrapping.new_wrapping_key() if kind == WRAPPING else wrapping.new_data_key()


def unwrap_key(epoch_key: bytes, epoch: int, tenant: str, kind: str, wrapped: bytes) -> bytes:
    """A tenant's key. VaultRefused."""
    try:
        return wrapping.unwrap(epoch_key, wrapped, tenant, kind, str(epoch))
    except wrapping.WrappedKeyInvalid:
        raise VaultRefused(_FOREIGN) from None


def wrap_key(epoch_key: bytes, epoch: int, tenant: str, kind: str, key: bytes) -> bytes:
    """The other way."""
    return wrapping.wrap(epoch_key, key, tenant, kind, str(epoch))


def operator_key(connection: Connection) -> bytes | None:
    """The installation's signing key, wrapped; None in a vault that has none yet."""
    row = connection.execute(
        "SELECT wrapped FROM tenant_key WHERE tenant = ? AND kind = ?", (OPERATOR, SIGNING)
    ).fetchone()
    return row[0] if row else None


class TenantKeyring(Fenced):
    """The keys of every tenant, behind the fence."""

    def insert_tenant_keys(self, connection: Connection, known: Known, tenant: str, *kinds: str) -> None:
        """Mint these keys of a tenant that has none."""
        for kind in kinds:
            wrapped = wrap_key(known.epoch_key, known.epoch, tenant, kind, new_key(kind))
            connection.execute("INSERT INTO tenant_key VALUES (?, ?, ?)", (tenant, kind, wrapped))

    def ensure_operator(self) -> None:
        """See that the installation's signing key is there."""
        with self.database.read() as connection:
            if operator_key(connection) is not None:
                return  # it was seen to open
        with self.writing() as (connection, fence):
            known = self.known_at(*fence)
            if operator_key(connection) is None:
                self.insert_tenant_keys(connection, known, OPERATOR, SIGNING)

    def tenant_keys(self, connection: Connection, known: Known, tenant: str) -> TenantKeys:
        """A tenant's keys, unwrapped. NotFound for a tenant without any, VaultRefused when they do not open."""
        if tenant not in known.tenants:
            rows = connection.execute("SELECT kind, wrapped FROM tenant_key WHERE tenant = ?", (tenant,))
            wrapped = dict(rows.fetchall())
            if not wrapped or tenant == OPERATOR:
                raise NotFound("no such tenant")
            if not wrapped.keys() >= set(KINDS):
                raise VaultRefused(_FOREIGN)
            kinds = (*KINDS, SUPPRESSION) if SUPPRESSION in wrapped else KINDS
            keys = [unwrap_key(known.epoch_key, known.epoch, tenant, kind, wrapped[kind]) for kind in kinds]
            known.tenants[tenant] = TenantKeys(*keys)
        return known.tenants[tenant]

    def sign(self, tenant: str, message: bytes) -> bytes:
        """An Ed25519 signature by the tenant's signing key, or the installation's."""
        return self._signing_key(tenant).sign(message)

    def public_key(self, tenant: str) -> bytes:
        """The raw Ed25519 public key that checks ``sign``."""
        return self._signing_key(tenant).public_key().public_bytes_raw()

    def _signing_key(self, tenant: str) -> Ed25519PrivateKey:
        with self.database.read() as connection:
            return self._unwrapped_signing_key(connection, tenant)

    def _unwrapped_signing_key(self, connection: Connection, tenant: str) -> Ed25519PrivateKey:
        known = self.known(connection)
        if tenant != OPERATOR:
            return Ed25519PrivateKey.from_private_bytes(self.tenant_keys(connection, known, tenant).signing)
        wrapped = operator_key(connection)
        if wrapped is None:
            raise VaultRefused("the installation's own key is missing: the vault was altered")
        key = unwrap_key(known.epoch_key, known.epoch, OPERATOR, SIGNING, wrapped)
        return Ed25519PrivateKey.from_private_bytes(key)
