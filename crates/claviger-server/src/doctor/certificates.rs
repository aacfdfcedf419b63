//! Certificates: there, readable, private, fitting, not expired.

use std::path::Path;

use claviger_core::Timestamp;
use claviger_core::port::Clock as _;

use super::Finding;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::listener::tls;
use crate::pki::{self, EXPIRY_WARNING};

const RENEW: &str = "make a new one with `claviger init --renew --config FILE`, or put one of your authority there; then SIGHUP";

pub(super) fn all(config: &Config) -> Vec<Finding> {
    let now = SystemClock.now();
    let mut findings = vec![
        expiry("certificate", &config.tls.certificate, now),
        expiry("client_ca", &config.tls.client_ca, now),
    ];
    match tls::load(&config.tls) {
        Ok(_) => findings.push(Finding::ok("tls", "certificate and key fit each other")),
        Err(error) => findings.push(Finding::wrong("tls", error.to_string(), RENEW)),
    }
    findings
}

fn expiry(check: &'static str, path: &Path, now: Timestamp) -> Finding {
    let facts = match pki::read_facts(path) {
        Ok(facts) => facts,
        Err(error) => return Finding::wrong(check, error.to_string(), RENEW),
    };
    let shown = path.display();
    let days = facts.expires_at.since(now).as_secs() / 86_400;
    if facts.expires_at <= now {
        return Finding::wrong(check, format!("`{shown}` has expired"), RENEW);
    }
    if facts.valid_from > now {
        let advice = "set the clock of this machine; if it is right, make a new certificate";
        return Finding::wrong(
            check,
            format!("`{shown}` is valid from an instant that is yet to come"),
            advice,
        );
    }
    if facts.expires_at <= now.after(EXPIRY_WARNING) {
        return Finding::warning(check, format!("`{shown}` expires in {days} days"), RENEW);
    }
    Finding::ok(check, format!("`{shown}` is valid for {days} more days"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::Level;
    use crate::pki::{Authority, LEAF_LIFETIME};

    #[test]
    fn expiry_is_told_before_and_after_it_happens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.crt");
        let made = SystemClock.now();
        let (authority, _) = Authority::create(made).unwrap();
        let issued = authority.issue_server(&["localhost".into()], made).unwrap();
        issued.write(&path, &dir.path().join("server.key")).unwrap();
        let day = Duration::from_secs(86_400);
        for (later, level) in [
            (Duration::ZERO, Level::Ok),
            (LEAF_LIFETIME - day * 5, Level::Warning),
            (LEAF_LIFETIME + day, Level::Wrong),
        ] {
            assert_eq!(expiry("certificate", &path, made.after(later)).level, level, "{later:?}");
        }
        let long_before = Timestamp::from_micros(made.as_micros() - 1_000_000_000);
        assert_eq!(expiry("certificate", &path, long_before).level, Level::Wrong);
    }
}
