-- Conversations that are pinned: when they were; they come first in lists, and no time removes them.
-- SQLite and PostgreSQL both take this file.
ALTER TABLE sessions ADD COLUMN pinned_ms BIGINT;
CREATE INDEX sessions_pinned ON sessions (changed_ms) WHERE pinned_ms IS NOT NULL;
