"""The tables of one tenant and of the control store, in SQLite's spelling. A STORAGE FORMAT: migrate to change.

``event`` is only ever inserted into. Everything else is disposable or bookkeeping and can be rebuilt from it.

INT is the same as INTEGER to SQLite, and 4 bytes to PostgreSQL: where there is a row for each event or statement,
for what is counted within one of them. Of such a row the columns of 8 bytes come first: PostgreSQL aligns each.
"""

# Of these tables. A store of another version is migrated, or refused.
VERSION = 1

LOG = (
    # Positions are given out by the head row, gapless and in commit order; stored is microseconds, UTC.
    (
        "CREATE TABLE event ("
        " position INTEGER PRIMARY KEY, stored INTEGER NOT NULL,"
        " originator_version INT NOT NULL, originator_id BLOB NOT NULL,"
        " topic TEXT NOT NULL, state BLOB NOT NULL, UNIQUE (originator_id, originator_version))"
    ),
    (
        "CREATE TABLE head ("
        " one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, position INTEGER NOT NULL,"
        " stored INTEGER NOT NULL, erasure_sequence INTEGER NOT NULL, linked INTEGER NOT NULL,"
        " began INTEGER NOT NULL)"
    ),
    # A restore begins a new generation, after the position up to which the log is an older one's.
    "INSERT INTO head VALUES (1, 1, 0, 0, 0, 0, 0)",
    # How far whom the log was followed by.
    ("CREATE TABLE tracking ( application_name TEXT PRIMARY KEY, notification_id INTEGER NOT NULL) WITHOUT ROWID"),
)

TENANT = (
    *LOG,
    # Held by projectors and erasures.
    "CREATE TABLE gate (one INTEGER PRIMARY KEY CHECK (one = 1))",
    "INSERT INTO gate VALUES (1)",
    # Settings of this file; 'term-key' blinds the terms, so that the index reads as numbers.
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Live statements; terms is what was indexed beyond the columns (packed 64-bit), so that it can be taken out.
    (
        "CREATE TABLE statement ("
        " position INTEGER PRIMARY KEY, owner INTEGER, verb INTEGER, object INTEGER, registration INTEGER,"
        " owners INT NOT NULL, terms BLOB NOT NULL)"
    ),
    # SQLite adds the position to every index; of two that would do it takes the one that was made last.
    "CREATE INDEX statement_verb ON statement (verb)",
    "CREATE INDEX statement_object ON statement (object) WHERE object IS NOT NULL",
    "CREATE INDEX statement_registration ON statement (registration) WHERE registration IS NOT NULL",
    "CREATE INDEX statement_owner ON statement (owner) WHERE owner IS NOT NULL",
    (
        "CREATE TABLE term ("
        " term INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (term, position)) WITHOUT ROWID"
    ),
    # What a statement refers to, and what it is found by because of that (``references``; also for head.linked).
    "CREATE TABLE reference (position INTEGER PRIMARY KEY, target BLOB NOT NULL)",
    "CREATE INDEX reference_target ON reference (target)",
    (
        "CREATE TABLE inherited ("
        " term INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (term, position)) WITHOUT ROWID"
    ),
    "CREATE INDEX inherited_position ON inherited (position)",
    # Which statements name a blob, several of one request perhaps: what none names is swept away.
    (
        "CREATE TABLE blob ("
        " name BLOB NOT NULL, statement BLOB NOT NULL, PRIMARY KEY (name, statement)) WITHOUT ROWID"
    ),
    "CREATE INDEX blob_statement ON blob (statement)",
    # A voiding statement and its target; no target where that is a voiding statement itself.
    "CREATE TABLE voided (voiding BLOB PRIMARY KEY, target BLOB) WITHOUT ROWID",
    "CREATE INDEX voided_target ON voided (target)",
    # Which exact agent objects are sealed already, by keyed digest.
    (
        "CREATE TABLE agent ("
        " subject BLOB NOT NULL, digest BLOB NOT NULL, number INTEGER NOT NULL,"
        " PRIMARY KEY (subject, digest)) WITHOUT ROWID"
    ),
    # Where each document's newest version is. Digests of at least 16 bytes under keys of its owner, so that nobody
    # can try names on them once the owner is erased; the head is the event's, sealed.
    (
        "CREATE TABLE document ("
        " place BLOB PRIMARY KEY, scope BLOB NOT NULL, session BLOB NOT NULL, subject BLOB NOT NULL,"
        " stream BLOB NOT NULL, version INTEGER NOT NULL, updated INTEGER NOT NULL, head BLOB NOT NULL)"
        " WITHOUT ROWID"
    ),
    "CREATE INDEX document_scope ON document (scope, place)",
    "CREATE INDEX document_subject ON document (subject, place)",
    # Erased subjects: nothing is written about them any more.
    "CREATE TABLE tombstone (subject BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
    # Report views: which generation of each is live, and the rows of all generations.
    "CREATE TABLE view (name TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID",
    # A registration is 16 bytes or none, groupings are digests of 8 bytes each, facts are JSON.
    (
        "CREATE TABLE view_row ("
        " view TEXT NOT NULL, generation INTEGER NOT NULL, activity TEXT NOT NULL, registration BLOB NOT NULL,"
        " subject BLOB NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
        " groupings BLOB NOT NULL, facts TEXT NOT NULL,"
        " PRIMARY KEY (view, generation, activity, registration, subject)) WITHOUT ROWID"
    ),
    "CREATE INDEX view_row_subject ON view_row (subject)",
    # Events that could not be folded: corrupt, never silently left out.
    "CREATE TABLE alarm (position INTEGER PRIMARY KEY, code TEXT NOT NULL)",
    # The log of hashes (``lrs.domain.tiles``), and the heads of it that were signed.
    (
        "CREATE TABLE tile ("
        " level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, number))"
        " WITHOUT ROWID"
    ),
    (
        "CREATE TABLE checkpoint ("
        " size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL)"
    ),
    # The work list of data-subject requests.
    (
        "CREATE TABLE request ("
        " id BLOB PRIMARY KEY, kind TEXT NOT NULL, status TEXT NOT NULL, requested_at INTEGER NOT NULL,"
        " claimed_until INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "CREATE INDEX request_age ON request (requested_at, id)",
    # The sealed parts of an export's package; they go with their subject.
    (
        "CREATE TABLE package ("
        " request BLOB NOT NULL, part INTEGER NOT NULL, subject BLOB NOT NULL, sealed BLOB NOT NULL,"
        " PRIMARY KEY (request, part)) WITHOUT ROWID"
    ),
    "CREATE INDEX package_subject ON package (subject)",
)

CONTROL = (
    *LOG,
    "CREATE TABLE fence (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL)",
    "INSERT INTO fence VALUES (1, 0)",
    "CREATE TABLE tenant (name TEXT PRIMARY KEY, id BLOB NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE credential ("
        " key TEXT PRIMARY KEY, id BLOB NOT NULL, tenant TEXT NOT NULL, secret_sha256 TEXT NOT NULL,"
        " scopes TEXT NOT NULL, created_at INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "CREATE INDEX credential_tenant ON credential (tenant)",
    "CREATE INDEX credential_id ON credential (id)",
    # Which process does what only one may do, and until when (microseconds, UTC).
    "CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
)
