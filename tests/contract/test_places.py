"""The port ``ObjectPlace`` over every adapter, and the seals of what lies there."""

from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrs.adapters.age import AgeIdentities, AgeRecipients
from lrs.adapters.objects.places import Objects, open_place
from lrs.domain.errors import AlreadyExists, BackupInvalid, InvalidRequest, StoreUnavailable
from tests.storage import new_bucket

BYTES_MAX = 10_000
IDENTITY, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
Open = Callable[[], Objects]


@pytest.fixture(params=["folder", "s3"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same place each time, as another process would."""
    if request.param == "folder":
        return lambda: open_place(str(tmp_path / "backups"), "LRS_BACKUP_URL")
    url = request.getfixturevalue("bucket")
    return lambda: open_place(f"{url}/some/prefix/", "LRS_BACKUP_URL")


def test_what_was_put_is_there_for_another_process(reopen: Open) -> None:
    reopen().put("a/b/one", b"first")
    reopen().put("a/b/one", b"second")
    reopen().put("a/two", b"")
    place = reopen()
    assert (place.get("a/b/one"), place.get("a/two")) == (b"second", b"")
    assert list(place.list()) == [("a/b/one", 6), ("a/two", 0)]
    assert list(place.list("a/b")) == [("a/b/one", 6)]
    assert list(place.list("nowhere")) == []
    assert not place.url.endswith("/")


def test_nothing_new_is_put_over_what_is_there(reopen: Open) -> None:
    reopen().put("a/one", b"first", new=True)
    with pytest.raises(AlreadyExists):
        reopen().put("a/one", b"second", new=True)
    assert reopen().get("a/one") == b"first"


def test_what_was_removed_is_gone_and_may_be_removed_again(reopen: Open) -> None:
    place = reopen()
    place.put("a/one", b"first")
    for _ in range(2):
        place.remove("a/one")
    with pytest.raises(FileNotFoundError):
        place.get("a/one")


def test_a_place_that_keeps_no_versions_says_so_and_keeps_nothing_of_the_question(reopen: Open) -> None:
    assert not reopen().keeps_versions()
    assert list(reopen().list()) == []


def test_a_bucket_with_versions_says_so(s3_settings: str) -> None:
    assert open_place(f"s3://{new_bucket(s3_settings, versioned=True)}/x", "LRS_ESCROW_URL").keeps_versions()


def test_a_place_that_does_not_answer_is_an_outage(tmp_path: Path) -> None:
    place = open_place(str(tmp_path / "backups"), "LRS_BACKUP_URL")
    (tmp_path / "backups" / "a").write_bytes(b"no folder")
    with pytest.raises(StoreUnavailable):
        place.put("a/one", b"")


@pytest.mark.parametrize("url", ["s3://", "gs://bucket", "file:///tmp/x"])
def test_what_is_no_place_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(InvalidRequest, match="LRS_BACKUP_URL"):
        open_place(url, "LRS_BACKUP_URL")


def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match="LRS_BACKUP_URL"):
        open_place(str(tmp_path / "file" / "below"), "LRS_BACKUP_URL")


# --- seals ---------------------------------------------------------------------------------------------------


def sealed(data: bytes = b"sixteen bytes...") -> bytes:
    return AgeRecipients([str(OTHER.to_public()), str(IDENTITY.to_public())]).encrypt(data)


@pytest.mark.parametrize("identity", [IDENTITY, OTHER])
def test_every_recipient_opens_it(identity: pyrage.x25519.Identity) -> None:
    assert AgeIdentities([str(identity)]).decrypt(sealed(), bytes_max=16) == b"sixteen bytes..."


def test_nobody_else_does() -> None:
    stranger = pyrage.x25519.Identity.generate()
    with pytest.raises(BackupInvalid, match="another identity"):
        AgeIdentities([str(stranger)]).decrypt(sealed(), bytes_max=16)


def test_what_opens_to_more_than_it_may_is_not_opened() -> None:
    with pytest.raises(BackupInvalid, match="more than it may"):
        AgeIdentities([str(IDENTITY)]).decrypt(sealed(), bytes_max=15)


@given(st.booleans(), st.integers(0, 2**16), st.integers(0, 7))
def test_what_was_cut_or_altered_does_not_open(cut: bool, at: int, bit: int) -> None:
    whole = sealed()  # of another length each time
    at %= len(whole)
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    with pytest.raises(BackupInvalid):
        AgeIdentities([str(IDENTITY)]).decrypt(damaged, bytes_max=BYTES_MAX)


def test_what_was_sealed_without_our_compression_does_not_open() -> None:
    foreign = pyrage.encrypt(b"no frame", [IDENTITY.to_public()])
    with pytest.raises(BackupInvalid):
        AgeIdentities([str(IDENTITY)]).decrypt(foreign, bytes_max=BYTES_MAX)


def test_identities_are_read_as_their_tool_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_text(f"# created: 2026-11-25\n# public key: {IDENTITY.to_public()}\n{IDENTITY}\n\n")
    assert AgeIdentities.read(file).decrypt(sealed(), bytes_max=16) == b"sixteen bytes..."


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"AGE-SECRET-KEY-1\n", b"\xff\xfe"])
def test_a_file_without_identities_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "identity").write_bytes(content)
    with pytest.raises(InvalidRequest, match="identity file"):
        AgeIdentities.read(tmp_path / "identity")


def test_a_missing_identity_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="identity file"):
        AgeIdentities.read(tmp_path / "identity")


@pytest.mark.parametrize("recipients", [[], ["age1"], [str(IDENTITY)]])
def test_recipients_that_are_none_are_refused(recipients: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="LRS_BACKUP_RECIPIENTS"):
        AgeRecipients(recipients)
