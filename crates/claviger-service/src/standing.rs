//! Whose approval is valid: of those who were entitled when they gave it, those who still are.
//!
//! What it keeps true:
//! * an approver is another person than the one who asks, and than every other approver, whatever accounts each of them acts by;
//! * who lost the role, was revoked, or signed by a certificate that was revoked, has approved nothing; a certificate that was renewed since
//!   is as good as the one that renewed it;
//! * a destruction is carried out on approvals that are valid then, by the rule that its ring has then.

use std::collections::{BTreeMap, BTreeSet};

use claviger_access::separation::Makers;
use claviger_audit::approval::is_signed;
use claviger_core::approval::{Approval, Decided, Eligible, Outcome};
use claviger_core::change::Change;
use claviger_core::key::{Destruction, DestructionBlocked, RingPolicy};
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::port::store::Page;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::{Action, KeyId, PrincipalId, Timestamp};

use crate::error::ServiceError;
use crate::governed::Governed;
use crate::state::State;

/// Which approvals of one thing are valid.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// By how many persons.
    pub(crate) approved: u8,
    /// What of them must still be so when it is done.
    pub(crate) expected: Vec<Change>,
}

impl Standing {
    fn take(&mut self, approver: &Principal, proofs: &[Credential]) {
        self.approved = self.approved.saturating_add(1);
        self.expected.push(Change::expect_principal(approver));
        self.expected.extend(proofs.iter().map(Change::expect_credential));
    }
}

/// Can such a principal be one of those who approve, where waits that began are over by `waited_until`?
pub(crate) fn is_entitled(principal: &Principal, eligible: Eligible, waited_until: Timestamp) -> bool {
    let has_role = match eligible {
        Eligible::Custodians => principal.roles.contains(&Role::Custodian),
        // Whose recovery nobody knows of decides nothing until the wait for it is over.
        Eligible::Responders => {
            let roles = [Role::Responder, Role::SecurityOfficer];
            roles.iter().any(|role| principal.roles.contains(role)) && principal.counts(waited_until)
        }
        Eligible::RoleHolders => !principal.roles.is_empty() && principal.counts(waited_until),
    };
    has_role && principal.kind == PrincipalKind::Human && principal.status == Status::Active
}

/// Are its approvals signed by the keys that they name, over what was asked for?
pub(crate) fn are_signed(approval: &Approval) -> bool {
    approval.approvers().all(|decided| is_signed(&approval.digest, decided))
}

/// Who gets something by it and does not decide on it: the role, where those decide who hold one; the capacity, be it by a step of a plan; or
/// the emergency access.
fn appointed(approval: &Approval) -> BTreeSet<PrincipalId> {
    let gets = |act: Governed| match (approval.eligible, act) {
        (Eligible::RoleHolders, Governed::AssignRole { principal, .. })
        | (_, Governed::AssignCapacity { principal, .. }) => Some(principal),
        (Eligible::Responders, Governed::OpenBreakGlass { holder, .. }) => Some(holder),
        _ => None,
    };
    match Governed::decode(&approval.asked) {
        Ok(Governed::ApplyPlan { acts, reason: _ }) => {
            acts.iter().filter_map(|act| Governed::decode(act).ok()).filter_map(gets).collect()
        }
        Ok(act) => gets(act).into_iter().collect(),
        Err(_) => BTreeSet::new(),
    }
}

impl State {
    /// The person behind a principal.
    ///
    /// # Errors
    /// When its row cannot be read.
    pub(crate) async fn person_of(&self, id: PrincipalId) -> Result<PrincipalId, ServiceError> {
        Ok(self.store.find_principal(id).await?.map_or(id, |principal| principal.person()))
    }

    /// All credentials of a principal, in the order of their identifiers.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn credentials_of(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<Credential>, ServiceError> {
        let mut page = Page { after: None, limit: 1000 };
        let mut all = Vec::new();
        loop {
            let credentials = self.store.list_credentials(Some(principal), page.clone()).await?;
            let Some(last) = credentials.last().map(|credential| credential.id) else { return Ok(all) };
            page.after = Some(last);
            all.extend(credentials);
        }
    }

    /// Until when waits are known to have lasted. Whoever sets the clock of the machine forward shortens none; while the clock is in
    /// doubt, none is over.
    pub(crate) fn waited_until(&self) -> Timestamp {
        self.time.irreversible().unwrap_or_default()
    }

    /// Do the rows of all principals read as they were written?
    ///
    /// # Errors
    /// For the first that does not, and when they cannot be read.
    pub(crate) async fn check_principals(&self) -> Result<(), ServiceError> {
        let mut page = Page { after: None, limit: 1000 };
        loop {
            let principals = self.store.list_principals(page.clone()).await?;
            let Some(last) = principals.last() else { return Ok(()) };
            page.after = Some(last.name.clone());
        }
    }

    /// Which persons cannot approve it: who asks, and who gets the role, the capacity or the emergency access that it is about. Of emergency
    /// access, nor whoever could act as its holder: one person would open it for themselves, and another one would be asked in name alone.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) async fn concerned(&self, approval: &Approval) -> Result<BTreeSet<PrincipalId>, ServiceError> {
        let mut persons = BTreeSet::from([self.person_of(approval.requester).await?]);
        for one in appointed(approval) {
            persons.insert(self.person_of(one).await?);
            if approval.eligible == Eligible::Responders
                && let Some(holder) = self.store.find_principal(one).await?
            {
                persons.extend(self.makers_of(&holder, self.time.now()).await?.all());
            }
        }
        Ok(persons)
    }

    /// Who could act as somebody without being it: by person, so that nobody made an account of their own for this.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) async fn makers_of(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Makers, ServiceError> {
        let mut credentials = self.credentials_of(principal.id).await?;
        let made_by = credentials.iter().map(|one| one.created_by).chain([principal.created_by]);
        let (made_by, mut persons) = (made_by.flatten().collect::<BTreeSet<_>>(), BTreeMap::new());
        for maker in made_by {
            persons.insert(maker, self.person_of(maker).await?);
        }
        let person_of = |maker: Option<PrincipalId>| maker.and_then(|maker| persons.get(&maker).copied());
        for credential in &mut credentials {
            credential.created_by = person_of(credential.created_by);
        }
        let created_by = person_of(principal.created_by);
        let person = Principal { id: principal.person(), created_by, ..principal.clone() };
        Ok(Makers::of(&person, &credentials, now))
    }

    /// Which approvals are valid at `now`.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) async fn standing(
        &self,
        approval: &Approval,
        now: Timestamp,
    ) -> Result<Standing, ServiceError> {
        let mut persons = self.concerned(approval).await?;
        let (mut standing, waited_until) = (Standing::default(), self.waited_until());
        for decided in approval.approvers() {
            let Some(approver) = self.store.find_principal(decided.by).await? else { continue };
            let is_entitled = is_entitled(&approver, approval.eligible, waited_until);
            if !is_entitled || persons.contains(&approver.person()) {
                continue;
            }
            let proofs = self.proofs_of(decided, now).await?;
            if !proofs.is_empty() {
                persons.insert(approver.person());
                standing.take(&approver, &proofs);
            }
        }
        Ok(standing)
    }

    /// The certificate that a decision was signed by, and the one that renewed it where it has ended; nothing where neither is good.
    async fn proofs_of(&self, decided: &Decided, now: Timestamp) -> Result<Vec<Credential>, ServiceError> {
        let Some(signed_by) = self.store.find_credential(decided.credential).await? else {
            return Ok(Vec::new());
        };
        let is_good = signed_by.principal == decided.by
            && signed_by.kind == CredentialKind::Certificate
            && signed_by.status == Status::Active;
        if !is_good {
            return Ok(Vec::new());
        }
        if signed_by.is_live(now) {
            return Ok(vec![signed_by]);
        }
        let all = self.credentials_of(decided.by).await?;
        let line = Credential::line_of(&all, signed_by.id);
        let renewed = line.into_iter().find(|one| one.is_live(now)).cloned();
        Ok(renewed.map_or_else(Vec::new, |renewed| vec![signed_by, renewed]))
    }

    /// Which persons could approve such a thing now, but for these.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) async fn eligible(
        &self,
        eligible: Eligible,
        but_for: &BTreeSet<PrincipalId>,
        now: Timestamp,
    ) -> Result<BTreeSet<PrincipalId>, ServiceError> {
        let (mut persons, waited_until) = (BTreeSet::new(), self.waited_until());
        for holder in self.store.list_role_holders().await? {
            let person = holder.person();
            let is_known = but_for.contains(&person) || persons.contains(&person);
            if is_known || !is_entitled(&holder, eligible, waited_until) {
                continue;
            }
            let proves = |one: &Credential| one.kind == CredentialKind::Certificate && one.is_live(now);
            if self.credentials_of(holder.id).await?.iter().any(proves) {
                persons.insert(person);
            }
        }
        Ok(persons)
    }

    /// What somebody asked for before, if it can still be decided on and done.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) async fn open_approval(
        &self,
        requester: PrincipalId,
        asked: &Governed,
        now: Timestamp,
    ) -> Result<Option<Approval>, ServiceError> {
        let found = self.store.find_approval_by_tag(requester, &self.approval_tag(asked)).await?;
        Ok(found.filter(|approval| approval.is_open(now)))
    }

    /// What a scheduled destruction rests on that is carried out at `now`, in a ring of that policy; or what keeps it from that.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) async fn approved_destruction(
        &self,
        key: KeyId,
        destruction: Destruction,
        policy: &RingPolicy,
        now: Timestamp,
    ) -> Result<Result<Vec<Change>, DestructionBlocked>, ServiceError> {
        if policy.quorum == 0 {
            return Ok(Ok(Vec::new()));
        }
        let blocked = Ok(Err(DestructionBlocked::Quorum(policy.quorum)));
        let Some(id) = destruction.approval else { return blocked };
        let Some(approval) = self.store.find_approval(id).await? else { return blocked };
        if !is_of_destruction(&approval, key) {
            return blocked;
        }
        if !are_signed(&approval) {
            return Err(StoreError::RowAltered(Object::Approval(approval.id)).into());
        }
        let standing = self.standing(&approval, now).await?;
        if standing.approved < policy.quorum { blocked } else { Ok(Ok(standing.expected)) }
    }
}

/// Was that approved, and done: that this key is to be destroyed?
fn is_of_destruction(approval: &Approval, key: KeyId) -> bool {
    let is_done = approval.ended.is_some_and(|ended| ended.outcome == Outcome::Executed);
    let is_of_key = match Governed::decode(&approval.asked) {
        Ok(Governed::ScheduleDestroy { key: of, .. }) => of == key,
        _ => false,
    };
    is_done && approval.action == Action::ScheduleDestroy && is_of_key
}
