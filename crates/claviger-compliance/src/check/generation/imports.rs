//! GEN-04: where imported material came from, how it came in, and who approved it.

use claviger_audit::fact::{Object, OpenKey, OpenVersion};
use claviger_core::key::Origin;
use claviger_core::{KeyVersionId, Timestamp};

use crate::check::common::{NO_KEY, count, is_unreadable, versions_about};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting};

/// What transport of a key must have at least, in bits, unless the key is weaker.
const TRANSPORT_STRENGTH: u16 = 128;

pub(super) struct Imports {
    ledger: Ledger,
    persons: u64,
}

impl Imports {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), persons: setting.number("dual_control_min_persons") }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let is_in_scope =
            version.origin == Origin::Imported && !version.state.is_destroyed() && was_imported(version);
        let judgement = if !is_in_scope {
            Judgement::OutOfScope
        } else {
            match estate.keys.get(&id.key) {
                None => Judgement::unknown(NO_KEY),
                Some(key) => self.of_import(key, version),
            }
        };
        self.ledger.judge(object, at, judgement);
    }

    fn of_import(&self, key: &OpenKey, version: &OpenVersion) -> Judgement {
        let mut defects = Vec::new();
        let strength = key.spec.strength_bits();
        if let Some(transport) = version.transport_strength
            && transport < strength.min(TRANSPORT_STRENGTH)
        {
            let by = version.transport_spec.as_deref().unwrap_or("an unknown key");
            defects.push(format!("a key of {strength} bits came under {by} of {transport} bits"));
        }
        if Class::from(key.data_class) == Class::Restricted {
            defects.push(format!(
                "its data is restricted, and no {} persons approved its import: this release collects no approvals",
                self.persons
            ));
        }
        defects.push("where it came from is recorded nowhere: this release asks for no source".to_owned());
        if version.transport_strength.is_none() {
            defects
                .push("how it was wrapped on its way is not known: an older release took it in".to_owned());
        }
        Judgement::violated(defects.join("; "))
    }
}

/// Did material come in? A version that waits for it has none of these.
fn was_imported(version: &OpenVersion) -> bool {
    let is_here = version.wrap_format.is_some() || version.wrap_digest.is_some();
    is_here
        || version.transport_strength.is_some()
        || version.fingerprint.is_some()
        || version.activated_at.is_some()
}

impl Check for Imports {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        if !matches!(object, Object::Key(_) | Object::Version(_)) {
            return;
        }
        for id in versions_about(object, estate) {
            self.judge(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let is_imported = |version: &&OpenVersion| {
            version.origin == Origin::Imported && !version.state.is_destroyed() && was_imported(version)
        };
        let imported: Vec<_> = end.estate.versions.values().filter(is_imported).collect();
        let least = imported.iter().filter_map(|version| version.transport_strength).min();
        let mut outcome = Outcome::of(
            self.ledger,
            "each import is recorded with its origin, its transport and its approval",
        )
        .figure("imported_versions", count(imported.len()));
        if let Some(least) = least {
            outcome = outcome.figure("least_transport_strength_bits", u64::from(least));
        }
        outcome
            .needs("ATT-IMPORT-ORIGIN")
            .note("material comes in wrapped for a key of the service, or not at all; that it was imported stays with a version for life")
    }
}
