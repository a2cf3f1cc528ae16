-- What the bulk guard holds back until an operator releases or discards it.
CREATE TABLE hold (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    store      INTEGER NOT NULL REFERENCES store (no),
    -- max-events: all of the store's changes; the others: those of the entries in held_entry.
    cause      TEXT NOT NULL CHECK (cause IN ('max-events', 'membership', 'back-in-time')),
    facts      TEXT NOT NULL,                                     -- what was counted, and the limit
    since      INTEGER NOT NULL,
    wish       TEXT CHECK (wish IN ('release', 'discard')),       -- what a command asks for
    wished_at  INTEGER,
    ended_at   INTEGER,                                           -- the wish is carried out
    CHECK ((wish IS NULL) = (wished_at IS NULL)),
    CHECK (ended_at IS NULL OR wish IS NOT NULL)
) STRICT;
CREATE INDEX hold_open ON hold (store, seq) WHERE ended_at IS NULL;

-- Entries whose events queue behind a hold.
CREATE TABLE held_entry (
    entry  BLOB NOT NULL CHECK (length(entry) = 16),
    hold   INTEGER NOT NULL REFERENCES hold (seq),
    PRIMARY KEY (entry, hold)
) STRICT, WITHOUT ROWID;

-- The hold through which a change set went, if any, and whether it is in it still.
ALTER TABLE change_set ADD COLUMN hold INTEGER REFERENCES hold (seq);
ALTER TABLE change_set ADD COLUMN held INTEGER NOT NULL DEFAULT 0
    CHECK (held = 0 OR (held = 1 AND hold IS NOT NULL AND dispatched_at IS NULL));
DROP INDEX change_set_waiting;
CREATE INDEX change_set_waiting ON change_set (store, seq) WHERE dispatched_at IS NULL AND held = 0;
CREATE INDEX change_set_held ON change_set (hold, seq) WHERE held = 1;
CREATE INDEX change_set_seen ON change_set (store, seen);

-- Readings of everything, or of one group, that are compared with the mirror: wanted, under way, done. Only one of
-- everything of a store is not done.
CREATE TABLE comparison (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    store        INTEGER NOT NULL REFERENCES store (no),
    -- Whose differences become events: told as any; with cause `accepted`, telling nobody; or all held.
    purpose      TEXT NOT NULL CHECK (purpose IN ('tell', 'accept', 'back-in-time')),
    -- The one entry that is read. NULL: everything is.
    entry        BLOB CHECK (length(entry) = 16),
    asked_at     INTEGER NOT NULL,
    begun_at     INTEGER,
    ended_at     INTEGER,
    -- What came of it: events, and how many of them are held.
    events       INTEGER,
    held         INTEGER,
    -- Why nothing came of it, for a person.
    problem      TEXT,
    CHECK (entry IS NULL OR purpose = 'accept'),
    CHECK (ended_at IS NULL OR begun_at IS NOT NULL OR problem IS NOT NULL),
    CHECK ((ended_at IS NOT NULL) = (events IS NOT NULL OR problem IS NOT NULL)),
    CHECK ((events IS NULL) = (held IS NULL)),
    CHECK (events IS NULL OR problem IS NULL)
) STRICT;
CREATE UNIQUE INDEX comparison_open ON comparison (store) WHERE ended_at IS NULL AND entry IS NULL;
CREATE INDEX comparison_of_one ON comparison (store, seq) WHERE ended_at IS NULL AND entry IS NOT NULL;
CREATE INDEX comparison_failed ON comparison (store, ended_at) WHERE problem IS NOT NULL;

-- When everything was last read to its end and compared, or taken as the baseline. NULL: not since version 3.
ALTER TABLE store ADD COLUMN compared_at INTEGER;

-- Whether the bulk guard counts its events: they went out, and nobody accepted them.
ALTER TABLE change_set ADD COLUMN counted INTEGER NOT NULL DEFAULT 0 CHECK (counted IN (0, 1));
CREATE INDEX change_set_counted ON change_set (store, seen) WHERE counted = 1;
-- After which time what went out is counted.
CREATE INDEX hold_ended ON hold (store, ended_at);

-- How the directory is being followed, for alerts. `following`: caught up; `connected`: catching up; `away`: tried
-- again soon; `refused`: tried again rarely, since a person has to mend something; `stopped`: not tried any more.
ALTER TABLE store ADD COLUMN standing TEXT NOT NULL DEFAULT 'away'
    CHECK (standing IN ('following', 'connected', 'away', 'refused', 'stopped'));
-- Since when it is not caught up. A restart changes nothing of that.
ALTER TABLE store ADD COLUMN behind_since INTEGER CHECK (behind_since IS NULL OR standing <> 'following');
-- When the daemon that works on it, or worked on it last, began.
ALTER TABLE store ADD COLUMN begun_at INTEGER;

-- What needs a hand: one row from its beginning to its end.
CREATE TABLE alert (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    store     INTEGER NOT NULL REFERENCES store (no),
    kind      TEXT NOT NULL
              CHECK (kind IN ('feed-stopped', 'feed-refused', 'hold', 'feed-away', 'failed-mail', 'set-aside')),
    about     BLOB NOT NULL CHECK (length(about) = CASE kind WHEN 'hold' THEN 16 ELSE 0 END),   -- hold.id
    since     INTEGER NOT NULL,
    said_at   INTEGER,                                            -- when a mail about it was last written
    ended_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert (store, kind, about) WHERE ended_at IS NULL;
CREATE INDEX alert_said ON alert (store, ended_at, kind, said_at);

-- An alert itself, about which there is no alert.
ALTER TABLE message ADD COLUMN alert INTEGER NOT NULL DEFAULT 0 CHECK (alert IN (0, 1));
DROP INDEX message_failed;
-- With all that is asked of it: what comes after a message's bytes in its row costs walking their pages.
CREATE INDEX message_failed ON message (store, alert, ended_at, state, deleted_at)
    WHERE state = 'failed' AND deleted_at IS NULL;

-- What waits, by when it was written or last retried by hand: what is too old is found without reading the rest.
CREATE INDEX message_age ON message (store, coalesce(renewed_at, created_at)) WHERE due_at IS NOT NULL;

-- In the order in which they were written: the heads of a long queue are found without reading all of it.
DROP INDEX message_waiting;
CREATE INDEX message_waiting ON message (store, seq, recipient_key, due_at) WHERE due_at IS NOT NULL;

-- What state.keep has ended for. A row is only removed when no other belongs to it, which is asked of an index.
CREATE INDEX message_ended ON message (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX notification_message ON notification (message) WHERE message IS NOT NULL;
CREATE INDEX outbox_request_message ON outbox_request (message);
CREATE INDEX change_set_hold ON change_set (hold) WHERE hold IS NOT NULL;
CREATE INDEX held_entry_hold ON held_entry (hold);
-- When the deletion was dispatched. NULL: by an earlier version; it counts as dispatched when that is noticed.
ALTER TABLE deleted_entry ADD COLUMN at INTEGER;
