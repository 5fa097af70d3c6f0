-- The way back from 0006_people.sql: roles, addresses, who has to agree and where memory came from are lost.
-- Lost: roles, addresses of people, who has to agree to a request, and where memory came from; requests that wait are withdrawn
DROP INDEX runs_one_at_a_time;
ALTER TABLE memories DROP COLUMN origin;
ALTER TABLE runs DROP COLUMN person;
ALTER TABLE messages DROP COLUMN speaker;
DROP TABLE conversations;
-- A cara of before lets the person of the session decide alone.
UPDATE approvals SET state = 'withdrawn' WHERE state IN ('waiting', 'allowed') AND deciders IS NOT NULL;
ALTER TABLE approvals DROP COLUMN agreed;
ALTER TABLE approvals DROP COLUMN deciders;
DROP TABLE person_addresses;
DROP TABLE persons;
