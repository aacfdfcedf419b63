-- Schema 1 of the embedded store.
--
-- The tables of the log (fence .. root_leaf) mean what they mean in a cluster. What only a cluster needs is absent: one
-- process has nobody to tell that it has drained or that it lives, and there are no day partitions to drop.
--
-- Identifiers are 16 random bytes, instants microseconds since the Unix epoch, spans microseconds; words are those of every
-- interface. Lists of words are joined by commas, lists of pairs are CBOR.

-- One row; serializes what tightens. `state_seq` counts the commits that changed state.
CREATE TABLE fence (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    epoch     INTEGER NOT NULL,
    state_seq INTEGER NOT NULL,
    db_uuid   BLOB    NOT NULL CHECK (length(db_uuid) = 16)
) STRICT;

-- What each epoch changed.
CREATE TABLE fence_delta (
    epoch    INTEGER PRIMARY KEY,
    subjects BLOB    NOT NULL,
    shard_id INTEGER NOT NULL,
    idx      INTEGER NOT NULL
) STRICT;

CREATE TABLE shard_head (
    shard_id    INTEGER PRIMARY KEY,
    state       INTEGER NOT NULL CHECK (state IN (1, 2)),
    incarnation INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    epoch       INTEGER NOT NULL
) STRICT;

-- `id` is (shard, index of the first entry) in one integer, shard * 2^48 + index: batches then lie one behind the other in
-- one b-tree, and a commit writes no index page.
CREATE TABLE audit_batch (
    id          INTEGER PRIMARY KEY,
    n           INTEGER NOT NULL CHECK (n > 0),
    epoch       INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    body        BLOB    NOT NULL
) STRICT;

CREATE TABLE root_head (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    size        INTEGER NOT NULL,
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    signed_size INTEGER NOT NULL CHECK (signed_size <= size),
    signed_note TEXT    NOT NULL
) STRICT;

CREATE TABLE root_leaf (
    idx   INTEGER PRIMARY KEY,
    entry BLOB    NOT NULL
) STRICT;

-- Full tiles at level 1 and above, derived from the entries. Log -1 is the log of cuts, any other a shard's.
CREATE TABLE tile (
    log    INTEGER NOT NULL,
    level  INTEGER NOT NULL,
    idx    INTEGER NOT NULL,
    hashes BLOB    NOT NULL CHECK (length(hashes) = 8192),
    PRIMARY KEY (log, level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
    name  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ring (
    id                     BLOB    PRIMARY KEY CHECK (length(id) = 16),
    name                   TEXT    NOT NULL UNIQUE,
    protection             TEXT    NOT NULL,
    rotation_period        INTEGER,
    protect_period         INTEGER,
    process_period         INTEGER,
    destroy_waiting_period INTEGER NOT NULL,
    quorum                 INTEGER NOT NULL,
    separation             TEXT    NOT NULL,
    kek                    BLOB    NOT NULL,
    created_at             INTEGER NOT NULL,
    revision               INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX ring_by_rotation ON ring (rotation_period) WHERE rotation_period IS NOT NULL;

-- The ring's name stands in the row too: both are fixed for ever, and every list is in the order (ring name, key name).
-- Rows lie in the order in which keys were created, not in that of their random identifiers: what was created together is
-- mostly listed and used together, and a list from a cold disk reads few pages.
CREATE TABLE key (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    ring            BLOB    NOT NULL REFERENCES ring (id),
    ring_name       TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    purpose         TEXT    NOT NULL,
    spec            TEXT    NOT NULL,
    protection      TEXT    NOT NULL,
    data_class      TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    owner           BLOB    NOT NULL CHECK (length(owner) = 16),
    labels          BLOB,
    rotation_period INTEGER,
    state           TEXT    NOT NULL,
    primary_version INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    destroy_at      INTEGER,
    created_at      INTEGER NOT NULL,
    revision        INTEGER NOT NULL,
    UNIQUE (ring_name, name)
) STRICT;

CREATE INDEX key_by_state ON key (state, ring_name, name);
-- What jobs ask each minute: keys that rotate by their own rule, keys that rotate by their ring's, keys to be destroyed.
CREATE INDEX key_by_rotation ON key (rotated_at + rotation_period)
    WHERE state = 'active' AND rotation_period IS NOT NULL;
CREATE INDEX key_by_ring_rotation ON key (ring, rotated_at) WHERE state = 'active' AND rotation_period IS NULL;
CREATE INDEX key_by_destruction ON key (destroy_at) WHERE destroy_at IS NOT NULL;

-- Spec and protection are the key's own and stand there only.
CREATE TABLE key_version (
    key              BLOB    NOT NULL REFERENCES key (id),
    number           INTEGER NOT NULL CHECK (number > 0),
    state            TEXT    NOT NULL,
    wrap_format      INTEGER,
    wrap             BLOB,
    public_key       BLOB,
    origin           TEXT    NOT NULL,
    module           TEXT    NOT NULL,
    generator        TEXT    NOT NULL,
    health_ok        INTEGER NOT NULL CHECK (health_ok IN (0, 1)),
    rotated          TEXT,
    created_at       INTEGER NOT NULL,
    activated_at     INTEGER,
    state_changed_at INTEGER NOT NULL,
    protect_uses     INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    -- Of material that was brought in: its keyed digest, when it expires, when it was taken away.
    material_digest     BLOB CHECK (length(material_digest) = 32),
    material_expires_at INTEGER,
    material_removed_at INTEGER,
    PRIMARY KEY (key, number),
    CHECK ((wrap_format IS NULL) = (wrap IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX key_version_expiring ON key_version (material_expires_at)
    WHERE material_expires_at IS NOT NULL AND wrap IS NOT NULL;

-- Names that move. The ring is that of the key, which is fixed for ever.
CREATE TABLE alias (
    name       TEXT    NOT NULL PRIMARY KEY,
    key        BLOB    NOT NULL REFERENCES key (id),
    ring       BLOB    NOT NULL REFERENCES ring (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX alias_by_key ON alias (key, name);
CREATE INDEX alias_by_ring ON alias (ring, name);

CREATE TABLE principal (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT    NOT NULL UNIQUE,
    kind        TEXT    NOT NULL,
    standing    TEXT    NOT NULL,
    roles       TEXT    NOT NULL,
    home        BLOB    REFERENCES ring (id),
    subject_key BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
    id             BLOB    PRIMARY KEY CHECK (length(id) = 16),
    principal      BLOB    NOT NULL REFERENCES principal (id),
    kind           TEXT    NOT NULL,
    digest         BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    access_key_id  TEXT    CHECK (length(access_key_id) = 20),
    sealed_secret  BLOB,
    session_digest BLOB    CHECK (length(session_digest) = 32),
    label          TEXT    NOT NULL,
    standing       TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    CHECK ((access_key_id IS NULL) = (kind <> 'access_key')),
    CHECK ((access_key_id IS NULL) = (sealed_secret IS NULL)),
    CHECK (access_key_id IS NOT NULL OR session_digest IS NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_by_principal ON credential (principal, id);

-- Named in the plural because GRANT is a word of SQL.
CREATE TABLE grants (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    principal  BLOB    NOT NULL REFERENCES principal (id),
    key        BLOB    REFERENCES key (id),
    ring       BLOB    REFERENCES ring (id),
    operations TEXT    NOT NULL,
    conditions BLOB,
    reason     TEXT    NOT NULL,
    name       TEXT,
    retiring   BLOB    REFERENCES principal (id),
    created_by BLOB    NOT NULL CHECK (length(created_by) = 16),
    created_at INTEGER NOT NULL,
    standing   TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    CHECK ((key IS NULL) <> (ring IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_principal ON grants (principal, id);
CREATE INDEX grants_by_retiring ON grants (retiring, id) WHERE retiring IS NOT NULL;
CREATE INDEX grants_by_key ON grants (key, id) WHERE key IS NOT NULL;
CREATE INDEX grants_by_ring ON grants (ring, id) WHERE ring IS NOT NULL;
-- What a decision reads.
CREATE INDEX grants_on_key ON grants (principal, key) WHERE key IS NOT NULL AND standing = 'active';
CREATE INDEX grants_on_ring ON grants (principal, ring) WHERE ring IS NOT NULL AND standing = 'active';

CREATE TABLE idempotency (
    principal      BLOB    NOT NULL CHECK (length(principal) = 16),
    key_digest     BLOB    NOT NULL CHECK (length(key_digest) = 32),
    request_digest BLOB    NOT NULL CHECK (length(request_digest) = 32),
    created        BLOB    NOT NULL CHECK (length(created) = 16),
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (principal, key_digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
