"""From one epoch to the next, inside a transaction that has the fence locked: every key is wrapped anew.

1. Tenants of which nothing was destroyed in the epoch: TK, IK and SK go under the next epoch's key, no more.
2. All others get a new TK and a new IK. Their data keys are unwrapped, checked against their ids and wrapped by
   the new TK; their directory rows are opened with the identity keys and their digests made with the new IK.
   Whoever has an old copy of the vault and every key of today then has nothing that opens it.
3. A key that the ledger calls destroyed is not carried over, even if somebody put its row back.

A key that does not open stops it all: carried over it can not be, and the old epoch's key must live until somebody
has looked.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lrs.adapters.sql.database import Connection, Row, marks, parts
from lrs.adapters.vault import envelope, wrapping
from lrs.adapters.vault.checking import changed_tenants
from lrs.adapters.vault.reading import digest_of, directory_place
from lrs.adapters.vault.tenants import PEPPER, SIGNING, WRAPPING, new_key, unwrap_key, wrap_key
from lrs.domain.agents import Identifier
from lrs.domain.epochs import Rewrapped
from lrs.domain.errors import VaultRefused
from lrs.domain.sealing import Category

_ROWS: Final = 2_000
_DAMAGED = "a key does not open: the epoch can not be closed before it is restored"


@dataclass(frozen=True, slots=True)
class Turn:
    """The two epochs' keys."""

    epoch: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class _Pair:
    """A tenant's TK before and after, and its new IK."""

    before: wrapping.Wrapping
    after: wrapping.Wrapping
    pepper: bytes


def rewrap(
    connection: Connection, turn: Turn, after: int, upto: int, progress: Callable[[int, int], None]
) -> Rewrapped:
    """Wrap all anew; ``after`` and ``upto`` are the ledger's entries that the epoch has. VaultRefused."""
    changed = changed_tenants(connection, after, upto)
    rows = connection.execute("SELECT tenant, kind, wrapped FROM tenant_key ORDER BY tenant, kind").fetchall()
    keys = {(tenant, kind): unwrap_key(turn.old, turn.epoch, tenant, kind, key) for tenant, kind, key in rows}
    fresh = {
        (tenant, kind): new_key(kind) if tenant in changed and kind != SIGNING else key
        for (tenant, kind), key in keys.items()
    }
    connection.executemany(
        "INSERT INTO tenant_key VALUES (?, ?, ?) ON CONFLICT (tenant, kind) DO UPDATE"
        " SET wrapped = excluded.wrapped",
        [
            (tenant, kind, wrap_key(turn.new, turn.epoch + 1, tenant, kind, key))
            for (tenant, kind), key in fresh.items()
        ],
    )
    tenants = sorted({tenant for tenant, _ in keys if (tenant, WRAPPING) in keys})
    moving = [tenant for tenant in tenants if tenant in changed]
    total = sum(_count(connection, tenant) for tenant in moving)
    done = identifiers = 0
    for tenant in moving:
        before, pepper = wrapping.Wrapping(keys[tenant, WRAPPING]), fresh[tenant, PEPPER]
        tenants_keys = _Keys(connection, tenant, _Pair(before, wrapping.Wrapping(fresh[tenant, WRAPPING]), pepper))
        for part in tenants_keys.parts():
            done += tenants_keys.rewrap(part)
            progress(done, total)
        identifiers += tenants_keys.identifiers
    return Rewrapped(len(tenants), len(moving), done, identifiers)


def _count(connection: Connection, tenant: str) -> int:
    (count,) = connection.execute("SELECT count(*) FROM data_key WHERE tenant = ?", (tenant,)).fetchone()
    return int(count)


class _Keys:
    """One tenant's data keys and directory, on their way."""

    def __init__(self, connection: Connection, tenant: str, pair: _Pair) -> None:
        self._connection = connection
        self._tenant = tenant
        self._pair = pair
        self.identifiers = 0

    def parts(self) -> Any:
        """The rows of data keys in the order of their key, some at a time."""
        after: tuple[Any, ...] = (b"", "", "")
        columns = "subject, category, period, kid, wrapped"
        sql = (
            f"SELECT {columns} FROM data_key WHERE tenant = ? AND (subject, category, period) > (?, ?, ?)"
            f" ORDER BY subject, category, period LIMIT {_ROWS}"
        )
        while rows := self._connection.execute(sql, (self._tenant, *after)).fetchall():
            yield rows
            after = rows[-1][:3]

    def rewrap(self, rows: list[Row]) -> int:
        """Wrap these anew; how many live."""
        dead = self._drop_destroyed([row[3] for row in rows])
        wrapped, identities = [], {}
        for subject, category, period, kid, old in rows:
            if kid in dead:
                continue
            raw = self._unwrapped(subject, category, period, kid, old)
            names = (self._tenant, subject.hex(), category, period)
            wrapped.append((self._tenant, subject, category, period, kid, self._pair.after.wrap(raw, *names)))
            if category == Category.IDENTITY:
                identities[subject] = (kid, raw)
        self._connection.executemany(
            "INSERT INTO data_key VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, subject, category, period)"
            " DO UPDATE SET wrapped = excluded.wrapped",
            wrapped,
        )
        for part in parts(list(identities)):
            self._readdress({subject: identities[subject] for subject in part})
        return len(wrapped)

    def _drop_destroyed(self, kids: list[bytes]) -> set[bytes]:
        dead: set[bytes] = set()
        for part in parts(kids):
            rows = self._connection.execute(
                f"SELECT kid FROM destroyed_key WHERE tenant = ? AND kid IN ({marks(part)})", (self._tenant, *part)
            )
            dead |= {row[0] for row in rows}
        self._connection.executemany(
            "DELETE FROM data_key WHERE tenant = ? AND kid = ?", [(self._tenant, kid) for kid in dead]
        )
        return dead

    def _unwrapped(self, subject: bytes, category: str, period: str, kid: bytes, wrapped: bytes) -> bytes:
        try:
            raw = self._pair.before.unwrap(wrapped, self._tenant, subject.hex(), category, period)
        except (wrapping.WrappedKeyInvalid, AttributeError):
            raise VaultRefused(_DAMAGED) from None
        if not hmac.compare_digest(wrapping.kid_of(raw), kid):
            raise VaultRefused(_DAMAGED)
        return raw

    def _readdress(self, identities: dict[bytes, tuple[bytes, bytes]]) -> None:
        """The directory's rows of these subjects under the new pepper."""
        subjects = list(identities)
        rows = self._connection.execute(
            f"SELECT subject, kind, sealed FROM directory WHERE tenant = ? AND subject IN ({marks(subjects)})",
            (self._tenant, *subjects),
        ).fetchall()
        fresh = []
        for subject, kind, sealed in rows:
            kid, raw = identities[subject]
            key = envelope.DataKey(kid, Category.IDENTITY, AESGCM(raw))
            identifier = open_identifier(self._tenant, subject, kind, sealed, key)
            fresh.append((self._tenant, digest_of(self._pair.pepper, identifier), subject, kind, sealed))
        self._connection.execute(
            f"DELETE FROM directory WHERE tenant = ? AND subject IN ({marks(subjects)})",
            (self._tenant, *subjects),
        )
        self._connection.executemany("INSERT INTO directory VALUES (?, ?, ?, ?, ?)", fresh)
        self.identifiers += len(fresh)


def open_identifier(tenant: str, subject: bytes, kind: str, sealed: bytes, key: envelope.DataKey) -> Identifier:
    """What a row of the directory holds. VaultRefused."""
    try:
        text = envelope.open_with(tenant, directory_place(UUID(bytes=subject), kind), sealed, key)
        return Identifier(kind, text.decode("utf-8", "surrogatepass"))
    except (envelope.EnvelopeInvalid, UnicodeDecodeError, ValueError):
        raise VaultRefused("a row of the directory does not open: the epoch can not be closed") from None
