"""Somebody edits, swaps, copies back or takes away what the vault keeps; or the power goes at the worst moment.

Promises 4 and 7: no copy brings an erased person back, and what was tampered with is an alarm, never an erasure.
"""

import base64
import itertools
import json
import multiprocessing
import shutil
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from backports import zstd

from lrs.adapters.sqlite.database import LOCK_SECONDS_MAX
from lrs.adapters.vault import dictionary, envelope, known
from lrs.adapters.vault.ledger import Entry, Mirror
from lrs.adapters.vault.mirrors import Mirrors
from lrs.adapters.vault.reading import VaultReading
from lrs.adapters.vault.vault import KeyVault
from lrs.domain.agents import lookups_of
from lrs.domain.errors import KeyStoreUnavailable, LetheError, NotFound, VaultRefused
from lrs.domain.sealing import (
    Category,
    Corrupt,
    Denied,
    Erased,
    Expired,
    Outcome,
    Place,
    Plain,
    Sealed,
    Slot,
    Unavailable,
)
from tests.vaults import (
    AT,
    OTHER,
    PERIOD,
    TENANT,
    TEXT,
    Item,
    Rows,
    SqlitePlace,
    VaultPlace,
    die_while_destroying,
    die_while_opening,
    erase,
    mbox,
    open_together,
    opened,
    person,
    sealed,
    somewhere,
    sqlite_only,
)

LEARNING = Category.LEARNING
# Each step costs a process: the normal run tries some of them.
STRIDES = pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.full)])


@pytest.fixture
def place(vault_place: VaultPlace) -> VaultPlace:
    """A place for the keys alone."""
    return vault_place


@pytest.fixture
def vault(place: VaultPlace) -> KeyVault:
    vault = place.open()
    vault.create_tenant(TENANT)
    vault.create_tenant(OTHER)
    return vault


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """Processes that are forked from one that has loaded the vault: quick, and without pytest's threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.vaults"])
    return context


def run(process: Any) -> int:
    process.start()
    process.join(30)
    code = process.exitcode
    process.close()
    assert code is not None
    return int(code)


def kinds(outcomes: list[Outcome]) -> set[type[Outcome]]:
    return {type(outcome) for outcome in outcomes}


# --- the envelope --------------------------------------------------------------------------------------------


def flipped(item: Item) -> list[Item]:
    data = item[1].envelope
    return [
        (item[0], Sealed(data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]))
        for at in range(len(data))
        for bits in (0x01, 0x80, 0xFF)
    ]


@pytest.mark.parametrize("owners", [1, 2, 3])
def test_no_flipped_byte_of_an_envelope_opens_or_passes_for_erased(vault: KeyVault, owners: int) -> None:
    subjects = [person(vault, f"p{number}") for number in range(owners)]
    item = sealed(vault, *subjects)
    assert kinds(vault.open_many(TENANT, flipped(item))) == {Corrupt}
    for subject in subjects[:-1]:
        erase(vault, subject)
        assert opened(vault, item) == Plain(TEXT)
        assert kinds(vault.open_many(TENANT, flipped(item))) == {Corrupt}


def test_no_flipped_byte_of_a_denied_envelope_opens(vault: KeyVault) -> None:
    item = sealed(vault, person(vault), person(vault, "bob"))
    for name in ("ada", "bob"):
        vault.begin_erasure(TENANT, person(vault, name))
    assert kinds(vault.open_many(TENANT, flipped(item))) == {Denied, Corrupt}


@pytest.mark.parametrize("owners", [1, 3])
def test_no_envelope_cut_short_or_made_longer_opens_or_passes_for_erased(vault: KeyVault, owners: int) -> None:
    where, whole = sealed(vault, *(person(vault, f"p{number}") for number in range(owners)))
    changed = [whole.envelope[:length] for length in range(len(whole.envelope))]
    changed += [whole.envelope + more for more in (b"\0", b"\xff" * 16, whole.envelope)]
    changed += [b"\0" + whole.envelope, whole.envelope[:3] + b"\0" + whole.envelope[3:]]
    assert kinds(vault.open_many(TENANT, [(where, Sealed(data)) for data in changed])) == {Corrupt}


def test_owners_of_an_any_of_seal_can_not_be_put_in_taken_out_doubled_or_reordered(vault: KeyVault) -> None:
    where, whole = sealed(vault, *(person(vault, name) for name in ("ada", "bob", "eve")))
    other = sealed(vault, person(vault, "ada"), person(vault, "bob"))[1].envelope
    data, size = whole.envelope, 76
    shares = [data[5 + size * number : 5 + size * (number + 1)] for number in range(3)]
    rest = data[5 + 3 * size :]
    mixes = [
        *itertools.permutations(shares, 2),
        *(mix for mix in itertools.permutations(shares, 3) if list(mix) != shares),
        (*shares, shares[0]),
        (*shares, other[5 : 5 + size]),
        (other[5 : 5 + size], *shares[1:]),
    ]
    forged = [data[:3] + len(mix).to_bytes(2, "big") + b"".join(mix) + rest for mix in mixes]
    assert kinds(vault.open_many(TENANT, [(where, Sealed(one)) for one in forged])) == {Corrupt}


def test_a_share_is_not_a_seal_of_one_key(vault: KeyVault) -> None:
    """Content keys are sealed under data keys: read as a part, one would hand out the key itself."""
    where, whole = sealed(vault, person(vault), person(vault, "bob"))
    share = whole.envelope[5 : 5 + 76]
    for head in itertools.product((1,), (1, 2), (0, 1)):
        assert isinstance(opened(vault, (where, Sealed(bytes(head) + share))), Corrupt)


def test_envelopes_swapped_between_places_people_and_tenants_do_not_open(vault: KeyVault) -> None:
    ada, bob, eve = person(vault), person(vault, "bob"), person(vault, tenant=OTHER)
    items = [
        sealed(vault, ada, data=b"1"),
        sealed(vault, ada, data=b"2"),
        sealed(vault, bob),
        sealed(vault, ada, bob),
        sealed(vault, ada, category=Category.EXCHANGE, period="2026-11"),
    ]
    foreign = sealed(vault, eve, tenant=OTHER)
    swapped = [(one[0], two[1]) for one, two in itertools.permutations([*items, foreign], 2)]
    assert kinds(vault.open_many(TENANT, swapped)) == {Corrupt}
    assert kinds(vault.open_many(OTHER, [*swapped[:-5], *items])) == {Corrupt}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"part": "bod"},
        {"part": "bodystatement-recorded", "topic": "/1"},
        {"topic": "statement-recorded/2"},
        {"stream": UUID(int=1)},
    ],
    ids=str,
)
def test_a_place_changed_in_any_fact_does_not_open(vault: KeyVault, change: dict[str, Any]) -> None:
    for owners in ([person(vault)], [person(vault), person(vault, "bob")]):
        where, whole = sealed(vault, *owners)
        facts = {"stream": where.stream, "version": where.version, "part": where.part, "topic": where.topic}
        moved = Place(**{**facts, **change})
        assert isinstance(opened(vault, (moved, whole)), Corrupt)


def test_an_envelope_of_a_living_person_with_a_dead_persons_kid_does_not_open(vault: KeyVault) -> None:
    """It passes for erased, which the vault alone can not tell: the Merkle log over ciphertexts does."""
    where, whole = sealed(vault, person(vault))
    dead = sealed(vault, person(vault, "bob"))[1].envelope[3:19]
    erase(vault, person(vault, "bob"))
    forged = Sealed(whole.envelope[:3] + dead + whole.envelope[19:])
    assert not isinstance(opened(vault, (where, forged)), Plain)


def data_key(vault: KeyVault, subject: UUID) -> envelope.DataKey:
    reading = vault.read(TENANT)
    assert isinstance(reading, VaultReading)
    return reading._key(Slot(subject, LEARNING, PERIOD)).key


def seal_packed(vault: KeyVault, subject: UUID, where: Place, packed: bytes) -> Item:
    """A seal that is valid in everything but its content."""
    return where, Sealed(envelope._seal_one(TENANT, where, data_key(vault, subject), packed, bytes(12)))


DICTIONARY = zstd.ZstdDict(dictionary.dictionary(dictionary.LATEST).as_bytes())


@pytest.mark.parametrize("with_dictionary", [None, DICTIONARY], ids=["no dictionary", "the dictionary"])
def test_a_bomb_inside_a_valid_seal_is_bounded(vault: KeyVault, with_dictionary: zstd.ZstdDict | None) -> None:
    compressor, block = zstd.ZstdCompressor(1, zstd_dict=with_dictionary), bytes(16 * 1024 * 1024)
    packed = b"".join(compressor.compress(block) for _ in range(40)) + compressor.flush()
    item = seal_packed(vault, person(vault), somewhere(), packed)
    tracemalloc.start()
    try:
        kind = type(opened(vault, item))  # a failure must not print what came out
        assert kind is Corrupt
        assert tracemalloc.get_traced_memory()[1] < 3 * envelope.OPENED_BYTES_MAX
    finally:
        tracemalloc.stop()


def test_a_part_of_the_largest_size_is_sealed_and_opens(vault: KeyVault) -> None:
    data = bytes(envelope.OPENED_BYTES_MAX)
    assert opened(vault, sealed(vault, person(vault), data=data)) == Plain(data)


@pytest.mark.parametrize("frame", [zstd.compress(TEXT), dictionary.compress(TEXT)], ids=["plain", "dictionary"])
def test_content_that_is_not_exactly_one_frame_is_corrupt(vault: KeyVault, frame: bytes) -> None:
    whole = seal_packed(vault, person(vault), somewhere(), frame)
    assert opened(vault, whole) == Plain(TEXT)
    for packed in (b"", b"not zstd", frame[:-1], frame[4:], frame + b"more", frame * 2):
        assert isinstance(opened(vault, seal_packed(vault, person(vault), somewhere(), packed)), Corrupt), packed


def test_content_compressed_with_a_dictionary_nobody_has_is_corrupt(vault: KeyVault) -> None:
    """The frame itself names it, as ordinary ones do."""
    ours = DICTIONARY.dict_content
    other = zstd.ZstdDict(ours[:4] + bytes([ours[4] ^ 1]) + ours[5:])
    packed = zstd.compress(TEXT, zstd_dict=other)
    assert isinstance(opened(vault, seal_packed(vault, person(vault), somewhere(), packed)), Corrupt)


# --- rows of the vault ---------------------------------------------------------------------------------------

KEY_COLUMNS = ("tenant", "subject", "category", "period", "kid", "wrapped")


@pytest.mark.parametrize("across", ["subject", "category", "period", "tenant"])
def test_data_key_rows_swapped_in_any_columns_open_nothing(
    vault: KeyVault, place: VaultPlace, across: str
) -> None:
    slots = {
        "subject": (TENANT, person(vault, "bob"), LEARNING, PERIOD),
        "category": (TENANT, person(vault), Category.ATTACHMENTS, PERIOD),
        "period": (TENANT, person(vault), LEARNING, "2025"),
        "tenant": (OTHER, person(vault, tenant=OTHER), LEARNING, PERIOD),
    }
    tenant, owner, category, period = slots[across]
    items = [
        (TENANT, person(vault), LEARNING, PERIOD, sealed(vault, person(vault))),
        (tenant, owner, category, period, sealed(vault, owner, tenant=tenant, category=category, period=period)),
    ]
    before = [
        place.rows("SELECT * FROM data_key WHERE kid = :kid", kid=item[1].envelope[3:19])[0] for *_, item in items
    ]
    different = [at for at in range(len(KEY_COLUMNS)) if before[0][at] != before[1][at]]
    for count in range(1, len(different)):
        for columns in itertools.combinations(different, count):
            one, two = list(before[0]), list(before[1])
            for at in columns:
                one[at], two[at] = two[at], one[at]
            put_keys(place, before, [one, two])
            attacked = place.open()
            for in_tenant, who, of_category, of_period, item in items:
                assert isinstance(opened(attacked, item, in_tenant), Corrupt), columns
                with pytest.raises((KeyStoreUnavailable, LookupError)):
                    seal_existing(attacked, in_tenant, Slot(who, of_category, of_period))
            attacked.close()
            put_keys(place, [one, two], before)


def put_keys(place: VaultPlace, old: Sequence[Sequence[Any]], new: Sequence[Sequence[Any]]) -> None:
    for row in old:
        place.edit("DELETE FROM data_key WHERE kid = :kid", kid=row[4])
    for row in new:
        marks = ", ".join(f":{column}" for column in KEY_COLUMNS)
        place.edit(f"INSERT INTO data_key VALUES ({marks})", **dict(zip(KEY_COLUMNS, row, strict=True)))


def seal_existing(vault: KeyVault, tenant: str, slot: Slot) -> None:
    """Seal under the key that is there; LookupError when there is no row, where minting a key is right."""
    with vault.database.read() as connection:
        found = connection.execute(
            "SELECT 1 FROM data_key WHERE tenant = ? AND subject = ? AND category = ? AND period = ?",
            (tenant, slot.subject.bytes, slot.category, slot.period),
        ).fetchone()
    if found is None:
        raise LookupError
    vault.read(tenant).seal([slot.subject], slot.category, slot.period, somewhere(), TEXT)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kid", b"0" * 16),
        ("kid", b""),
        ("wrapped", b""),
        ("wrapped", b"0" * 48),
        ("subject", b"short"),
        ("category", "identity"),
        ("category", "nonsense"),
        ("period", "2025"),
    ],
)
def test_an_edited_data_key_row_opens_and_seals_nothing(
    vault: KeyVault, place: VaultPlace, column: str, value: object
) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    place.edit("DELETE FROM data_key WHERE category = 'identity'")
    place.edit(f"UPDATE data_key SET {column} = :value", value=value)
    attacked = place.open()
    assert isinstance(opened(attacked, item), Corrupt)
    with pytest.raises((KeyStoreUnavailable, LookupError)):
        seal_existing(attacked, TENANT, Slot(subject, LEARNING, PERIOD))


@sqlite_only
@pytest.mark.parametrize(
    ("column", "value"),
    [("kid", "text"), ("wrapped", "text"), ("wrapped", 5), ("category", b"learning"), ("period", b"\xff")],
)
def test_a_data_key_row_of_other_types_opens_and_seals_nothing(
    vault: KeyVault, place: VaultPlace, column: str, value: object
) -> None:
    """Only SQLite keeps what is not of the column's type."""
    test_an_edited_data_key_row_opens_and_seals_nothing(vault, place, column, value)


@pytest.mark.parametrize("kind", ["TK", "IK", "SK"])
def test_tenant_keys_swapped_between_tenants_are_refused(vault: KeyVault, place: VaultPlace, kind: str) -> None:
    item = sealed(vault, person(vault))
    place.edit(
        "UPDATE tenant_key SET wrapped = (SELECT wrapped FROM tenant_key AS other WHERE other.kind = :kind"
        " AND other.tenant = :other) WHERE tenant = :tenant AND kind = :kind",
        kind=kind,
        tenant=TENANT,
        other=OTHER,
    )
    with pytest.raises(VaultRefused):
        opened(place.open(), item)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenant_key SET kind = CASE kind WHEN 'IK' THEN 'xx' WHEN 'SK' THEN 'IK' ELSE kind END",
        "DELETE FROM tenant_key WHERE kind = 'IK'",
        "UPDATE tenant_key SET wrapped = :short WHERE kind = 'TK'",
    ],
)
def test_edited_tenant_keys_are_refused(vault: KeyVault, place: VaultPlace, statement: str) -> None:
    item = sealed(vault, person(vault))
    place.edit(statement, short=b"\0")
    attacked = place.open()
    for call in (
        lambda: opened(attacked, item),
        lambda: attacked.read(TENANT),
        lambda: attacked.sign(TENANT, b""),
    ):
        with pytest.raises(VaultRefused):
            call()


# --- bringing a dead key back --------------------------------------------------------------------------------


KEYED_BY = {"data_key": 4, "directory": 2, "subject": 2}


def copies(place: VaultPlace) -> Rows:
    return {table: rows for table, rows in place.copy().items() if table in KEYED_BY}


def put_back(place: VaultPlace, kept: Rows) -> None:
    """Old rows beside, and in the place of, those that are there."""
    now = place.copy()
    for table, old in kept.items():
        of = KEYED_BY[table]
        now[table] = list(({row[:of]: row for row in now[table]} | {row[:of]: row for row in old}).values())
    place.restore(now)


@pytest.mark.parametrize("again", [False, True])
def test_a_destroyed_key_put_back_stays_destroyed_and_seals_nothing(
    vault: KeyVault, place: VaultPlace, *, again: bool
) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    bystander = place.open()
    kept = copies(place)
    erase(vault, subject)
    put_back(place, kept)
    for instance in (vault, bystander, place.open() if again else vault):
        assert opened(instance, item) == Erased()
        with pytest.raises(KeyStoreUnavailable):
            sealed(instance, subject)
        with pytest.raises(KeyStoreUnavailable):
            instance.read(TENANT).digest(subject, TEXT)


def test_a_key_put_back_and_destroyed_again_stands_in_the_ledger_once(vault: KeyVault, place: VaultPlace) -> None:
    """Twice it would be in the mirror, and the vault would never start again."""
    ada, bob = person(vault), person(vault, "bob")
    hers = sealed(vault, ada, category=LEARNING, period="2025")
    (kid,) = vault.kids(hers[1])
    kept = {"data_key": [row for row in place.copy()["data_key"] if row[4] == kid]}
    assert [one.kids for one in vault.expire(TENANT, LEARNING, "2025", AT)] == [(kid,)]
    put_back(place, kept)
    assert list(vault.expire(TENANT, LEARNING, "2025", AT)) == []
    assert vault.periods(TENANT, LEARNING) == {}
    put_back(place, kept)
    his = sealed(vault, bob, category=LEARNING, period="2025")
    assert [one.kids for one in vault.expire(TENANT, LEARNING, "2025", AT)] == [vault.kids(his[1])]
    put_back(place, kept)
    assert kid not in erase(vault, ada).kids
    for instance in (vault, place.open()):
        assert [opened(instance, item) for item in (hers, his)] == [Expired()] * 2
        assert instance.living_keys(TENANT, ada) == 0


STRUCK_OUT = [
    "DELETE FROM ledger WHERE subject = :ada",
    "DELETE FROM destroyed_key WHERE sequence = (SELECT sequence FROM ledger WHERE subject = :ada)",
    "DELETE FROM destroyed_key",
]


@pytest.mark.parametrize("statement", STRUCK_OUT)
def test_a_destruction_struck_out_of_the_ledger_is_an_alarm_and_refused_at_the_next_start(
    vault: KeyVault, place: VaultPlace, statement: str
) -> None:
    ada, bob = person(vault), person(vault, "bob")
    item = sealed(vault, ada)
    erase(vault, ada)
    erase(vault, bob)
    running = place.open()
    place.edit(statement, ada=ada.bytes)
    assert isinstance(opened(running, item), Corrupt)
    with pytest.raises(VaultRefused):
        place.open()


def test_a_ledger_row_struck_out_does_not_revive_a_key_that_was_put_back(
    vault: KeyVault, place: VaultPlace
) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    running, kept = place.open(), copies(place)
    erase(vault, subject)
    put_back(place, kept)
    place.edit("DELETE FROM ledger")
    assert isinstance(opened(running, item), Corrupt)
    with pytest.raises(KeyStoreUnavailable):
        sealed(running, subject)


def test_the_last_ledger_row_struck_out_is_replayed_at_the_next_start(vault: KeyVault, place: VaultPlace) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    kept = copies(place)
    erase(vault, subject)
    put_back(place, kept)
    place.edit("DELETE FROM ledger")
    attacked = place.open()
    assert opened(attacked, item) == Erased()
    assert attacked.living_keys(TENANT, subject) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET reason = 'expired'",
        "UPDATE ledger SET subject = :random",
        "UPDATE ledger SET tenant = 'globex'",
        "UPDATE ledger SET at = 'never'",
        "UPDATE ledger SET previous = hash",
        "UPDATE ledger SET hash = previous",
        "UPDATE ledger SET sequence = sequence + 100",
        "UPDATE destroyed_key SET tenant = 'globex'",
        "UPDATE destroyed_key SET kid = :random WHERE kid = (SELECT kid FROM destroyed_key ORDER BY kid LIMIT 1)",
        "INSERT INTO destroyed_key SELECT kid, tenant, (SELECT max(sequence) FROM ledger) FROM data_key LIMIT 1",
        "INSERT INTO destroyed_key SELECT kid, tenant, 999 FROM data_key LIMIT 1",
        "INSERT INTO ledger SELECT 999, tenant, :random, reason, at, hash, 'more' FROM ledger LIMIT 1",
    ],
)
def test_an_edited_or_forged_ledger_is_refused_at_start(
    vault: KeyVault, place: VaultPlace, statement: str
) -> None:
    sealed(vault, person(vault, "bob"))
    erase(vault, person(vault))
    place.edit(statement, random=uuid4().bytes)
    with pytest.raises(VaultRefused):
        place.open()


# --- the mirror ----------------------------------------------------------------------------------------------


def test_every_edited_byte_of_the_mirror_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    for name in ("ada", "bob"):
        erase(vault, person(vault, name))
    whole = place.mirror.read_bytes()
    entries = list(Mirror(place.mirror).entries())
    for at in range(len(whole)):
        place.mirror.write_bytes(whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :])
        with suppress(VaultRefused):
            assert list(Mirror(place.mirror).entries()) != entries, at
        if at % 25 == 0 or at in {len(whole) - 1, whole.index(b"\n")}:
            with pytest.raises(VaultRefused):
                place.open()
    place.mirror.write_bytes(whole)
    place.open()


LINES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "all gone": lambda lines: [],
    "last gone": lambda lines: lines[:-1],
    "first gone": lambda lines: lines[1:],
    "reordered": lambda lines: lines[::-1],
    "doubled": lambda lines: [*lines, lines[-1]],
    "an empty line": lambda lines: [*lines, b"\n"],
    "null": lambda lines: [*lines, b"null\n"],
    "a number": lambda lines: [*lines, b"1\n"],
    "a list": lambda lines: [*lines, b"[]\n"],
    "text": lambda lines: [*lines, b'"x"\n'],
    "not UTF-8": lambda lines: [*lines, b"\xff\n"],
    "nested": lambda lines: [*lines, b"[" * 100_000 + b"\n"],
    "cut": lambda lines: [b"".join(lines)[:-1]],
    "cut in the first": lambda lines: [lines[0][:50]],
}


@pytest.mark.parametrize("change", LINES)
def test_a_mirror_that_is_not_the_ledgers_is_refused_and_destroys_nothing(
    vault: KeyVault, place: VaultPlace, change: str
) -> None:
    item = sealed(vault, person(vault, "eve"))
    for name in ("ada", "bob"):
        erase(vault, person(vault, name))
    whole = place.mirror.read_bytes()
    place.mirror.write_bytes(b"".join(LINES[change](whole.splitlines(keepends=True))))
    before = copies(place)
    with pytest.raises(VaultRefused):
        place.open()
    # A process that is running already does not write on in it either.
    vault.begin_erasure(TENANT, person(vault, "eve"))
    altered = place.mirror.read_bytes()
    with pytest.raises(VaultRefused):
        vault.destroy(TENANT, person(vault, "eve"), AT)
    assert place.mirror.read_bytes() == altered
    assert copies(place)["data_key"] == before["data_key"]
    assert opened(vault, item) == Denied()
    place.mirror.write_bytes(whole)
    place.open()


def test_a_deleted_mirror_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    erase(vault, person(vault))
    place.mirror.unlink()
    with pytest.raises(VaultRefused):
        place.open()


def test_a_mirror_that_can_not_be_read_or_written_destroys_nothing(vault: KeyVault, place: VaultPlace) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    place.mirror.mkdir()
    with pytest.raises(VaultRefused):
        erase(vault, subject)
    with pytest.raises(VaultRefused):
        place.open()
    assert opened(vault, item) == Denied()
    place.mirror.rmdir()
    vault.destroy(TENANT, subject, AT)
    assert opened(vault, item) == Erased()


def test_another_vaults_mirror_is_refused(vault: KeyVault, place: VaultPlace) -> None:
    other_place = place.another("other")
    other = other_place.open()
    other.create_tenant(TENANT)
    erase(other, person(other))
    other_place.close()
    erase(vault, person(vault))
    shutil.copy(other_place.mirror, place.mirror)
    with pytest.raises(VaultRefused):
        place.open()


def test_a_torn_last_line_of_a_crash_is_cut_off(vault: KeyVault, place: VaultPlace) -> None:
    erase(vault, person(vault))
    with place.mirror.open("ab") as file:
        file.write(b'{"at": "2026')
    item = sealed(vault, person(vault, "bob"))
    erase(place.open(), person(vault, "bob"))
    assert [opened(instance, item) for instance in (vault, place.open())] == [Erased()] * 2


# --- older copies --------------------------------------------------------------------------------------------


def test_an_older_copy_of_the_vault_destroys_again_what_the_mirror_knows(
    vault: KeyVault, place: VaultPlace
) -> None:
    ada, bob, eve = person(vault), person(vault, "bob"), person(vault, "eve")
    old, kept, late = sealed(vault, ada), sealed(vault, bob), sealed(vault, bob, period="2020")
    gone = sealed(vault, person(vault, tenant=OTHER), tenant=OTHER)
    copy = place.copy()
    after_copy = sealed(vault, ada, category=Category.ATTACHMENTS)
    erase(vault, ada)
    place.expire(vault, TENANT, Slot(bob, LEARNING, "2020"))
    erase(vault, eve)
    vault.destroy_tenant(OTHER)
    fence = vault.read(TENANT).sequence
    place.close()
    place.restore(copy)
    for restored in (place.open(), place.open()):
        outcomes = restored.open_many(TENANT, [old, after_copy, late, kept])
        assert outcomes == [Erased(), Erased(), Expired(), Plain(TEXT)]
        assert restored.living_keys(TENANT, ada) == restored.living_keys(TENANT, eve) == 0
        assert restored.read(TENANT).lookup([mbox("ada"), mbox("eve"), mbox("bob")]) == {mbox("bob"): bob}
        assert restored.read(TENANT).sequence >= fence
        with pytest.raises(NotFound):
            opened(restored, gone, OTHER)
        assert restored.destroyed(TENANT, ada) == restored.destroy(TENANT, ada, AT)
    erase(restored, bob)
    assert opened(place.open(), kept) == Erased()


def test_an_older_copy_with_the_older_mirrors_place_taken_by_nothing_is_refused(
    vault: KeyVault, place: VaultPlace
) -> None:
    erase(vault, person(vault))
    copy = place.copy()
    erase(vault, person(vault, "bob"))
    place.close()
    place.restore(copy)
    place.mirror.unlink()
    with pytest.raises(VaultRefused):
        place.open()


# --- root key and epoch key ----------------------------------------------------------------------------------


def refused_and_untouched(place: VaultPlace) -> None:
    """It does not open, and every byte is as it was."""
    before = place.files()
    with pytest.raises(VaultRefused):
        place.open()
    assert place.files() == before


@pytest.mark.parametrize(
    "content",
    [
        base64.b64encode(b"x" * 32) + b"\n",
        base64.b64encode(b"x" * 31),
        base64.b64encode(b"x" * 64),
        b"",
        b"garbage",
        b"\xff\xfe" * 30,
        b"A" * 5000,
        None,
    ],
)
def test_a_wrong_root_key_file_is_refused_and_nothing_is_touched(
    vault: KeyVault, place: VaultPlace, content: bytes | None
) -> None:
    erase(vault, person(vault))
    place.close()
    root = place.key_dir / "root.key"
    if content is None:
        root.unlink()
    else:
        root.write_bytes(content)
    refused_and_untouched(place)


@pytest.mark.parametrize("text", ["", "garbage", base64.b64encode(b"x" * 32).decode(), "é", "A" * 43])
def test_a_wrong_root_key_from_the_environment_is_refused_and_nothing_is_touched(
    vault: KeyVault, place: VaultPlace, text: str
) -> None:
    sealed(vault, person(vault))
    place.close()
    place.root_key = text
    refused_and_untouched(place)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_root_key_file_that_others_reach_is_refused_and_nothing_is_touched(
    vault: KeyVault, place: VaultPlace, mode: int
) -> None:
    place.close()
    (place.key_dir / "root.key").chmod(mode)
    refused_and_untouched(place)


def test_the_root_key_from_the_environment_leaves_no_file_of_it(place: VaultPlace) -> None:
    key = bytes(range(32))
    place.root_key = base64.b64encode(key).decode()
    vault = place.open()
    vault.create_tenant(TENANT)
    item = sealed(vault, person(vault))
    place.close()
    assert opened(place.open(), item) == Plain(TEXT)
    place.close()
    for content in place.files().values():
        assert key not in content
        assert base64.b64encode(key) not in content
    place.root_key = None
    refused_and_untouched(place)


def test_a_bad_root_key_makes_nothing_in_a_fresh_place(place: VaultPlace) -> None:
    place.root_key = "garbage"
    with pytest.raises(VaultRefused):
        place.open()
    assert {name for name, content in place.files().items() if content != b"[]"} <= {"keys/.lock"}


def test_new_files_are_for_their_owner_only(vault: KeyVault, place: VaultPlace) -> None:
    erase(vault, person(vault))
    for path in [*place.root.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


EPOCH_FILES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "garbage": lambda content: b"\xff\x00",
    "null": lambda content: b"null",
    "text": lambda content: b'"wrapped"',
    "no key": lambda content: b"{}",
    "a number": lambda content: b'{"wrapped": 1}',
    "not base64": lambda content: b'{"wrapped": "%%%"}',
    "short": lambda content: b'{"wrapped": "AAAA"}',
    "nested": lambda content: b"[" * 100_000,
    "flipped": lambda content: json.dumps(
        json.loads(content) | {"wrapped": flip_base64(json.loads(content)["wrapped"])}
    ).encode(),
}


def flip_base64(text: str) -> str:
    data = base64.b64decode(text)
    return base64.b64encode(bytes([data[0] ^ 1]) + data[1:]).decode()


@pytest.mark.parametrize("change", EPOCH_FILES)
def test_a_missing_or_damaged_epoch_key_is_refused_and_nothing_is_touched(
    vault: KeyVault, place: VaultPlace, change: str
) -> None:
    place.close()
    file = place.key_dir / "epoch-1.key"
    content = EPOCH_FILES[change](file.read_bytes())
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    refused_and_untouched(place)


def test_another_vaults_epoch_key_is_refused_even_under_the_same_root(place: VaultPlace) -> None:
    root_key = base64.b64encode(bytes(32)).decode()
    one, two = (place.another(name, root_key) for name in ("one", "two"))
    for made in (one, two):
        made.open()
        made.close()
    shutil.copy(two.key_dir / "epoch-1.key", one.key_dir / "epoch-1.key")
    refused_and_untouched(one)


@pytest.mark.parametrize("file_too", [False, True])
def test_an_edited_epoch_number_is_refused_at_start_and_in_a_running_process(
    vault: KeyVault, place: VaultPlace, *, file_too: bool
) -> None:
    item = sealed(vault, person(vault))
    place.edit("UPDATE fence SET epoch = 2")
    if file_too:
        shutil.copy(place.key_dir / "epoch-1.key", place.key_dir / "epoch-2.key")
    for call in (lambda: opened(vault, item), lambda: vault.read(TENANT), lambda: vault.create_tenant("new")):
        with pytest.raises(VaultRefused):
            call()
    place.close()
    refused_and_untouched(place)


@pytest.mark.parametrize("statement", ["DELETE FROM fence", "UPDATE fence SET vault = 'another'"])
def test_an_edited_fence_is_refused(vault: KeyVault, place: VaultPlace, statement: str) -> None:
    place.close()
    place.edit(statement)
    with pytest.raises(VaultRefused):
        place.open()


@sqlite_only
def test_a_file_that_is_no_database_is_unavailable_and_not_replaced(place: SqlitePlace) -> None:
    place.open()
    place.close()
    place.path.write_bytes(b"not a database at all" * 100)
    before = place.files()
    with pytest.raises(KeyStoreUnavailable):
        place.open()
    assert place.files() == before


# --- a fresh place -------------------------------------------------------------------------------------------


def works(place: VaultPlace) -> None:
    vault = place.open()
    vault.create_tenant(TENANT)
    item = sealed(vault, person(vault))
    place.close()
    assert opened(place.open(), item) == Plain(TEXT)
    place.close()


def draft(place: SqlitePlace) -> Path:
    return place.path.with_name("vault.db.new")


def unfinished(place: SqlitePlace) -> None:
    """All was made but the vault has not got its name."""
    place.open()
    place.close()
    place.edit("DELETE FROM tenant_key")  # the installation's own comes last
    place.path.rename(draft(place))


def without_epoch_key(place: SqlitePlace) -> None:
    (place.key_dir / "epoch-1.key").unlink()


def without_draft(place: SqlitePlace) -> None:
    without_epoch_key(place)
    draft(place).unlink()


def torn_draft(place: SqlitePlace) -> None:
    without_epoch_key(place)
    draft(place).write_bytes(draft(place).read_bytes()[:5000])


def empty_draft(place: SqlitePlace) -> None:
    without_epoch_key(place)
    draft(place).write_bytes(b"")


def half_a_key_file(place: SqlitePlace) -> None:
    without_epoch_key(place)
    (place.key_dir / ".epoch-1.key.0011").write_bytes(b"{")


LEFT_BEHIND: dict[str, Callable[[SqlitePlace], None]] = {
    "only the root key": without_draft,
    "an empty draft": empty_draft,
    "a torn draft": torn_draft,
    "a draft without its epoch key": without_epoch_key,
    "half a key file": half_a_key_file,
    "all but the name": lambda _: None,
}


@sqlite_only
@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_a_creation_that_did_not_finish_is_finished(place: SqlitePlace, left: str) -> None:
    unfinished(place)
    LEFT_BEHIND[left](place)
    works(place)
    assert not draft(place).exists()


@STRIDES
def test_a_creation_that_dies_at_any_step_is_finished(
    place: VaultPlace, forks: ForkServerContext, stride: int
) -> None:
    for step in itertools.count(1, stride):
        fresh = place.another(str(step))
        died = run(forks.Process(target=die_while_opening, args=(fresh.elsewhere(), step), daemon=True))
        assert died in {0, 9}
        works(fresh)
        fresh.remove()
        if died == 0:
            break
    assert step > 10


@sqlite_only
def test_a_stray_draft_never_costs_the_epoch_key(vault: KeyVault, place: SqlitePlace) -> None:
    """Whoever can write the data directory must not be able to turn every backup into noise."""
    item = sealed(vault, person(vault))
    place.close()
    backup, key = place.path.read_bytes(), (place.key_dir / "epoch-1.key").read_bytes()
    for content in (b"", b"garbage", None):
        place.path.unlink(missing_ok=True)
        if content is None:
            other = SqlitePlace(place.root / "other")
            unfinished(other)
            content = draft(other).read_bytes()
        draft(place).write_bytes(content)
        with pytest.raises(VaultRefused):
            place.open()
        assert (place.key_dir / "epoch-1.key").read_bytes() == key
    place.path.write_bytes(backup)
    assert opened(place.open(), item) == Plain(TEXT)


@sqlite_only
@pytest.mark.parametrize("with_draft", [False, True])
def test_a_lost_vault_is_not_replaced_by_an_empty_one(
    vault: KeyVault, place: SqlitePlace, *, with_draft: bool
) -> None:
    erase(vault, person(vault))
    place.close()
    if with_draft:
        place.path.rename(draft(place))
    else:
        place.path.unlink()
    refused_and_untouched(place)


@sqlite_only
def test_the_write_ahead_log_of_a_lost_vault_is_not_read_into_a_new_one(place: SqlitePlace) -> None:
    place.path.parent.mkdir()
    place.path.with_name("vault.db-wal").write_bytes(b"left behind")
    with pytest.raises(VaultRefused):
        place.open()


def test_processes_that_open_a_fresh_place_at_once_get_the_same_vault(
    place: VaultPlace, forks: ForkServerContext
) -> None:
    start, pipes, processes = forks.Barrier(4), [], []
    for _ in range(4):
        ours, theirs = forks.Pipe()
        process = forks.Process(target=open_together, args=(place.elsewhere(), start, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    answers = []
    for pipe, process in zip(pipes, processes, strict=True):
        assert pipe.poll(30)
        answers.append(pipe.recv())
        pipe.close()
        process.join(30)
        assert process.exitcode == 0
    assert len(set(answers)) == 1
    vault = place.open()
    assert (vault.public_key(TENANT), person(vault)) == answers[0]


# --- a destruction that is interrupted -----------------------------------------------------------------------


class DyingMirror(Mirror):
    """The power goes just before, or just after, the entry is on the disk."""

    def __init__(self, path: Path, *, written: bool) -> None:
        super().__init__(path)
        self.written = written
        self.dying = True

    def append(self, entry: Entry) -> None:
        if self.dying and not self.written:
            raise OSError("before")
        super().append(entry)
        if self.dying:
            raise OSError("after")


def with_mirror(place: VaultPlace, mirror: Mirror) -> KeyVault:
    whole = place.open()
    vault = KeyVault(whole.database, whole.keys, Mirrors(mirror))
    place.opened.append(vault)
    return vault


@pytest.mark.parametrize("written", [True, False])
def test_a_crash_around_the_mirror_destroys_wholly_or_not_at_all(
    vault: KeyVault, place: VaultPlace, *, written: bool
) -> None:
    ada, bob = person(vault), person(vault, "bob")
    item, kept = sealed(vault, ada), sealed(vault, bob)
    keys = vault.living_keys(TENANT, ada)
    with pytest.raises(OSError, match="after" if written else "before"):
        erase(with_mirror(place, DyingMirror(place.mirror, written=written)), ada)
    assert vault.living_keys(TENANT, ada) == keys
    assert vault.open_many(TENANT, [item, kept]) == [Denied(), Plain(TEXT)]
    again = place.open()
    assert again.open_many(TENANT, [item, kept]) == [Erased() if written else Denied(), Plain(TEXT)]
    assert (again.living_keys(TENANT, ada) == 0) == written
    # The instance that lived on sees it too, and the erasure can be finished by either.
    assert opened(vault, item) == opened(again, item)
    assert vault.destroy(TENANT, ada, AT) == again.destroy(TENANT, ada, AT)
    assert opened(place.open(), item) == Erased()


@pytest.mark.parametrize("then", ["the same", "another", "a tenant"])
def test_a_process_that_lives_on_after_an_interrupted_destruction_does_not_break_the_mirror(
    vault: KeyVault, place: VaultPlace, then: str
) -> None:
    ada, bob = person(vault), person(vault, "bob")
    item, other_item = sealed(vault, ada), sealed(vault, bob)
    with pytest.raises(OSError, match="after"):
        erase(with_mirror(place, DyingMirror(place.mirror, written=True)), ada)
    if then == "the same":
        vault.destroy(TENANT, ada, AT)
    elif then == "another":
        erase(vault, bob)
        assert opened(vault, other_item) == Erased()
    else:
        vault.destroy_tenant(OTHER)
    assert opened(vault, item) == Erased()
    assert opened(place.open(), item) == Erased()
    assert len(list(Mirror(place.mirror).entries())) == (1 if then == "the same" else 2)


def test_a_tenant_made_again_after_an_interrupted_destruction_is_a_new_one_and_stays(
    vault: KeyVault, place: VaultPlace
) -> None:
    """The mirror has the old one's end: it must not come over what was recorded since."""
    old = sealed(vault, person(vault))
    with pytest.raises(OSError, match="after"):
        with_mirror(place, DyingMirror(place.mirror, written=True)).destroy_tenant(TENANT)
    vault.create_tenant(TENANT)
    item = sealed(vault, person(vault))
    erase(vault, person(vault, tenant=OTHER), OTHER)
    for instance in (vault, place.open()):
        assert opened(instance, item) == Plain(TEXT)
        assert isinstance(opened(instance, old), Corrupt)


@STRIDES
def test_a_destruction_that_dies_at_any_step_is_whole_or_can_be_done_again(
    vault: KeyVault, place: VaultPlace, forks: ForkServerContext, stride: int
) -> None:
    ada, bob = person(vault), person(vault, "bob")
    item, kept = sealed(vault, ada), sealed(vault, bob)
    vault.begin_erasure(TENANT, ada)
    place.close()
    outcomes = []
    for step in itertools.count(1, stride):
        copy = place.twin(f"copies/{step}")
        died = run(forks.Process(target=die_while_destroying, args=(copy.elsewhere(), ada, step), daemon=True))
        assert died in {0, 9}
        again = copy.open()
        outcome, other = again.open_many(TENANT, [item, kept])
        outcomes.append(outcome)
        assert other == Plain(TEXT)
        assert (again.living_keys(TENANT, ada) == 0) == (outcome == Erased())
        again.destroy(TENANT, ada, AT)
        assert opened(again, item) == Erased()
        assert opened(copy.open(), item) == Erased()
        copy.remove()
        if died == 0:
            break
    first = outcomes.index(Erased())
    assert outcomes == [Denied()] * first + [Erased()] * (len(outcomes) - first)
    assert 0 < first < len(outcomes) - 1


def test_a_start_during_another_processs_destructions_is_not_refused(vault: KeyVault, place: VaultPlace) -> None:
    names = [mbox(f"p{number}") for number in range(40)]
    subjects = vault.read(TENANT).enrol(names)
    failures: list[Exception] = []

    def destroy() -> None:
        try:
            for subject in subjects.values():
                erase(vault, subject)
        except LetheError as error:
            failures.append(error)

    thread = threading.Thread(target=destroy)
    thread.start()
    while thread.is_alive():
        place.open().close()
    thread.join()
    assert failures == []


# --- threads and old readings --------------------------------------------------------------------------------


def test_a_slower_threads_old_reading_never_revives_a_key(vault: KeyVault, place: VaultPlace) -> None:
    subject = person(vault)
    item = sealed(vault, subject)
    other = place.open()
    with vault.database.read() as old:
        assert old.execute("SELECT sequence FROM fence").fetchone() == (0,)  # the snapshot is taken here
        erase(other, subject)
        found = []

        def look() -> None:
            found.append(opened(vault, item))

        first = threading.Thread(target=look)
        first.start()
        first.join()
        # The old snapshot now puts its own cache in the place of the newer one, with the key in it.
        stale = vault.known(old)
        keys = vault.tenant_keys(old, stale, TENANT)
        states = vault._states(old, stale, TENANT, keys, {item[1].envelope[3:19]})
        assert isinstance(next(iter(states.values())), known.SubjectKey)
        second = threading.Thread(target=look)
        second.start()
        second.join()
    assert found == [Erased(), Erased()]
    assert opened(vault, item) == Erased()


def test_a_long_reader_does_not_hold_up_an_erasure(vault: KeyVault, place: VaultPlace) -> None:
    """A backup, say. Emptying the write-ahead log would wait for it, and keep every writer out meanwhile."""
    subject, reader = person(vault), place.open()
    with reader.database.read() as snapshot:
        snapshot.execute("SELECT * FROM fence").fetchone()
        before = time.monotonic()
        erase(vault, subject)
        assert time.monotonic() - before < LOCK_SECONDS_MAX / 3
    assert vault.living_keys(TENANT, subject) == 0


def test_closing_while_other_threads_read_breaks_nothing(vault: KeyVault) -> None:
    """They are answered, or told that the vault is unavailable; the process does not crash."""
    items = [sealed(vault, person(vault, f"p{number}")) for number in range(20)]
    stop, seen = threading.Event(), set()

    def look() -> None:
        while not stop.is_set():
            seen.update(kinds(vault.open_many(TENANT, items)))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        vault.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert seen <= {Plain, Unavailable}


class EmptiedVault(KeyVault):
    """Another thread empties the shared tables whenever this one has just looked keys up."""

    def _states(self, *arguments: Any) -> Any:
        states = super()._states(*arguments)
        self._known.by_kid.clear()
        self._known.by_slot.clear()
        return states


def test_a_cache_emptied_by_another_thread_is_no_alarm(vault: KeyVault, place: VaultPlace) -> None:
    item = sealed(vault, person(vault), person(vault, "bob"))
    whole = place.open()
    emptied = EmptiedVault(whole.database, whole.keys, Mirrors(Mirror(place.mirror)))
    assert emptied.open_many(TENANT, [item] * 3) == [Plain(TEXT)] * 3
    assert opened(vault, sealed(emptied, person(vault))) == Plain(TEXT)


def test_an_enrolment_that_was_rolled_back_leaves_no_phantom_in_the_cache(
    vault: KeyVault, place: VaultPlace
) -> None:
    """The second form finds the first one's row inside the transaction, which then fails."""
    forms = lookups_of(mbox("ada"))
    reading = vault.read(TENANT)
    mend = place.break_inserting_many_keys(vault)
    with pytest.raises(KeyStoreUnavailable):
        reading.enrol([*forms, mbox("bob")])
    mend()
    assert reading.lookup(forms) == {}
    assert opened(vault, sealed(vault, person(vault))) == Plain(TEXT)


# --- what lies on the disk -----------------------------------------------------------------------------------


def raw_keys(vault: KeyVault) -> set[bytes]:
    """Every key that this instance has in memory; of longer ones, both halves."""
    cached = vault._known
    keys = {vault._known.epoch_key}
    keys |= {key for tenant in cached.tenants.values() for key in (tenant.wrapping, tenant.pepper, tenant.signing)}
    keys |= {key.key.raw for key in cached.by_slot.values()}
    keys |= set(cached.digest_keys.values())
    return {key[at : at + 32] for key in keys for at in range(0, len(key), 32)}


def test_no_raw_key_name_or_text_is_on_the_disk(vault: KeyVault, place: VaultPlace) -> None:
    subjects = [person(vault, f"person{number}") for number in range(5)]
    seen: set[bytes] = set()
    for subject in subjects:
        for category in Category:
            sealed(vault, subject, category=category)
        sealed(vault, *subjects)
        vault.read(TENANT).digest(subject, TEXT)
    seen |= raw_keys(vault)
    for subject in subjects[:3]:
        erase(vault, subject)
        sealed(vault, subjects[4])
        seen |= raw_keys(vault)
    assert len(seen) > 30
    secrets = {
        *seen,
        TEXT,
        b"person1@example.org",
        *(key.hex().encode() for key in seen),
        *(base64.b64encode(key) for key in seen),
    }
    root = base64.b64decode((place.key_dir / "root.key").read_bytes())
    while_open = place.files()
    assert any(name.endswith(("-wal", "/data_key")) for name in while_open)
    place.close()
    for files in (while_open, place.files()):
        for name, content in files.items():
            assert not [secret for secret in secrets if secret in content], name
            assert root not in content
            assert name == "keys/root.key" or base64.b64encode(root) not in content


@sqlite_only
def test_wrapped_keys_of_the_erased_are_overwritten_on_the_disk(vault: KeyVault, place: SqlitePlace) -> None:
    """Hygiene, not the guarantee: that is the epoch key's end."""
    subject = person(vault)
    sealed(vault, subject)
    wrapped = [
        row[0] for row in place.rows("SELECT wrapped FROM data_key WHERE subject = :ada", ada=subject.bytes)
    ]
    assert len(wrapped) == 2
    erase(vault, subject)
    for content in place.files().values():
        assert not [key for key in wrapped if key in content]


# --- a database that changes under a running process ---------------------------------------------------------


def every_call(vault: KeyVault, subject: UUID) -> list[Callable[[], object]]:
    """All that a running service asks of the vault."""
    return [
        lambda: opened(vault, (somewhere(), Sealed(b""))),
        lambda: vault.read(TENANT),
        lambda: vault.create_tenant("new"),
        lambda: vault.begin_erasure(TENANT, subject),
        lambda: vault.destroy(TENANT, subject, AT),
        lambda: vault.destroy_tenant(TENANT),
        lambda: vault.catch_up(),
        lambda: vault.epoch(),
    ]


def test_a_fence_that_is_gone_is_refused_in_a_running_process(vault: KeyVault, place: VaultPlace) -> None:
    subject = person(vault)
    place.edit("DELETE FROM fence")
    for call in every_call(vault, subject):
        with pytest.raises(VaultRefused):
            call()
    with pytest.raises(VaultRefused):
        vault.sign(TENANT, b"")


def test_an_older_copy_under_a_running_process_is_refused_until_it_starts_again(
    vault: KeyVault, place: VaultPlace
) -> None:
    """A stand-in that missed the last commits took over, or somebody restored a backup: the dead keys are back."""
    subject, other = person(vault), place.open()
    item = sealed(vault, subject)
    copy = place.copy()
    erase(vault, subject)
    assert opened(other, item) == Erased()
    place.restore(copy)
    for instance in (vault, other):
        for call in every_call(instance, subject):
            with pytest.raises(VaultRefused):
                call()
        with pytest.raises(VaultRefused):
            opened(instance, item)
    assert opened(place.open(), item) == Erased()
