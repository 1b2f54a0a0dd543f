"""A server that speaks the transit API of HashiCorp Vault over HTTP, with real keys, for tests."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "s.test"
Answer = tuple[int, Any]


@dataclass
class Key:
    """A transit key."""

    cipher: AESGCM
    deletion_allowed: bool = False


@dataclass
class TransitServer:
    """What it holds, and how it behaves."""

    url: str = ""
    keys: dict[str, Key] = field(default_factory=dict)
    token: str = TOKEN
    says: Answer | None = None  # to everything
    keeps_deleted: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, token: str | None, body: Any) -> Answer:
        """As the documentation says."""
        self.asked.append((method, path))
        if self.says is not None:
            return self.says
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        prefix, _, rest = path.partition("/v1/transit/")
        kind, _, name = rest.partition("/")
        if prefix or kind not in {"keys", "encrypt", "decrypt"}:
            return 404, {"errors": ["no handler for route"]}
        return getattr(self, f"_{kind}")(method, name, body)  # type: ignore[no-any-return]

    def _keys(self, method: str, name: str, body: Any) -> Answer:
        name, _, config = name.partition("/")
        if method == "POST" and not config:
            if body.get("type") != "aes256-gcm96" or body.get("exportable") or body.get("allow_plaintext_backup"):
                return 400, {"errors": ["not such a key"]}
            self.keys.setdefault(name, Key(AESGCM(os.urandom(32))))
            return 200, {"data": {"name": name}}
        if name not in self.keys:
            return (404, {"errors": []}) if method == "GET" else (400, {"errors": ["no existing key named that"]})
        if config == "config":
            self.keys[name].deletion_allowed = body["deletion_allowed"]
            return 200, {"data": {"name": name}}
        if method == "DELETE":
            if not self.keys[name].deletion_allowed:
                return 400, {"errors": ["deletion is not allowed for this key"]}
            if not self.keeps_deleted:
                del self.keys[name]
            return 204, None
        return 200, {"data": {"name": name, "deletion_allowed": self.keys[name].deletion_allowed}}

    def _encrypt(self, _method: str, name: str, body: Any) -> Answer:
        nonce = os.urandom(12)
        sealed = nonce + self.keys[name].cipher.encrypt(nonce, base64.b64decode(body["plaintext"]), None)
        return 200, {"data": {"ciphertext": "vault:v1:" + base64.b64encode(sealed).decode()}}

    def _decrypt(self, _method: str, name: str, body: Any) -> Answer:
        if name not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        version, _, text = body["ciphertext"].rpartition(":")
        try:
            sealed = base64.b64decode(text, validate=True)
            plain = self.keys[name].cipher.decrypt(sealed[:12], sealed[12:], None)
        except (ValueError, InvalidTag):
            return 400, {"errors": ["cipher: message authentication failed"]}
        if version != "vault:v1":
            return 400, {"errors": ["invalid ciphertext: no prefix"]}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}


@contextmanager
def transit_server() -> Iterator[TransitServer]:
    """A running one."""
    state = TransitServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, content = state.answer(self.command, self.path, self.headers.get("X-Vault-Token"), body)
            data = (
                content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
