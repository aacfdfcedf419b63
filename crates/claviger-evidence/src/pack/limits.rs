//! `LIMITS.md`: what the pack does not show.

use std::fmt::Write as _;

use claviger_compliance::Verdict;
use claviger_compliance::control::Control;
use claviger_compliance::evaluation::ControlResult;

use super::PackFile;
use crate::dossier::Dossier;

/// What no release can show.
pub(crate) const LIMITS: [&str; 14] = [
    "Events that never entered the log. AUD-01 counts results where they leave a node and compares the counts with the entries, which makes \
     leaving one out harder and does not rule it out.",
    "What happened after the newest cut of the log, or outside the period that was asked about. A log that was exported earlier is genuine, \
     and ends there.",
    "That what people and modules declare is true: which data a key protects, how many records and persons are concerned, how an imported \
     key was made.",
    "That a cryptographic module is validated: that is declared. Check it in the official list.",
    "Copies of keys or of plaintext outside the managed systems, and other keys and data there, unless somebody declares them.",
    "What somebody who controls the host of a node does with keys for as long as that lasts. Only what was recorded before, or elsewhere, \
     can be trusted then (AUD-04).",
    "That two accounts are two persons: that is what the identity provider says.",
    "That a review of access, of emergency access or of an alert was made with care, and that whoever holds a capacity answers for what it says: \
     the log shows who said so, and when.",
    "Custody of devices and the destruction of media: they are attested, not measured.",
    "Whether a measure is appropriate. That is a legal judgement: results say what the log shows, and not that an organization meets a \
     regulation.",
    "That the program was honest when it recorded. The digest of each program that ran is in the log: compare it with a build of your own.",
    "That the key of a signed statement, or of an approval, is that of its signer's certificate: the log has no certificates. The program \
     compared them when the statement was declared, or the approval given.",
    "That nobody prepared for the samples: they follow from the root of the log, and whoever makes its cuts can make some until one draws what \
     pleases. Draw some yourself as well.",
    "Anything, if whoever holds the root key and all who keep older checkpoints agree to deceive. Where nobody brings an older checkpoint, \
     whoever holds the root key is enough.",
];

const HEAD: &str = "\
# What this pack does not show

Read this before you conclude anything from the results.

## What no release can show

";

const PROVED: &str = "
## What a verification proves

That this log existed in this order when it was signed, that everything in this pack follows from it, and that nothing in it was changed since.
It proves nothing of the list above.
";

pub(super) fn file(dossier: &Dossier<'_>) -> PackFile {
    let mut text = HEAD.to_owned();
    for limit in LIMITS {
        let _ = writeln!(text, "* {limit}");
    }
    text.push_str(PROVED);
    log(&mut text, dossier);
    section(&mut text, dossier, Verdict::Indeterminate, "Not decided", "a fact that decides is missing");
    section(
        &mut text,
        dossier,
        Verdict::NeedsAttestation,
        "Statements of people that are missing",
        "the part that a machine decides holds, and a signed statement of a person is missing",
    );
    waiting(&mut text, dossier);
    declared(&mut text, dossier);
    PackFile::new("LIMITS.md", text)
}

/// What is the matter with the log itself.
fn log(text: &mut String, dossier: &Dossier<'_>) {
    let evaluation = &dossier.evaluation;
    let found = &dossier.detection.found;
    let begins = evaluation.known_from.filter(|from| *from > evaluation.period.from);
    if evaluation.findings.is_empty() && found.is_empty() && begins.is_none() {
        return;
    }
    let _ = writeln!(text, "\n## The log\n");
    if let Some(from) = begins {
        let from = super::instant(from);
        let _ = writeln!(text, "* The log covers the time from {from} on. What was before is not known.");
    }
    for finding in &evaluation.findings {
        let _ = writeln!(text, "* It does not hold: {}", line(finding));
    }
    for found in found {
        let (kind, place) = (line(&found.kind), line(&found.place));
        let _ = writeln!(text, "* It has what must not be in a log: {kind}, at {place}");
    }
    if dossier.detection.more > 0 {
        let _ = writeln!(text, "* And {} more of these.", dossier.detection.more);
    }
}

/// The results of one kind.
fn section(text: &mut String, dossier: &Dossier<'_>, verdict: Verdict, title: &str, meaning: &str) {
    let results: Vec<_> =
        dossier.evaluation.results.iter().filter(|result| result.result == verdict).collect();
    let _ = writeln!(text, "\n## {title}\n\n{verdict}: {meaning}. {} results.\n", results.len());
    for result in results {
        let ControlResult { control, mode, because, missing_attestations, .. } = result;
        let missing: Vec<_> = missing_attestations.iter().map(String::as_str).collect();
        let missing = if missing.is_empty() { String::new() } else { format!(" ({})", missing.join(", ")) };
        let _ = writeln!(text, "* {control}, {mode}: {}{missing}", line(because));
    }
}

/// The controls that no check of this release decides.
fn waiting(text: &mut String, dossier: &Dossier<'_>) {
    let asked =
        |control: &&Control| dossier.evaluation.results.iter().any(|result| result.control == control.id);
    let waiting: Vec<_> = dossier
        .asked
        .catalogue
        .controls()
        .filter(asked)
        .filter_map(|control| Some((control, control.waits_for.as_deref()?)))
        .collect();
    let _ = writeln!(text, "\n## Facts that this release does not keep\n");
    let _ = writeln!(text, "{} controls wait for them.\n", waiting.len());
    for (control, facts) in waiting {
        let _ = writeln!(text, "* {}, {}: {}", control.id, line(&control.title), line(facts));
    }
}

/// What people and files said, and nothing measured.
fn declared(text: &mut String, dossier: &Dossier<'_>) {
    let estate = &dossier.estate;
    let _ = writeln!(text, "\n## Declared, and not measured\n");
    let (keys, assets, nodes) = (estate.keys.len(), estate.assets.len(), estate.nodes.len());
    let declarations = estate.declarations.len();
    let capacities: usize = estate.principals.values().map(|principal| principal.capacities.len()).sum();
    for (count, what) in [
        (
            keys,
            "keys: what data they protect (data class), who owns them, and where they belong (environment)",
        ),
        (assets, "data assets: that they are there, what they hold, and who owns them"),
        (
            nodes,
            "nodes: their configuration, hardening, storage and custody domains, and the validation of their cryptographic modules, as each \
             node says them of itself",
        ),
        (capacities, "capacities of people: that they answer for what these say"),
        (
            declarations,
            "declarations of people: parameters, devices, modules, suppliers, documents and signed statements",
        ),
    ] {
        let _ = writeln!(text, "* {count} {what}.");
    }
    for (name, value) in &dossier.declared {
        let _ = writeln!(text, "* The parameter {name} is {} by declaration, not by default.", line(value));
    }
    if !estate.unreadable.is_empty() {
        let _ =
            writeln!(text, "* {} objects whose facts do not read are in no table.", estate.unreadable.len());
    }
}

/// A text in one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
