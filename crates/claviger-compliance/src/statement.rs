//! Statements that people sign: a name, a version, a text, and the digest that is signed.

use std::time::Duration;

use claviger_audit::{Hash, sha256};
use serde::{Deserialize, Serialize};

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its name, as in `ATT-POLICY`.
    pub id: String,
    /// Counts its texts.
    pub version: u32,
    /// Who is asked to sign it.
    pub signer: String,
    /// Roles of this system that are asked; without any nothing shows whether who signed is who is asked, and the statement is kept and
    /// decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Of what there must be one for each; none where one for the whole deployment does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// What is stated.
    pub text: String,
    /// How long it is good at most, in days.
    pub valid_days: u32,
}

impl Statement {
    /// What is signed, as it is shown: name and version, then the text, a line each.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} {}\n{}\n", self.id, self.version, self.text)
    }

    /// SHA-256 of that.
    #[must_use]
    pub fn digest(&self) -> Hash {
        sha256(self.shown().as_bytes())
    }

    /// How long it is good at most.
    #[must_use]
    pub fn validity(&self) -> Duration {
        Duration::from_secs(u64::from(self.valid_days) * 86_400)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use claviger_core::declaration::Plain;
    use claviger_core::principal::Role;

    use super::*;
    use crate::Catalogue;

    #[test]
    fn each_statement_is_one_of_a_control_and_can_be_signed() {
        let catalogue = Catalogue::load().unwrap();
        let asked: BTreeSet<_> = catalogue.controls().flat_map(|control| &control.attestations).collect();
        for statement in catalogue.statements() {
            assert!(asked.contains(&statement.id), "{} is asked by no control", statement.id);
            assert!(statement.id.parse::<Plain>().is_ok() && statement.text.ends_with('.'), "{statement:?}");
            assert!(statement.roles.iter().all(|role| role.parse::<Role>().is_ok()));
            assert!(statement.version > 0 && statement.valid_days > 0 && !statement.signer.is_empty());
        }
        assert_eq!(catalogue.statements().count(), asked.len());
    }

    #[test]
    fn another_text_and_another_version_have_another_digest() {
        let catalogue = Catalogue::load().unwrap();
        let policy = catalogue.find_statement("ATT-POLICY").unwrap();
        assert_eq!(policy.digest(), sha256(format!("ATT-POLICY 1\n{}\n", policy.text).as_bytes()));
        let other = Statement { version: 2, ..policy.clone() };
        let changed = Statement { text: format!("{} So be it.", policy.text), ..policy.clone() };
        assert!(other.digest() != policy.digest() && changed.digest() != policy.digest());
    }
}
