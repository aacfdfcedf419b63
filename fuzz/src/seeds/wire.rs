//! Bodies of requests and answers, one of each kind.

use claviger_rest::cursor::{self, List};
use claviger_rest::decode::Request;

/// One body for each kind of request, behind the byte that chooses it; then a context, a revision, a form, a cursor.
pub(super) fn requests() -> Vec<Vec<u8>> {
    let bodies = (0_u8..).zip(Request::ALL).map(|(chosen, request)| after(chosen, body(*request)));
    let cursor = cursor::encode(List::Keys, &"orders/main");
    bodies
        .chain([CONTEXT, "\"17\"", "application/json; charset=utf-8", &cursor].map(|text| after(0, text)))
        .collect()
}

fn after(chosen: u8, text: &str) -> Vec<u8> {
    [&[chosen], text.as_bytes()].concat()
}

/// `{"tenant":"blue"}`.
const CONTEXT: &str = "eyJ0ZW5hbnQiOiJibHVlIn0=";

fn body(request: Request) -> &'static str {
    match request {
        Request::Agree => r#"{"peer":"aGk=","version":1}"#,
        Request::AskPlan => r#"{"acts":["oQBxY2FuY2Vs"],"reason":"as reviewed"}"#,
        Request::Attest => {
            r#"{"statement":"ATT-POLICY","statement_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","scope":["asset 30313233-3435-4637-b839-616263646566"],"signed_at":"2026-01-02T03:04:05Z","valid_until":"2027-01-02T03:04:05Z","evidence":[],"certificate":"MAA=","method":"ed25519","signature":"aGk="}"#
        }
        Request::ChangeState => r#"{"version":2,"reason":"lost"}"#,
        Request::CreateAlias => r#"{"name":"app/Orders","key":"orders/main"}"#,
        Request::CreateAsset => r#"{"name":"patients","class":"ephi","owner":"ada"}"#,
        Request::CreateCredential => {
            r#"{"principal":"app","label":"laptop","credential":{"token":{"lifetime_seconds":3600}}}"#
        }
        Request::CreateGrant => {
            r#"{"principal":"app","on":{"key":"orders/main"},"operations":["encrypt"],"conditions":{"context_equals":{"tenant":"blue"},"source_networks":["10.0.0.0/8"],"until":"2999-01-01T00:00:00Z"},"reason":"r"}"#
        }
        Request::CreateKey => {
            r#"{"ring":"orders","name":"main","purpose":"encrypt","spec":"aes-256-gcm","data_class":"cardholder","protection":"software","labels":{"team":"payments"},"rotation_period_seconds":86400,"activate":false}"#
        }
        Request::CreatePrincipal => r#"{"name":"app","kind":"workload"}"#,
        Request::CreateRing => {
            r#"{"name":"orders","policy":{"quorum":3,"rotation_period_seconds":86400,"assets":"required"}}"#
        }
        Request::Decapsulate => r#"{"ciphertext":"aGk=","version":3}"#,
        Request::Decrypt | Request::Reencrypt => r#"{"ciphertext":"aGk=","context":{"tenant":"blue"}}"#,
        Request::DecryptBatch => r#"{"items":[{"ciphertext":"aGk="},{"ciphertext":"","context":{"a":"b"}}]}"#,
        Request::DecideApproval => {
            r#"{"digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","certificate":"MAA=","method":"ed25519","signature":"aGk=","signed_at":"2026-01-02T03:04:05Z","reason":"compared"}"#
        }
        Request::DecideReview => {
            r#"{"decisions":[{"principal":"app","ring":"orders","decision":"remove"}],"reason":"as confirmed"}"#
        }
        Request::Declare => {
            r#"{"declared":{"parameter":{"name":"period_days","value":"180","effective_from":"2026-01-02T03:04:05Z"}},"text":"as decided"}"#
        }
        Request::Encapsulate => "{}",
        Request::Encrypt => r#"{"plaintext":"aGVsbG8=","context":{"tenant":"blue"}}"#,
        Request::EncryptBatch => r#"{"items":[{"plaintext":"aGk="},{"plaintext":"","context":{"a":"b"}}]}"#,
        Request::Enrol => r#"{"request":"MAA=","lifetime_seconds":86400}"#,
        Request::GenerateDataKey => r#"{"bytes":32,"context":{"tenant":"blue"},"plaintext":false}"#,
        Request::GiveReason => r#"{"reason":"over","reason_code":"superseded"}"#,
        Request::Mac => r#"{"data":"aGk="}"#,
        Request::MoveAlias => r#"{"key":"orders/main"}"#,
        Request::OpenBreakGlass => {
            r#"{"holder":"nadia","keys":["orders/main"],"lifetime_seconds":7200,"reason":"down"}"#
        }
        Request::OpenReview => {
            r#"{"scope":"humans","ring":"orders","due_in_seconds":86400,"reason":"twice a year"}"#
        }
        Request::Random => r#"{"bytes":16}"#,
        Request::RenewCredential => r#"{"credential":{"request":{"der":"MAA=","lifetime_seconds":86400}}}"#,
        Request::ReviewBreakGlass => r#"{"verdict":"justified","reason":"looked at"}"#,
        Request::ScheduleDestroy => r#"{"waiting_seconds":604800,"reason":"over"}"#,
        Request::SetSeparation => r#"{"separation":"relaxed","reason":"evaluation"}"#,
        Request::Sign => r#"{"message":"aGk=","prehashed":false,"algorithm":"ed25519"}"#,
        Request::SignEvidence => {
            r#"{"manifest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#
        }
        Request::Unwrap => r#"{"wrapped":"aGk="}"#,
        Request::UpdateGovernance => r#"{"quorum":3,"human_grant_lifetime_seconds":null,"reason":"r"}"#,
        Request::UpdateKey => r#"{"labels":{},"data_class":"personal","rotation_period_seconds":null}"#,
        Request::UpdateRing => {
            r#"{"policy":{"protect_period_seconds":null,"quorum":4,"protection":"hsm"},"reason":"r"}"#
        }
        Request::Verify => r#"{"message":"aGk=","signature":"aGk=","version":1}"#,
        Request::VerifyMac => r#"{"data":"aGk=","tag":"aGk="}"#,
        Request::Wrap => r#"{"material":"aGk="}"#,
    }
}

/// One answer of each kind that the client reads.
pub(super) const ANSWERS: [&str; 11] = [
    r#"{"name":"app/Orders","scope":"ring","key":"30313233-3435-4637-b839-616263646566","ring":"30313233-3435-4637-b839-616263646566","created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z","revision":2}"#,
    r#"{"type":"urn:claviger:problem:not-found","title":"Not Found","status":404,"code":"not-found","detail":"no such key","entry":7}"#,
    r#"{"root_note":"o\n1\nAA==\n","root_vkey":"o+01020304+AAAA","shard_origin":"o/1","shard":1,"shard_size":9,"node_vkey":"n+01020304+AAAA"}"#,
    r#"{"items":[{"index":3,"canonical":"oA==","reason":{"id":"30313233-3435-4637-b839-616263646566","code":"misuse","text":"t","erased_at":"2026-01-02T03:04:05Z"}}],"next":4,"size":9}"#,
    r#"{"shard":0,"index":3,"entry":"oA==","shard_size":9,"shard_path":["AAAA"],"cut":"oA==","cut_index":2,"root_path":[],"root_note":"o\n"}"#,
    r#"{"items":[{"principal":"30313233-3435-4637-b839-616263646566","principal_name":"app","action":"encrypt","rule":"grant","conditions":"until 2999"}]}"#,
    r#"{"id":"30313233-3435-4637-b839-616263646566","name":"orders/main","ring":"30313233-3435-4637-b839-616263646566","purpose":"encrypt","spec":"aes-256-gcm","protection":"hsm","data_class":"cardholder","description":"cards","owner":"30313233-3435-4637-b839-616263646566","labels":{"team":"payments"},"rotation_period_seconds":null,"state":"suspended","reason":{"unasked":"protocol"},"primary":1,"destroy_at":"2026-02-02T03:04:05Z","created_at":"2026-01-02T03:04:05Z","revision":1}"#,
    r#"{"items":[{"number":1,"primary":true,"state":"active","effective_state":"active","protection":"hsm","origin":"generated","has_material":true,"generator":"token","module":"SoftHSM","module_health_ok":true,"protect_uses":5,"rotated":"by_policy","created_at":"2026-01-02T03:04:05Z","activated_at":null,"state_changed_at":"2026-01-02T03:04:05Z"}]}"#,
    r#"{"deployment":"d","environment":"production","incarnation":1,"epoch":2,"log_origin":"o","log_size":3,"root_log_size":1,"signed_root_log_size":1,"relaxed_rings":2,"space":{"room":"low","free_bytes":7,"min_free_bytes":8,"reserve_bytes":9,"reserve_held":true,"refused":1},"rows":{"total":9,"checked":5,"done":false,"altered":0},"blocked_destructions":1,"clock":{"log_time":"2026-11-23T10:00:00Z","ahead_seconds":3,"held_at":null},"unacknowledged_recoveries":["officer-3"],"unconfirmed_rights":{"confirmed":false,"opened_at":"2026-01-02T03:04:05Z","digest":"00","security_officer":{"principal":"30313233-3435-4637-b839-616263646566","name":"otto","at":"2026-01-02T03:04:05Z"},"auditor":null},"module":{"kind":"pkcs11","name":"SoftHSM","token":"claviger","root_in_token":true,"library":"aws-lc 5.1.0 (not FIPS)","fips":false},"insecure":[],"provider":{"self_test_ok":true,"root_ok":true,"sessions":4}}"#,
    r#"{"ciphertext":"aGk=","key":"30313233-3435-4637-b839-616263646566","version":1}"#,
    r#"{"signature":"aGk=","algorithm":"ed25519","key":"30313233-3435-4637-b839-616263646566","version":1}"#,
];
