-- The way back from 0007_boxes.sql.
-- Lost: messages that wait in the inbox or the outbox, and what is known of those that came or went.

DROP TABLE outbox;
DROP TABLE inbox;

-- `lookup` is a MAC of the component and its key of the message; `receipt` is sealed.
CREATE TABLE sends (
    lookup BLOB NOT NULL PRIMARY KEY,
    run TEXT NOT NULL,
    call_id TEXT NOT NULL,
    receipt BLOB NOT NULL,
    at_ms BIGINT NOT NULL,
    FOREIGN KEY (run, call_id) REFERENCES calls (run, call_id) ON DELETE CASCADE
);
CREATE INDEX sends_of_call ON sends (run, call_id);
