"""Destructions in the vault's database: writing a ledger entry with all that it says, and catching up.

This file must not know how keys are wrapped. Its functions work inside a write transaction of the caller's: the
lock on the fence is what keeps ledger and mirror in one order.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from lrs.adapters.sql.database import Connection, marks, parts
from lrs.adapters.vault.ledger import DEPARTED, Entry
from lrs.domain.errors import VaultRefused
from lrs.domain.sealing import ERASED, Destroyed

_OF_A_TENANT = ("tenant_key", "data_key", "directory", "subject", "suppression", "signed_head")
_OF_A_SUBJECT = ("data_key", "directory")


def not_listed(connection: Connection, tenant: str, kids: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of these keys that no entry names, for the next one. The others' rows, which somebody put back, go
    here: NO KEY MAY BE NAMED TWICE, ledger and mirror would not agree any more on which entry destroyed it."""
    listed: set[bytes] = set()
    for part in parts(list(kids)):
        rows = connection.execute(
            f"SELECT kid FROM destroyed_key WHERE tenant = ? AND kid IN ({marks(part)})", (tenant, *part)
        )
        listed |= {row[0] for row in rows.fetchall()}
    _delete_keys(connection, tenant, listed)
    return tuple([kid for kid in kids if kid not in listed])


def apply_entry(connection: Connection, entry: Entry) -> None:
    """Write an entry and do what it says; the fence moves.

    expired     the keys that it names go, nothing else: the person stays
    erased      every key of the subject goes, the directory forgets
    departed    everything of the tenant goes
    """
    gone = entry.destroyed
    connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", _ledger_row(entry))
    connection.executemany(
        "INSERT INTO destroyed_key VALUES (?, ?, ?) ON CONFLICT (kid) DO UPDATE"
        " SET tenant = excluded.tenant, sequence = excluded.sequence",
        _key_rows(entry),
    )
    _delete_keys(connection, gone.tenant, gone.kids)
    if gone.reason == ERASED:
        named = (gone.tenant, gone.subject.bytes)
        for table in _OF_A_SUBJECT:
            connection.execute(f"DELETE FROM {table} WHERE tenant = ? AND subject = ?", named)
        connection.execute(
            "UPDATE subject SET state = 'erased', restricted = 0, held = 0, corrected = 0, noted = 0, waiting = ?"
            " WHERE tenant = ? AND subject = ?",
            (b"", *named),
        )
    elif gone.reason == DEPARTED:
        for table in _OF_A_TENANT:
            connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (gone.tenant,))
    connection.execute(
        "UPDATE fence SET sequence = CASE WHEN sequence < ? THEN ? ELSE sequence + 1 END", (gone.sequence,) * 2
    )


def catch_up(connection: Connection, mirrored: list[Entry]) -> list[Entry]:
    """Destroy again what only the mirror knows; what that was. VaultRefused when the two tell different stories.

    1. The ledger's hashes must be the first ones of the mirror.
    2. What the mirror has beyond is applied: a copy of the vault was restored, or a crash lay between the two.
    3. Every row of the ledger must now say what the mirror says: a destruction that was edited, forged or
       struck out is found here, although its hash was left standing.
    """
    known = [row[0] for row in connection.execute("SELECT hash FROM ledger ORDER BY sequence")]
    if known != [entry.hash for entry in mirrored[: len(known)]]:
        raise VaultRefused("the vault's ledger and its mirror differ: one of them is not this vault's")
    for entry in mirrored[len(known) :]:
        apply_entry(connection, entry)
    ledger = connection.execute(
        "SELECT sequence, tenant, subject, reason, at, previous, hash FROM ledger ORDER BY sequence"
    ).fetchall()
    keys = set(connection.execute("SELECT kid, tenant, sequence FROM destroyed_key"))
    if ledger != [_ledger_row(entry) for entry in mirrored] or keys != {
        row for entry in mirrored for row in _key_rows(entry)
    }:
        raise VaultRefused("the vault's ledger is altered: its rows are not what its mirror says")
    return mirrored[len(known) :]


def entries_of(connection: Connection, tenant: str, after: int) -> list[Destroyed]:
    """A tenant's entries beyond a sequence, ascending, since it departed last."""
    rows = connection.execute(
        "SELECT sequence, subject, reason FROM ledger WHERE tenant = ? AND sequence > ? ORDER BY sequence",
        (tenant, after),
    ).fetchall()
    kids: dict[int, list[bytes]] = {row[0]: [] for row in rows}
    if rows:
        found = connection.execute(
            "SELECT sequence, kid FROM destroyed_key WHERE tenant = ? AND sequence > ? ORDER BY kid",
            (tenant, after),
        )
        for sequence, kid in found.fetchall():
            kids[sequence].append(kid)
    departed = max((at for at, row in enumerate(rows) if row[2] == DEPARTED), default=-1)
    return [
        Destroyed(sequence, tenant, UUID(bytes=subject), reason, tuple(kids[sequence]))
        for sequence, subject, reason in rows[departed + 1 :]
    ]


def _delete_keys(connection: Connection, tenant: str, kids: Iterable[bytes]) -> None:
    connection.executemany("DELETE FROM data_key WHERE tenant = ? AND kid = ?", [(tenant, kid) for kid in kids])


def _ledger_row(entry: Entry) -> tuple[int, str, bytes, str, str, str, str]:
    gone = entry.destroyed
    return (gone.sequence, gone.tenant, gone.subject.bytes, gone.reason, entry.at, entry.previous, entry.hash)


def _key_rows(entry: Entry) -> list[tuple[bytes, str, int]]:
    return [(kid, entry.destroyed.tenant, entry.destroyed.sequence) for kid in entry.destroyed.kids]
