//! The certificates that a node shows and the authorities that it trusts, a line for each, for the log.
//!
//! A line has no name of whom a certificate is about: it is known again by its fingerprint.

use std::path::Path;

use claviger_core::Timestamp;
use claviger_crypto::digest::sha256;
use rustls_pki_types::CertificateDer;

use crate::config::Config;
use crate::pki;

/// Most of them that are listed; how many more there are is a line of its own.
const MOST_LISTED: usize = 64;

/// The certificates of the configuration. `listeners` are those that show the server's, joined by `+`.
pub(crate) fn lines(config: &Config, listeners: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut read = |file: &Path| {
        // What did not read was refused when the listeners were made: since then somebody put another file there.
        pki::read_certificates(file).unwrap_or_else(|_| {
            lines.push("unread".to_owned());
            Vec::new()
        })
    };
    let (shown, trusted) = (read(&config.tls.certificate), read(&config.tls.client_ca));
    let owner = config.certificate_owner.as_ref().map(|owner| format!(" owner={owner}")).unwrap_or_default();
    let server = format!("server purpose=server-authentication listeners={listeners}");
    let mut all = Vec::new();
    for (at, der) in shown.iter().enumerate() {
        all.push((if at == 0 { server.as_str() } else { "intermediate purpose=server-authentication" }, der));
    }
    all.extend(trusted.iter().map(|der| ("authority purpose=client-authentication", der)));
    let line = |(role, der): &(&str, &CertificateDer<'_>)| {
        let facts = pki::certificate_facts(der)?;
        let [print, issuer] = [fingerprint(der), issuer(der, &facts, &shown, &trusted)];
        let [from, until] = [facts.valid_from, facts.expires_at].map(date);
        // Nobody is asked: what is told is whether there is somebody to ask.
        let revocation = if facts.names_revocations { "unchecked" } else { "unpublished" };
        let key = &facts.key;
        Some(format!(
            "{role} sha256={print}{owner} key={key} from={from} until={until} issuer={issuer} revocation={revocation}"
        ))
    };
    lines.extend(all.iter().take(MOST_LISTED).filter_map(line));
    if all.len() > MOST_LISTED {
        lines.push(format!("further count={}", all.len() - MOST_LISTED));
    }
    lines
}

/// Who issued it: `self`, one of those at hand by its fingerprint, or somebody `elsewhere`.
fn issuer(
    der: &CertificateDer<'_>,
    facts: &pki::CertificateFacts,
    shown: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
) -> String {
    if facts.names_itself && pki::is_issued_by(der, der) {
        return "self".to_owned();
    }
    let found = shown.iter().chain(trusted).find(|authority| pki::is_issued_by(der, authority));
    found.map_or_else(|| "elsewhere".to_owned(), |authority| fingerprint(authority))
}

/// In the form of `openssl x509 -fingerprint -sha256`.
fn fingerprint(der: &[u8]) -> String {
    sha256(der).map(|byte| format!("{byte:02X}")).join(":")
}

/// Certificates know whole seconds.
fn date(at: Timestamp) -> String {
    let at = pki::date(at);
    let (month, day) = (u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", at.year())
}

#[cfg(test)]
mod tests {
    use claviger_compliance::detector::scan_words;

    use super::*;
    use crate::pki::Authority;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
    const TOML: &str = "data_dir = \"data\"\n[deployment]\ncertificate_owner = \"ops\"\n[tls]\ncertificate = \"server.crt\"\n\
                        key = \"server.key\"\nclient_ca = \"ca.crt\"\n[root]\nkind = \"insecure_software_root\"\nkey_file = \"root.key\"\n";

    /// A certificate of a server under an authority, and how both are configured.
    fn config(dir: &Path, toml: &str) -> (Config, [String; 2]) {
        let (authority, ca) = Authority::create(NOW).unwrap();
        let server = authority.issue_server(&["localhost".to_owned()], NOW).unwrap();
        ca.write(&dir.join("ca.crt"), &dir.join("ca.key")).unwrap();
        server.write(&dir.join("server.crt"), &dir.join("server.key")).unwrap();
        std::fs::write(dir.join("claviger.toml"), toml).unwrap();
        let prints = [fingerprint(&server.der), fingerprint(&ca.der)];
        (Config::load(&dir.join("claviger.toml")).unwrap(), prints)
    }

    #[test]
    fn server_and_authority_are_listed_with_all_that_is_asked_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let (config, [server, ca]) = config(dir.path(), TOML);
        let lines = lines(&config, "control+data");
        let [leaf, authority] = &lines[..] else { panic!("{lines:?}") };
        let from = "from=2026-09-21T14:08:20Z";
        assert_eq!(
            *leaf,
            format!(
                "server purpose=server-authentication listeners=control+data sha256={server} owner=ops key=ec-p256 {from} \
                 until=2027-10-23T14:13:20Z issuer={ca} revocation=unpublished"
            )
        );
        assert_eq!(
            *authority,
            format!(
                "authority purpose=client-authentication sha256={ca} owner=ops key=ec-p256 {from} \
                 until=2036-09-18T14:13:20Z issuer=self revocation=unpublished"
            )
        );
        assert!(lines.iter().all(|line| !line.contains([',', '\n'])), "{lines:?}");
        // What is looked for in facts as if it were a key is none of it.
        assert!(lines.iter().all(|line| scan_words(line).is_empty()), "{lines:?}");
    }

    #[test]
    fn without_an_owner_there_is_none_and_an_issuer_elsewhere_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let toml = TOML.replace("certificate_owner = \"ops\"\n", "");
        let (config, _) = config(dir.path(), &toml);
        let (_, other) = Authority::create(NOW).unwrap();
        std::fs::write(dir.path().join("ca.crt"), other.certificate_pem.repeat(MOST_LISTED)).unwrap();
        let lines = lines(&config, "data");
        assert!(lines[0].contains(" issuer=elsewhere ") && !lines[0].contains("owner="), "{lines:?}");
        assert_eq!((lines.len(), lines[MOST_LISTED].as_str()), (MOST_LISTED + 1, "further count=1"));
    }

    #[test]
    fn a_file_that_does_not_read_any_more_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let (config, [server, _]) = config(dir.path(), TOML);
        std::fs::write(dir.path().join("ca.crt"), "").unwrap();
        let lines = lines(&config, "data");
        assert_eq!((lines.len(), lines[0].as_str()), (2, "unread"));
        assert!(lines[1].contains(&format!(" sha256={server} ")), "{lines:?}");
    }
}
