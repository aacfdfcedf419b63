//! Who acts: principals, the credentials that prove them, and the roles they hold.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::access_key::AccessKey;
use crate::capacity::{Capacity, HeldCapacity};
use crate::name::NotAName;
use crate::reason::{Erasure, Why};
use crate::time::Timestamp;
use crate::{CredentialId, KeyRingId, Name, PrincipalId};

/// What kind of being acts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PrincipalKind {
    /// A person.
    Human,
    /// A part of Claviger itself: jobs, start-up.
    System,
    /// An application.
    Workload,
}

crate::named! {
    /// Text that is not a kind of principal.
    PrincipalKind, "a kind of principal" {
        Human = "human",
        System = "system",
        Workload = "workload",
    }
}

/// Whether a principal or credential is still valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Valid: its proofs and rights count.
    Active,
    /// Revoked, for ever.
    Revoked,
}

crate::named! {
    /// Text that is not a status.
    Status, "a status" {
        Active = "active",
        Revoked = "revoked",
    }
}

/// The roles of people. Applications have none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Makes and manages rings and keys; never uses them.
    Administrator,
    /// Reads everything that is evidence; changes nothing.
    Auditor,
    /// Approves sensitive acts.
    Custodian,
    /// Watches over the system; reads no key.
    Operator,
    /// Stops keys, grants and credentials in an incident.
    Responder,
    /// Gives and revokes rights; never uses them.
    SecurityOfficer,
}

crate::named! {
    /// Text that is not a role.
    Role, "a role" {
        Administrator = "administrator",
        Auditor = "auditor",
        Custodian = "custodian",
        Operator = "operator",
        Responder = "responder",
        SecurityOfficer = "security_officer",
    }
}

/// Someone or something that acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its identifier.
    pub id: PrincipalId,
    /// Its name, unique for ever.
    pub name: Name,
    /// What it is.
    pub kind: PrincipalKind,
    /// Whether it is still valid.
    pub status: Status,
    /// Its roles, ascending, each once.
    pub roles: Vec<Role>,
    /// Who gave which of those roles, ascending. A role without an entry came with the set-up, or from an older release.
    pub role_givers: Vec<(Role, PrincipalId)>,
    /// What it answers for, ascending, each once.
    pub capacities: Vec<HeldCapacity>,
    /// The ring that keys land in which it creates without naming one, and through protocols that know no rings.
    pub home: Option<KeyRingId>,
    /// The environment that it belongs to, such as `production`; `None` is that of the deployment.
    pub environment: Option<Name>,
    /// The account that stood for the same person first; `None` of that one itself, and of one who has no other. Fixed at creation.
    pub same_person_as: Option<PrincipalId>,
    /// The subject key under which its identity is sealed in the log, wrapped by the root: opaque to everyone but the provider.
    pub subject_key: Vec<u8>,
    /// Who created it; [`PrincipalId::SYSTEM`] for the set-up and for a recovery, `None` where an older release did not keep it.
    pub created_by: Option<PrincipalId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How it came about outside the policy, if it did.
    pub recovery: Option<Recovery>,
    /// Why its roles or its status last changed, or why it was erased.
    pub reason: Option<Why>,
    /// That who it was is erased.
    pub erasure: Option<Erasure>,
    /// Counts the writes of this row.
    pub revision: u64,
}

/// A security officer that `claviger recover` made on the machine, with the root's own secret and nobody's consent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// When it was made.
    pub at: Timestamp,
    /// Who has acknowledged it since.
    pub acknowledged_by: Option<PrincipalId>,
}

impl Recovery {
    /// How long whoever is there can stop it, before it counts beside others.
    pub const WAIT: Duration = Duration::from_secs(72 * 3_600);
}

impl Principal {
    /// A principal without rights, before its first write.
    #[must_use]
    pub const fn new(id: PrincipalId, name: Name, kind: PrincipalKind, created_at: Timestamp) -> Self {
        Self {
            id,
            name,
            kind,
            status: Status::Active,
            roles: Vec::new(),
            role_givers: Vec::new(),
            capacities: Vec::new(),
            home: None,
            environment: None,
            same_person_as: None,
            subject_key: Vec::new(),
            created_by: None,
            created_at,
            recovery: None,
            reason: None,
            erasure: None,
            revision: 0,
        }
    }

    /// Who it stands for, by the account that stood for them first: the same of all accounts of one person.
    #[must_use]
    pub fn person(&self) -> PrincipalId {
        self.same_person_as.unwrap_or(self.id)
    }

    /// The same with one more role.
    #[must_use]
    pub fn with_role(mut self, role: Role, giver: PrincipalId) -> Self {
        self.roles.push(role);
        self.roles.sort();
        self.role_givers.push((role, giver));
        self.role_givers.sort();
        self
    }

    /// The same without a role.
    #[must_use]
    pub fn without_role(mut self, role: Role) -> Self {
        self.roles.retain(|held| *held != role);
        self.role_givers.retain(|(held, _)| *held != role);
        self
    }

    /// Does it answer for that?
    #[must_use]
    pub fn holds(&self, capacity: Capacity) -> bool {
        self.capacities.iter().any(|held| held.capacity == capacity)
    }

    /// The same with one more capacity.
    #[must_use]
    pub fn with_capacity(mut self, capacity: Capacity, given_by: PrincipalId) -> Self {
        self.capacities.push(HeldCapacity { capacity, given_by });
        self.capacities.sort();
        self
    }

    /// The same without a capacity.
    #[must_use]
    pub fn without_capacity(mut self, capacity: Capacity) -> Self {
        self.capacities.retain(|held| held.capacity != capacity);
        self
    }

    /// What the names of erased principals begin with. Nobody else gets such a name.
    pub const ERASED: &str = "erased-";

    /// What is left of it once who it was is erased: a name of its identifier, and no key under which its identity is sealed.
    ///
    /// # Errors
    /// [`NotAName`], which an identifier never gives.
    pub fn erased(self, erasure: Erasure, reason: Option<Why>) -> Result<Self, NotAName> {
        let name = format!("{}{}", Self::ERASED, self.id).parse()?;
        Ok(Self { name, subject_key: Vec::new(), erasure: Some(erasure), reason, ..self })
    }

    /// Does what it says count beside others? Who came about by a recovery that nobody acknowledged waits, so that whoever is there can
    /// revoke them first.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> bool {
        match self.recovery {
            Some(Recovery { at, acknowledged_by: None }) => at.after(Recovery::WAIT) <= now,
            Some(_) | None => true,
        }
    }

    /// Is it a security officer made by a recovery that nobody else has acknowledged?
    #[must_use]
    pub const fn awaits_acknowledgement(&self) -> bool {
        matches!(self.recovery, Some(Recovery { acknowledged_by: None, .. }))
    }
}

/// What proves a principal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum CredentialKind {
    /// An access key, whose secret signs requests and is never sent.
    AccessKey,
    /// An X.509 certificate, presented in the TLS handshake.
    Certificate,
    /// A code that its owner redeems once, for a certificate for a key of their own, and that does nothing else. Kept as a digest.
    EnrolmentCode,
    /// A bearer token, kept as a digest.
    Token,
}

crate::named! {
    /// Text that is not a kind of credential.
    CredentialKind, "a kind of credential" {
        AccessKey = "access_key",
        Certificate = "certificate",
        EnrolmentCode = "enrolment_code",
        Token = "token",
    }
}

/// Of what kind a proof is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Factor {
    /// A secret that is sent: whoever hears it has it.
    BearerSecret,
    /// A private key that never leaves its holder, proved to be there.
    ProofOfKey,
    /// A secret that both ends have and nobody sends.
    SharedSecret,
}

crate::named! {
    /// Text that is not a factor.
    Factor, "a factor" {
        BearerSecret = "bearer_secret",
        ProofOfKey = "proof_of_key",
        SharedSecret = "shared_secret",
    }
}

impl CredentialKind {
    /// What one shows who proves a principal by a credential of this kind.
    #[must_use]
    pub const fn factors(self) -> &'static [Factor] {
        match self {
            Self::AccessKey => &[Factor::SharedSecret],
            Self::Certificate => &[Factor::ProofOfKey],
            Self::EnrolmentCode | Self::Token => &[Factor::BearerSecret],
        }
    }
}

/// One proof of a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its identifier.
    pub id: CredentialId,
    /// Whom it proves.
    pub principal: PrincipalId,
    /// What it is.
    pub kind: CredentialKind,
    /// SHA-256 of the certificate (DER), of the token, or of the access key's identifier under a label of its own: what is
    /// looked up. The token itself is kept nowhere.
    pub digest: [u8; 32],
    /// What is kept of an access key; of nothing else.
    pub access_key: Option<AccessKey>,
    /// A word that distinguishes it from others.
    pub label: Name,
    /// Whether it is still valid.
    pub status: Status,
    /// Who made it, and so may have kept its secret; as in [`Principal::created_by`]. Of one that its holder renewed, who made the
    /// first: whoever kept the secret of that one could renew it as well.
    pub created_by: Option<PrincipalId>,
    /// The one that its holder renewed by it, or the code that was redeemed for it.
    pub renews: Option<CredentialId>,
    /// Does it prove nothing yet, because its holder has not confirmed it by another one?
    pub awaits_confirmation: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Why it was revoked.
    pub reason: Option<Why>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Credential {
    /// Does it prove its principal at `now`, as far as the credential itself says?
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status == Status::Active && !self.awaits_confirmation && now < self.expires_at
    }

    /// From when on its holder can renew it: the last third of its life.
    #[must_use]
    pub fn renewable_from(&self) -> Timestamp {
        let life = self.expires_at.since(self.created_at);
        self.created_at.after(life - life / 3)
    }

    /// Of `all` credentials of a principal, those that are one line with `id`: what it was renewed from, what was renewed from it,
    /// and so on, itself included. In the order of `all`.
    #[must_use]
    pub fn line_of(all: &[Self], id: CredentialId) -> Vec<&Self> {
        let mut line = BTreeSet::from([id]);
        let mut grew = true;
        while grew {
            grew = false;
            for credential in all {
                let Some(renewed) = credential.renews else { continue };
                if line.contains(&credential.id) != line.contains(&renewed) {
                    line.extend([credential.id, renewed]);
                    grew = true;
                }
            }
        }
        all.iter().filter(|credential| line.contains(&credential.id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row as _;

    fn credential(number: u8, renews: Option<u8>) -> Credential {
        let id = |number: u8| CredentialId::from_bytes([number; 16]);
        Credential {
            id: id(number),
            principal: PrincipalId::from_bytes([7; 16]),
            kind: CredentialKind::Token,
            digest: [number; 32],
            access_key: None,
            label: "laptop".parse().unwrap(),
            status: Status::Active,
            created_by: None,
            renews: renews.map(id),
            awaits_confirmation: false,
            created_at: Timestamp::from_micros(300),
            expires_at: Timestamp::from_micros(1200),
            reason: None,
            revision: 1,
        }
    }

    fn account(number: u8, same_person_as: Option<u8>) -> Principal {
        let id = |number: u8| PrincipalId::from_bytes([number; 16]);
        let name = format!("account-{number}").parse().unwrap();
        let made = Principal::new(id(number), name, PrincipalKind::Human, Timestamp::from_micros(1));
        Principal { same_person_as: same_person_as.map(id), ..made }
    }

    #[test]
    fn accounts_of_one_person_are_known_by_the_first() {
        let (first, second, third, other) =
            (account(1, None), account(2, Some(1)), account(3, Some(1)), account(4, None));
        assert_eq!((first.person(), third.person()), (first.id, second.person()));
        assert_ne!(first.person(), other.person());
    }

    #[test]
    fn whose_account_it_is_is_fixed_and_no_account_refers_to_itself() {
        let second = account(2, Some(1));
        assert!(second.check().is_ok() && account(1, None).check().is_ok());
        assert!(account(2, Some(2)).check().is_err());
        let workload = Principal { kind: PrincipalKind::Workload, ..second.clone() };
        assert!(workload.check().is_err());
        assert!(second.follows(&second));
        for other in [None, Some(3)] {
            assert!(!account(2, other).follows(&second) && !second.follows(&account(2, other)));
        }
    }

    #[test]
    fn only_persons_answer_for_something_and_others_say_so() {
        let (person, officer) = (account(2, None), PrincipalId::from_bytes([9; 16]));
        let with = |one: Principal, capacity| one.with_capacity(capacity, officer);
        let held = with(with(person.clone(), Capacity::Dpo), Capacity::Ciso);
        assert!(held.holds(Capacity::Dpo) && held.holds(Capacity::Ciso) && !held.holds(Capacity::Executive));
        assert_eq!(held.check(), Ok(()));
        assert!(held.follows(&person) && person.follows(&held), "they are given and withdrawn");
        let without = held.clone().without_capacity(Capacity::Dpo);
        assert!(!without.holds(Capacity::Dpo) && without.holds(Capacity::Ciso) && without.check().is_ok());
        let mut down = held.clone();
        down.capacities.reverse();
        let twice = held.clone().with_capacity(Capacity::Ciso, PrincipalId::from_bytes([8; 16]));
        let own = person.clone().with_capacity(Capacity::Ciso, person.id);
        let workload = Principal { kind: PrincipalKind::Workload, ..held };
        for wrong in [down, twice, own, workload] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_awaits_its_confirmation_proves_nothing_and_is_confirmed_for_good() {
        let confirmed = credential(1, None);
        let awaiting = Credential { awaits_confirmation: true, ..confirmed.clone() };
        let now = Timestamp::from_micros(400);
        assert!(confirmed.is_live(now) && !awaiting.is_live(now));
        assert!(confirmed.follows(&awaiting) && awaiting.follows(&awaiting) && confirmed.follows(&confirmed));
        assert!(!awaiting.follows(&confirmed));
    }

    #[test]
    fn a_credential_is_renewed_in_the_last_third_of_its_life() {
        assert_eq!(credential(1, None).renewable_from(), Timestamp::from_micros(900));
        let brief = Credential { expires_at: Timestamp::from_micros(302), ..credential(1, None) };
        assert_eq!(brief.renewable_from(), Timestamp::from_micros(301));
        let over = Credential { expires_at: Timestamp::from_micros(0), ..credential(1, None) };
        assert_eq!(over.renewable_from(), over.created_at);
    }

    #[test]
    fn a_line_is_what_renewed_each_other_whatever_the_order() {
        let mut all = vec![
            credential(1, None),
            credential(2, Some(1)),
            credential(3, Some(2)),
            credential(4, Some(2)),
            credential(5, None),
            credential(6, Some(5)),
        ];
        for _ in 0..all.len() {
            all.rotate_left(1);
            for (of, line) in [(1, 1..=4), (3, 1..=4), (4, 1..=4), (5, 5..=6), (6, 5..=6)] {
                let found = Credential::line_of(&all, credential(of, None).id);
                let mut found: Vec<_> = found.into_iter().map(|one| one.digest[0]).collect();
                found.sort_unstable();
                assert_eq!(found, line.collect::<Vec<_>>(), "of {of}");
            }
        }
    }
}
