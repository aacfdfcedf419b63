//! What an approver reads, and what is refused before anything is signed.

use claviger_client::types::Base64Bytes;
use claviger_client::types::approval::{DoneStep, SeenRow as ShownRow};
use claviger_core::principal::Role;
use claviger_core::reason::{ReasonCode, Unasked};
use claviger_core::{Action, GovernanceId, KeyId, KeyRingId, ReasonId};
use serde_json::json;

use super::*;

const ID: ApprovalId = ApprovalId::from_bytes([1; 16]);
const KEY: KeyId = KeyId::from_bytes([2; 16]);
const RING: KeyRingId = KeyRingId::from_bytes([3; 16]);
const ADA: PrincipalId = PrincipalId::from_bytes([4; 16]);
const BOB: PrincipalId = PrincipalId::from_bytes([5; 16]);
const REASON: ReasonId = ReasonId::from_bytes([6; 16]);
const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse::<Instant>().unwrap().0
}

fn shop() -> Name {
    "shop".parse().unwrap()
}

fn destroy() -> Governed {
    Governed::ScheduleDestroy { key: KEY, waiting: 30 * DAY, reason: None }
}

/// What an administrator asked for a day ago.
fn form(act: &Governed) -> Form {
    Form {
        deployment: shop(),
        id: ID,
        action: act.action(),
        asked: act.encode(),
        salt: [7; 16],
        requester: ADA,
        ring: Some(RING),
        rows: vec![SeenRow { object: Object::Key(KEY), revision: 7 }],
        quorum: 2,
        eligible: Eligible::Custodians,
        requested_at: Timestamp::from_micros(now().as_micros() - 86_400_000_000),
        expires_at: now().after(6 * DAY),
        reason: Some(Why::Given(REASON)),
    }
}

/// The same as the server shows it.
fn shown(form: &Form) -> Approval {
    let person = |id: PrincipalId, name: &str| json!({"id": id.to_string(), "name": name});
    let json = json!({
        "id": form.id.to_string(), "action": form.action.name(), "state": "open", "requester": person(ADA, "ada"),
        "ring": {"id": RING.to_string(), "name": "orders"}, "quorum": 2, "eligible": "custodians", "approved": 1,
        "requested_at": Instant(form.requested_at).to_string(), "expires_at": Instant(form.expires_at).to_string(),
        "digest": Sha256(form.digest()).to_string(),
        "reason": {"id": REASON.to_string(), "code": "cessation_of_operation", "text": "the contract ended"},
        "rows": [{"object": format!("key {KEY}"), "revision": 7, "name": "orders/customer-data"}],
        "decisions": [{"verdict": "approve", "by": person(BOB, "bob"), "at": "2026-01-01T12:00:00Z"}],
        "ended": null, "revision": 2,
    });
    Approval { form: Some(Base64Bytes::from(form.encode())), ..serde_json::from_value(json).unwrap() }
}

/// One look, at rows that are as they were.
fn look_with(form: Form, act: &Governed, rows: Rows) -> Look {
    let approval = shown(&form);
    let mut estate = Estate::default();
    learn(&approval, &mut estate.names);
    Look::of(approval, form, act, estate, rows, "administrator".to_owned()).unwrap()
}

fn look() -> Look {
    look_with(form(&destroy()), &destroy(), Rows::default())
}

#[test]
fn it_says_what_is_done_by_whom_and_why_what_follows_who_must_agree_and_until_when() {
    let text = look().text(now());
    for words in [
        "destroy key orders/customer-data*\n",
        "ada* (administrator*)",
        "cessation_of_operation: the contract ended*",
        "2026-01-08T00:00:00Z, 6d from now",
        "ring orders*",
        "2 custodians, other than who asks",
        "bob* approved, 1 more must",
        "30d after this is done",
        "its material is destroyed for good",
        "deployment    shop\n",
        &ID.to_string(),
        &fingerprint(&form(&destroy()).digest()),
    ] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
    assert!(!text.contains(&KEY.to_string()), "{text}");
}

#[test]
fn programs_read_identifiers() {
    let look = look();
    let document = serde_json::to_value(look.document()).unwrap();
    assert_eq!((&document["id"], &document["deployment"]), (&ID.to_string().into(), &"shop".into()));
    assert_eq!(document["asked"]["title"], format!("destroy key {KEY}"));
    assert!(document["asked"]["changes"].to_string().contains(&KEY.to_string()), "{document}");
    assert!(document.get("moved").is_none() && document["form"].is_string(), "{document}");
    let moved = Moved { object: Object::Key(KEY).into(), seen: 7, now: 9 };
    let look = look_with(form(&destroy()), &destroy(), Rows { moved: vec![moved], ..Rows::default() });
    assert_eq!(serde_json::to_value(look.document()).unwrap()["moved"][0]["now"], 9);
}

#[test]
fn what_moved_or_is_not_shown_or_is_over_is_not_approved() {
    assert!(look().require_decidable(now()).is_ok());
    let over = look().require_decidable(now().after(6 * DAY)).unwrap_err().to_string();
    assert!(over.contains("expired"), "{over}");
    let moved = Moved { object: Object::Key(KEY).into(), seen: 7, now: 9 };
    let look = look_with(form(&destroy()), &destroy(), Rows { moved: vec![moved], ..Rows::default() });
    let refused = look.require_decidable(now()).unwrap_err().to_string();
    assert!(refused.contains("changed since it was asked for: key orders/customer-data*"), "{refused}");
    assert!(refused.contains("asks again"), "{refused}");
    let text = look.text(now());
    assert!(text.contains("CHANGED: key orders/customer-data*: at revision 9 now, at 7 when"), "{text}");
    let rules = Object::Governance(GovernanceId::ONLY);
    let hidden = Rows { hidden: vec![rules.into()], ..Rows::default() };
    let look = look_with(form(&destroy()), &destroy(), hidden);
    let refused = look.require_decidable(now()).unwrap_err().to_string();
    assert!(refused.contains("you are not shown the rules of the deployment"), "{refused}");
    assert!(look.text(now()).contains("NOT SHOWN to you: the rules of the deployment"));
    let unread = Rows { unread: vec![Object::Reason(REASON).into()], ..Rows::default() };
    let look = look_with(form(&destroy()), &destroy(), unread);
    assert!(look.require_decidable(now()).is_ok() && look.text(now()).contains("no call shows it"));
    let mut look = self::look();
    look.approval.state = ApprovalState::Denied.into();
    let denied = look.require_decidable(now()).unwrap_err().to_string();
    assert!(denied.contains("it is denied"), "{denied}");
    assert!(look.text(now()).contains("bob* approved\n"));
}

#[test]
fn the_server_cannot_show_another_request_than_the_one_that_is_signed() {
    let form = form(&destroy());
    let opened = |approval: &Approval| opened(approval, ID, &shop());
    let (read, act) = opened(&shown(&form)).unwrap();
    assert_eq!((read, act), (form.clone(), destroy()));
    type Edit = fn(&mut Approval);
    let edits: [(&str, Edit); 6] = [
        ("approval", |shown| shown.id = ApprovalId::from_bytes([9; 16]).into()),
        ("digest", |shown| shown.digest = Sha256([9; 32]).into()),
        ("act", |shown| shown.action = Action::CancelDestroy.into()),
        ("person who asks", |shown| shown.requester.id = BOB.into()),
        ("reason", |shown| {
            let id = Some(ReasonId::from_bytes([9; 16]).into());
            shown.reason = Some(Reason { id, ..Reason::default() });
        }),
        ("do not read", |shown| shown.form = Some(Base64Bytes::from(vec![0xa0]))),
    ];
    for (what, edit) in edits {
        let mut edited = shown(&form);
        edit(&mut edited);
        let refused = opened(&edited).unwrap_err();
        assert_eq!(refused.exit(), crate::failure::Exit::Unverified, "{refused}");
        assert!(refused.to_string().contains(what), "{refused}");
    }
    // A reason in words, where none was given.
    let unasked = Form { reason: Some(Why::Unasked(Unasked::Protocol)), ..form.clone() };
    let mut worded = shown(&unasked);
    assert!(opened(&worded).is_err());
    worded.reason = Some(Reason { unasked: Some(Unasked::Protocol.into()), ..Reason::default() });
    assert!(opened(&worded).is_ok());
    let elsewhere = Form { deployment: "another".parse().unwrap(), ..form.clone() };
    let refused = opened(&shown(&elsewhere)).unwrap_err();
    assert!(refused.to_string().contains("another deployment"), "{refused}");
    let other = ApprovalId::from_bytes([8; 16]);
    assert!(super::opened(&shown(&form), other, &shop()).is_err());
    // In the form there is another act than it says, an act with its reason, or none.
    let reason = Some(ReasonCode::Misuse.into());
    let reasoned = Governed::ScheduleDestroy { key: KEY, waiting: DAY, reason };
    let another = Governed::CompromiseKey { key: KEY, reason: None };
    for asked in [reasoned.encode(), another.encode(), vec![0xa0]] {
        let refused = opened(&shown(&Form { asked, ..form.clone() })).unwrap_err();
        assert!(refused.to_string().contains("cannot take apart"), "{refused}");
    }
}

#[test]
fn a_plan_is_shown_step_by_step_with_what_of_it_was_done() {
    let give = |role| Governed::AssignRole { principal: BOB, role, reason: None }.encode();
    let plan = Governed::ApplyPlan { acts: vec![give(Role::Auditor), give(Role::Operator)], reason: None };
    let bob = Object::Principal(BOB);
    let form = Form { ring: None, rows: vec![SeenRow { object: bob, revision: 7 }], ..form(&plan) };
    let mut approval = shown(&form);
    assert_eq!(left_by_steps(&approval, bob), None);
    let moved = vec![ShownRow { object: bob.into(), revision: 8, name: None }];
    approval.done = vec![DoneStep { step: 0, moved }];
    assert_eq!(left_by_steps(&approval, bob), Some(8), "as the first step left it");
    assert_eq!(left_by_steps(&approval, Object::Key(KEY)), None);
    let mut estate = Estate { done: [0].into(), ..Estate::default() };
    learn(&approval, &mut estate.names);
    let look = Look::of(approval, form, &plan, estate, Rows::default(), String::new()).unwrap();
    let text = look.text(now());
    for words in [
        "a plan of 2 steps\n",
        "\nSTEP 1 of 2, done: give bob* the role auditor\n\nprincipal bob*\n  role ",
        "\nSTEP 2 of 2: give bob* the role operator\n",
        "may do all that the role may",
        "Each step is done by itself, in this order",
    ] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
    let document = serde_json::to_value(look.document()).unwrap();
    assert_eq!(document["asked"]["steps"][1]["title"], format!("give {BOB} the role operator"));
    assert_eq!(document["done"][0]["step"], 0);
}

#[test]
fn an_act_that_is_not_known_is_shown_in_no_words() {
    let act = Governed::RotateKey { key: KEY };
    let form = form(&act);
    let refused =
        Look::of(shown(&form), form, &act, Estate::default(), Rows::default(), String::new()).unwrap_err();
    assert!(refused.to_string().contains("`rotate_key`"), "{refused}");
}

#[test]
fn who_must_agree_is_said_of_custodians_and_where_there_are_too_few() {
    let must = |quorum, eligible| {
        let form = Form { quorum, eligible, ring: None, ..form(&destroy()) };
        look_with(form, &destroy(), Rows::default()).text(now())
    };
    assert!(must(1, Eligible::Custodians).contains("1 custodian, other"));
    let few = must(3, Eligible::RoleHolders);
    assert!(few.contains("3 persons who hold a role, because there are too few custodians"), "{few}");
    assert!(few.contains("rule of       the deployment\n") && few.contains("2 more must"), "{few}");
    assert!(must(1, Eligible::Custodians).contains("bob* approved, enough"));
    let emergency = must(1, Eligible::Responders);
    assert!(
        emergency.contains("1 responder or security officer, other than who asks, who gets it"),
        "{emergency}"
    );
}

#[test]
fn a_reason_that_is_not_shown_is_said_to_be_there() {
    let with = |reason, shown: Option<Reason>| {
        let mut look = look_with(Form { reason, ..form(&destroy()) }, &destroy(), Rows::default());
        look.approval.reason = shown;
        look.why()
    };
    let given = Some(Why::Given(REASON));
    assert_eq!(with(given, None), format!("reason {REASON}, which the server does not show"));
    assert_eq!(with(Some(Why::Unasked(Unasked::Protocol)), None), "nobody was asked");
    assert_eq!(with(None, None), "nobody said");
    let lines = Reason { text: Some("a\nb".to_owned()), ..Reason::default() };
    assert_eq!(with(given, Some(lines)), "a\\u{a}b*");
}

#[test]
fn instants_and_digests_are_easy_to_compare() {
    let at = now().after(DAY / 2 + Duration::from_secs(90));
    assert_eq!(until(at, now()), "2026-01-02T12:01:30Z, 12h1m from now");
    assert_eq!(until(now(), now()), "2026-01-02T00:00:00Z, which is over");
    assert_eq!(fingerprint(&[0xab; 32]), ["abababab"; 8].join(" "));
}
