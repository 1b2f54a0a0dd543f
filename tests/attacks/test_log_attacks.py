"""What somebody can do who can write the tenant's database, and even sign: each is found, and the first position
that is bad is named."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from lrs.bootstrap import System, build
from lrs.domain import leaves, merkle
from lrs.domain.envelopes import tombstone_of
from lrs.domain.errors import InvalidRequest, LogConflict
from lrs.domain.leaves import Entry
from lrs.domain.tiles import WIDTH, cut
from lrs.notary.walking import Bad
from tests.logs import FIRST_HEAD, Logged, logged, start_event
from tests.places import STORES, new_place
from tests.postgres import Databases
from tests.subjects import ADA, inside, statement

Attack = Callable[[Logged, int], Any]
LAST = -1


@pytest.fixture(scope="module", params=STORES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], Databases]
) -> Iterator[Logged]:
    """A tenant with a signed log, and another one beside it."""
    system = build(new_place(request.param, tmp_path_factory.mktemp("log") / "data", postgres))
    for tenant in ("acme", "globex"):
        system.tenants.create(tenant)
    other = Logged(_posted(system, "globex"))
    other.sign()
    yield logged(system, "acme")
    system.close()


def _posted(system: System, tenant: str) -> Any:

    acme = inside(system, tenant)
    acme.post(statement(ADA))
    return acme


@pytest.fixture
def log(served: Logged) -> Iterator[Logged]:
    """The same, put back as it was afterwards."""
    yield served
    served.put_back()


def test_a_log_that_nobody_touched_is_good(log: Logged) -> None:
    found = log.verified(with_blobs=True)
    assert (found.bad, found.events, found.signed) == (None, log.size, log.size)
    log.put_back()
    log.acme.post(statement(ADA))
    found = log.verified()
    assert (found.bad, found.events, found.signed) == (None, log.size + 1, log.size)
    assert found.events == log.value("SELECT position FROM head")


def test_a_log_that_grows_and_is_signed_while_it_is_verified_is_good(log: Logged) -> None:
    def meanwhile(*_: int) -> None:
        log.acme.post(statement(ADA))
        log.sign()

    before = log.size
    assert log.bad(progress=meanwhile) is None
    assert log.size > before + 1


# --- events --------------------------------------------------------------------------------------------------


def swap(log: Logged, position: int) -> None:
    """Two rows change places."""
    for old, new in ((position, -1), (position + 1, position), (-1, position + 1)):
        log.edit("UPDATE event SET position = ? WHERE position = ?", new, old)


def swap_states(log: Logged, position: int) -> None:
    """Two rows change what they hold."""
    one, other = log.state(position), log.state(position + 1)
    log.edit("UPDATE event SET state = ? WHERE position = ?", other, position)
    log.edit("UPDATE event SET state = ? WHERE position = ?", one, position + 1)


def renumber(log: Logged, position: int) -> None:
    """A row is taken out, and those after it close the gap."""
    closing = [(after - 1, after) for after in range(position + 1, log.size + 1)]
    log.change(
        ("DELETE FROM event WHERE position = ?", [position]),
        *(("UPDATE event SET position = ? WHERE position = ?", one) for one in closing),
        ("UPDATE head SET position = position - 1", []),
    )


def bury(log: Logged, position: int) -> None:
    """A living person's record is called dead, with the ids of somebody who is."""
    kid = log.system.vault.destroyed("acme", _erased(log)).kids[0]  # type: ignore[union-attr]

    def buried(one: bytes) -> bytes:
        made = tombstone_of(one)
        return made[:5] + kid + made[21:]

    state = leaves.resealed(_topic(log, position), log.state(position), buried)
    log.edit("UPDATE event SET state = ? WHERE position = ?", state, position)


def _topic(log: Logged, position: int) -> str:
    return str(log.value("SELECT topic FROM event WHERE position = ?", position))


def _erased(log: Logged) -> Any:

    return UUID(bytes=log.value("SELECT subject FROM tombstone"))


ON_EVENTS: dict[str, Attack] = {
    "a byte of the ciphertext": lambda log, at: log.flip(at),
    "a byte of the head of the state": lambda log, at: log.flip(at, 20),
    "a state cut short": lambda log, at: log.edit(
        "UPDATE event SET state = ? WHERE position = ?", log.state(at)[:-1], at
    ),
    "a state of nothing": lambda log, at: log.edit("UPDATE event SET state = ? WHERE position = ?", b"", at),
    "the time": lambda log, at: log.edit("UPDATE event SET stored = stored + 1 WHERE position = ?", at),
    "the topic": lambda log, at: log.edit("UPDATE event SET topic = 'exchange-recorded/1' WHERE position = ?", at),
    "the version": lambda log, at: log.edit(
        "UPDATE event SET originator_version = originator_version + 1000 WHERE position = ?", at
    ),
    "the stream": lambda log, at: log.edit(
        "UPDATE event SET originator_id = ? WHERE position = ?", bytes(15) + b"\7", at
    ),
    "two rows swapped": swap,
    "two states swapped": swap_states,
    "a row taken out and the gap closed": renumber,
    "a tombstone of somebody else's key": bury,
}
MIDDLE = (30, WIDTH - 1, WIDTH + 5)  # in the first tile, at its end, in the last one


@pytest.mark.parametrize(("attack", "position"), [(one, MIDDLE[at % 3]) for at, one in enumerate(ON_EVENTS)])
def test_an_event_that_was_changed_is_named(log: Logged, attack: str, position: int) -> None:
    position = _statement_near(log, position)
    ON_EVENTS[attack](log, position)
    assert log.bad() == Bad(position, "altered")


def _statement_near(log: Logged, position: int) -> int:
    """A statement's position, with another one after it."""
    sql = "SELECT min(position) FROM event WHERE position >= ? AND topic = 'statement-recorded/1'"
    return int(log.value(sql, position))


@pytest.mark.parametrize("position", MIDDLE)
def test_a_row_that_is_missing_is_named(log: Logged, position: int) -> None:
    log.edit("DELETE FROM event WHERE position = ?", position)
    assert log.bad() == Bad(position, "missing")
    log.flip(position - 20)  # the first bad one is what counts
    assert log.bad() == Bad(position - 20, "altered")


def test_rows_that_are_missing_at_the_end_are_named(log: Logged) -> None:
    size = log.size
    log.edit("DELETE FROM event WHERE position > ?", size - 2)
    assert log.bad() == Bad(size - 1, "missing")
    log.edit("UPDATE head SET position = ?", size - 2)
    assert log.bad() == Bad(size - 1, "truncated")


def test_a_row_beyond_the_end_is_named(log: Logged) -> None:
    for position in (10**12, log.size + 1):
        row = (position, 1, position % 1_000, bytes(16), "statement-recorded/1", b"state")
        log.edit("INSERT INTO event VALUES (?,?,?,?,?,?)", *row)
        assert log.bad() == Bad(position, "altered")


def test_of_rows_beyond_the_end_one_position_is_asked_for(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and however large."""
    for more in (1, 2, 3):
        row = (log.size + more, 1, more, bytes(16), "statement-recorded/1", bytes(100))
        log.edit("INSERT INTO event VALUES (?,?,?,?,?,?)", *row)
    asked = list[int]()
    entries = type(log.store.tree).entries

    def asking(self: Any, after: int, upto: int) -> Any:
        asked.append(upto)
        return entries(self, after, upto)

    monkeypatch.setattr(type(log.store.tree), "entries", asking)
    assert log.bad() == Bad(log.size + 1, "altered")
    assert max(asked) == log.size


@pytest.mark.parametrize("topic", ["document-stored/1", "exchange-recorded/1", "statement-recorded/2",
                                   "agent-sealed/1", "request-opened/1", "erasure-completed/1"])  # fmt: skip
def test_every_kind_of_event_is_held_against_the_log(log: Logged, topic: str) -> None:
    position = log.position_of(topic)
    state = log.state(position)
    log.edit("UPDATE event SET state = ? WHERE position = ?", state.replace(b"a", b"b"), position)
    if state != log.state(position):
        assert log.bad() == Bad(position, "altered")
    log.flip(position, len(state) // 2)
    assert log.bad() == Bad(position, "altered")


def test_a_tombstone_where_the_key_lives_is_named(log: Logged) -> None:
    """Its leaf is as it was: only the ledger tells."""
    for topic in ("statement-recorded/1", "agent-sealed/1", "document-stored/1", "statement-recorded/2"):
        position = log.position_of(topic)
        state = leaves.resealed(topic, log.state(position), tombstone_of)
        log.edit("UPDATE event SET state = ? WHERE position = ?", state, position)
        assert log.bad() == Bad(position, "tombstone-of-a-living-key")
        log.flip(position - 1)  # the first bad one is what counts
        assert log.bad() == Bad(position - 1, "altered")
        log.put_back()


def blob_file(log: Logged, name: bytes) -> Path:
    """Where a blob lies."""
    return log.system.settings.data_dir / "blobs" / "acme" / name.hex()


ON_BLOBS: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "a bit flipped": (lambda data: data[:-1] + bytes((data[-1] ^ 1,)), "blob-altered"),
    "cut short": (lambda data: data[:-1], "blob-altered"),
    "emptied": (lambda _: b"", "blob-altered"),
    "added to": (lambda data: data + b"x", "blob-altered"),
    "removed": (lambda _: None, "blob-missing"),
}


@pytest.mark.parametrize("unlisted", [False, True])
@pytest.mark.parametrize("attack", ON_BLOBS)
def test_a_blob_that_is_not_what_its_event_says_is_named_when_asked_for(
    log: Logged, attack: str, unlisted: bool
) -> None:
    """Whatever the table of blobs says: that is no evidence."""
    names = [one.name for one in log.system.blobs.list("acme")]
    assert len(names) == 2
    change, reason = ON_BLOBS[attack]
    file = blob_file(log, names[0])
    before = file.read_bytes()
    if unlisted:
        log.edit("DELETE FROM blob")
    assert log.bad(with_blobs=True) is None
    try:
        after = change(before)
        file.unlink() if after is None else file.write_bytes(after)
        assert log.bad() is None
        position = log.position_of("statement-recorded/2")
        assert log.bad(with_blobs=True) == Bad(position, reason)
        log.flip(position - 1)
        assert log.bad(with_blobs=True) == Bad(position - 1, "altered")
    finally:
        file.write_bytes(before)


# --- tiles and heads -----------------------------------------------------------------------------------------


def test_a_tile_that_was_changed_is_named_as_such(log: Logged) -> None:
    tile = log.tile(0, 0)
    log.set_tile(0, 0, tile[:64] + bytes(32) + tile[96:])
    assert log.bad() == Bad(3, "tile-altered")
    log.set_tile(0, 0, tile[:96])
    assert log.bad() == Bad(4, "tile-altered")
    log.set_tile(0, 0, tile)
    log.set_tile(1, 0, bytes(32))
    assert log.bad() == Bad(1, "tile-altered")
    log.put_back()
    log.edit("DELETE FROM tile WHERE level = 0 AND number = 1")
    assert log.bad() == Bad(WIDTH + 1, "tile-altered")


def changed_with_its_leaf(log: Logged, position: int, *, above: bool) -> None:
    """Change an event, its leaf in the tile, and what is above it."""
    log.flip(position)
    row = log.acme.rows(
        "SELECT position, stored, originator_id, originator_version, topic, state FROM event WHERE position = ?",
        position,
    )[0]
    number, at = divmod(position - 1, WIDTH)
    hashes = cut(log.tile(0, number))
    hashes[at] = leaves.hash_of(Entry(*row))
    log.set_tile(0, number, b"".join(hashes))
    if above:
        log.set_tile(1, number, merkle.perfect_root(hashes))


def test_an_event_that_was_changed_with_its_tiles_is_narrowed_down(log: Logged) -> None:
    """The tile above still tells; and without it, the heads that are kept, each signed."""
    changed_with_its_leaf(log, 30, above=False)
    assert log.bad() == Bad(1, "root-differs")  # at the first head, before the tile above is reached
    log.put_back()
    changed_with_its_leaf(log, 150, above=False)
    assert log.bad() == Bad(1, "altered")  # something in the first tile: the tile above it tells
    log.put_back()
    changed_with_its_leaf(log, 150, above=True)
    assert log.bad() == Bad(101, "root-differs")
    log.put_back()
    changed_with_its_leaf(log, WIDTH + 9, above=False)
    assert log.bad() == Bad(101, "root-differs")


def _note_of(log: Logged, size: int) -> str:
    return str(log.value("SELECT note FROM checkpoint WHERE size = ?", size))


def test_a_head_that_was_forged_replayed_or_taken_away_is_named(log: Logged) -> None:
    size = log.size
    theirs = log.system.tenants.store("globex").tree.state().signed
    assert theirs is not None
    note = _note_of(log, size)
    line = note.rindex(" ") + 20
    forged = note[:line] + ("A" if note[line] != "A" else "B") + note[line + 1 :]
    for other in (forged, note.replace(f"\n{size}\n", f"\n{size - 1}\n"), theirs.note, "", _note_of(log, 100)):
        log.edit("UPDATE checkpoint SET note = ? WHERE size = ?", other, size)
        assert log.bad() == Bad(101, "head-altered")
    log.put_back()
    log.edit("UPDATE checkpoint SET root = ? WHERE size = ?", bytes(32), size)
    assert log.bad() == Bad(101, "head-altered")
    log.put_back()
    log.edit("DELETE FROM checkpoint WHERE size = ?", size)
    assert log.bad() == Bad(101, "head-altered")


def roll_back(log: Logged, size: int) -> None:
    """All of the tenant's tables as they were when the head of this size was signed."""
    log.edit("DELETE FROM event WHERE position > ?", size)
    log.edit("UPDATE head SET position = ?", size)
    log.edit("DELETE FROM checkpoint WHERE size > ?", size)
    log.edit("UPDATE tracking SET notification_id = ? WHERE application_name = 'notary@1'", size)
    log.edit("DELETE FROM tile WHERE number > 0 OR level > 0")
    log.set_tile(0, 0, log.tile(0, 0)[: size * 32])


def test_a_log_and_a_vault_that_were_rolled_back_whole_are_found_by_a_head_from_outside(log: Logged) -> None:
    size, note, first = log.size, _note_of(log, log.size), _note_of(log, 100)
    assert log.bad(outside=note) is None
    assert log.bad(outside=first) is None
    roll_back(log, 100)
    assert log.bad() == Bad(101, "truncated")  # the vault tells
    log.in_vault("DELETE FROM signed_head WHERE tenant = ?", log.acme.tenant)
    assert log.bad() is None  # nothing inside tells
    assert log.bad(outside=first) is None
    assert log.bad(outside=note) == Bad(101, "truncated")
    assert size > 101


def forget_heads(log: Logged) -> None:
    """The tenant's database knows of no log of hashes."""
    for table in ("tile", "checkpoint"):
        log.edit(f"DELETE FROM {table}")
    log.edit("DELETE FROM tracking WHERE application_name = 'notary@1'")


def take_out(log: Logged) -> None:
    """An event is gone, the gap is closed, and of the log of hashes nothing is left."""
    renumber(log, 150)
    forget_heads(log)


def change_unseen(log: Logged) -> None:
    """An event is another, and of the log of hashes nothing is left."""
    log.flip(150)
    forget_heads(log)


def begin_again(log: Logged, after: int, generation: int = 2) -> None:
    """As if the log had been restored to an earlier moment."""
    roll_back(log, after)
    forget_heads(log)
    event = start_event(generation, after)
    row = (after + 1, 2**50, 1, event.originator_id.bytes, event.TOPIC, event.encode())
    log.edit("INSERT INTO event VALUES (?,?,?,?,?,?)", *row)
    log.edit("UPDATE head SET generation = ?, began = ?, position = ?", generation, after, after + 1)


WITH_THE_DATABASE: dict[str, tuple[Attack, Bad]] = {
    "an event taken out": (lambda log, _: take_out(log), Bad(LAST, "truncated")),
    "an event changed": (lambda log, _: change_unseen(log), Bad(1, "root-differs")),
    "the end cut off": (lambda log, _: roll_back(log, 100), Bad(101, "truncated")),
    "the log of hashes alone": (lambda log, _: forget_heads(log), Bad(1, "head-altered")),
    "a restore that was none": (lambda log, _: begin_again(log, 100), Bad(101, "generation-altered")),
    "a generation that was none": (
        lambda log, size: log.edit("UPDATE head SET generation = 2, began = ?", size),
        Bad(1, "head-altered"),
    ),
}


@pytest.mark.parametrize("attack", WITH_THE_DATABASE)
def test_with_the_tenants_database_alone_no_other_history_is_signed(log: Logged, attack: str) -> None:
    """The vault knows how far the log had come, and refuses; whoever verifies is told, too."""
    size = log.size
    change, bad = WITH_THE_DATABASE[attack]
    change(log, size)
    before = log.acme.rows("SELECT * FROM checkpoint ORDER BY size")
    with pytest.raises(LogConflict):
        log.system.notary.step(log.store)
    assert log.acme.rows("SELECT * FROM checkpoint ORDER BY size") == before
    found = log.bad()
    assert found == (replace(bad, position=size) if bad.position == LAST else bad)


def sign_anew(log: Logged) -> None:
    """Begin the log of hashes again, signed by the same key: somebody has the vault, too."""
    forget_heads(log)
    log.in_vault("DELETE FROM signed_head WHERE tenant = ?", log.acme.tenant)
    log.sign()


def test_a_history_that_was_rewritten_and_signed_is_found_by_a_head_from_outside(log: Logged) -> None:
    note, first = _note_of(log, log.size), _note_of(log, 100)
    log.flip(150)
    sign_anew(log)
    assert log.bad() is None
    assert log.bad(outside=first) is None
    assert log.bad(outside=note) == Bad(1, "root-differs")


def test_a_head_from_outside_that_is_not_of_this_log_is_refused(log: Logged) -> None:
    theirs = log.system.tenants.store("globex").tree.state().signed
    assert theirs is not None
    log.edit("UPDATE head SET generation = 2")
    for note in ("", "nonsense", theirs.note, _note_of(log, 100)):
        with pytest.raises(InvalidRequest, match="outside"):
            log.verified(outside=note)


# --- the notary ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attack", "position"),
    [
        (lambda log, size: log.flip(size), 0),
        (lambda log, size: log.edit("DELETE FROM event WHERE position = ?", size), 0),
        (lambda log, size: log.edit("UPDATE checkpoint SET root = ? WHERE size = ?", bytes(32), size), 0),
        (lambda log, size: log.edit("UPDATE checkpoint SET note = '' WHERE size = ?", size), 0),
        (lambda log, _: log.set_tile(0, 1, log.tile(0, 1)[:-1]), 0),
        (lambda log, _: log.set_tile(0, 1, bytes(32) + log.tile(0, 1)[32:]), 0),
        (lambda log, size: log.edit("DELETE FROM checkpoint WHERE size = ?", size), None),
        (lambda log, size: log.edit("DELETE FROM event WHERE position = ?", size + 1), 1),
        (lambda log, size: log.edit("UPDATE head SET position = ?", size + 9), 3),
        (lambda log, size: log.edit("UPDATE head SET position = ?", size - 1), 0),
    ],
    ids=range(10),
)  # fmt: skip
def test_the_notary_signs_nothing_that_does_not_follow(log: Logged, attack: Attack, position: int | None) -> None:
    size = log.size
    log.acme.post(statement(ADA))
    log.acme.post(statement(ADA))
    attack(log, size)
    before = log.acme.rows("SELECT * FROM tile ORDER BY level, number")
    with pytest.raises(LogConflict) as raised:
        log.system.notary.step(log.store)
    assert raised.value.position == (101 if position is None else size + position)
    assert log.acme.rows("SELECT * FROM tile ORDER BY level, number") == before
    assert log.value("SELECT max(size) FROM checkpoint") in {size, 100}


def test_a_tile_that_holds_other_hashes_is_never_written_over(log: Logged) -> None:
    """Leaves that nobody signed lie there already."""
    tile = log.tile(0, 1)
    log.acme.post(statement(ADA))
    log.set_tile(0, 1, tile + bytes(32))
    with pytest.raises(LogConflict) as raised:
        log.system.notary.step(log.store)
    assert raised.value.position == log.size + 1
    assert log.tile(0, 1) == tile + bytes(32)


def test_a_conflict_is_an_alarm_that_is_kept_and_said(log: Logged, caplog: pytest.LogCaptureFixture) -> None:
    size = log.size
    log.acme.post(statement(ADA))
    log.flip(size)
    log.system.notary_runner.round()
    assert f"log-conflict tenant=acme position={size}" in caplog.text
    assert log.acme.rows("SELECT position, code FROM alarm") == [(size, "log-conflict")]
    assert log.size == size


def test_a_head_is_kept_for_each_hour(log: Logged) -> None:
    for hours in (1.2, 1.4, 2.1, 2.3):
        log.acme.post(statement(ADA))
        log.notary(FIRST_HEAD + timedelta(hours=hours)).catch_up(log.store)
    sizes = [one.size for one in log.store.tree.heads()]
    assert sizes == [100, log.size - 2, log.size]
    assert log.bad() is None
