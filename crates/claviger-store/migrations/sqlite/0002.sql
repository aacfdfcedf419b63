-- Schema 2 of the embedded store.

-- ---- Scheduled destruction ----
--
-- When a destruction was scheduled: its instant follows the wait that the ring asks for when it is carried out. What was
-- scheduled under schema 1 does not say when; it is taken as scheduled at its end, so that no wait is cut short.
ALTER TABLE key ADD COLUMN destroy_scheduled_at INTEGER;
UPDATE key SET destroy_scheduled_at = destroy_at WHERE destroy_at IS NOT NULL;
DROP INDEX key_by_destruction;
CREATE INDEX key_by_destruction ON key (destroy_at, id) WHERE destroy_at IS NOT NULL;

-- ---- The log's time ----
--
-- What is remembered of it from one start to the next; no row before the first start that takes a step. `steps` are pairs of
-- (hour since the Unix epoch, microseconds), 8 bytes each, big-endian.
CREATE TABLE log_time (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    confirmed_at INTEGER,
    held_at      INTEGER,
    steps        BLOB    NOT NULL,
    revision     INTEGER NOT NULL
) STRICT;
