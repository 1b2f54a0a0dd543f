"""Whoever holds the root wraps epoch keys for their own epoch only, and what it destroys no copy brings back."""

import base64
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lrs.adapters.vault.closing import VaultEpochs
from lrs.adapters.vault.roots import RootKey
from lrs.adapters.vault.transit import Transit, token_of
from lrs.adapters.vault.wrapping import WrappedKeyInvalid, new_wrapping_key, unwrap, wrap
from lrs.domain.errors import InvalidRequest, KeyStoreUnavailable, LetheError, VaultRefused
from lrs.domain.sealing import Erased, Plain
from lrs.ports import RootProvider
from tests.transit import TOKEN, TransitServer, transit_server
from tests.vaults import AT, TENANT, TEXT, SqlitePlace, VaultPlace, close_epoch, erase, opened, person, sealed

KEY = bytes(range(64))
WEEK = 7 * 24 * 3600


@dataclass
class FakeKms:
    """A key management service as the port wants one: keys of its own, deleted a week after that was asked for."""

    name: str = "kms"
    scheme: str = "kms"
    destruction_seconds: int = WEEK
    keys: dict[tuple[str, int], bytes] = field(default_factory=dict)
    scheduled: set[tuple[str, int]] = field(default_factory=set)

    def wrap(self, vault: str, epoch: int, key: bytes) -> bytes:
        """Under a key of its own."""
        return wrap(self.keys.setdefault((vault, epoch), new_wrapping_key()), key)

    def unwrap(self, vault: str, epoch: int, wrapped: bytes) -> bytes:
        """Not with a key that waits for its deletion."""
        if (vault, epoch) in self.scheduled or (vault, epoch) not in self.keys:
            raise VaultRefused("the key waits for its deletion")
        try:
            return unwrap(self.keys[vault, epoch], wrapped)
        except WrappedKeyInvalid:
            raise VaultRefused("not wrapped by this key") from None

    def destroy(self, vault: str, epoch: int) -> None:
        """Schedule it."""
        self.scheduled.add((vault, epoch))


@pytest.fixture
def server() -> Iterator[TransitServer]:
    with transit_server() as running:
        yield running


def transit(server: TransitServer) -> Transit:
    return Transit(server.url, "transit", token_of(TOKEN, None))


@pytest.fixture(params=["root key", "transit", "kms"])
def provider(request: pytest.FixtureRequest, server: TransitServer) -> RootProvider:
    made: dict[str, Callable[[], RootProvider]] = {
        "root key": lambda: RootKey(bytes(32), "file"),
        "transit": lambda: transit(server),
        "kms": FakeKms,
    }
    return made[request.param]()


def test_what_was_wrapped_is_unwrapped(provider: RootProvider) -> None:
    wrapped = provider.wrap("vault", 1, KEY)
    assert KEY not in wrapped
    assert provider.unwrap("vault", 1, wrapped) == KEY
    assert provider.destruction_seconds >= 0
    assert provider.name
    assert provider.scheme


def test_it_opens_for_its_vault_and_its_epoch_only(provider: RootProvider) -> None:
    wrapped = provider.wrap("vault", 1, KEY)
    provider.wrap("vault", 2, KEY)
    provider.wrap("another", 1, KEY)
    for vault, epoch in (("vault", 2), ("another", 1), ("vault", 3)):
        with pytest.raises(VaultRefused):
            provider.unwrap(vault, epoch, wrapped)
    for altered in (
        b"",
        b"vault:v1:AAAA",
        wrapped[:-1],
        wrapped[:-4] + b"AAA=",
        bytes([wrapped[0] ^ 1]) + wrapped[1:],
    ):
        with pytest.raises(VaultRefused):
            provider.unwrap("vault", 1, altered)


def test_destroying_takes_one_epoch_and_may_be_done_again(provider: RootProvider) -> None:
    first, second = provider.wrap("vault", 1, KEY), provider.wrap("vault", 2, KEY)
    for _ in range(2):
        provider.destroy("vault", 1)
    assert provider.unwrap("vault", 2, second) == KEY
    if not isinstance(provider, RootKey):  # of which an epoch has nothing but its file
        with pytest.raises(VaultRefused):
            provider.unwrap("vault", 1, first)


# --- the protocol of the transit engine ----------------------------------------------------------------------


def test_a_transit_key_is_allowed_to_be_deleted_then_deleted_then_looked_for(server: TransitServer) -> None:
    provider = transit(server)
    provider.wrap("v", 1, KEY)
    server.asked.clear()
    provider.destroy("v", 1)
    path = "/v1/transit/keys/lethe-v-1"
    assert server.asked == [("GET", path), ("POST", f"{path}/config"), ("DELETE", path), ("GET", path)]
    assert server.keys == {}


def test_a_key_that_is_still_there_after_its_deletion_is_not_taken_for_destroyed(server: TransitServer) -> None:
    provider = transit(server)
    provider.wrap("v", 1, KEY)
    server.keeps_deleted = True
    with pytest.raises(KeyStoreUnavailable):
        provider.destroy("v", 1)


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ((503, {"errors": ["Vault is sealed"]}), KeyStoreUnavailable),
        ((429, None), KeyStoreUnavailable),
        ((403, {"errors": ["permission denied"]}), VaultRefused),
        ((404, {"errors": []}), VaultRefused),
        ((307, None), VaultRefused),
        ((200, b"garbage"), VaultRefused),
        ((200, b"[1]"), VaultRefused),
        ((200, {"data": {}}), VaultRefused),
        ((200, {"data": {"plaintext": "%", "ciphertext": 1}}), VaultRefused),
        ((200, None), VaultRefused),
        ((200, b" " * 100_000), VaultRefused),
    ],
    ids=range(11),
)
def test_what_the_transit_engine_refuses_or_garbles_is_an_error_of_ours(
    server: TransitServer, says: tuple[int, Any], error: type[LetheError]
) -> None:
    provider = transit(server)
    wrapped = provider.wrap("v", 1, KEY)
    server.says = says
    calls: list[Callable[[], object]] = [
        lambda: provider.unwrap("v", 1, wrapped),
        lambda: provider.wrap("v", 2, KEY),
    ]
    for call in calls:
        with pytest.raises(error) as raised:
            call()
        assert TOKEN not in str(raised.value)


def test_a_transit_engine_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(KeyStoreUnavailable):
        Transit("http://127.0.0.1:1", "transit", token_of(TOKEN, None)).wrap("v", 1, KEY)


def test_the_token_is_read_from_its_file_each_time(server: TransitServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    provider = Transit(server.url, "/transit/", token_of(None, file), "team")
    with pytest.raises(VaultRefused):
        provider.wrap("v", 1, KEY)
    file.write_text(f"{TOKEN}\n")
    wrapped = provider.wrap("v", 1, KEY)
    server.token = "another"
    with pytest.raises(VaultRefused, match="token"):
        provider.unwrap("v", 1, wrapped)
    file.write_text("another")
    assert provider.unwrap("v", 1, wrapped) == KEY
    with pytest.raises(InvalidRequest):
        token_of(None, None)


# --- a vault whose root is there -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transit", "kms"])
def test_with_a_key_of_its_own_for_each_epoch_not_even_a_copy_of_everything_comes_back(
    server: TransitServer, vault_place: VaultPlace, kind: str
) -> None:
    vault_place.provider = transit(server) if kind == "transit" else FakeKms()
    vault = vault_place.open()
    vault.create_tenant(TENANT)
    ada, bob = person(vault), person(vault, "bob")
    items = [sealed(vault, ada), sealed(vault, bob)]
    rows = vault_place.copy()
    shutil.copytree(vault_place.key_dir, vault_place.root / "kept")
    erase(vault, ada)
    close_epoch(vault)
    assert [opened(vault, item) for item in items] == [Erased(), Plain(TEXT)]
    vault_place.close()
    assert [opened(vault_place.open(), item) for item in items] == [Erased(), Plain(TEXT)]
    vault_place.close()
    vault_place.restore(rows)
    shutil.rmtree(vault_place.key_dir)
    shutil.copytree(vault_place.root / "kept", vault_place.key_dir)
    with pytest.raises(VaultRefused):
        vault_place.open()


def test_a_root_key_is_left_for_the_transit_engine_at_the_next_close(
    server: TransitServer, tmp_path: Path
) -> None:
    place = SqlitePlace(tmp_path, base64.b64encode(bytes(32)).decode())
    vault = place.open()
    vault.create_tenant(TENANT)
    item = sealed(vault, person(vault))
    place.close()
    place.provider = transit(server)
    vault = place.open()
    close_epoch(vault)
    assert opened(vault, item) == Plain(TEXT)
    place.close()
    place.root_key = None
    assert opened(place.open(), item) == Plain(TEXT)
    place.close()
    place.provider, place.root_key = None, base64.b64encode(bytes(32)).decode()
    with pytest.raises(VaultRefused, match="LRS_ROOT_PROVIDER"):
        place.open()


def test_a_close_that_died_after_the_key_was_destroyed_says_whose_it_was(tmp_path: Path) -> None:
    """Also in the first one after a move to another provider: the present one did not wrap it."""
    place = SqlitePlace(tmp_path, base64.b64encode(bytes(32)).decode())
    place.open().create_tenant(TENANT)
    place.close()
    place.provider = FakeKms()
    epochs = VaultEpochs(vault := place.open())
    with epochs.alone():
        epochs.prepare()
        epochs.turn(AT, lambda *_: None)
        epochs.check(1, lambda *_: None)
        vault.keys.destroy(1)
    place.close()
    epochs = VaultEpochs(place.open())
    with epochs.alone():
        epochs.destroy(1, lambda: AT)
    (closed,) = epochs.standing().closed
    assert (closed.provider, closed.destruction_seconds, closed.destroyed_at) == ("environment", 0, AT)
