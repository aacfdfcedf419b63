//! What people declared and signed, as far as it counts: parameters that are in force, and statements that are good.
//!
//! What it keeps true:
//! * a parameter is in force from when it was declared on, whatever instant it names. One that changed within a period decides nothing of
//!   the whole of it: nobody has what was late yesterday be on time;
//! * a value that its parameter does not take is not taken, so that no word turns a limit off; that it is there is said;
//! * a statement counts only if its signature is verified here, for this deployment and for the catalogue's text, if it was declared when it
//!   was signed, and if who signed it was a person of this deployment with a certificate, who held a role or a capacity that is asked for it then. One that is
//!   asked of somebody whom neither names (the owner of a network) is kept and decides nothing. Whether it is true, nothing shows;
//! * what there must be one of for each key or asset counts once each of them has one, by somebody who is asked about that very one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::declaration::is_signed;
use claviger_audit::fact::{Object, OpenDeclaration};
use claviger_core::declaration::{Attestation, Declared};
use claviger_core::principal::{CredentialKind, PrincipalKind, Status};
use claviger_core::{DeclarationId, PrincipalId, Timestamp};

use super::estate::Estate;
use super::result::Period;
use super::setting;
use crate::{Catalogue, Statement};

/// What is declared of parameters.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// Those that are another value than the default at the end of the period.
    pub(super) declared: setting::Declared,
    /// Those that were another value within the period, each with the instant from which on it is what it is.
    pub(super) changed: BTreeMap<String, Timestamp>,
    /// Values that stand at the end of the period, and that their parameters do not take.
    pub(super) refused: setting::Declared,
}

/// A value, in the order in which one takes the place of another: of those that begin together the one that was declared later.
type Value<'a> = (Timestamp, Timestamp, DeclarationId, &'a str);

/// The parameters of a period, as they were declared and withdrawn.
pub(super) fn parameters(catalogue: &Catalogue, estate: &Estate, period: Period) -> Parameters {
    let mut parameters = Parameters::default();
    // Of each name, what begins and what ends, by the instant.
    let mut steps = BTreeMap::<&str, BTreeMap<Timestamp, Vec<(Value<'_>, bool)>>>::new();
    for (id, declaration) in &estate.declarations {
        let Declared::Parameter(parameter) = &declaration.declared else { continue };
        let (name, value) = (parameter.name.as_str(), parameter.value.as_str());
        let begins = parameter.effective_from.max(declaration.declared_at);
        let never = declaration.withdrawn_at.is_some_and(|ends| ends <= begins);
        let Some(known) = catalogue.find_parameter(name).filter(|_| !never) else { continue };
        if !known.takes(value) {
            if begins <= period.to && !is_withdrawn(declaration, period.to) {
                parameters.refused.insert(name.to_owned(), value.to_owned());
            }
            continue;
        }
        let said = (begins, declaration.declared_at, *id, value);
        let of_name = steps.entry(name).or_default();
        of_name.entry(begins).or_default().push((said, true));
        if let Some(ends) = declaration.withdrawn_at {
            of_name.entry(ends).or_default().push((said, false));
        }
    }
    for (name, steps) in &steps {
        let default = catalogue.find_parameter(name).map_or("", |known| known.default.as_str());
        let (mut standing, mut value, mut since) = (BTreeSet::new(), default, None);
        for (at, steps) in steps.range(..=period.to) {
            for (said, begins) in steps {
                if *begins {
                    standing.insert(*said);
                } else {
                    standing.remove(said);
                }
            }
            let now = standing.last().map_or(default, |(.., value)| *value);
            if now != value {
                (value, since) = (now, Some(*at));
            }
        }
        if value != default {
            parameters.declared.insert((*name).to_owned(), value.to_owned());
        }
        if let Some(since) = since.filter(|since| *since > period.from) {
            parameters.changed.insert((*name).to_owned(), since);
        }
    }
    parameters
}

fn is_withdrawn(declaration: &OpenDeclaration, at: Timestamp) -> bool {
    declaration.withdrawn_at.is_some_and(|withdrawn_at| withdrawn_at <= at)
}

/// Statements that were signed as their catalogue asks for, by name, each with who signed it and when.
#[derive(Debug, Default)]
pub(super) struct Signed {
    /// By somebody who held a role or a capacity that is asked.
    pub(super) good: BTreeMap<String, String>,
    /// By somebody of whom nothing shows whether it is who is asked, or about some things of many. They decide nothing.
    pub(super) open: BTreeMap<String, String>,
}

/// Those for the whole of a deployment at an instant.
pub(super) fn statements(catalogue: &Catalogue, estate: &Estate, deployment: &str, at: Timestamp) -> Signed {
    let mut signed = of_each(catalogue, estate, deployment, at);
    for (id, declaration) in &estate.declarations {
        let Declared::Attestation(attestation) = &declaration.declared else { continue };
        let claim = &attestation.claim;
        let Some(statement) = catalogue.find_statement(claim.statement.as_str()) else { continue };
        if signed.good.contains_key(&statement.id) || claim.deployment.as_str() != deployment {
            continue;
        }
        if counts(statement, attestation, declaration, estate, at) {
            let (by, signed_at) = (declaration.declared_by, shown(claim.signed_at));
            let note = format!("{} was signed by principal {by} at {signed_at}", statement.id);
            if let Some(as_what) = estate.asked_as(statement, *id, None) {
                signed.good.insert(statement.id.clone(), format!("{note}, as {as_what}"));
            } else {
                let asked = format!("it is asked of: {}", statement.signer);
                let note = format!(
                    "{note}; {asked}; no fact shows that who signed is that, so that it decides nothing"
                );
                signed.open.insert(statement.id.clone(), note);
            }
        }
    }
    signed
}

/// Those that there must be one of for each key, or for each asset.
fn of_each(catalogue: &Catalogue, estate: &Estate, deployment: &str, at: Timestamp) -> Signed {
    let mut signed = Signed::default();
    for statement in catalogue.statements() {
        let all: Vec<_> = match statement.each.as_deref() {
            Some("data asset") => estate.assets.keys().copied().map(Object::Asset).collect(),
            Some("key") => {
                let live = estate.keys.iter().filter(|(_, key)| !key.state.is_destroyed());
                live.map(|(id, _)| Object::Key(*id)).collect()
            }
            _ => continue,
        };
        let about = SignedAbout::of(statement, deployment, at, estate);
        let have = all.iter().filter(|object| about.is_about(**object)).count();
        let each = statement.each.as_deref().unwrap_or_default();
        let note = format!("{} was signed for {have} of {} of this: {each}", statement.id, all.len());
        if have > 0 && have == all.len() {
            signed.good.insert(statement.id.clone(), note);
        } else if have > 0 {
            signed.open.insert(statement.id.clone(), note);
        }
    }
    signed
}

/// Who has signed a statement about single objects, and was asked to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SignedAbout {
    /// Of each, when who signed about it last.
    signers: BTreeMap<Object, BTreeMap<PrincipalId, Timestamp>>,
}

impl SignedAbout {
    /// Those for a deployment that are good at an instant.
    pub(crate) fn of(statement: &Statement, deployment: &str, at: Timestamp, estate: &Estate) -> Self {
        let mut signed = Self::default();
        for (id, declaration) in &estate.declarations {
            let Declared::Attestation(attestation) = &declaration.declared else { continue };
            let claim = &attestation.claim;
            let is_it = claim.statement.as_str() == statement.id && claim.deployment.as_str() == deployment;
            if claim.scope.is_empty() || !is_it || !is_good(statement, attestation, declaration, estate, at) {
                continue;
            }
            for object in &claim.scope {
                if estate.asked_as(statement, *id, Some(*object)).is_some() {
                    let of_object = signed.signers.entry(*object).or_default();
                    let last = of_object.entry(declaration.declared_by).or_insert(claim.signed_at);
                    *last = claim.signed_at.max(*last);
                }
            }
        }
        signed
    }

    /// Has anybody signed about it?
    pub(crate) fn is_about(&self, object: Object) -> bool {
        self.signers.contains_key(&object)
    }

    /// Who has signed about it since then.
    pub(crate) fn signers(&self, object: Object, since: Timestamp) -> impl Iterator<Item = PrincipalId> {
        let all = self.signers.get(&object).into_iter().flatten();
        all.filter(move |(_, at)| since <= **at).map(|(signer, _)| *signer)
    }
}

/// The people who have signed a statement about the certificate that they signed it by.
pub(crate) fn signed_of_own_certificate(
    statement: &Statement,
    deployment: &str,
    at: Timestamp,
    estate: &Estate,
) -> BTreeSet<PrincipalId> {
    let signed = estate.declarations.values().filter_map(|declaration| {
        let Declared::Attestation(attestation) = &declaration.declared else { return None };
        let claim = &attestation.claim;
        let is_it = claim.statement.as_str() == statement.id
            && claim.deployment.as_str() == deployment
            && claim.scope == [Object::Credential(attestation.credential)];
        let is_good = is_it && is_good(statement, attestation, declaration, estate, at);
        is_good.then_some(declaration.declared_by)
    });
    signed.collect()
}

pub(super) fn shown(at: Timestamp) -> String {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn counts(
    statement: &Statement,
    attestation: &Attestation,
    declaration: &OpenDeclaration,
    estate: &Estate,
    at: Timestamp,
) -> bool {
    // One that must be there for each of several things, and one about some objects alone, say nothing of all.
    let is_of_all = statement.each.is_none() && attestation.claim.scope.is_empty();
    is_of_all && is_good(statement, attestation, declaration, estate, at)
}

/// Is it good at an instant, whatever it is about, and is who signed it a person of this deployment still?
fn is_good(
    statement: &Statement,
    attestation: &Attestation,
    declaration: &OpenDeclaration,
    estate: &Estate,
    at: Timestamp,
) -> bool {
    let claim = &attestation.claim;
    let until = claim.valid_until.min(claim.signed_at.after(statement.validity()));
    let person = estate.principals.get(&declaration.declared_by);
    claim.signed_at <= at
        && declaration.declared_at <= at
        && at <= until
        && !is_withdrawn(declaration, at)
        && person.is_some_and(|person| person.kind == PrincipalKind::Human && person.status == Status::Active)
        && was_signed(statement, attestation, declaration, estate)
}

/// Was it signed when it was declared, with the text of the catalogue, by the certificate of who declared it?
fn was_signed(
    statement: &Statement,
    attestation: &Attestation,
    declaration: &OpenDeclaration,
    estate: &Estate,
) -> bool {
    let credential = estate.credentials.get(&attestation.credential);
    attestation.claim.statement_digest == statement.digest()
        && attestation.is_signed_about(declaration.declared_at)
        && credential.is_some_and(|credential| {
            credential.kind == CredentialKind::Certificate
                && credential.principal == declaration.declared_by
                && credential.created_at <= declaration.declared_at
                && declaration.declared_at <= credential.expires_at
        })
        && is_signed(attestation)
}

/// Who has signed a statement that each of several people signs for themselves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SignedByEach {
    /// When each did first.
    pub(crate) first: BTreeMap<PrincipalId, Timestamp>,
    /// Of whom there is one that is good.
    pub(crate) good: BTreeSet<PrincipalId>,
}

impl SignedByEach {
    /// Those for a deployment at an instant, signed so long before it at most. One is about whoever signs it, or about nothing alone.
    pub(crate) fn of(
        statement: &Statement,
        deployment: &str,
        (at, most): (Timestamp, Duration),
        estate: &Estate,
    ) -> Self {
        let mut signed = Self::default();
        for declaration in estate.declarations.values() {
            let Declared::Attestation(attestation) = &declaration.declared else { continue };
            let (claim, by) = (&attestation.claim, declaration.declared_by);
            let is_own = claim.scope.is_empty() || claim.scope == [Object::Principal(by)];
            let is_it = claim.statement.as_str() == statement.id && claim.deployment.as_str() == deployment;
            if !is_it || !is_own || !was_signed(statement, attestation, declaration, estate) {
                continue;
            }
            let first = signed.first.entry(by).or_insert(declaration.declared_at);
            *first = declaration.declared_at.min(*first);
            if at.since(claim.signed_at) <= most && is_good(statement, attestation, declaration, estate, at) {
                signed.good.insert(by);
            }
        }
        signed
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::declaration::signed_bytes;
    use claviger_audit::fact::{OpenAsset, OpenCredential, OpenPrincipal, OpenRow};
    use claviger_core::capacity::{Capacity, HeldCapacity};
    use claviger_core::declaration::{Claim, Parameter, SigningMethod};
    use claviger_core::key::DataClass;
    use claviger_core::principal::Role;
    use claviger_core::{AssetId, CredentialId, Purpose, Spec};
    use claviger_crypto::random::ModuleRandom;
    use claviger_crypto::{Message, ReadyKey, SignatureAlgorithm, generate};

    use super::*;

    const SIGNER: PrincipalId = PrincipalId::from_bytes([1; 16]);
    const CARD: CredentialId = CredentialId::from_bytes([2; 16]);
    const DAY: u64 = 86_400;

    const fn at(days: u64) -> Timestamp {
        Timestamp::from_micros(days * DAY * 1_000_000)
    }

    fn put(estate: &mut Estate, number: u8, declared: Declared, declared_at: Timestamp) {
        let row = OpenDeclaration { declared, declared_by: SIGNER, declared_at, withdrawn_at: None };
        let object = Object::Declaration(DeclarationId::from_bytes([number; 16]));
        estate.put(object, Some(OpenRow::Declaration(Box::new(row))));
    }

    fn withdraw(estate: &mut Estate, number: u8, withdrawn_at: Timestamp) {
        let declaration = estate.declarations.get_mut(&DeclarationId::from_bytes([number; 16])).unwrap();
        declaration.withdrawn_at = Some(withdrawn_at);
    }

    fn parameter(value: &str, effective_from: Timestamp) -> Declared {
        let (name, value) = ("access_review_days".parse().unwrap(), value.parse().unwrap());
        Declared::Parameter(Parameter { name, value, effective_from })
    }

    fn period(from: u64, to: u64) -> Period {
        Period { from: at(from), to: at(to) }
    }

    #[test]
    fn the_newest_parameter_that_has_begun_is_in_force() {
        let catalogue = Catalogue::load().unwrap();
        let mut estate = Estate::default();
        let value = |estate: &Estate, day: u64| {
            parameters(&catalogue, estate, period(day, day)).declared.get("access_review_days").cloned()
        };
        assert_eq!(value(&estate, 100), None);
        put(&mut estate, 1, parameter("90", at(10)), at(5));
        put(&mut estate, 2, parameter("60", at(30)), at(6));
        // It names an instant long ago, and is in force from when it was declared on.
        put(&mut estate, 3, parameter("30", at(0)), at(50));
        for (day, expected) in
            [(9, None), (10, Some("90")), (29, Some("90")), (30, Some("60")), (50, Some("30"))]
        {
            assert_eq!(value(&estate, day).as_deref(), expected, "day {day}");
        }
        withdraw(&mut estate, 3, at(60));
        assert_eq!(value(&estate, 59).as_deref(), Some("30"));
        assert_eq!(value(&estate, 60).as_deref(), Some("60"));
        // The default, said again, is no other value.
        put(&mut estate, 4, parameter("180", at(70)), at(70));
        assert_eq!(value(&estate, 70), None);
        // What was withdrawn before its begin never began.
        put(&mut estate, 5, parameter("20", at(90)), at(80));
        withdraw(&mut estate, 5, at(85));
        assert_eq!(value(&estate, 95), None);
    }

    #[test]
    fn a_period_in_which_a_parameter_changed_is_known() {
        let catalogue = Catalogue::load().unwrap();
        let mut estate = Estate::default();
        put(&mut estate, 1, parameter("90", at(0)), at(10));
        // The same again is no change, and neither is what is not in force any more.
        put(&mut estate, 2, parameter("90", at(20)), at(20));
        withdraw(&mut estate, 1, at(25));
        put(&mut estate, 3, parameter("60", at(30)), at(30));
        withdraw(&mut estate, 3, at(40));
        let changed = |from: u64, to: u64| {
            parameters(&catalogue, &estate, period(from, to)).changed.get("access_review_days").copied()
        };
        for (from, to, expected) in [
            (0, 9, None),
            (0, 10, Some(at(10))),
            (10, 29, None),
            (0, 29, Some(at(10))),
            (10, 30, Some(at(30))),
            (10, 50, Some(at(40))),
            (40, 50, None),
        ] {
            assert_eq!(changed(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn a_value_that_the_parameter_does_not_take_is_said_and_not_taken() {
        let catalogue = Catalogue::load().unwrap();
        let mut estate = Estate::default();
        put(&mut estate, 1, parameter("never", at(5)), at(5));
        let found = |estate: &Estate, day: u64| {
            let Parameters { declared, changed, refused } = parameters(&catalogue, estate, period(0, day));
            assert!(declared.is_empty() && changed.is_empty());
            refused.get("access_review_days").cloned()
        };
        assert_eq!((found(&estate, 4), found(&estate, 5).as_deref()), (None, Some("never")));
        withdraw(&mut estate, 1, at(8));
        assert_eq!(found(&estate, 8), None);
    }

    /// An estate with a person and a certificate, and a statement about a module that was signed on day 10 until day 90.
    fn signed(edit: impl FnOnce(&mut Claim)) -> (Estate, Attestation) {
        let catalogue = Catalogue::load().unwrap();
        let material = generate(Spec::Ed25519, &mut ModuleRandom).unwrap();
        let key = ReadyKey::for_purpose(Spec::Ed25519, Purpose::Sign, &material.secret).unwrap();
        let mut claim = Claim {
            deployment: "shop".parse().unwrap(),
            statement: "ATT-MODULE-CERT".parse().unwrap(),
            statement_digest: catalogue.find_statement("ATT-MODULE-CERT").unwrap().digest(),
            scope: Vec::new(),
            signed_at: at(10),
            valid_until: at(90),
            evidence: Vec::new(),
            public_key: key.public_key().unwrap().to_vec(),
        };
        edit(&mut claim);
        let message = signed_bytes(&claim);
        let signature = key.sign(SignatureAlgorithm::Ed25519, Message::Raw(&message)).unwrap();
        let attestation = Attestation { claim, credential: CARD, method: SigningMethod::Ed25519, signature };
        let mut estate = Estate::default();
        let person = OpenPrincipal {
            kind: PrincipalKind::Human,
            status: Status::Active,
            roles: vec![Role::Auditor],
            created_by: None,
            created_at: at(0),
            recovered_at: None,
            acknowledged_by: None,
            erased_at: None,
            environment: None,
            same_person_as: None,
            capacities: Vec::new(),
        };
        let card = OpenCredential {
            principal: SIGNER,
            kind: CredentialKind::Certificate,
            status: Status::Active,
            created_by: None,
            created_at: at(1),
            expires_at: at(90),
            renews: None,
            awaits_confirmation: false,
        };
        estate.put(Object::Principal(SIGNER), Some(OpenRow::Principal(person)));
        estate.put(Object::Credential(CARD), Some(OpenRow::Credential(card)));
        let declared = Declared::Attestation(Box::new(attestation.clone()));
        put(&mut estate, 1, declared, attestation.claim.signed_at);
        (estate, attestation)
    }

    fn is_good(estate: &Estate, day: u64) -> bool {
        let catalogue = Catalogue::load().unwrap();
        statements(&catalogue, estate, "shop", at(day)).good.contains_key("ATT-MODULE-CERT")
    }

    #[test]
    fn a_statement_is_good_from_its_signature_to_its_end_and_while_it_stands() {
        let (mut estate, _) = signed(|_| {});
        for (day, expected) in [(9, false), (10, true), (89, true), (90, true), (91, false)] {
            assert_eq!(is_good(&estate, day), expected, "day {day}");
        }
        withdraw(&mut estate, 1, at(50));
        assert!(is_good(&estate, 49) && !is_good(&estate, 50));
        // However long it says that it is good, the catalogue says how long such a one is.
        let (estate, _) = signed(|claim| claim.valid_until = at(4000));
        assert!(is_good(&estate, 100) && !is_good(&estate, 101));
    }

    #[test]
    fn another_text_scope_deployment_instant_and_signature_do_not_count() {
        let digest = signed(|claim| claim.statement_digest = [9; 32]).0;
        let unknown = signed(|claim| claim.statement = "ATT-OTHER".parse().unwrap()).0;
        let narrow = signed(|claim| claim.scope = vec![Object::Principal(SIGNER)]).0;
        let elsewhere = signed(|claim| claim.deployment = "another".parse().unwrap()).0;
        assert!([digest, unknown, narrow, elsewhere].iter().all(|estate| !is_good(estate, 20)));
        let (mut estate, attestation) = signed(|_| {});
        let edited = |edit: &dyn Fn(&mut Attestation)| {
            let mut edited = attestation.clone();
            edit(&mut edited);
            Declared::Attestation(Box::new(edited))
        };
        put(&mut estate, 1, edited(&|one| one.signature[0] ^= 1), at(10));
        assert!(!is_good(&estate, 20));
        put(&mut estate, 1, edited(&|one| one.claim.valid_until = at(80)), at(10));
        assert!(!is_good(&estate, 20));
        // One that was signed long before, and may have been withdrawn.
        put(&mut estate, 1, edited(&|_| {}), at(11));
        assert!(!is_good(&estate, 20));
        put(&mut estate, 1, edited(&|_| {}), at(10));
        assert!(is_good(&estate, 20));
    }

    #[test]
    fn a_signer_who_is_none_any_more_or_had_another_credential_does_not_count() {
        let edits: [fn(&mut Estate); 5] = [
            |estate| estate.principals.get_mut(&SIGNER).unwrap().status = Status::Revoked,
            |estate| estate.principals.get_mut(&SIGNER).unwrap().kind = PrincipalKind::Workload,
            |estate| estate.credentials.get_mut(&CARD).unwrap().kind = CredentialKind::Token,
            |estate| estate.credentials.get_mut(&CARD).unwrap().principal = PrincipalId::from_bytes([7; 16]),
            |estate| estate.credentials.get_mut(&CARD).unwrap().expires_at = at(9),
        ];
        for edit in edits {
            let (mut estate, _) = signed(|_| {});
            edit(&mut estate);
            assert!(!is_good(&estate, 20));
        }
    }

    #[test]
    fn what_is_asked_of_each_is_not_answered_by_one() {
        let catalogue = Catalogue::load().unwrap();
        let of_each = catalogue.find_statement("ATT-CUSTODIAN-ACK").unwrap();
        assert!(of_each.each.is_some());
        let (estate, _) = signed(|claim| {
            claim.statement = of_each.id.parse().unwrap();
            claim.statement_digest = of_each.digest();
        });
        let signed = statements(&catalogue, &estate, "shop", at(20));
        assert!(signed.good.is_empty() && signed.open.is_empty());
    }

    #[test]
    fn what_each_signs_for_themselves_is_theirs_from_then_on_and_good_until_its_end() {
        let catalogue = Catalogue::load().unwrap();
        let of_each = catalogue.find_statement("ATT-CUSTODIAN-ACK").unwrap();
        let acknowledged = |scope: Vec<Object>| {
            signed(|claim| {
                claim.statement = of_each.id.parse().unwrap();
                claim.statement_digest = of_each.digest();
                claim.scope = scope;
            })
            .0
        };
        let by_each = |estate: &Estate, day: u64, most: u64| {
            let most = Duration::from_secs(most * DAY);
            SignedByEach::of(of_each, "shop", (at(day), most), estate)
        };
        let [signer, other] = [SIGNER, PrincipalId::from_bytes([7; 16])].map(Object::Principal);
        for (scope, is_own) in [(vec![], true), (vec![signer], true), (vec![other], false)] {
            let found = by_each(&acknowledged(scope), 20, 365);
            assert_eq!(found.first.get(&SIGNER).copied(), is_own.then_some(at(10)));
            assert_eq!(found.good.contains(&SIGNER), is_own);
        }
        let mut estate = acknowledged(Vec::new());
        assert!(by_each(&estate, 40, 20).good.is_empty() && by_each(&estate, 91, 365).good.is_empty());
        assert!(SignedByEach::of(of_each, "another", (at(20), Duration::MAX), &estate).first.is_empty());
        withdraw(&mut estate, 1, at(15));
        let found = by_each(&estate, 20, 365);
        assert_eq!((found.first.len(), found.good.len()), (1, 0), "it was signed, and is not any more");
    }

    #[test]
    fn a_statement_counts_where_its_signer_held_a_capacity_that_is_asked_when_it_was_signed() {
        let catalogue = Catalogue::load().unwrap();
        let policy = catalogue.find_statement("ATT-POLICY").unwrap();
        let again = |capacities: &[Capacity], later: &[Capacity]| {
            let (mut estate, attestation) = signed(|claim| {
                claim.statement = policy.id.parse().unwrap();
                claim.statement_digest = policy.digest();
            });
            let held = |capacities: &[Capacity]| {
                let given_by = PrincipalId::from_bytes([5; 16]);
                capacities.iter().map(|one| HeldCapacity { capacity: *one, given_by }).collect::<Vec<_>>()
            };
            estate.principals.get_mut(&SIGNER).unwrap().capacities = held(capacities);
            put(&mut estate, 2, Declared::Attestation(Box::new(attestation)), at(10));
            estate.principals.get_mut(&SIGNER).unwrap().capacities = held(later);
            statements(&catalogue, &estate, "shop", at(20)).good.get("ATT-POLICY").cloned()
        };
        assert!(again(&[Capacity::Executive], &[]).unwrap().ends_with(", as executive"));
        assert_eq!(again(&[], &[Capacity::Executive]), None);
        assert_eq!(again(&[Capacity::Ciso, Capacity::Dpo], &[Capacity::Executive]), None);
    }

    #[test]
    fn what_is_asked_for_each_asset_counts_once_the_owner_of_each_has_signed_about_it() {
        let catalogue = Catalogue::load().unwrap();
        let counts = catalogue.find_statement("ATT-ASSET-COUNTS").unwrap();
        let [one, other] = [1, 2].map(|number| AssetId::from_bytes([number; 16]));
        let found = |owned: &[AssetId], about: &[AssetId]| {
            let (mut estate, attestation) = signed(|claim| {
                claim.statement = counts.id.parse().unwrap();
                claim.statement_digest = counts.digest();
                claim.scope = about.iter().copied().map(Object::Asset).collect();
            });
            let given_by = PrincipalId::from_bytes([5; 16]);
            let held = |id: &AssetId| HeldCapacity { capacity: Capacity::AssetOwner(*id), given_by };
            estate.principals.get_mut(&SIGNER).unwrap().capacities = owned.iter().map(held).collect();
            for id in [one, other] {
                let (owner, class) = (SIGNER, DataClass::Ephi);
                let row = OpenAsset { owner, class, created_by: SIGNER, created_at: at(1) };
                estate.put(Object::Asset(id), Some(OpenRow::Asset(row)));
            }
            put(&mut estate, 2, Declared::Attestation(Box::new(attestation)), at(10));
            let Signed { good, open } = statements(&catalogue, &estate, "shop", at(20));
            (good.contains_key("ATT-ASSET-COUNTS"), open.contains_key("ATT-ASSET-COUNTS"))
        };
        assert_eq!(found(&[one, other], &[one, other]), (true, false));
        assert_eq!(found(&[one, other], &[one]), (false, true));
        // Nobody answers for what another owns, and nobody for all by naming nothing.
        assert_eq!(found(&[one], &[one, other]), (false, true));
        assert_eq!(found(&[], &[one, other]), (false, false));
        assert_eq!(found(&[one, other], &[]), (false, false));
    }

    #[test]
    fn who_signs_about_a_certificate_is_its_holder_by_that_very_certificate() {
        let catalogue = Catalogue::load().unwrap();
        let enrolment = catalogue.find_statement("ATT-ENROLMENT").unwrap();
        let found = |scope: Vec<Object>| {
            let (estate, _) = signed(|claim| {
                claim.statement = enrolment.id.parse().unwrap();
                claim.statement_digest = enrolment.digest();
                claim.scope = scope;
            });
            signed_of_own_certificate(enrolment, "shop", at(20), &estate).contains(&SIGNER)
        };
        let [own, other] = [CARD, CredentialId::from_bytes([8; 16])].map(Object::Credential);
        assert!(found(vec![own]));
        assert!(!found(vec![]) && !found(vec![other]) && !found(vec![own, other]));
    }

    #[test]
    fn a_statement_counts_where_its_signer_held_a_role_that_is_asked_when_it_was_signed() {
        let catalogue = Catalogue::load().unwrap();
        let asked_of_executive = catalogue.find_statement("ATT-POLICY").unwrap();
        let (estate, _) = signed(|claim| {
            claim.statement = asked_of_executive.id.parse().unwrap();
            claim.statement_digest = asked_of_executive.digest();
        });
        let Signed { good, open } = statements(&catalogue, &estate, "shop", at(20));
        assert!(good.is_empty() && open["ATT-POLICY"].contains("accountable executive"), "{open:?}");
        // A role that came later, or that another has, is none.
        let (mut estate, attestation) = signed(|_| {});
        estate.principals.get_mut(&SIGNER).unwrap().roles = vec![Role::Responder];
        let again = Declared::Attestation(Box::new(attestation));
        estate.put(Object::Declaration(DeclarationId::from_bytes([1; 16])), None);
        put(&mut estate, 2, again, at(10));
        estate.principals.get_mut(&SIGNER).unwrap().roles = vec![Role::Auditor];
        assert!(!is_good(&estate, 20));
    }
}
