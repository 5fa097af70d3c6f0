-- What programs used, which call models for a person: by which credential; none where it was a run.
-- SQLite and PostgreSQL both take this file.
ALTER TABLE usage ADD COLUMN credential TEXT;
ALTER TABLE reservations ADD COLUMN credential TEXT;
CREATE INDEX usage_of_credential ON usage (credential, at_ms) WHERE credential IS NOT NULL;
