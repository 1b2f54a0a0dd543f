"""Changing events in a tenant's file, for compaction alone: connections of the service refuse it."""

from collections.abc import Sequence
from pathlib import Path

from lrs.adapters.sql.compacting import replace_states
from lrs.adapters.sqlite.database import Database
from lrs.domain.errors import StoreUnavailable
from lrs.ports import Replacement


class ChangingDatabase(Database):
    """A file whose events may be changed."""

    append_only = False


class SqliteRewriting:
    """The tenants' files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def replace(self, tenant: str, replacements: Sequence[Replacement]) -> None:
        """Replace these states, in one transaction. LogConflict where one is not what it was."""
        path = self._folder / f"{tenant}.db"
        if not path.exists():
            raise StoreUnavailable("this tenant's store is missing")
        database = ChangingDatabase(path)
        try:
            with database.write() as connection:
                replace_states(connection, replacements)
            database.checkpoint()  # what was there is overwritten, not only unlinked (secure_delete)
        finally:
            database.close()
