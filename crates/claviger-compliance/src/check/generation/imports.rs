//! GEN-04: where imported material came from, how it came in, and who approved it.

use std::collections::BTreeMap;

use claviger_audit::Op;
use claviger_audit::fact::{Object, OpenKey, OpenVersion};
use claviger_core::key::Origin;
use claviger_core::{Action, KeyVersionId, Timestamp};

use crate::check::approvals::{Act, Approvals, Rule, executed};
use crate::check::common::{NO_KEY, NO_RING, count, is_unreadable, versions_about};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting};

/// What transport of a key must have at least, in bits, unless the key is weaker.
const TRANSPORT_STRENGTH: u16 = 128;

pub(super) struct Imports {
    ledger: Ledger,
    approvals: Approvals,
    /// What is wrong with the approval of the newest import of each version.
    unapproved: BTreeMap<KeyVersionId, Option<String>>,
}

impl Imports {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), approvals: Approvals::new(setting), unapproved: BTreeMap::new() }
    }

    /// What is wrong with the approval of an import.
    fn defect(&self, id: KeyVersionId, event: &Event<'_>, estate: &Estate) -> Option<String> {
        let Some(rule) = Rule::of_key(id.key, estate) else { return Some(format!("and {NO_RING}")) };
        let act = Act::on(Action::ImportMaterial, Object::Key(id.key), rule);
        self.approvals.defect(&act, event, estate).or_else(|| {
            // So many others, beside who asks.
            let (approval, _) = executed(act.action, event, estate)?;
            let approvers = estate.approvers(approval, event.at, None).persons.len();
            let least = self.approvals.persons();
            (approvers < least).then(|| format!("and {approvers} others approved it, where {least} must"))
        })
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
                Some(key) => self.of_import(id, key, version),
            }
        };
        self.ledger.judge(object, at, judgement);
    }

    fn of_import(&self, id: KeyVersionId, key: &OpenKey, version: &OpenVersion) -> Judgement {
        let mut defects = Vec::new();
        let strength = key.spec.strength_bits();
        if let Some(transport) = version.transport_strength
            && transport < strength.min(TRANSPORT_STRENGTH)
        {
            let by = version.transport_spec.as_deref().unwrap_or("an unknown key");
            defects.push(format!("a key of {strength} bits came under {by} of {transport} bits"));
        }
        if Class::from(key.data_class) == Class::Restricted {
            match self.unapproved.get(&id) {
                Some(None) => {}
                Some(Some(defect)) => {
                    defects.push(format!("its data is restricted, material was imported, {defect}"));
                }
                None => defects.push("its data is restricted, and nobody approved its import".to_owned()),
            }
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
        self.approvals.changed(object, event);
        match object {
            Object::Approval(_) => {
                is_unreadable(&mut self.ledger, object, event.at, estate);
                return;
            }
            Object::Version(id) if event.entry.op == Op::ImportMaterial => {
                let defect = self.defect(id, event, estate);
                self.unapproved.insert(id, defect);
            }
            Object::Key(_) | Object::Version(_) => {}
            _ => return,
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

#[cfg(test)]
mod tests {
    use claviger_audit::fact::OpenRow;
    use claviger_core::key::{DataClass, Generator, State};

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{ADA, CUSTODIANS, KEY, Story, at, key, open_key};

    /// A version whose material came in.
    fn imported() -> (Object, OpenRow) {
        let row = OpenVersion {
            state: State::Active,
            wrap_format: Some(1),
            wrap_digest: Some(vec![1; 32]),
            origin: Origin::Imported,
            module: String::new(),
            generator: Generator::Elsewhere,
            health_ok: true,
            rotated: None,
            created_at: at(1),
            activated_at: Some(at(1)),
            state_changed_at: at(1),
            fingerprint: None,
            transport_strength: Some(256),
            transport_spec: Some("rsa-4096".to_owned()),
            material_expires_at: None,
        };
        (Object::Version(KeyVersionId { key: KEY, number: 1 }), OpenRow::Version(row))
    }

    #[test]
    fn restricted_material_is_imported_with_the_approval_of_as_many_others_as_are_asked() {
        let said = |approvers: usize| {
            let mut story = Story::of("GEN-04");
            let restricted = OpenKey { data_class: DataClass::Cardholder, ..open_key() };
            story.act(Op::UpdateKey, Some(KEY), vec![key(restricted)]);
            let mut rows = vec![imported()];
            if approvers > 0 {
                let asked = story.asked(ADA, Action::ImportMaterial, true, &[Object::Key(KEY)]);
                let id = story.ask(claviger_audit::fact::OpenApproval { quorum: 1, ..asked });
                for custodian in CUSTODIANS.iter().take(approvers) {
                    story.approve(id, *custodian);
                }
                rows.push(story.executed(id));
            }
            story.act(Op::ImportMaterial, Some(KEY), rows);
            let told = story.told(Mode::State);
            let [violation] = told.violations.as_slice() else { panic!("{told:?}") };
            assert!(violation.contains("where it came from is recorded nowhere"), "{violation}");
            violation.contains("its data is restricted").then(|| violation.clone())
        };
        assert!(said(0).is_some_and(|violation| violation.contains("nobody approved it, where 2 must")));
        assert!(said(1).is_some_and(|violation| violation.contains("1 are valid, where 2 must")));
        assert_eq!(said(2), None);
    }
}
