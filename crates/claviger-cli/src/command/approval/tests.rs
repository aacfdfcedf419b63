//! The short forms: what was decided, what comes next, what was done.

use claviger_client::profile::ProfileCredential;
use serde_json::json;

use super::*;
use crate::failure::Exit;

const ID: &str = "01010101-0101-0101-0101-010101010101";

#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    command: ApprovalCommand,
}

fn parse(words: &[&str]) -> Result<ApprovalCommand, clap::Error> {
    let line = ["approval"].iter().chain(words);
    <Line as clap::Parser>::try_parse_from(line).map(|line| line.command)
}

fn approval(state: &str, ended: serde_json::Value) -> Approval {
    let person = |name: &str| json!({"id": ID, "name": name});
    let json = json!({
        "id": ID, "action": "assign_role", "state": state, "requester": person("ada"), "ring": null, "quorum": 2,
        "eligible": "custodians", "approved": 1, "requested_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-08T00:00:00Z", "digest": "ab".repeat(32), "rows": [],
        "decisions": [{"verdict": "approve", "by": {"id": ID}, "at": "2026-01-02T00:00:00Z"}],
        "reason": {"text": "hired"}, "ended": ended, "revision": 2,
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_list_shows_what_can_still_be_decided_unless_more_is_asked_for() {
    let state = |words: &[&str]| match parse(words).unwrap() {
        ApprovalCommand::List(args) => args.state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&["list"]), Which::Open);
    assert_eq!(state(&["list", "--state", "ended"]), Which::Ended);
    assert_eq!(state(&["list", "--state", "all"]), Which::All);
    assert!(parse(&["approve", "orders/main"]).is_err());
    assert!(parse(&["deny", ID]).is_err() && parse(&["cancel", ID]).is_err());
    assert!(parse(&["deny", ID, "--reason", "another key was meant", "--yes"]).is_ok());
}

#[test]
fn who_decided_and_how_it_ended_is_said_by_name_or_identifier() {
    let said = table(&approval("open", serde_json::Value::Null));
    assert!(said.contains("1 of 2") && said.contains(&format!("approve by {ID} at 2026-01-02")), "{said}");
    assert!(said.contains("ada") && said.contains("hired") && !said.contains("ended"), "{said}");
    let ended = json!({"outcome": "executed", "at": "2026-01-03T00:00:00Z", "by": {"id": ID, "name": "ada"}});
    let said = table(&approval("executed", ended));
    assert!(said.contains("executed at 2026-01-03T00:00:00Z by ada"), "{said}");
}

#[test]
fn what_was_done_is_shown_with_its_entry() {
    let executed = |result: serde_json::Value| {
        let json = json!({"approval": ID, "action": "set_governance", "entry": 41, "result": result});
        executed_table(&serde_json::from_value(json).unwrap())
    };
    let rules = json!({
        "quorum": 1, "approval_lifetime_seconds": 3600, "human_grant_lifetime_seconds": null,
        "break_glass_lifetime_seconds": 900, "compromise_burst": 10, "revision": 4,
    });
    let said = executed(json!({"governance": rules}));
    assert!(said.contains("entry     41\n") && said.contains("approvals live for"), "{said}");
    let said = executed(json!({"reason": {"id": ID, "code": "erasure_request"}}));
    assert!(said.contains("erasure_request"), "{said}");
}

#[test]
fn nobody_approves_by_a_token() {
    assert!(ProfileCredential::None.sign_as_holder(b"x").is_err());
    let refused = unsigned(CannotSign::NoCertificate);
    assert_eq!(refused.exit(), Exit::Usage);
    assert!(refused.to_string().contains("credential create --certificate"), "{refused}");
    assert!(unsigned(CannotSign::Key).to_string().contains("P-256"));
}
