-- Which options were on when a change set was dispatched (Ticked). NULL: by an earlier version, which did not record it.
ALTER TABLE change_set ADD COLUMN options TEXT;

-- What cannot be read back is set aside, so that the rest goes on; it is tried again at the next start.
ALTER TABLE change_set ADD COLUMN set_aside TEXT;
CREATE INDEX change_set_aside ON change_set (store) WHERE set_aside IS NOT NULL;
ALTER TABLE notification ADD COLUMN set_aside TEXT;
CREATE INDEX notification_aside ON notification (store) WHERE set_aside IS NOT NULL;
-- Found due when max_messages_per_hour allowed nothing more: it and what comes after it share a mail.
ALTER TABLE notification ADD COLUMN has_waited INTEGER NOT NULL DEFAULT 0 CHECK (has_waited IN (0, 1));
DROP INDEX notification_waiting;
CREATE INDEX notification_waiting
    ON notification (store, recipient_key, role, seq, created_at, message, set_aside)
    WHERE message IS NULL AND set_aside IS NULL;

-- Entries whose deletion was dispatched. Who is among them, and not back in the mirror, is not written to.
CREATE TABLE deleted_entry (
    store  INTEGER NOT NULL REFERENCES store (no),
    id     BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (store, id)
) STRICT, WITHOUT ROWID;

-- For whom a message is that goes to an address of redirect_to instead. NULL: for its own address.
ALTER TABLE message ADD COLUMN intended TEXT;
-- For whom it counts in max_messages_per_hour: the folded address of whom it is for. NULL: for nobody.
ALTER TABLE message ADD COLUMN cap_key TEXT;
-- Retried by hand: since then it is new, and attempts up to this one do not count.
ALTER TABLE message ADD COLUMN renewed_at INTEGER;
ALTER TABLE message ADD COLUMN renewed_after INTEGER NOT NULL DEFAULT 0;
-- Deleted by hand: the row stays, so that what it told is not told again.
ALTER TABLE message ADD COLUMN deleted_at INTEGER
    CHECK (deleted_at IS NULL OR (due_at IS NULL AND length(bytes) = 0));
CREATE INDEX message_capped ON message (store, cap_key, ended_at) WHERE cap_key IS NOT NULL;
CREATE INDEX message_astray ON message (store, seq) WHERE due_at IS NOT NULL AND intended IS NULL;
CREATE INDEX message_failed ON message (store) WHERE state = 'failed' AND deleted_at IS NULL;

-- What commands ask of the queue. Whoever holds the lock of `run` carries it out.
CREATE TABLE outbox_request (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    store     INTEGER NOT NULL REFERENCES store (no),
    message   INTEGER NOT NULL REFERENCES message (seq),
    wish      TEXT NOT NULL CHECK (wish IN ('retry', 'delete')),
    asked_at  INTEGER NOT NULL,
    outcome   TEXT CHECK (outcome IN ('done', 'delivered', 'gone'))
) STRICT;
CREATE INDEX outbox_request_open ON outbox_request (store, seq) WHERE outcome IS NULL;

-- Whose members this event brought, took or ended: the group's id. NULL: nobody's. Dispatch asks what happened
-- to a group after the change set it decides about; only what waits was not asked yet.
ALTER TABLE event ADD COLUMN members_of BLOB CHECK (members_of IS NULL OR length(members_of) = 16);
UPDATE event SET members_of = unhex(replace(facts ->> '$.entry.id', '-', ''))
    WHERE change_set IN (SELECT seq FROM change_set WHERE dispatched_at IS NULL)
    AND facts ->> '$.entry.kind' = 'group'
    AND facts ->> '$.change.change' IN ('member-added', 'member-removed', 'object-deleted');
CREATE INDEX event_members_of ON event (members_of, change_set) WHERE members_of IS NOT NULL;

-- Names that entries bore until a refresh gave them others. A value that it shows by such a name meant them.
CREATE TABLE former_name (
    store  INTEGER NOT NULL REFERENCES store (no),
    key    INTEGER NOT NULL,
    entry  INTEGER NOT NULL,
    PRIMARY KEY (store, key)
) STRICT, WITHOUT ROWID;
