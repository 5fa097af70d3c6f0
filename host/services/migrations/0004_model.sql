-- Which model a conversation is answered by, as `component:model`; none where no run began since there is this column.
-- SQLite and PostgreSQL both take this file.

ALTER TABLE sessions ADD COLUMN model TEXT;
