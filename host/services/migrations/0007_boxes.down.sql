-- Takes back `0007_boxes.sql`. SQLite and PostgreSQL both take this file.

DROP TABLE outbox;
DROP TABLE inbox;
