"""What a process knows of the vault under one reading of the fence.

When the fence moves, the whole object is let go and a new one begun: a key that a slower thread still loads
under the old reading lands in the old object, where nobody looks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from lrs.adapters.vault.envelope import DataKey
from lrs.domain.sealing import Erased, Expired, Place, Plain, Slot

# Entries kept; beyond, the table is emptied. At about 1 kB a key, 100 MB at most.
ENTRIES_MAX = 100_000
# Opened parts that are kept, agent objects of some 200 bytes each: at about 600 bytes an entry, 20 MB at most.
OPENED_MAX = 30_000


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A living data key and its subject."""

    subject: UUID
    key: DataKey


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """A tenant's unwrapped keys; the last where somebody is refused."""

    wrapping: bytes
    pepper: bytes
    signing: bytes
    suppression: bytes | None = None


# What one reading says of a key: usable, or destroyed and why.
KeyState = SubjectKey | Erased | Expired


@dataclass(frozen=True, slots=True)
class Noted:
    """Subjects of a tenant that are not simply there to be read: nobody may read the ``denied``; with the
    ``erasing`` among them nothing at all may be done; of the ``corrected``, the version of the correction in
    force."""

    denied: frozenset[UUID]
    erasing: frozenset[UUID]
    corrected: Mapping[UUID, int]


@dataclass(slots=True)
class Known:
    """Caches of one fence reading. ``by_kid`` also remembers keys that are known to be dead; ``opened`` what was
    asked for again and again, by its tenant, place and envelope. ``epoch_key`` opens the keys of tenants."""

    epoch: int
    sequence: int
    epoch_key: bytes = b""
    by_kid: dict[tuple[str, bytes], KeyState] = field(default_factory=dict)
    by_slot: dict[tuple[str, Slot], SubjectKey] = field(default_factory=dict)
    directory: dict[tuple[str, bytes], UUID] = field(default_factory=dict)
    digest_keys: dict[tuple[str, UUID], bytes] = field(default_factory=dict)
    noted: dict[str, Noted] = field(default_factory=dict)
    tenants: dict[str, TenantKeys] = field(default_factory=dict)
    opened: dict[tuple[str, Place, bytes], Plain] = field(default_factory=dict)

    def trim(self) -> None:
        """Keep every table within its limit. Other threads are at work in them: whoever needs an entry for
        longer than one look keeps it."""
        for table in (self.by_kid, self.by_slot, self.directory, self.digest_keys):
            if len(table) > ENTRIES_MAX:
                table.clear()
        if len(self.opened) > OPENED_MAX:
            self.opened.clear()
