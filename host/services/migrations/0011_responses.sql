-- Answers to programs that are kept for their person.
-- SQLite and PostgreSQL both take this file. `input`, `response` and `events` are sealed, for this id and person; `previous`
-- is the answer that one goes on from, which may be gone; `process` works at it, and is none where it has ended.
CREATE TABLE responses (
    id TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    previous TEXT,
    input BLOB NOT NULL,
    response BLOB NOT NULL,
    events BLOB,
    process TEXT,
    at_ms BIGINT NOT NULL
);
CREATE INDEX responses_of_person ON responses (person, at_ms);
CREATE INDEX responses_by_time ON responses (at_ms);
