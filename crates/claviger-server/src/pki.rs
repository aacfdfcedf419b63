//! Certificates of a deployment: its own authority, the server's certificate, and those of the first principals.
//!
//! What it keeps true: keys are P-256 and written for their owner alone; serial numbers are random and positive; each
//! certificate can do one thing (RFC 5280, 4.2.1.3 and 4.2.1.12), and an authority can make no other authority.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_core::{Name, Timestamp};
use claviger_crypto::{CryptoError, random};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, SubjectPublicKeyInfo,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
    OID_PKIX_ACCESS_DESCRIPTOR_OCSP, OID_PKIX_AUTHORITY_INFO_ACCESS, OID_SIG_ED25519,
    OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;
use zeroize::Zeroizing;

use crate::files::{self, FileError};

const DAY: Duration = Duration::from_secs(86_400);

/// How long an authority counts.
pub const AUTHORITY_LIFETIME: Duration = DAY.saturating_mul(3650);

/// How long a certificate of a server or client counts: what browsers accept at most.
pub const LEAF_LIFETIME: Duration = DAY.saturating_mul(397);

/// From when on a certificate that will expire is worth a warning.
pub const EXPIRY_WARNING: Duration = DAY.saturating_mul(30);

/// Certificates count from a little earlier than they are made: clocks differ.
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The generator of random numbers failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate or key could not be made.
    #[error("cannot issue a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// A file holds no certificate.
    #[error("`{}` holds no PEM certificate that can be read; restore it, or name the right file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// No certificate request, or not one that its own key has signed.
    #[error("that is no certificate request (PKCS #10) that its own key has signed")]
    Request,
}

/// A certificate with its private key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// Its DER bytes.
    pub der: Vec<u8>,
    /// The private key in PEM (PKCS #8).
    pub key_pem: Zeroizing<String>,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Issued {
    fn new(certificate: &Certificate, key: &KeyPair, expires_at: Timestamp) -> Self {
        Self {
            certificate_pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key_pem: Zeroizing::new(key.serialize_pem()),
            expires_at,
        }
    }

    /// Writes both: the certificate for all, the key for its owner. The key comes first, so that a certificate that is
    /// there has its key.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<(), FileError> {
        files::write_private(key, self.key_pem.as_bytes())?;
        files::write_public(certificate, self.certificate_pem.as_bytes())
    }
}

/// The authority of a deployment.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(..)")
    }
}

impl Authority {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn create(now: Timestamp) -> Result<(Self, Issued), PkiError> {
        let key = new_key()?;
        let expires_at = now.after(AUTHORITY_LIFETIME);
        // Two deployments are told apart by more than their keys.
        let mark = random::array::<4>()?.map(|byte| format!("{byte:02x}")).concat();
        let mut params = params(&format!("Claviger deployment CA {mark}"), now, expires_at)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        let issued = Issued::new(&certificate, &key, expires_at);
        let issuer = Issuer::new(params, key);
        Ok((Self { issuer, certificate_pem: issued.certificate_pem.clone() }, issued))
    }

    /// Reads one that was made before.
    ///
    /// # Errors
    /// [`PkiError`]; also when others can read the key.
    #[expect(
        clippy::disallowed_methods,
        reason = "the key of the authority goes to the one who signs with it"
    )]
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, PkiError> {
        let certificate_pem = read_text(certificate)?;
        let secret = files::read_secret(key)?;
        let key_pem = std::str::from_utf8(secret.expose())
            .map_err(|_| PkiError::Unreadable { path: key.to_path_buf() })?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { issuer, certificate_pem })
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for a server that is reached by any of `names`.
    ///
    /// # Errors
    /// [`PkiError`]; also when a name is neither an IP address nor a DNS name.
    pub fn issue_server(&self, names: &[String], now: Timestamp) -> Result<Issued, PkiError> {
        let mut params = params("Claviger server", now, now.after(LEAF_LIFETIME))?;
        params.subject_alt_names = CertificateParams::new(names.to_vec())?.subject_alt_names;
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth, now)
    }

    /// A certificate by which a principal proves itself.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue_client(&self, principal: &Name, now: Timestamp) -> Result<Issued, PkiError> {
        let params = params(principal.as_str(), now, now.after(LEAF_LIFETIME))?;
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth, now)
    }

    /// A certificate by which a principal proves itself, for the key of its request (PKCS #10, DER). Of the request nothing else is
    /// heeded. It ends at `until`, or before.
    ///
    /// # Errors
    /// [`PkiError`]; [`PkiError::Request`] for what is no request, or was signed by another key.
    pub fn sign_client(
        &self,
        request: &[u8],
        principal: &Name,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Signed, PkiError> {
        let key = requested_key(request)?;
        let expires_at = until.min(now.after(LEAF_LIFETIME));
        let params = leaf(params(principal.as_str(), now, expires_at)?, ExtendedKeyUsagePurpose::ClientAuth);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Signed { certificate_pem: certificate.pem(), der: certificate.der().to_vec(), expires_at })
    }

    fn issue(
        &self,
        params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
        now: Timestamp,
    ) -> Result<Issued, PkiError> {
        let key = new_key()?;
        let certificate = leaf(params, usage).signed_by(&key, &self.issuer)?;
        Ok(Issued::new(&certificate, &key, now.after(LEAF_LIFETIME)))
    }
}

/// A certificate for a key that is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// Its DER bytes.
    pub der: Vec<u8>,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// What every certificate has that is no authority's.
fn leaf(mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Is it a certificate request (PKCS #10, DER) that its own key has signed?
#[must_use]
pub fn is_request(der: &[u8]) -> bool {
    requested_key(der).is_ok()
}

/// The key of a certificate request that this key has signed.
fn requested_key(request: &[u8]) -> Result<SubjectPublicKeyInfo, PkiError> {
    let (rest, parsed) = X509CertificationRequest::from_der(request).map_err(|_| PkiError::Request)?;
    if !rest.is_empty() || parsed.verify_signature().is_err() {
        return Err(PkiError::Request);
    }
    Ok(SubjectPublicKeyInfo::from_der(parsed.certification_request_info.subject_pki.raw)?)
}

fn new_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

fn params(common_name: &str, now: Timestamp, expires_at: Timestamp) -> Result<CertificateParams, PkiError> {
    let skewed = now.as_micros().saturating_sub(u64::try_from(CLOCK_SKEW.as_micros()).unwrap_or_default());
    let mut params = CertificateParams::default();
    params.not_before = date(Timestamp::from_micros(skewed));
    params.not_after = date(expires_at);
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

/// 126 random bits, positive, of one length (RFC 5280, 4.1.2.2).
fn serial_number() -> Result<SerialNumber, CryptoError> {
    let mut bytes = random::array::<16>()?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

pub(crate) fn date(at: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(at.as_micros() / 1_000_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Is it a DNS name or an IP address?
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || rustls_pki_types::DnsName::try_from(text.to_owned()).is_ok()
}

/// The name that this machine gives itself.
fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Is it a name that means this machine wherever it is said, or that this machine gives itself?
#[must_use]
pub fn is_own_name(name: &str) -> bool {
    name == "localhost" || name == machine_name() || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The names by which a server on this machine is reached, and `more`.
#[must_use]
pub fn server_names(more: &[String]) -> Vec<String> {
    let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let machine = machine_name();
    names.extend(Some(machine).filter(|name| is_name(name)));
    names.extend(more.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// From when on it counts.
    pub valid_from: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whether it is an authority's.
    pub is_authority: bool,
    /// The common name of its subject, if it has exactly one.
    pub common_name: Option<String>,
    /// The version of X.509.
    pub version: u32,
    /// Whether issuer and subject bear one name.
    pub names_itself: bool,
    /// DNS names and IP addresses that it is for, in its order (RFC 5280, 4.2.1.6).
    pub names: Vec<String>,
    /// The kind of its key, as `ec-p256`, or the identifier of its algorithm.
    pub key: String,
    /// Whether it names a place where its authority says what it revoked.
    pub names_revocations: bool,
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// [`PkiError::File`], or [`PkiError::Unreadable`] when there is none, or one that cannot be parsed.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let unreadable = || PkiError::Unreadable { path: path.to_path_buf() };
    let pem = files::read(path)?;
    let chain =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|_| unreadable())?;
    if chain.is_empty() || chain.iter().any(|der| certificate_facts(der).is_none()) {
        return Err(unreadable());
    }
    Ok(chain)
}

/// What the first certificate of a PEM file says of itself.
///
/// # Errors
/// As [`read_certificates`].
pub fn read_facts(path: &Path) -> Result<CertificateFacts, PkiError> {
    let chain = read_certificates(path)?;
    let facts = chain.first().and_then(|der| certificate_facts(der));
    facts.ok_or_else(|| PkiError::Unreadable { path: path.to_path_buf() })
}

/// What a certificate says of itself; `None` if it cannot be parsed.
#[must_use]
pub fn certificate_facts(der: &[u8]) -> Option<CertificateFacts> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let instant =
        |seconds: i64| u64::try_from(seconds).ok()?.checked_mul(1_000_000).map(Timestamp::from_micros);
    rest.is_empty().then_some(())?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok()).filter(|_| names.next().is_none());
    Some(CertificateFacts {
        valid_from: instant(certificate.validity().not_before.timestamp())?,
        expires_at: instant(certificate.validity().not_after.timestamp())?,
        is_authority: certificate.is_ca(),
        common_name: name.map(str::to_owned),
        version: certificate.version().0.saturating_add(1),
        names_itself: certificate.issuer().as_raw() == certificate.subject().as_raw(),
        names: names_of(&certificate),
        key: key_of(&certificate),
        names_revocations: names_revocations(&certificate),
    })
}

/// Does it name a list of revocations (RFC 5280, 4.2.1.13), or a service that is asked for one certificate (RFC 6960, 3.1)?
fn names_revocations(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.iter().any(|place| place.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP)
        }
        // One that does not read may name one.
        _ => [OID_X509_EXT_CRL_DISTRIBUTION_POINTS, OID_PKIX_AUTHORITY_INFO_ACCESS].contains(&extension.oid),
    })
}

fn key_of(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_SIG_ED25519 {
        return "ed25519".to_owned();
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        for (known, name) in
            [(OID_EC_P256, "ec-p256"), (OID_NIST_EC_P384, "ec-p384"), (OID_NIST_EC_P521, "ec-p521")]
        {
            if curve.as_ref() == Some(&known) {
                return name.to_owned();
            }
        }
    }
    match key.parsed() {
        Ok(PublicKey::RSA(key)) => format!("rsa-{}", key.key_size()),
        _ => algorithm.to_id_string(),
    }
}

/// Did the holder of `authority` sign `certificate` (both DER)?
#[must_use]
pub fn is_issued_by(certificate: &[u8], authority: &[u8]) -> bool {
    let read = |der| X509Certificate::from_der(der).map(|(_, certificate)| certificate);
    let (Ok(one), Ok(other)) = (read(certificate), read(authority)) else { return false };
    one.issuer().as_raw() == other.subject().as_raw()
        && one.verify_signature(Some(other.public_key())).is_ok()
}

/// The name of who issued a certificate (DER).
#[must_use]
pub fn issuer_of(certificate: &[u8]) -> Option<String> {
    X509Certificate::from_der(certificate).ok().map(|(_, certificate)| certificate.issuer().to_string())
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(found)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    found.value.general_names.iter().filter_map(name).collect()
}

fn read_text(path: &Path) -> Result<String, PkiError> {
    String::from_utf8(files::read(path)?).map_err(|_| PkiError::Unreadable { path: path.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn with_parsed(der: &[u8], look: impl Fn(&X509Certificate<'_>)) {
        let (rest, certificate) = X509Certificate::from_der(der).unwrap();
        assert!(rest.is_empty());
        look(&certificate);
    }

    #[test]
    fn serial_numbers_are_positive_random_and_short_enough() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let bytes = serial_number().unwrap().to_bytes();
            assert!(bytes.len() == 16 && (0x40..0x80).contains(&bytes[0]));
            assert!(seen.insert(bytes));
        }
    }

    #[test]
    fn authority_can_sign_certificates_and_make_no_other_authority() {
        let (_, issued) = Authority::create(NOW).unwrap();
        with_parsed(&issued.der, |certificate| {
            let constraints = certificate.basic_constraints().unwrap().unwrap();
            assert!(constraints.critical && constraints.value.ca);
            assert_eq!(constraints.value.path_len_constraint, Some(0));
            let usage = certificate.key_usage().unwrap().unwrap();
            assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
            assert!(certificate.verify_signature(None).is_ok());
        });
    }

    #[test]
    fn leaf_has_one_use_both_key_identifiers_and_the_issuers_signature() {
        let (authority, ca) = Authority::create(NOW).unwrap();
        let client = authority.issue_client(&"app".parse().unwrap(), NOW).unwrap();
        let server = authority.issue_server(&server_names(&["kms.example".into()]), NOW).unwrap();
        let (_, ca) = X509Certificate::from_der(&ca.der).unwrap();
        for (issued, is_server) in [(&client, false), (&server, true)] {
            with_parsed(&issued.der, |certificate| {
                assert!(certificate.verify_signature(Some(ca.public_key())).is_ok());
                assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
                let usage = certificate.key_usage().unwrap().unwrap();
                assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
                let extended = certificate.extended_key_usage().unwrap().unwrap().value;
                assert_eq!((extended.server_auth, extended.client_auth), (is_server, !is_server));
                let has = |found: fn(&ParsedExtension<'_>) -> bool| {
                    certificate.extensions().iter().any(|extension| found(extension.parsed_extension()))
                };
                assert!(has(|e| matches!(e, ParsedExtension::SubjectKeyIdentifier(_))));
                assert!(has(|e| matches!(e, ParsedExtension::AuthorityKeyIdentifier(_))));
                assert_eq!(certificate.subject_alternative_name().unwrap().is_some(), is_server);
            });
        }
    }

    #[test]
    fn expiry_that_is_reported_is_the_one_in_the_certificate() {
        let (authority, ca) = Authority::create(NOW).unwrap();
        let client = authority.issue_client(&"app".parse().unwrap(), NOW).unwrap();
        for (issued, lifetime) in [(&ca, AUTHORITY_LIFETIME), (&client, LEAF_LIFETIME)] {
            let facts = certificate_facts(&issued.der).unwrap();
            assert_eq!((facts.key.as_str(), facts.names_revocations), ("ec-p256", false));
            assert_eq!(facts.expires_at, NOW.after(lifetime));
            assert_eq!(facts.expires_at, issued.expires_at);
            assert!(facts.valid_from < NOW);
        }
    }

    #[test]
    fn place_of_revocations_is_found() {
        use rcgen::{CrlDistributionPoint, CustomExtension};
        let key = new_key().unwrap();
        let found = |params: CertificateParams| {
            certificate_facts(params.self_signed(&key).unwrap().der()).unwrap().names_revocations
        };
        let params = || CertificateParams::new(vec!["kms.example".to_owned()]).unwrap();
        assert!(!found(params()));
        let mut listed = params();
        let uris = vec!["http://ca.example/list.crl".to_owned()];
        listed.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        assert!(found(listed));
        // One access description each: id-ad-ocsp, and id-ad-caIssuers, which tells no revocation. The last does not read.
        let (named, cut_off) = (b"\x86\x04ca:/", b"\x86\x7fca:/");
        for (method, place, is_found) in [(1, named, true), (2, named, false), (2, cut_off, true)] {
            let mut access = b"\x30\x12\x30\x10\x06\x08\x2b\x06\x01\x05\x05\x07\x30".to_vec();
            access.push(method);
            access.extend(place);
            let id = [1, 3, 6, 1, 5, 5, 7, 1, 1];
            let mut asked = params();
            asked.custom_extensions = vec![CustomExtension::from_oid_content(&id, access)];
            assert_eq!(found(asked), is_found, "{method} {place:?}");
        }
    }

    #[test]
    fn authority_that_is_read_back_issues_under_the_same_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("ca.crt"), dir.path().join("ca.key"));
        let (_, issued) = Authority::create(NOW).unwrap();
        issued.write(&certificate, &key).unwrap();
        let authority = Authority::load(&certificate, &key).unwrap();
        let client = authority.issue_client(&"app".parse().unwrap(), NOW).unwrap();
        let (_, ca) = X509Certificate::from_der(&issued.der).unwrap();
        with_parsed(&client.der, |leaf| {
            assert!(leaf.verify_signature(Some(ca.public_key())).is_ok());
            assert_eq!(leaf.issuer().as_raw(), ca.subject().as_raw());
        });
        assert_eq!(authority.certificate_pem(), issued.certificate_pem);
    }

    #[test]
    fn request_gets_a_certificate_for_its_key_and_nothing_else_of_what_it_asks() {
        let (authority, ca) = Authority::create(NOW).unwrap();
        let (_, ca) = X509Certificate::from_der(&ca.der).unwrap();
        let key = new_key().unwrap();
        let mut asked = CertificateParams::new(vec!["kms.example".to_owned()]).unwrap();
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        asked.distinguished_name.push(DnType::CommonName, "root");
        let request = asked.serialize_request(&key).unwrap();
        let until = NOW.after(DAY * 40);
        let signed = authority.sign_client(request.der(), &"app".parse().unwrap(), until, NOW).unwrap();
        with_parsed(&signed.der, |certificate| {
            assert!(certificate.verify_signature(Some(ca.public_key())).is_ok());
            assert!(!certificate.is_ca() && certificate.subject_alternative_name().unwrap().is_none());
            let extended = certificate.extended_key_usage().unwrap().unwrap().value;
            assert!(extended.client_auth && !extended.server_auth);
            assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
        });
        let facts = certificate_facts(&signed.der).unwrap();
        assert_eq!((facts.common_name.as_deref(), facts.expires_at), (Some("app"), until));
        // Never longer than others live.
        let late = authority.sign_client(request.der(), &"app".parse().unwrap(), NOW.after(DAY * 4000), NOW);
        assert_eq!(late.unwrap().expires_at, NOW.after(LEAF_LIFETIME));
        // One that somebody else signed is none, and neither is anything else.
        let mut forged = request.der().to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        for bytes in [&forged[..], b"", b"hello", &[&request.der()[..], &[0]].concat()] {
            let refused = authority.sign_client(bytes, &"app".parse().unwrap(), until, NOW);
            assert!(matches!(refused, Err(PkiError::Request)), "{bytes:02x?}");
        }
    }

    #[test]
    fn server_names_are_each_there_once() {
        let names = server_names(&["localhost".into(), "kms.example".into()]);
        assert_eq!(names.iter().filter(|name| *name == "localhost").count(), 1);
        assert!(names.contains(&"kms.example".to_owned()) && names.contains(&"::1".to_owned()));
        let (authority, _) = Authority::create(NOW).unwrap();
        assert!(authority.issue_server(&["not a name\u{e9}".into()], NOW).is_err());
    }

    #[test]
    fn file_without_a_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.crt");
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, text).unwrap();
            let said = read_certificates(&path).unwrap_err().to_string();
            assert!(said.contains("server.crt"), "{said}");
        }
    }
}
