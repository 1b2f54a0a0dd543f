"""Bodies in parts, made by hand as a client would, and taken apart by the standard library's mail parser."""

import base64
import hashlib
import json
from email import message_from_bytes
from email.message import Message
from typing import Any, cast

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from lrs.domain.statements import SIGNATURE

Json = dict[str, Any]
BOUNDARY = "abcABC0123'()+_,-./:=?"
CERTIFICATE_USAGE = "http://example.com/attachment-usage/certificate"


def attachment(data: bytes, content_type: str = "text/plain; charset=utf-8", **more: Any) -> Json:
    """What a statement says of a file."""
    made = {
        "usageType": CERTIFICATE_USAGE,
        "display": {"en": "a file"},
        "contentType": content_type,
        "length": len(data),
        "sha2": hashlib.sha256(data).hexdigest(),
    }
    return made | more


def part(data: bytes, content_type: str = "text/plain; charset=utf-8", **headers: str | None) -> bytes:
    """A file as a part; a header of None is left out, an underscore is a hyphen."""
    sent: dict[str, str | None] = {
        "Content-Type": content_type,
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": hashlib.sha256(data).hexdigest(),
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}\r\n" for name, value in sent.items() if value is not None]
    return "".join(lines).encode() + b"\r\n" + data


def statements_part(content: Any) -> bytes:
    """The first part."""
    return b"Content-Type: application/json\r\n\r\n" + json.dumps(content).encode()


def body_of(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """The whole body."""
    line = f"--{boundary}".encode()
    return b"\r\n".join([piece for one in parts for piece in (line, one)] + [line + b"--\r\n"])


def content_type(boundary: str = BOUNDARY) -> dict[str, str]:
    """The header of such a body."""
    return {"Content-Type": f'multipart/mixed; boundary="{boundary}"'}


def taken_apart(answer: httpx2.Response) -> tuple[Any, dict[str, tuple[str, bytes]]]:
    """An answer's JSON, and its files (media type, content) by hash."""
    said = answer.headers["Content-Type"]
    assert said.startswith("multipart/mixed; boundary="), said
    assert '"' not in said
    message = message_from_bytes(b"Content-Type: " + said.encode() + b"\r\n\r\n" + answer.content)
    first, *rest = cast("list[Message]", message.get_payload())
    assert first["Content-Type"] == "application/json"
    files = {}
    for one in rest:
        assert one["Content-Transfer-Encoding"] == "binary"
        data = cast("bytes", one.get_payload(decode=True))
        assert int(one["Content-Length"]) == len(data)
        files[one["X-Experience-API-Hash"]] = (one["Content-Type"], data)
    return json.loads(cast("bytes", first.get_payload(decode=True))), files


# --- signatures ----------------------------------------------------------------------------------------------


def encoded(data: bytes) -> bytes:
    """base64url without padding, as in RFC 7515."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(key: rsa.RSAPrivateKey, payload: bytes, algorithm: str = "RS256", **header: Any) -> bytes:
    """A JSON web signature in compact form."""
    said = json.dumps({"alg": algorithm} | header).encode()
    signing = encoded(said) + b"." + encoded(payload)
    hashed = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}.get(algorithm)
    signed = key.sign(signing, padding.PKCS1v15(), hashed) if hashed else b"\0"
    return signing + b"." + encoded(signed)


def x5c(*certificates: x509.Certificate) -> list[str]:
    """A chain as a header has it."""
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in certificates]


def signature(data: bytes) -> Json:
    """What a statement says of its signature."""
    return attachment(data, "application/octet-stream", usageType=SIGNATURE)


def signature_part(data: bytes) -> bytes:
    """A signature as a part."""
    return part(data, "application/octet-stream")
