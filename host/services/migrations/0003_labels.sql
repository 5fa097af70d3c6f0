-- What kept values were made of, and how far links out of read content were followed.
-- SQLite and PostgreSQL both take this file.

-- Nobody knows what a component of before had seen when it wrote: the most is assumed.
ALTER TABLE component_state ADD COLUMN label TEXT NOT NULL DEFAULT 'web+tool+private';

-- What following links may have told about the conversation, bits, since a person was last asked about it.
ALTER TABLE sessions ADD COLUMN followed BIGINT NOT NULL DEFAULT 0;
