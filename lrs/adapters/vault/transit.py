"""The root in HashiCorp Vault's (or OpenBao's) transit engine: one transit key an epoch, over its HTTP API.

1. ``wrap`` makes the transit key ``lethe-<vault>-<n>``, which can not be exported, and lets it encrypt EK(n).
2. ``unwrap`` lets it decrypt: at each start, and when the epoch moves under a running process.
3. ``destroy`` allows its deletion, deletes it, and looks that it is gone. From then on no copy of a key file, of a
   backup or of a whole disk opens: what is needed is nowhere but there.

https://developer.hashicorp.com/vault/api-docs/secret/transit. The token needs create, update, read and delete on
``<mount>/keys/lethe-*`` (and ``/config``), update on ``<mount>/encrypt/lethe-*`` and ``<mount>/decrypt/lethe-*``.
"""

import base64
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2

from lrs.domain.errors import InvalidRequest, KeyStoreUnavailable, VaultRefused

TRANSIT: Final = "transit"
_SECONDS_MAX: Final = 5.0
_TOKEN_BYTES_MAX: Final = 8192
_ANSWER_BYTES_MAX: Final = 64 * 1024
# Sealed, a stand-by, too many requests, overloaded: it may be otherwise in a moment.
_NOT_NOW = frozenset({429, 472, 473, 500, 502, 503, 504})


class Transit:
    """The port's ``RootProvider`` over HTTP."""

    name = TRANSIT
    scheme = TRANSIT
    # Deleted keys are gone from the storage at once; its own backups are its operator's.
    destruction_seconds = 0

    def __init__(self, url: str, mount: str, token: Callable[[], str], namespace: str | None = None) -> None:
        """``token`` is asked before each request: an agent may renew it in its file."""
        self._url = f"{url.rstrip('/')}/v1/{mount.strip('/')}"
        self._token = token
        self._namespace = namespace

    def wrap(self, vault: str, epoch: int, key: bytes) -> bytes:
        """Step 1."""
        name = _name(vault, epoch)
        made = {"type": "aes256-gcm96", "exportable": False, "allow_plaintext_backup": False}
        self._ask("POST", f"keys/{name}", made)  # again: nothing
        answer = self._ask("POST", f"encrypt/{name}", {"plaintext": base64.b64encode(key).decode()})
        return self._field(answer, "ciphertext").encode()

    def unwrap(self, vault: str, epoch: int, wrapped: bytes) -> bytes:
        """Step 2."""
        asked = {"ciphertext": wrapped.decode("ascii", "replace")}
        answer = self._ask("POST", f"decrypt/{_name(vault, epoch)}", asked)
        try:
            return base64.b64decode(self._field(answer, "plaintext"), validate=True)
        except ValueError:
            raise VaultRefused("the transit engine's answer can not be read") from None

    def destroy(self, vault: str, epoch: int) -> None:
        """Step 3."""
        path = f"keys/{_name(vault, epoch)}"
        if self._ask("GET", path, missing=True) is None:
            return
        self._ask("POST", f"{path}/config", {"deletion_allowed": True})
        self._ask("DELETE", path)
        if self._ask("GET", path, missing=True) is not None:
            raise KeyStoreUnavailable("the transit engine still has a key that it was told to delete")

    # --- its protocol ----------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> Any:
        """What it answers; None for what is not there, where that is no refusal (``missing``)."""
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        try:
            # No redirects: the token goes to whom the settings name.
            answer = httpx2.request(
                method, f"{self._url}/{path}", json=body, headers=headers, timeout=_SECONDS_MAX
            )
        except (httpx2.HTTPError, OSError) as error:
            raise KeyStoreUnavailable(f"the transit engine does not answer: {type(error).__name__}") from None
        if missing and answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code in _NOT_NOW:
            raise KeyStoreUnavailable(f"the transit engine is not ready: status {answer.status_code}")
        if not answer.is_success:
            # Its message is not repeated: it may quote what was sent.
            raise VaultRefused(_refusal(path, answer.status_code))
        return _content(answer)

    @staticmethod
    def _field(answer: Any, name: str) -> str:
        found = answer.get("data", {}).get(name) if isinstance(answer, dict) else None
        if not isinstance(found, str):
            raise VaultRefused("the transit engine's answer can not be read")
        return found


def _name(vault: str, epoch: int) -> str:
    return f"lethe-{vault}-{epoch}"


def _refusal(path: str, status: int) -> str:
    if status == HTTPStatus.FORBIDDEN:
        return "the transit engine does not let this token do that: see LRS_TRANSIT_TOKEN"
    what = path.partition("/")[0]
    return f"the transit engine refuses {what} (status {status}): its key was deleted, or is another's"


def _content(answer: httpx2.Response) -> Any:
    if not answer.content:
        return {}
    if len(answer.content) > _ANSWER_BYTES_MAX:
        raise VaultRefused("the transit engine's answer can not be read")
    try:
        return answer.json()
    except ValueError:
        raise VaultRefused("the transit engine's answer can not be read") from None


def token_of(given: str | None, file: Path | None) -> Callable[[], str]:
    """Where the token comes from: as given, or what stands in the file whenever it is needed. InvalidRequest for
    neither; VaultRefused later, when the file can not be read."""
    if given is not None:
        return lambda: given
    if file is None:
        raise InvalidRequest("the transit engine needs LRS_TRANSIT_TOKEN or LRS_TRANSIT_TOKEN_FILE")

    def read() -> str:
        try:
            with file.open("rb") as opened:
                return opened.read(_TOKEN_BYTES_MAX).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise VaultRefused("the file of LRS_TRANSIT_TOKEN_FILE can not be read") from None

    return read
