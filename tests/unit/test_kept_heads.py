"""What the highest signed head says of a log that is held against it."""

import pytest

from lrs.domain.generations import GenerationStarted, start_in
from lrs.domain.kept_heads import KeptHead
from lrs.domain.leaves import Entry
from tests.logs import start_event

KEPT = KeptHead(2, 100, bytes(32))
RESTORED = KEPT._replace(restored=True)


@pytest.mark.parametrize(
    ("kept", "generation", "allowed"),
    [(KEPT, 1, False), (KEPT, 2, True), (KEPT, 3, False), (RESTORED, 1, False), (RESTORED, 2, True),
     (RESTORED, 3, True), (RESTORED, 4, True)],
)  # fmt: skip
def test_a_log_is_of_the_generation_that_was_signed_or_was_restored(
    kept: KeptHead, generation: int, allowed: bool
) -> None:
    assert kept.allows(generation) is allowed


@pytest.mark.parametrize(
    ("generation", "began", "binds"),
    [(1, 5, True), (2, 5, True), (2, 100, True), (3, 99, False), (3, 100, True), (3, 101, True)],
)
def test_a_head_binds_what_a_later_generation_kept_of_its_log(generation: int, began: int, binds: bool) -> None:
    assert KEPT.binds(generation, began) is binds


@pytest.mark.parametrize(
    ("made", "began", "takes"),
    [((2, 100), 0, False), ((2, 101), 0, True), ((1, 500), 0, False), ((3, 50), 200, False), ((3, 100), 200, True),
     ((3, 50), 40, True)],
)  # fmt: skip
def test_a_restored_log_comes_as_far_as_it_was_before_its_head_is_kept(
    made: tuple[int, int], began: int, takes: bool
) -> None:
    assert KeptHead(*made, bytes(32)).takes_the_place_of(RESTORED, began) is takes


def test_a_start_lies_right_after_the_position_that_it_names() -> None:
    event = start_event(2, 7)
    entry = Entry(8, 1, event.originator_id.bytes, 1, event.TOPIC, event.encode())
    assert start_in(entry) == event
    for other in (
        entry._replace(position=9),
        entry._replace(topic="statement-recorded/1"),
        entry._replace(state=b"{}"),
        entry._replace(stream=b"short"),
    ):
        assert start_in(other) is None
    assert GenerationStarted.decode(event.originator_id, 1, event.encode()) == event
