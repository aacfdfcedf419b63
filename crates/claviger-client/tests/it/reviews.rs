//! Capacities and access reviews: what is asked of which path, and what is made of the answer.

use claviger_client::types::review::{
    DecideItem, DecideReview, ListReviews, OpenReview, ReadReview, ReviewState, ReviewedRight, WhichReviews,
};
use claviger_client::types::{GiveReason, Text};
use claviger_core::ReviewId;
use claviger_core::capacity::Capacity;
use claviger_core::principal::Role;
use claviger_core::review::{ReviewDecision, ReviewScope};

use crate::script::{Authority, Server, json};

const ID: &str = "01940f3e-7b1c-4d20-8c3e-5a6f1b2c3d4e";

fn id() -> ReviewId {
    ID.parse().unwrap()
}

/// A review as a server shows it.
fn review(state: &str) -> String {
    let population = "ab".repeat(32);
    format!(
        r#"{{"id":"{ID}","scope":"humans","ring":null,"state":"{state}","items":2,"decided":1,"to_remove":1,
        "population":"{population}","opened_by":{{"id":"{ID}","name":"ada"}},"opened_at":"2026-01-01T00:00:00Z",
        "due_at":"2026-01-31T00:00:00Z","closed":null,"revision":2}}"#
    )
}

fn why() -> GiveReason {
    GiveReason { reason: Some("appointed".to_owned()), ..GiveReason::default() }
}

#[tokio::test]
async fn a_capacity_is_part_of_the_path() {
    let authority = Authority::new();
    let held = format!(r#"{{"capacity":"key_owner:{ID}","given_by":"{ID}"}}"#);
    let principal = format!(
        r#"{{"id":"{ID}","name":"vera","kind":"human","standing":"active","roles":[],"capacities":[{held}],
        "created_at":"2026-01-01T00:00:00Z","revision":2}}"#
    );
    let server = Server::start(&authority, vec![json(&principal), json(&principal)]).await;
    let client = server.client(&authority);
    let owner: Capacity = format!("key_owner:{ID}").parse().unwrap();
    let vera = client.assign_capacity("vera", owner, &why()).await.unwrap().value;
    assert_eq!(vera.capacities[0].capacity.0, owner);
    client.withdraw_capacity("vera", Capacity::Dpo, &why()).await.unwrap();
    let lines: Vec<_> = server.asked().iter().map(|asked| asked.line().to_owned()).collect();
    assert!(lines[0].starts_with("PUT /v1/principals/vera/capacities/key_owner"), "{lines:?}");
    assert_eq!(lines[1], "POST /v1/principals/vera/capacities/dpo/withdraw HTTP/1.1");
    assert_eq!(server.asked()[1].body, br#"{"reason":"appointed"}"#);
}

#[tokio::test]
async fn a_review_is_opened_listed_read_decided_and_closed() {
    let authority = Authority::new();
    let item = format!(
        r#"{{"principal":{{"id":"{ID}","name":"vera"}},"ring":null,"count":1,"last_used":"2026-01-01T00:00:00Z","unused":false,
        "inactive":false,"changed":false,"own":false,"rights":[{{"role":"auditor"}},{{"capacity":"dpo"}}],"decided":null}}"#
    );
    let answers = [
        review("open"),
        format!(r#"{{"items":[{}],"next":null}}"#, review("overdue")),
        format!(r#"{{"review":{},"items":[{item}],"next":"bA"}}"#, review("open")),
        review("open"),
        format!(r#"{{"review":{},"withdrawn":{{"roles":1,"capacities":0,"grants":4}}}}"#, review("closed")),
    ];
    let server = Server::start(&authority, answers.iter().map(|body| json(body)).collect()).await;
    let client = server.client(&authority);
    let open = OpenReview {
        scope: Text(ReviewScope::Humans),
        ring: None,
        due_in_seconds: 86_400,
        reason: None,
        reason_code: None,
    };
    let opened = client.open_review(&open).await.unwrap().value;
    assert_eq!((opened.id.0, opened.scope.0, opened.state.0), (id(), ReviewScope::Humans, ReviewState::Open));
    let query = ListReviews { state: Some(Text(WhichReviews::Open)), ..ListReviews::default() };
    let listed = client.list_reviews(&query).await.unwrap().value;
    assert_eq!(listed.items[0].state.0, ReviewState::Overdue);
    let read = client.read_review(id(), &ReadReview { limit: Some(1), ..ReadReview::default() }).await;
    let read = read.unwrap().value;
    assert_eq!(
        read.items[0].rights,
        [ReviewedRight::Role(Text(Role::Auditor)), ReviewedRight::Capacity(Text(Capacity::Dpo))]
    );
    assert_eq!((read.next.as_deref(), read.items[0].more, read.review.decided), (Some("bA"), false, 1));
    let (principal, decision) = ("vera".to_owned(), Text(ReviewDecision::Keep));
    let decisions = vec![DecideItem { principal, ring: None, decision }];
    let decide = DecideReview { decisions, reason: None, reason_code: None };
    client.decide_review(id(), &decide).await.unwrap();
    let closed = client.close_review(id(), &why()).await.unwrap().value;
    assert_eq!((closed.withdrawn.roles, closed.withdrawn.grants), (1, 4));

    let asked = server.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/access/reviews HTTP/1.1".to_owned(),
            "GET /v1/access/reviews?state=open HTTP/1.1".to_owned(),
            format!("GET /v1/access/reviews/{ID}?limit=1 HTTP/1.1"),
            format!("POST /v1/access/reviews/{ID}/decide HTTP/1.1"),
            format!("POST /v1/access/reviews/{ID}/close HTTP/1.1"),
        ]
    );
    assert_eq!(asked[0].body, br#"{"scope":"humans","due_in_seconds":86400}"#);
    assert_eq!(asked[3].body, br#"{"decisions":[{"principal":"vera","decision":"keep"}]}"#);
}
