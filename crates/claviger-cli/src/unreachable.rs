//! Why no answer came, and what to do about it: what the layers below say, in the words of whoever reads it.

use std::sync::OnceLock;
use std::time::Duration;

use claviger_client::Profile;
use claviger_client::profile::ProfileCredential;
use claviger_client::types::Instant;
use claviger_core::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock;
use crate::failure::Failure;
use crate::output::warn;

/// From when on the end of the own certificate is worth a word: 30 days.
const ENDING: Duration = Duration::from_secs(30 * 86_400);

/// When the certificate of the profile ends, once one was used.
static OWN_END: OnceLock<Timestamp> = OnceLock::new();

/// Warns, once, of the certificate of a profile that ends soon.
pub(crate) fn look_at(profile: &Profile) {
    let ProfileCredential::Certificate { chain, .. } = &profile.credential else { return };
    let Some(ends) = chain.first().and_then(|certificate| end_of(certificate)) else { return };
    if OWN_END.set(ends).is_err() {
        return;
    }
    let now = clock::now();
    if ends > now && ends <= now.after(ENDING) {
        let days = ends.since(now).as_secs() / 86_400;
        warn(&format!(
            "the certificate of the profile ends in {days} days, at {}: renew it, `claviger credential renew`",
            Instant(ends)
        ));
    }
}

fn end_of(certificate: &[u8]) -> Option<Timestamp> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    seconds.checked_mul(1_000_000).map(Timestamp::from_micros)
}

/// What happened, and what to do, by what is said of it: the first of which the words are there.
const CAUSES: &[(&[&str], &str, &str)] = &[
    (
        &["certificate expired", "CertificateExpired", "expired certificate"],
        "a certificate has expired: the server's, or the clock of this machine is wrong",
        "compare the clocks; the operator makes the server another certificate: `claviger init --renew`",
    ),
    (
        &["NotValidYet", "not valid yet"],
        "the certificate of the server is not valid yet: the clock of this machine or of the server is wrong",
        "compare the clocks of both machines",
    ),
    (
        &["UnknownIssuer", "BadSignature"],
        "the certificate of the server is of no authority that the profile trusts: of another deployment, or without the certificates between \
         it and its authority",
        "compare the address in the profile; take `authority` (or the file `ca`) from the deployment anew; the operator sees a chain that is not whole \
         by `claviger doctor`",
    ),
    (
        &["NotValidForName", "not valid for name"],
        "the certificate of the server is not for the name or address in the profile",
        "use a name that it is for in the profile; or the operator adds this one: `claviger init --renew --san NAME`",
    ),
    (
        &["CertificateRequired", "certificate required"],
        "the server asks for a certificate, and the profile has none",
        "name `certificate` and `key` in the profile",
    ),
    (
        &[
            "alert",
            "channel closed",
            "connection closed",
            "connection reset",
            "broken pipe",
            "unexpected eof",
        ],
        "the server ended the connection: it does not take the certificate of the profile (expired, or of another authority), it was stopped, or \
         this address has failed too often",
        "`openssl x509 -enddate -issuer -in CERTIFICATE` shows the certificate; the operator's traces (`journalctl -u claviger`) show the rest",
    ),
    (
        &["refused"],
        "nothing listens at the address in the profile",
        "start the server (`systemctl status claviger`), or correct the address and the port in the profile",
    ),
    (
        &["dns error", "lookup address", "Name or service not known"],
        "the name in the profile has no address",
        "correct the name in the profile, or have it entered in the DNS",
    ),
    (
        &["unreachable", "No route to host"],
        "there is no way from this machine to the address in the profile",
        "see to the network, or correct the address in the profile",
    ),
    (
        &["within the time allowed"],
        "no answer came within the time allowed",
        "see whether a firewall stands between, and whether the server is busy: `claviger status`; what a changing call did is shown by `claviger audit tail`",
    ),
];

/// The failure of a call to which no answer came.
pub(crate) fn failure(why: &str) -> Failure {
    reported(why, OWN_END.get().copied(), clock::now())
}

fn reported(why: &str, own_end: Option<Timestamp>, now: Timestamp) -> Failure {
    if let Some(ended) = own_end.filter(|ends| *ends <= now) {
        let message = format!(
            "cannot reach the deployment: the certificate of the profile ended at {}, and no server takes it any more ({why})",
            Instant(ended)
        );
        return Failure::failed(message).advise(
            "a new credential is made for an application by an administrator, for a person by security officers; where none is left: `claviger recover`",
        );
    }
    let lower = why.to_ascii_lowercase();
    let is_said = |words: &&str| lower.contains(&words.to_ascii_lowercase());
    match CAUSES.iter().find(|(words, ..)| words.iter().any(is_said)) {
        Some((_, cause, advice)) => {
            Failure::failed(format!("cannot reach the deployment: {cause} ({why})")).advise(*advice)
        }
        None => Failure::failed(format!("cannot reach the deployment: {why}")).advise(
            "check that it runs and that the addresses in the profile are right; what a changing call did is shown by `claviger audit tail`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_becomes_cause_and_remedy() {
        let now = clock::now();
        for (why, cause, advice) in [
            ("client error (SendRequest): channel closed", "does not take the certificate", "openssl x509"),
            (
                "client error (Connect): tcp connect error: Connection refused (os error 111)",
                "nothing listens",
                "systemctl status",
            ),
            ("connection error: received fatal alert: CertificateExpired", "has expired", "--renew"),
            (
                "client error (Connect): invalid peer certificate: UnknownIssuer",
                "no authority that the profile trusts",
                "doctor",
            ),
            (
                "client error (Connect): invalid peer certificate: certificate not valid for name \"a\"",
                "not for the name",
                "--san",
            ),
            (
                "client error (Connect): dns error: failed to lookup address information",
                "has no address",
                "DNS",
            ),
            ("no answer within the time allowed", "no answer came", "firewall"),
        ] {
            let text = reported(why, Some(now.after(ENDING)), now).to_string();
            assert!(text.contains(cause) && text.contains(advice) && text.contains(why), "{text}");
        }
        let text = reported("something new", None, now).to_string();
        assert!(text.contains("something new") && text.contains("check that it runs"), "{text}");
        // One's own certificate that is over explains whatever is said.
        let text = reported("channel closed", Some(now), now).to_string();
        assert!(text.contains("the certificate of the profile ended at"), "{text}");
    }

    #[test]
    fn end_is_that_of_the_certificate() {
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        assert_eq!(Instant(end_of(certificate.der()).unwrap()).to_string(), "2031-02-03T00:00:00Z");
        assert_eq!(end_of(b"no certificate"), None);
    }
}
