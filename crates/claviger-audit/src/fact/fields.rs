//! The fields of facts: their numbers and names, what their values are, which are public, and which are fixed for the life of an
//! object.
//!
//! The numbers are for ever; one that is given up is not given again.

use std::collections::BTreeMap;

use claviger_core::PrincipalId;

use super::value::Form;
use super::{Field, Kind, reason};
use crate::cbor::Reader;

/// How a field is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Open,
    Sealed,
}
use Shown::{Open, Sealed};

/// One field: its number, its name, what its value is, how it is shown, and whether it is fixed for the life of the object.
type Row = (u16, &'static str, Form, Shown, bool);
const FIXED: bool = true;
const MOVES: bool = false;

const RING: &[Row] = &[
    (1, "name", Form::Text, Sealed, FIXED),
    (2, "protection", Form::Text, Open, MOVES),
    (3, "rotation_period", Form::Span, Open, MOVES),
    (4, "protect_period", Form::Span, Open, MOVES),
    (5, "process_period", Form::Span, Open, MOVES),
    (6, "destroy_waiting_period", Form::Span, Open, MOVES),
    (7, "quorum", Form::Number, Open, MOVES),
    (8, "separation", Form::Text, Open, MOVES),
    (9, "kek_digest", Form::Bytes, Open, MOVES),
    (10, "created_at", Form::Instant, Open, FIXED),
    (11, "reason", Form::Reason, Open, MOVES),
    (12, "rotates", Form::Text, Open, MOVES),
    (13, "context_required", Form::Words, Open, MOVES),
    (14, "data_class", Form::Text, Open, MOVES),
    (15, "plaintext_data_keys", Form::Text, Open, MOVES),
    (16, "environment", Form::Text, Open, MOVES),
    (17, "assets", Form::Text, Open, MOVES),
    (18, "kek_root_key", Form::Text, Open, MOVES),
    (19, "kek_root_version", Form::Number, Open, MOVES),
    (20, "kek_wrap_algorithm", Form::Text, Open, MOVES),
    (21, "kek_wrap_strength", Form::Number, Open, MOVES),
    (22, "grants_under_quorum", Form::Flag, Open, MOVES),
];

const KEY: &[Row] = &[
    (1, "ring", Form::Id, Open, FIXED),
    (2, "name", Form::Text, Sealed, FIXED),
    (3, "purpose", Form::Text, Open, FIXED),
    (4, "spec", Form::Text, Open, FIXED),
    (5, "protection", Form::Text, Open, FIXED),
    (6, "data_class", Form::Text, Open, MOVES),
    (7, "description", Form::Text, Sealed, MOVES),
    (8, "owner", Form::Id, Open, MOVES),
    (9, "labels", Form::Pairs, Sealed, MOVES),
    (10, "rotation_period", Form::Span, Open, MOVES),
    (11, "state", Form::Text, Open, MOVES),
    (12, "primary", Form::Number, Open, MOVES),
    (13, "rotates_from", Form::Instant, Open, MOVES),
    (14, "destroy_scheduled_at", Form::Instant, Open, MOVES),
    (15, "destroy_at", Form::Instant, Open, MOVES),
    (16, "created_at", Form::Instant, Open, FIXED),
    (17, "reason", Form::Reason, Open, MOVES),
    (18, "policy", Form::Bytes, Sealed, MOVES),
    (19, "context_required", Form::Words, Open, MOVES),
    (20, "environment", Form::Text, Open, MOVES),
    (21, "destroy_approval", Form::Id, Open, MOVES),
];

const VERSION: &[Row] = &[
    (1, "state", Form::Text, Open, MOVES),
    (2, "wrap_format", Form::Number, Open, MOVES),
    (3, "wrap_digest", Form::Bytes, Open, MOVES),
    (4, "public_key_digest", Form::Bytes, Open, MOVES),
    (5, "origin", Form::Text, Open, FIXED),
    (6, "module", Form::Text, Open, MOVES),
    (7, "generator", Form::Text, Open, MOVES),
    (8, "health_ok", Form::Flag, Open, MOVES),
    (9, "rotated", Form::Text, Open, MOVES),
    (10, "created_at", Form::Instant, Open, FIXED),
    (11, "activated_at", Form::Instant, Open, MOVES),
    (12, "state_changed_at", Form::Instant, Open, MOVES),
    (13, "material_digest", Form::Bytes, Open, MOVES),
    (14, "material_expires_at", Form::Instant, Open, MOVES),
    (15, "material_removed_at", Form::Instant, Open, MOVES),
    (16, "reason", Form::Reason, Open, MOVES),
    (17, "fingerprint", Form::Bytes, Open, MOVES),
    (18, "transport_algorithm", Form::Text, Open, MOVES),
    (19, "transport_spec", Form::Text, Open, MOVES),
    (20, "transport_key", Form::Bytes, Open, MOVES),
    (21, "transport_strength", Form::Number, Open, MOVES),
];

/// The field that says that it is erased who a principal was.
const PRINCIPAL_ERASED_AT: u16 = 14;
/// The field of a credential that has its principal.
const CREDENTIAL_PRINCIPAL: u16 = 1;

const PRINCIPAL: &[Row] = &[
    (1, "name", Form::Text, Sealed, FIXED),
    (2, "kind", Form::Text, Open, FIXED),
    (3, "standing", Form::Text, Open, MOVES),
    (4, "roles", Form::Words, Open, MOVES),
    (5, "role_givers", Form::Words, Open, MOVES),
    (6, "home", Form::Id, Open, MOVES),
    (7, "subject_key_digest", Form::Bytes, Open, MOVES),
    (8, "created_by", Form::Id, Open, FIXED),
    (9, "created_at", Form::Instant, Open, FIXED),
    (10, "recovered_at", Form::Instant, Open, FIXED),
    (11, "acknowledged_by", Form::Id, Open, MOVES),
    (12, "reason", Form::Reason, Open, MOVES),
    (13, "erased_by", Form::Id, Open, MOVES),
    (PRINCIPAL_ERASED_AT, "erased_at", Form::Instant, Open, MOVES),
    (15, "environment", Form::Text, Open, FIXED),
    (16, "same_person_as", Form::Id, Open, FIXED),
    (17, "capacities", Form::Words, Open, MOVES),
];

const CREDENTIAL: &[Row] = &[
    (CREDENTIAL_PRINCIPAL, "principal", Form::Id, Open, FIXED),
    (2, "kind", Form::Text, Open, FIXED),
    (3, "digest", Form::Bytes, Sealed, FIXED),
    (4, "access_key", Form::Text, Sealed, FIXED),
    (5, "secret_digest", Form::Bytes, Open, FIXED),
    (6, "session", Form::Bytes, Sealed, FIXED),
    (7, "label", Form::Text, Sealed, FIXED),
    (8, "standing", Form::Text, Open, MOVES),
    (9, "created_by", Form::Id, Open, FIXED),
    (10, "created_at", Form::Instant, Open, FIXED),
    (11, "expires_at", Form::Instant, Open, MOVES),
    (12, "reason", Form::Reason, Open, MOVES),
    (13, "renews", Form::Id, Open, FIXED),
    (14, "awaits_confirmation", Form::Flag, Open, MOVES),
];

const GRANT: &[Row] = &[
    (1, "principal", Form::Id, Open, FIXED),
    (2, "key", Form::Id, Open, FIXED),
    (3, "ring", Form::Id, Open, FIXED),
    (4, "operations", Form::Words, Open, FIXED),
    (5, "context_equals", Form::Pairs, Sealed, FIXED),
    (6, "context_exactly", Form::Pairs, Sealed, FIXED),
    (7, "source_networks", Form::Words, Sealed, FIXED),
    (8, "until", Form::Instant, Open, FIXED),
    (9, "reason", Form::Reason, Open, FIXED),
    (10, "name", Form::Text, Sealed, FIXED),
    (11, "retiring", Form::Id, Open, FIXED),
    (12, "created_by", Form::Id, Open, FIXED),
    (13, "created_at", Form::Instant, Open, FIXED),
    (14, "basis", Form::Basis, Open, FIXED),
    (15, "origin", Form::Text, Open, FIXED),
    (16, "standing", Form::Text, Open, MOVES),
    (17, "ended", Form::Text, Open, MOVES),
    (18, "ended_at", Form::Instant, Open, MOVES),
    (19, "ended_reason", Form::Reason, Open, MOVES),
    (20, "spelled_principal", Form::Text, Sealed, FIXED),
    (21, "spelled_retiring", Form::Text, Sealed, FIXED),
];

const ALIAS: &[Row] = &[
    (1, "name", Form::Text, Sealed, FIXED),
    (2, "key", Form::Id, Open, MOVES),
    (3, "ring", Form::Id, Open, MOVES),
    (4, "scope", Form::Text, Open, MOVES),
    (5, "created_at", Form::Instant, Open, FIXED),
    (6, "updated_at", Form::Instant, Open, MOVES),
];

const REASON: &[Row] = &[
    (1, "action", Form::Text, Open, FIXED),
    (2, "code", Form::Text, Open, FIXED),
    (reason::TEXT, "text", Form::Text, Sealed, MOVES),
    (4, "given_by", Form::Id, Open, FIXED),
    (5, "given_at", Form::Instant, Open, FIXED),
    (6, "erased_by", Form::Id, Open, MOVES),
    (7, "erased_at", Form::Instant, Open, MOVES),
];

const RIGHTS_REVIEW: &[Row] = &[
    (1, "opened_at", Form::Instant, Open, FIXED),
    (2, "digest", Form::Bytes, Open, MOVES),
    (3, "officer", Form::Id, Open, MOVES),
    (4, "officer_at", Form::Instant, Open, MOVES),
    (5, "auditor", Form::Id, Open, MOVES),
    (6, "auditor_at", Form::Instant, Open, MOVES),
];

const NODE: &[Row] = &[
    (1, "incarnation", Form::Number, Open, MOVES),
    (2, "reported_at", Form::Instant, Open, MOVES),
    (3, "environment", Form::Text, Open, MOVES),
    (4, "mode", Form::Text, Open, MOVES),
    (5, "insecure", Form::Words, Open, MOVES),
    (6, "release", Form::Text, Open, MOVES),
    (7, "build", Form::Bytes, Open, MOVES),
    (8, "configuration", Form::Bytes, Open, MOVES),
    (9, "policy", Form::Bytes, Open, MOVES),
    (10, "hardening", Form::Words, Open, MOVES),
    (11, "listeners", Form::Words, Open, MOVES),
    (12, "certificate", Form::Bytes, Open, MOVES),
    (13, "client_authorities", Form::Bytes, Open, MOVES),
    (14, "clock_source", Form::Text, Open, MOVES),
    (15, "generators", Form::Words, Open, MOVES),
    (16, "domains", Form::Words, Open, MOVES),
    (17, "released", Form::Words, Open, MOVES),
    (18, "root_keys", Form::Words, Open, MOVES),
    (19, "certificates", Form::Words, Open, MOVES),
];

const ASSET: &[Row] = &[
    (1, "name", Form::Text, Sealed, FIXED),
    (2, "owner", Form::Id, Open, MOVES),
    (3, "class", Form::Text, Open, MOVES),
    (4, "created_by", Form::Id, Open, FIXED),
    (5, "created_at", Form::Instant, Open, FIXED),
];

const DECLARATION: &[Row] = &[
    (1, "kind", Form::Text, Open, FIXED),
    (2, "subject", Form::Text, Open, FIXED),
    (3, "body", Form::Bytes, Open, FIXED),
    (4, "text", Form::Text, Sealed, FIXED),
    (5, "declared_by", Form::Id, Open, FIXED),
    (6, "declared_at", Form::Instant, Open, FIXED),
    (7, "withdrawn_by", Form::Id, Open, MOVES),
    (8, "withdrawn_at", Form::Instant, Open, MOVES),
    (9, "reason", Form::Reason, Open, MOVES),
];

const APPROVAL: &[Row] = &[
    (1, "action", Form::Text, Open, FIXED),
    (2, "ring", Form::Id, Open, FIXED),
    (3, "requester", Form::Id, Open, FIXED),
    (4, "digest", Form::Bytes, Open, FIXED),
    (5, "rows", Form::SeenRows, Open, FIXED),
    (6, "quorum", Form::Number, Open, FIXED),
    (7, "eligible", Form::Text, Open, FIXED),
    (8, "requested_at", Form::Instant, Open, FIXED),
    (9, "expires_at", Form::Instant, Open, FIXED),
    (10, "asked", Form::Bytes, Sealed, FIXED),
    (11, "salt", Form::Bytes, Sealed, FIXED),
    (12, "decisions", Form::Decisions, Open, MOVES),
    (13, "outcome", Form::Text, Open, MOVES),
    (14, "ended_at", Form::Instant, Open, MOVES),
    (15, "ended_by", Form::Id, Open, MOVES),
    (16, "reason", Form::Reason, Open, FIXED),
    (17, "done", Form::DoneSteps, Open, MOVES),
];

const GOVERNANCE: &[Row] = &[
    (1, "quorum", Form::Number, Open, MOVES),
    (2, "approval_lifetime", Form::Span, Open, MOVES),
    (3, "human_grant_lifetime", Form::Span, Open, MOVES),
    (4, "break_glass_lifetime", Form::Span, Open, MOVES),
    (5, "compromise_burst", Form::Number, Open, MOVES),
    (6, "set_by", Form::Id, Open, MOVES),
    (7, "set_at", Form::Instant, Open, MOVES),
    (8, "reason", Form::Reason, Open, MOVES),
];

const REVIEW: &[Row] = &[
    (1, "scope", Form::Text, Open, FIXED),
    (2, "ring", Form::Id, Open, FIXED),
    (3, "population", Form::Bytes, Open, FIXED),
    (4, "items", Form::ReviewItems, Open, MOVES),
    (5, "opened_by", Form::Id, Open, FIXED),
    (6, "opened_at", Form::Instant, Open, FIXED),
    (7, "due_at", Form::Instant, Open, FIXED),
    (8, "closed_by", Form::Id, Open, MOVES),
    (9, "closed_at", Form::Instant, Open, MOVES),
    (10, "reason", Form::Reason, Open, MOVES),
];

const ALERT: &[Row] = &[
    (1, "rule", Form::Text, Open, FIXED),
    (2, "subject", Form::Text, Open, FIXED),
    (3, "raised_at", Form::Instant, Open, FIXED),
    (4, "last_at", Form::Instant, Open, MOVES),
    (5, "count", Form::Number, Open, MOVES),
    (6, "triaged_by", Form::Id, Open, MOVES),
    (7, "triaged_at", Form::Instant, Open, MOVES),
    (8, "closed_by", Form::Id, Open, MOVES),
    (9, "closed_at", Form::Instant, Open, MOVES),
    (10, "reason", Form::Reason, Open, MOVES),
];

const BREAK_GLASS: &[Row] = &[
    (1, "holder", Form::Id, Open, FIXED),
    (2, "keys", Form::Words, Open, FIXED),
    (3, "grants", Form::Words, Open, FIXED),
    (4, "opened_by", Form::Id, Open, FIXED),
    (5, "approval", Form::Id, Open, FIXED),
    (6, "opened_at", Form::Instant, Open, FIXED),
    (7, "ends_at", Form::Instant, Open, FIXED),
    (8, "reason", Form::Reason, Open, FIXED),
    (9, "closed_by", Form::Id, Open, MOVES),
    (10, "closed_at", Form::Instant, Open, MOVES),
    (11, "verdict", Form::Text, Open, MOVES),
    (12, "reviewed_by", Form::Id, Open, MOVES),
    (13, "reviewed_at", Form::Instant, Open, MOVES),
];

const fn rows_of(kind: Kind) -> &'static [Row] {
    match kind {
        Kind::Ring => RING,
        Kind::Key => KEY,
        Kind::Version => VERSION,
        Kind::Principal => PRINCIPAL,
        Kind::Credential => CREDENTIAL,
        Kind::Grant => GRANT,
        Kind::Alias => ALIAS,
        Kind::Reason => REASON,
        Kind::RightsReview => RIGHTS_REVIEW,
        Kind::Node => NODE,
        Kind::Asset => ASSET,
        Kind::Declaration => DECLARATION,
        Kind::Approval => APPROVAL,
        Kind::Governance => GOVERNANCE,
        Kind::Review => REVIEW,
        Kind::Alert => ALERT,
        Kind::BreakGlass => BREAK_GLASS,
    }
}

fn row_of(kind: Kind, number: u16) -> Option<&'static Row> {
    rows_of(kind).iter().find(|row| row.0 == number)
}

/// The number of the field of that name.
pub(crate) fn number_of(kind: Kind, name: &str) -> Option<u16> {
    rows_of(kind).iter().find(|row| row.1 == name).map(|row| row.0)
}

/// What the value of a field is.
pub(super) fn form_of(kind: Kind, number: u16) -> Option<Form> {
    row_of(kind, number).map(|row| row.2)
}

/// The name of a field.
#[must_use]
pub fn field_name(kind: Kind, number: u16) -> Option<&'static str> {
    row_of(kind, number).map(|row| row.1)
}

/// Is the value sealed?
#[must_use]
pub fn is_sealed(kind: Kind, number: u16) -> bool {
    row_of(kind, number).is_some_and(|row| row.3 == Sealed)
}

/// Do these fields of a principal say that it is erased who it was?
pub(crate) fn is_erased(fields: &BTreeMap<u16, Field>) -> bool {
    fields.contains_key(&PRINCIPAL_ERASED_AT)
}

/// The principal of a credential with these fields.
pub(crate) fn principal_of(fields: &BTreeMap<u16, Field>) -> Option<PrincipalId> {
    match fields.get(&CREDENTIAL_PRINCIPAL) {
        Some(Field::Open(value)) => Reader::new(value).fixed().ok().map(PrincipalId::from_bytes),
        _ => None,
    }
}

/// Does the field stand in the first fact of its object alone?
pub(crate) fn is_fixed(kind: Kind, number: u16) -> bool {
    row_of(kind, number).is_some_and(|row| row.4)
}
