"""A real S3 over HTTP that is not Amazon's: moto's server, and buckets in it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx2
from moto.server import ThreadedMotoServer

AWS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}
_HEADERS = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/eu-central-1/s3/aws4_request"}
_BUCKET = (
    "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>"
)
_VERSIONED = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def new_bucket(address: str, *, versioned: bool = False) -> str:
    """The name of a new bucket."""
    name = f"b{uuid4().hex}"
    httpx2.put(f"{address}/{name}", content=_BUCKET, headers=_HEADERS).raise_for_status()
    if versioned:
        httpx2.put(f"{address}/{name}?versioning", content=_VERSIONED, headers=_HEADERS).raise_for_status()
    return name
