//! Random chains of grants on the real road, many at once, against a plain model: a call is permitted exactly when the model
//! says so.
//!
//! All scripts share one deployment and its clock: they go in step, and an hour passes between two steps. Each has a key and a
//! principal of its own, who may be revoked; the others are there in all of them.

#![expect(
    clippy::indexing_slicing,
    reason = "a script that points beyond what it made is a mistake of this test"
)]

use std::sync::Arc;
use std::time::Duration;

use claviger_core::action::Plane;
use claviger_core::grant::{Basis, Conditions, Spelling};
use claviger_core::key::KeyRecord;
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, GrantId, Purpose, Spec, Timestamp};
use claviger_crypto::envelope::Context;
use claviger_service::operation::usage::{Encrypt, UseKey};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, ServiceError};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::delegation::{given, name};
use crate::deployment::Deployment;

const HOUR: Duration = Duration::from_secs(3600);
/// How many steps a script has.
const STEPS: usize = 10;
/// The last one is the script's own.
const PEOPLE: usize = 4;

#[derive(Clone, Debug)]
struct Terms {
    operations: Vec<Action>,
    /// How many of the pairs a call must have.
    pairs: usize,
    /// How many steps it lasts.
    lasts: Option<u32>,
}

#[derive(Clone, Debug)]
enum Step {
    Give { to: usize, terms: Terms },
    Pass { by: usize, to: usize, terms: Terms },
    Revoke { which: usize },
    Retire { which: usize, by_giver: bool },
    RevokePrincipal,
    Nothing,
}

fn terms() -> impl Strategy<Value = Terms> {
    let actions = vec![Action::Encrypt, Action::RetireGrant, Action::DelegateGrant];
    let operations = prop_oneof![
        2 => Just(actions.clone()),
        1 => prop::sample::subsequence(actions, 1..=3),
    ];
    let lasts = prop_oneof![3 => Just(None), 2 => (1_u32..8).prop_map(Some)];
    (operations, prop_oneof![3 => Just(0), 1 => 1_usize..3], lasts)
        .prop_map(|(operations, pairs, lasts)| Terms { operations, pairs, lasts })
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PEOPLE;
    prop_oneof![
        3 => (who(), terms()).prop_map(|(to, terms)| Step::Give { to, terms }),
        8 => (who(), who(), terms()).prop_map(|(by, to, terms)| Step::Pass { by, to, terms }),
        1 => (0_usize..6).prop_map(|which| Step::Revoke { which }),
        1 => (0_usize..6, any::<bool>()).prop_map(|(which, by_giver)| Step::Retire { which, by_giver }),
        1 => Just(Step::RevokePrincipal),
        1 => Just(Step::Nothing),
    ]
}

struct Known {
    id: GrantId,
    holder: usize,
    giver: Option<usize>,
    terms: Terms,
    /// The first step at which it is over.
    until: Option<u32>,
    basis: Vec<usize>,
    ended: bool,
}

/// One script, with what the model knows of it.
struct Script {
    number: usize,
    key: KeyRecord,
    steps: Vec<Step>,
    grants: Vec<Known>,
    gone: bool,
}

impl Script {
    fn name_of(&self, who: usize) -> String {
        if who + 1 == PEOPLE { format!("own-{}", self.number) } else { format!("all-{who}") }
    }

    fn is_gone(&self, who: usize) -> bool {
        self.gone && who + 1 == PEOPLE
    }

    fn honours(&self, at: usize, now: u32) -> bool {
        let grant = &self.grants[at];
        let in_time = !grant.ended && grant.until.is_none_or(|until| now < until);
        let Some(giver) = grant.giver else { return in_time };
        let on = |bears: &dyn Fn(&Known) -> bool| {
            grant.basis.iter().any(|below| bears(&self.grants[*below]) && self.honours(*below, now))
        };
        let covers = |action: &Action| {
            *action == Action::RetireGrant
                || on(&|below| {
                    below.terms.operations.contains(action) && below.terms.pairs <= grant.terms.pairs
                })
        };
        in_time
            && !self.is_gone(giver)
            && grant.terms.operations.iter().all(covers)
            && on(&|below| below.terms.operations.contains(&Action::DelegateGrant))
    }

    /// Has the principal that right at `now`, and still at `last` if nothing else happens?
    fn has(&self, who: usize, action: Action, pairs: usize, now: u32, last: u32) -> bool {
        let gives = |at: &usize| {
            let grant = &self.grants[*at];
            grant.holder == who && grant.terms.operations.contains(&action) && grant.terms.pairs <= pairs
        };
        let mut giving = (0..self.grants.len()).filter(gives);
        !self.is_gone(who) && giving.any(|at| self.honours(at, now) && self.honours(at, last))
    }

    fn lets_pass(&self, by: usize, terms: &Terms, now: u32) -> bool {
        let last = terms.lasts.map_or(now, |lasts| now + lasts - 1);
        let mut needed = terms.operations.iter().filter(|action| **action != Action::RetireGrant);
        needed.all(|action| self.has(by, *action, terms.pairs, now, last))
            && self.has(by, Action::DelegateGrant, 0, now, last)
    }

    fn conditions(terms: &Terms, wall: Timestamp) -> Conditions {
        let pairs = ["a", "b"].into_iter().take(terms.pairs);
        Conditions {
            context_equals: pairs.map(|pair| (pair.to_owned(), "v".to_owned())).collect(),
            // Steps are an hour apart, and take less than half of one.
            until: terms.lasts.map(|lasts| wall.after(HOUR * lasts).after(HOUR / 2)),
            ..Conditions::default()
        }
    }

    async fn take(&mut self, deployment: &Deployment, now: u32, started: Timestamp) {
        let wall = started.after(HOUR * now - HOUR);
        match self.steps[usize::try_from(now).unwrap() - 1].clone() {
            Step::Give { to, terms } => {
                let on = GrantOn::Key(KeyRef::Id(self.key.key.id));
                let grant = given(&self.name_of(to), on, &terms.operations, Self::conditions(&terms, wall));
                let made = deployment.ask("otto", grant).await;
                if self.is_gone(to) {
                    assert_eq!(made.unwrap_err().kind(), ErrorKind::SeparationOfDuties);
                    return;
                }
                let id = made.unwrap().output.id;
                let until = terms.lasts.map(|lasts| now + lasts + 1);
                let (giver, basis, ended) = (None, Vec::new(), false);
                self.grants.push(Known { id, holder: to, giver, terms, until, basis, ended });
            }
            Step::Pass { by, to, terms } => self.pass(deployment, now, wall, by, to, terms).await,
            Step::Revoke { which } => {
                if let Some(known) = self.grants.get_mut(which) {
                    known.ended = true;
                    drop(deployment.ask("otto", RevokeGrant { grant: known.id }).await.unwrap());
                }
            }
            Step::Retire { which, by_giver } => self.retire(deployment, which, by_giver).await,
            Step::RevokePrincipal => {
                self.gone = true;
                let principal = name(&self.name_of(PEOPLE - 1));
                drop(deployment.ask("otto", RevokePrincipal { principal }).await.unwrap());
            }
            Step::Nothing => {}
        }
    }

    async fn pass(
        &mut self,
        deployment: &Deployment,
        now: u32,
        wall: Timestamp,
        by: usize,
        to: usize,
        terms: Terms,
    ) {
        let delegate = DelegateGrant {
            key: KeyRef::Id(self.key.key.id),
            principal: name(&self.name_of(to)),
            operations: terms.operations.clone(),
            conditions: Self::conditions(&terms, wall),
            name: None,
            retiring: None,
            spelling: Spelling::default(),
        };
        let made = deployment.ask_at(&self.name_of(by), Plane::Mixed, delegate).await;
        // In steps, a grant that lasts so long is over one step later than its last.
        let lasting = Terms { lasts: terms.lasts.map(|lasts| lasts + 1), ..terms.clone() };
        let lets = self.lets_pass(by, &lasting, now) && !self.is_gone(to);
        let reported = format!("script {}, step {now}: {:?}", self.number, self.steps);
        assert_eq!(made.is_ok(), lets, "{reported}: {:?}", made.err());
        let Ok(made) = made else { return };
        let Basis::Grants(basis) = &made.output.basis else { panic!("{reported}") };
        let place = |id: &GrantId| self.grants.iter().position(|known| known.id == *id).unwrap();
        let basis = basis.iter().map(place).collect();
        let until = terms.lasts.map(|lasts| now + lasts + 1);
        let (id, giver) = (made.output.id, Some(by));
        self.grants.push(Known { id, holder: to, giver, terms, until, basis, ended: false });
    }

    /// As the one who gave it, or as the one who has it: both may be the same.
    async fn retire(&mut self, deployment: &Deployment, which: usize, by_giver: bool) {
        let Some(known) = self.grants.get(which) else { return };
        let by = known.giver.filter(|_| by_giver).unwrap_or(known.holder);
        let retires = known.giver == Some(by) || known.terms.operations.contains(&Action::RetireGrant);
        let (id, may) = (known.id, !self.is_gone(by) && !known.ended && retires);
        let retire = RetireGrant { grant: id, key: None };
        let done = deployment.ask_at(&self.name_of(by), Plane::Mixed, retire).await;
        assert_eq!(done.is_ok(), may, "script {}: {:?}: {:?}", self.number, self.steps, done.err());
        self.grants[which].ended |= may;
    }

    /// Asks for everything, as everyone.
    async fn probe(&self, deployment: &Deployment, now: u32) {
        for who in 0..PEOPLE {
            // With one pair at one step, with none or both at others: all of it comes in turn.
            let pairs = (self.number + usize::try_from(now).unwrap() + who) % 3;
            let context = ["a", "b"].into_iter().take(pairs).map(|pair| (pair, "v"));
            let context = Context::from_pairs(context).unwrap();
            let what = Encrypt { plaintext: vec![7].into(), context, algorithm: None };
            let asked = UseKey::new(KeyRef::Id(self.key.key.id), what);
            let done = deployment.ask(&self.name_of(who), asked).await;
            let permitted = self.has(who, Action::Encrypt, pairs, now, now);
            let reported =
                || format!("script {}, step {now}, {who} with {pairs}: {:?}", self.number, self.steps);
            assert_eq!(done.is_ok(), permitted, "{}: {:?}", reported(), done.as_ref().err());
            if let Err(error) = done {
                assert!(refused(&error), "{}: {error:?}", reported());
            }
        }
    }
}

fn refused(error: &ServiceError) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Unauthenticated)
}

async fn furnished(scripts: usize) -> (Deployment, Vec<Script>) {
    let shared = (0..PEOPLE - 1).map(|who| format!("all-{who}"));
    let own = (0..scripts).map(|number| format!("own-{number}"));
    let everyone = shared.chain(own).map(|name| (name, PrincipalKind::Workload, None));
    let deployment = Deployment::build_among(false, everyone.collect()).await;
    deployment.relaxed_ring("orders").await;
    let mut runner = TestRunner::new(Config::default());
    let strategy = prop::collection::vec(step(), STEPS);
    let mut made = Vec::new();
    for number in 0..scripts {
        let key = deployment.key(&format!("key-{number}"), Purpose::Encrypt, Spec::Aes256Gcm).await;
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        made.push(Script { number, key, steps, grants: Vec::new(), gone: false });
    }
    (deployment, made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_is_permitted_exactly_when_the_model_says_so() {
    let scripts = usize::try_from(Config::default().cases).unwrap();
    let (deployment, mut scripts) = furnished(scripts).await;
    let deployment = Arc::new(deployment);
    let started = deployment.clock.wall();
    for now in 1..=u32::try_from(STEPS).unwrap() {
        let mut running = Vec::new();
        for chunk in split(std::mem::take(&mut scripts), 32) {
            let deployment = Arc::clone(&deployment);
            running.push(tokio::spawn(async move {
                let mut chunk = chunk;
                for script in &mut chunk {
                    script.take(&deployment, now, started).await;
                    script.probe(&deployment, now).await;
                }
                chunk
            }));
        }
        for chunk in running {
            scripts.extend(chunk.await.unwrap());
        }
        deployment.clock.advance(HOUR);
    }
}

/// All of them, in so many parts.
fn split(mut all: Vec<Script>, parts: usize) -> Vec<Vec<Script>> {
    let size = all.len().div_ceil(parts).max(1);
    let mut chunks = Vec::new();
    while !all.is_empty() {
        chunks.push(all.drain(..size.min(all.len())).collect());
    }
    chunks
}
