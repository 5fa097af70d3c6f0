-- Messages that came, and messages that go.
-- SQLite and PostgreSQL both take this file. Times are Unix milliseconds.
-- The outbox takes the place of `sends`, whose receipts it keeps.
-- `content` and `outcome` are sealed; `lookup`, `conversation` and `sender` are MACs. Names of channels and accounts, which
-- the operator gives, stand as they are. What waits for a conversation is ordered by `position`.

DROP TABLE sends;

-- `lookup` finds the platform's id of the message again. Without `content` only that is left of it.
CREATE TABLE inbox (
    id TEXT NOT NULL PRIMARY KEY,
    lookup BLOB NOT NULL UNIQUE,
    conversation BLOB NOT NULL,
    position BIGINT NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    sender BLOB NOT NULL,
    state TEXT NOT NULL,
    run TEXT,
    content BLOB,
    label TEXT NOT NULL,
    sent_ms BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    settled_ms BIGINT,
    UNIQUE (conversation, position)
);
CREATE INDEX inbox_waiting ON inbox (conversation, position) WHERE state = 'waiting';
CREATE INDEX inbox_of_run ON inbox (run);
CREATE INDEX inbox_of_sender ON inbox (sender);
CREATE INDEX inbox_by_time ON inbox (received_ms);
CREATE INDEX inbox_settled ON inbox (settled_ms) WHERE settled_ms IS NOT NULL;

-- `lookup` finds the key of the message again. Of the messages to one conversation only the first that is not settled has a
-- `next_ms`, and not where nobody is there to take it. `class` is what the channel said of itself when it was last asked to send;
-- `tried_ms` is when it first was, `attempt_ms` when it last was, and `first_ms` when it was for the first time without
-- its being known that the message did not get there. `process` is who sends.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    lookup BLOB NOT NULL UNIQUE,
    conversation BLOB NOT NULL,
    position BIGINT NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    class TEXT,
    state TEXT NOT NULL,
    run TEXT,
    process TEXT,
    content BLOB,
    outcome BLOB,
    label TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    queued_ms BIGINT NOT NULL,
    tried_ms BIGINT,
    attempt_ms BIGINT,
    first_ms BIGINT,
    next_ms BIGINT,
    settled_ms BIGINT,
    UNIQUE (conversation, position)
);
CREATE INDEX outbox_open ON outbox (conversation, position) WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_due ON outbox (channel, next_ms) WHERE state = 'waiting';
CREATE INDEX outbox_sending ON outbox (channel, process) WHERE state = 'sending';
CREATE INDEX outbox_of_run ON outbox (run);
CREATE INDEX outbox_by_time ON outbox (queued_ms);
CREATE INDEX outbox_settled ON outbox (settled_ms) WHERE settled_ms IS NOT NULL;
