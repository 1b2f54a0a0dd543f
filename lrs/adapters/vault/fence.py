"""The fence: where the keys stand, and what this process knows under its last reading.

1. The fence is one row (epoch, sequence). If it moved since the last reading, everything cached is let go.
2. A new epoch is met here, too: its key is read from its file, and work goes on under it. The file is there before
   the fence moves. No process has to be started again for it.
3. A fence that stands before a place that it had reached is an older copy of the vault: refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from lrs.adapters.sql.database import Connection, Database, Row
from lrs.adapters.vault.epochs import EpochKeys
from lrs.adapters.vault.known import Known
from lrs.domain.errors import VaultRefused

FENCE = "epoch, sequence"
Fence = tuple[int, int]


class Fenced:
    """A vault's database behind its fence."""

    def __init__(self, database: Database, keys: EpochKeys) -> None:
        self.database = database
        self.keys = keys
        self._known = Known(0, -1)
        self._reached: Fence = (0, -1)

    def close(self) -> None:
        """Let go of connections and of every key."""
        self._known = Known(0, -1)
        self.database.close()

    def epoch(self) -> int:
        """The present epoch, read now. KeyStoreUnavailable, VaultRefused when its key is not to be had."""
        return self._look().epoch

    def _look(self) -> Known:
        """Read the fence; what is cached, if it still stands there."""
        reached = self._reached  # read before the fence is asked: another thread may get further meanwhile
        fence = self._checked(self.database.look(FENCE, "fence"), reached)
        try:
            return self.known_at(*fence)
        except VaultRefused:
            again = self._checked(self.database.look(FENCE, "fence"), fence)
            if again[0] == fence[0]:
                raise
            return self.known_at(*again)  # the epoch was closed before its key was read

    def known(self, connection: Connection, reached: Fence = (0, -1)) -> Known:
        """The same, in the snapshot in which more is read; begun after the fence was seen at ``reached``."""
        row = connection.execute(f"SELECT {FENCE} FROM fence").fetchone()
        return self.known_at(*self._checked(row, reached))

    def _checked(self, row: Row, reached: Fence) -> Fence:
        """Where the fence stands. VaultRefused when there is none, or when it stands before a place that it had
        reached: an older copy of the vault was put in its place, with keys that were destroyed since."""
        if row is None:
            raise VaultRefused("the vault's fence is missing: the vault was altered")
        fence: Fence = (row[0], row[1])
        if fence < reached:
            raise VaultRefused(
                "an older copy took the vault's place: start again, to destroy what it brought back"
            )
        self._reached = max(self._reached, fence)
        return fence

    def known_at(self, epoch: int, sequence: int) -> Known:
        """What is known where the fence stands: nothing yet, when it moved. VaultRefused, KeyStoreUnavailable."""
        known = self._known
        if (epoch, sequence) != (known.epoch, known.sequence):
            # Together in one object: a slower thread goes on with the key of the epoch that it has read.
            key = known.epoch_key if epoch == known.epoch else self.keys.read(epoch)
            known = self._known = Known(epoch, sequence, epoch_key=key)
        known.trim()
        return known

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, Fence]]:
        """A transaction that is alone in the vault, and where the fence stands in it (epoch, sequence)."""
        locked, reached = f"SELECT {FENCE} FROM fence{self.database.for_update}", self._reached
        with self.database.write() as connection:
            yield connection, self._checked(connection.execute(locked).fetchone(), reached)
