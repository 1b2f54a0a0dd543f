"""The tables of one tenant's file. A STORAGE FORMAT: a change is a migration.

``event`` is only ever inserted into. Everything else is disposable or bookkeeping and can be rebuilt from it.
"""

EVENTS = (
    # Positions are given out by the head row, gapless and in commit order; stored is microseconds, UTC.
    (
        "CREATE TABLE IF NOT EXISTS event ("
        " position INTEGER PRIMARY KEY, stored INTEGER NOT NULL,"
        " originator_id BLOB NOT NULL, originator_version INTEGER NOT NULL,"
        " topic TEXT NOT NULL, state BLOB NOT NULL, UNIQUE (originator_id, originator_version))"
    ),
    "CREATE INDEX IF NOT EXISTS event_stored ON event (stored)",
    (
        "CREATE TABLE IF NOT EXISTS head ("
        " one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, position INTEGER NOT NULL,"
        " stored INTEGER NOT NULL, erasure_sequence INTEGER NOT NULL)"
    ),
    "INSERT OR IGNORE INTO head VALUES (1, 1, 0, 0, 0)",
)

INDEX = (
    # Settings of this file; 'term-key' blinds the terms, so that the index reads as numbers.
    "CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Live statements; terms is what was indexed (packed 64-bit), so that it can be taken out again.
    (
        "CREATE TABLE IF NOT EXISTS statement ("
        " position INTEGER PRIMARY KEY, owners INTEGER NOT NULL, terms BLOB NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS term ("
        " term INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (term, position)) WITHOUT ROWID"
    ),
    # A voiding statement and its target; no target where that is a voiding statement itself.
    "CREATE TABLE IF NOT EXISTS voided (voiding BLOB PRIMARY KEY, target BLOB) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS voided_target ON voided (target)",
    # Which exact agent objects are sealed already, by keyed digest.
    (
        "CREATE TABLE IF NOT EXISTS agent ("
        " subject BLOB NOT NULL, digest BLOB NOT NULL, number INTEGER NOT NULL,"
        " PRIMARY KEY (subject, digest)) WITHOUT ROWID"
    ),
    # Erased subjects: nothing is written about them any more.
    "CREATE TABLE IF NOT EXISTS tombstone ( subject BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
)

VIEWS = (
    "CREATE TABLE IF NOT EXISTS view (name TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID",
    (
        # A registration is 16 bytes or none, groupings are digests of 8 bytes each, facts are JSON.
        "CREATE TABLE IF NOT EXISTS view_row ("
        " view TEXT NOT NULL, generation INTEGER NOT NULL, activity TEXT NOT NULL, registration BLOB NOT NULL,"
        " subject BLOB NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
        " groupings BLOB NOT NULL, facts TEXT NOT NULL,"
        " PRIMARY KEY (view, generation, activity, registration, subject)) WITHOUT ROWID"
    ),
    "CREATE INDEX IF NOT EXISTS view_row_subject ON view_row (subject)",
    # Events that could not be folded: corrupt, never silently left out.
    "CREATE TABLE IF NOT EXISTS alarm (position INTEGER PRIMARY KEY, code TEXT NOT NULL)",
)

REQUESTS = (
    (
        "CREATE TABLE IF NOT EXISTS request ("
        " id BLOB PRIMARY KEY, kind TEXT NOT NULL, status TEXT NOT NULL, requested_at INTEGER NOT NULL,"
        " claimed_until INTEGER NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS request_unfinished ON request (status) WHERE status IN ('open', 'running')",
    # The sealed parts of an export's package; they go with their subject.
    (
        "CREATE TABLE IF NOT EXISTS package ("
        " request BLOB NOT NULL, part INTEGER NOT NULL, subject BLOB NOT NULL, sealed BLOB NOT NULL,"
        " PRIMARY KEY (request, part)) WITHOUT ROWID"
    ),
    "CREATE INDEX IF NOT EXISTS package_subject ON package (subject)",
)

CONTROL = (
    "CREATE TABLE IF NOT EXISTS fence (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO fence VALUES (1, 0)",
    (
        "CREATE TABLE IF NOT EXISTS tenant ("
        " name TEXT PRIMARY KEY, id BLOB NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS credential ("
        " key TEXT PRIMARY KEY, id BLOB NOT NULL, tenant TEXT NOT NULL, secret_sha256 TEXT NOT NULL,"
        " scopes TEXT NOT NULL, created_at INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "CREATE INDEX IF NOT EXISTS credential_tenant ON credential (tenant)",
)
