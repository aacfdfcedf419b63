//! Statements that people sign: a name, a version, a text, and the digest that is signed.

use std::time::Duration;

use claviger_audit::{Hash, sha256};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::object::Object;
use claviger_core::principal::Role;
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
    /// Roles of this system that are asked; without any and without capacities nothing shows whether who signed is who is asked, and the
    /// statement is kept and decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Capacities that are asked, as in `executive`. An owner is asked about what they own, and about nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacities: Vec<String>,
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

    /// As what somebody is asked to sign it who holds these, about that one thing or about all of the deployment; none where they are not asked.
    #[must_use]
    pub fn asked_as(
        &self,
        roles: &[Role],
        capacities: &[HeldCapacity],
        about: Option<Object>,
    ) -> Option<String> {
        let is_asked = |asked: &[String], word: &str| asked.iter().any(|asked| asked == word);
        let is_about = |capacity: Capacity| match capacity {
            Capacity::AssetOwner(id) => about == Some(Object::Asset(id)),
            Capacity::KeyOwner(id) => about == Some(Object::Key(id)),
            Capacity::Ciso
            | Capacity::Dpo
            | Capacity::Executive
            | Capacity::PrivacyOfficer
            | Capacity::RiskOwner => true,
        };
        let role = roles.iter().find(|role| is_asked(&self.roles, role.name()));
        let mut held = capacities.iter().map(|held| held.capacity);
        let capacity = held.find(|held| is_asked(&self.capacities, held.word()) && is_about(*held));
        role.map(ToString::to_string).or_else(|| capacity.map(|capacity| capacity.to_string()))
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
    use claviger_core::{AssetId, KeyId, PrincipalId};

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
            assert!(statement.capacities.iter().all(|word| all().iter().any(|one| one.word() == word)));
            assert!(statement.version > 0 && statement.valid_days > 0 && !statement.signer.is_empty());
        }
        assert_eq!(catalogue.statements().count(), asked.len());
    }

    const KEY: KeyId = KeyId::from_bytes([1; 16]);

    fn all() -> [Capacity; 7] {
        [
            Capacity::AssetOwner(AssetId::from_bytes([2; 16])),
            Capacity::Ciso,
            Capacity::Dpo,
            Capacity::Executive,
            Capacity::KeyOwner(KEY),
            Capacity::PrivacyOfficer,
            Capacity::RiskOwner,
        ]
    }

    #[test]
    fn who_holds_a_role_or_a_capacity_that_is_asked_is_asked_and_an_owner_about_what_they_own() {
        let catalogue = Catalogue::load().unwrap();
        let asked = |statement: &str, roles: &[Role], capacities: &[Capacity], about: Option<Object>| {
            let given_by = PrincipalId::from_bytes([9; 16]);
            let held: Vec<_> =
                capacities.iter().map(|capacity| HeldCapacity { capacity: *capacity, given_by }).collect();
            catalogue.find_statement(statement).unwrap().asked_as(roles, &held, about)
        };
        assert_eq!(asked("ATT-POLICY", &Role::ALL, &[], None), None);
        assert_eq!(asked("ATT-POLICY", &[], &all(), None).as_deref(), Some("executive"));
        assert_eq!(asked("ATT-POLICY", &[], &[Capacity::Ciso, Capacity::KeyOwner(KEY)], None), None);
        assert_eq!(asked("ATT-LOG-REVIEW", &[Role::Auditor], &[], None).as_deref(), Some("auditor"));
        let [own, other] = [KEY, KeyId::from_bytes([8; 16])].map(|key| Some(Object::Key(key)));
        let owner = [Capacity::KeyOwner(KEY)];
        assert_eq!(
            asked("ATT-FEWEST-CUSTODIANS", &[], &owner, own),
            Some(Capacity::KeyOwner(KEY).to_string())
        );
        for about in [other, None, Some(Object::Asset(AssetId::from_bytes(*KEY.as_bytes())))] {
            assert_eq!(asked("ATT-FEWEST-CUSTODIANS", &[], &owner, about), None);
        }
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
