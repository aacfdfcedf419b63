//! What files and a deployment differ in: what is to be created, given and changed; what cannot be; and what is there and in no file.
//!
//! What it keeps true:
//! * nothing is ever taken away: what is there and in no file is told, and stays. Of a kind that no file mentions, nothing is told;
//! * what files do not say is left as it is;
//! * how many others must approve is said by the same rules as the deployment's, as it is now. The deployment says it again when it is done.

use std::collections::BTreeSet;

use claviger_core::key::{
    AssetRule, DataClass, Key as CoreKey, Labels, PlaintextDataKeys, Protection, RequiredContext, RingPolicy,
    RotatedKeys, Separation, State,
};
use claviger_core::principal::Role;
use claviger_core::{KeyId, KeyName, KeyRingId, Name, PrincipalId, Timestamp};
use serde::Serialize;

use super::files::{Files, Placed};
use super::live::{KeyEnd, Live, LiveKey, LiveRing};
use super::said::{
    Asset, Field, Governance, Grant, Key, NamedCapacity, Parameter, Principal, Ring, Span, Value,
};
use crate::output::{Table, note};

/// What files and a deployment differ in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Difference {
    /// What is done, in this order.
    pub(super) items: Vec<Item>,
    /// What cannot be done.
    pub(super) stuck: Vec<Stuck>,
    /// What is there and in no file.
    pub(super) absent: Vec<Absent>,
    /// How many grants came by another way than by hand, and are nothing that files have.
    pub(super) other_grants: usize,
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Item {
    /// `create`, `give` or `change`.
    pub(super) does: &'static str,
    /// Of what kind.
    pub(super) what: &'static str,
    pub(super) name: String,
    /// File and line.
    pub(super) place: String,
    pub(super) changes: Vec<Change>,
    /// How many others must approve it, as the rules are now.
    pub(super) approvers: u8,
    #[serde(skip)]
    pub(super) edit: Edit,
}

/// A field that changes, or that something new has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) field: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    pub(super) after: String,
}

/// Something that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stuck {
    pub(super) what: &'static str,
    pub(super) name: String,
    /// File and line.
    pub(super) place: String,
    pub(super) why: String,
}

/// Something that is there and in no file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Absent {
    pub(super) what: &'static str,
    pub(super) name: String,
}

/// What is done, as it is asked for. Of what changes it has the fields that do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Edit {
    AssignCapacity(Name, NamedCapacity),
    AssignRole(Name, Role),
    CreateAsset(Asset),
    CreateGrant(Grant),
    CreateKey(Key),
    CreatePrincipal(Principal),
    CreateRing(Ring),
    Declare(Parameter),
    SetGovernance(Governance),
    SetSeparation(Name, Separation),
    UpdateKey(Key, BTreeSet<&'static str>),
    UpdateRing(Ring, BTreeSet<&'static str>),
}

impl Item {
    /// What it is, in a few words.
    pub(super) fn title(&self) -> String {
        format!("{} {} {}", self.does, self.what, self.name)
    }

    /// By what it is known again after something else was done.
    pub(super) fn key(&self) -> String {
        let fields: Vec<_> = self.changes.iter().map(|change| change.field).collect();
        format!("{}: {}", self.title(), fields.join(","))
    }
}

impl Difference {
    /// In how many things they differ.
    pub(super) fn count(&self) -> usize {
        self.items.len() + self.stuck.len() + self.absent.len()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        if self.count() == 0 {
            return "no difference".to_owned();
        }
        let mut parts = Vec::new();
        if !self.items.is_empty() {
            let mut table = Table::new("changes", &["", "what", "name", "changes", "approval"]);
            for item in &self.items {
                table.row([
                    item.does.to_owned(),
                    item.what.to_owned(),
                    item.name.clone(),
                    item.changes.iter().map(Change::text).collect::<Vec<_>>().join("; "),
                    must_approve(item.approvers),
                ]);
            }
            parts.push(table.text());
        }
        if !self.stuck.is_empty() {
            let mut table = Table::new("things", &["cannot be done", "name", "why", "said in"]);
            for one in &self.stuck {
                table.row([one.what.to_owned(), one.name.clone(), one.why.clone(), one.place.clone()]);
            }
            parts.push(table.text());
        }
        if !self.absent.is_empty() {
            let mut table = Table::new("things", &["not in the files", "name"]);
            for one in &self.absent {
                table.row([one.what.to_owned(), one.name.clone()]);
            }
            parts.push(table.text());
        }
        parts.join("\n")
    }

    /// Says what is beside all this.
    pub(super) fn note(&self) {
        if self.other_grants > 0 {
            note(&format!(
                "{} grants came by key policies, by applications that pass rights on, or by emergency access: they are nothing for files",
                self.other_grants
            ));
        }
    }
}

/// How many others must approve, in words.
fn must_approve(approvers: u8) -> String {
    match approvers {
        0 => String::new(),
        1 => "1 custodian".to_owned(),
        count => format!("{count} custodians"),
    }
}

impl Change {
    fn text(&self) -> String {
        match &self.before {
            Some(before) => format!("{}: {before} -> {}", self.field, self.after),
            None => format!("{}: {}", self.field, self.after),
        }
    }
}

/// What files say and a deployment is not, at `now`.
pub(super) fn compare(files: &Files, live: &Live, now: Timestamp) -> Difference {
    let mut comparing = Comparing {
        files,
        live,
        now,
        found: Difference { other_grants: live.other_grants, ..Difference::default() },
    };
    comparing.rings();
    comparing.principals();
    comparing.assets();
    comparing.governance();
    comparing.keys();
    comparing.held();
    comparing.grants();
    comparing.parameters();
    let mut found = comparing.found;
    found.absent.sort();
    found
}

struct Comparing<'a> {
    files: &'a Files,
    live: &'a Live,
    now: Timestamp,
    found: Difference,
}

/// Fields that are said and are otherwise.
fn changed(said: Vec<Field>, live: Vec<Field>) -> Vec<Change> {
    let differs = |((field, said), (_, live)): (Field, Field)| {
        let said = said.filter(|said| live.as_ref() != Some(said))?;
        Some(Change { field, before: Some(shown(live.as_ref())), after: said.to_string() })
    };
    said.into_iter().zip(live).filter_map(differs).collect()
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

/// What something new says.
fn new(said: Vec<Field>) -> Vec<Change> {
    let says = |(field, value): Field| Some(Change { field, before: None, after: value?.to_string() });
    said.into_iter().filter_map(says).collect()
}

fn names(changes: &[Change]) -> BTreeSet<&'static str> {
    changes.iter().map(|change| change.field).collect()
}

impl Comparing<'_> {
    fn item<T>(&mut self, does: &'static str, of: (&'static str, String), from: &Placed<T>, item: Parts) {
        let ((what, name), place) = (of, from.place.clone());
        let Parts { changes, approvers, edit } = item;
        self.found.items.push(Item { does, what, name, place, changes, approvers, edit });
    }

    fn stuck<T>(
        &mut self,
        what: &'static str,
        name: impl ToString,
        from: &Placed<T>,
        why: impl Into<String>,
    ) {
        let (name, place, why) = (name.to_string(), from.place.clone(), why.into());
        self.found.stuck.push(Stuck { what, name, place, why });
    }

    fn absent(&mut self, what: &'static str, names: impl IntoIterator<Item = String>) {
        self.found.absent.extend(names.into_iter().map(|name| Absent { what, name }));
    }

    fn rings(&mut self) {
        let (files, live) = (self.files, self.live);
        for (name, from) in &files.rings {
            let Some(LiveRing { said: is, .. }) = live.rings.get(name) else {
                let (changes, edit) = (new(from.said.fields()), Edit::CreateRing(from.said.clone()));
                self.item("create", ("ring", name.to_string()), from, Parts { changes, approvers: 0, edit });
                continue;
            };
            self.ring(name, from, is);
        }
        if !files.rings.is_empty() {
            let others = live.rings.keys().filter(|name| !files.rings.contains_key(*name));
            self.absent("ring", others.map(ToString::to_string));
        }
    }

    fn ring(&mut self, name: &Name, from: &Placed<Ring>, is: &Ring) {
        let has_keys = self.live.has_keys(name);
        let mut changes = changed(from.said.fields(), is.fields());
        if has_keys && is.environment.is_some() && changes.iter().any(|change| change.field == "environment")
        {
            self.stuck("ring", name, from, "a ring that has keys keeps its environment");
            changes.retain(|change| change.field != "environment");
        }
        let (before, after) = (policy_of(is), policy_of(&overlaid(&from.said, is)));
        let separates = changes.iter().position(|change| change.field == "separation");
        if let (Some(at), Some(separation)) = (separates, from.said.separation) {
            let approvers = match separation.0 {
                Separation::Relaxed if has_keys => before.approvers_of_weakening(),
                Separation::Relaxed | Separation::Strict => 0,
            };
            let edit = Edit::SetSeparation(name.clone(), separation.0);
            let changes = vec![changes.remove(at)];
            self.item("change", ("ring", name.to_string()), from, Parts { changes, approvers, edit });
        }
        if changes.is_empty() {
            return;
        }
        let after = RingPolicy { separation: before.separation, ..after };
        let approvers = if has_keys && after.weakens(&before) { before.approvers_of_weakening() } else { 0 };
        let edit = Edit::UpdateRing(from.said.clone(), names(&changes));
        self.item("change", ("ring", name.to_string()), from, Parts { changes, approvers, edit });
    }

    fn principals(&mut self) {
        let (files, live) = (self.files, self.live);
        for (name, from) in &files.principals {
            let Some(is) = live.principals.get(name) else {
                let (changes, edit) = (new(from.said.fields()), Edit::CreatePrincipal(from.said.clone()));
                self.item(
                    "create",
                    ("principal", name.to_string()),
                    from,
                    Parts { changes, approvers: 0, edit },
                );
                continue;
            };
            if is.is_revoked {
                self.stuck(
                    "principal",
                    name,
                    from,
                    "it was revoked, and its name is bound to it for ever: take another one",
                );
                continue;
            }
            for change in changed(from.said.fields(), is.said.fields()) {
                let Change { field, before, after } = change;
                let why =
                    format!("`{field}` is fixed when it is created: {}, not {after}", shown_before(before));
                self.stuck("principal", name, from, why);
            }
        }
        if !files.principals.is_empty() {
            let others = live
                .principals
                .iter()
                .filter(|(name, is)| !is.is_revoked && !files.principals.contains_key(*name));
            self.absent("principal", others.map(|(name, _)| name.to_string()));
        }
    }

    fn assets(&mut self) {
        let (files, live) = (self.files, self.live);
        for (name, from) in &files.assets {
            let Some(is) = live.assets.get(name) else {
                let (changes, edit) = (new(from.said.fields()), Edit::CreateAsset(from.said.clone()));
                self.item("create", ("asset", name.to_string()), from, Parts { changes, approvers: 0, edit });
                continue;
            };
            for change in changed(from.said.fields(), is.said.fields()) {
                let Change { field, before, after } = change;
                let why =
                    format!("`{field}` is fixed when it is entered: {}, not {after}", shown_before(before));
                self.stuck("asset", name, from, why);
            }
        }
        if !files.assets.is_empty() {
            let others = live.assets.keys().filter(|name| !files.assets.contains_key(*name));
            self.absent("asset", others.map(ToString::to_string));
        }
    }

    fn governance(&mut self) {
        let Some(from) = &self.files.governance else { return };
        let changes = changed(from.said.fields(), self.live.governance.fields());
        if changes.is_empty() {
            return;
        }
        let of = names(&changes);
        let said = &from.said;
        let edit = Edit::SetGovernance(Governance {
            quorum: said.quorum.filter(|_| of.contains("quorum")),
            approval_lifetime: said.approval_lifetime.filter(|_| of.contains("approval_lifetime")),
            human_grant_lifetime: said.human_grant_lifetime.filter(|_| of.contains("human_grant_lifetime")),
            break_glass_lifetime: said.break_glass_lifetime.filter(|_| of.contains("break_glass_lifetime")),
            compromise_burst: said.compromise_burst.filter(|_| of.contains("compromise_burst")),
        });
        let (before, after) =
            (rules_of(&self.live.governance, None), rules_of(said, Some(&self.live.governance)));
        let approvers = if after.weakens(&before) { before.quorum } else { 0 };
        self.item(
            "change",
            ("governance", "of the deployment".to_owned()),
            from,
            Parts { changes, approvers, edit },
        );
    }

    fn keys(&mut self) {
        let (files, live) = (self.files, self.live);
        for (name, from) in &files.keys {
            let Some(is) = live.keys.get(name) else {
                if !live.rings.contains_key(&name.ring) && !files.rings.contains_key(&name.ring) {
                    self.stuck("key", name, from, format!("there is no ring `{}`", name.ring));
                    continue;
                }
                let (changes, edit) = (new(from.said.fields()), Edit::CreateKey(from.said.clone()));
                self.item("create", ("key", name.to_string()), from, Parts { changes, approvers: 0, edit });
                continue;
            };
            self.key(name, from, is);
        }
        if !files.keys.is_empty() {
            let others = live
                .keys
                .iter()
                .filter(|(name, is)| is.end != KeyEnd::Destroyed && !files.keys.contains_key(*name));
            self.absent("key", others.map(|(name, _)| name.to_string()));
        }
    }

    fn key(&mut self, name: &KeyName, from: &Placed<Key>, is: &LiveKey) {
        let mut changes = changed(from.said.fields(), is.said.fields());
        let end = match is.end {
            KeyEnd::None => None,
            KeyEnd::Destroyed => {
                Some("it is destroyed, and its name is bound to it for ever: take another one")
            }
            KeyEnd::Waits => Some("it waits for its destruction, and is not changed"),
        };
        if let Some(why) = end {
            if is.end == KeyEnd::Destroyed || !changes.is_empty() {
                self.stuck("key", name, from, why);
            }
            return;
        }
        let has_environment = is.said.environment.is_some();
        let is_fixed = |field: &str| {
            ["protection", "purpose", "spec"].contains(&field) || (field == "environment" && has_environment)
        };
        for Change { field, before, after } in changes.iter().filter(|change| is_fixed(change.field)) {
            let why = format!("`{field}` is fixed for ever: {}, not {after}", shown_before(before.clone()));
            self.stuck("key", name, from, why);
        }
        changes.retain(|change| !is_fixed(change.field));
        if changes.is_empty() {
            return;
        }
        let policy = self.live.rings.get(&name.ring).map(|ring| policy_of(&ring.said)).unwrap_or_default();
        let (before, after) = (core_key(&is.said, &is.said), core_key(&from.said, &is.said));
        let approvers = if after.weakens(&before, &policy) { policy.approvers_of_weakening() } else { 0 };
        let edit = Edit::UpdateKey(from.said.clone(), names(&changes));
        self.item("change", ("key", name.to_string()), from, Parts { changes, approvers, edit });
    }

    /// Roles and capacities.
    fn held(&mut self) {
        let (files, live) = (self.files, self.live);
        let approvers = live.governance.quorum.unwrap_or_default();
        for (name, from) in &files.principals {
            let is = live.principals.get(name);
            if is.is_some_and(|is| is.is_revoked) {
                continue;
            }
            let [roles, capacities] = held_by(is.map(|is| &is.said));
            let wanted: BTreeSet<_> = from.said.roles.iter().flatten().map(|role| role.0).collect();
            for role in wanted.iter().filter(|role| !roles.contains(&role.to_string())) {
                let (called, edit) = (format!("{role} to {name}"), Edit::AssignRole(name.clone(), *role));
                self.item("give", ("role", called), from, Parts { changes: Vec::new(), approvers, edit });
            }
            if from.said.roles.is_some() {
                let said: BTreeSet<_> = wanted.iter().map(ToString::to_string).collect();
                self.absent("role", roles.difference(&said).map(|role| format!("{role} of {name}")));
            }
            let wanted: BTreeSet<_> = from.said.capacities.iter().flatten().cloned().collect();
            for capacity in wanted.iter().filter(|capacity| !capacities.contains(&capacity.to_string())) {
                if let Some(why) = self.unknown_thing(capacity) {
                    self.stuck("capacity", format!("{capacity} to {name}"), from, why);
                    continue;
                }
                let called = format!("{capacity} to {name}");
                let edit = Edit::AssignCapacity(name.clone(), capacity.clone());
                self.item("give", ("capacity", called), from, Parts { changes: Vec::new(), approvers, edit });
            }
            if from.said.capacities.is_some() {
                let said: BTreeSet<_> = wanted.iter().map(ToString::to_string).collect();
                self.absent("capacity", capacities.difference(&said).map(|one| format!("{one} of {name}")));
            }
        }
    }

    /// Why nobody can answer for it, if that is so.
    fn unknown_thing(&self, capacity: &NamedCapacity) -> Option<String> {
        let (files, live) = (self.files, self.live);
        match capacity {
            NamedCapacity::AssetOwner(name) => {
                let is_known = live.assets.contains_key(name) || files.assets.contains_key(name);
                (!is_known).then(|| format!("there is no data asset `{name}`"))
            }
            NamedCapacity::KeyOwner(name) => {
                let is_known = live.keys.contains_key(name) || files.keys.contains_key(name);
                (!is_known).then(|| format!("there is no key `{name}`"))
            }
            NamedCapacity::Word(_) => None,
        }
    }

    fn grants(&mut self) {
        let (files, live) = (self.files, self.live);
        let there: BTreeSet<_> = live.grants.iter().map(Grant::identity).collect();
        for (identity, from) in &files.grants {
            if there.contains(identity) {
                continue;
            }
            let said = &from.said;
            if said.until.is_some_and(|until| until.0 <= self.now) {
                self.stuck(
                    "grant",
                    said.called(),
                    from,
                    "its end is past: take it out of the files, or give it another",
                );
                continue;
            }
            if let Some(why) = self.unknown_party(said) {
                self.stuck("grant", said.called(), from, why);
                continue;
            }
            let behind = said
                .fields()
                .into_iter()
                .filter(|(field, _)| !["key", "operations", "principal", "ring"].contains(field));
            let (changes, approvers) = (new(behind.collect()), self.approvers_of_grant(said));
            let edit = Edit::CreateGrant(said.clone());
            self.item("create", ("grant", said.called()), from, Parts { changes, approvers, edit });
        }
        if !files.grants.is_empty() {
            let others = live.grants.iter().filter(|grant| !files.grants.contains_key(&grant.identity()));
            self.absent("grant", others.map(Grant::called));
        }
    }

    /// Why a grant cannot be given, as far as that is plain.
    fn unknown_party(&self, grant: &Grant) -> Option<String> {
        let (files, live) = (self.files, self.live);
        let people = [Some(grant.principal.get_ref()), grant.retiring.as_ref()];
        for name in people.into_iter().flatten() {
            match live.principals.get(&name.0) {
                Some(is) if is.is_revoked => return Some(format!("`{name}` was revoked")),
                None if !files.principals.contains_key(&name.0) => {
                    return Some(format!("there is no principal `{name}`"));
                }
                Some(_) | None => {}
            }
        }
        if let Some(key) = &grant.key {
            match live.keys.get(&key.0) {
                Some(is) if is.end == KeyEnd::Destroyed => return Some(format!("key `{key}` is destroyed")),
                None if !files.keys.contains_key(&key.0) => return Some(format!("there is no key `{key}`")),
                Some(_) | None => {}
            }
        }
        let ring = grant.ring.as_ref()?;
        let is_known = live.rings.contains_key(&ring.0) || files.rings.contains_key(&ring.0);
        (!is_known).then(|| format!("there is no ring `{ring}`"))
    }

    /// As many as the ring asks for, as it is, or as it will begin.
    fn approvers_of_grant(&self, grant: &Grant) -> u8 {
        let of_key = grant.key.as_ref().map(|key| &key.ring);
        let Some(ring) = of_key.or_else(|| grant.ring.as_ref().map(|ring| &ring.0)) else { return 0 };
        match (self.live.rings.get(ring), self.files.rings.get(ring)) {
            (Some(is), _) => policy_of(&is.said).approvers_of_grants(),
            (None, Some(from)) => policy_of(&from.said).approvers_of_grants(),
            (None, None) => 0,
        }
    }

    fn parameters(&mut self) {
        let (files, live) = (self.files, self.live);
        let approvers = live.governance.quorum.unwrap_or_default();
        for (name, from) in &files.parameters {
            let edit = Edit::Declare(from.said.clone());
            let (does, changes) = match live.parameters.get(name) {
                None => ("create", new(from.said.fields())),
                Some(is) => ("change", changed(from.said.fields(), is.fields())),
            };
            if !changes.is_empty() {
                self.item(does, ("parameter", name.to_string()), from, Parts { changes, approvers, edit });
            }
        }
        if !files.parameters.is_empty() {
            let others = live.parameters.keys().filter(|name| !files.parameters.contains_key(*name));
            self.absent("parameter", others.map(ToString::to_string));
        }
    }
}

/// What an item is, but for what it is of and where that is said.
struct Parts {
    changes: Vec<Change>,
    approvers: u8,
    edit: Edit,
}

fn shown_before(before: Option<String>) -> String {
    before.unwrap_or_else(|| "none".to_owned())
}

/// Roles and capacities of a principal, in words.
fn held_by(is: Option<&Principal>) -> [BTreeSet<String>; 2] {
    let roles = is.iter().flat_map(|is| is.roles.iter().flatten()).map(ToString::to_string).collect();
    let capacities =
        is.iter().flat_map(|is| is.capacities.iter().flatten()).map(ToString::to_string).collect();
    [roles, capacities]
}

/// What a ring is once it is as is said.
fn overlaid(said: &Ring, is: &Ring) -> Ring {
    Ring {
        name: is.name.clone(),
        protection: said.protection.or(is.protection),
        rotation_period: said.rotation_period.or(is.rotation_period),
        rotates: said.rotates.or(is.rotates),
        destroy_waiting_period: said.destroy_waiting_period.or(is.destroy_waiting_period),
        quorum: said.quorum.or(is.quorum),
        separation: said.separation.or(is.separation),
        context_required: said.context_required.clone().or_else(|| is.context_required.clone()),
        data_class: said.data_class.or(is.data_class),
        plaintext_data_keys: said.plaintext_data_keys.or(is.plaintext_data_keys),
        environment: said.environment.clone().or_else(|| is.environment.clone()),
        assets: said.assets.or(is.assets),
        grants_under_quorum: said.grants_under_quorum.or(is.grants_under_quorum),
    }
}

/// The policy of a ring; where nothing is said, as a new one begins.
pub(super) fn policy_of(said: &Ring) -> RingPolicy {
    let begins = RingPolicy::default();
    let separation = said.separation.map_or(begins.separation, |said| said.0);
    let data_class: Option<DataClass> = said.data_class.and_then(|said| said.0);
    let fields = said.context_required.iter().flatten().map(|field| field.0.clone());
    RingPolicy {
        protection: said.protection.map_or(begins.protection, |said| -> Protection { said.0 }),
        rotation_period: said.rotation_period.and_then(|said| said.0).map(|span| span.0),
        rotates: said.rotates.map_or(begins.rotates, |said| -> RotatedKeys { said.0 }),
        destroy_waiting_period: said
            .destroy_waiting_period
            .map_or(begins.destroy_waiting_period, |said| said.0),
        quorum: said.quorum.unwrap_or(begins.quorum),
        separation,
        context_required: RequiredContext::new(fields).unwrap_or_default(),
        data_class,
        plaintext_data_keys: said
            .plaintext_data_keys
            .map_or_else(|| PlaintextDataKeys::for_class(data_class), |said| said.0),
        environment: said.environment.as_ref().map(|said| said.0.clone()),
        assets: said.assets.map_or(begins.assets, |said| -> AssetRule { said.0 }),
        grants_under_quorum: said
            .grants_under_quorum
            .unwrap_or_else(|| RingPolicy::grants_under_quorum_for(separation, data_class)),
        ..begins
    }
}

/// The rules of a deployment as they are said, or else are.
fn rules_of(said: &Governance, is: Option<&Governance>) -> claviger_core::Governance {
    let begins = claviger_core::Governance::default();
    let is = is.unwrap_or(said);
    let period = said.human_grant_lifetime.or(is.human_grant_lifetime);
    let span = |said: Option<Span>, is: Option<Span>, begins| said.or(is).map_or(begins, |span| span.0);
    claviger_core::Governance {
        quorum: said.quorum.or(is.quorum).unwrap_or(begins.quorum),
        approval_lifetime: span(said.approval_lifetime, is.approval_lifetime, begins.approval_lifetime),
        human_grant_lifetime: period.and_then(|period| period.0).map(|span| span.0),
        break_glass_lifetime: span(
            said.break_glass_lifetime,
            is.break_glass_lifetime,
            begins.break_glass_lifetime,
        ),
        compromise_burst: said.compromise_burst.or(is.compromise_burst).unwrap_or(begins.compromise_burst),
        ..begins
    }
}

/// A key as it is said, or else is, as far as it is asked whether less is asked of it.
fn core_key(said: &Key, is: &Key) -> CoreKey {
    let fields = said.context_required.as_ref().or(is.context_required.as_ref());
    let fields = fields.into_iter().flatten().map(|field| field.0.clone());
    let period = said.rotation_period.or(is.rotation_period);
    CoreKey {
        id: KeyId::from_bytes([0; 16]),
        ring: KeyRingId::from_bytes([0; 16]),
        name: is.name.get_ref().key.clone(),
        purpose: is.purpose.0,
        spec: is.spec.0,
        protection: is.protection.map_or(Protection::Software, |said| said.0),
        data_class: said.data_class.or(is.data_class).map_or(DataClass::Confidential, |said| said.0),
        description: String::new(),
        owner: PrincipalId::from_bytes([0; 16]),
        labels: Labels::default(),
        rotation_period: period.and_then(|period| period.0).map(|span| span.0),
        context_required: RequiredContext::new(fields).unwrap_or_default(),
        environment: None,
        state: State::Active,
        primary: 1,
        rotates_from: Timestamp::default(),
        destruction: None,
        policy: None,
        reason: None,
        created_at: Timestamp::default(),
        revision: 0,
    }
}
