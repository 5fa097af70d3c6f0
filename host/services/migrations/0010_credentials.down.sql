-- The way back from 0010_credentials.sql.
-- Lost: tokens, devices, sessions of the page and its password, and with which of them runs were begun
DROP INDEX runs_of_credential;
ALTER TABLE runs DROP COLUMN credential_tokens;
ALTER TABLE runs DROP COLUMN credential;
DROP TABLE credentials;
