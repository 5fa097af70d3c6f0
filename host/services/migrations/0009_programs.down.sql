-- The way back from 0009_programs.sql.
-- Lost: by which credential a program called a model
DROP INDEX usage_of_credential;
ALTER TABLE usage DROP COLUMN credential;
ALTER TABLE reservations DROP COLUMN credential;
