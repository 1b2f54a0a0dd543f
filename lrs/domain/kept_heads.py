"""The highest head of a log that was signed, and what it says of a log that somebody holds against it.

It is kept apart from the log: whoever can write all of the log can not write this. A log goes on as a newer
generation when it was restored, and then what is kept of it was restored, too.
"""

from typing import NamedTuple


class KeptHead(NamedTuple):
    """A head: of which generation, how many leaves, their root. ``restored``: it came out of a backup, and nothing
    was signed since."""

    generation: int
    size: int
    root: bytes
    restored: bool = False

    def allows(self, generation: int) -> bool:
        """Whether a log may be of this generation."""
        return generation == self.generation or (self.restored and generation > self.generation)

    def binds(self, generation: int, began: int) -> bool:
        """Whether a log whose generation began after a position must still begin with all of this head's leaves:
        a later one may have gone on without some."""
        return generation <= self.generation or self.size <= began

    def takes_the_place_of(self, other: "KeptHead", began: int) -> bool:
        """Whether it is kept instead, of a log whose generation began after a position. While a restored log has
        not come as far as it must be what it was, the other stays."""
        higher = self[:2] > other[:2]
        return higher and (self.size >= other.size or not other.binds(self.generation, began))
