-- The way back from 0008_pins.sql.
-- Lost: which conversations are pinned
DROP INDEX sessions_pinned;
ALTER TABLE sessions DROP COLUMN pinned_ms;
