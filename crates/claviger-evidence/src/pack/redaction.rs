//! `redaction.json`: what an export of the log withholds, counted, and by which rule.

use std::collections::BTreeMap;

use claviger_audit::fact::{Field, field_name};
use serde::Serialize;

use super::{PackFile, canonical};
use crate::dossier::Dossier;

#[derive(Serialize)]
struct Redaction {
    format: &'static str,
    level: &'static str,
    /// Entries are hashed as they are, and none is changed or left out.
    entries: &'static str,
    rules: [Rule; 4],
    sealed_fields: Vec<SealedField>,
    sealed_sessions: u64,
}

#[derive(Serialize)]
struct Rule {
    name: &'static str,
    withholds: &'static str,
    instead: &'static str,
    opened_by: &'static str,
}

/// A field that is sealed, and of how many objects.
#[derive(Serialize)]
struct SealedField {
    kind: &'static str,
    field: String,
    objects: u64,
}

const RULES: [Rule; 4] = [
    Rule {
        name: "sealed-fields",
        withholds: "names, descriptions, labels, conditions of grants, texts of reasons: what people and callers wrote",
        instead: "the commitment that the fact has in the place of the value; objects go by their identifiers",
        opened_by: "`claviger audit disclose`, by the level that its caller may see",
    },
    Rule {
        name: "sealed-sessions",
        withholds: "who stands behind a session, its credential, TLS parameters and origin",
        instead: "the commitment of the session's entry",
        opened_by: "`claviger audit disclose`, as long as the subject is not erased",
    },
    Rule {
        name: "tags",
        withholds: "callers, encryption contexts and request identifiers in entries",
        instead: "keyed tags: the same in the same key and time, and nothing more",
        opened_by: "nobody from the pack",
    },
    Rule {
        name: "never-recorded",
        withholds: "key material, plaintext, ciphertext, secrets of credentials",
        instead: "nothing: neither the log nor a pack ever has them",
        opened_by: "nobody",
    },
];

pub(super) fn file(dossier: &Dossier<'_>) -> Result<PackFile, serde_json::Error> {
    let mut sealed = BTreeMap::<_, u64>::new();
    for (object, current) in &dossier.objects {
        let kind = object.kind();
        for (number, field) in current.fields() {
            if matches!(field, Field::Hidden(_)) {
                *sealed.entry((kind, number)).or_default() += 1;
            }
        }
    }
    let sealed = sealed.into_iter().map(|((kind, number), objects)| SealedField {
        kind: kind.name(),
        field: field_name(kind, number).map_or_else(|| number.to_string(), str::to_owned),
        objects,
    });
    let redaction = Redaction {
        format: "claviger-redaction/1",
        level: "export",
        entries: "none is left out or changed",
        rules: RULES,
        sealed_fields: sealed.collect(),
        sealed_sessions: dossier.sessions,
    };
    Ok(PackFile::new("redaction.json", canonical(&redaction)?))
}
