"""The settings of root and escrow: half a choice is refused, and says which setting is missing."""

from pathlib import Path

import pyrage
import pytest

from lrs.adapters.vault.roots import RootKey
from lrs.adapters.vault.transit import Transit
from lrs.bootstrap import build
from lrs.config import Settings, load_settings
from lrs.domain.errors import InvalidRequest, VaultRefused
from tests.transit import TOKEN, transit_server

ROOT_KEY = "A" * 43 + "="
RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())


def settings(tmp_path: Path, **given: object) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data"} | given)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"root_provider": "environment"}, "LRS_ROOT_KEY"),
        ({"root_provider": "transit"}, "LRS_TRANSIT_URL"),
        ({"root_provider": "transit", "transit_url": "http://127.0.0.1:1"}, "LRS_TRANSIT_TOKEN"),
        ({"escrow_url": "ESCROW"}, "LRS_BACKUP_RECIPIENTS"),
        ({"escrow_url": "ESCROW", "backup_recipients": "nobody"}, "LRS_BACKUP_RECIPIENTS"),
        (
            {"escrow_url": "ESCROW", "backup_url": "ESCROW/backup", "backup_recipients": RECIPIENT},
            "LRS_ESCROW_URL",
        ),
        ({"escrow_url": "ftp://x/y", "backup_recipients": RECIPIENT}, "LRS_ESCROW_URL"),
    ],
)
def test_half_a_choice_is_refused_and_makes_no_keys(tmp_path: Path, given: dict[str, str], names: str) -> None:
    given = {name: value.replace("ESCROW", str(tmp_path / "escrow")) for name, value in given.items()}
    with pytest.raises(InvalidRequest, match=names):
        build(settings(tmp_path, **given))
    assert not list(tmp_path.rglob("*.key"))


def test_the_root_key_is_taken_from_where_the_setting_says(tmp_path: Path) -> None:
    system = build(settings(tmp_path, root_provider="file", root_key=ROOT_KEY))
    assert isinstance(system.vault.keys.provider, RootKey)
    assert system.vault.keys.provider.name == "file"
    system.close()
    with pytest.raises(VaultRefused):
        build(settings(tmp_path, root_provider="environment", root_key=ROOT_KEY))
    other = build(settings(tmp_path / "other", root_provider="environment", root_key=ROOT_KEY))
    assert other.vault.keys.provider.name == "environment"
    other.close()


def test_a_whole_installation_runs_on_the_transit_engine_with_an_escrow(tmp_path: Path) -> None:
    with transit_server() as server:
        place = settings(
            tmp_path,
            root_provider="transit",
            transit_url=server.url,
            transit_token=TOKEN,
            escrow_url=tmp_path.joinpath("escrow").as_posix(),
            backup_recipients=f"{RECIPIENT}, ",
        )
        system = build(place)
        assert isinstance(system.vault.keys.provider, Transit)
        (done,) = system.closer.close()
        assert (done.epoch.provider, len(server.keys)) == ("transit", 1)
        system.close()
        build(place).close()
        assert not (place.keys / "root.key").exists()
        assert {path.name for path in (tmp_path / "escrow").iterdir()} >= {
            "epoch-0.age",
            "epoch-1.age",
            "vault.json",
        }


def test_the_provider_is_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRS_ROOT_PROVIDER", "magic")
    with pytest.raises(InvalidRequest, match="LRS_ROOT_PROVIDER"):
        load_settings()
