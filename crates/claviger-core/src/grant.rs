//! Delegated rights: one principal, one key or ring, named operations, conditions, a reason.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::action::Action;
use crate::principal::Status;
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{GrantId, KeyId, KeyRingId, PrincipalId};

/// Most active grants on one key, and on one ring as a whole.
pub const MAX_ACTIVE: u64 = 50_000;
/// Most active grants of one principal on one key, or on one ring as a whole, that ask for the same of the encryption context
/// and differ in what else they ask for, give or rest on. Those that have ended are not among them.
pub const MAX_ALIKE: usize = 256;
/// Most sets of names that such grants ask for together with the same pair of the encryption context.
pub const MAX_NAME_SETS: usize = 64;

/// What a grant covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Selector {
    /// One key.
    Key(KeyId),
    /// Every key of a ring, those to come included.
    Ring(KeyRingId),
}

/// What must hold of a call for the grant to count. All of them together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Pairs that the encryption context must contain.
    pub context_equals: Vec<(String, String)>,
    /// Pairs that the encryption context must be, no more and no less.
    pub context_exactly: Option<Vec<(String, String)>>,
    /// Networks that the call must come from; empty is any.
    pub source_networks: Vec<IpNet>,
    /// The instant from which the grant is no longer valid.
    pub until: Option<Timestamp>,
}

impl Conditions {
    /// Does the grant count whatever the call says of itself (its end apart)?
    #[must_use]
    pub const fn is_unconditional(&self) -> bool {
        !self.look_at_context() && self.source_networks.is_empty()
    }

    /// Does every call that meets these conditions meet the `wider` ones, the ends of both apart? Asked pair by pair and
    /// network by network: networks that only together lie within several others are refused.
    #[must_use]
    pub fn are_within(&self, wider: &Self) -> bool {
        self.context_is_within(wider) && self.networks_are_within(wider)
    }

    fn context_is_within(&self, wider: &Self) -> bool {
        let exactly = self.context_exactly.as_deref();
        let asked = |pair: &(String, String)| {
            self.context_equals.contains(pair) || exactly.is_some_and(|exactly| exactly.contains(pair))
        };
        let same = |wanted: &Vec<(String, String)>| {
            exactly.is_some_and(|exactly| {
                exactly.iter().all(|pair| wanted.contains(pair))
                    && wanted.iter().all(|pair| exactly.contains(pair))
            })
        };
        wider.context_equals.iter().all(asked) && wider.context_exactly.as_ref().is_none_or(same)
    }

    fn networks_are_within(&self, wider: &Self) -> bool {
        let within_one = |network: &IpNet| {
            let network = canonical(network);
            wider.source_networks.iter().any(|wider| canonical(wider).contains(&network))
        };
        wider.source_networks.is_empty()
            || (!self.source_networks.is_empty() && self.source_networks.iter().all(within_one))
    }

    /// Do they ask for something of the encryption context?
    #[must_use]
    pub const fn look_at_context(&self) -> bool {
        !self.context_equals.is_empty() || self.context_exactly.is_some()
    }
}

/// A network as callers' addresses are held against it: one of IPv4 addresses mapped into IPv6 (RFC 4291, 2.5.5.2) is that
/// network of IPv4.
fn canonical(network: &IpNet) -> IpNet {
    let network = network.trunc();
    let mapped = match (network.network().to_canonical(), network.prefix_len().checked_sub(96)) {
        (address @ IpAddr::V4(_), Some(prefix)) if network.network().is_ipv6() => {
            IpNet::new(address, prefix).ok()
        }
        _ => None,
    };
    mapped.unwrap_or(network)
}

/// What a grant depends on, and with whose end it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// An act under a role. The grant does not end with the person who acted.
    Role,
    /// Grants that its giver holds. It is honoured while those of them that are honoured cover it; see [`crate::lineage`].
    Grants(Vec<GrantId>),
}

impl Basis {
    /// The grants that it names.
    #[must_use]
    pub fn grants(&self) -> &[GrantId] {
        match self {
            Self::Grants(grants) => grants,
            Self::Role => &[],
        }
    }

    /// Was the right passed on by one who holds it?
    #[must_use]
    pub const fn is_delegated(&self) -> bool {
        matches!(self, Self::Grants(_))
    }
}

/// By which way a grant was given. What replaces a key policy ends what policies gave, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum GrantOrigin {
    /// By emergency access.
    BreakGlass,
    /// One by one.
    Direct,
    /// By a key policy.
    KeyPolicy,
}

crate::named! {
    /// Text that is not an origin of grants.
    GrantOrigin, "an origin of grants" {
        BreakGlass = "break_glass",
        Direct = "direct",
        KeyPolicy = "key_policy",
    }
}

/// By which act a grant was ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum EndedBy {
    /// A key policy that does not give it any more.
    Replacement,
    /// Its holder, or the one who was named to retire it.
    Retirement,
    /// One who may revoke it.
    Revocation,
}

crate::named! {
    /// Text that is not a way in which grants end.
    EndedBy, "a way in which grants end" {
        Replacement = "replacement",
        Retirement = "retirement",
        Revocation = "revocation",
    }
}

/// That a grant was ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// The act that ended it.
    pub by: EndedBy,
    /// When it was ended.
    pub at: Timestamp,
    /// Why it was ended.
    pub reason: Option<Why>,
}

/// How the giver named those in a grant, where its protocol has several names for one principal. Lists give them back so; it
/// decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Spelling {
    /// The holder.
    pub principal: Option<String>,
    /// The one who may end it.
    pub retiring: Option<String>,
}

impl Spelling {
    /// Longest name, in bytes.
    pub const MAX: usize = 512;

    /// Is each name of 1 to [`Spelling::MAX`] bytes?
    #[must_use]
    pub fn fits(&self) -> bool {
        let fits =
            |name: &Option<String>| name.as_ref().is_none_or(|name| (1..=Self::MAX).contains(&name.len()));
        fits(&self.principal) && fits(&self.retiring)
    }
}

/// A delegated right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its identifier.
    pub id: GrantId,
    /// The principal that it was given to.
    pub principal: PrincipalId,
    /// The key or ring that it covers.
    pub selector: Selector,
    /// Which actions, ascending, each once, at least one: uses, and on a relaxed ring what administers too.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Why it was given.
    pub reason: Option<Why>,
    /// A name that the giver gave it, to find it again.
    pub name: Option<String>,
    /// Who may end it beside its holder and those who revoke grants.
    pub retiring: Option<PrincipalId>,
    /// Who gave it.
    pub created_by: PrincipalId,
    /// When it was given.
    pub created_at: Timestamp,
    /// What it depends on.
    pub basis: Basis,
    /// By which way it was given.
    pub origin: GrantOrigin,
    /// How the giver named those in it.
    pub spelling: Spelling,
    /// Whether it was ended by an act of its own. An active grant may have ended all the same, with its time or with what it
    /// depends on.
    pub status: Status,
    /// How and when it was ended; absent from grants that were ended before this was recorded.
    pub ending: Option<Ending>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Grant {
    /// The grant, ended.
    #[must_use]
    pub fn ended(self, by: EndedBy, at: Timestamp, reason: Option<Why>) -> Self {
        Self { status: Status::Revoked, ending: Some(Ending { by, at, reason }), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row as _;

    #[test]
    fn emergency_access_processes_what_one_key_protected_until_an_end() {
        let until = Some(Timestamp::from_micros(9));
        let given = Grant {
            id: GrantId::from_bytes([1; 16]),
            principal: PrincipalId::from_bytes([2; 16]),
            selector: Selector::Key(KeyId::from_bytes([3; 16])),
            operations: vec![Action::Decrypt, Action::Reencrypt],
            conditions: Conditions { until, ..Conditions::default() },
            reason: None,
            name: None,
            retiring: None,
            created_by: PrincipalId::from_bytes([4; 16]),
            created_at: Timestamp::from_micros(1),
            basis: Basis::Role,
            origin: GrantOrigin::BreakGlass,
            spelling: Spelling::default(),
            status: Status::Active,
            ending: None,
            revision: 0,
        };
        assert_eq!(given.check(), Ok(()));
        let edits: [fn(&mut Grant); 4] = [
            |one| one.conditions.until = None,
            |one| one.selector = Selector::Ring(KeyRingId::from_bytes([3; 16])),
            |one| one.operations.insert(0, Action::Encrypt),
            |one| one.basis = Basis::Grants(vec![GrantId::from_bytes([9; 16])]),
        ];
        for edit in edits {
            let mut edited = given.clone();
            edit(&mut edited);
            assert!(edited.check().is_err(), "{edited:?}");
            // Of grants that come another way, none of this is asked.
            assert!(Grant { origin: GrantOrigin::Direct, ..edited }.check().is_ok());
        }
    }

    fn conditions(equals: &[&str], exactly: Option<&[&str]>, networks: &[&str]) -> Conditions {
        let pairs = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "v".to_owned())).collect();
        Conditions {
            context_equals: pairs(equals),
            context_exactly: exactly.map(pairs),
            source_networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            until: None,
        }
    }

    #[test]
    fn conditions_are_within_those_that_ask_for_less() {
        let any = Conditions::default();
        let a = conditions(&["a"], None, &[]);
        let ab = conditions(&["a", "b"], None, &[]);
        let exactly_ab = conditions(&[], Some(&["b", "a"]), &[]);
        let ten = conditions(&[], None, &["10.0.0.0/8"]);
        let part_of_ten = conditions(&["a"], None, &["10.1.0.0/16", "10.2.0.0/16"]);
        let mapped = conditions(&[], None, &["::ffff:10.0.0.0/104"]);
        for (narrow, wide) in [
            (&any, &any),
            (&a, &any),
            (&ab, &a),
            (&exactly_ab, &a),
            (&exactly_ab, &ab),
            (&exactly_ab, &exactly_ab),
            (&part_of_ten, &ten),
            (&part_of_ten, &a),
            (&mapped, &ten),
            (&ten, &mapped),
            (&part_of_ten, &mapped),
        ] {
            assert!(narrow.are_within(wide), "{narrow:?} within {wide:?}");
        }
        let exactly_a = conditions(&[], Some(&["a"]), &[]);
        let elsewhere = conditions(&[], None, &["10.1.0.0/16", "192.0.2.0/24"]);
        let all_of_six = conditions(&[], None, &["::/0"]);
        for (wide, narrow) in [
            (&any, &a),
            (&a, &ab),
            (&a, &exactly_a),
            (&ab, &exactly_ab),
            (&exactly_a, &exactly_ab),
            (&exactly_ab, &exactly_a),
            (&exactly_a, &ab),
            (&any, &ten),
            (&elsewhere, &ten),
            (&ten, &all_of_six),
            (&all_of_six, &ten),
        ] {
            assert!(!wide.are_within(narrow), "{wide:?} not within {narrow:?}");
        }
    }

    #[test]
    fn values_matter_as_much_as_names() {
        let one = Conditions { context_equals: vec![("a".into(), "1".into())], ..Conditions::default() };
        let two = Conditions { context_equals: vec![("a".into(), "2".into())], ..Conditions::default() };
        assert!(!one.are_within(&two));
    }
}
