"""Keys whose retention has ended: which there are, and the next of them that go together.

Expired are keys, not people: whoever they were of stays known and keeps every other key. Nothing is minted for a
period that is over, for what comes in is sealed under the period in which it comes in.
"""

from typing import Final

from lrs.adapters.sql.database import Connection
from lrs.domain.sealing import Category

# Of one entry of the ledger: some 35 kB in its mirror.
KEYS_MAX: Final = 1_000
# WHO IS ON LEGAL HOLD OR RESTRICTED KEEPS EVERY KEY (GDPR articles 17(3), 18(1)(b), 18(1)(c)): a condition on rows
# of data_key, and the one place that says so, both for what is shown and for what is done.
_NOT_KEPT = (
    " AND NOT EXISTS (SELECT 1 FROM subject s WHERE s.tenant = data_key.tenant"
    " AND s.subject = data_key.subject AND (s.held = 1 OR s.restricted = 1))"
)


def periods(connection: Connection, tenant: str, category: Category) -> dict[str, int]:
    """How many keys of a category there are for each period."""
    rows = connection.execute(
        f"SELECT period, count(*) FROM data_key WHERE tenant = ? AND category = ?{_NOT_KEPT}"
        " GROUP BY period ORDER BY period",
        (tenant, category),
    )
    return dict(rows.fetchall())


def keys(
    connection: Connection, tenant: str, category: Category, period: str, after: bytes, limit: int
) -> list[tuple[bytes, bytes]]:
    """(subject, key id) of some keys of a period, by subject after one."""
    return connection.execute(
        "SELECT subject, kid FROM data_key WHERE tenant = ? AND subject > ? AND category = ? AND period = ?"
        f"{_NOT_KEPT} ORDER BY subject LIMIT ?",
        (tenant, after, category, period, limit),
    ).fetchall()
