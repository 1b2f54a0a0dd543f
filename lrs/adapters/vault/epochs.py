"""The keys of epochs: EK(n), wrapped by the root provider, each in a file of the key directory.

``epoch-<n>.key`` is JSON: vault, epoch, wrapped (base64), and the provider's scheme where it is not the root key.
A KEY FORMAT. Losing the file of the present epoch loses everything; destroying that of an older one is the point.
"""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrs.adapters.vault import wrapping
from lrs.adapters.vault.files import destroy_file, write_new
from lrs.adapters.vault.roots import RootKey
from lrs.domain.errors import KeyStoreUnavailable, VaultRefused
from lrs.ports.roots import RootProvider

FIRST_EPOCH = 1
_FILE = re.compile(r"epoch-([1-9][0-9]*)\.key")


class EpochKeys:
    """The epoch keys of one vault."""

    def __init__(self, key_dir: Path, vault: str, provider: RootProvider, *older: RootProvider) -> None:
        """``provider`` wraps new keys; ``older`` ones may have wrapped those that are there."""
        self.key_dir = key_dir
        self.vault = vault
        self.provider = provider
        self._by_scheme = {one.scheme: one for one in (*older, provider)}

    def _file(self, epoch: int) -> Path:
        return self.key_dir / f"epoch-{epoch}.key"

    def make(self, epoch: int) -> bytes:
        """EK(n), new, in its file; the one that is there already, where it opens. VaultRefused,
        KeyStoreUnavailable."""
        if not self._file(epoch).exists():
            self.keep(epoch, wrapping.new_wrapping_key())
        return self.read(epoch)

    def keep(self, epoch: int, key: bytes) -> None:
        """Put this EK(n) into its file, unless there is one."""
        wrapped = self.provider.wrap(self.vault, epoch, key)
        content = {"vault": self.vault, "epoch": epoch, "wrapped": base64.b64encode(wrapped).decode()}
        if self.provider.scheme != RootKey.scheme:
            content["provider"] = self.provider.scheme
        try:
            write_new(self._file(epoch), json.dumps(content).encode() + b"\n")
        except OSError as error:
            raise KeyStoreUnavailable("the key of an epoch can not be written") from error

    def read(self, epoch: int) -> bytes:
        """EK(n), unwrapped. VaultRefused, KeyStoreUnavailable."""
        content = self._content(epoch)
        try:
            wrapped = base64.b64decode(content["wrapped"], validate=True)
            scheme = str(content.get("provider", RootKey.scheme))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise VaultRefused(f"the key file of epoch {epoch} can not be read") from None
        return self._provider(scheme, epoch).unwrap(self.vault, epoch, wrapped)

    def _content(self, epoch: int) -> Any:
        try:
            return json.loads(self._file(epoch).read_bytes())
        except FileNotFoundError:
            raise VaultRefused(
                f"the key of epoch {epoch} is missing: it was destroyed, or lies elsewhere"
            ) from None
        except (OSError, ValueError, RecursionError):
            raise VaultRefused(f"the key file of epoch {epoch} can not be read") from None

    def _provider(self, scheme: str, epoch: int) -> RootProvider:
        found = self._by_scheme.get(scheme)
        if found is None:
            raise VaultRefused(f"the key of epoch {epoch} was wrapped by another provider: see LRS_ROOT_PROVIDER")
        return found

    def destroy(self, epoch: int) -> None:
        """Destroy EK(n): first what its provider keeps for it, then its file; again: nothing more.
        KeyStoreUnavailable, VaultRefused."""
        self.wrapped_by(epoch).destroy(self.vault, epoch)
        try:
            destroy_file(self._file(epoch))
        except OSError as error:
            raise KeyStoreUnavailable("the key of an epoch can not be removed") from error

    def wrapped_by(self, epoch: int) -> RootProvider:
        """Who wrapped it. Only its file knows: one that is damaged, or gone in an attempt before, is taken for the
        present provider's. VaultRefused."""
        try:
            scheme = self._content(epoch).get("provider", RootKey.scheme)
        except (VaultRefused, AttributeError):
            return self.provider
        return self._provider(str(scheme), epoch)

    def there(self) -> Sequence[int]:
        """The epochs that have a file, in order."""
        names = (_FILE.fullmatch(path.name) for path in self.key_dir.glob("epoch-*.key"))
        return sorted(int(name[1]) for name in names if name)
