//! Which rights there are, by name, one line each; and what people confirm of those that an older release kept.
//!
//! A list is confirmed by its digest: SHA-256 over its lines, in their order, each with a line feed behind it. Whoever confirms has
//! read the lines and made the digest from them; the operation makes the list again, and takes no other digest than that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::time::Duration;

use claviger_access::authn::access_key::instant;
use claviger_core::change::Change;
use claviger_core::grant::{Basis, Conditions, Grant, Selector};
use claviger_core::key::{AssetRule, KeyRing};
use claviger_core::lineage::Wanted;
use claviger_core::object::{FoundRow, Kind, Object, RowCursor, StateRow};
use claviger_core::port::{Store, StoreError};
use claviger_core::principal::{Credential, Principal, Status};
use claviger_core::rights_review::{Capacity, Confirmation, RightsReview};
use claviger_core::{Action, Alias, KeyId, KeyRingId, Name, PrincipalId, RightsReviewId, Timestamp};
use claviger_crypto::digest::Sha256;

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;
use crate::work::Class;

/// What has rights or gives them, in the order of lists.
const KINDS: [Kind; 5] = [Kind::Ring, Kind::Principal, Kind::Credential, Kind::Grant, Kind::Alias];
/// Rows that are read at once.
const AT_ONCE: u32 = 1_000;
/// Grants that were passed on, judged at once: with all that they rest on they are no more than a store reads for that.
const JUDGED_AT_ONCE: usize = 200;
/// Names that are remembered at once.
const MOST_NAMES: usize = 10_000;

/// A right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The object that it is of: a ring whose policy it is, a principal with its roles, a credential, a grant, an alias.
    pub object: Object,
    /// What it says, by name. One line.
    pub line: String,
}

/// Some of the rights there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsPage {
    /// The rights.
    pub rights: Vec<Right>,
    /// Where to go on, if there is more.
    pub next: Option<RowCursor>,
}

/// Lists the rules of rings, the roles of people, the credentials and grants that were not revoked, by themselves or with their holder,
/// and the aliases.
#[derive(Debug, Clone, Copy)]
pub struct ReadRights {
    /// Where to begin.
    pub from: RowCursor,
    /// Rows to look at, at most.
    pub limit: u32,
}

impl Operation for ReadRights {
    type Output = RightsPage;

    fn action(&self) -> Action {
        Action::ReadRights
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<RightsPage>, ServiceError> {
        view.enter(Class::Listing).await?;
        let page = Lister::new(view.store()).page(self.from, self.limit.min(AT_ONCE)).await?;
        Ok(Staged::reading(page, view.detail()))
    }
}

/// A review of rights, with the names of those who confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsReviewStatus {
    /// The review.
    pub review: RightsReview,
    /// The security officer.
    pub officer: Option<Name>,
    /// The auditor.
    pub auditor: Option<Name>,
}

impl RightsReviewStatus {
    async fn of(store: &dyn Store, review: RightsReview) -> Result<Self, ServiceError> {
        let by = |one: Option<Confirmation>| one.map(|one| one.by);
        let (officer, auditor) = (by(review.officer), by(review.auditor));
        let names = store.list_principal_names([officer, auditor].into_iter().flatten().collect()).await?;
        let name = |id| names.iter().find(|(one, _)| Some(*one) == id).map(|(_, name)| name.clone());
        Ok(Self { officer: name(officer), auditor: name(auditor), review })
    }
}

/// The review of rights that an older release kept, if it is not done. One that somebody edited or took away says nothing of a
/// confirmation.
pub(crate) async fn unconfirmed(store: &dyn Store) -> Result<Option<RightsReview>, ServiceError> {
    match store.find_rights_review().await {
        Ok(review) => Ok(review.filter(|review| !review.is_confirmed())),
        Err(StoreError::RowAltered(_)) => {
            Ok(Some(RightsReview::new(RightsReviewId::UPGRADE, Timestamp::default())))
        }
        Err(error) => Err(error.into()),
    }
}

/// The same with names.
pub(crate) async fn unconfirmed_by_name(
    store: &dyn Store,
) -> Result<Option<RightsReviewStatus>, ServiceError> {
    match unconfirmed(store).await? {
        Some(review) => RightsReviewStatus::of(store, review).await.map(Some),
        None => Ok(None),
    }
}

/// Confirms the rights that an older release kept, as a security officer or an auditor. One of each confirms the same list.
#[derive(Debug, Clone, Copy)]
pub struct ConfirmRights {
    /// The digest of the list.
    pub digest: [u8; 32],
}

impl Operation for ConfirmRights {
    type Output = RightsReviewStatus;

    fn action(&self) -> Action {
        Action::ConfirmRights
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<RightsReviewStatus>, ServiceError> {
        view.enter(Class::Scan).await?;
        let detail = EntryDetail { reference: reference(&[&self.digest]), ..view.detail() };
        let by = view.caller.principal();
        let review = view.store().find_rights_review().await?;
        let Some(review) = review.filter(|review| !review.is_confirmed() || review.has(by.id, &self.digest))
        else {
            let message = "no rights await a confirmation";
            return Err(ServiceError::new(ErrorKind::WrongState, message));
        };
        if by.awaits_acknowledgement() {
            let message = "who came about by a recovery that awaits its acknowledgement confirms no rights; let another person \
                           with a role acknowledge it first";
            return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
        }
        if review.has(by.id, &self.digest) {
            return Ok(Staged::reading(RightsReviewStatus::of(view.store(), review).await?, detail));
        }
        if Lister::new(view.store()).digest().await? != self.digest {
            let message = "the rights are not those of this digest, or have changed since they were listed; list them again, \
                           look at what is new, and confirm the digest of that list: `claviger rights list`";
            return Err(ServiceError::new(ErrorKind::Conflict, message));
        }
        let one = Confirmation { by: by.id, at: view.now };
        let mut capacities = by.roles.iter().filter_map(|role| Capacity::of(*role));
        let Some(confirmed) = capacities.find_map(|of| review.confirmed(self.digest, of, one)) else {
            let message = "it takes a security officer and an auditor, two persons: who is missing is the other of both";
            return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
        };
        let written = RightsReview { revision: confirmed.revision + 1, ..confirmed.clone() };
        let output = RightsReviewStatus::of(view.store(), written).await?;
        let asked = Governed::ConfirmRights { digest: self.digest };
        Ok(Staged::changing(asked, output, vec![Change::PutRightsReview(confirmed)], detail))
    }
}

/// Makes lists of rights.
struct Lister<'a> {
    store: &'a dyn Store,
    principals: BTreeMap<PrincipalId, String>,
    rings: BTreeMap<KeyRingId, String>,
    keys: BTreeMap<KeyId, String>,
}

impl<'a> Lister<'a> {
    const fn new(store: &'a dyn Store) -> Self {
        Self { store, principals: BTreeMap::new(), rings: BTreeMap::new(), keys: BTreeMap::new() }
    }

    /// The digest of the whole list.
    async fn digest(&mut self) -> Result<[u8; 32], ServiceError> {
        let (mut digest, mut next) = (Sha256::new(), Some(RowCursor::default()));
        while let Some(from) = next {
            let page = self.page(from, AT_ONCE).await?;
            for right in &page.rights {
                digest.update(right.line.as_bytes());
                digest.update(b"\n");
            }
            next = page.next;
        }
        Ok(digest.finish())
    }

    /// The rights of so many rows.
    async fn page(&mut self, from: RowCursor, limit: u32) -> Result<RightsPage, ServiceError> {
        if !KINDS.contains(&from.kind) {
            return Ok(RightsPage { rights: Vec::new(), next: following(from.next(None, false)) });
        }
        let rows = self.store.list_rows(from, limit).await?;
        if let Some(altered) = rows.iter().find(|found| !found.holds) {
            // What somebody put there is no right.
            return Err(StoreError::RowAltered(altered.row.object()).into());
        }
        let is_full = rows.len() as u64 >= u64::from(limit);
        let next = following(from.next(rows.last().map(|found| found.row.object()), is_full));
        let ended = self.ended(&rows).await?;
        let mut rights = Vec::new();
        for found in rows {
            let object = found.row.object();
            if ended.contains(&object) {
                continue;
            }
            if let Some(line) = self.line(found.row).await? {
                rights.push(Right { object, line });
            }
        }
        Ok(RightsPage { rights, next })
    }

    /// Which of these are no rights any more, and never will be: credentials and grants of somebody who was revoked, and grants that ended
    /// with what they rested on.
    async fn ended(&self, rows: &[FoundRow]) -> Result<BTreeSet<Object>, ServiceError> {
        let (mut holders, mut passed_on) = (Vec::new(), Vec::new());
        for found in rows {
            match &found.row {
                StateRow::Credential(credential) => holders.push((found.row.object(), credential.principal)),
                StateRow::Grant(grant) => {
                    holders.push((found.row.object(), grant.principal));
                    passed_on.extend(Some(grant).filter(|grant| grant.basis.is_delegated()).cloned());
                }
                _ => {}
            }
        }
        if holders.is_empty() {
            return Ok(BTreeSet::new());
        }
        let principals = holders.iter().map(|(_, holder)| *holder).collect();
        let known = self.store.load_lineage(Wanted { principals, ..Wanted::default() }).await?;
        let gone = holders.into_iter().filter(|(_, holder)| !known.is_active(*holder));
        let mut ended: BTreeSet<_> = gone.map(|(object, _)| object).collect();
        for some in passed_on.chunks(JUDGED_AT_ONCE) {
            let lineage = self.store.load_lineage(Wanted::of(some).unwrap_or_default()).await?;
            let over = some.iter().zip(lineage.ended_for_good(some)).filter(|(_, is_over)| *is_over);
            ended.extend(over.map(|(grant, _)| Object::Grant(grant.id)));
        }
        Ok(ended)
    }

    /// What a row says, if it says something.
    async fn line(&mut self, row: StateRow) -> Result<Option<String>, ServiceError> {
        Ok(match row {
            StateRow::Ring(ring) => Some(of_ring(&ring)),
            StateRow::Principal(principal) if is_role_holder(&principal) => {
                Some(self.of_principal(&principal).await?)
            }
            StateRow::Credential(credential) if credential.status == Status::Active => {
                Some(self.of_credential(&credential).await?)
            }
            StateRow::Grant(grant) if grant.status == Status::Active => Some(self.of_grant(&grant).await?),
            StateRow::Alias(alias) => Some(self.of_alias(&alias).await?),
            StateRow::Alert(_)
            | StateRow::Approval(_)
            | StateRow::Asset(_)
            | StateRow::BreakGlass(_)
            | StateRow::Credential(_)
            | StateRow::Declaration(_)
            | StateRow::Governance(_)
            | StateRow::Grant(_)
            | StateRow::Key(_)
            | StateRow::Node(_)
            | StateRow::Principal(_)
            | StateRow::Reason(_)
            | StateRow::Review(_)
            | StateRow::RightsReview(_)
            | StateRow::Version(_) => None,
        })
    }

    async fn of_principal(&mut self, principal: &Principal) -> Result<String, ServiceError> {
        let mut line = format!("roles of {} ({}):", principal.name, principal.kind);
        for (at, role) in principal.roles.iter().enumerate() {
            let giver =
                principal.role_givers.iter().find(|(given, _)| given == role).map(|(_, giver)| *giver);
            let giver = self.maker(giver).await?;
            let comma = if at == 0 { "" } else { "," };
            line.push_str(&format!("{comma} {role} (given by {giver})"));
        }
        if let Some(first) = principal.same_person_as {
            line.push_str(&format!(", the same person as {}", self.principal(first).await?));
        }
        Ok(line)
    }

    async fn of_credential(&mut self, credential: &Credential) -> Result<String, ServiceError> {
        let Credential { id, kind, label, created_at, expires_at, .. } = credential;
        let principal = self.principal(credential.principal).await?;
        let maker = self.maker(credential.created_by).await?;
        let mut line = format!("credential of {principal}: {kind} {label}");
        if let Some(key) = &credential.access_key {
            line.push_str(&format!(" {}", key.id.as_str()));
        }
        let (ends, made) = (instant::format(*expires_at), instant::format(*created_at));
        line.push_str(&format!(", ends {ends}, made by {maker} at {made}, {id}"));
        Ok(line)
    }

    async fn of_grant(&mut self, grant: &Grant) -> Result<String, ServiceError> {
        let on = match grant.selector {
            Selector::Key(key) => format!("key {}", self.key(key).await?),
            Selector::Ring(ring) => format!("all keys of ring {}", self.ring(ring).await?),
        };
        let holder = self.principal(grant.principal).await?;
        let mut line = format!("grant to {holder} on {on}: {}", join(&grant.operations));
        line.push_str(&conditions(&grant.conditions));
        if let Basis::Grants(basis) = &grant.basis {
            line.push_str(&format!(", rests on {}", join(basis)));
        }
        if let Some(name) = &grant.name {
            line.push_str(&format!(", named {name:?}"));
        }
        if let Some(retiring) = grant.retiring {
            line.push_str(&format!(", ended by {}", self.principal(retiring).await?));
        }
        let (giver, origin) = (self.principal(grant.created_by).await?, grant.origin);
        let given = instant::format(grant.created_at);
        line.push_str(&format!(", given by {giver} at {given} ({origin}), {}", grant.id));
        Ok(line)
    }

    async fn of_alias(&mut self, alias: &Alias) -> Result<String, ServiceError> {
        let (key, ring) = (self.key(alias.key).await?, self.ring(alias.ring).await?);
        Ok(format!("alias {}: key {key}, of ring {ring}, for callers of the {}", alias.name, alias.scope))
    }

    async fn principal(&mut self, id: PrincipalId) -> Result<String, ServiceError> {
        if id == PrincipalId::SYSTEM {
            return Ok("the system".to_owned());
        }
        if let Some(name) = self.principals.get(&id) {
            return Ok(name.clone());
        }
        let name = self.store.list_principal_names(vec![id]).await?.pop().map(|(_, name)| name);
        Ok(remember(&mut self.principals, id, name))
    }

    async fn maker(&mut self, id: Option<PrincipalId>) -> Result<String, ServiceError> {
        match id {
            Some(id) => self.principal(id).await,
            None => Ok("nobody who is known".to_owned()),
        }
    }

    async fn ring(&mut self, id: KeyRingId) -> Result<String, ServiceError> {
        if let Some(name) = self.rings.get(&id) {
            return Ok(name.clone());
        }
        let name = self.store.find_ring(id).await?.map(|ring| ring.name);
        Ok(remember(&mut self.rings, id, name))
    }

    async fn key(&mut self, id: KeyId) -> Result<String, ServiceError> {
        if let Some(name) = self.keys.get(&id) {
            return Ok(name.clone());
        }
        let found = self.store.find_key(id).await?;
        let name = found.map(|record| format!("{}/{}", record.ring.name, record.key.name));
        Ok(remember(&mut self.keys, id, name))
    }
}

/// What is not there has no name but its identifier.
fn remember<I: Ord + Display>(names: &mut BTreeMap<I, String>, id: I, name: Option<impl Display>) -> String {
    let name = name.map_or_else(|| format!("{id} (not there)"), |name| name.to_string());
    if names.len() >= MOST_NAMES {
        names.clear();
    }
    names.insert(id, name.clone());
    name
}

/// Goes on with a kind that has rights.
fn following(mut next: Option<RowCursor>) -> Option<RowCursor> {
    while let Some(cursor) = next.filter(|cursor| !KINDS.contains(&cursor.kind)) {
        next = cursor.next(None, false);
    }
    next
}

fn is_role_holder(principal: &Principal) -> bool {
    principal.status == Status::Active && !principal.roles.is_empty()
}

fn of_ring(ring: &KeyRing) -> String {
    let policy = &ring.policy;
    let mut line = format!(
        "rules of ring {}: separation {}, quorum {}, protection {}, wait before destruction {}, rotation {} of {} keys, \
         protects {}, processes {}, data keys in clear {}",
        ring.name,
        policy.separation,
        policy.quorum,
        policy.protection,
        Span(Some(policy.destroy_waiting_period)),
        Span(policy.rotation_period),
        policy.rotates,
        Span(policy.protect_period),
        Span(policy.process_period),
        policy.plaintext_data_keys,
    );
    if let Some(environment) = &policy.environment {
        line.push_str(&format!(", environment {environment}"));
    }
    if policy.assets == AssetRule::Required {
        line.push_str(", uses name data assets");
    }
    if policy.grants_under_quorum {
        line.push_str(", grants under quorum");
    }
    if !policy.context_required.is_empty() {
        line.push_str(&format!(", context with {}", join(policy.context_required.fields())));
    }
    line
}

/// Whatever callers named stands in quotes, so that no text is taken for what stands beside it.
fn conditions(conditions: &Conditions) -> String {
    let Conditions { context_equals, context_exactly, source_networks, until } = conditions;
    let pairs = |pairs: &[(String, String)]| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name:?}={value:?}")).collect();
        format!("{{{}}}", pairs.join(", "))
    };
    let mut text = String::new();
    if !context_equals.is_empty() {
        text.push_str(&format!(", context with {}", pairs(context_equals)));
    }
    if let Some(exactly) = context_exactly {
        text.push_str(&format!(", context exactly {}", pairs(exactly)));
    }
    if !source_networks.is_empty() {
        text.push_str(&format!(", from {}", join(source_networks)));
    }
    match until {
        Some(until) => text.push_str(&format!(", until {}", instant::format(*until))),
        None => text.push_str(", without an end"),
    }
    text
}

fn join<T: Display>(words: &[T]) -> String {
    let words: Vec<_> = words.iter().map(ToString::to_string).collect();
    words.join(" ")
}

struct Span(Option<Duration>);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("without an end"),
            Some(span) => write!(f, "{} s", span.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_with_kinds_that_have_rights() {
        let (mut kinds, mut next) = (Vec::new(), Some(RowCursor::default()));
        while let Some(cursor) = next {
            kinds.push(cursor.kind);
            next = following(cursor.next(None, false));
        }
        assert_eq!(kinds, KINDS);
    }

    #[test]
    fn what_callers_named_cannot_pass_for_something_else() {
        let pairs = vec![("a".to_owned(), "b\", until never\n".to_owned())];
        let text = conditions(&Conditions { context_equals: pairs, ..Conditions::default() });
        assert_eq!(text, r#", context with {"a"="b\", until never\n"}, without an end"#);
    }
}
