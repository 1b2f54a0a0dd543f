"""The ledger outside the database: the mirror file, and the escrow's objects where there is an escrow.

1. A destruction reaches the file, then the escrow, and only then the database: whichever is left knows of it.
2. When they meet again, the longer one is copied to the other: the file was written before a crash; or the key
   directory was lost, or put back from an older copy.
3. The shorter one must be the beginning of the longer one. Else they tell different stories: VaultRefused, and
   nothing is destroyed on either's word.
"""

from collections.abc import Iterator

from lrs.adapters.vault.escrow import Escrow
from lrs.adapters.vault.ledger import GENESIS, Entry, Mirror, line_of, parse_line
from lrs.domain.errors import VaultRefused

_DIFFERENT = "the ledger's mirror and the escrow differ: one of them is not this vault's"


class Mirrors:
    """File and escrow as one. To be used by whoever has the vault's fence locked."""

    def __init__(self, file: Mirror, escrow: Escrow | None = None) -> None:
        self._file = file
        self._escrow = escrow

    def append(self, entry: Entry) -> None:
        """Make the entry durable in both (step 1). KeyStoreUnavailable when one can not be written; it may be in
        the other, and is then carried out before the next."""
        number = len(self._file) + 1
        self._file.append(entry)
        if self._escrow is not None:
            self._escrow.append(number, line_of(entry))

    def entries(self) -> Iterator[Entry]:
        """All entries in order, each checked against the chain. VaultRefused where it is broken."""
        return self._file.entries()

    def tip(self) -> tuple[int, str]:
        """How many entries there are, and the hash of the last one."""
        return self._file.tip()

    def meet(self) -> int:
        """Bring file and escrow to the same entries (steps 2 and 3); how many the file was behind. VaultRefused,
        KeyStoreUnavailable."""
        if self._escrow is None:
            return 0
        lines = self._file.lines()
        if lines and self._escrow.entry(len(lines)) != lines[-1]:
            self._fill_escrow(self._escrow, lines)
        return self._fill_file(self._escrow, len(lines), lines)

    def _fill_escrow(self, escrow: Escrow, lines: list[bytes]) -> None:
        """The escrow is new, or was not reached by the last ones: an entry is never replaced."""
        there = set(escrow.numbers())
        for number, line in enumerate(lines, start=1):
            if number not in there:
                escrow.append(number, line)
            elif number in {len(lines), max(there)} and escrow.entry(number) != line:
                raise VaultRefused(_DIFFERENT)

    def _fill_file(self, escrow: Escrow, number: int, lines: list[bytes]) -> int:
        """What the escrow has beyond the file goes into it, as far as it hangs on its chain."""
        behind = 0
        previous = list(self._file.entries())[-1].hash if escrow.entry(number + 1) and lines else GENESIS
        while (line := escrow.entry(number + behind + 1)) is not None:
            try:
                entry = parse_line(line, previous)
            except VaultRefused:
                raise VaultRefused(_DIFFERENT) from None
            self._file.append(entry)
            previous = entry.hash
            behind += 1
        return behind
