//! Emergency access: one person without a role uses named keys for some hours, by the approval of one other person in place of a quorum.
//!
//! What it keeps true:
//! * nobody opens it for themselves, by whatever account, and nobody who could act as its holder opens or approves it, nor comes to be able to as
//!   long as it is open: it takes three;
//! * what it gives is grants with an end, for what one key each protected before, in the commit that keeps the access and raises the alert;
//! * it ends by itself; whoever ends it before does so as one restriction, behind which no use is let out;
//! * what was done is reviewed by somebody else than who had it, opened it or approved it, and stays open until then; of one person, only so
//!   many stay so.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_access::separation::check_grant;
use claviger_core::alert::{Alert, AlertRule};
use claviger_core::approval::Approval;
use claviger_core::break_glass::{BreakGlass, BreakGlassClosed, BreakGlassReviewed, BreakGlassVerdict};
use claviger_core::change::{Change, Restriction};
use claviger_core::grant::{Basis, Conditions, EndedBy, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::KeyRecord;
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::port::store::{BreakGlassFilter, Page};
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, AlertId, BreakGlassId, Governance, PrincipalId, Purpose};

use super::create_grant::Terms;
use super::persons::Accounts;
use super::sensitive::{seen_key, seen_principal};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::{KeyRef, PrincipalRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Most keys: whoever approves is shown each of them, and beside them the holder and the rules of the deployment.
const MOST_KEYS: usize = Approval::MOST_ROWS - 2;
/// How long it lasts where nothing is said, and the deployment allows that much.
const USUAL: Duration = Duration::from_secs(2 * 3_600);
/// The shortest.
const LEAST: Duration = Duration::from_secs(60);
/// So many of one person that nobody has reviewed are too many: what is opened again and again is no emergency that nobody could look at.
const TOO_MANY_UNREVIEWED: u32 = 4;

/// Opens emergency access.
#[derive(Debug)]
pub struct OpenBreakGlass {
    /// Who gets it.
    pub holder: PrincipalRef,
    /// To which keys.
    pub keys: Vec<KeyRef>,
    /// For how long; two hours where nothing is said, or as long as the deployment allows.
    pub lifetime: Option<Duration>,
}

/// How a key of that purpose works on what it protected before.
const fn uses(purpose: Purpose) -> &'static [Action] {
    match purpose {
        Purpose::Agree => &[Action::Agree],
        Purpose::Encapsulate => &[Action::Decapsulate],
        Purpose::Encrypt => &[Action::Decrypt, Action::Reencrypt],
        Purpose::Mac => &[Action::VerifyMac],
        Purpose::Sign => &[Action::Verify],
        Purpose::Wrap => &[Action::Unwrap],
    }
}

impl OpenBreakGlass {
    fn lifetime(&self, rules: &Governance) -> Result<Duration, ServiceError> {
        let longest = rules.break_glass_lifetime;
        let lifetime = self.lifetime.unwrap_or_else(|| USUAL.min(longest));
        if (LEAST..=longest).contains(&lifetime) {
            return Ok(lifetime);
        }
        let minutes = longest.as_secs() / 60;
        let message = format!(
            "emergency access lasts from a minute to {minutes} minutes by the rules of the deployment (`claviger governance show`)"
        );
        Err(ServiceError::invalid(message))
    }

    /// The keys, ascending, each once.
    async fn keys(&self, view: &View<'_>) -> Result<Vec<KeyRecord>, ServiceError> {
        if self.keys.is_empty() || self.keys.len() > MOST_KEYS {
            let message =
                format!("emergency access is to 1 to {MOST_KEYS} keys; open another one for the rest");
            return Err(ServiceError::invalid(message));
        }
        let mut ids = BTreeSet::new();
        for key in &self.keys {
            ids.insert(view.key_id(key).await?);
        }
        let mut keys = Vec::new();
        for id in ids {
            keys.push(view.load_key(id).await?);
        }
        Ok(keys)
    }
}

impl Operation for OpenBreakGlass {
    type Output = BreakGlass;

    fn action(&self) -> Action {
        Action::OpenBreakGlass
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.holder)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<BreakGlass>, ServiceError> {
        let rules = view.state.governance().await?;
        let lifetime = self.lifetime(&rules)?;
        let holder = view.state.principal(&self.holder).await?;
        let keys = self.keys(view).await?;
        let asked = Governed::OpenBreakGlass {
            holder: holder.id,
            keys: keys.iter().map(|record| record.key.id).collect(),
            lifetime,
            reason: view.reason(),
        };
        if let Some(made) = view.made_before(&asked).await? {
            let access = find(BreakGlassId::from_bytes(made), view).await?;
            let detail = detail(&access, view);
            return Ok(Staged::reading(access, detail));
        }
        keys.iter().try_for_each(check_key)?;
        let accounts = view.accounts(holder.clone()).await?;
        check_holder(&holder, &accounts, &keys, view).await?;
        let quorum = quorum(&holder, &keys, view).await?;
        let approval = match quorum.approvers {
            0 => None,
            _ => view.state.open_approval(view.caller.principal().id, &asked, view.now).await?,
        };
        let access = BreakGlass {
            id: BreakGlassId::random()?,
            holder: holder.id,
            keys: keys.iter().map(|record| record.key.id).collect(),
            grants: Vec::new(),
            opened_by: view.caller.principal().id,
            approval: approval.map(|approval| approval.id),
            opened_at: view.now,
            ends_at: view.now.after(lifetime),
            closed: None,
            reviewed: None,
            reason: view.why,
            revision: 0,
        };
        let (access, mut changes, acts) = open(access, &holder, &keys, view).await?;
        changes.extend(accounts.expected());
        changes.extend(view.remember_making(&asked, *access.id.as_bytes()));
        let detail = EntryDetail {
            reference: reference(&[access.id.as_bytes(), access.holder.as_bytes()]),
            ..view.detail()
        };
        let output = BreakGlass { revision: 1, ..access };
        Ok(Staged::changing(asked, output, changes, detail).with_acts(acts).under(quorum))
    }
}

/// Is there something to be processed under it?
fn check_key(record: &KeyRecord) -> Result<(), ServiceError> {
    let (key, name) = (&record.key, record.name());
    let refused = |why: String, obstacle| {
        let refused = ServiceError::new(ErrorKind::WrongState, why).because_of(obstacle);
        Err(refused.about(Some(key.id)))
    };
    if key.destruction.is_some() {
        let why =
            format!("key `{name}` waits for its destruction, and emergency access does not end that wait");
        return refused(why, Obstacle::Waiting);
    }
    if key.state.processes() {
        return Ok(());
    }
    let why = format!("key `{name}` is {}, and emergency access does not bring it back into use", key.state);
    refused(why, Obstacle::State(key.state))
}

/// May the caller open it for this one?
async fn check_holder(
    holder: &Principal,
    accounts: &Accounts,
    keys: &[KeyRecord],
    view: &View<'_>,
) -> Result<(), ServiceError> {
    if holder.kind != PrincipalKind::Human {
        let message =
            "emergency access is for a person; what an application uses is granted: `claviger grant create`";
        return Err(ServiceError::invalid(message));
    }
    let apart = |message: String| Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
    let (person, by) = (accounts.as_person(), view.caller_person());
    if person.id == by {
        let message =
            "nobody opens emergency access for themselves, by whatever account; name another person";
        return apart(message.to_owned());
    }
    // A relaxed ring excuses an administrator who uses its keys; emergency access excuses nobody.
    if let Some(role) = person.roles.first() {
        return apart(format!(
            "who holds the role `{role}`, by whatever account, gets no emergency access; name a person without a role"
        ));
    }
    for record in keys {
        check_grant(&person, accounts.makers(), record.ring.policy.separation, uses(record.key.purpose), by)?;
    }
    let proves = |one: &Credential| one.kind == CredentialKind::Certificate && one.is_live(view.now);
    if !view.credentials_of(holder.id).await?.iter().any(proves) {
        let message = "this person has no certificate that is valid, and could not use a key; enter one first, or name another person";
        return Err(ServiceError::new(ErrorKind::WrongState, message));
    }
    accounts.check_reviewed(view).await
}

/// One person, in place of however many the deployment and the rings ask for otherwise; nobody, where none of them asks anybody.
async fn quorum(holder: &Principal, keys: &[KeyRecord], view: &View<'_>) -> Result<Quorum, ServiceError> {
    let mut rows = vec![seen_principal(holder)];
    rows.extend(keys.iter().map(|record| seen_key(&record.key)));
    let quorum = view.by_deployment(rows).await?;
    let of_rings = keys.iter().map(|record| record.ring.policy.approvers_of_grants()).max();
    let approvers = quorum.approvers.max(of_rings.unwrap_or_default()).min(1);
    Ok(Quorum { approvers, ..quorum })
}

/// The access with its grants: what is to be written for it, and the acts that come with it.
async fn open(
    mut access: BreakGlass,
    holder: &Principal,
    keys: &[KeyRecord],
    view: &View<'_>,
) -> Result<(BreakGlass, Vec<Change>, Vec<EntryDetail>), ServiceError> {
    let conditions = Conditions { until: Some(access.ends_at), ..Conditions::default() };
    // Written as it was read: who makes the holder a credential, or gives any account of that person a role, at the same moment has read the
    // holder, and must see this.
    let (mut changes, mut acts) = (vec![Change::PutPrincipal(holder.clone())], Vec::new());
    let policy = view.permit.policy_digest();
    for record in keys {
        let terms = Terms {
            operations: uses(record.key.purpose),
            conditions: &conditions,
            name: None,
            retiring: None,
            basis: Basis::Role,
            origin: GrantOrigin::BreakGlass,
            spelling: Spelling::default(),
        };
        let grant = terms.grant(view, holder, Selector::Key(record.key.id)).await?;
        view.check_room(&grant).await?;
        access.grants.push(grant.id);
        acts.push(EntryDetail {
            sub_action: Some(SubAction { op: Action::CreateGrant.into(), policy }),
            key: Some(record.key.id),
            reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]),
            ..view.detail()
        });
        // Separation of duties was checked against the ring as it was read.
        changes.extend([Change::expect_ring(&record.ring), Change::PutGrant(grant)]);
    }
    let about = Some(Object::BreakGlass(access.id));
    let alert = Alert::raised(AlertId::random()?, AlertRule::BreakGlassOpened, about, view.now);
    changes.extend([Change::PutBreakGlass(access.clone()), Change::PutAlert(alert)]);
    Ok((access, changes, acts))
}

impl Accounts {
    /// Refuses a person who has emergency access by one of the accounts.
    ///
    /// # Errors
    /// [`ErrorKind::SeparationOfDuties`], and when rows cannot be read.
    pub(super) async fn check_no_emergency(&self, view: &View<'_>) -> Result<(), ServiceError> {
        for holder in self.ids() {
            if let Some(id) = open_of(holder, view).await? {
                let message = format!(
                    "this person has emergency access, and who holds a role uses no keys: `claviger break-glass close {id}` first"
                );
                return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
            }
        }
        Ok(())
    }

    /// Refuses a person who had emergency access too often since anybody reviewed it, by whatever account.
    async fn check_reviewed(&self, view: &View<'_>) -> Result<(), ServiceError> {
        let mut unreviewed = Vec::new();
        for holder in self.ids() {
            let filter = BreakGlassFilter {
                reviewed: Some(false),
                holder: Some(holder),
                now: view.now,
                ..BreakGlassFilter::default()
            };
            let page = Page { after: None, limit: TOO_MANY_UNREVIEWED };
            unreviewed.extend(view.store().list_break_glass(filter, page).await?);
        }
        let is_bounded = u32::try_from(unreviewed.len()).is_ok_and(|count| count < TOO_MANY_UNREVIEWED);
        let first = unreviewed.first().filter(|_| !is_bounded).map(|access| access.id);
        let Some(id) = first else { return Ok(()) };
        let message = format!(
            "nobody has reviewed the last {TOO_MANY_UNREVIEWED} emergency accesses of this person: `claviger break-glass review {id}` first, \
             once it has ended, or name another person"
        );
        Err(ServiceError::new(ErrorKind::LimitExceeded, message))
    }
}

/// The emergency access that somebody has by that account, if they have one.
async fn open_of(holder: PrincipalId, view: &View<'_>) -> Result<Option<BreakGlassId>, ServiceError> {
    let filter = BreakGlassFilter {
        open: Some(true),
        holder: Some(holder),
        now: view.now,
        ..BreakGlassFilter::default()
    };
    let open = view.store().list_break_glass(filter, Page { after: None, limit: 1 }).await?;
    Ok(open.first().map(|access| access.id))
}

/// Refuses that anybody else makes a credential of one who has emergency access: who opened or approved it could act as its holder then.
///
/// # Errors
/// [`ErrorKind::SeparationOfDuties`], and when rows cannot be read.
pub(super) async fn check_further_credential(of: &Principal, view: &View<'_>) -> Result<(), ServiceError> {
    if of.kind != PrincipalKind::Human || of.id == view.caller.principal().id {
        return Ok(());
    }
    let Some(id) = open_of(of.id, view).await? else { return Ok(()) };
    let message = format!(
        "this person has emergency access, and whoever makes a credential could act as its holder: `claviger break-glass close {id}` first"
    );
    Err(ServiceError::new(ErrorKind::SeparationOfDuties, message))
}

/// Ends emergency access before its time.
#[derive(Debug)]
pub struct CloseBreakGlass {
    /// The access.
    pub access: BreakGlassId,
}

impl Operation for CloseBreakGlass {
    type Output = BreakGlass;

    fn action(&self) -> Action {
        Action::CloseBreakGlass
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<BreakGlass>, ServiceError> {
        let row = find(self.access, view).await?;
        let detail = detail(&row, view);
        let by = view.caller.principal();
        let stops = [Role::Responder, Role::SecurityOfficer].iter().any(|role| by.roles.contains(role));
        if !stops && view.state.person_of(row.opened_by).await? != by.person() {
            let message =
                "whoever opened it closes it, and so does a responder or a security officer; ask one of them";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        if !row.is_open(view.now) {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(row, detail));
        }
        let closed = Some(BreakGlassClosed { by: by.id, at: view.now });
        let asked = Governed::CloseBreakGlass { id: row.id, reason: view.reason() };
        let ends = Ends::of(&row, view).await?;
        Ok(ends.staged(asked, BreakGlass { closed, ..row }, detail))
    }
}

/// Says whether emergency access that has ended was needed, and used for what it was opened for.
#[derive(Debug)]
pub struct ReviewBreakGlass {
    /// The access.
    pub access: BreakGlassId,
    /// What is found.
    pub verdict: BreakGlassVerdict,
}

impl Operation for ReviewBreakGlass {
    type Output = BreakGlass;

    fn action(&self) -> Action {
        Action::ReviewBreakGlass
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<BreakGlass>, ServiceError> {
        let row = find(self.access, view).await?;
        let detail = detail(&row, view);
        let by = view.caller.principal();
        check_reviewer(&row, view).await?;
        let wrong = |message: &'static str| Err(ServiceError::new(ErrorKind::WrongState, message));
        if let Some(reviewed) = row.reviewed {
            if (reviewed.by, reviewed.verdict) == (by.id, self.verdict) {
                // Once more changes nothing, and says so by the revision.
                return Ok(Staged::reading(row, detail));
            }
            return wrong("it was reviewed before; what a review found stands");
        }
        if row.is_open(view.now) {
            return wrong("it is open still, and is reviewed when it has ended: close it first");
        }
        let reviewed = Some(BreakGlassReviewed { verdict: self.verdict, by: by.id, at: view.now });
        let asked = Governed::ReviewBreakGlass { id: row.id, verdict: self.verdict, reason: view.reason() };
        // What ended by itself gives nothing, and goes: its holder may get a role again.
        let ends = Ends::of(&row, view).await?;
        Ok(ends.staged(asked, BreakGlass { reviewed, ..row }, detail))
    }
}

/// Is the caller another person than who had it, opened it or approved it?
async fn check_reviewer(row: &BreakGlass, view: &View<'_>) -> Result<(), ServiceError> {
    let by = view.caller.principal();
    let mut persons = BTreeSet::new();
    for id in [row.holder, row.opened_by].into_iter().chain(approvers(row, view).await?) {
        persons.insert(view.state.person_of(id).await?);
    }
    let apart = |message: &'static str| Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
    if persons.contains(&by.person()) {
        return apart("who had the access, opened it or approved it does not review it; ask another person");
    }
    if !by.counts(view.state.waited_until()) {
        return apart(
            "who came about by a recovery that awaits its acknowledgement reviews nothing; ask another person",
        );
    }
    Ok(())
}

/// Who approved it.
async fn approvers(row: &BreakGlass, view: &View<'_>) -> Result<Vec<PrincipalId>, ServiceError> {
    let Some(id) = row.approval else { return Ok(Vec::new()) };
    let Some(approval) = view.store().find_approval(id).await? else { return Ok(Vec::new()) };
    Ok(approval.approvers().map(|decided| decided.by).collect())
}

/// What of an access is there to be ended.
#[derive(Default)]
struct Ends {
    grants: Vec<Grant>,
    acts: Vec<EntryDetail>,
}

impl Ends {
    async fn of(row: &BreakGlass, view: &View<'_>) -> Result<Self, ServiceError> {
        let (mut ends, policy) = (Self::default(), view.permit.policy_digest());
        for (key, id) in row.keys.iter().zip(&row.grants) {
            let grant = match view.store().find_grant(*id).await {
                // What somebody altered gives nothing, and keeps nobody from ending the rest.
                Err(StoreError::RowAltered(_)) => None,
                found => found?,
            };
            let Some(grant) = grant.filter(|grant| grant.status == Status::Active) else { continue };
            ends.acts.push(EntryDetail {
                sub_action: Some(SubAction { op: Action::RevokeGrant.into(), policy }),
                key: Some(*key),
                reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]),
                ..view.detail()
            });
            ends.grants.push(grant.ended(EndedBy::Revocation, view.now, view.why));
        }
        Ok(ends)
    }

    fn staged(self, asked: Governed, row: BreakGlass, detail: EntryDetail) -> Staged<BreakGlass> {
        let restrictions =
            self.grants.iter().map(|grant| Restriction::Grant(grant.id, grant.principal)).collect();
        let mut changes = vec![Change::PutBreakGlass(row.clone())];
        changes.extend(self.grants.into_iter().map(Change::PutGrant));
        let output = BreakGlass { revision: row.revision + 1, ..row };
        Staged::restricting(asked, output, changes, restrictions, detail).with_acts(self.acts)
    }
}

/// Reads an emergency access.
#[derive(Debug)]
pub struct ReadBreakGlass {
    /// The access to read.
    pub access: BreakGlassId,
}

impl Operation for ReadBreakGlass {
    type Output = BreakGlass;

    fn action(&self) -> Action {
        Action::ReadBreakGlass
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<BreakGlass>, ServiceError> {
        let row = find(self.access, view).await?;
        let detail = detail(&row, view);
        Ok(Staged::reading(row, detail))
    }
}

/// Lists emergency accesses in the order of their identifiers.
#[derive(Debug)]
pub struct ListBreakGlass {
    /// Only those that are open, or only those that have ended.
    pub open: Option<bool>,
    /// Only those that were reviewed, or only those that were not.
    pub reviewed: Option<bool>,
    /// The page of the list.
    pub page: Page<BreakGlassId>,
}

impl Operation for ListBreakGlass {
    type Output = Vec<BreakGlass>;

    fn action(&self) -> Action {
        Action::ReadBreakGlass
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<BreakGlass>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let (open, reviewed) = (self.open, self.reviewed);
        let filter = BreakGlassFilter { open, reviewed, holder: None, now: view.now };
        let found = view.store().list_break_glass(filter, self.page.clone()).await?;
        Ok(Staged::reading(found, view.detail()))
    }
}

async fn find(id: BreakGlassId, view: &View<'_>) -> Result<BreakGlass, ServiceError> {
    view.store().find_break_glass(id).await?.ok_or_else(ServiceError::not_found)
}

fn detail(row: &BreakGlass, view: &View<'_>) -> EntryDetail {
    EntryDetail { reference: reference(&[row.id.as_bytes()]), ..view.detail() }
}

#[cfg(test)]
mod tests {
    use claviger_core::action::Effect;

    use super::*;

    #[test]
    fn every_use_that_processes_belongs_to_one_purpose() {
        let given: Vec<_> = Purpose::ALL.into_iter().flat_map(uses).copied().collect();
        let processes = |action: &Action| action.effect() == Effect::Process;
        let processing: Vec<_> = Action::ALL.into_iter().filter(processes).collect();
        for action in &processing {
            assert_eq!(given.iter().filter(|given| *given == action).count(), 1, "{action}");
        }
        assert_eq!(given.len(), processing.len());
    }

    #[test]
    fn a_lifetime_is_as_long_as_the_deployment_allows_and_no_longer() {
        let open = |minutes: Option<u64>| OpenBreakGlass {
            holder: PrincipalRef::Id(PrincipalId::SYSTEM),
            keys: Vec::new(),
            lifetime: minutes.map(|minutes| Duration::from_secs(minutes * 60)),
        };
        let rules = Governance::default();
        let minutes = |lifetime: Duration| lifetime.as_secs() / 60;
        assert_eq!(open(None).lifetime(&rules).map(minutes).unwrap(), 120);
        assert_eq!(open(Some(240)).lifetime(&rules).map(minutes).unwrap(), 240);
        for wrong in [0, 241] {
            assert_eq!(open(Some(wrong)).lifetime(&rules).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        let short = Governance { break_glass_lifetime: Duration::from_secs(900), ..rules };
        assert_eq!(open(None).lifetime(&short).map(minutes).unwrap(), 15);
    }
}
