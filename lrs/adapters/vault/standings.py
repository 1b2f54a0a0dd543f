"""How subjects stand, in rows of the vault: reading them, stepping them, noting who is not simply there to be
read.

This file must not know keys. What steps there are the domain says (``lrs.domain.subjects``); a step is taken
inside a write transaction of the caller's, in which the fence is locked."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from uuid import UUID

from lrs.adapters.sql.database import Connection
from lrs.adapters.vault.known import Noted
from lrs.domain.subjects import Standing, State

Step = Callable[[Standing], Standing]
_COLUMNS = "state, restricted, held, waiting, corrected, changed"
_ID_BYTES = 16


def insert_subjects(connection: Connection, tenant: str, subjects: Iterable[UUID], role: str) -> None:
    """New subjects, live."""
    connection.executemany(
        "INSERT INTO subject VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        [(tenant, subject.bytes, role, *_row(Standing()), 0) for subject in subjects],
    )


def noted(connection: Connection, tenant: str) -> Noted:
    """Who of a tenant is not simply there to be read."""
    rows = connection.execute(
        "SELECT subject, state, restricted, corrected FROM subject WHERE tenant = ? AND noted > 0", (tenant,)
    ).fetchall()
    found = [(UUID(bytes=row[0]), *row[1:]) for row in rows]
    return Noted(
        denied=frozenset(one for one, state, restricted, _ in found if state != State.LIVE or restricted),
        erasing=frozenset(one for one, state, _, _ in found if state == State.ERASING),
        corrected={one: number for one, _, _, number in found if number},
    )


def standing(connection: Connection, tenant: str, subject: UUID) -> Standing | None:
    """How a person stands; None for nobody's id, and for the subject that stands for no person."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM subject WHERE tenant = ? AND subject = ? AND role = 'person'",
        (tenant, subject.bytes),
    ).fetchone()
    if row is None:
        return None
    state, restricted, held, waiting, corrected, changed = row
    ids = (waiting[at : at + _ID_BYTES] for at in range(0, len(waiting), _ID_BYTES))
    requests = frozenset(UUID(bytes=one) for one in ids)
    return Standing(State(state), bool(restricted), bool(held), requests, corrected, changed)


def take(connection: Connection, tenant: str, subjects: Iterable[UUID], step: Step) -> list[Standing]:
    """The step for each of them, or the step's error and nothing is done; the fence moves if one of them changed.
    Who is not known is passed over."""
    (sequence,) = connection.execute("SELECT sequence FROM fence").fetchone()
    found = [(one, before) for one in subjects if (before := standing(connection, tenant, one)) is not None]
    stepped = [(one, before, step(before)) for one, before in found]
    changed = [(one, replace(then, changed=sequence + 1)) for one, before, then in stepped if then != before]
    connection.executemany(
        "UPDATE subject SET state = ?, restricted = ?, held = ?, waiting = ?, corrected = ?, changed = ?,"
        " noted = ? WHERE tenant = ? AND subject = ?",
        [(*_row(then), tenant, one.bytes) for one, then in changed],
    )
    if changed:
        connection.execute("UPDATE fence SET sequence = sequence + 1")
    now = dict(changed)
    return [now.get(one, before) for one, before, _ in stepped]


def _row(one: Standing) -> tuple[str, int, int, bytes, int, int, int]:
    """The columns, the one by which it is found among them."""
    noted = one.state in (State.PENDING, State.ERASING) or one.restricted or one.corrected > 0
    waiting = b"".join(sorted(request.bytes for request in one.waiting))
    return (one.state, int(one.restricted), int(one.held), waiting, one.corrected, one.changed, int(noted))
