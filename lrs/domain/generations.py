"""The first event of a log that was restored.

THE BYTES ARE A STORAGE FORMAT, as those of ``lrs.domain.events``. Nothing in it is about a person: all is in
clear.
"""

import json
from dataclasses import dataclass
from typing import ClassVar, Self
from uuid import UUID

from lrs.domain.leaves import Entry


@dataclass(frozen=True)
class GenerationStarted:
    """The log goes on as another generation: what was stored after ``position`` in the one before is not part of
    it.

    ``restored_to`` is the time up to which events were taken (microseconds, UTC; None: all that there were);
    ``size`` and ``root`` cite the last head of the Merkle log that was known of the generation before, where there
    was one.
    """

    TOPIC: ClassVar[str] = "generation-started/1"

    originator_id: UUID
    originator_version: int
    generation: int
    position: int
    restored_to: int | None = None
    size: int | None = None
    root: bytes | None = None

    def encode(self) -> bytes:
        """The stored state: JSON."""
        facts = {
            "generation": self.generation,
            "position": self.position,
            "restored_to": self.restored_to,
            "size": self.size,
            "root": None if self.root is None else self.root.hex(),
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, originator_id: UUID, originator_version: int, state: bytes) -> Self:
        """The event from its stored state. ValueError when the bytes are not one."""
        try:
            facts = json.loads(state)
            root = facts["root"]
            return cls(
                originator_id,
                originator_version,
                int(facts["generation"]),
                int(facts["position"]),
                facts["restored_to"],
                facts["size"],
                None if root is None else bytes.fromhex(root),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("not a generation-started/1 state") from None


def start_in(entry: Entry) -> GenerationStarted | None:
    """The start of a generation that an event is, right after the position that it names; None: it is none."""
    if entry.topic != GenerationStarted.TOPIC:
        return None  # nearly always
    try:
        start = GenerationStarted.decode(UUID(bytes=entry.stream), entry.version, entry.state)
    except ValueError:
        return None
    return start if start.position == entry.position - 1 else None
