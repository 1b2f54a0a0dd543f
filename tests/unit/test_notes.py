"""Heads as signed notes: the published example opens, what we sign opens, and nothing else does."""

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lrs.adapters.signatures import verify
from lrs.domain.notes import (
    NOTE_BYTES_MAX,
    Checkpoint,
    NoteInvalid,
    key_id,
    open_note,
    origin_of,
    signed_text,
    verifier_key,
)

# The example of the signed-note specification's reference implementation.
NAME = "PeterNeumann"
VERIFIER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
LINE = f"\u2014 PeterNeumann {SIGNATURE}\n"
THEIRS = base64.b64decode(VERIFIER_KEY.split("+", 2)[2])[1:]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ROOT = sha256(b"root").digest()
HEAD = Checkpoint("lrs.example.org/acme/1", 20_852_163, ROOT)
NOTE = HEAD.signed(KEY.sign, PUBLIC)


def test_the_published_note_opens_under_the_published_key() -> None:
    assert verifier_key(NAME, THEIRS) == VERIFIER_KEY
    assert key_id(NAME, THEIRS).hex() == "c74f20a3"
    assert signed_text(f"{TEXT}\n{LINE}", NAME, THEIRS, verify) == TEXT
    for altered in (TEXT.replace("cryptography", "cryptographY"), TEXT + "\n", TEXT[:-1]):
        with pytest.raises(NoteInvalid):
            signed_text(f"{altered}\n{LINE}", NAME, THEIRS, verify)


def test_a_head_is_an_origin_a_size_a_root_and_a_signature() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == ["lrs.example.org/acme/1", "20852163", base64.b64encode(ROOT).decode(), ""]
    assert lines[4].startswith("\u2014 lrs.example.org/acme/1 ")
    assert lines[5:] == [""]
    assert open_note(NOTE, PUBLIC, verify) == HEAD
    assert (HEAD.tenant, HEAD.generation) == ("acme", "1")
    assert Checkpoint("odd", 1, ROOT).tenant == ""


def test_lines_of_witnesses_and_of_other_keys_are_passed_over() -> None:
    other = Ed25519PrivateKey.generate()
    theirs = HEAD.signed(other.sign, other.public_key().public_bytes_raw()).rpartition("\n\n")[2]
    text, _, ours = NOTE.rpartition("\n\n")
    for signatures in (theirs + ours, ours + theirs, LINE + ours, ours + "\u2014 x y\n"):
        assert open_note(f"{text}\n\n{signatures}", PUBLIC, verify) == HEAD
    for signatures in (theirs, LINE, "\u2014 lrs.example.org/acme/1 no-base64\n"):
        with pytest.raises(NoteInvalid):
            open_note(f"{text}\n\n{signatures}", PUBLIC, verify)


def test_no_letter_of_a_note_can_be_changed() -> None:
    for at, letter in enumerate(NOTE[:-1]):
        altered = NOTE[:at] + ("b" if letter != "b" else "c") + NOTE[at + 1 :]
        with pytest.raises(NoteInvalid):
            open_note(altered, PUBLIC, verify)


@pytest.mark.parametrize("size", ["", "-1", "01", "1.0", "\u0661", str(2**63), "9" * 5_000, "1 "])
def test_a_size_is_a_number_in_its_one_form(size: str) -> None:
    with pytest.raises(NoteInvalid, match="size"):
        Checkpoint.parse(f"origin\n{size}\n{base64.b64encode(ROOT).decode()}\n")


@pytest.mark.parametrize("root", ["", "AAAA", "\u00e4" * 44, "-" * 44, base64.b64encode(ROOT).decode() + "="])
def test_a_root_is_32_bytes(root: str) -> None:
    with pytest.raises(NoteInvalid, match="root"):
        Checkpoint.parse(f"origin\n1\n{root}\n")


@pytest.mark.parametrize("text", ["", "origin\n", "origin\n1\n", "\n1\nroot\n", "origin\n1\nroot"])
def test_less_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteInvalid):
        Checkpoint.parse(text)


def test_further_lines_are_allowed_and_an_empty_log_has_a_head() -> None:
    encoded = base64.b64encode(ROOT).decode()
    assert Checkpoint.parse(f"origin\n0\n{encoded}\nmore\n") == Checkpoint("origin", 0, ROOT)


@pytest.mark.parametrize("note", ["", "a\n", "a\nb\n", NOTE + "x" * NOTE_BYTES_MAX, "\ud800\n\n" + NOTE])
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(NoteInvalid):
        open_note(note, PUBLIC, verify)


def test_a_text_that_can_not_be_encoded_is_not_signed() -> None:
    text, _, lines = NOTE.rpartition("\n\n")
    with pytest.raises(NoteInvalid):
        open_note(f"{text}\n\ud800\n\n{lines}", PUBLIC, verify)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://lrs.example.org", "lrs.example.org/acme/2"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080/acme/2"),
        ("https://user:secret@lrs.example.org/base?x", "lrs.example.org/acme/2"),
        ("nowhere", "localhost/acme/2"),
    ],
)
def test_an_origin_names_host_tenant_and_generation(url: str, origin: str) -> None:
    assert origin_of(url, "acme", 2) == origin
