"""Requests to the real ASGI application in this process: no socket, and a recorder that stores nothing.

What is left is routing, authentication, reading the body, checking, taking apart and answering.
"""

from collections.abc import Sequence
from typing import Any, cast

from starlette.types import Message

from api.app import create_app
from api.services import Services
from bench.load import Target
from lrs.bootstrap import System
from lrs.recording.groups import Submission
from lrs.recording.recorder import Recorder


class _Nowhere:
    """A recorder that has written at once."""

    def submit(self, _tenant: str, submissions: Sequence[Submission]) -> None:
        for one in submissions:
            one.succeed()


class Route:
    """POST /xapi/statements of the application."""

    def __init__(self, system: System, tenant: str) -> None:
        issued = system.credentials.issue(tenant, ["all"])
        self._app = create_app(
            Services(
                credentials=system.credentials,
                recorder=cast("Recorder", _Nowhere()),
                retriever=system.retriever,
                documents=system.documents,
                document_writer=system.document_writer,
                document_clearer=system.document_clearer,
                describer=system.describer,
                reporter=system.reporter,
                tenants=system.tenants,
                rights=system.rights,
                exporter=system.exporter,
                attached=system.attached,
                proofs=system.proofs,
                public_url=system.settings.public_url,
                ready=system.check_ready,
            )
        )
        head = Target("http://localhost", issued.row.key, issued.secret).head("POST", "/").decode()
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        self._headers = [(name.lower().encode(), value.encode()) for name, value in lines]

    async def post(self, body: bytes) -> None:
        """Send the body; AssertionError when the answer is not 200."""
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        answers: list[Message] = []

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            answers.append(message)

        await self._app(self._scope(), receive, send)
        assert answers[0]["status"] == 200, answers

    def _scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/xapi/statements",
            "raw_path": b"/xapi/statements",
            "root_path": "",
            "query_string": b"",
            "headers": self._headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
