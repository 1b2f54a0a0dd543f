"""Changing events on PostgreSQL, for compaction alone: as the owner of the tables (LRS_OWNER_URL), for the
service's role may not. The server overwrites the old rows when it vacuums.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from lrs.adapters.postgres.database import Connection
from lrs.adapters.postgres.pool import Raw, conninfo, store_error
from lrs.adapters.postgres.schema import schema_of
from lrs.adapters.sql.compacting import replace_states
from lrs.domain.errors import StoreUnavailable
from lrs.ports import Replacement


class PostgresRewriting:
    """The tenants' schemas, in the eyes of their owner."""

    def __init__(self, owner_url: str) -> None:
        self._owner_url = owner_url

    def replace(self, tenant: str, replacements: Sequence[Replacement]) -> None:
        """Replace these states, in one transaction. LogConflict where one is not what it was; StoreUnavailable
        where the role of the URL does not own the tables."""
        try:
            with Raw.connect(conninfo(self._owner_url), cursor_factory=psycopg.RawCursor) as raw:
                raw.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema_of(tenant))))
                replace_states(Connection(raw), replacements)
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreUnavailable(
                "the role of the database's URL may not change events: give the owner's in LRS_OWNER_URL"
            ) from error
        except psycopg.Error as error:
            raise store_error(error) from error
