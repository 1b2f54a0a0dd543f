"""Whether a backup is one: without a key its chain, signatures, presence and hashes; with an identity by restoring
it.

1. The manifests from the newest base on are read and checked (``chain``).
2. Every log is whole: segments follow one another without a gap up to where the manifest says that it stands.
3. Every object that is named is there, and is what was stored. Of snapshots only the last run's: older ones go.
4. With an identity: all of it is restored into a scratch place, which knows nothing of the live one, and counted.
5. What was proved, and when, is noted in the place.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from lrs.domain.errors import BackupInvalid
from lrs.ports import Clock, ObjectPlace
from retention.backup import chain as chains
from retention.backup import layout
from retention.backup.manifests import Manifest, Stored, Verify

# Storage that is far away answers slowly and to several at once; each object is some megabytes.
_READ_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Verified:
    """What was proved of a run. ``restored``: it was brought back, not looked at alone."""

    vault: str
    number: int
    sha256: str
    taken_at: str
    verified_at: str
    restored: bool
    logs: int
    events: int
    objects: int
    bytes_stored: int
    missing: int = 0

    def encode(self) -> bytes:
        """As it is noted."""
        return json.dumps(asdict(self), sort_keys=True).encode() + b"\n"


def objects_of(chain: Sequence[Manifest]) -> Iterator[Stored]:
    """Everything that a restore of the last run may read, each once."""
    last = chain[-1]
    named = {one.name: one for manifest in chain for one in manifest.objects()}
    yield from (named | {one.name: one for one in last.snapshot}).values()


def check_objects(
    place: ObjectPlace, chain: Sequence[Manifest], progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """How many bytes there are. BackupInvalid for what is missing or altered, and for a log with a gap or a run
    without a snapshot of the vault, which would cover it."""
    last = chain[-1]
    if not last.snapshot:
        raise BackupInvalid("no snapshot of the vault covers the last run")
    for state in last.logs:
        chains.pieces_of(chain, state.log)
    wanted = list(objects_of(chain))
    # Before any of them is read: what is missing or cut short is found in seconds.
    there = dict(place.list(last.vault))
    for one in wanted:
        if there.get(one.name) != one.size:
            raise BackupInvalid(f"an object is missing or cut short: {one.name}")
    total = sum(one.size for one in wanted)
    done = 0
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        try:
            for one in pool.map(partial(_checked, place), wanted):
                done += one.size
                progress(done, total)
        finally:
            pool.shutdown(cancel_futures=True)
    return total


def _checked(place: ObjectPlace, one: Stored) -> Stored:
    try:
        data = place.get(one.name)
    except FileNotFoundError:
        raise BackupInvalid(f"an object is missing: {one.name}") from None
    if not one.is_of(data):
        raise BackupInvalid(f"an object was altered: {one.name}")
    return one


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks an installation's backup. ``escrow`` knows which run was the last, where there is one."""

    place: ObjectPlace
    escrow: ObjectPlace | None
    verify: Verify
    clock: Clock

    def check(
        self, vault: str, public_key: bytes, progress: Callable[[int, int], None] = lambda *_: None
    ) -> Verified:
        """Steps 1 to 3. BackupInvalid, StoreUnavailable."""
        chain = self._chain(vault, public_key)
        check_objects(self.place, chain, progress)
        return self._verified(chain)

    def restored(self, vault: str, public_key: bytes, number: int) -> Verified:
        """Of a run that was brought back, with all that was checked then. Others may have been made meanwhile.
        BackupInvalid, StoreUnavailable."""
        chain = chains.read_chain(self.place, vault, public_key, self.verify, upto=number)
        return replace(self._verified(chain), restored=True)

    def _chain(self, vault: str, public_key: bytes) -> list[Manifest]:
        anchor = chains.read_anchor(self.escrow) if self.escrow is not None else None
        return chains.read_chain(self.place, vault, public_key, self.verify, anchor=anchor)

    def _verified(self, chain: Sequence[Manifest]) -> Verified:
        last, objects = chain[-1], list(objects_of(chain))
        return Verified(
            vault=last.vault,
            number=last.number,
            sha256=last.sha256,
            taken_at=last.at,
            verified_at=self.clock.now().isoformat(),
            restored=False,
            logs=len(last.logs),
            events=sum(state.position for state in last.logs),
            objects=len(objects),
            bytes_stored=sum(one.size for one in objects),
            missing=len(last.missing),
        )

    def note(self, verified: Verified) -> None:
        """Step 5. StoreUnavailable."""
        self.place.put(layout.verified_name(verified.vault, restored=verified.restored), verified.encode())


def vaults_in(place: ObjectPlace) -> list[str]:
    """The installations that have manifests in a place."""
    found = {name.split("/")[0] for name, _ in place.list() if layout.manifest_number(name) is not None}
    return sorted(found)


def is_signed_by(place: ObjectPlace, vault: str, public_key: bytes, verify: Verify) -> bool:
    """Whether this key signed the last run of an installation. StoreUnavailable."""
    try:
        return chains.newest(place, vault, public_key, verify) is not None
    except BackupInvalid:
        return False


def last_verified(place: ObjectPlace, vault: str) -> datetime | None:
    """When this backup was last restored apart; None: never, or the note of it can not be read."""
    try:
        return datetime.fromisoformat(
            json.loads(place.get(layout.verified_name(vault, restored=True)))["verified_at"]
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
