"""Whether a copy of the vault can be lived from: it is opened as a restore would, before an epoch's key goes.

Every tenant's keys are opened, every data key if data keys were wrapped anew, and canaries: identifiers of the
directory, which take TK, a data key, a seal and IK together.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lrs.adapters.sql.database import Connection
from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.checking import data_key_opens
from lrs.adapters.vault.reading import digest_of
from lrs.adapters.vault.rewrapping import open_identifier
from lrs.adapters.vault.tenants import OPERATOR, PEPPER, SIGNING, WRAPPING, unwrap_key
from lrs.domain.agents import Identifier
from lrs.domain.errors import VaultRefused
from lrs.domain.sealing import Category
from lrs.ports.epochs import Progress

_CANARIES_MAX: Final = 100
_ROWS: Final = 2_000
_KEY_SHUT: Final = "a data key in the snapshot does not open"


class CopyCheck:
    """Opens what a copy holds. Data keys are looked for in ``keys``: the copy, or the vault where it has none."""

    def __init__(self, copied: Connection, keys: Connection, epoch: int, epoch_key: bytes) -> None:
        self._copied = copied
        self._data = keys
        self._epoch = epoch
        self._epoch_key = epoch_key

    def run(self, progress: Progress, *, whole: bool) -> None:
        """VaultRefused where something does not open."""
        rows = self._copied.execute("SELECT tenant, kind, wrapped FROM tenant_key").fetchall()
        keys = {
            (tenant, kind): unwrap_key(self._epoch_key, self._epoch, tenant, kind, wrapped)
            for tenant, kind, wrapped in rows
        }
        self._check_signing(keys)
        tenants = sorted({tenant for tenant, _ in keys} - {OPERATOR})
        for number, tenant in enumerate(tenants, start=1):
            key = wrapping.Wrapping(keys[tenant, WRAPPING])
            self._open_keys(tenant, key, whole=whole)
            self._open_canaries(tenant, key, keys[tenant, PEPPER])
            progress(number, len(tenants))

    @staticmethod
    def _check_signing(keys: dict[tuple[str, str], bytes]) -> None:
        if (OPERATOR, SIGNING) not in keys:
            raise VaultRefused("the snapshot lacks the installation's key")
        try:
            for (_, kind), key in keys.items():
                if kind == SIGNING:
                    Ed25519PrivateKey.from_private_bytes(key)
        except ValueError:
            raise VaultRefused("a signing key in the snapshot is none") from None

    def _open_keys(self, tenant: str, key: wrapping.Wrapping, *, whole: bool) -> None:
        after: tuple[bytes, str, str] = (b"", "", "")
        sql = (
            "SELECT subject, category, period, kid, wrapped FROM data_key WHERE tenant = ?"
            " AND (subject, category, period) > (?, ?, ?)"
            f" ORDER BY subject, category, period LIMIT {_ROWS if whole else _CANARIES_MAX}"
        )
        while rows := self._data.execute(sql, (tenant, *after)).fetchall():
            if not all(data_key_opens(key, tenant, *row) for row in rows):
                raise VaultRefused(_KEY_SHUT)
            if not whole:
                return
            after = rows[-1][:3]

    def _open_canaries(self, tenant: str, key: wrapping.Wrapping, pepper: bytes) -> None:
        rows = self._data.execute(
            f"SELECT digest, subject, kind, sealed FROM directory WHERE tenant = ? LIMIT {_CANARIES_MAX}",
            (tenant,),
        ).fetchall()
        for digest, subject, kind, sealed in rows:
            found = self._data.execute(
                "SELECT kid, wrapped FROM data_key"
                " WHERE tenant = ? AND subject = ? AND category = ? AND period = ''",
                (tenant, subject, Category.IDENTITY),
            ).fetchone()
            canary = self._identifier(tenant, key, subject, kind, sealed, found) if found else None
            if canary is None or digest_of(pepper, canary) != digest:
                raise VaultRefused("a row of the directory in the snapshot is not of its keys")

    @staticmethod
    def _identifier(
        tenant: str, key: wrapping.Wrapping, subject: bytes, kind: str, sealed: bytes, found: tuple[bytes, bytes]
    ) -> Identifier:
        kid, wrapped = found
        try:
            raw = key.unwrap(wrapped, tenant, subject.hex(), Category.IDENTITY.value, "")
        except wrapping.WrappedKeyInvalid:
            raise VaultRefused(_KEY_SHUT) from None
        return open_identifier(tenant, subject, kind, sealed, envelope.DataKey(kid, Category.IDENTITY, raw))
