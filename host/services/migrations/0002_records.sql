-- Conversations and what was done in them, approvals, rules, usage, memory.
-- SQLite and PostgreSQL both take this file, as they do the first. Times are Unix milliseconds.
-- Every BLOB here is sealed with the content key (see `ledger/records/seal.rs`), but `proof`, `digest`, `binding` and
-- `lookup`. Everything else is what a holder of the file may know: ids, times, counts, labels, states, names of components.

-- One row: shows that a key is the one the rest was sealed with.
CREATE TABLE content_key (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    proof BLOB NOT NULL
);

-- `messages` counts those of the session and is the place of the last one.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    channel TEXT NOT NULL,
    agent TEXT NOT NULL,
    title BLOB NOT NULL,
    began_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    label TEXT NOT NULL,
    parent TEXT
);
CREATE INDEX sessions_by_change ON sessions (changed_ms);
CREATE INDEX sessions_of_person ON sessions (person, changed_ms);

-- `process` is who works on it; the state is `running` until the run ended.
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    process TEXT NOT NULL,
    state TEXT NOT NULL,
    label TEXT NOT NULL,
    reason BLOB,
    began_ms BIGINT NOT NULL,
    ended_ms BIGINT
);
CREATE INDEX runs_of_session ON runs (session, began_ms);
CREATE INDEX runs_unfinished ON runs (process) WHERE state = 'running';

-- Without `run` what a fork copied: the run belongs to the session it was made from.
CREATE TABLE messages (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    run TEXT,
    role TEXT NOT NULL,
    body BLOB NOT NULL,
    label TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (session, place)
);

-- What a model is shown instead of the messages up to `upto_place`.
CREATE TABLE summaries (
    session TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    upto_place BIGINT NOT NULL,
    body BLOB NOT NULL,
    label TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);

-- `binding` is a MAC of what the caller gave, which may be a plain digest of content.
CREATE TABLE calls (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    component TEXT NOT NULL,
    digest BLOB NOT NULL,
    tool TEXT NOT NULL,
    arguments BLOB NOT NULL,
    destination BLOB,
    binding BLOB NOT NULL,
    lasting BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    decision BLOB,
    approval TEXT,
    result BLOB,
    label TEXT NOT NULL,
    proposed_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    PRIMARY KEY (run, call_id)
);

-- `state` tells at a glance what `verdict`, sealed, says with authority.
CREATE TABLE approvals (
    id TEXT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    person TEXT NOT NULL,
    binding BLOB NOT NULL,
    shown BLOB NOT NULL,
    state TEXT NOT NULL,
    verdict BLOB,
    asked_ms BIGINT NOT NULL,
    deadline_ms BIGINT NOT NULL,
    spent_ms BIGINT
);
CREATE INDEX approvals_of_call ON approvals (run, call_id);
CREATE INDEX approvals_of_session ON approvals (session);
CREATE INDEX approvals_waiting ON approvals (asked_ms) WHERE state = 'waiting';

-- How often something changed, for those who wait for a change that another process makes.
CREATE TABLE revisions (
    name TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (name, revision) VALUES ('approvals', 0);

-- All that a rule says is in `terms`, sealed, so that nobody adds one without the key.
CREATE TABLE rules (
    id TEXT NOT NULL PRIMARY KEY,
    session TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    terms BLOB NOT NULL,
    added_ms BIGINT NOT NULL,
    last_used_ms BIGINT
);
CREATE INDEX rules_of_session ON rules (session);

-- What calls of models that are under way may use, at most.
CREATE TABLE reservations (
    id TEXT NOT NULL PRIMARY KEY,
    process TEXT NOT NULL,
    run TEXT REFERENCES runs (id) ON DELETE SET NULL,
    session TEXT REFERENCES sessions (id) ON DELETE SET NULL,
    person TEXT NOT NULL,
    component TEXT NOT NULL,
    model TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    micros BIGINT,
    at_ms BIGINT NOT NULL
);
CREATE INDEX reservations_of_run ON reservations (run);
CREATE INDEX reservations_of_session ON reservations (session);

-- What those that ended did use. `micros` are millionths of a dollar, none when no price is known.
CREATE TABLE usage (
    id TEXT NOT NULL PRIMARY KEY,
    run TEXT REFERENCES runs (id) ON DELETE SET NULL,
    session TEXT REFERENCES sessions (id) ON DELETE SET NULL,
    person TEXT NOT NULL,
    component TEXT NOT NULL,
    model TEXT NOT NULL,
    input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    micros BIGINT,
    at_ms BIGINT NOT NULL
);
CREATE INDEX usage_by_time ON usage (at_ms);
CREATE INDEX usage_of_run ON usage (run);
CREATE INDEX usage_of_session ON usage (session);
CREATE INDEX usage_of_component ON usage (component, at_ms);

-- `lookup` is a MAC of the key, so that an entry is found without its key in the file.
CREATE TABLE memories (
    person TEXT NOT NULL,
    lookup BLOB NOT NULL,
    entry BLOB NOT NULL,
    label TEXT NOT NULL,
    size BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (person, lookup)
);

CREATE TABLE memory_totals (
    person TEXT NOT NULL PRIMARY KEY,
    entries BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

-- An attachment keeps its id in a fork, so that messages still name it.
CREATE TABLE attachments (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    about BLOB NOT NULL,
    content BLOB NOT NULL,
    size BIGINT NOT NULL,
    label TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (session, id)
);
