//! `redaction.json`: what a pack withholds, counted, by which rule, and what its level lets out.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Field, Object, field_name};
use claviger_audit::session::Level;
use serde::Serialize;

use super::inputs::DisclosureUsed;
use super::{PackFile, canonical};
use crate::disclosed::{DISCLOSURE, Disclosed, NOTHING};
use crate::dossier::Dossier;

#[derive(Serialize)]
struct Redaction {
    format: &'static str,
    level: &'static str,
    /// What each level lets out, this one among them.
    levels: [Meaning; 4],
    /// Entries are hashed as they are, and none is changed or left out.
    entries: &'static str,
    results: &'static str,
    rules: [Rule; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    disclosed: Option<Openings>,
    sealed_fields: Vec<SealedField>,
    /// Sessions until the end of the period; those that the pack opens are among them.
    sealed_sessions: u64,
}

#[derive(Serialize)]
struct Meaning {
    level: &'static str,
    lets_out: &'static str,
}

#[derive(Serialize)]
struct Rule {
    name: &'static str,
    withholds: &'static str,
    instead: &'static str,
    opened_by: &'static str,
}

/// What this pack opens.
#[derive(Serialize)]
struct Openings {
    file: &'static str,
    #[serde(flatten)]
    used: DisclosureUsed,
    /// Sessions that entries of the period are of: those that it opens, and those of which what leads to somebody is gone.
    sessions: u64,
    erased_sessions: u64,
    names: usize,
}

/// A field that is sealed, of how many objects, and of how many of them this pack opens it.
#[derive(Serialize)]
struct SealedField {
    kind: &'static str,
    field: String,
    objects: u64,
    opened: u64,
}

const RULES: [Rule; 4] = [
    Rule {
        name: "sealed-fields",
        withholds: "names, descriptions, labels, conditions of grants, texts of reasons: what people and callers wrote",
        instead: "the commitment that the fact has in the place of the value; objects go by their identifiers",
        opened_by: "names of keys and rings by the level `pseudonym`, those of principals by `full`; the others by no pack",
    },
    Rule {
        name: "sealed-sessions",
        withholds: "who stands behind a session, its credential, TLS parameters and origin",
        instead: "the commitment of the session's entry",
        opened_by: "the level, for sessions of entries of the period, as long as the subject is not erased",
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

/// What a level lets out.
const fn lets_out(level: Option<Level>) -> &'static str {
    match level {
        None => "nothing: who called is in no file of the pack",
        Some(Level::Minimal) => {
            "of each session the kind of credential, the factors, parameters of TLS and the class of the address"
        }
        Some(Level::Pseudonym) => {
            "the same, with identifiers of principals and credentials, and names of keys and rings"
        }
        Some(Level::Full) => "the same, with names of principals and addresses",
    }
}

fn name_of(level: Option<Level>) -> &'static str {
    level.map_or(NOTHING, Level::name)
}

/// The level of a pack, and what it lets out.
pub(crate) fn level(dossier: &Dossier<'_>) -> (&'static str, &'static str) {
    let level = dossier.asked.disclosed.map(Disclosed::level);
    (name_of(level), lets_out(level))
}

pub(super) fn file(dossier: &Dossier<'_>) -> Result<PackFile, serde_json::Error> {
    let disclosed = dossier.asked.disclosed;
    let names: BTreeSet<(Object, u16)> = disclosed
        .iter()
        .flat_map(|disclosed| &disclosed.disclosure().names)
        .map(|name| (name.object, name.number))
        .collect();
    let mut sealed = BTreeMap::<_, (u64, u64)>::new();
    for (object, current) in &dossier.objects {
        let kind = object.kind();
        for (number, field) in current.fields() {
            if matches!(field, Field::Hidden(_)) {
                let (objects, opened) = sealed.entry((kind, number)).or_default();
                *objects += 1;
                *opened += u64::from(names.contains(&(*object, number)));
            }
        }
    }
    let sealed = sealed.into_iter().map(|((kind, number), (objects, opened))| SealedField {
        kind: kind.name(),
        field: field_name(kind, number).map_or_else(|| number.to_string(), str::to_owned),
        objects,
        opened,
    });
    let level = disclosed.map(Disclosed::level);
    let all = [None, Some(Level::Minimal), Some(Level::Pseudonym), Some(Level::Full)];
    let redaction = Redaction {
        format: "claviger-redaction/2",
        level: name_of(level),
        levels: all.map(|level| Meaning { level: name_of(level), lets_out: lets_out(level) }),
        entries: "none is left out or changed",
        results: "they are the same at every level: no check reads what a level lets out",
        rules: RULES,
        disclosed: disclosed.map(openings),
        sealed_fields: sealed.collect(),
        sealed_sessions: dossier.sessions,
    };
    Ok(PackFile::new("redaction.json", canonical(&redaction)?))
}

fn openings(disclosed: &Disclosed) -> Openings {
    let (sessions, erased_sessions) = disclosed.counts();
    let names = disclosed.disclosure().names.len();
    Openings { file: DISCLOSURE, used: DisclosureUsed::of(disclosed), sessions, erased_sessions, names }
}
