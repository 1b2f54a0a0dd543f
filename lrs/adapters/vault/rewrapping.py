"""From one epoch to the next: every key is wrapped anew.

1. Tenants of which nothing was destroyed in the epoch: TK, IK, SK and RK go under the next epoch's key, no more.
2. All others get a new TK and a new IK; SK and RK stay, for what was made with them stands. Their data keys are
   unwrapped, checked against their ids and wrapped by the new TK; their directory rows are opened with the
   identity keys and their digests made with the new IK. Whoever has an old copy of the vault and every key of
   today then has nothing that opens it.
3. This is worked out from a snapshot, while everybody goes on (``prepare``). With the fence locked, what came
   since is worked out too, what went since is left out, and the rows are written (``write``).
4. A key that the ledger calls destroyed is not carried over, even if somebody put its row back.

A key that does not open stops it all: carried over it can not be, and the old epoch's key must live until somebody
has looked. What is prepared lies in memory, about 400 bytes a key.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from lrs.adapters.sql.database import Connection, Row, marks, parts
from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.checking import changed_tenants
from lrs.adapters.vault.reading import digest_of, directory_place
from lrs.adapters.vault.tenants import PEPPER, WRAPPING, new_key, unwrap_key, wrap_key
from lrs.domain.agents import Identifier
from lrs.domain.epochs import Rewrapped
from lrs.domain.errors import VaultRefused
from lrs.domain.sealing import Category

_ROWS: Final = 5_000
_KEY: Final = "subject, category, period, kid, wrapped"
_DAMAGED = "a key does not open: the epoch can not be closed before it is restored"


@dataclass(frozen=True, slots=True)
class Turn:
    """The two epochs' keys, and the ledger's last entry before the epoch."""

    epoch: int
    old: bytes
    new: bytes
    after: int


class TenantTurn:
    """One tenant's keys on their way. ``wrapped`` is the TK's row that they were found under."""

    def __init__(self, turn: Turn, tenant: str, wrapped: bytes) -> None:
        self.tenant = tenant
        self.wrapped = wrapped
        before = unwrap_key(turn.old, turn.epoch, tenant, WRAPPING, wrapped)
        self.fresh = {kind: new_key(kind) for kind in (WRAPPING, PEPPER)}
        self._before = wrapping.Wrapping(before)
        self._after = wrapping.Wrapping(self.fresh[WRAPPING])
        self._keys: dict[bytes, tuple[Any, ...]] = {}  # by kid
        self._dead: set[bytes] = set()  # put back after their destruction
        # By the digest before, and whom it led to: somebody who was erased meanwhile may have come again.
        self._directory: dict[tuple[bytes, bytes], tuple[Any, ...]] = {}

    def prepare(self, connection: Connection, heard: Callable[[int], None]) -> None:
        """Work out all that is there now."""
        identities: dict[bytes, envelope.DataKey] = {}
        for rows in self._pages(connection, "data_key", _KEY, ("subject", "category", "period")):
            identities |= self._rewrap(connection, rows)
            heard(len(rows))
        for rows in self._pages(connection, "directory", "digest, subject, kind, sealed", ("digest",)):
            self._readdress(rows, identities)

    def write(self, connection: Connection) -> tuple[int, int]:
        """Put what lives in its place, with the fence locked; how many keys, and how many identifiers."""
        named = (self.tenant,)
        keys = connection.execute("SELECT kid FROM data_key WHERE tenant = ?", named).fetchall()
        directory = connection.execute("SELECT digest, subject FROM directory WHERE tenant = ?", named).fetchall()
        kids, entries = {row[0] for row in keys}, {(row[0], row[1]) for row in directory}
        unknown = {digest for digest, _ in entries - self._directory.keys()}
        self._catch_up(connection, kids - self._keys.keys(), unknown)
        connection.executemany(
            "DELETE FROM data_key WHERE tenant = ? AND kid = ?", [(self.tenant, kid) for kid in self._dead]
        )
        living = [row for kid, row in self._keys.items() if kid in kids]
        connection.executemany(
            "INSERT INTO data_key VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, subject, category, period)"
            " DO UPDATE SET wrapped = excluded.wrapped",
            living,
        )
        known = [row for entry, row in self._directory.items() if entry in entries]
        connection.execute("DELETE FROM directory WHERE tenant = ?", (self.tenant,))
        connection.executemany("INSERT INTO directory VALUES (?, ?, ?, ?, ?)", known)
        return len(living), len(known)

    def _catch_up(self, connection: Connection, kids: Iterable[bytes], digests: Iterable[bytes]) -> None:
        """What came since the snapshot. New rows of the directory may be of people who were there."""
        rows: list[Row] = []
        for part in parts(list(digests)):
            rows += connection.execute(
                "SELECT digest, subject, kind, sealed FROM directory"
                f" WHERE tenant = ? AND digest IN ({marks(part)})",
                (self.tenant, *part),
            ).fetchall()
        found: list[Row] = []
        for part in parts(list(kids)):
            found += connection.execute(
                f"SELECT {_KEY} FROM data_key WHERE kid IN ({marks(part)}) AND tenant || '' = ?",
                (*part, self.tenant),
            ).fetchall()
        for part in parts(list({row[1] for row in rows})):
            found += connection.execute(
                f"SELECT {_KEY} FROM data_key WHERE tenant = ? AND category = ? AND period = ''"
                f" AND subject IN ({marks(part)})",
                (self.tenant, Category.IDENTITY, *part),
            ).fetchall()
        self._readdress(rows, self._rewrap(connection, found))

    def _pages(
        self, connection: Connection, table: str, columns: str, key: tuple[str, ...]
    ) -> Iterator[list[Row]]:
        """The tenant's rows in the order of their key, some at a time; ``columns`` begin with the key."""
        after: tuple[Any, ...] = (b"", "", "")[: len(key)]
        names = ", ".join(key)
        sql = (
            f"SELECT {columns} FROM {table} WHERE tenant = ? AND ({names}) > ({marks(key)})"
            f" ORDER BY {names} LIMIT {_ROWS}"
        )
        while rows := connection.execute(sql, (self.tenant, *after)).fetchall():
            yield rows
            after = tuple(rows[-1][: len(key)])

    def _destroyed(self, connection: Connection, kids: list[bytes]) -> set[bytes]:
        dead: set[bytes] = set()
        for part in parts(kids):
            rows = connection.execute(
                f"SELECT kid FROM destroyed_key WHERE tenant = ? AND kid IN ({marks(part)})", (self.tenant, *part)
            )
            dead |= {row[0] for row in rows}
        return dead

    def _rewrap(self, connection: Connection, rows: list[Row]) -> dict[bytes, envelope.DataKey]:
        """Wrap these anew, but for destroyed ones; the identity keys among them, by their subjects."""
        dead = self._destroyed(connection, [row[3] for row in rows])
        self._dead |= dead
        identities = {}
        for subject, category, period, kid, wrapped in rows:
            if kid in dead:
                continue
            names = (self.tenant, subject.hex(), category, period)
            try:
                raw = self._before.unwrap(wrapped, *names)
            except (wrapping.WrappedKeyInvalid, AttributeError):
                raise VaultRefused(_DAMAGED) from None
            if not hmac.compare_digest(wrapping.kid_of(raw), kid):
                raise VaultRefused(_DAMAGED)
            anew = self._after.wrap(raw, *names)
            self._keys[kid] = (self.tenant, subject, category, period, kid, anew)
            if category == Category.IDENTITY:
                identities[subject] = envelope.DataKey(kid, Category.IDENTITY, raw)
        return identities

    def _readdress(self, rows: Iterable[Row], identities: Mapping[bytes, envelope.DataKey]) -> None:
        """Rows of the directory under the new pepper. Those of people without a key lead nowhere, and end here."""
        for digest, subject, kind, sealed in rows:
            if subject in identities:
                identifier = open_identifier(self.tenant, subject, kind, sealed, identities[subject])
                anew = digest_of(self.fresh[PEPPER], identifier)
                self._directory[digest, subject] = (self.tenant, anew, subject, kind, sealed)


def prepare(connection: Connection, turn: Turn, progress: Callable[[int, int], None]) -> dict[str, TenantTurn]:
    """Work out what will be written, by tenant. VaultRefused."""
    keys = _tenant_keys(connection)
    changed = sorted(changed_tenants(connection, turn.after, _newest(connection)))
    turns = {
        tenant: TenantTurn(turn, tenant, keys[tenant, WRAPPING])
        for tenant in changed
        if (tenant, WRAPPING) in keys
    }
    total = sum(_count(connection, tenant) for tenant in turns)
    done = 0

    def heard(keys: int) -> None:
        nonlocal done
        done += keys
        progress(done, total)

    for one in turns.values():
        one.prepare(connection, heard)
    return turns


def write(connection: Connection, turn: Turn, prepared: dict[str, TenantTurn]) -> tuple[int, Rewrapped]:
    """Write all of it, with the fence locked; the ledger's last entry of the epoch, and what moved.
    VaultRefused."""
    upto, rows = _newest(connection), _tenant_keys(connection)
    turns = {}
    for tenant in sorted(changed_tenants(connection, turn.after, upto)):
        if wrapped := rows.get((tenant, WRAPPING)):
            found = prepared.get(tenant)
            if found is None or found.wrapped != wrapped:  # changed since, or left and came anew
                found = TenantTurn(turn, tenant, wrapped)
                found.prepare(connection, lambda _: None)
            turns[tenant] = found
    _write_tenant_keys(connection, turn, rows, turns)
    written = [one.write(connection) for one in turns.values()]
    keys, identifiers = sum(count for count, _ in written), sum(count for _, count in written)
    tenants = {tenant for tenant, kind in rows if kind == WRAPPING}
    return upto, Rewrapped(len(tenants), len(turns), keys, identifiers)


def _write_tenant_keys(
    connection: Connection, turn: Turn, rows: Mapping[tuple[str, str], bytes], turns: Mapping[str, TenantTurn]
) -> None:
    anew = []
    for (tenant, kind), wrapped in rows.items():
        key = unwrap_key(turn.old, turn.epoch, tenant, kind, wrapped)
        if tenant in turns:
            key = turns[tenant].fresh.get(kind, key)
        anew.append((tenant, kind, wrap_key(turn.new, turn.epoch + 1, tenant, kind, key)))
    connection.executemany(
        "INSERT INTO tenant_key VALUES (?, ?, ?) ON CONFLICT (tenant, kind) DO UPDATE"
        " SET wrapped = excluded.wrapped",
        anew,
    )


def _tenant_keys(connection: Connection) -> dict[tuple[str, str], bytes]:
    rows = connection.execute("SELECT tenant, kind, wrapped FROM tenant_key ORDER BY tenant, kind").fetchall()
    return {(tenant, kind): wrapped for tenant, kind, wrapped in rows}


def _newest(connection: Connection) -> int:
    (sequence,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM ledger").fetchone()
    return int(sequence)


def _count(connection: Connection, tenant: str) -> int:
    (count,) = connection.execute("SELECT count(*) FROM data_key WHERE tenant = ?", (tenant,)).fetchone()
    return int(count)


def open_identifier(tenant: str, subject: bytes, kind: str, sealed: bytes, key: envelope.DataKey) -> Identifier:
    """What a row of the directory holds. VaultRefused."""
    try:
        text = envelope.open_with(tenant, directory_place(UUID(bytes=subject), kind), sealed, key)
        return Identifier(kind, text.decode("utf-8", "surrogatepass"))
    except (envelope.EnvelopeInvalid, UnicodeDecodeError, ValueError):
        raise VaultRefused("a row of the directory does not open: the epoch can not be closed") from None
