//! USE-06: by what principals prove who they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::declaration::deployment_of;
use claviger_audit::fact::{Object, OpenCredential, OpenPrincipal};
use claviger_core::principal::{CredentialKind, Factor, PrincipalKind, Status};
use claviger_core::{CredentialId, GrantId, KeyId, PrincipalId, Timestamp};

use super::grants::{Force, Index, in_force};
use super::is_unreadable;
use crate::check::common::count;
use crate::check::rules::{administers, uses};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting, signed_of_own_certificate};

/// What each person signs of the certificate that they call with.
const ENROLMENT: &str = "ATT-ENROLMENT";

pub(super) struct StrongIdentity {
    ledger: Ledger,
    index: Index,
    credentials: BTreeMap<PrincipalId, BTreeSet<CredentialId>>,
    /// Keys of restricted data.
    restricted: BTreeSet<KeyId>,
    /// When credentials and grants end by themselves, and whose they are.
    ends: BTreeSet<(Timestamp, PrincipalId)>,
    oldest_secret: Duration,
}

impl StrongIdentity {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            index: Index::default(),
            credentials: BTreeMap::new(),
            restricted: BTreeSet::new(),
            ends: BTreeSet::new(),
            oldest_secret: setting.days("workload_secret_days"),
        }
    }

    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let Some(principal) = estate.principals.get(&id) else { return };
        let judgement = match (principal.status, principal.kind) {
            (Status::Revoked, _) | (_, PrincipalKind::System) => Judgement::OutOfScope,
            (_, PrincipalKind::Human) => self.of_person(id, principal, at, estate),
            (_, PrincipalKind::Workload) => {
                Judgement::unknown("which application or machine stands behind it is not kept")
            }
        };
        self.ledger.judge(Object::Principal(id), at, judgement);
        let of_workload = principal.kind == PrincipalKind::Workload && principal.status == Status::Active;
        let reaches_restricted = of_workload && self.reaches_restricted(id, at, estate);
        for credential in self.credentials.get(&id).cloned().unwrap_or_default() {
            let Some(row) = estate.credentials.get(&credential) else { continue };
            let judgement = if reaches_restricted && is_secret(row.kind) && is_live(row, at) {
                self.of_secret(row)
            } else {
                Judgement::OutOfScope
            };
            self.ledger.judge(Object::Credential(credential), at, judgement);
        }
    }

    fn of_person(
        &self,
        id: PrincipalId,
        person: &OpenPrincipal,
        at: Timestamp,
        estate: &Estate,
    ) -> Judgement {
        let is_capable = !person.roles.is_empty() || self.may_act_by_grant(id, at, estate);
        let ids = self.credentials.get(&id).into_iter().flatten();
        let mut live = ids.filter_map(|id| estate.credentials.get(id)).filter(|row| is_live(row, at));
        // A code opens no session but the one in which it is redeemed.
        let opens = |row: &&OpenCredential| row.kind != CredentialKind::EnrolmentCode;
        let one_factor = live.find(|row| opens(row) && row.kind.factors().len() < 2);
        match one_factor {
            Some(row) if is_capable => Judgement::violated(format!(
                "it may administer or use keys, and a credential of kind {} alone opens its sessions: one type of factor",
                row.kind
            )),
            _ => Judgement::unknown("which person stands behind it is not kept"),
        }
    }

    fn of_secret(&self, row: &OpenCredential) -> Judgement {
        let days = self.oldest_secret.as_secs() / 86_400;
        let due = row.created_at.after(self.oldest_secret);
        // One that ends before that proves nobody any more by then.
        if row.expires_at <= due {
            return Judgement::Holds;
        }
        let why = format!(
            "a secret of kind {} authenticates a workload on restricted data for more than {days} days",
            row.kind
        );
        Judgement::HoldsUntil(due, why.into())
    }

    fn may_act_by_grant(&self, id: PrincipalId, at: Timestamp, estate: &Estate) -> bool {
        self.index.of(id).any(|grant| {
            let acts = estate.grants.get(&grant).is_some_and(|grant| {
                grant.operations.iter().any(|action| uses(*action) || administers(*action))
            });
            acts && in_force(estate, grant, at).is_on()
        })
    }

    fn reaches_restricted(&self, id: PrincipalId, at: Timestamp, estate: &Estate) -> bool {
        let covers = |grant: GrantId| {
            let Some(row) = estate.grants.get(&grant) else { return false };
            let restricted = |key| estate.class_of(key) == Some(Class::Restricted);
            match (row.key, row.ring) {
                (Some(key), _) => restricted(key),
                (None, Some(ring)) => estate.keys_of(ring).any(|(key, _)| restricted(key)),
                (None, None) => false,
            }
        };
        self.index.of(id).any(|grant| covers(grant) && in_force(estate, grant, at).is_on())
    }

    /// Judges those again, until then, of whom something ended by itself.
    fn pass(&mut self, until: Timestamp, estate: &Estate) {
        while let Some((at, id)) = self.ends.first().copied().filter(|(at, _)| *at <= until) {
            self.ends.remove(&(at, id));
            self.judge(id, at, estate);
        }
    }

    /// Does it have a credential whose age would count?
    fn has_secret(&self, id: PrincipalId, estate: &Estate) -> bool {
        let credentials = self.credentials.get(&id).into_iter().flatten();
        credentials.filter_map(|id| estate.credentials.get(id)).any(|row| is_secret(row.kind))
    }
}

fn is_live(credential: &OpenCredential, at: Timestamp) -> bool {
    credential.status == Status::Active && !credential.awaits_confirmation && at < credential.expires_at
}

/// Does it rest on a secret that both ends have? One that is good for a single call is none that could grow old.
fn is_secret(kind: CredentialKind) -> bool {
    kind != CredentialKind::EnrolmentCode
        && kind.factors().iter().any(|factor| matches!(factor, Factor::BearerSecret | Factor::SharedSecret))
}

impl Check for StrongIdentity {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.pass(event.at, estate);
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let mut touched = BTreeSet::new();
        match object {
            Object::Credential(_) | Object::Grant(_) | Object::Key(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                self.index.take(id, grant);
            }
            Object::Credential(id) => {
                let Some(row) = estate.credentials.get(&id) else { return };
                self.credentials.entry(row.principal).or_default().insert(id);
                if event.at < row.expires_at {
                    self.ends.insert((row.expires_at, row.principal));
                }
                touched.insert(row.principal);
            }
            Object::Principal(id) => {
                touched.insert(id);
            }
            // A key may become restricted, or be made in a ring that is granted.
            Object::Key(id) => {
                let is_restricted = estate.class_of(id) == Some(Class::Restricted);
                let turned =
                    if is_restricted { self.restricted.insert(id) } else { self.restricted.remove(&id) };
                if turned {
                    let holders = self.credentials.keys().copied();
                    touched.extend(holders.filter(|holder| self.has_secret(*holder, estate)));
                }
            }
            _ => return,
        }
        for id in self.index.affected_by(object) {
            let Some(grant) = estate.grants.get(&id) else { continue };
            if let Force::Until(Some(until)) = in_force(estate, id, event.at) {
                self.ends.insert((until, grant.principal));
            }
            touched.insert(grant.principal);
        }
        for id in touched {
            self.judge(id, event.at, estate);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        self.pass(to, estate);
        for id in estate.principals.keys() {
            self.judge(*id, to, estate);
        }
        let with_certificate = estate.credentials.values().filter(|row| {
            let holder = estate.principals.get(&row.principal);
            row.kind == CredentialKind::Certificate
                && is_live(row, to)
                && holder.is_some_and(|one| one.kind == PrincipalKind::Human && one.status == Status::Active)
        });
        let people: BTreeSet<_> = with_certificate.map(|row| row.principal).collect();
        let deployment = deployment_of(&end.verified.origin).unwrap_or_default();
        let statement = end.setting.catalogue.find_statement(ENROLMENT);
        let signed = statement.map(|one| signed_of_own_certificate(one, deployment, to, estate));
        let enrolled = people.intersection(&signed.unwrap_or_default()).count();
        let mut outcome = Outcome::of(self.ledger, "each person proves more than one type of factor")
            .figure("people_with_certificates", count(people.len()))
            .figure("people_who_signed_of_their_certificate", count(enrolled));
        if enrolled < people.len() {
            outcome = outcome.needs(ENROLMENT);
        }
        for kind in CredentialKind::ALL {
            let live = estate.credentials.values().filter(|row| row.kind == kind && is_live(row, to));
            outcome = outcome
                .figure(&format!("live_credentials_{kind}"), u64::try_from(live.count()).unwrap_or(u64::MAX));
        }
        outcome
            .note("a session is opened by one credential; what a credential of each kind proves is open, by which one a session was opened is sealed")
            .note("no identity is federated, and no workload can open a session of the plane of people: this release has neither")
            .note("that no credential proves two principals is kept by the store, and cannot be seen in the log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_what_both_ends_have() {
        assert!(is_secret(CredentialKind::Token) && is_secret(CredentialKind::AccessKey));
        assert!(!is_secret(CredentialKind::Certificate) && !is_secret(CredentialKind::EnrolmentCode));
    }
}
