//! Steps of those who watch over rights: enrolment, capacities, plans, emergency access, reviews, alerts, and recoveries that are taken back.

use claviger_core::action::Plane;
use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::capacity::Capacity;
use claviger_core::key::Separation;
use claviger_core::object::{Kind, Object, StateRow};
use claviger_core::review::{ReviewDecision, ReviewScope, ReviewSubject};
use claviger_core::{Action, PrincipalId};
use claviger_service::operation::*;
use claviger_service::{EnrolmentCode, Governed, Presented, PrincipalRef, RingRef};

use super::{Made, Step, bear, ids, name, pick};
use crate::approvals::{CUSTODIANS, call};
use crate::deployment::{DAY, Deployment, certificate_of, reason_of};

#[expect(clippy::disallowed_methods, reason = "the tests show the codes that they are given")]
fn shown(code: EnrolmentCode) -> Presented {
    let text = code.into_text();
    Presented::bearer(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

fn credential(of: &str, what: NewCredential, to_confirm: bool) -> CreateCredential {
    CreateCredential { principal: name(of), label: "made".parse().unwrap(), what, to_confirm }
}

/// Gives somebody a code, who redeems it; gives what they show from then on.
async fn enrol(deployment: &Deployment, who: &str, step: &Step) -> Option<Presented> {
    let code = credential(who, NewCredential::EnrolmentCode { lifetime: DAY }, false);
    let made = bear(deployment.ask("otto", code).await, step)?.output;
    let request = format!("a key for {}", made.credential.id).into_bytes();
    let code = shown(made.enrolment_code?);
    let enrolled = bear(deployment.ask_with(code, Enrol { request, lifetime: None }).await, step)?.output;
    Some(Presented::certificate(&enrolled.certificate))
}

/// What is decided of an item. What the history needs to go on stays.
fn decision(subject: ReviewSubject, whose: &str, remove: bool) -> (ItemRef, ReviewDecision) {
    let (ring, is_needed) = match subject {
        ReviewSubject::Office(_) => (None, !whose.starts_with("person-")),
        ReviewSubject::Uses(_, ring) => (Some(RingRef::Id(ring)), false),
    };
    let decision = if remove && !is_needed { ReviewDecision::Remove } else { ReviewDecision::Keep };
    (ItemRef { principal: PrincipalRef::Id(subject.principal()), ring }, decision)
}

impl Made {
    pub(super) async fn take_office(&self, deployment: &Deployment, step: &Step) {
        match step {
            Step::AssignCapacity { to, what, withdraw } => {
                let owns = pick(&self.keys, *what).map(|key| Capacity::KeyOwner(key.key.id));
                let all = [Capacity::Ciso, Capacity::Dpo, Capacity::RiskOwner].into_iter().chain(owns);
                let all: Vec<_> = all.collect();
                let (principal, capacity) = (name(&self.anybody(*to)), *pick(&all, *what).unwrap());
                if *withdraw {
                    bear(deployment.ask("otto", WithdrawCapacity { principal, capacity }).await, step);
                } else {
                    bear(deployment.ask("olga", AssignCapacity { principal, capacity }).await, step);
                }
            }
            Step::CancelRecovery { which } => {
                let Some(number) = which.checked_rem(self.officers) else { return };
                let principal = name(&format!("officer-{number}"));
                bear(deployment.ask(CUSTODIANS[0], CancelRecovery { principal }).await, step);
            }
            Step::ConfirmCredential { of } => {
                let of = self.anybody(*of);
                let Some(holder) = enrol(deployment, &of, step).await else { return };
                let what = NewCredential::Certificate {
                    der: certificate_of(&format!("{of} at {}", deployment.log_size().await)),
                    chain: Vec::new(),
                    expires_at: deployment.clock.wall().after(DAY * 90),
                };
                let made = bear(deployment.ask("otto", credential(&of, what, true)).await, step);
                let Some(credential) = made.map(|made| made.output.credential.id) else { return };
                bear(deployment.ask_with(holder, ConfirmCredential { credential }).await, step);
            }
            Step::Enrol { of } => {
                enrol(deployment, &self.anybody(*of), step).await;
            }
            Step::Plan { which } => {
                let rings = ids(deployment, Kind::Ring).await;
                let relax = |which: usize| match pick(&rings, which) {
                    Some((Object::Ring(ring), _)) => {
                        let (ring, separation) = (*ring, Separation::Relaxed);
                        Some(Governed::SetRingSeparation { ring, separation, reason: None }.encode())
                    }
                    _ => None,
                };
                let acts = (*which..=which + which % 2).filter_map(relax).collect();
                let reason = reason_of(Plane::Control, Action::ApplyPlan);
                let plan = Call { reason, ..call("otto", Plan { acts }) };
                bear(deployment.road.ask_plan(plan).await, step);
            }
            _ => {}
        }
    }

    pub(super) async fn take_emergency(&self, deployment: &Deployment, step: &Step) {
        let accesses = ids(deployment, Kind::BreakGlass).await;
        let access = |which: usize| match pick(&accesses, which) {
            Some((Object::BreakGlass(id), _)) => Some(*id),
            _ => None,
        };
        match step {
            Step::OpenBreakGlass { holder, keys } => {
                let holder = self.anybody(*holder);
                // They must have a certificate, which a history comes by seldom enough.
                enrol(deployment, &holder, step).await;
                let keys = (*keys..=keys + keys % 2).map(|key| self.key(key)).collect();
                let open = OpenBreakGlass { holder: name(&holder), keys, lifetime: None };
                bear(deployment.ask("olga", open).await, step);
            }
            Step::CloseBreakGlass { which } => {
                let Some(access) = access(*which) else { return };
                bear(deployment.ask("olga", CloseBreakGlass { access }).await, step);
            }
            Step::ReviewBreakGlass { which, justified } => {
                let Some(access) = access(*which) else { return };
                let verdict =
                    if *justified { BreakGlassVerdict::Justified } else { BreakGlassVerdict::Unjustified };
                bear(deployment.ask("otto", ReviewBreakGlass { access, verdict }).await, step);
            }
            _ => {}
        }
    }

    pub(super) async fn take_review(&self, deployment: &Deployment, step: &Step) {
        let reviews = ids(deployment, Kind::Review).await;
        let review = |which: usize| match pick(&reviews, which) {
            Some((_, StateRow::Review(row))) => Some(row),
            _ => None,
        };
        match step {
            Step::OpenReview { scope, ring } => {
                let scope = *pick(&ReviewScope::ALL, *scope).unwrap();
                let ring = (ring % 3 == 0).then(|| self.ring(*ring));
                bear(deployment.ask("otto", OpenReview::new(scope, ring, DAY * 30)).await, step);
            }
            Step::DecideReview { which, remove } => {
                let Some(review) = review(*which) else { return };
                let people = ids(deployment, Kind::Principal).await;
                let called = |id: PrincipalId| {
                    let name = people.iter().find_map(|(_, row)| match row {
                        StateRow::Principal(one) if one.id == id => Some(one.name.as_str()),
                        _ => None,
                    });
                    name.unwrap_or_default()
                };
                let decisions = review.items.iter().filter(|item| item.decided.is_none()).map(|item| {
                    let whose = called(item.subject.principal());
                    (whose, decision(item.subject, whose, *remove))
                });
                // Nobody decides on their own.
                let (own, others): (Vec<_>, Vec<_>) = decisions.partition(|(whose, _)| *whose == "otto");
                for (by, decisions) in [("otto", others), ("olga", own)] {
                    let decisions = decisions.into_iter().map(|(_, decision)| decision).collect();
                    let decide = DecideReview { review: review.id, decisions };
                    bear(deployment.ask(by, decide).await, step);
                }
            }
            Step::CloseReview { which } => {
                let Some(review) = review(*which) else { return };
                bear(deployment.ask("otto", CloseReview { review: review.id }).await, step);
            }
            _ => {}
        }
    }

    pub(super) async fn take_alert(&self, deployment: &Deployment, step: &Step) {
        let alerts = ids(deployment, Kind::Alert).await;
        let alert = |which: usize| match pick(&alerts, which) {
            Some((Object::Alert(id), _)) => Some(*id),
            _ => None,
        };
        match step {
            Step::TriageAlert { which } => {
                let Some(alert) = alert(*which) else { return };
                bear(deployment.ask("otto", TriageAlert { alert }).await, step);
            }
            Step::CloseAlert { which } => {
                let Some(alert) = alert(*which) else { return };
                bear(deployment.ask("otto", CloseAlert { alert }).await, step);
            }
            _ => {}
        }
    }
}
