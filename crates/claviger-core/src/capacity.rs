//! Capacities: what a person answers for, beside the roles that let them act.
//!
//! A capacity gives no right but to sign the statements that ask for it. Its words are those of the law and of organizations; the catalogue
//! of statements says which statement asks for which.

use std::fmt;
use std::str::FromStr;

use crate::{AssetId, KeyId, PrincipalId};

/// What a person answers for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Capacity {
    /// Owns a data asset.
    AssetOwner(AssetId),
    /// Chief information security officer.
    Ciso,
    /// Data protection officer (GDPR, articles 37 to 39).
    Dpo,
    /// Manages the organization.
    Executive,
    /// Owns a key.
    KeyOwner(KeyId),
    /// Privacy officer (45 CFR 164.530(a)).
    PrivacyOfficer,
    /// Owns a risk.
    RiskOwner,
}

/// Text that is not a capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a capacity: `asset_owner:ID`, `ciso`, `dpo`, `executive`, `key_owner:ID`, `privacy_officer` or `risk_owner` is expected"
)]
pub struct NotACapacity;

impl Capacity {
    /// The longest text, in bytes.
    pub const MAX_TEXT: usize = 48;

    /// What it is, whatever it is of.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AssetOwner(_) => "asset_owner",
            Self::Ciso => "ciso",
            Self::Dpo => "dpo",
            Self::Executive => "executive",
            Self::KeyOwner(_) => "key_owner",
            Self::PrivacyOfficer => "privacy_officer",
            Self::RiskOwner => "risk_owner",
        }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AssetOwner(id) => write!(f, "{}:{id}", self.word()),
            Self::KeyOwner(id) => write!(f, "{}:{id}", self.word()),
            _ => f.write_str(self.word()),
        }
    }
}

impl FromStr for Capacity {
    type Err = NotACapacity;

    fn from_str(text: &str) -> Result<Self, NotACapacity> {
        match text.split_once(':') {
            Some(("asset_owner", id)) => id.parse().map(Self::AssetOwner).map_err(|_| NotACapacity),
            Some(("key_owner", id)) => id.parse().map(Self::KeyOwner).map_err(|_| NotACapacity),
            Some(_) => Err(NotACapacity),
            None => match text {
                "ciso" => Ok(Self::Ciso),
                "dpo" => Ok(Self::Dpo),
                "executive" => Ok(Self::Executive),
                "privacy_officer" => Ok(Self::PrivacyOfficer),
                "risk_owner" => Ok(Self::RiskOwner),
                _ => Err(NotACapacity),
            },
        }
    }
}

/// A capacity that a person holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HeldCapacity {
    /// Which.
    pub capacity: Capacity,
    /// Who gave it.
    pub given_by: PrincipalId,
}

impl HeldCapacity {
    /// Most capacities of one person.
    pub const MOST: usize = 256;

    /// Are these the capacities of one person? They are ascending, each once, and not too many.
    #[must_use]
    pub fn are_listed(held: &[Self]) -> bool {
        held.len() <= Self::MOST && held.is_sorted_by(|one, next| one.capacity < next.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capacity_has_one_spelling() {
        let id = [7; 16];
        let all = [
            Capacity::AssetOwner(AssetId::from_bytes(id)),
            Capacity::Ciso,
            Capacity::Dpo,
            Capacity::Executive,
            Capacity::KeyOwner(KeyId::from_bytes(id)),
            Capacity::PrivacyOfficer,
            Capacity::RiskOwner,
        ];
        for capacity in all {
            let text = capacity.to_string();
            assert!(text.starts_with(capacity.word()) && text.len() <= Capacity::MAX_TEXT);
            assert_eq!(text.parse(), Ok(capacity));
            for wrong in [text.to_uppercase(), format!("{text} "), format!("{text}:x"), format!(":{text}")] {
                assert_eq!(wrong.parse::<Capacity>(), Err(NotACapacity), "{wrong}");
            }
        }
        assert_eq!("asset_owner".parse::<Capacity>(), Err(NotACapacity));
        assert_eq!("".parse::<Capacity>(), Err(NotACapacity));
    }

    #[test]
    fn capacities_are_ascending_and_each_is_held_once() {
        let held = |capacity, by| HeldCapacity { capacity, given_by: PrincipalId::from_bytes([by; 16]) };
        assert!(HeldCapacity::are_listed(&[held(Capacity::Ciso, 2), held(Capacity::Dpo, 1)]));
        assert!(!HeldCapacity::are_listed(&[held(Capacity::Ciso, 1), held(Capacity::Ciso, 2)]));
        assert!(!HeldCapacity::are_listed(&[held(Capacity::Dpo, 1), held(Capacity::Ciso, 2)]));
    }
}
