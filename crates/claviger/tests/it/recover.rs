//! Governance that was lost comes back by `claviger recover`, wherever that is killed, and not with a wrong PIN.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;

use claviger_attack::machine;
use claviger_attack::token::Token;
use serde_json::Value;

use crate::approvals::{self, ask};
use crate::instance::{claviger, printed};
use crate::serving::Site;

const SIGABRT: i32 = 6;

fn recover(site: &Site, name: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = claviger();
    command.arg("recover").arg("--config").arg(site.deployed("claviger.toml")).args(["--name", name]);
    command.envs(environment.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Names of the security officers that a recovery made and nobody acknowledged.
fn unacknowledged(site: &Site) -> Vec<String> {
    let status = json(&site.done("operator", &["-o", "json", "status"], b""));
    let names = status["unacknowledged_recoveries"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The principals there are, by name.
fn principals(site: &Site) -> Vec<String> {
    let listed = json(&site.done("auditor", &["-o", "json", "principal", "list", "--page-all"], b""));
    listed["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// Revokes every credential of both officers: the last one of the last officer too.
fn lose(site: &Site) {
    for who in ["security_officer-2", "security_officer"] {
        let list = ["-o", "json", "credential", "list", "--principal", who];
        for credential in json(&site.done("responder", &list, b""))["items"].as_array().unwrap() {
            let id = credential["id"].as_str().unwrap();
            site.done("responder", &["credential", "revoke", id, "--reason", "stolen"], b"");
        }
        assert!(!site.run(who, &["principal", "list"], b"").status.success());
    }
}

#[test]
fn officer_is_made_where_none_is_left_and_is_shown_until_another_person_acknowledges_it() {
    let site = Site::set_up();
    let serving = site.serve();
    lose(&site);
    // Not beside a server at work.
    let beside = recover(&site, "rita", &[]);
    assert!(!beside.status.success() && said(&beside).contains("another process"), "{}", said(&beside));
    serving.stop();
    for name in ["rita", "ralf"] {
        let made = recover(&site, name, &[]);
        assert!(made.status.success(), "{}", said(&made));
    }
    let taken = recover(&site, "auditor", &[]);
    assert!(!taken.status.success() && said(&taken).contains("choose another"), "{}", said(&taken));

    let serving = site.serve();
    assert_eq!(serving.said().matches("made this security officer").count(), 2, "{}", serving.said());
    assert_eq!(unacknowledged(&site), ["rita", "ralf"]);
    // They govern, and one alone gives no role to whom it entered.
    site.done("rita", &["principal", "create", "nora", "--kind", "human"], b"");
    assert!(
        !site
            .run("rita", &["role", "assign", "nora", "responder", "--reason", "on call"], b"")
            .status
            .success()
    );
    // Nobody governs without the others: custodians approve what a recovered officer does as they approve what any other does.
    approvals::done(&site, "ralf", &["role", "assign", "nora", "responder", "--reason", "on call"]);
    let acknowledge = |who: &str, of: &str| site.run(who, &["principal", "acknowledge-recovery", of], b"");
    assert!(!acknowledge("rita", "rita").status.success());
    assert!(!acknowledge("ralf", "rita").status.success());
    for of in ["rita", "ralf"] {
        assert!(acknowledge("auditor", of).status.success());
    }
    assert_eq!(unacknowledged(&site), Vec::<String>::new());
    let found = site.done("auditor", &["-o", "json", "audit", "search", "--op", "recover"], b"");
    assert_eq!(String::from_utf8_lossy(&found).matches("\"recover\"").count(), 2);
    site.done("auditor", &["audit", "verify"], b"");
    serving.stop();
    let serving = site.serve();
    assert_eq!(serving.said().matches("made this security officer").count(), 0);
    serving.stop();
}

#[test]
fn officer_is_made_where_all_certificates_have_expired() {
    let site = Site::set_up();
    // Certificates of people are good for 397 days, and the server's is too.
    let clock = machine::clock("+400d").unwrap();
    let clock = clock.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let renew = |clock: &[(&str, &str)]| {
        let mut renew = claviger();
        renew.args(["init", "--renew", "--config"]).arg(site.deployed("claviger.toml"));
        let renewed = renew.envs(clock.iter().copied()).output().unwrap();
        assert!(renewed.status.success(), "{}", said(&renewed));
    };
    renew(&clock);
    let people = ["security_officer", "security_officer-2", "administrator", "responder", "custodian-1"];
    let serving = site.try_serve(&clock).unwrap();
    for who in people {
        let refused = site.run_with(&clock, who, &["status"]);
        assert!(!refused.status.success(), "{who}: {}", said(&refused));
    }
    serving.stop();
    let officers = ["rita", "ralf"];
    for name in officers {
        let made = recover(&site, name, &clock);
        assert!(made.status.success(), "{}", said(&made));
    }
    let serving = site.try_serve(&clock).unwrap();
    let run = |who: &str, arguments: &[&str]| site.run_with(&clock, who, arguments);
    let done = |who: &str, arguments: &[&str]| printed(arguments, || run(who, arguments));
    // Both are as officers are: they enter people. What others must approve they ask for, and neither of them approves it: whoever has the
    // machine and the secret of the root makes as many officers as they like.
    for custodian in ["karl", "kara"] {
        done("rita", &["principal", "create", custodian, "--kind", "human"]);
        site.enter(&clock, custodian, "rita");
        let appoint = ["role", "assign", custodian, "custodian", "--reason", "none is left"];
        let approval = ask(&run, "ralf", &appoint);
        let refused = run("rita", &["approval", "approve", &approval, "--yes"]);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert_eq!(ask(&run, "ralf", &appoint), approval);
    }
    serving.stop();
    // Where the clock was merely wrong, those of before are as good as ever once it is right.
    renew(&[]);
    let serving = site.serve();
    assert_eq!(unacknowledged(&site), officers);
    site.done("auditor", &["audit", "verify"], b"");
    serving.stop();
}

#[test]
fn recovery_that_was_killed_leaves_no_half_of_an_officer_and_is_run_again() {
    let site = Site::set_up();
    let serving = site.serve();
    let before = principals(&site);
    serving.stop();
    // The start of the log is the first commit, the officer the second, the end of the log the third.
    let points = ["recover-issued", "commit-before:2", "commit-after:2", "recover-made", "commit-before:3"];
    let names = ["a-1", "a-2", "a-3", "a-4", "a-5"];
    for (point, name) in points.into_iter().zip(names) {
        let killed = recover(&site, name, &[("CLAVIGER_FAILPOINT", point)]);
        assert_eq!(killed.status.signal(), Some(SIGABRT), "{point}: {}", said(&killed));
        assert!(!site.deployed(&format!("profiles/{name}.toml")).exists(), "{point}");
        let again = recover(&site, name, &[]);
        assert!(again.status.success(), "{point}: {}", said(&again));
    }
    let serving = site.serve();
    let mut expected = [&before[..], &names.map(str::to_owned)].concat();
    expected.sort();
    assert_eq!(principals(&site), expected);
    assert_eq!(unacknowledged(&site), names);
    for name in names {
        // Its certificate is the one that it has, and there is one of it.
        let list = ["-o", "json", "credential", "list", "--principal", name];
        assert_eq!(json(&site.done(name, &list, b""))["items"].as_array().unwrap().len(), 1, "{name}");
    }
    site.done("auditor", &["audit", "verify"], b"");
    serving.stop();
}

#[test]
fn wrong_pin_is_shown_once_and_makes_nobody() {
    let token = Token::watched().unwrap();
    let (right, wrong) = (token.variables(Token::PIN), token.variables("9999-9999"));
    let [right, wrong] = [&right, &wrong]
        .map(|all| all.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    let site = Site::set_up_with(&right);
    let before = token.logins().unwrap();
    let refused = recover(&site, "rita", &wrong);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert_eq!(token.logins().unwrap(), before + 1);
    assert!(!site.deployed("profiles/rita.crt").exists());
    // Not even the right one is shown to it now.
    let kept = recover(&site, "rita", &right);
    assert!(!kept.status.success(), "{}", said(&kept));
    assert_eq!(token.logins().unwrap(), before + 1);
    // The token says that a wrong PIN was shown to it: the right one is risked by choice, and clears that.
    let mut doctor = claviger();
    doctor.args(["doctor", "--risk-pin-lock", "--config"]).arg(site.deployed("claviger.toml"));
    let examined = doctor.envs(right.iter().copied()).output().unwrap();
    assert!(examined.status.success(), "{}", said(&examined));
    let serving = site.try_serve(&right).unwrap();
    assert!(!principals(&site).contains(&"rita".to_owned()));
    assert_eq!(unacknowledged(&site), Vec::<String>::new());
    serving.stop();
    let made = recover(&site, "rita", &right);
    assert!(made.status.success(), "{}", said(&made));
}
