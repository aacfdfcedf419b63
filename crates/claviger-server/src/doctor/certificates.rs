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
    findings.extend(chain(&config.tls.certificate, &config.tls.client_ca));
    match tls::load(&config.tls) {
        Ok(_) => findings.push(Finding::ok("tls", "certificate and key fit each other")),
        Err(error) => findings.push(Finding::wrong("tls", error.to_string(), RENEW)),
    }
    findings
}

/// Does each certificate of the server's file lead to the next, and the last one to an authority? Clients that trust only an authority
/// above refuse a server that leaves one out in between.
fn chain(path: &Path, authorities: &Path) -> Option<Finding> {
    // What does not read is reported by the others.
    let chain = pki::read_certificates(path).ok()?;
    let authorities = pki::read_certificates(authorities).unwrap_or_default();
    let shown = path.display();
    let advice = "put the certificates of all authorities between the server's and the one that clients trust behind it, in this order, in the same file; \
                  then SIGHUP";
    for (at, pair) in chain.windows(2).enumerate() {
        if let [one, next] = pair
            && !pki::is_issued_by(one, next)
        {
            let message =
                format!("certificate {} in `{shown}` is not issued by the one that follows it", at + 1);
            return Some(Finding::wrong("chain", message, advice));
        }
    }
    let last = chain.last()?;
    let is_top = pki::certificate_facts(last)?.names_itself;
    if is_top || authorities.iter().any(|authority| pki::is_issued_by(last, authority)) {
        return Some(Finding::ok("chain", format!("the certificates in `{shown}` lead to an authority")));
    }
    let issuer = pki::issuer_of(last).unwrap_or_else(|| "somebody".to_owned());
    let message = format!(
        "the last certificate in `{shown}` is issued by `{issuer}`, whose certificate is neither there nor in `tls.client_ca`: if clients do \
         not trust `{issuer}` itself, they refuse the server"
    );
    Some(Finding::warning("chain", message, advice))
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
    fn chain_that_is_not_whole_is_found() {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, parts: &[&str]| {
            let path = dir.path().join(name);
            std::fs::write(&path, parts.concat()).unwrap();
            path
        };
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let keys: Vec<_> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let (above, below) = (authority("top"), authority("between"));
        let (by_top, by_between) =
            (Issuer::from_params(&above, &keys[0]), Issuer::from_params(&below, &keys[1]));
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let pems = [
            above.self_signed(&keys[0]).unwrap(),
            below.signed_by(&keys[1], &by_top).unwrap(),
            server.signed_by(&keys[2], &by_between).unwrap(),
        ];
        let pems = pems.map(|certificate| certificate.pem());
        let [top, between, server] = pems.each_ref().map(String::as_str);
        let (_, other) = Authority::create(SystemClock.now()).unwrap();
        let (known, strange) = (put("top.crt", &[top]), put("other.crt", &[&other.certificate_pem]));
        for (parts, authorities, level) in [
            (vec![server, between], &known, Level::Ok),
            (vec![server, between, top], &strange, Level::Ok),
            (vec![server], &known, Level::Warning),
            (vec![server], &strange, Level::Warning),
            (vec![server, between], &strange, Level::Warning),
            (vec![server, top], &known, Level::Wrong),
            (vec![server, top, between], &known, Level::Wrong),
        ] {
            let found = chain(&put("server.crt", &parts), authorities).unwrap();
            assert_eq!(found.level, level, "{found:?}");
        }
        assert_eq!(chain(&put("server.crt", &["junk"]), &known), None);
    }

    #[test]
    fn expiry_is_reported_before_and_after_it_happens() {
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
