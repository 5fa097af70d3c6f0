-- What lets somebody in at the doors of the gateway, and which of it a run was begun with.
-- SQLite and PostgreSQL both take this file. Times are Unix milliseconds, `used_day` is days since 1970.

-- What proves it and what it is for are in `about`, sealed: who has only the file makes nobody a credential. What a
-- credential yielded goes with it.
CREATE TABLE credentials (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    parent TEXT REFERENCES credentials (id) ON DELETE CASCADE,
    about BLOB NOT NULL,
    added_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    used_day BIGINT
);
CREATE INDEX credentials_of_person ON credentials (person);
CREATE INDEX credentials_of_parent ON credentials (parent);

-- A run that was begun with a credential is counted to it, and all its runs use no more than so many tokens in one day.
ALTER TABLE runs ADD COLUMN credential TEXT;
ALTER TABLE runs ADD COLUMN credential_tokens BIGINT;
CREATE INDEX runs_of_credential ON runs (credential) WHERE credential IS NOT NULL;
