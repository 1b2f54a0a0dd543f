"""Who holds the root: wraps epoch keys, and destroys what can unwrap them.

A key management service is another one of these: a key of its own an epoch, scheduled for deletion at ``destroy``,
with the waiting period as ``destruction_seconds``.
"""

from typing import Protocol


class RootProvider(Protocol):
    """Wraps EK(n), so that only it unwraps it. It is told the vault's id and the number, and binds them."""

    @property
    def name(self) -> str:
        """What certificates call it."""
        ...

    @property
    def scheme(self) -> str:
        """What key files call it: whoever has the same scheme can unwrap what another instance has wrapped."""
        ...

    @property
    def destruction_seconds(self) -> int:
        """How long it takes until a destruction can not be called back any more; 0: at once."""
        ...

    def wrap(self, vault: str, epoch: int, key: bytes) -> bytes:
        """``key``, wrapped. KeyStoreUnavailable, VaultRefused."""
        ...

    def unwrap(self, vault: str, epoch: int, wrapped: bytes) -> bytes:
        """The key again. VaultRefused when it does not open there, KeyStoreUnavailable when nobody answers."""
        ...

    def destroy(self, vault: str, epoch: int) -> None:
        """Destroy whatever it keeps for this epoch alone; again: nothing. The same errors."""
        ...
