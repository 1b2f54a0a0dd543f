"""Whatever is put, posted, deleted and erased in whatever order: the document resources answer as a dict would.

The dict knows nothing of events, seals or indexes; the rules of what may be written over what are in it a second
time, in other words. Short as it runs here; ``-m full`` runs it for long, on both stores.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from lrs.bootstrap import System, build
from lrs.domain.documents import etag_of
from tests.kept import KINDS, Kept, names
from tests.places import STORES, new_place
from tests.postgres import Databases
from tests.subjects import TENANT, Inside, Json, agent, inside

PEOPLE = ("ada", "grace")
IDS = st.sampled_from(["one", "two", ""])
VERSIONS = st.sampled_from(["1.0.3", "2.0.0"])
BODIES = st.sampled_from(
    [b"", b"{}", b'{"a":1}', b'{"b":{"c":[2.50]}}', b'{"a":"\xc3\xa9","b":null}', b"[1]", b'{"a":', b"\x00\xff"]
)
TYPES = st.sampled_from(["application/json", "application/json", "application/json; charset=utf-8", "text/plain"])
CONDITIONS = st.sampled_from(["none", "none", "none", "any", "new", "same", "other", "not-same"])
Key = tuple[str, str, str]  # kind, person ("" for an activity's), id
Stored = tuple[str, bytes]


def headers_for(condition: str, there: Stored | None) -> dict[str, str]:
    """The precondition as a client would send it, who has seen what is there."""
    same = etag_of(there[1]) if there else etag_of(b"never there")
    return {
        "none": {},
        "any": {"If-Match": "*"},
        "new": {"If-None-Match": "*"},
        "same": {"If-Match": same},
        "other": {"If-Match": etag_of(b"never there")},
        "not-same": {"If-None-Match": same},
    }[condition]


def holds(condition: str, there: Stored | None) -> bool:
    """Whether it holds."""
    return {
        "none": True,
        "any": there is not None,
        "new": there is None,
        "same": there is not None,
        "other": False,
        "not-same": there is None,
    }[condition]


def as_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object, or None."""
    try:
        value = json.loads(data.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode())
    except ValueError:
        return False
    return True


class Documents(RuleBasedStateMachine):
    """A dict beside a system. Every example has people and activities of its own."""

    acme: Inside

    @initialize()
    def begin(self) -> None:
        self.kept = Kept(self.acme)
        self.people = {name: agent(f"{name}-{self.kept.course[-12:]}") for name in PEOPLE}
        self.model: dict[Key, Stored] = {}
        self.erased = 0

    def ask(self, method: str, kind: str, person: str, document_id: str | None, **more: Any) -> httpx2.Response:
        resource = self.kept[kind]
        if kind != "activity":
            resource = resource.of(agent=names(self.people[person]))
        return resource.at("/xapi", more.pop("version", "1.0.3")).ask(self.kept.http, method, document_id, **more)

    @rule(
        method=st.sampled_from(["PUT", "POST"]),
        kind=st.sampled_from(KINDS),
        person=st.sampled_from(PEOPLE),
        document_id=IDS,
        version=VERSIONS,
        condition=CONDITIONS,
        body=BODIES,
        content_type=TYPES,
    )
    def store(
        self,
        method: str,
        kind: str,
        person: str,
        document_id: str,
        version: str,
        condition: str,
        body: bytes,
        content_type: str,
    ) -> None:
        """PUT or POST."""
        key = (kind, person if kind != "activity" else "", document_id)
        there = self.model.get(key)
        headers = headers_for(condition, there) | {"Content-Type": content_type}
        answer = self.ask(method, kind, person, document_id, version=version, content=body, headers=headers)
        expected, left = self.expected(method, key, version, condition, (content_type, body))
        assert answer.status_code == expected, (answer.status_code, answer.text)
        if expected == 204:
            stored = self.ask("GET", kind, person, document_id)
            assert stored.status_code == 200
            self.model[key] = (stored.headers["content-type"], stored.content)
            assert stored.headers["content-type"] == content_type
            if isinstance(left, bytes):
                assert stored.content == left
            else:
                assert json.loads(stored.content) == left

    def expected(
        self, method: str, key: Key, version: str, condition: str, sent: Stored
    ) -> tuple[int, bytes | Json]:
        """The status, and what should be there then."""
        there, (content_type, body) = self.model.get(key), sent
        if key[2] == "":
            return 400, b""
        if not holds(condition, there):
            return 412, b""
        if method == "PUT":
            return self.bare_put(key[0], version, there) if condition == "none" else 204, body
        if there is None:
            return (400 if "json" in content_type and not is_json(body) else 204), body
        objects = as_object(there[1]), as_object(body)
        if "json" not in content_type or "json" not in there[0] or None in objects:
            return 400, b""
        return 204, {**(objects[0] or {}), **(objects[1] or {})}

    @staticmethod
    def bare_put(kind: str, version: str, there: Stored | None) -> int:
        """A PUT without a precondition."""
        if there is None:
            return 400 if version == "1.0.3" and kind in {"agent", "activity"} else 204
        return 204 if version == "1.0.3" and kind in {"state", "session"} else 409

    @rule(kind=st.sampled_from(KINDS), person=st.sampled_from(PEOPLE), document_id=IDS, condition=CONDITIONS)
    def delete(self, kind: str, person: str, document_id: str, condition: str) -> None:
        """DELETE one."""
        key = (kind, person if kind != "activity" else "", document_id)
        there = self.model.get(key)
        answer = self.ask("DELETE", kind, person, document_id, headers=headers_for(condition, there))
        if document_id == "":
            assert answer.status_code == 400
        elif holds(condition, there):
            assert answer.status_code == 204
            self.model.pop(key, None)
        else:
            assert answer.status_code == 412

    @rule(kind=st.sampled_from(["state", "session"]), person=st.sampled_from(PEOPLE))
    def delete_all(self, kind: str, person: str) -> None:
        """DELETE without an id: of a registration, or of all."""
        assert self.ask("DELETE", kind, person, None).status_code == 204
        kinds = {"session"} if kind == "session" else {"state", "session"}
        self.model = {
            key: value for key, value in self.model.items() if not (key[0] in kinds and key[1] == person)
        }

    @rule(person=st.sampled_from(PEOPLE))
    def erase(self, person: str) -> None:
        """Erase a person, a few times in all."""
        if self.erased < 2:
            self.erased += 1
            self.acme.ran("erase", self.people[person])
            self.model = {key: value for key, value in self.model.items() if key[1] != person}

    @invariant()
    def every_document_is_as_it_was_left(self) -> None:
        """One by one, and in the lists."""
        if not hasattr(self, "model"):
            return
        for kind in KINDS:
            for person in PEOPLE if kind != "activity" else ("",):
                asked = person or PEOPLE[0]
                there = {key[2]: value for key, value in self.model.items() if key[:2] == (kind, person)}
                listed = set(there)
                if kind == "state":  # without a registration all are listed
                    listed |= {key[2] for key in self.model if key[:2] == ("session", person)}
                assert set(self.ask("GET", kind, asked, None).json()) == listed
                for document_id in ("one", "two"):
                    answer = self.ask("GET", kind, asked, document_id)
                    if document_id not in there:
                        assert answer.status_code == 404
                        continue
                    content_type, data = there[document_id]
                    assert (answer.headers["content-type"], answer.content) == (content_type, data)
                    assert answer.headers["etag"] == etag_of(data)


@pytest.fixture(params=STORES)
def acme(request: pytest.FixtureRequest, tmp_path: Path, postgres: Callable[[], Databases]) -> Iterator[Inside]:
    """A tenant for all examples of a run."""
    made: System = build(new_place(request.param, tmp_path / "data", postgres))
    made.tenants.create(TENANT)
    yield inside(made)
    made.close()


def run(acme: Inside, examples: int, steps: int) -> None:
    """The machine over this tenant."""
    machine: type[RuleBasedStateMachine] = type("Machine", (Documents,), {"acme": acme})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks
        ),
    )


def test_documents_answer_as_a_dict_would(acme: Inside) -> None:
    run(acme, 6, 12)


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_documents_answer_as_a_dict_would_for_long(acme: Inside) -> None:
    run(acme, 150, 50)
