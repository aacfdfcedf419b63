//! What people review, and what they do in an emergency: a deployment over half a year, with instants at which its controls are read.

use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::capacity::Capacity;
use claviger_core::key::{DataClass, KeyRecord};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::port::store::{BreakGlassFilter, Page};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::Reason;
use claviger_core::review::{ReviewDecision, ReviewScope};
use claviger_core::{Action, BreakGlassId, Purpose, ReviewId, Spec};
use claviger_service::operation::{
    AssignCapacity, AssignRole, CloseReview, CreateKey, DecideReview, ItemRef, OpenBreakGlass, OpenReview,
    ReviewBreakGlass,
};
use claviger_service::{KeyRef, PrincipalRef, RingRef};
use claviger_testkit::deployment::{ADA, APP, CARL, CLEO, CORA, DAY, Deployment, OLGA, OTTO, Person, VERA};

use super::approver::{Approver, done};
use super::export::Export;
use super::road::log_of;

const HOUR: Duration = Duration::from_secs(3600);
/// Somebody who manages the organization, and somebody who works there. Neither holds a role.
const EMMA: Person<'static> = ("emma", PrincipalKind::Human, None);
const HANNA: Person<'static> = ("hanna", PrincipalKind::Human, None);

/// Its log, and instants of it.
pub(super) struct Looked {
    pub(super) log: Export,
    /// There is no key.
    pub(super) empty: Timestamp,
    /// There is a key of health records, of which nothing was reviewed, and nothing tried.
    pub(super) made: Timestamp,
    /// A review is open.
    pub(super) open: Timestamp,
    /// It is closed, and management has signed.
    pub(super) reviewed: Timestamp,
    /// Emergency access was opened, has ended, was reviewed, and somebody else has signed of that.
    pub(super) tried: Timestamp,
    /// Another one ended four days ago, and nobody has reviewed it.
    pub(super) unreviewed: Timestamp,
    /// Half a year later nothing was reviewed again.
    pub(super) old: Timestamp,
}

/// An instant by which all that was done is cut, and nothing else.
async fn instant(deployment: &Deployment) -> Timestamp {
    deployment.road.cut().await.unwrap();
    deployment.clock.advance(Duration::from_secs(60));
    let instant = deployment.clock.wall();
    deployment.clock.advance(Duration::from_secs(60));
    instant
}

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

fn office(name: &str) -> ItemRef {
    ItemRef { principal: principal(name), ring: None }
}

/// Decides on items of a review.
async fn decide(
    deployment: &Deployment,
    who: &str,
    review: ReviewId,
    decisions: Vec<(ItemRef, ReviewDecision)>,
) {
    deployment.ask(who, DecideReview { review, decisions }).await.unwrap();
}

/// Everybody keeps what they have, but for the application, whose grant is withdrawn when the review is closed.
async fn review(deployment: &Deployment) -> (ReviewId, Timestamp) {
    let open = OpenReview::new(ReviewScope::All, None, DAY * 30);
    let review = deployment.ask("ada", open).await.unwrap().output.id;
    let opened = instant(deployment).await;
    let ring: RingRef = "records".parse().unwrap();
    let uses = ItemRef { principal: principal("app"), ring: Some(ring) };
    let others = ["ada", "olga", "vera", "carl", "cora", "cleo", "emma"];
    let kept = others.map(|name| (office(name), ReviewDecision::Keep));
    let removed = [(uses, ReviewDecision::Remove)];
    decide(deployment, "otto", review, kept.into_iter().chain(removed).collect()).await;
    decide(deployment, "ada", review, vec![(office("otto"), ReviewDecision::Keep)]).await;
    let because = Reason::new(None, Some("looked at twice a year".parse().unwrap()));
    deployment.ask_because("otto", because, CloseReview { review }).await.unwrap();
    (review, opened)
}

/// Emergency access, which the security officer approves, until it has ended.
async fn emergency(deployment: &Deployment, officer: &Approver, key: &KeyRecord) -> BreakGlassId {
    let open = || OpenBreakGlass {
        holder: principal("hanna"),
        keys: vec![KeyRef::Id(key.key.id)],
        lifetime: Some(HOUR),
    };
    done(deployment, std::slice::from_ref(officer), "ada", open).await;
    deployment.clock.advance(HOUR * 2);
    let page = Page { after: None, limit: 100 };
    let all = deployment.store.list_break_glass(BreakGlassFilter::default(), page).await.unwrap();
    all.into_iter().max_by_key(|access| access.opened_at).unwrap().id
}

/// Sets it up and lets half a year pass.
pub(super) async fn looked() -> Looked {
    let people = [ADA, OTTO, OLGA, VERA, CARL, CORA, CLEO, APP, EMMA, HANNA];
    let deployment = Deployment::build_under(2, &people).await;
    let custodians = [Approver::of(&deployment, "carl").await, Approver::of(&deployment, "cora").await];
    let officer = Approver::of(&deployment, "otto").await;
    let auditor = Approver::of(&deployment, "vera").await;
    let manager = Approver::entered_by(&deployment, "otto", "emma").await;
    let assign = || AssignCapacity { principal: principal("emma"), capacity: Capacity::Executive };
    done(&deployment, &custodians, "olga", assign).await;
    let empty = instant(&deployment).await;

    deployment.key_in("records", "old", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let create = CreateKey {
        data_class: Some(DataClass::Ephi),
        ..deployment.new_key("records", "health", Purpose::Encrypt, Spec::Aes256Gcm)
    };
    let key = deployment.ask("ada", create).await.unwrap().output;
    deployment.grant(&key, &[Action::Encrypt]).await;
    let made = instant(&deployment).await;

    let (id, open) = review(&deployment).await;
    manager.attest(&deployment, "ATT-ACCESS-REVIEW", Object::Review(id)).await;
    let reviewed = instant(&deployment).await;

    let access = emergency(&deployment, &officer, &key).await;
    let justified = ReviewBreakGlass { access, verdict: BreakGlassVerdict::Justified };
    deployment.ask("olga", justified).await.unwrap();
    auditor.attest(&deployment, "ATT-BREAKGLASS-REVIEW", Object::BreakGlass(access)).await;
    let tried = instant(&deployment).await;

    emergency(&deployment, &officer, &key).await;
    deployment.clock.advance(DAY * 4);
    let unreviewed = instant(&deployment).await;
    deployment.clock.advance(DAY * 181);
    // Something is recorded then, so that the log tells of it.
    let assign = AssignRole { principal: principal("emma"), role: Role::Auditor };
    deployment.ask("otto", assign).await.unwrap_err();
    let old = instant(&deployment).await;
    let log = log_of(&deployment).await;
    Looked { log, empty, made, open, reviewed, tried, unreviewed, old }
}
