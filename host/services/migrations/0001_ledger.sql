-- The first tables of the ledger.
-- SQLite and PostgreSQL both take this file; PostgreSQL after `CREATE DOMAIN blob AS bytea`.
-- Times are Unix milliseconds. Keys of components are blobs because blobs sort by bytes everywhere.

CREATE TABLE component_state (
    component TEXT NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (component, key)
);

-- One row for each component that ever wrote: `bytes` of keys and values it holds now, and `floor`, the highest revision
-- of any key it deleted. A key that is made anew goes on above the floor.
CREATE TABLE component_state_total (
    component TEXT NOT NULL PRIMARY KEY,
    bytes BIGINT NOT NULL,
    floor BIGINT NOT NULL
);

CREATE TABLE grants (
    component TEXT NOT NULL,
    capability TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    reason TEXT NOT NULL,
    expires_ms BIGINT,
    PRIMARY KEY (component, capability)
);

-- Rows are only ever added; `hash` is a MAC over all other columns, `prev` is the hash of the row before.
CREATE TABLE events (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL
);

-- One row, made with the file: where the chain of events ends, so that cutting off its end shows. `mac` covers both.
CREATE TABLE event_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL
);

CREATE TABLE component_versions (
    component TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    seen_ms BIGINT NOT NULL
);
