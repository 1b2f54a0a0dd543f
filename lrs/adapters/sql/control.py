"""The control store: what is looked up before the tenant is known."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from lrs.adapters.sql.database import Connection, Database, Row, marks, parts, storable
from lrs.adapters.sql.filling import settle_head
from lrs.adapters.sql.logs import SqlLog
from lrs.adapters.sql.recorder import EventRecorder
from lrs.domain.instants import microseconds
from lrs.ports import CredentialRow, TenantRow

_TENANT = "SELECT id, name, created_at FROM tenant"
_CREDENTIAL = "SELECT id, tenant, key, secret_sha256, scopes, created_at, revoked FROM credential"


class SqlControl:
    """Tenants and credentials, their log and the rows to find them by."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self.log = SqlLog(database)
        self.recorder = EventRecorder(
            database,
            now,
            {"tenants": _insert_tenants, "departed": _delete_tenants, "credentials": _insert_credentials},
        )

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

    @property
    def fence_is_near(self) -> bool:
        """Whether reading the fence takes microseconds and waits for nobody."""
        return self._database.is_near

    def fence(self) -> int:
        """Moves with every change; what was cached under an older value is void."""
        return int(self._database.look("sequence", "fence")[0])

    def tenants(self) -> list[TenantRow]:
        """Tenants that are served, by name."""
        with self._database.read() as c:
            return [_tenant(row) for row in c.execute(f"{_TENANT} ORDER BY name").fetchall()]

    def tenant(self, name: str) -> TenantRow | None:
        """One of them."""
        with self._database.read() as c:
            row = c.execute(f"{_TENANT} WHERE name = ?", (name,)).fetchone()
        return _tenant(row) if row else None

    def credential(self, key: str) -> CredentialRow | None:
        """A credential by its public key, revoked or not."""
        if not storable(key):
            return None
        with self._database.read() as c:
            row = c.execute(f"{_CREDENTIAL} WHERE key = ?", (key,)).fetchone()
        return _credential(row) if row else None

    def credentials(self, tenant: str) -> list[CredentialRow]:
        """A tenant's credentials, oldest first."""
        with self._database.read() as c:
            rows = c.execute(f"{_CREDENTIAL} WHERE tenant = ? ORDER BY created_at, key", (tenant,)).fetchall()
        return [_credential(row) for row in rows]

    def scopes(self, tenant: str, ids: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
        """The scopes of these credentials of a tenant, revoked ones too; what is none of them is absent."""
        with self._database.read() as c:
            rows = [
                row
                for part in parts([one.bytes for one in ids])
                for row in c.execute(
                    f"SELECT id, scopes FROM credential WHERE tenant = ? AND id IN ({marks(part)})",
                    (tenant, *part),
                ).fetchall()
            ]
        return {UUID(bytes=row[0]): tuple(row[1].split()) for row in rows}

    def restore(self, tenants: Sequence[TenantRow], credentials: Sequence[CredentialRow]) -> None:
        """Put these rows in the place of all that are there; the head is where the log ends, the fence moves, and
        nobody holds a lease."""
        with self._database.write() as c:
            for table in ("tenant", "credential", "lease"):
                c.execute(f"DELETE FROM {table}")
            _insert_tenants(c, tenants)
            _insert_credentials(c, credentials)
            _move_fence(c)
            settle_head(c)

    def lease(self, name: str, holder: str, now: datetime, *, seconds: int) -> bool:
        """Whether this holder has the lease of that name until then: nobody else had it, or theirs ran out."""
        now_us, until = microseconds(now), microseconds(now) + seconds * 1_000_000
        with self._database.write() as c:
            taken = c.execute(
                "INSERT INTO lease VALUES (?,?,?) ON CONFLICT (name) DO UPDATE"
                " SET holder = excluded.holder, until = excluded.until"
                " WHERE lease.holder = excluded.holder OR lease.until < ?",
                (name, holder, until, now_us),
            )
            return taken.rowcount > 0

    def give_up(self, name: str, holder: str) -> None:
        """Let go of a lease before it runs out."""
        with self._database.write() as c:
            c.execute("DELETE FROM lease WHERE name = ? AND holder = ?", (name, holder))


def _move_fence(c: Connection) -> None:
    c.execute("UPDATE fence SET sequence = sequence + 1")


def _insert_tenants(c: Connection, rows: Sequence[TenantRow]) -> None:
    for row in rows:
        c.execute("INSERT INTO tenant VALUES (?,?,?)", (row.name, row.id.bytes, microseconds(row.created_at)))
        _move_fence(c)


def _delete_tenants(c: Connection, names: Sequence[str]) -> None:
    for name in names:
        c.execute("DELETE FROM tenant WHERE name = ?", (name,))
        c.execute("DELETE FROM credential WHERE tenant = ?", (name,))
        _move_fence(c)


def _insert_credentials(c: Connection, rows: Sequence[CredentialRow]) -> None:
    for row in rows:
        # A tenant departed meanwhile: a key must not wait for the next of its name.
        if c.execute("SELECT 1 FROM tenant WHERE name = ?", (row.tenant,)).fetchone() is None:
            raise IntegrityError("the credential's tenant is not served")
        written = c.execute(
            "INSERT INTO credential VALUES (?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE"
            " SET revoked = CASE WHEN credential.revoked = 1 THEN 1 ELSE excluded.revoked END"
            " WHERE credential.id = excluded.id",
            (
                row.key,
                row.id.bytes,
                row.tenant,
                row.secret_sha256,
                " ".join(row.scopes),
                microseconds(row.created_at),
                int(row.revoked),
            ),
        )
        if written.rowcount == 0:
            raise IntegrityError("another credential has this key")
        _move_fence(c)


def _time(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)


def _tenant(row: Row) -> TenantRow:
    number, name, created_at = row
    return TenantRow(UUID(bytes=number), name, _time(created_at))


def _credential(row: Row) -> CredentialRow:
    number, tenant, key, secret_sha256, scopes, created_at, revoked = row
    scopes = tuple(scopes.split())
    return CredentialRow(UUID(bytes=number), tenant, key, secret_sha256, scopes, _time(created_at), bool(revoked))
