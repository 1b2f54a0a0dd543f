"""A tenant with a log of hashes for tests: small, but with more than one tile, and every kind of event."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx2

from lrs.adapters.signatures import verify
from lrs.bootstrap import System
from lrs.domain import merkle
from lrs.domain.generations import GenerationStarted
from lrs.domain.notes import Checkpoint, open_note
from lrs.domain.tiles import HEIGHT, WIDTH
from lrs.notary.notary import Notary
from lrs.notary.verifying import Verified
from lrs.notary.walking import Bad
from lrs.ports import TenantStore
from tests.parts import attachment, body_of, content_type, part, statements_part
from tests.places import tenant_changes, vault_rows
from tests.subjects import ADA, ALAN, COURSE, GRACE, Inside, agent, exchange, inside, statement

# The tables, and by which columns a row is found, and where they are.
KEYS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "event": (("position",), (0,)),
    "head": (("one",), (0,)),
    "tile": (("level", "number"), (0, 1)),
    "checkpoint": (("size",), (0,)),
    "tracking": (("application_name",), (0,)),
    "blob": (("name", "statement"), (0, 1)),
}
FIRST_HEAD = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class SetClock:
    """A clock that shows what it was set to."""

    time: datetime

    def now(self) -> datetime:
        """The time that was set."""
        return self.time


@dataclass
class Logged:
    """A tenant whose log is signed, and what somebody with the database can do to it."""

    acme: Inside
    kept: Rows = field(default_factory=dict)
    kept_head: tuple[Any, ...] = ()

    @property
    def system(self) -> System:
        """The system."""
        return self.acme.system

    @property
    def store(self) -> TenantStore:
        """The tenant's."""
        return self.system.tenants.store(self.acme.tenant)

    @property
    def size(self) -> int:
        """Of the newest signed head."""
        return self.store.tree.state().size

    def notary(self, at: datetime) -> Notary:
        """One that signs at another time."""
        return replace(self.system.notary, clock=SetClock(at))

    def sign(self) -> str:
        """Catch up; the newest head."""
        self.system.notary.catch_up(self.store)
        head = self.store.tree.state().signed
        assert head is not None
        return head.note

    def verified(self, **more: Any) -> Verified:
        """What verifying finds."""
        return self.system.verifier.run(self.store, **more)

    def bad(self, **more: Any) -> Bad | None:
        """The first bad position that it finds."""
        return self.verified(**more).bad

    def edit(self, sql: str, *values: Any) -> None:
        """Change the tenant's database, as somebody who can write it."""
        self.acme.rows(sql, *values)

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row."""
        return self.acme.rows(sql, *values)[0][0]

    def state(self, position: int) -> bytes:
        """The state of the event there."""
        return cast("bytes", self.value("SELECT state FROM event WHERE position = ?", position))

    def flip(self, position: int, at: int = -1) -> None:
        """Change a bit of the state of the event there."""
        state = bytearray(self.state(position))
        state[at] ^= 1
        self.edit("UPDATE event SET state = ? WHERE position = ?", bytes(state), position)

    def set_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Put other hashes in a tile."""
        self.edit("UPDATE tile SET hashes = ? WHERE level = ? AND number = ?", hashes, level, number)

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile."""
        sql = "SELECT hashes FROM tile WHERE level = ? AND number = ?"
        return cast("bytes", self.value(sql, level, number))

    def position_of(self, topic: str) -> int:
        """Where the first event of a topic is."""
        return int(self.value("SELECT min(position) FROM event WHERE topic = ?", topic))

    def change(self, *changes: tuple[str, Sequence[Any]]) -> None:
        """Make several changes at once."""
        tenant_changes(self.system.settings, self.acme.tenant, changes)

    def keep(self) -> None:
        """Keep the tables as they are now."""
        self.kept = {table: self.acme.rows(f"SELECT * FROM {table}") for table in KEYS}
        self.kept_head = self.in_vault("SELECT * FROM signed_head WHERE tenant = ?", self.acme.tenant)[0]

    def in_vault(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read or change the vault's database, as somebody who can write that, too."""
        return vault_rows(self.system.settings, sql, values)

    def put_back(self) -> None:
        """The tables as they were kept; what differs is written again."""
        changes: list[tuple[str, Sequence[Any]]] = []
        for table, (columns, of_row) in KEYS.items():
            now, before = set(self.acme.rows(f"SELECT * FROM {table}")), set(self.kept[table])
            where = " AND ".join(f"{column} = ?" for column in columns)
            changes += [(f"DELETE FROM {table} WHERE {where}", [one[at] for at in of_row]) for one in now - before]
            changes += [(f"INSERT INTO {table} VALUES ({','.join('?' * len(one))})", one) for one in before - now]
        last = max(row[0] for row in self.kept["event"])
        changes += [(f"DELETE FROM {table} WHERE position > ?", [last]) for table in ("statement", "term")]
        self.change(*changes, ("DELETE FROM alarm", []))
        self.in_vault("DELETE FROM signed_head WHERE tenant = ?", self.acme.tenant)
        self.in_vault("INSERT INTO signed_head VALUES (?,?,?,?,?)", *self.kept_head)


def logged(system: System, tenant: str) -> Logged:
    """A tenant with 300 events and more of every kind; somebody of it erased. Two heads are kept: one of the first
    100 events, and an hour later one of all."""
    acme = inside(system, tenant)
    made = Logged(acme)
    acme.post(*[statement(who) for who in (ADA, GRACE, ALAN)])
    signature = statement(GRACE, attachments=[attachment(b"file"), attachment(b"other")])
    body = body_of(statements_part(signature), part(b"file"), part(b"other"))
    acme.http.post("/xapi/statements", content=body, headers=content_type()).raise_for_status()
    acme.ask_model(exchange(ADA), exchange(GRACE))
    profile = {"activityId": COURSE, "profileId": "layout"}
    acme.http.post("/xapi/activities/profile", params=profile, json={"page": 1}).raise_for_status()
    acme.http.delete("/xapi/activities/profile", params=profile).raise_for_status()
    acme.post(statement(agent("dora"), context={"instructor": ADA}))
    acme.ran("erase", agent("dora"), reason="she asked")
    acme.post(*[statement(ADA) for _ in range(120)])
    replace(made.notary(FIRST_HEAD), batch_leaves=100).step(made.store)
    acme.post(*[statement(GRACE) for _ in range(180)])
    made.notary(FIRST_HEAD + timedelta(hours=1)).catch_up(made.store)
    assert made.store.tree.heads()[0].size == 100
    assert made.size > WIDTH
    made.keep()
    return made


# --- somebody outside ----------------------------------------------------------------------------------------


class Caught(AssertionError):
    """The log is not the one that it was."""


@dataclass
class Witness:
    """Follows a log over HTTP with nothing but the tenant's public key, and believes nothing else."""

    http: httpx2.Client
    public_key: bytes
    seen: Checkpoint | None = None

    def follow(self) -> Checkpoint:
        """Take the newest head, if it is signed and its log begins with the one that was seen before. Caught."""
        head = open_note(self._get("/admin/log/head").text, self.public_key, verify)
        if self.seen is not None and self.seen.size:
            if head.size < self.seen.size:
                raise Caught("the log became shorter")
            asked = {"from": self.seen.size, "to": head.size}
            proof = self._hashes(self._get("/admin/log/proof/consistency", **asked).json()["proof"])
            if not merkle.is_consistent(self.seen.size, head.size, self.seen.root, head.root, proof):
                raise Caught("the log was rewritten")
        self.seen = head
        return head

    def check_included(self, position: int, leaf: bytes) -> None:
        """The leaf is in the newest head. Caught."""
        answer = self._get("/admin/log/proof/inclusion", position=position).json()
        head = open_note(answer["note"], self.public_key, verify)
        proof = self._hashes(answer["proof"])
        if not merkle.is_included(leaf, position - 1, head.size, proof, head.root):
            raise Caught("the event is not in the log")

    def leaves(self) -> list[bytes]:
        """Every leaf of the head that was seen, out of tiles. Caught when they do not have its root."""
        assert self.seen is not None
        hashes = b""
        for number in range((self.seen.size + WIDTH - 1) >> HEIGHT):
            hashes += self._get(f"/admin/log/tile/0/{number}").content
        found = [hashes[at : at + 32] for at in range(0, self.seen.size * 32, 32)]
        if merkle.root(self.seen.size, merkle.subtree_of(found)) != self.seen.root:
            raise Caught("the tiles are not those of the head")
        return found

    def _get(self, path: str, **parameters: Any) -> httpx2.Response:
        return self.http.get(path, params=parameters).raise_for_status()

    @staticmethod
    def _hashes(texts: Sequence[str]) -> list[bytes]:
        return [base64.b64decode(one) for one in texts]


def start_event(
    generation: int, position: int, size: int | None = None, root: bytes | None = None
) -> GenerationStarted:
    """The first event of a restored log."""
    return GenerationStarted(UUID(int=7), 1, generation, position, None, size, root)


def stream_of(text: str) -> bytes:
    """The bytes of an id."""
    return UUID(text).bytes
