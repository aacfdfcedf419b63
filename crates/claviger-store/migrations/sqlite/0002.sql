-- Schema 2 of the embedded store.

-- ---- Scheduled destruction ----
--
-- When a destruction was scheduled: its instant follows the wait that the ring asks for when it is carried out. What was
-- scheduled under schema 1 does not say when; it is taken as scheduled at its end, so that no wait is cut short.
ALTER TABLE key ADD COLUMN destroy_scheduled_at INTEGER;
-- By which approval it was scheduled, where others had to approve.
ALTER TABLE key ADD COLUMN destroy_approval BLOB CHECK (destroy_approval IS NULL OR (length(destroy_approval) = 16 AND destroy_at IS NOT NULL));
UPDATE key SET destroy_scheduled_at = destroy_at WHERE destroy_at IS NOT NULL;
DROP INDEX key_by_destruction;
CREATE INDEX key_by_destruction ON key (destroy_at, id) WHERE destroy_at IS NOT NULL;

-- ---- Rotation ----
--
-- The instant from which a key's rotation period counts. Under schema 1 it was that of the newest version, whoever asked for it.
ALTER TABLE key RENAME COLUMN rotated_at TO rotates_from;

-- Which keys a ring's period rotates. Of what no period rotates an index looks at no more than the spec.
ALTER TABLE ring ADD COLUMN rotates TEXT NOT NULL DEFAULT 'symmetric';
DROP INDEX key_by_ring_rotation;
CREATE INDEX key_by_ring_rotation ON key (ring, rotates_from, spec) WHERE state = 'active' AND rotation_period IS NULL;

-- ---- Required fields of encryption contexts ----
--
-- Names joined by commas; empty where none is asked for.
ALTER TABLE ring ADD COLUMN context_required TEXT NOT NULL DEFAULT '';
ALTER TABLE key ADD COLUMN context_required TEXT NOT NULL DEFAULT '';

-- ---- Data keys in clear ----
--
-- What the data of a ring's keys is, unless a key says otherwise; and whether its keys hand out data keys in clear.
ALTER TABLE ring ADD COLUMN data_class TEXT;
ALTER TABLE ring ADD COLUMN plaintext_data_keys TEXT NOT NULL DEFAULT 'allowed';

-- ---- Environments ----
--
-- A key without one is of that of its ring, a ring or principal without one of that of the deployment.
ALTER TABLE ring ADD COLUMN environment TEXT;
ALTER TABLE key ADD COLUMN environment TEXT;
ALTER TABLE principal ADD COLUMN environment TEXT;

-- ---- Material ----
--
-- By what the same material is known again under any key, and how imported material was wrapped on its way here: algorithm, kind of
-- the transport key, and SHA-256 of its public half. Not known of what an older release made or took in.
ALTER TABLE key_version ADD COLUMN fingerprint BLOB CHECK (length(fingerprint) = 16);
ALTER TABLE key_version ADD COLUMN transport_algorithm TEXT;
ALTER TABLE key_version ADD COLUMN transport_spec TEXT CHECK ((transport_spec IS NULL) = (transport_algorithm IS NULL));
ALTER TABLE key_version ADD COLUMN transport_key BLOB CHECK (transport_key IS NULL OR (length(transport_key) = 32 AND transport_spec IS NOT NULL));

-- ---- Data assets ----
--
-- What keys protect. Encryption contexts name them by identifier; rows are never deleted.
CREATE TABLE asset (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT    NOT NULL UNIQUE,
    owner      BLOB    NOT NULL REFERENCES principal (id),
    class      TEXT    NOT NULL,
    created_by BLOB    NOT NULL CHECK (length(created_by) = 16),
    created_at INTEGER NOT NULL,
    revision   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether uses of a ring's keys must name one.
ALTER TABLE ring ADD COLUMN assets TEXT NOT NULL DEFAULT 'optional';

-- ---- Declarations ----
--
-- What people declare and no machine can know: parameters, documents, suppliers, devices, modules, statements that were signed. `body` is
-- what is declared, in the one encoding of the log. Rows are never changed but for being withdrawn, once, and never deleted.
CREATE TABLE declaration (
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),
    kind         TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    body         BLOB    NOT NULL CHECK (length(body) BETWEEN 1 AND 16384),
    text         TEXT    NOT NULL,
    declared_by  BLOB    NOT NULL CHECK (length(declared_by) = 16),
    declared_at  INTEGER NOT NULL,
    withdrawn_by BLOB    CHECK (length(withdrawn_by) = 16),
    withdrawn_at INTEGER CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL)),
    reason       BLOB    CHECK (reason IS NULL OR withdrawn_by IS NOT NULL),
    revision     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX declaration_kind ON declaration (kind, id);
CREATE INDEX declaration_subject ON declaration (subject, id);
CREATE INDEX declaration_of_one ON declaration (declared_by, id);

-- ---- Approvals ----
--
-- What people ask for that others must approve, and what they decide. `asked` is the one encoding of it, in the log's own form; `request`
-- a keyed digest by which the same request is found again; `digest` that of the form which approvers sign. `seen` are the rows, with
-- their revisions, that it was decided on, `decisions` what was decided, each in one encoding. Rows change by decisions and by the
-- end alone, and are never deleted. One of a request at a time has not ended.
CREATE TABLE approval (
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),
    action       INTEGER NOT NULL,
    ring         BLOB    CHECK (length(ring) = 16),
    requester    BLOB    NOT NULL CHECK (length(requester) = 16),
    asked        BLOB    NOT NULL CHECK (length(asked) BETWEEN 1 AND 65536),
    salt         BLOB    NOT NULL CHECK (length(salt) = 16),
    request      BLOB    NOT NULL CHECK (length(request) = 32),
    digest       BLOB    NOT NULL CHECK (length(digest) = 32),
    seen         BLOB    NOT NULL,
    quorum       INTEGER NOT NULL CHECK (quorum BETWEEN 1 AND 32),
    eligible     TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL CHECK (expires_at > requested_at),
    decisions    BLOB    NOT NULL,
    outcome      TEXT,
    ended_at     INTEGER CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    ended_by     BLOB    CHECK ((outcome IS NULL) = (ended_by IS NULL)),
    reason       BLOB    CHECK (length(reason) IN (1, 16)),
    revision     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX approval_open_request ON approval (requester, request) WHERE outcome IS NULL;
CREATE INDEX approval_request ON approval (requester, request, requested_at, id);
CREATE INDEX approval_open ON approval (id) WHERE outcome IS NULL;
CREATE INDEX approval_of_one ON approval (requester, id);
CREATE INDEX approval_open_of_one ON approval (requester, expires_at) WHERE outcome IS NULL;

-- ---- The rules of the deployment ----
--
-- How many must approve what concerns all of it, and for how long rights last, in microseconds. One row, or none where nobody set any.
CREATE TABLE governance (
    id                   BLOB    PRIMARY KEY CHECK (id = zeroblob(16)),
    quorum               INTEGER NOT NULL,
    approval_lifetime    INTEGER NOT NULL,
    human_grant_lifetime INTEGER,
    break_glass_lifetime INTEGER NOT NULL,
    compromise_burst     INTEGER NOT NULL,
    set_by               BLOB    NOT NULL CHECK (length(set_by) = 16),
    set_at               INTEGER NOT NULL,
    reason               BLOB    CHECK (length(reason) IN (1, 16)),
    revision             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether as many custodians must approve each grant on a ring, or on a key of it, as the ring's quorum says.
ALTER TABLE ring ADD COLUMN grants_under_quorum INTEGER NOT NULL DEFAULT 0 CHECK (grants_under_quorum IN (0, 1));

-- ---- The log's time ----
--
-- What is remembered of it from one start to the next; no row before the first start that takes a step. `steps` are pairs of
-- (hour since the Unix epoch, microseconds), 8 bytes each, big-endian. `snapshot_at` is when the system last took a snapshot of the
-- whole state, `scanned_at` when it last opened every stored secret, `evaluated_at` when it last evaluated the controls.
CREATE TABLE log_time (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    confirmed_at INTEGER,
    held_at      INTEGER,
    steps        BLOB    NOT NULL,
    snapshot_at  INTEGER,
    scanned_at   INTEGER,
    evaluated_at INTEGER,
    revision     INTEGER NOT NULL
) STRICT;

-- ---- Reasons ----
--
-- Why people act. `text` is sealed in `sealed`, under a key of its own in `veil`; only what came from schema 1 stands there in clear
-- until the first start has sealed it. `action` and `code` are numbers of the vocabulary. Rows are never deleted: what is erased
-- is the text.
CREATE TABLE reason (
    id        BLOB    PRIMARY KEY CHECK (length(id) = 16),
    action    INTEGER NOT NULL,
    code      INTEGER,
    text      TEXT,
    sealed    BLOB    CHECK (text IS NULL OR sealed IS NULL),
    given_by  BLOB    NOT NULL CHECK (length(given_by) = 16),
    given_at  INTEGER NOT NULL,
    erased_by BLOB    CHECK (length(erased_by) = 16),
    erased_at INTEGER CHECK ((erased_by IS NULL) = (erased_at IS NULL)),
    revision  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What one person gave reasons for in some time.
CREATE INDEX reason_of_one ON reason (given_by, action, given_at);

-- The reason of a grant of schema 1 takes the identifier of its grant. 307 is the giving of a grant.
INSERT INTO reason (id, action, text, given_by, given_at, revision)
    SELECT id, 307, reason, created_by, created_at, 1 FROM grants WHERE reason <> '';

-- Why a row is as it is: the identifier of the reason, or one byte that says why there is none. Without a value where nobody was
-- asked for one, and in what came from schema 1.
ALTER TABLE ring ADD COLUMN reason BLOB CHECK (length(reason) IN (1, 16));
ALTER TABLE key ADD COLUMN reason BLOB CHECK (length(reason) IN (1, 16));
ALTER TABLE key_version ADD COLUMN reason BLOB CHECK (length(reason) IN (1, 16));
ALTER TABLE principal ADD COLUMN reason BLOB CHECK (length(reason) IN (1, 16));
ALTER TABLE credential ADD COLUMN reason BLOB CHECK (length(reason) IN (1, 16));

-- ---- Grants ----
--
-- `of_ring` is the ring that a grant is on, or that its key is of; both are fixed for ever. `administers`: does it give more
-- than uses of keys? Both follow from other columns, and are kept so that separation of duties is checked by an index. `ends_by`
-- is the instant by which a grant has ended, by its own time or that of what it rests on, or the greatest number; `place` where
-- an active grant lies in `grant_index`; `terms` a digest of what the same grant has, where it has a name. All but the first
-- are filled in by the release that brings a store here.
CREATE TABLE grants_2 (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 16),
    principal   BLOB    NOT NULL REFERENCES principal (id),
    key         BLOB    REFERENCES key (id),
    ring        BLOB    REFERENCES ring (id),
    of_ring     BLOB    NOT NULL REFERENCES ring (id),
    operations  TEXT    NOT NULL,
    administers INTEGER NOT NULL CHECK (administers IN (0, 1)),
    conditions  BLOB,
    reason      BLOB    CHECK (length(reason) IN (1, 16)),
    name        TEXT,
    retiring    BLOB    REFERENCES principal (id),
    created_by  BLOB    NOT NULL CHECK (length(created_by) = 16),
    created_at  INTEGER NOT NULL,
    standing    TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    ends_by     INTEGER NOT NULL DEFAULT 9223372036854775807,
    place       BLOB    CHECK (length(place) = 80),
    terms       BLOB    CHECK (length(terms) = 16),
    CHECK ((key IS NULL) <> (ring IS NULL)),
    CHECK (ring IS NULL OR ring = of_ring)
) STRICT, WITHOUT ROWID;

INSERT INTO grants_2 (id, principal, key, ring, of_ring, operations, administers, conditions, reason, name, retiring,
                      created_by, created_at, standing, revision)
    SELECT id, principal, key, ring, coalesce(ring, (SELECT k.ring FROM key k WHERE k.id = grants.key)), operations, 0,
           conditions, iif(reason <> '', id, NULL), name, retiring, created_by, created_at, standing, revision
    FROM grants;
DROP TABLE grants;
ALTER TABLE grants_2 RENAME TO grants;

-- A page of active grants costs the same however many were revoked, and the other way round.
CREATE INDEX grants_by_principal ON grants (principal, standing, id);
CREATE INDEX grants_by_retiring ON grants (retiring, standing, id) WHERE retiring IS NOT NULL;
CREATE INDEX grants_by_key ON grants (key, standing, id) WHERE key IS NOT NULL;
CREATE INDEX grants_by_ring ON grants (ring, standing, id) WHERE ring IS NOT NULL;
CREATE INDEX grants_on_key ON grants (principal, key, standing, id) WHERE key IS NOT NULL;
CREATE INDEX grants_on_ring ON grants (principal, ring, standing, id) WHERE ring IS NOT NULL;
-- Finds the grant that a call with the same name and terms made.
CREATE INDEX grants_by_terms ON grants (principal, terms) WHERE terms IS NOT NULL AND standing = 'active';
-- What separation of duties asks: on which rings somebody uses keys, and who of a ring administers it.
CREATE INDEX grants_of_ring ON grants (principal, of_ring) WHERE standing = 'active';
CREATE INDEX grants_administering ON grants (of_ring) WHERE administers = 1 AND standing = 'active';
CREATE INDEX principal_with_roles ON principal (standing) WHERE roles <> '';

-- Active grants, to be found by what a call says of itself: `target` is the key or ring that a grant is on, `place` five parts of
-- which `row/grant_index.rs` has the meaning, `ends` its own end, or the greatest number, and `kin` a digest of what a grant rests
-- on and gives.
CREATE TABLE grant_index (
    principal BLOB    NOT NULL,
    target    BLOB    NOT NULL CHECK (length(target) = 16),
    place     BLOB    NOT NULL CHECK (length(place) = 80),
    ends      INTEGER NOT NULL,
    id        BLOB    NOT NULL CHECK (length(id) = 16),
    kin       BLOB    NOT NULL CHECK (length(kin) = 16),
    PRIMARY KEY (principal, target, place, ends DESC, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX grant_index_by_kin ON grant_index (principal, target, kin, ends DESC);

-- How many active grants are on a key or on a ring as a whole.
CREATE TABLE grant_count (
    target BLOB    PRIMARY KEY CHECK (length(target) = 16),
    active INTEGER NOT NULL CHECK (active >= 0)
) STRICT, WITHOUT ROWID;

-- ---- Rights that were passed on ----
--
-- They end with what they rest on.
--
-- By which way a grant was given: one by one, or by a key policy.
ALTER TABLE grants ADD COLUMN origin TEXT NOT NULL DEFAULT 'direct';
-- The grants that it rests on, one identifier after the other; without a value for what was given under a role.
ALTER TABLE grants ADD COLUMN rests_on BLOB CHECK (length(rests_on) % 16 = 0);
-- How and when it was ended.
ALTER TABLE grants ADD COLUMN ended TEXT;
ALTER TABLE grants ADD COLUMN ended_at INTEGER CHECK ((ended IS NULL) = (ended_at IS NULL));
ALTER TABLE grants ADD COLUMN ended_reason BLOB CHECK (length(ended_reason) IN (1, 16));

-- What one key policy gave.
CREATE INDEX grants_of_policy ON grants (key, id) WHERE origin = 'key_policy' AND standing = 'active';

UPDATE grants SET origin = 'key_policy'
    WHERE key IS NOT NULL AND name GLOB 'key-policy/*'
    AND created_by IN (SELECT id FROM principal WHERE kind = 'workload');

-- On what the grants of applications rest was not written down: on what their givers had before, of what they still have. The
-- oldest of it, 16 on the key and 16 on its ring. Where that does not cover a grant, the grant is not honoured any more.
CREATE INDEX grants_given_before ON grants (principal, key, created_at, id) WHERE key IS NOT NULL AND standing = 'active';
CREATE INDEX grants_given_before_on_ring ON grants (principal, ring, created_at, id) WHERE ring IS NOT NULL AND standing = 'active';

UPDATE grants SET rests_on = (
    SELECT unhex(coalesce(group_concat(hex(id), ''), '')) FROM (
        SELECT * FROM (
            SELECT basis.id FROM grants AS basis
            WHERE basis.principal = grants.created_by AND basis.key = grants.key AND basis.standing = 'active'
                AND basis.key IS NOT NULL AND basis.created_at < grants.created_at
            ORDER BY basis.created_at, basis.id LIMIT 16
        )
        UNION ALL
        SELECT * FROM (
            SELECT basis.id FROM grants AS basis
            WHERE basis.principal = grants.created_by AND basis.standing = 'active' AND basis.ring IS NOT NULL
                AND basis.ring = grants.of_ring
                AND basis.created_at < grants.created_at
            ORDER BY basis.created_at, basis.id LIMIT 16
        )
    )
) WHERE created_by IN (SELECT id FROM principal WHERE kind = 'workload');

DROP INDEX grants_given_before;
DROP INDEX grants_given_before_on_ring;

-- How the giver named the one to whom it was given, and the one who may end it, where its protocol has several names for one.
ALTER TABLE grants ADD COLUMN spelled_principal TEXT;
ALTER TABLE grants ADD COLUMN spelled_retiring TEXT;

-- ---- Key policies ----
--
-- The document of a key's policy as it was put, and the grants that it gave, one identifier after the other. The key has a digest
-- of both.
CREATE TABLE key_policy (
    key    BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 16) REFERENCES key (id),
    text   TEXT NOT NULL,
    grants BLOB NOT NULL CHECK (length(grants) % 16 = 0)
) STRICT;

ALTER TABLE key ADD COLUMN policy BLOB CHECK (length(policy) = 32);

-- ---- People: who made whom, and what came about by a recovery ----

-- Not known of rows that an older release wrote.
ALTER TABLE principal ADD COLUMN created_by BLOB CHECK (length(created_by) = 16);
-- Who gave which role, `role=identifier` joined by commas. A role that is not named came with the set-up or an older release.
ALTER TABLE principal ADD COLUMN role_givers TEXT NOT NULL DEFAULT '';
-- Of a security officer that `claviger recover` made.
ALTER TABLE principal ADD COLUMN recovered_at INTEGER;
ALTER TABLE principal ADD COLUMN acknowledged_by BLOB CHECK (length(acknowledged_by) = 16);
-- Of one that was revoked, and of whom it is erased who it was: `name` is made of the identifier then, and `subject_key` is empty.
ALTER TABLE principal ADD COLUMN erased_by BLOB CHECK (length(erased_by) = 16);
ALTER TABLE principal ADD COLUMN erased_at INTEGER CHECK ((erased_by IS NULL) = (erased_at IS NULL));

-- The account that stood for the same person first; without a value for that one, and for who has no other.
ALTER TABLE principal ADD COLUMN same_person_as BLOB CHECK (length(same_person_as) = 16);
CREATE INDEX principal_accounts ON principal (same_person_as) WHERE same_person_as IS NOT NULL;

ALTER TABLE credential ADD COLUMN created_by BLOB CHECK (length(created_by) = 16);
-- The credential that its holder renewed by this one.
ALTER TABLE credential ADD COLUMN renews BLOB CHECK (length(renews) = 16);
-- What ends soon is found however many credentials there are.
CREATE INDEX credential_by_end ON credential (expires_at) WHERE standing = 'active';

CREATE INDEX principal_unacknowledged ON principal (recovered_at)
    WHERE recovered_at IS NOT NULL AND acknowledged_by IS NULL;

-- What somebody who leaves answered for, and what they made.
CREATE INDEX key_by_owner ON key (owner, ring_name, name);
CREATE INDEX principal_by_maker ON principal (created_by, name) WHERE standing = 'active';
CREATE INDEX credential_by_maker ON credential (created_by, expires_at, id) WHERE standing = 'active';

-- ---- Names: for whom an alias names its key, and which ring a name belongs to ----

ALTER TABLE alias ADD COLUMN scope TEXT NOT NULL DEFAULT 'deployment';
-- An older release did not keep who made an alias. Applications could make them on relaxed rings only.
UPDATE alias SET scope = 'ring' WHERE ring IN (SELECT id FROM ring WHERE separation = 'relaxed');

-- Every name that an alias ever bore, with the ring that it belongs to.
CREATE TABLE alias_name (
    name TEXT NOT NULL PRIMARY KEY,
    ring BLOB NOT NULL REFERENCES ring (id)
) STRICT, WITHOUT ROWID;

INSERT INTO alias_name (name, ring) SELECT name, ring FROM alias;

-- What one alias is through all its moves, and no other alias of that name is.
ALTER TABLE alias ADD COLUMN id BLOB CHECK (length(id) = 16);
UPDATE alias SET id = randomblob(16);
CREATE UNIQUE INDEX alias_by_id ON alias (id);

-- ---- Nodes ----
--
-- What each node said last of itself. Words are joined by commas.
CREATE TABLE node (
    id                 BLOB    PRIMARY KEY CHECK (length(id) = 16),
    incarnation        INTEGER NOT NULL,
    reported_at        INTEGER NOT NULL,
    environment        TEXT,
    insecure           TEXT    NOT NULL,
    release            TEXT    NOT NULL,
    build              BLOB    NOT NULL CHECK (length(build) = 32),
    configuration      BLOB    NOT NULL CHECK (length(configuration) = 32),
    policy             BLOB    NOT NULL CHECK (length(policy) = 32),
    hardening          TEXT    NOT NULL,
    listeners          TEXT    NOT NULL,
    certificate        BLOB    NOT NULL CHECK (length(certificate) = 32),
    client_authorities BLOB    NOT NULL CHECK (length(client_authorities) = 32),
    clock_source       TEXT    NOT NULL,
    generators         TEXT    NOT NULL,
    domains            TEXT    NOT NULL,
    root_keys          TEXT    NOT NULL,
    certificates       TEXT    NOT NULL,
    released           TEXT    NOT NULL,
    revision           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ---- Rights of an older release ----
--
-- What people confirmed of the rights that stood before there were facts. One row in a store that an older release wrote, from the
-- first start of this one on; none in others.
CREATE TABLE rights_review (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    opened_at  INTEGER NOT NULL,
    digest     BLOB    CHECK (length(digest) = 32),
    officer    BLOB    CHECK (length(officer) = 16),
    officer_at INTEGER CHECK ((officer IS NULL) = (officer_at IS NULL)),
    auditor    BLOB    CHECK (length(auditor) = 16),
    auditor_at INTEGER CHECK ((auditor IS NULL) = (auditor_at IS NULL)),
    revision   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ---- What wraps the KEKs of rings ----
--
-- The key of the root by its label and version, the algorithm, and the strength of that key in bits. Without a value in rows of an
-- older release, until the first start of this one opens the KEK.
ALTER TABLE ring ADD COLUMN kek_root_key TEXT;
ALTER TABLE ring ADD COLUMN kek_root_version INTEGER CHECK ((kek_root_key IS NULL) = (kek_root_version IS NULL));
ALTER TABLE ring ADD COLUMN kek_wrap_algorithm TEXT CHECK ((kek_root_key IS NULL) = (kek_wrap_algorithm IS NULL));
ALTER TABLE ring ADD COLUMN kek_wrap_strength INTEGER CHECK ((kek_root_key IS NULL) = (kek_wrap_strength IS NULL));

-- ---- Facts ----
--
-- Keys that seal what facts say of one object; sealed themselves. The name is the kind of the object, one byte, and its
-- identifier.
CREATE TABLE veil (
    name   BLOB NOT NULL PRIMARY KEY CHECK (length(name) = 17),
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the rows that stood before there were facts are recorded: the kind, and the identifier of the last one, empty before
-- the first of the kind. No row once all are, as in a store that begins with this release.
CREATE TABLE fact_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    kind  INTEGER NOT NULL,
    after BLOB    NOT NULL
) STRICT;

INSERT INTO fact_head (id, kind, after) SELECT 1, 1, x'' WHERE EXISTS (SELECT 1 FROM principal);

-- The digest of the newest fact of each row: what snapshots of the whole state are over. Without a value in rows of an older release
-- until they are recorded.
ALTER TABLE ring ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE key ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE key_version ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE principal ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE credential ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE grants ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE alias ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE reason ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE node ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE asset ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE declaration ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE approval ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE governance ADD COLUMN fact BLOB CHECK (length(fact) = 32);
ALTER TABLE rights_review ADD COLUMN fact BLOB CHECK (length(fact) = 32);

-- ---- The uses of keys ----
--
-- What is kept of the uses of key versions: derived from the log, written with cuts. A row considers the entries before
-- `counted_to`; the table as a whole those before `usage_head.counted_to`. What lies behind is counted from the log at a start.
-- Bytes are those of inputs, each rounded up to a power of two; children are keys that were wrapped under the version.
CREATE TABLE version_usage (
    key        BLOB    NOT NULL CHECK (length(key) = 16),
    number     INTEGER NOT NULL,
    counted_to INTEGER NOT NULL,
    last_index INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    last_op    INTEGER NOT NULL,
    protected  INTEGER NOT NULL,
    processed  INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    children   INTEGER NOT NULL,
    PRIMARY KEY (key, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_head (
    shard_id   INTEGER PRIMARY KEY,
    counted_to INTEGER NOT NULL
) STRICT;

-- ---- Creating calls that are remembered ----
--
-- Of what `request_digest` is the digest: 1 is the canonical encoding of the request. 0 is a text that only the build knew
-- that wrote it; such rows are compared with nothing, and age out as all do.
ALTER TABLE idempotency ADD COLUMN scheme INTEGER NOT NULL DEFAULT 0 CHECK (scheme IN (0, 1));

-- ---- Tags of rows ----
--
-- What the row was when a server wrote it: a keyed digest over all its columns. Rows that an older release wrote get theirs at
-- the first start of this one. The count of uses has a tag of its own.
ALTER TABLE ring ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE key ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE key_version ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE key_version ADD COLUMN uses_tag BLOB CHECK (length(uses_tag) = 16);
ALTER TABLE principal ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE credential ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE grants ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE alias ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE reason ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE node ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE asset ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE declaration ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE approval ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE governance ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE rights_review ADD COLUMN tag BLOB CHECK (length(tag) = 16);
-- The same of rows of no object on which decisions are taken.
ALTER TABLE alias_name ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE fence_delta ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE idempotency ADD COLUMN tag BLOB CHECK (length(tag) = 16);
ALTER TABLE log_time ADD COLUMN tag BLOB CHECK (length(tag) = 16);

-- ---- Which rows there are ----
--
-- A digest over identifiers and revisions of the rows of each block: those of one kind whose identifiers begin with the same 14
-- bits, but for versions (`key_version_block`). The root over all of them is as of a size and root of the log; the tag is keyed.
CREATE TABLE row_block (
    kind   INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (kind, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE row_root (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    root     BLOB    NOT NULL CHECK (length(root) = 32),
    log_size INTEGER NOT NULL,
    log_root BLOB    NOT NULL CHECK (length(log_root) = 32),
    -- A digest over the rows of `log_time`, `fence` and `row_sum`, as far as they change with commits that change state alone.
    beside   BLOB    NOT NULL CHECK (length(beside) = 32),
    tag      BLOB    NOT NULL CHECK (length(tag) = 16)
) STRICT;

-- The sums of the tags of all rows of tables without objects, modulo 2^128.
CREATE TABLE row_sum (
    name TEXT NOT NULL PRIMARY KEY,
    sum  BLOB NOT NULL CHECK (length(sum) = 16)
) STRICT, WITHOUT ROWID;

-- What is asked of every row at once, with the digests for snapshots.
CREATE INDEX ring_revision ON ring (id, revision, fact);
CREATE INDEX key_revision ON key (id, revision, fact);
CREATE INDEX key_version_fact ON key_version (key, number, fact);
-- Versions lie in blocks by the first 14 bits of their key and, from one to the next, by each 128 of their numbers.
CREATE INDEX key_version_block ON key_version (
    ((instr('123456789ABCDEF', substr(hex(key), 1, 1)) * 1024 + instr('123456789ABCDEF', substr(hex(key), 2, 1)) * 64
      + instr('123456789ABCDEF', substr(hex(key), 3, 1)) * 4 + instr('123456789ABCDEF', substr(hex(key), 4, 1)) / 4
      + (number - 1) / 128) % 16384),
    key, number, revision);
CREATE INDEX principal_revision ON principal (id, revision, fact);
CREATE INDEX credential_revision ON credential (id, revision, fact);
CREATE INDEX grants_revision ON grants (id, revision, fact);
CREATE INDEX alias_revision ON alias (id, revision, fact);
CREATE INDEX reason_revision ON reason (id, revision, fact);
CREATE INDEX node_revision ON node (id, revision, fact);
CREATE INDEX asset_revision ON asset (id, revision, fact);
CREATE INDEX declaration_revision ON declaration (id, revision, fact);
CREATE INDEX approval_revision ON approval (id, revision, fact);
CREATE INDEX governance_revision ON governance (id, revision, fact);
CREATE INDEX rights_review_revision ON rights_review (id, revision, fact);
