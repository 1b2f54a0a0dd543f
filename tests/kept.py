"""Documents for tests: each of the three resources, asked in the same words, of a person and an activity that no
other test has."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx2

from tests.subjects import Inside, Json, agent

REGISTRATION = "5b7a7c1e-0d52-4a7c-9a3e-4f3f8d1f6a01"
BASES = ("/xapi", "/xapi/1.0.3")
VERSIONS = ("1.0.3", "2.0.0")


@dataclass(frozen=True)
class Resource:
    """One document resource: its path, what names a context, and what names a document there."""

    path: str
    id: str
    context: Mapping[str, str] = field(default_factory=dict)
    base: str = "/xapi"
    version: str = "1.0.3"

    def at(self, base: str, version: str) -> "Resource":
        """The same under a base path, in a version."""
        return replace(self, base=base, version=version)

    def of(self, **context: str) -> "Resource":
        """The same of another context."""
        return replace(self, context={**self.context, **context})

    @property
    def is_state(self) -> bool:
        """Whether it is the State Resource."""
        return self.path == "/activities/state"

    def ask(
        self,
        http: httpx2.Client,
        method: str,
        document_id: str | None = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """One request; JSON, where nothing else is said of what is sent."""
        names = {**self.context, **({} if document_id is None else {self.id: document_id}), **(more or {})}
        sent = {"X-Experience-API-Version": self.version}
        if content is not None:
            sent["Content-Type"] = "application/json"
        return http.request(
            method, f"{self.base}{self.path}", params=names, content=content, headers={**sent, **(headers or {})}
        )

    def put(self, http: httpx2.Client, document_id: str, content: Any, **headers: str) -> httpx2.Response:
        """Store a document; without a header as one that is not there yet."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(
            http, "PUT", document_id, content=as_bytes(content), headers=named or {"If-None-Match": "*"}
        )

    def post(self, http: httpx2.Client, document_id: str, content: Any, **headers: str) -> httpx2.Response:
        """Store or merge a document."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(http, "POST", document_id, content=as_bytes(content), headers=named)

    def get(self, http: httpx2.Client, document_id: str, **headers: str) -> httpx2.Response:
        """Read a document."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(http, "GET", document_id, headers=named)

    def ids(self, http: httpx2.Client, **more: str) -> list[str]:
        """The ids of the context's documents."""
        answer = self.ask(http, "GET", more=more)
        assert answer.status_code == 200, answer.text
        found: list[str] = answer.json()
        return found

    def delete(self, http: httpx2.Client, document_id: str | None = None, **headers: str) -> httpx2.Response:
        """Delete a document, or all."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(http, "DELETE", document_id, headers=named)


def as_bytes(content: Any) -> bytes:
    """What is sent: bytes as they are, all else as JSON."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def names(who: Json) -> str:
    """An agent as a parameter."""
    return json.dumps(who)


KINDS = ("state", "session", "agent", "activity")


class Kept:
    """A person and an activity of a tenant, with their documents."""

    def __init__(self, acme: Inside) -> None:
        self.acme = acme
        self.system = acme.system
        self.http = acme.http
        self.who: Json = agent(f"ada-{uuid4().hex}")
        self.course = f"https://course.example.org/{uuid4()}"
        self.state = Resource(
            "/activities/state", "stateId", {"activityId": self.course, "agent": names(self.who)}
        )
        self.agent = Resource("/agents/profile", "profileId", {"agent": names(self.who)})
        self.activity = Resource("/activities/profile", "profileId", {"activityId": self.course})
        self.session = self.state.of(registration=REGISTRATION)

    def __getitem__(self, kind: str) -> Resource:
        """A resource by its kind; a session is state in a registration."""
        resource: Resource = getattr(self, kind)
        return resource
