"""The control store on SQLite: what is looked up before the tenant is known."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from lrs.adapters.sqlite.datastore import Cursor, Datastore
from lrs.adapters.sqlite.fence import Fence
from lrs.adapters.sqlite.recorder import EventRecorder
from lrs.adapters.sqlite.schema import CONTROL
from lrs.domain.instants import microseconds
from lrs.ports import CredentialRow, TenantRow


class SqliteControl:
    """Tenants and credentials, their log and the rows to find them by."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._datastore = Datastore(path)
        self.recorder = EventRecorder(
            self._datastore,
            now,
            {"tenants": _insert_tenants, "departed": _delete_tenants, "credentials": _insert_credentials},
        )
        self.recorder.create_table()
        with self._datastore.writing() as c:
            for sql in CONTROL:
                c.execute(sql)
        self._fence = Fence(path)

    def close(self) -> None:
        """Let go of connections."""
        self._fence.close()
        self._datastore.close()

    @property
    def fence_is_near(self) -> bool:
        """Read from the shared memory of the write-ahead log: about 5 us."""
        return True

    def fence(self) -> int:
        """Moves with every change; what was cached under an older value is void."""
        return self._fence.read()

    def tenants(self) -> list[TenantRow]:
        """Tenants that are served, by name."""
        with self._datastore.reading() as c:
            c.execute("SELECT id, name, created_at FROM tenant ORDER BY name")
            return [_tenant(row) for row in c.fetchall()]

    def tenant(self, name: str) -> TenantRow | None:
        """One of them."""
        with self._datastore.reading() as c:
            c.execute("SELECT id, name, created_at FROM tenant WHERE name = ?", (name,))
            row = c.fetchone()
            return _tenant(row) if row else None

    def credential(self, key: str) -> CredentialRow | None:
        """A credential by its public key, revoked or not."""
        with self._datastore.reading() as c:
            c.execute("SELECT * FROM credential WHERE key = ?", (key,))
            row = c.fetchone()
            return _credential(row) if row else None

    def credentials(self, tenant: str) -> list[CredentialRow]:
        """A tenant's credentials, oldest first."""
        with self._datastore.reading() as c:
            c.execute("SELECT * FROM credential WHERE tenant = ? ORDER BY created_at, key", (tenant,))
            return [_credential(row) for row in c.fetchall()]


def _move_fence(c: Cursor) -> None:
    c.execute("UPDATE fence SET sequence = sequence + 1")


def _insert_tenants(c: Cursor, rows: Sequence[TenantRow]) -> None:
    for row in rows:
        c.execute("INSERT INTO tenant VALUES (?,?,?)", (row.name, row.id.bytes, microseconds(row.created_at)))
        _move_fence(c)


def _delete_tenants(c: Cursor, names: Sequence[str]) -> None:
    for name in names:
        c.execute("DELETE FROM tenant WHERE name = ?", (name,))
        c.execute("DELETE FROM credential WHERE tenant = ?", (name,))
        _move_fence(c)


def _insert_credentials(c: Cursor, rows: Sequence[CredentialRow]) -> None:
    for row in rows:
        c.execute("SELECT 1 FROM tenant WHERE name = ?", (row.tenant,))
        if c.fetchone() is None:  # it departed meanwhile: a key must not wait for the next of this name
            raise IntegrityError("the credential's tenant is not served")
        c.execute(
            "INSERT INTO credential VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT (key) DO UPDATE SET revoked = max(revoked, excluded.revoked) WHERE id = excluded.id",
            (
                row.key,
                row.id.bytes,
                row.tenant,
                row.secret_sha256,
                " ".join(row.scopes),
                microseconds(row.created_at),
                row.revoked,
            ),
        )
        if c.rowcount == 0:
            raise IntegrityError("another credential has this key")
        _move_fence(c)


def _time(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)


def _tenant(row: Any) -> TenantRow:
    return TenantRow(UUID(bytes=row["id"]), row["name"], _time(row["created_at"]))


def _credential(row: Any) -> CredentialRow:
    return CredentialRow(
        id=UUID(bytes=row["id"]),
        tenant=row["tenant"],
        key=row["key"],
        secret_sha256=row["secret_sha256"],
        scopes=tuple(row["scopes"].split()),
        created_at=_time(row["created_at"]),
        revoked=bool(row["revoked"]),
    )
