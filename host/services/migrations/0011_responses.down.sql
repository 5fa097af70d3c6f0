-- The way back from 0011_responses.sql.
-- Lost: answers that were kept for programs.
DROP TABLE responses;
