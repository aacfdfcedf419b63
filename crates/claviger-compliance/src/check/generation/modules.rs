//! GEN-05: the modules that nodes use, and whether these say that they are validated.

use claviger_audit::fact::{Object, OpenVersion};
use claviger_core::key::Wrap;

use super::FEDERAL;
use super::generators::{claims_validation, module};
use crate::check::common::is_unreadable;
use crate::check::{Check, End};
use crate::evaluation::{Emptiness, Judgement, Ledger, Outcome, Setting, Subject};

/// It is of an instant alone, and decided at the end.
pub(super) struct Modules {
    ledger: Ledger,
    is_validation_required: bool,
}

impl Modules {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let is_required = setting.text("fips140_3_required").starts_with("true");
        let is_federal = setting.framework == Some(FEDERAL);
        Self { ledger: setting.ledger(), is_validation_required: is_required || is_federal }
    }

    fn of_module(&self, module: &str, is_one_validated: bool) -> Judgement {
        if claims_validation(module) {
            Judgement::unknown(
                "it says that it is validated; its certificate, the status of that and when both were checked are not kept",
            )
        } else if self.is_validation_required && !is_one_validated {
            Judgement::violated("FIPS 140-3 is required, and no module in use says that it is validated")
        } else {
            Judgement::Holds
        }
    }
}

impl Check for Modules {
    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        let lines = || estate.nodes.values().flat_map(|node| &node.generators);
        let is_one_validated = lines().filter_map(|line| module(line)).any(claims_validation);
        for (id, node) in &estate.nodes {
            let mut is_listed = false;
            for line in &node.generators {
                let Some(module) = module(line) else {
                    let subject = Subject::named(format!("module of node {id}: {line}"));
                    self.ledger.judge(
                        subject,
                        to,
                        Judgement::unknown("what the node says of it does not read"),
                    );
                    continue;
                };
                is_listed = true;
                let judgement = self.of_module(module, is_one_validated);
                self.ledger.judge(Subject::named(format!("module {module} of node {id}")), to, judgement);
            }
            if !is_listed {
                self.ledger.judge(
                    Object::Node(*id),
                    to,
                    Judgement::violated("it uses a module, and lists none"),
                );
            }
        }
        for object in &estate.unreadable {
            if let Object::Node(_) = object {
                is_unreadable(&mut self.ledger, *object, to, estate);
            }
        }
        let is_in_token = |version: &OpenVersion| version.wrap_format == Some(Wrap::UNDER_TOKEN_ROOT);
        let has_token = lines().any(|line| line.starts_with("token="));
        if !has_token && estate.versions.values().any(is_in_token) {
            let why = Judgement::violated("keys work in a token, and no node lists one");
            self.ledger.judge(Subject::named("module of the token"), to, why);
        }
        let holds = if is_one_validated { "each module is listed" } else { "no validated module in use" };
        let outcome = Outcome::of(self.ledger, holds)
            .when_empty(Emptiness::Unknown("no node has said which modules it uses"))
            .note("certificates of modules, their level and status are not kept: what is said here is what each module says of itself")
            .note("TLS and the log use the module of the library; nothing is claimed of a token but its name");
        if is_one_validated { outcome.needs("ATT-MODULE-CERT") } else { outcome }
    }
}
