//! Stores as an older release leaves them, made of those of this one.

/// As a release leaves a store that knew no tags: rows without, and cuts that do not speak of them.
pub const OLDER: &str = "UPDATE ring SET tag = NULL; UPDATE key SET tag = NULL; \
    UPDATE key_version SET tag = NULL, uses_tag = NULL; UPDATE principal SET tag = NULL; \
    UPDATE credential SET tag = NULL; UPDATE grants SET tag = NULL; UPDATE alias SET tag = NULL; \
    UPDATE reason SET tag = NULL; UPDATE alias_name SET tag = NULL; UPDATE fence_delta SET tag = NULL; \
    UPDATE idempotency SET tag = NULL; UPDATE log_time SET tag = NULL; \
    DELETE FROM document WHERE name = 'row-tags'; DELETE FROM row_root; DELETE FROM row_block; DELETE FROM row_sum; DELETE FROM root_leaf; DELETE FROM tile WHERE log = -1; \
    UPDATE root_head SET size = 0, signed_size = 0, signed_note = '', \
    root = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';";

/// The same of what it kept of facts: none, for any row.
pub const WITHOUT_FACTS: &str = "INSERT INTO fact_head (id, kind, after) VALUES (1, 1, x'');";
