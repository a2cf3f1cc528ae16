-- The state of dirherald. Times are microseconds since 1970 UTC by our clock unless a name says otherwise.
-- Ids are the 16 bytes of a UUID. JSON columns hold the serde form of the type they name.

CREATE TABLE store (
    no                    INTEGER PRIMARY KEY,
    name                  TEXT NOT NULL UNIQUE,
    -- What the daemon is doing about it; read by `status`.
    state                 TEXT NOT NULL DEFAULT 'connecting'
                          CHECK (state IN ('connecting', 'baseline', 'live', 'comparing', 'stopped')),
    -- The mirror is believed only when a whole baseline stands in it.
    baseline              TEXT NOT NULL DEFAULT 'none' CHECK (baseline IN ('none', 'reading', 'complete')),
    -- base_dn and schema under which the mirror was read: under others it would compare what it never kept.
    view                  TEXT NOT NULL,
    url                   TEXT,
    kind                  TEXT,
    feed                  TEXT,
    bell                  TEXT,
    checkpoint_mechanism  TEXT,
    checkpoint            BLOB,
    checkpoint_at         INTEGER,
    -- How long the newest change that bears the server's stamp was under way.
    lag_us                INTEGER,
    entries               INTEGER NOT NULL DEFAULT 0 CHECK (entries >= 0),
    -- What is wrong now, by what it is about: the directory's error is the one shown.
    directory_error       TEXT,
    mail_error            TEXT,
    last_error            TEXT GENERATED ALWAYS AS (coalesce(directory_error, mail_error)) VIRTUAL,
    CHECK ((checkpoint IS NULL) = (checkpoint_mechanism IS NULL)),
    CHECK ((checkpoint IS NULL) = (checkpoint_at IS NULL)),
    CHECK (checkpoint IS NULL OR baseline = 'complete')
) STRICT;

-- The mirror. Indexes are named mirror_*: they are dropped for the first baseline and built after it.
CREATE TABLE entry (
    no           INTEGER PRIMARY KEY AUTOINCREMENT,               -- never used again: findings speak of it
    store        INTEGER NOT NULL,
    id           BLOB NOT NULL CHECK (length(id) = 16),
    kind         INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),   -- user, group, contact, container
    scope        INTEGER NOT NULL CHECK (scope IN (1, 2)),        -- inside, outside
    dn           TEXT NOT NULL,
    dn_key       INTEGER NOT NULL,                                -- hash of the normalised DN; no: displaced
    parent_key   INTEGER NOT NULL,                                -- the same of its parent
    account_key  INTEGER,
    stamp        TEXT,
    attributes   TEXT NOT NULL                                    -- MirroredAttributes
) STRICT;

-- Values of member, owner and manager attributes, by hash of the name in them.
CREATE TABLE link (
    entry   INTEGER NOT NULL,
    role    INTEGER NOT NULL CHECK (role BETWEEN 1 AND 5),        -- member, owners 2 and 3, managers 4 and 5
    key     INTEGER NOT NULL,
    target  INTEGER CHECK (target >= 0),                          -- NULL: by name; 0: gone; else entry.no
    PRIMARY KEY (entry, role, key)
) STRICT, WITHOUT ROWID;

-- The names behind link keys that no entry bears.
CREATE TABLE stray (
    store      INTEGER NOT NULL,
    key        INTEGER NOT NULL,
    target     TEXT NOT NULL,                                     -- LinkTarget
    looked_up  INTEGER NOT NULL DEFAULT 0 CHECK (looked_up IN (0, 1)),
    PRIMARY KEY (store, key)
) STRICT, WITHOUT ROWID;

-- Differences that are not told yet: a refresh is under way, or a name is being looked up.
CREATE TABLE finding (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    store  INTEGER NOT NULL REFERENCES store (no),
    facts  TEXT NOT NULL                                          -- Finding
) STRICT;

CREATE TABLE change_set (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    store          INTEGER NOT NULL REFERENCES store (no),
    seen           INTEGER NOT NULL,
    dispatched_at  INTEGER
) STRICT;
CREATE INDEX change_set_waiting ON change_set (store, seq) WHERE dispatched_at IS NULL;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    change_set  INTEGER NOT NULL REFERENCES change_set (seq),
    time        INTEGER NOT NULL,                                 -- the server's stamp
    facts       TEXT NOT NULL                                     -- ChangeEvent
) STRICT;
CREATE INDEX event_change_set ON event (change_set, seq);
CREATE INDEX event_time ON event (time);

-- One rendered mail to one recipient.
CREATE TABLE message (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    store          INTEGER NOT NULL REFERENCES store (no),
    address        TEXT NOT NULL,
    recipient_key  TEXT NOT NULL,                                 -- the address, folded
    subject        TEXT NOT NULL,
    message_id     TEXT NOT NULL UNIQUE,
    bytes          BLOB NOT NULL,                                 -- RFC 5322, the same in every attempt
    events         TEXT NOT NULL,                                 -- JSON array of event ids
    created_at     INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('scheduled', 'delivered', 'deferred', 'failed', 'suppressed')),
    due_at         INTEGER,
    ended_at       INTEGER,
    attempts       INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_answer    TEXT,
    CHECK ((state IN ('scheduled', 'deferred')) = (due_at IS NOT NULL)),
    CHECK ((state IN ('scheduled', 'deferred')) = (ended_at IS NULL)),
    CHECK (state <> 'delivered' OR attempts > 0)
) STRICT;
-- Covers the whole question: a look at the row itself would walk the pages of its bytes.
CREATE INDEX message_waiting ON message (store, recipient_key, seq, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE attempt (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    message  INTEGER NOT NULL REFERENCES message (seq),
    at       INTEGER NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('delivered', 'transient', 'permanent', 'unreachable')),
    answer   TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_message ON attempt (message, seq);

-- Who is told of a change set, with address and reasons frozen. The unique index is what makes a second
-- dispatch of one change set impossible.
CREATE TABLE notification (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    change_set     INTEGER NOT NULL REFERENCES change_set (seq),
    store          INTEGER NOT NULL REFERENCES store (no),
    recipient_key  TEXT NOT NULL,                                 -- the address, folded
    role           TEXT NOT NULL CHECK (role IN ('by-role', 'to', 'cc')),
    facts          TEXT NOT NULL,                                 -- Notification
    created_at     INTEGER NOT NULL,
    message        INTEGER REFERENCES message (seq),              -- the mail it became part of
    UNIQUE (change_set, recipient_key)
) STRICT;
CREATE INDEX notification_waiting ON notification (store, recipient_key, role, seq, created_at)
    WHERE message IS NULL;

-- Who is not told, and why.
CREATE TABLE skipped (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    change_set  INTEGER NOT NULL REFERENCES change_set (seq),
    facts       TEXT NOT NULL                                     -- Skipped
) STRICT;
CREATE INDEX skipped_change_set ON skipped (change_set, seq);
