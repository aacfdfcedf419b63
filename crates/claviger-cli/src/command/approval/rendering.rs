//! An act that others must approve, as a person says it: made out of the bytes that approvers sign.
//!
//! What it keeps true:
//! * an act is taken apart field by field, each by its name: one that comes later does not compile before it is shown, and an act that is
//!   not known is not shown at all;
//! * of the server's words there are names, texts and rows as they stand alone. Names and texts are marked;
//! * nothing that is shown can move the cursor, hide a letter or turn a line around.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use claviger_audit::governed::{
    ClassAsked, ContextAsked, CredentialAsked, Governed, GrantConditions, Labelling, Period, Sorted,
};
use claviger_client::types::declaration::{Declaration, Declared as Shown};
use claviger_client::types::governance::Governance;
use claviger_client::types::grant::Grant;
use claviger_client::types::key::Key;
use claviger_client::types::principal::Principal;
use claviger_client::types::ring::{Ring, RingPolicy};
use claviger_client::types::text::Sha256;
use claviger_client::types::{Instant, Pairs};
use claviger_core::declaration::{Build, Declared, Parameter};
use claviger_core::grant::Selector;
use claviger_core::key::{AssetRule, PlaintextDataKeys, Protection, RotatedKeys, Separation, State};
use claviger_core::object::Object;
use claviger_core::principal::Role;
use claviger_core::{
    Action, Capacity, DeclarationId, GovernanceId, KeyId, KeyRingId, Name, PrincipalId, ReasonId, Timestamp,
};
use serde::Serialize;

use crate::command::ring::{grants, seconds, shown_fields};
use crate::command::role::purpose;
use crate::output::units;

/// What stands behind words of the server.
pub(super) const MARK: char = '*';

/// What follows from each act, in a sentence.
const CONSEQUENCES: &[(Action, &str)] = &[
    (
        Action::ApplyPlan,
        "Each step is done by itself, in this order, as long as nothing that it is about is changed by anybody else. What was done stays, \
         also where a later step is not done.",
    ),
    (
        Action::AssignCapacity,
        "From then on statements that ask for it are the person's to sign, until it is withdrawn. It lets the person do nothing else.",
    ),
    (Action::AssignRole, "From then on the person may do all that the role may, until it is withdrawn."),
    (
        Action::CompromiseKey,
        "From that moment on the key is used for nothing, not even to decrypt. Nobody can take that back.",
    ),
    (
        Action::CompromiseVersion,
        "From that moment on the version is used for nothing, not even to decrypt. Nobody can take that back.",
    ),
    (
        Action::CreateCredential,
        "Whoever holds it acts as this principal, with every role and grant that the principal has or gets, until it ends or is revoked.",
    ),
    (
        Action::CreateGrant,
        "From then on the principal uses the key, or every key of the ring, in these ways, until the grant ends or is revoked.",
    ),
    (
        Action::Declare,
        "Evaluations go by it from then on: a parameter has this value, and no longer the one before; a program or a configuration of this \
         digest may run.",
    ),
    (
        Action::ErasePrincipal,
        "The name goes for good, and so do the keys that lead from the log to it. What the principal did stays in the log, under its \
         identifier.",
    ),
    (
        Action::EraseReason,
        "The text goes for good, here and from every export. Its code stays, and so does who gave it, when and for what.",
    ),
    (
        Action::ImportMaterial,
        "The key works with material that exists outside of this deployment as well, where no destruction here reaches it.",
    ),
    (
        Action::OpenBreakGlass,
        "From then on the person uses these keys on what they protected before, until the end, or until somebody closes it. An alert says so at \
         once, and another person than who had, opened or approved it reviews afterwards what was done.",
    ),
    (
        Action::ScheduleDestroy,
        "From that moment on the key is used for nothing. At the end of the wait its material is destroyed for good, and nothing that it \
         sealed opens again. Until then the wait can be cancelled.",
    ),
    (
        Action::SetGovernance,
        "From then on the whole deployment goes by these rules, and asks for less than before in one of them.",
    ),
    (
        Action::SetRingSeparation,
        "In a relaxed ring one application may both administer and use keys, and an administrator may use them too.",
    ),
    (
        Action::UpdateKey,
        "From then on less is asked of this key in one of these: how closely its data is held, what each use must say, how often it rotates.",
    ),
    (
        Action::UpdateRing,
        "All keys of the ring go by these rules, those that are there included. The ring asks for less than before in one of them.",
    ),
    (
        Action::WithdrawDeclaration,
        "Evaluations go by it no more: a parameter has the value that was declared before it, or else its default; a program or a \
         configuration of that digest may not run.",
    ),
];

/// What follows from an act.
fn consequence(action: Action) -> Option<&'static str> {
    CONSEQUENCES.iter().find(|(of, _)| *of == action).map(|(_, said)| *said)
}

/// An act, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Rendered {
    /// What is done, in a few words.
    pub(super) title: String,
    /// What changes.
    pub(super) changes: Vec<Change>,
    /// What follows from it.
    pub(super) consequence: &'static str,
    /// The steps of a plan, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Self>,
}

/// A field that changes, or that something new has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// What has the field.
    pub(super) of: String,
    /// Which.
    pub(super) field: &'static str,
    /// Its value before, where there is one and it was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    /// Its value then.
    pub(super) after: String,
}

/// What an act is about, as the deployment shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Estate {
    /// Rows at the revision that was decided on; none other is here.
    pub(super) rows: BTreeMap<Object, Row>,
    /// What things are called.
    pub(super) names: Names,
    /// The values that parameters have at present, by their names.
    pub(super) in_force: BTreeMap<String, String>,
    /// Which steps of a plan were done.
    pub(super) done: BTreeSet<u16>,
}

/// A row, as the deployment shows it.
#[derive(Debug, Clone)]
pub(super) enum Row {
    /// Of a declaration.
    Declaration(Box<Declaration>),
    /// Of the rules of the deployment.
    Governance(Box<Governance>),
    /// Of a grant.
    Grant(Box<Grant>),
    /// Of a key.
    Key(Box<Key>),
    /// Of a principal.
    Principal(Box<Principal>),
    /// Of a ring.
    Ring(Box<Ring>),
}

impl Row {
    /// Its revision.
    pub(super) fn revision(&self) -> u64 {
        match self {
            Self::Declaration(row) => row.revision,
            Self::Governance(row) => row.revision,
            Self::Grant(row) => row.revision,
            Self::Key(row) => row.revision,
            Self::Principal(row) => row.revision,
            Self::Ring(row) => row.revision,
        }
    }

    /// Names that it brings along.
    pub(super) fn teach(&self, names: &mut Names) {
        match self {
            Self::Declaration(row) => names.learn_all(&row.names),
            Self::Governance(row) => names.learn_all(&row.names),
            Self::Grant(row) => names.learn_all(&row.names),
            Self::Key(row) => {
                names.learn(row.id, &row.name);
                names.learn_all(&row.names);
            }
            Self::Principal(row) => {
                names.learn(row.id, &row.name);
                names.learn_all(&row.names);
            }
            Self::Ring(row) => names.learn(row.id, &row.name),
        }
    }
}

impl Estate {
    fn declaration(&self, id: DeclarationId) -> Option<&Declaration> {
        match self.rows.get(&Object::Declaration(id)) {
            Some(Row::Declaration(row)) => Some(row),
            _ => None,
        }
    }

    fn governance(&self) -> Option<&Governance> {
        match self.rows.get(&Object::Governance(GovernanceId::ONLY)) {
            Some(Row::Governance(row)) => Some(row),
            _ => None,
        }
    }

    fn key(&self, id: KeyId) -> Option<&Key> {
        match self.rows.get(&Object::Key(id)) {
            Some(Row::Key(row)) => Some(row),
            _ => None,
        }
    }

    fn principal(&self, id: PrincipalId) -> Option<&Principal> {
        match self.rows.get(&Object::Principal(id)) {
            Some(Row::Principal(row)) => Some(row),
            _ => None,
        }
    }

    fn ring(&self, id: KeyRingId) -> Option<&Ring> {
        match self.rows.get(&Object::Ring(id)) {
            Some(Row::Ring(row)) => Some(row),
            _ => None,
        }
    }
}

/// What things are called, by their identifiers.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// Takes a name from the server.
    pub(super) fn learn(&mut self, id: impl Display, name: impl Display) {
        self.0.insert(id.to_string(), name.to_string());
    }

    /// Takes names from the server, by their identifiers.
    pub(super) fn learn_all(&mut self, names: &Pairs) {
        for (id, name) in &names.0 {
            self.learn(id, name);
        }
    }

    /// The name of what has this identifier, marked; or the identifier.
    pub(super) fn of(&self, id: impl Display) -> String {
        let id = id.to_string();
        match self.0.get(&id) {
            Some(name) => of_server(name),
            None => id,
        }
    }

    /// The same of a principal.
    pub(super) fn principal(&self, id: PrincipalId) -> String {
        if id == PrincipalId::SYSTEM { "the system".to_owned() } else { self.of(id) }
    }
}

/// Words of the server, marked.
pub(super) fn of_server(text: &str) -> String {
    format!("{}{MARK}", harmless(text))
}

/// A text with its signs that do something, or that nobody sees, written out.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_control() || is_hidden(sign) {
            out.extend(sign.escape_unicode());
        } else {
            out.push(sign);
        }
    }
    out
}

/// Does a sign show nothing, or turn the direction of what follows?
const fn is_hidden(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// What an act names by identifier: what to ask the deployment about.
pub(super) fn objects(act: &Governed) -> Vec<Object> {
    match act {
        Governed::ApplyPlan { .. } => parts(act).iter().flat_map(objects).collect(),
        Governed::AssignCapacity { principal, capacity, .. } => {
            let owned = match capacity {
                Capacity::AssetOwner(id) => Some(Object::Asset(*id)),
                Capacity::KeyOwner(id) => Some(Object::Key(*id)),
                _ => None,
            };
            [Object::Principal(*principal)].into_iter().chain(owned).collect()
        }
        Governed::AssignRole { principal, .. }
        | Governed::CreateCredential { principal, .. }
        | Governed::ErasePrincipal { principal, .. } => vec![Object::Principal(*principal)],
        Governed::CompromiseKey { key, .. }
        | Governed::CompromiseVersion { key, .. }
        | Governed::ImportMaterial { key, .. }
        | Governed::ScheduleDestroy { key, .. } => vec![Object::Key(*key)],
        Governed::CreateGrant { principal, on, retiring, .. } => {
            let people = [*principal].into_iter().chain(*retiring).map(Object::Principal);
            people.chain([covered(*on)]).collect()
        }
        Governed::OpenBreakGlass { holder, keys, .. } => {
            let keys = keys.as_slice().iter().copied().map(Object::Key);
            [Object::Principal(*holder)].into_iter().chain(keys).collect()
        }
        Governed::SetGovernance { .. } => vec![Object::Governance(GovernanceId::ONLY)],
        Governed::SetRingSeparation { ring, .. } | Governed::UpdateRing { ring, .. } => {
            vec![Object::Ring(*ring)]
        }
        Governed::UpdateKey { key, owner, .. } => {
            [Object::Key(*key)].into_iter().chain(owner.map(Object::Principal)).collect()
        }
        Governed::WithdrawDeclaration { declaration, .. } => vec![Object::Declaration(*declaration)],
        _ => Vec::new(),
    }
}

const fn covered(on: Selector) -> Object {
    match on {
        Selector::Key(id) => Object::Key(id),
        Selector::Ring(id) => Object::Ring(id),
    }
}

/// The acts of a plan, as far as they read; any other act by itself.
pub(super) fn parts(act: &Governed) -> Vec<Governed> {
    match act {
        Governed::ApplyPlan { acts, reason: _ } => {
            acts.iter().filter_map(|act| Governed::decode_act(act).ok()).collect()
        }
        one => vec![one.clone()],
    }
}

/// What an act writes that stood there before.
fn changed(act: &Governed) -> Option<Object> {
    match act {
        Governed::AssignCapacity { principal, .. } | Governed::AssignRole { principal, .. } => {
            Some(Object::Principal(*principal))
        }
        Governed::SetGovernance { .. } => Some(Object::Governance(GovernanceId::ONLY)),
        Governed::SetRingSeparation { ring, .. } | Governed::UpdateRing { ring, .. } => {
            Some(Object::Ring(*ring))
        }
        Governed::UpdateKey { key, .. } => Some(Object::Key(*key)),
        Governed::WithdrawDeclaration { declaration, .. } => Some(Object::Declaration(*declaration)),
        _ => None,
    }
}

/// A plan: each of its acts as it is shown by itself. What an earlier step changes stands before no arrow of a later one, where it would not
/// be so any more; and what was done stands before none at all.
fn plan(acts: &[Vec<u8>], estate: &Estate) -> Option<Rendered> {
    let (mut steps, mut left) = (Vec::with_capacity(acts.len()), estate.clone());
    for (step, act) in (0_u16..).zip(acts) {
        let act = Governed::decode_act(act).ok()?;
        let parameter = match &act {
            Governed::Declare { declared: Declared::Parameter(parameter), .. } => {
                Some(parameter.name.as_str())
            }
            _ => None,
        };
        let was = changed(&act).and_then(|object| left.rows.remove_entry(&object));
        let value = parameter.and_then(|name| left.in_force.remove_entry(name));
        if estate.done.contains(&step) {
            steps.push(rendered(&act, &left)?);
            // What it left is what those behind it find.
            left.rows.extend(was);
            left.in_force.extend(value);
        } else {
            let mut before = left.clone();
            before.rows.extend(was);
            before.in_force.extend(value);
            steps.push(rendered(&act, &before)?);
        }
    }
    let title = match steps.as_slice() {
        [only] => format!("a plan of one step: {}", only.title),
        several => format!("a plan of {} steps", several.len()),
    };
    let consequence = consequence(Action::ApplyPlan)?;
    Some(Rendered { title, changes: Vec::new(), consequence, steps })
}

/// An act as it is shown; `None` for one that this program does not know as one that others approve.
pub(super) fn rendered(act: &Governed, estate: &Estate) -> Option<Rendered> {
    let names = &estate.names;
    let (title, lines) = match act {
        Governed::ApplyPlan { acts, reason: _ } => return plan(acts, estate),
        Governed::AssignCapacity { principal, capacity, reason: _ } => {
            assign_capacity(*principal, *capacity, estate)
        }
        Governed::AssignRole { principal, role, reason: _ } => assign_role(*principal, *role, estate),
        Governed::CompromiseKey { key, reason: _ } => {
            let mut lines = Lines::of(format!("key {}", names.of(key)));
            let before = estate.key(*key).map(|key| key.state.to_string());
            lines.set("state", before, Some(State::Compromised.to_string()));
            (format!("declare key {} compromised", names.of(key)), lines)
        }
        Governed::CompromiseVersion { key, version, reason: _ } => {
            let mut lines = Lines::of(format!("key {}, version {version}", names.of(key)));
            lines.set("state", None, Some(State::Compromised.to_string()));
            (format!("declare version {version} of key {} compromised", names.of(key)), lines)
        }
        Governed::CreateCredential { principal, label, what, to_confirm } => {
            let (title, mut lines) = create_credential(*principal, label, what, estate);
            let confirmed = to_confirm.then(|| "its holder has confirmed it by a certificate".to_owned());
            lines.set("proves nothing until", None, confirmed);
            (title, lines)
        }
        Governed::CreateGrant { principal, on, operations, conditions, reason: _, name, retiring } => {
            let mut lines = Lines::of(format!("new grant to {}", names.principal(*principal)));
            lines.put("on", named(*on, names));
            lines.put("operations", joined(operations.as_slice().iter().map(|action| action.name())));
            conditioned(&mut lines, conditions);
            lines.set("name", None, name.as_deref().map(harmless));
            lines.set("may be given up by", None, retiring.map(|id| names.principal(id)));
            (format!("grant {} uses of {}", names.principal(*principal), named(*on, names)), lines)
        }
        Governed::Declare { declared, text } => declare(declared, text, estate),
        Governed::ErasePrincipal { principal, reason: _ } => {
            let mut lines = Lines::of(format!("principal {principal}"));
            lines.set("name", Some(names.of(principal)), Some("erased".to_owned()));
            (format!("erase who {} was", names.of(principal)), lines)
        }
        Governed::EraseReason { id, reason: _ } => erase_reason(*id),
        Governed::ImportMaterial { key, token, material, expires_at, new_material, version } => {
            let mut lines = Lines::of(format!("key {}", names.of(key)));
            let fresh = "new: it protects from the next rotation on";
            let what = if *new_material { fresh } else { "the first of the key, or the same as before" };
            lines.put("material is", what.to_owned());
            lines.put("wrapped material, sha-256", Sha256(*material).to_string());
            lines.put("import token, sha-256", Sha256(*token).to_string());
            lines.put("material expires", expires_at.map_or_else(|| "never".to_owned(), instant));
            lines.set("only of version", None, version.map(|number| number.to_string()));
            (format!("import material into key {}", names.of(key)), lines)
        }
        Governed::OpenBreakGlass { holder, keys, lifetime, reason: _ } => {
            open_break_glass(*holder, keys.as_slice(), *lifetime, estate)
        }
        Governed::ScheduleDestroy { key, waiting, reason: _ } => destroy(*key, *waiting, estate),
        Governed::SetGovernance {
            quorum,
            approval_lifetime,
            human_grant_lifetime,
            break_glass_lifetime,
            compromise_burst,
            reason: _,
            if_revision: _,
        } => {
            let before = estate.governance();
            let mut lines = Lines::of("the deployment");
            lines.set("quorum", before.map(|rules| rules.quorum.to_string()), quorum.map(|m| m.to_string()));
            lines.set(
                "approvals live for",
                before.map(|rules| seconds(Some(rules.approval_lifetime_seconds), "")),
                approval_lifetime.map(units::span),
            );
            lines.set(
                "grants to people last for",
                before.map(|rules| seconds(rules.human_grant_lifetime_seconds, NO_END)),
                human_grant_lifetime.map(|period| spelled(period, NO_END)),
            );
            lines.set(
                "emergency access lasts for",
                before.map(|rules| seconds(Some(rules.break_glass_lifetime_seconds), "")),
                break_glass_lifetime.map(units::span),
            );
            lines.set(
                "keys that one person declares compromised in an hour",
                before.map(|rules| rules.compromise_burst.to_string()),
                compromise_burst.map(|count| count.to_string()),
            );
            ("change the rules of the deployment".to_owned(), lines)
        }
        Governed::SetRingSeparation { ring, separation, reason: _ } => {
            let mut lines = Lines::of(format!("ring {}", names.of(ring)));
            let before = estate.ring(*ring).map(|ring| ring.policy.separation.to_string());
            lines.set("separation", before, Some(separation.to_string()));
            let title = match separation {
                Separation::Relaxed => format!("relax ring {}", names.of(ring)),
                Separation::Strict => format!("make ring {} strict", names.of(ring)),
            };
            (title, lines)
        }
        Governed::UpdateKey { .. } => update_key(act, estate)?,
        Governed::UpdateRing {
            ring,
            protection,
            rotation_period,
            protect_period,
            process_period,
            destroy_waiting_period,
            quorum,
            if_revision: _,
            reason: _,
            rotates,
            context_required,
            data_class,
            plaintext_data_keys,
            environment,
            assets,
            grants_under_quorum,
        } => {
            let asked = RingAsked {
                protection: *protection,
                rotation_period: *rotation_period,
                protect_period: *protect_period,
                process_period: *process_period,
                destroy_waiting_period: *destroy_waiting_period,
                quorum: *quorum,
                rotates: *rotates,
                context_required: context_required.as_ref(),
                data_class: *data_class,
                plaintext_data_keys: *plaintext_data_keys,
                environment: environment.as_ref(),
                assets: *assets,
                grants_under_quorum: *grants_under_quorum,
            };
            let of = format!("ring {}", names.of(ring));
            let lines = asked.lines(of.clone(), estate.ring(*ring).map(|ring| &ring.policy));
            (format!("change the policy of {of}"), lines)
        }
        Governed::WithdrawDeclaration { declaration, reason: _ } => withdraw(*declaration, estate),
        _ => return None,
    };
    let consequence = consequence(act.action())?;
    Some(Rendered { title, changes: lines.lines, consequence, steps: Vec::new() })
}

/// What there is no end to.
const NO_END: &str = "no end";

/// Fields of one thing that change.
struct Lines {
    of: String,
    lines: Vec<Change>,
}

impl Lines {
    fn of(of: impl Into<String>) -> Self {
        Self { of: of.into(), lines: Vec::new() }
    }

    /// A field that is asked for, where it is; one that has that value already is none.
    fn set(&mut self, field: &'static str, before: Option<String>, after: Option<String>) {
        if let Some(after) = after
            && before.as_ref() != Some(&after)
        {
            self.lines.push(Change { of: self.of.clone(), field, before, after });
        }
    }

    /// A text in place of one that the server shows; of the same nothing is said.
    fn reword(&mut self, field: &'static str, before: Option<String>, after: &str) {
        if before.as_deref() != Some(after) {
            let before = before.map(|text| if text.is_empty() { or_none(text) } else { of_server(&text) });
            self.set(field, before, Some(or_none(harmless(after))));
        }
    }

    /// A field of something new.
    fn put(&mut self, field: &'static str, value: String) {
        self.set(field, None, Some(value));
    }
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn instant(at: Timestamp) -> String {
    Instant(at).to_string()
}

fn spelled(Period(period): Period, none: &str) -> String {
    period.map_or_else(|| none.to_owned(), units::span)
}

fn named(on: Selector, names: &Names) -> String {
    match on {
        Selector::Key(id) => format!("key {}", names.of(id)),
        Selector::Ring(id) => format!("every key of ring {}", names.of(id)),
    }
}

fn assign_capacity(principal: PrincipalId, capacity: Capacity, estate: &Estate) -> (String, Lines) {
    let names = &estate.names;
    let (name, new) = (names.principal(principal), answered(capacity, names));
    let mut lines = Lines::of(format!("principal {name}"));
    match estate.principal(principal) {
        Some(row) => {
            let held = row.capacities.iter().map(|held| answered(*held.capacity, names));
            let after = joined(held.clone().chain([new.clone()]));
            let before = if row.capacities.is_empty() { "nothing".to_owned() } else { joined(held) };
            lines.set("answers for", Some(before), Some(after));
        }
        None => lines.put("answers for", new.clone()),
    }
    (format!("say that {name} answers for {new}"), lines)
}

/// A capacity, with the name of what it is of.
fn answered(capacity: Capacity, names: &Names) -> String {
    match capacity {
        Capacity::AssetOwner(id) => format!("{}:{}", capacity.word(), names.of(id)),
        Capacity::KeyOwner(id) => format!("{}:{}", capacity.word(), names.of(id)),
        Capacity::Ciso
        | Capacity::Dpo
        | Capacity::Executive
        | Capacity::PrivacyOfficer
        | Capacity::RiskOwner => capacity.word().to_owned(),
    }
}

fn assign_role(principal: PrincipalId, role: Role, estate: &Estate) -> (String, Lines) {
    let name = estate.names.principal(principal);
    let mut lines = Lines::of(format!("principal {name}"));
    match estate.principal(principal) {
        Some(row) => {
            let held = row.roles.iter().map(|held| held.to_string());
            let after = joined(held.clone().chain([role.to_string()]));
            let before = if row.roles.is_empty() { "none".to_owned() } else { joined(held) };
            lines.set("roles", Some(before), Some(after));
        }
        None => lines.put("role", role.to_string()),
    }
    lines.put("who holds it is there to", purpose(role).to_owned());
    (format!("give {name} the role {role}"), lines)
}

fn create_credential(
    principal: PrincipalId,
    label: &Name,
    what: &CredentialAsked,
    estate: &Estate,
) -> (String, Lines) {
    let name = estate.names.principal(principal);
    let mut lines = Lines::of(format!("new credential of {name}"));
    lines.put("label", label.to_string());
    let title = match what {
        CredentialAsked::AccessKey(lifetime) => {
            lines.put("lives for", units::span(*lifetime));
            format!("make an access key for {name}")
        }
        CredentialAsked::Certificate(fingerprint, expires_at) => {
            lines.put("certificate, sha-256", Sha256(*fingerprint).to_string());
            lines.put("valid until", instant(*expires_at));
            format!("enter a certificate of {name}")
        }
        CredentialAsked::EnrolmentCode(lifetime) => {
            lines.put("redeemed once, within", units::span(*lifetime));
            format!("make a code by which {name} enrols")
        }
        CredentialAsked::ShortLived(lifetime) => {
            lines.put("lives for", units::span(*lifetime));
            format!("make a short-lived access key for {name}")
        }
        CredentialAsked::Token(lifetime) => {
            lines.put("lives for", units::span(*lifetime));
            format!("make a token for {name}")
        }
    };
    (title, lines)
}

/// Conditions of a grant.
fn conditioned(lines: &mut Lines, conditions: &GrantConditions) {
    let GrantConditions { context_equals, context_exactly, source_networks, until } = conditions;
    let pairs = |pairs: &Sorted<(String, String)>| {
        joined(pairs.as_slice().iter().map(|(name, value)| format!("{}={}", harmless(name), harmless(value))))
    };
    if !context_equals.as_slice().is_empty() {
        lines.put("only with the context", pairs(context_equals));
    }
    if let Some(exactly) = context_exactly {
        lines.put("only with exactly the context", pairs(exactly));
    }
    if !source_networks.as_slice().is_empty() {
        lines.put("only from", joined(source_networks.as_slice()));
    }
    lines.put("until", until.map_or_else(|| NO_END.to_owned(), instant));
}

fn declare(declared: &Declared, text: &str, estate: &Estate) -> (String, Lines) {
    let (title, mut lines) = match declared {
        Declared::Parameter(Parameter { name, value, effective_from }) => {
            let mut lines = Lines::of(format!("parameter {name}"));
            lines.set("value", estate.in_force.get(name.as_str()).cloned(), Some(value.to_string()));
            lines.put("in force from", instant(*effective_from));
            (format!("set the parameter {name} to {value}"), lines)
        }
        Declared::Build(Build { sort, digest, effective_from }) => {
            let mut lines = Lines::of(format!("approved {sort}"));
            lines.put("sha-256", Sha256(*digest).to_string());
            lines.put("may run from", instant(*effective_from));
            (format!("approve a {sort} to run"), lines)
        }
        Declared::Attestation(_)
        | Declared::Device(_)
        | Declared::Document(_)
        | Declared::Module(_)
        | Declared::PolicyFiles(_)
        | Declared::Supplier(_) => {
            let (kind, subject) = (declared.kind(), harmless(declared.subject()));
            (format!("declare a {kind}: {subject}"), Lines::of(format!("{kind} {subject}")))
        }
    };
    if !text.is_empty() {
        lines.put("said of it", harmless(text));
    }
    (title, lines)
}

fn erase_reason(id: ReasonId) -> (String, Lines) {
    let mut lines = Lines::of(format!("reason {id}"));
    lines.put("text", "erased".to_owned());
    ("erase the text of a reason".to_owned(), lines)
}

fn open_break_glass(
    holder: PrincipalId,
    keys: &[KeyId],
    lifetime: Duration,
    estate: &Estate,
) -> (String, Lines) {
    let name = estate.names.principal(holder);
    let mut lines = Lines::of(format!("emergency access of {name}"));
    for id in keys {
        let data = estate.key(*id).map(|key| format!(", whose data is {}", key.data_class));
        lines.put("to key", estate.names.of(id) + &data.unwrap_or_default());
    }
    lines.put(
        "gives",
        "what processes what a key protected before, as to decrypt; nothing new is protected".to_owned(),
    );
    lines.put("lasts", format!("{} from when it is opened", units::span(lifetime)));
    let title = match keys {
        [only] => format!("open emergency access of {name} to key {}", estate.names.of(only)),
        several => format!("open emergency access of {name} to {} keys", several.len()),
    };
    (title, lines)
}

fn destroy(id: KeyId, waiting: Duration, estate: &Estate) -> (String, Lines) {
    let name = estate.names.of(id);
    let mut lines = Lines::of(format!("key {name}"));
    let key = estate.key(id);
    match key.and_then(|key| key.destroy_at) {
        // It waits already: the approval that it had is exchanged.
        Some(at) => {
            let (before, after) = (format!("due at {at}, held"), format!("due at {at}, as approved now"));
            lines.set("destruction", Some(before), Some(after));
        }
        None => {
            lines.set("state", key.map(|key| key.state.to_string()), Some("out of use".to_owned()));
            let after = format!("{} after this is done", units::span(waiting));
            lines.set("destruction", key.map(|_| "none".to_owned()), Some(after));
        }
    }
    if let Some(key) = key {
        lines.put("its data is", key.data_class.to_string());
        let what = Some(key.description.as_str()).filter(|said| !said.is_empty());
        lines.set("it is for", None, what.map(of_server));
    }
    (format!("destroy key {name}"), lines)
}

fn withdraw(id: DeclarationId, estate: &Estate) -> (String, Lines) {
    let mut lines = Lines::of(format!("declaration {id}"));
    lines.set("in force", Some("yes".to_owned()), Some("no".to_owned()));
    let Some(row) = estate.declaration(id) else { return (format!("withdraw declaration {id}"), lines) };
    if !row.text.is_empty() {
        lines.put("said of it", of_server(&row.text));
    }
    let what = match &row.declared {
        Shown::Parameter(parameter) => format!("the parameter {} = {}", parameter.name, parameter.value),
        Shown::Build(build) => format!("the approved {} {}", build.sort, build.sha256),
        Shown::Attestation(_)
        | Shown::Device(_)
        | Shown::Document(_)
        | Shown::Module(_)
        | Shown::PolicyFiles(_)
        | Shown::Supplier(_) => format!("the {} {}", row.kind, row.subject),
    };
    (format!("withdraw {what}"), lines)
}

/// Whose rule it is how often a key rotates that says nothing of it.
const BY_RING: &str = "as its ring says";

fn update_key(act: &Governed, estate: &Estate) -> Option<(String, Lines)> {
    let Governed::UpdateKey {
        key: id,
        data_class,
        description,
        owner,
        labels,
        rotation_period,
        if_revision: _,
        context_required,
        environment,
    } = act
    else {
        return None;
    };
    let names = &estate.names;
    let (of, key) = (format!("key {}", names.of(id)), estate.key(*id));
    let mut lines = Lines::of(of.clone());
    lines.set("data class", key.map(|key| key.data_class.to_string()), data_class.map(|to| to.to_string()));
    lines.set(
        "context required",
        key.map(|key| or_none(shown_fields(&key.context_required))),
        context_required.as_ref().map(|ContextAsked(to)| or_none(joined(to.fields()))),
    );
    lines.set(
        "rotation period",
        key.map(|key| seconds(key.rotation_period_seconds, BY_RING)),
        rotation_period.map(|to| spelled(to, BY_RING)),
    );
    if let Some(to) = description {
        lines.reword("description", key.map(|key| key.description.clone()), to);
    }
    lines.set("owner", key.map(|key| names.of(key.owner)), owner.map(|to| names.principal(to)));
    match labels {
        None => {}
        Some(Labelling::All(to)) => {
            let before = key.map(|key| labelled(&key.labels.0));
            lines.reword("labels", before, &labelled(to.pairs().iter().map(|(name, value)| (name, value))));
        }
        Some(Labelling::Some(set, remove)) => {
            let set = labelled(set.pairs().iter().map(|(name, value)| (name, value)));
            let set = Some(set).filter(|set| !set.is_empty());
            lines.set("labels set", None, set.as_deref().map(harmless));
            let removed = Some(joined(remove.as_slice())).filter(|removed| !removed.is_empty());
            lines.set("labels removed", None, removed.as_deref().map(harmless));
        }
    }
    lines.set(
        "environment",
        key.map(|key| or_none(key.environment.as_ref().map(ToString::to_string).unwrap_or_default())),
        environment.as_ref().map(ToString::to_string),
    );
    Some((format!("change what is said of {of}"), lines))
}

fn labelled<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    joined(labels.into_iter().map(|(name, value)| format!("{name}={value}")))
}

/// What a ring's policy shall be, as far as something is asked of it.
struct RingAsked<'a> {
    protection: Option<Protection>,
    rotation_period: Option<Period>,
    protect_period: Option<Period>,
    process_period: Option<Period>,
    destroy_waiting_period: Option<Duration>,
    quorum: Option<u8>,
    rotates: Option<RotatedKeys>,
    context_required: Option<&'a ContextAsked>,
    data_class: Option<ClassAsked>,
    plaintext_data_keys: Option<PlaintextDataKeys>,
    environment: Option<&'a Name>,
    assets: Option<AssetRule>,
    grants_under_quorum: Option<bool>,
}

impl RingAsked<'_> {
    fn lines(&self, of: String, before: Option<&RingPolicy>) -> Lines {
        let mut lines = Lines::of(of);
        let was = |say: fn(&RingPolicy) -> String| before.map(say);
        lines.set(
            "protection",
            was(|ring| ring.protection.to_string()),
            self.protection.map(|to| to.to_string()),
        );
        lines.set(
            "rotation period",
            was(|ring| seconds(ring.rotation_period_seconds, "never")),
            self.rotation_period.map(|to| spelled(to, "never")),
        );
        lines.set("rotates", was(|ring| ring.rotates.to_string()), self.rotates.map(|to| to.to_string()));
        lines.set(
            "protect period",
            was(|ring| seconds(ring.protect_period_seconds, NO_END)),
            self.protect_period.map(|to| spelled(to, NO_END)),
        );
        lines.set(
            "process period",
            was(|ring| seconds(ring.process_period_seconds, NO_END)),
            self.process_period.map(|to| spelled(to, NO_END)),
        );
        lines.set(
            "wait before destruction",
            was(|ring| seconds(Some(ring.destroy_waiting_period_seconds), "")),
            self.destroy_waiting_period.map(units::span),
        );
        lines.set("quorum", was(|ring| ring.quorum.to_string()), self.quorum.map(|to| to.to_string()));
        lines.set(
            "context required",
            was(|ring| or_none(shown_fields(&ring.context_required))),
            self.context_required.map(|ContextAsked(to)| or_none(joined(to.fields()))),
        );
        lines.set(
            "data class",
            was(|ring| or_none(ring.data_class.map(|class| class.to_string()).unwrap_or_default())),
            self.data_class
                .map(|ClassAsked(to)| or_none(to.map(|class| class.to_string()).unwrap_or_default())),
        );
        lines.set(
            "data keys in clear",
            was(|ring| ring.plaintext_data_keys.to_string()),
            self.plaintext_data_keys.map(|to| to.to_string()),
        );
        lines.set(
            "environment",
            was(|ring| or_none(ring.environment.as_ref().map(ToString::to_string).unwrap_or_default())),
            self.environment.map(ToString::to_string),
        );
        lines.set("data assets", was(|ring| ring.assets.to_string()), self.assets.map(|to| to.to_string()));
        lines.set(
            "grants",
            was(|ring| grants(ring.grants_under_quorum).to_owned()),
            self.grants_under_quorum.map(|to| grants(to).to_owned()),
        );
        lines
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests;
