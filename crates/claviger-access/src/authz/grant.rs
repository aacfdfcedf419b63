//! A grant as a policy: its text, its limits, and its strict validation.

use std::fmt::Write as _;
use std::net::IpAddr;

use cedar_policy::{Policy, PolicyId, PolicySet};
use claviger_core::grant::{Conditions, Grant, GrantOrigin, Selector};
use claviger_core::permit::Rule;
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::{Action, Timestamp};
use ipnet::IpNet;

use super::PolicyError;
use super::builtin::{Builtin, DecisionBasis, digest_prefix};
use super::schema::principal_type;

/// Most pairs in a condition on the encryption context.
pub const MAX_CONTEXT_PAIRS: usize = 8;
/// Longest name or value of such a pair, in characters.
pub const MAX_CONTEXT_TEXT: usize = 384;
/// Most networks in a condition on the source.
pub const MAX_NETWORKS: usize = 64;

/// Why a grant cannot be given, whoever gives it.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// More pairs than allowed, an overlong or empty text, or a name twice.
    #[error(
        "a grant's context condition has up to {MAX_CONTEXT_PAIRS} pairs with distinct names; names and values have up to {MAX_CONTEXT_TEXT} characters, names at least one"
    )]
    Context,
    /// It ends before it begins.
    #[error("the grant would end before it is given")]
    Ended,
    /// It is for somebody else, or for a part of the system, to which nothing is granted.
    #[error("grants are for people and applications, and this one's holder is not the one named in it")]
    Holder,
    /// More networks than allowed.
    #[error("a grant names up to {MAX_NETWORKS} source networks")]
    Networks,
    /// None, one twice, one out of order, or one that is never granted.
    #[error("a grant names at least one action, each once and in their order; `{}` cannot be granted", .0.map_or("nothing", Action::name))]
    Operations(Option<Action>),
    /// It does not hold together as a policy.
    #[error("the grant cannot be written as a policy")]
    Policy(#[source] PolicyError),
}

/// A grant, written as the policy that decides on it.
#[derive(Clone, Debug)]
pub struct GrantPolicy {
    text: String,
    pub(super) policy: Policy,
    pub(super) basis: DecisionBasis,
}

impl GrantPolicy {
    /// The policy in Cedar's language.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// First eight bytes of SHA-256 of the text, as the log names it.
    #[must_use]
    pub const fn digest(&self) -> [u8; 8] {
        self.basis.digest
    }

    /// The grant to a holder of this kind, as stored: no limit is checked here.
    pub(super) fn prepare(grant: &Grant, holder: PrincipalKind) -> Result<Self, PolicyError> {
        Self::parse(write(grant, holder), grant)
    }

    /// The grant whose policy has this text.
    pub(super) fn parse(text: String, grant: &Grant) -> Result<Self, PolicyError> {
        let id = PolicyId::new(format!("grant:{}", grant.id));
        let policy = Policy::parse(Some(id), &text).map_err(|error| PolicyError::new("a grant", error))?;
        let basis = DecisionBasis {
            rule: Rule::Grant(grant.id),
            digest: digest_prefix(&text),
            until: grant.conditions.until,
            unconditional: grant.conditions.is_unconditional(),
            conditions: in_words(grant),
        };
        Ok(Self { text, policy, basis })
    }
}

pub(super) fn validate(
    builtin: &Builtin,
    grant: &Grant,
    holder: &Principal,
) -> Result<GrantPolicy, GrantError> {
    if grant.principal != holder.id || holder.kind == PrincipalKind::System {
        return Err(GrantError::Holder);
    }
    check_operations(&grant.operations, holder.kind)?;
    check_conditions(&grant.conditions, grant.created_at)?;
    let prepared = GrantPolicy::prepare(grant, holder.kind).map_err(GrantError::Policy)?;
    let alone = PolicySet::from_policies([prepared.policy.clone()]);
    let alone = alone.map_err(|error| GrantError::Policy(PolicyError::new("a grant", error)))?;
    builtin.validate(&alone).map_err(GrantError::Policy)?;
    Ok(prepared)
}

/// Whether the ring is relaxed enough, the checks of separation say.
fn check_operations(operations: &[Action], holder: PrincipalKind) -> Result<(), GrantError> {
    let can_be = |action: &Action| match holder {
        PrincipalKind::Workload => action.is_grantable_when_relaxed(),
        PrincipalKind::Human | PrincipalKind::System => action.is_grantable(),
    };
    if let Some(other) = operations.iter().find(|action| !can_be(action)) {
        return Err(GrantError::Operations(Some(*other)));
    }
    let disordered = operations.iter().zip(operations.iter().skip(1)).find(|(a, b)| a >= b);
    match disordered {
        Some((_, again)) => Err(GrantError::Operations(Some(*again))),
        None if operations.is_empty() => Err(GrantError::Operations(None)),
        None => Ok(()),
    }
}

fn check_conditions(conditions: &Conditions, created_at: Timestamp) -> Result<(), GrantError> {
    let exactly = conditions.context_exactly.as_deref().unwrap_or_default();
    if ![&conditions.context_equals, exactly].into_iter().all(is_context) {
        return Err(GrantError::Context);
    }
    if conditions.source_networks.len() > MAX_NETWORKS {
        return Err(GrantError::Networks);
    }
    if conditions.until.is_some_and(|until| until <= created_at) {
        return Err(GrantError::Ended);
    }
    Ok(())
}

fn is_context(pairs: &[(String, String)]) -> bool {
    let valid = |(name, value): &(String, String)| {
        let fits = |text: &str| text.chars().count() <= MAX_CONTEXT_TEXT;
        !name.is_empty() && fits(name) && fits(value)
    };
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    pairs.len() <= MAX_CONTEXT_PAIRS && names.len() == pairs.len() && pairs.iter().all(valid)
}

/// The policy's text. Every word in it that people choose is quoted; the rest is ours.
pub(super) fn write(grant: &Grant, holder: PrincipalKind) -> String {
    let actions: Vec<_> = grant.operations.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let resource = match grant.selector {
        Selector::Key(id) => format!("resource == Key::\"{id}\""),
        // The ring itself too: on a relaxed ring, creating keys in it can be granted.
        Selector::Ring(id) => format!("resource in Ring::\"{id}\""),
    };
    let mut text = format!(
        "@id(\"grant:{}\")\npermit (\n    principal == {}::\"{}\",\n    action in [{}],\n    {resource}\n)",
        grant.id,
        principal_type(holder),
        grant.principal,
        actions.join(", "),
    );
    for condition in conditions(&grant.conditions) {
        let _infallible = write!(text, "\nwhen {{ {condition} }}");
    }
    text.push(';');
    text
}

fn conditions(of: &Conditions) -> Vec<String> {
    let mut written = Vec::new();
    if let Some(until) = of.until {
        written.push(format!("context.now < {}", long(until)));
    }
    if !of.context_equals.is_empty() {
        written.push(format!("context.encryption.containsAll({})", set(&of.context_equals)));
    }
    if let Some(exactly) = &of.context_exactly {
        let contains = |outer: &str, inner: &str| format!("{outer}.containsAll({inner})");
        let (said, wanted) = ("context.encryption", set(exactly));
        // Cedar reads no empty set: it has no type. A context that contains no pair of its own is empty.
        written.push(match exactly.is_empty() {
            true => "context.encryption.isEmpty()".to_owned(),
            false => format!("{} && {}", contains(said, &wanted), contains(&wanted, said)),
        });
    }
    if !of.source_networks.is_empty() {
        let within = |network: &IpNet| format!("context.source.isInRange(ip(\"{}\"))", network_text(network));
        let any: Vec<_> = of.source_networks.iter().map(within).collect();
        written.push(format!("context has source && ({})", any.join(" || ")));
    }
    written
}

fn set(pairs: &[(String, String)]) -> String {
    let pair =
        |(name, value): &(String, String)| format!("{{ name: {}, value: {} }}", quoted(name), quoted(value));
    let pairs: Vec<_> = pairs.iter().map(pair).collect();
    format!("[{}]", pairs.join(", "))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// Microseconds as Cedar's `Long`. Instants beyond it are the last one there is, before which a grant ends.
pub(super) fn long(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// An address as Cedar reads it. An IPv4 address mapped into IPv6 (RFC 4291, 2.5.5.2) is that IPv4 address, and IPv6 is
/// spelled out, since Cedar knows no dotted quads in it.
pub(super) fn address_text(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:x}")).join(":"),
    }
}

fn network_text(network: &IpNet) -> String {
    let network = network.trunc();
    let mapped = network.network().is_ipv6()
        && network.network().to_canonical().is_ipv4()
        && network.prefix_len() >= 96;
    let prefix = if mapped { network.prefix_len() - 96 } else { network.prefix_len() };
    let address = match network.network() {
        // A wider network than the mapped addresses begins like one of them, and is none.
        IpAddr::V6(v6) if !mapped => v6.segments().map(|group| format!("{group:x}")).join(":"),
        address => address_text(address),
    };
    format!("{address}/{prefix}")
}

fn in_words(grant: &Grant) -> String {
    let of = &grant.conditions;
    let mut words = Vec::new();
    if grant.origin == GrantOrigin::BreakGlass {
        words.push("emergency access".to_owned());
    }
    let listed = |pairs: &[(String, String)]| {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value))).collect();
        pairs.join(", ")
    };
    if !of.context_equals.is_empty() {
        words.push(format!("context contains {}", listed(&of.context_equals)));
    }
    match of.context_exactly.as_deref() {
        None => {}
        Some([]) => words.push("context is empty".to_owned()),
        Some(exactly) => words.push(format!("context is {}", listed(exactly))),
    }
    if !of.source_networks.is_empty() {
        let networks: Vec<_> = of.source_networks.iter().map(ToString::to_string).collect();
        words.push(format!("source in {}", networks.join(" or ")));
    }
    if let Some(until) = of.until {
        words.push(format!("until {} microseconds since 1970", until.as_micros()));
    }
    words.join("; ")
}
