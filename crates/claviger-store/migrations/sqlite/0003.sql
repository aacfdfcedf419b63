-- Schema 3 of the embedded store.
--
-- Columns that it adds to tables have no value where there is nothing to say, which is so of all rows of schema 2: the tag of a row
-- covers them from the first value on.

-- ---- Capacities ----
--
-- What a person answers for and who gave it, `capacity=identifier` joined by commas.
ALTER TABLE principal ADD COLUMN capacities TEXT CHECK (capacities <> '');
CREATE INDEX principal_with_capacities ON principal (standing) WHERE capacities IS NOT NULL;

-- ---- Credentials that prove nothing yet ----
--
-- 1 until the holder has confirmed it by another one.
ALTER TABLE credential ADD COLUMN awaits_confirmation INTEGER CHECK (awaits_confirmation = 1);

-- ---- Plans ----
--
-- Which steps of it were done, and what they moved, in one encoding.
ALTER TABLE approval ADD COLUMN done BLOB CHECK (length(done) > 1);

-- ---- Access reviews ----
--
-- `items` is the population and what was decided of each item, in one encoding; `population` the digest of it without what was decided. Rows
-- change by decisions and by the close alone, and are never deleted.
CREATE TABLE review (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    scope      INTEGER NOT NULL,
    ring       BLOB    CHECK (length(ring) = 16),
    population BLOB    NOT NULL CHECK (length(population) = 32),
    opened_by  BLOB    NOT NULL CHECK (length(opened_by) = 16),
    opened_at  INTEGER NOT NULL,
    due_at     INTEGER NOT NULL CHECK (due_at > opened_at),
    closed_by  BLOB    CHECK (length(closed_by) = 16),
    closed_at  INTEGER CHECK ((closed_at IS NULL) = (closed_by IS NULL)),
    reason     BLOB    CHECK (length(reason) IN (1, 16)),
    revision   INTEGER NOT NULL,
    fact       BLOB    CHECK (length(fact) = 32),
    tag        BLOB    CHECK (length(tag) = 16),
    -- The last one, so that reading the others does not walk through it.
    items      BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX review_open ON review (id) WHERE closed_at IS NULL;
CREATE INDEX review_revision ON review (id, revision, fact);

-- ---- Alerts ----
--
-- `rule` is its number; `subject` the kind of what it is about, one byte, and its identifier, and empty where it is about the whole
-- deployment. One of a rule about a subject at a time is not closed. Rows are never deleted.
CREATE TABLE alert (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    rule       INTEGER NOT NULL,
    subject    BLOB    NOT NULL CHECK (length(subject) IN (0, 17, 21)),
    raised_at  INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    count      INTEGER NOT NULL CHECK (count > 0),
    triaged_by BLOB    CHECK (length(triaged_by) = 16),
    triaged_at INTEGER CHECK ((triaged_at IS NULL) = (triaged_by IS NULL)),
    closed_by  BLOB    CHECK (length(closed_by) = 16),
    closed_at  INTEGER CHECK ((closed_at IS NULL) = (closed_by IS NULL)),
    reason     BLOB    CHECK (length(reason) IN (1, 16)),
    revision   INTEGER NOT NULL,
    fact       BLOB    CHECK (length(fact) = 32),
    tag        BLOB    CHECK (length(tag) = 16)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX alert_open_finding ON alert (rule, subject) WHERE closed_at IS NULL;
CREATE INDEX alert_open ON alert (id, rule, subject) WHERE closed_at IS NULL;
CREATE INDEX alert_by_rule ON alert (rule, id);
CREATE INDEX alert_by_subject ON alert (subject, id);
CREATE INDEX alert_revision ON alert (id, revision, fact);

-- ---- Emergency access ----
--
-- `keys` and `grants` are identifiers one after the other, a grant for each key. Rows change by the close and by the review alone, and are never
-- deleted.
CREATE TABLE break_glass (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 16),
    holder      BLOB    NOT NULL CHECK (length(holder) = 16),
    keys        BLOB    NOT NULL CHECK (length(keys) BETWEEN 16 AND 1024 AND length(keys) % 16 = 0),
    grants      BLOB    NOT NULL CHECK (length(grants) = length(keys)),
    opened_by   BLOB    NOT NULL CHECK (length(opened_by) = 16),
    approval    BLOB    CHECK (length(approval) = 16),
    opened_at   INTEGER NOT NULL,
    ends_at     INTEGER NOT NULL CHECK (ends_at > opened_at),
    closed_by   BLOB    CHECK (length(closed_by) = 16),
    closed_at   INTEGER CHECK ((closed_at IS NULL) = (closed_by IS NULL)),
    verdict     TEXT,
    reviewed_by BLOB    CHECK ((verdict IS NULL) = (reviewed_by IS NULL)),
    reviewed_at INTEGER CHECK ((verdict IS NULL) = (reviewed_at IS NULL)),
    reason      BLOB    CHECK (length(reason) IN (1, 16)),
    revision    INTEGER NOT NULL,
    fact        BLOB    CHECK (length(fact) = 32),
    tag         BLOB    CHECK (length(tag) = 16)
) STRICT, WITHOUT ROWID;

CREATE INDEX break_glass_by_end ON break_glass (ends_at, closed_at);
CREATE INDEX break_glass_by_holder ON break_glass (holder, id);
CREATE INDEX break_glass_unreviewed ON break_glass (id) WHERE reviewed_at IS NULL;
CREATE INDEX break_glass_revision ON break_glass (id, revision, fact);
