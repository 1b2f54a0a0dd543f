"""The ledger's mirror: a file outside both databases that every destruction reaches before it happens.

One JSON line an entry, hash-chained, without personal data: sequence, tenant, subject id, reason, time, the ids
of the keys destroyed. A vault that was restored from an older copy is brought up to it at start. THE LINES ARE A
STORAGE FORMAT.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from lrs.adapters.vault.files import sync_directory
from lrs.domain.errors import KeyStoreUnavailable, VaultRefused
from lrs.domain.sealing import Destroyed

GENESIS = "0" * 64
# The reason of an entry that destroys a whole tenant; its subject is the tenant's own.
DEPARTED = "departed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One destruction with its place in the chain."""

    destroyed: Destroyed
    at: str
    previous: str
    hash: str


def make_entry(destroyed: Destroyed, at: str, previous: str) -> Entry:
    """The next entry of the chain after the one whose hash is ``previous``."""
    return Entry(destroyed, at, previous, _hash(_facts(destroyed, at, previous)))


def _facts(destroyed: Destroyed, at: str, previous: str) -> dict[str, Any]:
    return {
        "sequence": destroyed.sequence,
        "tenant": destroyed.tenant,
        "subject": str(destroyed.subject),
        "reason": destroyed.reason,
        "kids": [kid.hex() for kid in destroyed.kids],
        "at": at,
        "previous": previous,
    }


def _hash(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def line_of(entry: Entry) -> bytes:
    """The entry as it is kept, without the end of the line."""
    facts = _facts(entry.destroyed, entry.at, entry.previous) | {"hash": entry.hash}
    return json.dumps(facts, sort_keys=True).encode()


class Mirror:
    """The file. Only ever appended to; the vault's write lock is held while it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, entry: Entry) -> None:
        """Make the entry durable. A torn last line, left by a crash, is cut off first: nothing followed it.

        KeyStoreUnavailable when it can not be written; the entry may be there all the same.
        """
        try:
            self._append_line(line_of(entry) + b"\n")
        except OSError as error:
            raise KeyStoreUnavailable("the ledger's mirror can not be written") from error

    def _append_line(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
            file.seek(whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self._path.parent)

    def entries(self) -> Iterator[Entry]:
        """All entries in order, each checked against the chain. VaultRefused where it is broken."""
        previous = GENESIS
        for line in self._whole_lines():
            entry = parse_line(line, previous)
            yield entry
            previous = entry.hash

    def tip(self) -> tuple[int, str]:
        """How many entries there are and the hash that the last one bears, unchecked: to see cheaply whether the
        ledger stands there too."""
        lines = self._whole_lines()
        if not lines:
            return 0, GENESIS
        try:
            return len(lines), str(json.loads(lines[-1])["hash"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return len(lines), ""

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._whole_lines())

    def lines(self) -> list[bytes]:
        """The entries as they are kept, unchecked."""
        return self._whole_lines()

    def _whole_lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise VaultRefused("the ledger's mirror can not be read") from error


def parse_line(line: bytes, previous: str) -> Entry:
    """The entry, which must follow the one of this hash. VaultRefused."""
    try:
        facts = json.loads(line)
        found = facts.pop("hash")
        if found != _hash(facts) or facts["previous"] != previous:
            raise VaultRefused("the ledger's mirror is altered: its chain of hashes is broken")
        destroyed = Destroyed(
            sequence=facts["sequence"],
            tenant=facts["tenant"],
            subject=UUID(facts["subject"]),
            reason=facts["reason"],
            kids=tuple(bytes.fromhex(kid) for kid in facts["kids"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise VaultRefused("the ledger's mirror is altered: a line can not be read") from None
    return Entry(destroyed, facts["at"], previous, found)
