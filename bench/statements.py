"""The load: the cmi5 statements of ``lrs.demo`` with fresh ids, for as many learners as a run wants.

Statement ``n`` is the same bytes in every process, so that generator and readers need not exchange any. A round
is one month of forty learners, their instructor and two registrations; every round has its own. Ids are spread
like random ones, for their index is what inserts pay for.
"""

import functools
import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from lrs import demo

Json = dict[str, Any]

_NOW = datetime(2026, 3, 4, tzinfo=UTC)
# 30 months of forty are 1,200 learners and 50,000 templates, 90 MB: beyond, statements repeat with fresh ids.
_ROUNDS_MAX = 30


class Statements:
    """Statements by number. The same number is the same statement."""

    def __init__(self, rounds: int) -> None:
        self._templates = [one for number in range(rounds) for one in _round(number)]
        self._ends = [orjson.dumps(one)[1:] for one in self._templates]

    def __len__(self) -> int:
        return len(self._ends)

    def json(self, number: int) -> bytes:
        """The statement as it is sent."""
        return b'{"id":"' + statement_id(number).encode() + b'",' + self._ends[number % len(self._ends)]

    def content(self, number: int) -> Json:
        """The statement without its id. Not to be changed."""
        return self._templates[number % len(self._templates)]

    def newcomer(self, number: int) -> bytes:
        """The statement, by somebody who was never seen before."""
        agent = {"objectType": "Agent", "mbox": f"mailto:newcomer.{number}@example.org"}
        return orjson.dumps({"id": statement_id(number)} | self.content(number) | {"actor": agent})

    def one_of_each_learner(self) -> list[int]:
        """Numbers of statements that mention everybody: who sent them has nobody left to enrol."""
        first: dict[bytes, int] = {}
        for number, one in enumerate(self._templates):
            first.setdefault(orjson.dumps(one["actor"]), number)
        return list(first.values())


@functools.lru_cache(1)
def statements(wanted: int) -> Statements:
    """Enough different ones for a run of ``wanted``, within limits."""
    per_round = len(_round(0))
    return Statements(max(1, min(_ROUNDS_MAX, wanted // per_round)))


def statement_id(number: int) -> str:
    """The id of the statement of this number: a version 4 UUID by its looks."""
    digest = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16, person=b"lethe bench").digest()
    return str(UUID(bytes=digest, version=4))


def _round(number: int) -> list[Json]:
    return [_of_round(one, number) for one in demo.statements(_NOW, seed=demo.SEED + number)]


def _of_round(statement: Json, number: int) -> Json:
    """The statement with this round's own people and registrations, and without its id."""
    kept = {name: value for name, value in statement.items() if name != "id"}
    context = dict(kept["context"])
    context["registration"] = str(uuid5(NAMESPACE_URL, f"{context['registration']} {number}"))
    context["instructor"] = _renamed(context["instructor"], number)
    return kept | {"actor": _renamed(kept["actor"], number), "context": context}


def _renamed(agent: Json, number: int) -> Json:
    if "account" in agent:
        return agent | {"account": agent["account"] | {"name": f"{agent['account']['name']}-{number}"}}
    if "mbox" in agent:
        return agent | {"mbox": agent["mbox"].replace("@", f".{number}@")}
    digest = hashlib.sha1(f"{agent['mbox_sha1sum']} {number}".encode(), usedforsecurity=False).hexdigest()
    return agent | {"mbox_sha1sum": digest}
