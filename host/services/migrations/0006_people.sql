-- People and the addresses by which channels know them; who decides; conversations by their address.
-- SQLite and PostgreSQL both take this file.

-- Name and role are in `about`, sealed: who has only the file makes nobody a member.
CREATE TABLE persons (
    id TEXT NOT NULL PRIMARY KEY,
    about BLOB NOT NULL,
    added_ms BIGINT NOT NULL
);

-- `lookup` is a MAC of the address.
CREATE TABLE person_addresses (
    lookup BLOB NOT NULL PRIMARY KEY,
    person TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    address BLOB NOT NULL,
    linked_ms BIGINT NOT NULL
);
CREATE INDEX addresses_of_person ON person_addresses (person);

-- Who may decide, which the sealed columns are tied to; none in a request of before: its person may. And who said yes so
-- far, sealed.
ALTER TABLE approvals ADD COLUMN deciders TEXT;
ALTER TABLE approvals ADD COLUMN agreed BLOB;

-- Which session messages of a conversation go to now; `lookup` is a MAC of what the scope of sessions makes of the address.
CREATE TABLE conversations (
    lookup BLOB NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE INDEX conversations_of_session ON conversations (session);

-- Who speaks in a message, sealed; none where it is the person of the session.
ALTER TABLE messages ADD COLUMN speaker BLOB;

-- Who a run is for, whose allowance it uses; none in a run of before: the person of its session.
ALTER TABLE runs ADD COLUMN person TEXT;

-- Where an entry of memory came from, sealed; none in an entry of before.
ALTER TABLE memories ADD COLUMN origin BLOB;

-- One run at a time in a session. Of several that a cara of before left running, the last one is taken up.
UPDATE runs SET state = 'interrupted', ended_ms = began_ms WHERE state = 'running' AND EXISTS (
    SELECT 1 FROM runs AS later WHERE later.session = runs.session AND later.state = 'running'
    AND (later.began_ms > runs.began_ms OR (later.began_ms = runs.began_ms AND later.id > runs.id))
);
CREATE UNIQUE INDEX runs_one_at_a_time ON runs (session) WHERE state = 'running';
