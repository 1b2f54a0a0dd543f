"""Sealing what a request keeps about a person under that person's identity key."""

from uuid import UUID

from lrs.domain.errors import KeyStoreUnavailable
from lrs.domain.sealing import Category, Place, Sealed
from lrs.ports import StaleFence, Vault

_ATTEMPTS_MAX = 20


def seal_for(vault: Vault, tenant: str, subject: UUID, place: Place, data: bytes) -> Sealed | None:
    """``data`` sealed, or None while the subject is being erased or after. KeyStoreUnavailable."""
    for _ in range(_ATTEMPTS_MAX):
        reading = vault.read(tenant)
        if subject in reading.erasing or vault.destroyed(tenant, subject):
            return None
        try:
            return reading.seal([subject], Category.IDENTITY, "", place, data)
        except StaleFence:
            continue
    raise KeyStoreUnavailable("the fence keeps moving: try again")
