"""Large attachments through a running service: they stream, in and out, and its memory stays what it was."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx2
import pytest

from tests.parts import BOUNDARY, attachment, content_type, statements_part
from tests.running import Service
from tests.subjects import ADA, statement

MEGABYTE = 1024 * 1024
# What the service may grow by while a file goes through it: a few pieces of a megabyte, in the parser, the seal,
# the storage library and the network. Measured: 25 to 34 MB, for 20 MB as for 200.
GROWTH_BYTES_MAX = 64 * MEGABYTE


def megabytes(count: int) -> Iterator[bytes]:
    """The same bytes each time, without two megabytes alike."""
    draw = Random(5)
    for _ in range(count):
        yield draw.randbytes(MEGABYTE)


def body(said: object, sha2: str, count: int) -> Iterator[bytes]:
    """Two parts, made while they are sent."""
    yield b"--" + BOUNDARY.encode() + b"\r\n" + statements_part(said)
    head = f"\r\n--{BOUNDARY}\r\nContent-Type: video/mp4\r\nContent-Transfer-Encoding: binary\r\n"
    yield head.encode() + f"X-Experience-API-Hash: {sha2}\r\n\r\n".encode()
    yield from megabytes(count)
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def most_memory(service: Service) -> int:
    """The most that the service's process has held so far."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def received(client: httpx2.Client, url: str) -> tuple[bytes, int]:
    """The hash and the size of an answer."""
    hashed, size = hashlib.sha256(), 0
    with client.stream("GET", url) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            hashed.update(piece)
            size += len(piece)
    return hashed.digest(), size


def check_a_broken_upload_leaves_nothing(service: Service, client: httpx2.Client) -> None:
    def half() -> Iterator[bytes]:
        said = statement(ADA, attachments=[attachment(b"x" * 9 * MEGABYTE, "video/mp4")])
        yield from list(body(said, said["attachments"][0]["sha2"], 5))[:-3]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        client.post("/xapi/statements", content=half(), headers=content_type())
    assert client.get("/xapi/statements").json()["statements"] == []
    assert not list((service.data_dir / "blobs").rglob("*"))
    assert not list((service.data_dir / "spool").iterdir())
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.full)])
def test_a_large_attachment_streams_and_memory_stays_bounded(service: Service, count: int) -> None:
    hashed = hashlib.sha256()
    for piece in megabytes(count):
        hashed.update(piece)
    with service.client(service.credential("acme")) as client:
        check_a_broken_upload_leaves_nothing(service, client)
        warm = statement(ADA, attachments=[attachment(b"", fileUrl="https://files.example.org/x")])
        for _ in range(3):
            small = b"\r\n".join((f"--{BOUNDARY}".encode(), statements_part(warm), f"--{BOUNDARY}--\r\n".encode()))
            client.post("/xapi/statements", content=small, headers=content_type()).raise_for_status()
            client.get("/xapi/statements?attachments=true").raise_for_status()
        before = most_memory(service)
        said = statement(ADA) | {
            "attachments": [
                attachment(b"", "video/mp4") | {"sha2": hashed.hexdigest(), "length": count * MEGABYTE}
            ]
        }
        answer = client.post(
            "/xapi/statements", content=body(said, hashed.hexdigest(), count), headers=content_type()
        )
        assert answer.status_code == 200, answer.text
        after_in = most_memory(service)
        url = f"/xapi/statements?statementId={said['id']}&attachments=true"
        _, size = received(client, url)
        after_out = most_memory(service)
        stored = client.get(f"/xapi/statements?statementId={said['id']}").json()
    assert size > count * MEGABYTE
    assert size < count * MEGABYTE + 2_000 + len(json.dumps(stored))
    assert after_in - before < GROWTH_BYTES_MAX
    assert after_out - before < GROWTH_BYTES_MAX
