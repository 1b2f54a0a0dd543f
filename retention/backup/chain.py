"""The manifests of an installation, one after the other, as far back as a restore has to look.

1. The newest is the one with the highest number. Where the escrow knows a newer one (``anchored``), or another
   under its number, somebody put back an older state of the place, or lost the newest runs.
2. Each is signed, bears its own number, and names the hash of the one before.
3. It ends at the newest base. What was before that may be gone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lrs.domain.errors import BackupInvalid
from lrs.ports import ObjectPlace
from retention.backup import layout, manifests
from retention.backup.manifests import Manifest, Segment, Verify

# In the escrow: which manifest was the last.
ANCHOR: Final = "backup.json"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Which run the escrow knows to be the last that was finished."""

    number: int
    sha256: str
    at: str

    def encode(self) -> bytes:
        """As it is stored."""
        facts = {"number": self.number, "sha256": self.sha256, "at": self.at}
        return json.dumps(facts, sort_keys=True).encode() + b"\n"


def read_anchor(escrow: ObjectPlace) -> Anchor | None:
    """The escrow's, where it has one. BackupInvalid."""
    try:
        return Anchor(**json.loads(escrow.get(ANCHOR)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, RecursionError):
        raise BackupInvalid("what the escrow says of the last run can not be read") from None


def numbers(place: ObjectPlace, vault: str) -> list[int]:
    """The runs that there are, in order."""
    found = (layout.manifest_number(name) for name, _ in place.list(layout.manifests_folder(vault)))
    return sorted(one for one in found if one is not None)


def read_one(place: ObjectPlace, vault: str, number: int, public_key: bytes, verify: Verify) -> Manifest:
    """One run's manifest. BackupInvalid."""
    try:
        data = place.get(layout.manifest_name(vault, number))
    except FileNotFoundError:
        raise BackupInvalid(f"the manifest of run {number} is missing") from None
    manifest = manifests.read(data, public_key, verify)
    if (manifest.vault, manifest.number) != (vault, number):
        raise BackupInvalid(f"the manifest of run {number} is another's")
    return manifest


def newest(place: ObjectPlace, vault: str, public_key: bytes, verify: Verify) -> Manifest | None:
    """The last run's manifest, where there was a run."""
    there = numbers(place, vault)
    return read_one(place, vault, there[-1], public_key, verify) if there else None


def read_chain(
    place: ObjectPlace,
    vault: str,
    public_key: bytes,
    verify: Verify,
    *,
    upto: int | None = None,
    anchor: Anchor | None = None,
) -> list[Manifest]:
    """The manifests from the newest base to the newest, or to ``upto``. BackupInvalid."""
    there = [one for one in numbers(place, vault) if upto is None or one <= upto]
    if not there or (upto is not None and there[-1] != upto):
        raise BackupInvalid("there is no such run in this place")
    chain = [read_one(place, vault, there[-1], public_key, verify)]
    while not chain[0].base:
        before = read_one(place, vault, chain[0].number - 1, public_key, verify)
        if before.sha256 != chain[0].previous:
            raise BackupInvalid(f"the manifest of run {before.number} is not the one that the next one follows")
        chain.insert(0, before)
    _check_anchor(chain, anchor)
    return chain


def _check_anchor(chain: Sequence[Manifest], anchor: Anchor | None) -> None:
    if anchor is None or anchor.number < chain[0].number:
        return
    if not any((one.number, one.sha256) == (anchor.number, anchor.sha256) for one in chain):
        raise BackupInvalid(
            f"the escrow knows of run {anchor.number} at {anchor.at}, which is not here: an older state was put"
            f" back, or the newest runs are lost. If they are, remove {ANCHOR} from the escrow, to restore what"
            " there is"
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment, and up to which of its positions it is part of the log: what came after was left by a restore."""

    segment: Segment
    upto: int


def pieces_of(chain: Sequence[Manifest], log: str) -> list[Piece]:
    """What a log is made of as the last manifest has it, in order, without a gap. BackupInvalid."""
    state = chain[-1].state_of(log)
    there = [one for manifest in chain for one in manifest.segments if one.log == log]
    chosen: list[Piece] = []
    for generation, after, end in state.spans() if state else ():
        at = after
        while at < end:
            # A base packs small segments anew: where two begin at one position, the longer one goes further.
            fitting = [one for one in there if one.generation == generation and one.first == at + 1]
            if not fitting:
                raise BackupInvalid(f"no segment holds the event after position {at} of a log")
            longest = max(fitting, key=lambda one: one.last)
            chosen.append(Piece(longest, min(longest.last, end)))
            at = longest.last
    return chosen
