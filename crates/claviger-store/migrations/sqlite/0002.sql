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

-- ---- Grants ----
--
-- `of_ring` is the ring that a grant is on, or that its key is of; both are fixed for ever. `administers`: does it give more
-- than uses of keys? Both follow from other columns, and are kept so that separation of duties is checked by an index. The
-- second is filled in by the release that brings a store here.
CREATE TABLE grants_2 (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 16),
    principal   BLOB    NOT NULL REFERENCES principal (id),
    key         BLOB    REFERENCES key (id),
    ring        BLOB    REFERENCES ring (id),
    of_ring     BLOB    NOT NULL REFERENCES ring (id),
    operations  TEXT    NOT NULL,
    administers INTEGER NOT NULL CHECK (administers IN (0, 1)),
    conditions  BLOB,
    reason      TEXT    NOT NULL,
    name        TEXT,
    retiring    BLOB    REFERENCES principal (id),
    created_by  BLOB    NOT NULL CHECK (length(created_by) = 16),
    created_at  INTEGER NOT NULL,
    standing    TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    CHECK ((key IS NULL) <> (ring IS NULL)),
    CHECK (ring IS NULL OR ring = of_ring)
) STRICT, WITHOUT ROWID;

INSERT INTO grants_2 (id, principal, key, ring, of_ring, operations, administers, conditions, reason, name, retiring,
                      created_by, created_at, standing, revision)
    SELECT id, principal, key, ring, coalesce(ring, (SELECT k.ring FROM key k WHERE k.id = grants.key)), operations, 0,
           conditions, reason, name, retiring, created_by, created_at, standing, revision
    FROM grants;
DROP TABLE grants;
ALTER TABLE grants_2 RENAME TO grants;

CREATE INDEX grants_by_principal ON grants (principal, id);
CREATE INDEX grants_by_retiring ON grants (retiring, id) WHERE retiring IS NOT NULL;
CREATE INDEX grants_by_key ON grants (key, id) WHERE key IS NOT NULL;
CREATE INDEX grants_by_ring ON grants (ring, id) WHERE ring IS NOT NULL;
-- What a decision reads.
CREATE INDEX grants_on_key ON grants (principal, key) WHERE key IS NOT NULL AND standing = 'active';
CREATE INDEX grants_on_ring ON grants (principal, ring) WHERE ring IS NOT NULL AND standing = 'active';
-- What separation of duties asks: on which rings somebody uses keys, and who of a ring administers it.
CREATE INDEX grants_of_ring ON grants (principal, of_ring) WHERE standing = 'active';
CREATE INDEX grants_administering ON grants (of_ring) WHERE administers = 1 AND standing = 'active';
CREATE INDEX principal_with_roles ON principal (standing) WHERE roles <> '';
