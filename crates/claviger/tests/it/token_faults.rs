//! A token that is unavailable, a PIN that is wrong, a second server: each is reported with what to do, and nothing is lost.

use std::time::Duration;

use claviger_attack::token::Token;
use claviger_attack::{Lab, site as attacked};
use claviger_testkit::softhsm::{CONFIG_VARIABLE, LIBRARY_VARIABLE, SoftHsm};
use serde_json::{Value, json};

use crate::approvals;
use crate::instance::{CLAVIGER, claviger};
use crate::serving::{Ended, Serving, Site, eventually};

/// How a process ends that was refused by its token's PIN.
const PIN_REFUSED: i32 = 5;
/// How often is tried again what the server refused; each time the client itself waits a second or more.
const TRIES: u32 = 10;

/// A deployment with its root in a token.
struct Rooted {
    token: SoftHsm,
    site: Site,
}

/// The variables that say where the token is, and its PIN.
fn environment(token: &SoftHsm, pin: &str) -> Vec<(&'static str, String)> {
    vec![
        (CONFIG_VARIABLE, token.config().display().to_string()),
        (LIBRARY_VARIABLE, token.library().display().to_string()),
        ("CLAVIGER_PKCS11_TOKEN", token.label().to_owned()),
        ("CLAVIGER_PKCS11_PIN", pin.to_owned()),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

impl Rooted {
    fn set_up() -> Self {
        let token = SoftHsm::create();
        let site = Site::set_up_with(&borrowed(&environment(&token, SoftHsm::PIN)));
        Self { token, site }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        environment(&self.token, SoftHsm::PIN)
    }

    fn refused(&self, variables: &[(&'static str, String)], code: i32) -> Ended {
        let ended = self.site.try_serve(&borrowed(variables)).err().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        ended
    }

    /// Runs `doctor`, with its exit code and what it found of the PIN.
    fn examined(&self, variables: &[(&'static str, String)], more: &[&str]) -> (Option<i32>, String) {
        let config = self.site.deployed("claviger.toml");
        let doctor = ["-o", "json", "doctor", "--config"];
        let output =
            claviger().args(doctor).arg(config).args(more).envs(borrowed(variables)).output().unwrap();
        let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of_pin = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "pin");
        (output.status.code(), of_pin.map(ToString::to_string).unwrap_or_default())
    }

    /// A server at work, and something that it sealed.
    fn at_work(&self) -> (Serving, Vec<u8>) {
        let serving = self.site.try_serve(&borrowed(&self.variables())).unwrap();
        (serving, self.site.done("app", &["encrypt", "--key", "orders/main"], b"data"))
    }

    /// Enters a new certificate of somebody, by another, and has the profile of the former name it and no other.
    fn enter(&self, who: &str, by: &str) {
        self.site.enter(&borrowed(&self.variables()), who, by);
    }

    /// It serves, and opens what it sealed before.
    fn serves(&self, sealed: &[u8]) {
        let _serving = self.site.try_serve(&borrowed(&self.variables())).unwrap();
        assert_eq!(self.site.done("app", &["decrypt"], sealed), b"data");
    }
}

#[test]
fn wrong_pin_and_absent_token_are_reported_at_the_start_and_cost_nothing() {
    let rooted = Rooted::set_up();
    let variables = rooted.variables();
    let (serving, sealed) = rooted.at_work();

    // A second server on the same data finds it taken.
    let second = rooted.refused(&variables, 1);
    assert!(second.said.contains("another process"), "{second:?}");
    assert!(serving.stop().status.success());

    let misspelt = environment(&rooted.token, "0000-0000");
    let wrong = rooted.refused(&misspelt, PIN_REFUSED);
    assert!(wrong.said.contains("PIN") && !wrong.said.contains("0000-0000"), "{wrong:?}");
    // The token counted; until a person says so, it is shown no PIN again, not even the right one.
    let kept = rooted.refused(&variables, PIN_REFUSED);
    assert!(kept.said.contains("--risk-pin-lock"), "{kept:?}");
    let (code, found) = rooted.examined(&variables, &[]);
    assert!(code == Some(PIN_REFUSED) && found.contains("--risk-pin-lock"), "{found}");
    assert_eq!(rooted.examined(&variables, &["--risk-pin-lock"]), (Some(0), String::new()));
    rooted.serves(&sealed);

    rooted.token.go_away();
    let absent = rooted.refused(&variables, 1);
    assert!(absent.said.contains(rooted.token.label()), "{absent:?}");
    rooted.token.come_back();
    rooted.serves(&sealed);
}

#[test]
fn server_whose_token_comes_back_near_its_lock_goes_on_without_it_until_that_is_cleared() {
    let rooted = Rooted::set_up();
    let (serving, sealed) = rooted.at_work();
    rooted.token.mistype();
    rooted.token.go_away();
    // To make a ring takes the token: now the server knows that it is unavailable.
    let create = || rooted.site.run("administrator", &["ring", "create", "late"], b"").status.success();
    assert!(!create());
    rooted.token.come_back();
    let reported = eventually(|| serving.said().contains("--risk-pin-lock"));
    assert!(reported, "{}", serving.said());
    assert!(!create(), "it is not shown the PIN");
    rooted.site.done("responder", &["key", "suspend", "orders/main", "--reason", "incident"], b"");
    rooted.token.type_rightly();
    assert!(eventually(create), "the token is as it was, and the server does not see it: {}", serving.said());
    assert!(!rooted.site.run("app", &["decrypt"], &sealed).status.success());
    assert!(serving.stop().status.success());
}

#[test]
fn set_up_with_a_wrong_pin_makes_one_attempt_and_ends_by_its_own_code() {
    let (token, folder) = (SoftHsm::create(), tempfile::tempdir().unwrap());
    let init = |pin: &str| {
        let config = folder.path().join("claviger.toml");
        let init = ["init", "--root", "pkcs11", "--config"];
        claviger().args(init).arg(config).envs(borrowed(&environment(&token, pin))).output().unwrap()
    };
    for pin in ["0000-0000", SoftHsm::PIN] {
        let output = init(pin);
        assert_eq!(output.status.code(), Some(PIN_REFUSED), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn unit_does_not_start_again_what_ended_over_its_pin() {
    let unit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/claviger.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    assert!(unit.lines().any(|line| line == format!("RestartPreventExitStatus={PIN_REFUSED}")));
}

#[test]
fn token_that_vanishes_at_work_is_reported_and_serves_again_when_it_is_back() {
    let rooted = Rooted::set_up();
    let (_serving, sealed) = rooted.at_work();
    rooted.token.go_away();
    // To make a ring takes the token, which wraps its key.
    let create = ["ring", "create", "late"];
    let refused = rooted.site.run("administrator", &create, b"");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("unavailable"), "{said}");
    rooted.token.come_back();
    // The advice was to try again in a moment.
    let made = (0..TRIES).any(|_| rooted.site.run("administrator", &create, b"").status.success());
    assert!(made, "the token is back, and the server does not see it");
    assert_eq!(rooted.site.done("app", &["decrypt"], &sealed), b"data");
}

#[test]
fn what_restricts_works_without_the_token_and_says_later_who_did_it() {
    let rooted = Rooted::set_up();
    let (serving, _) = rooted.at_work();
    rooted.enter("responder", "responder");
    assert!(serving.stop().status.success());
    let (serving, sealed) = rooted.at_work();
    // One has a new certificate and uses no other, the other a new role: nobody of them has called since the start, and there is
    // no session that the token opened.
    let nora = ["principal", "create", "nora", "--kind", "human"];
    rooted.site.done("security_officer", &nora, b"");
    rooted.enter("nora", "security_officer");
    let assign = ["role", "assign", "nora", "responder", "--reason", "on call"];
    approvals::done(&rooted.site, "security_officer-2", &assign);
    rooted.token.go_away();
    let status = rooted.site.done("operator", &["status"], b"");
    assert!(String::from_utf8_lossy(&status).contains("DOES NOT ANSWER"));
    rooted.site.done("nora", &["key", "suspend", "orders/main", "--reason", "incident"], b"");
    rooted.site.done("responder", &["principal", "revoke", "app", "--yes", "--reason", "incident"], b"");
    let refused = rooted.site.run("app", &["decrypt"], &sealed);
    assert!(!refused.status.success());
    // What cannot be signed meanwhile is counted.
    assert!(eventually(|| serving.metric("claviger_log_failures_total") > 0.0), "no failed cut is counted");
    rooted.token.come_back();
    let covered = (0..TRIES).any(|_| {
        std::thread::sleep(Duration::from_secs(2));
        rooted.site.run("auditor", &["audit", "verify"], b"").status.success()
    });
    assert!(covered, "the token is back, and the log does not verify");
    for (who, operation) in [("nora", "suspend_key"), ("responder", "revoke_principal")] {
        let search = ["-o", "json", "audit", "search", "--principal", who, "--page-all"];
        let found: Value = serde_json::from_slice(&rooted.site.done("auditor", &search, b"")).unwrap();
        let mut items = found["items"].as_array().unwrap().iter();
        let acted = |entry: &Value| entry["operation"] == operation && entry["who"]["name"] == who;
        assert!(items.any(acted), "{who} {operation}: {found}");
    }
    assert!(serving.stop().status.success());
}

#[test]
fn access_key_that_was_used_that_day_disables_a_key_without_the_token_and_another_does_not() {
    let token = Token::create().unwrap();
    let lab = Lab::new(CLAVIGER.as_ref()).unwrap();
    let site = attacked::Site::set_up_for_evaluation_in(&lab, &token).unwrap();
    let used = site.evaluation_key().unwrap();
    let [key, other] = [(); 2].map(|()| json!({ "KeyId": used.create_key().unwrap() }));
    let unused = site.create_aws_workload("unused", None).unwrap();
    let may = ["unused", "--ring", "evaluation", "--operations", "suspend_key"];
    site.grant(&may).unwrap();
    token.go_away().unwrap();
    let without = unused.call("DisableKey", &other).unwrap();
    assert!(!without.is_done(), "{}", without.shown());
    used.done("DisableKey", &key).unwrap();
    let shown = used.done("DescribeKey", &key).unwrap();
    assert_eq!(shown["KeyMetadata"]["KeyState"], "Disabled", "{shown}");
    token.come_back().unwrap();
    // It was the token that kept it from doing so.
    let mut last = String::new();
    let is_done = eventually(|| {
        let answer = unused.call("DisableKey", &other).unwrap();
        last = answer.shown();
        answer.is_done()
    });
    assert!(is_done, "{last}");
}
