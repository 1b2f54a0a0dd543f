"""Bodies in parts: whatever is put in comes out, however it is cut; whatever bytes arrive, the answer is clear."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.multipart import Intake, outgoing
from lrs.adapters.objects.blobs import open_blobs
from lrs.attachments import Attachment
from lrs.bootstrap import System, build
from lrs.domain.errors import LetheError
from lrs.ports import Kept
from tests.parts import BOUNDARY, attachment, body_of, content_type, part, statements_part
from tests.places import embedded
from tests.subjects import ADA, Inside, inside, statement

EXAMPLES = 60
EXAMPLES_FULL = 25_000
FILES = st.lists(
    st.binary(max_size=300) | st.sampled_from([b"\r\n", b"--", b"\r\n--x", b""]), max_size=4, unique=True
)
NOBODY = Kept(name=b"", key=b"", sha256=b"", size=0)  # type: ignore[arg-type]


def taken_in(folder: Path, body: bytes, boundary: str, cut: int) -> tuple[Any, dict[str, bytes]]:
    """The statements and the files of a body that came in pieces."""
    blobs = open_blobs(None, folder)
    with ExitStack() as files:
        intake = Intake(boundary, lambda content: content, blobs.spool, files)
        for start in range(0, len(body), cut):
            intake.feed(body[start : start + cut])
        received = intake.finish()
        kept = {name: spool.keep("acme") for name, spool in received.spools.items()}
    return received.content, {name: b"".join(blobs.read("acme", one)) for name, one in kept.items()}


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, st.integers(1, 500))
@example([b""], 1)
def test_what_is_put_in_comes_out_however_it_is_cut(tmp_path: Path, data: list[bytes], cut: int) -> None:
    said = [statement(ADA, attachments=[attachment(one) for one in data])]
    content, files = taken_in(tmp_path, body_of(statements_part(said), *map(part, data)), BOUNDARY, cut)
    assert content == said
    assert files == {hashlib.sha256(one).hexdigest(): one for one in data}


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, st.integers(1, 500))
def test_what_we_send_can_be_taken_in_again(tmp_path: Path, data: list[bytes], cut: int) -> None:
    said = [statement(ADA, attachments=[attachment(one) for one in data])]
    by_hash = {hashlib.sha256(one).hexdigest(): one for one in data}
    sent = [
        Attachment(ADA, sha2, "text/plain; charset=utf-8", len(one), NOBODY)  # type: ignore[arg-type]
        for sha2, one in by_hash.items()
    ]
    parts = outgoing(said, sent, lambda one: iter([by_hash[one.sha2]]))
    content, files = taken_in(tmp_path, b"".join(parts.pieces()), parts.boundary, cut)
    assert (content, files) == (said, by_hash)


# --- whatever bytes ------------------------------------------------------------------------------------------

GOOD = body_of(statements_part(statement(ADA, attachments=[attachment(b"file")])), part(b"file"))


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    system: System = build(embedded(tmp_path_factory.mktemp("multipart") / "data"))
    system.tenants.create("acme")
    yield inside(system)
    system.close()


PIECES = st.sampled_from(
    [
        *(f"--{BOUNDARY}{end}".encode() for end in ("", "--", "\r\n", "--\r\n")),
        *(b"\r\n", b"\n", b"\r", b":", b"--", b"\0", b"Content-Type: application/json\r\n\r\n", b"{}", b"[]"),
        *(b"X-Experience-API-Hash: ", b"Content-Length: 5\r\n", b"Content-Transfer-Encoding: base64\r\n"),
        *(json.dumps(statement(ADA)).encode(), GOOD[:80], GOOD[80:400], GOOD[400:]),
    ]
)
BODIES = st.lists(PIECES | st.binary(max_size=20), max_size=14).map(b"".join)


DAMAGED = st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=3), st.integers(0, 3)).map(
    lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + cut[2] :]
)


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(EXAMPLES_FULL, marks=pytest.mark.full)])
def test_any_bytes_get_a_clear_answer(acme: Inside, examples: int) -> None:
    @settings(max_examples=examples)
    @given(BODIES | DAMAGED)
    def check(body: bytes) -> None:
        answer = acme.http.post("/xapi/statements", content=body, headers=content_type())
        assert answer.status_code in {200, 400, 409, 413}, (answer.status_code, body)
        assert answer.headers["Content-Type"] == "application/json"

    check()


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=60).map(lambda text: f"multipart/mixed{text}".encode("latin-1", "replace")))
def test_any_content_type_gets_a_clear_answer(acme: Inside, said: bytes) -> None:
    header = said.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ").strip()
    answer = acme.http.post("/xapi/statements", content=GOOD, headers={b"Content-Type": header})
    assert answer.status_code == 400


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES, st.integers(1, 60))
def test_a_body_means_the_same_however_it_is_cut(tmp_path: Path, body: bytes, cut: int) -> None:
    def outcome(size: int) -> object:
        try:
            return taken_in(tmp_path, body, BOUNDARY, size)
        except (LetheError, AttributeError, TypeError, KeyError) as error:  # the check here checks nothing
            return type(error) if isinstance(error, LetheError) else "no statements"

    assert outcome(cut) == outcome(max(1, len(body)))
